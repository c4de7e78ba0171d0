"""Google Gemini's streamGenerateContent.

Source: https://ai.google.dev/api/generate-content and recorded traffic (CRLF line ends, no end marker), August 2026.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from .checks import (
    COUNT,
    INTEGER,
    NAME,
    NUMBER,
    OBJECT,
    OBJECTS,
    STRINGS,
    TEXT,
    TOOLS,
    Refusal,
    may,
    need,
    one_of,
    options,
)
from .conversation import (
    Messages,
    assistant,
    check_tools,
    data_url,
    function,
    image_part,
    joined,
    named,
    text_part,
    tool_call,
)
from .framing import compact, sse
from .pieces import Call, Piece, Problem, Stop, Think
from .protocol import Fault, Post, Protocol, Turn

FAULTS = {
    "invalid": (400, "INVALID_ARGUMENT", "Request contains an invalid argument."),
    "authentication": (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
    "permission": (403, "PERMISSION_DENIED", "The caller does not have permission"),
    "not_found": (404, "NOT_FOUND", "models/no-such-model is not found for API version v1beta"),
    "rate_limit": (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota. Please retry in 1s."),
    "overloaded": (503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    "context_length": (
        400, "INVALID_ARGUMENT",
        "The input token count (2000000) exceeds the maximum number of tokens allowed (1000000).",
    ),
    "server": (500, "INTERNAL", "An internal error has occurred. Please retry."),
}  # fmt: skip
DETAILS: dict[str, list[dict[str, Any]]] = {
    "authentication": [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}
    ],
    "rate_limit": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"}],
}
FINISH = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP", "content_filter": "SAFETY", "error": "OTHER"}

KNOWN = {
    "temperature": ("temperature", NUMBER),
    "maxOutputTokens": ("max_tokens", COUNT),
    "topP": ("top_p", NUMBER),
    "stopSequences": ("stop", STRINGS),
    "seed": ("seed", INTEGER),
}
MODES = {"AUTO": "auto", "ANY": "required", "NONE": "none"}
OPAQUE = {"args", "response", "parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema"}
KINDS = ("text", "inlineData", "fileData", "functionCall", "functionResponse")


def read(post: Post) -> Turn:
    """The request in common terms; `form` is `sse`, or `array` without `alt=sse`.

    Calls and results have an id only if the client gave one; a result has the tool's `name` besides.
    """
    post.demand_key("x-goog-api-key")
    data = _camel(post.data())
    messages: Messages = []
    if system := may(data, "systemInstruction", OBJECT):
        parts = [text_part(need(part, "text", TEXT, "systemInstruction.")) for part in need(system, "parts", OBJECTS)]
        messages.append({"role": "system", "content": joined(parts)})
    for number, content in enumerate(need(data, "contents", OBJECTS)):
        _add(messages, content, f"contents[{number}].")
    check_tools(messages)
    model = unquote(post.path.rpartition("/")[2].partition(":")[0])
    form = "sse" if post.query.get("alt") == "sse" else "array"
    return Turn(model=model, messages=messages, options=_options(data), dialect=post.dialect, form=form)


def _camel(value: Any) -> Any:
    """The value with its fields in camel case: protobuf's JSON takes `mime_type` for `mimeType` too, and the official
    client sends both. What belongs to the caller stays as it is.
    """
    if isinstance(value, list):
        return [_camel(item) for item in value]
    if not isinstance(value, dict):
        return value
    named = {re.sub("_([a-z])", lambda found: found[1].upper(), name): item for name, item in value.items()}
    return {name: item if name in OPAQUE else _camel(item) for name, item in named.items()}


def _add(messages: Messages, content: Mapping[str, Any], where: str) -> None:
    """Appends a message of role tool for each result, then one for the other parts."""
    role = may(content, "role", one_of(("user", "model")), where) or "user"
    parts: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    for part in need(content, "parts", OBJECTS, where):
        kinds = [kind for kind in KINDS if kind in part]
        if len(kinds) != 1:
            raise Refusal(400, f"{where}parts: expected exactly one of {', '.join(KINDS)} in each")
        given = need(part, kinds[0], TEXT if kinds[0] == "text" else OBJECT, where + "parts: ")
        match kinds[0]:
            case "text" if not part.get("thought"):
                parts.append(text_part(given))
            case "inlineData":
                parts.append(
                    image_part(data_url(need(given, "mimeType", NAME, where), need(given, "data", NAME, where)))
                )
            case "fileData":
                parts.append(image_part(need(given, "fileUri", NAME, where)))
            case "functionCall":
                asked = need(given, "name", NAME, where), may(given, "args", OBJECT, where) or {}
                calls.append(tool_call(*asked, given.get("id")))
            case "functionResponse":
                messages.append(_result(given, where))
    if role == "model":
        messages.append(assistant(joined(parts), calls))
    elif parts:
        messages.append({"role": "user", "content": joined(parts)})


def _result(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A tool's message: the text of an object with nothing but a `result` or `output`, otherwise the object as JSON."""
    response = need(given, "response", OBJECT, where)
    text = response.get("result", response.get("output")) if len(response) == 1 else None
    extra = {"tool_call_id": given["id"]} if given.get("id") else {}
    content = text if isinstance(text, str) else compact(response)
    return {"role": "tool", "content": content, "name": need(given, "name", NAME, where), **extra}


def _options(data: Mapping[str, Any]) -> dict[str, Any]:
    config = may(data, "generationConfig", OBJECT) or {}
    found = options(config, KNOWN, "generationConfig.")
    declared = [
        function(
            need(one, "name", NAME, "tools: "),
            one.get("description"),
            one.get("parametersJsonSchema", one.get("parameters")),
        )
        for tool in may(data, "tools", TOOLS) or ()
        for one in may(tool, "functionDeclarations", TOOLS, "tools: ") or ()
    ]
    if declared:
        found["tools"] = declared
    calling = may(may(data, "toolConfig", OBJECT) or {}, "functionCallingConfig", OBJECT, "toolConfig.") or {}
    if mode := may(calling, "mode", one_of(MODES), "toolConfig."):
        only = may(calling, "allowedFunctionNames", STRINGS, "toolConfig.") or []
        found["tool_choice"] = named(only[0]) if len(only) == 1 else MODES[mode]
    schema = config.get("responseJsonSchema", config.get("responseSchema"))
    if schema is not None:
        found["response_format"] = {"type": "json_schema", "json_schema": {"schema": schema}}
    elif config.get("responseMimeType") == "application/json":
        found["response_format"] = {"type": "json_object"}
    return found


def write(turn: Turn, pieces: Iterator[Piece]) -> Iterator[bytes]:
    """Yields the chunks: as events, or without `alt=sse` as one JSON array."""
    chunks = _chunks(turn, pieces)
    if turn.form == "sse":
        yield from (sse(chunk, end="\r\n") for chunk in chunks)
        return
    for number, chunk in enumerate(chunks):
        yield (",\r\n" if number else "[").encode() + compact(chunk).encode() + b"\r\n"
    yield b"]"


def _chunks(turn: Turn, pieces: Iterator[Piece]) -> Iterator[dict[str, Any]]:
    begun = False
    for piece in pieces:
        match piece:
            case Problem(kind="content_filter"):
                blocked = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}
                yield (_chunk(turn, {"text": ""}, "SAFETY") if begun else blocked | _rest(turn))
            case Problem():
                yield {"error": _error(piece.kind)}
            case Stop():
                yield _chunk(turn, {"text": ""}, FINISH[piece.reason])
            case Call():
                asked = {"name": piece.name, "args": json.loads(piece.text), **({"id": piece.id} if piece.id else {})}
                signed = {"thoughtSignature": "c2lnbmF0dXJl"} if turn.tally.thoughts else {}
                yield _chunk(turn, {"functionCall": asked, **signed})
            case Think():
                yield _chunk(turn, {"text": piece.text, "thought": True})
            case _:
                yield _chunk(turn, {"text": piece})
        begun = True


def _chunk(turn: Turn, part: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    finish = {"finishReason": reason} if reason else {}
    return {"candidates": [{"content": {"parts": [part], "role": "model"}, **finish, "index": 0}], **_rest(turn)}


def _rest(turn: Turn) -> dict[str, Any]:
    """Usage so far, which every chunk has; the thoughts' tokens are none of the candidate's."""
    prompt, texts, thoughts = turn.prompt_tokens, turn.tally.texts, turn.tally.thoughts
    usage = {"promptTokenCount": prompt, "candidatesTokenCount": texts, "totalTokenCount": prompt + texts + thoughts}
    extra = {"thoughtsTokenCount": thoughts} if thoughts else {}
    return {"usageMetadata": usage | extra, "modelVersion": turn.model, "responseId": "resp-1"}


def _error(kind: str, problem: str | None = None) -> dict[str, Any]:
    code, status, message = FAULTS[kind]
    if problem and kind == "authentication":
        code, status = 401, "UNAUTHENTICATED"
    details = {"details": DETAILS[kind]} if kind in DETAILS and not problem else {}
    return {"code": code, "message": problem or message, "status": status, **details}


def fault(post: Post, kind: str, problem: str | None) -> Fault:
    """The error, in a list of one where an array was asked for; a blocked prompt is no error but a reply of 200."""
    if kind == "content_filter":
        return Fault(200, None)
    error = _error(kind, problem)
    return Fault(error["code"], {"error": error} if post.query.get("alt") == "sse" else [{"error": error}])


def head(post: Post) -> dict[str, str]:
    alt = post.query.get("alt")
    return {"content-type": "text/event-stream" if alt == "sse" else "application/json; charset=UTF-8"}


GEMINI = Protocol(
    name="gemini",
    path=r"/v1(beta)?/models/[^/:]+:streamGenerateContent",
    shown="/v1beta/models/{model}:streamGenerateContent",
    read=read,
    write=write,
    fault=fault,
    head=head,
)
