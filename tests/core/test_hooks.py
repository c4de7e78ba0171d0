"""Which observers are told of a stream, and what an observer is."""

import sys
import threading
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import MagicMock, Mock

import pytest

import g4flite
from g4flite._core import hooks
from g4flite.testing import Emulator
from tests.conftest import Driver, interpret
from tests.core.test_observed import Noted, ask
from tests.rows import rows


class Async:
    async def end(self, call: object, end: object) -> None: ...


@rows(
    ("wrong", "said"),
    [
        (object(), "must be an object with a method start, attempt, first or end, not <object"),
        ("abc", "must be an object with a method start, attempt, first or end, not 'abc'"),
        ([Noted(), 1], "must be an object with a method start, attempt, first or end, not 1"),
        (Noted, "must be an object with a method start, attempt, first or end, not <class"),
        (Async(), "has an async method end, which nobody would await; write it as a plain function"),
    ],
)
def test_what_is_no_observer_is_refused_before_any_socket(wrong: Any, said: str, server: Emulator) -> None:
    with pytest.raises(g4flite.OptionError) as caught:
        ask(server, wrong)
    assert f"observer= {said}" in str(caught.value)
    with pytest.raises(g4flite.OptionError):
        g4flite.Client("cromicle", observer=wrong)
    with pytest.raises(g4flite.OptionError):
        g4flite.observe(wrong)
    with g4flite.Client("cromicle", base_url=server.url) as client, pytest.raises(g4flite.OptionError):
        client.stream("Hi", observer=wrong)
    assert (server.exchanges, hooks._observing) == ([], ())


def test_the_observers_of_all_streams_are_told_until_they_are_taken_out(driver: Driver, server: Emulator) -> None:
    every, own = Noted(), Noted()
    early = ask(server, None)
    observing = g4flite.observe(every)
    driver.read(early)
    # An observer of the process and of the stream is told once.
    driver.read(ask(server, [own, every]))
    with g4flite.observe(every):
        driver.read(ask(server, None))
    observing.close()
    driver.read(ask(server, None))
    assert every.names == ["start", "first", "attempt", "end"] * 3
    assert own.names == ["start", "first", "attempt", "end"]
    assert hooks._observing == ()


@dataclass
class Equal:
    """An observer that equals each other one of its class."""

    told: list[str] = field(default_factory=list, compare=False)

    def end(self, call: object, end: g4flite.ObservedEnd) -> None:
        self.told.append(end.state)


def test_the_observer_itself_is_taken_out_and_none_that_equals_it(server: Emulator) -> None:
    first, second = Equal(), Equal()
    with g4flite.observe(first):
        g4flite.observe(second).close()
        ask(server, []).text()
    assert (first.told, second.told) == (["complete"], [])


def test_threads_may_set_observers_and_take_them_out_at_once() -> None:
    def turns() -> None:
        for _ in range(500):
            with g4flite.observe(Noted(), Noted()):
                pass

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=turns) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert hooks._observing == ()


def test_an_observer_may_be_a_list_or_keep_plain_data_by_the_name_of_a_method(
    server: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    class Ends(list[str]):
        start, first = 1.5, None

        def end(self, call: object, end: g4flite.ObservedEnd) -> None:
            self.append(end.state)

    ends = Ends()
    ask(server, ends).text()
    ask(server, [ends]).text()
    assert (ends, caplog.records) == (["complete"] * 2, [])


@rows("kind", [Mock, MagicMock])
def test_a_mock_is_an_observer_that_costs_no_answer(kind: Any, driver: Driver, server: Emulator) -> None:
    mock = kind()
    assert "".join(driver.read(ask(server, mock))) == "You said: Hi"
    assert [mock.method_calls[place][0] for place in (0, 1, 2, -1)] == ["start", "first", "attempt", "end"]


def test_a_stream_s_observer_takes_the_place_of_the_client_s(driver: Driver, server: Emulator) -> None:
    of_client, of_stream = Noted(), Noted()
    client = g4flite.Client("cromicle", base_url=server.url, observer=of_client)
    driver.read(client.stream("Hi"))
    driver.read(client.stream("Hi", observer=of_stream))
    driver.read(client.stream("Hi", observer=[]))
    assert (len(of_client.told), len(of_stream.told)) == (4, 4)
    client.close() if driver.name == "sync" else driver.run(client.aclose)


def test_without_an_observer_nothing_of_them_is_imported(server: Emulator) -> None:
    code = """
import sys, g4flite
print(g4flite.stream("cromicle", "Hi", base_url=sys.argv[1]).text(), "g4flite._core.observed" in sys.modules)
"""
    assert interpret(code, server.url) == "You said: Hi False\n"
