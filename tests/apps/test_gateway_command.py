"""`g4flite serve`, as a process and as an app for a server of one's own."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from argparse import Namespace
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from g4flite import UsageError
from g4flite.__main__ import main
from g4flite.apps import gateway
from g4flite.apps.gateway import command
from g4flite.apps.gateway.asgi import Gateway
from g4flite.apps.gateway.command import append_line, check_values, print_line, reload
from g4flite.apps.gateway.http import LOOPBACK
from g4flite.testing import Emulator
from tests.rows import rows

from .gateways import WIRES, served


@rows(("flags", "said"), [
    ([], "name a provider"),
    (["--provider", "ollama", "--config", "gateway.toml"], "name a provider, or a file"),
    (["--provider", "ollama", "--keys", "/nowhere/keys.sqlite"], "there is no file of keys"),
    (["--provider", "nope"], "nope"),
    (["--provider", "openai", "--provider", "ollama", "--base-url", "http://127.0.0.1:1"], "--base-url belongs to one"),
    (["--provider", "ollama", "--host", "0.0.0.0"], "this machine alone"),
    (["--provider", "ollama", "--port", "99999"], "a port is a number"),
    (["--provider", "ollama", "--drain", "-1"], "--drain -1: name a number"),
    (["--provider", "ollama", "--max-streams", "0"], "--max-streams 0: name a number"),
    (["--provider", "ollama", "--keep-alive", "0"], "--keep-alive 0: name a number"),
    (["--provider", "ollama", "--keep-alive", "nan"], "--keep-alive nan: name a number"),
    (["--provider", "ollama", "--origin", "https://chat.test/"], "--origin: 'https://chat.test/' is no origin"),
    (["--provider", "ollama", "--hostname", "http://gateway.test"], "--hostname: 'http://gateway.test' is no name"),
    (["--provider", "ollama", "--origin", "http://"], "--origin: 'http://' is no origin"),
])  # fmt: skip
def test_a_wrong_command_line_starts_nothing(flags: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", *flags]) == 2
    assert said in capsys.readouterr().err


class Writes(io.RawIOBase):
    """A file that knows how many bytes each write had."""

    def __init__(self) -> None:
        self.sizes = list[int]()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.sizes.append(len(data))
        return len(data)


@rows("to_file", [True, False])
def test_a_long_line_of_the_log_is_one_write(to_file: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # Several workers may write into the same file.
    raw = Writes()
    text = io.TextIOWrapper(io.BufferedWriter(raw), line_buffering=not to_file)
    if to_file:
        with monkeypatch.context() as patched:
            patched.setattr(Path, "open", lambda *_, **__: text)
            append_line(tmp_path / "calls.jsonl", {"answer": "x" * 20_000})
    else:
        monkeypatch.setattr(sys, "stderr", text)
        print_line({"answer": "x" * 20_000})
    assert len(raw.sizes) == 1


def test_without_uvicorn_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert main(["serve", "--provider", "ollama"]) == 2
    assert "pip install 'g4flite[serve]'" in capsys.readouterr().err


def test_a_port_in_use_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with Emulator() as taken:
        assert main(["serve", "--provider", "ollama", "--port", str(taken.port)]) == 1
    assert "could not listen" in capsys.readouterr().err


@pytest.fixture
def anew() -> Iterator[None]:
    """Let the app of the environment be made anew: it is made once a process."""
    gateway._made.cache_clear()
    yield
    gateway._made.cache_clear()


@pytest.mark.usefixtures("anew")
def test_the_app_of_the_environment_runs_under_any_server(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Emulator() as service:
        monkeypatch.setenv("G4FLITE_SERVE", f"--provider ollama --base-url {service.url} -m 'my model' -s 'Be brief.'")
        with served(gateway.app) as url:
            response = httpx.post(f"{url}/api/chat", json=WIRES["ollama"].question("my model", "Hello"))
            assert WIRES["ollama"].said(response.text) == "You said: Hello"
        assert service.exchanges[-1].messages[0]["content"] == "Be brief."
    assert json.loads(capsys.readouterr().err)["model"] == "my model"


@pytest.mark.usefixtures("anew")
def test_a_server_does_not_start_an_app_that_the_environment_does_not_describe() -> None:
    sent = list[Any]()

    async def receive() -> dict[str, str]:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(gateway.app({"type": "lifespan"}, receive, send))
    assert sent[0]["type"] == "lifespan.startup.failed"
    assert "set G4FLITE_SERVE" in sent[0]["message"]
    with pytest.raises(UsageError, match="set G4FLITE_SERVE"):
        asyncio.run(gateway.app({"type": "http"}, receive, send))


class Running:
    """The command in this thread, and a client of it in another, which has `done` what `act` does."""

    def __init__(self, service: Emulator | None, act: Callable[[str, httpx.Client], Any], *flags: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        self._act, self.done, self.error = act, None, list[BaseException]()
        one = ["--provider", "ollama", "--base-url", service.url] if service else []
        words = ["serve", *one, "--port", self.url.rpartition(":")[2]]
        thread = threading.Thread(target=self._ask)
        thread.start()
        with pytest.MonkeyPatch.context() as patch:
            # Coverage loses its way in uvloop.
            patch.setattr("uvicorn.Config", partial(uvicorn.Config, loop="asyncio"))
            self.code = main([*words, *flags])
        thread.join()
        assert not self.error, self.error

    def _ask(self) -> None:
        try:
            with httpx.Client(timeout=30, transport=httpx.HTTPTransport(retries=8)) as http:
                self.done = self._act(self.url, http)
        except BaseException as error:
            self.error.append(error)
            stop()


def stop() -> None:
    """Press Ctrl-C."""
    os.kill(os.getpid(), signal.SIGINT)


HOSTS = 'origins = ["https://b.test"]\nhosts = ["b.test", "[::2]"]\n'
TOML = """
keys = "keys.sqlite"
[models.fast]
provider = "own"
model = "m"
[providers.own]
provider = "ollama"
base_url = "{url}"
[log]
file = "calls.jsonl"
"""


def test_a_file_describes_the_gateway_and_is_read_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    file, store = tmp_path / "gateway.toml", str(tmp_path / "keys.sqlite")
    assert main(["serve", "key", "add", "anna", "--keys", store]) == 0
    key = {"authorization": f"Bearer {capsys.readouterr().out.strip()}"}

    def names(url: str, http: httpx.Client) -> list[str]:
        return [model["id"] for model in http.get(f"{url}/v1/models", headers=key).json()["data"]]

    def act(url: str, http: httpx.Client) -> str:
        assert http.get(f"{url}/v1/models").status_code == 401
        assert "<html" in http.get(f"{url}/").text
        assert names(url, http) == ["fast"]
        said = http.post(f"{url}/api/chat", json=WIRES["ollama"].question("fast", "Hi"), headers=key).text
        for text in ("nonsense", TOML.replace("fast", "slow")):
            file.write_text(text.replace("{url}", service.url))
            os.kill(os.getpid(), signal.SIGHUP)
        while names(url, http) != ["slow"]:
            pass
        stop()
        return WIRES["ollama"].said(said)

    with Emulator() as service:
        file.write_text(TOML.replace("{url}", service.url))
        running = Running(None, act, "--config", str(file), "--open")
    assert (running.done, running.code, opened) == ("You said: Hi", 130, [f"{running.url}/"])
    line = json.loads((tmp_path / "calls.jsonl").read_text())
    assert (line["key"], line["model"]) == ("anna", "fast")
    assert "was read again" in capsys.readouterr().err


def test_a_wrong_file_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text("nonsense")
    app = Gateway({})
    asyncio.run(reload(app, Namespace(config=str(file))))
    assert "the gateway goes on as before" in capsys.readouterr().err


def test_an_error_that_nobody_expects_of_the_file_does_not_end_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(path: str) -> Any:
        raise RuntimeError(path)

    monkeypatch.setattr(command.config, "load", load)
    asyncio.run(reload(Gateway({}), Namespace(config=str(tmp_path))))
    said = capsys.readouterr().err
    assert f"{tmp_path} was not read again: RuntimeError(" in said
    assert "the gateway goes on as before" in said


def test_what_is_read_again_is_all_of_the_file_but_its_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "gateway.toml"
    names = ["Own.test", "[::A]", "2001:DB8:0::1"]
    given = Namespace(config=str(file), keys=None, origin=["https://a.test"], hostname=names, log_content=False)
    check_values(Namespace(**vars(given), max_streams=1, keep_alive=1.0))
    file.write_text(TOML.replace("{url}", "http://127.0.0.1:9").replace("keys =", HOSTS + "keys ="))
    app = Gateway({})
    asyncio.run(reload(app, given))
    hosts = LOOPBACK | {"own.test", "::a", "2001:db8::1", "::2", "b.test"}
    assert (app.origins, app.hosts) == ({"https://a.test", "https://b.test"}, hosts)
    assert app.log is not None
    app.log({"a": 1})
    assert (tmp_path / "calls.jsonl").read_text() == '{"a": 1}\n'
    assert "another file of keys counts from the next start on" in capsys.readouterr().err
    asyncio.run(app.aclose())


def test_it_serves_until_ctrl_c(capsys: pytest.CaptureFixture[str]) -> None:
    def act(url: str, http: httpx.Client) -> str:
        said = WIRES["ollama"].said(http.post(f"{url}/api/chat", json=WIRES["ollama"].question("any", "Hi")).text)
        while http.get(f"{url}/health").json() != {"status": "ok"}:
            pass
        stop()
        return said

    with Emulator() as service:
        running = Running(service, act)
    assert (running.done, running.code) == ("You said: Hi", 130)
    out, err = capsys.readouterr()
    assert out.startswith(running.url)
    line = json.loads(err)
    assert (line["model"], line["provider_model"], line["outcome"]) == ("any", "any", "complete")


@pytest.mark.heavy
def test_the_demo_asks_over_every_wire_and_says_where_the_page_is() -> None:
    demo = [sys.executable, str(Path(__file__).parents[1] / "demo_serve.py")]
    done = subprocess.run(demo, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "The chat page is at http://127.0.0.1:" in done.stdout
    assert done.stderr.count('"outcome": "complete"') >= 5


@rows(("drain", "outcome"), [("30", "complete"), ("0.1", "cut")])
def test_ctrl_c_lets_calls_finish_and_turns_new_ones_away(
    drain: str, outcome: str, capsys: pytest.CaptureFixture[str]
) -> None:
    release, asked = threading.Event(), threading.Event()

    def slow(_: object) -> Iterator[str]:
        yield "Hel"
        asked.set()
        release.wait(30)
        yield "lo"

    def act(url: str, http: httpx.Client) -> tuple[str, int]:
        body = WIRES["ollama"].question("any", "Hi")
        with http.stream("POST", f"{url}/api/chat", json=body) as response:
            assert asked.wait(10)
            http.get(f"{url}/health")
            stop()
            if drain == "0.1":
                # It is cut, the client is told why, and no end is made up.
                text = response.read().decode()
                assert not WIRES["ollama"].ended(text)
                return str(WIRES["ollama"].error(text)), 0
            while http.get(f"{url}/health").status_code != 503:
                pass
            turned_away = http.post(f"{url}/api/chat", json=body).status_code
            release.set()
            return WIRES["ollama"].said(response.read().decode()), turned_away

    with Emulator(slow) as service:
        try:
            running = Running(service, act, "--drain", drain)
        finally:
            release.set()
    assert running.done == (("Hello", 503) if outcome == "complete" else ("the gateway stops; try again later", 0))
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    assert [line["outcome"] for line in lines][-1] == outcome
