"""`Batch`: the drivers of a job, over threads for `for` and over tasks for `async for`, side by side.

    feeder:   next row -> wait until it may be asked -> a thread or a task for it, which asks it, and again if it fails
    consumer: takes the results from a queue, in order if that is asked for, and gives them to the caller's loop

A row has a place in the window from the moment when it is taken until the caller's loop has got its result.  So the
feeder is never further ahead than the window is wide, and memory does not grow with the number of rows.

The tasks of `async for` do not run below the caller's task, as a cancel scope or a task group around a `yield` would
cancel the caller's code.  They run in a task group of a background task, which the end of the loop cancels.
"""

import contextvars
import math
import queue
import threading
import weakref
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from heapq import heappop, heappush
from operator import itemgetter
from pathlib import Path
from types import AsyncGeneratorType
from typing import Any

import anyio
import anyio.abc

from ... import Client, Stream, StreamConsumed, UsageError
from .job import Job, Trial
from .results import Result
from .rows import Row, row_of
from .shared import Shared

# The window, in places for each call that may be under way: rows that wait for their next attempt need some, and
# results behind a slow row if they are ordered.
WINDOW = 4
# The seconds for which a source of rows may say nothing once no more rows are asked.  It is then left, as it may have
# no end, and `Batch.stopped` takes it for one that has more rows.
PATIENCE = 1.0
# The calls of one client at a time.  To make a client takes 0.2 ms, once.
CALLS = 2


class Over(Exception):  # noqa: N818 - no error
    """No more rows are asked."""


class Order:
    """Puts results into the order of their rows, if `ordered`."""

    def __init__(self, ordered: bool) -> None:
        self._ordered, self._next = ordered, 0
        self._early: dict[int, Result | None] = {}

    def rest(self, queued: Iterable[tuple[int, Result | None]]) -> list[Result]:
        """Return the results that wait for an earlier one, and those of a queue, in the order of the rows."""
        waiting = sorted([*self._early.items(), *queued], key=itemgetter(0))
        return [result for _, result in waiting if result is not None]

    def put(self, number: int, result: Result | None) -> Iterator[Result | None]:
        """Yield the results that come next, now that the row of this number has this one; None for a row without."""
        if not self._ordered:
            yield result
            return
        self._early[number] = result
        while self._next in self._early:
            yield self._early.pop(self._next)
            self._next += 1


class Clients:
    """The clients of a batch, each for a few calls at a time; `make` makes one.

    A `Client` has several clients of httpx of its own, as httpcore walks through all connections to begin and to end a
    call.  But threads that choose among these wait for each other: 5,000 rows over 256 threads take 7.9 s over one
    `Client`, and 5.3 s over many.  Tasks take the same time over both.
    """

    def __init__(self, make: Callable[[], Client]) -> None:
        self._make = make
        # The first is made now, as that checks the settings.
        self.made = [make()]
        # The places that are free, of those that have been used.
        self._free = [*range(CALLS)]

    def take(self) -> tuple[int, Client]:
        """Return the lowest place that is free, and its client: so connections that are open are used first."""
        if not self._free:
            self._free = [*range(len(self.made) * CALLS, (len(self.made) + 1) * CALLS)]
            self.made.append(self._make())
        place = heappop(self._free)
        return place, self.made[place // CALLS]

    def give_back(self, place: int) -> None:
        """Note that a place is free again."""
        heappush(self._free, place)


class Batch:
    """The results of many rows, for one `for` or `async for` loop, which gets a dict for each row.

    If the loop is left, the calls under way end.  Inside `with` or `async with`, that is at the end of the block.
    """

    def __init__(
        self,
        rows: "Iterable[object] | AsyncIterable[object]",
        client: Callable[[], Client],
        job: Job,
        *,
        template: str | None,
        ordered: bool,
        typed: bool,
        shared: Path | None,
    ) -> None:
        self._rows, self._job, self._clients = rows, job, Clients(client)
        self._template, self._order, self._typed = template, Order(ordered), typed
        self._path = shared
        self._shared: Shared | None = None
        self._taken = self._given = 0
        # Whether all rows have been taken, and whether one was taken that was not asked to its end.
        self._all = self._dropped = False
        self._fed = self._begun = self._stopping = self._entered = False
        self._unread: list[Result] = []
        self._running: Callable[[], Any] = lambda: None
        self._kept: Any = None

    @property
    def answered(self) -> int:
        """How many rows are answered."""
        return self._job.answered

    @property
    def failed(self) -> int:
        """How many rows have failed."""
        return self._job.failed

    @property
    def under_way(self) -> int:
        """How many calls are under way."""
        # The end of the loop has ended them.
        return 0 if self._stopping else self._job.limiter.under_way

    @property
    def allowed(self) -> int:
        """How many calls may be under way at this time."""
        return int(self._job.limiter.allowed)

    @property
    def waits(self) -> float:
        """The seconds of a pause after a refusal in which nothing is asked; 0.0 if there is none."""
        return max(0.0, self._job.limiter.due[0] - self._job.clock())

    @property
    def unread(self) -> list[Result]:
        """The results that have come and that the loop, which was left, has not got: their answers are paid."""
        return self._unread

    @property
    def ledger(self) -> Any:
        """The `Ledger` of this batch: its tokens and its cost, those of failed attempts included."""
        return self._job.ledger

    @property
    def stopped(self) -> str | None:
        """The limit that has ended the batch early: max_cost, max_tokens_total or deadline; None if none has."""
        return None if self._all and not self._dropped else self._job.stopped

    # What both drivers share.

    def _begin(self) -> None:
        if self._begun:
            raise StreamConsumed("a batch is read once; call run() again")
        self._begun = True
        self._shared = None if self._path is None else Shared(self._path)

    def _held(self) -> AbstractContextManager[None]:
        return nullcontext() if self._shared is None else self._shared.hold(self._job.limiter)

    def _is_typed(self, trial: Trial, stream: Stream) -> bool:
        """Return whether the value of the answer is asked for."""
        wanted = trial.row.options.get("response_format", self._typed)
        return bool(wanted) and not stream.tool_calls

    def _ended(self) -> bool:
        """Return whether the loop has got all that there is."""
        # More, if a row was given up for which the pool had a thread after all.
        return self._fed and self._given >= self._taken

    def _patience(self) -> float | None:
        """Return the seconds to wait for a result; None: until one comes."""
        return PATIENCE if self._waits_for_rows() else self._job.left()

    def _waits_for_rows(self) -> bool:
        """Return whether nothing is missing but the word of the source that it has no more rows."""
        return self._given == self._taken and self._job.over

    def _raise(self) -> None:
        """Raise what has ended the job, if it is an error."""
        if self._job.error is not None:
            raise self._job.error

    # In sync.

    def __iter__(self) -> Generator[Result, None, None]:
        if isinstance(self._rows, AsyncIterable) and not isinstance(self._rows, Iterable):
            raise UsageError("the rows are an async iterable; read the batch with `async for`")
        self._begin()
        running = self._iterate(self._rows)
        self._running = weakref.ref(running)
        self._kept = running if self._entered else None
        return running

    def _iterate(self, rows: "Iterable[object]") -> Generator[Result, None, None]:
        size = WINDOW * self._job.limiter.most
        self._lock, self._turn, self._window = threading.Lock(), threading.Lock(), threading.Semaphore(size)
        # Set when a call has ended; and when the loop is left, or no more rows are asked.
        self._change, self._left = threading.Event(), threading.Event()
        self._results: queue.SimpleQueue[tuple[int, Result | None]] = queue.SimpleQueue()
        # Also rows that wait for their next attempt have a thread.  The pool makes no more threads than are used.
        self._pool = ThreadPoolExecutor(size, "g4flite-batch")
        # A thread begins without the caller's context variables, in which a tracer keeps the span around the loop.
        here = contextvars.copy_context()
        feeder = threading.Thread(target=here.run, args=(self._feed, rows), name="g4flite-batch-rows", daemon=True)
        try:
            feeder.start()
            while not self._ended():
                try:
                    number, one = self._results.get(timeout=self._patience())
                except queue.Empty:
                    if self._waits_for_rows():
                        break
                    continue
                for result in () if number < 0 else self._order.put(number, one):
                    self._given += 1
                    self._window.release()
                    if result is not None:
                        yield result
                    else:
                        self._dropped = True
            self._raise()
        finally:
            # In a thread of its own: a second Ctrl-C, which reaches the main thread alone, would leave calls under way,
            # and the process would not end before their answers.
            closing = threading.Thread(target=self._close, name="g4flite-batch-close")
            try:
                closing.start()
            # The interpreter ends, and begins no more threads.
            except RuntimeError:
                self._close()
            else:
                closing.join()
            self._unread = self._order.rest(self._results.get_nowait() for _ in range(self._results.qsize()))

    def _close(self) -> None:
        """End the calls under way, and wait for their threads."""
        with self._lock:
            self._stopping = True
        self._left.set()
        self._change.set()
        self._window.release()
        for client in self._clients.made:
            client.close()
        self._pool.shutdown()
        if self._shared is not None:
            self._shared.close()

    def _feed(self, rows: "Iterable[object]") -> None:
        """Take the rows, and let a thread ask each as soon as it may be asked."""
        try:
            iterator = iter(rows)
            while self._window.acquire() and not self._stopping:
                given = next(iterator, self)
                self._all = given is self
                if self._all or self._job.over:
                    break
                number, trial = self._take(given)
                if trial.row.error is not None:
                    with self._lock:
                        self._job.give_up(trial, trial.row.error)
                    self._results.put((number, trial.result))
                    continue
                try:
                    self._admit(trial)
                    # A context serves one thread at a time.
                    self._pool.submit(contextvars.copy_context().run, self._try, number, trial)
                except Over:
                    self._results.put((number, None))
                # As if the system has no more threads: the loop must not wait for this row.
                except BaseException:
                    self._results.put((number, None))
                    raise
        # What the caller's iterator raises goes to the caller's loop, also KeyboardInterrupt.
        except BaseException as error:
            self._job.error = error
        if self._job.over:
            self._left.set()
        self._fed = True
        self._results.put((-1, None))

    def _take(self, given: object) -> tuple[int, Trial]:
        """Return the number of a row that was taken, and its attempts, none yet."""
        trial = self._job.trial(given if isinstance(given, Row) else row_of(given, self._template))
        # Now alone, as the loop waits for the result of each row that is taken.
        self._taken += 1
        return self._taken - 1, trial

    def _admit(self, trial: Trial) -> None:
        """Wait until the next attempt of a row may begin; only one thread waits for that.  Raises `Over`."""
        with self._turn:
            while True:
                with self._lock, self._held():
                    if self._stopping or self._job.over:
                        raise Over
                    wait = self._job.begin(trial)
                    self._change.clear()
                if not wait:
                    return
                self._change.wait(wait)

    def _try(self, number: int, trial: Trial) -> None:
        """Ask a row until it is answered or has failed."""
        try:
            while (wait := self._attempt(trial)) is not None and not self._left.wait(wait):
                self._admit(trial)
        except Over:
            pass
        # Neither a failure of the row nor an end of the process: something in the caller's own code.
        except BaseException as error:
            self._job.error = error
        finally:
            self._change.set()
            if self._job.over:
                self._left.set()
            self._results.put((number, trial.result))

    def _attempt(self, trial: Trial) -> float | None:
        """Ask a row once.  Return the seconds before the next attempt, None if there is none."""
        with self._lock:
            # The clients are closed, and nobody would close another one.
            if self._stopping:
                return None
            place, client = self._clients.take()
        stream: Stream | None = None
        failure: Exception | None = None
        parsed: tuple[Any, ...] = ()
        try:
            stream = client.stream(trial.row.messages, **trial.row.options)
            with stream:
                for _ in stream:
                    trial.first = trial.first or self._job.clock()
            parsed = (stream.parsed(),) if self._is_typed(trial, stream) else ()
        except Exception as error:
            failure = error
        with self._lock, self._held():
            self._clients.give_back(place)
            wait = None if self._stopping else self._job.end(trial, stream, failure, parsed)
        self._change.set()
        return wait

    def __enter__(self) -> "Batch":
        self._entered = True
        return self

    def __exit__(self, *_: object) -> None:
        if isinstance(running := self._running(), AsyncGeneratorType):
            raise TypeError("this batch is read with `async for`; write `async with`")
        if running is not None:
            running.close()
        self._kept = None

    # In async.

    def __aiter__(self) -> AsyncGenerator[Result, None]:
        self._begin()
        running = self._aiterate()
        self._running = weakref.ref(running)
        self._kept = running if self._entered else None
        return running

    async def _aiterate(self) -> AsyncGenerator[Result, None]:
        self._aturn, self._awindow = anyio.Lock(), anyio.Semaphore(WINDOW * self._job.limiter.most)
        self._achange, self._aleft, self._closed = anyio.Event(), anyio.Event(), anyio.Event()
        self._scope = anyio.CancelScope()
        self._asend, receive = anyio.create_memory_object_stream[tuple[int, Result | None]](math.inf)
        background = spawn(self._main)
        try:
            while not self._ended():
                got: tuple[int, Result | None] | None = None
                # A scope costs more than all else here, and most results wait by now.
                try:
                    got = receive.receive_nowait()
                except anyio.WouldBlock:
                    with anyio.move_on_after(self._patience()):
                        got = await receive.receive()
                if got is None:
                    if self._waits_for_rows():
                        break
                    continue
                number, one = got
                for result in () if number < 0 else self._order.put(number, one):
                    self._given += 1
                    self._awindow.release()
                    if result is not None:
                        yield result
                    else:
                        self._dropped = True
            self._raise()
        finally:
            self._stopping = True
            self._scope.cancel()
            with anyio.CancelScope(shield=True):
                await self._closed.wait()
            count = receive.statistics().current_buffer_used
            self._unread = self._order.rest(receive.receive_nowait() for _ in range(count))
            self._asend.close()
            receive.close()
            if self._shared is not None:
                self._shared.close()
            del background

    async def _main(self) -> None:
        """Feed the job in a task group of its own, and close the client."""
        try:
            with self._scope:
                async with anyio.create_task_group() as tasks:
                    await self._afeed(tasks)
        finally:
            with anyio.CancelScope(shield=True):
                for client in self._clients.made:
                    await client.aclose()
            self._fed = True
            self._asend.send_nowait((-1, None))
            self._closed.set()

    async def _afeed(self, tasks: anyio.abc.TaskGroup) -> None:
        """Do the same as `_feed`, with a task for each row."""
        try:
            rows: Any = self._rows
            comes = isinstance(rows, AsyncIterable)
            source: Any = aiter(rows) if comes else iter(rows)
            while True:
                await acquire(self._awindow)
                given = await anext(source, self) if comes else next(source, self)
                self._all = given is self
                if self._all or self._job.over:
                    break
                number, trial = self._take(given)
                if trial.row.error is not None:
                    self._job.give_up(trial, trial.row.error)
                    self._asend.send_nowait((number, trial.result))
                    continue
                try:
                    await self._aadmit(trial)
                    tasks.start_soon(self._atry, number, trial)
                except Over:
                    self._asend.send_nowait((number, None))
                except BaseException:
                    self._asend.send_nowait((number, None))
                    raise
        except BaseException as error:
            self._end_by(error)
        if self._job.over:
            self._aleft.set()

    def _end_by(self, error: BaseException) -> None:
        """End the job by an error in the caller's own code, or of the batch itself.  Raises it if it is a cancellation.

        Without an error, the loop would end as if all rows were answered: also if the caller's iterator passes on the
        cancellation of something else, or raises SystemExit, which would end the event loop of trio as a bug of trio.
        """
        if not self._stopping:
            self._job.error = self._job.error or error
        if isinstance(error, anyio.get_cancelled_exc_class() | GeneratorExit):
            raise error

    async def _aadmit(self, trial: Trial) -> None:
        """Do the same as `_admit`, in async."""
        await acquire(self._aturn)
        try:
            while True:
                with self._held():
                    if self._job.over:
                        raise Over
                    wait = self._job.begin(trial)
                if not wait:
                    return
                self._achange = anyio.Event()
                with anyio.move_on_after(wait):
                    await self._achange.wait()
        finally:
            self._aturn.release()

    async def _atry(self, number: int, trial: Trial) -> None:
        """Do the same as `_try`, in async."""
        try:
            while (wait := await self._aattempt(trial)) is not None:
                with anyio.move_on_after(wait):
                    await self._aleft.wait()
                await self._aadmit(trial)
        except Over:
            pass
        except BaseException as error:
            self._end_by(error)
        finally:
            self._achange.set()
            if self._job.over:
                self._aleft.set()
            self._asend.send_nowait((number, trial.result))

    async def _aattempt(self, trial: Trial) -> float | None:
        """Do the same as `_attempt`, in async."""
        place, client = self._clients.take()
        stream: Stream | None = None
        failure: Exception | None = None
        parsed: tuple[Any, ...] = ()
        try:
            stream = client.stream(trial.row.messages, **trial.row.options)
            async with stream:
                async for _ in stream:
                    trial.first = trial.first or self._job.clock()
            parsed = (stream.parsed(),) if self._is_typed(trial, stream) else ()
        except Exception as error:
            failure = error
        with self._held():
            self._clients.give_back(place)
            wait = self._job.end(trial, stream, failure, parsed)
        self._achange.set()
        return wait

    async def __aenter__(self) -> "Batch":
        self._entered = True
        return self

    async def __aexit__(self, *_: object) -> None:
        if isinstance(running := self._running(), AsyncGeneratorType):
            await running.aclose()
        self._kept = None

    def __repr__(self) -> str:
        return f"<Batch: {self.answered} answered, {self.failed} failed, {self.under_way} under way>"


async def acquire(place: anyio.Lock | anyio.Semaphore) -> None:
    """Acquire a lock or a semaphore; if it is free, at once, and without a turn of the event loop."""
    try:
        place.acquire_nowait()
    except anyio.WouldBlock:
        await place.acquire()


def spawn(work: Callable[[], Any]) -> object:
    """Begin a background task of the event loop that runs, in this context; returns what keeps the task alive."""
    import asyncio  # noqa: PLC0415 - of no use in sync

    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        import trio  # noqa: PLC0415 - it runs

        return trio.lowlevel.spawn_system_task(work, context=contextvars.copy_context())
    return loop.create_task(work())
