"""Armed network streams: how the timers reach the one read that waits.

httpx lets a read wait so many seconds, and starts anew with every byte: a drip holds it forever.  Here each read is
allowed what the timers leave at that moment.  The time-out that httpx passes down to httpcore's network stream is a
`Deadline`, and the stream, once armed, asks it.  Nothing runs beside the stream: no thread, no task, no scope.
"""

import inspect
import sys
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, Final

import anyio

from ..timers import Timers

MADE: Final = (".connect_tcp.complete", ".connect_unix_socket.complete", ".start_tls.complete")
FAILED: Final = (".setup_socks5_connection.failed", ".start_tls.failed")  # httpcore leaves these streams open
PIECE: Final = 4096  # bytes that a blocking write sends at a time


class Deadline(float):
    """A time-out: a number of seconds to any transport, a timer to an armed stream, which asks for what is `left`."""

    __slots__ = ("left", "timers")
    left: Callable[[], float | None]
    timers: Timers


def deadline(timers: Timers, seconds: float | None, left: Callable[[], float | None]) -> Deadline:
    """A `Deadline` of so many seconds where no stream asks for more."""
    made = Deadline(1e6 if seconds is None else seconds)
    made.timers, made.left = timers, left
    return made


def extensions(timers: Timers, trace: Any) -> dict[str, Any]:
    """httpx's extensions of one request.  Source: https://www.python-httpx.org/advanced/extensions/"""
    connect = deadline(timers, timers.connecting(), timers.connecting)
    both = deadline(timers, timers.timeout.first_token or timers.total, timers.left)
    return {
        "timeout": {"connect": connect, "pool": connect, "write": both, "read": both},
        "trace": partial(trace, timers),
    }


def watch(timers: Timers, event: str, info: Mapping[str, Any]) -> None:
    """httpx's `trace` extension: notes how far a request is, arms its stream, closes one that httpcore forgets."""
    if event.endswith(".send_request_headers.started"):
        timers.connected = info["request"].method != b"CONNECT"
        timers.opening = timers.connected and event.startswith("http11.")
    elif event.endswith(MADE):
        arm(info["return_value"], timers)
    elif event.endswith(FAILED) and timers.stream is not None:
        timers.stream.close()


async def awatch(timers: Timers, event: str, info: Mapping[str, Any]) -> None:
    """httpx's `trace` extension: notes how far a request is, arms its stream, closes one that httpcore forgets."""
    if event.endswith(FAILED) and timers.stream is not None:
        with anyio.CancelScope(shield=True):
            await timers.stream.aclose()
    else:
        watch(timers, event, info)


def arm(stream: Any, timers: Timers) -> None:
    """Makes a network stream ask a `Deadline` how long it may wait."""
    if type(stream).__name__ != "Timed":
        try:
            stream.__class__ = timed(stream.__class__)
        except TypeError:  # a stream that is no plain object keeps its own time-outs
            return
    timers.hold(stream)


async def nothing() -> None:
    """What is awaited where nothing is sent yet."""


@cache
def timed(kind: type[Any]) -> type[Any]:
    """The same class of network stream, sync or async, whose waits ask a `Deadline`."""
    awaited = inspect.iscoroutinefunction(getattr(kind, "write", None))
    plain, core = kind.__name__ == "SyncStream", sys.modules[kind.__module__.partition(".")[0]]

    class Timed(kind):  # type: ignore[misc]
        timers: Timers
        head = b""  # of a request, which goes out with the first bytes of its body: one packet, one system call

        def read(self, max_bytes: int, timeout: float | None = None) -> Any:
            left = self._left(timeout)
            if not plain:
                return super().read(max_bytes, left)
            own = self._sock  # httpcore's own lines, without a context manager and with fewer system calls
            try:
                if own.gettimeout() != left:
                    own.settimeout(left)
                return own.recv(max_bytes)
            except TimeoutError as error:
                raise core.ReadTimeout(error) from error
            except OSError as error:
                raise core.ReadError(error) from error

        def write(self, buffer: bytes, timeout: float | None = None) -> Any:
            left = self._left(timeout)
            if isinstance(timeout, Deadline) and timeout.timers.opening:
                timeout.timers.opening, self.head = False, buffer
                return nothing() if awaited else None
            buffer, self.head = self.head + buffer, b""
            if awaited or len(buffer) <= PIECE:
                return super().write(buffer, left)
            for start in range(0, len(buffer), PIECE):  # httpcore gives each piece that goes out the whole time
                super().write(buffer[start : start + PIECE], self._left(timeout))
            return None

        def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> Any:
            return super().start_tls(ssl_context, server_hostname, self._left(timeout))

        def _left(self, timeout: float | None) -> float | None:
            if isinstance(timeout, Deadline):
                if self.timers is not timeout.timers or timeout.timers.stream is not self:
                    timeout.timers.hold(self)
                return timeout.left()
            return self.timers.connecting() if timeout is None else timeout  # a SOCKS handshake names no time-out

    return Timed
