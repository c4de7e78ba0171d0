"""`flight`: a recorder that keeps the bytes of the last streams, and writes those of a stream that has failed.

    g4flite.observe(flight("flights"))                      # in production: a folder
    ...
    g4flite.TruncatedStreamError: ...; flights/openai-20261126T120000-7.txt is its replay file, for replay()

    with httpx.Client(transport=replay("flights/openai-20261126T120000-7.txt")) as client:    # in a test
        stream("openai", "Hello", model="gpt-4o-mini", client=client, api_key="none").text()

The recorder is an observer.  It stands between the exchange and the source of the HTTP client, and so keeps what any
client and any transport reads:

    Tapped.send        ->  Sent: the request and the time at which it went out
                       <-  TappedResponse: the response's head, noted
    next piece         <-  Sent.through: the same bytes, with their time
    end of the stream  ->  Flight.landed: if it has failed, the recording is written

While a stream runs, nothing is done but to note.  Secrets are taken out when a file is written.
"""

import os
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime, timezone
from itertools import count
from os import PathLike
from pathlib import Path
from typing import Any, Final

import httpx

from .._core.errors import G4fliteError, TLSError, UsageError
from .._core.hooks import Tap
from .._core.observed import ObservedCall
from .._core.provider import Request
from .._core.response.reply import Head, is_delimited
from .._core.secrets import Secrets, forms_of, redact, secrets_of_client
from .._core.timers import Timers
from .._core.transport.body import AsyncTapped, tapped
from .._core.transport.deadlines import deadline
from .recording import FAULTS, TITLE, Entry, end_of, entry_of, escaped, lines_of
from .secrets import public_headers, tokens_of

# Bytes of memory that one reply may take, and what a piece of it takes besides its own bytes.
MOST: Final = 4 * 2**20
EACH: Final = 80


def flight(path: str | PathLike[str], streams: int = 20) -> "Flight":
    """Return an observer that writes the replay file of each stream that fails into the folder `path`.

    The message of the error names the file.  The requests are written with all messages, without their headers; keys,
    cookies and passwords become stars.  `streams` is how many streams that have ended are kept in memory, for `dump()`,
    and how many files at most, besides those that `dump()` writes of streams that run: for a new one, this recorder
    removes its oldest file of a stream that is not kept any more.  Of a reply, as many of the first bytes are kept as
    fit into 4 MiB of memory.  Raises `ValueError` unless `streams` is at least 1, and `OSError` if the folder cannot be
    made.
    """
    return Flight(Path(path), streams)


class Sent:
    """A request that went out, and what came back: a `Tap` of the body.

    `began` and `times`, one for each of `pieces`, are those of the clock, `opened` and `ended` seconds since `began`.
    `room` is how many bytes of memory are left behind the first `counted` pieces; `lost` is how many bytes had no room.
    """

    __slots__ = ("began", "counted", "end", "ended", "head", "headers", "lost", "opened", "pieces", "request", "room",
                 "timers", "times")  # fmt: skip

    def __init__(self, request: Request, timers: Timers) -> None:
        self.request, self.timers, self.headers = request, timers, timers.sent
        self.began = time.monotonic()
        self.head: Head | None = None
        self.opened = self.ended = 0.0
        # Two lists: the garbage collection looks through neither times nor bytes, but through each tuple of both.
        self.times: list[float] = []
        self.pieces: list[bytes] = []
        self.room, self.counted, self.lost = MOST, 0, 0
        self.end = "left"

    def through(self, feed: Callable[[bytes], bytes], most: int) -> Callable[[bytes], bytes]:
        """Return a function that calls `feed`, and keeps the piece that it returns, with the time.

        Behind the first one, a piece has at most `most` bytes.
        """
        keep, note_time, note_piece, clock = self.keep, self.times.append, self.pieces.append, time.monotonic
        # So many pieces have room, however large they are: to count the bytes of each costs as much as to keep them.
        fitting = 0

        def fed(data: bytes) -> bytes:
            nonlocal fitting
            piece = feed(data)
            if fitting:
                fitting -= 1
                note_time(clock())
                note_piece(piece)
            else:
                fitting = keep(piece) // (most + EACH)
            return piece

        return fed

    def keep(self, piece: bytes) -> int:
        """Keep as much of a piece as has room, with the time, and return how many bytes of room are left."""
        new = self.pieces[self.counted :]
        # Joined, as this is faster than to ask each for its length.
        room = max(self.room - len(b"".join(new)) - EACH * len(new), 0)
        if kept := piece[:room]:
            self.times.append(time.monotonic())
            self.pieces.append(kept)
            room = max(room - len(kept) - EACH, 0)
        self.lost += len(piece) - len(kept)
        self.room, self.counted = room, len(self.pieces)
        return room

    def stop(self, error: BaseException) -> None:
        """Note by which exception the body ended, or that came in the place of a response."""
        self.ended = time.monotonic() - self.began
        if isinstance(error, StopIteration | StopAsyncIteration):
            self.end = "end"
        elif isinstance(error, Exception):
            self.end = self._end_by(error)

    def _end_by(self, error: Exception) -> str:
        """Return the end of the recording: the exception of httpx that this one is, or that has caused it."""
        request, secrets = self._as_httpx(), self._entry().secrets
        for one in (error, error.__cause__):
            if one is not None and (end := end_of(one, request, secrets)) != "left":
                return end
        # An exception of httpx2, or one of ours whose cause was taken out because it quotes a secret.
        named = (kind.__name__ for kind in type(error).__mro__ if kind.__name__ in FAULTS)
        name = "ConnectError, SSLError" if isinstance(error, TLSError) else next(named, "")
        return f"{name}: {escaped(redact(str(error), secrets).encode())}" if name else "left"

    def lines(self) -> list[str]:
        """Return the lines of a recording, without the secrets."""
        entry, head = self._entry(), self.head
        if head is not None:
            raw = getattr(head.headers, "raw", None) or [(n.encode(), v.encode()) for n, v in head.headers.items()]
            entry.secrets = forms_of([*entry.secrets, *tokens_of(raw)])
            entry.headers, entry.status, entry.opened = public_headers(raw, entry.secrets), head.status, self.opened
            framed = head.open_ended or head.status == 204 or is_delimited(head.headers)
            entry.version = "HTTP/1.1" if framed else "-"
        # While the stream runs, a time may have no piece yet.
        noted = zip(self.times, self.pieces, strict=False)
        # A read may hold nothing but the line before a chunk.
        entry.pieces = [(at - self.began, piece) for at, piece in noted if piece]
        entry.ended, entry.end = self.ended, self.end
        if self.lost:
            entry.end = "left"
            return [*lines_of(entry), f"# {self.lost:,} bytes behind these were not kept."]
        return [*lines_of(entry)]

    def _as_httpx(self) -> httpx.Request:
        """Return the request with all headers that went out, and with the timers, as `recording` takes it."""
        went = [pair for headers, _ in self.headers for pair in getattr(headers, "raw", headers)]
        own = [(name.encode(), value.encode()) for name, value in self.request.headers.items()]
        return httpx.Request(
            self.request.method,
            self.request.url,
            headers=[*own, *went],
            content=self.request.body,
            extensions={"timeout": {"read": deadline(self.timers, None, self.timers.left)}},
        )

    def _entry(self) -> Entry:
        """Return the entry of the request, and its secrets, with those that the caller's client has added."""
        entry = entry_of(self._as_httpx())
        added = secrets_of_client(self.headers, self.request.headers, Secrets())
        entry.secrets = forms_of([*entry.secrets, *added])
        return entry


class Kept:
    """What is kept of a stream: its call's number and provider, when it began, and its requests."""

    def __init__(self, call: ObservedCall) -> None:
        self.number, self.provider, self.began = call.id, call.provider, datetime.now(timezone.utc)
        self.sent: list[Sent] = []


class Flight:
    """An observer that keeps the bytes of streams; see `flight`.  Any thread may use it."""

    def __init__(self, folder: Path, streams: int) -> None:
        if type(streams) is not int or streams < 1:
            raise ValueError(f"streams is how many streams are kept, at least 1, not {streams!r}")
        # Now, and not at the first failure, whose recording would be lost.
        folder.mkdir(parents=True, exist_ok=True)
        # The handler of a signal may call `dump` while this thread writes.
        self._folder, self._lock = folder, threading.RLock()
        self._running: dict[int, Kept] = {}
        self._ended = deque[Kept](maxlen=streams)
        # The files that are there, by the numbers of their calls, the oldest first.
        self._files: dict[int, Path] = {}
        self._most = streams

    def tap(self, call: ObservedCall, source: Any) -> "Tapped":
        """Return a source that notes what goes over another; it is asked for each attempt."""
        return Tapped(source, self._running.setdefault(call.id, Kept(call)))

    def landed(self, call: ObservedCall, state: str, error: BaseException | None) -> None:
        """Write the recording of a stream that has failed, and name its file in the error."""
        kept = self._running.pop(call.id, None)
        if kept is None:
            return
        self._ended.append(kept)
        closed = state == "closed" and isinstance(error, G4fliteError)
        if not isinstance(error, Exception) or isinstance(error, UsageError) or closed or not kept.sent:
            return
        told = f"{self._write(kept)} is its replay file"
        if isinstance(error, G4fliteError):
            # In brackets: the clients of a gateway, who have no `replay()`, are not told of its files.
            error.advice += f"[; {told}, for {{replay}}]" if error.advice else f"[{told}, for {{replay}}]"
        else:
            # Python 3.10 has no notes.
            getattr(error, "add_note", repr)(told)

    def dump(self) -> list[Path]:
        """Write a recording of each stream that is kept, those that still run included, and return the files."""
        with self._lock:
            every = [*self._ended, *self._running.values()]
        return [self._write(kept) for kept in every if kept.sent]

    def _write(self, kept: Kept) -> Path:
        """Write the recording of a stream, unless it has a file, and return the file."""
        blocks = ("".join(f"{line}\n" for line in sent.lines()) for sent in kept.sent)
        text = "\n".join([TITLE, *blocks])
        with self._lock:
            path = self._files.get(kept.number) or self._created(kept)
            self._files[kept.number] = path
            with path.open("w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            # `dump()` returns the files of the streams that are kept.
            needed = {one.number for one in (*self._ended, *self._running.values(), kept)}
            spare = [number for number in self._files if number not in needed]
            for number in spare[: max(len(self._files) - self._most, 0)]:
                self._files.pop(number).unlink(missing_ok=True)
            return path

    def _created(self, kept: Kept) -> Path:
        """Create an empty file of a name that no other recorder has taken, as one of another process may have."""
        self._folder.mkdir(parents=True, exist_ok=True)
        stem = f"{kept.provider}-{kept.began:%Y%m%dT%H%M%S}-{kept.number}"
        paths = (self._folder / f"{stem}{-more or ''}.txt" for more in count())
        return next(filter(created, paths))


def created(path: Path) -> bool:
    """Create an empty file, and return whether there was none of this name."""
    try:
        # Others may not read what users have asked.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return False
    return True


class Tapped:
    """A source of the exchange that notes what goes over another."""

    def __init__(self, source: Any, kept: Kept) -> None:
        self._source, self._kept = source, kept

    def send(self, request: Request, timers: Timers) -> "TappedResponse":
        """Send a request, and note it."""
        sent = self._begin(request, timers)
        try:
            return TappedResponse(self._source.send(request, timers), sent)
        except BaseException as error:
            self._fail(sent, error)
            raise

    async def asend(self, request: Request, timers: Timers) -> "TappedResponse":
        """Do the same as `send`, in async."""
        sent = self._begin(request, timers)
        try:
            return TappedResponse(await self._source.asend(request, timers), sent)
        except BaseException as error:
            self._fail(sent, error)
            raise

    def _begin(self, request: Request, timers: Timers) -> Sent:
        sent = Sent(request, timers)
        self._kept.sent.append(sent)
        return sent

    def _fail(self, sent: Sent, error: BaseException) -> None:
        """Note an error in the place of a response; a request that was not sent is forgotten."""
        if isinstance(error, UsageError | TypeError):
            self._kept.sent.remove(sent)
        else:
            sent.stop(error)


class TappedResponse:
    """A response whose body is noted while it is read."""

    def __init__(self, response: Any, sent: Sent) -> None:
        self._response, self._sent, self.head = response, sent, response.head
        sent.head, sent.opened = response.head, time.monotonic() - sent.began

    def pieces(self, tap: Tap | None = None) -> Iterator[bytes]:
        """Return an iterator of the body in sync; `tap` is that of a second recorder of the stream."""
        pieces: Iterator[bytes] = self._response.pieces(self._sent)
        return pieces if tap is None else tapped(pieces, tap)

    def apieces(self, tap: Tap | None = None) -> AsyncIterator[bytes]:
        """Do the same as `pieces`, in async."""
        pieces: AsyncIterator[bytes] = self._response.apieces(self._sent)
        return pieces if tap is None else AsyncTapped(pieces, tap)

    def close(self) -> None:
        """Close the response."""
        self._response.close()

    async def aclose(self) -> None:
        """Close the response."""
        await self._response.aclose()
