"""Finish reasons have one vocabulary, whichever service's word comes, in lower or in upper case."""

import pytest

import g4flite
from g4flite._core.response.reasons import REASONS
from g4flite.testing import Emulator, Script
from tests.conftest import Driver
from tests.providers.frames import DONE, chunk, said, sse

TABLE = {
    "stop": "stop eos end_turn stop_sequence COMPLETE STOP STOP_SEQUENCE eos_token REASON_STOP completed compaction",
    "length": "length model_length max_tokens MAX_TOKENS model_context_window_exceeded max_output_tokens CONTINUATION",
    "tool_calls": "tool_calls function_call tool_use TOOL_CALL FUNCTION_CALL REASON_TOOL_CALLS",
    "content_filter": "content_filter refusal SAFETY RECITATION sensitive MODEL_ARMOR ESCALATION JAILBREAK",
    "error": "error ERROR TIMEOUT aborted network_error insufficient_system_resource MALFORMED_FUNCTION_CALL",
    "pause": "pause_turn",
    "other": "load unload steered OTHER LANGUAGE FINISH_REASON_UNSPECIFIED new abort",
}


@pytest.mark.parametrize("reason", TABLE)
def test_each_word_has_its_reason(reason: str) -> None:
    words = TABLE[reason].split()
    assert {word: REASONS.get(word, "other") for word in words} == dict.fromkeys(words, reason)


@pytest.mark.parametrize("reason", TABLE)
def test_each_word_has_its_reason_in_each_driver(reason: str, driver: Driver, server: Emulator) -> None:
    for word in TABLE[reason].split():
        body = sse(said("a"), chunk(finish_reason=word), DONE)
        server.script = Script(body=body, headers={"content-type": "text/event-stream"})
        try:
            driver.collect("openai", "Hi", model="m", base_url=server.url, api_key="sk-test-1")
        except g4flite.ProviderError:
            assert reason == "error"
        assert (driver.stream.partial, driver.stream.finish_reason) == ("a", reason), word
        assert driver.stream.native_finish_reason == word
