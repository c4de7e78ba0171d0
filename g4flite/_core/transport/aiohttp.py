"""Async streams over aiohttp, through httpx-aiohttp: less CPU than over httpx's own transport, but on asyncio alone.

*Timers.*  aiohttp's own timeouts restart at each byte, and end on a whole second if they are longer than five seconds.
So aiohttp gets no timeout, and `TimedWaits` cancels a wait that takes longer than the timers allow.  A cancel scope for
each wait would take as long as all the rest of a chunk.  So one alarm of the event loop serves all waits of a stream:

    waits = TimedWaits(timers)
    response = await waits.wait(lambda: client.send(...))     # asks the timers, sets the alarm if needed, and waits
    data = await waits.wait(body.__anext__)                   # mostly, the alarm is late enough already

*Errors.*  aiohttp's exceptions are translated into httpx's, so that `network_errors` needs to know those alone.
"""

import asyncio
import math
import ssl
import sys
from base64 import b64encode
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import cache
from typing import Any, Final, TypeVar
from weakref import WeakSet

import aiohttp
import httpx
import httpx_aiohttp

from ..errors import G4fliteError, OptionError, causes
from ..provider import Request
from ..response.reply import limit_offer
from ..timers import Timers
from .network_errors import failures, is_of_the_caller
from .tls import default_context, unused_context

T = TypeVar("T")
# Python 3.10 does not count the requests to cancel a task: there, a wait that both a timer and another task end counts
# as ended by the timer.
cancelling: Callable[[Any], int] = getattr(asyncio.Task, "cancelling", lambda _: 0)
uncancel: Callable[[Any], int] = getattr(asyncio.Task, "uncancel", lambda _: 0)
# Bytes that one line of a response's head may have.  httpx allows as many for the whole head.
HEAD: Final = 100 * 1024
# Seconds after which an idle connection of a pool is closed, as in httpx.
IDLE: Final = 5.0
# The connections that have carried a request of ours.
USED: Final[WeakSet[Any]] = WeakSet()
# The schemes of proxies.  An https proxy needs TLS inside TLS, which asyncio has from Python 3.11 on.
SCHEMES: Final = ("http", "https") if sys.version_info >= (3, 11) else ("http",)


class Client(httpx_aiohttp.HttpxAiohttpClient):
    """An `httpx.AsyncClient` over aiohttp.  Cookies, headers and the choice of a proxy are left to httpx."""

    # httpx calls the two methods below for its transports.
    def _init_transport(self, verify: Any = True, *_: Any, **__: Any) -> httpx.AsyncBaseTransport:
        return transport(verify)

    def _init_proxy_transport(
        self, proxy: httpx.Proxy, verify: Any = True, *_: Any, **__: Any
    ) -> httpx.AsyncBaseTransport:
        if proxy.url.scheme not in SCHEMES:
            raise OptionError(
                f"over aiohttp, a proxy must have the scheme {' or '.join(SCHEMES)}, not {proxy.url.scheme}; "
                "name another proxy, or leave transport= out"
            )
        login = ":".join(proxy.auth or ())
        # The login goes into the headers for the proxy, to which aiohttp adds nothing.
        headers = {"authorization": f"Basic {b64encode(login.encode()).decode()}"} if login else {}
        # The service speaks plain http, so that no certificates were loaded; the https proxy needs them.
        context = default_context() if proxy.url.scheme == "https" and verify is unused_context() else verify
        return transport(context, httpx.Proxy(proxy.url, headers={**proxy.headers, **headers}))


def transport(context: ssl.SSLContext, proxy: httpx.Proxy | None = None) -> httpx_aiohttp.AiohttpTransport:
    """Return httpx-aiohttp's transport.  Its session is made with the first request, on that request's event loop."""

    # The session neither limits connections, nor keeps cookies, nor adds headers: httpx does all that.
    def session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE, ssl=context),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("accept", "accept-encoding", "content-type", "user-agent"),
            max_line_size=HEAD,
            max_field_size=HEAD,
        )

    return httpx_aiohttp.AiohttpTransport(verify=context, proxy=proxy, client=session)


async def send(client: httpx.AsyncClient, wanted: Request, timers: Timers) -> httpx.Response:
    """Send a request, and return the response, its body unread.  Raises httpx's exceptions and the timers' errors."""
    waits = TimedWaits(timers)
    # If the body were bytes, httpx-aiohttp would hand it to aiohttp as it is, and nothing would tell when it goes out.
    body = upload(object)(wanted.body, waits.connected)
    request = client.build_request(
        wanted.method, wanted.url, headers=wanted.headers, content=body, extensions={"timeout": {}}
    )
    kind: Any = type(request.stream)
    request.stream = upload(kind)(wanted.body, waits.connected)
    limit_offer(request.headers)
    timers.sent.append((request.headers, request.url))
    try:
        response = await waits.wait(lambda: client.send(request, stream=True, follow_redirects=False))
    except BaseException:
        waits.stop_alarm()
        waits.abort()
        raise
    timers.connected = True
    kind = type(response.stream)
    response.stream = download(kind)(response.stream, waits)
    response.extensions["network_stream"] = waits
    return response


class TimedWaits:
    """The waits of one stream, each ended when the timers say so.

    It takes the place of the network stream, which aiohttp does not show: the timers hold and interrupt this object.
    """

    asks_timers = True

    def __init__(self, timers: Timers) -> None:
        self.timers = timers
        self._loop = asyncio.get_running_loop()
        # It rings at the end of the wait under way or before, and is set anew then.  So most waits leave it alone.
        self._alarm: asyncio.TimerHandle | None = None
        # When the wait under way has to end, by the loop's clock, and the task that waits; None between two waits.
        self._until = math.inf
        self._task: asyncio.Task[Any] | None = None
        # Whether `interrupt` has cancelled that task.
        self._interrupted = False
        # asyncio's transport, once the connection is made.
        self._transport: Any = None
        timers.hold(self)

    async def wait(self, begin: Callable[[], Awaitable[T]]) -> T:
        """Return the result of awaiting `begin()`.

        Raises `httpx.ReadTimeout` if a timer is over or another task closes the stream, and httpx's exception for any
        exception of aiohttp.
        """
        task: Any = asyncio.current_task()
        before = cancelling(task)
        self._set_end()
        self._task, self._interrupted = task, False
        try:
            return await begin()
        except asyncio.CancelledError:
            # The caller has cancelled the task, too: that comes first.
            if not self._interrupted or cancelling(task) > before + 1:
                raise
            failed: Exception = httpx.ReadTimeout("a timer is over")
        # The end of the body.
        except StopAsyncIteration:
            raise
        except Exception as error:
            failed = error if is_of_the_caller(error) else as_httpx_error(error)
            self.abort()
        finally:
            self._task = None
            # Withdraw the cancellation, or an `asyncio.timeout` of the caller would count it.
            if self._interrupted:
                uncancel(task)
        # Outside of the `except`, so that aiohttp's exception is not the context of httpx's.
        raise failed

    def connected(self, writer: Any) -> None:
        """Note that the connection is made and the request goes out: from now on, `first_token` bounds the wait."""
        self._transport = writer.transport
        self.timers.connected = True
        connection = writer.protocol
        # aiohttp's connection keeps the body of the last response, the caller's own requests' too, until it is closed.
        self.timers.fresh = connection not in USED and getattr(connection, "_payload", None) is None
        self.timers.requesting()
        USED.add(connection)
        FirstBytes(connection, self.timers)
        # If a timer is over already, the alarm rings and ends the wait.
        with suppress(G4fliteError):
            self._set_end()

    def stop_alarm(self) -> None:
        """Stop the alarm, because the stream waits no more."""
        if self._alarm is not None:
            self._alarm.cancel()

    def abort(self) -> None:
        """Drop the connection at once, even if a part of the request is still unsent."""
        if self._transport is not None:
            self._transport.abort()

    def abort_if_closing(self) -> None:
        """Drop the connection at once if it is closing.  A connection that is not may serve another stream."""
        if self._transport is not None and self._transport.is_closing():
            self._transport.abort()

    def _set_end(self) -> None:
        """Set the end of the wait that begins, and the alarm unless it rings before.  Raises if a timer is over."""
        left = self.timers.left()
        self._until = math.inf if left is None else self._loop.time() + left
        if left is not None and (self._alarm is None or self._alarm.when() > self._until):
            self.stop_alarm()
            self._alarm = self._loop.call_at(self._until, self._ring)

    def _ring(self) -> None:
        """End the wait under way if its time is over, else set the alarm to the end of the wait."""
        self._alarm = None
        if self._task is None or self._until == math.inf:
            return
        if self._loop.time() < self._until:
            self._alarm = self._loop.call_at(self._until, self._ring)
        else:
            self.interrupt()

    def interrupt(self) -> None:
        """End the wait under way, or drop the connection if the stream does not wait."""
        if self._task is not None:
            self._interrupted = True
            self._task.cancel()
        else:
            self.abort()


class FirstBytes:
    """The parser of a connection of aiohttp up to the first bytes of a response, which count as in `head_reads`."""

    def __init__(self, connection: Any, timers: Timers) -> None:
        self.connection, self.timers = connection, timers
        self.parser: Any = getattr(connection, "_parser", None)
        # The parser is None if the connection has ended meanwhile.
        timers.head_reads = int(hasattr(connection, "_parser"))
        if self.parser is not None:
            connection._parser = self

    def feed_data(self, data: bytes) -> Any:
        self.timers.head_reads += 1
        # From now on, aiohttp calls its own parser.
        self.connection._parser = self.parser
        return self.parser.feed_data(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.parser, name)


def close_idle_connections(through: list[Any], url: str) -> None:
    """Close the idle connections of these transports to the host of this URL."""
    to = httpx.URL(url)
    place = to.raw_host.decode(), to.port or (443 if to.scheme == "https" else 80)
    for transport in through:
        waiting: Any = getattr(getattr(getattr(transport, "client", None), "connector", None), "_conns", {})
        for key in [key for key in waiting if (key.host, key.port) == place]:
            for connection, _ in waiting.pop(key):
                connection.close()


@cache
def upload(kind: type[Any]) -> type[Any]:
    """Return a class of request bodies that calls `begun(writer)` when aiohttp begins to send.

    It is a subclass of aiohttp's class of bodies and of `kind`, the class of bodies in httpx or httpx2.
    """

    class Upload(aiohttp.Payload, kind):  # type: ignore[misc]
        def __init__(self, data: bytes, begun: Callable[[Any], None]) -> None:
            super().__init__(data)
            # aiohttp makes the header content-length of `_size`.
            self._size, self._begun = len(data), begun

        def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
            return str(self._value, encoding, errors)

        async def write(self, writer: Any) -> None:
            self._begun(writer)
            await writer.write(self._value)

        async def __aiter__(self) -> Any:
            yield self._value

    return Upload


@cache
def download(kind: type[Any]) -> type[Any]:
    """Return a subclass of `kind`, the class of response bodies in httpx or httpx2, whose waits are timed."""

    class Download(kind):  # type: ignore[misc]
        def __init__(self, stream: Any, waits: TimedWaits) -> None:
            self._stream, self._waits = stream, waits
            # Begins a read; None before the first read and after the end.
            self._next: Callable[[], Awaitable[bytes]] | None = None
            self._begun = False

        def __aiter__(self) -> "Download":
            # A second iterator goes on where the first one stopped.
            if not self._begun:
                self._next, self._begun = aiter(self._stream).__anext__, True
            return self

        async def __anext__(self) -> bytes:
            if self._next is None:
                raise StopAsyncIteration
            try:
                return await self._waits.wait(self._next)
            except StopAsyncIteration:
                self._next = None
                raise

        async def aclose(self) -> None:
            begun, self._next, self._begun = self._next, None, True
            self._waits.stop_alarm()
            if begun is not None:
                unwind(begun)
            await self._stream.aclose()
            self._waits.abort_if_closing()

    return Download


def unwind(begin: Callable[[], Awaitable[bytes]]) -> None:
    """End the suspended async generators of a body without waiting: step each to its next wait, and throw there.

    All this happens in one step of the event loop, because a loop that is closing would end the generators, too, at the
    same time.  And it happens before the body is closed: aiohttp ends the generators of a closed body by an exception
    that is one object for all bodies, and whose traceback would keep their frames alive.
    """
    # RuntimeError: the connection was closed before.
    with suppress(StopAsyncIteration, asyncio.CancelledError, aiohttp.ClientError, RuntimeError, *failures()):
        while True:
            step = begin().__await__()
            try:
                step.send(None)
            # The step returned bytes that had come already, and did not wait.
            except StopIteration:
                continue
            step.throw(asyncio.CancelledError())


# Said in place of a part of a response's head.
PARTIAL_HEAD: Final = "Server disconnected inside the head of its response"
# aiohttp's exceptions, and httpx's exceptions for the same failures.  The first match counts.
HTTPX_ERRORS: Final[tuple[tuple[type[Exception], type[Exception]], ...]] = (
    (aiohttp.ClientHttpProxyError, httpx.ProxyError),
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (aiohttp.ServerDisconnectedError, httpx.RemoteProtocolError),
    (aiohttp.ClientResponseError, httpx.RemoteProtocolError),
    (aiohttp.ClientPayloadError, httpx.RemoteProtocolError),
    (aiohttp.InvalidURL, httpx.UnsupportedProtocol),
    (aiohttp.ClientError, httpx.ReadError),
)


def as_httpx_error(error: Exception) -> Exception:
    """Return httpx's exception for the same failure, or the exception itself if there is none.

    The new exception's cause is the operating system's error, but never an exception of aiohttp: the arguments of these
    hold headers and logins.
    """
    chain = causes(error)
    cause = next((cause for cause in chain if isinstance(cause, aiohttp.ClientError)), error)
    kind = next((httpx_class for aiohttp_class, httpx_class in HTTPX_ERRORS if isinstance(cause, aiohttp_class)), None)
    # A header of the caller's client that cannot be sent.
    if type(cause) is ValueError:
        kind = httpx.LocalProtocolError
    if kind is None:
        return error
    translated = kind(message_of(cause))
    system = (cause for cause in chain if isinstance(cause, OSError) and not isinstance(cause, aiohttp.ClientError))
    translated.__cause__ = next(system, None)
    return translated


def message_of(error: BaseException) -> str:
    """Return the message of an exception of aiohttp, on one line."""
    # The message of this exception may be the part of the response's head that came.
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "Server disconnected" if isinstance(error.message, str) else PARTIAL_HEAD
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"{error.status} {error.message}"
    said = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
    if "Got more than" in said or "Too many headers" in said:
        return "the head is too long"
    return said.strip().partition("\n")[0].removesuffix(":")
