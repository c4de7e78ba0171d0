"""The same `async for` loop on trio, under trio's own timeout."""

import trio

import g4flite
from g4flite.testing import Emulator, Script


async def main() -> None:
    with Emulator(script=Script(wait=0.2)) as server, trio.move_on_after(0.5) as scope:
        async with g4flite.stream("gprochat", "Tell me everything", base_url=server.url) as stream:
            async for chunk in stream:
                print(chunk, end="", flush=True)
    print(f"\n[{'out of time' if scope.cancelled_caught else 'complete'}: {stream.partial!r}]")


trio.run(main)
