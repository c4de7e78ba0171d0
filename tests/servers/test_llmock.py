"""g4flite reads llmock, a mock server from PyPI that speaks ten services' protocols, and can break its replies."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

import g4flite
from tests.conftest import Driver

# For each provider: what follows the server's URL, and a model that the server knows.
WIRES = {
    "openai": ("/v1", "gpt-4o"),
    "openai-responses": ("/v1", "gpt-4o"),
    "anthropic": ("/anthropic", "claude-sonnet-4-5"),
    "gemini": ("/gemini", "gemini-2.5-flash"),
    "cohere": ("/cohere", "command-r"),
    "groq": ("/groq/openai/v1", "llama-3.3-70b-versatile"),
    "mistral": ("/mistral/v1", "mistral-small-latest"),
    "together": ("/together/v1", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
    "xai": ("/xai/v1", "grok-3"),
}
TEXT = "Sunny in Oslo. Sunny in Bergen."
TOOL = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}

wires = pytest.mark.parametrize("wire", WIRES)


@pytest.fixture(scope="module")
def control(llmock: str) -> Iterator[httpx.Client]:
    """Return a client for the server's own settings."""
    with httpx.Client(base_url=f"{llmock}/_llmock", trust_env=False) as client:
        yield client


@pytest.fixture
def ask(driver: Driver, llmock: str, control: httpx.Client) -> Callable[..., list[Any]]:
    """Return a function that scripts the server's next replies, asks, and returns all events."""

    def events(wire: str, *behaviours: dict[str, Any], **options: Any) -> list[Any]:
        control.post("/reset").raise_for_status()
        control.post("/scenario", json={"behaviors": behaviours}).raise_for_status()
        path, model = WIRES[wire]
        return driver.events(wire, "How is it?", model=model, base_url=llmock + path, api_key="sk-test", **options)

    return events


def fault(kind: str, after: int = 3) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the behaviour of a reply that goes wrong after so many chunks."""
    return {"type": "reply", "text": TEXT}, {"type": "stream_fault", "kind": kind, "after_chunks": after}


@wires
def test_text_and_usage(wire: str, ask: Callable[..., list[Any]], driver: Driver) -> None:
    texts = [event for event in ask(wire, {"type": "reply", "text": TEXT}) if isinstance(event, str)]
    assert "".join(texts) == TEXT
    assert len(texts) == 6
    assert driver.stream.finish_reason == "stop"
    # Unlike the service, it sends Mistral's client no usage that is not asked for.
    if wire != "mistral":
        assert driver.stream.usage is not None
        assert (driver.stream.usage.prompt_tokens, driver.stream.usage.completion_tokens) == (2, 7)


@wires
def test_a_tool_call(wire: str, ask: Callable[..., list[Any]], driver: Driver) -> None:
    called = {"name": "weather", "arguments": {"city": "Oslo"}}
    ask(wire, {"type": "reply", "tool_calls": [called]}, tools=[TOOL])
    (call,) = driver.stream.tool_calls
    assert {"name": call.name, "arguments": json.loads(call.arguments)} == called
    assert driver.stream.finish_reason == "tool_calls"


@wires
def test_too_many_requests_and_the_wait_that_is_asked_for(wire: str, ask: Callable[..., list[Any]]) -> None:
    with pytest.raises(g4flite.RateLimitError) as caught:
        ask(wire, {"type": "fail", "status": 429, "retry_after": 2})
    assert caught.value.retry_after == 2


@wires
def test_a_model_that_is_not_found(wire: str, ask: Callable[..., list[Any]], driver: Driver) -> None:
    """The server knows any model; its error for the status has the form of each service's."""
    with pytest.raises(g4flite.NotFoundError) as caught:
        ask(wire, {"type": "fail", "status": 404}, retries=g4flite.Retry(times=2, cap=0))
    assert caught.value.status == 404
    assert len(driver.stream.attempts) == 1


def test_a_failure_that_passes_is_not_noticed(ask: Callable[..., list[Any]], driver: Driver) -> None:
    # The server asks for a wait of one second.
    ask("openai", {"type": "fail", "status": 503, "times": 1}, {"type": "reply", "text": TEXT}, retries=1)
    assert driver.stream.partial == TEXT
    assert len(driver.stream.attempts) == 2


@wires
@pytest.mark.parametrize("kind", ["disconnect", "truncate"])
def test_a_reply_that_is_cut_off(wire: str, kind: str, ask: Callable[..., list[Any]]) -> None:
    with pytest.raises(g4flite.TruncatedStreamError) as caught:
        ask(wire, *fault(kind))
    assert TEXT.startswith(caught.value.partial)
    assert caught.value.partial != TEXT


@wires
def test_a_chunk_that_is_no_json(wire: str, ask: Callable[..., list[Any]]) -> None:
    with pytest.raises(g4flite.MalformedReplyError) as caught:
        # The fourth event of Responses holds nothing of the answer, and is passed over.
        ask(wire, *fault("malformed", after=5 if wire == "openai-responses" else 3))
    assert TEXT.startswith(caught.value.partial)


def test_a_chunk_that_is_no_json_costs_nothing_if_it_is_not_the_answer(
    ask: Callable[..., list[Any]], driver: Driver
) -> None:
    ask("openai-responses", *fault("malformed"))
    assert driver.stream.partial == TEXT


def test_a_reply_that_stalls(ask: Callable[..., list[Any]]) -> None:
    with pytest.raises(g4flite.IdleTimeoutError) as caught:
        ask("openai", *fault("stall"), timeout=g4flite.Timeout(idle=0.5))
    assert TEXT.startswith(caught.value.partial)
