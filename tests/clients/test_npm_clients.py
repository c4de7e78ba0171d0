"""Clients from npm read the emulator: text, a tool call and usage; `npm/read.mjs` has a reader for each."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from g4flite.testing import Emulator, Script, ToolCall, Usage

CLIENTS = """
    openai, openai responses, anthropic, gemini, ollama, cohere, ai openai, ai openai responses, ai anthropic,
    ai google, ai cohere, ai mistral, ai groq, ai openai-compatible
"""
# Clients of services with habits of their own.
DIALECTS = {"ai mistral": "mistral", "ai groq": "groq"}
REPLY = ["I will ", "look: Grüße", ToolCall("", "weather", '{"city": "Tromsø"}'), Usage(1000, 50)]
EXPECTED = {"text": "I will look: Grüße", "calls": [["weather", {"city": "Tromsø"}]], "usage": [1000, 50]}
# Where `tests/installs.py` puts the clients, and where it says why it could not.
INSTALLED = Path(sys.prefix, "npm")
REASON = Path(sys.prefix, "not-installed", "npm-clients")


@pytest.fixture(scope="module")
def program() -> list[str | Path]:
    """Return the command that reads.  The program stands beside the clients, because Node looks for them there."""
    if REASON.exists():
        pytest.skip(f"the clients from npm could not be installed: {REASON.read_text()}")
    node = shutil.which("node")
    assert node
    return [node, shutil.copy(Path(__file__).parent / "npm" / "read.mjs", INSTALLED)]


@pytest.mark.parametrize("client", [name.strip() for name in CLIENTS.split(",")])
def test_a_client_reads_text_a_tool_call_and_usage(client: str, program: list[str | Path]) -> None:
    with Emulator(lambda _: REPLY) as e:
        e.script = Script(dialect=DIALECTS.get(client))
        done = subprocess.run([*program, client, e.url], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        # The AI SDK may say something before.
        answer: Any = json.loads(done.stdout.splitlines()[-1])
        assert answer == EXPECTED
        exchange = e.exchanges[-1]
        assert (exchange.problem, exchange.messages[-1]["content"]) == (None, "Is it sunny?")
