"""Where a stream gets its HTTP client: from the caller (`Given`), from a pool (`Pool`), or a new one (`OneShot`).

Each of the three classes is a `Source` of the exchange.  It sends requests over its client, and is released when the
stream ends.  A pool makes clients when requests are sent, for `for` and for each event loop of `async for`: the first
one, and another one whenever all have as many streams as they are to have.
"""

import os
import ssl
import sys
import threading
import warnings
from collections.abc import AsyncGenerator, Callable, Sized
from contextlib import suppress
from functools import partial
from http.cookiejar import CookieJar
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar, Union
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import anyio
import httpx

from ..errors import OptionError, StreamClosedError, UsageError
from ..loops import loop_runs
from ..provider import Request
from ..proxies import NamedProxy, environment_proxy, names_proxies
from ..response.reply import limit_offer
from ..timers import Timers
from ..urls import check_proxy
from .deadlines import NO_HTTP2
from .httpx import Own, Response, asend, head_of, idle_connections, pool_of, send, told, transports
from .network_errors import (
    error_of_request,
    failures,
    httpx_classes,
    is_a,
    is_of_the_caller,
    refused_response,
    safe_cause,
)
from .tls import default_context, unused_context

C = TypeVar("C", httpx.Client, httpx.AsyncClient)
Keepers: TypeAlias = list[AsyncGenerator[None, None]]
# No stream waits for another stream's connection.
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=20)
# The streams at a time of one client of a pool.  To begin or to end one, httpcore walks through all connections of the
# client, and for each that is idle through all of them again; and behind the 20th, it keeps none open.
STREAMS: Final = 8
# Seconds that closing a client may take when its event loop ends.
CLOSING: Final = 2.0
# The most stale connections that one attempt replaces: as many as httpx keeps open.  (curl 8: CONN_MAX_RETRIES, 5.)
STALE: Final = 20


class Connection(NamedTuple):
    """The settings of a client that is made here."""

    base_url: str
    proxy: str | None
    verify: ssl.SSLContext | None
    # The variable that names the proxy, if the argument does not.
    proxy_variable: str = "{proxy}"

    def __repr__(self) -> str:
        """Return the base URL alone: a proxy's URL may hold a password."""
        return f"Connection(base_url={self.base_url!r})"

    def proxy_for(self, url: str) -> NamedProxy | None:
        """Return the proxy that a request of this URL goes over, None if there is none."""
        if self.proxy is None:
            return environment_proxy(url, os.environ)
        return NamedProxy(self.proxy_variable, self.proxy)


def _send(source: Union["OneShot", "Given", "Pool"], wanted: Request, timers: Timers) -> Response:
    """Return the response to a request, its body unread.  Raises the `G4fliteError` that a failure of httpx means."""
    timers.source = source
    client = source.client()
    while True:
        try:
            return send(client, wanted, timers, own=source.own)
        except failures(timers) as error:
            if (response := refused_response(error, wanted.url)) is not None:
                return Response(head_of(response), told(response), response)
            # What the caller's own code has raised goes to the caller as it is.
            if isinstance(error, StreamClosedError) or is_of_the_caller(error) or is_a(error, "HTTPStatusError"):
                raise
            if not is_stale(error, timers):
                failed = error
                break
        timers.reconnect()
        # They may be stale, too.
        for connection in idle_connections(client, wanted.url):
            connection.close()
    # Outside of the `except`: inside it, httpx's exception would become the error's context, which may quote a header.
    raise error_of_request(failed, wanted.url, timers, source.proxy(wanted.url)) from safe_cause(failed)


async def _asend(source: Union["OneShot", "Given", "Pool"], wanted: Request, timers: Timers) -> Response:
    """Do the same as `_send`, in async."""
    timers.source = source
    client = source.async_client()
    while True:
        try:
            return await asend(client, wanted, timers, own=source.own)
        except failures(timers) as error:
            if (response := refused_response(error, wanted.url)) is not None:
                return Response(head_of(response), told(response), response)
            # What the caller's own code has raised goes to the caller as it is.
            if isinstance(error, StreamClosedError) or is_of_the_caller(error) or is_a(error, "HTTPStatusError"):
                raise
            if not is_stale(error, timers):
                failed = error
                break
        timers.reconnect()
        # They may be stale, too.
        with anyio.CancelScope(shield=True):
            for connection in idle_connections(client, wanted.url):
                await connection.aclose()
    # Outside of the `except`, see `_send`.
    raise error_of_request(failed, wanted.url, timers, source.proxy(wanted.url)) from safe_cause(failed)


def is_stale(error: Exception, timers: Timers) -> bool:
    """Return whether the connection was stale: used before, and at its end before a byte of the response's head came.

    Servers close idle connections, some of them (llama.cpp's) at once after a response that announced keep-alive.  A
    request that crosses such a close is lost, although it is no fault of the server, so the request is sent again at
    once over another connection.  The server may have processed the request, but it did not answer (RFC 9110 9.2.2
    leaves this to the client's knowledge of the server; RFC 9112 9.3.1 tells of the race): at worst, an answer that
    nobody could have got is written twice.
    """
    if not timers.reused or timers.closed or timers.replaced == STALE:
        return False
    # The first read of a stale connection is its last: a second read means that a part of the head had come.  If no
    # read was counted, nobody knows.
    if timers.head_reads != 1:
        return False
    # The words of httpcore.
    ended = is_a(error, "RemoteProtocolError") and "disconnected" in str(error)
    return ended or is_a(error, "ReadError") or is_a(error, "WriteError")


class OneShot:
    """A client for one stream, which is made with the first request and closed when the stream ends."""

    send, asend = _send, _asend

    def __init__(self, connection: Connection) -> None:
        self._connection, self.own = connection, Own()
        self._client: httpx.Client | None = None
        self._async_client: httpx.AsyncClient | None = None
        self.proxy = connection.proxy_for

    def client(self) -> httpx.Client:
        if self._client is None:
            self._client = make_client(httpx.Client, self._connection)
        return self._client

    def async_client(self) -> httpx.AsyncClient:
        if self._async_client is None:
            self._async_client = make_client(httpx.AsyncClient, self._connection)
        return self._async_client

    def release(self) -> None:
        if self._client is not None:
            self._client.close()

    def retire(self) -> None:
        # Without a reference to it, its sockets close; `close` could wait for a lock.
        self._client = None

    async def arelease(self) -> None:
        if self._async_client is not None:
            await self._async_client.aclose()


class Given:
    """The caller's own client, which only the caller closes."""

    own = None
    send, asend = _send, _asend

    def __init__(self, client: object, base_url: str) -> None:
        if not isinstance(client, httpx_classes("Client", "AsyncClient")):
            raise TypeError(f"client= must be an httpx.Client or httpx.AsyncClient, not {type(client).__name__}")
        self._given: Any = client
        self._check_open()
        # The pool of httpcore knows it.  A URL that httpx refuses gets its error when the request is made.
        with suppress(*failures()):
            if getattr(pool_of(transports(client, base_url)), "_http2", False):
                raise OptionError(NO_HTTP2)

    def proxy(self, url: str) -> NamedProxy | None:
        """Return the proxy of the environment that a request of this URL goes over.

        Returns None for a direct connection and for a proxy of the client's own.
        """
        found = environment_proxy(url, os.environ)
        with suppress(*failures()):
            used = getattr(pool_of(transports(self._given, url)), "_proxy_url", None)
            if found and used and urlsplit(found.url).hostname == used.host.decode():
                return found
        return None

    def client(self) -> httpx.Client:
        given: httpx.Client = self._checked("Client", "for", "async for")
        return given

    def async_client(self) -> httpx.AsyncClient:
        given: httpx.AsyncClient = self._checked("AsyncClient", "async for", "for")
        return given

    def release(self) -> None:
        """Leave the client to the caller."""

    retire = release

    async def arelease(self) -> None:
        """Leave the client to the caller."""

    def _checked(self, kind: str, loop: str, other: str) -> Any:
        if not isinstance(self._given, httpx_classes(kind)):
            raise TypeError(
                f"client= is of the type {type(self._given).__name__}, but `{loop}` needs an httpx.{kind}; "
                f"read the stream with `{other}`, or pass another client"
            )
        self._check_open()
        return self._given

    def _check_open(self) -> None:
        if self._given.is_closed:
            raise OptionError("client= is closed; pass an open client")


class Pool:
    """The HTTP clients of a `g4flite.Client`: for `for` and for each event loop, kept until the pool is closed.

    Threads may share a pool.  After a fork, the child makes clients of its own.  `name` is what a warning calls the
    `Client` if nobody closes it.
    """

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection, self._name, self.own = connection, name, Own()
        self.proxy = connection.proxy_for
        self._clients: list[httpx.Client] = []
        # For each event loop its clients, and the generators that close these, and those that were retired before, when
        # the loop ends.
        self._async_clients: dict[object, tuple[list[httpx.AsyncClient], Keepers]] = {}
        # All clients keep the cookies that a service has set for one of them.
        self._cookies = CookieJar()
        # Holds True once an event loop has ended before anybody closed its client.
        self._ended: set[bool] = set()
        # The timers of the streams that have read over the pool, and each one's event loop, by its id; 0 in sync.
        self._running: WeakKeyDictionary[Timers, int] = WeakKeyDictionary()
        self._lock, self._pid = threading.Lock(), os.getpid()
        # The clients of the parent process, see `_renew`.
        self._inherited: list[object] = []
        self.closed = False

    def keep_no_cookies(self) -> None:
        """Forget the cookies, and keep none from now on: the streams are those of people who share nothing."""
        self.own.keeps_cookies = self.own.had_cookies = False
        self._cookies.clear()

    def send(self, wanted: Request, timers: Timers) -> Response:
        self._note(timers, 0)
        return _send(self, wanted, timers)

    async def asend(self, wanted: Request, timers: Timers) -> Response:
        self._note(timers, id(running_loop()))
        return await _asend(self, wanted, timers)

    def client(self) -> httpx.Client:
        self._renew()
        with self._lock:
            self._check_open()
            client = with_room(self._clients)
            if client is None:
                client = make_client(httpx.Client, self._connection, self._cookies)
                self._clients.append(client)
            return client

    def async_client(self) -> httpx.AsyncClient:
        self._renew()
        loop = running_loop()
        with self._lock:
            self._check_open()
            self._forget_closed_loops()
            clients, keepers = self._async_clients.get(loop, ([], []))
            client = with_room(clients)
            if client is None:
                self._forget_idle_loops()
                client = make_client(httpx.AsyncClient, self._connection, self._cookies)
                clients.append(client)
                # Not a method of the pool: the loop would keep the pool alive.
                keepers.append(kept_open(client, partial(_forget, self._async_clients, self._ended, loop, clients)))
                self._async_clients[loop] = clients, keepers
            return client

    def release(self) -> None:
        """Keep the client for the next stream."""

    def retire(self) -> None:
        """Make new clients for the next stream.  Streams of other threads and tasks may read over the old ones."""
        self._clients = []
        # `aclose` or the end of the loop closes the loop's old clients, in a bounded time.
        if loop_runs() and (kept := self._async_clients.get(running_loop())) is not None:
            self._async_clients[running_loop()] = [], kept[1]

    async def arelease(self) -> None:
        """Keep the client for the next stream."""

    def close(self) -> None:
        """End the streams of `for`, and close their clients.

        Raises `TypeError` if an event loop uses the pool: call `aclose()` on it then.
        """
        self._renew()
        self._forget_closed_loops()
        if self._async_clients:
            raise TypeError("this Client was read with `async for`; close it with `async with` or `await aclose()`")
        self._abort(0)
        for client in self._clients:
            client.close()

    async def aclose(self) -> None:
        """End the streams of `for` and of this event loop, and close their clients."""
        self._renew()
        self._abort(0, id(running_loop()))
        for client in self._clients:
            client.close()
        _, keepers = self._async_clients.pop(running_loop(), ([], []))
        for keeper in keepers:
            await keeper.aclose()

    def __del__(self) -> None:
        """Warn of a pool that was used and not closed: its sockets stay open until something else closes them.

        In sync that is the garbage collection, in async the end of the event loop.
        """
        # The child of a fork must not close its parent's pool.
        used = self._clients or self._async_clients or self._ended
        if used and not self.closed and self._pid == os.getpid():
            warnings.warn(
                f"{self._name}: this Client was not closed; use it in `with` or `async with`, or call close() or "
                "`await aclose()`",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )

    def _note(self, timers: Timers, loop: int) -> None:
        """Note that a stream reads over the pool.  If the pool is closed at this moment, `client()` raises."""
        self._renew()
        with self._lock:
            self._running[timers] = loop

    def _abort(self, *loops: int) -> None:
        """Close the pool, and end its streams on these loops, also those that wait for their next attempt."""
        with self._lock:
            self.closed = True
            running = [timers for timers, loop in self._running.items() if loop in loops]
        for timers in running:
            # The stream may have fallen back to another source.
            if timers.source is self:
                timers.abort()

    def _renew(self) -> None:
        """Begin anew in the child process after a fork.

        The child has inherited the parent's sockets.  To use or close them would disturb the parent's streams, so the
        child keeps the inherited clients alive and never touches them.  It makes a new lock, too: if a thread of the
        parent held the lock during the fork, nobody would release it in the child.
        """
        if self._pid != os.getpid():
            self._inherited.append((self._clients, self._async_clients))
            self._clients, self._async_clients, self._running = [], {}, WeakKeyDictionary()
            self._ended = set()
            self._lock, self._pid = threading.Lock(), os.getpid()

    def _forget_closed_loops(self) -> None:
        """Drop the clients of loops that were closed without ending their generators, which `asyncio.run` does."""
        for loop in list(self._async_clients):
            if getattr(loop, "is_closed", bool)():
                _forget(self._async_clients, self._ended, loop)

    def _forget_idle_loops(self) -> None:
        """Drop the clients of loops that do not run and in which no stream waits: most are never run again.

        A loop that does run again closes its old client first, because the keeper is dropped, too.  The others, whose
        sockets refer to them, are garbage from now on.
        """
        waiting = {loop for timers, loop in self._running.items() if timers.waiting is not None}
        for loop in list(self._async_clients):
            if id(loop) not in waiting and not getattr(loop, "is_running", lambda: True)():
                _forget(self._async_clients, self._ended, loop)

    def _check_open(self) -> None:
        if self.closed:
            raise UsageError("this Client is closed; make a new one")


def running_loop() -> object:
    """Return what stands for the event loop of this thread: asyncio's loop, or trio's token."""
    import asyncio  # noqa: PLC0415 - slow to import, and of no use in sync

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        import trio  # noqa: PLC0415 - it runs

        return trio.lowlevel.current_trio_token()


def with_room(clients: list[C]) -> C | None:
    """Return the first client that has room for a stream, None if none has: so open connections are used first."""
    for client in clients:
        under_way = 0
        for transport in _transports(client):
            under_way += len(_requests(transport))
        if under_way < STREAMS:
            return client
    return None


def _transports(client: Any) -> list[Any]:
    """Return the transports of a client that was made here."""
    return [client._transport, *client._mounts.values()]


def _requests(transport: Any) -> Sized:
    """Return the requests of httpcore's pool that are under way or wait; none if it does not tell."""
    return getattr(getattr(transport, "_pool", None), "_requests", ())


def _forget(clients: dict[object, Any], ended: set[bool], loop: object, own: object = None) -> None:
    """Note that an event loop has ended, and drop its clients; not others that the loop has by now."""
    kept = clients.get(loop)
    # The list is another one, and empty, once the clients are retired.
    if kept is not None and (own is None or kept[0] is own or not kept[0]):
        del clients[loop]
    ended.add(True)


def kept_open(client: httpx.AsyncClient, forget: Callable[[], Any]) -> AsyncGenerator[None, None]:
    """Return a generator that stays suspended until the event loop ends, and then closes the client.

    Whoever ends an event loop properly (`asyncio.run`, `trio.run`) also ends the async generators that were begun on it
    (PEP 525), while the loop can still close sockets.  Without this, each loop would leave its sockets behind.
    """
    generator = _until_the_loop_ends(client, forget)
    # The first step waits for nothing; with it, the loop learns of the generator.
    with suppress(StopIteration):
        generator.asend(None).send(None)
    return generator


async def _until_the_loop_ends(client: httpx.AsyncClient, forget: Callable[[], Any]) -> AsyncGenerator[None, None]:
    process = os.getpid()
    try:
        yield
    finally:
        forget()
        # The child of a fork leaves the sockets to its parent.
        if process == os.getpid():
            with anyio.move_on_after(CLOSING, shield=True):
                await client.aclose()


def use_safe_locks(client: httpx.Client) -> None:
    """Give the pools of a new client a lock that an interrupt cannot leave held.

    The `__enter__` of httpcore's own lock is written in Python: a KeyboardInterrupt that comes there, behind the
    `acquire`, leaves the lock held, and httpcore waits for it at once, and for ever.  Of a lock written in C, Python
    knows once it is taken.
    """
    for transport in _transports(client):
        pool: Any = getattr(transport, "_pool", None)
        if hasattr(pool, "_optional_thread_lock"):
            pool._optional_thread_lock = threading.Lock()


def make_client(kind: Callable[..., C], to: Connection, cookies: CookieJar | None = None) -> C:
    """Return a new client, which connects once it sends a request, and keeps its cookies in this jar, or else its own.

    Certificates are loaded only for an https URL.  Raises `OptionError` if they cannot be loaded or the proxy cannot be
    used.
    """
    found = environment_proxy(to.base_url, os.environ) if to.proxy is None else None
    source = f"; {found.variable} is {found.public}" if found else ""
    try:
        chosen = to.proxy if found is None else check_proxy(found.url)
    except ValueError as error:
        raise OptionError(f"the environment's proxy is not a URL that httpx can use: proxy {error}{source}") from None
    try:
        context = to.verify or (default_context() if to.base_url.startswith("https:") else unused_context())
        # The connection to an https proxy has a TLS context of its own.
        own = to.verify if (chosen or "").startswith("https:") else None
        proxy = None if chosen is None else httpx.Proxy(chosen, ssl_context=own)
        # If no variable says anything of proxies, httpx asks the system's settings on macOS and Windows.
        client = kind(
            verify=context, proxy=proxy, limits=LIMITS, trust_env=not names_proxies(os.environ), cookies=cookies
        )
        limit_offer(client.headers)
        if isinstance(client, httpx.Client):
            use_safe_locks(client)
        elif "asyncio" in sys.modules:
            from .network import read_over_asyncio  # noqa: PLC0415 - asyncio is slow to import, and of no use in sync

            read_over_asyncio(client)
        return client
    except OSError as error:
        raise OptionError(f"the certificates cannot be read: {error}; check SSL_CERT_FILE and SSL_CERT_DIR") from error
    except ImportError:
        raise OptionError(f"a SOCKS proxy needs socksio: pip install socksio{source}") from None
    except (httpx.InvalidURL, ValueError):
        raise OptionError("the proxy is not a URL that httpx can use", advice=f"check {{proxy}}{source}") from None
