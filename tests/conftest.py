"""One behaviour, three drivers: the fixture `driver` runs a test in sync, on asyncio and on trio.

    def test_text_comes(driver: Driver, server: Emulator) -> None:
        assert "".join(driver.collect("cromicle", "Hi", base_url=server.url)) == "You said: Hi"
        assert driver.stream.partial == "You said: Hi"                  # the Stream that was read last
        assert driver.events("cromicle", "Hi", base_url=server.url)     # all its events

    client = driver.client(headers={"x-a": "1"})        # an httpx.Client, or an httpx.AsyncClient in async
    driver.run(stream.atext)                            # a coroutine function, on this driver's event loop
    with driver.one_client() as client: ...             # one client, and one event loop, for many streams

The fixture `server` is an emulator on a socket of this machine.
"""

import gc
import os
import ssl
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, settings

import g4flite
from g4flite import client, providers
from g4flite._core import loops, observed
from g4flite._core.log import log
from g4flite._core.request import base_url_variable
from g4flite._core.transport import clients, tls
from g4flite.testing import Emulator

# The library whose clients all streams use: httpx, or httpx2.
httpx = import_module(os.environ.get("G4FLITE_TEST_CLIENTS", "httpx"))

CERTIFICATES = ssl.create_default_context()

# On a busy machine, any test is too slow for this check.
BUSY = [HealthCheck.too_slow]
# The suite runs the same examples each time, so that one commit is not green today and red tomorrow.  New ones are
# looked for by hand: pytest --hypothesis-profile search.
settings.register_profile("suite", max_examples=40, derandomize=True, deadline=None, suppress_health_check=BUSY)
settings.register_profile("search", max_examples=2000, deadline=None, suppress_health_check=BUSY)
settings.load_profile("suite")


def bare_environment() -> dict[str, str]:
    """Return an environment for processes whose coverage is not measured: they start twice as fast."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}


def interpret(code: str, *arguments: str, cwd: Path | None = None) -> str:
    """Run code in a fresh interpreter, where any warning is an error, and return what the code prints."""
    command = [sys.executable, "-W", "error", "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=cwd, env=bare_environment())
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


class Driver:
    """Reads streams in one of the three ways, and keeps the last stream as `stream` with its `chunks`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.chunks: list[str] = []
        self.stream: g4flite.Stream
        self._portal: BlockingPortal | None = None

    def collect(self, *args: Any, limit: int | None = None, **kwargs: Any) -> list[str]:
        """Return the chunks of `g4flite.stream(*args, **kwargs)`, read inside `with`; `limit` chunks at most.

        Nothing is retried, unless `retries` says so.
        """
        return self.read(g4flite.stream(*args, **{"retries": 0, **kwargs}), limit=limit)

    def events(self, *args: Any, **kwargs: Any) -> list[Any]:
        """Return all events of `g4flite.stream(*args, **kwargs)`, in order."""
        found = list[Any]()
        self.each_event(found.append, *args, **kwargs)
        return found

    def each_event(self, take: Callable[[Any], object], *args: Any, **kwargs: Any) -> None:
        """Call `take` with each event of `g4flite.stream(*args, **kwargs)`, also if the stream fails behind it."""
        self.stream = g4flite.stream(*args, **{"retries": 0, **kwargs})
        if self.name == "sync":
            with self.stream:
                for event in self.stream.events():
                    take(event)
        else:
            self.run(self._aevents, take)

    async def _aevents(self, take: Callable[[Any], object]) -> None:
        async with self.stream:
            async for event in self.stream.events():
                take(event)

    def read(self, stream: g4flite.Stream, *, limit: int | None = None) -> list[str]:
        """Return the chunks of a stream, `limit` chunks at most."""
        self.stream, self.chunks = stream, []
        if self.name == "sync":
            self._read(limit)
        else:
            self.run(self._aread, limit)
        return self.chunks

    def run(self, work: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        """Return what the coroutine function returns, on a new event loop, or on that of `one_client`."""
        return self._portal.call(work, *args) if self._portal else anyio.run(work, *args, backend=self.name)

    @contextmanager
    def one_client(self, **kwargs: Any) -> Iterator[Any]:
        """Yield a client that keeps its connections, on an event loop that goes on, for the many streams of a table.

        A stream with a client and an event loop of its own takes twice the time.
        """
        if self.name == "sync":
            with self.client(**kwargs) as client:
                yield client
            return
        with start_blocking_portal(self.name) as portal:
            self._portal, client = portal, self.client(**kwargs)
            try:
                yield client
            finally:
                self.run(client.aclose)
                self._portal = None

    def client(self, **kwargs: Any) -> Any:
        """Return a client as a caller makes it; but the certificates are read once in a process."""
        kwargs = {"verify": CERTIFICATES, **kwargs}
        if self.name == "sync":
            return httpx.Client(**kwargs)
        return httpx.AsyncClient(**kwargs)

    def close(self, client: Any) -> None:
        """Close a client that keeps no connection."""
        client.close() if self.name == "sync" else self.run(client.aclose)

    def _read(self, limit: int | None) -> None:
        with self.stream:
            for chunk in self.stream:
                self.chunks.append(chunk)
                if len(self.chunks) == limit:
                    break

    async def _aread(self, limit: int | None) -> None:
        async with self.stream:
            async for chunk in self.stream:
                self.chunks.append(chunk)
                if len(self.chunks) == limit:
                    break


@pytest.fixture(params=["sync", "asyncio", "trio"])
def driver(request: pytest.FixtureRequest) -> Driver:
    return Driver(request.param)


@pytest.fixture
def server() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "G4FLITE_PROXY")
SETTINGS = {*PROXIES, *map(str.lower, PROXIES)}.union(
    *((*spec.key_variables, *spec.base_url_variables, base_url_variable(spec))
      for spec in map(providers.find, providers.names()))
)  # fmt: skip


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the machine's settings out of every test, and forget which complaints earlier tests have caused."""
    for name in SETTINGS.intersection(os.environ):
        monkeypatch.delenv(name)
    monkeypatch.setattr(client, "_warned", set())
    monkeypatch.setattr(loops, "_warned", False)
    monkeypatch.setattr(observed, "_complained", set())
    # A program of a guide adds a handler.
    monkeypatch.setattr(log, "handlers", [*log.handlers])
    monkeypatch.setattr(clients, "httpx", httpx)
    monkeypatch.setattr(tls, "httpx", httpx)


def pytest_collection_finish() -> None:
    """Keep the thousands of collected tests out of every garbage collection, which several tests wait for."""
    gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if httpx.__name__ != "httpx":
        for item in items:
            if "httpx_mock" in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.skip(reason="pytest-httpx answers in place of httpx's own transport"))
