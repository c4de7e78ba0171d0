"""Rows: what is a row, what it asks, and under which id."""

from datetime import date
from typing import Any

from g4flite.apps.batch.rows import Row, filled, row_of, tokens_of
from tests.rows import rows

MESSAGES = [{"role": "user", "content": "Hi"}]


def test_a_row_has_a_prompt_or_messages_and_options() -> None:
    assert row_of({"id": 7, "prompt": "Hi", "x": 1}) == Row(7, {"id": 7, "prompt": "Hi", "x": 1}, "Hi", {}, named=True)
    row = row_of({"prompt": "", "messages": MESSAGES, "options": {"seed": 1}, "id": "a"})
    assert (row.messages, row.options, row.id) == (MESSAGES, {"seed": 1}, "a")
    assert [*row_of({"prompt": "Hi", "id": "a"}).fields] == ["id", "prompt"]


def test_in_csv_messages_and_options_are_json() -> None:
    row = row_of({"prompt": "", "messages": '[{"role": "user", "content": "Hi"}]', "options": '{"seed": 1}', "id": ""})
    assert (row.messages, row.options) == (MESSAGES, {"seed": 1})
    assert row.fields["options"] == '{"seed": 1}'


def test_a_row_without_an_id_gets_one_of_its_fields() -> None:
    one = row_of({"prompt": "Hi", "other": 1})
    assert one.id == row_of({"other": 1, "id": None, "prompt": "Hi"}).id == one.fields["id"]
    one = row_of({"prompt": "Hi"})
    others = [
        {"prompt": "Ho"}, {"prompt": "Hi", "other": 1}, {"prompt": "Hi", "options": {"seed": 1}},
        {"messages": MESSAGES}, {"prompt": "Hi", 7: "no name of JSON's", "other": 1},
    ]  # fmt: skip
    itself: dict[str, Any] = {"prompt": "Hi"}
    itself["row"] = itself
    assert len({one.id, *(row_of(other).id for other in [*others, itself])}) == 7
    assert row_of({"prompt": "\ud800"}).id != one.id
    again = one.with_id("b")
    assert (again.id, again.fields, again.messages) == ("b", {"id": "b", "prompt": "Hi"}, "Hi")


@rows(
    ("given", "message"),
    [
        (7, "a row must be an object, not int"),
        ({}, "no prompt and no messages, but no field"),
        ({"text": "Hi", "id": 1}, "no prompt and no messages, but 'text', 'id'"),
        ({"prompt": None}, "no prompt and no messages, but 'prompt'"),
        ({"prompt": " "}, "the prompt must be a text that is not empty, not ' '"),
        ({"prompt": 7}, "the prompt must be a text that is not empty, not 7"),
        ({"prompt": "Hi", "messages": MESSAGES}, "both prompt and messages"),
        ({"messages": "Hi"}, "messages must be JSON, not 'Hi'"),
        ({"messages": "[" * 100_000}, "messages must be JSON"),
        ({"messages": "[" * 500 + "]" * 500}, "messages must be JSON"),
        ({"messages": {"role": "user"}}, "messages must be a list, not dict"),
        ({"prompt": "Hi", "options": [1]}, "options must be an object, not list"),
        ({"prompt": "Hi", "options": {"api_key": "k"}}, "'api_key' is a setting of the whole job"),
        ({"prompt": "Hi", "id": 1.5}, "id must be a text or a whole number, not 1.5"),
        ({"prompt": "Hi", "id": True}, "id must be a text or a whole number, not True"),
        ({"prompt": "Hi", "answer": "gold"}, "a field 'answer', which the result would replace"),
        ({"prompt": "Hi", "error": "no result of ours"}, "a field 'error', which the result would replace"),
    ],
)
def test_what_is_no_row_has_an_error_and_an_id(given: Any, message: str) -> None:
    row = row_of(given)
    assert message in str(row.error)
    assert row.id
    assert row.fields["id"] == row.id == row_of(given).id


def test_what_is_no_row_keeps_all_that_it_holds() -> None:
    given = {"id": "a", "prompt": "Hi", "answer": "gold"}
    assert row_of(given).fields == {"id": "a", "prompt": "Hi", "row": given}
    assert row_of([1]).fields["row"] == [1]
    # The id that cannot be one, as of a column of Parquet that lacks some.
    for wrong in (1.0, True, ["a"]):
        given = {"id": wrong, "prompt": "Hi"}
        fields = row_of(given).fields
        assert (fields["prompt"], fields["row"], fields["id"]) == ("Hi", given, row_of(given).id)
    assert row_of({"id": None, "text": "Hi"}).fields.keys() == {"id", "text"}
    assert row_of({"id": "a"}).fields == {"id": "a"}


def test_a_row_that_has_failed_is_a_row_again() -> None:
    error = {"class": "TransportError", "message": "m", "partial": ""}
    row = row_of({"id": "a", "prompt": "Hi", "error": error, "attempts": 3, "seconds": 1.0})
    assert row == row_of({"id": "a", "prompt": "Hi"})
    # What fails again holds no more than before.
    for wrong in ({"id": "a", "text": "Hi"}, {"prompt": "Hi", "answer": "gold", "options": 7}, [1]):
        before = row_of(wrong).fields
        assert row_of({**before, "error": error, "attempts": 0, "seconds": 0.0}).fields == before


def test_a_template_is_filled_with_fields() -> None:
    assert filled("{a} and {b c}: {n}, {a}", {"a": "{n}", "b c": "two", "n": [1, "é"]}) == '{n} and two: [1, "é"], {n}'
    assert filled('Write {"a": 1} like {}, {{"b": {c}}}.', {"c": 2}) == 'Write {"a": 1} like {}, {{"b": 2}}.'
    # A name of a column that looks like none is one if the row has it.
    assert filled("{Question?} {Size (cm)} { x }", {"Question?": "Who", "Size (cm)": 5}) == "Who 5 { x }"
    row = row_of({"text": "Hi", "messages": "kept"}, "Translate {text}")
    assert (row.messages, row.fields["messages"]) == ("Translate Hi", "kept")
    for empty in ("", " {text} "):
        assert "the prompt that the template makes of this row is empty" in str(row_of({"text": "\n"}, empty).error)
    for binary in (b"\xff", {"bytes": b"\xff"}):
        assert "the template names {x}, which is binary; a prompt" in str(row_of({"x": binary}, "What is {x}").error)
    assert row_of({"x": date(2026, 11, 27)}, "{x}").messages == '"2026-11-27"'
    assert "names {txt}, which the row has not; it has text, 7" in str(row_of({"text": "Hi", 7: 1}, "{txt}").error)


@rows(
    ("messages", "tokens"),
    [
        ("eight by", 2),
        ([{"role": "user", "content": "four"}, {"role": "user", "content": [{"type": "text", "text": "four"}]}], 2),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}], 0),
        ([7], 0),
    ],
)
def test_the_tokens_of_a_row_are_estimated(messages: Any, tokens: int) -> None:
    assert tokens_of(Row("a", {}, messages, {})) == tokens
    if tokens:
        assert tokens_of(Row("a", {}, messages, {}), "four") == tokens + 1
        assert tokens_of(Row("a", {}, messages, {"system": "eight by"}), "four") == tokens + 2
