"""The process of one measurement.

    python -m tests.benchmarks.measure speed.chunks floor '{"http": "http://127.0.0.1:8000"}' '{"kind": "openai", ...}'

It prints the figures as JSON, or `{"skipped": why}`.
"""

import json
import sys
from importlib import import_module

from tests.benchmarks.contenders import Skipped


def main() -> None:
    module, _, name = sys.argv[1].partition(".")
    roots, arguments = map(json.loads, sys.argv[3:])
    try:
        figures = getattr(import_module(f"tests.benchmarks.{module}"), name)(sys.argv[2], roots, **arguments)
    except Skipped as reason:
        figures = {"skipped": str(reason)}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
