"""The tool call of `Script(tools=True)`: of a tool that the request declares, with arguments made from its JSON Schema.

call = call_of(turn.messages, turn.options)         # ToolCall("", "weather", '{"city": "Oslo"}'), or None
said = in_place_of_text(said, call)
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from math import ceil, floor, inf
from typing import Any

from .._core.events import ToolCall
from ..server.checks import Refusal
from ..server.conversation import Messages
from .replies import Said

# How deep a value is made although its schema names itself: below that, a list is empty and what may be null is null.
DEEP = 4
DEEPEST = 16
# A string for each format that a schema may name; the patterns of a schema are not looked at.
FORMATS = {
    "date": "2026-01-31", "date-time": "2026-01-31T12:00:00Z", "time": "12:00:00Z", "email": "ada@example.org",
    "uri": "https://example.org/", "uuid": "00000000-0000-4000-8000-000000000000",
}  # fmt: skip
# The type of a schema that names none, by one of its keywords.
TOLD = {"properties": "object", "items": "array", "prefixItems": "array"}


def call_of(messages: Messages, options: Mapping[str, Any]) -> ToolCall | None:
    """Return a call of the tool that `tool_choice` names, or else of the first tool that the request declares.

    Returns None if the request declares no tool or wants none, and if the last message is a tool's result.  Raise
    `Refusal` 400 if `tool_choice` names a tool that is not declared.
    """
    declared = {tool["function"]["name"]: tool["function"] for tool in options.get("tools") or () if "function" in tool}
    choice = options.get("tool_choice")
    if not declared or choice == "none" or messages[-1]["role"] == "tool":
        return None
    named = choice.get("function") if isinstance(choice, dict) else None
    name = named["name"] if named else next(iter(declared))
    if name not in declared:
        raise Refusal(400, f"tool_choice: expected the name of a tool in tools, not {name!r}")
    schema = declared[name].get("parameters") or {}
    try:
        arguments = value_of({"type": "object", **schema}, schema)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise Refusal(400, f"tools: expected a JSON Schema as the parameters of {name!r}") from error
    return ToolCall("", name, json.dumps(arguments, ensure_ascii=False))


def in_place_of_text(said: Iterator[Said], call: ToolCall) -> Iterator[Said]:
    """Yield what is said, with the call in place of the text."""
    called = False
    for piece in said:
        if not isinstance(piece, str):
            yield piece
        elif not called:
            yield call
            called = True


def value_of(schema: Any, root: Mapping[str, Any], depth: int = 0) -> Any:
    """Return a value that fits a JSON Schema, as far as this function knows the schema's words.

    `root` is the whole schema, in which a `$ref` is looked up.  Of an object, the required properties are given, and of
    the outermost one all, if it says nothing of required ones.
    """
    while isinstance(schema, Mapping) and isinstance(place := schema.get("$ref"), str):
        rest, schema = {name: value for name, value in schema.items() if name != "$ref"}, root
        for key in place.split("/")[1:]:
            schema = schema.get(key) or {}
        schema, depth = {**schema, **rest}, depth + 1
        if depth > DEEPEST:
            return None
    if not isinstance(schema, Mapping) or depth > DEEPEST:
        return None
    for part in schema.get("allOf") or ():
        schema = {**part, **schema}
    for word in ("const", "default"):
        if word in schema:
            return schema[word]
    if listed := schema.get("enum") or schema.get("examples"):
        return listed[0]
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        null = [one for one in choices if one == {"type": "null"}]
        return value_of(
            (null if null and depth > DEEP else [one for one in choices if one not in null])[0], root, depth
        )
    told = (kind for word, kind in TOLD.items() if word in schema)
    kinds = schema.get("type") or next(told, "string")
    # A type may be a list, like ["string", "null"]; Gemini writes types in upper case.
    match (kinds if isinstance(kinds, str) else kinds[0]).lower():
        case "object":
            properties = schema.get("properties") or {}
            names = schema.get("required", () if depth else properties)
            return {name: value_of(properties.get(name, {}), root, depth + 1) for name in names}
        case "array":
            number = max(schema.get("minItems", 0), depth <= DEEP)
            # Each place of a tuple has a schema of its own.
            first = [value_of(one, root, depth + 1) for one in schema.get("prefixItems", ())[:number]]
            return first + [value_of(schema.get("items", {}), root, depth + 1)] * (number - len(first))
        case "integer" | "number" as kind:
            return _number(schema, whole=kind == "integer")
        case "boolean":
            return True
        case "null":
            return None
        case _:
            text: str = FORMATS.get(schema.get("format", ""), "text")
            return text.ljust(schema.get("minLength", 0), "-")[: schema.get("maxLength")]


def _number(schema: Mapping[str, Any], *, whole: bool) -> float:
    """Return a number within the bounds of a schema."""
    least, most = schema.get("minimum", -inf), schema.get("maximum", inf)
    above, below = schema.get("exclusiveMinimum", -inf), schema.get("exclusiveMaximum", inf)
    bounds = [bound for bound in (least, above, most, below) if abs(bound) != inf]
    tried = [1, *(near for bound in bounds for near in (ceil(bound), floor(bound) + 1, ceil(bound) - 1))]
    tried += [] if whole else [sum(bounds) / max(len(bounds), 1)]
    step = schema.get("multipleOf")
    tried = [ceil(number / step) * step for number in tried] if step else tried
    return next((number for number in tried if least <= number <= most and above < number < below), 1)
