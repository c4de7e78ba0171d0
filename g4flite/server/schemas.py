"""What services refuse of a JSON Schema, and Gemini's own form of one.

openai_strict(data)     # Refusal 400 "... context=('properties', 'color'), $ref cannot have keywords {'description'}."
anthropic(schema)       # Refusal 400 "For 'object' type, 'additionalProperties' must be explicitly set to false"
gemini(schema)          # Refusal 400 for a keyword beside a `$ref`, and for a circle of required properties
of_openapi(schema)      # {"type": "STRING", "nullable": True} as {"type": ["string", "null"]}

The words are OpenAI's own, as users have quoted them in 2024 to 2026 (langchain-ai/langchainjs#11381 and others).
Gemini's rules are in the types of google-genai 3.6.1; its words for them are not known.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from .checks import Refusal

JSON = dict[str, Any]
# What OpenAI's `strict` does not take (pydantic-ai's profile of OpenAI, 2026).
NOT_PERMITTED = ("oneOf", "allOf", "not", "default", "prefixItems", "uniqueItems", "patternProperties", "minLength",
                 "maxLength", "minProperties", "maxProperties", "propertyNames", "contains")  # fmt: skip
TYPED = ("type", "$ref", "anyOf", "enum", "const")
# The int64 of Gemini's `Schema`, which Protobuf's JSON writes as texts.
SIZES = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")


def openai_strict(data: JSON) -> None:
    """Refuse a schema of a tool or an answer that is said to be strict and is not."""
    form = data.get("response_format") or (data.get("text") or {}).get("format") or {}
    forms = [("response_format", form.get("json_schema") or form, "schema")]
    tools = [("function", tool.get("function") or tool, "parameters") for tool in data.get("tools") or ()]
    for what, one, field in [*forms, *tools]:
        if one.get("strict") is True:
            _check_strict(f"{what} '{one.get('name')}'", one.get(field), ())


def _check_strict(what: str, schema: Any, place: tuple[str, ...]) -> None:
    """Refuse a schema at this place in another if it, or one that stands in it, breaks the rules of `strict`."""
    for said in _not_strict(schema, root=not place):
        raise Refusal(400, f"Invalid schema for {what}: In context={place!r}, {said}.")
    for key in ("properties", "$defs"):
        for name, one in (schema.get(key) or {}).items():
            _check_strict(what, one, (*place, key, name))
    for number, one in enumerate(schema.get("anyOf") or ()):
        _check_strict(what, one, (*place, "anyOf", str(number)))
    if "items" in schema:
        _check_strict(what, schema["items"], (*place, "items"))


def _not_strict(schema: Any, *, root: bool) -> list[str]:
    """Return what in a schema breaks the rules of `strict`; what stands in its schemas is not looked at."""
    if not isinstance(schema, dict) or not any(key in schema for key in TYPED):
        return ["schema must have a 'type' key"]
    kind, missing = schema.get("type"), (schema.get("properties") or {}).keys() - {*schema.get("required", ())}
    said = "'required' is required to be supplied and to be an array including every key in properties. Missing"
    found = {
        f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'": root and kind != "object",
        f"$ref cannot have keywords {schema.keys() - {'$ref'}}": "$ref" in schema and len(schema) > 1,
        "array schema missing items": kind == "array" and "items" not in schema,
        "'additionalProperties' is required to be supplied and to be false":
            kind == "object" and schema.get("additionalProperties") is not False,
        **{f"{said} '{name}'": True for name in missing},
        **{f"'{key}' is not permitted": key in schema for key in NOT_PERMITTED},
    }  # fmt: skip
    return [words for words, wrong in found.items() if wrong]


# What Anthropic takes (helpers of anthropic-sdk-python 2.14.0, which mend a schema before it goes out).
TAKEN = frozenset((
    "type", "enum", "const", "anyOf", "allOf", "$ref", "$defs", "definitions", "title", "description", "default",
    "properties", "required", "additionalProperties", "items", "minItems", "format",
))  # fmt: skip
TEXTS = ("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid")


def anthropic(schema: Any, where: str = "output_config.format.schema") -> None:
    """Refuse an open object, a schema without a type, and a keyword or a format that the service does not know."""
    if not isinstance(schema, dict) or not any(key in schema for key in (*TYPED, "allOf")):
        raise Refusal(400, f"{where}: Schema type must be given")
    unknown, least, form = sorted(schema.keys() - TAKEN), schema.get("minItems", 0), schema.get("format", "date")
    said = {
        f"For '{schema.get('type')}' type, property '{', '.join(unknown)}' is not supported": bool(unknown),
        "For 'object' type, 'additionalProperties' must be explicitly set to false":
            schema.get("type") == "object" and schema.get("additionalProperties") is not False,
        "For 'array' type, 'minItems' values other than 0 or 1 are not supported": least not in (0, 1),
        f"For 'string' type, format '{form}' is not supported": form not in TEXTS,
    }  # fmt: skip
    for words, wrong in said.items():
        if wrong:
            raise Refusal(400, f"{where}: {words}")
    inner = [one for key in ("properties", "$defs", "definitions") for one in (schema.get(key) or {}).values()]
    inner += [*schema.get("anyOf", ()), *schema.get("allOf", ()), *([schema["items"]] if "items" in schema else [])]
    for one in inner:
        anthropic(one, where)


def gemini(schema: JSON) -> None:
    """Refuse a keyword beside a `$ref`, unless it begins with a $, and a circle without an optional property."""
    for one in (schema, *(schema.get("$defs") or {}).values()):
        _alone(one)
        _no_circle(schema, one, ())


def _alone(one: JSON) -> None:
    """Refuse a keyword beside a `$ref`."""
    if "$ref" in one and any(not key.startswith("$") for key in one):
        raise Refusal(400, f"responseJsonSchema: no other properties may be set beside $ref {one['$ref']!r}.")
    for inner in _inside(one, one.get("properties") or {}):
        _alone(inner)


def of_openapi(schema: JSON) -> JSON:
    """Return a `Schema` of Gemini's, which is a part of OpenAPI 3.0's, as a JSON Schema.

    The official client writes its types in upper case and its names in snake case (google-genai 3.6.1); what is a JSON
    Schema already stays as it is, but for the names.
    """
    found = {camel_case(name): value for name, value in schema.items()}
    for name in SIZES:
        if isinstance(found.get(name), str) and re.fullmatch("[0-9]{1,19}", found[name]):
            found[name] = int(found[name])
    if isinstance(kind := found.get("type"), str):
        found["type"] = kind.lower()
        if kind == "TYPE_UNSPECIFIED":
            del found["type"]
    inner = found.get("properties")
    if isinstance(inner, dict):
        # In this order, the model writes them.
        order = found.pop("propertyOrdering", None)
        order = [name for name in order if isinstance(name, str) and name in inner] if isinstance(order, list) else []
        found["properties"] = {name: _of_openapi(inner[name]) for name in dict.fromkeys([*order, *inner])}
    for name in ("items", "additionalProperties"):
        if name in found:
            found[name] = _of_openapi(found[name])
    if isinstance(found.get("anyOf"), list):
        found["anyOf"] = [*map(_of_openapi, found["anyOf"])]
    if found.pop("nullable", None) is True:
        found |= _with_null(found)
    return found


def camel_case(name: str) -> str:
    """Return the name of a field in camel case, for which Protobuf's JSON takes snake case as well."""
    return re.sub("_([a-z])", lambda found: found[1].upper(), name)


def _of_openapi(value: Any) -> Any:
    return of_openapi(value) if isinstance(value, dict) else value


def _with_null(schema: JSON) -> JSON:
    """Return the fields of a schema that let a value be null as well."""
    new: JSON = {}
    if isinstance(schema.get("type"), str):
        new["type"] = [schema["type"], "null"]
    elif isinstance(schema.get("anyOf"), list):
        new["anyOf"] = [*schema["anyOf"], {"type": "null"}]
    if isinstance(schema.get("enum"), list):
        new["enum"] = [*schema["enum"], None]
    return new


def _no_circle(root: JSON, one: JSON, held: tuple[str, ...]) -> None:
    """Refuse a reference that leads back to itself by required properties; `held` are those that lead here."""
    if ref := one.get("$ref"):
        if ref in held:
            raise Refusal(400, f"responseJsonSchema: {ref!r} is cyclic, and may only be in non-required properties.")
        target = root if ref == "#" else (root.get("$defs") or {}).get(ref.rpartition("/")[2], {})
        _no_circle(root, target, (*held, ref))
    for inner in _inside(one, one.get("required") or ()):
        _no_circle(root, inner, held)


def _inside(one: JSON, names: Collection[str]) -> Iterator[JSON]:
    """Yield the schemas that stand in a schema, of its properties those with these names."""
    found = [inner for name, inner in (one.get("properties") or {}).items() if name in names]
    for key in ("anyOf", "oneOf", "prefixItems"):
        found += one.get(key) or ()
    found += [one.get("items"), one.get("additionalProperties")]
    yield from (inner for inner in found if isinstance(inner, dict))
