"""The progress of a job: one line, on a terminal, with a bar, or now and then."""

import io
import sys
import threading
from itertools import count
from typing import Any

import pytest

from g4flite.apps.batch import progress as module
from g4flite.apps.batch.progress import Progress, clock, line, shown
from tests.rows import rows

FAR = Progress(200, 1000, 3, 5000, 50, 310_000, 0.123)


@rows(
    ("progress", "text"),
    [
        (FAR, "1,200 of 5,000 rows, 3 failed, 20.0 a second, 310,000 tokens, $0.12, 3:10 left"),
        (Progress(0, 7, 0, None, 7, 12, 0), "7 rows, 1.0 a second, 12 tokens"),
        (Progress(9, 0, 0, 9, 0, 0, 0), "9 of 9 rows, 0.0 a second, 0 tokens"),
        (Progress(9, 3, 0, 9, 1, 0, 0), "12 of 9 rows, 3.0 a second, 0 tokens, 0:00 left"),
        (
            Progress(0, 1, 0, 9, 1, 0, 0, 60),
            "1 of 9 rows, 1.0 a second, 0 tokens, 1:08 left, waits 1:00 for the service",
        ),
        (Progress(0, 0, 0, 9, 1, 0, 0, 298.2), "0 of 9 rows, 0.0 a second, 0 tokens, waits 4:58 for the service"),
    ],
)
def test_the_line_says_how_far_it_is(progress: Progress, text: str) -> None:
    assert line(progress) == text


def test_a_long_time_has_hours() -> None:
    assert [clock(9.4), clock(92), clock(7292)] == ["0:09", "1:32", "2:01:32"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that shows progress until it was shown a second time, and returns what is on standard error."""
    monkeypatch.setattr(module, "TERMINAL", 0.001)
    monkeypatch.setattr(module, "ELSEWHERE", 0.001)

    def run(stderr: Any, *, quiet: bool = False, again: bool = True) -> Any:
        monkeypatch.setattr(sys, "stderr", stderr)
        twice, times = threading.Event(), count(1)

        def state() -> Progress:
            if next(times) == 3:
                twice.set()
            return FAR

        with shown(state, quiet=quiet):
            assert not again or twice.wait(60)
        return stderr and stderr.getvalue()

    return run


def test_without_a_terminal_there_are_lines(show: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert show(io.StringIO()).startswith(f"{line(FAR)}\n" * 2)
    assert show(io.StringIO(), quiet=True, again=False) == ""
    assert show(None, again=False) is None
    monkeypatch.setattr(module, "ELSEWHERE", 1000.0)
    assert show(io.StringIO(), again=False) == ""


def test_the_job_goes_on_if_nobody_reads_standard_error(show: Any) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    assert show(Closed()) == ""


def test_on_a_terminal_there_is_one_line(show: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    said = show(Terminal())
    assert said.startswith(f"\r{line(FAR)}\x1b[K" * 2)
    assert said.endswith("\x1b[K\n")
    # How far a job is at its end is shown in any case.
    monkeypatch.setattr(module, "TERMINAL", 1000.0)
    assert show(Terminal(), again=False) == f"\r{line(FAR)}\x1b[K\n"


def test_with_rich_there_is_a_bar(show: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "150")
    monkeypatch.setenv("TERM", "xterm")
    assert "1,200 of 5,000 rows" in show(Terminal())
    monkeypatch.setattr(module, "TERMINAL", 1000.0)
    assert "1,200 of 5,000 rows" in show(Terminal(), again=False)
