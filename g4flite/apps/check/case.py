"""What is judged, and what a line of the report is made of."""

from typing import Final, Literal, NamedTuple, TypeAlias

from ..._core.errors import G4fliteError, StreamTimeoutError
from ..._core.provider import Provider
from .recording import Heard, Recording

TAIL: Final = 60  # bytes that show how a body ends
Verdict: TypeAlias = Literal["pass", "fail", "unknown"]
Line: TypeAlias = tuple[Verdict, str, bytes] | None  # None: the fault of another line hides it


class Finding(NamedTuple):
    """One line of a report: what was looked at, the verdict, one sentence, and the bytes that show it (200 at most)."""

    name: str
    verdict: Verdict
    says: str
    evidence: bytes = b""


class Case(NamedTuple):
    """One endpoint: a reply read to its end, one that was left at its first text, the one that was asked for after
    that, and the answer to a broken request (the last three None: they were not tried).
    """

    spec: Provider
    whole: Recording
    heard: Heard  # of `whole`
    left: Recording | None = None
    following: Recording | None = None
    refused: Recording | None = None

    @property
    def complete(self) -> bool:
        """Whether the reply came to its end, as HTTP and the protocol have it."""
        heard = self.heard
        return not (self.whole.error or heard.error or heard.broken) and (heard.done or self.spec.end == "http")


def said(error: G4fliteError | None) -> str:
    """The error's message, without what is of use to a program alone."""
    if isinstance(error, StreamTimeoutError):
        return str(error.args[0]).partition(";")[0].partition(": ")[2]
    return str(error.args[0]).removesuffix("; the text so far is in .partial") if error is not None else ""


def near(heard: Heard, number: int, *words: str) -> bytes:
    """The body from a little before where one of these words last stood by the end of a piece, else that piece."""
    end = sum(map(len, heard.pieces[: number + 1]))
    place = max([-1, *(heard.body.rfind(word.encode("utf-8", "replace"), 0, end) for word in words)])
    return heard.body[max(0, place - 24) :] if place >= 0 else (*heard.pieces, b"")[number]


def last(body: bytes) -> bytes:
    """The last line that is not blank."""
    return body.rstrip().rpartition(b"\n")[2]
