"""A client of the open protocols that knows nothing but HTTP, and what its tests share.

`WIRES` has the least request that each protocol takes, `WHOLE` the same with `stream: false`.  A `Wire` is changed by
making another one of it:

    with emulate("Sun", "ny") as e:                             # says these pieces; without any it echoes
        response = ask(e, CHAT.field(temperature="hot"))        # a Response: status, headers, body, json
        assert response.status == 400
        assert "temperature" in last(e).problem                 # the Exchange that the emulator recorded
        *chunks, done = events(hear(e, CHAT))                   # hear() is the body of a response of status 200
        assert hear_whole(e, "chat")["choices"]                 # ... as JSON, if the client does not stream

    told("rate_limit", CHAT)            # status, headers and body of an HTTP error, set by Script(problem=...)
    after("chat", "Sun", Problem("server"))                     # the events, or lines, of a reply of these pieces

`SAID` is a reply with everything in it, `CONVERSATION` a conversation in OpenAI's form with everything in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from typing import Any

from g4flite.testing import Emulator, Exchange, Reasoning, Script, ToolCall

NOW = 1700000000.123456
# Seconds: more than anything here takes, on a busy machine as well.
LIMIT = 30.0


@dataclass(frozen=True)
class Wire:
    """A request that has not been written out yet."""

    path: str
    headers: dict[str, str]
    data: Any
    method: str = "POST"

    def header(self, **change: str | None) -> Wire:
        """Return the request with these headers changed, or left out if None; `x_api_key` is the header x-api-key."""
        names = {name.replace("_", "-"): value for name, value in change.items()}
        return replace(self, headers={n: v for n, v in (self.headers | names).items() if v is not None})

    def field(self, **change: Any) -> Wire:
        """Return the request with these fields changed."""
        return replace(self, data=self.data | change)

    def without(self, name: str) -> Wire:
        """Return the request without this field."""
        return replace(self, data={key: value for key, value in self.data.items() if key != name})


@dataclass(frozen=True)
class Response:
    """A response that was read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


JSON_TYPE = {"content-type": "application/json"}
BEARER = {"authorization": "Bearer sk-test", **JSON_TYPE}
MESSAGES = [{"role": "user", "content": "How are you?"}]
CHAT = Wire("/v1/chat/completions", BEARER, {"model": "m", "messages": MESSAGES, "stream": True})
AZURE = Wire(
    "/openai/deployments/d/chat/completions?api-version=2024-10-21",
    {"api-key": "k", **JSON_TYPE},
    {"messages": MESSAGES, "stream": True},
)
RESPONSES = Wire("/v1/responses", BEARER, {"model": "m", "input": "How are you?", "stream": True})
ANTHROPIC = Wire(
    "/v1/messages",
    {"x-api-key": "k", "anthropic-version": "2023-06-01", **JSON_TYPE},
    {"model": "m", "max_tokens": 9, "messages": MESSAGES, "stream": True},
)
GEMINI = Wire(
    "/v1beta/models/m:streamGenerateContent?alt=sse",
    {"x-goog-api-key": "k", **JSON_TYPE},
    {"contents": [{"role": "user", "parts": [{"text": "How are you?"}]}]},
)
GEMINI_ARRAY = replace(GEMINI, path="/v1beta/models/m:streamGenerateContent")
GEMINI_WHOLE = replace(GEMINI, path="/v1beta/models/m:generateContent")
OLLAMA = Wire("/api/chat", JSON_TYPE, {"model": "m", "messages": MESSAGES})
COHERE = Wire("/v2/chat", BEARER, {"model": "m", "messages": MESSAGES, "stream": True})
WIRES = {
    "chat": CHAT,
    "responses": RESPONSES,
    "anthropic": ANTHROPIC,
    "gemini": GEMINI,
    "ollama": OLLAMA,
    "cohere": COHERE,
}
WHOLE = {name: wire.field(stream=False) for name, wire in WIRES.items()} | {"gemini": GEMINI_WHOLE}


# Requests


PNG = "iVBORw0KGgo="
SCHEMA = {"type": "object", "properties": {"first_name": {"type": "string"}}}
TOOL = {"type": "function", "function": {"name": "weather", "description": "of a city", "parameters": SCHEMA}}
NAMED = {"type": "function", "function": {"name": "weather"}}
JSON_SCHEMA = {"type": "json_schema", "json_schema": {"schema": SCHEMA}}
# Options that most protocols have, under their common names.
COMMON = {"temperature": 0.5, "max_tokens": 7, "top_p": 0.9}


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def image(url: str = f"data:image/png;base64,{PNG}", **extra: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **extra}}


def call(arguments: str = '{"city":"Oslo"}', **extra: Any) -> dict[str, Any]:
    return {**extra, "type": "function", "function": {"name": "weather", "arguments": arguments}}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(content: Any, *calls: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **({"tool_calls": list(calls)} if calls else {})}


def tool(content: Any = "Rain", **extra: Any) -> dict[str, Any]:
    return {"role": "tool", "content": content, **extra}


SYSTEM = {"role": "system", "content": "Be brief."}
CONVERSATION = [
    SYSTEM,
    user([text("What is this?"), image()]),
    assistant("I look.", call(id="c"), call("{}", id="d")),
    tool(tool_call_id="c"),
    tool("", tool_call_id="d"),
    assistant(None, call(id="e")),
    tool("Sun", tool_call_id="e"),
    assistant("Sunny."),
    user("And?"),
]


def message(**fields: Any) -> dict[str, Any]:
    """Return the field `messages` with one message that has these fields."""
    return {"messages": [fields]}


def asked(**fields: Any) -> list[dict[str, Any]]:
    """Return a conversation of a tool call with these fields, and of its result."""
    return [assistant(None, {**call(id="c"), **fields}), tool(tool_call_id="c")]


# Replies


class Mark:
    """Equals any signature that the emulator makes."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and re.fullmatch("[A-Za-z0-9+/]{56}", other) is not None

    __hash__ = None  # type: ignore[assignment]


MARK = Mark()
ARGUMENTS = ['{"city":', ' "Oslo"}']
CALLS = ToolCall("", "weather", "".join(ARGUMENTS)), ToolCall("c9", "clock", "{}")
SAID = (Reasoning("Hm"), Reasoning("m."), "Grüß", " dich", *CALLS)
KINDS = (
    "authentication", "permission", "not_found", "rate_limit", "overloaded", "context_length", "content_filter",
    "server",
)  # fmt: skip


def emulate(*pieces: Any, **settings: Any) -> Emulator:
    """Return an emulator that says these pieces, or echoes if there are none, at the time NOW."""
    reply: Callable[..., Any] = lambda _: pieces  # noqa: E731
    return Emulator(reply, clock=lambda: NOW, **settings) if pieces else Emulator(clock=lambda: NOW, **settings)


# What stands in the place of /v1 in the paths of a dialect.
BASES = {
    "azure": "/openai/v1", "openrouter": "/api/v1", "groq": "/openai/v1", "zai": "/api/paas/v4", "perplexity": "",
    "github-models": "/inference", "fireworks": "/inference/v1", "google": "/v1beta/openai",
}  # fmt: skip


def based(wire: Wire, dialect: str | None) -> Wire:
    """Return a request of OpenAI's protocols with the path that it has in the dialect."""
    base, found = BASES.get(str(dialect), "/v1"), re.fullmatch("/v1(/chat/completions|/responses)", wire.path)
    return replace(wire, path=base + found[1]) if found else wire


def ask(e: Emulator, wire: Wire) -> Response:
    """Return the response to a request, whatever its status is; `/v1` stands for the dialect's own base."""
    return ask_as_it_is(e, based(wire, e.script.dialect))


def ask_as_it_is(e: Emulator, wire: Wire) -> Response:
    """Return the response to a request at exactly this path."""
    connection = HTTPConnection(e.host, e.port, timeout=LIMIT)
    try:
        body = wire.data if isinstance(wire.data, bytes) else json.dumps(wire.data).encode()
        connection.request(wire.method, wire.path, body, wire.headers)
        with connection.getresponse() as response:
            return Response(response.status, dict(response.headers.items()), response.read())
    finally:
        connection.close()


def hear(e: Emulator, wire: Wire) -> bytes:
    """Return the body of a response, whose status has to be 200."""
    response = ask(e, wire)
    assert response.status == 200, response.body
    return response.body


def hear_whole(e: Emulator, name: str) -> Any:
    """Return the JSON of a reply that is not streamed; the status has to be 200."""
    response = ask(e, WHOLE[name])
    assert (response.status, response.headers["content-type"]) == (200, "application/json"), response.body
    return response.json


def last(e: Emulator) -> Exchange:
    """Return the last exchange that the emulator recorded, once it is finished."""
    exchange = e.exchanges[-1]
    assert exchange.finished.wait(LIMIT)
    return exchange


def refuse(e: Emulator, wire: Wire, problem: str) -> None:
    """Assert that the request is refused by 400 with this problem in the service's form, and that nothing was read."""
    response = ask(e, wire)
    exchange = last(e)
    assert response.status == 400
    assert problem in str(exchange.problem)
    assert str(exchange.problem) in str(response.json.get("error", response.json))
    assert (exchange.messages, exchange.options, exchange.model, exchange.status) == ([], {}, None, 400)


def events(body: bytes) -> list[Any]:
    """Return the data of server-sent events: each as JSON, as a comment `: ...`, or as `[DONE]`.

    An event's name has to be its `type`.
    """
    found: list[Any] = []
    assert body.endswith(b"\n\n")
    for block in body.decode().removesuffix("\n\n").split("\n\n"):
        if block.startswith(":"):
            found.append(block)
            continue
        *names, data = block.split("\n")
        text = data.removeprefix("data: ")
        value = text if text == "[DONE]" else json.loads(text)
        assert names in ([], [f"event: {value.get('type', 'error')}"] if isinstance(value, dict) else [])
        found.append(value)
    return found


def lines(body: bytes) -> list[Any]:
    """Return the objects of NDJSON."""
    assert body.endswith(b"\n")
    return [json.loads(line) for line in body.splitlines()]


def after(name: str, *pieces: Any, dialect: str | None = None) -> list[Any]:
    """Return the events of a streamed reply of these pieces; for Ollama its lines."""
    with emulate(*pieces, script=Script(dialect=dialect)) as e:
        body = hear(e, WIRES[name])
    return lines(body) if name == "ollama" else events(body.replace(b"\r\n", b"\n"))


def told(kind: str, wire: Wire, dialect: str | None = None) -> tuple[int, dict[str, str], Any]:
    """Return the status, the headers and the body of an HTTP error; the reply function is not called."""
    with emulate("never", script=Script(problem=kind, dialect=dialect)) as e:
        response = ask(e, wire)
        assert (last(e).problem, last(e).status) == (None, response.status)
        assert last(e).messages
    assert response.headers["content-type"] == "application/json"
    assert response.headers.get("retry-after") == ("1" if kind == "rate_limit" else None)
    return response.status, response.headers, response.json


# Chunks of Chat Completions


def asking(wire: Wire = CHAT, **options: bool) -> Wire:
    """Return the request with the usage asked for, and without padding."""
    return wire.field(stream_options={"include_usage": True, "include_obfuscation": False, **options})


def bare(choices: list[Any], **extra: Any) -> dict[str, Any]:
    """Return a chunk of Chat Completions with these choices."""
    kind = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": "m"}
    return {**kind, "choices": choices, **extra}


def chunk(delta: dict[str, Any], reason: str | None = None, **extra: Any) -> dict[str, Any]:
    """Return a chunk of Chat Completions with one choice."""
    return bare([{"index": 0, "delta": delta, "finish_reason": reason}], **extra)


def calls(*entries: dict[str, Any]) -> dict[str, Any]:
    """Return a delta of tool calls."""
    return {"tool_calls": list(entries)}


def named(index: int, id_: str, name: str, arguments: str = "") -> dict[str, Any]:
    """Return the first piece of a tool call, or all of it."""
    asked = {"name": name, "arguments": arguments}
    return {"index": index, "id": id_, "type": "function", "function": asked}


def fragment(index: int, arguments: str) -> dict[str, Any]:
    """Return a delta with the next piece of a tool call's arguments."""
    return calls({"index": index, "function": {"arguments": arguments}})


# The deltas of the tool calls in SAID, and its tokens.
CALLED = [
    calls(named(0, "call_1", "weather")),
    *(fragment(0, piece) for piece in ARGUMENTS),
    calls(named(1, "c9", "clock")),
    fragment(1, "{}"),
]


SPENT = {
    "prompt_tokens": 3,
    "completion_tokens": 4,
    "total_tokens": 7,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 2, "audio_tokens": 0},
}


# Errors


# Status, type and code of each kind of error in OpenAI's protocols, and the status in Ollama's and Cohere's.
OPENAI_ERRORS = {
    "authentication": (401, "invalid_request_error", "invalid_api_key"),
    "permission": (403, "request_forbidden", "unsupported_country_region_territory"),
    "not_found": (404, "invalid_request_error", "model_not_found"),
    "rate_limit": (429, "requests", "rate_limit_exceeded"),
    "overloaded": (503, "server_error", None),
    "context_length": (400, "invalid_request_error", "context_length_exceeded"),
    "content_filter": (400, "invalid_request_error", "invalid_prompt"),
    "server": (500, "server_error", None),
}
STATUS = {kind: status for kind, (status, *_) in OPENAI_ERRORS.items()}
