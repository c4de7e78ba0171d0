"""The exchange decides what is sent, what a response means and what is tried next.  It waits for nothing: no I/O.

`exchange` is a generator.  It yields what shall be done, and a driver does it and sends the result into the generator;
if sending or reading fails, the driver throws the error into the generator:

    steps = exchange(run)
    next(steps)                                     # Send(request, source): send this request
    steps.send(Head(503, {"retry-after": "1"}))     # READ: read the body, for the error's message
    steps.send(b'{"error": "overloaded"}')          # READ: read on
    steps.send(b"")                                 # Wait(1.0): a second attempt may succeed, so wait for it
    steps.send(None)                                # Send(...): the second attempt, signed anew
    steps.send(Head(200, {}))                       # READ
    steps.send(b'data: {"choices": ...}')           # Opening(reply, items, ended): the first text; the exchange is over

The exchange yields the `Opening` last, with the first text, reasoning or tool call in it.  Up to then it retries and
falls back to the next provider; after it, nothing is sent again, because the caller has seen a part of the answer.
There are two drivers, `iterate` and `aiterate` in `transport/driver.py`.

`Run` holds the state of one stream.
"""

import enum
import io
import logging
import random
import sys
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias

from .base_urls import advice_on_base_url
from .errors import (
    AllFailedError,
    ContentFilterError,
    EmptyReplyError,
    G4fliteError,
    LimitError,
    MalformedReplyError,
    MessagesError,
    ProxyError,
    SpecError,
    StreamClosedError,
    TotalTimeoutError,
    UsageError,
    causes,
    name_by_package,
)
from .events import (
    CONTENT,
    OTHERS,
    Citation,
    Event,
    Finish,
    Media,
    Other,
    Reasoning,
    Start,
    ToolCall,
    ToolCallDelta,
    TurnState,
    Usage,
)
from .hooks import Tap
from .log import log, say
from .options import asks_for_media
from .provider import Call, Provider, Request
from .proxies import NamedProxy, setting, shown
from .response.excerpts import BODY_READ, request_id
from .response.fields import weight
from .response.reply import PAUSE, Head, Item, Pausing, Reply, inflater
from .secrets import Secrets, redact, secrets_of, secrets_of_client
from .settings import Retry, Timeout
from .timers import Timers
from .urls import public_url

# How many seconds reading the body of an error may take.
BODY_TIME: Final = 1.0
# How many names of content other than text the error of an answer without text quotes, and how many characters of each.
NAMES: Final = 8
NAME_LENGTH: Final = 40
# How many values of `TurnState` may come before the first content.
MOST_STATES: Final = 1024
# The attributes of an error that hold the service's own words, which may repeat a secret of the request.
QUOTED: Final = ("request_id", "body", "code", "kind", "url")
# These words of a message are replaced by `Run.fail` if `.partial` is empty.
IN_PARTIAL: Final = "the text so far is in .partial"
NO_SECRETS: Final = Secrets()


class Response(Protocol):
    """A response whose body is unread; `pieces` returns an iterator of its bytes, `apieces` an async iterator.

    `body` is the iterator of the library that has sent the request: a piece of it is an HTTP chunk at most.
    """

    @property
    def head(self) -> Head: ...
    @property
    def body(self) -> Any: ...
    def pieces(self, tap: Tap | None = None) -> Iterator[bytes]: ...
    def apieces(self, tap: Tap | None = None) -> AsyncIterator[bytes]: ...
    def close(self) -> None: ...
    async def aclose(self) -> None: ...


class Source(Protocol):
    """Where a route gets its HTTP client: from the caller, from a pool, or one of its own for this stream.

    `send` and `asend` return the response to a request, and raise a `G4fliteError` if the network fails.  `release` and
    `arelease` say that the stream has ended and needs the client no more.
    `retire` says that the client must not be used again, not even to close it: an exception like KeyboardInterrupt has
    passed through it, and may have left one of its locks held for ever.
    `proxy` returns the proxy that a request of this URL goes over, None if there is none or if nothing is known of it.
    """

    def proxy(self, url: str) -> NamedProxy | None: ...
    def send(self, request: Request, timers: Timers) -> Response: ...
    async def asend(self, request: Request, timers: Timers) -> Response: ...
    def release(self) -> None: ...
    def retire(self) -> None: ...
    async def arelease(self) -> None: ...


class Route(NamedTuple):
    """One provider that may answer: the call, the source of its HTTP client, its timers, its retries, its requests.

    `request(attempt, now_ms)` returns the request of an attempt, which counts from 0, at a Unix time in milliseconds.
    """

    call: Call
    source: Source
    timeout: Timeout
    retry: Retry
    request: Callable[[int, int], Request]


class Attempt(NamedTuple):
    """One attempt that has ended.

    `outcome` is "complete", "closed" (the caller left the loop early), or the class and the message of an error.
    `seconds` is how long the attempt took.
    """

    provider: str
    model: str | None
    outcome: str
    seconds: float


class Text(io.StringIO):
    """A text that grows.

    A garbage collection that finds a stream in a circle of references runs the finalizers of its objects in any order.
    That of `StringIO` would close the text, before the generator ends and tells an observer of the text.
    """

    __slots__ = ()

    def __del__(self) -> None:
        pass


class Run:
    """The state of one stream: its routes and timers, what it has delivered, and how it ended.

    No dataclass, which would take 2 ms of the start of a process.
    """

    __slots__ = (
        "attempts", "began", "bound_to", "call", "calls_begun", "chance", "clock", "dropped", "everything", "finish",
        "head", "headers", "keep_partial", "kept", "now_ms", "observers", "opened", "others", "reader", "reasoning",
        "refused", "routes", "said", "source", "start", "state", "states", "text", "timers", "told_place", "tool_calls",
        "url", "usage", "watch",
    )  # fmt: skip

    def __init__(
        self,
        routes: tuple[Route, ...],
        timers: Timers,
        keep_partial: bool = True,
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
        bound_to: str = "",
        refused: tuple[G4fliteError, ...] = (),
        observers: tuple[Any, ...] = (),
    ) -> None:
        self.routes, self.timers = routes, timers
        # If false, neither text nor reasoning is kept, for an answer larger than memory.
        self.keep_partial = keep_partial
        # Unix time in milliseconds, a clock in seconds, and a random number in [0, 1): a test may replace each.
        self.now_ms, self.clock, self.chance = now_ms, clock, chance
        # Whether the loop gets events, or text alone.
        self.everything = False
        # Whether a Conversation keeps the answer, of whatever kind it is.
        self.kept = False
        # What the loop has got so far.
        self.text, self.reasoning = Text(), Text()
        self.tool_calls: list[ToolCall] = []
        # How many tool calls have begun.  A call without arguments begins in its place, and is given out at the end.
        self.calls_begun = 0
        # The values of `TurnState`, each behind its place: how many characters of text and of reasoning came, and how
        # many tool calls began, before it.
        self.states: list[tuple[int, int, int, Any]] = []
        # What this attempt's request leaves out of the messages.
        self.dropped: tuple[str, ...] = ()
        self.bound_to = bound_to
        # Whether the loop has got text, and the names of the content of other kinds that came, with their event types.
        self.said = False
        self.others: dict[str, str] = {}
        # What the service said about the reply of this attempt.
        self.start = Start()
        self.usage: Usage | None = None
        self.finish: Finish | None = None
        # The URL and the headers of this attempt's request; None before the request is made.
        self.url: str | None = None
        self.headers: Mapping[str, str] | None = None
        # The head of the response to this attempt; None before the response comes.
        self.head: Head | None = None
        # The errors of providers of the list that cannot be asked, as they have no key or no base URL.
        self.refused = refused
        # The stream's own observers, and the `Watch` that tells them and those of all streams; None if there are none.
        self.observers = observers
        self.watch: Any = None
        # When the loop began, by `clock`.
        self.opened = 0.0
        # The attempts that have ended.
        self.attempts: list[Attempt] = []
        self.state: Literal["new", "streaming", "complete", "failed", "closed"] = "new"
        # The call of this attempt's route, and where the route gets its HTTP client.
        self.call, self.source = routes[0].call, routes[0].source
        # The id of the thread that reads in sync, a weak reference to the task in async; None before the loop begins.
        self.reader: object = None
        # When this attempt began, by `clock`; None once it stands in `attempts`.
        self.began: float | None = None
        # What `place` has found out, which takes a while; None before the attempt has ended.
        self.told_place: tuple[str | None, int | None, str | None] | None = None

    @property
    def partial(self) -> str:
        """The text delivered so far.  Any thread may ask for it."""
        return self.text.getvalue()

    def begin(self, route: Route) -> None:
        """Begin an attempt: forget what the service said in the attempt before, and start the timers anew."""
        self.call, self.source, self.began = route.call, route.source, self.clock()
        self.url = self.headers = self.head = self.told_place = None
        self.start, self.usage, self.finish = Start(), None, None
        self.states.clear()
        self.calls_begun = 0
        self.timers.attempt(route.timeout)

    @property
    def secrets(self) -> Secrets:
        """The texts in this attempt's request, what the caller's client has added included, that no message may repeat.

        They are gathered only once there is a message.
        """
        if self.headers is None:
            return NO_SECRETS
        given = self.call.headers.keys() | (self.watch.headers.keys() if self.watch is not None else ())
        own = secrets_of(self.headers, given, self.call.api_key, self.url or "")
        proxy = self.source.proxy(self.url or "")
        return secrets_of_client(self.timers.sent, self.headers, own, proxy.url if proxy else "")

    def collect(self, event: Event) -> bool:
        """Keep what an event says, and return whether the loop gets events."""
        if isinstance(event, Finish):
            self.finish = event
        elif isinstance(event, Usage):
            self.usage = event
        elif isinstance(event, Start):
            self.start = event
        elif isinstance(event, TurnState):
            if self.keep_partial:
                place = self.text.tell(), self.reasoning.tell(), max(self.calls_begun, len(self.tool_calls))
                self.states.append((*place, event.value))
            return self.everything and event.value is not None
        else:
            self.timers.heard = True
            if isinstance(event, Reasoning):
                if self.keep_partial:
                    self.reasoning.write(event.text)
            elif isinstance(event, ToolCallDelta):
                self.calls_begun = max(self.calls_begun, event.index + 1)
            elif isinstance(event, ToolCall):
                self.tool_calls.append(event)
            # Logprobs say something about a text, and are no answer without one.
            elif isinstance(event, OTHERS) and len(self.others) < NAMES and named(event) != "logprobs":
                self.others.setdefault(named(event)[:NAME_LENGTH], type(event).__name__)
        return self.everything

    def check_answer(self) -> None:
        """Raise `EmptyReplyError` if the answer holds content of other kinds than text alone, and nobody asked for it.

        Without the error, such an answer would look like an empty one that is complete.  In a loop over the events it
        is complete if the request asks for images or audio, or if a Conversation keeps the answer.  Tool calls are an
        answer: `tool_calls` holds them.  A turn that pauses goes on.
        """
        paused = self.finish is not None and self.finish.reason == "pause"
        if not self.others or self.said or self.tool_calls or paused:
            return
        kinds = ", ".join(dict.fromkeys(self.others.values()))
        if not self.everything:
            where = f"read it with `for event in stream.events()`, where it comes as {kinds}"
        elif self.kept or asks_for_media(self.call.options, self.call.extra):
            return
        else:
            where = f"it came as {kinds}. If you want such answers, ask for images or audio in extra=, or in tools="
        raise EmptyReplyError(f"the answer holds no text but {', '.join(self.others)}; {where}")

    def fail(self, error: G4fliteError) -> None:
        """Complete the error of an attempt, or of the stream, by what only the stream knows; note the attempt's end.

        The error gets the provider's name, the text so far and the id of the request.  The secrets that a service or a
        proxy has repeated are taken out.
        """
        from .response.service_errors import URL_ADVICE  # noqa: PLC0415 - slow to import, and needed for errors only

        error.provider = error.provider or self.call.provider.name
        error.partial = self.partial
        call, spec, variable = self.call, self.call.provider, self.call.base_url_variable
        mend = ""
        if error.advice in URL_ADVICE:
            mend = advice_on_base_url(call.base_url, spec.url, spec.base_url, variable)
        # Whoever set the variable has perhaps never heard of the argument.
        if variable and not mend and variable not in error.advice:
            mend = error.advice.replace("{base_url}", f"{variable}[ or {{base_url}}]")
        error.advice = mend or error.advice
        # An error that is raised after the last attempt has ended (`AllFailedError`) belongs to no request.
        if self.began is not None:
            error.url = error.url if self.url is None else public_url(self.url)
            error.request_id = error.request_id or (request_id(self.head.headers) if self.head else None)
        secrets = self.secrets
        error.args = tuple(redact(argument, secrets) for argument in error.args)
        error.advice = redact(error.advice, secrets)
        # A traceback shows the cause.
        if any(redact(str(cause), secrets) != str(cause) for cause in causes(error.__cause__)):
            error.__cause__ = None
        if not error.partial:
            instead = "no text came before" if self.keep_partial else "the text so far was not kept"
            error.args = tuple(argument.replace(IN_PARTIAL, instead) for argument in error.args)
        for name in QUOTED:
            if isinstance(words := getattr(error, name, None), str):
                setattr(error, name, redact(words, secrets))
        self._note(outcome_of(error), error)

    def end(self, state: Literal["complete", "failed", "closed"]) -> None:
        """Note that the stream has ended, and tell of it.  Only the first end counts.

        Only the thread or task that reads may call this, or any if none reads.
        """
        if self.state in ("new", "streaming"):
            self.state = state
        try:
            self._note(state)
        finally:
            # An observer of the attempt may have been interrupted.  The end is told once, even if that is, too.
            if self.watch is not None:
                told, self.watch = self.watch, None
                told.tell_end(self, sys.exc_info()[1])
        if state == "failed":
            self._say_failed(sys.exc_info()[1])

    def abort(self) -> None:
        """Close the stream from another thread or task than the one that reads, which then notes the attempt's end.

        A stream that has just become complete, or has failed, stays so.
        """
        if self.state in ("new", "streaming"):
            self.state = "closed"
        self.timers.abort()

    def _note(self, outcome: str, error: G4fliteError | None = None) -> None:
        """Note the end of the attempt that is under way, if there is one, and tell of it."""
        if self.began is None:
            return
        done = Attempt(self.call.provider.name, self.call.model, outcome, self.clock() - self.began)
        self.began = None
        self._tell(done, error)

    def note_refused(self) -> None:
        """Note an attempt for each provider that cannot be asked, and tell of it: no request was made."""
        for error in self.refused:
            self._tell(Attempt(error.provider or "", None, outcome_of(error), 0.0), error)

    def _tell(self, done: Attempt, error: G4fliteError | None) -> None:
        """Note an attempt that has ended, and tell the log and the observers of it."""
        self.attempts.append(done)
        if log.isEnabledFor(logging.DEBUG):
            url, status, identity = self.place(error)
            say(logging.DEBUG, "attempt", number=len(self.attempts), **done._asdict(), status=status, url=url,
                request_id=identity)  # fmt: skip
        if self.watch is not None:
            self.watch.tell_attempt(self, done, error)

    def place(self, error: BaseException | None = None) -> tuple[str | None, int | None, str | None]:
        """Return the URL, the status and the service's id of this attempt's request, each None if there is none."""
        if self.told_place is None:
            secrets, head = self.secrets, self.head
            url = None if self.url is None else redact(public_url(self.url), secrets)
            # A service may repeat anything in a header.
            found = request_id(head.headers) if head is not None else None
            self.told_place = (url, head.status if head else None, redact(found, secrets) if found else None)
        url, status, identity = self.told_place
        of_error = getattr(error, "request_id", None)
        return url, status, identity if of_error is None else of_error

    def _say_failed(self, error: BaseException | None) -> None:
        """Log that the stream has failed."""
        _, status, identity = self.place(error)
        say(
            logging.WARNING,
            "failed",
            provider=getattr(error, "provider", None),
            model=self.call.model,
            error_type=type(error).__name__,
            error=str(error),
            attempts=len(self.attempts),
            seconds=self.clock() - self.opened,
            status=status,
            request_id=identity,
        )


def outcome_of(error: G4fliteError) -> str:
    """Return how an attempt ended that failed."""
    return f"{type(error).__name__}: {str(error).removeprefix(f'{error.provider}: ')}"


def named(event: Other) -> str:
    """Return what an error calls content that is neither text nor a tool call."""
    if isinstance(event, Media):
        return event.mime_type
    return "citations" if isinstance(event, Citation) else event.name


class Send(NamedTuple):
    """Asks the driver to send this request over this source.  The driver sends back the `Head` of the response."""

    request: Request
    source: Source


class Wait(NamedTuple):
    """Asks the driver to wait for so many seconds.  The driver sends back None."""

    seconds: float


class Wanted(enum.Enum):
    """`READ` asks the driver for the next bytes of the body.  The driver sends them back, or b"" at the body's end."""

    READ = "the next bytes of the body, b'' at its end"


READ: Final = Wanted.READ


class Opening(NamedTuple):
    """The beginning of an answer.

    `reply` decodes the rest of the body, `items` are the texts and events so far, and `ended` is true if the body has
    ended.
    """

    reply: Reply
    items: Iterable[Item]
    ended: bool


# `Send` and `Wait` also say that the response before is not needed any more: the driver closes it first.
Exchange: TypeAlias = Generator[Send | Wait | Literal[Wanted.READ, Pausing.PAUSE] | Opening, Any, None]


def exchange(run: Run) -> Exchange:
    """Yield what shall be done to get an answer: try one route after the other until a provider answers.

    Raises the error of the only route, or `AllFailedError` with the errors of all.  If no route can be used, raises the
    first one's `UsageError`.
    """
    errors: list[G4fliteError] = [*run.refused]
    run.opened = run.clock()
    if run.watch is not None:
        run.watch.tell_start(run)
    run.note_refused()
    try:
        for route in run.routes:
            try:
                yield from _try_route(run, route)
            # These errors are the caller's mistakes, or end the stream.  Any other `UsageError` comes from the settings
            # of the route: its Client is closed, its transport does not work here, its host cannot be used.
            except (MessagesError, SpecError, StreamClosedError, TotalTimeoutError):
                raise
            except G4fliteError as error:
                errors.append(error)
        # No request was sent: the call is wrong, and `AllFailedError` would say that the providers are.
        if len(errors) == 1 or all(isinstance(error, UsageError) for error in errors):
            raise errors[0]
        names = ", ".join(error.provider or "" for error in errors)
        raise AllFailedError(
            f"none of {len(errors)} providers answered", provider=names, errors=tuple(errors)
        ) from errors[-1]
    finally:
        # The traceback of an error holds this frame, and the frame holds the errors.  This circle would keep the
        # stream, with its text, until a garbage collection.
        errors.clear()


def _try_route(run: Run, route: Route) -> Exchange:
    """Make attempts on one route.  Raises the last attempt's error once a further attempt makes no sense.

    The function never returns: the driver closes the generator once it got the `Opening`.
    """
    failures = 0
    while True:
        run.begin(route)
        try:
            yield from _attempt(run, route, failures)
        except G4fliteError as error:
            run.fail(error)
            failures += 1
            wait = route.retry.wait(failures, error, run.chance)
            # A wait beyond the end of `total` would only delay the error.
            if wait is None or wait >= run.timers.total_left():
                raise
            seconds = wait
        yield Wait(seconds)


def _attempt(run: Run, route: Route, number: int) -> Exchange:
    """Send one request, read up to the first content of the answer, and yield the `Opening`.

    Raises the error that the response means if it holds no answer.
    """
    provider = route.call.provider
    request = route.request(number, run.now_ms())
    if run.watch is not None:
        request = run.watch.with_headers(request)
    run.url, run.headers = request.url, request.headers
    run.dropped, run.bound_to = request.dropped, request.bound_to
    for told in request.dropped:
        say(logging.DEBUG, "dropped", provider=provider.name, model=route.call.model, what=told)
    source = route.source if run.watch is None else run.watch.tapped(route.source)
    head: Head = yield Send(request, source)
    run.head = head
    # This status is a proxy's (RFC 9110 15.5.8).
    if head.status == 407:
        proxy = route.source.proxy(request.url)
        raise ProxyError(
            f"{shown(proxy)} wants a login", advice=f"check the user name and password in {setting(proxy)}"
        )
    if not 200 <= head.status < 300:
        from .response.service_errors import status_error  # noqa: PLC0415 - slow to import, and needed for errors only

        raise status_error(
            head.status,
            head.headers,
            redact((yield from _body_text(run, head)), run.secrets),
            rules=provider.errors,
            key_variables=provider.key_variables,
            now_ms=run.now_ms(),
        )
    data = b""
    if head.headers.get("content-type", "").lower().startswith(provider.error_types):
        data, is_reply = yield from _first_bytes(provider, head)
        if not is_reply:
            text = yield from _body_text(run, head, data, most=provider.max_frame)
            data = _whole(provider, text)
            if not data:
                from .response.service_errors import error_of_content_type  # noqa: PLC0415 - needed for errors only

                raise error_of_content_type(head.headers, redact(text[:BODY_READ], run.secrets))
            head = head._replace(coding="", open_ended=False)
    reply = reply_of(provider, head, everything=run.everything)
    # The events before the first content, like `Start`: the last of each type, so that a service that sends no content
    # but events without end fills no memory.  Of `TurnState`, all, but no more characters than a frame may have.
    early: dict[object, str | Event] = {}
    room = provider.max_frame
    ended = False
    while not ended:
        try:
            data = data or (b"" if reply.done else (yield READ))
        except StreamClosedError:
            raise
        except G4fliteError as error:
            # A parser that is not ours gives out `Finish` before the end of the body.
            reply.failed = error if run.finish is None else None
        ended = not data
        items = iter(reply.close() if ended else reply.feed(data))
        data = b""
        for item in items:
            if item is PAUSE:
                yield PAUSE
                continue
            if isinstance(item, CONTENT):
                if run.watch is not None:
                    run.watch.tell_first(run)
                yield Opening(reply, chain((*early.values(), item), items), ended)
            kind = type(item) if not isinstance(item, TurnState) else len(early)
            early.pop(kind, None)
            early[kind] = item
            room -= weight(item.value) if isinstance(item, TurnState) else 0
            if len(early) > MOST_STATES or room < 0:
                raise LimitError("the reply holds no answer but too many parts that are to be sent back")
            # The answer is complete without any content.  An attempt that fails then may have counted its tokens.
            if isinstance(item, Finish | Usage):
                run.collect(item)
    # If the reply ended without a finish reason, an empty answer is an error.  (`Finish("other")` without a native word
    # stands for a reply that ended by its end marker alone.)
    if not reply.done or run.finish == Finish("other"):
        raise EmptyReplyError("the reply is complete but holds no text; try again, or ask another provider")
    if run.finish is not None and run.finish.reason == "content_filter":
        raise ContentFilterError("a content filter kept the whole answer back; change the messages", status=head.status)
    yield Opening(reply, early.values(), ended)


def reply_of(provider: Provider, head: Head, *, everything: bool = True) -> Reply:
    """Return the decoder of a response from this provider; `everything` says whether the loop gets events.

    Raises `MalformedReplyError` if the body is compressed in a way that the request did not offer, and `SpecError` if
    the provider makes no parser.
    """
    parser: Any = provider.parser(provider.max_frame)
    if not (callable(getattr(parser, "feed", None)) and callable(getattr(parser, "close", None))):
        raise SpecError(f"parser returned a {type(parser).__name__}; it must return an object with feed and close")
    # The parsers of the open protocols need not make what a loop over texts does not get.
    if not everything and (prepare := getattr(parser, "for_texts_alone", None)) is not None:
        prepare()
    return Reply(parser, head, marked=provider.end == "marker", max_ratio=provider.max_ratio)


def _first_bytes(provider: Provider, head: Head) -> Generator[Literal[Wanted.READ], bytes, tuple[bytes, bool]]:
    """Read the beginning of a body whose content type marks an error, and return it with whether it is a reply.

    Proxies and relays label replies as JSON, as HTML or as plain text; the framing of a reply tells.
    Source: palantir/foundry-dev-tools#195, April 2025.
    """
    recognises = getattr(provider.parser(provider.max_frame), "recognises", None)
    if recognises is None:
        return b"", False
    body, start = bytearray(), bytearray()
    known: bool | None = None
    try:
        inflate = inflater(head, provider.max_ratio)
        while known is None and len(start) < BODY_READ and (data := (yield READ)):
            body += data
            for piece in (data,) if inflate is None else inflate.feed(data):
                start += piece[:BODY_READ]
                if (known := recognises(bytes(start))) is not None or len(start) >= BODY_READ:
                    break
    # It cannot be inflated.
    except (MalformedReplyError, LimitError):
        pass
    return bytes(body), known is True


def _whole(provider: Provider, text: str) -> bytes:
    """Return the events of an answer that came whole, as servers and proxies send it that know no streams; else b""."""
    whole = getattr(provider.parser(provider.max_frame), "whole", None)
    return b"" if whole is None else whole(text)


def _body_text(
    run: Run, head: Head, data: bytes = b"", *, most: int = BODY_READ
) -> Generator[Literal[Wanted.READ], bytes, str]:
    """Read the body of an error, and return the first `most` bytes as text.  `data` is what was read before.

    Returns less if reading fails or takes longer than `BODY_TIME`.
    """
    body = bytearray()
    run.timers.linger(BODY_TIME)
    try:
        inflate = inflater(head, run.call.provider.max_ratio)
        while len(body) < most and (data := data or (yield READ)):
            for piece in (data,) if inflate is None else inflate.feed(data):
                body += piece
                if len(body) >= most:
                    break
            data = b""
    except (StreamClosedError, TotalTimeoutError):
        raise
    # The body explains the status.  The status alone says more than the error that ended the reading of the body.
    except G4fliteError:
        pass
    return body[:most].decode("utf-8", "replace")


name_by_package(Attempt)
