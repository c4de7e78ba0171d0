"""Write the figures into the guide on speed, from the file that `run.py --json` has written.

    python -m tests.benchmarks.guide tests/benchmarks/results.json examples/guides/speed.md

They replace the text between two marks.
"""

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.benchmarks import table

BEGIN, END = "<!-- speed: written by make bench -->", "<!-- speed ends -->"
# The most rows of a section without a line for its title.
SHORT = 2
LEFT_OUT = ("Chunks a second", "Modules imported", "Inside", "Complete of")


def merged(entries: Iterable[table.Entry]) -> dict[str, list[table.Entry]]:
    """Return the entries of each line of the table: those that differ by their driver alone, sync first."""
    found: dict[str, list[table.Entry]] = {}
    for entry in entries:
        found.setdefault(re.sub(", (a?sync)$", "", entry["row"]), []).append(entry)
    return found


def joined(cells: Iterable[str]) -> str:
    """Return the cells as `5.10 / 4.20`, or a single cell if all are the same."""
    return " / ".join(dict.fromkeys(cells))


def markdown(entries: Iterable[table.Entry]) -> str:
    """Return the table of the guide, with one line for sync and async."""
    shown = [entry for entry in entries if not entry["section"].startswith(LEFT_OUT)]
    columns = [who for who in table.COLUMNS if any(who in entry["values"] for entry in shown)]
    heads = ["", "httpx", *columns, "target"]
    lines = [f"| {' | '.join(heads)} |", "| --- " * len(heads) + "|"]
    for title, rows in table.sections(shown).items():
        found = merged(rows)
        # A guide has at most 100 lines, so that a short section stands in its rows.
        if len(found) > SHORT:
            lines.append(f"| **{title}** |" + " |" * (len(heads) - 1))
        for row, pair in found.items():
            name = row if len(found) > SHORT else f"{title}: {row}"
            drivers = " (sync / async)" if len(pair) > 1 else ""
            cells = [joined(map(table.floor, pair))]
            cells += [joined(table.number(table.figure(entry, who)) for entry in pair) for who in columns]
            cells.append(joined(target(entry) for entry in pair))
            lines.append(f"| {name}{drivers} | {' | '.join(cells)} |")
    return "\n".join(lines)


def target(entry: table.Entry) -> str:
    return "".join(
        f"{'at least ' * entry['least']}{most:g}" for who, most in entry["targets"].items() if who == "g4flite"
    )


def caption(conditions: dict[str, Any]) -> str:
    """Return a sentence that says where and how the figures were taken."""
    versions = ", ".join(f"{name} {version}" for name, version in conditions["versions"].items())
    rounds = conditions["rounds"]
    return (
        f"CPython {conditions['python']}, {conditions['system']} {conditions['machine']}, {conditions['cores']} cores, "
        f"loopback, {conditions['date']}; {versions}; medians of {rounds} round{'s' * (rounds > 1)}"
        f"{' of a quick run' if conditions['quick'] else ''}."
    )


def placed(page: str, results: dict[str, Any]) -> str:
    """Return the guide with the figures between its marks, or raise `ValueError` if a mark is missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the guide lacks the marks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{caption(results['conditions'])}\n\n{markdown(results['entries'])}\n{END}{after}"


def main() -> None:
    source, page = map(Path, sys.argv[1:])
    page.write_text(placed(page.read_text(), json.loads(source.read_text())))


if __name__ == "__main__":
    main()
