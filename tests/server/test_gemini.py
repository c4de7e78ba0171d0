"""Gemini: what a request has to say, and what the reply says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from g4flite.server import schemas
from g4flite.testing import Emulator, Finish, Problem, Script, ToolCall, Usage
from tests.open_protocols import (
    COMMON,
    GEMINI,
    GEMINI_ARRAY,
    GEMINI_WHOLE,
    JSON_SCHEMA,
    KINDS,
    MARK,
    NAMED,
    PNG,
    SAID,
    SCHEMA,
    SYSTEM,
    TOOL,
    Wire,
    after,
    ask,
    assistant,
    call,
    emulate,
    events,
    hear,
    hear_whole,
    image,
    last,
    refuse,
    text,
    told,
    tool,
    user,
)
from tests.rows import rows

# Requests


REFUSED: list[tuple[Wire, str]] = [
    (GEMINI.without("contents"), "contents: expected"),
    (GEMINI.field(tools=[{"functionDeclarations": [{"name": "f", "parameters": "x"}]}]), "parameters: expected"),
    (GEMINI.field(generationConfig={"responseSchema": 1}), "generationConfig.responseSchema: expected"),
    (GEMINI.field(contents=[]), "contents: expected"),
    (GEMINI.field(contents=[{"role": "assistant", "parts": [{"text": ""}]}]), "contents[0].role: expected one of user"),
    (GEMINI.field(contents=[{"role": "user", "parts": []}]), "contents[0].parts"),
    (GEMINI.field(contents=[{"parts": [{"text": "", "inlineData": {}}]}]), "exactly one of text"),
    (GEMINI.field(contents=[{"parts": [{"text": 1}]}]), "parts: text: expected a string"),
    (GEMINI.field(contents=[{"parts": [{"inlineData": {"data": PNG}}]}]), "mimeType: expected"),
    (
        GEMINI.field(
            contents=[{"parts": [{"text": "?"}]}, {"role": "model", "parts": [{"functionCall": {"name": "f"}}]}]
        ),
        "results of the tool calls 'f'",
    ),
    (
        GEMINI.field(contents=[{"parts": [{"functionResponse": {"name": "f", "response": {}}}]}]),
        "a tool call 'f' before",
    ),
    (GEMINI.field(contents=[{"parts": [{"functionResponse": {"name": "f", "response": ""}}]}]), "response: expected"),
    (GEMINI.field(systemInstruction="x"), "systemInstruction: expected an object"),
    (GEMINI.field(generationConfig={"temperature": "x"}), "generationConfig.temperature: expected a number"),
    (GEMINI.field(tools=[{"functionDeclarations": [{}]}]), "tools: name"),
    (GEMINI.field(toolConfig={"functionCallingConfig": {"mode": "any"}}), "toolConfig.mode: expected one of AUTO"),
]


@rows(("wire", "problem"), REFUSED)
def test_a_wrong_field_is_refused_by_its_name(shared: Emulator, wire: Wire, problem: str) -> None:
    refuse(shared, wire, problem)


def test_a_model_in_the_path_is_decoded(shared: Emulator) -> None:
    hear(shared, replace(GEMINI, path="/v1beta/models/a%20b:streamGenerateContent"))
    assert last(shared).model == "a b"


def test_a_conversation_is_translated_back(shared: Emulator) -> None:
    contents = [
        {"parts": [{"text": "What is this?"}, {"inlineData": {"mimeType": "image/png", "data": PNG}}]},
        {
            "role": "model",
            "parts": [
                {"text": "Hm", "thought": True},
                {"text": "I look."},
                {
                    "functionCall": {"name": "weather", "args": {"city": "Oslo"}},
                    "thoughtSignature": "skip_thought_signature_validator",
                },
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


BARE = {"type": "function", "function": {"name": "weather"}}


CONFIG = {"temperature": 0.5, "maxOutputTokens": 7, "topP": 0.9}


DECLARED = {"functionDeclarations": [{"name": "weather", "description": "of a city", "parameters": SCHEMA}]}


OPENAPI = {
    "type": "OBJECT",
    "properties": {
        "max_days": {"type": "INTEGER", "nullable": True, "format": "int32"},
        "city": {"type": "STRING", "min_length": "1", "max_length": 9, "nullable": False},
        "unit": {"type": "STRING", "enum": ["C", "F"], "nullable": True},
        "tags": {"type": "ARRAY", "items": {"type": "STRING"}, "maxItems": 3},
        "any": {"any_of": [{"type": "NUMBER"}, {"type": "BOOLEAN"}], "nullable": True},
        "odd": {"type": "TYPE_UNSPECIFIED", "nullable": True},
        "more": {"type": "object", "additional_properties": True},
    },
    "required": ["city"],
    "property_ordering": ["city", "max_days", "gone"],
}
AS_JSON_SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "minLength": 1, "maxLength": 9},
        "max_days": {"type": ["integer", "null"], "format": "int32"},
        "unit": {"type": ["string", "null"], "enum": ["C", "F", None]},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
        "any": {"anyOf": [{"type": "number"}, {"type": "boolean"}, {"type": "null"}]},
        "odd": {},
        "more": {"type": "object", "additionalProperties": True},
    },
    "required": ["city"],
}


def test_the_properties_of_a_schema_stand_in_the_order_that_it_names() -> None:
    assert [*schemas.of_openapi(OPENAPI)["properties"]][:3] == ["city", "max_days", "unit"]


@rows("odd", [
    {"propertyOrdering": 5, "properties": {"a": 1}}, {"propertyOrdering": [[1]], "properties": {}}, {"items": 3},
    {"minItems": "9" * 9999}, {"maxItems": "\u0663"}, {"anyOf": [1, None]}, {"type": 3, "nullable": True, "enum": 1},
    {"properties": [], "nullable": "true"},
])  # fmt: skip
def test_a_schema_of_any_shape_is_read(odd: Any) -> None:
    found = schemas.of_openapi(odd)
    assert {"propertyOrdering": None, "nullable": None, **found} == {**odd, "propertyOrdering": None, "nullable": None}


def calling(mode: str, *names: str) -> dict[str, Any]:
    return {"functionCallingConfig": {"mode": mode, "allowedFunctionNames": list(names)}}


OPTIONS: list[tuple[Wire, dict[str, Any]]] = [
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
    (
        GEMINI.field(tools=[DECLARED], toolConfig=calling("ANY", "weather")),
        {"tools": [TOOL], "tool_choice": NAMED},
    ),
    (
        GEMINI.field(tools=[DECLARED], toolConfig=calling("ANY", "weather", "clock")),
        {"tools": [TOOL], "tool_choice": "required"},
    ),
    (
        GEMINI.field(generationConfig={"responseSchema": SCHEMA, "responseMimeType": "application/json"}),
        {"response_format": JSON_SCHEMA},
    ),
    (GEMINI.field(generationConfig={"responseJsonSchema": SCHEMA}), {"response_format": JSON_SCHEMA}),
    # As the official client writes its own form of a schema (google-genai 3.6.1).
    (
        GEMINI.field(tools=[{"functionDeclarations": [{"name": "weather", "parameters": OPENAPI}]}]),
        {"tools": [{"type": "function", "function": {"name": "weather", "parameters": AS_JSON_SCHEMA}}]},
    ),
    (
        GEMINI.field(generationConfig={"responseSchema": OPENAPI}),
        {"response_format": {"type": "json_schema", "json_schema": {"schema": AS_JSON_SCHEMA}}},
    ),
    (
        GEMINI.field(generationConfig={"responseMimeType": "application/json"}),
        {"response_format": {"type": "json_object"}},
    ),
    (
        GEMINI.field(generationConfig={"frequencyPenalty": 1, "presencePenalty": 0.5, "responseLogprobs": True}),
        {"frequency_penalty": 1, "presence_penalty": 0.5, "logprobs": True},
    ),
    (GEMINI.field(generationConfig={"responseLogprobs": True, "logprobs": 3}), {"logprobs": 3}),
    (GEMINI.field(generationConfig={"thinkingConfig": {"thinkingLevel": "LOW"}}), {"reasoning_effort": "low"}),
    (GEMINI.field(generationConfig={"thinkingConfig": {"thinkingLevel": "low"}}), {"reasoning_effort": "low"}),
    (GEMINI.field(generationConfig={"thinkingConfig": {"thinkingBudget": 0}}), {"reasoning_effort": "none"}),
    (GEMINI.field(generationConfig={"thinkingConfig": {"thinkingBudget": -1}}), {"reasoning_effort": -1}),
    (GEMINI.field(generationConfig={"thinkingConfig": {"includeThoughts": True}}), {}),
]


@rows(("wire", "options"), OPTIONS)
def test_options_have_common_names(shared: Emulator, wire: Wire, options: dict[str, Any]) -> None:
    hear(shared, wire)
    assert last(shared).options == options


# Streams


def candidate(part: Any, thoughts: int, texts: int, **finish: str) -> dict[str, Any]:
    usage = {"promptTokenCount": 3, "candidatesTokenCount": texts, "totalTokenCount": 3 + texts + thoughts}
    if thoughts:
        usage["thoughtsTokenCount"] = thoughts
    content = {"parts": part if isinstance(part, list) else [part], "role": "model"}
    rest = {"usageMetadata": usage, "modelVersion": "m", "responseId": "resp-1"}
    return {"candidates": [{"content": content, **finish, "index": 0}], **rest}


SIGNED = {"thoughtSignature": MARK}


CHUNKS = [
    candidate({"text": "Hm", "thought": True}, 1, 0),
    candidate({"text": "m.", "thought": True}, 2, 0),
    candidate({"text": "Grüß"}, 2, 1),
    candidate({"text": " dich"}, 2, 2),
    candidate({"functionCall": {"name": "weather", "args": {"city": "Oslo"}}, **SIGNED}, 2, 2),
    candidate({"functionCall": {"name": "clock", "args": {}, "id": "c9"}}, 2, 2),
    candidate({"text": ""}, 2, 2, finishReason="STOP"),
]


def test_is_whole_parts_in_crlf_events() -> None:
    with emulate(*SAID) as e:
        response = ask(e, GEMINI)
    assert response.headers["content-type"] == "text/event-stream"
    assert response.body.count(b"\n") == response.body.count(b"\r\n") == 2 * len(CHUNKS)
    assert events(response.body.replace(b"\r\n", b"\n")) == CHUNKS


def test_without_sse_is_one_array() -> None:
    with emulate(*SAID) as e:
        response = ask(e, GEMINI_ARRAY)
        assert response.headers["content-type"] == "application/json; charset=UTF-8"
        assert response.json == CHUNKS
        assert response.body.startswith(b'[{"candidates":')
        assert response.body.endswith(b"}\r\n]")
        assert response.body.count(b"}\r\n,\r\n{") == len(CHUNKS) - 1


def test_a_call_without_thought_is_not_signed() -> None:
    with emulate(ToolCall("", "clock", "{}")) as e:
        assert ask(e, GEMINI_ARRAY).json[0] == candidate({"functionCall": {"name": "clock", "args": {}}}, 0, 0)


@rows(
    ("reason", "expected"),
    [
        ("stop", "STOP"),
        ("length", "MAX_TOKENS"),
        ("tool_calls", "STOP"),
        ("content_filter", "SAFETY"),
        ("error", "OTHER"),
    ],
)
def test_s_finish_reasons(reason: str, expected: str) -> None:
    with emulate("a", Finish(reason)) as e:
        assert ask(e, GEMINI_ARRAY).json[-1]["candidates"][0]["finishReason"] == expected


def test_the_thoughts_are_no_tokens_of_the_candidate() -> None:
    usage = after("gemini", "a", Usage(10, 20, 5))[-1]["usageMetadata"]
    assert usage == {
        "promptTokenCount": 10, "candidatesTokenCount": 15, "thoughtsTokenCount": 5, "totalTokenCount": 30,
    }  # fmt: skip
    assert after("gemini", "a", Usage(10, 2, 5))[-1]["usageMetadata"]["candidatesTokenCount"] == 0


GEMINI_STATUS = {
    "authentication": (400, "INVALID_ARGUMENT"),
    "permission": (403, "PERMISSION_DENIED"),
    "not_found": (404, "NOT_FOUND"),
    "rate_limit": (429, "RESOURCE_EXHAUSTED"),
    "overloaded": (503, "UNAVAILABLE"),
    "context_length": (400, "INVALID_ARGUMENT"),
    "server": (500, "INTERNAL"),
}


@rows("kind", GEMINI_STATUS)
def test_gemini_s_http_errors(kind: str) -> None:
    status, _, body = told(kind, GEMINI)
    assert (status, body["error"]["status"]) == GEMINI_STATUS[kind]
    assert body["error"]["code"] == status
    assert ("details" in body["error"]) == (kind in {"authentication", "rate_limit"})
    assert told(kind, GEMINI_ARRAY)[2] == [body]
    assert told(kind, GEMINI_WHOLE)[2] == body


@rows("kind", GEMINI_STATUS)
def test_gemini_s_errors_in_the_stream(kind: str) -> None:
    error = told(kind, GEMINI)[2]
    assert after("gemini", Problem(kind)) == [error]
    assert after("gemini", "a", Problem(kind), "never") == [candidate({"text": "a"}, 0, 1), error]
    with emulate("a", Problem(kind)) as e:
        assert ask(e, GEMINI_ARRAY).json == [candidate({"text": "a"}, 0, 1), error]


def test_gemini_blocks_a_prompt_by_feedback_and_a_reply_by_its_finish() -> None:
    usage = {"promptTokenCount": 3, "candidatesTokenCount": 0, "totalTokenCount": 3}
    rest = {"usageMetadata": usage, "modelVersion": "m", "responseId": "resp-1"}
    blocked = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, **rest}
    assert after("gemini", Problem("content_filter")) == [blocked]
    with emulate("never", script=Script(problem="content_filter")) as e:
        response = ask(e, GEMINI)
        assert response.headers["content-type"] == "text/event-stream"
        assert events(response.body.replace(b"\r\n", b"\n")) == [blocked]
        assert ask(e, GEMINI_ARRAY).json == [blocked]
        assert hear_whole(e, "gemini") == blocked
    end = candidate({"text": ""}, 0, 1, finishReason="SAFETY")
    assert after("gemini", "a", Problem("content_filter")) == [candidate({"text": "a"}, 0, 1), end]
    with emulate("a", Problem("content_filter")) as e:
        assert hear_whole(e, "gemini") == candidate({"text": "a"}, 0, 1, finishReason="SAFETY")


# Whole replies


def test_a_whole_reply_is_one_candidate_of_all_parts() -> None:
    parts = [
        {"text": "Hmm.", "thought": True},
        {"text": "Grüß dich"},
        {"functionCall": {"name": "weather", "args": {"city": "Oslo"}}, **SIGNED},
        {"functionCall": {"name": "clock", "args": {}, "id": "c9"}},
    ]
    with emulate(*SAID) as e:
        assert hear_whole(e, "gemini") == candidate(parts, 2, 2, finishReason="STOP")


@rows(
    ("reason", "expected"),
    [("stop", "STOP"), ("length", "MAX_TOKENS"), ("content_filter", "SAFETY"), ("error", "OTHER")],
)
def test_the_finish_reason_of_a_whole_reply(reason: Any, expected: str) -> None:
    with emulate(Finish(reason)) as e:
        assert hear_whole(e, "gemini") == candidate({"text": ""}, 0, 0, finishReason=expected)


@rows("kind", [kind for kind in KINDS if kind != "content_filter"])
@rows("before", [[], ["a"]])
def test_a_problem_is_the_status_of_a_whole_reply(kind: str, before: list[str]) -> None:
    status, _, body = told(kind, GEMINI_WHOLE)
    with emulate(*before, Problem(kind)) as e:
        response = ask(e, GEMINI_WHOLE)
    assert (response.status, response.json) == (status, body)


def test_a_refused_request_for_a_whole_reply_is_an_object(shared: Emulator) -> None:
    response = ask(shared, GEMINI_WHOLE.without("contents"))
    assert (response.status, response.json["error"]["status"]) == (400, "INVALID_ARGUMENT")
