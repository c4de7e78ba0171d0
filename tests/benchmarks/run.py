"""CPU per chunk, sync and async, beside the floor: httpx's bare `iter_raw` of the same driver, which parses nothing.

    python tests/benchmarks/run.py [--rounds 5] [--json FILE]

Each figure is taken in a process of its own, floor and g4flite in turns; the table shows the median of the rounds, as
microseconds of the floor and as the ratio of g4flite to it.  Not a test: nothing here asserts a time.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PROVIDERS = {"text": "cromicle", "ndjson": "flowgpt", "openai": "openai", "anthropic": "anthropic"}
CHUNKS = {"drip": 6400, "burst": 64_000, "paced": 1600}
ROWS = [(kind, mode) for kind in PROVIDERS for mode in ("burst", "drip")] + [("openai", "paced")]


def measure(driver: str, who: str, url: str, kind: str) -> float:
    """Seconds of CPU for one reply, after a short one that warms everything up."""
    import httpx

    import g4flite

    model = {"model": "m", "api_key": "sk-bench-1"} if kind in ("openai", "anthropic") else {}

    def stream(address: str, client: Any) -> Any:
        return g4flite.stream(PROVIDERS[kind], "Hi", base_url=address, client=client, **model)

    def read(client: httpx.Client, address: str) -> None:
        if who == "floor":
            with client.stream("POST", address, json={"prompt": "Hi"}) as response:
                for _ in response.iter_raw():
                    pass
        else:
            for _ in stream(address, client):
                pass

    async def aread(client: httpx.AsyncClient, address: str) -> None:
        if who == "floor":
            async with client.stream("POST", address, json={"prompt": "Hi"}) as response:
                async for _ in response.aiter_raw():
                    pass
        else:
            async with stream(address, client) as chunks:
                async for _ in chunks:
                    pass

    def timed() -> float:
        with httpx.Client() as client:
            read(client, url.rpartition("/")[0] + "/64")
            began = time.process_time()
            read(client, url)
            return time.process_time() - began

    async def atimed() -> float:
        async with httpx.AsyncClient() as client:
            await aread(client, url.rpartition("/")[0] + "/64")
            began = time.process_time()
            await aread(client, url)
            return time.process_time() - began

    return timed() if driver == "sync" else asyncio.run(atimed())


def run(driver: str, who: str, url: str, kind: str) -> float:
    """`measure` in a fresh process."""
    command = [sys.executable, __file__, "--measure", driver, who, url, kind]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures there as well")
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(measure(*arguments.measure))
        return
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("server.py"))], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert server.stdout is not None
    port, figures = int(server.stdout.readline()), []
    print(f"{'wire':<18}{'driver':<8}{'floor, us a chunk':>18}{'g4flite':>10}{'ratio':>8}")
    try:
        for kind, mode in ROWS:
            for driver in ("sync", "async"):
                url, times = f"http://127.0.0.1:{port}/{kind}/{mode}/{CHUNKS[mode]}", {"floor": [], "g4flite": []}
                for _ in range(arguments.rounds):
                    for who, taken in times.items():
                        taken.append(run(driver, who, url, kind) / CHUNKS[mode] * 1e6)
                floor, ours = (statistics.median(taken) for taken in times.values())
                figures.append({"kind": kind, "mode": mode, "driver": driver, "floor_us": floor, "g4flite_us": ours,
                                "ratio": ours / floor})  # fmt: skip
                print(f"{kind + ', ' + mode:<18}{driver:<8}{floor:>18.2f}{ours:>10.2f}{ours / floor:>8.2f}", flush=True)
    finally:
        server.kill()
        server.wait()
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
