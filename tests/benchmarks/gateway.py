"""What `g4flite serve` costs, beside LiteLLM's proxy if that is installed: `make bench-gateway`.

    python -m tests.benchmarks.gateway [--seconds 5] [--litellm .venv-litellm/bin/litellm]

The service is a process of its own that has its replies ready; so is each gateway.  This process is the client.  All
three share the machine: the load is printed, and the CPU time of a stream, which the load moves less than the rate.
The figures:

    start         from the start of the process to its first answer
    idle          memory after the first stream; all processes of the gateway, by their share of what they share (PSS)
    first text    what the gateway adds to the time to the first text: one stream at a time, and 64 at a time whose 50
                  events are 20 ms apart.  "At once", the 64 begin in the same moment, and again in the same moment a
                  second later: the last of them waits until the others have begun, so that this is 64 times what a
                  beginning costs.  "In turn", they begin 1/64 of a second apart, while the others run
    streams/s     64 connections, each asking for the next stream at once; 50 events, which the service sends at once
    2,000 open    memory while 2,000 streams have their first text, and wait for the next
"""

import argparse
import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from tests.benchmarks.limits import open_files
from tests.benchmarks.server import chat

EVENTS, PACE = 50, 0.02
KEY = "sk-0123456789abcdef0123456789abcdef"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
CHUNKS = [
    b"%x\r\n%b\r\n" % (len(event), event)
    for event in (*(chat({"content": f"word {n} "}) for n in range(EVENTS)), chat({}, "stop"), b"data: [DONE]\n\n")
]
LAST = b"0\r\n\r\n"
TEXT = b'"content":"word '
# LiteLLM writes its JSON without a space behind the colon, the service with one.
SPACED = b'"content": "word '
# Seconds in which the open streams have to be there.
PATIENCE = 60.0
CLOCK = os.sysconf("SC_CLK_TCK")


class Service(asyncio.Protocol):
    """Answers each POST with a stream; the model says which: burst, paced or held."""

    def __init__(self) -> None:
        self.seen = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.seen += data
        head, found, body = self.seen.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r")[0]
        if not found or len(body) < int(length or 0):
            return
        self.seen = b""
        if b"burst" in body:
            self.transport.write(b"".join([HEAD, *CHUNKS, LAST]))
        elif b"held" in body:
            self.transport.write(HEAD + CHUNKS[0])
        else:
            self.pace([HEAD + CHUNKS[0], *CHUNKS[1:-1], CHUNKS[-1] + LAST])

    def pace(self, rest: list[bytes]) -> None:
        """Send one piece now, and the others later."""
        self.transport.write(rest.pop(0))
        if rest:
            asyncio.get_running_loop().call_later(PACE, self.pace, rest)


async def serve() -> None:
    """Run the service, and print its port."""
    server = await asyncio.get_running_loop().create_server(Service, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class Link(asyncio.Protocol):
    """A client's connection, which asks for one stream after the other."""

    def __init__(self) -> None:
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if not self.first and (TEXT in data or SPACED in data):
            self.first = time.perf_counter() - self.began
            self.heard.set()
        self.texts += data.count(TEXT) + data.count(SPACED)
        self.tail = (self.tail + data)[-5:]
        if self.tail == LAST and not self.ended.done():
            self.ended.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(ConnectionError(f"the gateway closed the connection: {error}"))
            # Whoever waits for the first text alone does not look at the end.
            self.ended.exception()
        self.heard.set()

    def ask(self, model: str) -> None:
        """Ask for a stream."""
        self.began, self.first, self.texts, self.tail = time.perf_counter(), 0.0, 0, b""
        self.heard, self.ended = asyncio.Event(), asyncio.get_running_loop().create_future()
        body = b'{"model": "%b", "messages": [{"role": "user", "content": "Hi"}], "stream": true}' % model.encode()
        self.transport.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            b"authorization: Bearer %b\r\ncontent-length: %d\r\n\r\n%b" % (KEY.encode(), len(body), body)
        )

    async def whole(self, model: str) -> float:
        """Ask for a stream, and return the time to its first text once it is whole.  Raises if it is not."""
        self.ask(model)
        await self.ended
        if self.texts != EVENTS:
            raise ConnectionError(f"{self.texts} texts in place of {EVENTS}")
        return self.first


async def link_to(port: int) -> Link:
    """Return a connection."""
    loop = asyncio.get_running_loop()
    return (await loop.create_connection(Link, "127.0.0.1", port))[1]


async def times_to_first(port: int, links: int, model: str, seconds: float, apart: float = 0.0) -> list[float]:
    """Return the times to the first text, of so many connections that ask again and again; they begin so far apart."""
    times = list[float]()
    until = time.perf_counter() + seconds

    async def ask(number: int) -> None:
        await asyncio.sleep(number * apart)
        link = await link_to(port)
        await link.whole(model)
        # On a busy machine, the time may be over by now.
        while True:
            times.append(await link.whole(model))
            if time.perf_counter() >= until:
                break
        link.transport.close()

    await asyncio.gather(*map(ask, range(links)))
    return sorted(times)


async def hold(port: int, count: int, measure: Callable[[], float]) -> tuple[int, float]:
    """Return how many streams were open at a time, and what was measured then."""
    links = list[Link]()

    async def open_one() -> None:
        link = await link_to(port)
        link.ask("held")
        await link.heard.wait()
        links.append(link)

    async def open_some(each: int) -> None:
        for _ in range(each):
            await open_one()

    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(asyncio.gather(*(open_some(count // 50) for _ in range(50))), PATIENCE)
    found = len([link for link in links if link.first]), measure()
    for link in links:
        link.transport.abort()
    return found


def tree(pid: int) -> list[int]:
    """Return a process and all that it has started."""
    found = [pid]
    for one in found:
        with suppress(OSError):
            found += map(int, Path(f"/proc/{one}/task/{one}/children").read_text().split())
    return found


def memory(pid: int) -> float:
    """Return the memory of a process and of all that it has started, in MB."""
    total = 0
    for one in tree(pid):
        with suppress(OSError):
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def cpu(pid: int) -> float:
    """Return the CPU time of a process and of all that it has started, in seconds."""
    total = 0
    for one in tree(pid):
        with suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / CLOCK


@contextmanager
def running(command: list[str], port: int, **more: str) -> Iterator[tuple[int, float]]:
    """Run a gateway, and yield its process id and the seconds until it answered."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        env={**os.environ, **more},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while not answers(port):
            if process.poll() is not None:
                raise SystemExit(f"{command[0]} ended with {process.returncode}")
            time.sleep(0.01)
        yield process.pid, time.perf_counter() - began
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def answers(port: int) -> bool:
    """Return whether a gateway answers."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as link:
        link.sendall(b"GET /health/liveliness HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
        return link.recv(12).startswith(b"HTTP/1.1 ")
    return False


def free_port() -> int:
    """Return a port that is free."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Kind(NamedTuple):
    """A gateway: the command that runs it with so many workers on a port, and more environment."""

    name: str
    command: Callable[[int, int], list[str]]
    environment: dict[str, str]


def kinds(service: int, litellm: Path, folder: str) -> Iterator[Kind]:
    """Yield the gateways that are installed."""
    flags = f"--provider openai --base-url http://127.0.0.1:{service}/v1 --max-streams 4000"
    python = [sys.executable, "-m"]

    def ours(workers: int, port: int) -> list[str]:
        if workers == 1:
            return [*python, "g4flite", "serve", *flags.split(), "--port", str(port)]
        served = ["uvicorn", "g4flite.apps.gateway:app", "--log-level", "warning", "--no-access-log"]
        return [*python, *served, "--workers", str(workers), "--port", str(port)]

    yield Kind("g4flite", ours, {"OPENAI_API_KEY": "any", "G4FLITE_SERVE": flags})
    if not litellm.exists():
        return
    models = "".join(
        f"  - model_name: {name}\n    litellm_params: "
        f'{{model: openai/{name}, api_base: "http://127.0.0.1:{service}/v1", api_key: any}}\n'
        for name in ("burst", "paced", "held")
    )
    file = Path(folder, "litellm.yaml")
    file.write_text(f"model_list:\n{models}general_settings: {{master_key: {KEY}}}\n")

    def theirs(workers: int, port: int) -> list[str]:
        more = ["--num_workers", str(workers)] if workers > 1 else []
        return [str(litellm), "--config", str(file), "--host", "127.0.0.1", "--port", str(port), *more]

    yield Kind("LiteLLM", theirs, {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"})


def rank(times: list[float], share: float) -> float:
    """Return the time, in milliseconds, that this share of the times does not exceed."""
    return times[min(len(times) - 1, int(len(times) * share))] * 1000


def measure(kind: Kind, service: int, seconds: float, open_streams: int, found: dict[str, str]) -> None:
    """Add the figures of a gateway.  Raises `OSError` if it fails."""
    port = free_port()
    with running(kind.command(1, port), port, **kind.environment) as (pid, started):
        found["start (s)"] = f"{started:.2f}"
        asyncio.run(times_to_first(port, 1, "burst", 0.0))
        found["idle (MB)"] = f"{memory(pid):.0f}"
        alone = [asyncio.run(times_to_first(to, 1, "burst", seconds)) for to in (service, port)]
        found["first text, 1 stream, p50 (ms added)"] = f"{rank(alone[1], 0.5) - rank(alone[0], 0.5):+.2f}"
        for how, apart in (("at once", 0.0), ("in turn", EVENTS * PACE / 64)):
            crowd = [asyncio.run(times_to_first(to, 64, "paced", seconds, apart)) for to in (service, port)]
            found[f"first text, 64 {how}, p99 (ms added)"] = f"{rank(crowd[1], 0.99) - rank(crowd[0], 0.99):+.1f}"
        found.update(rate(port, pid, seconds, 1))
        count, used = asyncio.run(hold(port, open_streams, lambda: memory(pid)))
        found[f"{open_streams:,} open streams (MB)"] = f"{used:.0f}" + (f" ({count})" if count < open_streams else "")
    port = free_port()
    with running(kind.command(2, port), port, **kind.environment) as (pid, _):
        asyncio.run(times_to_first(port, 8, "burst", 1.0))
        found.update(rate(port, pid, seconds, 2))


def rate(port: int, pid: int, seconds: float, workers: int) -> dict[str, str]:
    """Return how many streams a second a gateway serves, and their CPU time."""
    before, began = cpu(pid), time.perf_counter()
    count = len(asyncio.run(times_to_first(port, 64, "burst", seconds))) + 64
    each = (cpu(pid) - before) / count * 1000
    name = f"{workers} worker" + "s" * (workers > 1)
    return {
        f"streams/s, {name}": f"{count / (time.perf_counter() - began):.0f}",
        f"CPU a stream, {name} (ms)": f"{each:.2f}",
    }


AIMS = {
    "start": "< 1", "idle": "60", "first text, 1 ": "1.5", "first text, 64": "25", "streams/s, 1": "400",
    "2,000": "250",
}  # fmt: skip


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement; default: %(default)s")
    parser.add_argument("--open", type=int, default=2000, help="how many streams to hold open; default: %(default)s")
    parser.add_argument("--litellm", type=Path, default=Path(".venv-litellm/bin/litellm"), help="default: %(default)s")
    parser.add_argument("--only", help="g4flite or LiteLLM")
    arguments = parser.parse_args()
    open_files()
    if arguments.serve:
        asyncio.run(serve())
        return
    command = [sys.executable, "-m", "tests.benchmarks.gateway", "--serve"]
    load = os.getloadavg()[0]
    found: dict[str, dict[str, str]] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            service = int(process.stdout.readline())
            for kind in kinds(service, arguments.litellm, folder):
                if arguments.only in (None, kind.name):
                    found[kind.name] = {}
                    try:
                        measure(kind, service, arguments.seconds, arguments.open, found[kind.name])
                    except OSError as error:
                        print(f"{kind.name}: {error}", file=sys.stderr)
        finally:
            process.terminate()
    print(f"{'':42}{'aim':>8}" + "".join(f"{name:>12}" for name in found))
    for figure in dict.fromkeys(figure for figures in found.values() for figure in figures):
        aim = next((aim for name, aim in AIMS.items() if figure.startswith(name)), "")
        print(f"{figure:42}{aim:>8}" + "".join(f"{figures.get(figure, ''):>12}" for figures in found.values()))
    cores = os.cpu_count()
    print(f"{cores} cores; the load of the machine was {load:.1f} before, and {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
