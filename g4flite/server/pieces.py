"""What a reply is made of: text, the SDK's events, and `Problem` for an error inside a reply.

A writer is given the pieces in this order:

    Usage                            the tokens up to and with the next piece; a later one replaces it
    "text" | Reasoning | ToolCall    in any number and order
    Media | Citation | ServerToolCall | ServerToolResult    as well, if the service has them: else `unknown`
    Finish | Problem                 one, at the end

For a reply that is still being made, there are two more.  `PAUSE` says that the next piece is not there yet: a writer
yields b"" for it, so that whoever drives the writer gets back all that it has written before.  `ToolCallDelta` is a
piece of a tool call, in place of the ToolCall, for the writers of Chat, Responses and Messages: the calls come one
after the other, and their indices count from 0.

In each Usage the first four numbers are given.  A client that does not stream is given what `collect` makes of
the pieces.
"""

from __future__ import annotations

import enum
import json
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from .._core.events import (
    Citation,
    Finish,
    Media,
    Reasoning,
    ServerToolCall,
    ServerToolResult,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from .checks import Refusal

KINDS = (
    "authentication", "permission", "not_found", "rate_limit", "overloaded", "context_length", "content_filter",
    "server",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Problem:
    """An error that the service reports inside a reply; nothing comes after it.

    `kind` is authentication, permission, not_found, rate_limit, overloaded, context_length, content_filter or server.
    Raises `ValueError` for any other.
    """

    kind: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind: expected one of {', '.join(KINDS)}; not {self.kind!r}")


class Hidden(Reasoning):
    """Reasoning that the service does not show.

    Anthropic says so with `redacted_thinking`, Responses with an item that has no summary.  The other services say
    nothing of it.
    """

    __slots__ = ()

    def __new__(cls) -> Hidden:
        """Return reasoning without text."""
        return super().__new__(cls, "")


class Pausing(enum.Enum):
    """`PAUSE` among the pieces says that the next one is not there yet."""

    PAUSE = "the next piece is not there yet"


PAUSE: Final = Pausing.PAUSE

Other: TypeAlias = Media | Citation | ServerToolCall | ServerToolResult
Part: TypeAlias = str | Reasoning | ToolCall | Other
Piece: TypeAlias = Part | ToolCallDelta | Usage | Finish | Problem | Literal[Pausing.PAUSE]

OTHERS = (Media, Citation, ServerToolCall, ServerToolResult)
"""What a reply may hold besides text, reasoning and calls of the client's tools."""

UNCOUNTED = Usage(0, 0, 0, 0)
"""What a writer takes for the tokens until it is given a Usage."""


def translate_finish(pieces: Iterable[Piece], words: Mapping[str, str], *, hidden: bool = False) -> Iterator[Piece]:
    """Yield the pieces, with or without hidden reasoning; the Finish has the service's own word for its reason.

    The word is its `native`.  `words` has the service's words; a `native` that the Finish brings along is kept.  A
    reason for which the service has no word becomes a `Problem`: content_filter of that kind, any other of the kind
    server.
    """
    for piece in pieces:
        if not isinstance(piece, Finish):
            if hidden or not isinstance(piece, Hidden):
                yield piece
        elif native := piece.native or words.get(piece.reason):
            yield Finish(piece.reason, native)
        else:
            yield Problem("content_filter" if piece.reason == "content_filter" else "server")


@dataclass(frozen=True, slots=True)
class Whole:
    """A reply put together, for a client that wants a single JSON object."""

    # The parts in the order in which they came; neighbours that are both text, or both reasoning, are joined.
    parts: tuple[Part, ...]
    usage: Usage
    end: Finish | Problem

    @property
    def text(self) -> str:
        """The text of all parts."""
        return "".join(part for part in self.parts if isinstance(part, str))

    @property
    def reasoning(self) -> str:
        """The reasoning of all parts."""
        return "".join(part.text for part in self.parts if isinstance(part, Reasoning))

    @property
    def calls(self) -> list[ToolCall]:
        """The tool calls."""
        return [part for part in self.parts if isinstance(part, ToolCall)]

    @property
    def others(self) -> list[Other]:
        """The parts that are neither text nor reasoning nor tool calls."""
        return [part for part in self.parts if isinstance(part, OTHERS)]


def collect(pieces: Iterable[Piece]) -> Whole:
    """Return the pieces put together; empty text is left out, and hidden reasoning stays by itself."""
    parts: list[Part] = []
    usage: Usage = UNCOUNTED
    end: Finish | Problem = Finish("stop")
    for piece in pieces:
        # A whole reply has neither pauses nor pieces of calls.
        if isinstance(piece, Pausing | ToolCallDelta):
            continue
        match piece, parts[-1:]:
            case Usage(), _:
                usage = piece
            case ((Finish() | Problem()), _):
                end = piece
            case str(), [str() as last]:
                parts[-1] = last + piece
            case (Hidden(), _) | (_, [Hidden()]):
                parts.append(piece)
            case Reasoning(), [Reasoning(last)]:
                parts[-1] = Reasoning(last + piece.text)
            case _:
                parts.append(piece)
    said = (part for part in parts if isinstance(part, Hidden) or part not in ("", Reasoning("")))
    return Whole(tuple(said), usage, end)


def unknown(piece: Other | ToolCallDelta | Pausing) -> Refusal:
    """Return the fault of a reply that holds what the service has no form for."""
    return Refusal(500, f"reply: expected nothing that this service cannot send, not {piece!r}")


def base64_of(media: Media) -> str:
    """Return the data of media as base64.  Raise `Refusal` 500 for media that have a URL alone."""
    if media.data is None:
        raise unknown(media)
    return b64encode(media.data).decode()


def fragments(text: str) -> Iterator[str]:
    """Yield the arguments of a tool call eight characters at a time, as services stream them."""
    return (text[start : start + 8] for start in range(0, len(text), 8))


def arguments_object(call: ToolCall | ServerToolCall) -> dict[str, Any]:
    """Return the arguments of a tool call as an object, for protocols that do not send them as text.

    Empty arguments are {}.  Raise `Refusal` 500 if the arguments are not a JSON object.
    """
    try:
        value = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Refusal(
            500, f"{type(call).__name__}.arguments: expected a JSON object in this protocol, not {call.arguments!r}"
        )
    return value
