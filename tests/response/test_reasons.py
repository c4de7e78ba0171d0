"""Finish reasons have one vocabulary, whichever service's word comes, in lower or in upper case."""

import pytest

from g4flite._core.response.reasons import REASONS


@pytest.mark.parametrize(("reason", "words"), [
    ("stop", "stop eos end_turn stop_sequence COMPLETE STOP STOP_SEQUENCE eos_token REASON_STOP completed compaction"),
    ("length", "length model_length max_tokens MAX_TOKENS model_context_window_exceeded max_output_tokens"),
    ("tool_calls", "tool_calls function_call tool_use TOOL_CALL FUNCTION_CALL REASON_TOOL_CALLS"),
    ("content_filter", "content_filter refusal SAFETY RECITATION sensitive MODEL_ARMOR ESCALATION JAILBREAK"),
    ("error", "error ERROR TIMEOUT aborted network_error insufficient_system_resource MALFORMED_FUNCTION_CALL"),
    ("other", "pause_turn CONTINUATION load unload steered OTHER LANGUAGE FINISH_REASON_UNSPECIFIED new abort"),
])  # fmt: skip
def test_each_word_has_its_reason(reason: str, words: str) -> None:
    assert {word: REASONS.get(word, "other") for word in words.split()} == dict.fromkeys(words.split(), reason)
