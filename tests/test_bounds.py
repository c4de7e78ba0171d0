"""Whatever a server sends, memory and work stay bounded, and the error names the limit."""

import gzip
import json
import subprocess
import sys
import time

import pytest

from g4flite.emulator import Emulator, Script
from g4flite.providers import FLOWGPT

MIB = 2**20
FLOODS = {
    "a line without end": (Script(body=b" " + b"x" * (40 * MIB)), "LimitError", "max_frame, 16777216 bytes"),
    "an error's body": (Script(status=500, body=b"x" * (80 * MIB)), "StatusError", "status 500"),
    "a web page": (
        Script(body=b"x" * (80 * MIB), headers={"content-type": "text/html"}), "MalformedReplyError", "text/html",
    ),
    "a head": (Script(raw=b"HTTP/1.1 200 OK\r\nx: " + b"x" * (40 * MIB)), "LimitError", "the head of the answer"),
    "many headers": (
        Script(raw=b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * (8 * MIB)), "LimitError", "the head of the answer",
    ),
    "a bomb": (
        Script(body=gzip.compress(b" " * (512 * MIB), 6), headers={"content-encoding": "gzip"}),
        "LimitError", "max_ratio, 200 times",
    ),
    "a bomb in an error": (
        Script(status=500, body=gzip.compress(b" " * (512 * MIB), 6), headers={"content-encoding": "gzip"}),
        "StatusError", "status 500",
    ),
}  # fmt: skip

CODE = """
import json, resource, sys, anyio, g4flite
url, driver = sys.argv[1:]
async def read(stream):
    await stream.atext()
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
def attempt(base_url):
    stream = g4flite.stream("flowgpt", "Hi", base_url=base_url, retries=0)
    try:
        stream.text() if driver == "sync" else anyio.run(read, stream, backend=driver)
    except g4flite.G4fliteError as error:
        return type(error).__name__, str(error), len(repr(error.__dict__))
attempt("http://127.0.0.1:1")
idle = peak()
print(json.dumps([attempt(url), peak() - idle]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux alone")
@pytest.mark.parametrize("driver", ["sync", "asyncio", "trio"])
@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_stays_within_64_mib(flood: str, driver: str) -> None:
    script, name, limit = FLOODS[flood]
    with Emulator(script=script) as server:
        done = subprocess.run(
            [sys.executable, "-c", CODE, server.url, driver], capture_output=True, text=True, timeout=50
        )
    assert done.returncode == 0, done.stderr
    (kind, message, size), grown = json.loads(done.stdout)
    assert (kind, limit in message) == (name, True), message
    assert size < 4096
    assert grown < 64


def cost(size: int) -> float:
    """Seconds for a line of `size` bytes that arrives a byte at a time."""
    line = json.dumps({"event": "text", "data": "x" * size}).encode() + b"\n"
    feed = FLOWGPT.parser(2**24).feed
    begin = time.perf_counter()
    for place in range(len(line)):
        for _ in feed(line[place : place + 1]):
            break
    return time.perf_counter() - begin


def test_a_line_that_arrives_a_byte_at_a_time_costs_linear_work() -> None:
    """Sixteen times the line: linear is 16 times the work, quadratic 256 times."""
    assert min(cost(2**17) for _ in range(2)) < 64 * min(cost(2**13) for _ in range(3))
