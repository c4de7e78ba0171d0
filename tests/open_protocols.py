"""A client of the open protocols that knows nothing but HTTP, and the least that each of them takes for a request."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from typing import Any

from g4flite.testing import Emulator, Exchange

NOW = 1700000000.123456
LIMIT = 30.0  # seconds: more than anything here takes, however busy the machine


@dataclass(frozen=True)
class Wire:
    """A request before it is written out; every change makes another one."""

    path: str
    headers: dict[str, str]
    data: Any
    method: str = "POST"

    def header(self, **change: str | None) -> Wire:
        names = {name.replace("_", "-"): value for name, value in change.items()}
        return replace(self, headers={n: v for n, v in (self.headers | names).items() if v is not None})

    def field(self, **change: Any) -> Wire:
        return replace(self, data=self.data | change)

    def without(self, name: str) -> Wire:
        return replace(self, data={key: value for key, value in self.data.items() if key != name})


@dataclass(frozen=True)
class Response:
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


def emulate(*pieces: Any, **settings: Any) -> Emulator:
    """An emulator that says the pieces, or echoes without any, at a fixed time."""
    reply: Callable[..., Any] = lambda _: pieces  # noqa: E731
    return Emulator(reply, clock=lambda: NOW, **settings) if pieces else Emulator(clock=lambda: NOW, **settings)


def ask(e: Emulator, wire: Wire) -> Response:
    connection = HTTPConnection(e.host, e.port, timeout=LIMIT)
    try:
        body = wire.data if isinstance(wire.data, bytes) else json.dumps(wire.data).encode()
        connection.request(wire.method, wire.path, body, wire.headers)
        with connection.getresponse() as response:
            return Response(response.status, dict(response.headers.items()), response.read())
    finally:
        connection.close()


def hear(e: Emulator, wire: Wire) -> bytes:
    """The body of a reply that has to be one."""
    response = ask(e, wire)
    assert response.status == 200, response.body
    return response.body


def last(e: Emulator) -> Exchange:
    exchange = e.exchanges[-1]
    assert exchange.finished.wait(LIMIT)
    return exchange


def events(body: bytes) -> list[Any]:
    """The data of Server-Sent Events, each as JSON, as a comment `: ...`, or as the text that is no JSON.

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
