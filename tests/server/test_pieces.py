"""The pieces of a reply: which kinds there are, and what becomes of them on their way to a writer."""

from __future__ import annotations

from typing import Any

import pytest

from g4flite.server.checks import Refusal
from g4flite.server.pieces import Whole, arguments_object, collect, translate_finish
from g4flite.testing import Finish, Hidden, Problem, Reasoning, ToolCall, Usage
from tests.rows import rows


def test_a_problem_of_no_known_kind_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="expected one of"):
        Problem("quota")


@rows(
    ("given", "expected"),
    [
        (Finish("stop"), Finish("stop", "end")),
        (Finish("stop", "own"), Finish("stop", "own")),
        (Finish("content_filter"), Problem("content_filter")),
        (Finish("content_filter", "own"), Finish("content_filter", "own")),
        (Finish("error"), Problem("server")),
        (Finish("other"), Problem("server")),
        (Problem("overloaded"), Problem("overloaded")),
        ("stop", "stop"),
    ],
)
def test_a_finish_gets_the_service_s_word_or_is_a_problem(given: Any, expected: Any) -> None:
    assert list(translate_finish([given], {"stop": "end"})) == [expected]


def test_a_whole_reply_joins_neighbours_of_a_kind() -> None:
    call = ToolCall("", "f", "{}")
    pieces = [
        "a",
        Usage(1, 1, 0, 2),
        "b",
        Reasoning("c"),
        Reasoning(""),
        Reasoning("d"),
        call,
        call,
        "",
        Finish("stop"),
    ]
    whole = collect(pieces)
    assert whole == Whole(("ab", Reasoning("cd"), call, call), Usage(1, 1, 0, 2), Finish("stop"))
    assert (whole.text, whole.reasoning, whole.calls) == ("ab", "cd", [call, call])


@pytest.mark.parametrize("piece", ["", Reasoning("")])
def test_a_whole_reply_has_no_empty_part(piece: Any) -> None:
    assert collect([piece, Problem("server")]) == Whole((), Usage(0, 0, 0, 0), Problem("server"))


def test_arguments_are_an_object_or_refused() -> None:
    assert arguments_object(ToolCall("", "f", '{"a": 1}')) == {"a": 1}
    assert arguments_object(ToolCall("", "f", "")) == {}
    with pytest.raises(Refusal, match="expected a JSON object"):
        arguments_object(ToolCall("", "f", "[1]"))


def test_hidden_reasoning_is_a_part_of_its_own_and_not_said_by_services_that_do_not_show_it() -> None:
    pieces = [Reasoning("a"), Hidden(), Hidden(), Reasoning("b"), Finish("stop")]
    whole = collect(pieces)
    assert whole.parts == (Reasoning("a"), Hidden(), Hidden(), Reasoning("b"))
    assert [type(part) for part in whole.parts] == [Reasoning, Hidden, Hidden, Reasoning]
    words = {"stop": "end"}
    assert list(translate_finish(pieces, words)) == [Reasoning("a"), Reasoning("b"), Finish("stop", "end")]
    assert list(translate_finish(pieces, words, hidden=True)) == [*pieces[:4], Finish("stop", "end")]
