"""Frames of JSON to texts and events: what all protocols share.  What one frame says, a protocol's reader knows."""

import json
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, Protocol, TypeAlias

from ..errors import ContentFilterError, G4fliteError, MalformedReplyError, TruncatedStreamError
from ..events import Event, Finish, Reasoning
from .assembly import Halves, is_whole
from .framing import Framing, Lined
from .repeats import Around, among, around, between, with_rest
from .service_errors import excerpt

Items: TypeAlias = Iterable[str | Event | G4fliteError | None]  # None is nothing
scan: Any = json.JSONDecoder().scan_once  # type: ignore[attr-defined]  # a third less time than `json.loads` takes
VAIN = 16  # frames with a number or a time of their own each are not compared any more
DONE = b"[DONE]"  # https://platform.openai.com/docs/api-reference/chat/streaming, and whoever speaks like it


class Reader(Protocol):
    """What the frames of one protocol say; blank frames never come to it.

    An error among the items is raised once those before it are out.  A frame of another shape may raise LookupError,
    TypeError, ValueError or AttributeError: the reply is malformed then.
    """

    done: bool  # the reply is complete, and what follows is not read

    @property
    def verbatim(self) -> bool:
        """Whether, where a text is all that a frame says, it is a string of that frame, unchanged, and nothing depends
        on what it says.
        """

    def read(self, name: str, frame: dict[str, Any]) -> Items:
        """What a frame holds."""

    def end(self, *, marked: bool) -> Items:
        """What was held back: the marker `[DONE]` came, or else the body has ended."""


class FrameParser:
    """The chunk parser of every protocol whose frames are JSON objects: `framing` splits them, `reader` reads them.

    `unit` is what a message calls a frame: an event, a line.

    Most frames of a reply differ in their text alone, and often each comes by itself.  Such a frame is not parsed, nor
    split off where it comes alone: it is like the last one, and what stands where the text was is one JSON string.
    Many that come together are compared together.
    """

    __slots__ = ("_data", "_frame", "_framing", "_idle", "_name", "_reader", "_reasoning", "_text", "_unit", "_vain")

    def __init__(self, framing: Framing, reader: Reader, unit: str) -> None:
        self._framing, self._reader, self._unit = framing, reader, unit
        self._text, self._reasoning = Halves(), Halves()
        self._data: Around | None = None  # of the last bytes fed, where they were one frame, and
        self._frame: Around | None = None  # of the last frame, where it was a text
        self._name = ""  # its name
        self._idle = framing.idle  # nothing is held back
        self._vain = 0  # how often in a row nothing was like them

    @property
    def done(self) -> bool:
        return self._reader.done

    def feed(self, data: bytes) -> Iterable[str | Event]:
        if self._data is not None:
            text = between(data, self._data)
            if text is not None and len(data) <= self._framing.limit:
                self._vain = 0
                return (text,) if text.isascii() and text and not self._text.high else self._whole(text)
            self._data = None
        frames = self._framing.feed(data)
        if not frames:
            self._idle = False
            return ()
        known = self._frame
        if known is not None and isinstance(frames, Lined) and len(frames.lines) > 1 and frames.name == self._name:
            texts = among(frames.lines, known)
            if texts is not None:
                self._vain, self._idle = 0, self._framing.idle
                return (
                    texts
                    if all(texts) and not self._text.high and is_whole(texts)
                    else chain.from_iterable(map(self._whole, texts))
                )
        return self._feed(data, frames)

    def _feed(self, data: bytes, frames: Iterable[tuple[str, bytes]]) -> Iterator[str | Event]:
        """What the frames hold, which `data` completes."""
        if self.done:
            return
        known, like, halves = self._frame, self._name, self._text
        count, parsed, frame = 0, 0, b""
        for name, frame in frames:
            count += 1
            if known is not None and name == like and (text := between(frame, known)) is not None:
                if text.isascii() and text and not halves.high:  # the usual item, with no call
                    yield text
                else:
                    yield from self._whole(text)
                continue
            items = self._read(name, frame)
            parsed += 1
            known, like = self._frame, self._name = self._learn(frame, items), name
            for item in items:
                yield from self._whole(item)
            if self._reader.done:
                yield from self._halves()
                return  # whatever follows the end marker
        if count > parsed:
            self._vain = 0
        alone, self._idle = self._idle, self._framing.idle
        if alone and count == 1 and known is not None and self._idle:
            self._data = with_rest(data, frame, known)

    def _learn(self, frame: bytes, items: tuple[Any, ...]) -> Around | None:
        """What the next frame may be like, unless none ever was."""
        text = items[0] if len(items) == 1 else None
        if not isinstance(text, str) or not text or not self._reader.verbatim or self._reader.done:
            return None
        self._vain += 1
        return around(frame, text) if self._vain <= VAIN else None

    def close(self) -> Iterator[str | Event]:
        if self.done:
            return
        cut: TruncatedStreamError | None = None
        try:
            for name, frame in self._framing.close():
                for item in self._read(name, frame, last=True):
                    yield from self._whole(item)
        except TruncatedStreamError as error:
            cut = error  # which takes nothing from an answer that is complete
        if not self._reader.done:
            for item in self._reader.end(marked=False):
                yield from self._whole(item)
        yield from self._halves()
        if cut is not None and not self._reader.done:
            raise cut

    def _read(self, name: str, frame: bytes, *, last: bool = False) -> tuple[Any, ...]:
        """What a frame holds; `last`: it is what the reply ends with, whole or not."""
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

    def _whole(self, item: str | Event | G4fliteError | None) -> Iterator[str | Event]:
        """The item, if it is none that is empty, its surrogates joined; an error is raised."""
        if isinstance(item, str):
            if text := self._text.join(item):
                yield text
        elif isinstance(item, Reasoning):
            if text := self._reasoning.join(item.text):
                yield Reasoning(text)
        elif isinstance(item, G4fliteError):
            raise item
        elif item is not None:
            if isinstance(item, Finish):
                yield from self._halves()
            yield item

    def _halves(self) -> Iterator[str | Event]:
        """What is left of a surrogate pair where nothing more comes."""
        if self._reasoning.high:
            yield Reasoning("\ufffd")
        if self._text.high:
            yield "\ufffd"
        self._text.high = self._reasoning.high = ""


def number(value: object) -> int | None:
    """The value where it is a count."""
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def words(value: object) -> str:
    """The value, which is a string; None is an empty one.  Raises `TypeError` for anything else."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"a {type(value).__name__} where text should be")
    return value


def refusal(text: str) -> ContentFilterError:
    """What a model says in place of an answer."""
    said = f"the model refuses: {excerpt(text)}; its words are in .body, and another question may help"
    return ContentFilterError(said, status=200, body=text, code="refusal")
