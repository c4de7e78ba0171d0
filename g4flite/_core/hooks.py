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

A stream that no loop reads is told of to nobody.  If an observer raises an exception, the stream goes on, and the log
tells of it once.  The methods of one stream run in one copy of the context in which its loop began: they see the
program's context variables, and change none of the program's.

`observed.py` has what they are told, and is imported once there is an observer.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from inspect import iscoroutinefunction
from typing import Any, Final

from .errors import OptionError

METHODS: Final = ("start", "attempt", "first", "end")

# The observers of all streams of this process.  The tuple is replaced, not changed: threads read it.
_observing: tuple[Any, ...] = ()


def observe(*observers: object) -> ExitStack:
    """Tell these observers of every stream of this process whose loop begins from now on.

    `with`, or `close()` of what is returned, ends it.  Raises `OptionError` for an object that is no observer.
    """
    global _observing  # noqa: PLW0603
    checked = as_observers(observers)
    _observing = (*_observing, *checked)
    ending = ExitStack()
    ending.callback(_forget, checked)
    return ending


def _forget(observers: tuple[Any, ...]) -> None:
    """Take each of these observers out once."""
    global _observing  # noqa: PLW0603
    left = list(_observing)
    for observer in observers:
        left.remove(observer)
    _observing = tuple(left)


def as_observers(observer: object) -> tuple[Any, ...]:
    """Return the observers that an argument `observer=` means: one or a list of them.

    Raises `OptionError` for an object without one of the methods, and for a method that is async.
    """
    several = isinstance(observer, Sequence) and not isinstance(observer, str)
    observers: tuple[Any, ...] = tuple(observer) if several else (observer,)  # type: ignore[arg-type]
    for one in observers:
        found = {name: getattr(one, name) for name in METHODS if callable(getattr(one, name, None))}
        if isinstance(one, type) or not (found or hasattr(one, "tap")):
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
