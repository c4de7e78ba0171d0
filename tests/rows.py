"""The rows of a table in one test: `rows` is `pytest.mark.parametrize`, but all of the rows are one item of pytest.

    @rows("said", ["Hi", "", "\\n"])
    @rows(("name", "split"), [("openai", 1), ("gemini", None)])
    def test_it_is_echoed(said: str, name: str, split: int | None, driver: Driver, server: Emulator) -> None: ...

An item takes pytest two milliseconds in all processes, which is as long as a stream takes.  So use `rows` if a table is
long, and its rows need nothing of their own but these values: they share the fixtures, and what was done to them.

Each row runs, also behind one that failed.  Each that failed is named with its values and its traceback.

The drivers of the fixture `driver` share a table out, if what its rows show is decided without I/O:

    @rows("body", BODIES, shared=True)          # of three rows, one runs in sync, one on asyncio, one on trio
    for split in share(SPLITS, driver): ...     # the same for a loop

With EVERY_ROW=1, each row runs in each driver (make test-long).
"""

import functools
import inspect
import os
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

import pytest

Row = TypeVar("Row")
DRIVERS = ("sync", "asyncio", "trio")


class Named(Protocol):
    name: str


def share(table: Iterable[Row], driver: Named, turn: int = 0) -> list[Row]:
    """Return the rows of a table that this driver runs: the other two run the others.

    With each turn, the drivers change places.
    """
    if "EVERY_ROW" in os.environ:
        return list(table)
    return list(table)[(DRIVERS.index(driver.name) + turn) % len(DRIVERS) :: len(DRIVERS)]


def rows(
    names: str | Sequence[str], table: Iterable[Any], *, shared: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that runs a test with each value of the table as `names`, or each tuple of values.

    If the table is shared, the fixture `driver` has its share of the rows.
    """
    table = [(row,) if isinstance(names, str) else tuple(row) for row in table]
    names = (names,) if isinstance(names, str) else tuple(names)
    assert table, "a table without rows tests nothing"
    assert all(len(row) == len(names) for row in table), f"each row has to be {names}"

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def run(**fixtures: Any) -> None:
            failed = list[str]()
            for row in share(table, fixtures["driver"]) if shared else table:
                values = dict(zip(names, row, strict=True))
                try:
                    test(**fixtures, **values)
                # The failure of pytest.raises is no Exception.
                except (Exception, pytest.fail.Exception) as error:
                    told = error.msg if isinstance(error, RowsFailed) else "".join(traceback.format_exception(error))
                    failed += [f"row {', '.join(f'{name}={value!r:.200}' for name, value in values.items())}:\n{told}"]
            if failed:
                raise RowsFailed(f"{len(failed)} of {len(table)} rows failed:\n\n" + "\n\n".join(failed), pytrace=False)

        signature = inspect.signature(test)
        fixtures = [one for name, one in signature.parameters.items() if name not in names]
        assert len(fixtures) == len(signature.parameters) - len(names), f"{test.__name__} does not take all of {names}"
        run.__signature__ = signature.replace(parameters=fixtures)  # type: ignore[attr-defined]
        return run

    return decorate


class RowsFailed(pytest.fail.Exception):
    """Some rows of a table failed."""
