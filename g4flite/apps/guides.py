"""Guides and the table of providers, written from the specs and their docstrings: nothing here knows a provider."""

import argparse
import sys
from typing import Any

from .. import providers
from .._core.provider import Provider

TITLE = "How to Use This Code Block"


def guide(provider: str | Provider) -> str:
    """The guide to a provider as Markdown: its description, the engine's steps with its real names, a whole program.

    `provider` is a name, or a spec of one's own, whose docstrings then say what its functions are for.  Raises
    `ProviderNotFoundError`, and what the spec's functions raise of a plain call.
    """
    from .guide_description import description  # noqa: PLC0415 - of use to no other command
    from .guide_example import example  # noqa: PLC0415
    from .guide_steps import steps  # noqa: PLC0415

    spec = providers.find(provider)
    parts = {
        "Description": "\n\n".join(description(spec)),
        "Execution Steps": steps(spec),
        "Usage Example": example(spec),
    }
    return f"# {TITLE}\n" + "".join(f"\n## {part}\n\n{text}\n" for part, text in parts.items())


def table(*, retired: bool | None = None) -> str:
    """The providers as a Markdown table: all of them, those that are retired, or those that are not."""
    from .guide_description import row  # noqa: PLC0415 - of use to no command

    specs = map(providers.find, providers.names())
    rows = [row(spec) for spec in specs if retired in (None, bool(spec.retired))]
    head = [("provider", "wire", "key", "models", "options"), ("---",) * 5]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in [*head, *rows])


def add(commands: Any) -> None:
    """Adds the command `guide`."""
    text = "print how a provider works, step by step, with a program to try"
    command: argparse.ArgumentParser = commands.add_parser(
        "guide", help=text, description=text, epilog=f"example:\n  %(prog)s {providers.names()[0]}"
    )
    command.set_defaults(run=lambda arguments: sys.stdout.write(guide(arguments.provider)))
    command.add_argument("provider", metavar="PROVIDER", help=", ".join(providers.names()))
