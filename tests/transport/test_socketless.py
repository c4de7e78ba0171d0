"""The timers and close() over transports without a socket: mocks, ASGI applications, wrappers of other transports."""

import gc
import gzip
import time
import warnings
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import replace
from itertools import accumulate, chain, product, repeat
from typing import Any

import anyio
import pytest

import g4flite
from g4flite import Timeout
from g4flite._core.transport import driver as driver_module
from g4flite._core.transport.socketless import READS
from g4flite.testing import Emulator, Script
from tests.acme import ACME
from tests.clock import Clock
from tests.conftest import Driver, httpx
from tests.exchanges import arrived
from tests.rows import rows

PING = b": ping\n\n"
TEXT = b'data: {"choices": [{"delta": {"content": "hello"}, "index": 0}]}\n\n'
DONE = b"data: [DONE]\n\n"
NEVER = Timeout(connect=None, first_token=None, idle=None, total=None)


class Mock(httpx.BaseTransport, httpx.AsyncBaseTransport):  # type: ignore[misc, name-defined, unused-ignore]
    """Answers with these pieces.  At a piece that is None it pauses, at first if `silent`: for ever in async.

    In sync, where nothing could end that, it calls `pause` instead.
    """

    def __init__(self, *pieces: bytes | None, silent: bool = False, pause: Callable[[], None] = lambda: None) -> None:
        self.pieces: Iterable[bytes | None] = pieces
        self.silent, self.pause, self.headers, self.status = silent, pause, dict[str, str](), 200
        self.waiting = anyio.Event()
        self.ended = False

    def handle_request(self, request: Any) -> Any:
        if self.silent:
            self.pause()
        return httpx.Response(self.status, headers=self.headers, stream=Body(self))

    async def handle_async_request(self, request: Any) -> Any:
        if self.silent:
            await self.wait()
        return httpx.Response(self.status, headers=self.headers, stream=Body(self))

    async def wait(self) -> None:
        self.waiting.set()
        await anyio.sleep_forever()


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):  # type: ignore[misc, name-defined, unused-ignore]
    def __init__(self, mock: Mock) -> None:
        self.mock = mock

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.mock.pieces:
            if piece is None:
                self.mock.pause()
            else:
                yield piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            for piece in self.mock.pieces:
                if piece is None:
                    await self.mock.wait()
                else:
                    yield piece
        finally:
            self.mock.ended = True


def stream_over(
    driver: Driver, transport: Any, base_url: str = "http://127.0.0.1:1/v1", **kwargs: Any
) -> g4flite.Stream:
    kind = httpx.Client if driver.name == "sync" else httpx.AsyncClient
    call: Any = {"model": "m", "api_key": "sk-test-1", "retries": 0, **kwargs}
    return g4flite.stream("openai", "Hi", base_url=base_url, client=kind(transport=transport), **call)


def is_over(driver: Driver, mock: Mock, timeout: Timeout) -> Any:
    """Read a stream whose transport pauses for ever, in sync for a minute by the clock of the timers."""
    stream = stream_over(driver, mock, timeout=timeout)
    if driver.name == "sync":
        clock = stream._run.timers._clock = Clock()

        def pause() -> None:
            clock.now += 60

        mock.pause = pause
    began = time.monotonic()
    with pytest.raises(g4flite.StreamTimeoutError) as caught:
        driver.read(stream)
    assert time.monotonic() - began < 10
    return caught.value


@rows(
    ("pieces", "timeout", "error", "partial"),
    [
        ((PING, None, TEXT, DONE), Timeout(first_token=0.1), g4flite.FirstTokenTimeoutError, ""),
        ((TEXT, None, TEXT, DONE), Timeout(idle=0.1), g4flite.IdleTimeoutError, "hello"),
        ((TEXT, PING, None, DONE), Timeout(idle=0.1), g4flite.IdleTimeoutError, "hello"),
        ((TEXT, None, TEXT, DONE), Timeout(total=0.2), g4flite.TotalTimeoutError, "hello"),
    ],
)
def test_each_read_is_bounded(
    pieces: tuple[bytes | None, ...], timeout: Timeout, error: type[Exception], partial: str, driver: Driver
) -> None:
    caught = is_over(driver, Mock(*pieces), timeout)
    assert (type(caught), caught.partial) == (error, partial)


@pytest.mark.parametrize(
    ("timeout", "error"),
    [
        (Timeout(first_token=0.1), g4flite.FirstTokenTimeoutError),
        (Timeout(total=0.1), g4flite.TotalTimeoutError),
    ],
)
def test_the_wait_for_a_response_is_bounded(timeout: Timeout, error: type[Exception], driver: Driver) -> None:
    assert type(is_over(driver, Mock(TEXT, DONE, silent=True), timeout)) is error


def test_an_answer_comes_whole(driver: Driver) -> None:
    assert driver.read(stream_over(driver, Mock(PING, TEXT, TEXT, DONE))) == ["hello", "hello"]
    assert driver.read(stream_over(driver, Mock(TEXT, DONE), timeout=NEVER)) == ["hello"]


def test_an_empty_piece_is_not_the_end(driver: Driver) -> None:
    assert driver.read(stream_over(driver, Mock(b"", b"", TEXT, b"", TEXT, b"", b"", DONE, b""))) == ["hello", "hello"]
    # No protocol marks the end of this one.
    mock = Mock(b"Hello ", b"", b"world")
    kind = httpx.Client if driver.name == "sync" else httpx.AsyncClient
    assert driver.collect(ACME, "Hi", client=kind(transport=mock)) == ["Hello ", "world"]
    mock = Mock(b"", b'{"error": {"message": "no ', b"", b'credit"}}')
    mock.status = 402
    with pytest.raises(g4flite.StatusError, match="no credit"):
        driver.read(stream_over(driver, mock))


@rows("backend", ["asyncio", "trio"])
@rows("mock", [Mock(silent=True), Mock(None), Mock(TEXT, None)])
def test_aclose_from_another_task_ends_the_wait(mock: Mock, backend: str) -> None:
    async def main() -> None:
        mock.waiting = anyio.Event()
        stream = stream_over(Driver(backend), mock)

        async def read() -> None:
            with pytest.raises(g4flite.StreamClosedError):
                await stream.atext()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await mock.waiting.wait()
            await stream.aclose()

    began = time.monotonic()
    Driver(backend).run(main)
    assert time.monotonic() - began < 10


def test_close_ends_a_sync_stream_once_the_read_ends() -> None:
    mock = Mock(PING, None, TEXT, DONE)
    stream = stream_over(Driver("sync"), mock)
    mock.pause = stream.close
    with pytest.raises(g4flite.StreamClosedError):
        stream.text()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_leaving_early_ends_the_generators_of_the_body(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of a body that would never end, and at once."""
    monkeypatch.setattr(driver_module, "CLOSING", 60.0)
    mock, began = Mock(TEXT, TEXT, None), time.monotonic()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        driver = Driver(backend)
        driver.read(stream_over(driver, mock), limit=1)
        assert mock.ended
        gc.collect()
    assert [str(warning.message) for warning in caught] == []
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_leaving_early_reads_little_of_a_body_that_never_waits(backend: str) -> None:
    mock, driver, reads = Mock(), Driver(backend), 0

    def pings() -> Iterator[bytes]:
        nonlocal reads
        for ping in repeat(PING):
            reads += 1
            yield ping

    mock.pieces = chain([TEXT], pings())
    with warnings.catch_warnings():
        # trio warns of each async generator that is never ended.
        warnings.simplefilter("ignore", ResourceWarning)
        assert driver.read(stream_over(driver, mock), limit=1) == ["hello"]
        gc.collect()
    assert reads <= 2 * READS


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_other_tasks_run_while_a_body_is_read_that_never_waits(backend: str) -> None:
    mock, driver = Mock(), Driver(backend)
    mock.pieces = repeat(PING)

    async def main() -> None:
        with anyio.move_on_after(0.1) as scope:
            await stream_over(driver, mock, timeout=Timeout(first_token=60)).atext()
        assert scope.cancelled_caught

    began = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        driver.run(main)
        gc.collect()
    assert time.monotonic() - began < 30


class Counting:
    """A parser that finds token counts in any bytes, and texts in the piece `at`, and notes the size of each piece."""

    done = False
    at = 1

    def __init__(self, *first: str) -> None:
        self.first, self.fed = first, list[int]()
        self.then: Callable[[], object] = lambda: None

    def feed(self, data: bytes) -> Iterator[str | g4flite.Event]:
        self.fed.append(len(data))
        yield from self.first if len(self.fed) == self.at else ()
        yield g4flite.Usage(1, 2, 3)
        self.then()

    def close(self) -> Iterator[str]:
        return iter(self.first)


LARGE = b"x" * 300_000


def counting(driver: Driver, parser: Counting, packed: bool, timeout: Timeout = NEVER) -> g4flite.Stream:
    """Return a stream whose one read holds 300 kB of token counts."""
    mock = Mock(gzip.compress(LARGE) if packed else LARGE)
    mock.headers = {"content-encoding": "gzip"} if packed else {}
    kind = httpx.Client if driver.name == "sync" else httpx.AsyncClient
    spec = replace(ACME, parser=lambda limit: parser)
    return g4flite.stream(spec, "Hi", client=kind(transport=mock), timeout=timeout, retries=0)


@rows("packed", [True, False])
@rows("first", [(), ("hello",)])
@rows("end", ["closed", "total"])
def test_a_read_that_holds_many_events_is_left_in_the_middle(
    end: str, first: tuple[str, ...], packed: bool, driver: Driver
) -> None:
    parser, clock = Counting(*first), Clock()
    stream = counting(driver, parser, packed, Timeout(total=10) if end == "total" else NEVER)
    stream._run.timers._clock = clock

    def later() -> None:
        clock.now += 60

    parser.then = stream._run.abort if end == "closed" else later
    with pytest.raises(g4flite.StreamClosedError if end == "closed" else g4flite.TotalTimeoutError):
        driver.read(stream)
    assert len(parser.fed) == 1
    assert stream.partial == "".join(first)


def test_a_large_read_is_read_whole(driver: Driver) -> None:
    for packed, at in product((True, False), (1, 3)):
        parser = Counting("hello")
        parser.at = at
        assert driver.read(counting(driver, parser, packed)) == ["hello", "hello"]
        assert parser.fed == [65536, 65536, 65536, 65536, 300_000 - 4 * 65536]


@rows("packed", [True, False])
@rows("backend", ["asyncio", "trio"])
def test_other_tasks_run_in_the_middle_of_a_read(backend: str, packed: bool) -> None:
    parser, driver, turns = Counting("hello"), Driver(backend), list[int]()

    async def main() -> None:
        async def other() -> None:
            while True:
                turns.append(len(parser.fed))
                await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(other)
            await counting(driver, parser, packed).atext()
            tasks.cancel_scope.cancel()

    driver.run(main)
    # trio orders the tasks at random, so that each turn of the other one may come a step late.
    assert len({*turns} & {1, 2, 3, 4}) >= 2


@rows("backend", ["asyncio", "trio"])
@rows("silent", [False, True])
def test_an_asgi_application_is_bounded(silent: bool, backend: str) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        if silent:
            await anyio.sleep_forever()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": TEXT + DONE})

    driver = Driver(backend)
    stream = stream_over(driver, httpx.ASGITransport(application), timeout=Timeout(first_token=0.1 if silent else 60))
    if silent:
        with pytest.raises(g4flite.FirstTokenTimeoutError, match="openai: first_token: no text came for 0.1 s"):
            driver.read(stream)
    else:
        assert driver.read(stream) == ["hello"]


class Wrapper(httpx.BaseTransport, httpx.AsyncBaseTransport):  # type: ignore[misc, name-defined, unused-ignore]
    """A transport of the caller's around one of httpx's, which has sockets."""

    def __init__(self, driver: Driver) -> None:
        # No connection is kept, so that nothing has to be closed.
        kind = httpx.HTTPTransport if driver.name == "sync" else httpx.AsyncHTTPTransport
        self.inner: Any = kind(limits=httpx.Limits(max_keepalive_connections=0))

    def handle_request(self, request: Any) -> Any:
        return self.inner.handle_request(request)

    async def handle_async_request(self, request: Any) -> Any:
        return await self.inner.handle_async_request(request)


class Filtered(httpx.SyncByteStream, httpx.AsyncByteStream):  # type: ignore[misc, name-defined, unused-ignore]
    """A body without its pings, in whose place stand empty pieces."""

    def __init__(self, body: Any) -> None:
        self.body = body

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.body:
            yield piece.replace(PING, b"")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self.body:
            yield piece.replace(PING, b"")

    def close(self) -> None:
        self.body.close()

    async def aclose(self) -> None:
        await self.body.aclose()


class Filtering(Wrapper):
    """A transport of the caller's that takes the pings out of each body."""

    def handle_request(self, request: Any) -> Any:
        response = super().handle_request(request)
        response.stream = Filtered(response.stream)
        return response

    async def handle_async_request(self, request: Any) -> Any:
        response = await super().handle_async_request(request)
        response.stream = Filtered(response.stream)
        return response


def test_an_empty_piece_of_a_body_with_a_socket_is_not_the_end(driver: Driver, server: Emulator) -> None:
    pieces = [PING, TEXT, PING, PING, TEXT, PING, DONE]
    server.script = Script(body=b"".join(pieces).decode(), split=tuple(accumulate(map(len, pieces[:-1]))), wait=0.02)
    assert driver.read(stream_over(driver, Filtering(driver), f"{server.url}/v1")) == ["hello", "hello"]


def test_the_sockets_of_a_wrapped_transport_are_bounded_as_ever(driver: Driver, server: Emulator) -> None:
    url = f"{server.url}/v1"
    server.script = Script(silence=30)
    with pytest.raises(g4flite.FirstTokenTimeoutError):
        driver.read(stream_over(driver, Wrapper(driver), url, timeout=Timeout(first_token=0.3)))
    # The first piece of the answer holds no text.
    server.script = Script(wait=30)
    with pytest.raises(g4flite.FirstTokenTimeoutError):
        driver.read(stream_over(driver, Wrapper(driver), url, timeout=Timeout(first_token=0.3)))
    with pytest.raises(g4flite.ConnectError):
        driver.read(stream_over(driver, Wrapper(driver), "http://127.0.0.1:1/v1"))
    server.script = Script()
    assert "".join(driver.read(stream_over(driver, Wrapper(driver), url))) == "You said: Hi"


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_aclose_ends_the_wait_of_a_wrapped_transport(backend: str, server: Emulator) -> None:
    server.script = Script(silence=30)

    async def main() -> None:
        stream = stream_over(Driver(backend), Wrapper(Driver(backend)), f"{server.url}/v1")

        async def read() -> None:
            with pytest.raises(g4flite.StreamClosedError):
                await stream.atext()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await anyio.to_thread.run_sync(arrived, server)
            await stream.aclose()

    Driver(backend).run(main)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("timer", ["first_token", "total"])
def test_a_subclass_of_httpx_s_transport_may_have_no_socket(timer: str, backend: str, server: Emulator) -> None:
    class Waits(httpx.AsyncHTTPTransport):  # type: ignore[misc, name-defined, unused-ignore]
        """A limiter of rates, or a cache, say."""

        async def handle_async_request(self, request: Any) -> Any:
            if not server.exchanges:
                response = await super().handle_async_request(request)
                await response.aclose()
            await anyio.sleep_forever()

    async def main() -> None:
        async with httpx.AsyncClient(transport=Waits()) as client:
            call: Any = {"base_url": server.url, "client": client, "retries": 0}
            # A socket has shown itself, whose reads ask the timers: the scope bounds the rest by `total` alone.
            with pytest.raises(g4flite.TotalTimeoutError):
                await g4flite.stream("cromicle", "Hi", timeout=Timeout(total=0.3), **call).atext()
            error = g4flite.TotalTimeoutError if timer == "total" else g4flite.FirstTokenTimeoutError
            with pytest.raises(error):
                await g4flite.stream("cromicle", "Hi", timeout=Timeout(**{timer: 0.1}), **call).atext()

    Driver(backend).run(main)


@rows("backend", ["asyncio", "trio"])
@rows("hook", ["auth", "request", "response"])
def test_total_bounds_the_waits_of_the_caller_s_hooks(hook: str, backend: str, server: Emulator) -> None:
    async def wait(_: object) -> None:
        await anyio.sleep_forever()

    class Login(httpx.Auth):  # type: ignore[misc, name-defined, unused-ignore]
        async def async_auth_flow(self, request: Any) -> AsyncIterator[Any]:
            await wait(request)
            yield request

    async def main() -> None:
        own: Any = {"auth": Login()} if hook == "auth" else {"event_hooks": {hook: [wait]}}
        async with httpx.AsyncClient(**own) as client:
            call: Any = {"base_url": server.url, "client": client, "retries": 0}
            with pytest.raises(g4flite.TotalTimeoutError):
                await g4flite.stream("cromicle", "Hi", timeout=Timeout(total=0.2), **call).atext()

    Driver(backend).run(main)
