"""Every example runs as it stands and prints its answer: some in this process, the others in a process each."""

import asyncio
import hashlib
import hmac
import json
import runpy
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from g4flite import NotFoundError
from g4flite.testing import Emulator, Script
from tests.conftest import bare_environment
from tests.rows import rows

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
# These run in this process, and ask the server that BASE_URL names.
HERE = ("approval", "bot", "bot_async", "chat_bot", "custom_signer", "notebook", "pdf", "structured", "thread_pool")
# A process takes a second; so two stand for those that could run in one of their own.
APART = ("cromicle", "demo")
# tests/ray/ runs the one that needs Ray.
ALSO_HERE = [path.stem for path in EXAMPLES if path.stem not in (*HERE, *APART, "web_service", "ray_serve")]
LOCAL = ("OLLAMA", "LLAMACPP", "LMSTUDIO", "VLLM")
# No model server of this machine is asked.
NOBODY = {f"G4FLITE_{name}_BASE_URL": "http://127.0.0.1:9/v1" for name in LOCAL}
PRINTS = {
    "cromicle": ["You said: System: Be brief.\nUser: Which is the largest ocean?\nAssistant:"],
    "free2gpt": ["You said: Which is the largest ocean?"],
    "gprochat": ["You said: System: Be brief.\nUser: Which is the largest ocean?\nAssistant:"],
    "flowgpt": ["You said: Which is the largest ocean?"],
    "sync_loop": [
        "You said: How are you?   [cromicle, gpt-3.5-turbo, 22 characters]",
        "ModelNotFoundError: cromicle: ",
    ],
    "async_asyncio": ["['You said: Question 1', 'You said: Question 2', 'You said: Question 3']", "closed, "],
    "async_trio": ["[out of time: "],
    "custom_provider": ["Acme says hello."],
    "local": ["llamacpp at http://127.0.0.1:", ", model emulated:\nYou said: In one", "[stop, 10 tokens counted]"],
    "chat_bot": ["'You...'\n", "'You said: Say it word by word, one after the other, please'\n"],
    "custom_signer": ["Acme says hello."],
    "pdf": ["You said: Sum up this report in a sentence, please."],
    "notebook": ["Why is the sky blue?   [stop; message 1]", "And in the evening?   [stop; message 3]"],
    "thread_pool": ["What is 1 times 1?     You said: What is 1 times 1?\nWhat is 2 times 2?     You said: What is 2"],
    "bot": ["It has 2 degrees and snow in Oslo.   [4 messages, ", "It has 2 degrees and snow in Oslo.   [8 messages, "],
    "bot_async": ['{"city": "Oslo", "snow": true, "days": 1} {"city": "Rome", "snow": true, "days": 3}   [5 messages]'],
    "structured": ["{'name': 'Oslo', 'people': 717710, 'sights': ['", "Oslo: 717710 people, 3 sights\n"],
    "approval": [
        "The model wants delete({'path': 'draft.txt'}).\nThe tool says: deleted draft.txt.\n",
        "The tool says: the call was not allowed: only drafts may be deleted.\n",
    ],
    "demo": [
        f"{name:<9} {loop}  You said: Hello! Can you stream"
        for name in ("cromicle", "free2gpt", "gprochat", "flowgpt")
        for loop in ("for      ", "async for")
    ],
}


def run(name: str) -> None:
    """Run an example as a program, in this process."""
    runpy.run_path(str(EXAMPLES[0].with_name(f"{name}.py")), run_name="__main__")


@pytest.mark.heavy
@pytest.mark.parametrize("name", APART)
def test_an_example_runs_in_a_process_of_its_own(name: str) -> None:
    command = [sys.executable, "-W", "error", str(EXAMPLES[0].with_name(f"{name}.py"))]
    environment = {**bare_environment(), "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    for text in PRINTS[name]:
        assert text in done.stdout


@pytest.mark.parametrize("name", [*HERE, *ALSO_HERE])
def test_an_example_runs_in_this_process(
    name: str, server: Emulator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.keys = False
    monkeypatch.delenv("BASE_URL", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for variable, value in (NOBODY | {"G4FLITE_LLAMACPP_BASE_URL": f"{server.url}/v1"}).items():
        monkeypatch.setenv(variable, value)
    run(name)
    printed, complaints = capsys.readouterr()
    for text in PRINTS[name]:
        assert text in printed
    assert complaints == ""


@pytest.mark.parametrize("name", HERE)
def test_an_example_asks_the_server_that_base_url_names(
    name: str, server: Emulator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server refuses: a loop over many questions goes on, and an example that catches no error raises."""
    server.keys, server.script = False, Script(status=None if name == "notebook" else 404)
    monkeypatch.setenv("BASE_URL", f"{server.url}/v1" if name == "notebook" else server.url)
    if name in ("custom_signer", "approval", "bot", "bot_async", "structured"):
        with pytest.raises(NotFoundError):
            run(name)
    else:
        run(name)
        assert ("[NotFoundError" in capsys.readouterr().out) is (name != "notebook")
    assert len(server.exchanges) == {"notebook": 2, "thread_pool": 8}.get(name, 1)


def test_the_signature_of_the_custom_signer_is_an_hmac_of_time_nonce_and_prompt(
    server: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.script = Script(body="Hi")
    monkeypatch.setenv("BASE_URL", server.url)
    run("custom_signer")
    (exchange,) = server.exchanges
    headers, body = dict(exchange.headers), json.loads(exchange.body)
    text = f"{headers['x-time']}\n{body['nonce']}\nHello"
    assert headers["x-signature"] == hmac.new(b"known to both sides", text.encode(), hashlib.sha256).hexdigest()


def visit(monkeypatch: pytest.MonkeyPatch, hangs_up: Callable[[], object] | None = None) -> list[str]:
    """Return the lines that a client reads from the web service; given `hangs_up`, it reads one line and calls that."""
    lines: list[str] = []

    async def serve(app: Any) -> None:
        link = socket.create_server(("127.0.0.1", 0))
        service = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none", lifespan="off"))
        serving = asyncio.create_task(service.serve(sockets=[link]))
        url = f"http://127.0.0.1:{link.getsockname()[1]}/"
        async with httpx.AsyncClient() as client, client.stream("POST", url, content="Hi") as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            async for line in response.aiter_lines():
                lines.append(line)
                if hangs_up:
                    break
        if hangs_up:
            await asyncio.to_thread(hangs_up)
        service.should_exit = True
        await serving

    monkeypatch.setattr(uvicorn, "run", lambda app: asyncio.run(serve(app)))
    run("web_service")
    return lines


def test_the_web_service_streams_an_answer_and_reports_an_error(
    server: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BASE_URL", raising=False)
    assert visit(monkeypatch) == ['data: "You"', "", 'data: " said:"', "", 'data: " Hi"', ""]
    server.script = Script(status=404)
    monkeypatch.setenv("BASE_URL", server.url)
    lines = visit(monkeypatch)
    assert lines[0] == "event: error"
    assert lines[1].startswith('data: "gprochat: status 404')


def test_a_client_that_leaves_the_web_service_ends_the_stream_upstream(
    server: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.script = Script(wait=30)
    monkeypatch.setenv("BASE_URL", server.url)
    assert visit(monkeypatch, lambda: server.exchanges[0].disconnected.wait(10)) == ['data: "You"']
    assert server.exchanges[0].disconnected.is_set()


@pytest.mark.heavy
def test_the_local_demo_says_what_to_start() -> None:
    path = Path(__file__).parents[1] / "examples" / "local.py"
    environment = bare_environment() | NOBODY
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=120, env=environment)
    assert (done.returncode, done.stderr) == (1, "")
    assert "No local server is running." in done.stdout
    assert "ollama serve" in done.stdout


@rows("path", EXAMPLES)
def test_an_example_is_short(path: Path) -> None:
    assert 5 <= len(path.read_text().splitlines()) <= 35
