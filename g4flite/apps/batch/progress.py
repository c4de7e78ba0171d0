"""How far a job is: one line, behind a bar if rich is installed and standard error is a terminal.

    1,200 of 5,000 rows, 3 failed, 41.2 a second, 310,000 tokens, $0.12, 6:30 left, waits 4:58 for the service

Without a terminal, the line comes every ten seconds.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Final, NamedTuple

# Seconds between two lines, on a terminal and elsewhere.
TERMINAL: Final = 0.2
ELSEWHERE: Final = 10.0


class Progress(NamedTuple):
    """How far a job is.  `total` is None if nobody knows; `done` are the rows of earlier runs, `now` those of this.

    `waits` are the seconds of a pause after a refusal: until then nothing is asked.
    """

    done: int
    now: int
    failed: int
    total: int | None
    seconds: float
    tokens: float
    cost: float
    waits: float = 0.0


def line(progress: Progress) -> str:
    """Return the progress as a line."""
    rows, rate = progress.done + progress.now, progress.now / max(progress.seconds, 0.001)
    parts = [f"{rows:,} of {progress.total:,} rows" if progress.total is not None else f"{rows:,} rows"]
    parts += [f"{progress.failed:,} failed"] if progress.failed else []
    parts += [f"{rate:,.1f} a second", f"{progress.tokens:,.0f} tokens"]
    parts += [f"${progress.cost:,.2f}"] if progress.cost else []
    if progress.total is not None and progress.now:
        parts.append(f"{clock(max(0, progress.total - rows) / rate + progress.waits)} left")
    parts += [f"waits {clock(progress.waits)} for the service"] if progress.waits >= 1 else []
    return ", ".join(parts)


def clock(seconds: float) -> str:
    """Return a time as `1:32`, or `2:01:32` from an hour on."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@contextmanager
def shown(state: Callable[[], Progress], *, quiet: bool) -> Iterator[None]:
    """Inside the `with`, a thread shows what `state` returns, as often as it can be read.

    A thread, so that the line goes on also while no result comes.
    """
    terminal = bool(sys.stderr and sys.stderr.isatty())
    if quiet or not sys.stderr:
        yield
    elif terminal and find_spec("rich") is not None:
        with bar() as show:
            with repeated(lambda: show(state()), TERMINAL):
                yield
            show(state())
    elif terminal:
        # Goes to the beginning of the line, and clears what is behind the text.
        with repeated(lambda: tell(f"\r{line(state())}\x1b[K"), TERMINAL):
            yield
        tell(f"\r{line(state())}\x1b[K\n")
    else:
        with repeated(lambda: tell(f"{line(state())}\n"), ELSEWHERE):
            yield


def tell(text: str) -> None:
    """Write a text to standard error."""
    # Nobody reads it any more: the job goes on.
    with suppress(BrokenPipeError):
        print(text, end="", file=sys.stderr, flush=True)


@contextmanager
def repeated(show: Callable[[], None], seconds: float) -> Iterator[None]:
    """Inside the `with`, a thread calls `show` each time when so many seconds have passed."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(seconds):
            show()

    thread = threading.Thread(target=run, name="g4flite-batch-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def bar() -> Iterator[Callable[[Progress], None]]:
    """Inside the `with`, show a bar of rich."""
    from rich.console import Console  # noqa: PLC0415 - not needed without a terminal
    from rich.progress import BarColumn, TextColumn  # noqa: PLC0415
    from rich.progress import Progress as Bar  # noqa: PLC0415

    with Bar(BarColumn(20), TextColumn("{task.description}"), console=Console(stderr=True)) as shown_bar:
        task = shown_bar.add_task("", total=None)
        yield lambda one: shown_bar.update(task, total=one.total, completed=one.done + one.now, description=line(one))
