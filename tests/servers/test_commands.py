"""The commands of g4flite and its examples, against llama.cpp's server."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import g4flite
from g4flite.apps.check import report
from g4flite.apps.probe import probe, working

from .conftest import KEY, ROOT

# No server of this machine is asked but the one of the test: nothing listens at port 9.
NOWHERE = {f"G4FLITE_{name}_BASE_URL": "http://127.0.0.1:9/v1" for name in ("OLLAMA", "LMSTUDIO", "VLLM")}


def run(
    *command: str | Path, url: str, text: str | None = None, **variables: str
) -> "subprocess.CompletedProcess[str]":
    """Run a command, in whose environment `url` is that of `llamacpp`."""
    environment = {**os.environ, **NOWHERE, "G4FLITE_LLAMACPP_BASE_URL": f"{url}/v1", "NO_COLOR": "1", **variables}
    return subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=300, cwd=ROOT, env=environment
    )  # fmt: skip


def g4flite_command(*arguments: str, url: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    return run(sys.executable, "-m", "g4flite", *arguments, url=url, **settings)


@pytest.mark.parametrize("name", ["llamacpp", "vllm"])
def test_probe_finds_the_server_and_its_model(llamacpp: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"G4FLITE_{name.upper()}_BASE_URL", f"{llamacpp}/v1")
    (row,) = probe([name])
    assert (row.works, row.whole, row.error) == (True, True, None)
    assert row.response_model == "tiny"
    # `llamacpp` has a default model; the server has one model, whatever it is called.
    assert row.model == ("default" if name == "llamacpp" else "tiny")
    assert g4flite.stream(working([name]), "Is it sunny?").text() == "Sunny."


def test_probe_finds_a_server_that_never_ends_its_answers(endless: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("G4FLITE_LLAMACPP_BASE_URL", f"{endless}/v1")
    (row,) = probe(["llamacpp"])
    assert row.reason == "needs an API key"
    monkeypatch.setenv("LLAMA_API_KEY", KEY)
    (row,) = probe(["llamacpp"])
    assert (row.works, row.whole, row.reason) == (True, False, "")


def test_the_command_probe(llamacpp: str) -> None:
    done = g4flite_command("probe", "llamacpp", url=llamacpp)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1].split()[:2] == ["llamacpp", "works"]


@pytest.mark.parametrize(
    ("name", "path"), [("llamacpp", "/v1"), ("openai", "/v1"), ("openai-responses", "/v1"), ("anthropic", "")]
)
def test_check_finds_no_fault_of_the_server(llamacpp: str, name: str, path: str) -> None:
    findings = report(llamacpp + path, name, model="tiny")
    faults = [finding for finding in findings if finding.verdict == "fail"]
    assert not faults, faults
    assert {"response", "framing", "finish"} <= {finding.name for finding in findings}


def test_the_command_check(llamacpp: str) -> None:
    done = g4flite_command("check", f"{llamacpp}/v1", "--as", "llamacpp", "--json", url=llamacpp)
    assert done.stderr == ""
    verdicts = {finding["name"]: finding["verdict"] for finding in json.loads(done.stdout)}
    assert done.returncode == 0
    assert {*verdicts.values()} <= {"pass", "unknown"}


def test_the_command_chat(llamacpp: str) -> None:
    done = g4flite_command("chat", "llamacpp", url=llamacpp, text="Is it sunny?\nAnd now?\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Sunny.\nSunny.\n"


def test_the_command_stream(llamacpp: str) -> None:
    done = g4flite_command("stream", "llamacpp", "Is it sunny?", url=llamacpp)
    assert (done.returncode, done.stderr, done.stdout.strip()) == (0, "", "Sunny.")


def test_make_demo_local(llamacpp: str) -> None:
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not installed")
    done = run(make, "--no-print-directory", "demo-local", f"VENV={sys.prefix}", url=llamacpp)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"llamacpp at {llamacpp}/v1, model tiny:",
        "Sunny.",
        "[stop, 12 tokens counted]",
    ]
