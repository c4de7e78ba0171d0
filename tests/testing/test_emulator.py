"""The emulator as a test holds it: its URL, its script, its start and its end."""

from __future__ import annotations

import json
import signal
import threading
from dataclasses import replace
from typing import Any

import pytest

import g4flite
from g4flite.testing import Emulator, Script, ToolCall
from tests.conftest import Driver
from tests.rows import rows
from tests.testing.sockets import (
    CROMICLE,
    FLOWGPT,
    FOUNDERS,
    RECENT,
    REPLY,
    ask,
    connect,
    emulate,
    last,
    mistaken,
    post,
)

pytest_plugins = ["g4flite.testing.plugin"]
pytestmark = pytest.mark.usefixtures("nothing_is_left_behind")


@pytest.mark.parametrize("path", ["/chat", "/nowhere"])
def test_status_body_and_headers_answer_any_request(path: str) -> None:
    script = Script(status=429, body="später", headers={"Retry-After": "7", "Content-Type": "text/html"}, split=3)
    with emulate(script=script) as e:
        status, headers, body = ask(e, replace(CROMICLE, path=path))
        assert (status, body) == (429, "später".encode())
        assert headers["retry-after"] == "7"
        assert headers["content-type"] == "text/html"
        assert headers["transfer-encoding"] == "chunked"
    assert last(e).status == 429
    assert (last(e).problem is None) == (path == "/chat")


def test_a_body_alone_replaces_the_bytes_of_the_reply() -> None:
    with emulate(lambda _: 1 / 0, script=Script(body=b"\xff")) as e:
        assert ask(e, FLOWGPT)[0] == 200
        assert ask(e, FLOWGPT)[1]["content-type"] == "application/x-ndjson"
        assert ask(e, FLOWGPT)[2] == b"\xff"
        assert ask(e, replace(FLOWGPT, path="/"))[1]["content-type"] == "text/plain; charset=utf-8"


def test_headers_alone_join_those_of_a_reply_and_of_a_refusal() -> None:
    with emulate(script=Script(headers={"X-Id": "1"})) as e:
        assert ask(e)[1]["x-id"] == "1"
        status, headers, _ = ask(e, replace(CROMICLE, method="GET"))
        assert (status, headers["x-id"], headers["allow"]) == (405, "1", "POST")


def test_a_script_counts_for_the_requests_after_it() -> None:
    with emulate() as e, connect(e) as connection:
        assert post(connection, CROMICLE)[0] == 200
        e.script = Script(status=503)
        assert post(connection, CROMICLE)[0] == 503
        e.script = Script()
        assert post(connection, CROMICLE)[0] == 200
        assert [exchange.status for exchange in e.exchanges] == [200, 503, 200]


@rows("reply", [lambda _: 1 / 0, lambda _: [b"bytes"], lambda _: "\ud83d"])
def test_a_reply_that_fails_at_once_is_a_status_500(reply: Any) -> None:
    with mistaken(emulate(reply)) as e, connect(e) as connection:
        status, _, body = post(connection, FLOWGPT)
        assert status == 500
        assert json.loads(body)["error"].startswith("reply function failed: ")
        assert last(e).problem == json.loads(body)["error"]
        assert post(connection, FLOWGPT)[0] == 500
        assert e.connections == 1


def test_prefix_is_where_everything_is_served() -> None:
    with emulate(prefix="/gateway/v1") as e:
        assert e.url == f"http://127.0.0.1:{e.port}/gateway/v1"
        for name, wire in FOUNDERS.items():
            assert ask(e, replace(wire, path="/gateway/v1" + wire.path))[0] == 200
            assert last(e).service == name
            assert ask(e, wire)[0] == 404
            assert f"/gateway/v1{wire.path}" in str(last(e).problem)


def test_there_is_no_url_before_there_is_a_port() -> None:
    with pytest.raises(RuntimeError, match="start"):
        Emulator().url  # noqa: B018
    assert Emulator(host="localhost", port=8080).url == "http://localhost:8080"


def test_a_port_in_use_is_an_os_error() -> None:
    with emulate() as e, pytest.raises(OSError, match="in use"):
        Emulator(port=e.port).start()


@pytest.mark.parametrize("stop", ["interrupt", "close"])
def test_serve_forever_closes_when_it_is_stopped(stop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    e, start, statuses = emulate(), Emulator.start, []
    main = threading.main_thread().ident
    assert main

    def started(self: Emulator) -> None:
        start(self)
        other.start()

    def use() -> None:
        statuses.append(ask(e)[0])
        if stop == "close":
            e.close()
        else:
            signal.pthread_kill(main, signal.SIGINT)

    other = threading.Thread(target=use)
    monkeypatch.setattr(Emulator, "start", started)
    if stop == "close":
        e.serve_forever()
    else:
        with pytest.raises(KeyboardInterrupt):
            e.serve_forever()
    other.join(RECENT)
    assert statuses == [200]
    with pytest.raises(ConnectionRefusedError):
        ask(e)


def test_the_fixture_is_a_running_emulator(emulator: Emulator) -> None:
    assert ask(emulator)[2] == REPLY
    assert emulator.url == f"http://127.0.0.1:{emulator.port}"


def test_a_text_is_a_reply_too(driver: Driver) -> None:
    with Emulator("One two") as e:
        assert driver.collect("ollama", "Hi", model="m", base_url=e.url) == ["One", " two"]
        e.reply = "three"
        assert driver.collect("cromicle", "Hi", base_url=e.url) == ["three"]
        assert e.reply == "three"


@rows("wrong", [None, 5, {"text": "a"}, ["a"]])
def test_what_is_no_reply_is_told_where_it_is_assigned(wrong: Any) -> None:
    with pytest.raises(TypeError, match="^reply: expected a str or a function of the messages, not "):
        Emulator(wrong)
    with emulate() as e, pytest.raises(TypeError, match="^reply: expected a str or a function of the messages, not "):
        e.reply = wrong


@rows("wrong", [None, {"cut": 3}, Script])
def test_what_is_no_script_is_told_where_it_is_assigned(wrong: Any) -> None:
    with pytest.raises(TypeError, match="^script: expected a Script, like Script"):
        Emulator(script=wrong)
    with emulate() as e, pytest.raises(TypeError, match="^script: expected a Script, like Script"):
        e.script = wrong


WRONG = {
    "none": (lambda _: None, "expected a str, an event or an iterable of these, not None"),
    "number": (lambda _: 5, "expected a str, an event or an iterable of these, not 5"),
    "dict": (lambda _: {"text": "a"}, "expected a str, an event or an iterable of these, not {'text': 'a'}"),
    "bytes": (lambda _: b"a", "expected str, Start, .* not 97"),
    "arguments": (lambda _: [ToolCall("", "f", {"a": 1})], "ToolCall.arguments: expected JSON text"),  # type: ignore[arg-type]
}


@rows("name", WRONG)
def test_the_end_of_the_with_raises_what_a_reply_function_did_wrong(name: str, driver: Driver) -> None:
    reply, problem = WRONG[name]
    with pytest.raises((TypeError, ValueError), match=problem) as caught, Emulator(reply) as e:  # type: ignore[arg-type]
        driver.collect("anthropic", "Hi", model="m", api_key="any", base_url=e.url, retries=5)
    # The fault of the service, which the client saw, is its consequence.
    assert isinstance(caught.value.__context__, g4flite.StatusError)
    assert caught.value.__context__.status == 500
    # The request was not tried again.
    assert len(e.exchanges) == 1


@rows("provider", ["cromicle", "openai", "gemini", "ollama", "cohere", "openai-responses"])
def test_an_assert_in_a_reply_function_fails_the_test_and_is_asked_once(provider: str, driver: Driver) -> None:
    def reply(messages: Any) -> str:
        assert messages == []
        return "a"

    with pytest.raises(AssertionError) as caught, Emulator(reply) as e:
        key = {"api_key": "any"} if provider in ("openai", "openai-responses", "gemini", "cohere") else {}
        model = {} if provider == "cromicle" else {"model": "m"}
        url = e.url + ("/v1" if provider.startswith("openai") else "")
        driver.collect(provider, "Hi", base_url=url, retries=5, **model, **key)
    assert caught.traceback[-1].name == "reply"
    assert len(e.exchanges) == 1


def test_an_interrupt_is_not_replaced() -> None:
    with pytest.raises(KeyboardInterrupt), Emulator(lambda _: 1 / 0) as e:  # type: ignore[arg-type,return-value]
        assert ask(e)[0] == 500
        raise KeyboardInterrupt
