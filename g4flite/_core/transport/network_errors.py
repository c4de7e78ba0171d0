"""Network errors: httpx's exceptions, and those of httpx2, in our classes."""

import os
import ssl
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

import httpx

from ..errors import (
    ConnectError,
    G4fliteError,
    LimitError,
    MalformedReplyError,
    OptionError,
    ProxyError,
    StreamClosedError,
    StreamTimeoutError,
    TLSError,
    TransportError,
    TruncatedStreamError,
)
from ..timers import Timers

OTHERS: tuple[type[Exception], ...] = (
    # A host that is no IDNA name, or longer than SOCKS can say.
    UnicodeError,
    OverflowError,
    # httpcore lets it through if asyncio reads a bad record.
    ssl.SSLError,
)
with suppress(ImportError):
    import socksio

    # httpcore lets it through if a SOCKS proxy speaks something else.
    OTHERS += (socksio.ProtocolError,)


def kinds(*names: str) -> tuple[type[Any], ...]:
    """Return the classes of these names in httpx, and in its continuation httpx2 if the caller has imported that."""
    families = (httpx, sys.modules.get("httpx2"))
    return tuple(getattr(family, name) for family in families for name in names if hasattr(family, name))


def failures() -> tuple[type[Exception], ...]:
    """Return every class of exception that a request, its response or its connection may end with."""
    return (*kinds("HTTPError", "InvalidURL", "StreamError"), *OTHERS)


def read_failures() -> tuple[type[Exception], ...]:
    """Return every class of exception that a read may end with: a failure of the network, or a timer's error."""
    return (*failures(), StreamTimeoutError)


def is_a(error: Exception, name: str) -> bool:
    """Return whether an exception is httpx's of that name, or httpx2's."""
    return isinstance(error, kinds(name))


def error_of_request(error: Exception, url: str, timers: Timers, *, proxied: bool) -> G4fliteError:
    """Return what a failure before the head of the response means.

    `url` is where the request was to go; `proxied`: through a proxy that was given for it.
    """
    place = urlsplit(url).netloc
    if timers.closed:
        return StreamClosedError("close() was called before the reply came")
    if is_a(error, "PoolTimeout"):
        return timers.unconnected(f"{place} was free in the pool of client=, none made")
    if is_a(error, "TimeoutException") and not timers.connected:
        return timers.unconnected(place)
    if is_a(error, "TimeoutException"):
        return timers.expired()
    if is_a(error, "ProxyError") or type(error).__module__.startswith("socksio"):
        return ProxyError(f"the proxy makes no connection to {place}: {reason(error)}; check proxy= and its password")
    if any(isinstance(cause, ssl.SSLError) for cause in causes(error)):
        return TLSError(f"no TLS with {place}: {reason(error)}; check the host's certificate and that it speaks https")
    if is_a(error, "ConnectError") and proxied:
        return ProxyError(f"could not connect to the proxy: {reason(error)}; check proxy= and the network")
    if is_a(error, "ConnectError"):
        place += f", or to the proxy that {name} names" if (name := proxy_variable(url)) else ""
        return ConnectError(f"could not connect to {place}: {reason(error)}; check base_url=, proxy= and the network")
    if isinstance(error, (*kinds("InvalidURL", "UnsupportedProtocol"), UnicodeError, OverflowError)):
        return OptionError("base_url or proxy is a URL that httpx refuses; check its host and length")
    if is_a(error, "LocalProtocolError"):
        return OptionError("a header of the client's own cannot be sent; check the client's headers")
    if is_a(error, "RemoteProtocolError") and "too long" in str(error):
        return LimitError("the head of the answer is longer than the 100 kB that httpx reads of one")
    if is_a(error, "RemoteProtocolError") and "disconnected" not in str(error):
        return MalformedReplyError(f"{place} gave no valid HTTP answer: {reason(error)}; check base_url=")
    return TransportError(f"{place} closed the connection before it answered: {reason(error)}; try again")


def proxy_variable(url: str) -> str:
    """Return the environment variable that names a proxy for the URL, "" if there is none."""
    parts = urlsplit(url)
    if proxy_bypass_environment(parts.hostname or ""):
        return ""
    names = [f"{parts.scheme}_proxy", "all_proxy"]
    return next((name for low in names for name in (low.upper(), low) if os.environ.get(name)), "")


def error_of_body(error: Exception, timers: Timers) -> G4fliteError:
    """Return what a failure in the middle of the body means."""
    if isinstance(error, StreamTimeoutError):
        return error
    if timers.closed:
        return StreamClosedError("close() was called while the reply was coming; what came is in .partial")
    if is_a(error, "TimeoutException"):
        return timers.expired()
    if is_a(error, "RemoteProtocolError") and "too long" in str(error):
        return LimitError("a chunk's own head is longer than the 100 kB that httpx reads of one")
    if is_a(error, "DecodingError"):
        return MalformedReplyError(f"the reply's compression is broken: {reason(error)}")
    return TruncatedStreamError(f"the reply was cut off: {reason(error)}; what came is in .partial")


def safe_cause(error: Exception, secrets: Iterable[str]) -> Exception | None:
    """Return the exception to be shown as a cause, or None if it quotes a secret or a header that cannot be sent."""
    quotes = any(secret in str(cause) for cause in causes(error) for secret in secrets)
    return None if quotes or is_a(error, "LocalProtocolError") else error


def causes(error: BaseException | None) -> list[BaseException]:
    """Return the exception and those that it was raised from, outermost first; of a group, its first member."""
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        members = getattr(error, "exceptions", None)
        error = members[0] if members else error.__cause__ or error.__context__
    return chain


def reason(error: Exception) -> str:
    """Return the most telling line of the chain: what the operating system or TLS said, else what httpx says."""
    said = [cause for cause in causes(error) if isinstance(cause, OSError) and cause.strerror]
    # asyncio replaces the system's own text by an address.
    if said and isinstance(said[-1], ConnectionError) and said[-1].errno:
        return os.strerror(said[-1].errno)
    return str(said[-1].strerror if said else error) or type(error).__name__
