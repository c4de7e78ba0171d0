"""`Timeout` and `Retry`: how long a stream waits and how often it tries again, as frozen values.  No clock, no I/O."""

from collections.abc import Callable
from dataclasses import dataclass, fields

from .errors import (
    PASSING_STATUSES,
    TIMERS,
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
    name_by_package,
)

# The classes of errors that a second, equal request would meet again, whatever the status.
LASTING = (AuthenticationError, PermissionDeniedError, NotFoundError, ContextLengthError, ContentFilterError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeout:
    """The four timers, in seconds; None switches a timer off.

    - `connect` runs until the connection is made, TLS included.  In sync, a name lookup has no limit, and each address
      of the host may take this long.
    - `first_token` runs from the first byte of the request to the first text, reasoning or tool call.
    - `idle` runs from one text to the next.  Bytes without text do not stop it.  The time that the body of the caller's
      loop takes does not count.
    - `total` runs from the first connection to the end of the stream, with all retries and fallbacks.

    Raises `OptionError` unless each timer is None or a positive number.
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
                # A number alone is the timer `total`.
                named = field.name if field.name in TIMERS else "timeout"
                raise OptionError(f"must be a positive number of seconds or None, not {seconds!r}", argument=named)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often an attempt that failed before its first text is made again, and how long the stream waits before.

    - `times` is the number of further attempts.
    - `base` and `cap` are seconds.  The first wait is random between 0 and `base`; the upper end doubles with each
      further wait, up to `cap` ("full jitter").
    - `longest` is seconds.  If the service asks for a wait (`retry-after`), the stream waits exactly that long; if the
      service asks for more than `longest`, the stream raises the error at once.

    Raises `OptionError` for a number that cannot be used.
    """

    times: int = 2
    base: float = 0.5
    cap: float = 8.0
    longest: float = 60.0

    def __post_init__(self) -> None:
        if isinstance(self.times, bool) or not isinstance(self.times, int) or self.times < 0:
            raise OptionError(f"must be a whole number from 0 up, or a Retry, not {self.times!r}", argument="retries")
        patience = (self.base, self.cap, self.longest)
        if not all(isinstance(seconds, int | float) and 0 <= seconds <= 1e9 for seconds in patience):
            raise OptionError(f"retries: base, cap and longest must be seconds from 0 up, not {patience}")

    def wait(self, failures: int, error: G4fliteError, chance: Callable[[], float]) -> float | None:
        """Return the seconds to wait before the next attempt, or None if there shall be no further attempt.

        `failures` is the number of failed attempts (1 after the first), `error` is the last attempt's error, and
        `chance` returns a random number in [0, 1).
        """
        if failures > self.times or not may_pass(error):
            return None
        asked = error.retry_after if isinstance(error, StatusError | ProviderError) else None
        if asked is not None:
            return asked if asked <= self.longest else None
        # The exponent is bounded, as 2.0 ** 1024 is an OverflowError.
        return min(self.cap, self.base * 2.0 ** min(failures - 1, 60)) * chance()


DEFAULT_TIMEOUT = Timeout()
DEFAULT_RETRY = Retry()


def as_timeout(timeout: Timeout | float | None) -> Timeout:
    """Return the `Timeout` that an argument `timeout=` means: a number sets `total`, None means the default."""
    if isinstance(timeout, Timeout):
        return timeout
    # httpx.Timeout, aiohttp.ClientTimeout and the like.
    if (kind := type(timeout)).__name__.endswith("Timeout"):
        raise OptionError(
            "must be a number of seconds or this package's own Timeout, not "
            f"{kind.__module__.partition('.')[0]}.{kind.__name__}; write Timeout(connect=..., idle=..., total=...)",
            argument="timeout",
        )
    return DEFAULT_TIMEOUT if timeout is None else Timeout(total=timeout)


def as_retry(retries: Retry | int | None) -> Retry:
    """Return the `Retry` that an argument `retries=` means: a number sets `times`, None means the default."""
    if isinstance(retries, Retry):
        return retries
    return DEFAULT_RETRY if retries is None else Retry(times=retries)


def may_pass(error: G4fliteError) -> bool:
    """Return whether the same request may succeed a little later, so that a further attempt makes sense."""
    if isinstance(error, StatusError):
        # The service's own word counts first.
        if error.should_retry is not None:
            return error.should_retry
        if isinstance(error, RateLimitError | OverloadedError):
            # A quota that is used up comes with status 429, too.  (What a service has said has `should_retry` False.)
            return "insufficient_quota" not in (error.code, error.kind)
        return error.status in PASSING_STATUSES and not isinstance(error, LASTING)
    if isinstance(error, ProviderError):
        return error.passing
    if isinstance(error, TLSError | ProxyError | StreamClosedError | TotalTimeoutError):
        return False
    return isinstance(error, TransportError | StreamTimeoutError | TruncatedStreamError | EmptyReplyError)


name_by_package(Timeout, Retry)
