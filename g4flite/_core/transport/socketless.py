"""Transports without a socket: how the timers bound an ASGI application, a mock, or any transport that shows no socket.

`deadlines` reaches each read of a socket; here is nothing to reach.  In async, a cancel scope goes around one awaited
read, never around a `yield`, so that it cancels nothing of the caller's.  In sync nothing can end a call that is under
way: the timers are asked before and after it.

    seconds = begin(timers)                             # before the request is sent; see also `deadlines.Awaiting`
    async for data in AsyncTimed(body, timers): ...
    for data in timed(body, timers): ...
"""

from collections.abc import AsyncIterator, Iterator

import anyio

from ..timers import Timers


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
        timers.connected = True
        timers.hold(self)

    def __aiter__(self) -> "AsyncTimed":
        return self

    async def __anext__(self) -> bytes:
        # The stream has ended.  No more than one more step is given to the generators of the body, which ends them.
        released = self.timers.waiting is not self
        with anyio.move_on_after(0 if released else self.timers.left()) as self._scope:
            return await anext(self._body)
        if released:
            raise StopAsyncIteration
        self.timers.check()
        raise self.timers.expired()

    def interrupt(self) -> None:
        self._scope.cancel()


def timed(body: Iterator[bytes], timers: Timers) -> Iterator[bytes]:
    """Yield the bytes of a body in sync.  Raises as `AsyncTimed` does, but only once a read that took too long ends."""
    begin(timers)
    timers.release()
    for data in body:
        # Before the text of a late read restarts the timer.
        timers.left()
        yield data
        timers.left()
