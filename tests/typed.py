"""What users write, checked by mypy and pyright in their strict modes, and never run; `test_typed.py` runs both.

A comment `# type: ignore` marks a mistake that each of the two has to find: without the mistake, both would complain
of the comment.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import httpx
from typing_extensions import assert_type

import g4flite
import g4flite.testing
from g4flite import (
    JSON,
    Answer,
    Call,
    Citation,
    Client,
    Conversation,
    ErrorRule,
    Event,
    Events,
    Finish,
    FinishReason,
    G4fliteError,
    HttpClient,
    JsonLinesParser,
    Media,
    Message,
    Messages,
    Native,
    Provider,
    ProviderLike,
    Reasoning,
    Retry,
    ServerToolCall,
    ServerToolResult,
    Start,
    Stream,
    TextParser,
    Timeout,
    ToolCall,
    ToolCallDelta,
    TurnState,
    Usage,
    providers,
    stream,
    tool_result,
)
from g4flite.apps.check import report
from g4flite.apps.guides import guide
from g4flite.apps.probe import probe, working
from g4flite.testing import Emulator, Problem, ReplyFunction, Script, record, replay
from g4flite.testing.plugin import emulator, recorded

# -- One answer.


def read() -> str:
    for chunk in g4flite.stream("cromicle", "Hi"):
        assert_type(chunk, str)
        print(chunk, end="", flush=True)
    answer = stream("openai", "Hi", model="gpt-4o-mini", api_key="sk-1", temperature=0.2, max_tokens=100)
    assert_type(answer, Stream)
    assert_type(answer.text(), str)
    return "".join(answer)


async def aread() -> None:
    async for chunk in g4flite.stream("cromicle", "Hi"):
        assert_type(chunk, str)
    assert_type(await stream("ollama", "Hi", model="m").atext(), str)
    assert_type([chunk async for chunk in stream("ollama", "Hi", model="m")], list[str])


def leave_early(wanted: int) -> str:
    with stream("cromicle", "Hi") as answer:
        for number, _ in enumerate(answer):
            if number == wanted:
                break
        assert_type(next(iter(answer)), str)
        return answer.partial


async def aleave_early() -> None:
    async with stream("cromicle", "Hi") as answer:
        assert_type(await anext(aiter(answer)), str)
    await answer.aclose()


def what_came(answer: Stream) -> None:
    assert_type(answer.provider, str)
    assert_type(answer.model, str | None)
    assert_type(answer.finish_reason, FinishReason | None)
    assert_type(answer.native_finish_reason, str | None)
    assert_type(answer.usage, Usage | None)
    assert_type(answer.reasoning, str)
    assert_type(answer.tool_calls, tuple[ToolCall, ...])
    assert_type(answer.response_id, str | None)
    assert_type(answer.response_model, str | None)
    assert_type(answer.headers.get("x-request-id"), str | None)
    for attempt in answer.attempts:
        assert_type(attempt.seconds, float)
        provider, model, outcome, _ = attempt
        print(provider, model, outcome)
    if answer.usage is not None and answer.usage.total_tokens is not None:
        print(answer.usage.total_tokens + 1, answer.usage.raw.get("cost"))
    if answer.finish_reason == "length":
        answer.close()


# -- Messages.


def texts_and_parts() -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "What is this?"},
                                     {"type": "image_url", "image_url": {"url": "https://host.test/a.png"}}]},
    ]  # fmt: skip
    stream("openai", messages)
    stream("openai", ({"role": "user", "content": "Hi"},))
    stream("openai", [{"role": "user", "content": "Hi"}, {"role": "user", "content": ["a", {"type": "text"}]}])
    stream("openai", [*messages, {"role": "assistant", "content": "A cat."}])


def a_history(question: str, history: list[Message]) -> list[Message]:
    history.append({"role": "user", "content": question})
    history.append(Message(role="assistant", content=stream("openai", history).text()))
    return [{"role": "system", "content": "Be brief."}, *history]


def plain_dicts(history: list[dict[str, str]], loose: list[dict[str, Any]]) -> None:
    stream("openai", [*history, {"role": "user", "content": "Hi"}])
    loose.append({"role": "user", "content": [{"type": "text", "text": "Hi"}]})
    stream("openai", loose)


def from_json(text: str) -> Stream:
    return stream("openai", json.loads(text))


def ask(messages: Messages, provider: ProviderLike = "openai", client: HttpClient | None = None) -> str:
    return stream(provider, messages, client=client).text()


# -- Tools.

TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "required": ["city"]}}}]
FUNCTIONS: dict[str, Callable[..., str]] = {"weather": "{}: 4 °C".format}


def tool_loop(messages: list[Message]) -> str:
    while True:
        answer = stream("openai", messages, model="m", tools=TOOLS, tool_choice="auto")
        text = answer.text()
        if not answer.tool_calls:
            return text
        calls = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in answer.tool_calls
        ]
        messages.append({"role": "assistant", "content": text, "tool_calls": calls})
        for call in answer.tool_calls:
            result = FUNCTIONS[call.name](**json.loads(call.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})


# -- Events.


def events(answer: Stream) -> None:
    assert_type(answer.events(), Events)
    for item in answer.events():
        assert_type(item, str | Event)
        match item:
            case str():
                print(item, end="")
            case Reasoning(text):
                print(text.upper())
            case ToolCall(name=name):
                print(name)
            case Finish(reason=reason):
                assert_type(reason, FinishReason)
            case Media(mime_type, data, url):
                assert_type((mime_type, data, url), tuple[str, bytes | None, str | None])
            case Citation(text, url, title, start, end):
                assert_type((text, url, title), tuple[str | None, str | None, str | None])
                assert_type((start, end), tuple[int | None, int | None])
            case ServerToolCall(number, name, arguments):
                assert_type((number, name, arguments), tuple[str, str, str])
            case ServerToolResult(number, name, _):
                assert_type((number, name), tuple[str, str])
            case Usage() | Start() | Native() | ToolCallDelta() | TurnState():
                pass


async def aevents(answer: Stream) -> AsyncIterator[str | Event]:
    async for item in answer.events():
        yield item


def show(item: str | Event) -> str:
    if isinstance(item, ToolCallDelta):
        return f"{item.index}: {item.arguments}"
    return item if isinstance(item, str) else type(item).__name__


# -- Conversations.


def weather(city: str, days: int = 1) -> str:
    return city * days


async def ask_first(call: ToolCall) -> bool | str:
    return call.name == "weather" or f"no {call.parsed['path']}"


def conversation() -> None:
    with Conversation("openai", model="m", tools=[weather], fatal=(OSError,), temperature=0.2) as chat:
        assert_type(chat.say("Hi"), Answer)
        assert_type(chat.say([{"type": "text", "text": "Hi"}]).text(), str)
        for item in chat.say("Hi").events():
            assert_type(item, str | Event)
        chat.messages.append({"role": "user", "content": "Hi"})
        assert_type(chat.usage, Usage)
        chat.save("chat.json")
    assert_type(Conversation.load("chat.json", tools=[weather]).fork(), Conversation)
    answer = stream("openai", "Hi")
    chat.messages += [answer.message, *(tool_result(call, "no") for call in answer.tool_calls)]


async def aconversation() -> AsyncIterator[str]:
    async with Conversation(["openai", Client("ollama")], tools=[weather], approve=ask_first) as chat:
        async with chat.say("Hi") as answer:
            async for chunk in answer:
                yield chunk
        assert_type(answer.finish_reason, FinishReason | None)
        assert_type(answer.stream, Stream)


# -- Clients and settings.


def clients() -> None:
    with Client("openai", model="m", api_key="sk-1", timeout=30, retries=Retry(times=3, base=0.1)) as client:
        assert_type(client.stream("Hi"), Stream)
        client.stream([{"role": "user", "content": "Hi"}], temperature=0.0, timeout=Timeout(idle=None)).text()
    client.close()


async def aclients() -> list[str]:
    async with Client("openai", model="m") as client:
        assert_type(client, Client)
        return await asyncio.gather(*(client.stream(f"Question {n}").atext() for n in range(3)))


def over_httpx() -> None:
    with httpx.Client(http2=False) as client:
        stream("openai", "Hi", client=client).text()
        ask("Hi", client=client)


async def over_async_httpx() -> None:
    async with httpx.AsyncClient() as client:
        await stream("openai", "Hi", client=client).atext()


def settings() -> Stream:
    return stream(
        "vllm",
        "Hi",
        base_url="http://127.0.0.1:8000/v1",
        proxy="socks5://127.0.0.1:1080",
        headers={"x-trace": "7"},
        timeout=Timeout(connect=5, first_token=120, total=None),
        retries=0,
        verify=ssl.create_default_context(),
        extra={"top_k": 5},
        keep_partial=False,
        stop=["\n"],
        response_format={"type": "json_object"},
    )


def fallback() -> None:
    stream(["openai", "anthropic", providers.OLLAMA], "Hi").text()
    stream([Client("groq"), Client("openai", model="m")], "Hi").text()
    some: list[str] = ["openai", "groq"]
    stream(some, "Hi").text()


def a_shorthand() -> None:
    shorthand = partial(stream, "openai", model="m")
    assert_type(shorthand("Hi"), Stream)


def in_a_thread(pool: "Callable[[Callable[[], str]], str]") -> str:
    return pool(stream("openai", "Hi").text)


def server_sent(question: str) -> Iterator[bytes]:
    for chunk in stream("openai", question):
        yield f"data: {json.dumps(chunk)}\n\n".encode()


# -- Errors.


def errors() -> None:
    try:
        stream("openai", "Hi").text()
    except g4flite.RateLimitError as error:
        assert_type(error.retry_after, float | None)
        assert_type(error.status, int)
        print(error.code, error.kind, error.body)
    except (g4flite.StreamTimeoutError, g4flite.TransportError) as error:
        assert_type(error.partial, str)
    except g4flite.ProviderError as error:
        assert_type(error.passing, bool)
    except g4flite.AllFailedError as error:
        assert_type(error.errors, tuple[G4fliteError, ...])
    except g4flite.UsageError as error:
        assert_type(error.args, tuple[Any, ...])
    except G4fliteError as error:
        print(error.provider, error.request_id)


# -- A provider of one's own.


def sign(call: Call) -> Mapping[str, str]:
    return {"nonce": call.random_hex(32), "time": str(call.now_ms)}


def payload(call: Call) -> JSON:
    return {"prompt": call.prompt, "model": call.model, "nonce": call.signed["nonce"], **call.options}


MINE = Provider(
    name="mine",
    base_url="https://mine.test",
    url="{base_url}/chat",
    headers={"authorization": "Bearer {api_key}", "x-nonce": "{nonce}"},
    signer=sign,
    payload=payload,
    parser=TextParser,
    options={"temperature": (int, float)},
    errors=(ErrorRule(402, "credit", g4flite.RateLimitError),),
    key_variables=("MINE_API_KEY",),
)
LINES = Provider(
    name="lines",
    base_url="https://lines.test",
    url="{base_url}/chat",
    headers={},
    payload=lambda call: {"messages": [dict(message) for message in call.messages]},
    parser=lambda limit: JsonLinesParser(lambda frame: frame.get("text"), limit, ends=lambda frame: "done" in frame),
)
VARIANT = replace(providers.OPENAI, name="local", base_url="http://127.0.0.1:8000/v1", key_needed=False)


def registered() -> str:
    g4flite.register(MINE)
    assert_type(providers.find("mine"), Provider)
    assert_type(providers.names(), tuple[str, ...])
    return stream(VARIANT, "Hi").text()


# -- Tests of one's own.


def in_a_test() -> None:
    def reply(messages: list[dict[str, Any]]) -> list[str | Reasoning | ToolCall | Problem]:
        return [Reasoning("Hm"), str(messages[-1]["content"]), ToolCall("", "weather", "{}"), Problem("server")]

    with Emulator(reply=reply, script=Script(split=1, cut=5)) as server:
        server.script = Script(problem="rate_limit", wait=0.1)
        assert_type(server.url, str)
        assert_type(server.exchanges[-1].problem, str | None)
        print(server.exchanges[-1].options.get("temperature"))
    echo: ReplyFunction = lambda messages: f"{len(messages)} messages"  # noqa: E731
    Emulator(echo, keys=False, log=print).close()


def recordings(path: str) -> None:
    with httpx.Client(transport=record(path)) as client:
        stream("openai", "Hi", client=client).text()
    with httpx.Client(transport=replay(path)) as client:
        stream("openai", "Hi", client=client, api_key="none").text()
    print(emulator, recorded)


# -- The apps as functions.


def apps() -> None:
    for chunk in stream(working(["openai"], model={"openai": "m"}), "Hi"):
        assert_type(chunk, str)
    for row in probe(timeout=5):
        assert_type(row.works, bool)
    assert_type(guide("openai"), str)
    print(*report("http://127.0.0.1:8000/v1", "openai"))


# -- Mistakes that a type checker finds.


async def mistakes() -> None:
    g4flite.strem("openai", "Hi")  # type: ignore
    g4flite.testing.Emulatr()  # type: ignore
    g4flite.providers.OPENIA  # type: ignore # noqa: B018
    stream(3, "Hi")  # type: ignore
    stream("openai", 3)  # type: ignore
    stream("openai", {"role": "user", "content": "Hi"})  # type: ignore
    stream("openai", "Hi", timeout="soon")  # type: ignore
    stream("openai", "Hi", client=object())  # type: ignore
    Provider(name="x")  # type: ignore
    await stream("openai", "Hi")  # type: ignore
    next(stream("openai", "Hi"))  # type: ignore
    message: Message = {"content": "Hi"}  # type: ignore
    print(message, Client("openai").stream("Hi").txt)  # type: ignore
