"""The job decides: what follows an error, and when no more rows are asked."""

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

import g4flite
from g4flite import (
    AuthenticationError,
    ConnectError,
    EmptyReplyError,
    FirstTokenTimeoutError,
    G4fliteError,
    MalformedReplyError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    RateLimitError,
    Retry,
    StatusError,
    TransportError,
    TruncatedStreamError,
    Usage,
)
from g4flite.apps.batch.job import ANSWER, REFUSALS, Job, Trial
from g4flite.apps.batch.limits import Limiter
from g4flite.apps.batch.rows import row_of
from tests.rows import rows


class Time:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def job_of(concurrency: int = 100, **settings: Any) -> Job:
    limiter = Limiter(concurrency, chance=lambda: 1.0)
    return Job(limiter, Retry(times=2, base=1, cap=4), clock=Time(), chance=lambda: 0.5, **settings)


def begun(job: Job) -> Trial:
    trial = job.trial(row_of({"id": "a", "prompt": "Hi"}))
    assert job.begin(trial) == 0
    return trial


def answer(job: Job, trial: Trial, usage: Usage | None = None, **headers: str) -> None:
    """End an attempt with an answer."""
    call = SimpleNamespace(messages=[{"content": "Hi"}])
    run = SimpleNamespace(call=call, state="complete", start=g4flite.Start(), finish=None, url=None)
    stream = SimpleNamespace(
        usage=usage, headers=headers, partial="Hello", reasoning="", finish_reason="stop", tool_calls=(),
        provider="p", model="m", attempts=(), _run=run,
    )  # fmt: skip
    assert job.end(trial, stream, None) is None


@rows(
    "error",
    [
        StatusError(status=500),
        TruncatedStreamError(),
        TransportError(),
        FirstTokenTimeoutError(),
        EmptyReplyError(),
    ],
)
def test_what_may_pass_is_asked_again_also_behind_the_first_text(error: G4fliteError) -> None:
    job = job_of()
    trial = begun(job)
    waits = list[float | None]()
    for _ in range(3):
        waits.append(job.end(trial, None, error))
        job.begin(trial)
    assert waits == [0.5, 1.0, None]
    assert (job.failed, job.answered) == (1, 0)
    assert trial.result is not None
    assert (trial.result["error"]["class"], trial.result["attempts"]) == (type(error).__name__, 3)


@rows(
    "error", [MalformedReplyError("m", partial="so far"), ValueError("m"), PermissionDeniedError("m", partial="so far")]
)
def test_what_does_not_pass_fails_the_row(error: Exception) -> None:
    job = job_of()
    answer(job, begun(job))
    trial = begun(job)
    assert job.end(trial, None, error) is None
    partial = "" if isinstance(error, ValueError) else "so far"
    assert trial.result == {
        "id": "a", "prompt": "Hi", "error": {"class": type(error).__name__, "message": "m", "partial": partial},
        "attempts": 1, "seconds": 0.0,
    }  # fmt: skip
    assert not job.over
    assert job.limiter.under_way == 0


@rows(
    "error",
    [
        RateLimitError(status=429),
        OverloadedError(status=529),
        StatusError(status=503, retry_after=1.0),
        ConnectError(),
    ],
)
def test_a_refusal_slows_all_rows_down_and_costs_no_retry(error: G4fliteError) -> None:
    job = job_of()
    answer(job, begun(job))
    trial = begun(job)
    for _ in range(REFUSALS - 1):
        assert job.end(trial, None, error) == 0.0
        job.clock.now += 61  # type: ignore[attr-defined]
        assert job.begin(trial) == 0.0
    assert job.limiter.allowed == 1
    assert job.end(trial, None, error) is None
    assert (trial.attempts, job.failed) == (REFUSALS, 1)


@rows(
    ("error", "answered"),
    [
        (AuthenticationError(status=401), True),
        (RateLimitError(status=429, should_retry=False), True),
        (RateLimitError(status=429, retry_after=7200.0), True),
        (NotFoundError(status=404), False),
        (PermissionDeniedError(status=403), False),
    ],
)
def test_what_every_row_would_meet_ends_the_job_and_fails_no_row(error: G4fliteError, answered: bool) -> None:
    job = job_of()
    if answered:
        answer(job, begun(job))
    trial, other = begun(job), begun(job)
    assert job.end(trial, None, error) is None
    assert (job.error, job.over, job.stopped, trial.result, job.failed) == (error, True, None, None, 0)
    # Those under way that fail now could be answered later; those that are answered are.
    assert job.end(other, None, StatusError(status=500)) is None
    assert (other.result, job.error) == (None, error)


def test_no_connection_before_any_answer_ends_the_job_after_the_retries() -> None:
    job = job_of()
    trial, error = begun(job), ConnectError()
    for wait in (0.5, 1.0, None):
        assert job.end(trial, None, error) == wait
        assert job.over == (wait is None)
        job.limiter.begin(0, 0)
    assert job.error is error


def test_the_tokens_of_an_answer_are_estimated_by_those_before() -> None:
    job = job_of()
    assert job.trial(row_of({"prompt": "Hi"})).tokens == 1 + ANSWER
    assert job.trial(row_of({"prompt": "Hi", "options": {"max_tokens": 9}})).tokens == 1 + 9
    assert job_of(max_tokens=7).trial(row_of({"prompt": "Hi"})).tokens == 1 + 7
    assert job_of(max_tokens=7, system="eight by").trial(row_of({"prompt": "Hi"})).tokens == 3 + 7
    answer(job, begun(job), Usage(5, 20))
    answer(job, begun(job), Usage(None, 40))
    answer(job, begun(job))
    assert job.trial(row_of({"prompt": "Hi"})).tokens == 1 + 30


def test_an_answer_that_says_that_nothing_is_left_pauses_all_rows() -> None:
    job = job_of()
    # A quota of a day is refused by the next call, in the service's own words, rather than waited for without a word.
    answer(job, begun(job), **{"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "23h9m"})
    answer(job, begun(job), **{"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "9s"})
    assert job.begin(job.trial(row_of({"prompt": "Hi"}))) == 9


def test_a_deadline_ends_waits_and_rows_that_wait_for_their_next_attempt() -> None:
    job = job_of(1, deadline=10)
    trial = begun(job)
    other = job.trial(row_of({"prompt": "Hi"}))
    assert job.begin(other) == 10
    # A wait ends with it.
    job.clock.now = 109.75  # type: ignore[attr-defined]
    assert job.end(trial, None, StatusError(status=500)) == 0.25
    assert job.begin(trial) == 0
    job.clock.now = 110  # type: ignore[attr-defined]
    assert job.begin(other) == 0.001
    assert (job.over, job.stopped) == (True, "deadline")
    assert job.end(trial, None, StatusError(status=500)) is None
    assert (trial.result, job.failed) == (None, 0)


def may_begin(job: Job) -> Trial | None:
    trial = job.trial(row_of({"id": "a", "prompt": "Hi"}))
    return None if job.begin(trial) else trial


def asked(job: Job, at_a_time: int, usage: Usage) -> int:
    """Answer rows until the job is over, and return how many were asked."""
    number, under_way = 0, list[Trial]()
    while not job.over:
        if trial := may_begin(job):
            under_way.append(trial)
            number += 1
        if trial is None or len(under_way) == at_a_time:
            answer(job, under_way.pop(0), usage)
    for trial in under_way:
        answer(job, trial, usage)
    return number


@rows("at_a_time", [1, 7])
def test_a_budget_is_nearly_used_and_not_broken(at_a_time: int) -> None:
    job = job_of(max_tokens_total=10_000, max_tokens=50)
    assert 80 <= asked(job, at_a_time, Usage(50, 50)) <= 100
    assert job.stopped == "max_tokens_total"
    job = job_of(max_cost=1.0, prices={"m": (1000, 1000)})
    # Each costs ten cents.
    assert 10 - at_a_time <= asked(job, at_a_time, Usage(50, 50)) <= 10
    assert job.stopped == "max_cost"
    # Before an answer says what one costs, no second row is asked.
    job = job_of(max_cost=0.01, prices={"m": (1000, 1000)})
    assert asked(job, at_a_time, Usage(50, 50)) == 1


def attempt(job: Job, error: G4fliteError, *, sent: bool = True) -> None:
    """Let an attempt of a row end in an error, before its first text."""
    run = SimpleNamespace(call=SimpleNamespace(messages=[{"content": "Hi"}], options={}), state="failed",
                          start=g4flite.Start(), finish=None, url="https://p.test" if sent else None)  # fmt: skip
    stream = SimpleNamespace(
        usage=None, partial="", reasoning="", tool_calls=(), provider="p", model="m", attempts=(), _run=run
    )
    job.end(begun(job), stream, error)


@rows("bound", ["max_cost", "max_tokens_total"])
def test_a_row_is_asked_alone_until_one_is_answered(bound: str) -> None:
    prices = {"m": (1000, 1000)}
    job = job_of(max_cost=0.4, prices=prices) if bound == "max_cost" else job_of(max_tokens_total=400)
    first = begun(job)
    assert not may_begin(job)
    attempt_ends = job.end(first, None, StatusError(status=500))
    assert attempt_ends is not None
    assert job.begin(first) == 0
    assert not may_begin(job)
    answer(job, first, Usage(50, 50))
    # The first has said what the others take.
    under_way = 0
    while not job.over and may_begin(job):
        under_way += 1
    assert (under_way, job.stopped) == (3, bound)


@rows("bound", ["max_cost", "max_tokens_total"])
def test_attempts_that_are_refused_do_not_make_answers_look_cheap(bound: str) -> None:
    job = job_of(max_cost=1.0, prices={"m": (1000, 1000)}) if bound == "max_cost" else job_of(max_tokens_total=1000)
    answer(job, begun(job), Usage(50, 50))
    for _ in range(20):
        attempt(job, StatusError(status=500), sent=False)
    under_way = 0
    while not job.over and may_begin(job):
        under_way += 1
    assert (under_way, job.stopped) == (9, bound)


@rows("bound", ["max_cost", "max_tokens_total"])
def test_an_attempt_without_a_word_may_have_taken_as_much_as_an_answer_and_ends_no_job(bound: str) -> None:
    job = job_of(max_cost=1.0, prices={"m": (1000, 1000)}) if bound == "max_cost" else job_of(max_tokens_total=1050)
    attempt(job, FirstTokenTimeoutError())
    assert not job.over
    answer(job, begun(job), Usage(50, 50))
    for _ in range(3):
        attempt(job, TransportError())
    under_way = 0
    while not job.over and may_begin(job):
        under_way += 1
    assert (under_way, job.stopped, job.error) == (5, bound, None)


def test_a_budget_without_a_price_ends_the_job() -> None:
    job = job_of(max_cost=1.0)
    attempt(job, TransportError())
    assert not job.over
    answer(job, begun(job), Usage(1, 1))
    assert job.over
    assert "the cost of an answer is unknown; pass the prices" in str(job.error)


@rows("name", ["max_cost", "max_tokens_total", "deadline"])
def test_a_budget_that_makes_no_sense_is_refused(name: str) -> None:
    make: Callable[..., Job] = job_of
    for wrong in (0, True, "1", math.nan):
        with pytest.raises(g4flite.OptionError, match=f"{name}= must be a number above 0"):
            make(**{name: wrong})
    for huge in (1e300, 10**400, math.inf):
        assert not make(**{name: huge}).over
