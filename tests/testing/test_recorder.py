"""`record()`: what a file holds of replies that were left, cut short or never came, and over which transports."""

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import anyio
import httpx
import pytest

import g4flite
from g4flite._core.transport.tls import unused_context
from g4flite.testing import Emulator, Script, record, replay
from tests.conftest import Driver
from tests.testing.recordings import OPEN, SSE, post, read


def test_a_stream_that_its_reader_left_ends_as_left(driver: Driver, server: Emulator, path: Path) -> None:
    server.script = Script(wait=0.05)
    recorded = read(driver, record(path), server.url, {}, limit=1)
    assert path.read_text().endswith(" left\n")
    assert read(driver, replay(path), server.url, {}, limit=1) == recorded
    (further,) = read(driver, replay(path), server.url, {})
    assert further.chunks[:1] == recorded[0].chunks
    assert further.error.startswith(
        "NotRecorded: the reader of the recorded reply left here, so that no more is known;"
    )


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("silence", [0.0, 60.0])
def test_a_task_that_was_cancelled_has_left(backend: str, silence: float, server: Emulator, path: Path) -> None:
    server.script = Script(silence=silence, wait=60, body=2 * (SSE % b"Hi"), split=len(SSE))

    async def ask() -> str:
        async with httpx.AsyncClient(transport=record(path)) as client, anyio.create_task_group() as tasks:
            stream = g4flite.stream("llamacpp", "Hi", base_url=f"{server.url}/v1", client=client, retries=0)

            async def leave() -> None:
                while not (stream.partial or (silence and server.exchanges)):  # noqa: ASYNC110 - no event says so
                    await anyio.sleep(0.001)
                tasks.cancel_scope.cancel()

            tasks.start_soon(leave)
            async with stream:
                async for _ in stream:
                    pass
        return stream.partial

    assert anyio.run(ask, backend=backend) == ("" if silence else "Hi")
    assert path.read_text().endswith(" left\n")
    assert ("\n< " in path.read_text()) is not bool(silence)
    (replayed,) = read(Driver(backend), replay(path), server.url, {})
    assert replayed.error.startswith("NotRecorded: the reader of the recorded reply left here")


def test_the_first_end_of_a_reply_counts(driver: Driver, path: Path) -> None:
    """httpx closes a body that has ended, and one whose reading has failed."""

    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("too bad", request=request)

    post(driver, record(path, httpx.MockTransport(lambda request: httpx.Response(200, content=b"Hi"))), "http://h.test")
    assert path.read_text().endswith(" end\n")
    with pytest.raises(httpx.ReadError):
        post(driver, record(path.with_name("two.txt"), httpx.MockTransport(fail)), "http://h.test/")
    assert path.with_name("two.txt").read_text().endswith(" ReadError: too bad\n")


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body in pieces, the first of which is empty, as a transport of the caller's own may give it."""

    def __iter__(self) -> Iterator[bytes]:
        yield from (b"", b"Hi")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


def test_an_empty_piece_is_not_written(driver: Driver, path: Path) -> None:
    transport = record(path, httpx.MockTransport(lambda request: httpx.Response(200, stream=Body())))
    assert post(driver, transport, "http://h.test/")[1] == [b"Hi"]
    (piece,) = [line for line in path.read_text().splitlines() if line[:1].isdigit()]
    assert piece.endswith(" Hi")


def test_a_file_is_kept_until_a_response_comes(driver: Driver, path: Path) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no network", request=request)

    def ask(answer: httpx.MockTransport) -> str:
        with suppress(httpx.ConnectError):
            post(driver, record(path, answer), "http://h.test/")
        return path.read_text()

    failed = ask(httpx.MockTransport(fail))
    assert failed.endswith("ConnectError: no network\n")
    answered = ask(httpx.MockTransport(lambda request: httpx.Response(200, content=b"Hi")))
    assert "Hi" in answered
    assert ask(httpx.MockTransport(fail)) == answered


def test_a_response_of_a_transport_without_a_network_stream_is_complete_at_its_end(driver: Driver, path: Path) -> None:
    """Nothing says of such a body that the network may have cut it off."""

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["accept-encoding"] == "identity"
        return httpx.Response(200, content=SSE % b"Hi", headers={"content-length": "9999"})

    recorded = read(driver, record(path, httpx.MockTransport(answer)), "http://127.0.0.1:1", {"provider": OPEN})
    assert recorded[0].partial == "Hi"
    assert read(driver, replay(path), "http://127.0.0.1:1", {"provider": OPEN}) == recorded


def test_a_sync_client_refuses_an_async_transport_and_the_other_way_round(path: Path) -> None:
    with (
        httpx.Client(transport=record(path, httpx.AsyncHTTPTransport(verify=unused_context()))) as client,
        pytest.raises(TypeError, match=r"an httpx\.Client needs an httpx\.BaseTransport"),
    ):
        client.get("http://127.0.0.1:1")

    async def aget() -> None:
        async with httpx.AsyncClient(transport=record(path, httpx.HTTPTransport(verify=unused_context()))) as client:
            await client.get("http://127.0.0.1:1")

    with pytest.raises(TypeError, match=r"an httpx\.AsyncClient needs an httpx\.AsyncBaseTransport"):
        anyio.run(aget)
    assert not path.exists()
