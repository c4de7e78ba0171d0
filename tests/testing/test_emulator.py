"""The emulator as a client sees it that knows nothing but HTTP: `http.client` and bare sockets, no g4flite client."""

from __future__ import annotations

import json
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from http.client import HTTPConnection, IncompleteRead, RemoteDisconnected
from typing import Any

import pytest

from g4flite.server.checks import Refusal
from g4flite.testing import Emulator, Exchange, Script
from g4flite.testing.connection import Connection
from g4flite.testing.script import divide, shorten

pytest_plugins = ["g4flite.testing.plugin"]

PROMPT = "Hello, how are you?"
NOW = 1700000000.123
REPLY = b"You said: Hello, how are you?"
RECENT = 30.0  # seconds: more than anything here takes, however busy the machine


@dataclass(frozen=True)
class Wire:
    """A request before it is written out; every change makes another one."""

    path: str
    headers: dict[str, str]
    data: Any
    method: str = "POST"
    body: bytes | None = None

    def header(self, **change: str | None) -> Wire:
        names = {name.replace("_", "-"): value for name, value in change.items()}
        return replace(self, headers={n: v for n, v in (self.headers | names).items() if v is not None})

    def field(self, **change: Any) -> Wire:
        return replace(self, data=self.data | change)

    def without(self, name: str) -> Wire:
        return replace(self, data={key: value for key, value in self.data.items() if key != name})

    @property
    def content(self) -> bytes:
        return json.dumps(self.data).encode() if self.body is None else self.body

    @property
    def raw(self) -> bytes:
        lines = [f"{self.method} {self.path} HTTP/1.1", "host: emulator", f"content-length: {len(self.content)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + self.content


CROMICLE = Wire(
    "/chat",
    {"accept": "*/*", "content-type": "application/json"},
    {
        "message": PROMPT,
        "token": "abc",
        "hash": "66601f525a6d5e4e39dc2ba1f992938c802ad8425b0fd7525a3c815eeaa8028b",
    },
)
FREE2GPT = Wire(
    "/api/generate",
    {
        "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/127.0.0.0 Safari/537.36",
        "accept": "*/*",
        "accept-language": "en-US,en;q=0.9",
        "content-type": "text/plain;charset=UTF-8",
        "referer": "https://chat10.free2gpt.xyz/",
        "origin": "https://chat10.free2gpt.xyz",
    },
    {
        "messages": [{"role": "user", "content": PROMPT}],
        "time": 1700000000123,
        "pass": None,
        "sign": "6fe214d37b1f534b76da125d14ff6766f1d9d64ea77691ebe39ce4dbadf3aaa8",
    },
)
GPROCHAT = Wire(
    "/api/generate",
    {
        "accept": "*/*",
        "origin": "https://gprochat.com",
        "referer": "https://gprochat.com/",
        "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/129.0.0.0 Safari/537.36",
        "content-type": "text/plain;charset=UTF-8",
    },
    {
        "messages": [{"role": "user", "parts": [{"text": PROMPT}]}],
        "time": 1700000000123,
        "pass": None,
        "sign": "7b2a7906c69596a62d857e5cf30e104ee1988bb13e62fc9482b972490ff5675c",
    },
)
GREETING = {"role": "assistant", "content": "Hello, how can I help you today?"}
FLOWGPT = Wire(
    "/v3/chat-anonymous",
    {
        "user-agent": "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:122.0) Gecko/20100101 Firefox/122.0",
        "accept": "*/*",
        "accept-language": "en-US;q=0.7,en;q=0.3",
        "referer": "https://flowgpt.com/",
        "origin": "https://flowgpt.com",
        "content-type": "application/json",
        "authorization": "Bearer null",
        "sec-fetch-dest": "empty",
        "sec-fetch-mode": "cors",
        "sec-fetch-site": "same-site",
        "x-flow-device-id": "f-abcdefghij012345678",
        "x-nonce": "0123456789abcdef0123456789abcdef",
        "x-signature": "14364f59379955fd3332f08d295b5712",
        "x-timestamp": "1700000000",
    },
    {
        "model": "gpt-3.5-turbo",
        "nsfw": False,
        "question": PROMPT,
        "history": [GREETING],
        "system": "You are helpful assistant. Follow the user's instructions carefully.",
        "temperature": 0.7,
        "promptId": "model-gpt-3.5-turbo",
        "documentIds": [],
        "chatFileDocumentIds": [],
        "generateImage": False,
        "generateAudio": False,
    },
)
FOUNDERS = {"cromicle": CROMICLE, "free2gpt": FREE2GPT, "gprochat": GPROCHAT, "flowgpt": FLOWGPT}


@pytest.fixture(autouse=True)
def nothing_is_left_behind(capfd: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert "shared" in request.fixturenames or set(threading.enumerate()) <= before
    assert capfd.readouterr() == ("", "")


def emulate(reply: Callable[..., Any] | None = None, **settings: Any) -> Emulator:
    settings = {"clock": lambda: NOW} | settings
    return Emulator(**settings) if reply is None else Emulator(reply, **settings)


@contextmanager
def connect(e: Emulator) -> Iterator[HTTPConnection]:
    connection = HTTPConnection(e.host, e.port, timeout=RECENT)
    try:
        yield connection
    finally:
        connection.close()


def post(connection: HTTPConnection, wire: Wire) -> tuple[int, dict[str, str], bytes]:
    connection.putrequest(wire.method, wire.path, skip_accept_encoding=True)
    for name, value in ({"content-length": str(len(wire.content))} | wire.headers).items():
        connection.putheader(name, value)
    connection.endheaders(wire.content)
    with connection.getresponse() as response:
        return response.status, dict(response.headers.items()), response.read()


def ask(e: Emulator, wire: Wire = CROMICLE) -> tuple[int, dict[str, str], bytes]:
    with connect(e) as connection:
        return post(connection, wire)


@contextmanager
def plug(e: Emulator, data: bytes = CROMICLE.raw) -> Iterator[socket.socket]:
    with socket.create_connection((e.host, e.port), RECENT) as sock:
        sock.sendall(data)
        yield sock


def read_all(sock: socket.socket) -> bytes:
    received = b""
    while data := sock.recv(65536):
        received += data
    return received


def read_until(sock: socket.socket, mark: bytes, times: int = 1) -> bytes:
    received = b""
    while received.count(mark) < times:
        data = sock.recv(65536)
        assert data, received
        received += data
    return received


def chunks(response: bytes) -> list[bytes]:
    """The chunks of a response's body; the one of length zero is the last of them, if it was sent."""
    _, _, rest = response.partition(b"\r\n\r\n")
    found = []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        found.append(rest[: int(size, 16)])
        assert rest[int(size, 16) :][:2] == b"\r\n"
        rest = rest[int(size, 16) + 2 :]
    return found


def first(e: Emulator) -> Exchange:
    """The first request, as soon as it is recorded."""
    until = time.monotonic() + RECENT
    while not e.exchanges:
        assert time.monotonic() < until
        time.sleep(0.001)
    return e.exchanges[0]


def last(e: Emulator) -> Exchange:
    exchange = e.exchanges[-1]
    assert exchange.finished.wait(RECENT)
    return exchange


# What the four say


@pytest.mark.parametrize("name", ["cromicle", "free2gpt", "gprochat"])
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


@pytest.mark.parametrize(
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


@pytest.fixture(scope="module")
def shared() -> Iterator[Emulator]:
    with emulate() as e:
        yield e


@pytest.mark.parametrize(("wire", "status", "reason"), REFUSED)
def test_whatever_deviates_is_refused_by_name(shared: Emulator, wire: Wire, status: int, reason: str) -> None:
    sent, headers, body = ask(shared, wire)
    problem = json.loads(body)["error"]
    assert (sent, headers["content-type"]) == (status, "application/json")
    assert headers["content-length"] == str(len(body))
    assert headers.get("allow") == ("POST" if status == 405 else None)
    assert reason in problem
    exchange = last(shared)
    assert (exchange.problem, exchange.status, exchange.messages) == (problem, status, [])


@pytest.mark.parametrize("name", ["content-type", "accept", "content-length"])
def test_a_header_sent_twice_is_refused(shared: Emulator, name: str) -> None:
    value = CROMICLE.headers.get(name, str(len(CROMICLE.content)))
    with plug(shared, CROMICLE.header(connection=f"close\r\n{name}: {value}").raw) as sock:
        response = read_all(sock)
    assert response.startswith(b"HTTP/1.1 415" if name == "content-type" else b"HTTP/1.1 400")
    assert f"header {name}".encode() in response


@pytest.mark.parametrize(
    ("length", "status", "reason"),
    [
        (None, 411, "content-length: expected the number of bytes"),
        ("-1", 400, "content-length: expected one number"),
        ("1_0", 400, "content-length: expected one number"),
        (str(8 * 2**20 + 1), 413, "content-length: expected at most 8388608 bytes"),
    ],
)
def test_a_body_of_no_acceptable_length_is_refused_and_the_connection_closed(
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


@pytest.mark.parametrize(
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


# What the script makes of an answer


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        (None, [b"one", b" two", b" three"]),
        (1, [bytes([byte]) for byte in b"one two three"]),
        (5, [b"one t", b"wo th", b"ree"]),
        (99, [b"one two three"]),
        ((), [b"one two three"]),
        ((1, 4, 12), [b"o", b"ne ", b"two thre", b"e"]),
        ((4, 99), [b"one ", b"two three"]),
    ],
)
def test_split_says_where_chunks_end(split: Any, expected: list[bytes]) -> None:
    wire = CROMICLE.header(connection="close")
    with emulate(lambda _: "one two three", script=Script(split=split)) as e, plug(e, wire.raw) as sock:
        assert chunks(read_all(sock)) == [*expected, b""]


@pytest.mark.parametrize("cut", [0, 1, 3, 4, 99])
def test_no_more_pieces_are_taken_than_are_sent(cut: int) -> None:
    taken = []

    def pieces() -> Iterator[bytes]:
        for piece in (b"abc", b"", b"def"):
            taken.append(piece)
            yield piece

    assert b"".join(shorten(pieces(), cut)) == b"abcdef"[:cut]
    assert len(taken) == {0: 0, 1: 1, 3: 1, 4: 3, 99: 3}[cut]


def test_an_empty_body_has_no_blocks() -> None:
    assert list(divide([b"", b""], 1)) == list(divide([b""], None)) == []


@pytest.mark.parametrize(
    "wrong",
    [{"split": 0}, {"split": (3, 3)}, {"split": (0, 3)}, {"status": 101}, {"cut": -1}, {"wait": -0.1}, {"silence": -1}],
)
def test_a_script_that_makes_no_sense_is_a_value_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}.*: expected"):
        Script(**wrong)


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


@pytest.mark.parametrize("status", [200, 204, 304, 500])
def test_a_status_alone_has_an_empty_body_and_keeps_the_connection(status: int) -> None:
    with emulate(script=Script(status=status)) as e, connect(e) as connection:
        assert post(connection, CROMICLE)[::2] == (status, b"")
        assert post(connection, CROMICLE)[::2] == (status, b"")
        assert e.connections == 1


def test_headers_alone_join_those_of_a_reply_and_of_a_refusal() -> None:
    with emulate(script=Script(headers={"X-Id": "1"})) as e:
        assert ask(e)[1]["x-id"] == "1"
        status, headers, _ = ask(e, replace(CROMICLE, method="GET"))
        assert (status, headers["x-id"], headers["allow"]) == (405, "1", "POST")


def test_a_content_length_in_the_script_is_sent_as_it_is() -> None:
    with emulate(script=Script(body="whole", headers={"content-length": "9", "connection": "close"})) as e:
        with pytest.raises(IncompleteRead) as caught:
            ask(e)
        assert caught.value.partial == b"whole"


@pytest.mark.parametrize("cut", [0, 3, 7, 29, 99])
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


def test_a_script_counts_for_the_requests_after_it() -> None:
    with emulate() as e, connect(e) as connection:
        assert post(connection, CROMICLE)[0] == 200
        e.script = Script(status=503)
        assert post(connection, CROMICLE)[0] == 503
        e.script = Script()
        assert post(connection, CROMICLE)[0] == 200
        assert [exchange.status for exchange in e.exchanges] == [200, 503, 200]


# The reply function


@pytest.mark.parametrize("reply", [lambda _: 1 / 0, lambda _: [b"bytes"], lambda _: "\ud83d"])
def test_a_reply_that_fails_at_once_is_a_status_500(reply: Any) -> None:
    with emulate(reply) as e, connect(e) as connection:
        status, _, body = post(connection, FLOWGPT)
        assert status == 500
        assert json.loads(body)["error"].startswith("reply function failed: ")
        assert last(e).problem == json.loads(body)["error"]
        assert post(connection, FLOWGPT)[0] == 500
        assert e.connections == 1


def test_a_reply_that_fails_halfway_breaks_off() -> None:
    def reply(messages: Any) -> Iterator[str]:
        yield "one"
        raise ConnectionError("no model")  # which is not the client's connection

    with emulate(reply) as e, plug(e) as sock:
        assert chunks(read_all(sock)) == [b"one"]
        assert last(e).problem == "reply function failed: ConnectionError('no model')"
        assert not last(e).disconnected.is_set()


def test_a_bug_is_kept_with_the_request_that_met_it() -> None:
    with emulate(clock=lambda: 1 / 0) as e:
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


def test_a_refusal_says_what_it_refuses() -> None:
    assert str(Refusal(400, "body: expected JSON")) == "(400, 'body: expected JSON')"


# Connections


def test_prefix_is_where_everything_is_served() -> None:
    with emulate(prefix="/gateway/v1") as e:
        assert e.url == f"http://127.0.0.1:{e.port}/gateway/v1"
        for name, wire in FOUNDERS.items():
            assert ask(e, replace(wire, path="/gateway/v1" + wire.path))[0] == 200
            assert last(e).service == name
            assert ask(e, wire)[0] == 404
            assert "/gateway/v1/chat" in str(last(e).problem)


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


def test_a_request_sent_ahead_waits_its_turn() -> None:
    began = time.monotonic()
    with emulate(script=Script(split=10, wait=0.02)) as e, plug(e) as sock:
        read_until(sock, b"You said: \r\n")
        sock.sendall(CROMICLE.raw)
        read_until(sock, b"0\r\n\r\n", times=2)
        assert time.monotonic() - began >= 0.08
        assert [exchange.status for exchange in e.exchanges] == [200, 200]


def leave(sock: socket.socket, *, reset: bool) -> float:
    if reset:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    began = time.monotonic()
    sock.close()
    return began


@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
@pytest.mark.parametrize("script", [Script(wait=60), Script(silence=60)], ids=["wait", "silence"])
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


def test_a_client_that_leaves_between_requests_is_no_news() -> None:
    with emulate() as e, plug(e) as sock:
        read_until(sock, b"0\r\n\r\n")
        leave(sock, reset=True)
        assert not last(e).disconnected.is_set()
        workers = [thread for thread in threading.enumerate() if "process_request" in thread.name]
        for thread in workers:
            thread.join(RECENT)
            assert not thread.is_alive()


# Start and end


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


def test_close_ends_a_reply_that_the_client_does_not_read() -> None:
    with emulate(lambda _: ["x" * 65536] * 10_000) as e, plug(e) as sock:
        sock.recv(1)
        e.close()
        assert e.exchanges[0].finished.is_set()


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
