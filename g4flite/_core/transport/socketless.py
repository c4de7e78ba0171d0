"""Transports without a socket: how the timers bound an ASGI application, a mock, or any transport that shows no socket.

`deadlines` reaches each read of a socket; here is nothing to reach.  In async, a cancel scope goes around one awaited
read, never around a `yield`, so that it cancels nothing of the caller's.  In sync nothing can end a call that is under
way: the timers are asked before and after it.

    seconds = begin(timers)                             # before the request is sent; see also `deadlines.Awaiting`
    async for data in AsyncTimed(body, timers): ...
    for data in timed(body, timers): ...
"""

from collections.abc import AsyncIterator, Iterator
from typing import Final

import anyio

from ..response.reply import PIECE
from ..timers import Timers

# After so many reads in async, other tasks run, although the body may have waited in none.
READS: Final = 100


def begin(timers: Timers) -> float | None:
    """Start `first_token`, because nothing will tell when the request goes out; return the seconds left, None for none.

    If a socket shows itself after all, `deadlines.watch` goes back to before the connection.
    """
    timers.connected = True
    return timers.left()


class AsyncTimed:
    """The bytes of a body in async.  Raises the error of the timer that is over, and `StreamClosedError` if closed."""

    def __init__(self, body: AsyncIterator[bytes], timers: Timers) -> None:
        self.timers, self._body, self._scope = timers, body, anyio.CancelScope()
        # How many reads may follow at once, what is left of a large piece, and whether the stream was over at the last
        # look.
        self._at_once, self._over = READS, False
        self._slices: Iterator[bytes] = iter(())
        timers.connected = True
        timers.hold(self)

    def __aiter__(self) -> "AsyncTimed":
        return self

    async def __anext__(self) -> bytes:
        self._at_once -= 1
        if self._at_once < 0 and (piece := await self._look_around()) is not None:
            return piece
        # The stream has ended.  A further read ends the generators of the body, because it is cancelled if it waits.
        released = self.timers.waiting is not self
        with anyio.move_on_after(0 if released else self.timers.left()) as self._scope:
            piece = await anext(self._body)
            # A large piece takes long to decode.
            if len(piece) > PIECE:
                self._at_once, self._slices = 0, slices(piece)
                piece = next(self._slices)
            return piece
        if released:
            raise StopAsyncIteration
        self.timers.check()
        raise self.timers.expired()

    async def _look_around(self) -> bytes | None:
        """Let other tasks run, as the body may be ready always, and return the next slice of a large piece, if any.

        Raises `StopAsyncIteration` if the stream ended long ago: a body that never waits may be endless.
        """
        from anyio.lowlevel import checkpoint  # noqa: PLC0415 - slow to import, and of no use in sync

        await checkpoint()
        if (piece := next(self._slices, None)) is not None:
            self.timers.left()
            return piece
        if self._over:
            raise StopAsyncIteration
        self._at_once, self._over = READS, self.timers.waiting is not self
        return None

    def interrupt(self) -> None:
        self._scope.cancel()


def timed(body: Iterator[bytes], timers: Timers) -> Iterator[bytes]:
    """Yield the bytes of a body in sync.  Raises as `AsyncTimed` does, but only once a read that took too long ends."""
    begin(timers)
    timers.release()
    left = timers.left
    for data in body:
        # Before the text of a late read restarts the timer.
        left()
        if len(data) <= PIECE:
            yield data
        # A large piece takes long to decode.
        else:
            for piece in slices(data):
                left()
                yield piece
        left()


def slices(data: bytes) -> Iterator[bytes]:
    """Yield the bytes in pieces of at most 64 KiB."""
    return (data[start : start + PIECE] for start in range(0, len(data), PIECE))
