"""Does the jobs of a turn: calls the functions that a model asks for, in sync and in async.

In sync, the calls of a turn run one after the other.  In async, they run side by side: async functions are awaited, all
others are called in threads.  Each job notes what comes of it, so that the results keep the order of the calls.
"""

from collections.abc import Callable, Sequence
from functools import partial
from inspect import isawaitable, iscoroutine, iscoroutinefunction
from typing import Any

import anyio
import anyio.to_thread

from ..tools import Job


def run(jobs: Sequence[Job], approve: Callable[..., Any] | None, fatal: Any) -> None:
    """Do the work of the jobs, one after the other, if the caller approves."""
    for job in jobs:
        if approve is not None and job.work is not None:
            job.judge(settled(approve(job.call)))
    for job in jobs:
        if job.work is not None:
            do(job, job.work, fatal)


async def arun(jobs: Sequence[Job], approve: Callable[..., Any] | None, fatal: Any) -> None:
    """Do the work of the jobs, side by side, if the caller approves."""
    for job in jobs:
        if approve is not None and job.work is not None:
            job.judge(await acall(partial(approve, job.call)))
    failed: list[BaseException] = []
    async with anyio.create_task_group() as group:
        for job in jobs:
            if job.work is not None:
                group.start_soon(ado_beside_others, job, job.work, fatal, failed, group.cancel_scope)
    if failed:
        raise failed.pop(0)


async def ado_beside_others(
    job: Job, work: Callable[[], Any], fatal: Any, failed: list[BaseException], scope: Any
) -> None:
    """Do one of several jobs.  An error ends the others, and is kept in `failed`: the task group would wrap it."""
    try:
        await ado(job, work, fatal)
    except anyio.get_cancelled_exc_class() as error:
        if anyio.current_effective_deadline() == float("-inf"):
            raise
        # Nobody cancels this task: on asyncio, the function has awaited another task that was cancelled.
        job.fail(type(error).__name__)
    except BaseException as error:
        failed.append(error)
        scope.cancel()


def do(job: Job, work: Callable[[], Any], fatal: Any) -> None:
    """Do the work of a job, and note what it returns or raises."""
    try:
        value = work()
    except Exception as error:
        job.raised(error, fatal)
    else:
        job.returned(settled(value), fatal)


async def ado(job: Job, work: Callable[[], Any], fatal: Any) -> None:
    """Do the work of a job, and note what it returns or raises."""
    try:
        value = await acall(work)
    except Exception as error:
        job.raised(error, fatal)
    else:
        job.returned(value, fatal)


def settled(value: Any) -> Any:
    """Return what a function returned.  Raises `TypeError` if it is to be awaited."""
    if isawaitable(value):
        if iscoroutine(value):
            value.close()
        raise TypeError("a tool or approve= is async, which a `for` loop cannot await; write `async for`")
    return value


async def acall(work: Callable[[], Any]) -> Any:
    """Return what a function returns: an async one is awaited, another is called in a thread."""
    if iscoroutinefunction(work):
        return await work()
    # trio refuses a thread's function that returns a coroutine; it takes a tuple.
    (value,) = await anyio.to_thread.run_sync(lambda: (work(),))
    return await value if isawaitable(value) else value
