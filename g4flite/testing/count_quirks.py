"""Quirks of token counts: what real services count beside the answer, where they say it, and what they say later.

Sources: Wei-Shaw/sub2api#5771 and vercel/ai#12425 (xAI); pydantic-ai's recordings (Gemini's OpenAI path, OpenRouter,
DeepSeek, Mistral, Hugging Face, Gemini); earendil-works/pi#2017 and AstrBotDevs/AstrBot#6614 (Moonshot);
microsoft/semantic-kernel#13944 (Gemini); llama.cpp's tools/server/README.md; envoyproxy/ai-gateway PR#1631 and
sgl-project/sglang PR#20830 (counts of zero).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from .frames import Frame, Quirk

JSON: TypeAlias = dict[str, Any]
# The keys of the objects that hold counts; Ollama's counts stand in the line itself.
COUNTED = ("usage", "usageMetadata")
# What a count may be instead of a number.
ODD: tuple[object, ...] = (float("nan"), float("inf"), "n/a", -1, None, 10**30, [])


def counting(change: Callable[[JSON], JSON]) -> Quirk:
    """Return a quirk of Chat that replaces each object of counts."""

    def quirk(frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            usage = frame.data.get("usage") if isinstance(frame.data, dict) else None
            yield frame._replace(data=frame.data | {"usage": change(usage)}) if usage else frame

    return quirk


def _thought(usage: JSON) -> int:
    return int(usage["completion_tokens_details"]["reasoning_tokens"])


def reasoning_beside(usage: JSON) -> JSON:
    """xAI: the total counts the reasoning besides the completion."""
    return usage | {"completion_tokens": usage["completion_tokens"] - _thought(usage)}


def reasoning_in_total(usage: JSON) -> JSON:
    """Gemini's OpenAI path: the total alone counts the reasoning."""
    return {key: value for key, value in reasoning_beside(usage).items() if not key.endswith("_details")}


def reasoning_above(usage: JSON) -> JSON:
    """OpenRouter: one token more of reasoning than of the completion that holds it."""
    return usage | {"completion_tokens_details": {"reasoning_tokens": usage["completion_tokens"] + 1}}


def cached_as(*names: str) -> Callable[[JSON], JSON]:
    """Return a change: the tokens of the cache come under the first name, the rest of the prompt under the second."""

    def change(usage: JSON) -> JSON:
        cached = usage["prompt_tokens_details"]["cached_tokens"]
        counts = dict(zip(names, (cached, usage["prompt_tokens"] - cached), strict=False))
        return {**{key: value for key, value in usage.items() if key != "prompt_tokens_details"}, **counts}

    return change


def named_otherwise(usage: JSON) -> JSON:
    """mlx-vlm: the counts have the names that Responses gives them (earendil-works/pi#2326, March 2026)."""
    names = {"prompt_tokens": "input_tokens", "completion_tokens": "output_tokens"}
    return {names.get(key, key): value for key, value in usage.items()}


def timings(frames: Iterator[Frame]) -> Iterator[Frame]:
    """llama.cpp: the counts are its own, `timings`."""
    for frame in frames:
        usage = frame.data.pop("usage", None) if isinstance(frame.data, dict) else None
        if usage:
            cached = usage["prompt_tokens_details"]["cached_tokens"]
            prompt, answer = usage["prompt_tokens"] - cached, usage["completion_tokens"]
            frame.data["timings"] = {"cache_n": cached, "prompt_n": prompt, "predicted_n": answer, "predicted_ms": 1.5}
        yield frame


def chat_zeros_later(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Chat: the counts come again, and are zero."""
    for frame in frames:
        yield frame
        if isinstance(frame.data, dict) and (usage := frame.data.get("usage")):
            zeros = {key: 0 for key, value in usage.items() if isinstance(value, int)}
            yield frame._replace(data=frame.data | {"choices": [], "usage": zeros})


def in_choice(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Chat: the counts stand in the choice of the chunk with the finish reason, as Moonshot's do."""
    held: list[Frame] = []
    for frame in frames:
        data = frame.data if isinstance(frame.data, dict) else {}
        for choice in data.get("choices", ()):
            if choice.get("finish_reason"):
                held.append(frame)
        if usage := data.pop("usage", None):
            held[0].data["choices"][0]["usage"] = usage
            yield from held
        elif frame not in held:
            yield frame


def gemini_counts(*, later: bool) -> Quirk:
    """Return a quirk: behind the last event come counts of zero (if `later`), or the last event has no counts."""

    def quirk(frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            usage, last = frame.data.get("usageMetadata"), frame.data.get("candidates", [{}])[0].get("finishReason")
            if last and not later:
                yield Frame("", {"usageMetadata": frame.data.pop("usageMetadata")})
            yield frame
            if last and later:
                yield Frame("", {"usageMetadata": _zeros(usage)})
                yield Frame("", {"usageMetadata": {"promptTokenCount": usage["promptTokenCount"]}})

    return quirk


def _zeros(usage: JSON) -> JSON:
    return dict.fromkeys(usage, 0)


def anthropic_zeros(*, later: bool) -> Quirk:
    """Return a quirk: the input is zero in `message_delta` (if `later`), or in `message_start` and counted later."""

    def quirk(frames: Iterator[Frame]) -> Iterator[Frame]:
        first: JSON = {}
        for frame in frames:
            data = frame.data
            if data["type"] == "message_start":
                first = data["message"]["usage"]
                if not later:
                    data["message"]["usage"] = _zeros(first)
            elif data["type"] == "message_delta":
                data["usage"] = (_zeros(first) if later else first) | data["usage"]
            yield frame

    return quirk


def hops(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Gemini: the counts begin anew while the service runs its own tools; only those of the last event are right."""
    for frame in frames:
        last = frame.data.get("candidates", [{}])[0].get("finishReason")
        other = {"promptTokenCount": 9999, "candidatesTokenCount": 9999, "toolUsePromptTokenCount": 9}
        yield frame if last else frame._replace(data=frame.data | {"usageMetadata": other})


def odd(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Each count is something else than a number of tokens."""

    def change(value: Any, *, counts: bool, place: int = 0) -> Any:
        if isinstance(value, dict):
            return {
                key: change(inner, counts=counts or key in COUNTED or key.endswith("_count"), place=number)
                for number, (key, inner) in enumerate(value.items())
            }
        return ODD[place % len(ODD)] if counts and isinstance(value, int) else value

    for frame in frames:
        yield frame._replace(data=change(frame.data, counts=False))


def input_tokens_in_message_delta(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Repeat the input's counts in the last event that has counts, as newer servers of Anthropic's protocol do.

    Source: recordings of Anthropic (pydantic-ai, test_pause_turn_web_search_streaming_vcr), 2026.
    """
    counts: dict[str, Any] = {}
    for frame in frames:
        if frame.name == "message_start":
            counts = {name: n for name, n in frame.data["message"]["usage"].items() if name != "output_tokens"}
        if frame.name == "message_delta":
            frame.data["usage"] = counts | frame.data["usage"]
        yield frame


# By the name of the quirk, and by the name of the protocol.
COUNT_QUIRKS: Mapping[str, Mapping[str, Quirk]] = {
    "reasoning_counted_beside": {"chat": counting(reasoning_beside)},
    "reasoning_counted_in_total": {"chat": counting(reasoning_in_total)},
    "reasoning_counted_above": {"chat": counting(reasoning_above)},
    "cached_as_hit_and_miss": {"chat": counting(cached_as("prompt_cache_hit_tokens", "prompt_cache_miss_tokens"))},
    "cached_as_number": {"chat": counting(cached_as("num_cached_tokens"))},
    "cached_flat": {"chat": counting(cached_as("cached_tokens"))},
    "counts_named_otherwise": {"chat": counting(named_otherwise)},
    "counts_in_timings": {"chat": timings},
    "counts_in_choice": {"chat": in_choice},
    "counts_before_finish": {"gemini": gemini_counts(later=False)},
    "counts_zero_later": {
        "chat": chat_zeros_later,
        "anthropic": anthropic_zeros(later=True),
        "gemini": gemini_counts(later=True),
    },
    "counts_zero_first": {"anthropic": anthropic_zeros(later=False)},
    "counts_of_each_hop": {"gemini": hops},
    "input_tokens_in_message_delta": {"anthropic": input_tokens_in_message_delta},
    "counts_odd": dict.fromkeys(("chat", "responses", "anthropic", "gemini", "ollama", "cohere"), odd),
}
