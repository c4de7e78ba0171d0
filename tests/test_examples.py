"""Every example runs as it stands, in a process of its own, and prints what it is for."""

import subprocess
import sys
from pathlib import Path

import pytest

from g4flite.emulator import Emulator
from tests.conftest import bare_environment

pytestmark = pytest.mark.heavy

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
LOCAL = ("OLLAMA", "LLAMACPP", "LMSTUDIO", "VLLM")
NOBODY = {f"G4FLITE_{name}_BASE_URL": "http://127.0.0.1:9/v1" for name in LOCAL}  # no server of the machine's is asked
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
    "local": ["llamacpp at http://127.0.0.1:", ", model emulated:\nYou said: In one", "[stop, 10 tokens counted]"],
    "demo": [
        f"{name:<9} {loop}  You said: Hello! Can you stream"
        for name in ("cromicle", "free2gpt", "gprochat", "flowgpt")
        for loop in ("for      ", "async for")
    ],
}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(path: Path, server: Emulator) -> None:
    server.keys = False
    environment = {**bare_environment(), "NO_PROXY": "127.0.0.1"}
    environment |= NOBODY | {"G4FLITE_LLAMACPP_BASE_URL": f"{server.url}/v1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path)], capture_output=True, text=True, timeout=30, env=environment
    )
    assert (done.returncode, done.stderr) == (0, "")
    for text in PRINTS[path.stem]:
        assert text in done.stdout


def test_the_local_demo_says_what_to_start() -> None:
    path = Path(__file__).parents[1] / "examples" / "local.py"
    environment = bare_environment() | NOBODY
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=30, env=environment)
    assert (done.returncode, done.stderr) == (1, "")
    assert "No local server is running." in done.stdout
    assert "ollama serve" in done.stdout


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_short(path: Path) -> None:
    assert 5 <= len(path.read_text().splitlines()) <= 35
