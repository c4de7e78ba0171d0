"""What the services that speak OpenAI's protocols share, and the habits in which they differ.

The two protocols are made for a service's habits: `chat(Habits(think=reasoning_content))`, `responses(Habits())`.

Source of the errors: https://platform.openai.com/docs/guides/error-codes, August 2026.  The messages are in OpenAI's
style and not always in its words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from .._core.events import ToolCall
from .pieces import Piece
from .protocol import Reply, Turn
from .refusals import Check, nothing

JSON = dict[str, Any]

# Status, type, code and message of each kind of error.
FAULTS: dict[str, tuple[int, str, str | None, str]] = {
    "invalid": (400, "invalid_request_error", None, "Invalid request."),
    "authentication": (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    "permission": (
        403, "request_forbidden", "unsupported_country_region_territory", "Country, region, or territory not supported",
    ),
    "not_found": (
        404, "invalid_request_error", "model_not_found", "The model does not exist or you do not have access to it.",
    ),
    "rate_limit": (
        429, "requests", "rate_limit_exceeded",
        "Rate limit reached on requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in 1s.",
    ),
    "overloaded": (
        503, "server_error", None, "The server is currently overloaded with other requests. Sorry about that!",
    ),
    "context_length": (
        400, "invalid_request_error", "context_length_exceeded",
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 10000 tokens.",
    ),
    "content_filter": (
        400, "invalid_request_error", "invalid_prompt",
        "Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
    ),
    "server": (
        500, "server_error", None, "The server had an error while processing your request. Sorry about that!",
    ),
}  # fmt: skip


def field_of(problem: str) -> str | None:
    """Return the field that a refusal speaks of: the name before the first colon, without index; None for no name."""
    name = problem.partition(":")[0].partition("[")[0]
    return None if " " in name else name


def error(kind: str, problem: str | None = None) -> JSON:
    """Return OpenAI's error object, with the message of a refusal if there is one."""
    _, type_, code, message = FAULTS[kind]
    param = "messages" if kind == "context_length" else None
    if problem and kind == "invalid":
        param = field_of(problem)
    return {"message": problem or message, "type": type_, "param": param, "code": code}


def openai_fault(kind: str, problem: str | None) -> Reply:
    """Return OpenAI's reply for an error."""
    return Reply(FAULTS[kind][0], {"error": error(kind, problem)})


# The types of parts that every service knows.
SHOWN = ("text", "image_url")


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """The habits of one service.  The first five count for both protocols, all others for Chat Completions alone."""

    # What may stand before `/chat/completions` and `/responses` in a path, as regular expressions.
    bases: tuple[str, ...] = ("/v1",)
    # The headers of which one has to hold a key.
    key_headers: tuple[str, ...] = ("authorization",)
    # The header in which a response has an id, "" if it has none, and that id.
    id_header: str = "x-request-id"
    id: str = "req_1"
    # The reply for an error, by its kind, with the message of a refusal if there is one.
    fault: Callable[[str, str | None], Reply] = openai_fault

    # The types of parts that a user's and an assistant's message may have in Chat Completions.  What an assistant has
    # thought (`thinking`) is left out.
    parts: tuple[str, ...] = SHOWN
    # Raises `Refusal` for messages that have the protocol's shape, but that the service refuses.
    check: Check = nothing

    # The error object inside a stream, if it differs from the one in the reply of an HTTP error.
    error_event: Callable[[str], JSON] | None = None
    # The name of the event that holds it.
    error_event_name: str = ""
    # Whether it is put into a chunk that has the finish reason `error`, and whether [DONE] follows it.
    error_in_chunk: bool = False
    done_after_error: bool = False

    # The id of the reply.
    reply_id: str = "chatcmpl-1"
    # A comment, sent before the first event and once more before the third.
    comment: str = ""
    # What a chunk without choices says before all others, besides an empty id and model; None for no such chunk.
    first: JSON | None = None
    # What the first delta says besides its role; None for no such delta.
    role: JSON | None = None
    # The delta of a piece of reasoning; {} if the service keeps its reasoning to itself.
    think: Callable[[str], JSON] = lambda _: {}
    # The delta that signs reasoning, of this text, that has ended; {} if the service signs none.
    sign: Callable[[Turn, str], JSON] = lambda _, __: {}
    # The delta of a piece of text; the flag says whether reasoning came before it.
    text: Callable[[str, bool], JSON] = lambda text, _: {"content": text}
    # More fields of the tool call of this number in the reply, from 0.
    mark_call: Callable[[Turn, ToolCall, int], JSON] = lambda _, __, ___: {}
    # Whether a tool call is one delta instead of many.
    whole_calls: bool = False
    # What a reply may hold besides: `image`, `audio`, `citation`, and `tool` for tools that the service runs itself.
    others: tuple[str, ...] = ()
    # Changes the pieces before they are written.
    pieces: Callable[[Iterator[Piece]], Iterator[Piece]] = lambda pieces: pieces
    # Changes a chunk, or a reply that is not streamed, before it is sent.
    dress: Callable[[Turn, JSON], JSON] = lambda _, chunk: chunk
    # Where the usage is: in a chunk of its own if asked for, in one in any case, in the chunk with the finish reason.
    usage: Literal["asked", "last", "finish", "never"] = "asked"
    # The choices in the usage's own chunk.
    usage_choices: tuple[JSON, ...] = ()
    # Whether the first and the last chunk have the id and the usage in `x_groq` as well.
    x_groq: bool = False
    # The finish reason that stands for an error.
    error_reason: str = "error"
    # Whether [DONE] ends the stream.
    done: bool = True


def path(habits: Habits, end: str) -> str:
    """Return the regular expression for the paths of a service that end so."""
    return f"({'|'.join(habits.bases)}){end}"


def shown(habits: Habits, end: str) -> str:
    """Return the usual path of a service that ends so, for a message."""
    usual = "/v1" if "/v1" in habits.bases else habits.bases[0]
    return usual.replace("[^/]+", "{name}") + end


def head(habits: Habits) -> dict[str, str]:
    """Return the headers of a streamed reply."""
    return {
        "content-type": "text/event-stream; charset=utf-8",
        **({habits.id_header: habits.id} if habits.id_header else {}),
    }


def token(turn: Turn, text: str) -> list[JSON]:
    """Return a text as the one token that it is here, with its logprob; [] if no logprobs are asked for.

    It has no rivals, so that the likeliest tokens are the token itself.
    """
    if not text or "logprobs" not in turn.options:
        return []
    sure = {"token": text, "logprob": 0.0, "bytes": [*text.encode()]}
    most = turn.options["logprobs"]
    return [{**sure, "top_logprobs": [sure] if most is not True and most else []}]
