"""The limiter, which is told all times: rates, pauses, and how many calls are allowed."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import g4flite
from g4flite.apps.batch.limits import FEW, LONGEST, MOST, Limiter, spent
from tests.rows import rows


def begun(limiter: Limiter, now: float, tokens: int = 0) -> int:
    """Begin as many calls as may begin now, at most 1000, and return their number."""
    number = 0
    while number < 1000 and not limiter.begin(now, tokens):
        number += 1
    return number


def test_no_more_calls_are_under_way_than_allowed() -> None:
    limiter = Limiter(3)
    assert begun(limiter, 0) == 3
    assert limiter.begin(0, 0) == math.inf
    limiter.answered(1.0)
    limiter.failed()
    assert begun(limiter, 0) == 2


@given(
    st.floats(1, 10_000),
    st.lists(st.floats(0, 30), min_size=1, max_size=200),
)
def test_no_minute_has_more_requests_than_the_limit(rpm: float, gaps: list[float]) -> None:
    limiter, now, times = Limiter(10**6, rpm=rpm), 1000.0, list[float]()
    for gap in gaps:
        now += limiter.begin(now, 0) if not times else gap
        while (wait := limiter.begin(now, 0)) > 0:
            now += wait
        times.append(now)
    for number, start in enumerate(times):
        assert sum(start <= time < start + 60 for time in times[number:]) <= max(1, math.ceil(rpm))


def test_who_waits_as_long_as_it_says_uses_nearly_the_whole_rate() -> None:
    limiter, now = Limiter(10**6, rpm=600), 0.0
    for _ in range(600):
        # Each call is late by a bit.
        while (wait := limiter.begin(now, 0)) > 0:
            now += wait + 0.001
    assert now == pytest.approx(60, rel=0.05)


def test_tokens_are_estimated_before_and_corrected_behind() -> None:
    limiter = Limiter(100, tpm=61_000)
    # Before: a second's worth, 1000 tokens.
    assert begun(limiter, 0, 500) == 3
    wait = limiter.begin(0, 500)
    assert wait == pytest.approx(0.5)
    limiter.settle(500, 100)
    assert limiter.begin(0, 500) == pytest.approx(0.1)
    limiter.settle(100, 2100)
    assert limiter.begin(0, 500) == pytest.approx(2.1)


def test_limits_may_be_as_large_or_small_as_numbers_are() -> None:
    for limit in (10**400, math.inf):
        limiter = Limiter(10**400, rpm=limit, tpm=limit)
        assert begun(limiter, 0, 10**6) == 1000
    limiter = Limiter(9, rpm=1e-9, tpm=1e-9)
    assert begun(limiter, 0, 9) == 1
    assert limiter.begin(0, 9) > 1e11


def test_one_refusal_halves_the_calls_and_those_begun_before_do_not_again() -> None:
    limiter = Limiter(16)
    assert begun(limiter, 0) == 16
    for _ in range(16):
        limiter.refused(1.0, 0.0, 2.5)
    assert (limiter.allowed, limiter.under_way) == (8, 0)
    # All of them wait for as long as the service has asked.
    assert limiter.begin(1.0, 0) == 2.5
    assert begun(limiter, 3.5) == 8
    limiter.refused(4.0, 3.5, 0.0)
    assert limiter.allowed == 4


def test_a_refusal_counts_the_calls_under_way_not_those_allowed() -> None:
    limiter = Limiter(100)
    for _ in range(10):
        limiter.begin(0, 0)
    limiter.refused(1, 0, 1.0)
    assert limiter.allowed == 5


def test_answers_allow_more_calls_again() -> None:
    limiter = Limiter(8)
    begun(limiter, 0)
    limiter.refused(0, 0, 0.0)
    assert limiter.allowed == 4
    for _ in range(200):
        begun(limiter, 1)
        limiter.answered(0.1)
    assert limiter.allowed == 8


def test_pauses_without_a_hint_double_up_to_a_limit_and_begin_anew_after_an_answer() -> None:
    limiter, now, pauses = Limiter(1, chance=lambda: 1.0), 0.0, list[float]()
    for _ in range(9):
        now += limiter.begin(now, 0) or 0.0
        limiter.begin(now, 0)
        limiter.refused(now, now, None)
        limiter.under_way = 0
        pauses.append(limiter.begin(now, 0))
    assert pauses == [1, 2, 4, 8, 16, 32, LONGEST, LONGEST, LONGEST]
    limiter.begin(now + 100, 0)
    limiter.answered(0.1)
    limiter.begin(now + 101, 0)
    limiter.refused(now + 101, now + 101, None)
    assert limiter.begin(now + 101, 0) == 1
    # The half at least, and the rest by chance.
    limiter = Limiter(1, chance=lambda: 0.0)
    limiter.begin(0, 0)
    limiter.refused(0, 0, None)
    assert limiter.begin(0, 0) == 0.5


@rows("hint", [0.0, 0.02])
def test_a_hint_that_is_too_short_is_trusted_three_times(hint: float) -> None:
    limiter, now = Limiter(1, chance=lambda: 1.0), 0.0

    def refused(asked: float) -> float:
        nonlocal now
        now += 100
        assert limiter.begin(now, 0) == 0
        limiter.refused(now, now, asked)
        return round(limiter.due[0] - now, 9)

    pauses = [refused(hint) for _ in range(11)]
    assert pauses == [hint, hint, hint, 1, 2, 4, 8, 16, 32, LONGEST, LONGEST]
    # A longer one is kept to, and after an answer all begins anew.
    assert refused(90.0) == 90
    limiter.begin(now + 100, 0)
    limiter.answered(0.1)
    assert refused(hint) == hint


def answers(limiter: Limiter, first: float, rounds: int) -> None:
    for _ in range(rounds):
        for _ in range(begun(limiter, 0)):
            limiter.answered(first)


def test_auto_doubles_each_round_until_it_is_refused_and_grows_by_one_from_there() -> None:
    limiter = Limiter("auto")
    assert (limiter.allowed, limiter.most) == (FEW, MOST)
    answers(limiter, 0.2, 1)
    assert limiter.allowed == 2 * FEW
    answers(limiter, 0.2, 20)
    assert limiter.allowed == MOST
    limiter.begin(5, 0)
    limiter.under_way = MOST
    limiter.refused(6, 5, 0.0)
    assert limiter.allowed == MOST / 2
    limiter.under_way = 0
    before = limiter.allowed
    begun(limiter, 7)
    for _ in range(int(before)):
        limiter.answered(0.2)
    assert limiter.allowed == pytest.approx(before + 1, abs=0.1)


@rows(("capacity", "least", "most"), [(20, 30, 70), (60, 90, 210)])
def test_auto_settles_where_answers_begin_to_wait_for_each_other(capacity: int, least: int, most: int) -> None:
    # A service that answers so many calls at a time: the others wait in line.
    limiter = Limiter("auto")
    for _ in range(200):
        under_way = begun(limiter, 0)
        for _ in range(under_way):
            limiter.answered(0.2 * max(1.0, under_way / capacity))
    assert least <= limiter.allowed <= most


@rows(
    ("settings", "message"),
    [
        ({"concurrency": 0}, "concurrency= must be a whole number from 1 up, or 'auto', not 0"),
        ({"concurrency": True}, "concurrency"),
        ({"concurrency": "many"}, "concurrency"),
        ({"rpm": 0}, "rpm= must be a number above 0, not 0"),
        ({"tpm": math.nan}, "tpm= must be a number above 0"),
        ({"tpm": "1"}, "tpm= must be a number above 0"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(g4flite.OptionError, match=message):
        Limiter(**settings)


@rows(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 360),
        ({"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "6m0s"}, 0),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "120ms"}, 0.12),
        (
            {
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "1970-01-01T00:00:09Z",
            },
            9,
        ),
        # These come with each answer.
        ({"retry-after": "39", "x-ratelimit-reset-tokens": "1s"}, 0),
        ({"ratelimit": '"api";r=999;t=295'}, 0),
        ({"ratelimit": '"api";r=0;t=295'}, 295),
        ({"ratelimit": "limit=10, remaining=0, reset=30"}, 30),
        ({"ratelimit": "limit=10, remaining=10, reset=30"}, 0),
        ({"x-ratelimit-remaining-tokens": "0"}, 0),
    ],
)
def test_the_headers_of_an_answer_say_that_nothing_is_left(headers: dict[str, str], seconds: float) -> None:
    assert spent(headers, 0) == seconds
