"""`Journal`: the files of a job, of which a kill at any moment leaves whole lines, and from which the job goes on.

    out.jsonl           a line for each row that is answered
    out.failed.jsonl    a line for each row that has failed
    out.job.json        the settings of the job, written before the first row is asked, and the lock of its process

A result is written to its file, past all buffers of this process, before its row counts as done: kill -9 loses nothing
of it.  The files are synced to the disk at most once a second, and at the end, so that a power cut loses the results of
the last second: their rows are asked again.  A line that was begun is cut off when the job goes on.  Nothing else is
cut off: a file that something else has rewritten, as `jq .` does, is refused as it is.
"""

import json
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from ... import G4fliteError, UsageError
from .results import Result
from .rows import ASKED, Row, as_json, asked_in, asks

# Seconds between two syncs.
SYNC: Final = 1.0
# The mark of a row that was met, which is no number of `asks`.
MET: Final = -1
# How many ids of changed rows are shown.
SHOWN: Final = 3
# What ends a line for `str.splitlines` and for many editors, and for JSON is a character like others.
LINE_ENDS: Final = re.compile("[\x85\u2028\u2029]")


class Journal:
    """The files of a job, opened for appending; `done` is how many rows they hold.

    Raises `UsageError` if the output belongs to a job of other settings, to another process, or to no job; also if
    there is no job and `resume` is true, and if a row is done and `resume` is false.
    """

    def __init__(self, out: Path, settings: Mapping[str, Any], *, resume: bool | None = None) -> None:
        self.out, self.failed, self._job = files_of(out)
        if resume and not self._job.exists():
            raise UsageError(f"{out} has no job to go on with: {self._job.name} is missing; leave out --resume")
        self._template = settings.get("prompt")
        # By the keys of the rows: what a row that is done has asked, or MET, once it was met in the input.
        self._met: dict[int, int] = {}
        # Each of these numbers once, as a row that is done would hold 32 bytes for its own.
        self._numbers: dict[int, int] = {}
        # How often a row without an id of its own was met, from the second time on.
        self._equal: dict[str | int, int] = {}
        self._files: dict[Path, int] = {}
        self._synced = time.monotonic()
        self._header = -1
        try:
            self._open(json.loads(json.dumps(settings, default=str)), resume)
        except OSError as error:
            self.close()
            raise UsageError(f"the output cannot be written: {error}") from error
        except UsageError:
            self.close()
            raise
        self.done = len(self._met)
        # How many rows of the input now ask something else than when they were done, and the ids of the first.
        self.changed, self.changed_ids = 0, list[str | int]()

    def _open(self, settings: Any, resume: bool | None) -> None:
        self._header = os.open(self._job, os.O_RDWR | os.O_CREAT, 0o666)
        self._lock()
        with open(self._header, encoding="utf-8", closefd=False) as file:
            header = parsed(file.read())
        # A vendor has rows before any is done.
        begun = any(path.exists() and path.stat().st_size for path in (self.out, self.failed)) or (
            isinstance(header, dict) and bool(header.get("vendor_batch"))
        )
        if begun and resume is False:
            raise UsageError(f"{self.out} was begun; name another output, or leave out --no-resume to go on with it")
        if isinstance(header, dict) and begun:
            if other := [name for name in {**header, **settings} if header.get(name) != settings.get(name)]:
                name = other[0]
                raise UsageError(
                    f"{self.out} was begun with other settings: {name} was {json.dumps(header.get(name))}, and is "
                    f"{json.dumps(settings.get(name))} now; ask as before, or name another output"
                )
        elif begun:
            why = f"{self.out} exists, and {self._job.name} does not say of which job; name another output"
            raise UsageError(why)
        else:
            # No row is done, so that nothing was asked with the settings of the header, or it was only begun.
            os.ftruncate(self._header, 0)
            os.pwrite(self._header, json.dumps(settings, indent=1, ensure_ascii=False).encode() + b"\n", 0)
            os.fsync(self._header)
        for path in (self.out, self.failed):
            self._files[path] = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            self._recover(path)
        sync_folder(self.out.parent)

    def _lock(self) -> None:
        """Keep other processes off.  A lock of the operating system ends with its process."""
        try:
            import fcntl  # noqa: PLC0415 - Windows has none
        except ImportError:
            return
        try:
            fcntl.flock(self._header, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"another process writes {self.out}; wait for it, or name another output") from None

    def _recover(self, path: Path) -> None:
        """Note the rows of a file, and cut off what a kill or a power cut has left behind the last whole line.

        A kill leaves a line without its end.  A power cut may leave null bytes, in place of what was not on the disk.
        """
        end = position = 0
        begun = None
        with open(self._files[path], "rb", closefd=False) as file:
            for number, line in enumerate(file, 1):
                position += len(line)
                if not line.endswith(b"\n") or b"\0" in line:
                    begun = begun or number
                    continue
                result = parsed(line)
                if begun is not None or not isinstance(result, dict) or "id" not in result:
                    wrong = begun or number
                    raise UsageError(f"line {wrong} of {path} is no result of a batch; mend it, or name another output")
                asked = asked_in(result, self._template)
                self._met[key(result["id"])] = self._numbers.setdefault(asked, asked)
                end = position
        os.ftruncate(self._files[path], end)

    def to_ask(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield the rows that are not done, each with an id of its own."""
        for one in rows:
            row = one
            while (met := self._met.get(key(row.id))) == MET:
                self._equal[one.id] = number = self._equal.get(one.id, 1) + 1
                row = one.with_id(another(one.id, number))
            if row is not one and one.named:
                why = f"an earlier row has the id {one.id!r}, too; leave out the ids, or make them differ"
                row = row._replace(error=UsageError(why))
            self._met[key(row.id)] = MET
            if met is None:
                yield row
            # An id that is made here is one of all fields.
            elif row.named and met not in self._asked(row):
                self.changed += 1
                self.changed_ids += [row.id] if self.changed <= SHOWN else []

    def _asked(self, row: Row) -> Iterator[int]:
        """Yield what a row asks, and then what its result says of that: a date, say, is a text there."""
        yield asks(row)
        yield asked_in(parsed(encoded(dict(row.fields))), self._template)

    def write(self, result: Result) -> None:
        """Append a result to its file, whole or not at all.  Raises `OSError`, as for a full disk."""
        file = self._files[self.failed if "error" in result else self.out]
        line = memoryview(encoded(result))
        before = os.fstat(file).st_size
        try:
            while line:
                line = line[os.write(file, line) :]
        except OSError:
            os.ftruncate(file, before)
            raise
        if time.monotonic() - self._synced >= SYNC:
            self.sync()

    def sync(self) -> None:
        """Write the files to the disk."""
        for file in self._files.values():
            os.fsync(file)
        self._synced = time.monotonic()

    def close(self) -> None:
        """Close the files."""
        for file in (*self._files.values(), *([self._header] if self._header >= 0 else [])):
            os.close(file)
        self._files, self._header = {}, -1


@contextmanager
def told_by_name(out: Path) -> Iterator[None]:
    """Inside the `with`, a failure to write a file of this job is a `G4fliteError` that names the output."""
    try:
        yield
    except OSError as error:
        raise G4fliteError(f"{out} cannot be written: {error}; make room, and type the same again") from error


def files_of(out: Path) -> tuple[Path, Path, Path]:
    """Return the files of a job: of the answers, of the rows that have failed, and of the settings."""
    return out, out.with_name(f"{out.stem}.failed.jsonl"), out.with_name(f"{out.stem}.job.json")


def parsed(text: str | bytes) -> Any:
    """Return the value of a JSON text, or None if the text is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def encoded(result: Result) -> bytes:
    """Return a result as a line of JSON in UTF-8.

    Of the values that JSON has not, bytes are data URLs, dates and the like are texts, and NaN and the infinities,
    which empty numbers of a Parquet file often are, are null.  But `messages` and `options` with such a number become
    a text, as in CSV: the row has failed by it, and would ask something else if it was null.
    """
    try:
        text = json.dumps(result, ensure_ascii=False, allow_nan=False, default=as_json)
        return LINE_ENDS.sub(lambda found: json.dumps(found[0])[1:-1], text).encode() + b"\n"
    # Half of a surrogate pair.
    except UnicodeEncodeError:
        return json.dumps(result, default=as_json).encode() + b"\n"
    except ValueError:
        return encoded({name: finite(name, value) for name, value in result.items()})


def finite(name: str, value: Any) -> Any:
    """Return the value of a field of this name without NaN and the infinities."""
    try:
        json.dumps(value, allow_nan=False, default=as_json)
    except ValueError:
        text = json.dumps(value, default=as_json)
        return text if name in ASKED else json.loads(text, parse_constant=lambda _: None)
    return value


def another(name: str | int, number: int) -> str:
    """Return an id for a later row of the same id.

    Its end is that of no id that people give: `a-2` could be the id of a row that comes further behind.
    """
    return f"{name}-{number}-{key(json.dumps([name, number])):016x}"


def key(name: str | int) -> int:
    """Return a number of 64 bits for an id: among a million ids, two get the same one with a chance of 3e-8.

    The ids themselves would take several times the memory.
    """
    return int.from_bytes(blake2b(json.dumps(name).encode(), digest_size=8).digest(), "big")


def sync_folder(path: Path) -> None:
    """Write a folder to the disk, so that a power cut does not lose the names of new files.  Windows cannot."""
    if os.name == "posix":
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
