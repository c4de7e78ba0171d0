"""`PartialCall`: what is known of a tool call whose pieces are still coming.  `assembly.py` has the rules."""

import re
from io import StringIO
from typing import Final

from ..errors import MalformedReplyError
from .nesting import Nesting
from .surrogates import SurrogatePairs

# How an object begins, as far as it came.
CLOSERS: Final = '"]} \n'
OBJECT: Final = re.compile(r'\s*\{\s*(?:["}]|$)')


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
            if nesting.is_object and OBJECT.match(text, end):
                raise unclear(self, "a second object follows its arguments, and no name")
            # What follows now belongs to the model's broken JSON.
            nesting.is_object &= not (nesting.whole and text[end:].strip())
            self.at_once = nesting.whole if not self.pieces else self.at_once
            self.pieces += 1
            self.text.write(text)
        return text

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
