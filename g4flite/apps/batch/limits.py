"""`Limiter` says when the next call may begin, from times that it is told.  No clock, no I/O.

    wait = limiter.begin(now, tokens)       # 0.0: the call has begun.  Else ask again after so many seconds; `inf`:
                                            # once another call has ended
    limiter.answered(first_text)            # the call has ended, in one of three ways
    limiter.refused(now, began, asked)      # the service wants fewer calls
    limiter.failed()                        # anything else
    limiter.settle(tokens, counted)         # the service has counted the tokens that were estimated before

Three things bound the calls of all rows together.

*Calls under way.*  After a refusal, half as many calls are allowed as before, and each answer allows a little more
again, up to `concurrency`: what TCP does with its window.  A refusal of a call that had begun before the last cut says
nothing new and does not cut again (TCP's fast recovery, RFC 6582).  With "auto", the limiter begins with few calls and
doubles them each round, until the service refuses one or the times to the first text rise; and it allows fewer if they
rise far, before anything is refused (TCP Vegas).

*A pause.*  After a refusal nobody asks until the time that the service has named has passed, or else a second, which
doubles with each further cut.  So it is also if the service has named too short a time `TRUSTED` times in a row: some
name 0 with each refusal, and the rows would be refused by the hundred a second until they have failed.

*Rates.*  `rpm` and `tpm` are the generic cell rate algorithm: for each, one number says when the next call is due.
"""

import math
import random
import re
import sys
from collections.abc import Callable, Mapping
from typing import Final, Literal

from ... import OptionError
from ..._core.response.waits import until_reset

# With "auto": the calls at the beginning, and the most calls.
FEW: Final = 4
MOST: Final = 256
# Seconds by which a call may be late without loss for those behind it.  The interval of the calls is longer by the
# same part of a minute, so that no minute holds more calls than allowed.
LATE: Final = 1.0
# Seconds of the pause after a refusal that names none: at first, and at most.
PAUSE: Final = 1.0
LONGEST: Final = 60.0
# How many cuts without an answer between them there are before the time that the service names is too short.
TRUSTED: Final = 3
# With "auto": an answer's time to first text weighs so much in the smoothed one, as prompts differ.
SMOOTH: Final = 1 / 16
# The times have risen if the smoothed one is so many times its lowest, and by this slack of the client's own: no more
# calls are allowed, or fewer.
RISEN: Final = 2.0
RISEN_FAR: Final = 3.0
SLACK: Final = 0.05
# `"api";r=0;t=295`, or in older drafts of the standard `limit=10, remaining=0, reset=30`.
NONE_LEFT: Final = re.compile(r"\b(?:r|remaining)=0\b")


def as_limit(name: str, value: object) -> float:
    """Return a limit as a float, infinite for None.  Raises `OptionError` unless it is a number above 0."""
    if value is None:
        return math.inf
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise OptionError(f"must be a number above 0, not {value!r}", argument=name)
    # An integer may be larger than any float.
    return value if isinstance(value, float) else float(min(value, sys.float_info.max))


class Limiter:
    """What is known of a service's limits.  Times are seconds of one clock.  Raises `OptionError` for a wrong limit."""

    def __init__(
        self,
        concurrency: int | Literal["auto"] = 16,
        *,
        rpm: float | None = None,
        tpm: float | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        whole = isinstance(concurrency, int) and not isinstance(concurrency, bool)
        if concurrency != "auto" and not (whole and concurrency >= 1):
            wrong = f"must be a whole number from 1 up, or 'auto', not {concurrency!r}"
            raise OptionError(wrong, argument="concurrency")
        rpm, tpm = as_limit("rpm", rpm), as_limit("tpm", tpm)
        self._auto = concurrency == "auto"
        self.most = MOST if concurrency == "auto" else min(concurrency, sys.maxsize)
        # How many calls may be under way, and how many are.
        self.allowed = float(FEW if self._auto else self.most)
        self.under_way = 0
        # Whether the calls still double each round.
        self._doubles = True
        # The seconds between two calls, and those that a token takes.
        self._interval = (60 + LATE) / rpm
        self._per_token = (60 + LATE) / tpm
        # How far ahead of the time of a call the call behind it may be due, as far as is known.
        self.ahead = self._interval
        # When the last cut was, and how many there were since the last answer.
        self._cut_at = -math.inf
        self._cuts = 0
        self._chance = chance
        # The smoothed time to first text, its lowest value, and how many answers are in it.
        self._smoothed, self._lowest, self._in_it = 0.0, math.inf, 0
        # When the pause ends, the next call is due, and the next token: all that processes share.
        self.due: tuple[float, float, float] = (-math.inf, -math.inf, -math.inf)

    def begin(self, now: float, tokens: int) -> float:
        """Note that a call of so many tokens begins and return 0.0, or return how long to wait before asking again."""
        if self.under_way >= int(self.allowed):
            return math.inf
        pause, call, token = self.due
        if (wait := max(pause, call, token) - now) > 0:
            return wait
        self.under_way += 1
        self.ahead = max(self.ahead, tokens * self._per_token)
        self.due = (pause, max(call, now - LATE) + self._interval, max(token, now - LATE) + tokens * self._per_token)
        return 0.0

    def settle(self, tokens: int, counted: int) -> None:
        """Correct the tokens of a call to those that the service has counted."""
        pause, call, token = self.due
        self.ahead = max(self.ahead, counted * self._per_token)
        self.due = (pause, call, token + (counted - tokens) * self._per_token)

    def answered(self, first: float) -> None:
        """Note that a call has ended with an answer, whose first text came after so many seconds."""
        self.under_way -= 1
        self._cuts = 0
        step = 1.0 if self._doubles else 1 / self.allowed
        if self._auto:
            self._in_it += 1
            self._smoothed += (first - self._smoothed) * max(SMOOTH, 1 / self._in_it)
            if self._in_it >= FEW:
                self._lowest = min(self._lowest, self._smoothed)
            if self._smoothed > self._lowest * RISEN + SLACK:
                self._doubles = False
                step = -1 / self.allowed if self._smoothed > self._lowest * RISEN_FAR + SLACK else 0.0
        self.allowed = max(1.0, min(self.most, self.allowed + step))

    def refused(self, now: float, began: float, asked: float | None) -> None:
        """Note that a call which began then has ended: the service wants fewer, and asks for a wait of `asked` s."""
        self.under_way -= 1
        if began >= self._cut_at:
            self._cut_at, self._doubles = now, False
            self._cuts += 1
            self.allowed = max(1.0, min(self.allowed, self.under_way + 1) / 2)
            if (doubled := self._cuts - (0 if asked is None else TRUSTED)) > 0:
                # At least the half, so that the pauses grow; the rest by chance, so that processes do not meet again.
                own = min(LONGEST, PAUSE * 2.0 ** min(doubled - 1, 60)) * (0.5 + self._chance() / 2)
                asked = max(own, asked or 0.0)
        self.pause(now, asked or 0.0)

    def failed(self) -> None:
        """Note that a call has ended in a way that says nothing of limits."""
        self.under_way -= 1

    def pause(self, now: float, seconds: float) -> None:
        """Let nobody begin a call for so many seconds."""
        pause, call, token = self.due
        self.due = (max(pause, now + seconds), call, token)


def spent(headers: Mapping[str, str], now_ms: int) -> float:
    """Return the seconds until the quotas are full again of which an answer's headers say that nothing is left.

    On an answer, a reset without a number that remains says nothing, and neither does `retry-after`: Anthropic and
    Hugging Face send that with each answer (recordings of 2025-2026).
    """
    empty: dict[str, str] = {}
    for name in headers:
        lower = name.lower()
        # Nearly all headers: the other checks take longer.
        if "limit" not in lower:
            continue
        value = headers[name]
        if "ratelimit" in lower.replace("-", "") and "remaining" in lower and value.strip() == "0":
            reset = lower.replace("remaining", "reset")
            empty.update({lower: value, reset: headers.get(reset, "")})
        elif lower == "ratelimit" and NONE_LEFT.search(value):
            empty[lower] = value
    return (until_reset(empty, now_ms) if empty else None) or 0.0
