"""The fixture `emulator` for other people's tests: `pytest_plugins = ["g4flite.emulator.pytest_plugin"]`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from . import Emulator


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """A running `Emulator` which echoes; its `script` and `reply` can be assigned."""
    with Emulator() as running:
        yield running
