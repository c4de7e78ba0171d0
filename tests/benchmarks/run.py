"""Measure g4flite beside the floor, httpx's bare `iter_raw`, which parses nothing, and beside other SDKs.

    python -m tests.benchmarks.run [--only PATTERN] [--quick] [--rounds 5] [--json FILE]

Each figure is taken in a process of its own, the contenders in turns, round after round; the table shows the medians.
The processes run in two virtualenvs, which `make bench` and `make bench-peers` make: .venv-bench holds g4flite and what
it needs, .venv-peers the other SDKs, which are left out if it is missing.  This is not a test: nothing asserts a time.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tests.benchmarks import table
from tests.benchmarks.contenders import PEERS
from tests.benchmarks.rows import ROWS, Row

ROOT = Path(__file__).parents[2]
PYTHON, PEERS_PYTHON = ROOT / ".venv-bench/bin/python", ROOT / ".venv-peers/bin/python"
OFFLINE = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False", "HF_HUB_OFFLINE": "1"}
# Seconds for one measurement.
PATIENCE = 600
# The openai SDK is to take at least so many times g4flite's CPU.
TIMES = {"burst": 20, "drip": 8}


@contextmanager
def certificate() -> Iterator[list[str]]:
    """Give the server's certificate, which every process trusts from now on, or nothing without trustme."""
    try:
        import certifi
        import trustme
    except ImportError:
        yield []
        return
    with tempfile.TemporaryDirectory() as folder:
        authority, bundle, chain = trustme.CA(), Path(folder, "bundle.pem"), Path(folder, "server.pem")
        # The bundle is as long as the usual one, as reading it takes time.
        bundle.write_bytes(Path(certifi.where()).read_bytes() + authority.cert_pem.bytes())
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(chain))
        OFFLINE["SSL_CERT_FILE"] = str(bundle)
        yield [str(chain)]


@contextmanager
def serving(chain: list[str]) -> Iterator[dict[str, str]]:
    """Start a server in a process of its own, and give its URLs by scheme."""
    command = [sys.executable, "-m", "tests.benchmarks.server", *chain]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert server.stdout is not None
    try:
        yield {
            scheme: f"{scheme}://127.0.0.1:{int(server.stdout.readline())}"
            for scheme in ("http", "https")[: 1 + len(chain)]
        }
    finally:
        server.kill()
        server.communicate()


def measured(row: Row, who: str, roots: dict[str, str], *, quick: bool) -> dict[str, Any]:
    """Return the figures of one process, or `{"skipped": why}`."""
    arguments = dict(row.arguments)
    if "count" in arguments:
        # A tenth of the chunks is enough for the other SDKs, which take long.
        share = 10 if who in PEERS and "streams" not in arguments else 1
        arguments["count"] = max(arguments["count"] // share // (2 if quick else 1), 5)
    command = [PEERS_PYTHON if who in PEERS else PYTHON, "-m", "tests.benchmarks.measure", row.measure, who]
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ} | OFFLINE
    try:
        done = subprocess.run(
            [*command, json.dumps(roots), json.dumps(arguments)],
            capture_output=True, text=True, timeout=PATIENCE, cwd=ROOT, env=environment,
        )  # fmt: skip
        return json.loads(done.stdout.splitlines()[-1]) if not done.returncode else {"skipped": last(done.stderr)}
    except subprocess.TimeoutExpired:
        return {"skipped": f"not done after {PATIENCE} s"}


def last(text: str) -> str:
    return (text.strip().splitlines() or ["no word of why"])[-1][:300]


def take(row: Row, chain: list[str], rounds: int, *, peers: bool, quick: bool) -> tuple[list[dict[str, Any]], set[str]]:
    """Return the entries of one row, and notes of what was left out."""
    taking = [who for who in row.who if peers or who not in PEERS]
    values: dict[str, dict[str, list[float]]] = {figure.key: {who: [] for who in taking} for figure in row.figures}
    notes = set()
    with serving(chain) as roots:
        for _ in range(1 if row.once else rounds):
            for who in list(taking):
                found = measured(row, who, roots, quick=quick)
                if "skipped" in found:
                    notes.add(f"{row.name}: {who} is left out: {found['skipped']}")
                    taking.remove(who)
                    continue
                for key in values:
                    values[key][who].append(found[key])
    return [
        {"row": row.name, "section": figure.section, "unit": figure.unit, "shown": figure.shown, "least": figure.least,
         "targets": dict(figure.targets), "values": {who: taken for who, taken in values[figure.key].items() if taken}}
        for figure in row.figures
    ], notes  # fmt: skip


def against_openai(row: Row, entry: table.Entry) -> Iterator[table.Entry]:
    """Yield the openai SDK's CPU as a multiple of g4flite's, if both were measured."""
    least, values = TIMES.get(row.arguments.get("mode", "")), entry["values"]
    if least and row.measure == "speed.chunks" and {"openai", "g4flite"} <= values.keys() and entry["unit"] == "us":
        times = table.ratio(values["openai"], values["g4flite"])
        yield {"row": row.name, "section": "CPU of the openai SDK (times g4flite's)", "unit": "", "shown": "value",
               "least": True, "targets": {"g4flite": least}, "values": {"g4flite": [times]}}  # fmt: skip


def versions() -> dict[str, str]:
    """Return the contenders' versions."""
    code = "import importlib.metadata as m, sys; print(*[f'{n}={m.version(n)}' for n in sys.argv[1:]])"
    found = {}
    for python, names in (PYTHON, ["httpx", "anyio"]), (PEERS_PYTHON, [*PEERS]):
        if python.exists():
            done = subprocess.run([python, "-c", code, *names], capture_output=True, text=True, check=True)
            found |= dict(pair.split("=") for pair in done.stdout.split())
    return found


def conditions(rounds: int, *, quick: bool) -> dict[str, Any]:
    """Return where and how the figures were taken."""
    return {
        "date": f"{datetime.now(timezone.utc):%Y-%m-%d}", "python": platform.python_version(),
        "system": platform.system(), "machine": platform.machine(), "cores": os.cpu_count(),
        "rounds": rounds, "quick": quick, "versions": versions(),
    }  # fmt: skip


def run(rows: Iterable[Row], rounds: int, *, peers: bool, quick: bool) -> list[table.Entry]:
    """Return the entries of all rows, and say on standard error how far the run is and what was left out."""
    entries: list[table.Entry] = []
    wanted = list(rows)
    with certificate() as chain:
        for number, row in enumerate(wanted, 1):
            print(f"{number}/{len(wanted)} {row.name}", end="", file=sys.stderr, flush=True)
            began = time.monotonic()
            taken, notes = take(row, chain, rounds, peers=peers, quick=quick)
            print(f", {time.monotonic() - began:.0f} s", file=sys.stderr)
            for entry in taken:
                entries += [entry, *against_openai(row, entry)]
            for note in sorted(notes):
                print(f"  {note}", file=sys.stderr, flush=True)
    return entries


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="PATTERN", default="", help="the rows whose name this expression is found in")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="half of the chunks, and two rounds at most")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures there as well")
    arguments = parser.parse_args()
    if not PYTHON.exists():
        parser.error("there is no .venv-bench; make it with: make .venv-bench/core")
    if not (peers := PEERS_PYTHON.exists()):
        print("other SDKs are left out; install them with: make bench-peers", file=sys.stderr)
    rows = [row for row in ROWS if re.search(arguments.only, row.name)]
    rounds = min(arguments.rounds, 2) if arguments.quick else arguments.rounds
    entries = run(rows, rounds, peers=peers, quick=arguments.quick)
    print(table.text(entries))
    if arguments.json:
        found = {"conditions": conditions(rounds, quick=arguments.quick), "entries": entries}
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
