"""Parts: what the protocols that translate OpenAI's messages take them to pieces with.

Messages and tool calls are what `normalise` returns.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from .errors import MessagesError, OptionError
from .messages import DATA_URL, Message

FIELDS = {"description": str, "parameters": Mapping, "strict": bool}  # of a tool, beside its name


def parts(message: Message) -> list[dict[str, Any]]:
    """The content as a list of parts: a text is one text part, an empty one none."""
    content = message["content"]
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return list(content)


def inline(url: str) -> tuple[str, str] | None:
    """The media type (in lower case) and the base64 text of an image's data URL, None for a URL of the web."""
    found = DATA_URL.match(url)
    return (found[1].lower(), url[found.end() :]) if found else None


def embedded(part: Mapping[str, Any]) -> tuple[str, str]:
    """The media type and the base64 text of an image part.  Raises `MessagesError` for a URL of the web."""
    found = inline(part["image_url"]["url"])
    if found is None:
        raise MessagesError("an image goes out inside the message here: pass a data: URL, not one to fetch")
    return found


def answer(text: str) -> dict[str, Any]:
    """A tool's result as an object: its own where the text is JSON of one, else {"result": text}."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {"result": text}


def arguments(tool_call: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a tool call, none where their text is empty.  Raises `MessagesError` where it is no JSON object
    that can be sent again.
    """
    function = tool_call["function"]
    try:
        value = json.loads(function["arguments"] or "{}")
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()  # no NaN, no half of a surrogate pair
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise MessagesError(f"the arguments of the call of the tool {function['name']!r} are no JSON object")
    return value


def nameless(messages: Sequence[Message]) -> Sequence[Message]:
    """The messages.  Raises `MessagesError` where one names its speaker, which Chat Completions alone can carry."""
    for number, message in enumerate(messages, 1):
        if "name" in message and message["role"] != "tool":
            raise MessagesError(f"message {number} has a name, which cannot be sent here; say it in the content")
    return messages


def split_system(messages: Sequence[Message]) -> tuple[str, list[Message]]:
    """The texts of the system and developer messages, joined by an empty line, and the other messages.

    Raises `MessagesError` where there are system messages alone, and where one names its speaker.
    """
    system, others = [], []
    for message in nameless(messages):
        if message["role"] not in ("system", "developer"):
            others.append(message)
        elif message["content"]:
            system.append(message["content"])
    if not others:
        raise MessagesError("there are system messages alone; add what the user says")
    return "\n\n".join(system), others


def tool_names(messages: Sequence[Message]) -> dict[str, str]:
    """The name of the function that each tool call asked for, by the call's id."""
    return {call["id"]: call["function"]["name"] for message in messages for call in message.get("tool_calls", ())}


def check_tools(tools: object) -> list[dict[str, Any]]:
    """The functions `{"name", "description"?, "parameters"?, "strict"?}` of the option `tools`, a list in OpenAI's form
    `{"type": "function", "function": {...}}`; `parameters` is a JSON Schema.  Raises `OptionError`.
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
        if key not in FIELDS:
            raise OptionError(f"{where}, {name!r}, has {key!r}; it takes name, {', '.join(FIELDS)}")
        if not isinstance(value, FIELDS[key]):
            kind = "an object" if FIELDS[key] is Mapping else f"of the type {FIELDS[key].__name__}"
            raise OptionError(f"{where}, {name!r}: {key} is {kind}, not {type(value).__name__}")
    return {"name": name, **given}
