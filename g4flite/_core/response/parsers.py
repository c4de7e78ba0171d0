"""Chunk parsers: frames to texts and events.

`FrameParser` is what all protocols of JSON frames share: a `Framing` splits the bytes, a protocol's `Reader` says what
one frame holds, and the parser does the rest (broken JSON, split surrogate pairs, the end of the reply).

    parser = FrameParser(ServerSentEvents(limit), ChatReader(), "an event")
    list(parser.feed(b'data: {"choices":[{"delta":{"content":"Hi"}}]}\\n\\n'))      # ["Hi"]

`TextParser` and `JsonLinesParser` are the parsers of the simple services, and of a provider of one's own.
"""

import json
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeAlias

from ..errors import ContentFilterError, G4fliteError, MalformedReplyError, TruncatedStreamError
from ..events import Event, Finish, Reasoning
from .assembly import SurrogatePairs
from .framing import Framing, Lines
from .repeats import Surroundings, surroundings, text_between, with_framing
from .service_errors import excerpt, reported

# None among the items stands for nothing, so that a reader can return an expression that may be empty.
Items: TypeAlias = Iterable[str | Event | G4fliteError | None]
# The scanner behind `json.loads`, which takes a third more time to check its arguments.
scan: Any = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
# After so many frames in a row that differ in more than their text (a count or a time of their own), frames are parsed
# without looking for repeats.
MOST_MISSES = 16
# https://platform.openai.com/docs/api-reference/chat/streaming, and the services that speak like it.
DONE = b"[DONE]"
# Characters that `TextParser` holds back while the reply may be one JSON object with an error.
HELD = 16 * 1024
_Utf8 = getincrementaldecoder("utf-8")


class Reader(Protocol):
    """What the frames of one protocol say; a frame without content never comes to it.

    An error among the items is raised once the items before it are out.  If a frame has another shape, LookupError,
    TypeError, ValueError and AttributeError may escape: the reply is malformed then.
    """

    # True once the reply is complete; what follows is not read.
    done: bool

    @property
    def verbatim(self) -> bool:
        """Whether a frame may be read by `repeats`: if a text is all that a frame says, the text is a string of that
        frame, unchanged, and nothing depends on what the text says.
        """

    def read(self, name: str, frame: dict[str, Any]) -> Items:
        """Return what a frame holds."""

    def end(self, *, marked: bool) -> Items:
        """Return what was held back: the marker `[DONE]` came, or else the body has ended."""


class FrameParser:
    """The chunk parser of every protocol whose frames are JSON objects.

    `unit` is what a message calls a frame, as "an event" or "a line".  A frame that differs from the last one in its
    text alone is not parsed (see `repeats`); if it comes alone in a read, it is not even split off.
    """

    __slots__ = ("_data", "_frame", "_framing", "_idle", "_misses", "_name", "_pairs", "_reader", "_thoughts", "_unit")

    def __init__(self, framing: Framing, reader: Reader, unit: str) -> None:
        self._framing, self._reader, self._unit = framing, reader, unit
        # Surrogate pairs split between texts, and between pieces of reasoning.
        self._pairs, self._thoughts = SurrogatePairs(), SurrogatePairs()
        # What surrounded the text of the last read, if the read was one frame, ...
        self._data: Surroundings | None = None
        # ... and of the last frame, if the frame was a text; with that frame's name.
        self._frame: Surroundings | None = None
        self._name = ""
        self._idle = framing.idle
        self._misses = 0

    @property
    def done(self) -> bool:
        return self._reader.done

    def feed(self, data: bytes) -> Iterable[str | Event]:
        if self._data is not None:
            text = text_between(data, self._data)
            if text is not None and len(data) <= self._framing.limit:
                self._misses = 0
                # ASCII holds no half of a surrogate pair: the usual item needs no check.
                return (text,) if text.isascii() and text and not self._pairs.high else self._joined(text)
            self._data = None
        frames = self._framing.feed(data)
        # `()`: the bytes are the middle of a line, which is the one case in which a framing returns a tuple.
        if not frames:
            self._idle = False
            return ()
        return self._feed(data, frames)

    def _feed(self, data: bytes, frames: Iterable[tuple[str, bytes]]) -> Iterator[str | Event]:
        """Yield what the frames hold, which `data` completes."""
        if self.done:
            return
        known, like, pairs = self._frame, self._name, self._pairs
        count, parsed, frame = 0, 0, b""
        for name, frame in frames:
            count += 1
            if known is not None and name == like and (text := text_between(frame, known)) is not None:
                if text.isascii() and text and not pairs.high:
                    yield text
                else:
                    yield from self._joined(text)
                continue
            items = self._read(name, frame)
            parsed += 1
            known, like = self._frame, self._name = self._learn(frame, items), name
            for item in items:
                yield from self._joined(item)
            # What follows the end marker is not read.
            if self._reader.done:
                yield from self._lone_halves()
                return
        if count > parsed:
            self._misses = 0
        alone, self._idle = self._idle, self._framing.idle
        if alone and count == 1 and known is not None and self._idle:
            self._data = with_framing(data, frame, known)

    def _learn(self, frame: bytes, items: tuple[Any, ...]) -> Surroundings | None:
        """Return what the next frame may be compared with, unless comparing has never helped."""
        text = items[0] if len(items) == 1 else None
        if not isinstance(text, str) or not text or not self._reader.verbatim or self._reader.done:
            return None
        self._misses += 1
        return surroundings(frame, text) if self._misses <= MOST_MISSES else None

    def close(self) -> Iterator[str | Event]:
        if self.done:
            return
        cut: TruncatedStreamError | None = None
        try:
            for name, frame in self._framing.close():
                for item in self._read(name, frame, last=True):
                    yield from self._joined(item)
        except TruncatedStreamError as error:
            # A frame that is cut off takes nothing from an answer that is complete without it.
            cut = error
        if not self._reader.done:
            for item in self._reader.end(marked=False):
                yield from self._joined(item)
        yield from self._lone_halves()
        if cut is not None and not self._reader.done:
            raise cut

    def _read(self, name: str, frame: bytes, *, last: bool = False) -> tuple[Any, ...]:
        """Return what a frame holds; `last`: the body ends with this frame, which may be cut off."""
        frame = frame.strip()
        if frame == DONE:
            return tuple(self._reader.end(marked=True))
        if not frame:
            return ()
        value = self._value(frame, last)
        try:
            return tuple(self._reader.read(name, value))
        except (LookupError, TypeError, AttributeError, ValueError, OverflowError) as error:
            raise MalformedReplyError(
                f"{self._unit} of the reply has another shape: {excerpt(frame)}; check base_url= and the provider"
            ) from error

    def _value(self, frame: bytes, last: bool) -> dict[str, Any]:
        try:
            text = frame.decode("utf-8", "replace")
            value, end = scan(text, 0)
            if end != len(text):
                raise ValueError("there is more than one value")
        except (ValueError, StopIteration, RecursionError) as error:
            if last:
                raise TruncatedStreamError(
                    f"the reply ends inside {self._unit} of JSON: {excerpt(frame)}; what came is in .partial"
                ) from error
            raise MalformedReplyError(f"{self._unit} of the reply is no JSON: {excerpt(frame)}") from error
        if not isinstance(value, dict):
            raise MalformedReplyError(f"{self._unit} of the reply is a {type(value).__name__}, not an object")
        return value

    def _joined(self, item: str | Event | G4fliteError | None) -> Iterator[str | Event]:
        """Yield the item with its surrogate pairs joined, unless it is empty; raise it if it is an error."""
        if isinstance(item, str):
            if text := self._pairs.join(item):
                yield text
        elif isinstance(item, Reasoning):
            if text := self._thoughts.join(item.text):
                yield Reasoning(text)
        elif isinstance(item, G4fliteError):
            raise item
        elif item is not None:
            if isinstance(item, Finish):
                yield from self._lone_halves()
            yield item

    def _lone_halves(self) -> Iterator[str | Event]:
        """Yield U+FFFD for the half of a surrogate pair whose other half never came."""
        if self._thoughts.high:
            yield Reasoning("\ufffd")
        if self._pairs.high:
            yield "\ufffd"
        self._pairs.high = self._thoughts.high = ""


def count_or_none(value: object) -> int | None:
    """Return the value if it is a number, else None."""
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def text_or_error(value: object) -> str:
    """Return the value, which is a string; None becomes "".  Raises `TypeError` for anything else."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"a {type(value).__name__} where text should be")
    return value


def refusal(text: str) -> ContentFilterError:
    """Return the error for a model's refusal, which says `text` in place of an answer."""
    said = f"the model refuses: {excerpt(text)}; its words are in .body, and another question may help"
    return ContentFilterError(said, status=200, body=text, code="refusal")


class TextParser:
    """Raw UTF-8 text.  A character split between chunks comes out whole; bytes that are no UTF-8 become U+FFFD.

    If the whole reply is one JSON object with an `error`, it is that error: as long as the reply begins like one, up to
    16384 characters, it is held back.
    """

    __slots__ = ("_decoder", "_held", "_split")
    done = False

    def __init__(self, limit: int = 0) -> None:  # noqa: ARG002 - text has no frames to limit
        self._decoder = _Utf8("replace")
        # What is held back; None once the reply is known to be text.
        self._held: str | None = ""
        # Whether the decoder holds the first bytes of a character.
        self._split = False

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

    `text_of(frame)` returns the text, "" if the frame has none, and raises the error that a frame means; if it returns
    no string, the reply is malformed.  `ends(frame)` says whether a frame is the end marker, if the protocol has one.
    `verbatim` promises that a text is a string of its frame, unchanged, and that nothing depends on what the text says:
    a frame that differs from the last one in its text alone is then not parsed as a whole.  Blank lines are passed
    over, the last line needs no LF, and a surrogate pair split between two frames is joined.
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
        self._frames = FrameParser(Lines(limit), _TextReader(text_of, ends, verbatim), "a line")
        self.feed, self.close = self._frames.feed, self._frames.close

    @property
    def done(self) -> bool:
        return self._frames.done


class _TextReader:
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
