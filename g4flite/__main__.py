"""The command line: `python -m` and the name of this package."""

import sys

from .apps.cli import main

if __name__ == "__main__":
    sys.exit(main())
