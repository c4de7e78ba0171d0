"""Options that have one name for all protocols, and what a payload builder makes of them.

A provider names the options that its service takes (`options_named`); a payload builder then reads them from
`call.options`, already checked against the types in `OPTIONS`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from .errors import ModelNotFoundError, OptionError

OPTIONS: Mapping[str, tuple[type, ...]] = MappingProxyType({
    "temperature": (int, float),
    # Of the answer, reasoning included.
    "max_tokens": (int,),
    "top_p": (int, float),
    "stop": (str, list, tuple),
    "seed": (int,),
    # Each is {"type": "function", "function": {"name", "description", "parameters"}}.
    "tools": (list, tuple),
    # "auto", "none", "required", or {"type": "function", "function": {"name"}}.
    "tool_choice": (str, dict),
    # {"type": "json_object"} or {"type": "json_schema", "json_schema": {"name", "schema"}}.
    "response_format": (dict,),
})  # fmt: skip
# The fields of a tool's function besides its name.
TOOL_FIELDS = {"description": str, "parameters": Mapping, "strict": bool}


def options_named(*names: str) -> dict[str, tuple[type, ...]]:
    """Return the common options of these names, with the types that their values may have."""
    return {name: OPTIONS[name] for name in names}


def required_model(model: str | None) -> str:
    """Return the model; the protocol has no default.  Raises `ModelNotFoundError` for None."""
    if model is None:
        raise ModelNotFoundError("there is no default model; name one with model=")
    return model


def as_wire_names(options: Mapping[str, Any], **names: str) -> dict[str, Any]:
    """Return the options of these common names under the protocol's own names (`common="wire"`)."""
    return {wire: options[name] for name, wire in names.items() if name in options}


def non_empty(**fields: Any) -> dict[str, Any]:
    """Return the fields that are neither None nor empty."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}


def stops(options: Mapping[str, Any]) -> list[str]:
    """Return the option `stop` as a list of texts.  Raises `OptionError`."""
    stop = options.get("stop", ())
    found = [stop] if isinstance(stop, str) else list(stop)
    if not all(isinstance(text, str) and text for text in found):
        raise OptionError("stop is a text or a list of texts, none of them empty")
    return found


def tool_choice(options: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the option `tool_choice` as ("auto" | "none" | "required" | "function", the function's name).

    Returns None if the caller did not say.  Raises `OptionError`.
    """
    given = options.get("tool_choice")
    if given is None:
        return None
    if given in ("auto", "none", "required"):
        return given, ""
    function = given.get("function") if isinstance(given, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise OptionError(
            'tool_choice is "auto", "none", "required" or {"type": "function", "function": {"name": ...}}, '
            f"not {given!r}"
        )
    return "function", function["name"]


def schema(options: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what `response_format` asks for: None for text, {} for any JSON, else {"name", "schema", ...}.

    Raises `OptionError`.
    """
    given = options.get("response_format", {"type": "text"})
    kind, named = given.get("type"), given.get("json_schema")
    if kind == "text":
        return None
    if kind == "json_object":
        return {}
    if kind != "json_schema" or not isinstance(named, dict) or not isinstance(named.get("schema"), dict):
        raise OptionError(
            'response_format is {"type": "json_object"} or {"type": "json_schema", "json_schema": {"name", "schema"}}, '
            f"not {given!r}"
        )
    return {"name": "answer", **named}


def check_tools(tools: object) -> list[dict[str, Any]]:
    """Return the functions `{"name", "description"?, "parameters"?, "strict"?}` of the option `tools`.

    `tools` is a list in OpenAI's form `{"type": "function", "function": {...}}`; `parameters` is a JSON Schema.  Raises
    `OptionError`.
    """
    if not isinstance(tools, list | tuple):
        raise OptionError(f"tools are a list, not {type(tools).__name__}")
    return [_function(f"tool {number}", tool) for number, tool in enumerate(tools, 1)]


def _function(where: str, tool: object) -> dict[str, Any]:
    function = tool.get("function") if isinstance(tool, Mapping) else None
    if not isinstance(tool, Mapping) or tool.get("type", "function") != "function" or not isinstance(function, Mapping):
        raise OptionError(f'{where} is no {{"type": "function", "function": {{"name", "parameters"}}}}')
    given = {key: value for key, value in function.items() if value is not None}
    name = given.pop("name", None)
    if not isinstance(name, str) or not name:
        raise OptionError(f"{where} has no name of type str")
    for key, value in given.items():
        if key not in TOOL_FIELDS:
            raise OptionError(f"{where}, {name!r}, has {key!r}; it takes name, {', '.join(TOOL_FIELDS)}")
        if not isinstance(value, TOOL_FIELDS[key]):
            kind = "an object" if TOOL_FIELDS[key] is Mapping else f"of the type {TOOL_FIELDS[key].__name__}"
            raise OptionError(f"{where}, {name!r}: {key} is {kind}, not {type(value).__name__}")
    return {"name": name, **given}
