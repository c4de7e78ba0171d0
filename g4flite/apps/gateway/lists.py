"""The answers to questions that no provider is asked: which models there are, and how long a prompt is.

One list of models serves the clients of OpenAI and of Anthropic, in Python and in JavaScript (tested in November 2026).
Ollama's and Gemini's have a form of their own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, Protocol

from ..._core.ledger import estimated, text_of
from ...server.checks import OBJECT, may
from ...server.framing import compact
from ...server.protocol import Post, Turn
from .carry import asked
from .faults import FaultError
from .wires import GEMINI, Wire

JSON = dict[str, Any]

# Ollama's clients read the version as numbers, and ask what a model can do.
OLLAMA_VERSION = "0.33.0"
CAPABILITIES = ["completion", "tools", "vision", "thinking"]
# What a part of a message that is no text is taken for, in tokens.
MEDIA_TOKENS = 1000


class Home(Protocol):
    """What is read of the gateway."""

    @property
    def began(self) -> int: ...
    def names(self, key: Any, /) -> list[str]: ...


def prompt_tokens(turn: Turn) -> int:
    """Return about how many tokens a request has: one for four bytes of text, and four around each message."""
    messages, options = asked(turn)
    count = estimated(compact(options.get("tools") or [])) if options.get("tools") else 0
    for message in messages:
        content = message["content"]
        parts = content if isinstance(content, list) else []
        count += 4 + MEDIA_TOKENS * sum(part["type"] != "text" for part in parts)
        texts = [part for part in parts if part["type"] == "text"]
        count += estimated(text_of({**message, "content": texts if parts else content}) or "")
    return count


def models(home: Home, wire: Wire, key: Any, post: Post) -> JSON:
    """Return the models that a key may ask for, or one of them."""
    names = home.names(key)
    if wire is GEMINI:
        made = [gemini_model(name) for name in names]
        name = post.path.partition("/models/")[2]
        return _one(name, names, gemini_model) if name else {"models": made}
    name = post.path.partition("/models/")[2]
    if name:
        return _one(name, names, lambda known: openai_model(known, home.began))
    data = [openai_model(name, home.began) for name in names]
    ends = {"first_id": names[0], "last_id": names[-1]} if names else {"first_id": None, "last_id": None}
    return {"object": "list", "data": data, "has_more": False, **ends}


def _one(name: str, names: list[str], shown: Callable[[str], JSON]) -> JSON:
    if name not in names:
        raise FaultError(404, "not_found", f"there is no model {name[:200]!r}", "model_not_found")
    return shown(name)


def openai_model(name: str, began: int) -> JSON:
    """Return a model as OpenAI and Anthropic list it."""
    made = datetime.fromtimestamp(began, timezone.utc).isoformat().replace("+00:00", "Z")
    return {"id": name, "object": "model", "created": began, "owned_by": "g4flite", "type": "model",
            "display_name": name, "created_at": made}  # fmt: skip


def gemini_model(name: str) -> JSON:
    """Return a model as Gemini lists it."""
    methods = ["generateContent", "streamGenerateContent", "countTokens"]
    return {"name": f"models/{name}", "displayName": name, "supportedGenerationMethods": methods}


def tags(home: Home, wire: Wire, key: Any, post: Post) -> JSON:  # noqa: ARG001 - see LISTS
    """Return the models as Ollama lists them."""
    made = datetime.fromtimestamp(home.began, timezone.utc).isoformat().replace("+00:00", "Z")
    details = {"format": "", "family": "g4flite", "families": [], "parameter_size": "", "quantization_level": ""}
    return {
        "models": [
            {"name": name, "model": name, "modified_at": made, "size": 0, "digest": "", "details": details}
            for name in home.names(key)
        ]
    }


def running(*_: object) -> JSON:
    """Return the models that Ollama has loaded: none."""
    return {"models": []}


def version(*_: object) -> JSON:
    """Return the version of Ollama whose protocol this is."""
    return {"version": OLLAMA_VERSION}


def show(home: Home, wire: Wire, key: Any, post: Post) -> JSON:  # noqa: ARG001 - see LISTS
    """Return what Ollama tells of a model; its Python client wants `model_info`, others ask for `capabilities`."""
    data = post.data(typed=False)
    name = str(data.get("model") or data.get("name") or "")
    _one(name, home.names(key), lambda _: {})
    info = {"general.architecture": "g4flite"}
    return {"details": {"family": "g4flite"}, "model_info": info, "capabilities": CAPABILITIES, "modelfile": "",
            "parameters": "", "template": ""}  # fmt: skip


def count(home: Home, wire: Wire, key: Any, post: Post) -> JSON:  # noqa: ARG001 - see LISTS
    """Return about how many tokens a request has."""
    data = post.data()
    # The request that is counted has no room for an answer, or stands inside that of the count.
    given = {"max_tokens": 1, **(may(data, "generateContentRequest", OBJECT) or data)}
    counted = prompt_tokens(wire.read(_with(post, given)))
    return {"totalTokens": counted} if wire is GEMINI else {"input_tokens": counted}


def _with(post: Post, data: JSON) -> Post:
    return Post(path=post.path, query=post.query, headers=post.headers, body=json.dumps(data).encode(), keyless=True)


LISTS: dict[str, Callable[[Home, Wire, Any, Post], JSON]] = {
    "models": models, "tags": tags, "ps": running, "version": version, "show": show, "count": count,
}  # fmt: skip
"""What answers each action, as functions of the gateway, the wire, the key, and the request."""
