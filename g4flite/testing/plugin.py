"""pytest's fixtures `emulator` and `recorded`, and its option `--g4flite-record`.

If the package is installed, pytest finds them by itself.  If it is a copy inside another package, the conftest.py at
the root names the copy: `pytest_plugins = ["myapp._vendor.llm_stream.testing.plugin"]`.

pytest imports this module at each start, also for tests that use none of it.  So it imports httpx and the rest of
g4flite.testing in the fixtures alone.
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
# The first recorder of each file in this run of pytest.
FIRST = pytest.StashKey["dict[Path, Recorder]"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option, unless another copy of the package has added it."""
    with suppress(ValueError):
        parser.getgroup("recordings").addoption(
            OPTION, action="store_true", help="record anew what the fixture `recorded` would replay"
        )


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """A running `Emulator` that echoes; a test may assign its `script` and its `reply`."""
    from . import Emulator  # noqa: PLC0415

    with Emulator() as running:
        yield running


@pytest.fixture
def recorded(request: pytest.FixtureRequest) -> Callable[[str], Recorder | Replayer]:
    """A function that returns, for a name, a transport that replays `recordings/<name>.txt` beside the test's file.

    With `--g4flite-record` the transport asks the service and writes that file.  Tests that give the same name share
    the file.
    """
    from . import record, replay  # noqa: PLC0415

    first: dict[Path, Recorder] = request.config.stash.setdefault(FIRST, {})

    def transport(name: str) -> Recorder | Replayer:
        path = request.path.parent / "recordings" / f"{name}.txt"
        if not request.config.getoption(OPTION, default=False):
            return replay(path)
        recorder = record(path)
        recorder.follow(first.setdefault(path, recorder))
        return recorder

    return transport
