"""Event loops: which task runs; warns of a `for` loop in a thread whose event loop it would block.

    async def answer():
        for chunk in stream: ...            # SyncInAsyncWarning: no other task runs meanwhile
        async for chunk in stream: ...      # right

No event loop runs in a thread of `asyncio.to_thread` or of a thread pool, so a `for` loop there is no mistake.
"""

import sys
import warnings
import weakref
from collections.abc import Callable
from typing import Any, NoReturn

from .errors import SyncInAsyncWarning

# The package's name, which is another one in a vendored copy.
PACKAGE = (__package__ or "").rpartition(".")[0]
# Whether this process has seen the warning.
_warned = False


def warn_of_blocking(provider: str) -> None:
    """Warn, once a process, if an event loop runs in this thread; the warning names the line of the caller.

    In IPython and Jupyter, an event loop runs in the thread of each cell, and a `for` loop is what users want there.
    """
    global _warned  # noqa: PLW0603
    if _warned or not loop_runs() or in_notebook():
        return
    warnings.warn(
        f"{provider}: this reads the answer in sync and blocks the event loop that runs in this thread; write "
        "`async for chunk in stream` or `await stream.atext()`, or read the stream in a thread of its own, as "
        "`await asyncio.to_thread(stream.text)` does",
        SyncInAsyncWarning,
        stacklevel=frames_of_ours(),
    )
    # After the warning: if a filter turns the warning into an error, the next loop must raise this error again.
    _warned = True


def refusals(what: str, loop: str, whole: str = "") -> tuple[Callable[[Any], NoReturn], ...]:
    """Return `__next__` and `__await__` of an object that loops alone read; they say what to write.

    `what` names the object, as "a Stream", `loop` is how a loop reads it, as "for chunk in stream", and `whole` is the
    method for all of it, as "stream.atext()".  Each raises `TypeError`.

    The class defines them where type checkers do not see them, so that these report the mistake.  At runtime,
    `isinstance` takes the object for an `Iterator` and an `Awaitable` of `collections.abc` because of them, and so does
    `inspect.isawaitable`.  Code that asks so and acts on it, like `asyncio.gather`, makes one of the mistakes and is
    told.  Loops call `iter` and `aiter`, which return generators, and Starlette asks whether a body is an
    `AsyncIterable`.
    """
    name = loop.partition(" in ")[2]
    instead = {
        "is no iterator": f"`{loop}` or `next(iter({name}))`",
        "cannot be awaited": f"`async {loop}`" + (f" or `await {whole}`" if whole else ""),
    }

    def refusal(why: str) -> Callable[[Any], NoReturn]:
        def refuse(_: Any) -> NoReturn:
            raise TypeError(f"{what} {why}: write {instead[why]}")

        return refuse

    return tuple(map(refusal, instead))


def loop_runs() -> bool:
    """Return whether an event loop of asyncio or trio runs in this thread.  Imports neither."""
    # While another thread imports a module, `sys.modules` has it without its names: httpcore imports trio, for example.
    # No loop of it runs then.
    if getattr(sys.modules.get("asyncio"), "_get_running_loop", lambda: None)() is not None:
        return True
    # Older versions of trio have no `in_trio_run`; `bool()` is False.
    return bool(getattr(getattr(sys.modules.get("trio"), "lowlevel", None), "in_trio_run", bool)())


def running_task() -> "weakref.ref[Any]":
    """Return a weak reference to the task of asyncio or trio that runs in this thread."""
    asyncio, trio = sys.modules.get("asyncio"), sys.modules.get("trio")
    on_asyncio = asyncio is not None and asyncio._get_running_loop() is not None
    return weakref.ref(asyncio.current_task() if on_asyncio else trio.lowlevel.current_task())  # type: ignore[union-attr]


def has_ended(task: Any) -> bool:
    """Return whether a task of asyncio or trio has ended."""
    return bool(task.done()) if hasattr(task, "done") else task.coro.cr_frame is None


def in_notebook() -> bool:
    """Return whether this is IPython's or Jupyter's process, not one that has merely imported IPython."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and ipython.get_ipython() is not None


def frames_of_ours() -> int:
    """Return the `stacklevel` at which a warning of the calling function names the first line outside the package."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and f"{frame.f_globals.get('__name__')}.".startswith(f"{PACKAGE}."):
        frame, level = frame.f_back, level + 1
    return level
