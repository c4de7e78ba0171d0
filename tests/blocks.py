"""The programs of the README and of the guides: found in the page, and run as they stand, against an emulator.

A reader runs a program with keys and servers of their own.  Here `environment` points the variables that g4flite reads
anyway, like OPENAI_BASE_URL, at an emulator.  The emulator says what the page shows below the program.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from g4flite.server.conversation import text_of
from g4flite.testing import Emulator, ToolCall

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
    """Return the variables that point programs at the emulator."""
    keys = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY")
    return dict.fromkeys(keys, "any-key") | {
        "OPENAI_BASE_URL": f"{server.url}/v1",
        "ANTHROPIC_BASE_URL": server.url,
        "G4FLITE_GEMINI_BASE_URL": f"{server.url}/v1beta",
        "OLLAMA_HOST": server.url,
        "NO_PROXY": "127.0.0.1",
    }


def says(block: Block) -> Callable[[Any], Any]:
    """Return a reply function that says the first line of what the page shows.

    If the page shows no output or the emulator's "You said", the function echoes, as the emulator does by itself.  If
    the program has a tool `weather`, the tool is called first, and the last line is said.
    """
    shown = block.output or "You said"

    def reply(messages: Any) -> Any:
        if "weather" in block.code:
            asked = messages[-1]["role"] != "tool"
            return [ToolCall("", "weather", '{"city": "Oslo"}')] if asked else shown.splitlines()[-1]
        return f"You said: {text_of(messages[-1])}" if "You said" in shown else shown.splitlines()[0]

    return reply
