"""One request and the emulator's response to it, decided without a socket.

exchange = Exchange(method="POST", path="/chat", headers=[("content-type", "application/json")], body=b"{...}")
response = decide(exchange, policy, None)       # writes into the exchange what was understood, or what was wrong
b"".join(response.body)
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Event
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl

from ..server.anthropic_batches import PATHS as MESSAGE_BATCHES
from ..server.anthropic_batches import MessageBatches
from ..server.checks import Refusal
from ..server.conversation import Messages
from ..server.gemini_batches import PATHS as GEMINI_BATCHES
from ..server.gemini_batches import GeminiBatches
from ..server.mistral_batches import PATHS as MISTRAL_JOBS
from ..server.mistral_batches import ROOT as JOBS
from ..server.mistral_batches import Jobs
from ..server.openai_batches import PATHS as FILES_AND_BATCHES
from ..server.openai_batches import Batches
from ..server.pieces import Problem
from ..server.protocol import REFUSED_AS, Post, Protocol, Reply, Turn, find
from .dialects import KEYLESS, PROTOCOLS
from .frames import blocks_of, frames_of
from .quirks import QUIRKS
from .replies import ReplyFunction, begun, counted, echo, opened, plain, spoken, words
from .retired import check, match
from .script import Script, unterminated
from .structured import structured
from .tool_calls import call_of, in_place_of_text

# The headers that go with the status of an error.
RETRY = {429: {"retry-after": "1"}}
# The dialects that a path names.
BY_PATH = {"/openai/deployments/": "azure", "/v1beta/openai/": "google"}
# The dialects that the model of a request names, at the paths of its service: what a model that thinks refuses belongs
# to the service that has made it.
BY_MODEL = {
    re.compile(rb'"model": ?"deepseek-(chat|reasoner|v\d)[^"/]*"'): "deepseek",
    re.compile(rb'"model": ?"kimi-[^"/]+"'): "moonshot",
}
# The paths of the batches of each protocol that has some.
BATCHES = {"chat": f"/v1({FILES_AND_BATCHES}|{MISTRAL_JOBS})", "anthropic": MESSAGE_BATCHES,
           "gemini": GEMINI_BATCHES}  # fmt: skip
# The headers that may hold the key.
KEYS = {"chat": ("authorization",), "anthropic": ("x-api-key", "authorization"), "gemini": ("x-goog-api-key",)}
# The status of a `Refusal` that blames the reply function or the script.
OWN_FAULT = 500
MODELS = {"object": "list", "data": [{"id": "emulated", "object": "model", "created": 0, "owned_by": "emulator"}]}


@dataclass(slots=True, kw_only=True, eq=False)
class Exchange:
    """One request as the server saw it, and how it ended.

    It is recorded once the request is read and judged.  After that, only the last four fields change, and `problem` and
    `error` if the reply function fails halfway.
    """

    method: str
    path: str
    # In order of arrival, with the names as they were written.
    headers: list[tuple[str, str]]
    # In seconds, on the clock of time.monotonic().
    started: float = field(default_factory=time.monotonic)
    body: bytes = b""
    # The retired service (cromicle, ...) or the protocol (chat, responses, ...); None if the path belongs to none.
    service: str | None = None
    # The model that the request of an open protocol names.
    model: str | None = None
    # What the server understood, in OpenAI's form; empty if it refused the request.
    messages: Messages = field(default_factory=list)
    # The known options of an open protocol's request, under their common names.
    options: dict[str, Any] = field(default_factory=dict)
    # Why the request was refused, or what failed.
    problem: str | None = None
    # What the reply function raised, or what is wrong with what it said or with the script.  The end of the emulator's
    # `with` raises it.
    error: Exception | None = None
    # The HTTP status that was sent; 0 until then, and for a raw response.
    status: int = 0
    # Set when the server has finished with the request, however it ended.
    finished: Event = field(default_factory=Event)
    # Set when the client was seen to leave before the response was whole.
    disconnected: Event = field(default_factory=Event)
    # When that was, on the clock of `started`.
    disconnected_at: float | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """A response before it is cut up for the wire; the names of its headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: Iterable[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the emulator was told about its responses: a copy for one request."""

    script: Script
    reply: ReplyFunction
    prefix: str
    clock: Callable[[], float]
    # Whether a key is demanded.
    keys: bool
    batches: Batches
    message_batches: MessageBatches
    jobs: Jobs
    gemini_batches: GeminiBatches


def decide(exchange: Exchange, policy: Policy, error: Refusal | None) -> Response:
    """Return the response; write service, model, messages, options and problem into the exchange.

    `error` is what was wrong with the request before its body could be read.
    """
    script, content_type, refuse = policy.script, "text/plain; charset=utf-8", _refuse
    try:
        if error:
            raise error
        if (exchange.method, exchange.path) == ("GET", f"{policy.prefix}/v1/models") and not script.fixed:
            # Clients of OpenAI and of local servers ask for this list.
            exchange.service = "models"
            return _json(Reply(200, MODELS), {})
        place = exchange.path.removeprefix(policy.prefix).partition("?")[0]
        if name := next((name for name, paths in BATCHES.items() if re.fullmatch(paths, place)), None):
            post = Post(path="", query={}, headers=exchange.headers, body=exchange.body, keyless=not policy.keys)
            refuse = partial(_refuse_as, next(one for one in PROTOCOLS["any"] if one.name == name), post)
            return _batches(exchange, policy, post, name)
        dialect = script.dialect or _dialect_of(exchange, policy.prefix)
        if found := find(PROTOCOLS[dialect], exchange.method, exchange.path, policy.prefix):
            protocol, path, query = found
            post = Post(
                path=path,
                query=dict(parse_qsl(query, keep_blank_values=True)),
                headers=exchange.headers,
                body=exchange.body,
                keyless=not policy.keys or dialect in KEYLESS,
            )
            content_type, refuse = protocol.head(post)["content-type"], partial(_refuse_as, protocol, post)
            exchange.service = protocol.name
            turn = replace(protocol.read(post), now=policy.clock())
            exchange.model, exchange.messages, exchange.options = turn.model, turn.messages, turn.options
            if not script.fixed:
                return _answer(protocol, post, turn, policy)
        else:
            known = [protocol.shown for protocol in PROTOCOLS[dialect]]
            service = match(exchange.method, exchange.path, exchange.headers, policy.prefix, known)
            exchange.service, content_type = service.name, service.reply_type
            exchange.messages = check(service, exchange.headers, exchange.body, policy.clock())
            if not script.fixed:
                text = _answer_plainly(policy, exchange.messages)
                return Response(200, {"content-type": content_type}, service.frame(text))
    except Refusal as refusal:
        # A second attempt would find the same fault.
        if refusal.status == OWN_FAULT:
            refusal.headers["x-should-retry"] = "false"
        exchange.problem, exchange.error = refusal.problem, fault_of_test(refusal)
        if not script.fixed:
            return refuse(refusal)
    body = script.raw if script.raw is not None else script.body or b""
    data = body.encode() if isinstance(body, str) else body
    return Response(script.status or 200, {"content-type": content_type}, [data])


def _batches(exchange: Exchange, policy: Policy, post: Post, name: str) -> Response:
    """Return the response to a request of a protocol's batches.  Each of their requests is answered by itself."""
    exchange.service = "batches"
    keys = KEYS[name]
    post.demand_key(*keys)

    def ask(path: str, body: bytes) -> Reply:
        sent = [pair for pair in exchange.headers if pair[0].lower() in (*keys, "anthropic-version")]
        headers = [*sent, ("content-type", "application/json")]
        one = Exchange(method="POST", path=f"{policy.prefix}{path}", headers=headers, body=body)
        response = decide(one, policy, None)
        return Reply(response.status, json.loads(b"".join(response.body)))

    path, now = exchange.path.removeprefix(policy.prefix), policy.clock()
    below = path.removeprefix("/v1")
    reply: Reply | bytes
    if name == "gemini":
        reply = policy.gemini_batches.respond(exchange.method, path, post.body, ask)
    elif name == "anthropic":
        reply = policy.message_batches.respond(exchange.method, path, post.body, now, ask)
    elif below.startswith(JOBS):
        reply = policy.jobs.respond(exchange.method, below, post.body, now, ask)
    else:
        reply = policy.batches.respond(exchange.method, below, post.headers, post.body, now, ask)
    if isinstance(reply, bytes):
        return Response(200, {"content-type": "application/octet-stream", "content-length": str(len(reply))}, [reply])
    return _json(reply, {})


def _dialect_of(exchange: Exchange, prefix: str) -> str:
    """Return the dialect that the path or the model of a request names, "any" if they name none."""
    found = [name for part, name in BY_PATH.items() if part in exchange.path]
    if exchange.path.removeprefix(prefix).partition("?")[0] in ("/v1/chat/completions", "/chat/completions"):
        found += [name for model, name in BY_MODEL.items() if model.search(exchange.body)]
    return found[0] if found else "any"


def _answer(protocol: Protocol, post: Post, turn: Turn, policy: Policy) -> Response:
    """Return an open protocol's response.  Raise `Refusal` 500 if the reply function fails before its first piece."""
    script = policy.script
    if script.problem and (error := protocol.fault(post, script.problem, None)):
        return _reply(protocol, post, error)
    said = iter([Problem(script.problem)]) if script.problem else spoken(policy.reply, turn.messages)
    if script.tools and (call := call_of(turn.messages, turn.options)):
        said = in_place_of_text(said, call)
    elif not script.problem and policy.reply is echo and (text := structured(turn.options)) is not None:
        said = spoken(lambda _: text, turn.messages)
    start, pieces = opened(said)
    turn = replace(turn, response_id=start.response_id, model=start.model or turn.model)
    pieces = counted(pieces, words(turn.messages))
    if not turn.stream:
        return _reply(protocol, post, protocol.whole(turn, pieces))
    body = protocol.write(turn, pieces)
    if script.quirk:
        change = QUIRKS[script.quirk].get(protocol.name)
        if change is None:
            raise Refusal(500, f"script: expected a quirk that this protocol is known for, not {script.quirk}")
        body = blocks_of(change(frames_of(body)), lines=protocol.name == "ollama")
    return Response(200, protocol.head(post), unterminated(body) if script.unterminated else body)


def _answer_plainly(policy: Policy, messages: Messages) -> Iterator[str]:
    if policy.script.problem:
        raise Refusal(500, "script: expected no problem, which this service cannot tell")
    return begun(plain(spoken(policy.reply, messages)))


def _refuse(refusal: Refusal) -> Response:
    return _json(Reply(refusal.status, {"error": refusal.problem}), refusal.headers)


def _refuse_as(protocol: Protocol, post: Post, refusal: Refusal) -> Response:
    """Return a refusal in the protocol's form."""
    if refusal.body:
        return _reply(protocol, post, Reply(refusal.status, refusal.body))
    error = protocol.fault(post, REFUSED_AS[refusal.status], refusal.problem)
    return _reply(protocol, post, error, refusal.headers) if error else _refuse(refusal)


def fault_of_test(error: Exception) -> Exception | None:
    """Return what the test's own reply function or script did wrong, None if the request is at fault."""
    if not isinstance(error, Refusal):
        return error
    if error.status != OWN_FAULT:
        return None
    return error.__cause__ if isinstance(error.__cause__, Exception) else ValueError(error.problem)


def _reply(protocol: Protocol, post: Post, reply: Reply, more: Mapping[str, str] = MappingProxyType({})) -> Response:
    """Return a reply that is not streamed, with the protocol's headers but for the content type, and `more` headers."""
    headers = {name: value for name, value in protocol.head(post).items() if name != "content-type"}
    return _json(reply, {**headers, **RETRY.get(reply.status, {}), **more})


def _json(reply: Reply, headers: Mapping[str, str]) -> Response:
    data = json.dumps(reply.body).encode()
    given = {"content-type": "application/json", "content-length": str(len(data)), **headers}
    return Response(reply.status, given, [data])
