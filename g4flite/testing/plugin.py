"""pytest's fixtures `emulator` and `recorded`, and its option `--g4flite-record`.

pytest finds them by itself where the package is installed.  A copy inside another package is named in the conftest.py
at the root: `pytest_plugins = ["myapp._vendor.llm_stream.testing.plugin"]`.  Nothing heavy is imported before a fixture
is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from . import Emulator, Recorder, Replayer

OPTION = "--g4flite-record"
BEGUN = pytest.StashKey["dict[Path, Recorder]"]()  # the first recorder of each file, of this run


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the option, once: a copy of the package may have done so."""
    with suppress(ValueError):
        parser.getgroup("recordings").addoption(
            OPTION, action="store_true", help="record anew what the fixture `recorded` would replay"
        )


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """A running `Emulator` which echoes; its `script` and `reply` can be assigned."""
    from . import Emulator  # noqa: PLC0415

    with Emulator() as running:
        yield running


@pytest.fixture
def recorded(request: pytest.FixtureRequest) -> Callable[[str], Recorder | Replayer]:
    """A function from a name to a transport for httpx that replays `recordings/<name>.txt` beside the test's file.

    Under `--g4flite-record` it asks the service, and writes that file; tests that name the same one share it.
    """
    from . import record, replay  # noqa: PLC0415

    begun: dict[Path, Recorder] = request.config.stash.setdefault(BEGUN, {})

    def transport(name: str) -> Recorder | Replayer:
        path = request.path.parent / "recordings" / f"{name}.txt"
        if not request.config.getoption(OPTION, default=False):
            return replay(path)
        recorder = record(path)
        recorder.follow(begun.setdefault(path, recorder))
        return recorder

    return transport
