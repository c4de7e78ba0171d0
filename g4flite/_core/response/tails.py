"""`Tail`: the end of a text that came in pieces; finds what of the whole text, which comes later, is new.

tail = Tail()
tail.append("hel")
tail.rest("hello")      # "lo"
tail.rest("Hello!")     # "": the text was written anew, so its pieces stand

Some services say in a last frame more than they have sent before, and most of those that send the whole text only
repeat it.
"""

from collections import deque
from typing import Final

from .surrogates import join_surrogates

# The last pieces that are kept.
PIECES: Final = 8


class Tail(deque[str]):
    """The last pieces of a text.

    Nothing is counted, because `append` runs for each text of a reply, or `extend` for many: those of a deque are
    functions in C, which take a third of the time of a method.
    """

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(maxlen=PIECES)

    def pause(self) -> bool:
        """Return whether a piece came since the last pause, which an empty piece marks."""
        came = bool(self) and self[-1] != ""
        if came:
            self.append("")
        return came

    def rest(self, whole: str) -> str:
        """Return what of the whole text stands behind the pieces; "" if it does not hold them, or if none came.

        Blanks at its start do not count, which some services take off the whole text.
        """
        tail, whole = join_surrogates("".join(self)), whole.lstrip()
        if len(self) == PIECES:
            return whole.rpartition(tail)[2] if tail in whole else ""
        tail = tail.lstrip()
        return whole[len(tail) :] if tail and whole.startswith(tail) else ""
