"""An answer is read wherever it stands: in place of the deltas, beside them, or in the frame that begins a block.

Sources, all of 2026: perplexityai/api-discussion#209 (a `message` beside each delta), servers that send an object
`chat.completion` as an event, the types of openrouter-python, and relays of Anthropic's and Cohere's protocols.
"""

from typing import Any

import pytest

import g4flite
from g4flite import Reasoning, ToolCall, Usage
from g4flite.testing import Emulator, Script
from tests.conftest import Driver
from tests.providers.frames import DONE, STOP, chunk, read, said, sse

CALL = {"id": "c1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
NOW = ToolCall("c1", "now", "{}")
END = [("message_delta", {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}),
       ("message_stop", {"type": "message_stop"})]  # fmt: skip
ENDED = ("message-end", {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}})
COUNTS = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


def choice(finish_reason: str | None = "stop", **fields: Any) -> dict[str, Any]:
    return {"id": "c1", "model": "m-1", "choices": [{"index": 0, **fields, "finish_reason": finish_reason}]}


def named(kind: str, **fields: Any) -> tuple[str, dict[str, Any]]:
    return kind, {"type": kind, **fields}


def started(*blocks: dict[str, Any]) -> Any:
    return named("message_start", message={"id": "m", "content": [*blocks]})


def content(kind: str, **fields: Any) -> Any:
    return named(kind, index=0, delta={"message": {"content": fields}})


def details(*values: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return chunk({"content": "", "reasoning_details": [*values], **fields})


SECRET = {"type": "reasoning.encrypted", "data": "x", "text": None}
SUMMARY, THOUGHT = {"type": "reasoning.summary", "summary": "h"}, {"type": "reasoning.text", "text": "m"}
# Provider, frames, text, reasoning and tool calls.
TABLE: dict[str, tuple[str, list[Any], str, str, list[ToolCall]]] = {
    "a whole message": ("openai", [choice(message={"content": "ab"}), DONE], "ab", "", []),
    "a whole message with a call": ("openai", [choice("tool_calls", message={"content": "ab", "tool_calls": [CALL]}),
                                               DONE], "ab", "", [NOW]),
    "a whole message with reasoning": ("openai", [choice(message={"content": "ab", "reasoning_content": "hm"}), DONE],
                                       "ab", "hm", []),
    "messages in pieces": ("openai", [choice(None, message={"content": "a"}), choice(None, message={"content": "b"}),
                                      STOP], "ab", "", []),
    "a plain completion": ("openai", [choice(None, text="a"), choice(text="b"), DONE], "ab", "", []),
    "a message beside each delta": ("perplexity", [
        choice(None, delta={"role": "assistant", "content": "a"}, message={"content": "a"}),
        choice(delta={"content": "b"}, message={"content": "ab"}), DONE], "ab", "", []),
    "a message behind the deltas": ("openai", [said("a"), said("b"), choice(message={"content": "ab"}), DONE],
                                    "ab", "", []),
    "a message beside deltas without content": ("openai", [
        choice(None, delta={"role": "assistant"}, message={"content": "a"}),
        choice(delta={"content": ""}, message={"content": "ab", "tool_calls": [CALL]}), DONE], "ab", "", [NOW]),
    "a message beside a reasoning": ("openai", [chunk({"reasoning": "hm"}),
        choice(delta={}, message={"content": "ab", "reasoning_content": "hm"}), DONE], "ab", "hm", []),
    "a message beside a call": ("openai", [chunk({"tool_calls": [{"index": 0, **CALL}]}),
        choice(delta={}, message={"content": None, "tool_calls": [CALL]}), DONE], "", "", [NOW]),
    "odd messages": ("openai", [choice(None, message=None), choice(None, text=None), choice(None, delta={}, message=3),
                                said("ab"), STOP], "ab", "", []),
    "details of the reasoning": ("openrouter", [details(SUMMARY, SECRET), details(THOUGHT), said("ab"), STOP],
                                 "ab", "hm", []),
    "details beside the reasoning": ("openrouter", [details(SUMMARY, reasoning="h"), details(THOUGHT, reasoning="m"),
                                                    details(SUMMARY, THOUGHT), said("ab"), STOP], "ab", "hm", []),
    "anthropic: blocks in message_start": ("anthropic", [started({"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": "ab"}, {"type": "tool_use", "id": "c1", "name": "now", "input": {}}), *END],
        "ab", "hm", [NOW]),
    "anthropic: a text in message_start goes on": ("anthropic", [started({"type": "text", "text": "a"}),
        named("content_block_delta", index=0, delta={"type": "text_delta", "text": "b"}), *END], "ab", "", []),
    "anthropic: odd contents of message_start": ("anthropic", [named("message_start", message={"content": "x"}),
        started({"type": "text", "text": "ab"}), *END], "ab", "", []),
    "anthropic: deltas without types": ("anthropic", [
        named("content_block_delta", index=0, delta={"thinking": "hm"}),
        named("content_block_delta", index=0, delta={"signature": "x"}),
        named("content_block_delta", index=1, delta={"text": "ab"}),
        named("content_block_delta", index=1, delta={}),
        named("content_block_start", index=2, content_block={"type": "tool_use", "id": "c1", "name": "now"}),
        named("content_block_delta", index=2, delta={"partial_json": "{}"}), *END], "ab", "hm", [NOW]),
    "anthropic: counts without a delta": ("anthropic", [started({"type": "text", "text": "ab"}), END[0],
        named("message_delta", usage={"output_tokens": 3}), named("message_delta", delta=None, usage={}), END[1]],
        "ab", "", []),
    "cohere: starts with content": ("cohere", [content("content-start", type="thinking", thinking="h"),
        content("content-delta", thinking="m"), content("content-start", type="text", text="a"),
        content("content-delta", text="b"), ENDED], "ab", "hm", []),
}  # fmt: skip


@pytest.mark.parametrize("form", TABLE)
def test_an_answer_is_read_wherever_it_stands(form: str) -> None:
    name, frames, text, reasoning, calls = TABLE[form]
    *items, last = read(name, sse(*frames))
    assert last == "done"
    assert "".join(item for item in items if isinstance(item, str)) == text
    assert "".join(item.text for item in items if isinstance(item, Reasoning)) == reasoning
    assert [item for item in items if isinstance(item, ToolCall)] == calls


def test_an_answer_is_read_wherever_it_stands_in_each_driver(driver: Driver, server: Emulator) -> None:
    for form, (name, frames, text, reasoning, calls) in TABLE.items():
        server.script = Script(body=sse(*frames), headers={"content-type": "text/event-stream"})
        got = driver.collect(name, "Hi", model="m", base_url=server.url, api_key="sk-test-1")
        assert ("".join(got), driver.stream.reasoning, [*driver.stream.tool_calls]) == (text, reasoning, calls), form


def candidate(text: str, reason: str | None = None, **usage: int) -> dict[str, Any]:
    counts = {"usageMetadata": {f"{name}TokenCount": count for name, count in usage.items()}} if usage else {}
    return {"candidates": [{"content": {"parts": [{"text": text}]}, "finishReason": reason}], **counts}


# Provider, frames, and the counts of the prompt, of the answer and of both.
COUNTED: dict[str, tuple[str, list[Any], tuple[Any, ...]]] = {
    "moonshot: in the choice": ("moonshot", [said("a"), choice(delta={}, usage=COUNTS), DONE], (3, 4, 7)),
    "moonshot: in the choice, and in a later chunk": ("moonshot", [choice(delta={"content": "a"}, usage=COUNTS), {
        "choices": [], "usage": {**COUNTS, "completion_tokens": 5, "total_tokens": 8}}, DONE], (3, 5, 8)),
    "groq: in a field without counts": ("groq", [choice(delta={"content": "a"}, usage=COUNTS) | {"x_groq": {"id": 1}},
                                                 DONE], (3, 4, 7)),
    "gemini: before the reason": ("gemini", [candidate("a", prompt=9, candidates=5, total=14), candidate("", "STOP")],
                                  (9, 5, 14)),
    "gemini: zeros later": ("gemini", [candidate("a", "STOP", prompt=9, candidates=5, total=14), candidate(
        "", "STOP", prompt=0, candidates=0, total=0)], (9, 5, 14)),
    "gemini: no count of the answer later": ("gemini", [candidate(
        "a", "STOP", prompt=9, candidates=5, total=14), candidate("", "STOP", prompt=9)], (9, 5, 14)),
    "gemini: no count of the prompt later": ("gemini", [candidate("a", prompt=9, total=9), candidate(
        "", "STOP", candidates=5, total=14)], (9, 5, 14)),
    "gemini: other counts later": ("gemini", [candidate("a", "STOP", prompt=99, candidates=5, toolUsePrompt=9),
        candidate("", "STOP", prompt=9, candidates=6, total=15)], (9, 6, 15)),
}  # fmt: skip


@pytest.mark.parametrize("form", COUNTED)
def test_counts_are_read_wherever_they_stand(form: str) -> None:
    name, frames, counts = COUNTED[form]
    *items, last = read(name, sse(*frames))
    assert last == "done"
    usage = [item for item in items if isinstance(item, Usage)][-1]
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == counts


def test_counts_are_read_wherever_they_stand_in_each_driver(driver: Driver, server: Emulator) -> None:
    for form, (name, frames, counts) in COUNTED.items():
        server.script = Script(body=sse(*frames), headers={"content-type": "text/event-stream"})
        driver.collect(name, "Hi", model="m", base_url=server.url, api_key="sk-test-1")
        usage = driver.stream.usage
        assert usage is not None
        assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == counts, form


def test_a_response_that_failed_has_its_counts(driver: Driver, server: Emulator) -> None:
    usage = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
    failed = named("response.failed", response={"error": {"message": "no"}, "usage": usage})
    begun = named("response.output_text.delta", delta="a")
    server.script = Script(body=sse(begun, failed), headers={"content-type": "text/event-stream"})
    with pytest.raises(g4flite.ProviderError, match="no"):
        driver.collect("openai-responses", "Hi", model="m", base_url=server.url, api_key="sk-test-1")
    assert driver.stream.usage == Usage(3, 4, None, 7, raw=usage)


@pytest.mark.parametrize(("reason", "error"), [
    ("MALFORMED_FUNCTION_CALL", g4flite.ProviderError), ("SAFETY", g4flite.ContentFilterError),
])  # fmt: skip
def test_what_gemini_says_about_its_finish_reason_is_in_the_error(reason: str, error: type[Exception]) -> None:
    frame = candidate("", reason)
    for words, shown in (("Malformed\x1b call", rf"\({reason}: 'Malformed.x1b call'\)"), (3, rf"\({reason}\)")):
        frame["candidates"][0]["finishMessage"] = words
        *_, raised = read("gemini", sse(frame, candidate("", reason)))
        with pytest.raises(error, match=shown):
            raise raised
