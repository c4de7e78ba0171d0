"""Attempts of an exchange over real sockets: retries, the next provider, the end of a reply, and `total` over all."""

import dataclasses
import time
from typing import Any

import pytest

import g4flite
from g4flite import Timeout
from g4flite._core.events import Finish, Usage
from g4flite._core.response.framing import Lines
from g4flite._core.response.parsers import FrameParser, Items
from g4flite._core.response.repeats import Tell, fields
from g4flite._core.response.service_errors import reported
from g4flite._core.transport import driver as driver_module
from g4flite.testing import Emulator, Script
from tests.acme import ACME, MARKED
from tests.clock import Clock
from tests.conftest import Driver
from tests.exchanges import answering
from tests.splits import TEXT


def test_a_failure_is_raised_at_once_if_total_would_end_during_the_wait_for_a_retry(
    driver: Driver, server: Emulator
) -> None:
    """The failure itself is raised, not a timeout at the end of `total`."""
    server.script = Script(status=503, headers={"retry-after": "50"})
    start = time.monotonic()
    with pytest.raises(g4flite.StatusError):
        driver.collect("cromicle", "Hi", base_url=server.url, timeout=20, retries=9)
    assert time.monotonic() - start < 10
    assert [attempt.outcome[:15] for attempt in driver.stream.attempts] == ["StatusError: st"]


def test_a_failure_before_the_first_text_is_retried(driver: Driver, server: Emulator) -> None:
    busy = Script(status=503, headers={"retry-after": "0"})
    answering(server, Script(raw=b"", reset=True), busy, Script(body="hello"))
    assert driver.collect("free2gpt", "Hi", base_url=server.url, retries=g4flite.Retry(base=0)) == ["hello"]
    outcomes = [attempt.outcome.split(":")[0] for attempt in driver.stream.attempts]
    assert outcomes == ["TransportError", "StatusError", "complete"]


def test_no_failure_after_the_first_text_is_retried(driver: Driver, server: Emulator) -> None:
    server.script = Script(body=TEXT, cut=5, split=1)
    with pytest.raises(g4flite.TruncatedStreamError):
        driver.collect(["cromicle", "free2gpt"], "Hi", base_url=server.url, retries=5)
    assert len(server.exchanges) == 1


def test_the_next_provider_answers_if_a_provider_fails(driver: Driver, server: Emulator) -> None:
    server.script = Script(body="I am acme")
    dead = g4flite.Client("gprochat", base_url="http://127.0.0.1:1", retries=0)
    listed = [dead, MARKED, "cromicle"]
    start = time.monotonic()
    chunks = driver.collect(listed, "Hi", base_url=server.url)
    driver.close(dead)
    assert "".join(chunks) == "I am acme"
    assert [(a.provider, a.outcome.split(":")[0]) for a in driver.stream.attempts] == [
        ("gprochat", "ConnectError"),
        ("marked", "TruncatedStreamError"),
        ("cromicle", "complete"),
    ]
    assert 0 < sum(attempt.seconds for attempt in driver.stream.attempts) <= time.monotonic() - start
    assert driver.stream.provider == "cromicle"


def test_a_client_in_a_list_keeps_its_settings(driver: Driver, server: Emulator) -> None:
    server.script = Script(silence=30)
    patient = g4flite.Client("cromicle", base_url=server.url, timeout=Timeout(first_token=0.1), retries=1)
    start = time.monotonic()
    with pytest.raises(g4flite.FirstTokenTimeoutError):
        driver.read(g4flite.stream([patient], "Hi"))
    assert time.monotonic() - start < 10
    assert len(driver.stream.attempts) == 2
    with pytest.raises(g4flite.TotalTimeoutError):
        driver.read(g4flite.stream([patient], "Hi", timeout=0.2, retries=0))
    for settings in ({"base_url": server.url}, {"proxy": "http://127.0.0.1:1"}):
        with pytest.raises(g4flite.OptionError, match="are settings of the Client; set them there"):
            g4flite.stream(patient, "Hi", **settings)  # type: ignore[arg-type]
    driver.close(patient)


def test_a_stream_waits_no_longer_than_a_second_for_the_body_of_an_error(driver: Driver, server: Emulator) -> None:
    # The head and the first three bytes are sent in one packet, so that none of them comes late.
    head = b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 7\r\n\r\nbec"
    server.script = Script(raw=head + b"ause", split=(len(head),), wait=30)
    start = time.monotonic()
    with pytest.raises(g4flite.RateLimitError, match="'bec'"):
        driver.collect("cromicle", "Hi", base_url=server.url)
    assert 1 <= time.monotonic() - start < 10


def test_a_content_encoding_that_the_request_did_not_offer_is_malformed(driver: Driver, server: Emulator) -> None:
    server.script = Script(body=b"\x0b\x02\x80hello\x03", headers={"content-encoding": "br"})
    with pytest.raises(g4flite.MalformedReplyError, match="compressed with br, which the request did not offer"):
        driver.collect("cromicle", "Hi", base_url=server.url)
    server.script = Script(status=500, body=b"\x0b\x02\x80hello\x03", headers={"content-encoding": "br"})
    with pytest.raises(g4flite.StatusError, match="status 500"):
        driver.collect("cromicle", "Hi", base_url=server.url)


@pytest.mark.parametrize(
    ("offers", "sent"),
    [
        ("gzip, deflate, br, zstd", "gzip, deflate"),
        ("br;q=1.0, GZIP;q=0.5", "GZIP;q=0.5"),
        ("identity", "identity"),
        ("br, *", "identity"),
    ],
)
def test_the_caller_s_client_offers_no_compression_that_is_not_bounded_here(
    offers: str, sent: str, driver: Driver, server: Emulator
) -> None:
    """httpx undoes br and zstd if their packages are installed: 33 kB to 2 GiB, and half a br body without an error."""
    headers = {"content-encoding": "br", "connection": "close"}
    server.script = Script(body=b"\x0b\x02\x80hello\x03", headers=headers)
    client: Any = driver.client(headers={"accept-encoding": offers})
    with pytest.raises(g4flite.MalformedReplyError, match="compressed with br, which the request did not offer"):
        driver.collect("cromicle", "Hi", base_url=server.url, client=client)
    assert ("accept-encoding", sent) in [(name.lower(), value) for name, value in server.exchanges[0].headers]
    driver.close(client)


def test_a_content_encoding_that_names_none_is_no_compression(driver: Driver, server: Emulator) -> None:
    for coding in ("none", "identity", "None, identity"):
        server.script = Script(body="plain", headers={"content-encoding": coding})
        assert driver.collect("cromicle", "Hi", base_url=server.url) == ["plain"]


def test_a_provider_without_the_model_is_skipped(driver: Driver, server: Emulator) -> None:
    chunks = driver.collect(["cromicle", "free2gpt", "gprochat"], "Hi", base_url=server.url, model="gemini-1.5-flash")
    assert "".join(chunks) == "You said: Hi"
    assert driver.stream.provider == "free2gpt"
    assert len(server.exchanges) == 1
    with pytest.raises(g4flite.ModelNotFoundError) as caught:
        g4flite.stream(["cromicle", "gprochat"], "Hi", base_url=server.url, model="gpt-9")
    assert "cromicle: there is no model 'gpt-9'" in str(caught.value)
    assert "gprochat: there is no model 'gpt-9'" in str(caught.value)
    with pytest.raises(g4flite.ProviderNotFoundError, match="there are no providers in the list"):
        g4flite.stream([], "Hi")


@pytest.mark.parametrize("rest", [b"", b'{"usage": 1}\n' * 50])
def test_the_end_marker_gives_the_connection_back_to_the_pool(
    rest: bytes, driver: Driver, server: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Seconds: the server may be late.
    monkeypatch.setattr(driver_module, "LINGER", 30.0)
    marker = b'{"text": "a"}\n{"done": true}\n'
    server.script = Script(body=marker + rest, split=(len(marker),))
    client: Any = driver.client()

    async def work() -> None:
        async with client:
            for _ in range(3):
                await g4flite.stream(MARKED, "Hi", base_url=server.url, client=client).atext()

    if driver.name == "sync":
        with client:
            for _ in range(3):
                g4flite.stream(MARKED, "Hi", base_url=server.url, client=client).text()
    else:
        driver.run(work)
    assert server.connections == 1


def test_a_stream_does_not_wait_for_bytes_after_the_end_marker(driver: Driver) -> None:
    marker = b'{"text": "a"}\n{"done": true}\n'
    with Emulator(script=Script(body=marker + b"\n", split=(len(marker),), wait=30)) as server:
        start = time.monotonic()
        assert driver.collect(MARKED, "Hi", base_url=server.url) == ["a"]
        assert time.monotonic() - start < 10


def test_the_time_that_the_caller_s_loop_takes_does_not_count_as_idle(server: Emulator) -> None:
    server.script = Script(split=3, wait=0.01)
    stream = g4flite.stream("cromicle", "Hi", base_url=server.url, timeout=Timeout(idle=30))
    clock = stream._run.timers._clock = Clock()
    for _ in stream:
        # The caller's loop takes this time.
        clock.now += 60
    assert stream.partial == "You said: Hi"


def test_total_ends_a_reply_whose_text_drips(driver: Driver) -> None:
    with Emulator(script=Script(body="x" * 1500, split=1, wait=0.02)) as server:
        start = time.monotonic()
        with pytest.raises(g4flite.TotalTimeoutError, match="cromicle: total: not complete after 0.4 s") as caught:
            driver.collect("cromicle", "Hi", base_url=server.url, timeout=0.4)
        assert 0.4 <= time.monotonic() - start < 10
    assert caught.value.partial == "".join(driver.chunks)


class FinishReader:
    """Reads lines that hold a finish reason and a number of tokens, or a text, or an error."""

    done, roles, told = False, fields(), dict[type, Tell]()
    names = ()

    def read(self, name: str, frame: dict[str, Any]) -> Items:
        if reason := frame.get("finish"):
            return (Finish(reason), Usage(total_tokens=frame["tokens"]))
        return (frame.get("text"), reported(frame))

    def end(self, *, marked: bool) -> Items:
        return ()


FINISHING = dataclasses.replace(
    ACME, name="finishing", parser=lambda limit: FrameParser(Lines(limit), FinishReader(), "a line")
)


def test_the_finish_reason_of_a_failed_attempt_does_not_complete_a_later_attempt(
    driver: Driver, server: Emulator
) -> None:
    """Otherwise a cut in the later attempt would count as the end of the answer."""
    failed = b'{"finish": "error", "tokens": 7}\n{"error": {"code": 503}}\n'
    begun = b'{"text": "half an ans"}\n'
    answering(server, Script(body=failed), Script(body=begun * 2, cut=len(begun), split=(len(begun),)))
    with pytest.raises(g4flite.TruncatedStreamError) as caught:
        driver.collect(FINISHING, "Hi", base_url=server.url, retries=g4flite.Retry(base=0))
    assert len(server.exchanges) == 2
    assert caught.value.partial == "half an ans"
    assert (driver.stream.finish_reason, driver.stream.usage) == (None, None)


@pytest.mark.parametrize("made", [None, 5, ACME])
def test_a_provider_that_makes_no_parser_is_refused(driver: Driver, server: Emulator, made: Any) -> None:
    spec, server.script = dataclasses.replace(ACME, parser=lambda limit: made), Script(body="Hello")
    with pytest.raises(g4flite.SpecError) as caught:
        driver.collect(spec, "Hi", base_url=server.url)
    said = f"parser returned a {type(made).__name__}; it must return an object with feed and close"
    assert (str(caught.value), len(server.exchanges)) == (f"acme: {said}", 1)
