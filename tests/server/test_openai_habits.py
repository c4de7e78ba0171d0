"""What is the same in both of OpenAI's protocols: the key, the request id, and the errors."""

from __future__ import annotations

from g4flite.testing import Emulator, Script
from tests.open_protocols import CHAT, OPENAI_ERRORS, RESPONSES, Wire, ask, emulate, hear, message, told
from tests.rows import rows


@rows("kind", OPENAI_ERRORS)
@rows("wire", [CHAT, RESPONSES])
def test_openai_s_http_errors(kind: str, wire: Wire) -> None:
    status, headers, body = told(kind, wire)
    error = body["error"]
    assert list(body) == ["error"]
    assert (status, error["type"], error["code"]) == OPENAI_ERRORS[kind]
    assert error["param"] == ("messages" if kind == "context_length" else None)
    assert error["message"]
    assert headers["x-request-id"] == "req_1"


def test_a_refusal_names_the_field_where_the_vendor_does(shared: Emulator) -> None:
    assert ask(shared, CHAT.field(**message(role="bot"))).json["error"]["param"] == "messages"
    assert ask(shared, CHAT.header(content_type=None)).json["error"]["param"] is None


def test_azure_s_key_serves_where_azure_is_asked_for() -> None:
    with emulate(script=Script(dialect="azure")) as e:
        for wire in (CHAT, RESPONSES):
            hear(e, wire.header(authorization=None, api_key="k"))
        e.script = Script()
        for wire in (CHAT, RESPONSES):
            assert ask(e, wire.header(authorization=None, api_key="k")).status == 401


@rows("dialect", ["vllm", "llamacpp", "transformers"])
def test_a_local_server_demands_no_key(dialect: str) -> None:
    with emulate(script=Script(dialect=dialect)) as e:
        for wire in (CHAT, RESPONSES):
            response = ask(e, wire.header(authorization=None))
            assert (response.status, response.headers.get("x-request-id")) == (200, None)
