"""Deadlines: how the timers bound every single read of a socket.

httpx's timeouts are not enough.  Its read timeout restarts at each byte, so a server that sends one byte now and then
(a keep-alive comment every ten seconds) can keep a stream open for ever; and it is fixed before the request is sent, so
that it can tell neither the first token from the next one nor what is left of a total.  A thread, a task or a cancel
scope beside the stream would do, but costs more than all the rest of a chunk, and a scope around a `yield` would cancel
the caller's code.  So each read asks the timers, at the moment at which it begins, how long it may take:

    timeout = Deadline(60.0)          # passed to httpx as the read timeout of one request
    timeout.timers = timers
    attach(network_stream, timers)    # from here on the stream's read() asks timeout.left()

*Why a float subclass.*  httpx and httpcore hand the time-out of a request down to the network stream's
`read(max_bytes, timeout=...)` as a plain number, through code that is not ours.  A `Deadline` is such a number, of
seconds, to every transport that knows nothing of it; a stream of ours finds the timers on it.  The alternative is a
transport of our own below the caller's client.

*Why the class of a live stream is swapped.*  The caller may pass an `httpx.Client` of their own, with a transport and a
pool that we did not make, and its network streams are made deep inside.  httpcore's `trace` extension and the response
show each stream; `attach` then replaces its class by a subclass of that same class (`bounded`) whose `read`, `write`
and `start_tls` ask the timers.  The object, its socket and its buffers stay as they are, also if the connection serves
another request later.

*What happens if the class cannot be swapped* (a stream of C code, or with other slots): the assignment is a TypeError,
the stream keeps httpx's own behaviour, and the timers bound what they can see: the `Deadline` still counts as the
number of seconds that it was made with, for each read.
"""

import inspect
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache, partial
from typing import Any, Final

import anyio

from ..timers import Timers

CONNECTED: Final = (".connect_tcp.complete", ".connect_unix_socket.complete", ".start_tls.complete")
# httpcore leaves the network stream open after these; without us the socket would leak.
FAILED: Final = (".setup_socks5_connection.failed", ".start_tls.failed")
# Bytes that a blocking write sends at a time, as httpcore gives each piece that goes out the whole time again.
PIECE: Final = 4096
# Seconds that stand for "no end" where a number is needed.
LONG: Final = 1e6


class Deadline(float):
    """A time-out: a number of seconds to any transport, a timer to a bounded stream, which asks what is `left()`."""

    __slots__ = ("left", "timers")
    left: Callable[[], float | None]
    timers: Timers


def deadline(timers: Timers, seconds: float | None, left: Callable[[], float | None]) -> Deadline:
    """Return a `Deadline` that is so many seconds to a transport that does not ask it."""
    made = Deadline(LONG if seconds is None else seconds)
    made.timers, made.left = timers, left
    return made


def extensions(timers: Timers, trace: Any) -> dict[str, Any]:
    """Return httpx's extensions for one request.  Source: https://www.python-httpx.org/advanced/extensions/"""
    connect = deadline(timers, timers.connecting(), timers.connecting)
    both = deadline(timers, timers.timeout.first_token or timers.total, timers.left)
    return {
        "timeout": {"connect": connect, "pool": connect, "write": both, "read": both},
        "trace": partial(trace, timers),
    }


def watch(timers: Timers, event: str, info: Mapping[str, Any]) -> None:
    """Note how far a request is, attach the timers to its stream, close a stream that httpcore forgets.

    For httpx's extension `trace`, in sync.
    """
    if event.endswith(".send_request_headers.started"):
        timers.connected = info["request"].method != b"CONNECT"
        timers.opening = timers.connected and event.startswith("http11.")
    elif event.endswith(CONNECTED):
        attach(info["return_value"], timers)
    elif event.endswith(FAILED) and timers.waiting is not None:
        stream: Any = timers.waiting
        stream.close()


async def awatch(timers: Timers, event: str, info: Mapping[str, Any]) -> None:
    """Do the same as `watch`, in async."""
    if event.endswith(FAILED) and timers.waiting is not None:
        stream: Any = timers.waiting
        with anyio.CancelScope(shield=True):
            await stream.aclose()
    else:
        watch(timers, event, info)


def attach(stream: Any, timers: Timers) -> None:
    """Make a network stream ask the timers how long it may wait."""
    if not hasattr(stream, "interrupt"):
        try:
            stream.__class__ = bounded(stream.__class__)
        except TypeError:
            return
    timers.hold(stream)


async def _nothing() -> None:
    """Stand in for a write that is put off."""


@cache
def bounded(kind: type[Any]) -> type[Any]:
    """Return a subclass of a class of network streams, sync or async, whose waits are bounded by the timers."""
    is_async = inspect.iscoroutinefunction(getattr(kind, "write", None))
    # httpcore's own plain socket, whose `read` is copied below; and httpcore or httpcore2, for its exceptions.
    is_plain, core = kind.__name__ == "SyncStream", sys.modules[kind.__module__.partition(".")[0]]

    class Bounded(kind):  # type: ignore[misc]
        timers: Timers
        # The head of a request, which goes out with the first bytes of its body: one packet and one system call.
        head = b""

        def read(self, max_bytes: int, timeout: float | None = None) -> Any:
            left = self._left(timeout)
            if not is_plain:
                return super().read(max_bytes, left)
            # httpcore's own lines, without a context manager, and without telling the socket the same time-out again.
            own = self._sock
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
                return _nothing() if is_async else None
            buffer, self.head = self.head + buffer, b""
            if is_async or len(buffer) <= PIECE:
                return super().write(buffer, left)
            for start in range(0, len(buffer), PIECE):
                super().write(buffer[start : start + PIECE], self._left(timeout))
            return None

        def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> Any:
            return super().start_tls(ssl_context, server_hostname, self._left(timeout))

        def interrupt(self) -> None:
            """Shut the socket down: a read that waits in another thread or task ends at once."""
            own = self.get_extra_info("socket")
            with suppress(OSError):
                # The TLS layer of a socket belongs to the thread that reads: go past it.
                if isinstance(own, socket.socket):
                    socket.socket.shutdown(own, socket.SHUT_RDWR)
                # asyncio and trio wrap their sockets.
                else:
                    own.shutdown(socket.SHUT_RDWR)

        def _left(self, timeout: float | None) -> float | None:
            if isinstance(timeout, Deadline):
                if self.timers is not timeout.timers or timeout.timers.waiting is not self:
                    timeout.timers.hold(self)
                return timeout.left()
            # A SOCKS handshake names no time-out.
            return self.timers.connecting() if timeout is None else timeout

    return Bounded
