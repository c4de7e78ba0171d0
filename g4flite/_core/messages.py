"""Messages: what a caller passes, checked, and what a service that takes text alone is sent."""

import re
from base64 import b64decode
from collections.abc import Mapping, Sequence, Sized
from typing import Any, TypedDict
from urllib.parse import urlsplit

from .errors import MessagesError

ROLES = ("system", "developer", "user", "assistant", "tool")
KEYS = {"assistant": ("tool_calls",), "tool": ("tool_call_id",)}  # of a role, beside those of every role
DATA_URL = re.compile(r"data:(image/[\w.+-]+)(?:;[^;,]*)*;base64,", re.ASCII | re.IGNORECASE)  # RFC 2397


class _Turn(TypedDict):
    role: str


class Message(_Turn, total=False):
    """One turn of the conversation, in the form of OpenAI's Chat Completions.

    `content` is text or a list of the parts `{"type": "text", "text": str}` and
    `{"type": "image_url", "image_url": {"url": str, "detail"?: str}}`.  `tool_calls`, of an assistant, are
    `{"id": str, "type": "function", "function": {"name": str, "arguments": JSON text}}`, and `tool_call_id` says which
    of them a message of the role tool answers.  Source: https://platform.openai.com/docs/api-reference/chat (2026).
    """

    content: Any
    name: str
    tool_calls: Sequence[Mapping[str, Any]]
    tool_call_id: str


def normalise(messages: object) -> tuple[Message, ...]:
    """The messages as a tuple of plain dicts, independent of the caller's objects; each has a role and a content.

    A plain string is one user message.  A content that is a list of text parts becomes their concatenation, one with
    images stays a list; beside tool calls it may be left out.  What is None or empty is dropped where it is not
    needed.  Raises `MessagesError`.
    """
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    if not isinstance(messages, Sequence) or isinstance(messages, bytes | bytearray):
        hint = "; put the one message into a list" if isinstance(messages, Mapping) else ""
        raise MessagesError(
            f'messages are a string or a list of {{"role", "content"}}, not {type(messages).__name__}{hint}'
        )
    if not messages:
        raise MessagesError("there are no messages; pass at least one, or a plain string")
    asked: set[str] = set()
    return tuple(_message(f"message {number}", message, asked) for number, message in enumerate(messages, 1))


def _message(where: str, message: object, asked: set[str]) -> Message:
    if not isinstance(message, Mapping):
        raise MessagesError(f'{where} is of the type {type(message).__name__}, not {{"role", "content"}}')
    role = message.get("role")
    if role is None:
        raise MessagesError(f"{where} has no role; it is one of {', '.join(ROLES)}")
    if role not in ROLES:
        raise MessagesError(f"{where} has the role {role!r}; it is one of {', '.join(ROLES)}")
    _check_keys(where, message, ("role", "content", "name", *KEYS.get(role, ())))
    content, calls = message.get("content"), message.get("tool_calls") or ()
    if content is None and calls:
        content = ""
    normal: Message = {"role": role, "content": _content(where, content, role)}
    if not _is_empty(message.get("name")):
        normal["name"] = _text(where, message, "name")
    if calls:
        normal["tool_calls"] = _tool_calls(where, calls)
        asked.update(call["id"] for call in normal["tool_calls"])
    if role == "tool":
        normal["tool_call_id"] = answered = _text(where, message, "tool_call_id")
        if answered not in asked:
            raise MessagesError(
                f"{where} answers the tool call {answered!r}, which no assistant message before it made"
            )
    return normal


def _content(where: str, content: object, role: str) -> str | list[dict[str, Any]]:
    if isinstance(content, str):
        return _utf8(where, content)
    if not isinstance(content, list | tuple):
        raise MessagesError(f"{where} has a content of {type(content).__name__}; it is text or a list of parts")
    parts = [_part(f"{where}, part {place}", part, role) for place, part in enumerate(content, 1)]
    if all(part["type"] == "text" for part in parts):
        return "".join(part["text"] for part in parts)
    return parts


def _part(where: str, part: object, role: str) -> dict[str, Any]:
    kinds = ("text", "image_url") if role == "user" else ("text",)
    kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
    if not isinstance(part, Mapping) or kind not in kinds:
        raise MessagesError(f"{where} is of the type {kind!r}; only {' and '.join(kinds)} parts can be sent")
    if kind == "image_url":
        _check_keys(where, part, ("type", "image_url"))
        return {"type": "image_url", "image_url": _image(where, part.get("image_url"))}
    if not isinstance(part.get("text"), str):
        raise MessagesError(f"{where} has no text of type str")
    return {"type": "text", "text": _utf8(where, part["text"])}


def _image(where: str, image: object) -> dict[str, str]:
    """The URL of an image, with `detail` where it is given; no message quotes it, as it may be long or signed."""
    if isinstance(image, str):
        image = {"url": image}
    if not isinstance(image, Mapping):
        raise MessagesError(f'{where} has an image_url of {type(image).__name__}; it is {{"url"}}')
    _check_keys(where, image, ("url", "detail"))
    url = _text(where, image, "url")
    if found := DATA_URL.match(url):
        try:
            data = b64decode(url[found.end() :], validate=True)
        except ValueError:
            raise MessagesError(f"{where} has an image whose data are no base64") from None
        if not data:
            raise MessagesError(f"{where} has an image without data")
    elif not _is_web(url):
        raise MessagesError(f"{where} has an image at no URL of the form https://host/... or data:image/png;base64,...")
    return {"url": url} if _is_empty(image.get("detail")) else {"url": url, "detail": _text(where, image, "detail")}


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and url.isprintable() and " " not in url


def _tool_calls(where: str, calls: object) -> list[dict[str, Any]]:
    if not isinstance(calls, list | tuple):
        raise MessagesError(f"{where} has tool_calls of {type(calls).__name__}; they are a list")
    return [_tool_call(f"{where}, tool call {place}", call) for place, call in enumerate(calls, 1)]


def _tool_call(where: str, call: object) -> dict[str, Any]:
    if not isinstance(call, Mapping):
        raise MessagesError(f'{where} is a {type(call).__name__}, not {{"id", "function"}}')
    _check_keys(where, call, ("id", "type", "function"))
    kind, function = call.get("type", "function"), call.get("function")
    if kind not in ("function", None):
        raise MessagesError(f"{where} is of the type {kind!r}; only function can be sent")
    if not isinstance(function, Mapping):
        raise MessagesError(f'{where} has a function of {type(function).__name__}; it is {{"name", "arguments"}}')
    _check_keys(where, function, ("name", "arguments"))
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        raise MessagesError(f"{where} has arguments of {type(arguments).__name__}; they are the text of a JSON object")
    return {
        "id": _text(where, call, "id"),
        "type": "function",
        "function": {"name": _text(where, function, "name"), "arguments": _utf8(where, arguments)},
    }


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, Sized) and len(value) == 0)


def _check_keys(where: str, given: Mapping[Any, Any], taken: tuple[str, ...]) -> None:
    """Refuses what would be lost on the way."""
    for key, value in given.items():
        if key not in taken and not _is_empty(value):
            raise MessagesError(f"{where} has {key!r}, which cannot be sent; it takes {', '.join(taken)}")


def _text(where: str, given: Mapping[Any, Any], key: str) -> str:
    value = given.get(key)
    if not isinstance(value, str) or not value:
        raise MessagesError(f"{where} has no {key} of type str")
    return _utf8(where, value)


def _utf8(where: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise MessagesError(
            f"{where} has half a surrogate pair at character {error.start}, which no UTF-8 can carry"
        ) from None
    return text


def texts(messages: Sequence[Message]) -> tuple[dict[str, str], ...]:
    """The messages as `{"role": "system" | "user" | "assistant", "content": str}`, for a service that takes text alone.

    A developer's message becomes a system message.  Raises `MessagesError` where one holds what such a service cannot
    carry: an image, a name, tool calls or the answer of a tool.
    """
    return tuple(_plain(number, message) for number, message in enumerate(messages, 1))


def _plain(number: int, message: Message) -> dict[str, str]:
    surplus = {
        "the answer of a tool": message["role"] == "tool",
        "tool calls": message.get("tool_calls"),
        "a name": message.get("name"),
        "an image": not isinstance(message["content"], str),
    }
    if held := [what for what, is_there in surplus.items() if is_there]:
        raise MessagesError(
            f"message {number} holds {held[0]}, which this service cannot carry; ask a provider that can, like openai"
        )
    role = "system" if message["role"] == "developer" else message["role"]
    return {"role": role, "content": message["content"]}


def flatten(messages: Sequence[Message]) -> str:
    r"""The conversation as one prompt: a single message's content as it is, else `Role: content` lines joined by LF
    and a last line `Assistant:`.  Raises `MessagesError` as `texts` says.

    >>> flatten([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}])
    'System: Be brief.\nUser: Hi\nAssistant:'
    """
    turns = texts(messages)
    if len(turns) == 1:
        return turns[0]["content"]
    return "\n".join([f"{turn['role'].capitalize()}: {turn['content']}" for turn in turns] + ["Assistant:"])
