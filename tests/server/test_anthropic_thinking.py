"""Anthropic's thinking: how a reply says it, to what it is bound, and what is said if it was left out."""

from __future__ import annotations

from typing import Any

import pytest

from g4flite.testing import Hidden, Reasoning, ToolCall
from tests.open_protocols import (
    ANTHROPIC,
    MARK,
    MESSAGES,
    after,
    ask,
    assistant,
    emulate,
    events,
    hear,
    hear_whole,
    text,
    user,
)
from tests.rows import rows

USE = {"type": "tool_use", "name": "weather", "input": {"city": "Oslo"}}
THOUGHT = {"type": "thinking", "thinking": "Hm", "signature": MARK}
REDACTED = {"type": "redacted_thinking", "data": MARK}


def test_hidden_thinking_is_a_block_of_its_own() -> None:
    said = [Reasoning("Hm"), Hidden(), Hidden(), Reasoning("a"), Reasoning("b"), "c"]
    blocks = [THOUGHT, REDACTED, REDACTED, {**THOUGHT, "thinking": "ab"}, text("c")]
    with emulate(*said) as e:
        assert hear_whole(e, "anthropic")["content"] == blocks
    started = [event for event in after("anthropic", *said) if event["type"] == "content_block_start"]
    assert [event["content_block"] for event in started] == [
        {**THOUGHT, "thinking": "", "signature": ""}, REDACTED, REDACTED,
        {**THOUGHT, "thinking": "", "signature": ""}, text(""),
    ]  # fmt: skip


def test_thinking_may_be_omitted_and_is_signed() -> None:
    wire = ANTHROPIC.field(thinking={"type": "adaptive", "display": "omitted"})
    with emulate(Reasoning("Hm"), "a") as e:
        deltas = [event["delta"] for event in events(hear(e, wire)) if event["type"] == "content_block_delta"]
        content = ask(e, wire.field(stream=False)).json["content"]
    assert deltas == [{"type": "signature_delta", "signature": MARK}, {"type": "text_delta", "text": "a"}]
    assert content == [{**THOUGHT, "thinking": ""}, text("a")]


@pytest.mark.parametrize("arguments", ["{", "[1]"])
def test_a_stream_with_thinking_may_have_arguments_that_are_no_object(arguments: str) -> None:
    *_, stop = after("anthropic", Reasoning("Hm"), ToolCall("", "f", arguments))
    assert stop == {"type": "message_stop"}


BETA = {"anthropic_beta": "other-2026-01-01,thinking-binding-controls-2026-08-01"}
DROP = {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "drop_block"}}


@rows(
    ("change", "reason"),
    [
        ({"thinking": DROP}, ""),
        ({"thinking": DROP, "system": "Be brief."}, "prefix_binding_mismatch"),
        ({"model": "claude-haiku-5-6"}, "model_binding_mismatch"),
        ({"x_api_key": "another"}, "organization_binding_mismatch"),
    ],
)
def test_the_reply_says_which_thinking_was_left_out_and_why(change: dict[str, Any], reason: str) -> None:
    wire = ANTHROPIC.header(**BETA).field(model="claude-haiku-5-5")
    with emulate(Reasoning("Hm"), Hidden(), "a") as e:
        first = ask(e, wire.field(stream=False)).json
        assert first["input_transformations"] == []
        history = [*MESSAGES, assistant(first["content"]), user("And?")]
        wire = wire.field(messages=history).header(x_api_key=change.pop("x_api_key", "k")).field(**change)
        start, *_ = events(hear(e, wire))
    dropped = [
        {"type": "thinking_dropped", "path": f"messages.1.content.{place}", "reason": reason} for place in (0, 1)
    ]
    assert start["message"]["input_transformations"] == (dropped if reason else [])


def test_the_marks_of_the_cache_are_no_change_of_the_prefix() -> None:
    wire = ANTHROPIC.field(
        model="claude-opus-5-5", tools=[{"name": "weather", "input_schema": {"type": "object"}}], stream=False
    )
    with emulate(Reasoning("Hm"), "a") as e:
        content = ask(e, wire).json["content"]
        mark = {"cache_control": {"type": "ephemeral"}}
        history = [user([{**text("How are you?"), **mark}]), assistant(content), user("And?")]
        tools = [{"name": "weather", "input_schema": {"type": "object"}, **mark}]
        assert ask(e, wire.field(messages=history, tools=tools)).status == 200


FOUND = {"type": "web_search_result_location", "cited_text": "2 degrees", "url": "https://w.test", "title": "W",
         "encrypted_index": "EiIx"}  # fmt: skip


QUOTED = {"type": "char_location", "cited_text": "2 degrees", "document_index": 0}


@rows(
    ("block", "changed"),
    [
        ({**text("It is cold."), "citations": [FOUND, QUOTED]}, text("It is cold.")),
        (
            {**text("It is cold."), "citations": [FOUND]},
            {**text("It is cold."), "citations": [{**FOUND, "title": "V"}]},
        ),
        (USE | {"id": "c", "caller": {"type": "direct"}}, USE | {"id": "c"}),
        (
            USE | {"id": "c", "caller": {"type": "direct"}},
            USE | {"id": "c", "caller": {"type": "code_execution_20250825"}},
        ),
        (USE | {"id": "c", "toolset_name": "towns"}, USE | {"id": "c"}),
    ],
)
def test_thinking_is_bound_to_citations_and_to_who_called_a_tool(block: Any, changed: Any) -> None:
    wire = ANTHROPIC.field(model="claude-opus-5-5", stream=False)
    results = [{"type": "tool_result", "tool_use_id": "c", "content": "9"}] if "id" in block else [text("Sure?")]

    def history(turn: Any) -> list[Any]:
        return [*MESSAGES, assistant([turn]), user(results)]

    with emulate(Reasoning("Hm"), "a") as e:
        content = ask(e, wire.field(messages=history(block))).json["content"]
        later = [assistant(content), user("And?")]
        assert ask(e, wire.field(messages=[*history(block), *later])).status == 200
        refused = ask(e, wire.field(messages=[*history(changed), *later]))
        assert refused.status == 400
        assert "bound to a different conversation" in refused.json["error"]["message"]
