"""Quirks of where an answer stands: whole in a frame that should only begin or end it.

frames = WHOLE_QUIRKS["whole_message"]["chat"](frames)

Sources: perplexityai/api-discussion#209 (a whole `message` beside each delta); servers that send an object
`chat.completion` as an event; decolua/9router#383 and KochC/opencode-llm-proxy#48 (Responses), all of 2026.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .frames import Frame, Quirk


def whole_message(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Chat: the chunk with the finish reason has the whole answer as a `message` in place of a delta."""
    return _with_messages(frames, beside=False)


def message_beside_delta(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Chat: each chunk has the answer so far as a `message` beside its delta."""
    return _with_messages(frames, beside=True)


def _with_messages(frames: Iterator[Frame], *, beside: bool) -> Iterator[Frame]:
    message: dict[str, Any] = {}
    for frame in frames:
        choices = frame.data.get("choices") if isinstance(frame.data, dict) else None
        for choice in choices or ():
            for key, value in choice["delta"].items():
                message[key] = message[key] + value if message.get(key) and key != "role" else value
            choice["message"] = dict(message)
            if not beside:
                del choice["delta"]
        if beside or not choices or choices[0]["finish_reason"]:
            yield frame


def answer_in_message_start(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Anthropic: the first event holds the whole answer."""
    held, blocks = list[Frame](), list[dict[str, Any]]()
    for frame in frames:
        if frame.name == "content_block_start":
            blocks.append(frame.data["content_block"])
        elif frame.name == "content_block_delta":
            for key, value in frame.data["delta"].items():
                if key in blocks[-1] and key != "type":
                    blocks[-1][key] += value
        elif frame.name != "content_block_stop":
            held.append(frame)
    held[0].data["message"]["content"] = blocks
    yield from held


def answer_in_content_start(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Cohere: each piece of text or reasoning comes as the start of a content."""
    for frame in frames:
        if frame.name == "content-delta":
            yield Frame("content-start", {**frame.data, "type": "content-start"})
        elif frame.name != "content-start":
            yield frame


def text_in_content_part(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Responses: an empty delta comes, and then the text, whole, in `response.content_part.done` alone."""
    for name, data in frames:
        if name == "response.output_text.delta":
            yield Frame(name, {**data, "delta": ""})
        elif data.get("item", {}).get("type") != "message" and name != "response.output_text.done":
            yield Frame(name, _without_output(data))


def first_delta_alone(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Responses: after the first delta, the text comes in `response.output_text.done`."""
    come = False
    for frame in frames:
        if frame.name != "response.output_text.delta" or not come:
            yield frame
        come = come or frame.name == "response.output_text.delta"


def answer_behind_commentary(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Responses: the reasoning is a message of the phase `commentary`, and the answer comes at the end alone.

    Source: lm15-contract's recordings of Meta's service, 2026 (the phase); the rest is allowed by the protocol.
    """
    for name, data in frames:
        item = data.get("item", {})
        if name == "response.output_item.added" and item["type"] == "reasoning":
            yield Frame(name, {**data, "item": {"type": "message", "phase": "commentary", "content": []}})
        elif name == "response.reasoning_summary_text.delta":
            yield Frame("response.output_text.delta", {**data, "type": "response.output_text.delta"})
        elif "response" in data:
            output = [part for part in data["response"]["output"] if part["type"] != "reasoning"]
            yield Frame(name, {**data, "response": {**data["response"], "output": output}})
        elif item.get("type") == "function_call" or "function_call" in name:
            yield Frame(name, data)


def rest_in_message(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Chat: the last piece of the text does not come in a delta, but in a whole `message` beside the last one."""
    held, text = list[Frame](), ""
    for frame in frames:
        choices = frame.data.get("choices") if isinstance(frame.data, dict) else None
        for choice in choices or ():
            text += choice["delta"].get("content") or ""
            if choice["finish_reason"]:
                choice["message"] = {"role": "assistant", "content": text}
                held = []
        yield from held
        held = [frame] if choices and choices[0]["delta"].get("content") else []
        if not held:
            yield frame


def text_beside_deltas(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Chat: each piece of the text stands beside an empty delta, as in a plain completion (Hugging Face)."""
    for frame in frames:
        for choice in frame.data.get("choices", ()) if isinstance(frame.data, dict) else ():
            if text := choice["delta"].get("content"):
                choice["delta"]["content"], choice["text"] = "", text
        yield frame


def reasoning_in_done(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Responses: the reasoning comes in `response.reasoning_summary_text.done` alone."""
    for name, data in frames:
        for item in (data.get("item", {}), *data.get("response", {}).get("output", ())):
            if item.get("type") == "reasoning":
                item["summary"] = []
        if name not in ("response.reasoning_summary_text.delta", "response.reasoning_summary_part.done"):
            yield Frame(name, data)


def reasoning_in_two_forms(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Responses: each piece of the summary comes as a text before, too (peonist-ai/halogen-flash-server#67, 2026)."""
    for name, data in frames:
        if name == "response.reasoning_summary_text.delta":
            again = {key: value for key, value in data.items() if key != "summary_index"}
            kind = "response.reasoning_text.delta"
            yield Frame(kind, {**again, "type": kind, "content_index": 0})
        yield Frame(name, data)


def _without_output(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "response": {**data["response"], "output": []}} if "response" in data else data


WHOLE_QUIRKS: Mapping[str, Mapping[str, Quirk]] = {
    "whole_message": {
        "chat": whole_message, "anthropic": answer_in_message_start, "cohere": answer_in_content_start,
    },
    "message_beside_delta": {"chat": message_beside_delta},
    "rest_in_message": {"chat": rest_in_message},
    "text_beside_deltas": {"chat": text_beside_deltas},
    "reasoning_in_done": {"responses": reasoning_in_done},
    "reasoning_in_two_forms": {"responses": reasoning_in_two_forms},
    "first_delta_alone": {"responses": first_delta_alone},
    "text_in_content_part": {"responses": text_in_content_part},
    "answer_behind_commentary": {"responses": answer_behind_commentary},
}  # fmt: skip
