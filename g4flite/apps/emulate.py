"""The command `emulate`: serves the built-in providers on this machine, until Ctrl-C.

g4flite emulate --log --slow 0.05 --reasoning --tools
POST /api/chat -> 200 in 0.4 s: ollama, model any, 'Hello'
"""

import argparse
import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .. import G4fliteError, UsageError
from .cli import CONTROL, program

if TYPE_CHECKING:
    from ..testing import Exchange
    from ..testing.replies import ReplyFunction

# Characters of the last message in a line of the log.
SHOWN = 60


def add(commands: Any) -> None:
    """Add the command `emulate`."""
    text = "serve the built-in providers on this machine until Ctrl-C; the first line printed is the URL"
    command = commands.add_parser("emulate", help=text, description=text, epilog="example:\n  %(prog)s --port 8765")
    command.set_defaults(run=emulate)
    command.add_argument("--host", metavar="HOST", default="127.0.0.1", help="default: %(default)s")
    command.add_argument("--port", metavar="PORT", type=int, default=0, help="default: a free port")
    command.add_argument("--log", action="store_true", help="print a line for each request")
    command.add_argument("--slow", metavar="SECONDS", type=float, default=0.0, help="wait between the chunks")
    command.add_argument("--fail", metavar="KIND", help="answer with this error: rate_limit, overloaded, ...")
    command.add_argument("--cut", metavar="BYTES", type=int, help="close the connection after so much of the reply")
    command.add_argument("--no-keys", action="store_true", help="demand no key, as servers of one's own do")
    command.add_argument("--reasoning", action="store_true", help="reason before the answer")
    command.add_argument(
        "--tools", action="store_true", help="call the tool weather, and answer once its result has come"
    )


def emulate(arguments: argparse.Namespace) -> None:
    """Print the URL and a command to try, then serve until Ctrl-C.

    Raises `G4fliteError` if the port is in use, `UsageError` if there can be no such host or port, and for a flag whose
    value makes no sense.
    """
    # No other command needs a server: --help should not wait for this import.
    from ..testing import Emulator, Script  # noqa: PLC0415

    try:
        script = Script(wait=arguments.slow, cut=arguments.cut, problem=arguments.fail)
    except ValueError as error:
        raise UsageError(f"wrong --slow, --cut or --fail: {error}") from error
    reply, log = replier(reasoning=arguments.reasoning, tools=arguments.tools), log_line if arguments.log else None
    place: dict[str, Any] = {"host": arguments.host, "port": arguments.port}
    emulator = Emulator(reply, script=script, keys=not arguments.no_keys, log=log, **place)
    try:
        emulator.start()
    except (OSError, OverflowError, TypeError) as error:
        # OverflowError: there is no such port.  TypeError: the host cannot be encoded.
        kind = G4fliteError if isinstance(error, OSError) else UsageError
        where = f"{arguments.host}:{arguments.port}"
        raise kind(f"could not listen on {where}: {error}; choose another --host or --port") from error
    with emulator:
        # The retired services know no errors, no reasoning and no tools.
        richer = arguments.fail or arguments.reasoning or arguments.tools
        asked = 'ollama "Hello" -m any' if richer else 'cromicle "Hello"'
        command = f"{program()} stream {asked} --base-url {emulator.url}"
        print(f"{emulator.url}\nCtrl-C ends it.  To try it, in another shell:\n  {command}", flush=True)
        emulator.serve_forever()


def replier(*, reasoning: bool, tools: bool) -> "ReplyFunction":
    """Return the reply function: it says what it was told, after some reasoning, and after a tool call if asked to."""
    from ..testing import Reasoning, ToolCall  # noqa: PLC0415 - see `emulate`
    from ..testing.emulator import echo  # noqa: PLC0415

    def reply(messages: list[dict[str, Any]]) -> Iterator[str | Reasoning | ToolCall]:
        if reasoning:
            yield from map(Reasoning, ("Let me", " think", " about it."))
        if tools and messages[-1]["role"] != "tool":
            yield ToolCall("", "weather", '{"city": "Oslo"}')
        else:
            yield from re.findall(r"\s*\S+|\s+", echo(messages))

    return reply


def log_line(exchange: "Exchange") -> None:
    """Print one line for a request that has ended; it holds no header and no query, where a key may be."""
    words = [
        f"{exchange.method} {exchange.path.partition('?')[0]} -> {exchange.status or 'nothing'}",
        f"in {time.monotonic() - exchange.started:.1f} s:",
        ", ".join(filter(None, told(exchange))),
    ]
    print(" ".join(" ".join(words).translate(CONTROL).split()), flush=True)


def told(exchange: "Exchange") -> Iterator[str]:
    """Yield what a line of the log says of a request; what does not apply is empty."""
    yield exchange.service or "no service"
    yield f"model {exchange.model}" if exchange.model else ""
    if exchange.messages:
        from ..server.conversation import text_of  # noqa: PLC0415 - see `emulate`

        yield f"{text_of(exchange.messages[-1])[:SHOWN]!r}"
    yield exchange.problem or ""
    yield "the client left" if exchange.disconnected.is_set() else ""
