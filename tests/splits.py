"""Bytes cut into pieces: a decoder gives the same texts at every split.

    @pytest.mark.parametrize("size", SPLITS)
    def test_text_is_whole_at_every_split(size: int) -> None:
        assert "".join(decode(TextParser(), cut(TEXT.encode(), size))) == TEXT

`pieces` cuts at places that hypothesis finds: `pieces(data, {1, 7})`.  `lines` writes the lines of JSON to be cut.
"""

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from g4flite import ChunkParser

# Characters of one, two, three and four bytes in UTF-8, and a combining one.
TEXT = "h\u00e9llo \u4e16\u754c \U0001f44b e\u0301"
# Bytes of a piece; the last size leaves the data whole.
SPLITS = (1, 2, 3, 7, 10**6)


def pieces(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """Return the data cut at these places, in any order."""
    return [data[a:b] for a, b in pairwise([0, *sorted(cuts), len(data)])]


def cut(data: bytes, size: int) -> list[bytes]:
    """Return the data cut into pieces of this size; the last piece may be shorter."""
    return pieces(data, range(size, len(data), size))


def decode(parser: ChunkParser, chunks: Iterable[bytes]) -> list[str]:
    """Return the texts that a parser gives if it is fed these chunks and closed."""
    texts = [text for chunk in chunks for text in parser.feed(chunk)]
    return texts + list(parser.close())


def lines(*frames: Any) -> bytes:
    """Return each frame as a line of JSON."""
    return b"".join(json.dumps(frame, ensure_ascii=False).encode() + b"\n" for frame in frames)
