"""Async streams over aiohttp, by httpx-aiohttp: for less CPU than over httpx's own transport, on asyncio alone.

aiohttp starts its time-outs anew with every byte and rounds them up to whole seconds, so it is given none: a wait that
takes longer than the timers leave is cancelled.  A scope of its own for each wait would cost as much as all the rest.
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
from .aiohttp_failures import meaning
from .clients import distrusting, trusting
from .network_errors import failures

T = TypeVar("T")
cancelling: Callable[[Any], int] = getattr(asyncio.Task, "cancelling", lambda _: 0)  # what Python 3.10 does not count
uncancel: Callable[[Any], int] = getattr(asyncio.Task, "uncancel", lambda _: 0)
HEAD: Final = 100 * 1024  # bytes of a line of the answer's head, which is what httpx reads of the whole of it
IDLE: Final = 5.0  # seconds that a connection is kept for, as httpx keeps it
SCHEMES: Final = ("http", "https") if sys.version_info >= (3, 11) else ("http",)  # asyncio learnt TLS within TLS


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
        headers = {"authorization": f"Basic {b64encode(login.encode()).decode()}"} if login else {}  # for the proxy
        context = trusting() if proxy.url.scheme == "https" and verify is distrusting() else verify
        return transport(context, httpx.Proxy(proxy.url, headers={**proxy.headers, **headers}))


def transport(context: ssl.SSLContext, proxy: httpx.Proxy | None = None) -> httpx_aiohttp.AiohttpTransport:
    """httpx-aiohttp's transport; its session is made with the first request, on the event loop of that."""

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
    """The response, its body unread and timed.  Raises httpx's failures, and what the timers raise."""
    waits = Timed(timers)
    body = upload(object)(wanted.body, waits.connected)
    request = client.build_request("POST", wanted.url, headers=wanted.headers, content=body, extensions={"timeout": {}})
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
    """Stands for the network stream that aiohttp does not show, and for the socket that `Timers.abort` shuts down.

    One alarm serves all waits of a stream: where it rings before a wait is over, it is set anew.
    """

    def __init__(self, timers: Timers) -> None:
        self.timers = timers
        self._loop = asyncio.get_running_loop()
        self._alarm: asyncio.TimerHandle | None = None
        self._until = math.inf  # when the wait under way is over
        self._task: asyncio.Task[Any] | None = None  # who waits
        self._woken = False
        self._transport: Any = None  # asyncio's, once the connection stands
        timers.hold(self)

    async def wait(self, begin: Callable[[], Awaitable[T]]) -> T:
        """What is waited for.  Raises `httpx.ReadTimeout` where a timer ends it or the stream is closed meanwhile."""
        task: Any = asyncio.current_task()
        before = cancelling(task)
        self._allow()
        self._task, self._woken = task, False
        try:
            return await begin()
        except asyncio.CancelledError:
            if not self._woken or cancelling(task) > before + 1:  # somebody else has cancelled it
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
        """The connection stands: the request is on its way."""
        self._transport = transport
        self.timers.connected = True
        with suppress(G4fliteError):  # a timer that is over ends the wait as it stands
            self._allow()

    def silence(self) -> None:
        """Nothing waits any more."""
        if self._alarm is not None:
            self._alarm.cancel()

    def abort(self) -> None:
        """Drops the connection at once, whatever of the request is unsent."""
        if self._transport is not None:
            self._transport.abort()

    def let_go(self) -> None:
        """Drops a connection that is closing, and leaves any other: it may serve another stream."""
        if self._transport is not None and self._transport.is_closing():
            self._transport.abort()

    def _allow(self) -> None:
        """The wait may take what the timers leave.  Raises where that is nothing."""
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
            self.shutdown()

    def get_extra_info(self, _: str) -> "Timed":
        return self

    def shutdown(self, _: int = 0) -> None:
        """Ends the wait under way."""
        if self._task is not None:
            self._woken = True
            self._task.cancel()


@cache
def upload(kind: type[Any]) -> type[Any]:
    """A request's body, httpx's or httpx2's by its class and aiohttp's own: it tells over what its sending begins."""

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
    """A response's stream, httpx's or httpx2's by its class, whose waits are timed."""

    class Download(kind):  # type: ignore[misc]
        def __init__(self, stream: Any, waits: Timed) -> None:
            self._stream, self._waits = stream, waits
            self._next: Callable[[], Awaitable[bytes]] | None = None
            self._begun = False

        def __aiter__(self) -> "Download":
            if not self._begun:  # it is read once, and its rest is what a second reader finds
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
    """Ends the async generators of a body where they would wait, in one step of an event loop that may close them too.

    If they met aiohttp's own end of a closed body, its exception, which is one for all, would keep their frames.
    """
    with suppress(StopAsyncIteration, asyncio.CancelledError, aiohttp.ClientError, *failures()):
        while True:
            step = begin().__await__()
            try:
                step.send(None)
            except StopIteration:  # bytes that were there
                continue
            step.throw(asyncio.CancelledError())
