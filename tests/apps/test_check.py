"""`check`: a server without a fault fails in no line of the report, and each fault fails one line, the one about it."""

import gzip
import json
import re
import socket
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest

import g4flite
from g4flite import __main__ as cli
from g4flite import providers
from g4flite._core.response.reply import Head
from g4flite._core.transport import clients, tls
from g4flite.apps.check import Finding, as_line, recording, report
from g4flite.apps.check import record as recorder
from g4flite.apps.check.case import NAMES
from g4flite.apps.check.judge import LINES, judge
from g4flite.apps.check.recording import Recording
from g4flite.server.pieces import KINDS
from g4flite.testing import Emulator, Finish, Problem, Reasoning, Script, ToolCall
from g4flite.testing.dialects import DIALECTS
from tests.acme import MARKED
from tests.apps.complaints import a_line
from tests.open_protocols import GEMINI_ARRAY, WIRES, emulate, hear
from tests.rows import rows

OPEN = ("openai", "openai-responses", "anthropic", "gemini", "ollama", "cohere")
FOUNDERS = ("cromicle", "free2gpt", "gprochat", "flowgpt")

Captured = pytest.CaptureFixture[str]


class Staged(Emulator):
    """An emulator whose `stages` hold scripts for some requests, by their number from 0; `script` is for all others."""

    stages: dict[int, Script] = {}
    usual = Script()

    @property  # type: ignore[override]
    def script(self) -> Script:
        return self.stages.get(len(self.exchanges), self.usual)

    @script.setter
    def script(self, script: Script) -> None:
        self.usual = script


ECHO = Emulator().reply


@pytest.fixture(scope="module")
def running() -> Iterator[Staged]:
    with Staged(keys=False) as server:
        yield server
        # The last test may have had a reply function that fails on purpose.
        server.exchanges.clear()


@pytest.fixture
def faulty(running: Staged, monkeypatch: pytest.MonkeyPatch) -> Staged:
    """Return a server without a fault, which has time to see that a client has left; the test adds the fault."""
    monkeypatch.setattr(recorder, "PATIENCE", 30.0)
    running.reply, running.script, running.stages = ECHO, Script(), {}
    running.exchanges.clear()
    return running


def report_on(server: Emulator, name: str = "openai", **settings: Any) -> dict[str, Finding]:
    """Return the report on the server: each finding by the name of its line."""
    url = server.url + urlsplit(providers.find(name).base_url).path
    findings = report(url, name, model=None if name in FOUNDERS else "m", **settings)
    assert [finding.name for finding in findings] == [*LINES]
    return {finding.name: finding for finding in findings}


def failing(found: dict[str, Finding]) -> list[str]:
    """Return the names of the lines that fail."""
    return [name for name, finding in found.items() if finding.verdict == "fail"]


def body_of(name: str) -> bytes:
    """Return the body of an emulated reply without a fault, of eight texts."""
    with emulate("one, ", "two, ", "three, ", "four, ", "five, ", "six, ", "seven, ", "eight", keys=False) as server:
        return hear(server, WIRES[name])


CHAT, OLLAMA, ANTHROPIC = body_of("chat"), body_of("ollama"), body_of("anthropic")
TEXT = "one, two, three, four, five, six, seven, eight, nine, ten"
SSE = {"content-type": "text/event-stream"}
CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n"
sent = partial(Script, split=20)


def said(*pieces: Any) -> Callable[[Any], Any]:
    """Return an emulator's `reply` function that answers in these pieces."""
    return lambda messages: pieces


def broken_off(messages: object) -> Iterator[str]:
    """Answer in two pieces, then fail."""
    yield "one, "
    yield "two, "
    raise RuntimeError("on purpose")


def flushed(body: bytes) -> bytes:
    """Return the body in gzip, as a server compresses it that flushes after each line."""
    packer = zlib.compressobj(wbits=31)
    lines = (packer.compress(line) + packer.flush(zlib.Z_SYNC_FLUSH) for line in body.splitlines(keepends=True))
    return b"".join(lines) + packer.flush()


def without(body: bytes, *marks: bytes) -> bytes:
    """Return the body without the events or lines that hold one of these marks."""
    end = b"\n\n" if b"\n\n" in body else b"\n"
    return b"".join(block + end for block in body.split(end)[:-1] if not any(mark in block for mark in marks))


# Dialects that no provider of their name or "openai" describes: two have other paths, and the last sends no end
# marker.
OTHERWISE = ("azure", "google", "transformers")
# A provider, and a script or a `reply` function without a fault.
HEALTHY: dict[str, tuple[str, Any]] = {
    **{name: (name, Script()) for name in (*OPEN, *FOUNDERS)},
    **{f"{name} in small pieces": (name, Script(split=size)) for name, size in (("gemini", 7), ("cromicle", 1))},
    **{
        dialect: (dialect if dialect in providers.names() else "openai", Script(dialect=dialect))
        for dialect in DIALECTS
        if dialect not in OTHERWISE
    },
    "azure": ("azure-openai", Script(dialect="azure")),
    "reasoning": ("anthropic", said(Reasoning("Hm, "), "one, ", "two")),
    "a tool call": ("openai", said(ToolCall("", "weather", '{"city": "Oslo"}'))),
    "a short answer": ("cohere", said("Hi")),
    "the length": ("openai-responses", said("one, ", "two", Finish("length"))),
    "gzip": ("openai", Script(body=flushed(CHAT), headers={**SSE, "content-encoding": "gzip"}, split=20)),
    "a connection that ends it": (
        "openai",
        Script(raw=b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + CHAT, split=300),
    ),
}
# A provider, a script or a `reply` function with a fault, the line that fails, and bytes of its evidence.
FAULTS: dict[str, tuple[str, Any, str, bytes]] = {
    "a status": ("openai", Script(status=500, body="overheated"), "response", b"overheated"),
    "a status alone": ("anthropic", Script(status=529), "response", b"HTTP/1.1 529"),
    "a redirect": ("openai", Script(status=302, headers={"location": "http://b.test"}), "response", b"HTTP/1.1 302"),
    "a challenge": ("cromicle", Script(status=503, body="<b>Just a moment...</b>"), "response", b"Just a moment"),
    **{f"refused: {kind}": ("openai", Script(problem=kind), "response", b"error") for kind in KINDS},
    "silence": ("openai", Script(silence=30), "response", b""),
    "no answer": ("openai", Script(raw=b""), "response", b""),
    "no answer, reset": ("cromicle", Script(raw=b"", reset=True), "response", b""),
    "no HTTP": ("openai", Script(raw=b"SSH-2.0-OpenSSH_9\r\n\r\n"), "response", b""),
    "half a head": ("openai", Script(raw=b"HTTP/1.1 200 OK\r\ncontent-"), "response", b""),
    "a web page": (
        "openai", sent(body="<html>Log in</html>", headers={"content-type": "text/html"}), "content type", b"text/html",
    ),
    "an error as JSON": (
        "cromicle", sent(body='{"error": "no"}', headers={"content-type": "application/json"}), "content type",
        b"application/json",
    ),
    "another content type": ("gemini", Script(headers={"content-type": "text/plain"}), "content type", b"text/plain"),
    "no content type": ("openai", Script(headers={"content-type": ""}), "content type", b"content-type: "),
    "an unasked compression": ("openai", Script(headers={"content-encoding": "br"}), "compression", b"br"),
    "a compression that is none": ("ollama", Script(headers={"content-encoding": "gzip"}), "compression", b"gzip"),
    "a compression that is cut": (
        "openai", Script(body=gzip.compress(CHAT)[:-9], headers={**SSE, "content-encoding": "gzip"}, split=50),
        "compression", b"gzip",
    ),
    "a bomb": (
        "cromicle", Script(body=gzip.compress(b" " * 2**20) * 16, headers={"content-encoding": "gzip"}), "compression",
        b"gzip",
    ),
    "no JSON": ("openai", sent(body=CHAT.replace(b'"two', b"two")), "framing", b": {"),
    "JSON that is cut": ("openai", sent(body=CHAT[:700]), "framing", b"data: {"),
    "no frames": ("anthropic", sent(body="lorem ipsum " * 9), "framing", b"lorem ipsum"),
    "no lines of JSON": ("flowgpt", sent(body="lorem ipsum\n" * 9), "framing", b"lorem ipsum"),
    "no UTF-8": ("cromicle", sent(body=TEXT.encode("utf-16")), "framing", b"\xff\xfe"),
    "half a character": ("cromicle", sent(body=TEXT.encode() + b"\xc3"), "framing", b"ten\xc3"),
    **{f"unterminated: {name}": (name, Script(unterminated=True), "framing", b"}") for name in OPEN[1:]},
    "unterminated: openai": ("openai", Script(unterminated=True), "framing", b"[DONE]"),
    **{f"inside: {kind}": ("openai", said("one, ", "two", Problem(kind)), "error inside", b"error") for kind in KINDS},
    **{f"inside: {name}": (name, said("one, ", Problem("server")), "error inside", b"rror") for name in OPEN[1:]},
    "inside, at once": ("anthropic", said(Problem("overloaded")), "error inside", b"overloaded_error"),
    "inside, as text": ("cromicle", sent(body='{"error": "no"}'), "error inside", b'{"error": "no"}'),
    "a blocked prompt": ("gemini", Script(problem="content_filter"), "error inside", b"PROHIBITED_CONTENT"),
    "a reason that is an error": ("openai", said("one", Finish("error")), "error inside", b'"finish_reason":"error"'),
    "an empty answer": ("openai", said(), "first text", b'"content":""'),
    "an empty body": ("openai", Script(body=b""), "first text", b"200"),
    "an empty text": ("free2gpt", said(), "first text", b"200"),
    "no content": ("cohere", Script(status=204), "first text", b"204"),
    "silence before the text": ("openai", Script(split=(20, 10**6), wait=30), "first text", b"data: "),
    "all at once": ("openai", said(TEXT), "mid-stream", b"one, two"),
    "one piece": ("gprochat", Script(body=TEXT), "mid-stream", b"one, two"),
    "no reason": ("openai", sent(body=without(CHAT, b'"stop"')), "finish", b"[DONE]"),
    "no [DONE]": ("openai", Script(dialect="transformers"), "end marker", b'"stop"'),
    "no end": ("openai", sent(body=without(CHAT, b'"stop"', b"[DONE]")), "end marker", b"eight"),
    "no message_stop": ("anthropic", sent(body=without(ANTHROPIC, b"message_stop")), "end marker", b"end_turn"),
    "no done": ("ollama", sent(body=without(OLLAMA, b'"done":true')), "end marker", b"eight"),
    "another protocol": ("openai", sent(body=ANTHROPIC), "end marker", b"message_stop"),
    **{f"cut after {size}": ("openai", Script(cut=size), "end of body", b"") for size in (0, 900, 10**6)},
    "reset": ("openai", Script(cut=900, reset=True, split=300, wait=0.02), "end of body", b"data: "),
    "cut in raw text": ("cromicle", Script(cut=14), "end of body", b"said:"),
    "a reply that fails": ("openai", broken_off, "end of body", b"service_tier"),
    "a chunk that is none": (
        "cromicle", Script(raw=CHUNKED + b"4\r\nHi, \r\nzz\r\n", split=90), "end of body", b"Hi, ",
    ),
    "a length that is too long": (
        "cromicle", sent(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n" + TEXT.encode()), "end of body", b"ten",
    ),
    "no length": ("cromicle", sent(raw=b"HTTP/1.1 200 OK\r\n\r\n" + TEXT.encode()), "end of body", b"200 OK"),
    "silence in the text": ("openai", Script(split=(1000, 10**6), wait=30), "end of body", b"delta"),
}  # fmt: skip


def set_fault(server: Staged, fault: Any) -> None:
    """Make the server use a script or a `reply` function."""
    if isinstance(fault, Script):
        server.script = fault
    else:
        server.reply = fault


@pytest.mark.parametrize("case", HEALTHY)
def test_a_server_without_a_fault_fails_in_no_line(case: str, faulty: Staged) -> None:
    name, setting = HEALTHY[case]
    set_fault(faulty, setting)
    # The broken request is refused, whatever the script says.
    faulty.stages = {3: Script()}
    found = report_on(faulty, name)
    assert failing(found) == []
    assert {found[line].verdict for line in ("response", "content type", "framing", "first text")} <= {
        "pass",
        "unknown",
    }
    assert found["response"].verdict == "pass"


def test_a_length_that_is_too_short_fails_the_second_request_or_what_it_hides(faulty: Staged) -> None:
    set_fault(faulty, sent(body=TEXT, headers={"content-length": "9"}))
    # If the bytes behind the length arrive before the second request is sent, the client opens another connection, and
    # the first line to fail is the one about the broken request, which this server answers as well.
    assert failing(report_on(faulty, "cromicle")) in (["keep-alive"], ["error body"])


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_fails_the_line_about_it_and_no_other(case: str, faulty: Staged) -> None:
    name, setting, line, shown = FAULTS[case]
    set_fault(faulty, setting)
    waits = isinstance(setting, Script) and max(setting.silence, setting.wait) > 1
    found = report_on(faulty, name, timeout=2.0 if waits else 30.0)
    assert failing(found) == [line], {one.name: one.says for one in found.values() if one.verdict == "fail"}
    assert shown in found[line].evidence
    assert found[line].says


# A provider, scripts for requests by their number, a line, and its verdict.
LATER: dict[str, tuple[str, dict[int, Script], str, str]] = {
    # It looks like a connection that was closed before, and the request over a fresh one is answered.
    "the second one is reset": ("openai", {1: Script(raw=b"", reset=True)}, "keep-alive", "unknown"),
    "the second one is reset over a fresh connection, too": (
        "openai", {number: Script(raw=b"", reset=True) for number in (1, 2)}, "keep-alive", "fail",
    ),
    "the next one is not answered": ("openai", {2: Script(raw=b"")}, "disconnect", "fail"),
    "the next one is refused": ("openai", {2: Script(status=429)}, "disconnect", "unknown"),
    "the one that is left ends at once": ("openai", {1: Script(split=1000, wait=30)}, "disconnect", "pass"),
    "a broken one is answered": ("cromicle", {3: sent(body="Hello")}, "error body", "fail"),
    "a broken one fails": ("cohere", {3: Script(status=500, body='{"message": "no"}')}, "error body", "fail"),
    "a broken one is refused by a page": ("ollama", {3: Script(status=400, body="<html>")}, "error body", "fail"),
    "a broken one is not answered": ("gemini", {3: Script(raw=b"")}, "error body", "fail"),
    "a broken one comes too early": ("anthropic", {3: Script(status=429)}, "error body", "unknown"),
}  # fmt: skip


@pytest.mark.parametrize("case", LATER)
def test_the_requests_after_the_first_are_judged_too(case: str, faulty: Staged) -> None:
    name, faulty.stages, line, verdict = LATER[case]
    found = report_on(faulty, name)
    assert failing(found) == ([line] if verdict == "fail" else [])
    assert found[line].verdict == verdict


@pytest.mark.parametrize(
    ("script", "shown"),
    [
        (Script(headers={"connection": "close"}), b"connection: close"),
        # llama.cpp's server, November 2026.
        (Script(headers={"keep-alive": "timeout=5"}, hangup=True), b"connection: keep-alive"),
    ],
)
def test_a_server_need_not_keep_a_connection(script: Script, shown: bytes, faulty: Staged) -> None:
    faulty.stages = {0: script}
    found = report_on(faulty)
    assert failing(found) == []
    assert (found["keep-alive"].verdict, found["keep-alive"].evidence) == ("unknown", shown)
    assert found["keep-alive"].says.startswith("the server closed the connection after a complete reply")


def test_if_the_report_says_that_the_server_noticed_then_it_did(faulty: Staged) -> None:
    faulty.stages = {1: Script(split=1000, wait=30)}
    assert report_on(faulty)["disconnect"].says.startswith("the server closed the connection ")
    _, left, following, refused = faulty.exchanges
    assert left.disconnected.is_set()
    assert (following.problem, refused.problem) == (None, "body: expected JSON in UTF-8")


def test_a_long_reply_is_not_read_to_its_end(faulty: Staged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "LARGEST", 1000)
    found = report_on(faulty)
    assert failing(found) == ["end of body"]
    assert found["end of body"].says == "the reply is longer than 1000 bytes, and was not read further"


def test_an_error_on_the_way_does_not_say_that_no_text_came(faulty: Staged) -> None:
    """The body is in the report's evidence and not in the error, so neither of the error's usual endings is true."""
    faulty.script = Script(cut=900)
    found = report_on(faulty)["end of body"]
    assert found.evidence
    assert found.says.startswith("the reply was cut off: ")
    assert found.says.endswith("(incomplete chunked read)")


def recorded(
    *pieces: bytes,
    headers: dict[str, str] = SSE,
    coding: str = "",
    at: float = 0.1,
    apart: float = 0.1,
    **settings: Any,
) -> Recording:
    """Return the recording of a reply: its first piece came after `at` seconds, each other `apart` seconds later."""
    times = [at + number * apart for number in range(len(pieces))]
    return Recording(
        line=b"HTTP/1.1 200 OK",
        head=Head(200, headers, coding),
        pieces=tuple(zip(times, pieces, strict=True)),
        ended=at + len(pieces) * apart,
        **settings,
    )


def judged(name: str | g4flite.Provider, *recordings: Recording) -> dict[str, Finding]:
    """Return the report on these recordings: each finding by the name of its line."""
    return {finding.name: finding for finding in judge(providers.find(name), *recordings)}


EVENTS = [event + b"\n\n" for event in CHAT.split(b"\n\n")[:-1]]


@rows(
    ("at", "apart", "verdict"),
    [(0.1, 0.1, "pass"), (0.1, 0.0, "pass"), (3.0, 0.2, "pass"), (3.0, 0.001, "unknown")],
)
def test_text_that_comes_late_and_at_once_may_have_been_held_back(at: float, apart: float, verdict: str) -> None:
    found = judged("openai", recorded(*EVENTS, at=at, apart=apart))
    assert found["mid-stream"].verdict == verdict
    assert found["first text"].says == f"it came after {at + apart:.3f} s"
    assert failing(found) == []


def test_text_in_one_piece_fails_only_if_the_body_has_chunks() -> None:
    reply = replace(recorded(CHAT), head=Head(200, SSE, open_ended=True))
    found = judged("openai", reply)
    assert failing(found) == []
    assert (found["mid-stream"].verdict, found["end of body"].verdict) == ("unknown", "unknown")
    assert failing(judged("openai", recorded(CHAT))) == ["mid-stream"]


CUT = g4flite.TruncatedStreamError("the reply was cut off; the text so far is in .partial")
SLOW = g4flite.IdleTimeoutError("idle: no more text came for 3 s; raise it")


@rows(
    ("left", "following", "verdict"),
    [
        (recorded(*EVENTS[:3], error=CUT), recorded(*EVENTS[:3]), "pass"),
        (recorded(*EVENTS[:3], error=SLOW), recorded(*EVENTS[:3]), "unknown"),
        (recorded(*EVENTS), recorded(*EVENTS[:3]), "unknown"),
        (recorded(*EVENTS[:1], error=CUT), recorded(*EVENTS[:3]), "unknown"),
        (recorded(*EVENTS), recorded(*EVENTS[:1]), "unknown"),
        (recorded(*EVENTS), recorded(*EVENTS[:1], error=SLOW), "fail"),
        (recorded(*EVENTS), Recording(error=SLOW), "fail"),
    ],
)
def test_disconnect_passes_only_if_the_server_was_seen_to_close(
    left: Recording, following: Recording, verdict: str
) -> None:
    found = judged("openai", recorded(*EVENTS), left, following)
    assert found["disconnect"].verdict == verdict
    assert found["error body"].verdict == "unknown"


def test_a_finish_reason_that_the_client_does_not_know_is_no_failure() -> None:
    events = [event.replace(b'"stop"', b'"tired"') for event in EVENTS]
    finding = judged("openai", recorded(*events))["finish"]
    assert (finding.verdict, finding.says) == ("unknown", "'tired' is not a finish reason that this client knows")
    assert b'"tired"' in finding.evidence


def test_gemini_as_a_json_array_fails_only_the_content_type() -> None:
    with emulate("one, ", "two", keys=False) as server:
        array = hear(server, GEMINI_ARRAY)
    found = judged("gemini", recorded(*array.splitlines(keepends=True), headers={"content-type": "application/json"}))
    assert failing(found) == ["content type"]
    assert found["framing"].says == "one JSON array"


def test_a_protocol_may_have_no_finish_reason() -> None:
    lines = [b'{"text": "one, "}\n', b'{"text": "two"}\n', b'{"done": true}\n']
    found = judged(MARKED, recorded(*lines, headers={"content-type": ""}))
    assert failing(found) == []
    assert (found["finish"].verdict, found["end marker"].verdict) == ("unknown", "pass")
    assert found["content type"] == Finding("content type", "unknown", "the response names none")


def test_a_body_of_comments_alone_fails_the_framing_unless_it_was_cut() -> None:
    assert failing(judged("openai", recorded(b": ping\n\n", b": ping\n\n"))) == ["framing"]
    cut = judged("openai", recorded(b": ping\n\n", b": ping\n\n", error=CUT))
    assert failing(cut) == ["end of body"]
    assert cut["comments"] == Finding("comments", "pass", "2 came between the events", b": ping")


def test_a_body_is_inflated_only_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MOST", 1000)
    found = judged(
        "cromicle", recorded(gzip.compress(b" " * 2000), headers={"content-encoding": "gzip"}, coding="gzip")
    )
    assert failing(found) == ["compression"]
    assert found["compression"].says == "the reply inflates to more than 1000 bytes"


KEY = "sk-secret-0123456789"


@pytest.mark.parametrize(
    ("script", "shown"),
    [
        (Script(status=401, body=f"no such key: {KEY}"), "no such key: ***"),
        (Script(status=302, headers={"location": f"http://{KEY}.test"}), "it redirects to ***.test"),
        (sent(body=CHAT.replace(b"one", KEY.encode()), headers={"connection": "close"}), "*" * len(KEY)),
        (sent(body=CHAT.replace(b"one", KEY.encode()), cut=CHAT.index(b"one") + 15), "*" * 15),
        (Script(headers={"content-type": f"text/{KEY}"}), "text/***"),
    ],
)
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_key_is_nowhere_in_a_report(
    form: list[str], script: Script, shown: str, faulty: Staged, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    faulty.script = script
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(SystemExit) as done:
        cli.main(["check", f"{faulty.url}/v1", "--as", "openai", "-m", "m", *form])
    assert done.value.code == 1
    out, err = capsys.readouterr()
    assert ("authorization", f"Bearer {KEY}") in [(n.lower(), value) for n, value in faulty.exchanges[0].headers]
    assert "secret" not in out + err
    assert "6789" not in out + err
    assert shown in out


def test_a_header_of_the_caller_reaches_the_endpoint(server: Emulator, capsys: Captured) -> None:
    """`openai-compatible` reads its key from no environment variable, and this server demands a key."""
    arguments = ["check", f"{server.url}/v1", "--as", "openai-compatible", "-m", "m"]
    assert cli.main([*arguments, "-H", f"authorization: Bearer {KEY}"]) == 0
    assert KEY not in capsys.readouterr().out
    assert {found.verdict for found in report(arguments[1], arguments[3], model="m", headers={"x": "y"})} > {"fail"}


def test_the_repr_of_a_recording_holds_no_secret() -> None:
    assert "s3cret" not in repr(recorded(b"s3cret-key", secrets=("s3cret-key",)))


@pytest.fixture
def check(faulty: Staged) -> Callable[..., int]:
    """Return a function that runs `check` on the server, or on another `url`, and returns its exit code."""

    def run(*more: str, url: str = faulty.url) -> int:
        try:
            return cli.main(["check", url, *more])
        except SystemExit as done:
            return int(done.code or 0)

    return run


def test_a_report_is_printed_in_columns(check: Callable[..., int], capsys: Captured) -> None:
    assert check("--as", "cromicle") == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert [line[9:23].rstrip() for line in lines] == [*LINES]
    assert {line[:9].rstrip() for line in lines} == {"pass", "unknown"}
    assert lines[0] == "pass     response      status 200  b'HTTP/1.1 200 OK'"
    assert lines[2] == "pass     compression   none"
    assert lines[3].endswith("  b'You said: Count from one to thirty in words, with a comma between the numb...'")
    assert err == ""


def test_a_failing_line_says_so_in_capitals_and_the_exit_code_is_1(
    faulty: Staged, check: Callable[..., int], capsys: Captured
) -> None:
    faulty.script = Script(status=500, body="over\x9bheated\n\nagain")
    assert check("--as", "ollama", "-m", "m") == 1
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith("FAIL     response      status 500 Internal Server Error: 'over\\x9bheated again'; ")
    assert first.endswith("  b'over\\xc2\\x9bheated\\n\\nagain'")
    assert second == "unknown  content type  it cannot be seen as long as 'response' fails"


def test_control_characters_are_escaped() -> None:
    assert as_line(Finding("finish", "pass", "a\x1b[2J\nb")) == r"pass     finish        a\x1b[2J\nb"


def test_a_report_can_be_printed_as_json(faulty: Staged, check: Callable[..., int], capsys: Captured) -> None:
    faulty.script = sent(body=TEXT.encode() + b"\xff")
    assert check("--as", "cromicle", "--json") == 1
    findings = {finding.pop("name"): finding for finding in json.loads(capsys.readouterr().out)}
    assert [*findings] == [*LINES]
    said = "the reply is not UTF-8: invalid start byte"
    assert findings["framing"] == {"verdict": "fail", "says": said, "evidence": r"even, eight, nine, ten\xff"[2:]}


def test_a_provider_of_ones_own_is_named_by_module_and_constant(check: Callable[..., int], capsys: Captured) -> None:
    assert check("--as", "g4flite.providers.cromicle:CROMICLE") == 0
    assert capsys.readouterr().out.startswith("pass     response ")


WRONG = {
    "no provider": (["--as", "opnai"], 2, "there is no provider 'opnai' (did you mean 'openai'?)"),
    "no module": (
        ["--as", "no_such_module:ACME"],
        2,
        "--as no_such_module:ACME cannot be imported: ModuleNotF",
    ),
    "no constant": (["--as", "tests.acme:ACNE"], 2, "--as tests.acme:ACNE cannot be imported: AttributeError: "),
    "no Provider": (["--as", "tests.founders:FOUNDERS"], 2, "--as tests.founders:FOUNDERS is a tuple, not a Provider"),
    "no model": (["--as", "openai"], 2, "openai: there is no default model; name one with --model"),
    "timeout": (["--as", "cromicle", "--timeout", "0"], 2, "--timeout must be a positive number of seconds"),
    "nothing named": ([], 2, "the following arguments are required: --as; see "),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_usage_is_reported_in_one_line(case: str, check: Callable[..., int], capsys: Captured) -> None:
    arguments, code, message = WRONG[case]
    assert check(*arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert a_line(err, f"error: {message}")


@pytest.mark.parametrize(
    ("name", "path", "said"),
    [
        ("openai", "", '"/v1" is missing: set URL to {}/v1 (URL {}/chat/completions)'),
        ("openai", "/v1/chat/completions", '"/chat/completions" is doubled: set URL to {}/v1 (URL {}'),
        ("anthropic", "/v1", '"/v1" is doubled: set URL to {} (URL {}/v1/v1/messages)'),
        ("ollama", "/nothing", "there is nothing at this URL: check URL and the model (URL {}/nothing/api/chat)"),
    ],
)
def test_a_wrong_base_url_is_named_and_mended(name: str, path: str, said: str, faulty: Staged) -> None:
    row = report(faulty.url + path, name, model="m")[0]
    assert (row.name, row.verdict) == ("response", "fail")
    assert said.format(faulty.url, faulty.url) in row.says


@pytest.mark.parametrize(
    "script",
    [
        Script(body="<html>Hello</html>", headers={"content-type": "text/html"}),
        # As LM Studio answers.
        Script(
            body=b'data: {"error":"Unexpected endpoint or method. (POST /chat/completions)"}\n\n',
            headers={"content-type": "text/event-stream"},
        ),
    ],
)
def test_a_wrong_base_url_is_named_if_the_status_is_200(script: Script, faulty: Staged) -> None:
    faulty.script = script
    (fault,) = (row for row in report(faulty.url, "lmstudio", model="m") if row.verdict == "fail")
    assert fault.says.endswith(f'"/v1" is missing: set URL to {faulty.url}/v1')


@pytest.mark.parametrize("name", NAMES.values())
def test_messages_call_an_argument_by_a_flag_that_the_command_has(name: str, capsys: Captured) -> None:
    with pytest.raises(SystemExit):
        cli.main(["check", "--help"])
    assert name in capsys.readouterr().out or name == "G4FLITE_PROXY"


@pytest.mark.parametrize(
    "script",
    [
        Script(problem="authentication"), Script(problem="not_found"), Script(problem="rate_limit"), Script(status=403),
        Script(status=307, headers={"location": "https://h.test"}), Script(silence=9), Script(cut=9), Script(body="{"),
    ],
)  # fmt: skip
def test_a_report_names_no_flag_that_the_command_does_not_have(script: Script, faulty: Staged) -> None:
    faulty.script = script
    said = " ".join(row.says for row in report(f"{faulty.url}/v1", "openai", model="m", timeout=0.2))
    assert {word.strip(",;:.") for word in said.split() if word.startswith("-")} <= {*NAMES.values()}
    assert not re.search(r"\w=", said)


def test_an_endpoint_that_cannot_be_reached_is_reported_in_one_line(
    check: Callable[..., int], capsys: Captured
) -> None:
    assert check("--as", "cromicle", url="localhost:1") == 2
    assert a_line(capsys.readouterr().err, "error: cromicle: URL must begin with http://")
    with socket.socket() as deaf:
        # Without listen(), connections are refused.
        deaf.bind(("127.0.0.1", 0))
        assert check("--as", "cromicle", url=f"http://127.0.0.1:{deaf.getsockname()[1]}") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert a_line(err, "error: cromicle: could not connect to 127.0.0.1:")


def test_certificates_are_loaded_before_a_time_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def load() -> object:
        steps.append("certificates")
        return tls.unused_context()

    def record(*_: object) -> Recording:
        steps.append("exchange")
        return Recording(error=g4flite.ConnectError("on purpose"))

    steps: list[str] = []
    monkeypatch.setattr(clients, "default_context", load)
    monkeypatch.setattr(recorder, "record", record)
    with pytest.raises(g4flite.ConnectError):
        report("https://127.0.0.1:1", "cromicle")
    assert steps == ["certificates", "exchange"]


def test_certificates_that_cannot_be_read_are_reported_in_one_line(
    check: Callable[..., int], capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load() -> object:
        raise FileNotFoundError("no such file")

    monkeypatch.setattr(clients, "default_context", load)
    assert check("--as", "cromicle", url="https://127.0.0.1:1") == 2
    assert a_line(capsys.readouterr().err, "error: cromicle: the certificates cannot be read: no such file; check SSL_")


def test_check_warns_if_a_key_goes_over_plain_http(
    check: Callable[..., int], capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("G4FLITE_PROXY", "http://127.0.0.1:1")
    assert check("--as", "openai", "-m", "m", url="http://chat.test/v1") == 1
    warning, error = capsys.readouterr().err.splitlines(keepends=True)
    assert a_line(warning, "warning: openai: a key goes to another machine over plain http")
    assert a_line(error, "error: openai: could not connect to the proxy")


def test_the_example_in_the_help_works(check: Callable[..., int], capsys: Captured) -> None:
    with pytest.raises(SystemExit):
        cli.main(["check", "--help"])
    example = capsys.readouterr().out.splitlines()[-1]
    assert example.endswith(" check http://127.0.0.1:8765 --as cromicle")
    assert check(*example.partition(" http://127.0.0.1:8765 ")[2].split()) == 0
