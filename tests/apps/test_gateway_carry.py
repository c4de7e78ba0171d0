"""From one protocol to another: messages that lack ids, calls whose pieces come in any order, and what is left out."""

from __future__ import annotations

from typing import Any

import pytest

from g4flite._core.events import (
    Citation,
    Finish,
    Media,
    Native,
    Reasoning,
    ServerToolCall,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from g4flite.apps.gateway.carry import Calls, Whole, Writer, asked, described
from g4flite.apps.gateway.faults import FaultError
from g4flite.apps.gateway.wires import ANTHROPIC, CHAT, GEMINI, OLLAMA, RESPONSES, Wire
from g4flite.server.checks import Refusal
from g4flite.server.protocol import Turn
from tests.rows import rows

from .gateways import events, lines


def turn_of(*messages: dict[str, Any], **options: Any) -> Turn:
    return Turn(model="m", messages=[*messages], options=options, stream=True, form=frozenset(["sse"]))


def writer_of(wire: Wire) -> Writer:
    return Writer(wire, described(wire, turn_of(logprobs=True), id_="1", now=0.0), prompt_tokens=9)


def test_the_detail_that_each_model_chooses_is_left_out() -> None:
    image = {"url": "data:image/png;base64,AA=="}
    parts = [{"type": "image_url", "image_url": {**image, "detail": detail}} for detail in ("auto", "low")]
    (message,), _ = asked(turn_of({"role": "user", "content": [{"type": "text", "text": "Hi"}, *parts]}))
    assert [part["image_url"] for part in message["content"][1:]] == [image, {**image, "detail": "low"}]


def function(name: str, **more: Any) -> dict[str, Any]:
    return {**more, "type": "function", "function": {"name": name, "arguments": "{}"}}


def test_calls_without_ids_get_some_and_results_find_their_calls() -> None:
    turn = turn_of(
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": None, "tool_calls": [function("a"), function("b"), function("c", id="own")]},
        {"role": "tool", "content": "1", "name": "b"},
        {"role": "tool", "content": "2"},
        {"role": "tool", "content": "3", "tool_call_id": "own"},
        {"role": "assistant", "content": None},
        reasoning_effort=True,
    )
    messages, options = asked(turn)
    assert [call["id"] for call in messages[1]["tool_calls"]] == ["call_1_0", "call_1_1", "own"]
    assert [message["tool_call_id"] for message in messages[2:5]] == ["call_1_1", "call_1_0", "own"]
    assert messages[5]["content"] == ""
    assert options == {}
    assert asked(turn_of(reasoning_effort="low"))[1] == {"reasoning_effort": "low"}


def test_what_a_service_calls_its_parts_is_bounded_and_quoted_unless_it_is_a_name() -> None:
    writer = writer_of(CHAT)
    for name in ("web.search_2", "a secret word", *(f"n{number}" for number in range(99))):
        writer.feed(Native(name, {}))
    assert writer.notes[:3] == [f"left out of the answer: {name}" for name in ("web.search_2", "'a secret word'", "n0")]
    assert len(writer.notes) == 30


@rows("result", [{"tool_call_id": "x"}, {"name": "other"}])
def test_a_result_without_its_call_is_refused(result: dict[str, Any]) -> None:
    calls = {"role": "assistant", "content": None, "tool_calls": [function("a", id="1")]}
    with pytest.raises(FaultError, match="expected a tool call"):
        asked(turn_of(calls, {"role": "tool", "content": "1", **result}))


def piece(number: int, text: str, *, id_: str = "") -> ToolCallDelta:
    return ToolCallDelta(number, id_ or f"c{number}", f"f{number}", text)


@rows(("given", "wanted"), [
    # One after the other.
    ([piece(0, "{"), piece(0, "}"), ToolCall("c0", "f0", "{}"), piece(1, "[]"), ToolCall("c1", "f1", "[]")],
     [("c0", 0, "{}"), ("c1", 1, "[]")]),
    # All whole calls at the end: the second waits.
    ([piece(0, "{"), piece(1, "["), piece(0, "}"), piece(1, "]"), ToolCall("c0", "f0", "{}"),
      ToolCall("c1", "f1", "[]")], [("c0", 0, "{}"), ("c1", 1, "[]")]),
    # The second is whole first.
    ([piece(0, "{"), ToolCall("c1", "f1", "[]"), "text", ToolCall("c0", "f0", "{}")],
     [("c0", 0, "{}"), ("c1", 1, "[]"), "text"]),
    # No arguments; no pieces at all.
    ([piece(0, ""), ToolCall("c0", "f0", "{}"), ToolCall("c1", "f1", "[]")], [("c0", 0, "{}"), ("c1", 1, "[]")]),
    # It never ends.
    ([piece(0, "{"), Usage(1), "text"], [("c0", 0, "{"), Usage(1), "text"]),
])  # fmt: skip
def test_calls_come_one_after_the_other(given: list[Any], wanted: list[Any]) -> None:
    calls, made = Calls(), list[Any]()
    for event in [*(out for one in given for out in calls.pieces(one)), *calls.rest()]:
        if isinstance(event, ToolCallDelta):
            if made and made[-1][:2] == (event.id, event.index):
                made[-1] = (event.id, event.index, made[-1][2] + event.arguments)
            else:
                made.append((event.id, event.index, event.arguments))
        else:
            made.append(event)
    assert made == wanted


@rows("wire", [CHAT, RESPONSES, ANTHROPIC])
def test_the_pieces_of_a_call_go_on_at_once(wire: Wire) -> None:
    writer = writer_of(wire)
    text = ""
    for event in ("Look: ", piece(0, '{"a":'), piece(0, " 1}"), piece(1, "{"), ToolCall("c0", "f0", '{"a": 1}')):
        data = writer.feed(event).decode()
        assert bool(data) or isinstance(event, ToolCall) or event == piece(1, "{")
        text += data
    text += writer.feed(Reasoning("Hm")).decode() + writer.feed(ToolCall("c1", "f1", "{}")).decode()
    writer.feed(Usage(3, 4))
    writer.feed(Finish("tool_calls"))
    text += writer.end().decode()
    assert writer.usage.total_tokens == 7
    assert text.count('\\"a\\":') + text.count(" 1}") >= 2
    for wanted in ('"f0"', '"f1"', "Hm"):
        assert wanted in text
    if wire is ANTHROPIC:
        kinds = [event["content_block"]["type"] for event in events(text) if event["type"] == "content_block_start"]
        assert kinds == ["text", "tool_use", "thinking", "tool_use"]
        # Nobody has signed this.
        assert "signature_delta" not in text


def test_a_call_that_is_never_complete_goes_out_as_far_as_it_came() -> None:
    writer = writer_of(CHAT)
    text = b"".join(map(writer.feed, (piece(0, '{"a'), "later", Finish("length")))) + writer.end()
    assert b'{\\"a' in text
    assert text.index(b'{\\"a') < text.index(b"later")


@rows("wire", [OLLAMA, GEMINI])
def test_whole_calls_go_to_the_wires_without_pieces(wire: Wire) -> None:
    writer = writer_of(wire)
    assert writer.feed(piece(0, '{"a": 1}')) == b""
    text = writer.feed(ToolCall("c0", "f0", '{"a": 1}')) + writer.end()
    assert b'{"a":1}' in text


@rows(("wire", "event", "carried"), [
    (CHAT, Media("image/png", b"x"), True), (CHAT, Media("image/png", url="https://x.test"), True),
    (CHAT, Media("audio/wav", b"x"), True), (CHAT, Media("audio/wav", url="https://x.test"), False),
    (RESPONSES, Media("image/png", b"x"), True), (RESPONSES, Media("image/png", url="https://x.test"), False),
    (RESPONSES, Media("audio/wav", b"x"), False), (GEMINI, Media("image/png", b"x"), True),
    (ANTHROPIC, Media("image/png", b"x"), False), (OLLAMA, Citation("x"), False), (CHAT, Citation("x"), True),
    (GEMINI, Citation("x"), True), (CHAT, ServerToolCall("1", "web_search", "{}"), False),
    (CHAT, Native("logprobs", []), False), (CHAT, Native("compaction", {}), False),
])  # fmt: skip
def test_what_a_wire_cannot_carry_is_noted(wire: Wire, event: Any, carried: bool) -> None:
    writer = writer_of(wire)
    text = writer.feed(event) + writer.feed(event) + writer.feed("Hello") + writer.end()
    assert b"Hello" in text
    assert len(writer.notes) == (not carried)


@rows(("wire", "event", "told"), [
    (ANTHROPIC, Media("image/png", b"x"), False), (OLLAMA, Native("custom_tool_call", {}), False),
    (CHAT, Media("image/png", b"x"), True),
    # They say something about a text alone.
    (CHAT, Native("logprobs", []), True),
])  # fmt: skip
def test_an_answer_of_which_nothing_can_be_carried_is_an_error(wire: Wire, event: Any, told: bool) -> None:
    for answer in (writer_of(wire), Whole(wire, described(wire, turn_of(), id_="1", now=0.0))):
        answer.feed(event)
        if told:
            assert answer.end()
        else:
            with pytest.raises(FaultError, match="holds nothing that this protocol can carry, but (Media|custom_tool)"):
                answer.end()


@rows(("wire", "finish", "wanted"), [
    (CHAT, None, "stop"), (CHAT, Finish("length"), "length"), (CHAT, Finish("other", "odd"), "stop"),
    (OLLAMA, Finish("content_filter"), None), (CHAT, Finish("pause", "pause_turn"), None),
    (GEMINI, Finish("error"), None),
    (ANTHROPIC, Finish("pause"), "pause"),
])  # fmt: skip
def test_the_finish_reason_is_one_that_the_wire_can_tell(wire: Wire, finish: Finish | None, wanted: str | None) -> None:
    whole = Whole(wire, described(wire, turn_of(), id_="1", now=0.0))
    assert whole.feed("Hello") == b""
    if finish:
        whole.feed(finish)
    if wanted is None:
        with pytest.raises(FaultError):
            whole.end()
    else:
        assert whole.reason() == wanted
        assert whole.end().status == 200


@rows("event", [None, "Hello", Reasoning("Hm"), ToolCall("c0", "f0", "{}"), Media("image/png", b"x")])
def test_an_empty_answer_with_an_unknown_finish_reason_is_none(event: Any) -> None:
    for answer in (writer_of(CHAT), Whole(CHAT, described(CHAT, turn_of(), id_="1", now=0.0))):
        for one in (event, Usage(3, 0), Finish("other", "OTHER")):
            if one:
                answer.feed(one)
        if event:
            assert answer.end()
            assert answer.notes == ["the finish reason OTHER is told as stop"]
        else:
            with pytest.raises(FaultError, match="the answer is empty, and its finish reason is 'OTHER'"):
                answer.end()


@rows(("wire", "arguments", "reason", "told"), [
    (ANTHROPIC, '{"a": ', "tool_calls", False), (ANTHROPIC, "[]", "stop", False),
    (ANTHROPIC, "[" * 100_000, "tool_calls", False), (ANTHROPIC, '{"a": ', "length", True),
    (ANTHROPIC, "", "tool_calls", True), (CHAT, '{"a": ', "tool_calls", True),
    (RESPONSES, '{"a": ', "tool_calls", True),
])  # fmt: skip
def test_a_call_that_is_to_be_an_object_and_is_none_is_an_error(
    wire: Wire, arguments: str, reason: Any, told: bool
) -> None:
    writer = writer_of(wire)
    for event in (piece(0, arguments), ToolCall("c0", "f0", arguments), Finish(reason)):
        writer.feed(event)
    if told:
        assert writer.end()
    else:
        with pytest.raises(Refusal, match="expected a JSON object"):
            writer.end()


def test_an_unknown_number_of_tokens_is_estimated() -> None:
    whole = Whole(OLLAMA, described(OLLAMA, turn_of(), id_="1", now=0.0), prompt_tokens=9)
    for event in ("four", Reasoning("four"), ToolCall("1", "f", '{"a":1}')):
        whole.feed(event)
    assert whole.usage[:4] == (9, 4, 0, 13)
    whole.feed(Usage(1, 2, 3, 4))
    assert whole.usage[:4] == (1, 2, 3, 4)


def test_the_lines_of_ollama_have_no_pause() -> None:
    writer = writer_of(OLLAMA)
    text = (writer.feed("Hel") + writer.feed("lo") + writer.end()).decode()
    assert "".join(line["message"]["content"] for line in lines(text)) == "Hello"
