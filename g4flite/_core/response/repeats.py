"""The fast path for frames that repeat an earlier frame of their reply, but for their text and what nobody reads.

Most frames of a reply are the same JSON around another piece of text.  Some services also put a time, a number or
random padding into each:

    {"model":"m","created_at":"2026-11-25T10:11:12Z","message":{"content":" Hello"},"done":false}
    {"model":"m","created_at":"2026-11-25T10:11:13Z","message":{"content":" world"},"done":false}

To parse such a frame and walk to its text takes 4 to 8 microseconds (CPython 3.11, frames of 120 to 500 bytes).  To
match it against a pattern and to decode the text alone takes about 1.  The parser (`FrameParser` in `parsers.py`)
parses a frame, asks its reader what the frame holds, and lets `Repeats` learn a pattern from both:

    pattern = repeats.learn(data, name, frame, " Hello")    # from the first frame above, which has come in `data`
    found = pattern.found(data, start, stop)                # the match of the next event, with the text as a group

A pattern is bytes that must be equal, `before` and `after`, and between them a regular expression with a slot for each
value that may differ.  Many bytes between two slots that must be equal are skipped there and compared afterwards.  At
first the only slot is the text.  If a frame does not match, it is compared with the frame that the pattern was learnt
from, token by token, and what differs becomes a slot, too, if it is

- a string, a number or a list of whole numbers in a field that the reader calls *unread* (`roles`);
- a positive whole number in the field of which the reader wants the *kept* value, that of the last frame;
- a string, a number or such a list in the field that comes out *beside* the text, as a `Native`;
- the number of blanks before a token.

The events of a burst, a read that holds many, are matched all at once (`Burst`).  `re` takes some ten instructions for
each byte that has to be equal, and equal bytes are most of an event.  So another expression finds the slots and skips
so many bytes between them, whatever they are; where events differ in their text alone, as many bytes are cut off both
ends of each line.  Then the events are put together again from the equal bytes and from what stood in the slots, and
are compared with the read.  The texts are scanned as one string.

Why this cannot change an answer:

1. All of an event's bytes are compared, its framing included, but those in a slot.  A slot takes a JSON value of the
   type that stood there, and no other bytes: a string cannot end early, a number cannot become a word, and no slot
   takes a line break.  So an event that matches is one event, its JSON is valid, and its value is that of the frame
   that was parsed, but for the values in the slots.
2. The text's slot is certain: no other string of the frame, and no name, equals the text, unless it is unread or
   beside.  An empty text does not match, because a reader may then look at another field.
3. The reader promises (`Reader.told`, `roles`) that the text of such a frame is the string in the slot, unchanged; that
   nothing else depends on what the text says; and that it never looks at a field that is unread.  What has to know of
   each text is told of it.

All else is parsed: a frame with another field, a finish reason, counts that are zero, another name of its event.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import BytesIO
from itertools import chain, compress, count, groupby, takewhile
from operator import itemgetter, ne
from typing import Any, Final, NamedTuple, TypeAlias

from ..numbers import scan

# The C function that decodes one string for `json.loads`, which takes six times as long for a short text.
scan_string: Any = json.decoder.scanstring  # type: ignore[attr-defined]
# After so many misses, the next frames of the reply are parsed and not learnt from.  A frame that the last pattern did
# not fit is a miss: to learn from it takes as long as to parse it.
MOST_MISSES: Final = 6
# How many reads then pass before the next frame is learnt from; each time, twice as many as before.  A reply may repeat
# itself only behind a beginning of many forms.
REST: Final = 64
# So many events that match a pattern make up for a miss.
WORTH: Final = 2
# A frame that was taken apart token by token without learning anything new, as long as to parse three, is as many more.
IN_VAIN: Final = 2
# How many patterns with several slots are remembered, for replies whose frames take turns.
MOST_PATTERNS: Final = 4
# What separates texts that are scanned as one: the only control character that JSON takes in a string.
DELETE: Final = "\x7f"

# Bytes patterns of JSON values without line breaks.  Each has a branch of its own for what is frequent: a string
# without escapes, a whole number, a list of one number.  `re` allocates memory for a repeated or optional group even if
# the group does not come at all.
#
# The characters of a string that are not escaped; and what may stand behind them, escapes with more such characters.
# A thousand escapes at most, because each takes memory while the expression runs.
PLAIN: Final = rb'[^"\\\x00-\x1f]*'
ESCAPES: Final = rb'(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})' + PLAIN + rb"){1,999}"
# The inside of a string, if it is not empty.
TEXT: Final = rb'(?=[^"])' + PLAIN + rb"(?:(?!\\)|" + ESCAPES + rb")"
# Most of the same, and more, in two thirds of the time, for a burst, whose texts are scanned afterwards: up to the
# first quote behind no backslash or behind two, or to one of the next two quotes.
ROUGH: Final = rb'[^"]*(?:(?<!\\)|(?<=\\\\)|"[^"]*(?:(?<!\\)|"[^"]*))'
# Fewer digits than `int` refuses.
WHOLE: Final = rb"(?:0|[1-9][0-9]{0,17})"
DECIMALS: Final = rb"\.[0-9]{1,30}"
EXPONENT: Final = rb"[eE][-+]?[0-9]{1,3}"
# What may stand in a slot, by the first byte of what stood there: a string, a list of whole numbers, a number.
SLOTS: Final = {
    b'"': b'"' + PLAIN + b'(?:"|' + ESCAPES + b'")',
    # Most lists have no blanks and no zero: for these, what stands nowhere in them is found in less time than numbers.
    b"[": rb"\[(?:(?![^]]*,[,0])[1-9][0-9,]{0,4000}(?<!,)\]|" + WHOLE + rb"(?:\]|(?:, ?" + WHOLE + rb"){1,999}\]))",
    b"-": rb"-?" + WHOLE + rb"(?:" + DECIMALS + rb"(?:" + EXPONENT + rb"|)|" + EXPONENT + rb"|)",
}
POSITIVE: Final = rb"[1-9][0-9]{0,14}"
# The slot of the text, as pieces of a pattern: not equal in each event.
TEXT_GROUP: Final = ((False, b"(?P<text>"), (False, TEXT), (False, b")"))
# How many bytes between two slots are compared by `re`.
MOST_COMPARED: Final = 64
# A token of valid JSON, with the blanks before it; or all that is left, so that this takes linear time.
TOKEN: Final = (
    rb'(?s)([ \t]*)([]{}:,]|"[^"\\]*(?:\\.[^"\\]*){0,999}"|\[ ?[0-9][0-9, ]*\]|-?[0-9][-+.0-9eE]*|'
    rb"true|false|null|\[|.*)"
)

# What a reader says of fields, by their path without the places in lists, like "choices.logprobs".
Roles: TypeAlias = Mapping[str, str]
# What comes out beside a text: the name and the value of a `Native`.
Beside: TypeAlias = tuple[str, Any]


class Tell(NamedTuple):
    """Who is told of a text that is given out, and of several at once.

    For tool calls: of a piece of the arguments, and of several.  They return the items, or None if the frame has to be
    parsed, or if the frames have to be told of one by one.
    """

    one: Callable[[str], Any]
    several: Callable[[Sequence[str]], Any]


def fields(*, unread: tuple[str, ...] = (), kept: str = "", beside: str = "") -> Roles:
    """Return what a reader says of its fields; each path stands for all that is in the field.

    - `unread`: fields that the reader never looks at.  What else differs from frame to frame is never a slot.
    - `kept`: a field of which the last value counts, if the numbers in it that differ are positive.  `Reader.keep` is
      given that value before the next frame is read, and before the end.
    - `beside`: a field whose value comes out behind the text, as a `Native`.
    """
    named = {kept: "kept", beside: "beside"}
    return {**dict.fromkeys(unread, "unread"), **{path: role for path, role in named.items() if path}}


class Pattern(NamedTuple):
    """What an event looks like: `match` finds its slots, a regular expression for all between `before` and `after`.

    These two include the event's framing, `after` with the bytes that `end` it.  `text`, `kept` and `beside` are the
    numbers of their groups, 0 if there is no such group; `name` is that of the `Native` beside.  `burst` finds the
    slots of many events.
    """

    before: bytes
    after: bytes
    end: bytes
    match: Callable[[bytes, int, int], re.Match[bytes] | None]
    text: int
    kept: int
    beside: int
    name: str
    # Whether the text is the only slot.
    is_alone: bool
    # The number of the group of the most equal bytes between two slots, if they are many, and these bytes, which are
    # compared behind the match.
    long: int
    equal: bytes
    burst: "Burst"

    def found(self, data: bytes, start: int, stop: int) -> re.Match[bytes] | None:
        """Return the match of the event that stands between these places, or None.  (`texts` does so in less time.)"""
        before, after = self.before, self.after
        if not data.startswith(before, start) or not data.endswith(after, start, stop):
            return None
        # Without a match if the two overlap.
        found = self.match(data, start + len(before), stop - len(after))
        return found if found is None or not self.long or found[self.long] == self.equal else None

    def texts_of(self, data: bytes, start: int, stop: int) -> tuple[list[str], int, bytes] | None:
        """Return the texts of the events from `start` on, up to the first that does not match or is not complete.

        Returns also the place behind them, and the last `kept` value, b"" if there is none.  Returns None if an event
        matches in all but the bytes between its slots, or if its text is no string of JSON or has a lone surrogate;
        fewer events may then match.
        """
        if not data.startswith(self.before, start, stop):
            return [], start, b""
        raws, events, last = self.burst.found(data[start:stop])
        if not raws:
            return [], start, b""
        texts = strings(raws) if data.startswith(events, start) else None
        if texts is None:
            return None
        if "" in texts:
            # The events end before the first such text.
            lines = events.count(b"\n") // len(texts) * texts.index("")
            return self.texts_of(data, start, start + len(events) - len(events.split(b"\n", lines)[-1]))
        found: Any = self.found(last, 0, len(last)) if self.kept else None
        return texts, start + len(events), found[self.kept] if self.kept else b""


class Burst:
    """Finds the slots of many events by a few calls of C functions for all events, not a few for each.

    An event is the first of the `constants`, a slot, the next constant, and so on; `text` is the number of the text's
    slot.  Of the event `{"t":"Hi","at":12}`, with slots for "Hi" and 12, the expression is

        {.{4}"(TEXT)".{5}:(NUMBER)}|.+

    The byte behind a slot is not skipped: without it, a slot could give back some of its bytes, and the expression
    would try all numbers of them in each slot.  The byte before a slot and the last one are not skipped either, so that
    most events of another form end the burst; then `.+` takes all that is left in one step.
    """

    __slots__ = ("_event", "_slots", "_split", "_text")

    def __init__(self, constants: list[bytes], slots: list[bytes], text: int) -> None:
        # An event with its slots empty.
        self._event = [b""] * (2 * len(slots) + 1)
        self._event[::2] = constants
        self._slots, self._text = slots, text
        self._split: Callable[[bytes], list[Any]] | None = None

    def found(self, data: bytes) -> tuple[list[bytes], bytes, bytes]:
        """Return the texts of the first events, as JSON without quotes; these events; and the last of them.

        The `data` begin with these events only if the bytes are equal: the constants were not compared.
        """
        if len(self._slots) == 1:
            return self._cut(data)
        if self._split is None:
            # Compiled here, which takes 200 microseconds, because most replies have no bursts.
            first, *others = self._event[::2]
            slots = (ROUGH if one == TEXT else one for one in self._slots)
            rest = (b"(%b)%b" % (one, skipping(other)) for one, other in zip(slots, others, strict=True))
            self._split = re.compile(b"(?s)%b%b|.+" % (skipping(first), b"".join(rest))).split
        # For each event, the nothing before it and its slots, which are None if `.+` has matched.
        parts, each = self._split(data), 1 + len(self._slots)
        count = len(parts) // each - (parts[-2] is None)
        columns = [parts[at : each * count : each] for at in range(1, each)]
        size = len(self._event)
        pieces = self._event * count
        for at, column in enumerate(columns):
            pieces[2 * at + 1 :: size] = column
        return columns[self._text], b"".join(pieces), b"".join(pieces[-size:])

    def _cut(self, data: bytes) -> tuple[list[bytes], bytes, bytes]:
        """Do the same as `found` for events whose text alone differs, in less time."""
        first, _, last = self._event
        each, begin = (first + last).count(b"\n"), first.count(b"\n")
        text = itemgetter(slice(len(first) - first.rfind(b"\n") - 1, -last.index(b"\n") - 1))
        # In contrast to `split`, this searches for many bytes at once.
        lines = BytesIO(data).readlines()
        if not data.endswith(b"\n"):
            lines.pop()
        raws = [*map(text, lines[begin : len(lines) // each * each : each])]
        if not data.startswith(events := self._around(raws)):
            # As many as are equal up to the first byte that is not.
            del raws[data.count(b"\n", 0, equal_bytes(data, events)) // each :]
            events = self._around(raws)
        return raws, events, b""

    def _around(self, raws: list[bytes]) -> bytes:
        """Return the events with these texts, whose text alone differs."""
        first, _, last = self._event
        if not raws:
            return b""
        *middle, end = [first + raws[0], *raws[1:]]
        return (last + first).join([*middle, end + last])


def equal_bytes(one: bytes, other: bytes) -> int:
    """Return how many bytes at the beginning of both are equal."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle - 1)
    return low


class Sample(NamedTuple):
    """A frame that was parsed, as the bytes of its tokens and the blanks before each; and the place of its text.

    Behind the last token stands an empty one.
    """

    tokens: tuple[bytes, ...]
    blanks: tuple[bytes, ...]
    text: int
    # The slots: places whose values differ, and places with differing numbers of blanks before them.
    values: frozenset[int] = frozenset()
    spaces: frozenset[int] = frozenset()

    def is_name(self, at: int) -> bool:
        """Return whether the token at a place is the name of a field, that is, a colon follows."""
        return self.tokens[at + 1] == b":"

    def joined(self, first: int, stop: int) -> bytes:
        """Return the bytes of the tokens from the first place on, up to another."""
        return b"".join(chain.from_iterable(zip(self.blanks[first:stop], self.tokens[first:stop], strict=True)))


class Repeats:
    """Learns the patterns of one reply.  `forms` are those of its framing: see `Framing.forms`."""

    __slots__ = ("_forms", "_frame", "_left", "_patterns", "_rest", "_roles", "_sample", "_text", "misses", "off")

    def __init__(self, forms: Callable[[str], Iterable[tuple[bytes, bytes]]], known: Roles) -> None:
        self._forms, self._roles = forms, known
        # How many misses were not made up for, and whether these were too many, so that nothing is learnt for a while:
        # for how many reads the next time, and for how many more now.
        self.misses, self.off = 0, False
        self._rest = self._left = REST
        # The last frame that was parsed and learnt from, with its text; and as a sample, None if not yet taken apart.
        self._frame, self._text = b"", ""
        self._sample: Sample | None = None
        self._patterns: list[Pattern] = []

    def _miss(self, count: int = 1) -> None:
        """Count a miss, or several."""
        self.misses += count
        self.off = self.misses > MOST_MISSES

    def resumes(self, matches: int) -> bool:
        """Return whether the next frame is learnt from, behind so many events that have matched since the last one.

        These make up for frames that no pattern fitted.
        """
        self.misses = max(self.misses - matches // WORTH, 0)
        self.off = self.misses > MOST_MISSES
        if not self.off:
            return True
        self._left -= 1
        if not self._left:
            self._rest *= 2
            self._left, self.misses, self.off = self._rest, MOST_MISSES // 2, False
            self._frame, self._sample = b"", None
        return False

    def learn(self, data: bytes, name: str, frame: bytes, text: str, beside: Beside | None = None) -> Pattern | None:
        """Return the pattern of a frame that was parsed, None if there is none.

        `data` are the bytes of a read in which the event ends, whose name is `name`.  The frame holds a text, which may
        be reasoning or a piece of a tool call's arguments, and nothing else but what is `beside`.
        """
        # What the framing has joined from several lines has a form of its own.
        form = None if b"\n" in frame else self._form(data, name, frame)
        head, end = form or (b"", b"")
        self._miss()
        if form is not None and text and (known := self._again(head + frame + end, text, beside)) is not None:
            return known
        if form is None or self.off or not text:
            return None
        learnt = self._compared(head, frame, text, end, beside)
        if learnt is None and beside is None:
            learnt = simple(head, frame, text, end)
        if learnt is None:
            learnt = self._alone(head, frame, text, end, beside)
        if learnt is not None:
            self._patterns = [learnt, *self._patterns[: MOST_PATTERNS - 1]]
        self._frame, self._text = frame, text
        return learnt

    def _again(self, event: bytes, text: str, beside: Beside | None) -> Pattern | None:
        """Return the pattern that was learnt before and finds in an event what was read in it, None if none does."""
        for pattern in self._patterns:
            found = pattern.found(event, 0, len(event)) if bool(pattern.beside) == (beside is not None) else None
            if found is not None and string(b'"%b"' % found[pattern.text]) == text:
                return pattern
        return None

    def _form(self, data: bytes, name: str, frame: bytes) -> tuple[bytes, bytes] | None:
        """Return what stands before the frame and behind it in an event of its own, None if it came in another form."""
        for head, end in self._forms(name):
            # Most often it is all of the read, which is told in less time than by a search.
            if (event := head + frame + end) == data or event in data:
                return head, end
        # Its beginning came in earlier reads.
        for head, end in self._forms(name):
            event = frame + end
            if event.endswith(data) or event[-len(end) - 4 :] in data:
                return head, end
        return None

    def _compared(self, head: bytes, frame: bytes, text: str, end: bytes, beside: Beside | None) -> Pattern | None:
        """Return the pattern of a frame that differs from the frame before in values that may differ."""
        if not self._frame:
            return None
        old = self._sample or sampled(self._frame, self._text, self._roles)
        new = self._sample = sampled(frame, text, self._roles)
        both = compared(old, new, self._roles) if old is not None and new is not None else None
        if old is None or both is None or (both.values, both.spaces) == (old.values, old.spaces):
            self._miss(IN_VAIN)
        if both is None:
            return None
        self._sample = both
        return built(head, both, end, beside, self._roles)

    def _alone(self, head: bytes, frame: bytes, text: str, end: bytes, beside: Beside | None) -> Pattern | None:
        """Return the pattern of a frame that cannot be compared, and has escapes or something beside its text."""
        self._miss(IN_VAIN)
        self._sample = sampled(frame, text, self._roles)
        return built(head, self._sample, end, beside, self._roles) if self._sample is not None else None


def simple(head: bytes, frame: bytes, text: str, end: bytes) -> Pattern | None:
    """Return the pattern of a frame whose text alone may differ, None if the place of the text is not certain.

    This is the quick way for a frame without escapes.
    """
    # U+FFFD may stand for bytes that are not UTF-8.
    if b"\\" in frame or "\ufffd" in text:
        return None
    quoted = b'"%b"' % text.encode()
    at = frame.find(quoted)
    # Two calls of `find`, because `rfind` takes quadratic time on some inputs.
    if at < 0 or frame.find(quoted, at + 1) >= 0:
        return None
    before, after = head + frame[: at + 1], frame[at + len(quoted) - 1 :] + end
    # What `finished` returns, in a fifth of the time: frames that take turns are learnt again each time.
    match, burst = re.compile(b"(%b)" % TEXT).fullmatch, Burst([before, after], [TEXT], 0)
    return Pattern(before, after, end, match, 1, 0, 0, "", True, 0, b"", burst)


def sampled(frame: bytes, text: str, known: Roles) -> Sample | None:
    """Return a frame, which is valid JSON, as a sample; None if the place of its text is not certain."""
    # Compiled here, because the first text of a reply does not need it; `re` keeps it.
    blanks, made = zip(*re.compile(TOKEN).findall(bare := frame.rstrip()), strict=True)
    # There is something else among the tokens, like `NaN`.
    if len(made) < 2 or made[-2] != b"}":
        return None
    # Only a string with escapes, or with bytes that are not UTF-8, has other bytes than its text.
    if b"\\" in frame or "\ufffd" in text:
        places = [at for at, body in enumerate(made) if body[:1] == b'"' and string(body) == text]
    else:
        quoted = b'"%b"' % text.encode()
        places = [*compress(count(), map(quoted.__eq__, made))]
    if len(places) > 1:
        kinds = roles_of(made, known)
        places = [at for at in places if not kinds[at]]
    sample = Sample(made, (*blanks[:-1], frame[len(bare) :]), places[0]) if len(places) == 1 else None
    return None if sample is None or sample.is_name(sample.text) else sample


def roles_of(tokens: Sequence[bytes], known: Roles) -> list[str]:
    """Return for each token the role of the field in which it stands, "" for none."""
    kinds: list[str] = []
    # Of each open container: its path and role, and whether it is an object.
    opened: list[tuple[str, str, bool]] = []
    path, role, is_object, names = "", "", False, False
    for body in tokens:
        # Commas, colons and names belong to the container.
        own = opened[-1][1] if opened else ""
        if body in (b"{", b"["):
            own = role
            opened.append((path, role, is_object))
            is_object = names = body == b"{"
        elif body in (b"}", b"]"):
            (path, role, is_object), names = opened.pop(), False
        elif body == b",":
            names = is_object
        elif names:
            names = False
            above, name = opened[-1][0], body[1:-1].decode("utf-8", "replace")
            path = f"{above}.{name}" if above else name
            role = own or known.get(path, "")
        elif body != b":":
            own = role
        kinds.append(own)
    return kinds


def string(body: bytes) -> str:
    """Return the value of a token that is a string."""
    text = body[1:].decode("utf-8", "replace")
    return text[:-1] if "\\" not in text else scan_string(text, 0, False)[0]


def strings(raws: list[bytes]) -> list[str] | None:
    """Return the values of JSON strings without their quotes; None if one is none, or has a lone surrogate.

    They are scanned as one string, with U+007F between two, which no escape takes.  Returns None also if there is
    another U+007F, which no text has.
    """
    source = DELETE.encode().join(raws).decode("utf-8", "replace") + '"'
    try:
        text, end = scan_string(source, 0)
        # Raises `UnicodeEncodeError` for a surrogate.
        text.encode()
    except ValueError:
        return None
    values: list[str] = text.split(DELETE)
    return values if end == len(source) and len(values) == len(raws) else None


def slot(body: bytes, role: str) -> bytes:
    """Return the regular expression of what may stand in the place of a token, b"" if nothing else may."""
    if role == "kept":
        return POSITIVE if re.fullmatch(POSITIVE, body) else b""
    first = b"-" if body[:1].isdigit() else body[:1]
    # An opening bracket alone is no list.
    return SLOTS.get(first, b"") if role and body != b"[" else b""


def compared(old: Sample, new: Sample, known: Roles) -> Sample | None:
    """Return the new sample with the slots of both, and with those that differ; None if something differs that may not.

    What needs no roles is looked at first: to find them takes as long as to parse two frames.
    """
    if len(old.tokens) != len(new.tokens) or old.text != new.text:
        return None
    values = {*compress(count(), map(ne, old.tokens, new.tokens))} - {new.text}
    spaces = {*compress(count(), map(ne, old.blanks, new.blanks))}
    # Names in a field that nobody reads stay.
    if any(map(new.is_name, values)):
        return None
    kinds = roles_of(new.tokens, known) if values else []
    for at in values:
        one, other = (slot(sample.tokens[at], kinds[at]) for sample in (old, new))
        if not one or one != other:
            return None
    return new._replace(values=old.values | values, spaces=old.spaces | spaces)


def built(head: bytes, sample: Sample, end: bytes, beside: Beside | None, known: Roles) -> Pattern | None:
    """Return the pattern of a sample, None if the value that was found `beside` is not the one in the frame."""
    kinds = roles_of(sample.tokens, known)
    # The groups, each by the places of its first and its last token.
    groups = {"text": (sample.text, sample.text)}
    for role in ("kept", "beside"):
        if role in kinds:
            groups[role] = kinds.index(role), len(kinds) - 1 - kinds[::-1].index(role)
            # The field stands there twice.
            if set(kinds[slice(groups[role][0], groups[role][1] + 1)]) != {role}:
                return None
    if "kept" in groups and all(kinds[at] != "kept" for at in sample.values):
        # The reader has read a value that is always the same.
        del groups["kept"]
    # Nearly all that stands beside a text differs.
    besides = (at for at, role in enumerate(kinds) if role == "beside" and not sample.is_name(at))
    values = sample.values.union(at for at in besides if slot(sample.tokens[at], "beside"))
    if beside is None:
        groups.pop("beside", None)
    elif "beside" not in groups or beside[1] != value_of(sample, *groups["beside"]):
        return None
    # Pieces that are equal in each frame, and pieces of the regular expression.
    pieces: list[tuple[bool, bytes]] = [(True, head)]
    place = 0
    for at in sorted({*values, *sample.spaces, *chain.from_iterable(groups.values())}):
        pieces.append((True, sample.joined(place, at)))
        place = at + 1
        pieces.append((False, b" *") if at in sample.spaces else (True, sample.blanks[at]))
        begins = [role for role, (first, _) in groups.items() if first == at != sample.text]
        pieces += [(False, b"(?P<%b>" % role.encode()) for role in begins]
        if at == sample.text:
            pieces += [(True, b'"'), *TEXT_GROUP, (True, b'"')]
        else:
            body = sample.tokens[at]
            pieces.append((False, slot(body, kinds[at])) if at in values else (True, body))
        pieces += [(False, b")") for _, last in groups.values() if last == at != sample.text]
    pieces.append((True, sample.joined(place, len(kinds)) + end))
    return finished(pieces, end, beside[0] if beside is not None else "")


def value_of(sample: Sample, first: int, last: int) -> Any:
    """Return the value of the tokens between two places."""
    return scan(sample.joined(first, last + 1).decode("utf-8", "replace").lstrip(), 0)[0]


def skipping(constant: bytes, group: bytes = b"(?:") -> bytes:
    """Return the regular expression of as many bytes as a constant has, of which only the first and the last count.

    The others stand in a group, whose beginning is given.
    """
    if len(constant) <= 2:
        return re.escape(constant)
    return b"%b%b(?s:.{%d}))%b" % (re.escape(constant[:1]), group, len(constant) - 2, re.escape(constant[-1:]))


def finished(pieces: list[tuple[bool, bytes]], end: bytes, name: str = "") -> Pattern:
    """Return the pattern of an event.

    The pieces are equal in each event, or are pieces of the regular expression, in which the groups have names.
    """
    before = [piece for _, piece in takewhile(lambda piece: piece[0], pieces)]
    after = [piece for _, piece in takewhile(lambda piece: piece[0], reversed(pieces))][::-1]
    middle = pieces[len(before) : len(pieces) - len(after)]
    sources, longest, place = list[bytes](), b"", 0
    for equal, run in groupby(middle, key=itemgetter(0)):
        source = b"".join(piece for _, piece in run)
        if equal and len(source) > max(len(longest), MOST_COMPARED):
            longest, place = source, len(sources)
        sources.append(re.escape(source) if equal else source)
    if longest:
        sources[place] = skipping(longest, b"(?P<long>")
    constants, slots = [b""], list[bytes]()
    for equal, piece in pieces:
        if equal:
            constants[-1] += piece
        elif piece != b")" and not piece.startswith(b"(?P<"):
            slots.append(piece)
            constants.append(b"")
    burst = Burst(constants, slots, slots.index(TEXT))
    # `re` keeps what it has compiled, which takes 100 microseconds and more.
    known = re.compile(b"".join(sources))
    text, kept, beside, long = (known.groupindex.get(role, 0) for role in ("text", "kept", "beside", "long"))
    own = known.fullmatch, text, kept, beside, name, len(slots) == 1, long, longest[1:-1], burst
    return Pattern(b"".join(before), b"".join(after), end, *own)
