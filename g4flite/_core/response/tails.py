"""`Tail`: the end of a text that came in pieces; finds what of the whole text, which comes later, is new.

tail = Tail()
tail.add("hel")
tail.rest("hello")      # "lo"
tail.rest("Hello!")     # "": the text was written anew, so its pieces stand

Some services say in a last frame more than they have sent before, and most of those that send the whole text only
repeat it.
"""

from collections import deque
from typing import Final

from .surrogates import join_surrogates

# The last pieces that are kept.  Nothing is counted, because `add` runs for each text of a reply, or `extend` for many:
# they are functions in C, which take a third of the time of a method.
PIECES: Final = 8


class Tail:
    """The last pieces of a text."""

    def __init__(self) -> None:
        self._pieces: deque[str] = deque(maxlen=PIECES)
        self.add, self.extend = self._pieces.append, self._pieces.extend

    def pause(self) -> bool:
        """Return whether a piece came since the last pause, which an empty piece marks."""
        came = bool(self._pieces) and self._pieces[-1] != ""
        if came:
            self.add("")
        return came

    def rest(self, whole: str) -> str:
        """Return what of the whole text stands behind the pieces; "" if it does not hold them, or if none came.

        Blanks at its start do not count, which some services take off the whole text.
        """
        tail, whole = join_surrogates("".join(self._pieces)), whole.lstrip()
        if len(self._pieces) == PIECES:
            return whole.rpartition(tail)[2] if tail in whole else ""
        tail = tail.lstrip()
        return whole[len(tail) :] if tail and whole.startswith(tail) else ""
