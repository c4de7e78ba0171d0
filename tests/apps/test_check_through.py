"""`check --through`: a gateway that changes nothing fails in no line, and each change of another one fails its line."""

import http.client
import re
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from g4flite import ConnectError, G4fliteError, IdleTimeoutError, RateLimitError, TruncatedStreamError, UsageError
from g4flite import __main__ as cli
from g4flite.apps.check import Finding, through, through_lines
from g4flite.apps.check.through import report_through
from g4flite.apps.gateway.asgi import Gateway
from g4flite.server.signatures import Bound
from g4flite.testing import Emulator
from tests.apps.complaints import a_line
from tests.apps.gateways import PROVIDERS, routes, served
from tests.rows import rows


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    monkeypatch.setattr(through, "TIMED", 1)
    emulator = Emulator(keys=False)
    emulator.start()
    # Without `with`, whose end would raise what a reply function was made to raise.
    with closing(emulator):
        yield emulator


def failing(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.name for finding in findings if finding.verdict == "fail"]


@rows(("front", "behind"), [
    ("anthropic", "anthropic"), ("openai", "gemini"), ("anthropic", "ollama"), ("ollama", "gemini"),
    ("anthropic", "openai"),
])  # fmt: skip
def test_our_gateway_changes_nothing(
    service: Emulator, front: str, behind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(through, "PATIENCE", 30.0)
    with served(Gateway(routes(service, retries=0))) as url:
        found = report_through(url + PROVIDERS[front], front, service, model=behind)
    assert failing(found) == []
    verdicts = {finding.name: finding.verdict for finding in found}
    assert verdicts["signatures"] == ("unknown" if behind in ("openai", "ollama") else "pass")
    assert verdicts["cache marks"] == ("pass" if front == behind else "unknown")
    assert {verdicts[name] for name in ("text", "streaming", "tool call", "cut", "cut is told", "leave")} == {"pass"}


class Bad(BaseHTTPRequestHandler):
    """A gateway as it should not be: it holds the reply back, and makes a whole one of it when it is cut off."""

    protocol_version = "HTTP/1.1"
    base: str
    # What is replaced in the request and in the reply.
    asks: dict[bytes, bytes] = {rb', ?"prompt_cache_key": ?"[^"]*"': b"", rb', ?"cache_control": ?\{[^}]*\}': b""}
    says: dict[bytes, bytes] = {
        rb'"signature":"[^"]+"': b'"signature":""', rb'"finish_reason":"length"': b'"finish_reason":"stop"',
        rb'_tokens":90\b': b'_tokens":0', "\u4e16".encode(): b"?", b"Oslo": b"Rome", rb"data: \{\"error\".*": b"",
        rb"try again in 1s": b"wait",
    }  # fmt: skip

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        for old, new in self.asks.items():
            body = re.sub(old, new, body)
        asked = http.client.HTTPConnection(urlsplit(self.base).netloc)
        with closing(asked):
            asked.request(
                "POST", self.path, body, {"content-type": "application/json", "anthropic-version": "2023-06-01"}
            )
            response = asked.getresponse()
            try:
                reply = response.read()
            except http.client.IncompleteRead as cut:
                reply = cut.partial
        if response.status == 200 and b"[DONE]" not in reply and b"message_stop" not in reply:
            reply = (
                reply[: reply.rfind(b"\n\n") + 2]
                + b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
            )
            reply += b"data: [DONE]\n\n"
        for old, new in self.says.items():
            reply = re.sub(old, new, reply)
        self.send_response(500 if response.status == 429 else response.status)
        self.send_header("content-type", response.getheader("content-type", ""))
        self.send_header("content-length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def serving(kind: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve on a free port, and yield the URL."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Ignore that a client has left."""

    with Server(("127.0.0.1", 0), kind) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_each_fault_of_a_bad_gateway_fails_its_line(service: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(through, "PATIENCE", 0.3)
    bad = type("OfThisTest", (Bad,), {"base": service.url})
    with serving(bad) as url:
        found = report_through(f"{url}/v1", "openai", service, model="m")
        signed = report_through(url, "anthropic", service, model="m")
    assert failing(found) == [
        "text", "streaming", "tool call", "cache marks", "finish", "usage", "leave", "leave early", "rate_limit",
        "retry-after", "error inside", "cut",
    ]  # fmt: skip
    says = {finding.name: finding.says for finding in found}
    assert says["rate_limit"] == "RateLimitError 429 became RateLimitError 500"
    assert says["retry-after"] == "1.0 became None"
    assert "became complete answers (finish reason stop)" in says["cut"]
    assert says["error inside"] == "OverloadedError 200 became a complete answer"
    assert {"signatures", "cache marks"} < {*failing(signed)}


class Deaf(BaseHTTPRequestHandler):
    """A gateway that answers by itself, with an error."""

    def do_POST(self) -> None:
        self.send_error(429)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


class Resting(Bad):
    """A gateway that asks the service no more once it has failed, and never for a tool."""

    failed = False

    def do_POST(self) -> None:
        if type(self).failed:
            self.send_error(503)
            return
        body = self.rfile.read(int(self.headers["content-length"]))
        if b'"tools"' in body:
            self.send_error(400)
            return
        with closing(http.client.HTTPConnection(urlsplit(self.base).netloc)) as asked:
            asked.request("POST", self.path, body, {"content-type": "application/json"})
            response = asked.getresponse()
            type(self).failed |= response.status != 200
            self.send_response(response.status)
            self.send_header("connection", "close")
            self.end_headers()
            # No byte is read before the head: so the client sees each piece as it comes.
            while piece := response.read1(65536):
                self.wfile.write(piece)


def test_a_gateway_that_rests_a_service_is_no_riddle(service: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(through, "PATIENCE", 0.3)
    with serving(type("OfThisTest", (Resting,), {"base": service.url})) as url:
        found = {finding.name: finding for finding in report_through(f"{url}/v1", "openai", service, model="m")}
    assert found["authentication"].verdict == "pass"
    assert found["tool call"].verdict == "fail"
    for name in ("signatures", "permission", "retry-after", "error inside", "cut", "cut is told"):
        assert found[name].verdict == "unknown", name
    assert (
        found["permission"].says == "the gateway does not ask the service again, and answers with OverloadedError 503"
    )


def test_a_gateway_that_does_not_ask_the_emulator_is_told(service: Emulator) -> None:
    with serving(Deaf) as url, pytest.raises(G4fliteError, match=f"let its model ask {service.url}, or") as caught:
        report_through(f"{url}/v1", "openai", service, model="m")
    assert not isinstance(caught.value, RateLimitError)
    with pytest.raises(ConnectError):
        report_through("http://127.0.0.1:9/v1", "openai", service, model="m")
    with serving(type("OfThisTest", (Resting,), {"base": service.url + "/none"})) as url:
        service.keys = True
        with pytest.raises(G4fliteError, match="status 401"):
            report_through(f"{url}/v1", "openai", service, model="m")
    with pytest.raises(UsageError, match="no such protocol as cromicle's"):
        report_through("http://127.0.0.1:9/v1", "cromicle", service)


def test_the_command_runs_the_emulator(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(through, "TIMED", 1)
    # A port that is free: the emulator of the command takes it again.
    free = Emulator()
    free.start()
    free.close()
    with served(Gateway(routes(free, retries=0))) as url:
        command = ["check", "--through", f"{url}/v1", "--as", "openai", "-m", "openai", "--port", str(free.port)]
        assert cli.main(command) == 0
        told = capsys.readouterr()
        asks = f"{free.url}, or {free.url}/v1 in a protocol of OpenAI's"
        assert told.err == f"g4flite: note: {url}/v1 is to ask the emulator: {asks}\n"
        assert told.out.startswith("pass     text            unchanged: 'Gr\\xfc\\xdfe")
        with Emulator(port=free.port):
            assert cli.main(command) == 2
        assert a_line(capsys.readouterr().err, f"error: could not listen on 127.0.0.1:{free.port}: ")
    for wrong in (["check", "--as", "openai"], ["check", url, "--through", url, "--as", "openai"]):
        assert cli.main(wrong) == 2
        assert a_line(capsys.readouterr().err, "error: name an endpoint, or a gateway: URL or --through URL")


def broken() -> G4fliteError:
    """Return the error of a connection that broke off."""
    error = TruncatedStreamError("x")
    error.__cause__ = OSError()
    return error


def heard(
    error: G4fliteError | None = None, *, asked: tuple[Any, ...] = (None,), text: bytes = b"", reasoning: str = ""
) -> Any:
    """Return what was heard of a call, as far as the lines of the report read it."""
    asked = tuple(SimpleNamespace(body=text, service="chat") for _ in asked)
    stream = SimpleNamespace(reasoning=reasoning, partial="", message={})
    return through_lines.Heard(stream, error, None, None, asked)  # type: ignore[arg-type]


MARKED = Bound().sign("anthropic", "Hm.").encode()


@rows(
    ("line", "verdict", "says"),
    [
        (through_lines.reasoning(heard(reasoning="The tool"), heard(), [b"The ", b"tool"]), "fail",
         "'The tool' became ''"),
        (through_lines.reasoning(heard(reasoning="The tool"), heard(), [b"no word"]), "unknown",
         "the protocol in which the gateway asks the service shows none"),
        (through_lines.signatures(heard(), [MARKED], heard(RateLimitError("x", status=400))), "fail",
         "0 of the service's came back to it, and the tool's result is refused: RateLimitError 400"),
        (through_lines.cache_marks(heard(), heard(RateLimitError("x", status=429)), "mark"), "fail",
         "the request is refused: RateLimitError 429"),
        (through_lines.cache_marks(heard(), heard(), "mark"), "unknown", "the protocol has none"),
        (through_lines.cut([]), "unknown", "the gateway does not ask the service again"),
        (through_lines.cut_told([(0, heard())]), "unknown", "there is none to tell of"),
        (through_lines.cut_told([(0, heard(IdleTimeoutError("x")))]), "fail", "by 1 silence"),
        (through_lines.cut_told([(0, heard(TruncatedStreamError("x")))]), "fail",
         "by 1 a body that ends without an error"),
        (through_lines.cut_told([(0, heard(broken()))]), "pass", "by 1 a broken connection"),
    ],
)  # fmt: skip
def test_the_lines_that_no_gateway_above_needs(line: Finding, verdict: str, says: str) -> None:
    assert (line.verdict, line.says) == (verdict, says)
