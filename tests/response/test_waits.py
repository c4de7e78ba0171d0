"""How long a service asks its clients to wait: each form with its source, and which of several counts."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from g4flite import ProviderError, RateLimitError, Retry, StatusError
from g4flite._core.response.service_errors import reported, status_error
from g4flite._core.response.waits import asked_by_fields, asked_in_words, seconds_of, until_reset
from tests.rows import rows

# Tue, 14 Nov 2023 22:13:20 GMT
NOW = 1_700_000_000_000
RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "57.238747106s"}


def refused(status: int, body: Any = "", **headers: str) -> StatusError:
    text = body if isinstance(body, str) else json.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status_error(status, named, text, rules=(), key_variables=(), now_ms=NOW)


@rows(
    ("text", "seconds"),
    [
        # D:community.openai.com 1268905, console.groq.com/docs/rate-limits
        ("12ms", 0.012), ("1s", 1), ("6m0s", 360), ("2m59.56s", 179.56), ("7.66s", 7.66), ("23h59m", 86340),
        ("1d2h", 93600), ("300us", 3e-4), ("300µs", 3e-4), ("20 seconds", 20), ("1 minute and 5 secs", 65),
        ("120 milliseconds", 0.12), ("2 hrs", 7200), ("1 day", 86400), ("17", 17), (" 1.5 ", 1.5), ("3.", 3),
        ("1.5.5", None), ("-1", None), ("1,5", None), ("5 messages", None), ("", None), ("soon", None),
        ("9" * 400, None),
    ],
)  # fmt: skip
def test_a_number_or_a_duration_is_seconds(text: str, seconds: float | None) -> None:
    assert seconds_of(text) == (None if seconds is None else pytest.approx(seconds))


@rows(
    ("message", "seconds"),
    [
        # OpenAI, Groq (Aider-AI/aider#3265), Gemini (googleapis/python-genai#1875), Azure
        ("Rate limit reached. Please try again in 1.2s. Visit https://x.test", 1.2),
        ("Limit 6000, Used 5900, Requested 629. Please try again in 5.289s.", 5.289),
        ("You exceeded your current quota. Please retry in 2.2s.", 2.2),
        ("Please try again in 1m30s.", 90),
        ("try again in 200ms", 0.2),
        ("on requests per day (RPD): Limit 200. Please try again in 7m12s.", 432),
        ("Please retry after 6 seconds.", 6),
        ("Please retry your request after 30 seconds", 30),
        ("Wait 1 minute and 5 seconds before the next call", 65),
        ("Too many requests: come back in 10 s", 10),
        ("Rate limit resets in 1h2m", 3720),
        ("limited to 20 requests in 60 seconds", None),
        ("timed out after 30 s", None),
        ("the wait time 600 s is over", None),
        ("Please try again later. The limit is 10 s", None),
        ("try again with 20 messages", None),
        ("", None),
    ],
)
def test_a_sentence_that_asks_for_a_wait_says_its_seconds(message: str, seconds: float | None) -> None:
    assert asked_in_words(message) == seconds
    assert refused(429, {"error": {"message": message}}).retry_after == seconds
    assert refused(429, message).retry_after == seconds
    inside = reported({"error": {"message": message, "code": 429}})
    assert isinstance(inside, RateLimitError)
    assert inside.retry_after == seconds


@rows(
    ("error", "seconds"),
    [
        ({"details": [{"x": 1}, RETRY_INFO]}, 57.238747106),
        ({"details": [{"retryDelay": {"seconds": "34", "nanos": 500_000_000}}]}, 34.5),
        ({"details": [{"retryDelay": {"seconds": 34}}]}, 34),
        ({"details": [{"retryDelay": {"nanos": 34}}]}, None),
        ({"retry_after": 2.5}, 2.5),
        ({"retry_after": "2.5"}, 2.5),
        ({"retry_after": "2.5s"}, 2.5),
        ({"retryAfter": 3}, 3),
        ({"retry-after-ms": 250}, 0.25),
        ({"retry_after_ms": "250ms"}, 0.25),
        ({"metadata": {"retry_after_seconds": 4}}, 4),
        ({"metadata": {"headers": {"Retry-After": "5"}}}, 5),
        ({"retry_after": True}, None),
        ({"retry_after": -1}, None),
        ({"retry_after": 10**400}, None),
        ({"retry_after": float("nan")}, None),
        ({"retry_after": None}, None),
        ({"r" * 50: 1}, None),
    ],
)
def test_a_field_of_the_body_says_the_seconds(error: Any, seconds: float | None) -> None:
    assert refused(429, {"error": {"message": "slow down", **error}}).retry_after == seconds
    inside = reported({"error": {"message": "slow down", "code": 429, **error}})
    assert isinstance(inside, RateLimitError)
    assert inside.retry_after == seconds


def test_a_field_beside_the_error_counts_too() -> None:
    assert refused(429, {"error": "slow down", "retry_after": 7}).retry_after == 7
    assert asked_by_fields([]) is None


WORDS = {"error": {"message": "Please try again in 40s."}}


@rows(
    ("headers", "body", "seconds"),
    [
        # The order of the table in `waits`.
        ({"retry_after": "Tue, 14 Nov 2023 22:13:00 GMT", "retry_after_ms": "900"}, WORDS, 0),
        ({"retry_after": "2", "retry_after_ms": "900"}, WORDS, 0.9),
        ({"retry_after": "2", "x_ms_retry_after_ms": "1900"}, WORDS, 1.9),
        ({"retry_after": "Tue, 14 Nov 2023 22:13:50 GMT", "x_ms_retry_after_ms": "soon"}, WORDS, 30),
        ({"retry_after": "2", "x_ratelimit_reset_tokens": "6m0s"}, WORDS, 2),
        ({"retry_after": "2, 2"}, WORDS, 2),
        ({"retry_after": "1m30s"}, WORDS, 90),
        ({"x_ratelimit_reset_tokens": "6m0s"}, WORDS, 40),
        ({}, {"error": {**WORDS["error"], "details": [RETRY_INFO]}}, 57.238747106),
        ({"x_ratelimit_reset_tokens": "6m0s"}, "", 360),
        ({}, "", None),
    ],
)
def test_of_several_waits_the_first_of_the_table_counts(headers: dict[str, str], body: Any, seconds: Any) -> None:
    assert refused(429, body, **headers).retry_after == seconds


@rows(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 360),
        ({"x-ratelimit-remaining-requests": "7", "x-ratelimit-reset-requests": "6m0s"}, None),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "12ms",
          "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1s"}, 1),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1700000007000"}, 7),
        ({"X-RateLimit-Reset": "1700000008"}, 8),
        ({"x-rate-limit-reset": "9"}, 9),
        ({"X-RateLimit-Reset": "1600000000"}, 0),
        ({"X-RateLimit-Reset": "soon"}, None),
        ({"anthropic-ratelimit-tokens-remaining": "0", "anthropic-ratelimit-tokens-reset": "2023-11-14T22:13:30Z"}, 10),
        ({"anthropic-ratelimit-tokens-remaining": "0",
          "anthropic-ratelimit-tokens-reset": "2023-11-15T00:13:31.123456+02:00"}, 11),
        ({"anthropic-ratelimit-tokens-remaining": "9",
          "anthropic-ratelimit-tokens-reset": "2023-11-14T22:13:30Z"}, None),
        ({"anthropic-ratelimit-tokens-reset": "2023-99-14T22:13:30Z"}, None),
        ({"ratelimit": '"api";r=0;t=295'}, 295),
        ({"ratelimit": '"api";r=999;t=295'}, None),
        ({"ratelimit": '"a";r=0;t=5, "b";r=9;t=300'}, 5),
        ({"ratelimit": '"api";t=295'}, 295),
        ({"ratelimit": '"api"'}, None),
        ({"ratelimit": "limit=10, remaining=0, reset=30"}, 30),
        ({"ratelimit": "limit=10, remaining=1, reset=30"}, None),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "30"}, 30),
        ({"x-ratelimit-limit-requests": "0", "date": "x"}, None),
    ],
)  # fmt: skip
def test_a_quota_of_which_nothing_remains_says_when_it_is_full_again(headers: dict[str, str], seconds: Any) -> None:
    class Headers(dict[str, str]):
        def get(self, name: str, default: Any = None) -> Any:
            return next((value for own, value in self.items() if own.lower() == name.lower()), default)

    assert until_reset(Headers(headers), NOW) == seconds
    for status, asked in ((429, seconds), (500, None)):
        error = status_error(status, Headers(headers), "", rules=(), key_variables=(), now_ms=NOW)
        assert error.retry_after == asked


def test_an_error_of_no_class_inside_a_reply_is_waited_for_as_long_as_it_asks() -> None:
    error = reported({"error": {"message": "Internal server error, try again in 3s", "type": "server_error"}})
    assert isinstance(error, ProviderError)
    assert (error.passing, error.retry_after) == (True, 3)
    assert Retry().wait(1, error, lambda: 1.0) == 3


@given(st.text(alphabet="0123456789.smhd retyagin,and-", max_size=200))
def test_any_text_is_read_in_time(text: str) -> None:
    for read in (asked_in_words, seconds_of):
        found = read(text)
        assert found is None or 0 <= found < 1e18


def test_a_long_text_of_numbers_is_read_in_time() -> None:
    assert refused(429, "retry " + "1s " * 700).retry_after == 681
    assert refused(429, "retry " + "1" * 100_000).retry_after is None
