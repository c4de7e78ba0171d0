"""The rows of the benchmark: what is measured, of which contenders, and the targets."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, NamedTuple

WIRES = {"text": "raw text", "ndjson": "NDJSON", "openai": "OpenAI SSE", "anthropic": "Anthropic SSE"}
MODES = {"burst": "64 events an HTTP chunk", "drip": "one event an HTTP chunk", "paced": "one event every 400 us",
         "pieces": "100 bytes an HTTP chunk"}  # fmt: skip
COUNTS = {"burst": 64_000, "drip": 6400, "paced": 1600, "pieces": 3200}
# CPU, times the floor's, in sync and in async; over TLS, too.
TARGETS = {"burst": (2.4, 1.8), "drip": (0.3, 0.32), "paced": (0.55, 0.6)}
TLS_TARGETS = {"paced": (0.7, 0.55)}
KINDS = (("text", "burst"), ("text", "drip"), ("ndjson", "burst"), ("ndjson", "drip"), ("openai", "burst"),
         ("openai", "drip"), ("openai", "paced"), ("anthropic", "burst"), ("anthropic", "drip"))  # fmt: skip
# The streams of `tests/real_streams.py`, whose events differ in more than their text.
REAL = {
    "~openai": "OpenAI as asked for", "~obfuscated": "OpenAI with obfuscation", "~logprobs": "OpenAI with logprobs",
    "~azure": "Azure", "~mistral": "Mistral with padding", "~reasoning": "DeepSeek's reasoning",
    "~tool": "pieces of a tool call", "~responses": "Responses", "~anthropic": "Anthropic with pings",
    "~gemini": "Gemini with counts", "~ollama": "Ollama with times",
}  # fmt: skip
BOTH = ("floor", "g4flite")
CHAT = ("floor", "g4flite", "openai", "litellm")
EVERYBODY = (*BOTH, "openai", "anthropic", "litellm", "g4f")
OURS = "g4flite"


class Figure(NamedTuple):
    """A figure of a measurement, and how it is shown: as its "value", as the "ratio" to the floor's, or "above" that.

    `targets` are upper bounds, or lower bounds if `least` is true.
    """

    key: str
    section: str
    unit: str
    shown: str
    targets: Mapping[str, float] = {}
    least: bool = False


class Row(NamedTuple):
    """One measurement, made in turns of each contender in `who` by the function `<file>.<name>`.

    It is made only `once` if its figures do not differ from round to round.
    """

    name: str
    measure: str
    who: tuple[str, ...]
    arguments: Mapping[str, Any]
    figures: tuple[Figure, ...]
    once: bool = False


def chunk_rows() -> Iterator[Row]:
    for (kind, mode), (place, driver) in product(KINDS, enumerate(("sync", "async"))):
        who: tuple[str, ...] = BOTH
        # Raw text is not decoded.
        targets = {OURS: 1.15 if (kind, mode) == ("text", "burst") else TARGETS[mode][place]}
        if kind == "openai":
            who = ("floor", "by hand", "g4flite", "openai", "litellm")
        elif kind == "anthropic":
            who = (*BOTH, "anthropic", "litellm")
        yield Row(
            f"{WIRES[kind]}, {MODES[mode]}, {driver}",
            "speed.chunks",
            who,
            {"kind": kind, "mode": mode, "driver": driver, "count": COUNTS[mode]},
            (
                Figure("cpu", "CPU per chunk", "us", "ratio", targets),
                *[Figure("rate", "Chunks a second", "1/s", "value")] * (mode != "paced"),
            ),
        )


def real_rows() -> Iterator[Row]:
    """Yield the rows of realistic streams, and those over TLS."""
    wanted = [(kind, name, mode, "http") for kind, name in REAL.items() for mode in ("burst", "drip")]
    wanted += [("~openai", REAL["~openai"], mode, "http") for mode in ("paced", "pieces")]
    wanted += [("~openai", f"{REAL['~openai']}, TLS", mode, "https") for mode in ("burst", "drip", "paced")]
    for (kind, name, mode, scheme), (place, driver) in product(wanted, enumerate(("sync", "async"))):
        known = (TARGETS if scheme == "http" else TLS_TARGETS).get(mode)
        targets = {OURS: known[place]} if known else {}
        arguments = {"kind": kind, "mode": mode, "driver": driver, "count": COUNTS[mode], "scheme": scheme}
        figures = (Figure("cpu", "CPU per event of real streams", "us", "ratio", targets),)
        yield Row(f"{name}, {MODES[mode]}, {driver}", "speed.chunks", BOTH, arguments, figures)


def other_rows() -> Iterator[Row]:
    many = "Many at once, CPU per chunk"
    for driver in "sync", "async":
        figures = (
            Figure("cpu", "One call", "us", "ratio", {OURS: 0.98}),
            Figure("first", "Time to first chunk", "ms", "ratio"),
        )
        yield Row(f"warm call of one event, {driver}", "speed.calls", CHAT, {"driver": driver, "count": 400}, figures)
    yield Row("500 streams on one loop", "speed.crowd", CHAT, {"streams": 500, "count": 40}, (
        Figure("cpu", many, "us", "ratio", {OURS: 0.65}),
        Figure("complete", "Complete of 500", "", "value", {OURS: 500}, least=True),
    ))  # fmt: skip
    yield Row("2,000 streams on one loop", "speed.crowd", BOTH, {"streams": 2000, "count": 5}, (
        Figure("cpu", many, "us", "ratio", {OURS: 0.6}),
        Figure("complete", "Complete of 2,000", "", "value", {OURS: 2000}, least=True),
    ))  # fmt: skip
    figure = Figure("cpu", many, "us", "ratio", {OURS: 1.0})
    yield Row("64 threads", "speed.threads", CHAT[:3], {"streams": 64, "count": 400}, (figure,))
    yield Row("import", "start.imported", EVERYBODY, {}, (
        Figure("taken", "Import", "ms", "value", {OURS: 15}),
        Figure("modules", "Modules imported", "", "value"),
    ))  # fmt: skip
    for scheme, target in ("http", 0.78), ("https", 1.05):
        figure = Figure("taken", "Time to first chunk", "ms", "ratio", {OURS: target})
        yield Row(f"fresh process, {scheme}", "start.first_chunk", CHAT, {"scheme": scheme}, (figure,))
    figure = Figure("extra", "One call", "ms", "value", {OURS: 1})
    yield Row("client for one call, above a live one", "start.one_shot", CHAT[:3], {"count": 50}, (figure,))
    for traced in True, False:
        how, target = ("allocated", {OURS: 5}) if traced else ("resident", {})
        figure = Figure("held", "Memory", "KiB", "above" if traced else "value", target)
        who = BOTH if traced else (*BOTH, "openai")
        arguments = {"streams": 500, "traced": traced}
        yield Row(f"open stream, {how}", "memory.open_streams", who, arguments, (figure,), once=traced)
    for kind in "text", "openai":
        figure = Figure("peak", "Memory", "MiB", "value", {OURS: 32})
        yield Row(f"{WIRES[kind]} of 64 MiB, above its text", "memory.long_reply", BOTH, {"kind": kind, "size": 64},
                  (figure,))  # fmt: skip
    for kind in "ndjson", "openai":
        figure = Figure("times", "Inside", "", "value", {OURS: 2})
        name = f"{WIRES[kind]}, 1 MiB line in pieces of 100 bytes, to whole"
        yield Row(name, "inside.linear", (OURS,), {"kind": kind}, (figure,))
    figure = Figure("late", "A timer of 100 ms, late by at most", "ms", "value", {OURS: 250})
    for timer, over in ("idle", "a reply that falls silent"), ("connect", "a TLS handshake that is never answered"):
        for driver in "sync", "async":
            arguments = {"timer": timer, "driver": driver, "count": 20}
            yield Row(f"{over}, {driver}", "late.timers", (OURS,), arguments, (figure,))
    yield Row("installed", "start.installed", EVERYBODY, {}, (
        Figure("distributions", "Distributions installed", "", "value"),
        Figure("size", "Installed", "MB", "value"),
    ), once=True)  # fmt: skip


ROWS = (*chunk_rows(), *real_rows(), *other_rows())
