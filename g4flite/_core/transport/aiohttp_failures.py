"""aiohttp's exceptions, said as httpx says them."""

from typing import Final

import aiohttp
import httpx

from .network_errors import causes

MEANINGS: Final[tuple[tuple[type[Exception], type[Exception]], ...]] = (  # aiohttp's, httpx's; the first one counts
    (aiohttp.ClientHttpProxyError, httpx.ProxyError),
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (aiohttp.ServerDisconnectedError, httpx.RemoteProtocolError),
    (aiohttp.ClientResponseError, httpx.RemoteProtocolError),
    (aiohttp.ClientPayloadError, httpx.RemoteProtocolError),
    (aiohttp.InvalidURL, httpx.UnsupportedProtocol),
    (aiohttp.ClientError, httpx.ReadError),
)


def meaning(error: Exception) -> Exception:
    """The same failure as httpx says it, without aiohttp's own exceptions: their arguments hold headers and logins."""
    chain = causes(error)
    cause = next((cause for cause in chain if isinstance(cause, aiohttp.ClientError)), error)
    kind = next((theirs for ours, theirs in MEANINGS if isinstance(cause, ours)), None)
    if type(cause) is ValueError:
        kind = httpx.LocalProtocolError  # a header of the client's own that cannot be sent
    if kind is None:
        return error
    made = kind(told(cause))
    system = (cause for cause in chain if isinstance(cause, OSError) and not isinstance(cause, aiohttp.ClientError))
    made.__cause__ = next(system, None)
    return made


def told(error: BaseException) -> str:
    """What aiohttp says of a failure, on one line."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "Server disconnected"  # its own words are what came of the head
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"{error.status} {error.message}"
    said = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
    if "Got more than" in said or "Too many headers" in said:
        return "the head is too long"
    return said.strip().partition("\n")[0].removesuffix(":")
