"""The timers and close() reach a read wherever its connection comes from."""

import threading
import time
from typing import Any

import anyio
import pytest

import g4flite
from g4flite._core.timers import Timers
from g4flite._core.transport.deadlines import attach
from g4flite.testing import Emulator, Script
from tests.conftest import Driver
from tests.core.test_exchange_attempts import answering

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
    assert server.connections == 1


def test_the_streams_of_one_class_get_one_class_of_ours() -> None:
    """Else each connection would leave a class behind."""

    class Stream:
        def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            return b""

    streams: list[Any] = [Stream(), Stream()]
    for stream in streams:
        attach(stream, Timers(g4flite.Timeout()))
    assert type(streams[0]) is type(streams[1]) is not Stream
