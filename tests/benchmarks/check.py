"""Compare the ratios of a short run with those of baseline.json: does anything cost far more than before?

    python -m tests.benchmarks.check [--strict]
    python -m tests.benchmarks.check --write    # the ratios in results.json become the baseline, as `make bench` does

Times are not compared.  Each row is printed, and whether it is within its margin.  The exit code is 0; with --strict,
it is 1 if a row is beyond its margin.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Mapping
from itertools import repeat
from pathlib import Path

from tests.benchmarks import run, table
from tests.benchmarks.rows import BOTH, ROWS

BASELINE, RESULTS = (Path(__file__).with_name(name) for name in ("baseline.json", "results.json"))
CHECKED = re.compile(
    "(OpenAI as asked for|Responses|Anthropic with|Gemini|Ollama|Mistral|OpenAI with o).*64 events|TLS, one event an|"
    "(raw text|NDJSON|OpenAI SSE|Anthropic SSE), one event an|(NDJSON|OpenAI SSE|Anthropic SSE), 64 events|"
    "warm call|500 streams|import|fresh process, http$|client for one call|allocated|pieces"
)
# The margin: so many times the baseline's ratio, and a little more.
TIMES, MORE = 1.6, 0.15
ROUNDS = 3


def ratios(entries: Iterable[table.Entry]) -> dict[str, float]:
    """Return what g4flite costs, times the floor; if a row has no floor, its figure is a ratio itself."""
    found = {}
    for entry in entries:
        if not entry["least"] and entry["unit"] != "1/s" and "g4flite" in entry["values"]:
            values = entry["values"]
            found[f"{entry['section']}: {entry['row']}"] = table.ratio(
                values["g4flite"], values.get("floor", repeat(1))
            )
    return found


def compare(found: Mapping[str, float], baseline: Mapping[str, float]) -> tuple[list[str], bool]:
    """Return a line for each row, and whether all rows are within their margins."""
    lines, sound = [], True
    for name, ratio in found.items():
        if name not in baseline:
            lines.append(f"{name:<75}{ratio:>7.2f}  no baseline")
            continue
        most = TIMES * baseline[name] + MORE
        sound = sound and ratio <= most
        word = "within" if ratio <= most else "BEYOND"
        lines.append(f"{name:<75}{ratio:>7.2f}  {word} {most:.2f} (baseline {baseline[name]:.2f})")
    return lines, sound


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a row is beyond its margin")
    parser.add_argument("--write", action="store_true", help="make what `make bench` has measured the baseline")
    arguments = parser.parse_args()
    if arguments.write:
        entries = json.loads(RESULTS.read_text())["entries"]
        kept = ratios(entry for entry in entries if CHECKED.search(entry["row"]))
        BASELINE.write_text(json.dumps({name: round(ratio, 3) for name, ratio in kept.items()}, indent=1) + "\n")
        return
    rows = [row._replace(who=tuple(who for who in row.who if who in BOTH)) for row in ROWS if CHECKED.search(row.name)]
    found = ratios(run.run(rows, ROUNDS, peers=False, quick=True))
    lines, sound = compare(found, json.loads(BASELINE.read_text()))
    print("\n".join(lines))
    sys.exit(arguments.strict and not sound)


if __name__ == "__main__":
    main()
