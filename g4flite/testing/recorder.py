"""`Recorder`: a transport for httpx that writes what comes over another transport into a file.

The recorder notes each request and its reply in an `Entry`, which it keeps until the end.  The reader of the response
reads through a `RecordedReply`, which notes each piece with its time, and how the reply ended:

    client.send(request)    ->  Recorder._begin: a new entry, with the time at which it began
                            <-  RecordedReply.response: the same response, its head noted
    next piece, next piece  <-  RecordedReply.__next__: the same bytes, noted
    the end, or an error    <-  RecordedReply.end: noted; Recorder.save writes the file
"""

import threading
import time
from os import PathLike
from pathlib import Path
from typing import Any

import httpx

from .._core.transport.tls import default_context
from .recording import TITLE, Entry, add_head, end_of, entry_of, lines_of


def record(
    path: str | PathLike[str], transport: httpx.BaseTransport | httpx.AsyncBaseTransport | None = None
) -> "Recorder":
    """Return a transport, sync and async, that writes what comes over `transport` (httpx's own if None) into a file.

    The file is written as a whole whenever a reply has ended, and its folder is made if there is none.  A file from an
    earlier run stays as it is until a response comes.  The service is asked not to compress its replies, so that the
    file can be read.
    """
    return Recorder(Path(path), transport)


class Recorder(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A transport, sync and async, that writes requests and their replies into a file; see `record`."""

    def __init__(self, path: Path, transport: httpx.BaseTransport | httpx.AsyncBaseTransport | None) -> None:
        self._path = path
        self._sync = transport or httpx.HTTPTransport(verify=default_context())
        self._async = transport or httpx.AsyncHTTPTransport(verify=default_context())
        self._entries: list[Entry] = []
        self._lock = threading.Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if not isinstance(self._sync, httpx.BaseTransport):
            raise TypeError("an httpx.Client needs an httpx.BaseTransport; give one as transport=")
        request.read()
        reply = self._begin(request)
        try:
            return reply.response(self._sync.handle_request(request))
        except BaseException as error:
            reply.end(error)
            raise

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not isinstance(self._async, httpx.AsyncBaseTransport):
            raise TypeError("an httpx.AsyncClient needs an httpx.AsyncBaseTransport; give one as transport=")
        await request.aread()
        reply = self._begin(request)
        try:
            return reply.response(await self._async.handle_async_request(request))
        except BaseException as error:
            reply.end(error)
            raise

    def close(self) -> None:
        if isinstance(self._sync, httpx.BaseTransport):
            self._sync.close()

    async def aclose(self) -> None:
        if isinstance(self._async, httpx.AsyncBaseTransport):
            await self._async.aclose()

    def save(self) -> None:
        """Write the file, in the order of the requests.  A reply that has not ended yet is written as `left`."""
        with self._lock:
            # A run without a network may not destroy what an earlier run has recorded.
            if self._path.exists() and not any(entry.status for entry in self._entries):
                return
            self._path.parent.mkdir(parents=True, exist_ok=True)
            blocks = ("".join(f"{line}\n" for line in lines_of(entry)) for entry in self._entries)
            self._path.write_text("\n".join([TITLE, *blocks]), encoding="utf-8", newline="\n")

    def follow(self, other: "Recorder") -> None:
        """Share the entries of another recorder of the same file, so that neither overwrites what the other wrote."""
        self._entries, self._lock = other._entries, other._lock

    def _begin(self, request: httpx.Request) -> "RecordedReply":
        request.headers["accept-encoding"] = "identity"
        reply = RecordedReply(request, self)
        with self._lock:
            self._entries.append(reply.entry)
        return reply


class RecordedReply(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of a response on its way to the reader, which is noted piece by piece in an entry."""

    def __init__(self, request: httpx.Request, recorder: Recorder) -> None:
        self.entry, self._request, self._recorder = entry_of(request), request, recorder
        self._began, self._ended = time.monotonic(), False
        # The body as the other transport gave it, and its iterator.
        self._body: Any = None
        self._pieces: Any = None

    def response(self, response: httpx.Response) -> httpx.Response:
        """Return the same response with this object as its body, and note its head."""
        self.entry.opened = self._now()
        add_head(self.entry, response)
        self._body = response.stream
        return httpx.Response(
            response.status_code, headers=response.headers, stream=self, extensions=response.extensions
        )

    def __iter__(self) -> "RecordedReply":
        self._pieces = iter(self._body)
        return self

    def __next__(self) -> bytes:
        try:
            return self._note(next(self._pieces))
        except BaseException as error:
            self.end(error)
            raise

    def close(self) -> None:
        self.end(None)
        self._body.close()

    def __aiter__(self) -> "RecordedReply":
        self._pieces = aiter(self._body)
        return self

    async def __anext__(self) -> bytes:
        try:
            return self._note(await anext(self._pieces))
        except BaseException as error:
            self.end(error)
            raise

    async def aclose(self) -> None:
        self.end(None)
        await self._body.aclose()

    def end(self, error: BaseException | None) -> None:
        """Note what ended the reply, and save the recording; None: the reader closed it.  Only the first end counts."""
        if self._ended:
            return
        self._ended = True
        self.entry.ended = self._now()
        if isinstance(error, StopIteration | StopAsyncIteration):
            self.entry.end = "end"
        elif error is not None:
            self.entry.end = end_of(error, self._request, self.entry.secrets)
        self._recorder.save()

    def _note(self, piece: bytes) -> bytes:
        if piece:
            self.entry.pieces.append((self._now(), piece))
        return piece

    def _now(self) -> float:
        return time.monotonic() - self._began
