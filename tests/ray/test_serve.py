"""The gateway under Ray Serve: two replicas of one machine answer, share the keys, and notice who leaves."""

import json
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from ray import serve

from g4flite import Client
from g4flite.apps.gateway.asgi import Gateway
from g4flite.apps.gateway.keys import Store
from g4flite.testing import Emulator, Script

EXAMPLE = Path(__file__).parents[2] / "examples" / "ray_serve.py"


def free_port() -> int:
    """Return a port that is free."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Place(NamedTuple):
    """Two replicas before a service; each writes the lines of its log with its process id into a file."""

    url: str
    service: Emulator
    log: Path
    keys: Path
    http: httpx.Client

    def ask(self, key: str, **more: Any) -> httpx.Response:
        return self.http.post(self.url, json=question(**more), headers={"authorization": f"Bearer {key}"})

    def lines(self, count: int) -> list[dict[str, Any]]:
        """Return the lines of the log, once there are so many: the line of an answer is written behind its end."""
        until = time.monotonic() + 60
        while (text := self.log.read_text()).count("\n") < count and time.monotonic() < until:
            time.sleep(0.01)
        return [json.loads(line) for line in text.splitlines()]

    def key(self, **limits: Any) -> str:
        with Store(self.keys) as store:
            return store.add(f"key{len(store.listed())}", **limits)


def question(**more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "stream": True, **more}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("gateway")
    log, keys = folder / "log", folder / "keys.sqlite"
    log.touch()
    Store(keys).close()
    with Emulator() as service, httpx.Client(timeout=60) as http:
        url = f"{service.url}/v1"

        def write(line: dict[str, Any]) -> None:
            with log.open("a") as file:
                print(json.dumps({**line, "pid": os.getpid()}), file=file)

        def gateway() -> Gateway:
            client = Client("openai", base_url=url, api_key="any", retries=0)
            return Gateway({"*": [client]}, keys=Store(keys), log=write)

        class Replica:
            """A replica."""

        port = free_port()
        serve.start(http_options={"port": port})
        serve.run(serve.deployment(num_replicas=2, max_ongoing_requests=1000)(serve.ingress(gateway)(Replica)).bind())
        try:
            yield Place(f"http://127.0.0.1:{port}/v1/chat/completions", service, log, keys, http)
        finally:
            serve.shutdown()


def test_both_replicas_answer(place: Place) -> None:
    key = place.key()
    place.service.script = Script(silence=0.1)
    with ThreadPoolExecutor(8) as threads:
        found = [*threads.map(lambda _: place.ask(key), range(40))]
    assert all(one.status_code == 200 and one.text.endswith("data: [DONE]\n\n") for one in found)
    lines = place.lines(40)
    assert len({line["pid"] for line in lines}) == 2
    assert Counter(line["outcome"] for line in lines) == {"complete": 40}


def test_the_replicas_share_what_a_key_may_do(place: Place) -> None:
    key = place.key(rpm=3)
    place.service.script = Script()
    with ThreadPoolExecutor(8) as threads:
        found = [*threads.map(lambda _: place.ask(key).status_code, range(16))]
    assert Counter(found) == {200: 3, 429: 13}
    assert place.ask("sk-unknown").status_code == 401


def test_a_cut_is_no_answer_and_an_error_keeps_its_status(place: Place) -> None:
    key = place.key()
    place.service.script = Script(cut=900)
    response = place.ask(key)
    assert "[DONE]" not in response.text
    assert '"error"' in response.text
    place.service.script = Script(problem="rate_limit")
    assert place.ask(key).status_code == 429


def test_the_service_sees_that_a_client_has_left(place: Place) -> None:
    key = place.key()
    place.service.reply, place.service.script = "word " * 9000, Script(wait=0.02)
    with place.http.stream("POST", place.url, json=question(), headers={"authorization": f"Bearer {key}"}) as response:
        next(response.iter_bytes())
    assert place.service.exchanges[-1].disconnected.wait(120)


def test_the_example_runs() -> None:
    environment = {**os.environ, "PORT": str(free_port())}
    command = [sys.executable, str(EXAMPLE)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert "You" in run.stdout, run.stderr
    assert "data: [DONE]" in run.stdout
