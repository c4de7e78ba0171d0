"""g4flite reads aimock, a mock server from npm that speaks six protocols.

What it says stands in `FIXTURES`, by what the user's message holds.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import g4flite
from tests.conftest import Driver

from .processes import listening

# For each provider: what follows the server's URL.
WIRES = {"openai": "/v1", "openai-responses": "/v1", "anthropic": "", "gemini": "", "ollama": "", "cohere": ""}
ERROR = {"message": "Slow down", "type": "rate_limit_error", "code": "rate_limit_exceeded"}
FIXTURES = [
    {"match": {"userMessage": "Hi"}, "response": {"content": "Hello from aimock, word by word."}},
    {"match": {"userMessage": "Only", "model": "m"}, "response": {"content": "It is me."}},
    {
        "match": {"userMessage": "weather"},
        "response": {"toolCalls": [{"name": "weather", "arguments": '{"city":"Oslo"}'}]},
    },
    {
        "match": {"userMessage": "both"},
        "response": {
            "toolCalls": [
                {"name": "weather", "arguments": '{"city":"Oslo"}'},
                {"name": "weather", "arguments": '{"city":"Bergen"}'},
            ]
        },
    },
    {"match": {"userMessage": "think"}, "response": {"content": "Sunny.", "reasoning": "Let me think."}},
    {"match": {"userMessage": "fail"}, "response": {"error": ERROR, "status": 429}},
    {
        "match": {"userMessage": "cut"},
        "response": {"content": "This one will be cut off in the middle of it."},
        "truncateAfterChunks": 3,
    },
]
TOOL = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}

wires = pytest.mark.parametrize("wire", WIRES)


@pytest.fixture(scope="module")
def url(aimock: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of a server with these fixtures."""
    folder = tmp_path_factory.mktemp("aimock")
    (folder / "fixtures").mkdir()
    (folder / "fixtures" / "all.json").write_text(json.dumps({"fixtures": FIXTURES}))
    # Five characters a chunk, and milliseconds between chunks: without a pause, it sends nothing of what it cuts off.
    settings = {"llm": {"fixtures": str(folder / "fixtures"), "chunkSize": 5, "latency": 5}}
    (folder / "aimock.json").write_text(json.dumps(settings))
    with listening(aimock, "--config", folder / "aimock.json", "--port", "0", log=folder / "log") as address:
        yield address


@pytest.fixture
def ask(driver: Driver, url: str) -> Callable[..., list[Any]]:
    """Return a function that asks over a wire and returns all events; `driver.stream` is the stream."""

    def events(wire: str, message: str, **options: Any) -> list[Any]:
        key = None if wire == "ollama" else "sk-test"
        return driver.events(wire, message, base_url=url + WIRES[wire], api_key=key, **{"model": "m", **options})

    return events


@wires
def test_text(wire: str, ask: Callable[..., list[Any]], driver: Driver) -> None:
    texts = [event for event in ask(wire, "Hi") if isinstance(event, str)]
    assert "".join(texts) == "Hello from aimock, word by word."
    assert len(texts) == 7
    assert (driver.stream.finish_reason, driver.stream.tool_calls) == ("stop", ())


@wires
@pytest.mark.parametrize(("message", "cities"), [("weather", ["Oslo"]), ("both", ["Oslo", "Bergen"])])
def test_tool_calls(wire: str, message: str, cities: list[str], ask: Callable[..., list[Any]], driver: Driver) -> None:
    ask(wire, message, tools=[TOOL])
    calls = driver.stream.tool_calls
    assert [(call.name, json.loads(call.arguments)) for call in calls] == [
        ("weather", {"city": city}) for city in cities
    ]
    assert len({call.id for call in calls}) == len(cities)
    assert driver.stream.finish_reason == "tool_calls"


@pytest.mark.parametrize("wire", ["openai", "openai-responses", "anthropic", "gemini"])
def test_reasoning(wire: str, ask: Callable[..., list[Any]], driver: Driver) -> None:
    ask(wire, "think")
    assert (driver.stream.partial, driver.stream.reasoning) == ("Sunny.", "Let me think.")


@wires
def test_too_many_requests(wire: str, ask: Callable[..., list[Any]]) -> None:
    with pytest.raises(g4flite.RateLimitError, match="Slow down") as caught:
        ask(wire, "fail")
    assert caught.value.status == 429


@wires
def test_a_reply_that_is_cut_off(wire: str, ask: Callable[..., list[Any]], driver: Driver) -> None:
    with pytest.raises(g4flite.TruncatedStreamError) as caught:
        ask(wire, "cut")
    # The third chunk is text over some protocols only.
    assert "This one will".startswith(caught.value.partial)


@wires
def test_a_model_that_it_does_not_know(wire: str, ask: Callable[..., list[Any]], driver: Driver) -> None:
    """The server knows an answer of the model `m` alone; its words are "No fixture matched", whatever was wrong."""
    ask(wire, "Only")
    assert driver.stream.partial == "It is me."
    with pytest.raises(g4flite.NotFoundError) as caught:
        ask(wire, "Only", model="no-such-model", retries=g4flite.Retry(times=2, cap=0))
    assert caught.value.status == 404
    assert len(driver.stream.attempts) == 1


@wires
def test_a_message_that_it_does_not_know(wire: str, ask: Callable[..., list[Any]]) -> None:
    with pytest.raises(g4flite.NotFoundError):
        ask(wire, "what else?")
