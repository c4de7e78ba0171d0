"""`Reply`: decodes one response's body, from bytes to texts and events, and says whether its end is an end.  No I/O."""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Final, NamedTuple

from ..errors import LimitError, MalformedReplyError, TruncatedStreamError
from ..events import ChunkParser, Event

# Bytes that come out of the decompressor at a time.
PIECE: Final = 64 * 1024
# Bytes that may come out before the ratio counts: the first kilobytes of JSON repeat themselves more than the rest.
GRACE: Final = 1024 * 1024
# zlib's `wbits` for each content coding that we undo.
BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


class Head(NamedTuple):
    """The head of a response.  `headers` finds a name in any case of letters.

    `coding` is the compression that `Reply` has to undo, "" if there is none or if httpx undoes it (`decoded`).
    `open_ended`: the body ends with the connection, so that its end looks like a cut.
    """

    status: int
    headers: Mapping[str, str]
    coding: str = ""
    open_ended: bool = False
    decoded: bool = False


class Reply:
    """Bytes of one body in, texts and events out: a `ChunkParser` around the provider's own.

    `marked`: an end marker completes the reply, which the parser notes as `done`; else a clean end of the body does.
    `max_ratio` is how many times a compressed body may grow.
    """

    __slots__ = ("_inflater", "_marked", "_open_ended", "_parser", "feed")

    def __init__(self, parser: ChunkParser, head: Head, *, marked: bool, max_ratio: int) -> None:
        self._parser, self._marked, self._open_ended = parser, marked, head.open_ended
        self._inflater = inflater(head, max_ratio)
        self.feed: Callable[[bytes], Iterable[str | Event]] = (
            parser.feed if self._inflater is None else partial(self._inflated, self._inflater)
        )

    @property
    def done(self) -> bool:
        """Whether the end marker came, if the protocol has one."""
        return self._marked and self._parser.done

    def close(self) -> Iterator[str | Event]:
        """Yield what was held back.  Raises `TruncatedStreamError` if the body has ended and the reply has not."""
        if not self.done:
            yield from self._parser.close()
        if self.done:
            return
        if self._marked:
            raise TruncatedStreamError("the reply ends without its end marker; what came is in .partial")
        if self._inflater is not None:
            self._inflater.close()
        if self._open_ended:
            raise TruncatedStreamError(
                "the reply has neither a length nor chunks, so that its end cannot be told from a cut; "
                "what came is in .partial"
            )

    def _inflated(self, inflater: "Inflater", data: bytes) -> Iterator[str | Event]:
        for piece in inflater.feed(data):
            yield from self._parser.feed(piece)


def content_coding(headers: Mapping[str, str]) -> str:
    """Return the content coding of a body, "" if there is none (RFC 9110 8.4)."""
    codings = headers.get("content-encoding", "").lower().replace(" ", "").split(",")
    return ",".join(coding for coding in codings if coding not in ("", "identity"))


def inflater(head: Head, max_ratio: int) -> "Inflater | None":
    """Return what undoes the body's compression, None if there is none.

    Raises `MalformedReplyError` for a coding that nobody asked for.
    """
    if head.coding and head.coding not in BITS:
        raise MalformedReplyError(f"the reply is compressed with {head.coding}, which nobody asked for")
    return Inflater(head.coding, max_ratio) if head.coding else None


class Inflater:
    """Undoes gzip or deflate piece by piece, so that a body that inflates without end is noticed in time."""

    __slots__ = ("_bits", "_in", "_out", "_ratio", "_zlib")

    def __init__(self, coding: str, ratio: int) -> None:
        self._bits = BITS[coding]
        self._ratio = ratio
        self._zlib = None if coding == "deflate" else zlib.decompressobj(self._bits)
        self._in = self._out = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what `data` inflates to, in pieces of at most 64 KiB.

        Raises `LimitError` if the body has grown more than `ratio` times, `MalformedReplyError` if it is broken.
        """
        self._in += len(data)
        full = False
        while data or full:
            # Deflate comes with zlib's header, or (against RFC 9110 8.4.1.2) without.
            if self._zlib is None:
                self._zlib = zlib.decompressobj(15 if data[0] & 0x0F == 8 else -15)
            # Gzip may have several members (RFC 1952 2.2), and padding behind them.
            elif self._zlib.eof and data:
                if not (data := data.lstrip(b"\0")):
                    break
                self._zlib = zlib.decompressobj(self._bits)
            try:
                piece = self._zlib.decompress(data, PIECE)
            except zlib.error as error:
                raise MalformedReplyError(f"the reply's compression is broken: {error}") from error
            full = len(piece) == PIECE
            data = self._zlib.unconsumed_tail or self._zlib.unused_data
            self._out += len(piece)
            if self._out > GRACE and self._out > self._in * self._ratio:
                raise LimitError(f"the reply inflates to more than max_ratio, {self._ratio} times its size")
            if piece:
                yield piece

    def close(self) -> None:
        """Raise `TruncatedStreamError` if the compressed data has no end."""
        if self._zlib is not None and not self._zlib.eof:
            raise TruncatedStreamError("the reply ends inside its compressed data; what came is in .partial")
