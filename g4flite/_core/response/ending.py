"""`Ending`: which finish reason of a reply counts, and whether the answer is whole if the body breaks off behind it.

A finish reason is not the end of an answer.  Gemini says `STOP` on early empty chunks or on every chunk, and servers of
Chat Completions send text, reasoning or a tool call behind their finish reason, or repeat the reason.  The answer ends
with the protocol's end; up to then a reader only notes what comes:

    ending = Ending()
    ending.note(Finish("stop", "STOP"), [])     # whole: True.  Nothing of the answer seems to be missing.
    ending.note(None, ["more"])                 # whole: False.  Content was under way.
    ending.note(Finish("length", "MAX"), [])    # whole: True, and `finish` is the last reason

Sources: anomalyco/opencode#43040 and PR#49167 (SenseNova, NVIDIA), September 2026; recordings of Gemini's chunks.
"""

from collections.abc import Iterable
from typing import Final

from ..events import CONTENT, Finish, ToolCallDelta

# A reason of a higher rank is not replaced by one of a lower rank, unless content came between the two: some services
# repeat their reason as a plain "stop", or as a word that says nothing (xAI's REASON_INVALID, August 2026).
RANK: Final = {"other": 0, "stop": 1}


class Ending:
    """The finish reason of a reply.

    - `finish` is the reason that counts so far, None before the first.
    - `whole` is true if a finish reason came and no content since.
    """

    __slots__ = ("_calls", "_content_beside", "_refuted", "finish", "whole")

    def __init__(self) -> None:
        self.finish: Finish | None = None
        self.whole = False
        # Whether content stood in the frame of the last reason, and whether content ever came behind such a frame.  If
        # it did, the service gives a reason with every piece of its text, and none of these means an end.
        self._content_beside = self._refuted = False
        # How many tool calls have begun.
        self._calls = 0

    def note(self, finish: Finish | None, items: Iterable[object], *, calls: int = 0) -> None:
        """Take one frame: its finish reason, None if it has none, its items, and how many tool calls have begun so far.

        Need not be called before the first finish reason, but for frames in which a tool call may begin.
        """
        # A call begins, though its first piece may be held back.  An empty piece of a call is no content.
        content, self._calls = calls > self._calls, calls
        for item in items:
            if isinstance(item, CONTENT) and (item.arguments if isinstance(item, ToolCallDelta) else item):
                content = True
        if content and self._content_beside:
            self._refuted = True
        if content:
            self.whole = False
        if finish is None:
            return
        if self.finish is None or not self.whole or RANK.get(finish.reason, 2) >= RANK.get(self.finish.reason, 2):
            self.finish = finish
        self.whole, self._content_beside = not (content and self._refuted), content

    def settled(self, torn: bool) -> bool:
        """Return whether the answer is whole if its body ends here; `torn` says that half a tool call came.

        If the answer's length is the finish reason, half a tool call is all that the model wrote.
        """
        return self.whole and self.finish is not None and (not torn or self.finish.reason == "length")
