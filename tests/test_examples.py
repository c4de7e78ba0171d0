"""Every example runs as it stands, in a process of its own, and prints what it is for."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import bare_environment

pytestmark = pytest.mark.heavy

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
PRINTS = {
    "cromicle": ["You said: System: Be brief.\nUser: Which is the largest ocean?\nAssistant:"],
    "free2gpt": ["You said: Which is the largest ocean?"],
    "gprochat": ["You said: System: Be brief.\nUser: Which is the largest ocean?\nAssistant:"],
    "flowgpt": ["You said: Which is the largest ocean?"],
    "sync_loop": [
        "You said: How are you?   [cromicle, gpt-3.5-turbo, 22 characters]",
        "ModelNotFoundError: cromicle: ",
    ],
    "async_asyncio": ["['You said: Question 1', 'You said: Question 2', 'You said: Question 3']", "closed, 3 char"],
    "async_trio": ["[out of time: "],
    "custom_provider": ["Acme says hello."],
    "demo": [
        f"{name:<9} {loop}  You said: Hello! Can you stream"
        for name in ("cromicle", "free2gpt", "gprochat", "flowgpt")
        for loop in ("for      ", "async for")
    ],
}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(path: Path) -> None:
    environment = {**bare_environment(), "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path)], capture_output=True, text=True, timeout=30, env=environment
    )
    assert (done.returncode, done.stderr) == (0, "")
    for text in PRINTS[path.stem]:
        assert text in done.stdout


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_short(path: Path) -> None:
    assert 5 <= len(path.read_text().splitlines()) <= 35
