"""Google Gemini's streamGenerateContent.

Source: https://ai.google.dev/api/generate-content and recorded traffic (CRLF line ends, no end marker), August 2026.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .conversation import Call, Piece, Problem, Stop, Think
from .framing import compact, sse
from .gemini_request import read
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
