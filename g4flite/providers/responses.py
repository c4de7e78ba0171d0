"""OpenAI Responses: server-sent events; `response.completed` or `response.incomplete` completes the reply.

The documentation shows an `error` event with the fields of the error in it.  The events that the service sends hold the
error as an object `error` (recorded, August 2026).  The parser reads both.
Source: https://platform.openai.com/docs/api-reference/responses-streaming (August 2026).
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from .._core.conversation import fitted
from .._core.events import Finish, Reasoning, Start
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
from .._core.response.counts import found, merged, usage_of
from .._core.response.framing import ServerSentEvents
from .._core.response.parsers import FrameParser, Items, refusal, text_or_error
from .._core.response.reasons import REASONS
from .._core.response.service_errors import displayable_id, reported
from .openai import OPENAI
from .openai import TAKES as CHAT_TAKES

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

    __slots__ = ("_asides", "_calls", "_refusal", "done")
    verbatim = True

    def __init__(self, limit: int) -> None:
        self._calls, self._refusal, self.done = ToolCalls(limit), list[str](), False
        # The output indices of messages that are a commentary and no answer (lm15-contract's recordings, 2026).
        self._asides: set[object] = set()

    def read(self, name: str, frame: dict[str, Any]) -> Items:
        kind = frame.get("type") or name
        if kind == "response.output_text.delta":
            text = text_or_error(frame["delta"])
            return (Reasoning(text) if self._asides and frame.get("output_index") in self._asides else text,)
        if kind in REASONING:
            return (Reasoning(text_or_error(frame["delta"])),)
        if kind == "response.refusal.delta":
            self._refusal.append(text_or_error(frame["delta"]))
        elif kind == "response.created":
            return (Start(displayable_id(frame["response"].get("id")), displayable_id(frame["response"].get("model"))),)
        elif kind == "response.output_item.added":
            return tuple(self._added(frame.get("output_index"), frame["item"]))
        elif kind == "response.function_call_arguments.delta":
            return tuple(self._calls.add(frame.get("item_id"), frame.get("output_index"), arguments=frame["delta"]))
        elif kind == "response.function_call_arguments.done":
            slots = frame.get("item_id"), frame.get("output_index")
            return tuple(self._calls.settle(*slots, arguments=frame.get("arguments")))
        elif kind == "response.output_item.done" and frame["item"].get("type") == "function_call":
            return tuple(self._done(frame.get("output_index"), frame["item"]))
        elif kind in ("response.completed", "response.incomplete"):
            return tuple(self._finish(frame["response"]))
        elif kind == "response.failed":
            return (reported({"error": frame["response"].get("error") or "the response failed"}),)
        elif kind == "error" or frame.get("error"):
            return (reported(frame if frame.get("error") else {"error": frame}),)
        return ()

    def _added(self, index: object, item: dict[str, Any]) -> Items:
        """Yield the beginning of a tool call, and note whether a message is a commentary."""
        if item.get("type") == "function_call":
            # Some servers send all arguments here, and again later.
            whole = item.get("arguments")
            yield from self._calls.begin(
                item.get("id"), index, id=item.get("call_id"), name=item.get("name"), spare=whole
            )
        elif item.get("phase") == "commentary":
            self._asides.add(index)
        else:
            self._asides.discard(index)

    def _done(self, index: object, item: dict[str, Any]) -> Items:
        """Yield the tool call that is complete.  Some servers send the call here alone."""
        slots, name = (item.get("id"), index), item.get("name")
        yield from self._calls.settle(*slots, id=item.get("call_id"), name=name, arguments=item.get("arguments"))
        yield from self._calls.stop(*slots)

    def _finish(self, response: dict[str, Any]) -> Items:
        """Yield the end of the answer: tool calls that are still open, token counts, the finish reason, a refusal."""
        self.done = True
        native = (response.get("incomplete_details") or {}).get("reason") or response.get("status")
        # Some servers send the calls here alone.
        for index, item in enumerate(() if self._calls.begun else response.get("output") or ()):
            if item.get("type") == "function_call":
                yield from self._done(index, item)
        yield from self._calls.whole()
        if usage := response.get("usage"):
            counts = merged({}, usage)
            prompt, answer, total = (found(counts, f"{name}_tokens") for name in ("input", "output", "total"))
            yield usage_of(counts, prompt, answer, total=total)
        yield Finish(self._calls.reason(REASONS.get(native or "completed", "other")), native)
        yield refusal("".join(self._refusal)) if self._refusal else None

    def end(self, *, marked: bool) -> Items:  # noqa: ARG002 - OpenRouter adds a [DONE], which has no meaning here
        return ()


def parser(limit: int) -> FrameParser:
    """OpenAI Responses: server-sent events, each with the name that its JSON has as `type`.

    `response.output_text.delta` is text, or reasoning if its message has the phase `commentary`;
    `response.reasoning_summary_text.delta` and `response.reasoning_text.delta` are reasoning,
    `response.function_call_arguments.delta` is a piece of a tool call; `error` and `response.failed` raise.
    `response.completed` or `response.incomplete` holds the token counts and completes the reply.  Events with other
    names are skipped.
    """
    return FrameParser(ServerSentEvents(limit), ResponsesReader(limit), "an event")


OPENAI_RESPONSES = replace(
    OPENAI,
    name="openai-responses",
    url="{base_url}/responses",
    payload=payload,
    parser=parser,
    options=options_named("temperature", "max_tokens", "top_p", "tools", "tool_choice", "response_format"),
)
