"""The single steps of a driver that wait, each in sync and in async, with httpx's failures said in ours."""

import contextlib
import sys
import time
from collections.abc import AsyncIterator, Iterator
from functools import cache, lru_cache
from typing import Any, Final

import anyio
import httpx

from ..errors import G4fliteError, StreamTimeoutError
from ..provider import Request
from ..response.inflate import BITS, encoding
from ..response.reply import Head
from ..run import Run
from ..timers import Timers
from .deadlines import arm, awatch, extensions, watch
from .network_errors import cut_off, failures, shown, unsent

CLOSING: Final = 2.0  # seconds that closing may take, whoever cancels it
LINGER: Final = 0.05  # seconds for the rest of a body behind the end marker, so that its connection can be used again
NAP: Final = 0.05  # seconds until a wait in sync looks whether the stream was closed


@cache
def upload(kind: type[Any]) -> type[Any]:
    """The same class of a request's body, httpx's or httpx2's: theirs is an async generator in async, which trio warns
    of where its sending is cancelled.
    """

    class Body(kind):  # type: ignore[misc]
        def __init__(self, data: bytes) -> None:
            self._data = data
            self._left = [data]

        def __aiter__(self) -> "Body":
            return Body(self._data)

        async def __anext__(self) -> bytes:
            if not self._left:
                raise StopAsyncIteration
            return self._left.pop()

    return Body


def parsed(client: Any, url: str) -> Any:
    """The URL as the client's family has it, httpx or httpx2, which take 30 us to parse it."""
    return _parsed(type(client.base_url), url)  # type: ignore[arg-type]  # a class can be hashed


@lru_cache(64)
def _parsed(kind: Any, url: str) -> Any:
    return kind(url)


def send(client: httpx.Client, wanted: Request, run: Run) -> httpx.Response:
    """The response, its body unread.  Raises what a failure on the way means."""
    try:
        hooks = extensions(run.timers, watch)
        request = client.build_request(
            "POST",
            parsed(client, wanted.url),
            headers=wanted.headers,
            content=wanted.body,
            extensions=hooks,
        )
        return client.send(request, stream=True, follow_redirects=False)
    except failures() as error:
        failed = error
    raise unsent(failed, wanted.url, run) from shown(
        failed, run
    )  # outside of `except`: no context that quotes a header


async def asend(client: httpx.AsyncClient, wanted: Request, run: Run) -> httpx.Response:
    """The response, its body unread.  Raises what a failure on the way means."""
    try:
        if is_over_aiohttp(client, wanted.url):
            from . import aiohttp as _aiohttp  # noqa: PLC0415 - aiohttp is an extra

            return await _aiohttp.send(client, wanted, run.timers)
        hooks = extensions(run.timers, awatch)
        request = client.build_request(
            "POST",
            parsed(client, wanted.url),
            headers=wanted.headers,
            content=wanted.body,
            extensions=hooks,
        )
        kind: Any = type(request.stream)
        request.stream = upload(kind)(wanted.body)
        return await client.send(request, stream=True, follow_redirects=False)
    except failures() as error:
        failed = error
    raise unsent(failed, wanted.url, run) from shown(
        failed, run
    )  # outside of `except`: no context that quotes a header


def is_over_aiohttp(client: httpx.AsyncClient, url: str) -> bool:
    """Whether the client's requests to this URL go over httpx-aiohttp."""
    return "httpx_aiohttp" in sys.modules and any(
        kind.__module__.partition(".")[0] == "httpx_aiohttp"
        for kind in type(client._transport_for_url(parsed(client, url))).__mro__
    )


def head(response: httpx.Response, timers: Timers) -> Head:
    """The head of a response, whose network stream asks the timers from here on."""
    stream, headers = response.extensions.get("network_stream"), response.headers
    if stream is not None:
        arm(stream, timers)
    named = {name.lower() for name, _ in headers.raw}
    bounded = stream is None or b"content-length" in named or b"transfer-encoding" in named
    bounded = bounded or response.status_code == 204  # which has no body (RFC 9110 15.3.5)
    coding = encoding(headers) if b"content-encoding" in named else ""
    undone = response.is_stream_consumed or (coding != "" and is_undone(response, coding))
    open_ended = not bounded and response.http_version.startswith("HTTP/1")
    return Head(response.status_code, headers, "" if undone else coding, open_ended, undone)


def content(response: httpx.Response, head: Head) -> Iterator[bytes]:
    """The bytes of the body as they come: one layer of httpx below `iter_raw`, which counts them."""
    return response.iter_bytes() if head.undone else iter(response.stream)  # type: ignore[arg-type]


def acontent(response: httpx.Response, head: Head) -> AsyncIterator[bytes]:
    """The bytes of the body as they come: one layer of httpx below `aiter_raw`, which counts them."""
    return response.aiter_bytes() if head.undone else aiter(response.stream)  # type: ignore[arg-type]


def is_undone(response: httpx.Response, coding: str) -> bool:
    """Whether httpx undoes this compression: one that it offered, and that is none of ours."""
    offered = response.request.headers.get("accept-encoding", "").replace(" ", "").split(",")
    return coding not in BITS and coding in offered


def read(body: Iterator[bytes], run: Run) -> bytes:
    """The next bytes of the body, b"" at its end or where an answer is complete.  Raises what a cut means."""
    try:
        return next(body, b"")
    except losses() as error:
        return lost(error, run)


async def aread(body: AsyncIterator[bytes], run: Run) -> bytes:
    """The next bytes of the body, b"" at its end or where an answer is complete.  Raises what a cut means."""
    try:
        return await anext(body, b"")
    except losses() as error:
        return lost(error, run)


def losses() -> tuple[type[Exception], ...]:
    """Everything that a read may end with: a failure of the network, or a timer."""
    return (*failures(), StreamTimeoutError)


def lost(error: Exception, run: Run) -> bytes:
    """What a failed read leaves of the body: nothing, where the answer is complete.  Raises what it means elsewhere."""
    if run.whole:
        return b""
    if isinstance(error, StreamTimeoutError):
        raise error
    raise cut_off(error, run.timers) from error


def drain(body: Iterator[bytes], run: Run) -> None:
    """Reads what is left of a body behind the end marker, if it is there already."""
    run.timers.linger(LINGER)
    with contextlib.suppress(G4fliteError):
        while run.timers.stream is not None and read(body, run):
            pass


async def adrain(body: AsyncIterator[bytes], run: Run) -> None:
    """Reads what is left of a body behind the end marker, if it is there already."""
    run.timers.linger(LINGER)
    with contextlib.suppress(G4fliteError):
        while run.timers.stream is not None and await aread(body, run):
            pass


def sleep(seconds: float, timers: Timers) -> None:
    """Lets the time pass.  Raises where another thread closes the stream in the meantime."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, NAP))
        timers.check()


async def asleep(seconds: float, timers: Timers) -> None:
    """Lets the time pass.  Raises where another task closes the stream in the meantime."""
    await anyio.sleep(seconds)
    timers.check()


async def aclose(response: httpx.Response, body: AsyncIterator[bytes]) -> None:
    """Closes a response, and httpx's generators below `body` by the error that a closed connection gives.

    Left suspended they would be closed by the garbage collector: trio warns of each, asyncio starts a task for each.
    """
    await response.aclose()
    with contextlib.suppress(*failures()):
        async for _ in body:
            pass
