"""Base URLs and proxies: which of them are refused, and that no error shows a password."""

from typing import Any

import pytest

import g4flite
from g4flite._core.request import build
from g4flite._core.urls import check_base_url, check_proxy, complete_host, how_to_start
from g4flite.testing import Emulator
from tests.acme import ACME, call
from tests.conftest import Driver
from tests.rows import rows


@rows(
    ("url", "clean"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("https://host.test/prefix/v1//", "https://host.test/prefix/v1"),
        ("http://[::1]:80/", "http://[::1]:80"),
        # What a server prints that listens on every address.
        ("http://0.0.0.0:8000/v1/", "http://127.0.0.1:8000/v1"),
        ("http://0.0.0.0", "http://127.0.0.1"),
        ("http://[::]:80/v1", "http://[::1]:80/v1"),
        ("https://[::]", "https://[::1]"),
        ("http://10.0.0.0:8000", "http://10.0.0.0:8000"),
        ("http://0.0.0.0.test:8000", "http://0.0.0.0.test:8000"),
    ],
)
def test_base_url_replaces_scheme_and_host(url: str, clean: str) -> None:
    assert call(base_url=url).base_url == clean
    assert build(call(base_url=url)).url == f"{clean}/chat"


@rows(
    "url",
    [
        "", "host.test", "ftp://host.test", "//host.test", "http://", "http:///x", "http://host.test:port",
        "http://host.test:99999", "http://[::1", "http://host.test/?q=1", "http://host.test#x", "http://ho st.test",
        "http://host.test/\r\nx", "http://host.test/\x00", "http://user:s3cret@host.test", "user:s3cret@host.test",
        "s3cret://host.test?key=s3cret", 3, b"http://host.test",
    ],
)  # fmt: skip
def test_a_bad_base_url_is_refused_and_its_password_is_not_shown(url: Any) -> None:
    with pytest.raises(g4flite.OptionError) as caught:
        g4flite.stream("cromicle", "Hi", base_url=url)
    assert "base_url" in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert caught.value.provider == "cromicle"


@rows(
    "proxy",
    ["", "127.0.0.1:3128", "ftp://u:s3cret@host", "http://u:s3cret@[::1", "http://u:s3cret@host:port", "http://", 3,
     "http://ho st:1", "socks4://u:s3cret@host"],
)  # fmt: skip
def test_a_bad_proxy_url_is_refused_and_its_password_is_not_shown(proxy: Any) -> None:
    with pytest.raises(g4flite.OptionError) as caught:
        g4flite.stream(ACME, "Hi", proxy=proxy)
    assert str(caught.value).startswith("acme: proxy= ")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("proxy", "reached"),
    [("http://0.0.0.0:3128", "http://127.0.0.1:3128"), ("socks5://u:p@[::]:1080", "socks5://u:p@[::1]:1080")],
)
def test_a_proxy_on_every_address_of_this_machine_is_reached_on_the_loopback_address(proxy: str, reached: str) -> None:
    assert check_proxy(proxy) == reached


def test_a_server_on_every_address_of_this_machine_is_local(driver: Driver, server: Emulator) -> None:
    for host in ("0.0.0.0", f"0.0.0.0:{server.port}"):
        assert check_base_url(complete_host(host, server.url)) == server.url
    url = f"http://0.0.0.0:{server.port}/v1"
    # A key over plain http to this machine does not warn, and warnings are errors here.
    assert "".join(driver.collect("openai", "Hi", model="m", api_key="sk-test-1", base_url=url)) == "You said: Hi"
    assert how_to_start(check_base_url("http://0.0.0.0:11434")).startswith("`ollama serve`")
