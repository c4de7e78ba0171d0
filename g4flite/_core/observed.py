"""What observers are told of a stream, as frozen values; and `Watch`, which tells them.  `hooks.py` says when.

ObservedCall(1, "openai", "gpt-4o-mini", "https://api.openai.com/v1", {"temperature": 0.5}, ({"role": ..., ...},))
ObservedAttempt(1, "openai", "gpt-4o-mini", "RateLimitError: ...", 0.21, "RateLimitError", "https://...", 429, ...)
ObservedFirst("openai", "gpt-4o-mini", 1.4, 0.6)
ObservedEnd("complete", None, "openai", "gpt-4o-mini", ..., usage=Usage(9, 12), finish=Finish("stop", "stop"), ...)
"""

import atexit
import weakref
from collections.abc import Callable, Mapping
from contextvars import Context, copy_context
from functools import cache
from itertools import count
from typing import Any, Literal, NamedTuple

from .errors import G4fliteError, name_by_package
from .events import Finish, Start, ToolCall, Usage
from .headers import check_header
from .hooks import methods_of, taps
from .log import log
from .messages import Message
from .provider import Call, FrozenDict, Request
from .secrets import is_secret, redact, secrets_of

_numbers = count(1)
# The observers' methods whose exceptions the log has told of, and the headers that were left out.
_complained: set[object] = set()
# The watches that have told the beginning of a stream and not its end, by the ids of their calls.  Weak: a stream that
# is left is to be collected.
_open: dict[int, "weakref.ref[Watch]"] = {}


class ObservedCall(NamedTuple):
    """The call of a stream.  `id` is another one for each stream of this process.

    `provider`, `model`, `options` and `messages` are those of the first provider, if several may be asked.  Neither
    the key nor the headers are told.  Mappings and lists in `options` and `messages` are copies that cannot be changed:
    a list is a tuple, and `json.dumps(call.messages, default=dict)` writes them as JSON.
    """

    id: int
    provider: str
    model: str | None
    base_url: str
    options: Mapping[str, Any]
    messages: tuple[Message, ...]

    def __hash__(self) -> int:
        # The options are a mapping, which has no hash.
        return self.id


class ObservedAttempt(NamedTuple):
    """An attempt that has ended: its number (from 1), and what became of it.

    `outcome` is "complete", "closed", or the class and the message of an error; `error_type` is that class, and `error`
    the `G4fliteError` itself, both None without one.  Its traceback keeps the stream in memory.  `seconds` is how long
    the attempt took.  `url`, `status` and `request_id` are None if there was no request, no response, no id.  `usage`
    is what the service has counted of this attempt by now; the counts of the last attempt may come after it.  A
    provider of a list that cannot be asked, say without a key, is an attempt of 0 seconds, told behind `start`.
    """

    number: int
    provider: str
    model: str | None
    outcome: str
    seconds: float
    error_type: str | None = None
    url: str | None = None
    status: int | None = None
    request_id: str | None = None
    usage: Usage | None = None
    error: G4fliteError | None = None

    def __hash__(self) -> int:
        # `usage.raw` is a mapping, which has no hash.
        return hash((self.number, self.provider, self.outcome, self.seconds))


class ObservedFirst(NamedTuple):
    """The first content has come, from this provider and model.

    `seconds` is the time since the loop began, `attempt_seconds` since the attempt began that brought the content.
    """

    provider: str
    model: str | None
    seconds: float
    attempt_seconds: float


class ObservedEnd(NamedTuple):
    """The end of a stream.

    - `state` is "complete", "failed" (a `G4fliteError`), or "closed": the loop was left or closed, the stream was
      collected, or another exception passed through it, like that of a cancellation.
    - `error` is the exception that the loop gets, None if there is none.  Its traceback keeps the stream in memory.
    - `provider` and `model` are those that were asked last, `attempts` is the number of attempts.
    - `seconds` is the time from the beginning of the loop, `first` that up to the first content; None without content.
    - `text` and `reasoning` are None with `keep_partial=False`.
    - `usage`, `start` and `finish` are what the service has said of its last reply.
    """

    state: Literal["complete", "failed", "closed"]
    error: BaseException | None
    provider: str
    model: str | None
    attempts: int
    seconds: float
    first: float | None
    text: str | None
    reasoning: str | None
    tool_calls: tuple[ToolCall, ...]
    start: Start
    usage: Usage | None
    finish: Finish | None
    url: str | None
    status: int | None
    request_id: str | None

    def __hash__(self) -> int:
        # `usage.raw` is a dict, which has no hash.
        return hash((self.state, self.provider, self.seconds))


class Watch:
    """The observers of one stream, whose `Run` the methods get as `run`."""

    def __init__(self, observers: tuple[Any, ...], call: Call) -> None:
        # The observers, each with its methods by name; and those that note the bytes: flight recorders.
        self._observers = [(observer, methods_of(observer)) for observer in observers]
        self._taps = [observer for observer in observers if taps(observer)]
        # The context in which the loop began, and the `Run`; None before.
        self._context: Context | None = None
        self._run: Any = None
        self.call = ObservedCall(
            next(_numbers),
            call.provider.name,
            call.model,
            redact(call.base_url, secrets_of({}, (), call.api_key, call.base_url)),
            frozen(call.options),
            frozen(call.messages),
        )
        # What `start` has added to the headers, names in lower case.
        self.headers: dict[str, str] = {}
        # Seconds from the beginning of the loop to the first content.
        self.first: float | None = None

    def tell_attempt(self, run: Any, done: tuple[str, str | None, str, float], error: G4fliteError | None) -> None:
        """Tell of an attempt that has ended."""
        # To look for secrets in the place takes a while.
        if not self._is_asked("attempt"):
            return
        kind = type(error).__name__ if error is not None else None
        url, status, identity = run.place(error)
        told = ObservedAttempt(len(run.attempts), *done, kind, url, status, identity, counted(run), error)
        self._tell("attempt", told)

    def tell_first(self, run: Any) -> None:
        """Tell that the first content has come."""
        now = run.clock()
        self.first = now - run.opened
        told = ObservedFirst(run.call.provider.name, run.call.model, self.first, now - run.began)
        self._tell("first", told)

    def tell_end(self, run: Any, error: BaseException | None) -> None:
        """Tell that the stream has ended, by this exception if there is one; not if its loop took no step."""
        # In one step: as the process ends, two threads may come here.
        if _open.pop(self.call.id, None) is None:
            return
        self._run = None
        if run.state == "complete" or isinstance(error, GeneratorExit):
            error = None
        # First, so that the message of the error that the observers are told of names the recorder's file.
        for observer in self._taps:
            self._call(observer, "landed", observer.landed, run.state, error)
        if not self._is_asked("end"):
            return
        text, reasoning = (run.partial, run.reasoning.getvalue()) if run.keep_partial else (None, None)
        told = ObservedEnd(
            run.state,
            error,
            run.call.provider.name,
            run.call.model,
            len(run.attempts),
            run.clock() - run.opened,
            self.first,
            text,
            reasoning,
            tuple(run.tool_calls),
            run.start,
            counted(run),
            run.finish,
            *run.place(error),
        )
        self._tell("end", told)

    def _is_asked(self, method: str) -> bool:
        """Return whether an observer has this method."""
        return any(method in methods for _, methods in self._observers)

    def _tell(self, method: str, *told: object) -> None:
        """Call this method of each observer that has it."""
        for observer, methods in self._observers:
            if (function := methods.get(method)) is not None:
                self._call(observer, method, function, *told)

    def __del__(self) -> None:
        """Tell the end of a stream whose generator nobody has ended, and nobody can end any more.

        An event loop that was closed before it had ended its async generators, as `loop.close()` does, lets their
        frames vanish without running a `finally` in them.
        """
        self.leave()

    def leave(self) -> None:
        """Tell the end of a stream that nobody ends, unless it is told."""
        if self._run is not None:
            self._run.end("closed")

    def tell_start(self, run: Any) -> None:
        """Tell that the loop has begun, and keep the headers that observers return; the first of a name counts."""
        # The watch and the run hold each other up to the end, so that the frame that held both is not missed.
        self._context, self._run = copy_context(), run
        _open[self.call.id] = weakref.ref(self)
        await_exit()
        for observer, methods in self._observers:
            if (function := methods.get("start")) is not None:
                self.headers = {**self._call(observer, "start", headers_of(function), default={}), **self.headers}

    def with_headers(self, request: Request) -> Request:
        """Return the request with the observers' headers, but for those that it has already."""
        for name in self.headers.keys() & request.headers.keys():
            complain((name,), "the header %s of an observer was left out: the request has one of its own", name)
        return request._replace(headers={**self.headers, **request.headers})

    def tapped(self, source: Any) -> Any:
        """Return the source of the HTTP client, behind the observers that note the bytes: flight recorders."""
        for observer in self._taps:
            source = self._call(observer, "tap", observer.tap, source, default=source)
        return source

    def _call(
        self, observer: object, name: str, function: Callable[..., Any], *told: object, default: Any = None
    ) -> Any:
        """Return what the function returns, or `default` if it raises; the log tells of the first time that it does."""
        context = self._context or copy_context()
        try:
            return context.run(function, self.call, *told)
        except Exception as error:
            # What ends the stream at this moment is no part of the observer's traceback.
            error.__suppress_context__ = True
            kind = type(observer)
            complain(
                (kind, name),
                "the observer %s.%s failed in %s; it is told of other streams as before, and no further failure of "
                "this method is logged",
                kind.__module__, kind.__qualname__, name, exc_info=error,
            )  # fmt: skip
            return default


def counted(run: Any) -> Usage | None:
    """Return the counts of the attempt, whose JSON cannot be changed."""
    return None if run.usage is None else run.usage._replace(raw=frozen(run.usage.raw))


def frozen(value: Any) -> Any:
    """Return a copy of JSON, or of what options hold, that cannot be changed: mappings and tuples in it as well."""
    if isinstance(value, Mapping):
        return FrozenDict({name: frozen(inner) for name, inner in value.items()})
    return tuple(map(frozen, value)) if isinstance(value, list | tuple) else value


@cache
def await_exit() -> None:
    """Let the ends of the streams that are open be told as the process ends.

    A daemon thread stops then wherever it is.  And after `loop.close()`, anyio keeps a task that was waiting alive.
    The first stream registers this, not the import: a tracer that was set up between is shut down after it.
    """
    atexit.register(leave_all)


def leave_all() -> None:
    """Tell the end of each stream that is open."""
    for reference in [*_open.values()]:
        if (watch := reference()) is not None:
            watch.leave()


def headers_of(start: Callable[[ObservedCall], object]) -> Callable[[ObservedCall], dict[str, str]]:
    """Return a function that calls `start`, and returns its headers, checked, with their names in lower case.

    That raises `TypeError` or `ValueError` for headers that HTTP cannot carry, and for one whose name says that it is
    secret: it could take the place of a key that the caller's client adds.
    """

    def checked(call: ObservedCall) -> dict[str, str]:
        headers = start(call) or {}
        if not isinstance(headers, Mapping):
            raise TypeError(f"start must return a mapping of headers or None, not {type(headers).__name__}")
        for name, value in headers.items():
            check_header(name, value)
            if is_secret(name, value):
                raise ValueError(f"an observer cannot add the header {name}, which is a secret; pass headers= instead")
        return {name.lower(): value for name, value in headers.items()}

    return checked


def complain(what: object, message: str, *words: object, exc_info: BaseException | None = None) -> None:
    """Log a fault of an observer at the level ERROR, once a process."""
    if what not in _complained:
        _complained.add(what)
        log.error(message, *words, exc_info=exc_info)


name_by_package(ObservedCall, ObservedAttempt, ObservedFirst, ObservedEnd)
