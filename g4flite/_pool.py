"""Where a stream's httpx client comes from: the caller, a `Client`'s pool, or one of its own for one stream."""

import ssl
import threading
from collections.abc import Callable
from functools import cache
from typing import Protocol, TypeVar

import httpx

from ._errors import OptionError, UsageError

C = TypeVar("C", httpx.Client, httpx.AsyncClient)
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=20)


class Source(Protocol):
    """Lends an httpx client, and says whether the stream is to close it."""

    def client(self) -> tuple[httpx.Client, bool]: ...

    def async_client(self) -> tuple[httpx.AsyncClient, bool]: ...


class OneShot:
    """A client for one stream, closed with it."""

    def __init__(self, base_url: str, proxy: str | None) -> None:
        self._base_url, self._proxy = base_url, proxy

    def client(self) -> tuple[httpx.Client, bool]:
        return connect(httpx.Client, self._base_url, self._proxy), True

    def async_client(self) -> tuple[httpx.AsyncClient, bool]:
        return connect(httpx.AsyncClient, self._base_url, self._proxy), True


class Given:
    """A client of the caller's, which only the caller closes."""

    def __init__(self, client: object) -> None:
        self._given = client

    def client(self) -> tuple[httpx.Client, bool]:
        if not isinstance(self._given, httpx.Client):
            raise TypeError(f"`for` needs an httpx.Client; client= is of the type {type(self._given).__name__}")
        return self._given, False

    def async_client(self) -> tuple[httpx.AsyncClient, bool]:
        if not isinstance(self._given, httpx.AsyncClient):
            raise TypeError(
                f"`async for` needs an httpx.AsyncClient; client= is of the type {type(self._given).__name__}"
            )
        return self._given, False


class Pool:
    """The clients of a `g4flite.Client`, one of each colour, made when first wanted and kept until it is closed."""

    def __init__(self, base_url: str, proxy: str | None) -> None:
        self._base_url, self._proxy = base_url, proxy
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None
        self._async_client: httpx.AsyncClient | None = None
        self.closed = False

    def client(self) -> tuple[httpx.Client, bool]:
        with self._lock:
            self._check_open()
            if self._client is None:
                self._client = connect(httpx.Client, self._base_url, self._proxy)
            return self._client, False

    def async_client(self) -> tuple[httpx.AsyncClient, bool]:
        with self._lock:
            self._check_open()
            if self._async_client is None:
                self._async_client = connect(httpx.AsyncClient, self._base_url, self._proxy)
            return self._async_client, False

    def close(self) -> None:
        if self._async_client is not None:
            raise TypeError("this Client was read with `async for`; close it with `async with` or `await aclose()`")
        self.closed = True
        if self._client is not None:
            self._client.close()

    async def aclose(self) -> None:
        self.closed = True
        if self._client is not None:
            self._client.close()
        if self._async_client is not None:
            await self._async_client.aclose()

    def _check_open(self) -> None:
        if self.closed:
            raise UsageError("this Client is closed; make a new one")


def connect(kind: Callable[..., C], base_url: str, proxy: str | None) -> C:
    """An httpx client for that base URL.  Certificates are loaded only where TLS is to be spoken."""
    context = trusting() if base_url.startswith("https:") else distrusting()
    try:
        return kind(verify=context, proxy=proxy, limits=LIMITS)
    except ImportError:
        raise OptionError("a SOCKS proxy needs the package socksio; install it with: pip install socksio") from None
    except (httpx.InvalidURL, ValueError):
        raise OptionError("the proxy, given or from the environment, is no URL that httpx can use") from None


@cache
def trusting() -> ssl.SSLContext:
    """The TLS context of this process: the certificates of certifi, or of SSL_CERT_FILE and SSL_CERT_DIR."""
    return httpx.create_ssl_context()


@cache
def distrusting() -> ssl.SSLContext:
    """A TLS context that trusts nobody, for a client that speaks plain http: it costs nothing to make."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
