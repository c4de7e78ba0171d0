"""What a batch costs: rows a second beside bare clients, CPU for each row, and memory for a million rows.

    python -m tests.benchmarks.batch [--rows 5000] [--calls 256] [--memory 1000000]

The service is a process of its own, which answers each call after 0.2 s.  With 256 calls under way, 5,000 rows take
4.0 s at best.  Each contender runs in a process of its own, one after the other.  Those on Ray include the start of a
Ray of two workers; their CPU is that of the process that has started it.  For the memory, the rows are answered in the
same process, without a socket: what is measured is the batch itself.

`ray-empty` is a job of the same rows on the same Ray whose actor asks nothing: what `ray` takes besides is ours.
"""

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from shutil import which
from typing import Any

import anyio

import g4flite
from g4flite.apps.batch import run
from g4flite.apps.batch.drivers import Batch
from tests.benchmarks.limits import open_files

SECONDS = 0.2
CONTENDERS = ("threads", "asyncio", "trio", "httpx", "aiohttp", "async-batch-llm", "ray-empty", "ray", "ray-data")
# What `make bench-peers` and `make test-ray` install has a Python of its own.
PEERS, CLUSTERS = Path(".venv-peers/bin/python"), Path(".venv-clusters/bin/python")
PYTHONS = {"async-batch-llm": (PEERS, "make bench-peers"), "ray-empty": (CLUSTERS, "make test-ray"),
           "ray": (CLUSTERS, "make test-ray"), "ray-data": (CLUSTERS, "make test-ray")}  # fmt: skip


def rows(count: int, size: int = 0) -> Iterator[dict[str, Any]]:
    return ({"id": number, "prompt": f"Say {number}" + "." * size} for number in range(count))


def ours(name: str, url: str, count: int, calls: int) -> int:
    """Answer the rows over threads, or on an event loop of this name."""
    batch = run(rows(count), "llamacpp", base_url=url, concurrency=calls)

    async def read() -> int:
        return sum([1 async for result in batch if "answer" in result])

    if name == "threads":
        return sum(1 for result in batch if "answer" in result)
    return anyio.run(read, backend=name)


def body(row: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": row["prompt"]}], "stream": True}


def text(reply: str) -> str:
    """Return the text of a reply, as a user writes it by hand."""
    data = [json.loads(line[6:]) for line in reply.splitlines() if line.startswith("data: {")]
    return "".join(one["choices"][0]["delta"].get("content") or "" for one in data if one["choices"])


async def by_httpx(url: str, count: int, calls: int) -> int:
    import httpx

    limits, done = httpx.Limits(max_connections=calls, max_keepalive_connections=calls), list[str]()
    semaphore = asyncio.Semaphore(calls)
    async with httpx.AsyncClient(limits=limits, timeout=60) as client:

        async def ask(row: dict[str, Any]) -> None:
            async with semaphore:
                response = await client.post(f"{url}/chat/completions", json=body(row))
                done.append(text(response.text))

        await asyncio.gather(*map(ask, rows(count)))
    return len(done)


async def by_aiohttp(url: str, count: int, calls: int) -> int:
    import aiohttp  # type: ignore[import-not-found]

    semaphore, done = asyncio.Semaphore(calls), list[str]()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=calls)) as session:

        async def ask(row: dict[str, Any]) -> None:
            async with semaphore, session.post(f"{url}/chat/completions", json=body(row)) as response:
                done.append(text(await response.text()))

        await asyncio.gather(*map(ask, rows(count)))
    return len(done)


async def by_async_batch_llm(url: str, count: int, calls: int) -> int:
    """Answer the rows by async-batch-llm, whose callable asks over aiohttp as `by_aiohttp` does."""
    import aiohttp
    from async_batch_llm import CallableStrategy, CallOutcome, process_prompts  # type: ignore[import-not-found]

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=calls)) as session:

        async def ask(prompt: str, **_: Any) -> Any:
            async with session.post(f"{url}/chat/completions", json=body({"prompt": prompt})) as response:
                return CallOutcome(text(await response.text()))

        prompts = (row["prompt"] for row in rows(count))
        done = await process_prompts(CallableStrategy(ask), prompts, concurrency=calls)
    return sum(1 for result in done.results if result.success)


def on_ray(count: int) -> Any:
    """Start a Ray of two workers, and return a data set of the rows."""
    # The workers inherit it.  With an environment of their own, those that Ray starts ahead would be of no use.
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0", "PYTHONPATH": str(Path.cwd())}
    import ray  # type: ignore[import-not-found]

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    return ray.data.from_items([*rows(count)], override_num_blocks=-(-count // 256))


def by_actor(count: int, actor: type, **settings: Any) -> int:
    """Answer the rows by one actor of this class."""
    from ray.data import ActorPoolStrategy  # type: ignore[import-not-found]

    asked = on_ray(count).map_batches(
        actor, fn_constructor_kwargs=settings, batch_size=256,
        compute=ActorPoolStrategy(size=1, max_concurrent_calls_per_actor=4),
    )  # fmt: skip
    return sum(1 for row in asked.iter_rows() if row["answer"])


def by_ray(url: str, count: int, calls: int) -> int:
    """Answer the rows by an actor of ours, which has so many calls under way."""
    from g4flite.apps.batch.ray import Ask

    return by_actor(count, Ask, provider="llamacpp", base_url=url, concurrency=calls)


class Empty:
    """An actor that asks nothing."""

    async def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {**batch, "answer": batch["prompt"]}


def by_empty(url: str, count: int, calls: int) -> int:
    """Let the rows go through an actor that asks nothing."""
    return by_actor(count, Empty)


def by_ray_data(url: str, count: int, calls: int) -> int:
    """Answer the rows by Ray Data's own processor for HTTP, as its documentation has it, with batches of `calls`."""
    data = on_ray(count)
    from ray.data.llm import HttpRequestProcessorConfig, build_processor  # type: ignore[import-not-found]

    config = HttpRequestProcessorConfig(url=f"{url}/chat/completions", batch_size=calls, concurrency=1)
    asked = build_processor(
        config,
        preprocess=lambda row: {"payload": {"messages": [{"role": "user", "content": row["prompt"]}]}},
        postprocess=lambda row: {"answer": row["http_response"]["choices"][0]["message"]["content"]},
    )(data)
    return sum(1 for row in asked.iter_rows() if row["answer"])


def contend(name: str, url: str, count: int, calls: int) -> None:
    """Answer the rows once, behind a few that import and connect (not on Ray), and print what it took as JSON."""

    def once(number: int) -> int:
        if by := {"httpx": by_httpx, "aiohttp": by_aiohttp, "async-batch-llm": by_async_batch_llm}.get(name):
            return asyncio.run(by(url, number, calls))
        if on := {"ray-empty": by_empty, "ray": by_ray, "ray-data": by_ray_data}.get(name):
            return on(url, number, calls)
        return ours(name, url, number, calls)

    if not name.startswith("ray"):
        once(50)
    wall, cpu = time.perf_counter(), time.process_time()
    assert once(count) == count
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": wall, "cpu": cpu / count * 1000, "memory": memory}))


class Stub:
    """A client, and the stream that it returns, which says a word."""

    usage = g4flite.Usage(250, 1)
    tool_calls, partial, reasoning, finish_reason = (), "Hello", "", "stop"
    provider, model, headers = "stub", "m", dict[str, str]()

    def __init__(self) -> None:
        self.state, self.start, self.finish, self.url = "complete", g4flite.Start(), None, None
        self.call, self._run, self.attempts = self, self, ()

    def stream(self, messages: str) -> "Stub":
        return self

    def __enter__(self) -> "Stub":
        return self

    def __iter__(self) -> Iterator[str]:
        yield "Hello"

    def __exit__(self, *_: object) -> None: ...

    def close(self) -> None: ...


def remember(count: int) -> None:
    """Answer rows of a kilobyte without a socket, and print the memory at a tenth of them and at the end."""
    limited = run([], "llamacpp", base_url="http://127.0.0.1:9/v1", concurrency=8)
    make: Any = Stub
    batch = Batch(rows(count, 1000), make, limited._job, template=None, ordered=False, typed=False, shared=None)
    began, early = time.process_time(), 0
    for number, _ in enumerate(batch):
        if number == count // 10:
            early = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    late, cpu = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time() - began
    print(json.dumps({"early": early / 1024, "late": late / 1024, "cpu": cpu / count * 1000}))


def is_installed(python: str, name: str) -> bool:
    """Return whether this Python has what a contender needs."""
    modules = {"trio": "trio", "aiohttp": "aiohttp", "async-batch-llm": "aiohttp, async_batch_llm",
               "ray-empty": "ray.data", "ray": "ray.data", "ray-data": "ray.data.llm"}  # fmt: skip
    command = [python, "-c", f"import {modules.get(name, 'g4flite')}"]
    return which(python) is not None and subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0


def measured(*arguments: str, python: str = sys.executable) -> dict[str, float] | None:
    """Return what a process of this module prints, None if it has failed."""
    done = subprocess.run([python, "-m", "tests.benchmarks.batch", *arguments], capture_output=True, text=True)
    if done.returncode:
        # A client without retries, like bare httpx, may lose a connection on a busy machine.
        print(f"{arguments[1]:<16} has failed: {done.stderr.splitlines()[-1]}")
        return None
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--calls", type=int, default=256)
    parser.add_argument("--memory", type=int, default=1_000_000)
    parser.add_argument("--only", default=",".join(CONTENDERS), help="contenders, with commas between them")
    parser.add_argument("--contend", nargs=2, metavar=("NAME", "URL"))
    parser.add_argument("--remember", action="store_true")
    told = parser.parse_args()
    open_files()
    if told.contend:
        contend(*told.contend, told.rows, told.calls)
        return
    if told.remember:
        remember(told.memory)
        return
    best = -(-told.rows // told.calls) * SECONDS
    print(f"{told.rows:,} rows, {told.calls} calls under way, {SECONDS} s each: {best:.1f} s at best")
    print(f"processes that wanted a processor in the last minute: {os.getloadavg()[0]:.1f} of {os.cpu_count()}")
    command = [sys.executable, "-m", "tests.apps.service", str(SECONDS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        url = service.stdout.readline().strip()
        for name in told.only.split(","):
            python, target = PYTHONS.get(name, (sys.executable, "make bench-batch"))
            if not is_installed(str(python), name):
                print(f"{name:<16} is not installed: {target}")
                continue
            if took := measured(
                "--contend", name, url, "--rows", str(told.rows), "--calls", str(told.calls), python=str(python)
            ):
                print(f"{name:<16} {took['seconds']:6.2f} s  {took['cpu']:6.3f} ms CPU a row  {took['memory']:5.0f} MB")
        service.communicate()
    if kept := measured("--remember", "--memory", str(told.memory)):
        print(f"{told.memory:,} rows of 1 KB: {kept['late']:.0f} MB, {kept['early']:.0f} MB after a tenth, ", end="")
        print(f"{kept['cpu']:.3f} ms CPU a row")


if __name__ == "__main__":
    main()
