"""The lines of the report on a gateway: what was heard through it, beside what was heard without it.  No I/O."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from ..._core.errors import FirstTokenTimeoutError, G4fliteError, IdleTimeoutError, StatusError, TruncatedStreamError
from ..._core.events import Finish
from ..._core.stream import Stream
from ...server.signatures import Signature
from ...testing import Exchange
from .case import Finding

# A signature of the emulator's, and who may have made it.
SIGNATURE: Final = re.compile(r"(?<![\w+/-])[\w+/-]{56}(?![\w+/=-])")
SIGNERS: Final = ("anthropic", "gemini", "responses", "openrouter")
COUNTS: Final = ("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens")


class Heard(NamedTuple):
    """What was heard of one call: its stream, the error that ended it, and the requests that the emulator got for it.

    `first` is the time to the first text, reasoning or tool call in seconds, None if none came.
    """

    stream: Stream
    error: G4fliteError | None
    first: float | None
    finish: Finish | None
    asked: tuple[Exchange, ...]

    @property
    def message(self) -> Any:
        """The answer as a message; {} if the call failed."""
        return {} if self.error is not None else self.stream.message

    @property
    def told(self) -> str:
        """The class of the error with its HTTP status, "a complete answer" if there was none."""
        if self.error is None:
            return "a complete answer"
        status = f" {self.error.status}" if isinstance(self.error, StatusError) and self.error.status else ""
        return type(self.error).__name__ + status


def compare(name: str, own: object, other: object, show: Callable[[object], str] = repr) -> Finding:
    """Return a line that passes if both are equal."""
    if own == other:
        return Finding(name, "pass", f"unchanged: {show(other)}")
    return Finding(name, "fail", f"{show(own)} became {show(other)}")


def text(own: Heard, other: Heard) -> Finding:
    """Judge whether the text is the same."""
    return compare("text", own.stream.partial, other.stream.partial, ascii)


def held_back(*, in_time: bool, seconds: float) -> Finding:
    """Judge whether a text was passed on before the next one came."""
    if in_time:
        return Finding("streaming", "pass", "a text is passed on before the next one comes")
    return Finding("streaming", "fail", f"a text is held back until the next one comes, at least {seconds:g} s")


def reasoning(own: Heard, other: Heard, sent: Iterable[bytes]) -> Finding:
    """Judge whether the reasoning is the same; `sent` is the body of the service's reply to the gateway."""
    if not own.stream.reasoning and not other.stream.reasoning:
        return Finding("reasoning", "unknown", "the protocol shows none")
    if not own.stream.reasoning:
        return Finding("reasoning", "unknown", f"the gateway shows it, the protocol does not: {other.stream.reasoning}")
    # The words come in pieces, as they are: the reasoning is ASCII.
    if not other.stream.reasoning and own.stream.reasoning.split()[-1].encode() not in b"".join(sent):
        return Finding("reasoning", "unknown", "the protocol in which the gateway asks the service shows none")
    return compare("reasoning", own.stream.reasoning, other.stream.reasoning)


def tool_call(own: Heard, other: Heard) -> Finding:
    """Judge whether a tool call has the same name and arguments; its id may be the gateway's."""
    calls = [
        [(call["function"]["name"], call["function"]["arguments"]) for call in heard.message.get("tool_calls") or ()]
        for heard in (own, other)
    ]
    return compare("tool call", calls[0], calls[1])


def signatures(first: Heard, sent: Iterable[bytes], second: Heard) -> Finding:
    """Judge whether the service gets back the signatures that it has sent with a tool call."""
    wanted = signatures_in(b"".join(sent))
    if not wanted:
        return Finding("signatures", "unknown", "the service has sent none")
    back = signatures_in(b"".join(exchange.body for exchange in second.asked))
    said = f"{len(wanted & back)} of the service's came back to it"
    if second.error is not None:
        return Finding("signatures", "fail", f"{said}, and the tool's result is refused: {second.told}")
    seen = len(wanted & signatures_in(str(first.message).encode()))
    return Finding("signatures", "pass" if wanted & back else "fail", f"{said}; the client saw {seen}")


def signatures_in(data: bytes) -> set[str]:
    """Return the emulator's signatures in the data."""
    found = SIGNATURE.findall(data.decode("utf-8", "replace"))
    return {mark for mark in found if any(Signature.read(signer, mark) for signer in SIGNERS)}


def cache_marks(own: Heard, other: Heard, mark: str) -> Finding:
    """Judge whether a mark of the cache is in the request that the service gets."""
    if other.error is not None:
        return Finding("cache marks", "fail", f"the request is refused: {other.told}")
    expected, found = (sum(one.body.count(mark.encode()) for one in heard.asked[-1:]) for heard in (own, other))
    if own.error is not None or not expected:
        return Finding("cache marks", "unknown", "the protocol has none")
    if found >= expected:
        return Finding("cache marks", "pass", f"the service gets {mark}")
    if protocol := other_protocol(own, other):
        return Finding("cache marks", "unknown", f"{mark} is not in the request, whose protocol is {protocol}")
    return Finding("cache marks", "fail", f"the service does not get {mark}")


def finish(own: Heard, other: Heard) -> Finding:
    """Judge whether the finish reason is the same."""
    reasons = [heard.finish.reason if heard.finish else None for heard in (own, other)]
    return compare("finish", reasons[0], reasons[1])


def usage(own: Heard, other: Heard) -> Finding:
    """Judge whether the client is told the tokens that the service has counted."""
    counts = [
        {name: getattr(heard.stream.usage, name, None) for name in COUNTS if getattr(own.stream.usage, name, None)}
        for heard in (own, other)
    ]
    said = [", ".join(f"{name.partition('_')[0]} {count}" for name, count in one.items()) for one in counts]
    line = compare("usage", said[0], said[1], str)
    only_lost = all(not count or count == counts[0][name] for name, count in counts[1].items())
    if line.verdict == "fail" and only_lost and any(counts[1].values()) and other_protocol(own, other):
        return line._replace(verdict="unknown", says=f"{line.says}; the service is asked in another protocol")
    return line


def other_protocol(own: Heard, other: Heard) -> str | None:
    """Return the protocol in which the gateway has asked the service, None if it is the client's own."""
    return other.asked[-1].service if other.asked and own.asked[-1].service != other.asked[-1].service else None


def error(kind: str, own: Heard, other: Heard) -> Finding:
    """Judge whether an error of this kind keeps its class, and a status that means the same to clients.

    Many clients know 429 and 500 to 599 as what may succeed later, and all others as what will not.
    """
    if not other.asked:
        return Finding(kind, "unknown", f"the gateway does not ask the service again, and answers with {other.told}")
    again = f"; the service was asked {len(other.asked)} times" if len(other.asked) > 1 else ""
    if own.told == other.told:
        return Finding(kind, "pass", f"unchanged: {own.told}{again}")
    means = [(status == 429, status >= 500) for status in (getattr(one.error, "status", 0) for one in (own, other))]
    same = type(own.error) is type(other.error) and means[0] == means[1]
    return Finding(kind, "unknown" if same else "fail", f"{own.told} became {other.told}{again}")


def retry_after(own: Heard, other: Heard) -> Finding:
    """Judge whether the client is told how long to wait."""
    waits = [getattr(heard.error, "retry_after", None) for heard in (own, other)]
    if waits[0] is None or not other.asked:
        return Finding("retry-after", "unknown", "the client gets none of the service's")
    return compare("retry-after", waits[0], waits[1])


def error_inside(own: Heard, other: Heard) -> Finding:
    """Judge whether an error behind the first text is an error for the client."""
    return error("error inside", own, other)


def cut(found: list[tuple[int, Heard]]) -> Finding:
    """Judge whether a reply that was cut off before its finish reason became a complete answer."""
    if not found:
        return Finding("cut", "unknown", "the gateway does not ask the service again")
    whole = [(place, heard) for place, heard in found if heard.error is None]
    if not whole:
        return Finding("cut", "pass", f"of {len(found)} replies that were cut off, none became a complete answer")
    place, heard = whole[0]
    reason = heard.finish.reason if heard.finish else "none"
    says = f"of {len(found)} replies that were cut off, {len(whole)} became complete answers (finish reason {reason})"
    return Finding("cut", "fail", says, heard.stream.partial.encode()[-60:] or f"after {place} bytes".encode())


def cut_told(found: list[tuple[int, Heard]]) -> Finding:
    """Judge in which way the client is told of a cut.  Most clients take a body that just ends for a whole one."""
    if all(heard.error is None for _, heard in found):
        return Finding("cut is told", "unknown", "there is none to tell of")
    ways = Counter(way_of(heard) for _, heard in found if heard.error is not None)
    said = ", ".join(f"{count} {way}" for way, count in ways.most_common())
    bad = {"a body that ends without an error", "silence"} & ways.keys()
    return Finding("cut is told", "fail" if bad else "pass", f"by {said}")


def way_of(heard: Heard) -> str:
    """Return how the client was told of an error."""
    failed = heard.error
    if isinstance(failed, FirstTokenTimeoutError | IdleTimeoutError):
        return "silence"
    if isinstance(failed, TruncatedStreamError):
        return "a body that ends without an error" if failed.__cause__ is None else "a broken connection"
    return "a status" if heard.first is None else "an error in the stream"


def first_text(own: float, other: float, times: int) -> Finding:
    """Show how much later the first text comes through the gateway."""
    says = f"{(other - own) * 1000:+.1f} ms: {other * 1000:.1f} in place of {own * 1000:.1f}, the medians of {times}"
    return Finding("first text", "pass", says)


def leaving(name: str, seconds: float | None, patience: float) -> Finding:
    """Judge how soon the service sees that the client has left."""
    where = "before the answer" if name == "leave early" else "in the answer"
    if seconds is None:
        return Finding(name, "fail", f"the service has not noticed it {patience:g} s after the client left {where}")
    return Finding(name, "pass", f"the service notices it {seconds * 1000:.0f} ms after the client left {where}")
