"""An `async for` loop on asyncio: three answers at once, and an answer whose loop is left early."""

import asyncio

import g4flite
from g4flite.testing import Emulator, Script


async def main() -> None:
    with Emulator(script=Script(wait=0.05)) as server:
        async with g4flite.Client("free2gpt", base_url=server.url) as client:
            print(await asyncio.gather(*(client.stream(f"Question {n}").atext() for n in (1, 2, 3))))

            async with client.stream("A long story, please") as stream:
                async for chunk in stream:
                    print(chunk, end="...\n")
                    # The `async with` closes the connection.
                    break
            print(stream)


asyncio.run(main())
