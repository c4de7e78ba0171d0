"""The four timers of a stream: how long the read that is about to wait may take."""

import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from .errors import (
    ConnectTimeoutError,
    FirstTokenTimeoutError,
    IdleTimeoutError,
    StreamClosedError,
    StreamTimeoutError,
    TotalTimeoutError,
)
from .settings import Timeout


class Timers:
    """The timers of one stream, running.  `clock` gives seconds."""

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
        "stream",
        "timeout",
        "total",
    )  # fmt: skip

    def __init__(self, timeout: Timeout, clock: Callable[[], float] = time.monotonic) -> None:
        self.total = timeout.total
        self.stream: Any = None  # httpcore's network stream that is read from
        self.closed = False  # by another thread or task
        self._clock = clock
        self._lock = threading.Lock()
        self._total_at: float | None = None
        self._kind: type[FirstTokenTimeoutError | IdleTimeoutError]
        self.attempt(timeout)

    def attempt(self, timeout: Timeout) -> None:
        """An attempt begins: `connect` runs from its first socket, `first_token` from its first byte sent."""
        self.timeout = timeout
        self._limit, self._kind, self._pending = timeout.first_token, FirstTokenTimeoutError, True
        self._at = math.inf
        self._connect_at: float | None = None
        self.connected = False  # the request itself is on its way
        self.opening = False  # with its head, which waits for the body
        self.heard = False  # text came: `idle` runs from the next read
        self._ending = False

    def linger(self, seconds: float) -> None:
        """Nothing more is needed: what is left of the body may take this long at most."""
        self._ending = True
        self._limit = min(seconds, self._limit or math.inf)
        self._pending = True

    def connecting(self) -> float | None:
        """The seconds left for a connection; the first call starts `total`.  Raises where they are over."""
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
        """The seconds left for a read or write, None without end.  Raises the error of the timer that is over."""
        if not self.connected:  # a proxy is spoken to
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
            if self._at < end:
                return self._limit  # the same each time, so that a socket need not be told
        at = min(self._at, end)
        if now >= at:
            raise self.expired()
        return None if at == math.inf else at - now

    def total_left(self) -> float:
        """The seconds left of `total`, infinite where there is none."""
        return (self._total_at or math.inf) - self._clock()

    def check(self) -> None:
        """Raises where `total` is over or the stream was closed, with no read under way."""
        if self.closed:
            raise StreamClosedError("close() was called while the stream was waiting")
        if self.total_left() <= 0:
            raise self._over()

    def expired(self) -> StreamTimeoutError:
        """The error of the timer that ends the read under way."""
        if min(self._clock(), self._at) >= (self._total_at or math.inf):
            return self._over()
        name = "first_token" if self._kind is FirstTokenTimeoutError else "idle"
        wanted = "no text came" if name == "first_token" else "no more text came"
        return self._kind(
            f"{name}: {wanted} for {self._limit or 0:g} s; raise it with timeout=Timeout({name}=...), or retry"
        )

    def unconnected(self, place: str) -> StreamTimeoutError:
        """The error of the timer that ends a connection in the making."""
        if self.total_left() <= 0:
            return self._over()
        return ConnectTimeoutError(
            f"connect: no connection to {place} in {self.timeout.connect or 0:g} s; check base_url= and the network"
        )

    def hold(self, stream: Any) -> None:
        """Notes the network stream that is read and written from here on; a former holder has lost it."""
        with self._lock:
            self.stream, stream.timers = stream, self

    def release(self) -> None:
        """Lets go of the network stream: its connection may serve another stream now."""
        with self._lock:
            self.stream = None

    def abort(self) -> None:
        """Ends the read of another thread or task by shutting its socket down."""
        self.closed = True
        with self._lock:
            if self.stream is not None and self.stream.timers is self:
                import socket  # noqa: PLC0415 - heavy, and seldom needed

                own = self.stream.get_extra_info("socket")
                with suppress(OSError):
                    if isinstance(own, socket.socket):  # the TLS layer belongs to whoever reads: past it
                        socket.socket.shutdown(own, socket.SHUT_RDWR)
                    else:  # asyncio's and trio's wrapping
                        own.shutdown(socket.SHUT_RDWR)

    def _over(self) -> StreamTimeoutError:
        return TotalTimeoutError(f"total: not complete after {self.total:g} s; raise timeout= if that is too short")
