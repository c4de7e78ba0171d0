"""What all protocols demand of a request: its path, method, key, content type and JSON."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from g4flite.testing import Emulator, Script
from tests.open_protocols import (
    ANTHROPIC,
    AZURE,
    CHAT,
    COHERE,
    GEMINI,
    MESSAGES,
    OLLAMA,
    RESPONSES,
    WIRES,
    Wire,
    ask,
    emulate,
    hear,
    last,
    message,
    refuse,
)
from tests.rows import rows

# Where they are


@rows(
    ("path", "service"),
    [
        ("/v1/chat/completions", "chat"),
        ("/api/v1/chat/completions", "chat"),
        ("/openai/v1/chat/completions?x=1", "chat"),
        ("/v1/responses", "responses"),
        ("/v1/messages", "anthropic"),
        ("/api/v1/messages", "anthropic"),
        ("/v1beta/models/m:streamGenerateContent?alt=sse", "gemini"),
        ("/v1/models/m:streamGenerateContent", "gemini"),
        ("/v1beta/models/m:generateContent", "gemini"),
        ("/v1/models/m:generateContent?alt=sse", "gemini"),
        ("/api/chat", "ollama"),
        ("/v2/chat", "cohere"),
    ],
)
@rows("prefix", ["", "/gateway"])
def test_each_protocol_has_its_paths(path: str, service: str, prefix: str) -> None:
    with emulate(prefix=prefix) as e:
        assert hear(e, replace(WIRES[service], path=prefix + path))
        assert (last(e).service, last(e).model, last(e).messages) == (service, "m", MESSAGES)
        assert last(e).options == ({"max_tokens": 9} if service == "anthropic" else {})


# The paths that a refusal names: those that end like the one that was asked for, or all of them.
CHATS, ALL = "/chat or /api/chat or /v2/chat", "one of /chat, "
WRONG = {
    "/v1/chat": CHATS, "/x/api/chat": CHATS, "/v1/api/chat": CHATS, "/v1/v2/chat": CHATS,
    "/v1/chat/completions/": ALL, "/v2/chat/x": ALL, "/v1beta/models/m:countTokens": ALL, "/chat/v1": ALL,
    **dict.fromkeys(("/chat/completions", "/v1/chat/completions/chat/completions", "/v1/v1/chat/completions",
                     "/x/chat/completions"), "/v1/chat/completions"),
    **dict.fromkeys(("/responses", "/v1/v1/responses"), "/v1/responses"),
    **dict.fromkeys(("/messages", "/v1/messages/v1/messages", "/v1/v1/messages", "/openai/v1/messages"),
                    "/v1/messages"),
    "/v1/v1beta/models/m:streamGenerateContent": "/v1beta/models/{model}:streamGenerateContent",
}  # fmt: skip


@rows("path", WRONG)
def test_other_paths_are_not_found(shared: Emulator, path: str) -> None:
    response = ask(shared, replace(CHAT, path=path))
    assert response.status == 404
    assert response.json["error"].startswith(f"path: expected {WRONG[path]}")


@rows(
    ("dialect", "path"),
    [("groq", "/openai/v1/chat/completions"), ("vllm", "/v1/chat/completions"),
     ("azure", "/openai/deployments/{name}/chat/completions"), ("perplexity", "/chat/completions")],
)  # fmt: skip
def test_a_refusal_names_the_path_of_the_dialect(dialect: str, path: str) -> None:
    with emulate(script=Script(dialect=dialect)) as e:
        response = ask(e, replace(CHAT, path="/x/chat/completions"))
        assert response.status == 404
        assert response.json["error"] == f"path: expected {path}"


def test_a_path_outside_of_the_prefix_is_not_found() -> None:
    with emulate(prefix="/gateway") as e:
        assert ask(e, CHAT).status == 404


@rows("name", WIRES)
def test_anything_but_a_post_is_refused(shared: Emulator, name: str) -> None:
    response = ask(shared, replace(WIRES[name], method="PUT"))
    assert (response.status, response.headers["allow"]) == (405, "POST")


# What they demand


@rows(
    ("wire", "key", "body"),
    [
        (CHAT, "authorization", {"error": {"type": "invalid_request_error", "param": None, "code": "invalid_api_key"}}),
        (RESPONSES, "authorization", {"error": {"type": "invalid_request_error", "code": "invalid_api_key"}}),
        (AZURE, "api-key", {"error": {"code": "401"}}),
        (ANTHROPIC, "x-api-key", {"type": "error", "request_id": "req_1", "error": {"type": "authentication_error"}}),
        (GEMINI, "x-goog-api-key", {"error": {"code": 401, "status": "UNAUTHENTICATED"}}),
        (COHERE, "authorization", {}),
    ],
)
def test_a_missing_key_is_the_vendor_s_401(wire: Wire, key: str, body: dict[str, Any]) -> None:
    keyless = wire.header(**{key: None})
    with emulate() as e:
        for bad in (keyless, wire.header(**{key: "  "}), keyless.header(**{key: "two words"})):
            response = ask(e, bad)
            assert response.status == 401
            assert response.headers["content-type"] == "application/json"
            for name, value in body.items():
                given = response.json[name]
                assert (given | value if isinstance(value, dict) else value) == given
            problem = last(e).problem
            assert problem == f"header {key}: expected a key; Emulator(keys=False) and --no-keys demand none"
            assert problem in str(response.json)
            assert (last(e).messages, last(e).status) == ([], 401)
    with emulate(keys=False) as e:
        hear(e, keyless)


REFUSED: list[tuple[Wire, str]] = [
    *((replace(wire, data=b"{"), "body: expected JSON") for wire in WIRES.values()),
    *((replace(wire, data=[]), "body: expected an object") for wire in WIRES.values()),
    *((wire.header(content_type="text/plain"), "header content-type") for n, wire in WIRES.items() if n != "ollama"),
    *((wire.header(content_type=None), "header content-type") for n, wire in WIRES.items() if n != "ollama"),
    *((wire.without("model"), "model: expected") for name, wire in WIRES.items() if name != "gemini"),
    *((wire.field(model=""), "model: expected") for name, wire in WIRES.items() if name != "gemini"),
    *((wire.field(stream="yes"), "stream: expected true or") for wire in (CHAT, RESPONSES, ANTHROPIC, OLLAMA, COHERE)),
    *((wire.field(messages=[]), "messages: expected") for wire in (CHAT, ANTHROPIC, OLLAMA, COHERE)),
    *((wire.field(messages=["Hi"]), "messages: expected") for wire in (CHAT, ANTHROPIC, OLLAMA, COHERE)),
    *((wire.field(**message(role="bot", content="")), "[0].role") for wire in (CHAT, ANTHROPIC, OLLAMA, COHERE)),
    *((wire.field(**message(role="user", content=1)), "[0].content") for wire in (CHAT, ANTHROPIC, OLLAMA, COHERE)),
    *((wire.field(temperature="1"), "temperature: expected") for wire in (CHAT, RESPONSES, ANTHROPIC, COHERE)),
    *((wire.field(top_p=True), "top_p: expected a number") for wire in (CHAT, RESPONSES)),
]


@rows(("wire", "problem"), REFUSED)
def test_a_wrong_field_is_refused_by_its_name(shared: Emulator, wire: Wire, problem: str) -> None:
    refuse(shared, wire, problem)


@rows("kind", ["APPLICATION/JSON", "Application/Json; charset=utf-8", "application/json ;a=b"])
@rows("name", WIRES)
def test_the_content_type_of_json_may_be_in_any_case(shared: Emulator, name: str, kind: str) -> None:
    hear(shared, WIRES[name].header(content_type=kind))
    assert last(shared).messages == MESSAGES


@pytest.mark.parametrize("kind", [None, "text/plain"])
def test_ollama_reads_json_under_any_content_type(shared: Emulator, kind: str | None) -> None:
    hear(shared, OLLAMA.header(content_type=kind))
    assert last(shared).messages == MESSAGES


def test_unknown_fields_and_headers_are_accepted(shared: Emulator) -> None:
    for wire in WIRES.values():
        more = wire.header(x_stainless_lang="python", content_type="application/json; charset=utf-8")
        hear(shared, more.field(unheard_of={"x": [None]}))
        assert last(shared).messages == MESSAGES


@rows("name", WIRES)
@rows("value", [None, True, False])
def test_a_reply_is_streamed_if_the_request_says_so(shared: Emulator, name: str, value: bool | None) -> None:
    # Gemini's request says it by its path.
    response = ask(shared, WIRES[name].field(stream=value))
    streamed = name == "gemini" or (name == "ollama" if value is None else value)
    assert response.status == 200
    assert (response.headers["content-type"] != "application/json") == streamed
    assert (response.headers.get("transfer-encoding") == "chunked") == streamed


@rows("name", WIRES)
def test_if_the_request_does_not_say_ollama_alone_streams(shared: Emulator, name: str) -> None:
    response = ask(shared, WIRES[name].without("stream"))
    assert (response.headers["content-type"] == "application/json") == (name not in {"ollama", "gemini"})
