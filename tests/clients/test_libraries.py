"""Client libraries that others wrote read the emulator: text, a tool call and usage; `make test-clients` runs this.

Each reader in `READERS` asks over one protocol with `weather` as a tool, and returns what it read as an `Answer`, which
is the same for all of them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import groq
import huggingface_hub
import litellm
import pytest
from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI
from mistralai.client import Mistral
from pydantic_ai.direct import model_request_stream
from pydantic_ai.messages import ModelRequest
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.tools import ToolDefinition

from g4flite.testing import Emulator, Script, ToolCall, Usage


class Answer(NamedTuple):
    text: str
    # The name and the arguments of each call.
    calls: list[tuple[str, Any]]
    # The tokens of the prompt and of the answer.
    usage: tuple[int, int]


PROMPT = "Is it sunny?"
ASKED: list[Any] = [{"role": "user", "content": PROMPT}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL: Any = {"type": "function", "function": {"name": "weather", "description": "of a city", "parameters": SCHEMA}}
KEY = "sk-test"
REPLY = ["I will ", "look: Grüße", ToolCall("", "weather", '{"city": "Tromsø"}'), Usage(1000, 50)]
EXPECTED = Answer("I will look: Grüße", [("weather", {"city": "Tromsø"})], (1000, 50))


def answer_of_chunks(chunks: Any) -> Answer:
    """Return what chunks in the form of Chat Completions say, which several libraries pass on."""
    text, calls, usage = "", dict[int, tuple[str, str]](), (0, 0)
    for chunk in chunks:
        if found := getattr(chunk, "usage", None):
            usage = found.prompt_tokens, found.completion_tokens
        for choice in chunk.choices:
            text += choice.delta.content or ""
            for call in choice.delta.tool_calls or ():
                name, arguments = calls.get(call.index or 0, ("", ""))
                said = call.function.arguments or ""
                calls[call.index or 0] = name + (call.function.name or ""), arguments + said
    return Answer(text, [(name, json.loads(arguments)) for name, arguments in calls.values()], usage)


def litellm_reader(model: str, path: str = "") -> Callable[[Emulator], Answer]:
    def read(e: Emulator) -> Answer:
        options = {"include_usage": True}
        settings: Any = {"api_base": e.url + path, "api_key": KEY, "max_tokens": 99}
        return answer_of_chunks(
            litellm.completion(model, ASKED, tools=[TOOL], stream=True, stream_options=options, **settings)
        )

    return read


def read_litellm_cohere(e: Emulator) -> Answer:
    # LiteLLM 1.83 cannot read the stream of Cohere's second API: it takes the lines `event: ...` for JSON.  Beside a
    # tool call, it drops the text.
    def ask() -> Any:
        return litellm.completion("cohere_chat/m", ASKED, tools=[TOOL], api_base=f"{e.url}/v2/chat", api_key=KEY)

    calls = ask().choices[0].message.tool_calls
    e.reply = lambda _: [part for part in REPLY if not isinstance(part, ToolCall)]
    reply = ask()
    called = [(call.function.name, json.loads(call.function.arguments)) for call in calls]
    return Answer(reply.choices[0].message.content, called, (reply.usage.prompt_tokens, reply.usage.completion_tokens))


def langchain_reader(model: Callable[[Emulator], Any]) -> Callable[[Emulator], Answer]:
    def read(e: Emulator) -> Answer:
        first, *others = model(e).bind_tools([TOOL]).stream(PROMPT)
        message = sum(others, first)
        calls = [(call["name"], call["args"]) for call in message.tool_calls]
        # The property `text` also joins Anthropic's blocks.
        usage = message.usage_metadata
        return Answer(str(message.text), calls, (usage["input_tokens"], usage["output_tokens"]))

    return read


def pydantic_reader(model: Callable[[Emulator], Model[Any]]) -> Callable[[Emulator], Answer]:
    tools = [ToolDefinition(name="weather", description="of a city", parameters_json_schema=SCHEMA)]

    async def aread(e: Emulator) -> Answer:
        parameters = ModelRequestParameters(function_tools=tools, allow_text_output=True)
        asked = [ModelRequest.user_text_prompt(PROMPT)]
        async with model_request_stream(model(e), asked, model_request_parameters=parameters) as stream:
            async for _ in stream:
                pass
        reply = stream.get()
        calls = [(call.tool_name, call.args_as_dict()) for call in reply.tool_calls]
        return Answer(reply.text or "", calls, (reply.usage.input_tokens, reply.usage.output_tokens))

    return lambda e: asyncio.run(aread(e))


def read_mistral(e: Emulator) -> Answer:
    e.script = Script(dialect="mistral")
    with Mistral(api_key=KEY, server_url=e.url) as client:
        stream = client.chat.stream(model="m", messages=ASKED, tools=[TOOL])
        return answer_of_chunks(event.data for event in stream)


def read_groq(e: Emulator) -> Answer:
    e.script = Script(dialect="groq")
    with groq.Groq(api_key=KEY, base_url=e.url, max_retries=0) as client:
        stream = client.chat.completions.create(model="m", messages=ASKED, tools=[TOOL], stream=True)
        chunks = list(stream)
    # Groq's own client knows the usage where the service says it: in the last chunk's `x_groq`.
    usage = chunks[-1].x_groq.usage if chunks[-1].x_groq else None
    answer = answer_of_chunks(chunks)
    return answer._replace(usage=(usage.prompt_tokens, usage.completion_tokens)) if usage else answer


def read_huggingface(e: Emulator) -> Answer:
    e.script = Script(dialect="huggingface")
    client = huggingface_hub.InferenceClient(base_url=f"{e.url}/v1", api_key=KEY)
    options: Any = {"include_usage": True}
    return answer_of_chunks(
        client.chat_completion(ASKED, model="m", tools=[TOOL], stream=True, stream_options=options, max_tokens=99)
    )


def openai_provider(e: Emulator) -> OpenAIProvider:
    return OpenAIProvider(base_url=f"{e.url}/v1", api_key=KEY)


READERS: dict[str, Callable[[Emulator], Answer]] = {
    "litellm openai": litellm_reader("openai/m", "/v1"),
    "litellm anthropic": litellm_reader("anthropic/m"),
    "litellm ollama": litellm_reader("ollama_chat/m"),
    "litellm cohere": read_litellm_cohere,
    "langchain-openai": langchain_reader(
        lambda e: ChatOpenAI(model="m", base_url=f"{e.url}/v1", api_key=KEY, stream_usage=True)  # type: ignore[arg-type]
    ),
    "langchain-openai responses": langchain_reader(
        lambda e: ChatOpenAI(model="m", base_url=f"{e.url}/v1", api_key=KEY, use_responses_api=True)  # type: ignore[arg-type]
    ),
    "langchain-anthropic": langchain_reader(
        lambda e: ChatAnthropic(model_name="m", base_url=e.url, api_key=KEY, max_tokens=99)  # type: ignore[call-arg,arg-type]
    ),
    "pydantic-ai openai": pydantic_reader(lambda e: OpenAIChatModel("m", provider=openai_provider(e))),
    "pydantic-ai responses": pydantic_reader(lambda e: OpenAIResponsesModel("m", provider=openai_provider(e))),
    "pydantic-ai anthropic": pydantic_reader(
        lambda e: AnthropicModel("m", provider=AnthropicProvider(base_url=e.url, api_key=KEY))
    ),
    "mistralai": read_mistral,
    "groq": read_groq,
    "huggingface_hub": read_huggingface,
}


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def e() -> Iterator[Emulator]:
    with Emulator(lambda _: REPLY) as running:
        yield running


@pytest.mark.parametrize("library", READERS)
def test_a_library_reads_text_a_tool_call_and_usage(library: str, e: Emulator) -> None:
    assert READERS[library](e) == EXPECTED
    exchange = e.exchanges[-1]
    assert exchange.problem is None
    assert exchange.messages == ASKED
    (tool,) = exchange.options["tools"]
    assert tool["function"]["name"] == "weather"
