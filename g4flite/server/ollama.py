"""Ollama's chat: NDJSON, and no key.

Source: https://github.com/ollama/ollama/blob/main/docs/api.md and docs/api/errors.mdx, August 2026.  The messages of
the errors are in Ollama's style; the one of a content filter is made up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

from .._core.events import Finish, Reasoning, ToolCall, Usage
from . import model_refusals
from .checks import (
    BOOLEAN,
    INTEGER,
    NAME,
    NUMBER,
    OBJECT,
    OBJECTS,
    STOP,
    STRINGS,
    TEXT,
    TOOLS,
    Rule,
    logprobs,
    may,
    need,
    one_of,
    options,
    picked,
)  # fmt: skip
from .conversation import assistant, data_url, image_part, joined, text_part, tool_call
from .framing import compact
from .pieces import PAUSE, UNCOUNTED, Piece, Problem, arguments_object, collect, translate_finish, unknown
from .protocol import Post, Protocol, Reply, Turn

# Status and message of each kind of error.
FAULTS = {
    "invalid": (400, "invalid request"),
    "authentication": (401, "unauthorized"),
    "permission": (403, "this model requires a subscription, upgrade for access"),
    "not_found": (404, "model 'no-such-model' not found"),
    "rate_limit": (429, "you've reached your hourly usage limit, please try again later"),
    "overloaded": (503, "server busy, please try again.  maximum pending requests exceeded"),
    "context_length": (400, "the input length exceeds the context length"),
    "content_filter": (400, "the prompt was refused by the content filter"),
    "server": (500, "llama runner process has terminated: exit status 2"),
}
REASONS = {"stop": "stop", "length": "length", "tool_calls": "stop"}
ROLE = one_of(("system", "user", "assistant", "tool"))
FORMAT = Rule('"json" or a JSON schema', lambda got: got == "json" or isinstance(got, dict))
THINK = Rule("true, false or a string", lambda got: isinstance(got, bool | str))
KNOWN = {
    "temperature": ("temperature", NUMBER),
    "num_predict": ("max_tokens", INTEGER),
    "top_p": ("top_p", NUMBER),
    "seed": ("seed", INTEGER),
    "stop": ("stop", STOP),
    "frequency_penalty": ("frequency_penalty", NUMBER),
    "presence_penalty": ("presence_penalty", NUMBER),
}
# How the base64 text of an image begins, as the protocol names no media type.
MAGIC = {"iVBOR": "image/png", "/9j/": "image/jpeg", "R0lGOD": "image/gif", "UklGR": "image/webp"}


def read(post: Post) -> Turn:
    """Return the request in common terms; a tool's message has its name, and an id only if the client gave it."""
    turn = shape(post)
    model_refusals.check(model_refusals.OLLAMA, post.data(typed=False))
    return turn


def shape(post: Post) -> Turn:
    """Return what `read` does, of any request that has the protocol's form: refuse nothing for Ollama's sake."""
    # The server does not look at the content type.
    data = post.data(typed=False)
    model = need(data, "model", NAME)
    given = enumerate(need(data, "messages", OBJECTS))
    messages = [_message(message, f"messages[{number}].") for number, message in given]
    # The protocol streams unless it is told not to.
    stream = may(data, "stream", BOOLEAN) is not False
    found = options(may(data, "options", OBJECT) or {}, KNOWN, "options.")
    found |= logprobs(data, "logprobs", "top_logprobs")
    if (think := may(data, "think", THINK)) is not None:
        found["reasoning_effort"] = think or "none"
    if tools := may(data, "tools", TOOLS):
        for tool in tools:
            need(need(tool, "function", OBJECT, "tools: "), "name", NAME, "tools: function.")
        found["tools"] = tools
    if form := may(data, "format", FORMAT):
        schema = {"type": "json_schema", "json_schema": {"schema": form}}
        found["response_format"] = {"type": "json_object"} if form == "json" else schema
    return Turn(model=model, messages=messages, options=found, stream=stream)


def _message(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    role = need(given, "role", ROLE, where)
    content = may(given, "content", TEXT, where) or ""
    images = [image_part(_image(image)) for image in may(given, "images", STRINGS, where) or ()]
    if role == "assistant":
        asked = may(given, "tool_calls", OBJECTS, where) or ()
        return assistant(content, [_call(call, where + "tool_calls: ") for call in asked])
    named = {"name": may(given, "tool_name", TEXT, where), "tool_call_id": may(given, "tool_call_id", TEXT, where)}
    extra = picked(named, *named) if role == "tool" else {}
    return {"role": role, "content": joined([text_part(content), *images]) if images else content, **extra}


def _image(data: str) -> str:
    found = (media_type for start, media_type in MAGIC.items() if data.startswith(start))
    return data_url(next(found, "application/octet-stream"), data)


def _call(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    asked = need(given, "function", OBJECT, where)
    return tool_call(
        need(asked, "name", NAME, where), need(asked, "arguments", OBJECT, where), may(given, "id", TEXT, where)
    )


def write(turn: Turn, pieces: Iterator[Piece]) -> Iterator[bytes]:
    """Yield one object a line; the last one has the counts, or is an error."""
    usage = UNCOUNTED
    for piece in translate_finish(pieces, REASONS):
        if piece is PAUSE:
            yield b""
            continue
        match piece:
            case Usage():
                usage = piece
                continue
            case Problem():
                line: dict[str, Any] = {"error": FAULTS[piece.kind][1]}
            case Finish():
                line = _last(turn, {"content": ""}, piece, usage)
            case ToolCall():
                line = _line(turn, {"content": "", "tool_calls": [_called(piece)]})
            case Reasoning():
                line = _line(turn, {"content": "", "thinking": piece.text})
            case str():
                line = _line(turn, {"content": piece}) | _logprobs(turn, piece)
            case _:
                raise unknown(piece)
        yield compact(line).encode() + b"\n"


def whole(turn: Turn, pieces: Iterator[Piece]) -> Reply:
    """Return the whole reply: the last line of a stream, with everything that was said."""
    said = collect(translate_finish(pieces, REASONS))
    if isinstance(said.end, Problem):
        return _fault(said.end.kind)
    for other in said.others:
        raise unknown(other)
    thinking = {"thinking": said.reasoning} if said.reasoning else {}
    called = {"tool_calls": [_called(call) for call in said.calls]} if said.calls else {}
    last = _last(turn, {"content": said.text, **thinking, **called}, said.end, said.usage)
    return Reply(200, last | _logprobs(turn, said.text))


def _line(turn: Turn, said: dict[str, Any]) -> dict[str, Any]:
    created = datetime.fromtimestamp(turn.now, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {"model": turn.model, "created_at": created, "message": {"role": "assistant", **said}, "done": False}


def _logprobs(turn: Turn, text: str) -> dict[str, Any]:
    """Return the field with the logprob of a text, which is one token here; {} if no logprobs are asked for."""
    if not text or "logprobs" not in turn.options:
        return {}
    sure = {"token": text, "logprob": 0.0, "bytes": [*text.encode()]}
    most = turn.options["logprobs"]
    return {"logprobs": [{**sure, "top_logprobs": [sure]} if most is not True and most else sure]}


def _last(turn: Turn, said: dict[str, Any], finish: Finish, usage: Usage) -> dict[str, Any]:
    """Return the line that ends a reply: with the tokens, of which thinking is a part, and durations in nanoseconds."""
    return _line(turn, said) | {
        "done": True,
        "done_reason": finish.native,
        "total_duration": 3000000,
        "load_duration": 1000000,
        "prompt_eval_count": usage.prompt_tokens,
        "prompt_eval_duration": 1000000,
        "eval_count": usage.completion_tokens,
        "eval_duration": 1000000,
    }


def _called(call: ToolCall) -> dict[str, Any]:
    asked = {"function": {"name": call.name, "arguments": arguments_object(call)}}
    return ({"id": call.id} if call.id else {}) | asked


def fault(_: Post, kind: str, problem: str | None) -> Reply:
    """Return the reply for an error."""
    return _fault(kind, problem)


def _fault(kind: str, problem: str | None = None) -> Reply:
    status, message = FAULTS[kind]
    return Reply(status, {"error": problem or message})


def head(_: Post) -> dict[str, str]:
    """Return the headers of a streamed reply."""
    return {"content-type": "application/x-ndjson"}


OLLAMA = Protocol(
    name="ollama",
    path="/api/chat",
    shown="/api/chat",
    read=read,
    write=write,
    whole=whole,
    fault=fault,
    head=head,
)
