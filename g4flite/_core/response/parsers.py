"""Chunk parsers: frames to texts."""

from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import TruncatedStreamError
from .frames import FrameParser
from .framing import Lines
from .service_errors import reported

HELD = 16 * 1024  # characters
_Utf8 = getincrementaldecoder("utf-8")


class TextParser:
    """Raw UTF-8 text.  A character split between chunks comes out whole; bytes that are no UTF-8 become U+FFFD.

    A reply that is one JSON object with an `error`, from its first character to its last, is that error: as long as it
    begins like one, up to 16384 characters (`HELD`), it is held back.
    """

    __slots__ = ("_decoder", "_held", "_split")
    done = False

    def __init__(self, limit: int = 0) -> None:  # noqa: ARG002 - text has no frames to limit
        self._decoder = _Utf8("replace")
        self._held: str | None = ""
        self._split = False  # the decoder holds the first bytes of a character

    def feed(self, data: bytes) -> tuple[str, ...]:
        if data.isascii() and not self._split:
            text = data.decode()
        else:
            text = self._decoder.decode(data)
            self._split = bool(self._decoder.getstate()[0])
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
        if self._split:
            raise TruncatedStreamError("the reply ends inside a character; what came is in .partial")


class JsonLinesParser:
    """NDJSON: one JSON object a line, in which `text_of` finds the text.

    `text_of(frame)` returns the text (empty: the frame carries none; no str: the reply is malformed) and raises the
    error that a frame means.  `ends(frame)` says of a frame whether it is the end marker, where the protocol has one.
    `verbatim` promises that a text is a string of its frame, unchanged, and that nothing depends on what it says: a
    frame that differs from the last one in its text alone is then not parsed as a whole.
    Blank lines are passed over, the last line needs no LF, and a surrogate pair split between two frames is joined.
    """

    __slots__ = ("_frames", "close", "feed")

    def __init__(
        self,
        text_of: Callable[[dict[str, Any]], object],
        limit: int,
        *,
        ends: Callable[[dict[str, Any]], bool] | None = None,
        verbatim: bool = False,
    ) -> None:
        self._frames = FrameParser(Lines(limit), _Texts(text_of, ends, verbatim), "a line")
        self.feed, self.close = self._frames.feed, self._frames.close

    @property
    def done(self) -> bool:
        return self._frames.done


class _Texts:
    """The reader of frames whose text a function finds."""

    __slots__ = ("_ends", "_text_of", "done", "verbatim")

    def __init__(
        self,
        text_of: Callable[[dict[str, Any]], object],
        ends: Callable[[dict[str, Any]], bool] | None,
        verbatim: bool,
    ) -> None:
        self._text_of, self._ends, self.verbatim, self.done = text_of, ends, verbatim, False

    def read(self, name: str, frame: dict[str, Any]) -> tuple[str]:  # noqa: ARG002 - lines have no names
        text = self._text_of(frame)
        if not isinstance(text, str):
            raise TypeError(f"the text is a {type(text).__name__}")
        if self._ends is not None and self._ends(frame):
            self.done = True
        return (text,)

    def end(self, *, marked: bool) -> tuple[()]:  # noqa: ARG002 - `ends` says what the marker is
        return ()
