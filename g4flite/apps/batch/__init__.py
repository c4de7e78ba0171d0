"""Many prompts at once: `run` asks a row for each, retries, keeps to the service's limits, and loses nothing.

    for result in run(rows, "openai", model="gpt-4o-mini", concurrency=32):
        print(result["answer"] if "answer" in result else result["error"])

    async for result in run(rows, "openai", model="gpt-4o-mini"): ...       # asyncio or trio

Rows go in and results come out as plain dicts: `rows.py` and `results.py` show them.  `job.py` decides what is asked
when, by what `limits.py` knows of the service; `drivers.py` does it, over threads and over tasks.
"""

import time
from collections.abc import AsyncIterable, Iterable, Mapping
from io import IOBase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ... import Client, OptionError, Provider, Retry, UsageError
from ..._core.settings import as_retry
from .job import Job
from .limits import Limiter
from .results import Result

if TYPE_CHECKING:
    from .drivers import Batch

__all__ = ["Result", "run"]


def run(
    rows: "Iterable[object] | AsyncIterable[object]",
    provider: str | Provider,
    *,
    template: str | None = None,
    concurrency: int | Literal["auto"] = 16,
    rpm: float | None = None,
    tpm: float | None = None,
    shared: Path | str | None = None,
    retries: Retry | int = 2,
    ordered: bool = False,
    prices: Mapping[str, Any] | None = None,
    max_cost: float | None = None,
    max_tokens_total: float | None = None,
    deadline: float | None = None,
    **settings: Any,
) -> "Batch":
    """Return a `Batch`: the results of the rows, for a `for` loop or an `async for` loop, as they come.

    `rows` is any iterable, also an endless one, of dicts with `prompt` (str) or `messages`; `async for` takes async
    iterables, too.  A row may have an `id`, and `options`: arguments of `Client.stream` for this row.  All its fields
    are in its result.  `for` takes the rows in another thread.

    - `template` is the prompt of each row: `{field}` in it is replaced by that field.
    - `concurrency` is how many calls may be under way, or "auto": it grows until the service refuses calls or becomes
      slower.
    - `rpm` and `tpm` are requests and tokens per minute; the tokens of a call are estimated before, and corrected by
      what the service counts.
    - `shared` is a file through which the processes of a machine share `rpm`, `tpm` and the pauses after refusals.
    - `retries` says how often a row is asked again, also if its answer is cut off; refusals for too many requests do
      not count: after them, all rows slow down.
    - `ordered` gives out the results in the order of the rows.
    - `prices` are those of `Ledger`, for `max_cost`.
    - After `max_cost` (dollars), `max_tokens_total` or `deadline` (seconds), no more rows are asked; those under way
      are finished, and `Batch.stopped` names the limit.  With the first two, a row is asked alone until one is
      answered: its answer says what the others will take.
    - `settings` are the other arguments of `Client`.

    A row that fails has `error` in its result, and never ends the loop.  The loop raises what every further row would
    fail by, such as `AuthenticationError`, behind the results that came, and what the iteration of `rows` raises.

    Raises what `Client` raises, `OptionError` for a setting that makes no sense, and `UsageError` if `rows` is one row,
    a text, a file or a data frame.
    """
    from .drivers import Batch  # noqa: PLC0415 - anyio is imported with the first batch

    # The characters of a text, the names of a dict, the lines of a file and the columns of a data frame are no rows.
    # The results of SQLAlchemy are, and have a method `columns`.
    is_table = hasattr(rows, "columns") and not callable(rows.columns)
    if isinstance(rows, str | bytes | Mapping | IOBase) or is_table:
        wrong = f"rows must be an iterable of dicts, such as [{{'prompt': 'Hello'}}], not {type(rows).__name__}"
        raise UsageError(wrong)
    if not isinstance(template, str | None):
        raise OptionError(f"template must be a text, not {template!r:.80}")
    limiter = Limiter(concurrency, rpm=rpm, tpm=tpm)
    job = Job(
        limiter,
        as_retry(retries),
        prices=prices,
        max_cost=max_cost,
        max_tokens_total=max_tokens_total,
        deadline=deadline,
        max_tokens=settings.get("max_tokens"),
        system=settings.get("system"),
        clock=time.monotonic if shared is None else time.time,
    )
    return Batch(
        rows,
        lambda: Client(provider, retries=0, **settings),
        job,
        template=template,
        ordered=ordered,
        typed=settings.get("response_format") is not None,
        shared=None if shared is None else Path(shared),
    )
