"""Quirks of what stands beside an answer's text: content of other kinds, and extras of an odd shape.

frames = EXTRA_QUIRKS["native"]["gemini"](frames)

Sources: the types of the services' own packages (November 2026); NousResearch/hermes-agent#104711 (September 2026:
reasoning as a list); LiteLLM's ids; servers that escape no control characters and write a byte order mark.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..server.framing import compact
from .frames import Frame, Quirk, blocks_of

PIXEL = "iVBORw0KGgo="
SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "sun"}}
DRAWN = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": PIXEL}
# By the protocol, the frames with content that is no text.
NATIVES: Mapping[str, tuple[Frame, ...]] = {
    "chat": (Frame("", {"id": "chatcmpl-1", "choices": [{"index": 0, "delta": {"images": [{"type": "image_url",
        "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}]}, "finish_reason": None}]}),),
    "responses": (Frame("response.output_item.done", {"type": "response.output_item.done", "output_index": 9,
        "item": DRAWN}),),
    "anthropic": (
        Frame("content_block_start", {"type": "content_block_start", "index": 9, "content_block": SEARCH}),
        Frame("content_block_stop", {"type": "content_block_stop", "index": 9}),
    ),
    "gemini": (Frame("", {"candidates": [{"content": {"parts": [{"inlineData": {"mimeType": "image/png",
        "data": PIXEL}}], "role": "model"}, "index": 0}]}),),
    "ollama": (Frame("", {"message": {"role": "assistant", "content": "", "images": [PIXEL]}, "done": False}),),
    "cohere": (Frame("citation-start", {"type": "citation-start", "index": 0, "delta": {"message": {"citations": {
        "start": 0, "end": 1, "text": "S", "sources": []}}}}),),
}  # fmt: skip


def native(protocol: str) -> Quirk:
    """Return a quirk: content that is no text comes behind the first frame."""

    def quirk(frames: Iterator[Frame]) -> Iterator[Frame]:
        for number, frame in enumerate(frames):
            yield frame
            if number == 0:
                yield from NATIVES[protocol]

    return quirk


def unknown_events(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Any protocol of events: before each event comes one of an unknown name, whose data is no JSON."""
    for frame in frames:
        yield Frame("", b"event: heartbeat\ndata: still here\n\n")
        yield frame


def reasoning_in_parts(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Chat: a piece of the reasoning is a list of parts."""
    for name, data in frames:
        for choice in data.get("choices", ()) if isinstance(data, dict) else ():
            for field in ("reasoning", "reasoning_content"):
                if isinstance(text := choice["delta"].get(field), str):
                    choice["delta"][field] = [{"type": "text", "text": text}]
        yield Frame(name, data)


def reasoning_in_details(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Chat: the reasoning stands in `reasoning_details` alone (types of openrouter-python, November 2026)."""
    for name, data in frames:
        for choice in data.get("choices", ()) if isinstance(data, dict) else ():
            if text := choice["delta"].pop("reasoning_content", None):
                detail = {"type": "reasoning.summary", "summary": text, "index": 0, "format": "unknown"}
                choice["delta"]["reasoning_details"] = [detail, {"type": "reasoning.encrypted", "data": "x"}]
        yield Frame(name, data)


def details_as_text(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Chat: the reasoning stands in `reasoning_details` alone, which is a text or an object in place of a list."""
    for number, (name, data) in enumerate(frames):
        for choice in data.get("choices", ()) if isinstance(data, dict) else ():
            if text := choice["delta"].pop("reasoning_content", None):
                choice["delta"]["reasoning_details"] = text if number % 2 else {"text": text}
        yield Frame(name, data)


def untyped_deltas(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Anthropic: the deltas of blocks have no type, and one more `message_delta` has counts, but no delta."""
    for name, data in frames:
        if data["type"] == "content_block_delta":
            del data["delta"]["type"]
        yield Frame(name, data)
        if name == "message_delta":
            yield Frame(name, {**data, "delta": None})


def _changing(change: Callable[[str, Any], Any]) -> Quirk:
    """Return a quirk: each value of the reply's JSON becomes `change(key, value)`."""

    def walk(value: Any) -> Any:
        if isinstance(value, list):
            return [walk(part) for part in value]
        return {key: walk(change(key, part)) for key, part in value.items()} if isinstance(value, dict) else value

    return lambda frames: (Frame(name, walk(data)) for name, data in frames)


# Token counts that are no numbers, an id that is a number, an id of 445 characters as LiteLLM's.
uncounted = _changing(lambda key, value: "many" if key.endswith(("_tokens", "TokenCount", "eval_count")) else value)
numeric_ids = _changing(lambda key, value: 7 if key in ("id", "responseId", "call_id", "item_id") else value)
long_ids = _changing(lambda key, value: "x" * 445 if key in ("id", "responseId") else value)


def byte_order_mark(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Any protocol: the body begins with a byte order mark."""
    yield Frame("", b"\xef\xbb\xbf")
    yield from frames


def control_characters(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Any protocol of events: a tab stands in JSON strings as it is."""
    for name, data in frames:
        if isinstance(data, bytes) or "\\t" not in json.dumps(data):
            yield Frame(name, data)
        else:
            head = f"event: {name}\n" if name else ""
            yield Frame("", f"{head}data: {compact(data)}\n\n".replace("\\t", "\t").encode())


def one_line_break(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Any protocol of events: one line break stands between two events in place of two, as in Baseten's replies.

    Source: anomalyco/opencode#27365 (May 2026).
    """
    for block in blocks_of(frames, lines=False):
        yield Frame("", block.rstrip() + b"\n")


def huge_numbers(*, lines: bool) -> Quirk:
    """Return a quirk: each frame has a number of 5000 digits, and one that is beyond the largest float."""

    def quirk(frames: Iterator[Frame]) -> Iterator[Frame]:
        for name, data in frames:
            if not isinstance(data, dict):
                yield Frame(name, data)
                continue
            (block,) = blocks_of([Frame(name, {**data, "seed": "HUGE", "weight": "VAST"})], lines=lines)
            yield Frame("", block.replace(b'"HUGE"', b"7" * 5000).replace(b'"VAST"', b"1e400"))

    return quirk


EVENTS = ("chat", "responses", "anthropic", "gemini", "cohere")
EXTRA_QUIRKS: Mapping[str, Mapping[str, Quirk]] = {
    "native": {protocol: native(protocol) for protocol in NATIVES},
    "unknown_events": dict.fromkeys(EVENTS, unknown_events),
    "reasoning_in_parts": {"chat": reasoning_in_parts},
    "reasoning_in_details": {"chat": reasoning_in_details},
    "details_as_text": {"chat": details_as_text},
    "untyped_deltas": {"anthropic": untyped_deltas},
    "uncounted": dict.fromkeys(NATIVES, uncounted),
    "numeric_ids": dict.fromkeys(("chat", "responses", "anthropic", "gemini", "cohere"), numeric_ids),
    "long_ids": dict.fromkeys(("chat", "responses", "anthropic", "gemini", "cohere"), long_ids),
    "byte_order_mark": dict.fromkeys(NATIVES, byte_order_mark),
    "one_line_break": dict.fromkeys(EVENTS, one_line_break),
    "control_characters": dict.fromkeys(EVENTS, control_characters),
    "huge_numbers": {**dict.fromkeys(EVENTS, huge_numbers(lines=False)), "ollama": huge_numbers(lines=True)},
}
