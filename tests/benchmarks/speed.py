"""The CPU of chunks and calls: of one reply, of one call, of a crowd on one event loop, of threads."""

import asyncio
import time
from statistics import median
from threading import Thread

from tests.benchmarks.contenders import ASYNC, SYNC, Figures, Skipped, prompt
from tests.benchmarks.limits import open_files


def chunks(
    who: str, roots: dict[str, str], kind: str, mode: str, driver: str, count: int, scheme: str = "http"
) -> Figures:
    """Return the CPU of one reply per chunk, after a short reply that warms everything up."""
    if scheme not in roots:
        raise Skipped("no certificate for https: trustme is not installed")
    url = f"{roots[scheme]}/{kind}/{mode}"

    def once() -> tuple[float, float]:
        with SYNC[who](kind, url) as (opened, iterated):
            for size in (64, count):
                began, cpu = time.perf_counter(), time.process_time()
                with opened(prompt(size)) as reply:
                    for _ in iterated(reply):
                        pass
            return time.process_time() - cpu, time.perf_counter() - began

    async def aonce() -> tuple[float, float]:
        async with ASYNC[who](kind, url) as (opened, iterated):
            for size in (64, count):
                began, cpu = time.perf_counter(), time.process_time()
                async with opened(prompt(size)) as reply:
                    async for _ in iterated(reply):
                        pass
            return time.process_time() - cpu, time.perf_counter() - began

    cpu, seconds = once() if driver == "sync" else asyncio.run(aonce())
    return {"cpu": cpu / count * 1e6, "rate": count / seconds}


def calls(who: str, roots: dict[str, str], driver: str, count: int) -> Figures:
    """Return the CPU of a warm call of one event, and the time to its first chunk."""
    url, first = f"{roots['http']}/openai/drip", []

    def repeated() -> float:
        with SYNC[who]("openai", url) as (opened, iterated):
            for number in range(-20, count):
                if not number:
                    cpu = time.process_time()
                began, came = time.perf_counter(), 0.0
                with opened(prompt(1)) as reply:
                    for _ in iterated(reply):
                        came = came or time.perf_counter()
                first.append(came - began)
            return time.process_time() - cpu

    async def arepeated() -> float:
        async with ASYNC[who]("openai", url) as (opened, iterated):
            for number in range(-20, count):
                if not number:
                    cpu = time.process_time()
                began, came = time.perf_counter(), 0.0
                async with opened(prompt(1)) as reply:
                    async for _ in iterated(reply):
                        came = came or time.perf_counter()
                first.append(came - began)
            return time.process_time() - cpu

    cpu = repeated() if driver == "sync" else asyncio.run(arepeated())
    return {"cpu": cpu / count * 1e6, "first": median(first[20:]) * 1e3}


def crowd(who: str, roots: dict[str, str], streams: int, count: int) -> Figures:
    """Return the CPU of a chunk if so many streams are open on one event loop, and how many streams complete."""
    if open_files() < streams + 200:
        raise Skipped(f"{streams} streams need {streams + 200} open files; raise the limit (ulimit -n)")

    async def run() -> Figures:
        async with ASYNC[who]("openai", f"{roots['http']}/openai/crowd") as (opened, iterated):

            async def one() -> int:
                async with opened(prompt(count, streams)) as reply:
                    return len([0 async for _ in iterated(reply)])

            # The costs of the first call are not measured.
            async with opened(prompt(1)) as reply:
                async for _ in iterated(reply):
                    pass
            cpu = time.process_time()
            ends = await asyncio.gather(*[one() for _ in range(streams)], return_exceptions=True)
            cpu = time.process_time() - cpu
        failures = [end for end in ends if isinstance(end, BaseException)]
        if len(failures) == streams:
            raise failures[0]
        return {"cpu": cpu / streams / count * 1e6, "complete": float(streams - len(failures))}

    return asyncio.run(run())


def threads(who: str, roots: dict[str, str], streams: int, count: int) -> Figures:
    """Return the CPU of a chunk if so many threads read with one client."""
    with SYNC[who]("openai", f"{roots['http']}/openai/drip") as (opened, iterated):

        def read(times: int) -> None:
            for _ in range(times):
                with opened(prompt(count // 8)) as reply:
                    for _ in iterated(reply):
                        pass

        for times in (1, 8):
            cpu, running = time.process_time(), [Thread(target=read, args=(times,)) for _ in range(streams)]
            for thread in running:
                thread.start()
            for thread in running:
                thread.join()
        return {"cpu": (time.process_time() - cpu) / streams / count * 1e6}
