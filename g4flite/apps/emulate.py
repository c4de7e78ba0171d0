"""`emulate`: serves the built-in providers on this machine, until Ctrl-C."""

import argparse
from typing import Any

from .._core.errors import G4fliteError, UsageError
from .cli import program


def add(commands: Any) -> None:
    """Adds the command."""
    text = "serve the built-in providers on this machine until Ctrl-C; the first line printed is the URL"
    command = commands.add_parser("emulate", help=text, description=text, epilog="example:\n  %(prog)s --port 8765")
    command.set_defaults(run=emulate)
    command.add_argument("--host", metavar="HOST", default="127.0.0.1", help="default: %(default)s")
    command.add_argument("--port", metavar="PORT", type=int, default=0, help="default: a free one")


def emulate(arguments: argparse.Namespace) -> None:
    """Serves until Ctrl-C, after printing the URL and a command to try.  Raises `G4fliteError`: the port is in use."""
    from ..testing import Emulator  # noqa: PLC0415 - no other command needs a server

    emulator = Emulator(host=arguments.host, port=arguments.port)
    try:
        emulator.start()
    except (OSError, OverflowError, TypeError) as error:  # the last two: a port, a host that cannot be one
        kind = G4fliteError if isinstance(error, OSError) else UsageError
        place = f"{arguments.host}:{arguments.port}"
        raise kind(f"could not listen on {place}: {error}; choose another --host or --port") from error
    with emulator:
        command = f'{program()} stream cromicle "Hello" --base-url {emulator.url}'
        print(f"{emulator.url}\nCtrl-C ends it.  To try it, in another shell:\n  {command}", flush=True)
        emulator.serve_forever()
