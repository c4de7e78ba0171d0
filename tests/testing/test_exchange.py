"""What the emulator responds to a request: the script's word, the reply's, or an error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPConnection
from typing import Any

import pytest

from g4flite.testing import Emulator, Reasoning, Script, ToolCall
from tests.open_protocols import ANTHROPIC, CHAT, SAID, WHOLE, WIRES, ask, emulate, hear, last, told
from tests.rows import rows
from tests.testing.sockets import mistaken


@rows("name", WIRES)
@rows("unterminated", [False, True])
def test_the_last_line_end_can_be_left_out(name: str, unterminated: bool) -> None:
    with emulate("a", "b") as e:
        whole = hear(e, WIRES[name])
        e.script = Script(unterminated=unterminated)
        body = hear(e, WIRES[name])
    end = b"\r\n" if name == "gemini" else b"\n"
    assert whole.endswith(end if name == "ollama" else end + end)
    assert body == (whole.removesuffix(end) if unterminated else whole)


@rows("name", WIRES)
def test_split_and_cut_are_of_the_body_s_bytes(name: str) -> None:
    with emulate(*SAID) as e:
        whole = hear(e, WIRES[name])
        e.script = Script(split=1)
        assert hear(e, WIRES[name]) == whole
        e.script = Script(body="other", status=418)
        response = ask(e, WIRES[name])
        assert (response.status, response.body) == (418, b"other")
        kind = "application/x-ndjson" if name == "ollama" else "text/event-stream"
        assert response.headers["content-type"].startswith(kind)
        e.script = Script(status=502)
        assert ask(e, replace(WIRES[name], data=[])).status == 502
        assert last(e).problem == "body: expected an object"


def test_a_reply_that_fails_is_the_vendor_s_500_or_breaks_off() -> None:
    with mistaken(emulate(ToolCall("", "f", "{}"), b"no")) as e:
        with pytest.raises(Exception, match="IncompleteRead"):
            ask(e, CHAT)
        assert "expected str, Start, Reasoning" in str(last(e).problem)
    for bad in (b"bytes", "\ud83d", Reasoning("\ud83d"), ToolCall("", "\ud83d", "{}")):
        with mistaken(emulate(bad)) as e:
            response = ask(e, ANTHROPIC)
            assert (response.status, response.json["error"]["type"]) == (500, "api_error")
            assert response.json["error"]["message"].startswith("reply function failed: ")
            assert last(e).problem == response.json["error"]["message"]


def test_pieces_are_made_when_they_are_sent() -> None:
    made = []

    def reply(_: Any) -> Iterator[str]:
        for number in range(100):
            made.append(number)
            yield "word "

    with emulate() as e:
        e.reply = reply
        e.script = Script(cut=500)
        with pytest.raises(Exception, match="IncompleteRead"):
            ask(e, CHAT)
        assert last(e).finished.is_set()
    assert 0 < len(made) < 10


@rows("name", WIRES)
def test_a_whole_reply_is_sent_as_the_script_says(name: str) -> None:
    with emulate(*SAID) as e:
        whole = ask(e, WHOLE[name]).body
        e.script = Script(split=1, unterminated=True, headers={"x-own": "1"})
        response = ask(e, WHOLE[name])
        assert (response.body, response.headers["x-own"]) == (whole, "1")
        assert response.headers["content-length"] == str(len(whole))
        e.script = Script(cut=5)
        with pytest.raises(Exception, match="IncompleteRead"):
            ask(e, WHOLE[name])
        e.script = Script(body="other", status=418)
        assert (ask(e, WHOLE[name]).status, ask(e, WHOLE[name]).body) == (418, b"other")


@rows("name", WIRES)
def test_a_whole_reply_that_fails_halfway_is_the_vendor_s_500(name: str) -> None:
    with mistaken(emulate("a", b"no")) as e:
        response = ask(e, WHOLE[name])
        assert response.status == 500
        assert str(last(e).problem).startswith("reply function failed: TypeError(")
        assert "not b'no'" in response.body.decode()


@rows("name", WIRES)
@rows("kind", ["rate_limit", "server"])
def test_a_scripted_problem_is_the_same_whether_the_client_streams_or_not(name: str, kind: str) -> None:
    assert told(kind, WHOLE[name])[::2] == told(kind, WIRES[name])[::2]


def test_the_models_are_listed() -> None:
    with Emulator(prefix="/sub") as server:
        connection = HTTPConnection(server.host, server.port, timeout=30)
        connection.request("GET", "/sub/v1/models")
        answer = connection.getresponse()
        assert (answer.status, [model["id"] for model in json.load(answer)["data"]]) == (200, ["emulated"])
        assert server.exchanges[-1].service == "models"
        connection.close()
