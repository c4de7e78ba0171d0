"""The emulator as a test holds it: where it serves, what it says, and what it was asked."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..server.conversation import Messages, text_of
from ..server.pieces import Reply
from .connection import Server
from .exchange import Exchange, Policy
from .script import Script


def echo(messages: Messages) -> str:
    """Return what was understood: `You said: Hello`."""
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
        # A script holds for the requests that arrive after it was assigned.
        self.script = script
        self.clock = clock
        self.keys = keys
        # The requests, in order of arrival, and how many connections were accepted.
        self.exchanges: list[Exchange] = []
        self.connections = 0
        self._server: Server | None = None

    @property
    def url(self) -> str:
        """The base URL for a client.  Raises `RuntimeError` before `start()` has found a free port."""
        if not self.port:
            raise RuntimeError("the emulator has no port yet: call start(), or use it in a with statement")
        return f"http://{self.host}:{self.port}{self.prefix}"

    def policy(self) -> Policy:
        """Return what holds for a request that arrives now."""
        return Policy(script=self.script, reply=self.reply, prefix=self.prefix, clock=self.clock, keys=self.keys)

    def start(self) -> None:
        """Bind the port and serve in the background; do nothing if it serves already.

        Raise `OSError` if the port is in use.  After `close()` the emulator can start again, on the same port.
        """
        if self._server is None:
            self._server = Server(self, self.host, self.port)
            self.port = self._server.server_address[1]
            self._server.thread.start()

    def close(self) -> None:
        """Close the port and every open connection, and wait for every thread to end; do nothing the second time."""
        server, self._server = self._server, None
        if server:
            server.stop()

    def serve_forever(self) -> None:
        """Serve until `close()` is called elsewhere or Ctrl-C raises `KeyboardInterrupt`, then close."""
        try:
            self.start()
            while (server := self._server) and server.thread.is_alive():
                # A join without a limit would keep Ctrl-C from coming through on Windows.
                server.thread.join(1)
        finally:
            self.close()

    def __enter__(self) -> Emulator:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
