"""Anthropic Messages: server-sent events; a `message_stop` completes the reply.

Source: https://platform.claude.com/docs/en/build-with-claude/streaming, types of anthropic-sdk-python (August 2026).
"""

from collections.abc import Iterator, Sequence
from typing import Any

from .._core.conversation import fitted
from .._core.errors import MessagesError
from .._core.events import Finish, Reasoning, Start, Usage
from .._core.messages import Message, arguments, parts, split_data_url, split_system
from .._core.options import as_wire_names, check_tools, non_empty, options_named, required_model, stops, tool_choice
from .._core.provider import JSON, WEB_PAGE_OR_JSON, Call, Provider
from .._core.response.assembly import ToolCalls
from .._core.response.counts import found, merged, usage_of
from .._core.response.framing import ServerSentEvents
from .._core.response.parsers import FrameParser, Items, text_or_error
from .._core.response.reasons import REASONS
from .._core.response.service_errors import displayable_id, reported
from .._core.takes import Takes

# `max_tokens` without the option: the protocol requires a number.
MAX_TOKENS = 8192
# The fields that a tool has in this protocol under the same names.
KEPT = ("name", "strict", "cache_control")
# The protocol's words for the kinds of `tool_choice`.
CHOICES = {"auto": "auto", "none": "none", "required": "any", "function": "tool"}


# The types of anthropic-sdk-python 2.14.0, and the service's own errors (2025-2026): "media_type: Input should be
# 'image/jpeg', 'image/png', 'image/gif' or 'image/webp'", "tool_use.id: String should match pattern
# '^[a-zA-Z0-9_-]+$'", "`tool_use` ids must be unique", "tools.0.custom.name: String should match pattern
# '^[a-zA-Z0-9_-]{1,128}$'".
TAKES = Takes(
    keys=("content.cache_control", "tools.cache_control", "function.strict"),
    images=("image/jpeg", "image/png", "image/gif", "image/webp"),
    call_ids="[a-zA-Z0-9_-]+",
    tool_names="[a-zA-Z0-9_-]{1,128}",
)


def payload(call: Call) -> JSON:
    """`messages` are turns whose content is text or a list of blocks, and `system` holds the system messages.

    Tool calls and their results are blocks.  The service requires `max_tokens`: it is 8192 without the option.
    A text that holds blanks alone is left out, as is an assistant's empty message; a user's raises `MessagesError`.  An
    answer that the model is to go on with loses the blanks at its end.  A message with a `name` raises `MessagesError`.
    """
    system, messages = split_system(list(without_blanks(fitted(call.messages, TAKES))))
    kind, name = tool_choice(call.options, call.extra) or ("", "")
    tools = [{"input_schema": {"type": "object", "properties": {}}, **{key: tool[key] for key in tool if key in KEPT},
              **non_empty(description=tool.get("description"), input_schema=tool.get("parameters"))}
             for tool in check_tools(call.options.get("tools", ()), TAKES)]  # fmt: skip
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
            # A result may be an empty text, but no empty list.
            result[-1]["content"].append(
                {"type": "tool_result", "tool_use_id": message["tool_call_id"], "content": message["content"] or ""}
            )
        else:
            result.append({"role": message["role"], "content": blocks(message)})
        answers_tools = message["role"] == "tool"
    if result[-1]["role"] == "assistant":
        result[-1]["content"] = without_end(result[-1]["content"])
    return result


def blocks(message: Message) -> Any:
    """Return the content of a turn: the text, if the message is nothing but text, else a list of blocks."""
    calls = message.get("tool_calls", ())
    if isinstance(message["content"], str) and not calls:
        return message["content"]
    result: list[dict[str, Any]] = []
    for part in parts(message):
        # A text part has the form of a text block.
        block = dict(part)
        if url := block.pop("image_url", {}).get("url"):
            media, data = split_data_url(url) or ("", "")
            source = {"type": "base64", "media_type": media, "data": data} if media else {"type": "url", "url": url}
            block |= {"type": "image", "source": source}
        result.append(block)
    for call in calls:
        function = call["function"]
        result.append({"type": "tool_use", "id": call["id"], "name": function["name"], "input": arguments(call)})
    return result


def without_blanks(messages: Sequence[Message]) -> Iterator[Message]:
    """Yield the messages without text parts that hold blanks alone, and without an assistant's empty messages.

    400 "messages: text content blocks must contain non-whitespace text" (anthropics/claude-code#59812, May 2026), and
    400 "messages.1: all messages must have non-empty content except for the optional final assistant message".
    Raises `MessagesError` for a user's empty message, and for a `cache_control` that would be left out.
    """
    for number, message in enumerate(messages, 1):
        content = message["content"]
        blank = [part for part in parts(message) if part["type"] == "text" and not part["text"].strip()]
        if any("cache_control" in part for part in blank):
            raise MessagesError(f"message {number} has 'cache_control' on a part without text; put it on another part")
        if blank:
            content = "" if isinstance(content, str) else [part for part in content if part not in blank]
        if message["role"] == "user" and not content:
            raise MessagesError(f"message {number} is empty, which this service refuses; write something into it")
        if message["role"] != "assistant" or content or message.get("tool_calls"):
            yield {**message, "content": content}


def without_end(content: Any) -> Any:
    """Return the content of the last turn without blanks at its end.

    400 "messages: final assistant content cannot end with trailing whitespace".
    """
    if isinstance(content, str):
        return content.rstrip()
    return [*content[:-1], {**content[-1], "text": content[-1]["text"].rstrip()}]


class MessagesReader:
    """Reads the events of one reply.  Unknown events are skipped, as the documentation asks of clients."""

    __slots__ = ("_calls", "_counts", "_stop", "done")
    verbatim = True

    def __init__(self, limit: int) -> None:
        self._calls, self._counts, self._stop, self.done = ToolCalls(limit), dict[str, Any](), "", False

    def read(self, name: str, frame: dict[str, Any]) -> Items:
        kind = frame.get("type") or name
        if kind == "content_block_delta":
            return self._delta(frame.get("index"), frame["delta"])
        if kind == "message_start":
            message = frame["message"]
            return Start(displayable_id(message.get("id")), displayable_id(message.get("model"))), self._count(
                message.get("usage")
            )
        if kind == "content_block_start":
            block, index = frame["content_block"], frame.get("index")
            if block.get("type") != "tool_use":
                # The block may be a `server_tool_use`, a tool that the service runs itself.
                self._calls.skip(index)
                return (text_or_error(block.get("text")),)
            # Some servers send the whole `input` here, and no `input_json_delta`.
            return tuple(self._calls.begin(index, id=block.get("id"), name=block.get("name"), spare=block.get("input")))
        if kind == "content_block_stop":
            return tuple(self._calls.stop(frame.get("index")))
        if kind == "message_delta":
            self._stop = frame["delta"].get("stop_reason") or self._stop
            return (self._count(frame.get("usage")),)
        if kind == "message_stop":
            self.done = True
            reason = self._calls.reason(REASONS.get(self._stop, "other"))
            return *self._calls.whole(), Finish(reason, self._stop or None)
        # An error comes as an event of that type or name, or as a field of any other event.
        failed = "error" in (kind, name, *frame)
        return (reported(frame if frame.get("error") else {"error": frame}),) if failed else ()

    def _delta(self, index: object, delta: dict[str, Any]) -> Items:
        """Return the text, reasoning or piece of a tool call in a `content_block_delta`."""
        kind = delta.get("type")
        if kind == "text_delta":
            return (text_or_error(delta["text"]),)
        if kind == "thinking_delta":
            return (Reasoning(text_or_error(delta["thinking"])),)
        if kind == "input_json_delta":
            return tuple(self._calls.add(index, arguments=delta["partial_json"]))
        return ()

    def _count(self, usage: object) -> Usage | None:
        """Return the tokens so far.  `usage` is cumulative: each event repeats some counts with higher numbers."""
        if not usage or not isinstance(usage, dict):
            return None
        self._counts = counts = merged(self._counts, usage)
        # `input_tokens` leaves out the tokens that were written to the cache or read from it.
        names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
        prompt = [count for count in (found(counts, name) for name in names) if count is not None]
        return usage_of(counts, sum(prompt) if prompt else None, found(counts, "output_tokens"))

    def end(self, *, marked: bool) -> Items:  # noqa: ARG002 - only message_stop ends a reply
        return ()


def parser(limit: int) -> FrameParser:
    """Anthropic Messages: server-sent events, each with the name that its JSON has as `type`.

    `content_block_delta` holds text, reasoning or a piece of a tool call; `message_delta` holds the token counts;
    `error` raises; `message_stop` completes the reply.  Events with other names are skipped.
    """
    return FrameParser(ServerSentEvents(limit), MessagesReader(limit), "an event")


HEADERS = {"content-type": "application/json", "accept": "text/event-stream", "x-api-key": "{api_key}"}
ANTHROPIC = Provider(
    name="anthropic", base_url="https://api.anthropic.com", url="{base_url}/v1/messages", payload=payload,
    headers={**HEADERS, "anthropic-version": "2023-06-01"}, parser=parser, end="marker", error_types=WEB_PAGE_OR_JSON,
    options=options_named("temperature", "max_tokens", "top_p", "stop", "tools", "tool_choice"),
    key_variables=("ANTHROPIC_API_KEY",), base_url_variables=("ANTHROPIC_BASE_URL",),
)  # fmt: skip
