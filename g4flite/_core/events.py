"""What a reply holds besides its text, as small frozen values, and what decodes it (`ChunkParser`)."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter", "error", "other"]

NOTHING: Final[Mapping[str, Any]] = {}


class Start(NamedTuple):
    """The reply begins: its id and the answering model, as the service names them (None if it does not say)."""

    response_id: str | None = None
    model: str | None = None


class Reasoning(NamedTuple):
    """A piece of the model's reasoning, which is no part of the answer."""

    text: str


class ToolCallDelta(NamedTuple):
    """A piece of a tool call: its `arguments` continue those of the last piece with the same `index` (from 0).

    `id` and `name` are whole in each piece.  If the service sends a tool call whole, it comes as one piece.
    """

    index: int  # type: ignore[assignment]  # replaces the method of tuples, which nobody needs here
    id: str
    name: str
    arguments: str


class ToolCall(NamedTuple):
    """A whole tool call: `arguments` is JSON text as the model wrote it, "{}" if it wrote none.

    `id` is the service's; if it gives none, `call_<index>_<name>`.
    """

    id: str
    name: str
    arguments: str


class Usage(NamedTuple):
    """The tokens counted so far, None for a number that the service does not count; `raw` is the service's own object.

    `completion_tokens` counts answer and reasoning, `reasoning_tokens` the reasoning alone.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    total_tokens: int | None = None
    raw: Mapping[str, Any] = NOTHING

    def __hash__(self) -> int:
        return hash(self[:-1])


class Finish(NamedTuple):
    """The answer is complete: `reason` in one vocabulary for all services, `native` in the service's own word.

    `Usage` may follow.
    """

    reason: FinishReason
    native: str | None = None


Event: TypeAlias = Start | Reasoning | ToolCallDelta | ToolCall | Usage | Finish
# The content of an answer.  After the first of these no attempt is made again.
CONTENT = (str, Reasoning, ToolCallDelta, ToolCall)


class ChunkParser(Protocol):
    """A push decoder: bytes of a reply in, texts and events out.  Each instance decodes one response.

    Both methods raise a `ReplyError` if the bytes break the protocol; what was decoded before is given out first.
    """

    @property
    def done(self) -> bool:
        """Whether the end marker came; always False if the protocol has none."""

    def feed(self, data: bytes) -> Iterable[str | Event]:
        """Return the texts and events that `data` completes, never an empty text."""

    def close(self) -> Iterable[str | Event]:
        """Return what is still held back at the end of the reply."""
