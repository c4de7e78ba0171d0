"""Gemini streamGenerateContent: server-sent events without names; a `finishReason` completes the reply.

Source: https://ai.google.dev/api/generate-content and the types of python-genai (August 2026).
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from .._core.conversation import fitted
from .._core.errors import ContentFilterError, ProviderError
from .._core.events import Finish, Reasoning, Start
from .._core.messages import Message, arguments, as_result_object, embedded_image, parts, split_system, tool_names
from .._core.options import OPTIONS, as_wire_names, check_tools, non_empty, schema, stops, tool_choice
from .._core.provider import JSON, Call, Provider
from .._core.response.assembly import ToolCalls
from .._core.response.counts import found, merged, usage_of
from .._core.response.framing import EventsOrArray
from .._core.response.parsers import FrameParser, Items, text_or_error
from .._core.response.reasons import REASONS
from .._core.response.service_errors import displayable_id, reported
from .._core.takes import Takes

# The protocol's words for the kinds of `tool_choice`.
MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY", "function": "ANY"}
# The types of google-genai 3.6.1 have none of the optional keys.
TAKES = Takes()


def payload(call: Call) -> JSON:
    """`contents` holds the messages, and `systemInstruction` the system messages.

    Messages of one role that follow one another become one content.  An empty text stands before a tool call with which
    the conversation begins.  A message with a `name` and an image at an `https:` URL raise `MessagesError`.
    """
    system, messages = split_system(fitted(call.messages, TAKES))
    wanted, (kind, name) = schema(call.options), tool_choice(call.options, call.extra) or ("", "")
    names = {"temperature": "temperature", "max_tokens": "maxOutputTokens", "top_p": "topP", "seed": "seed"}
    config = as_wire_names(call.options, **names) | non_empty(
        stopSequences=stops(call.options),
        responseMimeType=None if wanted is None else "application/json",
        responseJsonSchema=(wanted or {}).get("schema"),
    )
    functions = [
        non_empty(name=tool["name"], description=tool.get("description"), parametersJsonSchema=tool.get("parameters"))
        for tool in check_tools(call.options.get("tools", ()), TAKES)
    ]
    mode = non_empty(mode=MODES.get(kind), allowedFunctionNames=[name] if name else None)
    return non_empty(
        contents=contents(messages),
        systemInstruction=non_empty(parts=[{"text": system}] if system else None),
        generationConfig=config,
        tools=[{"functionDeclarations": functions}] if functions else None,
        toolConfig=non_empty(functionCallingConfig=mode),
    )


def contents(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return the messages in the protocol's form.  Messages of one role that follow one another are one content."""
    names, result = tool_names(messages), list[dict[str, Any]]()
    # The service takes tool calls behind a user's turn alone (pydantic-ai does the same, August 2026).
    if messages[0].get("tool_calls"):
        result.append({"role": "user", "parts": [{"text": ""}]})
    for message in messages:
        role = "model" if message["role"] == "assistant" else "user"
        if not result or result[-1]["role"] != role:
            result.append({"role": role, "parts": []})
        result[-1]["parts"] += wire_parts(message, names)
    return result


def wire_parts(message: Message, names: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Yield the parts of one message in the protocol's form; `names` has each tool call's function by the call's id."""
    if message["role"] == "tool":
        name, response = names[message["tool_call_id"]], as_result_object(message["content"])
        yield {"functionResponse": {"id": message["tool_call_id"], "name": name, "response": response}}
        return
    calls = message.get("tool_calls", ())
    # 400 "must include at least one parts field"; an empty text is accepted (pydantic-ai's cassettes, August 2026).
    for part in parts(message) or ([] if calls else [{"type": "text", "text": ""}]):
        if part["type"] == "text":
            yield {"text": part["text"]}
            continue
        media, data = embedded_image(part)
        yield {"inlineData": {"mimeType": media, "data": data}}
    for call in calls:
        yield {"functionCall": {"id": call["id"], "name": call["function"]["name"], "args": arguments(call)}}


class GeminiReader:
    """Reads the chunks of one reply.  Of several candidates, the first is read."""

    __slots__ = ("_calls", "_finished", "_started", "done")
    verbatim = True

    def __init__(self, limit: int) -> None:
        self._calls = ToolCalls(limit)
        self._finished = self._started = self.done = False

    def read(self, name: str, frame: dict[str, Any]) -> Items:  # noqa: ARG002 - the events have no names
        return (reported(frame),) if frame.get("error") else tuple(self._read(frame))

    def _read(self, frame: dict[str, Any]) -> Items:
        """Yield the items of a frame that reports no error."""
        if not self._started:
            self._started = True
            yield Start(displayable_id(frame.get("responseId")), displayable_id(frame.get("modelVersion")))
        blocked = (frame.get("promptFeedback") or {}).get("blockReason")
        reason = None
        for candidate in (frame.get("candidates") or ())[:1]:
            for part in (candidate.get("content") or {}).get("parts") or ():
                yield from self._part(part)
            reason = candidate.get("finishReason")
        usage = frame.get("usageMetadata")
        # Each chunk repeats the token counts; those of the last chunk are final.
        if usage and (reason or blocked or self._finished):
            counts = merged({}, usage)
            names = ("prompt", "toolUsePrompt", "candidates", "thoughts", "total")
            prompt, used, answer, thought, total = (found(counts, f"{name}TokenCount") for name in names)
            # What tools of the service have put into the prompt, and the thoughts, are counted beside the others.
            prompt = None if prompt is None else prompt + (used or 0)
            yield usage_of(counts, prompt, (answer or 0) + (thought or 0), total=total)
        if blocked:
            body = json.dumps(frame["promptFeedback"])
            said = f"the service blocked the messages ({blocked}); change them, or ask another provider"
            yield ContentFilterError(said, status=200, code=blocked, body=body)
        if reason and not self._finished:
            self._finished = True
            yield from self._finish(reason)

    def _finish(self, native: str) -> Items:
        """Yield the finish reason, and the error that it stands for."""
        reason = REASONS.get(native, "other")
        yield Finish(self._calls.reason(reason), native)
        if reason == "content_filter":
            said = f"the service stopped the answer ({native}); the text so far is in .partial; change the messages"
            yield ContentFilterError(said, status=200, code=native)
        if reason == "error":
            said = f"the model wrote what the service cannot use ({native}); try again"
            yield ProviderError(said, code=native, passing=True)

    def _part(self, part: dict[str, Any]) -> Items:
        """Yield the tool call, reasoning or text in a part."""
        if call := part.get("functionCall"):
            yield from self._calls.once(call.get("name"), call.get("args"), call.get("id"))
        text = text_or_error(part.get("text"))
        yield Reasoning(text) if part.get("thought") else text

    def end(self, *, marked: bool) -> Items:  # noqa: ARG002 - a finishReason alone ends a reply
        self.done = self._finished
        return ()


def parser(limit: int) -> FrameParser:
    """Gemini streamGenerateContent: server-sent events, or one JSON array if a proxy drops `alt=sse` from the URL.

    `candidates[0].content.parts` holds text, reasoning (`thought`) and tool calls; `usageMetadata` holds the token
    counts; a `finishReason` completes the reply.
    """
    return FrameParser(EventsOrArray(limit), GeminiReader(limit), "an event")


GEMINI = Provider(
    name="gemini",
    base_url="https://generativelanguage.googleapis.com",
    url="{base_url}/v1beta/models/{model}:streamGenerateContent?alt=sse",
    headers={"content-type": "application/json", "accept": "text/event-stream", "x-goog-api-key": "{api_key}"},
    payload=payload, parser=parser, end="marker", options=dict(OPTIONS),
    key_variables=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    # The service lists its models as "models/NAME"; Vertex AI writes "publishers/google/models/NAME".
    model_prefixes=("models/", "publishers/google/models/"),
)  # fmt: skip
