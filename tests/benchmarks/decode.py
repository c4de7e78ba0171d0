"""Measure what decoding costs without a socket: microseconds an event, for realistic streams of every protocol.

    python -m tests.benchmarks.decode [--only PATTERN] [--rounds 15] [--plain] [--instructions]

Each stream of `tests/real_streams.py` comes in reads of one event and of 64 events, and OpenAI's in pieces of 100
bytes, too.  A figure is the least of many rounds, in which all streams take turns; each round has a new parser, so that
a figure includes what the parser learns.  `--plain` parses each event, and shows what a miss of the fast path costs.

The first line says how long `json.loads` takes for the 285 bytes of an OpenAI event: figures of two machines, or of two
hours of one machine, are compared by it.  `times` is a figure by that time.

`--instructions` counts the instructions of an event by valgrind's cachegrind, which no load of the machine moves.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any
from unittest.mock import patch

from tests.real_streams import STREAMS, Reply

# Events in a read, or bytes in a piece.
READS = {"alone": 1, "of 64": 64, "pieces": -100}
# How often the events of a stream are sent in a round; and in a run that counts instructions, which is 50 times slower.
TIMES, FEW = 4, 1
# The target: microseconds an event, on a machine on which `json.loads` takes `REFERENCE`.
TARGET, GEMINI, REFERENCE = 1.3, 2.3, 3.0
ONCE = (sys.executable, "-m", "tests.benchmarks.decode", "--once")
EVENT = STREAMS["openai"].events[1].removeprefix(b"data: ").replace(b',"usage":null', b"").strip()


def rows(pattern: str) -> list[tuple[str, str]]:
    """Return the stream and the kind of read of each row."""
    made = [(name, read) for name in STREAMS for read in READS if read != "pieces" or name == "openai"]
    return [row for row in made if re.search(pattern, ", ".join(row))]


def cut(events: list[bytes], read: str) -> list[bytes]:
    """Return the events as reads."""
    size = READS[read]
    if size > 0:
        return [b"".join(events[at : at + size]) for at in range(0, len(events), size)]
    data = b"".join(events)
    return [data[at : at - size] for at in range(0, len(data), -size)]


def drained(feed: Callable[[bytes], Iterable[object]], pieces: Iterable[bytes]) -> int:
    """Return how many items the pieces hold."""
    count = 0
    for piece in pieces:
        for _ in feed(piece):
            count += 1
    return count


def taken(reply: Reply, pieces: list[bytes], texts: int) -> float:
    """Return the microseconds an event of one round."""
    from g4flite import providers

    spec = providers.find(reply.provider)
    parser: Any = spec.parser(spec.max_frame)
    # As for a loop over texts.
    if reply.texts_alone:
        parser.for_texts_alone()
    drained(parser.feed, (reply.begin,))
    began = time.thread_time()
    count = drained(parser.feed, pieces)
    seconds = time.thread_time() - began
    drained(parser.feed, (reply.end,))
    list(parser.close())
    assert parser.done
    assert count >= texts - 1, f"{count} items of {texts} texts"
    return seconds / texts * 1e6


def loads() -> float:
    """Return the microseconds that `json.loads` takes for the bytes of an OpenAI event."""
    best = float("inf")
    for _ in range(20):
        began = time.thread_time()
        for _ in range(1000):
            json.loads(EVENT)
        best = min(best, (time.thread_time() - began) * 1e3)
    return best


def measure(pattern: str, rounds: int) -> None:
    streams = {row: (STREAMS[row[0]], cut(STREAMS[row[0]].events * TIMES, row[1])) for row in rows(pattern)}
    best, unit = dict.fromkeys(streams, float("inf")), float("inf")
    for _ in range(rounds):
        unit = min(unit, loads())
        for row, (reply, pieces) in streams.items():
            best[row] = min(best[row], taken(reply, pieces, len(reply.events) * TIMES))
    print(f"json.loads of {len(EVENT)} bytes: {unit:.2f} us{'':19}us an event    times   target here")
    for (name, read), figure in best.items():
        target = (GEMINI if name == "gemini" else TARGET) * unit / REFERENCE
        missed = "" if figure <= target else "MISSED"
        print(f"{name + ', ' + read:<50}{figure:>12.2f}{figure / unit:>9.2f}{target:>14.2f}  {missed}".rstrip())


def instructions(pattern: str) -> None:
    """Print the instructions an event: of a run with all events, less those of a run without."""
    if shutil.which("valgrind") is None:
        sys.exit("valgrind is not installed; apt-get install valgrind")
    # First processes, so that none of the counted ones compiles a module.
    for name in {name for name, _ in rows(pattern)}:
        subprocess.run([*ONCE, name, "alone", "1"], check=True)
    print(f"{'':<50}instructions an event")
    for name, read in rows(pattern):
        runs = [counted(name, read, times) for times in (FEW, 3 * FEW)]
        events = 2 * FEW * len(STREAMS[name].events)
        print(f"{name + ', ' + read:<50}{(runs[1] - runs[0]) / events:>12,.0f}")


def counted(name: str, read: str, times: int) -> int:
    """Return how many instructions a process takes that decodes a stream so many times over."""
    command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    # Else the order of sets differs from process to process.
    own = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        [*command, *ONCE, name, read, str(times)], capture_output=True, text=True, check=True, env=own
    )
    found = re.search(r"I\s+refs:\s+([\d,]+)", done.stderr)
    assert found is not None, done.stderr
    return int(found[1].replace(",", ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="a regular expression of rows, like 'gemini, alone'")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--plain", action="store_true", help="parse each event")
    parser.add_argument("--instructions", action="store_true", help="count instructions by valgrind")
    parser.add_argument("--once", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.once:
        name, read, times = arguments.once
        taken(STREAMS[name], cut(STREAMS[name].events * int(times), read), len(STREAMS[name].events) * int(times))
    elif arguments.instructions:
        instructions(arguments.only)
    elif arguments.plain:
        from g4flite._core.response import repeats

        with patch.object(repeats, "MOST_MISSES", 0):
            measure(arguments.only, arguments.rounds)
    else:
        measure(arguments.only, arguments.rounds)


if __name__ == "__main__":
    main()
