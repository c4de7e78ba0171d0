"""All four providers stream an answer over a real socket, in a `for` loop and in an `async for` loop."""

import asyncio
import os

import g4flite
from g4flite.testing import Emulator, Script

# The emulator runs on this machine: no proxy leads to it.
os.environ["NO_PROXY"] = "127.0.0.1"
MESSAGES = "Hello! Can you stream this back to me, word by word?"


def read(name: str, url: str) -> None:
    print(f"{name:<9} for        ", end="", flush=True)
    for chunk in g4flite.stream(name, MESSAGES, base_url=url):
        print(chunk, end="", flush=True)
    print()


async def aread(name: str, url: str) -> None:
    print(f"{name:<9} async for  ", end="", flush=True)
    async for chunk in g4flite.stream(name, MESSAGES, base_url=url):
        print(chunk, end="", flush=True)
    print()


with Emulator(script=Script(wait=0.02)) as server:
    print(f"The emulator stands for the four services at {server.url}, and checks what they would check.\n")
    for provider in ("cromicle", "free2gpt", "gprochat", "flowgpt"):
        read(provider, server.url)
        asyncio.run(aread(provider, server.url))
