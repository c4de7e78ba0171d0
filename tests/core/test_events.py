"""What a stream makes of its events: their order, its timers and retries, and when its answer is complete."""

import dataclasses
import json
import threading
import time
from contextlib import nullcontext
from itertools import repeat
from typing import Any

import pytest

import g4flite
from g4flite import Finish, Reasoning, Start, ToolCall, ToolCallDelta, TurnState, Usage, providers
from g4flite.testing import Emulator, Problem, Script
from tests.clock import Clock
from tests.conftest import Driver

FINISH = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
USAGE = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}}


@pytest.fixture(autouse=True)
def _keyless(server: Emulator) -> None:
    server.keys = False


def ask(server: Emulator, **more: Any) -> dict[str, Any]:
    return {"model": "m", "base_url": f"{server.url}/v1", **more}


def text(content: str) -> dict[str, Any]:
    return {"id": "c1", "model": "m-1", "choices": [{"index": 0, "delta": {"content": content}}]}


def wire(*chunks: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks)


def script(body: bytes, **more: Any) -> Script:
    return Script(body=body, headers={"content-type": "text/event-stream"}, **more)


def test_text_reasoning_and_tool_calls_come_in_the_order_of_the_reply(driver: Driver, server: Emulator) -> None:
    server.reply = lambda messages: [Reasoning("hm"), "a", "b", ToolCall("id-1", "now", "{}")]
    server.script = Script(dialect="vllm")
    items = driver.events("vllm", "Hi", **ask(server))
    assert items[1:5] == [Reasoning("hm"), "a", "b", ToolCallDelta(0, "id-1", "now", "{}")]
    state = TurnState({"type": "reasoning_field", "name": "reasoning"})
    assert items[5:8] == [ToolCall("id-1", "now", "{}"), state, Finish("tool_calls", "tool_calls")]
    assert [type(item) for item in (items[0], *items[8:])] == [Start, Usage]
    stream = driver.stream
    assert (stream.partial, stream.reasoning, stream.finish_reason) == ("ab", "hm", "tool_calls")
    assert (stream.native_finish_reason, stream.response_model) == ("tool_calls", "m")
    assert isinstance(stream.response_id, str)
    assert stream.headers["Content-Type"].startswith("text/event-stream")
    assert stream.usage == items[-1]
    assert stream.attempts[0].outcome == "complete"


def test_the_fields_of_a_stream_are_none_or_empty_before_the_stream_is_read(server: Emulator) -> None:
    stream = g4flite.stream("llamacpp", "Hi", **ask(server))
    told = (stream.finish_reason, stream.native_finish_reason, stream.usage, stream.response_id, stream.response_model)
    assert told == (None,) * 5
    assert (stream.reasoning, stream.tool_calls, stream.headers) == ("", (), {})


def test_the_events_of_a_stream_cannot_be_read_after_its_text(driver: Driver, server: Emulator) -> None:
    assert driver.collect("llamacpp", "Hi", **ask(server))
    with pytest.raises(g4flite.StreamConsumed):
        if driver.name == "sync":
            iter(driver.stream.events())
        else:
            aiter(driver.stream.events())


def test_leaving_the_events_early_closes_the_connection(driver: Driver, server: Emulator) -> None:
    server.reply = lambda messages: repeat("word ")
    stream = g4flite.stream("llamacpp", "Hi", **ask(server))
    if driver.name == "sync":
        for event in stream.events():
            if isinstance(event, str):
                break
    else:

        async def leave() -> None:
            async with stream:
                async for event in stream.events():
                    if isinstance(event, str):
                        break

        driver.run(leave)
    assert server.exchanges[-1].disconnected.wait(10)
    assert stream.attempts[0].outcome == "closed"


@pytest.mark.parametrize("reset", [False, True])
def test_an_answer_is_complete_if_the_connection_breaks_after_the_finish_reason(
    reset: bool, driver: Driver, server: Emulator
) -> None:
    body = wire(text("a"), FINISH, USAGE)
    server.script = script(body, cut=len(body), reset=reset, split=50, wait=0.01)
    assert driver.collect("llamacpp", "Hi", **ask(server)) == ["a"]
    assert driver.stream.finish_reason == "stop"
    assert driver.stream.attempts[0].outcome == "complete"


def test_an_answer_is_truncated_if_the_connection_breaks_before_the_finish_reason(
    driver: Driver, server: Emulator
) -> None:
    body = wire(text("a"), USAGE)
    server.script = script(body, cut=len(body))
    with pytest.raises(g4flite.TruncatedStreamError) as caught:
        driver.collect("llamacpp", "Hi", **ask(server))
    assert caught.value.partial == "a"
    assert driver.stream.usage is not None


def test_behind_the_finish_reason_the_timer_idle_goes_on(driver: Driver, server: Emulator) -> None:
    head = wire(text("a"), FINISH)
    server.script = script(head + wire(text("b")) + b"data: [DONE]\n\n", split=(len(head),), wait=0.3)
    assert driver.collect("llamacpp", "Hi", timeout=30, **ask(server)) == ["a", "b"]
    server.script = script(head + wire(USAGE), split=(len(head),), wait=30)
    timeout = g4flite.Timeout(first_token=20, idle=0.2)
    began = time.monotonic()
    assert driver.read(g4flite.stream("llamacpp", "Hi", timeout=timeout, retries=0, **ask(server))) == ["a"]
    assert time.monotonic() - began < 10
    # The usage was lost; that takes nothing from the answer.
    assert (driver.stream.usage, driver.stream.finish_reason) == (None, "stop")
    assert driver.stream.attempts[0].outcome == "complete"


@pytest.mark.parametrize("finished", [True, False])
def test_an_answer_with_its_finish_reason_is_complete_if_total_ends_in_the_caller_s_loop(
    finished: bool, driver: Driver, server: Emulator
) -> None:
    head = wire(text("a"), FINISH) if finished else wire(text("a"))
    server.script = script(head + wire(FINISH, USAGE), split=(len(head),), wait=20)
    stream = g4flite.stream("llamacpp", "Hi", timeout=30, retries=0, **ask(server))
    clock = stream._run.timers._clock = Clock()

    def read() -> None:
        for item in stream.events():
            if isinstance(item, str):
                clock.now += 60

    async def aread() -> None:
        async with stream:
            async for item in stream.events():
                if isinstance(item, str):
                    clock.now += 60

    with nullcontext() if finished else pytest.raises(g4flite.TotalTimeoutError):
        read() if driver.name == "sync" else driver.run(aread)
    assert stream.partial == "a"
    assert stream.finish_reason == ("stop" if finished else None)


def test_usage_is_read_if_it_comes_a_little_after_the_finish_reason(driver: Driver, server: Emulator) -> None:
    head = wire(text("a"), FINISH)
    server.script = script(head + wire(USAGE), split=(len(head),), wait=0.2)
    assert driver.collect("llamacpp", "Hi", **ask(server)) == ["a"]
    assert driver.stream.usage == Usage(3, 5, None, 8, raw=USAGE["usage"])  # type: ignore[arg-type]


def test_close_from_another_thread_after_the_finish_reason_raises_stream_closed_error(server: Emulator) -> None:
    head = wire(text("a"), FINISH)
    server.script = script(head + wire(USAGE), split=(len(head),), wait=60)
    stream = g4flite.stream("llamacpp", "Hi", **ask(server))
    reading = iter(stream.events())
    while next(reading) != "a":
        pass
    closer = threading.Timer(0.1, stream.close)
    closer.start()
    with pytest.raises(g4flite.StreamClosedError):
        next(reading)
    closer.join()


def test_reasoning_counts_as_text_for_the_timers(driver: Driver, server: Emulator) -> None:
    server.reply = lambda messages: [*map(Reasoning, "abcdef"), "g"]
    server.script = Script(wait=0.02, dialect="vllm")
    timeout = g4flite.Timeout(first_token=30, idle=30)
    stream = g4flite.stream("vllm", "Hi", timeout=timeout, retries=0, **ask(server))
    clock = stream._run.timers._clock = Clock()

    def read() -> None:
        for event in stream.events():
            clock.now += 20 if isinstance(event, Reasoning) else 0

    async def aread() -> None:
        async with stream:
            async for event in stream.events():
                clock.now += 20 if isinstance(event, Reasoning) else 0

    read() if driver.name == "sync" else driver.run(aread)
    assert (stream.partial, stream.reasoning) == ("g", "abcdef")


def test_a_passing_error_before_any_content_is_retried(driver: Driver, server: Emulator) -> None:
    replies = iter([[Problem("overloaded")], ["a"]])
    server.reply = lambda messages: next(replies)
    retries = g4flite.Retry(times=1, base=0)
    call = {"model": "m", "base_url": server.url, "api_key": "sk-test-1"}
    # Anthropic's first event counts tokens already; that is no content.
    items = driver.events("anthropic", "Hi", retries=retries, **call)
    assert [item for item in items if isinstance(item, str)] == ["a"]
    assert len([item for item in items if isinstance(item, Start)]) == 1
    assert [attempt.outcome.partition(":")[0] for attempt in driver.stream.attempts] == ["OverloadedError", "complete"]


@pytest.mark.parametrize("first", [Reasoning("hm"), ToolCall("", "now", '{"zone": "UTC"}'), "a"])
def test_no_error_after_content_is_retried(first: Any, driver: Driver, server: Emulator) -> None:
    server.reply = lambda messages: [first, Problem("overloaded")]
    server.script = Script(dialect="vllm")
    with pytest.raises(g4flite.OverloadedError) as caught:
        driver.events("vllm", "Hi", retries=g4flite.Retry(times=1, base=0), **ask(server))
    assert caught.value.partial == ("a" if first == "a" else "")
    assert len(driver.stream.attempts) == len(server.exchanges) == 1


def test_a_reply_without_text_and_finish_reason_is_an_empty_reply_error(driver: Driver, server: Emulator) -> None:
    server.script = script(b"data: [DONE]\n\n")
    with pytest.raises(g4flite.EmptyReplyError):
        driver.collect("llamacpp", "Hi", retries=g4flite.Retry(times=1, base=0), **ask(server))
    assert len(server.exchanges) == 2


def test_an_empty_answer_with_a_finish_reason_is_complete(driver: Driver, server: Emulator) -> None:
    server.reply = lambda messages: [Finish("length")]
    items = driver.events("llamacpp", "Hi", **ask(server))
    assert [type(item) for item in items] == [Start, Finish, Usage]
    assert driver.stream.finish_reason == "length"


def test_the_next_provider_is_asked_if_a_content_filter_kept_the_whole_answer_back(
    driver: Driver, server: Emulator
) -> None:
    replies = iter([[Finish("content_filter")], ["a"]])
    server.reply = lambda messages: next(replies)
    assert driver.collect(["llamacpp", "vllm"], "Hi", **ask(server)) == ["a"]
    assert driver.stream.attempts[0].outcome.startswith("ContentFilterError: a content filter kept the whole answer")
    server.reply = lambda messages: ["b", Finish("content_filter")]
    assert driver.collect("llamacpp", "Hi", **ask(server)) == ["b"]
    assert driver.stream.finish_reason == "content_filter"


def test_an_empty_answer_is_complete_if_the_service_hangs_after_the_finish_reason(
    driver: Driver, server: Emulator
) -> None:
    server.script = script(wire(FINISH) + wire(USAGE), split=(len(wire(FINISH)),), wait=30)
    began = time.monotonic()
    timeout = g4flite.Timeout(first_token=0.3)
    assert driver.collect("llamacpp", "Hi", timeout=timeout, **ask(server)) == []
    assert time.monotonic() - began < 10
    assert driver.stream.finish_reason == "stop"


@pytest.mark.parametrize("name", ["llamacpp", "openai", "openai-responses", "anthropic", "cohere"])
def test_a_json_body_in_place_of_events_is_an_error(name: str, server: Emulator) -> None:
    error = {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}
    key = None if name == "llamacpp" else "sk-test-1"
    for value, expected in ((error, g4flite.AuthenticationError), ({"choices": []}, g4flite.MalformedReplyError)):
        server.script = Script(body=json.dumps(value), headers={"content-type": "application/json"})
        with pytest.raises(expected):
            g4flite.stream(name, "Hi", **ask(server, api_key=key)).text()
    assert len(server.exchanges) == 2


@pytest.mark.parametrize("echo", [
    '{"error": {"message": "%s bad key KEY"}}' % ("x" * 180), "x" * 170 + " KEY", '{"error": {"message": "bad KEY"}}',
])  # fmt: skip
@pytest.mark.parametrize("status", [200, 401])
@pytest.mark.parametrize("header", ["authorization", "x-acme"])
def test_a_key_that_the_service_repeats_is_redacted_even_if_the_quotation_ends_inside_the_key(
    echo: str, status: int, header: str, server: Emulator
) -> None:
    key = "sk-SECRETSECRETSECRETSECRETSECRET1234"
    mine = dataclasses.replace(providers.OPENAI, name="mine", headers={header: "{api_key}"})
    body = f"data: {echo}\n\n" if status == 200 else echo.rjust(2048)
    server.script = Script(status=status, body=body.replace("KEY", key), headers={"content-type": "text/event-stream"})
    with pytest.raises(g4flite.G4fliteError) as caught:
        g4flite.stream(mine, "Hi", **ask(server, api_key=key)).text()
    error = caught.value
    assert "sk-SEC" not in f"{error!r} {error} {getattr(error, 'body', '')}"


def test_a_key_is_redacted_if_the_kept_part_of_the_body_ends_inside_the_key(server: Emulator) -> None:
    key = "sk-SECRETSECRETSECRETSECRETSECRET1234"
    start = '{"error": {"message": "invalid api key", "seen": "'
    server.script = script(f'data: {start.ljust(2030, "x")}{key}"}}}}\n\n'.encode())
    with pytest.raises(g4flite.AuthenticationError) as caught:
        g4flite.stream("llamacpp", "Hi", **ask(server, api_key=key)).text()
    assert len(caught.value.body) > 2000
    assert caught.value.body.endswith("x***")


def test_usages_with_equal_counts_have_equal_hashes() -> None:
    assert len({g4flite.Usage(1, 2, raw={"a": 1}), g4flite.Usage(1, 2, raw={"a": 1})}) == 1


def test_usages_that_differ_in_one_count_have_different_hashes() -> None:
    counts = [g4flite.Usage(1, 2, 3, 4), *(g4flite.Usage(*(n + (n == m) for n in range(1, 5))) for m in range(1, 5))]
    assert len({hash(usage) for usage in counts}) == 5
