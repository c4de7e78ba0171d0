"""Gemini's thought signatures: refuses a call without one, and a signature that is not its own; for both of its paths.

    check(mark, model, signed(name, args))      # Refusal 400 "Corrupted thought signature."
    raise missing(name, 2)                      # the first call of a turn has no signature, and NEEDED the model

Source: ai.google.dev, thought-signatures (2026); docs.apiyi.com, gemini-thought-signature-missing (October 2026).
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from contextlib import suppress
from typing import Any

from .checks import Refusal
from .signatures import Signature, digest

# The models that refuse a tool call without a signature; they sign without showing any thoughts, too.
SIGNING = re.compile(r"gemini-([3-9]|\d\d).*")
# Signatures that are not looked at, for calls of other models.
UNCHECKED = ("skip_thought_signature_validator", "context_engineering_is_the_way_to_go")
MISSING = (
    "Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly, "
    "and missing thought_signature may lead to degraded model performance. Additional data, function call "
    "`default_api:{}`, position {}."
)
CORRUPTED = "Corrupted thought signature."


def missing(name: str, position: int) -> Refusal:
    """Return the refusal of a call without a signature, in the content or message of this position, from 1."""
    return Refusal(400, MISSING.format(name, position))


def check(mark: str, model: str, content: Any = None) -> None:
    """Raise `Refusal` 400 for a signature that is not of this model and this content; None stands for any content."""
    if is_unchecked(mark):
        return
    found = Signature.read("gemini", mark)
    moved = found is not None and content is not None and found.content != digest(content)
    if found is None or moved or found.model != digest(model):
        raise Refusal(400, CORRUPTED)


def is_unchecked(mark: str) -> bool:
    """Return whether a signature is one that is not looked at: as it is, or as Google's client writes these bytes."""
    return mark in (*UNCHECKED, *(b64encode(text.encode()).decode() for text in UNCHECKED))


def signed(name: str, arguments: Any) -> list[Any]:
    """Return what of a tool call is signed: `arguments` are an object, or its text."""
    if isinstance(arguments, str):
        # The model may have written no JSON.
        with suppress(ValueError):
            return [name, json.loads(arguments or "{}")]
    return [name, arguments]


def check_chat(data: dict[str, Any]) -> None:
    """Check the calls of a request to the path that speaks OpenAI's Chat Completions.

    The signature stands in `tool_calls[].extra_content.google.thought_signature`, and comes back there (noho/dayu-agent
    #45, earendil-works/pi#6733, #7745, #8590, 2026).  As on Gemini's own path, the first call of a message needs one if
    it stands behind the last words of the user.
    """
    messages, model = data["messages"], str(data.get("model")).removeprefix("models/")
    said = max((number for number, message in enumerate(messages) if message["role"] == "user"), default=-1)
    for number, message in enumerate(messages):
        marks = [_mark_of(call) for call in message.get("tool_calls") or ()]
        for call, mark in zip(message.get("tool_calls") or (), marks, strict=True):
            if mark is not None:
                check(mark, model, signed(call["function"]["name"], call["function"]["arguments"]))
        if SIGNING.fullmatch(model) and number > said and marks and marks[0] is None:
            raise missing(message["tool_calls"][0]["function"]["name"], number + 1)


def _mark_of(call: dict[str, Any]) -> str | None:
    """Return the signature of a call in the form of Chat Completions."""
    google = (call.get("extra_content") or {}).get("google") or {}
    mark = google.get("thought_signature")
    return None if mark is None else str(mark)
