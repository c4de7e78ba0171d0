"""What processes share of a service's limits: three numbers in a file."""

import math
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import g4flite
from g4flite.apps.batch.limits import Limiter
from g4flite.apps.batch.shared import AHEAD, FORM, Shared
from tests.conftest import bare_environment

pytestmark = pytest.mark.skipif(os.name != "posix", reason="locks of POSIX")


def test_one_knows_what_the_other_has_noted(tmp_path: Path) -> None:
    path, now = tmp_path / "new" / "limits", time.time()
    one, other = Limiter(9), Limiter(9)
    mine, yours = Shared(path), Shared(path)
    with mine.hold(one):
        assert one.due == (-math.inf,) * 3
        one.pause(now, 60)
    with yours.hold(other):
        assert other.due == one.due
        # Nothing is new: nothing is written.
        assert other.begin(now, 0) == pytest.approx(60)
    assert FORM.unpack(path.read_bytes()) == one.due
    mine.close()
    yours.close()


def test_what_lies_too_far_ahead_does_not_count(tmp_path: Path) -> None:
    path, limiter = tmp_path / "limits", Limiter(9)
    path.write_bytes(FORM.pack(time.time() + AHEAD + 60, 7.0, 8.0))
    shared = Shared(path)
    with shared.hold(limiter):
        assert limiter.due == (-math.inf, 7.0, 8.0)
    shared.close()


@pytest.mark.parametrize("limit", ["rpm", "tpm"])
def test_calls_that_are_hours_apart_are_so_for_all_processes(limit: str, tmp_path: Path) -> None:
    path, now = tmp_path / "limits", time.time()
    one, other = (Limiter(9, **{limit: 0.001}) for _ in range(2))
    other.settle(9, 9)
    mine, yours = Shared(path), Shared(path)
    with mine.hold(one):
        assert one.begin(now, 9) == 0
    for shared, limiter in ((mine, one), (yours, other)):
        with shared.hold(limiter):
            assert limiter.begin(now, 9) > AHEAD
        shared.close()


def test_a_file_that_cannot_be_used_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(g4flite.OptionError, match="cannot be shared by a file"):
        Shared(tmp_path / "file" / "limits")
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with pytest.raises(g4flite.OptionError, match="cannot share their limits on this system"):
        Shared(tmp_path / "limits")


COUNT = """
import sys, time
from pathlib import Path
from g4flite.apps.batch.limits import Limiter
from g4flite.apps.batch.shared import Shared

limiter, shared = Limiter(10**9, rpm=61_000), Shared(Path(sys.argv[1]))
for _ in range(300):
    with shared.hold(limiter):
        assert not limiter.begin(float(sys.argv[2]), 0)
"""


def test_processes_lose_nothing_that_another_has_noted(tmp_path: Path) -> None:
    path, now = tmp_path / "limits", time.time()
    command = [sys.executable, "-c", COUNT, str(path), str(now)]
    running = [subprocess.Popen(command, env=bare_environment()) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    # A millisecond for each call.
    assert FORM.unpack(path.read_bytes())[1] == pytest.approx(now - 1 + 0.9, abs=1e-4)
