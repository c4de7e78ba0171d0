"""A bot as for Discord or Telegram: one message that grows, edited no more often than the service allows."""

import asyncio
import os
import time
from contextlib import ExitStack

import g4flite
from g4flite.testing import Emulator, Script

SECONDS_BETWEEN_EDITS, MOST_CHARACTERS = 0.2, 2000


async def edit(text: str) -> None:
    """Stands for the bot library's `message.edit`, a request over the network."""
    print(repr(text[:MOST_CHARACTERS]))


async def answer(question: str, url: str) -> None:
    due = 0.0
    try:
        async with g4flite.stream("gprochat", question, base_url=url) as stream:
            async for _ in stream:
                # The next edit also shows the text that comes between two edits.
                if time.monotonic() >= due:
                    await edit(f"{stream.partial}...")
                    due = time.monotonic() + SECONDS_BETWEEN_EDITS
        await edit(stream.partial)
    except g4flite.G4fliteError as error:
        await edit(f"{error.partial} [{type(error).__name__}]")


with ExitStack() as stack:
    url = os.environ.get("BASE_URL") or stack.enter_context(Emulator(script=Script(wait=0.05))).url
    asyncio.run(answer("Say it word by word, one after the other, please", url))
