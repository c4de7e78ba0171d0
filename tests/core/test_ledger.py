"""The tokens and the cost of streams: which number is counted, estimated or unknown."""

import gc
import sys
import threading
from decimal import Decimal
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import g4flite
from g4flite import Finish, Price, Start, ToolCall, Usage
from g4flite._core import ledger as ledger_module
from g4flite._core.ledger import Figure, Ledger, Sums
from g4flite._core.observed import ObservedAttempt, ObservedCall, ObservedEnd
from g4flite.testing import Emulator, Script
from tests.conftest import Driver
from tests.core.test_observed import AT_ONCE, SLOW, Noted, ask
from tests.exchanges import answering
from tests.rows import rows

CALL = ObservedCall(1, "openai", "m", "https://a.test", {}, ({"role": "user", "content": "12345678"},))
DONE = ObservedEnd(
    "complete", None, "openai", "m", 1, 1.0, 0.5, "12345", "", (), Start(), None, Finish("stop"), "https://a.test", 200,
    None,
)  # fmt: skip
COUNTED = Usage(prompt_tokens=100, completion_tokens=10)


def end(**fields: Any) -> ObservedEnd:
    return DONE._replace(**fields)


def failed(error: BaseException, **fields: Any) -> ObservedEnd:
    return end(**{"state": "failed", "error": error, "first": None, "text": "", **fields})


# What is told, and the tokens of the prompt and of the answer.
KNOWN: list[tuple[str, ObservedEnd, Any, Any]] = [
    ("counted", end(usage=COUNTED), (100, "counted"), (10, "counted")),
    ("complete, not counted", end(), (2, "estimated"), (2, "estimated")),
    ("left, not counted", end(state="closed"), (2, "estimated"), (2, "estimated")),
    ("left, counted at the start", end(state="closed", usage=Usage(100, 1)), (100, "counted"), (2, "estimated")),
    ("left, counted behind", end(state="closed", usage=Usage(100, 50)), (100, "counted"), (50, "estimated")),
    ("reasoning and a tool call", end(reasoning="1234", tool_calls=(ToolCall("c", "now", '{"a":1}'),)),
     (2, "estimated"), (6, "estimated")),
    ("complete without content", end(first=None, text=""), (2, "estimated"), (0, "estimated")),
    ("an image", end(text="", finish=None), (2, "estimated"), (None, "unknown")),
    ("an image, not counted", end(text=""), (2, "estimated"), (None, "unknown")),
    ("an image that nobody asked for", failed(g4flite.EmptyReplyError("x"), first=0.5, usage=Usage(100, 900)),
     (100, "counted"), (900, "estimated")),
    ("half a tool call, counted at the start", end(state="closed", text="", finish=None, usage=Usage(100, 1)),
     (100, "counted"), (None, "unknown")),
    ("not kept", end(text=None, reasoning=None), (2, "estimated"), (None, "unknown")),
    ("not kept, counted", end(text=None, reasoning=None, usage=COUNTED), (100, "counted"), (10, "counted")),
    ("refused", failed(g4flite.RateLimitError("x")), (0, "estimated"), (0, "estimated")),
    ("not connected", failed(g4flite.ConnectError("x")), (0, "estimated"), (0, "estimated")),
    ("silent", failed(g4flite.FirstTokenTimeoutError("x")), (2, "estimated"), (None, "unknown")),
    ("cancelled before the first text", end(state="closed", error=KeyboardInterrupt(), first=None, text=""),
     (2, "estimated"), (None, "unknown")),
    ("cancelled before a request", end(state="closed", error=KeyboardInterrupt(), first=None, text="", url=None),
     (0, "estimated"), (0, "estimated")),
    ("refused by all", failed(g4flite.AllFailedError(errors=(g4flite.ConnectError("x"), g4flite.RateLimitError("x")))),
     (0, "estimated"), (0, "estimated")),
    ("silent before it was refused by another", failed(
        g4flite.AllFailedError(errors=(g4flite.FirstTokenTimeoutError("x"), g4flite.RateLimitError("x"))), url=None,
        attempts=2), (2, "estimated"), (None, "unknown")),
    ("empty, and counted", failed(g4flite.EmptyReplyError("x"), usage=COUNTED), (100, "counted"), (10, "estimated")),
    ("cut off early, counted at the start", failed(g4flite.TruncatedStreamError("x"), usage=Usage(9, 1)),
     (9, "counted"), (None, "unknown")),
    ("refused in the middle", failed(g4flite.OverloadedError("x"), first=0.5, text="1234"),
     (2, "estimated"), (1, "estimated")),
]  # fmt: skip


@rows(("name", "told", "prompt", "completion"), KNOWN)
def test_each_number_says_how_it_is_known(name: str, told: ObservedEnd, prompt: Any, completion: Any) -> None:
    entry = Ledger({"m": (1, 1)})._entry(CALL, told)
    assert (entry.prompt_tokens, entry.completion_tokens) == (prompt, completion)
    marks = {prompt[1], completion[1]}
    worst = next(mark for mark in ("unknown", "estimated", "counted") if mark in marks)
    assert entry.cost[1] == worst
    assert (entry.cost[0] is None) == (worst == "unknown")


@rows(
    ("message", "tokens"),
    [
        ({"role": "user", "content": "\u00e9\u00e9\u00e9"}, 2),
        ({"role": "user", "content": [{"type": "text", "text": "12345"}]}, 2),
        ({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a.test"}}]}, None),
        ({"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "now", "arguments": "{}"}}]}, 2),
        ({"role": "assistant", "content": None}, 0),
    ],
)
def test_a_prompt_is_estimated_from_its_text_alone(message: Any, tokens: int | None) -> None:
    entry = Ledger()._entry(CALL._replace(messages=(message,)), end())
    assert entry.prompt_tokens == (tokens, "unknown" if tokens is None else "estimated")


def test_a_prompt_is_estimated_with_its_tools(driver: Driver, server: Emulator) -> None:
    server.script, ledger = SLOW, Ledger()
    tool = {"type": "function", "function": {"name": "now", "description": "t" * 400, "parameters": {}}}
    driver.read(ask(server, ledger, tools=[tool]), limit=1)
    assert 100 < ledger.total.prompt_tokens.estimated < 150
    assert ledger.total.prompt_tokens.unknown == 0


@rows(
    ("price", "cost"),
    [
        ((2, 10), 100 * 2 + 10 * 10),
        (Price(2, 10), 100 * 2 + 10 * 10),
        (Price(2, 10, cached=1), 60 * 2 + 40 * 1 + 10 * 10),
        (Price(2, 10, cached=1, cache_write=3), 30 * 2 + 40 * 1 + 30 * 3 + 10 * 10),
        ((0, 0), 0),
    ],
)
def test_cached_tokens_have_a_price_of_their_own(price: Any, cost: float) -> None:
    told = end(usage=Usage(100, 10, cached_tokens=40, cache_write_tokens=30))
    assert Ledger({"m": price})._entry(CALL, told).cost == (pytest.approx(cost / 1e6), "counted")


def test_the_model_that_answered_is_priced_first_and_a_provider_s_own_before_all() -> None:
    told = end(usage=Usage(1_000_000, 0), start=Start("c", "m-2026"))
    prices: dict[str, Any] = {"m": (1, 0)}
    for name, price in [("openai/m", 2), ("m-2026", 3), ("openai/m-2026", 4)]:
        assert Ledger(prices)._entry(CALL, told).cost[0] == price - 1
        prices[name] = (price, 0)
    assert Ledger(prices)._entry(CALL, told).cost[0] == 4


@rows("wrong", [5, (1,), ("a", 1), (1, -2), (1, float("inf")), (None, 1), (1, 2, 3, 4, 5), {"input": 1}])
def test_prices_that_are_no_numbers_are_refused(wrong: Any) -> None:
    with pytest.raises(g4flite.OptionError, match="'m' must have a Price"):
        Ledger({"m": wrong})


def test_prices_that_are_no_mapping_are_refused() -> None:
    wrong: Any = [("m", (1, 2))]
    with pytest.raises(g4flite.OptionError, match="prices must be a mapping of names of models to prices, not list"):
        Ledger(wrong)


def test_a_model_without_a_price_costs_what_genai_prices_says(monkeypatch: pytest.MonkeyPatch) -> None:
    genai_prices = pytest.importorskip("genai_prices", reason="it needs a newer pydantic than the lowest")
    told = end(model="gpt-4o-mini", usage=Usage(1000, 100))
    usage = genai_prices.Usage(input_tokens=1000, output_tokens=100)
    listed = float(genai_prices.calc_price(usage, "gpt-4o-mini", provider_id="openai").total_price)
    assert listed > 0
    for provider, start in (
        ("openai", Start()),
        ("openai", Start("c", "no-such-model")),
        ("openai-responses", Start()),
    ):
        cost = Ledger()._entry(CALL, told._replace(provider=provider, start=start)).cost
        assert cost == (pytest.approx(listed), "counted")
    assert Ledger()._entry(CALL, end(usage=COUNTED)).cost == (None, "unknown")
    # A price that is another one for a long prompt.
    for tokens in (1000, 300_000):
        usage = genai_prices.Usage(input_tokens=tokens, output_tokens=100)
        listed = float(genai_prices.calc_price(usage, "gemini-2.5-pro", provider_id="google").total_price)
        long = end(provider="gemini", model="gemini-2.5-pro", usage=Usage(tokens, 100))
        assert Ledger()._entry(CALL, long).cost == (pytest.approx(listed), "counted")
    monkeypatch.setattr(ledger_module, "find_spec", lambda name: None)
    assert Ledger()._entry(CALL, told).cost == (None, "unknown")


@rows(
    ("prices", "more", "asked"),
    [
        ({"input_mtok": 2, "output_mtok": 8, "cache_read_mtok": 1, "cache_write_mtok": 4}, 0, 1),
        ({"input_mtok": 2, "output_mtok": 8, "cache_read_mtok": None}, 0, 1),
        # A price of each request, several prices by the length of a prompt, none for an answer, none that is known.
        ({"input_mtok": 2, "output_mtok": 8}, 1, 4),
        ({"input_mtok": [2, 4], "output_mtok": 8}, 0, 4),
        ({"input_mtok": 2, "output_mtok": None}, 0, 4),
        ({}, 0, 4),
    ],
)
def test_genai_prices_is_asked_once_a_second_if_its_prices_are_plain(
    prices: dict[str, Any], more: float, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = list[dict[str, int]]()

    def calc_price(usage: dict[str, int], model: str, provider_id: str) -> Any:
        calls.append(usage)
        plain = usage["input_tokens"] - usage["cache_read_tokens"] - usage["cache_write_tokens"]
        whole = plain * 2 + usage["output_tokens"] * (prices.get("output_mtok") or 0)
        cached = usage["cache_read_tokens"] * (prices.get("cache_read_mtok") or 2)
        written = usage["cache_write_tokens"] * (prices.get("cache_write_mtok") or 2)
        total = Decimal(whole + cached + written) / 1_000_000 + Decimal(more)
        return SimpleNamespace(total_price=total, model_price=SimpleNamespace(**prices))

    package: Any = ModuleType("genai_prices")
    package.Usage, package.calc_price = dict, calc_price
    monkeypatch.setattr(ledger_module, "find_spec", lambda name: True)
    monkeypatch.setitem(sys.modules, "genai_prices", package)
    monkeypatch.setattr(ledger_module, "time", SimpleNamespace(monotonic=lambda: 7.5))
    told = end(model="m", usage=Usage(1000, 100, cached_tokens=10, cache_write_tokens=100))
    for _ in range(3):
        cost, mark = Ledger()._entry(CALL, told).cost
        tokens = {"input_tokens": 1000, "output_tokens": 100, "cache_read_tokens": 10, "cache_write_tokens": 100}
        assert (cost, mark) == (pytest.approx(float(calc_price(tokens, "m", "openai").total_price)), "counted")
        calls.pop()
    assert len(calls) == asked
    monkeypatch.setattr(ledger_module, "time", SimpleNamespace(monotonic=lambda: 8.5))
    Ledger()._entry(CALL, told)
    assert len(calls) > asked


def test_the_sums_of_all_streams_hold_those_that_were_left_and_failed(driver: Driver, server: Emulator) -> None:
    ledger = Ledger({"m": (1_000_000, 1_000_000)})
    server.script = Script()
    driver.read(ask(server, ledger))
    driver.read(ask(server, ledger, model="free"))
    server.script = SLOW
    driver.read(ask(server, ledger), limit=1)
    server.script = Script(status=401)
    with pytest.raises(g4flite.AuthenticationError):
        driver.read(ask(server, ledger))
    assert ledger.by_model["openai", "m"] == Sums(
        3, Figure(counted=1, estimated=1), Figure(counted=3, estimated=1), Figure(counted=4, estimated=2)
    )
    assert ledger.by_model["openai", "free"] == Sums(1, Figure(1), Figure(3), Figure(unknown=1))
    assert ledger.total == Sums(4, Figure(2, 1), Figure(6, 1), Figure(4, 2, 1))
    assert (ledger.total.cost.known, repr(ledger)) == (6, f"<Ledger: {ledger.total}>")


# An answer without a text, which the service has counted all the same.
EMPTY = Script(
    body=b'data: {"id": "c", "choices": [{"index": 0, "delta": {}}]}\n\n'
    b'data: {"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 10}}\n\ndata: [DONE]\n\n',
    headers={"content-type": "text/event-stream"},
)


def test_a_stream_costs_what_all_its_attempts_cost(driver: Driver, server: Emulator) -> None:
    ledger, told = Ledger({"m": (1, 1), "b": (1, 1)}), Noted()
    # A refusal costs nothing.
    answering(server, EMPTY, Script(status=503), Script())
    driver.read(ask(server, [ledger, told], retries=AT_ONCE))
    assert ledger.by_model == {("openai", "m"): Sums(1, Figure(101), Figure(3, 10), Figure(4 / 1e6, 110 / 1e6))}
    first = next(value for name, value in told.told if name == "attempt")
    assert (first.usage.completion_tokens, type(first.error)) == (10, g4flite.EmptyReplyError)
    assert ledger._attempts == {}


def test_each_model_of_a_list_costs_what_its_own_attempts_cost(driver: Driver, server: Emulator) -> None:
    ledger = Ledger({"m": (1, 1), "b": (1, 1)})
    arguments = {"base_url": f"{server.url}/v1", "api_key": "sk-key-123456", "retries": 0}
    clients = [g4flite.Client("openai", model=model, **arguments) for model in ("m", "b")]
    answering(server, EMPTY, Script())
    driver.read(g4flite.stream(clients, "Hi", observer=ledger))
    answering(server, Script(status=503), EMPTY)
    with pytest.raises(g4flite.AllFailedError):
        driver.read(g4flite.stream(clients, "Hi", observer=ledger))
    assert ledger.by_model["openai", "m"][:3] == (0, Figure(100), Figure(0, 10))
    assert ledger.by_model["openai", "b"][:3] == (2, Figure(101), Figure(3, 10))
    for client in clients:
        client.close() if driver.name == "sync" else driver.run(client.aclose)


def test_a_stream_that_is_left_between_two_attempts_costs_what_the_first_one_cost(server: Emulator) -> None:
    ledger, stream = Ledger({"m": (1, 1)}), None

    class Leaves:
        def attempt(self, call: Any, attempt: Any) -> None:
            stream._run.abort()

    server.script = Script(status=503)
    stream = ask(server, [ledger, Leaves()], retries=g4flite.Retry(times=1, base=30, cap=30))
    with pytest.raises(g4flite.StreamClosedError):
        stream.text()
    assert ledger.total == Sums(1, Figure(), Figure(), Figure())


def test_a_stream_whose_last_attempt_was_not_told_costs_what_its_end_says() -> None:
    ledger = Ledger({"m": (1, 1)})
    error = g4flite.FirstTokenTimeoutError("x")
    ledger.attempt(CALL, ObservedAttempt(1, "openai", "m", "x", 0.1, "x", "https://a.test", error=error))
    # An observer before this one was interrupted when it was told of the second attempt.
    ledger.end(CALL, end(attempts=2, usage=COUNTED))
    assert ledger.total[:3] == (1, Figure(100, 2), Figure(10, 0, 1))


def test_a_ledger_keeps_no_error_whose_traceback_holds_the_stream(server: Emulator) -> None:
    answering(server, EMPTY, SLOW)
    running: Any = iter(ask(server, ledger := Ledger(), retries=AT_ONCE))
    next(running)
    [[noted]] = ledger._attempts.values()
    assert (type(noted.error), noted.error.__traceback__) == (g4flite.EmptyReplyError, None)
    running.close()
    assert ledger._attempts == {}


def test_a_stream_that_is_collected_while_a_ledger_adds_waits_for_nothing_and_is_added(server: Emulator) -> None:
    class Collecting(dict[Any, Any]):
        def get(self, *key: Any) -> Any:
            found = super().get(*key)
            gc.collect()
            return found

    def leave() -> None:
        running: Any = iter(ask(server, ledger))
        next(running)
        circle = [running]
        circle.append(circle)

    server.script, ledger = SLOW, Ledger({"m": (1, 1)})
    gc.disable()
    try:
        leave()
        ledger._sums = Collecting()
        ledger.end(CALL, end(usage=COUNTED))
    finally:
        gc.enable()
    assert ledger.total[:3] == (2, Figure(100, 1), Figure(10, 1))


def test_many_threads_may_share_a_ledger() -> None:
    ledger, told = Ledger({"m": (1, 1)}), end(usage=COUNTED)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=lambda: [ledger.end(CALL, told) for _ in range(500)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert ledger.total.prompt_tokens == Figure(counted=200_000)
