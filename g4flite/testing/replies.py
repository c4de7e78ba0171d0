"""What a reply function says, checked and counted, as the pieces that a writer expects.

start, pieces = opened(spoken(lambda messages: "Hello to you", messages))
pieces = counted(pieces, prompt_tokens=3)        # Usage(3, 1, 0, 4), "Hello", Usage(3, 2, 0, 5), " to", ..., Finish
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import TypeAlias, TypeVar, get_args

from .._core.events import (
    Citation,
    Finish,
    FinishReason,
    Media,
    Reasoning,
    ServerToolCall,
    ServerToolResult,
    Start,
    ToolCall,
    Usage,
)
from ..server.checks import Refusal
from ..server.conversation import Messages, text_of
from ..server.pieces import OTHERS, Piece, Problem

Said: TypeAlias = Start | Piece
ReplyFunction = Callable[[Messages], Said | Iterable[Said]]

EVENTS = (Start, Reasoning, ToolCall, *OTHERS, Usage, Finish, Problem)
REASONS: tuple[str, ...] = get_args(FinishReason)

Item = TypeVar("Item")


def echo(messages: Messages) -> str:
    """Return what was understood: `You said: Hello`."""
    return f"You said: {text_of(messages[-1])}"


def spoken(reply: ReplyFunction, messages: Messages) -> Iterator[Said]:
    """Yield what the reply function says, piece by piece; a str comes word by word.

    Raise `Refusal` 500 if the function raises an exception or says something that cannot be sent.
    """
    try:
        said = reply(messages)
        if isinstance(said, str):
            said = re.findall(r"\s*\S+|\s+", said)
        elif isinstance(said, EVENTS):
            # The events are tuples: iterating over a single one would say its fields.
            said = [said]
        # Iterating over a dict would say its keys.
        elif isinstance(said, Mapping) or not isinstance(said, Iterable):
            raise TypeError(f"expected a str, an event or an iterable of these, not {said!r}")
        for number, piece in enumerate(said):
            _check(piece, first=number == 0)
            yield piece
    except Exception as error:
        raise Refusal(500, f"reply function failed: {error!r}") from error


def _check(piece: object, *, first: bool) -> None:
    """Raise `TypeError` or `ValueError`, with the field's name, unless the piece can be sent at this place."""
    match piece:
        case str():
            _text("text", piece)
        case Reasoning():
            _text("Reasoning.text", piece.text)
        case ToolCall():
            _text("ToolCall.id", piece.id)
            _text("ToolCall.name", piece.name)
            _text("ToolCall.arguments", piece.arguments, "JSON text")
        case Media() | Citation() | ServerToolCall() | ServerToolResult():
            _check_other(piece)
        case Usage():
            for name, count in [*piece._asdict().items()][:6]:
                if count is not None and (type(count) is not int or count < 0):
                    raise ValueError(f"Usage.{name}: expected a number of tokens or None, not {count!r}")
        case Finish():
            if piece.reason not in REASONS:
                raise ValueError(f"Finish.reason: expected one of {', '.join(REASONS)}; not {piece.reason!r}")
            if piece.native is not None or piece.reason == "other":
                _text("Finish.native", piece.native, "the service's own word")
        case Start():
            if not first:
                raise ValueError(f"expected a Start before everything else, not behind it: {piece!r}")
            for name, value in piece._asdict().items():
                _text(f"Start.{name}", value or "")
        case Problem():
            pass
        case _:
            names = ", ".join(kind.__name__ for kind in EVENTS)
            raise TypeError(f"expected str, {names}; not {piece!r}")


def _check_other(piece: Media | Citation | ServerToolCall | ServerToolResult) -> None:
    """Raise `TypeError` or `ValueError` for a field of a wrong type or value."""
    name = type(piece).__name__
    match piece:
        case Media():
            _text("Media.mime_type", piece.mime_type)
            if (piece.data is None) is (piece.url is None) or not isinstance(piece.data or b"", bytes):
                raise TypeError(f"Media: expected data, as bytes, or a url; not {piece!r}")
            _text("Media.url", piece.url or "")
        case Citation():
            for field in ("text", "url", "title"):
                _text(f"Citation.{field}", getattr(piece, field) or "")
            for field in ("start", "end"):
                place = getattr(piece, field)
                if place is not None and (type(place) is not int or place < 0):
                    raise ValueError(f"Citation.{field}: expected a place in the text or None, not {place!r}")
        case _:
            _text(f"{name}.id", piece.id)
            _text(f"{name}.name", piece.name)
            if isinstance(piece, ServerToolResult):
                json.dumps(piece.value, allow_nan=False)
            else:
                _text(f"{name}.arguments", piece.arguments, "JSON text")


def _text(name: str, value: object, expected: str = "a string") -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name}: expected {expected}, not {value!r}")
    # Half of a surrogate pair fails here, and not when the reply is half sent.
    value.encode()


def begun(items: Iterator[Item]) -> Iterator[Item]:
    """Return the same items; the first one is asked for at once, so that its failure comes before the response."""
    return chain(list(islice(items, 1)), items)


def opened(said: Iterator[Said]) -> tuple[Start, Iterator[Piece]]:
    """Return the Start of a reply, empty if there is none, and all pieces after it; the first is asked for at once."""
    first = next(said, None)
    if isinstance(first, Start):
        return first, begun(_pieces(said))
    return Start(), _pieces(said if first is None else chain([first], said))


def _pieces(said: Iterator[Said]) -> Iterator[Piece]:
    return (piece for piece in said if not isinstance(piece, Start))


def counted(pieces: Iterator[Piece], prompt_tokens: int) -> Iterator[Piece]:
    """Yield the pieces up to one Finish or Problem, with a Usage before each of them.

    A piece of text or of reasoning counts as one token; all else counts nothing.  What the reply's own Usage says
    replaces what was counted; it may follow the Finish, too.  Without a Finish the reason is tool_calls if there was a
    tool call, else stop.
    """
    texts, thoughts, given = 0, 0, Usage()
    end: Finish | Problem = Finish("stop")
    for piece in pieces:
        match piece:
            case Usage():
                given = piece
                continue
            case Finish() | Problem():
                end = piece
                break
            case ToolCall():
                end = Finish("tool_calls")
            case Reasoning():
                thoughts += 1
            case str():
                texts += 1
        yield _usage(given, prompt_tokens, texts, thoughts)
        yield piece
    for later in pieces if isinstance(end, Finish) else ():
        if not isinstance(later, Usage):
            break
        given = later
    yield _usage(given, prompt_tokens, texts, thoughts)
    yield end


def _usage(given: Usage, prompt: int, texts: int, thoughts: int) -> Usage:
    """Return the given tokens, with the counted ones in place of None."""
    prompt = prompt if given.prompt_tokens is None else given.prompt_tokens
    thoughts = thoughts if given.reasoning_tokens is None else given.reasoning_tokens
    completion = texts + thoughts if given.completion_tokens is None else given.completion_tokens
    total = prompt + completion if given.total_tokens is None else given.total_tokens
    return Usage(prompt, completion, thoughts, total, given.cached_tokens, given.cache_write_tokens)


def plain(said: Iterator[Said]) -> Iterator[str]:
    """Yield the text alone, up to a Finish, for services that send nothing else; reasoning and counts are left out.

    Raise `Refusal` 500 for a tool call, other content or a problem, which these services cannot send.
    """
    for piece in said:
        match piece:
            case str():
                yield piece
            case ToolCall() | Media() | Citation() | ServerToolCall() | ServerToolResult() | Problem():
                raise Refusal(500, f"reply: expected text of this service, not {piece!r}")
            case Finish():
                return


def words(messages: Messages) -> int:
    """Return the number of words in the messages, which stand for the tokens of the prompt."""
    return sum(len(text_of(message).split()) for message in messages)
