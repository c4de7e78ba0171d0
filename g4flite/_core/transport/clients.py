"""Where a stream's httpx client comes from: the caller, a `Client`'s pool, or one of its own for one stream."""

import os
import ssl
import threading
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import httpx

from ..errors import OptionError, UsageError
from .http import kinds

if TYPE_CHECKING:
    from anyio.lowlevel import RunVar

C = TypeVar("C", httpx.Client, httpx.AsyncClient)
ASYNCIO = 'transport="aiohttp" is for `async for` on asyncio; leave it out for `for`, and on trio'
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=20)


class Source(Protocol):
    """Lends a stream an httpx client, and takes it back; `proxied`: one that goes through a proxy of the caller's."""

    @property
    def proxied(self) -> bool: ...

    def client(self) -> httpx.Client: ...

    def async_client(self) -> httpx.AsyncClient: ...

    def release(self) -> None: ...

    async def arelease(self) -> None: ...


class Connection(NamedTuple):
    """How the clients made here connect."""

    base_url: str
    proxy: str | None
    verify: ssl.SSLContext | None
    transport: str = "httpx"

    def __repr__(self) -> str:
        return f"Connection(base_url={self.base_url!r})"


class OneShot:
    """A client for one stream, closed with it."""

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

    proxied = False  # as far as is known

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
        """Leaves the client open."""

    async def arelease(self) -> None:
        """Leaves the client open."""


class Pool:
    """The clients of a `g4flite.Client`, one of each colour, made when first wanted and kept until it is closed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.proxied = connection.proxy is not None
        self._client: httpx.Client | None = None
        self._async_clients: RunVar[httpx.AsyncClient | None] | None = None  # one for each event loop
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
        """Keeps the client for the next stream."""

    async def arelease(self) -> None:
        """Keeps the client for the next stream."""

    def close(self) -> None:
        self._renew()
        if self._async_clients is not None:
            raise TypeError("this Client was read with `async for`; close it with `async with` or `await aclose()`")
        self.closed = True
        if self._client is not None:
            self._client.close()

    async def aclose(self) -> None:
        self._renew()
        self.closed = True
        if self._client is not None:
            self._client.close()
        if self._async_clients is not None and (client := self._async_clients.get(None)) is not None:
            await client.aclose()

    def _renew(self) -> None:
        """Begins anew in the child of a fork: the connections and locks are its parent's, and are kept but not used."""
        if self._pid != os.getpid():
            self._inherited.append((self._client, self._async_clients))
            self._client = self._async_clients = None
            self._lock, self._pid = threading.Lock(), os.getpid()

    def _check_open(self) -> None:
        if self.closed:
            raise UsageError("this Client is closed; make a new one")


def kind(to: Connection) -> Callable[..., httpx.Client]:
    """What makes a client for `for`.  Raises `OptionError` where the transport has none."""
    if to.transport == "aiohttp":
        raise OptionError(ASYNCIO)
    return httpx.Client


def async_kind(to: Connection) -> Callable[..., httpx.AsyncClient]:
    """What makes a client for `async for`.  Raises `OptionError` where the transport has none on this event loop."""
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
    """An httpx client.  Certificates are loaded only where TLS is to be spoken."""
    try:
        context = to.verify or (trusting() if to.base_url.startswith("https:") else distrusting())
        own = to.verify if (to.proxy or "").startswith("https:") else None  # a proxy that is itself reached by TLS
        proxy = None if to.proxy is None else httpx.Proxy(to.proxy, ssl_context=own)
        made = kind(verify=context, proxy=proxy, limits=LIMITS)
    except OSError as error:
        raise OptionError(f"the certificates cannot be read: {error}; check SSL_CERT_FILE and SSL_CERT_DIR") from error
    except OptionError:
        raise
    except ImportError:
        raise OptionError("a SOCKS proxy needs the package socksio; install it with: pip install socksio") from None
    except (httpx.InvalidURL, ValueError):
        raise OptionError("the proxy, given or from the environment, is no URL that httpx can use") from None
    made.cookies.__class__ = sparing(type(made.cookies))
    return made


@cache
def sparing(kind: type[Any]) -> type[Any]:
    """The same class of cookies, httpx's or httpx2's: it looks for one only where an answer sets any, as each look
    takes 70 us.
    """

    class Sparing(kind):  # type: ignore[misc]
        def extract_cookies(self, response: Any) -> None:
            if "set-cookie" in response.headers:
                super().extract_cookies(response)

    return Sparing


@cache
def trusting() -> ssl.SSLContext:
    """The TLS context of this process: the certificates of certifi, or of SSL_CERT_FILE and SSL_CERT_DIR."""
    return httpx.create_ssl_context()


@cache
def distrusting() -> ssl.SSLContext:
    """A TLS context that trusts nobody, for a client that speaks plain http: it costs nothing to make."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
