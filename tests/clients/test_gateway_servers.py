"""The gateway's app under other servers than uvicorn: granian, and hypercorn on asyncio and trio.

A call is answered, streamed and not, and a client that leaves ends the call, in each phase.
"""

from __future__ import annotations

import json
import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from g4flite.testing import Emulator

BIN = Path(sys.executable).parent
APP = "g4flite.apps.gateway:app"
SERVERS = {
    "granian": ["granian", "--interface", "asgi", "--no-ws", "--host", "127.0.0.1", "--port", "{port}", APP],
    "hypercorn": ["hypercorn", "--bind", "127.0.0.1:{port}", APP],
    "hypercorn on trio": ["hypercorn", "--worker-class", "trio", "--bind", "127.0.0.1:{port}", APP],
    "uvicorn, two workers": ["uvicorn", "--workers", "2", "--port", "{port}", APP],
}
QUESTION: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


@contextmanager
def running(name: str, service: Emulator) -> Iterator[tuple[str, queue.Queue[dict[str, Any]]]]:
    """Start a server, and yield its URL and the lines of the log."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program, *words = (word.format(port=port) for word in SERVERS[name])
    env = {**os.environ, "G4FLITE_SERVE": f"--provider ollama --base-url {service.url} -m m"}
    lines: queue.Queue[dict[str, Any]] = queue.Queue()
    server = subprocess.Popen([BIN / program, *words], env=env, stderr=subprocess.PIPE, text=True)

    def read() -> None:
        for line in server.stderr or ():
            if line.startswith("{"):
                lines.put(json.loads(line))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        url = f"http://127.0.0.1:{port}"
        # Until it listens.
        with httpx.Client(transport=httpx.HTTPTransport(retries=9)) as http:
            assert http.get(f"{url}/health").json() == {"status": "ok"}
        yield url, lines
    finally:
        server.terminate()
        server.wait(30)
        reader.join()


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_streams_and_notices_who_leaves(name: str) -> None:
    release, asked = threading.Event(), threading.Event()

    def reply(messages: list[dict[str, Any]]) -> Iterator[str]:
        yield from ["Hello"] * (messages[-1]["content"] != "wait")
        if messages[-1]["content"] != "Hi":
            asked.set()
            release.wait(60)
        yield "!"

    with Emulator(reply) as service, running(name, service) as (url, lines):
        place = f"{url}/v1/chat/completions"
        streamed = httpx.post(place, json={**QUESTION, "stream": True})
        assert streamed.text.endswith("data: [DONE]\n\n")
        assert httpx.post(place, json=QUESTION).json()["choices"][0]["message"]["content"] == "Hello!"
        head = httpx.head(f"{url}/v1/models")
        assert (head.status_code, head.content) == (200, b"")
        assert [lines.get(timeout=30)["outcome"] for _ in range(2)] == ["complete"] * 2
        for text, stream in (("wait", True), ("wait", False), ("say, and wait", True), ("say, and wait", False)):
            asked.clear()
            body = json.dumps({**QUESTION, "stream": stream, "messages": [{"role": "user", "content": text}]})
            head_line = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
            with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=30) as sock:
                sock.sendall((head_line + body).encode())
                assert asked.wait(30)
                if stream and text != "wait":
                    assert b"200" in sock.recv(100)
            # The service has not said another word.
            assert lines.get(timeout=30)["outcome"] == "left", (text, stream)
        release.set()
