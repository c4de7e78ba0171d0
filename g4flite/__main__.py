"""The program `g4flite`, which is also `python -m g4flite`: its commands, in the order in which --help lists them.

Each app has a function `add`, which adds its command to the parser.  An app knows `cli`, which holds what the commands
share, and no other app.  Nothing but this file knows them all.
"""

import sys
from collections.abc import Sequence

from .apps import chat, check, cli, emulate, gateway, guides, probe, vendor
from .apps.batch import command as batch


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line, `sys.argv[1:]` for None, and return its exit code.

    Raises `SystemExit` after --help and --version, and if a command ends with an exit code of its own.
    """
    adds = (cli.add, emulate.add, chat.add, batch.add, gateway.add, probe.add, check.add, guides.add, vendor.add)
    return cli.run(adds, argv)


if __name__ == "__main__":
    sys.exit(main())
