"""Asks an endpoint once, and records what comes back: the only place of this tool that waits."""

import socket
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, Literal

from ..._core.errors import G4fliteError, LimitError
from ..._core.events import CONTENT
from ..._core.exchange import Route, Run, reply_of
from ..._core.headers import secrets_of
from ..._core.request import build
from ..._core.response.reply import Head, Reply
from ..._core.timers import Timers
from ..._core.transport.driver import read
from .recording import Recording

LARGEST: Final = 4 * 2**20  # bytes of a body
PATIENCE: Final = 3.0  # seconds that a server may go on after the client has left by half


def record(route: Route, *, leave: Literal["", "half", "wholly"] = "", broken: bool = False) -> Recording:
    """One exchange, made over the route's client; what goes wrong on the way is in `.error`.

    `leave`: at the first text the connection is closed, or only its sending half, and the rest is read.  `broken`: the
    request lacks its last byte, and is no JSON.
    """
    call = replace(route.call, now_ms=time.time_ns() // 1_000_000)
    request = build(call)
    run = Run((route,), Timers(route.timeout))
    run.begin(route)
    run.secrets = secrets_of(request.headers, call.headers.keys(), call.api_key)
    body = request.body[:-1] if broken else request.body
    request = request._replace(headers={**request.headers, "accept-encoding": "gzip, deflate"}, body=body)
    line, head, link, error = b"", None, None, None
    pieces: list[tuple[float, bytes]] = []
    began = time.monotonic()
    try:
        response: Any = route.source.send(request, run.timers, run.secrets)
        try:
            head, raw = response.head, response.raw
            line = f"{raw.http_version} {raw.status_code} {raw.reason_phrase}".encode()
            stream = raw.extensions["network_stream"]
            link = stream.get_extra_info("client_addr")
            listening, size = listener(run, head), 0
            while data := read(response.body, run):
                pieces.append((time.monotonic() - began, data))
                size += len(data)
                if size > LARGEST:
                    raise LimitError(f"the reply is longer than {LARGEST} bytes, and was not read further")
                if listening is None or not opens(listening, data):
                    continue
                run.timers.heard = True
                if leave == "wholly":
                    break
                if leave == "half":
                    listening = None
                    half_close(stream)
                    run.timers.linger(PATIENCE)
        finally:
            run.timers.release()
            response.close()
    except G4fliteError as failed:
        run.fail(failed)
        error = failed
    ended = time.monotonic() - began
    return Recording(
        line=line, head=head, pieces=tuple(pieces), error=error, ended=ended, link=link, secrets=run.secrets
    )


def listener(run: Run, head: Head) -> Reply | None:
    """The decoding of a reply, None where its compression is unknown."""
    with suppress(G4fliteError):
        return reply_of(run.call.provider, head)
    return None


def opens(reply: Reply, data: bytes) -> bool:
    """Whether the data completes text, reasoning or a tool call; what else it holds is judged later."""
    found = False
    with suppress(G4fliteError):
        for item in reply.feed(data):
            found = found or isinstance(item, CONTENT)
    return found


def half_close(stream: Any) -> None:
    """Says that nothing more will be sent, and leaves the other half open; TLS is passed over."""
    with suppress(OSError):
        socket.socket.shutdown(stream.get_extra_info("socket"), socket.SHUT_WR)
