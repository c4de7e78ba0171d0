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
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice, repeat
from typing import Any, Final, Protocol, TypeAlias

from ..errors import (
    ContentFilterError,
    G4fliteError,
    MalformedReplyError,
    ProviderError,
    SpecError,
    TruncatedStreamError,
    UsageError,
)
from ..events import CONTENT, Event, Finish, Native, Reasoning, ToolCallDelta
from ..numbers import dumps, loads, scan, scan_exactly
from .excerpts import excerpt
from .framing import WHOLE, Frames, Framing, Lines
from .repeats import Pattern, Repeats, Roles, Tell, fields, scan_string
from .surrogates import SurrogatePairs

# What a reader finds in a frame: texts, events, an error to be raised.  None stands for nothing, so that a reader may
# return an expression that can be None.
Items: TypeAlias = Iterable[str | Event | G4fliteError | None]
# The most bytes of the beginning of an event that the parser holds back from the framing, because it may be one that
# `repeats` knows.  The next read is appended to them, so that they are copied once for each read.
HELD_BACK: Final = 4096
# The most bytes of a read whose events are matched all at once.
BURST: Final = 32 * 1024
# The end marker of OpenAI's Chat Completions and of the services that speak the same protocol.
# Source: https://platform.openai.com/docs/api-reference/chat/streaming (August 2026).
DONE = b"[DONE]"
# What a server sends while it has nothing to say, whatever the protocol, without its blanks; it changes nothing.
PING: Final = b'{"type":"ping"}'
# Characters that `TextParser` holds back while the reply may still be one JSON object with an error.
HELD = 16 * 1024
# The next three are compiled once they are needed, for replies that are cut off: that takes half a millisecond.
# A piece of the answer in half a frame: the type of an Anthropic event that has one, or a field of any protocol that
# holds content, and the beginning of its value.
CONTENT_BEGINS: Final = (
    rb"content_block_(sta|d)"
    rb'|"(content|text|delta|thinking|reasoning|reasoning_content|refusal|arguments|partial_json|name)"\s*:\s*'
    rb'("([^"]|\Z)|\Z)'
    rb'|"(tool_calls|functionCall|inlineData|executableCode|audio|images)"\s*:\s*[\[{]'
)
# A field of any protocol that holds a part of the answer.
CONTENT_FIELD: Final = (
    rb'"(content|text|delta|thinking|reasoning|refusal|arguments|partial_json|tool_calls|parts|functionCall)"\s*:'
)
# A field at the end of half a frame in which content may still come.  Searched for in so many bytes, because the search
# takes the square of their number.
CONTENT_MAY_COME: Final = rb'"(choices|candidates|parts)"\s*:\s*\[[^\]]*\Z|"(delta|content)"\s*:\s*\{[^}]*\Z'
TAIL: Final = 4096
# What to do about a reply of another form than the protocol's.
CHECK = "check {base_url} and the provider"
# The same for the line of a `JsonLinesParser`: the service has sent another form, or the caller's function is wrong.
TEXT_FUNCTION = 'return "" for a line without text, and check that the service sends this form'
QUOTE, BACKSLASH = b'"\\'
# The numbers of two bytes, for which Python searches in the least time.
_LF, _CR = b"\n\r"
# Reads the event between two places of a read: returns its items, or None if it has to be parsed.
Again: TypeAlias = Callable[["FrameParser", bytes, int, int], Iterable[str | Event] | None]
# Makes a named tuple of the tuple of its values, in half the time.
new: Final[Any] = tuple.__new__
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

    If it names a `kept` field in its `roles`, it has `keep(value)`: see there.

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

    # What the reader says of its fields, so that `repeats` may read frames in its place.
    roles: Roles

    @property
    def told(self) -> Mapping[type, Tell | None]:
        """Which frames `repeats` may read in place of this reader now: by the type of their item, whom it tells of it.

        A reader promises of each type here, for a frame like the last one of this type, which holds one such item and
        nothing else but a `Native` beside it: its text is a string of the frame's JSON, unchanged; and the reader's
        state, and what its other frames mean, depend on the text no further than the functions know that are told of
        it, None if nobody has to know.  The promise holds until the reader has read another frame.

        For `ToolCallDelta`, the functions make the items of the next pieces of the arguments, in the same place.
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

    There are two paths through `feed`, which give out the same items.  An event that matches the pattern that `repeats`
    has learnt is neither split into lines nor parsed: its text is taken out of its bytes.  All others go into the
    framing, their JSON is parsed, and the reader says what they hold.
    """

    def __init__(self, framing: Framing, reader: Reader, unit: str) -> None:
        self._framing, self._reader, self._unit = framing, reader, unit
        # Join surrogate pairs that are split between two texts, or between two pieces of reasoning.
        self._text_pairs, self._reasoning_pairs = SurrogatePairs(), SurrogatePairs()
        # The pattern that the next event may match, None if there is none, or if the framing holds the beginning of an
        # event back; what reads such an event; and the type of its item.
        self._repeats = Repeats(framing.forms, reader.roles)
        self._known: Pattern | None = None
        self._again: Again = never
        self._tell: Tell | None = None
        self._type: type = str
        # Bytes that the framing has not seen, the beginning of an event that may match.
        self._held = b""
        # What ends an event, b"" if that is not known.
        self._end = next((end for _, end in framing.forms("")), b"")
        # The last `kept` value that the reader was not given yet, as JSON.
        self.kept = b""
        # How many events have matched since the last one that was learnt from.
        self._matches = 0
        # Whether the loop gets texts alone: no event that `repeats` reads comes out of it.
        self._texts_alone = False
        self._limit, self._most_held = framing.limit, min(framing.limit, HELD_BACK)

    @property
    def done(self) -> bool:
        return self._reader.done

    def feed(self, data: bytes) -> Iterable[str | Event]:
        if self._held:
            return self._with_held(data)
        # The framing, which refuses an event beyond its limit, does not see those that match.
        if (size := len(data)) > self._limit:
            return self._feed(data)
        # Most reads are one event that matches.
        items = self._again(self, data, 0, size)
        if items is not None:
            self._matches += 1
            return items
        known = self._known
        if known is not None:
            # The beginning of an event.
            if self._may_match(data):
                self._held = data
                return ()
            # Not in `_feed`, because a list costs less than a generator.
            if (burst := self._burst(known, data, 0, BURST)) is not None:
                items, stop = burst
                return items if stop == size else chain(items, self._feed(data[stop:], BURST, -stop))
        # Most reads without a line end are the middle of a line, which completes nothing.
        if known is None and _LF not in data and not self.done:
            return self._parsed(data, frames) if (frames := self._framing.feed(data)) else ()
        # Nothing is learnt for a while.
        if self._repeats.off and not self.done:
            return self._parsed(data)
        return self._feed(data, BURST if known is None else 0)

    def _with_held(self, data: bytes) -> Iterable[str | Event]:
        """Do the same as `feed` behind the beginning of an event that may match."""
        held, known = self._held, self._known
        # The middle of an event.
        if _LF not in data and _CR not in data and len(held) + len(data) <= self._most_held:
            self._held += data
            return ()
        data, self._held = held + data, b""
        # Its end, and most often the beginning of the next.
        if known is not None and len(data) <= self._limit:
            stop = data.find(known.end[:1], len(known.before)) + len(known.end)
            if stop < len(data) and (items := self._again(self, data, 0, stop)) is not None:
                self._matches += 1
                rest = data[stop:]
                if not self._may_match(rest):
                    return chain(items, self._feed(rest))
                self._held = rest
                return items
        return self.feed(data)

    def _feed(self, data: bytes, room: int = BURST, began: int = 0) -> Iterator[str | Event]:
        """Yield what the events hold that `data` completes; at first, match bursts of at most `room` bytes.

        Behind an event that did not match, as many bytes are matched at once as matched in the row before that event.
        The first row `began` before the data if the number is negative.
        """
        if self.done:
            return
        end, fits = self._end, len(data) <= self._limit
        if not end:
            yield from self._parsed(data)
            return
        place, more, first = 0, len(end), end[:1]
        while place < len(data):
            known = self._known if fits else None
            if known is not None:
                again, start = self._again, len(known.before)
                while (burst := self._burst(known, data, place, room)) is not None:
                    yield from burst[0]
                    room, place = min(2 * (burst[1] - place), BURST), burst[1]
                # No slot has a line break, so the first one behind `before` ends the event.
                while (items := again(self, data, place, stop := data.find(first, place + start) + more)) is not None:
                    for item in items:  # noqa: UP028 - `yield from` takes longer for one item
                        yield item
                    place = stop
                    self._matches += 1
            if (stop := data.find(end, place)) < 0:
                break
            if known is not None:
                room = min(place - began, BURST)
            before, place = place, stop + more
            began = place
            # Not by a name, which would hold the event for as long as the loop waits behind it.
            yield from self._parsed(data[before:place])
            if self._reader.done:
                return
            # Another pattern may have been learnt, with another end, or the framing may hold something back.
            end = self._end
            more, first = len(end), end[:1]
        rest = data[place:]
        if rest and self._may_match(rest):
            self._held = rest
        elif rest:
            yield from self._parsed(rest)

    def _burst(self, known: Pattern, data: bytes, place: int, room: int) -> tuple[Iterable[Any], int] | None:
        """Return what the events from this place on hold that match, and the place behind them; None if too few match.

        Half as many bytes are tried if the pattern cannot tell which of the events match.
        """
        kind, least = self._type, 2 * (len(known.before) + len(known.after))
        pairs = self._text_pairs if kind is str else self._reasoning_pairs
        # What stands beside a text costs more than to match its event.
        if pairs.high or (known.beside and not self._texts_alone):
            return None
        room, found = min(room, len(data) - place), None
        while room > least and (found := known.texts_of(data, place, place + room)) is None:
            room //= 2
        if found is None or not found[0]:
            return None
        texts, stop, kept = found
        tell: Any = self._tell
        if kind is ToolCallDelta:
            calls = tell.several(texts) if len(texts) > 1 else None
            if calls is None:
                return None
            self._matches += len(texts)
            return islice(calls, 1) if self._texts_alone else calls, stop
        self._matches += len(texts)
        if kept:
            self.kept = kept
        if tell is not None:
            tell.several(texts)
        if kind is str:
            return texts, stop
        if self._texts_alone:
            texts = ["".join(texts)]
        return map(new, repeat(Reasoning), zip(texts, strict=False)), stop

    def _may_match(self, rest: bytes) -> bool:
        """Return whether the end of a read is the beginning of an event that may match."""
        known = self._known
        if known is None or len(rest) > self._most_held:
            return False
        before, size = known.before, len(known.before)
        if len(rest) <= size:
            return before.startswith(rest)
        # An event of another form may be complete, if it has a line break.
        return rest.startswith(before) and rest.find(b"\n", size) < 0 and rest.find(b"\r", size) < 0

    def _parsed(self, data: bytes, frames: Frames | None = None) -> Iterator[str | Event]:
        """Yield what the frames hold that `data` completes, parsed; learn from the last of them."""
        last: tuple[str, bytes, list[Any]] | None = None
        pairs, is_changed = self._text_pairs, False
        for name, frame in self._framing.feed(data) if frames is None else frames:
            items = self._read(name, frame)
            is_changed = is_changed or frame.replace(b" ", b"") != PING
            if found := [item for item in items if item is not None and item != ""]:
                last = name, frame, found
                for item in found:
                    # Text in ASCII holds no surrogates.
                    if type(item) is str and item.isascii() and not pairs.high:
                        yield item
                    else:
                        yield from self._joined(item)
            # The reply is complete: the frames behind this one are not read.
            if self._reader.done:
                self._known, self._again = None, never
                yield from self._lone_surrogates()
                return
        if last is not None:
            self._learn(data, *last)
        # A frame that holds nothing may have replaced counts or sources that the next event would have to replace.
        if not self._framing.idle or (last is None and is_changed):
            self._known, self._again = None, never

    def _learn(self, data: bytes, name: str, frame: bytes, items: list[Any]) -> None:
        """Learn from a frame that was parsed what the next event may look like; `items` are those with content."""
        self._known, self._again = None, never
        matches, self._matches = self._matches, 0
        if not self._repeats.resumes(matches):
            return
        told = self._reader.told
        item, beside = items[0], items[1] if len(items) > 1 else None
        if type(item) not in told or len(items) > 2:
            return
        # What is not declared beside the text is content of its own.
        if beside is not None and not (isinstance(beside, Native) and "beside" in self._reader.roles.values()):
            return
        text = item if isinstance(item, str) else item.text if isinstance(item, Reasoning) else item.arguments
        self._known = known = self._repeats.learn(data, name, frame, text, beside)
        if known is None:
            return
        self._end, self._type = known.end, type(items[0])
        self._tell = tell = told[self._type]
        if self._type is ToolCallDelta:
            self._again = calls(known, told[self._type].one)  # type: ignore[union-attr]
        else:
            pairs = self._text_pairs if self._type is str else self._reasoning_pairs
            self._again = texts(known, tell, self._type, pairs, 0 if self._texts_alone else known.beside)

    def item(self, known: Pattern, tell: Tell | None, found: re.Match[bytes]) -> Iterable[str | Event]:
        """Return the text or the reasoning in an event that matches, and what stands beside it."""
        text = unescaped(found[known.text])
        items = tuple(self._joined(text if self._type is str else Reasoning(text)))
        if tell is not None:
            tell.one(text)
        if known.kept:
            self.kept = found[known.kept]
        if known.beside and not self._texts_alone:
            items += (Native(known.name, scan(found[known.beside].decode("utf-8", "replace"), 0)[0]),)
        return items

    def for_texts_alone(self) -> None:
        """Make fewer of the events that a loop over texts alone does not get, in frames that `repeats` reads.

        There is no `Native` beside a text, and of the pieces of reasoning or of a tool call that come in one read at
        once, there is one: the reasoning joined, or the first piece of the call.
        """
        self._texts_alone = True
        self._known, self._again = None, never

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
        if self._held:
            held, self._held = self._held, b""
            yield from self._parsed(held)
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
        self._keep()
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
        """Return the body that says in frames what a whole answer in JSON says, b"" if the text is no such answer."""
        before, behind = next(iter(self._framing.forms("")), (b"data: ", b"\n\n"))
        try:
            value = loads(text)
            events = [*self._events_of(value)] if isinstance(value, dict) else []
        except (ValueError, RecursionError):
            return b""
        return b"".join(before + event + behind for event in (*(dumps(e).encode() for e in events), DONE) if events)

    def _events_of(self, answer: dict[str, Any]) -> Iterable[Any]:
        """Return the frames that say what a whole answer says, none if the value is no answer."""
        whole: Callable[[dict[str, Any]], Iterable[Any]] = getattr(self._reader, "whole", lambda _: ())
        return whole(answer)

    def _read(self, name: str, frame: bytes, *, last: bool = False) -> tuple[Any, ...]:
        """Return the items of a frame.  `last` is true if the body ends with this frame, which may be cut off."""
        self._keep()
        frame = frame.strip()
        if frame == DONE:
            return tuple(self._reader.end(marked=True))
        if not frame:
            return ()
        if name == WHOLE:
            return self._each("", [dumps(event).encode() for event in self._events_of(loads(frame.decode()))], False)
        try:
            value = self._value(frame, last)
        except (MalformedReplyError, TruncatedStreamError):
            # Servers end events with one line break in place of two (Baseten's, anomalyco/opencode#27365, May 2026).
            *lines, end = frame.split(b"\n")
            if lines and all(map(_is_frame, (*lines, *(() if last else (end,))))):
                return self._each(name, (*lines, end), last)
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
            # MiniMax's are chunks without choices (RooCodeInc/Roo-Code#9105, November 2025).
            relayed = "error" in (value.get("object"), value.get("type")) or "base_resp" in value
            if relayed and not any(isinstance(item, str | G4fliteError) for item in items):
                items = (*items, reported(value))
            # A relay's own error has one field, {"detail": "text"}, or a code beside its message: DashScope's and
            # SiliconFlow's {"code": 50505, "message": "overloaded", "data": null}, and {"statusCode": 500, "message"}.
            bare = len(value) == 1 or (isinstance(value.get("message"), str) and has_failed(value))
            says_error = bare and name in ("", "message") and is_report(value, bare=True)
            if says_error and not any(isinstance(item, (*CONTENT, Finish, G4fliteError)) for item in items):
                return *items, reported({"error": value})
            return items
        # It is a ValueError, too.
        except SpecError:
            raise
        except (LookupError, TypeError, AttributeError, ValueError, OverflowError) as error:
            # The data of an event of another name may have any shape, as long as they hold nothing of the answer.
            if name and name not in self._reader.names and name != "error" and not re.search(CONTENT_FIELD, frame):
                return ()
            raise self._malformed(f"does not have the protocol's shape: {excerpt(frame)}") from error

    def _each(self, name: str, frames: Sequence[bytes], last: bool) -> tuple[Any, ...]:
        """Return the items of frames that came as one event, whose name is the last one's.

        The last frame may be cut off if it is the `last` of the body.
        """
        items: list[Any] = []
        for number, frame in enumerate(frames, 1 - len(frames)):
            at_end = number == 0
            try:
                if not self._reader.done:
                    items += self._read(name if at_end else "", frame, last=last and at_end)
            # It is raised behind the items before it.
            except G4fliteError as error:
                items.append(error)
        return tuple(items)

    def _keep(self) -> None:
        """Give the reader the last `kept` value, if it does not have it yet."""
        if self.kept:
            raw, self.kept = self.kept, b""
            reader: Any = self._reader
            reader.keep(scan(raw.decode("utf-8", "replace"), 0)[0])

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
        if isinstance(value, list) and len(value) == 1 and is_report(value):
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

    def joined(self, items: Items) -> Iterator[str | Event]:
        for item in items:
            yield from self._joined(item)

    def _lone_surrogates(self) -> Iterator[str | Event]:
        """Yield U+FFFD for each high surrogate that was held back, because its low surrogate never came."""
        if self._reasoning_pairs.high:
            yield Reasoning("\ufffd")
        if self._text_pairs.high:
            yield "\ufffd"
        self._text_pairs.high = self._reasoning_pairs.high = ""


def unescaped(raw: bytes) -> str:
    """Return the text of a JSON string, without its quotes, that is known to be valid."""
    text = raw.decode("utf-8", "replace")
    return text if b"\\" not in raw else scan_string(text + '"', 0)[0]


# The functions below make what reads an event that matches a pattern.  They get the parser anew for each event: else
# the parser would hold what holds the parser, and such a circle stays until a garbage collection.


def never(parser: FrameParser, data: bytes, begin: int, stop: int) -> None:
    """Read no event."""


def calls(known: Pattern, grown: Callable[[str], Any]) -> Again:
    """Return what reads the events that match a pattern and hold a piece of a tool call."""
    before, after, _, match, group, *_ = known
    start, size, long, equal = len(before), len(after), known.long, known.equal

    def again(parser: FrameParser, data: bytes, begin: int, stop: int) -> Any:
        # Slices take half as long as `startswith` and `endswith`.
        if data[begin : begin + start] != before or data[stop - size : stop] != after:
            return None
        found = match(data, begin + start, stop - size)
        if found is None or (long and found[long] != equal):
            return None
        raw = found[group]
        items = grown(raw.decode("utf-8", "replace") if BACKSLASH not in raw else unescaped(raw))
        # A piece that is given out as it is comes as a tuple.
        return parser.joined(items) if type(items) is list else items

    return again


def texts(known: Pattern, tell: Tell | None, kind: type, pairs: SurrogatePairs, beside: int) -> Again:
    """Return what reads the events that match a pattern and hold a text or reasoning, with the group `beside` it."""
    before, after, _, match, group, *_ = known
    start, size, is_text, is_alone = len(before), len(after), kind is str, known.is_alone and not beside
    long, one = known.long, tell.one if tell is not None else None

    # The values are defaults, and there are no annotations: each stream has a function of its own, which would hold 700
    # bytes more for variables of the function around it, and 300 more for the annotations.
    def again(  # type: ignore[no-untyped-def]
        parser, data, begin, stop,
        before=before, after=after, start=start, size=size, is_alone=is_alone, is_text=is_text, pairs=pairs,
        one=one, match=match, group=group, long=long, known=known, tell=tell, beside=beside,
    ):  # fmt: skip
        if data[begin : begin + start] != before or data[stop - size : stop] != after:
            return None
        # Most texts need no regular expression.
        if is_alone and QUOTE not in (raw := data[begin + start : stop - size]) and BACKSLASH not in raw:
            text = raw.decode("utf-8", "replace")
            if text and text.isprintable() and not pairs.high:
                if one is not None:
                    one(text)
                return (text,) if is_text else (new(Reasoning, (text,)),)
        found = match(data, begin + start, stop - size)
        if found is None or (long and found[long] != known.equal):
            return None
        raw = found[group]
        if BACKSLASH not in raw:
            text = raw.decode("utf-8", "replace")
        # Only such escapes hold surrogates, and only a surrogate has to be joined.
        elif b"\\u" in raw:
            return parser.item(known, tell, found)
        else:
            text = unescaped(raw)
        if pairs.high:
            return parser.item(known, tell, found)
        if one is not None:
            one(text)
        if known.kept:
            parser.kept = found[known.kept]
        if beside:
            native = new(Native, (known.name, scan(found[beside].decode("utf-8", "replace"), 0)[0]))
            return (text, native) if is_text else (new(Reasoning, (text,)), native)
        return (text,) if is_text else (new(Reasoning, (text,)),)

    return again


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


def _is_frame(line: bytes) -> bool:
    """Return whether a line is a JSON object or the end marker."""
    try:
        return line.strip() == DONE or isinstance(loads(line.decode("utf-8", "replace")), dict)
    except (ValueError, RecursionError):
        return False


def _holds_content(half: bytes) -> bool:
    """Return whether half a frame, behind its name, holds a piece of the answer, or breaks off where one may come."""
    return bool(re.search(CONTENT_BEGINS, half) or re.search(CONTENT_MAY_COME, half[-TAIL:]))


def reported(report: Any) -> G4fliteError | None:
    """Return the error that a service reports inside a reply of status 200, or None: see `service_errors.reported`."""
    from . import service_errors  # noqa: PLC0415 - slow to import, and needed for errors only

    return service_errors.reported(report)


# The words that stand as a code beside a message that tells of no failure.
NO_FAILURES = ("", "ok", "success")


def is_report(value: Any, *, bare: bool = False) -> bool:
    """Return whether a JSON value reports an error: see `service_errors.report_of`."""
    from . import service_errors  # noqa: PLC0415 - slow to import, and needed for errors only

    return service_errors.report_of(value, bare=bare) is not None


def has_failed(value: dict[str, Any]) -> bool:
    """Return whether an object has the code of a failure, neither a status below 400 nor a word of success."""
    codes = [value[name] for name in ("code", "statusCode", "status_code") if name in value]
    # Python refuses to read thousands of digits.
    return any(
        int(str(code)[:9]) >= 400 if str(code).isdecimal()
        else isinstance(code, str) and code.lower() not in NO_FAILURES
        for code in codes
    )  # fmt: skip


IN_BODY = "its words are in .body, and "


def refusal(text: str) -> ContentFilterError:
    """Return the error for a model that refuses to answer, and says `text` instead."""
    said = f"the model refuses: {excerpt(text)}; {IN_BODY}another question may help"
    return ContentFilterError(said, status=200, body=text, code="refusal")


def failure(finish: Finish) -> ProviderError | None:
    """Return the error that a finish reason stands for, None if the answer has ended well."""
    if finish.reason != "error":
        return None
    said = f"the service ended its reply with the finish reason {finish.native}; try again"
    return ProviderError(said, code=finish.native, passing=True)


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

    names: tuple[str, ...] = ("",)
    roles = fields()

    def __init__(
        self,
        text_of: Callable[[dict[str, Any]], object],
        ends: Callable[[dict[str, Any]], bool] | None,
        verbatim: bool,
    ) -> None:
        self._text_of, self._ends, self.done = text_of, ends, False
        self.told: Mapping[type, Tell | None] = {str: None} if verbatim else {}

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
