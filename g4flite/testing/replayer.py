"""`Replayer`: a transport that answers from a recording."""

import math
import threading
import time
from collections import deque
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Final

import anyio
import anyio.lowlevel
import httpx

from .._core.transport.deadlines import Deadline
from .recording import Exchange, asked, fault, parsed

NAP: Final = 0.05  # seconds until a replay that waits looks whether its stream was closed


def replay(path: str | PathLike[str], *, speed: float = math.inf) -> "Replayer":
    """A transport, sync and async, that answers from such a file, with each of its replies once.

    A request is answered by the first reply left to one of the same method, path, and names in the query and the JSON
    body, or by that to one of the very same URL and body where there is any.  Hosts, headers and values may differ, as
    ports, keys and signatures do.

    `speed` 1 is that of the recording, 2 twice as fast, infinity at once.  A pause that is longer than the reader's
    time-out ends in its error.

    Raises `NotRecorded` where there is no such file, and where a request finds no reply; `ValueError` for a file that
    is no recording, and for a speed that is not positive.
    """
    return Replayer(Path(path), speed)


class NotRecorded(AssertionError):  # noqa: N818 - the test has failed, and no `except` of the tested code may hide it
    """A replay is asked for what is not on file; the message says what is, and how to record it."""


class Replayer(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A transport, sync and async, that plays each exchange of a file once; see `replay`."""

    def __init__(self, path: Path, speed: float) -> None:
        if not speed > 0:
            raise ValueError(f"speed is 1 for that of the recording, 2 for twice as fast, inf for at once; not {speed}")
        self._path, self._speed, self._lock = path, speed, threading.Lock()
        self._hint = (
            f"record the whole file anew with record({str(path)!r}) in place of replay, or with "
            "pytest --g4flite-record where it is the fixture `recorded` that plays it"
        )
        try:
            self._left = parsed(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise NotRecorded(f"there is no recording {path}; {self._hint}") from None
        except ValueError as error:
            raise ValueError(f"{path}: {error}; {self._hint}") from None
        self._count = len(self._left)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        playback = self._find(request)
        for nap in playback.naps():
            time.sleep(nap)
        return playback.response()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        playback = self._find(request)
        for nap in playback.naps():
            await anyio.sleep(nap)
        return playback.response()

    def _find(self, request: httpx.Request) -> "Playback":
        """The first exchange left that fits, before others one of the very same URL and body."""
        wanted = asked(request)
        with self._lock:
            fitting = [exchange for exchange in self._left if exchange.shape == wanted.shape]
            same = [exchange for exchange in fitting if (exchange.url, exchange.body) == (wanted.url, wanted.body)]
            if not fitting:
                left = ", ".join(dict.fromkeys(exchange.shape for exchange in self._left)) or "nothing"
                raise NotRecorded(
                    f"asked for {wanted.shape}; of {self._count} recorded in {self._path}, left: {left}; {self._hint}"
                )
            chosen = (same or fitting)[0]
            self._left.remove(chosen)
        return Playback(chosen, request, self._speed, self._hint)


class Playback(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The reply of a recorded exchange, as it came or ended."""

    def __init__(self, exchange: Exchange, request: httpx.Request, speed: float, hint: str) -> None:
        self._exchange, self._speed, self._hint = exchange, speed, hint
        self._began, self._pieces, self._closed = time.monotonic(), deque(exchange.pieces), False
        self._next = exchange.opened if exchange.status else exchange.ended  # seconds
        self._patience: float | None = request.extensions.get("timeout", {}).get("read")
        if isinstance(self._patience, Deadline):
            self._patience.timers.connected = not exchange.end.startswith("ConnectTimeout")

    def naps(self) -> Iterator[float]:
        """The seconds to sleep, bit by bit, until what comes next.  Raises where the reader's time-out is over."""
        begun = time.monotonic()
        until = self._began + self._next / self._speed
        while True:
            now, patience = time.monotonic(), self._patience
            left = patience.left() if isinstance(patience, Deadline) else patience and begun + patience - now
            if now >= until:
                return
            if left is not None and left <= 0:
                raise httpx.ReadTimeout("the recording pauses for longer than the time-out of this reader")
            yield min(until - now, NAP, math.inf if left is None else left)

    def response(self) -> httpx.Response:
        """The head.  Raises what came in its place."""
        exchange = self._exchange
        if not exchange.status:
            raise self._end()
        self._next = self._pieces[0][0] if self._pieces else exchange.ended
        seen = {"http_version": exchange.version.encode(), "network_stream": Wire()} if exchange.version != "-" else {}
        return httpx.Response(
            exchange.status,
            headers=exchange.headers,
            stream=self,
            extensions={"reason_phrase": exchange.reason.encode(), **seen},
        )

    def __iter__(self) -> "Playback":
        return self

    def __next__(self) -> bytes:
        for nap in self.naps():
            time.sleep(nap)
        return self._piece(StopIteration())

    def close(self) -> None:
        self._closed = True

    def __aiter__(self) -> "Playback":
        return self

    async def __anext__(self) -> bytes:
        await anyio.lowlevel.checkpoint()
        for nap in self.naps():
            await anyio.sleep(nap)
        return self._piece(StopAsyncIteration())

    async def aclose(self) -> None:
        self._closed = True

    def _piece(self, over: Exception) -> bytes:
        """The next piece.  Raises `over` behind the last one, or what the recording ends with."""
        if self._closed:
            raise over
        if not self._pieces:
            raise over if self._exchange.end == "end" else self._end()
        _, piece = self._pieces.popleft()
        self._next = self._pieces[0][0] if self._pieces else self._exchange.ended
        return piece

    def _end(self) -> Exception:
        if self._exchange.end == "left":
            return NotRecorded(f"the reader of the recorded reply left here, so that no more is known; {self._hint}")
        return fault(self._exchange.end, timed=isinstance(self._patience, Deadline))


class Wire:
    """Stands for httpcore's network stream: where there is one, a body without a length may have been cut.

    Without a `__dict__`, it is none that `_timers.arm` changes.
    """

    __slots__ = ()

    def get_extra_info(self, info: str) -> None:
        """Nothing: there is no socket."""
