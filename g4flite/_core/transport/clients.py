"""Where a stream's client comes from: the caller (`Given`), a `Client`'s `Pool`, or the stream itself (`OneShot`).

Each of the three is a `Source` of the exchange: it sends requests over its client, and is released when the stream
ends.  A client is made when the first request is sent: one for `for`, and one for each event loop of `async for`.
"""

import os
import ssl
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, Union

import httpx

from ..errors import OptionError, UsageError
from ..provider import Request
from ..timers import Timers
from .httpx import Response, asend, opened, send
from .network_errors import error_of_request, failures, kinds, safe_cause
from .tls import default_context, unused_context

if TYPE_CHECKING:
    from anyio.lowlevel import RunVar

C = TypeVar("C", httpx.Client, httpx.AsyncClient)
ASYNCIO = 'transport="aiohttp" is for `async for` on asyncio; leave it out for `for`, and on trio'
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=20)


class Connection(NamedTuple):
    """How a client that is made here connects."""

    base_url: str
    proxy: str | None
    verify: ssl.SSLContext | None
    transport: str = "httpx"

    def __repr__(self) -> str:
        """Return the base URL alone: a proxy's URL may hold a password."""
        return f"Connection(base_url={self.base_url!r})"


def _send(
    source: Union["OneShot", "Given", "Pool"], wanted: Request, timers: Timers, secrets: tuple[str, ...]
) -> Response:
    """Return the response to a request, its body unread.  Raises the `G4fliteError` that a failure on the way means."""
    client = source.client()
    try:
        return send(client, wanted, timers)
    except failures() as error:
        failed = error
    # Outside of `except`, so that the error has no context that quotes a header.
    raise error_of_request(failed, wanted.url, timers, proxied=source.proxied) from safe_cause(failed, secrets)


async def _asend(
    source: Union["OneShot", "Given", "Pool"], wanted: Request, timers: Timers, secrets: tuple[str, ...]
) -> Response:
    """Do the same as `_send`, in async."""
    client = source.async_client()
    try:
        if is_over_aiohttp(client, wanted.url):
            from . import aiohttp  # noqa: PLC0415 - aiohttp is an extra

            return opened(await aiohttp.send(client, wanted, timers), timers)
        return await asend(client, wanted, timers)
    except failures() as error:
        failed = error
    # Outside of `except`, so that the error has no context that quotes a header.
    raise error_of_request(failed, wanted.url, timers, proxied=source.proxied) from safe_cause(failed, secrets)


def is_over_aiohttp(client: httpx.AsyncClient, url: str) -> bool:
    """Return whether the client's requests to this URL go over httpx-aiohttp."""
    return "httpx_aiohttp" in sys.modules and any(
        kind.__module__.partition(".")[0] == "httpx_aiohttp"
        for kind in type(client._transport_for_url(type(client.base_url)(url))).__mro__
    )


class OneShot:
    """A client for one stream, closed with it."""

    send, asend = _send, _asend

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._client: httpx.Client | None = None
        self._async_client: httpx.AsyncClient | None = None
        self.proxied = connection.proxy is not None

    def client(self) -> httpx.Client:
        if self._client is None:
            self._client = connect(kind(self._connection), self._connection)
        return self._client

    def async_client(self) -> httpx.AsyncClient:
        if self._async_client is None:
            self._async_client = connect(async_kind(self._connection), self._connection)
        return self._async_client

    def release(self) -> None:
        if self._client is not None:
            self._client.close()

    async def arelease(self) -> None:
        if self._async_client is not None:
            await self._async_client.aclose()


class Given:
    """A client of the caller's, which only the caller closes."""

    send, asend = _send, _asend
    # The client may have a proxy of its own, of which nothing is known here.
    proxied = False

    def __init__(self, client: object) -> None:
        if not isinstance(client, kinds("Client", "AsyncClient")):
            raise TypeError(f"client= is an httpx.Client or httpx.AsyncClient, not {type(client).__name__}")
        if client.is_closed:
            raise OptionError("client= is closed; open a new one")
        self._given: Any = client

    def client(self) -> httpx.Client:
        if not isinstance(self._given, kinds("Client")):
            raise TypeError(f"`for` needs an httpx.Client; client= is of the type {type(self._given).__name__}")
        given: httpx.Client = self._given
        return given

    def async_client(self) -> httpx.AsyncClient:
        if not isinstance(self._given, kinds("AsyncClient")):
            raise TypeError(
                f"`async for` needs an httpx.AsyncClient; client= is of the type {type(self._given).__name__}"
            )
        given: httpx.AsyncClient = self._given
        return given

    def release(self) -> None:
        """Leave the client open."""

    async def arelease(self) -> None:
        """Leave the client open."""


class Pool:
    """The clients of a `g4flite.Client`: one for `for` and one for each event loop, kept until the pool is closed."""

    send, asend = _send, _asend

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.proxied = connection.proxy is not None
        self._client: httpx.Client | None = None
        self._async_clients: RunVar[httpx.AsyncClient | None] | None = None
        self._lock, self._pid = threading.Lock(), os.getpid()
        self._inherited: list[object] = []
        self.closed = False

    def client(self) -> httpx.Client:
        self._renew()
        with self._lock:
            self._check_open()
            if self._client is None:
                self._client = connect(kind(self._connection), self._connection)
            return self._client

    def async_client(self) -> httpx.AsyncClient:
        self._renew()
        with self._lock:
            self._check_open()
            if self._async_clients is None:
                from anyio.lowlevel import RunVar  # noqa: PLC0415 - of no use in sync, and slow to import

                self._async_clients = RunVar("async_client")
            client = self._async_clients.get(None)
            if client is None:
                client = connect(async_kind(self._connection), self._connection)
                self._async_clients.set(client)
            return client

    def release(self) -> None:
        """Keep the client for the next stream."""

    async def arelease(self) -> None:
        """Keep the client for the next stream."""

    def close(self) -> None:
        """Close the client.  Raises `TypeError` if there is one of `async for`, which needs `aclose()`."""
        self._renew()
        if self._async_clients is not None:
            raise TypeError("this Client was read with `async for`; close it with `async with` or `await aclose()`")
        self.closed = True
        if self._client is not None:
            self._client.close()

    async def aclose(self) -> None:
        """Close the clients."""
        self._renew()
        self.closed = True
        if self._client is not None:
            self._client.close()
        if self._async_clients is not None and (client := self._async_clients.get(None)) is not None:
            await client.aclose()

    def _renew(self) -> None:
        """Begin anew in the child of a fork.

        The connections and locks are the parent's: to use or to close them would disturb its streams, and a lock that
        a thread of the parent held would never be released.  They are kept alive, and not used.
        """
        if self._pid != os.getpid():
            self._inherited.append((self._client, self._async_clients))
            self._client = self._async_clients = None
            self._lock, self._pid = threading.Lock(), os.getpid()

    def _check_open(self) -> None:
        if self.closed:
            raise UsageError("this Client is closed; make a new one")


def kind(to: Connection) -> Callable[..., httpx.Client]:
    """Return what makes a client for `for`.  Raises `OptionError` if the transport has none."""
    if to.transport == "aiohttp":
        raise OptionError(ASYNCIO)
    return httpx.Client


def async_kind(to: Connection) -> Callable[..., httpx.AsyncClient]:
    """Return what makes a client for `async for`.  Raises `OptionError` if it cannot run on this event loop."""
    if to.transport != "aiohttp":
        return httpx.AsyncClient
    import asyncio  # noqa: PLC0415 - slow to import, and of no use in sync

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise OptionError(ASYNCIO) from None
    from .aiohttp import Client  # noqa: PLC0415 - aiohttp is an extra

    return Client


def connect(kind: Callable[..., C], to: Connection) -> C:
    """Return a client.  Certificates are loaded only if TLS is to be spoken.  Raises `OptionError`."""
    try:
        context = to.verify or (default_context() if to.base_url.startswith("https:") else unused_context())
        # For a proxy that is itself reached by TLS.
        own = to.verify if (to.proxy or "").startswith("https:") else None
        proxy = None if to.proxy is None else httpx.Proxy(to.proxy, ssl_context=own)
        return kind(verify=context, proxy=proxy, limits=LIMITS)
    except OSError as error:
        raise OptionError(f"the certificates cannot be read: {error}; check SSL_CERT_FILE and SSL_CERT_DIR") from error
    except OptionError:
        raise
    except ImportError:
        raise OptionError("a SOCKS proxy needs the package socksio; install it with: pip install socksio") from None
    except (httpx.InvalidURL, ValueError):
        raise OptionError("the proxy, given or from the environment, is no URL that httpx can use") from None
