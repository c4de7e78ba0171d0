"""The exchange: what is sent, what a response means, what is tried next.  It decides and waits for nothing: no I/O.

`exchange` is a generator.  It yields what it wants done and is sent what happened; a failure is thrown into it:

    steps = exchange(run)
    next(steps)                                     # Send(request, source, secrets): send this request
    steps.send(Head(503, {"retry-after": "1"}))     # READ: read the body, for the error's message
    steps.send(b'{"error": "overloaded"}')          # READ: read on
    steps.send(b"")                                 # Wait(1.0): the error passes, so wait, then try again
    steps.send(None)                                # Send(...): the second attempt, signed anew
    steps.send(Head(200, {}))                       # READ
    steps.send(b'data: {"choices": ...}')           # Opening(reply, items, ended): the first text; the exchange is over

The `Opening` is the last thing it yields, with the first text (or reasoning, or tool call): until then it retries and
falls back, after it nothing is ever sent again.  Two drivers run it, `iterate` and `aiterate` of `transport/driver.py`.

`Run` is what one stream needs, and what has become of it.
"""

import enum
import io
import logging
import random
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias

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
from .events import CONTENT, Event, Finish, Reasoning, Start, ToolCall, Usage
from .headers import redact, secrets_of
from .provider import Call, Provider, Request
from .response.reply import Head, Reply, inflater
from .response.service_errors import error_of_content_type, request_id, status_error
from .settings import Retry, Timeout
from .timers import Timers

# Bytes of an error's body that its rules may look at, and seconds that reading them may take.
BODY_READ: Final = 16 * 1024
BODY_TIME: Final = 1.0
# Seconds for the usage that may follow a complete answer.
EPILOGUE: Final = 2.0
# The attributes of an error that are the service's own words, and so may repeat a secret.
SAID: Final = ("request_id", "body", "code", "kind")
# How messages say where the text is; `Run.fail` corrects it if there is none.
IN_PARTIAL: Final = "what came is in .partial"
# The logger of the package, under whatever name it was vendored.
log = logging.getLogger((__package__ or "").rpartition(".")[0])


class Response(Protocol):
    """A response whose body is unread: an iterator of bytes in sync, an async iterator in async."""

    @property
    def head(self) -> Head: ...
    @property
    def body(self) -> Any: ...
    def close(self) -> None: ...
    async def aclose(self) -> None: ...


class Source(Protocol):
    """What a route sends its requests over: a client of the caller's, a pool's, or one for this stream alone.

    `proxied`: the requests go through a proxy that was given for them.  Sending raises a `G4fliteError` for a failure
    on the way, with none of the `secrets` in it.
    """

    @property
    def proxied(self) -> bool: ...
    def send(self, request: Request, timers: Timers, secrets: tuple[str, ...]) -> Response: ...
    async def asend(self, request: Request, timers: Timers, secrets: tuple[str, ...]) -> Response: ...
    def release(self) -> None: ...
    async def arelease(self) -> None: ...


class Route(NamedTuple):
    """One way to an answer: a call, what it is sent over, how patient it is, and its request.

    `request(attempt, now_ms)` returns the request of an attempt (from 0) at this Unix time in milliseconds.
    """

    call: Call
    source: Source
    timeout: Timeout
    retry: Retry
    request: Callable[[int, int], Request]


class Attempt(NamedTuple):
    """One attempt of a stream: `outcome` is "complete", "closed" (left early) or an error's class and message."""

    provider: str
    model: str | None
    outcome: str
    seconds: float


@dataclass(slots=True, eq=False, repr=False)
class Run:
    """One stream: its routes and timers, and what has become of it."""

    routes: tuple[Route, ...]
    timers: Timers
    # False: neither text nor reasoning is kept, for an answer larger than memory.
    keep_partial: bool = True
    now_ms: Callable[[], int] = field(default=lambda: time.time_ns() // 1_000_000)
    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random
    # Whether events are delivered, or text alone.
    everything: bool = False
    # What was delivered so far.
    text: io.StringIO = field(default_factory=io.StringIO)
    reasoning: io.StringIO = field(default_factory=io.StringIO)
    tool_calls: list[ToolCall] = field(default_factory=list)
    start: Start = field(default_factory=Start)
    usage: Usage | None = None
    finish: Finish | None = None
    # The head of the response to this attempt.
    head: Head | None = None
    # The attempts that have ended.
    attempts: list[Attempt] = field(default_factory=list)
    state: Literal["new", "streaming", "complete", "failed", "closed"] = "new"
    call: Call = field(init=False)
    # The id of the thread that reads, in sync; 0 in async.
    thread: int = 0
    # What the request of this attempt holds and no message may repeat.
    secrets: tuple[str, ...] = field(default=(), repr=False)
    _began: float | None = None

    def __post_init__(self) -> None:
        self.call = self.routes[0].call

    @property
    def partial(self) -> str:
        """The text delivered so far; any thread may ask."""
        return self.text.getvalue()

    @property
    def whole(self) -> bool:
        """Whether the answer is complete, so that nothing that ends the body now takes anything from it."""
        return self.finish is not None and not self.timers.closed

    def begin(self, route: Route) -> None:
        """Begin an attempt."""
        self.call, self._began, self.secrets, self.head = route.call, self.clock(), (), None
        self.start, self.usage, self.finish = Start(), None, None
        self.timers.attempt(route.timeout)

    def collect(self, event: Event) -> bool:
        """Keep what an event says; return whether events are delivered."""
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
                if self.keep_partial:
                    self.reasoning.write(event.text)
            elif isinstance(event, ToolCall):
                self.tool_calls.append(event)
        return self.everything

    def fail(self, error: G4fliteError) -> None:
        """Write on the error what only the stream knows, without the secrets that somebody may have said back.

        The attempt has failed, or the whole stream.
        """
        error.provider = error.provider or self.call.provider.name
        error.partial = self.partial
        # An error after the last attempt (`AllFailedError`) belongs to no response.
        if self._began is not None and self.head is not None:
            error.request_id = error.request_id or request_id(self.head.headers)
        error.args = tuple(redact(argument, self.secrets) for argument in error.args)
        if not error.partial:
            instead = "no text came before" if self.keep_partial else "what came is not kept"
            error.args = tuple(argument.replace(IN_PARTIAL, instead) for argument in error.args)
        for name in SAID:
            if isinstance(said := getattr(error, name, None), str):
                setattr(error, name, redact(said, self.secrets))
        self._note(f"{type(error).__name__}: {str(error).removeprefix(f'{error.provider}: ')}")

    def end(self, state: Literal["complete", "failed", "closed"]) -> None:
        """Note that the stream has ended; the first end counts.  For the thread that reads, or if none does."""
        if self.state in ("new", "streaming"):
            self.state = state
        self._note(state)

    def abort(self) -> None:
        """End the stream from another thread or task, which may not touch what the reading one writes."""
        self.state = "closed"
        self.timers.abort()

    def _note(self, outcome: str) -> None:
        if self._began is not None:
            done = Attempt(self.call.provider.name, self.call.model, outcome, self.clock() - self._began)
            self._began = None
            self.attempts.append(done)
            log.debug("%s, model %s: %s after %.3f s", *done)


class Send(NamedTuple):
    """Wanted: this request sent over this source.  Happened: the `Head` of the response."""

    request: Request
    source: Source
    secrets: tuple[str, ...]


class Wait(NamedTuple):
    """Wanted: so many seconds let pass."""

    seconds: float


class Wanted(enum.Enum):
    READ = "the next bytes of the body, b'' at its end"


READ: Final = Wanted.READ


class Opening(NamedTuple):
    """How a reply begins: its decoder, which goes on from here, its first items, and whether they are all."""

    reply: Reply
    items: Iterable[str | Event]
    ended: bool


Exchange: TypeAlias = Generator[Send | Wait | Literal[Wanted.READ] | Opening, Any, None]


def exchange(run: Run) -> Exchange:
    """Try the routes one after the other until a provider answers.  Raises why none did."""
    errors: list[G4fliteError] = []
    for route in run.routes:
        try:
            yield from _pursue(run, route)
        # No other provider would fare better.
        except (UsageError, StreamClosedError, TotalTimeoutError):
            raise
        except G4fliteError as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    lines = "".join(f"\n  {error}" for error in errors)
    names = ", ".join(route.call.provider.name for route in run.routes)
    raise AllFailedError(
        f"none of {len(errors)} providers answered:{lines}", provider=names, errors=tuple(errors)
    ) from errors[-1]


def _pursue(run: Run, route: Route) -> Exchange:
    """Try one provider as often as it is worth it."""
    failures = 0
    while True:
        run.begin(route)
        try:
            yield from _attempt(run, route, failures)
        except G4fliteError as error:
            run.fail(error)
            failures += 1
            wait = route.retry.wait(failures, error, run.chance)
            if wait is None or wait >= run.timers.total_left():
                raise
            seconds = wait
        yield Wait(seconds)


def _attempt(run: Run, route: Route, number: int) -> Exchange:
    """Send one request and read the beginning of its reply.  Raises what the response means if it is no reply."""
    call, provider = route.call, route.call.provider
    request = route.request(number, run.now_ms())
    run.secrets = secrets_of(request.headers, call.headers.keys(), call.api_key)
    head: Head = yield Send(request, route.source, run.secrets)
    run.head = head
    if head.status == 407:
        raise ProxyError("the proxy wants a login; check the user name and password in proxy=")
    if not 200 <= head.status < 300:
        raise status_error(
            head.status,
            head.headers,
            redact((yield from _body_text(run, head)), run.secrets),
            rules=provider.errors,
            key_variables=provider.key_variables,
            now_ms=run.now_ms(),
        )
    if head.headers.get("content-type", "").lower().startswith(provider.error_types):
        raise error_of_content_type(head.headers, redact((yield from _body_text(run, head)), run.secrets))
    reply = reply_of(provider, head)
    early: list[str | Event] = []
    ended = False
    while not ended:
        data: bytes = b"" if reply.done else (yield READ)
        ended = not data
        items = iter(reply.close() if ended else reply.feed(data))
        for item in items:
            if isinstance(item, CONTENT):
                yield Opening(reply, chain(early, (item,), items), ended)
            early.append(item)
            # The answer is complete and empty: the timers wait for nothing but the usage now.
            if isinstance(item, Finish):
                run.collect(item)
    # If the reply ended without a finish reason, an empty answer is an error.
    if not reply.done or run.finish == Finish("other"):
        raise EmptyReplyError("the reply is complete and holds no text; try again, or ask another provider")
    if run.finish is not None and run.finish.reason == "content_filter":
        raise ContentFilterError("a content filter kept the whole answer back; change the messages", status=head.status)
    yield Opening(reply, early, ended)


def reply_of(provider: Provider, head: Head) -> Reply:
    """Return the decoder of a response from this provider.  Raises `MalformedReplyError` for an unknown compression."""
    parser = provider.parser(provider.max_frame)
    return Reply(parser, head, marked=provider.end == "marker", max_ratio=provider.max_ratio)


def _body_text(run: Run, head: Head) -> Generator[Literal[Wanted.READ], bytes, str]:
    """Read the first `BODY_READ` bytes of the body, inflated, as text; less if reading fails or is slow."""
    body = bytearray()
    run.timers.linger(BODY_TIME)
    try:
        inflate = inflater(head, run.call.provider.max_ratio)
        while len(body) < BODY_READ and (data := (yield READ)):
            for piece in (data,) if inflate is None else inflate.feed(data):
                body += piece
                if len(body) >= BODY_READ:
                    break
    except (StreamClosedError, TotalTimeoutError):
        raise
    # The status says more than how its explanation was lost.
    except G4fliteError:
        pass
    return body[:BODY_READ].decode("utf-8", "replace")
