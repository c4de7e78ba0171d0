"""Logprobs, which each protocol sends if it is asked: each piece of text is one token, which is certain."""

from __future__ import annotations

from typing import Any

import pytest

from tests.open_protocols import CHAT, COHERE, GEMINI, OLLAMA, RESPONSES, WHOLE, Wire, emulate, hear, hear_whole

SURE = {"token": "Hi", "logprob": 0.0, "bytes": [72, 105]}
INCLUDE = ["message.output_text.logprobs"]
CHOSEN = {"token": "Hi", "tokenId": 0, "logProbability": 0.0}
# The protocol, the fields that ask, where the logprobs stand in a whole reply, and what stands there.
TABLE: list[tuple[str, Wire, dict[str, Any], tuple[Any, ...], Any]] = [
    ("chat", CHAT, {"logprobs": True}, ("choices", 0, "logprobs", "content"), [{**SURE, "top_logprobs": []}]),
    ("chat", CHAT, {"logprobs": True, "top_logprobs": 2}, ("choices", 0, "logprobs", "content"),
     [{**SURE, "top_logprobs": [SURE]}]),
    ("responses", RESPONSES, {"include": INCLUDE, "top_logprobs": 2}, ("output", 0, "content", 0, "logprobs"),
     [{**SURE, "top_logprobs": [SURE]}]),
    ("gemini", GEMINI, {"generationConfig": {"responseLogprobs": True}}, ("candidates", 0, "logprobsResult"),
     {"topCandidates": [{"candidates": [CHOSEN]}], "chosenCandidates": [CHOSEN]}),
    ("ollama", OLLAMA, {"logprobs": True}, ("logprobs",), [SURE]),
    ("ollama", OLLAMA, {"logprobs": True, "top_logprobs": 2}, ("logprobs",), [{**SURE, "top_logprobs": [SURE]}]),
    ("cohere", COHERE, {"logprobs": True}, ("logprobs",), [{"token_ids": [0], "text": "Hi", "logprobs": [0.0]}]),
]  # fmt: skip


def at(value: Any, place: tuple[Any, ...]) -> Any:
    for step in place:
        value = value[step]
    return value


@pytest.mark.parametrize(("name", "wire", "fields", "place", "sure"), TABLE)
def test_a_reply_has_logprobs_if_it_is_asked(
    name: str, wire: Wire, fields: dict[str, Any], place: tuple[Any, ...], sure: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with emulate("Hi") as e:
        assert b'ogprobs":[{' not in hear(e, wire).replace(b" ", b"")
        assert b"robab" not in hear(e, wire)
        told = hear(e, wire.field(**fields)).replace(b" ", b"")
        assert b'"logprob":0.0' in told or b'"logProbability":0.0' in told or b'"logprobs":[0.0]' in told
        monkeypatch.setitem(WHOLE, name, WHOLE[name].field(**fields))
        assert at(hear_whole(e, name), place) == sure
