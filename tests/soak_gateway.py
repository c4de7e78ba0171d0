"""The gateway for minutes: clients leave, services cut their replies, SIGHUP reads the models again; nothing is left.

    python tests/soak_gateway.py --seconds 600 --clients 40

The gateway is a process of its own, as `g4flite serve` starts it, with keys in SQLite; so are the services.  After a
warm-up and at the end, with no call running and the models read again, the gateway counts its descriptors, threads,
tasks and objects, and its memory is measured.  The exit code is 1 if one of these has grown, if a reply that was cut
looks complete to a client or a whole one does not, if a call has no line in the log, or if SQLite still holds money for
a call, or has charged another sum than the log.  The soak needs the /proc of Linux.
"""

import argparse
import asyncio
import gc
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NamedTuple

from g4flite.apps.gateway.keys import Store
from g4flite.testing import Emulator, Script

SCRIPTS = {"sound": Script(), "slow": Script(wait=0.01), "cut": Script(cut=620), "reset": Script(cut=620, reset=True),
           "silent": Script(silence=0.3), "failing": Script(problem="server")}  # fmt: skip
# A cut is behind the first text of a stream, and inside of a reply that is not streamed.
CUT = ("cut", "reset")
ANSWER = " ".join(["word"] * 60)
# A part may take so much on top of its warm-up: the allocator does not give all memory back, and pools vary.
MEGABYTES, DESCRIPTORS, OBJECTS = 10.0, 8, 5000
RELOAD = 5.0


class Left(NamedTuple):
    """What a gateway holds while no call runs."""

    tasks: int
    threads: int
    descriptors: int
    objects: int
    megabytes: float


def serve_services() -> None:
    """Run the services, print their URLs, and end with standard input."""
    with ExitStack() as stack:
        urls = {
            name: stack.enter_context(Emulator(ANSWER, script=script, keys=False)).url
            for name, script in SCRIPTS.items()
        }
        print(json.dumps(urls), flush=True)
        sys.stdin.read()


def serve_gateway(config: str) -> None:
    """Run the gateway; at SIGUSR1 it prints its tasks and objects."""
    from g4flite import __main__ as cli

    def tell(*_: object) -> None:
        gc.collect()
        print(json.dumps([len(asyncio.all_tasks()), threading.active_count(), len(gc.get_objects())]), flush=True)

    signal.signal(signal.SIGUSR1, tell)
    raise SystemExit(cli.main(["serve", "--config", config, "--port", "0"]))


def write_config(folder: Path, urls: dict[str, str]) -> Path:
    """Write the configuration of the gateway; each model is a service, but for `both`, which falls back."""
    lines = ['keys = "keys.sqlite"', "[log]", 'file = "calls.jsonl"']
    for name, url in urls.items():
        lines += [f"[providers.{name}]", 'provider = "openai"', f'base_url = "{url}/v1"', 'key_variable = "SOAK_KEY"']
        lines += [f"[models.{name}]", f'provider = "{name}"', 'model = "gpt-4o-mini"', "retries = 0"]
    lines += ["[models.both]", 'provider = ["failing", "sound"]', 'model = "gpt-4o-mini"', "retries = 0"]
    file = folder / "gateway.toml"
    file.write_text("\n".join(lines))
    return file


class Clients:
    """Clients that ask until `until`; `outcomes` counts what they heard, and `wrong` says what should not be."""

    def __init__(self, port: int, secret: str) -> None:
        self.port, self.secret = port, secret
        self.outcomes, self.wrong = Counter[str](), list[str]()

    async def ask_until(self, until: float, count: int) -> None:
        """Ask with so many clients at a time."""

        async def one(number: int) -> None:
            chance = random.Random(number)
            while time.monotonic() < until and not self.wrong:
                await self.ask(chance)

        await asyncio.gather(*(one(number) for number in range(count)))

    async def ask(self, chance: random.Random) -> None:
        """Ask once: the model and the moment at which to leave are chosen by chance."""
        model, leaves = chance.choice([*SCRIPTS, "both"]), chance.random() < 0.3
        stream = chance.random() < 0.8
        body = json.dumps(
            {"model": model, "messages": [{"role": "user", "content": "Hello"}], "stream": stream}
        ).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            b"connection: close\r\nauthorization: Bearer %b\r\ncontent-length: %d\r\n\r\n%b"
            % (self.secret.encode(), len(body), body)
        )
        try:
            reply = await asyncio.wait_for(
                reader.read(-1) if not leaves else left(reader), 0.5 * chance.random() if leaves else 60
            )
        except (asyncio.TimeoutError, OSError):
            reply = b""
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        whole = reply.startswith(b"HTTP/1.1 200") and (b"[DONE]" in reply or (not stream and b'"stop"' in reply))
        self.outcomes["left" if leaves else "whole" if whole else "failed"] += 1
        if not leaves and whole != (model not in (*CUT, "failing")):
            self.wrong.append(f"{model}, stream {stream}: {reply[-300:]!r}")


async def left(reader: asyncio.StreamReader) -> bytes:
    """Read until the caller's patience ends."""
    while await reader.read(100):
        pass
    await asyncio.sleep(60)
    return b""


def measure(gateway: "subprocess.Popen[str]") -> Left:
    """Return what the gateway holds, once it is the same twice in a row."""
    pid, before = gateway.pid, None
    # The clients of the old models are closed, with their connections.
    os.kill(pid, signal.SIGHUP)
    while True:
        time.sleep(1)
        os.kill(pid, signal.SIGUSR1)
        assert gateway.stdout is not None
        tasks, threads, objects = json.loads(gateway.stdout.readline())
        descriptors = len([*Path(f"/proc/{pid}/fd").iterdir()])
        if (tasks, descriptors) == before:
            status = Path(f"/proc/{pid}/status").read_text()
            kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
            return Left(tasks, threads, descriptors, objects, int(kilobytes) / 1024)
        before = tasks, descriptors


async def reload_now_and_then(pid: int, until: float) -> None:
    """Let the gateway read its models again and again."""
    while time.monotonic() < until - RELOAD:
        await asyncio.sleep(RELOAD)
        os.kill(pid, signal.SIGHUP)


def faults(first: Left, last: Left, folder: Path, clients: Clients) -> list[str]:
    """Return what is wrong at the end."""
    found = list(clients.wrong)
    most = first._replace(descriptors=first.descriptors + DESCRIPTORS, threads=max(first.threads, 48),
                          objects=first.objects + OBJECTS, megabytes=first.megabytes + MEGABYTES)  # fmt: skip
    found += [
        f"{name}: {getattr(first, name)} became {getattr(last, name)}"
        for name in Left._fields
        if getattr(last, name) > getattr(most, name)
    ]
    log = [json.loads(line) for line in (folder / "calls.jsonl").read_text().splitlines()]
    with sqlite3.connect(folder / "keys.sqlite") as file:
        (held, spent) = file.execute("SELECT sum(held), sum(spent) FROM keys").fetchone()
        (running,) = file.execute("SELECT count(*) FROM calls WHERE held IS NOT NULL").fetchone()
        (calls,) = file.execute("SELECT seq FROM sqlite_sequence WHERE name = 'calls'").fetchone()
    charged = sum(line["charged"] or 0.0 for line in log)
    print(f"SQLite: {calls} calls, {spent / 1e9:.6f} dollars spent, {held} held")
    print(f"the log: {len(log)} calls, {charged:.6f} dollars")
    print("the log:", dict(Counter(line["outcome"] for line in log)))
    if held or running:
        found.append(f"SQLite holds {held} for {running} calls that have ended")
    # A charge is rounded up to the next billionth.
    if not -1e-6 <= spent / 1e9 - charged <= 1e-9 * len(log) + 1e-6:
        found.append(f"SQLite has charged {spent / 1e9}, the log {charged}")
    if calls != len(log):
        found.append(f"SQLite counts {calls} calls, the log {len(log)}")
    whole = sum(line["outcome"] == "complete" for line in log)
    if whole < clients.outcomes["whole"] or len(log) > sum(clients.outcomes.values()):
        found.append(f"the log has {whole} complete calls of {len(log)}, the clients {dict(clients.outcomes)}")
    return found


def main() -> None:
    """Soak, and say what was left behind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0, help="default: %(default)s")
    parser.add_argument("--clients", type=int, default=40, help="at a time; default: %(default)s")
    parser.add_argument("--services", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--gateway", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.services:
        serve_services()
    elif arguments.gateway:
        serve_gateway(arguments.gateway)
    else:
        raise SystemExit(soak(arguments.seconds, arguments.clients))


def soak(seconds: float, count: int) -> int:
    """Run the services, the gateway and the clients, and return the exit code."""
    command: list[str] = [sys.executable, __file__]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        services = stack.enter_context(subprocess.Popen([*command, "--services"], **pipes))
        stack.callback(services.terminate)
        assert services.stdout is not None
        config = write_config(folder, json.loads(services.stdout.readline()))
        with Store(folder / "keys.sqlite") as store:
            secret = store.add("soak", budget=1000.0)
        gateway = stack.enter_context(
            subprocess.Popen(
                [*command, "--gateway", str(config)],
                env={**os.environ, "SOAK_KEY": "any"},
                **pipes,
                stderr=subprocess.DEVNULL,
            )
        )
        stack.callback(gateway.terminate)
        assert gateway.stdout is not None
        port = int(gateway.stdout.readline().rpartition(":")[2])
        gateway.stdout.readline()
        clients = Clients(port, secret)
        asyncio.run(clients.ask_until(time.monotonic() + max(5.0, seconds / 10), count))
        first = measure(gateway)
        print("after the warm-up:", first, flush=True)

        async def both() -> None:
            until = time.monotonic() + seconds
            await asyncio.gather(clients.ask_until(until, count), reload_now_and_then(gateway.pid, until))

        asyncio.run(both())
        last = measure(gateway)
        print("at the end:       ", last)
        print("the clients:", dict(clients.outcomes))
        found = faults(first, last, folder, clients)
    for fault in found:
        print(fault, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    main()
