"""The README: each program runs as it stands, and prints what the README shows."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from g4flite.testing import Emulator, Script
from tests.benchmarks import guide
from tests.blocks import ROOT, Block, blocks, environment
from tests.conftest import SETTINGS, bare_environment

README = ROOT / "README.md"


def test_the_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) <= 180


PROGRAMS = blocks(README)


def test_the_first_program_of_the_readme_runs_in_an_interpreter_of_its_own(server: Emulator, tmp_path: Path) -> None:
    bare = {name: value for name, value in bare_environment().items() if name not in SETTINGS}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAMS[0].code],
        capture_output=True, text=True, timeout=120, cwd=tmp_path,
        env=bare | environment(server) | {"PYTHONPATH": os.fspath(ROOT)},
    )  # fmt: skip
    assert (done.returncode, done.stderr, done.stdout.rstrip()) == (0, "", str(PROGRAMS[0].output).rstrip())


@pytest.mark.parametrize("block", PROGRAMS, ids=lambda block: f"line {block.line}")
def test_a_program_of_the_readme_runs_as_it_stands(
    block: Block, server: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server.script = Script(tools=True)
    monkeypatch.chdir(tmp_path)
    for name, value in environment(server).items():
        monkeypatch.setenv(name, value)
    exec(compile(block.code, f"line {block.line}", "exec"), {"__name__": "__main__"})
    out, complaints = capsys.readouterr()
    assert complaints == ""
    if block.output is not None:
        assert out.rstrip() == block.output.rstrip()


def test_the_line_of_the_founding_four_stands_in_the_readme() -> None:
    assert 'for chunk in g4flite.stream("cromicle", msgs):\n' in README.read_text()


def test_the_table_of_the_readme_has_the_figures_that_were_measured() -> None:
    results = json.loads((ROOT / "tests" / "benchmarks" / "results.json").read_text())
    page = README.read_text()
    assert guide.placed(page, guide.SUMMARY_BEGIN, guide.SUMMARY_END, guide.summary(results)) == page
    assert sum(line.startswith("| ") for line in page.splitlines()) == 2 + 8
    assert "|  |" not in page
