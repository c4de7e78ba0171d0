"""Gemini's signatures of thoughts: where they stand in a reply, and where the next request needs them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from g4flite.testing import Reasoning, ToolCall
from tests.open_protocols import (
    GEMINI,
    MARK,
    Wire,
    ask,
    emulate,
    events,
    hear,
)

SIGNED = {"thoughtSignature": MARK}
GEMINI_3 = replace(GEMINI, path="/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse")
GEMINI_3_WHOLE = replace(GEMINI, path="/v1beta/models/gemini-3-pro:generateContent")


def parts_of(*said: Any, wire: Wire = GEMINI_3) -> list[Any]:
    with emulate(*said) as e:
        body = hear(e, wire)
    chunks = [json.loads(body)] if wire is GEMINI_3_WHOLE else events(body.replace(b"\r\n", b"\n"))
    return [part for chunk in chunks for part in chunk["candidates"][0]["content"]["parts"]]


def test_the_first_call_is_signed_or_else_the_end_of_the_text() -> None:
    """Gemini 3 signs without showing thoughts, too."""
    calls = ToolCall("", "f", "{}"), ToolCall("", "g", "{}")
    called = [
        {"functionCall": {"name": name, "args": {}, "id": id_}} for name, id_ in (("f", "call_1"), ("g", "call_2"))
    ]
    called[0] |= SIGNED
    assert parts_of("a", *calls) == [{"text": "a"}, *called, {"text": ""}]
    assert parts_of("a", *calls, wire=GEMINI_3_WHOLE) == [{"text": "a"}, *called]
    assert parts_of("a", "b") == [{"text": "a"}, {"text": "b"}, {"text": "", **SIGNED}]
    assert parts_of("a", "b", wire=GEMINI_3_WHOLE) == [{"text": "ab", **SIGNED}]
    assert parts_of(Reasoning("Hm"), "a", wire=GEMINI)[-1] == {"text": "", **SIGNED}
    assert parts_of("a", wire=GEMINI)[-1] == {"text": ""}


def test_a_call_of_an_earlier_turn_needs_no_signature() -> None:
    """Only the current turn is looked at (ai.google.dev, thought-signatures, 2026)."""
    call, result = {"functionCall": {"name": "f"}}, {"functionResponse": {"name": "f", "response": {}}}
    told = [{"parts": [{"text": "?"}]}, {"role": "model", "parts": [call]}, {"parts": [result]}]
    with emulate("a") as e:
        assert "missing a thought_signature" in str(ask(e, GEMINI_3.field(contents=told)).json)
        later = [*told, {"role": "model", "parts": [{"text": "a"}]}, {"parts": [{"text": "And?"}]}]
        assert ask(e, GEMINI_3.field(contents=later)).status == 200


def test_both_alphabets_of_base64_are_read() -> None:
    with emulate(ToolCall("", "f", '{"a": 6}')) as e:
        (part, _) = [chunk["candidates"][0]["content"]["parts"][0]
                     for chunk in events(hear(e, GEMINI_3).replace(b"\r\n", b"\n"))]  # fmt: skip
        sent = {**part, "thoughtSignature": part["thoughtSignature"].replace("+", "-").replace("/", "_")}
        assert sent != part
        result = {"functionResponse": {"id": "call_1", "name": "f", "response": {}}}
        told = [{"parts": [{"text": "?"}]}, {"role": "model", "parts": [sent]}, {"parts": [result]}]
        assert ask(e, GEMINI_3.field(contents=told)).status == 200
