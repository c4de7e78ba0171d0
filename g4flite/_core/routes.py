"""Makes the `Route` of a call, and what a `Stream` over routes is made of.

route = route_over(call, source, timeout, retry)        # raises for arguments that the protocol cannot carry
stream = Stream(*driven([route]))                       # nothing is sent yet

The first call imports this module, because logging and httpx are slow to import.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from .errors import G4fliteError
from .exchange import Route, Run, Source
from .provider import Call
from .request import first_request, request_for_attempt
from .settings import Retry, Timeout
from .timers import Timers
from .transport.driver import aiterate, iterate


def route_over(call: Call, source: Source, timeout: Timeout, retry: Retry) -> Route:
    """Return the route of a call over a source of HTTP clients; builds the first request, which checks the call."""
    return Route(call, source, timeout, retry, partial(request_for_attempt, call, first_request(call)))


def driven(
    routes: Sequence[Route],
    *,
    keep_partial: bool = True,
    refused: tuple[G4fliteError, ...] = (),
    observers: tuple[Any, ...] = (),
) -> tuple[Run, Callable[..., Any], Callable[..., Any]]:
    """Return the arguments of a `Stream` that tries these routes in order: its `Run`, and the two drivers.

    The timer `total` of the first route runs for all of them.  `refused` are the errors of providers
    that cannot be asked.
    """
    run = Run(tuple(routes), Timers(routes[0].timeout), keep_partial, refused=refused, observers=observers)
    return run, iterate, aiterate
