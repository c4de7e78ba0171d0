"""What the emulator refuses because the service does, in the service's own words: dialect by dialect."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from g4flite.testing import Script
from g4flite.testing.dialects import DIALECTS
from tests.open_protocols import (
    ANTHROPIC,
    BASES,
    CHAT,
    COHERE,
    GEMINI,
    PNG,
    RESPONSES,
    SYSTEM,
    TOOL,
    Wire,
    ask,
    ask_as_it_is,
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
from tests.rows import rows

HI = user("Hi")
LONG = "c" * 41
SVG = f"data:image/svg+xml;base64,{PNG}"


def asked(id_: str) -> list[dict[str, Any]]:
    return [HI, assistant("", call(id=id_)), tool(tool_call_id=id_)]


def misnamed(first: Any, name: str) -> list[dict[str, Any]]:
    made = {"id": "c", "type": "function", "function": {"name": name, "arguments": "{}"}}
    return [first, assistant("", made), tool(tool_call_id="c")]


def use(id_: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": id_, "name": "f", "input": {}}


def result(id_: str, **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": id_, **more}


CLAUDE = {"name": "weather", "input_schema": {"type": "object"}}
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
    ("mistral", [HI, HI], 400, "Unexpected role 'user' after role 'user'"),
    ("mistral", [HI, assistant("a"), assistant("b"), HI], 400, "Unexpected role 'assistant' after role 'assistant'"),
    ("mistral", [HI, assistant("a")], 400, "Expected last role User or Tool (or Assistant with prefix True)"),
    ("mistral", asked("abcdefgh1")[:2], 400, "Not the same number of function calls and responses"),
    ("mistral", [HI, SYSTEM], 400, "Expected last role User or Tool (or Assistant with prefix True) for serving but"),
    ("mistral", [HI, {**assistant(""), "prefix": True}], 400, "Assistant message must have either content or tool_c"),
    ("openai", misnamed(HI, "my tool!"), 400, "Invalid 'messages[1].tool_calls[0].function.name': string does not ma"),
    ("azure", misnamed(HI, "x" * 65), 400, "'messages[1].tool_calls[0].function.name': string too long. Expected"),
    ("perplexity", [SYSTEM, HI, HI], 400, "user or tool message(s) should alternate with assistant message(s)"),
    ("perplexity", [HI, assistant("a"), assistant("b"), HI], 400, "invalid_message"),
    ("perplexity", [HI, assistant("a"), SYSTEM, HI], 400, "invalid_message"),
]


@rows(("dialect", "messages", "status", "said"), CHATS)
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
    ("perplexity", [SYSTEM, SYSTEM, HI, assistant("a"), *asked(LONG), tool(tool_call_id=LONG)][:7]),
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
    (ANTHROPIC.field(stop_sequences=["a", "\n"]), "stop_sequences: each stop sequence must contain non-whitespace"),
    (
        ANTHROPIC.field(tools=[{"name": "a", "input_schema": {"properties": {}}}]),
        "tools.0.custom.input_schema.type: Field required",
    ),
    (ANTHROPIC.field(tools=[{"name": "a", "input_schema": {"type": "object"}}] * 2), "Tool names must be unique."),
    (
        GEMINI.field(tools=[{"functionDeclarations": [{"name": "a"}, {"name": "a"}]}]),
        "Duplicate function declaration found: a",
    ),
    (GEMINI.field(tools=[{"functionDeclarations": [{"name": "4 a"}]}]), "[FIELD_INVALID] Invalid function name."),
    (
        GEMINI.field(contents=[{"role": "model", "parts": [{"functionCall": {"name": "f"}}]}]),
        "Please ensure that function call turn comes immediately after a user turn",
    ),
    (
        GEMINI.field(
            contents=[
                {"parts": [{"text": "a"}]},
                {"role": "model", "parts": [{"text": "a"}]},
                {"role": "model", "parts": [{"functionCall": {"name": "f"}}]},
            ]
        ),
        "contents[2]: Please ensure that function call turn comes immediately after a user turn",
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
    (COHERE.field(tools=[TOOL], response_format={"type": "json_object"}), "response_format is not supported with to"),
    (
        RESPONSES.field(input=[{"type": "function_call", "call_id": "c", "name": "my tool!", "arguments": "{}"}]),
        "Invalid 'input[0].name': string does not match pattern. Expected a string that matches the pattern",
    ),
    (
        RESPONSES.field(tools=[{"type": "function", "name": "a", "parameters": {"type": "object"}}]),
        "Invalid schema for function 'a': In context=(), object schema missing properties.",
    ),
    (RESPONSES.field(tools=[{"type": "function", "name": "a b"}]), "Invalid 'tools[0].name': string does not match"),
    (RESPONSES.field(model="o3", temperature=0.2), "'temperature' does not support 0.2 with this model. Only the def"),
    (
        RESPONSES.field(model="o1-mini", input=[{"role": "developer", "content": "a"}]),
        "Unsupported value: 'input[0].role' does not support 'developer' with this model.",
    ),
    (CHAT.field(model="gpt-5", temperature=0), "Unsupported value: 'temperature' does not support 0 with this model."),
    (CHAT.field(model="gpt-5.2", max_tokens=5), "Use 'max_completion_tokens' instead."),
    (
        CHAT.field(model="o1-mini", messages=[SYSTEM, HI]),
        "'messages[0].role' does not support 'system' with this model",
    ),
    (CHAT.field(tools=[{"type": "function", "function": {"name": "my tool!"}}]), "Invalid 'tools[0].function.name': s"),
    (blocks(HI, assistant([{**use("a"), "name": "a b"}])), "messages.1.content.0.tool_use.name: String should match"),
    (
        blocks(HI, assistant("a")).field(model="claude-opus-4-6"),
        "This model does not support assistant message prefill. The conversation must end with a user message.",
    ),
    (ANTHROPIC.field(model="claude-opus-4-8", temperature=0), "`temperature` is deprecated for this model."),
    (ANTHROPIC.field(model="claude-sonnet-5", top_p=0.5), "`top_p` is deprecated for this model."),
    (
        ANTHROPIC.field(model="claude-opus-4-1", temperature=0, top_p=0.5),
        "`temperature` and `top_p` cannot both be specified for this model. Please use only one.",
    ),
    (
        ANTHROPIC.field(tools=[CLAUDE], tool_choice={"type": "any"}, thinking={"type": "enabled"}),
        "Thinking may not be enabled when tool_choice forces tool use.",
    ),
    (
        ANTHROPIC.field(model="claude-fable-5-1", tools=[CLAUDE], tool_choice={"type": "tool", "name": "weather"}),
        'tool_choice: type "tool" and "any" are not supported for this model.',
    ),
    (
        ANTHROPIC.field(model="claude-opus-4-7", thinking={"type": "enabled"}),
        '"thinking.type.enabled" is not supported',
    ),
    (ANTHROPIC.field(model="claude-opus-5-5", thinking={"type": "disabled"}), '"thinking.type.disabled" is not suppor'),
    (
        ANTHROPIC.field(model="claude-haiku-4-5-20251001", thinking={"type": "adaptive"}),
        "adaptive thinking is not supported on this model",
    ),
    (
        replace(GEMINI, path=GEMINI.path.replace("/m:", "/gemini-2.5-pro:")).field(
            tools=[{"functionDeclarations": [{"name": "f"}]}], generationConfig={"responseMimeType": "application/json"}
        ),
        "Function calling with a response mime type: 'application/json' is unsupported",
    ),
    (CHAT.field(model="o3", top_p=0.5), "Unsupported parameter: 'top_p' is not supported with this model."),
    (CHAT.field(model="gpt-5", stop=["a"]), "Unsupported parameter: 'stop' is not supported with this model."),
    (CHAT.field(response_format={"type": "json_object"}), "'messages' must contain the word 'json' in some form, to"),
    (
        RESPONSES.field(text={"format": {"type": "json_object"}}, instructions="Answer in JSON."),
        "Response input messages must contain the word 'json' in some form to use 'text.format' of type 'json_object'.",
    ),
    (ANTHROPIC.field(temperature=0, thinking={"type": "enabled"}), "may only be set to 1 when thinking is enabled."),
    (
        RESPONSES.field(input=[{"type": "function_call", "call_id": "c" * 65, "name": "f", "arguments": "{}"}]),
        "Invalid 'input[0].call_id': string too long. Expected a string with maximum length 64",
    ),
    (RESPONSES.field(input=[user([{"type": "input_image", "image_url": SVG}])]), UNSUPPORTED),
    (CHAT.field(tool_choice="auto"), "'tool_choice' is only allowed when 'tools' are specified."),
    (CHAT.field(messages=asked("c")[:2]), "An assistant message with 'tool_calls' must be followed by tool messages"),
    (CHAT.field(messages=asked("c")[2:]), "messages with role 'tool' must be a response to a preceeding message with"),
]


@rows(("wire", "said"), OTHERS)
def test_the_other_protocols_refuse_what_their_services_refuse(wire: Wire, said: str) -> None:
    with emulate("a") as e:
        response = ask(e, wire)
        assert (response.status, said in str(response.json)) == (400, True), response.body


MADE_UP = {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}
NAMED_TOOL = {"type": "function", "function": {"name": "weather"}}
JSON_ASKED = [{"role": "user", "content": "A, in Json."}]


def strict(parameters: dict[str, Any]) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "weather", "strict": True, "parameters": parameters}}


PREFILL = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "He"}]
EMPTY = {"role": "assistant", "content": ""}
CALLED = {"role": "assistant", "reasoning_content": "",
          "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}  # fmt: skip
RESULT = {"role": "tool", "tool_call_id": "a", "content": "1"}
# The dialect, what the request says besides, and the refusal; "" means that the service takes it.
OPTIONS: list[tuple[str, dict[str, Any], str]] = [
    ("deepseek", {"model": "deepseek-reasoner", "tool_choice": "required"}, "Thinking mode does not support this tool"),
    ("deepseek", {"model": "deepseek-v4-pro", "tool_choice": NAMED_TOOL}, "Thinking mode does not support this tool_"),
    ("deepseek", {"model": "deepseek-v4", "tool_choice": "required", "thinking": {"type": "disabled"}}, ""),
    ("deepseek", {"model": "deepseek-chat", "tool_choice": "required"}, ""),
    ("deepseek", {"tools": [TOOL, TOOL]}, "Tool names must be unique."),
    ("deepseek", {"response_format": MADE_UP}, "This response_format type is unavailable now"),
    ("deepseek", {"response_format": {"type": "json_object"}}, "Prompt must contain the word 'json' in some form to"),
    ("deepseek", {"response_format": {"type": "json_object"}, "messages": JSON_ASKED}, ""),
    ("openai", {"response_format": {"type": "json_object"}, "messages": JSON_ASKED}, ""),
    ("groq", {"response_format": {"type": "json_object"}}, "json mode cannot be combined with tool/function calling"),
    ("groq", {"response_format": {"type": "json_object"}, "tools": []}, "'messages' must contain the word 'json' in s"),
    ("groq", {"response_format": MADE_UP, "tools": [], "stream": True}, "response_format` does not support streaming"),
    ("groq", {"response_format": MADE_UP, "tools": [], "stream": False}, ""),
    ("groq", {"response_format": {"type": "json_object"}, "tools": [], "messages": JSON_ASKED}, ""),
    ("xai", {"model": "grok-4", "stop": ["a"]}, "Argument not supported on this model: stop"),
    ("xai", {"model": "grok-code-fast-1", "stop": ["a"]}, "Argument not supported on this model: stop"),
    ("xai", {"model": "grok-3", "stop": ["a"]}, ""),
    ("xai", {"messages": [*PREFILL[:1], EMPTY, *PREFILL[:1]]}, "Every message needs at least one non-empty content el"),
    ("deepseek", {"messages": [*PREFILL[:1], EMPTY]}, "Invalid assistant message: content or tool_calls must be set"),
    ("deepseek", {"model": "deepseek-v4", "messages": PREFILL}, "The `reasoning_content` in the thinking mode must be"),
    ("deepseek", {"model": "deepseek-v4", "messages": PREFILL, "tools": None}, ""),
    ("deepseek", {"model": "deepseek-v4", "messages": [*PREFILL, *PREFILL[:1]]}, ""),
    ("llamacpp", {"messages": PREFILL, "chat_template_kwargs": {"enable_thinking": True}}, "incompatible with enable_"),
    ("llamacpp", {"messages": PREFILL, "chat_template_kwargs": {"enable_thinking": False}}, ""),
    ("llamacpp", {"chat_template_kwargs": {"enable_thinking": True}}, ""),
    ("llamacpp", {"messages": PREFILL}, ""),
    ("moonshot", {"model": "kimi-k2.6", "temperature": 0.3}, "invalid temperature: only 1 is allowed for this model"),
    ("moonshot", {"model": "kimi-k2.6", "temperature": 1}, ""),
    ("moonshot", {"model": "kimi-k2-turbo-preview", "temperature": 0.3}, ""),
    ("moonshot", {"model": "kimi-k2.6", "tool_choice": "required"}, "tool_choice 'required' is incompatible with thi"),
    ("moonshot", {"model": "kimi-k3", "tool_choice": NAMED_TOOL}, "tool_choice 'specified' is incompatible with thi"),
    ("moonshot", {"model": "kimi-k3", "tool_choice": "required"}, ""),
    ("moonshot", {"model": "kimi-k2.6", "tool_choice": "required", "thinking": {"type": "disabled"}}, ""),
    ("moonshot", {"tool_choice": NAMED_TOOL}, ""),
    ("moonshot", {"messages": [*PREFILL[:1], EMPTY, *PREFILL[:1]]}, "message at position 1 with role 'assistant' must"),
    ("moonshot", {"messages": [*PREFILL[:1], {**EMPTY, "reasoning_content": "a"}]}, "position 1 with role 'assistant'"),
    ("moonshot", {"model": "kimi-k2.5", "messages": [{**CALLED, "content": ""}, RESULT]}, ""),
    ("moonshot", {"model": "kimi-k3", "messages": [{**CALLED, "content": ""}, RESULT]}, "position 0 with role 'assist"),
    ("moonshot", {"model": "kimi-k3", "messages": [CALLED, RESULT]}, ""),
    ("moonshot", {"messages": PREFILL}, ""),
    ("mistral", {"stream_options": {"include_usage": True}}, "Extra inputs are not permitted"),
    ("mistral", {"user": "ann"}, "Extra inputs are not permitted"),
    ("mistral", {"logprobs": True}, "Extra inputs are not permitted"),
    ("openai", {"metadata": {"a": "b"}}, "The 'metadata' parameter is only allowed when 'store' is enabled."),
    ("openai", {"metadata": {"a": "b"}, "store": True}, ""),
    ("openai", {"model": "gpt-5", "presence_penalty": 1}, "'presence_penalty' is not supported with this model."),
    ("openai", {"model": "o3", "logprobs": True}, "'logprobs' is not supported with this model."),
    ("openai", {"parallel_tool_calls": False}, ""),
    ("openai", {"parallel_tool_calls": False, "tools": None}, "is only allowed when 'tools' are specified."),
    ("openai", {"model": "gpt-5", "temperature": 1}, ""),
    ("openai", {"tools": [strict({"type": "object", "properties": {}, "additionalProperties": False})]}, ""),
    ("openai", {"tools": [strict({"type": "object", "additionalProperties": False})]}, "object schema missing prop"),
    ("openai", {"tools": [strict({"type": "object"})]}, "'additionalProperties' is required to be supplied and"),
    ("openai", {"model": "gpt-5.4", "top_p": 1, "reasoning_effort": "low"}, ""),
    ("openai", {"model": "gpt-5.4", "logprobs": True, "reasoning_effort": "low"}, "'logprobs' is not supported with"),
    ("openai", {"model": "gpt-5.4", "logprobs": True}, ""),
    ("openai", {"model": "gpt-4o", "temperature": 0, "max_tokens": 5}, ""),
]


@rows(("dialect", "fields", "said"), OPTIONS)
def test_options_are_refused_as_the_service_refuses_them(dialect: str, fields: dict[str, Any], said: str) -> None:
    with emulate("a", script=Script(dialect=dialect)) as e:
        response = ask(e, CHAT.field(**{"tools": [TOOL], **fields}))
        assert (response.status != 200, said in response.body.decode()) == (bool(said), True), response.body


def test_gemini_3_says_nothing_to_a_text_beside_a_result() -> None:
    call_ = {"role": "model", "parts": [{"functionCall": {"name": "f"}}]}
    result_ = {"functionResponse": {"name": "f", "response": {}}}
    contents = [{"parts": [{"text": "a"}]}, call_, {"parts": [result_, {"text": "b"}]}]
    three = replace(GEMINI, path=GEMINI.path.replace("/m:", "/gemini-3-pro:"))
    with emulate("Hello", script=Script()) as e:
        for wire in (three, replace(three, path=three.path.replace("streamGenerate", "generate"))):
            assert b"STOP" in hear(e, wire.field(contents=contents))
            assert b"Hello" not in hear(e, wire.field(contents=contents))
            assert b"Hello" in hear(e, wire.field(contents=[*contents[:2], {"parts": [result_]}, *contents[:1]]))
        assert b"Hello" in hear(e, GEMINI.field(contents=contents))


PATHS = {
    "azure": "/openai/deployments/d/chat/completions?api-version=1", "openrouter": "/api/v1/chat/completions",
    "deepseek": "/chat/completions", "groq": "/openai/v1/chat/completions", "zai": "/api/paas/v4/chat/completions",
    "llamacpp": "/chat/completions", "litellm": "/chat/completions", "perplexity": "/chat/completions",
    "github-models": "/inference/chat/completions", "fireworks": "/inference/v1/chat/completions",
    "google": "/v1beta/openai/chat/completions",
}  # fmt: skip


@rows("dialect", [None, *DIALECTS])
def test_a_dialect_has_the_paths_of_its_service_alone(dialect: str | None) -> None:
    with emulate("a", script=Script(dialect=dialect), keys=False) as e:
        for path in {*PATHS.values(), "/v1/chat/completions", "/v1/chat/completions/chat/completions", "/x/v1/chat"}:
            wire = Wire(path, CHAT.headers, CHAT.data)
            own = path in (PATHS.get(str(dialect)), "/v1/chat/completions" if dialect not in BASES else None)
            own = own or (dialect == "azure" and path == PATHS["groq"])
            any_ = dialect is None and path in PATHS.values() and path != "/chat/completions"
            assert ask_as_it_is(e, wire).status == (200 if own or any_ else 404), path


def test_tools_make_a_tool_choice_right() -> None:
    with emulate("a") as e:
        hear(e, CHAT.field(tools=[TOOL], tool_choice="auto"))
        assert last(e).options["tool_choice"] == "auto"
