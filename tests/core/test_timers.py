"""The timers, by a clock that the test winds."""

import pickle
from types import SimpleNamespace
from typing import Any

import pytest

import g4flite
from g4flite import Timeout
from g4flite._core.settings import as_timeout
from g4flite._core.timers import Timers
from g4flite._core.transport.deadlines import Deadline, attach, extensions, watch
from tests.clock import Clock


def started(timeout: Timeout, clock: Clock) -> Timers:
    """Timers of an attempt whose request is on its way."""
    timers = Timers(timeout, clock)
    timers.connected = True
    return timers


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_defaults_and_the_short_form() -> None:
    assert as_timeout(None) == Timeout() == Timeout(connect=10, first_token=60, idle=60, total=None)
    assert as_timeout(5) == Timeout(total=5)
    own = Timeout(idle=None)
    assert as_timeout(own) is own
    assert pickle.loads(pickle.dumps(own)) == own


@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), 1e10, "5", True])
@pytest.mark.parametrize("name", ["connect", "first_token", "idle", "total"])
def test_a_timer_is_a_positive_number_or_none(name: str, value: Any) -> None:
    with pytest.raises(g4flite.OptionError, match=f"timeout: {name} is a positive number of seconds or None"):
        Timeout(**{name: value})


def test_a_bad_timeout_is_refused_before_any_socket() -> None:
    with pytest.raises(g4flite.OptionError, match="total is a positive number"):
        g4flite.stream("cromicle", "Hi", base_url="http://127.0.0.1:1", timeout=-1)
    with pytest.raises(g4flite.OptionError, match="retries is a whole number from 0"):
        g4flite.stream("cromicle", "Hi", base_url="http://127.0.0.1:1", retries=-1)


def test_first_token_runs_from_the_first_read(clock: Clock) -> None:
    timers = started(Timeout(first_token=2, idle=3), clock)
    assert timers.connecting() == 10
    clock.now += 5
    assert timers.connecting() == 5
    assert timers.left() == 2
    clock.now += 1.5
    assert timers.left() == 0.5
    clock.now += 0.5
    with pytest.raises(g4flite.FirstTokenTimeoutError, match="first_token: no text came for 2 s; raise it with"):
        timers.left()


def test_idle_runs_from_the_read_after_the_last_text(clock: Clock) -> None:
    timers = started(Timeout(first_token=2, idle=3), clock)
    timers.left()
    timers.heard = True
    clock.now += 50  # the loop's own time
    assert timers.left() == 3
    clock.now += 2
    assert timers.left() == 1  # bytes without text do not count
    timers.heard = True
    assert timers.left() == 3
    clock.now += 3
    with pytest.raises(g4flite.IdleTimeoutError, match="idle: no more text came for 3 s"):
        timers.left()


def test_total_runs_from_the_first_socket_through_every_attempt(clock: Clock) -> None:
    timers = started(Timeout(total=5), clock)
    clock.now += 50
    assert timers.total_left() == float("inf")
    assert timers.connecting() == 5
    clock.now += 2
    timers.attempt(timers.timeout)
    timers.connected = True
    assert timers.connecting() == 3
    assert timers.left() == 3
    clock.now += 3
    with pytest.raises(g4flite.TotalTimeoutError, match="total: not complete after 5 s"):
        timers.left()
    with pytest.raises(g4flite.TotalTimeoutError):
        timers.check()
    with pytest.raises(g4flite.TotalTimeoutError):
        timers.connecting()
    assert type(timers.expired()) is type(timers.unconnected("host")) is g4flite.TotalTimeoutError


def test_a_timer_switched_off_never_ends(clock: Clock) -> None:
    timers = started(Timeout(connect=None, first_token=None, idle=None), clock)
    assert timers.connecting() is None
    assert timers.left() is None
    timers.heard = True
    clock.now += 1e9
    assert timers.left() is None


def test_the_timer_that_a_socket_noticed_is_named(clock: Clock) -> None:
    timers = started(Timeout(first_token=2, total=5), clock)
    timers.connecting()
    timers.left()
    assert type(timers.expired()) is g4flite.FirstTokenTimeoutError
    assert str(timers.unconnected("host")) == (
        "connect: no connection to host in 10 s; check base_url= and the network"
    )


def test_connecting_ends_with_its_own_timer(clock: Clock) -> None:
    timers = Timers(Timeout(connect=2), clock)
    timers.connecting()
    clock.now += 2
    with pytest.raises(g4flite.ConnectTimeoutError, match="connect: no connection to the service in 2 s"):
        timers.connecting()
    timers.attempt(timers.timeout)
    assert timers.connecting() == 2


def test_what_nobody_needs_may_linger_for_a_while(clock: Clock) -> None:
    timers = started(Timeout(first_token=5), clock)
    timers.left()
    timers.linger(1)
    assert timers.left() == 1
    timers.attempt(Timeout(first_token=0.5))
    timers.connected = True
    timers.linger(1)
    assert timers.left() == 0.5


def test_a_closed_stream_reads_no_more(clock: Clock) -> None:
    timers = started(Timeout(), clock)
    timers.abort()
    for call in (timers.left, timers.check, timers.connecting):
        with pytest.raises(g4flite.StreamClosedError):
            call()


class Stream:
    """Stands for httpcore's: notes what it was asked."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def read(self, max_bytes: int, timeout: float | None = None) -> None:
        self.calls.append(("read", max_bytes, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.calls.append(("write", len(buffer), timeout))

    def start_tls(self, context: Any, server_hostname: str | None = None, timeout: float | None = None) -> None:
        self.calls.append(("start_tls", server_hostname, timeout))


def test_an_armed_stream_asks_the_timers_and_any_other_takes_a_number(clock: Clock) -> None:
    timers = Timers(Timeout(connect=4, first_token=2), clock)
    made = extensions(timers, watch)
    deadlines = made["timeout"]
    assert all(isinstance(value, Deadline) for value in deadlines.values())
    assert deadlines == {"connect": 4, "pool": 4, "write": 2, "read": 2}
    stream: Any = Stream()
    stream.read(1, deadlines["read"])
    clock.now += 1
    made["trace"]("connection.connect_tcp.started", {"host": "x"})
    made["trace"]("connection.connect_tcp.complete", {"return_value": stream})
    assert timers.waiting is stream
    kind = type(stream)
    attach(stream, timers)
    assert type(stream) is kind
    stream.start_tls(None, "host", deadlines["connect"])
    stream.read(5)  # as the handshake with a SOCKS proxy does
    for method in (b"CONNECT", b"POST"):
        made["trace"]("http11.send_request_headers.started", {"request": SimpleNamespace(method=method)})
        stream.write(b"x", deadlines["write"])
    clock.now += 1.5
    assert len(stream.calls) == 4  # the head of the request waits for the body
    stream.write(b"x" * 5000, deadlines["write"])
    stream.read(7, deadlines["read"])
    stream.read(7, 3.0)
    assert stream.calls == [
        ("read", 1, 2), ("start_tls", "host", 3), ("read", 5, 3), ("write", 1, 3),
        ("write", 4096, 0.5), ("write", 905, 0.5), ("read", 7, 0.5), ("read", 7, 3.0),
    ]  # fmt: skip


def test_a_stream_that_cannot_be_armed_keeps_its_own_time_outs(clock: Clock) -> None:
    stream = object()
    timers = Timers(Timeout(), clock)
    attach(stream, timers)
    assert type(stream) is object
    assert timers.waiting is None


def test_a_connection_that_serves_another_stream_is_not_shut_down(clock: Clock) -> None:
    stream: Any = Stream()
    first, second = Timers(Timeout(), clock), Timers(Timeout(), clock)
    attach(stream, first)
    attach(stream, second)
    first.abort()  # Stream has no socket: shutting it down would raise
    second.release()
    second.abort()
    assert first.closed
    assert second.closed


def test_without_limits_a_stream_waits_for_ever(clock: Clock) -> None:
    timers = Timers(Timeout(connect=None, first_token=None, idle=None), clock)
    made = extensions(timers, watch)
    stream: Any = Stream()
    attach(stream, timers)
    timers.connected = True
    stream.read(1, made["timeout"]["read"])
    stream.start_tls(None, None, made["timeout"]["connect"])
    assert [call[2] for call in stream.calls] == [None, None]
