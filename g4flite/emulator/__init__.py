"""The other side of the wire: a strict server for demos and tests, on a real socket of this machine.

with Emulator(reply=lambda messages: "Hello to you") as e:
    ...                                     # point a client at e.url
    e.script = Script(split=1, cut=5)       # the next reply: a byte a chunk, and it breaks off after five
    print(e.exchanges[-1].problem)          # why the last request was refused, None if it was not
    e.reply = lambda messages: [Think("Hm"), "Sunny", Call("weather", {"city": "Oslo"})]  # not for the retired four
"""

from ._exchange import Exchange
from ._script import Script
from ._server import Emulator
from ._speech import Call, Problem, Stop, Think

__all__ = ["Call", "Emulator", "Exchange", "Problem", "Script", "Stop", "Think"]
