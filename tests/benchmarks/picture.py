"""Draw the CPU per chunk of each contender, times the floor's, from the file that `run.py --json` has written.

    python -m tests.benchmarks.picture tests/benchmarks/results.json tests/benchmarks/benchmark.svg

The same figures give the same bytes.
"""

import json
import sys
from pathlib import Path
from typing import Any

from tests.benchmarks import table
from tests.benchmarks.rows import MODES, WIRES

BARS = {"g4flite": "#0b6e4f", "openai": "#7a8ca3", "anthropic": "#c08457", "litellm": "#3d405b"}
GROUPS = [("openai", "burst"), ("openai", "drip"), ("openai", "paced"), ("anthropic", "burst"), ("anthropic", "drip")]
STYLE = {"svg.hashsalt": "g4flite", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9}


def bars(entries: list[table.Entry], driver: str) -> list[tuple[str, list[tuple[str, float]]]]:
    """Return the groups of one driver, each with the ratio of each contender that was measured."""
    by_name = {entry["row"]: entry for entry in entries if entry["section"] == "CPU per chunk"}
    groups = []
    for kind, mode in GROUPS:
        entry = by_name.get(f"{WIRES[kind]}, {MODES[mode]}, {driver}")
        if entry is not None:
            taken = [(who, ratio) for who in BARS if (ratio := table.figure(entry, who)) is not None]
            groups.append((f"{WIRES[kind]}\n{MODES[mode]}", taken))
    return groups


def draw(entries: list[table.Entry], target: Path) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    with mpl.rc_context(STYLE):
        picture, axes = pyplot.subplots(1, 2, figsize=(10, 5), sharex=True, sharey=True, layout="constrained")
        for ax, driver in zip(axes, ("sync", "async"), strict=True):
            panel(ax, driver, bars(entries, driver))
        picture.suptitle("CPU per chunk, times that of httpx's bare iter_raw (log scale, shorter is better)")
        handles = [pyplot.Rectangle((0, 0), 1, 1, color=colour) for colour in BARS.values()]
        picture.legend(handles, BARS, loc="outside lower center", ncols=len(BARS), frameon=False)
        picture.savefig(target, format="svg", metadata={"Date": None})


def panel(ax: Any, driver: str, groups: list[tuple[str, list[tuple[str, float]]]]) -> None:
    y, ticks = 0.0, []
    for name, taken in groups:
        ticks.append((y + (len(taken) - 1) / 2, name))
        for who, ratio in taken:
            ax.barh(y, ratio, height=0.85, color=BARS[who])
            ax.text(ratio * 1.08, y, table.number(ratio), va="center", fontsize=8)
            y += 1
        y += 0.8
    ax.set_title(driver)
    ax.set_xscale("log")
    ax.set_xlim(0.5, 5000)
    ax.axvline(1, color="black", linewidth=0.8)
    ax.set_yticks([place for place, _ in ticks], [name for _, name in ticks])
    ax.tick_params(axis="y", length=0)
    ax.set_xticks([1, 10, 100, 1000], ["1", "10", "100", "1000"])
    ax.minorticks_off()
    ax.spines[["top", "right"]].set_visible(False)
    if not ax.yaxis_inverted():
        ax.invert_yaxis()


def main() -> None:
    source, target = map(Path, sys.argv[1:])
    draw(json.loads(source.read_text())["entries"], target)


if __name__ == "__main__":
    main()
