"""A bot with tools: the model calls Python functions, and the conversation goes on."""

import os
from contextlib import ExitStack
from typing import Any

import g4flite
from g4flite.testing import Emulator, ToolCall


def weather(city: str) -> str:
    """Return the weather of a city."""
    return f"2 degrees and snow in {city}"


def model(messages: Any) -> Any:
    """Stands for a model: it calls the tool, then repeats what the tool said."""
    last = messages[-1]
    return f"It has {last['content']}." if last["role"] == "tool" else ToolCall("", "weather", '{"city": "Oslo"}')


with ExitStack() as stack:
    url = os.environ.get("BASE_URL") or f"{stack.enter_context(Emulator(model, keys=False)).url}/v1"
    chat = stack.enter_context(
        g4flite.Conversation("openai-compatible", model="any", base_url=url, system="Be brief.", tools=[weather])
    )
    for question in ("Do I need a coat in Oslo?", "And boots?"):
        for chunk in chat.say(question):
            print(chunk, end="", flush=True)
        print(f"   [{len(chat.messages)} messages, {chat.usage.total_tokens} tokens]")
