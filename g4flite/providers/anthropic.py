"""Anthropic Messages: server-sent events; a `message_stop` completes the reply.

Source: https://platform.claude.com/docs/en/build-with-claude/streaming, types of anthropic-sdk-python (August 2026).
"""

import json
from collections.abc import Sequence
from typing import Any

from .._core.events import Finish, FinishReason, Reasoning, Start, Usage
from .._core.messages import Message, arguments, parts, split_data_url, split_system
from .._core.options import as_wire_names, check_tools, non_empty, options_named, required_model, stops, tool_choice
from .._core.provider import JSON, WEB_PAGE_OR_JSON, Call, Provider
from .._core.response.assembly import ToolCalls
from .._core.response.framing import ServerSentEvents
from .._core.response.parsers import FrameParser, Items, count_or_none, text_or_error
from .._core.response.service_errors import displayable_id, reported

# `max_tokens` without the option: the protocol requires a number.
MAX_TOKENS = 8192
REASONS: dict[str, FinishReason] = {
    "end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "model_context_window_exceeded": "length",
    "tool_use": "tool_calls", "refusal": "content_filter",
}  # fmt: skip
# The protocol's words for the kinds of `tool_choice`.
CHOICES = {"auto": "auto", "none": "none", "required": "any", "function": "tool"}


def payload(call: Call) -> JSON:
    """`messages` are turns whose content is text or a list of blocks, and `system` holds the system messages.

    Tool calls and their results are blocks.  The service requires `max_tokens`: it is 8192 without the option.
    A message with a `name` raises `MessagesError`.
    """
    system, messages = split_system(call.messages)
    kind, name = tool_choice(call.options) or ("", "")
    tools = [{"input_schema": {"type": "object", "properties": {}}, "name": tool["name"],
              **non_empty(description=tool.get("description"), input_schema=tool.get("parameters"))}
             for tool in check_tools(call.options.get("tools", ()))]  # fmt: skip
    return (
        {"model": required_model(call.model), "max_tokens": MAX_TOKENS, "messages": turns(messages), "stream": True}
        | as_wire_names(call.options, max_tokens="max_tokens", temperature="temperature", top_p="top_p")
        | non_empty(system=system, stop_sequences=stops(call.options), tools=tools)
        | non_empty(tool_choice=non_empty(type=CHOICES.get(kind), name=name))
    )


def turns(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return the messages in the protocol's form.  Tool results that follow one another are one turn of the user."""
    result: list[dict[str, Any]] = []
    # Whether the last turn holds tool results.
    answers_tools = False
    for message in messages:
        if message["role"] == "tool":
            if not answers_tools:
                result.append({"role": "user", "content": []})
            result[-1]["content"].append(
                {"type": "tool_result", "tool_use_id": message["tool_call_id"], "content": message["content"]}
            )
        else:
            result.append({"role": message["role"], "content": blocks(message)})
        answers_tools = message["role"] == "tool"
    return result


def blocks(message: Message) -> Any:
    """Return the content of a turn: the text, if the message is nothing but text, else a list of blocks."""
    calls = message.get("tool_calls", ())
    if isinstance(message["content"], str) and not calls:
        return message["content"]
    result: list[dict[str, Any]] = []
    for part in parts(message):
        url = part["image_url"]["url"] if part["type"] == "image_url" else ""
        media, data = split_data_url(url) or ("", "")
        source = {"type": "base64", "media_type": media, "data": data} if media else {"type": "url", "url": url}
        # A text part has the form of a text block.
        result.append({"type": "image", "source": source} if url else part)
    for call in calls:
        function = call["function"]
        result.append({"type": "tool_use", "id": call["id"], "name": function["name"], "input": arguments(call)})
    return result


class MessagesReader:
    """Reads the events of one reply.  Unknown events are skipped, as the documentation asks of clients."""

    __slots__ = ("_calls", "_input", "_stop", "_usage", "done")
    verbatim = True

    def __init__(self) -> None:
        self._calls, self._usage, self._stop, self.done = ToolCalls(), dict[str, Any](), "", False
        # The `input` of the block that began last.
        self._input: object = None

    def read(self, name: str, frame: dict[str, Any]) -> Items:
        kind = frame.get("type") or name
        if kind == "content_block_delta":
            return self._delta(frame["index"], frame["delta"])
        if kind == "message_start":
            message = frame["message"]
            return Start(displayable_id(message.get("id")), displayable_id(message.get("model"))), self._count(
                message.get("usage")
            )
        if kind == "content_block_start":
            block, self._input = frame["content_block"], frame["content_block"].get("input")
            if block.get("type") != "tool_use":
                return (text_or_error(block.get("text")),)
            return (self._calls.add(frame["index"], id=block["id"], name=block["name"]),)
        if kind == "content_block_stop":
            return tuple(self._stopped(frame["index"]))
        if kind == "message_delta":
            self._stop = frame["delta"].get("stop_reason") or self._stop
            return (self._count(frame.get("usage")),)
        if kind == "message_stop":
            self.done = True
            return *self._calls.whole(), Finish(REASONS.get(self._stop, "other"), self._stop or None)
        # An error comes as an event of that type or name, or as a field of any other event.
        failed = "error" in (kind, name, *frame)
        return (reported(frame if frame.get("error") else {"error": frame}),) if failed else ()

    def _stopped(self, index: int) -> Items:
        """Yield the tool call whose block ends, if the block is a tool call."""
        # Some servers send the whole `input` with the start of the block, and no `input_json_delta`.
        if index in self._calls and self._input and not self._calls.arguments(index):
            yield self._calls.add(index, text=json.dumps(self._input))
        yield from self._calls.whole(index)

    def _delta(self, index: int, delta: dict[str, Any]) -> Items:
        """Return the text, reasoning or piece of a tool call in a `content_block_delta`."""
        kind = delta.get("type")
        if kind == "text_delta":
            return (text_or_error(delta["text"]),)
        if kind == "thinking_delta":
            return (Reasoning(text_or_error(delta["thinking"])),)
        # The block may also be a `server_tool_use`, a tool that the service runs itself: its call is not the caller's.
        if kind == "input_json_delta" and index in self._calls:
            return (self._calls.add(index, text=text_or_error(delta["partial_json"])),)
        return ()

    def _count(self, usage: dict[str, Any] | None) -> Usage | None:
        """Return the tokens so far.  `usage` is cumulative: each event repeats some counts with higher numbers."""
        if usage is None:
            return None
        self._usage |= {name: count for name, count in usage.items() if count is not None}
        # `input_tokens` leaves out the tokens that were written to the cache or read from it.
        names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
        prompt = sum(count_or_none(self._usage.get(name)) or 0 for name in names)
        answer = count_or_none(self._usage.get("output_tokens")) or 0
        return Usage(prompt, answer, None, prompt + answer, raw=dict(self._usage))

    def end(self, *, marked: bool) -> Items:  # noqa: ARG002 - only message_stop ends a reply
        return ()


def parser(limit: int) -> FrameParser:
    """Anthropic Messages: server-sent events, each with the name that its JSON has as `type`.

    `content_block_delta` holds text, reasoning or a piece of a tool call; `message_delta` holds the token counts;
    `error` raises; `message_stop` completes the reply.  Events with other names are skipped.
    """
    return FrameParser(ServerSentEvents(limit), MessagesReader(), "an event")


HEADERS = {"content-type": "application/json", "accept": "text/event-stream", "x-api-key": "{api_key}"}
ANTHROPIC = Provider(
    name="anthropic", base_url="https://api.anthropic.com", url="{base_url}/v1/messages", payload=payload,
    headers={**HEADERS, "anthropic-version": "2023-06-01"}, parser=parser, end="marker", error_types=WEB_PAGE_OR_JSON,
    options=options_named("temperature", "max_tokens", "top_p", "stop", "tools", "tool_choice"),
    key_variables=("ANTHROPIC_API_KEY",), base_url_variables=("ANTHROPIC_BASE_URL",),
)  # fmt: skip
