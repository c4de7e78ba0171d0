"""Sends a request over a client of httpx or httpx2, and shows its response as the exchange wants it.

response = send(client, request, timers)        # httpx's exceptions are raised as they are
response.head.status, next(response.body)
response.close()
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from functools import cache
from typing import Any, NamedTuple

import httpx

from ..provider import Request
from ..response.reply import BITS, Head, content_coding
from ..timers import Timers
from .deadlines import attach, awatch, extensions, watch
from .network_errors import failures


class Response(NamedTuple):
    """A response whose body is unread: `body` is an iterator of bytes in sync, an async iterator in async."""

    head: Head
    body: Any
    raw: httpx.Response

    def close(self) -> None:
        """Close the response."""
        self.raw.close()

    async def aclose(self) -> None:
        """Close the response, and then httpx's generators below `body`.

        A closed connection ends each of them by an error.  Left suspended, they would be closed by the garbage
        collector: trio warns of each, asyncio starts a task for each.
        """
        await self.raw.aclose()
        with suppress(*failures()):
            async for _ in self.body:
                pass


@cache
def upload(kind: type[Any]) -> type[Any]:
    """Return a class of request bodies below httpx's or httpx2's own.

    httpx's body is an async generator; if sending is cancelled, trio warns that it was never closed.
    """

    class Body(kind):  # type: ignore[misc]
        def __init__(self, data: bytes) -> None:
            self._data = data
            self._left = [data]

        def __aiter__(self) -> "Body":
            return Body(self._data)

        async def __anext__(self) -> bytes:
            if not self._left:
                raise StopAsyncIteration
            return self._left.pop()

    return Body


def send(client: httpx.Client, wanted: Request, timers: Timers) -> Response:
    """Return the response, its body unread.  Raises httpx's exceptions, and what the timers raise."""
    request = client.build_request(
        wanted.method,
        wanted.url,
        headers=wanted.headers,
        content=wanted.body,
        extensions=extensions(timers, watch),
    )
    raw = client.send(request, stream=True, follow_redirects=False)
    head = head_of(raw, timers)
    # One layer of httpx below `iter_raw`, which counts the bytes.
    body: Iterator[bytes] = raw.iter_bytes() if head.decoded else iter(raw.stream)  # type: ignore[arg-type]
    return Response(head, body, raw)


async def asend(client: httpx.AsyncClient, wanted: Request, timers: Timers) -> Response:
    """Return the response, its body unread.  Raises httpx's exceptions, and what the timers raise."""
    request = client.build_request(
        wanted.method,
        wanted.url,
        headers=wanted.headers,
        content=wanted.body,
        extensions=extensions(timers, awatch),
    )
    kind: Any = type(request.stream)
    request.stream = upload(kind)(wanted.body)
    return opened(await client.send(request, stream=True, follow_redirects=False), timers)


def opened(raw: httpx.Response, timers: Timers) -> Response:
    """Return an async response as the exchange wants it."""
    head = head_of(raw, timers)
    body: AsyncIterator[bytes] = raw.aiter_bytes() if head.decoded else aiter(raw.stream)  # type: ignore[arg-type]
    return Response(head, body, raw)


def head_of(response: httpx.Response, timers: Timers) -> Head:
    """Return the head of a response, and attach the timers to its network stream."""
    stream, headers = response.extensions.get("network_stream"), response.headers
    if stream is not None:
        attach(stream, timers)
    named = {name.lower() for name, _ in headers.raw}
    bounded = stream is None or b"content-length" in named or b"transfer-encoding" in named
    # A 204 has no body (RFC 9110 15.3.5).
    bounded = bounded or response.status_code == 204
    coding = content_coding(headers) if b"content-encoding" in named else ""
    # A hook of the client's may have read the body already.
    decoded = response.is_stream_consumed or (coding != "" and is_decoded(response, coding))
    open_ended = not bounded and response.http_version.startswith("HTTP/1")
    return Head(response.status_code, headers, "" if decoded else coding, open_ended, decoded)


def is_decoded(response: httpx.Response, coding: str) -> bool:
    """Return whether httpx undoes this compression: one that it offered, and that `Reply` does not undo."""
    offered = response.request.headers.get("accept-encoding", "").replace(" ", "").split(",")
    return coding not in BITS and coding in offered
