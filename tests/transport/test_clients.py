"""Real proxies and real TLS, in three drivers: what comes through, and the error if nothing does.

Only the proxies resolve the name `upstream.test`: a text from there has come through a proxy.
"""

import base64
import gc
import json
import logging
import os
import pickle
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from email.message import Message
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from typing import Any

import pytest
import trustme

import g4flite
from g4flite.testing import Emulator
from tests.clock import Clock
from tests.conftest import Driver, bare_environment
from tests.rows import rows

USER, PASSWORD, WRONG = "someone", "op3n-sesame", "s3cret"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n"
# The last chunk of this body is still to come.
HELLO = HEAD + b"5\r\nhello\r\n"
WHOLE = HELLO + b"0\r\n\r\n"

PROXIES = """
import json, multiprocessing, socket, sys
import anyio, proxy, tiny_proxy

ask = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **more: ask(
    "127.0.0.1" if host in ("upstream.test", b"upstream.test") else host, *rest, **more
)
# Only a forked process of proxy.py resolves the name.
multiprocessing.set_start_method("fork", force=True)
user, password, certificate, key = sys.argv[1:]
plain = ["--hostname", "127.0.0.1", "--port", "0", "--num-workers", "1", "--num-acceptors", "1"]
lock, tls = ["--basic-auth", f"{user}:{password}"], ["--cert-file", certificate, "--key-file", key]

async def main(ports):
    async with anyio.create_task_group() as tasks:
        for name, handler in {
            "socks5": tiny_proxy.Socks5ProxyHandler(),
            "socks5, locked": tiny_proxy.Socks5ProxyHandler(username=user, password=password),
        }.items():
            listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
            tasks.start_soon(listener.serve, handler.handle)
            ports[name] = listener.extra(anyio.abc.SocketAttribute.local_port)
        print(json.dumps(ports), flush=True)
        # The tests close standard input at their end.
        await anyio.to_thread.run_sync(sys.stdin.read)
        tasks.cancel_scope.cancel()

with proxy.Proxy(plain) as open_, proxy.Proxy(plain + lock) as locked, proxy.Proxy(plain + tls) as over_tls:
    anyio.run(main, {"http": open_.flags.port, "http, locked": locked.flags.port, "https": over_tls.flags.port})
"""

Proxy = Callable[..., str]

pytestmark = pytest.mark.heavy


class Service(ThreadingTCPServer):
    """A TLS service with one response.

    Each connection ends without a close_notify: at once, or, if the service `stays`, when its client leaves.
    `requests` are the headers that came; `left` is set when a client has left.
    """

    def __init__(self, certificate: trustme.LeafCert, answer: bytes, *, stays: bool) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.answer, self.stays = answer, stays
        self.requests: list[Message] = []
        self.left = threading.Event()

    def url(self, host: str = "127.0.0.1") -> str:
        return f"https://{host}:{self.server_address[1]}"


class Answer(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.server.requests.append(self.headers)
        self.wfile.write(self.server.answer)
        if self.server.stays:
            self.connection.recv(1)
            self.server.left.set()
        self.close_connection = True

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def serving(certificate: trustme.LeafCert, answer: bytes = WHOLE, *, stays: bool = False) -> Iterator[Service]:
    with Service(certificate, answer, stays=stays) as service:
        thread = threading.Thread(target=service.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield service
        finally:
            service.shutdown()
            thread.join()


@pytest.fixture(scope="session")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def certificate(ca: trustme.CA) -> trustme.LeafCert:
    return ca.issue_cert("127.0.0.1", "upstream.test")


@pytest.fixture(scope="session")
def faulty(ca: trustme.CA) -> Mapping[str, trustme.LeafCert]:
    """Certificates for 127.0.0.1 with which something is wrong."""
    return {
        "authority": trustme.CA().issue_cert("127.0.0.1"),
        "host": ca.issue_cert("elsewhere.test"),
        "date": ca.issue_cert("127.0.0.1", not_after=datetime(2020, 1, 1, tzinfo=timezone.utc)),
    }


@pytest.fixture(scope="session")
def trusting(ca: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    ca.configure_trust(context)
    return context


@pytest.fixture(scope="session")
def service(certificate: trustme.LeafCert) -> Iterator[Service]:
    with serving(certificate) as running:
        yield running


@pytest.fixture(scope="session")
def proxy(certificate: trustme.LeafCert, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """Return a function from a proxy's kind to its URL; with a password, or if `locked`, of a proxy with a login."""
    folder = tmp_path_factory.mktemp("proxies")
    files = [str(folder / "certificate.pem"), str(folder / "key.pem")]
    certificate.cert_chain_pems[0].write_to_path(files[0])
    certificate.private_key_pem.write_to_path(files[1])
    with subprocess.Popen(
        [sys.executable, "-c", PROXIES, USER, PASSWORD, *files],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # proxy.py makes a folder of its own in HOME.
        env=bare_environment() | {"HOME": str(folder)},
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        ports = json.loads(process.stdout.readline())

        def url(kind: str, password: str | None = None, *, locked: bool = False) -> str:
            login = f"{USER}:{password}@" if password else ""
            port = ports[kind.replace("5h", "5") + (", locked" if locked or password else "")]
            return f"{kind}://{login}127.0.0.1:{port}"

        yield url
        # The children of proxy.py take a while to end by themselves.
        os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def listening(*answers: bytes) -> Iterator[tuple[int, threading.Thread, threading.Event]]:
    """A server for one client: its port, its thread, and an event that is set if a silent server has read anything.

    The server answers each message with the next of `answers` and closes the connection after the last; without
    answers it stays silent, and hangs up on a client that stays for half a minute.  The thread ends when the client has
    left.
    """
    links, heard = list[socket.socket](), threading.Event()

    def serve() -> None:
        with suppress(OSError), listener.accept()[0] as link:
            links.append(link)
            link.settimeout(30)
            for answer in answers:
                link.recv(4096)
                link.sendall(answer)
            while not answers and link.recv(4096):
                heard.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1], thread, heard
        finally:
            # This ends the thread in any case.
            for open_one in (listener, *links):
                with suppress(OSError):
                    open_one.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextmanager
def nobody() -> Iterator[int]:
    """Give a port of this machine at which nothing listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield unused.getsockname()[1]


def far(server: Emulator) -> str:
    return f"http://upstream.test:{server.port}"


def failure(driver: Driver, base_url: str, **kwargs: Any) -> g4flite.G4fliteError:
    """Return the error of a stream; an exception that is not g4flite's fails the test, and so does a whole reply."""
    try:
        driver.collect("cromicle", "Hi", base_url=base_url, **kwargs)
    except g4flite.G4fliteError as error:
        return error
    except Exception as error:
        ending = f"{type(error).__module__}.{type(error).__name__}: {error}"
    else:
        ending = "a whole reply"
    gc.collect()
    pytest.fail(f"it ends with {ending}")


def told(driver: Driver, error: BaseException, caplog: pytest.LogCaptureFixture) -> str:
    """Return all that may be shown or stored of a stream that has failed."""
    shown = [error, vars(error), pickle.dumps(error), driver.stream, driver.stream.attempts]
    return "\n".join([str(error), *map(repr, shown), *traceback.format_exception(error), caplog.text])


def secret(text: str) -> list[str]:
    """Return the passwords and logins that a text shows, as they are or in base64."""
    logins = [f"{USER}:{password}" for password in (PASSWORD, WRONG)]
    return [s for s in (PASSWORD, WRONG, *(base64.b64encode(s.encode()).decode() for s in logins)) if s in text]


@pytest.mark.parametrize("password", [None, PASSWORD], ids=["open", "locked"])
@pytest.mark.parametrize("kind", ["http", "socks5", "socks5h"])
def test_text_comes_through_a_proxy(
    kind: str, password: str | None, driver: Driver, server: Emulator, proxy: Proxy
) -> None:
    chunks = driver.collect("flowgpt", "Hi", base_url=far(server), proxy=proxy(kind, password))
    assert "".join(chunks) == "You said: Hi"
    assert server.exchanges[0].problem is None
    assert "proxy-authorization" not in {name.lower() for name, _ in server.exchanges[0].headers}


@pytest.mark.parametrize("password", [None, PASSWORD], ids=["open", "locked"])
@pytest.mark.parametrize("kind", ["http", "socks5", "socks5h"])
def test_text_comes_over_tls_through_a_proxy(
    kind: str, password: str | None, driver: Driver, service: Service, proxy: Proxy, trusting: ssl.SSLContext
) -> None:
    url, through = service.url("upstream.test"), proxy(kind, password)
    assert driver.collect("cromicle", "Hi", base_url=url, proxy=through, verify=trusting) == ["hello"]
    assert "proxy-authorization" not in service.requests[-1]


@pytest.mark.parametrize(
    ("variable", "kind", "password"),
    [
        ("G4FLITE_PROXY", "http", PASSWORD),
        ("G4FLITE_PROXY", "socks5", PASSWORD),
        ("HTTP_PROXY", "http", PASSWORD),
        ("ALL_PROXY", "http", None),
        ("all_proxy", "socks5", PASSWORD),
    ],
)
def test_text_comes_through_a_proxy_that_the_environment_names(
    variable: str,
    kind: str,
    password: str | None,
    driver: Driver,
    server: Emulator,
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(variable, proxy(kind, password))
    assert "".join(driver.collect("gprochat", "Hi", base_url=far(server))) == "You said: Hi"


@pytest.mark.parametrize(
    "exempt",
    [
        # encode/httpx#3221 and #3574: httpx refuses the first three.
        "localhost,127.0.0.1,fd07:b51a:cc66:f0::/64", "localhost,[::1],127.0.0.1", "::1,127.0.0.0/8",
        "*", "127.0.0.1:{port}", "other.test 127.0.0.1",
    ],
)  # fmt: skip
def test_a_host_that_no_proxy_names_is_asked_without_a_proxy(
    exempt: str, driver: Driver, server: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with nobody() as port:
        for name in ("HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.setenv(name, exempt.format(port=server.port))
        assert "".join(driver.collect("cromicle", "Hi", base_url=server.url)) == "You said: Hi"


@pytest.mark.parametrize(
    "exempt",
    [
        "",
        "localhost,fd07:b51a:cc66:f0::/64",
        "[::1]",
        "::1",
        "upstream.test:1",
        "stream.test",
        "10.0.0.0/8",
        "https://*",
    ],
)
def test_a_host_that_no_proxy_does_not_name_is_asked_through_the_proxy(
    exempt: str, driver: Driver, server: Emulator, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy("http", PASSWORD))
    monkeypatch.setenv("NO_PROXY", exempt)
    assert "".join(driver.collect("cromicle", "Hi", base_url=far(server))) == "You said: Hi"


@pytest.mark.parametrize("value", ["socks://127.0.0.1:1", "gopher://u:s3cret@h", "http://[::1", "nonsense", "http://"])
def test_a_variable_that_does_not_apply_breaks_nothing(
    value: str, driver: Driver, server: Emulator, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    assert "".join(driver.collect("cromicle", "Hi", base_url=server.url)) == "You said: Hi"
    monkeypatch.setenv("ALL_PROXY", value)
    monkeypatch.setenv("HTTP_PROXY", proxy("http", PASSWORD))
    assert "".join(driver.collect("cromicle", "Hi", base_url=far(server))) == "You said: Hi"
    monkeypatch.setenv("HTTP_PROXY", value)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert "".join(driver.collect("cromicle", "Hi", base_url=server.url)) == "You said: Hi"


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("socks://user:p4ss/w@rd@127.0.0.1:1", "socks://127.0.0.1:1"),
        ("gopher://127.0.0.1", "gopher://127.0.0.1"),
        ("http://user:p4ss@[::1", "http://[::1"),
        ("user:p4ss@127.0.0.1:port", "http://127.0.0.1:port"),
    ],
)
def test_a_bad_value_of_the_variable_that_applies_is_an_error_without_the_password(
    variable: str, value: str, shown: str, driver: Driver, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setenv(variable, value)
    error = failure(driver, "http://upstream.test")
    assert isinstance(error, g4flite.OptionError)
    assert "the environment's proxy is not a URL that httpx can use: proxy" in str(error)
    assert str(error).endswith(f"; {variable} is {shown}")
    assert "p4ss" not in told(driver, error, caplog)


def test_text_comes_over_tls_through_the_proxy_that_https_proxy_names(
    driver: Driver, service: Service, proxy: Proxy, trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy("http", PASSWORD))
    assert driver.collect("cromicle", "Hi", base_url=service.url("upstream.test"), verify=trusting) == ["hello"]


def test_the_argument_wins_over_g4flite_proxy_and_that_wins_over_http_proxy(
    driver: Driver, server: Emulator, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    with nobody() as port:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("G4FLITE_PROXY", proxy("socks5"))
        assert driver.collect("cromicle", "Hi", base_url=far(server))
        monkeypatch.setenv("G4FLITE_PROXY", f"http://127.0.0.1:{port}")
        assert driver.collect("cromicle", "Hi", base_url=far(server), proxy=proxy("http"))


@pytest.mark.parametrize("kind", ["http", "socks5"])
def test_a_client_keeps_its_connection_through_a_proxy(
    kind: str, driver: Driver, server: Emulator, proxy: Proxy
) -> None:
    async def read(client: g4flite.Client) -> None:
        async with client:
            assert [await client.stream("Hi").atext() for _ in range(3)] == ["You said: Hi"] * 3

    client = g4flite.Client("free2gpt", base_url=far(server), proxy=proxy(kind, PASSWORD))
    if driver.name == "sync":
        with client:
            assert [client.stream("Hi").text() for _ in range(3)] == ["You said: Hi"] * 3
    else:
        driver.run(read, client)
    assert (len(server.exchanges), server.connections) == (3, 1)


@pytest.mark.parametrize("password", [None, WRONG], ids=["none", "wrong"])
@pytest.mark.parametrize(
    ("scheme", "kind", "expected", "reason"),
    [
        ("http", "http", g4flite.ProxyError, "wants a login; check the user name and password in {}"),
        ("https", "http", g4flite.ProxyError, "did not connect to upstream.test: 407 "),
        ("http", "socks5", g4flite.ProxyError, "did not connect to upstream.test: "),
        ("https", "socks5h", g4flite.ProxyError, "did not connect to upstream.test: "),
    ],
)
@pytest.mark.parametrize("variable", ["", "ALL_PROXY", "G4FLITE_PROXY"])
def test_a_proxy_that_refuses_the_login_is_an_error_without_the_password(
    variable: str,
    scheme: str,
    kind: str,
    expected: type[g4flite.G4fliteError],
    reason: str,
    password: str | None,
    driver: Driver,
    proxy: Proxy,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.DEBUG, "g4flite")
    through = proxy(kind, password, locked=True)
    if variable:
        monkeypatch.setenv(variable, through)
    error = failure(driver, f"{scheme}://upstream.test", proxy=None if variable else through, retries=2)
    assert (type(error), len(driver.stream.attempts)) == (expected, 1)
    shown, setting = re.sub("//.*@", "//", through), variable or "proxy="
    assert str(error).startswith(f"cromicle: the proxy {shown} {reason.format(setting)}")
    assert f" {setting}" in str(error)
    assert caplog.records
    assert secret(told(driver, error, caplog)) == []


def test_the_error_of_a_proxy_that_falls_silent_names_it_and_its_variable(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("HTTPS_PROXY", f"http://{USER}:{PASSWORD}@{address}")
        asked = {"base_url": "https://upstream.test", "timeout": g4flite.Timeout(connect=0.1), "retries": 0}
        stream = g4flite.stream("cromicle", "Hi", **asked)
        # The read of the proxy's response is what takes too long.  On a busy machine, the way there might.
        stream._run.timers._clock = Clock()
        with pytest.raises(g4flite.ConnectTimeoutError) as caught:
            driver.read(stream)
    said = f"no connection to upstream.test over the proxy http://{address} of HTTPS_PROXY in 0.1 s"
    assert said in str(caught.value)


def test_the_error_of_the_caller_s_client_names_the_variable_that_it_has_read(
    driver: Driver, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy("http", WRONG))
    client = driver.client()
    error = failure(driver, "https://upstream.test", client=client)
    driver.close(client)
    assert str(error).endswith("; check HTTPS_PROXY and its password")
    own = driver.client(proxy=proxy("http", WRONG).replace("127.0.0.1", "localhost"))
    error = failure(driver, "https://upstream.test", client=own)
    driver.close(own)
    assert str(error).startswith("cromicle: the proxy did not connect to upstream.test: 407")


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("kind", ["http", "https", "socks5"])
def test_a_proxy_that_does_not_listen_is_an_error_without_the_password(
    kind: str, scheme: str, driver: Driver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "g4flite")
    with nobody() as port:
        through = f"{kind}://{USER}:{WRONG}@127.0.0.1:{port}"
        error = failure(driver, f"{scheme}://upstream.test", proxy=through)
    assert isinstance(error, g4flite.ConnectError | g4flite.ProxyError)
    assert "Connection refused" in str(error)
    assert secret(told(driver, error, caplog)) == []


@pytest.mark.parametrize(
    ("scheme", "kind", "expected"),
    [
        # The proxy's own 502 looks like a 502 of the service.
        ("http", "http", g4flite.StatusError),
        ("https", "http", g4flite.ProxyError),
        ("http", "socks5", g4flite.ProxyError),
    ],
)
def test_a_server_that_does_not_listen_behind_a_proxy_is_an_error_without_the_password(
    scheme: str,
    kind: str,
    expected: type[g4flite.G4fliteError],
    driver: Driver,
    proxy: Proxy,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with nobody() as port:
        error = failure(driver, f"{scheme}://127.0.0.1:{port}", proxy=proxy(kind, PASSWORD))
    assert type(error) is expected
    assert secret(told(driver, error, caplog)) == []


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([b"\5\0", b"\5\5\0\1\0\0\0\0\0\0"], id="refuses"),
        pytest.param([b"\5\0", b"\5\x63\0\1\0\0\0\0\0\0"], id="unknown code"),
        pytest.param([b"\5\0", b"\5\0\0"], id="cut short"),
        pytest.param([b"\5\0", b""], id="hangs up later"),
        pytest.param([b""], id="hangs up"),
        pytest.param([b"HTTP/1.1 400 Bad Request\r\n\r\n"], id="HTTP"),
    ],
)
def test_a_socks_proxy_that_misbehaves_is_a_proxy_error(answers: list[bytes], driver: Driver) -> None:
    with listening(*answers) as (port, *_):
        error = failure(driver, "https://upstream.test", proxy=f"socks5://127.0.0.1:{port}")
    assert type(error) is g4flite.ProxyError


@pytest.mark.parametrize(
    ("host", "login"), [("upstream.test", "u" * 256 + ":p@"), (".".join(["a" * 60] * 5), "")], ids=["user", "host"]
)
def test_a_user_or_host_name_that_is_too_long_for_socks_is_refused(
    host: str, login: str, driver: Driver, proxy: Proxy
) -> None:
    through = proxy("socks5", locked=bool(login)).replace("//", f"//{login}")
    error = failure(driver, f"http://{host}", proxy=through)
    assert isinstance(error, g4flite.OptionError | g4flite.ProxyError)


@pytest.mark.parametrize("kind", ["http", "socks5"])
def test_the_connect_timer_ends_the_wait_for_a_silent_proxy(kind: str, driver: Driver) -> None:
    timeout = g4flite.Timeout(connect=0.1)
    with listening() as (port, *_):
        began = time.monotonic()
        ending = type(failure(driver, "https://upstream.test", proxy=f"{kind}://127.0.0.1:{port}", timeout=timeout))
        assert ending is g4flite.ConnectTimeoutError
        assert 0.1 <= time.monotonic() - began < 10


def test_a_refused_login_closes_the_socket(driver: Driver, proxy: Proxy) -> None:
    def descriptors() -> int:
        return len(list(Path("/dev/fd").iterdir()))

    failure(driver, "http://upstream.test", proxy=proxy("socks5", WRONG))
    gc.disable()
    before = descriptors()
    failure(driver, "http://upstream.test", proxy=proxy("socks5", WRONG))
    assert descriptors() <= before


def test_text_comes_through_an_https_proxy(
    driver: Driver,
    service: Service,
    proxy: Proxy,
    ca: trustme.CA,
    trusting: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    url = service.url("upstream.test")
    assert driver.collect("cromicle", "Hi", base_url=url, proxy=proxy("https"), verify=trusting) == ["hello"]


def test_the_authorities_of_verify_are_trusted_for_the_proxy_too(
    driver: Driver, service: Service, proxy: Proxy, trusting: ssl.SSLContext
) -> None:
    url = service.url("upstream.test")
    assert driver.collect("cromicle", "Hi", base_url=url, proxy=proxy("https"), verify=trusting) == ["hello"]


def test_the_authorities_of_verify_are_trusted(driver: Driver, service: Service, trusting: ssl.SSLContext) -> None:
    assert driver.collect("cromicle", "Hi", base_url=service.url(), verify=trusting) == ["hello"]


@pytest.mark.parametrize(
    ("fault", "reason", "kind"),
    [
        ("authority", "unable to get local issuer certificate", None),
        ("authority", "unable to get local issuer certificate", "http"),
        ("authority", "unable to get local issuer certificate", "socks5"),
        ("host", "certificate is not valid for '127.0.0.1'", None),
        ("date", "certificate has expired", None),
    ],
)
def test_a_certificate_that_cannot_be_verified_is_a_tls_error(
    fault: str,
    reason: str,
    kind: str | None,
    driver: Driver,
    faulty: Mapping[str, trustme.LeafCert],
    proxy: Proxy,
    trusting: ssl.SSLContext,
) -> None:
    with serving(faulty[fault]) as service:
        through = None if kind is None else proxy(kind)
        error = failure(driver, service.url(), verify=trusting, retries=2, proxy=through)
        assert type(error) is g4flite.TLSError
        assert f"cromicle: no TLS connection to {service.url()[8:]}" in str(error)
        assert reason in str(error)
        assert len(driver.stream.attempts) == 1
        assert service.requests == []


@pytest.mark.parametrize("length", [None, 9])
def test_a_tls_connection_that_ends_without_close_notify_is_truncated(
    length: int | None, driver: Driver, certificate: trustme.LeafCert, trusting: ssl.SSLContext
) -> None:
    answer = HELLO if length is None else HEAD.replace(b"transfer-encoding: chunked", b"content-length: 9") + b"hello"
    with serving(certificate, answer) as service:
        error = failure(driver, service.url(), verify=trusting, retries=2)
    assert type(error) is g4flite.TruncatedStreamError
    assert error.partial == "hello"


@rows("verify", [False, True, "/etc/ssl/certs", ""])
def test_the_argument_verify_has_to_be_an_ssl_context(verify: Any) -> None:
    with pytest.raises(g4flite.OptionError, match="verify= must be an ssl.SSLContext"):
        g4flite.stream("cromicle", "Hi", base_url="https://upstream.test", verify=verify)
    with pytest.raises(g4flite.OptionError, match="verify= must be an ssl.SSLContext"):
        g4flite.Client("cromicle", base_url="https://upstream.test", verify=verify)


@pytest.mark.parametrize("kind", [None, "http", "socks5"])
def test_leaving_early_over_tls_is_seen_by_the_server(
    kind: str | None, driver: Driver, certificate: trustme.LeafCert, trusting: ssl.SSLContext, proxy: Proxy
) -> None:
    with serving(certificate, HELLO, stays=True) as service:
        url = service.url("127.0.0.1" if kind is None else "upstream.test")
        through = None if kind is None else proxy(kind)
        assert driver.collect("cromicle", "Hi", base_url=url, verify=trusting, proxy=through, limit=1) == ["hello"]
        assert service.left.wait(10)


@pytest.mark.parametrize("kind", [None, "http", "socks5"])
def test_the_idle_timer_ends_a_silence_over_tls(
    kind: str | None, driver: Driver, certificate: trustme.LeafCert, trusting: ssl.SSLContext, proxy: Proxy
) -> None:
    with serving(certificate, HELLO, stays=True) as service:
        url = service.url("127.0.0.1" if kind is None else "upstream.test")
        through = None if kind is None else proxy(kind)
        error = failure(driver, url, verify=trusting, proxy=through, timeout=g4flite.Timeout(idle=0.05))
    assert type(error) is g4flite.IdleTimeoutError
    assert error.partial == "hello"


@pytest.mark.parametrize("kind", [None, "http", "socks5"])
def test_close_from_another_thread_ends_a_read_over_tls(
    kind: str | None, certificate: trustme.LeafCert, trusting: ssl.SSLContext, proxy: Proxy
) -> None:
    with serving(certificate, HELLO, stays=True) as service:
        url = service.url("127.0.0.1" if kind is None else "upstream.test")
        through = None if kind is None else proxy(kind)
        stream = g4flite.stream("cromicle", "Hi", base_url=url, verify=trusting, proxy=through)
        with pytest.raises(g4flite.StreamClosedError) as caught:
            for _ in stream:
                threading.Timer(0.05, stream.close).start()
        assert caught.value.partial == "hello"
        assert service.left.wait(10)


@pytest.mark.parametrize(("kind", "seconds"), [(None, 0.3), ("http", 0.1), ("socks5", 0.1)])
def test_the_connect_timer_ends_a_handshake_that_is_never_answered(
    kind: str | None, seconds: float, driver: Driver, trusting: ssl.SSLContext, proxy: Proxy
) -> None:
    with listening() as (port, *_):
        began = time.monotonic()
        error = failure(
            driver,
            f"https://127.0.0.1:{port}",
            verify=trusting,
            proxy=None if kind is None else proxy(kind),
            timeout=g4flite.Timeout(connect=seconds),
        )
        took = time.monotonic() - began
    assert type(error) is g4flite.ConnectTimeoutError
    # `make bench` measures to the millisecond how late the error is.
    assert seconds <= took < 10


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("kind", [None, "http", "socks5"])
def test_cancelling_a_handshake_closes_its_socket(kind: str | None, backend: str, trusting: ssl.SSLContext) -> None:
    import anyio

    async def main() -> bool:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stream.atext)
            await anyio.to_thread.run_sync(heard.wait, 10)
            tasks.cancel_scope.cancel()
        await anyio.to_thread.run_sync(thread.join, 10)
        return thread.is_alive()

    gc.disable()
    with listening() as (port, thread, heard):
        url = f"https://127.0.0.1:{port}" if kind is None else "https://upstream.test"
        through = None if kind is None else f"{kind}://127.0.0.1:{port}"
        stream = g4flite.stream("cromicle", "Hi", base_url=url, proxy=through, verify=trusting)
        assert not anyio.run(main, backend=backend)


def test_a_small_request_goes_out_in_one_packet(driver: Driver) -> None:
    """The head waits for the body, so that the server's first read gets the whole request."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url, seen = f"http://127.0.0.1:{listener.getsockname()[1]}", list[bytes]()

        def answer() -> None:
            link, _ = listener.accept()
            with link:
                seen.append(link.recv(65536))
                link.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")

        thread = threading.Thread(target=answer)
        thread.start()
        assert driver.collect("cromicle", "Hello", base_url=url) == ["hi"]
        thread.join()
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /chat HTTP/1.1\r\n")
    assert json.loads(body)["message"] == "Hello"
