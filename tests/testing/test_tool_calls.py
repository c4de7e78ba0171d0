"""`Script(tools=True)`: which tool is called, with which arguments, and when the answer is text."""

import json
from typing import Any

import pytest

import g4flite
from g4flite.testing import Emulator, Reasoning, Script
from g4flite.testing.tool_calls import value_of
from tests.conftest import Driver
from tests.rows import rows

CITY = {"type": "object", "properties": {"city": {"type": "string", "enum": ["Oslo", "Bergen"]}}}
TOOLS = [
    {"type": "function", "function": {"name": "weather", "parameters": CITY}},
    {"type": "function", "function": {"name": "now"}},
]
NOW: Any = {"type": "function", "function": {"name": "now"}}
RESULT = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "tool_calls": [{"id": "c1", "function": {"name": "weather", "arguments": "{}"}}]},
    {"role": "tool", "tool_call_id": "c1", "content": "4 degrees"},
]
# A provider of each protocol, its base URL below the emulator's, and whether it can be told to call one certain tool.
PROTOCOLS = {
    "openai": ("/v1", True), "openai-responses": ("/v1", True), "anthropic": ("", True), "gemini": ("", True),
    "ollama": ("", False), "cohere": ("", False),
}  # fmt: skip


@pytest.fixture
def calling(server: Emulator) -> Emulator:
    server.script = Script(tools=True)
    return server


def ask(driver: Driver, server: Emulator, name: str, messages: Any, **more: Any) -> tuple[str, list[tuple[str, Any]]]:
    """Return the text of the answer, and the name and the arguments of each tool call."""
    key = {} if name == "ollama" else {"api_key": "any"}
    text = driver.collect(name, messages, model="m", base_url=server.url + PROTOCOLS[name][0], **key, **more)
    return "".join(text), [(call.name, json.loads(call.arguments)) for call in driver.stream.tool_calls]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_first_declared_tool_is_called_in_every_protocol(name: str, driver: Driver, calling: Emulator) -> None:
    assert ask(driver, calling, name, "Hi", tools=TOOLS) == ("", [("weather", {"city": "Oslo"})])
    assert driver.stream.finish_reason == "tool_calls"
    assert ask(driver, calling, name, "Hi", tools=TOOLS[1:]) == ("", [("now", {})])


@pytest.mark.parametrize("name", [name for name, (_, choosing) in PROTOCOLS.items() if choosing])
def test_the_tool_that_the_choice_names_is_called(name: str, driver: Driver, calling: Emulator) -> None:
    assert ask(driver, calling, name, "Hi", tools=TOOLS, tool_choice=NOW) == ("", [("now", {})])


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_answer_is_text_without_tools_and_to_a_tools_result(name: str, driver: Driver, calling: Emulator) -> None:
    assert ask(driver, calling, name, "Hi") == ("You said: Hi", [])
    # Gemini gets a result as an object.
    text, calls = ask(driver, calling, name, RESULT, tools=TOOLS)
    assert text.startswith("You said: ")
    assert "4 degrees" in text
    assert calls == []
    if name != "ollama":
        assert ask(driver, calling, name, "Hi", tools=TOOLS, tool_choice="none") == ("You said: Hi", [])


def test_a_tool_that_was_not_declared_is_not_called(driver: Driver, calling: Emulator) -> None:
    choice = {"type": "function", "function": {"name": "later"}}
    with pytest.raises(g4flite.StatusError, match="expected the name of a tool in tools, not 'later'"):
        ask(driver, calling, "openai", "Hi", tools=TOOLS, tool_choice=choice)


def test_what_is_no_schema_is_refused(driver: Driver, calling: Emulator) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"properties": {"a": {"type": 5}}}}}
    with pytest.raises(g4flite.StatusError, match="expected a JSON Schema as the parameters of 'f'"):
        ask(driver, calling, "openai", "Hi", tools=[tool])


def test_reasoning_stays_before_the_call(driver: Driver, calling: Emulator) -> None:
    calling.reply = lambda _: [Reasoning("Hm."), "One", "two"]
    assert ask(driver, calling, "ollama", "Hi", tools=TOOLS) == ("", [("weather", {"city": "Oslo"})])
    assert driver.stream.reasoning == "Hm."


TREE = {"type": "object", "properties": {"left": {"anyOf": [{"$ref": "#/$defs/tree"}, {"type": "null"}]}},
        "required": ["left"]}  # fmt: skip
BUSH = {"type": "object", "properties": {"twigs": {"type": "array", "items": {"$ref": "#/$defs/bush"}}},
        "required": ["twigs"]}  # fmt: skip
VALUES: list[tuple[Any, Any]] = [
    ({"type": "string"}, "text"),
    ({}, "text"),
    (True, None),
    ({"type": "string", "minLength": 6}, "text--"),
    ({"type": "string", "maxLength": 2}, "te"),
    ({"type": "string", "format": "date"}, "2026-01-31"),
    ({"type": "string", "format": "hostname"}, "text"),
    ({"type": "STRING", "enum": ["b", "a"]}, "b"),
    ({"type": "string", "examples": ["Oslo"]}, "Oslo"),
    ({"const": 5}, 5),
    ({"type": "integer", "default": 0}, 0),
    ({"type": "integer"}, 1),
    ({"type": "integer", "minimum": 4.5}, 5),
    ({"type": "integer", "exclusiveMinimum": 4}, 5),
    ({"type": "integer", "maximum": -2}, -2),
    ({"type": "integer", "exclusiveMaximum": -2}, -3),
    ({"type": "integer", "minimum": 3, "maximum": 3}, 3),
    ({"type": "integer", "minimum": 3, "multipleOf": 5}, 5),
    ({"type": "integer", "minimum": 3, "maximum": 2}, 1),
    ({"type": "number"}, 1),
    ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, 0.5),
    ({"type": "boolean"}, True),
    ({"type": "null"}, None),
    ({"type": ["string", "null"]}, "text"),
    ({"type": "array", "items": {"type": "integer"}}, [1]),
    ({"items": {"type": "boolean"}, "minItems": 2}, [True, True]),
    ({"type": "array"}, ["text"]),
    ({"prefixItems": [{"type": "integer"}, {}], "minItems": 2, "maxItems": 2}, [1, "text"]),
    ({"prefixItems": [{"type": "integer"}], "items": {"type": "boolean"}, "minItems": 3}, [1, True, True]),
    ({"type": "array", "prefixItems": [{"type": "integer"}, {}]}, [1]),
    ({"anyOf": [{"type": "null"}, {"type": "integer"}]}, 1),
    ({"oneOf": [{"type": "null"}, {"type": "null"}, {"type": "boolean"}]}, True),
    ({"allOf": [{"type": "integer"}, {"minimum": 7}]}, 7),
    ({"type": "object"}, {}),
    ({"properties": {"a": {"type": "integer"}, "b": {}}}, {"a": 1, "b": "text"}),
    ({"properties": {"a": {}, "b": {}}, "required": ["b", "c"]}, {"b": "text", "c": "text"}),
    ({"properties": {"a": {"properties": {"b": {}}}}}, {"a": {}}),
    ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}}, 1),
]


@rows(("schema", "value"), VALUES)
def test_a_value_fits_its_schema(schema: Any, value: Any) -> None:
    assert value_of(schema, schema if isinstance(schema, dict) else {}) == value


@pytest.mark.parametrize(("schema", "end"), [(TREE, None), (BUSH, [])])
def test_a_schema_that_names_itself_has_an_end(schema: Any, end: Any) -> None:
    found = value_of(schema, {"$defs": {"tree": TREE, "bush": BUSH}})
    assert json.dumps(found).count("{") < 10
    while found:
        found = found[0] if isinstance(found, list) else next(iter(found.values()))
    assert found == end


def test_a_schema_that_needs_itself_has_an_end_too() -> None:
    root = {"$ref": "#"}
    assert value_of(root, root) is None
    endless = {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}
    assert json.dumps(value_of(endless, endless)).count("{") < 20
