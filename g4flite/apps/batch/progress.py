"""How far a job is: one line, behind a bar if rich is installed and standard error is a terminal.

    1,200 of 5,000 rows, 3 failed, 41.2 a second, 310,000 tokens, $0.12, 1:32 left

Without a terminal, the line comes every ten seconds.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Final, NamedTuple

# Seconds between two lines, on a terminal and elsewhere.
TERMINAL: Final = 0.2
ELSEWHERE: Final = 10.0


class Progress(NamedTuple):
    """How far a job is.  `total` is None if nobody knows; `done` are the rows of earlier runs, `now` those of this."""

    done: int
    now: int
    failed: int
    total: int | None
    seconds: float
    tokens: float
    cost: float


def line(progress: Progress) -> str:
    """Return the progress as a line."""
    rows, rate = progress.done + progress.now, progress.now / max(progress.seconds, 0.001)
    parts = [f"{rows:,} of {progress.total:,} rows" if progress.total is not None else f"{rows:,} rows"]
    parts += [f"{progress.failed:,} failed"] if progress.failed else []
    parts += [f"{rate:,.1f} a second", f"{progress.tokens:,.0f} tokens"]
    parts += [f"${progress.cost:,.2f}"] if progress.cost else []
    if progress.total is not None and progress.now:
        parts.append(f"{clock(max(0, progress.total - rows) / rate)} left")
    return ", ".join(parts)


def clock(seconds: float) -> str:
    """Return a time as `1:32`, or `2:01:32` from an hour on."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@contextmanager
def shown(*, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """Inside the `with`, show what the function is given, but not more often than it can be read."""
    terminal = bool(sys.stderr and sys.stderr.isatty())
    if quiet or not sys.stderr:
        yield lambda _: None
    elif terminal and find_spec("rich") is not None:
        with bar() as show:
            yield now_and_then(show, TERMINAL)
    elif terminal:
        # Goes to the beginning of the line, and clears what is behind the text.
        yield now_and_then(lambda one: print(f"\r{line(one)}\x1b[K", end="", file=sys.stderr, flush=True), TERMINAL)
        print(file=sys.stderr)
    else:
        yield now_and_then(lambda one: print(line(one), file=sys.stderr, flush=True), ELSEWHERE)


@contextmanager
def bar() -> Iterator[Callable[[Progress], None]]:
    """Inside the `with`, show a bar of rich."""
    from rich.console import Console  # noqa: PLC0415 - not needed without a terminal
    from rich.progress import BarColumn, TextColumn  # noqa: PLC0415
    from rich.progress import Progress as Bar  # noqa: PLC0415

    with Bar(BarColumn(20), TextColumn("{task.description}"), console=Console(stderr=True)) as shown_bar:
        task = shown_bar.add_task("", total=None)
        yield lambda one: shown_bar.update(task, total=one.total, completed=one.done + one.now, description=line(one))


def now_and_then(show: Callable[[Progress], None], seconds: float) -> Callable[[Progress], None]:
    """Return a function that calls `show` unless it has done so in the last seconds."""
    due = time.monotonic() + seconds

    def maybe(progress: Progress) -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + seconds
            show(progress)

    return maybe
