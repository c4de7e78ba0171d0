"""One request and what the server answers to it, decided without a socket."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from threading import Event

from ._checks import Service, check, match
from ._rules import Refusal
from ._script import Script
from ._services import SERVICES

Messages = list[dict[str, str]]
Reply = Callable[[Messages], str | Iterable[str]]


@dataclass(slots=True, kw_only=True, eq=False)
class Exchange:
    """One request as the server saw it, and how it ended.

    It is recorded once the request is read and judged; after that the last four change, and `problem` if the reply
    function fails halfway.
    """

    method: str
    path: str
    headers: list[tuple[str, str]]  # in order of arrival, names as written
    started: float = field(default_factory=time.monotonic)  # seconds
    body: bytes = b""
    service: str | None = None  # "cromicle", ...; None if no service fits
    messages: Messages = field(default_factory=list)  # what the server understood; empty if it refused
    problem: str | None = None  # why the request was refused, or what failed
    status: int = 0  # HTTP status sent; 0 until then, and for a raw answer
    finished: Event = field(default_factory=Event)  # the server is through with it, however it ended
    disconnected: Event = field(default_factory=Event)  # the client was seen to leave before the answer was whole
    disconnected_at: float | None = None  # seconds, on the clock of `started`


@dataclass(frozen=True, slots=True)
class Answer:
    """A response before it is cut up for the wire; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: Iterable[bytes]


def decide(
    exchange: Exchange, script: Script, reply: Reply, *, prefix: str, clock: Callable[[], float], error: Refusal | None
) -> Answer:
    """What the server answers; writes service, messages and problem into the exchange.

    `error` is what was wrong with the request before its body could be read.
    """
    service: Service | None = None
    try:
        if error:
            raise error
        service = match(SERVICES, exchange.method, exchange.path, exchange.headers, prefix)
        exchange.service = service.name
        exchange.messages = check(service, exchange.headers, exchange.body, clock())
        if not script.fixed:
            pieces = speak(reply, exchange.messages)
            return Answer(200, {"content-type": service.reply_type}, service.frame(pieces))
    except Refusal as refusal:
        exchange.problem = refusal.problem
        if not script.fixed:
            text = json.dumps({"error": refusal.problem}).encode()
            headers = {"content-type": "application/json", "content-length": str(len(text)), **refusal.headers}
            return Answer(refusal.status, headers, [text])
    body = script.raw if script.raw is not None else script.body or b""
    kind = service.reply_type if service else "text/plain; charset=utf-8"
    return Answer(script.status or 200, {"content-type": kind}, [body.encode() if isinstance(body, str) else body])


def speak(reply: Reply, messages: Messages) -> Iterator[str]:
    """The pieces of a reply: a str word by word, an iterable as it comes; the first one is asked for at once.

    Raises `Refusal` 500 for whatever fails in `reply`, here or at a later piece.
    """
    pieces = _pieces(reply, messages)
    return chain(list(islice(pieces, 1)), pieces)


def _pieces(reply: Reply, messages: Messages) -> Iterator[str]:
    try:
        text = reply(messages)
        for piece in re.findall(r"\s*\S+|\s+", text) if isinstance(text, str) else text:
            piece.encode()  # what cannot be sent is the reply's fault as well
            yield piece
    except Exception as error:
        raise Refusal(500, f"reply function failed: {error!r}") from error
