"""Bodies decoded past h11: the same bytes and the same verdicts as over httpx alone, whatever the server sends.

python -m tests.transport.test_body 1000000 7       # so many cases, by hand, from this seed
"""

import itertools
import random
import ssl
import sys
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

from g4flite._core.transport import body
from g4flite._core.transport.httpx import Response
from g4flite.testing import Emulator, Script
from tests.conftest import Driver, httpx
from tests.rows import rows

httpcore: Any = import_module(httpx.__name__.replace("httpx", "httpcore"))
CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
HEADS = [CHUNKED] * 6 + [
    b"HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" + CHUNKED,
    b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 304 Not Modified\r\n\r\n",
    b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 7\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n",
]
SIZES = [b"%x", b"%x", b"%x", b"%X", b"000%x", b"%08x", b"%020x", b"%021x"]
NO_SIZES = [b"+5", b"0x5", b" 5", b"5_0", b"-1", b"", b"g", b"fffffffffff"]
EXTENSIONS = [b";a=b", b" ", b"\t", b";\r", b"\r", b"; \n"]
NO_ENDS = [b"\n", b"\r", b"", b"\r\r", b"ab", b"\n\r", b"\r\n\r\n"]
LAST = [b"0\r\n\r\n"] * 5 + [
    b"000\r\n\r\n", b"0000000000\r\n\r\n", b"0;x\r\n\r\n", b"0\r\nA: b\r\n\r\n", b"0\r\nno trailer\r\n\r\n",
    b"0\r\n", b"0", b"0\r", b"0\n\n", b"0\r\n\n",
]  # fmt: skip
# What comes behind a message.
NEXT = [b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nZ", b"junk", b"5\r\nhello\r\n", b"\r\n"]


class Network:
    """A network stream that gives out these pieces, and raises those that are exceptions; then comes its end."""

    asks_timers = True

    def __init__(self, pieces: list[Any]) -> None:
        self.pieces, self.closed = list(pieces), False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        piece = self.pieces.pop(0) if self.pieces else b""
        if isinstance(piece, Exception):
            raise piece
        return piece

    def write(self, data: bytes, timeout: float | None = None) -> None:
        """Send nothing."""

    def close(self) -> None:
        self.closed = True

    def get_extra_info(self, info: str) -> None:
        """Know nothing."""

    def connect_tcp(self, *_: Any, **__: Any) -> "Network":
        return self


class AsyncNetwork(Network):
    async def read(self, *args: Any, **kwargs: Any) -> Any:
        return super().read(*args, **kwargs)

    async def write(self, *_: Any, **__: Any) -> None:
        """Send nothing."""

    async def aclose(self) -> None:
        self.close()

    async def connect_tcp(self, *_: Any, **__: Any) -> Any:
        return self


def result(network: Network, pool: Any, said: bytes, verdict: Any) -> Any:
    """Return all that a body has left: its bytes, its error, the pool, and the bytes that nobody has read."""
    left = [bytes(one._connection._h11_state._receive_buffer) for one in pool.connections]
    return said, verdict, list(map(str, pool.connections)), network.closed, left, list(map(str, network.pieces))


def request() -> Any:
    return httpx.Request("POST", "http://acme.test/", content=b"x", extensions={"timeout": {"read": 5.0}})


def read(pieces: list[Any], past: bool) -> Any:
    """Return the result of a response in sync, its body read past h11 or by httpx."""
    transport, network, said, verdict = httpx.HTTPTransport(verify=CONTEXT), Network(pieces), b"", None
    transport._pool._network_backend = network
    try:
        response = transport.handle_request(request())
    except httpx.HTTPError as error:
        return repr(error)
    rest = iter(response.stream)
    try:
        for data in body.past_h11(Response(None, rest, response)) if past else rest:
            said += data
    except httpx.HTTPError as error:
        verdict = type(error), str(error), type(error.__cause__)
    response.close()
    return result(network, transport._pool, said, verdict)


async def aread(pieces: list[Any], past: bool) -> Any:
    """Do the same as `read`, in async."""
    transport, network, said, verdict = httpx.AsyncHTTPTransport(verify=CONTEXT), AsyncNetwork(pieces), b"", None
    transport._pool._network_backend = network
    try:
        response = await transport.handle_async_request(request())
    except httpx.HTTPError as error:
        return repr(error)
    rest = aiter(response.stream)
    try:
        async for data in body.past_h11_async(Response(None, rest, response)) if past else rest:
            said += data
    except httpx.HTTPError as error:
        verdict = type(error), str(error), type(error.__cause__)
    await response.aclose()
    return result(network, transport._pool, said, verdict)


def pieces_of(chance: random.Random) -> list[Any]:
    """Return the bytes of a response in pieces, perhaps with a failure among them."""

    def one_in(times: int, *instead: Any) -> Any:
        return chance.choice(instead) if chance.random() * times < 1 else None

    parts: list[bytes] = []
    if one_in(5, True):
        length = chance.choice([0, 1, 2, 5, 40])
        parts += [b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % length]
        parts += [b"x" * max(0, length + chance.choice([0, 0, 0, 0, -1, 1, 5]))]
    else:
        parts += [chance.choice(HEADS)]
        for _ in range(chance.randrange(6)):
            data = bytes(chance.choices(b"ab\r\n05", k=chance.choice([1, 1, 2, 3, 10, 17, 40])))
            size = (one_in(2, *SIZES) or b"%x") % (len(data) + (one_in(40, -1, 1, 2) or 0))
            wrong = one_in(25, *NO_SIZES)
            parts += [size if wrong is None else wrong, one_in(20, *EXTENSIONS) or b""]
            parts += [one_in(40, b"\n", b"\r") or b"\r\n", data, one_in(25, *NO_ENDS) or b"\r\n"]
        parts += [chance.choice(LAST) if chance.random() < 0.85 else b""]
    parts += [one_in(5, *NEXT) or b""]
    wire = b"".join(parts)
    wire = wire[: one_in(7, *range(len(wire))) or len(wire)]
    lengths = chance.choice([[1], [1, 2, 3, 7, 20, 100], [1, 2, 3, 7, 20, 100], [len(wire)]])
    pieces: list[Any] = []
    while wire:
        length = chance.choice(lengths)
        pieces, wire = [*pieces, wire[:length]], wire[length:]
    if failure := one_in(10, httpcore.ReadTimeout("late"), httpcore.ReadError(OSError(104, "reset"))):
        pieces.insert(chance.randrange(len(pieces) + 1), failure)
    return pieces


def broken_bodies() -> Iterator[list[Any]]:
    """Yield a body that is cut behind each of its bytes, or goes wrong there."""
    whole = b"1\r\na\r\n0c\r\nhello, world\r\n0\r\n\r\n"
    for at in range(len(whole)):
        yield [CHUNKED, whole[:at]]
        yield [CHUNKED, whole[:at] + b"z", whole[at:]]


def compare(cases: int, seed: int) -> Counter[str]:
    """Return how many of the broken bodies, and of so many by chance, ended how: the same past h11 and by httpx."""
    chance, ends = random.Random(seed), Counter[str]()
    for pieces in itertools.chain(broken_bodies(), (pieces_of(chance) for _ in range(cases))):
        expected = read(pieces, False)
        assert read(pieces, True) == expected, pieces
        ends[expected if isinstance(expected, str) else str(expected[1])] += 1
    return ends


async def acompare(cases: int, seed: int) -> None:
    chance = random.Random(seed)
    for pieces in itertools.chain(broken_bodies(), (pieces_of(chance) for _ in range(cases))):
        assert await aread(pieces, True) == await aread(pieces, False), pieces


@pytest.mark.parametrize("cases", [300, pytest.param(30_000, marks=pytest.mark.long)])
def test_a_body_past_h11_is_the_body_that_h11_reads(cases: int, driver: Driver) -> None:
    if driver.name == "sync":
        ends = compare(cases, 1)
        # Each kind of end is among the cases.
        words = ["None", "incomplete chunked read", "malformed chunk footer", "illegal chunk header", "ReadTimeout"]
        words += ["illegal header line", "received 39 bytes, expected 40", "unexpectedly closed", "ReadError"]
        assert [word for word in words if not any(word in end for end in ends)] == []
    else:
        driver.run(acompare, cases // 2, 2)


def test_h11_reads_the_head_and_the_end_alone(
    driver: Driver, server: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunked = import_module("h11._readers").ChunkedReader
    reads, own = [], chunked.__call__
    monkeypatch.setattr(chunked, "__call__", lambda *args: reads.append(1) or own(*args))
    # The last chunk comes whole, so that httpcore need not look for it.
    monkeypatch.delattr(httpcore._sync.http11.HTTP11ConnectionByteStream, "__iter__")
    monkeypatch.delattr(httpcore._async.http11.HTTP11ConnectionByteStream, "__aiter__")
    server.reply = lambda messages: ["word " * 1000]
    server.script = Script(split=5)
    with driver.one_client() as client:
        for _ in range(2):
            text = driver.collect("cromicle", "Hi", base_url=server.url, client=client)
            assert "".join(text) == "word " * 1000
    assert len(reads) <= 4
    assert server.connections == 1


@rows(
    ("name", "value"),
    [
        ("FRESH", {"_bytes_in_chunk": 0, "_bytes_to_discard": 0, "_reading_trailer": False}),
        ("INNER", ("stream", "_renamed")),
        ("FAMILIES", ("httpx", "httpx2")),
    ],
)
def test_a_version_that_looks_otherwise_is_read_by_httpx(
    driver: Driver, server: Emulator, name: str, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, own = list[Any](), body.Chunked
    with monkeypatch.context() as patch:
        patch.setattr(body, "Chunked", lambda *args: made.append(args) or own(*args))
        assert "".join(driver.collect("cromicle", "Hi", base_url=server.url)) == "You said: Hi"
        assert made
        made.clear()
        patch.setattr(body, name, value)
        assert "".join(driver.collect("cromicle", "Hi", base_url=server.url)) == "You said: Hi"
        assert not made


@rows("lost", ["_h11_state", "_network_stream"])
def test_a_connection_without_the_expected_attributes_is_read_by_httpx(lost: str) -> None:
    transport = httpx.HTTPTransport(verify=CONTEXT)
    transport._pool._network_backend = Network([CHUNKED, b"1\r\na\r\n0\r\n\r\n"])
    response = transport.handle_request(request())
    delattr(transport._pool.connections[0]._connection, lost)
    rest = iter(response.stream)
    assert body.past_h11(Response(None, rest, response)) is rest


def test_a_transport_that_filters_the_body_is_not_passed_by(driver: Driver, server: Emulator) -> None:
    class Upper(httpx.SyncByteStream, httpx.AsyncByteStream):  # type: ignore[misc, name-defined]
        def __init__(self, stream: Any) -> None:
            self._stream = stream

        def __iter__(self) -> Any:
            return (data.upper() for data in self._stream)

        async def __aiter__(self) -> Any:
            async for data in self._stream:
                yield data.upper()

        def close(self) -> None:
            self._stream.close()

        async def aclose(self) -> None:
            await self._stream.aclose()

    class Filter(httpx.HTTPTransport):  # type: ignore[misc, name-defined]
        def handle_request(self, request: Any) -> Any:
            response = super().handle_request(request)
            response.stream = Upper(response.stream)
            return response

    class AsyncFilter(httpx.AsyncHTTPTransport):  # type: ignore[misc, name-defined]
        async def handle_async_request(self, request: Any) -> Any:
            response = await super().handle_async_request(request)
            response.stream = Upper(response.stream)
            return response

    kind = Filter if driver.name == "sync" else AsyncFilter
    client = driver.client(transport=kind(verify=CONTEXT, limits=httpx.Limits(max_keepalive_connections=0)))
    assert "".join(driver.collect("cromicle", "Hi", base_url=server.url, client=client)) == "YOU SAID: HI"


if __name__ == "__main__":
    print(compare(int(sys.argv[1]), int(sys.argv[2])))
