"""Objects that stand in a text, and the events in the body of an error."""

import json
import time

from hypothesis import given
from hypothesis import strategies as st

from g4flite._core.response.quoted import events_in, objects_in
from tests.rows import rows

VALUE = {"error": {"message": 'It\'s "too" fast,\nslow \\ down \xe4', "code": None, "is": [True, False, 1.5]}}


@rows(
    "text",
    [
        json.dumps(VALUE), json.dumps(VALUE, indent=2), json.dumps(VALUE, ensure_ascii=False), str(VALUE),
        json.dumps(json.dumps(VALUE))[1:-1],
    ],
)  # fmt: skip
def test_an_object_is_found_in_each_notation(text: str) -> None:
    assert ("before ", VALUE, " behind") in list(objects_in(f"before {text} behind"))


def test_an_object_in_the_bytes_of_python_is_found() -> None:
    value = {"error": {"message": 'It\'s "fast"'}}
    assert value in [found for _, found, _ in objects_in(f"Exception - {json.dumps(value, indent=2).encode()}")]


def test_a_list_and_the_objects_inside_of_an_object_are_found() -> None:
    assert list(objects_in('x [{"a": 1}] y')) == [("x ", [{"a": 1}], " y")]
    assert [value for _, value, _ in objects_in('{"a": {"b": 1}}')] == [{"a": {"b": 1}}, {"b": 1}]
    assert list(objects_in("{} {1} [2] {a: 3}")) == []


def test_eight_places_of_16_kilobytes_are_tried() -> None:
    assert len(list(objects_in('{"a": 1}' * 20))) == 8
    assert list(objects_in(" " * 16 * 1024 + '{"a": 1}')) == []


@rows("text", ["{'" * 8192, "\\'" * 8192, "{'\\" * 8192, '{"' * 8192, "{'a':" * 4000, '[{"a":' * 4000])
def test_any_text_is_searched_in_time(text: str) -> None:
    began = time.process_time()
    list(objects_in(text))
    assert time.process_time() - began < 1


@given(st.text(alphabet="{}[]'\"\\:, abNone1\n"))
def test_any_text_may_be_searched(text: str) -> None:
    assert all(isinstance(found, dict | list) for _, found, _ in objects_in(text))
    assert all(isinstance(name, str) for name, _ in events_in(text))


def test_events_are_split_at_blank_lines_alone() -> None:
    text = "\ufeffevent: error\r\nid: 4\rdata: a\u2028b\n: note\nretry: 1\ndata:c\n\ndata: d\n\nevent: x\n\nplain\nid\n"
    assert list(events_in(text)) == [("error", ["a\u2028b", "c"]), ("", ["d"]), ("", ["plain"]), ("", ["id"])]
