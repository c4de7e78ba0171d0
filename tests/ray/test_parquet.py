"""Batches of real Parquet files, over pyarrow and over polars: `tests/apps` has fakes in their place."""

import json
import sys
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from g4flite.__main__ import main
from g4flite.apps.batch.files import count
from tests.apps.service import Service

pyarrow = pytest.importorskip("pyarrow")
write_table = pytest.importorskip("pyarrow.parquet").write_table

NOON = datetime(2026, 11, 27, 12, tzinfo=timezone.utc)
# In a column of Parquet, all rows have the same fields, also inside: what one of them lacks is None.
NAN = float("nan")
ROWS: list[dict[str, Any]] = [
    {"id": 1, "messages": [{"role": "user", "content": "Hi", "name": None}],
     "options": {"temperature": 0.5, "seed": None},
     "at": NOON, "price": Decimal("1.50"), "score": NAN, "tags": ["a", None]},
    {"id": 2, "messages": [{"role": "user", "content": "Ho", "name": "ann"}],
     "options": {"temperature": None, "seed": 1},
     "at": None, "price": None, "score": 2.5, "tags": []},
    {"id": 3, "messages": [{"role": "user", "content": "Ha", "name": None}], "options": None,
     "at": None, "price": None, "score": None, "tags": None},
    {"id": 4, "messages": [{"role": "user", "content": "No", "name": None}],
     "options": {"temperature": NAN, "seed": None},
     "at": None, "price": None, "score": None, "tags": None},
]  # fmt: skip


@pytest.fixture(params=["pyarrow", "polars"])
def _reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Which of the two reads the file."""
    if request.param == "polars":
        pytest.importorskip("polars")
        monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def batch(service: Service, *more: str) -> int:
    command = ["batch", "in.parquet", "--provider", "llamacpp", "--base-url", service.url, "-o", "out.jsonl"]
    try:
        return main([*command, "--ordered", *more])
    except SystemExit as ended:
        return int(str(ended.code))


def found(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(name).read_text().splitlines()]


@pytest.mark.usefixtures("_reader")
def test_a_file_becomes_answers(capsys: pytest.CaptureFixture[str]) -> None:
    write_table(pyarrow.Table.from_pylist(ROWS), "in.parquet")
    assert count("in.parquet") == 4
    with Service() as service:
        assert batch(service) == 1
        assert service.asked == {"Hi": 1, "Ho": 1, "Ha": 1}
        assert capsys.readouterr().err.startswith("3 answered, 1 failed, 12 tokens: out.jsonl\n")
        # It goes on where it has ended.
        assert batch(service) == 0
        assert service.asked.total() == 3
    one, two, three = found("out.jsonl")
    assert [row["answer"] for row in (one, two, three)] == [f"You said: {text}" for text in ("Hi", "Ho", "Ha")]
    assert (one["id"], one["options"], one["score"], one["tags"]) == (1, ROWS[0]["options"], None, ["a", None])
    assert (one["at"], one["price"]) == ("2026-11-27 12:00:00+00:00", "1.50")
    assert (two["id"], two["messages"], two["score"]) == (2, ROWS[1]["messages"], 2.5)
    assert three["options"] is None
    (failed,) = found("out.failed.jsonl")
    assert (failed["id"], failed["error"]["class"]) == (4, "OptionError")


@pytest.mark.usefixtures("_reader")
def test_a_template_is_filled_with_the_columns_of_many_row_groups() -> None:
    texts = [f"text {number}" for number in range(3000)]
    write_table(pyarrow.table({"text": texts}), "in.parquet", row_group_size=500)
    with Service() as service:
        assert batch(service, "--prompt", "Say {text}", "--concurrency", "64", "--quiet") == 0
        assert service.asked == {f"Say {text}": 1 for text in texts}
    assert [row["text"] for row in found("out.jsonl")] == texts


@pytest.mark.usefixtures("_reader")
def test_a_file_that_is_damaged_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    write_table(pyarrow.Table.from_pylist(ROWS), "whole.parquet")
    whole = Path("whole.parquet").read_bytes()
    with Service() as service:
        for data in (b"", b"PAR1", whole[:-9], whole[: len(whole) // 2], b"id,text\n1,Hi\n"):
            Path("in.parquet").write_bytes(data)
            assert batch(service, "--quiet") == 2
            error = capsys.readouterr().err
            assert error.startswith("g4flite: error: in.parquet cannot be read: ")
            assert error.count("\n") == 1
        assert not service.asked
