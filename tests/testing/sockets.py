"""The retired services as a client sees them that knows nothing but HTTP: `http.client` and bare sockets.

`FOUNDERS` has one faultless request for each of the four services; a `Wire` is changed by making another one of it:

    with emulate(lambda messages: "Hi") as e:                   # at the fixed time NOW
        status, headers, body = ask(e, CROMICLE.field(token="x"))
        assert "token" in last(e).problem                       # the Exchange that the emulator recorded
        with connect(e) as connection:                          # several requests over one connection
            post(connection, CROMICLE), post(connection, FLOWGPT)
        with plug(e, CROMICLE.raw) as sock:                     # bytes in, bytes out
            assert chunks(read_all(sock)) == [b"Hi", b""]       # b"" is the end of the chunked coding

A file whose tests are to leave neither threads nor output behind says
`pytestmark = pytest.mark.usefixtures("nothing_is_left_behind")`.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from typing import Any

import pytest

from g4flite.testing import Emulator, Exchange

PROMPT = "Hello, how are you?"


NOW = 1700000000.123


REPLY = b"You said: Hello, how are you?"


# Seconds: more than anything here takes, on a busy machine as well.
RECENT = 30.0


@dataclass(frozen=True)
class Wire:
    """A request that has not been written out yet."""

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


def emulate(reply: Callable[..., Any] | None = None, **settings: Any) -> Emulator:
    """Return an emulator at the time NOW; without a reply function it echoes."""
    settings = {"clock": lambda: NOW} | settings
    return Emulator(**settings) if reply is None else Emulator(reply, **settings)


@contextmanager
def mistaken(e: Emulator) -> Iterator[Emulator]:
    """Yield a running emulator whose reply function or script is wrong, and check that its end raises what is wrong."""
    try:
        e.start()
        yield e
    finally:
        e.close()
    with pytest.raises(Exception) as caught:
        e.__exit__(None)
    assert caught.value in [exchange.error for exchange in e.exchanges]


@contextmanager
def connect(e: Emulator) -> Iterator[HTTPConnection]:
    """Yield a connection to the emulator, and close it."""
    connection = HTTPConnection(e.host, e.port, timeout=RECENT)
    try:
        yield connection
    finally:
        connection.close()


def post(connection: HTTPConnection, wire: Wire) -> tuple[int, dict[str, str], bytes]:
    """Return the status, the headers and the body of the response to a request."""
    connection.putrequest(wire.method, wire.path, skip_accept_encoding=True)
    for name, value in ({"content-length": str(len(wire.content))} | wire.headers).items():
        connection.putheader(name, value)
    connection.endheaders(wire.content)
    with connection.getresponse() as response:
        return response.status, dict(response.headers.items()), response.read()


def ask(e: Emulator, wire: Wire = CROMICLE) -> tuple[int, dict[str, str], bytes]:
    """Return the same as `post`, over a new connection."""
    with connect(e) as connection:
        return post(connection, wire)


@contextmanager
def plug(e: Emulator, data: bytes = CROMICLE.raw) -> Iterator[socket.socket]:
    """Yield a socket over which these bytes were sent, and close it."""
    with socket.create_connection((e.host, e.port), RECENT) as sock:
        sock.sendall(data)
        yield sock


def read_all(sock: socket.socket) -> bytes:
    """Return all bytes up to the end of the connection."""
    received = b""
    while data := sock.recv(65536):
        received += data
    return received


def read_until(sock: socket.socket, mark: bytes, times: int = 1) -> bytes:
    """Return the bytes up to this mark, which has to come so many times."""
    received = b""
    while received.count(mark) < times:
        data = sock.recv(65536)
        assert data, received
        received += data
    return received


def chunks(response: bytes) -> list[bytes]:
    """Return the chunks of a response's body; the last one is empty if the end of the body was sent."""
    _, _, rest = response.partition(b"\r\n\r\n")
    found = []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        found.append(rest[: int(size, 16)])
        assert rest[int(size, 16) :][:2] == b"\r\n"
        rest = rest[int(size, 16) + 2 :]
    return found


def first(e: Emulator) -> Exchange:
    """Return the first request, as soon as it is recorded."""
    until = time.monotonic() + RECENT
    while not e.exchanges:
        assert time.monotonic() < until
    return e.exchanges[0]


def last(e: Emulator) -> Exchange:
    """Return the last request that was recorded, once it is finished."""
    exchange = e.exchanges[-1]
    assert exchange.finished.wait(RECENT)
    return exchange


def leave(sock: socket.socket, *, reset: bool) -> float:
    """Close the socket, by a FIN or by a RST, and return when that was."""
    if reset:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    began = time.monotonic()
    sock.close()
    return began
