"""`Case`: what the lines of a report judge.  `Finding`: one line of the report."""

from typing import Final, Literal, NamedTuple, TypeAlias

from ..._core.base_urls import advice_on_base_url
from ..._core.errors import G4fliteError, StreamTimeoutError, with_arguments
from ..._core.provider import Provider
from ..._core.response.service_errors import URL_ADVICE
from .recording import Decoded, Recording

# Bytes that show how a body ends.
TAIL: Final = 60
# What the command calls the arguments of `stream()`.  The environment alone names a proxy.
NAMES: Final = {
    "base_url": "URL", "model": "--model", "headers": "--header", "proxy": "G4FLITE_PROXY",
    **dict.fromkeys(("timeout", "first_token", "idle"), "--timeout"),
}  # fmt: skip
Verdict: TypeAlias = Literal["pass", "fail", "unknown"]
# A verdict, its sentence and its evidence; None if a fault that another line names hides what this line looks at.
Line: TypeAlias = tuple[Verdict, str, bytes] | None


class Finding(NamedTuple):
    """One line of a report: its name, the verdict, one sentence, and at most 200 bytes that show it."""

    name: str
    verdict: Verdict
    says: str
    evidence: bytes = b""


class Case(NamedTuple):
    """One endpoint, by up to four exchanges; the last three are None if they were not made.

    - `whole`: the reply was read to its end; `decoded` is what it says.
    - `left`: the client left the reply at its first text.
    - `following`: the exchange after that.
    - `refused`: the request was broken.
    """

    spec: Provider
    whole: Recording
    decoded: Decoded
    left: Recording | None = None
    following: Recording | None = None
    refused: Recording | None = None

    @property
    def complete(self) -> bool:
        """Whether the whole reply came to its end, by HTTP and by the protocol."""
        reply = self.decoded
        return not (self.whole.error or reply.error or reply.inflate_error) and (reply.done or self.spec.end == "http")


def spelled(argument: str) -> str:
    """Return what the command calls an argument of `stream()`, "" if it has no such argument."""
    return NAMES.get(argument, "")


def with_base_url(case: Case, error: G4fliteError) -> G4fliteError:
    """Return the error with what is doubled or missing in the base URL as its advice, if that can be seen."""
    if error.advice in URL_ADVICE:
        error.advice = advice_on_base_url(case.whole.base_url, case.spec.url, case.spec.base_url) or error.advice
    return error


def message_of(error: G4fliteError | None) -> str:
    """Return the error's message without the advice that is of use to a program alone, "" for None."""
    if isinstance(error, StreamTimeoutError):
        return str(error.args[0]).partition(": ")[2]
    said = "" if error is None else str(error.args[0]).partition("; the text so far ")[0]
    advice = "" if error is None else with_arguments(error.advice, spelled)
    return f"{said}; {advice}" if advice else said


def body_at(decoded: Decoded, number: int, *words: str) -> bytes:
    """Return the body from a little before the last place of one of the words, as far as piece `number` goes.

    If none of the words is there, return that piece.
    """
    end = sum(map(len, decoded.pieces[: number + 1]))
    place = max([-1, *(decoded.body.rfind(word.encode("utf-8", "replace"), 0, end) for word in words)])
    return decoded.body[max(0, place - 24) :] if place >= 0 else (*decoded.pieces, b"")[number]


def last_line(body: bytes) -> bytes:
    """Return the last line that is not blank."""
    return body.rstrip().rpartition(b"\n")[2]
