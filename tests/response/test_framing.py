"""Framing: from bytes to server-sent events, and to the elements of a JSON array.

A test named `test_format_...` checks the standard as the web platform test of that name does.
"""

import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

import g4flite
from g4flite._core.response.framing import WHOLE, EventsOrArray, JsonArray, Lines, ServerSentEvents
from tests.rows import rows
from tests.splits import SPLITS, cut, pieces

BOM = b"\xef\xbb\xbf"
at_every_split = rows("size", SPLITS)


class Event(NamedTuple):
    """What a browser would dispatch: the event's name, its data, and the last event id at that moment."""

    name: str
    data: bytes
    id: str


def decode(decoder: ServerSentEvents, chunks: Iterable[bytes]) -> list[Event]:
    events = [Event(*event, decoder.last_event_id) for chunk in chunks for event in decoder.feed(chunk)]
    return events + [Event(*event, decoder.last_event_id) for event in decoder.close()]


def data_of(data: bytes, size: int) -> list[bytes]:
    """Return the data of the events that the standard dispatches; no event may have a name."""
    events = decode(ServerSentEvents(2**20, flush=False), cut(data, size))
    assert {event.name for event in events} <= {""}
    return [event.data for event in events]


# The web platform tests of EventSource


@at_every_split
def test_format_bom(size: int) -> None:
    """One BOM is passed over at the start of the stream; elsewhere it makes an unknown field of `data`."""
    assert data_of(BOM + b"data:1\n\n" + BOM + b"data:2\n\ndata:3\n\n", size) == [b"1", b"3"]


@at_every_split
def test_format_bom_2(size: int) -> None:
    """Of two BOMs, the second belongs to the name of the field."""
    assert data_of(BOM + BOM + b"data:1\n\ndata:2\n\ndata:3\n\n", size) == [b"2", b"3"]


@at_every_split
def test_format_comments(size: int) -> None:
    stream = b"data:1\r:\0\n:\r\ndata:2\n:" + b"long" * 99 + b"\rdata:3\n:data:not this\r: nor this\ndata:4\n\n"
    assert data_of(stream, size) == [b"1\n2\n3\n4"]


@at_every_split
def test_format_data_before_final_empty_line(size: int) -> None:
    """An event without a blank line at its end is not dispatched, and its id is not remembered."""
    decoder = ServerSentEvents(2**20, flush=False)
    events = decode(decoder, cut(b"retry:1000\ndata:whole\n\nid:cut\nevent:cut\ndata:off", size))
    assert events == [("", b"whole", "")]
    assert decoder.last_event_id == ""
    assert decoder.retry == 1000


@at_every_split
def test_format_field_data(size: int) -> None:
    """A `data` field without a value appends an empty line; an event of that field alone has empty data."""
    assert data_of(b"data:\n\ndata\ndata\n\ndata:test\n\n", size) == [b"", b"\n", b"test"]


@at_every_split
def test_format_field_event(size: int) -> None:
    events = decode(ServerSentEvents(2**20), cut(b"event:test\ndata:x\n\ndata:y\n\n", size))
    assert [event[:2] for event in events] == [("test", b"x"), ("", b"y")]


@at_every_split
@rows("field", [b"event", b"event:", b"event: "])
def test_format_field_event_empty(field: bytes, size: int) -> None:
    events = decode(ServerSentEvents(2**20), cut(b"event:test\n" + field + b"\ndata:data\n\n", size))
    assert events == [("", b"data", "")]


@at_every_split
def test_format_field_id(size: int) -> None:
    """The id is UTF-8, and becomes the last event id when its event is dispatched."""
    decoder = ServerSentEvents(2**20)
    stream = "id: \u2026\ndata:1\n\n".encode()
    assert decode(decoder, cut(stream, size)) == [("", b"1", "\u2026")]
    assert decoder.last_event_id == "\u2026"


@at_every_split
def test_format_field_id_2(size: int) -> None:
    """An id is remembered until the next id, even if that stands in a block without data."""
    stream = b"id:1\ndata:a\n\ndata:b\n\nid:2\n\ndata:c\n\n"
    events = decode(ServerSentEvents(2**20), cut(stream, size))
    assert [(event.data, event.id) for event in events] == [(b"a", "1"), (b"b", "1"), (b"c", "2")]


@at_every_split
@rows("field", [b"id", b"id:", b"id: "])
def test_format_field_id_3(field: bytes, size: int) -> None:
    """An empty id clears the last event id."""
    stream = b"id:1\ndata:a\n\ndata:b\n" + field + b"\n\ndata:c\n\n"
    events = decode(ServerSentEvents(2**20), cut(stream, size))
    assert [(event.data, event.id) for event in events] == [(b"a", "1"), (b"b", ""), (b"c", "")]


@at_every_split
@rows("value", [b"\0\0", b"a\0", b"\0a"])
def test_format_field_id_null(value: bytes, size: int) -> None:
    stream = b"id:1\nid:" + value + b"\ndata:hello\n\n"
    assert decode(ServerSentEvents(2**20), cut(stream, size)) == [("", b"hello", "1")]


@at_every_split
def test_format_field_parsing(size: int) -> None:
    """A name has to match exactly, a value loses one space at most, and a line without a colon is a name."""
    stream = (
        b"data:\0\ndata:  2\rData:no\ndata\0:no\ndata:1\r\0data:no\n"
        b"da-ta:no\rdata_no\ndata:3\rdata:\r\n data:no\ndata:4\ndata :no\ndata:a: b\n\n"
    )
    assert data_of(stream, size) == [b"\0\n 2\n1\n3\n\n4\na: b"]


@at_every_split
def test_format_field_retry(size: int) -> None:
    decoder = ServerSentEvents(2**20)
    assert decoder.retry is None
    assert decode(decoder, cut(b"retry:03000\n\ndata:x\n\n", size)) == [("", b"x", "")]
    assert decoder.retry == 3000


@at_every_split
@rows("value", [b"1000x", b"1 000", b"-1", b"+1", b"1.5", b" 1", "\u0663".encode(), b"9" * 5000])
def test_format_field_retry_bogus(value: bytes, size: int) -> None:
    decoder = ServerSentEvents(2**20)
    assert decode(decoder, cut(b"retry:3000\nretry: " + value + b"\ndata:x\n\n", size)) == [("", b"x", "")]
    assert decoder.retry == 3000


@at_every_split
@rows("field", [b"retry", b"retry:", b"retry: "])
def test_format_field_retry_empty(field: bytes, size: int) -> None:
    decoder = ServerSentEvents(2**20)
    assert decode(decoder, cut(field + b"\ndata:test\n\n", size)) == [("", b"test", "")]
    assert decoder.retry is None


@at_every_split
def test_format_field_unknown(size: int) -> None:
    stream = b"data:test\n data\ndata\nfoobar:xxx\njustsomething\n:thisisacommentyay\n\n"
    assert data_of(stream, size) == [b"test\n"]


@at_every_split
def test_format_leading_space(size: int) -> None:
    stream = b"data:\ttest\rdata: \ndata:  two\r\ndata:test\n\n"
    assert data_of(stream, size) == [b"\ttest\n\n two\ntest"]


@at_every_split
def test_format_newlines(size: int) -> None:
    """Lines end with LF, CR or CRLF, and with no other line break of Unicode."""
    assert data_of(b"data:test\r\ndata\ndata:test\r\n\r", size) == [b"test\n\ntest"]
    line = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\x1dh\x1ei".encode()
    assert data_of(b"data:" + line + b"\r\rdata:" + line + b"\n\r", size) == [line, line]


@at_every_split
def test_format_null_character(size: int) -> None:
    assert data_of(b"data:\0\n\n\n\n", size) == [b"\0"]


@at_every_split
def test_format_utf_8(size: int) -> None:
    """Data stay bytes, even if they are not UTF-8; in a name and an id, bytes that are not UTF-8 become U+FFFD."""
    stream = "data:ok\u2026 \U0001f44b\n\n".encode() + b"event:\xff\nid:\xfe\ndata:\xfd\n\n"
    assert decode(ServerSentEvents(2**20), cut(stream, size)) == [
        ("", "ok\u2026 \U0001f44b".encode(), ""),
        ("\ufffd", b"\xfd", "\ufffd"),
    ]


# What the web platform tests do not ask


@at_every_split
@rows("end", [b"", b"\n", b"\r", b"\r\n", b"\n\n"])
def test_the_last_event_comes_out_without_its_blank_line(end: bytes, size: int) -> None:
    decoder = ServerSentEvents(2**20)
    events = decode(decoder, cut(b"data: 1\n\nevent: e\nid: 7\ndata: 2" + end, size))
    assert events == [("", b"1", ""), ("e", b"2", "7")]
    assert list(decoder.close()) == []


@rows("rest", [b"", b"\n", b": ping", b"event: e\nid: 1", BOM[:1], BOM[:2], BOM])
def test_a_stream_that_ends_without_data_gives_no_event(rest: bytes) -> None:
    assert decode(ServerSentEvents(2**20), cut(rest, 1)) == []


@rows("end", [b"\n\n", b"\r\r", b"\n\r", b"\r\n\r", b"\r\n\n"])
@at_every_split
def test_an_event_comes_out_as_soon_as_its_last_byte_is_fed(end: bytes, size: int) -> None:
    """A CR at the end of a feed ends its line at once; an LF at the start of the next feed belongs to that CR."""
    decoder = ServerSentEvents(2**20)
    outputs = [list(decoder.feed(chunk)) for chunk in cut(b"data: 1" + end, size)]
    assert outputs == [[]] * (len(outputs) - 1) + [[("", b"1")]]
    assert list(decoder.feed(b"")) == []
    assert list(decoder.feed(b"\ndata: 2\n\n")) == [("", b"2")]


def test_an_event_that_came_out_does_not_come_out_again_at_close() -> None:
    """The caller may leave the loop over `feed` at an event, as a parser does at the end marker."""
    decoder = ServerSentEvents(2**20)
    assert next(iter(decoder.feed(b"event: e\ndata: [DONE]\n\n"))) == ("e", b"[DONE]")
    assert list(decoder.close()) == []


def test_an_event_of_several_lines_is_found_among_events_of_one_line() -> None:
    stream = b"data: 1\n\ndata: 2\ndata: 3\n\n\ndata: 4\n\ndata: 5\nevent: e\n\ndata: 6\n\n"
    events = [("", b"1"), ("", b"2\n3"), ("", b"4"), ("e", b"5"), ("", b"6")]
    assert list(ServerSentEvents(2**20).feed(stream)) == events


def test_a_value_of_several_lines_is_one_frame_among_lines() -> None:
    frames = [b'{"a": 1}', b'{\n"b": 2\n}\n', b'{"c": 3}']
    stream = b'{"a": 1}\n{\n"b": 2\n}\n{"c": 3}\n'
    assert list(Lines(2**20).feed(stream)) == [("", frame) for frame in frames]


@rows(
    "stream",
    [
        b"data: 12345\n\n",
        b"data: 12345",
        b"data:\ndata:\ndata:\ndata:\ndata:\ndata:\ndata: 1\n\n",
        b":" + b"x" * 10,
        b":" + b"x" * 10 + b"\n\n",
        b"event: 1234\n\n",
        b"id: 1234567",
        b"data: 123\ndata: 123",
    ],
)
@at_every_split
def test_an_event_above_the_limit_is_an_error_after_the_events_before_it(stream: bytes, size: int) -> None:
    decoder = ServerSentEvents(10)
    events = []
    with pytest.raises(g4flite.LimitError, match="max_frame, 10 bytes"):
        for chunk in cut(b"data: 1234\n\ndata: 5678\n\n" + stream, size):
            for event in decoder.feed(chunk):
                events.append(event)
    assert events == [("", b"1234"), ("", b"5678")]


@at_every_split
def test_events_up_to_the_limit_pass(size: int) -> None:
    stream = b"data: 1234\n\n" * 99 + b":234567890\n" * 99 + b"data:\ndata:1\n\n"
    events = decode(ServerSentEvents(10), cut(stream, size))
    assert [event.data for event in events] == [b"1234"] * 99 + [b"\n1"]


def browser(data: bytes, *, flush: bool) -> tuple[list[Event], str, int | None]:
    """Return events, last event id and reconnection time, by the standard's own algorithm on the whole stream."""
    lines = re.split(b"\r\n|\r|\n", data.removeprefix(BOM))
    last = lines.pop()
    lines += [last, b""] if flush else []
    events, name, buffer, new_id, last_id, retry = [], "", b"", "", "", None
    for line in lines:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line:
            last_id = new_id
            if buffer:
                events.append(Event(name, buffer[:-1], last_id))
            name, buffer = "", b""
        elif field == b"event":
            name = value.decode(errors="replace")
        elif field == b"data":
            buffer += value + b"\n"
        elif field == b"id" and b"\0" not in value:
            new_id = value.decode(errors="replace")
        elif field == b"retry" and re.fullmatch(b"[0-9]+", value):
            retry = int(value)
    return events, last_id, retry


TOKENS = [
    b"data",
    b"data: ",
    b"event",
    b"id",
    b"retry",
    b":",
    b" ",
    b"1",
    b"\0",
    b"\n",
    b"\n\n",
    b"\r",
    b"\r\n",
    b"\xc3",
]
WORDS = [b"data: {}\n\n", b"data: x\r\n\r\n", b": ping\n", b"event: e\n", BOM, "\u2028".encode()]
STREAMS = st.lists(st.sampled_from(TOKENS + WORDS), max_size=30).map(b"".join)


@given(STREAMS, st.sets(st.integers(0, 80)), st.booleans())
def test_any_stream_is_read_as_the_standard_says_at_any_split(data: bytes, cuts: set[int], flush: bool) -> None:
    decoder = ServerSentEvents(2**20, flush=flush)
    events = decode(decoder, pieces(data, cuts))
    assert (events, decoder.last_event_id, decoder.retry) == browser(data, flush=flush)


LINE = st.binary(max_size=9).map(lambda text: re.sub(b"[\r\n]", b"", text))
ENDS = st.lists(st.sampled_from([b"\n", b"\r", b"\r\n"]), min_size=1)


@given(st.lists(st.lists(LINE, min_size=1)), ENDS, st.sets(st.integers(0, 99)))
def test_any_events_are_whole_at_any_split_with_any_line_ends(
    events: list[list[bytes]], ends: list[bytes], cuts: set[int]
) -> None:
    lines = [line for event in events for line in [*(b"data: " + text for text in event), b""]]
    stream = b""
    for number, line in enumerate(lines):
        end = ends[number % len(ends)]
        # A CR and this LF would be one line end.
        joined = not line and stream.endswith(b"\r") and end == b"\n"
        stream += line + (b"\r" if joined else end)
    got = decode(ServerSentEvents(2**20, flush=False), pieces(stream, cuts))
    assert [event.data for event in got] == [b"\n".join(event) for event in events]


# A JSON array


def elements(data: bytes, chunks: list[bytes], limit: int = 2**20) -> list[bytes]:
    decoder = JsonArray(limit)
    whole = [element for chunk in chunks for _, element in decoder.feed(chunk)]
    return whole + [rest for _, rest in decoder.close() if rest]


VALUES: list[Any] = [
    {"a": [1, {"b": "]}\\"}], "c": {}},
    {},
    [[], [1, 2]],
    'x"],[{\\',
    "\\",
    "",
    -1.5e3,
    True,
    None,
    {"\\": "\\\\\\", '"': "\u2028\U0001f44b\n\t"},
    7,
]
LAYOUTS: list[dict[str, Any]] = [{}, {"indent": 2}, {"separators": (",", ":")}, {"ensure_ascii": False}]


@at_every_split
@rows("layout", LAYOUTS)
def test_the_elements_of_an_array_come_out_whole(layout: dict[str, Any], size: int) -> None:
    data = json.dumps(VALUES, **layout).encode()
    assert [json.loads(element) for element in elements(data, cut(data, size))] == VALUES


@at_every_split
def test_the_elements_of_an_array_in_gemini_s_layout_come_out_whole(size: int) -> None:
    data = b'[{\r\n  "a": 1\r\n}\r\n,\r\n{\r\n  "b": [2,3]\r\n}\r\n]\r\n'
    assert elements(data, cut(data, size)) == [b'{\r\n  "a": 1\r\n}', b'{\r\n  "b": [2,3]\r\n}']


@rows(
    ("data", "last"),
    [(b'[{"a":[{}]}', b'{"a":[{}]}'), (b'["a,\\""', b'"a,\\""'), (b"[[[]]", b"[[]]"), (b"[12,", b"12")],
)
def test_an_element_comes_out_as_soon_as_its_last_byte_is_fed(data: bytes, last: bytes) -> None:
    decoder = JsonArray(2**20)
    outputs = [list(decoder.feed(data[place : place + 1])) for place in range(len(data))]
    assert outputs == [[]] * (len(data) - 1) + [[("", last)]]
    assert list(decoder.close()) == [("", b"")]


@rows(
    ("data", "expected"),
    [
        (b"", []),
        (b" \r\n\t", []),
        (b"[]", []),
        (b" [ ] ", []),
        (b' {"error": [1]} ', [b'{"error": [1]}']),
        (b'{"a":1}\n{"b":2}', [b'{"a":1}', b'{"b":2}']),
        (b"[1][2]", [b"1", b"2"]),
        (b"[1,]", [b"1"]),
        (b'[{"a":1},{"b', [b'{"a":1}', b'{"b']),
        (b'["a\\', [b'"a\\']),
        (b"[1,2 ", [b"1", b"2"]),
        (b"null ", [b"null"]),
        (b"<html>[", [b"<html>["]),
        (b"[x{}]", [b"x{}"]),
        (b"[}{},1]", [b"}{}", b"1"]),
        (b"[1]],{}", [b"1", b"],{}"]),
    ],
)
@at_every_split
def test_no_byte_in_or_around_an_array_is_lost(data: bytes, expected: list[bytes], size: int) -> None:
    """Only white space, the array's brackets and its commas are dropped; an element that is cut off comes out too."""
    assert elements(data, cut(data, size)) == expected


def test_an_empty_feed_changes_nothing() -> None:
    decoder = JsonArray(2**20)
    assert [list(decoder.feed(data)) for data in (b'["\\', b"", b'"', b"", b'"')] == [[], [], [], [], [("", b'"\\""')]]


@rows(
    "rest",
    [b'{"a":123456}]', b'"123456789"', b"1" * 11 + b",", b"[" * 11, b'"\\\\\\\\\\\\\\\\\\\\', b"1" + b" " * 10 + b"]"],
)
@at_every_split
def test_an_element_above_the_limit_is_an_error_after_the_elements_before_it(rest: bytes, size: int) -> None:
    decoder = JsonArray(10)
    whole = []
    with pytest.raises(g4flite.LimitError, match="max_frame, 10 bytes"):
        for chunk in cut(b'[{"a":1234},      ' + rest, size):
            for _, element in decoder.feed(chunk):
                whole.append(element)
    assert whole == [b'{"a":1234}']


@at_every_split
def test_white_space_between_elements_does_not_count_towards_the_limit(size: int) -> None:
    data = b" " * 99 + b"[" + b" " * 99 + b'{"a":1234}' + b"\r\n" * 99 + b"," + b" " * 99 + b"]" + b"\n" * 99
    assert elements(data, cut(data, size), limit=10) == [b'{"a":1234}']


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.sampled_from('a"\\[]{},: \n\u00e9')),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
)


@given(st.lists(JSONS, max_size=5), st.sampled_from(LAYOUTS), st.sets(st.integers(0, 200)))
def test_any_array_is_whole_at_any_split(values: list[Any], layout: dict[str, Any], cuts: set[int]) -> None:
    data = json.dumps(values, **layout).encode()
    assert [json.loads(element) for element in elements(data, pieces(data, cuts))] == values


@given(st.text(st.sampled_from('ab"\\[]{},: \n')), st.sets(st.integers(0, 60)))
def test_any_bytes_give_the_same_elements_at_any_split(text: str, cuts: set[int]) -> None:
    data = text.encode()
    assert elements(data, pieces(data, cuts)) == elements(data, [data])


@rows(
    ("data", "idle"),
    [
        # A byte order mark may come.
        (b"", False),
        (b"data: x\n\n", True),
        (b"data: x\n\nid: 1\n\n", True),
        (b"data: x\n\ndat", False),
        (b"data: x\n\ndata: y\n", False),
        (b"data: x\n\nevent: y\n", False),
        (b"data: x\n\nid: 1\n", False),
        # The LF of a CRLF may come.
        (b"data: x\n\r", False),
    ],
)
def test_a_decoder_of_events_is_idle_between_two_events(data: bytes, idle: bool) -> None:
    for decoder in (ServerSentEvents(100), EventsOrArray(100)):
        list(decoder.feed(data))
        assert decoder.idle is idle


def test_a_decoder_of_lines_is_idle_between_two_lines_and_a_decoder_of_an_array_never_is() -> None:
    lines, either, array = Lines(100), EventsOrArray(100), JsonArray(100)
    assert (list(lines.feed(b"a")), lines.idle) == ([], False)
    assert (list(lines.feed(b"\n")), lines.idle) == ([("", b"a")], True)
    list(lines.feed(b"b"))
    assert (list(lines.close()), lines.idle) == ([("", b"b")], True)
    for decoder in (either, array):
        assert [frame for _, frame in decoder.feed(b"[1, 2]")] == [b"1", b"2"]
        assert not decoder.idle


def test_a_line_above_the_limit_is_an_error_after_the_lines_before_it() -> None:
    assert [line for _, line in Lines(3).feed(b"abc\nde\n")] == [b"abc", b"de"]
    for data, before in ((b"ab\nabcd", [b"ab"]), (b"ab\nabcd\nab\n", [b"ab"]), (b"abcd", [])):
        out = []
        with pytest.raises(g4flite.LimitError, match="longer than max_frame, 3 bytes"):
            for _, line in Lines(3).feed(data):
                out.append(line)
        assert out == before


def test_a_reconnection_time_of_more_than_18_digits_is_ignored() -> None:
    decoder = ServerSentEvents(2**20)
    list(decoder.feed(b"retry: " + b"8" * 18 + b"\n"))
    list(decoder.feed(b"retry: " + b"9" * 19 + b"\n"))
    assert decoder.retry == int("8" * 18)


BARE = b'{"error": {"message": "a } in a text"}}'


@rows(
    ("body", "frames"),
    [
        (b"data: 1\n\n" + BARE + b"\n", [("", b"1"), ("error", BARE)]),
        (BARE + b"\r\ndata: 1\r\n\r\n", [("error", BARE), ("", b"1")]),
        # Over many lines, as json.dumps(indent=) writes it.
        (b'{\n  "error": {\n    "a": 1\n  }\n}\ndata: 1\n\n', [("error", b'{"error": {"a": 1}}'), ("", b"1")]),
        # A brace in a text keeps the object open up to the blank line.
        (b'{"error": "{"}\n\ndata: 1\n\n', [("error", b'{"error": "{"}'), ("", b"1")]),
        (b'{"error": "{"}\ndata: 1\n\n', [("error", b'{"error": "{"}'), ("", b"1")]),
        (b'{"error": "{"}\nevent: x\ndata: 1\n\n', [("error", b'{"error": "{"}'), ("x", b"1")]),
        (b'{"detail": "no"}', [("error", b'{"detail": "no"}')]),
        (b'{"object": "error"}', [("error", b'{"object": "error"}')]),
        (b'{"type": "error"}', [("error", b'{"type": "error"}')]),
        # Gemini's form.
        (b'[{\n  "error": {"a": 1}\n}]\n\n', [("error", b'{"error": {"a": 1}}')]),
        # The standard drops all other lines.
        (b'[1]\n[{"error": 1}, 2]\ndata: 1\n\n', [("", b"1")]),
        (b'{"text":"x"}\ndata: 1\n\n', [("", b"1")]),
        (b"{debug}\ndata: 1\n\n", [("", b"1")]),
        (b"{\ndata: 1\n\ndata: 2\n\n", [("", b"1"), ("", b"2")]),
        (b"{" + b"x" * 20_000 + b"\n" + BARE + b"\n", [("error", BARE)]),
    ],
)
def test_an_error_between_events_is_an_event_though_it_is_no_data(body: bytes, frames: list[tuple[str, bytes]]) -> None:
    for size in (1, 2, 3, 7, len(body)):
        framing = ServerSentEvents(100_000)
        got = [frame for start in range(0, len(body), size) for frame in framing.feed(body[start : start + size])]
        assert [*got, *framing.close()] == frames


ANSWER = b'{"choices": [{"message": {"content": "}{"}}]}'


@rows(
    ("body", "frames"),
    [
        # llama.cpp's field, on a line of its own or in an event that has data.
        (b'error: {"code": 400}\n\ndata: [DONE]\n\n', [("error", b'{"code": 400}'), ("", b"[DONE]")]),
        (b"error:no room\r\n\r\n", [("error", b"no room")]),
        (b"data: 1\nerror: no room\n\n", [("", b"1")]),
        (b"error: ", [("error", b"")]),
        # A whole answer.
        (ANSWER, [(WHOLE, ANSWER)]),
        (ANSWER + b"\n\ndata: [DONE]\n\n", [(WHOLE, ANSWER), ("", b"[DONE]")]),
        (ANSWER + b"data: [DONE]\n\n", [(WHOLE, ANSWER), ("", b"[DONE]")]),
        (ANSWER + b" data: [DONE]", [(WHOLE, ANSWER), ("", b"[DONE]")]),
        (b'{\n  "content": [\n    {"text": "a"}\n  ]\n}\n', [(WHOLE, b'{"content": [{"text": "a"}]}')]),
        (b'{"message": {"content": "{"}}\n\n', [(WHOLE, b'{"message": {"content": "{"}}')]),
        (b'{"output":[]}\n' * 2, [(WHOLE, b'{"output": []}')] * 2),
        (b'{"content": ["' + b"x" * 60_000 + b'",\n1]}', [(WHOLE, b'{"content": ["' + b"x" * 60_000 + b'", 1]}')]),
        # Something else stands behind it, or it is cut off.
        (ANSWER + b'{"choices": []}\n\n', []),
        (ANSWER[:-3] + b"\n\n", []),
    ],
)
def test_an_error_in_a_field_and_a_whole_answer_are_frames(body: bytes, frames: list[tuple[str, bytes]]) -> None:
    for size in (1, 2, 3, 7, len(body)):
        framing = ServerSentEvents(100_000)
        got = [frame for start in range(0, len(body), size) for frame in framing.feed(body[start : start + size])]
        assert [*got, *framing.close()] == frames


def test_json_that_never_ends_fills_no_memory() -> None:
    framing = ServerSentEvents(1000)
    for _ in range(100):
        assert list(framing.feed(b'{"content": [\n' + b'"x",\n' * 100)) == []
        assert len(framing._bare) <= 1100


def test_a_bare_error_is_not_idle_and_takes_linear_time() -> None:
    framing = ServerSentEvents(100_000)
    assert list(framing.feed(b'data: 1\n\n{"error": {\n')) == [("", b"1")]
    assert not framing.idle
    assert list(framing.feed(b'"a": 1}}\n')) == [("error", b'{"error": {"a": 1}}')]
    assert framing.idle
    assert list(framing.feed(b"{\n" + b"}\n" * 500_000)) == []
