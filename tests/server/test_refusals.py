"""What the emulator refuses because the service does, in the service's own words: dialect by dialect."""

from __future__ import annotations

from typing import Any

import pytest

from g4flite.testing import Script
from g4flite.testing.dialects import DIALECTS
from tests.open_protocols import (
    ANTHROPIC,
    CHAT,
    COHERE,
    GEMINI,
    PNG,
    RESPONSES,
    SYSTEM,
    TOOL,
    Wire,
    ask,
    assistant,
    call,
    emulate,
    hear,
    image,
    last,
    text,
    tool,
    user,
)

HI = user("Hi")
LONG = "c" * 41
SVG = f"data:image/svg+xml;base64,{PNG}"


def asked(id_: str) -> list[dict[str, Any]]:
    return [HI, assistant("", call(id=id_)), tool(tool_call_id=id_)]


def use(id_: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": id_, "name": "f", "input": {}}


def result(id_: str, **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": id_, **more}


UNSUPPORTED = "You uploaded an unsupported image. Please make sure your image has of one the following formats"
# The dialect, the messages, and what the response says.
CHATS: list[tuple[str, list[Any], int, str]] = [
    ("openai", asked(LONG), 400, "Invalid 'messages[1].tool_calls[0].id': string too long. Expected a string with"),
    ("azure", asked(LONG), 400, "string too long. Expected a string with maximum length 40, but got a string with"),
    ("openai", [user([image(SVG)])], 400, UNSUPPORTED),
    ("deepseek", [{"role": "developer", "content": "a"}, HI], 400, "messages[0].role: unknown variant `developer`"),
    ("vllm", [SYSTEM, SYSTEM, HI], 400, "System message must be at the beginning."),
    ("vllm", [HI, SYSTEM], 400, "System message must be at the beginning."),
    ("groq", [HI, {**assistant("a"), "reasoning_content": "x"}], 400, "'messages.1' : for 'role:assistant' the"),
    ("groq", [HI, {**assistant("a"), "reasoning_content": "x"}], 400, "property 'reasoning_content' is unsupported"),
    ("mistral", [{**HI, "name": "ann"}], 422, "extra_forbidden"),
    ("mistral", [{"role": "developer", "content": "a"}, HI], 422, "union_tag_invalid"),
    ("mistral", asked("call_1"), 400, "Tool call id was call_1 but must be a-z, A-Z, 0-9, with a length of 9."),
    ("mistral", [HI, assistant(""), HI], 400, "Assistant message must have either content or tool_calls, but not"),
    ("mistral", [*asked("abcdefgh1"), HI], 400, "Unexpected role 'user' after role 'tool'"),
    ("mistral", [HI, assistant("a")], 400, "Expected last role User or Tool (or Assistant with prefix True)"),
    ("mistral", asked("abcdefgh1")[:2], 400, "Not the same number of function calls and responses"),
]


@pytest.mark.parametrize(("dialect", "messages", "status", "said"), CHATS)
def test_chat_s_dialects_refuse_what_their_services_refuse(
    dialect: str, messages: list[Any], status: int, said: str
) -> None:
    with emulate("a", script=Script(dialect=dialect)) as e:
        wire = CHAT.header(api_key="k") if dialect == "azure" else CHAT
        response = ask(e, wire.field(messages=messages))
        assert (response.status, said in response.body.decode()) == (status, True), response.body
        assert last(e).problem


ACCEPTED: list[tuple[str, list[Any]]] = [
    ("openai", [{"role": "developer", "content": "a"}, {**HI, "name": "ann"}, *asked("c" * 40), HI, assistant("")]),
    ("openai", [user([image(f"data:image/{kind};base64,{PNG}") for kind in ("png", "jpeg", "gif", "webp")])]),
    ("openai", [user([image("https://a.test/b.svg")])]),
    ("groq", [{**HI, "name": "ann"}, {**assistant("a"), "reasoning": "x"}, *asked(LONG)]),
    ("mistral", [SYSTEM, *asked("abcdefgh1"), assistant("a"), HI, {**assistant("a"), "prefix": True}]),
    ("vllm", [SYSTEM, HI, *asked(LONG)]),
    ("deepseek", [SYSTEM, SYSTEM, HI, *asked(LONG)]),
]


@pytest.mark.parametrize(("dialect", "messages"), ACCEPTED)
def test_what_a_service_takes_is_accepted(dialect: str, messages: list[Any]) -> None:
    with emulate("a", script=Script(dialect=dialect)) as e:
        hear(e, CHAT.field(messages=messages))
        assert last(e).problem is None


def blocks(*messages: Any) -> Wire:
    return ANTHROPIC.field(messages=list(messages))


OTHERS: list[tuple[Wire, str]] = [
    (blocks(user(" \n")), "messages: text content blocks must contain non-whitespace text"),
    (blocks(user([text("a"), text(" ")])), "messages: text content blocks must contain non-whitespace text"),
    (blocks({**HI, "name": "ann"}), "messages.0.name: Extra inputs are not permitted"),
    (blocks(user([{**text("a"), "x": 1}])), "messages.0.content.0.text.x: Extra inputs are not permitted"),
    (blocks(HI, assistant([use("a:b")]), user([result("a:b")])), "tool_use.id: String should match pattern"),
    (
        blocks(HI, assistant([use("a")]), user([result("a")]), assistant([use("a")]), user([result("a")])),
        "`tool_use` ids must be unique",
    ),
    (blocks(HI, assistant([use("a")]), user([result("a", content=[])])), "tool_result.content: expected"),
    (
        blocks(user([{"type": "image", "source": {"type": "base64", "media_type": "image/jpg", "data": PNG}}])),
        "image.source.base64.media_type: Input should be 'image/jpeg', 'image/png', 'image/gif' or 'image/webp'",
    ),
    (blocks(HI, assistant("a ")), "messages: final assistant content cannot end with trailing whitespace"),
    (blocks(HI, assistant([text("a ")])), "messages: final assistant content cannot end with trailing whitespace"),
    (blocks(HI, assistant([use("a")])), "`tool_use` ids were found without `tool_result` blocks immediately after"),
    (blocks(user([result("a")])), "unexpected `tool_use_id` found in `tool_result` blocks"),
    (
        ANTHROPIC.field(tools=[{"name": "a.b", "input_schema": {}}]),
        "tools.0.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'",
    ),
    (
        GEMINI.field(contents=[{"role": "model", "parts": [{"functionCall": {"name": "f"}}]}]),
        "Please ensure that function call turn comes immediately after a user turn",
    ),
    (
        GEMINI.field(toolConfig={"functionCallingConfig": {"mode": "ANY"}}),
        "Function calling config is set without function_declarations",
    ),
    (
        GEMINI.field(contents=[{"parts": [{"functionResponse": {"name": "f", "response": {}}}]}]),
        "the number of function response parts is equal to the number of function call parts of the function call turn",
    ),
    (COHERE.field(messages=[HI, assistant("")]), "messages[1]: expected content or tool calls"),
    (
        RESPONSES.field(input=[{"type": "function_call", "call_id": "c" * 65, "name": "f", "arguments": "{}"}]),
        "Invalid 'input[0].call_id': string too long. Expected a string with maximum length 64",
    ),
    (RESPONSES.field(input=[user([{"type": "input_image", "image_url": SVG}])]), UNSUPPORTED),
    (CHAT.field(tool_choice="auto"), "'tool_choice' is only allowed when 'tools' are specified."),
    (CHAT.field(messages=asked("c")[:2]), "An assistant message with 'tool_calls' must be followed by tool messages"),
    (CHAT.field(messages=asked("c")[2:]), "messages with role 'tool' must be a response to a preceeding message with"),
]


@pytest.mark.parametrize(("wire", "said"), OTHERS)
def test_the_other_protocols_refuse_what_their_services_refuse(wire: Wire, said: str) -> None:
    with emulate("a") as e:
        response = ask(e, wire)
        assert (response.status, said in str(response.json)) == (400, True), response.body


PATHS = {
    "azure": "/openai/deployments/d/chat/completions?api-version=1", "openrouter": "/api/v1/chat/completions",
    "deepseek": "/chat/completions", "groq": "/openai/v1/chat/completions", "zai": "/api/paas/v4/chat/completions",
    "llamacpp": "/chat/completions", "litellm": "/chat/completions", "perplexity": "/chat/completions",
    "github-models": "/inference/chat/completions", "fireworks": "/inference/v1/chat/completions",
}  # fmt: skip


@pytest.mark.parametrize("dialect", [None, *DIALECTS])
def test_a_dialect_has_the_paths_of_its_service_alone(dialect: str | None) -> None:
    with emulate("a", script=Script(dialect=dialect), keys=False) as e:
        for path in {*PATHS.values(), "/v1/chat/completions", "/v1/chat/completions/chat/completions", "/x/v1/chat"}:
            wire = Wire(path, CHAT.headers, CHAT.data)
            own = path in (PATHS.get(str(dialect)), "/v1/chat/completions")
            own = own or (dialect == "azure" and path == PATHS["groq"])
            any_ = dialect is None and path in PATHS.values() and path != "/chat/completions"
            assert ask(e, wire).status == (200 if own or any_ else 404), path


def test_tools_make_a_tool_choice_right() -> None:
    with emulate("a") as e:
        hear(e, CHAT.field(tools=[TOOL], tool_choice="auto"))
