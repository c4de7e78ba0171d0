"""Anthropic Messages: what a request says, in either of the two versions of the API.

Source: https://platform.claude.com/docs/en/api/messages, August 2026, and .../api/migration-2026-10-21: since then
the official clients name that version and send the key as a Bearer token; `temperature`, `top_p`, `top_k` and citations
in a user's text are errors there. The older version stays as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .checks import NUMBER, Refusal, Rule, exactly, one_of, sole
from .common import (
    COUNT,
    NAME,
    OBJECT,
    OBJECTS,
    STRINGS,
    TOOLS,
    TRUE,
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
from .protocol import Post, Turn

CONTENT = Rule("a string or a list of blocks, at least one", lambda got: NAME.holds(got) or OBJECTS.holds(got))
SHARE = Rule("a number from 0 to 1", lambda got: NUMBER.holds(got) and 0 <= got <= 1)
BLOCKS = {
    "user": one_of(("text", "image", "tool_result")),
    "assistant": one_of(("text", "thinking", "redacted_thinking", "tool_use")),
}
ROLE = one_of(BLOCKS)
OLD, NEW = "2023-06-01", "2026-10-21"
CHOICES = {"auto": "auto", "any": "required", "none": "none"}
KNOWN = {
    "max_tokens": ("max_tokens", COUNT),
    "temperature": ("temperature", SHARE),
    "top_p": ("top_p", SHARE),
    "stop_sequences": ("stop", STRINGS),
}


def read(post: Post) -> Turn:
    """The request in common terms; the top-level `system` is the first message."""
    post.demand_key("x-api-key", "authorization")
    version = sole(post.headers, "anthropic-version")
    one_of((OLD, NEW)).check(400, "header anthropic-version (once)", version)
    data = post.data()
    for name in ("temperature", "top_p", "top_k") if version == NEW else ():
        if name in data:
            raise Refusal(400, f"{name}: expected none as of {NEW}")
    model = need(data, "model", NAME)
    need(data, "max_tokens", COUNT)
    messages: Messages = []
    if system := may(data, "system", CONTENT):
        messages.append(
            {"role": "system", "content": system if isinstance(system, str) else joined(map(_text, system))}
        )
    for number, given in enumerate(need(data, "messages", OBJECTS)):
        if version == NEW and given.get("role") == "user" and _cites(given.get("content")):
            raise Refusal(400, f"messages[{number}].content: expected no citations as of {NEW}")
        _add(messages, given, f"messages[{number}].")
    check_tools(messages)
    need(data, "stream", TRUE)
    return Turn(model=model, messages=messages, options=_options(data), dialect=post.dialect)


def _cites(content: Any) -> bool:
    return OBJECTS.holds(content) and any(block.get("citations") for block in content)


def _text(block: Mapping[str, Any]) -> dict[str, Any]:
    need(block, "type", exactly("text"), "system: ")
    return text_part(need(block, "text", NAME, "system: "))


def _add(messages: Messages, given: Mapping[str, Any], where: str) -> None:
    """Appends a message, or for a user's one with results in it, a message of role tool each and then the rest."""
    role, content = need(given, "role", ROLE, where), need(given, "content", CONTENT, where)
    parts: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
        match need(block, "type", BLOCKS[role], where + "content: "):
            case "text":
                parts.append(text_part(need(block, "text", NAME, where)))
            case "image":
                parts.append(_image(block, where))
            case "tool_use":
                asked = need(block, "name", NAME, where), need(block, "input", OBJECT, where)
                calls.append(tool_call(*asked, need(block, "id", NAME, where)))
            case "tool_result" if parts:
                raise Refusal(400, f"{where}content: expected tool_result blocks before any other")
            case "tool_result":
                messages.append(_result(block, where))
    if role == "assistant":
        messages.append(assistant(joined(parts), calls))
    elif parts:
        messages.append({"role": "user", "content": joined(parts)})


def _image(block: Mapping[str, Any], where: str) -> dict[str, Any]:
    source = need(block, "source", OBJECT, where)
    if need(source, "type", one_of(("base64", "url")), where + "source.") == "url":
        return image_part(need(source, "url", NAME, where + "source."))
    return image_part(data_url(need(source, "media_type", NAME, where), need(source, "data", NAME, where)))


def _result(block: Mapping[str, Any], where: str) -> dict[str, Any]:
    given = may(block, "content", Rule("a string or a list", lambda got: isinstance(got, str | list)), where) or ""
    content = given
    if isinstance(given, list):
        content = joined(_image(b, where) if b.get("type") == "image" else _text(b) for b in given)
    return {"role": "tool", "content": content, "tool_call_id": need(block, "tool_use_id", NAME, where)}


def _options(data: Mapping[str, Any]) -> dict[str, Any]:
    found = options(data, KNOWN)
    if tools := may(data, "tools", TOOLS):
        found["tools"] = [
            function(
                need(tool, "name", NAME, "tools: "),
                tool.get("description"),
                need(tool, "input_schema", OBJECT, "tools: "),
            )
            for tool in tools
            if tool.get("type", "custom") == "custom"
        ]
    if choice := may(data, "tool_choice", OBJECT):
        kind = need(choice, "type", one_of((*CHOICES, "tool")), "tool_choice.")
        found["tool_choice"] = named(need(choice, "name", NAME, "tool_choice.")) if kind == "tool" else CHOICES[kind]
    output = may(data, "output_config", OBJECT) or {}
    if form := may(output, "format", OBJECT, "output_config."):
        schema = need(form, "schema", OBJECT, "output_config.format.")
        found["response_format"] = {"type": "json_schema", "json_schema": {"schema": schema}}
    return found
