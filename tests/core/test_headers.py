"""Secrets are shown nowhere, TLS is always verified, and bad input is refused before a socket opens."""

import dataclasses
import json
import logging
import pickle
import ssl
import traceback
import warnings
from typing import Any

import pytest

import g4flite
from g4flite._core.headers import redact_bytes
from g4flite.testing import Emulator, Script
from tests.acme import ACME
from tests.conftest import Driver, httpx

SECRET = "sk-s3cret-s3cret"
HEADERS = {"Authorization": f"Bearer {SECRET}", "X-Own": SECRET}


@pytest.mark.parametrize(
    "script",
    [
        Script(status=401, body=f"wrong key: {SECRET}"),
        Script(status=500, body=f'{{"error": "Bearer {SECRET}"}}'),
        Script(body=f"<p>{SECRET}", headers={"content-type": "text/html"}),
        Script(body=f'{{"error": "{SECRET}"}}', headers={"content-type": "application/json"}),
        Script(raw=b"nonsense"),
        Script(raw=b"HTTP/1.1 200 OK\r\n" + SECRET.encode() + b"\r\n\r\n"),
        Script(body=f'{{"error": "{SECRET}"}}'),
        Script(status=302, headers={"location": f"http://{SECRET}@elsewhere.test/?key={SECRET}"}),
    ],
)
def test_a_key_is_in_no_error_log_or_repr(
    script: Script, driver: Driver, server: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="g4flite")
    server.script = script
    with pytest.raises(g4flite.G4fliteError) as caught:
        driver.collect(["cromicle", "gprochat"], "Hi", base_url=server.url, headers=HEADERS)
    error = caught.value
    shown = [
        str(error), repr(error), repr(driver.stream), repr(driver.stream.attempts), caplog.text,
        pickle.dumps(error).decode("latin-1"), *traceback.format_exception(error),
    ]  # fmt: skip
    assert len(caplog.records) == 2
    assert SECRET not in "".join(shown)


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"a s3cret-key, and s3cret-k", b"a **********, and ********"),
        (b"'a s3cret-k...', s3cret-k.", b"'a ********...', s3cret-k."),
        (b"a s3cre", b"a s3cre"),
        (b"s3cret", b"******"),
        (b"", b""),
    ],
)
def test_each_byte_of_a_secret_becomes_a_star_also_if_the_secret_is_cut_off(data: bytes, shown: bytes) -> None:
    assert redact_bytes(data, ("s3cret-key",)) == shown
    assert redact_bytes(data, ()) == data


@pytest.mark.parametrize("value", ["", "short", "br{ace}s3cret", "two words"])
def test_the_value_of_any_header_of_the_caller_is_redacted_unless_the_value_is_short(
    value: str, driver: Driver, server: Emulator
) -> None:
    server.script = Script(body=json.dumps({"event": "error", "data": f"no abc: {value}"}))
    with pytest.raises(g4flite.ProviderError) as caught:
        driver.collect("flowgpt", "Hi", base_url=server.url, headers={"x-anything": value})
    said = {"": "no abc: ", "short": "no abc: short"}.get(value, "no abc: ***")
    assert f"the service reports an error: {said.strip()!r};" in str(caught.value)


def test_a_key_is_in_no_repr_of_a_client_a_stream_or_a_provider() -> None:
    client = g4flite.Client(
        ACME, base_url="http://127.0.0.1:1", headers=HEADERS, proxy=f"http://user:{SECRET}@127.0.0.1:1"
    )
    stream = client.stream("Hi")
    things: list[Any] = [
        client._pool._connection,
        client,
        stream,
        stream._run.call,
        dataclasses.replace(ACME, headers={"X-Api-Key": SECRET}),
    ]
    assert SECRET not in repr(things)


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://somewhere.test", True),
        ("http://10.0.0.1:8000/v1", True),
        ("http://127.0.0.1.evil.test", True),
        ("http://127.evil.test", True),
        ("http://localhost.:1", False),
        ("https://somewhere.test", False),
        ("http://127.0.0.1:8000", False),
        ("http://127.8.9.1", False),
        ("http://localhost:1", False),
        ("http://api.localhost:1", False),
        ("http://[::1]:1", False),
    ],
)
@pytest.mark.parametrize("pooled", [True, False])
def test_a_key_over_plain_http_causes_a_warning_unless_the_server_is_on_this_machine(
    url: str, warned: bool, pooled: bool
) -> None:
    def call(headers: dict[str, str]) -> None:
        if pooled:
            g4flite.Client("cromicle", base_url=url, headers=headers).stream("Hi")
        else:
            g4flite.stream("cromicle", "Hi", base_url=url, headers=headers)

    if warned:
        with pytest.warns(g4flite.InsecureTransportWarning, match="cromicle: a key goes to another machine") as caught:
            call(HEADERS)
        assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        call({"x-plain": "1"})
        if not warned:
            call(HEADERS)


def test_the_placeholder_that_flowgpt_sends_for_a_key_causes_no_warning() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        g4flite.stream("flowgpt", "Hi", base_url="http://somewhere.test")
    assert caught == []


@pytest.mark.parametrize("verify", [False, True, "/etc/ca.pem", 0])
def test_the_verification_of_tls_cannot_be_switched_off(verify: Any) -> None:
    with pytest.raises(g4flite.OptionError, match="verify is an ssl.SSLContext, .* TLS is always verified"):
        g4flite.stream("cromicle", "Hi", base_url="https://127.0.0.1:1", verify=verify)
    with pytest.raises(g4flite.OptionError, match="verify is an ssl.SSLContext"):
        g4flite.Client("cromicle", base_url="https://127.0.0.1:1", verify=verify)


def test_the_error_says_that_the_certificates_cannot_be_read(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    from g4flite._core.transport import tls

    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    tls.default_context.cache_clear()
    with pytest.raises(g4flite.OptionError, match="cromicle: the certificates cannot be read: .*SSL_CERT_FILE"):
        driver.collect("cromicle", "Hi", base_url="https://127.0.0.1:1")


def test_the_argument_verify_is_refused_beside_a_client() -> None:
    context = ssl.create_default_context()
    with pytest.raises(g4flite.OptionError, match="set them on client="):
        g4flite.stream(ACME, "Hi", client=httpx.Client(), verify=context)


def test_plain_http_loads_no_certificates_and_https_loads_certificates_once(
    driver: Driver, server: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    from g4flite._core.transport import tls

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


BAD: list[dict[str, Any]] = [
    {"messages": []},
    {"messages": [{"content": "no role"}]},
    {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x.test"}}]}]},
    {"provider": "nobody"},
    {"model": "nothing"},
    {"model": "gpt-3.5-turbo\r\nx: 1"},
    {"headers": {"x-a": "1\r\nx-b: 2"}},
    {"headers": {"x-a": "1\x00"}},
    {"heat": 1},
    {"base_url": "ftp://127.0.0.1"},
    {"base_url": "127.0.0.1"},
    {"base_url": "http://127.0.0.1/\r\n"},
    {"proxy": "nonsense"},
    {"timeout": -1},
    {"retries": -1},
    {"verify": False},
]


@pytest.mark.parametrize("bad", BAD, ids=repr)
def test_bad_input_is_refused_before_a_socket_opens(bad: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    good = {"provider": "cromicle", "messages": "Hi", "base_url": "http://127.0.0.1:1"}
    with pytest.raises(g4flite.UsageError):
        g4flite.stream(**{**good, **bad})
