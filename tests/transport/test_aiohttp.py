"""`transport="aiohttp"`, and clients of httpx-aiohttp.  `make test-aiohttp` runs all tests of asyncio over it."""

import asyncio
import gzip
import socket
import sys
import threading
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator
from importlib import import_module
from typing import Any

import anyio
import httpx
import httpx_aiohttp
import pytest

import g4flite
from g4flite import Timeout
from g4flite._core.timers import Timers
from g4flite._core.transport import aiohttp
from g4flite._core.transport.clients import is_over_aiohttp
from g4flite.testing import Emulator, Script
from tests.acme import ACME
from tests.conftest import Driver
from tests.conftest import httpx as clients
from tests.exchanges import arrived
from tests.founders import wire
from tests.rows import rows
from tests.transport.test_stale import serving

SECRET = "sk-s3cret-s3cret"

pytestmark = pytest.mark.skipif(clients.__name__ != "httpx", reason="what transport= makes is a client of httpx")


async def read(*args: Any, **kwargs: Any) -> str:
    return await g4flite.stream(*args, **{"retries": 0, "transport": "aiohttp", **kwargs}).atext()


def failure(*args: Any, **kwargs: Any) -> g4flite.G4fliteError:
    with pytest.raises(g4flite.G4fliteError) as caught:
        asyncio.run(read(*args, **kwargs))
    return caught.value


def test_text_comes_over_aiohttp_and_a_client_keeps_its_connection(server: Emulator) -> None:
    async def main() -> None:
        assert await read("flowgpt", "Hi", base_url=server.url) == "You said: Hi"
        async with g4flite.Client("flowgpt", base_url=server.url, transport="aiohttp") as client:
            assert [await client.stream("Hi").atext() for _ in range(3)] == ["You said: Hi"] * 3

    asyncio.run(main())
    assert [exchange.problem for exchange in server.exchanges] == [None] * 4
    assert server.connections == 2


def test_aiohttp_sends_the_same_request_as_httpx(server: Emulator) -> None:
    for transport in ("httpx", "aiohttp"):
        asyncio.run(read("cromicle", "Hi", base_url=server.url, transport=transport, headers={"x-a": "1"}))
    first, second = ({name.lower(): value for name, value in exchange.headers} for exchange in server.exchanges)
    assert first == second
    assert server.exchanges[0].body == server.exchanges[1].body


@pytest.mark.parametrize("driver", ["sync", "trio"], indirect=True)
def test_the_transport_aiohttp_is_refused_in_sync_and_on_trio(driver: Driver) -> None:
    with pytest.raises(g4flite.OptionError, match='transport="aiohttp" works only with `async for` on asyncio'):
        driver.collect(["cromicle", "gprochat"], "Hi", base_url="http://127.0.0.1:1", transport="aiohttp")
    assert len(driver.stream.attempts) == 2


def test_a_transport_that_is_unknown_or_not_installed_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(g4flite.OptionError, match='acme: transport= must be "httpx" or "aiohttp", not 5'):
        g4flite.stream(ACME, "Hi", transport=5)  # type: ignore[arg-type]
    with pytest.raises(g4flite.OptionError, match="set them on that client"):
        g4flite.stream(ACME, "Hi", transport="aiohttp", client=httpx.Client())
    monkeypatch.setitem(sys.modules, "httpx_aiohttp", None)
    with pytest.raises(g4flite.OptionError, match="needs httpx-aiohttp: pip install httpx-aiohttp$"):
        g4flite.Client(ACME, transport="aiohttp")


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


@pytest.mark.parametrize("make", [of_a_transport, of_a_wrapper, httpx_aiohttp.HttpxAiohttpClient, of_httpx2])
def test_the_timers_bound_the_reads_of_the_caller_s_client(make: Callable[[], Any], server: Emulator) -> None:
    async def main() -> None:
        async with make() as client:
            assert await read("cromicle", "Hi", base_url=server.url, client=client, transport=None) == "You said: Hi"
            for script, timeout, error in (
                (Script(silence=30), Timeout(first_token=0.1), g4flite.FirstTokenTimeoutError),
                (Script(wait=30), Timeout(idle=0.1), g4flite.IdleTimeoutError),
                (Script(wait=30), Timeout(total=0.3), g4flite.TotalTimeoutError),
            ):
                server.script = script
                with pytest.raises(error):
                    await read("cromicle", "Hi", base_url=server.url, client=client, transport=None, timeout=timeout)
            assert not client.is_closed

    asyncio.run(main())
    assert all(exchange.disconnected.wait(10) for exchange in server.exchanges[1:])


def test_the_connect_timer_ends_a_connection_that_is_never_made() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        error = failure("cromicle", "Hi", base_url=url, timeout=Timeout(connect=0.1))
    assert type(error) is g4flite.ConnectTimeoutError
    assert f"no connection to {url[8:]} in 0.1 s" in str(error)


class Clock:
    """The clock of this event loop and of a stream's timers, which the test puts forward: `clock.ahead += 60`."""

    def __init__(self, stream: g4flite.Stream) -> None:
        # Seconds.
        self.ahead = 0.0
        asyncio.get_running_loop().time = self  # type: ignore[method-assign]
        stream._run.timers._clock = self

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


def test_keep_alives_do_not_restart_the_idle_timer() -> None:
    line, ping = wire("flowgpt") + b"\n", b'{"event": "ping"}\n'
    data = line + ping * 1500
    script = Script(body=data, split=tuple(range(len(line), len(data), len(ping))), wait=0.02)
    with Emulator(script=script) as server:
        error = failure("flowgpt", "Hi", base_url=server.url, timeout=Timeout(idle=0.1))
    assert type(error) is g4flite.IdleTimeoutError


def test_the_time_that_the_caller_s_loop_takes_does_not_count_as_idle(server: Emulator) -> None:
    async def main() -> None:
        timeout = Timeout(first_token=30, idle=30)
        stream = g4flite.stream("cromicle", "Hi", base_url=server.url, transport="aiohttp", timeout=timeout)
        clock = Clock(stream)
        async with stream:
            async for _ in stream:
                clock.ahead += 60
                # The alarm rings during this.
                await anyio.sleep(0.01)
        assert stream.partial == "You said: Hi"

    server.script = Script(split=3, wait=0.02)
    asyncio.run(main())


def test_an_alarm_that_rings_before_the_timer_is_over_is_set_again(server: Emulator) -> None:
    begun, rung = anyio.Event(), threading.Event()

    def reply(messages: object) -> Iterator[str]:
        yield "You"
        assert rung.wait(10)
        yield " said"

    async def ring(clock: Clock) -> None:
        await begun.wait()
        # Now the alarm of first_token is over, and the idle timer is not.
        clock.ahead += 40
        await anyio.sleep(0.01)
        rung.set()

    async def main() -> None:
        timeout = Timeout(first_token=30, idle=60)
        stream = g4flite.stream("cromicle", "Hi", base_url=server.url, transport="aiohttp", timeout=timeout)
        async with stream, anyio.create_task_group() as tasks:
            tasks.start_soon(ring, Clock(stream))
            async for _ in stream:
                begun.set()
        assert stream.partial == "You said"

    server.reply = reply
    asyncio.run(main())


def test_no_alarm_is_set_if_all_timers_are_none(server: Emulator) -> None:
    never = Timeout(connect=None, first_token=None, idle=None)
    assert asyncio.run(read("cromicle", "Hi", base_url=server.url, timeout=never)) == "You said: Hi"


@pytest.mark.parametrize("moment", ["silence", "wait"])
def test_aclose_from_another_task_ends_a_wait(moment: str) -> None:
    async def main() -> None:
        stream = g4flite.stream("cromicle", "Hi", base_url=server.url, transport="aiohttp", retries=0)

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


def test_leaving_early_is_seen_by_the_server() -> None:
    async def main() -> None:
        async with g4flite.stream("cromicle", "Hi", base_url=server.url, transport="aiohttp") as stream:
            async for _ in stream:
                break
        assert server.exchanges[0].disconnected.wait(10)

    with Emulator(script=Script(wait=30)) as server:
        asyncio.run(main())


def test_leaving_a_reply_that_has_come_does_not_disturb_the_next_stream_on_its_connection(server: Emulator) -> None:
    async def main() -> None:
        async with g4flite.Client("flowgpt", base_url=server.url, transport="aiohttp") as client:
            first, second = client.stream("Hi"), client.stream("Hi")
            async with first:
                async for _ in first:
                    break
                assert await anyio.to_thread.run_sync(server.exchanges[0].finished.wait, 10)
                transport: Any = client._pool.async_client()._transport
                with anyio.fail_after(10):
                    # Nothing tells when the connection is free.
                    while not transport.client.connector._conns:  # noqa: ASYNC110
                        await anyio.sleep(0.001)
                server.script = Script(wait=0.02)
                async for _ in second:
                    await first.aclose()
            assert second.partial == "You said: Hi"

    asyncio.run(main())
    assert (len(server.exchanges), server.connections) == (2, 1)


def test_a_request_that_nobody_reads_leaves_no_socket_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        error = failure("cromicle", "x" * 2**23, base_url=url, timeout=Timeout(first_token=0.1))
    assert type(error) is g4flite.FirstTokenTimeoutError


@pytest.mark.parametrize(
    ("script", "error", "said"),
    [
        (Script(raw=b""), g4flite.TransportError, "closed the connection before it responded: Server disconnected"),
        (Script(raw=b"", reset=True), g4flite.TransportError, "Connection reset by peer"),
        (Script(raw=b"nonsense\r\n\r\n"), g4flite.MalformedReplyError, "sent no valid HTTP response: "),
        (Script(raw=b"HTTP/1.1 200 OK\r\nx: " + b"x" * 200_000), g4flite.LimitError, "the head of the response"),
        (Script(raw=b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 999), g4flite.LimitError, "the head of the response"),
        (Script(raw=b"HTTP/1.1 200 OK\r\n\r\nHi"), g4flite.TruncatedStreamError, "neither a length nor chunks"),
        (Script(body="two words", cut=4, split=(3,)), g4flite.TruncatedStreamError, "the reply was cut off: "),
        (
            Script(body=gzip.compress(b" " * 2**20) * 16, headers={"content-encoding": "gzip"}),
            g4flite.LimitError,
            "max_rat",
        ),
        (Script(status=307, headers={"location": "http://elsewhere.test"}), g4flite.StatusError, "it redirects"),
    ],
)
def test_a_fault_has_the_same_error_as_over_httpx(
    script: Script, error: type[Exception], said: str, server: Emulator
) -> None:
    server.script = script
    raised = failure("cromicle", "Hi", base_url=server.url)
    assert type(raised) is error
    assert said in str(raised)
    assert "\n" not in str(raised)


def test_a_server_that_cannot_be_reached_has_the_same_error_as_over_httpx(server: Emulator) -> None:
    refused = failure("cromicle", "Hi", base_url="http://127.0.0.1:1")
    assert str(refused).startswith("cromicle: could not connect to 127.0.0.1:1: Connection refused; ")
    assert isinstance(failure("cromicle", "Hi", base_url="http://nowhere.invalid"), g4flite.ConnectError)
    assert isinstance(failure("cromicle", "Hi", base_url="http://-\u00e9.test"), g4flite.OptionError)
    plain = failure("cromicle", "Hi", base_url=server.url.replace("http:", "https:"))
    assert isinstance(plain, g4flite.TLSError)


def test_a_proxy_that_fails_has_the_same_error_as_over_httpx(server: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    with_login = server.url.replace("//", f"//user:{SECRET}@")
    error = failure("cromicle", "Hi", base_url="https://upstream.test", proxy=with_login)
    assert " did not connect to upstream.test: " in str(error)
    shown = "".join([*map(repr, (error, error.__cause__, error.__context__)), *traceback.format_exception(error)])
    assert SECRET not in shown
    error = failure("cromicle", "Hi", base_url=server.url, proxy="https://127.0.0.1:1")
    assert isinstance(error, g4flite.ProxyError if "https" in aiohttp.SCHEMES else g4flite.OptionError)
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    with pytest.raises(
        g4flite.OptionError,
        match="over aiohttp, a proxy must have the scheme http.*, not socks5.*; ALL_PROXY is socks5:",
    ):
        asyncio.run(read("cromicle", "Hi", base_url=server.url))


def test_a_header_of_the_client_that_cannot_be_sent_is_an_option_error(server: Emulator) -> None:
    async def main() -> None:
        async with httpx_aiohttp.HttpxAiohttpClient(headers={"x-own": f"{SECRET}\r\nx: y"}) as client:
            with pytest.raises(g4flite.OptionError, match="check the headers of that client") as caught:
                await read("cromicle", "Hi", base_url=server.url, client=client, transport=None)
            assert SECRET not in "".join(traceback.format_exception(caught.value))

    asyncio.run(main())
    assert server.exchanges == []


def test_the_auth_of_a_client_can_read_the_request(server: Emulator) -> None:
    class Signed(httpx.Auth):
        requires_request_body = True

        def auth_flow(self, request: httpx.Request) -> Any:
            request.headers["x-length"] = str(len(request.content))
            yield request

    async def main() -> None:
        async with httpx_aiohttp.HttpxAiohttpClient(auth=Signed()) as client:
            assert await read("cromicle", "Hi", base_url=server.url, client=client, transport=None)

    asyncio.run(main())
    headers = {name.lower(): value for name, value in server.exchanges[0].headers}
    assert headers["x-length"] == headers["content-length"] == str(len(server.exchanges[0].body))


def test_aiohttp_can_decode_the_body_of_a_request() -> None:
    assert aiohttp.upload(object)(b"\xc3\xa9", print).decode() == "\u00e9"


def test_an_exception_of_another_library_stays_as_it_is() -> None:
    error = KeyError("x")
    assert aiohttp.as_httpx_error(error) is error


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 does not count who cancels")
def test_a_task_that_is_cancelled_while_its_alarm_rings_stays_cancelled() -> None:
    async def main() -> None:
        waits = aiohttp.TimedWaits(Timers(Timeout()))
        begun = asyncio.Event()

        async def forever() -> Awaitable[None]:
            begun.set()
            return await asyncio.get_running_loop().create_future()

        task = asyncio.ensure_future(waits.wait(forever))
        await begun.wait()
        waits.interrupt()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # Nothing waits any more.
        waits.interrupt()
        waits.stop_alarm()

    asyncio.run(main())


def test_unwind_ends_a_body_that_still_holds_bytes() -> None:
    ended: list[str] = []

    class Wait:
        def __await__(self) -> Any:
            yield

    async def body() -> Any:
        try:
            yield b"a"
            yield b"b"
            await Wait()
        finally:
            ended.append("ended")

    aiohttp.unwind(body().__anext__)
    assert ended == ["ended"]


@rows("make", [None, of_a_wrapper, httpx_aiohttp.HttpxAiohttpClient, of_httpx2])
@pytest.mark.parametrize(
    "coding",
    [
        "identity",
        "gzip",
        "foo",
        "",
        "chunked, foo",
        ",",
        "chunked,",
        "chunked ,",
        "chunked, ,",
        "chun ked",
        "foo,chunked,",
    ],
)
def test_a_body_that_only_the_end_of_the_connection_ends_may_be_cut_off(
    coding: str, make: Callable[[], Any] | None, server: Emulator
) -> None:
    """RFC 9112 6.3: unless the last transfer coding is `chunked`.  aiohttp reads such a body without an error."""
    server.script = Script(raw=f"HTTP/1.1 200 OK\r\ntransfer-encoding: {coding}\r\n\r\nhalf a".encode())

    async def main() -> None:
        if make is None:
            await read("cromicle", "Hi", base_url=server.url)
        else:
            async with make() as own:
                await read("cromicle", "Hi", base_url=server.url, client=own, transport=None)

    with pytest.raises(g4flite.TruncatedStreamError, match="neither a length nor chunks") as caught:
        asyncio.run(main())
    assert caught.value.partial == "half a"


@pytest.mark.parametrize("coding", ["chunked", "Chunked", "foo, chunked"])
def test_chunks_end_a_body(coding: str, server: Emulator) -> None:
    server.script = Script(
        raw=f"HTTP/1.1 200 OK\r\ntransfer-encoding: {coding}\r\n\r\n5\r\nhello\r\n0\r\n\r\n".encode()
    )
    assert asyncio.run(read("cromicle", "Hi", base_url=server.url)) == "hello"


def test_a_stale_connection_below_a_wrapper_is_replaced_and_other_failures_are_translated(server: Emulator) -> None:
    async def main() -> None:
        async with of_a_wrapper() as client:
            call: Any = {"base_url": server.url, "client": client, "transport": None}
            assert [await read("cromicle", "Hi", **call) for _ in range(50)] == ["You said: Hi"] * 50
            server.script = Script(raw=b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n")
            with pytest.raises(g4flite.MalformedReplyError, match="sent no valid HTTP response"):
                await read("cromicle", "Hi", **call)

    server.script = Script(hangup=True)
    asyncio.run(main())


def test_a_transport_of_the_caller_s_that_may_use_httpx_s_or_aiohttp_s_is_taken_for_httpx_s(server: Emulator) -> None:
    async def main() -> None:
        wrapper: Any = Wrapper()
        wrapper.inner = httpx.AsyncHTTPTransport()
        wrapper.other = httpx_aiohttp.AiohttpTransport()
        async with httpx.AsyncClient(transport=wrapper) as client:
            assert not is_over_aiohttp(client, server.url)
            assert await read("cromicle", "Hi", base_url=server.url, client=client, transport=None) == "You said: Hi"

    asyncio.run(main())


def test_nothing_of_a_head_came_over_a_connection_that_has_ended_meanwhile() -> None:
    class Connection:
        _parser = None

    timers = Timers(Timeout())
    aiohttp.FirstBytes(Connection(), timers)
    assert timers.head_reads == 1
    # Another version of aiohttp: nobody knows.
    aiohttp.FirstBytes(object(), timers)
    assert timers.head_reads == 0


@pytest.mark.parametrize("make", [None, of_a_wrapper, httpx_aiohttp.HttpxAiohttpClient])
def test_the_idle_connections_of_aiohttp_s_pool_are_closed_once_one_was_stale(make: Callable[[], Any] | None) -> None:
    async def main() -> None:
        client = make() if make else g4flite.Client("cromicle", base_url=server.url, transport="aiohttp", retries=0)
        call: Any = {"base_url": server.url, "client": client, "retries": 0}

        def ask() -> g4flite.Stream:
            return g4flite.stream("cromicle", "Hi", **call) if make else client.stream("Hi")

        async with client:
            loops = [aiter(ask()) for _ in range(25)]
            texts = [await anext(loop) for loop in loops]
            for number, loop in enumerate(loops):
                texts[number] += "".join([chunk async for chunk in loop])
            assert [*texts, await ask().atext()] == ["hello"] * 26

    with serving("fin", together=25) as server:
        asyncio.run(main())
        assert server.requests.count(2) == 1


@pytest.mark.parametrize("ending", ["part", "part and reset"])
def test_a_request_is_not_sent_again_if_a_part_of_a_head_came_over_aiohttp(ending: str) -> None:
    async def main() -> None:
        async with g4flite.Client("cromicle", base_url=server.url, transport="aiohttp", retries=0) as client:
            assert await client.stream("Hi").atext() == "hello"
            with pytest.raises(g4flite.TransportError, match="closed the connection before it responded"):
                await client.stream("Hi").atext()

    with serving(ending) as server:
        asyncio.run(main())
        assert server.requests == [2]
