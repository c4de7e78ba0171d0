"""What the emulator's open protocols demand of a request, and how they translate one into OpenAI's form."""

from __future__ import annotations

from collections.abc import Iterator
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
    events,
    hear,
    last,
)  # fmt: skip

PNG = "iVBORw0KGgo="
SCHEMA = {"type": "object", "properties": {"first_name": {"type": "string"}}}
TOOL = {"type": "function", "function": {"name": "weather", "description": "of a city", "parameters": SCHEMA}}
BARE = {"type": "function", "function": {"name": "weather"}}
NAMED = {"type": "function", "function": {"name": "weather"}}


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def image(url: str = f"data:image/png;base64,{PNG}", **extra: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **extra}}


def call(arguments: str = '{"city":"Oslo"}', **extra: Any) -> dict[str, Any]:
    return {**extra, "type": "function", "function": {"name": "weather", "arguments": arguments}}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(content: Any, *calls: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **({"tool_calls": list(calls)} if calls else {})}


def tool(content: Any = "Rain", **extra: Any) -> dict[str, Any]:
    return {"role": "tool", "content": content, **extra}


SYSTEM = {"role": "system", "content": "Be brief."}


@pytest.fixture(scope="module")
def shared() -> Iterator[Emulator]:
    with emulate() as e:
        yield e


# Where they are


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/v1/chat/completions", "chat"),
        ("/chat/completions", "chat"),
        ("/api/v1/chat/completions", "chat"),
        ("/openai/v1/chat/completions?x=1", "chat"),
        ("/v1/responses", "responses"),
        ("/v1/messages", "anthropic"),
        ("/api/v1/messages", "anthropic"),
        ("/v1beta/models/m:streamGenerateContent?alt=sse", "gemini"),
        ("/v1/models/m:streamGenerateContent", "gemini"),
        ("/api/chat", "ollama"),
        ("/v2/chat", "cohere"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "/gateway"])
def test_each_protocol_has_its_paths(path: str, service: str, prefix: str) -> None:
    with emulate(prefix=prefix) as e:
        assert hear(e, replace(WIRES[service], path=prefix + path))
        assert (last(e).service, last(e).model, last(e).messages) == (service, "m", MESSAGES)
        assert last(e).options == ({"max_tokens": 9} if service == "anthropic" else {})


@pytest.mark.parametrize(
    "path",
    ["/v1/chat", "/v1/chat/completions/", "/x/api/chat", "/v2/chat/x", "/v1beta/models/m:countTokens", "/chat/v1"],
)
def test_other_paths_are_not_found(shared: Emulator, path: str) -> None:
    response = ask(shared, replace(CHAT, path=path))
    assert response.status == 404
    for shown in ("/chat", "/v1/chat/completions", "/v1beta/models/{model}:streamGenerateContent", "/v2/chat"):
        assert shown in response.json["error"]


def test_a_path_outside_of_the_prefix_is_not_found() -> None:
    with emulate(prefix="/gateway") as e:
        assert ask(e, CHAT).status == 404


@pytest.mark.parametrize("name", WIRES)
def test_anything_but_a_post_is_refused(shared: Emulator, name: str) -> None:
    response = ask(shared, replace(WIRES[name], method="PUT"))
    assert (response.status, response.headers["allow"]) == (405, "POST")


def test_a_model_in_the_path_is_decoded(shared: Emulator) -> None:
    hear(shared, replace(GEMINI, path="/v1beta/models/a%20b:streamGenerateContent"))
    assert last(shared).model == "a b"


def test_azure_s_deployment_is_the_model(shared: Emulator) -> None:
    hear(shared, AZURE)
    assert last(shared).model == "d"
    hear(shared, AZURE.header(api_key=None, authorization="Bearer token"))
    response = ask(shared, replace(AZURE, path=AZURE.path.partition("?")[0]))
    assert (response.status, response.json["error"]["code"]) == (404, "DeploymentNotFound")
    assert "api-version" in response.json["error"]["message"]


def test_azure_s_key_serves_where_azure_is_asked_for() -> None:
    with emulate(script=Script(dialect="azure")) as e:
        for wire in (CHAT, RESPONSES):
            hear(e, wire.header(authorization=None, api_key="k"))
        e.script = Script()
        for wire in (CHAT, RESPONSES):
            assert ask(e, wire.header(authorization=None, api_key="k")).status == 401


# What they demand


@pytest.mark.parametrize(
    ("wire", "key", "body"),
    [
        (CHAT, "authorization", {"error": {"type": "invalid_request_error", "param": None, "code": "invalid_api_key"}}),
        (RESPONSES, "authorization", {"error": {"type": "invalid_request_error", "code": "invalid_api_key"}}),
        (AZURE, "api-key", {"error": {"code": "401"}}),
        (ANTHROPIC, "x-api-key", {"type": "error", "request_id": "req_1", "error": {"type": "authentication_error"}}),
        (GEMINI, "x-goog-api-key", {"error": {"code": 401, "status": "UNAUTHENTICATED"}}),
        (COHERE, "authorization", {}),
    ],
    ids=["chat", "responses", "azure", "anthropic", "gemini", "cohere"],
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
            assert problem == f"header {key}: expected a key"
            assert problem in str(response.json)
            assert (last(e).messages, last(e).status) == ([], 401)
    with emulate(keys=False) as e:
        hear(e, keyless)


@pytest.mark.parametrize("dialect", ["vllm", "llamacpp", "transformers"])
def test_a_server_of_one_s_own_takes_no_key(dialect: str) -> None:
    with emulate(script=Script(dialect=dialect)) as e:
        for wire in (CHAT, RESPONSES):
            response = ask(e, wire.header(authorization=None))
            assert (response.status, response.headers.get("x-request-id")) == (200, None)


def message(**fields: Any) -> dict[str, Any]:
    return {"messages": [fields]}


def asked(**fields: Any) -> list[dict[str, Any]]:
    """A conversation of a tool call with these fields, and its result."""
    return [assistant(None, {**call(id="c"), **fields}), tool(tool_call_id="c")]


TOOLS_REFUSED: list[tuple[Any, str]] = [
    ([{}], "tools: type"),
    ([{"type": "function"}], "tools: function"),
    ([{"type": "function", "function": {}}], "tools: function.name"),
    ("weather", "tools: expected a list"),
]
REFUSED: list[tuple[Wire, str]] = [
    *((replace(wire, data=b"{"), "body: expected JSON") for wire in WIRES.values()),
    *((replace(wire, data=[]), "body: expected an object") for wire in WIRES.values()),
    *((wire.header(content_type="text/plain"), "header content-type") for wire in WIRES.values()),
    *((wire.header(content_type=None), "header content-type") for wire in WIRES.values()),
    *((wire.without("model"), "model: expected") for name, wire in WIRES.items() if name != "gemini"),
    *((wire.field(model=""), "model: expected") for name, wire in WIRES.items() if name != "gemini"),
    *((wire.field(stream="yes"), "stream: expected true or") for wire in (CHAT, RESPONSES, ANTHROPIC, OLLAMA, COHERE)),
    *((wire.field(messages=[]), "messages: expected") for wire in (CHAT, ANTHROPIC, OLLAMA, COHERE)),
    *((wire.field(messages=["Hi"]), "messages: expected") for wire in (CHAT, ANTHROPIC, OLLAMA, COHERE)),
    *((wire.field(**message(role="bot", content="")), "[0].role") for wire in (CHAT, ANTHROPIC, OLLAMA, COHERE)),
    *((wire.field(**message(role="user", content=1)), "[0].content") for wire in (CHAT, ANTHROPIC, OLLAMA, COHERE)),
    *((wire.field(temperature="1"), "temperature: expected") for wire in (CHAT, RESPONSES, ANTHROPIC, COHERE)),
    *((wire.field(top_p=True), "top_p: expected a number") for wire in (CHAT, RESPONSES)),
    *((CHAT.field(tools=tools), problem) for tools, problem in TOOLS_REFUSED),
    (CHAT.field(**message(role="user")), "messages[0].content: expected"),
    (CHAT.field(**message(role="user", content=None)), "messages[0].content: expected"),
    (CHAT.field(**message(role="user", content=[])), "messages[0].content: expected"),
    (CHAT.field(**message(role="user", content=[{"type": "input_text"}])), "content: type: expected one of text"),
    (CHAT.field(**message(role="user", content=[{"type": "text"}])), "content: text"),
    (CHAT.field(**message(role="user", content=[{"type": "image_url", "image_url": "u"}])), "image_url: expected"),
    (CHAT.field(**message(role="user", content=[{"type": "image_url", "image_url": {}}])), "url: expected"),
    (CHAT.field(**message(role="assistant", content=None)), "messages[0].content: expected"),
    (CHAT.field(**message(role="assistant", content=None, tool_calls=[])), "tool_calls: expected"),
    (CHAT.field(messages=asked(id=1)), "id: expected"),
    (CHAT.field(messages=asked(type="x")), "type: expected"),
    (CHAT.field(messages=asked(function={"name": "f", "arguments": {}})), "arguments: expected a string"),
    (CHAT.field(messages=asked(function={"arguments": "{}"})), "name: expected"),
    (CHAT.field(messages=asked()[:1]), "messages: expected the results of the tool calls c"),
    (CHAT.field(messages=[*asked()[:1], *MESSAGES]), "messages: expected the results of the tool calls c"),
    (CHAT.field(messages=asked()[1:]), "messages: expected a tool call c before its result"),
    (CHAT.field(messages=[tool()]), "tool_call_id: expected"),
    (CHAT.field(max_tokens=0), "max_tokens: expected an integer above 0"),
    (CHAT.field(max_completion_tokens=1.5), "max_completion_tokens: expected"),
    (CHAT.field(stop=[1]), "stop: expected a string or a list of strings"),
    (CHAT.field(seed="1"), "seed: expected an integer"),
    (CHAT.field(tool_choice="any"), "tool_choice: expected none, auto"),
    (CHAT.field(tool_choice=["auto"]), "tool_choice: expected none, auto"),
    (CHAT.field(response_format="json"), "response_format: expected an object"),
    (CHAT.field(stream_options=True), "stream_options: expected an object"),
    (RESPONSES.field(input=[]), "input: expected"),
    (RESPONSES.field(input=[{"type": "video"}]), "input[0].type: expected"),
    (RESPONSES.field(input=[{"role": "tool", "content": "x"}]), "input[0].role"),
    (RESPONSES.field(input=[user([text("Hi")])]), "type: expected one of input_text, input_image"),
    (RESPONSES.field(input=[assistant([{"type": "input_text", "text": "x"}])]), "expected one of output_text"),
    (RESPONSES.field(input=[{"type": "function_call", "call_id": "c", "name": "f", "arguments": {}}]), "arguments"),
    (RESPONSES.field(input=[{"type": "function_call", "call_id": "c", "name": "f", "arguments": ""}]), "results of"),
    (RESPONSES.field(input=[{"type": "function_call_output", "call_id": "c", "output": "x"}]), "call c before"),
    (RESPONSES.field(instructions=1), "instructions: expected a string"),
    (RESPONSES.field(max_output_tokens=-1), "max_output_tokens: expected"),
    (RESPONSES.field(tools=[TOOL]), "tools: name: expected"),
    (RESPONSES.field(tool_choice="any"), "tool_choice: expected"),
    (RESPONSES.field(text={"format": "json"}), "text.format: expected an object"),
    (ANTHROPIC.header(anthropic_version=None), "header anthropic-version"),
    (ANTHROPIC.header(anthropic_version="2023-01-01"), "header anthropic-version"),
    (ANTHROPIC.without("max_tokens"), "max_tokens: expected"),
    (ANTHROPIC.field(max_tokens=0), "max_tokens: expected"),
    (ANTHROPIC.field(temperature=1.5), "temperature: expected a number from 0 to 1"),
    (ANTHROPIC.field(stop_sequences="END"), "stop_sequences: expected"),
    (ANTHROPIC.field(system=[{"type": "image"}]), "system: type"),
    (ANTHROPIC.field(**message(role="system", content="x")), "messages[0].role"),
    (ANTHROPIC.field(**message(role="user", content="")), "messages[0].content"),
    (ANTHROPIC.field(**message(role="user", content=[text("")])), "text: expected a string that is not empty"),
    (ANTHROPIC.field(**message(role="user", content=[{"type": "tool_use"}])), "type: expected one of text, image"),
    (ANTHROPIC.field(**message(role="assistant", content=[{"type": "image"}])), "type: expected one of text, think"),
    (
        ANTHROPIC.field(**message(role="user", content=[text("x"), {"type": "tool_result"}])),
        "tool_result blocks before",
    ),
    (ANTHROPIC.field(**message(role="user", content=[{"type": "tool_result", "tool_use_id": "c"}])), "call c before"),
    (ANTHROPIC.field(**message(role="user", content=[{"type": "image", "source": {"type": "x"}}])), "source.type"),
    (ANTHROPIC.field(tools=[{"name": "f"}]), "tools: input_schema"),
    (ANTHROPIC.field(tool_choice={"type": "required"}), "tool_choice.type: expected one of auto, any"),
    (ANTHROPIC.field(tool_choice={"type": "tool"}), "tool_choice.name"),
    (
        ANTHROPIC.field(output_config={"format": {}, "x": 1} | {"format": {"type": "json"}}),
        "output_config.format.schema",
    ),
    *(
        (ANTHROPIC.header(anthropic_version="2026-10-21").field(**{name: 1}), f"{name}: expected none as of 2026-10-21")
        for name in ("temperature", "top_p", "top_k")
    ),
    (
        ANTHROPIC.header(anthropic_version="2026-10-21").field(messages=[user([{**text("x"), "citations": [{}]}])]),
        "messages[0].content: expected no citations as of 2026-10-21",
    ),
    (GEMINI.without("contents"), "contents: expected"),
    (GEMINI.field(contents=[]), "contents: expected"),
    (GEMINI.field(contents=[{"role": "assistant", "parts": [{"text": ""}]}]), "contents[0].role: expected one of user"),
    (GEMINI.field(contents=[{"role": "user", "parts": []}]), "contents[0].parts"),
    (GEMINI.field(contents=[{"parts": [{"text": "", "inlineData": {}}]}]), "exactly one of text"),
    (GEMINI.field(contents=[{"parts": [{"text": 1}]}]), "parts: text: expected a string"),
    (GEMINI.field(contents=[{"parts": [{"inlineData": {"data": PNG}}]}]), "mimeType: expected"),
    (
        GEMINI.field(contents=[{"role": "model", "parts": [{"functionCall": {"name": "f"}}]}]),
        "results of the tool calls f",
    ),
    (GEMINI.field(contents=[{"parts": [{"functionResponse": {"name": "f", "response": {}}}]}]), "a tool call f before"),
    (GEMINI.field(contents=[{"parts": [{"functionResponse": {"name": "f", "response": ""}}]}]), "response: expected"),
    (GEMINI.field(systemInstruction="x"), "systemInstruction: expected an object"),
    (GEMINI.field(generationConfig={"temperature": "x"}), "generationConfig.temperature: expected a number"),
    (GEMINI.field(tools=[{"functionDeclarations": [{}]}]), "tools: name"),
    (GEMINI.field(toolConfig={"functionCallingConfig": {"mode": "any"}}), "toolConfig.mode: expected one of AUTO"),
    (OLLAMA.field(options={"temperature": "x"}), "options.temperature: expected a number"),
    (OLLAMA.field(format="xml"), 'format: expected "json" or a JSON schema'),
    (OLLAMA.field(think=1), "think: expected"),
    (OLLAMA.field(tools=[{"type": "function"}]), "tools: function"),
    (OLLAMA.field(**message(role="user", content="", images="x")), "images: expected a list of strings"),
    (OLLAMA.field(messages=[assistant("", call())]), "arguments: expected an object"),
    (COHERE.field(**message(role="developer", content="x")), "messages[0].role: expected one of system, user"),
    (COHERE.field(**message(role="user", content=[{"type": "document"}])), "document: expected an object"),
    (COHERE.field(tool_choice="auto"), "tool_choice: expected one of REQUIRED, NONE"),
    (COHERE.field(p="x"), "p: expected a number"),
]


@pytest.mark.parametrize(("wire", "problem"), REFUSED)
def test_whatever_deviates_is_refused_by_name(shared: Emulator, wire: Wire, problem: str) -> None:
    response = ask(shared, wire)
    exchange = last(shared)
    assert response.status == 400
    assert problem in str(exchange.problem)
    assert str(exchange.problem) in str(response.json.get("error", response.json))
    assert (exchange.messages, exchange.options, exchange.model, exchange.status) == ([], {}, None, 400)


def test_a_refusal_names_the_field_where_the_vendor_does(shared: Emulator) -> None:
    assert ask(shared, CHAT.field(**message(role="bot"))).json["error"]["param"] == "messages"
    assert ask(shared, CHAT.header(content_type=None)).json["error"]["param"] is None


def test_mistral_s_refusal_is_a_422(shared: Emulator) -> None:
    with emulate(script=Script(dialect="mistral")) as e:
        response = ask(e, CHAT.field(temperature="x"))
    assert response.status == 422
    (detail,) = response.json["detail"]
    assert (detail["loc"], detail["msg"]) == (["body", "temperature"], "temperature: expected a number")


def test_unknown_fields_and_headers_are_welcome(shared: Emulator) -> None:
    for wire in WIRES.values():
        more = wire.header(x_stainless_lang="python", content_type="application/json; charset=utf-8")
        hear(shared, more.field(unheard_of={"x": [None]}))
        assert last(shared).messages == MESSAGES


def test_null_is_as_good_as_absent(shared: Emulator) -> None:
    hear(shared, CHAT.field(temperature=None, stop=None, tools=None, stream_options=None))
    assert last(shared).options == {}


# What they understand

FULL = [
    SYSTEM,
    user([text("What is this?"), image()]),
    assistant("I look.", call(id="c"), call("{}", id="d")),
    tool(tool_call_id="c"),
    tool("", tool_call_id="d"),
    assistant(None, call(id="e")),
    tool("Sun", tool_call_id="e"),
    assistant("Sunny."),
    user("And?"),
]
RESULTS = [
    {"type": "tool_result", "tool_use_id": "c", "content": [text("Rain")]},
    {"type": "tool_result", "tool_use_id": "d"},
]
USE = {"type": "tool_use", "name": "weather", "input": {"city": "Oslo"}}
SOURCE = {"type": "base64", "media_type": "image/png", "data": PNG}
ANTHROPIC_FULL = [
    user([text("What is this?"), {"type": "image", "source": SOURCE}]),
    assistant(
        [{"type": "thinking", "thinking": "Hm"}, text("I look."), USE | {"id": "c"}, USE | {"id": "d", "input": {}}]
    ),
    user(RESULTS),
    assistant([USE | {"id": "e"}]),
    user([{"type": "tool_result", "tool_use_id": "e", "content": "Sun"}]),
    assistant("Sunny."),
    user("And?"),
]
FUNCTION = {"type": "function_call", "name": "weather", "arguments": '{"city":"Oslo"}'}
RESPONSES_FULL = [
    user(
        [
            {"type": "input_text", "text": "What is this?"},
            {"type": "input_image", "image_url": image()["image_url"]["url"]},
        ]
    ),
    {"type": "reasoning", "summary": []},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look."}]},
    FUNCTION | {"call_id": "c"},
    FUNCTION | {"call_id": "d", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "Rain"}]},
    {"type": "function_call_output", "call_id": "d", "output": ""},
    FUNCTION | {"call_id": "e"},
    {"type": "function_call_output", "call_id": "e", "output": "Sun"},
    {"role": "assistant", "content": "Sunny."},
    user("And?"),
]


@pytest.mark.parametrize(
    "wire",
    [
        CHAT.field(messages=FULL),
        COHERE.field(messages=[*FULL[:2], FULL[2] | {"tool_plan": "look"}, *FULL[3:]]),
        RESPONSES.field(instructions="Be brief.", input=RESPONSES_FULL),
        ANTHROPIC.field(system="Be brief.", messages=ANTHROPIC_FULL),
        ANTHROPIC.field(system=[text("Be "), text("brief.")], messages=ANTHROPIC_FULL),
    ],
    ids=["chat", "cohere", "responses", "anthropic", "anthropic blocks"],
)
def test_a_conversation_is_translated_back(shared: Emulator, wire: Wire) -> None:
    hear(shared, wire)
    assert last(shared).messages == FULL


def test_gemini_s_conversation_is_translated_back(shared: Emulator) -> None:
    contents = [
        {"parts": [{"text": "What is this?"}, {"inlineData": {"mimeType": "image/png", "data": PNG}}]},
        {
            "role": "model",
            "parts": [
                {"text": "Hm", "thought": True},
                {"text": "I look."},
                {"functionCall": {"name": "weather", "args": {"city": "Oslo"}}, "thoughtSignature": "x"},
            ],
        },
        {"role": "user", "parts": [{"functionResponse": {"name": "weather", "response": {"result": "Rain"}}}]},
        {"role": "model", "parts": [{"functionCall": {"name": "weather", "id": "e"}}]},
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "weather", "id": "e", "response": {"result": {"is_snow": 1}}}},
                {"text": "And?"},
                {"fileData": {"fileUri": "https://x/y.png"}},
            ],
        },
    ]
    contents += [{"role": "model", "parts": [{"text": "Sunny."}]}, {"role": "user", "parts": [{"text": "Ah"}]}]
    hear(shared, GEMINI.field(systemInstruction={"parts": [{"text": "Be "}, {"text": "brief."}]}, contents=contents))
    assert last(shared).messages == [
        SYSTEM,
        user([text("What is this?"), image()]),
        assistant("I look.", call()),
        tool(name="weather"),
        assistant(None, call("{}", id="e")),
        tool('{"result":{"is_snow":1}}', name="weather", tool_call_id="e"),
        user([text("And?"), image("https://x/y.png")]),
        assistant("Sunny."),
        user("Ah"),
    ]


def test_ollama_s_conversation_is_translated_back(shared: Emulator) -> None:
    asked_for = {"function": {"name": "weather", "arguments": {"city": "Oslo"}}}
    messages = [
        SYSTEM,
        user("What is this?") | {"images": [PNG, "/9j/x", "Qk0="]},
        assistant("", asked_for),
        tool(tool_name="weather"),
        assistant("So", {**asked_for, "id": "c"}),
        tool(tool_call_id="c"),
        assistant("Sunny."),
        user("And?"),
    ]
    hear(shared, OLLAMA.field(messages=messages))
    images = [image(), image("data:image/jpeg;base64,/9j/x"), image("data:application/octet-stream;base64,Qk0=")]
    assert last(shared).messages == [
        SYSTEM,
        user([text("What is this?"), *images]),
        assistant(None, call()),
        tool(name="weather"),
        assistant("So", call(id="c")),
        tool(tool_call_id="c"),
        assistant("Sunny."),
        user("And?"),
    ]


def test_parts_of_text_are_one_text(shared: Emulator) -> None:
    for wire in (CHAT, ANTHROPIC, COHERE):
        hear(shared, wire.field(messages=[user([text("How "), text("are you?")])]))
        assert last(shared).messages == MESSAGES


def test_what_else_a_message_says(shared: Emulator) -> None:
    detailed = user([image("https://x/y.png", detail="low"), image(detail="auto")]) | {"name": "Ada"}
    hear(shared, CHAT.field(messages=[{"role": "developer", "content": "Hi"}, detailed]))
    expected = user([image("https://x/y.png", detail="low"), image()]) | {"name": "Ada"}
    assert last(shared).messages == [{"role": "developer", "content": "Hi"}, expected]
    source = {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}
    hear(shared, ANTHROPIC.field(messages=[user([source])]))
    assert last(shared).messages == [user([image("https://x/y.png")])]
    shown = {"type": "tool_result", "tool_use_id": "c", "content": [{"type": "image", "source": SOURCE}]}
    hear(shared, ANTHROPIC.field(messages=[user("?"), assistant([USE | {"id": "c"}]), user([shown, text("And?")])]))
    assert last(shared).messages[2:] == [tool([image()], tool_call_id="c"), user("And?")]
    document = {"type": "document", "document": {"data": "Rain"}}
    thought = {"type": "thinking", "thinking": "Hm"}
    messages = [assistant([thought, text("So")], call(id="c")), tool([document], tool_call_id="c")]
    hear(shared, COHERE.field(messages=messages))
    assert last(shared).messages == [assistant("So", call(id="c")), tool(tool_call_id="c")]


COMMON = {"temperature": 0.5, "max_tokens": 7, "top_p": 0.9}
JSON_SCHEMA = {"type": "json_schema", "json_schema": {"schema": SCHEMA}}
FLAT = {"type": "function", "name": "weather", "description": "of a city", "parameters": SCHEMA}
CONFIG = {"temperature": 0.5, "maxOutputTokens": 7, "topP": 0.9}
DECLARED = {"functionDeclarations": [{"name": "weather", "description": "of a city", "parameters": SCHEMA}]}


def calling(mode: str, *names: str) -> dict[str, Any]:
    return {"functionCallingConfig": {"mode": mode, "allowedFunctionNames": list(names)}}


OPTIONS: list[tuple[Wire, dict[str, Any]]] = [
    (CHAT.field(**COMMON, seed=1, stop="END"), COMMON | {"seed": 1, "stop": ["END"]}),
    (CHAT.field(max_completion_tokens=8, stop=["a", "b"]), {"max_tokens": 8, "stop": ["a", "b"]}),
    (
        CHAT.field(tools=[TOOL, {"type": "custom"}], tool_choice=NAMED),
        {"tools": [TOOL, {"type": "custom"}], "tool_choice": NAMED},
    ),
    (
        CHAT.field(tool_choice="required", response_format=JSON_SCHEMA),
        {"tool_choice": "required", "response_format": JSON_SCHEMA},
    ),
    (RESPONSES.field(temperature=0.5, max_output_tokens=7, top_p=0.9), COMMON),
    (
        RESPONSES.field(tools=[FLAT, {"type": "web_search"}], tool_choice="auto"),
        {"tools": [TOOL], "tool_choice": "auto"},
    ),
    (RESPONSES.field(tool_choice={"type": "function", "name": "weather"}), {"tool_choice": NAMED}),
    (RESPONSES.field(tool_choice={"type": "web_search"}), {"tool_choice": {"type": "web_search"}}),
    (RESPONSES.field(text={"format": {"type": "json_schema", "schema": SCHEMA}}), {"response_format": JSON_SCHEMA}),
    (RESPONSES.field(text={"format": {"type": "json_object"}}), {"response_format": {"type": "json_object"}}),
    (ANTHROPIC.field(**COMMON, stop_sequences=["END"]), COMMON | {"stop": ["END"]}),
    (
        ANTHROPIC.field(
            tools=[
                {"name": "weather", "description": "of a city", "input_schema": SCHEMA},
                {"type": "bash_20250124", "name": "b"},
            ],
            tool_choice={"type": "any"},
        ),
        {"max_tokens": 9, "tools": [TOOL], "tool_choice": "required"},
    ),
    (ANTHROPIC.field(tool_choice={"type": "tool", "name": "weather"}), {"max_tokens": 9, "tool_choice": NAMED}),
    (
        ANTHROPIC.field(output_config={"format": {"type": "json_schema", "schema": SCHEMA}}),
        {"max_tokens": 9, "response_format": JSON_SCHEMA},
    ),
    (
        GEMINI.field(generationConfig=CONFIG | {"stopSequences": ["END"], "seed": 1}),
        COMMON | {"stop": ["END"], "seed": 1},
    ),
    (GEMINI.field(generation_config={"max_output_tokens": 7}), {"max_tokens": 7}),
    (
        GEMINI.field(tools=[DECLARED, {"googleSearch": {}}], toolConfig=calling("ANY")),
        {"tools": [TOOL], "tool_choice": "required"},
    ),
    (GEMINI.field(tools=[{"function_declarations": [{"name": "weather"}]}]), {"tools": [BARE]}),
    (GEMINI.field(toolConfig=calling("ANY", "weather")), {"tool_choice": NAMED}),
    (GEMINI.field(toolConfig=calling("ANY", "weather", "clock")), {"tool_choice": "required"}),
    (
        GEMINI.field(generationConfig={"responseSchema": SCHEMA, "responseMimeType": "application/json"}),
        {"response_format": JSON_SCHEMA},
    ),
    (GEMINI.field(generationConfig={"responseJsonSchema": SCHEMA}), {"response_format": JSON_SCHEMA}),
    (
        GEMINI.field(generationConfig={"responseMimeType": "application/json"}),
        {"response_format": {"type": "json_object"}},
    ),
    (
        OLLAMA.field(options={"temperature": 0.5, "num_predict": 7, "top_p": 0.9, "seed": 1, "stop": "END"}),
        COMMON | {"seed": 1, "stop": ["END"]},
    ),
    (
        OLLAMA.field(tools=[TOOL], format="json", think=True),
        {"tools": [TOOL], "response_format": {"type": "json_object"}},
    ),
    (OLLAMA.field(format=SCHEMA), {"response_format": JSON_SCHEMA}),
    (
        COHERE.field(temperature=0.5, max_tokens=7, p=0.9, stop_sequences=["END"], seed=1, tools=[TOOL]),
        COMMON | {"stop": ["END"], "seed": 1, "tools": [TOOL]},
    ),
    (
        COHERE.field(tool_choice="REQUIRED", response_format={"type": "json_object"}),
        {"tool_choice": "required", "response_format": {"type": "json_object"}},
    ),
    (COHERE.field(response_format={"type": "json_object", "json_schema": SCHEMA}), {"response_format": JSON_SCHEMA}),
]


@pytest.mark.parametrize(("wire", "options"), OPTIONS)
def test_options_have_common_names(shared: Emulator, wire: Wire, options: dict[str, Any]) -> None:
    hear(shared, wire)
    assert last(shared).options == options


def test_the_newer_anthropic_version_takes_a_bearer_token_and_text_without_citations(shared: Emulator) -> None:
    wire = ANTHROPIC.header(anthropic_version="2026-10-21", x_api_key=None, authorization="Bearer k")
    hear(shared, wire.field(messages=[user([text("How are you?")])]))
    assert last(shared).messages == MESSAGES


# What echo makes of them


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        (MESSAGES, "You said: How are you?"),
        ([user([text("Look"), image(), text("here")])], "You said: Look here"),
        ([user([image()])], "You said: "),
        ([*asked(), assistant(None, call(id="e")), tool("Sun", tool_call_id="e")], "You said: Sun"),
    ],
)
def test_echo_says_the_text_of_the_last_message(shared: Emulator, messages: Any, said: str) -> None:
    *chunks, _ = events(hear(shared, CHAT.field(messages=messages)))
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == said
