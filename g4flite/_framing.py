"""Framing: bytes to frames.  Push decoders that hold back what is not complete yet, in linear time."""

from collections.abc import Iterator

from ._errors import LimitError


class Lines:
    """Bytes to lines that end in LF (NDJSON, https://github.com/ndjson/ndjson-spec, version 1.0); CR stays in them.

    A line longer than `limit` bytes raises `LimitError`, once the lines before it are out.
    """

    __slots__ = ("_limit", "_tail")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._tail = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The lines that `data` completes, without their LF."""
        lines = data.split(b"\n")
        if len(lines) > 1 and self._tail:
            lines[0] = bytes(self._tail + lines[0])
            self._tail.clear()
        self._tail += lines.pop()
        for line in lines:
            self._check(line)
            yield line
        self._check(self._tail)

    def close(self) -> bytes:
        """The last line, where the reply does not end in LF."""
        line = bytes(self._tail)
        self._tail.clear()
        return line

    def _check(self, line: bytes | bytearray) -> None:
        if len(line) > self._limit:
            raise LimitError(f"a line of the reply is longer than max_frame, {self._limit} bytes")
