"""A client of httpx2 works like a client of httpx.  `make test-httpx2` runs the whole suite over such clients."""

from typing import Any

import httpx2
import pytest

import g4flite
from g4flite.testing import Emulator, Script
from tests.acme import ACME
from tests.conftest import Driver


def client_of(driver: Driver, **kwargs: Any) -> Any:
    kind: Any = httpx2.Client if driver.name == "sync" else httpx2.AsyncClient
    # The client keeps no connection, so that nothing has to be closed.
    return kind(limits=httpx2.Limits(max_keepalive_connections=0), **kwargs)


def test_text_comes_over_a_client_of_httpx2(driver: Driver, server: Emulator) -> None:
    client = client_of(driver, headers={"x-own": "1"})
    assert "".join(driver.collect("flowgpt", "Hi", base_url=server.url, client=client)) == "You said: Hi"
    assert ("x-own", "1") in [(name.lower(), value) for name, value in server.exchanges[0].headers]
    assert not client.is_closed


def test_a_failure_of_httpx2_has_the_same_error_as_a_failure_of_httpx(driver: Driver, server: Emulator) -> None:
    client = client_of(driver)
    with pytest.raises(g4flite.ConnectError, match="could not connect to 127.0.0.1:1: Connection refused"):
        driver.collect("cromicle", "Hi", base_url="http://127.0.0.1:1", client=client)
    server.script = Script(body="two words", cut=4, split=(3,))
    with pytest.raises(g4flite.TruncatedStreamError):
        driver.collect("cromicle", "Hi", base_url=server.url, client=client)


@pytest.mark.parametrize(
    ("script", "timeout", "error"),
    [
        (Script(silence=30), g4flite.Timeout(first_token=0.1), g4flite.FirstTokenTimeoutError),
        (Script(wait=30), g4flite.Timeout(idle=0.1), g4flite.IdleTimeoutError),
    ],
)
def test_the_timers_bound_the_reads_of_a_client_of_httpx2(
    script: Script, timeout: g4flite.Timeout, error: type[Exception], driver: Driver, server: Emulator
) -> None:
    server.script = script
    with pytest.raises(error):
        driver.collect("cromicle", "Hi", base_url=server.url, client=client_of(driver), timeout=timeout)


def test_a_client_of_httpx2_that_is_closed_or_of_the_wrong_kind_is_refused(driver: Driver) -> None:
    wrong = httpx2.AsyncClient() if driver.name == "sync" else httpx2.Client()
    with pytest.raises(TypeError, match="needs an httpx"):
        driver.collect(ACME, "Hi", client=wrong)
    closed = httpx2.Client()
    closed.close()
    with pytest.raises(g4flite.OptionError, match="client= is closed"):
        g4flite.stream(ACME, "Hi", client=closed)
