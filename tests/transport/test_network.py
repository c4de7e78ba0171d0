"""Network streams on asyncio and on uvloop, against sockets of this machine."""

import asyncio
import select
import socket
import ssl
import struct
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
import trustme

import g4flite
from g4flite import Timeout
from g4flite._core.errors import causes
from g4flite._core.transport import network
from g4flite._core.transport.clients import Connection, make_client
from g4flite.testing import Emulator, Script
from tests.conftest import httpx, interpret

core: Any = import_module(httpx.__name__.replace("httpx", "httpcore"))
AUTO: Any = import_module(f"{core.__name__}._backends.auto").AutoBackend
# An RST in the place of a FIN.
RESET = struct.pack("ii", 1, 0)


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Callable[[], Awaitable[None]]], None]:
    """Return a function that runs a coroutine function on an event loop."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop", reason="uvloop is not installed")
    options = {"use_uvloop": request.param == "uvloop"}
    return lambda main: anyio.run(main, backend="asyncio", backend_options=options)


@asynccontextmanager
async def pair(**how: Any) -> AsyncIterator[tuple[Any, asyncio.StreamReader, asyncio.StreamWriter]]:
    """Yield a network stream, and what its server reads from and writes to."""
    accepted: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set_result((reader, writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0, **how)
    stream = await network.taking_over(AUTO)().connect_tcp(*server.sockets[0].getsockname())
    if how:
        context = ssl.create_default_context()
        context.load_verify_locations(cadata=AUTHORITY.cert_pem.bytes().decode())
        stream = await stream.start_tls(context, "localhost", timeout=30)
    reader, writer = await accepted
    try:
        yield stream, reader, writer
    finally:
        await stream.aclose()
        writer.transport.abort()
        server.close()
        await asyncio.sleep(0)


AUTHORITY = trustme.CA()


def tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("localhost").configure_cert(context)
    return context


def test_a_client_of_ours_reads_over_the_loop_s_transports(run: Any, server: Emulator) -> None:
    async def main() -> None:
        async with g4flite.Client("cromicle", base_url=server.url) as client:
            for _ in range(2):
                assert await client.stream("Hi").atext() == "You said: Hi"
            [connection] = client._pool.async_client()._transport._pool.connections
            assert isinstance(connection._connection._network_stream, network.Plain)
            server.script = Script(wait=30)
            with pytest.raises(g4flite.IdleTimeoutError):
                await client.stream("Hi", timeout=Timeout(idle=0.1), retries=0).atext()

    run(main)
    assert server.connections == 1


def test_bytes_that_nobody_reads_are_bounded_and_come_in_order(run: Any) -> None:
    async def main() -> None:
        async with pair() as (stream, _, writer):
            sent = bytes(range(256)) * 8192
            writer.write(sent)
            await asyncio.sleep(0.3)
            assert stream._is_paused
            assert stream._size < len(sent) / 2
            assert stream.get_extra_info("is_readable")
            got = b""
            while len(got) < len(sent):
                piece = await stream.read(network.SIZE, 30)
                assert len(piece) <= network.SIZE
                got += piece
            assert got == sent
            assert not stream._is_paused

    run(main)


def test_the_event_loops_of_several_threads_do_not_mix_their_bytes(run: Any) -> None:
    """The streams of a thread receive into one buffer."""
    read = dict[int, list[bytes]]()

    async def main(number: int) -> None:
        async with pair() as (one, _, writer), pair() as (other, _, rival):
            for _ in range(200):
                writer.write(bytes([number]) * 9000)
                rival.write(bytes([number + 100]) * 9000)
                read[number] += [await one.read(network.SIZE, 30), await other.read(network.SIZE, 30)]

    def in_thread(number: int) -> None:
        read[number] = []
        run(lambda: main(number))

    threads = [threading.Thread(target=in_thread, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(read[number]) for number in range(4)] == [400] * 4
    for number, pieces in read.items():
        assert set(b"".join(pieces[::2])) == {number}
        assert set(b"".join(pieces[1::2])) == {number + 100}


def test_a_read_ends_when_its_time_is_over_and_a_later_one_goes_on(run: Any) -> None:
    async def main() -> None:
        async with pair() as (stream, _, writer):
            writer.write(b"a")
            assert await stream.read(9, 60) == b"a"
            # The alarm of the read before would ring much later.
            with pytest.raises(core.ReadTimeout):
                await stream.read(9, 0.05)
            writer.write(b"b")
            assert await stream.read(9, 0.2) == b"b"
            # The alarm of the read before rings too early.
            asyncio.get_running_loop().call_later(0.5, writer.write, b"c")
            assert await stream.read(9, 60) == b"c"
            writer.write(b"d")
            assert await stream.read(9, 0.2) == b"d"
            # That alarm rings although this read waits without an end.
            asyncio.get_running_loop().call_later(0.5, writer.write, b"e")
            assert await stream.read(9) == b"e"
            with anyio.move_on_after(0.05) as scope:
                await stream.read(9, 60)
            assert scope.cancelled_caught
            writer.write(b"f")
            assert await stream.read(9, 60) == b"f"

    run(main)


def test_a_write_waits_for_its_reader_and_ends_when_its_time_is_over(run: Any) -> None:
    async def main() -> None:
        async with pair() as (stream, reader, writer):
            large = b"x" * 20_000_000
            # What comes meanwhile does not give the write more time.
            ticks = asyncio.create_task(tick(writer))
            with pytest.raises(core.WriteTimeout):
                await stream.write(large, 0.3)
            ticks.cancel()
            reading = asyncio.create_task(reader.readexactly(2 * len(large)))
            await stream.write(large, 60)
            assert await reading == 2 * large

    async def tick(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"tick")
            await asyncio.sleep(0.05)

    run(main)


def test_the_end_of_a_connection_and_its_reset_are_told_apart(run: Any) -> None:
    async def main() -> None:
        async with pair() as (stream, _, writer):
            assert not stream.get_extra_info("is_readable")
            writer.write(b"last")
            writer.close()
            assert await stream.read(9, 30) == b"last"
            assert [await stream.read(9, 30) for _ in range(2)] == [b"", b""]
            assert stream.get_extra_info("is_readable")
        async with pair() as (stream, _, writer):
            own = writer.get_extra_info("socket")
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()
            with pytest.raises(core.ReadError, match="reset"):
                await stream.read(9, 30)
            with pytest.raises(core.WriteError, match="reset"):
                await stream.write(b"x", 30)

    run(main)


def test_a_stream_that_is_closed_raises_and_its_read_under_way_ends(run: Any) -> None:
    async def main() -> None:
        async with pair() as (stream, _, _):
            reading = asyncio.create_task(stream.read(9, 60))
            await asyncio.sleep(0)
            await stream.aclose()
            with pytest.raises(core.ReadError, match="is closed"):
                await reading
            with pytest.raises(core.ReadError, match="is closed"):
                await stream.read(9, 60)
            with pytest.raises(core.WriteError, match="is closed"):
                await stream.write(b"x", 60)
            assert stream.get_extra_info("is_readable")

    run(main)


def test_the_bytes_that_came_before_the_stream_was_taken_over_are_kept(run: Any) -> None:
    async def main() -> None:
        async with pair() as (stream, _, writer):
            stream.read_queue = [b"be", b"fore, "]
            taken = network.Plain(stream._transport, core)
            writer.write(b"after")
            assert await taken.read(8, 30) == b"before, "
            assert await taken.read(9, 30) == b"after"
            assert taken.get_extra_info("server_addr") == taken.get_extra_info("socket").getpeername()
            assert taken.get_extra_info("ssl_object") is None

    run(main)


def test_a_connection_that_was_lost_before_the_stream_was_taken_over_is_an_error_at_once(run: Any) -> None:
    """With uvloop, the reset may come between the connect and the moment in which `Plain` becomes the protocol."""

    async def main() -> None:
        async with pair() as (stream, _, writer):
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()
            with pytest.raises(core.ReadError):
                await stream.read(9, 30)
            for exception in None, anyio.BrokenResourceError():
                stream.exception = exception
                taken = network.Plain(stream._transport, core)
                with pytest.raises(core.ReadError):
                    await taken.read(9, 1)
                with pytest.raises(core.WriteError):
                    await taken.write(b"x", 1)
                await taken.aclose()

    run(main)


def test_tls_ends_with_the_connection_and_a_broken_record_is_an_error(run: Any) -> None:
    async def main() -> None:
        context = tls()
        async with pair(ssl=context) as (stream, reader, writer):
            await stream.write(b"x" * 100_000, 30)
            assert await reader.readexactly(100_000) == b"x" * 100_000
            writer.write(b"y" * 50_000)
            got = b""
            while len(got) < 50_000:
                got += await stream.read(network.SIZE, 30)
            with pytest.raises(core.ReadTimeout):
                await stream.read(9, 0.05)
            # The rest of a record is there without another byte from the network.
            writer.write(b"z" * 30)
            assert [await stream.read(10, 30) for _ in range(3)] == [b"z" * 10] * 3
            assert stream.get_extra_info("ssl_object").version()
            writer.transport.abort()
            assert await stream.read(9, 30) == b""
        async with pair(ssl=context) as (stream, _, writer):
            with socket.socket(fileno=socket.dup(writer.get_extra_info("socket").fileno())) as raw:
                raw.send(b"no record of TLS's")
            with pytest.raises(core.ReadError, match="SSL"):
                await stream.read(9, 30)
            with pytest.raises(core.WriteError):
                await stream.write(b"x", 30)

    run(main)


def test_tls_goes_above_tls(run: Any) -> None:
    """As for an https proxy; `test_clients.py` has a whole stream over one."""

    async def main() -> None:
        async with pair(ssl=tls()) as (stream, _, writer):
            writer.write(b"HTTP/1.1 400 no second TLS\r\n\r\n")
            with pytest.raises(core.ConnectError, match="SSL"):
                await stream.start_tls(ssl.create_default_context(), "localhost", 30)

    run(main)


def test_a_handshake_that_fails_is_a_connect_error(run: Any) -> None:
    async def main() -> None:
        for said, error, is_of_tls in [
            (b"HTTP/1.1 400 no TLS\r\n\r\n", core.ConnectError, True),
            (b"", core.ConnectError, False),
            (None, core.ConnectTimeout, False),
        ]:
            async with pair() as (stream, _, writer):
                if said is not None:
                    writer.write(said)
                    writer.write_eof()
                with pytest.raises(error) as caught:
                    await stream.start_tls(ssl.create_default_context(), "localhost", 0.2 if said is None else 30)
                assert any(isinstance(cause, ssl.SSLError) for cause in causes(caught.value)) == is_of_tls
        async with pair() as (stream, _, _):
            with pytest.raises(ValueError, match="server_hostname"):
                await stream.start_tls(ssl.create_default_context(), "", 30)

    run(main)


def test_a_socket_is_readable_once_bytes_wait_or_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        ours, theirs = socket.socketpair()
        assert not network.is_readable(ours)
        theirs.send(b"x")
        assert network.is_readable(ours)
        theirs.close()
        ours.close()
        assert network.is_readable(ours)
        # As on Windows.
        monkeypatch.delattr(select, "poll", raising=False)
    assert network.is_readable(None)


def test_on_trio_alone_asyncio_is_not_imported() -> None:
    code = """
import sys, trio, g4flite
async def main():
    await g4flite.stream("cromicle", "Hi", base_url="http://127.0.0.1:1", retries=0).atext()
try:
    trio.run(main)
except g4flite.ConnectError:
    print("g4flite._core.transport.network" in sys.modules)
"""
    assert interpret(code) == "False\n"


def test_without_asyncio_httpcore_s_own_backend_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for _ in range(2):
        client = make_client(httpx.AsyncClient, Connection("http://acme.test", None, None))
        made += [type(client._transport._pool._network_backend).__name__]
        monkeypatch.delitem(sys.modules, "asyncio", raising=False)
    assert made == ["TakingOver", "AutoBackend"]


def test_odd_pools_and_streams_are_left_alone() -> None:
    class AutoBackend:
        async def connect_tcp(self) -> str:
            return "a stream of another library"

    network.read_over_asyncio(SimpleNamespace(_transport=object(), _mounts={}))
    own: Any = AutoBackend()
    pool = SimpleNamespace(_pool=SimpleNamespace(_network_backend=own))
    network.read_over_asyncio(SimpleNamespace(_transport=pool, _mounts={}))
    assert asyncio.run(own.connect_tcp()) == "a stream of another library"
