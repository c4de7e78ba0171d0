"""Recordings: what was recorded from a real socket is replayed byte for byte, faults and all, and holds no secret."""

import base64
import gzip
import json
import math
import shutil
from configparser import ConfigParser
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import g4flite
from g4flite import testing
from g4flite._core.transport.tls import unused_context
from g4flite.providers import LLAMACPP
from g4flite.testing import Emulator, NotRecorded, Problem, Script, record, replay
from g4flite.testing import replayer as _replay
from g4flite.testing.recording import escaped, fault_of, unescaped
from tests.conftest import Driver

pytest_plugins = ["g4flite.testing.plugin", "pytester"]

KEY = "sk-s3cret+s3cret/s3cret"
OPEN = replace(LLAMACPP, end="http")  # whose reply ends with its body
POST = httpx.Request("POST", "http://h.test/")
SSE = b'data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n'


class Outcome(NamedTuple):
    """What a reader saw of one stream."""

    chunks: list[str]
    error: str
    partial: str
    attempts: list[str]


def read(driver: Driver, transport: Any, url: str, *calls: dict[str, Any], limit: int | None = None) -> list[Outcome]:
    """One stream after the other over one client; with `limit` the loop is left after so many chunks."""
    seen: list[Outcome] = []

    def stream(client: Any, call: dict[str, Any]) -> g4flite.Stream:
        usual = {"provider": "llamacpp", "messages": "Hi", "api_key": KEY, "base_url": f"{url}/v1", "retries": 0}
        return g4flite.stream(client=client, **{**usual, **call})

    def note(chunks: list[str], stream: g4flite.Stream, error: Exception | None) -> None:
        told = f"{type(error).__name__}: {error}" if error else ""
        seen.append(Outcome(chunks, told, stream.partial, [attempt.outcome for attempt in stream.attempts]))

    async def aread() -> None:
        async with httpx.AsyncClient(transport=transport) as client:
            for call in calls:
                chunks: list[str] = []
                failed: Exception | None = None
                try:
                    async with stream(client, call) as reading:
                        async for chunk in reading:
                            chunks.append(chunk)
                            if len(chunks) == limit:
                                break
                except (g4flite.G4fliteError, NotRecorded) as error:
                    failed = error
                note(chunks, reading, failed)

    if driver.name != "sync":
        driver.run(aread)
        return seen
    with httpx.Client(transport=transport) as client:
        for call in calls:
            chunks: list[str] = []
            failed: Exception | None = None
            try:
                with stream(client, call) as reading:
                    for chunk in reading:
                        chunks.append(chunk)
                        if len(chunks) == limit:
                            break
            except (g4flite.G4fliteError, NotRecorded) as error:
                failed = error
            note(chunks, reading, failed)
    return seen


def pieces(driver: Driver, transport: Any, url: str) -> tuple[list[bytes], list[tuple[bytes, bytes]]]:
    """The raw body of a reply in its pieces, read with httpx alone, and its headers."""
    if driver.name == "sync":
        with httpx.Client(transport=transport) as client, client.stream("POST", url, json={"a": 1}) as response:
            return list(response.iter_raw()), response.headers.raw

    async def aread() -> Any:
        async with (
            httpx.AsyncClient(transport=transport) as client,
            client.stream("POST", url, json={"a": 1}) as response,
        ):
            return [piece async for piece in response.aiter_raw()], response.headers.raw

    return driver.run(aread)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "recordings" / "one.txt"


def write(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8", newline="")


def asked_of(path: Path) -> Any:
    """The body of the first request on file."""
    return json.loads(unescaped(path.read_text().splitlines()[3].removeprefix("> ")))


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
SCRIPTS = {
    "whole": Script(),
    "byte by byte": Script(split=1, body=SSE % b"h\xc3\xa9" + SSE % b"llo" + b"data: [DONE]\n\n"),
    "cut": Script(cut=300),
    "cut in a chunk": Script(raw=HEAD + b"transfer-encoding: chunked\r\n\r\nff\r\n" + SSE % b"Hi"),
    "reset": Script(cut=300, reset=True),
    "reset before an answer": Script(raw=b"", reset=True),
    "gone before an answer": Script(raw=b""),
    "no HTTP": Script(raw=b"nonsense\r\n\r\n"),
    "no length": Script(raw=HEAD + b"\r\n" + SSE % b"Hi"),
    "idle": Script(wait=60, body=2 * (SSE % b"Hi"), split=len(SSE)),
    "silent": Script(silence=60),
    "refused": Script(problem="overloaded"),
    "error inside": Script(body=b'data: {"error":{"message":"too much","code":429}}\n\n'),
    "compressed": Script(body=gzip.compress(SSE % b"Hi" + b"data: [DONE]\n\n"), headers={"content-encoding": "gzip"}),
    "broken compression": Script(body=b"\x1f\x8bnonsense", headers={"content-encoding": "gzip"}),
    "empty": Script(body=b""),
}  # fmt: skip


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_replay_ends_as_the_recorded_reply_did(name: str, driver: Driver, server: Emulator, path: Path) -> None:
    server.script = SCRIPTS[name]
    timeout = {"idle": g4flite.Timeout(idle=0.05), "silent": g4flite.Timeout(first_token=0.1)}.get(name)
    recorded = read(driver, record(path), server.url, {"timeout": timeout})
    assert read(driver, replay(path), server.url, {"timeout": timeout}) == recorded
    assert recorded[0].error.split(":")[0] == {
        "whole": "", "byte by byte": "", "compressed": "", "idle": "IdleTimeoutError",
        "silent": "FirstTokenTimeoutError", "reset before an answer": "TransportError", "refused": "OverloadedError",
        "gone before an answer": "TransportError", "no HTTP": "MalformedReplyError", "error inside": "RateLimitError",
        "broken compression": "MalformedReplyError",
    }.get(name, "TruncatedStreamError")  # fmt: skip
    assert KEY not in path.read_text()


def test_a_replay_has_the_same_bytes_in_the_same_pieces(driver: Driver, server: Emulator, path: Path) -> None:
    body = b"".join(bytes([n]) * 2 for n in range(256)) + "\u2028 gr\u00fc\u00df \\n ".encode()
    server.script = Script(body=body, split=3, headers={"X-Two": "1", "x-empty": ""})
    recorded = pieces(driver, record(path), server.url)
    assert pieces(driver, replay(path), "http://elsewhere.test") == recorded
    assert b"".join(recorded[0]) == body
    assert len(recorded[0]) > 9


@pytest.mark.parametrize("name", ["cromicle", "free2gpt", "gprochat", "flowgpt"])
def test_a_signature_that_changes_is_no_other_request(name: str, server: Emulator, path: Path) -> None:
    driver = Driver("sync")
    calls = [{"provider": name, "api_key": None, "base_url": server.url}] * 2
    recorded = read(driver, record(path), server.url, *calls)
    assert [one.error for one in recorded] == ["", ""]
    assert read(driver, replay(path), server.url, *calls) == recorded


def test_retries_and_refusals_are_replayed_in_their_order(driver: Driver, server: Emulator, path: Path) -> None:
    answers = iter([[Problem("overloaded")], ["Sunny"], ["Cloudy"]])
    server.reply = lambda messages: next(answers)
    calls = [{"retries": g4flite.Retry(base=0)}, {}]
    recorded = read(driver, record(path), server.url, *calls)
    assert [one.chunks for one in recorded] == [["Sunny"], ["Cloudy"]]
    assert len(recorded[0].attempts) == 2
    assert read(driver, replay(path), server.url, *calls) == recorded


def test_each_prompt_finds_its_own_answer_in_any_order(driver: Driver, server: Emulator, path: Path) -> None:
    calls = [{"messages": "One"}, {"messages": "Two"}, {"messages": "One"}]
    read(driver, record(path), server.url, *calls)
    replayed = read(driver, replay(path), server.url, *calls[1:], {"messages": "Three"})
    assert [one.partial for one in replayed] == ["You said: Two", "You said: One", "You said: One"]


def test_a_stream_that_was_left_is_on_file_as_such(driver: Driver, server: Emulator, path: Path) -> None:
    server.script = Script(wait=0.05)
    recorded = read(driver, record(path), server.url, {}, limit=1)
    assert path.read_text().endswith(" left\n")
    assert read(driver, replay(path), server.url, {}, limit=1) == recorded
    (further,) = read(driver, replay(path), server.url, {})
    assert further.chunks[:1] == recorded[0].chunks
    assert further.error.startswith(
        "NotRecorded: the reader of the recorded reply left here, so that no more is known;"
    )


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("silence", [0.0, 60.0])
def test_a_task_that_was_cancelled_has_left(backend: str, silence: float, server: Emulator, path: Path) -> None:
    server.script = Script(silence=silence, wait=60, body=2 * (SSE % b"Hi"), split=len(SSE))

    async def ask() -> str:
        async with httpx.AsyncClient(transport=record(path)) as client, anyio.create_task_group() as tasks:
            stream = g4flite.stream("llamacpp", "Hi", base_url=f"{server.url}/v1", client=client, retries=0)

            async def leave() -> None:
                while not (stream.partial or (silence and server.exchanges)):  # noqa: ASYNC110 - no event says so
                    await anyio.sleep(0.001)
                tasks.cancel_scope.cancel()

            tasks.start_soon(leave)
            async with stream:
                async for _ in stream:
                    pass
        return stream.partial

    assert anyio.run(ask, backend=backend) == ("" if silence else "Hi")
    assert path.read_text().endswith(" left\n")
    assert ("\n< " in path.read_text()) is not bool(silence)
    (replayed,) = read(Driver(backend), replay(path), server.url, {})
    assert replayed.error.startswith("NotRecorded: the reader of the recorded reply left here")


def test_no_connection_is_recorded_too(driver: Driver, server: Emulator, path: Path) -> None:
    server.close()
    recorded = read(driver, record(path), server.url, {})
    assert recorded[0].error.startswith("ConnectError: llamacpp: could not connect to 127.0.0.1")
    assert read(driver, replay(path), server.url, {}) == recorded


def test_no_tls_is_recorded_too(driver: Driver, server: Emulator, path: Path) -> None:
    url = server.url.replace("http:", "https:")
    recorded = read(driver, record(path), url, {})
    assert recorded[0].error.startswith("TLSError: ")
    assert read(driver, replay(path), url, {}) == recorded


@pytest.mark.parametrize("script", [Script(silence=60), Script(wait=60, body=2 * (SSE % b"Hi"), split=len(SSE))])
def test_the_timer_that_was_over_is_named(script: Script, driver: Driver, server: Emulator, path: Path) -> None:
    server.script = script
    recorded = read(driver, record(path), server.url, {"timeout": 0.3})
    assert recorded[0].error.startswith("TotalTimeoutError: ")
    assert read(driver, replay(path), server.url, {"timeout": 30}) == recorded
    with pytest.raises(httpx.ReadTimeout, match="total: not complete after"):
        httpx.Client(transport=replay(path)).post(f"{server.url}/v1/chat/completions", json=asked_of(path))


def test_a_connection_that_was_too_slow_is_replayed_as_one(driver: Driver, path: Path) -> None:
    def slow(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectTimeout("too slow", request=request)

    recorded = read(driver, record(path, httpx.MockTransport(slow)), "http://127.0.0.1:1", {})
    assert recorded[0].error.startswith("ConnectTimeoutError: ")
    assert read(driver, replay(path), "http://127.0.0.1:1", {}) == recorded


def test_another_transport_than_httpx_s_own(driver: Driver, path: Path) -> None:
    """It says nothing of a network, so that an end is an end."""

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["accept-encoding"] == "identity"
        return httpx.Response(200, content=SSE % b"Hi", headers={"content-length": "9999"})

    recorded = read(driver, record(path, httpx.MockTransport(answer)), "http://127.0.0.1:1", {"provider": OPEN})
    assert recorded[0].partial == "Hi"
    assert read(driver, replay(path), "http://127.0.0.1:1", {"provider": OPEN}) == recorded


def test_a_transport_of_the_wrong_colour_is_refused(path: Path) -> None:
    with (
        httpx.Client(transport=record(path, httpx.AsyncHTTPTransport(verify=unused_context()))) as client,
        pytest.raises(TypeError, match=r"an httpx\.Client needs an httpx\.BaseTransport"),
    ):
        client.get("http://127.0.0.1:1")

    async def aget() -> None:
        async with httpx.AsyncClient(transport=record(path, httpx.HTTPTransport(verify=unused_context()))) as client:
            await client.get("http://127.0.0.1:1")

    with pytest.raises(TypeError, match=r"an httpx\.AsyncClient needs an httpx\.AsyncBaseTransport"):
        anyio.run(aget)
    assert not path.exists()


# Secrets


def test_no_secret_is_on_file_wherever_it_was_said(driver: Driver, server: Emulator, path: Path) -> None:
    own, cookie, password, query, field = "hunter2hunter2", "c00kiec00kie", "p4ssw0rd", "qu3ry-k3y", "f13ld-f13ld-f13ld"
    said = [KEY, own, cookie, password, query, field, f"Bearer {KEY}", KEY.replace("/", "\\/"), quote(KEY, safe="")]
    server.script = Script(
        status=401,
        body=f"{' '.join(said)} {KEY[:9]}... {KEY[:-3]}",
        split=7,
        headers={"set-cookie": f"session={cookie}", "x-session-id": cookie, "x-said": own, "x-ratelimit-tokens": "9"},
    )
    url = f"http://me:{password}@{server.host}:{server.port}/v1?api_key={query}&alt=sse"
    headers = {"x-api-key": KEY, "x-own": own, "cookie": f"a=1; session={cookie}", "anthropic-version": "2023-06-01"}
    json_body = {"max_tokens": 5, "token": field, "list": [{"password": field}, "kept", None], "text": f"say {KEY}"}

    def ask(transport: Any) -> Any:
        if driver.name == "sync":
            with httpx.Client(transport=transport) as client:
                return client.post(url, json=json_body, headers=headers).text

        async def aask() -> Any:
            async with httpx.AsyncClient(transport=transport) as client:
                return (await client.post(url, json=json_body, headers=headers)).text

        return driver.run(aask)

    recorded, replayed = ask(record(path)), ask(replay(path))
    text = path.read_text()
    for secret in (*said, base64.b64encode(f"me:{password}".encode()).decode(), KEY[:8], "set-cookie"):
        assert secret not in text + replayed
    assert len(replayed) == len(recorded)
    assert "> POST http://127.0.0.1" in text
    assert "/v1?api_key=***&alt=sse" in text
    assert '"token":"***","list":[{"password":"***"},"kept",null],"text":"say ***' in text
    assert {"< x-session-id: ***", f"< x-said: {'*' * len(own)}", "< x-ratelimit-tokens: 9"} <= set(text.splitlines())


@pytest.mark.parametrize("coding", ["gzip", "br"])
def test_a_compressed_reply_hides_no_key(coding: str, server: Emulator, path: Path) -> None:
    server.script = Script(body=gzip.compress(f"wrong key: {KEY}".encode()), headers={"content-encoding": coding})
    with (
        httpx.Client(transport=record(path)) as client,
        client.stream("POST", server.url, json={}, headers={"x-api-key": KEY}) as response,
    ):
        assert b"".join(response.iter_raw())
    with httpx.Client(transport=replay(path)) as client:
        text = client.post(server.url, json={}).text
    assert text == ("wrong key: " + "*" * len(KEY) if coding == "gzip" else "")


def test_an_error_quotes_no_key(driver: Driver, server: Emulator, path: Path) -> None:
    server.script = Script(raw=b"HTTP/1.1 200 OK\r\n" + KEY.encode() + b"\r\n\r\n")
    recorded = read(driver, record(path), server.url, {})
    assert recorded[0].error.startswith("MalformedReplyError")
    assert KEY not in path.read_text() + recorded[0].error
    assert (
        fault_of(g4flite.IdleTimeoutError(f"{KEY} idle"), POST, (KEY.encode(),))
        == f"ReadTimeout: {'*' * len(KEY)} idle"
    )
    assert fault_of(g4flite.ConnectTimeoutError("connect"), POST, ()) == "ConnectTimeout: connect"
    assert fault_of(httpx.LocalProtocolError(f"Illegal header value {KEY!r}"), POST, ()) == "LocalProtocolError: "


def test_what_is_no_json_is_not_kept(path: Path) -> None:
    def ask(transport: Any) -> list[str]:
        with httpx.Client(transport=transport) as client:
            return [
                client.request(method, "http://h.test/a?b=1", content=body).text
                for method, body in [("POST", b"key=value"), ("POST", b"[1]"), ("GET", b""), ("POST", b'"\\ud800"')]
            ]

    answers = iter("abcd")
    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=iter([b"", next(answers).encode()])))
    assert ask(record(path, transport)) == ask(replay(path)) == [*"abcd"]
    assert "key=value" not in path.read_text()


# Speed and time-outs


class Time:
    """A clock that stands until somebody sleeps."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


SLOW = """
> GET http://h.test/
< 1.000 - 200
2.500 one
4.000 two
= 4.500 end
"""


@pytest.mark.parametrize(("speed", "times"), [(1, [1, 2.5, 4, 4.5]), (2, [0.5, 1.25, 2, 2.25]), (math.inf, [0] * 4)])
def test_a_replay_keeps_time(speed: float, times: list[float], path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path, SLOW)
    clock, seen = Time(), []
    monkeypatch.setattr(_replay, "time", clock)
    with (
        httpx.Client(transport=replay(path, speed=speed)) as client,
        client.stream("GET", "http://h.test/") as response,
    ):
        seen.append(clock.now)
        for piece in response.iter_raw():
            assert piece in (b"one", b"two")
            seen.append(clock.now)
    assert [*seen, clock.now] == pytest.approx(times)


def test_a_pause_longer_than_the_time_out_of_httpx_is_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path, SLOW)
    clock = Time()
    monkeypatch.setattr(_replay, "time", clock)
    with (
        httpx.Client(transport=replay(path, speed=1), timeout=1.2) as client,
        pytest.raises(httpx.ReadTimeout, match="the recording pauses for longer"),
    ):
        client.get("http://h.test/")
    assert clock.now == pytest.approx(2.2)
    with httpx.Client(transport=replay(path, speed=1), timeout=None) as client:
        assert client.get("http://h.test/").text == "onetwo"


@pytest.mark.parametrize(
    ("timeout", "error"),
    [
        (g4flite.Timeout(first_token=0.05), "FirstTokenTimeoutError"),
        (g4flite.Timeout(idle=0.05), "IdleTimeoutError"),
        (g4flite.Timeout(total=0.1), "TotalTimeoutError"),
    ],
)
def test_the_timers_of_a_stream_end_a_replay(timeout: Any, error: str, driver: Driver, path: Path) -> None:
    """A ping that comes every 20 ms is no text, and holds none of them: they are as exact as over a socket."""
    opened = 30.0 if "First" in error else 0.0
    pings = "".join(f"{opened + n / 50:.3f} : ping\\n\\n\n" for n in range(1, 500))
    text = escaped(SSE % b"Hi")
    asked = '> POST http://h.test/v1/chat/completions\n> {"messages":0,"model":0,"stream":0,"stream_options":0}\n'
    write(path, f"{asked}< {opened} - 200\n{opened} {text}\n{pings}= 99 end\n")
    (seen,) = read(driver, replay(path, speed=1), "http://127.0.0.1:1", {"provider": OPEN, "timeout": timeout})
    assert seen.error.startswith(error)


# The file


@given(st.binary())
def test_any_bytes_are_one_line_of_text(data: bytes) -> None:
    line = escaped(data)
    assert line.isprintable()
    assert line == line.rstrip()
    assert unescaped(line) == data


def test_a_file_that_git_or_an_editor_has_changed_is_read(path: Path) -> None:
    write(path, SLOW.replace("\n", "\r\n").replace("> GET", "# a note of my own\r\n> GET"))
    with httpx.Client(transport=replay(str(path))) as client:
        assert client.get("http://h.test/").text == "onetwo"


@pytest.mark.parametrize(
    "line",
    ["GET http://h.test/", "> GET", "1.000 one two", "> GET http://h.test/\n> {", "> GET http://h.test/\n< soon - 200",
     "> GET http://h.test/\n< 1 - 200\n< x", "> GET http://h.test/\n= 1 NoError: x", "> GET http://h.test/\n1 \\q",
     "> GET http://h.test/\n1 \\"],
)  # fmt: skip
def test_a_file_that_is_no_recording_is_refused_by_its_line(line: str, path: Path) -> None:
    write(path, f"# one\n{line}")
    number, last = len(line.splitlines()) + 1, line.splitlines()[-1]
    with pytest.raises(ValueError, match="^.*one.txt: line ") as caught:
        replay(path)
    assert f"line {number} is not that of a recording: {last!r}; record the whole file anew with record(" in str(
        caught.value
    )


def test_a_request_that_was_not_recorded_is_told_what_is_on_file(driver: Driver, server: Emulator, path: Path) -> None:
    with pytest.raises(
        NotRecorded, match=r"there is no recording .*one\.txt; record the whole file anew with record\('"
    ):
        replay(path)
    read(driver, record(path), server.url, {}, {})
    shape = "POST /v1/chat/completions (messages, model, stream, stream_options)"
    first, *_, other, last = read(driver, replay(path), server.url, {"temperature": 1}, {}, {}, {})
    assert first.error.startswith(
        f"NotRecorded: asked for {shape[:-1]}, temperature); of 2 recorded in {path}, left: {shape}; "
        f"record the whole file anew with record('{path}') in place of replay, or with pytest --g4flite-record"
    )
    assert (other.error, other.partial) == ("", "You said: Hi")
    assert f"asked for {shape}; of 2 recorded in {path}, left: nothing;" in last.error


@pytest.mark.parametrize("speed", [0, -1, math.nan])
def test_a_speed_is_positive(speed: float, path: Path) -> None:
    with pytest.raises(ValueError, match="speed is 1 for that of the recording, 2 for twice as fast, inf for at once"):
        replay(path, speed=speed)


def test_a_response_knows_that_there_is_no_socket(server: Emulator, path: Path) -> None:
    server.keys = False
    for transport in (record, replay):
        with httpx.Client(transport=transport(path)) as client:
            response = client.get(f"{server.url}/v1/models")
        assert (response.http_version, response.reason_phrase) == ("HTTP/1.1", "OK")
    assert response.extensions["network_stream"].get_extra_info("socket") is None


def test_a_closed_reply_is_over(path: Path) -> None:
    write(path, SLOW)
    stream: Any = replay(path).handle_request(httpx.Request("GET", "http://h.test/")).stream
    stream.close()
    assert list(stream) == []


# pytest


def test_the_fixtures_are_names_of_the_module_and_nothing_else_is() -> None:
    with pytest.raises(AttributeError, match="no attribute 'reply'"):
        testing.reply  # type: ignore[attr-defined]  # noqa: B018


TEST = """
import httpx
import {package} as package

def test_sky(recorded):
    with httpx.Client(transport=recorded("sky")) as client:
        stream = package.stream("llamacpp", "Why?", base_url="{url}/v1", client=client, api_key="none")
        assert stream.text() == "You said: Why?"

def test_emulator(emulator):
    assert type(emulator).__module__ == "{package}.testing.emulator"
    assert package.stream("cromicle", "Hi", base_url=emulator.url).text() == "You said: Hi"
"""


def test_pytest_finds_the_fixtures_by_itself(pytester: pytest.Pytester, server: Emulator) -> None:
    """By the entry point as setup.cfg has it, and beside it by the older address."""
    config = ConfigParser()
    config.read(Path(__file__).parents[2] / "setup.cfg")
    points = config["options.entry_points"]
    info = pytester.mkdir("of_setup_cfg.dist-info")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: of_setup_cfg\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[pytest11]{points['pytest11']}\n")
    pytester.syspathinsert()
    pytester.makepyfile(test_sky=TEST.format(package="g4flite", url=server.url))
    arguments = ("-p", "no:cacheprovider", "-p", "no:randomly")
    missing = pytester.runpytest_inprocess(*arguments)
    missing.assert_outcomes(passed=1, failed=1)
    missing.stdout.fnmatch_lines("*NotRecorded: there is no recording *recordings/sky.txt*pytest --g4flite-record*")
    pytester.makeconftest('pytest_plugins = ["g4flite.testing.plugin"]')
    pytester.runpytest_inprocess("--g4flite-record", *arguments).assert_outcomes(passed=2)
    assert (pytester.path / "recordings" / "sky.txt").read_text().startswith("# A recording")
    server.close()
    pytester.runpytest_inprocess(*arguments).assert_outcomes(passed=2)


SHARED = """
import httpx
import pytest
import g4flite

@pytest.mark.parametrize("fruit", ["apples", "pears"])
def test_fruit(recorded, fruit):
    with httpx.Client(transport=recorded("fruit")) as client:
        stream = g4flite.stream("llamacpp", fruit, base_url="{url}/v1", client=client, api_key="none", retries=0)
        assert stream.text() == f"You said: {{fruit}}"
"""


def test_tests_that_name_the_same_recording_share_it(pytester: pytest.Pytester, server: Emulator) -> None:
    pytester.makeconftest('pytest_plugins = ["g4flite.testing.plugin"]')
    pytester.makepyfile(test_fruit=SHARED.format(url=server.url))
    arguments = ("-p", "no:cacheprovider", "-p", "no:randomly")
    pytester.runpytest_inprocess("--g4flite-record", *arguments).assert_outcomes(passed=2)
    server.close()
    pytester.runpytest_inprocess(*arguments).assert_outcomes(passed=2)
    recording = pytester.path / "recordings" / "fruit.txt"
    before = recording.read_text()
    assert before.count("\n> POST ") == 2
    pytester.runpytest_inprocess("--g4flite-record", *arguments).assert_outcomes(failed=2)
    assert recording.read_text() == before
    pytester.runpytest_inprocess(*arguments).assert_outcomes(passed=2)


def test_a_vendored_copy_brings_fixtures_of_its_own(
    pytester: pytest.Pytester, server: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = Path(g4flite.__file__).parent
    shutil.copytree(package, pytester.path / "myapp" / "_vendor" / "llm_stream", ignore=shutil.ignore_patterns("__py*"))
    pytester.makeconftest('pytest_plugins = ["myapp._vendor.llm_stream.testing.plugin"]')
    pytester.makepyfile(test_sky=TEST.format(package="myapp._vendor.llm_stream", url=server.url))
    pytester.syspathinsert()
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    arguments = ("-p", "no:cacheprovider", "--g4flite-record")
    pytester.runpytest_inprocess("-p", "g4flite.testing.plugin", *arguments).assert_outcomes(passed=2)
    assert (pytester.path / "recordings" / "sky.txt").read_text().startswith("# A recording")
