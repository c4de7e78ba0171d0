"""The official clients read from the emulator what they would read from their services; `make test-clients` runs this.

Each protocol has two functions in `CLIENTS`: one reads a stream, the other asks for `stream: false`. Both return an
`Answer`, which has to be the same:

    CLIENTS["anthropic"].streamed(e) == CLIENTS["anthropic"].whole(e)
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import anthropic
import cohere
import httpx
import ollama
import openai
import pytest
from cohere.core.api_error import ApiError
from google import genai
from google.genai import errors, types

import g4flite
from g4flite.testing import Emulator, Finish, Problem, Reasoning, Script, Start, ToolCall, Usage
from g4flite.testing.dialects import DIALECTS


class Answer(NamedTuple):
    text: str
    reasoning: str
    # Name and arguments of each.
    calls: list[tuple[str, dict[str, Any]]]
    # The tokens of the prompt, and those of everything that the model said, reasoning included.
    usage: tuple[int, int]
    # The finish reason, in the service's own word.
    finish: str


class Client(NamedTuple):
    streamed: Callable[[Emulator], Answer]
    whole: Callable[[Emulator], Answer]


PROMPT = "Is it sunny?"
ASKED = [{"role": "user", "content": PROMPT}]
CALLS = [ToolCall("", "weather", '{"city": "Tromsø", "days": 3}'), ToolCall("", "clock", "{}")]
REPLY = [Reasoning("Hm."), "I will ", "look: Grüße", *CALLS]
CALLED = [("weather", {"city": "Tromsø", "days": 3}), ("clock", {})]
EXPECTED = {
    # OpenAI's Chat Completions keeps its reasoning to itself.
    "chat": Answer("I will look: Grüße", "", CALLED, (3, 3), "tool_calls"),
    "responses": Answer("I will look: Grüße", "Hm.", CALLED, (3, 3), "completed"),
    "anthropic": Answer("I will look: Grüße", "Hm.", CALLED, (3, 3), "tool_use"),
    "gemini": Answer("I will look: Grüße", "Hm.", CALLED, (3, 3), "STOP"),
    "ollama": Answer("I will look: Grüße", "Hm.", CALLED, (3, 3), "stop"),
    "cohere": Answer("I will look: Grüße", "Hm.", CALLED, (3, 3), "TOOL_CALL"),
}

RED = base64.b64encode(b"\x89PNG\r\n\x1a\n a red dot").decode()
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
CONVERSATION = [
    {"role": "system", "content": "Be brief."},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{RED}"}},
        ],
    },
    {
        "role": "assistant",
        "content": "I will look.",
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "Rain"},
    {"role": "user", "content": "And?"},
]
TOOL = {"type": "function", "function": {"name": "weather", "description": "of a city", "parameters": SCHEMA}}


def openai_client(e: Emulator) -> openai.OpenAI:
    bases = DIALECTS[e.script.dialect].bases if e.script.dialect else ("/v1",)
    # The first path that is no pattern.
    base = next(base for base in bases if "[" not in base)
    return openai.OpenAI(base_url=e.url + base, api_key="sk-test", max_retries=0)


def anthropic_client(e: Emulator) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=e.url, api_key="sk-ant-test", max_retries=0)


def gemini_client(e: Emulator) -> genai.Client:
    return genai.Client(api_key="test", http_options=types.HttpOptions(base_url=e.url))


def ollama_client(e: Emulator) -> ollama.Client:
    return ollama.Client(host=e.url)


def cohere_client(e: Emulator) -> cohere.ClientV2:
    return cohere.ClientV2(api_key="test", base_url=e.url, httpx_client=httpx.Client(trust_env=False))


def reasoning_of(message: Any) -> str:
    """The reasoning in the fields that dialects of Chat Completions have added."""
    extra = message.model_extra or {}
    return extra.get("reasoning_content") or extra.get("reasoning") or ""


def stream_chat(e: Emulator) -> Answer:
    text, reasoning, calls, usage, finish = "", "", dict[int, tuple[str, str]](), None, ""
    options = {"include_usage": True}
    with openai_client(e) as client:
        for chunk in client.chat.completions.create(model="m", messages=ASKED, stream=True, stream_options=options):
            usage = chunk.usage or usage
            for choice in chunk.choices:
                finish = choice.finish_reason or finish
                text += choice.delta.content or ""
                reasoning += reasoning_of(choice.delta)
                for call in choice.delta.tool_calls or ():
                    # Gemini's calls have no index, and come whole.
                    place = len(calls) if call.index is None else call.index
                    name, arguments = calls.get(place, ("", ""))
                    calls[place] = name + (call.function.name or ""), arguments + (call.function.arguments or "")
    assert usage
    called = [(name, json.loads(arguments)) for name, arguments in calls.values()]
    return Answer(text, reasoning, called, (usage.prompt_tokens, usage.completion_tokens), finish)


def ask_chat(e: Emulator) -> Answer:
    with openai_client(e) as client:
        reply = client.chat.completions.create(model="m", messages=ASKED)
    assert reply.object == "chat.completion"
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
    (choice,) = reply.choices
    message = choice.message
    assert message.role == "assistant"
    called = [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or ()]
    assert len({call.id for call in message.tool_calls or ()}) == len(called)
    usage = reply.usage.prompt_tokens, reply.usage.completion_tokens
    return Answer(message.content or "", reasoning_of(message), called, usage, choice.finish_reason)


def answer_of_response(response: Any) -> Answer:
    called = [(item.name, json.loads(item.arguments)) for item in response.output if item.type == "function_call"]
    thoughts = [part.text for item in response.output if item.type == "reasoning" for part in item.summary]
    finish = response.incomplete_details.reason if response.incomplete_details else response.status
    usage = response.usage.input_tokens, response.usage.output_tokens
    return Answer(response.output_text, "".join(thoughts), called, usage, finish)


def stream_responses(e: Emulator) -> Answer:
    text, reasoning = "", ""
    with openai_client(e) as client:
        for event in client.responses.create(model="m", input=PROMPT, stream=True):
            text += event.delta if event.type == "response.output_text.delta" else ""
            reasoning += event.delta if event.type == "response.reasoning_summary_text.delta" else ""
    answer = answer_of_response(event.response)
    assert (answer.text, answer.reasoning) == (text, reasoning)
    return answer


def ask_responses(e: Emulator) -> Answer:
    with openai_client(e) as client:
        return answer_of_response(client.responses.create(model="m", input=PROMPT))


def answer_of_message(message: Any) -> Answer:
    text = "".join(block.text for block in message.content if block.type == "text")
    reasoning = "".join(block.thinking for block in message.content if block.type == "thinking")
    called = [(block.name, block.input) for block in message.content if block.type == "tool_use"]
    return Answer(
        text, reasoning, called, (message.usage.input_tokens, message.usage.output_tokens), message.stop_reason
    )


def stream_anthropic(e: Emulator) -> Answer:
    with anthropic_client(e) as client, client.messages.stream(model="m", max_tokens=99, messages=ASKED) as stream:
        text = "".join(stream.text_stream)
        answer = answer_of_message(stream.get_final_message())
    assert answer.text == text
    return answer


def ask_anthropic(e: Emulator) -> Answer:
    with anthropic_client(e) as client:
        return answer_of_message(client.messages.create(model="m", max_tokens=99, messages=ASKED))


def answer_of_chunks(chunks: Iterable[Any]) -> Answer:
    text, reasoning, calls, finish = "", "", [], ""
    for chunk in chunks:
        (candidate,) = chunk.candidates
        finish = candidate.finish_reason.value if candidate.finish_reason else finish
        for part in candidate.content.parts:
            if part.thought:
                reasoning += part.text
            elif part.text:
                text += part.text
            if part.function_call:
                calls.append((part.function_call.name, part.function_call.args))
    usage = chunk.usage_metadata
    output = usage.candidates_token_count + (usage.thoughts_token_count or 0)
    assert usage.total_token_count == usage.prompt_token_count + output
    return Answer(text, reasoning, calls, (usage.prompt_token_count, output), finish)


def stream_gemini(e: Emulator) -> Answer:
    with gemini_client(e) as client:
        return answer_of_chunks(client.models.generate_content_stream(model="m", contents=PROMPT))


def ask_gemini(e: Emulator) -> Answer:
    with gemini_client(e) as client:
        reply = client.models.generate_content(model="m", contents=PROMPT)
    answer = answer_of_chunks([reply])
    assert answer.text == (reply.text or "")
    return answer


def answer_of_lines(lines: Iterable[Any]) -> Answer:
    text, reasoning, calls = "", "", []
    for line in lines:
        text += line.message.content or ""
        reasoning += line.message.thinking or ""
        calls += [(call.function.name, dict(call.function.arguments)) for call in line.message.tool_calls or ()]
    assert line.done
    return Answer(text, reasoning, calls, (line.prompt_eval_count, line.eval_count), line.done_reason)


def stream_ollama(e: Emulator) -> Answer:
    return answer_of_lines(ollama_client(e).chat(model="m", messages=ASKED, stream=True))


def ask_ollama(e: Emulator) -> Answer:
    return answer_of_lines([ollama_client(e).chat(model="m", messages=ASKED)])


def stream_cohere(e: Emulator) -> Answer:
    text, reasoning, calls = "", "", dict[int, tuple[str, str]]()
    for event in cohere_client(e).chat_stream(model="m", messages=ASKED):
        match event.type:
            case "content-delta":
                text += event.delta.message.content.text or ""
                reasoning += event.delta.message.content.thinking or ""
            case "tool-call-start":
                calls[event.index] = event.delta.message.tool_calls.function.name, ""
            case "tool-call-delta":
                name, arguments = calls[event.index]
                calls[event.index] = name, arguments + event.delta.message.tool_calls.function.arguments
            case "message-end":
                end = event.delta
    called = [(name, json.loads(arguments)) for name, arguments in calls.values()]
    usage = int(end.usage.tokens.input_tokens), int(end.usage.tokens.output_tokens)
    if end.finish_reason == "ERROR":
        # The client has no exception for an error in a stream.
        raise RuntimeError(end.error)
    return Answer(text, reasoning, called, usage, end.finish_reason)


def ask_cohere(e: Emulator) -> Answer:
    reply = cohere_client(e).chat(model="m", messages=ASKED)
    content = reply.message.content or ()
    text = "".join(part.text for part in content if part.type == "text")
    reasoning = "".join(part.thinking for part in content if part.type == "thinking")
    calls = reply.message.tool_calls or ()
    called = [(call.function.name, json.loads(call.function.arguments)) for call in calls]
    usage = int(reply.usage.tokens.input_tokens), int(reply.usage.tokens.output_tokens)
    return Answer(text, reasoning, called, usage, reply.finish_reason)


CLIENTS = {
    "chat": Client(stream_chat, ask_chat),
    "responses": Client(stream_responses, ask_responses),
    "anthropic": Client(stream_anthropic, ask_anthropic),
    "gemini": Client(stream_gemini, ask_gemini),
    "ollama": Client(stream_ollama, ask_ollama),
    "cohere": Client(stream_cohere, ask_cohere),
}
BOTH = pytest.mark.parametrize("way", ["streamed", "whole"])

OURS = {
    "chat": "openai",
    "responses": "openai-responses",
    "anthropic": "anthropic",
    "gemini": "gemini",
    "ollama": "ollama",
    "cohere": "cohere",
}


def read_ours(e: Emulator, name: str) -> Answer:
    """What g4flite reads of the same protocol, with the native finish reason."""
    base_url = f"{e.url}/v1" if name in ("chat", "responses") else e.url
    key = None if name == "ollama" else "sk-test"
    with g4flite.stream(OURS[name], PROMPT, model="m", base_url=base_url, api_key=key) as stream:
        text = "".join(stream)
    calls = [(call.name, json.loads(call.arguments)) for call in stream.tool_calls]
    assert stream.usage
    assert stream.finish_reason == "tool_calls"
    usage = stream.usage.prompt_tokens or 0, stream.usage.completion_tokens or 0
    return Answer(text, stream.reasoning, calls, usage, stream.native_finish_reason or "")


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    names = (
        "OPENAI_BASE_URL OPENAI_API_KEY ANTHROPIC_BASE_URL ANTHROPIC_API_KEY ANTHROPIC_AUTH_TOKEN GOOGLE_API_KEY "
        "GEMINI_API_KEY GOOGLE_GENAI_USE_VERTEXAI OLLAMA_HOST OLLAMA_API_KEY CO_API_KEY CO_API_URL COHERE_API_KEY"
    )
    for name in names.split():
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def e() -> Iterator[Emulator]:
    with Emulator(lambda _: REPLY) as running:
        yield running


def read(e: Emulator, name: str, way: str) -> Answer:
    return getattr(CLIENTS[name], way)(e)


# What they read


@BOTH
@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("split", [None, 1, 7])
def test_every_client_reads_the_same_answer(e: Emulator, name: str, split: int | None, way: str) -> None:
    e.script = Script(split=split)
    assert read(e, name, way) == EXPECTED[name]
    exchange = e.exchanges[-1]
    assert (exchange.service, exchange.model, exchange.problem) == (name, "m", None)
    assert exchange.messages == ASKED


@pytest.mark.parametrize("name", CLIENTS)
def test_g4flite_reads_what_the_official_client_reads(e: Emulator, name: str) -> None:
    assert read_ours(e, name) == EXPECTED[name]


@BOTH
@pytest.mark.parametrize("name", CLIENTS)
def test_an_answer_may_be_text_alone(e: Emulator, name: str, way: str) -> None:
    e.reply = lambda _: ["Sun", "ny"]
    stop = {"responses": "completed", "anthropic": "end_turn", "gemini": "STOP", "cohere": "COMPLETE"}.get(name, "stop")
    assert read(e, name, way) == Answer("Sunny", "", [], (3, 2), stop)


@BOTH
@pytest.mark.parametrize("name", CLIENTS)
def test_the_tokens_are_those_that_the_reply_says(e: Emulator, name: str, way: str) -> None:
    e.reply = lambda _: ["Sunny", Usage(1000, 50, 20)]
    assert read(e, name, way).usage == (1000, 50)


@pytest.mark.parametrize("name", ["chat", "responses", "anthropic"])
def test_the_tokens_of_the_reasoning_are_told_of(e: Emulator, name: str) -> None:
    e.reply = lambda _: ["Sunny", Usage(1000, 50, 20)]
    with openai_client(e) as client, anthropic_client(e) as claude:
        match name:
            case "chat":
                usage = client.chat.completions.create(model="m", messages=ASKED).usage
                assert usage.completion_tokens_details.reasoning_tokens == 20
            case "responses":
                usage = client.responses.create(model="m", input=PROMPT).usage
                assert usage.output_tokens_details.reasoning_tokens == 20
            case _:
                usage = claude.messages.create(model="m", max_tokens=9, messages=ASKED).usage
                assert usage.output_tokens_details.thinking_tokens == 20


LENGTH = {
    "chat": "length", "responses": "max_output_tokens", "anthropic": "max_tokens", "gemini": "MAX_TOKENS",
    "ollama": "length", "cohere": "MAX_TOKENS",
}  # fmt: skip
FILTERED = {"chat": "content_filter", "responses": "content_filter", "anthropic": "refusal", "gemini": "SAFETY"}


@BOTH
@pytest.mark.parametrize(
    ("name", "reason", "native"),
    [
        *((name, "length", native) for name, native in LENGTH.items()),
        *((name, "content_filter", native) for name, native in FILTERED.items()),
    ],
)
def test_a_finish_reason_is_the_client_s_own(e: Emulator, name: str, reason: Any, native: str, way: str) -> None:
    e.reply = lambda _: ["cut", Finish(reason)]
    answer = read(e, name, way)
    assert (answer.text, answer.finish) == ("cut", native)


@pytest.mark.parametrize(
    ("dialect", "way"),
    [
        *((dialect, "whole") for dialect in DIALECTS if dialect != "mistral"),
        # What a stream of transformers leaves out, its usage, the reader asks for.
        *((dialect, "streamed") for dialect in DIALECTS if dialect not in {"mistral", "transformers"}),
    ],
)
def test_openai_s_client_reads_the_dialects(e: Emulator, dialect: str, way: str) -> None:
    e.script = Script(dialect=dialect)
    silent = dialect in {"openai", "azure", "perplexity", "github-models", "fireworks", "google"}
    inline = dialect in {"huggingface", "transformers"}
    thought = ("<think>\nHm.\n</think>\n\n" if inline else "", "" if inline or silent else "Hm.")
    expected = EXPECTED["chat"]
    assert read(e, "chat", way) == expected._replace(text=thought[0] + expected.text, reasoning=thought[1])


def azure_client(e: Emulator) -> openai.AzureOpenAI:
    return openai.AzureOpenAI(
        azure_endpoint=e.url, api_key="k", api_version="2024-10-21", azure_deployment="d", max_retries=0
    )


def test_openai_s_client_finds_azure(e: Emulator) -> None:
    text = EXPECTED["chat"].text
    with azure_client(e) as client:
        chunks = list(client.chat.completions.create(model="m", messages=ASKED, stream=True))
        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == text
        assert (chunks[0].choices, e.exchanges[-1].model) == ([], "d")
        reply = client.chat.completions.create(model="m", messages=ASKED)
    assert (reply.choices[0].message.content, e.exchanges[-1].model) == (text, "d")
    assert reply.model_extra["prompt_filter_results"]


def test_the_helper_of_openai_s_client_puts_a_response_together(e: Emulator) -> None:
    with openai_client(e) as client, client.responses.stream(model="m", input=PROMPT) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final = stream.get_final_response()
    assert (final.output_text, answer_of_response(final)) == (text, EXPECTED["responses"])


@BOTH
def test_a_start_names_the_reply_and_the_model(e: Emulator, way: str) -> None:
    e.reply = lambda _: [Start("id-9", "m-9"), "Hi"]
    stream = way == "streamed"
    with openai_client(e) as client, anthropic_client(e) as claude:
        reply = client.chat.completions.create(model="m", messages=ASKED, stream=stream)
        first = next(iter(reply)) if stream else reply
        assert (first.id, first.model) == ("id-9", "m-9")
        reply = client.responses.create(model="m", input=PROMPT, stream=stream)
        response = next(iter(reply)).response if stream else reply
        assert (response.id, response.model) == ("id-9", "m-9")
        reply = claude.messages.create(model="m", max_tokens=9, messages=ASKED, stream=stream)
        message = next(iter(reply)).message if stream else reply
        assert (message.id, message.model) == ("id-9", "m-9")


# What they send


def drain(reply: Any) -> None:
    """Read a stream to its end; a whole reply has no end to read to."""
    if hasattr(reply, "__next__") or hasattr(reply, "response"):
        list(reply)


def send_chat(e: Emulator, stream: bool) -> None:
    with openai_client(e) as client:
        drain(
            client.chat.completions.create(
                model="m", messages=CONVERSATION, tools=[TOOL], stop=["END"], max_tokens=99, stream=stream
            )
        )


def send_responses(e: Emulator, stream: bool) -> None:
    image = {"type": "input_image", "image_url": f"data:image/png;base64,{RED}", "detail": "auto"}
    with openai_client(e) as client:
        drain(
            client.responses.create(
                model="m",
                instructions="Be brief.",
                input=[
                    {"role": "user", "content": [{"type": "input_text", "text": "What is this?"}, image]},
                    {"role": "assistant", "content": "I will look."},
                    {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city":"Oslo"}'},
                    {"type": "function_call_output", "call_id": "c1", "output": "Rain"},
                    {"role": "user", "content": "And?"},
                ],
                tools=[{"type": "function", **TOOL["function"], "strict": False}],
                max_output_tokens=99,
                stream=stream,
            )
        )


def send_anthropic(e: Emulator, stream: bool) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": RED}}
    with anthropic_client(e) as client:
        drain(
            client.messages.create(
                model="m",
                max_tokens=99,
                system="Be brief.",
                messages=[
                    {"role": "user", "content": [{"type": "text", "text": "What is this?"}, image]},
                    {
                        "role": "assistant",
                        "content": [
                            {"type": "text", "text": "I will look."},
                            {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Oslo"}},
                        ],
                    },
                    {
                        "role": "user",
                        "content": [
                            {"type": "tool_result", "tool_use_id": "c1", "content": "Rain"},
                            {"type": "text", "text": "And?"},
                        ],
                    },
                ],
                tools=[{"name": "weather", "description": "of a city", "input_schema": SCHEMA}],
                stop_sequences=["END"],
                stream=stream,
            )
        )


def send_gemini(e: Emulator, stream: bool) -> None:
    part, client = types.Part, gemini_client(e)
    contents = [
        types.UserContent(
            [part(text="What is this?"), part.from_bytes(data=base64.b64decode(RED), mime_type="image/png")]
        ),
        types.ModelContent(
            [
                part(text="I will look."),
                part(function_call=types.FunctionCall(id="c1", name="weather", args={"city": "Oslo"})),
            ]
        ),
        types.UserContent(
            [
                part(function_response=types.FunctionResponse(id="c1", name="weather", response={"result": "Rain"})),
                part(text="And?"),
            ]
        ),
    ]
    declared = types.FunctionDeclaration(name="weather", description="of a city", parameters_json_schema=SCHEMA)
    config = types.GenerateContentConfig(
        system_instruction="Be brief.",
        max_output_tokens=99,
        stop_sequences=["END"],
        tools=[types.Tool(function_declarations=[declared])],
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    if stream:
        drain(client.models.generate_content_stream(model="m", contents=contents, config=config))
    else:
        client.models.generate_content(model="m", contents=contents, config=config)
    client.close()


def send_ollama(e: Emulator, stream: bool) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is this?", "images": [RED]},
        {
            "role": "assistant",
            "content": "I will look.",
            "tool_calls": [{"function": {"name": "weather", "arguments": {"city": "Oslo"}}}],
        },
        {"role": "tool", "tool_name": "weather", "content": "Rain"},
        {"role": "user", "content": "And?"},
    ]
    options = {"stop": ["END"], "num_predict": 99}
    drain(ollama_client(e).chat(model="m", messages=messages, tools=[TOOL], options=options, stream=stream))


def send_cohere(e: Emulator, stream: bool) -> None:
    chat = cohere_client(e).chat_stream if stream else cohere_client(e).chat
    drain(chat(model="m", messages=CONVERSATION, tools=[TOOL], stop_sequences=["END"], max_tokens=99))


def nameless(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The conversation without the name of a tool in its result, which Gemini adds."""
    return [{key: value for key, value in message.items() if key != "name"} for message in messages]


STREAM = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])


@STREAM
@pytest.mark.parametrize("send", [send_chat, send_responses, send_anthropic, send_gemini, send_cohere])
def test_what_they_send_is_understood_alike(e: Emulator, send: Callable[[Emulator, bool], None], stream: bool) -> None:
    send(e, stream)
    exchange = e.exchanges[-1]
    assert nameless(exchange.messages) == CONVERSATION
    assert exchange.options.pop("stop", ["END"]) == ["END"]
    assert exchange.options == {"max_tokens": 99, "tools": [TOOL]}


@STREAM
def test_what_ollama_s_client_sends_is_understood_but_for_ids(e: Emulator, stream: bool) -> None:
    send_ollama(e, stream)
    exchange = e.exchanges[-1]
    assert exchange.messages[:2] == CONVERSATION[:2]
    call = {"type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}
    assert exchange.messages[2:] == [
        {"role": "assistant", "content": "I will look.", "tool_calls": [call]},
        {"role": "tool", "name": "weather", "content": "Rain"},
        {"role": "user", "content": "And?"},
    ]
    assert exchange.options["max_tokens"] == 99
    assert exchange.options["stop"] == ["END"]
    assert exchange.options["tools"][0]["function"]["name"] == "weather"


# What they raise


RAISED: list[tuple[str, str, type[Exception]]] = [
    ("chat", "rate_limit", openai.RateLimitError),
    ("chat", "authentication", openai.AuthenticationError),
    ("chat", "not_found", openai.NotFoundError),
    ("chat", "context_length", openai.BadRequestError),
    ("responses", "rate_limit", openai.RateLimitError),
    ("responses", "server", openai.InternalServerError),
    ("anthropic", "rate_limit", anthropic.RateLimitError),
    ("anthropic", "permission", anthropic.PermissionDeniedError),
    ("anthropic", "overloaded", anthropic.InternalServerError),
    ("gemini", "rate_limit", errors.ClientError),
    ("gemini", "overloaded", errors.ServerError),
    ("ollama", "not_found", ollama.ResponseError),
    ("cohere", "rate_limit", cohere.TooManyRequestsError),
    ("cohere", "not_found", cohere.NotFoundError),
    ("cohere", "server", cohere.InternalServerError),
]


@BOTH
@pytest.mark.parametrize(("name", "kind", "expected"), RAISED)
def test_an_http_error_is_the_client_s_own(
    e: Emulator, name: str, kind: str, expected: type[Exception], way: str
) -> None:
    e.script = Script(problem=kind)
    with pytest.raises(expected):
        read(e, name, way)
    assert e.exchanges[-1].problem is None


@pytest.mark.parametrize("before", [[], ["some ", "text"]], ids=["first", "halfway"])
@pytest.mark.parametrize(("name", "kind", "expected"), RAISED)
def test_a_problem_in_a_whole_reply_is_an_http_error(
    e: Emulator, name: str, kind: str, expected: type[Exception], before: list[str]
) -> None:
    e.reply = lambda _: [*before, Problem(kind)]
    with pytest.raises(expected):
        read(e, name, "whole")
    assert e.exchanges[-1].status >= 400


@pytest.mark.parametrize("before", [[], ["some ", "text"]], ids=["first", "halfway"])
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("chat", openai.APIError),
        ("responses", openai.APIError),
        ("anthropic", anthropic.APIError),
        ("gemini", errors.ServerError),
        ("ollama", ollama.ResponseError),
        ("cohere", RuntimeError),
    ],
)
def test_an_error_in_the_stream_is_raised(e: Emulator, name: str, expected: type[Exception], before: list[str]) -> None:
    e.reply = lambda _: [*before, Problem("overloaded")]
    with pytest.raises(expected) as caught:
        read(e, name, "streamed")
    assert e.exchanges[-1].status == 200
    assert any(word in str(caught.value).lower() for word in ("overloaded", "busy", "unavailable"))


@BOTH
def test_an_error_carries_the_request_s_id(e: Emulator, way: str) -> None:
    e.script = Script(problem="rate_limit")
    for name, expected in (("chat", openai.APIStatusError), ("anthropic", anthropic.APIStatusError)):
        with pytest.raises(expected) as caught:
            read(e, name, way)
        assert caught.value.request_id == "req_1"


def test_a_whole_reply_carries_the_request_s_id(e: Emulator) -> None:
    with openai_client(e) as client, anthropic_client(e) as claude:
        assert client.chat.completions.create(model="m", messages=ASKED)._request_id == "req_1"
        assert client.responses.create(model="m", input=PROMPT)._request_id == "req_1"
        assert claude.messages.create(model="m", max_tokens=9, messages=ASKED)._request_id == "req_1"


@BOTH
@pytest.mark.parametrize("name", CLIENTS)
def test_a_refused_key_has_its_status(e: Emulator, name: str, way: str) -> None:
    e.script = Script(problem="authentication")
    with pytest.raises(
        (openai.APIError, anthropic.APIError, errors.APIError, ollama.ResponseError, ApiError)
    ) as caught:
        read(e, name, way)
    code = getattr(caught.value, "status_code", getattr(caught.value, "code", None))
    assert code == (400 if name == "gemini" else 401)


@BOTH
def test_anthropic_s_client_names_the_newer_version_of_the_api(e: Emulator, way: str) -> None:
    read(e, "anthropic", way)
    sent = {name.lower(): value for name, value in e.exchanges[-1].headers}
    assert sent["anthropic-version"] == "2026-10-21"
    assert sent["authorization"] == "Bearer sk-ant-test"
    assert "x-api-key" not in sent


@BOTH
def test_a_blocked_prompt_is_gemini_s_feedback(e: Emulator, way: str) -> None:
    e.script = Script(problem="content_filter")
    with gemini_client(e) as client:
        if way == "streamed":
            (chunk,) = client.models.generate_content_stream(model="m", contents=PROMPT)
        else:
            chunk = client.models.generate_content(model="m", contents=PROMPT)
    assert chunk.prompt_feedback.block_reason == types.BlockedReason.PROHIBITED_CONTENT
    assert not chunk.candidates
