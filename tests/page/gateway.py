"""A gateway for the tests of the page: it serves the page's files, and says on /v1 what a test tells it to say.

    with Gateway() as gateway:
        gateway.replies.append(Reply([text("Hello"), gate, text(" you"), DONE]))    # waits at `gate`, an Event
        ...
        gateway.requests[-1]                                                        # the JSON of the last question

Without replies, it repeats what was said.  With `forward`, it hands each question on to the server of that base URL.
"""

import json
import select
import socket
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from g4flite.apps.gateway import page

DONE = b"data: [DONE]\n\n"
STREAM = {"content-type": "text/event-stream"}
Piece = bytes | threading.Event


def event(**chunk: Any) -> bytes:
    """Return one chunk of a stream as a server-sent event."""
    return f"data: {json.dumps(chunk)}\n\n".encode()


def delta(**fields: Any) -> bytes:
    """Return a chunk with this delta."""
    return event(model="fast", choices=[{"index": 0, "delta": fields, "finish_reason": None}])


def text(said: str) -> bytes:
    return delta(content=said)


def finish(reason: str = "stop", tokens: int = 42) -> bytes:
    """Return the chunks at the end of an answer: its finish reason and its usage."""
    last = event(choices=[{"index": 0, "delta": {}, "finish_reason": reason}])
    return last + event(choices=[], usage={"prompt_tokens": 7, "completion_tokens": tokens})


@dataclass
class Reply:
    """What the gateway says: pieces, and events that it waits for between them.  `left` is set if the client leaves."""

    pieces: Iterable[Piece] = ()
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {**STREAM})
    cut: bool = False
    left: threading.Event = field(default_factory=threading.Event)


def whole(*said: str) -> Reply:
    """Return a reply that is complete."""
    return Reply([*map(text, said), finish(), DONE])


def refusal(status: int, message: str, headers: dict[str, str] | None = None, **more: Any) -> Reply:
    """Return a reply with an error's status."""
    body = json.dumps({"error": {"message": message, "type": "error", **more}}).encode()
    return Reply([body], status, {"content-type": "application/json", **(headers or {})})


class Gateway:
    """The gateway, listening on a free port while its `with` runs."""

    def __init__(self) -> None:
        self.models = ["fast", "smart"]
        self.key: str | None = None
        self.forward: str | None = None
        self.replies: list[Reply] = []
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []

    def __enter__(self) -> "Gateway":
        gateway = self

        class Bound(Handler):
            owner = gateway

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def reply(self, request: dict[str, Any]) -> Reply:
        """Return what is said to a question."""
        if self.replies:
            return self.replies.pop(0)
        last = request["messages"][-1]["content"]
        said = last if isinstance(last, str) else next((part["text"] for part in last if "text" in part), "no text")
        return whole("You said: ", said)

    def forwarded(self, request: dict[str, Any]) -> Reply:
        """Return what another server says, byte by byte."""
        headers = {"authorization": "Bearer sk-test-1"}
        response = httpx.post(f"{self.forward}/chat/completions", json=request, headers=headers)
        return Reply([response.content], response.status_code, {"content-type": response.headers["content-type"]})


class Handler(BaseHTTPRequestHandler):
    """One connection of the browser."""

    protocol_version = "HTTP/1.1"
    owner: Gateway

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path != "/v1/models":
            status, headers, body = page.response(path)
            self._whole(status, dict(headers), body)
        elif self._let_in():
            models = [{"id": name, "object": "model"} for name in self.owner.models]
            self._whole(200, {"content-type": "application/json"}, json.dumps({"data": models}).encode())

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if not self._let_in():
            return
        self.owner.requests.append(request)
        reply = self.owner.forwarded(request) if self.owner.forward else self.owner.reply(request)
        self.send_response(reply.status)
        for name, value in {**reply.headers, "transfer-encoding": "chunked"}.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            for piece in self._pieces(reply):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.flush()
            if reply.cut:
                self.close_connection = True
            else:
                self.wfile.write(b"0\r\n\r\n")
        except OSError:
            reply.left.set()
            self.close_connection = True

    def _pieces(self, reply: Reply) -> Iterator[bytes]:
        for piece in reply.pieces:
            if isinstance(piece, bytes):
                yield piece
                continue
            while not piece.wait(0.02):
                readable, _, _ = select.select([self.connection], [], [], 0)
                if readable and not self.connection.recv(1, socket.MSG_PEEK):
                    raise ConnectionResetError

    def _let_in(self) -> bool:
        self.owner.keys.append(self.headers["authorization"])
        if self.owner.key is None or self.headers["authorization"] == f"Bearer {self.owner.key}":
            return True
        body = json.dumps({"error": {"message": "This gateway wants a key.", "code": "invalid_api_key"}}).encode()
        self._whole(401, {"content-type": "application/json"}, body)
        return False

    def _whole(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
