"""Network streams on asyncio, for the clients that are made here: a wait is one future, and mostly no timer.

*Why.*  httpcore reads over anyio, which for each read makes a cancel scope and a timer, and switches the reading of the
transport on and off again with two system calls.  That takes ten times the instructions of all else that a small chunk
needs.

    read_over_asyncio(client)           # before the first request

*How.*  httpcore connects as ever, so that the choice of the address, the proxies and the errors stay as they are.  Then
`Plain` becomes the protocol of asyncio's transport.  TLS is spoken by `Secure` above it, which also goes above itself
for an https proxy.  An alarm of the event loop serves all waits of a stream: it is set anew only if it would ring too
late, or when it rings too early.

*What happens otherwise.*  On trio, and with versions of httpcore and anyio in which no transport of asyncio is found,
httpcore's own streams are used.
"""

import asyncio
import math
import select
import ssl
import sys
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any, Final

# Bytes of one read, and the most bytes that wait for a read before the transport stops reading.
SIZE: Final = 65536
MOST: Final = 2 * SIZE
# Said by a stream that is read or written after it was closed.
CLOSED: Final = "the connection is closed"


def read_over_asyncio(client: Any) -> None:
    """Let a new `AsyncClient` read over asyncio's transports if asyncio runs; leave its pools alone if they are odd."""
    for transport in (client._transport, *client._mounts.values()):
        backend: Any = getattr(getattr(transport, "_pool", None), "_network_backend", None)
        if type(backend).__name__ == "AutoBackend":
            kind: Any = type(backend)
            backend.__class__ = taking_over(kind)


@cache
def taking_over(kind: type[Any]) -> type[Any]:
    """Return a subclass of httpcore's (or httpcore2's) backend that takes the transports over."""
    core: Any = sys.modules[kind.__module__.partition(".")[0]]

    class TakingOver(kind):  # type: ignore[misc]
        async def connect_tcp(self, *args: Any, **kwargs: Any) -> Any:
            made = await super().connect_tcp(*args, **kwargs)
            transport: Any = getattr(getattr(made, "_stream", None), "_transport", None)
            return Plain(transport, core) if hasattr(transport, "set_protocol") else made

    return TakingOver


class Buffer(threading.local):
    """What the transports of a thread receive into, each for the moment until `buffer_updated`.

    For a protocol without a buffer, asyncio allocates 256 KiB for each read and gives the rest back at once, which for
    a small chunk costs two system calls and two page faults.
    """

    def __init__(self) -> None:
        self.view = memoryview(bytearray(SIZE))


BUFFER: Final = Buffer()


class Plain(asyncio.BufferedProtocol):
    """A network stream over a connected transport of asyncio.  `core` is httpcore, whose exceptions are raised."""

    def __init__(self, transport: asyncio.Transport, core: Any) -> None:
        self._transport, self._core, self._loop = transport, core, asyncio.get_running_loop()
        # The bytes that nobody has read, and how many these are.
        # The first ones came before this moment, perhaps from a server that does not wait for the request.
        before: Any = transport.get_protocol()
        self._pieces: list[bytes] = list(getattr(before, "read_queue", ()))
        self._size = sum(map(len, self._pieces))
        # Whether no more bytes will come, and the error that is the reason.
        self._over = False
        self._error: Exception | None = None
        # A connection that is lost by now is told to nobody again.
        if transport.is_closing():
            lost = getattr(before, "exception", None)
            self._over, self._error = True, getattr(lost, "__cause__", None) or lost or OSError(CLOSED)
        # Whether the transport waits until some of its bytes are sent, and whether it reads no more.
        self._is_full = self._is_paused = False
        # The wait under way or before, when it has to end and by which exception; when the alarm will ring.
        self._waiter: asyncio.Future[None] = self._loop.create_future()
        self._late: type[Exception] = core.ReadTimeout
        self._ends_at = self._rings_at = math.inf
        self._alarm: asyncio.TimerHandle | None = None
        # What `deadlines` sets.  A name that `__init__` has not set would make the dict of attributes 600 bytes larger.
        self.timers: Any = None
        self.head = b""
        transport.set_protocol(self)
        transport.resume_reading()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if not self._pieces and not self._over:
            end = self._end(timeout)
            while not self._pieces and not self._over:
                await self._waiting(end, self._core.ReadTimeout)
        if self._error is not None and not self._pieces:
            raise self._core.ReadError(self._error) from self._error
        data = b"".join(self._pieces)
        self._pieces, self._size = [], 0
        if len(data) > max_bytes:
            data, rest = data[:max_bytes], data[max_bytes:]
            self._pieces, self._size = [rest], len(rest)
        if self._is_paused and self._size <= SIZE:
            self._is_paused = False
            self._transport.resume_reading()
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if self._error is None:
            self._transport.write(buffer)
            end = self._end(timeout)
            while self._is_full and self._error is None:
                await self._waiting(end, self._core.WriteTimeout)
        if self._error is not None:
            raise self._core.WriteError(self._error) from self._error

    async def aclose(self) -> None:
        self._over, self._error = True, self._error or OSError(CLOSED)
        if self._alarm is not None:
            self._alarm.cancel()
        # Not `close`, which would wait until all bytes are sent.
        self._transport.abort()
        # The transport closes the socket in the next round of the event loop.
        await asyncio.sleep(0)

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> "Secure":
        return await secured(self, self._core, ssl_context, server_hostname, timeout)

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return bool(self._pieces) or self._over or is_readable(self._transport.get_extra_info("socket"))
        names = {"client_addr": "sockname", "server_addr": "peername", "socket": "socket"}
        return self._transport.get_extra_info(names[info]) if info in names else None

    # asyncio calls the methods below for its protocols.
    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the name is asyncio's
        return BUFFER.view

    def buffer_updated(self, nbytes: int) -> None:
        self._pieces.append(BUFFER.view[:nbytes].tobytes())
        self._size += nbytes
        if self._size > MOST and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        self._over = True
        self._wake()
        # The transport stays open until `aclose`.
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self._over, self._error = True, self._error or error or OSError(CLOSED)
        self._wake()

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._wake()

    def _wake(self) -> None:
        """End the wait under way, if there is one."""
        if not self._waiter.done():
            self._waiter.set_result(None)

    def _end(self, timeout: float | None) -> float:
        """Return when a wait of so many seconds has to end, by the clock of the event loop."""
        return math.inf if timeout is None else self._loop.time() + timeout

    def _waiting(self, end: float, late: type[Exception]) -> asyncio.Future[None]:
        """Return a future that is done with the next call of asyncio's, or raises `late` at the end."""
        self._waiter, self._ends_at, self._late = self._loop.create_future(), end, late
        if end < self._rings_at:
            self._set_alarm()
        return self._waiter

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm, self._rings_at = self._loop.call_at(self._ends_at, self._ring), self._ends_at

    def _ring(self) -> None:
        """End the wait under way if its time is over, else set the alarm to its end."""
        self._alarm, self._rings_at = None, math.inf
        if self._waiter.done() or self._ends_at == math.inf:
            return
        if self._loop.time() < self._ends_at:
            self._set_alarm()
        else:
            self._waiter.set_exception(self._late())


class Secure:
    """TLS over a network stream, which is a `Plain`, or a `Secure` to an https proxy."""

    def __init__(self, inner: Any, core: Any, context: ssl.SSLContext, hostname: str | None) -> None:
        self._inner, self._core = inner, core
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=hostname)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        # With nothing to decrypt, SSL's `read` would only raise an exception.
        is_dry = not self._in.pending and not self._tls.pending()
        try:
            data: bytes = await self._do(timeout, self._tls.read, max_bytes, is_dry=is_dry)
        # The connection has ended without TLS's own word for it: HTTP tells whether the message is complete.
        except ssl.SSLEOFError:
            return b""
        except ssl.SSLError as error:
            raise self._core.ReadError(error) from error
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            await self._do(timeout, self._tls.write, buffer)
        except ssl.SSLError as error:
            raise self._core.WriteError(error) from error

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> "Secure":
        return await secured(self, self._core, ssl_context, server_hostname, timeout)

    async def handshake(self, timeout: float | None) -> None:
        await self._do(timeout, self._tls.do_handshake)

    def get_extra_info(self, info: str) -> Any:
        return self._tls if info == "ssl_object" else self._inner.get_extra_info(info)

    async def _do(self, timeout: float | None, call: Callable[..., Any], *args: Any, is_dry: bool = False) -> Any:
        """Return what a method of `SSLObject` returns; read and write for it as long as it needs that.

        With `is_dry`, the first read comes before the first call.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            result, is_done = None, not is_dry
            if not is_dry:
                try:
                    result = call(*args)
                except ssl.SSLWantReadError:
                    is_done = False
            is_dry = False
            if self._out.pending:
                await self._inner.write(self._out.read(), left(end))
            if is_done:
                return result
            if data := await self._inner.read(SIZE, left(end)):
                self._in.write(data)
            else:
                self._in.write_eof()


async def secured(
    inner: Any, core: Any, context: ssl.SSLContext, hostname: str | None, timeout: float | None
) -> Secure:
    """Return the stream inside TLS, after the handshake.  If that fails, the stream is closed."""
    try:
        made = Secure(inner, core, context, hostname)
        await made.handshake(timeout)
    except Exception as error:
        await inner.aclose()
        if isinstance(error, core.TimeoutException):
            raise core.ConnectTimeout(str(error)) from error
        if not isinstance(error, ssl.SSLEOFError):
            if isinstance(error, (core.NetworkError, ssl.SSLError)):
                raise core.ConnectError(error) from error
            raise
    else:
        return made
    # The server has closed the connection.  This is no error of TLS, so SSL's exception is not the context.
    raise core.ConnectError


def left(end: float | None) -> float | None:
    """Return how many seconds are left, None for no limit."""
    return None if end is None else max(end - time.monotonic(), 0)


def is_readable(own: Any) -> bool:
    """Return whether a read of this socket of asyncio's would not wait, or the socket is closed."""
    if own is None or own.fileno() < 0:
        return True
    if not hasattr(select, "poll"):
        return bool(select.select([own.fileno()], [], [], 0)[0])
    poll = select.poll()
    poll.register(own.fileno(), select.POLLIN)
    return bool(poll.poll(0))
