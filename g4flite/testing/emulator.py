"""The emulator as a test holds it: where it serves, what it says, and what it was asked."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..server.anthropic_batches import MessageBatches
from ..server.gemini_batches import GeminiBatches
from ..server.mistral_batches import Jobs
from ..server.openai_batches import Batches
from .connection import Server
from .exchange import Exchange, Policy
from .replies import ReplyFunction, echo
from .script import Script


class Emulator:
    """A server for tests and demos, as strict as the services whose protocols it speaks.

    Below its URL are Cromicle, Free2GPT, GPROChat and FlowGPT, and six open protocols: OpenAI Chat Completions
    (`url + "/v1"`, and the paths of Azure and others), Responses (the same), Anthropic Messages, Gemini, Ollama and
    Cohere v2 (`url`).  A wrong request is refused in the service's own form, with a message such as
    `max_tokens: expected an integer above 0`.  A client of an open protocol may stream or not, as it likes.

    `reply` makes the answer from the messages that the server understood, which are in OpenAI's form whatever the
    protocol.  A str is streamed word by word, an iterable piece by piece: str, and for the open protocols `Reasoning`,
    `Hidden`, `ToolCall`, `Usage`, `Finish`, `Problem`, and as the first of all `Start`:

        lambda messages: [Reasoning("Hm"), "Sunny", ToolCall("", "weather", '{"city": "Oslo"}'), Usage(9, 12)]

    A reply that is always the same text may be that str in place of a function.  If a reply function raises an
    exception, or says what cannot be sent, the client gets a status 500 with `x-should-retry: false`, and the end of
    the `with` raises the exception.  A service that fails is a `Problem`, or `Script(status=500)`.

    The server makes up the id of a `ToolCall` that has none, and counts what a `Usage` leaves out: each word of the
    prompt as one token, each piece of text or of reasoning as one.  `native` in a `Finish` is sent as it is; the reason
    `other` needs it.  `reply` is called in the thread of the connection.

    `port` 0 takes a free port.  `clock` returns Unix time in seconds.  With `keys=False` no key is demanded.  `log` is
    called with each `Exchange` once it has ended, in the thread of its connection.
    """

    def __init__(
        self,
        reply: ReplyFunction | str = echo,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        prefix: str = "",
        script: Script = Script(),  # noqa: B008 - immutable
        clock: Callable[[], float] = time.time,
        keys: bool = True,
        log: Callable[[Exchange], object] | None = None,
    ) -> None:
        # A reply and a script hold for the requests that arrive after they were assigned.
        self.reply = reply
        self.host = host
        self.port = port
        self.prefix = prefix
        self.script = script
        self.clock = clock
        self.keys = keys
        self.log = log
        # The requests, in order of arrival, and how many connections were accepted.
        self.exchanges: list[Exchange] = []
        # OpenAI's files and batches, Anthropic's message batches, Mistral's jobs, Gemini's batches.
        self.batches = Batches()
        self.message_batches = MessageBatches()
        self.jobs = Jobs(self.batches)
        self.gemini_batches = GeminiBatches()
        self.connections = 0
        self._server: Server | None = None

    @property
    def reply(self) -> ReplyFunction | str:
        """The reply function, or the text of each reply.  Raises `TypeError` if it is set to anything else."""
        return self._reply

    @reply.setter
    def reply(self, reply: ReplyFunction | str) -> None:
        if not isinstance(reply, str) and not callable(reply):
            raise TypeError(f"reply: expected a str or a function of the messages, not {reply!r}")
        self._reply = reply

    @property
    def script(self) -> Script:
        """How the server responds.  Raises `TypeError` if it is set to anything but a `Script`."""
        return self._script

    @script.setter
    def script(self, script: Script) -> None:
        if not isinstance(script, Script):
            raise TypeError(f"script: expected a Script, like Script(cut=3), not {script!r}")
        self._script = script

    @property
    def url(self) -> str:
        """The base URL for a client.  Raises `RuntimeError` before `start()` has found a free port."""
        if not self.port:
            raise RuntimeError("the emulator has no port yet: call start(), or use it in a with statement")
        return f"http://{self.host}:{self.port}{self.prefix}"

    def policy(self) -> Policy:
        """Return what holds for a request that arrives now."""
        said = self.reply
        reply = (lambda _: said) if isinstance(said, str) else said
        return Policy(script=self.script, reply=reply, prefix=self.prefix, clock=self.clock, keys=self.keys,
                      batches=self.batches, message_batches=self.message_batches, jobs=self.jobs,
                      gemini_batches=self.gemini_batches)  # fmt: skip

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

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Close, and raise what the test's own reply function or script did wrong, also in place of its consequence."""
        self.close()
        wrong = next((exchange.error for exchange in self.exchanges if exchange.error), None)
        if wrong and (kind is None or issubclass(kind, Exception)):
            raise wrong
