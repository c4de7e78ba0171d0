"""The contenders that read a reply, in sync and in async: each is a context manager around a live client of a server.

It gives two functions: `opened(prompt)` is a context manager around a reply, `chunks(reply)` iterates over its chunks.

    with SYNC["floor"]("openai", url) as (opened, chunks), opened(prompt) as reply:
        for chunk in chunks(reply): ...
"""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from typing import Any

# `kind` is one of the server's; those of `tests/real_streams.py` name their provider themselves.
PROVIDERS = {"text": "cromicle", "ndjson": "flowgpt", "openai": "openai", "anthropic": "anthropic"}
# Other SDKs, measured as black boxes.
PEERS = ("openai", "anthropic", "litellm", "g4f")
MODEL, KEY = "gpt-4o-mini", "sk-bench-1"
HEADERS = {"authorization": f"Bearer {KEY}"}
# What a measurement found, by name.
Figures = dict[str, float]
# All contenders wait so long: a crowd gathers slowly, and a timer that never fires costs the same.
SECONDS = 600
PATIENT = {"connect": SECONDS, "first_token": SECONDS, "idle": SECONDS}
# Without the 20, a crowd takes ten times as long.
LIMITS = {"max_connections": None, "max_keepalive_connections": 20}
Read = tuple[Callable[[str], Any], Callable[[Any], Any]]


class Skipped(Exception):
    """A measurement cannot be made here; the message says why."""


def prompt(chunks: int, crowd: int = 1) -> str:
    """Return the prompt that asks the server for so many chunks."""
    return f"{chunks} chunks, one of {crowd}"


def messages(prompt: str) -> list[Any]:
    return [{"role": "user", "content": prompt}]


def body(prompt: str) -> dict[str, Any]:
    return {"model": MODEL, "messages": messages(prompt), "stream": True}


@contextmanager
def floor(kind: str, url: str) -> Iterator[Read]:
    """httpx's raw bytes: nothing is parsed."""
    import httpx

    with httpx.Client(limits=httpx.Limits(**LIMITS), timeout=SECONDS) as client:
        yield lambda prompt: client.stream("POST", url, headers=HEADERS, json=body(prompt)), httpx.Response.iter_raw


@asynccontextmanager
async def afloor(kind: str, url: str) -> AsyncIterator[Read]:
    import httpx

    async with httpx.AsyncClient(limits=httpx.Limits(**LIMITS), timeout=SECONDS) as client:
        yield lambda prompt: client.stream("POST", url, headers=HEADERS, json=body(prompt)), httpx.Response.aiter_raw


@contextmanager
def by_hand(kind: str, url: str) -> Iterator[Read]:
    """The code that people write themselves for OpenAI's events, which trusts the server in everything."""

    def texts(response: Any) -> Iterator[str]:
        rest = b""
        for data in response.iter_raw():
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                if line.startswith(b"data: {"):
                    text = json.loads(line[6:])["choices"][0]["delta"].get("content")
                    if text:
                        yield text

    with floor(kind, url) as (opened, _):
        yield opened, texts


@asynccontextmanager
async def aby_hand(kind: str, url: str) -> AsyncIterator[Read]:
    async def texts(response: Any) -> AsyncIterator[str]:
        rest = b""
        async for data in response.aiter_raw():
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                if line.startswith(b"data: {"):
                    text = json.loads(line[6:])["choices"][0]["delta"].get("content")
                    if text:
                        yield text

    async with afloor(kind, url) as (opened, _):
        yield opened, texts


def settings(kind: str, url: str) -> dict[str, Any]:
    """Return the arguments of a call with g4flite."""
    named = {"model": MODEL, "api_key": KEY} if kind not in ("text", "ndjson") else {}
    if not kind.startswith("~"):
        return {"provider": PROVIDERS[kind], "base_url": url, **named}
    # Making the streams takes time and memory, which no other measurement is to have.
    from tests.real_streams import STREAMS

    return {"provider": STREAMS[kind[1:]].provider, "base_url": url, **named}


@contextmanager
def g4flite(kind: str, url: str) -> Iterator[Read]:
    from g4flite import Client, Timeout

    with Client(**settings(kind, url), retries=0, timeout=Timeout(**PATIENT)) as client:
        yield client.stream, iter


@asynccontextmanager
async def ag4flite(kind: str, url: str, **more: Any) -> AsyncIterator[Read]:
    from g4flite import Client, Timeout

    try:
        client = Client(**settings(kind, url), retries=0, timeout=Timeout(**PATIENT), **more)
    # The argument is unknown to this version, or its package is missing.
    except (ImportError, TypeError, ValueError) as error:
        raise Skipped(f"{more}: {error}") from None
    async with client:
        yield client.stream, aiter


@contextmanager
def openai(kind: str, url: str) -> Iterator[Read]:
    from openai import OpenAI

    with OpenAI(api_key=KEY, base_url=url, max_retries=0, timeout=SECONDS) as client:
        create = client.chat.completions.create
        yield lambda prompt: create(model=MODEL, messages=messages(prompt), stream=True), iter


@asynccontextmanager
async def aopenai(kind: str, url: str) -> AsyncIterator[Read]:
    from openai import AsyncOpenAI

    async with AsyncOpenAI(api_key=KEY, base_url=url, max_retries=0, timeout=SECONDS) as client:

        @asynccontextmanager
        async def opened(prompt: str) -> AsyncIterator[Any]:
            async with await client.chat.completions.create(
                model=MODEL, messages=messages(prompt), stream=True
            ) as stream:
                yield stream

        yield opened, aiter


@contextmanager
def anthropic(kind: str, url: str) -> Iterator[Read]:
    from anthropic import Anthropic

    with Anthropic(api_key=KEY, base_url=url, max_retries=0, timeout=SECONDS) as client:
        create = client.messages.create
        yield lambda prompt: create(model=MODEL, messages=messages(prompt), max_tokens=99, stream=True), iter


@asynccontextmanager
async def aanthropic(kind: str, url: str) -> AsyncIterator[Read]:
    from anthropic import AsyncAnthropic

    async with AsyncAnthropic(api_key=KEY, base_url=url, max_retries=0, timeout=SECONDS) as client:

        @asynccontextmanager
        async def opened(prompt: str) -> AsyncIterator[Any]:
            async with await client.messages.create(
                model=MODEL, messages=messages(prompt), max_tokens=99, stream=True
            ) as stream:
                yield stream

        yield opened, aiter


@contextmanager
def litellm(kind: str, url: str) -> Iterator[Read]:
    from litellm import completion

    own = {
        "model": f"{kind}/{MODEL}",
        "api_base": url,
        "api_key": KEY,
        "num_retries": 0,
        "timeout": SECONDS,
        "stream": True,
    }
    yield lambda prompt: nullcontext(completion(messages=messages(prompt), **own)), iter


@asynccontextmanager
async def alitellm(kind: str, url: str) -> AsyncIterator[Read]:
    from litellm import acompletion

    own = {
        "model": f"{kind}/{MODEL}",
        "api_base": url,
        "api_key": KEY,
        "num_retries": 0,
        "timeout": SECONDS,
        "stream": True,
    }

    @asynccontextmanager
    async def opened(prompt: str) -> AsyncIterator[Any]:
        yield await acompletion(messages=messages(prompt), **own)

    yield opened, aiter


SYNC: dict[str, Callable[[str, str], AbstractContextManager[Read]]] = {
    "floor": floor, "by hand": by_hand, "g4flite": g4flite, "openai": openai, "anthropic": anthropic,
    "litellm": litellm,
}  # fmt: skip
ASYNC: dict[str, Callable[[str, str], AbstractAsyncContextManager[Read]]] = {
    "floor": afloor, "by hand": aby_hand, "g4flite": ag4flite,
    "openai": aopenai, "anthropic": aanthropic, "litellm": alitellm,
}  # fmt: skip
