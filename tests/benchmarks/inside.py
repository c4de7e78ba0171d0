"""A measurement of g4flite alone: is its parser linear?"""

import json
import time
from statistics import median

from tests.benchmarks.contenders import PROVIDERS, Figures
from tests.benchmarks.server import chat


def linear(who: str, roots: dict[str, str], kind: str) -> Figures:
    """Return the CPU of a line of 1 MiB in pieces of 100 bytes, as a multiple of the CPU of the whole line."""
    from g4flite import providers

    spec, text = providers.find(PROVIDERS[kind]), "x" * 2**20
    line = chat({"content": text}) if kind == "openai" else json.dumps({"event": "text", "data": text}).encode() + b"\n"

    def fed(size: int) -> float:
        pieces = [line[start : start + size] for start in range(0, len(line), size)]
        parser, began = spec.parser(spec.max_frame), time.process_time()
        for piece in pieces:
            for _ in parser.feed(piece):
                pass
        return time.process_time() - began

    return {"times": median(fed(100) for _ in range(20)) / median(fed(len(line)) for _ in range(20))}
