"""Batches on a cluster, by Ray Data: `Ask` asks the rows of a data set, and `OnRay` is the command's `--on ray`.

    ray.data.read_parquet("in.parquet").map_batches(
        Ask, fn_constructor_kwargs={"provider": "openai", "model": "gpt-4o-mini", "template": "Translate {text}"},
        batch_size=256,
        concurrency=2,
    ).write_parquet("out")

Each actor has one `Ask`, and an `Ask` has one batch (`run`) for its whole life, into which the rows of all of Ray's
batches go.  So a slow row of one of Ray's batches does not keep the rows of the next from being asked.  Ray restarts an
actor that has died, and gives the rows that it had to another: they are asked again, and each is once in the output.

`Ask` does not import ray.  It needs asyncio, on which Ray Data runs classes whose `__call__` is a coroutine.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from itertools import count, islice
from typing import Any, Final, Literal

from ... import G4fliteError, Ledger, OptionError, Usage, UsageError
from . import run
from .job import ended
from .results import Result, failed
from .rows import Row, as_json, read_json, row_of

# Arguments of `run` that mean all rows together, of which an actor has but some.
OF_ALL: Final = ("ordered", "prices", "max_cost", "max_tokens_total", "deadline")
# The columns that `Ask` adds.  All are in every batch, so that all blocks of a data set have the same columns.
COLUMNS: Final = (
    "answer", "finish_reason", "prompt_tokens", "completion_tokens", "tool_calls", "parsed", "attempts", "seconds",
    "error", "error_message", "partial",
)  # fmt: skip
# Calls of an actor at a time.
CALLS: Final = 256
# The rows of a block, which are asked again if their actor dies, and how many blocks an actor has at a time.
BLOCK: Final = 256
BLOCKS: Final = 4


class Asker:
    """A batch that rows are added to while it runs, in an event loop of asyncio.  `settings` are those of `run`."""

    def __init__(self, provider: Any, settings: Mapping[str, Any]) -> None:
        if wrong := [name for name in OF_ALL if settings.get(name)]:
            raise OptionError(f"{wrong[0]}: an actor knows its own rows alone, and cannot keep to it")
        self._queue: asyncio.Queue[Row] = asyncio.Queue()
        self._batch = run(self._rows(), provider, **{"concurrency": CALLS, **settings})
        self._numbers = count()
        self._open: dict[Any, asyncio.Future[Result]] = {}
        self._task: asyncio.Task[None] | None = None
        self._error: Exception | None = None

    async def ask(self, rows: Iterable[Row]) -> list[Result]:
        """Return the results of rows, in their order.  Raises what every further row would fail by."""
        results = list[Result]()
        for one in await self.each(rows):
            if isinstance(one, BaseException):
                raise one
            results.append(one)
        return results

    async def each(self, rows: Iterable[Row]) -> list[Result | BaseException]:
        """Do the same, but return what every further row would fail by in place of each result that did not come."""
        if self._error is not None:
            return [self._error for _ in rows]
        loop = asyncio.get_running_loop()
        self._task = self._task or loop.create_task(self._run())
        results = list[asyncio.Future[Result]]()
        for row in rows:
            # Rows of several blocks may have the same id.
            number = next(self._numbers)
            self._open[number] = future = loop.create_future()
            results.append(future)
            self._queue.put_nowait(row._replace(fields={**row.fields, "id": number}))
        return await asyncio.gather(*results, return_exceptions=True)

    async def _rows(self) -> AsyncIterator[Row]:
        while True:
            yield await self._queue.get()

    async def _run(self) -> None:
        """Give each result to who waits for it."""
        try:
            # The rows have no end, so that the loop ends by an error alone.
            async for result in self._batch:  # pragma: no branch
                future = self._open.pop(result["id"])
                # Who waited may have been cancelled.
                if not future.done():
                    future.set_result(result)
        except Exception as error:
            self._error = error
            for future in self._open.values():
                if not future.done():
                    future.set_exception(error)


class Ask:
    """Asks each row of a batch: a class for `map_batches`.  Its arguments are those of `run`, and `errors`.

    A batch is a dict of columns, a table of pyarrow, or a data frame of pandas.  The columns `prompt` or `messages`,
    `options` and those that the template names are read as `run` reads the fields of a row.  Added are the columns of
    `COLUMNS`: `tool_calls` and `parsed` are JSON; `error` is the class of an error, with `error_message` and `partial`,
    the text that came; what a row has not is None.

    - `concurrency` is how many calls an actor has under way.  Ray Data gives it four batches of a block at a time, so
      that `batch_size` should be at least a quarter of it.
    - `rpm` and `tpm` hold for each actor; with the path `shared`, for all actors of a machine together.
    - `errors` is "columns", or "raise": then a row that fails raises a `G4fliteError`, which ends Ray's job.

    Whatever it is, what every further row would fail by is raised, such as `AuthenticationError`.  Pass keys by
    environment variables: Ray stores the arguments of a constructor.

    Raises what `run` raises, and `OptionError` for a limit of all rows together, like `max_cost`.
    """

    def __init__(
        self,
        provider: Any,
        *,
        errors: Literal["columns", "raise"] = "columns",
        template: str | None = None,
        **settings: Any,
    ) -> None:
        if errors not in ("columns", "raise"):
            raise OptionError(f'errors must be "columns" or "raise", not {errors!r}')
        self._raises, self._template = errors == "raise", template
        self._asker = Asker(provider, settings)

    async def __call__(self, batch: Any) -> dict[str, list[Any]]:
        """Return the columns of a batch, and those of `COLUMNS`.  Raises `UsageError` if it has one of these before."""
        given = given_rows(batch)
        if taken := [name for name in COLUMNS if given and name in given[0]]:
            raise UsageError(f"the rows have a column {taken[0]!r}, which the result would replace; rename it")
        results = await self._asker.ask([row_of(one, self._template) for one in given])
        for number, result in enumerate(results):
            if self._raises and "error" in result:
                error = result["error"]
                raise G4fliteError(f"row {given[number].get('id', number)}: {error['class']}: {error['message']}")
        rows = [{**one, **flat(result)} for one, result in zip(given, results, strict=True)]
        return {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}


def given_rows(batch: Any) -> list[dict[str, Any]]:
    """Return the rows of a dict of columns, of a table of pyarrow, or of a data frame of pandas."""
    if hasattr(batch, "to_dict"):
        batch = batch.to_dict("list")
    if not isinstance(batch, Mapping):
        return list(batch.to_pylist())
    columns = [plain(column) for column in batch.values()]
    return [dict(zip(batch, values, strict=True)) for values in zip(*columns, strict=True)]


def plain(value: Any) -> Any:
    """Return a value with lists in place of the arrays of numpy, also inside, and numbers in place of its scalars."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    return value


def flat(result: Result) -> dict[str, Any]:
    """Return a result as the values of `COLUMNS`."""
    usage: dict[str, Any] = result.get("usage", {})
    error: dict[str, Any] = result.get("error", {})
    values: dict[str, Any] = {
        **result,
        "prompt_tokens": usage.get("prompt_tokens"),
        "completion_tokens": usage.get("completion_tokens"),
        "error": error.get("class"),
        "error_message": error.get("message"),
        "partial": error.get("partial"),
        **{name: json.dumps(result[name]) for name in ("tool_calls", "parsed") if name in result},
    }
    return {name: values.get(name) for name in COLUMNS}


class AskLines:
    """Asks rows that are texts of JSON, in the column `line`: what `OnRay` sends to its actors."""

    def __init__(self, provider: Any, settings: Mapping[str, Any]) -> None:
        self._asker = Asker(provider, settings)

    async def __call__(self, batch: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
        """Return the results, as texts of JSON: that of a text in place of a row that was not asked to its end.

        If an error was raised, Ray would drop the answers of the block, which are paid.
        """
        rows = [Row(*json.loads(line)) for line in batch["line"]]
        lines = list[str]()
        for row, result in zip(rows, await self._asker.each(rows), strict=True):
            if isinstance(result, BaseException) and not isinstance(result, G4fliteError):
                raise result
            one = str(result) if isinstance(result, BaseException) else {**result, "id": row.id}
            lines.append(json.dumps(one, default=str))
        return {"line": lines}


class OnRay:
    """The results of rows that are asked on Ray, for one `for` loop, like a `Batch`.

    All rows are read before the first is asked; they are kept in Ray's object store, which is on the disk if it is
    large.  Ray is the cluster of RAY_ADDRESS, else one on this machine.  Raises `UsageError` if ray is not installed.
    """

    # No limit ends this job early, and no actor tells of a pause, or of a row before its block is whole.
    stopped, waits, unread = None, 0.0, ()

    def __init__(
        self, rows: Iterable[Row], provider: str, *, ordered: bool, prices: Mapping[str, Any] | None, **settings: Any
    ) -> None:
        try:
            self._ray, self._data = import_module("ray"), import_module("ray.data")
            self._table = import_module("pyarrow").table
        except ImportError as error:
            raise UsageError(f"{error.name} is not installed: pip install 'g4flite[ray]'") from None
        # Wrong settings are found before Ray starts.
        Asker(provider, settings)
        self._rows, self._provider, self._ordered, self._settings = rows, provider, ordered, settings
        self.ledger = Ledger(prices)
        self.answered = self.failed = 0

    def __enter__(self) -> "OnRay":
        return self

    def __exit__(self, *_: object) -> None:
        """Disconnect from Ray, which ends a Ray that was started here."""
        self._ray.shutdown()

    def __iter__(self) -> Iterator[Result]:
        # Ray Data logs its plans, beside the progress and also with --quiet.
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        # The dashboard of a Ray that is started here would be ten processes of Python more.
        self._ray.init(ignore_reinit_error=True, log_to_driver=False, logging_level="error", include_dashboard=False)
        context = self._data.DataContext.get_current()
        context.execution_options.preserve_order = self._ordered
        context.enable_progress_bars = False
        refs = []
        for block in blocks(self._rows, BLOCK):
            for row in block:
                if row.error is not None:
                    self.failed += 1
                    yield failed(row.fields, row.error, 0, 0.0)
            lines = [json.dumps(row[:4], default=as_json) for row in block if row.error is None]
            refs += [self._ray.put(self._table({"line": lines}))] if lines else []
        if not refs:
            return
        most = max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        answers = self._data.from_arrow_refs(refs).map_batches(
            AskLines,
            fn_constructor_args=(self._provider, self._settings),
            batch_size=BLOCK,
            compute=self._data.ActorPoolStrategy(
                min_size=1,
                max_size=min(most, len(refs)),
                max_tasks_in_flight_per_actor=2 * BLOCKS,
                max_concurrent_calls_per_actor=BLOCKS,
            ),
        )
        error: str | None = None
        for batch in answers.iter_batches(batch_size=None):
            for line in batch["line"]:
                result = json.loads(line)
                if isinstance(result, str):
                    error = error or result
                else:
                    yield self._count(result)
        if error is not None:
            raise G4fliteError(error)

    def _count(self, result: Result) -> Result:
        """Return a result that is counted."""
        self.failed += "error" in result
        self.answered += "error" not in result
        if "prompt_tokens" in (usage := result.get("usage", {})):
            # Of CSV, the options are a text.
            options = read_json(result, "options", dict) or {}
            model = options.get("model", self._settings.get("model"))
            self.ledger.end(None, ended(self._provider, model, Usage(**usage)))
        return result


def blocks(rows: Iterable[Row], size: int) -> Iterator[Sequence[Row]]:
    """Yield the rows in lists of this size; the last may be shorter."""
    source = iter(rows)
    while block := list(islice(source, size)):
        yield block
