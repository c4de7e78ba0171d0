"""The timers and the deadlines that they give to a socket, by a clock that the test puts forward."""

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
from tests.rows import rows


def started(timeout: Timeout, clock: Clock) -> Timers:
    """Return the timers of an attempt whose request is on its way."""
    timers = Timers(timeout, clock)
    timers.connected = True
    return timers


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_number_of_seconds_stands_for_a_timeout_with_that_total() -> None:
    assert as_timeout(None) == Timeout() == Timeout(connect=10, first_token=60, idle=60, total=None)
    assert as_timeout(5) == Timeout(total=5)
    own = Timeout(idle=None)
    assert as_timeout(own) is own
    assert pickle.loads(pickle.dumps(own)) == own


def spelled(timer: str) -> str:
    """Return how an error names a timer, as a regular expression; a number alone stands for `total`."""
    return "timeout=" if timer == "total" else rf"timeout=Timeout\({timer}=\.\.\.\)"


@rows("value", [0, -1, float("inf"), float("nan"), 1e10, "5", True])
@rows("name", ["connect", "first_token", "idle", "total"])
def test_a_timer_that_is_not_a_positive_number_is_refused(name: str, value: Any) -> None:
    with pytest.raises(g4flite.OptionError, match=f"^{spelled(name)} must be a positive number of seconds or"):
        Timeout(**{name: value})


def test_a_bad_timeout_and_bad_retries_are_refused_before_a_socket_opens() -> None:
    with pytest.raises(g4flite.OptionError, match="^timeout= must be a positive number"):
        g4flite.stream("cromicle", "Hi", base_url="http://127.0.0.1:1", timeout=-1)
    with pytest.raises(g4flite.OptionError, match="retries= must be a whole number from 0"):
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
    with pytest.raises(g4flite.FirstTokenTimeoutError, match="first_token: no text came for 2 s; allow more with"):
        timers.left()


def test_idle_runs_from_the_read_after_the_last_text(clock: Clock) -> None:
    timers = started(Timeout(first_token=2, idle=3), clock)
    timers.left()
    timers.heard = True
    # The caller's loop takes this time.
    clock.now += 50
    assert timers.left() == 3
    clock.now += 2
    # Bytes without text do not restart the timer.
    assert timers.left() == 1
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


def test_a_timer_that_is_none_never_ends(clock: Clock) -> None:
    timers = started(Timeout(connect=None, first_token=None, idle=None), clock)
    assert timers.connecting() is None
    assert timers.left() is None
    timers.heard = True
    clock.now += 1e9
    assert timers.left() is None


def test_the_error_after_a_socket_s_timeout_names_the_timer(clock: Clock) -> None:
    timers = started(Timeout(first_token=2, total=5), clock)
    timers.connecting()
    timers.left()
    assert type(timers.expired()) is g4flite.FirstTokenTimeoutError
    assert str(timers.unconnected("host")) == (
        "connect: no connection to host in 10 s; check base_url= and the network"
    )


def test_the_connect_timer_ends_connecting(clock: Clock) -> None:
    timers = Timers(Timeout(connect=2), clock)
    timers.connecting()
    clock.now += 2
    with pytest.raises(g4flite.ConnectTimeoutError, match="connect: no connection to the service in 2 s"):
        timers.connecting()
    timers.attempt(timers.timeout)
    assert timers.connecting() == 2


def test_linger_shortens_the_next_read_but_never_lengthens_the_read(clock: Clock) -> None:
    timers = started(Timeout(first_token=5), clock)
    timers.left()
    timers.linger(1)
    assert timers.left() == 1
    timers.attempt(Timeout(first_token=0.5))
    timers.connected = True
    timers.linger(1)
    assert timers.left() == 0.5


def test_aborted_timers_allow_no_further_read(clock: Clock) -> None:
    timers = started(Timeout(), clock)
    timers.abort()
    for call in (timers.left, timers.check, timers.connecting):
        with pytest.raises(g4flite.StreamClosedError):
            call()


class Stream:
    """Stands for a network stream of httpcore, and notes each call with its timeout."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def read(self, max_bytes: int, timeout: float | None = None) -> None:
        self.calls.append(("read", max_bytes, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.calls.append(("write", len(buffer), timeout))

    def start_tls(self, context: Any, server_hostname: str | None = None, timeout: float | None = None) -> None:
        self.calls.append(("start_tls", server_hostname, timeout))


def test_a_deadline_asks_the_timers_at_each_read_and_write_and_a_number_is_kept(clock: Clock) -> None:
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
    # The handshake with a SOCKS proxy reads without a timeout.
    stream.read(5)
    for method in (b"CONNECT", b"POST"):
        made["trace"]("http11.send_request_headers.started", {"request": SimpleNamespace(method=method, headers=[])})
        stream.write(b"x", deadlines["write"])
    clock.now += 1.5
    # The head of the request waits for the body.
    assert len(stream.calls) == 4
    stream.write(b"x" * 5000, deadlines["write"])
    stream.read(7, deadlines["read"])
    stream.read(7, 3.0)
    assert stream.calls == [
        ("read", 1, 2), ("start_tls", "host", 3), ("read", 5, 3), ("write", 1, 3),
        ("write", 4096, 0.5), ("write", 905, 0.5), ("read", 7, 0.5), ("read", 7, 3.0),
    ]  # fmt: skip


def test_a_network_stream_whose_class_cannot_be_changed_keeps_its_own_timeouts(clock: Clock) -> None:
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
    # Stream has no socket: to shut it down would raise an exception.
    first.abort()
    second.release()
    second.abort()
    assert first.closed
    assert second.closed


def test_a_network_stream_waits_for_ever_if_all_timers_are_none(clock: Clock) -> None:
    timers = Timers(Timeout(connect=None, first_token=None, idle=None), clock)
    made = extensions(timers, watch)
    stream: Any = Stream()
    attach(stream, timers)
    timers.connected = True
    stream.read(1, made["timeout"]["read"])
    stream.start_tls(None, None, made["timeout"]["connect"])
    assert [call[2] for call in stream.calls] == [None, None]


def test_the_error_names_the_timer_that_ended_the_read_even_if_total_is_over_by_then(clock: Clock) -> None:
    """On a busy machine, `total` may end after the read has ended and before the error is made."""
    timers = started(Timeout(first_token=2, total=5), clock)
    timers.connecting()
    timers.left()
    clock.now += 50
    assert type(timers.expired()) is g4flite.FirstTokenTimeoutError
    timers = started(Timeout(first_token=9, total=5), clock)
    timers.connecting()
    timers.left()
    clock.now += 50
    assert type(timers.expired()) is g4flite.TotalTimeoutError


def test_a_request_head_that_was_never_written_is_not_sent_with_the_next_attempt(clock: Clock) -> None:
    timers = Timers(Timeout(), clock)
    made, stream = extensions(timers, watch), Stream()
    attach(stream, timers)
    made["trace"]("http11.send_request_headers.started", {"request": SimpleNamespace(method=b"POST", headers=[])})
    timers.attempt(timers.timeout)
    stream.write(b"CONNECT", made["timeout"]["write"])
    assert stream.calls == [("write", 7, 10)]


@rows("name", ["connect", "first_token", "idle", "total"])
def test_a_timer_may_run_for_a_billion_seconds(name: str) -> None:
    assert getattr(Timeout(**{name: 1e9}), name) == 1e9
    with pytest.raises(g4flite.OptionError, match=f"^{spelled(name)} must be a positive number"):
        Timeout(**{name: 1e9 + 0.5})


def test_a_timer_is_checked_even_if_the_timer_before_is_none() -> None:
    with pytest.raises(g4flite.OptionError, match="^timeout= must be a positive number"):
        Timeout(connect=None, first_token=None, idle=None, total=-1)


def test_the_last_half_second_of_total_can_be_used(clock: Clock) -> None:
    timers = started(Timeout(connect=2, total=5), clock)
    timers.connecting()
    clock.now += 4.5
    timers.check()
    assert type(timers.unconnected("host")) is g4flite.ConnectTimeoutError


def test_a_new_attempt_forgets_the_deadline_of_the_last_attempt_s_read(clock: Clock) -> None:
    timers = started(Timeout(first_token=2, total=5), clock)
    timers.connecting()
    timers.left()
    timers.attempt(timers.timeout)
    clock.now += 6
    assert type(timers.expired()) is g4flite.TotalTimeoutError
