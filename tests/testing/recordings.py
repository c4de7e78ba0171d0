"""Helpers for the tests of recordings: read streams and bodies over a transport, with each of the three drivers.

    recorded = read(driver, record(path), server.url, {"messages": "One"}, {"messages": "Two"})
    assert read(driver, replay(path), server.url, {"messages": "One"}, {"messages": "Two"}) == recorded

`read` makes a client over the transport, streams one call after the other, and returns an `Outcome` of each.  `post`
sends a request with httpx alone, and returns the response with the raw pieces of its body.  `write` makes a recording
by hand.  The clients are httpx's own, since record() and replay() are transports for httpx.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import httpx

import g4flite
from g4flite.providers import LLAMACPP
from g4flite.testing import NotRecorded
from tests.conftest import Driver

KEY = "sk-s3cret+s3cret/s3cret"
SSE = b'data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n'

# A provider whose reply is complete if its body ends cleanly: it has no end marker.
OPEN = replace(LLAMACPP, end="http")

# A recording of two pieces, with pauses.
SLOW = """
> GET http://h.test/
< 1.000 - 200
2.500 one
4.000 two
= 4.500 end
"""


class Outcome(NamedTuple):
    """What a reader saw of one stream."""

    chunks: list[str]
    error: str
    partial: str
    attempts: list[str]


def read(driver: Driver, transport: Any, url: str, *calls: dict[str, Any], limit: int | None = None) -> list[Outcome]:
    """Read one stream after the other over one client; if there is a limit, leave the loop after so many chunks."""

    def stream(client: Any, call: dict[str, Any]) -> g4flite.Stream:
        usual = {"provider": "llamacpp", "messages": "Hi", "api_key": KEY, "base_url": f"{url}/v1", "retries": 0}
        return g4flite.stream(client=client, **{**usual, **call})

    async def aread() -> list[Outcome]:
        async with httpx.AsyncClient(transport=transport) as client:
            return [await aoutcome(stream(client, call), limit) for call in calls]

    if driver.name != "sync":
        outcomes: list[Outcome] = driver.run(aread)
        return outcomes
    with httpx.Client(transport=transport) as client:
        return [outcome(stream(client, call), limit) for call in calls]


def outcome(stream: g4flite.Stream, limit: int | None) -> Outcome:
    chunks, error = [], ""
    try:
        with stream:
            for chunk in stream:
                chunks.append(chunk)
                if len(chunks) == limit:
                    break
    except (g4flite.G4fliteError, NotRecorded) as failed:
        error = f"{type(failed).__name__}: {failed}"
    return Outcome(chunks, error, stream.partial, [attempt.outcome for attempt in stream.attempts])


async def aoutcome(stream: g4flite.Stream, limit: int | None) -> Outcome:
    chunks, error = [], ""
    try:
        async with stream:
            async for chunk in stream:
                chunks.append(chunk)
                if len(chunks) == limit:
                    break
    except (g4flite.G4fliteError, NotRecorded) as failed:
        error = f"{type(failed).__name__}: {failed}"
    return Outcome(chunks, error, stream.partial, [attempt.outcome for attempt in stream.attempts])


def post(driver: Driver, transport: Any, url: str, **request: Any) -> tuple[httpx.Response, list[bytes]]:
    """Return the response to one request, and its body in the pieces in which it came, compressed if it was."""

    async def apost() -> tuple[httpx.Response, list[bytes]]:
        async with (
            httpx.AsyncClient(transport=transport) as client,
            client.stream("POST", url, **request) as response,
        ):
            return response, [piece async for piece in response.aiter_raw()]

    if driver.name != "sync":
        response, pieces = driver.run(apost)
        return response, pieces
    with httpx.Client(transport=transport) as client, client.stream("POST", url, **request) as response:
        return response, list(response.iter_raw())


def write(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8", newline="")
