"""Of a list of providers, the next one is asked also if one cannot be used by its own settings."""

from collections.abc import Callable
from typing import Any

import pytest

import g4flite
from g4flite.testing import Emulator
from tests.conftest import Driver


def close(client: g4flite.Client, driver: Driver) -> None:
    client.close() if driver.name == "sync" else driver.run(client.aclose)


def closed(driver: Driver, server: Emulator, monkeypatch: pytest.MonkeyPatch) -> Any:
    client = g4flite.Client("free2gpt", base_url=server.url)
    close(client, driver)
    return client, "this Client is closed; make a new one"


def bad_host(driver: Driver, server: Emulator, monkeypatch: pytest.MonkeyPatch) -> Any:
    return g4flite.Client("free2gpt", base_url="http://-\u00e9.test"), "a URL that httpx refuses"


def bad_proxy(driver: Driver, server: Emulator, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HTTPS_PROXY", "socks://127.0.0.1:1")
    return g4flite.Client("free2gpt", base_url="https://127.0.0.1:1"), "HTTPS_PROXY is socks://127.0.0.1:1"


ROUTES = [closed, bad_host, bad_proxy]


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


UNUSABLE = [
    ("anthropic", {}, "there is no API key; pass api_key= or set ANTHROPIC_API_KEY"),
    ("anthropic", {"ANTHROPIC_API_KEY": "a b"}, "ANTHROPIC_API_KEY cannot be a key"),
    (
        "azure-openai",
        {"AZURE_OPENAI_API_KEY": "k"},
        "there is no public base URL; pass base_url= or set AZURE_OPENAI_EN",
    ),
    ("llamacpp", {"G4FLITE_LLAMACPP_BASE_URL": "ftp://x"}, "(from G4FLITE_LLAMACPP_BASE_URL)"),
]


@pytest.mark.parametrize(("name", "environment", "said"), UNUSABLE)
def test_a_provider_without_a_key_or_a_base_url_is_left_out(
    driver: Driver,
    server: Emulator,
    name: str,
    environment: dict[str, str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    client = g4flite.Client("cromicle", base_url=server.url)
    down = g4flite.Client("cromicle", base_url="http://127.0.0.1:1", retries=0)
    lists: list[list[Any]] = [[name, client], [client, name]]
    for listed in lists:
        assert "".join(driver.read(g4flite.stream(listed, "Hi"))) == "You said: Hi"
        first, second = driver.stream.attempts
        assert (first.provider, first.model, first.seconds, second.provider) == (name, None, 0, "cromicle")
        assert first.outcome.startswith("OptionError: ")
        assert said in first.outcome
    with pytest.raises(g4flite.OptionError) as caught:
        g4flite.stream([name, name], "Hi")
    assert said in str(caught.value)
    assert caught.value.own_setting
    with pytest.raises(g4flite.AllFailedError) as failed:
        driver.read(g4flite.stream([down, name], "Hi"))
    assert [type(error) for error in failed.value.errors] == [g4flite.OptionError, g4flite.ConnectError]
    assert str(failed.value).startswith(f"{name}, cromicle: none of 2 providers answered:")
    close(client, driver)
    close(down, driver)


def test_a_mistake_of_the_call_is_raised_at_once_though_another_provider_could_be_asked() -> None:
    for wrong in ({"base_url": "ftp://x"}, {"headers": {"a": "b\n"}}, {"no_such_option": 1}):
        arguments: dict[str, Any] = wrong
        with pytest.raises(g4flite.OptionError) as caught:
            g4flite.stream(["llamacpp", "cromicle"], "Hi", **arguments)
        assert not caught.value.own_setting


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
