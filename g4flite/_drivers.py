"""The two drivers: the same lines, one without and one with `await`.  Only here does anything wait.

Each runs an `exchange` up to its first text, then moves bytes into the reply and texts and events out of it, and
closes what it opened, however it ends.
"""

from collections.abc import AsyncGenerator, Generator
from threading import get_ident
from typing import Any

import anyio
import httpx

from ._engine import READ, Opening, Send, Wait, exchange
from ._errors import G4fliteError
from ._run import Run
from ._steps import CLOSING, aclose, adrain, aread, asend, asleep, drain, head, is_undone, read, send, sleep


def iterate(run: Run) -> Generator[Any, None, None]:
    """The texts of one stream, and its events where they are asked for, over an `httpx.Client`."""
    steps, timers, run.thread = exchange(run), run.timers, get_ident()
    response: httpx.Response | None = None
    body: Any = None  # the bytes of the response
    try:
        wanted = next(steps)
        while not isinstance(wanted, Opening):
            try:
                happened: Any = None
                if wanted is READ:
                    happened = read(body, run)
                elif response is not None:
                    timers.release()
                    response.close()
                if isinstance(wanted, Wait):
                    sleep(wanted.seconds, timers)
                elif isinstance(wanted, Send):
                    response = send(wanted.route.source.client(), wanted.request, run)
                    body = response.iter_bytes() if is_undone(response) else response.iter_raw()
                    happened = head(response, timers)
            except G4fliteError as error:
                wanted = steps.throw(error)
            else:
                wanted = steps.send(happened)
        reply, items, ended = wanted
        while True:
            for item in items:
                if isinstance(item, str):
                    timers.text()
                    run.texts.append(item)
                elif not run.collect(item):
                    continue
                yield item
            if ended:
                break
            ended = reply.done or not (data := read(body, run))
            items = reply.close() if ended else reply.feed(data)
        if reply.done:
            drain(body, run)
        run.end("complete")
    except G4fliteError as error:
        run.fail(error)
        run.end("failed")
        raise
    finally:
        run.end("closed")
        timers.release()
        if response is not None:
            response.close()
        for route in run.routes:
            route.source.release()


async def aiterate(run: Run) -> AsyncGenerator[Any, None]:
    """The texts of one stream, and its events where they are asked for, over an `httpx.AsyncClient`."""
    steps, timers = exchange(run), run.timers
    response: httpx.Response | None = None
    body: Any = None  # the bytes of the response
    try:
        wanted = next(steps)
        while not isinstance(wanted, Opening):
            try:
                happened: Any = None
                if wanted is READ:
                    happened = await aread(body, run)
                elif response is not None:
                    timers.release()
                    await aclose(response, body)
                if isinstance(wanted, Wait):
                    await asleep(wanted.seconds, timers)
                elif isinstance(wanted, Send):
                    response = await asend(wanted.route.source.async_client(), wanted.request, run)
                    body = response.aiter_bytes() if is_undone(response) else response.aiter_raw()
                    happened = head(response, timers)
            except G4fliteError as error:
                wanted = steps.throw(error)
            else:
                wanted = steps.send(happened)
        reply, items, ended = wanted
        while True:
            for item in items:
                if isinstance(item, str):
                    timers.text()
                    run.texts.append(item)
                elif not run.collect(item):
                    continue
                yield item
            if ended:
                break
            ended = reply.done or not (data := await aread(body, run))
            items = reply.close() if ended else reply.feed(data)
        if reply.done:
            await adrain(body, run)
        run.end("complete")
    except G4fliteError as error:
        run.fail(error)
        run.end("failed")
        raise
    finally:
        run.end("closed")
        timers.release()
        with anyio.move_on_after(CLOSING, shield=True):
            if response is not None:
                await aclose(response, body)
            for route in run.routes:
                await route.source.arelease()
