"""Fixtures: `nothing_is_left_behind`; `shared`, one emulator for all tests of a file; `path`, a file to record into."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from g4flite.testing import Emulator
from tests.testing.sockets import emulate


@pytest.fixture
def nothing_is_left_behind(capfd: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> Iterator[None]:
    """A test leaves neither threads nor output behind; only the emulator of a whole file may go on."""
    before = set(threading.enumerate())
    yield
    assert "shared" in request.fixturenames or set(threading.enumerate()) <= before
    assert capfd.readouterr() == ("", "")


@pytest.fixture(scope="module")
def shared() -> Iterator[Emulator]:
    with emulate() as e:
        yield e


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A recording that does not exist yet, in a folder that does not exist either."""
    return tmp_path / "recordings" / "one.txt"
