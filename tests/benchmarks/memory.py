"""The memory of an open stream and of a long reply, by the /proc of Linux."""

import asyncio
import gc
import tracemalloc
from pathlib import Path

from tests.benchmarks.contenders import ASYNC, SYNC, Figures, Skipped, prompt
from tests.benchmarks.limits import open_files
from tests.benchmarks.server import WIRES

MIB = 2**20
# Chunks that are read of each open stream.
READ = 4


def resident(name: str = "VmRSS") -> float:
    """Return the MiB of this process: now, or with "VmHWM" the most since the start."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        raise Skipped("memory is read from /proc, as Linux has it") from None
    return int(status.partition(f"{name}:")[2].split()[0]) / 1024


def open_streams(who: str, roots: dict[str, str], streams: int, traced: bool) -> Figures:
    """Return the KiB that an open stream holds after its first chunks: allocated by Python (traced), or resident."""
    if open_files() < streams + 200:
        raise Skipped(f"{streams} streams need {streams + 200} open files; raise the limit (ulimit -n)")

    async def run() -> Figures:
        ready, never = asyncio.Semaphore(0), asyncio.Event()
        async with ASYNC[who]("openai", f"{roots['http']}/openai/held") as (opened, iterated):

            async def one() -> None:
                read = 0
                async with opened(prompt(READ)) as reply:
                    async for _ in iterated(reply):
                        read += 1
                        if read == READ:
                            ready.release()
                            await never.wait()

            async def opened_all(number: int) -> float:
                """Open so many more streams, and return the KiB in use."""
                running.extend(asyncio.create_task(one()) for _ in range(number))
                for _ in range(number):
                    await asyncio.wait_for(ready.acquire(), 60)
                gc.collect()
                return tracemalloc.get_traced_memory()[0] / 1024 if traced else resident() * 1024

            running: list[asyncio.Task[None]] = []
            # The first streams allocate what is kept for good.
            before = await opened_all(20)
            held = await opened_all(streams) - before
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            return {"held": held / streams}

    if traced:
        tracemalloc.start()
    return asyncio.run(run())


def long_reply(who: str, roots: dict[str, str], kind: str, size: int) -> Figures:
    """Return the most MiB during a reply of `size` MiB, without its text and without those in use before."""
    count = size * MIB // len(WIRES[kind][2][0])
    with SYNC[who](kind, f"{roots['http']}/{kind}/burst") as (opened, iterated):
        for number in (64, count):
            gc.collect()
            # This sets VmHWM back.
            Path("/proc/self/clear_refs").write_text("5")
            before, text = resident(), 0
            with opened(prompt(number)) as reply:
                for chunk in iterated(reply):
                    text += len(chunk)
                peak = resident("VmHWM") - before
    return {"peak": peak - (0 if who == "floor" else text / MIB)}
