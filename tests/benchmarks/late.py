"""How late a timer fires, as the caller sees it: its error, with the connection closed, is what ends the wait."""

import asyncio
import socket
import time

from tests.benchmarks.contenders import Figures, Skipped, prompt, settings

SECONDS = 0.1  # of the timer


def timers(who: str, roots: dict[str, str], timer: str, driver: str, count: int) -> Figures:
    """Milliseconds that a timer is late at the worst of so many times.

    `idle` runs over a reply that falls silent, `connect` over a TLS handshake that is never answered.
    """
    import g4flite

    def late(began: float) -> float:
        return (time.perf_counter() - began - SECONDS) * 1e3

    def wait() -> float:
        began = time.perf_counter()
        try:
            for _ in g4flite.stream(messages=prompt(4), **own):
                began = time.perf_counter()
        except g4flite.StreamTimeoutError:
            return late(began)
        raise Skipped(f"{timer} does not fire")

    async def await_() -> float:
        began = time.perf_counter()
        try:
            async with g4flite.stream(messages=prompt(4), **own) as stream:
                async for _ in stream:
                    began = time.perf_counter()
        except g4flite.StreamTimeoutError:
            return late(began)
        raise Skipped(f"{timer} does not fire")

    async def repeated() -> list[float]:
        return [await await_() for _ in range(-1, count)]

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"{roots['http']}/openai/held" if timer == "idle" else f"https://127.0.0.1:{silent.getsockname()[1]}"
        own = settings("openai", url) | {"retries": 0, "timeout": g4flite.Timeout(**{timer: SECONDS})}
        found = [wait() for _ in range(-1, count)] if driver == "sync" else asyncio.run(repeated())
        return {"late": max(found[1:])}  # what comes with the first call is no part of it
