"""A server that lets nobody in: a queue of new connections that is full.

with full_queue() as url:                       # "http://127.0.0.1:41234"
    g4flite.stream("cromicle", "Hi", base_url=url).text()       # waits for the connection, for minutes
"""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def full_queue() -> Iterator[str]:
    """Yield the URL of a server whose queue of new connections is full: connecting to it takes minutes."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        # The kernel fills the queue.
        time.sleep(0.05)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        for one in waiting:
            one.close()
