"""The pieces of a reply: which kinds there are, and what becomes of them on their way to a writer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from g4flite._core.events import ToolCallDelta
from g4flite.server import anthropic, gemini, ollama, openai_responses
from g4flite.server.anthropic import ANTHROPIC
from g4flite.server.checks import Refusal
from g4flite.server.cohere import COHERE
from g4flite.server.gemini import GEMINI
from g4flite.server.ollama import OLLAMA
from g4flite.server.openai_chat import chat
from g4flite.server.openai_habits import Habits
from g4flite.server.openai_responses import responses
from g4flite.server.pieces import PAUSE, Whole, arguments_object, collect, translate_finish
from g4flite.server.protocol import Post, Protocol, Turn
from g4flite.server.signatures import Unsigned
from g4flite.testing import Finish, Hidden, Problem, Reasoning, ToolCall, Usage
from tests.rows import rows


def test_a_problem_of_no_known_kind_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="expected one of"):
        Problem("quota")


@rows(
    ("given", "expected"),
    [
        (Finish("stop"), Finish("stop", "end")),
        (Finish("stop", "own"), Finish("stop", "own")),
        (Finish("content_filter"), Problem("content_filter")),
        (Finish("content_filter", "own"), Finish("content_filter", "own")),
        (Finish("error"), Problem("server")),
        (Finish("other"), Problem("server")),
        (Problem("overloaded"), Problem("overloaded")),
        ("stop", "stop"),
    ],
)
def test_a_finish_gets_the_service_s_word_or_is_a_problem(given: Any, expected: Any) -> None:
    assert list(translate_finish([given], {"stop": "end"})) == [expected]


def test_a_whole_reply_joins_neighbours_of_a_kind() -> None:
    call = ToolCall("", "f", "{}")
    pieces = [
        "a",
        Usage(1, 1, 0, 2),
        "b",
        Reasoning("c"),
        Reasoning(""),
        Reasoning("d"),
        call,
        call,
        "",
        Finish("stop"),
    ]
    whole = collect(pieces)
    assert whole == Whole(("ab", Reasoning("cd"), call, call), Usage(1, 1, 0, 2), Finish("stop"))
    assert (whole.text, whole.reasoning, whole.calls) == ("ab", "cd", [call, call])


@pytest.mark.parametrize("piece", ["", Reasoning("")])
def test_a_whole_reply_has_no_empty_part(piece: Any) -> None:
    assert collect([piece, Problem("server")]) == Whole((), Usage(0, 0, 0, 0), Problem("server"))


def test_arguments_are_an_object_or_refused() -> None:
    assert arguments_object(ToolCall("", "f", '{"a": 1}')) == {"a": 1}
    assert arguments_object(ToolCall("", "f", "")) == {}
    with pytest.raises(Refusal, match="expected a JSON object"):
        arguments_object(ToolCall("", "f", "[1]"))


def test_hidden_reasoning_is_a_part_of_its_own_and_not_said_by_services_that_do_not_show_it() -> None:
    pieces = [Reasoning("a"), Hidden(), Hidden(), Reasoning("b"), Finish("stop")]
    whole = collect(pieces)
    assert whole.parts == (Reasoning("a"), Hidden(), Hidden(), Reasoning("b"))
    assert [type(part) for part in whole.parts] == [Reasoning, Hidden, Hidden, Reasoning]
    words = {"stop": "end"}
    assert list(translate_finish(pieces, words)) == [Reasoning("a"), Reasoning("b"), Finish("stop", "end")]
    assert list(translate_finish(pieces, words, hidden=True)) == [*pieces[:4], Finish("stop", "end")]


BY_PIECE = (chat(Habits()), responses(Habits()), ANTHROPIC)
WRITERS = (*BY_PIECE, GEMINI, OLLAMA, COHERE)
TURN = Turn(model="m", messages=[], options={}, stream=True, bound=Unsigned("m"))


@rows("protocol", WRITERS)
def test_a_writer_gives_back_what_it_has_at_a_pause(protocol: Protocol) -> None:
    pieces = [PAUSE, Usage(1, 1, 0, 2), "Eins", PAUSE, PAUSE, "Zwei", PAUSE, Finish("stop")]
    if protocol is COHERE:
        # It has no pauses: nobody drives it piece by piece.
        with pytest.raises(Refusal):
            list(protocol.write(TURN, iter(pieces)))
        return
    blocks = list(protocol.write(TURN, iter(pieces)))
    assert blocks.count(b"") == 4
    first, second = (next(n for n, block in enumerate(blocks) if said in block) for said in (b"Eins", b"Zwei"))
    assert b"" in blocks[first:second]
    plain = list(protocol.write(TURN, iter([piece for piece in pieces if piece is not PAUSE])))
    assert [block for block in blocks if block] == plain


@rows("protocol", BY_PIECE)
def test_the_pieces_of_a_call_add_up_to_the_call(protocol: Protocol) -> None:
    pieces = [
        ToolCallDelta(0, "c0", "f", ""), ToolCallDelta(0, "c0", "f", '{"a":'), ToolCallDelta(0, "c0", "f", " 1}"),
        ToolCallDelta(1, "c1", "g", "{}"), Finish("tool_calls"),
    ]  # fmt: skip
    text = b"".join(protocol.write(TURN, iter(pieces))).decode()
    for wanted in ('"c0"', '"c1"', '"f"', '"g"', '{\\"a\\":', " 1}"):
        assert wanted in text


@rows("protocol", [GEMINI, OLLAMA])
def test_a_protocol_without_pieces_of_calls_refuses_them(protocol: Protocol) -> None:
    with pytest.raises(Refusal, match="cannot send"):
        list(protocol.write(TURN, iter([ToolCallDelta(0, "c0", "f", "{}"), Finish("stop")])))


def test_a_whole_reply_has_neither_pauses_nor_pieces_of_calls() -> None:
    assert collect([PAUSE, "a", ToolCallDelta(0, "c0", "f", "{}"), "b"]).parts == ("ab",)


@rows("protocol", [responses(Habits()), ANTHROPIC, GEMINI])
def test_an_unsigned_reply_has_no_signature(protocol: Protocol) -> None:
    said = [Reasoning("Hm"), "Hello", Finish("stop")]
    turn = replace(TURN, bound=Unsigned("gemini-3-pro"), form=frozenset(["sse"]))
    text = b"".join(protocol.write(turn, iter(said))).decode() + str(protocol.whole(turn, iter(said)).body)
    assert "Hm" in text
    for mark in ("signature_delta", "thoughtSignature"):
        assert mark not in text


THINKING = {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm", "signature": "Er"},
                                             {"type": "text", "text": "Hi"}]}  # fmt: skip
USER = {"role": "user", "content": "Hi"}


@rows(("shape", "path", "data", "roles"), [
    (anthropic.shape, "/v1/messages", {"max_tokens": 9, "temperature": 0.5, "messages": [
        USER, THINKING, USER, {"role": "system", "content": "Be brief."}]}, "user assistant user system"),
    (openai_responses.shape, "/v1/responses", {"instructions": "Be brief.", "input": [
        USER, {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gA"}, USER]},
     "system user user"),
    (gemini.shape, "/v1beta/models/gemini-3-pro:generateContent", {"contents": [
        {"role": "user", "parts": [{"text": "Hi"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}, {"text": "So?"}]}]},
     "user assistant tool user"),
    (ollama.shape, "/api/chat", {"messages": [USER], "think": "high"}, "user"),
])  # fmt: skip
def test_a_shape_is_read_whatever_the_service_would_refuse(
    shape: Callable[[Post], Turn], path: str, data: dict[str, Any], roles: str
) -> None:
    body = json.dumps({"model": "m", **data}).encode()
    post = Post(path=path, query={}, headers=[("content-type", "application/json")], body=body, keyless=True)
    assert [message["role"] for message in shape(post).messages] == roles.split()
