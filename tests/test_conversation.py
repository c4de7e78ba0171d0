"""Conversations: the loop of tool calls, in three drivers, against an emulator that calls tools.

chat = conversation(server, tools=[weather])
assert say(driver, chat, "A coat?") == "It is snow in Oslo."        # in `for` or `async for`
"""

import asyncio
import gc
import json
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

import g4flite
from g4flite import Conversation, Media, ToolCall, Usage, UsageError
from g4flite import conversation as module
from g4flite.conversation import summed
from g4flite.testing import Emulator, Finish, Problem, Reasoning, Script
from tests.acme import ACME, MARKED
from tests.conftest import Driver
from tests.rows import rows

SECRET = "sk-s3cret-s3cret"
CALL = ToolCall("", "weather", '{"city": "Oslo"}')
OTHER = ToolCall("", "weather", '{"city": "Rome"}')
USER = {"role": "user", "content": "A coat?"}


def weather(city: str) -> str:
    """Return the weather of a city."""
    return f"snow in {city}"


async def async_weather(city: str) -> str:
    """Return the weather of a city."""
    await anyio.sleep(0)
    return f"snow in {city}"


async_weather.__name__ = "weather"
FORM = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


def tools(driver: Driver) -> list[Any]:
    """Return an async tool for the async drivers."""
    return [weather if driver.name == "sync" else async_weather]


def calling(*calls: Any, text: str = "") -> Callable[[Any], Any]:
    """Return a reply function that calls these tools, and then says what they have returned."""

    def reply(messages: Any) -> Any:
        results = []
        for message in reversed(messages):
            if message["role"] != "tool":
                break
            results.insert(0, message["content"])
        return [f"It is {' and '.join(results)}."] if results else [*([text] if text else []), *calls]

    return reply


@pytest.fixture
def server() -> Iterator[Emulator]:
    with Emulator(calling(CALL)) as emulator:
        yield emulator


def conversation(server: Emulator, provider: Any = "openai", **more: Any) -> Conversation:
    url = server.url + ("/v1" if provider == "openai" else "")
    return Conversation(provider, **{"model": "m", "base_url": url, "api_key": SECRET, "retries": 0, **more})


def say(
    driver: Driver, chat: Conversation, content: Any, *, limit: int = 10**9, events: bool = False, also: Any = None
) -> Any:
    """Return the whole text of an answer (or all its events); close the conversation, and `also` a client."""
    answer = chat.say(content)
    found: list[Any] = []

    def read() -> None:
        with chat, answer:
            for item in answer.events() if events else answer:  # type: ignore[attr-defined]
                found.append(item)
                if len(found) == limit:
                    break
        if also:
            also.close()

    async def aread() -> None:
        async with chat, answer:
            async for item in answer.events() if events else answer:  # type: ignore[attr-defined]
                found.append(item)
                if len(found) == limit:
                    break
        if also:
            await also.aclose()

    driver.run(aread) if driver.name != "sync" else read()
    return found if events else "".join(found)


def sent(server: Emulator, number: int = -1) -> Any:
    return json.loads(server.exchanges[number].body)


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "ollama", "cohere", "openai-responses"])
def test_an_answer_goes_on_through_the_rounds_of_its_tools(driver: Driver, server: Emulator, provider: str) -> None:
    server.keys = False
    server.reply = calling(CALL, OTHER, text="Let me look. ")
    url = server.url + {
        "openai": "/v1",
        "openai-responses": "/v1",
    }.get(provider, "")
    keyed = {} if provider == "ollama" else {"api_key": SECRET}
    chat = Conversation(provider, model="m", base_url=url, tools=tools(driver), system="Be brief.", retries=0, **keyed)
    assert say(driver, chat, "A coat?").startswith("Let me look. It is ")
    asked, turn, *results, last = chat.messages
    assert (asked, turn["content"], last["role"]) == (USER, "Let me look. ", "assistant")
    assert [call["function"]["name"] for call in turn["tool_calls"]] == ["weather"] * 2
    assert [result["content"] for result in results] == ["snow in Oslo", "snow in Rome"]
    assert [result["tool_call_id"] for result in results] == [call["id"] for call in turn["tool_calls"]]
    assert [exchange.problem for exchange in server.exchanges] == [None, None]
    assert b"Be brief." in server.exchanges[0].body
    assert b"Return the weather of a city." in server.exchanges[1].body


def test_an_answer_without_tools_is_one_round_and_its_usage_is_summed(driver: Driver, server: Emulator) -> None:
    server.reply = lambda _: ["Hi", Usage(9, 1)]
    chat = conversation(server)
    assert chat.usage == Usage()
    assert say(driver, chat, [{"type": "text", "text": "A "}, {"type": "text", "text": "coat?"}]) == "Hi"
    parts = [{"type": "text", "text": "A "}, {"type": "text", "text": "coat?"}]
    assert chat.messages == [{"role": "user", "content": parts}, {"role": "assistant", "content": "Hi"}]
    chat = conversation(server, messages=chat.messages)
    answer = chat.say({**USER, "name": "ann"})
    assert answer.text() == "Hi"
    assert sent(server)["messages"][2] == {**USER, "name": "ann"}
    assert (answer.partial, answer.finish_reason, answer.stream.usage and answer.stream.usage[:-1]) == (
        "Hi",
        "stop",
        (9, 1, 0, 10, 0, None),
    )
    assert chat.usage == Usage(9, 1, 0, 10, 0, None)
    assert repr(chat) == "<Conversation with openai, model m: 4 messages>"
    assert repr(answer) == "<Answer, round 1: <Stream of openai, model m: complete, 2 characters>>"
    chat.close()


def test_counts_are_added_and_none_is_no_count() -> None:
    assert summed(Usage(1, None, 2), Usage(2, 3)) == Usage(3, 3, 2)
    assert summed(Usage(1, None), None) == Usage(1, None)


def test_events_come_of_all_rounds(driver: Driver, server: Emulator) -> None:
    server.reply = calling(Reasoning("Hm"), CALL)
    found = say(driver, conversation(server, "ollama", api_key=None, tools=tools(driver)), "A coat?", events=True)
    assert [type(event).__name__ for event in found if not isinstance(event, str | Usage)] == [
        "Start", "Reasoning", "ToolCallDelta", "ToolCall", "Finish", "Start", "Finish",
    ]  # fmt: skip
    assert "".join(event for event in found if isinstance(event, str)) == "It is snow in Oslo."


# What is told to the model


def test_the_model_is_told_what_is_wrong_with_its_calls(driver: Driver, server: Emulator) -> None:
    server.reply = calling(CALL._replace(name="now"), CALL._replace(arguments="{}"), CALL)
    chat = conversation(server, tools=tools(driver))
    say(driver, chat, "A coat?")
    results = [message for message in chat.messages if message["role"] == "tool"]
    assert [result.get("is_error", False) for result in results] == [True, True, False]
    assert results[0]["content"] == "there is no tool 'now'; the tools are weather"
    assert results[1]["content"] == "the arguments are wrong: city: Missing required argument"
    # Chat Completions has no place for the mark of an error.
    assert all("is_error" not in message for message in sent(server)["messages"])


def failing(driver: Driver, error: BaseException) -> Any:
    """Return a tool that raises this."""

    def weather(city: str) -> str:
        raise error

    async def async_weather(city: str) -> str:
        raise error

    async_weather.__name__ = "weather"
    return weather if driver.name == "sync" else async_weather


def test_the_model_is_told_of_an_exception_but_not_of_secrets(driver: Driver, server: Emulator) -> None:
    chat = conversation(server, tools=[failing(driver, OSError(f"no way with {SECRET}"))])
    assert say(driver, chat, "A coat?") == "It is OSError: no way with ***."
    assert chat.messages[2]["is_error"] is True


@pytest.mark.parametrize("sync_tool", [True, False])
@pytest.mark.parametrize("fatal", [LookupError, (OSError, KeyError)])
def test_a_fatal_exception_ends_the_answer(driver: Driver, server: Emulator, fatal: Any, sync_tool: bool) -> None:
    server.reply = calling(CALL, OTHER)
    tool = failing(Driver("sync") if sync_tool else driver, KeyError("gone"))
    chat = conversation(server, tools=[tool], fatal=fatal)
    with pytest.raises(KeyError, match="gone"):
        say(driver, chat, "A coat?")
    assert (chat.messages, len(server.exchanges)) == ([], 1)
    # It was counted all the same.
    assert chat.usage.prompt_tokens


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_in_a_tool_leaves_the_history_as_it_was(
    driver: Driver, server: Emulator, error: type[BaseException]
) -> None:
    chat = conversation(server, tools=[failing(driver, error("now"))])
    with pytest.raises(error, match="now"):
        say(driver, chat, "A coat?")
    assert chat.messages == []


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (float("nan"), "MessagesError: the result of a tool call is not JSON: Out of range float values"),
        (object(), "MessagesError: the result of a tool call is not JSON: Unable to serialize"),
        ("\ud83d", "MessagesError: the result of a tool call has half of a surrogate pair"),
        ([{"type": "image_url", "image_url": {"url": "x"}}], "MessagesError: the result of a tool call, part 1"),
        ([{"type": "restaurant", "name": "A"}], '[{"type": "restaurant", "name": "A"}]'),
        (date(2026, 1, 2), '"2026-01-02"'),
        (Usage(1, 2), "[1, 2, "),
    ],
)
def test_whatever_a_tool_returns_the_answer_goes_on(driver: Driver, server: Emulator, value: Any, said: str) -> None:
    form = {"function": {"name": "weather"}}
    chat = conversation(server, tools=[(form, lambda city: value)])
    assert say(driver, chat, "A coat?").startswith(f"It is {said}")
    assert chat.messages[2].get("is_error", False) is said.startswith("MessagesError")
    assert chat.messages[2]["content"].startswith(said)


def test_another_error_of_a_message_ends_the_answer(driver: Driver, server: Emulator) -> None:
    draw = {"type": "function", "function": {"name": "draw"}}
    server.reply = calling(ToolCall("", "not a name", "{}"))
    chat = conversation(server, tools=[(draw, lambda: "ok")])
    with pytest.raises(g4flite.MessagesError, match="which this service refuses; a name must match"):
        say(driver, chat, "Draw.")
    assert chat.messages == []


def test_a_result_that_cannot_be_sent_may_be_fatal(driver: Driver, server: Emulator) -> None:
    chat = conversation(server, tools=[({"function": {"name": "weather"}}, lambda city: float("nan"))], fatal=Exception)
    with pytest.raises(g4flite.MessagesError, match="the result of a tool call is not JSON"):
        say(driver, chat, "A coat?")
    assert chat.messages == []


@pytest.mark.parametrize("stop", [StopIteration, StopAsyncIteration])
@pytest.mark.parametrize("sync", [True, False])
def test_a_function_that_raises_the_end_of_a_loop_does_not_end_the_answer_as_if_complete(
    driver: Driver, server: Emulator, stop: type[Exception], sync: bool
) -> None:
    def approve(call: ToolCall) -> bool:
        raise stop

    async def aapprove(call: ToolCall) -> bool:
        raise stop

    asked = driver if not sync else Driver("sync")
    approving = approve if asked.name == "sync" else aapprove
    for settings in (
        {"tools": tools(driver), "approve": approving},
        {"tools": [failing(asked, stop())], "fatal": (stop,)},
    ):
        chat = conversation(server, **settings)
        with pytest.raises(RuntimeError, match=f"raised {stop.__name__}") as caught:
            say(driver, chat, "A coat?")
        assert isinstance(caught.value.__cause__, stop)
        assert (chat.messages, len(server.exchanges)) == ([], 1)
        server.exchanges.clear()
    chat = conversation(server, tools=[failing(asked, stop())])
    said = say(driver, chat, "A coat?")
    assert said.startswith("It is ")
    assert said.endswith(f"{stop.__name__}.")


@pytest.mark.parametrize("arguments", ['{"city": ', '{"city": "Oslo",}', "[1]", '{"city": NaN}'])
@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_call_whose_arguments_are_no_object_is_told_to_the_model(
    driver: Driver, server: Emulator, provider: str, arguments: str
) -> None:
    server.reply = calling(CALL._replace(arguments=arguments))
    chat = conversation(server, provider, tools=tools(driver))
    said = f"are not a JSON object: {arguments!r}"
    assert said in say(driver, chat, "A coat?")
    assert chat.messages[1]["tool_calls"][0]["function"]["arguments"] == arguments
    # Another service, which takes objects alone, gets the history.
    server.reply, server.keys = "Hi", False
    for other in ("anthropic", "gemini", "ollama"):
        keyed = {} if other == "ollama" else {"api_key": SECRET}
        stream = g4flite.stream(other, [*chat.messages, USER], model="m", base_url=server.url, retries=0, **keyed)
        assert driver.read(stream) == ["Hi"]
        assert "message 2, tool call 1: the arguments are left out" in " ".join(stream.dropped)
        assert "are not a JSON object: " in server.exchanges[-1].body.decode()


# Approval


@pytest.mark.parametrize(
    ("verdict", "said"),
    [(True, "snow in Oslo"), (False, "the call was not allowed"), ("too late", "the call was not allowed: too late")],
)
@pytest.mark.parametrize("sync", [True, False])
def test_approve_is_asked_before_a_call(driver: Driver, server: Emulator, verdict: Any, said: str, sync: bool) -> None:
    asked: list[Any] = []

    def approve(call: ToolCall) -> Any:
        asked.append((call.name, call.parsed))
        return verdict

    async def aapprove(call: ToolCall) -> Any:
        return approve(call)

    server.reply = calling(CALL, CALL._replace(name="now"))
    chat = conversation(server, tools=tools(driver), approve=approve if sync or driver.name == "sync" else aapprove)
    assert say(driver, chat, "A coat?") == f"It is {said} and there is no tool 'now'; the tools are weather."
    # Nobody is asked about a call that is wrong.
    assert asked == [("weather", {"city": "Oslo"})]


def test_approve_may_raise(driver: Driver, server: Emulator) -> None:
    def approve(call: ToolCall) -> bool:
        raise PermissionError(call.name)

    chat = conversation(server, tools=tools(driver), approve=approve)
    with pytest.raises(PermissionError, match="weather"):
        say(driver, chat, "A coat?")
    assert chat.messages == []


def test_a_for_loop_cannot_await_a_function(server: Emulator) -> None:
    async def approve(call: ToolCall) -> bool:
        return True

    for settings in ({"tools": [async_weather]}, {"tools": [weather], "approve": approve}):
        with pytest.raises(TypeError, match="is async, which a `for` loop cannot await; write `async for`"):
            conversation(server, **settings).say("A coat?").text()
    assert server.exchanges == []


@pytest.mark.parametrize("value", [partial(async_weather, "Oslo"), lambda: Later(0)])
def test_a_for_loop_cannot_await_what_a_function_returns(server: Emulator, value: Callable[[], Any]) -> None:
    form = {"function": {"name": "weather"}}
    with (
        conversation(server, tools=[(form, lambda city: value())]) as chat,
        pytest.raises(TypeError, match="a tool or approve= is async, which a `for` loop cannot await"),
    ):
        chat.say("A coat?").text()
    assert chat.messages == []


class Later:
    def __init__(self, _: int) -> None:
        pass

    def __await__(self) -> Any:
        return async_weather("Oslo").__await__()


def test_an_async_for_loop_awaits_what_a_function_returns(server: Emulator) -> None:
    form = {"function": {"name": "weather"}}
    for name in ("asyncio", "trio"):
        chat = conversation(server, tools=[(form, lambda city: async_weather(city=city))])
        assert say(Driver(name), chat, "A coat?") == "It is snow in Oslo."


# Many calls, many rounds


@pytest.mark.parametrize("sync_tools", [True, False])
def test_calls_of_one_turn_run_side_by_side_in_async(server: Emulator, sync_tools: bool) -> None:
    """Each call waits for the other; the results keep the order of the calls."""
    for name in ("asyncio", "trio"):
        second = threading.Event()

        def weather(city: str, second: threading.Event = second) -> str:
            if city == "Rome":
                second.set()
            assert second.wait(30)
            return city

        async def aweather(city: str, second: threading.Event = second) -> str:
            if city == "Rome":
                second.set()
            while not second.is_set():  # noqa: ASYNC110 - an event of anyio belongs to one event loop
                await anyio.sleep(0)
            return city

        server.reply = calling(CALL, OTHER)
        form = {"function": {"name": "weather"}}
        chat = conversation(server, tools=[(form, weather if sync_tools else aweather)])
        assert say(Driver(name), chat, "A coat?") == "It is Oslo and Rome."


def test_a_tool_that_awaits_a_cancelled_task_has_failed(server: Emulator) -> None:
    async def weather(city: str) -> str:
        """Return the weather."""
        if city == "Oslo":
            task = asyncio.ensure_future(asyncio.sleep(9))
            task.cancel()
            await task
        return city

    server.reply = calling(CALL, OTHER)
    chat = conversation(server, tools=[weather])
    assert say(Driver("asyncio"), chat, "A coat?") == "It is CancelledError and Rome."


def test_a_fatal_exception_ends_the_other_calls(server: Emulator) -> None:
    for name in ("asyncio", "trio"):

        async def weather(city: str) -> str:
            """Return the weather."""
            if city == "Rome":
                raise KeyError("gone")
            await anyio.sleep_forever()
            return city

        server.reply = calling(CALL, OTHER)
        chat = conversation(server, tools=[weather], fatal=KeyError)
        with pytest.raises(KeyError, match="gone"):
            say(Driver(name), chat, "A coat?")


def photo(image: bytes) -> Any:
    """Return a tool that takes a photo."""

    def weather(city: str) -> list[Any]:
        """Return a photo of a city."""
        return [{"type": "text", "text": f"{city}."}, {"type": "image_url", "image_url": {"url": image}}]

    return weather


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "ollama", "cohere"])
def test_a_tool_may_return_an_image(driver: Driver, server: Emulator, provider: str) -> None:
    model = "gemini-2.5-pro" if provider == "gemini" else "m"
    server.reply = lambda messages: "Snow." if len(messages) > 1 else [CALL]
    chat = conversation(server, provider, model=model, tools=[photo(b"\x89PNG\r\n\x1a\n")])
    assert say(driver, chat, "A coat?") == "Snow."
    assert [exchange.problem for exchange in server.exchanges] == [None, None]
    assert "iVBORw0KGgo=" in server.exchanges[-1].body.decode()
    # The history has it in the common form, for whichever service is asked next.
    assert chat.messages[2]["content"][1]["type"] == "image_url"


def test_the_model_is_told_of_a_result_that_the_service_does_not_take(driver: Driver, server: Emulator) -> None:
    bitmap = [{"type": "image_url", "image_url": {"url": "data:image/bmp;base64,Qk0="}}]

    def weather(city: str) -> list[Any]:
        """Return a photo of a city."""
        return bitmap

    chat = conversation(server, tools=[weather])
    said = say(driver, chat, "A coat?")
    assert said.startswith("It is MessagesError: openai: message 3, part 1 has an image of the type image/bmp")
    assert (chat.messages[2]["is_error"], len(chat.messages)) == (True, 4)
    with pytest.raises(g4flite.MessagesError, match="image/bmp"):
        say(driver, conversation(server, tools=[weather], fatal=g4flite.MessagesError), "A coat?")


def test_a_history_that_cannot_be_sent_is_no_fault_of_a_tool(driver: Driver, server: Emulator) -> None:
    chat = conversation(server, tools=tools(driver))
    answer = chat.say("A coat?")

    def spoil(messages: Any) -> Any:
        chat.messages.append({"role": "tool", "tool_call_id": "x", "content": "9"})
        return [CALL]

    server.reply = spoil

    async def read() -> str:
        async with chat:
            return await answer.atext()

    with pytest.raises(g4flite.MessagesError, match="answers the tool call 'x'"):
        driver.run(read) if driver.name != "sync" else answer.text()
    chat.close()


# Answers that are JSON


JSON_FORM = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}


def in_json(*pieces: str) -> Callable[[Any], Any]:
    """Return a reply function that says something, calls a tool, and then says these pieces of JSON."""
    return lambda messages: [*pieces] if messages[-1]["role"] == "tool" else ['{"I": "lo', "ok", CALL]


@pytest.mark.parametrize("read_before", [False, True])
def test_the_value_of_an_answer_is_that_of_its_last_round(driver: Driver, server: Emulator, read_before: bool) -> None:
    server.reply = in_json('{"city": "Os', 'lo"}')
    chat = conversation(server, tools=tools(driver), response_format=JSON_FORM)
    answer = chat.say("Where?")

    async def read() -> Any:
        async with chat:
            if read_before:
                await answer.atext()
            return await answer.aparsed()

    if driver.name == "sync":
        with chat:
            value = (answer.text() if read_before else None, answer.parsed())[1]
    else:
        value = driver.run(read)
    assert value == {"city": "Oslo"}
    assert (len(chat.messages), len(server.exchanges)) == (4, 2)
    assert chat.usage.total_tokens


@pytest.mark.parametrize("pieces", [['{"city": "Os', 'lo"}'], []])
def test_the_values_of_an_answer_come_while_it_does(driver: Driver, server: Emulator, pieces: list[str]) -> None:
    server.reply = in_json(*pieces)
    chat, found = conversation(server, tools=tools(driver), response_format=JSON_FORM), list[Any]()
    answer = chat.say("Where?")

    async def read() -> None:
        async with chat:
            async for value in answer.partials():
                found.append(value)

    def run() -> None:
        if driver.name != "sync":
            driver.run(read)
            return
        with chat:
            found.extend(answer.partials())

    if not pieces:
        # Nothing of the round before is taken for the answer.
        with pytest.raises(g4flite.MalformedReplyError, match="is not the JSON that was asked for"):
            run()
        return
    run()
    # The first round says something that looks like JSON, too.
    assert found == [{"I": "lo"}, {"I": "look"}, {"city": "Os"}, {"city": "Oslo"}]
    assert len(chat.messages) == 4


def test_an_answer_that_is_not_complete_has_no_value(driver: Driver, server: Emulator) -> None:
    server.reply = in_json("{}")
    chat = conversation(server, tools=tools(driver), response_format=JSON_FORM)
    answer = chat.say("Where?")

    async def read() -> Any:
        async with chat, answer:
            async for _ in answer:
                break
            return await answer.aparsed()

    with pytest.raises(UsageError, match="the answer is not complete; read it to its end first"):
        if driver.name == "sync":
            with chat, answer:
                next(iter(answer))
                answer.parsed()
        else:
            driver.run(read)
    assert chat.messages == []


PNG = "iVBORw0KGgo="
DRAWN = {"inlineData": {"mimeType": "image/png", "data": PNG}, "thoughtSignature": "c2ln"}
ITEM = {"type": "image_generation_call", "id": "ig_1", "result": PNG, "output_format": "png"}
PICTURE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
ALONE: dict[str, tuple[str, dict[str, Any], Any, Callable[[Any], Any]]] = {
    "gemini": ("", {"candidates": [{"content": {"parts": [DRAWN]}, "finishReason": "STOP"}]},
               {"role": "model", "parts": [DRAWN]}, lambda body: body["contents"][1]),
    "openai-responses": ("/v1", {"type": "response.completed", "response": {"status": "completed", "output": [ITEM]}},
                         ITEM, lambda body: body["input"][1]),
    "openrouter": ("/api/v1", {"choices": [{"delta": {"images": [PICTURE]}, "finish_reason": "stop"}]},
                   {"role": "assistant", "content": "", "images": [PICTURE]}, lambda body: body["messages"][1]),
}  # fmt: skip


@pytest.mark.parametrize("provider", ALONE)
def test_an_answer_of_an_image_alone_is_in_the_history(driver: Driver, server: Emulator, provider: str) -> None:
    base, frame, turn, turn_in = ALONE[provider]
    body = f"data: {json.dumps(frame)}\n\n".encode()
    server.script = Script(body=body, headers={"content-type": "text/event-stream"})
    settings = {"model": "m", "base_url": server.url + base, "api_key": SECRET}
    chat = Conversation(provider, **settings)
    items = say(driver, chat, "Draw a cat.", events=True)
    assert [one for one in items if isinstance(one, Media)] == [Media("image/png", b"\x89PNG\r\n\x1a\n")]
    again = Conversation(provider, **settings, messages=chat.messages)
    say(driver, again, "Make it bluer.", events=True)
    assert turn_in(sent(server)) == turn
    assert [message["role"] for message in again.messages] == ["user", "assistant"] * 2
    # A loop that gets text alone would get nothing.
    failed = Conversation(provider, **settings)
    with pytest.raises(g4flite.EmptyReplyError, match="the answer holds no text but image/png; read it with"):
        say(driver, failed, "Draw a cat.")
    assert failed.messages == []


def test_an_answer_has_at_most_max_rounds(driver: Driver, server: Emulator) -> None:
    server.reply = lambda _: ["Hm. ", CALL]
    before = [USER, {"role": "assistant", "content": "Yes."}]
    chat = conversation(server, tools=tools(driver), max_rounds=3, messages=before)
    with pytest.raises(g4flite.LimitError, match="not complete after 3 rounds; pass a larger max_rounds=") as caught:
        say(driver, chat, "And now?")
    assert (caught.value.partial, len(server.exchanges), chat.messages) == ("Hm. Hm. Hm. ", 3, before)


@pytest.mark.parametrize("arguments", ['{"city":', "", '{"city": "Oslo"}'])
@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
def test_an_answer_that_is_cut_off_in_its_tool_calls_is_not_asked_for_again(
    driver: Driver, server: Emulator, provider: str, arguments: str
) -> None:
    if provider == "gemini" and arguments.endswith(":"):
        pytest.skip("Gemini sends whole objects")
    ran = list[str]()
    server.reply = lambda _: ["Hm. ", CALL._replace(arguments=arguments), Finish("length")]
    before = [USER, {"role": "assistant", "content": "Yes."}]
    chat = conversation(server, provider, tools=[(FORM, ran.append)], max_tokens=10, messages=before)
    with pytest.raises(g4flite.LimitError, match="cut off in its tool calls; raise max_tokens=") as caught:
        say(driver, chat, "And now?")
    assert (caught.value.partial, len(server.exchanges), chat.messages, ran) == ("Hm. ", 1, before, [])


def test_a_demand_to_call_a_tool_counts_for_the_first_request(driver: Driver, server: Emulator) -> None:
    for choice, later in (("required", None), ("auto", "auto"), ({"function": {"name": "weather"}}, None)):
        server.exchanges.clear()
        chat = conversation(server, tools=tools(driver), tool_choice=choice)
        say(driver, chat, "A coat?")
        assert sent(server, 0)["tool_choice"] not in (None, later) or choice == later
        assert sent(server, 1).get("tool_choice") == later


def test_a_pause_is_continued(driver: Driver, server: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONTINUED", ("length",))
    server.reply = lambda messages: ["More.", Finish("stop" if messages[-1]["content"] == "More." else "length")]
    chat = conversation(server, provider="ollama", api_key=None)
    assert say(driver, chat, "A coat?") == "More.More."
    assert [message["content"] for message in chat.messages] == ["A coat?", "More.", "More."]
    assert sent(server)["messages"][-1] == {"role": "assistant", "content": "More."}


# Answers that do not come to their end


@pytest.mark.parametrize("limit", [1, 2])
def test_an_answer_that_is_left_early_is_not_in_the_history(driver: Driver, server: Emulator, limit: int) -> None:
    server.reply = calling(CALL, text="Hm.")
    server.script = Script(wait=0.01)
    chat = conversation(server, tools=tools(driver))
    say(driver, chat, "A coat?", limit=limit)
    assert (chat.messages, len(server.exchanges)) == ([], limit)
    assert all(exchange.disconnected.wait(10) for exchange in server.exchanges[-1:])


def test_an_answer_that_fails_is_not_in_the_history_and_its_error_has_the_text(
    driver: Driver, server: Emulator
) -> None:
    server.reply = lambda messages: (
        ["One. ", CALL] if messages[-1]["role"] == "user" else ["Two.", Problem("overloaded")]
    )
    chat = conversation(server, tools=tools(driver))
    with pytest.raises(g4flite.OverloadedError) as caught:
        say(driver, chat, "A coat?")
    assert (caught.value.partial, chat.messages) == ("One. Two.", [])
    chat = conversation(server)
    server.reply = lambda _: "Hi"
    assert say(driver, chat, "A coat?") == "Hi"


@pytest.mark.parametrize("name", ["asyncio", "trio"])
@pytest.mark.parametrize("where", ["in the text", "in a tool"])
def test_a_cancelled_answer_is_not_in_the_history(server: Emulator, name: str, where: str) -> None:
    async def weather(city: str) -> str:
        """Return the weather."""
        await anyio.sleep(60)
        return city

    server.script = Script(wait=60) if where == "in the text" else Script()
    server.reply = calling(CALL, text="Hm. Hm.") if where == "in a tool" else lambda _: "One two"

    async def main() -> None:
        async with conversation(server, tools=[weather]) as chat:
            with anyio.move_on_after(1) as scope:
                async for _ in chat.say("A coat?"):
                    pass
            assert scope.cancelled_caught
            assert chat.messages == []
            server.script, server.reply = Script(), lambda _: "Hi"
            assert await chat.say("And now?").atext() == "Hi"

    Driver(name).run(main)


def test_break_leaves_an_async_loop_without_a_block(server: Emulator) -> None:
    """The loop after it may begin at once, and nothing complains at the end of the event loop."""
    server.reply = lambda _: "One two three"

    async def main() -> None:
        async with conversation(server) as chat:
            async for _ in chat.say("Count."):
                break
            assert await chat.say("Count.").atext() == "One two three"
            async for _ in chat.say("Count."):
                break
            assert len(chat.messages) == 2

    Driver("asyncio").run(main)


@pytest.mark.parametrize("name", ["asyncio", "trio"])
def test_an_answer_is_freed_as_soon_as_its_block_is_left(name: str, server: Emulator) -> None:
    """The block keeps the loop, which keeps the answer: a circle that would last until a garbage collection."""
    server.reply = lambda _: "One two three"
    freed: list[str] = []

    async def leave(chat: Any, *, early: bool) -> None:
        async with chat.say("Count.") as answer:
            weakref.finalize(answer, freed.append, "answer")
            async for _ in answer:
                if early:
                    break

    async def main() -> None:
        async with conversation(server) as chat:
            for early in (True, False):
                await leave(chat, early=early)

    gc.collect()
    gc.disable()
    try:
        Driver(name).run(main)
        assert freed == ["answer"] * 2
    finally:
        gc.enable()


def test_what_a_loop_runs_is_an_iterator(driver: Driver, server: Emulator) -> None:
    server.reply = lambda _: "One two"
    chat = conversation(server)

    async def aread() -> None:
        async with chat, chat.say("Count.") as answer:
            loop = aiter(answer)
            assert await anext(loop) == "One"
            assert [chunk async for chunk in loop] == [" two"]
            with pytest.raises(StopAsyncIteration):
                await anext(loop)

    def read() -> None:
        with chat:
            loop = iter(chat.say("Count."))
            assert [next(loop), *loop] == ["One", " two"]

    driver.run(aread) if driver.name != "sync" else read()


def test_close_in_the_loop_ends_it(driver: Driver, server: Emulator) -> None:
    server.reply = lambda _: "One two three"
    chat = conversation(server)
    answer = chat.say("Count.")
    found: list[str] = []

    def read() -> None:
        for chunk in answer:
            found.append(chunk)
            answer.close()

    async def aread() -> None:
        async for chunk in answer:
            found.append(chunk)
            await answer.aclose()
        await chat.aclose()

    driver.run(aread) if driver.name != "sync" else read()
    assert (found, chat.messages) == (["One"], [])
    with pytest.raises(g4flite.StreamConsumed, match="call say"):
        answer.text()
    if driver.name == "sync":
        chat.close()


def test_close_elsewhere_ends_the_loop_by_an_error(driver: Driver, server: Emulator) -> None:
    """While a tool runs: the loop raises once the tool has ended."""
    chat = conversation(server)

    def weather(city: str) -> str:
        """Return the weather."""
        closing = threading.Thread(target=lambda: setattr(answer, "_closed", True) if is_async else answer.close())
        closing.start()
        closing.join()
        return city

    is_async = driver.name != "sync"
    chat = conversation(server, tools=[weather])
    answer = chat.say("A coat?")
    with pytest.raises(g4flite.StreamClosedError, match="closed while its tools ran"):
        driver.run(answer.atext) if is_async else answer.text()
    assert (chat.messages, len(server.exchanges)) == ([], 1)
    driver.run(chat.aclose) if is_async else chat.close()


def test_aclose_of_another_task_ends_the_loop(server: Emulator) -> None:
    server.reply, server.script = lambda _: "One two", Script(wait=60)

    async def main() -> None:
        async with conversation(server, "ollama", api_key=None) as chat, anyio.create_task_group() as group:
            answer = chat.say("Count.")
            with pytest.raises(g4flite.StreamClosedError):
                async for _ in answer:
                    group.start_soon(answer.aclose)
            assert chat.messages == []

    for name in ("asyncio", "trio"):
        Driver(name).run(main)


def test_close_does_not_end_an_async_loop(server: Emulator) -> None:
    async def main() -> None:
        async with conversation(server) as chat, chat.say("Count.") as answer:
            async for _ in answer:
                with pytest.raises(TypeError, match="aclose"):
                    answer.close()
        assert len(chat.messages) == 2

    server.reply = lambda _: "One"
    Driver("asyncio").run(main)


def test_the_stream_of_an_answer_is_read_by_the_answer_alone(driver: Driver, server: Emulator) -> None:
    chat = conversation(server, tools=tools(driver))
    answer = chat.say("A coat?")
    stream = answer.stream
    readings: list[Callable[[], Any]] = [lambda: iter(stream), lambda: aiter(stream), lambda: iter(stream.events()),
                                         lambda: aiter(stream.events()), stream.text, stream.parsed]  # fmt: skip
    for read in readings:
        with pytest.raises(UsageError, match=r"openai: this stream is a round of a conversation's answer, .* read the"):
            read()
    assert server.exchanges == []

    async def whole() -> str:
        with pytest.raises(UsageError, match="read the answer"):
            await stream.atext()
        async with chat:
            return await answer.atext()

    if driver.name == "sync":
        with pytest.raises(UsageError, match="read the answer"), stream:
            pytest.fail("a stream that its answer reads is in a block")
        with chat:
            said = answer.text()
    else:
        said = driver.run(whole)
    assert said == "It is snow in Oslo."
    # All else of a stream is told.
    assert (stream.finish_reason, answer.stream.finish_reason) == ("tool_calls", "stop")
    with pytest.raises(g4flite.StreamConsumed):
        stream.text()
    assert [message["role"] for message in chat.messages] == ["user", "assistant", "tool", "assistant"]


def test_one_answer_is_read_at_a_time(server: Emulator) -> None:
    server.reply = lambda _: "One two three"
    with conversation(server) as chat:
        first, second, third = chat.say("1"), chat.say("2"), chat.say("3")
        loop = iter(first)
        assert next(loop) == "One"
        with pytest.raises(g4flite.UsageError, match="another answer of this conversation is being read"):
            second.text()
        assert "".join(loop) == " two three"
        with pytest.raises(StopIteration):
            next(loop)
        with pytest.raises(g4flite.UsageError, match="the history has changed since say"):
            third.text()
        held = iter(chat.say("4"))
        next(held)
        chat.say("5").close()
        with pytest.raises(g4flite.UsageError, match="is being read"):
            chat.say("6").text()
        held = iter(())  # type: ignore[assignment]
        assert chat.say("6").text() == "One two three"


def test_one_of_several_threads_reads_its_answer(server: Emulator) -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(200):
            chat, together, loops = conversation(server), threading.Barrier(4), list[object]()
            answers = [chat.say(text) for text in "1234"]

            def begin(answer: Any, together: Any = together, loops: Any = loops) -> None:
                together.wait()
                with suppress(UsageError):
                    loops.append(iter(answer))

            threads = [threading.Thread(target=begin, args=(answer,)) for answer in answers]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(loops) == 1
    finally:
        sys.setswitchinterval(interval)


# Providers and settings


def test_a_client_that_is_given_stays_open(driver: Driver, server: Emulator) -> None:
    client = g4flite.Client("openai", model="m", base_url=f"{server.url}/v1", api_key=SECRET)
    chat = Conversation(client, tools=tools(driver))
    assert repr(chat) == "<Conversation with openai, model m: 0 messages>"
    assert say(driver, chat, "A coat?", limit=99) == "It is snow in Oslo."
    assert server.connections == 1
    assert "open" in repr(client)
    if driver.name == "sync":
        assert chat.say("A coat?").text() == "It is snow in Oslo."
        client.close()
    else:
        driver.run(client.aclose)


@pytest.mark.parametrize(("own", "expected"), [(None, "Be brief."), ("Be long.", "Be long."), ("", None)])
def test_the_system_message_replaces_that_of_a_client(
    driver: Driver, server: Emulator, tmp_path: Path, own: str | None, expected: str | None
) -> None:
    server.reply = lambda _: "Hi"
    client = g4flite.Client("openai", system="Be brief.", model="m", base_url=f"{server.url}/v1", api_key=SECRET)
    chat = Conversation(client, system=own)
    say(driver, chat, "Hi", also=client)
    found = [message["content"] for message in sent(server)["messages"] if message["role"] == "system"]
    assert found == ([expected] if expected else [])
    chat.save(tmp_path / "chat.json")
    assert json.loads((tmp_path / "chat.json").read_text())["system"] == (expected or "")
    assert Conversation.load(tmp_path / "chat.json", client).system == (expected or "")


def test_the_clients_of_a_list_keep_their_system_messages(driver: Driver, server: Emulator) -> None:
    server.reply = lambda _: "Hi"
    client = g4flite.Client("openai", system="Be brief.", model="m", base_url=f"{server.url}/v1", api_key=SECRET)
    for own, expected in ((None, "Be brief."), ("Be long.", "Be long.")):
        assert driver.read(Conversation([client], system=own).say("Hi")) == ["Hi"]
        assert sent(server)["messages"][0] == {"role": "system", "content": expected}
    driver.close(client)


def test_the_tools_of_a_client_are_refused(driver: Driver, server: Emulator) -> None:
    client = g4flite.Client("openai", model="m", base_url=server.url, api_key=SECRET, tools=[weather])
    for provider in (client, [client], ["openai", client]):
        with pytest.raises(g4flite.OptionError, match="openai: the Client has tools, whose functions a Conversation"):
            Conversation(provider, tools=[weather])


def test_a_demand_of_a_client_to_call_a_tool_counts_for_the_first_request(driver: Driver, server: Emulator) -> None:
    client = g4flite.Client(
        "openai", model="m", base_url=f"{server.url}/v1", api_key=SECRET, tool_choice="required", tools=[]
    )
    assert say(driver, Conversation(client, tools=tools(driver)), "A coat?", also=client) == "It is snow in Oslo."
    assert [sent(server, number).get("tool_choice") for number in (0, 1)] == ["required", None]


def test_a_list_of_providers_is_asked_in_order(driver: Driver, server: Emulator) -> None:
    server.reply = lambda _: "Hi"
    gone = g4flite.Client("ollama", base_url="http://127.0.0.1:9", retries=0)
    chat = Conversation([gone, "openai"], model="m", base_url=f"{server.url}/v1", headers={"authorization": "Bearer x"})
    assert repr(chat) == "<Conversation with ['ollama', 'openai'], model m: 0 messages>"
    assert say(driver, chat, "Hi", also=gone) == "Hi"
    assert chat.messages[1] == {"role": "assistant", "content": "Hi"}


def test_the_caller_s_http_client_is_used(driver: Driver, server: Emulator) -> None:
    client = driver.client()
    chat = conversation(server, tools=tools(driver), client=client)
    assert say(driver, chat, "A coat?", also=client) == "It is snow in Oslo."
    assert len(server.exchanges) == 2


@rows(
    ("settings", "said"),
    [
        ({"approve": True}, "approve= must be a function, not bool"),
        ({"fatal": "KeyError"}, "fatal= must be a tuple of classes of exceptions"),
        ({"fatal": (KeyError, int)}, "fatal= must be a tuple of classes of exceptions"),
        ({"max_rounds": 0}, "max_rounds= must be an integer above 0, not 0"),
        ({"max_rounds": True}, "max_rounds= must be an integer above 0, not True"),
        ({"keep_partial": False}, "keep_partial=False keeps no text"),
        ({"tools": [3]}, "a tool must be a function"),
        ({"system": ["Hi"]}, "system= must be a text, not list"),
        ({"messages": "Hi", "temprature": 1}, "there is no option 'temprature'"),
        ({"messages": [{"role": "bot"}]}, "message 1 has the role 'bot'"),
    ],
)
def test_a_wrong_argument_is_refused_at_once(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(g4flite.UsageError, match=said):
        Conversation(ACME, **settings)


@pytest.mark.parametrize("provider", [1, None, "opnai", ["openai", 1], [["openai"]], {"openai": 1}])
def test_a_wrong_provider_is_refused_at_once(tmp_path: Path, provider: Any) -> None:
    with pytest.raises(g4flite.ProviderNotFoundError):
        Conversation(provider)
    text = json.dumps({"provider": provider, "model": None, "system": None, "messages": []})
    (tmp_path / "chat.json").write_text(text)
    with pytest.raises(g4flite.UsageError):
        Conversation.load(tmp_path / "chat.json")


def test_a_wrong_question_is_refused_before_a_loop() -> None:
    chat = Conversation(ACME, keep_partial=True)
    for wrong in (3, {"role": "robot"}, [{"type": "image_url", "image_url": "https://a.test/b.png"}]):
        with pytest.raises(g4flite.MessagesError):
            chat.say(wrong)  # type: ignore[arg-type]
    assert chat.messages == []


# Storing


def test_a_conversation_is_saved_and_loaded(driver: Driver, server: Emulator, tmp_path: Path) -> None:
    path = tmp_path / "chat.json"
    path.write_text("old")
    chat = conversation(server, tools=tools(driver), system="Be brief.")
    say(driver, chat, "A coat?")
    chat.save(path)
    assert [*tmp_path.iterdir()] == [path]
    assert SECRET not in path.read_text()
    again = Conversation.load(path, base_url=f"{server.url}/v1", api_key=SECRET, tools=tools(driver))
    assert (again.messages, again.model, again.system) == (chat.messages, "m", "Be brief.")
    assert say(driver, again, "And now?") == "It is snow in Oslo."
    again = Conversation.load(path, MARKED, system="Be long.")
    assert (again.model, again.system) == (None, "Be long.")
    assert Conversation.load(path, "openai", api_key=SECRET).model == "m"
    assert Conversation.load(path, "openai", model="n", api_key=SECRET).model == "n"
    Conversation(ACME).save(path)
    assert json.loads(path.read_text()) == {"provider": "acme", "model": None, "system": None, "messages": []}


def test_a_file_that_cannot_be_written_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "chat.json"
    path.write_text("old")
    chat = Conversation(ACME)
    chat.messages.append({"role": "user", "content": b"bytes"})
    with pytest.raises(g4flite.MessagesError):
        chat.save(path)
    chat.messages.clear()
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("the disk is full")))
    with pytest.raises(OSError, match="the disk is full"):
        chat.save(path)
    assert [(one, one.read_text()) for one in tmp_path.iterdir()] == [(path, "old")]


SAVED = {"provider": "acme", "model": None, "system": None, "messages": []}


@pytest.mark.parametrize(
    "text",
    ["", "[]", '"text"', '{"provider": "openai"}', "[" * 100_000]
    + [json.dumps({**SAVED, field: wrong}) for field in SAVED for wrong in (1, {})]
    + [json.dumps({**SAVED, "messages": "Hi"})],
)
def test_a_file_that_holds_no_conversation_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "chat.json").write_text(text)
    with pytest.raises(g4flite.UsageError, match=r"chat\.json holds no conversation that save\(\) wrote"):
        Conversation.load(tmp_path / "chat.json")
    with pytest.raises(FileNotFoundError):
        Conversation.load(tmp_path / "none.json")


def test_a_fork_goes_its_own_way_over_the_same_connections(driver: Driver, server: Emulator) -> None:
    server.reply = lambda messages: f"Answer {len(messages)}"
    chat = conversation(server, messages=[USER, {"role": "assistant", "content": "Yes."}])
    fork = chat.fork()
    fork.messages[0]["content"] = "A hat?"
    fork.close()
    say(driver, fork, "And now?")
    assert ([message["content"] for message in fork.messages][::3], chat.messages[0]) == (["A hat?", "Answer 3"], USER)
    assert (len(chat.messages), chat.usage) == (2, Usage())
    assert fork.usage.prompt_tokens
    assert say(driver, chat, "And now?") == "Answer 3"
    with pytest.raises(g4flite.UsageError, match="closed"):
        fork.say("More?").text()
