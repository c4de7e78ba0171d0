"""The emulator's sockets: one thread accepts connections, and each connection is served by a thread of its own.

Everything here exists for tests: every request is recorded as an `Exchange`, the moment at which a client leaves is
noted, and a `Script` may delay a response, cut it up, or break it off.  That is why it stands beside the emulator
and not in `server/`, which decides what is said and knows no socket.
"""

from __future__ import annotations

import re
import selectors
import socket
import struct
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.client import HTTPMessage, responses
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from threading import Event, Thread
from typing import Any, Protocol

from ..server.checks import Headers, Refusal, sole
from .exchange import Exchange, Policy, Response, decide, fault_of_test
from .script import Script

MAX_BODY = 8 * 1024 * 1024
"""The most bytes that the body of a request may have."""


class Owner(Protocol):
    """What the sockets need of the emulator that they serve."""

    exchanges: list[Exchange]
    connections: int
    log: Callable[[Exchange], object] | None

    def policy(self) -> Policy:
        """Return what holds for a request that arrives now."""


class Server(ThreadingTCPServer):
    """The listening socket and the threads of its connections.

    It is no `HTTPServer`, because that asks DNS for the machine's own name, which may take seconds.
    """

    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, owner: Owner, host: str, port: int) -> None:
        self.owner = owner
        self.closing = Event()
        self.live: list[tuple[Thread, socket.socket]] = []
        super().__init__((host, port), Connection)
        # serve_forever() looks every 10 ms whether stop() was called.
        self.thread = Thread(target=self.serve_forever, args=(0.01,), daemon=True)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a new thread, which ends with `stop()` and does not keep the program alive."""
        self.owner.connections += 1
        thread = Thread(target=self.process_request_thread, args=(request, client_address), daemon=True)
        thread.start()
        self.live = [*((old, link) for old, link in self.live if old.is_alive()), (thread, request)]

    def handle_error(self, *_: object) -> None:
        """Ignore an `OSError`, which means that a client left between two requests; raise every other exception."""
        if not isinstance(sys.exc_info()[1], OSError):
            raise  # noqa: PLE0704 - called from an except clause

    def stop(self) -> None:
        """Accept no more connections, close the open ones, and wait for their threads to end."""
        self.closing.set()
        with suppress(OSError):
            # Wakes serve_forever() on Linux; it would wait out its 10 ms, as it does on other systems.
            self.socket.shutdown(socket.SHUT_RDWR)
        self.shutdown()
        self.server_close()
        self.thread.join()
        for thread, link in self.live:
            with suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
            thread.join()


class Connection(BaseHTTPRequestHandler):
    """Serves one connection until either side closes it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server
    error: Refusal | None

    def handle_one_request(self) -> None:
        """Read one request and send the response; close the connection if no request line arrives."""
        self.headers, self.error = HTTPMessage(), None
        self.raw_requestline = self.rfile.readline(65537)
        if self.parse_request() and self.request_version != self.protocol_version:
            self.send_error(505, f"Bad request version ({self.request_version!r})")
        if self.requestline:
            self._exchange()

    def send_error(self, code: int, message: str | None = None, *_: object) -> None:
        """Keep what `parse_request` found wrong, so that it is answered and recorded like any other refusal."""
        self.error = Refusal(code, f"request: expected well-formed HTTP/1.1; {message}")
        self.close_connection = True

    def _exchange(self) -> None:
        """Record the request and send what `decide` says."""
        owner, policy = self.server.owner, self.server.owner.policy()
        # Not self.path, from which http.server strips a second leading slash.
        method, path, *_ = (*self.requestline.split(), "", "")
        headers = [(name, value.strip()) for name, value in self.headers.items()]
        exchange = Exchange(method=method, path=path, headers=headers)
        try:
            try:
                self._read_body(exchange)
                response = decide(exchange, policy, self.error)
            finally:
                owner.exchanges.append(exchange)
            self._send(response, policy.script, exchange)
        except OSError:
            self.close_connection = True
            if not self.server.closing.is_set():
                exchange.disconnected_at = time.monotonic()
                exchange.disconnected.set()
        except Exception as error:
            exchange.problem = error.problem if isinstance(error, Refusal) else repr(error)
            exchange.error = fault_of_test(error)
            self._hang_up(reset=False)
        finally:
            exchange.finished.set()
            if owner.log:
                owner.log(exchange)

    def _read_body(self, exchange: Exchange) -> None:
        """Add the body, unless the head is at fault.  Raise `ConnectionResetError` if the client leaves halfway."""
        try:
            length = 0 if self.error else body_length(exchange.method, exchange.headers)
        except Refusal as refusal:
            self.error, self.close_connection, length = refusal, True, 0
        exchange.body = self.rfile.read(length)
        if len(exchange.body) < length:
            raise ConnectionResetError

    def _send(self, response: Response, script: Script, exchange: Exchange) -> None:
        """Send the response as the script says.  Raise `OSError` as soon as the client is seen to have left."""
        headers = response.headers | {name.lower(): value for name, value in script.headers.items()}
        raw = script.raw is not None
        bodiless = not raw and (exchange.method == "HEAD" or response.status in {204, 304})
        chunked = not raw and not bodiless and "content-length" not in headers
        if chunked:
            headers["transfer-encoding"] = "chunked"
        if headers.setdefault("connection", "close" if self.close_connection else "keep-alive") == "close":
            self.close_connection = True
        self._pause(script.silence)
        if not raw:
            self.wfile.write(head(response.status, headers))
            exchange.status = response.status
        for number, block in enumerate(() if bodiless else script.blocks(response.body)):
            if number:
                self._pause(script.wait)
            self.wfile.write(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
        if raw or script.cut is not None:
            self._hang_up(reset=script.reset)
            return
        if chunked:
            self.wfile.write(b"0\r\n\r\n")
        if script.hangup:
            self._hang_up(reset=script.reset)

    def _pause(self, seconds: float) -> None:
        """Wait.  Raise `OSError` the moment the client closes its side."""
        end = time.monotonic() + seconds
        if not self.selector.select(seconds):
            return
        if not self.connection.recv(1, socket.MSG_PEEK):
            raise ConnectionResetError
        # The client has sent its next request already: its bytes hide a close behind them, so only the time is left.
        self.server.closing.wait(end - time.monotonic())

    def _hang_up(self, *, reset: bool) -> None:
        """Close the connection at once, by a FIN or by a RST."""
        self.close_connection = True
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # rfile shares the socket, which stays open until both are closed.
        self.rfile.close()
        self.connection.close()

    def setup(self) -> None:
        """Prepare to notice that the client closes its side."""
        super().setup()
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.connection, selectors.EVENT_READ)

    def finish(self) -> None:
        """Close this side, then wait up to a second a read for the client to close its own.

        Closing a socket with unread bytes sends a RST, at which the client may drop the response that it has not read
        yet.
        """
        self.selector.close()
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(1)
            while self.connection.recv(65536):
                pass
        super().finish()


def head(status: int, headers: Mapping[str, str]) -> bytes:
    """Return the bytes of a response up to its body."""
    lines = [f"HTTP/1.1 {status} {responses.get(status, '')}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def body_length(method: str, headers: Headers) -> int:
    """Return how many bytes of body follow the head; 0 if a method other than POST declares none.

    Raise `Refusal` 411 for a POST without a length, 400 for a length that is no number or is given twice, 413 for more
    than 8 MiB.  As the body is then left unread, nobody knows where the next request begins: the connection has to be
    closed.
    """
    if not any(key.lower() == "content-length" for key, _ in headers):
        if method == "POST":
            raise Refusal(411, "header content-length: expected the number of bytes in the body")
        return 0
    declared = sole(headers, "content-length")
    if declared is None or not re.fullmatch("[0-9]{1,18}", declared):
        raise Refusal(400, "header content-length: expected one number of bytes")
    if int(declared) > MAX_BODY:
        raise Refusal(413, f"header content-length: expected at most {MAX_BODY} bytes")
    return int(declared)
