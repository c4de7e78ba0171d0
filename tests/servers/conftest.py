"""The servers, each started once, and stopped at the end.  The fixture `driver` is that of `tests/conftest.py`."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.installs import NODE, REASONS

from .processes import listening

ROOT = Path(__file__).parents[2]
KEY = "sk-test"
# What llama.cpp's model says to everything, and what it says without an end.
SUNNY = 'root ::= "<think>Hm.</think>Sunny."'
ENDLESS = 'root ::= "la " root'


def need(server: str) -> None:
    """Skip the test if the server could not be installed, and say why."""
    reason = REASONS / server
    if reason.exists():
        pytest.skip(f"{server} could not be installed: {reason.read_text()}")


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a tiny model for llama.cpp."""
    need("xllamacpp")
    from .tiny_model import write

    path = tmp_path_factory.mktemp("model") / "tiny.gguf"
    write(path)
    return path


@pytest.fixture(scope="session")
def llamacpp(model: Path) -> Iterator[str]:
    """Return the URL of a llama.cpp server that says "Sunny." to everything, and needs no key."""
    with listening(*llama_server(model, SUNNY), log=model.with_name("sunny.log")) as url:
        yield url


@pytest.fixture(scope="session")
def endless(model: Path) -> Iterator[str]:
    """Return the URL of a llama.cpp server that needs `KEY`, and whose answers only a limit ends."""
    with listening(*llama_server(model, ENDLESS, KEY), log=model.with_name("endless.log")) as url:
        yield url


def llama_server(model: Path, *arguments: str) -> list[str | Path]:
    return [sys.executable, "-m", "tests.servers.llama_server", model, *arguments]


@pytest.fixture(scope="session")
def aimock() -> Path:
    """Return the path of the program `aimock`."""
    need("aimock")
    return NODE / "node_modules" / ".bin" / "aimock"


@pytest.fixture(scope="session")
def llmock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of an llmock server."""
    need("llmock")
    program = shutil.which("llmock", path=str(Path(sys.executable).parent))
    assert program
    log = tmp_path_factory.mktemp("llmock") / "log"
    with listening(program, "serve", "--port", "0", log=log) as url:
        yield url


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not terminalreporter.stats.get("passed"):
        terminalreporter.write_line("no server could be installed: nothing was tested", red=True)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Let the run fail if every test was skipped."""
    if not session.config.option.collectonly and not session.testsfailed:
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None and not reporter.stats.get("passed"):
            session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
