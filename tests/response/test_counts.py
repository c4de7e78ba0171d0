"""`Usage` means the same for every service, whatever the service counts beside its totals, and wherever it says so."""

from typing import Any

import pytest

from g4flite import Usage
from g4flite._core.response.counts import count_or_none, found, merged, usage_of
from g4flite.testing import Emulator, Script
from tests.conftest import Driver
from tests.providers.frames import DONE, STOP, read, said, sse

ODD = [None, True, "9", "n/a", -1, float("nan"), float("inf"), 10**400, 2**53, [], {}]


@pytest.mark.parametrize("value", ODD)
def test_what_is_no_count_is_unknown(value: Any) -> None:
    assert count_or_none(value) is None


@pytest.mark.parametrize(("value", "count"), [(0, 0), (3, 3), (3.0, 3), (2**53 - 1, 2**53 - 1)])
def test_a_count(value: float, count: int) -> None:
    assert count_or_none(value) == count


@pytest.mark.parametrize("later", [*ODD, 0])
def test_a_later_count_that_is_zero_or_unknown_replaces_none(later: Any) -> None:
    assert count_or_none(merged({"a": 5}, {"a": later})["a"]) == 5
    assert merged({"a": {"b": 5}}, {"a": {"b": later}}) == {"a": {"b": 5}}
    assert merged({"a": {"b": 5}}, {"a": later}) == {"a": {"b": 5}}
    assert merged({"a": 5}, later) == {"a": 5}


def test_a_later_count_replaces_a_zero_and_an_earlier_count() -> None:
    first = {"a": 0, "b": 5, "c": {"d": 0}, "e": None}
    assert merged(first, {"a": 7, "b": 6, "c": {"d": 1}, "e": 2}) == {"a": 7, "b": 6, "c": {"d": 1}, "e": 2}
    assert first == {"a": 0, "b": 5, "c": {"d": 0}, "e": None}


def test_the_first_count_that_is_not_zero_is_found() -> None:
    counts = {"a": 0, "b": {"c": 3}, "d": "x"}
    assert (found(counts, "a", "b.c"), found(counts, "a", "d"), found(counts, "d", "b.x", "a.b")) == (3, 0, None)


ROWS: list[tuple[Any, int | None, int | None, int | None, tuple[Any, ...]]] = [
    # OpenAI and most others: everything is inside.
    ({"completion_tokens_details": {"reasoning_tokens": 3}}, 9, 5, 14, (9, 5, 3, 14)),
    # xAI: reasoning on top (sub2api#5771).
    ({"completion_tokens_details": {"reasoning_tokens": 2809}}, 10120, 1499, 14428, (10120, 4308, 2809, 14428)),
    # Gemini's OpenAI path: the thoughts are in the total alone (pydantic-ai's recording).
    ({"a": 1}, 35, 12, 109, (35, 74, None, 109)),
    ({"reasoning_tokens": 0}, 35, 12, 109, (35, 74, 0, 109)),
    # OpenRouter: a reasoning that is larger than the answer that holds it (pydantic-ai's recording).
    ({"completion_tokens_details": {"reasoning_tokens": 11}}, 5, 10, 15, (5, 10, 10, 15)),
    # ... and without a total, also Anthropic's: the reasoning is inside.
    ({"completion_tokens_details": {"reasoning_tokens": 11}}, 5, 10, None, (5, 10, 10, 15)),
    ({"output_tokens_details": {"thinking_tokens": 12}}, 5, 9, None, (5, 9, 9, 14)),
    # Tokens of the cache beside the prompt, as a relay of Anthropic may count them.
    ({"cached_tokens": 90}, 10, 5, 105, (100, 5, None, 105)),
    ({"cache_read_input_tokens": 90, "cache_creation_input_tokens": 2}, 10, 5, 107, (102, 5, None, 107)),
    # Nothing says what the rest is.
    ({"reasoning_tokens": 2}, 10, 5, 20, (10, 5, 2, 20)),
    ({"a": 1}, 10, 5, None, (10, 5, None, 15)),
    ({"a": 1}, 10, 5, 3, (10, 5, None, 15)),
    ({"a": 1}, 10, None, 30, (10, None, None, 30)),
    ({"a": 1}, None, 5, None, (None, 5, None, None)),
]


@pytest.mark.parametrize(("counts", "prompt", "answer", "total", "expected"), ROWS)
def test_counts_add_up(counts: Any, prompt: Any, answer: Any, total: Any, expected: tuple[Any, ...]) -> None:
    usage = usage_of(counts, prompt, answer, total=total)
    assert usage is not None
    assert usage[:4] == expected
    assert usage.raw == counts


def test_no_counts_are_no_usage() -> None:
    assert usage_of({}, None, None) is None


CACHED = [
    {"prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2}},
    {"input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2}},
    {"cache_read_input_tokens": 4, "cache_creation_input_tokens": 2},
    {"prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 5, "cache_creation_input_tokens": 2},
    {"num_cached_tokens": 4, "prompt_tokens_details": {"cache_write_tokens": 2}},
    {"cached_tokens": 4, "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 2}},
    {"cachedContentTokenCount": 4, "cache_creation_input_tokens": 2},
]


@pytest.mark.parametrize("counts", CACHED)
def test_the_tokens_of_the_cache_are_found_where_services_say_them(counts: Any) -> None:
    assert usage_of(counts, 9, 5) == Usage(9, 5, None, 14, 4, 2, raw=counts)


NAMES = {"openai": ("prompt", "completion"), "openai-responses": ("input", "output"), "anthropic": ("input", "output")}


@pytest.mark.parametrize("name", NAMES)
def test_the_names_of_another_protocol_are_known_in_each(name: str) -> None:
    for prompt, answer in ("prompt", "completion"), ("input", "output"):
        usage = {f"{prompt}_tokens": 9, f"{answer}_tokens": 5}
        # Relays send the other names with zeros.
        for zeros in {}, {f"{half}_tokens": 0 for half in NAMES[name] if half not in (prompt, answer)}:
            counts = {**usage, **zeros}
            frames: dict[str, list[Any]] = {
                "openai": [said("a"), STOP, {"choices": [], "usage": counts}, DONE],
                "openai-responses": [{"type": "response.completed", "response": {"usage": counts}}],
                "anthropic": [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": counts}],
            }
            found = [item[:4] for item in read(name, sse(*frames[name])) if isinstance(item, Usage)]
            assert found == [(9, 5, None, 14)], counts


def counted(driver: Driver, server: Emulator, *usages: object) -> Usage | None:
    """Return the counts of a reply of Chat whose last chunks have these values as their `usage`."""
    last = [{"choices": [], "usage": usage} for usage in usages]
    server.script = Script(body=sse(said("a"), STOP, *last, DONE), headers={"content-type": "text/event-stream"})
    assert driver.collect("openai", "Hi", model="m", base_url=server.url, api_key="sk-test-1") == ["a"]
    return driver.stream.usage


def test_counts_mean_the_same_in_each_driver(driver: Driver, server: Emulator) -> None:
    for counts, prompt, answer, total, expected in ROWS:
        usage = {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": total, **counts}
        assert (counted(driver, server, usage) or Usage())[:4] == expected, counts
    for counts in CACHED:
        found = counted(driver, server, {"prompt_tokens": 9, "completion_tokens": 5, **counts})
        assert (found or Usage())[:6] == (9, 5, None, 14, 4, 2), counts
    for later in (*ODD, 0):
        found = counted(driver, server, {"prompt_tokens": 9}, {"prompt_tokens": later, "completion_tokens": 5})
        assert (found or Usage())[:4] == (9, 5, None, 14), later
