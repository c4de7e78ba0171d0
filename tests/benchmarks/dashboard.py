"""Draw what an operator looks at, from what observers were told of streams against an emulator that has bad minutes.

    python -m tests.benchmarks.dashboard --trace tests/benchmarks/traces.json      # run 300 streams, and note them
    python -m tests.benchmarks.dashboard tests/benchmarks/traces.json tests/benchmarks/dashboard.svg

The same traces give the same bytes.
"""

import json
import random
import sys
import time
from pathlib import Path
from typing import Any

import g4flite
from g4flite.testing import Emulator, Script

STREAMS = 300
COLOURS = {"complete": "#0b6e4f", "closed": "#7a8ca3", "failed": "#b23a48"}
STYLE = {"svg.hashsalt": "g4flite", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9}


class Traces:
    """An observer that notes the end of each stream, in plain numbers."""

    def __init__(self) -> None:
        self.began, self.ends = time.monotonic(), list[dict[str, Any]]()
        self.ledger = g4flite.Ledger()

    def end(self, call: g4flite.ObservedCall, end: g4flite.ObservedEnd) -> None:
        self.ledger.end(call, end)
        tokens = self.ledger.total.completion_tokens
        self.ends.append(
            {
                "at": round(time.monotonic() - self.began, 3),
                "state": end.state,
                "first": end.first and round(end.first, 4),
                "attempts": end.attempts,
                "error": type(end.error).__name__ if end.error else None,
                "counted": tokens.counted,
                "estimated": tokens.estimated,
            }
        )


def script(number: int, chance: random.Random) -> Script:
    """Return how the server answers: streams 120 to 180 are a bad time."""
    if 120 <= number < 180 and chance.random() < 0.45:
        return chance.choice([Script(status=429, headers={"retry-after": "0"}), Script(status=503), Script(cut=200)])
    return Script(silence=chance.uniform(0, 0.02) * (4 if 120 <= number < 180 else 1))


def trace() -> list[dict[str, Any]]:
    """Run the streams, and return what was told of each."""
    chance, traces = random.Random(7), Traces()
    retries = g4flite.Retry(times=2, base=0.01, cap=0.02)
    with Emulator() as server, g4flite.Client("ollama", model="m", base_url=server.url, observer=traces) as client:
        for number in range(STREAMS):
            server.script = script(number, chance)
            stream = client.stream("A story. " * 20, retries=retries)
            try:
                for count, _ in enumerate(stream):
                    # One reader of ten leaves early.
                    if number % 10 == 9 and count == 3:
                        break
            except g4flite.G4fliteError:
                pass
    return traces.ends


def draw(ends: list[dict[str, Any]], target: Path) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    with mpl.rc_context(STYLE):
        picture, ((first, states), (attempts, tokens)) = pyplot.subplots(2, 2, figsize=(10, 5.5), layout="constrained")
        known = [(number, end["first"] * 1000) for number, end in enumerate(ends) if end["first"] is not None]
        first.scatter(*zip(*known, strict=True), s=5, color=COLOURS["complete"])
        first.set_title("time to the first text, ms (alert: p95 over 5 minutes)")
        groups = [ends[start : start + 20] for start in range(0, len(ends), 20)]
        bottom = [0] * len(groups)
        for state, colour in COLOURS.items():
            counts = [sum(end["state"] == state for end in group) for group in groups]
            states.bar(range(0, len(ends), 20), counts, 18, bottom, color=colour, label=state, align="edge")
            bottom = [a + b for a, b in zip(bottom, counts, strict=True)]
        states.set_title("how streams end, of 20 (alert: failed above 5 %)")
        states.legend(frameon=False, ncols=3, loc="upper center")
        states.set_ylim(0, 25)
        mean = [sum(end["attempts"] for end in group) / len(group) for group in groups]
        attempts.step(range(0, len(ends), 20), mean, where="post", color=COLOURS["failed"])
        attempts.set_title("attempts for each stream (alert: above 1.2)")
        for mark, colour in (("counted", COLOURS["complete"]), ("estimated", COLOURS["closed"])):
            tokens.plot([end[mark] for end in ends], color=colour, label=mark)
        tokens.set_title("tokens of answers, summed (alert: the budget of the day)")
        tokens.legend(frameon=False)
        for ax in (first, states, attempts, tokens):
            ax.spines[["top", "right"]].set_visible(False)
            ax.set_xlim(0, len(ends))
        for ax in (attempts, tokens):
            ax.set_xlabel("stream")
        picture.savefig(target, format="svg", metadata={"Date": None})


def main() -> None:
    if sys.argv[1] == "--trace":
        lines = ",\n".join(json.dumps(end) for end in trace())
        Path(sys.argv[2]).write_text(f"[{lines}]\n")
    else:
        draw(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))


if __name__ == "__main__":
    main()
