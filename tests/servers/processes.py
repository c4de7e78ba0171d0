"""Servers in processes of their own, on free ports of 127.0.0.1.

with listening("llmock", "serve", "--port", "0", log=path) as url:
    print(url)
"""

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Each of the servers prints its URL once it listens.  (llmock prints port 0 before that.)
URL = re.compile(r"http://127\.0\.0\.1:[1-9]\d*(?=\D)")
# Seconds in which a server has to listen, also on a busy machine.
PATIENCE = 60


@contextmanager
def listening(*command: str | Path, log: Path) -> Iterator[str]:
    """Run a server until the end of the block, and return the URL that it prints into the log."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
    try:
        yield url_of(process, log)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def url_of(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """Return the URL that stands in the server's log, as soon as it does."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := URL.search(log.read_text(errors="replace")):
            return found[0]
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise RuntimeError(f"the server does not listen; it says:\n{log.read_text(errors='replace')[-2000:]}")
