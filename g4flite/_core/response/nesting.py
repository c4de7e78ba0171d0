"""`Nesting`: finds where the object that JSON text begins with has its last brace, while the text comes in pieces.

nesting = Nesting()
nesting.read('{"a": [')         # 7: all of the piece belongs to the object
nesting.takes_brace             # True: an object may stand here
nesting.read('1]} more')        # 3
nesting.whole                   # True
"""

import re
from functools import cache

# How many pieces that open and close nothing are read at once.
MOST_UNREAD = 64


@cache
def marks() -> re.Pattern[str]:
    """Return the expression of what nests JSON: brackets, quotes, and a backslash with what it escapes."""
    return re.compile(r'\\.?|["{}\[\]]', re.DOTALL)


class Nesting:
    """Reads each character of the text once.

    `whole` says that the object has its last brace, or that the text begins with no object and no array; `is_object`
    that it begins with an object.
    """

    def __init__(self) -> None:
        self._depth, self._tail = 0, ""
        self._escaped = self._quoted = self.is_object = self.whole = False
        # Pieces without brackets, which are not read yet.
        self._unread: list[str] = []

    def skip(self, piece: str) -> bool:
        """Do what `read` does with a piece that opens and closes nothing, but later; return whether it is such a piece.

        Must not be called for an empty piece.
        """
        if not self._depth or "{" in piece or "}" in piece or "[" in piece or "]" in piece:
            return False
        self._unread.append(piece)
        if len(self._unread) > MOST_UNREAD:
            self._catch_up()
        return True

    def _catch_up(self) -> None:
        if self._unread:
            pieces, self._unread = "".join(self._unread), []
            # Nothing but backslashes and quotes counts in them.
            if self._escaped or "\\" in pieces:
                self.read(pieces)
            else:
                self._quoted ^= pieces.count('"') % 2 == 1
                self._tail = pieces.rstrip()[-1:] or self._tail

    def read(self, piece: str) -> int:
        """Return how many characters of the next piece belong to the object; all, if the text is no object.

        Must not be called for an empty piece, or once the text is `whole`.
        """
        self._catch_up()
        if not self._depth and not self._quoted:
            start = piece.lstrip()[:1]
            self.is_object, self.whole = start == "{", start not in ("", "{", "[", '"')
            if self.whole:
                return len(piece)
        self._tail = piece.rstrip()[-1:] or self._tail
        skipped, self._escaped = int(self._escaped), False
        for found in marks().finditer(piece, skipped):
            mark = found[0]
            if mark[0] == "\\":
                self._escaped = len(mark) == 1
            elif mark == '"':
                self._quoted = not self._quoted
                if not self._quoted and not self._depth:
                    self.whole = True
                    return found.end()
            elif not self._quoted:
                self._depth += 1 if mark in "{[" else -1
                if not self._depth:
                    self.whole = True
                    return found.end()
        return len(piece)

    @property
    def takes_brace(self) -> bool:
        """Whether the text may go on with a brace: in a string, as a value, or in an array."""
        self._catch_up()
        return not self.whole and (self._quoted or self._tail in (":", ",", "["))
