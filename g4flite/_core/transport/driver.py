"""The two drivers: the same lines, one without and one with `await`.  Only here does anything wait.

Each runs an `exchange` up to its first text, then moves bytes into the reply and texts and events out of it, and
closes what it opened, however it ends.
"""

from collections.abc import AsyncGenerator, Generator
from threading import get_ident
from typing import Any

import anyio
import httpx

from ..errors import G4fliteError
from ..exchange import READ, Opening, Send, Wait, exchange
from ..run import Run
from . import httpx as _steps


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
                    happened = _steps.read(body, run)
                elif response is not None:
                    timers.release()
                    response.close()
                if isinstance(wanted, Wait):
                    _steps.sleep(wanted.seconds, timers)
                elif isinstance(wanted, Send):
                    response = _steps.send(wanted.route.source.client(), wanted.request, run)
                    happened = _steps.head(response, timers)
                    body = _steps.content(response, happened)
            except G4fliteError as error:
                wanted = steps.throw(error)
            else:
                wanted = steps.send(happened)
        reply, items, ended = wanted
        steps.close()  # which nothing is asked of any more, and which holds the request
        feed, texts, full = reply.feed, run.texts, run.join()
        while True:
            heard = False
            for item in items:
                if isinstance(item, str):
                    texts.append(item)
                    heard = True
                elif not run.collect(item):
                    continue
                yield item
            if ended:
                break
            if heard:
                timers.heard = True
                if len(texts) >= full:
                    full = run.join()
            try:
                data = b"" if reply.done else next(body, b"")
            except _steps.losses() as error:
                data = _steps.lost(error, run)
            ended = not data
            items = reply.close() if ended else feed(data)
        if reply.done:
            _steps.drain(body, run)
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
                    happened = await _steps.aread(body, run)
                elif response is not None:
                    timers.release()
                    await _steps.aclose(response, body)
                if isinstance(wanted, Wait):
                    await _steps.asleep(wanted.seconds, timers)
                elif isinstance(wanted, Send):
                    response = await _steps.asend(wanted.route.source.async_client(), wanted.request, run)
                    happened = _steps.head(response, timers)
                    body = _steps.acontent(response, happened)
            except G4fliteError as error:
                wanted = steps.throw(error)
            else:
                wanted = steps.send(happened)
        reply, items, ended = wanted
        steps.close()  # which nothing is asked of any more, and which holds the request
        feed, texts, full = reply.feed, run.texts, run.join()
        while True:
            heard = False
            for item in items:
                if isinstance(item, str):
                    texts.append(item)
                    heard = True
                elif not run.collect(item):
                    continue
                yield item
            if ended:
                break
            if heard:
                timers.heard = True
                if len(texts) >= full:
                    full = run.join()
            try:
                data = b"" if reply.done else await anext(body, b"")
            except _steps.losses() as error:
                data = _steps.lost(error, run)
            ended = not data
            items = reply.close() if ended else feed(data)
        if reply.done:
            await _steps.adrain(body, run)
        run.end("complete")
    except G4fliteError as error:
        run.fail(error)
        run.end("failed")
        raise
    finally:
        run.end("closed")
        timers.release()
        with anyio.move_on_after(_steps.CLOSING, shield=True):
            if response is not None:
                await _steps.aclose(response, body)
            for route in run.routes:
                await route.source.arelease()
