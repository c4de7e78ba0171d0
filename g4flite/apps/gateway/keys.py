"""The gateway's keys, in a file of SQLite: who may ask, how often, for which models, and for how much money.

    store = Store("keys.sqlite")
    secret = store.add("anna", budget=5.00, rpm=60)         # the only time that anybody sees this key
    ...
    key = store.find(secret)                                # None for a key that is unknown or revoked
    call = store.reserve(key.name, 0.02)                    # before the call goes out; raises KeyRefusedError
    store.settle(call, 0.0031)                              # behind it: what it has cost

The file holds the SHA-256 of each key.  A key has 256 random bits, so that its hash needs no salt.

What a call may cost is reserved before the call goes out, in one transaction with the check of the budget: processes
that ask at the same time cannot spend the same money.  A reservation that is never settled, because its process has
died, stays charged in full: what that call has cost is not known, and it may be all of it.

Amounts are dollars here, and whole billionths of a dollar in the file, where sums have to be exact.
"""

import argparse
import hmac
import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from hashlib import sha256
from math import ceil
from pathlib import Path
from secrets import token_urlsafe
from typing import Any, Final, Literal, cast

from ... import G4fliteError, UsageError
from ..cli import tell

# Programs take a text that begins like this for a key.
PREFIX: Final = "sk-g4flite-"
# Where `g4flite serve key` finds the keys, unless told otherwise.
DEFAULT_FILE: Final = "g4flite-keys.sqlite"
Reason = Literal["budget", "price", "rate", "revoked"]
BILLION: Final = 1_000_000_000
# What a column of the file can hold, in dollars, with room for sums.
MOST: Final = 1e9
# The seconds that `rpm` counts over.
MINUTE: Final = 60.0
# The seconds that a process waits while another one writes.
PATIENCE: Final = 10.0
# The first bytes of a hash find its row; the comparison of the whole hash takes the same time for any key.
FOUND_BY: Final = 8
VERSION: Final = 1
TABLES: Final = """
CREATE TABLE keys (
    name TEXT PRIMARY KEY,
    found_by BLOB NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    budget INTEGER,
    rpm INTEGER,
    models TEXT NOT NULL,
    made REAL NOT NULL,
    revoked REAL,
    spent INTEGER NOT NULL DEFAULT 0,
    -- The sum over the calls of the key that run.
    held INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX found_by ON keys (found_by);
-- A call that runs holds an amount; one that has ended stays for a minute, because `rpm` counts it.
CREATE TABLE calls (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL REFERENCES keys,
    at REAL NOT NULL,
    held INTEGER
);
CREATE INDEX of_key ON calls (name, at);
CREATE INDEX ended ON calls (at) WHERE held IS NULL;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key as the file has it, without its secret.

    - `budget` is what the key may spend, in dollars; None is no limit.
    - `rpm` is how many calls may begin in any 60 seconds; None is no limit.
    - `models` are the names that the key may ask for; () is any.
    - `made` and `revoked` are seconds since 1970; `revoked` is None while the key is good.
    - `spent` is what the settled calls have cost, and `held` is what is reserved for the others, in dollars.
    """

    name: str
    budget: float | None
    rpm: int | None
    models: tuple[str, ...]
    made: float
    revoked: float | None
    spent: float
    held: float

    def allows(self, model: str) -> bool:
        """Return whether the key may ask for this model."""
        return not self.models or model in self.models


class KeyRefusedError(G4fliteError):
    """A key may not make this call.

    - `reason` is "budget" (a further call would pass it), "price" (the key has a budget, and nobody knows what the call
      costs), "rate" (too many calls in a minute) or "revoked".
    - `retry_after` is in how many seconds the call may be made; None if waiting does not help.
    """

    def __init__(self, message: str = "", *, reason: Reason = "budget", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_after = retry_after


class Store:
    """The keys in a file, which is made if there is none; only its owner may read it.

    Any thread may use a store, and any number of processes a file; each process opens a store of its own.  A call takes
    a fraction of a millisecond, but waits for up to ten seconds while another process writes.  What is reserved and
    settled survives the death of a process; the last calls may be lost if the machine loses its power.

    `clock` returns the seconds since 1970.  Raises `G4fliteError` for a file that cannot be used.
    """

    def __init__(self, path: str | Path, *, clock: Callable[[], float] = time.time) -> None:
        self.path = Path(path)
        self._clock = clock
        self._lock = threading.Lock()
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
            # isolation_level=None: no transaction but those that are begun here.
            self._file = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from error
        try:
            self._prepare()
        except BaseException:
            self._file.close()
            raise

    def _prepare(self) -> None:
        """Make the tables in a file that is new."""
        with self._errors():
            self._file.row_factory = sqlite3.Row
            self._write_ahead()
            self._file.execute("PRAGMA synchronous = NORMAL")
        with self._writing():
            (version,) = self._file.execute("PRAGMA user_version").fetchone()
            if version == 0:
                # executescript() would end the transaction.
                for statement in TABLES.split(";\n"):
                    self._file.execute(statement)
                self._file.execute(f"PRAGMA user_version = {VERSION}")
        if version not in (0, VERSION):
            raise G4fliteError(f"{self.path} was written by another version of the gateway; use another file")

    def _write_ahead(self) -> None:
        """Switch to WAL.  SQLite waits for other processes everywhere but here, so that this function has to wait."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                self._file.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() >= end:
                    raise
            time.sleep(0.01)

    def add(self, name: str, *, budget: float | None = None, rpm: int | None = None, models: Sequence[str] = ()) -> str:
        """Make a key of this name and return it; nothing shows the key again.

        `budget` is in dollars.  Raises `UsageError` for a name that is taken, also by a revoked key, and for a value
        that makes no sense.
        """
        if not name.strip() or not name.isprintable():
            raise UsageError(f"the name of a key must be a text without control characters, not {name!r}")
        try:
            limit = None if budget is None else _billionths(budget)
        except ValueError as error:
            raise UsageError(f"a budget {error}") from None
        if rpm is not None and rpm < 1:
            raise UsageError(f"the calls per minute must be 1 or more, not {rpm}")
        secret = PREFIX + token_urlsafe(32)
        digest = _hash(secret)
        with self._writing():
            if self._file.execute("SELECT 1 FROM keys WHERE name = ?", [name]).fetchone():
                raise UsageError(f"there is a key {name!r}; choose another name (that of a revoked key stays taken)")
            self._file.execute(
                "INSERT INTO keys (name, found_by, hash, budget, rpm, models, made) VALUES (?, ?, ?, ?, ?, ?, ?)",
                [name, digest[:FOUND_BY], digest, limit, rpm, json.dumps([*models]), self._clock()],
            )
        return secret

    def find(self, secret: str) -> Key | None:
        """Return the key that a client has shown; None if it is unknown or revoked."""
        digest = _hash(secret)
        with self._reading():
            rows = self._file.execute("SELECT * FROM keys WHERE found_by = ?", [digest[:FOUND_BY]]).fetchall()
        good = [row for row in rows if hmac.compare_digest(row["hash"], digest) and row["revoked"] is None]
        return _key(good[0]) if good else None

    def listed(self) -> list[Key]:
        """Return all keys, revoked ones included, the oldest first."""
        with self._reading():
            return [_key(row) for row in self._file.execute("SELECT * FROM keys ORDER BY made, rowid")]

    def revoke(self, name: str) -> None:
        """Refuse all further calls with this key.  Raises `UsageError` if there is no such key, or not any more."""
        with self._writing():
            done = self._file.execute(
                "UPDATE keys SET revoked = ? WHERE name = ? AND revoked IS NULL", [self._clock(), name]
            )
            if not done.rowcount:
                good = self._file.execute("SELECT name FROM keys WHERE revoked IS NULL ORDER BY made, rowid")
                names = ", ".join(row["name"] for row in good)
                raise UsageError(f"there is no key {name!r} to revoke; the keys are: {names or 'none'}")

    def reserve(self, name: str, amount: float | None) -> int:
        """Count a call, set aside what it may cost (in dollars), and return the call's number for `settle`.

        `amount` is None if nobody knows the price: a key that has a budget may not make such a call, because it could
        spend without end.  Raises `KeyRefusedError` if the key may not make the call; then nothing is counted and
        nothing set aside.
        """
        wanted, now = _billionths(amount or 0.0), self._clock()
        with self._writing():
            self._file.execute("DELETE FROM calls WHERE held IS NULL AND at <= ?", [now - MINUTE])
            row = self._file.execute("SELECT * FROM keys WHERE name = ?", [name]).fetchone()
            if row is None or row["revoked"] is not None:
                raise KeyRefusedError(f"the key {name!r} is revoked; ask for another one", reason="revoked")
            if row["rpm"] is not None:
                # The last of so many calls has to be a minute old before another one may begin.
                last = self._file.execute(
                    "SELECT at FROM calls WHERE name = ? AND at > ? ORDER BY at DESC LIMIT 1 OFFSET ?",
                    [name, now - MINUTE, row["rpm"] - 1],
                ).fetchone()
                if last is not None:
                    raise KeyRefusedError(
                        f"the key {name!r} may make {row['rpm']} calls a minute; wait, and try again",
                        reason="rate",
                        retry_after=last["at"] + MINUTE - now,
                    )
            if row["budget"] is not None and amount is None:
                raise KeyRefusedError(
                    f"the key {name!r} has a budget, and the price of this model is not known; ask for a model that "
                    "genai-prices knows (it has to be installed where the gateway runs)",
                    reason="price",
                )
            if row["budget"] is not None and row["spent"] + row["held"] + wanted > row["budget"]:
                raise KeyRefusedError(
                    f"the key {name!r} may not spend what this call may cost; {_left(row)}", reason="budget"
                )
            done = self._file.execute("INSERT INTO calls (name, at, held) VALUES (?, ?, ?)", [name, now, wanted])
            self._file.execute("UPDATE keys SET held = held + ? WHERE name = ?", [wanted, name])
        return cast(int, done.lastrowid)

    def settle(self, call: int, cost: float) -> None:
        """Charge what a call has cost (in dollars), in place of what was set aside for it; once a call.

        A call that has cost more than was set aside is charged in full.  Raises `ValueError` for a call that is
        settled, and for what is no amount.
        """
        charged = _billionths(cost)
        with self._writing():
            row = self._file.execute(
                "SELECT name, held FROM calls WHERE id = ? AND held IS NOT NULL", [call]
            ).fetchone()
            if row is None:
                raise ValueError(f"call {call} is settled, or was never reserved")
            self._file.execute("UPDATE calls SET held = NULL WHERE id = ?", [call])
            self._file.execute(
                "UPDATE keys SET held = held - ?, spent = spent + ? WHERE name = ?", [row["held"], charged, row["name"]]
            )

    def close(self) -> None:
        """Close the file.  The store cannot be used any more."""
        with self._lock:
            self._file.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._lock, self._errors():
            yield

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """A transaction, during which no other process writes.  An error in it undoes all of it."""
        with self._lock, self._errors():
            self._file.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._file.execute("COMMIT")
            except BaseException:
                # Unlike the statement ROLLBACK, this is no error after a fault that has undone the transaction already.
                self._file.rollback()
                raise

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> G4fliteError:
        return G4fliteError(f"the file of keys, {self.path}, cannot be used: {error}; is the path right?")


def _hash(secret: str) -> bytes:
    # A header may hold bytes that are no UTF-8, which arrive as surrogates.
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _billionths(dollars: float) -> int:
    """Return whole billionths of a dollar, rounded up.  Raises `ValueError` for what is no amount."""
    if not 0 <= dollars <= MOST:
        raise ValueError(f"must be a number of dollars from 0 to {MOST:.0f}, not {dollars}")
    # A product of floats may lie a little above the whole number that it stands for.
    return ceil(round(dollars * BILLION, 3))


def _left(row: sqlite3.Row) -> str:
    left = max(0, row["budget"] - row["spent"] - row["held"]) / BILLION
    return f"${left:.4f} are left, and ${row['held'] / BILLION:.4f} are set aside for calls that run"


def _key(row: sqlite3.Row) -> Key:
    budget = row["budget"]
    return Key(
        name=row["name"],
        budget=None if budget is None else budget / BILLION,
        rpm=row["rpm"],
        models=tuple(json.loads(row["models"])),
        made=row["made"],
        revoked=row["revoked"],
        spent=row["spent"] / BILLION,
        held=row["held"] / BILLION,
    )


def add(commands: Any) -> None:
    """Add the command `key`, with `add`, `list` and `revoke`, to the commands of `serve`."""
    text = "make, list and revoke the keys with which programs ask the gateway"
    command = commands.add_parser("key", help=text, description=text, epilog="example:\n  %(prog)s add anna --budget 5")
    verbs = command.add_subparsers(metavar="COMMAND", required=True)
    make = verbs.add_parser("add", help="make a key and print it; nothing shows it again")
    make.set_defaults(run=print_new)
    make.add_argument("name", metavar="NAME", help="what the log calls the key")
    make.add_argument("--budget", metavar="DOLLARS", type=float, help="what the key may spend; default: no limit")
    make.add_argument("--rpm", metavar="CALLS", type=int, help="how many calls a minute; default: no limit")
    make.add_argument(
        "--allow", metavar="MODEL", action="append", default=[], help="a model that the key may ask; repeatable"
    )
    show = verbs.add_parser("list", help="list the keys, and what they have spent")
    show.set_defaults(run=print_keys)
    show.add_argument("--json", action="store_true", help="print a list of JSON objects, for programs")
    end = verbs.add_parser("revoke", help="refuse all further calls with a key")
    end.set_defaults(run=revoke)
    end.add_argument("name", metavar="NAME", help="the name of the key")
    for verb in (make, show, end):
        verb.add_argument("--keys", metavar="FILE", default=DEFAULT_FILE, help="the file of keys; default: %(default)s")


def print_new(arguments: argparse.Namespace) -> None:
    """Carry out `key add`: print the key, alone on its line, and on standard error that it is not shown again."""
    with Store(arguments.keys) as store:
        secret = store.add(arguments.name, budget=arguments.budget, rpm=arguments.rpm, models=arguments.allow)
    print(secret, flush=True)
    tell("note", f"this key is shown once; {arguments.keys} holds its hash")


def print_keys(arguments: argparse.Namespace) -> None:
    """Carry out `key list`: print the keys as a table, or as JSON; amounts are dollars."""
    with _existing(arguments.keys) as store:
        keys = store.listed()
    if arguments.json:
        print(json.dumps([asdict(key) for key in keys], indent=2))
        return
    table = [("name", "state", "budget", "spent", "held", "rpm", "models"), *map(_row, keys)]
    # The last column is not padded: a list of models may be longer than the terminal is wide.
    widths = [max(map(len, column)) for column in list(zip(*table, strict=True))[:-1]]
    for *cells, last in table:
        print(*(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)), last, sep="  ")


def _row(key: Key) -> tuple[str, ...]:
    day = "" if key.revoked is None else datetime.fromtimestamp(key.revoked, timezone.utc).strftime("%Y-%m-%d")
    return (
        key.name,
        f"revoked {day}" if day else "good",
        "no limit" if key.budget is None else f"{key.budget:.2f}",
        f"{key.spent:.4f}",
        f"{key.held:.4f}",
        "no limit" if key.rpm is None else str(key.rpm),
        ", ".join(key.models) or "any",
    )


def revoke(arguments: argparse.Namespace) -> None:
    """Carry out `key revoke`."""
    with _existing(arguments.keys) as store:
        store.revoke(arguments.name)


def _existing(path: str) -> Store:
    """Return the store of a file.  Raises `UsageError` if there is none: a new file would have no keys."""
    if not Path(path).exists():
        raise UsageError(f"there is no file of keys {path!r}; name it with --keys, or make a key with 'key add'")
    return Store(path)
