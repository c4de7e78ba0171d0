"""The options that have one name for all protocols, and functions that translate them for the payload builders.

    Provider(options=options_named("temperature", "max_tokens"), ...)             # the options that a service takes
    as_wire_names(call.options, temperature="temperature", max_tokens="num_predict")   # in its payload builder

The values in `call.options` have the types that `OPTIONS` lists: `make_call` checks them.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from .errors import ModelNotFoundError, OptionError
from .takes import EVERYTHING, Takes

# The common options, with the types that their values may have.
OPTIONS: Mapping[str, tuple[type, ...]] = MappingProxyType({
    "temperature": (int, float),
    # The most tokens that the answer and its reasoning may have together.
    "max_tokens": (int,),
    "top_p": (int, float),
    "stop": (str, list, tuple),
    "seed": (int,),
    # A list of {"type": "function", "function": {"name", "description", "parameters"}}.
    "tools": (list, tuple),
    # "auto", "none", "required", or {"type": "function", "function": {"name"}}.
    "tool_choice": (str, dict),
    # {"type": "json_object"} or {"type": "json_schema", "json_schema": {"name", "schema"}}.
    "response_format": (dict,),
    # How much the model reasons: a level (`takes.EFFORTS`), or a budget in tokens.
    "reasoning_effort": (str, int),
    # Whether the model may call several tools in one answer.
    "parallel_tool_calls": (bool,),
    "frequency_penalty": (int, float),
    "presence_penalty": (int, float),
    # True, or how many of the likeliest tokens are named at each place; they come as `Native("logprobs", ...)`.
    "logprobs": (bool, int),
    # The caller's own name for the user who asks.
    "user": (str,),
    "metadata": (dict,),
    # True marks the prompt for the service's cache, where a service wants marks.
    "cache": (bool,),
})  # fmt: skip
# The fields of a `json_schema`.
SCHEMA_FIELDS = ("name", "description", "schema", "strict")
# The fields that a tool's function may have besides its name, with their types.
TOOL_FIELDS = {"description": str, "parameters": Mapping, "strict": bool}
# The keywords beside which a schema says nothing of its properties itself.
ELSEWHERE = frozenset(("$ref", "anyOf", "oneOf", "allOf"))


def options_named(*names: str) -> dict[str, tuple[type, ...]]:
    """Return a provider's `options`: the common options of these names, with the types that their values may have."""
    return {name: OPTIONS[name] for name in names}


def required_model(model: str | None) -> str:
    """Return the model, for a service without a default model.  Raises `ModelNotFoundError` for None."""
    if model is None:
        raise ModelNotFoundError("there is no default model", advice="name one with {model}")
    return model


def as_wire_names(options: Mapping[str, Any], **names: str) -> dict[str, Any]:
    """Return the given options under the protocol's own names.

    >>> as_wire_names({"max_tokens": 9, "seed": 1}, max_tokens="num_predict")
    {'num_predict': 9}
    """
    return {wire: options[name] for name, wire in names.items() if name in options} if options else {}


def non_empty(**fields: Any) -> dict[str, Any]:
    """Return the fields as a dict, without those that are None or empty; 0 and False stay."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}


def stops(options: Mapping[str, Any]) -> list[str]:
    """Return the option `stop` as a list of texts, [] without the option.  Raises `OptionError` for anything else."""
    stop = options.get("stop")
    if stop is None:
        return []
    found = [stop] if isinstance(stop, str) else list(stop)
    if not all(isinstance(text, str) and text for text in found):
        raise OptionError(f"must be a text or a list of texts, none of them empty, not {stop!r}", argument="stop")
    return found


def tool_choice(options: Mapping[str, Any], extra: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the option `tool_choice` as a pair: "auto", "none", "required" or "function", and the function's name.

    The name is "" except for "function".  Returns None without the option, and for "auto" or "none" without tools: they
    mean nothing then, but services refuse them (OpenAI: 400 "'tool_choice' is only allowed when 'tools' are specified",
    Gemini: 400 for a `functionCallingConfig` without declarations).  The tools may also be a field of `extra`.  Raises
    `OptionError` for any other value, and for a demand to call a tool if there are no tools.
    """
    given = options.get("tool_choice")
    if given is None:
        return None
    function = given.get("function") if isinstance(given, dict) else None
    named = isinstance(function, dict) and {*function} == {"name"} and isinstance(function["name"], str)
    if given not in ("auto", "none", "required") and not (named and {*given} <= {"type", "function"}):
        raise OptionError(
            f'must be "auto", "none", "required" or {{"type": "function", "function": {{"name": ...}}}}, not {given!r}',
            argument="tool_choice",
        )
    if not has_tools(options, extra):
        if given in ("auto", "none"):
            return None
        raise OptionError("demands a tool, but there are none", argument="tool_choice", advice="pass {tools}")
    return ("function", function["name"]) if function else (given, "")


def asks_for_media(options: Mapping[str, Any], extra: Mapping[str, Any]) -> bool:
    """Return whether a request asks for images or audio, so that an answer of those alone is what the caller expects.

    OpenAI's Chat Completions and OpenRouter name them in `modalities`, Gemini in `generationConfig.responseModalities`.
    Responses has the tool `image_generation`.
    """
    config = extra.get("generationConfig")
    named = [extra.get("modalities"), config.get("responseModalities") if isinstance(config, Mapping) else None]
    if any(str(kind).lower() != "text" for kinds in named if isinstance(kinds, list | tuple) for kind in kinds):
        return True
    tools = [*(options.get("tools") or ()), *(extra.get("tools") or ())]
    return any(isinstance(tool, Mapping) and tool.get("type") == "image_generation" for tool in tools)


def has_tools(options: Mapping[str, Any], extra: Mapping[str, Any]) -> bool:
    """Return whether the model gets tools, as the option `tools` or as a field of `extra`."""
    return bool(options.get("tools") or extra.get("tools"))


def logprob_fields(options: Mapping[str, Any], wanted: str, most: str) -> dict[str, Any]:
    """Return the option `logprobs` as two fields: `wanted` is true, and `most` is how many tokens each place names.

    Returns {} if no logprobs are wanted.  Raises `OptionError` for a number below 0.
    """
    given = options.get("logprobs")
    if given is None or isinstance(given, bool):
        return {wanted: True} if given else {}
    if given < 0:
        raise OptionError(f"must be True or a number of tokens, not {given}", argument="logprobs")
    return {wanted: True, most: given}


def cache_mark(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the field that asks Anthropic's models to cache the prompt up to its last block, if `cache` is true."""
    return {"cache_control": {"type": "ephemeral"}} if options.get("cache") else {}


def single_answer(count: object, name: str) -> None:
    """Raise `OptionError` if a field `name` of `extra=` asks the service for several answers: a stream reads one."""
    if count not in (None, 1):
        raise OptionError(
            f"extra= asks for several answers with {name!r}, but a stream reads one; leave it out, or call stream() "
            "once for each answer"
        )


def schema(options: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the JSON Schema that the option `response_format` names, as `{"name", "schema", ...}`.

    Returns None if the answer is to be text, and {} if it may be any JSON.  Raises `OptionError` for any other value,
    and for a field that would be dropped.
    """
    given = options.get("response_format", {"type": "text"})
    kind, named = given.get("type"), given.get("json_schema")
    for key, value in given.items():
        if key != "type" and (key, kind) != ("json_schema", "json_schema") and value is not None:
            raise OptionError(
                f"has {key!r} beside the type {kind!r}, which this service does not take; leave it out, or pass the "
                "type 'json_schema' for a schema",
                argument="response_format",
            )
    if kind == "text":
        return None
    if kind == "json_object":
        return {}
    if kind != "json_schema" or not isinstance(named, dict) or not isinstance(named.get("schema"), dict):
        raise OptionError(
            'must be {"type": "json_object"} or {"type": "json_schema", "json_schema": '
            f'{{"name", "schema"}}}}, not {given!r}',
            argument="response_format",
        )
    named = {key: value for key, value in named.items() if value is not None}
    for key, value in named.items():
        if key not in SCHEMA_FIELDS:
            raise OptionError(
                f"has {key!r}; its json_schema takes {', '.join(SCHEMA_FIELDS)}", argument="response_format"
            )
        if key in ("name", "description") and not isinstance(value, str):
            said = f"has a {key} of the type {type(value).__name__}; it must be str"
            raise OptionError(said, argument="response_format")
    return named


def bare_schema(named: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema alone, for a protocol that has no place for a name and a description beside it.

    They become the schema's `title` and its `description`, in front of a description that it has.  No keyword stands
    beside a `$ref`, also at the root.  `strict` is left out: these protocols keep to every schema.
    """
    from .references import inlined  # noqa: PLC0415 - most calls name no schema

    inner = named["schema"]
    told = (named.get("description"), inner.get("description"))
    said = "\n".join(text for text in told if isinstance(text, str) and text)
    return inlined({**non_empty(title=named.get("name")), **inner, **non_empty(description=said)})


def check_tools(tools: object, takes: Takes = EVERYTHING) -> list[dict[str, Any]]:
    """Return the functions of the option `tools`: `{"name", "description"?, "parameters"?, "strict"?}`.

    `tools` is a list in OpenAI's form `{"type": "function", "function": {...}}`; `parameters` is a JSON Schema.  A
    `cache_control` beside `function` becomes a field of the function.  Raises `OptionError` for any other form, for two
    tools of one name, and for a name or a field that the service does not take.
    """
    if not isinstance(tools, list | tuple):
        raise OptionError(f"must be a list, not {type(tools).__name__}", argument="tools")
    found = [_function(f"tool {number}", tool, takes) for number, tool in enumerate(tools, 1)]
    names = [tool["name"] for tool in found]
    # 400 "tools: Tool names must be unique." of Anthropic and DeepSeek, "Duplicate function declaration found" of
    # Gemini (danny-avila/LibreChat#13162, decolua/9router PR#3333, rikkahub/rikkahub#1311, 2026).
    for name in names:
        if names.count(name) > 1:
            raise OptionError(f"there are two tools of the name {name!r}; a model could not tell them apart")
    return found


def as_chat_tools(tools: object, takes: Takes = EVERYTHING) -> list[dict[str, Any]]:
    """Return the option `tools` in OpenAI's form, checked as by `check_tools`."""
    return [
        # The types of openai-python 3.57.0 require the type.
        {"type": "function", "function": {key: tool.pop(key) for key in ("name", *TOOL_FIELDS) if key in tool}, **tool}
        for tool in check_tools(tools, takes)
    ]


def _function(where: str, tool: object, takes: Takes) -> dict[str, Any]:
    """Return the function of one tool, checked; `where` says in error messages which tool it is."""
    function = tool.get("function") if isinstance(tool, Mapping) else None
    if not isinstance(tool, Mapping) or tool.get("type", "function") != "function" or not isinstance(function, Mapping):
        raise OptionError(f'{where} is not {{"type": "function", "function": {{"name", "parameters"}}}}')
    given = {key: value for key, value in function.items() if value is not None}
    name = given.pop("name", None)
    if not isinstance(name, str) or not name:
        raise OptionError(f"{where} has no name of the type str")
    for key, value in given.items():
        if key not in TOOL_FIELDS:
            raise OptionError(f"{where}, {name!r}, has {key!r}; it takes name, {', '.join(TOOL_FIELDS)}")
        if not isinstance(value, TOOL_FIELDS[key]):
            kind = "an object" if TOOL_FIELDS[key] is Mapping else f"of the type {TOOL_FIELDS[key].__name__}"
            raise OptionError(f"{where}, {name!r}: {key} must be {kind}, not {type(value).__name__}")
        if key == "strict" and "function.strict" not in takes.keys:
            raise OptionError(f"{where}, {name!r}, has 'strict', which this service does not take; leave it out")
    if "parameters" in given:
        given["parameters"] = _of_object(f"{where}, {name!r}", given["parameters"])
    check_name(where, name, takes)
    beside = {key: value for key, value in tool.items() if key not in ("type", "function") and value is not None}
    for key in beside:
        if f"tools.{key}" not in takes.keys:
            raise OptionError(f"{where}, {name!r}, has {key!r}, which this service does not take; leave it out")
    return {"name": name, **given, **beside}


def _of_object(where: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a function's arguments with what it may lack, as the schemas of MCP's tools do.

    400 "tools.0.custom.input_schema.type: Field required" of Anthropic (lidge-jun/opencodex#75, BerriAI/litellm
    PR#31527), and "In context=(), object schema missing properties." of OpenAI (langchain-mcp-adapters#137,
    inboxapi/cli#106, 2025-2026).  Raises `OptionError` for a schema of another type.
    """
    kind = schema.get("type")
    if isinstance(kind, str) and kind != "object":
        raise OptionError(f"{where}: parameters must have the type 'object', not {kind!r}")
    made = {"type": "object"} | {key: value for key, value in schema.items() if value is not None or key != "type"}
    return made if ELSEWHERE.intersection(schema) else {**made, "properties": schema.get("properties", {})}


def check_name(where: str, name: str, takes: Takes) -> None:
    """Raise `OptionError` if the service refuses this name of a tool or of a schema."""
    if takes.tool_names and not re.fullmatch(takes.tool_names, name):
        raise OptionError(
            f"{where} has the name {name!r}, which this service refuses; a name must match {takes.tool_names}"
        )
