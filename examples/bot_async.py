"""The same bot in async: async tools are awaited, and the calls of one turn run side by side."""

import asyncio
import os
from contextlib import ExitStack
from typing import Any

import g4flite
from g4flite.testing import Emulator, ToolCall


async def weather(city: str, days: int = 1) -> dict[str, Any]:
    """Return the weather of a city."""
    await asyncio.sleep(0.1)
    return {"city": city, "snow": True, "days": days}


def model(messages: Any) -> Any:
    """Stands for a model: it calls the tool twice, then repeats what the tool said."""
    if messages[-1]["role"] == "tool":
        return f"{messages[-2]['content']} {messages[-1]['content']}"
    return [ToolCall("", "weather", '{"city": "Oslo"}'), ToolCall("", "weather", '{"city": "Rome", "days": 3}')]


async def main(url: str) -> None:
    async with g4flite.Conversation("openai-compatible", model="any", base_url=url, tools=[weather]) as chat:
        async for chunk in chat.say("Where does it snow?"):
            print(chunk, end="", flush=True)
        print(f"   [{len(chat.messages)} messages]")


with ExitStack() as stack:
    asyncio.run(main(os.environ.get("BASE_URL") or f"{stack.enter_context(Emulator(model, keys=False)).url}/v1"))
