"""One connection of a client: reads its requests, one after the other, and sends what was decided to each."""

from __future__ import annotations

import selectors
import socket
import struct
import time
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPMessage, responses
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

from ..testing.exchange import Answer, Exchange, decide
from ..testing.script import Script
from .checks import Refusal, body_length

if TYPE_CHECKING:
    from ..testing.emulator import Server


def head(status: int, headers: Mapping[str, str]) -> bytes:
    """The bytes of a response up to its body."""
    lines = [f"HTTP/1.1 {status} {responses.get(status, '')}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


class Connection(BaseHTTPRequestHandler):
    """Serves one socket in its own thread until either side closes it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server
    error: Refusal | None

    def handle_one_request(self) -> None:
        """Reads a request, sends the answer to it; nothing readable ends the connection."""
        self.headers, self.error = HTTPMessage(), None
        self.raw_requestline = self.rfile.readline(65537)
        if self.parse_request() and self.request_version != self.protocol_version:
            self.send_error(505, f"Bad request version ({self.request_version!r})")
        if self.requestline:
            self._converse()

    def send_error(self, code: int, message: str | None = None, *_: object) -> None:
        """Keeps what `parse_request` has against a request, to be answered like any other refusal."""
        self.error = Refusal(code, f"request: expected well-formed HTTP/1.1; {message}")
        self.close_connection = True

    def _converse(self) -> None:
        emulator, script = self.server.emulator, self.server.emulator.script
        method, path, *_ = (*self.requestline.split(), "", "")  # self.path would be without a second leading slash
        headers = [(name, value.strip()) for name, value in self.headers.items()]
        exchange = Exchange(method=method, path=path, headers=headers)
        try:
            try:
                self._read_body(exchange)
                answer = decide(exchange, emulator.policy(script), self.error)
            finally:
                emulator.exchanges.append(exchange)
            self._send(answer, script, exchange)
        except OSError:
            self.close_connection = True
            if not self.server.closing.is_set():
                exchange.disconnected_at = time.monotonic()
                exchange.disconnected.set()
        except Exception as error:
            exchange.problem = error.problem if isinstance(error, Refusal) else repr(error)
            self._hang_up(reset=False)
        finally:
            exchange.finished.set()

    def _read_body(self, exchange: Exchange) -> None:
        """Adds the body, unless the head is at fault. Raises `ConnectionResetError` if the client leaves halfway."""
        try:
            length = 0 if self.error else body_length(exchange.method, exchange.headers)
        except Refusal as refusal:
            self.error, self.close_connection, length = refusal, True, 0
        exchange.body = self.rfile.read(length)
        if len(exchange.body) < length:
            raise ConnectionResetError

    def _send(self, answer: Answer, script: Script, exchange: Exchange) -> None:
        """Sends the answer as the script has it. Raises `OSError` as soon as the client is seen to have left."""
        headers = answer.headers | {name.lower(): value for name, value in script.headers.items()}
        raw = script.raw is not None
        bodiless = not raw and (exchange.method == "HEAD" or answer.status in {204, 304})
        chunked = not raw and not bodiless and "content-length" not in headers
        if chunked:
            headers["transfer-encoding"] = "chunked"
        if headers.setdefault("connection", "close" if self.close_connection else "keep-alive") == "close":
            self.close_connection = True
        self._pause(script.silence)
        if not raw:
            self.wfile.write(head(answer.status, headers))
            exchange.status = answer.status
        for number, block in enumerate(() if bodiless else script.blocks(answer.body)):
            if number:
                self._pause(script.wait)
            self.wfile.write(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
        if raw or script.cut is not None:
            self._hang_up(reset=script.reset)
        elif chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _pause(self, seconds: float) -> None:
        """Lets the time pass. Raises `OSError` the moment the client closes its side."""
        end = time.monotonic() + seconds
        if not self.selector.select(seconds):
            return
        if not self.connection.recv(1, socket.MSG_PEEK):
            raise ConnectionResetError
        self.server.closing.wait(end - time.monotonic())  # behind a request sent ahead no close can be seen

    def _hang_up(self, *, reset: bool) -> None:
        """Closes the connection at once, by a FIN or by a RST."""
        self.close_connection = True
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()  # shares the socket, which stays open as long as one of the two is
        self.connection.close()

    def setup(self) -> None:
        """Makes ready to see the client's side closed."""
        super().setup()
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.connection, selectors.EVENT_READ)

    def finish(self) -> None:
        """Closes this side, then waits for the client to close its own.

        A close with bytes still unread is a RST, and the client may then lose the answer it has not yet read.
        """
        self.selector.close()
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(1)
            while self.connection.recv(65536):
                pass
        super().finish()
