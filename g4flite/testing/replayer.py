"""`Replayer`: a transport for httpx that answers from a recording.

A request takes the entry that fits it out of the recording.  `ReplayedReply` then gives the head and each piece when it
is due, in naps that the sync and the async reader sleep each in their own way:

    for nap in reply.naps():    # nothing at the speed infinity, which is the default
        time.sleep(nap)         # or: await anyio.sleep(nap)
    return reply.response()     # or the exception that came in its place
"""

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
from .recording import Entry, entry_of, error_of, parse

# Seconds that a replay sleeps at most, until it looks whether another thread or task has closed the stream.
NAP: Final = 0.05


def replay(path: str | PathLike[str], *, speed: float = math.inf) -> "Replayer":
    """Return a transport, sync and async, that answers from a recording, with each of its replies once.

    A request is answered by the first reply left whose request had the same method, path, and names in the query and in
    the JSON body; a request with the very same URL and body comes first.  Hosts, headers and values may differ, since
    ports, keys and signatures do.

    `speed` 1 is the speed of the recording, 2 is twice as fast, and infinity does not wait.  A pause that is longer
    than the reader's time-out raises the time-out's error.

    Raises `NotRecorded` if there is no such file, and later for a request that no reply is left to; `ValueError` if the
    file is not a recording, or if the speed is not positive.
    """
    return Replayer(Path(path), speed)


# An AssertionError, so that the test fails: no `except` of the tested code may take it for an error of the service.
class NotRecorded(AssertionError):  # noqa: N818
    """The recording does not hold what the test asks for; the message says what it holds, and how to record anew."""


class Replayer(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A transport, sync and async, that plays each entry of a recording once; see `replay`."""

    def __init__(self, path: Path, speed: float) -> None:
        if not speed > 0:
            raise ValueError(f"speed is 1 for the recording's own, 2 for twice as fast, inf for no pauses; not {speed}")
        self._path, self._speed, self._lock = path, speed, threading.Lock()
        self._hint = (
            f"to record the whole file anew, use record({str(path)!r}) instead of replay, or pytest --g4flite-record "
            "if the test uses the fixture `recorded`"
        )
        try:
            self._left = parse(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise NotRecorded(f"there is no recording {path}; {self._hint}") from None
        except ValueError as error:
            raise ValueError(f"{path}: {error}; {self._hint}") from None
        self._count = len(self._left)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        reply = self._find(request)
        for nap in reply.naps():
            time.sleep(nap)
        return reply.response()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        reply = self._find(request)
        for nap in reply.naps():
            await anyio.sleep(nap)
        return reply.response()

    def _find(self, request: httpx.Request) -> "ReplayedReply":
        """Return the reply to the same URL and body, otherwise the first reply to a request of the same shape."""
        wanted = entry_of(request)
        with self._lock:
            fitting = [entry for entry in self._left if entry.shape == wanted.shape]
            same = [entry for entry in fitting if (entry.url, entry.body) == (wanted.url, wanted.body)]
            if not fitting:
                left = ", ".join(dict.fromkeys(entry.shape for entry in self._left)) or "nothing"
                raise NotRecorded(
                    f"asked for {wanted.shape}; of the {self._count} replies in {self._path}, these are left: {left}; "
                    f"{self._hint}"
                )
            chosen = (same or fitting)[0]
            self._left.remove(chosen)
        return ReplayedReply(chosen, request, self._speed, self._hint)


class ReplayedReply(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The reply of an entry, in the same pieces, at the same times and with the same end."""

    def __init__(self, entry: Entry, request: httpx.Request, speed: float, hint: str) -> None:
        self._entry, self._speed, self._hint = entry, speed, hint
        self._began, self._pieces, self._closed = time.monotonic(), deque(entry.pieces), False
        # The time of what comes next, in seconds since the recorded request.
        self._next = entry.opened if entry.status else entry.ended
        # What one read may take: seconds, None for no end, or the timers of one of our streams.
        self._timeout: float | None = request.extensions.get("timeout", {}).get("read")
        if isinstance(self._timeout, Deadline):
            # Without a socket, nobody else tells the timers whether the connection stands.
            self._timeout.timers.connected = not entry.end.startswith("ConnectTimeout")

    def naps(self) -> Iterator[float]:
        """Yield the seconds to sleep, nap by nap, until the next piece is due.

        Raises `httpx.ReadTimeout` if the reader's time-out is over, or the error of the timer for one of our streams.
        """
        begun = time.monotonic()
        due = self._began + self._next / self._speed
        while True:
            now = time.monotonic()
            # The timers are asked even if the piece is due, as they are before each read of a socket.
            if isinstance(self._timeout, Deadline):
                left = self._timeout.left()
            else:
                left = None if self._timeout is None else begun + self._timeout - now
            if now >= due:
                return
            if left is not None and left <= 0:
                raise httpx.ReadTimeout("the recording pauses for longer than the time-out of this reader")
            yield min(due - now, NAP, math.inf if left is None else left)

    def response(self) -> httpx.Response:
        """Return the response with this object as its body.  Raises the exception that came in place of a response."""
        entry = self._entry
        if not entry.status:
            raise self._error()
        self._plan()
        seen = {"http_version": entry.version.encode(), "network_stream": NoSocket()} if entry.version != "-" else {}
        return httpx.Response(
            entry.status,
            headers=entry.headers,
            stream=self,
            extensions={"reason_phrase": entry.reason.encode(), **seen},
        )

    def __iter__(self) -> "ReplayedReply":
        return self

    def __next__(self) -> bytes:
        for nap in self.naps():
            time.sleep(nap)
        return self._piece(StopIteration())

    def close(self) -> None:
        self._closed = True

    def __aiter__(self) -> "ReplayedReply":
        return self

    async def __anext__(self) -> bytes:
        # A read without a nap has to let other tasks run, and be cancelled, too.
        await anyio.lowlevel.checkpoint()
        for nap in self.naps():
            await anyio.sleep(nap)
        return self._piece(StopAsyncIteration())

    async def aclose(self) -> None:
        self._closed = True

    def _piece(self, stop: Exception) -> bytes:
        """Return the next piece.  Raises `stop` after the last piece, or the exception that the entry ends with."""
        if self._closed:
            raise stop
        if not self._pieces:
            raise stop if self._entry.end == "end" else self._error()
        _, piece = self._pieces.popleft()
        self._plan()
        return piece

    def _plan(self) -> None:
        """Note when the next piece, or the end, is due."""
        self._next = self._pieces[0][0] if self._pieces else self._entry.ended

    def _error(self) -> Exception:
        if self._entry.end == "left":
            return NotRecorded(f"the reader of the recorded reply left here, so that no more is known; {self._hint}")
        return error_of(self._entry.end, timed=isinstance(self._timeout, Deadline))


class NoSocket:
    """Stands for httpcore's network stream in a replayed response.

    If a response has a network stream, a body without a length may have been cut off, and the client reports that.
    `__slots__` makes `deadlines.attach` leave the object as it is: its class cannot be replaced.
    """

    __slots__ = ()

    def get_extra_info(self, info: str) -> None:
        """Return None: there is no socket to tell of."""
