"""The references (`$ref`) in a JSON Schema: copies what they name into their place, and finds those in a circle.

    inlined({"$ref": "#/$defs/Color", "description": "Of the sky.", ...})   # {"enum": [...], "description": ..., ...}
    circles(schema)                                                         # {"#/$defs/Node"}

pydantic makes a reference with a description of each described field whose type is a class.  OpenAI and Gemini take
no keyword beside a `$ref`.
"""

from collections.abc import Callable, Iterator
from typing import Any

# The keywords of a schema whose values are JSON of the caller's and no schemas.
VALUES = ("default", "const", "enum", "examples")
# The keywords whose values are schemas by name; two of them are definitions, which only references make part of it.
DEFINITIONS = ("$defs", "definitions")
NAMED = ("properties", "patternProperties", *DEFINITIONS)
# The keywords that describe and do not demand: beside a reference, they win over those of the schema that it names.
NOTES = ("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", *DEFINITIONS)


def mapped(schema: dict[str, Any], change: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """Return the schema with each schema that stands directly in it changed."""

    def one(value: Any) -> Any:
        if isinstance(value, list):
            return [one(inner) for inner in value]
        return change(value) if isinstance(value, dict) else value

    return {
        key: value if key in VALUES
        else {name: one(inner) for name, inner in value.items()} if key in NAMED and isinstance(value, dict)
        else one(value)
        for key, value in schema.items()
    }  # fmt: skip


def inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema without a keyword beside a `$ref`, and without a `$ref` at its root.

    The schema that is named is copied, and the keywords beside the `$ref` are put over it.  A copy of a schema that
    holds itself would have no end, and if both demand something by one keyword, none may win: then the `$ref` moves
    into an `anyOf` of its own.  A `$ref` to another document stays as it is.
    """
    circular = circles(schema)

    def change(one: dict[str, Any], *, root: bool = False) -> dict[str, Any]:
        ref, beside = one.get("$ref"), {key: value for key, value in one.items() if key != "$ref"}
        target = _named_by(schema, ref)
        if target is None or not (beside or root):
            return mapped(one, change)
        alike = all(key in NOTES or target.get(key, value) == value for key, value in beside.items())
        if alike and (root or ref not in circular):
            return change({**target, **beside})
        return mapped(one, change) if "anyOf" in beside else {"anyOf": [{"$ref": ref}], **mapped(beside, change)}

    return change(schema, root=True)


def circles(schema: dict[str, Any], *, required: bool = False) -> set[str]:
    """Return the references whose schemas hold themselves.

    If `required`, a schema that does so by an optional property alone is left out.
    """
    leads, waiting = dict[str, set[str]](), {*_references(schema, required=False)}
    while waiting:
        ref = waiting.pop()
        leads[ref] = {*_references(_named_by(schema, ref) or {}, required=required)}
        waiting |= leads[ref] - leads.keys()
    for ref in leads:
        found = set[str]()
        reached = leads[ref]
        while reached - found:
            found |= reached
            reached = set[str]().union(*(leads[one] for one in found))
        leads[ref] = found
    return {ref for ref, found in leads.items() if ref in found}


def _named_by(schema: dict[str, Any], ref: object) -> dict[str, Any] | None:
    """Return the schema that a reference names; None if there is none in this document."""
    if not isinstance(ref, str) or not ref.startswith("#"):
        return None
    found: Any = schema
    for name in ref.split("/")[1:]:
        found = found.get(name.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else None


def _references(schema: dict[str, Any], *, required: bool) -> Iterator[str]:
    """Yield the references in a schema; if `required`, without those in optional properties and in definitions."""
    if isinstance(ref := schema.get("$ref"), str):
        yield ref
    if required:
        schema = {key: value for key, value in schema.items() if key not in DEFINITIONS}
        properties, needed = schema.get("properties"), schema.get("required")
        if isinstance(properties, dict):
            names = needed if isinstance(needed, list) else ()
            schema["properties"] = {name: one for name, one in properties.items() if name in names}
    found = list[dict[str, Any]]()

    def note(one: dict[str, Any]) -> dict[str, Any]:
        found.append(one)
        return one

    mapped(schema, note)
    for one in found:
        yield from _references(one, required=required)
