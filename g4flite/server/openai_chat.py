"""OpenAI Chat Completions, as OpenAI speaks it; what the others make of it stands in `_dialects`.

Source: https://platform.openai.com/docs/api-reference/chat and openai/openai-openapi, August 2026.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..testing.dialects import DIALECTS
from . import openai_errors as _chat_faults
from .checks import (
    CHOICE,
    COUNT,
    INTEGER,
    NAME,
    NUMBER,
    OBJECT,
    OBJECTS,
    STOP,
    TEXT,
    TOOLS,
    TRUE,
    Refusal,
    Rule,
    exactly,
    may,
    need,
    one_of,
    options,
    picked,
)
from .conversation import Messages, assistant, check_tools, image_part, joined, text_part, tool_call
from .framing import DONE, sse
from .pieces import Call, Piece, Problem, Stop, Think
from .protocol import Post, Protocol, Turn

ROLE = one_of(("system", "developer", "user", "assistant", "tool"))
CONTENT = Rule("a string or a list of parts, at least one", lambda got: isinstance(got, str) or OBJECTS.holds(got))
KNOWN = {
    "temperature": ("temperature", NUMBER),
    "max_tokens": ("max_tokens", COUNT),
    "max_completion_tokens": ("max_tokens", COUNT),
    "top_p": ("top_p", NUMBER),
    "stop": ("stop", STOP),
    "seed": ("seed", INTEGER),
    "tools": ("tools", TOOLS),
    "tool_choice": ("tool_choice", CHOICE),
    "response_format": ("response_format", OBJECT),
}
DEPLOYMENT = re.compile(r"/openai/deployments/([^/]+)/")


def read(post: Post) -> Turn:
    """The request in common terms; `form`: `usage` where it is asked for, `plain` without padding."""
    post.demand_key(*(("api-key",) if post.dialect == "azure" else ()), "authorization")
    data = post.data()
    deployment = DEPLOYMENT.search(post.path)
    if deployment and "api-version" not in post.query:
        raise Refusal(404, "api-version: expected in the query")
    model = deployment[1] if deployment else need(data, "model", NAME)
    messages = read_messages(need(data, "messages", OBJECTS))
    need(data, "stream", TRUE)
    extra = may(data, "stream_options", OBJECT) or {}
    for tool in may(data, "tools", TOOLS) or ():
        if need(tool, "type", TEXT, "tools: ") == "function":
            need(need(tool, "function", OBJECT, "tools: "), "name", NAME, "tools: function.")
    form = ("usage " if extra.get("include_usage") else "") + (
        "plain" if extra.get("include_obfuscation") is False else ""
    )
    return Turn(model=model, messages=messages, options=options(data, KNOWN), dialect=post.dialect, form=form)


def read_messages(given: list[dict[str, Any]]) -> Messages:
    """The conversation in common form, without what that does not know. Raises `Refusal` 400."""
    messages = [_message(message, f"messages[{number}].") for number, message in enumerate(given)]
    check_tools(messages)
    return messages


def _message(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    role = need(given, "role", ROLE, where)
    calls = [_call(call, where + "tool_calls: ") for call in may(given, "tool_calls", OBJECTS, where) or ()]
    if role == "assistant":
        content = may(given, "content", CONTENT, where) if calls else need(given, "content", CONTENT, where)
        return assistant(_content(content, where), calls)
    extra = {"tool_call_id": need(given, "tool_call_id", NAME, where)} if role == "tool" else {}
    content = _content(need(given, "content", CONTENT, where), where)
    return {"role": role, "content": content, **extra, **picked(given, "name")}


def _content(given: Any, where: str) -> Any:
    """A string, None, or the parts; parts of text alone are joined."""
    return joined(_part(part, where + "content: ") for part in given) if isinstance(given, list) else given


def _part(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    if need(given, "type", one_of(("text", "image_url")), where) == "text":
        return text_part(need(given, "text", TEXT, where))
    image = need(given, "image_url", OBJECT, where)
    return image_part(need(image, "url", NAME, where), image.get("detail"))


def _call(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    called = need(given, "function", OBJECT, where)
    need(given, "type", exactly("function"), where)
    return tool_call(
        need(called, "name", NAME, where), need(called, "arguments", TEXT, where), need(given, "id", NAME, where)
    )


def write(turn: Turn, pieces: Iterator[Piece]) -> Iterator[bytes]:
    """Yields the events of a reply, and comments between them where the dialect has some."""
    comment = DIALECTS[turn.dialect].comment
    for number, block in enumerate(_events(turn, pieces)):
        if comment and number in {0, 2}:
            yield f": {comment}\n\n".encode()
        yield block


def _events(turn: Turn, pieces: Iterator[Piece]) -> Iterator[bytes]:
    style = DIALECTS[turn.dialect]
    begun, calls = False, 0
    for piece in style.pieces(pieces):
        if isinstance(piece, Problem):
            yield from style.problem(turn, piece.kind)
            return
        if not begun:
            yield from (sse(chunk) for chunk in style.opening(turn))
            begun = True
        match piece:
            case Stop():
                yield from (sse(chunk) for chunk in style.closing(turn, piece.reason))
            case Call():
                yield from (sse(style.chunk(turn, delta)) for delta in style.call(piece, calls))
                calls += 1
            case _:
                delta = style.think(piece.text) if isinstance(piece, Think) else style.text(turn, piece)
                if delta:
                    yield sse(style.chunk(turn, delta))
    if style.done:
        yield DONE


def head(post: Post) -> dict[str, str]:
    style = DIALECTS[post.dialect]
    return {"content-type": "text/event-stream; charset=utf-8", **({} if style.local else {style.id_header: style.id})}


CHAT = Protocol(
    name="chat",
    path=r"(/.*)?/chat/completions",
    shown="/v1/chat/completions",
    read=read,
    write=write,
    fault=_chat_faults.fault,
    head=head,
)
