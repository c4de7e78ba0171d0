"""The soak for a few seconds, and the leaks and wrong ends of streams that it has to notice."""

import mmap
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import g4flite
from tests import soak
from tests.conftest import bare_environment
from tests.rows import rows

pytestmark = [pytest.mark.heavy, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]
WHOLE = soak.Job(1, "whole", "cromicle", pooled=False, moment=0.5)
ANSWER = f"You said: {WHOLE.question}"


@pytest.mark.parametrize("seconds", [1, pytest.param(30, marks=pytest.mark.long)])
def test_a_short_soak_ends_well(seconds: int) -> None:
    root = Path(__file__).parent.parent
    command = [sys.executable, "tests/soak.py", "--seconds", f"{seconds}", "--streams", "80"]
    environment = bare_environment() | {"PYTHONPATH": str(root)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, cwd=root, env=environment)
    assert (done.stderr, done.returncode) == ("", 0)
    lines = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert list(lines) == ["asyncio", "trio", "sync"]
    for line in lines.values():
        assert int(line.split()[0]) >= 80
        assert {"whole", "left", "TruncatedStreamError"} <= {*re.findall(r"(\w+) \d+", line)}


def keep_a_descriptor(kept: list[Any]) -> None:
    kept.append(socket.socket())


def keep_a_client(kept: list[Any]) -> None:
    kept.append(g4flite.Client("cromicle", base_url="http://127.0.0.1"))


def keep_memory(kept: list[Any]) -> None:
    # Not from the heap: if an earlier test of this process freed as much there, it is taken again, and nothing grows.
    mapped = mmap.mmap(-1, 60_000_000)
    for page in range(0, len(mapped), mmap.PAGESIZE):
        mapped[page] = 1
    kept.append(mapped)


@pytest.mark.parametrize(
    ("keep", "what"), [(keep_a_descriptor, "descriptors"), (keep_a_client, "objects"), (keep_memory, "megabytes")]
)
def test_a_leak_is_reported(keep: Callable[[list[Any]], None], what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Any] = []
    monkeypatch.setitem(soak.PARTS, "leaky", lambda stretch, streams: keep(kept))
    reasons = soak.soak("leaky", {}, seconds=0, streams=1)
    assert [reason.split()[:2] for reason in reasons] == [["leaky:", what]]
    for thing in kept:
        getattr(thing, "close", lambda: None)()


@rows(
    ("kind", "text", "error", "ended"),
    [
        ("whole", ANSWER[:-1], None, True),
        ("whole", ANSWER[:-1], None, False),
        ("whole", "Hello", None, True),
        ("whole", "You", g4flite.TruncatedStreamError(partial="You"), False),
        ("left", "You", g4flite.StreamClosedError(partial="You"), False),
        ("left", "You", None, True),
        ("cut", ANSWER, None, True),
        ("cut", "You", g4flite.TruncatedStreamError(partial=""), False),
        ("cut", "You", g4flite.MalformedReplyError(partial="You"), False),
    ],
)
def test_a_wrong_end_of_a_stream_is_reported(
    kind: str, text: str, error: g4flite.G4fliteError | None, ended: bool
) -> None:
    stream = g4flite.stream("cromicle", "Hi", base_url="http://127.0.0.1")
    stream._run.text.write(text)
    with pytest.raises((AssertionError, g4flite.G4fliteError)):
        WHOLE._replace(kind=kind).judge(stream, [text], error, ended=ended)


@rows(
    ("kind", "text", "error", "outcome"),
    [
        ("whole", ANSWER, None, "whole"),
        ("left", "You", None, "left"),
        ("cancelled", "You", None, "cancelled"),
        ("cancelled", "You", g4flite.StreamClosedError(partial="You"), "StreamClosedError"),
        ("cut", "You", g4flite.TruncatedStreamError(partial="You"), "TruncatedStreamError"),
    ],
)
def test_a_right_end_of_a_stream_has_its_outcome(
    kind: str, text: str, error: g4flite.G4fliteError | None, outcome: str
) -> None:
    stream = g4flite.stream("cromicle", "Hi", base_url="http://127.0.0.1")
    stream._run.text.write(text)
    assert WHOLE._replace(kind=kind).judge(stream, [text], error, ended=text == ANSWER) == outcome
