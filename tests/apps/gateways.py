"""A gateway for tests: on a real port, before an emulator; and requests as each wire's clients send them.

    with Emulator() as service, served(Gateway(routes(service))) as url:
        response = httpx.post(url + WIRES["chat"].path, json=WIRES["chat"].question("openai", "Hello"))
        assert WIRES["chat"].ended(response.text) and WIRES["chat"].said(response.text) == "You said: Hello"

What is read here of a reply is read without the package's parsers.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

from g4flite import Client
from g4flite.testing import Emulator

JSON = dict[str, Any]
# The providers whose protocols the wires are, and the paths of their base URLs at the emulator.
PROVIDERS = {"openai": "/v1", "openai-responses": "/v1", "anthropic": "", "gemini": "", "ollama": ""}


def client(provider: str, service: Emulator, **settings: Any) -> Client:
    """Return a client of the emulator."""
    key = {} if provider == "ollama" else {"api_key": "sk-upstream"}
    return Client(provider, base_url=service.url + PROVIDERS[provider], **{"model": "m", **key, **settings})


def routes(service: Emulator, **settings: Any) -> dict[str, list[Client]]:
    """Return a route to the emulator for each provider, under the provider's name."""
    return {name: [client(name, service, **settings)] for name in PROVIDERS}


@contextmanager
def served(app: Any, **settings: Any) -> Iterator[str]:
    """Serve an app on a free port, and yield its URL."""
    # Coverage loses its way in uvloop.
    settings = {"loop": "asyncio", "log_level": "error", "lifespan": "on", "timeout_keep_alive": 75, **settings}
    config = uvicorn.Config(app, port=0, **settings)
    listener = config.bind_socket()
    # From now on, a connection waits until the thread has begun.
    listener.listen()
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def events(text: str) -> list[JSON]:
    """Return the JSON of the server-sent events, without [DONE] and comments."""
    lines = (line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: "))
    return [json.loads(line) for line in lines if line != "[DONE]"]


def lines(text: str) -> list[JSON]:
    """Return the JSON of each line."""
    return [json.loads(line) for line in text.splitlines()]


@dataclass(frozen=True)
class Spoken:
    """How the clients of one wire ask and read; `path` has the model in braces."""

    path: str
    # The body of a question: the model, the text, whether the reply is streamed, and more fields.
    question: Callable[..., JSON]
    # Whether a streamed reply is complete, its text, and the message of the error in it, if there is one.
    ended: Callable[[str], bool]
    said: Callable[[str], str]
    error: Callable[[str], str | None]
    # The text of a reply that is not streamed.
    whole: Callable[[JSON], str]
    # The message of an error that is no stream.
    told: Callable[[JSON], str]
    whole_path: str = ""

    def url(self, base: str, model: str, *, stream: bool = True) -> str:
        path = self.path if stream else self.whole_path or self.path
        return base + path.replace("{model}", model)


def _chat(model: str, text: str, *, stream: bool = True, **more: Any) -> JSON:
    return {"model": model, "messages": [{"role": "user", "content": text}], "stream": stream, **more}


def _responses(model: str, text: str, *, stream: bool = True, **more: Any) -> JSON:
    return {"model": model, "input": text, "stream": stream, **more}


def _anthropic(model: str, text: str, *, stream: bool = True, **more: Any) -> JSON:
    return {**_chat(model, text, stream=stream), "max_tokens": 99, **more}


def _generate(model: str, text: str, *, stream: bool = True, **more: Any) -> JSON:
    return {"model": model, "prompt": text, "stream": stream, **more}


def _gemini(_: str, text: str, **more: Any) -> JSON:
    more.pop("stream", None)
    return {"contents": [{"role": "user", "parts": [{"text": text}]}], **more}


def _chat_said(text: str) -> str:
    choices = [choice for event in events(text) for choice in event["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


def _gemini_said(text: str) -> str:
    parts = [part for event in events(text) for one in event.get("candidates", ()) for part in one["content"]["parts"]]
    return "".join(part.get("text", "") for part in parts if not part.get("thought"))


def _nested(found: list[JSON]) -> str | None:
    return next((event["error"]["message"] for event in found if event.get("error")), None)


def _of_type(text: str, kind: str, field: str) -> str:
    found = [event.get("delta") for event in events(text) if event["type"] == kind]
    return "".join(delta if isinstance(delta, str) else delta.get(field, "") for delta in found if delta)


def _gemini_whole(body: JSON) -> str:
    return "".join(part["text"] for part in body["candidates"][0]["content"]["parts"])


WIRES = {
    "chat": Spoken(
        path="/v1/chat/completions", question=_chat, said=_chat_said,
        ended=lambda text: text.endswith("data: [DONE]\n\n"), error=lambda text: _nested(events(text)),
        whole=lambda body: str(body["choices"][0]["message"]["content"]),
        told=lambda body: str(body["error"]["message"]),
    ),
    "responses": Spoken(
        path="/v1/responses", question=_responses,
        ended=lambda text: events(text)[-1]["type"] == "response.completed",
        said=lambda text: _of_type(text, "response.output_text.delta", ""),
        error=lambda text: _nested([event for event in events(text) if event["type"] == "error"]),
        whole=lambda body: "".join(part["text"] for item in body["output"] for part in item.get("content", ())),
        told=lambda body: str(body["error"]["message"]),
    ),
    "anthropic": Spoken(
        path="/v1/messages", question=_anthropic, ended=lambda text: events(text)[-1]["type"] == "message_stop",
        said=lambda text: _of_type(text, "content_block_delta", "text"), error=lambda text: _nested(events(text)),
        whole=lambda body: "".join(block.get("text", "") for block in body["content"]),
        told=lambda body: str(body["error"]["message"]),
    ),
    "ollama": Spoken(
        path="/api/chat", question=_chat, ended=lambda text: bool(lines(text)[-1].get("done")),
        said=lambda text: "".join(line["message"]["content"] for line in lines(text) if "message" in line),
        error=lambda text: lines(text)[-1].get("error"), whole=lambda body: str(body["message"]["content"]),
        told=lambda body: str(body["error"]),
    ),
    "generate": Spoken(
        path="/api/generate", question=_generate, ended=lambda text: bool(lines(text)[-1].get("done")),
        said=lambda text: "".join(line.get("response", "") for line in lines(text)),
        error=lambda text: lines(text)[-1].get("error"), whole=lambda body: str(body["response"]),
        told=lambda body: str(body["error"]),
    ),
    "gemini": Spoken(
        path="/v1beta/models/{model}:streamGenerateContent?alt=sse", question=_gemini, said=_gemini_said,
        ended=lambda text: "error" not in events(text)[-1] and '"finishReason"' in text,
        error=lambda text: _nested(events(text)), whole=_gemini_whole, told=lambda body: str(body["error"]["message"]),
        whole_path="/v1beta/models/{model}:generateContent",
    ),
}  # fmt: skip
PAIRS = [(wire, provider) for wire in WIRES for provider in PROVIDERS]
