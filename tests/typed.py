"""Checked by mypy and never run: mypy infers `str` in both loops, and checks the fields of a provider."""

from typing_extensions import assert_type

import g4flite
from g4flite.apps.probe import working


def read() -> None:
    for chunk in g4flite.stream("cromicle", "Hi"):
        assert_type(chunk, str)
    with g4flite.Client("cromicle") as client, client.stream([{"role": "user", "content": "Hi"}]) as stream:
        assert_type(next(iter(stream)), str)
        assert_type(stream.text(), str)
        assert_type(stream.partial, str)
        assert_type(stream.model, str | None)
    for chunk in g4flite.stream(working(["openai"], model={"openai": "m"}), "Hi"):
        assert_type(chunk, str)


async def aread() -> None:
    async for chunk in g4flite.stream("cromicle", "Hi"):
        assert_type(chunk, str)
    async with g4flite.Client("cromicle") as client, client.stream("Hi") as stream:
        assert_type(await anext(aiter(stream)), str)
        assert_type(await stream.atext(), str)


def no_stream_of_that_kind() -> None:
    g4flite.stream(3, "Hi")  # type: ignore[arg-type]
    g4flite.Provider(name="x")  # type: ignore[call-arg]
