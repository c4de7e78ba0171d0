"""What a call sets aside of a key's budget, and what it is charged with."""

from __future__ import annotations

import queue
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest

from g4flite import Client, Ledger, Price
from g4flite._core import ledger
from g4flite.apps.gateway import call as call_module
from g4flite.apps.gateway.asgi import Gateway
from g4flite.testing import Emulator, Script
from tests.rows import rows

from .gateways import WIRES, client, routes, served
from .test_gateway import Keys

JSON = dict[str, Any]
TEXT = "word " * 4000


class Place:
    """A gateway whose tokens cost a dollar each, but for those of the model "own", whose price nobody knows."""

    def __init__(self, service: Emulator, keys: Keys, url: str, log: queue.Queue[JSON]) -> None:
        self.service, self.keys, self.url, self.log = service, keys, url, log

    def ask(self, path: str, body: JSON, timeout: float = 30.0) -> tuple[float | None, float]:
        """Return what a call has set aside, and what it is charged with, in tokens."""
        before = len(self.keys.settled)
        with suppress(httpx.ReadTimeout):
            httpx.post(self.url + path, json=body, timeout=timeout, headers={"x-api-key": "sk-anna"})
        self.line = self.log.get(timeout=10)
        assert len(self.keys.settled) == before + 1
        assert self.line["charged"] == self.keys.settled[-1][1]
        return self.keys.reserved[-1][1], self.keys.settled[-1][1]


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    def cost(asked: Any, prompt: int, answer: int, *_: int) -> float | None:
        return None if asked.model == "own" else prompt + answer

    monkeypatch.setattr(call_module, "listed_cost", cost)
    monkeypatch.setattr(call_module, "LEDGER", Ledger({"m": Price(1e6, 1e6)}))
    log: queue.Queue[JSON] = queue.Queue()
    with Emulator() as service:
        known = routes(service, retries=0)
        absent = Client("openai", base_url="http://127.0.0.1:9/v1", model="m", api_key="k", retries=0)
        known["both"] = [absent, client("ollama", service, model="own", retries=0)]
        with served(Gateway(known, keys=(keys := Keys()), log=log.put)) as url:
            yield Place(service, keys, url, log)


@rows(("wire", "more", "tokens"), [
    ("chat", {}, 4096), ("chat", {"max_tokens": 10}, 10), ("chat", {"max_tokens": 10, "max_completion_tokens": 20}, 20),
    ("chat", {"max_tokens": 10, "n": 5}, 50), ("responses", {"max_output_tokens": 30}, 30),
    ("gemini", {"generationConfig": {"maxOutputTokens": 7, "candidateCount": 3}}, 21),
    ("ollama", {"options": {"num_predict": 40}}, 40), ("ollama", {"options": {"num_predict": -1}}, 4096),
    # More than any model writes, and than the file of keys can hold.
    ("chat", {"max_tokens": 10**30, "n": 10**30}, 10**7),
])  # fmt: skip
def test_as_many_tokens_are_set_aside_as_a_service_may_write(wire: str, more: JSON, tokens: int, place: Place) -> None:
    names = {"chat": "openai", "responses": "openai-responses"}
    name = names.get(wire, wire)
    held, _ = place.ask(WIRES[wire].url("", name), WIRES[wire].question(name, "Hi", **more))
    assert held is not None
    # The prompt is "Hi", and what stands around each message.
    assert held - tokens == 5


def test_the_prompt_of_a_request_that_only_the_service_can_read_is_set_aside_as_well(place: Place) -> None:
    messages = [{"role": "user", "content": TEXT}, {"role": "narrator", "content": "x"}]
    held, charged = place.ask("/v1/chat/completions", {"model": "openai", "messages": messages, "max_tokens": 1})
    assert held is not None
    assert held > len(TEXT) / 4
    # The emulator has refused it.
    assert charged == 0


@rows("wire", ["chat", "anthropic"])
def test_a_call_that_is_left_before_its_first_text_is_charged_with_what_was_set_aside(wire: str, place: Place) -> None:
    place.service.script = Script(silence=5)
    for stream in (True, False):
        body = WIRES[wire].question("openai", TEXT, stream=stream, max_tokens=9)
        held, charged = place.ask(WIRES[wire].path, body, timeout=0.5)
        assert (place.line["outcome"], place.line["cost"]) == ("left", None)
        assert charged == held
        assert charged > len(TEXT) / 4


def test_a_call_whose_price_nobody_knows_is_charged_with_what_was_set_aside(place: Place) -> None:
    body = WIRES["chat"].question("both", "Hi", max_tokens=9)
    assert place.ask("/v1/chat/completions", body) == (14, 14)
    assert (place.line["provider_model"], place.line["cost"]) == ("own", None)
    place.service.script = Script(problem="overloaded")
    # One is not there, and the other has refused it.
    assert place.ask("/v1/chat/completions", body) == (14, 0)


def test_a_call_whose_price_is_known_is_charged_with_what_it_has_cost(place: Place) -> None:
    body = WIRES["chat"].question("openai", "Hi", max_tokens=9)
    assert place.ask("/v1/chat/completions", body) == (14, 4)


def test_prices_that_cannot_be_read_are_unknown(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # A package that is there, and that cannot be imported.
    monkeypatch.setattr(ledger, "find_spec", lambda _: True)
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    log: queue.Queue[JSON] = queue.Queue()
    keys = Keys()
    with Emulator() as service, served(Gateway(routes(service), keys=keys, log=log.put)) as url:
        body, key = WIRES["chat"].question("openai", "Hello"), {"x-api-key": "sk-anna"}
        response = httpx.post(f"{url}/v1/chat/completions", json=body, headers=key)
        line = log.get(timeout=10)
    assert WIRES["chat"].said(response.text) == "You said: Hello"
    assert (line["tokens"], line["completion_tokens"], line["cost"]) == ("counted", 3, None)
    # A key with a budget is refused by the keys for such a call.
    assert keys.reserved[-1][1] is None
    # At the start, for the call, and at its end.
    assert caplog.messages == [call_module.UNPRICED] * 3
