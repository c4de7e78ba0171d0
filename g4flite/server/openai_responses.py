"""OpenAI Responses: what a request says.

Source: https://platform.openai.com/docs/api-reference/responses, August 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import openai_errors as _chat_faults
from .checks import NUMBER, TEXT, Rule, one_of
from .common import (
    CHOICE,
    COUNT,
    NAME,
    OBJECT,
    OBJECTS,
    TOOLS,
    TRUE,
    assistant,
    check_tools,
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
from .openai_chat import CHAT
from .openai_responses_events import write
from .protocol import Post, Protocol, Turn

INPUT = Rule("a string or a list of items, at least one", lambda got: isinstance(got, str) or OBJECTS.holds(got))
ROLE = one_of(("system", "developer", "user", "assistant"))
ITEM = one_of(("message", "function_call", "function_call_output", "reasoning"))
KNOWN = {"temperature": ("temperature", NUMBER), "max_output_tokens": ("max_tokens", COUNT), "top_p": ("top_p", NUMBER)}


def read(post: Post) -> Turn:
    """The request in common terms; the instructions are the first message, of role system."""
    post.demand_key(*(("api-key",) if post.dialect == "azure" else ()), "authorization")
    data = post.data()
    model = need(data, "model", NAME)
    given = need(data, "input", INPUT)
    instructions = may(data, "instructions", TEXT)
    messages: Messages = [{"role": "system", "content": instructions}] if instructions else []
    for number, item in enumerate([{"role": "user", "content": given}] if isinstance(given, str) else given):
        _add(messages, item, f"input[{number}].")
    check_tools(messages)
    need(data, "stream", TRUE)
    return Turn(model=model, messages=messages, options=_options(data), dialect=post.dialect)


def _add(messages: Messages, item: Mapping[str, Any], where: str) -> None:
    """Appends an item; a function call joins the assistant's message before it."""
    match need({"type": "message", **item}, "type", ITEM, where):
        case "message":
            role = need(item, "role", ROLE, where)
            given = need(item, "content", INPUT, where)
            kinds = ("output_text",) if role == "assistant" else ("input_text", "input_image")
            content = given if isinstance(given, str) else joined(_part(part, kinds, where) for part in given)
            messages.append({"role": role, "content": content})
        case "function_call":
            call = tool_call(
                need(item, "name", NAME, where),
                need(item, "arguments", TEXT, where),
                need(item, "call_id", NAME, where),
            )
            before = messages.pop() if messages and messages[-1]["role"] == "assistant" else {}
            messages.append(assistant(before.get("content"), [*before.get("tool_calls", []), call]))
        case "function_call_output":
            given = need(item, "output", INPUT, where)
            output = (
                given
                if isinstance(given, str)
                else joined(_part(p, ("input_text", "input_image"), where) for p in given)
            )
            messages.append({"role": "tool", "content": output, "tool_call_id": need(item, "call_id", NAME, where)})


def _part(given: Mapping[str, Any], kinds: tuple[str, ...], where: str) -> dict[str, Any]:
    if need(given, "type", one_of(kinds), where + "content: ") == "input_image":
        return image_part(need(given, "image_url", NAME, where), given.get("detail"))
    return text_part(need(given, "text", TEXT, where))


def _options(data: Mapping[str, Any]) -> dict[str, Any]:
    found = options(data, KNOWN)
    if tools := may(data, "tools", TOOLS):
        asked = [tool for tool in tools if need(tool, "type", TEXT, "tools: ") == "function"]
        found["tools"] = [
            function(
                need(tool, "name", NAME, "tools: "), tool.get("description"), may(tool, "parameters", OBJECT, "tools: ")
            )
            for tool in asked
        ]
    if choice := may(data, "tool_choice", CHOICE):
        found["tool_choice"] = named(choice["name"]) if isinstance(choice, dict) and "name" in choice else choice
    text = may(data, "text", OBJECT) or {}
    form = may(text, "format", OBJECT, "text.") or {}
    if form.get("type") == "json_schema":
        schema = {name: value for name, value in form.items() if name != "type"}
        found["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif form:
        found["response_format"] = form
    return found


RESPONSES = Protocol(
    name="responses",
    path=r"(/.*)?/responses",
    shown="/v1/responses",
    read=read,
    write=write,
    fault=_chat_faults.fault,
    head=CHAT.head,
)
