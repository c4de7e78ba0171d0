"""Sends a request over a client of httpx or httpx2, and returns the response in the form that the exchange takes.

response = send(client, request, timers)        # raises httpx's exceptions untranslated
response.head.status, next(response.body)
response.close()
"""

import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from functools import cache
from typing import Any, NamedTuple

import anyio
import httpx

from ..errors import G4fliteError
from ..hooks import Tap
from ..provider import Request
from ..response.reply import PIECE, Head, content_coding, is_delimited, limit_offer
from ..timers import Timers
from .body import past_h11, past_h11_async
from .connecting import interruptible
from .deadlines import Awaiting, attach, awatch, end_of_head, extensions, watch
from .network_errors import failures, httpx_classes
from .socketless import AsyncTimed, begin, timed


class Response(NamedTuple):
    """A response whose body is unread; `body` is an iterator of bytes in sync, an async iterator of bytes in async."""

    head: Head
    body: Any
    raw: httpx.Response

    def pieces(self, tap: Tap | None = None) -> Iterator[bytes]:
        """Return an iterator of the body in sync, decoded past h11 if that can be; nothing of it was read."""
        return past_h11(self, tap)

    def apieces(self, tap: Tap | None = None) -> AsyncIterator[bytes]:
        """Do the same as `pieces`, in async."""
        return past_h11_async(self, tap)

    def close(self) -> None:
        """Close the response."""
        self.raw.close()

    async def aclose(self) -> None:
        """Close the response, and then the async generators of httpx from which `body` reads.

        If these generators stayed suspended, the garbage collector would find them: trio warns of each, and asyncio
        starts a task for each.  One more read ends them, because the closed connection makes it fail at once.
        """
        await self.raw.aclose()
        # `G4fliteError`: a timer is over, or the stream was closed.
        with suppress(*failures(), G4fliteError):
            async for _ in self.body:
                pass


class Pieces:
    """An iterator of these pieces of bytes, in sync and in async."""

    def __init__(self, *pieces: bytes) -> None:
        self._left = list(pieces)

    def __iter__(self) -> "Pieces":
        return self

    def __next__(self) -> bytes:
        if not self._left:
            raise StopIteration
        return self._left.pop()

    def __aiter__(self) -> "Pieces":
        return self

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop()


@cache
def upload(kind: type[Any]) -> type[Any]:
    """Return a subclass of `kind`, the class of request bodies in httpx or httpx2.

    httpx's body is an async generator; if sending is cancelled, trio warns that it was never closed.  The body of this
    class is a plain iterator.
    """

    class Body(kind):  # type: ignore[misc]
        def __init__(self, data: bytes) -> None:
            self._data = data

        # A new iterator each time: the client's authentication may send the request a second time.
        def __aiter__(self) -> Pieces:
            return Pieces(self._data)

    return Body


def told(response: httpx.Response) -> Pieces:
    """Return the body of a response that a hook of the caller's client has refused.

    httpx closes such a response, so that its body is known only if the hook has read it.
    """
    return Pieces(*[response.content] if response.is_stream_consumed else [])


class Own:
    """The clients of a source that are made here; remembers URL and headers of the last request, and if a cookie came.

    Nearly all requests of a source have the same URL and headers, and httpx takes as long to parse a URL as for a third
    of a request.
    """

    def __init__(self) -> None:
        self._last: tuple[str, httpx.URL] | None = None
        self._headers: tuple[httpx.URL, Mapping[str, str], httpx.Headers] | None = None
        # Whether a response has brought a cookie.  To ask the jar of the clients, which may have forgotten it since,
        # takes longer.
        self.had_cookies = False
        # Whether cookies go back to the service.
        self.keeps_cookies = True

    def url(self, text: str, kind: type[httpx.URL]) -> httpx.URL:
        """Return the URL of a request, as `kind`: a class of httpx or httpx2.  Any thread may ask.

        Raises `httpx.InvalidURL`, or `UnicodeError` for a host that is no name of IDNA.
        """
        last = self._last
        if last is None or last[0] != text or type(last[1]) is not kind:
            last = text, kind(text)
            # httpx looks at the name only now.
            _ = last[1].host
            self._last = last
        return last[1]

    def headers(self, client: Any, url: httpx.URL, wanted: Mapping[str, str], kind: Any) -> httpx.Headers:
        """Return the headers of a request, but for its length: what httpx would add, in its order, and `wanted`.

        No request has a header of its own that httpx computes.
        """
        last = self._headers
        # The URL tells httpx's from httpx2's.
        if last is None or last[0] is not url or last[1] != wanted:
            added = [pair for pair in client.headers.raw if pair[0].lower().decode() not in wanted]
            last = url, wanted, kind([(b"Host", url.netloc), *added, *wanted.items()])
            self._headers = last
        return last[2]


def built(client: Any, wanted: Request, passed: dict[str, Any], own: Own | None) -> httpx.Request:
    """Return the request of httpx, with the client's own headers and cookies, and with these extensions.

    An `own` client has no base URL, and no cookies before a service has set some.  Its accept-encoding is limited.
    """
    if own is None or own.had_cookies or not wanted.body:
        request: httpx.Request = client.build_request(
            wanted.method, wanted.url, headers=wanted.headers, content=wanted.body, extensions=passed
        )
        limit_offer(request.headers)
        return request
    home = sys.modules[type(client).__module__.partition(".")[0]]
    url = own.url(wanted.url, home.URL)
    # With `content=`, httpx would make its `Headers` three times, and read them.
    made: httpx.Request = home.Request(
        wanted.method, url, headers=own.headers(client, url, wanted.headers, home.Headers),
        stream=home.ByteStream(wanted.body), extensions=passed,
    )  # fmt: skip
    made.headers["Content-Length"] = str(len(wanted.body))
    # The body is known, to a transport that is not httpx's own.
    made.read()
    return made


def note(request: httpx.Request, timers: Timers) -> None:
    """Note what goes out with a request, or what went out: a login of the client may add to it, or send another one."""
    timers.sent.append((request.headers, request.url))


def answered(client: Any, response: httpx.Response, request: httpx.Request, own: Own) -> httpx.Response:
    """Return the response that a transport gave; the client keeps its cookies, unless it is to keep none."""
    response.request = request
    if own.keeps_cookies and "set-cookie" in response.headers:
        own.had_cookies = True
        client.cookies.extract_cookies(response)
    return response


def send(client: httpx.Client, wanted: Request, timers: Timers, *, own: Own | None) -> Response:
    """Send a request, and return the response, its body unread.  Raises httpx's exceptions and the timers' errors.

    An `own` client, one that was made here, has neither hooks nor a login, and follows no redirects, so that its
    transport gets the request at once.  It sends back the cookies of a response, as httpx does.
    """
    passed = extensions(timers, watch)
    request = built(client, wanted, passed, own)
    note(request, timers)
    through = transports(client, request.url)
    interruptible(pool_of(through), timers)
    if not has_sockets(through[0]):
        begin(timers)
    if own is not None:
        raw = answered(client, through[0].handle_request(request), request, own)
    else:
        raw = client.send(request, stream=True, follow_redirects=False)
    note(raw.request, timers)
    end_of_head(passed, request.extensions, timers)
    # `raw.stream` is the iterator below `iter_raw`, which would count the bytes of each read.
    body: Iterator[bytes] = raw.iter_bytes(PIECE) if is_used_up(raw) else iter(raw.stream)  # type: ignore[arg-type]
    return Response(head_of(raw), body if attached(raw, timers) else timed(body, timers), raw)


async def asend(client: httpx.AsyncClient, wanted: Request, timers: Timers, *, own: Own | None) -> Response:
    """Do the same as `send`, in async."""
    passed = extensions(timers, awatch)
    request = built(client, wanted, passed, own)
    note(request, timers)
    kind: Any = type(request.stream)
    request.stream = upload(kind)(wanted.body)
    through = transports(client, request.url)
    awaiting = Awaiting(timers, pool_of(through), None if has_sockets(through[0]) else begin(timers))
    with awaiting.scope:
        if own is not None:
            raw = answered(client, await through[0].handle_async_request(request), request, own)
        else:
            raw = await client.send(request, stream=True, follow_redirects=False)
        if own is not None and not timers.reused:
            use_fast_locks(raw)
        end_of_head(passed, request.extensions, timers)
        note(raw.request, timers)
        body: AsyncIterator[bytes] = raw.aiter_bytes(PIECE) if is_used_up(raw) else aiter(raw.stream)  # type: ignore[arg-type]
        return Response(head_of(raw), body if attached(raw, timers) else AsyncTimed(body, timers), raw)
    timers.check()
    raise timers.expired()


def is_used_up(response: httpx.Response) -> bool:
    """Return whether an event hook of the client has read or closed the response: its stream cannot be read again."""
    return response.is_stream_consumed or response.is_closed


def has_sockets(transport: object) -> bool:
    """Return whether this is a transport of httpx's own, which tells of its sockets."""
    kind = type(transport)
    # First the classes that nearly all have, without a look for httpx2.
    return kind in (httpx.HTTPTransport, httpx.AsyncHTTPTransport) or (
        kind in httpx_classes("HTTPTransport", "AsyncHTTPTransport")
    )


def transports(client: Any, url: str | httpx.URL) -> list[Any]:
    """Return the transport over which the client sends to this URL, and those that it keeps as attributes and wraps."""
    # The class is httpx's or httpx2's.
    kind = type(client.base_url)
    found = [client._transport_for_url(url if isinstance(url, kind) else kind(url))]
    # Most transports are httpx's own, which have a pool and nothing to wrap.
    if has_sockets(found[0]):
        return found
    kinds = httpx_classes("BaseTransport", "AsyncBaseTransport")
    # The list grows in the loop.
    for transport in found:
        held = getattr(transport, "__dict__", {}).values()
        found += [inner for inner in held if isinstance(inner, kinds) and inner not in found]
    return found


def pool_of(through: list[Any]) -> Any:
    """Return the pool of httpcore that one of these transports has, None if none has one."""
    return next((transport._pool for transport in through if hasattr(transport, "_pool")), None)


def idle_connections(client: Any, url: str) -> list[Any]:
    """Take the idle connections to this URL's host out of the client's pool of httpcore, and return them."""
    to = client.base_url.__class__(url)
    pool = pool_of(transports(client, to))
    if pool is None:
        return []
    home: Any = sys.modules[type(pool)._assign_requests_to_connections.__module__]
    origin = home.Origin(to.raw_scheme, to.raw_host, to.port or (443 if to.scheme == "https" else 80))
    with pool._optional_thread_lock:
        # A connection that a request is about to use counts as idle.
        taken = {noted.connection for noted in pool._requests}
        idle = {one for one in pool._connections if one.is_idle() and one.can_handle_request(origin)} - taken
        pool._connections = [one for one in pool._connections if one not in idle]
    return list(idle)


def attached(response: httpx.Response, timers: Timers) -> bool:
    """Attach the timers to the network stream of a response; return whether it has one that asks them."""
    stream = response.extensions.get("network_stream")
    return stream is not None and attach(stream, timers)


def use_fast_locks(response: httpx.Response) -> None:
    """Let the connection of a response take its locks at once if they are free, on asyncio and with anyio from 4.5 on.

    httpcore makes three turns of the event loop for each request, at a lock that nobody else wants.  During the first,
    the pool gives an idle connection to other requests, too, which then have to find another one.
    """
    noted = getattr(getattr(response.stream, "_httpcore_stream", None), "_pool_request", None)
    connection = getattr(noted, "connection", None)
    inner = getattr(connection, "_connection", None)
    for lock in getattr(connection, "_request_lock", None), getattr(inner, "_state_lock", None):
        # No lock has an owner now: the connection is made, and serves this request.
        if getattr(lock, "_backend", "") == "asyncio":
            fast: Any = lock
            with suppress(TypeError):
                fast._anyio_lock = anyio.Lock(fast_acquire=True)


def head_of(response: httpx.Response) -> Head:
    """Return the head of a response."""
    headers = response.headers
    # A mock transport has no connection that may break; httpx-aiohttp has one, and shows no network stream, either.
    is_mock = "network_stream" not in response.extensions and (
        type(getattr(response.stream, "_stream", None)).__module__.partition(".")[0] != "httpx_aiohttp"
    )
    # A 204 has no body (RFC 9110 15.3.5).
    bounded = is_mock or response.status_code == 204 or is_delimited(headers)
    # If an event hook of the client has read the body, httpx has inflated it, too.
    coding = "" if response.is_stream_consumed else content_coding(headers)
    open_ended = not bounded and response.http_version.startswith("HTTP/1")
    return Head(response.status_code, headers, coding, open_ended)
