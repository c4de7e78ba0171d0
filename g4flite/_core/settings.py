"""`Timeout` and `Retry`: how patient a stream is, as frozen values.  No clock, no I/O."""

from collections.abc import Callable
from dataclasses import dataclass, fields

from .errors import (
    PASSING_STATUSES,
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

LASTING = (AuthenticationError, PermissionDeniedError, NotFoundError, ContextLengthError, ContentFilterError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeout:
    """The four timers, in seconds; None switches a timer off.  Raises `OptionError` unless each is a positive number.

    - `connect`: until the connection is made, TLS included.  In sync, a name lookup has no limit, and each address of
      the host may take this long.
    - `first_token`: from the first byte of the request to the first text.
    - `idle`: between two texts.  Bytes that carry no text do not count, nor does the time that the caller's loop takes.
    - `total`: from the first socket to the end, with all retries and fallbacks.
    """

    connect: float | None = 10.0
    first_token: float | None = 60.0
    idle: float | None = 60.0
    total: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            seconds = getattr(self, field.name)
            if seconds is None:
                continue
            if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= 1e9:
                raise OptionError(f"timeout: {field.name} is a positive number of seconds or None, not {seconds!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often an attempt that failed before its first text is made again, and how long to wait before it.

    `times` is the number of further attempts.  The wait is random between 0 and `base` seconds; its upper end doubles
    each time, up to `cap` seconds (full jitter).  If the service asks for a wait (`retry-after`), that wait is kept
    instead; if it is longer than `longest` seconds, the error is raised at once.
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
        """Return the seconds to wait before the next attempt, or None to give up.

        `failures` counts the failed attempts (from 1), `error` is the last one's, `chance` returns a number in [0, 1).
        """
        if failures > self.times or not may_pass(error):
            return None
        asked = error.retry_after if isinstance(error, StatusError) else None
        if asked is not None:
            return asked if asked <= self.longest else None
        return min(self.cap, self.base * 2.0 ** min(failures - 1, 60)) * chance()


DEFAULT_TIMEOUT = Timeout()
DEFAULT_RETRY = Retry()


def as_timeout(timeout: Timeout | float | None) -> Timeout:
    """Return a `Timeout`: a number sets `total`, None means the default."""
    if isinstance(timeout, Timeout):
        return timeout
    return DEFAULT_TIMEOUT if timeout is None else Timeout(total=timeout)


def as_retry(retries: Retry | int | None) -> Retry:
    """Return a `Retry`: a number sets `times`, None means the default."""
    if isinstance(retries, Retry):
        return retries
    return DEFAULT_RETRY if retries is None else Retry(times=retries)


def may_pass(error: G4fliteError) -> bool:
    """Return whether the same request may succeed a little later."""
    if isinstance(error, StatusError):
        if error.should_retry is not None:
            return error.should_retry
        if isinstance(error, RateLimitError | OverloadedError):
            # A quota that is used up comes as a 429 too, and does not pass by waiting.
            return "insufficient_quota" not in (error.code, error.kind)
        return error.status in PASSING_STATUSES and not isinstance(error, LASTING)
    if isinstance(error, ProviderError):
        return error.passing
    if isinstance(error, TLSError | ProxyError | StreamClosedError | TotalTimeoutError):
        return False
    return isinstance(error, TransportError | StreamTimeoutError | TruncatedStreamError | EmptyReplyError)
