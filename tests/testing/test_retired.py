"""The retired services: what they say, what they refuse, and what their replies cannot say."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from http.client import IncompleteRead
from typing import Any

import pytest

from g4flite.testing import Emulator, Finish, Problem, Reasoning, Script, ToolCall
from tests.rows import rows
from tests.testing.sockets import (
    CROMICLE,
    FLOWGPT,
    FOUNDERS,
    FREE2GPT,
    GPROCHAT,
    GREETING,
    NOW,
    PROMPT,
    RECENT,
    Wire,
    ask,
    chunks,
    emulate,
    last,
    mistaken,
    plug,
    read_all,
)

pytestmark = pytest.mark.usefixtures("nothing_is_left_behind")


# What they say


@rows("name", ["cromicle", "free2gpt", "gprochat"])
def test_raw_text_is_streamed_word_by_word(name: str) -> None:
    with emulate() as e, plug(e, FOUNDERS[name].header(connection="close").raw) as sock:
        response = read_all(sock)
        assert response.startswith(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\n")
        assert chunks(response) == [b"You", b" said:", b" Hello,", b" how", b" are", b" you?", b""]
        exchange = last(e)
    assert (exchange.service, exchange.method, exchange.path) == (name, "POST", FOUNDERS[name].path)
    assert exchange.body == FOUNDERS[name].content
    assert exchange.headers[:2] == [("host", "emulator"), ("content-length", str(len(exchange.body)))]
    assert exchange.messages == [{"role": "user", "content": PROMPT}]
    assert (exchange.problem, exchange.status, exchange.disconnected_at) == (None, 200, None)
    assert not exchange.disconnected.is_set()
    assert 0 <= time.monotonic() - exchange.started < RECENT


def test_ndjson_is_streamed_line_by_line() -> None:
    with emulate(lambda _: ["Grüß", "", "\u2028dich"]) as e:
        assert ask(e, FLOWGPT) == (
            200,
            {"content-type": "application/x-ndjson", "connection": "keep-alive", "transfer-encoding": "chunked"},
            '{"status": "ok"}\n'
            '{"event": "text", "data": "Grüß"}\n'
            '{"event": "text", "data": ""}\n'
            '{"event": "text", "data": "\u2028dich"}\n'
            '{"event": "done"}\n'.encode(),
        )
    assert last(e).messages == [{"role": "user", "content": PROMPT}]


def test_flowgpt_messages_are_system_then_history_then_question() -> None:
    earlier = [{"role": "user", "content": "1"}, {"role": "assistant", "content": "2"}]
    with emulate() as e:
        assert ask(e, FLOWGPT.field(system="Be brief", history=[GREETING, *earlier], temperature=1))[0] == 200
    system = {"role": "system", "content": "Be brief"}
    assert last(e).messages == [system, *earlier, {"role": "user", "content": PROMPT}]


def test_free2gpt_messages_come_as_given() -> None:
    messages = [{"role": "system", "content": "1"}, {"role": "user", "content": PROMPT}]
    with emulate() as e:
        assert ask(e, FREE2GPT.field(messages=messages))[0] == 200
    assert last(e).messages == messages


@pytest.mark.parametrize("drift", [-60, 60])
def test_a_minute_of_drift_is_accepted(drift: int) -> None:
    with emulate(clock=lambda: NOW + drift) as e:
        assert {ask(e, wire)[0] for wire in FOUNDERS.values()} == {200}


@rows(
    ("reply", "pieces"),
    [
        ("", [b""]),
        ("  two  words\n", [b"  two", b"  words", b"\n", b""]),
        (["a b", "", "c"], [b"a b", b"c", b""]),
        (iter("ab"), [b"a", b"b", b""]),
    ],
)
def test_a_reply_keeps_every_blank_and_every_piece(reply: Any, pieces: list[bytes]) -> None:
    with emulate(lambda _: reply) as e, plug(e, CROMICLE.header(connection="close").raw) as sock:
        assert chunks(read_all(sock)) == pieces


def test_a_retired_service_says_the_text_alone() -> None:
    with emulate(lambda _: [Reasoning("Hm"), "a", Finish("length"), "never"]) as e:
        assert ask(e)[2] == b"a"
        assert (last(e).model, last(e).options) == (None, {})


@pytest.mark.parametrize("piece", [ToolCall("", "f", "{}"), Problem("server")])
def test_a_retired_service_knows_neither_calls_nor_problems(piece: Any) -> None:
    with mistaken(emulate(lambda _: [piece])) as e:
        status, _, body = ask(e)
        assert (status, json.loads(body)["error"]) == (
            500,
            f"reply: expected text of this service, not {piece!r}",
        )
    with mistaken(emulate(lambda _: ["a", piece])) as e:
        with pytest.raises(IncompleteRead):
            ask(e)
        assert "expected text" in str(last(e).problem)


def test_a_retired_service_refuses_a_scripted_problem() -> None:
    with mistaken(emulate(script=Script(problem="server"))) as e:
        status, _, body = ask(e)
        assert (status, json.loads(body)["error"]) == (
            500,
            "script: expected no problem, which this service cannot tell",
        )


# What they refuse


def bad(name: str, **change: str | None) -> Wire:
    return FOUNDERS[name].header(**change)


REFUSED: list[tuple[Wire, int, str]] = [
    (replace(CROMICLE, path="/"), 404, "path: expected one of /chat, /api/generate, /v3/chat-anonymous"),
    (replace(CROMICLE, path="//chat"), 404, "path"),
    (replace(CROMICLE, path="/chat?model=x"), 404, "path"),
    (replace(CROMICLE, method="PUT"), 405, "method: expected POST"),
    (replace(GPROCHAT, method="OPTIONS"), 405, "method: expected POST"),
    (bad("free2gpt", origin="http://127.0.0.1"), 400, "https://chat10.free2gpt.xyz"),
    (bad("gprochat", origin=None), 400, "https://gprochat.com"),
    (bad("cromicle", content_type=None), 415, 'content-type (once): expected "application/json"'),
    (bad("cromicle", content_type="text/plain;charset=UTF-8"), 415, "application/json"),
    (bad("free2gpt", content_type="application/json"), 415, "text/plain;charset=UTF-8"),
    (bad("gprochat", content_type="text/plain"), 415, "text/plain;charset=UTF-8"),
    (bad("flowgpt", content_type="text/plain;charset=UTF-8"), 415, "application/json"),
    *(
        (wire.header(**{name: value}), 400, f"header {name} (once)")
        for wire in FOUNDERS.values()
        for name in wire.headers
        if name not in {"content-type", "x-signature"} and (wire is FLOWGPT or name != "origin")
        for value in (None, "x")
    ),
    (bad("flowgpt", x_flow_device_id="f-ABCDEFGHIJ012345678"), 400, "x-flow-device-id"),
    (bad("flowgpt", x_nonce="0123456789abcdef"), 400, "32 hex digits"),
    (bad("flowgpt", x_timestamp="1700000000.5"), 400, "whole seconds"),
    (bad("flowgpt", x_signature=None), 400, "x-signature"),
    (replace(CROMICLE, body=b""), 400, "body: expected JSON"),
    (replace(CROMICLE, body=b"message=Hello"), 400, "body: expected JSON"),
    (replace(CROMICLE, body=b'{"message": "\xff"}'), 400, "UTF-8"),
    (replace(CROMICLE, body=b'{"message": "\\ud83d"}'), 400, "UTF-8"),
    (replace(FLOWGPT, body=b'{"temperature": NaN}'), 400, "body: expected JSON"),
    (replace(CROMICLE, body=b"[" * 1_000_000), 400, "body: expected JSON"),
    (replace(CROMICLE, body=b"[]"), 422, "exactly the fields message, token, hash"),
    *((wire.without(name), 422, f"missing ['{name}'], unknown []") for wire in FOUNDERS.values() for name in wire.data),
    *((wire.field(stream=True), 422, "missing [], unknown ['stream']") for wire in FOUNDERS.values()),
    *((wire.field(**{name: {"x": 1}}), 422, f"{name}: expected") for wire in FOUNDERS.values() for name in wire.data),
    (CROMICLE.field(token="abd"), 422, 'token: expected "abc"'),
    (FREE2GPT.field(time=1700000000123.0), 422, "time: expected an integer"),
    (GPROCHAT.field(time=True), 422, "time: expected an integer"),
    (GPROCHAT.field(**{"pass": False}), 422, "pass: expected null"),
    (FREE2GPT.field(messages=[]), 422, "messages: expected a list"),
    (FREE2GPT.field(messages=["Hello"]), 422, "messages: expected a list"),
    (FREE2GPT.field(messages=[{"role": "user", "content": None}]), 422, "messages: expected a list"),
    (FREE2GPT.field(messages=[{"role": "user", "content": "1", "id": "1"}]), 422, "messages: expected a list"),
    (GPROCHAT.field(messages=[{"role": "user", "content": PROMPT}]), 422, '"parts"'),
    (GPROCHAT.field(messages=[{"role": "model", "parts": [{"text": PROMPT}]}]), 422, '"parts"'),
    (GPROCHAT.field(messages=[{"role": "user", "parts": [{"text": 1}]}]), 422, '"parts"'),
    (FLOWGPT.field(model="gpt-5"), 422, "model: expected one of gpt-3.5-turbo"),
    (FLOWGPT.field(model="gpt-4-turbo"), 422, 'promptId: expected "model-gpt-4-turbo"'),
    (FLOWGPT.field(nsfw=0), 422, "nsfw: expected false"),
    (FLOWGPT.field(temperature=True), 422, "temperature: expected a number"),
    (FLOWGPT.field(documentIds=["1"]), 422, "documentIds: expected []"),
    (FLOWGPT.field(history=[]), 422, "history: expected a list"),
    (FLOWGPT.field(history=[{"role": "user", "content": "1"}]), 422, GREETING["content"]),
    (FLOWGPT.field(history=[GREETING, {"role": "system", "content": "1"}]), 422, "none of role system"),
    (FREE2GPT.field(time=1699999940122), 401, "time: expected within 60 s of 1700000000123"),
    (GPROCHAT.field(time=1700000060124), 401, "time: expected within 60 s of 1700000000123"),
    (GPROCHAT.field(time=10**400), 401, "time: expected within 60 s"),
    (bad("flowgpt", x_timestamp="1700000061"), 401, "x-timestamp: expected within 60 s of 1700000000"),
    (CROMICLE.field(message="Hello"), 403, "hash: expected"),
    (FREE2GPT.field(time=1700000000124), 403, "sign: expected"),
    (GPROCHAT.field(sign="0" * 64), 403, "sign: expected"),
    (bad("flowgpt", x_nonce="1123456789abcdef0123456789abcdef"), 403, "x-signature: expected"),
]


@rows(("wire", "status", "reason"), REFUSED)
def test_a_wrong_field_is_refused_by_its_name(shared: Emulator, wire: Wire, status: int, reason: str) -> None:
    sent, headers, body = ask(shared, wire)
    problem = json.loads(body)["error"]
    assert (sent, headers["content-type"]) == (status, "application/json")
    assert headers["content-length"] == str(len(body))
    assert headers.get("allow") == ("POST" if status == 405 else None)
    assert reason in problem
    exchange = last(shared)
    assert (exchange.problem, exchange.status, exchange.messages) == (problem, status, [])


@pytest.mark.parametrize("name", ["content-type", "accept"])
def test_a_header_sent_twice_is_refused(shared: Emulator, name: str) -> None:
    with plug(shared, CROMICLE.header(connection=f"close\r\n{name}: {CROMICLE.headers[name]}").raw) as sock:
        response = read_all(sock)
    assert response.startswith(b"HTTP/1.1 415" if name == "content-type" else b"HTTP/1.1 400")
    assert f"header {name}".encode() in response
