"""The timers, by a clock that the test winds."""

import pickle
from typing import Any

import pytest

import g4flite
from g4flite import Timeout
from g4flite._timeout import as_timeout
from g4flite._timers import Deadline, Timers, arm, deadlines, watch


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_defaults_and_the_short_form() -> None:
    assert as_timeout(None) == Timeout() == Timeout(connect=10, first_token=60, idle=60, total=None)
    assert as_timeout(5) == Timeout(total=5)
    own = Timeout(idle=None)
    assert as_timeout(own) is own
    assert pickle.loads(pickle.dumps(own)) == own


@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), "5", True])
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
    timers = Timers(Timeout(first_token=2, idle=3), clock)
    assert timers.connecting() == 10
    clock.now += 50
    assert timers.left() == 2
    clock.now += 1.5
    assert timers.left() == 0.5
    clock.now += 0.5
    with pytest.raises(g4flite.FirstTokenTimeoutError, match="first_token: no text came for 2 s; raise it with"):
        timers.left()


def test_idle_runs_from_the_read_after_the_last_text(clock: Clock) -> None:
    timers = Timers(Timeout(first_token=2, idle=3), clock)
    timers.left()
    timers.text()
    clock.now += 50  # the loop's own time
    assert timers.left() == 3
    clock.now += 2
    assert timers.left() == 1  # bytes without text do not count
    timers.text()
    assert timers.left() == 3
    clock.now += 3
    with pytest.raises(g4flite.IdleTimeoutError, match="idle: no more text came for 3 s"):
        timers.left()


def test_total_runs_from_the_first_socket_through_every_attempt(clock: Clock) -> None:
    timers = Timers(Timeout(total=5), clock)
    clock.now += 50
    assert timers.total_left() == float("inf")
    assert timers.connecting() == 5
    clock.now += 2
    timers.sent()
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
    timers = Timers(Timeout(connect=None, first_token=None, idle=None), clock)
    assert timers.connecting() is None
    assert timers.left() is None
    timers.text()
    clock.now += 1e9
    assert timers.left() is None


def test_the_timer_that_a_socket_noticed_is_named(clock: Clock) -> None:
    timers = Timers(Timeout(first_token=2, total=5), clock)
    timers.connecting()
    timers.left()
    assert type(timers.expired()) is g4flite.FirstTokenTimeoutError
    assert str(timers.unconnected("host")) == (
        "connect: no connection to host in 10 s; check base_url= and the network"
    )


def test_a_closed_stream_reads_no_more(clock: Clock) -> None:
    timers = Timers(Timeout(), clock)
    timers.abort()
    for call in (timers.left, timers.check, timers.connecting):
        with pytest.raises(g4flite.StreamClosedError):
            call()


def test_an_armed_stream_asks_the_timers_and_any_other_reads_a_number(clock: Clock) -> None:
    class Stream:
        def read(self, max_bytes: int, timeout: float | None = None) -> tuple[int, float | None]:
            return max_bytes, timeout

    timers = Timers(Timeout(connect=4, first_token=2), clock)
    settings = deadlines(timers)
    assert (settings["connect"], settings["pool"], settings["write"], settings["read"]) == (4, 4, 2, 2)
    deadline = settings["read"]
    assert isinstance(deadline, Deadline)
    stream = Stream()
    stream.read(1, deadline)
    clock.now += 1
    watch("connection.connect_tcp.started", {"host": "x"})
    watch("connection.connect_tcp.complete", {"return_value": stream})
    kind = type(stream)
    arm(stream)
    assert type(stream) is kind
    assert stream.read(7, deadline) == (7, 2)
    clock.now += 1.5
    assert stream.read(7, deadline) == (7, 0.5)
    assert timers.stream is stream
    assert stream.read(7, 3.0) == (7, 3.0)
    assert stream.read(7) == (7, None)


def test_a_stream_that_cannot_be_armed_keeps_its_own_time_outs() -> None:
    stream = object()
    arm(stream)
    assert type(stream) is object
