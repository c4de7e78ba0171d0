"""A client of httpx-aiohttp, the caller's own, is served like any transport that shows no socket (`socketless.py`)."""

import asyncio
import errno
from collections.abc import AsyncIterator, Callable
from importlib import import_module
from typing import Any

import aiohttp
import anyio
import httpx
import httpx_aiohttp
import pytest

import g4flite
from g4flite import Timeout
from g4flite.testing import Emulator, Script
from tests.exchanges import arrived
from tests.rows import rows


async def read(client: Any, server: Emulator, **kwargs: Any) -> str:
    return await g4flite.stream("cromicle", "Hi", base_url=server.url, client=client, retries=0, **kwargs).atext()


def of_a_transport() -> Any:
    return httpx.AsyncClient(transport=httpx_aiohttp.AiohttpTransport())


class Wrapper(httpx.AsyncBaseTransport):
    """A transport of the caller's, around one of httpx-aiohttp."""

    def __init__(self) -> None:
        self.inner = httpx_aiohttp.AiohttpTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self.inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self.inner.aclose()


def of_a_wrapper() -> Any:
    return httpx.AsyncClient(transport=Wrapper())


def of_httpx2() -> Any:
    # httpx2 cannot be installed beside the lowest anyio.
    pytest.importorskip("httpx2")
    return import_module("httpx_aiohttp.httpx2").Httpx2AiohttpClient()


MAKERS = [of_a_transport, of_a_wrapper, httpx_aiohttp.HttpxAiohttpClient, of_httpx2]


@pytest.mark.parametrize("make", MAKERS)
def test_text_comes_and_the_timers_bound_the_reads(make: Callable[[], Any], server: Emulator) -> None:
    async def main() -> None:
        async with make() as client:
            assert await read(client, server) == "You said: Hi"
            for script, timeout, error in (
                (Script(silence=30), Timeout(first_token=0.1), g4flite.FirstTokenTimeoutError),
                (Script(wait=30), Timeout(idle=0.1), g4flite.IdleTimeoutError),
                (Script(wait=30), Timeout(total=0.3), g4flite.TotalTimeoutError),
            ):
                server.script = script
                with pytest.raises(error):
                    await read(client, server, timeout=timeout)
            assert not client.is_closed

    asyncio.run(main())
    assert all(exchange.disconnected.wait(10) for exchange in server.exchanges[1:])


@pytest.mark.parametrize("moment", ["silence", "wait"])
def test_aclose_from_another_task_ends_a_wait(moment: str) -> None:
    async def main() -> None:
        async with httpx_aiohttp.HttpxAiohttpClient() as client:
            stream = g4flite.stream("cromicle", "Hi", base_url=server.url, client=client, retries=0)

            async def loop() -> None:
                with pytest.raises(g4flite.StreamClosedError):
                    async for _ in stream:
                        pass

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(loop)
                await anyio.to_thread.run_sync(arrived, server)
                await stream.aclose()

    with Emulator(script=Script(**{moment: 30})) as server:  # type: ignore[arg-type]
        asyncio.run(main())
        assert server.exchanges[0].disconnected.wait(10)


@rows(
    ("script", "error"),
    [
        (Script(body="two words", cut=4, split=(3,)), g4flite.TruncatedStreamError),
        (Script(status=307, headers={"location": "http://elsewhere.test"}), g4flite.StatusError),
        (Script(status=429), g4flite.RateLimitError),
    ],
)
def test_a_fault_is_an_error_of_ours(script: Script, error: type[Exception], server: Emulator) -> None:
    async def main() -> None:
        async with httpx_aiohttp.HttpxAiohttpClient() as client:
            await read(client, server)

    server.script = script
    with pytest.raises(error):
        asyncio.run(main())


STARTS = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"


@rows("make", MAKERS)
@rows(
    ("raw", "error", "said"),
    [
        (b"", g4flite.TransportError, "closed the connection before it responded"),
        (b"HTTP/1.1 200 OK\r\ncont", g4flite.TransportError, "closed the connection before it responded"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", g4flite.MalformedReplyError, "sent no valid HTTP response: Bad status line"),
        (STARTS, g4flite.TruncatedStreamError, "the reply was cut off"),
        (STARTS + b"zz\r\n", g4flite.MalformedReplyError, "sent no valid HTTP response: Invalid character"),
    ],
)
def test_what_the_server_has_done_to_the_connection_is_what_the_error_says(
    raw: bytes, error: type[Exception], said: str, make: Callable[[], Any], server: Emulator
) -> None:
    """httpx-aiohttp 0.2.0 calls each of these a connect timeout, or lets aiohttp's own exception through."""
    server.script = Script(raw=raw)

    async def main() -> None:
        async with make() as client:
            await read(client, server)

    with pytest.raises(error, match=said):
        asyncio.run(main())


@rows("make", MAKERS)
@rows(
    ("host", "error", "said"),
    [
        ("http://127.0.0.1:1", g4flite.ConnectError, "could not connect to 127.0.0.1:1: Connection refused"),
        ("https://{}", g4flite.TLSError, "the server speaks plain http"),
    ],
)
def test_a_server_that_cannot_be_reached_is_no_slow_one(
    host: str, error: type[Exception], said: str, make: Callable[[], Any], server: Emulator
) -> None:
    url = host.format(server.url.removeprefix("http://"))

    async def main() -> None:
        async with make() as client:
            await g4flite.stream("cromicle", "Hi", base_url=url, client=client, retries=0).atext()

    with pytest.raises(error, match=said):
        asyncio.run(main())


class Breaking(httpx.AsyncByteStream):
    """A body that fails as one of httpx-aiohttp does."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"hello"
        raise httpx.ConnectTimeout("") from aiohttp.ClientOSError(errno.ECONNRESET, "Connection reset by peer")


def test_a_connection_that_is_lost_in_the_body_is_no_slow_one() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Breaking()))

    async def main() -> None:
        async with httpx.AsyncClient(transport=transport) as client:
            await g4flite.stream("cromicle", "Hi", base_url="http://x.test", client=client, retries=0).atext()

    with pytest.raises(g4flite.TruncatedStreamError, match="cut off: Connection reset by peer") as caught:
        asyncio.run(main())
    assert caught.value.partial == "hello"


def test_a_server_that_accepts_no_connection_in_time_is_a_connect_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    async def connect(*_: object, **__: object) -> None:
        raise aiohttp.ConnectionTimeoutError

    monkeypatch.setattr(aiohttp.TCPConnector, "_create_connection", connect)

    async def main() -> None:
        async with httpx_aiohttp.HttpxAiohttpClient() as client:
            await g4flite.stream("cromicle", "Hi", base_url="http://127.0.0.1:1", client=client, retries=0).atext()

    with pytest.raises(g4flite.ConnectTimeoutError, match="no connection to 127.0.0.1:1 in 10 s"):
        asyncio.run(main())


@rows("make", MAKERS)
@rows("coding", ["identity", "gzip", "", "chunked, foo", "chunked,", "chun ked"])
def test_a_body_that_only_the_end_of_the_connection_ends_may_be_cut_off(
    coding: str, make: Callable[[], Any], server: Emulator
) -> None:
    """RFC 9112 6.3: unless the last transfer coding is `chunked`.  aiohttp reads such a body without an error."""
    server.script = Script(raw=f"HTTP/1.1 200 OK\r\ntransfer-encoding: {coding}\r\n\r\nhalf a".encode())

    async def main() -> None:
        async with make() as client:
            await read(client, server)

    with pytest.raises(g4flite.TruncatedStreamError, match="neither a length nor chunks") as caught:
        asyncio.run(main())
    assert caught.value.partial == "half a"
