"""The two drivers, `iterate` and `aiterate`: the same lines, without and with `await`.  Only here does a stream wait.

A driver does what the `exchange` yields, up to the `Opening`.  Then it reads the body, feeds the bytes to the `Reply`,
and yields the texts and events that come out.  However it ends, it closes the response and releases the HTTP clients.
"""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from threading import get_ident
from typing import Any, Final, NamedTuple

import anyio

from ..errors import G4fliteError, StreamClosedError
from ..exchange import READ, Opening, Response, Route, Run, Send, Wait, exchange
from ..loops import running_task
from ..provider import Request
from ..response.reply import PAUSE
from ..timers import Timers
from .network_errors import error_of_body, read_failures

# Seconds that closing may take in async, where it is shielded from cancellation.
CLOSING: Final = 2.0
# Seconds that the rest of a body behind the end marker may take.  A connection can be used again only if the body was
# read to its end.
LINGER: Final = 0.05
# Seconds after which a wait in sync checks whether another thread has closed the stream.
NAP: Final = 0.05


def iterate(run: Run) -> Generator[Any, None, None]:
    """Yield the texts of one stream, and its events if `run.everything` is true, over an `httpx.Client`."""
    steps, timers, run.reader = exchange(run), run.timers, get_ident()
    response: Response | None = None
    body: Any = None
    try:
        wanted = next(steps)
        while not isinstance(wanted, Opening):
            try:
                happened: Any = None
                if wanted is READ:
                    happened = read(body, run)
                elif wanted is PAUSE:
                    timers.check()
                # Before a wait or another request: the response is not needed any more.
                elif response is not None:
                    timers.release()
                    response.close()
                if isinstance(wanted, Wait):
                    sleep(wanted.seconds, timers)
                elif isinstance(wanted, Send):
                    response = wanted.source.send(wanted.request, timers)
                    happened, body = response.head, response.pieces()
            except G4fliteError as error:
                wanted = steps.throw(error)
            else:
                wanted = steps.send(happened)
        reply, items, ended = wanted
        # The exchange has nothing more to decide.  Closing it frees its frames and the `Request`.  httpx keeps the
        # bytes of the request until the response is closed.
        steps.close()
        feed, keep = reply.feed, run.text.write if run.keep_partial else drop
        while True:
            # Whether a text came; `collect` notes other content itself.
            heard = False
            for item in items:
                if isinstance(item, str):
                    keep(item)
                    heard = True
                elif item is PAUSE:
                    timers.check()
                    continue
                elif not run.collect(item):
                    continue
                yield item
                # Another thread or task has closed the stream.
                if timers.closed:
                    timers.left()
            # After the loop, so that a long list of items costs this once.  The next read starts the timer `idle`.
            if heard:
                timers.heard = run.said = True
            if ended:
                break
            try:
                data = None if reply.done else next(body, None)
            except read_failures(timers) as error:
                data, reply.failed = None, failure(error, run)
            if data:
                items = feed(data)
            # An empty piece is not the end: transports that filter a body give out empty pieces.
            else:
                ended = data is None
                items = reply.close() if ended else ()
        if reply.done:
            drain(body, run)
        run.check_answer()
        run.end("complete")
    except G4fliteError as error:
        run.fail(error)
        run.end("closed" if timers.closed else "failed")
        raise
    except GeneratorExit:
        raise
    except BaseException:
        retire(run)
        raise
    finally:
        # Without effect if the stream was complete or failed; else the caller left the loop.  An observer, which is
        # told of it, may be interrupted.
        try:
            run.end("closed")
        finally:
            close(response, run)


async def aiterate(run: Run) -> AsyncGenerator[Any, None]:
    """Yield the texts of one stream, and its events if `run.everything` is true, over an `httpx.AsyncClient`."""
    steps, timers, run.reader = exchange(run), run.timers, running_task()
    response: Response | None = None
    body: Any = None
    try:
        wanted = next(steps)
        while not isinstance(wanted, Opening):
            try:
                happened: Any = None
                if wanted is READ:
                    happened = await aread(body, run)
                elif wanted is PAUSE:
                    await apause(timers)
                # Before a wait or another request: the response is not needed any more.
                elif response is not None:
                    await aclose_response(response, timers)
                if isinstance(wanted, Wait):
                    await asleep(wanted.seconds, timers)
                elif isinstance(wanted, Send):
                    response = await wanted.source.asend(wanted.request, timers)
                    happened, body = response.head, response.apieces()
            except G4fliteError as error:
                wanted = steps.throw(error)
            else:
                wanted = steps.send(happened)
        reply, items, ended = wanted
        # The exchange has nothing more to decide.  Closing it frees its frames and the `Request`.  httpx keeps the
        # bytes of the request until the response is closed.
        steps.close()
        feed, keep = reply.feed, run.text.write if run.keep_partial else drop
        while True:
            # Whether a text came; `collect` notes other content itself.
            heard = False
            for item in items:
                if isinstance(item, str):
                    keep(item)
                    heard = True
                elif item is PAUSE:
                    await apause(timers)
                    continue
                elif not run.collect(item):
                    continue
                yield item
                # Another thread or task has closed the stream.
                if timers.closed:
                    timers.left()
            # After the loop, so that a long list of items costs this once.  The next read starts the timer `idle`.
            if heard:
                timers.heard = run.said = True
            if ended:
                break
            try:
                data = None if reply.done else await anext(body, None)
            except read_failures(timers) as error:
                data, reply.failed = None, failure(error, run)
            if data:
                items = feed(data)
            # An empty piece is not the end: transports that filter a body give out empty pieces.
            else:
                ended = data is None
                items = reply.close() if ended else ()
        if reply.done:
            await adrain(body, run)
        run.check_answer()
        run.end("complete")
    except G4fliteError as error:
        run.fail(error)
        run.end("closed" if timers.closed else "failed")
        raise
    except BaseException as error:
        if not is_cancellation(error):
            retire(run)
        raise
    finally:
        # Without effect if the stream was complete or failed; else the caller left the loop.  An observer, which is
        # told of it, may be interrupted.
        try:
            run.end("closed")
        finally:
            timers.release()
            # If the task is cancelled, each `await` here would raise at once and leave a socket open.
            with anyio.move_on_after(CLOSING, shield=True):
                if response is not None:
                    await aclose_response(response, timers)
                for route in run.routes:
                    await route.source.arelease()


async def aclose_response(response: Response, timers: Timers) -> None:
    """Close a response, and let go of its network stream, whose connection may serve another stream from now on."""
    timers.release()
    await response.aclose()
    # The last read of a closed response has held the network stream once more.
    timers.release()


def close(response: Response | None, run: Run) -> None:
    """Close the response, and release the HTTP clients."""
    run.timers.release()
    try:
        if response is not None:
            response.close()
    except BaseException:
        retire(run)
        raise
    finally:
        for route in run.routes:
            route.source.release()


def retire(run: Run) -> None:
    """Retire the HTTP clients: an exception like KeyboardInterrupt may have come in any state of theirs."""
    for route in run.routes:
        route.source.retire()


def is_cancellation(error: BaseException) -> bool:
    """Return whether the task was cancelled, or the generator closed.

    A task group, such as anyio opens to connect, puts the cancellations of its tasks into an exception group.
    """
    grouped = getattr(error, "exceptions", ())
    return (
        all(map(is_cancellation, grouped))
        if grouped
        else isinstance(error, (GeneratorExit, anyio.get_cancelled_exc_class()))
    )


def drop(text: str) -> None:
    """Take the place of `run.text.write` with `keep_partial=False`."""


def read(body: Iterator[bytes], run: Run) -> bytes:
    """Return the next bytes of the body that are not empty, b"" at its end.

    Raises the `G4fliteError` that a failure means.
    """
    try:
        return next(filter(None, body), b"")
    except read_failures(run.timers) as error:
        raise error_of_body(error, run.timers)  # noqa: B904 - which sets the cause


async def aread(body: AsyncIterator[bytes], run: Run) -> bytes:
    """Return the next bytes of the body that are not empty, b"" at its end.

    Raises the `G4fliteError` that a failure means.
    """
    try:
        async for data in body:
            if data:
                return data
        return b""
    except read_failures(run.timers) as error:
        raise error_of_body(error, run.timers)  # noqa: B904 - which sets the cause


def failure(error: Exception, run: Run) -> G4fliteError | None:
    """Return what a failed read means to the reply, which raises this error unless the answer is whole.

    Returns None if the parser, which is then not one of ours, gave out `Finish` before the end of the body.  Raises
    `StreamClosedError` if the stream was closed.
    """
    failed = error_of_body(error, run.timers)
    if isinstance(failed, StreamClosedError):
        raise failed
    return failed if run.finish is None else None


def drain(body: Iterator[bytes], run: Run) -> None:
    """Read the rest of the body behind the end marker, if the timers can bound it."""
    run.timers.linger(LINGER)
    with suppress(G4fliteError):
        while run.timers.waiting is not None and read(body, run):
            pass


async def adrain(body: AsyncIterator[bytes], run: Run) -> None:
    """Do the same as `drain`, in async."""
    run.timers.linger(LINGER)
    with suppress(G4fliteError):
        while run.timers.waiting is not None and await aread(body, run):
            pass


async def apause(timers: Timers) -> None:
    """Let the other tasks of the event loop run.  Raises if the stream was closed meanwhile, or `total` is over."""
    from anyio.lowlevel import checkpoint  # noqa: PLC0415 - slow to import, and of no use in sync

    await checkpoint()
    timers.check()


def sleep(seconds: float, timers: Timers) -> None:
    """Wait.  Raises if another thread closes the stream during the wait, or `total` is over."""
    end = time.monotonic() + seconds
    # In short naps: nothing wakes a thread that sleeps.
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, NAP))
        timers.check()


async def asleep(seconds: float, timers: Timers) -> None:
    """Wait.  Raises if another task closes the stream meanwhile, or `total` is over."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        await anyio.sleep(min(left, NAP))
        timers.check()


class Fetched(NamedTuple):
    """A response, the pieces of its body, the timers of its reads, and the texts of its request that are secret."""

    response: Response
    pieces: Iterator[bytes]
    timers: Timers
    secrets: tuple[str, ...]


@contextmanager
def fetch(route: Route, request: Request) -> Iterator[Fetched]:
    """Send one request for a question that is no stream.  At the end of the `with`, the response is closed.

        with fetch(route, request) as fetched:
            status = fetched.response.head.status
            body = b"".join(fetched.pieces)

    The route's timers bound each read; the caller decides how much to read.  Each piece is an HTTP chunk or a part of
    one.  Raises the `G4fliteError` that a failure on the way means.  A `G4fliteError` that the caller raises inside the
    `with` gets the provider's name and the request's id as well, and loses its secrets.
    """
    # With keep_partial=False, no error says that the body is in `.partial`.
    run = Run((route,), Timers(route.timeout), keep_partial=False)
    run.begin(route)
    run.url, run.headers = request.url, request.headers
    response: Response | None = None
    try:
        response = route.source.send(request, run.timers)
        run.head = response.head
        yield Fetched(response, iter(partial(read, response.body, run), b""), run.timers, run.secrets)
    except G4fliteError as error:
        run.fail(error)
        raise
    finally:
        close(response, run)
