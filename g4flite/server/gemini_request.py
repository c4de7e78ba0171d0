"""Google Gemini: what a request says.

Source: https://ai.google.dev/api/generate-content and .../api/caching#Content, August 2026.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from .checks import INTEGER, NUMBER, TEXT, Refusal, one_of
from .common import (
    COUNT,
    NAME,
    OBJECT,
    OBJECTS,
    STRINGS,
    TOOLS,
    assistant,
    check_tools,
    data_url,
    function,
    image_part,
    joined,
    may,
    named,
    need,
    options,
    text_part,
    tool_call,
)  # fmt: skip
from .conversation import Messages
from .framing import compact
from .protocol import Post, Turn

KNOWN = {
    "temperature": ("temperature", NUMBER),
    "maxOutputTokens": ("max_tokens", COUNT),
    "topP": ("top_p", NUMBER),
    "stopSequences": ("stop", STRINGS),
    "seed": ("seed", INTEGER),
}
MODES = {"AUTO": "auto", "ANY": "required", "NONE": "none"}
OPAQUE = {"args", "response", "parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema"}
KINDS = ("text", "inlineData", "fileData", "functionCall", "functionResponse")


def read(post: Post) -> Turn:
    """The request in common terms; `form` is `sse`, or `array` without `alt=sse`.

    Calls and results have an id only if the client gave one; a result has the tool's `name` besides.
    """
    post.demand_key("x-goog-api-key")
    data = _camel(post.data())
    messages: Messages = []
    if system := may(data, "systemInstruction", OBJECT):
        parts = [text_part(need(part, "text", TEXT, "systemInstruction.")) for part in need(system, "parts", OBJECTS)]
        messages.append({"role": "system", "content": joined(parts)})
    for number, content in enumerate(need(data, "contents", OBJECTS)):
        _add(messages, content, f"contents[{number}].")
    check_tools(messages)
    model = unquote(post.path.rpartition("/")[2].partition(":")[0])
    form = "sse" if post.query.get("alt") == "sse" else "array"
    return Turn(model=model, messages=messages, options=_options(data), dialect=post.dialect, form=form)


def _camel(value: Any) -> Any:
    """The value with its fields in camel case: protobuf's JSON takes `mime_type` for `mimeType` too, and the official
    client sends both. What belongs to the caller stays as it is.
    """
    if isinstance(value, list):
        return [_camel(item) for item in value]
    if not isinstance(value, dict):
        return value
    named = {re.sub("_([a-z])", lambda found: found[1].upper(), name): item for name, item in value.items()}
    return {name: item if name in OPAQUE else _camel(item) for name, item in named.items()}


def _add(messages: Messages, content: Mapping[str, Any], where: str) -> None:
    """Appends a message of role tool for each result, then one for the other parts."""
    role = may(content, "role", one_of(("user", "model")), where) or "user"
    parts: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    for part in need(content, "parts", OBJECTS, where):
        kinds = [kind for kind in KINDS if kind in part]
        if len(kinds) != 1:
            raise Refusal(400, f"{where}parts: expected exactly one of {', '.join(KINDS)} in each")
        given = need(part, kinds[0], TEXT if kinds[0] == "text" else OBJECT, where + "parts: ")
        match kinds[0]:
            case "text" if not part.get("thought"):
                parts.append(text_part(given))
            case "inlineData":
                parts.append(
                    image_part(data_url(need(given, "mimeType", NAME, where), need(given, "data", NAME, where)))
                )
            case "fileData":
                parts.append(image_part(need(given, "fileUri", NAME, where)))
            case "functionCall":
                asked = need(given, "name", NAME, where), may(given, "args", OBJECT, where) or {}
                calls.append(tool_call(*asked, given.get("id")))
            case "functionResponse":
                messages.append(_result(given, where))
    if role == "model":
        messages.append(assistant(joined(parts), calls))
    elif parts:
        messages.append({"role": "user", "content": joined(parts)})


def _result(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A tool's message: the text of an object with nothing but a `result` or `output`, otherwise the object as JSON."""
    response = need(given, "response", OBJECT, where)
    text = response.get("result", response.get("output")) if len(response) == 1 else None
    extra = {"tool_call_id": given["id"]} if given.get("id") else {}
    content = text if isinstance(text, str) else compact(response)
    return {"role": "tool", "content": content, "name": need(given, "name", NAME, where), **extra}


def _options(data: Mapping[str, Any]) -> dict[str, Any]:
    config = may(data, "generationConfig", OBJECT) or {}
    found = options(config, KNOWN, "generationConfig.")
    declared = [
        function(
            need(one, "name", NAME, "tools: "),
            one.get("description"),
            one.get("parametersJsonSchema", one.get("parameters")),
        )
        for tool in may(data, "tools", TOOLS) or ()
        for one in may(tool, "functionDeclarations", TOOLS, "tools: ") or ()
    ]
    if declared:
        found["tools"] = declared
    calling = may(may(data, "toolConfig", OBJECT) or {}, "functionCallingConfig", OBJECT, "toolConfig.") or {}
    if mode := may(calling, "mode", one_of(MODES), "toolConfig."):
        only = may(calling, "allowedFunctionNames", STRINGS, "toolConfig.") or []
        found["tool_choice"] = named(only[0]) if len(only) == 1 else MODES[mode]
    schema = config.get("responseJsonSchema", config.get("responseSchema"))
    if schema is not None:
        found["response_format"] = {"type": "json_schema", "json_schema": {"schema": schema}}
    elif config.get("responseMimeType") == "application/json":
        found["response_format"] = {"type": "json_object"}
    return found
