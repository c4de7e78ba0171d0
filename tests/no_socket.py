"""The emulator without a socket, for tables in which only what is sent and what is read matters.

    client = driver.client(transport=Wire(server))
    driver.collect("ollama", "Hi", model="m", base_url="http://emulator.test", client=client)

A stream over a socket takes five times as long, and a reply that comes byte by byte a hundred times.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any

from g4flite.testing import Emulator, Exchange
from g4flite.testing.exchange import decide
from tests.conftest import httpx


class Wire(httpx.BaseTransport, httpx.AsyncBaseTransport):  # type: ignore[misc, name-defined, unused-ignore]
    """A transport of httpx that answers as this emulator does, without a socket."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator

    def handle_request(self, request: Any) -> Any:
        return self.answered(request, request.read())

    async def handle_async_request(self, request: Any) -> Any:
        return self.answered(request, await request.aread())

    def answered(self, request: Any, body: bytes) -> Any:
        headers = [(name.decode(), value.decode()) for name, value in request.headers.raw]
        path = request.url.raw_path.decode()
        exchange = Exchange(method=request.method, path=path, headers=headers, body=body)
        response = decide(exchange, self.emulator.policy(), None)
        self.emulator.exchanges.append(exchange)
        pieces = list(self.emulator.script.blocks(response.body))
        return httpx.Response(response.status, headers=response.headers, stream=Body(pieces))


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):  # type: ignore[misc, name-defined, unused-ignore]
    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.pieces)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece
