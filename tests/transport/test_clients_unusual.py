"""Where clients differ from the usual: the system's proxies, hidden pools."""

import os
import socket
import sys
from typing import Any

import httpx
import pytest

import g4flite
from g4flite._core import proxies
from g4flite.testing import Emulator
from tests.conftest import Driver
from tests.conftest import httpx as library
from tests.transport.test_clients_stale import in_turn, serving


def test_a_proxy_of_the_system_is_used_and_one_that_is_no_url_is_an_error(
    server: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On macOS and Windows; httpx asks for them if no variable of the environment speaks of proxies."""
    for variable in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(variable)
    utils = sys.modules[f"{library.__name__}._utils"]
    monkeypatch.setattr(utils, "getproxies", lambda: {"http": server.url, "no": "exempt.test"})
    # The emulator is no proxy, but it sees the request.
    with pytest.raises(g4flite.NotFoundError):
        g4flite.stream("cromicle", "Hi", base_url="http://upstream.test", retries=0).text()
    assert server.exchanges[-1].path == "http://upstream.test/chat"
    monkeypatch.setattr(utils, "getproxies", lambda: {"http": "gopher://proxy.test"})
    with pytest.raises(g4flite.OptionError, match="the proxy is not a URL that httpx can use"):
        g4flite.stream("cromicle", "Hi", base_url="http://upstream.test", retries=0).text()


def test_a_proxy_of_the_environment_that_the_caller_s_client_uses_is_named(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(variable)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("HTTP_PROXY", f"http://user:secret-word@127.0.0.1:{port}")
    client = httpx.Client() if driver.name == "sync" else httpx.AsyncClient()
    with pytest.raises(g4flite.ProxyError, match="HTTP_PROXY") as caught:
        driver.collect("cromicle", "Hi", base_url="http://upstream.test", client=client)
    assert "secret-word" not in str(caught.value)
    driver.close(client)


def test_the_words_for_a_connection_name_its_proxy_and_the_variable() -> None:
    proxy = proxies.environment_proxy("http://upstream.test", {"HTTP_PROXY": "http://user:secret-word@127.0.0.1:1"})
    assert proxies.way(None) == ""
    assert proxies.way(proxy) == " over the proxy http://127.0.0.1:1 of HTTP_PROXY"


class Hidden(httpx.BaseTransport):
    """A transport that keeps the one it wraps where nobody looks."""

    def __init__(self) -> None:
        self.inner = [httpx.HTTPTransport()]

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self.inner[0].handle_request(request)

    def close(self) -> None:
        self.inner[0].close()


class AsyncHidden(httpx.AsyncBaseTransport):
    def __init__(self) -> None:
        self.inner = [httpx.AsyncHTTPTransport()]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self.inner[0].handle_async_request(request)

    async def aclose(self) -> None:
        await self.inner[0].aclose()


def test_a_stale_connection_in_a_hidden_pool_is_replaced(driver: Driver) -> None:
    with serving("fin") as server:
        made: Any = httpx.Client(transport=Hidden()) if driver.name == "sync" else None
        client = made or httpx.AsyncClient(transport=AsyncHidden())
        call: dict[str, Any] = {"base_url": server.url, "client": client, "retries": 0}
        texts = in_turn(driver, client, lambda: [g4flite.stream("cromicle", "Hi", **call) for _ in range(2)])
        assert texts == ["hello"] * 2
        assert server.requests == [2, 1]
