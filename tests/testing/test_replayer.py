"""`replay()`: the same bytes in the same pieces, with the same end and at the same times, each reply once."""

import gzip
import json
import math
from pathlib import Path
from typing import Any

import httpx
import pytest

import g4flite
from g4flite.testing import Emulator, NotRecorded, Problem, Script, record, replay, replayer
from g4flite.testing.recording import escaped, unescaped
from tests.conftest import Driver
from tests.testing.recordings import KEY, OPEN, SLOW, SSE, post, read, write

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
    response, pieces = post(driver, record(path), server.url, json={"a": 1})
    replayed, same = post(driver, replay(path), "http://elsewhere.test", json={"a": 1})
    assert (replayed.headers.raw, same) == (response.headers.raw, pieces)
    assert b"".join(pieces) == body
    assert len(pieces) > 9


# Which reply answers a request


@pytest.mark.parametrize("name", ["cromicle", "free2gpt", "gprochat", "flowgpt"])
def test_a_request_with_another_signature_is_answered(name: str, driver: Driver, server: Emulator, path: Path) -> None:
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


def test_a_prompt_that_was_recorded_gets_its_own_answer_in_any_order(
    driver: Driver, server: Emulator, path: Path
) -> None:
    calls = [{"messages": "One"}, {"messages": "Two"}, {"messages": "One"}]
    read(driver, record(path), server.url, *calls)
    replayed = read(driver, replay(path), server.url, *calls[1:], {"messages": "Three"})
    assert [one.partial for one in replayed] == ["You said: Two", "You said: One", "You said: One"]


def test_a_request_that_was_not_recorded_is_told_what_the_file_holds(
    driver: Driver, server: Emulator, path: Path
) -> None:
    with pytest.raises(
        NotRecorded, match=r"there is no recording .*one\.txt; to record the whole file anew, use record\('"
    ):
        replay(path)
    read(driver, record(path), server.url, {}, {})
    shape = "POST /v1/chat/completions (messages, model, stream, stream_options)"
    first, *_, other, last = read(driver, replay(path), server.url, {"temperature": 1}, {}, {}, {})
    assert first.error.startswith(
        f"NotRecorded: asked for {shape[:-1]}, temperature); of the 2 replies in {path}, these are left: {shape}; "
        f"to record the whole file anew, use record('{path}') instead of replay, or pytest --g4flite-record if "
    )
    assert (other.error, other.partial) == ("", "You said: Hi")
    assert f"asked for {shape}; of the 2 replies in {path}, these are left: nothing;" in last.error


# What came in place of a response, and what a response knows of its network


def test_a_connection_that_was_refused_is_replayed(driver: Driver, server: Emulator, path: Path) -> None:
    server.close()
    recorded = read(driver, record(path), server.url, {})
    assert recorded[0].error.startswith("ConnectError: llamacpp: could not connect to 127.0.0.1")
    assert read(driver, replay(path), server.url, {}) == recorded


def test_a_tls_handshake_that_failed_is_replayed(driver: Driver, server: Emulator, path: Path) -> None:
    url = server.url.replace("http:", "https:")
    recorded = read(driver, record(path), url, {})
    assert recorded[0].error.startswith("TLSError: ")
    assert read(driver, replay(path), url, {}) == recorded


def test_a_connection_that_was_too_slow_is_replayed(driver: Driver, path: Path) -> None:
    def slow(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectTimeout("too slow", request=request)

    recorded = read(driver, record(path, httpx.MockTransport(slow)), "http://127.0.0.1:1", {})
    assert recorded[0].error.startswith("ConnectTimeoutError: ")
    assert read(driver, replay(path), "http://127.0.0.1:1", {}) == recorded


@pytest.mark.parametrize("script", [Script(silence=60), Script(wait=60, body=2 * (SSE % b"Hi"), split=len(SSE))])
def test_a_total_that_was_over_is_replayed_to_a_stream_and_to_httpx(
    script: Script, driver: Driver, server: Emulator, path: Path
) -> None:
    server.script = script
    recorded = read(driver, record(path), server.url, {"timeout": 0.3})
    assert recorded[0].error.startswith("TotalTimeoutError: ")
    assert read(driver, replay(path), server.url, {"timeout": 30}) == recorded
    body = json.loads(unescaped(path.read_text().splitlines()[3].removeprefix("> ")))
    with pytest.raises(httpx.ReadTimeout, match="total: not complete after"):
        post(driver, replay(path), f"{server.url}/v1/chat/completions", json=body)


def test_a_response_has_the_recorded_version_and_no_socket(driver: Driver, server: Emulator, path: Path) -> None:
    for transport in (record, replay):
        response, _ = post(driver, transport(path), f"{server.url}/nowhere")
        assert (response.http_version, response.status_code, response.reason_phrase) == ("HTTP/1.1", 404, "Not Found")
    assert response.extensions["network_stream"].get_extra_info("socket") is None


def test_a_reply_that_was_closed_is_over(path: Path) -> None:
    write(path, SLOW)
    stream: Any = replay(path).handle_request(httpx.Request("GET", "http://h.test/")).stream
    stream.close()
    assert list(stream) == []


# Speed and time-outs


class Time:
    """A clock that stands until somebody sleeps."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(("speed", "times"), [(1, [1, 2.5, 4, 4.5]), (2, [0.5, 1.25, 2, 2.25]), (math.inf, [0] * 4)])
def test_a_replay_keeps_time(speed: float, times: list[float], path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path, SLOW)
    clock, seen = Time(), []
    monkeypatch.setattr(replayer, "time", clock)
    with (
        httpx.Client(transport=replay(path, speed=speed)) as client,
        client.stream("GET", "http://h.test/") as response,
    ):
        seen.append(clock.now)
        for piece in response.iter_raw():
            assert piece in (b"one", b"two")
            seen.append(clock.now)
    assert [*seen, clock.now] == pytest.approx(times)


@pytest.mark.parametrize("speed", [0, -1, math.nan])
def test_a_speed_that_is_not_positive_is_refused(speed: float, path: Path) -> None:
    with pytest.raises(ValueError, match="speed is 1 for the recording's own, 2 for twice as fast, inf for no pauses"):
        replay(path, speed=speed)


def test_a_pause_longer_than_the_time_out_of_an_httpx_client_is_its_error(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(path, SLOW)
    clock = Time()
    monkeypatch.setattr(replayer, "time", clock)
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
def test_the_timers_of_a_stream_end_a_replay_whose_pings_go_on(
    timeout: Any, error: str, driver: Driver, path: Path
) -> None:
    """A ping every 20 ms is not text, and so holds no timer back, over a socket or here."""
    opened = 30.0 if "First" in error else 0.0
    pings = "".join(f"{opened + n / 50:.3f} : ping\\n\\n\n" for n in range(1, 500))
    text = escaped(SSE % b"Hi")
    asked = '> POST http://h.test/v1/chat/completions\n> {"messages":0,"model":0,"stream":0,"stream_options":0}\n'
    write(path, f"{asked}< {opened} - 200\n{opened} {text}\n{pings}= 99 end\n")
    (seen,) = read(driver, replay(path, speed=1), "http://127.0.0.1:1", {"provider": OPEN, "timeout": timeout})
    assert seen.error.startswith(error)
