"""Chunk parsers: frames to texts."""

import json
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator
from typing import Any

from ._errors import MalformedReplyError, TruncatedStreamError
from ._framing import Lines
from ._reports import excerpt, reported

HELD = 16 * 1024  # characters
_Utf8 = getincrementaldecoder("utf-8")


class TextParser:
    """Raw UTF-8 text.  A character split between chunks comes out whole; bytes that are no UTF-8 become U+FFFD.

    A reply that is one JSON object with an `error`, from its first character to its last, is that error: as long as it
    begins like one, up to `HELD` characters, it is held back.
    """

    __slots__ = ("_decoder", "_held")
    done = False

    def __init__(self, limit: int = 0) -> None:  # noqa: ARG002 - text has no frames to limit
        self._decoder = _Utf8("replace")
        self._held: str | None = ""

    def feed(self, data: bytes) -> tuple[str, ...]:
        text = self._decoder.decode(data)
        if self._held is not None:
            text, self._held = self._held + text, None
            start = "".join(text.lstrip()[:64].split())[:8]
            if len(text) < HELD and '{"error"'.startswith(start):
                text, self._held = "", text
        return (text,) if text else ()

    def close(self) -> Iterator[str]:
        if self._held:
            if error := reported(self._held):
                raise error
            yield self._held
        if self._decoder.getstate()[0]:
            raise TruncatedStreamError("the reply ends inside a character; what came is in .partial")


class JsonLinesParser:
    """One JSON object a line (NDJSON); `text_of` finds the text in it.

    `text_of(frame)` returns the text (empty: the frame carries none; no str: the reply is malformed) and raises the
    error that a frame means.  `ends(frame)` says of a frame whether it is the end marker, where the protocol has one.
    Blank lines are passed over, the last line needs no LF, and a surrogate pair split between two frames is joined.
    """

    __slots__ = ("_ends", "_high", "_lines", "_text_of", "done")

    def __init__(
        self,
        text_of: Callable[[dict[str, Any]], object],
        limit: int,
        *,
        ends: Callable[[dict[str, Any]], bool] | None = None,
    ) -> None:
        self._text_of = text_of
        self._ends = ends
        self._lines = Lines(limit)
        self._high = ""
        self.done = False

    def feed(self, data: bytes) -> Iterator[str]:
        for line in self._lines.feed(data):
            if self.done:
                return  # whatever follows the end marker
            if line and not line.isspace() and (text := self._text(self._frame(line), line)):
                yield text

    def close(self) -> Iterator[str]:
        line = self._lines.close()
        text = ""
        if line and not line.isspace():
            try:
                frame = self._frame(line)
            except MalformedReplyError as error:
                raise TruncatedStreamError(
                    f"the reply ends inside a line of JSON: {excerpt(line)}; what came is in .partial"
                ) from error
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
        if not isinstance(frame, dict):
            raise MalformedReplyError(f"a line of the reply is a {type(frame).__name__}, not an object")
        try:
            text = self._text_of(frame)
        except (LookupError, TypeError, AttributeError) as error:
            raise MalformedReplyError(f"a line of the reply has another shape: {excerpt(line)}") from error
        if self._ends is not None and self._ends(frame):
            self.done = True
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
