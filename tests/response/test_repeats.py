"""The fast path for frames that differ in their text alone: it parses no JSON, and gives the same items."""

import json
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from g4flite import JsonLinesParser, providers
from g4flite._core.errors import ContentFilterError, G4fliteError, MalformedReplyError
from g4flite._core.events import Finish
from g4flite._core.response import parsers
from g4flite._core.response.framing import Frames, Lines
from g4flite._core.response.parsers import FrameParser, Items
from g4flite._core.response.repeats import surroundings, text_between, with_framing

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


def outcome(parser: Any, pieces: list[bytes]) -> list[object]:
    """Return the items, and an error at the end as its class and message; texts are not joined."""
    out: list[object] = []
    try:
        for piece in pieces:
            out += parser.feed(piece)
        out += parser.close()
    except G4fliteError as error:
        out.append((type(error), str(error)))
    return out


def said(name: str, pieces: list[bytes]) -> list[object]:
    return outcome(providers.find(name).parser(4000), pieces)


def parsed_each(name: str, pieces: list[bytes]) -> list[object]:
    """Return the items of a reply if each frame is parsed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parsers, "MOST_MISSES", 0)
        return said(name, pieces)


@given(st.lists(st.tuples(FRAMES, st.booleans()), max_size=12), st.data())
def test_events_give_the_same_items_with_and_without_the_fast_path(frames: list[Any], data: st.DataObject) -> None:
    events = [b"data: " + dumped(*frame) + b"\n\n" for frame in frames]
    whole = b"".join(events)
    cut = data.draw(st.integers(0, len(whole)))
    for pieces in (events, [whole], [whole[:cut], whole[cut:]]):
        assert said("openai", pieces) == parsed_each("openai", pieces)


@given(st.lists(NAMED, max_size=12), st.data())
def test_events_with_names_give_the_same_items_with_and_without_the_fast_path(
    frames: list[Any], data: st.DataObject
) -> None:
    events = [
        b"event: " + str(frame["type"]).encode() + b"\ndata: " + dumped(frame, True) + b"\n\n" for frame in frames
    ]
    whole = b"".join(events)
    cut = data.draw(st.integers(0, len(whole)))
    for pieces in (events, [whole[:cut], whole[cut:]]):
        assert said("anthropic", pieces) == parsed_each("anthropic", pieces)


@given(
    st.lists(st.tuples(TEXTS, st.sampled_from(["text", "text", "text", "done", "error"])), max_size=12),
    st.integers(1, 90),
)
def test_lines_give_the_same_items_with_and_without_the_fast_path(frames: list[Any], size: int) -> None:
    whole = b"".join(dumped({"event": event, "data": text}, True) + b"\n" for text, event in frames)
    for pieces in (whole.splitlines(keepends=True), [whole[at : at + size] for at in range(0, len(whole), size)]):
        assert said("flowgpt", pieces) == parsed_each("flowgpt", pieces)


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


@pytest.mark.parametrize("name", WIRES)
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
        parsers, "surroundings", lambda frame, text: (compared.append(frame), surroundings(frame, text))[1]
    )
    parser = providers.find("flowgpt").parser(1000)
    for at in range(100):
        assert list(parser.feed(b'{"event": "text", "data": "a", "at": %d}\n' % at)) == ["a"]
    assert len(compared) == parsers.MOST_MISSES


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
        out += parser.feed(frame.replace(b"}}", b'}, "finish_reason": "stop"}'))
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


def test_a_frame_among_blanks_is_found_in_linear_time() -> None:
    frame = b'{"choices": [{"delta": {"content": "a"}}]}'
    known = surroundings(frame, "a")
    assert known is not None

    def taken(size: int) -> float:
        blanks = b" " * size
        data = b"data: " + blanks + frame + blanks + b"\n:" + blanks + b"\n\n"
        began = time.thread_time()
        assert with_framing(data, blanks + frame + blanks, known) is not None
        return time.thread_time() - began

    # Seconds: a quadratic search takes half a second.
    assert min(taken(2**16) for _ in range(3)) < 0.05


def test_a_frame_above_the_limit_is_refused_even_if_only_its_text_differs() -> None:
    parser = providers.find("flowgpt").parser(100)
    for _ in range(3):
        assert list(parser.feed(b'{"event": "text", "data": "a"}\n')) == ["a"]
    with pytest.raises(G4fliteError, match="longer than max_frame, 100 bytes"):
        list(parser.feed(b'{"event": "text", "data": "%b"}\n' % (b"a" * 100)))


@pytest.mark.parametrize(
    ("piece", "text"),
    [
        # The text stands at two places.
        (b'{"a": "x", "b": "x"}', "x"),
        # The text also stands between two strings.
        (b'{"a":"b",",":1}', ","),
        # The text is escaped.
        (b'{"a": "\\u0078"}', "x"),
        # Another string is escaped.
        (b'{"a": "y\\n", "b": "x"}', "x"),
        # The text is not UTF-8.
        (b'{"a": "\xff"}', "\ufffd"),
        # The text is not UTF-8, and another string equals its replacement.
        ('{"m": "\ufffd", "a": "'.encode() + b'\xff"}', "\ufffd"),
        (b'{"a": 1}', "x"),
    ],
)
def test_frames_are_not_compared_if_the_place_of_the_text_is_not_certain(piece: bytes, text: str) -> None:
    assert surroundings(piece, text) is None


def test_a_frame_is_known_only_if_all_bytes_around_its_text_are_equal() -> None:
    known = surroundings(b'{"a": "x"}', "x")
    assert known is not None
    assert text_between(b'{"a": "long \\"text\\""}', known) == 'long "text"'
    assert text_between(b'{"a": ""}', known) == ""
    for other in (
        b'{"a": "x"} ',
        b'{"b": "x"}',
        b'{"a": "x", "b": "y"}',
        b'{"a": "}',
        b'{"a": "x\n"}',
        b'{"a": "x\\"}',
    ):
        assert text_between(other, known) is None
    whole = with_framing(b': a\n{"a": "x"}\n', b'{"a": "x"}', known)
    assert whole is not None
    assert text_between(b': a\n{"a": "z"}\n', whole) == "z"
    assert with_framing(b'{"a": "x"}{"a": "x"}', b'{"a": "x"}', known) is None
    assert with_framing(b'{"a": "x', b'{"a": "x"}', known) is None
    # The frame's data are two lines, after a comment.
    assert with_framing(b':{\n"a": "x"}\n', b'{\n"a": "x"}', known) is None


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
    *texts, error = said("openai", pieces if alone else [b"".join(pieces)])
    assert texts == ["a", "a", "a"]
    assert "the service reports an error" in str(error)


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("name", WIRES)
def test_half_a_surrogate_pair_comes_out_before_a_text_that_does_not_complete_the_pair(name: str, alone: bool) -> None:
    parser = providers.find(name).parser(10_000)
    pieces = [frame_of(name, text) for text in ("one", "two", "a\ud83d", "b", "c")]
    out = [item for piece in (pieces if alone else [b"".join(pieces)]) for item in parser.feed(piece)]
    assert [item for item in out if isinstance(item, str)] == ["one", "two", "a", "\ufffdb", "c"]


def test_the_fast_path_recognises_a_line_at_the_start_of_a_read() -> None:
    known = surroundings(b'{"a": "x"}', "x")
    assert known is not None
    whole = with_framing(b'{"a": "x"}\n', b'{"a": "x"}', known)
    assert whole is not None
    assert text_between(b'{"a": "y"}\n', whole) == "y"


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

    verbatim, done = True, False

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
def test_frames_are_compared_for_ever_if_only_every_second_frame_differs(
    monkeypatch: pytest.MonkeyPatch, alone: bool
) -> None:
    """Every second frame is new, and the other still takes the fast path after a hundred frames."""
    seen, parser = parsed(monkeypatch), providers.find("flowgpt").parser(1000)
    for at in range(100):
        pieces = [b'{"event": "text", "data": "%b", "at": %d}\n' % (text, at) for text in (b"a", b"b")]
        for piece in pieces if alone else [b"".join(pieces)]:
            list(parser.feed(piece))
    assert len(seen) == 100
