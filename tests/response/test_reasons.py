"""Finish reasons have one vocabulary, whichever service's word comes, in lower or in upper case."""

import json
from typing import Any

import pytest

import g4flite
from g4flite._core.response.reasons import REASONS
from g4flite.testing import Emulator, Script
from tests.conftest import Driver
from tests.providers.frames import DONE, chunk, read, said, sse
from tests.rows import rows, share

TABLE = {
    "stop": "stop eos end_turn stop_sequence COMPLETE STOP STOP_SEQUENCE eos_token REASON_STOP completed compaction",
    "length": "length model_length max_tokens MAX_TOKENS model_context_window_exceeded max_output_tokens CONTINUATION",
    "tool_calls": "tool_calls function_call tool_use TOOL_CALL FUNCTION_CALL REASON_TOOL_CALLS",
    "content_filter": "content_filter refusal SAFETY RECITATION sensitive MODEL_ARMOR ESCALATION JAILBREAK",
    "error": "error ERROR TIMEOUT abort aborted cancelled canceled network_error insufficient_system_resource"
    " MALFORMED_FUNCTION_CALL",
    "pause": "pause_turn",
    "other": "load unload steered OTHER LANGUAGE FINISH_REASON_UNSPECIFIED new",
}


@pytest.mark.parametrize("reason", TABLE)
def test_each_word_has_its_reason(reason: str) -> None:
    words = TABLE[reason].split()
    assert {word: REASONS.get(word, "other") for word in words} == dict.fromkeys(words, reason)


@pytest.mark.parametrize("reason", TABLE)
def test_each_word_has_its_reason_in_each_driver(reason: str, driver: Driver, server: Emulator) -> None:
    for word in share(TABLE[reason].split(), driver):
        body = sse(said("a"), chunk(finish_reason=word), DONE)
        server.script = Script(body=body, headers={"content-type": "text/event-stream"})
        try:
            driver.collect("openai", "Hi", model="m", base_url=server.url, api_key="sk-test-1")
        except g4flite.ProviderError:
            assert reason == "error"
        assert (driver.stream.partial, driver.stream.finish_reason) == ("a", reason), word
        assert driver.stream.native_finish_reason == word


def named(name: str, **data: Any) -> tuple[str, dict[str, Any]]:
    return name, {"type": name, **data}


TEXT = named("response.output_text.delta", delta="a")


def replies(word: Any) -> dict[str, bytes]:
    """Return replies that say "a" and end with this word as their finish reason, by the provider."""
    return {
        "openai": sse(said("a"), chunk(finish_reason=word), DONE),
        "openai-responses": sse(TEXT, named("response.completed", response={"status": word})),
        "anthropic": sse(
            named("content_block_delta", index=0, delta={"type": "text_delta", "text": "a"}),
            named("message_delta", delta={"stop_reason": word}), named("message_stop"),
        ),
        "gemini": sse({"candidates": [{"content": {"parts": [{"text": "a"}]}, "finishReason": word}]}),
        "ollama": b'{"message":{"content":"a"},"done":true,"done_reason":%s}\n' % json.dumps(word).encode(),
        "cohere": sse(
            named("content-delta", delta={"message": {"content": {"text": "a"}}}),
            named("message-end", delta={"finish_reason": word}),
        ),
    }  # fmt: skip


def test_a_reason_that_is_an_error_raises_in_each_protocol(driver: Driver, server: Emulator) -> None:
    for word in ("error", "ABORT", "aborted"):
        for name, body in replies(word).items():
            server.script = Script(body=body, headers={"content-type": "text/event-stream"})
            with pytest.raises(g4flite.ProviderError, match=f"finish reason {word}|cannot use .{word}|reason {word}"):
                driver.collect(name, "Hi", model="m", base_url=server.url, api_key="sk-test-1")
            stream = driver.stream
            assert (stream.partial, stream.finish_reason, stream.native_finish_reason) == ("a", "error", word), name


@rows(
    ("word", "native", "reason"),
    [
        ("stop", "network_error", "error"),
        ("tool_calls", "MALFORMED_FUNCTION_CALL", "error"),
        ("length", "error", "error"),
        ("stop", "MAX_TOKENS", "length"),
        ("new", "SAFETY", "content_filter"),
        ("length", "SAFETY", "length"),
        ("content_filter", "max_tokens", "content_filter"),
        ("stop", "completed", "stop"),
        ("length", "STOP", "length"),
        ("tool_calls", "end_turn", "tool_calls"),
        ("stop", "new", "stop"),
        ("stop", "tool_use", "stop"),
        ("stop", "", "stop"),
        ("stop", "null", "stop"),
    ],
)
def test_a_native_word_counts_if_it_is_worse(
    word: str, native: str, reason: str, driver: Driver, server: Emulator
) -> None:
    """OpenRouter says "stop" of an answer that an error has ended at the service behind it."""
    body = sse(said("a"), chunk(finish_reason=word, native_finish_reason=native), DONE)
    server.script = Script(body=body, headers={"content-type": "text/event-stream"})
    try:
        driver.collect("openrouter", "Hi", model="m", base_url=server.url, api_key="sk-test-1")
    except g4flite.ProviderError as error:
        assert (reason, error.code) == ("error", native)
    assert (driver.stream.partial, driver.stream.finish_reason) == ("a", reason)
    assert driver.stream.native_finish_reason == (word if native in ("", "null") else native)


def test_half_an_answer_is_none_if_only_the_native_word_is_an_error(driver: Driver, server: Emulator) -> None:
    server.script = Script(quirk="error_in_native_reason")
    with pytest.raises(g4flite.ProviderError, match="finish reason network_error; try again"):
        driver.collect("openrouter", "Hi", model="m", base_url=server.url + "/v1", api_key="sk-test-1", retries=1)
    assert len(server.exchanges) == 2


# Words that are none: what comes of them as the native word.
ODD = {"a number": (7, "7"), "half a surrogate pair": ("a#", "a\ufffd"), "an escape": ("\x1b[2J", "\ufffd[2J"),
       "endless": ("a" * 5000, None), "a list": (["stop"], None), "an object": ({"stop": 1}, None),
       "true": (True, None), "null as a text": ("null", None), "None as a text": ("None", None),
       "undefined as a text": ("undefined", None)}  # fmt: skip


@rows("odd", ODD)
def test_a_word_of_any_shape_costs_no_answer_and_its_native_form_is_a_text(
    odd: str, driver: Driver, server: Emulator
) -> None:
    word, native = ODD[odd]
    for name, body in replies(word).items():
        # Gemini has no other end than a word.
        if native is None and name == "gemini":
            continue
        server.script = Script(body=body.replace(b"#", rb"\ud83d"), headers={"content-type": "text/event-stream"})
        assert driver.collect(name, "Hi", model="m", base_url=server.url, api_key="sk-test-1") == ["a"]
        # The event that ends a response is a word of its own.
        reason = "stop" if native is None and name == "openai-responses" else "other"
        assert (driver.stream.finish_reason, driver.stream.native_finish_reason) == (reason, native), name


@pytest.mark.parametrize("word", ["null", "None", "undefined"])
def test_null_as_a_text_ends_no_answer(word: str, driver: Driver, server: Emulator) -> None:
    """With each chunk, it would make half an answer a whole one."""
    server.script = Script(body=sse(chunk({"content": "a"}, finish_reason=word), chunk({}, finish_reason=word)))
    with pytest.raises(g4flite.TruncatedStreamError):
        driver.collect("openai", "Hi", model="m", base_url=server.url, api_key="sk-test-1")
    assert driver.stream.partial == "a"


# The last event of a response, and its finish reason.
LAST = {
    "response.completed": g4flite.Finish("stop"),
    "response.done": g4flite.Finish("stop"),
    "response.incomplete": g4flite.Finish("length", "incomplete"),
    "response.cancelled": g4flite.Finish("error", "cancelled"),
    "response.canceled": g4flite.Finish("error", "cancelled"),
}


def test_each_last_event_of_a_response_ends_it() -> None:
    for name, finish in LAST.items():
        assert read("openai-responses", sse(TEXT, named(name, response={})))[:2] == ["a", finish], name
        length = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
        assert read("openai-responses", sse(TEXT, named(name, response=length)))[-2:] == [
            g4flite.Finish("length", "max_output_tokens"), "done"
        ]  # fmt: skip
        failed = {"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "no"}}
        assert isinstance(read("openai-responses", sse(TEXT, named(name, response=failed)))[-1], g4flite.RateLimitError)
