"""g4flite reads llama.cpp's server over the three protocols that it speaks: Chat Completions, Responses and Messages.

The answers are known: the server's grammar lets its model say "Sunny." and nothing else (see `tiny_model.py`).
"""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

import g4flite
from g4flite import Reasoning, Start
from tests.conftest import Driver

from .conftest import KEY

# For each provider that can ask this server: what follows the server's URL, and how a key is given.  Over Messages the
# server, like vLLM, wants a bearer key.
BEARER = {"headers": {"authorization": f"Bearer {KEY}"}, "api_key": "unused"}
WIRES: dict[str, tuple[str, dict[str, Any]]] = {
    "llamacpp": ("/v1", {"api_key": KEY}),
    "vllm": ("/v1", {"api_key": KEY}),
    "openai": ("/v1", {"api_key": KEY}),
    "openai-responses": ("/v1", {"api_key": KEY}),
    "anthropic": ("", BEARER),
}
CHAT = ("llamacpp", "vllm", "openai")
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "of a city",
        "parameters": {"type": "object", "properties": {"city": {"enum": ["Oslo"]}}, "required": ["city"]},
    },
}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}

wires = pytest.mark.parametrize("wire", WIRES)


@pytest.fixture
def ask(driver: Driver, llamacpp: str) -> Callable[..., list[Any]]:
    """Return a function that asks over a wire and returns all events; `driver.stream` is the stream."""

    def events(wire: str, messages: Any = "Is it sunny?", url: str = llamacpp, **options: Any) -> list[Any]:
        path, key = WIRES[wire]
        return driver.events(
            wire, messages, base_url=url + path, **{"model": "tiny", "max_tokens": 999, **key, **options}
        )

    return events


def text_of(events: list[Any]) -> str:
    return "".join(event for event in events if isinstance(event, str))


@wires
def test_text_reasoning_finish_reason_and_usage(wire: str, ask: Callable[..., list[Any]], driver: Driver) -> None:
    events = ask(wire)
    stream = driver.stream
    assert text_of(events) == stream.partial == "Sunny."
    assert (stream.reasoning, stream.finish_reason) == ("Hm.", "stop")
    # One token a character, one each for the two tags, and one for the end.
    assert stream.usage is not None
    assert (stream.usage.prompt_tokens, stream.usage.completion_tokens) == (31, 12)
    assert stream.usage.total_tokens == 43
    # The text comes while it is made.
    assert len([event for event in events if isinstance(event, str)]) == 6
    assert isinstance(events[0], Start)
    assert len([event for event in events if isinstance(event, Reasoning)]) == 3
    assert stream.response_id


@wires
def test_the_model_is_named(wire: str, ask: Callable[..., list[Any]], driver: Driver) -> None:
    ask(wire)
    # Responses names the model in its last event alone.
    assert driver.stream.response_model == "tiny"


@pytest.mark.parametrize("wire", [*CHAT, "anthropic"])
def test_a_limit_of_tokens_is_the_finish_reason_length(
    wire: str, ask: Callable[..., list[Any]], driver: Driver
) -> None:
    assert text_of(ask(wire, max_tokens=8)) == "Sun"
    assert driver.stream.finish_reason == "length"
    assert driver.stream.usage is not None
    assert driver.stream.usage.completion_tokens == 8


def test_over_responses_the_server_says_completed_also_after_a_limit(
    ask: Callable[..., list[Any]], driver: Driver
) -> None:
    assert text_of(ask("openai-responses", max_tokens=8)) == "Sun"
    assert (driver.stream.finish_reason, driver.stream.native_finish_reason) == ("stop", "completed")


@wires
def test_a_tool_is_called(wire: str, ask: Callable[..., list[Any]], driver: Driver) -> None:
    ask(wire, tools=[TOOL], tool_choice="required")
    (call,) = driver.stream.tool_calls
    assert (call.name, json.loads(call.arguments)) == ("weather", {"city": "Oslo"})
    assert call.id
    assert driver.stream.finish_reason == "tool_calls"


@wires
def test_the_result_of_a_tool_is_taken(wire: str, ask: Callable[..., list[Any]]) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "And in Oslo?"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "Sun"},
    ]
    assert text_of(ask(wire, messages)) == "Sunny."


@pytest.mark.parametrize("wire", CHAT)
def test_a_schema_is_kept_to(wire: str, ask: Callable[..., list[Any]]) -> None:
    schema = TOOL["function"]["parameters"]
    form = {"type": "json_schema", "json_schema": {"name": "place", "schema": schema, "strict": True}}
    assert json.loads(text_of(ask(wire, response_format=form))) == {"city": "Oslo"}


@pytest.mark.parametrize("wire", CHAT)
def test_a_field_of_the_server_s_own_is_sent(wire: str, ask: Callable[..., list[Any]]) -> None:
    assert text_of(ask(wire, extra={"grammar": 'root ::= "Grüße, 世界 🌍"'})) == "Grüße, 世界 🌍"


# What the server refuses


@wires
def test_a_conversation_that_is_too_long(wire: str, ask: Callable[..., list[Any]]) -> None:
    with pytest.raises(g4flite.ContextLengthError, match="exceeds the available context size") as caught:
        ask(wire, "x " * 20_000)
    assert caught.value.status == 400


@wires
def test_a_wrong_key(wire: str, ask: Callable[..., list[Any]], endless: str) -> None:
    wrong = "sk-wrong-and-never-to-be-shown"
    headers = {"headers": {"authorization": f"Bearer {wrong}"}} if wire == "anthropic" else {}
    with pytest.raises(g4flite.AuthenticationError, match="Invalid API Key") as caught:
        ask(wire, url=endless, **{"api_key": wrong, **headers})
    assert wrong not in str(caught.value)


def test_a_wrong_base_url(ask: Callable[..., list[Any]], llamacpp: str) -> None:
    with pytest.raises(g4flite.NotFoundError, match="File Not Found"):
        ask("llamacpp", url=f"{llamacpp}/v2")


def test_an_image_is_not_asked_for_thrice(ask: Callable[..., list[Any]], driver: Driver) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    with pytest.raises(g4flite.StatusError, match="image input is not supported"):
        ask("llamacpp", [{"role": "user", "content": [image]}], retries=g4flite.Retry(times=2, cap=0))
    assert len(driver.stream.attempts) == 1


# Leaving early, and many calls


def wait_until(condition: Callable[[], bool]) -> bool:
    """Return whether the condition came true, within a minute: this machine may be busy."""
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture(scope="module")
def server(endless: str) -> Iterator[httpx.Client]:
    """Return a client for what the endless server tells of itself."""
    with httpx.Client(base_url=endless, headers={"authorization": f"Bearer {KEY}"}, trust_env=False) as client:
        yield client


def is_idle(server: httpx.Client) -> bool:
    return not any(slot["is_processing"] for slot in server.get("/slots").json())


def tokens_made(server: httpx.Client) -> int:
    lines = server.get("/metrics").text.splitlines()
    (line,) = [line for line in lines if line.startswith("llamacpp:tokens_predicted_total ")]
    return int(float(line.split()[1]))


@wires
def test_the_server_stops_when_the_reader_leaves(wire: str, driver: Driver, endless: str, server: httpx.Client) -> None:
    path, key = WIRES[wire]
    assert wait_until(lambda: is_idle(server))
    before = tokens_made(server)
    chunks = driver.collect(wire, "Sing.", model="tiny", base_url=endless + path, max_tokens=30_000, limit=5, **key)
    assert "".join(chunks) == "la la"
    assert wait_until(lambda: is_idle(server))
    # Of all tokens, which take seconds, the server made as many as it could before it noticed.
    assert tokens_made(server) - before < 30_000


# The server announces `Keep-Alive: timeout=5`, and closes the connection 0.1 ms after a streamed reply.
CALLS = 600


def failures_of(driver: Driver, url: str, **settings: Any) -> list[g4flite.G4fliteError]:
    """Return the errors of `CALLS` calls, one after the other, over one `Client`; nothing is retried."""
    failures: list[g4flite.G4fliteError] = []
    client = g4flite.Client("llamacpp", base_url=f"{url}/v1", retries=0, **settings)

    async def acalls() -> None:
        async with client:
            for _ in range(CALLS):
                try:
                    assert await client.stream("Is it sunny?").atext() == "Sunny."
                except g4flite.G4fliteError as error:
                    failures.append(error)

    def calls() -> None:
        with client:
            for _ in range(CALLS):
                try:
                    assert client.stream("Is it sunny?").text() == "Sunny."
                except g4flite.G4fliteError as error:
                    failures.append(error)

    calls() if driver.name == "sync" else driver.run(acalls)
    return failures


def test_every_call_over_one_client_succeeds(driver: Driver, llamacpp: str) -> None:
    failures = failures_of(driver, llamacpp)
    assert not failures, f"{len(failures)} of {CALLS} failed, the first: {failures[0]}"
