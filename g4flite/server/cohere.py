"""Cohere's chat, version 2.

Source: https://docs.cohere.com/v2/docs/streaming and .../v2/reference/errors, August 2026.  The errors 403, 503 and the
content filter's are not documented there; they are made up here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .._core.events import Citation, Finish, Media, Reasoning, ServerToolCall, ServerToolResult, ToolCall, Usage
from . import model_refusals
from .checks import (
    AMOUNT,
    BOOLEAN,
    COUNT,
    INTEGER,
    NAME,
    NUMBER,
    OBJECT,
    OBJECTS,
    STRINGS,
    TOOLS,
    Refusal,
    may,
    need,
    one_of,
    options,
)  # fmt: skip
from .effort import switched
from .framing import sse
from .openai_chat import CONTENT, read_messages
from .pieces import UNCOUNTED, Piece, Problem, collect, fragments, translate_finish, unknown
from .protocol import Post, Protocol, Reply, Turn

# Status and message of each kind of error.
FAULTS = {
    "invalid": (400, "invalid request"),
    "authentication": (401, "invalid api token"),
    "permission": (403, "your api token lacks permission for this request"),
    "not_found": (404, "model 'no-such-model' not found, make sure the correct model ID was used"),
    "rate_limit": (429, "You are past the per minute request limit, please wait and try again later."),
    "overloaded": (503, "the service is currently unavailable, please try again later"),
    "context_length": (400, "too many tokens: size limit exceeded by 1000 tokens"),
    "content_filter": (400, "blocked input"),
    "server": (500, "internal server error"),
}
REASONS = {"stop": "COMPLETE", "length": "MAX_TOKENS", "tool_calls": "TOOL_CALL", "error": "ERROR"}
CHOICES = {"REQUIRED": "required", "NONE": "none"}
KNOWN = {
    "temperature": ("temperature", AMOUNT),
    "max_tokens": ("max_tokens", COUNT),
    "p": ("top_p", AMOUNT),
    "stop_sequences": ("stop", STRINGS),
    "seed": ("seed", INTEGER),
    "tools": ("tools", TOOLS),
    "frequency_penalty": ("frequency_penalty", NUMBER),
    "presence_penalty": ("presence_penalty", NUMBER),
    "logprobs": ("logprobs", BOOLEAN),
}
ROLE = one_of(("system", "user", "assistant", "tool"))


def read(post: Post) -> Turn:
    """Return the request in common terms, without an assistant's thinking and tool plan.

    The documents in a tool's result become text.
    """
    post.demand_key("authorization")
    data = post.data()
    model = need(data, "model", NAME)
    given = need(data, "messages", OBJECTS)
    for number, message in enumerate(given):
        if message.get("role") == "assistant" and not (message.get("content") or message.get("tool_calls")):
            raise Refusal(400, f"messages[{number}]: expected content or tool calls in an assistant's message")
    messages = read_messages([_common(message, f"messages[{number}].") for number, message in enumerate(given)])
    model_refusals.check(model_refusals.COHERE, data)
    stream = may(data, "stream", BOOLEAN) or False
    found = options(data, KNOWN) | switched(may(data, "thinking", OBJECT) or {})
    if choice := may(data, "tool_choice", one_of(CHOICES)):
        found["tool_choice"] = CHOICES[choice]
    if form := may(data, "response_format", OBJECT):
        schema = form.get("json_schema")
        named = {"type": "json_schema", "json_schema": {"schema": schema}}
        found["response_format"] = named if schema else {"type": "json_object"}
    return Turn(model=model, messages=messages, options=found, stream=stream)


def _common(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the message in OpenAI's form, to be read like a message of Chat Completions."""
    need(given, "role", ROLE, where)
    content = may(given, "content", CONTENT, where)
    if isinstance(content, list):
        content = [_part(part, where + "content: ") for part in content if part.get("type") != "thinking"] or ""
    return {**given, "content": content}


def _part(given: dict[str, Any], where: str) -> dict[str, Any]:
    if given.get("type") != "document":
        return given
    document = need(given, "document", OBJECT, where)
    return {"type": "text", "text": document.get("data")}


def write(turn: Turn, pieces: Iterator[Piece]) -> Iterator[bytes]:
    """Yield the events of a reply; an error is the finish reason ERROR."""
    for event in _events(turn, pieces):
        yield sse(event, event=event["type"])


def _events(turn: Turn, pieces: Iterator[Piece]) -> Iterator[dict[str, Any]]:
    begin = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    yield {"id": _id(turn), "type": "message-start", "delta": {"message": begin}}
    # The type of the content that is open ("" for none), its index, and the number of tool calls so far.
    kind, index, calls, usage = "", -1, 0, UNCOUNTED
    cited = 0
    for piece in translate_finish(pieces, REASONS):
        if isinstance(piece, Usage):
            usage = piece
            continue
        # A citation comes while the text is open.
        wanted = kind if isinstance(piece, Citation) else {str: "text", Reasoning: "thinking"}.get(type(piece), "")
        if kind not in {"", wanted}:
            yield {"type": "content-end", "index": index}
            kind = ""
        if wanted and not kind:
            index, kind = index + 1, wanted
            yield _content("content-start", index, {"type": kind, kind: ""})
        match piece:
            case Problem():
                yield _end({"finish_reason": "ERROR", "error": FAULTS[piece.kind][1]}, usage)
            case Finish():
                yield _end({"finish_reason": piece.native}, usage)
            case Citation():
                yield {"type": "citation-start", "index": cited, "delta": {"message": {"citations": _cited(piece)}}}
                yield {"type": "citation-end", "index": cited}
                cited += 1
            case ToolCall():
                yield _call("tool-call-start", calls, _called(turn, piece, calls, ""))
                for fragment in fragments(piece.arguments):
                    yield _call("tool-call-delta", calls, {"function": {"arguments": fragment}})
                yield {"type": "tool-call-end", "index": calls}
                calls += 1
            case Reasoning():
                yield _content("content-delta", index, {"thinking": piece.text})
            case str():
                yield _content("content-delta", index, {"text": piece}) | _logprobs(turn, piece)
            case _:
                raise unknown(piece)


def whole(turn: Turn, pieces: Iterator[Piece]) -> Reply:
    """Return the whole reply."""
    said = collect(translate_finish(pieces, REASONS))
    if isinstance(said.end, Problem):
        return _fault(said.end.kind)
    content, citations = list[dict[str, Any]](), list[dict[str, Any]]()
    for part in said.parts:
        match part:
            case Citation():
                citations.append(_cited(part))
            # A citation does not end the text.
            case str() if content and content[-1]["type"] == "text":
                content[-1]["text"] += part
            case str() | Reasoning():
                content.append(_block(part))
            case Media() | ServerToolCall() | ServerToolResult():
                raise unknown(part)
    calls = [_called(turn, call, number, call.arguments) for number, call in enumerate(said.calls)]
    message = {
        "role": "assistant",
        **({"content": content} if content else {}),
        **({"tool_calls": calls} if calls else {}),
        **({"citations": citations} if citations else {}),
    }
    reply = {"id": _id(turn), "message": message, "finish_reason": said.end.native, "usage": usage_object(said.usage)}
    sure = _logprobs(turn, said.text)
    return Reply(200, reply | ({"logprobs": [sure["logprobs"]]} if sure else {}))


def _cited(cited: Citation) -> dict[str, Any]:
    """Return a citation of words of the answer, with the document that it is from (types of cohere-python 7.3.1)."""
    document = {name: value for name, value in (("title", cited.title), ("url", cited.url)) if value}
    source = {"type": "document", "id": "doc:0", "document": {"id": "doc:0", **document}}
    place = {"start": cited.start or 0, "end": cited.end or 0, "text": cited.text or ""}
    return {**place, "sources": [source], "type": "TEXT_CONTENT", "content_index": 0}


def _block(part: str | Reasoning) -> dict[str, Any]:
    if isinstance(part, Reasoning):
        return {"type": "thinking", "thinking": part.text}
    return {"type": "text", "text": part}


def _id(turn: Turn) -> str:
    return turn.response_id or "msg-1"


def _logprobs(turn: Turn, text: str) -> dict[str, Any]:
    """Return the field with the logprob of a text, which is one token here; {} if no logprobs are asked for."""
    if not text or not turn.options.get("logprobs"):
        return {}
    return {"logprobs": {"token_ids": [0], "text": text, "logprobs": [0.0]}}


def _content(type_: str, index: int, content: dict[str, str]) -> dict[str, Any]:
    return {"type": type_, "index": index, "delta": {"message": {"content": content}}}


def _call(type_: str, index: int, call: dict[str, Any]) -> dict[str, Any]:
    return {"type": type_, "index": index, "delta": {"message": {"tool_calls": call}}}


def _called(turn: Turn, call: ToolCall, number: int, arguments: str) -> dict[str, Any]:
    asked = {"name": call.name, "arguments": arguments}
    return {"id": call.id or turn.new_id("call", number + 1), "type": "function", "function": asked}


def _end(delta: dict[str, Any], usage: Usage) -> dict[str, Any]:
    return {"type": "message-end", "delta": {**delta, "usage": usage_object(usage)}}


def usage_object(usage: Usage) -> dict[str, Any]:
    """Return the tokens as Cohere writes them, the billed ones and all; the thinking is part of the output."""
    tokens = {"input_tokens": usage.prompt_tokens, "output_tokens": usage.completion_tokens}
    cached = {"cached_tokens": usage.cached_tokens} if usage.cached_tokens else {}
    return {"billed_units": tokens, "tokens": tokens, **cached}


def fault(_: Post, kind: str, problem: str | None) -> Reply:
    """Return the reply for an error."""
    return _fault(kind, problem)


def _fault(kind: str, problem: str | None = None) -> Reply:
    status, message = FAULTS[kind]
    return Reply(status, {"message": problem or message})


def head(_: Post) -> dict[str, str]:
    """Return the headers of a streamed reply."""
    return {"content-type": "text/event-stream"}


COHERE = Protocol(
    name="cohere",
    path="/v2/chat",
    shown="/v2/chat",
    read=read,
    write=write,
    whole=whole,
    fault=fault,
    head=head,
)
