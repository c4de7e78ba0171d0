"""`close()` and `aclose()` of a stream or its `Client` end the stream by `StreamClosedError`, wherever it waits."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import anyio
import httpx
import pytest

import g4flite
from g4flite import Timeout
from g4flite.testing import Emulator, Script
from tests.clock import Clock
from tests.conftest import Driver
from tests.deaf import full_queue
from tests.exchanges import arrived
from tests.rows import rows

# The arguments of a stream, and a call that returns once the stream waits.
Phase = tuple[dict[str, Any], Callable[[g4flite.Stream], Any]]


@contextmanager
def silent(answer: bytes = b"") -> Iterator[tuple[str, threading.Event]]:
    """Yield the URL of a server that sends `answer`, if there is one, for the first bytes, and then nothing.

    The event is set once the client has sent something that stays without an answer.
    """
    heard = threading.Event()

    def serve() -> None:
        with suppress(OSError), listener.accept()[0] as link:
            if answer:
                link.recv(65536)
                link.sendall(answer)
            link.recv(65536)
            heard.set()
            link.settimeout(10)
            while link.recv(65536):
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}", heard
        thread.join()


@contextmanager
def connecting() -> Iterator[Phase]:
    with full_queue() as url:
        yield {"base_url": url}, lambda _: time.sleep(0.3)


@contextmanager
def handshake() -> Iterator[Phase]:
    with silent() as (place, heard):
        yield {"base_url": f"https://{place}"}, lambda _: heard.wait(10)


@contextmanager
def handshake_in_a_tunnel() -> Iterator[Phase]:
    with silent(b"HTTP/1.1 200 OK\r\n\r\n") as (place, heard):
        yield {"base_url": "https://upstream.test", "proxy": f"http://{place}"}, lambda _: heard.wait(10)


@contextmanager
def head() -> Iterator[Phase]:
    with Emulator(script=Script(silence=30)) as server:
        yield {"base_url": server.url}, lambda _: arrived(server)


@contextmanager
def body() -> Iterator[Phase]:
    with Emulator(script=Script(wait=30)) as server:
        yield {"base_url": server.url}, lambda _: arrived(server)


@contextmanager
def next_attempt() -> Iterator[Phase]:
    def ended(stream: g4flite.Stream) -> None:
        while not stream.attempts:
            time.sleep(0.01)

    with Emulator(script=Script(status=503, headers={"retry-after": "40"})) as server:
        yield {"base_url": server.url}, ended


PHASES = [connecting, handshake, handshake_in_a_tunnel, head, body, next_attempt]


def close_while_it_waits(driver: Driver, stream: g4flite.Stream, waits: Callable[[], Any], closer: Any) -> None:
    """Read the stream in one thread or task, and close it from another one once it waits."""

    async def close() -> None:
        await anyio.to_thread.run_sync(waits)
        await closer.aclose()

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(close)
            with pytest.raises(g4flite.StreamClosedError):
                await stream.atext()

    if driver.name != "sync":
        driver.run(main)
        return
    thread = threading.Thread(target=lambda: (waits(), closer.close()))
    thread.start()
    with pytest.raises(g4flite.StreamClosedError):
        stream.text()
    thread.join()


@rows("whose", ["stream", "client"])
@rows("phase", PHASES)
def test_closing_ends_a_stream_that_waits(phase: Any, whose: str, driver: Driver) -> None:
    with phase() as (arguments, waits):
        client = g4flite.Client("cromicle", **arguments)
        stream = client.stream("Hi")
        began = time.monotonic()
        close_while_it_waits(driver, stream, lambda: waits(stream), stream if whose == "stream" else client)
        assert time.monotonic() - began < 5
        assert "closed" in repr(stream)
        if whose == "stream":
            driver.close(client)


def test_closing_ends_the_wait_for_a_connection_of_a_full_pool(server: Emulator) -> None:
    """In sync; in async, a cancel scope goes around the whole wait."""
    server.script = Script(wait=30)
    driver = Driver("sync")
    with httpx.Client(limits=httpx.Limits(max_connections=1)) as client:
        first, second, third = (g4flite.stream("cromicle", "Hi", base_url=server.url, client=client) for _ in range(3))
        running = iter(first)
        assert next(running) == "You"
        close_while_it_waits(driver, second, lambda: time.sleep(0.2), second)
        first.close()
        server.script = Script()
        assert third.text() == "You said: Hi"


def test_closing_the_client_of_a_provider_that_failed_leaves_the_stream_to_the_next(
    driver: Driver, server: Emulator
) -> None:
    async def main() -> None:
        async with second, stream:
            running = aiter(stream)
            chunks = [await anext(running)]
            await first.aclose()
            assert "".join(chunks + [chunk async for chunk in running]) == "You said: Hi"

    first = g4flite.Client("cromicle", base_url="http://127.0.0.1:1", retries=0)
    second = g4flite.Client("cromicle", base_url=server.url)
    stream = g4flite.stream([first, second], "Hi")
    if driver.name == "sync":
        with second:
            running = iter(stream)
            chunks = [next(running)]
            first.close()
            assert "".join(chunks + list(running)) == "You said: Hi"
    else:
        driver.run(main)


def test_a_stream_whose_client_closes_while_its_caller_works_ends_with_the_next_step(
    driver: Driver, server: Emulator
) -> None:
    server.script = Script(split=2, wait=30)

    async def main() -> None:
        running = aiter(stream)
        await anext(running)
        await client.aclose()
        with pytest.raises(g4flite.StreamClosedError):
            await anext(running)

    client = g4flite.Client("cromicle", base_url=server.url)
    stream = client.stream("Hi")
    if driver.name == "sync":
        running = iter(stream)
        next(running)
        client.close()
        with pytest.raises(g4flite.StreamClosedError):
            next(running)
    else:
        driver.run(main)
    assert server.exchanges[0].disconnected.wait(10)


def test_a_caller_may_leave_a_stream_whose_time_is_over(driver: Driver, server: Emulator) -> None:
    server.script = Script(wait=0.2)
    stream = g4flite.stream("cromicle", "Hi", base_url=server.url, timeout=Timeout(total=10))
    clock = stream._run.timers._clock = Clock()

    class Chunks(list[str]):
        """The chunks that have come; each takes its reader a minute."""

        def append(self, chunk: str) -> None:
            super().append(chunk)
            clock.now += 60

    driver.stream, driver.chunks = stream, Chunks()
    if driver.name == "sync":
        driver._read(1)
    else:
        driver.run(driver._aread, 1)
    assert stream._run.state == "closed"
