"""Deadlines: how the timers bound each read and write of a socket, below any client of httpx.

*Why httpx's timeouts are not enough.*  httpx's read timeout restarts at each byte, so a server that sends a comment
every ten seconds can keep a stream open for ever.  And it is fixed before the request is sent, while the time that a
read may take depends on whether text has come and on what is left of `total`.  A cancel scope for each read takes as
long as all the rest of a chunk (some 15 microseconds on asyncio), and a scope around a `yield` would cancel the
caller's code.  So each read asks the timers how long it may take, just before it waits:

    extensions(timers, watch)["timeout"]["read"]      # a `Deadline`: passed to httpx as a request's read timeout
    attach(network_stream, timers)                    # from now on, `network_stream.read` asks `Deadline.left()`

*Why a float subclass carries the timers.*  httpx and httpcore hand the timeout of a request down to the network stream,
`read(max_bytes, timeout=...)`, as a plain number, through code that is not ours, and the caller's client has no
transport of ours.  A transport that does not know of `Deadline` sees a number of seconds.

*Why the class of a live network stream is swapped.*  Network streams are made deep inside httpcore, which shows each of
them twice: to the extension `trace`, and in the extensions of the response.  `attach` then replaces the class of the
stream by a subclass of the same class (`bounded`), whose `read`, `write` and `start_tls` ask the timers.  The object,
its socket and its buffers stay as they are.  If the connection later serves a request that brings a plain number as its
timeout, the number counts.

*What happens if the class cannot be swapped*, because it is written in C or has other slots (TypeError): the stream
takes the `Deadline` for the number of seconds that it was made with.  The body is then bounded as over a transport
without a socket (`socketless.py`).
"""

import inspect
import math
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache, partial
from typing import Any, Final

import anyio

from ..errors import OptionError
from ..timers import Timers
from .connecting import requests_of

# Seconds behind `total` after which a scope ends what no read has ended.
LATER: Final = 1.0
# The names of `trace` events, without their first part.  After these, there is a new network stream.
CONNECTED: Final = ("connect_tcp.complete", "connect_unix_socket.complete", "start_tls.complete")
# Before these, there is none.
CONNECTING: Final = ("connect_tcp.started", "connect_unix_socket.started")
# After these, httpcore forgets the network stream without closing it, and its socket would leak.
FAILED: Final = ("setup_socks5_connection.failed", "start_tls.failed")
# Bytes of a blocking write that are handed to httpcore at once.  httpcore sends them in a loop, and each step of that
# loop may take the whole timeout; 4 KiB usually fit into the socket's buffer, so that there is one step.
PIECE: Final = 4096
# Over HTTP/2, streams share a connection: a read of one waits for bytes of another, and shutting the socket down for
# one ends them all.
NO_HTTP2: Final = (
    "client= speaks HTTP/2 (http2=True), over which the timers and close() of one stream would end others; "
    "pass a client without http2=True"
)
# Seconds that stand for "no limit", as a `Deadline` has to be a number.
LONG: Final = 1e6


class Deadline(float):
    """A timeout: a number of seconds to any transport, but a bounded stream asks `left()` for the seconds."""

    __slots__ = ("left", "timers")
    left: Callable[[], float | None]
    timers: Timers


def deadline(timers: Timers, seconds: float | None, left: Callable[[], float | None]) -> Deadline:
    """Return a `Deadline` that asks `left`; to a transport that does not know of it, it is so many `seconds`."""
    made = Deadline(LONG if seconds is None else seconds)
    made.timers, made.left = timers, left
    return made


def extensions(timers: Timers, trace: Any) -> dict[str, Any]:
    """Return httpx's extensions for one request; `trace` is `watch` or `awatch`.

    Source: https://www.python-httpx.org/advanced/extensions/ (August 2026).
    """
    connect = deadline(timers, timers.connecting(), timers.connecting)
    longest = timers.timeout.first_token or timers.total
    write, read = deadline(timers, longest, timers.left), deadline(timers, longest, timers.left_for_head)
    return {
        "timeout": {"connect": connect, "pool": connect, "write": write, "read": read},
        "trace": partial(trace, timers),
    }


def end_of_head(passed: Mapping[str, Any], sent: dict[str, Any], timers: Timers) -> None:
    """Let the reads of the body, which come next, ask the timers without counting, and watch no more events.

    `passed` are `extensions`, `sent` the dict that httpx has made of them.
    """
    seconds = passed["timeout"]
    read = seconds["read"]
    read.left = timers.left
    # The request is sent.  What bounded it would take 240 bytes for as long as the stream is open.
    seconds.clear()
    seconds["read"] = read
    sent.pop("trace", None)


def watch(timers: Timers, event: str, info: Mapping[str, Any]) -> None:
    """Take an event of httpx's extension `trace`, in sync.  Raises `OptionError` if the connection speaks HTTP/2.

    Notes when the request goes out, and with which headers, those for a proxy included.  Attaches the timers to each
    new network stream, and closes a network stream that httpcore forgets.
    """
    protocol, _, step = event.partition(".")
    if protocol == "http2":
        raise OptionError(NO_HTTP2)
    if step == "send_request_headers.started":
        timers.sent.append((info["request"].headers, ""))
        # CONNECT asks a proxy for a tunnel: the request itself comes later.
        timers.connected = info["request"].method != b"CONNECT"
        timers.head_is_next = timers.connected
        timers.requesting()
        # A client that was made here sends this request alone, and neither its body nor its response says anything new.
        # A client of the caller's may log in, and send the request once more.
        if timers.connected and getattr(timers.source, "own", None) is not None:
            info["request"].extensions.pop("trace", None)
    # The caller's own request has made the connection, so that its network stream has not been seen yet.
    elif step == "send_request_headers.complete" and (pool := getattr(timers.waiting, "pool", None)):
        timers.head_is_next = False
        for noted in requests_of(timers, pool):
            attach(network_stream(noted.connection), timers)
    # Only now a transport that is not httpx's own shows that it makes a connection.
    elif step in CONNECTING:
        timers.connected = False
    elif step in CONNECTED:
        timers.fresh = True
        attach(info["return_value"], timers)
    elif step in FAILED and is_attached(timers.waiting):
        stream: Any = timers.waiting
        stream.close()


async def awatch(timers: Timers, event: str, info: Mapping[str, Any]) -> None:
    """Do the same as `watch`, in async."""
    # Closing must not be cancelled, or the socket leaks.
    if event.partition(".")[2] in FAILED and is_attached(timers.waiting):
        stream: Any = timers.waiting
        with anyio.CancelScope(shield=True):
            await stream.aclose()
        return
    # There is a socket, each of whose reads is bounded.  The scope still bounds the caller's hooks, a little later: a
    # cancellation says less than the error of a read, to a transport that records it.
    if isinstance(timers.waiting, Awaiting):
        timers.waiting.scope.deadline = anyio.current_time() + timers.total_left() + LATER
    watch(timers, event, info)


def attach(stream: Any, timers: Timers) -> bool:
    """Make a network stream ask the timers how long each of its reads and writes may take; return whether it does."""
    # A stream that was attached before, for a request before, has the subclass already.
    if not is_attached(stream):
        try:
            stream.__class__ = bounded(stream.__class__)
        # The class cannot be swapped: see the beginning of this module.
        except TypeError:
            return False
    timers.hold(stream)
    return True


def is_attached(stream: Any) -> bool:
    """Return whether this is a network stream that asks timers."""
    return getattr(stream, "asks_timers", None) is True


def network_stream(connection: Any) -> Any:
    """Return the network stream of a connection of httpcore's pool, which is a connection inside a connection."""
    while (inner := getattr(connection, "_connection", None)) is not None:
        connection = inner
    return connection._network_stream


class Awaiting:
    """The wait for a response in async: the timers hold it before there is a network stream, so that `abort` ends it.

    `scope` goes around the sending, which it bounds by `seconds` (None: no limit) and by the timer `total`.
    """

    def __init__(self, timers: Timers, pool: Any, seconds: float | None) -> None:
        self.timers, self.pool = timers, pool
        self.scope = anyio.move_on_after(min(seconds or math.inf, timers.total_left()))
        timers.hold(self)

    def interrupt(self) -> None:
        self.scope.cancel()


async def _nothing() -> None:
    """Stand in for an async write that is put off."""


@cache
def bounded(kind: type[Any]) -> type[Any]:
    """Return a subclass of a class of network streams, in sync or async, which asks the timers before it waits."""
    is_async = inspect.iscoroutinefunction(getattr(kind, "write", None))
    # Whether `kind` is httpcore's class for a plain socket in sync, whose `read` is written out below; and the package
    # that has the exceptions for it, which is httpcore or httpcore2.
    is_plain = kind.__name__ == "SyncStream"
    core: Any = sys.modules.get(kind.__module__.partition(".")[0])

    class Bounded(kind):  # type: ignore[misc]
        # By this mark `attach` knows a stream that it has attached before.
        asks_timers = True
        # The timers of the stream that reads from this network stream now.
        timers: Timers
        # The head of a request, held back until the first bytes of the body: both then go out in one system call, and
        # mostly in one packet.
        head = b""
        # A second descriptor of the socket during a TLS handshake: ssl takes the first one away from the stream.
        second: Any = None

        def read(self, max_bytes: int, timeout: float | None = None) -> Any:
            left = self._left(timeout)
            if not is_plain:
                return super().read(max_bytes, left)
            # What httpcore's own `read` does, but without its context manager, and without setting the socket's timeout
            # if the timeout is the same as for the last read.
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
            # h11 ends each body of a known length with no bytes.
            if not buffer and not self.head:
                return _nothing() if is_async else None
            left = self._left(timeout)
            if isinstance(timeout, Deadline) and timeout.timers.head_is_next:
                timeout.timers.head_is_next, self.head = False, buffer
                return _nothing() if is_async else None
            buffer, self.head = self.head + buffer, b""
            if is_async or len(buffer) <= PIECE:
                return super().write(buffer, left)
            # Each piece asks the timers anew: see `PIECE`.
            for start in range(0, len(buffer), PIECE):
                super().write(buffer[start : start + PIECE], self._left(timeout))
            return None

        def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> Any:
            left = self._left(timeout)
            if not is_plain or type(self._sock) is not socket.socket:
                return super().start_tls(ssl_context, server_hostname, left)
            with self._sock.dup() as self.second:
                return super().start_tls(ssl_context, server_hostname, left)

        def interrupt(self) -> None:
            """Shut the socket down, so that a read which waits in another thread or task ends at once."""
            own = self.second or self.get_extra_info("socket")
            # The socket may be closed by now; uvloop then shows None in its place.
            with suppress(OSError, AttributeError):
                # `SSLSocket.shutdown` drops the TLS state, which the thread that reads may be using.  The method of the
                # plain socket leaves this state alone.
                if isinstance(own, socket.socket):
                    socket.socket.shutdown(own, socket.SHUT_RDWR)
                    return
                # The sockets of asyncio and trio are wrappers without a TLS state.
                try:
                    own.shutdown(socket.SHUT_RDWR)
                # uvloop's wrapper refuses this call; a second descriptor of the socket takes it.
                except TypeError:
                    with socket.socket(fileno=socket.dup(own.fileno())) as second:
                        second.shutdown(socket.SHUT_RDWR)

        def _left(self, timeout: float | None) -> float | None:
            """Return the seconds that the next wait may take: by the timers, if they came with the timeout."""
            if isinstance(timeout, Deadline):
                # The connection serves another stream than before, or another attempt.
                if self.timers is not timeout.timers or timeout.timers.waiting is not self:
                    timeout.timers.hold(self)
                return timeout.left()
            # httpcore's SOCKS handshake passes no timeout.  A later request of the caller's own may pass none as well;
            # by then the stream has let go of the connection.
            if timeout is None and self.timers.waiting is self:
                return self.timers.connecting()
            return timeout

    return Bounded
