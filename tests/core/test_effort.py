"""`reasoning_effort` as a level and as a budget: what is translated, told and refused."""

from typing import Any

import pytest

import g4flite
from g4flite._core.effort import budget, effort, level
from g4flite._core.options import logprob_fields
from g4flite._core.provider import Call
from g4flite._core.takes import EFFORTS, SAME_LEVELS
from g4flite.providers import OPENAI


def call(given: Any) -> Call:
    return Call(provider=OPENAI, messages=(), model="m", options={} if given is None else {"reasoning_effort": given})


def test_an_effort_is_a_level_or_a_budget() -> None:
    assert [effort(call(given).options) for given in (None, "low", 5)] == [None, "low", 5]
    assert [budget(call(given).options) for given in (None, *EFFORTS, 5)] == [None, 0, 1024, 1024, 8192, 24576, 5]
    for wrong in ("xhigh", "", "Low", 0, -1):
        with pytest.raises(
            g4flite.OptionError, match="'high' or a number of tokens above 0, not .*; extra= takes any field"
        ):
            effort(call(wrong).options)


def test_a_level_that_goes_out_as_another_is_told() -> None:
    words: dict[str, Any] = {"none": "off", "minimal": "low", "low": "LOW", "high": True}
    for given, word, told in ((None, None, 0), ("none", "off", 0), ("minimal", "low", 1),
                              ("low", "LOW", 0), ("high", True, 1)):  # fmt: skip
        asked = call(given)
        assert level(asked, words) == word
        assert len(asked.dropped) == told, given
    assert asked.dropped == ["reasoning_effort='high' goes out as True, because the model knows no such level"]
    assert all(level(call(given), SAME_LEVELS) == given for given in EFFORTS)


def test_an_effort_that_the_model_does_not_take_is_refused() -> None:
    for given, said in (("none", "no 'none'"), ("high", "no 'high'"), (5, "no budget of tokens")):
        with pytest.raises(
            g4flite.OptionError, match=f"^reasoning_effort= takes {said} with the model 'm'; pass 'low'"
        ):
            level(call(given), {"low": "low"})


def test_logprobs_are_two_fields() -> None:
    for given, fields in (
        (None, {}),
        (False, {}),
        (True, {"a": True}),
        (0, {"a": True, "b": 0}),
        (5, {"a": 1, "b": 5}),
    ):
        assert logprob_fields({} if given is None else {"logprobs": given}, "a", "b") == fields
    with pytest.raises(g4flite.OptionError, match="logprobs= must be True or a number of tokens, not -1"):
        logprob_fields({"logprobs": -1}, "a", "b")
