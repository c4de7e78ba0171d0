"""Finish reasons: what the services' words mean, in the vocabulary of `Finish.reason`.

REASONS.get("MAX_TOKENS", "other")      # "length"
finish_of("MAX_TOKENS")                 # Finish("length", "MAX_TOKENS")

One table serves all protocols, because relays pass the words of the service behind them on: Gemini's `MAX_TOKENS` and
Anthropic's `end_turn` come inside OpenAI's chunks, too.  No word means two things.

Sources (November 2026): the types of openai, anthropic, google-genai, mistralai, cohere, ollama, groq, together,
openrouter, xai-sdk and huggingface_hub.  "null" is no word: it stands in each chunk of DashScope's before the last
(dashscope/dashscope-sdk-python#4, April 2025).  `aborted` (DeepSeek), `sensitive` and `network_error` (Z.AI) are quoted
by public programs; so is `abort`, with which vLLM and SGLang end an answer that their engine has broken off
(vllm-project/vllm#57082, radixark/miles#3337, September 2026).
"""

from collections.abc import Mapping
from typing import Final

from ..events import Finish, FinishReason
from .names import NONE, name_of

_WORDS: Mapping[FinishReason, str] = {
    # eos: Together.  eos_token: Hugging Face.  compaction: Anthropic.  reason_stop: xAI's gRPC, like its words below.
    "stop": "stop eos eos_token stop_sequence end_turn compaction complete completed reason_stop",
    # model_length: Mistral.  max_messages: Responses.  continuation: Gemini, which has reached the limit of one request
    # (types of google-genai 3.6.1); if a token to go on with comes beside it, `providers/gemini.py` says "pause".
    "length": "length max_tokens max_output_tokens max_messages model_length model_context_window_exceeded"
    " reason_max_len reason_max_context continuation",
    # FUNCTION_CALL comes from Gemini behind relays.
    "tool_calls": "tool_calls tool_call tool_use function_call reason_tool_calls",
    # sensitive: Z.AI.  The last two: Bedrock.  The others, but for the first two: Gemini and Vertex.
    "content_filter": "content_filter refusal safety recitation blocklist prohibited_content spii image_safety"
    " image_prohibited_content image_recitation model_armor escalation jailbreak sensitive guardrail_intervened"
    " content_filtered",
    # pause_turn: Anthropic, which wants the turn back.
    "pause": "pause_turn",
    # timeout: Cohere.  abort: vLLM, SGLang.  cancelled: Responses.  The words with malformed_, unexpected_, too_many_
    # and missing_: Gemini and Bedrock.
    "error": "error timeout abort aborted cancelled canceled network_error insufficient_system_resource"
    " reason_time_limit"
    " malformed_function_call unexpected_tool_call too_many_tool_calls missing_thought_signature malformed_response"
    " malformed_model_output malformed_tool_use",
}
# The words in lower and in upper case.  A word that is missing means "other".
REASONS: Final[Mapping[str, FinishReason]] = {
    form: reason for reason, words in _WORDS.items() for word in words.split() for form in (word, word.upper())
}


def word_of(value: object) -> str | None:
    """Return a finish reason as a text that can be shown; None for what is no word, and for null as a text."""
    word = name_of(value) if value else None
    return None if word in NONE else word


def finish_of(word: object, other: object = None) -> Finish | None:
    """Return the `Finish` that a word means, None if it is no word; `other` is the native word, if not empty.

    The native word is a text that can be shown, also if the service sent a number.  It counts if it is worse: of an
    answer that a network error has ended at the service behind it, OpenRouter says "stop", and the native word alone
    tells of the error (OleksandrChekhovskyi/hax#15, August 2026).
    """
    named, native = word_of(word), word_of(other)
    if named is None:
        return None
    reason, told = REASONS.get(named, "other"), REASONS.get(native or "", "other")
    if told == "error" or (told in ("length", "content_filter") and reason in ("stop", "other")):
        reason = told
    return Finish(reason, native or named)
