"""The files of a job: whole lines, nothing twice, and the settings."""

import datetime
import errno
import json
import os
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import g4flite
from g4flite.apps.batch import journal as module
from g4flite.apps.batch.journal import Journal
from g4flite.apps.batch.rows import row_of
from tests.rows import rows

SETTINGS = {"provider": "openai", "model": "m"}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


def ids(journal: Journal, *given: dict[str, Any]) -> list[Any]:
    return [row.id for row in journal.to_ask(map(row_of, given))]


def prompts(*names: Any) -> list[dict[str, Any]]:
    return [{"id": name, "prompt": "Hi"} for name in names]


def test_a_job_goes_on_where_it_has_ended(out: Path) -> None:
    journal = Journal(out, SETTINGS)
    assert (journal.done, ids(journal, *prompts("a", "b", 1, "1"))) == (0, ["a", "b", 1, "1"])
    journal.write({"id": "a", "answer": "Hé"})
    journal.write({"id": 1, "error": {"class": "E", "message": "m"}})
    journal.close()
    assert out.read_text(encoding="utf-8") == '{"id": "a", "answer": "Hé"}\n'
    assert (out.parent / "out.failed.jsonl").read_text() == '{"id": 1, "error": {"class": "E", "message": "m"}}\n'
    assert json.loads((out.parent / "out.job.json").read_text()) == SETTINGS
    journal = Journal(out, SETTINGS)
    assert (journal.done, ids(journal, *prompts("a", "b", 1, "1"))) == (2, ["b", "1"])
    journal.close()
    journal.close()


BEFORE = {
    "prompt": {"prompt": "Hi"},
    "messages": {"messages": [{"role": "user", "content": "Hi"}]},
    "nothing": {"text": "Hi"},
    "a field of the result": {"prompt": "Hi", "answer": "gold"},
}


@rows(
    ("before", "now", "told"),
    [
        ("prompt", {"prompt": "Ho"}, True),
        ("prompt", {"prompt": "Hi", "options": {"seed": 1}}, True),
        ("prompt", {"messages": [{"role": "user", "content": "Hi"}]}, True),
        ("messages", {"messages": [{"role": "user", "content": "Ho"}]}, True),
        ("nothing", {"prompt": "Hi"}, True),
        ("prompt", {"text": "Hi"}, True),
        ("a field of the result", {"prompt": "Hi", "gold": "gold"}, True),
        ("a field of the result", {"prompt": "Hi", "answer": "gold"}, False),
        ("prompt", {"prompt": "Hi", "options": "", "messages": None, "x": 1}, False),
        ("messages", {"messages": '[{"content": "Hi", "role": "user"}]'}, False),
        ("nothing", {"text": "Ho"}, False),
    ],
)
def test_a_row_that_is_done_and_asks_something_else_now_is_told(
    before: str, now: dict[str, Any], told: bool, tmp_path: Path
) -> None:
    out = tmp_path / f"out{len(list(tmp_path.iterdir()))}.jsonl"
    journal = Journal(out, SETTINGS)
    (row,) = journal.to_ask([row_of({"id": 7, **BEFORE[before]})])
    journal.write({**row.fields, **({"answer": "Ho"} if row.error is None else {"error": {}})})
    journal.close()
    journal = Journal(out, SETTINGS)
    assert ids(journal, {"id": 7, **now}) == []
    assert (journal.changed, journal.changed_ids) == ((1, [7]) if told else (0, []))
    journal.close()


def test_a_row_asks_the_same_whatever_kind_of_file_it_is_read_from(out: Path) -> None:
    settings = {**SETTINGS, "prompt": "Say {x} {id}"}
    values = [datetime.date(2026, 11, 27), float("nan"), Decimal("1.50"), [1, {"é": None}], "\ud800", True]
    read = [row_of({"id": number, "x": value}, "Say {x} {id}") for number, value in enumerate(values)]
    journal = Journal(out, settings)
    for row in journal.to_ask(read):
        journal.write({**row.fields, "answer": ""})
    journal.close()
    journal = Journal(out, settings)
    assert (list(journal.to_ask(read)), journal.changed) == ([], 0)
    journal.close()
    journal = Journal(out, settings)
    changed = [row_of({"id": number, "x": "y"}, "Say {x} {id}") for number in range(6)]
    assert (list(journal.to_ask(changed)), journal.changed, journal.changed_ids) == ([], 6, [0, 1, 2])
    journal.close()


def test_equal_rows_have_ids_of_their_own_the_same_in_each_run(out: Path) -> None:
    journal, row = Journal(out, SETTINGS), {"prompt": "Hi"}
    first, second, third = ids(journal, row, row, row)
    assert len({first, second, third}) == 3
    assert [second[:23], third[:23]] == [f"{first}-2-", f"{first}-3-"]
    journal.write({"id": second, "answer": ""})
    journal.close()
    journal = Journal(out, SETTINGS)
    again = ids(journal, row, row, row, row)
    assert again[:2] == [first, third]
    assert again[2][:23] == f"{first}-4-"
    journal.close()


def test_rows_that_ask_the_same_may_change_places_between_two_runs(out: Path) -> None:
    journal = Journal(out, SETTINGS)
    ada, bob, zoe = ({"prompt": "Hi", "user": user} for user in ("ada", "bob", "zoe"))
    for row in journal.to_ask(map(row_of, (ada, bob))):
        journal.write({**row.fields, "answer": ""})
    journal.close()
    journal = Journal(out, SETTINGS)
    assert [row.fields["user"] for row in journal.to_ask(map(row_of, (zoe, bob, ada)))] == ["zoe"]
    journal.close()


@rows("given", [("a", "a-2", "a"), ("a", "a", "a-2"), (1, 1, "1-2"), ("a", "a", "a", "a-2", "a-3")])
def test_an_id_that_is_there_twice_is_a_row_that_has_failed(given: tuple[Any, ...], tmp_path: Path) -> None:
    out = tmp_path / f"out{len(list(tmp_path.iterdir()))}.jsonl"
    journal = Journal(out, SETTINGS)
    found = [*journal.to_ask(map(row_of, prompts(*given)))]
    # The first row of each id is asked under it; no other row takes the id of one that comes later.
    assert [row.id for row in found if row.error is None] == [*dict.fromkeys(given)]
    assert len({row.id for row in found}) == len(given)
    for row in found:
        assert row.error is None or f"an earlier row has the id {given[0]!r}, too" in str(row.error)
        journal.write({**row.fields, "answer": ""} if row.error is None else {**row.fields, "error": {}})
    journal.close()
    journal = Journal(out, SETTINGS)
    assert ids(journal, *prompts(*given)) == []
    journal.close()


@rows("rest", ["", '{"id": "b"', '{"id": "b", "answer": ""}', "\0\0\0", "\0\0\n", '\0\0wer": ""}\n\0\n{"id"'])
def test_what_a_kill_has_left_behind_the_last_line_is_cut_off(rest: str, tmp_path: Path) -> None:
    out = tmp_path / f"out{len(list(tmp_path.iterdir()))}.jsonl"
    journal = Journal(out, SETTINGS)
    journal.write({"id": "a", "answer": ""})
    journal.close()
    whole = out.read_bytes()
    out.write_bytes(whole + rest.encode())
    journal = Journal(out, SETTINGS)
    assert ids(journal, *prompts("a", "b")) == ["b"]
    assert out.read_bytes() == whole
    journal.close()


@rows("rest", ["\n", "{broken}\n", "[1]\n", '{"answer": "no id"}\n', '{\n "id": "b"\n}\n', '\0\n{"id": "b"}\n'])
def test_a_whole_line_that_is_no_result_is_told_and_kept(rest: str, tmp_path: Path) -> None:
    out = tmp_path / f"out{len(list(tmp_path.iterdir()))}.jsonl"
    Journal(out, SETTINGS).close()
    for more in ("", '{"id": "c"}\n'):
        out.write_text(text := f'{{"id": "a"}}\n{rest}{more}')
        with pytest.raises(g4flite.UsageError, match=r"line 2 of .*.jsonl is no result of a batch; mend it"):
            Journal(out, SETTINGS)
        assert out.read_text() == text


def test_an_output_that_was_made_readable_is_not_cut_off(out: Path) -> None:
    Journal(out, SETTINGS).close()
    out.write_text(text := json.dumps({"id": "a", "answer": "paid"}, indent=1) + "\n")
    with pytest.raises(g4flite.UsageError, match=r"line 1 of .*out.jsonl is no result of a batch"):
        Journal(out, SETTINGS)
    assert out.read_text() == text


@rows(
    ("settings", "message"),
    [
        ({"provider": "openai", "model": "n"}, r'model was "m", and is "n" now'),
        ({"provider": "openai"}, r'model was "m", and is null now'),
        ({**SETTINGS, "system": "Hi"}, r'system was null, and is "Hi" now'),
    ],
)
def test_other_settings_are_refused_by_name(settings: Any, message: str, tmp_path: Path) -> None:
    out = tmp_path / f"out{len(list(tmp_path.iterdir()))}.jsonl"
    Journal(out, {"provider": "wrong"}).close()
    # Nothing has come of those settings.
    journal = Journal(out, SETTINGS)
    journal.write({"id": "a", "answer": ""})
    journal.close()
    with pytest.raises(g4flite.UsageError, match=message):
        Journal(out, settings)


def test_whether_a_job_is_there_may_be_said(out: Path) -> None:
    with pytest.raises(g4flite.UsageError, match=r"out.jsonl has no job to go on with: .* leave out --resume"):
        Journal(out, SETTINGS, resume=True)
    assert not [*out.parent.iterdir()]
    Journal(out, SETTINGS, resume=False).close()
    journal = Journal(out, SETTINGS, resume=False)
    journal.write({"id": "a", "error": {}})
    journal.close()
    with pytest.raises(g4flite.UsageError, match=r"out.jsonl was begun; .* leave out --no-resume"):
        Journal(out, SETTINGS, resume=False)
    Journal(out, SETTINGS, resume=True).close()


def test_a_job_whose_rows_a_vendor_has_is_begun(out: Path) -> None:
    Journal(out, {**SETTINGS, "vendor_batch": True}).close()
    with pytest.raises(g4flite.UsageError, match="vendor_batch was true, and is null now"):
        Journal(out, SETTINGS)
    with pytest.raises(g4flite.UsageError, match="leave out --no-resume"):
        Journal(out, {**SETTINGS, "vendor_batch": True}, resume=False)


def test_a_header_that_was_begun_is_written_anew(out: Path) -> None:
    header = out.parent / "out.job.json"
    header.write_text('{"provider": "op')
    Journal(out, SETTINGS).close()
    assert json.loads(header.read_text()) == SETTINGS


def test_an_output_of_no_job_is_left_alone(out: Path) -> None:
    out.write_text("mine")
    with pytest.raises(g4flite.UsageError, match="out.job.json does not say of which job"):
        Journal(out, SETTINGS)
    assert out.read_text() == "mine"


@pytest.mark.skipif(os.name != "posix", reason="locks of POSIX")
def test_two_processes_do_not_write_one_output(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(out, SETTINGS)
    # A lock holds for an open file: a second one in this process is as good as another process.
    with pytest.raises(g4flite.UsageError, match=r"another process writes .*out.jsonl"):
        Journal(out, SETTINGS)
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setattr(module.os, "name", "nt")
    Journal(out, SETTINGS).close()
    journal.close()


def test_an_output_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(g4flite.UsageError, match="the output cannot be written: .*No such file"):
        Journal(tmp_path / "none" / "out.jsonl", SETTINGS)


def test_a_result_is_written_whole_or_not_at_all(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, write, room = Journal(out, SETTINGS), os.write, 20
    journal.write({"id": "a", "answer": ""})

    def little(file: int, data: bytes) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, "No space left on device")
        room -= (written := write(file, data[: min(room, 7)]))
        return written

    # A write may take less than it is given.
    monkeypatch.setattr(module.os, "write", little)
    with pytest.raises(OSError, match="No space left"):
        journal.write({"id": "b", "answer": "long" * 10})
    assert out.read_text() == '{"id": "a", "answer": ""}\n'
    room = 1000
    journal.write({"id": "c", "answer": "long"})
    assert out.read_text() == '{"id": "a", "answer": ""}\n{"id": "c", "answer": "long"}\n'
    journal.close()


def test_files_are_synced_once_in_a_while(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, synced = Journal(out, SETTINGS), list[int]()
    monkeypatch.setattr(module.os, "fsync", synced.append)
    journal._synced += 1000
    journal.write({"id": "a", "answer": ""})
    assert synced == []
    journal._synced = -1000
    journal.write({"id": "b", "answer": ""})
    assert len(synced) == 2
    journal.close()


def test_what_json_has_not_is_text(out: Path) -> None:
    journal = Journal(out, SETTINGS)
    given = {
        "id": "a",
        "answer": "\ud800",
        "path": Path("x"),
        "é": [1.5],
        "png": b"\x89PNG\r\n\x1a\n",
        "raw": [b"\xff"],
    }
    journal.write(given)
    journal.write({**given, "answer": "é", "x": float("nan"), "y": [{"z": -float("inf")}]})
    journal.write({**given, "x": float("inf")})
    journal.close()

    def wrong(constant: str) -> None:
        raise AssertionError(constant)

    png, raw = "data:image/png;base64,iVBORw0KGgo=", "data:application/octet-stream;base64,/w=="
    one, two, three = (json.loads(line, parse_constant=wrong) for line in out.read_bytes().splitlines())
    assert one == {"id": "a", "answer": "\ud800", "path": "x", "é": [1.5], "png": png, "raw": [raw]}
    assert two == {**one, "answer": "é", "x": None, "y": [{"z": None}]}
    assert three == {**one, "x": None}


def test_a_line_is_a_line_for_every_reader(out: Path) -> None:
    journal, result = Journal(out, SETTINGS), {"id": "a", "answer": "\u2028é\u2029\x85\x0b\x1c\r"}
    journal.write(result)
    journal.close()
    (line,) = out.read_text(encoding="utf-8").splitlines()
    assert json.loads(line) == result
    assert "é" in line


@rows("asks", [{"prompt": "Hi", "options": {"temperature": float("inf")}}, {"messages": [{"content": float("nan")}]}])
def test_a_row_that_asks_with_nan_asks_the_same_when_it_is_read_again(asks: dict[str, Any], tmp_path: Path) -> None:
    journal = Journal(tmp_path / "out.jsonl", SETTINGS)
    before = row_of({"id": len(list(tmp_path.iterdir())), **asks})
    journal.write({**before.fields, "x": float("nan"), "error": {"class": "", "message": ""}})
    journal.close()
    again = row_of(json.loads((tmp_path / "out.failed.jsonl").read_text().splitlines()[-1]))
    assert (repr(again.messages), repr(again.options)) == (repr(before.messages), repr(before.options))
    assert again.fields["x"] is None
