"""Counts of tokens: makes a `Usage`, which means the same for every service, of what a service counts.

counts = merged({"prompt_tokens": 9}, {"prompt_tokens": 0, "completion_tokens": 5})    # the prompt is still 9
usage_of(counts, "prompt_tokens", "completion_tokens", total="total_tokens")           # Usage(9, 5, total_tokens=14)

Counts are no part of the answer, so nothing here raises: a count of another type, or that is negative, infinite or NaN,
is unknown.
"""

from collections.abc import Mapping
from typing import Any, Final

from ..events import Usage
from ..numbers import dumps

# No count is larger.  A number beyond is an error of the service's, and might not fit where the caller writes it.
MOST: Final = 2**53
# How many fields an object of counts may have, and how many characters a name or a value that is no count.  The first
# object of a reply may have more: it is bounded as a frame.
MOST_NAMES: Final = 64
LONGEST: Final = 1024
# What Chat Completions calls the tokens of the prompt and of the answer, and what Responses and Anthropic call them.
# Servers of one protocol use the names of the other (mlx-vlm: earendil-works/pi#2326, openclaw/openclaw#49316, 2026).
PROMPT: Final = ("prompt_tokens", "input_tokens")
ANSWER: Final = ("completion_tokens", "output_tokens")
# Where services say how many tokens of the prompt came from their cache, and how many they wrote there.  In order:
# OpenAI and most others, Responses, Anthropic, DeepSeek, Mistral, Together and Hugging Face, Gemini.
CACHED: Final = (
    "prompt_tokens_details.cached_tokens", "input_tokens_details.cached_tokens", "cache_read_input_tokens",
    "prompt_cache_hit_tokens", "num_cached_tokens", "cached_tokens", "cachedContentTokenCount",
)  # fmt: skip
CACHE_WRITE: Final = (
    "prompt_tokens_details.cache_write_tokens", "input_tokens_details.cache_write_tokens",
    "cache_creation_input_tokens",
)  # fmt: skip
# Where they say how many tokens the reasoning had.
REASONING: Final = (
    "completion_tokens_details.reasoning_tokens", "output_tokens_details.reasoning_tokens",
    "output_tokens_details.thinking_tokens", "thoughtsTokenCount", "reasoning_tokens",
)  # fmt: skip


def count_or_none(value: object) -> int | None:
    """Return a count of tokens as an int, or None if the value is no such count."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # False for NaN, too.
    return int(value) if 0 <= value < MOST else None


def merged(old: Mapping[str, Any], new: object) -> dict[str, Any]:
    """Return the counts of two objects of one reply; `new` came later, and may be anything.

    A count that is zero, missing or unknown replaces no count that came before.  What a later object adds is bounded by
    `MOST_NAMES` and `LONGEST`, because services may send an object with each frame: the rest is left out.
    """
    return _merged(old, new, inner=False, later=bool(old))


def _merged(old: Mapping[str, Any], new: object, *, inner: bool, later: bool) -> dict[str, Any]:
    """Return the counts of two objects, the `later` one bounded.  An `inner` object is merged no deeper."""
    result = dict(old)
    for name, value in new.items() if isinstance(new, dict) else ():
        known = result.get(name)
        if count_or_none(known) and not count_or_none(value):
            continue
        if later and name not in result and (len(result) >= MOST_NAMES or len(name) > LONGEST):
            continue
        if isinstance(value, dict) and not inner:
            result[name] = _merged(known if isinstance(known, dict) else {}, value, inner=True, later=later)
        elif later and not isinstance(value, int | float) and not _is_short(value):
            continue
        elif value is not None and (inner or not isinstance(known, dict)):
            result[name] = value
    return result


def _is_short(value: object) -> bool:
    """Return whether a value of JSON has at most `LONGEST` characters."""
    try:
        return len(dumps(value)) <= LONGEST
    # Writing takes more stack than reading did.
    except RecursionError:
        return False


def found(counts: Mapping[str, Any], *paths: str) -> int | None:
    """Return the first count at these paths that is not zero, else zero if there is one, else None.

    A path is the name of a count, or with a point that of an object and that of a count in it.
    """
    zero = None
    for path in paths:
        outer, _, inner = path.partition(".")
        # Most of the names are those of other services.
        if (value := counts.get(outer)) is not None:
            if inner:
                value = value.get(inner) if isinstance(value, dict) else None
            if count := count_or_none(value):
                return count
            zero = zero if count is None else 0
    return zero


def usage_of(
    counts: Mapping[str, Any], prompt: int | None, answer: int | None, *, total: int | None = None
) -> Usage | None:
    """Return the counts of a reply in one meaning; None if there are none.

    `prompt`, `answer` and `total` are as the service has counted them.  Where these do not add up, the service counts
    something beside them, and the total tells what: the reasoning (xAI: sub2api#5771, vercel/ai#12425), tokens of the
    cache, or a reasoning that it does not name (Gemini's OpenAI path).  Without a total, nothing stands beside them.
    A reasoning that is counted larger than the answer that holds it (11 of 10, recorded of OpenRouter) is the answer.
    """
    if not counts:
        return None
    cached, written = found(counts, *CACHED), found(counts, *CACHE_WRITE)
    thought = found(counts, *REASONING)
    if prompt is not None and answer is not None:
        beside = (total or 0) - prompt - answer
        if beside > 0 and beside != thought and beside in (cached, written, (cached or 0) + (written or 0)):
            prompt += beside
        elif beside > 0 and (beside == thought or not thought or thought > answer):
            answer += beside
        total = max(total or 0, prompt + answer)
    if thought is not None and answer is not None:
        thought = min(thought, answer)
    return Usage(prompt, answer, thought, total, cached, written, raw=counts)
