"""Messages: checks the conversation that a caller passes, and takes it to pieces for the payload builders.

A caller passes a string or a list of messages in the form of OpenAI's Chat Completions:

    messages = normalise("Hello")         # ({"role": "user", "content": "Hello"},)

`normalise` checks the messages and copies them.  The payload builder of a service that takes text alone calls `texts`
or `flatten`; a builder whose protocol has another form of messages calls the functions at the end of this module.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence, Sized
from os import PathLike
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from .errors import MessagesError
from .numbers import loads_strictly
from .takes import ANSWER_KEYS, CALL_KEYS, KEPT_EMPTY, PART_KEYS

ROLES = ("system", "developer", "user", "assistant", "tool")
# The fields that a message of each role may have besides role, content and name.
KEYS = {"assistant": ("tool_calls", "state", "partial", *ANSWER_KEYS), "tool": ("tool_call_id", "is_error")}
# What other SDKs call the roles.
OTHER_ROLES = {**dict.fromkeys(("model", "ai", "bot", "chatbot"), "assistant"), "human": "user", "function": "tool"}
# The types of parts besides text that a message of each role may have.
SHOWN = {"user": ("image_url", "file", "input_audio"), "tool": ("image_url",)}
# What error messages call the fields and the parts that a service of text alone cannot carry.
SURPLUS = {"tool_calls": "tool calls", "name": "a name", "image_url": "an image", "file": "a file",
           "input_audio": "audio"}  # fmt: skip


# A `TypedDict` would fit neither a list of plain dicts nor a list to which `Stream.message` is appended: type checkers
# take a list for a list of another type only if the types of the items are the same.
Message: TypeAlias = dict[str, Any]
"""One message of the conversation, in the form of OpenAI's Chat Completions: a plain dict with a `role`.

- `content` is text or a list of the parts
  `{"type": "text", "text": str}`,
  `{"type": "image_url", "image_url": {"url": URL, data URL, bytes or path, "detail"?: str}}` (or `"file_id"`),
  `{"type": "file", "file": {"file_data": data URL, bytes or path, "filename"?: str}}` (or `"file_url"`,
  `"file_id"`) and
  `{"type": "input_audio", "input_audio": {"data": base64, bytes or path, "format": str}}`, each with
  `cache_control` or `prompt_cache_breakpoint` for the services that take these.
- `tool_calls` is a list of `{"id": str, "type": "function", "function": {"name": str, "arguments": JSON text}}`, in
  a message of the role assistant.
  A `ToolCall` may stand in the list, too.
- `tool_call_id` is the `id` of the tool call that a message of the role tool answers; `is_error` says that the tool
  failed, and that the content says how.
- `state` and `partial` are those of `Stream.message`.
- `name` may be in a message of any role, and what `ANSWER_KEYS` lists in a message of the role assistant, for the
  services that take them.

Source: https://platform.openai.com/docs/api-reference/chat (August 2026).
"""


def normalise(messages: object) -> tuple[Message, ...]:
    """Return the messages as new plain dicts, each with a `role` and a `content`.

    A string becomes one user message.  A content with an image, a file or audio, with several text parts, or with a
    text part that has a key like `cache_control`, stays a list; the text parts of an assistant's message, and blank
    ones, are joined to one text.  A message with tool calls may lack its content, which becomes "".  Bytes and paths
    become data URLs: files are read here.  Optional fields that are None or empty are left out, but for an empty
    `reasoning_content`.  The media type `image/jpg`, which no service knows, becomes `image/jpeg`.  Raises
    `MessagesError` for any other shape, and for text that UTF-8 cannot carry.
    """
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    if not isinstance(messages, Sequence) or isinstance(messages, bytes | bytearray):
        hint = "; put the one message into a list" if isinstance(messages, Mapping) else _hint_of_path(messages)
        raise MessagesError(
            f'messages must be a string or a list of {{"role", "content"}}, not {type(messages).__name__}{hint}'
        )
    if not messages:
        raise MessagesError("there are no messages; pass at least one, or a plain string")
    call_ids: set[str] = set()
    return tuple(_message(f"message {number}", message, call_ids) for number, message in enumerate(messages, 1))


def _message(where: str, message: object, call_ids: set[str]) -> Message:
    """Return one message, checked and copied.

    `where` says in error messages which message it is.  `call_ids` holds the ids of all tool calls of the messages
    before, and gets those of this message.
    """
    if not isinstance(message, Mapping):
        raise MessagesError(f'{where} must be {{"role", "content"}}, not {type(message).__name__}')
    role = message.get("role")
    if role is None:
        raise MessagesError(f"{where} has no role; give it one of {', '.join(ROLES)}")
    if role not in ROLES:
        meant = OTHER_ROLES.get(role.lower() if isinstance(role, str) else "")
        advice = f"write {meant!r}" if meant else f"it must be one of {', '.join(ROLES)}"
        raise MessagesError(f"{where} has the role {role!r}; {advice}")
    _check_keys(where, message, ("role", "content", "name", *KEYS.get(role, ())))
    extras = _extras(where, message, ANSWER_KEYS if role == "assistant" else ())
    content, calls = message.get("content"), message.get("tool_calls") or ()
    if content is None and (calls or any(value != "" for value in extras.values())):
        content = ""
    normal: Message = {"role": role, "content": checked_content(where, content, role), **extras}
    if not _is_empty(message.get("name")):
        normal["name"] = _text(where, message, "name")
    if role == "assistant":
        normal |= _kept(where, message)
    if calls:
        normal["tool_calls"] = _tool_calls(where, calls)
        call_ids.update(call["id"] for call in normal["tool_calls"])
    if role == "tool":
        if message.get("is_error"):
            normal["is_error"] = True
        normal["tool_call_id"] = answered = _text(where, message, "tool_call_id")
        if answered not in call_ids:
            raise MessagesError(
                f"{where} answers the tool call {answered!r}, which no assistant message before it makes; "
                "keep the assistant's message with its tool_calls"
            )
    return normal


def _kept(where: str, message: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the fields `state` and `partial` of an assistant's message, checked and copied, if they are not empty."""
    kept = _extras(where, message, ("state", "partial"))
    state = kept.get("state")
    if state is None:
        return kept
    parts = state.get("parts") if isinstance(state, dict) else None
    if not isinstance(parts, list) or not all(isinstance(part, str | int | dict) for part in parts):
        raise MessagesError(f"{where} has a state that is not the one of a `Stream.message`; leave it out")
    return kept


def checked_content(where: str, content: object, role: str) -> str | list[dict[str, Any]]:
    """Return the content of a message, checked: text, or a list of parts if one of them is more than text."""
    if isinstance(content, str):
        return _utf8(where, content)
    if content is None:
        raise MessagesError(f"{where} has no content; give it a text or a list of parts")
    if not isinstance(content, list | tuple):
        raise MessagesError(
            f"{where} has a content of the type {type(content).__name__}; it must be a text or a list of parts"
            + _hint_of_path(content)
        )
    parts = [_part(f"{where}, part {place}", part, role) for place, part in enumerate(content, 1)]
    # A mark of the cache may move from part to part, and must not change the parts.  No service takes a blank one.
    if is_plain(parts) and (len(parts) < 2 or role == "assistant" or not all(part["text"].strip() for part in parts)):
        return "".join(part["text"] for part in parts)
    return parts


def is_plain(parts: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether all parts of a content are text without further keys."""
    return all(part.keys() == {"type", "text"} for part in parts)


def _hint_of_path(value: object) -> str:
    """Return what to pass in place of a path, for the end of a message, "" for anything else."""
    return "; pass path.read_text() for the text of a file, or a file part" if isinstance(value, PathLike) else ""


def _part(where: str, part: object, role: str) -> dict[str, Any]:
    """Return one part of a content, checked and copied."""
    kinds = ("text", *SHOWN.get(role, ()))
    kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
    if not isinstance(part, Mapping) or kind not in kinds:
        raise MessagesError(
            f"{where} is of the type {kind!r}; only {' and '.join(kinds)} parts can be sent{_hint_of_path(part)}"
        )
    _check_keys(where, part, ("type", kind, *PART_KEYS))
    extras = _extras(where, part, PART_KEYS)
    if kind != "text":
        return {"type": kind, kind: MEDIA[kind](where, part.get(kind)), **extras}
    if not isinstance(part.get("text"), str):
        raise MessagesError(f"{where} has no text of the type str")
    return {"type": "text", "text": _utf8(where, part["text"]), **extras}


def _image(where: str, image: object) -> dict[str, str]:
    """Return `{"url", "detail"?}` or `{"file_id", "detail"?}` of an image, checked and copied.

    No error message quotes the URL, because a signed URL is a secret.
    """
    from .media import DATA_URL, RAW, MediaProblem, check_base64, data_url  # noqa: PLC0415 - most messages are text

    image = {"url": image} if isinstance(image, (str, *RAW)) else image
    if not isinstance(image, Mapping):
        raise MessagesError(f'{where} has an image_url of the type {type(image).__name__}; it must be {{"url"}}')
    _check_keys(where, image, ("url", "detail", "file_id"))
    detail = {} if _is_empty(image.get("detail")) else {"detail": _text(where, image, "detail")}
    if not _is_empty(image.get("file_id")):
        if not _is_empty(image.get("url")):
            raise MessagesError(f"{where} has an image with a url and a file_id; give one of them")
        return {"file_id": _text(where, image, "file_id"), **detail}
    try:
        raw = isinstance(image.get("url"), RAW)
        url, _ = data_url(image["url"]) if raw else (_text(where, image, "url"), "")
        if (found := DATA_URL.match(url)) and found[1].lower().startswith("image/"):
            if not raw:
                check_base64(url[found.end() :])
            url = _known_type(found, url)
        elif raw or not _is_web(url):
            raise MediaProblem(
                "whose bytes are no image" if raw else "whose url is not https://host/... or data:image/png;base64,..."
            )
    except MediaProblem as error:
        raise MessagesError(f"{where} has an image {error}") from None
    return {"url": url, **detail}


def _known_type(found: "re.Match[str]", url: str) -> str:
    """Return a data URL with `image/jpeg` in place of `image/jpg`, which no service knows."""
    return f"data:image/jpeg{url[found.end(1) :]}" if found[1].lower() == "image/jpg" else url


def _file(where: str, file: object) -> dict[str, str]:
    """Return `{"file_data" | "file_url" | "file_id", "filename"?}` of a file, checked and copied."""
    from .media import DATA_URL, FILE_KEYS, RAW, MediaProblem, check_base64, data_url  # noqa: PLC0415 - most messages are text

    if not isinstance(file, Mapping):
        raise MessagesError(f'{where} has a file of the type {type(file).__name__}; it must be {{"file_data"}}')
    _check_keys(where, file, (*FILE_KEYS, "filename"))
    given = [key for key in FILE_KEYS if file.get(key) is not None]
    if len(given) != 1:
        raise MessagesError(f"{where} has a file with {' and '.join(given) or 'no data'}; give one of {FILE_KEYS}")
    key, name = given[0], "" if _is_empty(file.get("filename")) else _text(where, file, "filename")
    try:
        if isinstance(file[key], RAW) and key == "file_data":
            text, name = data_url(file[key], name)
        else:
            text = _text(where, file, key)
            if key == "file_data":
                found = DATA_URL.match(text)
                if found is None:
                    raise MediaProblem("whose file_data are not bytes, a path or data:application/pdf;base64,...")
                check_base64(text[found.end() :])
                text = _known_type(found, text)
            elif key == "file_url" and not _is_web(text, "gs"):
                raise MediaProblem("whose file_url is not https://host/... or gs://bucket/...")
    except MediaProblem as error:
        raise MessagesError(f"{where} has a file {error}") from None
    return {key: text, **({"filename": name} if name else {})}


def _audio(where: str, audio: object) -> dict[str, str]:
    """Return `{"data", "format"}` of audio, checked and copied; the format of bytes or a path may be left out."""
    from .media import RAW, MediaProblem, audio_of, check_base64  # noqa: PLC0415 - most messages are text

    if not isinstance(audio, Mapping):
        raise MessagesError(
            f'{where} has an input_audio of the type {type(audio).__name__}; it must be {{"data", "format"}}'
        )
    _check_keys(where, audio, ("data", "format"))
    kind = "" if _is_empty(audio.get("format")) else _text(where, audio, "format")
    try:
        if isinstance(audio.get("data"), RAW):
            text, found = audio_of(audio["data"])
        else:
            text, found = _text(where, audio, "data"), ""
            check_base64(text)
        if not (kind or found).isalnum():
            raise MediaProblem('of an unknown format; give one, like "format": "wav"')
    except MediaProblem as error:
        raise MessagesError(f"{where} has audio {error}") from None
    return {"data": text, "format": kind or found}


MEDIA: Mapping[str, Callable[[str, object], dict[str, str]]] = {
    "image_url": _image, "file": _file, "input_audio": _audio,
}  # fmt: skip


def _is_web(url: str, *more: str) -> bool:
    """Return whether the text is an http or https URL with a host, or one of a scheme among `more`."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https", *more) and bool(parts.hostname) and url.isprintable() and " " not in url


def _tool_calls(where: str, calls: object) -> list[dict[str, Any]]:
    """Return the tool calls of an assistant's message, checked and copied."""
    if not isinstance(calls, list | tuple):
        raise MessagesError(f"{where} has tool_calls of the type {type(calls).__name__}; they must be a list")
    return [_tool_call(f"{where}, tool call {place}", call) for place, call in enumerate(calls, 1)]


def _tool_call(where: str, call: object) -> dict[str, Any]:
    """Return one tool call of an assistant's message, checked and copied."""
    if isinstance(call, tuple) and hasattr(call, "_asdict"):
        # A `ToolCall` of `events.py`.
        given = call._asdict()
        call = {"id": given.pop("id", None), "function": given}
    if not isinstance(call, Mapping):
        raise MessagesError(f'{where} must be {{"id", "function"}}, not {type(call).__name__}')
    _check_keys(where, call, ("id", "type", "function", *CALL_KEYS))
    kind, function = call.get("type", "function"), call.get("function")
    if kind not in ("function", None):
        raise MessagesError(f"{where} is of the type {kind!r}; only calls of the type 'function' can be sent")
    if not isinstance(function, Mapping):
        raise MessagesError(
            f'{where} has a function of the type {type(function).__name__}; it must be {{"name", "arguments"}}'
        )
    _check_keys(where, function, ("name", "arguments"))
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        raise MessagesError(
            f"{where} has arguments of the type {type(arguments).__name__}; they must be the text of a JSON object"
        )
    return {
        "id": _text(where, call, "id"),
        "type": "function",
        "function": {"name": _text(where, function, "name"), "arguments": _utf8(where, arguments)},
        **_extras(where, call, CALL_KEYS),
    }


def _is_empty(value: object) -> bool:
    """Return whether an optional field with this value counts as absent."""
    return value is None or (isinstance(value, Sized) and len(value) == 0)


def _check_keys(where: str, given: Mapping[Any, Any], known: tuple[str, ...]) -> None:
    """Raise `MessagesError` for an unknown field, which would otherwise be dropped silently."""
    for key, value in given.items():
        if key not in known and not _is_empty(value):
            raise MessagesError(f"{where} has {key!r}, which cannot be sent; it takes {', '.join(known)}")


def _extras(where: str, given: Mapping[Any, Any], keys: Sequence[str]) -> dict[str, Any]:
    """Return a copy of those of the optional fields that are not empty.  Raises `MessagesError` unless it is JSON."""
    extras = {
        key: given[key] for key in keys if not _is_empty(given.get(key)) or (key in KEPT_EMPTY and given.get(key) == "")
    }
    if not extras:
        return {}
    try:
        text = json.dumps(extras, ensure_ascii=False, allow_nan=False)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise MessagesError(f"{where} has a field among {', '.join(extras)} that is not JSON: {error}") from None
    return json.loads(text)  # type: ignore[no-any-return]


def _text(where: str, given: Mapping[Any, Any], key: str) -> str:
    """Return the text of a field that must not be empty."""
    value = given.get(key)
    if not isinstance(value, str) or not value:
        raise MessagesError(f"{where} has no {key} of the type str")
    return _utf8(where, value)


def _utf8(where: str, text: str) -> str:
    """Return the text.  Raises `MessagesError` if a lone surrogate in it keeps it from being encoded."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise MessagesError(
            f"{where} has half of a surrogate pair at character {error.start}, which UTF-8 cannot carry"
        ) from None
    return text


def texts(messages: Sequence[Message], dropped: list[str] | None = None) -> tuple[dict[str, str], ...]:
    """Return the messages as `{"role": "system" | "user" | "assistant", "content": str}`, for a service of text alone.

    A developer message becomes a system message.  The `state` of an answer is left out, and told in `dropped`.  Raises
    `MessagesError` for an image, a name, tool calls and a tool's result, which such a service cannot carry.
    """
    for number, message in enumerate(messages, 1):
        if "state" in message and dropped is not None:
            dropped.append(f"message {number}: its state is left out, which this service does not take")
    return tuple(_plain(number, message) for number, message in enumerate(messages, 1))


def _plain(number: int, message: Message) -> dict[str, str]:
    """Return the message of this number, if it holds nothing but text."""
    found = ["the result of a tool"] if message["role"] == "tool" else []
    found += [
        SURPLUS.get(key, f"the field {key!r}")
        for key, value in message.items()
        if value and key not in ("role", "content", "state", "partial")
    ]
    for place, part in enumerate(() if isinstance(message["content"], str) else message["content"], 1):
        found += (
            [f"{SURPLUS[part['type']]} (part {place})"]
            if part["type"] != "text"
            else [f"the field {key!r}" for key in part if key in PART_KEYS]
        )
    if found:
        raise MessagesError(
            f"message {number} holds {found[0]}, which this service cannot carry; ask a provider that can, like openai"
        )
    role = "system" if message["role"] == "developer" else message["role"]
    return {"role": role, "content": "".join(part["text"] for part in parts(message))}


def flatten(messages: Sequence[Message], dropped: list[str] | None = None) -> str:
    r"""Return the conversation as one prompt, for a service that takes a single text.

    The prompt of a single message is its content.  Of several messages, each becomes a line `Role: content`, and a last
    line `Assistant:` follows.  Raises `MessagesError` if the messages hold more than text, as `texts` does.

    >>> flatten([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}])
    'System: Be brief.\nUser: Hi\nAssistant:'
    """
    turns = texts(messages, dropped)
    if len(turns) == 1:
        return turns[0]["content"]
    return "\n".join([f"{turn['role'].capitalize()}: {turn['content']}" for turn in turns] + ["Assistant:"])


# The functions below take normalised messages to pieces, for the providers whose protocols have another form.


def parts(message: Message) -> list[dict[str, Any]]:
    """Return the content of a message as a list of parts: a text as one text part, an empty text as no part."""
    content = message["content"]
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return list(content)


def as_result_object(text: str) -> dict[str, Any]:
    """Return a tool's result as an object, for a protocol that has no other results.

    A text that is a JSON object becomes that object, any other text becomes `{"result": text}`.
    """
    try:
        value = loads_strictly(text)
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {"result": text}


def arguments(tool_call: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a tool call as an object, for a protocol that does not take their text; "" becomes {}.

    Raises `MessagesError` unless the text is a JSON object.
    """
    function = tool_call["function"]
    try:
        value = loads_strictly(function["arguments"] or "{}")
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise MessagesError(f"the arguments of the call of the tool {function['name']!r} are not a JSON object")
    return value


def split_system(messages: Sequence[Message]) -> tuple[Any, list[Message]]:
    """Return the system content and the other messages, for a protocol that keeps the system text apart.

    The contents of all system and developer messages are joined by an empty line; blank ones are left out.  The content
    is a list of text parts if one of the parts has a key like `cache_control`.  Raises `MessagesError` if there are no
    other messages.
    """
    system, others = [], []
    for message in messages:
        if message["role"] not in ("system", "developer"):
            others.append(message)
        elif message["content"] and (not isinstance(message["content"], str) or message["content"].strip()):
            system.append(message)
    if not others:
        raise MessagesError("there are only system messages; add a message of the role user")
    if messages[-1] is not others[-1] and others[-1]["role"] == "assistant":
        raise MessagesError(
            "the last message is a system message, which this service takes before all others, so that the model would "
            "have to go on with the assistant's message; add a user's message"
        )
    return joined(system), others


def joined(messages: Sequence[Message]) -> Any:
    """Return the contents as one: a list of parts if one of them is a list, else a text with empty lines between."""
    contents = [message["content"] for message in messages]
    if all(isinstance(content, str) for content in contents):
        return "\n\n".join(contents)
    return [part for message in messages for part in parts(message)]


def tool_names(messages: Sequence[Message]) -> dict[str, str]:
    """Return a dict from the id of each tool call to the name of its function.

    Some protocols name a tool's result by the function, and not by the id of the call.
    """
    return {call["id"]: call["function"]["name"] for message in messages for call in message.get("tool_calls", ())}
