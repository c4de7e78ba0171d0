"""The command `emulate`: serves the built-in providers on this machine, until Ctrl-C.

g4flite emulate --log --slow 0.05 --reasoning
POST /api/chat -> 200 in 0.4 s: ollama, model any, 'Hello'
"""

import argparse
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .. import G4fliteError, UsageError
from .cli import CONTROL, program

if TYPE_CHECKING:
    from ..testing import Exchange, Reasoning

# Characters of the last message in a line of the log.
SHOWN = 60


def add(commands: Any) -> None:
    """Add the command `emulate`."""
    text = (
        "serve the built-in providers on this machine until Ctrl-C; the first line printed is the URL.  The answer "
        "repeats what was said, or calls the first tool that the request declares"
    )
    command = commands.add_parser("emulate", help=text, description=text, epilog="example:\n  %(prog)s --port 8765")
    command.set_defaults(run=emulate)
    command.add_argument("--host", metavar="HOST", default="127.0.0.1", help="default: %(default)s")
    command.add_argument("--port", metavar="PORT", type=int, default=0, help="default: a free port")
    command.add_argument("--log", action="store_true", help="print a line for each request")
    command.add_argument("--slow", metavar="SECONDS", type=float, default=0.0, help="wait between the chunks")
    command.add_argument("--fail", metavar="KIND", help="answer with this error: rate_limit, overloaded, ...")
    command.add_argument("--cut", metavar="BYTES", type=int, help="close the connection after so much of the reply")
    command.add_argument("--no-keys", action="store_true", help="demand no key, as servers of one's own do")
    command.add_argument(
        "--reasoning", action="store_true", help="reason before the answer, but in Chat, which shows no reasoning"
    )
    # For those who look for it: `emulate` says that there is no need.
    command.add_argument("--tools", action="store_true", help=argparse.SUPPRESS)


def emulate(arguments: argparse.Namespace) -> None:
    """Print the URL and a command to try, then serve until Ctrl-C.

    Raises `G4fliteError` if the port is in use, `UsageError` if there can be no such host or port, and for a flag whose
    value makes no sense.
    """
    if arguments.tools:
        raise UsageError(
            "there is no flag --tools: a request that declares tools is answered by a call of the first one anyway, "
            'and by text with the tool_choice "none"; leave it out'
        )
    # No other command needs a server: --help should not wait for this import.
    from ..testing import Emulator, Script  # noqa: PLC0415
    from ..testing.replies import echo  # noqa: PLC0415

    script = Script(tools=True)
    for flag, name in (("--slow", "wait"), ("--cut", "cut"), ("--fail", "problem")):
        try:
            script = replace(script, **{name: getattr(arguments, flag[2:])})
        except ValueError as error:
            # Without the names of the fields.
            raise UsageError(f"{flag}: {str(error).partition(': ')[2]}") from error
    log = log_line if arguments.log else None
    place: dict[str, Any] = {"host": arguments.host, "port": arguments.port}
    reply = thoughtful if arguments.reasoning else echo
    emulator = Emulator(reply, script=script, keys=not arguments.no_keys, log=log, **place)
    try:
        emulator.start()
    except (OSError, OverflowError, TypeError) as error:
        # OverflowError: there is no such port.  TypeError: the host cannot be encoded.
        kind = G4fliteError if isinstance(error, OSError) else UsageError
        where = f"{arguments.host}:{arguments.port}"
        raise kind(f"could not listen on {where}: {error}; choose another --host or --port") from error
    with emulator:
        # The retired services know no errors and no reasoning.
        richer = arguments.fail or arguments.reasoning
        asked = 'ollama "Hello" -m any' if richer else 'cromicle "Hello"'
        command = f"{program()} stream {asked} --base-url {emulator.url}"
        print(f"{emulator.url}\nCtrl-C ends it.  To try it, in another shell:\n  {command}", flush=True)
        emulator.serve_forever()


def thoughtful(messages: list[dict[str, Any]]) -> "Iterator[str | Reasoning]":
    """Yield some reasoning, and then what the emulator says by itself."""
    from ..testing import Reasoning  # noqa: PLC0415 - see `emulate`
    from ..testing.replies import echo  # noqa: PLC0415

    yield from map(Reasoning, ("Let me", " think", " about it."))
    yield from re.findall(r"\s*\S+|\s+", echo(messages))


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
