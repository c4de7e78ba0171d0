"""The file that a test records into."""

from pathlib import Path

import pytest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A recording that does not exist yet, in a folder that does not exist either."""
    return tmp_path / "recordings" / "one.txt"
