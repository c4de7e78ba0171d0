"""JSON Schemas of Python functions and classes, made by pydantic, which is imported only if one is given.

def weather(city: str, days: int = 1) -> str:
    "Return the weather of a city."

schema_of_function(weather)     # {"type": "function", "function": {"name": "weather", "description": ..., ...}}
schema_of_type(Point)           # of a dataclass, a pydantic model or any other type that pydantic knows

function = function_of(weather)
function.arguments({"city": "Oslo"})        # ((), {"city": "Oslo", "days": 1}): checked and converted
"""

import inspect
import re
from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import OptionError
from .references import NAMED, inlined, mapped

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import ValidationError


# What OpenAI's `strict` does not take, and the formats that it takes (pydantic-ai's profile of OpenAI, and
# mastra-ai/mastra#23321, 2026).
LOOSE = frozenset((
    "oneOf", "allOf", "default", "not", "if", "then", "else", "prefixItems", "uniqueItems", "contains", "minContains",
    "maxContains", "unevaluatedItems", "unevaluatedProperties", "patternProperties", "propertyNames", "minProperties",
    "maxProperties", "dependentRequired", "dependentSchemas", "minLength", "maxLength",
))  # fmt: skip
FORMATS = ("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid")
LOOKAROUND = re.compile(r"\(\?<?[=!]")
# The keywords of which `strict` wants one in each schema.
TYPED = frozenset(("type", "$ref", "anyOf", "enum", "const"))


class Function(NamedTuple):
    """A function as a tool in the OpenAI form, and the adapter that checks the arguments of a call."""

    tool: dict[str, Any]
    adapter: "TypeAdapter[Any]"

    def arguments(self, given: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments of a call, checked and converted: those by place, and those by name.

        Raises `ValueError`, which says what is wrong with each argument, if they do not fit.
        """
        from pydantic_core import ArgsKwargs, ValidationError  # noqa: PLC0415 - pydantic has made the adapter

        try:
            return self.adapter.validate_python(ArgsKwargs((), {**given}))  # type: ignore[no-any-return]
        except ValidationError as error:
            raise ValueError(_told(error)) from None


def function_of(function: Callable[..., Any]) -> Function:
    """Return a function as a tool; the description is the first paragraph of its docstring.

    Raises `OptionError` if pydantic is missing or makes no schema of the function, and for a function whose parameters
    have no annotation at all: its schema would not tell the model what to pass.
    """
    if not inspect.isroutine(function):
        raise OptionError(
            f"a tool must be a function or a dict in the OpenAI form, not {function!r}",
            advice="wrap it into a function with annotations and a docstring",
        )
    name = function.__name__
    try:
        parameters = inspect.signature(function).parameters
    except ValueError as error:
        raise OptionError(f"the function {name!r} does not tell its parameters; wrap it into another") from error
    if parameters and all(parameter.annotation is parameter.empty for parameter in parameters.values()):
        raise OptionError(
            f"the function {name!r} has no annotations, so that its schema would not tell the model what to pass",
            advice=f"annotate it, like def {name}({next(iter(parameters))}: str)",
        )

    # `wraps` gives it the signature and the annotations.
    @wraps(function)
    def arguments(*by_place: Any, **by_name: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return by_place, by_name

    adapter, schema = _adapter_and_schema(f"the function {name!r}", arguments)
    if schema.get("type") != "object":
        raise OptionError(f"the function {name!r} has a parameter that cannot be passed by name; wrap it into another")
    described = {"name": name}
    if text := re.split(r"\n\s*\n", inspect.getdoc(function) or "")[0].strip():
        described["description"] = " ".join(text.split())
    return Function({"type": "function", "function": {**described, "parameters": schema}}, adapter)


def schema_of_function(function: Callable[..., Any]) -> dict[str, Any]:
    """Return a function as a tool in the OpenAI form.  Raises as `function_of` does."""
    return function_of(function).tool


def schema_of_type(kind: Any) -> dict[str, Any]:
    """Return the JSON Schema of a type.  Raises `OptionError` if pydantic is missing or makes none of it."""
    return _adapter_and_schema(f"the type {getattr(kind, '__name__', kind)!r}", kind)[1]


def validated(kind: Any, text: str) -> Any:
    """Return the value of this type that a JSON text holds.

    Raises `ValueError`, which says what is wrong with each field and quotes no value, if the text does not fit.
    """
    from pydantic_core import ValidationError  # noqa: PLC0415 - pydantic has made the adapter

    try:
        return _adapter_and_schema("the answer", kind)[0].validate_json(text)
    except ValidationError as error:
        raise ValueError(_told(error)) from None


def response_format(kind: Any) -> dict[str, Any]:
    """Return the option `response_format` for an answer of this type, in the OpenAI form.

    Objects take no further fields, which services ask for and pydantic takes for granted.  References stand alone.  The
    schema is `strict` if OpenAI's rules for that allow it.  Raises `OptionError` as `schema_of_type` does, and for a
    type that is no object.
    """
    schema = closed(inlined(schema_of_type(kind)))
    if schema.get("type") != "object":
        types = f"the type {schema['type']}" if "type" in schema else "several types"
        raise OptionError(
            f"response_format= is a type whose JSON is of {types}, and services want an object",
            advice="put it into a field of a dataclass",
        )
    name = re.sub(r"[^a-zA-Z0-9_-]", "_", getattr(kind, "__name__", "answer"))[:64]
    return {"type": "json_schema", "json_schema": {"name": name, "schema": schema, "strict": is_strict(schema)}}


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with `additionalProperties: false` in each object that lists its properties."""
    made = mapped(schema, closed)
    if "properties" in made:
        made.setdefault("additionalProperties", False)
    return made


def is_strict(schema: Any) -> bool:
    """Return whether OpenAI takes a schema with `strict: true`.

    Each object is closed and needs all its properties, each list says what it holds, each schema has a type, and a
    `$ref` stands alone.  400 "$ref cannot have keywords {'description'}" (langchain-ai/langchainjs#11381); the rest is
    in pydantic-ai's profile of OpenAI (2026).
    """
    # True, of a list of anything, is a schema without a type.
    if not isinstance(schema, dict):
        return False
    properties, kind = schema.get("properties", {}), schema.get("type")
    whole = kind != "object" or (
        schema.get("additionalProperties") is False and properties.keys() == {*schema.get("required", ())}
    )
    typed = not TYPED.isdisjoint(schema) and (kind != "array" or "items" in schema)
    alone = "$ref" not in schema or len(schema) == 1
    known = LOOSE.isdisjoint(schema) and schema.get("format", "date") in FORMATS
    matched = not LOOKAROUND.search(schema.get("pattern", ""))
    inner = [*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else [])]
    named = [one for key in NAMED for one in schema.get(key, {}).values()]
    return whole and typed and alone and known and matched and all(map(is_strict, [*inner, *named]))


def _told(error: "ValidationError") -> str:
    """Return what is wrong with each field.  (The error's own text repeats the values, and names a web page.)"""
    wrong = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}".removeprefix(": ") for one in wrong)


def _adapter_and_schema(what: str, kind: Any) -> "tuple[TypeAdapter[Any], dict[str, Any]]":
    """Return pydantic's adapter of a type or a function, and its JSON Schema; `what` names it in error messages."""
    try:
        import pydantic  # noqa: PLC0415 - a program without functions and classes as schemas does not need it
    except ImportError:
        raise OptionError(f"a schema of {what} needs pydantic: pip install pydantic") from None
    try:
        adapter: TypeAdapter[Any] = pydantic.TypeAdapter(kind)
        return adapter, adapter.json_schema()
    # NameError: an annotation is a text that names nothing.
    except (pydantic.errors.PydanticUserError, NameError) as error:
        raise OptionError(f"pydantic makes no schema of {what}: {str(error).splitlines()[0]}") from error
