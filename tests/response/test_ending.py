"""Which finish reason counts, and whether an answer is whole if its body breaks off."""

from typing import Any

from g4flite import Finish, Native, Reasoning, ToolCallDelta
from g4flite._core.response.ending import Ending
from tests.rows import rows

STOP, LENGTH, OTHER = Finish("stop", "STOP"), Finish("length", "MAX"), Finish("other", "REASON_INVALID")
CALL, MORE, EMPTY = (ToolCallDelta(0, "c", "f", text) for text in ("{", "}", ""))


@rows(
    ("frames", "finish", "whole"),
    [
        ([], None, False),
        ([(None, ["a"])], None, False),
        ([(STOP, [])], STOP, True),
        ([(STOP, ["a"])], STOP, True),
        ([(STOP, []), (None, [""])], STOP, True),
        ([(STOP, []), (None, ["a"])], STOP, False),
        ([(STOP, []), (None, [Reasoning("a")])], STOP, False),
        ([(STOP, []), (None, [Native("image", 1)])], STOP, False),
        # Early reasons, and the last one.
        ([(STOP, []), (None, ["a"]), (LENGTH, [])], LENGTH, True),
        ([(LENGTH, []), (None, ["a"]), (STOP, [])], STOP, True),
        ([(LENGTH, []), (STOP, ["a"])], STOP, True),
        # A reason that is repeated in a plainer word.
        ([(LENGTH, []), (STOP, [])], LENGTH, True),
        ([(STOP, []), (LENGTH, [])], LENGTH, True),
        ([(STOP, []), (OTHER, [])], STOP, True),
        ([(OTHER, []), (STOP, [])], STOP, True),
        # Reasons beside every text mean nothing, once a text has followed one.
        ([(STOP, ["a"]), (STOP, ["b"])], STOP, False),
        ([(STOP, ["a"]), (None, ["b"]), (STOP, ["c"])], STOP, False),
        ([(STOP, ["a"]), (STOP, ["b"]), (STOP, [])], STOP, True),
        ([(STOP, []), (STOP, ["b"])], STOP, True),
        # Tool calls.
        ([(None, [CALL]), (STOP, []), (None, [EMPTY])], STOP, True),
        ([(None, [CALL]), (STOP, []), (None, [MORE])], STOP, False),
    ],
)
def test_the_last_reason_counts_and_content_behind_it_makes_the_answer_doubtful(
    frames: list[tuple[Finish | None, list[Any]]], finish: Finish | None, whole: bool
) -> None:
    ending = Ending()
    for reason, items in frames:
        ending.note(reason, items)
    assert (ending.finish, ending.whole) == (finish, whole)
    assert ending.settled(torn=False) == whole
    assert ending.settled(torn=True) == (whole and finish == LENGTH)


def test_a_call_that_begins_behind_the_reason_is_content_though_its_first_piece_is_held_back() -> None:
    ending = Ending()
    ending.note(None, [CALL, MORE], calls=1)
    ending.note(STOP, [], calls=1)
    assert ending.whole
    ending.note(None, [EMPTY], calls=1)
    assert ending.whole
    ending.note(None, [], calls=2)
    assert not ending.whole
