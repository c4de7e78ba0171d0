"""Images, audio, citations and the service's own tools, as the emulator says them and g4flite reads them.

Each reply is read while it streams, in each protocol that has these, and goes back with the next question, which the
emulator checks.  Whole replies are given to the parsers as the event that some servers make of them.
"""

from __future__ import annotations

import json
from contextlib import suppress
from http.client import IncompleteRead
from typing import Any

import pytest

import g4flite
from g4flite import Finish as End
from g4flite import Native, TurnState, providers
from g4flite import Start as Begin
from g4flite import Usage as Counts
from g4flite.testing import (
    Citation,
    Emulator,
    Media,
    Reasoning,
    Script,
    ServerToolCall,
    ServerToolResult,
    ToolCall,
)
from g4flite.testing.dialects import DIALECTS
from tests.conftest import Driver
from tests.open_protocols import WHOLE, WIRES, ask, emulate, hear, hear_whole, last
from tests.rows import rows, share
from tests.splits import SPLITS
from tests.testing.sockets import mistaken

PNG = b"\x89PNG\r\n\x1a\n"
IMAGE, LINKED = Media("image/png", PNG), Media("image/*", None, "https://a.test/snow")
SOUND = [Media("audio/wav", b"RIFF\0\0\0\0WAVE"), Media("audio/wav", b"\1\2\3")]
CITED = Citation("Snow", "https://a.test", "News", 0, 4)
FOUND: Any = [{"title": "News", "url": "https://a.test"}]
SEARCH = ServerToolCall("s1", "web_search", '{"query": "snow"}')
RESULT = ServerToolResult("s1", "web_search", FOUND)
CODE, OUTPUT = ServerToolCall("", "code_execution", '{"code": "1"}'), ServerToolResult("", "code_execution", "1")
TEXT = ["Snow falls.", CITED, " Now."]
HEARD: list[Any] = ["Snow falls.", CITED, " Now."]
# The path behind the server, the dialect, what the emulator says, what g4flite reads, as `shown` shows it.
ROWS: dict[str, tuple[str, str, str | None, list[Any], list[Any]]] = {
    "chat: images and sources": ("openrouter", "/api/v1", "openrouter", [IMAGE, LINKED, *TEXT,
        Citation(url="https://b.test")], [IMAGE, LINKED, *HEARD, Citation(None, "https://b.test", None, 0, 0)]),
    "chat: audio": ("openai", "/v1", "openai", [*SOUND, "Ok"], [*SOUND, "Ok"]),
    "chat: the service's tools": ("groq", "/openai/v1", "groq", [SEARCH, RESULT, CODE, ServerToolResult("",
        "code_execution", {"code_results": [1]}), *TEXT], [ServerToolCall("0", *SEARCH[1:]), ServerToolResult("0",
        "web_search", {"output": json.dumps(FOUND, separators=(",", ":"))}), ServerToolCall("1", *CODE[1:]),
        ServerToolResult("1", "code_execution", {"code_results": [1]}), *HEARD]),
    "chat: all of it": ("openai", "/v1", None, [IMAGE, *TEXT, CODE, OUTPUT], [IMAGE, *HEARD,
        ServerToolCall("0", *CODE[1:]), ServerToolResult("0", "code_execution", {"output": "1"})]),
    "responses": ("openai-responses", "/v1", None, [Reasoning("Hm."), SEARCH, RESULT, IMAGE, *TEXT], [Reasoning("Hm."),
        ServerToolCall("ws_2_rs_1", "web_search", '{"type": "search", "query": "snow"}'), ServerToolResult("ws_2_rs_1",
        "web_search", {"results": FOUND}), IMAGE, "Snow falls.", CITED._replace(text=None), " Now."]),
    "responses: a source without a text": ("openai-responses", "/v1", None, [CITED, "Ok"], [CITED._replace(text=None),
        "Ok"]),
    "responses: other tools": ("openai-responses", "/v1", None, [
        ServerToolCall("", "code_interpreter", '{"code": "1"}'), ServerToolResult("", "code_interpreter", [1]),
        ServerToolCall("", "file_search", '{"queries": ["q"]}'), ServerToolCall("", "ask", "{}"),
        ServerToolResult("", "ask", {"a": 1}), ServerToolCall("", "ask", "{}"), ServerToolResult("", "ask", "b"), "Ok"],
        [ServerToolCall("ci_1", "code_interpreter", '{"code": "1"}'),
        ServerToolResult("ci_1", "code_interpreter", {"outputs": [1]}),
        ServerToolCall("fs_2", "file_search", '{"queries": ["q"]}'), ServerToolCall("mcp_3", "ask", "{}"),
        ServerToolResult("mcp_3", "ask", {"output": '{"a":1}'}), ServerToolCall("mcp_4", "ask", "{}"),
        ServerToolResult("mcp_4", "ask", {"output": "b"}), "Ok"]),
    "anthropic": ("anthropic", "", None, [Reasoning("Hm."), "I look.", SEARCH, RESULT, *TEXT, Citation("w", None, "Doc",
        1, 2), ServerToolCall("", "web_fetch", ""), ServerToolResult("", "web_fetch", {})], [Reasoning("Hm."),
        "I look.", SEARCH, RESULT, "Snow falls.", CITED._replace(start=None, end=None), " Now.", Citation("w", None,
        "Doc"), ServerToolCall("srvtoolu_2", "web_fetch", "{}"), ServerToolResult("srvtoolu_2", "web_fetch", {})]),
    "gemini": ("gemini", "", None, [Reasoning("Hm."), CODE, OUTPUT, SEARCH, ServerToolResult("s1", "web_search",
        {"a": 1}), IMAGE, LINKED, *TEXT, Citation("Now", start=12, end=15), Citation(url="https://b.test")],
        [Reasoning("Hm."), ServerToolCall("", "code_execution", '{"language": "PYTHON", "code": "1"}'),
        ServerToolResult("", "code_execution", {"outcome": "OUTCOME_OK", "output": '"1"'}), SEARCH,
        ServerToolResult("s1", "web_search", {"a": 1}), IMAGE, LINKED, "Snow falls.", " Now.", CITED,
        Citation("Now", None, None, 12, 15), Citation(url="https://b.test")]),
    "gemini: a result as an object": ("gemini", "", None, [CODE, ServerToolResult("", "code_execution", {"output":
        "1"}), "Ok"], [ServerToolCall("", "code_execution", '{"language": "PYTHON", "code": "1"}'),
        ServerToolResult("", "code_execution", {"outcome": "OUTCOME_OK", "output": "1"}), "Ok"]),
    "cohere": ("cohere", "", None, [Reasoning("Hm."), *TEXT, Citation()], [Reasoning("Hm."), *HEARD,
        Citation(start=0, end=0)]),
}  # fmt: skip


def shown(items: list[Any]) -> list[Any]:
    """Return the items without those that frame the reply, and citations without their `raw`."""
    framing = (Begin, Counts, End, TurnState)
    heard = [item for item in items if not isinstance(item, framing) and not isinstance(item, Native)]
    return [item._replace(raw={}) if isinstance(item, Citation) else item for item in heard]


def joined(items: list[Any]) -> list[Any]:
    """Return the items with neighbouring texts as one."""
    made: list[Any] = []
    for item in items:
        if isinstance(item, str) and made and isinstance(made[-1], str):
            made[-1] += item
        else:
            made.append(item)
    return made


@pytest.mark.parametrize("row", ROWS)
def test_a_reply_is_read_as_it_was_said_and_goes_back(row: str, driver: Driver, server: Emulator) -> None:
    name, base, dialect, said, expected = ROWS[row]
    for split in share(SPLITS, driver):
        server.reply = lambda _: said
        server.script = Script(dialect=dialect, split=split)
        call: dict[str, Any] = {"model": "m", "base_url": server.url + base, "api_key": "key"}
        question = {"role": "user", "content": "Is there snow?"}
        assert joined(shown(driver.events(name, [question], **call))) == joined(expected)
        server.reply = lambda _: "No."
        history = [question, driver.stream.message, question]
        driver.collect(name, history, **call)
        assert driver.stream.dropped == ()
        assert server.exchanges[-1].problem is None


def test_a_signed_turn_with_the_service_s_own_tools_comes_back_unchanged(driver: Driver, server: Emulator) -> None:
    """The emulator checks what stands before each signature: `claude-opus-5-5` binds its thinking to it."""
    server.reply = lambda messages: (
        [Reasoning("Hm."), SEARCH, RESULT, Reasoning("So."), *TEXT, ToolCall("", "f", "")]
        if messages[-1]["role"] == "user"
        else [Reasoning("Ah."), "Done."]
    )
    for name, model in (("anthropic", "claude-opus-5-5"), ("gemini", "gemini-3-pro"), ("openai-responses", "gpt-5.6")):
        base = "/v1" if name == "openai-responses" else ""
        call: dict[str, Any] = {"model": model, "base_url": server.url + base, "api_key": "key"}
        history: list[Any] = [{"role": "user", "content": "Is there snow?"}]
        for _ in range(2):
            driver.events(name, history, **call)
            history.append(driver.stream.message)
            history.append(g4flite.tool_result(driver.stream.tool_calls[0], "yes"))
            driver.events(name, history, **call)
            assert (driver.stream.partial, driver.stream.dropped) == ("Done.", ())
            history += [driver.stream.message, history[0]]


# The whole replies, as the parsers read them.


def whole_events(name: str, reply: Any) -> bytes:
    """Return a whole reply as the events in which some servers send it."""
    if name == "anthropic":
        frames = [
            {"type": "message_start", "message": reply},
            {"type": "message_delta", "delta": {"stop_reason": reply["stop_reason"]}},
            {"type": "message_stop"},
        ]
    elif name == "openai-responses":
        frames = [{"type": "response.completed", "response": reply}]
    elif name == "cohere":
        frames = [{"type": "message-start", "id": reply["id"], "delta": {"message": reply["message"]}},
                  {"type": "message-end", "delta": {"finish_reason": reply["finish_reason"]}}]  # fmt: skip
    else:
        frames = [reply]
    return b"".join(f"data: {json.dumps(frame)}\n\n".encode() for frame in frames)


PROTOCOLS = {"openai": "chat", "openrouter": "chat", "groq": "chat", "openai-responses": "responses"}


@rows("row", ROWS)
def test_a_whole_reply_says_the_same(row: str) -> None:
    name, _, dialect, said, expected = ROWS[row]
    with emulate(*said, script=Script(dialect=dialect)) as e:
        data = whole_events(name, hear_whole(e, PROTOCOLS.get(name, name)))
    spec = providers.find(name)
    parser = spec.parser(spec.max_frame)
    heard = shown([*parser.feed(data), *parser.close()])

    def sorted_by_kind(items: list[Any]) -> list[Any]:
        """Of Chat Completions, a message says what belongs together, but no order; audio is one piece."""
        named = sorted((item for item in items if not isinstance(item, str)), key=lambda item: type(item).__name__)
        return [item for item in items if isinstance(item, str)], named

    if row == "chat: audio":
        assert heard == ["Ok", Media("audio/wav", (SOUND[0].data or b"") + (SOUND[1].data or b""))]
    else:
        found, wanted = (sorted_by_kind([*items]) for items in (heard, expected))
        assert "".join(found[0]) == "".join(wanted[0])
        assert found[1] == wanted[1]


# What the official client does not say of audio: the transcript.


def test_text_is_the_transcript_of_audio_that_was_asked_for(driver: Driver, server: Emulator) -> None:
    server.reply = lambda _: ["Snow ", *SOUND, "falls."]
    call: dict[str, Any] = {"model": "gpt-audio", "base_url": f"{server.url}/v1", "api_key": "key"}
    call["extra"] = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "pcm16"}}
    question = {"role": "user", "content": "Is there snow?"}
    assert shown(driver.events("openai", [question], **call)) == ["Snow ", *SOUND, "falls."]
    turn = driver.stream.message
    assert turn["content"] == "Snow falls."
    driver.collect("openai", [question, turn, question], **call)
    assert json.loads(server.exchanges[-1].body)["messages"][1] == {"role": "assistant", "audio": {"id": "audio_1"}}
    with emulate("Snow ", *SOUND, "falls.") as e:
        wire = WHOLE["chat"].field(modalities=["text", "audio"])
        message = json.loads(hear(e, wire))["choices"][0]["message"]
    assert message["content"] is None
    assert (message["audio"]["id"], message["audio"]["transcript"]) == ("audio_1", "Snow falls.")


# What a service has no form for is the fault of the reply function.
UNKNOWN: list[tuple[str, str | None, Any]] = [
    *(("chat", dialect, piece) for dialect in DIALECTS for piece in (IMAGE, SOUND[0], CITED, SEARCH)
      if dialect not in ("openrouter", "openai", "azure", "groq")),
    ("chat", "openai", IMAGE), ("chat", "openai", SEARCH), ("chat", "groq", IMAGE), ("chat", "azure", CITED),
    ("chat", None, OUTPUT), ("chat", None, Media("audio/wav", None, "https://a.test")),
    ("chat", None, Media("video/mp4", PNG)),
    ("responses", None, SOUND[0]), ("responses", None, LINKED), ("responses", None, RESULT),
    ("anthropic", None, IMAGE), ("anthropic", None, ServerToolResult("", "other", {})),
    ("cohere", None, IMAGE), ("cohere", None, SEARCH), ("cohere", None, RESULT),
    ("ollama", None, CITED), ("ollama", None, IMAGE), ("ollama", None, SEARCH),
]  # fmt: skip


@rows(("name", "dialect", "piece"), UNKNOWN)
def test_a_piece_that_the_service_cannot_send_is_a_mistake(name: str, dialect: str | None, piece: Any) -> None:
    for wire in (WIRES[name], WHOLE[name]):
        with mistaken(emulate(piece, script=Script(dialect=dialect))) as e:
            # A stream has begun, and is cut off.
            with suppress(IncompleteRead):
                assert ask(e, wire).status == (500 if wire is WHOLE[name] else 200)
            assert "expected nothing that this service cannot send, not " in str(last(e).problem)
