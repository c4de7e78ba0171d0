"""Ollama's chat: what a request has to say, and what the reply says."""

from __future__ import annotations

from typing import Any

import pytest

from g4flite.testing import Emulator, Finish, Problem, ToolCall
from tests.open_protocols import (
    COMMON,
    JSON_SCHEMA,
    KINDS,
    OLLAMA,
    PNG,
    SAID,
    SCHEMA,
    STATUS,
    SYSTEM,
    TOOL,
    WHOLE,
    Wire,
    after,
    ask,
    assistant,
    call,
    emulate,
    hear,
    hear_whole,
    image,
    last,
    lines,
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


REFUSED: list[tuple[Wire, str]] = [
    (OLLAMA.field(options={"temperature": "x"}), "options.temperature: expected a number"),
    (OLLAMA.field(format="xml"), 'format: expected "json" or a JSON schema'),
    (OLLAMA.field(think=1), "think: expected"),
    (OLLAMA.field(tools=[{"type": "function"}]), "tools: function"),
    (OLLAMA.field(**message(role="user", content="", images="x")), "images: expected a list of strings"),
    (OLLAMA.field(messages=[assistant("", call())]), "arguments: expected an object"),
]


@rows(("wire", "problem"), REFUSED)
def test_a_wrong_field_is_refused_by_its_name(shared: Emulator, wire: Wire, problem: str) -> None:
    refuse(shared, wire, problem)


def test_a_conversation_is_translated_back(shared: Emulator) -> None:
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


OPTIONS: list[tuple[Wire, dict[str, Any]]] = [
    (
        OLLAMA.field(options={"temperature": 0.5, "num_predict": 7, "top_p": 0.9, "seed": 1, "stop": "END"}),
        COMMON | {"seed": 1, "stop": ["END"]},
    ),
    (
        OLLAMA.field(tools=[TOOL], format="json", think=True),
        {"tools": [TOOL], "response_format": {"type": "json_object"}, "reasoning_effort": True},
    ),
    (
        OLLAMA.field(think=False, logprobs=True, options={"frequency_penalty": 1, "presence_penalty": 0.5}),
        {"reasoning_effort": "none", "logprobs": True, "frequency_penalty": 1, "presence_penalty": 0.5},
    ),
    (
        OLLAMA.field(model="gpt-oss", think="low", logprobs=True, top_logprobs=2),
        {"reasoning_effort": "low", "logprobs": 2},
    ),
    (OLLAMA.field(format=SCHEMA), {"response_format": JSON_SCHEMA}),
]


@rows(("wire", "options"), OPTIONS)
def test_options_have_common_names(shared: Emulator, wire: Wire, options: dict[str, Any]) -> None:
    hear(shared, wire)
    assert last(shared).options == options


# Streams


def line(**said: Any) -> dict[str, Any]:
    message = {"role": "assistant", **said}
    return {"model": "m", "created_at": "2023-11-14T22:13:20.123456Z", "message": message, "done": False}


END = {
    "done": True,
    "done_reason": "stop",
    "total_duration": 3000000,
    "load_duration": 1000000,
    "prompt_eval_count": 3,
    "prompt_eval_duration": 1000000,
    "eval_count": 4,
    "eval_duration": 1000000,
}


def test_a_stream_is_objects_in_lines() -> None:
    with emulate(*SAID) as e:
        response = ask(e, OLLAMA.field(stream=True))
    assert response.headers["content-type"] == "application/x-ndjson"
    *said, end = lines(response.body)
    assert said == [
        line(content="", thinking="Hm"),
        line(content="", thinking="m."),
        line(content="Grüß"),
        line(content=" dich"),
        line(content="", tool_calls=[{"function": {"name": "weather", "arguments": {"city": "Oslo"}}}]),
        line(content="", tool_calls=[{"id": "c9", "function": {"name": "clock", "arguments": {}}}]),
    ]
    assert end == line(content="") | END


def test_the_protocol_knows_one_other_reason() -> None:
    with emulate("a", Finish("length")) as e:
        assert lines(hear(e, OLLAMA))[-1]["done_reason"] == "length"


@rows("kind", KINDS)
def test_an_error_is_the_last_line(kind: str) -> None:
    error = told(kind, OLLAMA)[2]
    assert after("ollama", Problem(kind)) == [error]
    assert after("ollama", "a", Problem(kind), "never") == [line(content="a"), error]


@pytest.mark.parametrize(("reason", "kind"), [("error", "server"), ("content_filter", "content_filter")])
def test_a_reason_that_the_protocol_does_not_know_is_a_problem(reason: Any, kind: str) -> None:
    assert after("ollama", "a", Finish(reason)) == after("ollama", "a", Problem(kind))
    with emulate("a", Finish(reason)) as e:
        response = ask(e, WHOLE["ollama"])
    assert (response.status, response.json) == told(kind, OLLAMA)[::2]


def test_arguments_that_are_no_object_break_the_stream_off() -> None:
    with mistaken(emulate("a", ToolCall("", "f", '{"a":'))) as e:
        with pytest.raises(Exception, match="IncompleteRead"):
            ask(e, OLLAMA)
        assert "ToolCall.arguments: expected a JSON object" in str(last(e).problem)


@rows("kind", KINDS)
def test_an_http_error_is_a_message(kind: str) -> None:
    status, _, body = told(kind, OLLAMA)
    assert (status, list(body)) == (STATUS[kind], ["error"])
    assert isinstance(body["error"], str)


# Whole replies


def test_a_whole_reply_is_the_last_line_with_everything_in_it() -> None:
    with emulate(*SAID) as e:
        reply = hear_whole(e, "ollama")
    weather = {"function": {"name": "weather", "arguments": {"city": "Oslo"}}}
    calls = [weather, {"id": "c9", "function": {"name": "clock", "arguments": {}}}]
    assert reply == line(content="Grüß dich", thinking="Hmm.", tool_calls=calls) | END


@rows(("reason", "expected"), [("stop", "stop"), ("length", "length"), ("tool_calls", "stop")])
def test_the_reason_of_a_whole_reply(reason: Any, expected: str) -> None:
    with emulate("a", Finish(reason)) as e:
        assert hear_whole(e, "ollama") == line(content="a") | END | {"done_reason": expected, "eval_count": 1}


@rows("kind", KINDS)
@rows("before", [[], ["a"]])
def test_a_problem_is_the_status_of_a_whole_reply(kind: str, before: list[str]) -> None:
    with emulate(*before, Problem(kind)) as e:
        response = ask(e, WHOLE["ollama"])
    assert (response.status, response.json) == told(kind, OLLAMA)[::2]
