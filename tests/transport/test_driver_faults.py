"""Faults that really happen, on real sockets: every founding provider, every fault, every driver.

Each stream ends with an error of g4flite, and in time.
"""

import gzip
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import g4flite
from g4flite import Timeout
from g4flite._core import exchange
from g4flite.testing import Emulator, Script
from tests.conftest import Driver
from tests.founders import FOUNDERS, said, wire
from tests.rows import rows, share
from tests.splits import TEXT

pytestmark = pytest.mark.heavy

# Seconds that a busy machine may be late.  Without its timer, no fault here ends that soon.
LATE = 10.0
BRIEF = {
    g4flite.IdleTimeoutError: Timeout(idle=0.12),
    g4flite.FirstTokenTimeoutError: Timeout(first_token=0.12),
}


def body(name: str) -> bytes:
    return wire(name) + b"\n"


def raw(name: str, *, head: bytes = b"", chunks: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + chunks


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


CHUNKED = b"transfer-encoding: chunked\r\n"
Fault = tuple[Callable[[str], Script], type[g4flite.G4fliteError], str, float]
FAULTS: dict[str, Fault] = {
    # What the server does, the error, how `.partial` begins, and the least seconds that the stream takes.
    "cut after the head": (lambda n: Script(body=body(n), cut=0), g4flite.TruncatedStreamError, "", 0),
    "cut in the text": (
        lambda n: Script(body=body(n) * 2, cut=len(body(n)), split=(len(body(n)),)),
        g4flite.TruncatedStreamError, TEXT, 0,
    ),
    "cut before the last chunk": (lambda n: Script(body=body(n), cut=10**6), g4flite.TruncatedStreamError, TEXT, 0),
    "reset in the text": (
        lambda n: Script(body=body(n) * 2, cut=len(body(n)), split=(len(body(n)),), reset=True, wait=0.05),
        g4flite.TruncatedStreamError, "", 0,
    ),
    "reset before the head": (lambda n: Script(raw=b"", reset=True), g4flite.TransportError, "", 0),
    "closed before the head": (lambda n: Script(raw=b""), g4flite.TransportError, "", 0),
    "closed inside the head": (lambda n: Script(raw=b"HTTP/1.1 200 OK\r\ncontent-"), g4flite.TransportError, "", 0),
    "no HTTP at all": (lambda n: Script(raw=b"SSH-2.0-OpenSSH_9\r\n\r\n"), g4flite.MalformedReplyError, "", 0),
    "a head without end": (lambda n: Script(raw=b"HTTP/1.1 200 OK\r\nx: " + b"x" * 200_000), g4flite.LimitError, "", 0),
    "a chunk of a bad size": (
        lambda n: Script(raw=raw(n, head=CHUNKED, chunks=chunk(body(n)) + b"zz\r\n")),
        g4flite.TruncatedStreamError, "", 0,
    ),
    "a short content-length": (
        lambda n: Script(raw=raw(n, head=b"content-length: 9999\r\n", chunks=body(n))),
        g4flite.TruncatedStreamError, TEXT, 0,
    ),
    "an end by closing": (lambda n: Script(raw=raw(n, chunks=body(n))), g4flite.TruncatedStreamError, TEXT, 0),
    "no text at all": (lambda n: Script(body=b""), g4flite.EmptyReplyError, "", 0),
    "no content": (lambda n: Script(status=204), g4flite.EmptyReplyError, "", 0),
    "a web page": (
        lambda n: Script(body="<html>Log in</html>", headers={"content-type": "text/html"}),
        g4flite.MalformedReplyError, "", 0,
    ),
    "an error as JSON": (
        lambda n: Script(body='{"error": {"message": "no"}}', headers={"content-type": "application/json"}),
        g4flite.ProviderError, "", 0,
    ),
    "an error as text": (lambda n: Script(body='{"error": "no"}'), g4flite.ProviderError, "", 0),
    "a compression that breaks": (
        lambda n: Script(body=b"no gzip", headers={"content-encoding": "gzip"}), g4flite.MalformedReplyError, "", 0,
    ),
    "a compression that is cut": (
        lambda n: Script(body=gzip.compress(body(n))[:-9], headers={"content-encoding": "gzip"}),
        g4flite.TruncatedStreamError, "", 0,
    ),
    "a bomb": (
        lambda n: Script(body=gzip.compress(b" " * 2**20) * 16, headers={"content-encoding": "gzip"}),
        g4flite.LimitError, "", 0,
    ),
    "an unknown status": (
        lambda n: Script(raw=b"HTTP/1.1 700 Odd\r\ncontent-length: 0\r\n\r\n"), g4flite.StatusError, "", 0,
    ),
    "a server error": (lambda n: Script(status=500, body="overheated"), g4flite.StatusError, "", 0),
    "an error cut off": (lambda n: Script(status=500, body="overheated", cut=4), g4flite.StatusError, "", 0),
    "a rate limit": (lambda n: Script(status=429), g4flite.RateLimitError, "", 0),
    "a redirect": (
        lambda n: Script(status=302, headers={"location": "http://elsewhere.test"}), g4flite.StatusError, "", 0,
    ),
    "a redirect to nowhere": (lambda n: Script(status=301), g4flite.StatusError, "", 0),
    "silence before the head": (lambda n: Script(silence=60), g4flite.FirstTokenTimeoutError, "", 0.12),
    "silence after the head": (
        lambda n: Script(raw=raw(n, head=CHUNKED) + b"1", split=(len(raw(n, head=CHUNKED)),), wait=60),
        g4flite.FirstTokenTimeoutError, "", 0.12,
    ),
    "silence in the text": (
        lambda n: Script(body=body(n) * 2, split=(len(body(n)),), wait=60), g4flite.IdleTimeoutError, TEXT, 0.12,
    ),
    "a head that drips": (
        lambda n: Script(raw=raw(n, head=b"x: " + b"x" * 500 + b"\r\n"), split=1, wait=0.05),
        g4flite.FirstTokenTimeoutError, "", 0.12,
    ),
    "a chunk's size that drips": (
        lambda n: Script(
            raw=raw(n, head=CHUNKED, chunks=b"0" * 500),
            split=tuple(range(len(raw(n, head=CHUNKED)), len(raw(n, head=CHUNKED)) + 500)), wait=0.05,
        ),
        g4flite.FirstTokenTimeoutError, "", 0.12,
    ),
    "an error that drips": (
        lambda n: Script(status=500, body="x" * 500, split=1, wait=0.05), g4flite.StatusError, "", 0.12,
    ),
}  # fmt: skip


TRUTH = {"a bomb": " " * 2**24}


@pytest.fixture(scope="module")
def faulty() -> Iterator[Emulator]:
    with Emulator() as server:
        yield server


@rows("name", FOUNDERS)
def test_each_fault_raises_its_error_in_time(
    name: str, driver: Driver, faulty: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each fault comes in each driver, and from each provider."""
    monkeypatch.setattr(exchange, "BODY_TIME", 0.12)
    for fault in share(FAULTS, driver, FOUNDERS.index(name)):
        script, error, partial, seconds = FAULTS[fault]
        faulty.script = script(name)
        begin = time.monotonic()
        with pytest.raises(g4flite.G4fliteError) as caught:
            driver.collect(name, "Hi", base_url=faulty.url, timeout=BRIEF.get(error) if seconds else None)
        took = time.monotonic() - begin
        assert isinstance(caught.value, error), (fault, repr(caught.value))
        assert str(caught.value).startswith(f"{name}: "), fault
        assert caught.value.partial == driver.stream.partial == "".join(driver.chunks), fault
        assert caught.value.partial.startswith(partial), fault
        assert TRUTH.get(fault, TEXT + "\n" + TEXT).startswith(caught.value.partial), fault
        assert seconds <= took < LATE, fault
        assert "failed" in repr(driver.stream), fault
        assert driver.stream.attempts[0].outcome.startswith(type(caught.value).__name__), fault


KEEP_ALIVES = {"first": b"", "later": body("flowgpt")}


@pytest.mark.parametrize("moment", KEEP_ALIVES)
def test_keep_alives_do_not_restart_the_timers(moment: str, driver: Driver) -> None:
    """The server sends blank lines and events without text for ever."""
    begin, idle = KEEP_ALIVES[moment], b'\r\n{"event": "ping"}\n'
    first = len(begin) or len(idle)
    data = begin + idle * 1500
    script = Script(body=data, split=tuple(range(first, len(data), len(idle))), wait=0.02)
    error = g4flite.IdleTimeoutError if begin else g4flite.FirstTokenTimeoutError
    with Emulator(script=script) as server, pytest.raises(error):
        start = time.monotonic()
        driver.collect("flowgpt", "Hi", base_url=server.url, timeout=BRIEF[error])
    assert 0.12 <= time.monotonic() - start < LATE


@rows("name", FOUNDERS)
@rows("reset", [False, True])
def test_every_cut_gives_the_whole_text_or_an_error_with_its_beginning(name: str, reset: bool, driver: Driver) -> None:
    """A short response is cut after each byte of its body; for one provider also of its head, which no parser sees."""
    answer = "\u00e9 \U0001f44b"
    data = json.dumps(said(answer), ensure_ascii=False).encode() if name == "flowgpt" else answer.encode()
    reply = raw(name, head=CHUNKED, chunks=chunk(data[:-3]) + chunk(data[-3:]) + b"0\r\n\r\n")
    first = 0 if name == FOUNDERS[0] else len(raw(name, head=CHUNKED))
    ends = [*share(range(first, len(reply)), driver), len(reply)]
    outcomes: list[str] = []

    def judge(end: int, stream: g4flite.Stream, error: g4flite.G4fliteError | None) -> None:
        assert answer.startswith(stream.partial)
        if error is None:
            assert (stream.partial, end) == (answer, len(reply))
        else:
            assert isinstance(error, g4flite.TransportError | g4flite.TruncatedStreamError), repr(error)
            assert error.partial == stream.partial
        outcomes.append("whole" if error is None else type(error).__name__)

    client: Any = driver.client()

    def start(end: int) -> g4flite.Stream:
        server.script = Script(raw=reply[:end], reset=reset)
        return g4flite.stream(name, "Hi", base_url=server.url, retries=0, client=client)

    def read() -> None:
        with client:
            for end in ends:
                stream, failure = start(end), None
                try:
                    stream.text()
                except g4flite.G4fliteError as error:
                    failure = error
                judge(end, stream, failure)

    async def aread() -> None:
        async with client:
            for end in ends:
                stream, failure = start(end), None
                try:
                    await stream.atext()
                except g4flite.G4fliteError as error:
                    failure = error
                judge(end, stream, failure)

    with Emulator() as server:
        read() if driver.name == "sync" else driver.run(aread)
    assert len(outcomes) == len(ends)
    # A reset may overtake the last bytes.
    assert outcomes[-1] == "whole" or reset
