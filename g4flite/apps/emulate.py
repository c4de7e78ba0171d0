"""The command `emulate`: serves the built-in providers on this machine, until Ctrl-C."""

import argparse
from typing import Any

from .. import G4fliteError, UsageError
from .cli import program


def add(commands: Any) -> None:
    """Add the command `emulate`."""
    text = "serve the built-in providers on this machine until Ctrl-C; the first line printed is the URL"
    command = commands.add_parser("emulate", help=text, description=text, epilog="example:\n  %(prog)s --port 8765")
    command.set_defaults(run=emulate)
    command.add_argument("--host", metavar="HOST", default="127.0.0.1", help="default: %(default)s")
    command.add_argument("--port", metavar="PORT", type=int, default=0, help="default: a free port")


def emulate(arguments: argparse.Namespace) -> None:
    """Print the URL and a command to try, then serve until Ctrl-C.

    Raises `G4fliteError` if the port is in use, `UsageError` if there can be no such host or port.
    """
    # No other command needs a server: --help should not wait for this import.
    from ..testing import Emulator  # noqa: PLC0415

    emulator = Emulator(host=arguments.host, port=arguments.port)
    try:
        emulator.start()
    except (OSError, OverflowError, TypeError) as error:
        # OverflowError: there is no such port.  TypeError: the host cannot be encoded.
        kind = G4fliteError if isinstance(error, OSError) else UsageError
        place = f"{arguments.host}:{arguments.port}"
        raise kind(f"could not listen on {place}: {error}; choose another --host or --port") from error
    with emulator:
        command = f'{program()} stream cromicle "Hello" --base-url {emulator.url}'
        print(f"{emulator.url}\nCtrl-C ends it.  To try it, in another shell:\n  {command}", flush=True)
        emulator.serve_forever()
