"""Frames that differ in their text alone are not parsed anew, and nobody can tell."""

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
from g4flite._core.response import parsers as _parsers
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
    """What comes out, and the error it ends with; texts are joined by nothing, so that their number counts too."""
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
    """What comes out where each frame is parsed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_parsers, "MOST_MISSES", 0)
        return said(name, pieces)


@given(st.lists(st.tuples(FRAMES, st.booleans()), max_size=12), st.data())
def test_the_events_of_a_reply_say_the_same_however_they_are_read(frames: list[Any], data: st.DataObject) -> None:
    events = [b"data: " + dumped(*frame) + b"\n\n" for frame in frames]
    whole = b"".join(events)
    cut = data.draw(st.integers(0, len(whole)))
    for pieces in (events, [whole], [whole[:cut], whole[cut:]]):
        assert said("openai", pieces) == parsed_each("openai", pieces)


@given(st.lists(NAMED, max_size=12), st.data())
def test_events_with_names_say_the_same_however_they_are_read(frames: list[Any], data: st.DataObject) -> None:
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
def test_lines_say_the_same_however_they_are_read(frames: list[Any], size: int) -> None:
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
def test_many_that_come_together_say_the_same(name: str, texts: list[Any], data: st.DataObject) -> None:
    frames = [frame_of(name, *text) for text in [("a", True), *texts]]
    whole = b"".join(frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=3)))
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert said(name, pieces) == parsed_each(name, pieces)


def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The frames that are parsed from here on."""
    seen: list[str] = []
    scan = _parsers.scan
    monkeypatch.setattr(_parsers, "scan", lambda text, at: (seen.append(text), scan(text, at))[1])
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
def test_the_halves_of_a_pair_find_each_other_among_many(name: str) -> None:
    parser = providers.find(name).parser(10_000)
    list(parser.feed(frame_of(name, "a") * 2))
    many = b"".join(frame_of(name, text) for text in ("b\ud83d", "\ude00", "c\ud83d"))
    assert list(parser.feed(many)) == ["b", "\U0001f600", "c"]
    assert list(parser.feed(frame_of(name, "\ude00") + frame_of(name, "d"))) == ["\U0001f600", "d"]


def test_a_frame_of_two_values_is_malformed() -> None:
    parser = providers.find("flowgpt").parser(1000)
    with pytest.raises(MalformedReplyError, match="is no JSON"):
        list(parser.feed(b'{"event": "text", "data": "a"} {"event": "text", "data": "b"}\n'))


def test_a_text_that_a_function_changes_is_parsed_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, parser = parsed(monkeypatch), JsonLinesParser(lambda frame: frame["t"].removesuffix("$"), 100)
    assert [*parser.feed(b'{"t": "a"}\n'), *parser.feed(b'{"t": "b$"}\n')] == ["a", "b"]
    assert len(seen) == 2


def test_frames_with_a_time_of_their_own_are_not_compared_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []
    monkeypatch.setattr(
        _parsers, "surroundings", lambda frame, text: (compared.append(frame), surroundings(frame, text))[1]
    )
    parser = providers.find("flowgpt").parser(1000)
    for at in range(100):
        assert list(parser.feed(b'{"event": "text", "data": "a", "at": %d}\n' % at)) == ["a"]
    assert len(compared) == _parsers.MOST_MISSES


def test_what_follows_the_end_marker_is_not_read_however_like_it_is() -> None:
    parser = JsonLinesParser(lambda f: f["t"], 100, ends=lambda f: f["t"] == "end", verbatim=True)
    assert list(parser.feed(b'{"t": "end"}\n{"t": "more"}\n')) == ["end"]
    assert parser.done


def test_a_half_of_a_pair_before_the_end_marker_is_given_out() -> None:
    parser = JsonLinesParser(lambda f: f["t"], 100, ends=lambda f: f["t"] != "a")
    assert list(parser.feed(b'{"t": "a"}\n{"t": "b\\ud83d"}\n')) == ["a", "b", "\ufffd"]
    assert list(parser.feed(b'{"t": "more"}\n{"t": ')) == list(parser.close()) == []


def test_what_follows_the_end_marker_breaks_no_limit() -> None:
    reply = b'data: {"choices": [{"delta": {"content": "a"}}]}\n\ndata: [DONE]\n\n:' + b" " * 100
    parser = providers.find("openai").parser(60)
    assert list(parser.feed(reply)) == ["a", Finish("other")]


def test_a_refusal_beside_a_text_is_read_each_time() -> None:
    frame = b'data: {"choices": [{"delta": {"content": "a", "refusal": "no "}}]}\n\n'
    parser, out = providers.find("openai").parser(1000), list[object]()
    with pytest.raises(ContentFilterError) as caught:
        out += [item for _ in range(4) for item in parser.feed(frame)]
        out += parser.feed(frame.replace(b"}}", b'}, "finish_reason": "stop"}'))
    assert out == [*["a"] * 5, Finish("stop", "stop")]
    assert caught.value.body == "no no no no no "


def test_many_short_lines_behind_a_long_one_are_compared_in_little_memory() -> None:
    parser = providers.find("flowgpt").parser(2**20)
    blank = b'{"event": "text", "more": "%b", "data": "a"}\n' % (b" " * 2**18)
    assert list(parser.feed(blank)) == ["a"]
    tracemalloc.start()
    assert list(parser.feed(blank + b"\n" * 2**10)) == ["a"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**23


def test_a_frame_that_stands_among_blanks_is_found_in_linear_time() -> None:
    frame = b'{"choices": [{"delta": {"content": "a"}}]}'
    known = surroundings(frame, "a")
    assert known is not None

    def taken(size: int) -> float:
        blanks = b" " * size
        data = b"data: " + blanks + frame + blanks + b"\n:" + blanks + b"\n\n"
        began = time.process_time()
        assert with_framing(data, blanks + frame + blanks, known) is not None
        return time.process_time() - began

    assert min(taken(2**16) for _ in range(3)) < 0.05  # where it is quadratic, half a second


def test_a_frame_longer_than_the_limit_is_refused_however_like_it_is() -> None:
    parser = providers.find("flowgpt").parser(100)
    for _ in range(3):
        assert list(parser.feed(b'{"event": "text", "data": "a"}\n')) == ["a"]
    with pytest.raises(G4fliteError, match="longer than max_frame, 100 bytes"):
        list(parser.feed(b'{"event": "text", "data": "%b"}\n' % (b"a" * 100)))


@pytest.mark.parametrize(
    ("piece", "text"),
    [
        (b'{"a": "x", "b": "x"}', "x"),  # at two places
        (b'{"a":"b",",":1}', ","),  # which overlaps what stands between two strings
        (b'{"a": "\\u0078"}', "x"),  # escaped
        (b'{"a": "y\\n", "b": "x"}', "x"),  # something else is
        (b'{"a": "\xff"}', "\ufffd"),  # no UTF-8
        ('{"m": "\ufffd", "a": "'.encode() + b'\xff"}', "\ufffd"),  # nor this, of which another string is the like
        (b'{"a": 1}', "x"),
    ],
)
def test_a_text_whose_place_is_not_sure_is_not_compared(piece: bytes, text: str) -> None:
    assert surroundings(piece, text) is None


def test_what_stands_around_a_text_is_compared_byte_by_byte() -> None:
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
    assert with_framing(b':{\n"a": "x"}\n', b'{\n"a": "x"}', known) is None  # of two lines of data, behind a comment


def test_the_middle_of_a_line_counts_towards_its_limit() -> None:
    parser = JsonLinesParser(lambda frame: frame["t"], 10)
    assert list(parser.feed(b'{"t":"a"}\n{"t":"b"}\n')) == ["a", "b"]  # longer together
    assert list(parser.feed(b'{"t": ')) == []
    assert list(parser.feed(b'"a"')) == []
    with pytest.raises(G4fliteError, match="longer than max_frame, 10 bytes"):
        list(parser.feed(b"     "))


@pytest.mark.parametrize("alone", [True, False])
def test_an_event_of_another_name_is_read_however_like_it_is(alone: bool) -> None:
    text = b'data: {"choices": [{"delta": {"content": "a"}}]}\n\n'
    pieces = [text, text, b"event: error\n" + text]
    *texts, error = said("openai", pieces if alone else [b"".join(pieces)])
    assert texts == ["a", "a", "a"]
    assert "the service reports an error" in str(error)


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("name", WIRES)
def test_half_of_a_pair_is_out_before_the_text_that_does_not_complete_it(name: str, alone: bool) -> None:
    parser = providers.find(name).parser(10_000)
    pieces = [frame_of(name, text) for text in ("one", "two", "a\ud83d", "b", "c")]
    out = [item for piece in (pieces if alone else [b"".join(pieces)]) for item in parser.feed(piece)]
    assert [item for item in out if isinstance(item, str)] == ["one", "two", "a", "\ufffdb", "c"]


def test_a_line_that_begins_its_read_is_recognised() -> None:
    known = surroundings(b'{"a": "x"}', "x")
    assert known is not None
    whole = with_framing(b'{"a": "x"}\n', b'{"a": "x"}', known)
    assert whole is not None
    assert text_between(b'{"a": "y"}\n', whole) == "y"


EVENT = b'data: {"choices": [{"delta": {"content": "%b"}}]}\n\n'


def test_what_goes_on_with_a_comment_is_no_event_however_like_one_it_is() -> None:
    pieces = [EVENT % b"a", EVENT % b"b", b": a comment that goes on: ", EVENT % b"no", EVENT % b"c"]
    assert said("openai", pieces)[:3] == ["a", "b", "c"]


def test_what_went_on_with_a_line_is_no_event_without_its_beginning() -> None:
    pieces = [EVENT % b"a", b"d", EVENT[1:] % b"b", EVENT[1:] % b"no", EVENT % b"c"]
    assert said("openai", pieces)[:3] == ["a", "b", "c"]


def test_all_of_several_events_that_come_together_again_and_again_are_read() -> None:
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


def test_a_frame_that_comes_alone_in_its_read_is_not_even_split_off() -> None:
    framing = Counted(1000)
    parser = FrameParser(framing, TextReader(), "a line")
    for n in range(50):
        assert list(parser.feed(b'{"text": "%d"}\n' % n)) == [str(n)]
    assert framing.reads == 1


@pytest.mark.parametrize("alone", [True, False])
def test_frames_that_differ_now_and_then_are_compared_for_ever(monkeypatch: pytest.MonkeyPatch, alone: bool) -> None:
    """One of two says something new: that helps no less after a hundred times."""
    seen, parser = parsed(monkeypatch), providers.find("flowgpt").parser(1000)
    for at in range(100):
        pieces = [b'{"event": "text", "data": "%b", "at": %d}\n' % (text, at) for text in (b"a", b"b")]
        for piece in pieces if alone else [b"".join(pieces)]:
            list(parser.feed(piece))
    assert len(seen) == 100
