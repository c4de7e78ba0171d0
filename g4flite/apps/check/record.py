"""`record` makes one exchange with an endpoint and returns the `Recording`: only here does `check` wait."""

import socket
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, Literal

from ..._core.errors import G4fliteError, LimitError
from ..._core.events import CONTENT
from ..._core.exchange import Route, reply_of
from ..._core.provider import Provider
from ..._core.request import build
from ..._core.response.reply import Head, Reply
from ..._core.transport.driver import fetch
from ..._core.urls import public_url
from .recording import Recording

# Bytes of a body that are read.
LARGEST: Final = 4 * 2**20
# Seconds that a server may go on sending after the client has closed its half of the connection.
PATIENCE: Final = 3.0


def record(route: Route, *, leave: Literal["", "half", "wholly"] = "", broken: bool = False) -> Recording:
    """Return one exchange over the route's source; its `error` says what went wrong on the way.

    `leave` says what happens at the first text: "half" closes the client's half of the connection and reads on,
    "wholly" closes the connection.  `broken`: the request lacks its last byte, so that it is not JSON.
    """
    request = build(replace(route.call, now_ms=time.time_ns() // 1_000_000))
    # The two compressions that `decode` can undo.  httpx undoes neither, so that the pieces are the bytes of the wire.
    headers = {**request.headers, "accept-encoding": "gzip, deflate"}
    request = request._replace(headers=headers, body=request.body[:-1] if broken else request.body)
    line, head, link, error = b"", None, None, None
    pieces: list[tuple[float, bytes]] = []
    secrets: tuple[str, ...] = ()
    size, began = 0, time.monotonic()
    try:
        with fetch(route, request) as fetched:
            response: Any = fetched.response
            head, raw, secrets = response.head, response.raw, fetched.secrets
            line = f"{raw.http_version} {raw.status_code} {raw.reason_phrase}".encode()
            stream = raw.extensions["network_stream"]
            link = stream.get_extra_info("client_addr")
            reply = decoder_of(route.call.provider, head)
            for data in fetched.pieces:
                pieces.append((time.monotonic() - began, data))
                size += len(data)
                if size > LARGEST:
                    raise LimitError(f"the reply is longer than {LARGEST} bytes, and was not read further")
                if reply is None or not holds_content(reply, data):
                    continue
                fetched.timers.heard = True
                if leave == "wholly":
                    break
                if leave == "half":
                    reply = None
                    close_half(stream)
                    fetched.timers.linger(PATIENCE)
    except G4fliteError as failed:
        error = failed
    ended = time.monotonic() - began
    return Recording(
        line=line,
        head=head,
        pieces=tuple(pieces),
        error=error,
        ended=ended,
        link=link,
        secrets=secrets,
        url=public_url(request.url),
        base_url=route.call.base_url,
    )


def decoder_of(provider: Provider, head: Head) -> Reply | None:
    """Return the decoder of a reply, None if its compression is unknown."""
    with suppress(G4fliteError):
        return reply_of(provider, head)
    return None


def holds_content(reply: Reply, data: bytes) -> bool:
    """Return whether the data completes text, reasoning or a tool call.  An error in the reply is judged later."""
    found = False
    with suppress(G4fliteError):
        for item in reply.feed(data):
            found = found or isinstance(item, CONTENT)
    return found


def close_half(stream: Any) -> None:
    """Tell the server that nothing more will be sent, and leave the other direction open.

    `SSLSocket.shutdown` would also drop the TLS layer, and what comes in then could not be read.
    """
    with suppress(OSError):
        socket.socket.shutdown(stream.get_extra_info("socket"), socket.SHUT_WR)
