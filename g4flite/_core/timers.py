"""`Timers`: how long the read that is about to wait may take, by the four timers of `Timeout`.

The timers keep no thread, no task and no cancel scope.  Whoever is about to wait asks `left()`, which returns the
seconds that this wait may take or raises the error of the timer that is over:

    timers.attempt(timeout)        # an attempt begins
    timers.connecting()            # seconds left to connect; the first call starts `total`
    timers.connected = True        # the request is on its way: `first_token` runs from the next `left()`
    timers.left()                  # seconds left for the next read or write
    timers.heard = True            # text came: `idle` runs from the next `left()`

So the time that a caller spends between two chunks counts for `total` alone.
"""

import math
import threading
import time
from collections.abc import Callable
from typing import Protocol

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
    """What the transport waits on: a network stream that asks the timers (`deadlines`)."""

    timers: "Timers"

    def interrupt(self) -> None:
        """End the wait of another thread or task at once, or do nothing if there is none."""


class Timers:
    """The timers of one stream, running.  `clock` returns seconds, on any scale that never goes back."""

    __slots__ = (
        "_at",
        "_clock",
        "_connect_at",
        "_ending",
        "_kind",
        "_limit",
        "_lock",
        "_pending",
        "_total_at",
        "closed",
        "connected",
        "heard",
        "opening",
        "timeout",
        "total",
        "waiting",
    )  # fmt: skip

    def __init__(self, timeout: Timeout, clock: Callable[[], float] = time.monotonic) -> None:
        self.total = timeout.total
        # The network stream that is read from and written to; None between two attempts.
        self.waiting: Waiting | None = None
        # Whether another thread or task has closed the stream.
        self.closed = False
        self._clock = clock
        self._lock = threading.Lock()
        self._total_at: float | None = None
        self._kind: type[FirstTokenTimeoutError | IdleTimeoutError]
        self.attempt(timeout)

    def attempt(self, timeout: Timeout) -> None:
        """Begin an attempt: `connect` runs from its first socket, `first_token` from its first byte sent."""
        self.timeout = timeout
        # The timer of reads: its seconds, its error, when it is over, and whether it starts with the next `left()`.
        self._limit, self._kind, self._pending = timeout.first_token, FirstTokenTimeoutError, True
        self._at = math.inf
        self._connect_at: float | None = None
        # Whether the request itself is on its way (before, a proxy may be spoken to), and whether its head is the next
        # thing that goes out.
        self.connected = False
        self.opening = False
        # Whether text came since the last `left()`.
        self.heard = False
        self._ending = False

    def linger(self, seconds: float) -> None:
        """Let the rest of the body take at most so many seconds: the answer does not need it."""
        self._ending = True
        self._limit = min(seconds, self._limit or math.inf)
        self._pending = True

    def connecting(self) -> float | None:
        """Return the seconds left for the connection, None for no end; the first call starts `total`.

        Raises the error of the timer that is over.
        """
        now = self._clock()
        if self._total_at is None:
            self._total_at = now + (self.total or math.inf)
        if self._connect_at is None:
            self._connect_at = now + (self.timeout.connect or math.inf)
        self.check()
        at = min(self._connect_at, self._total_at)
        if now >= at:
            raise self.unconnected("the service")
        return None if at == math.inf else at - now

    def left(self) -> float | None:
        """Return the seconds left for a read or write, None for no end.  Raises the error of the timer that is over."""
        if not self.connected:
            return self.connecting()
        if self.closed:
            raise StreamClosedError("close() was called while the reply was coming; what came is in .partial")
        now, end = self._clock(), self._total_at or math.inf
        if self.heard and not self._ending:
            self.heard = False
            self._limit, self._kind, self._pending = self.timeout.idle, IdleTimeoutError, True
        if self._pending:
            self._pending = False
            self._at = now + (self._limit or math.inf)
            # The same number each time, so that a socket need not be told a new time-out for each read.
            if self._at < end:
                return self._limit
        at = min(self._at, end)
        if now >= at:
            raise self.expired()
        return None if at == math.inf else at - now

    def total_left(self) -> float:
        """Return the seconds left of `total`, infinity if there is no total."""
        return (self._total_at or math.inf) - self._clock()

    def check(self) -> None:
        """Raise if `total` is over or the stream was closed; for a moment at which no read is under way."""
        if self.closed:
            raise StreamClosedError("close() was called while the stream was waiting")
        if self.total_left() <= 0:
            raise self._over()

    def expired(self) -> StreamTimeoutError:
        """Return the error of the timer that ends the read under way."""
        # The read may have ended later than its timer: then the timer counts, not the clock.
        if min(self._clock(), self._at) >= (self._total_at or math.inf):
            return self._over()
        name = "first_token" if self._kind is FirstTokenTimeoutError else "idle"
        wanted = "no text came" if name == "first_token" else "no more text came"
        return self._kind(
            f"{name}: {wanted} for {self._limit or 0:g} s; raise it with timeout=Timeout({name}=...), or retry"
        )

    def unconnected(self, place: str) -> StreamTimeoutError:
        """Return the error of the timer that ends the connecting to `place`."""
        if self.total_left() <= 0:
            return self._over()
        return ConnectTimeoutError(
            f"connect: no connection to {place} in {self.timeout.connect or 0:g} s; check base_url= and the network"
        )

    def hold(self, waiting: Waiting) -> None:
        """Note what is waited on from here on; a stream that held it before has lost it."""
        with self._lock:
            self.waiting, waiting.timers = waiting, self

    def release(self) -> None:
        """Let go of the network stream: its connection may serve another stream now."""
        with self._lock:
            self.waiting = None

    def abort(self) -> None:
        """End the read of another thread or task."""
        self.closed = True
        # Under the lock, so that the connection is not given to another stream and then shut down.
        with self._lock:
            if self.waiting is not None and self.waiting.timers is self:
                self.waiting.interrupt()

    def _over(self) -> StreamTimeoutError:
        return TotalTimeoutError(f"total: not complete after {self.total:g} s; raise timeout= if that is too short")
