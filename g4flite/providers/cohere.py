"""Cohere v2 chat: server-sent events; a `message-end` completes the reply.

Source: https://docs.cohere.com/v2/docs/streaming and the types of cohere-python (August 2026).
"""

from collections.abc import Mapping
from typing import Any

from .._core.conversation import fitted
from .._core.errors import OptionError, ProviderError
from .._core.events import Citation, Finish, Native, Reasoning, Start, TurnState
from .._core.messages import Message
from .._core.options import (
    as_chat_tools,
    as_wire_names,
    bare_schema,
    non_empty,
    options_named,
    required_model,
    schema,
    single_answer,
    stops,
    tool_choice,
)
from .._core.provider import JSON, NO_EVENTS, Call, Provider
from .._core.refused import check_refused
from .._core.response.assembly import ToolCalls
from .._core.response.counts import found, merged, usage_of
from .._core.response.fields import as_object, reasoning_of
from .._core.response.framing import ServerSentEvents
from .._core.response.names import name_of
from .._core.response.parsers import FrameParser, Items, reported, text_or_error
from .._core.response.reasons import REASONS, word_of
from .._core.response.repeats import Tell, fields
from .._core.takes import Refused, Takes

# The types of cohere-python 7.3.1; an assistant's message with neither text nor calls is a 400 (pydantic-ai, 2026).
# "Not supported with documents and tools" (types of cohere-python 7.3.1, `response_format_v2`).
TAKES = Takes(
    keys=("image_url.detail",),
    empty_answers=False,
    state="provider",
    reasoning="content",
    refused=(Refused(option="response_format", but=("text",), beside="tools"),),
)


def payload(call: Call) -> JSON:
    """`messages` and `tools` are unchanged, but a developer message becomes a system message.

    Empty answers are left out.

    The name and the description of a JSON Schema become its `title` and `description`.

    The service cannot be told to call one certain tool, and takes no `response_format` beside `tools`: both raise
    `OptionError`.
    A message with a `name` raises `MessagesError`.  `reasoning_effort` becomes `thinking`, with a budget.
    `cache=True` changes nothing: the service caches by itself.
    """
    messages = [with_thinking(message) for message in fitted(call, TAKES)]
    check_refused(call.model, call.options, call.extra, call.messages, TAKES)
    single_answer(call.extra.get("num_generations"), "num_generations")
    kind, name = tool_choice(call.options, call.extra) or ("auto", "")
    if name:
        raise OptionError(
            'tool_choice= cannot name one tool for this service; pass "auto", "none" or "required" instead'
        )
    wanted, tools = schema(call.options), as_chat_tools(call.options.get("tools", ()), TAKES)
    return (
        {"model": required_model(call.model), "messages": messages, "stream": True}
        | as_wire_names(
            call.options, temperature="temperature", max_tokens="max_tokens", top_p="p", seed="seed",
            frequency_penalty="frequency_penalty", presence_penalty="presence_penalty", logprobs="logprobs",
        )
        | thinking(call)
        | non_empty(stop_sequences=stops(call.options), tools=tools)
        | non_empty(tool_choice=kind.upper() if kind != "auto" else None)
        | non_empty(response_format=None if wanted is None else {
            "type": "json_object", **({"json_schema": bare_schema(wanted)} if wanted else {})})
    )  # fmt: skip


def thinking(call: Call) -> dict[str, Any]:
    """Return the field `thinking` of the option `reasoning_effort` (types of cohere-python 7.3.1)."""
    if "reasoning_effort" not in call.options:
        return {}
    from .._core.effort import budget  # noqa: PLC0415 - most calls give no level

    tokens = budget(call.options)
    return {"thinking": {"type": "enabled", "token_budget": tokens} if tokens else {"type": "disabled"}}


def with_thinking(message: Message) -> Message:
    """Return the message with its texts and its reasoning where they were: parts of the content, or the plan of calls.

    Its citations stand beside it.
    Sources: pydantic-ai's cassette test_cohere_model_thinking_part; types of cohere-python 7.3.1 (`AssistantMessage`).
    """
    if "state" not in message:
        return message
    blocks, plan, citations, begins = list[dict[str, Any]](), "", list[Any](), False
    for part in message["state"]:
        if part == PLAN:
            plan += blocks.pop()["thinking"]
        elif isinstance(part, dict) and "citations" in part:
            citations += part["citations"]
        elif part == TEXT:
            begins = True
        elif isinstance(part, dict):
            blocks.append({"type": "thinking", "thinking": part["reasoning"]})
        # A citation stands in the middle of a text.
        elif isinstance(part, str) and blocks[-1:] and blocks[-1]["type"] == "text" and not begins:
            blocks[-1]["text"] += part
        elif isinstance(part, str):
            blocks.append({"type": "text", "text": part})
            begins = False
    rest = {key: value for key, value in message.items() if key != "state"}
    if len(blocks) > 1 or (blocks and blocks[0]["type"] == "thinking"):
        rest["content"] = blocks
    return rest | non_empty(tool_plan=plan, citations=citations)


# The state that stands behind the plan of tool calls, which is reasoning, and the one before a further text of the
# content, by whose number a citation names it (`content_index` in the types of cohere-python 7.3.1).
PLAN, TEXT = {"type": "tool_plan"}, {"type": "text"}
# The types of content that is text or reasoning.  A delta may have no type.
TEXTS = (None, "text", "thinking")
# The fields of such content.
SAID = frozenset(("type", "text", "thinking"))


class CohereReader:
    """Reads the events of one reply.  Unknown events are skipped."""

    names = ("content-start", "content-delta", "tool-call-start", "tool-call-delta", "tool-call-end", "message-end")
    roles = fields(beside="logprobs")

    def __init__(self, limit: int) -> None:
        self._calls, self.done = ToolCalls(limit), False
        # Whether the plan of the tool calls is under way, and whether a text has begun.
        self._planned = self._begun_text = False
        # Whether the last event began a content.
        self._begins = False

    @property
    def told(self) -> Mapping[type, Tell | None]:
        # A beginning may stand for the end of the content before.
        return {} if self._begins else {str: None, Reasoning: None, **self._calls.told}

    def read(self, name: str, frame: dict[str, Any]) -> Items:
        kind = frame.get("type") or name
        self._begins = kind == "content-start"
        if kind in ("content-delta", "content-start"):
            content = frame["delta"]["message"]["content"]
            # Most pieces are a text alone.
            text = content.get("text") if len(content) == 1 else None
            items = (text,) if isinstance(text, str) else (*self._bound(kind, content), *content_of(content))
            # The plan ends where other content begins.
            items = (*self._plan(), *items) if self._planned else items
            logprobs = frame.get("logprobs")
            return (*items, Native("logprobs", logprobs)) if isinstance(logprobs, dict) else items
        if kind == "message-start":
            return (Start(name_of(frame.get("id"))), *self._begun(as_object(frame.get("delta")).get("message")))
        if kind in ("tool-plan-delta", "citation-start"):
            message = as_object(as_object(frame.get("delta")).get("message"))
            if citations := message.get("citations"):
                return (*self._plan(), *self._cited(citations))
            return tuple(self._planning(message.get("tool_plan")))
        if kind == "tool-call-start":
            tool_call = frame["delta"]["message"]["tool_calls"]
            function, index = tool_call["function"], frame.get("index")
            name, text = function.get("name"), function.get("arguments")
            calls = self._calls.begin(index, id=tool_call.get("id"), name=name, arguments=text)
            return (*self._plan(), *calls)
        if kind == "tool-call-delta":
            function = frame["delta"]["message"]["tool_calls"]["function"]
            return tuple(self._calls.add(frame.get("index"), arguments=function.get("arguments")))
        if kind == "tool-call-end":
            return tuple(self._calls.stop(frame.get("index")))
        if kind == "message-end":
            return tuple(self._finish(frame.get("delta") or {}))
        return (reported(frame),) if frame.get("error") else ()

    def whole(self, value: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        start, end = {"type": "message-start", "id": value.get("id"), "delta": value}, {"type": "message-end"}
        return (start, {**end, "delta": value}) if isinstance(value.get("message"), dict) else ()

    def _begun(self, message: object) -> Items:
        """Yield what a message already holds when it starts."""
        message = as_object(message)
        yield from self._planning(message.get("tool_plan"))
        yield from self._plan()
        content = message.get("content")
        for part in content if isinstance(content, list) else (content,) if content else ():
            part = part if isinstance(part, dict) else {"type": "text", "text": part}  # noqa: PLW2901
            yield from (*self._bound("content-start", part), *content_of(part))
        calls = message.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            yield from self._calls.once(call["function"].get("name"), call["function"].get("arguments"), call.get("id"))
        if citations := message.get("citations"):
            yield from self._cited(citations)

    def _bound(self, kind: str, content: dict[str, Any]) -> tuple[TurnState, ...]:
        """Return the bound before a text or reasoning that begins behind a text; () for any other event."""
        if kind != "content-start" or content.get("type") not in ("text", "thinking"):
            return ()
        begun, self._begun_text = self._begun_text, self._begun_text or content["type"] == "text"
        return (TurnState(TEXT if content["type"] == "text" else None),) if begun else ()

    def _cited(self, citations: object) -> Items:
        """Yield citations, which the service takes back."""
        found = citations if isinstance(citations, list) else [citations]
        yield from map(cited, found)
        if back := [one for one in found if isinstance(one, dict)]:
            yield TurnState({"citations": back})

    def _planning(self, plan: object) -> Items:
        """Yield a piece of the plan, which is reasoning of its own, or all of it."""
        for piece in reasoning_of(plan):
            if isinstance(piece, Reasoning) and not self._planned:
                self._planned = True
                yield TurnState(None)
            yield piece

    def _plan(self) -> Items:
        """Yield the end of the plan, if it is under way."""
        if self._planned:
            self._planned = False
            yield TurnState(PLAN)

    def _finish(self, delta: dict[str, Any]) -> Items:
        """Yield the end of the answer: tool calls that were not ended, token counts, the finish reason, an error."""
        self.done = True
        yield from self._plan()
        yield from self._calls.whole()
        counts, native = merged({}, delta.get("usage")), word_of(delta.get("finish_reason"))
        # `billed_units`, which stands beside `tokens`, counts otherwise.
        prompt, answer = found(counts, "tokens.input_tokens"), found(counts, "tokens.output_tokens")
        yield usage_of(counts, prompt, answer) if "tokens" in counts else None
        reason = self._calls.reason(REASONS.get(native or "", "other"))
        yield Finish(reason, native)
        if reason == "error":
            said = delta.get("error") or f"the answer ended with the finish reason {native}"
            yield reported({"error": said}) or ProviderError(said, code=native)

    def end(self, *, marked: bool) -> Items:  # noqa: ARG002 - only message-end ends a reply
        return ()


def cited(citation: object) -> Citation | Native:
    """Return a citation, with its first source that is a document (types of cohere-python 7.3.1)."""
    if not isinstance(citation, dict):
        return Native("citations", citation)
    from .._core.response.others import citation_of  # noqa: PLC0415 - most answers are text

    sources = citation.get("sources")
    documents = [as_object(as_object(one).get("document")) for one in sources] if isinstance(sources, list) else []
    named = citation_of(next(filter(None, documents), {}), citation)
    return citation_of(citation, citation)._replace(url=named.url, title=named.title)


def content_of(content: dict[str, Any]) -> Items:
    """Yield the reasoning, text or other content in a part."""
    if content.get("type") not in TEXTS:
        from .._core.response.others import image_of  # noqa: PLC0415 - most answers are text

        yield image_of(str(content["type"]), content)
        return
    # A piece holds either reasoning or text.
    if content.get("thinking"):
        yield from reasoning_of(content["thinking"])
    yield text_or_error(content.get("text"))
    for key, value in content.items():
        if key not in SAID and value and isinstance(value, str | list | dict):
            yield Native(key, value)


def parser(limit: int) -> FrameParser:
    """Cohere v2 chat: server-sent events, each with the name that its JSON has as `type`.

    `content-delta` is text or reasoning, `tool-plan-delta` reasoning, `tool-call-delta` a piece of a tool call.
    `message-end` holds the token counts and completes the reply; its `finish_reason` `ERROR` or `TIMEOUT` raises.
    Events with other names are skipped.
    """
    return FrameParser(ServerSentEvents(limit), CohereReader(limit), "an event")


# `logprobs` is True or False: the service does not name the tokens that were likely, too.
OPTIONS = {
    **options_named("temperature", "max_tokens", "top_p", "stop", "seed", "tools", "tool_choice", "response_format",
                    "reasoning_effort", "frequency_penalty", "presence_penalty", "cache"),
    "logprobs": (bool,),
}  # fmt: skip
COHERE = Provider(
    name="cohere",
    base_url="https://api.cohere.com",
    url="{base_url}/v2/chat",
    headers={"content-type": "application/json", "accept": "text/event-stream", "authorization": "Bearer {api_key}"},
    payload=payload,
    parser=parser,
    end="marker",
    error_types=NO_EVENTS,
    example_model="command-a-03-2025",
    options=OPTIONS,
    key_variables=("CO_API_KEY", "COHERE_API_KEY"),
)
