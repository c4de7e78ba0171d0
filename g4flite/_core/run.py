"""`Run`: everything one stream needs, and what has become of it."""

import logging
import random
import time
from collections.abc import Callable, MutableSequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from .errors import G4fliteError
from .events import Event, Finish, Reasoning, Start, ToolCall, Usage
from .provider import Call, Request
from .response.answers import request_id
from .response.reply import Head
from .retry import Retry
from .settings import Timeout
from .stream import Attempt
from .timers import Timers

if TYPE_CHECKING:
    from .transport.clients import Source

SAID: Final = ("request_id", "body", "code", "kind")  # the facts of an error that are the service's own words
KEPT: Final = "what came is in .partial"
log = logging.getLogger((__package__ or "").rpartition(".")[0])  # that of the package, under whatever name

JOINED: Final = 64  # texts, each of which takes 57 bytes beside its characters
EPILOGUE: Final = 2.0  # seconds for the usage that may follow a complete answer


class Route(NamedTuple):
    """One way to an answer: a call, where its httpx client comes from, how patient it is, and its first request."""

    call: Call
    source: "Source"
    timeout: Timeout
    retry: Retry
    rehearsed: Request


@dataclass(slots=True, eq=False, repr=False)
class Run:
    """One stream.  `texts` are those delivered so far, `attempts` those that have ended."""

    routes: tuple[Route, ...]
    timers: Timers
    now_ms: Callable[[], int] = field(default=lambda: time.time_ns() // 1_000_000)
    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random
    everything: bool = False  # whether events are delivered, or only text
    texts: MutableSequence[str] = field(default_factory=list)  # as `reasoning` a `deque` of none where none are kept
    reasoning: MutableSequence[str] = field(default_factory=list)
    tool_calls: list[ToolCall] = field(default_factory=list)
    start: Start = field(default_factory=Start)
    usage: Usage | None = None
    finish: Finish | None = None
    head: Head | None = None  # of the answer to this attempt
    attempts: list[Attempt] = field(default_factory=list)
    state: Literal["new", "streaming", "complete", "failed", "closed"] = "new"
    call: Call = field(init=False)
    thread: int = 0  # the one that reads, in sync
    secrets: tuple[str, ...] = field(default=(), repr=False)  # what the request of this attempt holds
    _began: float | None = None
    _joined: int = 0  # how many of `texts` are joined already

    def __post_init__(self) -> None:
        self.call = self.routes[0].call

    @property
    def partial(self) -> str:
        """The text delivered so far; any thread may ask."""
        return "".join(self.texts)

    @property
    def whole(self) -> bool:
        """Whether the answer is complete, so that an end of whatever kind is none too early."""
        return self.finish is not None and not self.timers.closed

    def begin(self, route: Route) -> None:
        """An attempt begins."""
        self.call, self._began, self.secrets, self.head = route.call, self.clock(), (), None
        self.start, self.usage, self.finish = Start(), None, None
        self.timers.attempt(route.timeout)

    def collect(self, event: Event) -> bool:
        """Keeps what an event says; True where events are delivered."""
        if isinstance(event, Finish):
            self.finish = event
            self.timers.linger(EPILOGUE)
        elif isinstance(event, Usage):
            self.usage = event
        elif isinstance(event, Start):
            self.start = event
        else:
            self.timers.heard = True
            if isinstance(event, Reasoning):
                self.reasoning.append(event.text)
            elif isinstance(event, ToolCall):
                self.tool_calls.append(event)
        return self.everything

    def join(self) -> int:
        """Keeps many short texts as one; how many of `texts` are too many from here on."""
        if self.texts:
            self.texts[self._joined :] = ["".join(self.texts[self._joined :])]
            self._joined += 1
        return self._joined + JOINED

    def fail(self, error: G4fliteError) -> None:
        """The attempt, or the whole stream, has failed: writes on the error what only the stream knows, and blots out
        the secrets that the service, or whatever stands in between, has said back.
        """
        error.provider = error.provider or self.call.provider.name
        error.partial = self.partial
        if self._began is not None and self.head is not None:  # else the error is of no one attempt
            error.request_id = error.request_id or request_id(self.head.headers)
        error.args = tuple(self.redact(argument) for argument in error.args)
        if not error.partial:
            instead = "no text came before" if isinstance(self.texts, list) else "what came is not kept"
            error.args = tuple(argument.replace(KEPT, instead) for argument in error.args)
        for name in SAID:
            if isinstance(said := getattr(error, name, None), str):
                setattr(error, name, self.redact(said))
        self._note(f"{type(error).__name__}: {str(error).removeprefix(f'{error.provider}: ')}")

    @property
    def proxied(self) -> bool:
        """Whether this attempt goes through a proxy that was given for it."""
        return next(route.source.proxied for route in self.routes if route.call is self.call)

    def redact(self, text: str) -> str:
        """The text without the secrets of this attempt's request, whole or cut off where an excerpt ends."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
            for length in range(len(secret) - 1, 5, -1):
                text = text.replace(f"{secret[:length]}...", "***...")
                if text.endswith(secret[:length]):
                    text = f"{text[:-length]}***"
        return text

    def end(self, state: Literal["complete", "failed", "closed"]) -> None:
        """The stream has ended; the first end counts.  For the thread that reads, or where none does."""
        if self.state in ("new", "streaming"):
            self.state = state
        self._note(state)

    def abort(self) -> None:
        """Another thread or task, which may not touch what the reading one writes, wants the stream to end."""
        self.state = "closed"
        self.timers.abort()

    def _note(self, outcome: str) -> None:
        if self._began is not None:
            done = Attempt(self.call.provider.name, self.call.model, outcome, self.clock() - self._began)
            self._began = None
            self.attempts.append(done)
            log.debug("%s, model %s: %s after %.3f s", *done)
