"""Framing: bytes to frames.  Push decoders that hold back what is not complete yet, in linear time."""

from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import Protocol

from ..errors import LimitError
from .array import JsonArray

_LF, _CR = b"\n\r"  # as numbers, for `in`: it finds them four times faster than bytes of one


class Framing(Protocol):
    """A push decoder of frames: the name of each (an SSE event's, else empty) and its bytes.

    `idle` says that nothing is held back, `limit` is the longest frame, in bytes.
    """

    @property
    def idle(self) -> bool: ...
    @property
    def limit(self) -> int: ...
    def feed(self, data: bytes) -> Iterable[tuple[str, bytes]]: ...
    def close(self) -> Iterable[tuple[str, bytes]]: ...


class Lined:
    """Frames of one name and one line each."""

    __slots__ = ("lines", "name")

    def __init__(self, name: str, lines: list[bytes]) -> None:
        self.name, self.lines = name, lines

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        return zip(repeat(self.name), self.lines)


class Lines:
    """Bytes to lines that end in LF (NDJSON, https://github.com/ndjson/ndjson-spec, version 1.0); CR stays in them.

    A line longer than `limit` bytes raises `LimitError`, once the lines before it are out.
    """

    __slots__ = ("_tail", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._tail = bytearray()

    @property
    def idle(self) -> bool:
        """Whether nothing is held back."""
        return not self._tail

    def feed(self, data: bytes) -> Iterable[tuple[str, bytes]]:
        """The lines that `data` completes, without their LF and without a name."""
        tail = self._tail
        if _LF not in data:  # the middle of a line
            tail += data
            if len(tail) > self.limit:
                self._check(tail)
            return ()
        size, lines = len(tail) + len(data), data.split(b"\n")
        if tail:
            lines[0] = bytes(tail + lines[0])
            tail.clear()
        tail += lines.pop()
        return Lined("", lines) if size <= self.limit else self._checked(lines)

    def close(self) -> Iterator[tuple[str, bytes]]:
        """The last line, where the reply does not end in LF."""
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
    """Bytes to server-sent events: their name ("" where they have none) and their data, its lines joined by LF.

    As https://html.spec.whatwg.org/multipage/server-sent-events.html says (2026), but for the last event: services
    omit the blank line that ends it, so `close` gives it out all the same unless `flush` is false.  `last_event_id` is
    the last `id` of an event that is out ("" without one), `retry` the milliseconds of the last `retry` line.
    An event that takes more than `limit` bytes, data and unfinished line, raises `LimitError`, once those before it
    are out.
    """

    __slots__ = ("_between", "_data", "_flush", "_id", "_name", "_skip", "_tail", "last_event_id", "limit", "retry")

    def __init__(self, limit: int, *, flush: bool = True) -> None:
        self.limit = limit
        self._flush = flush
        self._skip = b"\xef\xbb\xbf"  # what is passed over where the next bytes begin with it: a BOM, the LF of a CRLF
        self._tail = bytearray()  # of an unfinished event that no line is read of yet, or of an unfinished line
        self._between = True  # two events: nothing is held back but the tail
        self._name = ""
        self._data: bytes | bytearray | None = None
        self._id = self.last_event_id = ""
        self.retry: int | None = None

    @property
    def idle(self) -> bool:
        """Whether nothing is held back, between two events."""
        return self._between and not self._tail and not self._skip

    def feed(self, data: bytes) -> Iterable[tuple[str, bytes]]:
        """The events that `data` completes, as (name, data)."""
        if self._skip:
            data = self._begin(data)
        tail = self._tail
        if tail and _LF not in data and _CR not in data:  # the middle of a line
            tail += data
            return self._events(self._taken()) if len(tail) + len(self._data or b"") > self.limit else ()
        data = self._taken() + data
        blank = data.rfind(b"\n\n") if _CR not in data and len(data) <= self.limit else -1
        if blank < 0:
            return self._events(data)
        tail += data[blank + 2 :]  # the next event, of however many lines
        data = data[: blank + 2]
        return (lined(data) if self._between else None) or self._events(data)

    def close(self) -> Iterator[tuple[str, bytes]]:
        """The last event, where the reply does not end in a blank line."""
        yield from self._events(self._taken() + (b"\n\n" if self._flush else b""))

    def _taken(self) -> bytes:
        tail = bytes(self._tail)
        self._tail.clear()
        return tail

    def _begin(self, data: bytes) -> bytes:
        data = self._taken() + data
        if len(data) < len(self._skip) and self._skip.startswith(data):
            self._tail += data
            return b""
        data = data.removeprefix(self._skip)
        self._skip = b""
        return data

    def _events(self, data: bytes) -> Iterator[tuple[str, bytes]]:
        lines = data.splitlines()  # of bytes: at LF, CR and CRLF alone
        last = lines.pop() if data and data[-1] not in b"\r\n" else b""
        self._tail += last
        if data.endswith(b"\r"):
            self._skip = b"\n"
        for line in lines:
            if self._data is None and line.startswith(b"data: ") and len(line) <= self.limit:
                self._data = line[6:]  # the usual line, with no call
            elif line:
                self._field(line)
            else:
                self.last_event_id = self._id
                name, held, self._name, self._data = self._name, self._data, "", None
                if held is not None:
                    yield name, bytes(held)
        self._check(self._tail)
        self._between = self._data is None and not self._name and self._id == self.last_event_id

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
        elif field == b"retry" and value.isdigit() and len(value) < 19:  # int() refuses thousands of digits
            self.retry = int(value)

    def _check(self, line: bytes | bytearray) -> None:
        if len(line) + len(self._data or b"") > self.limit:
            raise LimitError(f"an event of the reply is longer than max_frame, {self.limit} bytes")


def lined(data: bytes) -> Lined | None:
    """The events of some bytes, if each is one line of data behind the same name, or behind none."""
    named = data.startswith(b"event: ")
    begins = data[: data.find(b"\ndata: ") + 7] if named else b"data: "
    if not (begins.endswith(b"data: ") and data.startswith(begins)):
        return None
    lines = data[len(begins) : -2].split(b"\n\n" + begins)
    return (
        Lined(begins[7:-7].decode("utf-8", "replace"), lines) if data.count(b"\n") == (2 + named) * len(lines) else None
    )


class Unnamed:
    """The framing of an array, whose elements have no names."""

    __slots__ = ("_framing", "limit")

    def __init__(self, framing: JsonArray) -> None:
        self._framing, self.limit = framing, framing.limit

    @property
    def idle(self) -> bool:
        return self._framing.idle

    def feed(self, data: bytes) -> Iterable[tuple[str, bytes]]:
        return zip(repeat(""), self._framing.feed(data))

    def close(self) -> Iterator[tuple[str, bytes]]:
        yield "", self._framing.close()


class EventsOrArray:
    """Server-sent events or a JSON array, as the first byte that is not blank says."""

    __slots__ = ("_framing", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._framing: Framing | None = None

    @property
    def idle(self) -> bool:
        return self._framing is not None and self._framing.idle

    def feed(self, data: bytes) -> Iterable[tuple[str, bytes]]:
        if self._framing is None and (start := data.lstrip()):
            array = start.startswith((b"[", b"{"))
            self._framing = Unnamed(JsonArray(self.limit)) if array else ServerSentEvents(self.limit)
            return self._framing.feed(start)
        return self._framing.feed(data) if self._framing is not None else ()

    def close(self) -> Iterable[tuple[str, bytes]]:
        return self._framing.close() if self._framing is not None else ()
