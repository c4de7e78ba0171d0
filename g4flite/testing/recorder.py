"""`Recorder`: a transport that writes down what comes over another one."""

import threading
import time
from os import PathLike
from pathlib import Path
from typing import Any

import httpx

from .._core.transport.tls import default_context
from .recording import TITLE, Exchange, answered, asked, fault_of, written


def record(
    path: str | PathLike[str], transport: httpx.BaseTransport | httpx.AsyncBaseTransport | None = None
) -> "Recorder":
    """A transport, sync and async, that writes what comes over `transport` (httpx's own if None) into a text file.

    The file is written anew, as a whole, whenever a reply has ended, its folder made where it lacks; where nothing but
    failures came, a file that is there stays.  Replies are asked for without compression, so that it can be read.
    """
    return Recorder(Path(path), transport)


class Recorder(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A transport, sync and async, that writes each exchange into a file when it ends; see `record`."""

    def __init__(self, path: Path, transport: httpx.BaseTransport | httpx.AsyncBaseTransport | None) -> None:
        self._path = path
        self._sync = transport or httpx.HTTPTransport(verify=default_context())
        self._async = transport or httpx.AsyncHTTPTransport(verify=default_context())
        self._exchanges: list[Exchange] = []
        self._lock = threading.Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if not isinstance(self._sync, httpx.BaseTransport):
            raise TypeError("an httpx.Client needs an httpx.BaseTransport; give one as transport=")
        request.read()
        take = self._take(request)
        try:
            return take.response(self._sync.handle_request(request))
        except BaseException as error:
            take.end(error)
            raise

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not isinstance(self._async, httpx.AsyncBaseTransport):
            raise TypeError("an httpx.AsyncClient needs an httpx.AsyncBaseTransport; give one as transport=")
        await request.aread()
        take = self._take(request)
        try:
            return take.response(await self._async.handle_async_request(request))
        except BaseException as error:
            take.end(error)
            raise

    def close(self) -> None:
        if isinstance(self._sync, httpx.BaseTransport):
            self._sync.close()

    async def aclose(self) -> None:
        if isinstance(self._async, httpx.AsyncBaseTransport):
            await self._async.aclose()

    def save(self) -> None:
        """Writes the file, in the order of the requests; a reply that has not ended is in it as `left`.

        Where nothing but failures came, a file that is there stays as it is.
        """
        with self._lock:
            if self._path.exists() and not any(exchange.status for exchange in self._exchanges):
                return
            self._path.parent.mkdir(parents=True, exist_ok=True)
            blocks = ("".join(f"{line}\n" for line in written(exchange)) for exchange in self._exchanges)
            self._path.write_text("\n".join([TITLE, *blocks]), encoding="utf-8", newline="\n")

    def follow(self, other: "Recorder") -> None:
        """Writes what the other one, of the same file, has taken so far before its own."""
        self._exchanges, self._lock = other._exchanges, other._lock

    def _take(self, request: httpx.Request) -> "Take":
        request.headers["accept-encoding"] = "identity"  # a reply that nobody can read is no good recording
        take = Take(request, self)
        with self._lock:
            self._exchanges.append(take.exchange)
        return take


class Take(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A reply on its way to the reader, noted piece by piece."""

    def __init__(self, request: httpx.Request, recorder: Recorder) -> None:
        self.exchange, self._request, self._recorder = asked(request), request, recorder
        self._began, self._ended = time.monotonic(), False
        self._body: Any = None
        self._pieces: Any = None  # the iterator of the body

    def response(self, response: httpx.Response) -> httpx.Response:
        """The same response, which is read through here."""
        self.exchange.opened = time.monotonic() - self._began
        answered(self.exchange, response)
        self._body = response.stream
        return httpx.Response(
            response.status_code, headers=response.headers, stream=self, extensions=response.extensions
        )

    def __iter__(self) -> "Take":
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

    def __aiter__(self) -> "Take":
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
        """Notes how it ended, None: its reader left.  The first end counts, and is saved."""
        if self._ended:
            return
        self._ended = True
        self.exchange.ended = time.monotonic() - self._began
        if isinstance(error, StopIteration | StopAsyncIteration):
            self.exchange.end = "end"
        elif error is not None:
            self.exchange.end = fault_of(error, self._request, self.exchange.secrets)
        self._recorder.save()

    def _note(self, piece: bytes) -> bytes:
        if piece:
            self.exchange.pieces.append((time.monotonic() - self._began, piece))
        return piece
