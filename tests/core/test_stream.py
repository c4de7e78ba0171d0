"""`Stream` is lazy, is read once, and is closed if its loop is left; and the caller's clients and proxies."""

import dataclasses
import threading
import warnings
from typing import Any

import anyio
import pytest
from pytest_httpx import HTTPXMock, IteratorStream

import g4flite
from g4flite import providers
from g4flite._core.events import Reasoning
from g4flite.testing import Emulator, Script
from tests.acme import ACME
from tests.conftest import Driver, httpx


def reply(httpx_mock: HTTPXMock, *chunks: bytes, **kwargs: Any) -> None:
    httpx_mock.add_response(stream=IteratorStream(list(chunks)), **kwargs)


def test_a_stream_gives_its_chunks_in_order(driver: Driver, httpx_mock: HTTPXMock) -> None:
    reply(httpx_mock, b"he", b"llo")
    assert driver.collect(ACME, "Hi") == ["he", "llo"]
    request = httpx_mock.get_requests()[0]
    assert (request.method, str(request.url), request.content) == ("POST", "http://acme.test/chat", b'{"prompt":"Hi"}')
    assert request.headers["content-type"] == "application/json"


def test_nothing_is_sent_before_the_iteration(httpx_mock: HTTPXMock) -> None:
    stream = g4flite.stream(ACME, "Hi")
    assert repr(stream) == "<Stream of acme, model None: new, 0 characters>"
    assert stream.partial == ""
    stream.close()
    assert repr(stream) == "<Stream of acme, model None: closed, 0 characters>"
    with pytest.raises(g4flite.StreamConsumed):
        iter(stream)


def test_a_stream_cannot_be_read_twice(driver: Driver, httpx_mock: HTTPXMock) -> None:
    reply(httpx_mock, b"hello")
    driver.collect(ACME, "Hi")
    with pytest.raises(g4flite.StreamConsumed, match="acme: a stream is read once; call stream"):
        iter(driver.stream)
    with pytest.raises(g4flite.StreamConsumed):
        aiter(driver.stream)
    assert repr(driver.stream) == "<Stream of acme, model None: complete, 5 characters>"


def test_partial_is_the_text_so_far(driver: Driver, httpx_mock: HTTPXMock) -> None:
    reply(httpx_mock, b"a", b"b", b"c")
    stream = g4flite.stream(ACME, "Hi", model="m")
    seen = []

    def read() -> None:
        for _ in stream:
            seen.append((stream.partial, repr(stream)))

    async def aread() -> None:
        async for _ in stream:
            seen.append((stream.partial, repr(stream)))

    read() if driver.name == "sync" else driver.run(aread)
    assert [partial for partial, _ in seen] == ["a", "ab", "abc"]
    assert seen[1][1] == "<Stream of acme, model m: streaming, 2 characters>"
    assert (stream.provider, stream.model, stream.partial) == ("acme", "m", "abc")


def test_text_returns_the_whole_answer(driver: Driver, httpx_mock: HTTPXMock) -> None:
    reply(httpx_mock, b"he", b"llo")
    stream = g4flite.stream(ACME, "Hi")
    assert (stream.text() if driver.name == "sync" else driver.run(stream.atext)) == "hello"


def test_a_reply_without_text_is_an_empty_reply_error(driver: Driver, httpx_mock: HTTPXMock) -> None:
    reply(httpx_mock)
    with pytest.raises(g4flite.EmptyReplyError, match="acme: the reply is complete but holds no text"):
        driver.collect(ACME, "Hi")


def test_close_ends_the_loop(server: Emulator) -> None:
    server.script = Script(wait=30)
    stream = g4flite.stream("cromicle", "Hi", base_url=server.url)
    running = iter(stream)
    assert next(running) == "You"
    stream.close()
    stream.close()
    assert next(running, None) is None
    assert server.exchanges[0].disconnected.wait(10)
    assert "closed" in repr(stream)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_aclose_ends_the_loop(backend: str, server: Emulator) -> None:
    async def main() -> None:
        running = aiter(stream)
        assert await anext(running) == "You"
        with pytest.raises(TypeError, match="await aclose"):
            stream.close()
        await stream.aclose()
        assert await anext(running, None) is None

    server.script = Script(wait=30)
    stream = g4flite.stream("cromicle", "Hi", base_url=server.url)
    Driver(backend).run(main)
    assert server.exchanges[0].disconnected.wait(10)


def test_aclose_ends_a_sync_loop_too(server: Emulator) -> None:
    server.script = Script(wait=30)
    stream = g4flite.stream("cromicle", "Hi", base_url=server.url)
    running = iter(stream)
    next(running)
    Driver("asyncio").run(stream.aclose)
    assert next(running, None) is None


def test_close_during_a_read_raises_stream_closed_error_in_the_loop(server: Emulator) -> None:
    """The parser closes the stream, as another thread may do during the first read."""

    class Closing(g4flite.TextParser):
        def feed(self, data: bytes) -> tuple[str, ...]:
            stream.close()
            return super().feed(data)

    server.script = Script(body="ab", split=1, wait=30)
    stream = g4flite.stream(dataclasses.replace(ACME, parser=Closing), "Hi", base_url=server.url)
    with pytest.raises(g4flite.StreamClosedError) as caught:
        stream.text()
    assert caught.value.partial == "a"


def test_a_stream_can_be_closed_if_its_loop_never_began(driver: Driver) -> None:
    async def main() -> None:
        running = aiter(stream)
        await stream.aclose()
        with pytest.raises(g4flite.StreamClosedError):
            await anext(running)

    stream = g4flite.stream(ACME, "Hi", base_url="http://127.0.0.1:1")
    if driver.name == "sync":
        running = iter(stream)
        stream.close()
        with pytest.raises(g4flite.StreamClosedError):
            next(running)
    else:
        driver.run(main)
    assert repr(stream) == "<Stream of acme, model None: closed, 0 characters>"


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_aclose_closes_the_loop_that_a_task_has_left_before_it_ended(backend: str, server: Emulator) -> None:
    async def read() -> None:
        loops.append(aiter(stream))
        async for _ in loops[0]:
            break

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
        await stream.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(loops[0])

    loops: list[Any] = []
    stream = g4flite.stream("flowgpt", "Hi", base_url=server.url)
    Driver(backend).run(main)
    assert stream.attempts[0].outcome == "closed"


def test_the_caller_s_client_is_used_and_left_open(driver: Driver, server: Emulator) -> None:
    async def work() -> None:
        async with driver.client(headers={"x-own": "1"}, cookies={"c": "2"}) as client:
            for _ in range(2):
                assert await g4flite.stream("cromicle", "Hi", base_url=server.url, client=client).atext()
            assert not client.is_closed

    if driver.name == "sync":
        with driver.client(headers={"x-own": "1"}, cookies={"c": "2"}) as client:
            for _ in range(2):
                assert g4flite.stream("cromicle", "Hi", base_url=server.url, client=client).text()
            assert not client.is_closed
    else:
        driver.run(work)
    headers = {name.lower(): value for name, value in server.exchanges[1].headers}
    assert (headers["x-own"], headers["cookie"], headers["accept"]) == ("1", "c=2", "*/*")
    assert server.connections == 1


def test_a_client_sends_back_the_cookies_that_a_response_sets(driver: Driver, server: Emulator) -> None:
    once, never = Script(headers={"set-cookie": "worker=7"}), Script()

    async def work() -> None:
        async with g4flite.Client("cromicle", base_url=server.url) as client:
            for server.script in (once, never, never):
                await client.stream("Hi").atext()

    if driver.name == "sync":
        with g4flite.Client("cromicle", base_url=server.url) as client:
            for server.script in (once, never, never):
                client.stream("Hi").text()
    else:
        driver.run(work)
    sent = [{name.lower(): value for name, value in exchange.headers} for exchange in server.exchanges]
    assert [headers.get("cookie") for headers in sent] == [None, "worker=7", "worker=7"]


@pytest.mark.parametrize("client", [httpx.Client(), httpx.AsyncClient()])
def test_a_sync_client_in_async_and_an_async_client_in_sync_are_type_errors(client: Any, driver: Driver) -> None:
    right = httpx.Client if driver.name == "sync" else httpx.AsyncClient
    if not isinstance(client, right):
        with pytest.raises(
            TypeError, match=rf"client= is of the type \w+, but `.*for` needs an httpx.{right.__name__};"
        ):
            driver.collect(ACME, "Hi", client=client)


def test_a_closed_client_and_a_value_that_is_no_client_are_refused_at_once() -> None:
    with pytest.raises(TypeError, match=r"client= must be an httpx.Client or httpx.AsyncClient, not int"):
        g4flite.stream(ACME, "Hi", client=5)  # type: ignore[arg-type]
    client = httpx.Client()
    client.close()
    with pytest.raises(g4flite.OptionError, match="client= is closed"):
        g4flite.stream(ACME, "Hi", client=client)


def test_the_argument_proxy_is_refused_beside_a_client() -> None:
    with pytest.raises(g4flite.OptionError, match="acme: proxy= and verify= cannot be given with client="):
        g4flite.stream(ACME, "Hi", client=httpx.Client(), proxy="http://127.0.0.1:1")


def test_the_environment_names_the_proxy_and_the_argument_wins(
    monkeypatch: pytest.MonkeyPatch, driver: Driver, server: Emulator
) -> None:
    monkeypatch.setenv("G4FLITE_PROXY", server.url)
    with pytest.raises(g4flite.StatusError):
        driver.collect("cromicle", "Hi", base_url="http://upstream.test")
    assert server.exchanges[0].path == "http://upstream.test/chat"
    monkeypatch.setenv("G4FLITE_PROXY", "nonsense")
    with pytest.raises(g4flite.OptionError, match="from G4FLITE_PROXY"):
        g4flite.stream(ACME, "Hi")
    with pytest.raises(g4flite.StatusError):
        driver.collect("cromicle", "Hi", base_url="http://upstream.test", proxy=server.url)


def test_the_public_host_of_a_retired_provider_causes_one_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.warns(g4flite.RetiredProviderWarning, match=r"cromicle: retired upstream since May 2025") as caught:
        g4flite.stream("cromicle", "Hi")
        g4flite.stream("cromicle", "Hi")
    assert len(caught) == 1
    assert caught[0].filename == __file__
    with pytest.warns(g4flite.RetiredProviderWarning, match="flowgpt"):
        g4flite.Client("flowgpt").stream("Hi")
    monkeypatch.setenv("G4FLITE_GPROCHAT_BASE_URL", "http://127.0.0.1:1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        g4flite.stream("free2gpt", "Hi", base_url="http://127.0.0.1:1")
        g4flite.Client("free2gpt", base_url="http://127.0.0.1:1").stream("Hi")
        g4flite.stream("gprochat", "Hi")
        g4flite.stream(dataclasses.replace(providers.FREE2GPT, retired=""), "Hi")


def test_a_custom_provider_streams_without_being_registered(driver: Driver, server: Emulator) -> None:
    server.script = Script(body="made to measure")
    assert "".join(driver.collect(ACME, "Hi", base_url=server.url, temperature=1)) == "made to measure"
    assert "acme" not in providers.names()


def test_a_socks_proxy_is_refused_if_socksio_is_not_installed(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "socksio", None)
    with pytest.raises(g4flite.OptionError, match="acme: a SOCKS proxy needs socksio: pip install socksio$"):
        driver.collect(ACME, "Hi", proxy="socks5://127.0.0.1:1")


def test_a_proxy_of_the_environment_that_httpx_refuses_is_an_option_error(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "gopher://u:s3cret@127.0.0.1")
    with pytest.raises(
        g4flite.OptionError, match="is not a URL that httpx can use.*HTTP_PROXY is gopher://127.0.0.1"
    ) as caught:
        driver.collect(ACME, "Hi")
    assert "s3cret" not in str(caught.value)


def test_an_unknown_failure_of_httpx_is_a_transport_error(driver: Driver, httpx_mock: HTTPXMock) -> None:
    httpx_mock.add_exception(httpx.ReadError(""))
    with pytest.raises(g4flite.TransportError, match="acme.test closed the connection before it responded: ReadError"):
        driver.collect(ACME, "Hi")


def test_a_url_whose_protocol_httpx_does_not_support_is_an_option_error(driver: Driver, httpx_mock: HTTPXMock) -> None:
    httpx_mock.add_exception(httpx.UnsupportedProtocol("no"))
    with pytest.raises(g4flite.OptionError, match="a URL that httpx refuses"):
        driver.collect(ACME, "Hi")


def test_a_connection_that_takes_too_long_is_a_connect_timeout_error(driver: Driver, httpx_mock: HTTPXMock) -> None:
    httpx_mock.add_exception(httpx.ConnectTimeout("slow"))
    with pytest.raises(g4flite.ConnectTimeoutError, match="connect: no connection to acme.test in 10 s"):
        driver.collect(ACME, "Hi")


def test_partial_is_the_whole_text_of_a_thousand_http_chunks(driver: Driver, server: Emulator) -> None:
    text = "".join(chr(0x100 + n) for n in range(1000))
    server.reply = lambda messages: [text]
    server.script = Script(split=2)
    driver.collect("cromicle", "Hi", base_url=server.url)
    assert driver.stream.partial == "".join(driver.chunks) == text


def test_no_text_is_kept_if_keep_partial_is_false(driver: Driver, server: Emulator) -> None:
    server.script = Script(cut=3)
    client = g4flite.Client("cromicle", base_url=server.url, retries=0)
    stream = client.stream("Hi", keep_partial=False)
    with pytest.raises(g4flite.TruncatedStreamError) as caught:
        driver.read(stream)
    driver.close(client)
    assert driver.chunks != []
    assert (stream.partial, stream.reasoning, caught.value.partial) == ("", "", "")


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_close_after_aclose_does_nothing(backend: str, server: Emulator) -> None:
    """The generator is gone then, and with it the reason why `close` is a TypeError."""

    async def main() -> None:
        async with stream:
            async for _ in stream:
                break
        stream.close()

    server.script = Script(wait=30)
    stream = g4flite.stream("cromicle", "Hi", base_url=server.url)
    Driver(backend).run(main)
    assert "closed" in repr(stream)


def test_close_from_another_thread_ends_a_loop_that_has_not_begun(server: Emulator) -> None:
    stream = g4flite.stream("cromicle", "Hi", base_url=server.url)
    running = iter(stream)
    closer = threading.Thread(target=stream.close)
    closer.start()
    closer.join()
    with pytest.raises(g4flite.StreamClosedError, match="cromicle: close"):
        next(running)
    assert "closed" in repr(stream)
    assert server.connections == 0


def test_with_closes_a_loop_whose_generator_is_still_referenced(server: Emulator) -> None:
    server.script = Script(wait=30)
    with g4flite.stream("cromicle", "Hi", base_url=server.url) as stream:
        running = iter(stream)
        assert next(running) == "You"
    assert server.exchanges[0].disconnected.wait(30)
    assert next(running, None) is None


def test_break_alone_frees_the_generator_in_async(server: Emulator) -> None:
    """asyncio then closes the generator; `async with` closes it on any event loop."""

    async def main() -> None:
        async for _ in stream:
            break
        assert await anyio.to_thread.run_sync(server.exchanges[0].disconnected.wait, 2)

    server.script = Script(wait=30)
    stream = g4flite.stream("cromicle", "Hi", base_url=server.url)
    Driver("asyncio").run(main)
    assert "closed" in repr(stream)


def test_neither_text_nor_reasoning_is_kept_with_keep_partial_false(driver: Driver, server: Emulator) -> None:
    server.reply = lambda messages: [Reasoning("Hm"), "Hi"]
    server.script = Script(dialect="vllm")
    items = driver.events("vllm", "Hello", model="m", base_url=f"{server.url}/v1", keep_partial=False)
    assert [item for item in items if isinstance(item, str | Reasoning)] == [Reasoning("Hm"), "Hi"]
    assert (driver.stream.partial, driver.stream.reasoning) == ("", "")
