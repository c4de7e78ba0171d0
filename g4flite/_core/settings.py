"""`Timeout`: the four timers, as a setting."""

from dataclasses import dataclass, fields

from .errors import OptionError


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeout:
    """The four timers, in seconds; None switches one off.  Raises `OptionError` for what is no positive number.

    - `connect`: until a connection stands, TLS included.  In sync, looking a name up has no limit, and each of its
      addresses is given the time anew.
    - `first_token`: from the first byte of the request to the first text.
    - `idle`: between two texts; bytes that carry none do not count, nor does the time that the loop takes.
    - `total`: from the first socket to the end, with all retries and fallbacks.
    """

    connect: float | None = 10.0
    first_token: float | None = 60.0
    idle: float | None = 60.0
    total: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            seconds = getattr(self, field.name)
            if seconds is None:
                continue
            if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= 1e9:
                raise OptionError(f"timeout: {field.name} is a positive number of seconds or None, not {seconds!r}")


def as_timeout(timeout: "Timeout | float | None") -> Timeout:
    """A number means `total`, None the default."""
    if isinstance(timeout, Timeout):
        return timeout
    return DEFAULT if timeout is None else Timeout(total=timeout)


DEFAULT = Timeout()
