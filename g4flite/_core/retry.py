"""`Retry`: whether an attempt that failed is made again, and after how long.  Decided without a clock."""

from collections.abc import Callable
from dataclasses import dataclass

from .errors import (
    AuthenticationError,
    ContentFilterError,
    ContextLengthError,
    EmptyReplyError,
    G4fliteError,
    NotFoundError,
    OptionError,
    OverloadedError,
    PermissionDeniedError,
    ProviderError,
    ProxyError,
    RateLimitError,
    StatusError,
    StreamClosedError,
    StreamTimeoutError,
    TLSError,
    TotalTimeoutError,
    TransportError,
    TruncatedStreamError,
)

PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
LASTING = (AuthenticationError, PermissionDeniedError, NotFoundError, ContextLengthError, ContentFilterError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often and how patiently an attempt is repeated that failed before its first text.

    `times` is the number of further attempts.  They wait between 0 and `base` seconds, doubled each time and never more
    than `cap` (full jitter); a wait that the service asks for is kept instead, unless it is longer than `longest`
    seconds, in which case the error is raised at once.
    """

    times: int = 2
    base: float = 0.5
    cap: float = 8.0
    longest: float = 60.0

    def __post_init__(self) -> None:
        if isinstance(self.times, bool) or not isinstance(self.times, int) or self.times < 0:
            raise OptionError(f"retries is a whole number from 0, or a Retry, not {self.times!r}")
        patience = (self.base, self.cap, self.longest)
        if not all(isinstance(seconds, int | float) and 0 <= seconds <= 1e9 for seconds in patience):
            raise OptionError("retries: base, cap and longest are seconds, 0 or more")

    def wait(self, failures: int, error: G4fliteError, chance: Callable[[], float]) -> float | None:
        """The seconds to wait after so many failures (from 1), the last of them `error`; None: give up.

        `chance` gives a number from 0 to 1.
        """
        if failures > self.times or not passes(error):
            return None
        asked = error.retry_after if isinstance(error, StatusError) else None
        if asked is not None:
            return asked if asked <= self.longest else None
        return min(self.cap, self.base * 2.0 ** min(failures - 1, 60)) * chance()


DEFAULT = Retry()


def as_retry(retries: "Retry | int | None") -> Retry:
    """A number means so many further attempts, None the default."""
    if isinstance(retries, Retry):
        return retries
    return DEFAULT if retries is None else Retry(times=retries)


def passes(error: G4fliteError) -> bool:
    """Whether the same request may succeed a little later."""
    if isinstance(error, StatusError):
        if error.should_retry is not None:
            return error.should_retry
        if isinstance(error, RateLimitError | OverloadedError):
            return "insufficient_quota" not in (error.code, error.kind)  # a quota that is used up stays so
        return error.status in PASSING and not isinstance(error, LASTING)
    if isinstance(error, ProviderError):
        return error.passing
    if isinstance(error, TLSError | ProxyError | StreamClosedError | TotalTimeoutError):
        return False
    return isinstance(error, TransportError | StreamTimeoutError | TruncatedStreamError | EmptyReplyError)
