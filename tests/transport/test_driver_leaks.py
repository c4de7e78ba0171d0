"""However a stream ends, it leaves no socket, no pool slot, no thread, no task and no warning behind."""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

import g4flite
from g4flite._core.provider import Request
from g4flite._core.transport import clients
from g4flite.testing import Emulator, Script
from tests.conftest import Driver, bare_environment, httpx
from tests.exchanges import answering, arrived
from tests.rows import rows


def left(server: Emulator) -> None:
    """Wait until the server has seen that its client left, long before its script would go on."""
    assert server.exchanges[-1].disconnected.wait(10)


@pytest.fixture
def slow() -> Iterator[Emulator]:
    """A server whose reply stops after its first word."""
    with Emulator(script=Script(wait=30)) as server:
        yield server


def test_a_stream_that_is_garbage_collected_closes_its_connection(slow: Emulator) -> None:
    running = iter(g4flite.stream("cromicle", "Hi", base_url=slow.url))
    assert next(running) == "You"
    del running
    left(slow)


def test_close_from_another_thread_ends_a_read_at_once(slow: Emulator) -> None:
    stream = g4flite.stream("cromicle", "Hi", base_url=slow.url)
    begun, ended = threading.Event(), []

    def read() -> None:
        try:
            for _ in stream:
                begun.set()
        except g4flite.G4fliteError as error:
            ended.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    assert begun.wait(10)
    stream.close()
    thread.join(10)
    [error] = ended
    assert isinstance(error, g4flite.StreamClosedError)
    assert error.partial == "You"
    left(slow)


def test_close_from_another_thread_does_not_count_as_the_end_of_the_reply(server: Emulator) -> None:
    """Here the loop is busy with a chunk, and not waiting for the next."""
    server.script = Script(split=2, wait=30)
    stream, chunks = g4flite.stream("cromicle", "Hi", base_url=server.url), []
    with pytest.raises(g4flite.StreamClosedError) as caught:
        for chunk in stream:
            chunks.append(chunk)
            closer = threading.Thread(target=stream.close)
            closer.start()
            closer.join()
    assert caught.value.partial == "".join(chunks) == "Yo"
    assert "closed" in repr(stream)
    assert [attempt.outcome.split(":")[0] for attempt in stream.attempts] == ["StreamClosedError"]


def test_close_during_another_thread_s_first_step_closes_the_stream(server: Emulator) -> None:
    """Whichever comes first, the loop gets its first chunk or a StreamClosedError."""
    for _ in range(100):
        stream = g4flite.stream("cromicle", "Hi", base_url=server.url)
        running = iter(stream)
        closer = threading.Thread(target=stream.close)
        closer.start()
        with contextlib.suppress(g4flite.StreamClosedError):
            assert next(running) == "You"
        closer.join()
        running.close()
        assert "closed" in repr(stream)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_aclose_from_another_task_ends_a_read_at_once(backend: str, slow: Emulator) -> None:
    async def main() -> None:
        stream, begun = g4flite.stream("cromicle", "Hi", base_url=slow.url), anyio.Event()

        async def read() -> None:
            with pytest.raises(g4flite.StreamClosedError) as caught:
                async for _ in stream:
                    begun.set()
            assert caught.value.partial == "You"

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await begun.wait()
            await anyio.lowlevel.checkpoint()
            await stream.aclose()

    Driver(backend).run(main)
    left(slow)


def test_a_client_serves_one_event_loop_after_another(server: Emulator) -> None:
    async def ask() -> str:
        return await client.stream("Hi").atext()

    client = g4flite.Client("cromicle", base_url=server.url)
    assert [Driver(loop).run(ask) for loop in ("asyncio", "asyncio", "trio")] == ["You said: Hi"] * 3
    # No event loop is left that uses the client.
    client.close()


def descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_event_loop_that_ends_leaves_neither_client_nor_socket(backend: str, server: Emulator) -> None:
    async def ask() -> None:
        assert await client.stream("Hi").atext() == "You said: Hi"
        made.add(client._pool.async_client())

    client, made = g4flite.Client("cromicle", base_url=server.url), weakref.WeakSet[Any]()
    gc.collect()
    Driver(backend).run(ask)
    before = descriptors()
    for _ in range(50):
        Driver(backend).run(ask)
    # The server, in this process, may still be closing a few of its own.
    assert descriptors() < before + 10
    gc.collect()
    assert len(made) == 0
    client.close()


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_loop_that_was_closed_without_ending_its_generators_leaves_no_client(server: Emulator) -> None:
    """Nothing can close its sockets, so that they are left to the garbage collector."""

    async def ask() -> None:
        assert await client.stream("Hi").atext() == "You said: Hi"

    client = g4flite.Client("cromicle", base_url=server.url)
    for _ in range(5):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(ask())
        loop.close()
        assert list(client._pool._async_clients) == [loop]
    client.close()
    del loop
    gc.collect()


@pytest.mark.filterwarnings(
    # CPython 3.13 warns of a generator that the loop has left; pytest would keep the warning, and with it the loop.
    "ignore:coroutine method 'aclose':RuntimeWarning",
    "ignore::ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)
def test_a_loop_that_was_dropped_without_being_closed_leaves_neither_client_nor_socket(server: Emulator) -> None:
    def read() -> None:
        client = g4flite.Client("cromicle", base_url=server.url)

        async def ask() -> None:
            assert await client.stream("Hi").atext() == "You said: Hi"

        for _ in range(30):
            asyncio.new_event_loop().run_until_complete(ask())
        gc.collect()
        # The last loop has a few, and the server may still be closing some.
        end = time.monotonic() + 10
        while descriptors() >= before + 15 and time.monotonic() < end:
            time.sleep(0.05)
        assert descriptors() < before + 15
        Driver("asyncio").run(client.aclose)

    gc.collect()
    before = descriptors()
    read()
    # Here, where the warnings of the last loop are expected.
    gc.collect()


def test_a_loop_that_runs_again_later_has_a_client_of_its_own(server: Emulator) -> None:
    async def ask() -> Any:
        assert await client.stream("Hi").atext() == "You said: Hi"
        return client._pool.async_client()

    client, loops = g4flite.Client("cromicle", base_url=server.url), [asyncio.new_event_loop() for _ in range(2)]
    made = [loop.run_until_complete(ask()) for loop in [*loops, *loops]]
    assert len(set(map(id, made))) == 4
    # The old client of a loop that has run again is closed, and the new one is in use.
    assert loops[1].run_until_complete(ask()) is made[3]
    assert [http.is_closed for http in made] == [True, True, False, False]
    for loop in reversed(loops):
        loop.run_until_complete(client.aclose())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
    assert all(http.is_closed for http in made)


def test_a_loop_that_rests_during_a_stream_keeps_its_client(server: Emulator) -> None:
    async def ask() -> str:
        return await client.stream("Hi").atext()

    client, resting, other = g4flite.Client("flowgpt", base_url=server.url), *(asyncio.new_event_loop() for _ in "ab")
    chunks = aiter(client.stream("Hi"))
    begun = resting.run_until_complete(anext(chunks))
    assert other.run_until_complete(ask()) == "You said: Hi"
    assert resting in client._pool._async_clients

    async def rest() -> str:
        return begun + "".join([chunk async for chunk in chunks])

    assert resting.run_until_complete(rest()) == "You said: Hi"
    for loop in resting, other:
        loop.run_until_complete(client.aclose())
        loop.close()


def test_the_timers_end_a_request_that_the_server_does_not_read(driver: Driver) -> None:
    """The request is larger than the buffers of the sockets."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        for timeout, error in (
            (g4flite.Timeout(total=0.3), g4flite.TotalTimeoutError),
            (g4flite.Timeout(first_token=0.3), g4flite.FirstTokenTimeoutError),
        ):
            start = time.monotonic()
            with pytest.raises(error):
                driver.collect("cromicle", "x" * 2**24, base_url=url, timeout=timeout)
            # To make the body takes a while, and it is made once before, to see that the messages can be sent.
            assert time.monotonic() - start < 30


def test_close_from_another_thread_ends_the_wait_for_a_response() -> None:
    with Emulator(script=Script(silence=30)) as server:
        stream = g4flite.stream("cromicle", "Hi", base_url=server.url)
        closer = threading.Thread(target=lambda: (arrived(server), stream.close()))
        closer.start()
        with pytest.raises(g4flite.StreamClosedError, match="cromicle: close"):
            stream.text()
        closer.join()
        left(server)


def test_close_from_another_thread_ends_the_wait_between_attempts() -> None:
    with Emulator(script=Script(status=503, headers={"retry-after": "30"})) as server:
        stream = g4flite.stream("cromicle", "Hi", base_url=server.url)
        closer = threading.Thread(target=lambda: (arrived(server), stream.close()))
        closer.start()
        since = time.monotonic()
        with pytest.raises(g4flite.StreamClosedError):
            stream.text()
        closer.join()
        assert time.monotonic() - since < 15


@rows("backend", ["asyncio", "trio"])
@rows("moment", ["silence", "wait"])
def test_a_cancelled_task_frees_the_pool_s_slot(backend: str, moment: str) -> None:
    async def read(stream: g4flite.Stream) -> None:
        async for _ in stream:
            pass

    async def main() -> None:
        async with Driver(backend).client(limits=httpx.Limits(max_connections=1)) as client:
            for number in range(3):
                with anyio.CancelScope() as scope:
                    async with anyio.create_task_group() as tasks:
                        tasks.start_soon(read, g4flite.stream("cromicle", "Hi", base_url=server.url, client=client))
                        await anyio.to_thread.run_sync(arrived, server, number)
                        scope.cancel()
                assert scope.cancelled_caught
            server.script = Script()
            assert await g4flite.stream("cromicle", "Hi", base_url=server.url, client=client).atext()

    with Emulator(script=Script(**{moment: 30})) as server:  # type: ignore[arg-type]
        Driver(backend).run(main)
        assert [exchange.disconnected.wait(10) for exchange in server.exchanges[:-1]] == [True] * 3


def test_a_stream_left_early_frees_the_pool_s_slot(driver: Driver, slow: Emulator) -> None:
    limits = httpx.Limits(max_connections=1)

    async def work() -> None:
        async with driver.client(limits=limits) as client:
            for _ in range(3):
                async with g4flite.stream("cromicle", "Hi", base_url=slow.url, client=client) as stream:
                    async for _ in stream:
                        break

    if driver.name == "sync":
        with driver.client(limits=limits) as client:
            for _ in range(3):
                for _ in g4flite.stream("cromicle", "Hi", base_url=slow.url, client=client):
                    break
    else:
        driver.run(work)
    assert len(slow.exchanges) == 3


@pytest.mark.parametrize("driver", ["sync", "asyncio"])
def test_ctrl_c_closes_the_connection(driver: str, slow: Emulator) -> None:
    code = f"""
import asyncio, g4flite, sys
stream = g4flite.stream("cromicle", "Hi", base_url=sys.argv[1])
async def read():
    async for chunk in stream:
        print(chunk, flush=True)
try:
    if {driver!r} == "sync":
        for chunk in stream:
            print(chunk, flush=True)
    else:
        asyncio.run(read())
except KeyboardInterrupt:
    print(stream, flush=True)
    sys.stdin.read()
"""
    # Before 3.11, asyncio does not cancel the task, and warns of what its generators do then.
    warnings = "error" if driver == "sync" or sys.version_info >= (3, 11) else "ignore"
    command = [sys.executable, "-W", warnings, "-c", code, slow.url]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=bare_environment()) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "You\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "<Stream of cromicle, model gpt-3.5-turbo: closed, 3 characters>\n"
        # The process is alive, and its socket is closed.
        left(slow)
        assert process.communicate()[1] == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_the_child_of_a_fork_makes_connections_of_its_own(server: Emulator) -> None:
    with g4flite.Client("cromicle", base_url=server.url) as client:
        assert client.stream("parent").text() == "You said: parent"
        child = os.fork()
        if not child:
            with contextlib.suppress(BaseException):
                good = client.stream("child").text() == "You said: child"
                client.close()
                os._exit(0 if good else 1)
            os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert client.stream("parent again").text() == "You said: parent again"
    assert server.connections == 2


def test_a_process_that_exits_during_a_stream_prints_no_error(driver: Driver, slow: Emulator) -> None:
    code = """
import sys, anyio, g4flite
client = g4flite.Client("cromicle", base_url=sys.argv[1])
if sys.argv[2] == "sync":
    running = iter(client.stream("Hi"))
    print(next(running))
else:
    async def main():
        async with client, client.stream("Hi") as stream:
            async for chunk in stream:
                print(chunk)
                sys.exit()
    anyio.run(main, backend=sys.argv[2])
"""
    command = [sys.executable, "-c", code, slow.url, driver.name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=bare_environment())
    assert done.stdout == "You\n"
    # Before Python 3.11, trio wraps the SystemExit in an exception group of its own.
    if driver.name != "trio":
        assert (done.returncode, done.stderr) == (0, "")


def test_many_streams_leave_no_descriptor_thread_or_object(driver: Driver) -> None:
    def behind(streams: int) -> tuple[int, int, int]:
        """Return the numbers of descriptors, threads and runs after so many streams, when the server is gone too."""
        with Emulator() as server:
            for _ in range(streams):
                driver.collect("flowgpt", "Hi", base_url=server.url)
                driver.collect("flowgpt", "Hi", base_url=server.url, limit=1)
        gc.collect()
        descriptors = len(list(Path("/proc/self/fd").iterdir())) if sys.platform == "linux" else 0
        runs = sum(type(thing).__name__ in ("Run", "Stream") for thing in gc.get_objects())
        return descriptors, threading.active_count(), runs

    before = behind(1)
    # There may be fewer, as earlier tests may free theirs meanwhile.
    assert all(after <= was for after, was in zip(behind(8), before, strict=True))


def test_a_stream_makes_no_reference_cycle(server: Emulator) -> None:
    def once() -> None:
        for _ in g4flite.stream("cromicle", "Hi", base_url=server.url):
            break
        stream = g4flite.stream("cromicle", "Hi", base_url=server.url)
        stream.text()

    def count() -> int:
        return sum(type(thing).__name__ in ("Run", "Stream", "Reply", "Opening") for thing in gc.get_objects())

    once()
    gc.collect()
    gc.disable()
    try:
        before = count()
        once()
        assert count() == before
    finally:
        gc.enable()


def test_a_stream_that_is_closed_between_two_attempts_leaves_its_connection_open_in_the_pool(
    driver: Driver, server: Emulator
) -> None:
    """The connection is idle by then, and may serve another stream at any moment."""
    server.script = Script(status=503, headers={"retry-after": "0.5"})
    client = g4flite.Client("cromicle", base_url=server.url)
    stream = client.stream("Hi")

    def failed() -> None:
        while not stream.attempts:
            # No event tells of an attempt.
            time.sleep(0.005)
        # The wait begins meanwhile.
        time.sleep(0.05)

    async def close() -> None:
        await anyio.to_thread.run_sync(failed)
        await stream.aclose()
        server.script = Script()

    async def aread() -> None:
        async with client:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(close)
                with pytest.raises(g4flite.StreamClosedError):
                    await stream.atext()
            assert await client.stream("Hi").atext() == "You said: Hi"

    if driver.name == "sync":
        closer = threading.Thread(target=lambda: (failed(), stream.close()))
        closer.start()
        with client:
            with pytest.raises(g4flite.StreamClosedError):
                stream.text()
            closer.join()
            server.script = Script()
            assert client.stream("Hi").text() == "You said: Hi"
    else:
        driver.run(aread)
    assert (len(server.exchanges), server.connections) == (2, 1)


def test_the_request_of_a_later_attempt_is_freed_when_the_answer_begins(driver: Driver, server: Emulator) -> None:
    """The route keeps the first request, for the first attempt; each later one is built for its attempt alone."""
    prompt, alive = f"{driver.name} asks what is freed", list[int]()

    def count() -> None:
        things = gc.get_objects()
        alive.append(sum(type(thing) is Request and prompt.encode() in thing.body for thing in things))

    def read() -> None:
        for _ in stream:
            count()

    async def aread() -> None:
        async for _ in stream:
            count()

    answering(server, Script(status=503), Script(body="hello"))
    stream = g4flite.stream("cromicle", prompt, base_url=server.url, retries=g4flite.Retry(base=0))
    read() if driver.name == "sync" else driver.run(aread)
    assert len(stream.attempts) == 2
    assert alive == [1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_the_child_of_a_fork_does_not_wait_for_a_lock_of_its_parent(
    server: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread of the parent makes the client, under the pool's lock, at the moment of the fork."""
    make_client, begun, go_on = clients.make_client, threading.Event(), threading.Event()

    def slowly(*arguments: Any) -> Any:
        begun.set()
        assert go_on.wait(60)
        return make_client(*arguments)

    monkeypatch.setattr(clients, "make_client", slowly)
    with g4flite.Client("cromicle", base_url=server.url) as client:
        thread = threading.Thread(target=client.stream("parent").text)
        thread.start()
        assert begun.wait(60)
        child = os.fork()
        if not child:
            with contextlib.suppress(BaseException):
                # This kills a child that waits.
                signal.alarm(60)
                go_on.set()
                os._exit(0 if client.stream("child").text() == "You said: child" else 1)
            os._exit(2)
        go_on.set()
        thread.join()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_the_child_of_a_fork_closes_no_client_of_its_parent_s(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does the garbage collector: it is kept alive, and not used."""
    client = g4flite.Client("cromicle", base_url="http://127.0.0.1:1")

    async def main() -> None:
        parent = client._pool.async_client()
        monkeypatch.setattr("os.getpid", lambda: -1)
        child = client._pool.async_client()
        assert child is not parent
        monkeypatch.setattr("os.getpid", lambda: -2)
        await client.aclose()
        assert not parent.is_closed
        assert not child.is_closed
        kept = weakref.ref(parent)
        del parent
        gc.collect()
        assert kept() is not None

    if driver.name == "sync":
        parent = client._pool.client()
        monkeypatch.setattr("os.getpid", lambda: -1)
        client.close()
        assert not parent.is_closed
        kept = weakref.ref(parent)
        del parent
        gc.collect()
        assert kept() is not None
    else:
        driver.run(main)


def test_a_failed_attempt_frees_the_pool_s_slot_before_the_next(driver: Driver, server: Emulator) -> None:
    """Its body is longer than what is read of an error page, so that nothing but a close frees the connection."""

    async def work() -> None:
        async with driver.client(limits=limits) as client:
            stream = g4flite.stream(
                "cromicle", "Hi", base_url=server.url, client=client, retries=retry, timeout=timeout
            )
            assert await stream.atext() == "hello"

    limits, retry = httpx.Limits(max_connections=1), g4flite.Retry(times=1, base=0)
    timeout = g4flite.Timeout(connect=1)
    answering(server, Script(status=503, body="x" * 2**18), Script(body="hello"))
    if driver.name == "sync":
        with driver.client(limits=limits) as client:
            stream = g4flite.stream(
                "cromicle", "Hi", base_url=server.url, client=client, retries=retry, timeout=timeout
            )
            assert stream.text() == "hello"
    else:
        driver.run(work)
    assert server.connections == 2


def test_a_stream_that_has_ended_lets_go_of_its_connection(driver: Driver, server: Emulator) -> None:
    """Else a close() that comes a moment too late would shut down what serves another stream by then."""
    driver.collect("cromicle", "Hi", base_url=server.url)
    assert driver.stream._run.timers.waiting is None


@pytest.mark.parametrize("routes", [["cromicle"], ["cromicle", "free2gpt"]], ids=["one", "two"])
def test_a_stream_that_has_failed_is_freed_without_a_garbage_collection(routes: list[str]) -> None:
    """An error holds its traceback, the traceback the frames: none of our frames may hold the error.

    In sync alone, as the frames of an event loop hold errors as well.
    """
    with Emulator(script=Script(status=500)) as server:
        gc.collect()
        gc.disable()
        try:
            stream = g4flite.stream(routes, "Hi", base_url=server.url, retries=0)
            text = weakref.ref(stream._run.text)
            with pytest.raises(g4flite.G4fliteError):
                stream.text()
            del stream
            assert text() is None
        finally:
            gc.enable()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_closing_a_stream_that_waits_for_its_next_attempt_ends_the_wait(backend: str) -> None:
    async def main() -> None:
        stream = g4flite.stream("cromicle", "Hi", base_url=server.url)

        async def close() -> None:
            while not stream.attempts:  # noqa: ASYNC110 - no event tells that an attempt has ended
                await anyio.sleep(0.01)
            await stream.aclose()

        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(close)
                with pytest.raises(g4flite.StreamClosedError):
                    async for _ in stream:
                        pass

    with Emulator(script=Script(status=503, headers={"retry-after": "40"})) as server:
        anyio.run(main, backend=backend)


@pytest.mark.parametrize("moment", ["silence", "wait"])
def test_aclose_from_another_task_ends_a_wait_on_uvloop(moment: str) -> None:
    """uvloop's stand-in for a socket has a method `shutdown` that raises TypeError."""
    pytest.importorskip("uvloop", reason="uvloop is not installed")

    async def main() -> None:
        stream = g4flite.stream("cromicle", "Hi", base_url=server.url)

        async def read() -> None:
            with pytest.raises(g4flite.StreamClosedError):
                await stream.atext()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await anyio.to_thread.run_sync(arrived, server)
            await stream.aclose()

    with Emulator(script=Script(**{moment: 30})) as server:  # type: ignore[arg-type]
        anyio.run(main, backend="asyncio", backend_options={"use_uvloop": True})
        left(server)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop", "trio"])
def test_a_client_closes_beside_a_stream_that_was_left_and_kept(loop: str) -> None:
    """uvloop shows no socket of a connection that is closed."""
    options = {"use_uvloop": True} if loop == "uvloop" else {}
    if options:
        pytest.importorskip("uvloop", reason="uvloop is not installed")

    async def main() -> None:
        client = g4flite.Client("cromicle", base_url=server.url)
        async with client.stream("Hi") as stream:
            async for _ in stream:
                break
        # So it keeps no loop from being forgotten.
        assert stream._run.timers.waiting is None
        await client.aclose()

    with Emulator(script=Script(wait=30)) as server:
        anyio.run(main, backend=loop.replace("uvloop", "asyncio"), backend_options=options)
        left(server)


def test_no_text_of_a_chunk_that_was_read_follows_a_close_from_another_thread(server: Emulator) -> None:
    line = b'{"event": "text", "data": "a"}\n'
    server.script = Script(body=line * 400)
    stream = g4flite.stream("flowgpt", "Hi", base_url=server.url)
    with pytest.raises(g4flite.StreamClosedError, match="close"):
        for _ in stream:
            closer = threading.Thread(target=stream.close)
            closer.start()
            closer.join()
    assert stream.partial == "a"


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_no_text_of_a_chunk_that_was_read_follows_a_close_from_another_task(backend: str, server: Emulator) -> None:
    line = b'{"event": "text", "data": "a"}\n'
    server.script = Script(body=line * 400)

    async def main() -> None:
        async for _ in stream:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(stream.aclose)
            assert stream.partial == "a"

    async def late() -> None:
        async with stream:
            async for _ in stream:
                # As if the close had come while the chunk was read, and too late to end that read.
                stream._run.abort()

    stream = g4flite.stream("flowgpt", "Hi", base_url=server.url)
    # Without the error, the answer would look complete.
    with pytest.raises(g4flite.StreamClosedError, match="close"):
        Driver(backend).run(main)
    assert stream.partial == "a"
    stream = g4flite.stream("flowgpt", "Hi", base_url=server.url)
    with pytest.raises(g4flite.StreamClosedError, match="close"):
        Driver(backend).run(late)
    assert stream.partial == "a"


@pytest.mark.heavy
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("shared", [True, False], ids=["pool", "one stream"])
def test_after_an_interrupt_at_any_line_of_httpcore_s_locks_the_next_stream_does_not_hang(
    shared: bool, server: Emulator
) -> None:
    """A tracing function raises it: behind the line that takes a lock, and before the line that releases it."""

    def traced(frame: Any, event: str, _: Any) -> Any:
        nonlocal lines
        if not frame.f_code.co_filename.endswith("_synchronization.py"):
            return None
        lines += event == "line"
        if lines == fatal and event == "line":
            sys.settrace(None)
            raise KeyboardInterrupt
        return traced

    def ask() -> None:
        for trace in (traced, None):
            stream = client.stream("Hi") if shared else g4flite.stream("cromicle", "Hi", base_url=server.url)
            sys.settrace(trace)
            try:
                texts.append(stream.text())
            except KeyboardInterrupt:
                texts.append("")
            finally:
                sys.settrace(None)

    lines, fatal, texts = 1, 0, [""]
    while lines >= fatal:
        client, texts, lines, fatal = g4flite.Client("cromicle", base_url=server.url), [], 0, fatal + 1
        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(30)
        assert not thread.is_alive(), f"it hangs after an interrupt at line {fatal}"
        assert texts[-1] == "You said: Hi"
    assert fatal > 20
    gc.collect()


def test_a_retired_client_is_neither_used_nor_closed(server: Emulator) -> None:
    pool = g4flite.Client("cromicle", base_url=server.url)._pool
    first = pool.client()
    pool.retire()
    assert pool.client() is not first
    assert not first.is_closed
    pool.close()
    with httpx.Client() as own:
        given = clients.Given(own, server.url)
        given.retire()
        assert given.client() is own


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_an_interrupt_lets_a_client_of_one_stream_go(server: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*args: Any, **kwargs: Any) -> Any:
        raise KeyboardInterrupt

    stream = g4flite.stream("cromicle", "Hi", base_url=server.url)
    source = stream._run.routes[0].source
    assert isinstance(source, clients.OneShot)
    used = weakref.ref(source.client())
    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", interrupt)
    with pytest.raises(KeyboardInterrupt):
        stream.text()
    gc.collect()
    assert used() is None


@pytest.mark.parametrize("moment", ["send", "read", "close"])
def test_an_interrupt_retires_the_client(moment: str, server: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*args: Any, **kwargs: Any) -> Any:
        raise KeyboardInterrupt

    server.script = Script(wait=30)
    client = g4flite.Client("cromicle", base_url=server.url)
    used = client._pool.client()
    stream = iter(client.stream("Hi"))
    if moment == "send":
        monkeypatch.setattr(used._transport, "handle_request", interrupt)
    else:
        assert next(stream) == "You"
        [link] = used._transport._pool.connections
        inner = link._connection
        what, name = (inner._network_stream, "read") if moment == "read" else (inner, "_response_closed")
        monkeypatch.setattr(what, name, interrupt)
    with pytest.raises(KeyboardInterrupt):
        next(stream) if moment != "close" else stream.close()
    monkeypatch.undo()
    server.script = Script()
    assert client._pool.client() is not used
    assert client.stream("Hi").text() == "You said: Hi"
    client.close()
    used.close()


@pytest.mark.parametrize("by", ["aclose", "the end of the loop"])
def test_an_interrupt_retires_the_client_of_the_event_loop(
    by: str, server: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program may go on with the loop: `loop.run_until_complete` raises the KeyboardInterrupt, and leaves it open."""

    async def interrupt(*args: Any, **kwargs: Any) -> Any:
        raise KeyboardInterrupt

    async def ask() -> str:
        return await client.stream("Hi").atext()

    async def used() -> Any:
        return client._pool.async_client()

    client = g4flite.Client("cromicle", base_url=server.url)
    loop = asyncio.new_event_loop()
    end = client.aclose if by == "aclose" else loop.shutdown_asyncgens
    old = loop.run_until_complete(used())
    monkeypatch.setattr(old._transport, "handle_async_request", interrupt)
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(ask())
    monkeypatch.undo()
    assert loop.run_until_complete(used()) is not old
    assert loop.run_until_complete(ask()) == "You said: Hi"
    assert not old.is_closed
    loop.run_until_complete(end())
    assert old.is_closed
    assert client._pool._async_clients == {}
    loop.close()
    client.close()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_cancelled_stream_retires_no_client(backend: str, slow: Emulator) -> None:
    async def main() -> None:
        async with g4flite.Client("cromicle", base_url=slow.url) as client:
            old = client._pool.async_client()
            with anyio.move_on_after(0.2):
                await client.stream("Hi").atext()
            async with client.stream("Hi") as stream:
                async for _ in stream:
                    break
            assert client._pool.async_client() is old

    Driver(backend).run(main)


# anyio before 4.16 leaves a socket to the garbage collection if it is cancelled at the wrong step of connecting.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_stream_that_is_cancelled_while_it_connects_retires_no_client(backend: str, slow: Emulator) -> None:
    """anyio's task group raises the cancellation inside an exception group."""

    async def main() -> None:
        async with g4flite.Client("cromicle", base_url=slow.url) as client:
            old = client._pool.async_client()
            for turns in range(12):
                with anyio.CancelScope() as scope:
                    async with anyio.create_task_group() as tasks:
                        tasks.start_soon(client.stream("Hi").atext)
                        for _ in range(turns):
                            await anyio.lowlevel.checkpoint()
                        scope.cancel()
            assert client._pool.async_client() is old

    Driver(backend).run(main)
    gc.collect()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_pool_keeps_nothing_of_an_event_loop_that_an_interrupt_has_ended(backend: str, server: Emulator) -> None:
    client = g4flite.Client("cromicle", base_url=server.url)
    used: list[Any] = []

    async def main() -> None:
        used.append(client._pool.async_client())
        running = aiter(client.stream("Hi"))
        await anext(running)
        with pytest.raises(KeyboardInterrupt):
            await running.athrow(KeyboardInterrupt)  # type: ignore[attr-defined]
        assert client._pool.async_client() is not used[-1]

    for _ in range(3):
        Driver(backend).run(main)
    assert [old.is_closed for old in used] == [True] * 3
    assert client._pool._async_clients == {}
    client.close()
