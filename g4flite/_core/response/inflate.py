"""Compressed replies: gzip and deflate, undone piece by piece and never further than a limit."""

import zlib
from collections.abc import Iterator, Mapping
from typing import Final

from ..errors import LimitError, MalformedReplyError, TruncatedStreamError

PIECE: Final = 64 * 1024  # bytes that come out at a time
GRACE: Final = 1024 * 1024  # bytes that may come out before the ratio counts
BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}  # zlib's wbits


def encoding(headers: Mapping[str, str]) -> str:
    """The content coding of a reply, empty where there is none (RFC 9110 8.4)."""
    codings = headers.get("content-encoding", "").lower().replace(" ", "").split(",")
    return ",".join(coding for coding in codings if coding not in ("", "identity"))


class Inflater:
    """A push decoder for one body; raises `LimitError` where it grows more than `ratio` times."""

    __slots__ = ("_bits", "_in", "_out", "_ratio", "_zlib")

    def __init__(self, coding: str, ratio: int) -> None:
        self._bits = BITS[coding]
        self._ratio = ratio
        self._zlib = None if coding == "deflate" else zlib.decompressobj(self._bits)
        self._in = self._out = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What `data` inflates to, in pieces of at most 64 KiB."""
        self._in += len(data)
        full = False
        while data or full:
            if self._zlib is None:  # deflate comes with zlib's header, or (against RFC 9110 8.4.1.2) without
                self._zlib = zlib.decompressobj(15 if data[0] & 0x0F == 8 else -15)
            elif self._zlib.eof and data:  # gzip may have several members (RFC 1952 2.2), and padding behind them
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
        """Raises `TruncatedStreamError` where the compressed data has no end."""
        if self._zlib is not None and not self._zlib.eof:
            raise TruncatedStreamError("the reply ends inside its compressed data; what came is in .partial")
