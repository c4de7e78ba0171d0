"""Quirks of a reply's end: finish reasons that come early, with every chunk or twice, and ends that are missing.

frames = END_QUIRKS["finish_on_every_chunk"]["gemini"](frames)

Sources: recorded replies of Gemini (pydantic-ai's cassettes, August 2026); anomalyco/opencode#43040 (September 2026);
Bedrock's path of Chat Completions, which ends without `[DONE]` (lm15-contract's recordings, 2026); servers of the
Responses protocol that send no deltas.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..server.framing import DONE
from .frames import Frame, Quirk


def finish_first(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Gemini: an empty chunk with the finish reason comes before the answer."""
    first = True
    for frame in frames:
        if first and isinstance(frame.data, dict):
            empty = {"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": "STOP", "index": 0}
            yield Frame(frame.name, {**frame.data, "candidates": [empty]})
        first = False
        yield frame


def finish_on_every_chunk(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Chat, Gemini: each chunk has the finish reason."""
    for name, data in frames:
        for choice in data.get("choices", ()) if isinstance(data, dict) else ():
            choice["finish_reason"] = choice["finish_reason"] or "stop"
        for candidate in data.get("candidates", ()) if isinstance(data, dict) else ():
            candidate.setdefault("finishReason", "STOP")
        yield Frame(name, data)


def finish_repeated(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Chat, Gemini, Anthropic: the frame with the finish reason comes twice."""
    for frame in frames:
        yield frame
        if isinstance(frame.data, dict) and _has_reason(frame.data):
            yield frame


def _has_reason(data: dict[str, Any]) -> bool:
    """Return whether a frame has a finish reason."""
    choices = [*data.get("choices", ()), *data.get("candidates", ()), data.get("delta", {})]
    return any(choice.get(name) for choice in choices for name in ("finish_reason", "finishReason", "stop_reason"))


def no_end_marker(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Chat, Anthropic: `[DONE]` or `message_stop` is missing."""
    return (frame for frame in frames if frame.data != DONE and frame.name != "message_stop")


def no_deltas(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Responses: texts come whole, in the events `.done`."""
    return (frame for frame in frames if not frame.name.endswith("_text.delta"))


def all_at_the_end(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Responses: the answer comes in the last event alone."""
    return (frame for frame in frames if frame.name.count(".") == 1 and "_item" not in frame.name)


def summary_in_parts(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Responses: each piece of the reasoning is a part of the summary of its own."""
    number = 0
    for name, data in frames:
        if name == "response.reasoning_summary_text.delta":
            yield Frame(name, {**data, "summary_index": number})
            number += 1
        elif not name.startswith("response.reasoning_summary"):
            yield Frame(name, data)


def named_at_the_end(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Responses: only the last event names the model, as llama.cpp's and LiteLLM's do.

    Chat: the first chunk has neither id nor model, like Azure's.
    """
    named = False
    for frame in frames:
        data = frame.data if isinstance(frame.data, dict) else {}
        response = data.get("response", {})
        if "choices" in data and not named:
            named = True
            yield Frame("", {**data, "id": "", "model": "", "choices": [], "prompt_filter_results": []})
        if response.get("status") == "in_progress":
            unnamed = {key: value for key, value in response.items() if key != "model"}
            yield frame._replace(data={**data, "response": unnamed})
        else:
            yield frame


def ended_by_done(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Responses: the last event is `response.done` (can1357/oh-my-pi PR#4692, July 2026)."""
    for name, data in frames:
        done = "response.done" if name == "response.completed" else name
        yield Frame(done, {**data, "type": done})


END_QUIRKS: Mapping[str, Mapping[str, Quirk]] = {
    "finish_first": {"gemini": finish_first},
    "finish_on_every_chunk": {"chat": finish_on_every_chunk, "gemini": finish_on_every_chunk},
    "finish_repeated": dict.fromkeys(("chat", "gemini", "anthropic"), finish_repeated),
    "no_end_marker": dict.fromkeys(("chat", "anthropic"), no_end_marker),
    "no_deltas": {"responses": no_deltas},
    "ended_by_done": {"responses": ended_by_done},
    "all_at_the_end": {"responses": all_at_the_end},
    "summary_in_parts": {"responses": summary_in_parts},
    "named_at_the_end": {"responses": named_at_the_end, "chat": named_at_the_end},
}
