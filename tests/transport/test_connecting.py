"""Closing a stream ends the wait for its connection at once: in naps in sync, by a cancel scope in async."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpcore
import httpx
import pytest

import g4flite
from g4flite._core.timers import Timers
from g4flite._core.transport import connecting
from g4flite.testing import Emulator
from tests.conftest import Driver
from tests.deaf import full_queue


@pytest.fixture
def deaf() -> Iterator[str]:
    with full_queue() as url:
        yield url


@pytest.mark.parametrize("kind", ["own", "caller", "pool", "proxy"])
def test_close_ends_the_wait_for_a_connection(kind: str, driver: Driver, deaf: str) -> None:
    client: Any = driver.client() if kind == "caller" else None
    with_proxy: Any = {"base_url": "http://upstream.test", "proxy": deaf} if kind == "proxy" else {"base_url": deaf}
    if kind == "pool":
        client = g4flite.Client("cromicle", base_url=deaf)
        stream = client.stream("Hi")
    else:
        stream = g4flite.stream("cromicle", "Hi", client=client, **with_proxy)

    async def close() -> None:
        await anyio.sleep(0.2)
        await stream.aclose()

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(close)
            with pytest.raises(g4flite.StreamClosedError):
                await stream.atext()
        if client is not None:
            await client.aclose()

    began = time.monotonic()
    if driver.name == "sync":
        closer = threading.Timer(0.2, stream.close)
        closer.start()
        with pytest.raises(g4flite.StreamClosedError, match="close"):
            stream.text()
        closer.join()
        if client is not None:
            client.close()
    else:
        driver.run(main)
    assert time.monotonic() - began < 5


def test_connect_bounds_the_wait_for_a_connection(driver: Driver, deaf: str) -> None:
    timeout = g4flite.Timeout(connect=0.2)
    with pytest.raises(g4flite.ConnectTimeoutError, match=r"connect: no connection to 127.0.0.1:\d+ in 0.2 s"):
        driver.collect("cromicle", "Hi", base_url=deaf, timeout=timeout)
    with pytest.raises(g4flite.TotalTimeoutError):
        driver.collect("cromicle", "Hi", base_url=deaf, timeout=g4flite.Timeout(connect=None, total=0.2))


def test_the_next_address_is_tried_if_one_refuses(server: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port)) for port in (1, server.port)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args: found)
    assert Driver("sync").collect("cromicle", "Hi", base_url="http://two.test")
    found.pop()
    with pytest.raises(g4flite.ConnectError, match="could not connect to two.test: Connection refused"):
        Driver("sync").collect("cromicle", "Hi", base_url="http://two.test")
    found.clear()
    with pytest.raises(g4flite.ConnectError, match=r"could not connect to two.test: two.test has no address"):
        Driver("sync").collect("cromicle", "Hi", base_url="http://two.test")


def test_without_a_timer_the_wait_goes_on_until_check_raises(deaf: str) -> None:
    calls = []

    def check() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    before = len(list(Path("/dev/fd").iterdir()))
    with pytest.raises(KeyboardInterrupt):
        connecting.connect("127.0.0.1", int(deaf.rpartition(":")[2]), None, check)
    assert len(list(Path("/dev/fd").iterdir())) == before


def test_the_caller_s_own_requests_and_backends_connect_as_ever(server: Emulator) -> None:
    with httpx.Client() as client:
        assert g4flite.stream("cromicle", "Hi", base_url=server.url, client=client).text()
        assert client.get(server.url, headers={"connection": "close"}).status_code == 404
        assert client.get(server.url).status_code == 404

    class Own(httpcore.SyncBackend):
        pass

    pool = httpcore.ConnectionPool(network_backend=(backend := Own()))
    connecting.interruptible(pool, Timers(g4flite.Timeout()))
    connecting.interruptible(None, Timers(g4flite.Timeout()))
    assert type(backend) is Own


def test_a_local_address_of_the_caller_s_is_bound(server: Emulator, deaf: str) -> None:
    with httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.1")) as client:
        assert g4flite.stream("cromicle", "Hi", base_url=server.url, client=client).text()
        stream = g4flite.stream("cromicle", "Hi", base_url=deaf, client=client)
        closer = threading.Timer(0.2, stream.close)
        closer.start()
        with pytest.raises(g4flite.StreamClosedError):
            stream.text()
        closer.join()
    client = httpx.Client(transport=httpx.HTTPTransport(local_address="192.0.2.1"))
    with client, pytest.raises(g4flite.ConnectError, match="Cannot assign requested address"):
        Driver("sync").collect("cromicle", "Hi", base_url=server.url, client=client)


def test_an_address_that_fails_at_once_is_an_error() -> None:
    """No TCP connection goes to a broadcast address."""
    with pytest.raises(OSError, match="Errno"):
        connecting.connect_to(("255.255.255.255", 80), socket.socket(), None, lambda: None)
