"""OpenAI Responses: server-sent events; `response.completed` or `response.incomplete` completes the reply.

The documentation shows an `error` event with the fields of the error in it.  The events that the service sends hold the
error as an object `error` (recorded, August 2026).  The parser reads both.
Source: https://platform.openai.com/docs/api-reference/responses-streaming (August 2026).
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from .._core.conversation import fitted
from .._core.errors import LimitError
from .._core.events import Finish, Native, Reasoning
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
from .._core.response.assembly import ToolCalls, place_of
from .._core.response.counts import found, merged, usage_of
from .._core.response.fields import Naming, as_object, reasoning_of
from .._core.response.framing import ServerSentEvents
from .._core.response.parsers import FrameParser, Items, refusal, text_or_error
from .._core.response.reasons import REASONS
from .._core.response.service_errors import KEPT, reported
from .openai import OPENAI
from .openai import TAKES as CHAT_TAKES

# The types of events with a piece of the reasoning, with a piece of audio, and with the head of the response.
REASONING = ("response.reasoning_summary_text.delta", "response.reasoning_text.delta")
AUDIO = ("response.audio.delta", "response.audio.transcript.delta")
STARTS = ("response.created", "response.queued", "response.in_progress")
# The kinds of content that the parts of a message hold.
PARTS = {"output_text": "text", "text": "text", "refusal": "refusal"}
# How many places of content are remembered: four for each part of a reply.
MOST_PLACES = 2**16
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
    """Reads the events of one reply.  Events of other types are skipped; the protocol has more than fifty types.

    Some servers send no deltas.  Then the text stands in `response.output_text.done`, in the item of
    `response.output_item.done`, or only in the `output` of `response.completed`; so do the reasoning and a refusal.
    What has come in one of these events is not taken from a later one.
    """

    __slots__ = ("_asides", "_calls", "_given", "_items", "_naming", "_new_part", "_refusal", "_thought", "done")
    names = (
        *(f"response.{name}" for name in (
            "output_text.delta", "output_text.done", "refusal.delta", "refusal.done", "output_item.added",
            "output_item.done", "function_call_arguments.delta", "function_call_arguments.done", "completed",
            "incomplete", "failed")),
    )  # fmt: skip
    verbatim = True

    def __init__(self, limit: int) -> None:
        self._calls, self._naming = ToolCalls(limit), Naming()
        # The output indices of messages that are a commentary and no answer (lm15-contract's recordings, 2026).
        self._asides: set[object] = set()
        # The words of a refusal, as many as its error keeps.
        self._refusal = ""
        # What was given out: the kind of the content with its item and part, with its item, and alone.
        self._given = set[tuple[object, ...]]()
        # The item and part of the last reasoning, None if none came; and whether a part of a summary has begun since.
        self._thought: tuple[object, object] | None = None
        self._new_part = False
        # Whether an item has come whole, so that `response.completed` repeats the items.
        self._items = self.done = False

    def read(self, name: str, frame: dict[str, Any]) -> Items:
        kind = frame.get("type") or name
        if kind == "response.output_text.delta":
            place = "text", place_of(frame.get("output_index")), place_of(frame.get("content_index", 0))
            if place not in self._given:
                self._give(*place, frame.get("item_id"))
            text = text_or_error(frame["delta"])
            return (Reasoning(text) if self._asides and place[1] in self._asides else text,)
        # What follows comes once in a part, an item or a reply.
        return tuple(self._read(kind, name, frame))

    def _read(self, kind: object, name: str, frame: dict[str, Any]) -> Items:
        """Yield the items of an event of this `kind` and this name."""
        index = place_of(frame.get("output_index"))
        if len(self._asides) > MOST_PLACES:
            raise LimitError(f"the messages of the reply are more than {MOST_PLACES}")
        if kind in REASONING:
            yield from self._think(
                index, place_of(frame.get("summary_index", frame.get("content_index", 0))), frame.get("delta")
            )
            self._give("reasoning", index, 0, frame.get("item_id"))
        elif kind == "response.reasoning_summary_part.added":
            self._new_part = True
        elif kind == "response.refusal.delta":
            self._give("refusal", index, place_of(frame.get("content_index", 0)), frame.get("item_id"))
            self._refuse(frame["delta"])
        elif kind in ("response.output_text.done", "response.refusal.done"):
            part = {**frame, "type": kind.removeprefix("response.").removesuffix(".done")}
            yield from self._part(index, place_of(frame.get("content_index", 0)), frame.get("item_id"), part)
        elif kind == "response.output_text.annotation.added" or kind in AUDIO:
            # The annotation alone; an audio delta is whole.
            yield Native(str(kind).removeprefix("response."), frame.get("annotation", frame))
        elif kind in STARTS:
            response = as_object(frame.get("response"))
            yield self._naming.learn(response.get("id"), response.get("model"))
        elif kind == "response.output_item.added":
            yield from self._added(index, frame["item"])
        elif kind == "response.function_call_arguments.delta":
            yield from self._calls.add(frame.get("item_id"), index, arguments=frame["delta"])
        elif kind == "response.function_call_arguments.done":
            yield from self._calls.settle(frame.get("item_id"), index, arguments=frame.get("arguments"))
        elif kind == "response.output_item.done":
            self._items = True
            yield from self._item(index, frame["item"])
        elif kind in ("response.completed", "response.incomplete"):
            yield from self._finish(frame["response"])
        elif kind == "response.failed":
            yield reported({"error": as_object(frame.get("response")).get("error") or "the response failed"})
        elif kind == "error" or name == "error" or frame.get("error"):
            yield reported(frame if frame.get("error") else {"error": frame})

    def _give(self, kind: str, index: object, part: object, item_id: object) -> None:
        """Note that content of this kind was given out.  Only a few parts of a reply are so many that they count."""
        self._given |= {(kind, index, part), (kind, index), (kind,)}
        if isinstance(item_id, str):
            # The hash takes less memory.
            self._given.add((kind, "id", hash(item_id)))
        if len(self._given) > MOST_PLACES:
            raise LimitError(f"the parts of the reply are more than {MOST_PLACES // 4}")

    def _is_given(self, kind: str, *place: object, item_id: object = None) -> bool:
        """Return whether content of this kind was given out for an item, or a part of it.

        `place` is the index of the item, and that of the part.  Servers leave out an index or an id, in the deltas or
        in the item.
        """
        known = {(kind, *place), (kind, None, *place[1:]), (kind, "id", hash(item_id))}
        return not known.isdisjoint(self._given) or (place[0] is None and (kind,) in self._given)

    def _item(self, index: object, item: dict[str, Any]) -> Items:
        """Yield what is new in an output item that is complete."""
        kind, item_id = item.get("type"), item.get("id")
        if kind == "function_call":
            yield from self._done(index, item)
        elif kind == "message":
            if item.get("phase") == "commentary":
                self._asides.add(index)
            known = [name for name in ("text", "refusal") if self._is_given(name, index, item_id=item_id)]
            for number, part in enumerate(item.get("content") or ()):
                if PARTS.get(part.get("type")) not in known:
                    yield from self._part(index, number, None, part)
        elif kind == "reasoning":
            if not self._is_given("reasoning", index, item_id=item_id):
                for number, part in enumerate(item.get("summary") or item.get("content") or ()):
                    yield from self._think(index, number, part)
                    self._give("reasoning", index, 0, item_id)
        else:
            yield Native(str(kind), item)

    def _part(self, index: object, number: object, item_id: object, part: dict[str, Any]) -> Items:
        """Yield the content of a part of a message, unless its deltas came."""
        kind = PARTS.get(part.get("type", ""))
        if kind is None:
            yield Native(str(part.get("type")), part)
        elif not self._is_given(kind, index, number):
            self._give(kind, index, number, item_id)
            if kind == "text":
                text = text_or_error(part["text"])
                yield Reasoning(text) if index in self._asides else text
            else:
                self._refuse(part["refusal"])

    def _think(self, index: object, number: object, said: object) -> Items:
        """Yield a piece of reasoning.  A blank line separates it from the part or the item before.

        Source: goai#125, July 2026: without it, the headings of a summary run into the text before.
        """
        for piece in reasoning_of(said):
            apart = self._thought is not None and (self._new_part or self._thought != (index, number))
            self._thought, self._new_part = (index, number), False
            yield Reasoning(f"\n\n{piece.text}") if apart and isinstance(piece, Reasoning) else piece

    def _refuse(self, words: object) -> None:
        self._refusal = (self._refusal + text_or_error(words))[:KEPT]

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
        """Yield the end of the answer: what is new in the response, token counts, the finish reason, a refusal."""
        self.done = True
        # llama.cpp and LiteLLM name the model here.
        if response.get("model"):
            yield self._naming.learn(response.get("id"), response.get("model"))
        # The numbers and ids of these items may be others than those in the deltas.  So they count by their kinds, each
        # of which has come in full or not at all.
        kinds = [kind for kind in ("text", "refusal", "reasoning") if (kind,) in self._given]
        kinds += ["function_call"] if self._calls.begun else []
        for number, item in enumerate(response.get("output") or ()):
            kind, place = item.get("type"), ("completed", number)
            if kind == "message":
                found_before = [*kinds, *([None] if self._items else [])]
                content = [
                    part for part in item.get("content") or () if PARTS.get(part.get("type")) not in found_before
                ]
                yield from self._item(place, {**item, "content": content})
            elif kind not in kinds and (kind in ("reasoning", "function_call") or not self._items):
                yield from self._item(place, item)
        native = as_object(response.get("incomplete_details")).get("reason") or response.get("status")
        yield from self._calls.whole()
        counts = merged({}, response.get("usage"))
        prompt, answer, total = (found(counts, f"{name}_tokens") for name in ("input", "output", "total"))
        yield usage_of(counts, prompt, answer, total=total)
        yield Finish(self._calls.reason(REASONS.get(native or "completed", "other")), native)
        yield refusal(self._refusal) if self._refusal else None

    def end(self, *, marked: bool) -> Items:  # noqa: ARG002 - OpenRouter adds a [DONE], which has no meaning here
        return ()


def parser(limit: int) -> FrameParser:
    """OpenAI Responses: server-sent events, each with the name that its JSON has as `type`.

    `response.output_text.delta` is text, or reasoning if its message has the phase `commentary`;
    `response.reasoning_summary_text.delta` and `response.reasoning_text.delta` are reasoning,
    `response.function_call_arguments.delta` is a piece of a tool call; `error` and `response.failed` raise.
    `response.completed` or `response.incomplete` holds the token counts and completes the reply.  Events with other
    names are skipped.  `response.completed` means `stop`, also if the output is as long as `max_output_tokens`: a
    server that says no `response.incomplete` (llama.cpp's) leaves that to the token counts.
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
