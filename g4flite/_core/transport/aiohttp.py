"""Async streams over aiohttp, through httpx-aiohttp: less CPU than over httpx's own transport, on asyncio alone.

aiohttp's own time-outs restart at each byte and are rounded up to whole seconds, so aiohttp is given none: a wait that
takes longer than the timers allow is cancelled.  One alarm of the event loop serves all waits of a stream, as a cancel
scope for each wait would cost as much as all the rest of a chunk.
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

import aiohttp
import httpx
import httpx_aiohttp

from ..errors import G4fliteError, OptionError
from ..provider import Request
from ..timers import Timers
from .network_errors import causes, failures
from .tls import default_context, unused_context

T = TypeVar("T")
# Python 3.10 does not count how often a task was cancelled.
cancelling: Callable[[Any], int] = getattr(asyncio.Task, "cancelling", lambda _: 0)
uncancel: Callable[[Any], int] = getattr(asyncio.Task, "uncancel", lambda _: 0)
# Bytes of one line of the response's head: httpx reads no more of the whole head.
HEAD: Final = 100 * 1024
# Seconds that a connection is kept for, as httpx keeps it.
IDLE: Final = 5.0
# asyncio speaks TLS within TLS from Python 3.11 on.
SCHEMES: Final = ("http", "https") if sys.version_info >= (3, 11) else ("http",)


class Client(httpx_aiohttp.HttpxAiohttpClient):
    """An `httpx.AsyncClient` over aiohttp, which leaves cookies, headers and the choice of a proxy to httpx."""

    def _init_transport(self, verify: Any = True, *_: Any, **__: Any) -> httpx.AsyncBaseTransport:
        return transport(verify)

    def _init_proxy_transport(
        self, proxy: httpx.Proxy, verify: Any = True, *_: Any, **__: Any
    ) -> httpx.AsyncBaseTransport:
        if proxy.url.scheme not in SCHEMES:
            raise OptionError(
                f"over aiohttp, a proxy is of the scheme {' or '.join(SCHEMES)}, not {proxy.url.scheme}; "
                "name another, or leave transport= out"
            )
        login = ":".join(proxy.auth or ())
        # aiohttp sends these headers to the proxy.
        headers = {"authorization": f"Basic {b64encode(login.encode()).decode()}"} if login else {}
        context = default_context() if proxy.url.scheme == "https" and verify is unused_context() else verify
        return transport(context, httpx.Proxy(proxy.url, headers={**proxy.headers, **headers}))


def transport(context: ssl.SSLContext, proxy: httpx.Proxy | None = None) -> httpx_aiohttp.AiohttpTransport:
    """Return httpx-aiohttp's transport; its session is made with the first request, on that request's event loop."""

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
    """Return the response, its body unread and timed.  Raises httpx's exceptions, and what the timers raise."""
    waits = Timed(timers)
    body = upload(object)(wanted.body, waits.connected)
    request = client.build_request(
        wanted.method, wanted.url, headers=wanted.headers, content=body, extensions={"timeout": {}}
    )
    kind: Any = type(request.stream)
    request.stream = upload(kind)(wanted.body, waits.connected)
    try:
        response = await waits.wait(lambda: client.send(request, stream=True, follow_redirects=False))
    except BaseException:
        waits.silence()
        waits.abort()
        raise
    timers.connected = True
    kind = type(response.stream)
    response.stream = download(kind)(response.stream, waits)
    response.extensions["network_stream"] = waits
    return response


class Timed:
    """Stands for the network stream, which aiohttp does not show: what the timers wait on and interrupt.

    If the alarm rings before the wait under way is over, it is set anew.
    """

    def __init__(self, timers: Timers) -> None:
        self.timers = timers
        self._loop = asyncio.get_running_loop()
        self._alarm: asyncio.TimerHandle | None = None
        # When the wait under way is over, and who waits.
        self._until = math.inf
        self._task: asyncio.Task[Any] | None = None
        self._woken = False
        # asyncio's transport, once the connection is made.
        self._transport: Any = None
        timers.hold(self)

    async def wait(self, begin: Callable[[], Awaitable[T]]) -> T:
        """Return what `begin()` gives.  Raises `httpx.ReadTimeout` if a timer or another task ends the wait."""
        task: Any = asyncio.current_task()
        before = cancelling(task)
        self._allow()
        self._task, self._woken = task, False
        try:
            return await begin()
        except asyncio.CancelledError:
            # Somebody else has cancelled the task, alone or as well.
            if not self._woken or cancelling(task) > before + 1:
                raise
            failed: Exception = httpx.ReadTimeout("a timer is over")
        except StopAsyncIteration:
            raise
        except Exception as error:
            failed = meaning(error)
            self.abort()
        finally:
            self._task = None
            if self._woken:
                uncancel(task)
        raise failed

    def connected(self, transport: Any) -> None:
        """Note that the connection is made: the request is on its way."""
        self._transport = transport
        self.timers.connected = True
        # If a timer is over, its alarm ends the wait.
        with suppress(G4fliteError):
            self._allow()

    def silence(self) -> None:
        """Stop the alarm: nothing waits any more."""
        if self._alarm is not None:
            self._alarm.cancel()

    def abort(self) -> None:
        """Drop the connection at once, whatever of the request is unsent."""
        if self._transport is not None:
            self._transport.abort()

    def let_go(self) -> None:
        """Drop a connection that is closing; any other may serve another stream."""
        if self._transport is not None and self._transport.is_closing():
            self._transport.abort()

    def _allow(self) -> None:
        """Allow the wait what the timers leave.  Raises if they leave nothing."""
        left = self.timers.left()
        self._until = math.inf if left is None else self._loop.time() + left
        if left is not None and (self._alarm is None or self._alarm.when() > self._until):
            self.silence()
            self._alarm = self._loop.call_at(self._until, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        if self._task is None or self._until == math.inf:
            return
        if self._loop.time() < self._until:
            self._alarm = self._loop.call_at(self._until, self._ring)
        else:
            self.interrupt()

    def interrupt(self) -> None:
        """End the wait under way."""
        if self._task is not None:
            self._woken = True
            self._task.cancel()


@cache
def upload(kind: type[Any]) -> type[Any]:
    """Return a class of request bodies, below httpx's or httpx2's and aiohttp's: it tells when its sending begins."""

    class Upload(aiohttp.Payload, kind):  # type: ignore[misc]
        def __init__(self, data: bytes, begun: Callable[[Any], None]) -> None:
            super().__init__(data)
            self._size, self._begun = len(data), begun

        def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
            return str(self._value, encoding, errors)

        async def write(self, writer: Any) -> None:
            self._begun(writer.transport)
            await writer.write(self._value)

        async def __aiter__(self) -> Any:
            yield self._value

    return Upload


@cache
def download(kind: type[Any]) -> type[Any]:
    """Return a class of response bodies, below httpx's or httpx2's own, whose waits are timed."""

    class Download(kind):  # type: ignore[misc]
        def __init__(self, stream: Any, waits: Timed) -> None:
            self._stream, self._waits = stream, waits
            self._next: Callable[[], Awaitable[bytes]] | None = None
            self._begun = False

        def __aiter__(self) -> "Download":
            # The body is read once; a second reader finds its rest.
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
            self._waits.silence()
            if begun is not None:
                unwind(begun)
            await self._stream.aclose()
            self._waits.let_go()

    return Download


def unwind(begin: Callable[[], Awaitable[bytes]]) -> None:
    """End the async generators of a body at once, without waiting.

    All in one step of the event loop, which may be closing and end them as well.  If they met aiohttp's own end of a
    closed body, its exception, which is one object for all bodies, would keep their frames alive.
    """
    with suppress(StopAsyncIteration, asyncio.CancelledError, aiohttp.ClientError, *failures()):
        while True:
            step = begin().__await__()
            try:
                step.send(None)
            # Bytes that were there already.
            except StopIteration:
                continue
            step.throw(asyncio.CancelledError())


# aiohttp's exceptions and those of httpx for the same failure; the first match counts.
MEANINGS: Final[tuple[tuple[type[Exception], type[Exception]], ...]] = (
    (aiohttp.ClientHttpProxyError, httpx.ProxyError),
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (aiohttp.ServerDisconnectedError, httpx.RemoteProtocolError),
    (aiohttp.ClientResponseError, httpx.RemoteProtocolError),
    (aiohttp.ClientPayloadError, httpx.RemoteProtocolError),
    (aiohttp.InvalidURL, httpx.UnsupportedProtocol),
    (aiohttp.ClientError, httpx.ReadError),
)


def meaning(error: Exception) -> Exception:
    """Return httpx's exception for the same failure, without aiohttp's own: its arguments hold headers and logins."""
    chain = causes(error)
    cause = next((cause for cause in chain if isinstance(cause, aiohttp.ClientError)), error)
    kind = next((theirs for ours, theirs in MEANINGS if isinstance(cause, ours)), None)
    if type(cause) is ValueError:
        # A header of the client's own that cannot be sent.
        kind = httpx.LocalProtocolError
    if kind is None:
        return error
    made = kind(told(cause))
    system = (cause for cause in chain if isinstance(cause, OSError) and not isinstance(cause, aiohttp.ClientError))
    made.__cause__ = next(system, None)
    return made


def told(error: BaseException) -> str:
    """Return what aiohttp says of a failure, on one line."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        # Its own words are what came of the response's head.
        return "Server disconnected"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"{error.status} {error.message}"
    said = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
    if "Got more than" in said or "Too many headers" in said:
        return "the head is too long"
    return said.strip().partition("\n")[0].removesuffix(":")
