"""What a script makes of a body, and which scripts make no sense."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from g4flite.testing import Script
from g4flite.testing.script import divide, shorten, unterminated
from tests.rows import rows
from tests.testing.sockets import CROMICLE, chunks, emulate, plug, read_all

pytestmark = pytest.mark.usefixtures("nothing_is_left_behind")


@rows(
    ("split", "expected"),
    [
        (None, [b"one", b" two", b" three"]),
        (1, [bytes([byte]) for byte in b"one two three"]),
        (5, [b"one t", b"wo th", b"ree"]),
        (99, [b"one two three"]),
        ((), [b"one two three"]),
        ((1, 4, 12), [b"o", b"ne ", b"two thre", b"e"]),
        ((4, 99), [b"one ", b"two three"]),
    ],
)
def test_split_says_where_chunks_end(split: Any, expected: list[bytes]) -> None:
    wire = CROMICLE.header(connection="close")
    with emulate(lambda _: "one two three", script=Script(split=split)) as e, plug(e, wire.raw) as sock:
        assert chunks(read_all(sock)) == [*expected, b""]


@rows("cut", [0, 1, 3, 4, 99])
def test_no_more_pieces_are_taken_than_are_sent(cut: int) -> None:
    taken = []

    def pieces() -> Iterator[bytes]:
        for piece in (b"abc", b"", b"def"):
            taken.append(piece)
            yield piece

    assert b"".join(shorten(pieces(), cut)) == b"abcdef"[:cut]
    assert len(taken) == {0: 0, 1: 1, 3: 1, 4: 3, 99: 3}[cut]


def test_an_empty_body_has_no_blocks() -> None:
    assert list(divide([b"", b""], 1)) == list(divide([b""], None)) == []


def test_an_empty_body_has_no_last_line_end() -> None:
    assert list(unterminated([])) == [b""]


@rows(
    "wrong",
    [{"split": 0}, {"split": (3, 3)}, {"split": (0, 3)}, {"status": 101}, {"cut": -1}, {"wait": -0.1}, {"silence": -1}],
)
def test_a_script_that_makes_no_sense_is_a_value_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}.*: expected"):
        Script(**wrong)


@pytest.mark.parametrize("wrong", [{"problem": "quota"}, {"dialect": "klingon"}])
def test_a_script_of_no_known_kind_is_a_value_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected one of"):
        Script(**wrong)


@rows(
    "wrong",
    [{"split": "3"}, {"split": [1, 2]}, {"wait": "1"}, {"silence": None}, {"status": "429"}, {"cut": 1.5},
     {"body": {"a": 1}}, {"raw": "HTTP/1.1 200 OK"}, {"headers": [("a", "b")]}, {"hangup": 1}, {"tools": ["weather"]}],
)  # fmt: skip
def test_a_field_of_a_wrong_type_is_a_type_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=f"^{next(iter(wrong))}: expected .*, not "):
        Script(**wrong)
