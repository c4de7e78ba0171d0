"""Cohere's chat: what a request has to say, and what the reply says."""

from __future__ import annotations

from typing import Any

from g4flite.testing import Emulator, Finish, Problem
from tests.open_protocols import (
    ARGUMENTS,
    COHERE,
    COMMON,
    CONVERSATION,
    JSON_SCHEMA,
    KINDS,
    MESSAGES,
    SAID,
    SCHEMA,
    STATUS,
    TOOL,
    WHOLE,
    Wire,
    after,
    ask,
    assistant,
    call,
    emulate,
    events,
    hear,
    hear_whole,
    last,
    message,
    refuse,
    text,
    told,
    tool,
    user,
)
from tests.rows import rows

# Requests


REFUSED: list[tuple[Wire, str]] = [
    (COHERE.field(**message(role="developer", content="x")), "messages[0].role: expected one of system, user"),
    (COHERE.field(**message(role="user", content=[{"type": "document"}])), "document: expected an object"),
    (COHERE.field(tool_choice="auto"), "tool_choice: expected one of REQUIRED, NONE"),
    (COHERE.field(p="x"), "p: expected a number"),
]


@rows(("wire", "problem"), REFUSED)
def test_a_wrong_field_is_refused_by_its_name(shared: Emulator, wire: Wire, problem: str) -> None:
    refuse(shared, wire, problem)


def test_a_conversation_is_translated_back(shared: Emulator) -> None:
    first, second, third, *others = CONVERSATION
    hear(shared, COHERE.field(messages=[first, second, third | {"tool_plan": "look"}, *others]))
    assert last(shared).messages == CONVERSATION


def test_parts_of_text_are_one_text(shared: Emulator) -> None:
    hear(shared, COHERE.field(messages=[user([text("How "), text("are you?")])]))
    assert last(shared).messages == MESSAGES


def test_documents_are_text_and_thinking_is_left_out(shared: Emulator) -> None:
    document = {"type": "document", "document": {"data": "Rain"}}
    thought = {"type": "thinking", "thinking": "Hm"}
    messages = [assistant([thought, text("So")], call(id="c")), tool([document], tool_call_id="c")]
    hear(shared, COHERE.field(messages=messages))
    assert last(shared).messages == [assistant("So", call(id="c")), tool(tool_call_id="c")]


OPTIONS: list[tuple[Wire, dict[str, Any]]] = [
    (
        COHERE.field(temperature=0.5, max_tokens=7, p=0.9, stop_sequences=["END"], seed=1, tools=[TOOL]),
        COMMON | {"stop": ["END"], "seed": 1, "tools": [TOOL]},
    ),
    (
        COHERE.field(tool_choice="REQUIRED", response_format={"type": "json_object"}),
        {"tool_choice": "required", "response_format": {"type": "json_object"}},
    ),
    (COHERE.field(response_format={"type": "json_object", "json_schema": SCHEMA}), {"response_format": JSON_SCHEMA}),
    (
        COHERE.field(thinking={"type": "enabled", "token_budget": 9}, logprobs=True, frequency_penalty=1),
        {"reasoning_effort": 9, "logprobs": True, "frequency_penalty": 1},
    ),
    (
        COHERE.field(thinking={"type": "disabled"}, presence_penalty=1),
        {"reasoning_effort": "none", "presence_penalty": 1},
    ),
]


@rows(("wire", "options"), OPTIONS)
def test_options_have_common_names(shared: Emulator, wire: Wire, options: dict[str, Any]) -> None:
    hear(shared, wire)
    assert last(shared).options == options


# Streams


def content(type_: str, index: int, said: dict[str, str]) -> dict[str, Any]:
    return {"type": type_, "index": index, "delta": {"message": {"content": said}}}


def tool_call(type_: str, index: int, said: dict[str, Any]) -> dict[str, Any]:
    return {"type": type_, "index": index, "delta": {"message": {"tool_calls": said}}}


def test_a_stream_is_contents_and_tool_calls() -> None:
    with emulate(*SAID) as e:
        response = ask(e, COHERE)
    assert response.headers["content-type"] == "text/event-stream"
    message = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    tokens = {"input_tokens": 3, "output_tokens": 4}

    def begun(id_: str, name: str) -> dict[str, Any]:
        return {"id": id_, "type": "function", "function": {"name": name, "arguments": ""}}

    assert events(response.body) == [
        {"id": "msg-1", "type": "message-start", "delta": {"message": message}},
        content("content-start", 0, {"type": "thinking", "thinking": ""}),
        content("content-delta", 0, {"thinking": "Hm"}),
        content("content-delta", 0, {"thinking": "m."}),
        {"type": "content-end", "index": 0},
        content("content-start", 1, {"type": "text", "text": ""}),
        content("content-delta", 1, {"text": "Grüß"}),
        content("content-delta", 1, {"text": " dich"}),
        {"type": "content-end", "index": 1},
        tool_call("tool-call-start", 0, begun("call_1", "weather")),
        *(tool_call("tool-call-delta", 0, {"function": {"arguments": piece}}) for piece in ARGUMENTS),
        {"type": "tool-call-end", "index": 0},
        tool_call("tool-call-start", 1, begun("c9", "clock")),
        tool_call("tool-call-delta", 1, {"function": {"arguments": "{}"}}),
        {"type": "tool-call-end", "index": 1},
        {
            "type": "message-end",
            "delta": {"finish_reason": "TOOL_CALL", "usage": {"billed_units": tokens, "tokens": tokens}},
        },
    ]


@rows(
    ("reason", "expected"),
    [("stop", "COMPLETE"), ("length", "MAX_TOKENS"), ("tool_calls", "TOOL_CALL"), ("error", "ERROR")],
)
def test_finish_reasons(reason: str, expected: str) -> None:
    with emulate("a", Finish(reason)) as e:
        assert events(hear(e, COHERE))[-1]["delta"]["finish_reason"] == expected


@rows("kind", KINDS)
@rows("before", [[], ["a"]])
def test_an_error_is_the_end_of_the_message(kind: str, before: list[str]) -> None:
    start, *_, end = after("cohere", *before, Problem(kind), "never")
    assert start["type"] == "message-start"
    assert (end["delta"]["finish_reason"], end["delta"]["error"]) == ("ERROR", told(kind, COHERE)[2]["message"])


def test_the_reason_content_filter_is_a_problem() -> None:
    assert after("cohere", "a", Finish("content_filter")) == after("cohere", "a", Problem("content_filter"))


@rows("kind", KINDS)
def test_an_http_error_is_a_message(kind: str) -> None:
    status, _, body = told(kind, COHERE)
    assert (status, list(body)) == (STATUS[kind], ["message"])
    assert isinstance(body["message"], str)


# Whole replies


def called(id_: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def test_a_whole_reply_is_a_message_of_contents_and_tool_calls() -> None:
    with emulate(*SAID) as e:
        reply = hear_whole(e, "cohere")
    tokens = {"input_tokens": 3, "output_tokens": 4}
    assert reply == {
        "id": "msg-1",
        "message": {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "Hmm."}, {"type": "text", "text": "Grüß dich"}],
            "tool_calls": [called("call_1", "weather", "".join(ARGUMENTS)), called("c9", "clock", "{}")],
        },
        "finish_reason": "TOOL_CALL",
        "usage": {"billed_units": tokens, "tokens": tokens},
    }


@rows(
    ("reason", "expected"),
    [("stop", "COMPLETE"), ("length", "MAX_TOKENS"), ("tool_calls", "TOOL_CALL"), ("error", "ERROR")],
)
def test_the_finish_reason_of_a_whole_reply(reason: Any, expected: str) -> None:
    with emulate(Finish(reason)) as e:
        reply = hear_whole(e, "cohere")
    assert (reply["message"], reply["finish_reason"]) == ({"role": "assistant"}, expected)


@rows("kind", KINDS)
@rows("before", [[], ["a"]])
def test_a_problem_is_the_status_of_a_whole_reply(kind: str, before: list[str]) -> None:
    with emulate(*before, Problem(kind)) as e:
        response = ask(e, WHOLE["cohere"])
    assert (response.status, response.json) == told(kind, COHERE)[::2]
