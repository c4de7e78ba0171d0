"""Anthropic Messages.

Source: https://platform.claude.com/docs/en/build-with-claude/streaming and .../api/errors, August 2026.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .anthropic_request import read
from .conversation import Call, Piece, Problem, Stop, Think
from .framing import DONE, sse
from .protocol import Fault, Post, Protocol, Turn, as_problem

FAULTS = {
    "invalid": (400, "invalid_request_error", "Invalid request"),
    "authentication": (401, "authentication_error", "invalid x-api-key"),
    "permission": (403, "permission_error", "Your API key does not have permission to use the specified resource"),
    "not_found": (404, "not_found_error", "model: no-such-model"),
    "rate_limit": (429, "rate_limit_error", "This request would exceed your organization's rate limit"),
    "overloaded": (529, "overloaded_error", "Overloaded"),
    "context_length": (400, "invalid_request_error", "prompt is too long: 205000 tokens > 200000 maximum"),
    "content_filter": (400, "invalid_request_error", "Output blocked by content filtering policy"),
    "server": (500, "api_error", "Internal server error"),
}
STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


def write(turn: Turn, pieces: Iterator[Piece]) -> Iterator[bytes]:
    """Yields the events, padded with blanks as the service pads them; a problem may be the very first."""
    for number, event in enumerate(_events(turn, pieces)):
        yield sse(event, event=event["type"], pad=" " * (number % 8))
        if number == 1 and event["type"] == "content_block_start":
            yield sse({"type": "ping"}, event="ping")
    if turn.dialect == "openrouter":
        yield DONE


def _events(turn: Turn, pieces: Iterator[Piece]) -> Iterator[dict[str, Any]]:
    index, kind, begun = 0, "", False
    for piece in (as_problem(piece, "error") for piece in pieces):
        if isinstance(piece, Problem):
            yield {"type": "error", "error": _error(piece.kind)}
            return
        if not begun:
            yield {"type": "message_start", "message": _message(turn)}
            begun = True
        wanted = {Call: "tool_use", Think: "thinking", Stop: ""}.get(type(piece), "text")
        if kind and (kind != wanted or wanted == "tool_use"):
            if kind == "thinking":
                yield _delta(index, {"type": "signature_delta", "signature": "c2lnbmF0dXJl"})
            yield {"type": "content_block_stop", "index": index}
            index, kind = index + 1, ""
        if wanted and not kind:
            yield {"type": "content_block_start", "index": index, "content_block": _block(piece, index)}
            kind = wanted
        match piece:
            case Stop():
                done = {"stop_reason": STOP_REASONS[piece.reason], "stop_sequence": None}
                usage = {"output_tokens": turn.tally.texts + turn.tally.thoughts}
                yield {"type": "message_delta", "delta": done, "usage": usage}
                yield {"type": "message_stop"}
            case Call():
                for fragment in ["", *piece.fragments]:
                    yield _delta(index, {"type": "input_json_delta", "partial_json": fragment})
            case Think():
                yield _delta(index, {"type": "thinking_delta", "thinking": piece.text})
            case _:
                yield _delta(index, {"type": "text_delta", "text": piece})


def _delta(index: int, delta: dict[str, str]) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": delta}


def _block(piece: Piece, index: int) -> dict[str, Any]:
    if isinstance(piece, Call):
        return {"type": "tool_use", "id": piece.id or f"toolu_{index + 1}", "name": piece.name, "input": {}}
    if isinstance(piece, Think):
        return {"type": "thinking", "thinking": "", "signature": ""}
    return {"type": "text", "text": ""}


def _message(turn: Turn) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": turn.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {
            "input_tokens": turn.prompt_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 1,
        },
    }


def _error(kind: str, problem: str | None = None) -> dict[str, str]:
    return {"type": FAULTS[kind][1], "message": problem or FAULTS[kind][2]}


def fault(_: Post, kind: str, problem: str | None) -> Fault:
    return Fault(FAULTS[kind][0], {"type": "error", "error": _error(kind, problem), "request_id": "req_1"})


def head(_: Post) -> dict[str, str]:
    return {"content-type": "text/event-stream; charset=utf-8", "request-id": "req_1"}


ANTHROPIC = Protocol(
    name="anthropic", path=r"(/.*)?/messages", shown="/v1/messages", read=read, write=write, fault=fault, head=head
)
