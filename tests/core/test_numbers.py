"""Numbers that Python cannot hold: they keep their text, and what holds them is read and written in linear time."""

import copy
import json
import pickle
from math import inf
from typing import Any

import pytest

from g4flite import MalformedReplyError, ToolCall
from g4flite._core.numbers import Number, dumps, loads, scan, scan_exactly
from tests.providers.frames import DONE, STOP, chunk, read, sse
from tests.rows import rows

DIGITS = "1" * 5000
TEXTS = [DIGITS, f"-{DIGITS}", "1e400", "-1.5E+999", f"{DIGITS}.5", f"{DIGITS}e-4", "1" * 310 + ".0"]
KEPT = ["0", "-7", "1.5", "-0.0", "1e-999", "1e308", str(10**4000), '"1e400"', "true", "null", "[]", "{}"]


@rows("text", TEXTS)
def test_a_number_that_python_cannot_hold_keeps_its_text(text: str) -> None:
    value = loads(f'{{"a": [{text}, 1, 1.5], "b": "{text}"}}')
    (number, *others), words = value["a"], value["b"]
    assert (type(number), number.text, abs(number)) == (Number, text, inf)
    assert (others, words) == ([1, 1.5], text)
    assert dumps(value) == f'{{"a": [{text}, 1, 1.5], "b": "{text}"}}'


@rows("text", KEPT)
def test_other_values_are_those_of_json(text: str) -> None:
    value, other = json.loads(text), '"' + "\ud800\t" + '"'
    for found in (loads(text), scan(text, 0)[0], scan_exactly(text, 0)[0]):
        assert (type(found), repr(found)) == (type(value), repr(value))
    assert dumps({"a": value, "b": loads("1e400")}) == f'{{"a": {json.dumps(value)}, "b": 1e400}}'
    assert loads(other) == "\ud800\t"


def test_a_number_is_an_infinity_that_can_be_copied_pickled_and_compared() -> None:
    one, other = Number("1e400"), Number("2e400")
    for made in (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert (type(made), made.text, made) == (Number, "1e400", one)
    assert one == inf == other
    assert one != other
    assert one != 5
    assert len({one, Number("1e400")}) == 1


def test_nan_and_infinity_stay_words() -> None:
    text = '{"a": [NaN, Infinity, -Infinity, 1e999]}'
    assert dumps(loads(text)) == text


def test_the_time_is_linear_in_the_digits() -> None:
    """Python's own `int` would take hours for so many."""
    text = "[" + "1" * 2**22 + ", " + "2" * 2**22 + "]"
    with pytest.raises(ValueError, match="digits"):
        scan(text, 0)
    value, end = scan_exactly(text, 0)
    assert (end, dumps(value)) == (len(text), text)


def raw(name: str, arguments: str, id: str = '"c"') -> bytes:  # noqa: A002
    """Return a reply with one tool call, with the JSON `arguments` and `id`."""
    function = {"name": "t", "arguments": "ARGS"}
    item = {"type": "function_call", "id": "i", "call_id": "ID", "name": "t", "arguments": "ARGS"}
    frames: dict[str, list[Any]] = {
        "openai": [chunk({"tool_calls": [{"index": 0, "id": "ID", "function": function}]}), STOP, DONE],
        "openai-responses": [
            ("response.output_item.done", {"type": "response.output_item.done", "output_index": 0, "item": item}),
            ("response.completed", {"type": "response.completed", "response": {"output": [item]}}),
        ],
        "anthropic": [
            ("content_block_start", {"type": "content_block_start", "index": 0, "content_block": {
                "type": "tool_use", "id": "ID", "name": "t", "input": "ARGS"}}),
            ("content_block_stop", {"type": "content_block_stop", "index": 0}),
            ("message_stop", {"type": "message_stop"}),
        ],
        "gemini": [{"candidates": [{"content": {"parts": [{"functionCall": {"id": "ID", "name": "t", "args": "ARGS"}}]},
                                    "finishReason": "STOP"}]}],
        "cohere": [
            ("tool-call-start", {"type": "tool-call-start", "index": 0, "delta": {"message": {"tool_calls": {
                "id": "ID", "function": function}}}}),
            ("tool-call-end", {"type": "tool-call-end", "index": 0}),
            ("message-end", {"type": "message-end", "delta": {"finish_reason": "TOOL_CALL"}}),
        ],
        "ollama": [{"message": {"content": "", "tool_calls": [{"id": "ID", "function": function}]}}, {"done": True}],
    }  # fmt: skip
    lines = "".join(json.dumps(frame) + "\n" for frame in frames[name]).encode() if name == "ollama" else b""
    body = lines or sse(*frames[name])
    return body.replace(b'"ARGS"', arguments.encode()).replace(b'"ID"', id.encode())


PROVIDERS = ["openai", "openai-responses", "anthropic", "gemini", "cohere", "ollama"]


@rows("text", [*TEXTS, "12345678901234567890123", "NaN", "-0.0", "1e-999"])
@rows("name", PROVIDERS)
def test_arguments_given_as_an_object_keep_each_number(name: str, text: str) -> None:
    expected = '{"a": [0.0, {"b": "x"}]}' if text == "1e-999" else f'{{"a": [{text}, {{"b": "x"}}]}}'
    (call,) = (item for item in read(name, raw(name, f'{{"a": [{text}, {{"b": "x"}}]}}')) if isinstance(item, ToolCall))
    assert (call.id, call.name, call.arguments) == ("c", "t", expected)


@rows("name", PROVIDERS)
def test_an_id_may_be_a_number_of_any_length(name: str) -> None:
    (call,) = (item for item in read(name, raw(name, '{"a": 1}', DIGITS)) if isinstance(item, ToolCall))
    assert (call.id, call.arguments) == (DIGITS, '{"a": 1}')


@rows("name", ["openai", "openai-responses", "cohere"])
def test_arguments_given_as_text_stay_as_they_came(name: str) -> None:
    text = f'{{"a": {DIGITS}, "b": 1e400}}'
    (call,) = (item for item in read(name, raw(name, json.dumps(text))) if isinstance(item, ToolCall))
    assert call.arguments == text


@rows("name", PROVIDERS)
def test_arguments_that_are_no_json_are_malformed(name: str) -> None:
    *_, error = read(name, raw(name, f"{{{DIGITS}: 1}}"))
    assert type(error) is MalformedReplyError
