"""Ollama chat: NDJSON; an object with `done: true` completes the reply.

A server on this machine needs no key, Ollama's cloud needs a key.
Source: ollama's docs/api.md, docs/api/streaming.mdx and docs/api/errors.mdx (August 2026).
"""

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any
from urllib.parse import urlsplit

from .._core.conversation import fitted
from .._core.events import Finish, Native, Reasoning, Start
from .._core.messages import Message, arguments, parts, tool_names
from .._core.options import (
    as_chat_tools,
    as_wire_names,
    bare_schema,
    logprob_fields,
    non_empty,
    options_named,
    required_model,
    schema,
)
from .._core.provider import JSON, Call, Provider
from .._core.response.assembly import ToolCalls
from .._core.response.counts import count_or_none, usage_of
from .._core.response.fields import reasoning_of
from .._core.response.framing import Lines
from .._core.response.names import name_of
from .._core.response.parsers import FrameParser, Items, failure, is_report, reported, text_or_error
from .._core.response.reasons import REASONS, word_of
from .._core.response.repeats import Tell, fields
from .._core.takes import EFFORTS, Takes

# The types of ollama-python 0.6.3 have none of the optional keys.
TAKES = Takes(media=("image.data",), objects=True, state="provider")
# gpt-oss always thinks, and knows levels; of other models, thinking can be turned on and off: 400 'think value "medium"
# is not supported for this model' (charmbracelet/crush#2623, 2026).
GPT_OSS = "(.*/)?gpt-oss.*"
LEVELS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high"}
# The options that have the common name in this protocol's `options`.
SAME = {name: name for name in ("temperature", "top_p", "seed", "stop", "frequency_penalty", "presence_penalty")}
# The host of Ollama's cloud.  400 for an answer that comes back with its `thinking` (can1357/oh-my-pi#1000, May 2026).
CLOUD = ("ollama.com", "www.ollama.com", "api.ollama.com")
SWITCH = {name: name != "none" for name in EFFORTS}


def payload(call: Call) -> JSON:
    """`messages` hold text in `content` and images in `images`; `options` holds most options.

    The name and the description of a JSON Schema become its `title` and `description`.  A message with a `name` and an
    image at an `https:` URL raise `MessagesError`.  `reasoning_effort` becomes `think`, true or false; a level for
    gpt-oss.  `cache=True` changes nothing: the server caches by itself.  No reasoning of earlier answers goes to
    Ollama's cloud, which refuses it.
    """
    messages = in_order(fitted(call, TAKES))
    names = tool_names(messages)
    wanted, tools = schema(call.options), as_chat_tools(call.options.get("tools", ()), TAKES)
    options = as_wire_names(call.options, max_tokens="num_predict", **SAME)
    turns = [turn(message, names) for message in messages]
    if urlsplit(call.base_url).hostname in CLOUD:
        thoughts = [one.pop("thinking", "") for one in turns]
        if any(thoughts):
            call.dropped.append("the reasoning of earlier answers is left out, which this service refuses")
    return (
        {"model": required_model(call.model), "messages": turns, "stream": True}
        | logprob_fields(call.options, "logprobs", "top_logprobs")
        | non_empty(
            think=thinking(call),
            options=options,
            tools=tools,
            format=bare_schema(wanted) if wanted else None if wanted is None else "json",
        )
    )


def thinking(call: Call) -> Any:
    """Return the field `think` of the option `reasoning_effort`; None without the option."""
    if "reasoning_effort" not in call.options:
        return None
    from .._core.effort import level  # noqa: PLC0415 - most calls give no level

    return level(call, LEVELS if re.fullmatch(GPT_OSS, call.model or "") else SWITCH)


def in_order(messages: Sequence[Message]) -> list[Message]:
    """Return the messages with the results of tools in the order of their calls.

    The protocol has no ids, so of two calls of one function, the order alone says whose result it is.
    """
    calls = [call["id"] for message in messages for call in message.get("tool_calls", ())]
    places, result = {call_id: place for place, call_id in enumerate(calls)}, list[Message]()
    for role, group in groupby(messages, lambda message: message["role"]):
        run = list(group)
        result += sorted(run, key=lambda message: places[message["tool_call_id"]]) if role == "tool" else run
    return result


def turn(message: Message, names: dict[str, str]) -> dict[str, Any]:
    """Return one message in the protocol's form; `names` has each tool call's function by the call's id.

    Its content is text, its images are base64 texts, and the arguments of a tool call are an object.
    """
    texts, images = [], []
    for part in parts(message):
        if part["type"] == "text":
            texts.append(part["text"])
            continue
        from .._core.media import embedded  # noqa: PLC0415 - most messages are text

        images.append(embedded(part)[1])
    calls = [
        {"function": {"name": call["function"]["name"], "arguments": arguments(call)}}
        for call in message.get("tool_calls", ())
    ]
    tool = names[message["tool_call_id"]] if message["role"] == "tool" else None
    # Reasoning goes back as it came (types of ollama-python 0.6.3).
    thinking = "".join(part["reasoning"] for part in message.get("state", ()) if isinstance(part, dict))
    return {"role": message["role"], "content": "".join(texts)} | non_empty(
        thinking=thinking, images=images, tool_calls=calls, tool_name=tool
    )


# The fields of a message that are read, or that say nothing of the answer.  Any other is content of its own kind:
# `images`, `audio`.
READ = frozenset(("role", "content", "thinking", "images", "tool_calls", "tool_name"))


class OllamaReader:
    """Reads the lines of one reply."""

    names: tuple[str, ...] = ("",)
    roles = fields(unread=("created_at",), beside="logprobs")
    told: Mapping[type, Tell | None] = {str: None, Reasoning: None}

    def __init__(self, limit: int) -> None:
        self._calls = ToolCalls(limit)
        self._started = self.done = False

    def read(self, name: str, frame: dict[str, Any]) -> Items:  # noqa: ARG002 - lines have no names
        if frame.get("error"):
            return (reported(frame),)
        # A relay's own error: {"detail": "text"} alone.
        if not isinstance(frame.get("message"), dict) and is_report(frame, bare=True):
            return (reported({"error": frame}),)
        return tuple(self._read(frame))

    def whole(self, value: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        return (value,) if isinstance(value.get("message"), dict) else ()

    def _read(self, frame: dict[str, Any]) -> Items:
        """Yield the items of a line that reports no error."""
        if not self._started:
            self._started = True
            yield Start(None, name_of(frame.get("model")))
        message = frame.get("message") or {}
        if message.get("thinking"):
            yield from reasoning_of(message["thinking"])
        if images := message.get("images"):
            from .._core.response.others import media_of  # noqa: PLC0415 - most answers are text

            for image in images if isinstance(images, list) else (images,):
                yield media_of("image", data=image) or Native("images", image)
        if not READ.issuperset(message):
            for key, value in message.items():
                if key not in READ and value and isinstance(value, str | list | dict):
                    yield Native(key, value)
        # A server that answers like /api/generate.
        yield text_or_error(message.get("content") or frame.get("response"))
        if isinstance(logprobs := frame.get("logprobs"), list):
            yield Native("logprobs", logprobs)
        for tool_call in message.get("tool_calls") or ():
            function = tool_call["function"]
            yield from self._calls.once(function.get("name"), function.get("arguments"), tool_call.get("id"))
        if frame.get("done"):
            self.done = True
            prompt, answer = count_or_none(frame.get("prompt_eval_count")), count_or_none(frame.get("eval_count"))
            if prompt is not None or answer is not None:
                counts = {name: value for name, value in frame.items() if name.endswith(("_count", "_duration"))}
                # Without a count of the prompt, all of it came from the cache, or none of it was counted.
                yield usage_of(counts, prompt, answer)
            word = frame.get("done_reason") or "stop"
            native = word_of(frame.get("done_reason"))
            reason = REASONS.get(word_of(word) or "", "other")
            finish = Finish(self._calls.reason(reason), native)
            yield from (finish, failure(finish))

    def end(self, *, marked: bool) -> Items:  # noqa: ARG002 - only `done: true` ends a reply
        return ()


def parser(limit: int) -> FrameParser:
    """Ollama chat: NDJSON, one object a line.

    `message.content` is text, `message.thinking` is reasoning, `message.tool_calls` are complete tool calls; an `error`
    raises.  The object with `done: true` holds the token counts and completes the reply.
    """
    return FrameParser(Lines(limit), OllamaReader(limit), "a line")


OPTIONS = options_named("temperature", "max_tokens", "top_p", "stop", "seed", "tools", "response_format",
                        "reasoning_effort", "frequency_penalty", "presence_penalty", "logprobs", "cache")  # fmt: skip
OLLAMA = Provider(
    name="ollama",
    base_url="http://127.0.0.1:11434",
    url="{base_url}/api/chat",
    headers={"content-type": "application/json", "authorization": "Bearer {api_key}"},
    payload=payload,
    parser=parser,
    end="marker",
    example_model="llama3.2",
    options=OPTIONS,
    key_variables=("OLLAMA_API_KEY",),
    key_needed=False,
    base_url_variables=("OLLAMA_HOST",),
)
