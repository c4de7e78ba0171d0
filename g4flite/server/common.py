"""The common form of a conversation, OpenAI's, into which every protocol is translated back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .checks import Refusal, Rule
from .conversation import Messages
from .framing import compact

OBJECT = Rule("an object", lambda got: isinstance(got, dict))
OBJECTS = Rule("a list of objects, at least one", lambda got: _list_of(got, dict) and bool(got))
TOOLS = Rule("a list of objects", lambda got: _list_of(got, dict))
STRINGS = Rule("a list of strings", lambda got: _list_of(got, str))
STOP = Rule("a string or a list of strings", lambda got: isinstance(got, str) or _list_of(got, str))
COUNT = Rule("an integer above 0", lambda got: type(got) is int and got > 0)
CHOICE = Rule(
    "none, auto, required or an object",
    lambda got: isinstance(got, dict) or (isinstance(got, str) and got in {"none", "auto", "required"}),
)
NAME = Rule("a string that is not empty", lambda got: isinstance(got, str) and bool(got))
TRUE = Rule("true (this server only streams)", lambda got: got is True)


def _list_of(value: object, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)


def need(data: Mapping[str, Any], name: str, rule: Rule, where: str = "") -> Any:
    """The field's value, which has to be there. Raises `Refusal` 400 naming it `where` + `name`."""
    rule.check(400, where + name, data.get(name))
    return data[name]


def may(data: Mapping[str, Any], name: str, rule: Rule, where: str = "") -> Any:
    """The field's value, None where it is absent or null. Raises `Refusal` 400 if it is there and not as it should."""
    if data.get(name) is not None:
        rule.check(400, where + name, data[name])
    return data.get(name)


def options(data: Mapping[str, Any], known: Mapping[str, tuple[str, Rule]], where: str = "") -> dict[str, Any]:
    """The fields that are there, under their common names; `known` is `{wire name: (common name, rule)}`.

    Of two wire names for one thing the later in `known` counts; `stop` is a list in any case.
    """
    found = {
        common: may(data, name, rule, where) for name, (common, rule) in known.items() if data.get(name) is not None
    }
    if isinstance(found.get("stop"), str):
        found["stop"] = [found["stop"]]
    return found


def picked(data: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Those of the fields that are there and not null."""
    return {name: data[name] for name in names if data.get(name) is not None}


def function(name: str, description: str | None, parameters: Mapping[str, Any] | None) -> dict[str, Any]:
    """One entry of `tools`."""
    given = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": picked(given, *given)}


def named(name: str) -> dict[str, Any]:
    """The `tool_choice` of one tool."""
    return {"type": "function", "function": {"name": name}}


def tool_call(name: str, arguments: Mapping[str, Any] | str, id: str | None) -> dict[str, Any]:  # noqa: A002
    """One entry of an assistant's `tool_calls`; no id where the protocol carried none."""
    text = arguments if isinstance(arguments, str) else compact(arguments)
    return ({"id": id} if id else {}) | {"type": "function", "function": {"name": name, "arguments": text}}


def text_part(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def image_part(url: str, detail: str | None = None) -> dict[str, Any]:
    """An image by its URL, which may be a data URL; `detail` is left out where it is `auto`, the default."""
    extra = {"detail": detail} if detail and detail != "auto" else {}
    return {"type": "image_url", "image_url": {"url": url, **extra}}


def data_url(media_type: str, data: str) -> str:
    """The data URL of base64 text."""
    return f"data:{media_type};base64,{data}"


def joined(parts: Iterable[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """The content of a message: the parts if an image is among them, otherwise their text."""
    known = list(parts)
    if all(part["type"] == "text" for part in known):
        return "".join(part["text"] for part in known)
    return known


def assistant(content: Any, calls: list[dict[str, Any]]) -> dict[str, Any]:
    """An assistant's message; content is None where it has calls and says nothing."""
    if not calls:
        return {"role": "assistant", "content": content}
    return {"role": "assistant", "content": content or None, "tool_calls": calls}


def check_tools(messages: Messages) -> None:
    """Raises `Refusal` 400 unless every tool call is answered, by id or else name, before anything else is said.

    OpenAI, Anthropic, Gemini and Cohere all refuse a conversation otherwise.
    """
    waiting: list[str] = []
    for message in [*messages, {"role": "end"}]:
        if message["role"] == "tool":
            answered = message.get("tool_call_id") or message["name"]
            if answered not in waiting:
                raise Refusal(400, f"messages: expected a tool call {answered} before its result")
            waiting.remove(answered)
        elif waiting:
            raise Refusal(400, f"messages: expected the results of the tool calls {', '.join(waiting)}")
        else:
            waiting = [call.get("id") or call["function"]["name"] for call in message.get("tool_calls", [])]
