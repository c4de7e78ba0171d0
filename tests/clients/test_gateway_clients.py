"""The official clients before the gateway: a conversation with a tool, and a failure in the middle, which has to raise.

Behind the gateway is the emulator, asked over the protocol of another service and over the client's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import ollama
import openai
import pytest
from behind import PROVIDERS, gateway
from google import genai
from google.genai import errors, types

from g4flite.testing import Problem, Reasoning, ToolCall

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"name": "weather", "description": "Tells the weather", "parameters": CITY}


def reply(messages: list[dict[str, Any]]) -> Any:
    if messages[-1]["role"] == "tool":
        return f"It is {messages[-1]['content']}"
    if "fail" in str(messages[-1]["content"]):
        return ["One", " two", Problem("overloaded")]
    return [Reasoning("Hm."), "Let me look.", ToolCall("call_1", "weather", '{"city": "Oslo"}')]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with gateway(reply) as served:
        yield served


def chat(url: str, model: str, text: str) -> str:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
        messages: Any = [{"role": "user", "content": text}]
        tools: Any = [{"type": "function", "function": FUNCTION}]
        with client.chat.completions.stream(model=model, messages=messages, tools=tools) as stream:
            for _ in stream:
                pass
            turn = stream.get_final_completion().choices[0].message
        (call,) = turn.tool_calls or ()
        assert (call.function.name, call.function.arguments) == ("weather", '{"city": "Oslo"}')
        messages += [
            {
                "role": "assistant",
                "content": turn.content,
                "tool_calls": [call.model_dump(exclude={"function": {"parsed_arguments"}})],
            },
            {"role": "tool", "tool_call_id": call.id, "content": "cold"},
        ]
        whole = client.chat.completions.create(model=model, messages=messages, tools=tools)
        assert whole.usage
        return str(whole.choices[0].message.content)


def responses(url: str, model: str, text: str) -> str:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
        given: Any = [{"role": "user", "content": text}]
        tools: Any = [{"type": "function", **FUNCTION}]
        # The raw events: the helper `stream()` ends quietly at some errors.
        *_, last = client.responses.create(model=model, input=given, tools=tools, stream=True)
        output = last.response.output
        (call,) = (item for item in output if item.type == "function_call")
        assert call.arguments == '{"city": "Oslo"}'
        given += [item.model_dump(exclude_none=True) for item in output]
        given.append({"type": "function_call_output", "call_id": call.call_id, "output": "cold"})
        return client.responses.create(model=model, input=given, tools=tools).output_text


def messages(url: str, model: str, text: str) -> str:
    with anthropic.Anthropic(base_url=url, api_key="any", max_retries=0) as client:
        history: Any = [{"role": "user", "content": text}]
        tools: Any = [{"name": "weather", "input_schema": CITY}]
        with client.messages.stream(model=model, max_tokens=99, messages=history, tools=tools) as stream:
            turn = stream.get_final_message()
        (call,) = (block for block in turn.content if block.type == "tool_use")
        assert (turn.stop_reason, call.input) == ("tool_use", {"city": "Oslo"})
        history += [
            {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in turn.content]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "cold"}]},
        ]
        assert client.messages.count_tokens(model=model, messages=history).input_tokens
        whole = client.messages.create(model=model, max_tokens=99, messages=history, tools=tools)
        return "".join(block.text for block in whole.content if block.type == "text")


def ollamas(url: str, model: str, text: str) -> str:
    client = ollama.Client(host=url)
    history: Any = [{"role": "user", "content": text}]
    tools: Any = [{"type": "function", "function": FUNCTION}]
    chunks = [*client.chat(model=model, messages=history, tools=tools, stream=True)]
    assert chunks[-1].done
    calls = [call for chunk in chunks for call in chunk.message.tool_calls or ()]
    assert [dict(call.function.arguments) for call in calls] == [{"city": "Oslo"}]
    history += [{"role": "assistant", "content": "", "tool_calls": calls},
                {"role": "tool", "tool_name": "weather", "content": "cold"}]  # fmt: skip
    assert model in [one.model for one in client.list().models]
    assert client.show(model).capabilities
    return str(client.chat(model=model, messages=history, tools=tools).message.content)


def gemini(url: str, model: str, text: str) -> str:
    client = genai.Client(api_key="any", http_options=types.HttpOptions(base_url=url))
    # The documented form, which the client writes in upper case: {"type": "OBJECT"}.
    city = types.Schema(type=types.Type.OBJECT, properties={"city": types.Schema(type=types.Type.STRING)})
    tool = types.Tool(function_declarations=[types.FunctionDeclaration(name="weather", parameters=city)])
    automatic = types.AutomaticFunctionCallingConfig(disable=True)
    config = types.GenerateContentConfig(tools=[tool], automatic_function_calling=automatic)
    history = [types.Content(role="user", parts=[types.Part(text=text)])]
    chunks = [*client.models.generate_content_stream(model=model, contents=history, config=config)]
    parts = [part for chunk in chunks for one in chunk.candidates or () for part in one.content.parts]
    (call,) = (part for part in parts if part.function_call)
    assert call.function_call.args == {"city": "Oslo"}
    # With the id of its call, which the emulator demands of a call that has one.
    result = types.FunctionResponse(id=call.function_call.id, name="weather", response={"result": "cold"})
    answer = types.Part(function_response=result)
    history += [types.Content(role="model", parts=[call]), types.Content(role="user", parts=[answer])]
    return str(client.models.generate_content(model=model, contents=history, config=config).text)


CLIENTS: dict[str, tuple[Callable[[str, str, str], str], type[Exception]]] = {
    "chat": (chat, openai.APIError), "responses": (responses, openai.APIError),
    "messages": (messages, anthropic.APIError), "ollama": (ollamas, ollama.ResponseError),
    "gemini": (gemini, errors.APIError),
}  # fmt: skip


@pytest.mark.parametrize("model", PROVIDERS)
@pytest.mark.parametrize("name", CLIENTS)
def test_a_conversation_with_a_tool(name: str, model: str, url: str) -> None:
    ask, _ = CLIENTS[name]
    assert ask(url, model, "Do I need a coat in Oslo?") == "It is cold"


@pytest.mark.parametrize("model", PROVIDERS)
@pytest.mark.parametrize("name", CLIENTS)
def test_a_failure_in_the_middle_raises(name: str, model: str, url: str) -> None:
    ask, wanted = CLIENTS[name]
    with pytest.raises(wanted):
        ask(url, model, "Please fail")
