"""Carries a question and its answer from one wire to another: no I/O.

    question = asked(turn)                      # messages and options, as `stream()` takes them
    writer = Writer(CHAT, turn)
    writer.feed(event)                          # b"...": what of the reply is ready, for each event of the stream
    writer.end()                                # b"...": its end; raises for an end that the wire cannot tell
    Whole(CHAT, turn).feed(event), .end()       # the same for a client that does not stream

What a wire cannot carry of an answer is left out, and `notes` says so, for the log.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from ..._core.events import OTHERS as OTHER_EVENTS
from ..._core.events import (
    Event,
    Finish,
    FinishReason,
    Native,
    Reasoning,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from ...server.conversation import Messages
from ...server.pieces import PAUSE, Piece, arguments_object
from ...server.protocol import Reply, Turn
from ...server.signatures import Unsigned
from .faults import FaultError
from .wires import Wire, carries, shown

# Options that do not change what is asked: a service that does not know them answers without.
HINTS = ("user", "metadata", "cache", "parallel_tool_calls", "reasoning_effort")
AUTO = ("detail", "auto")
# How many notes a reply has at most.
MOST_NOTES = 30


def asked(turn: Turn) -> tuple[Messages, dict[str, Any]]:
    """Return the messages and the options of a request, as `stream()` takes them.

    Every tool call has an id then, and every result names its call: Ollama's and Gemini's clients leave ids out.
    """
    options = dict(turn.options)
    if "tools" in options:
        # Others than functions have no form in other protocols.
        options["tools"] = [tool for tool in options["tools"] if "function" in tool]
    # "It may reason" without a level: what a model does by itself.
    if options.get("reasoning_effort") is True:
        del options["reasoning_effort"]
    messages: Messages = []
    # The calls that wait for a result, with their names.
    waiting: list[tuple[str, str]] = []
    for number, message in enumerate(turn.messages):
        if calls := message.get("tool_calls"):
            named = [{**call, "id": call.get("id") or numbered(number, place)} for place, call in enumerate(calls)]
            waiting = [(call["id"], call["function"]["name"]) for call in named]
            messages.append({**message, "tool_calls": named})
        elif message["role"] == "tool":
            messages.append(_named(message, waiting))
        else:
            messages.append({**message, "content": message["content"] or ""})
    return [{**message, "content": _plain(message["content"])} for message in messages], options


def _plain(content: Any) -> Any:
    """Return a content whose images have no `detail: auto`, which clients send without being told to.

    It means what each model does by itself, and most services refuse the field.
    """
    if not isinstance(content, list):
        return content
    return [
        {**part, "image_url": {name: value for name, value in part["image_url"].items() if (name, value) != AUTO}}
        if "image_url" in part
        else part
        for part in content
    ]


def numbered(message: int, place: int) -> str:
    """Return the id of a tool call that has come without one, by the number of its message and its place in it."""
    return f"call_{message}_{place}"


def _named(message: dict[str, Any], waiting: list[tuple[str, str]]) -> dict[str, Any]:
    """Return the message of a tool with the id of its call: the first that waits, of its name if it has one."""
    id_, name = message.get("tool_call_id"), message.get("name")
    found = next((one for one in waiting if (one[0] == id_ if id_ else name in (None, one[1]))), None)
    if found is None:
        raise FaultError(400, "invalid", f"messages: expected a tool call before the result of {id_ or name!r}")
    waiting.remove(found)
    failed = {"is_error": True} if "is_error" in message else {}
    return {"role": "tool", "content": message["content"], "tool_call_id": found[0], **failed}


def described(wire: Wire, turn: Turn, *, id_: str, now: float) -> Turn:
    """Return what a writer has to know of a reply that another service makes."""
    # The readers of logprobs are given those of the service, in no other form.
    options = {name: value for name, value in turn.options.items() if name != "logprobs"}
    return replace(turn, options=options, now=now, response_id=wire.prefix + id_, bound=Unsigned(turn.model), extra={})


class Answer:
    """What is known of an answer so far, whatever its form."""

    def __init__(self, wire: Wire, turn: Turn, *, prompt_tokens: int = 0) -> None:
        self.wire, self.turn = wire, turn
        # What was left out of the reply, for the log.
        self.notes: list[str] = []
        # How many events the reply has so far, if it is streamed.
        self.events = 0
        self.finish: Finish | None = None
        self._prompt, self._usage, self._said = prompt_tokens, Usage(), 0
        # Whether the reply has no content so far, and what of the answer's was left out.
        self._empty, self._left = True, ""

    def take(self, event: str | Event) -> Iterable[Piece]:
        """Yield the pieces that an event means to a writer."""
        match event:
            case str() | Reasoning():
                self._empty = False
                self._said += len(event if isinstance(event, str) else event.text)
                yield event
            case ToolCall():
                self._empty = False
                self._said += len(event.arguments)
                yield event
            case Usage():
                self._usage = event
            case Finish():
                self.finish = event
            case Native() if event.name == "logprobs":
                self.note("logprobs")
            case _ if isinstance(event, OTHER_EVENTS):
                if carries(self.wire, event):
                    self._empty = False
                    yield event  # type: ignore[misc]  # no Native is carried
                else:
                    name = event.name if isinstance(event, Native) else type(event).__name__
                    self._left = self._left or shown(name)
                    self.note(name)

    def note(self, what: str) -> None:
        """Note that a part of the answer is left out."""
        said = f"left out of the answer: {shown(what)}"
        # A service may make up any number of names.
        if said not in self.notes and len(self.notes) < MOST_NOTES:
            self.notes.append(said)

    @property
    def usage(self) -> Usage:
        """The tokens so far; a number that the service has not told is estimated, as a token for four characters."""
        told = self._usage
        prompt = self._prompt if told.prompt_tokens is None else told.prompt_tokens
        completion = -(-self._said // 4) if told.completion_tokens is None else told.completion_tokens
        total = prompt + completion if told.total_tokens is None else told.total_tokens
        return told._replace(
            prompt_tokens=prompt, completion_tokens=completion, total_tokens=total,
            reasoning_tokens=told.reasoning_tokens or 0,
        )  # fmt: skip

    def reason(self) -> FinishReason:
        """Return the finish reason, as the wire can tell it.

        Raises `FaultError` for one that it cannot tell, and for an answer of which it can carry nothing.
        """
        finish = self.finish or Finish("stop")
        if self._empty and self._left and finish.reason != "content_filter":
            said = f"the answer holds nothing that this protocol can carry, but {self._left}"
            raise FaultError(502, "server", said)
        if finish.reason in self.wire.reasons:
            return finish.reason
        if finish.reason == "other" and self._empty:
            # Gemini ends so what it has broken off (OTHER, LANGUAGE): told as stop, it would be a complete answer.
            said = f"the answer is empty, and its finish reason is {finish.native or 'other'!r}"
            raise FaultError(502, "server", said)
        if finish.reason == "other":
            self.notes.append(f"the finish reason {shown(finish.native or 'other')} is told as stop")
            return "stop"
        if finish.reason == "content_filter":
            raise FaultError(400, "content_filter", "a content filter has ended the answer")
        said = f"the answer ended with the finish reason {finish.native or finish.reason!r}"
        raise FaultError(502, "server", f"{said}, which this protocol cannot tell")


class Writer(Answer):
    """Writes a reply while it is made."""

    def __init__(self, wire: Wire, turn: Turn, *, prompt_tokens: int = 0) -> None:
        super().__init__(wire, turn, prompt_tokens=prompt_tokens)
        self._pending: deque[Piece] = deque()
        self._writer = wire.protocol.write(turn, self._source())
        self._calls, self._called = Calls(), list[ToolCall]()
        # Whether no further piece comes.
        self._ended = False

    def _source(self) -> Iterator[Piece]:
        while self._pending or not self._ended:
            yield self._pending.popleft() if self._pending else PAUSE

    def _drive(self) -> bytes:
        """Return what the writer makes of the pieces that are there."""
        made: list[bytes] = []
        for data in self._writer:
            if not data:
                break
            made.append(data)
        self.events += len(made)
        return b"".join(made)

    def feed(self, event: str | Event) -> bytes:
        """Return what of the reply is ready with an event; raises `Refusal` 500 for what has no form in the wire."""
        if isinstance(event, ToolCall) and self.wire.objects:
            self._called.append(event)
        if not self.events:
            # Messages tell the tokens of the prompt at once.
            self._pending.append(self.usage)
        pieces = self._calls.pieces(event) if self.wire.by_piece else (event,)
        for piece in pieces:
            if isinstance(piece, ToolCallDelta):
                if self.wire.by_piece:
                    self._empty = False
                    self._said += len(piece.arguments)
                    self._pending.append(piece)
            else:
                self._pending.extend(self.take(piece))
        return self._drive()

    def end(self) -> bytes:
        """Return the end of the reply.

        Raises `FaultError` if the wire cannot tell how the answer ended, and `Refusal` 500 for a tool call that is to
        be complete and is not: Anthropic's clients put its pieces together, and leave out what is missing.
        """
        reason = self.reason()
        for call in self._called if reason != "length" else ():
            arguments_object(call)
        for piece in self._calls.rest():
            self._pending.extend((piece,) if isinstance(piece, ToolCallDelta) else self.take(piece))
        self._pending += (self.usage, Finish(reason))
        self._ended = True
        return self._drive()


class Whole(Answer):
    """Makes a reply that is not streamed."""

    def __init__(self, wire: Wire, turn: Turn, *, prompt_tokens: int = 0) -> None:
        super().__init__(wire, turn, prompt_tokens=prompt_tokens)
        self._pieces: list[Piece] = []

    def feed(self, event: str | Event) -> bytes:
        """Take an event; nothing of the reply is ready before its end."""
        self._pieces += self.take(event)
        return b""

    def end(self) -> Reply:
        """Return the reply.  Raises `FaultError` if the wire cannot tell how the answer ended."""
        reason = self.reason()
        return self.wire.protocol.whole(self.turn, iter([*self._pieces, self.usage, Finish(reason)]))


class Calls:
    """Puts the pieces of tool calls one call after the other, as Messages and Responses have them.

    The pieces of the first call that is open go on at once.  What comes meanwhile of anything else waits for its end.
    """

    def __init__(self) -> None:
        self._begun = 0
        # The id of the call that is open, and how much of its arguments has gone out.
        self._open: str | None = None
        self._sent = ""
        self._later: list[str | Event] = []

    def pieces(self, event: str | Event) -> Iterator[str | Event]:
        """Yield what can go on."""
        match event:
            case ToolCallDelta() if self._open in (None, event.id):
                self._begin(event.id)
                self._sent += event.arguments
                yield event._replace(index=self._begun - 1)
            case ToolCallDelta():
                # The call comes once more, whole.
                pass
            case ToolCall() if self._open in (None, event.id):
                self._begin(event.id)
                # A model that wrote no arguments means {}.
                yield ToolCallDelta(self._begun - 1, event.id, event.name, event.arguments[len(self._sent) :])
                yield from self.rest()
            case Usage() | Finish():
                yield event
            case _ if self._open is not None:
                self._later.append(event)
            case _:
                yield event

    def _begin(self, id_: str) -> None:
        if self._open is None:
            self._open, self._sent, self._begun = id_, "", self._begun + 1

    def rest(self) -> Iterator[str | Event]:
        """End the open call, and yield what has waited for it."""
        self._open, later = None, self._later
        self._later = []
        for event in later:
            yield from self.pieces(event)
