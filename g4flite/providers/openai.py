"""OpenAI Chat Completions: server-sent events of `chat.completion.chunk` objects, then `[DONE]`.

The parser also reads the fields that other services which speak this protocol (`dialects.py`) have added to the reply.
Source: https://platform.openai.com/docs/api-reference/chat/streaming and the types of openai-openapi (August 2026).
"""

from collections.abc import Iterator
from typing import Any

from .._core.conversation import fitted
from .._core.errors import G4fliteError, ProviderError
from .._core.events import Event, Finish, Reasoning, Start, Usage
from .._core.options import (
    OPTIONS,
    as_wire_names,
    check_name,
    check_tools,
    non_empty,
    required_model,
    stops,
    tool_choice,
)
from .._core.provider import JSON, WEB_PAGE_OR_JSON, Call, Provider
from .._core.response.assembly import ToolCalls
from .._core.response.counts import count_or_none, found, merged, usage_of
from .._core.response.framing import ServerSentEvents
from .._core.response.parsers import FrameParser, Items, refusal, text_or_error
from .._core.response.reasons import REASONS
from .._core.response.service_errors import displayable_id, reported
from .._core.response.thinking import ThinkTag
from .._core.takes import Takes

# The options that have the common name in this protocol.
SAME = {name: name for name in OPTIONS if name not in ("max_tokens", "tools")}


# What OpenAI takes: the fields in the types of openai-python; 400 "You uploaded an unsupported image. Please make sure
# your image has of one the following formats: ['png', 'jpeg', 'gif', 'webp']"; 400 "Invalid
# 'messages[2].tool_calls[0].id': string too long. Expected a string with maximum length 40"; a function's name is
# letters, digits, _ and -, 64 at most (types of openai-python, 3.57.0).
TAKES = Takes(
    keys=("name", "refusal", "content.prompt_cache_breakpoint", "image_url.detail", "function.strict"),
    images=("image/png", "image/jpeg", "image/gif", "image/webp"),
    developer=True,
    call_ids=".{1,40}",
    tool_names="[a-zA-Z0-9_-]{1,64}",
)


def chat(call: Call, takes: Takes, **names: str) -> dict[str, Any]:
    """Return the payload that all dialects share; `names` are the options that a dialect names otherwise."""
    tools = call.options.get("tools", ())
    # The options go out unchanged.  These functions raise for a value that the service would refuse.
    check_tools(tools, takes), stops(call.options)
    named = call.options.get("response_format", {}).get("json_schema")
    if isinstance(named, dict) and isinstance(named.get("name"), str):
        check_name("response_format=", named["name"], takes)
    options = as_wire_names(call.options, **{**SAME, "max_tokens": "max_tokens", **names})
    if tool_choice(call.options, call.extra) is None:
        options.pop("tool_choice", None)
    messages = fitted(call.messages, takes)
    return (
        {"model": required_model(call.model), "messages": messages, "stream": True}
        | options
        | non_empty(tools=list(tools))
    )


def payload(call: Call) -> JSON:
    """`messages` and `tools` are unchanged, but ids of tool calls that are too long; `max_tokens` becomes
    `max_completion_tokens`.

    `include_usage` asks for the token counts; `include_obfuscation` declines the padding against eavesdroppers.
    """
    usage = {"include_usage": True, "include_obfuscation": False}
    return {**chat(call, TAKES, max_tokens="max_completion_tokens"), "stream_options": usage}


class ChatReader:
    """Reads the chunks of one reply, of OpenAI or of a dialect.  Of several choices, the first is read."""

    __slots__ = ("_calls", "_counts", "_reason", "_refusal", "_started", "_think", "done")

    def __init__(self, limit: int) -> None:
        self._calls, self._think, self._refusal = ToolCalls(limit), ThinkTag(), list[str]()
        # The token counts so far.
        self._counts: dict[str, Any] = {}
        # The finish reason; "none" if the reply ended without a finish reason, "" before its end.
        self._reason = ""
        self._started = self.done = False

    @property
    def verbatim(self) -> bool:
        # While a `<think>` tag may come, or once the model refuses, what the text says matters.
        return self._think.off and not self._refusal

    def read(self, name: str, frame: dict[str, Any]) -> Items:
        items: list[str | Event | G4fliteError | None] = []
        # The first chunk of Azure has no id yet.
        if not self._started and frame.get("id"):
            self._started = True
            items.append(Start(displayable_id(frame["id"]), displayable_id(frame.get("model"))))
        for choice in frame.get("choices") or ():
            if choice.get("index") not in (None, 0, "0"):
                continue
            items += self._delta(choice.get("delta") or {})
            # Some servers repeat the finish reason in a later chunk.
            if (reason := choice.get("finish_reason")) and not self._reason:
                items += self._finish(reason, choice.get("native_finish_reason") or reason)
        if (usage := self._usage(frame)) is not None:
            items.append(usage)
        if name == "error" or frame.get("error") or frame.get("object") == "error":
            items.append(reported(frame if frame.get("error") else {"error": frame}))
        elif REASONS.get(self._reason) == "error":
            said = f"the service ended its reply with the finish reason {self._reason}; try again"
            items.append(ProviderError(said, code=self._reason, passing=True))
        elif self._refusal and self._reason:
            items.append(refusal("".join(self._refusal)))
        return items

    def _delta(self, delta: dict[str, Any]) -> Iterator[str | Event | G4fliteError]:
        """Yield the reasoning, text and pieces of tool calls in a delta."""
        reasoning = delta.get("reasoning_content") or delta.get("reasoning")
        if reasoning:
            yield Reasoning(text_or_error(reasoning))
        content = delta.get("content")
        # Mistral's reasoning models send a list of parts.
        if isinstance(content, list):
            for part in content:
                if part.get("type") == "thinking":
                    yield from (Reasoning(text_or_error(piece["text"])) for piece in part["thinking"])
                else:
                    yield text_or_error(part.get("text"))
        elif content:
            yield from (text_or_error(content),) if self._think.off else self._think.feed(text_or_error(content))
        self._refusal += filter(None, [text_or_error(delta.get("refusal"))])
        # No text comes behind a tool call that could complete a tag.
        if delta.get("tool_calls"):
            yield from self._think.close()
        for fragment in delta.get("tool_calls") or ():
            called, function = fragment.get("id"), fragment.get("function") or {}
            yield from self._calls.add(
                fragment.get("index"), id=called, name=function.get("name"), arguments=function.get("arguments")
            )
        # The protocol's older form of a tool call.
        if function := delta.get("function_call"):
            yield from self._calls.add("function_call", name=function.get("name"), arguments=function.get("arguments"))

    def _usage(self, frame: dict[str, Any]) -> Usage | None:
        """Return the token counts so far, if the chunk counts tokens."""
        group, timings = frame.get("x_groq"), frame.get("timings")
        # Groq sends the token counts in a field of its own.
        usage = frame.get("usage") or (group.get("usage") if isinstance(group, dict) else None)
        if usage and isinstance(usage, dict):
            self._counts = counts = merged(self._counts, usage)
            prompt, answer, total = (found(counts, f"{name}_tokens") for name in ("prompt", "completion", "total"))
            return usage_of(counts, prompt, answer, total=total)
        # llama.cpp's own counts, which come unasked (tools/server/README.md).
        if isinstance(timings, dict) and not self._counts:
            cached = count_or_none(timings.get("cache_n"))
            prompt, answer = count_or_none(timings.get("prompt_n")), count_or_none(timings.get("predicted_n"))
            prompt = None if prompt is None else prompt + (cached or 0)
            return usage_of({**timings, "cached_tokens": cached}, prompt, answer)
        return None

    def _finish(self, reason: str | None, native: str | None) -> Items:
        """Yield what was held back, and the finish reason."""
        self._reason = reason or "none"
        yield from self._think.close()
        yield from self._calls.whole()
        yield Finish(self._calls.reason(REASONS.get(self._reason, "other")), native)

    def end(self, *, marked: bool) -> Items:
        # Some servers send a finish reason, but no `[DONE]`.
        self.done = marked or bool(self._reason)
        if marked and not self._reason:
            return self._finish(None, None)
        return self._think.close()


def parser(limit: int) -> FrameParser:
    """OpenAI Chat Completions: server-sent events, each with a chunk; the first of its `choices` is read.

    `delta.content` is text; `delta.reasoning_content`, `delta.reasoning` and a `<think>` or `<reasoning>` element at
    the start of the text are reasoning; `delta.tool_calls` are pieces of tool calls; `usage` holds the token counts.  A
    `finish_reason` or `[DONE]` completes the reply.
    """
    return FrameParser(ServerSentEvents(limit), ChatReader(limit), "an event")


OPENAI = Provider(
    name="openai",
    base_url="https://api.openai.com/v1",
    url="{base_url}/chat/completions",
    headers={"content-type": "application/json", "accept": "text/event-stream", "authorization": "Bearer {api_key}"},
    payload=payload,
    parser=parser,
    end="marker",
    error_types=WEB_PAGE_OR_JSON,
    options=dict(OPTIONS),
    key_variables=("OPENAI_API_KEY",),
    base_url_variables=("OPENAI_BASE_URL",),
)
