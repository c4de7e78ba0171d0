"""Rows out of files: JSON lines, CSV, Parquet."""

import csv
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import g4flite
from g4flite.apps.batch import files
from g4flite.apps.batch.files import count, read


def test_json_lines_are_rows_and_what_is_none_has_failed(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b'{"prompt": "Hi", "id": 1}\r\n\n  \n{broken\n[1]\n\xff\n{"prompt": "last"}')
    hi, broken, listed, bytes_, last = read(str(path))
    assert (hi.messages, hi.id, last.messages) == ("Hi", 1, "last")
    assert (broken.fields["row"], str(broken.error)) == ("{broken", "line 4 is not JSON")
    assert (listed.fields["row"], str(listed.error)) == ([1], "a row must be an object, not list")
    assert str(bytes_.error) == "line 6 is not JSON"
    assert broken.id == next(row for row in read(str(path)) if row.error).id
    assert count(str(path)) == 5


def test_a_deep_line_is_no_json(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    for depth in (100_000, 986, 101):
        path.write_text(f'{{"prompt": "Hi", "x": {"[" * (depth - 1)}{"]" * (depth - 1)}}}\n')
        (row,) = read(str(path))
        assert str(row.error) == "line 1 is not JSON"
    # Many brackets beside each other are not deep.
    path.write_text(f'{{"prompt": "Hi", "x": {"[" * 99}{"]" * 99}, "y": [{", ".join(["{}"] * 500)}]}}\n')
    (row,) = read(str(path))
    assert row.error is None


def test_csv_has_a_row_for_each_line(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(b'\xef\xbb\xbfid,text\r\n1,"Good\nmorning"\r\n2\r\n3,a,b\r\n')
    one, two, three = read(str(path), "Say {text}")
    assert (one.id, one.messages) == ("1", "Say Good\nmorning")
    assert two.fields == {"id": "2"}
    assert (three.fields["row"], str(three.error)) == (
        '["3", "a", "[\'b\']"]',
        "line 5 has more cells than the first line has names",
    )
    assert count(str(path)) == 3
    (tmp_path / "in.tsv").write_text("prompt\tx\nHi\t,\n")
    (row,) = read(str(tmp_path / "in.tsv"))
    assert (row.messages, row.fields["x"]) == ("Hi", ",")


def test_a_quote_that_is_not_closed_takes_no_row_with_it_unsaid(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text('id,text\n1,Hi\n2,"He said "no"."\n3,"Good\nmorning"\n4,"open\n5,Ho\n')
    one, two, three, four = read(str(path), "{text}")
    assert [row.messages for row in (one, three)] == ["Hi", "Good\nmorning"]
    assert two.fields["row"] == '2,"He said "no"."\n'
    assert str(two.error).startswith("lines 3 to 3 are not CSV (")
    assert four.fields["row"] == '4,"open\n5,Ho\n'
    assert str(four.error).startswith("lines 6 to 7 are not CSV (")
    assert count(str(path)) == 4


def test_standard_input_is_json_lines(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"prompt": "Hi"}\n')
    before, given = os.dup(0), os.open(tmp_path / "in.jsonl", os.O_RDONLY)
    os.dup2(given, 0)
    try:
        assert [row.messages for row in read("-")] == ["Hi"]
    finally:
        os.dup2(before, 0)
        os.close(given)
        os.close(before)
    assert count("-") is None


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
def test_what_can_be_read_only_once_is_not_counted(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "in.csv")
    assert count(str(tmp_path / "in.csv")) is None


def test_two_columns_of_one_name_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text,x,text\n1,2,3\n")
    with pytest.raises(g4flite.UsageError, match="in.csv has two columns 'text'; rename one"):
        list(read(str(tmp_path / "in.csv")))
    (tmp_path / "in.csv").write_text("")
    assert (list(read(str(tmp_path / "in.csv"))), count(str(tmp_path / "in.csv"))) == ([], 0)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(g4flite.UsageError, match=r"none.jsonl cannot be read: .*No such file"):
        list(read(str(tmp_path / "none.jsonl")))
    (tmp_path / "in.csv").write_bytes(b"prompt\n\xff\n")
    with pytest.raises(g4flite.UsageError, match=r"in.csv cannot be read: .*utf-8.*; save it as UTF-8$"):
        list(read(str(tmp_path / "in.csv")))


def test_a_file_that_cannot_be_read_has_no_known_number_of_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = csv.field_size_limit()
    monkeypatch.setattr(files, "LONGEST_CELL", 6)
    path = str(tmp_path / "in.csv")
    Path(path).write_text("prompt\nlongest\n")
    assert count(path) is None
    (row,) = read(path)
    assert "field larger than field limit" in str(row.error)
    Path(path).write_text("longest,prompt\n")
    with pytest.raises(g4flite.UsageError, match=r"in.csv cannot be read: field larger than field limit"):
        list(read(path))
    # The limit is that of all readers.
    csv.field_size_limit(before)
    for name in ("pyarrow", "pyarrow.parquet", "polars"):
        monkeypatch.setitem(sys.modules, name, None)
    path = str(tmp_path / "in.parquet")
    Path(path).write_bytes(b"PAR1")
    assert count(path) is None


@pytest.mark.parametrize("installed", ["pyarrow.parquet", "polars"])
def test_a_parquet_file_that_is_damaged_is_told(
    installed: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class PolarsError(Exception):
        """Not a ValueError."""

    def damaged(path: str) -> None:
        raise ValueError("no footer") if installed == "pyarrow.parquet" else PolarsError("no footer")

    module: Any = ModuleType(installed)
    module.ParquetFile = module.read_metadata = module.read_parquet = module.scan_parquet = damaged
    module.exceptions = SimpleNamespace(PolarsError=PolarsError)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    monkeypatch.setitem(sys.modules, installed, module)
    monkeypatch.setitem(sys.modules, "pyarrow", ModuleType("pyarrow"))
    path = tmp_path / "in.parquet"
    path.touch()
    assert count(str(path)) is None
    with pytest.raises(g4flite.UsageError, match=r"in.parquet cannot be read: no footer"):
        list(read(str(path)))


def test_a_template_of_a_column_that_a_table_has_not_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "in.csv"
    path.write_text("id,text\n1,Hi\n2\n")
    with pytest.raises(g4flite.UsageError, match=r"^the template names {txt}, which the row has not; it has id, text$"):
        list(read(str(path), "Say {txt}"))
    # A row that ends early fails alone.
    assert [row.error is None for row in read(str(path), "Say {text}")] == [True, False]
    path.write_text("")
    monkeypatch.setattr(files, "parquet", lambda path: [{"id": 1, "text": "Hi"}, {"id": 2, "text": "Ho"}])
    with pytest.raises(g4flite.UsageError, match=r"^the template names {txt}, which the row has not; it has id, text$"):
        list(read("in.parquet", "Say {txt}"))
    assert [row.messages for row in read("in.parquet", "Say {text}")] == ["Say Hi", "Say Ho"]
    # A line of JSON may have other fields than the next.
    (tmp_path / "in.jsonl").write_text('{"id": 1}\n{"text": "Hi"}\n')
    assert [row.error is None for row in read(str(tmp_path / "in.jsonl"), "Say {text}")] == [False, True]


@pytest.mark.parametrize("installed", ["pyarrow.parquet", "polars"])
def test_a_parquet_file_is_read_by_what_is_installed(
    installed: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("pyarrow", "pyarrow.parquet", "polars"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(g4flite.UsageError, match="pip install pyarrow"):
        list(read("in.parquet"))

    class File:
        def __init__(self, path: str) -> None:
            assert path == "in.parquet"

        def __enter__(self) -> "File":
            return self

        def __exit__(self, *_: object) -> None: ...

        def iter_batches(self, batch_size: int) -> list[Any]:
            return [SimpleNamespace(to_pylist=lambda: [{"prompt": "Hi"}])]

    module: Any = ModuleType(installed)
    module.ParquetFile = File
    # Both say how many rows a file has without reading them.
    module.read_metadata = lambda path: SimpleNamespace(num_rows=1)
    found = SimpleNamespace(collect=lambda: SimpleNamespace(item=lambda: 1))
    module.len, module.scan_parquet = list, lambda path: SimpleNamespace(select=lambda counted: found)
    module.read_parquet = lambda path: SimpleNamespace(iter_rows=lambda named: iter([{"prompt": "Hi"}]))
    monkeypatch.setitem(sys.modules, installed, module)
    monkeypatch.setitem(sys.modules, "pyarrow", ModuleType("pyarrow"))
    assert [row.messages for row in read("in.parquet")] == ["Hi"]
    monkeypatch.chdir(tmp_path)
    Path("in.parquet").touch()
    assert count("in.parquet") == 1
