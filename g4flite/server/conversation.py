"""Messages and tools in the common form, OpenAI's, into which each reader translates its protocol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .checks import Refusal, picked
from .framing import compact

Messages = list[dict[str, Any]]


def text_part(text: str) -> dict[str, Any]:
    """Return a part of a message that is text."""
    return {"type": "text", "text": text}


def image_part(url: str, detail: str | None = None) -> dict[str, Any]:
    """Return a part of a message that is an image, by its URL or data URL; the default `detail`, auto, is left out."""
    extra = {"detail": detail} if detail and detail != "auto" else {}
    return {"type": "image_url", "image_url": {"url": url, **extra}}


def media_part(media_type: str, data: str) -> dict[str, Any]:
    """Return a part of a message that is an image, audio or another file, by its media type and base64 text."""
    kind = media_type.partition("/")[0]
    if kind == "image":
        return image_part(data_url(media_type, data))
    if kind == "audio":
        return {"type": "input_audio", "input_audio": {"data": data, "format": media_type.partition("/")[2]}}
    return file_part(file_data=data_url(media_type, data))


def file_part(**file: str | None) -> dict[str, Any]:
    """Return a part of a message that is a file, by its `file_data`, `file_url` or `file_id`, and its `filename`."""
    return {"type": "file", "file": picked(file, *file)}


def data_url(media_type: str, data: str) -> str:
    """Return the data URL of base64 text."""
    return f"data:{media_type};base64,{data}"


def joined(parts: Iterable[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """Return the content of a message: one string if all parts are text, otherwise the parts."""
    known = list(parts)
    if all(part["type"] == "text" for part in known):
        return "".join(part["text"] for part in known)
    return known


def tool_call(name: str, arguments: Mapping[str, Any] | str, id: str | None) -> dict[str, Any]:  # noqa: A002
    """Return one entry of an assistant's `tool_calls`, without an id if the request has none."""
    text = arguments if isinstance(arguments, str) else compact(arguments)
    return ({"id": id} if id else {}) | {"type": "function", "function": {"name": name, "arguments": text}}


def assistant(content: Any, calls: list[dict[str, Any]]) -> dict[str, Any]:
    """Return an assistant's message; if it has tool calls and no text, its content is None."""
    if not calls:
        return {"role": "assistant", "content": content}
    return {"role": "assistant", "content": content or None, "tool_calls": calls}


def function(
    name: str, description: str | None, parameters: Mapping[str, Any] | None, strict: bool | None = None
) -> dict[str, Any]:
    """Return one entry of `tools`; `strict` stands in it if it is true."""
    given = {"name": name, "description": description, "parameters": parameters, "strict": strict or None}
    return {"type": "function", "function": picked(given, *given)}


def named(name: str) -> dict[str, Any]:
    """Return the `tool_choice` that demands this tool."""
    return {"type": "function", "function": {"name": name}}


def check_tools(messages: Messages, *, unanswered: str = "", unasked: str = "") -> None:
    """Raise `Refusal` 400 unless the results of all tool calls follow them at once; ids are compared, or else names.

    OpenAI, Anthropic, Gemini and Cohere all refuse a conversation in which a result is missing.  `unanswered` and
    `unasked` are the service's own words for a call without its result, and for a result without its call.
    """
    waiting: list[str] = []
    for message in [*messages, {"role": "end"}]:
        if message["role"] == "tool":
            answered = message.get("tool_call_id") or message["name"]
            if answered not in waiting:
                problem = f"messages: expected a tool call {quoted([answered])} before its result. {unasked}"
                raise Refusal(400, problem.rstrip(". "))
            waiting.remove(answered)
        elif waiting:
            problem = f"messages: expected the results of the tool calls {quoted(waiting)}. {unanswered}"
            raise Refusal(400, problem.rstrip(". "))
        else:
            waiting = [call.get("id") or call["function"]["name"] for call in message.get("tool_calls") or []]


def quoted(words: list[str]) -> str:
    """Return words of a request as an error shows them: quoted, and not at any length or number."""
    more = [f"and {len(words) - 10} more"] if len(words) > 10 else []
    return ", ".join([*(repr(word[:100]) for word in words[:10]), *more])


def text_of(message: Mapping[str, Any]) -> str:
    """Return the text of a message in the common form, without its images and files."""
    content = message["content"] or ""
    return content if isinstance(content, str) else " ".join(part["text"] for part in content if "text" in part)
