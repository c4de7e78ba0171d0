"""Events: what a reply holds besides its text, as small frozen values; and `ChunkParser`, which decodes a reply.

Start("chatcmpl-1", "gpt-4o-mini-2024-07-18")       # if the service names its reply
Reasoning("The user greets me.")
ToolCallDelta(0, "call_1", "now", '{"zone"'), ToolCallDelta(0, "call_1", "now", ': "UTC"}')
ToolCall("call_1", "now", '{"zone": "UTC"}')        # the same call, complete
Media("image/png", b"...")                          # an image or a piece of audio
Citation("Snow.", "https://host.test/weather", "Weather", 0, 5)
ServerToolCall("srvtoolu_1", "web_search", '{"query": "Oslo"}')     # a tool that the service runs itself
ServerToolResult("srvtoolu_1", "web_search", [...])
Native("compaction", {"content": "..."})            # content of a kind for which there is no event
TurnState({"type": "thinking", "signature": "Er..."})   # what the service wants back with the turn, like a signature
Finish("tool_calls", "tool_calls")                  # the answer is complete
Usage(prompt_tokens=9, completion_tokens=12)        # may come before or after `Finish`
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias

from .errors import MalformedReplyError, name_by_package
from .numbers import loads_strictly

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter", "pause", "error", "other"]

# The `raw` of a `Usage` for which the service sent no object.
NOTHING: Final[Mapping[str, Any]] = {}


class Start(NamedTuple):
    """The reply begins: its id and the model that answers, as the service names them; None if it names none.

    Some services name the id or the model later.  Then a second `Start` comes, also behind text, which has both.
    """

    response_id: str | None = None
    model: str | None = None


class Reasoning(NamedTuple):
    """A piece of the model's reasoning, which is not part of the answer."""

    text: str


class ToolCallDelta(NamedTuple):
    """A piece of a tool call: its `arguments` continue the text of the last piece with the same `index` (from 0).

    Each piece has the complete `id` and `name`; the first may have no arguments yet.  The pieces of a call add up to
    its `ToolCall`.  If the service sends a tool call at once, there is one piece.
    """

    index: int  # type: ignore[assignment]  # hides `tuple.index`
    id: str
    name: str
    arguments: str


class ToolCall(NamedTuple):
    """A complete tool call.  `arguments` is JSON text as the model wrote it, or "{}" if the model wrote none.

    `id` is the service's id of the call.  If the service gave none, or one that another call of the answer has, `id` is
    a random one, `call_` and 24 hexadecimal digits.
    """

    id: str
    name: str
    arguments: str

    @property
    def parsed(self) -> dict[str, Any]:
        """The arguments as an object.

        Raises `MalformedReplyError`, which names the call, if the arguments are not a JSON object.  NaN and infinities
        are no JSON, and no service would take them back.
        """
        try:
            value = loads_strictly(self.arguments)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise MalformedReplyError(
                f"the arguments of the tool call {self.id!r} of {self.name!r} are not a JSON object: "
                f"{self.arguments[:200]!r}",
                advice="answer the call with an error, so that the model can mend it",
            )
        return value


class Usage(NamedTuple):
    """The tokens that the service has counted so far; None for a number that the service does not give.

    The numbers mean the same for every service.  `prompt_tokens` counts the whole prompt: `cached_tokens` of it were
    read from the service's cache, and `cache_write_tokens` of it were written there.  `completion_tokens` counts the
    answer and the reasoning, `reasoning_tokens` the reasoning alone.  `raw` is the service's own JSON object.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    total_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    raw: Mapping[str, Any] = NOTHING

    def __hash__(self) -> int:
        # `raw` is a dict, which has no hash.
        return hash(self[:-1])


class Media(NamedTuple):
    """An image, or a piece of audio: its `data`, or the `url` from which the program may fetch it.

    `mime_type` is like "image/png"; "image/*" or "audio/*" if neither the service nor the data tell.  Audio comes in
    pieces, whose `data` continue one another; what the model says in it comes as text.
    """

    mime_type: str
    data: bytes | None = None
    url: str | None = None


class Citation(NamedTuple):
    """A source that the answer names; None for what the service does not tell.

    `text` are the words that are cited: those of the source if the service quotes it, otherwise those of the answer.
    `start` and `end` are the place in the answer's text, as the service counts: Gemini counts bytes of UTF-8, others
    characters of a part of the answer.  `raw` is the service's own JSON object, which may name a page or a file, too.
    """

    text: str | None = None
    url: str | None = None
    title: str | None = None
    start: int | None = None
    end: int | None = None
    raw: Mapping[str, Any] = NOTHING

    def __hash__(self) -> int:
        # `raw` is a dict, which has no hash.
        return hash(self[:-1])


class ServerToolCall(NamedTuple):
    """A call of a tool that the service runs itself, like a web search; a program has nothing to answer.

    `arguments` is JSON text.  `id` is "" if the service gives none.
    """

    id: str
    name: str
    arguments: str


class ServerToolResult(NamedTuple):
    """What a tool of the service has found: `value` is JSON as the service sent it, for the call with the same `id`."""

    id: str
    name: str
    value: Any


class Native(NamedTuple):
    """A part of the answer for which there is no event of its own, as the service sent it.

    `name` is the service's word for the part's kind, like "compaction" or "mcp_list_tools"; `value` is the JSON
    of the part.  For every service, "logprobs" is the name of the logprobs of the text that came since the last ones.
    """

    name: str
    value: Any


class TurnState(NamedTuple):
    """What the service wants back in the history with this turn; `stream.message` holds it, in its place.

    `value` is JSON in the service's own form: of what stands before it in the answer (a signature, an id), or a part of
    its own (encrypted reasoning).  None says that a new part of the answer begins here, and goes to no loop.
    """

    value: Any


class Finish(NamedTuple):
    """The answer is complete: its protocol's end has come, and nothing but `Usage` may follow.

    `reason` is the finish reason in one vocabulary for all services, `native` the service's own word; None if the
    service gave none.  "pause" says that the service wants the turn back, to go on with it.
    """

    reason: FinishReason
    native: str | None = None


# What an answer may hold besides text, reasoning and calls of the caller's tools.
OTHERS = (Media, Citation, ServerToolCall, ServerToolResult, Native)
Other: TypeAlias = Media | Citation | ServerToolCall | ServerToolResult | Native
Event: TypeAlias = Start | Reasoning | ToolCallDelta | ToolCall | Other | TurnState | Usage | Finish
# The types of an answer's content.  Once the first item of these types is delivered, no further attempt is made.
CONTENT = (str, Reasoning, ToolCallDelta, ToolCall, *OTHERS)


class ChunkParser(Protocol):
    """A push decoder: takes the bytes of a reply, and returns texts and events.  An instance decodes one response.

        parser = provider.parser(provider.max_frame)
        for item in parser.feed(data): ...       # for each piece of the body
        for item in parser.close(): ...          # once, at the end of the body

    Both methods first give out the texts and events that were decoded.  Then they raise a `ReplyError` if the bytes
    break the protocol, and a `StatusError` or `ProviderError` if the reply holds an error of the service.
    """

    @property
    def done(self) -> bool:
        """Whether the end marker came; always False if the protocol has none."""

    def feed(self, data: bytes) -> Iterable[str | Event]:
        """Return the texts and events that `data` completes; no text is empty."""

    def close(self) -> Iterable[str | Event]:
        """Return the texts and events that were held back until the end of the body."""


name_by_package(Start, Reasoning, ToolCallDelta, ToolCall, Usage, *OTHERS, TurnState, Finish, ChunkParser)
