"""Framing: bytes to frames.  Push decoders that hold back what is not complete yet, in linear time."""

from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import Protocol

from ._array import JsonArray
from ._errors import LimitError

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

    def feed(self, data: bytes) -> Iterable[bytes]:
        """The lines that `data` completes, without their LF."""
        if _LF not in data:  # the middle of a line
            self._tail += data
            if len(self._tail) > self.limit:
                self._check(self._tail)
            return ()
        size = len(self._tail) + len(data)
        lines = data.split(b"\n")
        if len(lines) > 1 and self._tail:
            lines[0] = bytes(self._tail + lines[0])
            self._tail.clear()
        self._tail += lines.pop()
        return lines if size <= self.limit else self._checked(lines)

    def close(self) -> bytes:
        """The last line, where the reply does not end in LF."""
        line = bytes(self._tail)
        self._tail.clear()
        return line

    def _checked(self, lines: list[bytes]) -> Iterator[bytes]:
        for line in lines:
            self._check(line)
            yield line
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

    __slots__ = ("_data", "_flush", "_id", "_idle", "_name", "_skip", "_tail", "last_event_id", "limit", "retry")

    def __init__(self, limit: int, *, flush: bool = True) -> None:
        self.limit = limit
        self._flush = flush
        self._skip = b"\xef\xbb\xbf"  # what is passed over where the next bytes begin with it: a BOM, the LF of a CRLF
        self._tail = bytearray()  # of an unfinished line
        self._idle = True  # between two events
        self._name = ""
        self._data: bytes | bytearray | None = None
        self._id = self.last_event_id = ""
        self.retry: int | None = None

    @property
    def idle(self) -> bool:
        """Whether nothing is held back, between two events."""
        return self._idle and not self._skip

    def feed(self, data: bytes) -> Iterable[tuple[str, bytes]]:
        """The events that `data` completes, as (name, data)."""
        if self._skip:
            data = self._begin(data)
        tail = self._tail
        if tail and _LF not in data and _CR not in data:  # the middle of a line
            tail += data
            if self._data is not None or len(tail) > self.limit:
                self._check(tail)
            return ()
        if self._idle and data.endswith(b"\n\n") and len(data) <= self.limit and _CR not in data:  # whole events,
            if data.startswith(b"data: "):
                texts = data[6:-2].split(b"\n\ndata: ")
                if data.count(b"\n") == 2 * len(texts):  # of one line each,
                    return zip(repeat(""), texts)
            elif data.startswith(b"event: "):  # or of two
                return self._named(data[7:-2].split(b"\n\nevent: "))
        return self._events(data)

    def _named(self, events: list[bytes]) -> Iterator[tuple[str, bytes]]:
        """Events of a name and one line of data each, most of them."""
        last, said = b"", ""
        for event in events:
            name, _, text = event.partition(b"\ndata: ")
            if name != last:
                last, said = name, name.decode("utf-8", "replace")
            if not text or _LF in text or _LF in name:
                yield from self._events(b"event: " + event + b"\n\n")
            else:
                yield said, text

    def close(self) -> Iterator[tuple[str, bytes]]:
        """The last event, where the reply does not end in a blank line."""
        if self._flush:
            yield from self._events(b"\n\n")

    def _begin(self, data: bytes) -> bytes:
        data = bytes(self._tail) + data
        self._tail.clear()
        if len(data) < len(self._skip) and self._skip.startswith(data):
            self._tail += data
            return b""
        data = data.removeprefix(self._skip)
        self._skip = b""
        return data

    def _events(self, data: bytes) -> Iterator[tuple[str, bytes]]:
        self._idle = False
        lines = data.splitlines()  # of bytes: at LF, CR and CRLF alone
        last = lines.pop() if data and data[-1] not in b"\r\n" else b""
        if lines and self._tail:
            lines[0] = bytes(self._tail + lines[0])
            self._tail.clear()
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
        self._idle = not self._tail and self._data is None and not self._name and self._id == self.last_event_id

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


class Unnamed:
    """A framing without names."""

    __slots__ = ("_framing", "limit")

    def __init__(self, framing: Lines | JsonArray) -> None:
        self._framing, self.limit = framing, framing.limit

    @property
    def idle(self) -> bool:
        return self._framing.idle

    def feed(self, data: bytes) -> Iterable[tuple[str, bytes]]:
        frames = self._framing.feed(data)
        return zip(repeat(""), frames) if frames else ()

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
        return self._framing.feed(data) if self._framing is not None else ()

    def close(self) -> Iterable[tuple[str, bytes]]:
        return self._framing.close() if self._framing is not None else ()
