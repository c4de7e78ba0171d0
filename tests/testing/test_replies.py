"""Reply functions: what they may say, how it is counted, and what is said of a mistake in one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from g4flite.testing import (
    Citation,
    Finish,
    Media,
    Problem,
    Reasoning,
    ServerToolCall,
    ServerToolResult,
    Start,
    ToolCall,
    Usage,
)
from g4flite.testing.replies import counted, opened, spoken
from tests.open_protocols import ANTHROPIC, CHAT, OLLAMA, WIRES, ask, emulate, events, hear, last
from tests.rows import rows
from tests.testing.sockets import mistaken


def said(*pieces: Any, prompt_tokens: int = 3) -> list[Any]:
    """Return the pieces as a writer gets them."""
    return list(counted(opened(spoken(lambda _: pieces, []))[1], prompt_tokens))


def test_each_piece_of_text_and_of_reasoning_is_a_token() -> None:
    assert said(Reasoning("Hm"), "a", ToolCall("", "f", "{}"), "b") == [
        Usage(3, 1, 1, 4), Reasoning("Hm"),
        Usage(3, 2, 1, 5), "a",
        Usage(3, 2, 1, 5), ToolCall("", "f", "{}"),
        Usage(3, 3, 1, 6), "b",
        Usage(3, 3, 1, 6), Finish("tool_calls"),
    ]  # fmt: skip


@rows(
    ("given", "counts"),
    [
        (Usage(10, 20, 5, 99), Usage(10, 20, 5, 99)),
        (Usage(10), Usage(10, 2, 1, 12)),
        (Usage(completion_tokens=20), Usage(3, 20, 1, 23)),
        (Usage(reasoning_tokens=5), Usage(3, 6, 5, 9)),
        (Usage(0, 0, 0), Usage(0, 0, 0, 0)),
    ],
)
def test_a_usage_replaces_what_was_counted(given: Usage, counts: Usage) -> None:
    assert said(Reasoning("Hm"), "a", given)[-2:] == [counts, Finish("stop")]


def test_a_usage_holds_from_its_place_on_and_the_last_one_counts() -> None:
    assert said("a", Usage(8), "b", Usage(9, 9), Finish("length"), Usage(7)) == [
        Usage(3, 1, 0, 4), "a",
        Usage(8, 2, 0, 10), "b",
        Usage(7, 2, 0, 9), Finish("length"),
    ]  # fmt: skip


@pytest.mark.parametrize("end", [Finish("length"), Problem("server")])
def test_nothing_is_said_after_the_end(end: Any) -> None:
    assert said("a", end, "b", Usage(9))[-2:] == [Usage(3, 1, 0, 4), end]


def test_the_piece_after_a_problem_is_not_asked_for() -> None:
    asked = []

    def reply(_: Any) -> Iterator[Any]:
        yield Problem("server")
        asked.append("more")

    assert list(counted(opened(spoken(reply, []))[1], 0)) == [Usage(0, 0, 0, 0), Problem("server")]
    assert asked == []


def test_a_single_piece_needs_no_list() -> None:
    assert list(spoken(lambda _: Reasoning("Hm"), [])) == [Reasoning("Hm")]
    assert list(spoken(lambda _: Problem("server"), [])) == [Problem("server")]


@rows("name", WIRES)
@rows("reply", [[], [Start("id-9", "m-9")], [Start("id-9")], [Start(), "a"]])
def test_a_start_names_the_reply_and_the_model_that_answers(name: str, reply: list[Any]) -> None:
    with emulate() as e:
        e.reply = lambda _: reply
        body = hear(e, WIRES[name])
        assert (b'"id-9"' in body) == (b"id-9" in repr(reply).encode() and name != "ollama")
        if name != "cohere":
            assert (b'"m-9"' in body) == ("m-9" in repr(reply))
            assert (b'"m"' in body) == ("m-9" not in repr(reply))
        assert last(e).model == "m"


def test_the_native_reason_is_sent_as_it_is() -> None:
    with emulate("a", Finish("other", "insufficient_funds")) as e:
        assert events(hear(e, CHAT))[-2]["choices"][0]["finish_reason"] == "insufficient_funds"
        assert events(hear(e, ANTHROPIC))[-2]["delta"]["stop_reason"] == "insufficient_funds"
        assert b'"done_reason":"insufficient_funds"' in hear(e, OLLAMA)


WRONG: list[tuple[Any, str]] = [
    (b"bytes", "TypeError"),
    (
        b"bytes",
        "expected str, Start, Reasoning, ToolCall, Media, Citation, ServerToolCall, ServerToolResult, Usage, Fi",
    ),
    ("\ud83d", "UnicodeEncodeError"),
    (Reasoning("\ud83d"), "UnicodeEncodeError"),
    (Reasoning(None), "Reasoning.text: expected a string, not None"),
    (ToolCall(None, "f", "{}"), "ToolCall.id: expected a string, not None"),
    (ToolCall("", None, "{}"), "ToolCall.name: expected a string, not None"),
    (ToolCall("", "\ud83d", "{}"), "UnicodeEncodeError"),
    (ToolCall("", "f", {"city": "Oslo"}), "ToolCall.arguments: expected JSON text, not {'city': 'Oslo'}"),
    (Media(None), "Media.mime_type: expected a string, not None"),
    (Media("image/png"), "Media: expected data, as bytes, or a url; not Media("),
    (Media("image/png", b"a", "https://a.test"), "Media: expected data, as bytes, or a url; not Media("),
    (Media("image/png", "a"), "Media: expected data, as bytes, or a url; not Media("),
    (Media("image/png", None, 1), "Media.url: expected a string, not 1"),
    (Citation(1), "Citation.text: expected a string, not 1"),
    (Citation(url=1), "Citation.url: expected a string, not 1"),
    (Citation(start=-1), "Citation.start: expected a place in the text or None, not -1"),
    (Citation(end=True), "Citation.end: expected a place in the text or None, not True"),
    (ServerToolCall("", None, "{}"), "ServerToolCall.name: expected a string, not None"),
    (ServerToolCall("", "f", {}), "ServerToolCall.arguments: expected JSON text, not {}"),
    (ServerToolResult(None, "f", 1), "ServerToolResult.id: expected a string, not None"),
    (ServerToolResult("", "f", b"a"), "Object of type bytes is not JSON serializable"),
    (Usage(1.5), "Usage.prompt_tokens: expected a number of tokens or None, not 1.5"),
    (Usage(1, -1), "Usage.completion_tokens: expected a number of tokens or None, not -1"),
    (Usage(1, 1, True), "Usage.reasoning_tokens: expected a number of tokens or None, not True"),
    (
        Finish("done"),
        "Finish.reason: expected one of stop, length, tool_calls, content_filter, pause, error, other; not",
    ),
    (Finish("other"), "Finish.native: expected the service's own word, not None"),
    (Finish("stop", 1), "Finish.native: expected the service's own word, not 1"),
    (Start(1), "Start.response_id: expected a string, not 1"),
]


@rows(("piece", "problem"), WRONG)
def test_a_mistake_is_named_in_the_vendor_s_500(piece: Any, problem: str) -> None:
    with mistaken(emulate(piece)) as e:
        response = ask(e, ANTHROPIC)
        assert (response.status, response.json["error"]["type"]) == (500, "api_error")
        assert response.json["error"]["message"].startswith("reply function failed: ")
        assert problem in str(last(e).problem)
        assert last(e).problem == response.json["error"]["message"]


@pytest.mark.parametrize("before", ["a", Start()])
def test_a_start_after_another_piece_is_a_mistake(before: Any) -> None:
    with pytest.raises(Exception, match="expected a Start before everything else"):
        list(spoken(lambda _: [before, Start("late")], []))


def test_a_failure_after_a_start_is_a_500_too() -> None:
    with mistaken(emulate(Start("id-9"), b"bytes")) as e:
        assert ask(e, CHAT).status == 500
