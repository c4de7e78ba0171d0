"""The command `emulate`: what its flags make the emulator say, what it logs, and what it refuses.

The `serving` fixture runs the command in this process.  Instead of serving until Ctrl-C, the command asks itself.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

import g4flite
from g4flite import Reasoning
from g4flite.__main__ import main
from g4flite.testing import Emulator
from tests.apps.complaints import a_line
from tests.conftest import Driver

Captured = pytest.CaptureFixture[str]
Serving = Callable[..., Any]


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serving]:
    """Return a function that runs `emulate` with these flags, and returns what `ask(base_url)` returns meanwhile."""

    def run(ask: Callable[[str], Any], *flags: str) -> Any:
        found: list[Any] = []

        def serve(emulator: Emulator) -> None:
            found.append(ask(emulator.url))
            for exchange in emulator.exchanges:
                assert exchange.finished.wait(60)

        monkeypatch.setattr(Emulator, "serve_forever", serve)
        assert main(["emulate", *flags]) == 0
        return found[0]

    return run


def events(driver: Driver, **more: Any) -> Callable[[str], list[Any]]:
    return lambda url: driver.events("ollama", "Hello you", **{"model": "m", "base_url": url, **more})


CITY = {"type": "object", "properties": {"city": {"type": "string", "enum": ["Oslo"]}}}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": CITY}}


def test_reasoning_and_a_call_of_the_declared_tool_come_in_every_driver(driver: Driver, serving: Serving) -> None:
    found = serving(events(driver, tools=[TOOL]), "--reasoning")
    assert [event for event in found if isinstance(event, Reasoning)] == [
        Reasoning("Let me"), Reasoning(" think"), Reasoning(" about it."),
    ]  # fmt: skip
    (call,) = driver.stream.tool_calls
    assert (call.name, json.loads(call.arguments), driver.stream.finish_reason) == (
        "weather", {"city": "Oslo"}, "tool_calls",
    )  # fmt: skip


def test_after_the_reasoning_comes_what_was_said(driver: Driver, serving: Serving) -> None:
    found = serving(events(driver), "--reasoning")
    assert "".join(event for event in found if isinstance(event, str)) == "You said: Hello you"


def test_the_answer_to_a_tools_result_is_text(serving: Serving) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "4 °C"},
    ]
    asked = g4flite.stream
    text = serving(lambda url: asked("ollama", messages, model="m", base_url=url, tools=[TOOL]).text())
    assert text == "You said: 4 °C"


def test_without_flags_the_answer_is_what_was_said(driver: Driver, serving: Serving) -> None:
    found = serving(lambda url: driver.collect("cromicle", "Hello  you ", base_url=url))
    assert "".join(found) == "You said: Hello  you "


@pytest.mark.parametrize(
    ("kind", "error"),
    [("rate_limit", g4flite.RateLimitError), ("overloaded", g4flite.OverloadedError),
     ("authentication", g4flite.AuthenticationError), ("context_length", g4flite.ContextLengthError)],
)  # fmt: skip
def test_a_failure_is_the_services_own(kind: str, error: type[Exception], serving: Serving) -> None:
    def ask(url: str) -> None:
        with pytest.raises(error):
            g4flite.stream("openai", "Hi", model="m", base_url=f"{url}/v1", api_key="sk-test-1", retries=0).text()

    serving(ask, "--fail", kind)


def test_a_reply_is_cut_and_a_slow_one_waits_between_its_chunks(serving: Serving) -> None:
    def cut(url: str) -> None:
        with pytest.raises(g4flite.TruncatedStreamError) as caught:
            g4flite.stream("cromicle", "Hi", base_url=url, retries=0).text()
        assert caught.value.partial == "You s"

    serving(cut, "--cut", "5")

    def slow(url: str) -> float:
        began = time.monotonic()
        assert g4flite.stream("cromicle", "Hi", base_url=url).text() == "You said: Hi"
        return time.monotonic() - began

    # Three words have two waits between them.
    assert serving(slow, "--slow", "0.05") >= 0.1


def test_no_key_is_demanded_with_no_keys(driver: Driver, serving: Serving) -> None:
    def ask(url: str) -> list[str]:
        return driver.collect("llamacpp", "Hi", base_url=f"{url}/v1", retries=0)

    assert "".join(serving(ask, "--no-keys")) == "You said: Hi"

    def refused(url: str) -> None:
        with pytest.raises(g4flite.AuthenticationError, match="LLAMA_API_KEY"):
            ask(url)

    serving(refused)


def test_the_log_has_a_line_for_each_request_and_no_key(serving: Serving, capsys: Captured) -> None:
    def ask(url: str) -> None:
        g4flite.stream("gemini", "Hello\x1b[2J\n" + "x" * 99, model="m", base_url=url, api_key="sk-secret").text()
        with httpx.Client(base_url=url) as client:
            client.get("/nowhere?key=sk-secret")
            client.post("/api/chat", json={"model": "m"}, headers={"authorization": "Bearer sk-secret"})

    serving(ask, "--log")
    out, err = capsys.readouterr()
    url, hint, command, *lines = out.splitlines()
    assert command.endswith(f' stream cromicle "Hello" --base-url {url}')
    assert "Ctrl-C" in hint
    assert "sk-secret" not in out
    assert err == ""
    patterns = [
        r"POST /v1beta/models/m:streamGenerateContent -> 200 in \d\.\d s: gemini, model m, 'Hello\\x1b\[2J\\nx{50}'",
        r"GET /nowhere -> 404 in \d\.\d s: no service, path: expected one of .*",
        r"POST /api/chat -> 400 in \d\.\d s: ollama, messages: expected .*",
    ]
    assert len(lines) == len(patterns)
    for pattern, line in zip(patterns, lines, strict=True):
        assert re.fullmatch(pattern, line), line


def test_the_log_says_that_a_client_left(serving: Serving, capsys: Captured) -> None:
    def ask(url: str) -> None:
        with g4flite.stream("cromicle", "Hi", base_url=url) as stream:
            assert next(iter(stream)) == "You"

    serving(ask, "--log", "--slow", "30")
    assert capsys.readouterr().out.endswith(" s: cromicle, 'Hi', the client left\n")


@pytest.mark.parametrize("flags", [["--reasoning"], ["--fail", "server"]])
def test_the_command_to_try_asks_a_service_that_knows_what_the_flags_say(
    flags: list[str], serving: Serving, capsys: Captured
) -> None:
    serving(lambda url: None, *flags)
    assert ' stream ollama "Hello" -m any --base-url ' in capsys.readouterr().out


def test_a_port_in_use_is_one_line_and_exit_code_1(server: Emulator, capsys: Captured) -> None:
    assert main(["emulate", "--port", str(server.port)]) == 1
    assert a_line(capsys.readouterr().err, f"error: could not listen on 127.0.0.1:{server.port}: ")


WRONG = {
    "port": (["emulate", "--port", "65536"], "could not listen on 127.0.0.1:65536: "),
    "host": (["emulate", "--host", "ä..b"], "could not listen on ä..b:0: "),
    "slow": (["emulate", "--slow", "nan"], "--slow: expected 0 or more"),
    "cut": (["emulate", "--cut", "-1"], "--cut: expected 0 or more"),
    "fail": (["emulate", "--fail", "rate"], "--fail: expected one of authentication, "),
    "tools": (["emulate", "--tools"], "there is no flag --tools: a request that declares tools is answered by a call"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_usage_is_one_line_and_exit_code_2(case: str, capsys: Captured) -> None:
    arguments, message = WRONG[case]
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert a_line(err, f"error: {message}")
