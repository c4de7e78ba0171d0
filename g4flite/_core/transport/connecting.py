"""Connects in sync so that another thread can end it: httpcore's own calls block until the timer `connect` is over.

`interruptible(pool, timers)` swaps the class of httpcore's backend in a pool, as `deadlines.attach` does for a network
stream, and for the same reason: the pool may be the caller's.  The backend connects as before for requests that are not
ours.  To look up the host's name is one call of the system, which nothing can end.  Until there is a connection, the
timers hold a `Queued`, which ends the wait for a connection of a pool that has no free one.
"""

import errno
import os
import selectors
import socket
import sys
import time
from collections.abc import Callable
from functools import cache
from typing import Any, Final

# Seconds after which a thread that waits for its connection looks whether another thread has closed the stream.
NAP: Final = 0.05
# What a call returns that goes on in the background.  (WSAEWOULDBLOCK on Windows.)
STARTED: Final = (errno.EINPROGRESS, errno.EWOULDBLOCK)


class Queued:
    """A request that may wait for a connection of a pool of httpcore, in sync.  `timers` are `Timers`."""

    def __init__(self, pool: Any, timers: Any) -> None:
        self.pool, self.timers = pool, timers
        timers.hold(self)

    def interrupt(self) -> None:
        with self.pool._optional_thread_lock:
            for waiting in requests_of(self.timers, self.pool):
                if waiting.is_queued():
                    waiting.assign_to_connection(self)

    def handle_request(self, _: object) -> None:
        """Take the place of a connection, and raise `StreamClosedError`."""
        self.timers.check()


def requests_of(timers: Any, pool: Any) -> list[Any]:
    """Return what httpcore's pool has noted of the requests that brought these timers as their timeouts."""
    return [noted for noted in pool._requests
            if getattr(noted.request.extensions.get("timeout", {}).get("pool"), "timers", None) is timers]  # fmt: skip


def interruptible(pool: Any, timers: Any) -> None:
    """Let a pool of httpcore make its connections so that another thread can end it; leave other pools alone."""
    if hasattr(pool, "_requests"):
        Queued(pool, timers)
    backend: Any = getattr(pool, "_network_backend", None)
    kind: Any = type(backend)
    # Neither a backend of the caller's own, nor one that was swapped before.
    if kind.__name__ == "SyncBackend":
        backend.__class__ = napping(kind)


@cache
def napping(kind: type[Any]) -> type[Any]:
    """Return a subclass of httpcore's (or httpcore2's) backend for sockets in sync."""
    home: Any = sys.modules[kind.connect_tcp.__module__]

    class Napping(kind):  # type: ignore[misc]
        def connect_tcp(
            self,
            host: str,
            port: int,
            timeout: float | None = None,
            local_address: str | None = None,
            socket_options: Any = None,
        ) -> Any:
            timers = getattr(timeout, "timers", None)
            if timers is None:
                return super().connect_tcp(host, port, timeout, local_address, socket_options)
            try:
                made = connect(host, port, timers.connecting(), timers.check, local_address)
                for option in (*(socket_options or ()), (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)):
                    made.setsockopt(*option)
            except TimeoutError as error:
                raise home.ConnectTimeout(str(error)) from error
            except OSError as error:
                raise home.ConnectError(str(error)) from error
            return home.SyncStream(made)

    return Napping


def connect(
    host: str, port: int, seconds: float | None, check: Callable[[], None], local: str | None = None
) -> socket.socket:
    """Return a socket that is connected to the host, at the first of its addresses that answers, from a local address.

    Raises what `check` raises, which is called once in a while; `TimeoutError`; and the last address's `OSError`.
    """
    end = None if seconds is None else time.monotonic() + seconds
    failed = [OSError(f"{host} has no address")]
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM):
            try:
                return connect_to(address, socket.socket(family, kind, protocol), end, check, local)
            except OSError as error:
                if end is not None and time.monotonic() >= end:
                    raise
                failed = [error]
        raise failed[0]
    finally:
        # The error's traceback holds this frame: without this, both would stay until a garbage collection.
        failed.clear()


def connect_to(
    address: Any, made: socket.socket, end: float | None, check: Callable[[], None], local: str | None = None
) -> socket.socket:
    """Return the socket, connected to the address; if that fails, the socket is closed."""
    try:
        made.setblocking(False)
        if local is not None:
            made.bind((local, 0))
        code = made.connect_ex(address)
        if code in STARTED:
            wait(made, end, check)
            code = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
    except BaseException:
        made.close()
        raise
    return made


def wait(made: socket.socket, end: float | None, check: Callable[[], None]) -> None:
    """Wait until the call in the background has ended.  Raises `TimeoutError` at the `end`, and what `check` raises."""
    with selectors.DefaultSelector() as selector:
        selector.register(made, selectors.EVENT_WRITE)
        while not selector.select(NAP if end is None else max(min(end - time.monotonic(), NAP), 0)):
            check()
            if end is not None and time.monotonic() >= end:
                raise TimeoutError("timed out")
