"""Hooks: the observers that a program has set, which are told of each stream while it runs.  No I/O.

    class Slow:
        def end(self, call, end):
            if end.seconds > 30:
                print(call.provider, call.model, end.state, end.seconds)

    g4flite.observe(Slow())                                 # tells Slow of every stream of this process
    g4flite.stream("openai", "Hello", observer=Slow())      # of this one

An observer has any of these four methods.  They are plain functions, which the thread or the task that reads the stream
calls in this order:

    start(call)                 # the loop has begun; may return headers, which each request of the stream then has
    attempt(call, attempt)      # an attempt has ended, for each attempt
    first(call, first)          # the first text, reasoning or tool call has come; before the end of the last attempt
    end(call, end)              # exactly once for each `start`, however the stream ends

A stream that is left is told of when it is closed or collected, at the latest when the process ends; the thread that
collects it then calls the methods.  A stream that no loop reads is told of to nobody.  If an observer raises an
exception, the stream goes on, and the log tells of it once.  The methods of one stream run in one copy of the context
in which its loop began: they see the program's context variables, and change none of the program's.

`observed.py` has what they are told, and is imported once there is an observer.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from inspect import iscoroutinefunction
from threading import Lock
from typing import Any, Final, Protocol

from .errors import OptionError

METHODS: Final = ("start", "attempt", "first", "end")

# The observers of all streams of this process.  The tuple is replaced, not changed: threads read it without the lock.
_observing: tuple[Any, ...] = ()
_lock = Lock()


class Tap(Protocol):
    """Keeps what is read of a body.

    `through` returns a function that calls `feed` and keeps the piece that it returns, of at most `most` bytes behind
    the first one; `keep` keeps a piece; `stop` notes by which exception the body has ended.
    """

    def through(self, feed: Callable[[bytes], bytes], most: int) -> Callable[[bytes], bytes]: ...
    def keep(self, piece: bytes) -> object: ...
    def stop(self, error: BaseException) -> None: ...


def observe(*observers: object) -> ExitStack:
    """Tell these observers of every stream of this process whose loop begins from now on.

    `with`, or `close()` of what is returned, ends it.  Raises `OptionError` for an object that is no observer.
    """
    global _observing  # noqa: PLW0603
    checked = as_observers(observers)
    with _lock:
        _observing = (*_observing, *checked)
    ending = ExitStack()
    ending.callback(_forget, checked)
    return ending


def _forget(observers: tuple[Any, ...]) -> None:
    """Take each of these observers out once.  An observer that is only equal, like a dataclass, stays."""
    global _observing  # noqa: PLW0603
    with _lock:
        left = list(_observing)
        for observer in observers:
            del left[next(place for place, one in enumerate(left) if one is observer)]
        _observing = tuple(left)


def methods_of(observer: object) -> dict[str, Callable[..., Any]]:
    """Return the methods of an observer by their names.  An attribute of such a name may also be plain data."""
    found = ((name, getattr(observer, name, None)) for name in METHODS)
    return {name: method for name, method in found if callable(method)}


def taps(observer: object) -> bool:
    """Return whether this is an observer that notes the bytes: a flight recorder.

    It has these two methods: `tap(call, source)` returns what takes the place of the source of the HTTP client, and
    `landed(call, state, error)` is told of the end, before the methods `end`.  Its class tells, because an object that
    has any attribute, like a mock, would take that place.
    """
    return hasattr(type(observer), "tap") and hasattr(type(observer), "landed")


def as_observers(observer: object) -> tuple[Any, ...]:
    """Return the observers that an argument `observer=` means: one or a list of them.

    Raises `OptionError` for an object without one of the methods, and for a method that is async.
    """
    # A list with a method `end` is an observer, too.
    several = isinstance(observer, Sequence) and not isinstance(observer, str) and not methods_of(observer)
    observers: tuple[Any, ...] = tuple(observer) if several else (observer,)  # type: ignore[arg-type]
    for one in observers:
        found = methods_of(one)
        if isinstance(one, type) or not (found or taps(one)):
            raise OptionError(
                f"must be an object with a method start, attempt, first or end, not {one!r:.100}", argument="observer"
            )
        for name, method in found.items():
            if iscoroutinefunction(method):
                raise OptionError(
                    f"has an async method {name}, which nobody would await; write it as a plain function",
                    argument="observer",
                )
    return observers


def all_observers(own: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the observers of all streams, and behind them those of one stream, each once."""
    if not (own or _observing):
        return ()
    return tuple({id(one): one for one in (*_observing, *own)}.values())
