"""One request and what the server answers to it, decided without a socket."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Event
from typing import Any
from urllib.parse import parse_qsl

from ..server.anthropic import ANTHROPIC
from ..server.checks import Refusal
from ..server.cohere import COHERE
from ..server.conversation import Messages
from ..server.gemini import GEMINI
from ..server.ollama import OLLAMA
from ..server.openai_chat import CHAT
from ..server.openai_responses import RESPONSES
from ..server.pieces import Problem, Reply, begin, complete, plain, speak
from ..server.protocol import REFUSED_AS, RETRY, Post, Protocol, Turn, find
from .dialects import DIALECTS
from .retired import SERVICES, check, match
from .script import Script, unterminated

PROTOCOLS = (CHAT, RESPONSES, ANTHROPIC, GEMINI, OLLAMA, COHERE)
SHOWN = [protocol.shown for protocol in PROTOCOLS]
MODELS = {"object": "list", "data": [{"id": "emulated", "object": "model", "created": 0, "owned_by": "emulator"}]}


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
    service: str | None = None  # "cromicle", ..., or the protocol: chat, responses, ...; None if none fits
    model: str | None = None  # what an open protocol's request names
    messages: Messages = field(default_factory=list)  # what the server understood; empty if it refused
    options: dict[str, Any] = field(default_factory=dict)  # of an open protocol, in common names, as far as known
    problem: str | None = None  # why the request was refused, or what failed
    status: int = 0  # HTTP status sent; 0 until then, and for a raw answer
    finished: Event = field(default_factory=Event)  # the server is through with it, however it ended
    disconnected: Event = field(default_factory=Event)  # the client was seen to leave before the answer was whole
    disconnected_at: float | None = None  # seconds, on the clock of `started`


@dataclass(frozen=True, slots=True)
class Response:
    """A response before it is cut up for the wire; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: Iterable[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the emulator has been told about its answers, as of one request; `keys`: whether one is demanded."""

    script: Script
    reply: Reply
    prefix: str
    clock: Callable[[], float]
    keys: bool


def decide(exchange: Exchange, policy: Policy, error: Refusal | None) -> Response:
    """What the server answers; writes service, model, messages, options and problem into the exchange.

    `error` is what was wrong with the request before its body could be read.
    """
    script, kind, refuse = policy.script, "text/plain; charset=utf-8", _refuse
    try:
        if error:
            raise error
        if (exchange.method, exchange.path) == ("GET", f"{policy.prefix}/v1/models") and not script.fixed:
            exchange.service = "models"  # of OpenAI and of every local server
            return _json(200, MODELS, {})
        if found := find(PROTOCOLS, exchange.method, exchange.path, policy.prefix):
            protocol, path, query = found
            post = _post(exchange, policy, path, query)
            kind, refuse = protocol.head(post)["content-type"], partial(_fault, protocol, post)
            exchange.service = protocol.name
            turn = replace(protocol.read(post), now=policy.clock())
            exchange.model, exchange.messages, exchange.options = turn.model, turn.messages, turn.options
            if not script.fixed:
                return _converse(protocol, post, turn, policy)
        else:
            service = match(SERVICES, exchange.method, exchange.path, exchange.headers, policy.prefix, SHOWN)
            exchange.service, kind = service.name, service.reply_type
            exchange.messages = check(service, exchange.headers, exchange.body, policy.clock())
            if not script.fixed:
                return Response(200, {"content-type": kind}, service.frame(_speak_plainly(policy, exchange.messages)))
    except Refusal as refusal:
        exchange.problem = refusal.problem
        if not script.fixed:
            return refuse(refusal)
    body = script.raw if script.raw is not None else script.body or b""
    return Response(script.status or 200, {"content-type": kind}, [body.encode() if isinstance(body, str) else body])


def _post(exchange: Exchange, policy: Policy, path: str, query: str) -> Post:
    dialect = policy.script.dialect or ("azure" if "/openai/deployments/" in path else "openai")
    return Post(
        path=path,
        query=dict(parse_qsl(query, keep_blank_values=True)),
        headers=exchange.headers,
        body=exchange.body,
        dialect=dialect,
        keyless=not policy.keys or DIALECTS[dialect].local,
    )


def _converse(protocol: Protocol, post: Post, turn: Turn, policy: Policy) -> Response:
    """The reply of an open protocol. Raises `Refusal` 500: the reply function failed before its first piece."""
    script, pieces = policy.script, speak(policy.reply, turn.messages)
    if script.problem:
        if protocol.fault(post, script.problem, None).status != 200:
            return _tell(protocol, post, script.problem, None)
        pieces = iter([Problem(script.problem)])
    body = protocol.write(turn, begin(complete(pieces, turn.tally)))
    return Response(200, protocol.head(post), unterminated(body) if script.unterminated else body)


def _speak_plainly(policy: Policy, messages: Messages) -> Iterator[str]:
    if policy.script.problem:
        raise Refusal(500, "script: expected no problem, which this service cannot tell")
    return begin(plain(speak(policy.reply, messages)))


def _refuse(refusal: Refusal) -> Response:
    return _json(refusal.status, {"error": refusal.problem}, refusal.headers)


def _fault(protocol: Protocol, post: Post, refusal: Refusal) -> Response:
    return _tell(protocol, post, REFUSED_AS[refusal.status], refusal.problem)


def _tell(protocol: Protocol, post: Post, kind: str, problem: str | None) -> Response:
    fault = protocol.fault(post, kind, problem)
    headers = {name: value for name, value in protocol.head(post).items() if name != "content-type"}
    return _json(fault.status, fault.body, headers | RETRY.get(kind, {}))


def _json(status: int, value: Any, headers: Mapping[str, str]) -> Response:
    text = json.dumps(value).encode()
    return Response(status, {"content-type": "application/json", "content-length": str(len(text)), **headers}, [text])
