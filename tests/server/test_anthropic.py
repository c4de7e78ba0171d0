"""Anthropic Messages: what a request has to say, and what the reply says."""

from __future__ import annotations

from typing import Any

import pytest

from g4flite.server.signatures import Bound
from g4flite.testing import Emulator, Finish, Problem, Reasoning, ToolCall, Usage
from tests.open_protocols import (
    ANTHROPIC,
    ARGUMENTS,
    COMMON,
    CONVERSATION,
    KINDS,
    MARK,
    MESSAGES,
    NAMED,
    PNG,
    SAID,
    SCHEMA,
    TOOL,
    WHOLE,
    Wire,
    after,
    ask,
    assistant,
    emulate,
    events,
    hear,
    hear_whole,
    image,
    last,
    message,
    refuse,
    text,
    told,
    tool,
    user,
)
from tests.rows import rows
from tests.testing.sockets import mistaken

# Requests


CLOSED = {**SCHEMA, "additionalProperties": False}
USE = {"type": "tool_use", "name": "weather", "input": {"city": "Oslo"}}
REFUSED: list[tuple[Wire, str]] = [
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
    (ANTHROPIC.field(**message(role="user", content=[{"type": "tool_result", "tool_use_id": "c"}])), "call 'c' before"),
    (
        ANTHROPIC.field(**message(role="user", content=[{"type": "tool_result", "tool_use_id": "c", "content": [5]}])),
        "content: expected a string or a list of objects",
    ),
    (ANTHROPIC.field(**message(role="user", content=[{"type": "image", "source": {"type": "x"}}])), "source.type"),
    (
        ANTHROPIC.field(**message(role="assistant", content=[{**text("x"), "citations": [{"cited_text": "c"}]}])),
        "content.citations: type: expected",
    ),
    (
        ANTHROPIC.field(
            **message(
                role="assistant",
                content=[{**text("x"), "citations": [{"cited_text": "c", "type": "web_search_result_location"}]}],
            )
        ),
        "content.citations: encrypted_index: expected",
    ),
    (
        ANTHROPIC.field(**message(role="assistant", content=[USE | {"id": "c", "caller": {"type": "me"}}])),
        "content.caller.type: expected one of direct",
    ),
    (ANTHROPIC.field(tools=[{"name": "f"}]), "tools: input_schema"),
    (ANTHROPIC.field(tools=[{"type": "web_search_20250305", "name": 5}]), "tools.0.name: expected a string"),
    (ANTHROPIC.field(tool_choice={"type": "required"}), "tool_choice.type: expected one of auto, any"),
    (ANTHROPIC.field(tool_choice={"type": "tool"}), "tool_choice.name"),
    (
        ANTHROPIC.field(output_config={"format": {}, "x": 1} | {"format": {"type": "json"}}),
        "output_config.format.schema",
    ),
    *(
        (ANTHROPIC.field(output_config={"format": {"type": "json_schema", "schema": schema}}), said)
        for schema, said in (
            (SCHEMA, "'additionalProperties' must be explicitly set to false"),
            ({**CLOSED, "properties": {"a": {}}}, "type must be given"),
            ({"type": "array", "minItems": 2}, "'minItems' values other than 0 or 1 are not supported"),
            ({"type": "array", "items": {"type": "string", "format": "binary"}}, "format 'binary' is not supported"),
            ({"anyOf": [{"type": "string", "pattern": "a", "minLength": 1}]}, "property 'minLength, pattern' is not"),
        )
    ),
    *(
        (ANTHROPIC.header(anthropic_version="2026-10-21").field(**{name: 1}), f"{name}: expected none as of 2026-10-21")
        for name in ("temperature", "top_p", "top_k")
    ),
    (
        ANTHROPIC.header(anthropic_version="2026-10-21").field(messages=[user([{**text("x"), "citations": [{}]}])]),
        "messages[0].content: expected no citations as of 2026-10-21",
    ),
]


@rows(("wire", "problem"), REFUSED)
def test_a_wrong_field_is_refused_by_its_name(shared: Emulator, wire: Wire, problem: str) -> None:
    refuse(shared, wire, problem)


RESULTS = [
    {"type": "tool_result", "tool_use_id": "c", "content": [text("Rain")]},
    {"type": "tool_result", "tool_use_id": "d"},
]


SOURCE = {"type": "base64", "media_type": "image/png", "data": PNG}


BLOCKS = [
    user([text("What is this?"), {"type": "image", "source": SOURCE}]),
    assistant(
        [
            {"type": "thinking", "thinking": "Hm", "signature": Bound("m").sign("anthropic", "Hm", [])},
            text("I look."),
            USE | {"id": "c"},
            USE | {"id": "d", "input": {}},
        ]
    ),
    user(RESULTS),
    assistant([USE | {"id": "e"}]),
    user([{"type": "tool_result", "tool_use_id": "e", "content": "Sun"}]),
    assistant("Sunny."),
    user("And?"),
]


@pytest.mark.parametrize("system", ["Be brief.", [text("Be "), text("brief.")]])
def test_a_conversation_is_translated_back(shared: Emulator, system: Any) -> None:
    hear(shared, ANTHROPIC.field(system=system, messages=BLOCKS))
    assert last(shared).messages == CONVERSATION


def test_parts_of_text_are_one_text(shared: Emulator) -> None:
    hear(shared, ANTHROPIC.field(messages=[user([text("How "), text("are you?")])]))
    assert last(shared).messages == MESSAGES


def test_images_may_be_urls_and_stand_in_results(shared: Emulator) -> None:
    source = {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}
    hear(shared, ANTHROPIC.field(messages=[user([source])]))
    assert last(shared).messages == [user([image("https://x/y.png")])]
    shown = {"type": "tool_result", "tool_use_id": "c", "content": [{"type": "image", "source": SOURCE}]}
    hear(shared, ANTHROPIC.field(messages=[user("?"), assistant([USE | {"id": "c"}]), user([shown, text("And?")])]))
    assert last(shared).messages[2:] == [tool([image()], tool_call_id="c"), user("And?")]


OPTIONS: list[tuple[Wire, dict[str, Any]]] = [
    (ANTHROPIC.field(**COMMON, stop_sequences=["END"]), COMMON | {"stop": ["END"]}),
    (
        ANTHROPIC.field(
            tools=[
                {"name": "weather", "description": "of a city", "input_schema": SCHEMA},
                {"type": "bash_20250124", "name": "b"},
                {"type": "mcp_toolset", "mcp_server_name": "docs"},
            ],
            tool_choice={"type": "any"},
        ),
        {"max_tokens": 9, "tools": [TOOL], "tool_choice": "required"},
    ),
    (ANTHROPIC.field(tool_choice={"type": "tool", "name": "weather"}), {"max_tokens": 9, "tool_choice": NAMED}),
    (
        ANTHROPIC.field(output_config={"format": {"type": "json_schema", "schema": CLOSED}}),
        {"max_tokens": 9, "response_format": {"type": "json_schema", "json_schema": {"schema": CLOSED}}},
    ),
    (
        ANTHROPIC.field(thinking={"type": "adaptive"}, output_config={"effort": "low"}, metadata={"user_id": "a"}),
        {"max_tokens": 9, "reasoning_effort": "low", "user": "a"},
    ),
    (
        ANTHROPIC.field(thinking={"type": "enabled", "budget_tokens": 2000}, max_tokens=3000),
        {"max_tokens": 3000, "reasoning_effort": 2000},
    ),
    (
        ANTHROPIC.field(thinking={"type": "disabled"}, cache_control={"type": "ephemeral"}, metadata={}),
        {"max_tokens": 9, "reasoning_effort": "none", "cache": True},
    ),
    (
        ANTHROPIC.field(tool_choice={"type": "auto", "disable_parallel_tool_use": True}),
        {"max_tokens": 9, "tool_choice": "auto", "parallel_tool_calls": False},
    ),
]


@rows(("wire", "options"), OPTIONS)
def test_options_have_common_names(shared: Emulator, wire: Wire, options: dict[str, Any]) -> None:
    hear(shared, wire)
    assert last(shared).options == options


def test_the_newer_version_takes_a_bearer_token_and_text_without_citations(shared: Emulator) -> None:
    wire = ANTHROPIC.header(anthropic_version="2026-10-21", x_api_key=None, authorization="Bearer k")
    hear(shared, wire.field(messages=[user([text("How are you?")])]))
    assert last(shared).messages == MESSAGES


# Streams


def block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def test_a_stream_is_blocks_and_a_ping() -> None:
    with emulate(*SAID) as e:
        response = ask(e, ANTHROPIC)
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["request-id"] == "req_1"
    start, first, ping, *rest, delta, stop = events(response.body)
    usage = {"input_tokens": 3, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 1}
    empty = {"content": [], "stop_reason": None, "stop_sequence": None}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", **empty, "usage": usage}
    assert start == {"type": "message_start", "message": message}
    assert ping == {"type": "ping"}
    json_deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", *ARGUMENTS)]
    assert [first, *rest] == [
        *block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "Hm"},
            {"type": "thinking_delta", "thinking": "m."},
            {"type": "signature_delta", "signature": MARK},
        ),
        *block(
            1,
            {"type": "text", "text": ""},
            {"type": "text_delta", "text": "Grüß"},
            {"type": "text_delta", "text": " dich"},
        ),
        *block(2, {"type": "tool_use", "id": "toolu_3", "name": "weather", "input": {}}, *json_deltas),
        *block(
            3,
            {"type": "tool_use", "id": "c9", "name": "clock", "input": {}},
            {"type": "input_json_delta", "partial_json": ""},
            {"type": "input_json_delta", "partial_json": "{}"},
        ),
    ]
    reason = {"stop_reason": "tool_use", "stop_sequence": None}
    assert delta == {
        "type": "message_delta",
        "delta": reason,
        "usage": {"output_tokens": 4, "output_tokens_details": {"thinking_tokens": 2}},
    }
    assert stop == {"type": "message_stop"}


def test_the_events_are_padded_with_blanks() -> None:
    with emulate("a") as e:
        blocks = hear(e, ANTHROPIC).split(b"\n\n")
    assert blocks[1:4] == [
        b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
        b'"content_block":{"type":"text","text":""}} ',
        b'event: ping\ndata: {"type":"ping"}',
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
        b'"delta":{"type":"text_delta","text":"a"}}  ',
    ]


@rows(
    ("reason", "expected"),
    [("stop", "end_turn"), ("length", "max_tokens"), ("tool_calls", "tool_use"), ("content_filter", "refusal")],
)
def test_stop_reasons(reason: str, expected: str) -> None:
    with emulate(Finish(reason)) as e:
        start, delta, stop = events(hear(e, ANTHROPIC))
    assert (start["type"], delta["delta"]["stop_reason"], stop["type"]) == ("message_start", expected, "message_stop")


def test_the_tokens_of_the_prompt_are_told_again_if_they_were_not_known_at_the_start() -> None:
    start, *_, delta, _ = after("anthropic", "a", Usage(10, 5))
    assert start["message"]["usage"]["input_tokens"] == 3
    cached = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    assert delta["usage"] == {"input_tokens": 10, "output_tokens": 5, **cached}
    start, *_, delta, _ = after("anthropic", Usage(10, 5), "a")
    assert (start["message"]["usage"]["input_tokens"], delta["usage"]) == (10, {"output_tokens": 5})


ANTHROPIC_TYPES = {
    "authentication": (401, "authentication_error"),
    "permission": (403, "permission_error"),
    "not_found": (404, "not_found_error"),
    "rate_limit": (429, "rate_limit_error"),
    "overloaded": (529, "overloaded_error"),
    "context_length": (400, "invalid_request_error"),
    "content_filter": (400, "invalid_request_error"),
    "server": (500, "api_error"),
}


@rows("kind", ANTHROPIC_TYPES)
def test_anthropic_s_http_errors(kind: str) -> None:
    status, headers, body = told(kind, ANTHROPIC)
    assert (status, body["error"]["type"]) == ANTHROPIC_TYPES[kind]
    assert (body["type"], body["request_id"], headers["request-id"]) == ("error", "req_1", "req_1")


@rows("kind", KINDS)
def test_an_error_is_the_last_event_and_may_be_the_first(kind: str) -> None:
    shown = {"type": "error", "error": told(kind, ANTHROPIC)[2]["error"]}
    assert after("anthropic", Problem(kind)) == [shown]
    assert after("anthropic", "a", Problem(kind), "never")[-1] == shown


def test_the_reason_error_is_a_problem() -> None:
    assert after("anthropic", "a", Finish("error")) == after("anthropic", "a", Problem("server"))


# Whole replies


def test_a_whole_reply_is_a_message_of_blocks() -> None:
    with emulate(*SAID) as e:
        response = ask(e, WHOLE["anthropic"])
    assert (response.headers["content-type"], response.headers["request-id"]) == ("application/json", "req_1")
    assert response.json == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [
            {"type": "thinking", "thinking": "Hmm.", "signature": MARK},
            {"type": "text", "text": "Grüß dich"},
            {"type": "tool_use", "id": "toolu_3", "name": "weather", "input": {"city": "Oslo"}},
            {"type": "tool_use", "id": "c9", "name": "clock", "input": {}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 3,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 4,
            "output_tokens_details": {"thinking_tokens": 2},
        },
    }


def test_the_blocks_stand_in_the_order_of_the_pieces() -> None:
    with emulate("a", Reasoning("b"), "", "c", ToolCall("t", "f", ""), "d", "e") as e:
        content = hear_whole(e, "anthropic")["content"]
    assert [block["type"] for block in content] == ["text", "thinking", "text", "tool_use", "text"]
    assert (content[3]["input"], content[4]["text"]) == ({}, "de")


@rows(
    ("reason", "expected"),
    [("stop", "end_turn"), ("length", "max_tokens"), ("tool_calls", "tool_use"), ("content_filter", "refusal")],
)
def test_the_stop_reason_of_a_whole_reply(reason: Any, expected: str) -> None:
    with emulate(Finish(reason)) as e:
        reply = hear_whole(e, "anthropic")
    assert (reply["content"], reply["stop_reason"]) == ([], expected)


@rows("kind", KINDS)
@rows("before", [[], ["a"]])
def test_a_problem_is_the_status_of_a_whole_reply(kind: str, before: list[str]) -> None:
    status, _, body = told(kind, ANTHROPIC)
    with emulate(*before, Problem(kind)) as e:
        response = ask(e, WHOLE["anthropic"])
    assert (response.status, response.json) == (status, body)


@rows("arguments", ['{"a":', "[]", '"a"', "null"])
def test_arguments_that_are_no_object_are_the_vendor_s_500(arguments: str) -> None:
    with mistaken(emulate(ToolCall("", "f", arguments))) as e:
        response = ask(e, WHOLE["anthropic"])
        problem = f"ToolCall.arguments: expected a JSON object in this protocol, not {arguments!r}"
        assert (response.status, response.json["error"]["message"]) == (500, problem)
        assert last(e).problem == problem


def test_the_ids_of_calls_are_not_those_of_earlier_replies() -> None:
    with emulate(ToolCall("", "f", "{}")) as e:
        ids = [ask(e, wire.field(stream=False)).json["content"][0]["id"] for wire in (ANTHROPIC, ANTHROPIC.field(
            messages=[*MESSAGES, assistant("a"), user("And?")]))]  # fmt: skip
    assert ids == ["toolu_1", "toolu_1_1"]
