"""The programs of the README and of the guides: found in the page, and run as they stand, against an emulator.

A reader runs a program with keys and servers of their own, or by the recipe of the index, against the command
`emulate`.  Here `environment` follows that recipe, and the emulator calls tools, as the command does.
"""

import re
from pathlib import Path
from typing import NamedTuple

from g4flite.testing import Emulator

ROOT = Path(__file__).parents[1]
GUIDES = ROOT / "examples" / "guides"


class Block(NamedTuple):
    """A program of a page: the line of its first line in the page, its code, and the output that the page shows."""

    line: int
    code: str
    output: str | None


def blocks(path: Path) -> list[Block]:
    """Return the Python programs of a page, in order."""
    text = path.read_text()
    form = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```$)?", re.DOTALL | re.MULTILINE)
    return [Block(text.count("\n", 0, found.start(1)) + 1, found[1], found[2]) for found in form.finditer(text)]


def environment(server: Emulator) -> dict[str, str]:
    """Return the variables of the recipe in the index, which point programs at the emulator."""
    recipe = re.findall(
        r"(\w+)=(\S+)", " ".join(re.findall(r"^    export (.*)", (GUIDES / "index.md").read_text(), re.M))
    )
    return {name: value.replace("http://127.0.0.1:8765", server.url) for name, value in recipe} | {
        "NO_PROXY": "127.0.0.1"
    }
