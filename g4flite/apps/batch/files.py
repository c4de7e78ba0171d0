"""Files: rows out of a file of JSON lines, of CSV, or of Parquet."""

import csv
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from ... import UsageError
from .rows import Row, filled, loaded, row_of, unreadable

# The most characters of a cell of CSV, which may hold messages with images.
LONGEST_CELL = 64 * 1024 * 1024
SEPARATORS = {".csv": ",", ".tsv": "\t"}


def read(path: str, template: str | None = None) -> Iterator[Row]:
    """Yield the rows of a file; `-` is standard input, as JSON lines.

    Raises `UsageError` if the file cannot be read, or is not of the kind that its name says.
    """
    kind = Path(path).suffix.lower()
    try:
        if path == "-":
            # A file of its own: the interpreter aborts if it ends while a thread waits within its `sys.stdin`.
            with open(0, "rb", closefd=False) as file:
                yield from lines(file, template)
        elif kind in SEPARATORS:
            yield from table(path, SEPARATORS[kind], template)
        elif kind == ".parquet":
            for number, given in enumerate(parquet(path)):
                if not number:
                    check(template, given)
                yield row_of(given, template)
        else:
            with Path(path).open("rb") as file:
                yield from lines(file, template)
    except UsageError:
        raise
    # A damaged file of Parquet is a ValueError.
    except (OSError, ValueError, csv.Error) as error:
        instead = "; save it as UTF-8" if isinstance(error, UnicodeError) else ""
        raise UsageError(f"{path} cannot be read: {error}{instead}") from error


def lines(file: BinaryIO, template: str | None) -> Iterator[Row]:
    """Yield the rows of JSON lines.  A line that is no JSON is a row that has failed."""
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            given = loaded(line)
        except ValueError:
            yield unreadable(line.decode("utf-8", "replace").rstrip("\r\n"), f"line {number} is not JSON")
        else:
            yield row_of(given, template)


def table(path: str, separator: str, template: str | None) -> Iterator[Row]:
    """Yield the rows of CSV, whose first line names the fields.  A field that is missing at the end is left out.

    A row with a quote that is not closed, or not doubled, has failed: Python's reader would take all rows behind the
    quote for one long cell, unless it is strict.
    """
    with cells_of(path) as file:
        # The lines of the next row.
        read = list[str]()
        reader = csv.DictReader(noted(file, read), delimiter=separator, strict=True)
        names = reader.fieldnames or []
        if twice := [name for name in names if names.count(name) > 1]:
            raise UsageError(f"{path} has two columns {twice[0]!r}; rename one")
        check(template, names)
        while True:
            read.clear()
            before = reader.reader.line_num
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                wrong = f"lines {before + 1} to {reader.reader.line_num} are not CSV ({error})"
                yield unreadable("".join(read), f"{wrong}; is a quote not closed, or not doubled?")
                continue
            given: dict[Any, Any] = {name: cell for name, cell in cells.items() if cell is not None}
            if None in given:
                why = f"line {reader.line_num} has more cells than the first line has names"
                yield unreadable(json.dumps([*map(str, given.values())], ensure_ascii=False), why)
            else:
                yield row_of(given, template)


def check(template: str | None, columns: Iterable[str]) -> None:
    """Raise `UsageError` if the template names a column that the table has not: every row would fail."""
    if template is not None:
        filled(template, dict.fromkeys(columns, ""))


def noted(file: Iterable[str], into: list[str]) -> Iterator[str]:
    """Yield the lines of a file, and append each to a list."""
    for line in file:
        into.append(line)
        yield line


def cells_of(path: str, errors: str = "strict") -> TextIO:
    """Return a file of CSV, opened."""
    csv.field_size_limit(LONGEST_CELL)
    # A file of Excel begins with a byte order mark.
    return Path(path).open(newline="", encoding="utf-8-sig", errors=errors)


def parquet(path: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a Parquet file, over pyarrow or polars.  Raises `UsageError` if neither is installed."""
    try:
        module = import_module("pyarrow.parquet")
    except ImportError:
        yield from by_polars(path)
        return
    with module.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=1024):
            yield from batch.to_pylist()


def by_polars(path: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a Parquet file, which polars reads as a whole."""
    with polars_for(path) as polars:
        table = polars.read_parquet(path)
    yield from table.iter_rows(named=True)


@contextmanager
def polars_for(path: str) -> Iterator[Any]:
    """Inside the `with` is polars.  Raises `UsageError` if it is not installed, or cannot read the file."""
    try:
        polars = import_module("polars")
    except ImportError:
        raise UsageError("a Parquet file is read by pyarrow or polars: pip install pyarrow") from None
    try:
        yield polars
    except polars.exceptions.PolarsError as error:
        raise UsageError(f"{path} cannot be read: {error}") from error


def count_of_parquet(path: str) -> int:
    """Return how many rows a Parquet file says that it has."""
    try:
        module = import_module("pyarrow.parquet")
    except ImportError:
        with polars_for(path) as polars:
            return int(polars.scan_parquet(path).select(polars.len()).collect().item())
    return int(module.read_metadata(path).num_rows)


def count(path: str) -> int | None:
    """Return about how many rows a file has, what a progress bar needs.

    None for a pipe, which is read but once, and for a file that cannot be read: `read` says why.
    """
    if path == "-" or not Path(path).is_file():
        return None
    try:
        return counted(path)
    except (UsageError, OSError, ValueError, csv.Error):
        return None


def counted(path: str) -> int:
    """Return about how many rows a file has.  Raises several errors if it cannot be read."""
    kind = Path(path).suffix.lower()
    if kind == ".parquet":
        return count_of_parquet(path)
    if kind in SEPARATORS:
        with cells_of(path, "replace") as cells:
            return max(0, sum(1 for row in csv.reader(cells, delimiter=SEPARATORS[kind]) if row) - 1)
    with Path(path).open("rb") as file:
        return sum(1 for line in file if line.strip())
