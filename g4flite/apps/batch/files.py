"""Files: rows out of a file of JSON lines, of CSV, or of Parquet."""

import csv
import json
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from ... import UsageError
from .rows import Row, row_of, unreadable

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
            yield from lines(sys.stdin.buffer, template)
        elif kind in SEPARATORS:
            yield from table(path, SEPARATORS[kind], template)
        elif kind == ".parquet":
            yield from (row_of(given, template) for given in parquet(path))
        else:
            with Path(path).open("rb") as file:
                yield from lines(file, template)
    except (OSError, UnicodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error


def lines(file: BinaryIO, template: str | None) -> Iterator[Row]:
    """Yield the rows of JSON lines.  A line that is no JSON is a row that has failed."""
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            given = json.loads(line)
        except (ValueError, RecursionError):
            yield unreadable(line.decode("utf-8", "replace").rstrip("\r\n"), f"line {number} is not JSON")
        else:
            yield row_of(given, template)


def table(path: str, separator: str, template: str | None) -> Iterator[Row]:
    """Yield the rows of CSV, whose first line names the fields.  A field that is missing at the end is left out."""
    csv.field_size_limit(LONGEST_CELL)
    # A file of Excel begins with a byte order mark.
    with Path(path).open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, delimiter=separator)
        for cells in reader:
            given: dict[Any, Any] = {name: cell for name, cell in cells.items() if cell is not None}
            if None in given:
                why = f"line {reader.line_num} has more cells than the first line has names"
                yield unreadable(json.dumps([*map(str, given.values())], ensure_ascii=False), why)
            else:
                yield row_of(given, template)


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
    try:
        polars = import_module("polars")
    except ImportError:
        raise UsageError("a Parquet file is read by pyarrow or polars: pip install pyarrow") from None
    yield from polars.read_parquet(path).iter_rows(named=True)


def count(path: str) -> int | None:
    """Return about how many rows a file has, None for standard input: what a progress bar needs."""
    if path == "-":
        return None
    if Path(path).suffix.lower() in (*SEPARATORS, ".parquet"):
        return sum(1 for _ in read(path))
    with Path(path).open("rb") as file:
        return sum(1 for line in file if line.strip())
