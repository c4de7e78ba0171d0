"""Framing: bytes to frames.  Push decoders that hold back what is not complete yet, in linear time.

    framing = ServerSentEvents(limit=2**20)
    list(framing.feed(b"data: {}\\n"))     # []: a blank line ends an event
    list(framing.feed(b"\\n"))             # [("", b"{}")]
    list(framing.close())                 # []: nothing was held back

Each decoder yields pairs of a frame's name (that of a server-sent event, else "") and its bytes.  All of them split
bytes at LF and CR only, before any text is decoded: U+2028 and the like end a line of text, but not a line of a wire.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import Protocol, TypeAlias

from ..errors import LimitError

Frames: TypeAlias = Iterable[tuple[str, bytes]]

# As numbers: `in` finds a number in bytes four times faster than it finds bytes of length one.
_LF, _CR = b"\n\r"


class Framing(Protocol):
    """A push decoder of frames.  `limit` is the length of the longest frame that is accepted, in bytes."""

    @property
    def limit(self) -> int: ...
    @property
    def idle(self) -> bool:
        """Whether nothing is held back."""

    def feed(self, data: bytes) -> Frames:
        """Return the frames that `data` completes.  Raises `LimitError`, once the frames before it are out."""

    def close(self) -> Frames:
        """Return the last frame, if the body ends without what should end the frame."""


class Lines:
    """Bytes to lines that end in LF (NDJSON, https://github.com/ndjson/ndjson-spec, version 1.0); CR stays in them."""

    __slots__ = ("_tail", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        # The beginning of a line.  Appending to a bytearray keeps a long line that comes in pieces linear.
        self._tail = bytearray()

    @property
    def idle(self) -> bool:
        return not self._tail

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
        return zip(repeat(""), lines) if size <= self.limit else self._checked(lines)

    def close(self) -> Iterator[tuple[str, bytes]]:
        line = bytes(self._tail)
        self._tail.clear()
        yield "", line

    def _checked(self, lines: list[bytes]) -> Iterator[tuple[str, bytes]]:
        for line in lines:
            self._check(line)
            yield "", line
        self._check(self._tail)

    def _check(self, line: bytes | bytearray) -> None:
        if len(line) > self.limit:
            raise LimitError(f"a line of the reply is longer than max_frame, {self.limit} bytes")


class ServerSentEvents:
    """Bytes to server-sent events: their name ("" if they have none) and their data, its lines joined by LF.

    As https://html.spec.whatwg.org/multipage/server-sent-events.html says (2026), with one exception: services omit the
    blank line after the last event, so `close` gives this event out all the same, unless `flush` is false.
    `last_event_id` is the `id` of the last event that is out ("" without one), `retry` the milliseconds of the last
    `retry` line.  `limit` counts the data of an event and its unfinished line.
    """

    __slots__ = ("_data", "_flush", "_id", "_name", "_skip", "_tail", "last_event_id", "limit", "retry")

    def __init__(self, limit: int, *, flush: bool = True) -> None:
        self.limit = limit
        self._flush = flush
        # Passed over if the next bytes begin with it: a byte order mark, or the LF of a CRLF that was split.
        self._skip = b"\xef\xbb\xbf"
        # The beginning of a line.
        self._tail = bytearray()
        # The fields of the event so far; `_data` is None until its first line of data.
        self._name = ""
        self._data: bytes | bytearray | None = None
        self._id = self.last_event_id = ""
        self.retry: int | None = None

    @property
    def idle(self) -> bool:
        return self._is_between_events() and not self._tail and not self._skip

    def _is_between_events(self) -> bool:
        return self._data is None and not self._name and self._id == self.last_event_id

    def feed(self, data: bytes) -> Frames:
        if self._skip:
            data = self._without_skipped(data)
        tail = self._tail
        # The middle of a line.  Without this branch a line in n pieces would be copied n times.
        if tail and _LF not in data and _CR not in data:
            tail += data
            return self._events(self._taken()) if len(tail) + len(self._data or b"") > self.limit else ()
        data = self._taken() + data
        return self._blocks(data) if self._is_between_events() and _CR not in data else self._events(data)

    def close(self) -> Iterator[tuple[str, bytes]]:
        yield from self._events(self._taken() + (b"\n\n" if self._flush else b""))

    def _taken(self) -> bytes:
        tail = bytes(self._tail)
        self._tail.clear()
        return tail

    def _without_skipped(self, data: bytes) -> bytes:
        data = self._taken() + data
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
        known, name = b"", ""
        for block in blocks:
            head, found, text = block.partition(b"data: ")
            if found and _LF not in text and len(block) <= self.limit:
                if head == known:
                    yield name, text
                    continue
                if head.startswith(b"event: ") and head.find(b"\n") == len(head) - 1:
                    known, name = head, head[7:-1].decode("utf-8", "replace")
                    yield name, text
                    continue
            yield from self._events(block + b"\n\n")
        yield from self._events(rest)

    def _events(self, data: bytes) -> Iterator[tuple[str, bytes]]:
        # `splitlines` of bytes splits at LF, CR and CRLF, and nowhere else.
        lines = data.splitlines()
        last = lines.pop() if data and data[-1] not in b"\r\n" else b""
        self._tail += last
        if data.endswith(b"\r"):
            self._skip = b"\n"
        for line in lines:
            # The usual line: one field `data`, without a call.
            if self._data is None and line.startswith(b"data: ") and len(line) <= self.limit:
                self._data = line[6:]
            elif line:
                self._field(line)
            else:
                self.last_event_id = self._id
                name, held, self._name, self._data = self._name, self._data, "", None
                if held is not None:
                    yield name, bytes(held)
        self._check(self._tail)

    def _field(self, line: bytes) -> None:
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
        elif field == b"id" and b"\0" not in value:
            self._id = value.decode("utf-8", "replace")
        # int() refuses thousands of digits; 18 of them are 31 million years.
        elif field == b"retry" and value.isdigit() and len(value) < 19:
            self.retry = int(value)

    def _check(self, line: bytes | bytearray) -> None:
        if len(line) + len(self._data or b"") > self.limit:
            raise LimitError(f"an event of the reply is longer than max_frame, {self.limit} bytes")


_BLANK = b" \t\r\n"
# Where the reading of a JSON array goes on: between its elements and in a number, ...
_TOP = re.compile(rb'["{}\[\],]')
# ... in an object or array inside it, which may hold many commas, ...
_NESTED = re.compile(rb'["{}\[\]]')
# ... and in a string, whose escapes may come in long runs.
_QUOTED = re.compile(rb'"|(?:\\.[^"\\]*){1,999}|\\', re.DOTALL)


class JsonArray:
    """Bytes to the elements of one JSON array (RFC 8259): an object is out at its last brace, a number at what follows.

    White space around an element is dropped; an object that stands in no array is an element, too.  Whether an element
    is JSON is left to its reader: what stands between two elements and is no comma goes out with the second.
    """

    __slots__ = ("_depth", "_escaped", "_inside", "_quoted", "_tail", "limit")
    # The closing bracket of the array is never out, so that something is always held back.
    idle = False

    def __init__(self, limit: int) -> None:
        self.limit = limit
        # The beginning of an element.
        self._tail = bytearray()
        # Whether the array is open, how many brackets are open in the element, whether a string is open in it, and
        # whether the last byte of that string was a backslash.
        self._inside = False
        self._depth = 0
        self._quoted = False
        self._escaped = False

    def feed(self, data: bytes) -> Iterator[tuple[str, bytes]]:
        begin, place = 0, 0
        if self._escaped and data:
            place, self._escaped = 1, False
        while found := (_QUOTED if self._quoted else _NESTED if self._depth else _TOP).search(data, place):
            mark, end, place = found.group(), found.end(), found.end()
            complete = False
            if mark == b'"':
                self._quoted = not self._quoted
                complete = not self._quoted and not self._depth
            elif self._quoted:
                self._escaped = mark == b"\\"
            elif mark in b"{[":
                if mark == b"[" and not self._inside and not self._depth and not self._element(data[begin : end - 1]):
                    self._inside, begin = True, place
                else:
                    self._depth += 1
            elif self._depth:
                self._depth -= 1
                complete = not self._depth
            elif self._inside and mark != b"}":
                self._inside, complete, end = mark == b",", True, end - 1
            if complete:
                element = self._element(data[begin:end])
                self._tail.clear()
                begin = place
                if element:
                    self._check(element)
                    yield "", element.rstrip(_BLANK)
        rest = data[begin:]
        self._tail += rest if self._tail else rest.lstrip(_BLANK)
        self._check(self._tail)

    def close(self) -> Iterator[tuple[str, bytes]]:
        element = self._element(b"")
        self._tail.clear()
        yield "", element.rstrip(_BLANK)

    def _element(self, rest: bytes) -> bytes:
        return (bytes(self._tail) + rest).lstrip(_BLANK)

    def _check(self, element: bytes | bytearray) -> None:
        if len(element) > self.limit:
            raise LimitError(f"an element of the reply is longer than max_frame, {self.limit} bytes")


class EventsOrArray:
    """Server-sent events or a JSON array: the first byte that is not blank decides."""

    __slots__ = ("_framing", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._framing: Framing | None = None

    @property
    def idle(self) -> bool:
        return self._framing is not None and self._framing.idle

    def feed(self, data: bytes) -> Frames:
        if self._framing is None and (start := data.lstrip()):
            self._framing = JsonArray(self.limit) if start.startswith((b"[", b"{")) else ServerSentEvents(self.limit)
            return self._framing.feed(start)
        return self._framing.feed(data) if self._framing is not None else ()

    def close(self) -> Frames:
        return self._framing.close() if self._framing is not None else ()
