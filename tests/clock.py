"""A clock that the test puts forward, in place of the clock of the timers.

    clock = stream._run.timers._clock = Clock()
    for chunk in stream:
        clock.now += 60         # seconds: the loop is busy for a minute

No time passes by itself.
"""


class Clock:
    """A function that returns `now`, which only the test changes."""

    now = 100.0

    def __call__(self) -> float:
        return self.now
