"""The fields of a frame that services fill in many ways: ids, names, reasoning, token counts."""

from typing import Any

from g4flite import Native, Reasoning, Start
from g4flite._core.response.fields import Naming, as_object, reasoning_of
from g4flite._core.response.names import LONGEST_NAME, name_of
from tests.rows import rows


@rows(
    ("value", "name"),
    [
        ("c1", "c1"),
        # LiteLLM's ids have 445 characters.
        ("x" * 445, "x" * 445),
        ("x" * LONGEST_NAME, "x" * LONGEST_NAME),
        ("x" * (LONGEST_NAME + 1), None),
        ("", None),
        (5, "5"),
        (-5, "-5"),
        (0, "0"),
        (1 << 4096, None),
        (True, None),
        (1.5, None),
        (None, None),
        (["a"], None),
        ({}, None),
        ("a\ud83d", "a\ufffd"),
        ("\ud83d\udc4b", "\U0001f44b"),
        ("a\x1b[2Jb\n", "a\ufffd[2Jb\ufffd"),
    ],
)
def test_an_id_is_a_text_that_can_be_shown(value: object, name: str | None) -> None:
    assert name_of(value) == name


def test_a_start_is_repeated_only_if_a_later_frame_says_more() -> None:
    naming = Naming()
    assert naming.learn("", None) == Start()
    assert naming.learn(None, None) is None
    assert naming.learn("c", None) == Start("c")
    assert not naming.complete
    assert naming.learn("d", "m") == Start("c", "m")
    assert naming.complete
    assert naming.learn("e", "n") is None


@rows(
    ("value", "items"),
    [
        ("Hm", [Reasoning("Hm")]),
        ("", []),
        (None, []),
        ([{"type": "text", "text": "H"}, "m", {"text": "."}], [Reasoning("H"), Reasoning("m"), Reasoning(".")]),
        ({"type": "text", "text": "Hm"}, [Reasoning("Hm")]),
        (
            [{"type": "reference", "reference_ids": [1]}],
            [Native("reference", {"type": "reference", "reference_ids": [1]})],
        ),
        (3, [Native("reasoning", 3)]),
        ({"a": 1}, [Native("reasoning", {"a": 1})]),
        ([["a"], {"type": 3, "text": []}], [Native("reasoning", ["a"]), Native("reasoning", {"type": 3, "text": []})]),
        ([None, {"type": "text", "text": ""}], []),
    ],
)
def test_reasoning_of_any_shape_is_read_or_kept(value: object, items: list[Any]) -> None:
    assert list(reasoning_of(value)) == items


def test_what_is_no_object_is_the_empty_object() -> None:
    assert as_object({"a": 1}) == {"a": 1}
    assert as_object([1]) == {}
