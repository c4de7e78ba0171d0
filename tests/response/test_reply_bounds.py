"""Whatever a server sends, memory and work stay bounded, and the error names the limit."""

import gzip
import json
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest

from g4flite import providers
from g4flite.testing import Emulator, Script
from tests.conftest import bare_environment

pytestmark = pytest.mark.heavy

MIB = 2**20
CODE = """
import json, resource, sys, anyio, g4flite

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

def attempt(url):
    async def read():
        await stream.atext()
    before, stream = peak(), g4flite.stream("flowgpt", "Hi", base_url=url, retries=0)
    try:
        stream.text() if sys.argv[1] == "sync" else anyio.run(read, backend=sys.argv[1])
    except g4flite.G4fliteError as error:
        return type(error).__name__, str(error), len(repr(error.__dict__)), peak() - before

attempt("http://127.0.0.1:1")
print(json.dumps([attempt(url) for url in sys.argv[2:]]))
"""


def floods() -> dict[str, tuple[Script, str, str]]:
    bomb = gzip.compress(b" " * (96 * MIB), 4)
    zipped = {"content-encoding": "gzip"}
    return {
        "a line": (Script(body=b"x" * (24 * MIB)), "LimitError", "max_frame, 16777216 bytes"),
        "an error": (Script(status=500, body=b"x" * (80 * MIB)), "StatusError", "status 500"),
        "a page": (
            Script(body=b"x" * (80 * MIB), headers={"content-type": "text/html"}), "MalformedReplyError", "text/html",
        ),
        "a head": (Script(raw=b"HTTP/1.1 200 OK\r\nx: " + b"x" * (24 * MIB)), "LimitError", "the head of the response"),
        "headers": (Script(raw=b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * (4 * MIB)), "LimitError", "the head of the"),
        "a bomb": (Script(body=bomb, headers=zipped), "LimitError", "max_ratio, 200 times"),
        "a bomb in an error": (Script(status=500, body=bomb, headers=zipped), "StatusError", "status 500"),
    }  # fmt: skip


# Of the floods, asyncio and trio have a half each: what reads them is the same.
SHARES = {"sync": slice(None), "asyncio": slice(0, None, 2), "trio": slice(1, None, 2)}


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux alone")
@pytest.mark.parametrize("driver", SHARES)
def test_a_flood_takes_less_than_64_mib_of_memory(driver: str) -> None:
    table = dict(list(floods().items())[SHARES[driver]])
    with ExitStack() as stack:
        urls = [stack.enter_context(Emulator(script=script)).url for script, _, _ in table.values()]
        command = [sys.executable, "-c", CODE, driver, *urls]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=bare_environment())
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout)
    for (name, (_, error, limit)), (kind, message, size, grown) in zip(table.items(), outcomes, strict=True):
        assert (name, kind, limit in message) == (name, error, True), message
        assert size < 4096
        assert grown < 64, (name, grown)
    assert sum(grown for *_, grown in outcomes) < 64


def cost(size: int) -> float:
    """Return the seconds of CPU that a line of `size` bytes takes if it arrives a byte at a time."""
    line = json.dumps({"event": "text", "data": "x" * size}).encode() + b"\n"
    feed = providers.FLOWGPT.parser(2**24).feed
    begin = time.thread_time()
    for place in range(len(line)):
        for _ in feed(line[place : place + 1]):
            break
    return time.thread_time() - begin


def test_a_line_that_arrives_a_byte_at_a_time_costs_linear_work() -> None:
    """A line 16 times as long takes 16 times the work if that is linear, and 256 times if it is quadratic."""
    assert min(cost(2**16) for _ in range(2)) < 64 * min(cost(2**12) for _ in range(3))
