"""A `Client` that many streams use at once: how many clients of httpx it has, and what these share."""

import pytest

import g4flite
from g4flite._core.transport import clients
from g4flite._core.transport.clients import STREAMS, make_client
from g4flite.testing import Emulator, Script
from tests.conftest import Driver


def read_at_once(driver: Driver, client: g4flite.Client, count: int, rounds: int) -> None:
    """Read so many streams at once, and again: each is begun before the first one is read to its end."""

    async def read() -> None:
        async with client:
            for _ in range(rounds):
                streams = [aiter(client.stream("Hi")) for _ in range(count)]
                begun = [await anext(stream) for stream in streams]
                for first, stream in zip(begun, streams, strict=True):
                    rest = [text async for text in stream]
                    assert "".join([first, *rest]) == "You said: Hi"

    if driver.name != "sync":
        driver.run(read)
        return
    with client:
        for _ in range(rounds):
            streams = [iter(client.stream("Hi")) for _ in range(count)]
            begun = [next(stream) for stream in streams]
            for first, stream in zip(begun, streams, strict=True):
                assert "".join([first, *stream]) == "You said: Hi"


def test_connections_of_many_streams_at_once_are_kept_for_the_next_ones(driver: Driver, server: Emulator) -> None:
    server.script = Script(wait=0.01)
    read_at_once(driver, g4flite.Client("cromicle", base_url=server.url), 30, rounds=3)
    # One client of httpx keeps 20 connections at most.
    assert (len(server.exchanges), server.connections) == (90, 30)


def test_streams_one_after_the_other_need_one_client_and_many_at_once_several(
    driver: Driver, server: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    monkeypatch.setattr(clients, "make_client", lambda *given: made.append(given) or make_client(*given))
    server.script = Script(wait=0.01)
    read_at_once(driver, g4flite.Client("cromicle", base_url=server.url), 1, rounds=3)
    assert len(made) == 1
    read_at_once(driver, g4flite.Client("cromicle", base_url=server.url), 2 * STREAMS + 1, rounds=2)
    assert len(made) == 1 + 3


def test_a_cookie_goes_with_every_later_request_over_any_connection(driver: Driver, server: Emulator) -> None:
    server.script = Script(wait=0.01, headers={"set-cookie": "session=of-mine"})
    read_at_once(driver, g4flite.Client("cromicle", base_url=server.url), 2 * STREAMS, rounds=1)
    sent = [dict(exchange.headers).get("Cookie") for exchange in server.exchanges]
    assert sent == [None] + ["session=of-mine"] * (2 * STREAMS - 1)


def test_a_pool_that_keeps_no_cookies_forgets_those_that_it_has(driver: Driver, server: Emulator) -> None:
    server.script = Script(headers={"set-cookie": "session=of-mine"})
    client = g4flite.Client("cromicle", base_url=server.url)

    async def read() -> None:
        async with client:
            for number in range(4):
                if number == 2:
                    client._pool.keep_no_cookies()
                assert [text async for text in client.stream("Hi")]

    if driver.name != "sync":
        driver.run(read)
    else:
        with client:
            for number in range(4):
                if number == 2:
                    client._pool.keep_no_cookies()
                assert [*client.stream("Hi")]
    sent = [dict(exchange.headers).get("Cookie") for exchange in server.exchanges]
    assert sent == [None, "session=of-mine", None, None]
