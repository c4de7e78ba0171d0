"""`Shared`: what processes on one machine share of a service's limits: three numbers in a file, under a lock.

    shared = Shared(Path("/tmp/limits"))
    with shared.hold(limiter):              # no other process reads or writes them meanwhile
        wait = limiter.begin(time.time(), 300)

The numbers are times of the system's clock, `Limiter.due`.  A lock of the operating system ends with its process, also
by kill -9.
"""

import math
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ... import OptionError
from .limits import Limiter

FORM: Final = struct.Struct("<3d")
# The most seconds for which a number may lie ahead, unless the limiter itself puts its calls that far apart.  If it
# lies further ahead, the system's clock has been set back.
AHEAD: Final = 2 * 3600.0


class Shared:
    """The numbers of a file, which is made if it is missing.  Raises `OptionError` if that is impossible."""

    def __init__(self, path: Path) -> None:
        try:
            import fcntl  # noqa: PLC0415 - Windows has none
        except ImportError:
            raise OptionError("processes cannot share their limits on this system") from None
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        except OSError as error:
            raise OptionError(f"the limits cannot be shared by a file: {error}") from None
        self._lock = fcntl.flock
        self._exclusive, self._free = fcntl.LOCK_EX, fcntl.LOCK_UN

    @contextmanager
    def hold(self, limiter: Limiter) -> Iterator[None]:
        """Inside the `with`, the limiter knows what all processes have noted; then they know what it has noted."""
        self._lock(self._file, self._exclusive)
        try:
            data = os.pread(self._file, FORM.size, 0)
            if len(data) == FORM.size:
                latest = time.time() + max(AHEAD, limiter.ahead)
                pause, call, token = (due if due <= latest else -math.inf for due in FORM.unpack(data))
                limiter.due = (pause, call, token)
            before = limiter.due
            yield
            if limiter.due != before:
                os.pwrite(self._file, FORM.pack(*limiter.due), 0)
        finally:
            self._lock(self._file, self._free)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)
