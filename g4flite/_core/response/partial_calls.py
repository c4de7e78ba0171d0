"""What is known of tool calls whose pieces are still coming: of each call, and of what tells them apart.

`assembly.py` has the rules; this is the third of its tables.

Is every call told apart?  At the end, these leave no second reading, and come out as they came, whatever the arguments
are (missing, `{}`, equal, or broken by the model):

- a call that is named and whole in an item of its own;
- calls on the *standard wire*: each began with its name and an id of its own, at a higher index than the one before,
  and each fragment stands in its call's slot.  An error is left: the last call is not complete, none but the first
  call has pieces without a name, and such a piece came that the last call could have, too.  For calls that have a
  beginning and an end, the wire is not standard if one began inside of another and one has no arguments;
- calls that came whole at once, with a name and an id of their own each, whatever their indices are.

In other replies of several calls, the fragments must have one of three readings: *numbered*, each slot has one call and
each fragment stands in its call's; *identified*, each fragment has an id that one call has; *in order*, each call
begins with its name, and all its fragments come before the next call.  There, these are errors, too (a reply is *odd*
if a name came late or in pieces, a fragment stood in another slot, or the last call could have a piece of another):

  a call                                            is an error if
  ------------------------------------------------  --------------------------------------------------------------------
  without arguments, even `{}`                      the reply is odd; or it has several frames, and any arguments (for
                                                    calls with a beginning and an end: this one held another, and
                                                    pieces came); or a later call of this name has arguments
  with `{}`, in a reply that is neither numbered    a later call of this name has arguments, or a `{}` was replaced
  nor identified
  whose arguments are no JSON                       another one's are none, either; the next call begins with them; the
                                                    last call could have a piece of another; or the slots do not tell
                                                    its pieces, unless all came with its name, or it is the last and cut
  whose arguments equal another call's              name and id are the same; or the reply is odd, or only one of the
                                                    two has an id or came at once (unless both are `{}`)

A call whose name came again, with nameless pieces, and whose arguments are no JSON, is always one.  An id that came in
a fragment of a call with another id must not come again.  Where the service says that a call ends, calls are given out
once all that have begun have ended.
"""

import json
import re
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any, Final, NamedTuple, TypeAlias

from ..errors import MalformedReplyError
from ..numbers import loads
from .nesting import Nesting
from .surrogates import SurrogatePairs

# Stands for all empty sets of an open stream, each of which would take 216 bytes.
NOTHING: Final = frozenset[Any]()
# How an object begins, as far as it came.
CLOSERS: Final = '"]} \n'
OBJECT: Final = r'\s*\{\s*(?:["}]|$)'
MISSING: Final = "it has no arguments, and those of another call may be its"
NO_JSON: Final = "its arguments are no JSON, and another call may have the rest of them"
UNTOLD: Final = "neither numbers nor ids nor their order tell its arguments from another call's"
AGAIN_WHOLE: Final = "its arguments equal those of another call, which may have come again"
# What tells calls apart: indices and ids of items.  None is no slot.
Slots: TypeAlias = list[str | int | None]


class Fragment(NamedTuple):
    """A fragment of a tool call."""

    keys: Slots
    id: str | None
    name: str | None
    text: str = ""

    @property
    def opens(self) -> bool:
        """Whether the piece begins with a brace."""
        return self.text.lstrip().startswith("{")


class PartialCall:
    """What is known of one tool call."""

    def __init__(self, id: str | None, name: str | None) -> None:  # noqa: A002
        self.id, self.name = id, name
        # The index and the id that are given out; the id is "" before.
        self.index, self.given = 0, ""
        # The arguments so far, the number of their pieces, and where their object ends.
        self.text, self.pieces, self.nesting = StringIO(), 0, Nesting()
        # Whether the second piece begins with the first one.
        self.snapshots = False
        # All arguments, said beside the pieces; and the `{}` that came before any piece.
        self.spare = self.empty = ""
        # Whether the service has ended the call, and whether the `ToolCall` was given out.
        self.stopped = self.out = False
        # Whether it came whole with its name, and whether it came so in a list of all calls.
        self.sure = self.listed = False
        # Whether the service says where it begins, and whether another call began before it was ended.
        self.begins = self.overlapped = False
        # The call in the same slot that was not whole when this one began.
        self.rival: PartialCall | None = None
        # The arguments, if they are being sent again, and how many characters of them came again.
        self.echo, self.echoed = "", 0
        # The id in the fragment that gave the name again behind the arguments, "" for no id; None if there is none.
        self.head: str | None = None
        # The number of the last frame that gave the name.
        self.frame = 0
        # Whether arguments came with the name that began the call.
        self.full_head = False
        # Whether the first piece had all arguments.
        self.at_once = False
        # How many fragments gave the name, and whether one with arguments did not.
        self.heads, self.bare = 0, False
        # Whether the name came in two pieces, or behind arguments.
        self.joined = False
        self._pairs = SurrogatePairs()

    def write(self, text: str) -> str:
        """Add a piece to the arguments, and return the piece with its surrogate pairs joined.

        Raises `MalformedReplyError` if a second object begins inside of the piece.
        """
        if text := self._pairs.join(text):
            nesting, opens = self.nesting, text.lstrip().startswith("{")
            if opens and self.pieces and not (nesting.whole or nesting.takes_brace):
                raise unclear(self, "an object begins before its arguments are complete")
            if self.pieces == 1 and opens and not nesting.whole:
                self.snapshots = text.startswith(self.text.getvalue().rstrip(CLOSERS))
            end = 0 if nesting.whole else nesting.read(text)
            if nesting.is_object and re.compile(OBJECT).match(text, end):
                raise unclear(self, "a second object follows its arguments, and no name")
            # What follows now belongs to the model's broken JSON.
            nesting.is_object &= not (nesting.whole and text[end:].strip())
            self.at_once = nesting.whole if not self.pieces else self.at_once
            # Blanks may come before the arguments.
            self.pieces += bool(self.pieces or text.strip())
            self.text.write(text)
        return text

    def skim(self, text: str, pieces: int = 1) -> bool:
        """Do what `write` does with further pieces in ASCII that open and close nothing, in less time.

        `text` is all of them, joined.  Return whether it was done.
        """
        if not text.isascii() or self._pairs.high or not text or not self.nesting.skip(text):
            return False
        self.pieces += pieces
        self.text.write(text)
        return True

    def flush(self) -> str:
        """Add U+FFFD for half of a surrogate pair that `write` has held back, and return it."""
        if not self._pairs.high:
            return ""
        self._pairs.high = ""
        return self.write("\ufffd")

    @property
    def begun(self) -> bool:
        """Whether any arguments came."""
        return bool(self.pieces or self.empty)

    @property
    def busy(self) -> bool:
        """Whether more must come: the arguments have begun, or begun again, and are not complete."""
        return bool(self.pieces and not self.whole) or bool(self.echoed)

    @property
    def said(self) -> str:
        """The arguments so far, wherever they came."""
        return self.text.getvalue() or self.spare or self.empty or "{}"

    @property
    def waits(self) -> bool:
        """Whether more may come, before a call that came later."""
        return not (self.stopped or self.whole or self.spare)

    @property
    def lacking(self) -> bool:
        """Whether neither arguments nor `{}` came."""
        return not (self.pieces or self.empty or self.spare)

    @property
    def whole_head(self) -> bool:
        """Whether all arguments came with the name that began the call."""
        return self.full_head and self.at_once

    @property
    def entry(self) -> bool:
        """Whether it came at once, with its name and its arguments."""
        return self.heads < 2 and self.whole and not (self.bare or self.joined)

    @property
    def whole(self) -> bool:
        """Whether the arguments are complete, or no object."""
        return self.nesting.whole or bool(self.empty and not self.pieces)


def unclear(call: PartialCall, said: str) -> MalformedReplyError:
    """Return the error for a call that cannot be told from another."""
    named = " ".join(filter(None, (call.name and f"of {call.name!r}", call.id and f"with the id {call.id!r}")))
    return MalformedReplyError(
        f"the tool call {named or 'without a name'} cannot be joined: {said}; try again, or ask another provider; "
        "the text so far is in .partial"
    )


class Readings:
    """What the fragments so far have said about which call is whose."""

    def __init__(self) -> None:
        # How many frames with fragments came.
        self.frames = 0
        # Which of the three readings fit so far, and the slots of several calls.
        self.numbered = self.identified = self.in_order = True
        self.shared: frozenset[str | int | None] = NOTHING
        # Whether each call began at a higher index than the one before, and the last index.
        self.rising, self.highest = True, -1
        # Whether a fragment stood in another slot than the beginning of its call: then slots say nothing.
        self.astray = False
        # Whether each call began with an id of its own; the ids of several calls; ids in fragments of a call with
        # another id.
        self.own_ids = True
        self.repeated: frozenset[str] = NOTHING
        self.passing: frozenset[str] = NOTHING
        # Whether arguments of a call came that the call that began last could have, too.
        self.mixed = False

    def note(
        self, call: PartialCall, part: Fragment, slots: Mapping[str | int | None, object], last: PartialCall
    ) -> None:
        """Note which readings fit a fragment of a call; `last` is the last call."""
        if not part.text and not part.name:
            return
        key = next((key for key in part.keys if key in slots), None)
        self.numbered &= key is not None and key not in self.shared and slots[key] is call
        self.identified &= part.id is not None and part.id == call.id and part.id not in self.repeated
        self.in_order &= call is last
        self.mixed |= call is not last and not last.whole and bool(last.pieces or part.opens)

    def check(self, every: Sequence[PartialCall], first: int) -> None:
        """Raise the error for calls that no reading tells apart.  Those before the index `first` were given out."""
        calls = every[first:]
        if nameless := next((call for call in calls if call.name is None), None):
            raise unclear(nameless, "the name of its tool never came")
        placed = self.numbered and self.rising
        placed &= not any(call.joined or (call.heads > 1 and call.bare) for call in calls)
        lacking, unended = any(call.lacking for call in calls), any(call.overlapped for call in calls)
        if placed and self.own_ids and not (lacking and unended):
            if calls and self.mixed and not calls[-1].whole and not any(call.bare for call in every[1:]):
                raise unclear(calls[-1], MISSING if calls[-1].lacking else NO_JSON)
            return
        if all(call.sure or (call.entry and self.own_ids) for call in calls):
            return
        values = {call: value_of(call.said) for call in calls}
        broken = [call for call, value in values.items() if value is None]
        if len(every) > 1:
            odd = self.mixed or self.astray or any(call.joined for call in calls)
            self._check_missing(calls, odd=odd)
            self._check_torn(calls, broken, placed=placed)
            self._check_again(values, odd=odd)
            if not (self.numbered or self.identified or self.in_order):
                raise unclear(calls[0], UNTOLD)
        elif broken and broken[0].heads > 1 and broken[0].bare:
            raise unclear(broken[0], NO_JSON)

    def _check_missing(self, calls: Sequence[PartialCall], *, odd: bool) -> None:
        """Raise the error for a call without arguments, or with `{}`, that may have those of another."""
        bare, replaced = any(call.bare for call in calls), any(call.empty and call.pieces for call in calls)
        scattered = self.frames != 1 and any(call.begun or call.spare for call in calls)
        for place, call in enumerate(calls):
            later = any(one.name == call.name and (one.pieces or one.spare) for one in calls[place + 1 :])
            if call.lacking and (odd or later or (call.overlapped and bare if call.begins else scattered)):
                raise unclear(call, MISSING)
            if not (call.lacking or call.pieces or call.spare or self.numbered or self.identified) and (
                replaced or later
            ):
                raise unclear(call, "its arguments {} may stand before those of another call")

    def _check_torn(self, calls: Sequence[PartialCall], broken: Sequence[PartialCall], *, placed: bool) -> None:
        """Raise the error for a call that has no JSON, because another call may have a part of it."""
        for call in broken:
            after = calls[call.index - calls[0].index + 1].said if call is not calls[-1] else None
            again = after is not None and not call.nesting.whole and after.startswith(call.said.rstrip(CLOSERS))
            full = call.full_head or (call.empty and call.said.startswith(call.empty))
            model = full and (call.at_once or (call.heads < 2 and not call.bare))
            model = model or (after is None and is_cut_off(call.said))
            if len(broken) > 1 or again or self.mixed or not (model or placed):
                raise unclear(call, NO_JSON)

    def _check_again(self, values: Mapping[PartialCall, object], *, odd: bool) -> None:
        """Raise the error for a call that may be another one that came again."""
        known = dict[object, PartialCall]()
        for call, value in values.items():
            other = known.setdefault(call if value is None else value, call)
            if other is call:
                continue
            same = call.id in self.repeated and (call.id, call.name) == (other.id, other.name)
            # Many calls have the arguments {}.
            unlike = call.full_head != other.full_head or (call.id is None) != (other.id is None)
            unlike |= call.name == other.name and call.whole_head != other.whole_head
            if same or ((call.pieces or call.spare) and (odd or unlike)):
                raise unclear(call, AGAIN_WHOLE)


def value_of(text: str) -> tuple[object] | None:
    """Return the value of JSON in a list, as what it is compared by; None for a text that is no JSON."""
    try:
        return (compared(loads(text)),)
    except (ValueError, RecursionError):
        return None


def compared(value: object) -> object:
    """Return a value of JSON as what it is compared by, in sets, too.  In Python, unlike in JSON, 1 equals true."""
    if isinstance(value, dict):
        return frozenset((key, compared(inner)) for key, inner in value.items())
    if isinstance(value, list):
        return tuple(map(compared, value))
    return (bool, value) if isinstance(value, bool) else value


def is_cut_off(text: str) -> bool:
    """Return whether a text is the beginning of JSON."""
    try:
        json.loads(text, strict=False)
    except json.JSONDecodeError as error:
        return error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
    except (ValueError, RecursionError):
        pass
    return False
