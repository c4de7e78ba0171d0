"""Assembles what a service has split between frames: surrogate pairs and tool calls.

pairs = SurrogatePairs()
pairs.join("\\ud83d"), pairs.join("\\ude00")                  # "", "\\U0001f600"
calls = ToolCalls(limit)
calls.add(0, id="c1", name="now", arguments='{"zo')         # yields ToolCallDelta(0, "c1", "now", '{"zo')
calls.add(0, arguments='ne": 1}')                           # yields ToolCallDelta(0, "c1", "now", 'ne": 1}')
calls.whole()                                               # yields ToolCall("c1", "now", '{"zone": 1}')

What a tool call is.  A fragment of a tool call may have a slot (an index, or the id of an item), an id, a name and a
piece of the arguments.  Null and "" count as missing.  Services number all calls 0, repeat ids, send the id and the
name with every fragment or never, and number the end of a call otherwise than its beginning.  So neither slot nor id
alone says to which call a fragment belongs.  The first row that fits decides; "here" is the last call in the fragment's
slot, or the last call of all if the fragment has no slot.  Arguments are *whole* once the JSON object has its last
brace (or if they are no object), and a piece *opens* if it begins with a brace.

  the fragment has             if                                              it
  ---------------------------  ----------------------------------------------  -----------------------------------------
  the id of a call             it also has a name, its slot is not the         begins a call; the second id is replaced
                               call's, and its name differs, it has no
                               arguments, or it opens and the call has some    (an error if the name is the same and a
                                                                               brace may stand there)
  the id of a call             else                                            belongs to that call
  another id                   there is no call here                           begins a call
  another id and a name        the call here has no id, no arguments and no    belongs here, and gives the call its id
                               other name
  another id and a name        the call here has this name and is not whole,   belongs here: the service makes an id
                               and the piece does not open                     for each fragment
  another id and a name        else                                            begins a call
  another id                   it has arguments, unless they open and the      belongs here
                               call here is whole; or the call here has no id
                               and is not whole
  another id                   else                                            begins a call, whose name must follow
  a name                       there is no call here                           begins a call, but see below
  a name                       the call here has this name, it is not whole,   begins a call: the model has broken the
                               the piece opens, and no brace may stand there   one before off
  a name                       else                                            belongs here
  arguments alone              they open, the call here is whole, and the      belong to the last call; but are an error
                               last call has no arguments                      if they equal those of the call here
  arguments alone              they do not open, the call here is whole, and   are an error
                               the last call is another one and is not whole
  arguments alone              there is a call here                            belong here
  arguments alone              they open, and the last call has none           belong to the last call
  arguments alone              no call but the last has begun and is not       belong to the last call
                               whole
  arguments alone              else                                            begin a call, whose name must follow

What a fragment does to the call that it belongs to:

  the fragment has             if the call                                     it
  ---------------------------  ----------------------------------------------  -----------------------------------------
  another name                 has no arguments, but an id                     completes the name: "get_" and "now", or
                                                                               "get_" and "get_now"
  another name                 has neither: one name in two pieces, or two     is an error
                               calls without arguments?
  another name                 is whole, or the piece is empty or opens        begins a call
  another name                 else: a call changes its name?                  is an error
  arguments that open          is whole, with these arguments, and the         says nothing: the arguments are sent
                               fragment has no other id                        again, at once or in pieces
  arguments that open          is whole, and the fragment has a name           begins a call
  arguments that open          is whole: a second call, but of which tool?     is an error
  a name without arguments     is whole                                        begins a call if arguments follow
  arguments alone              began while another call here was not whole:    is an error
                               of which of the two?
  arguments, not blank         was given out                                   is an error
  arguments                    else                                            goes on with the arguments

A name and arguments belong to the last call like arguments alone, if the name is the last call's and the last call has
an id (a service that gives ids gives one to each call), or if no call is here and the arguments do not open.

Two equal calls without ids are two calls, unless the first came in pieces and the second at once, with its name.  An
error is a `MalformedReplyError` that names the call; so is a call whose name never comes, and one whose pieces each
begin with the piece before and are no JSON when joined.  Other arguments that are broken JSON or end too early are
given out as they came, because the model wrote them so.  A call without an id, or with the id of another call, gets a
random id, so that it is unique in a conversation, whatever process made the others.

Sources, all of 2026: NousResearch/hermes-agent#62940, #57939 and omnigent#28 (all calls numbered 0); agno-agi/agno#8879
(head and tail of a call numbered differently); headroom PR#2890 and praxis#266 (pieces behind the end of their block,
and interleaved ones); noho/dayu-agent#45 and earendil-works/pi#6733 (no index); pydantic-ai's recordings (`id: ""`).
"""

import re
from collections.abc import Callable, Iterator
from functools import wraps
from io import StringIO
from os import urandom
from typing import Final, ParamSpec, TypeAlias

from ..errors import G4fliteError, LimitError, MalformedReplyError
from ..events import FinishReason, ToolCall, ToolCallDelta
from .nesting import Nesting
from .numbers import Number, dumps, loads

# How many calls a reply may have, with the slots that a service numbers otherwise than the call that they belong to.
MOST_CALLS: Final = 1024
# Arguments that some services send before the real ones.
PLACEHOLDERS: Final = ("{}", "null")
# How an object begins, as far as it came.
OBJECT: Final = re.compile(r'\s*\{\s*(?:["}]|$)')
SECOND: Final = "a second object follows its arguments, and no name"
# Characters of an index or an id of an item that are remembered as they are.  OpenAI's have 53.
LONGEST_ID: Final = 128
# What `ToolCalls` yields.  The error is to be raised once the items before it were given out.
Pieces: TypeAlias = Iterator[ToolCallDelta | ToolCall | G4fliteError]
# What tells calls apart: indices and ids of items.  None is no slot.
Slots: TypeAlias = list[str | int | None]
P = ParamSpec("P")


class SurrogatePairs:
    """Joins surrogate pairs that JSON escapes (`"\\ud83d"` and `"\\ude00"`) have split between two texts."""

    __slots__ = ("high",)

    def __init__(self) -> None:
        # The high surrogate at the end of the last text, which is held back; "" if there is none.
        self.high = ""

    def join(self, text: str) -> str:
        """Return the text with its surrogate pairs joined.

        A high surrogate at the end is held back for the next text.  Any other lone surrogate becomes U+FFFD.
        """
        if self.high and text:
            text, self.high = self.high + text, ""
        # Encoding fails if the text holds surrogates: the fastest test there is.
        try:
            text.encode()
        except UnicodeEncodeError:
            if "\ud800" <= text[-1] <= "\udbff":
                text, self.high = text[:-1], text[-1]
            return join_surrogates(text)
        return text


def join_surrogates(text: str) -> str:
    """Return the text with its surrogate pairs joined; a lone surrogate becomes U+FFFD."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class _Call:
    """What is known of one tool call."""

    __slots__ = (
        "_pairs", "echo", "echoed", "empty", "frame", "given", "head", "id", "index", "last", "name", "nesting", "out",
        "pieces", "rival", "snapshots", "spare", "stopped", "text",
    )  # fmt: skip

    def __init__(self, id: str | None, name: str | None) -> None:  # noqa: A002
        self.id, self.name = id, name
        # The index and the id that are given out; the id is "" before.
        self.index, self.given = 0, ""
        # The arguments so far, the number of their pieces, and where their object ends.
        self.text, self.pieces, self.nesting = StringIO(), 0, Nesting()
        # The last piece, and whether each piece began with the piece before.
        self.last, self.snapshots = "", True
        # All arguments, said beside the pieces; and the `{}` or `null` that came before any piece.
        self.spare = self.empty = ""
        # Whether the service has ended the call, and whether the `ToolCall` was given out.
        self.stopped = self.out = False
        # The call in the same slot that was not whole when this one began.
        self.rival: _Call | None = None
        # The arguments, if they are being sent again, and how many characters of them came again.
        self.echo, self.echoed = "", 0
        # The id in the fragment that gave the name again behind the arguments, "" for no id; None if there is none.
        self.head: str | None = None
        # The number of the last frame that gave the name.
        self.frame = 0
        self._pairs = SurrogatePairs()

    def write(self, text: str) -> str:
        """Add a piece to the arguments, and return the piece with its surrogate pairs joined.

        Raises `MalformedReplyError` if a second object begins inside of the piece.
        """
        if text := self._pairs.join(text):
            if not self.nesting.whole:
                end = self.nesting.read(text)
                if self.nesting.is_object and OBJECT.match(text, end):
                    raise _unclear(self, SECOND)
            self.pieces += 1
            self.snapshots, self.last = self.snapshots and text.startswith(self.last), text
            self.text.write(text)
        return text

    def flush(self) -> str:
        """Add U+FFFD for half of a surrogate pair that `write` has held back, and return it."""
        if not self._pairs.high:
            return ""
        self._pairs.high = ""
        return self.write("\ufffd")

    @property
    def whole(self) -> bool:
        """Whether the arguments are complete, or no object."""
        return self.nesting.whole or bool(self.empty and not self.pieces)


def _with_errors(method: Callable[P, Pieces]) -> Callable[P, Pieces]:
    """Make a method yield the error that it raises, so that the items before the error are not lost."""

    @wraps(method)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Pieces:
        try:
            yield from method(*args, **kwargs)
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

    __slots__ = ("_by_id", "_calls", "_first", "_frame", "_given", "_left", "_places", "_slots")

    def __init__(self, limit: int) -> None:
        # How many characters, calls and slots may still come.
        self._left, self._places = limit, MOST_CALLS
        # All calls in order, and the index of the first one that is not given out.
        self._calls, self._first = list[_Call](), 0
        # The last call in each slot, and of all in the slot None.  None for a slot whose fragments are not read.
        self._slots: dict[str | int | None, _Call | None] = {}
        self._by_id: dict[str, _Call] = {}
        self._given: set[str] = set()
        # How many frames with fragments came.
        self._frame = 0

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
        call, text = self._new(_keys(slots), string_of(id), string_of(name)), arguments_of(arguments)
        call.spare = arguments_of(spare)
        self._grow(len(call.spare))
        if call.spare.strip() in PLACEHOLDERS:
            call.spare, call.empty = "", call.spare
        if not text and call.name is not None:
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
        keys, known, named, text = _keys(slots), string_of(id), string_of(name), arguments_of(arguments)
        self._frame += first
        if known or named or text:
            call = self._owner(keys, known, named, text)
            if call is not None:
                yield from self._take(call, keys, known, named, text)

    @_with_errors
    def settle(self, *slots: object, id: object = None, name: object = None, arguments: object = None) -> Pieces:  # noqa: A002
        """Take the complete arguments of a call, for a protocol that repeats them behind the pieces.

        The arguments may have been written anew, but they must have the same value as the pieces joined.
        """
        keys, known, text = _keys(slots), string_of(id), join_surrogates(arguments_of(arguments))
        call = next(filter(None, map(self._slots.get, keys)), None)
        if call is not None and known and call.id not in (None, known):
            call = None
        if call is None and known and (same := self._by_id.get(known)) is not None and not same.stopped:
            call = same
        before = call.text.getvalue() if call is not None else ""
        differs = bool(text) and not text.startswith(before) and not _equal(before, text)
        # Another call with the same id, in a slot that the service numbers like the slot before.
        if call is None or (differs and call.stopped and keys[0] not in self._slots):
            call, before, differs = self._new(keys, known, string_of(name)), "", False
        if differs:
            raise _unclear(call, "its arguments differ from the pieces in which they came")
        call.id, call.name = call.id or known, call.name or string_of(name)
        yield from self._put(call, text[len(before) :] if text.startswith(before) else "")

    @_with_errors
    def once(self, name: object, arguments: object, id: object = None) -> Pieces:  # noqa: A002
        """Yield the only piece of a call, then the call, for a protocol whose calls come at once."""
        call = self._new([], string_of(id), string_of(name))
        call.spare = arguments_of(arguments)
        yield from self._end(call)

    def skip(self, *slots: object) -> None:
        """Read no fragments in these slots: they belong to a call that the service carries out itself."""
        keys = _keys(slots)
        self._grow(0, places=sum(key not in self._slots for key in keys))
        self._slots.update(dict.fromkeys(keys))

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
        while self._first < len(self._calls) and (call := self._calls[self._first]).stopped and call.whole:
            yield from self._end(call)

    @_with_errors
    def whole(self) -> Pieces:
        """Yield the calls that were not given out, because the reply is complete.

        Raises `MalformedReplyError` before the first of these calls, if one of them cannot be right.
        """
        for call in self._calls[:]:
            # The model has broken a second call off.
            if call.echoed and call.head is not None:
                yield from self._put(self._new([], call.head, call.name), call.echo[: call.echoed])
        yield from [piece for call in self._calls[self._first :] for piece in self._end(call)]

    @property
    def begun(self) -> bool:
        """Whether a call has begun."""
        return bool(self._calls)

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
        return "tool_calls" if reason == "stop" and self.begun else reason

    def _owner(self, keys: Slots, id: str | None, name: str | None, text: str) -> _Call | None:  # noqa: A002
        """Return the call that a fragment belongs to, which may be a new one; None if the fragment is not read."""
        here = next(filter(None, map(self._slots.get, keys or [None])), None)
        same = here if id and here is not None and here.id == id else self._by_id.get(id or "")
        opens = begins(text)
        # Another fragment of this frame has named the call here.
        if name and here is not None and here.frame == self._frame and same in (here, None):
            if (opens or not text) and (here.whole or not here.pieces):
                return self._new(keys, id, name)
        if id:
            return self._owner_by_id(here, same, keys, id, name, text)
        if here is None:
            if not name and any(key in self._slots for key in keys):
                open_ = [call for call in self._calls[self._first :] if not call.whole]
                if open_ and text.strip():
                    raise _unclear(open_[-1], "arguments came in the place of another block")
                return None
            here = self._unfinished(opens or not text)
            if here is None or (name and not (name == here.name and (here.id or (text and not opens)))):
                return self._new(keys, id, name)
            if text:
                self._alias(here, keys)
            return here
        last = self._calls[-1]
        if opens and here.whole and here is not last and not last.pieces:
            if not name or (name == last.name and last.id):
                if not here.pieces:
                    raise _unclear(last, "its arguments may be those of a call before, which had none")
                if here.text.tell() == len(text) and here.text.getvalue() == text:
                    raise _unclear(last, "its arguments equal those of the call before, which may have come again")
                self._alias(last, keys)
                return last
        elif not name and not opens and text.strip() and here.whole and not here.echoed:
            if here is not last and last.pieces and not last.whole:
                raise _unclear(here, "more came behind its arguments, and may be another call's")
        elif name == here.name and here.pieces and opens and not here.whole and not here.nesting.takes_brace:
            return self._new(keys, id, name)
        return here

    def _owner_by_id(
        self,
        here: _Call | None,
        same: _Call | None,
        keys: Slots,
        id: str,  # noqa: A002
        name: str | None,
        text: str,
    ) -> _Call:
        """Do the same as `_owner` for a fragment with an id; `here` is the call in its slot, `same` that of its id."""
        opens = begins(text)
        if same is not None:
            elsewhere = bool(keys) and same is not here
            if elsewhere and name and (name != same.name or not text or (opens and same.pieces)):
                if text and name == same.name and same.nesting.takes_brace:
                    raise _unclear(same, "its id and name come again elsewhere, before its arguments are complete")
                return self._new(keys, id, name)
            if elsewhere and here is None:
                self._alias(same, keys)
            return same
        if here is None:
            return self._new(keys, id, name)
        if name:
            takes_id = here.id is None and not here.pieces and not here.empty and here.name in (None, name)
            goes_on = here.pieces and here.name == name and text and not opens and not here.whole
        else:
            takes_id = here.id is None and not here.whole
            goes_on = text and not (opens and here.whole)
        if not takes_id and not goes_on:
            return self._new(keys, id, name)
        if here.id is None:
            self._grow(len(id))
            self._by_id[id], here.id = here, id
        return here

    def _unfinished(self, opens: bool) -> _Call | None:
        """Return the last call, if arguments in an unknown slot can belong to no other call."""
        last = self._calls[-1] if self._calls else None
        if last is None or last.stopped:
            return None
        if not last.pieces:
            return last if opens else None
        begun = [call for call in self._calls[self._first :] if call.pieces and not call.whole]
        return last if begun == [last] else None

    def _take(self, call: _Call, keys: Slots, id: str | None, name: str | None, text: str) -> Iterator[ToolCallDelta]:  # noqa: A002
        """Yield what comes of a fragment that belongs to a call, though another may begin with it after all."""
        opens, bare = begins(text), not id and not name
        if name and call.name is None:
            call.name, name = name, None
        if name and name != call.name:
            if call.pieces or call.empty:
                if not (call.whole or opens or not text):
                    raise _unclear(call, f"it goes on under the name {name!r}")
                call = self._new(keys, id, name)
            elif id or call.id is None:
                raise _unclear(call, f"a second name, {name!r}, came before the arguments")
            else:
                self._grow(len(name))
                call.name = name if name.startswith(call.name or "") else f"{call.name}{name}"
        if name:
            call.frame = self._frame
        if bare and call.rival is not None and not call.rival.whole and not call.rival.stopped:
            raise _unclear(call, "the call before it in the same place is not complete, and the arguments may be its")
        if call.whole and (opens or call.echoed or (name and not text)):
            yield from self._follow(call, keys, id, name, text)
        else:
            yield from self._put(call, text)

    def _follow(self, call: _Call, keys: Slots, id: str | None, name: str | None, text: str) -> Iterator[ToolCallDelta]:  # noqa: A002
        """Yield what comes of a fragment behind whole arguments: these arguments again, or a second call."""
        if name:
            call.head = id or ""
        if not text:
            return
        if call.head is None and (not call.pieces or not call.nesting.is_object):
            yield from self._put(call, text)
            return
        if not call.echoed:
            call.echo, text = (call.text.getvalue() if call.pieces else call.empty).strip(), text.lstrip()
        rest = text.rstrip()
        if call.head == "":
            again = name and call.pieces > 1 and rest == call.echo
        elif again := call.echo.startswith(text, call.echoed):
            call.echoed += len(text)
        else:
            again = call.echo[call.echoed :] == rest
            call.echoed += len(rest) if again else 0
        if again:
            if call.head == "" or call.echoed == len(call.echo):
                call.echoed, call.head = 0, None
            return
        text, head, call.echoed = call.echo[: call.echoed] + text, call.head, 0
        if head is None:
            if OBJECT.match(text):
                raise _unclear(call, SECOND)
            yield from self._put(call, text)
        elif head and not call.pieces:
            raise _unclear(call, "its arguments come behind an empty object, and may be a second call's")
        else:
            yield from self._put(self._new(keys, head, call.name), text)

    def _new(self, keys: Slots, id: str | None, name: str | None) -> _Call:  # noqa: A002
        """Return a new call, the last one in these slots, and of all."""
        self._grow(len(id or "") + len(name or ""), places=1)
        call = _Call(id, name)
        call.index = len(self._calls)
        before = next(filter(None, map(self._slots.get, keys or [None])), None)
        if before is not None and before.pieces and not before.stopped and not before.whole:
            call.rival = before
        self._calls.append(call)
        self._slots.update(dict.fromkeys([*keys, None], call))
        if id:
            self._by_id[id] = call
        return call

    def _alias(self, call: _Call, keys: Slots) -> None:
        """Note that the service uses these slots for the call, too."""
        self._grow(0, places=1)
        self._slots.update(dict.fromkeys(keys, call))

    def _put(self, call: _Call, text: str) -> Iterator[ToolCallDelta]:
        """Add a piece to the arguments of a call, and yield what can be given out."""
        if call.out:
            if text.strip():
                raise _unclear(call, "its arguments go on behind its end")
            return
        self._grow(len(text))
        if not call.pieces and text:
            if call.empty and not begins(text):
                text = call.empty + text if text.strip() else ""
            if text.strip() in PLACEHOLDERS:
                call.empty, text = text, ""
        text = call.write(text)
        # The name may have come behind the arguments.
        if call.name is not None and (text or (call.pieces and not call.given)):
            yield self._delta(call, text)

    def _delta(self, call: _Call, text: str) -> ToolCallDelta:
        """Return a piece of a call, with all that was held back if it is the first."""
        if not call.given:
            fresh = call.id and call.id not in self._given
            call.given = call.id if fresh and call.id else f"call_{urandom(12).hex()}"
            self._given.add(call.given)
            text = call.text.getvalue()
        return ToolCallDelta(call.index, call.given, call.name or "", text)

    def _fill(self, call: _Call) -> Iterator[ToolCallDelta]:
        """Yield the arguments of a call if no piece came."""
        if not call.pieces:
            text = call.spare or call.empty or "{}"
            self._grow(len(text))
            yield self._delta(call, call.write(text))

    def _end(self, call: _Call) -> Iterator[ToolCallDelta | ToolCall]:
        """Yield the last piece of a call, and the call."""
        if call.name is None:
            raise _unclear(call, "the name of its tool never came")
        if rest := call.flush():
            yield self._delta(call, rest)
        yield from self._fill(call)
        text = call.text.getvalue()
        if call.pieces > 1 and call.snapshots and not _valid(text):
            raise _unclear(call, "each piece of its arguments repeats the piece before")
        if not text.startswith(join_surrogates(call.spare)) and not _equal(call.spare, text):
            raise _unclear(call, "its arguments differ from the pieces in which they came")
        call.out, self._first = True, call.index + 1
        yield ToolCall(call.given, call.name, text)

    def _grow(self, size: int, places: int = 0) -> None:
        """Count characters and calls.  Raises `LimitError` beyond the limits."""
        self._left, self._places = self._left - size, self._places - places
        if self._left < 0:
            raise LimitError("the tool calls of the reply are longer than max_frame allows")
        if self._places < 0:
            raise LimitError(f"the reply has more than {MOST_CALLS} tool calls")


def begins(text: str) -> bool:
    """Return whether a piece of arguments begins with a brace."""
    return text.lstrip().startswith("{")


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
        return short if len(slot) <= LONGEST_ID else hash(slot)
    return slot if isinstance(slot, int) and not isinstance(slot, bool) else None


def _valid(text: str) -> bool:
    """Return whether the text is JSON."""
    return _equal(text, text)


def _equal(one: str, other: str) -> bool:
    """Return whether two texts are JSON and have the same value."""
    try:
        return bool(loads(one) == loads(other))
    except (ValueError, RecursionError):
        return False


def _unclear(call: _Call, said: str) -> MalformedReplyError:
    """Return the error for a call that cannot be told from another."""
    named = " ".join(filter(None, (call.name and f"of {call.name!r}", call.id and f"with the id {call.id!r}")))
    return MalformedReplyError(
        f"the tool call {named or 'without a name'} cannot be joined: {said}; try again, or ask another provider; "
        "the text so far is in .partial"
    )
