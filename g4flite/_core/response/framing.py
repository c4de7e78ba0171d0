"""Framing: splits the bytes of a body into frames.

    framing = ServerSentEvents(limit=2**20)
    list(framing.feed(b"data: {}\\n"))     # []: only a blank line ends an event
    list(framing.feed(b"\\n"))             # [("", b"{}")]
    list(framing.close())                 # []: nothing was held back

The decoders are push decoders: they hold back the bytes of a frame until the frame is complete.  Their time is linear
in the size of the body, however the body is split into reads.  Each frame comes as a pair of its name (that of a
server-sent event, else "") and its bytes.

All decoders split bytes and not text, at LF (server-sent events also at CR) and nowhere else.  `str.splitlines` would
also split at U+2028 and other characters, which may stand inside a line of JSON.
"""

import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import repeat
from typing import Any, Final, Protocol, TypeAlias

from ..errors import LimitError
from ..numbers import dumps, loads, scan_exactly

Frames: TypeAlias = Iterable[tuple[str, bytes]]

# The numbers of two bytes: `10 in data` is several times faster than `b"\n" in data` for lines of usual length.
_LF, _CR = b"\n\r"
# How a line of an event begins: with a field, or as a comment.  (`re` compiles this when a line is first compared: to
# compile this and `_JSON` takes as many instructions as five events, and most replies compare no line.)
_FIELD = rb"(data|event|id|retry|error|):"
# How a line of bare JSON begins, or one that is indented.
_JSON_LINE = (b"{", b"[", b" ", b"\t")
# How bare JSON begins.
_JSON = rb"\s*[\[{]\s*([\"{\[\]}]|$)"
# The name of a whole answer that came as bare JSON; no event has this name.
WHOLE: Final = "\n"
# The most bytes of a field's name.
_LONGEST_FIELD: Final = 5


class Framing(Protocol):
    """A push decoder of frames.  `limit` is the length of the longest frame that it accepts, in bytes."""

    @property
    def limit(self) -> int: ...
    @property
    def idle(self) -> bool:
        """Whether nothing is held back, so that the next byte begins a frame."""

    def feed(self, data: bytes) -> Frames:
        """Return the frames that `data` completes, as an iterator, or as `()` if `data` is the middle of a line.

        The iterator raises `LimitError` if a frame is longer than `limit`, after it has yielded the frames before.
        """

    def close(self) -> Frames:
        """Return the last frame, if the body ends without the bytes that should end the frame."""

    def recognises(self, data: bytes) -> bool | None:
        """Return whether a body that begins so is a reply in this framing, whatever its content type says.

        Returns None if more bytes have to tell.
        """

    def forms(self, name: str) -> Iterable[tuple[bytes, bytes]]:
        """Return the forms in which a frame of this name comes: the bytes before it, and those that end it.

        The frame has no line breaks.  Bytes in one of these forms are one frame, if the framing holds nothing back
        behind them.  The first form is the usual one.
        """


def start_of(data: bytes) -> bytes:
    """Return the beginning of a body without a byte order mark and white space, b"" while there may be more of both."""
    start = data.lstrip()
    return b"" if BOM_UTF8.startswith(start) else start.removeprefix(BOM_UTF8).lstrip()


class Lines:
    """Splits bytes into lines that end in LF; a CR before the LF stays in the line.

    A line that is an opening brace or bracket alone begins a JSON value of several lines, as servers write the body of
    an error: these lines are one frame.

    Source: NDJSON 1.0, https://github.com/ndjson/ndjson-spec (August 2026).
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        # The beginning of the next line.  A bytearray, because appending to it copies only the new bytes.
        self._tail = bytearray()
        # The lines so far of a value of several lines, and how many of its braces and brackets are open.
        self._value, self._open = bytearray(), 0

    @property
    def idle(self) -> bool:
        return not (self._tail or self._value)

    def feed(self, data: bytes) -> Frames:
        tail = self._tail
        if _LF not in data:
            tail += data
            if len(tail) > self.limit:
                self._check(tail)
            return ()
        size, lines = len(tail) + len(data), data.split(b"\n")
        if tail:
            lines[0] = bytes(tail + lines[0])
            tail.clear()
        tail += lines.pop()
        if self._value or b"{" in lines or b"[" in lines:
            return self._joined(lines)
        # If all bytes together are within the limit, no line needs to be measured.
        return zip(repeat(""), lines) if size <= self.limit else self._checked(lines)

    def forms(self, name: str) -> Iterable[tuple[bytes, bytes]]:  # noqa: ARG002 - lines have no names
        return ((b"", b"\n"),)

    def close(self) -> Iterator[tuple[str, bytes]]:
        line = bytes(self._value + self._tail)
        self._tail.clear()
        self._value.clear()
        yield "", line

    def _joined(self, lines: list[bytes]) -> Iterator[tuple[str, bytes]]:
        """Yield the lines, those of one JSON value joined."""
        for name, line in self._checked(lines):
            if not self._value and line not in (b"{", b"["):
                yield name, line
                continue
            self._value += line + b"\n"
            self._check(self._value)
            self._open += sum(map(line.count, (b"{", b"["))) - sum(map(line.count, (b"}", b"]")))
            if self._open <= 0:
                value = bytes(self._value)
                self._value.clear()
                self._open = 0
                yield name, value

    def recognises(self, data: bytes) -> bool | None:
        line, found, _ = start_of(data).partition(b"\n")
        if line and not line.startswith(b"{"):
            return False
        # A JSON error of several lines begins with half an object.
        try:
            return not loads(line.decode("utf-8", "replace")).get("error") if found else None
        except (ValueError, RecursionError):
            return False

    def _checked(self, lines: list[bytes]) -> Iterator[tuple[str, bytes]]:
        for line in lines:
            self._check(line)
            yield "", line
        self._check(self._tail)

    def _check(self, line: bytes | bytearray) -> None:
        if len(line) > self.limit:
            raise LimitError(f"a line of the reply is longer than max_frame, {self.limit} bytes")


class ServerSentEvents:
    """Splits bytes into server-sent events: each one's name ("" if it has none) and its lines of data, joined by LF.

    The standard drops lines of other forms.  These are frames:

    - An error that stands between the events as bare JSON, on one line or on many, is an event of the name `error`:
      servers that fail while they stream write the body of their HTTP error so (Gemini does: maximhq/bifrost#5262, July
      2026).
    - So is the value of a field `error`, in which llama.cpp told of its errors until September 2025
      (ggml-org/llama.cpp#16109; coddy-project/coddy-agent#106, August 2026).
    - A whole answer as bare JSON is a frame of the name `WHOLE`.  Relays label such a body as events, and put
      `data: [DONE]` behind it, also without a line break (decolua/9router#1396, #3492, 2026).

    - `limit` bounds the data of an event together with its unfinished line.
    - `flush`: many services omit the blank line behind the last event.  The standard drops such an event; `close` gives
      it out, unless `flush` is false.
    - `last_event_id` is the `id` of the last event that was given out, "" if it has none.
    - `retry` is the number of milliseconds in the last `retry` line, None if there was no such line.

    Source: https://html.spec.whatwg.org/multipage/server-sent-events.html (August 2026).
    """

    def __init__(self, limit: int, *, flush: bool = True) -> None:
        self.limit = limit
        self._flush = flush
        # These bytes are left out if the next read begins with them: at first a byte order mark, later the LF of a CRLF
        # that is split between two reads.
        self._skip = b"\xef\xbb\xbf"
        # The beginning of the next line.
        self._tail = bytearray()
        # The fields of the event so far.  `_data` is None before the first line of data, and becomes a bytearray with
        # the second line.
        self._name = ""
        self._data: bytes | bytearray | None = None
        self._id = self.last_event_id = ""
        self.retry: int | None = None
        # The lines so far of bare JSON, and how many of its braces and brackets are open.
        self._bare, self._open = bytearray(), 0

    @property
    def idle(self) -> bool:
        return self._is_between_events() and not self._tail and not self._skip

    def _is_between_events(self) -> bool:
        return self._data is None and not (self._name or self._bare) and self._id == self.last_event_id

    def feed(self, data: bytes) -> Frames:
        if self._skip:
            data = self._without_skipped(data)
        tail = self._tail
        # The middle of a line.  Without this branch, a line that comes in n pieces would be copied n times.
        if tail and _LF not in data and _CR not in data:
            tail += data
            # Beyond the limit, `_events` raises.
            return self._events(self._take_tail()) if len(tail) + len(self._data or b"") > self.limit else ()
        if tail:
            data = self._take_tail() + data
        return self._blocks(data) if self._is_between_events() and _CR not in data else self._events(data)

    def forms(self, name: str) -> Iterable[tuple[bytes, bytes]]:
        for end in (b"\n", b"\r\n"):
            head = b"event: %b%b" % (name.encode(), end) if name else b""
            yield head + b"data: ", end * 2
            yield head + b"data:", end * 2

    @property
    def half_name(self) -> str:
        """The name of the event that has begun and has no data yet, "" if there is none."""
        field, _, value = bytes(self._tail).partition(b":")
        name = value.decode("utf-8", "replace").strip() if field == b"event" else self._name
        return name if self._data is None else ""

    def close(self) -> Iterator[tuple[str, bytes]]:
        yield from self._events(self._take_tail() + (b"\n\n" if self._flush else b""))

    def recognises(self, data: bytes) -> bool | None:
        start = start_of(data)
        if re.match(_FIELD, start):
            return True
        return None if not start or (len(start) <= _LONGEST_FIELD and start.isalpha()) else False

    def _take_tail(self) -> bytes:
        """Return the beginning of the next line, and hold it back no more."""
        tail = bytes(self._tail)
        self._tail.clear()
        return tail

    def _without_skipped(self, data: bytes) -> bytes:
        """Return the data without the bytes in `_skip`, which may be split between reads themselves."""
        data = self._take_tail() + data
        if len(data) < len(self._skip) and self._skip.startswith(data):
            self._tail += data
            return b""
        data = data.removeprefix(self._skip)
        self._skip = b""
        return data

    def _blocks(self, data: bytes) -> Iterator[tuple[str, bytes]]:
        """Yield the events that `data` completes, which begins between two events and whose lines end in LF.

        The usual event, one line of data behind `event: name` or behind nothing, is taken without a look at its lines:
        of 64 events a read, this halves the time.
        """
        *blocks, rest = data.split(b"\n\n")
        # What the last usual event had before its data, and its name.
        known, size, name = b"data: ", 6, ""
        for block in blocks:
            if block.startswith(known) and len(block) <= self.limit and _LF not in (text := block[size:]):
                yield name, text
                continue
            head, found, text = block.partition(b"data: ")
            is_usual = not head or (head.startswith(b"event: ") and head.find(b"\n") == len(head) - 1)
            if found and is_usual and len(block) <= self.limit and _LF not in text:
                known, size, name = head + found, len(head) + 6, head[7:-1].decode("utf-8", "replace")
                yield name, text
            else:
                yield from self._events(block + b"\n\n")
        if rest:
            yield from self._events(rest)

    def _events(self, data: bytes) -> Iterator[tuple[str, bytes]]:
        """Yield the events that `data` completes, and hold back its last line if no line break ends it."""
        # `bytes.splitlines` splits at LF, CR and CRLF, and nowhere else.
        lines = data.splitlines()
        last = lines.pop() if data and data[-1] not in b"\r\n" else b""
        self._tail += last
        # The CR may be the first half of a CRLF.
        if data.endswith(b"\r"):
            self._skip = b"\n"
        for line in lines:
            # Most events have one line of data: `_field` without the cost of a call.
            if self._data is None and line.startswith(b"data: ") and len(line) <= self.limit:
                self._data = line[6:]
            elif line.startswith(_JSON_LINE) or (self._bare and line and not re.match(_FIELD, line)):
                yield from self._bare_json(line)
            elif line:
                self._field(line)
            else:
                if self._bare:
                    yield from self._bare_json(line)
                self.last_event_id = self._id
                name, held, self._name, self._data = self._name, self._data, "", None
                if held is not None:
                    yield name, bytes(held)
        self._check(self._tail)

    def _bare_json(self, line: bytes) -> Iterator[tuple[str, bytes]]:
        """Take one line of bare JSON.  Yield the JSON if this line ends it, and if it is an error or a whole answer."""
        if not self._bare and not re.match(_JSON, line):
            return
        self._bare += line
        self._open += line.count(b"{") + line.count(b"[") - line.count(b"}") - line.count(b"]")
        # A brace inside a string may keep the JSON open: then a blank line ends it.
        if self._open > 0 and line and len(self._bare) <= self.limit:
            return
        bare = self._bare.decode("utf-8", "replace")
        self._bare, self._open = bytearray(), 0
        with suppress(ValueError, RecursionError, StopIteration):
            value, end = scan_exactly(bare, len(bare) - len(bare.lstrip()))
            rest = bare[end:].strip().encode()
            if rest and not re.match(_FIELD, rest):
                return
            # Gemini's errors are lists of one.
            value = value[0] if isinstance(value, list) and len(value) == 1 else value
            if _is_error(value) or _is_answer(value):
                yield "error" if _is_error(value) else WHOLE, dumps(value).encode()
            if rest:
                self._field(rest)

    def _field(self, line: bytes) -> None:
        """Take one line of an event, `field: value`."""
        self._check(line)
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            held = self._data
            if held is None:
                self._data = value
                return
            if not isinstance(held, bytearray):
                held = self._data = bytearray(held)
            held += b"\n" + value
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")
        elif field == b"error" and self._data is None:
            self._name, self._data = "error", value
        elif field == b"id" and b"\0" not in value:
            self._id = value.decode("utf-8", "replace")
        # `int` raises for thousands of digits.  18 digits of milliseconds are 31 million years.
        elif field == b"retry" and value.isdigit() and len(value) < 19:
            self.retry = int(value)

    def _check(self, line: bytes | bytearray) -> None:
        if len(line) + len(self._data or b"") > self.limit:
            raise LimitError(f"an event of the reply is longer than max_frame, {self.limit} bytes")


def _is_error(value: Any) -> bool:
    """Return whether a value that is no event is the body of an HTTP error.  Cohere's have no field `error`."""
    return isinstance(value, dict) and (
        any(value.get(name) for name in ("error", "errors", "detail"))
        or isinstance(value.get("message"), str)
        or "error" in (value.get("type"), value.get("object"))
    )


def _is_answer(value: Any) -> bool:
    """Return whether a value that is no event may be a whole answer: of Chat, Messages, Responses or Cohere."""
    return isinstance(value, dict) and any(
        isinstance(value.get(name), list | dict) for name in ("choices", "content", "output", "message")
    )


def _name_of(element: bytes) -> str:
    """Return the name of an object that stands alone: `error`, or "" if it reports no error."""
    with suppress(ValueError, RecursionError):
        return "error" if _is_error(loads(element.decode("utf-8", "replace"))) else ""
    return ""


# White space between the elements of a JSON array.
_BLANK = b" \t\r\n"
# The bytes at which `JsonArray` has to decide something; the regular expressions run over all others in C.
# Between the elements of the array, and in an element that is a number or a word: strings, brackets, commas.
_TOP = rb'["{}\[\],]'
# In an element that is an object or array, commas do not matter.
_NESTED = rb'["{}\[\]]'
# In a string: its closing quote, or a run of escapes (`\"` does not close it), or a backslash at the end of a read.  A
# run is one match, so that a text of many escapes takes few steps.  999 bounds the regular expression's memory.
_QUOTED = rb'(?s)"|(?:\\.[^"\\]*){1,999}|\\'


class JsonArray:
    """Splits bytes into the elements of one JSON array (RFC 8259).  An object that stands in no array is one element.

    If such an object is an error, its name is `error`.

    An object is given out at its last brace, a number or a word at the comma or bracket behind it.  White space around
    an element is dropped.  Whether an element is JSON is left to its reader: bytes between two elements that are not a
    comma are given out with the second element.
    """

    # The fast path of `repeats` needs complete frames, but the array's closing bracket is missing up to the end of the
    # body.
    idle = False

    def __init__(self, limit: int) -> None:
        self.limit = limit
        # The beginning of the next element.
        self._tail = bytearray()
        # Whether the array is open.
        self._inside = False
        # How many brackets and braces are open in the element, whether a string is open, and whether the last byte was
        # a backslash in that string.
        self._depth = 0
        self._quoted = False
        self._escaped = False

    def feed(self, data: bytes) -> Iterator[tuple[str, bytes]]:
        # Here, because most replies are no arrays; `re` keeps what it has compiled.
        top, nested, quoted = (re.compile(marks).search for marks in (_TOP, _NESTED, _QUOTED))
        # `begin` is where the element begins in `data`, `end` where it ends, `place` where the search goes on.
        begin, place = 0, 0
        # A backslash ended the last read: the first byte of this read is escaped.
        if self._escaped and data:
            place, self._escaped = 1, False
        while found := (quoted if self._quoted else nested if self._depth else top)(data, place):
            mark, end, place = found.group(), found.end(), found.end()
            complete = False
            if mark == b'"':
                self._quoted = not self._quoted
                complete = not self._quoted and not self._depth
            # A run of escapes, or a backslash that ends this read.
            elif self._quoted:
                self._escaped = mark == b"\\"
            elif mark in b"{[":
                # The first bracket opens the array itself, if nothing stands before it.
                if mark == b"[" and not self._inside and not self._depth and not self._element(data[begin : end - 1]):
                    self._inside, begin = True, place
                else:
                    self._depth += 1
            # A brace or bracket closes, inside the element or at its end.
            elif self._depth:
                self._depth -= 1
                complete = not self._depth
            # A comma ends a number or a word, and so does the bracket that closes the array.
            elif self._inside and mark != b"}":
                self._inside, complete, end = mark == b",", True, end - 1
            if complete:
                element = self._element(data[begin:end])
                self._tail.clear()
                begin = place
                if element:
                    self._check(element)
                    yield "" if self._inside else _name_of(element), element.rstrip(_BLANK)
        rest = data[begin:]
        self._tail += rest if self._tail else rest.lstrip(_BLANK)
        self._check(self._tail)

    def close(self) -> Iterator[tuple[str, bytes]]:
        element = self._element(b"")
        self._tail.clear()
        yield "", element.rstrip(_BLANK)

    def forms(self, name: str) -> Iterable[tuple[bytes, bytes]]:  # noqa: ARG002 - elements have no names
        return ()

    def recognises(self, data: bytes) -> bool | None:
        start = start_of(data)
        # An object alone may be any error in JSON.
        return start.startswith(b"[") if start else None

    def _element(self, rest: bytes) -> bytes:
        """Return the beginning that was held back with the rest of the element, without white space before."""
        return (bytes(self._tail) + rest).lstrip(_BLANK)

    def _check(self, element: bytes | bytearray) -> None:
        if len(element) > self.limit:
            raise LimitError(f"an element of the reply is longer than max_frame, {self.limit} bytes")


class EventsOrArray:
    """Splits bytes into server-sent events or elements of a JSON array, as the first byte that is not blank says."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        # The bytes before the framing is known: a part of a byte order mark.
        self._begun = b""
        self._framing: Framing | None = None

    @property
    def idle(self) -> bool:
        return self._framing is not None and self._framing.idle

    def feed(self, data: bytes) -> Frames:
        if self._framing is not None:
            return self._framing.feed(data)
        self._begun = (self._begun + data).lstrip()
        if not (start := start_of(self._begun)):
            return ()
        self._framing = JsonArray(self.limit) if start.startswith((b"[", b"{")) else ServerSentEvents(self.limit)
        return self._framing.feed(start)

    def forms(self, name: str) -> Iterable[tuple[bytes, bytes]]:
        return self._framing.forms(name) if self._framing is not None else ()

    def close(self) -> Frames:
        return self._framing.close() if self._framing is not None else ()

    def recognises(self, data: bytes) -> bool | None:
        known = ServerSentEvents(self.limit).recognises(data)
        return JsonArray(self.limit).recognises(data) if known is False else known
