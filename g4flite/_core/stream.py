"""`Stream`: the answer to one call, which `for` and `async for` can read.

    stream = Stream(run, iterate, aiterate)     # nothing is sent yet
    for chunk in stream: ...                    # `iterate` sends the request and yields the answer
    stream.usage, stream.partial                # read from the `Run`

A stream does not keep the generator that its loop runs.  If it did, the generator would stay alive after `break` as
long as the stream does, and its socket open.  The stream has a weak reference instead: after `break` nothing else
refers to the generator, so CPython closes the generator, and with it the connection, at once.
"""

import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Mapping
from threading import get_ident
from types import AsyncGeneratorType, GeneratorType
from typing import TYPE_CHECKING, Any

from .errors import StreamConsumed, UsageError, name_by_package
from .events import Event, FinishReason, ToolCall, Usage
from .hooks import all_observers
from .loops import has_ended, refusals, running_task, warn_of_blocking

if TYPE_CHECKING:
    from .exchange import Attempt, Run
    from .messages import Message
    from .parsed import Partials


class Events:
    """The texts and events of a stream or an answer, in order.  Their method `events` returns this."""

    def __init__(self, stream: Any) -> None:
        # A `Stream`, or the `Answer` of a conversation.
        self._stream = stream

    def __iter__(self) -> Iterator[str | Event]:
        return self._stream._read(everything=True)  # type: ignore[no-any-return]

    def __aiter__(self) -> AsyncIterator[str | Event]:
        return self._stream._aread(everything=True)  # type: ignore[no-any-return]

    if not TYPE_CHECKING:
        __next__, __await__ = refusals("events()", "for event in stream.events()")


class Stream:
    """The answer to one call.  A `for` or `async for` loop reads it once, and gets the chunks of its text (str).

    Nothing is sent before the loop begins.  Leaving the loop early closes the connection: at once in `for`; in
    `async for` when the enclosing `async with` ends, or when the event loop finalises the generator.

    The loop raises the `G4fliteError` that stands for a failure of the service or the network.  A second loop raises
    `StreamConsumed`.  A loop raises `TypeError` if `client=` is a sync client and the loop is `async for`, or the other
    way round.  A `for` loop warns (`SyncInAsyncWarning`, once a process) if it blocks an event loop.

    A stream is no iterator and cannot be awaited: `next(stream)` and `await stream` raise a `TypeError` that says what
    to write instead.
    """

    def __init__(self, run: "Run", iterate: Callable[..., Any], aiterate: Callable[..., Any]) -> None:
        # The drivers, `transport/driver.py`.
        self._run, self._iterate, self._aiterate = run, iterate, aiterate
        # The generator that a loop runs, for `close` and `aclose`.  Weak: see above.
        self._running: weakref.ref[Any] | None = None
        # The same generator, kept alive inside `async with`.  Else `break` would leave it to the event loop, which
        # finalises it later in a task of its own; so `aclose` closes it at the end of the block.
        self._kept: AsyncGenerator[str, None] | None = None
        # Whether the stream is inside an `async with`.
        self._entered = False
        # Whether an `Answer` alone may read the stream: else its history would lack what was read.
        self._owned = False

    @property
    def provider(self) -> str:
        """The name of the provider that answers or, before the answer begins, is being asked."""
        return self._run.call.provider.name

    @property
    def model(self) -> str | None:
        """The model that is asked; None if the call names no model and the provider has no default model."""
        return self._run.call.model

    @property
    def partial(self) -> str:
        """The text delivered so far; always "" with `keep_partial=False`."""
        return self._run.partial

    @property
    def attempts(self) -> "tuple[Attempt, ...]":
        """The attempts that have ended, in order, each as (provider, model, outcome, seconds)."""
        return tuple(self._run.attempts)

    @property
    def finish_reason(self) -> FinishReason | None:
        """Why the answer ended: "stop", "length", "tool_calls", "content_filter", "pause", "error" or "other".

        With "pause", the service goes on once it gets the turn back: append `message` and ask again.
        None before the answer's end, and for a service that gives no finish reason.
        """
        return self._run.finish.reason if self._run.finish is not None else None

    @property
    def native_finish_reason(self) -> str | None:
        """The finish reason in the service's own word; None if the service gave none."""
        return self._run.finish.native if self._run.finish is not None else None

    @property
    def usage(self) -> Usage | None:
        """The tokens that the service has counted so far; None if the service has given no counts."""
        return self._run.usage

    @property
    def reasoning(self) -> str:
        """The model's reasoning so far; always "" with `keep_partial=False`."""
        return self._run.reasoning.getvalue()

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls that are complete, in order."""
        return tuple(self._run.tool_calls)

    @property
    def message(self) -> "Message":
        """The turn as a message that can be appended to the messages: `role`, `content`, `tool_calls` and `state`.

        It is a plain dict, which JSON can hold.  `state` is what the service wants back with the turn, such as signed
        reasoning: the next request carries it back, if the same service is asked.  If the answer is not complete, the
        message has `partial: True`, and its state is not sent back.  Raises `UsageError` with `keep_partial=False`.
        """
        from .turn import message_of  # noqa: PLC0415 - many streams are asked for no message

        return message_of(self._run)

    @property
    def dropped(self) -> tuple[str, ...]:
        """What the request left out of the messages, because this service cannot take it: a short text for each.

        Empty before the request is made.
        """
        return self._run.dropped

    @property
    def response_id(self) -> str | None:
        """The service's id of the reply; None if the service gave none."""
        return self._run.start.response_id

    @property
    def response_model(self) -> str | None:
        """The model that answers, as the service names it, which is often a dated version of `model`."""
        return self._run.start.model

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the response, whose names match in any case; empty before the response comes."""
        return self._run.head.headers if self._run.head is not None else {}

    def events(self) -> "Events":
        """Return the texts and events in order, for a `for` or an `async for` loop.

        The loop gets text as `str`, and `Start`, `Reasoning`, `ToolCallDelta`, `ToolCall`, `Media`, `Citation`,
        `ServerToolCall`, `ServerToolResult`, `Native`, `TurnState`, `Usage` and `Finish`.  A stream is read once,
        either in this way or as text.
        """
        return Events(self)

    def __iter__(self) -> Generator[str, None, None]:
        return self._read()

    def __aiter__(self) -> AsyncGenerator[str, None]:
        return self._aread()

    if not TYPE_CHECKING:
        __next__, __await__ = refusals("a Stream", "for chunk in stream", "stream.atext()")

    def _read(self, *, everything: bool = False) -> Generator[Any, None, None]:
        """Return the generator of a `for` loop, which yields the events as well if `everything`."""
        warn_of_blocking(self.provider)
        self._begin()
        self._run.everything = everything
        running: Generator[Any, None, None] = self._iterate(self._run)
        self._running = weakref.ref(running)
        return running

    def _aread(self, *, everything: bool = False) -> AsyncGenerator[Any, None]:
        """Return the async generator of an `async for` loop, which yields the events as well if `everything`."""
        self._begin()
        self._run.everything = everything
        running: AsyncGenerator[Any, None] = self._aiterate(self._run)
        self._running = weakref.ref(running)
        self._kept = running if self._entered else None
        return running

    def text(self) -> str:
        """Read the stream to its end, and return the whole text of the answer."""
        return "".join(self)

    async def atext(self) -> str:
        """Do the same as `text`, in async."""
        async with self:
            return "".join([chunk async for chunk in self])

    def parsed(self) -> Any:
        """Return the value of an answer that is JSON; reads the stream to its end first if no loop has read it.

        The value is one of the class that was given as `response_format`, else plain JSON.  Raises
        `MalformedReplyError`, whose `.partial` is the text, if the text is not JSON or does not fit the class, and
        `UsageError` if the stream was not read to its end.
        """
        from .parsed import value_of  # noqa: PLC0415 - most answers are text

        text = self.text() if self._run.state == "new" else None
        return value_of(self._run, text)

    async def aparsed(self) -> Any:
        """Do the same as `parsed`, in async."""
        from .parsed import value_of  # noqa: PLC0415 - most answers are text

        text = await self.atext() if self._run.state == "new" else None
        return value_of(self._run, text)

    def partials(self) -> "Partials":
        """Return the values of an answer that is JSON while it comes, for a `for` or an `async for` loop.

        Raises `OptionError` if neither jiter nor pydantic is installed.
        """
        from .parsed import Partials  # noqa: PLC0415 - most answers are text

        return Partials(self)

    def close(self) -> None:
        """End a `for` loop and close its connection; do nothing if the stream has ended.

        Another thread may call this; the loop then raises `StreamClosedError`.  Raises `TypeError` if an `async for`
        reads the stream: call `aclose()` then.
        """
        running = self._running() if self._running is not None else None
        if isinstance(running, AsyncGeneratorType):
            raise TypeError("this stream is read with `async for`; close it with `async with` or `await aclose()`")
        self._end(running)

    async def aclose(self) -> None:
        """End an `async for` loop (or a `for` loop) and close its connection; do nothing if the stream has ended.

        Another task may call this; the loop then raises `StreamClosedError`.
        """
        running = self._running() if self._running is not None else None
        self._kept = None
        if isinstance(running, AsyncGeneratorType):
            if running.ag_running or self._is_read_elsewhere():
                self._run.abort()
                return
            await running.aclose()
            running = None
        self._end(running)

    def _is_read_elsewhere(self) -> bool:
        """Return whether another thread or task is in the loop, or the loop's first step is still to come.

        If the generator were closed now, that loop would end as if the answer were complete.  `abort` ends the next
        wait in the generator by an error instead, and the error ends the generator.
        """
        reader: Any = self._run.reader
        if self._run.state != "streaming" or reader is None:
            return self._run.state == "streaming"
        if isinstance(reader, int):
            return reader != get_ident()
        return reader != running_task() and (task := reader()) is not None and not has_ended(task)

    def _end(self, running: "GeneratorType[str, None, None] | None") -> None:
        """End the generator of a `for` loop, if there is one, and the stream."""
        if running is not None and self._is_read_elsewhere():
            self._run.abort()
            return
        try:
            if running is not None:
                running.close()
        # "generator already executing": a signal handler or another thread closes the stream while the generator runs.
        except ValueError:
            self._run.abort()
        else:
            self._run.end("closed")

    def _check_owner(self) -> None:
        """Raise `UsageError` if the stream is that of an `Answer`, which has not begun to read it."""
        if self._owned:
            raise UsageError(
                "this stream is a round of a conversation's answer, which calls the tools and keeps the history; read "
                "the answer: `for chunk in chat.say(...)`",
                provider=self.provider,
            )

    def __enter__(self) -> "Stream":
        self._check_owner()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> "Stream":
        self._check_owner()
        self._entered = True
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        size = len(self.partial)
        return f"<Stream of {self.provider}, model {self.model}: {self._run.state}, {size} characters>"

    def _begin(self) -> None:
        """Note that a loop begins.  Raises `StreamConsumed` if a loop has begun before or the stream is closed."""
        self._check_owner()
        if self._run.state != "new":
            raise StreamConsumed("a stream is read once; call stream() again for a new answer", provider=self.provider)
        self._run.state = "streaming"
        if observers := all_observers(self._run.observers):
            from .observed import Watch  # noqa: PLC0415 - most programs have no observer

            self._run.watch = Watch(observers, self._run.call)


name_by_package(Events, Stream)
