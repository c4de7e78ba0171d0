"""Libraries that others wrote, and the clients from npm, before the gateway: a conversation with a tool, and a failure.

Behind the gateway is the emulator, asked over the protocol of another service and over the client's own.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import litellm
import pytest
from behind import PROVIDERS, gateway
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI
from pydantic_ai import Agent
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider
from test_npm_clients import EXPECTED, REPLY, program  # noqa: F401 - a fixture

from g4flite.testing import Problem, ToolCall

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL: Any = {"type": "function", "function": {"name": "weather", "description": "of a city", "parameters": SCHEMA}}
ASKED = "Do I need a coat in Oslo?"


def reply(messages: list[dict[str, Any]]) -> Any:
    if messages[-1]["role"] == "tool":
        return f"It is {messages[-1]['content']}"
    if "fail" in str(messages[-1]["content"]):
        return ["One", " two", Problem("overloaded")]
    return ["Let me look.", ToolCall("call_1", "weather", '{"city": "Oslo"}')]


def ask_litellm(prefix: str, path: str) -> Callable[[str, str, str], str]:
    def ask(url: str, model: str, text: str) -> str:
        settings: Any = {"api_base": url + path, "api_key": "any", "tools": [TOOL], "max_tokens": 99, "num_retries": 0}
        history: Any = [{"role": "user", "content": text}]
        chunks = [*litellm.completion(prefix + model, history, stream=True, **settings)]
        turn: Any = litellm.stream_chunk_builder(chunks, messages=history)
        message = turn.choices[0].message
        (call,) = message.tool_calls
        assert json.loads(call.function.arguments) == {"city": "Oslo"}
        history += [message.model_dump(), {"role": "tool", "tool_call_id": call.id, "content": "cold"}]
        whole: Any = litellm.completion(prefix + model, history, **settings)
        return str(whole.choices[0].message.content)

    return ask


def ask_langchain(*, responses: bool) -> Callable[[str, str, str], str]:
    def ask(url: str, model: str, text: str) -> str:
        settings: Any = {"base_url": f"{url}/v1", "api_key": "any", "use_responses_api": responses, "max_retries": 0}
        chat = ChatOpenAI(model=model, **settings).bind_tools([TOOL])
        first, *others = chat.stream(text)
        turn: Any = sum(others, first)
        (call,) = turn.tool_calls
        assert call["args"] == {"city": "Oslo"}
        return str(chat.invoke([HumanMessage(text), turn, ToolMessage("cold", tool_call_id=call["id"])]).text)

    return ask


def ask_pydantic(model: Callable[[str, str], Any]) -> Callable[[str, str, str], str]:
    def ask(url: str, name: str, text: str) -> str:
        agent = Agent(model(url, name), retries=0)

        @agent.tool_plain
        def weather(city: str) -> str:
            """Return the weather of a city."""
            assert city == "Oslo"
            return "cold"

        return str(agent.run_sync(text).output)

    return ask


LIBRARIES: dict[str, Callable[[str, str, str], str]] = {
    "litellm openai": ask_litellm("openai/", "/v1"), "litellm anthropic": ask_litellm("anthropic/", ""),
    "litellm ollama": ask_litellm("ollama_chat/", ""),
    "langchain": ask_langchain(responses=False), "langchain responses": ask_langchain(responses=True),
    "pydantic-ai openai": ask_pydantic(
        lambda url, name: OpenAIChatModel(name, provider=OpenAIProvider(base_url=f"{url}/v1", api_key="any"))
    ),
    "pydantic-ai responses": ask_pydantic(
        lambda url, name: OpenAIResponsesModel(name, provider=OpenAIProvider(base_url=f"{url}/v1", api_key="any"))
    ),
    "pydantic-ai anthropic": ask_pydantic(
        lambda url, name: AnthropicModel(name, provider=AnthropicProvider(base_url=url, api_key="any"))
    ),
}  # fmt: skip


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_has_a_conversation_with_a_tool(library: str) -> None:
    ask = LIBRARIES[library]
    with gateway(reply) as url:
        # LiteLLM sends Ollama the results of tools without the calls, which no other service takes.
        for model in PROVIDERS if library != "litellm ollama" else ("ollama",):
            assert ask(url, model, ASKED) == "It is cold", model
            with pytest.raises(Exception) as caught:
                ask(url, model, "Please fail")
            assert not isinstance(caught.value, AssertionError | TypeError), caught.value


NPM = """
    openai, openai responses, anthropic, gemini, ollama, ai openai, ai openai responses, ai anthropic, ai google,
    ai openai-compatible
"""


@pytest.mark.parametrize("client", [name.strip() for name in NPM.split(",")])
def test_a_client_from_npm_reads_an_answer_and_raises_at_a_failure(
    client: str,
    program: list[str | Path],  # noqa: F811 - a fixture
) -> None:
    def run(url: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*program, client, url], capture_output=True, text=True, timeout=120)

    for provider in ("openai", "anthropic", "ollama"):
        with gateway(lambda _: REPLY, m=provider) as url:
            done = run(url)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout.splitlines()[-1]) == EXPECTED
        with gateway(lambda _: ["One", " two", Problem("overloaded")], m=provider) as url:
            failed = run(url)
        # The AI SDK gives the error out as a part of the stream, which the program does not read.
        assert failed.returncode or client.startswith("ai "), failed.stdout
