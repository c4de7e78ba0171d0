"""The emulator's connections: how a request is read, a response is sent, and a client seen to leave."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from http.client import IncompleteRead, RemoteDisconnected
from typing import Any

import pytest

from g4flite.testing import Emulator, Script
from g4flite.testing.connection import Connection, Server
from tests.rows import rows
from tests.testing.sockets import (
    CROMICLE,
    FLOWGPT,
    GPROCHAT,
    RECENT,
    REPLY,
    ask,
    chunks,
    connect,
    emulate,
    first,
    last,
    leave,
    mistaken,
    plug,
    post,
    read_all,
    read_until,
)

pytestmark = pytest.mark.usefixtures("nothing_is_left_behind")


# What is read


def test_a_length_sent_twice_is_refused(shared: Emulator) -> None:
    wire = CROMICLE.header(connection=f"close\r\ncontent-length: {len(CROMICLE.content)}")
    with plug(shared, wire.raw) as sock:
        response = read_all(sock)
    assert response.startswith(b"HTTP/1.1 400")
    assert b"header content-length" in response


@rows(
    ("length", "status", "reason"),
    [
        (None, 411, "content-length: expected the number of bytes"),
        ("-1", 400, "content-length: expected one number"),
        ("1_0", 400, "content-length: expected one number"),
        (str(8 * 2**20 + 1), 413, "content-length: expected at most 8388608 bytes"),
    ],
)
def test_a_body_of_a_wrong_length_is_refused_and_the_connection_closed(
    shared: Emulator, length: str | None, status: int, reason: str
) -> None:
    head = CROMICLE.raw.partition(b"content-length")[0]
    head += b"\r\n" if length is None else f"content-length: {length}\r\n\r\n".encode()
    with plug(shared, head + b"x" * (8 * 2**20 + 1 if status == 413 else 10)) as sock:
        response = read_all(sock)
    assert response.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"connection: close" in response
    assert reason.encode() in response
    assert (last(shared).body, last(shared).service) == (b"", None)


def test_a_get_without_a_length_is_refused_for_its_method(shared: Emulator) -> None:
    with plug(shared, b"GET /chat HTTP/1.1\r\nconnection: close\r\n\r\n") as sock:
        assert read_all(sock).startswith(b"HTTP/1.1 405 ")


@rows(
    ("line", "status"),
    [
        (b"POST /chat", 400),
        (b"POST /chat HTTP/1.0", 505),
        (b"GET /chat", 505),
        (b"POST /chat HTTP/2.0", 505),
        (b"POST /chat FTP/1.1", 400),
        (b"POST /a path HTTP/1.1", 400),
        (b"POST /" + b"a" * 70_000 + b" HTTP/1.1", 400),
        (b"POST /chat HTTP/1.1\r\nx: " + b"x" * 70_000, 431),
    ],
)
def test_a_head_that_is_not_http_is_refused(shared: Emulator, line: bytes, status: int) -> None:
    with plug(shared, line + b"\r\nhost: emulator\r\n\r\n") as sock:
        response = read_all(sock)
    assert response.startswith(f"HTTP/1.1 {status} ".encode())
    assert "expected well-formed HTTP/1.1" in json.loads(response.partition(b"\r\n\r\n")[2])["error"]
    assert last(shared).status == status


def test_an_empty_line_or_no_request_at_all_closes_the_connection(shared: Emulator) -> None:
    before = len(shared.exchanges)
    with plug(shared, b"\r\n") as sock:
        assert read_all(sock) == b""
    with plug(shared, b"") as sock:
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b""
    assert len(shared.exchanges) == before


def test_a_body_is_asked_for_if_the_client_waits_for_it(shared: Emulator) -> None:
    head, _, body = CROMICLE.header(expect="100-continue", connection="close").raw.partition(b"\r\n\r\n")
    with plug(shared, head + b"\r\n\r\n") as sock:
        assert read_until(sock, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        assert read_all(sock).startswith(b"HTTP/1.1 200 ")


def test_head_is_answered_without_a_body(shared: Emulator) -> None:
    with connect(shared) as connection:
        status, headers, body = post(connection, replace(CROMICLE, method="HEAD"))
        assert (status, body) == (405, b"")
        assert int(headers["content-length"]) > 0
        assert post(connection, CROMICLE)[2] == REPLY


# What is sent


def test_wait_is_between_the_chunks() -> None:
    began = time.monotonic()
    with emulate(script=Script(split=10, wait=0.02)) as e, plug(e) as sock:
        read_until(sock, b"0\r\n\r\n")
        assert time.monotonic() - began >= 0.04


def test_wait_is_neither_before_the_first_chunk_nor_after_the_last() -> None:
    with emulate(script=Script(split=99, wait=60)) as e:
        assert ask(e)[2] == REPLY


def test_silence_is_before_the_status_line() -> None:
    began = time.monotonic()
    with emulate(script=Script(silence=0.05)) as e, plug(e) as sock:
        assert sock.recv(1) == b"H"
        assert time.monotonic() - began >= 0.05
        read_until(sock, b"0\r\n\r\n")


@rows("status", [200, 204, 304, 500])
def test_a_status_alone_has_an_empty_body_and_keeps_the_connection(status: int) -> None:
    with emulate(script=Script(status=status)) as e, connect(e) as connection:
        assert post(connection, CROMICLE)[::2] == (status, b"")
        assert post(connection, CROMICLE)[::2] == (status, b"")
        assert e.connections == 1


def test_a_content_length_in_the_script_is_sent_as_it_is() -> None:
    with emulate(script=Script(body="whole", headers={"content-length": "9", "connection": "close"})) as e:
        with pytest.raises(IncompleteRead) as caught:
            ask(e)
        assert caught.value.partial == b"whole"


@rows("cut", [0, 3, 7, 29, 99])
def test_cut_ends_the_connection_without_the_final_chunk(cut: int) -> None:
    with emulate(script=Script(cut=cut)) as e, plug(e) as sock:
        assert b"".join(chunks(read_all(sock))) == REPLY[:cut]
        assert (last(e).status, last(e).problem, last(e).disconnected.is_set()) == (200, None, False)


def test_cut_shortens_a_refusal_too() -> None:
    with emulate(script=Script(cut=2)) as e, plug(e, replace(CROMICLE, path="/").raw) as sock:
        assert read_all(sock).endswith(b'\r\n\r\n{"')


@pytest.mark.parametrize("script", [Script(cut=8, reset=True), Script(raw=b"HTTP/1.1 200 OK\r\n\r\n", reset=True)])
def test_reset_makes_the_close_a_rst(script: Script) -> None:
    with emulate(script=script) as e, plug(e) as sock:
        assert first(e).finished.wait(RECENT)
        assert sock.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
        with pytest.raises(ConnectionResetError):
            read_all(sock)


def test_raw_is_the_whole_response() -> None:
    raw = b"HTTP/1.1 200 Sure\r\ncontent-type: text/plain\r\n\r\nto the end"
    with emulate(script=Script(raw=raw, split=7, wait=0.001)) as e:
        for wire in (CROMICLE, replace(CROMICLE, method="HEAD"), replace(CROMICLE, path="/")):
            with plug(e, wire.raw) as sock:
                assert read_all(sock) == raw
        assert last(e).status == 0
        e.script = Script(raw=raw, cut=8)
        with plug(e) as sock:
            assert read_all(sock) == raw[:8]
        e.script = Script(raw=b"")
        with pytest.raises(RemoteDisconnected):
            ask(e)


def test_a_reply_that_fails_halfway_breaks_off() -> None:
    def reply(messages: Any) -> Iterator[str]:
        yield "one"
        # An OSError that has nothing to do with the client's connection.
        raise ConnectionError("no model")

    with mistaken(emulate(reply)) as e, plug(e) as sock:
        assert chunks(read_all(sock)) == [b"one"]
        assert last(e).problem == "reply function failed: ConnectionError('no model')"
        assert not last(e).disconnected.is_set()


def test_a_bug_is_kept_with_the_request_that_met_it() -> None:
    with mistaken(emulate(clock=lambda: 1 / 0)) as e:
        with pytest.raises(RemoteDisconnected):
            ask(e)
        assert last(e).problem == "ZeroDivisionError('division by zero')"


def test_a_bug_outside_of_a_request_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: seen.append(args.exc_type))
    monkeypatch.setattr(Connection, "parse_request", lambda _: 1 / 0)
    with emulate() as e, suppress(ConnectionResetError), plug(e) as sock:
        assert read_all(sock) == b""
    assert seen == [ZeroDivisionError]


# Connections


def test_one_connection_serves_many_requests() -> None:
    with emulate() as e, connect(e) as connection:
        for wire in (CROMICLE, replace(CROMICLE, path="/"), FLOWGPT, CROMICLE.field(hash="x"), GPROCHAT):
            post(connection, wire)
        assert [exchange.status for exchange in e.exchanges] == [200, 404, 200, 403, 200]
        assert e.connections == 1
        assert ask(e)[0] == 200
        assert e.connections == 2


def test_connection_close_is_honoured() -> None:
    with emulate() as e, plug(e, CROMICLE.header(connection="close").raw) as sock:
        assert b"\r\nconnection: close\r\n" in read_all(sock)


def test_a_hangup_follows_a_whole_response_that_announced_keep_alive() -> None:
    with emulate(script=Script(hangup=True)) as e, plug(e) as sock:
        response = read_all(sock)
        assert b"\r\nconnection: keep-alive\r\n" in response
        assert b"".join(chunks(response)) == REPLY
        assert not last(e).disconnected.is_set()


def test_a_request_sent_ahead_waits_its_turn() -> None:
    began = time.monotonic()
    with emulate(script=Script(split=10, wait=0.02)) as e, plug(e) as sock:
        read_until(sock, b"You said: \r\n")
        sock.sendall(CROMICLE.raw)
        read_until(sock, b"0\r\n\r\n", times=2)
        assert time.monotonic() - began >= 0.08
        assert [exchange.status for exchange in e.exchanges] == [200, 200]


@rows("reset", [False, True])
@rows("script", [Script(wait=60), Script(silence=60)])
def test_a_client_that_leaves_is_noticed_at_once(script: Script, reset: bool) -> None:
    with emulate(script=script) as e, plug(e) as sock:
        if script.wait:
            read_until(sock, b"You\r\n")
        exchange = first(e)
        left = leave(sock, reset=reset)
        assert exchange.disconnected.wait(RECENT)
        assert exchange.finished.wait(RECENT)
        assert exchange.disconnected_at is not None
        assert 0 <= exchange.disconnected_at - left < RECENT
        assert exchange.status == (200 if script.wait else 0)


def test_a_client_that_leaves_is_noticed_between_pieces() -> None:
    gone = threading.Event()

    def reply(messages: Any) -> Iterator[str]:
        yield "one"
        assert gone.wait(RECENT)
        yield from ["two"] * 1000

    with emulate(reply, script=Script(wait=0.001)) as e, plug(e) as sock:
        read_until(sock, b"one\r\n")
        leave(sock, reset=False)
        gone.set()
        assert last(e).disconnected.is_set()


def test_a_client_that_leaves_within_its_request_is_recorded() -> None:
    with emulate() as e:
        with plug(e, CROMICLE.raw[:-5]) as sock:
            sock.shutdown(socket.SHUT_WR)
            assert read_all(sock) == b""
        exchange = last(e)
        assert (exchange.body, exchange.service, exchange.status) == (CROMICLE.content[:-5], None, 0)
        assert exchange.disconnected.is_set()


def test_a_client_that_leaves_between_requests_is_not_recorded() -> None:
    with emulate() as e, plug(e) as sock:
        read_until(sock, b"0\r\n\r\n")
        leave(sock, reset=True)
        assert not last(e).disconnected.is_set()
        workers = [thread for thread in threading.enumerate() if "process_request" in thread.name]
        for thread in workers:
            thread.join(RECENT)
            assert not thread.is_alive()


def test_close_ends_what_is_under_way_and_frees_the_port() -> None:
    e = emulate(script=Script(wait=60))
    e.start()
    e.start()
    with plug(e) as busy, plug(e, b"POST") as halfway, plug(e, b"") as idle:
        read_until(busy, b"You\r\n")
        began = time.monotonic()
        e.close()
        assert time.monotonic() - began < RECENT
        for sock in (busy, halfway, idle):
            with suppress(ConnectionResetError):
                read_all(sock)
        exchange = e.exchanges[0]
        assert exchange.finished.is_set()
        assert not exchange.disconnected.is_set()
    e.close()
    with pytest.raises(ConnectionRefusedError):
        ask(e)
    port, e.script = e.port, Script()
    with e:
        assert e.port == port
        assert ask(e)[2] == REPLY


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not wake a thread whose listening socket is shut")
def test_close_waits_for_no_look_at_the_clock() -> None:
    e = emulate()
    e.start()
    assert e._server
    e._server.stop()
    server = e._server = Server(e, e.host, e.port)
    server.thread = threading.Thread(target=server.serve_forever, args=(600,))
    server.thread.start()
    assert ask(e)[2] == REPLY
    began = time.monotonic()
    e.close()
    assert time.monotonic() - began < RECENT


def test_close_ends_a_reply_that_the_client_does_not_read() -> None:
    with emulate(lambda _: ["x" * 65536] * 10_000) as e, plug(e) as sock:
        sock.recv(1)
        e.close()
        assert e.exchanges[0].finished.is_set()
