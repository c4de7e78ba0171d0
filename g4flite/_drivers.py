"""The two drivers: the same lines, one without and one with `await`.  Only here does anything wait.

Each runs an `exchange` up to its first text, then moves bytes into the parser and texts out of it, and closes what it
opened, however it ends.
"""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from typing import TYPE_CHECKING, Any

import anyio
import httpx

from ._answers import Head
from ._engine import READ, Exchange, Opening
from ._errors import G4fliteError
from ._failures import FAILURES, cut_off, shown, unsent
from ._spec import Request

if TYPE_CHECKING:
    from ._pool import Source
    from ._stream import Progress

CLOSING = 2.0  # seconds that closing may take, whoever cancels it


def iterate(
    exchange: Exchange, source: "Source", progress: "Progress", timeout: float | None
) -> Generator[str, None, None]:
    """The texts of one stream, over an `httpx.Client`."""
    body: Any = None
    client = response = None
    try:
        client, ours = source.client()
        wanted = next(exchange)
        while not isinstance(wanted, Opening):
            try:
                if wanted is READ:
                    happened: Head | bytes = read(body)
                else:
                    response = send(client, wanted.request, timeout)
                    body = response.iter_bytes() if "content-encoding" in response.headers else response.iter_raw()
                    happened = Head(response.status_code, response.headers)
            except G4fliteError as error:
                wanted = exchange.throw(error)
            else:
                wanted = exchange.send(happened)
        parser, texts, ended = wanted
        while True:
            for text in texts:
                progress.texts.append(text)
                yield text
            if ended:
                break
            data = read(body)
            ended = not data
            texts = parser.feed(data) if data else parser.close()
        progress.state = "complete"
    except G4fliteError as error:
        progress.fail(error)
        raise
    finally:
        progress.leave()
        if response is not None:
            response.close()
        if client is not None and ours:
            client.close()


async def aiterate(
    exchange: Exchange, source: "Source", progress: "Progress", timeout: float | None
) -> AsyncGenerator[str, None]:
    """The texts of one stream, over an `httpx.AsyncClient`."""
    body: Any = None
    client = response = None
    try:
        client, ours = source.async_client()
        wanted = next(exchange)
        while not isinstance(wanted, Opening):
            try:
                if wanted is READ:
                    happened: Head | bytes = await aread(body)
                else:
                    response = await asend(client, wanted.request, timeout)
                    body = response.aiter_bytes() if "content-encoding" in response.headers else response.aiter_raw()
                    happened = Head(response.status_code, response.headers)
            except G4fliteError as error:
                wanted = exchange.throw(error)
            else:
                wanted = exchange.send(happened)
        parser, texts, ended = wanted
        while True:
            for text in texts:
                progress.texts.append(text)
                yield text
            if ended:
                break
            data = await aread(body)
            ended = not data
            texts = parser.feed(data) if data else parser.close()
        progress.state = "complete"
    except G4fliteError as error:
        progress.fail(error)
        raise
    finally:
        progress.leave()
        with anyio.move_on_after(CLOSING, shield=True):
            if response is not None:
                await response.aclose()
                await exhaust(body)
            if client is not None and ours:
                await client.aclose()


def send(client: httpx.Client, wanted: Request, timeout: float | None) -> httpx.Response:
    """The response, its body unread.  Raises what a failure on the way means."""
    try:
        request = client.build_request("POST", wanted.url, headers=wanted.headers, content=wanted.body, timeout=timeout)
        return client.send(request, stream=True, follow_redirects=False)
    except FAILURES as error:
        raise unsent(error, wanted.url) from shown(error)


async def asend(client: httpx.AsyncClient, wanted: Request, timeout: float | None) -> httpx.Response:
    """The response, its body unread.  Raises what a failure on the way means."""
    try:
        request = client.build_request("POST", wanted.url, headers=wanted.headers, content=wanted.body, timeout=timeout)
        return await client.send(request, stream=True, follow_redirects=False)
    except FAILURES as error:
        raise unsent(error, wanted.url) from shown(error)


def read(body: Iterator[bytes]) -> bytes:
    """The next bytes of the body, b"" at its end.  Raises what a cut means."""
    try:
        return next(body, b"")
    except FAILURES as error:
        raise cut_off(error) from error


async def aread(body: AsyncIterator[bytes]) -> bytes:
    """The next bytes of the body, b"" at its end.  Raises what a cut means."""
    try:
        return await anext(body, b"")
    except FAILURES as error:
        raise cut_off(error) from error


async def exhaust(body: AsyncIterator[bytes]) -> None:
    """Ends httpx's generators below `body` by the error that a closed connection gives.

    Left suspended they would be closed by the garbage collector: trio warns of each, asyncio starts a task for each.
    """
    with contextlib.suppress(*FAILURES):
        async for _ in body:
            pass
