"""A turn that pauses: the service wants it back to go on with it, and `Conversation` sends it."""

import json
from typing import Any

import pytest

import g4flite
from g4flite import Conversation, Finish, Media, ServerToolCall, ServerToolResult
from g4flite.testing import Emulator, Script
from g4flite.testing import Finish as Ends
from tests.conftest import Driver
from tests.providers.frames import DONE, STOP, chunk, read, sse
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


GEMINI = {"model": "gemini-3-pro", "api_key": KEY}


def three_replies(messages: list[dict[str, Any]]) -> list[Any]:
    """Say a sentence in three replies; the emulator knows from the token what was said before."""
    said = messages[-1]["content"] if messages[-1]["role"] == "assistant" else ""
    return {"": ["It ", Ends("pause")], "It ": ["snows", Ends("pause")], "It snows": ["."]}[said]


def test_gemini_goes_on_with_an_answer_by_its_token(driver: Driver, server: Emulator) -> None:
    """Source: google-genai 3.6.1: the same request again, with the token of the last response."""
    server.reply = three_replies
    chat = Conversation("gemini", base_url=server.url, **GEMINI)
    got = said(driver, server, chat)
    assert "".join(one for one in got if isinstance(one, str)) == "It snows."
    assert [one.reason for one in got if isinstance(one, Finish)] == ["pause", "pause", "stop"]
    first, *others = [json.loads(exchange.body) for exchange in server.exchanges]
    tokens = [one.pop("continuationToken") for one in others]
    assert others == [first, first]
    assert len({*tokens}) == 2
    assert [exchange.problem for exchange in server.exchanges] == [None] * 3
    # Once the answer is whole, it goes back as one content, and without a token.
    assert [message["content"] for message in chat.messages[1:]] == ["It ", "snows", "."]
    payload, dropped = sent("gemini", [*chat.messages, QUESTION], "gemini-3-pro", base_url=server.url, options={})
    assert "continuationToken" not in payload
    assert [part["text"] for part in payload["contents"][1]["parts"] if part["text"]] == ["It ", "snows", "."]
    assert dropped == ()


def test_the_token_of_gemini_s_answer_survives_json_and_an_edit_is_refused(driver: Driver, server: Emulator) -> None:
    server.reply = three_replies
    call: dict[str, Any] = {"base_url": server.url, **GEMINI}
    assert driver.collect("gemini", [QUESTION], **call) == ["It "]
    assert driver.stream.finish_reason == "pause"
    turn = json.loads(json.dumps(driver.stream.message))
    assert driver.collect("gemini", [QUESTION, turn], **call) == ["snows"]
    # The emulator refuses the token of another request.
    for changed in ([{"role": "user", "content": "Hm?"}, turn], [QUESTION, QUESTION, turn]):
        with pytest.raises(g4flite.G4fliteError, match="expected the token of a response to the same request"):
            driver.collect("gemini", changed, **call)
    with pytest.raises(g4flite.G4fliteError, match="expected the token of a response to the same request"):
        driver.collect("gemini", [QUESTION], **call, extra={"continuationToken": "bm9uZQ=="})
    # Another model does not get it.
    assert driver.collect("gemini", [QUESTION, turn], **{**call, "model": "gemini-2.5-pro"})
    assert "continuationToken" not in json.loads(server.exchanges[-1].body)
    assert driver.stream.dropped == (
        "message 2: its state is left out, because it belongs to another model gemini-3-pro",
    )


def chunks(*candidates: dict[str, Any]) -> bytes:
    return sse(*({"candidates": [one], "modelVersion": "m"} for one in candidates))


HALF = {"functionCall": {"id": "c1", "name": "now", "partialArgs": [{"jsonPath": "$.zone", "stringValue": "U"}],
                         "willContinue": True}}  # fmt: skip


def test_an_answer_of_gemini_s_pauses_if_there_is_a_token_to_go_on_with() -> None:
    """A token may come in any chunk, the last one counts, and behind another finish reason it says nothing."""
    it = {"content": {"parts": [{"text": "It"}]}}
    for first, last, reason, token in (
        ({"continuationToken": "YQ=="}, {"finishReason": "CONTINUATION"}, "pause", "YQ=="),
        ({"continuationToken": "YQ=="}, {"finishReason": "CONTINUATION", "continuationToken": "Yg=="}, "pause", "Yg=="),
        ({}, {"finishReason": "CONTINUATION"}, "length", None),
        ({"continuationToken": "YQ=="}, {"finishReason": "STOP"}, "stop", None),
        # Half a call cannot be joined with its other half.
        ({"content": {"parts": [HALF]}, "continuationToken": "YQ=="}, {"finishReason": "CONTINUATION"}, "length", None),
    ):
        body = chunks(it | first, last)
        finish = [one for one in read("gemini", body) if isinstance(one, Finish)]
        assert [(one.reason, one.native) for one in finish] == [(reason, last["finishReason"])]
        turn = turn_of("gemini", body, "gemini-3-pro")
        assert ([*turn.get("state", {"parts": [None]})["parts"]][-1] == {"continuationToken": token}) is bool(token)
        payload, _ = sent("gemini", [QUESTION, *([turn] if token else [])], "gemini-3-pro", options={})
        assert payload.get("continuationToken") == token
        assert len(payload["contents"]) == 1


def test_an_answer_of_gemini_s_that_pauses_needs_the_messages_before_it() -> None:
    turn = turn_of("gemini", chunks({"continuationToken": "YQ==", "finishReason": "CONTINUATION"}), "gemini-3-pro")
    for history, length in (
        ([turn], 1),
        ([turn, turn], 1),
        ([QUESTION, turn, turn], 1),
        ([QUESTION, turn, QUESTION], 3),
    ):
        payload, _ = sent("gemini", history, "gemini-3-pro", options={})
        assert len(payload["contents"]) == length
        assert ("continuationToken" in payload) is (history[-1] is turn and len(history) > 1)


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
