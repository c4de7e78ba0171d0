"""`Stream`: the answer to one call.  One lazy object, two protocols."""

import time
import weakref
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass, field
from types import AsyncGeneratorType, GeneratorType, TracebackType
from typing import TYPE_CHECKING, Any, Literal

from ._errors import G4fliteError, StreamConsumed
from ._spec import Call

if TYPE_CHECKING:
    from ._pool import Source


@dataclass(slots=True)
class Progress:
    """How far a stream has come: written by its driver, read by the `Stream`."""

    provider: str
    texts: list[str] = field(default_factory=list)
    state: Literal["new", "streaming", "complete", "failed", "closed"] = "new"

    @property
    def partial(self) -> str:
        """The text delivered so far."""
        if len(self.texts) > 1:
            self.texts[:] = ["".join(self.texts)]
        return self.texts[0] if self.texts else ""

    def fail(self, error: G4fliteError) -> None:
        """Marks the stream as failed, and writes on the error what only the stream knows."""
        self.state = "failed"
        error.provider = error.provider or self.provider
        error.partial = self.partial

    def leave(self) -> None:
        """Marks the stream as closed where it came to no end of its own."""
        if self.state == "streaming":
            self.state = "closed"


class Stream:
    """The answer to one call: iterate over it once, with `for` or with `async for`, for its chunks of text (str).

    Nothing is sent before the iteration begins.  Leaving the loop closes the connection: at once in `for`; in
    `async for` when the enclosing `async with` ends, or when the event loop finalises the generator.  While it runs
    and afterwards, `provider` and `model` (str, None where the service has no choice of models) say who answers, and
    `partial` is the text delivered so far.

    Iterating raises `StreamConsumed` the second time, `TypeError` with a client of the wrong colour, and every
    `G4fliteError` that the service or the network gives cause for.
    """

    def __init__(self, call: Call, source: "Source", timeout: float | None) -> None:
        self.provider = call.provider.name
        self.model = call.model
        self._call = call
        self._source = source
        self._timeout = timeout
        self._progress = Progress(call.provider.name)
        self._running: weakref.ref[Any] | None = None  # weak, so that `break` alone frees the generator
        self._kept: AsyncGenerator[str, None] | None = None  # strong inside `async with`, which closes it
        self._entered = False

    def __iter__(self) -> Generator[str, None, None]:
        from ._drivers import iterate  # noqa: PLC0415 - httpx is imported with the first call
        from ._engine import exchange  # noqa: PLC0415

        self._begin()
        running = iterate(exchange(self._call, now_ms), self._source, self._progress, self._timeout)
        self._running = weakref.ref(running)
        return running

    def __aiter__(self) -> AsyncGenerator[str, None]:
        from ._drivers import aiterate  # noqa: PLC0415 - httpx is imported with the first call
        from ._engine import exchange  # noqa: PLC0415

        self._begin()
        running = aiterate(exchange(self._call, now_ms), self._source, self._progress, self._timeout)
        self._running = weakref.ref(running)
        self._kept = running if self._entered else None
        return running

    def text(self) -> str:
        """The whole answer, read to its end."""
        return "".join(self)

    async def atext(self) -> str:
        """The whole answer, read to its end."""
        async with self:
            return "".join([chunk async for chunk in self])

    @property
    def partial(self) -> str:
        """The text delivered so far."""
        return self._progress.partial

    def close(self) -> None:
        """Ends a `for` and closes its connection.  Does nothing to a stream that has ended."""
        running = self._left()
        if isinstance(running, AsyncGeneratorType):
            raise TypeError("this stream is read with `async for`; close it with `async with` or `await aclose()`")
        if running is not None:
            running.close()
        self._progress.leave()

    async def aclose(self) -> None:
        """Ends an `async for` (or a `for`) and closes its connection.  Does nothing to a stream that has ended."""
        running = self._left()
        self._kept = None
        if isinstance(running, AsyncGeneratorType):
            await running.aclose()
        elif running is not None:
            running.close()
        self._progress.leave()

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
        progress = self._progress
        size = sum(map(len, progress.texts))
        return f"<Stream of {self.provider}, model {self.model}: {progress.state}, {size} characters>"

    def _begin(self) -> None:
        if self._progress.state != "new":
            raise StreamConsumed("a stream is read once; call stream() again for a new answer", provider=self.provider)
        self._progress.state = "streaming"

    def _left(self) -> "GeneratorType[str, None, None] | AsyncGeneratorType[str, None] | None":
        if self._progress.state == "new":
            self._progress.state = "closed"
        return self._running() if self._running is not None else None


def now_ms() -> int:
    """Unix time in milliseconds."""
    return time.time_ns() // 1_000_000
