"""The guides that people write: short, complete, and each program runs as it stands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from g4flite import providers
from g4flite.testing import Emulator, Script
from tests.apps.test_guides import prose
from tests.blocks import GUIDES, Block, blocks, environment
from tests.rows import rows

WRITTEN = sorted(path for path in GUIDES.glob("*.md") if path.stem not in providers.names())
# Verbs that do not say what happens.
VAGUE = r"\b(gets?|got|handl\w*|process\w*|perform\w*|deals? with|takes? care)\b"
RECIPE = "Without a key: the emulator answers the programs of this page, by [this recipe](index.md#without-a-key)."
# The program of the page on vendoring has a test of its own; those of `clusters` need Ray, Daft and Dask (`tests/ray`).
PROGRAMS = [
    pytest.param(path, block, id=f"{path.stem}, line {block.line}")
    for path in WRITTEN
    if path.stem not in ("clusters", "vendoring")
    for block in blocks(path)
]


def written(path: Path) -> str:
    """Return a page without its generated parts, which stand between two comments."""
    return re.sub(r"<!-- .*? -->.*?<!-- .*? -->", "", path.read_text(), flags=re.DOTALL)


@rows("path", WRITTEN)
def test_a_guide_takes_two_screens(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) <= 100
    assert lines[0].startswith("# ")
    wide = [line for line in written(path).splitlines() if len(line) > 120 and not line.startswith("|")]
    assert wide == []


@rows("path", WRITTEN)
def test_a_guide_says_precisely_what_happens(path: Path) -> None:
    assert re.findall(VAGUE, prose(written(path)), re.IGNORECASE) == []


def test_the_index_names_every_guide_and_the_page_of_providers_every_provider() -> None:
    def linked(page: str) -> set[str]:
        return {*re.findall(r"\]\(([\w-]+)\.md\)", (GUIDES / page).read_text())}

    assert linked("index.md") == {path.stem for path in WRITTEN} - {"index"}
    assert linked("providers.md") >= {*providers.names()}


@pytest.mark.parametrize(("page", "block"), PROGRAMS)
def test_a_program_of_a_guide_runs_as_it_stands(
    block: Block,
    page: Path,
    server: Emulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.script = Script(tools=True)
    monkeypatch.chdir(tmp_path)
    for name, value in environment(server).items():
        monkeypatch.setenv(name, value)
    if "def test_" in block.code:
        Path("test_it.py").write_text(block.code)
        # The plugins of this machine take most of the time; tests/testing/test_plugin.py lets pytest find ours.
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        plugins = ["-p", "no:cacheprovider", "-p", "g4flite.testing.plugin"]
        command = [sys.executable, "-W", "error", "-m", "pytest", "-q", *plugins, "test_it.py"]
        # A recording is made first, and then replayed.
        for more in [["--g4flite-record"], []] if "recorded" in block.code else [[]]:
            done = subprocess.run([*command, *more], capture_output=True, text=True, timeout=120)
            assert (done.returncode, done.stderr) == (0, ""), done.stdout
        return
    exec(compile(block.code, f"line {block.line}", "exec"), {"__name__": "__main__"})
    # A program that asks a service needs a key or the recipe, which the head of its page names.
    if server.exchanges:
        assert page.read_text().split("\n\n")[1] == RECIPE
    out, complaints = capsys.readouterr()
    assert complaints == ""
    if block.output is not None:
        assert out.rstrip() == block.output.rstrip()


def test_the_program_of_the_page_on_vendoring_runs_a_second_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (block,) = blocks(GUIDES / "vendoring.md")
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        exec(compile(block.code, f"line {block.line}", "exec"), {"__name__": "__main__"})
        assert capsys.readouterr() == (block.output, "")
