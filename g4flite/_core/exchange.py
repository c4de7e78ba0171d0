"""The engine: what is sent, what an answer means, what is tried next.  It decides and waits for nothing: no I/O.

`exchange` is a generator that yields what it wants done, a `Send`, `READ` or `Wait`, and is sent what happened, a
`Head`, bytes or None; a failure is thrown into it.  The last thing it yields is an `Opening`, with the first text (or
reasoning, or tool call): until then it retries and falls back, after it nothing is ever sent again.  Two drivers run
it: `iterate` and `aiterate`.
"""

import enum
from collections.abc import Generator, Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

from .errors import (
    AllFailedError,
    ContentFilterError,
    EmptyReplyError,
    G4fliteError,
    ProxyError,
    StreamClosedError,
    TotalTimeoutError,
    UsageError,
)
from .events import CONTENT, Event, Finish
from .provider import Request
from .request import ready
from .response.answers import no_reply, secrets, status_error
from .response.reply import Head, Reply, inflater

if TYPE_CHECKING:
    from .run import Route, Run

BODY_READ: Final = 16 * 1024  # bytes of an error's body that its rules may look at
BODY_TIME: Final = 1.0  # seconds that reading them may take


class Send(NamedTuple):
    """Wanted: this request sent, over a client from this route, and the `Head` of the answer."""

    request: Request
    route: "Route"


class Wait(NamedTuple):
    """Wanted: so many seconds let pass."""

    seconds: float


class Wanted(enum.Enum):
    READ = "the next bytes of the body, b'' at its end"


READ: Final = Wanted.READ


class Opening(NamedTuple):
    """How a reply begins: its decoding, which goes on with it, its first items, and whether that was all of it."""

    reply: Reply
    items: Iterable[str | Event]
    ended: bool


Exchange: TypeAlias = Generator[Send | Wait | Literal[Wanted.READ] | Opening, Any, None]


def exchange(run: "Run") -> Exchange:
    """The providers of a run one after the other, until one of them answers.  Raises why none did."""
    errors: list[G4fliteError] = []
    for route in run.routes:
        try:
            yield from pursue(run, route)
        except (UsageError, StreamClosedError, TotalTimeoutError):
            raise  # no other provider would fare better
        except G4fliteError as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    lines = "".join(f"\n  {error}" for error in errors)
    names = ", ".join(route.call.provider.name for route in run.routes)
    raise AllFailedError(
        f"none of {len(errors)} providers answered:{lines}", provider=names, errors=tuple(errors)
    ) from errors[-1]


def pursue(run: "Run", route: "Route") -> Exchange:
    """One provider, tried as often as it is worth it; each attempt is built and signed anew."""
    failures = 0
    while True:
        run.begin(route)
        try:
            yield from attempt(run, route, first=not failures)
        except G4fliteError as error:
            run.fail(error)
            failures += 1
            wait = route.retry.wait(failures, error, run.chance)
            if wait is None or wait >= run.timers.total_left():
                raise
            seconds = wait
        yield Wait(seconds)


def attempt(run: "Run", route: "Route", *, first: bool) -> Exchange:
    """One request and the beginning of its reply.  Raises what the answer means where it is not a reply."""
    spec = route.call.provider
    request = ready(route.call, route.rehearsed if first else None, run.now_ms())
    run.secrets = secrets(route.call, request)
    head: Head = yield Send(request, route)
    run.head = head
    if head.status == 407:
        raise ProxyError("the proxy wants a login; check the user name and password in proxy=")
    if not 200 <= head.status < 300:
        raise status_error(spec, head, run.redact((yield from read_body(run, head))), run.now_ms())
    if head.headers.get("content-type", "").lower().startswith(spec.error_types):
        raise no_reply(head, run.redact((yield from read_body(run, head))))
    reply, ended = Reply(spec, head), False
    early: list[str | Event] = []
    while not ended:
        data: bytes = b"" if reply.done else (yield READ)
        ended = not data
        items = iter(reply.close() if ended else reply.feed(data))
        for item in items:
            if isinstance(item, CONTENT):
                yield Opening(reply, chain(early, (item,), items), ended)
            early.append(item)
            if isinstance(item, Finish):
                run.collect(item)  # nothing but usage is waited for
    if not reply.done or run.finish == Finish("other"):  # an end without a word of why is none to an empty answer
        raise EmptyReplyError("the reply is complete and holds no text; try again, or ask another provider")
    if run.finish is not None and run.finish.reason == "content_filter":
        raise ContentFilterError("a content filter kept the whole answer back; change the messages", status=head.status)
    yield Opening(reply, early, ended)


def read_body(run: "Run", head: Head) -> Generator[Literal[Wanted.READ], bytes, str]:
    """The first `BODY_READ` bytes of the body, inflated, as text; what came of it where reading fails or is slow."""
    body = bytearray()
    run.timers.linger(BODY_TIME)
    try:
        inflate = inflater(run.call.provider, head)
        while len(body) < BODY_READ and (data := (yield READ)):
            for piece in (data,) if inflate is None else inflate.feed(data):
                body += piece
                if len(body) >= BODY_READ:
                    break
    except (StreamClosedError, TotalTimeoutError):
        raise
    except G4fliteError:
        pass  # the status says more than how its explanation was lost
    return body[:BODY_READ].decode("utf-8", "replace")
