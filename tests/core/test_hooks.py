"""Which observers are told of a stream, and what an observer is."""

from typing import Any

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
