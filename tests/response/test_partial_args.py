"""Arguments of tool calls that come as paths and values."""

from typing import Any

import pytest

from g4flite import LimitError, MalformedReplyError
from g4flite._core.response.partial_args import DEEPEST, PartialArgs
from tests.rows import rows


def text(path: str, value: str, **more: Any) -> dict[str, Any]:
    return {"jsonPath": path, "stringValue": value, **more}


def number(path: str, value: Any = 1) -> dict[str, Any]:
    return {"jsonPath": path, "numberValue": value}


def joined(*pieces: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of these pieces, which are the same in one part and in many."""
    one, many = PartialArgs(1000), PartialArgs(1000)
    one.add({"name": "f", "partialArgs": [*pieces]})
    for piece in pieces:
        many.add({"partialArgs": [piece]})
    assert one.arguments() == many.arguments()
    return one.arguments()


WHOLE: list[tuple[list[dict[str, Any]], dict[str, Any]]] = [
    ([], {}),
    ([text("$.a", "b")], {"a": "b"}),
    ([text("$.a", "b", willContinue=True), text("$.a", ""), number("$.c")], {"a": "b", "c": 1}),
    ([text("$.a", "San ", willContinue=True), text("$.a", "Francisco", willContinue=False)], {"a": "San Francisco"}),
    # A relay leaves `willContinue` of the path out.
    ([text("$.a", "San "), text("$.a", "Francisco")], {"a": "San Francisco"}),
    ([number("$.a", 0), number("$.b", 1.5)], {"a": 0, "b": 1.5}),
    ([{"jsonPath": "$.a", "boolValue": False}, {"jsonPath": "$.b", "boolValue": True}], {"a": False, "b": True}),
    ([{"jsonPath": "$.a", "nullValue": "NULL_VALUE"}, {"jsonPath": "$.b", "nullValue": None}], {"a": None, "b": None}),
    ([{"jsonPath": "$.a", "nullValue": None, "stringValue": "x", "boolValue": None}], {"a": "x"}),
    ([{"jsonPath": "$.a", "willContinue": True}, text("$.a", "x")], {"a": "x"}),
    ([text("$.a.b[0].c", "x"), number("$.a.b[0].d"), number("$.a.b[1]", 2)], {"a": {"b": [{"c": "x", "d": 1}, 2]}}),
    # Back to an object that seemed to be complete.
    ([number("$.a.x"), number("$.b"), number("$.a.y")], {"a": {"x": 1, "y": 1}, "b": 1}),
    ([number("$['a.b']"), number('$["c[0]"].d'), number("$['it\\'s']")], {"a.b": 1, "c[0]": {"d": 1}, "it's": 1}),
    ([number("$.a b.ü")], {"a b": {"ü": 1}}),
    ([number("$['']")], {"": 1}),
    ([number("$.a"), number("$.a")], {"a": 1}),
    ([number("$.a[0][0]"), number("$.a[0][1]"), number("$.a[1][0]")], {"a": [[1, 1], [1]]}),
]


@rows(("pieces", "expected"), WHOLE)
def test_pieces_are_joined(pieces: list[dict[str, Any]], expected: dict[str, Any]) -> None:
    assert joined(*pieces) == expected
    assert list(map(repr, joined(*pieces))) == list(map(repr, expected))


UNCLEAR: list[tuple[list[dict[str, Any]], str]] = [
    ([number("$.a"), number("$.a", 2)], "the path '$.a' has two values"),
    ([number("$.a", 1), {"jsonPath": "$.a", "boolValue": True}], "the path '$.a' has two values"),
    ([number("$.a"), text("$.a", "x")], "the path '$.a' has two values"),
    ([text("$.a", "x"), number("$.a")], "the path '$.a' has two values"),
    ([text("$.a.b", "x"), text("$.a", "x")], "the path '$.a' has two values"),
    ([text("$.a", "x"), text("$.a.b", "x")], "the path '$.a.b' leads through another value"),
    ([number("$.a[0]"), number("$.a.b")], "the path '$.a.b' leads through another value"),
    ([number("$.a.b"), number("$.a[0]")], r"the path '$.a[0]' leads through another value"),
    ([number("$.a[1]")], "the path '$.a[1]' leads nowhere"),
    ([number("$[0]")], "the path '$[0]' leads nowhere"),
    ([number("$[0].a")], "the path '$[0].a' leads nowhere"),
    ([number("$")], "the path '$' of a piece cannot be read"),
    ([number("a")], "the path 'a' of a piece cannot be read"),
    ([number("$..a")], "the path '$..a' of a piece cannot be read"),
    ([number("$.a[*]")], "the path '$.a[*]' of a piece cannot be read"),
    ([number("$.a[-1]")], "the path '$.a[-1]' of a piece cannot be read"),
    ([number("$" + ".a" * (DEEPEST + 1))], "cannot be read"),
    ([{"numberValue": 1}], "the path 'None' of a piece cannot be read"),
    ([{"jsonPath": 7, "numberValue": 1}], "the path '7' of a piece cannot be read"),
    ([{"jsonPath": "$.a", "structValue": {}}], "a piece of its arguments has the fields jsonPath, structValue"),
    ([{"jsonPath": "$.a", "numberValue": 1, "stringValue": "x"}], "has the fields jsonPath, numberValue, stringValue"),
    ([{"jsonPath": "$.a", "stringValue": 3}], "a text among its arguments is no text"),
]


@rows(("pieces", "said"), UNCLEAR)
def test_what_could_be_read_in_two_ways_is_an_error_that_names_the_call(pieces: list[Any], said: str) -> None:
    call = PartialArgs(1000)
    with pytest.raises(MalformedReplyError) as caught:
        call.add({"name": "now", "id": "c1", "partialArgs": pieces})
    assert str(caught.value).startswith("the tool call of 'now' with the id 'c1' cannot be joined: ")
    assert said in str(caught.value)


def test_the_name_and_the_id_come_once_or_with_each_part() -> None:
    call = PartialArgs(1000)
    call.add({"willContinue": True})
    call.add({"name": "now", "willContinue": True, "args": {}})
    call.add({"id": 7})
    call.add({"name": "now", "id": "7", "partialArgs": None})
    assert (call.name, call.id, call.arguments()) == ("now", "7", {})
    for other in ({"name": "then"}, {"id": "8"}):
        with pytest.raises(MalformedReplyError, match="another call begins before this one has ended"):
            call.add(other)
    with pytest.raises(MalformedReplyError, match="its arguments come whole and in pieces"):
        call.add({"args": {"a": 1}})


def test_the_arguments_are_bounded() -> None:
    call = PartialArgs(100)
    with pytest.raises(LimitError, match="longer than max_frame allows"):
        for _ in range(30):
            call.add({"partialArgs": [text("$.a", "x")]})
    deep = PartialArgs(1000)
    deep.add({"partialArgs": [number("$" + ".a" * DEEPEST)]})
    assert str(deep.arguments()).count("{") == DEEPEST


def test_many_pieces_of_one_text_take_linear_time() -> None:
    call = PartialArgs(10**8)
    for _ in range(100_000):
        call.add({"partialArgs": [text("$.a", "0123456789")]})
    assert len(call.arguments()["a"]) == 1_000_000
