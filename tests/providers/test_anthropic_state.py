"""Anthropic's signed thinking: it comes with an answer, and goes back unchanged, in its place.

Source: https://platform.claude.com/docs/en/build-with-claude/extended-thinking (August 2026).
"""

import json
from typing import Any

import pytest

import g4flite
from g4flite import Conversation, providers
from g4flite._core.messages import normalise
from g4flite._core.provider import Call
from g4flite.providers.anthropic import turn_blocks
from g4flite.testing import Emulator, Reasoning, Script
from tests.conftest import Driver
from tests.providers.frames import read, sse
from tests.providers.test_all_turns import QUESTION, sent, turn_of
from tests.rows import rows
from tests.splits import SPLITS

KEY = "sk-ant-s3cret-s3cret"
THINKING = {"type": "thinking", "thinking": "Both towns.", "signature": "Er\u00f8==+/"}
REDACTED = {"type": "redacted_thinking", "data": "EmwK..."}
MORE = {"type": "thinking", "thinking": "More.", "signature": "Es"}
TEXT = {"type": "text", "text": "Let me look."}
OSLO, ROME = (
    {"type": "tool_use", "id": f"toolu_{city}", "name": "weather", "input": {"city": city}} for city in ("Oslo", "Rome")
)


def events(*blocks: dict[str, Any], reason: str = "end_turn") -> bytes:
    """Return a reply of these blocks, as the service sends it."""
    frames: list[Any] = [{"type": "message_start", "message": {"id": "m1", "model": "m", "usage": {"input_tokens": 3}}}]
    for index, block in enumerate(blocks):
        begin = {
            "text": {"text": "", "citations": []},
            "thinking": {"thinking": "", "signature": ""},
            "tool_use": {"input": {}},
        }
        frames.append(
            {"type": "content_block_start", "index": index, "content_block": {**block, **begin.get(block["type"], {})}}
        )
        deltas = {
            # The citations may come before the text or behind it.
            "text": [
                *({"type": "citations_delta", "citation": one} for one in block.get("citations", ())[:1]),
                {"type": "text_delta", "text": block.get("text", "")[:3]},
                {"type": "text_delta", "text": block.get("text", "")[3:]},
                *({"type": "citations_delta", "citation": one} for one in block.get("citations", ())[1:]),
            ],
            "thinking": [
                {"type": "thinking_delta", "thinking": block.get("thinking")},
                {"type": "signature_delta", "signature": block.get("signature", "")[:2]},
                {"type": "signature_delta", "signature": block.get("signature", "")[2:]},
            ],
            "tool_use": [{"type": "input_json_delta", "partial_json": json.dumps(block.get("input"))}],
        }.get(block["type"], [])
        frames += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        frames.append({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": reason, "stop_sequence": None}
    frames += [{"type": "message_delta", "delta": delta, "usage": {"output_tokens": 5}}, {"type": "message_stop"}]
    return sse(*((frame["type"], frame) for frame in frames))


def script(*blocks: dict[str, Any], **more: Any) -> Script:
    return Script(body=events(*blocks, reason="tool_use"), headers={"content-type": "text/event-stream"}, **more)


# Types of anthropic-sdk-python 2.14.0; its client sends the same back.
QUOTED = {"type": "web_search_result_location", "cited_text": "2 degrees", "url": "https://w.test", "title": "W",
          "encrypted_index": "EiIx"}  # fmt: skip
CITED = {"type": "text", "text": "it is cold", "citations": [QUOTED, {**QUOTED, "encrypted_index": "EiIy"}]}
BY_CODE = {"caller": {"type": "code_execution_20250825", "tool_id": "srv_1"}, "toolset_name": "towns"}
TURNS = [
    [TEXT, CITED, {"type": "text", "text": "."}, OSLO],
    [THINKING, CITED, CITED, MORE, OSLO],
    [OSLO | BY_CODE, ROME | {"caller": {"type": "direct"}}],
    [THINKING, OSLO, TEXT, TEXT, ROME | BY_CODE],
    [THINKING, OSLO],
    [THINKING, TEXT, OSLO, ROME],
    [REDACTED, THINKING, TEXT, OSLO],
    [THINKING, REDACTED, MORE, OSLO],
    # Interleaved thinking.
    [THINKING, TEXT, OSLO, MORE, ROME],
    [THINKING, TEXT, MORE, {"type": "text", "text": "And there."}, OSLO],
    [TEXT, THINKING, OSLO],
    [OSLO, TEXT, THINKING, ROME],
    [THINKING, {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "snow"}}, OSLO],
]


@pytest.mark.parametrize("turn", TURNS, ids=lambda turn: "-".join(block["type"] for block in turn))
@rows("split", SPLITS)
def test_a_turn_goes_back_as_it_came(turn: list[Any], split: int, server: Emulator) -> None:
    server.script = script(*turn, split=split)
    chat = Conversation("anthropic", model="claude-sonnet-4-5", base_url=server.url, api_key=KEY, max_rounds=2)
    # The server calls a tool each time.
    with chat, pytest.raises(g4flite.LimitError):
        chat.say("A coat?").text()
    body = json.loads(server.exchanges[-1].body)
    assert body["messages"][1] == {"role": "assistant", "content": turn}


def test_a_conversation_carries_the_state_in_three_drivers(driver: Driver, server: Emulator) -> None:
    """Question, reasoning, two parallel calls, results, answer, second question; then another provider."""

    def weather(city: str) -> str:
        """Return the weather."""
        server.script = script(MORE, {"type": "text", "text": "It snows."})
        return f"snow in {city}"

    first = [THINKING, TEXT, OSLO, ROME]
    server.script = script(*first)
    settings: dict[str, Any] = {"model": "claude-sonnet-4-5", "base_url": server.url, "api_key": KEY}
    chat = Conversation("anthropic", tools=[weather], **settings)

    def talk() -> None:
        with chat:
            assert chat.say("A coat?").text() == "Let me look.It snows."
            assert chat.say("Sure?").text() == "It snows."

    async def atalk() -> None:
        async with chat:
            assert await chat.say("A coat?").atext() == "Let me look.It snows."
            assert await chat.say("Sure?").atext() == "It snows."

    driver.run(atalk) if driver.name != "sync" else talk()
    results = [
        {"type": "tool_result", "tool_use_id": f"toolu_{city}", "content": f"snow in {city}"}
        for city in ("Oslo", "Rome")
    ]
    assert json.loads(server.exchanges[-1].body)["messages"] == [
        {"role": "user", "content": "A coat?"},
        {"role": "assistant", "content": first},
        {"role": "user", "content": results},
        {"role": "assistant", "content": [MORE, {"type": "text", "text": "It snows."}]},
        {"role": "user", "content": "Sure?"},
    ]
    # A switch of the provider in the middle: nothing is sent that would be refused, and it is told.
    server.script = Script()
    stored = json.loads(json.dumps(chat.messages))
    other = Conversation("openai", model="m", base_url=f"{server.url}/v1", api_key=KEY, messages=stored)
    answer = other.say("Sure?")
    if driver.name == "sync":
        assert answer.text() == "You said: Sure?"
        other.close()
    else:

        async def switch() -> None:
            async with other:
                assert await answer.atext() == "You said: Sure?"

        driver.run(switch)
    assert server.exchanges[-1].problem is None
    assert answer.stream.dropped == tuple(
        f"message {number}: its state is left out, because it belongs to another provider anthropic"
        for number in (2, 5, 7)
    )


MARK = {"cache_control": {"type": "ephemeral"}}


def parts_of(first: str, second: str, *, marked: bool) -> list[dict[str, Any]]:
    return [{"type": "text", "text": first}, {"type": "text", "text": second, **(MARK if marked else {})}]


def test_a_mark_of_the_cache_that_moves_changes_nothing(driver: Driver, server: Emulator) -> None:
    """The emulator refuses thinking if a block before it was changed."""
    server.reply = lambda messages: [Reasoning("Both."), "It snows."]
    call: dict[str, Any] = {"model": "claude-opus-5-5", "base_url": server.url, "api_key": KEY}

    def history(*, marked: bool) -> list[Any]:
        return [{"role": "system", "content": parts_of("Be brief. ", "Speak of snow.", marked=marked)},
                {"role": "user", "content": parts_of("A coat", " or two?", marked=marked)}]  # fmt: skip

    for before, later in ((True, False), (False, True)):
        driver.collect("anthropic", history(marked=before), **call)
        turn = json.loads(json.dumps(driver.stream.message))
        further = {"role": "user", "content": parts_of("Sure", "?", marked=not later)}
        driver.collect("anthropic", [*history(marked=later), turn, further], **call)
        assert (driver.stream.dropped, server.exchanges[-1].problem) == ((), None)
        body = json.loads(server.exchanges[-1].body)
        assert [block["type"] for block in body["messages"][1]["content"]] == ["thinking", "text"]
        assert [len(body["system"]), len(body["messages"][0]["content"]), len(body["messages"][2]["content"])] == [
            2,
            2,
            2,
        ]
    # What is said in the parts still counts.
    driver.collect("anthropic", [history(marked=True)[0], {"role": "user", "content": "A coat or two"}, turn, further],
                   **call)  # fmt: skip
    assert driver.stream.dropped == ("message 3: its state is left out, because one of messages 1 to 2 was changed",)


def test_citations_may_come_with_the_beginning_of_their_text_and_go_to_their_service_alone() -> None:
    frames: list[Any] = [
        {"type": "content_block_start", "index": place, "content_block": block}
        for place, block in enumerate([THINKING, TEXT, {**CITED, "citations": [QUOTED, 3]}, CITED])
    ]
    # No block stops, as some servers have it.
    frames += [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, {"type": "message_stop"}]
    turn = turn_of("anthropic", sse(*((frame["type"], frame) for frame in frames)), "claude-opus-4-6")
    history = [QUESTION, turn, QUESTION]
    payload, dropped = sent("anthropic", history, "claude-opus-4-6")
    expected = [THINKING, TEXT, {**CITED, "citations": [QUOTED]}, CITED]
    assert (payload["messages"][1]["content"], dropped) == (expected, ())
    # A text that was edited has no citations any more.
    payload, dropped = sent("anthropic", [QUESTION, {**turn, "content": "It is."}, QUESTION], "claude-opus-4-6")
    assert payload["messages"][1]["content"] == "It is."
    assert dropped == ("message 2: its state is left out, because the message was changed",)
    payload, _ = sent("openai", history, "gpt-4o")
    assert payload["messages"][1] == {"role": "assistant", "content": turn["content"]}


def test_the_citations_of_a_text_are_bounded() -> None:
    parser = providers.ANTHROPIC.parser(1000)
    start = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    stop = {"type": "content_block_stop", "index": 0}
    delta = {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "citations_delta", "citation": {"a": "x" * 400}},
    }

    def feed(*frames: dict[str, Any]) -> None:
        list(parser.feed(sse(*((frame["type"], frame) for frame in frames))))

    # What has come out takes no memory.
    for _ in range(4):
        feed(start, delta, delta, stop)
    feed(start, delta, delta)
    with pytest.raises(g4flite.LimitError, match="the blocks of the reply are longer than max_frame"):
        feed(delta)


def test_a_failed_tool_is_marked(server: Emulator) -> None:
    def weather(city: str) -> str:
        """Return the weather."""
        server.script = script(TEXT)
        raise OSError(city)

    server.script = script(OSLO)
    settings: dict[str, Any] = {"model": "m", "base_url": server.url, "api_key": KEY}
    with Conversation("anthropic", tools=[weather], **settings) as chat:
        chat.say("A coat?").text()
    result = json.loads(server.exchanges[-1].body)["messages"][2]["content"][0]
    assert result == {"type": "tool_result", "tool_use_id": "toolu_Oslo", "content": "OSError: Oslo", "is_error": True}


def test_a_thinking_block_without_a_signature_is_not_sent() -> None:
    """Some servers of other models sign nothing; the service itself would refuse the block."""
    assert [*turn_blocks([{"reasoning": "Hm"}, "Hello", {"reasoning": "Hm"}, " "], [])] == [
        {"type": "text", "text": "Hello"}
    ]
    unsigned = {"type": "thinking", "thinking": "Hm", "signature": ""}
    assert [repr(item) for item in read("anthropic", events(unsigned))].count("TurnState(value=None)") == 1


def test_the_last_turn_may_end_with_a_block_that_is_no_text() -> None:
    state = {"provider": "anthropic", "host": "api.anthropic.com", "model": "m", "parts": [OSLO | {"type": "other"}]}
    messages = normalise([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "", "state": {
        **state, "account": ""}}])  # fmt: skip
    spec = providers.find("anthropic")
    call = Call(provider=spec, messages=messages, model="m", base_url=spec.base_url)
    assert spec.payload(call)["messages"][-1]["content"] == [OSLO | {"type": "other"}]  # type: ignore[index,call-overload]
