"""What a reply holds besides its text, as small frozen values, in the order in which it comes."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from .response.assembly import joined

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter", "error", "other"]


NOTHING: Final[Mapping[str, Any]] = {}


class Start(NamedTuple):
    """The reply begins: its id and the model that answers, as the service names them (None where it does not)."""

    response_id: str | None = None
    model: str | None = None


class Reasoning(NamedTuple):
    """A piece of what the model says to itself before it answers."""

    text: str


class ToolCallDelta(NamedTuple):
    """A piece of a tool call: `arguments` goes on where the last piece of the same `index` (from 0) ended.

    `id` and `name` are whole in each piece.  Every tool call comes in pieces, one where the service sends it whole.
    """

    index: int  # type: ignore[assignment]  # a tuple's own `index` is of no use here
    id: str
    name: str
    arguments: str


class ToolCall(NamedTuple):
    """A whole tool call; `arguments` is JSON text, as the model wrote it ({} where it wrote none).

    `id` is the service's; where it has none, `call_<index>_<name>`.
    """

    id: str
    name: str
    arguments: str


class Usage(NamedTuple):
    """The tokens counted so far, None for what the service does not count; `raw` is its own object.

    `completion_tokens` holds the answer and the reasoning, `reasoning_tokens` the reasoning alone.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    total_tokens: int | None = None
    raw: Mapping[str, Any] = NOTHING

    def __hash__(self) -> int:
        return hash(self[:-1])


class Finish(NamedTuple):
    """The answer is complete: `reason` in the one vocabulary for all services, `native` in the service's own word.

    Usage may follow.
    """

    reason: FinishReason
    native: str | None = None


Event: TypeAlias = Start | Reasoning | ToolCallDelta | ToolCall | Usage | Finish
CONTENT = (str, Reasoning, ToolCallDelta, ToolCall)  # what opens a reply: behind it no attempt is made again


class ToolCalls:
    """Fragments of tool calls in, `ToolCallDelta`s out; `whole` joins them."""

    __slots__ = ("_count", "_open")

    def __init__(self) -> None:
        self._open: dict[object, tuple[ToolCallDelta, list[str]]] = {}
        self._count = 0

    def add(self, key: object, *, id: str | None = None, name: str | None = None, text: str = "") -> ToolCallDelta:  # noqa: A002
        """The next piece of the call that the service knows as `key`; the first one brings the name."""
        first, texts = self._open.get(key) or (None, [])
        if first is not None and name and (id or name) != (first.id if id else first.name):  # all are numbered 0
            self._open[key, first.id] = self._open.pop(key)
            first, texts = None, []
        if first is None:
            if not isinstance(name, str):
                raise TypeError("a tool call begins without its name")
            first = ToolCallDelta(self._count, id or f"call_{self._count}_{name}", name, "")
            self._open[key] = first, texts
            self._count += 1
        delta = ToolCallDelta(first.index, first.id, first.name, text)
        texts.append(delta.arguments)
        return delta

    def once(self, name: str, arguments: object, id: str | None = None) -> Iterator[ToolCallDelta | ToolCall]:  # noqa: A002
        """A call that the service sends whole, its arguments as an object or as JSON text."""
        text, key = arguments if isinstance(arguments, str) else json.dumps(arguments or {}), object()
        yield self.add(key, id=id, name=name, text=text)
        yield from self.whole(key)

    def __contains__(self, key: object) -> bool:
        return key in self._open

    def said(self, key: object) -> str:
        """The arguments of this call so far."""
        return "".join(self._open[key][1]) if key in self._open else ""

    def whole(self, *keys: object) -> Iterator[ToolCall]:
        """The calls of these keys, or else all, that have not come out yet; surrogates split over pieces are joined."""
        for key in keys or tuple(self._open):
            if key in self._open:
                first, texts = self._open.pop(key)
                yield ToolCall(first.id, first.name, joined("".join(texts)) or "{}")
