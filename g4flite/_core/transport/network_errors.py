"""Network errors: translates the exceptions of httpx and httpx2 into the classes of `errors.py`.

except failures() as error:
    raise error_of_request(error, url, timers, proxy) from safe_cause(error)
"""

import os
import ssl
import sys
from traceback import walk_tb
from typing import Any, Final
from urllib.parse import urlsplit

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
    causes,
)
from ..proxies import NamedProxy, setting, shown, way
from ..timers import Timers
from ..urls import how_to_start

# Exceptions that httpx and httpcore let through, although they mean a failure of the network or of a URL.
OTHERS: tuple[type[Exception], ...] = (
    # The host is not a valid IDNA name, or is longer than the SOCKS protocol allows.
    UnicodeError,
    OverflowError,
    # On asyncio, a TLS record is broken.
    ssl.SSLError,
)

# The methods of httpx's clients that call hooks and logins.
CALLERS: Final = ("_send_handling_auth", "_send_handling_redirects")
# The modules of the class `Auth`.
AUTHS: Final = ("httpx._auth", "httpx2._auth")


def httpx_classes(*names: str) -> tuple[type[Any], ...]:
    """Return the classes of these names in httpx, and in its successor httpx2 if the caller has imported httpx2."""
    found = [getattr(httpx, name) for name in names]
    if (successor := sys.modules.get("httpx2")) is not None:
        # While another thread imports a module, it lacks names.
        found += [getattr(successor, name) for name in names if hasattr(successor, name)]
    return tuple(found)


def failures(timers: Timers | None = None) -> tuple[type[Exception], ...]:
    """Return the classes of exceptions by which sending a request or reading a response may fail.

    If the stream was closed, any exception may come, because its HTTP client may have been closed during the read.
    """
    if timers is not None and timers.closed:
        return (Exception,)
    found = [*httpx_classes("HTTPError", "InvalidURL", "StreamError"), *OTHERS]
    # Both are imported only by those who use them.  socksio's means that the SOCKS proxy speaks another protocol.
    for package, name in ("aiohttp", "ClientError"), ("socksio", "ProtocolError"):
        # While another thread imports a module, it lacks names.
        if (kind := getattr(sys.modules.get(package), name, None)) is not None:
            found.append(kind)
    return tuple(found)


def read_failures(timers: Timers) -> tuple[type[Exception], ...]:
    """Return the classes of exceptions by which a read may fail: those of the network, and the errors of the timers."""
    return (*failures(timers), StreamTimeoutError)


def is_a(error: Exception, name: str) -> bool:
    """Return whether the exception is of the class of this name in httpx or httpx2."""
    return isinstance(error, httpx_classes(name))


def of_aiohttp(error: Exception) -> Exception:
    """Return the exception that httpx would have raised in the place of this one, which may be one of httpx-aiohttp's.

    httpx-aiohttp 0.2.0 calls each failure of a connection a `ConnectTimeout`, also if the server has refused or closed
    the connection, and lets aiohttp's own exception through if the server's HTTP is not valid.
    """
    raw = error.__cause__ if is_a(error, "ConnectTimeout") else error
    names = {kind.__name__ for kind in type(raw).__mro__ if kind.__module__.partition(".")[0] == "aiohttp"}
    if not names or "ServerTimeoutError" in names:
        return error
    # The first class that fits: a failure to reach the proxy is one to connect, too.
    known = (("ClientProxyConnectionError", httpx.ProxyError), ("ClientConnectorError", httpx.ConnectError),
             ("ClientConnectionError", httpx.ReadError), ("ClientError", httpx.RemoteProtocolError))  # fmt: skip
    kind = next(kind for name, kind in known if name in names)
    # `str` of a response's error begins with a status that nobody has sent; a lost connection has half a head there.
    said = getattr(raw, "message", None)
    found: Exception = kind(said if isinstance(said, str) else "" if said else str(raw))
    found.__cause__ = raw
    return found


def is_of_the_caller(error: BaseException) -> bool:
    """Return whether an event hook or a login of the caller's client has raised the exception, and not httpx.

    httpx calls hooks and logins in the methods `CALLERS` of its clients, a login through its own class `Auth`.  Any
    other function that these methods call is one of httpx.
    """
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    names = [frame.f_code.co_name for frame in frames]
    for name in CALLERS:
        if name in names:
            # The frame of the method stands there twice if the method has raised the exception a second time.
            caller = frames[names.index(name)]
            inner = [
                str(frame.f_globals.get("__name__")) for frame in frames[frames.index(caller) :] if frame is not caller
            ]
            called = next((module for module in inner if module not in AUTHS), "httpx")
            if called.partition(".")[0] not in ("httpx", "httpx2"):
                return True
    return False


def refused_response(error: Exception, url: str) -> httpx.Response | None:
    """Return the response to the request of this URL if the exception is that of its `raise_for_status()`.

    A hook or a login of the caller's client may also ask another service, say for a token: that response is not ours.

    httpx closes the response when a hook raises, before anybody else sees it.  So its body is lost, unless the hook has
    read it, and only the status and the headers say what the error is.  So a 429 for a quota that is used up is asked
    again, unless it has the header `x-should-retry: false`.
    """
    if not is_a(error, "HTTPStatusError"):
        return None
    response: httpx.Response = error.response  # type: ignore[attr-defined]
    is_ours = response.request.url == type(response.request.url)(url)
    return response if is_ours and not response.is_success else None


def error_of_request(error: Exception, url: str, timers: Timers, proxy: NamedProxy | None) -> G4fliteError:
    """Return the error that a failure before the head of the response means.

    `url` is the URL of the request, `proxy` the proxy that it goes over, as far as that is known.
    """
    error = of_aiohttp(error)
    # A login of the caller's client may have asked another host, say for a token.
    asked: Any = getattr(error, "_request", None)
    is_login = asked is not None and asked.url != type(asked.url)(url)
    place = urlsplit(str(asked.url) if is_login else url).netloc.rpartition("@")[2]
    base_url = "the login of {client}" if is_login else "{base_url}"
    proxy = None if is_login else proxy
    if timers.closed:
        return StreamClosedError("close() was called before the reply came")
    # All connections that the caller's client allows are busy: "no connection to ... was free ... in 10 s".
    if is_a(error, "PoolTimeout"):
        return timers.unconnected(f"{place} was free in the pool of client=, and none could be made")
    # Over a transport without a socket, nothing but the exception tells that there is no connection.
    if is_a(error, "ConnectTimeout") or (is_a(error, "TimeoutException") and not timers.connected):
        return timers.unconnected(place + way(proxy))
    if is_a(error, "TimeoutException"):
        return timers.expired()
    if is_a(error, "ProxyError") or type(error).__module__.startswith("socksio"):
        return ProxyError(
            f"{shown(proxy)} did not connect to {place}: {reason(error)}",
            advice=f"check {setting(proxy)} and its password",
        )
    broken = next((cause for cause in causes(error) if isinstance(cause, ssl.SSLError)), None)
    # Over a proxy, the proxy may be the one that speaks no TLS.
    if broken and "WRONG_VERSION_NUMBER" in str(broken) and not (proxy or is_login):
        return TLSError(
            f"no TLS connection to {place}: the server speaks plain http",
            advice=f"set {base_url} to http://{place}/...",
        )
    if broken:
        return TLSError(
            f"no TLS connection to {place}{way(proxy)}: {reason(error)}; "
            "check the host's certificate and that it speaks https"
        )
    # httpx raises the same exception if the proxy cannot be reached.
    if is_a(error, "ConnectError") and proxy:
        return ProxyError(
            f"could not connect to {shown(proxy)}: {reason(error)}",
            advice=f"check {setting(proxy)} and the network",
        )
    if is_a(error, "ConnectError"):
        refused = not is_login and any(isinstance(cause, ConnectionRefusedError) for cause in causes(error))
        start = how_to_start(url) if refused else ""
        check = f"check {base_url}, {{proxy}} and the network"
        return ConnectError(
            f"could not connect to {place}: {reason(error)}", advice=f"{start}[; else {check}]" if start else check
        )
    if isinstance(error, (*httpx_classes("InvalidURL", "UnsupportedProtocol"), UnicodeError, OverflowError)):
        return OptionError("base_url or proxy is a URL that httpx refuses; check its host and length")
    if is_a(error, "LocalProtocolError"):
        return OptionError("a header of client= itself cannot be sent; check the headers of that client")
    # These are h11's words; no class tells the cases apart.
    if is_a(error, "RemoteProtocolError") and "too long" in str(error):
        return LimitError("the head of the response is longer than 100 kB, the most that httpx reads")
    if is_a(error, "RemoteProtocolError") and "disconnected" not in str(error):
        return MalformedReplyError(f"{place} sent no valid HTTP response: {reason(error)}", advice="check {base_url}")
    return TransportError(f"{place} closed the connection before it responded: {reason(error)}; try again")


def error_of_body(error: Exception, timers: Timers) -> G4fliteError:
    """Return the error that a failure after the head of the response means; the failure is its cause."""
    # A timer's error is its own cause.
    if isinstance(error, StreamTimeoutError | StreamClosedError):
        return error
    failed = _error_of_read(error, timers)
    failed.__cause__ = error
    return failed


def _error_of_read(error: Exception, timers: Timers) -> G4fliteError:
    error = of_aiohttp(error)
    if timers.closed:
        return StreamClosedError("close() was called while the reply was coming; the text so far is in .partial")
    if is_a(error, "TimeoutException"):
        return timers.expired()
    if is_a(error, "RemoteProtocolError") and "too long" in str(error):
        return LimitError("the head of an HTTP chunk is longer than 100 kB, the most that httpx reads")
    if isinstance(error, httpx_classes("StreamConsumed", "StreamClosed")):
        return OptionError(
            "an event hook of client= has read or closed the response and kept nothing of it; let the hook call "
            "response.read(), which keeps the body, or leave the response unread"
        )
    if is_a(error, "DecodingError"):
        return MalformedReplyError(f"the reply's compression is broken: {reason(error)}")
    return TruncatedStreamError(f"the reply was cut off: {reason(error)}; the text so far is in .partial")


def safe_cause(error: Exception) -> Exception | None:
    """Return the exception as the cause of our error, None for a `LocalProtocolError`, which quotes a header."""
    return None if is_a(error, "LocalProtocolError") else error


def reason(error: Exception) -> str:
    """Return the text that tells most about a failure: that of the operating system or of TLS, else httpx's own."""
    said = [cause for cause in causes(error) if isinstance(cause, OSError) and cause.strerror]
    # asyncio puts "Connect call failed ('127.0.0.1', 1)" in the place of the system's text.
    if said and isinstance(said[-1], ConnectionError) and said[-1].errno:
        return os.strerror(said[-1].errno)
    # anyio gives neither text nor cause before 4.5.
    meaning = " (the connection was reset or closed)" if is_a(error, "NetworkError") else ""
    return str(said[-1].strerror if said else error) or type(error).__name__ + meaning
