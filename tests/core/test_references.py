"""The references in a JSON Schema: what they name stands in their place, and circles are found."""

from typing import Any

from g4flite._core.references import circles, inlined
from tests.rows import rows

POINT = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"], "description": "A place."}
DEFS = {"$defs": {"Point": POINT, "Alias": {"$ref": "#/$defs/Point"}, "a/b~c": POINT}}
NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node", "description": "n"}}, "required": ["next"]}
SELF = {"$ref": "#/$defs/Node"}


def at(x: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"x": x}, **DEFS, **more}


@rows(("given", "wanted"), [
    # The keywords beside the reference win over those that only describe.
    ({"$ref": "#/$defs/Point", "description": "d", "default": 1}, {**POINT, "description": "d", "default": 1}),
    ({"$ref": "#/$defs/Alias", "title": "t"}, {**POINT, "title": "t"}),
    ({"$ref": "#/$defs/a~1b~0c", "title": "t"}, {**POINT, "title": "t"}),
    ({"$ref": "#/$defs/Point", "type": "object", "maxProperties": 1}, {**POINT, "maxProperties": 1}),
    # Both are demanded.
    ({"$ref": "#/$defs/Point", "required": ["y"]}, {"anyOf": [{"$ref": "#/$defs/Point"}], "required": ["y"]}),
    # A reference alone, to another document, to nothing, and what is none.
    *((same, same) for same in (
        {"$ref": "#/$defs/Point"}, {"$ref": "https://a.test/b", "title": "t"}, {"$ref": "#/$defs/None", "title": "t"},
        {"$ref": "#/$defs/Point/required/0", "title": "t"}, {"$ref": 1, "title": "t"},
        {"const": {"$ref": "#/$defs/Point", "title": "t"}},
        {"$ref": "#/$defs/Point", "required": ["y"], "anyOf": [{"type": "object"}]})),
    # A schema in a list, and in an object that is a schema.
    ({"anyOf": [{"$ref": "#/$defs/Point", "title": "t"}]}, {"anyOf": [{**POINT, "title": "t"}]}),
    ({"items": {"$ref": "#/$defs/Point", "title": "t"}}, {"items": {**POINT, "title": "t"}}),
])  # fmt: skip
def test_no_keyword_stands_beside_a_reference(given: dict[str, Any], wanted: dict[str, Any]) -> None:
    schema = at(given)
    assert inlined(schema) == {**at(wanted), "$defs": {**DEFS["$defs"]}}
    assert schema == at(given)


def test_a_schema_that_holds_itself_is_copied_to_the_root_alone() -> None:
    inner = {"anyOf": [SELF], "description": "n"}
    made = {**NODE, "properties": {"next": inner}}
    assert inlined({**SELF, "title": "t", "$defs": {"Node": NODE}}) == {**made, "title": "t", "$defs": {"Node": made}}
    assert inlined({"$ref": "#", "title": "t"}) == {"anyOf": [{"$ref": "#"}], "title": "t"}
    alias = {"A": {"$ref": "#/$defs/A"}}
    assert inlined({"$ref": "#/$defs/A", "$defs": alias}) == {"anyOf": [{"$ref": "#/$defs/A"}], "$defs": alias}
    # Definitions that nothing names, in a circle.
    assert inlined({"$defs": {"Node": NODE}}) == {"$defs": {"Node": made}}


def test_many_schemas_that_hold_one_another_are_not_copied_many_times() -> None:
    names = [f"N{number}" for number in range(30)]
    properties = {name: {"$ref": f"#/$defs/{name}", "description": "d"} for name in names}
    made = inlined({"$ref": "#/$defs/N0", "$defs": {name: {"properties": properties} for name in names}})
    assert made["properties"]["N1"] == {"anyOf": [{"$ref": "#/$defs/N1"}], "description": "d"}


def held(way: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a schema with a definition whose property `way` leads on."""
    return {**SELF, "$defs": {"Node": {"type": "object", "properties": {"way": way}, **more}}}


LIST = {"type": "array", "items": SELF}
INNER = {"type": "object", "properties": {"way": SELF}, "required": ["way"]}


@rows(("schema", "all_", "required"), [
    (at({"$ref": "#/$defs/Point"}), set(), set()),
    (held(SELF), {"#/$defs/Node"}, set()),
    *((held(way, required=["way"]), {"#/$defs/Node"}, {"#/$defs/Node"})
      for way in (SELF, LIST, {"anyOf": [SELF, {"type": "null"}]}, INNER, {"additionalProperties": SELF})),
    (held(INNER), {"#/$defs/Node"}, set()),
    # An optional property leads to the circle.
    ({**held(SELF, required=["way"]), "$ref": None, "properties": {"x": SELF}}, {"#/$defs/Node"}, {"#/$defs/Node"}),
    # A circle of two, of which one is optional.
    ({"$ref": "#/$defs/A", "$defs": {"A": {"properties": {"b": {"$ref": "#/$defs/B"}}, "required": ["b"]},
                                     "B": {"properties": {"a": {"$ref": "#/$defs/A"}}}}},
     {"#/$defs/A", "#/$defs/B"}, set()),
    # What is no list of names, and no properties.
    (held(SELF, required=True), {"#/$defs/Node"}, set()),
    ({"properties": 1, "required": ["a"], "$ref": "#/$defs/None"}, set(), set()),
])  # fmt: skip
def test_circles_are_found(schema: dict[str, Any], all_: set[str], required: set[str]) -> None:
    assert circles(schema) == all_
    assert circles(schema, required=True) == required
