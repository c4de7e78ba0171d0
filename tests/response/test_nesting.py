"""Where the JSON object ends that a text begins with, at every split; and that each character is read once."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from g4flite._core.response import nesting
from g4flite._core.response.nesting import Nesting
from tests.response.test_assembly_tool_calls import NONE, joined
from tests.rows import rows


def ends_at(pieces: list[str]) -> int | None:
    """Return how many characters belong to the object; None if its last brace has not come."""
    nesting, read = Nesting(), 0
    for piece in pieces:
        read += nesting.read(piece)
        if nesting.whole:
            return read
    return None


@rows(
    ("text", "end"),
    [
        ('{"a": [1]}', 10),
        ('{"a": [{}]} more', 11),
        (' {"a": "}\\"]"}{', 14),
        ("[{}]{", 4),
        ('"a}"b', 4),
        ('{"a": "}', None),
        ("[[]", None),
    ],
)
def test_the_object_ends_at_one_place_at_every_split(text: str, end: int | None) -> None:
    assert ends_at([text]) == end
    for place in range(1, len(text)):
        assert ends_at([text[:place], text[place:]]) == end
    assert ends_at(list(text)) == end


@given(st.lists(st.tuples(st.text('{}[]"\\a ,:', min_size=1, max_size=4), st.booleans())))
def test_pieces_that_are_read_later_say_the_same(pieces: list[tuple[str, bool]]) -> None:
    at_once, later = Nesting(), Nesting()
    for piece, is_asked in [('{"a":', False), *pieces]:
        if at_once.whole:
            break
        at_once.read(piece)
        if not later.skip(piece):
            later.read(piece)
        assert later.whole == at_once.whole
        assert not is_asked or later.takes_brace == at_once.takes_brace
    assert later.takes_brace == at_once.takes_brace


def test_arguments_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fragment may begin a call, so each one asks whether the arguments are whole."""
    read = 0

    class Counting:
        def finditer(self, text: str, start: int) -> Any:
            nonlocal read
            read += len(text)
            return marks.finditer(text, start)

    marks = nesting.marks()
    monkeypatch.setattr(nesting, "marks", Counting)
    pieces = ['{"a": [', *['{"b": "}"}', ","] * 2000, "0]}"]
    assert len(joined(*((0, NONE, "t", piece) for piece in pieces))) == 1
    assert read <= len("".join(pieces))
