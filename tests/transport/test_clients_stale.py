"""A connection of the pool that the server has closed since its last response is replaced, and counts as no attempt.

Source: llama.cpp's server closes its connection 0.1 ms after a streamed reply that announced `Keep-Alive: timeout=5`
(seen in 2026).  RFC 9112 9.3.1 and 9.5 tell of the race.
"""

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import pytest
import trustme

import g4flite
from g4flite._core.timers import Timers
from g4flite._core.transport.clients import STALE, is_stale
from g4flite.testing import Emulator, Script
from tests.conftest import Driver
from tests.rows import rows

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: keep-alive\r\ntransfer-encoding: chunked\r\n\r\n"
ANSWER = (HEAD + b"3\r\nhel\r\n", b"2\r\nlo\r\n0\r\n\r\n")


class Server:
    """Answers the first request of each connection, and lets go of the connection at the second.

    `ending` is what happens at the second request: "fin" and "reset" close the connection, "part" and "part and reset"
    do so after a part of a response's head, and "silence" waits for the client to leave.  No answer to a first request
    ends before `together` of them have begun.  `requests` counts the requests of each connection.
    """

    def __init__(self, ending: str, context: ssl.SSLContext | None = None, answers: int = 1, together: int = 1) -> None:
        self.ending, self.context, self.answers = ending, context, answers
        self.together, self.begun = together, threading.Barrier(together)
        self.requests: list[int] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self.listener.getsockname()[1]}"
        self.threads = [threading.Thread(target=self.accept)]
        self.threads[0].start()

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                link, _ = self.listener.accept()
                self.threads.append(threading.Thread(target=self.serve, args=(link, len(self.requests))))
                self.requests.append(0)
                self.threads[-1].start()

    def serve(self, link: Any, number: int) -> None:
        with suppress(OSError):
            link.settimeout(30)
            if self.context is not None:
                link = self.context.wrap_socket(link, server_side=True)
            with link:
                while receive(link):
                    self.requests[number] += 1
                    if self.requests[number] > self.answers:
                        self.end(link)
                        return
                    link.sendall(ANSWER[0])
                    if number < self.together and self.requests[number] == 1:
                        self.begun.wait(30)
                    link.sendall(ANSWER[1])

    def end(self, link: Any) -> None:
        if "part" in self.ending:
            link.sendall(HEAD[:20])
            # A reset may overtake what was sent before.
            time.sleep(0.05)
        if self.ending == "silence":
            link.recv(1)
        elif "reset" in self.ending:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join()


class Wrapper(httpx.BaseTransport):
    """A transport of the caller's, around another one."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response: httpx.Response = self.inner.handle_request(request)
        return response

    def close(self) -> None:
        self.inner.close()


class AsyncWrapper(httpx.AsyncBaseTransport):
    def __init__(self, inner: Any) -> None:
        self.inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response: httpx.Response = await self.inner.handle_async_request(request)
        return response

    async def aclose(self) -> None:
        await self.inner.aclose()


def receive(link: Any) -> bytes:
    """Return one request, b"" if the client has left."""
    data = b""
    while piece := link.recv(65536):
        data += piece
        head, end, body = data.partition(b"\r\n\r\n")
        lengths = (line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        if end and len(body) >= int(next(lengths, 0)):
            break
    return data


@contextmanager
def serving(ending: str, *args: Any, **kwargs: Any) -> Iterator[Server]:
    server = Server(ending, *args, **kwargs)
    try:
        yield server
    finally:
        server.close()


def in_turn(
    driver: Driver, client: Any, streams: Callable[[], list[g4flite.Stream]], begin: Callable[[], Any] = lambda: None
) -> list[str]:
    """Return the texts of all streams but the last, which are read side by side, and then the text of the last."""

    async def aread() -> list[str]:
        async with client:
            if (begun := begin()) is not None:
                await begun
            *together, last = streams()
            loops = [aiter(stream) for stream in together]
            texts = [await anext(loop) for loop in loops]
            for number, loop in enumerate(loops):
                texts[number] += "".join([chunk async for chunk in loop])
            driver.stream = last
            return [*texts, await last.atext()]

    if driver.name != "sync":
        result: list[str] = driver.run(aread)
        return result
    with client:
        begin()
        *together, last = streams()
        loops = [iter(stream) for stream in together]
        texts = [next(loop) for loop in loops]
        texts = [text + "".join(loop) for text, loop in zip(texts, loops, strict=True)]
        driver.stream = last
        return [*texts, last.text()]


@rows("before", [1, 3])
@rows("ending", ["fin", "reset"])
def test_a_stale_connection_is_replaced_and_counts_as_no_attempt(ending: str, before: int, driver: Driver) -> None:
    with serving(ending, together=before) as server:
        client = g4flite.Client("cromicle", base_url=server.url, retries=0)
        texts = in_turn(driver, client, lambda: [client.stream("Hi") for _ in range(before + 1)])
        assert texts == ["hello"] * (before + 1)
        assert [attempt.outcome for attempt in driver.stream.attempts] == ["complete"]
        # The other connections that were idle are closed unused.
        assert sorted(server.requests) == [1] * before + [2]


@rows("ending", ["fin", "reset"])
@rows("own", [False, True])
def test_a_stale_connection_of_the_caller_s_client_is_replaced(own: bool, ending: str, driver: Driver) -> None:
    with serving(ending) as server:
        client = driver.client()
        streams = [g4flite.stream("cromicle", "Hi", base_url=server.url, client=client, retries=0) for _ in range(2)]
        begin = (lambda: client.get(server.url)) if own else lambda: None
        assert set(in_turn(driver, client, lambda: streams[own:], begin)) == {"hello"}
        assert sorted(server.requests) == [1, 2]


@pytest.mark.parametrize("ending", ["part", "part and reset"])
def test_a_connection_that_the_caller_made_and_that_ends_inside_a_head_is_not_replaced(
    ending: str, driver: Driver
) -> None:
    with serving(ending) as server:
        client = driver.client()
        stream = g4flite.stream("cromicle", "Hi", base_url=server.url, client=client, retries=0)
        with pytest.raises(g4flite.TransportError, match="closed the connection before it responded"):
            in_turn(driver, client, lambda: [stream], lambda: client.get(server.url))
        assert server.requests == [2]


def test_a_stale_connection_to_a_proxy_is_replaced(driver: Driver) -> None:
    with serving("fin") as server:
        client = g4flite.Client("cromicle", base_url="http://upstream.test", proxy=server.url, retries=0)
        assert in_turn(driver, client, lambda: [client.stream("Hi") for _ in range(2)]) == ["hello"] * 2
        assert server.requests == [2, 1]


@pytest.mark.parametrize("ending", ["fin", "reset"])
def test_a_stale_connection_over_tls_is_replaced(ending: str, driver: Driver) -> None:
    authority = trustme.CA()
    context, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(trusting)
    with serving(ending, context) as server:
        client = g4flite.Client("cromicle", base_url=server.url, verify=trusting, retries=0)
        assert in_turn(driver, client, lambda: [client.stream("Hi") for _ in range(2)]) == ["hello"] * 2
        assert server.requests == [2, 1]


@pytest.mark.parametrize("ending", ["part", "part and reset"])
def test_a_connection_that_ends_inside_a_response_s_head_is_not_replaced(ending: str, driver: Driver) -> None:
    with serving(ending) as server:
        client = g4flite.Client("cromicle", base_url=server.url, retries=0)
        with pytest.raises(g4flite.TransportError, match="closed the connection before it responded"):
            in_turn(driver, client, lambda: [client.stream("Hi") for _ in range(2)])
        assert server.requests == [2]


@pytest.mark.parametrize("ending", ["fin", "reset"])
def test_a_new_connection_that_ends_is_a_failure(ending: str, driver: Driver) -> None:
    with serving(ending, answers=0) as server:
        with pytest.raises(g4flite.TransportError, match="closed the connection before it responded"):
            driver.collect("cromicle", "Hi", base_url=server.url)
        assert server.requests == [1]


def test_silence_on_a_connection_that_was_used_before_is_no_stale_connection(driver: Driver) -> None:
    with serving("silence") as server:
        client = g4flite.Client("cromicle", base_url=server.url, retries=0, timeout=g4flite.Timeout(first_token=0.3))
        with pytest.raises(g4flite.FirstTokenTimeoutError):
            in_turn(driver, client, lambda: [client.stream("Hi") for _ in range(2)])
        assert server.requests == [2]


@rows("wrapped", [False, True])
@rows("ending", ["fin", "reset"])
def test_a_request_is_sent_over_one_stale_connection_at_most(ending: str, wrapped: bool, driver: Driver) -> None:
    with serving(ending, together=25) as server:
        client = driver.client(limits=httpx.Limits(max_connections=None, max_keepalive_connections=None))
        if wrapped:
            client._transport = (Wrapper if driver.name == "sync" else AsyncWrapper)(client._transport)
        call: dict[str, Any] = {"base_url": server.url, "client": client, "retries": 0}
        texts = in_turn(driver, client, lambda: [g4flite.stream("cromicle", "Hi", **call) for _ in range(26)])
        assert texts == ["hello"] * 26
        assert server.requests.count(2) == 1


def test_the_idle_connections_to_other_hosts_stay_open(driver: Driver) -> None:
    with serving("fin") as stale, Emulator() as other:
        client = driver.client()
        urls = (other.url, stale.url, stale.url, other.url)
        calls: list[dict[str, Any]] = [{"base_url": url, "client": client, "retries": 0} for url in urls]

        async def aread() -> None:
            async with client:
                for call in calls:
                    assert await g4flite.stream("cromicle", "Hi", **call).atext()

        if driver.name == "sync":
            with client:
                for call in calls:
                    assert g4flite.stream("cromicle", "Hi", **call).text()
        else:
            driver.run(aread)
        assert (stale.requests, other.connections) == ([2, 1], 1)


def test_connect_starts_anew_for_the_connection_that_replaces_a_stale_one_and_first_token_runs_on() -> None:
    now = 0.0
    timers = Timers(g4flite.Timeout(connect=5, first_token=20, total=None), lambda: now)
    assert timers.connecting() == 5
    timers.connected = True
    timers.requesting()
    assert timers.left_for_head() == 20
    now = 8.0
    assert is_stale(httpx.WriteError("broken pipe"), timers)
    timers.reconnect()
    assert timers.connecting() == 5
    timers.connected = True
    assert timers.left() == 12


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "reset"])
@pytest.mark.parametrize("calls", [50, pytest.param(1000, marks=pytest.mark.long)])
def test_every_call_succeeds_at_a_server_that_closes_right_after_each_response(
    calls: int, reset: bool, driver: Driver
) -> None:
    async def aread() -> list[str]:
        async with client:
            return [await client.stream("Hi").atext() for _ in range(calls)]

    with Emulator(script=Script(hangup=True, reset=reset)) as server:
        client = g4flite.Client("cromicle", base_url=server.url, retries=0)
        if driver.name == "sync":
            with client:
                texts = [client.stream("Hi").text() for _ in range(calls)]
        else:
            texts = driver.run(aread)
        assert texts == ["You said: Hi"] * calls
        assert server.connections >= calls


def test_a_closed_stream_replaces_nothing_and_no_attempt_replaces_connections_without_end() -> None:
    timers = Timers(g4flite.Timeout())
    timers.connected = True
    timers.requesting()
    # Nobody has counted a read, so that a part of the head may have come.
    assert not is_stale(httpx.ReadError("reset"), timers)
    timers.left_for_head()
    timers.replaced = STALE
    assert not is_stale(httpx.ReadError("reset"), timers)
    timers.replaced = 0
    assert is_stale(httpx.ReadError("reset"), timers)
    timers.abort()
    assert not is_stale(httpx.ReadError("reset"), timers)
