"""`Reply`: decodes the body of one response to texts and events, and checks at its end that it is complete.  No I/O.

    reply = Reply(provider.parser(provider.max_frame), head, marked=True, max_ratio=200)
    for item in reply.feed(data): ...      # for each piece of the body, as it came from the socket
    for item in reply.close(): ...         # at the end of the body; raises `TruncatedStreamError` if the reply is cut

If reading the body fails, the reply gets the error before it is closed.  `close` raises this error, unless the answer
is whole: then the failure took nothing from the answer but perhaps its token counts.

    reply.failed = error

It undoes gzip and deflate itself, because httpx inflates the bytes of a read at once, to as much as a thousand times
their size, before anyone can count them.
"""

import enum
import zlib
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from functools import partial
from typing import Final, Literal, NamedTuple, TypeAlias

from ..errors import G4fliteError, LimitError, MalformedReplyError, ProviderError, ReplyError, TruncatedStreamError
from ..events import ChunkParser, Event
from .framing import start_of

# Bytes that the decompressor gives out at a time.
PIECE: Final = 64 * 1024


class Pausing(enum.Enum):
    """`PAUSE` stands between the items of a read that inflates to several pieces: a read may hold 400,000 events.

    The driver looks there whether the stream was closed or its time is over, and in async lets other tasks run.
    """

    PAUSE = "nothing is to be read yet"


PAUSE: Final = Pausing.PAUSE
Item: TypeAlias = str | Event | Literal[Pausing.PAUSE]
# Bytes that may come out before `max_ratio` counts: a short reply may repeat itself much and do no harm.
GRACE: Final = 1024 * 1024
# The content codings that `Inflater` undoes, with zlib's `wbits` for each.
BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
# The content codings that change nothing: "identity" (RFC 9110 12.5.3), and what servers write in its place.
PLAIN: Final = ("", "identity", "none", "utf-8", "utf8")
# Codings that compress and that no request offers.
OTHER_CODINGS: Final = ("br", "zstd", "compress", "x-compress", "dcb", "dcz")
# The first characters of server-sent events ("data", "event", "id", "retry", ":"), a JSON object or a JSON array.
FRAME_BEGINS: Final = ("d", "e", "i", "r", ":", "{", "[")
_Utf8 = getincrementaldecoder("utf-8")


class Head(NamedTuple):
    """The head of a response: its status and headers, and what they say about the body.

    - `headers` finds a name in upper and lower case.
    - `coding` is the compression that `Reply` has to undo; "" if there is none.
    - `open_ended` is true if the body has neither a length nor chunks, so that only the end of the connection ends it.
      Such an end looks like a connection that broke.
    """

    status: int
    headers: Mapping[str, str]
    coding: str = ""
    open_ended: bool = False


class Reply:
    """A `ChunkParser` around the provider's own parser: undoes the compression, and checks the end of the reply.

    If `marked` is true, an end marker completes the reply, and the parser is `done` then; else the clean end of the
    body completes it.  `max_ratio` is how many times its size a compressed body may grow.
    """

    __slots__ = ("_inflater", "_marked", "_open_ended", "_parser", "failed", "feed")

    def __init__(self, parser: ChunkParser, head: Head, *, marked: bool, max_ratio: int) -> None:
        self._parser, self._marked, self._open_ended = parser, marked, head.open_ended
        self._inflater = inflater(head, max_ratio)
        # The error that ended the body, None if the body ended by itself.
        self.failed: G4fliteError | None = None
        self.feed: Callable[[bytes], Iterable[Item]] = (
            parser.feed if self._inflater is None else partial(self._inflated, self._inflater)
        )

    @property
    def done(self) -> bool:
        """Whether the end marker came, if the protocol has one."""
        return self._marked and self._parser.done

    def close(self) -> Iterator[str | Event]:
        """Yield the items that were held back.  Raises `TruncatedStreamError` if the body ended before the reply."""
        if self.done:
            return
        # Taken from the reply, and from this frame in the end: the error's traceback holds both, and such a circle
        # would keep the stream until a garbage collection.
        broken, self.failed = self.failed, None
        # What is wrong with the end of the body.
        failed = broken or self._cut()
        # The parsers of the open protocols know what a finish reason means.  Any other parser is never closed if the
        # body fails, and takes the end of an open-ended body as the end.
        cut_off: Callable[[], Iterable[str | Event]] | None = getattr(self._parser, "cut_off", None)
        try:
            if failed is None or (cut_off is None and broken is None):
                yield from self._parser.close()
            elif cut_off is not None:
                yield from cut_off()
            if not self.done:
                if self._marked and broken is None:
                    raise TruncatedStreamError("the reply ends without its end marker; the text so far is in .partial")
                if failed is not None:
                    raise failed
        except ReplyError as error:
            # The failure tells more than the shape of the frame that it left behind, but less than the service's own
            # words in that frame.
            if broken is None or broken is error or isinstance(error, ProviderError):
                raise
            raise broken from broken.__cause__
        finally:
            del broken, failed

    def _cut(self) -> TruncatedStreamError | None:
        """Return the error of a body whose end may not be the end that the service gave it, None for a certain end."""
        if self._inflater is not None:
            try:
                self._inflater.close()
            except TruncatedStreamError as error:
                return error
        if self._open_ended:
            return TruncatedStreamError(
                "the reply may be cut off: it has neither a length nor chunks, so that its end looks like a lost "
                "connection; the text so far is in .partial"
            )
        return None

    def _inflated(self, inflater: "Inflater | PlainText", data: bytes) -> Iterator[Item]:
        """Yield the items that a piece of the compressed body completes, and `PAUSE` behind each 64 KiB."""
        for number, piece in enumerate(inflater.feed(data)):
            if number:
                yield PAUSE
            yield from self._parser.feed(piece)


def content_coding(headers: Mapping[str, str]) -> str:
    """Return the content coding of a body (RFC 9110 8.4) in lower case, "" if there is none, "a,b" if there are two."""
    codings = headers.get("content-encoding", "").lower().replace(" ", "").split(",")
    return ",".join(coding for coding in codings if coding not in PLAIN)


def limit_offer(headers: MutableMapping[str, str]) -> None:
    """Take out of a request's accept-encoding what `Inflater` does not undo; "identity" stands in if nothing is left.

    A client of httpx also offers br and zstd if their packages are installed.  These packages inflate a read at once,
    33 kB of zstd to 2 GiB, and brotli's takes the half of a body for a whole.
    """
    names = (*BITS, "identity")
    # Without the header, the server may choose any coding (RFC 9110 12.5.3).
    offered = headers.get("accept-encoding", "")
    kept = (coding.strip() for coding in offered.split(",") if coding.partition(";")[0].strip().lower() in names)
    # httpx takes longer to replace a header than to read it.
    if (limited := ", ".join(kept) or "identity") != offered:
        headers["accept-encoding"] = limited


def is_delimited(headers: Mapping[str, str]) -> bool:
    """Return whether something other than the end of the connection ends the body (RFC 9112 6.3).

    If there is a transfer coding, the last must be `chunked`, whatever content-length says.  In `chunked,` it is not:
    aiohttp reads such a body to the end of the connection.
    """
    codings = headers.get("transfer-encoding", "").lower()
    return codings.rpartition(",")[2].strip() == "chunked" if codings else "content-length" in headers


def inflater(head: Head, max_ratio: int) -> "Inflater | PlainText | None":
    """Return the `Inflater` of a body, or None if the body is not compressed.

    Raises `MalformedReplyError` for a coding that no request offers.  A body of an unknown coding may be plain text.
    """
    if head.coding in OTHER_CODINGS or "," in head.coding:
        raise MalformedReplyError(f"the reply is compressed with {head.coding}, which the request did not offer")
    if head.coding and head.coding not in BITS:
        return PlainText(head.coding)
    return Inflater(head.coding, max_ratio) if head.coding else None


class PlainText:
    """Passes a body on if it begins as events or JSON, although its header names an unknown content coding."""

    def __init__(self, coding: str) -> None:
        self._coding = coding
        # The beginning of the body while it holds nothing but blanks and a byte order mark; None from then on.
        self._begun: bytes | None = b""

    def feed(self, data: bytes) -> Iterable[bytes]:
        """Return `data` as it is.  Raises `MalformedReplyError` if the body does not begin as events or JSON."""
        if self._begun is not None and (start := start_of(self._begun + data)):
            self._begun = None
            try:
                text = _Utf8().decode(start[:64])
            except UnicodeDecodeError:
                text = "\0"
            plain = all(char.isprintable() or char in "\t\r\n" for char in text)
            if not plain or not text.startswith(FRAME_BEGINS):
                raise MalformedReplyError(
                    f"the reply is compressed with {self._coding}, which the request did not offer"
                )
        # Without the blanks, which may go on without end.
        elif self._begun is not None:
            self._begun = (self._begun + data).strip()
        return (data,)

    def close(self) -> None:
        """Do nothing: a plain body may end anywhere."""


class Inflater:
    """Undoes gzip or deflate piece by piece, so that a body which inflates without end is stopped in time."""

    def __init__(self, coding: str, ratio: int) -> None:
        self._bits = BITS[coding]
        self._ratio = ratio
        # For deflate, the first byte decides on the decompressor: see `feed`.
        self._zlib = None if coding == "deflate" else zlib.decompressobj(self._bits)
        # How many bytes went in, and how many came out.
        self._in = self._out = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the bytes that `data` inflates to, in pieces of at most 64 KiB.

        Raises `LimitError` if the body has grown more than `ratio` times, and `MalformedReplyError` if the compressed
        data is broken.
        """
        self._in += len(data)
        # Whether the last piece was full, so that zlib may hold back more even if no data is left.
        full = False
        while data or full:
            # Servers send deflate with zlib's header (its first byte ends in 8) or, against RFC 9110 8.4.1.2, without.
            if self._zlib is None:
                self._zlib = zlib.decompressobj(15 if data[0] & 0x0F == 8 else -15)
            # A gzip body may have several members (RFC 1952 2.2), and padding with zeros behind a member.
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
        """Raise `TruncatedStreamError` if the body ended before its compressed data."""
        if self._zlib is not None and not self._zlib.eof:
            raise TruncatedStreamError("the reply ends inside its compressed data; the text so far is in .partial")
