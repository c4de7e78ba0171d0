"""Whole conversations with an emulator that signs, and refuses what comes back changed, as each service does.

Each conversation is a question, reasoning, two tool calls side by side, their results, an answer, and a second
question.  The emulator answers 400 if a turn comes back otherwise than its service wants it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

import g4flite
from g4flite import providers, tool_result
from g4flite.testing import Emulator, Exchange, Hidden, Reasoning, Script, ToolCall
from g4flite.testing.exchange import decide
from tests.conftest import Driver
from tests.no_socket import Wire
from tests.rows import share
from tests.splits import SPLITS

TOOL = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}}}
ARGUMENTS = ['{"zone": 0}', '{"zone": 1}']


class Row(NamedTuple):
    """How a provider asks the emulator: the model, the dialect, and what stands behind the server in the base URL."""

    model: str = "m"
    dialect: str | None = None
    base: str = "/v1"


ROWS = {
    "anthropic": Row("claude-opus-5-5", base=""),
    "gemini": Row("gemini-3-pro", base=""),
    "openai-responses": Row("gpt-5.6", "openai"),
    "openai-compatible": Row("gemini-3-pro", "google", "/v1beta/openai"),
    # The models name their dialects.
    "deepseek": Row("deepseek-v4"),
    "moonshot": Row("kimi-k2.5"),
    "openrouter": Row("anthropic/claude-sonnet-4.5", "openrouter", "/api/v1"),
    "zai": Row("glm-5", "zai", "/api/paas/v4"),
    "groq": Row("llama", "groq", "/openai/v1"),
    "mistral": Row("magistral-small", "mistral"),
    "cohere": Row("command-a-reasoning", base=""),
    "ollama": Row("qwen3", base=""),
    "azure-openai": Row("d", "azure", ""),
    "openai": Row("gpt-5.6", "openai"),
    "vllm": Row("m", "vllm"),
    "llamacpp": Row("m", "llamacpp"),
    "huggingface": Row("m", "huggingface"),
    "perplexity": Row("m", "perplexity", ""),
    "github-models": Row("m", "github-models", "/inference"),
    "fireworks": Row("m", "fireworks", "/inference/v1"),
}
WITH_TOOLS = [name for name in providers.names() if "tools" in providers.find(name).options]


def answer(messages: list[dict[str, Any]]) -> Iterator[Any]:
    """Say what a model says in this conversation."""
    yield from (Reasoning("Hm"), Reasoning("m."), Hidden())
    if messages[-1]["role"] == "tool":
        yield "It is nine."
        return
    yield "I look."
    yield from (ToolCall("", "clock", arguments) for arguments in ARGUMENTS)


class Talk:
    """One conversation, in which each question may go to another provider."""

    def __init__(self, driver: Driver) -> None:
        self.driver, self.emulator, self.messages = driver, Emulator(answer), list[Any]()
        self.client = driver.client(transport=Wire(self.emulator))

    def start(self, split: int | None = None) -> None:
        """Begin anew, with replies in pieces of this size."""
        self.messages, self.emulator.script = [], Script(split=split)

    def ask(self, name: str, *messages: Any, **settings: Any) -> g4flite.Stream:
        """Return the stream that answers these messages, which is read and appended to the conversation."""
        row = ROWS.get(name, Row())
        self.messages += messages
        self.emulator.script = replace(self.emulator.script, dialect=row.dialect)
        self.driver.collect(name, self.messages, client=self.client, **{
            "model": row.model, "base_url": f"https://emulator.test{row.base}", "api_key": "key", "tools": [TOOL],
            **settings,
        })  # fmt: skip
        self.messages.append(self.driver.stream.message)
        return self.driver.stream

    def answer_calls(self, name: str, **settings: Any) -> g4flite.Stream:
        """Send the results of the last tool calls."""
        calls = self.messages[-1]["tool_calls"]
        assert [call["function"]["arguments"] for call in calls] == ARGUMENTS
        return self.ask(
            name, *(tool_result(call["id"], f"{hour} o'clock") for hour, call in enumerate(calls)), **settings
        )


@pytest.fixture
def talk(driver: Driver) -> Iterator[Talk]:
    made = Talk(driver)
    yield made
    driver.close(made.client)


def user(question: str) -> dict[str, Any]:
    return {"role": "user", "content": question}


@pytest.mark.parametrize("name", WITH_TOOLS)
def test_a_conversation_with_tools_goes_on_at_every_split(name: str, talk: Talk) -> None:
    for split in share(SPLITS, talk.driver):
        talk.start(split)
        called = talk.ask(name, user("What time is it?"))
        answered = talk.answer_calls(name)
        # Nothing follows this reply.
        talk.emulator.script = Script()
        again = talk.ask(name, user("And now?"))
        texts = [stream.message["content"].strip() for stream in (called, answered, again)]
        assert texts == ["I look.", "It is nine.", "I look."]
        # Services that want no reasoning back are sent none, and that is no news.
        assert [stream.dropped for stream in (called, answered, again)] == [()] * 3
        assert [exchange.problem for exchange in talk.emulator.exchanges[-3:]] == [None] * 3


# Each goes on with the next one, and the last one with the first.
SWITCHES = [
    "anthropic",
    "gemini",
    "openai-responses",
    "openai-compatible",
    "deepseek",
    "openrouter",
    "mistral",
    "moonshot",
    "cohere",
    "groq",
]


@pytest.mark.parametrize("first", SWITCHES)
def test_another_provider_goes_on_with_the_conversation_and_says_what_is_left_out(first: str, talk: Talk) -> None:
    for place, other in share(enumerate(name for name in SWITCHES if name != first), talk.driver):
        # Each provider's first switch comes in pieces of one size.  Small pieces take most of this test's time.
        talk.start(None if place else SPLITS[SWITCHES.index(first) % len(SPLITS)])
        talk.ask(first, user("What time is it?"))
        answered = talk.answer_calls(other)
        assert answered.message["content"].strip() == "It is nine."
        (told,) = answered.dropped
        assert told.startswith("message 2: its state is left out, because ")
        # Back at the first one, which takes its own turn again, and not the answer of the other one.
        again = talk.ask(first, user("And now?"))
        # Gemini's path for OpenAI's clients signs calls alone, so that its answer has no state.
        unsigned = other == "openai-compatible"
        assert [told.partition(":")[0] for told in again.dropped] == ([] if unsigned else ["message 5"])
        talk.answer_calls(first)
        assert [exchange.problem for exchange in talk.emulator.exchanges[-4:]] == [None] * 4


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("anthropic", "claude-sonnet-5-5"),
        ("gemini", "gemini-3-flash"),
        ("openai-responses", "gpt-5"),
        ("openrouter", "google/gemini-3-pro"),
        ("openai-compatible", "gemini-3-flash"),
        ("deepseek", "deepseek-chat"),
    ],
)
def test_another_model_of_the_provider_goes_on_with_the_conversation(name: str, model: str, talk: Talk) -> None:
    talk.start()
    talk.ask(name, user("What time is it?"))
    answered = talk.answer_calls(name, model=model)
    # DeepSeek's reasoning is text, which any model of theirs takes.
    assert len(answered.dropped) == (name != "deepseek")
    talk.ask(name, user("And now?"))
    talk.answer_calls(name)


@pytest.mark.parametrize("model", ["deepseek-v4-pro", "moonshotai/kimi-k2.5"])
def test_models_of_other_vendors_get_their_thinking_back_without_a_signature(model: str, talk: Talk) -> None:
    """400 "The `content[].thinking` in the thinking mode must be passed back to the API." (2026)."""
    for split in share(SPLITS, talk.driver):
        talk.start(split)
        called = talk.ask("anthropic", user("What time is it?"), model=model)
        assert called.message["state"]["parts"] == [{"reasoning": "Hmm."}, "I look.", 0, 1]
        streams = [talk.answer_calls("anthropic", model=model), talk.ask("anthropic", user("And now?"), model=model)]
        assert [stream.dropped for stream in streams] == [()] * 2


@pytest.mark.parametrize("model", ["deepseek-v4-pro", "moonshotai/kimi-k2.5"])
def test_models_of_other_vendors_get_blank_thinking_for_the_calls_of_another_model(model: str, talk: Talk) -> None:
    for first in share(["openai", "anthropic"], talk.driver):
        talk.start()
        talk.ask(first, user("What time is it?"))
        assert len(talk.answer_calls("anthropic", model=model).dropped) == (first == "anthropic")
        body = json.loads(talk.emulator.exchanges[-1].body)
        kinds = [block["type"] for block in body["messages"][1]["content"]]
        assert kinds == ["thinking", "text", "tool_use", "tool_use"]
        # The service refuses the calls without it, unless the model does not think.
        del body["messages"][1]["content"][0]
        headers = talk.emulator.exchanges[-1].headers
        for kind, status in (("enabled", 400), ("disabled", 200)):
            wanted = {**body, "thinking": {"type": kind, "budget_tokens": 1024}}
            exchange = Exchange(method="POST", path="/v1/messages", headers=headers, body=json.dumps(wanted).encode())
            assert decide(exchange, talk.emulator.policy(), None).status == status


@pytest.mark.parametrize("name", ["anthropic", "openai-responses"])
def test_another_account_goes_on_with_the_conversation(name: str, talk: Talk) -> None:
    talk.start()
    talk.ask(name, user("What time is it?"))
    assert talk.answer_calls(name, api_key="another").dropped == (
        "message 2: its state is left out, because it belongs to another account",
    )


def test_thinking_is_left_out_if_something_before_it_was_changed(talk: Talk) -> None:
    talk.start()
    talk.ask("anthropic", user("What time is it?"))
    talk.messages[0] = user("What day is it?")
    assert talk.answer_calls("anthropic").dropped == (
        "message 2: its state is left out, because message 1 was changed",
    )
    # The turn behind it was answered without the thinking that is left out, and goes back.
    assert talk.ask("anthropic", user("And now?")).dropped == (
        "message 2: its state is left out, because message 1 was changed",
    )
    talk.answer_calls("anthropic")


UNTHOUGHT = "because the answer that the model goes on with began without its thinking"


@pytest.mark.parametrize("first", ["anthropic", "deepseek"])
@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "claude-opus-4-1-20250805"])
def test_thinking_is_off_while_claude_goes_on_with_an_answer_that_began_without_it(
    first: str, model: str, talk: Talk
) -> None:
    """The answer began at another provider, or the key was rotated within it."""
    thinking: dict[str, Any] = {"model": model, "api_key": "another", "reasoning_effort": "low"}
    talk.start()
    talk.ask(first, user("What time is it?"), **({**thinking, "api_key": "key"} if first == "anthropic" else {}))
    sent = len(talk.emulator.exchanges)
    extra = {**thinking, "reasoning_effort": None, "extra": {"thinking": {"type": "enabled", "budget_tokens": 1024}}}
    del extra["reasoning_effort"]
    with pytest.raises(g4flite.OptionError, match=f"thinking in extra= is refused, {UNTHOUGHT}; leave it out until"):
        talk.ask("anthropic", *(tool_result(call["id"], "9") for call in talk.messages[-1]["tool_calls"]), **extra)
    assert len(talk.emulator.exchanges) == sent
    del talk.messages[2:]
    told = f"reasoning_effort='low' is left out, {UNTHOUGHT}"
    assert told in talk.answer_calls("anthropic", **thinking, temperature=0.5).dropped
    body = json.loads(talk.emulator.exchanges[-1].body)
    assert ("thinking" in body, body["max_tokens"]) == (False, 8192)
    # It is on in the next answer, and while the model goes on with that.
    stream = talk.ask("anthropic", user("And now?"), **thinking)
    assert [told for told in stream.dropped if "state" not in told] == []
    stream = talk.answer_calls("anthropic", **thinking)
    assert [told for told in stream.dropped if "state" not in told] == []
    assert json.loads(talk.emulator.exchanges[-1].body)["thinking"] == {"type": "enabled", "budget_tokens": 1024}
    assert {exchange.problem for exchange in talk.emulator.exchanges} == {None}


def test_claude_may_go_on_without_thinking_within_an_answer_that_began_with_it(talk: Talk) -> None:
    thinking: dict[str, Any] = {"model": "claude-sonnet-4-5", "reasoning_effort": "low"}
    talk.start()
    talk.ask("anthropic", user("What time is it?"), **thinking)
    talk.emulator.reply = lambda _: [ToolCall("", "clock", arguments) for arguments in ARGUMENTS]
    for _ in range(2):
        assert talk.answer_calls("anthropic", **thinking).dropped == ()
        assert "thinking" in json.loads(talk.emulator.exchanges[-1].body)


@pytest.mark.parametrize("effort", [{}, {"reasoning_effort": "none"}])
def test_an_answer_that_claude_goes_on_with_has_no_reasoning_if_the_model_does_not_think(
    effort: dict[str, str], talk: Talk
) -> None:
    talk.start()
    talk.emulator.reply = lambda _: [Reasoning("Hm."), "It is"]
    talk.ask("anthropic", user("What time is it?"), model="claude-sonnet-4-5", reasoning_effort="low")
    stream = talk.ask("anthropic", model="claude-sonnet-4-5", **effort)
    assert stream.dropped == ("the reasoning of the last message is left out, because the model does not think now",)
    last = json.loads(talk.emulator.exchanges[-1].body)["messages"][-1]
    assert last == {"role": "assistant", "content": [{"type": "text", "text": "It is"}]}
    # The service takes it if the model thinks.
    del talk.messages[2:]
    assert talk.ask("anthropic", model="claude-sonnet-4-5", reasoning_effort="low").dropped == ()


@pytest.mark.parametrize("model", ["claude-opus-5-5", "claude-opus-5.5", "anthropic/claude-opus-5.5"])
def test_thinking_is_left_out_behind_a_turn_whose_state_was_taken_out(model: str, talk: Talk) -> None:
    talk.start()
    talk.ask("anthropic", user("What time is it?"), model=model)
    talk.answer_calls("anthropic", model=model)
    del talk.messages[1]["state"]
    assert talk.ask("anthropic", user("And now?"), model=model).dropped == (
        "message 5: its state is left out, because one of messages 1 to 4 was changed",
    )
    talk.answer_calls("anthropic", model=model)


def test_thinking_is_left_out_behind_another_system_prompt_in_extra(talk: Talk) -> None:
    talk.start()
    talk.ask("anthropic", user("What time is it?"), extra={"system": "Be brief."})
    assert talk.answer_calls("anthropic", extra={"system": "Be long."}).dropped == (
        "message 2: its state is left out, because the system prompt was changed",
    )


@pytest.mark.parametrize("model", ["claude-opus-5-5", "claude-fable-5-1"])
def test_thinking_is_left_out_before_a_system_message_that_comes_later(model: str, talk: Talk) -> None:
    talk.start()
    prompt = {"role": "system", "content": "Be kind."}
    talk.ask("anthropic", prompt, user("What time is it?"), model=model)
    assert talk.answer_calls("anthropic", model=model).dropped == ()
    late = {"role": "system", "content": "Now answer in French."}
    why = "because message 7 changed the system prompt"
    told = tuple(f"message {number}: its state is left out, {why}" for number in (3, 6))
    assert talk.ask("anthropic", late, user("And now?"), model=model).dropped == told
    assert json.loads(talk.emulator.exchanges[-1].body)["system"] == "Be kind.\n\nNow answer in French."
    # The turn behind it goes back.
    assert talk.answer_calls("anthropic", model=model).dropped == told
    assert talk.messages[-1]["state"]["parts"][0] == {"reasoning": "Hmm."}


def test_thinking_goes_back_while_the_marks_of_the_cache_move(talk: Talk) -> None:
    talk.start()
    mark = {"cache_control": {"type": "ephemeral"}}
    question = {"role": "user", "content": [{"type": "text", "text": "What time is it?", **mark}]}
    talk.ask("anthropic", {"role": "system", "content": "Be kind."}, question)
    talk.messages[:2] = [
        {"role": "system", "content": [{"type": "text", "text": "Be kind.", **mark}]}, user("What time is it?")
    ]  # fmt: skip
    assert talk.answer_calls("anthropic", tools=[{**TOOL, **mark}]).dropped == ()
    assert [exchange.problem for exchange in talk.emulator.exchanges] == [None] * 2


# What the emulator refuses.  Each row changes the request with the results of the tools, which is right as it is.


def turn(data: Any) -> Any:
    """Return the parts of the assistant's turn in a request."""
    if "input" in data:
        return data["input"]
    message = (data.get("contents") or data["messages"])[1]
    return message["parts"] if "parts" in message else message.get("reasoning_details", message["content"])


def put(place: int, **change: Any) -> Callable[[Any], Any]:
    """Return the change of some fields of a part of the turn; None leaves a field out."""

    def made(data: Any) -> None:
        part = turn(data)[place]
        part.update(change)
        for field in [field for field in change if change[field] is None]:
            del part[field]

    return made


def flip(place: int, field: str) -> Callable[[Any], Any]:
    """Return the change of one character of a signature."""

    def made(data: Any) -> None:
        mark = turn(data)[place][field]
        turn(data)[place][field] = ("A" if mark[0] != "A" else "B") + mark[1:]

    return made


def leave_out(*places: int) -> Callable[[Any], Any]:
    """Return the change that takes parts out of the turn."""
    return lambda data: [turn(data).pop(place) for place in sorted(places, reverse=True)]


def swap(data: Any) -> None:
    """Change the order of the first two parts of the turn."""
    parts = turn(data)
    parts[0], parts[1] = parts[1], parts[0]


def ask_otherwise(data: Any) -> None:
    """Edit the question."""
    first = (data.get("contents") or data.get("input") or data["messages"])[0]
    if "parts" in first:
        first["parts"][0]["text"] = "Edited."
    else:
        first["content"] = "Edited."


def put_in(*change: tuple[str, Any]) -> Callable[[Any], Any]:
    """Return the change of fields of the request, or of an assistant's message of Chat Completions if it has one."""
    return lambda data: data.update(change)


def put_in_message(**change: Any) -> Callable[[Any], Any]:
    """Return the change of fields of the assistant's message; None leaves a field out."""

    def made(data: Any) -> None:
        message = data["messages"][1]
        message.update(change)
        for field in [field for field in change if change[field] is None]:
            del message[field]

    return made


def mark_call(place: int, mark: str | None) -> Callable[[Any], Any]:
    """Return the change of Gemini's signature of a tool call of Chat Completions; None leaves it out."""

    def made(data: Any) -> None:
        call = data["messages"][1]["tool_calls"][place]
        call["extra_content"] = {"google": {"thought_signature": mark}}
        if mark is None:
            del call["extra_content"]

    return made


def edit_call(data: Any) -> None:
    """Change the arguments of the first call."""
    data["messages"][1]["tool_calls"][0]["function"]["arguments"] = "{"


def same(_: Any) -> None:
    """Change nothing."""


def both(*changes: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return several changes as one."""
    return lambda data: [change(data) for change in changes]


def say_beside(data: Any) -> None:
    """Let the user say something behind the results of the tools."""
    data["messages"].append(user("Hm?"))


def say_more(data: Any) -> None:
    """Let the model say something, and then the user."""
    data["messages"] += [{"role": "assistant", "content": "It is nine."}, user("Sure?")]


def begin_with_thinking(data: Any) -> None:
    """Let the conversation end with the beginning of an answer."""
    data["messages"].append({"role": "assistant", "content": [turn(data)[0], {"type": "text", "text": "It"}]})


OPUS, OLDER = "claude-opus-5-5", "claude-sonnet-4-5"
INVALID = "messages.1.content.0: Invalid `signature` in `thinking` block"
BOUND = f"{INVALID}. The block is bound to a different conversation."
MODIFIED = "`thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified."
FINAL = "messages.1: The final block in an assistant message cannot be"
DISABLED = "When thinking is disabled, an `assistant` message in the final position cannot contain `thinking`"
ENABLED = {"type": "enabled", "budget_tokens": 1024}
MISSING = "Function call is missing a thought_signature in functionCall parts."
DROP = {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "drop_block"}}
BETA = {"anthropic-beta": "thinking-binding-controls-2026-08-01"}
ENCRYPTED = "could not be verified. Reason: Encrypted content could not be decrypted or parsed."
FOLLOWING = "Item 'rs_2' of type 'reasoning' was provided without its required following item."
DEEPSEEK = "The `reasoning_content` in the thinking mode must be passed back to the API."
KIMI = "thinking is enabled but reasoning_content is missing in assistant tool call message at index 1"
MORE = {"name": "more", "input_schema": {"type": "object"}}
# The provider, the model, the change, more headers, and the refusal; "" if the request is as good as before.
CHANGES: list[tuple[str, str, Callable[[Any], Any], dict[str, str], str]] = [
    ("anthropic", OPUS, same, {}, ""),
    ("anthropic", OPUS, flip(0, "signature"), {}, INVALID),
    ("anthropic", OPUS, flip(1, "data"), {}, "content.1: Invalid `signature` in `redacted_thinking` block"),
    ("anthropic", OPUS, put(0, signature="c2ln"), {}, INVALID),
    ("anthropic", OPUS, put(0, signature=None), {}, "messages.1.content.0.thinking.signature: Field requ"),
    ("anthropic", OPUS, put(1, data=None), {}, "messages.1.content.1.redacted_thinking.data: Field requ"),
    ("anthropic", OPUS, put(0, thinking="Edited."), {}, MODIFIED),
    ("anthropic", OPUS, put(2, text="Edited."), {}, ""),
    ("anthropic", OPUS, ask_otherwise, {}, BOUND),
    ("anthropic", OPUS, put_in(("system", "Be brief.")), {}, BOUND),
    ("anthropic", OPUS, put_in(("tools", [MORE])), {}, BOUND),
    ("anthropic", OPUS, leave_out(0), {}, "The block is bound to a different conversation."),
    ("anthropic", OPUS, swap, {}, "The block is bound to a different conversation."),
    ("anthropic", OPUS, leave_out(0, 1), {}, ""),
    ("anthropic", OPUS, both(ask_otherwise, put_in(("thinking", DROP))), BETA, ""),
    ("anthropic", OPUS, both(ask_otherwise, put_in(("thinking", DROP))), {}, "block_binding: Extra inputs"),
    ("anthropic", OPUS, ask_otherwise, BETA, BOUND),
    ("anthropic", OPUS, put_in(("thinking", {"type": "adaptive", "block_binding": {}})), BETA, ""),
    ("anthropic", OPUS, both(ask_otherwise, put_in(("thinking", {**DROP, "block_binding": {}}))), BETA, BOUND),
    ("anthropic", OPUS, put_in(("thinking", {**DROP, "block_binding": {"prefix_mismatch_behavior": "x"}})), BETA,
     "thinking.adaptive.block_binding.prefix_mismatch_behavior: Input should be 'error' or 'drop_block'"),
    ("anthropic", OPUS, put_in(("model", "claude-opus-5-6")), {}, ""),
    ("anthropic", OLDER, ask_otherwise, {}, ""),
    ("anthropic", OLDER, put(0, thinking="Edited."), {}, MODIFIED),
    ("anthropic", OLDER, leave_out(0), {}, MODIFIED),
    ("anthropic", OLDER, swap, {}, MODIFIED),
    ("anthropic", OLDER, leave_out(0, 1), {}, ""),
    ("anthropic", OLDER, lambda data: turn(data).append(turn(data)[0]), {}, f"{FINAL} `thinking`."),
    ("anthropic", OLDER, lambda data: turn(data).append(turn(data)[1]), {}, f"{FINAL} `redacted_thinking`."),
    ("anthropic", OLDER, put_in(("thinking", ENABLED)), {}, ""),
    ("anthropic", OLDER, both(leave_out(0, 1), put_in(("thinking", ENABLED))), {},
     "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `text`. When `thinking` is ena"),
    ("anthropic", OLDER, both(leave_out(0, 1), put_in(("thinking", ENABLED)), say_beside), {}, "but found `text`"),
    ("anthropic", OLDER, both(leave_out(0, 1), put_in(("thinking", ENABLED)), say_beside, say_more), {}, ""),
    ("anthropic", OLDER, begin_with_thinking, {}, f"messages.3.content.0: {DISABLED}"),
    ("anthropic", OLDER, both(begin_with_thinking, put_in(("thinking", {"type": "disabled"}))), {}, DISABLED),
    ("anthropic", "claude-sonnet-5-5", same, {"x-api-key": "another"}, ""),
    ("gemini", "gemini-3-pro", same, {}, ""),
    ("gemini", "gemini-3-pro", put(1, thoughtSignature=None), {}, f"{MISSING}"),
    ("gemini", "gemini-3-pro", put(1, thoughtSignature="skip_thought_signature_validator"), {}, ""),
    ("gemini", "gemini-3-pro", put(1, thoughtSignature="context_engineering_is_the_way_to_go"), {}, ""),
    # As Google's client writes the bytes b"skip_thought_signature_validator".
    ("gemini", "gemini-3-pro", put(1, thoughtSignature="c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="), {}, ""),
    ("gemini", "gemini-3-pro", flip(1, "thoughtSignature"), {}, "Corrupted thought signature."),
    ("gemini", "gemini-3-pro", put(1, thoughtSignature="abcde"), {}, "Corrupted thought signature."),
    ("gemini", "gemini-3-pro", put(1, functionCall={"id": "call_1", "name": "clock", "args": {"zone": 7}}), {},
     "Corrupted thought signature."),
    # No signature stands in the second of two calls, and none depends on what was said before.
    ("gemini", "gemini-3-pro", both(ask_otherwise, put(0, text="Edited.")), {}, ""),
    ("gemini", "gemini-2.5-pro", put(1, thoughtSignature=None), {}, ""),
    ("gemini", "gemini-2.5-pro", lambda data: turn(data).clear(), {}, "contents[1].parts: expected a list of objects"),
    ("openai-compatible", "gemini-3-pro", same, {}, ""),
    ("openai-compatible", "gemini-3-pro", mark_call(0, None), {}, f"{MISSING}"),
    # The turn is not the current one.
    ("openai-compatible", "gemini-3-pro", both(mark_call(0, None), say_more), {}, ""),
    ("openai-compatible", "gemini-3-pro", mark_call(0, "skip_thought_signature_validator"), {}, ""),
    ("openai-compatible", "gemini-3-pro", mark_call(0, "c2ln"), {}, "Corrupted thought signature."),
    ("openai-compatible", "gemini-3-pro", mark_call(1, "c2ln"), {}, "Corrupted thought signature."),
    ("openai-compatible", "gemini-3-pro", edit_call, {}, "Corrupted thought signature."),
    ("openai-compatible", "gemini-2.5-pro", same, {}, ""),
    ("openai-responses", "gpt-5.6", same, {}, ""),
    ("openai-responses", "gpt-5.6", same, {"authorization": "Bearer another"}, ENCRYPTED),
    ("openai-responses", "gpt-5.6", flip(2, "encrypted_content"), {}, ENCRYPTED),
    ("openai-responses", "gpt-5.6", put(2, encrypted_content=None), {}, ""),
    ("openai-responses", "gpt-5.6", both(put(2, encrypted_content=None), put_in(("store", False))), {},
     "Item with id 'rs_2' not found. Items are not persisted when `store` is set to false."),
    ("openai-responses", "gpt-5.6", put_in(("store", False)), {}, ""),
    ("openai-responses", "gpt-5.6", leave_out(3, 4, 5, 6, 7), {}, FOLLOWING),
    ("openai-responses", "gpt-5.6", leave_out(2), {},
     "Item 'msg_3_rs_2' of type 'message' was provided without its required 'reasoning' item: 'rs_2'."),
    ("openai-responses", "gpt-5.6", leave_out(2, 3), {},
     "Item 'fc_4_rs_2' of type 'function_call' was provided without its required 'reasoning' item: 'rs_2'."),
    ("openai-responses", "gpt-5.6", both(put(3, id=None), put(4, id=None), put(5, id=None), leave_out(1, 2)), {}, ""),
    ("openai-responses", "gpt-5.6", ask_otherwise, {}, ""),
    ("deepseek", "deepseek-v4", same, {}, ""),
    ("deepseek", "deepseek-v4", put_in_message(reasoning_content=None), {}, DEEPSEEK),
    ("deepseek", "deepseek-v4", put_in_message(reasoning_content=""), {}, ""),
    ("deepseek", "deepseek-v4", both(put_in_message(reasoning_content=None),
                                     put_in(("thinking", {"type": "disabled"}))), {}, ""),
    ("deepseek", "deepseek-chat", put_in_message(reasoning_content=None), {}, ""),
    ("moonshot", "kimi-k2.5", put_in_message(reasoning_content=None), {}, KIMI),
    ("moonshot", "kimi-k2.5", put_in_message(reasoning_content="."), {}, ""),
    ("moonshot", "kimi-k2-0905-preview", put_in_message(reasoning_content=None), {}, ""),
    ("zai", "glm-5", put_in_message(reasoning_content=None), {}, ""),
    ("openrouter", "anthropic/claude-sonnet-4.5", same, {}, ""),
    ("openrouter", "anthropic/claude-sonnet-4.5", flip(0, "signature"), {}, INVALID),
    ("openrouter", "anthropic/claude-sonnet-4.5", put(0, signature=None), {}, INVALID),
    ("openrouter", "anthropic/claude-sonnet-4.5", put(0, text="Edited."), {}, INVALID),
    ("openrouter", "anthropic/claude-sonnet-4.5", put(0, format="unknown"), {}, ""),
    ("openrouter", "anthropic/claude-sonnet-4.5", put_in_message(reasoning_details=None), {}, ""),
    ("openrouter", "openai/gpt-5", same, {}, ""),
    ("openrouter", "openai/gpt-5", flip(1, "data"), {}, "could not be verified."),
    ("openrouter", "openai/gpt-5", put(0, summary="Edited."), {}, ""),
    ("groq", "llama", put_in_message(reasoning_content="Hmm."), {}, "property 'reasoning_content' is unsupported"),
    ("groq", "llama", put_in_message(reasoning="Hmm."), {}, ""),
    ("mistral", "magistral-small", put(0, thinking=[{"type": "text", "text": "Edited."}]), {}, ""),
    ("cohere", "command-a-reasoning", put(0, thinking="Edited."), {}, ""),
    ("ollama", "qwen3", put_in_message(thinking="Edited."), {}, ""),
]  # fmt: skip


def refusal(talk: Talk, change: Callable[[Any], Any], headers: dict[str, str]) -> str:
    """Return why the last request would be refused with this change, and "" if it would not."""
    last = talk.emulator.exchanges[-1]
    data = json.loads(last.body)
    change(data)
    kept = [(name, value) for name, value in last.headers if name.lower() not in headers]
    again = Exchange(method=last.method, path=last.path, headers=[*kept, *headers.items()],
                     body=json.dumps(data).encode())  # fmt: skip
    response = decide(again, talk.emulator.policy(), None)
    said = b"".join(response.body).decode()
    assert (again.problem is None) == (response.status == 200)
    assert again.problem is None or json.dumps(again.problem)[1:-1] in said
    return again.problem or ""


@pytest.fixture
def sync_talk() -> Iterator[Talk]:
    made = Talk(Driver("sync"))
    yield made
    made.driver.close(made.client)


def test_a_turn_that_comes_back_changed_is_refused_as_the_service_refuses_it(sync_talk: Talk) -> None:
    for name, model, change, headers, expected in CHANGES:
        sync_talk.start()
        sync_talk.ask(name, user("What time is it?"), model=model)
        sync_talk.answer_calls(name, model=model)
        found = refusal(sync_talk, change, headers)
        assert (expected in found) if expected else not found, (name, model, expected, found)


PIECES = (
    "Said. ",
    " ",
    "\n\n",
    Reasoning("Hm."),
    Reasoning(" "),
    Hidden(),
    *(ToolCall("", "clock", a) for a in ARGUMENTS),
)
KEEPERS = (
    "anthropic", "gemini", "openai-responses", "openrouter", "deepseek", "moonshot", "mistral", "cohere", "ollama",
    "zai", "vllm",
)  # fmt: skip


def test_turns_with_their_parts_in_any_order_go_back(sync_talk: Talk) -> None:
    for seed in range(70):
        chance = random.Random(seed)
        name = chance.choice(KEEPERS)
        # Each reply says something: one without text and tool calls may be an error.
        plan = [
            [*chance.choices(PIECES, k=chance.randrange(5)), "So.", *chance.choices(PIECES, k=chance.randrange(3))]
            for _ in range(3)
        ]
        replies = iter(plan)
        sync_talk.emulator.reply = lambda _, replies=replies: next(replies)  # type: ignore[misc]
        sync_talk.start()
        following: list[Any] = [{"role": "system", "content": "Be brief."}, user("What time is it?")]
        for _ in plan:
            stream = sync_talk.ask(name, *following)
            assert [told for told in stream.dropped if "at the end of an answer" not in told] == [], (seed, plan)
            following = [tool_result(call, "nine") for call in stream.tool_calls] or [user("And now?")]
    assert {exchange.problem for exchange in sync_talk.emulator.exchanges} == {None}
