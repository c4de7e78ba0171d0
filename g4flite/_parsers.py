"""Chunk parsers: frames to texts."""

import json
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator
from typing import Any

from ._errors import MalformedReplyError, TruncatedStreamError
from ._framing import Lines

_Utf8 = getincrementaldecoder("utf-8")


class TextParser:
    """Raw UTF-8 text.  A character split between chunks comes out whole; bytes that are no UTF-8 become U+FFFD."""

    __slots__ = ("_decoder",)

    def __init__(self, limit: int = 0) -> None:  # noqa: ARG002 - text has no frames to limit
        self._decoder = _Utf8("replace")

    def feed(self, data: bytes) -> tuple[str, ...]:
        text = self._decoder.decode(data)
        return (text,) if text else ()

    def close(self) -> tuple[str, ...]:
        if self._decoder.getstate()[0]:
            raise TruncatedStreamError("the reply ends inside a character")
        return ()


class JsonLinesParser:
    """One JSON value a line (NDJSON); `text_of` finds the text in it.

    `text_of(frame)` returns the text (empty: the frame carries none; no str: the reply is malformed) and raises
    `MalformedReplyError` on a frame that the protocol does not know.  Blank lines are passed over, the last line
    needs no LF, and a surrogate pair split between two frames is joined.
    """

    __slots__ = ("_high", "_lines", "_text_of")

    def __init__(self, text_of: Callable[[Any], object], limit: int) -> None:
        self._text_of = text_of
        self._lines = Lines(limit)
        self._high = ""

    def feed(self, data: bytes) -> Iterator[str]:
        for line in self._lines.feed(data):
            if line and not line.isspace() and (text := self._text(self._frame(line), line)):
                yield text

    def close(self) -> Iterator[str]:
        line = self._lines.close()
        text = ""
        if line and not line.isspace():
            try:
                frame = self._frame(line)
            except MalformedReplyError as error:
                raise TruncatedStreamError(f"the reply ends inside a line of JSON: {excerpt(line)}") from error
            text = self._text(frame, line)
        if text := text + ("\ufffd" if self._high else ""):
            yield text

    @staticmethod
    def _frame(line: bytes) -> Any:
        try:
            return json.loads(line.decode("utf-8", "replace"))
        except (ValueError, RecursionError) as error:
            raise MalformedReplyError(f"a line of the reply is no JSON: {excerpt(line)}") from error

    def _text(self, frame: Any, line: bytes) -> str:
        text = self._text_of(frame)
        if not isinstance(text, str):
            raise MalformedReplyError(f"the text of a line is no string: {excerpt(line)}")
        if self._high and text:
            text, self._high = self._high + text, ""
        return text if text.isascii() else self._whole(text)

    def _whole(self, text: str) -> str:
        """The text with its surrogates joined; a last high one waits for its other half, a lone one is U+FFFD."""
        try:
            text.encode()
        except UnicodeEncodeError:
            if "\ud800" <= text[-1] <= "\udbff":
                text, self._high = text[:-1], text[-1]
            return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return text


def excerpt(data: bytes | str, limit: int = 200) -> str:
    """The beginning of `data` on one line, as it may stand in a message."""
    text = data[: 4 * limit].decode("utf-8", "replace") if isinstance(data, bytes) else data[: 4 * limit]
    text = " ".join(text.split())
    return repr(text if len(text) <= limit else text[:limit] + "...")
