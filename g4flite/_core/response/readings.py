"""Which readings tell the tool calls of a reply apart: the third table of the rules in `assembly.py`.

Is every call told apart?  At the end, the fragments must have one of three readings: *numbered*, each slot has one
call and each fragment stands in its call's; *identified*, each fragment has an id that one call has; *in order*, each
call begins with its name, and all its fragments come before the next call.  A reply of several calls without any is an
error.  A call that is named and whole in an item of its own needs no reading; nor does a reply that is numbered and in
order, whose calls began with ids of their own and have one object each, all or none of them at once.  In other replies,
these are errors, too:

  a call                                            is an error if
  ------------------------------------------------  --------------------------------------------------------------------
  without arguments, even `{}`                      a name came late or in pieces, a fragment stood in another slot, or
                                                    another call of this name has arguments; also if the reply is not
                                                    numbered or calls began without own ids, unless it is one frame
  with `{}`                                         another call of this name has arguments, or a `{}` was replaced
  whose arguments are no JSON                       another one's are none, either, and one of them has more behind its
                                                    end, begins otherwise, or has a late name; calls are mixed, or a
                                                    fragment stood elsewhere; or the next call begins with them
  the same, in a reply that is not numbered         another one's are none; or its pieces came without the name, unless
                                                    the first was whole, or the reply was cut off there
  whose arguments equal another call's              only one of them came at once, or a name came late; or, in a reply
                                                    that is not numbered, name and id are the same, or calls are mixed
  whose head came twice                             its arguments are no JSON; or it has no id, and a nameless piece

An id that came in a fragment of a call with another id must not come again.  Where the service says that a call ends,
calls are given out once all that have begun have ended.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from ..numbers import loads
from .partial_call import CLOSERS, PartialCall, unclear

NO_JSON: Final = "its arguments are no JSON, and another call may have the rest of them"
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


class Readings:
    """What the fragments so far have said about which call is whose."""

    def __init__(self) -> None:
        # How many frames with fragments came.
        self.frames = 0
        # Which of the three readings fit so far, and the slots of several calls.
        self.numbered = self.identified = self.in_order = True
        self.shared = set[str | int | None]()
        # Whether a fragment stood in another slot than the beginning of its call: then slots say nothing.
        self.astray = False
        # Whether each call began with an id of its own; the ids of several calls; ids in fragments of a call with
        # another id.
        self.own_ids = True
        self.repeated = set[str]()
        self.passing = set[str]()
        # Whether arguments of a call came behind the head of another.
        self.mixed = False

    def note(self, call: PartialCall, part: Fragment, slots: Mapping[str | int | None, object], last: object) -> None:
        """Note which readings fit a fragment of a call; `last` is the last call."""
        if not part.text and not part.name:
            return
        key = next((key for key in part.keys if key in slots), None)
        self.numbered &= key is not None and key not in self.shared and slots[key] is call
        self.identified &= part.id is not None and part.id == call.id and part.id not in self.repeated
        self.in_order &= call is last
        self.mixed |= call is not last

    def check(self, every: Sequence[PartialCall], first: int) -> None:
        """Raise the error for calls that no reading tells apart.  Those before the index `first` were given out."""
        calls = every[first:]
        if nameless := next((call for call in calls if call.name is None), None):
            raise unclear(nameless, "the name of its tool never came")
        straight = self.numbered and self.own_ids and self.in_order and not self.mixed
        straight &= len({call.full_head for call in calls}) < 2
        if all(call.sure or (straight and call.clean and call.heads < 2 and not call.joined) for call in calls):
            return
        alone, values = len(every) == 1, dict[PartialCall, object]()
        for call in calls:
            doubtful = call.doubtful or (call.heads > 1 and call.bare) or (alone and self.astray)
            if doubtful or not alone:
                try:
                    values[call] = compared(loads(call.said))
                except (ValueError, RecursionError):
                    if doubtful:
                        raise unclear(call, NO_JSON) from None
        if not alone:
            self._check_missing(calls)
            self._check_torn(calls, [call for call in calls if call not in values])
            self._check_again(values)
            if not (self.numbered or self.identified or self.in_order):
                raise unclear(
                    calls[0], "neither numbers nor ids nor their order tell its arguments from another call's"
                )

    def _check_missing(self, calls: Sequence[PartialCall]) -> None:
        """Raise the error for a call without arguments that may have those of another."""
        having, bare = {call.name for call in calls if call.pieces or call.spare}, any(call.bare for call in calls)
        joined, replaced = any(call.joined for call in calls), any(call.empty and call.pieces for call in calls)
        full = {call.name for call in calls if call.pieces}
        empty = {call.name for call in calls if call.empty and not call.pieces}
        for place, call in enumerate(calls):
            after = calls[place + 1] if place + 1 < len(calls) else None
            mixed = self.mixed and (call.begins or not (self.numbered and self.own_ids))
            guessed = self.frames != 1 and (call.name in having or not (self.numbered and self.own_ids))
            guessed |= call.name in empty and not self.own_ids
            guessed |= after is not None and after.name == call.name and after.full_head and after.pieces > 0
            if call.lacking and (
                mixed or self.astray or joined or (call.overlapped and bare if call.begins else guessed)
            ):
                raise unclear(call, "it has no arguments, and those of another call may be its")
            early = call.name in empty and not call.pieces and (replaced or call.name in full)
            if not self.numbered and not call.id and call.heads > 1 and call.bare:
                raise unclear(call, "its name came again, and may have begun another call")
            if early and not (self.numbered and self.own_ids):
                raise unclear(call, "its arguments {} may stand before those of another call")

    def _check_torn(self, calls: Sequence[PartialCall], broken: list[PartialCall]) -> None:
        """Raise the error for a call that has no JSON, because another call may have a part of it."""
        like_json = [call for call in broken if call.like_json]
        early = any(call.empty and not call.pieces for call in calls) and any(call.empty for call in broken)
        two_kinds = 0 < len(like_json) < len(broken)
        late = any(call.joined for call in broken)
        if early or (len(broken) > 1 and (two_kinds or late or self.passing)):
            raise unclear(broken[0], NO_JSON)
        for call in broken:
            after = calls[call.index - calls[0].index + 1] if call is not calls[-1] else None
            again = after is not None and not call.nesting.whole and after.said.startswith(call.said.rstrip(CLOSERS))
            full = call.full_head or (call.empty and call.said.startswith(call.empty))
            model = (full and (call.at_once or not call.bare)) or (after is None and is_cut_off(call.said))
            model &= not call.said.lstrip().startswith('"')
            behind = call.trails and call.said.lstrip().startswith("{")
            alone = len(broken) == 1 and (behind or not self.mixed)
            if not alone and (self.mixed or not self.numbered or any(one.trails for one in broken)):
                raise unclear(call, NO_JSON)
            if self.astray or again or not (self.numbered or self.identified or model):
                raise unclear(call, NO_JSON)

    def _check_again(self, values: dict[PartialCall, object]) -> None:
        """Raise the error for a call that may be another one that came again."""
        known, late = dict[object, PartialCall](), any(call.joined for call in values)
        for call, value in values.items():
            other = known.setdefault(value, call)
            if other is call or call.lacking:
                continue
            same = call.id in self.repeated and (call.id, call.name) == (other.id, other.name)
            if same and not self.numbered:
                raise unclear(call, AGAIN_WHOLE)
            # Many calls have the arguments {}.
            if not (call.pieces or call.spare):
                continue
            same = call.name == other.name and (call.id is None) != (other.id is None)
            same = (same or self.mixed or self.astray) and not self.numbered
            if same or late or call.full_head != other.full_head:
                raise unclear(call, AGAIN_WHOLE)


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
