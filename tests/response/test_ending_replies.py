"""Where an answer ends: at its protocol's end, and not at its finish reason.  Protocol x form x driver, over sockets.

The forms are those of public reports: anomalyco/opencode#43040 and PR#49167 (September 2026: SenseNova and NVIDIA send
content behind the finish reason), and of recorded replies of Gemini, whose chunks say STOP before the answer ends.
"""

import gc
import json
import sys
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

import g4flite
from g4flite import Finish, Reasoning, ToolCall, TurnState, Usage
from g4flite.testing import Emulator, Script
from tests.conftest import Driver
from tests.rows import rows


def frame(data: Any, name: str = "") -> bytes:
    return (f"event: {name}\n" if name else "").encode() + b"data: " + json.dumps(data).encode() + b"\n\n"


def chunk(delta: dict[str, Any], reason: str | None = None) -> bytes:
    return frame({"id": "c1", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})


def candidate(*parts: dict[str, Any], reason: str | None = None) -> bytes:
    content = {"content": {"parts": [*parts], "role": "model"}} if parts else {}
    return frame({"candidates": [{**content, **({"finishReason": reason} if reason else {})}], "responseId": "g"})


def named(kind: str, **fields: Any) -> bytes:
    return frame({"type": kind, **fields}, kind)


class Wire(NamedTuple):
    """A protocol: how it says a text, a text with a finish reason, the reason alone, token counts, and the end."""

    path: str
    text: Callable[[str], bytes]
    both: Callable[[str], bytes]
    reason: bytes
    usage: bytes
    end: bytes
    native: str


def block(text: str) -> bytes:
    return named("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


WIRES = {
    "llamacpp": Wire(
        "/v1", lambda text: chunk({"content": text}), lambda text: chunk({"content": text}, "stop"), chunk({}, "stop"),
        frame({"choices": [], "usage": {"prompt_tokens": 3}}), b"data: [DONE]\n\n", "stop",
    ),
    "gemini": Wire(
        "", lambda text: candidate({"text": text}), lambda text: candidate({"text": text}, reason="STOP"),
        candidate(reason="STOP"), frame({"usageMetadata": {"promptTokenCount": 3}}), b"", "STOP",
    ),
    "anthropic": Wire(
        "", block, lambda text: block(text) + named("message_delta", delta={"stop_reason": "end_turn"}),
        named("message_delta", delta={"stop_reason": "end_turn"}), named("message_delta", delta={}, usage={}),
        named("message_stop"), "end_turn",
    ),
}  # fmt: skip
COMPLETE = {
    "text behind the reason": lambda w: [w.text("a"), w.reason, w.text("b"), w.end],
    "the reason first": lambda w: [w.reason, w.text("a"), w.text("b"), w.reason, w.end],
    "a reason with every text": lambda w: [w.both("a"), w.both("b"), w.end],
    "the reason repeated": lambda w: [w.text("ab"), w.reason, w.reason, w.end],
    "no end marker": lambda w: [w.text("ab"), w.reason],
    "no end marker, and the last text behind the reason": lambda w: [w.text("a"), w.reason, w.text("b")],
}
BROKEN_OFF: dict[str, tuple[Callable[[Wire], list[bytes]], bool]] = {
    "behind the reason": (lambda w: [w.text("a"), w.text("b"), w.reason], True),
    "behind the second reason": (lambda w: [w.reason, w.text("a"), w.text("b"), w.reason], True),
    "in the token counts": (lambda w: [w.text("ab"), w.reason, w.usage[:30]], True),
    "behind the token counts": (lambda w: [w.text("ab"), w.reason, w.usage], True),
    "in the end marker": (lambda w: [w.text("ab"), w.reason, w.end[:8]], True),
    "behind a late text": (lambda w: [w.text("a"), w.reason, w.text("b")], False),
    "in a late text": (lambda w: [w.text("ab"), w.reason, w.text("c" * 50)[:-45]], False),
    "before the characters of a late text": (
        lambda w: [w.text("ab"), w.reason, w.text("c" * 50).partition(b"ccc")[0]],
        False,
    ),
    "in the name of a late text's field": (
        lambda w: [w.text("ab"), w.reason, w.text("ccc").partition(b"ccc")[0][:-8]],
        False,
    ),
    "in a late text without its blank line": (lambda w: [w.text("a"), w.reason, w.text("b")[:-2]], False),
    "before the reason": (lambda w: [w.text("a"), w.text("b")], False),
}


def script(pieces: list[bytes], **more: Any) -> Script:
    headers = {"content-type": "text/event-stream"} | more.pop("headers", {})
    return Script(body=b"".join(pieces), headers=headers, **more)


def call(name: str, server: Emulator, script: Script) -> dict[str, Any]:
    server.script = script
    key = None if name == "llamacpp" else "sk-test-1"
    return {"model": "m", "base_url": server.url + WIRES[name].path, "api_key": key}


@pytest.mark.parametrize("name", WIRES)
@rows("form", COMPLETE, shared=True)
def test_an_answer_ends_where_its_protocol_ends(name: str, form: str, driver: Driver, server: Emulator) -> None:
    pieces = COMPLETE[form](WIRES[name])
    for split in (None, 3):
        items = driver.events(name, "Hi", **call(name, server, script(pieces, split=split)))
        assert driver.stream.partial == "ab"
        assert [item for item in items if isinstance(item, Finish)] == [Finish("stop", WIRES[name].native)]
        assert isinstance([item for item in items if not isinstance(item, Usage)][-1], Finish)
        assert driver.stream.attempts[0].outcome == "complete"


@rows("reset", [False, True])
@pytest.mark.parametrize("name", WIRES)
@rows("form", BROKEN_OFF, shared=True)
def test_an_answer_that_breaks_off_behind_its_reason_is_whole_if_no_content_was_under_way(
    name: str, form: str, reset: bool, driver: Driver, server: Emulator
) -> None:
    pieces, whole = BROKEN_OFF[form][0](WIRES[name]), BROKEN_OFF[form][1]
    size = sum(map(len, pieces))
    broken = script([*pieces, b"never"], cut=size, reset=reset, split=(size - 1,), wait=0.02)
    arguments = call(name, server, broken)
    if whole:
        assert "".join(driver.collect(name, "Hi", **arguments)) == "ab"
        assert driver.stream.finish_reason == "stop"
        return
    with pytest.raises(g4flite.TruncatedStreamError, match="the reply was cut off: .*(peer|reset|closed)") as caught:
        driver.collect(name, "Hi", **arguments)
    assert caught.value.partial.startswith("ab")
    assert driver.stream.finish_reason is None


@pytest.mark.parametrize("name", ["llamacpp", "gemini"])
def test_if_content_came_behind_a_text_with_its_reason_only_the_end_completes_the_answer(
    name: str, driver: Driver, server: Emulator
) -> None:
    pieces = [WIRES[name].both("a"), WIRES[name].both("b")]
    size = sum(map(len, pieces))
    with pytest.raises(g4flite.TruncatedStreamError):
        driver.collect(name, "Hi", **call(name, server, script([*pieces, b"."], cut=size)))
    # The reason alone still counts.
    pieces = [*pieces, WIRES[name].reason]
    size = sum(map(len, pieces))
    assert driver.collect(name, "Hi", **call(name, server, script([*pieces, b"."], cut=size))) == ["a", "b"]


CALL = {"index": 0, "id": "c9", "function": {"name": "tide", "arguments": '{"port": 3}'}}
HEAD = {"index": 0, "id": "c9", "function": {"name": "tide", "arguments": ""}}
HALF = {"index": 0, "id": "c9", "function": {"name": "tide", "arguments": '{"port"'}}


def test_a_tool_call_or_reasoning_behind_the_reason_is_read(driver: Driver, server: Emulator) -> None:
    late = [chunk({"reasoning": "hm"}), chunk({"tool_calls": [CALL]})]
    pieces = [chunk({"content": "a"}), chunk({}, "tool_calls"), *late]
    for end in (b"data: [DONE]\n\n", b""):
        items = driver.events("llamacpp", "Hi", **call("llamacpp", server, script([*pieces, end])))
        assert Reasoning("hm") in items
        call_, state, finish = items[-3:]
        assert (call_, finish) == (ToolCall("c9", "tide", '{"port": 3}'), Finish("tool_calls", "tool_calls"))
        assert state == TurnState({"type": "reasoning_field", "name": "reasoning"})


@pytest.mark.parametrize(("reason", "delta", "whole"), [
    ("tool_calls", HALF, False), ("length", HALF, True), ("tool_calls", CALL, True),
    ("tool_calls", HEAD, False), ("length", HEAD, True), ("stop", {**HEAD, "function": {"name": "tide"}}, False),
])  # fmt: skip
def test_half_a_tool_call_is_content_under_way_unless_length_is_the_reason(
    reason: str, delta: Any, whole: bool, driver: Driver, server: Emulator
) -> None:
    pieces = [chunk({"tool_calls": [delta]}), chunk({}, reason)]
    size = sum(map(len, pieces))
    arguments = call("llamacpp", server, script([*pieces, b"."], cut=size))
    if whole:
        driver.collect("llamacpp", "Hi", **arguments)
        assert driver.stream.tool_calls[0].arguments == (delta["function"]["arguments"] or "{}")
    else:
        with pytest.raises(g4flite.TruncatedStreamError):
            driver.collect("llamacpp", "Hi", **arguments)
        assert driver.stream.tool_calls == ()


def test_an_empty_fragment_behind_the_reason_is_no_content(driver: Driver, server: Emulator) -> None:
    empty = {"index": 0, "function": {"arguments": ""}}
    pieces = [chunk({"tool_calls": [CALL]}), chunk({}, "tool_calls"), chunk({"tool_calls": [empty]})]
    size = sum(map(len, pieces))
    driver.collect("llamacpp", "Hi", **call("llamacpp", server, script([*pieces, b"."], cut=size)))
    assert driver.stream.tool_calls == (ToolCall("c9", "tide", '{"port": 3}'),)


@pytest.mark.parametrize("late", [False, True])
def test_a_body_that_only_the_connection_ends_counts_as_cut_off(late: bool, driver: Driver, server: Emulator) -> None:
    wire = WIRES["llamacpp"]
    body = wire.text("a") + wire.reason + (wire.text("b") if late else b"")
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    arguments = call("llamacpp", server, Script(raw=head + body))
    if not late:
        assert driver.collect("llamacpp", "Hi", **arguments) == ["a"]
        return
    with pytest.raises(g4flite.TruncatedStreamError):
        driver.collect("llamacpp", "Hi", **arguments)


def test_an_answer_without_text_that_breaks_off_behind_its_reason_is_complete(driver: Driver, server: Emulator) -> None:
    pieces = [chunk({"role": "assistant"}), chunk({}, "length")]
    size = sum(map(len, pieces))
    broken = script([*pieces, b"."], cut=size, split=(size - 1,), wait=0.02)
    assert driver.collect("llamacpp", "Hi", **call("llamacpp", server, broken)) == []
    assert driver.stream.finish_reason == "length"
    with pytest.raises(g4flite.TruncatedStreamError):
        driver.collect("llamacpp", "Hi", **call("llamacpp", server, script([pieces[0], b"."], cut=len(pieces[0]))))


# A generator of `contextmanager`, into which an exception is thrown, holds there the frame that holds the exception.
@pytest.mark.skipif(sys.version_info >= (3, 13), reason="httpcore makes a circle of each exception that it translates")
def test_the_error_that_ends_a_body_leaves_no_circle(server: Emulator) -> None:
    pieces = [WIRES["llamacpp"].text("a"), WIRES["llamacpp"].reason]
    size = sum(map(len, pieces))
    gc.disable()
    try:
        for cut in (size, len(pieces[0])):
            arguments = call("llamacpp", server, script([*pieces, b"."], cut=cut, split=(5,), wait=0.02))
            stream = g4flite.stream("llamacpp", "Hi", retries=0, **arguments)
            gone = weakref.ref(stream._run.text)
            try:
                list(stream)
            except g4flite.TruncatedStreamError as error:
                assert error.__cause__ is not None
            del stream
            assert gone() is None
    finally:
        gc.enable()
