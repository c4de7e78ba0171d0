"""Chunk parsers: decode the bytes of a reply to texts and events.

All protocols whose frames are JSON objects share `FrameParser`.  A `Framing` splits the bytes into frames, the `Reader`
of the protocol says what one frame holds, and the parser does the rest: broken JSON, split surrogate pairs, the end of
the reply.

    parser = FrameParser(ServerSentEvents(limit), ChatReader(), "an event")
    list(parser.feed(b'data: {"choices":[{"delta":{"content":"Hi"}}]}\\n\\n'))      # ["Hi"]

`TextParser` and `JsonLinesParser` decode the replies of simple services.  They are public, for providers that a caller
writes.
"""

import json
import re
from codecs import BOM_UTF8, getincrementaldecoder
from collections.abc import Callable, Container, Iterable, Iterator
from typing import Any, Final, Protocol, TypeAlias

from ..errors import (
    ContentFilterError,
    G4fliteError,
    MalformedReplyError,
    SpecError,
    TruncatedStreamError,
    UsageError,
)
from ..events import CONTENT, Event, Finish, Reasoning
from ..numbers import dumps, loads, scan, scan_exactly
from .framing import Framing, Lines
from .repeats import Surroundings, surroundings, text_between, with_framing
from .service_errors import excerpt, report_of, reported
from .surrogates import SurrogatePairs

# What a reader finds in a frame: texts, events, an error to be raised.  None stands for nothing, so that a reader may
# return an expression that can be None.
Items: TypeAlias = Iterable[str | Event | G4fliteError | None]
# After so many frames in a row that `repeats` could not read (a service may put a counter or a time into each), all
# further frames are parsed at once, without a comparison.
MOST_MISSES = 16
# The end marker of OpenAI's Chat Completions and of the services that speak the same protocol.
# Source: https://platform.openai.com/docs/api-reference/chat/streaming (August 2026).
DONE = b"[DONE]"
# Characters that `TextParser` holds back while the reply may still be one JSON object with an error.
HELD = 16 * 1024
# A piece of the answer in half a frame: the type of an Anthropic event that has one, or a field of any protocol that
# holds content, and the beginning of its value.
CONTENT_BEGINS: Final = re.compile(
    rb"content_block_(sta|d)"
    rb'|"(content|text|delta|thinking|reasoning|reasoning_content|refusal|arguments|partial_json|name)"\s*:\s*'
    rb'("([^"]|\Z)|\Z)'
    rb'|"(tool_calls|functionCall|inlineData|executableCode|audio|images)"\s*:\s*[\[{]'
)
# A field of any protocol that holds a part of the answer.
CONTENT_FIELD: Final = re.compile(
    rb'"(content|text|delta|thinking|reasoning|refusal|arguments|partial_json|tool_calls|parts|functionCall)"\s*:'
)
# A field at the end of half a frame in which content may still come.  Searched for in so many bytes, because the search
# takes the square of their number.
CONTENT_MAY_COME: Final = re.compile(
    rb'"(choices|candidates|parts)"\s*:\s*\[[^\]]*\Z|"(delta|content)"\s*:\s*\{[^}]*\Z'
)
TAIL: Final = 4096
# What to do about a reply of another form than the protocol's.
CHECK = "check {base_url} and the provider"
# The same for the line of a `JsonLinesParser`: the service has sent another form, or the caller's function is wrong.
TEXT_FUNCTION = 'return "" for a line without text, and check that the service sends this form'
_Utf8 = getincrementaldecoder("utf-8")


class Reader(Protocol):
    """Says what the frames of one protocol hold.  `FrameParser` calls it with each frame's JSON object.

    Two more methods count if the reader has both, because its protocol's finish reason comes before the end, like the
    `finish_reason` of Chat Completions.  Such a reader gives the reason out in `end`, because content may follow it.

    - The property `settled` says that the answer is whole although the reply has not ended: a finish reason came, and
      no content since.
    - `rest()` returns the items that were held back, in place of `end`, because the reply is cut off and not whole.

    `whole(value)`, if the reader has it, returns the frames that say what a whole answer says which came as one JSON
    object, none if the object is no answer.

    A reader that counts what it gave out, like that of Responses, has `passed(text)`: it is told of each text that
    `repeats` has read in its place.

    An error among the items is raised after the items before it were given out.  A reader need not check the shape of a
    frame: if it lets a LookupError, TypeError, ValueError, AttributeError or OverflowError escape, the parser raises
    `MalformedReplyError`.
    """

    # True once the reply is complete.  The parser reads no frames behind that.
    done: bool

    @property
    def names(self) -> Container[str]:
        """The names of the server-sent events that hold a part of the answer, "" for events without a name.

        The data of other events may be anything: if they are not JSON, or if the reader cannot read them and they hold
        nothing of the answer, they are passed over.
        """

    @property
    def verbatim(self) -> bool:
        """Whether `repeats` may read frames in place of this reader.

        A reader whose `verbatim` is true promises: if a frame holds a text and nothing else, that text is a string of
        the frame's JSON, unchanged, and neither the reader's state nor its other frames depend on what the text says.
        """

    def read(self, name: str, frame: dict[str, Any]) -> Items:
        """Return the items that a frame of this name holds."""

    def end(self, *, marked: bool) -> Items:
        """Return the items that were held back, with the finish reason at the end if the reply is complete now.

        `marked` is true if the end marker `[DONE]` came, and false if the body has ended.
        """


class FrameParser:
    """The chunk parser of every protocol whose frames are JSON objects.

    `unit` is the word for a frame in error messages, like "an event" or "a line".

    There are three paths through `feed`, the fastest first.  All three give out the same items (see `repeats`):

    1. A read that equals the last read but for its text: the text is taken from the read, no frame is split off.
    2. A frame that equals the last frame but for its text: the text is taken from the frame, its JSON is not parsed.
    3. Any other frame: its JSON is parsed, and the reader says what it holds.
    """

    def __init__(self, framing: Framing, reader: Reader, unit: str) -> None:
        self._framing, self._reader, self._unit = framing, reader, unit
        # Join surrogate pairs that are split between two texts, or between two pieces of reasoning.
        self._text_pairs, self._reasoning_pairs = SurrogatePairs(), SurrogatePairs()
        # For path 1: the bytes around the text of the last read, None unless that read was one frame with a text alone.
        self._read_surroundings: Surroundings | None = None
        # For path 2: the bytes around the text of the last frame, None unless it held a text alone; and its name.
        self._frame_surroundings: Surroundings | None = None
        self._frame_name = ""
        # Whether the framing held nothing back before this read.
        self._idle = framing.idle
        # How many frames with a text alone were parsed in a row, because each was unlike the last: see `MOST_MISSES`.
        self._misses = 0
        # Tells the reader of a text on paths 1 and 2, None if it does not count.
        self._tell: Callable[[str], object] | None = getattr(reader, "passed", None)
        self._limit = framing.limit

    @property
    def done(self) -> bool:
        return self._reader.done

    def feed(self, data: bytes) -> Iterable[str | Event]:
        known = self._read_surroundings
        if known is not None:
            text = text_between(data, known)
            # The framing, which would have refused a frame beyond its limit, does not see this read.
            if text is not None and len(data) <= self._limit:
                self._misses = 0
                if self._tell is not None:
                    self._tell(text)
                # Text in ASCII holds no surrogates: most texts need no joining.
                return (text,) if text.isascii() and text and not self._text_pairs.high else self._joined(text)
            self._read_surroundings = None
        frames = self._framing.feed(data)
        # An empty tuple says that the bytes are the middle of a line.
        if not frames:
            self._idle = False
            return ()
        return self._feed(data, frames)

    def _feed(self, data: bytes, frames: Iterable[tuple[str, bytes]]) -> Iterator[str | Event]:
        """Yield what the frames hold that `data` has completed."""
        if self.done:
            return
        known, known_name, pairs = self._frame_surroundings, self._frame_name, self._text_pairs
        count, parsed, frame, tell = 0, 0, b"", self._tell
        for name, frame in frames:
            count += 1
            if known is not None and name == known_name and (text := text_between(frame, known)) is not None:
                if tell is not None:
                    tell(text)
                if text.isascii() and text and not pairs.high:
                    yield text
                else:
                    yield from self._joined(text)
                continue
            items = self._read(name, frame)
            parsed += 1
            known, known_name = self._frame_surroundings, self._frame_name = self._learn(frame, items), name
            for item in items:
                yield from self._joined(item)
            # The reply is complete: the frames behind this one are not read.
            if self._reader.done:
                yield from self._lone_surrogates()
                return
        if count > parsed:
            self._misses = 0
        # If the framing held nothing back before this read and holds nothing back after it, and the read held one
        # frame, then the read was that frame and its framing.  The next read may equal it.
        was_idle, self._idle = self._idle, self._framing.idle
        if was_idle and count == 1 and known is not None and self._idle:
            self._read_surroundings = with_framing(data, frame, known)

    def _learn(self, frame: bytes, items: tuple[Any, ...]) -> Surroundings | None:
        """Return the bytes around the text of a parsed frame, if the next frame may be compared with them.

        Returns None if the frame holds more than a text, and if comparing has not helped for `MOST_MISSES` frames.
        """
        text = items[0] if len(items) == 1 else None
        if not isinstance(text, str) or not text or not self._reader.verbatim or self._reader.done:
            return None
        self._misses += 1
        return surroundings(frame, text) if self._misses <= MOST_MISSES else None

    def close(self) -> Iterator[str | Event]:
        return self._close(cut=False)

    def cut_off(self) -> Iterator[str | Event]:
        """Do the same as `close` for a body that may have been cut off: the reply is then `done` only if it is whole.

        Whole is an answer that was `settled`, and that has no content in the frame that was cut in two.
        """
        return self._close(cut=True)

    def _close(self, *, cut: bool) -> Iterator[str | Event]:
        if self.done:
            return
        half: TruncatedStreamError | None = None
        # An event may break off behind its name.
        name, frame = getattr(self._framing, "half_name", ""), b""
        named = bool(name)
        try:
            for name, frame in self._framing.close():
                for item in self._read(name, frame, last=True):
                    yield from self._joined(item)
        # The last frame is cut off.  That is no error if the answer is complete without this frame.
        except TruncatedStreamError as error:
            half = error
        reader: Any = self._reader
        if not reader.done:
            torn = cut or half is not None
            # Not settled for a reader whose protocol has no finish reason before its end: nothing but the end counts.
            settled = getattr(reader, "settled", None)
            broken = half is not None or (named and not frame)
            whole = settled is not False and not (settled and broken and _holds_content(name.encode() + frame))
            for item in reader.end(marked=False) if whole or not torn else reader.rest():
                yield from self._joined(item)
        yield from self._lone_surrogates()
        if half is not None and not self._reader.done:
            raise half

    def recognises(self, data: bytes) -> bool | None:
        """Return whether a body that begins so is a reply in this framing, or None if more bytes have to tell."""
        return self._framing.recognises(data)

    def whole(self, text: str) -> bytes:
        """Return the events that say what a whole answer in JSON says, b"" if the text is no such answer."""
        whole: Callable[[dict[str, Any]], Iterable[Any]] = getattr(self._reader, "whole", lambda _: ())
        try:
            value = loads(text)
            events = [*whole(value)] if isinstance(value, dict) else []
        except (ValueError, RecursionError):
            return b""
        return b"".join(b"data: %s\n\n" % event for event in (*(dumps(e).encode() for e in events), DONE) if events)

    def _read(self, name: str, frame: bytes, *, last: bool = False) -> tuple[Any, ...]:
        """Return the items of a frame.  `last` is true if the body ends with this frame, which may be cut off."""
        frame = frame.strip()
        if frame == DONE:
            return tuple(self._reader.end(marked=True))
        if not frame:
            return ()
        try:
            value = self._value(frame, last)
        except (MalformedReplyError, TruncatedStreamError):
            text = frame.decode("utf-8", "replace")
            # A relay that failed inside of an event has written its error into the same event, on a line of its own
            # (Wei-Shaw/sub2api#1471, April 2026); and the data of an event `error` may be plain text
            # (davidmigloz/ai_clients_dart#88, March 2026).
            _, found, line = text.rpartition("\n")
            if error := (reported(line) if found else None) or (reported({"error": text}) if name == "error" else None):
                return (error,)
            if name and name not in self._reader.names:
                return ()
            raise
        if value is None:
            return ()
        try:
            items = tuple(self._reader.read(name, value))
            # Servers send such events in other protocols' shapes, too.
            if name == "error" and not any(isinstance(item, G4fliteError) for item in items):
                return *items, reported(value) or reported({"error": value})
            # So do relays, in events of any name.
            relayed = "error" in (value.get("object"), value.get("type"))
            if relayed and not any(isinstance(item, str | G4fliteError) for item in items):
                return (reported(value),)
            # A relay's own error has one field, {"detail": "text"}.
            says_error = len(value) == 1 and name in ("", "message") and report_of(value, bare=True)
            if says_error and not any(isinstance(item, (*CONTENT, Finish, G4fliteError)) for item in items):
                return *items, reported({"error": value})
            return items
        # It is a ValueError, too.
        except SpecError:
            raise
        except (LookupError, TypeError, AttributeError, ValueError, OverflowError) as error:
            # The data of an event of another name may have any shape, as long as they hold nothing of the answer.
            if name and name not in self._reader.names and name != "error" and not CONTENT_FIELD.search(frame):
                return ()
            raise self._malformed(f"does not have the protocol's shape: {excerpt(frame)}") from error

    def _value(self, frame: bytes, last: bool) -> dict[str, Any] | None:
        """Return the JSON object of a frame, which has no white space around it; None for `null`, which says nothing.

        Raises `MalformedReplyError` for anything else, or `TruncatedStreamError` if the last frame is not JSON.
        """
        try:
            text = frame.decode("utf-8", "replace")
            try:
                value, end = scan(text, 0)
            except json.JSONDecodeError:
                raise
            # An integer of more digits than Python takes.
            except ValueError:
                value, end = scan_exactly(text, 0)
            if end != len(text):
                raise ValueError("there is more than one value")
        except (ValueError, StopIteration, RecursionError) as error:
            # A byte order mark, which may stand at the start of a body.
            if frame.startswith(BOM_UTF8):
                rest = frame.removeprefix(BOM_UTF8).lstrip()
                return self._value(rest, last) if rest else None
            if last:
                raise TruncatedStreamError(
                    f"the reply ends inside {self._unit} of JSON: {excerpt(frame)}; the text so far is in .partial"
                ) from error
            raise self._malformed(f"is not JSON: {excerpt(frame)}") from error
        # Gemini's errors are lists of one.
        if isinstance(value, list) and len(value) == 1 and report_of(value):
            return value[0]  # type: ignore[no-any-return]
        if value is not None and not isinstance(value, dict):
            raise self._malformed(f"is a {type(value).__name__}, not a JSON object")
        return value

    def _malformed(self, said: str) -> MalformedReplyError:
        return MalformedReplyError(f"{self._unit} of the reply {said}", advice="check {base_url} and the provider")

    def _joined(self, item: str | Event | G4fliteError | None) -> Iterator[str | Event]:
        """Yield the item with its surrogate pairs joined, unless it is empty.  Raise the item if it is an error."""
        if isinstance(item, str):
            if text := self._text_pairs.join(item):
                yield text
        elif isinstance(item, Reasoning):
            if text := self._reasoning_pairs.join(item.text):
                yield Reasoning(text)
        elif isinstance(item, G4fliteError):
            raise item
        elif item is not None:
            # The readers give out the finish reason at the end of the answer.
            if isinstance(item, Finish):
                yield from self._lone_surrogates()
            yield item

    def _lone_surrogates(self) -> Iterator[str | Event]:
        """Yield U+FFFD for each high surrogate that was held back, because its low surrogate never came."""
        if self._reasoning_pairs.high:
            yield Reasoning("\ufffd")
        if self._text_pairs.high:
            yield "\ufffd"
        self._text_pairs.high = self._reasoning_pairs.high = ""


# The functions below are for the readers of the protocols.


def text_or_error(value: object) -> str:
    """Return a text of a frame, "" for None.

    Raises `TypeError` for any other type; the parser then raises `MalformedReplyError`.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"a {type(value).__name__} where text should be")
    return value


def _holds_content(half: bytes) -> bool:
    """Return whether half a frame, behind its name, holds a piece of the answer, or breaks off where one may come."""
    return bool(CONTENT_BEGINS.search(half) or CONTENT_MAY_COME.search(half[-TAIL:]))


def refusal(text: str) -> ContentFilterError:
    """Return the error for a model that refuses to answer, and says `text` instead."""
    said = f"the model refuses: {excerpt(text)}; its words are in .body, and another question may help"
    return ContentFilterError(said, status=200, body=text, code="refusal")


class TextParser:
    """Raw UTF-8 text.  A character that is split between reads is joined.  Bytes that are not UTF-8 become U+FFFD.

    If the reply begins like a JSON object with the field `error`, up to 16384 characters are held back; if the whole
    reply is such an object, that error is raised.
    """

    # No end marker: a clean end of the body completes the reply.
    done = False

    def __init__(self, limit: int = 0) -> None:  # noqa: ARG002 - text has no frames to limit
        self._decoder = _Utf8("replace")
        # The text that is held back; None once the reply is known to be text.
        self._held: str | None = ""
        # Whether the decoder holds back the first bytes of a character.
        self._split = False

    def feed(self, data: bytes) -> tuple[str, ...]:
        if data.isascii() and not self._split:
            text = data.decode()
        else:
            text = self._decoder.decode(data)
            self._split = bool(self._decoder.getstate()[0])
        if self._held is not None:
            text, self._held = self._held + text, None
            # Without white space, which JSON allows between the brace and the name.
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
            raise TruncatedStreamError("the reply ends inside a character; the text so far is in .partial")


class JsonLinesParser:
    """NDJSON: one JSON object a line; `text_of` finds the text in it.

    - `text_of(frame)` returns the text of an object, "" if it has none, and raises the error that the object reports.
      If it returns anything but a string, or fails, the parser raises `MalformedReplyError`, which quotes the line, and
      `SpecError` if it returns an event: this parser gives out text alone.
    - `limit` is the most bytes that a line may have.
    - `ends(frame)` returns whether an object is the end marker; None if the protocol has no end marker.
    - `verbatim=True` promises that each text is a string of its object, unchanged, and that neither `text_of` nor
      `ends` depends on what the text says.  Objects that differ in their text alone are then read faster.

    Blank lines are skipped.  The last line needs no LF.  A surrogate pair that is split between two lines is joined.
    """

    # These are the methods of the `FrameParser`, without a call in between.
    __slots__ = ("_frames", "close", "feed", "recognises")

    def __init__(
        self,
        text_of: Callable[[dict[str, Any]], object],
        limit: int,
        *,
        ends: Callable[[dict[str, Any]], bool] | None = None,
        verbatim: bool = False,
    ) -> None:
        self._frames = FrameParser(Lines(limit), _TextReader(text_of, ends, verbatim), "a line")
        self.feed, self.close, self.recognises = self._frames.feed, self._frames.close, self._frames.recognises

    @property
    def done(self) -> bool:
        return self._frames.done


class _TextReader:
    """The reader of a `JsonLinesParser`: a function finds the text of each frame."""

    names = ("",)

    def __init__(
        self,
        text_of: Callable[[dict[str, Any]], object],
        ends: Callable[[dict[str, Any]], bool] | None,
        verbatim: bool,
    ) -> None:
        self._text_of, self._ends, self.verbatim, self.done = text_of, ends, verbatim, False

    def read(self, name: str, frame: dict[str, Any]) -> tuple[str]:  # noqa: ARG002 - lines have no names
        try:
            text = self._text_of(frame)
        except (LookupError, TypeError, AttributeError, ValueError, OverflowError) as error:
            # It is a ValueError, too.
            if isinstance(error, UsageError):
                raise
            raise MalformedReplyError(
                f"the text function raised {repr(error)[:200]} on the line {excerpt(json.dumps(frame))}",
                advice=TEXT_FUNCTION,
            ) from error
        if not isinstance(text, str):
            # No JSON holds an event: the fault is the function's.
            if any(isinstance(item, tuple) for item in (text, *(text if isinstance(text, list) else ()))):
                raise SpecError(
                    f"the function of a JsonLinesParser returned {excerpt(repr(text))}, and may return text alone",
                    advice="write a ChunkParser for events",
                )
            raise MalformedReplyError(
                f"the text function returned {repr(text)[:200]} for the line {excerpt(json.dumps(frame))}",
                advice=TEXT_FUNCTION,
            )
        if self._ends is not None and self._ends(frame):
            self.done = True
        return (text,)

    def end(self, *, marked: bool) -> tuple[()]:  # noqa: ARG002 - `ends` says what the marker is
        return ()
