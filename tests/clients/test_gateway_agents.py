"""Programs that ask models, before the gateway: Claude Code, Codex CLI, aider and llm, each as its users start it.

Claude Code, Codex and llm run a tool that the model asks for, and send its result; aider edits a file.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from behind import gateway

from g4flite.testing import ToolCall

# Where `tests/installs.py` puts the programs, and where it says why it could not.
INSTALLED, REASONS = Path(sys.prefix), Path(sys.prefix, "not-installed")
NODE = INSTALLED / "agents" / "node_modules"
CODEX = """
model = "{model}"
model_provider = "own"
[model_providers.own]
name = "own"
base_url = "{url}/v1"
wire_api = "responses"
env_key = "OWN_KEY"
request_max_retries = 0
stream_max_retries = 0
"""
LLM = """
- model_id: own
  model_name: {model}
  api_base: {url}/v1
  api_key_name: own
  supports_tools: true
"""
EDIT = "word.txt\n```\n<<<<<<< SEARCH\nxyzzy\n=======\nplugh\n>>>>>>> REPLACE\n```\n"


class Program(NamedTuple):
    # What has to be installed, and the model that the program asks for; None for the provider's name.
    package: str
    model: str | None
    # The command and its environment, by the gateway's URL, the model and the folder, in which files may be written.
    command: Callable[[str, str, Path], tuple[list[str | Path], dict[str, str]]]
    # What the model says first, by the folder.
    first: Callable[[Path], Any]


def claude(url: str, model: str, folder: Path) -> tuple[list[str | Path], dict[str, str]]:
    settings = {
        "ANTHROPIC_BASE_URL": url, "ANTHROPIC_AUTH_TOKEN": "any", "ANTHROPIC_MODEL": model,
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": model, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }  # fmt: skip
    start = NODE / "@anthropic-ai" / "claude-code" / "cli-wrapper.cjs"
    return ["node", start, "-p", "Please read the word", "--allowedTools", "Read"], settings


def codex(url: str, model: str, folder: Path) -> tuple[list[str | Path], dict[str, str]]:
    (folder / ".codex").mkdir()
    (folder / ".codex" / "config.toml").write_text(CODEX.format(url=url, model=model))
    words = ["exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "Please read the word"]
    settings = {"OWN_KEY": "any", "CODEX_HOME": str(folder / ".codex")}
    return ["node", NODE / "@openai" / "codex" / "bin" / "codex.js", *words], settings


def llm(url: str, model: str, folder: Path) -> tuple[list[str | Path], dict[str, str]]:
    (folder / "extra-openai-models.yaml").write_text(LLM.format(url=url, model=model))
    words = ["-m", "own", "--key", "any", "-T", "llm_version", "Please read the word"]
    return [INSTALLED / "llm" / "bin" / "llm", *words], {"LLM_USER_PATH": str(folder)}


def aider(url: str, model: str, folder: Path) -> tuple[list[str | Path], dict[str, str]]:
    quiet = ["--no-git", "--yes-always", "--no-check-update", "--no-show-model-warnings", "--no-analytics"]
    words = [*quiet, "--edit-format", "diff", "--map-tokens", "0", "--message", "Please change the word", "word.txt"]
    settings = {"OPENAI_API_BASE": f"{url}/v1", "OPENAI_API_KEY": "any", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    return [INSTALLED / "aider" / "bin" / "aider", "--model", f"openai/{model}", *words], settings


def read_word(folder: Path) -> list[Any]:
    return ["Let me look.", ToolCall("call_1", "Read", json.dumps({"file_path": str(folder / "word.txt")}))]


def show_word(folder: Path) -> list[Any]:
    arguments = json.dumps({"cmd": "cat word.txt", "workdir": str(folder)})
    return ["Let me look.", ToolCall("call_1", "exec_command", arguments)]


PROGRAMS = {
    # Of a model that it does not know, Claude Code sends messages of the role system, which the emulator refuses.
    "claude": Program("agents", "claude-sonnet-4-5", claude, read_word),
    "codex": Program("agents", None, codex, show_word),
    "llm": Program("llm", None, llm, lambda _: ToolCall("call_1", "llm_version", "{}")),
    "aider": Program("aider", None, aider, lambda _: EDIT),
}
PAIRS = [
    ("claude", "anthropic"), ("claude", "openai"), ("claude", "gemini"), ("codex", "openai-responses"),
    ("codex", "anthropic"), ("codex", "openai"), ("llm", "openai"), ("llm", "anthropic"), ("aider", "openai"),
    ("aider", "gemini"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "provider"), PAIRS)
def test_a_program_does_its_work(name: str, provider: str, tmp_path: Path) -> None:
    program = PROGRAMS[name]
    if (REASONS / program.package).exists():
        pytest.skip(f"{name} could not be installed: {(REASONS / program.package).read_text()}")
    if program.package == "agents" and shutil.which("node") is None:
        pytest.skip("node is not installed")
    word = tmp_path / "word.txt"
    word.write_text("xyzzy\n")

    def reply(messages: list[dict[str, Any]]) -> Any:
        if messages[-1]["role"] == "tool":
            return f"The tool said: {messages[-1]['content']}"
        # Programs also ask for a title, say.
        return program.first(tmp_path) if "Please" in json.dumps(messages) else "Hello"

    model = program.model or provider
    with gateway(reply, **{model: provider}) as url:
        command, settings = program.command(url, model, tmp_path)
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **settings}
        done = subprocess.run(
            command, cwd=tmp_path, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300
        )
    assert done.returncode == 0, (done.stdout[-2000:], done.stderr[-2000:])
    if name == "aider":
        assert word.read_text() == "plugh\n"
    else:
        assert "The tool said:" in done.stdout
        assert ("0." if name == "llm" else "xyzzy") in done.stdout
