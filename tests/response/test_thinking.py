"""Reasoning in a tag at the beginning of a text is told apart from the answer, wherever the text was split."""

from g4flite._core.events import Reasoning
from g4flite._core.response.thinking import LONGEST_START, ThinkTag
from tests.rows import rows


def split(pieces: list[str]) -> list[str | Reasoning]:
    """What comes out of the pieces of an answer; what is of one kind is joined, as each piece may be one of its own."""
    tag, out = ThinkTag(), list[str | Reasoning]()
    for piece in pieces:
        out += (piece,) if tag.off else tag.feed(piece)
    out += tag.close()
    reasoning = "".join(item.text for item in out if isinstance(item, Reasoning))
    text = "".join(item for item in out if isinstance(item, str))
    return [*([Reasoning(reasoning)] if reasoning else []), *([text] if text else [])]


@rows(
    ("answer", "expected"),
    [
        ("<think>Hm</think>Hi", [Reasoning("Hm"), "Hi"]),
        (" \n<think>Hm</thin></think>Hi</think>", [Reasoning("Hm</thin>"), "Hi</think>"]),
        ("<think></think>", []),
        ("<think>", []),
        ("<think>Hm</think", [Reasoning("Hm</think")]),
        ("<thin", ["<thin"]),
        ("<thinking>", ["<thinking>"]),
        ("Hi <think>", ["Hi <think>"]),
        # Bedrock's chat path.
        ("<reasoning>Hm</reasoning>Hi", [Reasoning("Hm"), "Hi"]),
        ("<reasoning>Hm</think>", [Reasoning("Hm</think>")]),
        ("<reason", ["<reason"]),
        ("<reasons>", ["<reasons>"]),
    ],
)
def test_reasoning_in_a_think_tag_is_distinguished_from_text_at_every_split(
    answer: str, expected: list[str | Reasoning]
) -> None:
    for place in range(len(answer) + 1):
        assert split([answer[:place], answer[place:]]) == expected
    assert split(list(answer)) == expected


def test_blanks_before_a_think_tag_are_held_back_up_to_a_bound() -> None:
    assert list(ThinkTag().feed(" " * (LONGEST_START - 1))) == []
    assert list(ThinkTag().feed(" " * LONGEST_START)) == [" " * LONGEST_START]
