"""A client of httpx2 works like a client of httpx.  `make test-httpx2` runs the whole suite over such clients."""

import asyncio
import gc
import gzip
import socket
import warnings
import zlib
from typing import Any

import anyio
import httpcore
import httpx
import httpx2
import pytest

import g4flite
from g4flite._core.provider import Request
from g4flite._core.transport.clients import Connection, make_client
from g4flite._core.transport.httpx import Own, built, use_fast_locks
from g4flite.testing import Emulator, Script
from tests.acme import ACME
from tests.conftest import Driver
from tests.rows import rows


def client_of(driver: Driver, **kwargs: Any) -> Any:
    kind: Any = httpx2.Client if driver.name == "sync" else httpx2.AsyncClient
    # The client keeps no connection, so that nothing has to be closed.
    return kind(limits=httpx2.Limits(max_keepalive_connections=0), **kwargs)


def test_text_comes_over_a_client_of_httpx2(driver: Driver, server: Emulator) -> None:
    client = client_of(driver, headers={"x-own": "1"})
    assert "".join(driver.collect("flowgpt", "Hi", base_url=server.url, client=client)) == "You said: Hi"
    assert ("x-own", "1") in [(name.lower(), value) for name, value in server.exchanges[0].headers]
    assert not client.is_closed


def test_a_failure_of_httpx2_has_the_same_error_as_a_failure_of_httpx(driver: Driver, server: Emulator) -> None:
    client = client_of(driver)
    with pytest.raises(g4flite.ConnectError, match="could not connect to 127.0.0.1:1: Connection refused"):
        driver.collect("cromicle", "Hi", base_url="http://127.0.0.1:1", client=client)
    server.script = Script(body="two words", cut=4, split=(3,))
    with pytest.raises(g4flite.TruncatedStreamError):
        driver.collect("cromicle", "Hi", base_url=server.url, client=client)


@pytest.mark.parametrize(
    ("script", "timeout", "error"),
    [
        (Script(silence=30), g4flite.Timeout(first_token=0.1), g4flite.FirstTokenTimeoutError),
        (Script(wait=30), g4flite.Timeout(idle=0.1), g4flite.IdleTimeoutError),
    ],
)
def test_the_timers_bound_the_reads_of_a_client_of_httpx2(
    script: Script, timeout: g4flite.Timeout, error: type[Exception], driver: Driver, server: Emulator
) -> None:
    server.script = script
    with pytest.raises(error):
        driver.collect("cromicle", "Hi", base_url=server.url, client=client_of(driver), timeout=timeout)


def test_a_client_of_httpx2_that_is_closed_or_of_the_wrong_kind_is_refused(driver: Driver) -> None:
    wrong = httpx2.AsyncClient() if driver.name == "sync" else httpx2.Client()
    with pytest.raises(TypeError, match="needs an httpx"):
        driver.collect(ACME, "Hi", client=wrong)
    closed = httpx2.Client()
    closed.close()
    with pytest.raises(g4flite.OptionError, match="client= is closed"):
        g4flite.stream(ACME, "Hi", client=closed)


def test_a_compressed_reply_is_inflated_once(driver: Driver, server: Emulator) -> None:
    for coding, body in (("gzip", gzip.compress(b"hello")), ("deflate", zlib.compress(b"hello"))):
        server.script = Script(body=body, headers={"content-encoding": coding})
        assert "".join(driver.collect("cromicle", "Hi", base_url=server.url)) == "hello"


@pytest.mark.parametrize("coding", ["", "gzip"])
def test_a_body_that_a_hook_of_the_client_s_has_read_is_read_again(
    coding: str, driver: Driver, server: Emulator
) -> None:
    async def aread(response: Any) -> None:
        await response.aread()

    async def work() -> str:
        async with driver.client(event_hooks={"response": [aread]}) as client:
            return await g4flite.stream("cromicle", "Hi", base_url=server.url, client=client).atext()

    server.script = Script(body="hello")
    if coding:
        server.script = Script(body=gzip.compress(b"hello"), headers={"content-encoding": coding})
    if driver.name == "sync":
        with driver.client(event_hooks={"response": [lambda response: response.read()]}) as client:
            assert g4flite.stream("cromicle", "Hi", base_url=server.url, client=client).text() == "hello"
    else:
        assert driver.run(work) == "hello"


@rows(
    ("head", "error"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", g4flite.EmptyReplyError),
        (b"HTTP/1.1 203 Fine\r\n\r\n", g4flite.TruncatedStreamError),
        (b"HTTP/1.1 205 Fine\r\n\r\n", g4flite.TruncatedStreamError),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", g4flite.TruncatedStreamError),
    ],
)
def test_only_a_status_without_a_body_needs_no_length(
    head: bytes, error: type[Exception], driver: Driver, server: Emulator
) -> None:
    server.script = Script(raw=head)
    with pytest.raises(error):
        driver.collect("cromicle", "Hi", base_url=server.url)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_request_that_is_cancelled_while_it_is_sent_leaves_no_warning(backend: str) -> None:
    async def main() -> None:
        stream = g4flite.stream("cromicle", "x" * 2**24, base_url=f"http://127.0.0.1:{listener.getsockname()[1]}")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stream.atext)
            link, _ = await anyio.to_thread.run_sync(listener.accept)
            with link:
                await anyio.sleep(0.1)  # until all buffers are full, as nobody reads
                tasks.cancel_scope.cancel()

    with socket.create_server(("127.0.0.1", 0)) as listener, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Driver(backend).run(main)
        gc.collect()
    assert [str(warning.message) for warning in caught] == []


def test_a_client_made_here_sends_the_same_headers_as_one_of_the_caller_s(driver: Driver, server: Emulator) -> None:
    with driver.one_client() as client:
        for own in ({}, {"client": client}):
            driver.collect("cromicle", "Hi", base_url=server.url, headers={"X-A": "1"}, **own)
    ours, given = ([(name.lower(), value) for name, value in exchange.headers] for exchange in server.exchanges)
    assert sorted(ours) == sorted(given)
    assert ("x-a", "1") in ours


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "application/json", "authorization": "Bearer k"},
        {"accept": "text/event-stream", "user-agent": "mine", "x-own": "1"},
    ],
)
@pytest.mark.parametrize("body", [b"", b"hello"])
@pytest.mark.parametrize("url", ["http://acme.test/chat?a=b", "https://bücher.test:444/"])
def test_the_request_of_an_own_client_is_the_one_that_httpx_would_make(
    headers: dict[str, str], body: bytes, url: str
) -> None:
    with make_client(httpx.Client, Connection("http://acme.test", None, None)) as client:
        passed = {"timeout": {"read": 1.0}}
        wanted = Request(url, headers, body)
        theirs = client.build_request(wanted.method, url, headers=headers, content=body, extensions=passed)
        theirs.headers["accept-encoding"] = "gzip, deflate"
        own = Own()
        # A source remembers the headers of the request before.
        for before in Request("http://acme.test/", headers, b"x"), Request(url, {"x-a": "1"}, b"x"), wanted:
            built(client, before, passed, own)
        made = built(client, wanted, passed, own)
        assert sorted(made.headers.multi_items()) == sorted(theirs.headers.multi_items())
        assert (made.method, made.url, made.content, made.extensions) == (
            theirs.method, theirs.url, theirs.content, theirs.extensions
        )  # fmt: skip
        assert b"".join(made.stream) == body  # type: ignore[arg-type]


def test_a_source_parses_a_url_anew_once_it_is_another() -> None:
    own = Own()
    first = own.url("http://acme.test/a", httpx.URL)
    assert own.url("http://acme.test/a", httpx.URL) is first
    assert type(own.url("http://acme.test/a", httpx2.URL)) is httpx2.URL
    assert [str(own.url(url, httpx.URL)) for url in ("http://acme.test/b", "http://acme.test/a")] == [
        "http://acme.test/b", "http://acme.test/a"
    ]  # fmt: skip
    for _ in range(2):
        with pytest.raises(UnicodeError):
            own.url("http://xn--zzzz--.test/", httpx.URL)


def test_requests_that_begin_together_on_asyncio_find_a_connection_at_once(
    server: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    anew, kind = [], httpcore._async.connection_pool.AsyncPoolRequest
    clear = kind.clear_connection

    def noting(noted: Any) -> None:
        anew.append(noted)
        clear(noted)

    monkeypatch.setattr(kind, "clear_connection", noting)

    async def main() -> None:
        async with g4flite.Client("cromicle", base_url=server.url) as client:
            for _ in range(3):
                texts = await asyncio.gather(*[client.stream("Hi").atext() for _ in range(8)])
                assert texts == ["You said: Hi"] * 8

    asyncio.run(main())
    assert server.connections == 8
    assert not anew


def test_a_response_without_a_connection_of_httpcore_s_has_no_locks() -> None:
    use_fast_locks(httpx.Response(200))
