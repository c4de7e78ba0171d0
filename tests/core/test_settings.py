"""`Retry`: how long to wait before the next attempt, and which errors may pass by themselves."""

import pickle
from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest

import g4flite
from g4flite import Retry, Timeout
from g4flite._core.settings import as_retry, may_pass
from tests.rows import rows


def test_a_number_of_retries_stands_for_a_retry_with_the_defaults() -> None:
    assert as_retry(2) == Retry() == Retry(times=2, base=0.5, cap=8.0, longest=60.0)
    assert as_retry(0).times == 0
    assert as_retry(own := Retry(cap=1)) is own
    assert pickle.loads(pickle.dumps(own)) == own


@rows(
    "fields",
    [
        {"times": -1},
        {"times": 1.5},
        {"times": True},
        {"base": -1},
        {"longest": -0.1},
        {"base": "x"},
        {"cap": float("nan")},
    ],
)
def test_a_retry_that_makes_no_sense_is_refused(fields: dict[str, float]) -> None:
    with pytest.raises(g4flite.OptionError, match="retries"):
        Retry(**fields)  # type: ignore[arg-type]


def test_the_wait_doubles_up_to_the_cap_with_full_jitter() -> None:
    retry, error = Retry(times=9), g4flite.ConnectError("refused")
    assert [retry.wait(n, error, lambda: 1.0) for n in range(1, 8)] == [0.5, 1, 2, 4, 8, 8, 8]
    assert retry.wait(3, error, lambda: 0.25) == 0.5
    assert retry.wait(3, error, lambda: 0.0) == 0
    assert Retry(times=5000).wait(5000, error, lambda: 1.0) == 8
    assert retry.wait(10, error, lambda: 1.0) is None
    assert Retry(times=0).wait(1, error, lambda: 1.0) is None


@rows(("asked", "wait"), [(0, 0), (7.5, 7.5), (60, 60), (60.1, None), (3600, None)])
def test_a_wait_that_the_service_asks_for_is_kept_up_to_a_limit(asked: float, wait: float | None) -> None:
    error = g4flite.RateLimitError("slow down", status=429, retry_after=asked)
    assert Retry().wait(1, error, lambda: 1.0) == wait
    assert Retry(longest=1).wait(1, g4flite.StatusError(status=503, retry_after=2), lambda: 1.0) is None


@rows("status", range(300, 600))
def test_may_pass_says_which_status_may_pass_by_itself(status: int) -> None:
    passing = status in (408, 409, 425, 429, 500, 502, 503, 504, 529)
    assert may_pass(g4flite.StatusError(status=status)) is passing
    assert may_pass(g4flite.StatusError(status=status, should_retry=True)) is True
    assert may_pass(g4flite.StatusError(status=status, should_retry=False)) is False


@rows(
    ("error", "passing"),
    [
        (g4flite.ConnectError(), True),
        (g4flite.TransportError(), True),
        (g4flite.ConnectTimeoutError(), True),
        (g4flite.FirstTokenTimeoutError(), True),
        (g4flite.TruncatedStreamError(), True),
        (g4flite.EmptyReplyError(), True),
        (g4flite.RateLimitError(status=500), True),
        (g4flite.ProviderError(passing=True), True),
        (g4flite.ProviderError(), False),
        (g4flite.TLSError(), False),
        (g4flite.ProxyError(), False),
        (g4flite.TotalTimeoutError(), False),
        (g4flite.StreamClosedError(), False),
        (g4flite.MalformedReplyError(), False),
        (g4flite.LimitError(), False),
        (g4flite.ChallengeError(status=403), False),
        (g4flite.ChallengeError(status=503), True),
        (g4flite.RateLimitError(status=200, code="rate_limit_exceeded"), True),
        (g4flite.RateLimitError(status=429, code="insufficient_quota"), False),
        (g4flite.RateLimitError(status=429, kind="insufficient_quota"), False),
        (g4flite.RateLimitError(status=429, kind="insufficient_quota", should_retry=True), True),
        (g4flite.OverloadedError(status=200), True),
        (g4flite.OverloadedError(status=529, should_retry=False), False),
        (g4flite.StatusError(status=200), False),
        (g4flite.AuthenticationError(status=401), False),
        (g4flite.AuthenticationError(status=500), False),
        (g4flite.PermissionDeniedError(status=503), False),
        (g4flite.NotFoundError(status=502), False),
        (g4flite.ContextLengthError(status=500), False),
        (g4flite.ContextLengthError(status=500, should_retry=True), True),
        (g4flite.ContentFilterError(status=500), False),
        (g4flite.SpecError(), False),
    ],
)
def test_may_pass_says_which_error_may_pass_by_itself(error: g4flite.G4fliteError, passing: bool) -> None:
    assert may_pass(error) is passing


def test_a_retry_waits_a_billion_seconds_at_most() -> None:
    assert Retry(base=1e9, cap=1e9, longest=1e9).longest == 1e9
    for name in ("base", "cap", "longest"):
        with pytest.raises(g4flite.OptionError, match="base, cap and longest must be seconds from 0 up"):
            Retry(**{name: 1e9 + 0.5})  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [Timeout, Retry])
def test_a_setting_is_frozen_and_has_no_other_fields(kind: Any) -> None:
    setting = kind()
    with pytest.raises(FrozenInstanceError):
        setattr(setting, fields(setting)[0].name, 1)
    assert not hasattr(setting, "__dict__")
    with pytest.raises(TypeError):
        kind(1)
