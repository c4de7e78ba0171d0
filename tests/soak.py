"""Hundreds of streams at a time, for minutes, three in ten disturbed: each ends as it should and leaves nothing behind.

    python tests/soak.py --seconds 120 --streams 500

The servers, one for each way to disturb, run in a process of their own.  The time is divided between asyncio, trio and
threads (64 at most).  Each part counts descriptors, threads, tasks, objects and memory after a warm-up and once more at
its end, and prints a line.  The exit code is 1 if a stream goes wrong or something is left behind, and standard error
says why.  The soak needs the /proc of Linux.
"""

import argparse
import asyncio
import faulthandler
import gc
import json
import os
import queue
import random
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import trio

import g4flite
from g4flite import Retry, Timeout
from g4flite.testing import Emulator, Script

THREADS = 64
# A part may take so much on top of its warm-up, as the allocator does not give all memory back.
MEGABYTES = 10.0
FOUR = ("cromicle", "free2gpt", "gprochat", "flowgpt")
WORDS = " ".join("words of h\u00e9llo \u4e16\u754c \U0001f44b and e\u0301 again".split() * 3)

SCRIPTS = {
    "sound": Script(),
    "slow": Script(wait=0.005),
    "cut": Script(cut=70),
    "reset": Script(cut=70, reset=True),
    "refusing": Script(status=500, body="out of order"),
    "silent": Script(silence=60),
    "stalled": Script(wait=60),
    "malformed": Script(body='{"event": "text", "data": "You"}\n{"event": "text"; "data": " said"}\n'),
}
# Each fault, and the errors with which a stream may end because of it.
FAULTS: dict[str, tuple[type[g4flite.G4fliteError], ...]] = {
    "cut": (g4flite.TruncatedStreamError,),
    # A RST may overtake the response head.
    "reset": (g4flite.TruncatedStreamError, g4flite.TransportError),
    "refusing": (g4flite.StatusError,),
    "silent": (g4flite.FirstTokenTimeoutError,),
    # It is first_token that ends the stream if no text came before.
    "stalled": (g4flite.IdleTimeoutError, g4flite.FirstTokenTimeoutError),
    "malformed": (g4flite.MalformedReplyError,),
}
PATIENT, SHORT = Timeout(connect=60), Timeout(connect=60, first_token=0.2, idle=0.2)


class Job(NamedTuple):
    """What is to happen to one stream: "whole", "left", "cancelled" or a fault; `moment` says when, from 0 to 1."""

    number: int
    kind: str
    provider: str
    pooled: bool
    moment: float

    @property
    def server(self) -> str:
        return self.kind if self.kind in FAULTS else "sound" if self.kind == "whole" else "slow"

    @property
    def question(self) -> str:
        return f"Number {self.number}: {WORDS}"

    def leaves(self, texts: list[str]) -> bool:
        """Return whether the loop is to be left after these texts."""
        return self.kind == "left" and len(texts) > 20 * self.moment

    def cancels(self, texts: list[str]) -> bool:
        """Return whether to cancel the stream after these texts; if `moment` is below a half, time decides instead."""
        return self.kind == "cancelled" and len(texts) == int(40 * self.moment) - 19

    def judge(
        self, stream: g4flite.Stream, texts: list[str], error: g4flite.G4fliteError | None, *, ended: bool
    ) -> str:
        """Return the outcome's name, or raise what is wrong; `ended` says whether the loop came to its end."""
        answer, text = f"You said: {self.question}", "".join(texts)
        assert answer.startswith(text), f"not its own text: {text!r}"
        assert stream.partial == text, f"delivered {text!r}, kept {stream.partial!r}"
        if error is not None:
            assert error.partial == text, f"delivered {text!r}, error with {error.partial!r}"
            closed = g4flite.StreamClosedError if self.kind == "cancelled" else ()
            if not isinstance(error, FAULTS.get(self.kind, closed)):
                raise error
            return type(error).__name__
        assert self.kind not in FAULTS, f"a whole reply: {text!r}"
        assert text == answer if ended else self.kind in ("left", "cancelled"), f"not whole: {text!r}"
        return "whole" if ended else self.kind


class Stretch:
    """A stretch of time in which workers read streams, and at least `least` streams however long that takes.

    It ends early if a stream goes wrong.
    """

    def __init__(self, urls: dict[str, str], seconds: float, least: int) -> None:
        self.urls, self.until, self.numbers, self.least = urls, time.monotonic() + seconds, count(), least
        self.clients = {(name, at): g4flite.Client(name, base_url=urls[at]) for name in FOUR for at in urls}
        self.outcomes: list[str] = []
        self.wrong: list[str] = []

    def jobs(self) -> Iterator[Job]:
        """Yield the same jobs in every stretch: a tenth has a fault, a tenth is left early, a tenth is cancelled."""
        while not self.wrong:
            number = next(self.numbers)
            if number >= self.least and time.monotonic() >= self.until:
                return
            chance = random.Random(number)
            kind = {0: chance.choice([*FAULTS]), 1: "left", 2: "cancelled"}.get(number % 10, "whole")
            provider = "flowgpt" if kind == "malformed" else chance.choice(FOUR)
            yield Job(number, kind, provider, chance.random() < 0.5, chance.random())

    def open(self, job: Job) -> g4flite.Stream:
        timeout = SHORT if job.kind in ("silent", "stalled") else PATIENT
        retries = Retry(times=1, base=0.01) if job.kind == "refusing" else Retry(times=0)
        if job.pooled:
            client = self.clients[job.provider, job.server]
            return client.stream(job.question, timeout=timeout, retries=retries)
        url = self.urls[job.server]
        return g4flite.stream(job.provider, job.question, base_url=url, timeout=timeout, retries=retries)

    @contextmanager
    def watching(self, what: Any) -> Iterator[None]:
        """Keep an exception as a reason why the stretch went wrong."""
        try:
            yield
        except Exception:
            self.wrong.append(f"{what}\n{traceback.format_exc()}")


def in_threads(stretch: Stretch, streams: int) -> None:
    """Read in threads, and cancel streams by closing them from another thread."""
    closing: queue.SimpleQueue[g4flite.Stream | None] = queue.SimpleQueue()

    def close() -> None:
        while (stream := closing.get()) is not None:
            with stretch.watching("closing"):
                stream.close()

    def read(job: Job) -> str:
        stream, texts, error, ended = stretch.open(job), [], None, False
        try:
            with stream:
                running = iter(stream)
                if job.kind == "cancelled" and job.moment < 0.5:
                    closing.put(stream)
                for text in running:
                    texts.append(text)
                    if job.leaves(texts):
                        break
                    if job.cancels(texts):
                        closing.put(stream)
                else:
                    # A stream that is closed before its first step ends at once.
                    ended = job.kind != "cancelled" or texts != []
        except g4flite.G4fliteError as raised:
            error = raised
        return job.judge(stream, texts, error, ended=ended)

    def work() -> None:
        for job in stretch.jobs():
            with stretch.watching(job):
                stretch.outcomes.append(read(job))

    # Seconds: threads take turns more often, and meet in more places.
    sys.setswitchinterval(1e-4)
    closer = threading.Thread(target=close)
    workers = [threading.Thread(target=work) for _ in range(min(streams, THREADS))]
    for thread in (closer, *workers):
        thread.start()
    for thread in workers:
        thread.join()
    closing.put(None)
    closer.join()
    for client in stretch.clients.values():
        client.close()


async def in_tasks(stretch: Stretch, streams: int, living: Callable[[], int]) -> None:
    """Read in tasks, and cancel streams by a scope; `living` counts the tasks of the event loop."""

    async def read(job: Job) -> str:
        stream, texts, error, ended = stretch.open(job), [], None, False
        try:
            with anyio.move_on_after(job.moment if job.kind == "cancelled" and job.moment < 0.5 else inf) as scope:
                async with stream:
                    async for text in stream:
                        texts.append(text)
                        if job.leaves(texts):
                            break
                        if job.cancels(texts):
                            scope.cancel()
                    else:
                        ended = True
        except g4flite.G4fliteError as raised:
            error = raised
        return job.judge(stream, texts, error, ended=ended)

    async def work() -> None:
        for job in stretch.jobs():
            with stretch.watching(job):
                stretch.outcomes.append(await read(job))

    before = living()
    async with anyio.create_task_group() as tasks:
        for _ in range(streams):
            tasks.start_soon(work)
    for client in stretch.clients.values():
        await client.aclose()
    if living() > before:
        stretch.wrong.append(f"tasks are left: {living() - before}")


async def on_asyncio(stretch: Stretch, streams: int) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: stretch.wrong.append(f"asyncio: {context}"))
    await in_tasks(stretch, streams, lambda: len(asyncio.all_tasks()))


async def on_trio(stretch: Stretch, streams: int) -> None:
    await in_tasks(stretch, streams, lambda: trio.lowlevel.current_statistics().tasks_living)


PARTS: dict[str, Callable[[Stretch, int], None]] = {
    "asyncio": lambda stretch, streams: anyio.run(on_asyncio, stretch, streams, backend="asyncio"),
    "trio": lambda stretch, streams: anyio.run(on_trio, stretch, streams, backend="trio"),
    "sync": in_threads,
}


class Held(NamedTuple):
    """What this process holds; objects are those of the packages that a stream is made of."""

    descriptors: int
    threads: int
    objects: int
    megabytes: float

    @classmethod
    def now(cls) -> "Held":
        gc.collect()
        packages = Counter(str(type(thing).__module__).partition(".")[0] for thing in gc.get_objects())
        return cls(
            len(list(Path("/proc/self/fd").iterdir())),
            threading.active_count(),
            sum(packages[name] for name in ("g4flite", "httpx", "httpcore", "h11")),
            int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6,
        )


def soak(name: str, urls: dict[str, str], seconds: float, streams: int) -> list[str]:
    """Run one part, print its line, and return what went wrong."""
    warm_up = Stretch(urls, seconds / 4, streams)
    PARTS[name](warm_up, streams)
    if warm_up.wrong:
        return warm_up.wrong
    del warm_up
    before, began = Held.now(), time.monotonic()
    stretch = Stretch(urls, seconds * 3 / 4, streams)
    PARTS[name](stretch, streams)
    took = time.monotonic() - began
    outcomes, wrong = Counter(stretch.outcomes), stretch.wrong
    del stretch
    after = Held.now()
    kinds = ", ".join(f"{kind} {number}" for kind, number in outcomes.most_common())
    held = ", ".join(
        f"{what} {was:.4g} to {now:.4g}" for what, was, now in zip(Held._fields, before, after, strict=True)
    )
    print(f"{name}: {outcomes.total()} streams, {outcomes.total() / took:.0f} a second; {kinds}; {held}", flush=True)
    allowed = before._replace(megabytes=before.megabytes + MEGABYTES)
    limits = zip(Held._fields, allowed, after, strict=True)
    return wrong + [f"{name}: {what} left behind, {now:g} and not {most:g}" for what, most, now in limits if now > most]


def serve() -> None:
    """Run the servers until standard input ends; their addresses go to standard output."""
    with ExitStack() as stack:
        servers = {name: stack.enter_context(Emulator(script=script)) for name, script in SCRIPTS.items()}
        for server in servers.values():
            # All exchanges would fill the memory.
            server.exchanges = deque(maxlen=100)  # type: ignore[assignment]
        print(json.dumps({name: server.url for name, server in servers.items()}), flush=True)
        sys.stdin.read()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return 0
    # By then, a stream hangs.
    faulthandler.dump_traceback_later(3 * options.seconds + 300, exit=True)
    command, wrong = [sys.executable, __file__, "--serve"], list[str]()
    sys.unraisablehook = lambda raised: wrong.append(f"unraisable: {raised.exc_value!r} in {raised.object!r}")
    with (
        warnings.catch_warnings(record=True) as warned,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as servers,
    ):
        warnings.simplefilter("always")
        assert servers.stdout is not None
        urls = json.loads(servers.stdout.readline())
        for name in PARTS:
            wrong += soak(name, urls, options.seconds / len(PARTS), options.streams)
            wrong += [f"{name}: {warning.category.__name__}: {warning.message}" for warning in warned[:3]]
            if wrong:
                break
        servers.communicate()
    print(*wrong[:5], sep="\n", end="", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
