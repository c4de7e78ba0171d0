"""Of a list of providers, the next one is asked also if one cannot be used by its own settings."""

from collections.abc import Callable
from typing import Any

import pytest

import g4flite
from g4flite.testing import Emulator
from tests.conftest import TRANSPORT, Driver


def close(client: g4flite.Client, driver: Driver) -> None:
    client.close() if driver.name == "sync" else driver.run(client.aclose)


def closed(driver: Driver, server: Emulator, monkeypatch: pytest.MonkeyPatch) -> Any:
    client = g4flite.Client("free2gpt", base_url=server.url)
    close(client, driver)
    return client, "this Client is closed; make a new one"


def bad_host(driver: Driver, server: Emulator, monkeypatch: pytest.MonkeyPatch) -> Any:
    return g4flite.Client("free2gpt", base_url="http://-\u00e9.test"), "a URL that httpx refuses"


def wrong_loop(driver: Driver, server: Emulator, monkeypatch: pytest.MonkeyPatch) -> Any:
    if driver.name == "asyncio":
        pytest.skip("this transport works on asyncio")
    return g4flite.Client(
        "free2gpt", base_url=server.url, transport="aiohttp"
    ), "works only with `async for` on asyncio"


def bad_proxy(driver: Driver, server: Emulator, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HTTPS_PROXY", "socks://127.0.0.1:1")
    return g4flite.Client("free2gpt", base_url="https://127.0.0.1:1"), "HTTPS_PROXY is socks://127.0.0.1:1"


ROUTES = [closed, bad_host, wrong_loop, bad_proxy]


@pytest.mark.parametrize("route", ROUTES)
def test_the_next_provider_is_asked_if_one_cannot_be_used(
    driver: Driver, server: Emulator, route: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, said = route(driver, server, monkeypatch)
    assert "".join(driver.collect([client, "cromicle"], "Hi", base_url=server.url)) == "You said: Hi"
    assert [attempt.provider for attempt in driver.stream.attempts] == ["free2gpt", "cromicle"]
    assert said in driver.stream.attempts[0].outcome
    close(client, driver)


@pytest.mark.parametrize("route", ROUTES)
def test_the_only_provider_s_error_is_raised_as_it_is(
    driver: Driver, server: Emulator, route: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, said = route(driver, server, monkeypatch)
    with pytest.raises(g4flite.UsageError, match=said):
        driver.read(client.stream("Hi"))
    with pytest.raises(g4flite.UsageError, match=said):
        driver.read(g4flite.stream([client, client], "Hi"))
    assert len(driver.stream.attempts) == 2
    listed = [client, g4flite.Client("cromicle", base_url="http://127.0.0.1:1", retries=0)]
    with pytest.raises(g4flite.AllFailedError, match=said) as caught:
        driver.read(g4flite.stream(listed, "Hi"))
    assert [isinstance(error, g4flite.UsageError) for error in caught.value.errors] == [True, False]
    for item in listed:
        close(item, driver)


@pytest.mark.skipif(TRANSPORT == "aiohttp", reason="httpx-aiohttp makes its session with the first request")
def test_a_client_of_the_caller_s_that_was_closed_meanwhile_is_an_option_error(
    driver: Driver, server: Emulator
) -> None:
    client = driver.client()
    stream = g4flite.stream("cromicle", "Hi", base_url=server.url, client=client)
    driver.close(client)
    with pytest.raises(g4flite.OptionError, match="client= is closed"):
        driver.read(stream)


def test_a_client_of_the_wrong_colour_is_a_type_error_for_all(driver: Driver, server: Emulator) -> None:
    """The caller has given one client for all providers."""
    client = Driver("asyncio" if driver.name == "sync" else "sync").client()
    with pytest.raises(TypeError, match="client= is of the type"):
        driver.collect(["cromicle", "free2gpt"], "Hi", base_url=server.url, client=client)
    assert server.exchanges == []
