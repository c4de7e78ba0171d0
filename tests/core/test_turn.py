"""The turn of a stream as a message: the text, the calls and the states in the order in which they came."""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

import g4flite
from g4flite import Reasoning, ToolCall, ToolCallDelta, TurnState, providers
from g4flite._core.exchange import MOST_STATES, READ, Opening, Send, exchange
from g4flite._core.response.reply import Head
from g4flite._core.state import prefixes
from g4flite._core.turn import message_of
from g4flite.testing import Emulator, Script
from tests.acme import ACME
from tests.conftest import Driver
from tests.providers.frames import chunk, sse
from tests.rows import rows
from tests.runs import run_of

SIGNED = TurnState({"type": "thinking", "signature": "x"})
CALL = ToolCall("c1", "now", "{}")
ENCODED = {"id": "c1", "type": "function", "function": {"name": "now", "arguments": "{}"}}


def turn(*items: Any, state: str = "complete") -> dict[str, Any]:
    """Return the message of a stream that has delivered these texts and events."""
    run = run_of(ACME)
    run.begin(run.routes[0])
    for item in items:
        run.text.write(item) if isinstance(item, str) else run.collect(item)
    run.state = state  # type: ignore[assignment]
    return message_of(run)


def test_a_turn_without_state_is_text_and_calls() -> None:
    assert turn("Hel", "lo") == {"role": "assistant", "content": "Hello"}
    assert turn("Hello", TurnState(None), CALL) == {"role": "assistant", "content": "Hello", "tool_calls": [ENCODED]}


def test_a_turn_that_is_not_complete_says_so() -> None:
    assert turn("Hel", state="closed") == {"role": "assistant", "content": "Hel", "partial": True}


@rows(
    ("items", "parts"),
    [
        ([Reasoning("H"), Reasoning("m"), SIGNED, "Hello"], [{"reasoning": "Hm"}, SIGNED.value, "Hello"]),
        ([SIGNED], [SIGNED.value]),
        ([Reasoning("Hm"), "Hello", CALL], [{"reasoning": "Hm"}, "Hello", 0]),
        (["Hello", SIGNED], ["Hello", SIGNED.value]),
        (["a", CALL, CALL, SIGNED, CALL], ["a", 0, 1, SIGNED.value, 2]),
        # Without the `TurnState(None)`, the reasoning would stand before the text.
        (["a", TurnState(None), Reasoning("Hm"), SIGNED, "b"], ["a", {"reasoning": "Hm"}, SIGNED.value, "b"]),
        (["a", Reasoning("Hm"), SIGNED, "b"], [{"reasoning": "Hm"}, "a", SIGNED.value, "b"]),
        ([CALL, "a", Reasoning("Hm"), SIGNED], [{"reasoning": "Hm"}, "a", 0, SIGNED.value]),
    ],
)
def test_the_parts_of_a_turn_stand_in_order(items: list[Any], parts: list[Any]) -> None:
    message = turn(*items)
    assert message["state"]["parts"] == parts
    assert json.loads(json.dumps(message)) == message


def test_a_state_says_to_what_it_belongs() -> None:
    run = run_of(ACME, authorization="Bearer s3cret")
    run.collect(SIGNED)
    state = message_of(run)["state"]
    (_, before) = prefixes(run.call)
    assert (state["provider"], state["host"], state["model"]) == ("acme", "acme.test", None)
    assert state["prefix"] == before
    assert "s3cret" not in json.dumps(state)


def test_a_state_goes_to_a_loop_over_the_events_alone() -> None:
    run = run_of(ACME)
    assert run.collect(SIGNED) is False
    run.everything = True
    assert run.collect(SIGNED) is True
    # It says only that a new part begins.
    assert run.collect(TurnState(None)) is False
    assert len(run.states) == 3
    # Another attempt says everything anew.
    run.begin(run.routes[0])
    assert run.states == []


def test_a_call_that_was_broken_off_has_no_place_in_a_state() -> None:
    run = run_of(ACME)
    run.collect(ToolCallDelta(0, "c1", "now", ""))
    run.collect(SIGNED)
    run.collect(ToolCallDelta(1, "c2", "now", "{"))
    run.collect(SIGNED)
    run.collect(ToolCall("c1", "now", "{}"))
    assert message_of(run)["state"]["parts"] == [0, SIGNED.value, SIGNED.value]


def test_a_stream_that_keeps_no_text_has_no_message() -> None:
    run = run_of(ACME)
    run.keep_partial = False
    run.collect(SIGNED)
    assert run.states == []
    with pytest.raises(g4flite.UsageError, match="keeps no text with keep_partial=False"):
        message_of(run)


def opened(*items: Any) -> list[Any]:
    """Return the items of the opening of a reply whose parser gives these items at once."""
    parser = SimpleNamespace(feed=lambda _: items, close=lambda: (), done=False)
    spec = g4flite.Provider(
        name="acme", url=ACME.url, base_url=ACME.base_url, headers={}, payload=ACME.payload, parser=lambda _: parser
    )
    steps = exchange(run_of(spec))
    assert isinstance(next(steps), Send)
    assert steps.send(Head(200, {})) is READ
    wanted = steps.send(b"data")
    assert isinstance(wanted, Opening)
    return list(wanted.items)


def test_all_states_before_the_first_text_are_kept() -> None:
    usages = [g4flite.Usage(1), g4flite.Usage(2)]
    assert opened(SIGNED, usages[0], TurnState(None), usages[1], SIGNED, "a") == [
        SIGNED, TurnState(None), usages[1], SIGNED, "a",
    ]  # fmt: skip


# Chunks with something that goes back, of 20,000 characters.
BIG = "z" * 20_000
FLOODS: dict[str, tuple[str, Any]] = {
    "chat": ("openai", chunk({"extra_content": {"x": BIG}})),
    "chat, tool calls": ("openai", chunk({"tool_calls": [{"index": 0, "extra_content": {"x": BIG}}]})),
    "gemini": ("gemini", {"candidates": [{"content": {"parts": [{"text": "", "thoughtSignature": BIG}]}}]}),
    "responses": ("openai-responses", ("response.output_item.done", {
        "type": "response.output_item.done", "output_index": 0,
        "item": {"type": "reasoning", "summary": [], "encrypted_content": BIG},
    })),
    "anthropic": ("anthropic", ("content_block_delta", {
        "type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": BIG},
    })),
}  # fmt: skip


@rows("flood", FLOODS)
def test_states_before_the_first_text_are_no_longer_than_a_frame(flood: str, driver: Driver, server: Emulator) -> None:
    name, one = FLOODS[flood]
    kind, data = one if isinstance(one, tuple) else ("", one)
    # Each item has an id of its own.
    frames = [(kind, {**data, "item": {**data["item"], "id": f"rs{n}"}}) if "item" in data else one for n in range(9)]
    server.script = Script(body=sse(*frames), headers={"content-type": "text/event-stream"})
    spec = replace(providers.find(name), max_frame=100_000)
    with pytest.raises(g4flite.LimitError, match="too many parts that are to be sent back|signatures of the reply"):
        driver.events(spec, "Hi", model="m", base_url=server.url, api_key="sk-test-1")


def test_states_without_end_fill_no_memory() -> None:
    assert len(opened(*[SIGNED] * MOST_STATES, "a")) == MOST_STATES + 1
    with pytest.raises(g4flite.LimitError, match="no answer but too many parts that are to be sent back"):
        opened(*[SIGNED] * (MOST_STATES + 1))
