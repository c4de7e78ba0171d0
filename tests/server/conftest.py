"""The fixture `shared`: one emulator for all tests of a file, for those that do not change it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from g4flite.testing import Emulator
from tests.open_protocols import emulate


@pytest.fixture(scope="module")
def shared() -> Iterator[Emulator]:
    with emulate() as e:
        yield e
