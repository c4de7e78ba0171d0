"""`Timers`: how long the next read of a socket may take, by the four timers of `Timeout`.

The timers keep no thread, no task and no cancel scope.  Instead, each read and write of a socket asks `left()` just
before it waits.  `left()` returns the seconds that this wait may take, or raises the error of the timer that is over:

    timers.attempt(timeout)        # an attempt begins
    timers.connecting()            # seconds left to connect; the first call starts `total`
    timers.connected = True        # the request goes out: the next `left()` starts `first_token`
    timers.left()                  # seconds left for the next read or write
    timers.heard = True            # text came: the next `left()` starts `idle`

`first_token` and `idle` are one timer, the read timer, which `left()` starts anew.  It starts when the stream waits
again and not when text comes, so the time that the body of the caller's loop takes counts for `total` alone.
"""

import math
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from .errors import (
    ConnectTimeoutError,
    FirstTokenTimeoutError,
    IdleTimeoutError,
    StreamClosedError,
    StreamTimeoutError,
    TotalTimeoutError,
)
from .settings import Timeout


class Waiting(Protocol):
    """What the transport reads from and waits for: a network stream that asks the timers (`transport/deadlines.py`)."""

    timers: "Timers"

    def interrupt(self) -> None:
        """End the wait of another thread or task at once; do nothing if nobody waits."""


class Timers:
    """The running timers of one stream.

    `clock` returns seconds on any scale that never goes back.  `_connect_ends_at`, `_read_ends_at` and `_total_ends_at`
    are times on that scale.
    """

    __slots__ = (
        "__weakref__",
        "_clock",
        "_connect_ends_at",
        "_lingering",
        "_lock",
        "_read_ends_at",
        "_read_error",
        "_read_restarts",
        "_read_seconds",
        "_total_ends_at",
        "closed",
        "connected",
        "fresh",
        "head_is_next",
        "head_reads",
        "heard",
        "replaced",
        "reused",
        "sent",
        "source",
        "timeout",
        "total",
        "waiting",
    )  # fmt: skip

    def __init__(self, timeout: Timeout, clock: Callable[[], float] = time.monotonic) -> None:
        self.total = timeout.total
        # The network stream that the stream reads from and writes to; None between two attempts.
        self.waiting: Waiting | None = None
        # Whether another thread or task has closed the stream.
        self.closed = False
        # Where the stream has its HTTP client from, now or for the next attempt: a `Source` of the exchange.
        self.source: object = None
        self._clock = clock
        self._lock = threading.Lock()
        self._total_ends_at: float | None = None
        self._read_error: type[FirstTokenTimeoutError | IdleTimeoutError]
        self.attempt(timeout)

    def attempt(self, timeout: Timeout) -> None:
        """Begin an attempt: its `connect` starts with its first connection, its `first_token` with its first byte."""
        self.timeout = timeout
        # The read timer: its seconds, its error, and whether the next `left()` starts it anew.
        self._read_seconds, self._read_error, self._read_restarts = timeout.first_token, FirstTokenTimeoutError, True
        self._read_ends_at = math.inf
        self._connect_ends_at: float | None = None
        # Whether the request itself goes out.  Before, `connect` bounds all reads and writes, a proxy's among them.
        self.connected = False
        # Whether the next write is the head of the request, which `deadlines` sends with the body.
        self.head_is_next = False
        # Whether a connection was made for the next request; and whether the last request went out over a connection
        # that had served a request before.
        self.fresh = self.reused = False
        # The headers and URLs that went out in this attempt, as `secrets_of_client` takes them.
        self.sent: list[tuple[Any, object]] = []
        # How many reads have begun that wait for the response's head, and how many stale connections were replaced.
        self.head_reads = self.replaced = 0
        # Whether text came since the last `left()`.
        self.heard = False
        # Whether `linger` was called: text restarts the read timer no more.
        self._lingering = False

    def requesting(self) -> None:
        """Note that a request goes out, over a new connection or over one that has served a request before."""
        self.reused, self.fresh, self.head_reads = not self.fresh, False, 0

    def reconnect(self) -> None:
        """Go back to before the connection, because it was stale.  `connect` starts anew, the other timers run on."""
        self.release()
        self._connect_ends_at, self.connected, self.head_is_next = None, False, False
        self.replaced += 1

    def linger(self, seconds: float) -> None:
        """Let the rest of the body take at most so many seconds, because the answer does not need the rest."""
        self._lingering = True
        self._read_seconds = min(seconds, self._read_seconds or math.inf)
        self._read_restarts = True

    def connecting(self) -> float | None:
        """Return the seconds left to make the connection, None for no limit.  The first call starts `total`.

        Raises the error of the timer that is over.
        """
        now = self._clock()
        if self._total_ends_at is None:
            self._total_ends_at = now + (self.total or math.inf)
        if self._connect_ends_at is None:
            self._connect_ends_at = now + (self.timeout.connect or math.inf)
        self.check()
        end = min(self._connect_ends_at, self._total_ends_at)
        if now >= end:
            raise self.unconnected("the service")
        return None if end == math.inf else end - now

    def left(self) -> float | None:
        """Return the seconds left for a read or write, None for no limit.

        Raises the error of the timer that is over, and `StreamClosedError` if the stream was closed.
        """
        if not self.connected:
            return self.connecting()
        if self.closed:
            raise StreamClosedError("close() was called while the reply was coming; the text so far is in .partial")
        now, total_end = self._clock(), self._total_ends_at or math.inf
        if self.heard and not self._lingering:
            self.heard = False
            self._read_seconds, self._read_error, self._read_restarts = self.timeout.idle, IdleTimeoutError, True
        if self._read_restarts:
            self._read_restarts = False
            self._read_ends_at = now + (self._read_seconds or math.inf)
            # The same number each time: a socket is told its time-out only if the number has changed.
            if self._read_ends_at < total_end:
                return self._read_seconds
        end = min(self._read_ends_at, total_end)
        if now >= end:
            raise self.expired()
        return None if end == math.inf else end - now

    def left_for_head(self) -> float | None:
        """Return the same as `left`, for a read that waits for the head of the response."""
        self.head_reads += 1
        return self.left()

    def total_left(self) -> float:
        """Return the seconds left of `total`, infinity if `total` is switched off or has not started."""
        return (self._total_ends_at or math.inf) - self._clock()

    def check(self) -> None:
        """Raise if `total` is over or the stream was closed.  For moments between two reads."""
        if self.closed:
            raise StreamClosedError("close() was called while the stream was waiting")
        if self.total_left() <= 0:
            raise self._total_error()

    def expired(self) -> StreamTimeoutError:
        """Return the error of the timer that ended the last read."""
        # On a busy machine this is asked long after the read ended.  `total` is the reason only if it was over by the
        # end of the read timer, and not if it is over by now.
        if min(self._clock(), self._read_ends_at) >= (self._total_ends_at or math.inf):
            return self._total_error()
        name = "first_token" if self._read_error is FirstTokenTimeoutError else "idle"
        missing = "no text came" if name == "first_token" else "no more text came"
        return self._read_error(
            f"{name}: {missing} for {self._read_seconds or 0:g} s",
            advice=f"[allow more with {{{name}}}, or ]retry",
        )

    def unconnected(self, place: str) -> StreamTimeoutError:
        """Return the error of the timer that ended the attempt to connect to `place`."""
        if self.total_left() <= 0:
            return self._total_error()
        return ConnectTimeoutError(
            f"connect: no connection to {place} in {self.timeout.connect or 0:g} s",
            advice="check {base_url} and the network",
        )

    def hold(self, waiting: Waiting) -> None:
        """Note the network stream of the next reads, and take it from the stream that had it before."""
        with self._lock:
            self.waiting, waiting.timers = waiting, self

    def release(self) -> None:
        """Let go of the network stream, because its connection may serve another stream from now on."""
        with self._lock:
            self.waiting = None

    def abort(self) -> None:
        """Close the stream from another thread or task, and end the read in which it waits."""
        self.closed = True
        # With the lock, as the connection may else be given to another stream first, and then be shut down for it.
        with self._lock:
            if self.waiting is not None and self.waiting.timers is self:
                self.waiting.interrupt()

    def _total_error(self) -> StreamTimeoutError:
        return TotalTimeoutError(
            f"total: not complete after {self.total:g} s", advice="[allow more with {timeout}, or ]retry"
        )
