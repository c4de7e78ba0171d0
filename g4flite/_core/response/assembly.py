"""Assembles the tool calls that a service has split between frames.

calls = ToolCalls(limit)
calls.add(0, id="c1", name="now", arguments='{"zo')         # yields ToolCallDelta(0, "c1", "now", '{"zo')
calls.add(0, arguments='ne": 1}')                           # yields ToolCallDelta(0, "c1", "now", 'ne": 1}')
calls.whole()                                               # yields ToolCall("c1", "now", '{"zone": 1}')

What a tool call is.  A fragment of a tool call may have a slot (an index, or the id of an item), an id, a name and a
piece of the arguments.  Null and "" count as missing, and so does "null".  Services number all calls 0, repeat
ids, send the id and the name with every fragment or never, and number the end of a call otherwise than its beginning.
So no slot and no id alone says to which call a fragment belongs; the arguments have to agree.

- *Here* is the last call in the fragment's slot, or the last call of all if the fragment has no slot.
- A call is *whole* once its JSON object, list or string has its end, if its arguments are none of these, and while they
  are `{}`.
- A piece *opens* if it begins with a brace.  *A brace fits* a call if it may stand inside of the arguments so far.
- *Error* is a `MalformedReplyError` that names the call: two readings are left, and one of them would be wrong.

1. Whose fragment is it?  The first row that fits decides.

  it has              and                                               it
  ------------------  ------------------------------------------------  ----------------------------------------------
  a name              this frame has named the call here before, which  begins a call: a frame has one entry a call
                      is whole in one piece or without arguments; the
                      piece opens, or is empty and the id another
  a call's id         a name, in another slot; and another name, no     begins a call, whose id is replaced (error if
                      arguments, or it opens and the call has some      the name is the same and a brace fits)
  a call's id         the call is whole; the last has this id, too, and  is an error
                      is not
  a call's id         else                                              belongs to that call
  a new id, a name    the call here has no id, no arguments and no      belongs here
                      other name
  a new id, a name    the call here has this name and is not whole, and belongs here: the service makes an id for each
                      the piece does not open                           fragment
  a new id, a name    else, also if no call is here                     begins a call (error if the call here has this
                                                                        name, and a brace fits)
  a new id            the call here has no id and is not whole; or the  belongs here (error if the call is whole, and
                      piece does not open; or the call is not whole     the last one has begun and is not)
  a new id            else, also if no call is here                     begins a call, whose name must follow
  no id, no slot      it can only be the last call's: see below         belongs to the last call
  that is known       else                                              begins a call, whose name may follow
  no id, no arguments the name is the last call's, which has an id      belongs to the last call
  no id               the call here is whole, and the last call has     is an error: more of which of the two?
                      begun and is not; or the call here was ended
                      without arguments, and is not the last
  no id               it opens, the call here is whole, and the last    belongs to the last call (error if a third call
                      call has no arguments                             waits, too, if the arguments so far are `{}`,
                                                                        or if the piece equals them)
  no id, a name       the call here has this name and is not whole, the begins a call: the model has broken the one
                      piece opens, and no brace fits                    before off
  no id               else                                              belongs here

A fragment without an id in an unknown slot can only be the last call's if all other calls are whole, and the last one
is not whole, or has no arguments yet and the piece opens.  Its name, if it has one, must be the last call's, which must
have an id (a service that gives ids gives one to each call), or the piece must not open.  If the last call's arguments
are a list or a string, a named piece that begins like one is an error.

A fragment that belongs to a call in another slot shows that slots say nothing: from then on, fragments count as if they
had none, and one without id and name is an error if any call but the last is not whole.  An id of several calls says
nothing either, unless a name comes with it.

2. What does it do to its call?

  it has              if the call                                       it
  ------------------  ------------------------------------------------  ----------------------------------------------
  another name        has arguments, and is whole, or the piece is      begins a call
                      empty or opens
  another name        has other arguments                               is an error
  another name, no id has an id, no arguments and one piece of a name   completes the name: "get_" and "now", or "get_"
                                                                        and "get_now"
  another name        else: one name in pieces, or two calls?           is an error
  no id, no name      began while the call before in this slot was not  is an error
                      whole; unless the reply is numbered so far
  anything            is not whole                                      goes on with the arguments
  the same arguments  is whole, and the fragment has no new id          says nothing: they are sent again, at once (in
                                                                        any spelling, or as JSON of a text) or in pieces
  real arguments      has `{}` so far                                   replaces them (error if a name comes with them,
                                                                        and an id with either)
  arguments that open is whole, and its name came again, with them or   begins a call
                      before them
  arguments that open is whole, and no name came again                  is an error: a second call, but of which tool?
  other arguments     is whole                                          goes on with the text: the model wrote it so
  anything but blanks was given out                                     is an error

Two equal calls without ids are two calls, unless the first came in pieces and the second at once.

3. Is every call told apart?  `partial_calls.py` has the third table, and looks at all calls at the end.

4. Who wrote it badly?  A second object behind the last brace has come from a second call, whether it begins with a
fragment or inside of one; without a name it is an error, because an accumulator on the way that joined two calls keeps
the name of the first.  All other broken JSON is the model's, and is given out as the text that came: one that ends too
early, a brace too many, prose.  A piece that begins with a brace where none fits is an error, and so are a second value
behind a list or a string, and a part of the arguments that came again and did not go on.  At the end of the reply, no
call is given out unless all are right: a call whose name never came, one whose second piece begins with the first and
that is no JSON, and one whose pieces differ from the arguments that the service said at once, are errors.  A call
without an id, or with the id of another call, gets a random id, so that it is unique in a conversation, whatever
process made the others.

5. Which call does a list of all calls repeat?  Responses says a call's arguments once more behind their pieces, where
`{}` says nothing, and lists all calls at the end.  An entry is the call in its slot,
with its id, or, as services make new ids there, one of its name with the same arguments.  Others are new calls.

Sources, all of 2026: NousResearch/hermes-agent#62940, #57939 and omnigent#28 (all calls numbered 0); agno-agi/agno#8879
(head and tail of a call numbered differently); headroom PR#2890 and praxis#266 (pieces behind the end of their block,
and interleaved ones); noho/dayu-agent#45 and earendil-works/pi#6733 (no index); pydantic-ai's recordings (`id: ""`);
huggingface/ml-intern#341 and maximhq/bifrost#1829 (repeated ids); zed-industries/zed#54058 (Mistral's id "null" in the
fragments behind the first, which is the default in the types of mistralai).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial, wraps
from itertools import repeat
from os import urandom
from typing import Any, Concatenate, Final, ParamSpec, TypeAlias

from ..errors import G4fliteError, LimitError
from ..events import FinishReason, ToolCall, ToolCallDelta
from ..numbers import Number, dumps, scan_exactly
from .names import NONE
from .partial_calls import NOTHING, Fragment, PartialCall, Readings, Slots, unclear, value_of
from .repeats import Tell
from .surrogates import join_surrogates

# How many calls a reply may have, with the slots that a service numbers otherwise than the call that they belong to.
MOST_CALLS: Final = 1024
# Arguments that some services send before the real ones.
EMPTY: Final = "{}"
# Characters of an index or an id of an item that are remembered as they are.  OpenAI's have 53.
LONGEST_ID: Final = 128
# What `ToolCalls` yields.  The error is to be raised once the items before it were given out.
Pieces: TypeAlias = Iterator[ToolCallDelta | ToolCall | G4fliteError]
AGAIN: Final = "a part of its arguments came again, and may be another call's"
MORE: Final = "more came behind its arguments, and may be another call's"
P = ParamSpec("P")
# Makes a named tuple of the tuple of its values, in half the time.
new: Final[Any] = tuple.__new__


def _with_errors(
    method: Callable[Concatenate["ToolCalls", P], Pieces],
) -> Callable[Concatenate["ToolCalls", P], Pieces]:
    """Make a method yield the error that it raises, so that the items before the error are not lost."""

    @wraps(method)
    def wrapper(self: "ToolCalls", /, *args: P.args, **kwargs: P.kwargs) -> Pieces:
        self._growing = None
        try:
            yield from method(self, *args, **kwargs)
        except G4fliteError as error:
            yield error

    return wrapper


class ToolCalls:
    """Joins the fragments of tool calls, by the rules in this module's docstring.

    The methods yield a `ToolCallDelta` for each piece of a call, and a `ToolCall` for each call that is complete.  The
    pieces add up to the call.  `add` holds a call's first delta back until the arguments begin, because the name may
    not be complete before.

    `slots` are what the service tells calls apart by, the most exact one first.  A slot, `id`, `name` and `arguments`
    have the value of the service's JSON: an id may be a number, arguments may be text or an object.  `limit` is the
    most characters that the calls of a reply may have.
    """

    def __init__(self, limit: int) -> None:
        # How many characters and calls may still come.
        self._left, self._places = limit, MOST_CALLS
        # All calls in order; the index of the first one that is not given out; how many at the beginning are whole.
        self._calls: list[PartialCall] = []
        self._first = self._closed = 0
        # The last call in each slot, and of all in the slot None; and the slots whose fragments are not read.
        self._slots: dict[str | int | None, PartialCall] = {}
        self._skipped: frozenset[str | int | None] = NOTHING
        # The last call with each id, and the ids that were given out.
        self._by_id: dict[str, PartialCall] = {}
        self._given: frozenset[str] = NOTHING
        # What tells the calls apart, so far.
        self._seen = Readings()
        # The slots of the last fragment, if it had nothing but more of the last call's arguments.
        self._growing: Slots | None = None

    @_with_errors
    def begin(
        self,
        *slots: object,
        id: object,  # noqa: A002
        name: object,
        arguments: object = None,
        spare: object = None,
    ) -> Pieces:
        """Begin a call, for a protocol that says where a call begins.

        `arguments` is the first piece of the arguments; `spare` are all arguments, which count if no piece comes, and
        which no piece may contradict.
        """
        call, text = self._new(Fragment(_keys(slots), id_of(id), string_of(name))), arguments_of(arguments)
        call.spare = arguments_of(spare)
        call.full_head = text.strip() not in ("", EMPTY) or call.spare.strip() not in ("", EMPTY)
        call.begins = True
        self._grow(len(call.spare))
        if call.spare.strip() == EMPTY:
            call.spare, call.empty = "", call.spare
        if text.strip() in ("", EMPTY) and call.name is not None:
            yield self._delta(call, "")
        yield from self._put(call, text)

    @_with_errors
    def add(
        self,
        *slots: object,
        id: object = None,  # noqa: A002
        name: object = None,
        arguments: object = None,
        first: bool = True,
    ) -> Pieces:
        """Add a fragment to the call that it belongs to, or begin a call with it.

        `first` says whether the fragment is the first one in its frame.
        """
        keys, text = _keys(slots), EMPTY if arguments == {} else arguments_of(arguments)
        self._seen.frames += first
        # Most fragments are more of the last call's arguments.  This is what the rules do to them, in half the time.
        if not (id or name) and (call := self._call_that_grows(keys)) is not None:
            self._seen.identified, call.bare, self._growing = False, True, keys
            yield from self._put(call, text)
            return
        part = Fragment(keys, id_of(id), id_of(name), text)
        if not part.name and part.id in self._seen.repeated:
            part = part._replace(id=None)
        if not part.id and not part.name and not self._skipped.isdisjoint(part.keys):
            waiting = [call for call in self._calls[self._first :] if not call.whole]
            if part.text.strip() and waiting:
                raise unclear(waiting[-1], "arguments came in the place of another block")
        elif part.id or part.name or part.text:
            part = part._replace(keys=[]) if self._seen.astray else part
            yield from self._take(self._owner(part), part)

    def _call_that_grows(self, keys: Slots) -> PartialCall | None:
        """Return the last call, if a fragment in these slots that has neither id nor name can only be more of it."""
        call = self._slots.get(None)
        if (
            call is not None
            and not (self._skipped or self._seen.astray)
            and (call.name and call.pieces and not call.nesting.whole)
            and (self._seen.numbered and keys and self._slots.get(keys[0]) is call and keys[0] not in self._seen.shared)
        ):
            return call
        return None

    @property
    def told(self) -> Mapping[type, Tell]:
        """What makes the items of the next pieces behind a fragment that had arguments alone: see `Reader.told`."""
        if self._growing is None:
            return {}
        return {ToolCallDelta: Tell(partial(self._grown, self._growing), partial(self._all_grown, self._growing))}

    def _grown(self, keys: Slots, text: str) -> Sequence[ToolCallDelta | G4fliteError] | None:
        """Return the items of a further fragment in these slots, None if the rules have to decide.

        They are a tuple of one piece, or a list that may hold an error.
        Nothing that the rules look at has changed but the call itself, while `_growing` are the same slots.
        """
        call = self._slots[None]
        if self._growing is not keys or call.nesting.whole:
            return None
        self._seen.frames += 1
        try:
            if call.given and call.name and len(text) <= self._left and call.skim(text):
                self._left -= len(text)
                return (new(ToolCallDelta, (call.index, call.given, call.name, text)),)
            return [*self._put(call, text)]
        except G4fliteError as error:
            return [error]

    def _all_grown(self, keys: Slots, texts: Sequence[str]) -> Iterator[ToolCallDelta] | None:
        """Do the same for several fragments; None if the rules have to look at one after the other."""
        call, whole = self._slots[None], "".join(texts)
        if self._growing is not keys or call.nesting.whole or not (call.given and call.name):
            return None
        if len(whole) > self._left or not call.skim(whole, len(texts)):
            return None
        self._left -= len(whole)
        self._seen.frames += len(texts)
        values = zip(repeat(call.index), repeat(call.given), repeat(call.name), texts, strict=False)
        return map(new, repeat(ToolCallDelta), values)

    @_with_errors
    def settle(
        self,
        *slots: object,
        id: object = None,  # noqa: A002
        name: object = None,
        arguments: object = None,
        last: bool = False,
    ) -> Pieces:
        """Take the complete arguments of a call, for a protocol that repeats them behind the pieces.

        The arguments may have been written anew, but they must have the same value as the pieces joined.  `last` says
        that the protocol lists all calls once more, so that no entry is the call of another entry.
        """
        part = Fragment(_keys(slots), id_of(id), string_of(name), join_surrogates(arguments_of(arguments)))
        call = self._settled(part, last) or self._new(part)
        text, before = part.text, call.text.getvalue()
        # It says nothing: LM Studio's comes behind arguments that came whole (earendil-works/pi PR#917, January 2026).
        if text.strip() == EMPTY and before and call.whole:
            text = ""
        if part.name and call.name not in (None, part.name):
            raise unclear(call, f"it comes again under the name {part.name!r}")
        if text and not text.startswith(before) and not _equal(before, text):
            raise unclear(call, "its arguments differ from the pieces in which they came")
        call.listed |= last
        # With its name, a call that is complete needs no other word of what belongs to it.
        call.sure |= bool(part.name and text)
        call.stopped |= bool(part.name)
        if not part.name:
            self._seen.note(call, part, self._slots, self._calls[-1])
        call.id, call.name = call.id or part.id, call.name or part.name
        yield from self._put(call, text[len(before) :] if text.startswith(before) else "")

    def _settled(self, part: Fragment, last: bool) -> PartialCall | None:
        """Return the call whose complete arguments these are; None if it did not come yet."""
        own = (key for key in part.keys if key in self._slots and key not in self._seen.shared)
        numbered = next((self._slots[key] for key in own), None)
        if numbered is not None and (part.id is None or numbered.id in (None, part.id)):
            return numbered
        named = [call for call in self._calls if not (last and call.listed) and part.name in (None, call.name)]
        calls = [call for call in named if part.id is None or call.id in (None, part.id)]
        for call in calls:
            # Equal calls without ids are two calls.
            known = last or not call.stopped or (part.id is not None and call.id == part.id)
            if known and part.text and _equal(call.said if call.stopped else call.text.getvalue(), part.text):
                return call
        waiting = [call for call in calls if not call.stopped]
        if part.name is None and sum(not call.begun for call in waiting) > 1:
            raise unclear(waiting[-1], "its arguments may be those of another call that waits for them")
        if waiting:
            return waiting[-1]
        # vLLM makes new ids for the same call (vllm-project/vllm#47916).
        again = (call for call in named if last or (call is numbered and not call.stopped))
        return next((call for call in again if _equal(call.said, part.text or EMPTY)), None)

    @_with_errors
    def once(self, name: object, arguments: object, id: object = None) -> Pieces:  # noqa: A002
        """Yield the only piece of a call, then the call, for a protocol whose calls come at once."""
        call = self._new(Fragment([], id_of(id), string_of(name)))
        call.spare = arguments_of(arguments)
        yield from self._end(call)

    def skip(self, *slots: object) -> None:
        """Read no fragments in these slots: they belong to a call that the service carries out itself."""
        keys, self._growing = _keys(slots), None
        self._grow(0, places=sum(key not in self._skipped for key in keys))
        self._skipped = self._skipped.union(keys)

    @_with_errors
    def stop(self, *slots: object) -> Pieces:
        """Note that the call in a slot is complete, and yield the calls that no fragment can change any more.

        A call whose arguments are not whole is given out by `whole`, and so are the calls behind it: some services
        send the end of the arguments later.
        """
        call = next(filter(None, map(self._slots.get, _keys(slots))), None)
        if call is not None:
            call.stopped = True
            if call.spare:
                yield from self._fill(call)
        waiting = self._calls[self._first :]
        if all(call.stopped and call.whole and call.name for call in waiting):
            self._seen.check(self._calls, self._first)
            yield from [piece for call in waiting for piece in self._end(call)]

    @_with_errors
    def whole(self) -> Pieces:
        """Yield the calls that were not given out, because the reply is complete.

        Raises `MalformedReplyError` before the first of these calls, if one of them cannot be right.
        """
        if not self._calls:
            return
        for call in self._calls[:]:
            # The model has broken a second call off.
            if call.echoed and call.head is not None:
                yield from self._put(self._new(Fragment([], call.head, call.name)), call.echo[: call.echoed])
            if call.echoed and call.head is None:
                raise unclear(call, AGAIN)
        self._seen.check(self._calls, self._first)
        yield from [piece for call in self._calls[self._first :] for piece in self._end(call)]

    @property
    def count(self) -> int:
        """How many calls have begun."""
        return len(self._calls)

    @property
    def torn(self) -> bool:
        """Whether a call is not complete: its arguments are not whole, or none came and the service did not end it."""
        return any(not call.whole and (call.pieces or not call.stopped) for call in self._calls[self._first :])

    def reason(self, reason: FinishReason) -> FinishReason:
        """Return the finish reason of the reply: many services say a plain "stop" after tool calls, too."""
        return "tool_calls" if reason == "stop" and self._calls else reason

    def _owner(self, part: Fragment) -> PartialCall:
        """Return the call that a fragment belongs to, which may be a new one: the first table."""
        here, last, same = self._here(part.keys), self._slots.get(None), self._by_id.get(part.id or "")
        if last is not None and part.id in self._seen.passing:
            raise unclear(last, f"the id {part.id!r} came in a fragment of another call before")
        if here is not None and here.id == part.id and part.id and part.name in (None, here.name):
            same = here
        named = here if here is not None and here.frame == self._seen.frames else None
        beside = named is not None and (named.whole if named.pieces == 1 else not named.pieces)
        fresh = part.opens or (not part.text and not (part.id and same is here))
        if last is None or (part.name and beside and same in (here, None) and fresh):
            return self._new(part)
        if same is not None:
            return self._owner_of_id(part, here, same, last)
        if here is None:
            if part.id or not self._goes_on(part, last):
                return self._new(part)
            self._seen.astray |= bool(part.text)
            return last
        return self._owner_of_new_id(part, here, last) if part.id else self._owner_of_slot(part, here, last)

    def _owner_of_id(
        self, part: Fragment, here: PartialCall | None, same: PartialCall, last: PartialCall
    ) -> PartialCall:
        """Do the same as `_owner` for a fragment with the id of a call, `same`."""
        elsewhere, known = bool(part.keys) and same is not here, part.name == same.name
        opens = part.opens and same.pieces and not same.echoed
        if elsewhere and part.name and (not known or not part.text or opens):
            if part.text and known and same.nesting.takes_brace:
                raise unclear(same, "its id and name come again elsewhere, before its arguments are complete")
            return self._new(part)
        if same.whole and part.text and last.id == part.id and not last.whole:
            raise unclear(same, MORE)
        self._seen.astray |= elsewhere
        return same

    def _owner_of_new_id(self, part: Fragment, here: PartialCall, last: PartialCall) -> PartialCall:
        """Do the same as `_owner` for a fragment with another id."""
        same_name = part.name == here.name
        if part.name:
            belongs = here.id is None and not here.begun and here.name in (None, part.name)
            belongs |= bool(here.pieces and same_name and part.text and not part.opens and not here.whole)
        else:
            belongs = here.id is None and not here.whole
            belongs |= bool(part.text and not (part.opens and here.whole))
            if belongs and here is not last and here.whole and last.busy:
                raise unclear(here, MORE)
        if not belongs:
            if same_name and part.opens and here.nesting.takes_brace:
                raise unclear(here, "the name comes again with another id, before its arguments are complete")
            return self._new(part)
        self._grow(len(part.id or ""))
        if here.id is None:
            self._by_id[part.id or ""], here.id = here, part.id
        else:
            self._seen.passing |= {part.id or ""}
        return here

    def _owner_of_slot(self, part: Fragment, here: PartialCall, last: PartialCall) -> PartialCall:
        """Do the same as `_owner` for a fragment without an id."""
        if not part.text and last.id and part.name == last.name != here.name:
            return last
        if here is not last and here.stopped and not here.pieces and not here.spare and part.text.strip():
            raise unclear(here, MORE)
        if here is not last and here.whole and part.text and (not part.name or (part.name == last.name and last.id)):
            if last.busy:
                raise unclear(here, MORE)
            if part.opens and not last.pieces:
                if here.full_head and not here.stopped:
                    raise unclear(last, AGAIN)
                if self._open(last) or not here.pieces:
                    raise unclear(last, "its arguments may be those of a call before, which has none")
                if here.text.tell() == len(part.text) and here.text.getvalue() == part.text:
                    raise unclear(last, "its arguments equal those of the call before, which may have come again")
                self._seen.astray = True
                return last
        if here is last and self._seen.astray and not part.name and part.text and self._open(last):
            raise unclear(last, "its arguments may be those of a call before, which are not complete")
        same_name, broken_off = part.name == here.name, here.pieces and not here.whole and not here.nesting.takes_brace
        return self._new(part) if same_name and part.opens and broken_off else here

    def _goes_on(self, part: Fragment, last: PartialCall) -> bool:
        """Return whether a fragment without an id, in an unknown slot, can belong to the last call alone."""
        if part.name and (part.name != last.name or not (last.id or (part.text and not part.opens))):
            return False
        if part.name and last.pieces and part.text.lstrip().startswith(("[", '"')) and last.said[0] != "{":
            raise unclear(last, "its name comes again elsewhere, before its arguments are complete")
        if not part.text or last.echoed or last.head is not None:
            return True
        waits = not last.whole if last.pieces else part.opens
        return waits and not last.stopped and not self._open(last)

    def _open(self, last: PartialCall) -> list[PartialCall]:
        """Return the calls whose arguments may go on, without the last one."""
        while self._closed < len(self._calls) and self._calls[self._closed].nesting.whole:
            self._closed += 1
        others = (call for call in self._calls[self._closed :] if call is not last and not call.whole)
        return [call for call in others if call.pieces or not call.stopped]

    def _take(self, call: PartialCall, part: Fragment) -> Iterator[ToolCallDelta]:
        """Yield what comes of a fragment that belongs to a call, though another may begin with it after all.

        This is the second table, up to the arguments of a call that is not whole.
        """
        bare = not part.id and not part.name
        # LiteLLM sends them so at the end (BerriAI/litellm#20480).
        if call.whole and part.name in (None, call.name) and _text_of(part.text, call.said):
            return
        if part.name and call.name is None:
            call.joined = True
            call.name, part, call.frame = part.name, part._replace(name=None), self._seen.frames
            call.heads += 1
        if part.name and part.name != call.name:
            if call.begun:
                if not (call.whole or part.opens or not part.text):
                    raise unclear(call, f"it goes on under the name {part.name!r}")
                call = self._new(part)
            elif part.id or call.id is None:
                raise unclear(call, f"a second name, {part.name!r}, came before the arguments")
            else:
                self._grow(len(part.name))
                self._seen.in_order = False
                if not part.name.startswith(call.name or ""):
                    if call.heads != 1 or self._seen.astray:
                        raise unclear(
                            call, f"a third piece of its name, {part.name!r}, came, and may be another call's"
                        )
                    call.joined, part = True, part._replace(name=f"{call.name}{part.name}")
                call.name = part.name
        if part.name:
            call.heads += 1
            call.frame = self._seen.frames
        call.bare |= bool(part.text) and not part.name
        self._seen.note(call, part, self._slots, self._calls[-1])
        if bare and not self._seen.numbered and call.rival is not None and call.rival.waits:
            raise unclear(call, "the call before it in the same place is not complete, and the arguments may be its")
        if call.whole and (part.opens or call.echoed or (part.name and not part.text)):
            yield from self._follow(call, part)
        else:
            yield from self._put(call, part.text)

    def _follow(self, call: PartialCall, part: Fragment) -> Iterator[ToolCallDelta]:
        """Yield what comes of a fragment behind whole arguments: the rest of the second table."""
        text = part.text
        if part.name:
            call.head = part.id or call.head or ""
            self._slots[None] = call
        if not text:
            return
        if call.head is None and (not call.pieces or not call.nesting.is_object):
            yield from self._put(call, text)
            return
        if not call.pieces and (call.id or call.head) and text.strip() != EMPTY:
            raise unclear(call, "its arguments come behind an empty object, and may be a second call's")
        if not call.echoed:
            call.echo, text = (call.text.getvalue() or call.empty).strip(), text.lstrip()
            # The service may have written them anew.
            if call.head != "" and _equal(text, call.echo):
                text = call.echo
        rest = text.rstrip()
        if call.head == "":
            again = bool(part.name) and call.pieces > 1 and (rest == call.echo or _equal(rest, call.echo))
        elif again := call.echo.startswith(text, call.echoed):
            call.echoed += len(text)
        elif again := call.echo[call.echoed :] == rest:
            call.echoed = len(call.echo)
        if again:
            if call.echoed in (0, len(call.echo)):
                call.echoed, call.head = 0, None
            return
        if call.echoed and call.head is None:
            raise unclear(call, AGAIN)
        # It was the head of the second call.
        call.heads -= 1
        text, head, call.echoed = call.echo[: call.echoed] + text, call.head, 0
        second = Fragment(part.keys, head, call.name, text if part.name else "")
        yield from self._put(call if head is None else self._new(second), text)

    def _here(self, keys: Slots) -> PartialCall | None:
        """Return the last call in these slots, of all if there are no slots."""
        return next(filter(None, map(self._slots.get, keys or [None])), None)

    def _new(self, part: Fragment) -> PartialCall:
        """Return the call that a fragment begins, the last one in its slots, and of all."""
        keys, id, name, text = part  # noqa: A001
        self._grow(len(id or "") + len(name or ""), places=1)
        call = PartialCall(id or None, name)
        call.index = len(self._calls)
        before = self._here(keys)
        if before is not None and before.waits:
            call.rival = before
        if self._calls:
            self._calls[-1].overlapped = self._calls[-1].begins and not self._calls[-1].stopped
        call.full_head = text.strip() not in ("", EMPTY)
        shared = [key for key in keys if key in self._slots]
        self._seen.numbered &= len(shared) < len(keys)
        self._seen.shared = self._seen.shared.union(shared)
        if keys and isinstance(keys[0], int):
            self._seen.rising &= keys[0] > self._seen.highest
            self._seen.highest = keys[0]
        self._seen.own_ids &= bool(id) and id not in self._by_id
        self._seen.identified &= self._seen.own_ids
        self._seen.in_order &= name is not None
        self._calls.append(call)
        self._slots.update(dict.fromkeys([*keys, None], call))
        self._skipped = self._skipped.difference(keys)
        if id:
            if id in self._by_id:
                self._seen.repeated |= {id}
            self._by_id[id] = call
        return call

    def _put(self, call: PartialCall, text: str) -> Iterator[ToolCallDelta]:
        """Add a piece to the arguments of a call, and yield what can be given out."""
        if call.out:
            if text.strip():
                raise unclear(call, "its arguments go on behind its end")
            return
        self._grow(len(text))
        if not call.pieces and text:
            if call.empty and text.lstrip().startswith(("[", '"')):
                raise unclear(call, "its arguments come behind an empty object")
            if call.empty and not text.lstrip().startswith("{"):
                text = call.empty + text if text.strip() else ""
            if text.strip() == EMPTY:
                call.empty, text = text, ""
        text = call.write(text)
        # The name may have come behind the arguments.
        if call.name is not None and (text or (call.pieces and not call.given)):
            yield self._delta(call, text)

    def _delta(self, call: PartialCall, text: str) -> ToolCallDelta:
        """Return a piece of a call, with all that was held back if it is the first."""
        if not call.given:
            fresh = call.id and call.id not in self._given
            call.given = call.id if fresh and call.id else f"call_{urandom(12).hex()}"
            self._given |= {call.given}
            text = call.text.getvalue()
        return ToolCallDelta(call.index, call.given, call.name or "", text)

    def _fill(self, call: PartialCall) -> Iterator[ToolCallDelta]:
        """Yield the arguments of a call if no piece came."""
        if not call.pieces:
            text = call.spare or call.empty or EMPTY
            self._grow(len(text))
            yield self._delta(call, call.write(text))

    def _end(self, call: PartialCall) -> Iterator[ToolCallDelta | ToolCall]:
        """Yield the last piece of a call, and the call."""
        if call.name is None:
            raise unclear(call, "the name of its tool never came")
        if rest := call.flush():
            yield self._delta(call, rest)
        yield from self._fill(call)
        text = call.text.getvalue()
        # A text that is no JSON equals not even itself.
        if call.pieces > 1 and call.snapshots and not _equal(text, text):
            raise unclear(call, "each piece of its arguments repeats the piece before")
        if _followed(text):
            raise unclear(call, "a second value follows its arguments")
        if not text.startswith(join_surrogates(call.spare)) and not _equal(call.spare, text):
            raise unclear(call, "its arguments differ from the pieces in which they came")
        call.out, self._first = True, call.index + 1
        yield ToolCall(call.given, call.name, text)

    def _grow(self, size: int, places: int = 0) -> None:
        """Count characters and calls.  Raises `LimitError` beyond the limits."""
        self._left, self._places = self._left - size, self._places - places
        if self._left < 0:
            raise LimitError("the tool calls of the reply are longer than max_frame allows")
        if self._places < 0:
            raise LimitError(f"the reply has more than {MOST_CALLS} tool calls")


def id_of(value: object) -> str | None:
    """Return the id of a call, or the name in a fragment; None also for null as a text."""
    text = string_of(value)
    return None if text in NONE else text


def string_of(value: object) -> str | None:
    """Return an id or a name; None if there is none.  A number becomes text, and a lone surrogate U+FFFD."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, Number):
        return value.text
    return join_surrogates(value) if isinstance(value, str) and value else None


def arguments_of(value: object) -> str:
    """Return arguments as JSON text; "" for None and for an empty object.

    Raises `TypeError` for a value that can be neither a piece of arguments nor all of them.
    """
    if isinstance(value, str):
        return value
    if value is not None and not isinstance(value, dict | list):
        raise TypeError(f"a {type(value).__name__} where arguments should be")
    try:
        return dumps(value) if value else ""
    # Writing takes more stack than reading did.
    except RecursionError as error:
        raise ValueError("arguments that are nested too deep") from error


def _keys(slots: tuple[object, ...]) -> Slots:
    """Return the slots that a fragment has."""
    return [key for key in map(place_of, slots) if key is not None]


def place_of(slot: object) -> str | int | None:
    """Return an index or an id as what is remembered of it, None for anything else.

    "0" is 0, and a long text becomes its hash, because a reply may have many of them.
    """
    if isinstance(slot, str):
        short = int(slot) if slot.isdecimal() and len(slot) < 20 else slot or None
        return short if len(slot) <= LONGEST_ID else str(hash(slot))
    return slot if isinstance(slot, int) and not isinstance(slot, bool) else None


def _equal(one: str, other: str) -> bool:
    """Return whether two texts are JSON and have the same value."""
    value = value_of(one)
    return value is not None and value == value_of(other)


def _text_of(text: str, arguments: str) -> bool:
    """Return whether a text is JSON of a text that is the arguments."""
    value = value_of(text) if text.lstrip().startswith('"') else None
    return value is not None and _equal(str(value[0]), arguments)


def _followed(text: str) -> bool:
    """Return whether a text is a value of JSON and a second object, list or string behind it."""
    try:
        _, end = scan_exactly(text, len(text) - len(text.lstrip()))
        rest = text[end:].lstrip()
        return rest[:1] in ("{", "[", '"') and (text.lstrip()[0] in ("[", '"') or bool(scan_exactly(rest, 0)))
    except (ValueError, RecursionError, StopIteration):
        return False
