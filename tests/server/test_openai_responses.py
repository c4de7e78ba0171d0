"""Responses as OpenAI speaks it: what a request has to say, and what the reply says."""

from __future__ import annotations

from typing import Any

import pytest

from g4flite.testing import Emulator, Finish, Hidden, Problem, Reasoning
from tests.open_protocols import (
    ARGUMENTS,
    COMMON,
    CONVERSATION,
    JSON_SCHEMA,
    KINDS,
    MARK,
    NAMED,
    RESPONSES,
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
    refuse,
    text,
    told,
    user,
)
from tests.rows import rows

# Requests


# Items of a reply, as they go back (types of openai-python 3.57.0).
ITEMS: list[dict[str, Any]] = [
    {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "x"}},
    {"type": "code_interpreter_call", "id": "ci_1", "status": "completed", "container_id": "c", "code": "1",
     "outputs": None},
    {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [
        {"type": "output_text", "text": "Hi", "annotations": []}]},
]  # fmt: skip


def test_items_of_the_service_s_own_tools_may_come_back(shared: Emulator) -> None:
    assert ask(shared, RESPONSES.field(input=[user("Hi"), *ITEMS, user("And?")], stream=False)).status == 200
    # Codex CLI and langchain-openai leave the status of a message out.
    bare = {name: value for name, value in ITEMS[-1].items() if name != "status"}
    assert ask(shared, RESPONSES.field(input=[user("Hi"), bare, user("And?")], stream=False)).status == 200


REFUSED: list[tuple[Wire, str]] = [
    (RESPONSES.field(input=[]), "input: expected"),
    (RESPONSES.field(input=[{"type": "video"}]), "input[0].type: expected"),
    (RESPONSES.field(input=[{"role": "tool", "content": "x"}]), "input[0].role"),
    (RESPONSES.field(input=[user([text("Hi")])]), "type: expected one of input_text, input_image"),
    (RESPONSES.field(input=[assistant([{"type": "input_text", "text": "x"}])]), "expected one of output_text"),
    (RESPONSES.field(input=[{"type": "function_call", "call_id": "c", "name": "f", "arguments": {}}]), "arguments"),
    (RESPONSES.field(input=[{"type": "function_call", "call_id": "c", "name": "f", "arguments": ""}]), "results of"),
    (RESPONSES.field(input=[{"type": "function_call_output", "call_id": "c", "output": "x"}]), "call 'c' before"),
    (RESPONSES.field(instructions=1), "instructions: expected a string"),
    *(
        (
            RESPONSES.field(input=[{key: value for key, value in item.items() if key != name}, user("Hi")]),
            f"Missing required parameter: 'input[0].{name}'.",
        )
        for item in ITEMS
        for name in ("status", "outputs", "content")
        if name in item and (name, item["type"]) != ("status", "message")
    ),
    (RESPONSES.field(max_output_tokens=-1), "max_output_tokens: expected"),
    (RESPONSES.field(tools=[TOOL]), "tools: name: expected"),
    (RESPONSES.field(tool_choice="any"), "tool_choice: expected"),
    (RESPONSES.field(text={"format": "json"}), "text.format: expected an object"),
]


@rows(("wire", "problem"), REFUSED)
def test_a_wrong_field_is_refused_by_its_name(shared: Emulator, wire: Wire, problem: str) -> None:
    refuse(shared, wire, problem)


FUNCTION = {"type": "function_call", "name": "weather", "arguments": '{"city":"Oslo"}'}


ITEMS = [
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


def test_a_conversation_is_translated_back(shared: Emulator) -> None:
    hear(shared, RESPONSES.field(instructions="Be brief.", input=ITEMS))
    assert last(shared).messages == CONVERSATION


FLAT = {"type": "function", "name": "weather", "description": "of a city", "parameters": SCHEMA}


OPTIONS: list[tuple[Wire, dict[str, Any]]] = [
    (RESPONSES.field(temperature=0.5, max_output_tokens=7, top_p=0.9), COMMON),
    (
        RESPONSES.field(tools=[FLAT, {"type": "web_search"}], tool_choice="auto"),
        {"tools": [TOOL], "tool_choice": "auto"},
    ),
    (RESPONSES.field(tool_choice={"type": "function", "name": "weather"}), {"tool_choice": NAMED}),
    (RESPONSES.field(tool_choice={"type": "web_search"}), {"tool_choice": {"type": "web_search"}}),
    (RESPONSES.field(text={"format": {"type": "json_schema", "schema": SCHEMA}}), {"response_format": JSON_SCHEMA}),
    (
        RESPONSES.field(input="A, in JSON.", text={"format": {"type": "json_object"}}),
        {"response_format": {"type": "json_object"}},
    ),
    (
        RESPONSES.field(reasoning={"effort": "low", "summary": "auto"}, user="a", metadata={"a": "b"}),
        {"reasoning_effort": "low", "user": "a", "metadata": {"a": "b"}},
    ),
    (RESPONSES.field(include=["message.output_text.logprobs"]), {"logprobs": True}),
    (RESPONSES.field(include=["message.output_text.logprobs"], top_logprobs=3), {"logprobs": 3}),
    (
        RESPONSES.field(tools=[FLAT], parallel_tool_calls=False, include=[], reasoning={}),
        {"tools": [TOOL], "parallel_tool_calls": False},
    ),
]


@rows(("wire", "options"), OPTIONS)
def test_options_have_common_names(shared: Emulator, wire: Wire, options: dict[str, Any]) -> None:
    hear(shared, wire)
    assert last(shared).options == options


# Streams


def test_responses_are_events_in_order_and_numbered() -> None:
    with emulate(*SAID) as e:
        response = ask(e, RESPONSES)
    given = events(response.body)
    assert [event.pop("sequence_number") for event in given] == list(range(len(given)))
    created, started, *rest, completed = given
    assert (created["type"], started["type"]) == ("response.created", "response.in_progress")
    assert created["response"] == started["response"]
    assert created["response"] | {"usage": None, "output": [], "status": "in_progress"} == created["response"]
    reasoning = {
        "id": "rs_1", "type": "reasoning", "encrypted_content": MARK,
        "summary": [{"type": "summary_text", "text": "Hmm."}],
    }  # fmt: skip
    part = {"type": "output_text", "annotations": [], "logprobs": [], "text": "Grüß dich"}
    message = {"id": "msg_2_rs_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    called = {"type": "function_call", "status": "completed"}
    weather = called | {"id": "fc_3_rs_1", "call_id": "call_1", "name": "weather", "arguments": "".join(ARGUMENTS)}
    clock = called | {"id": "fc_4_rs_1", "call_id": "c9", "name": "clock", "arguments": "{}"}
    in_rs = {"item_id": "rs_1", "output_index": 0}
    in_msg = {"item_id": "msg_2_rs_1", "output_index": 1}
    in_fc, in_clock = {"item_id": "fc_3_rs_1", "output_index": 2}, {"item_id": "fc_4_rs_1", "output_index": 3}

    def item(state: str, index: int, value: Any) -> dict[str, Any]:
        return {"type": f"response.output_item.{state}", "output_index": index, "item": value}

    def event(type_: str, place: dict[str, Any], **fields: Any) -> dict[str, Any]:
        return {"type": f"response.{type_}", **place, **fields}

    assert rest == [
        item("added", 0, reasoning | {"summary": []}),
        event("reasoning_summary_part.added", in_rs, summary_index=0, part={"type": "summary_text", "text": ""}),
        event("reasoning_summary_text.delta", in_rs, summary_index=0, delta="Hm"),
        event("reasoning_summary_text.delta", in_rs, summary_index=0, delta="m."),
        event("reasoning_summary_text.done", in_rs, summary_index=0, text="Hmm."),
        event("reasoning_summary_part.done", in_rs, summary_index=0, part=reasoning["summary"][0]),
        item("done", 0, reasoning),
        item("added", 1, message | {"status": "in_progress", "content": []}),
        event("content_part.added", in_msg, content_index=0, part=part | {"text": ""}),
        event("output_text.delta", in_msg, content_index=0, delta="Grüß", logprobs=[]),
        event("output_text.delta", in_msg, content_index=0, delta=" dich", logprobs=[]),
        event("output_text.done", in_msg, content_index=0, text="Grüß dich", logprobs=[]),
        event("content_part.done", in_msg, content_index=0, part=part),
        item("done", 1, message),
        item("added", 2, weather | {"status": "in_progress", "arguments": ""}),
        *(event("function_call_arguments.delta", in_fc, delta=piece) for piece in ARGUMENTS),
        event("function_call_arguments.done", in_fc, name="weather", arguments="".join(ARGUMENTS)),
        item("done", 2, weather),
        item("added", 3, clock | {"status": "in_progress", "arguments": ""}),
        event("function_call_arguments.delta", in_clock, delta="{}"),
        event("function_call_arguments.done", in_clock, name="clock", arguments="{}"),
        item("done", 3, clock),
    ]
    assert completed["type"] == "response.completed"
    assert completed["response"] == created["response"] | {
        "status": "completed",
        "output": [reasoning, message, weather, clock],
        "usage": {
            "input_tokens": 3,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 4,
            "output_tokens_details": {"reasoning_tokens": 2},
            "total_tokens": 7,
        },
    }


@rows(
    ("reason", "status", "details"),
    [
        ("stop", "completed", None),
        ("tool_calls", "completed", None),
        ("length", "incomplete", {"reason": "max_output_tokens"}),
        ("content_filter", "incomplete", {"reason": "content_filter"}),
    ],
)
def test_responses_end_by_their_reason(reason: str, status: str, details: Any) -> None:
    with emulate("a", Finish(reason)) as e:
        *_, end = events(hear(e, RESPONSES))
    assert (end["type"], end["response"]["status"]) == (f"response.{status}", status)
    assert end["response"]["incomplete_details"] == details


@rows("kind", KINDS)
@rows("before", [[], ["a"]])
def test_an_error_is_an_event_and_a_failed_response(kind: str, before: list[str]) -> None:
    error = told(kind, RESPONSES)[2]["error"]
    created, *_, event, failed = after("responses", *before, Problem(kind), "never")
    assert (event["type"], event["error"]) == ("error", error)
    reason = {"code": error["code"] or error["type"], "message": error["message"]}
    assert (failed["type"], failed["response"]["error"]) == ("response.failed", reason)
    assert (created["type"], failed["response"]["status"]) == ("response.created", "failed")


def test_the_reason_error_is_a_problem() -> None:
    assert after("responses", "a", Finish("error")) == after("responses", "a", Problem("server"))


# Whole replies


def test_a_whole_reply_is_the_response_at_the_end_of_a_stream() -> None:
    with emulate(*SAID) as e:
        response = ask(e, WHOLE["responses"])
        assert (response.headers["content-type"], response.headers["x-request-id"]) == ("application/json", "req_1")
        assert response.json == events(hear(e, RESPONSES))[-1]["response"]
    kinds = ["reasoning", "message", "function_call", "function_call"]
    assert (response.json["object"], [item["type"] for item in response.json["output"]]) == ("response", kinds)
    assert response.json["output"][1]["content"][0]["text"] == "Grüß dich"


@pytest.mark.parametrize(
    ("reason", "status", "details"),
    [("stop", "completed", None), ("length", "incomplete", {"reason": "max_output_tokens"})],
)
def test_a_whole_reply_says_why_it_is_incomplete(reason: Any, status: str, details: Any) -> None:
    with emulate("a", Finish(reason)) as e:
        reply = hear_whole(e, "responses")
    assert (reply["status"], reply["incomplete_details"], reply["error"]) == (status, details, None)


def test_a_native_reason_makes_a_reply_incomplete() -> None:
    with emulate("a", Finish("other", "max_messages")) as e:
        assert hear_whole(e, "responses")["incomplete_details"] == {"reason": "max_messages"}


@rows("kind", KINDS)
@rows("before", [[], ["a"]])
def test_a_problem_is_the_status_of_a_whole_reply(kind: str, before: list[str]) -> None:
    status, _, body = told(kind, RESPONSES)
    with emulate(*before, Problem(kind)) as e:
        response = ask(e, WHOLE["responses"])
    assert (response.status, response.json) == (status, body)


def test_the_encrypted_content_of_an_item_that_has_begun_is_not_the_one_that_goes_back() -> None:
    given = after("responses", Reasoning("Hm"), Hidden(), "a")
    items = [event["item"] for event in given if event["type"].startswith("response.output_item.")]
    added, done, hidden_added, hidden, *_ = items
    assert added["encrypted_content"] != done["encrypted_content"] == MARK
    assert hidden_added["encrypted_content"] != hidden["encrypted_content"] == MARK
    assert (done["summary"], hidden["summary"]) == ([{"type": "summary_text", "text": "Hm"}], [])
    for sent, status in ((done, 200), (added, 400)):
        with emulate("a") as e:
            item = {"type": "message", "role": "assistant", "content": "a"}
            assert ask(e, RESPONSES.field(input=[user("?"), sent, item, user("And?")])).status == status
