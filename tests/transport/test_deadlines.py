"""The timers and close() reach a read wherever its connection comes from."""

import threading
import time
from types import SimpleNamespace
from typing import Any

import anyio
import httpcore
import httpx
import pytest

import g4flite
from g4flite._core.timers import Timers
from g4flite._core.transport.deadlines import attach, end_of_head, extensions, watch
from g4flite._core.transport.httpx import Own
from g4flite.testing import Emulator, Script
from tests.conftest import Driver
from tests.exchanges import answering
from tests.rows import rows

NO_KEEP = httpx.Limits(max_keepalive_connections=0)
SLOW = g4flite.Timeout(first_token=5, idle=0.1)


def closed_while_it_waits(driver: Driver, server: Emulator, client: g4flite.Client, requests: int) -> None:
    """Reads a stream that gets no answer to the last of so many requests, and closes it from elsewhere meanwhile."""
    stream = client.stream("Hi", retries=g4flite.Retry(base=0))

    def asked() -> None:
        while len(server.exchanges) < requests:
            time.sleep(0.005)  # no event tells of a request that is not answered yet
        time.sleep(0.05)

    async def close() -> None:
        await anyio.to_thread.run_sync(asked)
        await stream.aclose()

    async def aread() -> None:
        async with client:
            assert await client.stream("Hi").atext() == "You said: Hi"
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(close)
                with pytest.raises(g4flite.StreamClosedError):
                    await stream.atext()

    if driver.name == "sync":
        with client:
            assert client.stream("Hi").text() == "You said: Hi"
            closer = threading.Thread(target=lambda: (asked(), stream.close()))
            closer.start()
            with pytest.raises(g4flite.StreamClosedError):
                stream.text()
            closer.join()
    else:
        driver.run(aread)


@pytest.mark.parametrize("failures", [0, 1])
def test_close_ends_the_wait_for_an_answer_over_a_connection_that_was_used_before(
    failures: int, driver: Driver, server: Emulator
) -> None:
    """By another stream, or by the failed attempt of this one."""
    answering(server, Script(), *[Script(status=503)] * failures, Script(silence=5))
    client, began = g4flite.Client("cromicle", base_url=server.url), time.monotonic()
    closed_while_it_waits(driver, server, client, 2 + failures)
    assert time.monotonic() - began < 4
    assert server.connections == 1


def test_a_connection_that_the_caller_made_before_is_timed_too(driver: Driver, server: Emulator) -> None:
    client: Any = driver.client()

    async def aread() -> None:
        async with client:
            await client.get(server.url)
            async for _ in stream:
                pass

    server.script = Script(wait=30)
    stream = g4flite.stream("cromicle", "Hi", base_url=server.url, client=client, timeout=SLOW, retries=0)
    answering(server, Script(body=""), server.script)
    with pytest.raises(g4flite.IdleTimeoutError):
        if driver.name == "sync":
            with client:
                client.get(server.url)
                stream.text()
        else:
            driver.run(aread)
    assert stream.partial == "You"


def test_the_timers_of_a_stream_do_not_bound_the_caller_s_next_request_on_its_connection(
    driver: Driver, server: Emulator
) -> None:
    """The caller's client has no timeouts, so that its request names none to the connection."""
    client: Any = driver.client(timeout=None)
    stream = g4flite.stream("openai", "Hi", base_url=f"{server.url}/v1", api_key="sk-test-1", model="m", client=client)

    def is_over() -> None:
        assert stream.partial == "You said: Hi"
        # Long after the stream, so that each of its timers is over.
        stream._run.timers._clock = lambda: 1e9

    def read() -> int:
        with client, stream:
            assert list(stream)
            is_over()
            return int(client.get(f"{server.url}/v1/models").status_code)

    async def aread() -> int:
        async with client, stream:
            assert [chunk async for chunk in stream]
            is_over()
            return int((await client.get(f"{server.url}/v1/models")).status_code)

    assert (read() if driver.name == "sync" else driver.run(aread)) == 200
    assert server.connections == 1


def test_a_network_stream_of_the_caller_s_with_an_interrupt_of_its_own_is_bounded_as_well(server: Emulator) -> None:
    class Interruptible(httpcore.SyncBackend):
        def connect_tcp(self, *args: Any, **kwargs: Any) -> Any:
            stream = super().connect_tcp(*args, **kwargs)
            kind = type(stream)
            stream.__class__ = type(kind.__name__, (kind,), {"interrupt": None, "__module__": kind.__module__})
            return stream

    server.script = Script(body="x" * 100, split=1, wait=0.05)
    transport = httpx.HTTPTransport()
    transport._pool = httpcore.ConnectionPool(network_backend=Interruptible())
    with httpx.Client(transport=transport) as client, pytest.raises(g4flite.FirstTokenTimeoutError):
        # The bytes come one by one, and none of them is text.
        g4flite.stream(
            "openai", "Hi", model="m", api_key="sk-test-1", base_url=f"{server.url}/v1", client=client, retries=0,
            timeout=g4flite.Timeout(first_token=0.3),
        ).text()  # fmt: skip


def test_the_streams_of_one_class_get_one_class_of_ours() -> None:
    """Else each connection would leave a class behind."""

    class Stream:
        def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            return b""

    streams: list[Any] = [Stream(), Stream()]
    for stream in streams:
        attach(stream, Timers(g4flite.Timeout()))
    assert type(streams[0]) is type(streams[1]) is not Stream


def test_a_client_that_speaks_http2_is_refused_before_any_socket(driver: Driver) -> None:
    if driver.name == "sync":
        client: Any = httpx.Client(transport=httpx.HTTPTransport(http2=True))
    else:
        client = httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(http2=True))
    with pytest.raises(g4flite.OptionError, match=r"client= speaks HTTP/2 \(http2=True\)"):
        g4flite.stream("cromicle", "Hi", base_url="https://127.0.0.1:1", client=client)
    driver.close(client)


def test_http2_for_other_hosts_is_not_refused(driver: Driver, server: Emulator) -> None:
    kind = httpx.HTTPTransport if driver.name == "sync" else httpx.AsyncHTTPTransport
    client = driver.client(mounts={"https://elsewhere.test": kind(http2=True)}, limits=NO_KEEP)
    server.script = Script(headers={"connection": "close"})
    assert driver.collect("cromicle", "Hi", base_url=server.url, client=client)
    driver.close(client)


def test_a_connection_that_speaks_http2_is_refused_before_the_request(driver: Driver) -> None:
    """Where a wrapper hides the transport, httpcore's extension `trace` tells of it."""

    def handle(request: httpx.Request) -> httpx.Response:
        request.extensions["trace"]("http2.send_connection_init.started", {})
        raise AssertionError

    async def ahandle(request: httpx.Request) -> httpx.Response:
        await request.extensions["trace"]("http2.send_connection_init.started", {})
        raise AssertionError

    sync = driver.name == "sync"
    client = driver.client(transport=httpx.MockTransport(handle if sync else ahandle))
    with pytest.raises(g4flite.OptionError, match="http2=True"):
        driver.collect("cromicle", "Hi", base_url="http://127.0.0.1:1", client=client)
    driver.close(client)


@rows(("own", "ours"), [(Own(), True), (None, False)])
def test_only_a_client_of_the_caller_s_which_may_log_in_is_watched_behind_the_head(own: Own | None, ours: bool) -> None:
    timers = Timers(g4flite.Timeout())
    timers.source = SimpleNamespace(own=own)
    passed = extensions(timers, watch)
    watched = passed["trace"]
    request = SimpleNamespace(method=b"CONNECT", headers=[], extensions=passed)
    watched("http11.send_request_headers.started", {"request": request})
    # The request itself comes behind that for the tunnel.
    assert "trace" in passed
    request.method = b"POST"
    watched("http11.send_request_headers.started", {"request": request})
    assert ("trace" not in passed) is ours


def test_behind_the_head_of_a_response_only_its_reads_are_bounded() -> None:
    timers = Timers(g4flite.Timeout())
    passed = extensions(timers, watch)
    bounded, sent = passed["timeout"], dict(passed)
    assert bounded.keys() == {"connect", "pool", "write", "read"}
    end_of_head(passed, sent, timers)
    assert sent == {"timeout": bounded}
    assert bounded.keys() == {"read"}
    assert bounded["read"].left == timers.left
