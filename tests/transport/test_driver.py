"""The drivers over real sockets: every founding provider, in sync, on asyncio and on trio, against the emulator."""

import gc
import itertools
import socket
import threading
import time
import warnings
from types import SimpleNamespace
from typing import Any

import pytest

import g4flite
from g4flite import providers
from g4flite._core.timers import Timers
from g4flite._core.transport import driver as driver_module
from g4flite.testing import Emulator, Script
from tests.conftest import Driver, httpx
from tests.founders import FOUNDERS, wire
from tests.rows import rows, share
from tests.splits import TEXT

CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "One?"},
    {"role": "assistant", "content": "Yes."},
    {"role": "user", "content": TEXT},
]


@pytest.mark.parametrize("name", FOUNDERS)
def test_the_emulator_accepts_the_request_and_the_answer_comes_whole(
    name: str, driver: Driver, server: Emulator
) -> None:
    chunks = driver.collect(name, TEXT, base_url=server.url)
    assert "".join(chunks) == driver.stream.partial == f"You said: {TEXT}"
    assert server.exchanges[0].problem is None
    assert (driver.stream.provider, driver.stream.model) == (name, providers.find(name).models[0])


@pytest.mark.parametrize("name", FOUNDERS)
def test_the_emulator_accepts_a_conversation(name: str, driver: Driver, server: Emulator) -> None:
    server.reply = lambda messages: messages[-1]["content"]
    flat = f"System: Be brief.\nUser: One?\nAssistant: Yes.\nUser: {TEXT}\nAssistant:"
    answer = "".join(driver.collect(name, CHAT, base_url=server.url))
    assert answer == (flat if name in ("cromicle", "gprochat") else TEXT)
    if name in ("free2gpt", "flowgpt"):
        assert server.exchanges[0].messages == CHAT


@pytest.mark.parametrize("name", FOUNDERS)
def test_every_byte_split_of_a_reply_gives_the_same_text(name: str, driver: Driver, server: Emulator) -> None:
    body = wire(name)
    scripts = [Script(body=body, split=(place,)) for place in range(1, len(body))]
    for script in (Script(body=body, split=1), *share(scripts, driver)):
        server.script = script
        assert "".join(driver.collect(name, "Hi", base_url=server.url)) == TEXT


@rows("name", FOUNDERS)
def test_the_path_of_base_url_is_kept_and_the_site_s_headers_do_not_change(name: str, driver: Driver) -> None:
    with Emulator(prefix="/gateway/v1") as server:
        assert driver.collect(name, "Hi", base_url=server.url + "/")
        headers = dict(server.exchanges[0].headers)
    spec = providers.find(name)
    for header in ("origin", "referer"):
        found = next((value for key, value in headers.items() if key.lower() == header), None)
        assert found == spec.headers.get(header)


def test_httpx_computes_accept_encoding_and_content_length(driver: Driver, server: Emulator) -> None:
    driver.collect("flowgpt", "Hi", base_url=server.url)
    sent = {key.lower(): value for key, value in server.exchanges[0].headers}
    assert sent["accept-encoding"] == httpx.Client().headers["accept-encoding"]
    assert sent["content-length"] == str(len(server.exchanges[0].body))


@rows("name", FOUNDERS)
def test_leaving_early_is_seen_by_the_server_at_once(name: str, driver: Driver) -> None:
    body = wire(name) + b"\n"
    with Emulator(script=Script(body=body * 2, split=(len(body),), wait=30)) as server:
        assert "".join(driver.collect(name, "Hi", base_url=server.url, limit=1)).strip() == TEXT
        assert server.exchanges[0].disconnected.wait(10)
    assert repr(driver.stream).endswith(f"closed, {len(driver.stream.partial)} characters>")


def test_break_alone_closes_the_connection_in_sync() -> None:
    with Emulator(script=Script(wait=30)) as server:
        stream = g4flite.stream("cromicle", "Hi", base_url=server.url)
        for _ in stream:
            break
        assert server.exchanges[0].disconnected.wait(10)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_break_leaves_no_generator_that_causes_a_warning(backend: str) -> None:
    import anyio

    async def main() -> None:
        async with g4flite.stream("cromicle", "Hi", base_url=server.url) as stream:
            async for _ in stream:
                break
        gc.collect()
        await anyio.sleep(0)

    with Emulator(script=Script(wait=30, split=1)) as server, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        anyio.run(main, backend=backend)
        gc.collect()
    assert [str(w.message) for w in caught] == []


def test_an_exception_in_the_loop_closes_the_connection(driver: Driver) -> None:
    class Oops(Exception):
        pass

    def read() -> None:
        for _ in stream:
            raise Oops

    async def aread() -> None:
        async with stream:
            async for _ in stream:
                raise Oops

    with Emulator(script=Script(wait=30)) as server:
        stream = g4flite.stream("free2gpt", "Hi", base_url=server.url)
        with pytest.raises(Oops):
            read() if driver.name == "sync" else driver.run(aread)
        assert server.exchanges[0].disconnected.wait(10)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_cancelling_closes_the_connection(backend: str) -> None:
    import anyio

    async def main() -> None:
        async with anyio.create_task_group() as tasks:

            async def read() -> None:
                async for _ in stream:
                    tasks.cancel_scope.cancel()

            tasks.start_soon(read)

    with Emulator(script=Script(wait=30)) as server:
        stream = g4flite.stream("gprochat", "Hi", base_url=server.url)
        anyio.run(main, backend=backend)
        assert server.exchanges[0].disconnected.wait(10)
    assert repr(stream).endswith("closed, 3 characters>")


@rows("name", FOUNDERS)
@pytest.mark.parametrize("reset", [False, True])
def test_the_error_of_a_reply_that_is_cut_off_holds_the_text_so_far(
    name: str, reset: bool, driver: Driver, server: Emulator
) -> None:
    body = wire(name) + b"\n"
    server.script = Script(body=body * 2, cut=len(body) + 3, reset=reset, split=(len(body),), wait=0.02)
    with pytest.raises(g4flite.TruncatedStreamError, match=f"{name}: the reply was cut off: .*") as caught:
        driver.collect(name, "Hi", base_url=server.url)
    assert caught.value.partial.startswith(TEXT)
    assert str(caught.value).endswith("; the text so far is in .partial")
    assert caught.value.partial == driver.stream.partial == "".join(driver.chunks)
    assert repr(driver.stream).startswith(f"<Stream of {name}, model {driver.stream.model}: failed")


@pytest.mark.parametrize("keep", [True, False])
def test_an_error_promises_no_partial_text_if_no_text_came_or_is_kept(
    keep: bool, driver: Driver, server: Emulator
) -> None:
    server.script = Script(body=b"data: ", cut=3)
    with pytest.raises(g4flite.TruncatedStreamError) as caught:
        driver.collect("llamacpp", "Hi", base_url=server.url, keep_partial=keep)
    assert str(caught.value).endswith("; no text came before" if keep else "; the text so far was not kept")


def test_a_server_that_closes_the_connection_before_its_response_is_a_transport_error(
    driver: Driver, server: Emulator
) -> None:
    server.script = Script(raw=b"")
    with pytest.raises(g4flite.TransportError, match="closed the connection before it responded: Server disconnected"):
        driver.collect("cromicle", "Hi", base_url=server.url)


def test_a_proxy_that_does_not_listen_is_a_proxy_error(driver: Driver) -> None:
    with pytest.raises(g4flite.ProxyError, match="could not connect to the proxy http://127.0.0.1:1: Connection"):
        driver.collect("cromicle", "Hi", base_url="http://upstream.test", proxy="http://127.0.0.1:1")


def test_a_server_that_does_not_listen_is_a_connect_error(driver: Driver) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(g4flite.ConnectError) as caught:
            driver.collect("cromicle", "Hi", base_url=f"http://127.0.0.1:{port}")
    assert f"cromicle: could not connect to 127.0.0.1:{port}: Connection refused; check base_url=" in str(caught.value)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(("bypass", "proxied"), [("", True), ("127.0.0.1", False)])
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY", "G4FLITE_PROXY"])
def test_the_error_of_a_proxy_that_does_not_listen_names_it_and_its_variable(
    variable: str, bypass: str, proxied: bool, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        monkeypatch.setenv(variable, f"http://me:s3cret@127.0.0.1:{port}")
        monkeypatch.setenv("NO_PROXY", bypass)
        with pytest.raises(g4flite.TransportError) as caught:
            driver.collect("cromicle", "Hi", base_url=f"http://127.0.0.1:{port}", retries=0)
    # NO_PROXY says nothing of a proxy of our own.
    if proxied or variable == "G4FLITE_PROXY":
        assert type(caught.value) is g4flite.ProxyError
        assert f"could not connect to the proxy http://127.0.0.1:{port}: Connection refused" in str(caught.value)
        assert f"; check {variable} and the network" in str(caught.value)
    else:
        assert type(caught.value) is g4flite.ConnectError
        assert f"could not connect to 127.0.0.1:{port}: Connection refused; check" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_an_unknown_host_is_a_connect_error(driver: Driver) -> None:
    with pytest.raises(g4flite.ConnectError, match=r"could not connect to nowhere\.invalid: "):
        driver.collect("cromicle", "Hi", base_url="http://nowhere.invalid")


UNKNOWN = pytest.mark.skipif(httpx.__name__ == "httpx2", reason="httpx2 asks for the address of such a host")


@pytest.mark.parametrize("host", ["-\u00e9.test", pytest.param("xn--zzzz--.test", marks=UNKNOWN)])
def test_a_host_that_httpx_refuses_is_an_option_error(host: str, driver: Driver) -> None:
    with pytest.raises(g4flite.OptionError, match="a URL that httpx refuses"):
        driver.collect("cromicle", "Hi", base_url=f"http://{host}")


@pytest.mark.parametrize(("moment", "timer"), [("silence", "first_token"), ("wait", "idle")])
def test_a_timer_ends_the_wait_for_a_service_that_falls_silent(
    moment: str, timer: str, driver: Driver, server: Emulator
) -> None:
    server.script = Script(**{moment: 30})  # type: ignore[arg-type]
    with pytest.raises(g4flite.StreamTimeoutError, match=f"cromicle: {timer}: ") as caught:
        driver.collect("cromicle", "Hi", base_url=server.url, timeout=g4flite.Timeout(**{timer: 0.1}))
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.partial == ("" if moment == "silence" else "You")


def test_a_connection_is_used_again_after_a_reply_was_read_to_its_end(driver: Driver, server: Emulator) -> None:
    def read(client: g4flite.Client) -> None:
        with client:
            assert [client.stream("Hi").text() for _ in range(3)] == ["You said: Hi"] * 3

    async def aread(client: g4flite.Client) -> None:
        async with client:
            assert [await client.stream("Hi").atext() for _ in range(3)] == ["You said: Hi"] * 3

    client = g4flite.Client("flowgpt", base_url=server.url)
    read(client) if driver.name == "sync" else driver.run(aread, client)
    assert (len(server.exchanges), server.connections) == (3, 1)


def test_the_error_of_a_status_has_its_body_and_retry_after(driver: Driver, server: Emulator) -> None:
    server.script = Script(status=429, body='{"error": "slow down"}', headers={"retry-after": "7"})
    with pytest.raises(g4flite.RateLimitError, match="slow down") as caught:
        driver.collect("gprochat", "Hi", base_url=server.url)
    assert (caught.value.status, caught.value.retry_after) == (429, 7)
    assert caught.value.body == '{"error": "slow down"}'


def test_a_redirect_is_not_followed(driver: Driver, server: Emulator) -> None:
    server.script = Script(status=307, headers={"location": "http://elsewhere.test/"})
    with pytest.raises(g4flite.StatusError, match="it redirects to elsewhere.test"):
        driver.collect("gprochat", "Hi", base_url=server.url)
    assert len(server.exchanges) == 1


def test_https_to_a_server_without_tls_is_a_tls_error(driver: Driver, server: Emulator) -> None:
    with pytest.raises(g4flite.TLSError, match=r"no TLS connection to 127\.0\.0\.1:\d+: the server speaks plain http"):
        driver.collect("cromicle", "Hi", base_url=server.url.replace("http:", "https:"))


def test_a_proxy_that_refuses_to_connect_is_a_proxy_error(driver: Driver, server: Emulator) -> None:
    with pytest.raises(g4flite.ProxyError, match=r"the proxy http://\S+ did not connect to upstream\.test") as caught:
        driver.collect("cromicle", "Hi", base_url="https://upstream.test", proxy=server.url)
    assert caught.value.provider == "cromicle"


def test_a_header_of_the_client_that_cannot_be_sent_is_an_option_error(driver: Driver, server: Emulator) -> None:
    client = driver.client(headers={"authorization": "Bearer s3cret\r\n"})
    with pytest.raises(g4flite.OptionError, match="check the headers of that client") as caught:
        driver.collect("cromicle", "Hi", base_url=server.url, client=client)
    driver.close(client)
    chain: list[Any] = [caught.value, caught.value.__cause__]
    assert "s3cret" not in repr([str(e) for e in chain])
    assert caught.value.__suppress_context__


def test_a_stream_in_sync_starts_no_event_loop_and_no_thread(server: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("an event loop or a thread was started")

    with httpx.Client() as warm:
        monkeypatch.setattr(asyncio, "new_event_loop", refuse)
        before = threading.active_count()
        for _ in g4flite.stream("cromicle", "Hi", base_url=server.url, client=warm):
            # One more is the emulator's own, for the connection.
            assert threading.active_count() <= before + 1


def test_the_cause_of_a_cut_is_httpx_s_error_and_a_timer_s_error_has_no_cause(driver: Driver, server: Emulator) -> None:
    server.script = Script(body="hello, world", cut=5, split=5)
    with pytest.raises(g4flite.TruncatedStreamError) as cut:
        driver.collect("cromicle", "Hi", base_url=server.url)
    assert isinstance(cut.value.__cause__, httpx.HTTPError)
    server.script = Script(body="hello, world", split=5, wait=30)
    with pytest.raises(g4flite.IdleTimeoutError) as late:
        driver.collect("cromicle", "Hi", base_url=server.url, timeout=g4flite.Timeout(idle=0.05))
    assert late.value.__cause__ is not late.value


def test_the_wait_for_the_next_attempt_is_slept_in_naps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait takes no CPU, and a close() in another thread is noticed within a tenth of a second."""
    ticks, naps = itertools.count(step=0.0001), list[float]()
    clock = SimpleNamespace(monotonic=lambda: next(ticks) + sum(naps), sleep=naps.append)
    monkeypatch.setattr(driver_module, "time", clock)
    driver_module.sleep(0.3, Timers(g4flite.Timeout()))
    assert sum(naps) == pytest.approx(0.3, abs=0.01)
    assert max(naps) < 0.1


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_cancelled_stream_closes_the_client_that_was_made_for_it(backend: str) -> None:
    import anyio

    async def main() -> None:
        with anyio.CancelScope() as scope:
            async for _ in stream:
                scope.cancel()
        assert stream._run.routes[0].source.async_client().is_closed  # type: ignore[attr-defined]

    with Emulator(script=Script(wait=30)) as server:
        stream = g4flite.stream("gprochat", "Hi", base_url=server.url)
        anyio.run(main, backend=backend)


def test_what_comes_later_behind_the_end_marker_is_read_and_the_connection_used_again(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver_module, "LINGER", 30.0)
    answer = b'data: {"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
    pieces = b"%x\r\n%s\r\n" % (len(answer), answer), b"7\r\n: bye\n\n\r\n", b"7\r\n: bye\n\n\r\n0\r\n\r\n"

    def serve() -> None:
        link, _ = listening.accept()
        with link:
            for _ in range(2):
                request = link.recv(65536)
                while b"messages" not in request:
                    request += link.recv(65536)
                link.sendall(
                    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
                )
                for piece in pieces:
                    link.sendall(piece)
                    time.sleep(0.1)

    with socket.create_server(("127.0.0.1", 0)) as listening, driver.one_client() as client:
        listening.settimeout(30)
        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        for _ in range(2):
            assert driver.collect("openai", "Hi", model="m", api_key="k", base_url=url, client=client) == ["Hi"]
        thread.join(30)
        assert not thread.is_alive()
