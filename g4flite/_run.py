"""`Run`: everything one stream needs, and what has become of it."""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from ._errors import G4fliteError
from ._retry import Retry
from ._spec import Call
from ._timers import Timers

if TYPE_CHECKING:
    from ._pool import Source

log = logging.getLogger(__package__)


class Attempt(NamedTuple):
    """One attempt of a stream: `outcome` is "complete", "closed" (left early) or an error's class and message."""

    provider: str
    model: str | None
    outcome: str
    seconds: float


class Route(NamedTuple):
    """One way to an answer: a call, and where its httpx client comes from."""

    call: Call
    source: "Source"


@dataclass(slots=True)
class Run:
    """One stream.  `texts` are those delivered so far, `attempts` those that have ended."""

    routes: tuple[Route, ...]
    retry: Retry
    timers: Timers
    now_ms: Callable[[], int] = field(default=lambda: time.time_ns() // 1_000_000)
    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random
    texts: list[str] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    state: Literal["new", "streaming", "complete", "failed", "closed"] = "new"
    call: Call = field(init=False)
    _began: float | None = None

    def __post_init__(self) -> None:
        self.call = self.routes[0].call

    @property
    def partial(self) -> str:
        """The text delivered so far."""
        if len(self.texts) > 1:
            self.texts[:] = ["".join(self.texts)]
        return self.texts[0] if self.texts else ""

    def begin(self, call: Call) -> None:
        """An attempt begins."""
        self.call, self._began = call, self.clock()
        self.timers.sent()

    def fail(self, error: G4fliteError) -> None:
        """The attempt, or the whole stream, has failed: writes on the error what only the stream knows."""
        error.provider = error.provider or self.call.provider.name
        error.partial = self.partial
        self._note(f"{type(error).__name__}: {str(error).removeprefix(f'{error.provider}: ')}")

    def end(self, state: Literal["complete", "failed", "closed"]) -> None:
        """The stream has ended; the first end counts."""
        if self.state in ("new", "streaming"):
            self.state = state
            self._note(state)

    def _note(self, outcome: str) -> None:
        if self._began is not None:
            done = Attempt(self.call.provider.name, self.call.model, outcome, self.clock() - self._began)
            self._began = None
            self.attempts.append(done)
            log.debug("%s, model %s: %s after %.3f s", *done)
