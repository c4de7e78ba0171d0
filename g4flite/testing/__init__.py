"""For your own tests: a server that speaks every provider's protocol, and replies that were recorded.

with Emulator(reply=lambda messages: "Hello to you") as e:
    ...                                     # point a client at e.url
    e.script = Script(split=1, cut=5)       # the next reply: one byte a chunk, cut off after five
    print(e.exchanges[-1].problem)          # why the last request was refused, None if it was not
    # What any service but the four retired ones can say:
    e.reply = lambda messages: [Reasoning("Hm"), "Sunny", ToolCall("", "weather", '{"city": "Oslo"}')]
    # What some can say: images, sources, and tools that the service runs itself
    e.reply = lambda messages: [Media("image/png", data), "Snow", Citation("Snow", "https://a.test", "News", 0, 4)]

with httpx.Client(transport=record("sky.txt")) as client:       # or httpx.AsyncClient
    stream("openai", "Why is the sky blue?", model="gpt-4o-mini", client=client).text()
with httpx.Client(transport=replay("sky.txt")) as client:       # the same bytes in the same pieces, faults included
    stream("openai", "Why is the sky blue?", model="gpt-4o-mini", client=client, api_key="none").text()

observe(flight("flights"))              # in production: each stream that fails becomes such a file

The file is text, without any key, cookie or password.  pytest finds the fixtures `emulator` and `recorded` in `plugin`.
A name is imported when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .._core.events import (
        Citation,
        Finish,
        Media,
        Reasoning,
        ServerToolCall,
        ServerToolResult,
        Start,
        ToolCall,
        Usage,
    )
    from ..server.pieces import Hidden, Problem
    from .emulator import Emulator
    from .exchange import Exchange
    from .flight_recorder import Flight, flight
    from .recorder import Recorder, record
    from .replayer import NotRecorded, Replayer, replay
    from .replies import ReplyFunction
    from .script import Script

__all__ = [
    "Citation", "Emulator", "Exchange", "Finish", "Flight", "Hidden", "Media", "NotRecorded", "Problem", "Reasoning",
    "Recorder", "Replayer", "ReplyFunction", "Script", "ServerToolCall", "ServerToolResult", "Start", "ToolCall",
    "Usage", "flight", "record", "replay",
]  # fmt: skip

# The module of each name.
_HOME = {
    **dict.fromkeys(("Citation", "Finish", "Media", "Reasoning", "ServerToolCall", "ServerToolResult", "Start",
                     "ToolCall", "Usage"), ".._core.events"),
    "Hidden": "..server.pieces", "Problem": "..server.pieces", "ReplyFunction": ".replies",
    "Emulator": ".emulator", "Exchange": ".exchange", "Script": ".script",
    "Flight": ".flight_recorder", "flight": ".flight_recorder",
    "Recorder": ".recorder", "record": ".recorder",
    "NotRecorded": ".replayer", "Replayer": ".replayer", "replay": ".replayer",
}  # fmt: skip


# Hidden from type checkers, which would take a misspelt name for one that it returns.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_HOME[name], __name__), name)
