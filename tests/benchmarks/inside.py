"""Measurements of g4flite alone: is its parser linear, and what do `.partial` and the timers cost?"""

import asyncio
import json
import time
from contextlib import ExitStack
from importlib import import_module
from statistics import median
from typing import Any
from unittest.mock import patch

from tests.benchmarks.contenders import PROVIDERS, Figures, Skipped, prompt, settings
from tests.benchmarks.server import chat

# The benchmark replaces these functions, so that nothing asks the timers before a read.
SWITCHES = (
    ("_core.transport.httpx", "attach", lambda *_: None),
    ("_core.transport.deadlines", "attach", lambda *_: None),
)


def linear(who: str, roots: dict[str, str], kind: str) -> Figures:
    """Return the CPU of a line of 1 MiB in pieces of 100 bytes, as a multiple of the CPU of the whole line."""
    from g4flite import providers

    spec, text = providers.find(PROVIDERS[kind]), "x" * 2**20
    line = chat({"content": text}) if kind == "openai" else json.dumps({"event": "text", "data": text}).encode() + b"\n"

    def fed(size: int) -> float:
        pieces = [line[start : start + size] for start in range(0, len(line), size)]
        parser, began = spec.parser(spec.max_frame), time.process_time()
        for piece in pieces:
            for _ in parser.feed(piece):
                pass
        return time.process_time() - began

    return {"times": median(fed(100) for _ in range(20)) / median(fed(len(line)) for _ in range(20))}


def switch_off(stack: ExitStack) -> None:
    for module, name, instead in SWITCHES:
        stack.enter_context(patch.object(import_module(f"g4flite.{module}"), name, instead))


def bookkeeping(who: str, roots: dict[str, str], driver: str, count: int) -> Figures:
    """Return the CPU of a drip, as a multiple of its CPU without `.partial` and the timers; measured in turns."""
    import g4flite

    own = settings("openai", f"{roots['http']}/openai/drip")
    taken: dict[bool, list[float]] = {True: [], False: []}

    def opened(client: Any, off: bool) -> Any:
        stream = client.stream(prompt(count))
        if off:
            stream._run.keep_partial = False
        return stream

    def read(client: Any, off: bool) -> None:
        with ExitStack() as stack, opened(client, off) as stream:
            if off:
                switch_off(stack)
            cpu = time.process_time()
            for _ in stream:
                pass
            taken[off].append(time.process_time() - cpu)

    async def aread(client: Any, off: bool) -> None:
        with ExitStack() as stack:
            if off:
                switch_off(stack)
            async with opened(client, off) as stream:
                cpu = time.process_time()
                async for _ in stream:
                    pass
                taken[off].append(time.process_time() - cpu)

    def turns() -> None:
        with g4flite.Client(**own) as with_them, g4flite.Client(**own) as without:
            for _ in range(11):
                read(with_them, False)
                read(without, True)

    async def aturns() -> None:
        async with g4flite.Client(**own) as with_them, g4flite.Client(**own) as without:
            for _ in range(11):
                await aread(with_them, False)
                await aread(without, True)

    try:
        turns() if driver == "sync" else asyncio.run(aturns())
    except AttributeError as error:
        raise Skipped(f"what is switched off has moved: {error}") from None
    return {"times": median(taken[False][1:]) / median(taken[True][1:])}
