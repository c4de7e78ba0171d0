"""Write the figures into the guide on speed and the README, from the file that `run.py --json` has written.

    python -m tests.benchmarks.guide tests/benchmarks/results.json examples/guides/speed.md README.md

They replace the text between two marks: in the guide all figures, in the README those of eight rows.
"""

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.benchmarks import table

BEGIN, END = "<!-- speed: written by make bench -->", "<!-- speed ends -->"
SUMMARY_BEGIN, SUMMARY_END = "<!-- figures: written by make bench -->", "<!-- figures end -->"
# The rows of the README: what is said of a row, and the section and the row of its figures.
SUMMARY = (
    ("installed distributions", "Distributions installed", "installed"),
    ("installed, MB", "Installed", "installed"),
    ("import, ms", "Import", "import"),
    ("first text of a fresh interpreter", "Time to first chunk", "fresh process, http"),
    ("first text of a further call", "Time to first chunk", "warm call of one event"),
    ("CPU per chunk, one every 400 us", "CPU per chunk", "OpenAI SSE, one event every 400 us"),
    ("CPU per chunk, 500 streams in one event loop", "Many at once, CPU per chunk", "500 streams on one loop"),
)
SUMMARY_COLUMNS = ("g4flite", "openai", "litellm", "g4f")
# What `claims.py` shows.
CUT = ("an error", "no error", "an error", "not run")
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


def summary(results: dict[str, Any]) -> str:
    """Return the table of the README, with one line for sync and async."""
    versions = results["conditions"]["versions"]
    heads = [who if who == "g4flite" else f"{who} {versions.get(who, '')}".strip() for who in SUMMARY_COLUMNS]
    lines = [f"| | {' | '.join(heads)} |", "| --- " * (len(heads) + 1) + "|"]
    lines.append(f"| a reply that stops before its end | {' | '.join(CUT)} |")
    for name, section, row in SUMMARY:
        pair = merged(entry for entry in results["entries"] if entry["section"] == section).get(row, [])
        cells = [joined(table.number(table.figure(entry, who)) for entry in pair) for who in SUMMARY_COLUMNS]
        drivers = ", `for` / `async for`" if len(pair) > 1 else ""
        times = " (times httpx's)" if pair and pair[0]["shown"] == "ratio" else ""
        lines.append(f"| {name}{drivers}{times} | {' | '.join(re.sub('^-$', 'not run', cell) for cell in cells)} |")
    return "\n".join(lines)


def placed(page: str, begin: str, end: str, text: str) -> str:
    """Return the page with the text between its marks, or raise `ValueError` if a mark is missing."""
    before, has_begin, rest = page.partition(begin)
    _, has_end, after = rest.partition(end)
    if not (has_begin and has_end):
        raise ValueError(f"the page lacks the marks {begin} and {end}")
    return f"{before}{begin}\n{text}\n{end}{after}"


def speed(results: dict[str, Any]) -> str:
    """Return what stands between the marks of the guide on speed."""
    return f"{caption(results['conditions'])}\n\n{markdown(results['entries'])}"


def main() -> None:
    source, page, readme = map(Path, sys.argv[1:])
    results = json.loads(source.read_text())
    page.write_text(placed(page.read_text(), BEGIN, END, speed(results)))
    readme.write_text(placed(readme.read_text(), SUMMARY_BEGIN, SUMMARY_END, summary(results)))


if __name__ == "__main__":
    main()
