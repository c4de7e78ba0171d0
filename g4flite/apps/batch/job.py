"""`Job`: the state of a batch, and what it decides: may the next row be asked, and what follows an attempt.  No I/O.

The drivers in `drivers.py` do what it says.  In sync, they hold a lock around each call of a method.

What follows an attempt that failed:

    | the error                                              | what follows                                           |
    | ------------------------------------------------------ | ------------------------------------------------------ |
    | too many requests, overloaded, a wait is asked for; no | all rows slow down, and the row is asked again, up to  |
    |   connection, although there were answers before       |   `REFUSALS` times                                     |
    | the key is refused, the quota is used up, a wait of    | the job ends with this error.  The row is neither      |
    |   more than an hour is asked for; before any           |   answered nor failed, and so are those under way that |
    |   answer also: no connection, no such model, no        |   fail now                                             |
    |   permission                                           |                                                        |
    | anything else that may pass, also behind the first     | the row is asked again, up to `retries` times          |
    |   text: nobody has seen the text yet                   |                                                        |
    | the rest                                               | the row has failed                                     |
"""

import math
import random
import time
from collections.abc import Callable, Mapping
from threading import TIMEOUT_MAX
from typing import Any, Final

from ... import (
    AuthenticationError,
    ConnectError,
    ConnectTimeoutError,
    G4fliteError,
    Ledger,
    NotFoundError,
    OptionError,
    OverloadedError,
    PermissionDeniedError,
    RateLimitError,
    Start,
    Stream,
    Usage,
)
from ..._core.observed import ObservedEnd
from ..._core.settings import Retry, may_pass
from .limits import Limiter, as_limit, spent
from .results import Result, answered, failed
from .rows import Row, tokens_of

# How often a row is refused before it has failed.  Without a hint of the service, the pauses are a quarter of an hour.
REFUSALS: Final = 20
# The tokens of an answer, before any has been counted, if `max_tokens` does not say.
ANSWER: Final = 256
# The most seconds that the service may ask all rows to wait.
LONGEST: Final = 3600.0
NO_CONNECTION: Final = (ConnectError, ConnectTimeoutError)


class Trial:
    """The attempts of one row; `result` is set once the row is answered or has failed."""

    def __init__(self, row: Row, tokens: int, opened: float) -> None:
        self.row, self.opened = row, opened
        # The tokens that its next attempt takes, as far as is known.
        self.tokens = tokens
        self.attempts = self.failures = self.refusals = 0
        # When this attempt began, and when its first text came.
        self.began = 0.0
        self.first: float | None = None
        self.result: Result | None = None


def told(stream: Stream, first: float | None, error: Exception | None) -> ObservedEnd:
    """Return what a `Ledger` is told of a stream that has ended."""
    run = stream._run
    return ObservedEnd(
        "complete" if run.state == "complete" else "failed", error, stream.provider, stream.model, len(stream.attempts),
        0.0, first, stream.partial, stream.reasoning, stream.tool_calls, run.start, stream.usage, run.finish, run.url,
        None, None,
    )  # fmt: skip


def ended(provider: str, model: str | None, usage: Usage | None) -> ObservedEnd:
    """Return what a `Ledger` is told of an answer that was not streamed here."""
    return ObservedEnd("complete", None, provider, model, 1, 0.0, 0.0, "", "", (), Start(), usage, None,
                       None, None, None)  # fmt: skip


class Job:
    """The state of a batch.  `stopped` says why no more rows are asked: "max_cost", "max_tokens_total", "deadline"."""

    def __init__(
        self,
        limiter: Limiter,
        retry: Retry,
        *,
        prices: Mapping[str, Any] | None = None,
        max_cost: float | None = None,
        max_tokens_total: float | None = None,
        deadline: float | None = None,
        max_tokens: int | None = None,
        system: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.limiter, self.clock = limiter, clock
        self.ledger = Ledger(prices)
        self.stopped: str | None = None
        # The error that has ended the job.
        self.error: BaseException | None = None
        self.answered = self.failed = 0
        self._retry, self._chance = retry, chance
        self._max_cost = as_limit("max_cost", max_cost)
        self._max_tokens_total = as_limit("max_tokens_total", max_tokens_total)
        self._deadline = clock() + as_limit("deadline", deadline)
        self._bounded = min(self._max_cost, self._max_tokens_total) < math.inf
        self._max_tokens, self._system = max_tokens, system
        # The tokens of the answers that were counted, and how many these were; the tokens of the calls under way.
        self._counted, self._of = 0, 0
        self._under_way = 0
        # How many attempts have failed whose cost is unknown.
        self._lost = 0

    def left(self) -> float | None:
        """Return the seconds until the deadline, None if there is none or if it has passed."""
        left = self._deadline - self.clock()
        return left if 0 < left <= TIMEOUT_MAX else None

    @property
    def over(self) -> bool:
        """Whether no more rows shall be asked."""
        if self.stopped is None and self.error is None:
            self.stopped = self._why()
        return self.stopped is not None or self.error is not None

    def _why(self) -> str | None:
        """Return the limit of the budget that the next row would break, with those that are under way."""
        if self.clock() >= self._deadline:
            return "deadline"
        if not self._bounded:
            return None
        total = self.ledger.total
        tokens = total.prompt_tokens.known + total.completion_tokens.known
        # By answers: among all attempts, those that were refused would make an answer look cheap.
        mean = 1 / max(1, self.answered)
        # Of an attempt that failed before its first text, nobody knows what was written: as much as an answer, say.
        lost = total.completion_tokens.unknown
        expected = tokens * mean * (1 + lost) + max(self._under_way, tokens * mean * self.limiter.under_way)
        if tokens + expected > self._max_tokens_total:
            return "max_tokens_total"
        if self._max_cost < math.inf:
            cost = total.cost.known
            if cost + cost * mean * (self.limiter.under_way + 1 + self._lost) > self._max_cost:
                return "max_cost"
            if total.cost.unknown > self._lost:
                wrong = "cannot be kept, as the cost of an answer is unknown; pass the prices"
                self.error = OptionError(wrong, argument="max_cost")
        return None

    def trial(self, row: Row) -> Trial:
        """Return the attempts of a row, none yet."""
        most = row.options.get("max_tokens", self._max_tokens)
        answer = self._counted // self._of if self._of else most if isinstance(most, int) else ANSWER
        return Trial(row, tokens_of(row, self._system) + answer, self.clock())

    def begin(self, trial: Trial) -> float:
        """Let the next attempt of a row begin and return 0.0, or return how long to wait before asking again."""
        now = self.clock()
        # Until an answer has come, nobody knows what one takes: so the first row is asked alone.
        alone = self._bounded and not self.answered and self.limiter.under_way
        if wait := math.inf if alone else self.limiter.begin(now, trial.tokens):
            return min(wait, max(self._deadline - now, 0.001), TIMEOUT_MAX)
        self._under_way += trial.tokens
        trial.began, trial.first = now, None
        trial.attempts += 1
        return 0.0

    def end(self, trial: Trial, stream: Any, error: Exception | None, parsed: tuple[Any, ...] = ()) -> float | None:
        """Note that an attempt has ended, and return the seconds before the next; None if there is none.

        `stream` is the `Stream`, None if none could be made; `parsed` holds the answer's value, if one was asked for.
        """
        if stream is not None:
            before = self._unpriced()
            # What an observer of the stream is told is more, and costs a seventh of the call.
            self.ledger.end(stream._run.call, told(stream, trial.first, error))
            if error is not None:
                self._lost += self._unpriced() - before
        if error is not None:
            return self._fail(trial, error)
        self._complete(trial, stream, parsed)
        return None

    def _unpriced(self) -> int:
        """Return how many attempts have an unknown cost, if that matters."""
        return 0 if self._max_cost == math.inf else self.ledger.total.cost.unknown

    def _complete(self, trial: Trial, stream: Stream, parsed: tuple[Any, ...]) -> None:
        now = self.clock()
        self._under_way -= trial.tokens
        usage = stream.usage
        if usage is not None and usage.completion_tokens is not None:
            self._counted, self._of = self._counted + usage.completion_tokens, self._of + 1
            self.limiter.settle(trial.tokens, (usage.prompt_tokens or 0) + usage.completion_tokens)
        self.limiter.answered((now if trial.first is None else trial.first) - trial.began)
        # The quota of a day: the next call is refused in the service's own words, and that ends the job.
        if 0 < (wait := spent(stream.headers, time.time_ns() // 1_000_000)) <= LONGEST:
            self.limiter.pause(now, wait)
        self.answered += 1
        trial.result = answered(trial.row.fields, stream, parsed, trial.attempts, now - trial.opened)

    def _fail(self, trial: Trial, error: Exception) -> float | None:
        now = self.clock()
        self._under_way -= trial.tokens
        wait = None
        if is_refusal(error, self.answered):
            asked = getattr(error, "retry_after", None)
            self.limiter.refused(now, trial.began, asked)
            trial.refusals += 1
            if asked is not None and asked > LONGEST:
                self.error = self.error or error
            elif trial.refusals < REFUSALS:
                wait = 0.0
        else:
            self.limiter.failed()
            trial.failures += 1
            if isinstance(error, G4fliteError):
                wait = self._retry.wait(trial.failures, error, self._chance)
            if wait is None and ends_job(error, self.answered):
                self.error = self.error or error
        if self.over:
            return None
        if wait is None:
            self.give_up(trial, error)
            return None
        return min(wait, self._deadline - now, TIMEOUT_MAX)

    def give_up(self, trial: Trial, error: BaseException) -> None:
        """Note that a row has failed."""
        self.failed += 1
        trial.result = failed(trial.row.fields, error, trial.attempts, self.clock() - trial.opened)


def is_refusal(error: Exception, answers: int) -> bool:
    """Return whether the service wants fewer calls, or cannot be reached although it has answered before."""
    if isinstance(error, NO_CONNECTION):
        return answers > 0
    if not isinstance(error, G4fliteError) or not may_pass(error):
        return False
    return isinstance(error, RateLimitError | OverloadedError) or getattr(error, "retry_after", None) is not None


def ends_job(error: Exception, answers: int) -> bool:
    """Return whether every other row would fail alike."""
    # A rate limit that does not pass is a quota that is used up.
    if isinstance(error, AuthenticationError) or (isinstance(error, RateLimitError) and not may_pass(error)):
        return True
    return not answers and isinstance(error, (NotFoundError, PermissionDeniedError, *NO_CONNECTION))
