"""A `Run` for a test that steps an exchange by hand: without a client, a socket or a clock that moves.

    running = exchange(run_of(ACME, retry=Retry(times=1)))
    assert isinstance(next(running), Send)              # the exchange asks for this
    assert running.send(Head(503, {})) is READ          # the test says what happened

The time is always NOW.
"""

from functools import partial
from types import SimpleNamespace
from typing import Any

import g4flite
from g4flite._core.exchange import Route, Run
from g4flite._core.provider import Request
from g4flite._core.request import make_call, request_for_attempt
from g4flite._core.settings import Retry
from g4flite._core.timers import Timers

# Milliseconds since 1970.
NOW = 1_700_000_000_123
ONCE = Retry(times=0)


def run_of(*providers: g4flite.Provider, retry: Retry = ONCE, **headers: str) -> Run:
    """Return the run of a call of these providers; its clocks stand still, and its random numbers are all 1/2."""
    calls = [make_call(one, "Hi", model=None, base_url=None, headers=headers, options={}) for one in providers]
    timeout = g4flite.Timeout()
    # It is never sent: NOW is before the call was made, so that each attempt is signed anew.
    stale = Request("", {}, b"")
    # No connection: nothing is sent.
    source: Any = SimpleNamespace(proxy=lambda url: None)
    routes = tuple(Route(call, source, timeout, retry, partial(request_for_attempt, call, stale)) for call in calls)
    timers = Timers(timeout, lambda: 0.0)
    return Run(routes, timers, now_ms=lambda: NOW, clock=lambda: 0.0, chance=lambda: 0.5)
