"""The fast path for frames that repeat one before but for their text and what nobody reads: it gives the same items."""

import json
import random
import re
import time
import tracemalloc
from collections.abc import Mapping
from itertools import count, pairwise
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from g4flite import JsonLinesParser, providers
from g4flite._core.errors import ContentFilterError, G4fliteError, MalformedReplyError
from g4flite._core.events import Finish, Native, Reasoning, ToolCallDelta, TurnState, Usage
from g4flite._core.response import assembly, parsers, repeats
from g4flite._core.response.framing import Frames, Lines
from g4flite._core.response.parsers import FrameParser, Items
from g4flite._core.response.repeats import TEXT, Pattern, Repeats, Tell, fields, sampled, simple, skipping, strings
from tests.real_streams import STREAMS, texts
from tests.rows import rows
from tests.splits import cut

TEXTS = st.one_of(
    st.sampled_from(["hi", "text", "content", "a", ",", ":", "", "}", '"', '","', "\\", "\n", "\u2028", "é", "😀",
                     "\ud83d", "\ude00", "<think>", "</think>", "[DONE]", '"},"finish_reason":"stop', "0"]),
    st.text(max_size=5),
)  # fmt: skip


def chat(text: str, reason: object = None, key: str = "content", more: object = None) -> dict[str, Any]:
    return {"id": "a", "choices": [{"index": 0, "delta": {key: text}, "finish_reason": reason}], "more": more}


FRAMES = st.one_of(
    st.builds(chat, TEXTS),
    st.builds(chat, TEXTS, more=st.sampled_from(["a", "b", 1])),
    st.builds(chat, TEXTS, st.sampled_from(["stop", "length", "error"])),
    st.builds(chat, TEXTS, key=st.sampled_from(["reasoning", "refusal", "content"])),
)
NAMED = st.builds(
    lambda text, index, kind: {"type": "content_block_delta", "index": index, "delta": {"type": kind, "text": text}},
    TEXTS,
    st.integers(0, 1),
    st.sampled_from(["text_delta", "text_delta", "text_delta", "other"]),
)


def dumped(frame: object, ascii_only: bool) -> bytes:
    return json.dumps(frame, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")


def outcome(parser: Any, pieces: list[bytes], end: str) -> list[object]:
    """Return the items, an error at the end as its class and message, and whether the parser is done; `end` ends it."""
    out, ids = list[object](), count()
    # The ids of tool calls that have none are random.
    with patch.object(assembly, "urandom", lambda size: next(ids).to_bytes(size, "big")):
        try:
            for piece in pieces:
                for item in parser.feed(piece):
                    out.append(item)
            for item in getattr(parser, end)():
                out.append(item)
        except G4fliteError as error:
            out.append((type(error), str(error)))
    return [*out, parser.done]


def said(name: str, pieces: list[bytes], end: str = "close") -> list[object]:
    return outcome(providers.find(name).parser(4000), pieces, end)


def said_in_texts(name: str, pieces: list[bytes], end: str = "close") -> list[object]:
    """Return the items of a reply for a loop over texts alone."""
    parser: Any = providers.find(name).parser(4000)
    # As the exchange does, whatever the parser.
    getattr(parser, "for_texts_alone", int)()
    return outcome(parser, pieces, end)


def kept(items: list[object]) -> list[object]:
    """Return what a loop over texts gives out or keeps: reasoning joined, of pieces of a call in a row its index."""
    made = list[object]()
    for item in items:
        last = made[-1] if made else None
        if isinstance(item, Reasoning) and isinstance(last, Reasoning):
            made[-1] = Reasoning(last.text + item.text)
        elif isinstance(item, ToolCallDelta):
            made += [item.index] if last != item.index else []
        elif not (isinstance(item, Native) and item.name == "logprobs"):
            made.append(item)
    return made


def parsed_each(name: str, pieces: list[bytes], end: str = "close") -> list[object]:
    """Return the items of a reply if each frame is parsed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeats, "MOST_MISSES", 0)
        return said(name, pieces, end)


@given(st.lists(st.tuples(FRAMES, st.booleans()), max_size=12), st.data())
def test_events_give_the_same_items_with_and_without_the_fast_path(frames: list[Any], data: st.DataObject) -> None:
    events = [b"data: " + dumped(*frame) + b"\n\n" for frame in frames]
    whole = b"".join(events)
    place = data.draw(st.integers(0, len(whole)))
    for pieces in (events, [whole], [whole[:place], whole[place:]]):
        assert said("openai", pieces) == parsed_each("openai", pieces)


@given(st.lists(NAMED, max_size=12), st.data())
def test_events_with_names_give_the_same_items_with_and_without_the_fast_path(
    frames: list[Any], data: st.DataObject
) -> None:
    events = [
        b"event: " + str(frame["type"]).encode() + b"\ndata: " + dumped(frame, True) + b"\n\n" for frame in frames
    ]
    whole = b"".join(events)
    place = data.draw(st.integers(0, len(whole)))
    for pieces in (events, [whole[:place], whole[place:]]):
        assert said("anthropic", pieces) == parsed_each("anthropic", pieces)


@given(
    st.lists(st.tuples(TEXTS, st.sampled_from(["text", "text", "text", "done", "error"])), max_size=12),
    st.integers(1, 90),
)
def test_lines_give_the_same_items_with_and_without_the_fast_path(frames: list[Any], size: int) -> None:
    whole = b"".join(dumped({"event": event, "data": text}, True) + b"\n" for text, event in frames)
    for pieces in (whole.splitlines(keepends=True), [whole[at : at + size] for at in range(0, len(whole), size)]):
        assert said("flowgpt", pieces) == parsed_each("flowgpt", pieces)


# The inside of a JSON string, as bytes; and what ends the string early, or is no JSON.
INSIDES = [
    b"hi", b" word", b"text", b"content", b"x", b"1", b",", b"}", b"\\n", b'\\"', b"\\\\", b"\\u00e9", b"\\/", b"{",
    "é😀".encode(), "a\u2028b".encode(), b"\\ud83d", b"\\ude00", b"\\ud83d\\ude00", b"\xff", b'\\"},\\"x\\":{\\"',
    b"<think>", b"</think>", b"[DONE]",
]  # fmt: skip
# Pieces of the arguments of tool calls.
PIECES = [
    b'{\\"a\\":', b'\\"b', b" c", b"\\u00e9", b'\\"', b",", b'\\"d\\":', b"1", b"[", b"]", b"}", b"}", b'{\\"a\\":1}',
]  # fmt: skip
BROKEN = [
    b"", b"\x01", b"\t", b'"', b'","content":"', b'"},"finish_reason":"stop","x":{"y":"', b"\\q", b"\\u12", b"\\",
    b"\r", b"\n", b"\n\ndata: ",
]  # fmt: skip
NUMBERS = [b"1", b"2", b"30", b"31", b"0", b"7", b"1000"]
BROKEN_NUMBERS = [b"1.5", b"-1", b"1e9", b"01", b"null", b'"3"', b"9" * 30, b"1e999", b"9" * 5000, b"[1]", b"-", b"1,"]
# Bytes that are put into an event, in any place.
ODD = [
    b'"x":1,', b" ", b",", b'"', b"}", b"\\", b"\n", b"\r\n", b": note\n", b"data: ", b"0", b"null", b"\xef\xbb\xbf",
]  # fmt: skip
# In how many ways an event of a protocol is made below.
WAYS = 10
HEAD = b'{"id":"c","object":"chat.completion.chunk","created":%b,"model":"m","choices":[{"index":0,"delta":'
TAIL = b',"logprobs":%b,"finish_reason":null}],"usage":null,"obfuscation":"%b"}'
SURE = b'{"content":[{"token":"%b","logprob":-0.5,"bytes":[1, 2]}],"refusal":null}'
DELTA = b'{"type":"content_block_delta","index":%b,"delta":{"type":"%b","%b":"%b"}%b}'
PLACE = b'"item_id":"m","output_index":%b,"content_index":0'


def chat_event(text: bytes, number: bytes, more: bytes, way: int) -> bytes:
    """Return an event of a chat, its text in one of several places, or something else beside it."""
    odd = b'{"content":"%b","unknown":"u"}' if number > b"3" else b'{"content":"%b","content":"a"}'
    delta = [
        b'{"content":"%b"}', b'{"content":null,"reasoning_content":"%b"}', b'{"content":"%b"}',
        b'{"tool_calls":[{"index":0,"id":"i","function":{"name":"f","arguments":"%b"}}]}',
        b'{"tool_calls":[{"index":0,"function":{"arguments":"%b"}}]}',
        b'{"tool_calls":[{"index":0,"function":{"arguments":"%b"}}]}',
        b'{"tool_calls":[{"index":1,"function":{"arguments":"%b"}}]}',
        b'{"refusal":"%b"}', odd, b"{}%.0b",
    ][way] % text  # fmt: skip
    event = b"data: " + HEAD % number + delta + TAIL % (SURE % text if way == 2 else b"null", more) + b"\n\n"
    return event.replace(b'"finish_reason":null', b'"finish_reason":"stop"') if way == 9 else event


def block_event(text: bytes, number: bytes, more: bytes, way: int) -> bytes:
    blanks = b" " * (len(more) % 4)
    kinds = [(b"text_delta", b"text"), (b"thinking_delta", b"thinking"), (b"input_json_delta", b"partial_json")]
    kind, name = kinds[way % 3]
    data = DELTA % (b"0" if way < 8 else number, kind, name, text, blanks)
    if way == 8:
        data = b'{"type":"message_delta","delta":{"stop_reason":"end_turn"}}'
    if way == 7:
        data = b'{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f"}}'
    if way == 6:
        data = b'{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"%b"}}' % text
    return b"event: content_block_delta\ndata: " + data + b"\n\n"


def gemini_event(text: bytes, number: bytes, more: bytes, way: int) -> bytes:
    parts = [b'{"text": "%b"}', b'{"text": "%b","thought": true}', b'{"text": "%b","thoughtSignature": "s"}']
    usage = b'{"promptTokenCount": 9,"candidatesTokenCount": %b,"totalTokenCount": 9}' % number
    reason = b'"finishReason": "STOP",' if way == 6 else b""
    data = (
        b'{"candidates": [{"content": {"parts": [' + parts[max(way - 7, 0)] % text + b"]}," + reason + b'"index": 0}]'
    )
    return b"data: " + data + (b"" if way == 6 else b',"usageMetadata": ' + usage) + b"}\r\n\r\n"


def line_event(text: bytes, number: bytes, more: bytes, way: int) -> bytes:
    if way == 9:
        return b'{"response":%b,"message":{"content":"%b"}}\n' % (number, text)
    name = b"thinking" if way == 6 else b"content"
    known = b'{"model":"m","created_at":"%b","message":{"role":"assistant","%b":"%b"},"done":false}\n'
    return known % (more, name, text)


def response_event(text: bytes, number: bytes, more: bytes, way: int) -> bytes:
    kinds = [b"output_text.delta", b"reasoning_summary_text.delta", b"function_call_arguments.delta",
             b"reasoning_summary_part.added", b"output_text.done"]  # fmt: skip
    kind = kinds[max(way - 5, 0)]
    place = PLACE % (number if way == 3 else b"0")
    said = b'"text":"%b"' if kind.endswith(b"done") else b'"delta":"%b"'
    head = b'event: response.%b\ndata: {"type":"response.%b","sequence_number":%b,' % (kind, kind, number)
    return head + place + b"," + said % text + b',"logprobs":[],"obfuscation":"%b"}\n\n' % more


def cohere_event(text: bytes, number: bytes, more: bytes, way: int) -> bytes:
    kind, value = [
        (b"content-delta", b'{"content":{"text":"%b"}}'), (b"content-delta", b'{"content":{"thinking":"%b"}}'),
        (b"tool-plan-delta", b'{"tool_plan":"%b"}'),
        (b"tool-call-start", b'{"tool_calls":{"id":"t","function":{"name":"f","arguments":"%b"}}}'),
        (b"tool-call-delta", b'{"tool_calls":{"function":{"arguments":"%b"}}}'),
        (b"content-start", b'{"content":{"type":"text","text":"%b"}}'),
    ][max(way - 4, 0)]  # fmt: skip
    return b'data: {"type":"%b","index":0,"delta":{"message":' % kind + value % text + b"}}\n\n"


def plain_event(text: bytes, number: bytes, more: bytes, way: int) -> bytes:
    return b'{"event":"text","data":"%b"' % text + (b',"more":%b' % number if way == 9 else b"") + b"}\n"


def call_event(text: bytes, number: bytes, more: bytes, way: int) -> bytes:
    """Return an event of a chat with a piece of one of two tool calls."""
    place = b"1" if way == 9 else b"0"
    head = b'"id":"%b","function":{"name":"f",' % place if way in (0, 9) else b'"function":{'
    delta = b'{"tool_calls":[{"index":%b,%b"arguments":"%b"}}]}' % (place, head, text)
    delta = b'{"content":"%b"}' % text if way == 8 else delta
    return b"data: " + HEAD % number + delta + TAIL % (b"null", more) + b"\n\n"


# By provider: how its events are made, and of which texts.
EVENTS = {
    "openai": (chat_event, INSIDES), "azure-openai": (call_event, PIECES), "anthropic": (block_event, INSIDES),
    "gemini": (gemini_event, INSIDES), "ollama": (line_event, INSIDES), "openai-responses": (response_event, INSIDES),
    "cohere": (cohere_event, INSIDES), "flowgpt": (plain_event, INSIDES),
}  # fmt: skip


def call_pieces(*pieces: str) -> list[bytes]:
    """Return the events of a chat with one tool call, whose arguments come in these pieces."""
    form = b'{"tool_calls":[{"index":0,%b"arguments":%b}}]}'
    deltas = [form % (b'"id":"i","function":{"name":"f",', b'""')]
    deltas += [form % (b'"function":{', json.dumps(piece).encode()) for piece in pieces]
    ends = [TAIL % (b"null", b"pad%d" % at) + b"\n\n" for at in range(len(deltas))]
    return [b"data: " + HEAD % b"1" + delta + end for delta, end in zip(deltas, ends, strict=True)]


@rows(
    ("last", "problem"),
    [
        # More than the 4000 characters of the limit, in pieces that open nothing.
        (["x" * 900] * 5, "longer than max_frame"),
        # A second object, and more behind the last brace of the first.
        (['b"}{"a":'], "a second object follows"),
        (['b"}', '{"a":'], ""),
        # A surrogate pair in two pieces, and a lone surrogate.
        (["\ud83d", "\ude00", "é", "\ud83d", 'b"}'], ""),
        (["b[", "]{", "}", 'c"}'], ""),
        # Blanks behind the last brace.
        (['b"}', " ", " ", " "], ""),
    ],
)
def test_pieces_of_a_tool_call_give_the_same_items_with_and_without_the_fast_path(
    last: list[str], problem: str
) -> None:
    events = call_pieces('{"a": "', *["piece "] * 80, *last)
    # Of the pieces in one read, those behind the last that fits are told of one by one.
    for reads in (
        [b"".join(events)],
        [*events[:3], b"".join(events[3:40]), *events[40:]],
        [*events[:-3], b"".join(events[-3:])],
        events,
    ):
        items = said("openai", reads)
        assert items == parsed_each("openai", reads)
    assert sum(isinstance(item, ToolCallDelta) for item in items) > 80
    *_, last_item, done = items
    assert not done
    assert problem in str(last_item)
    assert isinstance(last_item, ToolCallDelta) != bool(problem)


def test_many_pieces_of_a_tool_call_in_one_read_give_the_same_items(monkeypatch: pytest.MonkeyPatch) -> None:
    reply = STREAMS["tool"]
    reads = [reply.begin, b"".join(reply.events[:9]), b"".join(reply.events[9:70]), reply.end]
    items = outcome(providers.find("openai").parser(10**6), reads, "close")
    assert sum(isinstance(item, ToolCallDelta) for item in items) > 70
    monkeypatch.setattr(repeats, "MOST_MISSES", 0)
    assert items == outcome(providers.find("openai").parser(10**6), reads, "close")


def test_the_last_counts_of_many_events_in_one_read_are_kept() -> None:
    events = [gemini_event(b"word", b"%d" % number, b"", 0) for number in range(1, 30)]
    reads = [*events[:10], b"".join(events[10:]), gemini_event(b"", b"0", b"", 6)]
    items = said("gemini", reads)
    assert items == parsed_each("gemini", reads)
    assert [item.completion_tokens for item in items if isinstance(item, Usage)] == [29]


def test_all_details_of_the_reasoning_are_kept() -> None:
    texts = ["Oslo", " is", " in", " Norway"]
    deltas = [{"reasoning_details": [{"type": "reasoning.text", "text": text}]} for text in texts]
    events = [b"data: %b\n\n" % json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() for delta in deltas]
    events.append(b'data: {"choices":[{"index":0,"delta":{"content":"Oslo"},"finish_reason":"stop"}]}\n\n')
    for reads in events, [b"".join(events)]:
        items = said("openai", reads)
        assert items == parsed_each("openai", reads)
        states = [item.value for item in items if isinstance(item, TurnState)]
        assert states == [{"reasoning_details": [{"type": "reasoning.text", "text": "Oslo is in Norway"}]}]


def named(kind: str, **more: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), dumped({"type": kind, **more}, True))


def begun(text: str, kind: str = "text") -> bytes:
    return named("content_block_start", index=0, content_block={"type": kind, kind: text})


def cohere_begun(text: str) -> bytes:
    return named("content-start", index=0, delta={"message": {"content": {"type": "text", "text": text}}})


def counted(text: str, count: int) -> bytes:
    usage = {"promptTokenCount": 9, "candidatesTokenCount": count}
    return b"data: %b\n\n" % dumped(
        {"candidates": [{"content": {"parts": [{"text": text}]}}], "usageMetadata": usage}, True
    )


def sourced(text: str, source: str) -> bytes:
    return b"data: %b\n\n" % dumped({**chat(text), "citations": [source]}, True)


@rows(
    ("name", "events"),
    [
        # The beginning of a block also ends the block before.
        ("anthropic", [*map(begun, "abcd")]),
        ("anthropic", [begun(text, "thinking") for text in "abcd"]),
        ("cohere", [*map(cohere_begun, "abcd")]),
        # An event without a text has other counts or sources, which the next one replaces.
        ("gemini", [*(counted(text, len(text) + 1) for text in ("a", "b", "", "c")), gemini_event(b"", b"4", b"", 6)]),
        ("gemini", [counted("a", 1), counted("b", 2), counted("", 9), counted("c", 3)]),
        ("perplexity", [*map(sourced, ("a", "b", "", "c"), "xxyx"), b"data: [DONE]\n\n"]),
        # The reply has ended.
        ("ollama", [dumped({"message": {"content": text}, "done": text == "c"}, True) + b"\n" for text in "abcde"]),
        # An empty object ends the frame.
        ("openai", [b'data: {"choices": [{"delta": {"content": "%b"}}], "more": {}}\n\n' % text for text in INSIDES]),
        # A ping changes nothing.
        ("anthropic", [*[block_event(b"a", b"0", b"", 0)] * 3, named("ping"), block_event(b"b", b"0", b"", 0)]),
    ],
)  # fmt: skip
def test_an_event_that_changes_what_the_next_one_says_gives_the_same_items(name: str, events: list[bytes]) -> None:
    for reads in events, [b"".join(events)]:
        for end in "close", "cut_off":
            assert said(name, reads, end) == parsed_each(name, reads, end)


def test_nothing_is_learnt_anew_behind_a_ping_or_an_event_of_another_form(monkeypatch: pytest.MonkeyPatch) -> None:
    learnt: list[bytes] = []
    monkeypatch.setattr(
        repeats, "simple", lambda head, frame, text, end: (learnt.append(frame), simple(head, frame, text, end))[1]
    )
    word, thought = (block_event(b"word", b"0", b"", way) for way in (0, 1))
    pieces = [word, word, named("ping"), word, thought, word, thought, word]
    assert len(said("anthropic", pieces)) == len(parsed_each("anthropic", pieces)) == 8
    assert len(learnt) == 2


@rows("name", ["azure", "tool"])
def test_an_event_with_another_byte_gives_the_same_items_as_if_it_was_parsed(name: str) -> None:
    reply = STREAMS[name]
    first, last = reply.events[:4], reply.events[4]
    for place in range(0, len(last), 9):
        changed = last[:place] + b"#" + last[place + 1 :]
        reads = [reply.begin, *first, changed]
        assert said(reply.provider, reads) == parsed_each(reply.provider, reads)


def test_the_elements_of_an_array_are_all_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    element = b'{"candidates": [{"content": {"parts": [{"text": "word"}]}}], "modelVersion": "m", "responseId": "r"}'
    seen, parser = parsed(monkeypatch), providers.find("gemini").parser(1000)
    texts = [item for piece in (b"[", *[element + b","] * 4) for item in parser.feed(piece) if isinstance(item, str)]
    assert texts == ["word"] * 4
    assert len(seen) == 4


def test_an_event_that_breaks_off_is_read_at_the_end_though_it_began_like_one_that_is_known() -> None:
    event = dumped(chat("word"), True)
    events = [b"data: " + event + b"\n\n"] * 3
    # The last event lacks its blank line.
    assert said("openai", [*events, b"data: " + event])[1:5] == ["word"] * 4
    half = [*events, b"data: " + event[:-20]]
    assert said("openai", half) == parsed_each("openai", half)


def test_logprobs_stand_beside_each_text_unless_the_loop_gets_texts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    reply = STREAMS["logprobs"]
    for events in (True, False):
        with monkeypatch.context() as patched:
            parser: Any = providers.find("openai").parser(10_000)
            list(parser.feed(reply.begin))
            list(parser.feed(reply.events[0]))
            if not events:
                parser.for_texts_alone()
            list(parser.feed(reply.events[1]))
            seen = parsed(patched)
            items = [item for event in reply.events[2:5] for item in parser.feed(event)]
        texts = [item for item in items if isinstance(item, str)]
        natives = [item for item in items if isinstance(item, Native)]
        assert texts == [" falls", " on", " Oslo"]
        assert [item.value["content"][0]["token"] for item in natives] == (texts if events else [])
        # The value of the logprobs is parsed, and nothing else.
        assert all(text.startswith('{"content"') for text in seen)
        assert len(seen) == len(natives)


def bodies(name: str, dice: random.Random) -> list[bytes]:
    """Return the events of a body: runs of one of few ways, whose values differ, now and then with something odd."""

    def odd() -> bool:
        return dice.random() < 0.02

    (event_of, texts), made = EVENTS[name], list[bytes]()
    for way in dice.choices(dice.sample(range(WAYS), k=3), k=dice.randint(1, 8)):
        for _ in range(dice.randint(1, 9)):
            text, more = (dice.choice(BROKEN if odd() else some) for some in (texts, INSIDES))
            event = event_of(text, dice.choice(BROKEN_NUMBERS if odd() else NUMBERS), more, way)
            if odd():
                at = dice.randint(0, len(event))
                event = event[:at] + dice.choice(ODD) + event[at + dice.randint(0, 3) :]
            made.append(event)
    return made


def check_body(name: str, seed: int) -> None:
    """Assert that a body gives the same items with and without the fast path, in reads of several kinds."""
    dice = random.Random(seed)
    events = bodies(name, dice)
    whole = b"".join(events)
    cuts = sorted(dice.randint(0, len(whole)) for _ in range(4))
    pieces = [whole[start:end] for start, end in pairwise([0, *cuts, len(whole)])]
    end = "close" if name == "flowgpt" or dice.random() < 0.5 else "cut_off"
    for reads in (events, pieces, cut(whole, 100), [whole]):
        each = parsed_each(name, reads, end)
        assert said(name, reads, end) == each
        assert kept(said_in_texts(name, reads, end)) == kept(each)


@pytest.mark.parametrize("name", EVENTS)
@pytest.mark.parametrize("seeds", [40, pytest.param(2000, marks=pytest.mark.long)])
def test_adversarial_bodies_give_the_same_items_with_and_without_the_fast_path(name: str, seeds: int) -> None:
    for seed in range(seeds):
        check_body(name, seed)


# What might make several pieces look like as many strings, or one piece like several.
JOINTS = [b'"', b",", b'",\n"', b'","', b"[", b"\\u007f", b"1", b"{}", b"\n", b"\x7f", b'"]', b'"\x7f"', b"\xc3"]


@given(st.lists(st.lists(st.sampled_from(INSIDES + BROKEN + JOINTS), max_size=4).map(b"".join), min_size=1, max_size=5))
@settings(max_examples=200)
def test_strings_are_scanned_at_once_only_if_each_piece_is_one(raws: list[bytes]) -> None:
    singles = [parsers.unescaped(raw) if re.fullmatch(TEXT, raw) else "" for raw in raws]
    odd = any("\ud800" <= char <= "\udfff" or char == "\x7f" for char in "".join(singles))
    valid = all(single or not raw for single, raw in zip(singles, raws, strict=True))
    assert strings(raws) == (singles if valid and not odd else None)


@rows(
    "raws",
    [
        # Strings that end behind a comma, so that their number is right.
        [b"a\\", b',"b'],
        [b"a\\", b',"b","c'],
        [b'a",', b"b\\", b"c"],
        # Lists and numbers, a string too many and one too few, an end too early.
        [b'a",["b', b'c"],"d'],
        [b'a",1,"b'],
        [b'a","b'],
        [b'a"]', b"b"],
        [b'a"] ', b'"'],
        [b'a",' + b"[" * 100_000],
        [],
    ],
)
def test_pieces_that_are_no_strings_are_not_scanned(raws: list[bytes]) -> None:
    assert strings(raws) is None


def burst_sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets the number of events of each burst from now on."""
    sizes, texts_of = list[int](), Pattern.texts_of

    def counted(self: Pattern, *places: Any) -> Any:
        found = texts_of(self, *places)
        sizes.append(0 if found is None else len(found[0]))
        return found

    monkeypatch.setattr(Pattern, "texts_of", counted)
    return sizes


def test_a_burst_is_matched_up_to_an_event_of_another_form(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = burst_sizes(monkeypatch)
    parser = providers.find("openai").parser(1000_000)
    text, other = b"data: " + dumped(chat("hi"), True) + b"\n\n", b"data: " + dumped(chat("ho", more=1), True) + b"\n\n"
    assert [*parser.feed(text * 65)][1:] == ["hi"] * 65
    # Of the first frame, which also holds the `Start`, nothing is learnt.
    assert sizes == [63]
    sizes.clear()
    assert list(parser.feed(text * 40 + other + text * 23)) == [*["hi"] * 40, "ho", *["hi"] * 23]
    assert sum(sizes) == 40
    # Every second event is of another form: no time is lost on bursts.
    sizes.clear()
    assert list(parser.feed((text + other) * 32)) == ["hi", "ho"] * 32
    assert len(sizes) < 10


def test_a_burst_ends_at_an_event_of_another_name_and_begins_again_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    reply = STREAMS["anthropic"]
    parser = providers.find("anthropic").parser(1000_000)
    for piece in (reply.begin, *reply.events[:10]):
        list(parser.feed(piece))
    seen, sizes = parsed(monkeypatch), burst_sizes(monkeypatch)
    ping = b'event: ping\ndata: {"type":"ping"}\n\n'
    assert [*parser.feed(b"".join([*reply.events[10:50], ping, *reply.events[50:90]]))] == [*texts()][10:90]
    assert seen == ['{"type":"ping"}']
    assert [size for size in sizes if size] == [40, 40]


def test_the_expression_of_a_burst_is_compiled_at_the_first_burst(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bytes] = []

    def skipped(constant: bytes, *group: bytes) -> bytes:
        # With a group, it is the expression of an event alone.
        made.extend([constant] * (not group))
        return skipping(constant, *group)

    monkeypatch.setattr(repeats, "skipping", skipped)
    parser = providers.find("openai").parser(10_000)
    for text in "one", "two", "three":
        assert [*parser.feed(frame_of("openai", text))][-1] == text
    assert not made
    # Where the text alone differs, no expression is needed.
    for _ in range(3):
        assert [*parser.feed(frame_of("openai", "more") * 9)] == ["more"] * 9
    assert not made
    reply = STREAMS["obfuscated"]
    parser = providers.find("openai").parser(1000_000)
    assert [*parser.feed(reply.begin + b"".join(reply.events[:30]))][1:] == [*texts()][:30]
    assert not made
    assert [*parser.feed(b"".join(reply.events[30:60]))] == [*texts()][30:60]
    assert len(made) == 3


# Frames from which a pattern is learnt, with a text, something unread, a kept number and blanks; events of the same
# lengths and of others.
VARIED = b'{"at": "%b", "a": "%b", "choices": {"id": %b}, "usage": {"n": %b}%b}\n'


@given(
    st.lists(
        st.tuples(
            st.sampled_from(INSIDES),
            st.sampled_from(INSIDES + BROKEN),
            st.sampled_from(NUMBERS + BROKEN_NUMBERS[:5]),
            st.sampled_from([b"1", b"9", b"1000"]),
            st.sampled_from([b"", b" ", b"   "]),
        ),
        max_size=8,
    ),
    st.lists(st.tuples(st.integers(0, 700), st.sampled_from(list(b'x"\\\n,1{}: '))), max_size=2),
    st.integers(0, 80),
)
@settings(max_examples=300)
def test_a_burst_holds_what_its_events_hold_one_by_one(
    values: list[Any], changes: list[tuple[int, int]], missing: int
) -> None:
    known = learnt(VARIED[:-1] % (b"1", b"x", b"1", b"1", b""), VARIED[:-1] % (b"2", b"x", b"22", b"2", b" "))
    assert known is not None
    data = bytearray(b"".join(VARIED % value for value in values))
    # Bytes that change leave all lengths as they are; the last event may be cut off.
    for place, byte in changes:
        if place < len(data):
            data[place] = byte
    whole = bytes(data[: len(data) - missing])
    expected, ends, place = list[str](), [(0, b"")], 0
    while (found := known.found(whole, place, stop := whole.find(b"\n", place) + 1)) is not None:
        expected.append(parsers.unescaped(found[known.text]))
        ends.append((stop, found[known.kept]))
        place = stop
    burst = known.texts_of(whole, 0, len(whole)) if whole else None
    if burst is not None:
        texts, *end = burst
        assert texts == expected[: len(texts)]
        assert tuple(end) == ends[len(texts)]
        # It may end before a text with escaped quotes or backslashes.
        assert len(texts) == len(expected) or "\\" in expected[len(texts)] or '"' in expected[len(texts)]
    # None if an event has another byte between its slots, or if its text is no string or has a lone surrogate.
    else:
        lone = any("\ud800" <= char <= "\udfff" for char in "".join(expected))
        assert lone or changes or not whole or not all(re.fullmatch(TEXT, value[1]) for value in values)


def test_a_burst_ends_at_a_text_that_is_empty() -> None:
    for first, second in ((b'{"a": "x"}', b'{"a": "x"}'), (b'{"a": "x", "at": 1}', b'{"a": "x", "at": 2}')):
        known = learnt(first, second)
        assert known is not None
        event, empty = second + b"\n", second.replace(b"x", b"") + b"\n"
        for number in 0, 1, 40:
            data = event * number + empty + event * 9
            assert known.texts_of(data, 0, len(data)) == (["x"] * number, len(event) * number, b"")


# A short event whose text alone differs, and other events.
SHORT = b'{"a": "%b"}\n'
SHORTS = [SHORT % text for text in INSIDES + BROKEN] + [b'{"b": 1}\n', b"\n", b'{"a": 1}\n', b'{"a": "x"} \n']


@given(st.lists(st.sampled_from(SHORTS), max_size=8), st.integers(0, 12))
@settings(max_examples=300)
def test_a_burst_of_short_events_holds_what_they_hold_one_by_one(events: list[bytes], missing: int) -> None:
    known = learnt(b'{"a": "x"}')
    assert known is not None
    whole = b"".join(events)
    whole = whole[: len(whole) - missing]
    expected, place = list[str](), 0
    while (found := known.found(whole, place, stop := whole.find(b"\n", place) + 1)) is not None:
        expected.append(parsers.unescaped(found[known.text]))
        place = stop
    burst = known.texts_of(whole, 0, len(whole))
    if burst is not None:
        assert burst == (expected, place, b"")
    # None only if the strings cannot be scanned at once.
    else:
        assert any("\ud800" <= char <= "\udfff" for char in "".join(expected)) or place < len(whole)


ODD_EVENTS = [
    # A string that does not end where it should; many escapes; numbers and lists that go on; blanks.
    VARIED % (b"x" * 2**14, b"y" * 2**14, b"1", b"1", b"~"),
    VARIED % (b"\\n" * 900, b"\\n" * 900, b"1", b"1", b"~"),
    VARIED % (b"\\n" * 2**13, b"\\n" * 2**13, b"1", b"1", b"~"),
    VARIED % (b'\\"' * 900, b'x\\"' * 900, b"1", b"1", b"~"),
    VARIED % (b"1", b"x", b"1", b"1", b" " * 2**15 + b"~"),
    VARIED % (b"1", b"x", b"1" * 2**14, b"1" * 2**14, b"~"),
    VARIED % (b"1", b"x", b"[" + b"1, " * 2**13 + b"1]", b"1", b"~"),
    VARIED % (b"1", b'"' * 2**14, b"1", b"1", b""),
    b'{"at": "' * 2**12,
]


@rows(
    ("one", "two", "odd"),
    [
        *(
            (VARIED % (b"1", b"x", b"[1]", b"1", b""), VARIED % (b"2", b"x", b"[22]", b"2", b" "), odd)
            for odd in ODD_EVENTS
        ),
        # A text that might give some of its blanks to the slot behind it.
        (b'{"a": "x"}\n', b'{"a": "x" }\n', b'{"a": "%b"~}\n' % (b" " * 2**15)),
    ],
)  # fmt: skip
def test_the_end_of_a_burst_is_found_in_linear_time(one: bytes, two: bytes, odd: bytes) -> None:
    known = learnt(one[:-1], two[:-1])
    assert known is not None
    data = one * 100 + odd + one * 100

    def taken() -> float:
        began = time.thread_time()
        texts, stop, _ = known.texts_of(data, 0, len(data)) or ([], 0, b"")
        assert (texts, stop) == (["x"] * 100, len(one) * 100)
        return time.thread_time() - began

    # Seconds: a quadratic search takes half a second.
    assert min(taken() for _ in range(3)) < 0.1


WIRES = {
    "openai": (chat("{}"), b"data: %b\n\n"),
    "anthropic": (
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "{}"}},
        b"event: content_block_delta\ndata: %b\n\n",
    ),
    "cohere": ({"type": "content-delta", "delta": {"message": {"content": {"text": "{}"}}}}, b"data: %b\n\n"),
    "flowgpt": ({"event": "text", "data": "{}"}, b"%b\n"),
    "ollama": ({"model": "m", "message": {"role": "assistant", "content": "{}"}, "done": False}, b"%b\n"),
}


def frame_of(name: str, text: str, ascii_only: bool = True) -> bytes:
    frame, wire = WIRES[name]
    return wire % dumped(frame, True).replace(b"{}", dumped(text, ascii_only)[1:-1])


@pytest.mark.parametrize("name", WIRES)
@given(st.lists(st.tuples(TEXTS, st.booleans()), max_size=12), st.data())
def test_many_frames_in_one_read_give_the_same_items_with_and_without_the_fast_path(
    name: str, texts: list[Any], data: st.DataObject
) -> None:
    frames = [frame_of(name, *text) for text in [("a", True), *texts]]
    whole = b"".join(frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=3)))
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert said(name, pieces) == parsed_each(name, pieces)


def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that gets each frame that is parsed from now on."""
    seen: list[str] = []
    scan = parsers.scan
    monkeypatch.setattr(parsers, "scan", lambda text, at: (seen.append(text), scan(text, at))[1])
    return seen


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("name", WIRES)
def test_only_the_first_frames_are_parsed(monkeypatch: pytest.MonkeyPatch, name: str, alone: bool) -> None:
    seen, parser = parsed(monkeypatch), providers.find(name).parser(10_000)
    texts = ["one", "two", "three", *(f'{n} é " \\ \n' for n in range(50))]
    pieces = [frame_of(name, text) for text in texts]
    out = [item for piece in (pieces if alone else [b"".join(pieces)]) for item in parser.feed(piece)]
    assert [item for item in out if isinstance(item, str)] == texts
    assert len(seen) <= 3


@rows("name", WIRES)
def test_a_surrogate_pair_that_is_split_between_frames_is_joined_in_the_fast_path(name: str) -> None:
    parser = providers.find(name).parser(10_000)
    list(parser.feed(frame_of(name, "a") * 2))
    many = b"".join(frame_of(name, text) for text in ("b\ud83d", "\ude00", "c\ud83d"))
    assert list(parser.feed(many)) == ["b", "\U0001f600", "c"]
    assert list(parser.feed(frame_of(name, "\ude00") + frame_of(name, "d"))) == ["\U0001f600", "d"]


def test_a_frame_of_two_json_values_is_malformed() -> None:
    parser = providers.find("flowgpt").parser(1000)
    with pytest.raises(MalformedReplyError, match="is not JSON"):
        list(parser.feed(b'{"event": "text", "data": "a"} {"event": "text", "data": "b"}\n'))


def test_every_frame_is_parsed_if_the_function_changes_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, parser = parsed(monkeypatch), JsonLinesParser(lambda frame: frame["t"].removesuffix("$"), 100)
    assert [*parser.feed(b'{"t": "a"}\n'), *parser.feed(b'{"t": "b$"}\n')] == ["a", "b"]
    assert len(seen) == 2


def test_frames_that_all_differ_are_compared_only_a_limited_number_of_times(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []
    monkeypatch.setattr(
        repeats, "simple", lambda head, frame, text, end: (compared.append(frame), simple(head, frame, text, end))[1]
    )
    parser = providers.find("flowgpt").parser(1000)
    for at in range(100):
        assert list(parser.feed(b'{"event": "text", "data": "a", "at": %d}\n' % at)) == ["a"]
    assert 0 < len(compared) <= repeats.MOST_MISSES


def test_a_frame_after_the_end_marker_is_not_read_even_if_only_its_text_differs() -> None:
    parser = JsonLinesParser(lambda f: f["t"], 100, ends=lambda f: f["t"] == "end", verbatim=True)
    assert list(parser.feed(b'{"t": "end"}\n{"t": "more"}\n')) == ["end"]
    assert parser.done


def test_half_a_surrogate_pair_comes_out_at_the_end_marker() -> None:
    parser = JsonLinesParser(lambda f: f["t"], 100, ends=lambda f: f["t"] != "a")
    assert list(parser.feed(b'{"t": "a"}\n{"t": "b\\ud83d"}\n')) == ["a", "b", "\ufffd"]
    assert list(parser.feed(b'{"t": "more"}\n{"t": ')) == list(parser.close()) == []


def test_bytes_after_the_end_marker_do_not_count_towards_the_limit() -> None:
    reply = b'data: {"choices": [{"delta": {"content": "a"}}]}\n\ndata: [DONE]\n\n:' + b" " * 100
    parser = providers.find("openai").parser(60)
    assert list(parser.feed(reply)) == ["a", Finish("other")]


def test_every_frame_with_a_refusal_beside_its_text_is_parsed() -> None:
    frame = b'data: {"choices": [{"delta": {"content": "a", "refusal": "no "}}]}\n\n'
    parser, out = providers.find("openai").parser(1000), list[object]()
    with pytest.raises(ContentFilterError) as caught:
        out += [item for _ in range(4) for item in parser.feed(frame)]
        out += parser.feed(frame.replace(b"}}", b'}, "finish_reason": "stop"}') + b"data: [DONE]\n\n")
    assert out == [*["a"] * 5, Finish("stop", "stop")]
    assert caught.value.body == "no no no no no "


def test_many_short_lines_after_a_long_line_take_little_memory() -> None:
    parser = providers.find("flowgpt").parser(2**20)
    blank = b'{"event": "text", "more": "%b", "data": "a"}\n' % (b" " * 2**18)
    assert list(parser.feed(blank)) == ["a"]
    tracemalloc.start()
    assert list(parser.feed(blank + b"\n" * 2**10)) == ["a"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**23


BLANKS = b" " * 2**16


@rows(
    "frame",
    [
        BLANKS + b'{"t": "%b"}' + BLANKS,
        b'{"t": "%b", "a": ' + BLANKS + b"NaN" + BLANKS + b"}",
        b'{"t": "%b", "a": [' + BLANKS + b"1" + BLANKS + b"]}",
    ],
)
def test_a_frame_among_blanks_is_learnt_in_linear_time(frame: bytes) -> None:
    def taken() -> float:
        parser = JsonLinesParser(lambda frame: frame["t"], 2**24, verbatim=True)
        began = time.thread_time()
        for text in b"a", b"b\\n", b"c":
            assert len(list(parser.feed(frame % text + b"\n"))) == 1
        return time.thread_time() - began

    # Seconds: a quadratic search takes half a second.
    assert min(taken() for _ in range(3)) < 0.1


def test_a_frame_above_the_limit_is_refused_even_if_only_its_text_differs() -> None:
    parser = providers.find("flowgpt").parser(100)
    for _ in range(3):
        assert list(parser.feed(b'{"event": "text", "data": "a"}\n')) == ["a"]
    with pytest.raises(G4fliteError, match="longer than max_frame, 100 bytes"):
        list(parser.feed(b'{"event": "text", "data": "%b"}\n' % (b"a" * 100)))


ROLES = fields(unread=("at", "choices.id"), beside="logprobs", kept="usage")


@rows(
    ("piece", "text", "is_simple", "is_sample"),
    [
        (b'{"a": "x"}', "x", True, True),
        # The text stands at two places.
        (b'{"a": "x", "b": "x"}', "x", False, False),
        # One of them is not read, or comes out beside the text.
        (b'{"a": "x", "at": "x"}', "x", False, True),
        (b'{"a": "x", "logprobs": [{"token": "x"}]}', "x", False, True),
        # A field has the name, and no other has the text.
        (b'{"x": "y", "a": "x"}', "x", False, False),
        (b'{"x": "y"}', "x", True, False),
        # The text also stands between two strings.
        (b'{"a":"b",",":1}', ",", False, False),
        (b'{"a":"b","c":","}', ",", False, True),
        # The text is escaped.
        (b'{"a": "\\u0078"}', "x", False, True),
        # Another string is escaped.
        (b'{"a": "y\\n", "b": "x"}', "x", False, True),
        # The text is not UTF-8.
        (b'{"a": "\xff"}', "\ufffd", False, True),
        # The text is not UTF-8, and another string equals its replacement.
        ('{"m": "\ufffd", "a": "'.encode() + b'\xff"}', "\ufffd", False, False),
        (b'{"a": 1}', "x", False, False),
        # There is something else than tokens of JSON.
        (b'{"a": "x", "b": NaN}', "x", True, False),
    ],
)
def test_a_frame_is_learnt_only_if_the_place_of_the_text_is_certain(
    piece: bytes, text: str, is_simple: bool, is_sample: bool
) -> None:
    assert (simple(b"", piece, text, b"\n") is not None) == is_simple
    assert (sampled(piece, text, ROLES) is not None) == is_sample


def learnt(*frames: bytes, text: str = "x") -> Pattern | None:
    """Return what is learnt from these lines, each of which holds the text."""
    known = Repeats(Lines(1000).forms, ROLES)
    *_, last = [known.learn(frame + b"\n", "", frame, text) for frame in frames]
    return last


def fits(known: Pattern, line: bytes) -> bool:
    return known.found(line + b"\n", 0, len(line) + 1) is not None


def test_a_frame_matches_only_if_all_bytes_around_its_text_are_equal() -> None:
    known = learnt(b'{"a": "x"}')
    assert known is not None
    for same in b'{"a": "long \\"text\\""}', b'{"a": "\\ud83d"}', b'{"a": "\xff"}', '{"a": "ü"}'.encode():
        assert fits(known, same)
    for other in (
        b'{"a": "x"} ',
        b'{"b": "x"}',
        b'{"a": "x", "b": "y"}',
        b'{"a": "}',
        b'{"a": ""}',
        b'{"a": "x\n"}',
        b'{"a": "x\r"}',
        b'{"a": "x\\"}',
        b'{"a": "x\\q"}',
        b'{"a": "x\\u12"}',
        # More escapes than a slot takes.
        b'{"a": "' + b"\\n" * 1000 + b'"}',
    ):
        assert not fits(known, other)


@rows(
    ("one", "two", "fit", "unfit"),
    [
        # A string, a number and a list of numbers that nobody reads.
        (b'{"at": "1", "a": "x"}', b'{"at": "2", "a": "x"}', b'{"at": "", "a": "y"}', b'{"at": 1, "a": "y"}'),
        (b'{"at": "1", "a": "x"}', b'{"at": "2", "a": "x"}', b'{"at": "\\n", "a": "y"}', b'{"at": "\\q", "a": "y"}'),
        (b'{"at": 1, "a": "x"}', b'{"at": 2, "a": "x"}', b'{"at": -1.5e-3, "a": "y"}', b'{"at": 01, "a": "y"}'),
        (b'{"at": 1, "a": "x"}', b'{"at": 2, "a": "x"}', b'{"at": 0, "a": "y"}', b'{"at": null, "a": "y"}'),
        (b'{"at": 1, "a": "x"}', b'{"at": 2, "a": "x"}', b'{"at": 123, "a": "y"}', b'{"at": 1, "a": "y", "at": 2}'),
        (b'{"at": [1], "a": "x"}', b'{"at": [2,3], "a": "x"}', b'{"at": [0, 10], "a": "y"}', b'{"at": [,], "a": "y"}'),
        (b'{"at": [1], "a": "x"}', b'{"at": [2,3], "a": "x"}', b'{"at": [7], "a": "y"}', b'{"at": [], "a": "y"}'),
        # It may stand anywhere in such a field.
        (b'{"at": {"b": [{"c": 1}]}, "a": "x"}', b'{"at": {"b": [{"c": 2}]}, "a": "x"}',
         b'{"at": {"b": [{"c": 3}]}, "a": "y"}', b'{"at": {"b": [{"d": 3}]}, "a": "y"}'),
        (b'{"choices": [{"id": 1, "t": "x"}]}', b'{"choices": [{"id": 2, "t": "x"}]}',
         b'{"choices": [{"id": 3, "t": "y"}]}', b'{"choices": [{"id": 3, "t": 4}]}'),
        # The numbers of a kept field stay positive.
        (b'{"a": "x", "usage": {"n": 1}}', b'{"a": "x", "usage": {"n": 2}}', b'{"a": "y", "usage": {"n": 300}}',
         b'{"a": "y", "usage": {"n": 0}}'),
        (b'{"a": "x", "usage": {"n": 1}}', b'{"a": "x", "usage": {"n": 2}}', b'{"a": "y", "usage": {"n": 4}}',
         b'{"a": "y", "usage": {"n": 1.5}}'),
        # Blanks before a token.
        (b'{"a": "x"}', b'{"a": "x"  }', b'{"a": "y"       }', b'{"a": "y" , "b": 1}'),
        (b'{"a": "x"}', b'{"a": "x"}  ', b'{"a": "y"}', b'{"a": "y"}}'),
    ],
)  # fmt: skip
def test_values_that_differ_become_slots_if_nobody_reads_them(one: bytes, two: bytes, fit: bytes, unfit: bytes) -> None:
    known = learnt(one, two)
    assert known is not None
    assert fits(known, one)
    assert fits(known, two)
    assert fits(known, fit)
    assert not fits(known, unfit)
    # Before anything differs, nothing but the text is a slot.
    first = learnt(one)
    assert first is not None
    assert not fits(first, two)


@rows(
    ("one", "two"),
    [
        # A field that may be read; the name of a field; a value of another type; more fields; the text elsewhere.
        (b'{"b": 1, "a": "x"}', b'{"b": 2, "a": "x"}'),
        (b'{"at": {"b": 1}, "a": "x"}', b'{"at": {"c": 1}, "a": "x"}'),
        (b'{"at": null, "a": "x"}', b'{"at": 1, "a": "x"}'),
        (b'{"at": true, "a": "x"}', b'{"at": false, "a": "x"}'),
        (b'{"at": 1, "a": "x"}', b'{"at": 1, "a": "x", "b": 2}'),
        (b'{"at": 1, "a": "x", "b": "y"}', b'{"at": 2, "a": "y", "b": "x"}'),
        # Counts that are not positive.
        (b'{"a": "x", "usage": {"n": 0}}', b'{"a": "x", "usage": {"n": 2}}'),
        # The kept field stands there twice.
        (b'{"usage": 1, "a": "x", "usage": 2}', b'{"usage": 1, "a": "x", "usage": 3}'),
    ],
)
def test_other_values_that_differ_do_not(one: bytes, two: bytes) -> None:
    known = learnt(one, two)
    assert known is None or not fits(known, one)


def test_a_pattern_is_found_again_behind_frames_of_another_form() -> None:
    known = Repeats(Lines(1000).forms, ROLES)
    frames = [b'{"at": %d, "a": "x"}' % number for number in range(3)]
    *_, pattern = [known.learn(frame + b"\n", "", frame, "x") for frame in frames]
    other = b'{"b": "x"}'
    assert known.learn(other + b"\n", "", other, "x") is not pattern
    assert known.learn(frames[0] + b"\n", "", frames[0], "x") is pattern


def test_frames_are_taken_apart_only_a_limited_number_of_times(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[bytes] = []
    monkeypatch.setattr(
        repeats, "sampled", lambda frame, text, roles: (taken.append(frame), sampled(frame, text, roles))[1]
    )
    parser = JsonLinesParser(lambda frame: frame["t"], 1000, verbatim=True)
    for at in range(200):
        # Every second frame matches, so that the parser goes on learning.
        for text in "a", "b":
            assert list(parser.feed(b'{"t": "%b", "at": %d}\n' % (text.encode(), at))) == [text]
    # At the beginning, and after each rest.
    assert 0 < len(taken) <= 2 * repeats.MOST_MISSES


def test_a_reply_that_repeats_itself_only_behind_a_beginning_of_many_forms_is_learnt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen, parser = parsed(monkeypatch), JsonLinesParser(lambda frame: frame["t"], 1000, verbatim=True)
    for form in range(4):
        for text in "a", "b":
            assert list(parser.feed(b'{"form%d": 1, "t": "%b"}\n' % (form, text.encode()))) == [text]
    for at in range(10 * repeats.REST):
        assert list(parser.feed(b'{"t": "%d"}\n' % at)) == [str(at)]
    assert len(seen) < 2 * repeats.REST


def test_events_that_match_make_up_for_misses_before_the_next_frame_is_learnt_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The pattern of the last miss stayed, but nothing was learnt behind it."""
    seen, parser = parsed(monkeypatch), JsonLinesParser(lambda frame: frame["t"], 1000, verbatim=True)
    for form in 1, 2, *[3] * 100, *[4] * 100:
        assert list(parser.feed(b'{"form%d": 1, "t": "a"}\n' % form)) == ["a"]
    assert len(seen) == 4


def test_the_middle_of_a_line_counts_towards_its_limit() -> None:
    parser = JsonLinesParser(lambda frame: frame["t"], 10)
    # Only together, the two lines are longer than the limit.
    assert list(parser.feed(b'{"t":"a"}\n{"t":"b"}\n')) == ["a", "b"]
    assert list(parser.feed(b'{"t": ')) == []
    assert list(parser.feed(b'"a"')) == []
    with pytest.raises(G4fliteError, match="longer than max_frame, 10 bytes"):
        list(parser.feed(b"     "))


@pytest.mark.parametrize("alone", [True, False])
def test_an_event_of_another_name_is_parsed_even_if_only_its_text_differs(alone: bool) -> None:
    text = b'data: {"choices": [{"delta": {"content": "a"}}]}\n\n'
    pieces = [text, text, b"event: error\n" + text]
    *texts, error, _ = said("openai", pieces if alone else [b"".join(pieces)])
    assert texts == ["a", "a", "a"]
    assert "the service reports an error" in str(error)


@rows("alone", [True, False])
@rows("name", WIRES)
def test_half_a_surrogate_pair_comes_out_before_a_text_that_does_not_complete_the_pair(name: str, alone: bool) -> None:
    parser = providers.find(name).parser(10_000)
    pieces = [frame_of(name, text) for text in ("one", "two", "a\ud83d", "b", "c")]
    out = [item for piece in (pieces if alone else [b"".join(pieces)]) for item in parser.feed(piece)]
    assert [item for item in out if isinstance(item, str)] == ["one", "two", "a", "\ufffdb", "c"]


EVENT = b'data: {"choices": [{"delta": {"content": "%b"}}]}\n\n'


def test_an_event_inside_a_comment_is_not_read() -> None:
    pieces = [EVENT % b"a", EVENT % b"b", b": a comment that goes on: ", EVENT % b"no", EVENT % b"c"]
    assert said("openai", pieces)[:3] == ["a", "b", "c"]


def test_an_event_without_its_first_byte_is_not_read() -> None:
    pieces = [EVENT % b"a", b"d", EVENT[1:] % b"b", EVENT[1:] % b"no", EVENT % b"c"]
    assert said("openai", pieces)[:3] == ["a", "b", "c"]


def test_all_events_of_reads_that_hold_several_events_come_out() -> None:
    pieces = [EVENT % b"a" + EVENT % text for text in (b"b", b"c", b"d")]
    assert said("openai", pieces)[:6] == ["a", "b", "a", "c", "a", "d"]


class Counted(Lines):
    """A framing that counts its reads."""

    reads = 0

    def feed(self, data: bytes) -> Frames:
        self.reads += 1
        return super().feed(data)


class TextReader:
    """Reads lines that hold a text."""

    done, roles, names = False, fields(), ("",)
    told: Mapping[type, Tell] = {str: None}

    def read(self, name: str, frame: dict[str, Any]) -> Items:
        return (frame["text"],)

    def end(self, *, marked: bool) -> Items:
        return ()


def test_a_known_frame_that_is_a_read_of_its_own_is_not_framed() -> None:
    framing = Counted(1000)
    parser = FrameParser(framing, TextReader(), "a line")
    for n in range(50):
        assert list(parser.feed(b'{"text": "%d"}\n' % n)) == [str(n)]
    assert framing.reads == 1


@pytest.mark.parametrize("alone", [True, False])
def test_nothing_is_learnt_any_more_if_too_few_events_match_what_was_learnt(
    monkeypatch: pytest.MonkeyPatch, alone: bool
) -> None:
    """Of each form there are two events, the second of which matches: that takes longer than to parse both."""
    learnt, learn = list[str](), Repeats.learn

    def noted(self: Repeats, *frame: Any) -> Any:
        learnt.append(frame[3])
        return learn(self, *frame)

    monkeypatch.setattr(Repeats, "learn", noted)
    parser = providers.find("flowgpt").parser(1000)
    for at in range(100):
        pieces = [b'{"event": "text", "data": "%b", "at": %d}\n' % (text, at) for text in (b"a", b"b")]
        for piece in pieces if alone else [b"".join(pieces)]:
            assert "".join(map(str, parser.feed(piece))) in ("a", "b", "ab")
    assert len(learnt) < 30
