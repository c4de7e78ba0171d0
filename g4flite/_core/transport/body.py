"""The body of a response over HTTP/1.1, decoded past h11: straight off httpcore's network stream.

*Why.*  An answer is a stream of small HTTP chunks, all alike: a size, some bytes, a line end.  Of the instructions that
such a chunk takes over httpx (110,000), three quarters are those of h11, which checks its states for each event, and of
the generators between h11 and httpx.

    for data in past_h11(response): ...                 # in the place of `response.body`
    async for data in past_h11_async(response): ...
    for data in past_h11(response, tap): ...            # a flight recorder notes each piece

*What is decoded here.*  h11 has read the head, and knows which kind of body comes.  Chunks without extensions, whole or
in parts, are decoded here, and all but the last read of a body whose length is known.  The bytes of one read come out
as one piece.

*What happens on anything else.*  At the end of the body, a trailer, an extension, a size that is no number, a wrong
line end, or the end of the connection, h11's reader is set to this place of the body, h11 gets the bytes from there on,
and the rest of the body is read from `response.body`.  So h11 alone judges what is wrong and whether the message is
complete, and httpcore alone closes the connection or returns it to its pool.  If all that is left is the last chunk,
h11 is asked here, and not through the generators of httpx and httpcore, which have nothing more to say.  If a layer of
the response is neither httpx's nor httpcore's own, or h11 does not look like version 0.16, the whole body is read from
`response.body`.
"""

import re
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final, NamedTuple

from ..hooks import Tap

# Bytes of one read, as in httpcore.
SIZE: Final = 65536
# The line before a chunk that is not the last one, and the beginning of such a line.  Chunks of 256 MB and more are
# left to h11.
LINE: Final = re.compile(rb"(?!0+\r)([0-9A-Fa-f]{1,7})\r\n").match
BEGINNING: Final = re.compile(rb"[0-9A-Fa-f]{1,7}\r?").fullmatch
LINE_END: Final = b"\r\n"
# Each layer of a response has the next one as one of these attributes: httpx's response, the streams of httpx, the
# streams of httpcore, the connection.
INNER: Final = ("stream", "_httpcore_stream", "_stream", "_connection")
FAMILIES: Final = ("httpx", "httpcore", "httpx2", "httpcore2")
# The last chunk, without trailers.
LAST: Final = b"0\r\n\r\n"
# The attributes of h11's readers: of a chunked body, before its first byte, and of a body whose length is known.
FRESH: Final = {"_bytes_in_chunk": 0, "_bytes_to_discard": b"", "_reading_trailer": False}
KNOWN: Final = {"_length", "_remaining"}


class Chunked:
    """Decodes a chunked body.  `over` is true once h11 has the rest; `first` are the bytes that came with the head."""

    __slots__ = ("_beginning", "_due", "_h11", "_is_last", "first", "over")

    def __init__(self, h11: Any, first: bytes) -> None:
        self.over, self.first = False, first
        self._h11 = h11
        # Whether h11 has the last chunk alone.
        self._is_last = False
        # How many bytes are to come of the chunk under way, its line end included.  Between two chunks this is 0, and
        # the beginning of the next chunk's line may have come.
        self._due, self._beginning = 0, b""

    def feed(self, data: bytes) -> bytes:
        """Return the bytes of the body in the next bytes of the connection, which are b"" at its end."""
        at, due = 0, self._due
        # Most reads are one whole chunk.
        if not due and not self._beginning and (line := LINE(data)):
            start, stop = line.end(), len(data) - 2
            if stop - start == int(line[1], 16) and data.endswith(LINE_END):
                return data[start:stop]
        self.over = is_end = not data
        data = self._beginning + data
        parts: list[bytes] = []
        while at < len(data):
            start, left = at, due
            if not left:
                line = LINE(data, at)
                if line is None:
                    self.over = self.over or not BEGINNING(data, at)
                    break
                start, left = line.end(), int(line[1], 16) + 2
            end = start + left
            stop = max(end - 2, start)
            if not LINE_END[-left:].startswith(data[stop:end]):
                self.over = True
                break
            parts.append(data[start:stop])
            at, due = end, max(end - len(data), 0)
        self._due, self._beginning = due, data[at:]
        if self.over:
            self._h11._reader._bytes_in_chunk = max(due - 2, 0)
            self._h11._reader._bytes_to_discard = LINE_END[-due:] if 0 < due <= 2 else b""
            self._h11.receive_data(self._beginning)
            self._is_last = not due and self._beginning == LAST
            if is_end:
                self._h11.receive_data(b"")
        return b"".join(parts)

    def ended(self) -> bool:
        """Return whether nothing of the body is left.  h11 has then taken the end of the message, which it does once.

        Only then is the rest of the body not read from httpx.
        """
        is_last, self._is_last = self._is_last, False
        if is_last:
            self._h11.next_event()
        return is_last


class Known:
    """Decodes a body whose length is known.  `over` is true once h11 has the rest; `first` is as for `Chunked`."""

    def __init__(self, h11: Any, first: bytes) -> None:
        self.over, self.first = False, first
        self._h11 = h11

    def feed(self, data: bytes) -> bytes:
        """Return the bytes of the body in the next bytes of the connection, which are b"" at its end."""
        reader = self._h11._reader
        if 0 < len(data) < reader._remaining:
            reader._remaining -= len(data)
            return data
        self.over = True
        self._h11.receive_data(data)
        return b""

    def ended(self) -> bool:
        """Return False: h11 has the last bytes of the body."""
        return False


class Source(NamedTuple):
    """Where the bytes of a body come from, and who decodes them."""

    decoder: Chunked | Known
    # httpcore's network stream, the timeout of a read, and the exceptions of a read that fails.
    network: Any
    timeout: Any
    failures: tuple[type[Exception], ...]
    # The package that has the exceptions of the same names for the caller: httpx or httpx2.
    family: Any

    def translated(self, error: Exception) -> Exception:
        """Return httpx's exception for httpcore's, as httpx makes it."""
        made: Exception = getattr(self.family, type(error).__name__)(str(error))
        made.__cause__ = error
        return made


def past_h11(response: Any, tap: Tap | None = None) -> Iterator[bytes]:
    """Return an iterator of the body of a `Response` in sync, of which nothing was read; `tap` notes each piece."""
    source = source_of(response.raw)
    body: Iterator[bytes] = response.body if tap is None else tapped(response.body, tap)
    return body if source is None else read(source, body, tap)


def past_h11_async(response: Any, tap: Tap | None = None) -> AsyncIterator[bytes]:
    """Do the same as `past_h11`, in async."""
    source = source_of(response.raw)
    if source is not None:
        return AsyncBody(source, response.body, tap)
    return response.body if tap is None else AsyncTapped(response.body, tap)


def read(source: Source, rest: Iterator[bytes], tap: Tap | None) -> Iterator[bytes]:
    """Yield the bytes of a body in sync.  Raises httpx's exceptions and the timers' errors."""
    decoder, network, timeout, failures, _ = source
    # The decoder gives them up: the first bytes may be many, and the stream may last long.
    data, decoder.first = decoder.first, b""
    feed = decoder.feed if tap is None else tap.through(decoder.feed, SIZE)
    try:
        if data:
            yield feed(data)
        while not decoder.over:
            try:
                data = network.read(SIZE, timeout)
            except failures as error:
                raise source.translated(error) from error
            yield feed(data)
    except BaseException as error:
        if tap is not None:
            tap.stop(error)
        raise
    if not decoder.ended():
        yield from rest
    elif tap is not None:
        tap.stop(StopIteration())


class AsyncBody:
    """Does the same as `read`, in async.  No generator: trio and asyncio watch each one that is left suspended."""

    __slots__ = ("_discard", "_feed", "_rest", "_source", "_tap")

    def __init__(self, source: Source, rest: Any, tap: Tap | None) -> None:
        self._source, self._tap = source, tap
        self._rest, self._discard = rest if tap is None else AsyncTapped(rest, tap), getattr(rest, "aclose", None)
        self._feed = source.decoder.feed if tap is None else tap.through(source.decoder.feed, SIZE)

    def __aiter__(self) -> "AsyncBody":
        return self

    async def __anext__(self) -> bytes:
        decoder, network, timeout, failures, _ = source = self._source
        if decoder.over:
            if self._discard is not None and decoder.ended():
                # Else the closing of the response would read on in the rest of the body, and take the bytes of the next
                # response.
                await self._discard()
            return await anext(self._rest)
        data, decoder.first = decoder.first, b""
        if not data:
            try:
                data = await network.read(SIZE, timeout)
            except BaseException as error:
                raised = source.translated(error) if isinstance(error, failures) else error
                # A wrapper in the place of this would be a coroutine more for each piece.
                if self._tap is not None:
                    self._tap.stop(raised)
                raise raised from raised.__cause__
        return self._feed(data)


def tapped(body: Iterator[bytes], tap: Tap) -> Iterator[bytes]:
    """Yield the pieces of a body that is not decoded here, and let the tap keep each."""
    try:
        for piece in body:
            tap.keep(piece)
            yield piece
    except BaseException as error:
        tap.stop(error)
        raise
    tap.stop(StopIteration())


class AsyncTapped:
    """Does the same as `tapped`, in async.  No generator: see `AsyncBody`."""

    def __init__(self, body: AsyncIterator[bytes], tap: Tap) -> None:
        self._body, self._tap = body, tap

    def __aiter__(self) -> "AsyncTapped":
        return self

    async def __anext__(self) -> bytes:
        try:
            piece = await anext(self._body)
        except BaseException as error:
            self._tap.stop(error)
            raise
        self._tap.keep(piece)
        return piece


def source_of(response: Any) -> Source | None:
    """Return where the body comes from, and take the bytes that h11 holds of it; None if h11 has to decode it."""
    layer = response
    before: Any = None
    while (home := package(layer)) in FAMILIES and not hasattr(layer, "_h11_state"):
        before, layer = layer, inner(layer)
    if home not in FAMILIES:
        return None
    try:
        h11, network, timeout = layer._h11_state, layer._network_stream, before._request.extensions["timeout"]["read"]
        # A hook of the caller's client has read or closed the response; or the timers do not bound the reads.
        if response.is_stream_consumed or response.is_closed or not network.asks_timers:
            return None
        state, buffer, core = vars(h11._reader), h11._receive_buffer, sys.modules[home]
        kind: type[Chunked | Known]
        if state == FRESH:
            kind = Chunked
        elif state.keys() == KNOWN and state["_remaining"]:
            kind = Known
        else:
            return None
        failures = core.NetworkError, core.TimeoutException
        family = sys.modules[package(response)]
        decoder = kind(h11, bytes(buffer.maybe_extract_at_most(len(buffer)) or b""))
    # Another version of h11 or httpcore, a network stream without timers, or a message without a body, for which h11
    # has no such reader.
    except (AttributeError, KeyError, TypeError):
        return None
    return Source(decoder, network, timeout, failures, family)


def inner(layer: object) -> Any:
    """Return the next layer of a response, None if there is none."""
    for name in INNER:
        if (found := getattr(layer, name, None)) is not None:
            return found
    return None


def package(thing: object) -> str:
    """Return the name of the package that has the class of a thing."""
    return type(thing).__module__.partition(".")[0]
