"""OpenAI Responses: server-sent events; `response.completed` or `response.incomplete` completes the reply.

The documentation shows an `error` event with the fields of the error in it.  The events that the service sends hold the
error as an object `error` (recorded, August 2026).  The parser reads both.
Source: https://platform.openai.com/docs/api-reference/responses-streaming (August 2026).
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from .._core.conversation import fitted
from .._core.events import Finish, FinishReason, Reasoning, Start, Usage
from .._core.messages import Message, parts
from .._core.options import (
    as_wire_names,
    check_name,
    check_tools,
    non_empty,
    options_named,
    required_model,
    schema,
    tool_choice,
)
from .._core.provider import JSON, Call
from .._core.response.assembly import ToolCalls
from .._core.response.framing import ServerSentEvents
from .._core.response.parsers import FrameParser, Items, count_or_none, refusal, text_or_error
from .._core.response.service_errors import displayable_id, reported
from .openai import OPENAI
from .openai import TAKES as CHAT_TAKES

REASONS: dict[str, FinishReason] = {"max_output_tokens": "length", "content_filter": "content_filter"}
# The types of events with a piece of the reasoning.
REASONING = ("response.reasoning_summary_text.delta", "response.reasoning_text.delta")
# As in Chat Completions, but 400 "Invalid 'input[2].call_id': string too long. Expected a string with maximum length
# 64" (openclaw/openclaw#10640); the types of openai-python 3.57.0 have no name of a speaker.
TAKES = replace(
    CHAT_TAKES,
    keys=("phase", "content.prompt_cache_breakpoint", "image_url.detail", "function.strict"),
    call_ids=".{1,64}",
    empty_answers=False,
)


def payload(call: Call) -> JSON:
    """`input` holds an item for each message, tool call and tool result.

    `tools` are the functions, without the object `function` around each.
    A message with a `name` raises `MessagesError`.
    """
    (kind, name), wanted = tool_choice(call.options, call.extra) or ("", ""), schema(call.options)
    tools = [
        {"type": "function", "strict": False, **tool} for tool in check_tools(call.options.get("tools", ()), TAKES)
    ]
    if wanted:
        check_name("response_format=", str(wanted["name"]), TAKES)
    form = None if wanted is None else {"type": "json_schema", **wanted} if wanted else {"type": "json_object"}
    return (
        {
            "model": required_model(call.model),
            "input": [item for m in fitted(call.messages, TAKES) for item in items(m)],
            "stream": True,
        }
        | as_wire_names(call.options, max_tokens="max_output_tokens", temperature="temperature", top_p="top_p")
        | non_empty(tools=tools, tool_choice={"type": "function", "name": name} if name else kind)
        | non_empty(text=non_empty(format=form))
    )


def items(message: Message) -> Iterator[dict[str, Any]]:
    """Yield the items of one message: its content, and each of its tool calls."""
    answer = message["role"] == "assistant"
    content = [item(part, "output_text" if answer else "input_text") for part in parts(message)]
    if message["role"] == "tool":
        output = content if isinstance(message["content"], list) else message["content"]
        yield {"type": "function_call_output", "call_id": message["tool_call_id"], "output": output}
        return
    if content or not answer:
        yield {"role": message["role"], "content": content or ""} | non_empty(phase=message.get("phase"))
    for call in message.get("tool_calls", ()):
        function = call["function"]
        yield {"type": "function_call", "call_id": call["id"], "name": function["name"],
               "arguments": function["arguments"]}  # fmt: skip


def item(part: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return one part of a content in the protocol's form; `kind` is the type of a part that is text."""
    if part["type"] == "text":
        return {**part, "type": kind}
    image = part["image_url"]
    return {**part, "type": "input_image", "image_url": image["url"], "detail": image.get("detail", "auto")}


class ResponsesReader:
    """Reads the events of one reply.  Events of other types are skipped; the protocol has more than fifty types."""

    __slots__ = ("_called", "_calls", "_refusal", "done")
    verbatim = True

    def __init__(self) -> None:
        self._calls, self._refusal = ToolCalls(), list[str]()
        self._called = self.done = False

    def read(self, name: str, frame: dict[str, Any]) -> Items:
        kind = frame.get("type") or name
        if kind == "response.output_text.delta":
            return (text_or_error(frame["delta"]),)
        if kind in REASONING:
            return (Reasoning(text_or_error(frame["delta"])),)
        if kind == "response.refusal.delta":
            self._refusal.append(text_or_error(frame["delta"]))
        elif kind == "response.created":
            return (Start(displayable_id(frame["response"].get("id")), displayable_id(frame["response"].get("model"))),)
        elif kind == "response.output_item.added" and frame["item"].get("type") == "function_call":
            item, self._called = frame["item"], True
            return (self._calls.add(frame["output_index"], id=item["call_id"], name=item["name"]),)
        elif kind == "response.function_call_arguments.delta":
            return (self._calls.add(frame["output_index"], text=text_or_error(frame["delta"])),)
        elif kind == "response.output_item.done" and frame["item"].get("type") == "function_call":
            return tuple(self._done(frame["output_index"], frame["item"]))
        elif kind in ("response.completed", "response.incomplete"):
            return tuple(self._finish(frame["response"]))
        elif kind == "response.failed":
            return (reported({"error": frame["response"].get("error") or "the response failed"}),)
        elif kind == "error" or frame.get("error"):
            return (reported(frame if frame.get("error") else {"error": frame}),)
        return ()

    def _done(self, key: object, item: dict[str, Any]) -> Items:
        """Yield the tool call that is complete."""
        # Some servers send the call at once, without `response.function_call_arguments.delta`.
        if not self._calls.arguments(key):
            self._called = True
            yield self._calls.add(key, id=item["call_id"], name=item["name"], text=text_or_error(item.get("arguments")))
        yield from self._calls.whole(key)

    def _finish(self, response: dict[str, Any]) -> Items:
        """Yield the end of the answer: tool calls that are still open, token counts, the finish reason, a refusal."""
        self.done = True
        native = (response.get("incomplete_details") or {}).get("reason") or response.get("status")
        yield from self._calls.whole()
        if usage := response.get("usage"):
            details = usage.get("output_tokens_details") or {}
            prompt, answer = count_or_none(usage.get("input_tokens")), count_or_none(usage.get("output_tokens"))
            yield Usage(
                prompt,
                answer,
                count_or_none(details.get("reasoning_tokens")),
                count_or_none(usage.get("total_tokens")),
                raw=usage,
            )
        # The service's word is "completed" after a tool call, too.
        complete: FinishReason = "tool_calls" if self._called else "stop"
        yield Finish(complete if native in (None, "completed") else REASONS.get(native, "other"), native)
        yield refusal("".join(self._refusal)) if self._refusal else None

    def end(self, *, marked: bool) -> Items:  # noqa: ARG002 - OpenRouter adds a [DONE], which has no meaning here
        return ()


def parser(limit: int) -> FrameParser:
    """OpenAI Responses: server-sent events, each with the name that its JSON has as `type`.

    `response.output_text.delta` is text, `response.reasoning_summary_text.delta` and `response.reasoning_text.delta`
    are reasoning, `response.function_call_arguments.delta` is a piece of a tool call; `error` and `response.failed`
    raise.  `response.completed` or `response.incomplete` holds the token counts and completes the reply.  Events with
    other names are skipped.
    """
    return FrameParser(ServerSentEvents(limit), ResponsesReader(), "an event")


OPENAI_RESPONSES = replace(
    OPENAI,
    name="openai-responses",
    url="{base_url}/responses",
    payload=payload,
    parser=parser,
    options=options_named("temperature", "max_tokens", "top_p", "tools", "tool_choice", "response_format"),
)
