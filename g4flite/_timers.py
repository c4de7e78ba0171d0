"""The four timers of a stream, and how they reach the one read that waits.

httpx lets a read wait so many seconds, and starts anew with every byte: a drip holds it forever.  Here each read is
allowed what the timers leave at that moment.  The time-out that httpx passes down to httpcore's network stream is a
`Deadline`, and the stream, once armed, asks it.  Nothing runs beside the stream: no thread, no task, no scope.
"""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from typing import Any

from ._errors import (
    ConnectTimeoutError,
    FirstTokenTimeoutError,
    IdleTimeoutError,
    StreamClosedError,
    StreamTimeoutError,
    TotalTimeoutError,
)
from ._timeout import Timeout


class Timers:
    """The timers of one stream, running.  `clock` gives seconds."""

    __slots__ = ("_at", "_clock", "_kind", "_limit", "_pending", "_started", "_total_at", "closed", "stream", "timeout")

    def __init__(self, timeout: Timeout, clock: Callable[[], float] = time.monotonic) -> None:
        self.timeout = timeout
        self.stream: Any = None  # httpcore's network stream that is read from
        self.closed = False  # by another thread
        self._clock = clock
        self._started: float | None = None
        self._total_at = math.inf
        self._kind: type[FirstTokenTimeoutError | IdleTimeoutError]
        self.sent()

    def sent(self) -> None:
        """An attempt begins: `first_token` runs from its first read, when the request is out."""
        self._limit, self._kind, self._pending = self.timeout.first_token, FirstTokenTimeoutError, True
        self._at = math.inf

    def text(self) -> None:
        """Text came: `idle` runs from the next read."""
        self._limit, self._kind, self._pending = self.timeout.idle, IdleTimeoutError, True

    def linger(self, seconds: float) -> None:
        """The reply is complete: what is left of its body may take this long."""
        self._limit, self._kind, self._pending = seconds, IdleTimeoutError, True

    def connecting(self) -> float | None:
        """The seconds left for a connection; the first call starts `total`."""
        if self._started is None:
            self._started = self._clock()
            self._total_at = self._started + (self.timeout.total or math.inf)
        self.check()
        left = min(self.timeout.connect or math.inf, self._total_at - self._clock())
        return None if left == math.inf else left

    def left(self) -> float | None:
        """The seconds left for a read, None without end.  Raises the error of the timer that is over."""
        now = self._clock()
        if self._pending:
            self._pending = False
            self._at = now + (self._limit or math.inf)
        at = min(self._at, self._total_at)
        if self.closed:
            raise StreamClosedError("close() was called while the reply was coming; what came is in .partial")
        if now >= at:
            raise self.expired()
        return None if at == math.inf else at - now

    def check(self) -> None:
        """Raises where `total` is over or the stream was closed, with no read under way."""
        if self.closed:
            raise StreamClosedError("close() was called while the stream was waiting")
        if self._clock() >= self._total_at:
            raise self._total()

    def total_left(self) -> float:
        """The seconds left of `total`, infinite where there is none."""
        return self._total_at - self._clock()

    def expired(self) -> StreamTimeoutError:
        """The error of the timer that ends the read under way."""
        if min(self._clock(), self._at) >= self._total_at:
            return self._total()
        name = "first_token" if self._kind is FirstTokenTimeoutError else "idle"
        wanted = "no text came" if name == "first_token" else "no more text came"
        return self._kind(
            f"{name}: {wanted} for {self._limit:g} s; raise it with timeout=Timeout({name}=...), or retry"
        )

    def unconnected(self, place: str) -> StreamTimeoutError:
        """The error of the timer that ends a connection in the making."""
        if self._clock() >= self._total_at:
            return self._total()
        return ConnectTimeoutError(
            f"connect: no connection to {place} in {self.timeout.connect or 0:g} s; check base_url= and the network"
        )

    def abort(self) -> None:
        """Ends the read of another thread by shutting its socket down."""
        self.closed = True
        if self.stream is not None:
            import socket  # noqa: PLC0415 - heavy, and seldom needed

            with suppress(OSError):  # the TLS layer belongs to the other thread: past it
                socket.socket.shutdown(self.stream.get_extra_info("socket"), socket.SHUT_RDWR)

    def _total(self) -> StreamTimeoutError:
        return TotalTimeoutError(
            f"total: not complete after {self.timeout.total:g} s; raise timeout= if that is too short"
        )


class Deadline(float):
    """A read's time-out: a number of seconds to any transport, the timers themselves to an armed stream."""

    __slots__ = ("timers",)
    timers: Timers


def deadlines(timers: Timers) -> dict[str, float | None]:
    """httpx's `timeout` extension for one request.  Source: https://www.python-httpx.org/advanced/extensions/"""
    connect = timers.connecting()
    seconds = timers.timeout.first_token or timers.timeout.total or 1e6  # a float where no stream asks the timers
    read = Deadline(seconds)
    read.timers = timers
    return {"connect": connect, "pool": connect, "write": seconds, "read": read}


def watch(event: str, info: Mapping[str, Any]) -> None:
    """httpx's `trace` extension: arms each network stream as it is made."""
    if event.endswith((".connect_tcp.complete", ".connect_unix_socket.complete", ".start_tls.complete")):
        arm(info["return_value"])


async def awatch(event: str, info: Mapping[str, Any]) -> None:
    """httpx's `trace` extension: arms each network stream as it is made."""
    watch(event, info)


def arm(stream: Any) -> None:
    """Makes a network stream ask a `Deadline` how long it may wait; done twice, it changes nothing."""
    if type(stream).__name__ != "Timed":
        with suppress(TypeError):  # a stream that is no plain object keeps its own time-outs
            stream.__class__ = timed(stream.__class__)


@cache
def timed(kind: type[Any]) -> type[Any]:
    """The same class of network stream, sync or async, its `read` asking a `Deadline`."""

    class Timed(kind):  # type: ignore[misc]
        def read(self, max_bytes: int, timeout: float | None = None) -> Any:
            if isinstance(timeout, Deadline):
                timers = timeout.timers
                timers.stream = self
                timeout = timers.left()
            return super().read(max_bytes, timeout)

    return Timed
