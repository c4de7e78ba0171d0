"""pytest's fixtures `emulator` and `recorded`, and its option `--g4flite-record`.

pytest finds them by itself if the package is installed.  For a copy inside another package, the conftest.py at the root
says `pytest_plugins = ["myapp._vendor.llm_stream.testing.plugin"]`.  Nothing heavy is imported before a fixture is
used.
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
# The first recorder of each file in this run.
BEGUN = pytest.StashKey["dict[Path, Recorder]"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option, unless a copy of the package has added it already."""
    with suppress(ValueError):
        parser.getgroup("recordings").addoption(
            OPTION, action="store_true", help="record anew what the fixture `recorded` would replay"
        )


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """Yield a running `Emulator` that echoes; its `script` and `reply` can be assigned."""
    from . import Emulator  # noqa: PLC0415

    with Emulator() as running:
        yield running


@pytest.fixture
def recorded(request: pytest.FixtureRequest) -> Callable[[str], Recorder | Replayer]:
    """Return a function that makes a transport for httpx of a name; it replays `recordings/<name>.txt` beside the test.

    With `--g4flite-record` the transport asks the service and writes that file; tests with the same name share it.
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
