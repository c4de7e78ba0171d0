"""A turn that pauses: the service wants it back to go on with it, and `Conversation` sends it."""

import json
from typing import Any

import pytest

import g4flite
from g4flite import Conversation, Finish, Media, ServerToolCall, ServerToolResult
from g4flite.testing import Emulator, Script
from g4flite.testing import Finish as Ends
from tests.conftest import Driver
from tests.providers.frames import DONE, STOP, chunk, sse
from tests.providers.test_all_turns import QUESTION, block, events, sent, turn_of

KEY = "sk-test-1"
SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "snow"}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"encrypted_content": "RQ=="}]}


def paused(*blocks: dict[str, Any]) -> Script:
    """Return an answer of Anthropic's that pauses behind these blocks."""
    body = events(
        {"type": "message_start", "message": {"id": "m1", "model": "m"}},
        *(event for place, one in enumerate(blocks) for event in block(place, one)),
        {"type": "message_delta", "delta": {"stop_reason": "pause_turn"}},
        {"type": "message_stop"},
    )
    return Script(body=body, headers={"content-type": "text/event-stream"})


def said(driver: Driver, server: Emulator, chat: Conversation, then: Script | None = None) -> list[Any]:
    """Return the events of an answer; once it has begun, the server answers as usual, or as `then` says."""
    answer, got = chat.say("A coat?"), list[Any]()

    def take(event: Any) -> None:
        server.script = then or Script()
        got.append(event)

    async def read() -> None:
        async with chat:
            async for event in answer.events():
                take(event)

    if driver.name == "sync":
        with chat:
            for event in answer.events():
                take(event)
    else:
        driver.run(read)
    return got


@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "claude-opus-4-6"])
@pytest.mark.parametrize("blocks", [[SEARCH], [SEARCH, FOUND], [{"type": "text", "text": "I look."}, SEARCH]])
def test_a_conversation_goes_on_with_a_turn_that_pauses(
    model: str, blocks: list[Any], driver: Driver, server: Emulator
) -> None:
    server.script = paused(*blocks)
    server.reply = lambda messages: ["It snows.", Ends("stop")]
    chat = Conversation("anthropic", model=model, base_url=server.url, api_key=KEY)
    got = said(driver, server, chat)
    call = ServerToolCall("srvtoolu_1", "web_search", '{"query": "snow"}')
    assert [one for one in got if isinstance(one, ServerToolCall)] == [call]
    assert [one.id for one in got if isinstance(one, ServerToolResult)] == ["srvtoolu_1"] * (FOUND in blocks)
    assert "It snows." in got
    assert [one.reason for one in got if isinstance(one, Finish)] == ["pause", "stop"]
    assert json.loads(server.exchanges[-1].body)["messages"] == [
        {"role": "user", "content": "A coat?"}, {"role": "assistant", "content": blocks},
    ]  # fmt: skip
    assert server.exchanges[-1].problem is None
    assert [message["role"] for message in chat.messages] == ["user", "assistant", "assistant"]


SIGNED = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
SPOKEN = {"type": "text", "text": "I look. "}
ENDED = Script(
    body=events(*block(0, {"type": "text", "text": "It snows."}),
                {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, {"type": "message_stop"}),
    headers={"content-type": "text/event-stream"},
)  # fmt: skip


@pytest.mark.parametrize(
    "model", ["claude-opus-5-5", "claude-haiku-5-5", "anthropic/claude-opus-5", "claude-fable-5-1"]
)
@pytest.mark.parametrize("blocks", [[SPOKEN], [SIGNED, SPOKEN], [SIGNED, SEARCH, FOUND], [SEARCH, FOUND, SPOKEN]])
def test_a_turn_that_pauses_goes_back_as_it_is_on_models_that_think_by_default(
    model: str, blocks: list[Any], driver: Driver, server: Emulator
) -> None:
    server.script = paused(*blocks)
    chat = Conversation("anthropic", model=model, base_url=server.url, api_key=KEY)
    got = said(driver, server, chat, ENDED)
    assert "".join(one for one in got if isinstance(one, str)).endswith("It snows.")
    assert json.loads(server.exchanges[-1].body)["messages"] == [
        {"role": "user", "content": "A coat?"}, {"role": "assistant", "content": blocks},
    ]  # fmt: skip
    # The thinking is bound to the turn as it went back, and goes back with it.
    payload, dropped = sent("anthropic", [*chat.messages, QUESTION], model, base_url=server.url, api_key=KEY,
                            options={})  # fmt: skip
    assert (payload["messages"][1]["content"], dropped) == (blocks, ())


def test_a_turn_that_paused_loses_its_thinking_if_the_model_is_told_not_to_think() -> None:
    reply = bytes(paused(SIGNED, SPOKEN).body)
    why = ("the reasoning of the last message is left out, because the model does not think now",)
    for model, extra, told in (
        ("claude-haiku-5-5", {"thinking": {"type": "disabled"}}, why),
        ("claude-opus-4-8", {}, why),
        ("claude-opus-4-8", {"thinking": {"type": "adaptive"}}, ()),
        ("claude-haiku-5-5", {}, ()),
    ):
        turn = turn_of("anthropic", reply, model)
        payload, dropped = sent("anthropic", [QUESTION, turn], model, extra=extra)
        assert payload["messages"][-1]["content"] == ([SPOKEN] if told else [SIGNED, SPOKEN])
        assert dropped == told


def test_a_turn_that_paused_in_its_thinking_has_nothing_to_go_back() -> None:
    for blocks in ([SIGNED], []):
        turn = turn_of("anthropic", bytes(paused(*blocks).body), "claude-opus-5-5")
        payload, dropped = sent("anthropic", [QUESTION, turn], "claude-opus-5-5")
        assert payload["messages"] == [QUESTION]
        assert len(dropped) == len(blocks)


def test_gemini_goes_on_with_a_turn_that_pauses(driver: Driver, server: Emulator) -> None:
    server.reply = lambda messages: ["More.", Ends("stop" if messages[-1]["content"] == "More." else "pause")]
    chat = Conversation("gemini", model="gemini-2.5-pro", base_url=server.url, api_key=KEY)
    assert [one for one in said(driver, server, chat) if isinstance(one, str)] == ["More.", "More."]
    assert json.loads(server.exchanges[-1].body)["contents"][-1] == {"role": "model", "parts": [{"text": "More."}]}


def test_without_a_conversation_the_finish_reason_says_so(driver: Driver, server: Emulator) -> None:
    server.script = paused(SEARCH)
    call = {"model": "claude-opus-4-6", "base_url": server.url, "api_key": KEY}
    assert driver.collect("anthropic", "A coat?", **call) == []
    assert (driver.stream.finish_reason, driver.stream.native_finish_reason) == ("pause", "pause_turn")
    # An answer that is no such turn is still one that the model does not go on with.
    with pytest.raises(g4flite.MessagesError, match="does not go on with an answer"):
        driver.collect("anthropic", [QUESTION, {"role": "assistant", "content": "It"}], **call)


def test_what_the_model_said_aloud_goes_back_by_its_id(driver: Driver, server: Emulator) -> None:
    data = sse(
        chunk({"role": "assistant", "audio": {"id": "audio_1", "transcript": "Hel"}}),
        chunk({"audio": {"id": "audio_1", "transcript": "lo"}}),
        chunk({"audio": {"data": "AQA="}}), chunk({"audio": {"expires_at": 1}}), STOP, DONE,
    )  # fmt: skip
    turn = turn_of("openai", data, "gpt-audio")
    assert turn["content"] == "Hello"
    history = [QUESTION, turn, QUESTION]
    body, dropped = sent("openai", history, "gpt-audio")
    assert (body["messages"][1], dropped) == ({"role": "assistant", "audio": {"id": "audio_1"}}, ())
    # The emulator takes it.
    server.script = Script(body=data, headers={"content-type": "text/event-stream"})
    call = {"model": "gpt-audio", "base_url": f"{server.url}/v1", "api_key": KEY}
    assert Media("audio/*", b"\1\0") in driver.events("openai", [QUESTION], **call)
    spoken = driver.stream.message
    server.script = Script()
    assert driver.collect("openai", [QUESTION, spoken, QUESTION], **call)
    assert json.loads(server.exchanges[-1].body)["messages"][1] == {"role": "assistant", "audio": {"id": "audio_1"}}
    # Another model gets what was said as text.
    body, dropped = sent("openai", history, "gpt-5")
    assert body["messages"][1] == {"role": "assistant", "content": "Hello"}
    assert dropped == ("message 2: its state is left out, because it belongs to another model gpt-audio",)
