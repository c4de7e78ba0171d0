"""A whole answer as JSON, from a server or a proxy that knows no streams, is read like a stream of one piece."""

import gzip
import json
from typing import Any

import pytest

from g4flite import (
    Finish,
    MalformedReplyError,
    ProviderError,
    RateLimitError,
    Start,
    StatusError,
    ToolCall,
    TruncatedStreamError,
    Usage,
)
from g4flite.testing import Emulator, Script
from tests.conftest import Driver
from tests.rows import rows

# Longer than what is read of an error's body.
SAID = "Noon. " * 5000
ARGUMENTS = '{"port": 1}'
CHAT = {
    "id": "r1", "object": "chat.completion", "model": "m-1", "choices": [{
        "index": 0, "finish_reason": "tool_calls", "message": {
            "role": "assistant", "content": SAID, "tool_calls": [
                {"id": "a1", "type": "function", "function": {"name": "now", "arguments": ARGUMENTS}},
                {"id": "b2", "type": "function", "function": {"name": "now", "arguments": "{}"}},
            ]}}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8},
}  # fmt: skip
MESSAGE = {
    "id": "r1", "type": "message", "role": "assistant", "model": "m-1", "stop_reason": "tool_use", "content": [
        {"type": "text", "text": SAID}, {"type": "tool_use", "id": "a1", "name": "now", "input": {"port": 1}},
        {"type": "tool_use", "id": "b2", "name": "now", "input": {}},
    ],
    "usage": {"input_tokens": 5, "output_tokens": 3},
}  # fmt: skip
RESPONSE = {
    "id": "r1", "object": "response", "status": "completed", "model": "m-1", "output": [
        {"type": "message", "id": "m1", "role": "assistant", "content": [{"type": "output_text", "text": SAID}]},
        {"type": "function_call", "id": "f1", "call_id": "a1", "name": "now", "arguments": ARGUMENTS},
        {"type": "function_call", "id": "f2", "call_id": "b2", "name": "now", "arguments": "{}"},
    ],
    "usage": {"input_tokens": 5, "output_tokens": 3, "total_tokens": 8},
}  # fmt: skip
COHERE = {
    "id": "r1", "finish_reason": "TOOL_CALL", "message": {
        "role": "assistant", "content": [{"type": "text", "text": SAID}], "tool_calls": [
            {"id": "a1", "type": "function", "function": {"name": "now", "arguments": ARGUMENTS}},
            {"id": "b2", "type": "function", "function": {"name": "now", "arguments": "{}"}},
        ]},
    "usage": {"tokens": {"input_tokens": 5, "output_tokens": 3}},
}  # fmt: skip
ANSWERS: dict[str, dict[str, Any]] = {
    "openai": CHAT, "openrouter": CHAT, "anthropic": MESSAGE, "openai-responses": RESPONSE, "cohere": COHERE,
}  # fmt: skip
# Their framings take a whole answer in JSON under most labels.
GEMINI = {"responseId": "r1", "modelVersion": "m-1", "candidates": [{"finishReason": "STOP", "content": {"parts": [
    {"text": SAID}, {"functionCall": {"id": "a1", "name": "now", "args": {"port": 1}}},
    {"functionCall": {"id": "b2", "name": "now", "args": {}}}]}}],
    "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 3, "totalTokenCount": 8}}  # fmt: skip
OLLAMA = {"model": "m-1", "done": True, "prompt_eval_count": 5, "eval_count": 3, "message": {
    "content": SAID, "tool_calls": [
        {"id": "a1", "function": {"name": "now", "arguments": {"port": 1}}},
        {"id": "b2", "function": {"name": "now", "arguments": {}}}]}}  # fmt: skip
ALL = {**ANSWERS, "gemini": GEMINI, "ollama": OLLAMA}
LABELS = ["application/json", "text/event-stream", "text/html; charset=utf-8", "text/plain", "application/x-ndjson", ""]


def answered(
    driver: Driver, server: Emulator, name: str, body: bytes, kind: str = "application/json", **headers: str
) -> list[Any]:
    """Return the items of a stream whose response has this body."""
    server.script = Script(body=body, headers={"content-type": kind, **headers}, split=4000)
    return driver.events(name, "Hi", model="m", base_url=server.url, api_key="sk-test-1", retries=0)


def check(name: str, items: list[Any], driver: Driver) -> None:
    """Check that these items are the whole answer."""
    assert "".join(item for item in items if isinstance(item, str)) == SAID
    calls = [item for item in items if isinstance(item, ToolCall)]
    assert [(call.id, call.name, json.loads(call.arguments)) for call in calls] == [
        ("a1", "now", {"port": 1}), ("b2", "now", {}),
    ]  # fmt: skip
    assert [(i.prompt_tokens, i.completion_tokens) for i in items if isinstance(i, Usage)][-1:] == [(5, 3)]
    assert [item.reason for item in items if isinstance(item, Finish)] == ["tool_calls"]
    ids = [item.response_id for item in items if isinstance(item, Start)]
    assert ids[:1] == ([None] if name == "ollama" else ["r1"])
    assert driver.stream.partial == SAID


@rows("label", LABELS)
@rows("name", ALL)
def test_a_whole_answer_is_read(name: str, label: str, driver: Driver, server: Emulator) -> None:
    for indent in (None, 1):
        body = json.dumps(ALL[name], indent=indent).encode()
        check(name, answered(driver, server, name, body, label), driver)
        packed = gzip.compress(body)
        check(name, answered(driver, server, name, packed, label, **{"content-encoding": "gzip"}), driver)


@rows("between", [b"", b"\n", b"\n\n"])
@rows("name", ANSWERS)
def test_a_whole_answer_may_have_the_end_marker_of_events_behind_it(
    name: str, between: bytes, driver: Driver, server: Emulator
) -> None:
    """decolua/9router#1396, #3492 (May and August 2026)."""
    body = json.dumps(ANSWERS[name]).encode() + between + b"data: [DONE]\n\n"
    check(name, answered(driver, server, name, body, "text/event-stream"), driver)


def test_a_whole_answer_behind_its_pieces_says_nothing_new(driver: Driver, server: Emulator) -> None:
    pieces = [{"choices": [{"index": 0, "delta": {"content": SAID[:9]}}]},
              {"choices": [{"index": 0, "delta": {"content": SAID[9:]}}]}]  # fmt: skip
    events = b"".join(b"data: %s\n\n" % json.dumps(piece).encode() for piece in pieces)
    whole = {**CHAT, "choices": [{"index": 0, "finish_reason": "stop", "message": {"content": SAID}}]}
    answered(driver, server, "openai", events + json.dumps(whole).encode() + b"\n\ndata: [DONE]\n\n", "")
    assert driver.stream.partial == SAID


@rows("label", LABELS)
@rows("name", ANSWERS)
def test_half_a_whole_answer_is_none(name: str, label: str, driver: Driver, server: Emulator) -> None:
    # A plain text is the words of an error.
    with pytest.raises((MalformedReplyError, TruncatedStreamError, ProviderError)):
        answered(driver, server, name, json.dumps(ANSWERS[name]).encode()[:-9], label)


@rows("name", ANSWERS)
def test_json_that_is_no_answer_is_what_it_says(name: str, driver: Driver, server: Emulator) -> None:
    with pytest.raises(RateLimitError, match="Slow down"):
        answered(driver, server, name, b'{"error": {"message": "Slow down", "code": 429}}')
    # Cohere's form, and that of relays in Python.
    for words in (b'{"message": "Slow down"}', b'{"detail": "Slow down"}'):
        for label in LABELS:
            with pytest.raises(ProviderError, match="the service reports an error: 'Slow down'"):
                answered(driver, server, name, words, label)
    for body in (b'{"status": "ok"}', b"[1]", b'{"choices": [', b"7"):
        with pytest.raises(MalformedReplyError, match="the reply is application/json, not an answer"):
            answered(driver, server, name, body)
        assert server.exchanges


@rows("name", ANSWERS)
def test_a_plain_text_is_the_words_of_the_error(name: str, driver: Driver, server: Emulator) -> None:
    with pytest.raises(ProviderError, match="Internal Server Error"):
        answered(driver, server, name, b"Internal Server Error", "text/plain; charset=utf-8")
    with pytest.raises(RateLimitError, match="Slow down"):
        answered(driver, server, name, b'{"error": {"message": "Slow down", "code": 429}}', "text/plain")
    with pytest.raises(MalformedReplyError, match="the reply is text/plain, not an answer"):
        answered(driver, server, name, b"\n", "text/plain")


def test_the_advice_on_a_request_that_took_too_long_is_to_try_again(driver: Driver, server: Emulator) -> None:
    server.script = Script(status=408, body=b'{"error": {"message": "timeout"}}')
    with pytest.raises(StatusError, match="timeout.*try again later") as caught:
        driver.events("openai", "Hi", model="m", base_url=f"{server.url}/v1", api_key="sk-test-1", retries=0)
    assert "check the messages" not in str(caught.value)
