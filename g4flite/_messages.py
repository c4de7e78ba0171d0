"""Messages: what a caller passes, checked, and what a prompt-only service is sent."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

from ._errors import MessagesError

ROLES = ("system", "user", "assistant")


class Message(TypedDict):
    """One turn of the conversation."""

    role: str
    content: str


def normalise(messages: object) -> tuple[Message, ...]:
    """The messages as a tuple of `{"role": str, "content": str}`, independent of the caller's objects.

    A plain string is one user message.  A content that is a list of text parts
    (`{"type": "text", "text": str}`) becomes their concatenation.  Raises `MessagesError`.
    """
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    if not isinstance(messages, Sequence):
        hint = "; put the one message into a list" if isinstance(messages, Mapping) else ""
        raise MessagesError(
            f'messages are a string or a list of {{"role", "content"}}, not {type(messages).__name__}{hint}'
        )
    if not messages:
        raise MessagesError("there are no messages; pass at least one, or a plain string")
    return tuple(_message(number, message) for number, message in enumerate(messages, 1))


def _message(number: int, message: object) -> Message:
    if not isinstance(message, Mapping):
        raise MessagesError(f'message {number} is a {type(message).__name__}, not {{"role", "content"}}')
    role = message.get("role")
    if role is None:
        raise MessagesError(f"message {number} has no role; it is one of {', '.join(ROLES)}")
    if role not in ROLES:
        raise MessagesError(f"message {number} has the role {role!r}; it is one of {', '.join(ROLES)}")
    surplus = [key for key, value in message.items() if key not in ("role", "content") and value is not None]
    if surplus:
        raise MessagesError(f"message {number} has {surplus[0]!r}, which cannot be sent; it takes role and content")
    content = _text(number, message.get("content"))
    try:
        content.encode()
    except UnicodeEncodeError as error:
        raise MessagesError(
            f"message {number} has half a surrogate pair at character {error.start}, which no UTF-8 can carry"
        ) from None
    return {"role": role, "content": content}


def _text(number: int, content: object) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list | tuple):
        raise MessagesError(
            f"message {number} has a content of {type(content).__name__}; it is text or a list of parts"
        )
    texts = []
    for place, part in enumerate(content, 1):
        kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
        if kind != "text":
            raise MessagesError(f"message {number}, part {place} is of the type {kind!r}; only text parts can be sent")
        if not isinstance(part.get("text"), str):
            raise MessagesError(f"message {number}, part {place} has no text of type str")
        texts.append(part["text"])
    return "".join(texts)


def flatten(messages: Sequence[Message]) -> str:
    r"""The conversation as one prompt: a single message's content as it is, else `Role: content` lines joined by LF
    and a last line `Assistant:`.

    >>> flatten([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}])
    'System: Be brief.\nUser: Hi\nAssistant:'
    """
    if len(messages) == 1:
        return messages[0]["content"]
    return "\n".join([f"{m['role'].capitalize()}: {m['content']}" for m in messages] + ["Assistant:"])
