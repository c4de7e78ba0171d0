"""The options that have one name for all protocols, and what every payload builder asks of a call."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from .errors import ModelNotFoundError, OptionError
from .provider import Call

OPTIONS: Mapping[str, tuple[type, ...]] = MappingProxyType({
    "temperature": (int, float),
    "max_tokens": (int,),  # of the answer, reasoning included
    "top_p": (int, float),
    "stop": (str, list, tuple),
    "seed": (int,),
    "tools": (list, tuple),  # {"type": "function", "function": {"name", "description", "parameters"}} each
    "tool_choice": (str, dict),  # auto, none, required, or {"type": "function", "function": {"name"}}
    "response_format": (dict,),  # {"type": "json_object"} or {"type": "json_schema", "json_schema": {"name", "schema"}}
})  # fmt: skip


def taking(*names: str) -> dict[str, tuple[type, ...]]:
    """The common options of these names, with the types that their values may have."""
    return {name: OPTIONS[name] for name in names}


def model_of(call: Call) -> str:
    """The model; the protocol has no default.  Raises `ModelNotFoundError`."""
    if call.model is None:
        raise ModelNotFoundError("there is no default model; name one with model=")
    return call.model


def renamed(call: Call, **names: str) -> dict[str, Any]:
    """The call's options of these common names, under the names that the protocol has for them.  None are left out."""
    return {wire: call.options[name] for name, wire in names.items() if name in call.options}


def present(**fields: Any) -> dict[str, Any]:
    """The fields that hold something: neither None nor empty."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}


def stops(call: Call) -> list[str]:
    """The option `stop` as a list of texts.  Raises `OptionError`."""
    stop = call.options.get("stop", ())
    found = [stop] if isinstance(stop, str) else list(stop)
    if not all(isinstance(text, str) and text for text in found):
        raise OptionError("stop is a text or a list of texts, none of them empty")
    return found


def choice(call: Call) -> tuple[str, str] | None:
    """The option `tool_choice` as (auto, none, required or function, the function's name).  Raises `OptionError`."""
    given = call.options.get("tool_choice")
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


def schema(call: Call) -> dict[str, Any] | None:
    """What `response_format` asks for: None for text, {} for any JSON, else {"name", "schema", ...}.

    Raises `OptionError`.
    """
    given = call.options.get("response_format", {"type": "text"})
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
