"""The server: accepts connections, a thread each, and leaves none behind."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from socketserver import ThreadingTCPServer
from threading import Event, Thread
from typing import Any

from ..server.conversation import Messages, Reply, text_of
from ..server.http import Connection
from .exchange import Exchange, Policy
from .script import Script


def echo(messages: Messages) -> str:
    """Says back what was understood: `You said: Hello`."""
    return f"You said: {text_of(messages[-1])}"


class Emulator:
    """Serves Cromicle, Free2GPT, GPROChat and FlowGPT below one URL, as strictly as a real server would, and six open
    protocols: OpenAI Chat Completions (`url + "/v1"`, and Azure's and others' paths), Responses (the same), Anthropic
    Messages, Gemini, Ollama and Cohere v2 (`url`).

    `reply` makes the answer from the messages that the server understood, in OpenAI's form whatever the protocol; a str
    is streamed word by word, an iterable piece by piece: str, and for the open protocols `Think`, `Call`, `Stop` and
    `Problem`. It is called in the thread of the connection. A word of the prompt counts as a token, and so does a piece
    of text or reasoning.

    `clock` is Unix time in seconds. `port` 0 takes a free one. Without `keys` none is demanded. What is not as it
    should be is refused by a JSON object `{"error": "<field>: expected ..."}`, or in the open protocol's own form.
    """

    def __init__(
        self,
        reply: Reply = echo,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        prefix: str = "",
        script: Script = Script(),  # noqa: B008 - immutable
        clock: Callable[[], float] = time.time,
        keys: bool = True,
    ) -> None:
        self.reply = reply
        self.host = host
        self.port = port
        self.prefix = prefix
        self.script = script  # counts for requests that arrive after the assignment
        self.clock = clock
        self.keys = keys
        self.exchanges: list[Exchange] = []  # in order of arrival
        self.connections = 0  # accepted so far
        self._server: Server | None = None

    @property
    def url(self) -> str:
        """What a client takes as base URL. Raises `RuntimeError` before `start()` has found a free port."""
        if not self.port:
            raise RuntimeError("the emulator has no port yet: call start(), or use it in a with statement")
        return f"http://{self.host}:{self.port}{self.prefix}"

    def policy(self, script: Script) -> Policy:
        """What holds for one request."""
        return Policy(script=script, reply=self.reply, prefix=self.prefix, clock=self.clock, keys=self.keys)

    def start(self) -> None:
        """Binds the port and serves in the background; no effect if it serves already. Raises `OSError`: port in use.

        After `close()` it serves again, on the same port.
        """
        if self._server is None:
            self._server = Server(self)
            self.port = self._server.server_address[1]
            self._server.thread.start()

    def close(self) -> None:
        """Closes the port and every open connection, and waits for every thread to end; no effect the second time."""
        server, self._server = self._server, None
        if server:
            server.stop()

    def serve_forever(self) -> None:
        """Serves until `close()` is called elsewhere, or until Ctrl-C raises `KeyboardInterrupt`; closes then."""
        try:
            self.start()
            while (server := self._server) and server.thread.is_alive():
                server.thread.join(1)  # without a limit, no Ctrl-C would come through on Windows
        finally:
            self.close()

    def __enter__(self) -> Emulator:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Server(ThreadingTCPServer):
    """The listening socket and the threads of its connections; `HTTPServer` would ask DNS for its own name."""

    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.closing = Event()
        self.live: list[tuple[Thread, socket.socket]] = []
        super().__init__((emulator.host, emulator.port), Connection)
        self.thread = Thread(target=self.serve_forever, args=(0.01,), daemon=True)  # looks for stop() every 10 ms

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serves a connection in a thread of its own, which neither outlives `stop()` nor keeps a program alive."""
        self.emulator.connections += 1
        thread = Thread(target=self.process_request_thread, args=(request, client_address), daemon=True)
        thread.start()
        self.live = [*((old, link) for old, link in self.live if old.is_alive()), (thread, request)]

    def handle_error(self, *_: object) -> None:
        """Keeps quiet about a client that left between two requests; re-raises anything else."""
        if not isinstance(sys.exc_info()[1], OSError):
            raise  # noqa: PLE0704 - called from an except clause

    def stop(self) -> None:
        """Accepts no more connections, closes the open ones, and waits for their threads to end."""
        self.closing.set()
        self.shutdown()
        self.server_close()
        self.thread.join()
        for thread, link in self.live:
            with suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
            thread.join()
