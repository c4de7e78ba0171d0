"""Requests as they come to an emulator, one after another.

    answering(server, Script(status=503), Script(body="hello"))         # the first request fails, all others succeed
    Thread(target=lambda: (arrived(server), stream.close())).start()    # close while the stream waits for a response

`server.exchanges` holds each request that has come.
"""

import time

from g4flite.testing import Emulator, Exchange, Script


def answering(server: Emulator, *scripts: Script) -> None:
    """Make the server answer each request by the next script, and all further requests by the last."""

    class Exchanges(list[Exchange]):
        def append(self, exchange: Exchange) -> None:
            super().append(exchange)
            server.script = scripts[min(len(self), len(scripts) - 1)]

    server.script, server.exchanges = scripts[0], Exchanges()


def arrived(server: Emulator, before: int = 0) -> None:
    """Wait until more requests than `before` have come, and the last client, most likely, waits for its response."""
    until = time.monotonic() + 30
    while len(server.exchanges) <= before:
        assert time.monotonic() < until, "no request has come"
        # No event tells of a request that is not answered yet.
        time.sleep(0.005)
    time.sleep(0.05)
