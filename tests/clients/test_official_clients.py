"""The official clients read from the emulator what they would read from their services; `make test-clients` runs this.

One function a client gives `Answer`: the text, the tool calls, the tokens. What reads the same protocols is to give the
same answer, and belongs in `CLIENTS`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import anthropic
import ollama
import openai
import pytest
from google import genai
from google.genai import errors, types

import g4flite
from g4flite.testing import Emulator, Finish, Problem, Reasoning, Script, ToolCall


class Answer(NamedTuple):
    text: str
    calls: list[tuple[str, dict[str, Any]]]  # name and arguments
    usage: tuple[int, int]  # tokens of the prompt, and of everything the model said, reasoning included


PROMPT = "Is it sunny?"
CALLS = [ToolCall("", "weather", '{"city": "Tromsø", "days": 3}'), ToolCall("", "clock", "{}")]
REPLY = [Reasoning("Hm."), "I will ", "look: Grüße", *CALLS]
EXPECTED = Answer("I will look: Grüße", [("weather", {"city": "Tromsø", "days": 3}), ("clock", {})], (3, 3))

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
    return openai.OpenAI(base_url=f"{e.url}/v1", api_key="sk-test", max_retries=0)


def anthropic_client(e: Emulator) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=e.url, api_key="sk-ant-test", max_retries=0)


def gemini_client(e: Emulator) -> genai.Client:
    return genai.Client(api_key="test", http_options=types.HttpOptions(base_url=e.url))


def read_chat(e: Emulator) -> Answer:
    with openai_client(e) as client:
        text, calls, usage = "", {}, None
        for chunk in client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": PROMPT}],
            stream=True,
            stream_options={"include_usage": True},
        ):
            usage = chunk.usage or usage
            for choice in chunk.choices:
                text += choice.delta.content or ""
                for call in choice.delta.tool_calls or ():
                    name, arguments = calls.get(call.index, ("", ""))
                    calls[call.index] = name + (call.function.name or ""), arguments + (call.function.arguments or "")
    assert usage
    spent = usage.prompt_tokens, usage.completion_tokens
    return Answer(text, [(name, json.loads(arguments)) for name, arguments in calls.values()], spent)


def read_responses(e: Emulator) -> Answer:
    with openai_client(e) as client, client.responses.stream(model="m", input=PROMPT) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final = stream.get_final_response()
    assert final.output_text == text
    asked = [item for item in final.output if item.type == "function_call"]
    assert final.usage
    usage = final.usage.input_tokens, final.usage.output_tokens
    return Answer(text, [(item.name, json.loads(item.arguments)) for item in asked], usage)


def read_anthropic(e: Emulator) -> Answer:
    messages = [{"role": "user", "content": PROMPT}]
    with anthropic_client(e) as client, client.messages.stream(model="m", max_tokens=99, messages=messages) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    calls = [(block.name, block.input) for block in final.content if block.type == "tool_use"]
    assert final.stop_reason == "tool_use"
    return Answer(text, calls, (final.usage.input_tokens, final.usage.output_tokens))


def read_gemini(e: Emulator) -> Answer:
    client, text, calls = gemini_client(e), "", []
    for chunk in client.models.generate_content_stream(model="m", contents=PROMPT):
        for part in chunk.candidates[0].content.parts:
            text += "" if part.thought else part.text or ""
            if part.function_call:
                calls.append((part.function_call.name, part.function_call.args))
    usage = chunk.usage_metadata
    client.close()
    return Answer(text, calls, (usage.prompt_token_count, usage.candidates_token_count + usage.thoughts_token_count))


def read_ollama(e: Emulator) -> Answer:
    text, calls = "", []
    for chunk in ollama.Client(host=e.url).chat(model="m", messages=[{"role": "user", "content": PROMPT}], stream=True):
        text += chunk.message.content or ""
        calls += [(call.function.name, dict(call.function.arguments)) for call in chunk.message.tool_calls or ()]
    assert chunk.done
    return Answer(text, calls, (chunk.prompt_eval_count, chunk.eval_count))


OURS = {
    "chat": "openai",
    "responses": "openai-responses",
    "anthropic": "anthropic",
    "gemini": "gemini",
    "ollama": "ollama",
}


def read_ours(e: Emulator, name: str) -> Answer:
    """What g4flite reads of the same protocol."""
    base_url = f"{e.url}/v1" if name in ("chat", "responses") else e.url
    key = None if name == "ollama" else "sk-test"
    with g4flite.stream(OURS[name], PROMPT, model="m", base_url=base_url, api_key=key) as stream:
        text = "".join(stream)
    calls = [(call.name, json.loads(call.arguments)) for call in stream.tool_calls]
    assert stream.usage
    assert stream.finish_reason == "tool_calls"
    return Answer(text, calls, (stream.usage.prompt_tokens or 0, stream.usage.completion_tokens or 0))


CLIENTS: dict[str, Callable[[Emulator], Answer]] = {
    "chat": read_chat,
    "responses": read_responses,
    "anthropic": read_anthropic,
    "gemini": read_gemini,
    "ollama": read_ollama,
}


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in (
        "OPENAI_BASE_URL",
        "OPENAI_API_KEY",
        "ANTHROPIC_BASE_URL",
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_AUTH_TOKEN",
    ):
        monkeypatch.delenv(name, raising=False)
    for name in ("GOOGLE_API_KEY", "GEMINI_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI", "OLLAMA_HOST", "OLLAMA_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def e() -> Iterator[Emulator]:
    with Emulator(lambda _: REPLY) as running:
        yield running


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("split", [None, 1, 7])
def test_every_client_reads_the_same_answer(e: Emulator, name: str, split: int | None) -> None:
    e.script = Script(split=split)
    assert CLIENTS[name](e) == read_ours(e, name) == EXPECTED
    exchange = e.exchanges[-1]
    assert (exchange.service, exchange.model) == (name, "m")
    assert exchange.messages == [{"role": "user", "content": PROMPT}]


@pytest.mark.parametrize("dialect", ["openrouter", "deepseek", "vllm", "groq", "zai", "llamacpp", "litellm"])
def test_openai_s_client_reads_the_dialects(e: Emulator, dialect: str) -> None:
    e.script = Script(dialect=dialect)
    assert read_chat(e) == EXPECTED


def test_openai_s_client_finds_azure(e: Emulator) -> None:
    with openai.AzureOpenAI(
        azure_endpoint=e.url, api_key="k", api_version="2024-10-21", azure_deployment="d", max_retries=0
    ) as client:
        chunks = list(
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": PROMPT}], stream=True)
        )
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == EXPECTED.text
    assert (chunks[0].choices, e.exchanges[-1].model) == ([], "d")


# What they send


def send_chat(e: Emulator) -> None:
    with openai_client(e) as client:
        list(
            client.chat.completions.create(
                model="m", messages=CONVERSATION, tools=[TOOL], stop=["END"], max_tokens=99, stream=True
            )
        )


def send_responses(e: Emulator) -> None:
    image = {"type": "input_image", "image_url": f"data:image/png;base64,{RED}", "detail": "auto"}
    with openai_client(e) as client:
        list(
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
                stream=True,
            )
        )


def send_anthropic(e: Emulator) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": RED}}
    with anthropic_client(e) as client:
        list(
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
                stream=True,
            )
        )


def send_gemini(e: Emulator) -> None:
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
    list(client.models.generate_content_stream(model="m", contents=contents, config=config))
    client.close()


def send_ollama(e: Emulator) -> None:
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
    list(ollama.Client(host=e.url).chat(model="m", messages=messages, tools=[TOOL], options=options, stream=True))


def nameless(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The conversation without what Gemini adds, and Ollama instead of an id: the name of the tool that answered."""
    return [{key: value for key, value in message.items() if key != "name"} for message in messages]


@pytest.mark.parametrize("send", [send_chat, send_responses, send_anthropic, send_gemini])
def test_what_they_send_is_understood_alike(e: Emulator, send: Callable[[Emulator], None]) -> None:
    send(e)
    exchange = e.exchanges[-1]
    assert nameless(exchange.messages) == CONVERSATION
    assert exchange.options.pop("stop", ["END"]) == ["END"]
    assert exchange.options == {"max_tokens": 99, "tools": [TOOL]}


def test_what_ollama_s_client_sends_is_understood_but_for_ids(e: Emulator) -> None:
    send_ollama(e)
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


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
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
    ],
)
def test_an_http_error_is_the_client_s_own(e: Emulator, name: str, kind: str, expected: type[Exception]) -> None:
    e.script = Script(problem=kind)
    with pytest.raises(expected):
        CLIENTS[name](e)
    assert e.exchanges[-1].problem is None


@pytest.mark.parametrize("before", [[], ["some ", "text"]], ids=["first", "halfway"])
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("chat", openai.APIError),
        ("responses", openai.APIError),
        ("anthropic", anthropic.APIError),
        ("gemini", errors.ServerError),
        ("ollama", ollama.ResponseError),
    ],
)
def test_an_error_in_the_stream_is_raised(e: Emulator, name: str, expected: type[Exception], before: list[str]) -> None:
    e.reply = lambda _: [*before, Problem("overloaded")]
    with pytest.raises(expected) as caught:
        CLIENTS[name](e)
    assert e.exchanges[-1].status == 200
    assert any(word in str(caught.value).lower() for word in ("overloaded", "busy"))


def test_a_refusal_carries_the_request_s_id(e: Emulator) -> None:
    e.script = Script(problem="rate_limit")
    with pytest.raises(openai.APIStatusError) as caught:
        read_chat(e)
    assert caught.value.request_id == "req_1"
    with pytest.raises(anthropic.APIStatusError) as refused:
        read_anthropic(e)
    assert refused.value.request_id == "req_1"


def test_anthropic_s_client_names_the_newer_version_of_the_api(e: Emulator) -> None:
    read_anthropic(e)
    sent = {name.lower(): value for name, value in e.exchanges[-1].headers}
    assert sent["anthropic-version"] == "2026-10-21"
    assert sent["authorization"] == "Bearer sk-ant-test"
    assert "x-api-key" not in sent


def test_a_blocked_prompt_is_gemini_s_feedback(e: Emulator) -> None:
    e.script = Script(problem="content_filter")
    client = gemini_client(e)
    (chunk,) = client.models.generate_content_stream(model="m", contents=PROMPT)
    client.close()
    assert chunk.prompt_feedback.block_reason == types.BlockedReason.PROHIBITED_CONTENT


def test_a_finish_reason_is_the_client_s_own(e: Emulator) -> None:
    e.reply = lambda _: ["cut", Finish("length")]
    with openai_client(e) as client:
        *_, last = client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": PROMPT}], stream=True
        )
    assert last.choices[0].finish_reason == "length"
    with (
        anthropic_client(e) as client,
        client.messages.stream(model="m", max_tokens=9, messages=[{"role": "user", "content": PROMPT}]) as stream,
    ):
        assert stream.get_final_message().stop_reason == "max_tokens"
