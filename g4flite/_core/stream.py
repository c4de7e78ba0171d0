"""`Stream`: the answer to one call.  One lazy object, two protocols."""

import weakref
from collections.abc import AsyncGenerator, Generator, Mapping
from threading import get_ident
from types import AsyncGeneratorType, GeneratorType, TracebackType
from typing import TYPE_CHECKING, Any

from .errors import StreamConsumed
from .events import Event, FinishReason, ToolCall, Usage

if TYPE_CHECKING:
    from .exchange import Attempt, Run


class Events:
    """Everything that a stream holds, in order: see `Stream.events`."""

    def __init__(self, stream: "Stream") -> None:
        self._stream = stream

    def __iter__(self) -> Generator[str | Event, None, None]:
        return self._stream._read(everything=True)

    def __aiter__(self) -> AsyncGenerator[str | Event, None]:
        return self._stream._aread(everything=True)


class Stream:
    """The answer to one call: iterate over it once, with `for` or with `async for`, for its chunks of text (str).

    Nothing is sent before the iteration begins.  Leaving the loop closes the connection: at once in `for`; in
    `async for` when the enclosing `async with` ends, or when the event loop finalises the generator.

    Iterating raises `StreamConsumed` the second time, `TypeError` if `client=` is a sync client in an `async for` or
    the other way round, and the `G4fliteError` of whatever the service or the network does.
    """

    def __init__(self, run: "Run") -> None:
        self._run = run
        # Weak, so that `break` alone frees the generator, and so closes the connection.
        self._running: weakref.ref[Any] | None = None
        # Strong inside `async with`, which closes the generator.
        self._kept: AsyncGenerator[str, None] | None = None
        self._entered = False

    @property
    def provider(self) -> str:
        """The name of the provider that answers, or is being tried."""
        return self._run.call.provider.name

    @property
    def model(self) -> str | None:
        """The model that was asked for, None if the service has no choice of models."""
        return self._run.call.model

    @property
    def partial(self) -> str:
        """The text delivered so far."""
        return self._run.partial

    @property
    def attempts(self) -> "tuple[Attempt, ...]":
        """The attempts that have ended, in order: each is (provider, model, outcome, seconds)."""
        return tuple(self._run.attempts)

    @property
    def finish_reason(self) -> FinishReason | None:
        """Why the answer ended: stop, length, tool_calls, content_filter, error or other; None before its end."""
        return self._run.finish.reason if self._run.finish is not None else None

    @property
    def native_finish_reason(self) -> str | None:
        """The finish reason in the service's own word."""
        return self._run.finish.native if self._run.finish is not None else None

    @property
    def usage(self) -> Usage | None:
        """The tokens that the service counted so far, None if it does not say."""
        return self._run.usage

    @property
    def reasoning(self) -> str:
        """The model's reasoning so far."""
        return self._run.reasoning.getvalue()

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls that are whole, in order."""
        return tuple(self._run.tool_calls)

    @property
    def response_id(self) -> str | None:
        """The reply's id, as the service names it."""
        return self._run.start.response_id

    @property
    def response_model(self) -> str | None:
        """The model that answers, as the service names it: often a dated version of the model that was asked for."""
        return self._run.start.model

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the response, which find a name in any case of letters; empty before the response comes."""
        return self._run.head.headers if self._run.head is not None else {}

    def events(self) -> "Events":
        """Return everything in order, for `for` and for `async for`: text as `str`, and `Start`, `Reasoning`,
        `ToolCallDelta`, `ToolCall`, `Usage` and `Finish`.  The stream is read once, in this way or as text.
        """
        return Events(self)

    def __iter__(self) -> Generator[str, None, None]:
        return self._read()

    def __aiter__(self) -> AsyncGenerator[str, None]:
        return self._aread()

    def _read(self, *, everything: bool = False) -> Generator[Any, None, None]:
        from .transport.driver import iterate  # noqa: PLC0415 - httpx is imported with the first call

        self._begin()
        self._run.everything = everything
        self._run.thread = get_ident()
        running = iterate(self._run)
        self._running = weakref.ref(running)
        return running

    def _aread(self, *, everything: bool = False) -> AsyncGenerator[Any, None]:
        from .transport.driver import aiterate  # noqa: PLC0415 - httpx is imported with the first call

        self._begin()
        self._run.everything = everything
        running = aiterate(self._run)
        self._running = weakref.ref(running)
        self._kept = running if self._entered else None
        return running

    def text(self) -> str:
        """Return the whole answer, read to its end."""
        return "".join(self)

    async def atext(self) -> str:
        """Return the whole answer, read to its end."""
        async with self:
            return "".join([chunk async for chunk in self])

    def close(self) -> None:
        """End a `for` and close its connection.

        Another thread may call this: the loop then raises `StreamClosedError`.  A stream that has ended stays as it is.
        Raises `TypeError` for an `async for`, which needs `aclose()`.
        """
        running = self._running() if self._running is not None else None
        if isinstance(running, AsyncGeneratorType):
            raise TypeError("this stream is read with `async for`; close it with `async with` or `await aclose()`")
        self._end(running)

    async def aclose(self) -> None:
        """End an `async for` (or a `for`) and close its connection.

        Another task may call this: the loop then raises `StreamClosedError`.  A stream that has ended stays as it is.
        """
        running = self._running() if self._running is not None else None
        self._kept = None
        if isinstance(running, AsyncGeneratorType):
            if running.ag_running:
                # Another task waits in the generator: its loop raises, and closes it.
                self._run.abort()
                return
            await running.aclose()
            running = None
        self._end(running)

    def _end(self, running: "GeneratorType[str, None, None] | None") -> None:
        if running is not None and self._run.state == "streaming" and self._run.thread not in (0, get_ident()):
            # Another thread reads: its loop raises, and closes the generator.
            self._run.abort()
            return
        try:
            if running is not None:
                running.close()
        # The generator is running, in this thread or another one.
        except ValueError:
            self._run.abort()
        else:
            self._run.end("closed")

    def __enter__(self) -> "Stream":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> "Stream":
        self._entered = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        size = len(self.partial)
        return f"<Stream of {self.provider}, model {self.model}: {self._run.state}, {size} characters>"

    def _begin(self) -> None:
        if self._run.state != "new":
            raise StreamConsumed("a stream is read once; call stream() again for a new answer", provider=self.provider)
        self._run.state = "streaming"
