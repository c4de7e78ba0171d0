"""Messages: what a caller passes, checked, and the pieces of which a provider builds its own form of them.

A caller passes a string or a list in the form of OpenAI's Chat Completions.  `normalise` checks it and makes it
independent of the caller's objects.  A provider that takes text alone asks for `texts` or `flatten`; a provider with a
form of its own takes the messages to pieces with the functions at the end.
"""

import json
import re
from base64 import b64decode
from collections.abc import Mapping, Sequence, Sized
from typing import Any, TypedDict
from urllib.parse import urlsplit

from .errors import MessagesError

ROLES = ("system", "developer", "user", "assistant", "tool")
# The fields that a message of a role may have besides role, content and name.
KEYS = {"assistant": ("tool_calls",), "tool": ("tool_call_id",)}
# RFC 2397, images alone.
DATA_URL = re.compile(r"data:(image/[\w.+-]+)(?:;[^;,]*)*;base64,", re.ASCII | re.IGNORECASE)


class _Turn(TypedDict):
    role: str


class Message(_Turn, total=False):
    """One message of the conversation, in the form of OpenAI's Chat Completions.

    `content` is text or a list of the parts `{"type": "text", "text": str}` and
    `{"type": "image_url", "image_url": {"url": str, "detail"?: str}}`.  `tool_calls`, of an assistant, are
    `{"id": str, "type": "function", "function": {"name": str, "arguments": JSON text}}`, and `tool_call_id` names the
    call that a message of the role tool answers.  Source: https://platform.openai.com/docs/api-reference/chat (2026).
    """

    content: Any
    name: str
    tool_calls: Sequence[Mapping[str, Any]]
    tool_call_id: str


def normalise(messages: object) -> tuple[Message, ...]:
    """Return the messages as plain dicts, independent of the caller's objects; each has a role and a content.

    A string becomes one user message.  A content of text parts becomes their concatenation, a content with images stays
    a list; a message with tool calls may have no content.  Fields that are None or empty and not needed are dropped.
    Raises `MessagesError`.
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
    """Return one message, checked; `asked` collects the ids of the tool calls so far."""
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
    """Return the URL of an image, with its `detail` if it has one.  No message quotes the URL: it may be signed."""
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


def _check_keys(where: str, given: Mapping[Any, Any], known: tuple[str, ...]) -> None:
    """Raise `MessagesError` for a field that would be dropped without a word."""
    for key, value in given.items():
        if key not in known and not _is_empty(value):
            raise MessagesError(f"{where} has {key!r}, which cannot be sent; it takes {', '.join(known)}")


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
            f"{where} has half a surrogate pair at character {error.start}, which UTF-8 cannot carry"
        ) from None
    return text


def texts(messages: Sequence[Message]) -> tuple[dict[str, str], ...]:
    """Return the messages as `{"role": "system" | "user" | "assistant", "content": str}`, for a service of text alone.

    A developer message becomes a system message.  Raises `MessagesError` for an image, a name, tool calls or a tool's
    answer, which such a service cannot carry.
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
    r"""Return the conversation as one prompt: a single message's content as it is, else `Role: content` lines joined by
    LF and a last line `Assistant:`.  Raises `MessagesError` as `texts` does.

    >>> flatten([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}])
    'System: Be brief.\nUser: Hi\nAssistant:'
    """
    turns = texts(messages)
    if len(turns) == 1:
        return turns[0]["content"]
    return "\n".join([f"{turn['role'].capitalize()}: {turn['content']}" for turn in turns] + ["Assistant:"])


# What follows takes normalised messages to pieces, for the providers that have a form of their own.


def parts(message: Message) -> list[dict[str, Any]]:
    """Return the content as a list of parts: a text becomes one text part, an empty text no part."""
    content = message["content"]
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return list(content)


def inline(url: str) -> tuple[str, str] | None:
    """Return the media type (in lower case) and the base64 text of a data URL, or None for a URL of the web."""
    found = DATA_URL.match(url)
    return (found[1].lower(), url[found.end() :]) if found else None


def embedded(part: Mapping[str, Any]) -> tuple[str, str]:
    """Return the media type and the base64 text of an image part.  Raises `MessagesError` for a URL of the web."""
    found = inline(part["image_url"]["url"])
    if found is None:
        raise MessagesError("an image goes out inside the message here: pass a data: URL, not one to fetch")
    return found


def as_result(text: str) -> dict[str, Any]:
    """Return a tool's answer as an object: the text's own if the text is a JSON object, else {"result": text}."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {"result": text}


def arguments(tool_call: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a tool call, {} if their text is empty.

    Raises `MessagesError` unless the text is a JSON object that can be sent again.
    """
    function = tool_call["function"]
    try:
        value = json.loads(function["arguments"] or "{}")
        # Python reads NaN and half of a surrogate pair in JSON, but neither can be written as JSON in UTF-8.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise MessagesError(f"the arguments of the call of the tool {function['name']!r} are no JSON object")
    return value


def reject_names(messages: Sequence[Message]) -> Sequence[Message]:
    """Return the messages.  Raises `MessagesError` if one names its speaker, which Chat Completions alone can say."""
    for number, message in enumerate(messages, 1):
        if "name" in message and message["role"] != "tool":
            raise MessagesError(f"message {number} has a name, which cannot be sent here; say it in the content")
    return messages


def split_system(messages: Sequence[Message]) -> tuple[str, list[Message]]:
    """Return the texts of the system and developer messages, joined by an empty line, and the other messages.

    Raises `MessagesError` if there are no other messages, and if a message names its speaker.
    """
    system, others = [], []
    for message in reject_names(messages):
        if message["role"] not in ("system", "developer"):
            others.append(message)
        elif message["content"]:
            system.append(message["content"])
    if not others:
        raise MessagesError("there are system messages alone; add what the user says")
    return "\n\n".join(system), others


def tool_names(messages: Sequence[Message]) -> dict[str, str]:
    """Return the name of the function that each tool call asks for, by the call's id."""
    return {call["id"]: call["function"]["name"] for message in messages for call in message.get("tool_calls", ())}
