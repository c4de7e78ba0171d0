"""What went wrong in the network: httpx's exceptions, and httpx2's, said in ours."""

import os
import ssl
from contextlib import suppress
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

from ..errors import (
    ConnectError,
    G4fliteError,
    LimitError,
    MalformedReplyError,
    OptionError,
    ProxyError,
    StreamClosedError,
    TLSError,
    TransportError,
    TruncatedStreamError,
)
from ..run import Run
from ..timers import Timers
from .http import kinds

OTHERS: tuple[type[Exception], ...] = (
    UnicodeError, OverflowError,  # a host that is no IDNA, or longer than SOCKS can say
    ssl.SSLError,  # httpcore lets it through where asyncio reads a bad record
)  # fmt: skip
with suppress(ImportError):
    import socksio

    OTHERS += (socksio.ProtocolError,)  # httpcore lets it through where a SOCKS proxy speaks something else


def failures() -> tuple[type[Exception], ...]:
    """Everything that a request, its answer or its connection may end with."""
    return (*kinds("HTTPError", "InvalidURL", "StreamError"), *OTHERS)


def is_a(error: Exception, name: str) -> bool:
    """Whether an exception is httpx's of that name, or httpx2's."""
    return isinstance(error, kinds(name))


def unsent(error: Exception, url: str, run: Run) -> G4fliteError:
    """What a failure before the head of the answer means; `url` is where the request was to go."""
    place, timers = urlsplit(url).netloc, run.timers
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
    if is_a(error, "ConnectError") and run.proxied:
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
    """The variable of the environment that names a proxy for the URL, as most programs read it; empty without one."""
    parts = urlsplit(url)
    if proxy_bypass_environment(parts.hostname or ""):
        return ""
    names = [f"{parts.scheme}_proxy", "all_proxy"]
    return next((name for low in names for name in (low.upper(), low) if os.environ.get(name)), "")


def cut_off(error: Exception, timers: Timers) -> G4fliteError:
    """What a failure in the middle of the body means."""
    if timers.closed:
        return StreamClosedError("close() was called while the reply was coming; what came is in .partial")
    if is_a(error, "TimeoutException"):
        return timers.expired()
    if is_a(error, "RemoteProtocolError") and "too long" in str(error):
        return LimitError("a chunk's own head is longer than the 100 kB that httpx reads of one")
    if is_a(error, "DecodingError"):
        return MalformedReplyError(f"the reply's compression is broken: {reason(error)}")
    return TruncatedStreamError(f"the reply was cut off: {reason(error)}; what came is in .partial")


def shown(error: Exception, run: Run) -> Exception | None:
    """The exception as a cause to be shown; none where it quotes a secret, or a header that could not be sent."""
    quotes = any(secret in str(cause) for cause in causes(error) for secret in run.secrets)
    return None if quotes or is_a(error, "LocalProtocolError") else error


def causes(error: BaseException | None) -> list[BaseException]:
    """The exception and everything it was raised from, outermost first; of a group, its first member."""
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        members = getattr(error, "exceptions", None)
        error = members[0] if members else error.__cause__ or error.__context__
    return chain


def reason(error: Exception) -> str:
    """The most telling line of the chain: what the operating system or TLS said, else what httpx says."""
    said = [cause for cause in causes(error) if isinstance(cause, OSError) and cause.strerror]
    if said and isinstance(said[-1], ConnectionError) and said[-1].errno:
        return os.strerror(said[-1].errno)  # asyncio replaces the text by an address
    return str(said[-1].strerror if said else error) or type(error).__name__
