"""For tests of one's own code: real replies, recorded once and replayed without a network.

with httpx.Client(transport=record("sky.txt")) as client:       # or httpx.AsyncClient
    stream("openai", "Why is the sky blue?", model="gpt-4o-mini", client=client).text()
with httpx.Client(transport=replay("sky.txt")) as client:       # the same bytes in the same pieces, faults included
    stream("openai", "Why is the sky blue?", model="gpt-4o-mini", client=client, api_key="none").text()

The file is text; no key, cookie or password goes into it.  For pytest there are the fixtures `emulator` and `recorded`:
see `testing_plugin`.
"""

import math
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from .recordings import NotRecorded, Recorder, Replayer

if TYPE_CHECKING:
    from .testing_plugin import emulator, recorded

__all__ = ["NotRecorded", "Recorder", "Replayer", "emulator", "record", "recorded", "replay"]


def record(
    path: str | PathLike[str], transport: httpx.BaseTransport | httpx.AsyncBaseTransport | None = None
) -> Recorder:
    """A transport, sync and async, that writes what comes over `transport` (httpx's own if None) into a text file.

    The file is written anew, as a whole, whenever a reply has ended, its folder made where it lacks; where nothing but
    failures came, a file that is there stays.  Replies are asked for without compression, so that it can be read.
    """
    return Recorder(Path(path), transport)


def replay(path: str | PathLike[str], *, speed: float = math.inf) -> Replayer:
    """A transport, sync and async, that answers from such a file, with each of its replies once.

    A request is answered by the first reply left to one of the same method, path, and names in the query and the JSON
    body, or by that to one of the very same URL and body where there is any.  Hosts, headers and values may differ, as
    ports, keys and signatures do.

    `speed` 1 is that of the recording, 2 twice as fast, infinity at once.  A pause that is longer than the reader's
    time-out ends in its error.

    Raises `NotRecorded` where there is no such file, and where a request finds no reply; `ValueError` for a file that
    is no recording, and for a speed that is not positive.
    """
    return Replayer(Path(path), speed)


def __getattr__(name: str) -> object:
    if name not in ("emulator", "recorded"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import testing_plugin  # noqa: PLC0415 - pytest is needed for the fixtures alone

    return getattr(testing_plugin, name)
