"""The keys of the gateway: who is let in, and that no key spends more than its budget, whatever dies meanwhile."""

import copy
import json
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from g4flite import G4fliteError, UsageError
from g4flite.apps import cli
from g4flite.apps.gateway import keys
from g4flite.apps.gateway.keys import PREFIX, KeyRefusedError, Store
from tests.apps.complaints import a_line
from tests.rows import rows

Captured = pytest.CaptureFixture[str]


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    with Store(tmp_path / "keys.sqlite", clock=clock) as opened:
        yield opened


def of(store: Store, name: str = "anna") -> keys.Key:
    (found,) = [key for key in store.listed() if key.name == name]
    return found


def test_a_key_is_found_and_its_secret_stands_nowhere(store: Store) -> None:
    secret, other = store.add("anna", budget=5, rpm=60, models=["fast"]), store.add("bert")
    assert secret.startswith(PREFIX)
    assert len(secret) >= 40
    found = store.find(secret)
    assert found is not None
    assert (found.name, found.budget, found.rpm, found.models, found.spent, found.held) == (
        "anna", 5.0, 60, ("fast",), 0, 0,
    )  # fmt: skip
    assert (found.made, found.revoked) == (1_000_000.0, None)
    assert (found.allows("fast"), found.allows("slow"), of(store, "bert").allows("slow")) == (True, False, True)
    # A copy that holds what stands in the journal as well.
    with sqlite3.connect(store.path) as file:
        dump = "\n".join(file.iterdump())
    file.close()
    assert [text for text in (secret, other, secret[len(PREFIX) :]) if text in dump + repr(found)] == []


@rows("secret", ["", "sk-g4flite-", "sk-g4flite-wrong", "\udcff", "é", "x" * 100_000])
def test_an_unknown_key_is_not_found(secret: str, store: Store) -> None:
    assert store.find(secret) is None


def test_a_key_whose_hash_only_begins_alike_is_not_found(store: Store) -> None:
    secret = store.add("anna")
    with sqlite3.connect(store.path) as file:
        (digest,) = file.execute("SELECT hash FROM keys").fetchone()
        file.execute("UPDATE keys SET hash = ?", [digest[:-1] + bytes([digest[-1] ^ 1])])
    file.close()
    assert store.find(secret) is None


def test_a_revoked_key_is_not_found_any_more_and_its_calls_are_refused(store: Store, clock: Clock) -> None:
    secret = store.add("anna")
    running = store.reserve("anna", 1)
    clock.now += 5
    store.revoke("anna")
    assert store.find(secret) is None
    assert of(store).revoked == clock.now
    with pytest.raises(KeyRefusedError, match="the key 'anna' is revoked; ask for another one") as caught:
        store.reserve("anna", 0)
    assert (caught.value.reason, caught.value.retry_after) == ("revoked", None)
    # What runs is charged.
    store.settle(running, 0.5)
    assert (of(store).spent, of(store).held) == (0.5, 0)
    with pytest.raises(KeyRefusedError, match="revoked"):
        store.reserve("nobody", 0)


def test_what_is_no_key_to_revoke_is_an_error_that_names_the_keys(store: Store) -> None:
    with pytest.raises(UsageError, match="there is no key 'anna' to revoke; the keys are: none"):
        store.revoke("anna")
    for name in ("bert", "carl", "dora"):
        store.add(name)
    store.revoke("carl")
    with pytest.raises(UsageError, match="there is no key 'carl' to revoke; the keys are: bert, dora$"):
        store.revoke("carl")


@rows(
    ("arguments", "said"),
    [
        ({"name": "anna"}, "there is a key 'anna'; choose another name"),
        ({"name": " "}, "must be a text without control characters, not ' '"),
        ({"name": "a\x1b[2J"}, "must be a text without control characters"),
        ({"name": "b", "budget": -1}, "a budget must be a number of dollars from 0 to 1000000000, not -1"),
        ({"name": "b", "budget": float("nan")}, "a budget must be"),
        ({"name": "b", "budget": float("inf")}, "a budget must be"),
        ({"name": "b", "rpm": 0}, "the calls per minute must be 1 or more, not 0"),
    ],
)
def test_a_key_that_makes_no_sense_is_not_made(arguments: Any, said: str, store: Store) -> None:
    if not store.listed():
        store.add("anna")
    with pytest.raises(UsageError) as caught:
        store.add(**arguments)
    assert said in str(caught.value)
    assert len(store.listed()) == 1


def test_what_a_call_may_cost_is_set_aside_and_what_it_costs_is_charged(store: Store) -> None:
    store.add("anna", budget=1)
    first = store.reserve("anna", 0.4)
    second = store.reserve("anna", 0.6)
    assert (of(store).spent, of(store).held) == (0, 1.0)
    with pytest.raises(KeyRefusedError) as caught:
        store.reserve("anna", 1e-9)
    assert caught.value.reason == "budget"
    assert str(caught.value) == (
        "the key 'anna' may not spend what this call may cost; $0.0000 are left, and $1.0000 are set aside for calls "
        "that run"
    )
    store.settle(first, 0.1)
    assert (of(store).spent, of(store).held) == (0.1, 0.6)
    store.settle(store.reserve("anna", 0.3), 0.3)
    # More than was set aside is charged in full.
    store.settle(second, 2)
    assert (of(store).spent, of(store).held) == (2.4, 0)
    with pytest.raises(KeyRefusedError, match="may not spend"):
        store.reserve("anna", 1e-9)


def test_a_call_is_settled_once(store: Store) -> None:
    store.add("anna")
    call = store.reserve("anna", 0.4)
    store.settle(call, 0.1)
    for unknown in (call, call + 1):
        with pytest.raises(ValueError, match=f"call {unknown} is settled, or was never reserved"):
            store.settle(unknown, 0.1)
    assert (of(store).spent, of(store).held) == (0.1, 0)


@rows("amount", [-1e-9, float("nan"), float("inf"), 2e9])
def test_what_is_no_amount_is_refused(amount: float, store: Store) -> None:
    if not store.listed():
        store.add("anna")
        store.reserve("anna", 1)
    with pytest.raises(ValueError, match="must be a number of dollars"):
        store.reserve("anna", amount)
    with pytest.raises(ValueError, match="must be a number of dollars"):
        store.settle(1, amount)
    assert (of(store).spent, of(store).held) == (0, 1)


def test_sums_of_small_amounts_are_exact(store: Store) -> None:
    store.add("anna", budget=0.3)
    for _ in range(3):
        store.settle(store.reserve("anna", 0.1), 0.1)
    assert of(store).spent == 0.3
    store.settle(store.reserve("anna", 0), 0)


def test_so_many_calls_begin_in_any_minute(store: Store, clock: Clock) -> None:
    store.add("anna", rpm=2)
    store.add("bert", rpm=1)
    store.settle(store.reserve("anna", 0), 0)
    clock.now += 20
    store.reserve("anna", 0)
    store.reserve("bert", 0)
    clock.now += 10
    for _ in range(2):
        with pytest.raises(
            KeyRefusedError, match="the key 'anna' may make 2 calls a minute; wait, and try again"
        ) as caught:
            store.reserve("anna", 0)
        assert (caught.value.reason, caught.value.retry_after) == ("rate", 30.0)
    clock.now += 30
    store.reserve("anna", 0)
    with pytest.raises(KeyRefusedError) as caught:
        store.reserve("anna", 0)
    assert caught.value.retry_after == 20.0


def test_a_key_with_a_budget_may_not_spend_what_nobody_knows(store: Store) -> None:
    store.add("anna", budget=5)
    store.add("bert")
    with pytest.raises(KeyRefusedError, match="the price of this model is not known") as caught:
        store.reserve("anna", None)
    assert caught.value.reason == "price"
    store.settle(store.reserve("bert", None), 0)


def test_calls_that_ended_a_minute_ago_leave_nothing_behind(store: Store, clock: Clock) -> None:
    store.add("anna")
    for _ in range(5):
        store.settle(store.reserve("anna", 0), 0)
    clock.now += 60
    running = store.reserve("anna", 1)
    clock.now += 600
    store.reserve("anna", 1)
    with sqlite3.connect(store.path) as file:
        assert [row[0] for row in file.execute("SELECT id FROM calls ORDER BY id")] == [running, running + 1]
    file.close()


def test_a_refusal_survives_pickle_and_copy() -> None:
    refused = KeyRefusedError("no", reason="rate", retry_after=2.5)
    for same in (pickle.loads(pickle.dumps(refused)), copy.deepcopy(refused)):
        assert (str(same), same.reason, same.retry_after) == ("no", "rate", 2.5)
        assert isinstance(same, G4fliteError)


def run_python(code: str, *arguments: object) -> "subprocess.Popen[str]":
    """Start Python with this code."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


SPEND = """
import sys
from g4flite.apps.gateway.keys import KeyRefusedError, Store
store, calls = Store(sys.argv[1]), []
print("ready", flush=True)
sys.stdin.readline()
while True:
    try:
        calls.append(store.reserve("anna", 0.01))
    except KeyRefusedError:
        break
    if len(calls) % 2:
        store.settle(calls[-1], 0.01)
print(len(calls))
"""


def test_processes_at_the_same_time_do_not_overspend_and_open_a_new_file_together(tmp_path: Path) -> None:
    path = tmp_path / "keys.sqlite"
    processes = [run_python(SPEND, path) for _ in range(3)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate()
    with Store(path) as store:
        store.add("anna", budget=1)
        told = []
        for process in processes:
            assert process.stdin is not None
            print(file=process.stdin, flush=True)
        for process in processes:
            out, err = process.communicate(timeout=60)
            assert (process.returncode, err) == (0, "")
            told.append(int(out))
        assert sum(told) == 100
        assert of(store).spent + of(store).held == pytest.approx(1)


DIE = """
import os, signal, sys
from g4flite.apps.gateway.keys import Store
store = Store(sys.argv[1])
store.settle(store.reserve("anna", 0.3), 0.2)
store.reserve("anna", 0.3)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_process_that_died_has_set_aside_stays_charged(store: Store) -> None:
    store.add("anna", budget=1)
    process = run_python(DIE, store.path)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert (of(store).spent, of(store).held) == (0.2, 0.3)
    with pytest.raises(KeyRefusedError):
        store.reserve("anna", 0.6)
    store.reserve("anna", 0.5)


def test_a_new_file_waits_for_a_process_that_writes_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = sqlite3.connect(tmp_path / "keys.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    # Patience is over, and so the next fault is final.
    monkeypatch.setattr(keys, "PATIENCE", 0)
    with pytest.raises(G4fliteError, match="cannot be used: database is locked"):
        Store(tmp_path / "keys.sqlite")
    monkeypatch.setattr(keys, "PATIENCE", 60)
    # SQLite is not to wait by itself.
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path, **more: connect(path, **{**more, "timeout": 0}))
    waits = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        other.rollback()

    monkeypatch.setattr(keys.time, "sleep", sleep)
    with Store(tmp_path / "keys.sqlite") as store:
        assert store.listed() == []
    assert waits == [0.01]
    other.close()


def test_threads_share_a_store(store: Store) -> None:
    store.add("anna", budget=1)
    made: list[int] = []

    def spend() -> None:
        for _ in range(20):
            try:
                made.append(store.reserve("anna", 0.02))
            except KeyRefusedError:
                return

    threads = [threading.Thread(target=spend) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 50


def test_only_the_owner_may_read_the_file(store: Store) -> None:
    assert os.name == "nt" or store.path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_used_is_an_error_that_names_it(tmp_path: Path) -> None:
    text, newer = tmp_path / "notes.txt", tmp_path / "newer.sqlite"
    text.write_text("no database " * 100)
    with sqlite3.connect(newer) as file:
        file.execute("PRAGMA user_version = 99")
    file.close()
    for path, said in (
        (text, "cannot be used: file is not a database; is the path right?"),
        (tmp_path, "cannot be used: "),
        (tmp_path / "no" / "keys", "cannot be used: "),
        (newer, "was written by another version of the gateway; use another file"),
    ):
        with pytest.raises(G4fliteError) as caught:
            Store(path)
        assert str(path) in str(caught.value)
        assert said in str(caught.value)


def test_a_lasting_fault_of_the_file_is_an_error_and_undoes_the_whole_call(store: Store) -> None:
    store.add("anna")
    with sqlite3.connect(store.path) as file:
        file.execute("CREATE TRIGGER no BEFORE UPDATE OF held ON keys BEGIN SELECT RAISE(ABORT, 'no more'); END")
    file.close()
    with pytest.raises(G4fliteError, match="cannot be used: no more"):
        store.reserve("anna", 1)
    with sqlite3.connect(store.path) as file:
        assert file.execute("SELECT count(*) FROM calls").fetchone() == (0,)
    file.close()
    store.close()
    with pytest.raises(G4fliteError, match="cannot be used: Cannot operate on a closed database"):
        store.listed()


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> Any:
    """Return a function that runs `key` with these words, and returns the exit code and both outputs."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        code = cli.run([keys.add], ["key", *words])
        return code, *capsys.readouterr()

    return run


def test_a_key_is_made_listed_and_revoked_by_commands(command: Any, tmp_path: Path) -> None:
    code, out, err = command("add", "anna", "--budget", "5.00", "--rpm", "60", "--allow", "fast", "--allow", "smart")
    secret = out.removesuffix("\n")
    assert code == 0
    assert a_line(err, "note: this key is shown once; g4flite-keys.sqlite holds its hash")
    assert command("add", "bert")[0] == 0
    with Store(tmp_path / keys.DEFAULT_FILE) as store:
        assert store.find(secret) == of(store)
        store.settle(store.reserve("anna", 1), 0.25)
        store.reserve("anna", 0.5)
    assert command("list") == (
        0,
        "name  state  budget    spent   held    rpm       models\n"
        "anna  good   5.00      0.2500  0.5000  60        fast, smart\n"
        "bert  good   no limit  0.0000  0.0000  no limit  any\n",
        "",
    )
    assert command("revoke", "bert") == (0, "", "")
    assert "bert  revoked 20" in command("list")[1]
    listed = json.loads(command("list", "--json")[1])
    assert [(key["name"], key["spent"], key["models"]) for key in listed] == [
        ("anna", 0.25, ["fast", "smart"]), ("bert", 0, []),
    ]  # fmt: skip
    assert secret not in str(listed)


def test_a_command_that_cannot_be_carried_out_says_so(command: Any, tmp_path: Path) -> None:
    for words, said in (
        (["list"], "error: there is no file of keys 'g4flite-keys.sqlite'; name it with --keys"),
        (["revoke", "anna", "--keys", "no.sqlite"], "error: there is no file of keys 'no.sqlite'"),
        (["add", "anna", "--budget", "-1"], "error: a budget must be a number of dollars"),
        (["add", "anna", "--budget", "much"], "error: argument --budget: invalid float value: 'much'"),
        ([], "error: the following arguments are required: COMMAND"),
    ):
        code, out, err = command(*words)
        assert (code, out) == (2, "")
        assert a_line(err, said), err
    # A mistaken name makes no file.
    assert not (tmp_path / "no.sqlite").exists()
