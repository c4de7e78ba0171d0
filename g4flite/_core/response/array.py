"""A JSON array that comes in pieces."""

import re
from collections.abc import Iterator

from ..errors import LimitError

_BLANK = b" \t\r\n"
_TOP = re.compile(rb'["{}\[\],]')  # where a JSON array is read on: between its elements and in a number,
_NESTED = re.compile(rb'["{}\[\]]')  # in an object or array of its own, which may hold many commas,
_QUOTED = re.compile(rb'"|(?:\\.[^"\\]*){1,999}|\\', re.DOTALL)  # and in a string, whose escapes come in runs


class JsonArray:
    """Bytes to the elements of one JSON array (RFC 8259), each given out once it is complete: an object at its last
    brace, a number at what follows it.  White space around an element is dropped; an object that stands in no array
    is an element, too.

    Whether an element is JSON is left to whoever reads it: what stands between two elements and is no comma goes out
    with the second.  An element longer than `limit` bytes raises `LimitError`, once those before it are out.
    """

    __slots__ = ("_depth", "_escaped", "_inside", "_quoted", "_tail", "limit")
    idle = False  # there is more to an array than what is held back

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._tail = bytearray()  # of an unfinished element
        self._inside = False  # the array is open
        self._depth = 0  # brackets open inside the element
        self._quoted = False  # a string is open
        self._escaped = False  # and its last byte was a backslash

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The elements that `data` completes."""
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
                    yield element.rstrip(_BLANK)
        rest = data[begin:]
        self._tail += rest if self._tail else rest.lstrip(_BLANK)
        self._check(self._tail)

    def close(self) -> bytes:
        """What came of an element that is cut off, b"" where there is none."""
        element = self._element(b"")
        self._tail.clear()
        return element.rstrip(_BLANK)

    def _element(self, rest: bytes) -> bytes:
        return (bytes(self._tail) + rest).lstrip(_BLANK)

    def _check(self, element: bytes | bytearray) -> None:
        if len(element) > self.limit:
            raise LimitError(f"an element of the reply is longer than max_frame, {self.limit} bytes")
