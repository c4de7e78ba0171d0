"""What a reply is made of, besides text, and how it is counted."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, TypeVar

from .checks import Refusal
from .conversation import Messages, text_of

REASONS = ("stop", "length", "tool_calls", "content_filter", "error")
KINDS = (
    "authentication", "permission", "not_found", "rate_limit", "overloaded", "context_length", "content_filter",
    "server",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Think:
    """A piece of reasoning. Protocols that send none count it all the same."""

    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call; `arguments` as an object or as JSON text, which is sent as it is. Without an id the server
    makes one up where its protocol demands one.
    """

    name: str
    arguments: Mapping[str, Any] | str
    id: str | None = None

    @property
    def text(self) -> str:
        """The arguments as JSON text."""
        return self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments, ensure_ascii=False)

    @property
    def fragments(self) -> list[str]:
        """The arguments' text, eight characters a piece."""
        return [self.text[start : start + 8] for start in range(0, len(self.text), 8)]


@dataclass(frozen=True, slots=True)
class Stop:
    """The end of the reply, and why: stop, length, tool_calls, content_filter, error. Raises `ValueError` for others.

    A protocol without such a reason reports `Problem("server")` for error, and where it has none for content_filter
    either, `Problem("content_filter")`.
    """

    reason: str

    def __post_init__(self) -> None:
        if self.reason not in REASONS:
            raise ValueError(f"reason: expected one of {', '.join(REASONS)}; not {self.reason!r}")


@dataclass(frozen=True, slots=True)
class Problem:
    """An error inside the stream, as the service reports it there; nothing comes after. Raises `ValueError`.

    `kind`: authentication, permission, not_found, rate_limit, overloaded, context_length, content_filter or server.
    """

    kind: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind: expected one of {', '.join(KINDS)}; not {self.kind!r}")


Piece = str | Think | Call | Stop | Problem
Reply = Callable[[Messages], str | Iterable[Piece]]


@dataclass(slots=True)
class Tally:
    """The pieces of a reply so far, which stand for its tokens; calls count nothing."""

    texts: int = 0
    thoughts: int = 0


Said = TypeVar("Said")


def begin(pieces: Iterator[Said]) -> Iterator[Said]:
    """The same pieces, but the first one is asked for at once, so that what fails there fails before the reply."""
    return chain(list(islice(pieces, 1)), pieces)


def speak(reply: Reply, messages: Messages) -> Iterator[Piece]:
    """Yields the pieces of a reply: a str word by word, an iterable as it comes.

    Raises `Refusal` 500 for whatever fails in `reply`.
    """
    try:
        text = reply(messages)
        for piece in re.findall(r"\s*\S+|\s+", text) if isinstance(text, str) else text:
            if not isinstance(piece, str | Think | Call | Stop | Problem):
                raise TypeError(f"expected str, Think, Call, Stop or Problem, not {piece!r}")
            _sendable(piece)
            yield piece
    except Exception as error:
        raise Refusal(500, f"reply function failed: {error!r}") from error


def _sendable(piece: Piece) -> None:
    """Raises what `str.encode` and `json.dumps` raise: what cannot be sent is the reply's fault as well."""
    match piece:
        case str():
            piece.encode()
        case Think():
            piece.text.encode()
        case Call():
            f"{piece.id}{piece.name}{piece.text}".encode()


def plain(pieces: Iterable[Piece]) -> Iterator[str]:
    """Yields the text alone, up to a `Stop`. Raises `Refusal` 500 for a `Call` or `Problem`, which text cannot tell."""
    for piece in pieces:
        if isinstance(piece, Stop):
            return
        if isinstance(piece, Call | Problem):
            raise Refusal(500, f"reply: expected text of this service, not {piece!r}")
        if isinstance(piece, str):
            yield piece


def complete(pieces: Iterable[Piece], tally: Tally) -> Iterator[Piece]:
    """The same pieces, counted, up to one `Stop` or `Problem`, which is the last and is there in any case."""
    reason = "stop"
    for piece in pieces:
        match piece:
            case str():
                tally.texts += 1
            case Think():
                tally.thoughts += 1
            case Call():
                reason = "tool_calls"
            case _:
                yield piece
                return
        yield piece
    yield Stop(reason)


def words(messages: Messages) -> int:
    """How many words the messages have, which stand for the tokens of the prompt."""
    return sum(len(text_of(message).split()) for message in messages)
