"""What `stream` and `Client` refuse or warn of before any socket opens, and how a `Client` is shared and closed."""

import gc
import ssl
import subprocess
import sys
import threading
import warnings
from typing import Any

import pytest

import g4flite
from g4flite.testing import Emulator
from tests.acme import ACME
from tests.conftest import Driver, bare_environment, httpx
from tests.rows import rows

HEADERS = {"Authorization": "Bearer sk-s3cret-s3cret"}


@rows(
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
@rows("pooled", [True, False])
def test_a_key_over_plain_http_to_another_machine_raises_a_warning(url: str, warned: bool, pooled: bool) -> None:
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


def request_of(stream: g4flite.Stream) -> Any:
    route = stream._run.routes[0]
    return route.request(0, route.call.now_ms)


def test_a_plain_call_over_a_client_sends_what_a_call_without_one_sends() -> None:
    settings: dict[str, Any] = {
        "base_url": "http://localhost:1", "api_key": "sk-1", "model": "m", "headers": {"X-A": "b"},
        "temperature": 0.5, "extra": {"more": {"a": [1]}}, "system": "Be brief",
    }  # fmt: skip
    client = g4flite.Client("openai", **settings)
    once = request_of(g4flite.stream("openai", "Hi", **settings))
    # The second is made with the URL and the headers of the first, which nobody else can change.
    for _ in range(2):
        made = request_of(client.stream("Hi"))
        assert tuple(made) == tuple(once)
        made.headers["x-a"] = "c"
    assert request_of(client.stream("Hi", headers={"X-A": "d"})).headers == {**once.headers, "x-a": "d"}
    with pytest.raises(g4flite.MessagesError) as caught:
        client.stream([])
    assert caught.value.provider == "openai"


def test_a_client_without_a_key_takes_the_one_that_the_environment_has_now(monkeypatch: pytest.MonkeyPatch) -> None:
    client = g4flite.Client("ollama", base_url="http://localhost:1", model="m")
    for key in None, "sk-1", "sk-2", None:
        if key is None:
            monkeypatch.delenv("OLLAMA_API_KEY", raising=False)
        else:
            monkeypatch.setenv("OLLAMA_API_KEY", key)
        sent = request_of(client.stream("Hi")).headers.get("authorization")
        assert sent == (None if key is None else f"Bearer {key}")


def test_a_placeholder_is_not_a_key_and_raises_no_warning() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        g4flite.stream("flowgpt", "Hi", base_url="http://somewhere.test")
    assert caught == []


@rows("verify", [False, True, "/etc/ca.pem", 0])
def test_verify_is_a_tls_context_and_cannot_be_switched_off(verify: Any) -> None:
    with pytest.raises(g4flite.OptionError, match="verify= must be an ssl.SSLContext, .* TLS is always verified"):
        g4flite.stream("cromicle", "Hi", base_url="https://127.0.0.1:1", verify=verify)
    with pytest.raises(g4flite.OptionError, match="verify= must be an ssl.SSLContext"):
        g4flite.Client("cromicle", base_url="https://127.0.0.1:1", verify=verify)


def test_a_tls_context_beside_a_client_is_refused() -> None:
    context = ssl.create_default_context()
    with pytest.raises(g4flite.OptionError, match="set them on that client"):
        g4flite.stream(ACME, "Hi", client=httpx.Client(), verify=context)


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


class TestClient:
    def test_a_client_s_settings_are_the_defaults_of_its_streams(self, driver: Driver, server: Emulator) -> None:
        client = g4flite.Client(
            "flowgpt", model="claude-v1", base_url=server.url, headers={"X-A": "1", "x-b": "2"}, temperature=0.1
        )
        own = {"model": "gemini", "headers": {"X-B": "3"}, "temperature": 0.9}

        async def read() -> None:
            async with client:
                assert await client.stream("Hi").atext() == await client.stream("Hi", **own).atext()

        if driver.name == "sync":
            with client:
                assert client.stream("Hi").text() == client.stream("Hi", **own).text()
        else:
            driver.run(read)
        first, second = server.exchanges
        assert b'"model":"claude-v1"' in first.body
        assert b'"temperature":0.1' in first.body
        assert {"x-a": "1", "x-b": "2"}.items() <= dict(first.headers).items()
        assert b'"model":"google-gemini"' in second.body
        assert b'"temperature":0.9' in second.body
        assert {"x-a": "1", "x-b": "3"}.items() <= dict(second.headers).items()

    def test_a_closed_client_refuses_to_stream_and_says_closed_in_its_repr(self, driver: Driver) -> None:
        client = g4flite.Client(ACME)
        assert repr(client) == "<Client of acme: open>"
        driver.run(client.aclose) if driver.name != "sync" else client.close()
        assert repr(client) == "<Client of acme: closed>"
        with pytest.raises(g4flite.UsageError, match="acme: this Client is closed"):
            driver.read(client.stream("Hi"))

    def test_bad_settings_are_refused_at_once(self) -> None:
        for settings in ({"model": "x"}, {"base_url": "x"}, {"proxy": "x"}, {"headers": {"a": "\n"}}, {"heat": 1}):
            with pytest.raises(g4flite.UsageError):
                g4flite.Client("cromicle", **settings)  # type: ignore[arg-type]

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_close_is_refused_after_async_for_and_aclose_closes(self, backend: str, server: Emulator) -> None:
        async def main() -> None:
            client = g4flite.Client("cromicle", base_url=server.url)
            await client.stream("Hi").atext()
            with pytest.warns(g4flite.SyncInAsyncWarning):
                client.stream("Hi").text()
            with pytest.raises(TypeError, match="async with"):
                client.close()
            await client.aclose()

        Driver(backend).run(main)
        assert server.connections == 2

    def test_a_client_makes_a_new_connection_pool_in_another_process(
        self, server: Emulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A changed process id stands for a fork, as coverage is not measured in a child."""
        with g4flite.Client("cromicle", base_url=server.url) as client:
            parent = client._pool.client()
            assert client._pool.client() is parent
            monkeypatch.setattr("os.getpid", lambda: -1)
            assert client._pool.client() is not parent
            assert not parent.is_closed
            parent.close()

    def test_a_client_that_was_used_and_not_closed_warns_by_name(self, driver: Driver, server: Emulator) -> None:
        def leave(*, close: bool) -> list[tuple[type[Warning], str]]:
            """Return the warnings of the client alone; its sockets may warn as well."""
            client = g4flite.Client("cromicle", base_url=server.url)
            assert "".join(driver.read(client.stream("Hi"))) == "You said: Hi"
            if close:
                driver.close(client)
            del client, driver.stream
            gc.collect()
            found = [(one.category, str(one.message)) for one in caught if "Client" in str(one.message)]
            # A warning refers to the pool, whose sockets are to be collected here and not in the next test.
            caught.clear()
            gc.collect()
            return found

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            # This client is never used.
            g4flite.Client("cromicle", base_url=server.url)
            assert leave(close=True) == []
            message = (
                "cromicle: this Client was not closed; use it in `with` or `async with`, or call close() or "
                "`await aclose()`"
            )
            # In async, too, although the end of the event loop has closed the client's connections.
            assert leave(close=False) == [(ResourceWarning, message)]

    def test_a_client_that_was_not_closed_warns_at_the_end_of_the_program_and_not_in_a_fork(
        self, server: Emulator
    ) -> None:
        code = f"""
import os, g4flite
client = g4flite.Client("cromicle", base_url={server.url!r})
client.stream("Hi").text()
if hasattr(os, "fork"):
    child = os.fork()
    if not child:
        raise SystemExit
    os.waitpid(child, 0)
"""
        command = [sys.executable, "-W", "default", "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=bare_environment())
        assert done.returncode == 0
        assert done.stderr.count("ResourceWarning: cromicle: this Client was not closed") == 1
        assert "Traceback" not in done.stderr

    def test_many_threads_share_a_client(self, server: Emulator) -> None:
        texts = []
        with g4flite.Client("free2gpt", base_url=server.url) as client:
            threads = [
                threading.Thread(target=lambda n=n: texts.append(client.stream(f"{n}").text())) for n in range(16)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert sorted(texts) == sorted(f"You said: {n}" for n in range(16))


def sent(server: Emulator) -> list[tuple[str, str]]:
    """Return the roles and texts of the last request's messages."""
    return [(message["role"], message["content"]) for message in server.exchanges[-1].messages]


def test_system_is_a_first_system_message(driver: Driver, server: Emulator) -> None:
    call = {"model": "m", "api_key": "k", "base_url": f"{server.url}/v1"}
    driver.collect("openai", "Hi", system="Be brief.", **call)
    assert sent(server) == [("system", "Be brief."), ("user", "Hi")]
    own = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]
    driver.collect("openai", own, system="Be brief.", **call)
    assert sent(server) == [("system", "Be brief."), ("system", "Be kind."), ("user", "Hi")]
    for none in ("", None):
        driver.collect("openai", "Hi", system=none, **call)
        assert sent(server) == [("user", "Hi")]


@pytest.mark.parametrize(("given", "said"), [(None, ["Be brief."]), ("Be kind.", ["Be kind."]), ("", [])])
@pytest.mark.parametrize("listed", [False, True])
def test_a_client_s_system_is_the_default_of_its_streams(
    given: str | None, said: list[str], listed: bool, driver: Driver, server: Emulator
) -> None:
    client = g4flite.Client("openai", system="Be brief.", model="m", api_key="k", base_url=f"{server.url}/v1")
    driver.read(g4flite.stream([client], "Hi", system=given) if listed else client.stream("Hi", system=given))
    assert sent(server) == [*(("system", text) for text in said), ("user", "Hi")]
    driver.run(client.aclose) if driver.name != "sync" else client.close()


def test_a_system_that_is_no_text_is_refused() -> None:
    wrong: Any = ["Be brief."]
    with pytest.raises(g4flite.OptionError, match="openai: system= must be a text, not list"):
        g4flite.stream("openai", "Hi", model="m", api_key="k", system=wrong)
    with pytest.raises(g4flite.OptionError, match="openai: system= must be a text, not list"):
        g4flite.Client("openai", model="m", api_key="k", system=wrong)
