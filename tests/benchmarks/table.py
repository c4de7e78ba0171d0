"""The figures as a table: medians of the rounds; each round is compared with the floor's, which came just before."""

from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any

COLUMNS = ("by hand", "g4flite", "openai", "anthropic", "litellm", "g4f")
# Its keys: row, section, unit, shown, least, targets (by contender), values (by contender and round).
Entry = Mapping[str, Any]


def figure(entry: Entry, who: str) -> float | None:
    """Return the median of the values, of their ratios to the floor's, or of their differences from the floor's."""
    if not (values := entry["values"].get(who)):
        return None
    if entry["shown"] == "value":
        return median(values)
    if not (bare := entry["values"].get("floor")):
        return None
    if entry["shown"] == "ratio":
        return ratio(values, bare)
    return median(value - least for value, least in zip(values, bare, strict=False))


def ratio(values: Iterable[float], bare: Iterable[float]) -> float:
    """Return the median of the rounds' ratios: a machine that is slow for a while is slow for both."""
    return median(value / least for value, least in zip(values, bare, strict=False))


def number(value: float | None) -> str:
    """Return a number with three digits that count, and a whole number without a point."""
    if value is None:
        return "-"
    return (
        f"{value:,.0f}"
        if abs(value) >= 100 or value == int(value)
        else f"{value:.1f}"
        if abs(value) >= 10
        else f"{value:.2f}"
    )


def verdict(entry: Entry) -> str:
    """Return the targets, and which of them are missed."""
    said = []
    for who, target in entry["targets"].items():
        found = figure(entry, who)
        met = found is not None and (found >= target if entry["least"] else found <= target)
        name = "" if who == "g4flite" else f" ({who})"
        said.append(f"target {target:g}{name}{'' if met else ' not measured' if found is None else ' MISSED'}")
    return ", ".join(said)


def floor(entry: Entry) -> str:
    values = entry["values"].get("floor")
    # The title has the unit of a value.
    unit = entry["unit"] if entry["shown"] != "value" else ""
    return f"{number(median(values))} {unit}".strip() if values else "-"


def title(entry: Entry) -> str:
    units = {"ratio": "times httpx's", "above": f"{entry['unit']} above httpx's", "value": entry["unit"]}
    unit = units[entry["shown"]]
    return f"{entry['section']} ({unit})" if unit else entry["section"]


def sections(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Return the entries by the title of their section, in the order of each section's first entry."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(title(entry), []).append(entry)
    return found


def text(entries: Iterable[Entry]) -> str:
    """Return the table for a terminal."""
    lines = []
    for name, rows in sections(entries).items():
        heads = ["floor", *COLUMNS]
        lines.append(f"\n{name:<58}" + "".join(f"{head.split('[')[-1].strip(']'):>10}" for head in heads))
        for row in rows:
            cells = [floor(row), *(number(figure(row, who)) for who in COLUMNS)]
            lines.append(f"{row['row']:<58}" + "".join(f"{cell:>10}" for cell in cells) + f"  {verdict(row)}")
    return "\n".join(line.rstrip() for line in lines)
