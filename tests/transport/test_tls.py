"""TLS contexts: the certificates of the machine are read when the first https connection needs them, and once."""

import ssl
from typing import Any

import pytest

import g4flite
from g4flite._core.transport import tls
from g4flite.testing import Emulator
from tests.conftest import Driver, httpx


def test_certificates_that_cannot_be_read_are_named_in_the_error(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    tls.default_context.cache_clear()
    with pytest.raises(g4flite.OptionError, match="cromicle: the certificates cannot be read: .*SSL_CERT_FILE"):
        driver.collect("cromicle", "Hi", base_url="https://127.0.0.1:1")


def test_plain_http_loads_no_certificates_and_https_loads_certificates_once(
    driver: Driver, server: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    create = httpx.create_ssl_context

    def counted(verify: Any = True, **more: Any) -> ssl.SSLContext:
        made.extend([1] if verify is True else [])
        return create(verify=verify, **more)

    monkeypatch.setattr(httpx, "create_ssl_context", counted)
    tls.default_context.cache_clear()
    driver.collect("cromicle", "Hi", base_url=server.url)
    assert made == []
    for _ in range(2):
        with pytest.raises(g4flite.TLSError):
            driver.collect("cromicle", "Hi", base_url=server.url.replace("http:", "https:"))
    assert made == [1]
