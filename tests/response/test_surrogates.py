"""The two halves of a surrogate pair that came in two texts are joined."""

from g4flite._core.response.surrogates import SurrogatePairs
from tests.rows import rows


@rows("character", ["\U00010000", "\U0001f600", "\U0010ffff"])
def test_a_surrogate_pair_is_joined_at_both_ends_of_its_range(character: str) -> None:
    high, low = (chr(int.from_bytes(half, "big")) for half in divided(character))
    pairs = SurrogatePairs()
    assert (pairs.join(f"a{high}"), pairs.join(f"{low}b")) == ("a", f"{character}b")
    assert pairs.join(f"c{low}") == "c\ufffd"


def divided(character: str) -> tuple[bytes, bytes]:
    """The two halves of a character's surrogate pair."""
    pair = character.encode("utf-16-be")
    return pair[:2], pair[2:]
