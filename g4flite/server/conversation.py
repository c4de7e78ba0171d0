"""The common form of a conversation, OpenAI's, into which every protocol is translated back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .checks import Refusal, picked
from .framing import compact

Messages = list[dict[str, Any]]


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


def text_of(message: Mapping[str, Any]) -> str:
    """The text of one message of the common form, without its images."""
    content = message["content"] or ""
    return content if isinstance(content, str) else " ".join(part["text"] for part in content if "text" in part)
