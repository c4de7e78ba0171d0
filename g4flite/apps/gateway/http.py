"""What the gateway reads and writes of HTTP, over ASGI: bodies, keys, and the headers of answers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from ...server.checks import Refusal
from .config import as_host

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = Mapping[str, str]

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
# The headers of a request that are lists, and that go on to a provider.
LISTS = frozenset({"anthropic-beta"})
# The headers of an answer that a page of another origin may read.
SHOWN = "x-request-id, request-id, retry-after, x-should-retry"


class LeftError(Exception):
    """The client has gone."""


def below(scope: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the scope with the path below the place where the app is mounted, which `path` has as well in ASGI 3."""
    root, path = scope.get("root_path", "").rstrip("/"), scope["path"]
    if not root or not f"{path}/".startswith(f"{root}/"):
        return scope
    return {**scope, "path": path[len(root) :] or "/", "root_path": ""}


def headers_of(scope: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers of a request, by names in lower case.

    Of a header that came twice, the first counts, unless it is a list: then they are one (RFC 9110 5.3).
    """
    found: dict[str, str] = {}
    for raw, value in scope["headers"]:
        name, said = raw.decode("latin-1").lower(), value.decode("latin-1").strip()
        found[name] = f"{found[name]}, {said}" if name in found and name in LISTS else found.get(name, said)
    return found


def key_of(headers: Headers) -> str:
    """Return the key of a request, whichever header holds it; "" for none.  All keys go through one check."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    return bearer or next(
        (headers[name] for name in ("x-api-key", "x-goog-api-key", "api-key") if headers.get(name)), ""
    )


async def body_of(receive: Receive, headers: Headers, most: int) -> bytes:
    """Return the body of a request.  Raises `Refusal` 413 for more than `most` bytes, `LeftError` without an end."""
    refusal = Refusal(413, f"the body is larger than {most} bytes")
    if headers.get("content-length", "").isdecimal() and int(headers["content-length"]) > most:
        raise refusal
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise LeftError
        body += message.get("body", b"")
        if len(body) > most:
            raise refusal
        if not message.get("more_body"):
            return bytes(body)


def host_of(headers: Headers) -> str:
    """Return the name of the host that a request asks, without its port; "" for none that can be read."""
    try:
        return as_host(urlsplit(f"//{headers.get('host', '')}").hostname or "")
    except ValueError:
        return ""


def is_loopback(scope: Mapping[str, Any]) -> bool:
    """Return whether a request has come over an address that this machine alone can reach, or over no network."""
    name = (scope.get("server") or ("", None))[0]
    try:
        address = ip_address(name)
    except ValueError:
        # A socket in the file system, or what a test calls its server.
        return True
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def is_foreign(headers: Headers, origins: Collection[str]) -> bool:
    """Return whether a web page of another origin asks that is none of `origins`."""
    origin = headers.get("origin")
    # A page of this host sends nothing else.
    own = tuple(f"{scheme}://{headers.get('host')}" for scheme in ("http", "https"))
    return origin is not None and origin not in origins and origin not in own


def cors(headers: Headers, origins: Collection[str]) -> dict[str, str]:
    """Return the headers that let a page of one of these origins read an answer; {} for any other."""
    origin = headers.get("origin", "")
    if origin not in origins:
        return {}
    return {"access-control-allow-origin": origin, "access-control-expose-headers": SHOWN, "vary": "origin"}


def preflight(headers: Headers) -> dict[str, str]:
    """Return the headers that answer a page's question whether it may send a request.

    The names that it asks for are repeated: the Fetch standard takes `authorization` out of `*`.
    """
    asked = headers.get("access-control-request-headers", "")
    return {
        "access-control-allow-methods": "GET, POST, HEAD, OPTIONS",
        "access-control-allow-headers": "".join(char for char in asked if char.isalnum() or char in "-_, "),
        "access-control-max-age": "600",
    }


async def send_head(send: Send, status: int, headers: Headers) -> None:
    """Send the status line and the headers."""
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})


async def send_json(send: Send, status: int, body: object, headers: Headers) -> None:
    """Send a whole answer, as JSON; "" and bytes as they are."""
    data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    kind = {"content-type": "application/json"} if not isinstance(body, bytes) else {}
    # RFC 9110 8.6: a 204 has no length.
    size = {"content-length": str(len(data))} if status != 204 else {}
    await send_head(send, status, {**kind, **size, **headers})
    await send({"type": "http.response.body", "body": data})
