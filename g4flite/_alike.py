"""Pieces of JSON that differ in one text alone: what stands around it is compared, and the text alone is parsed."""

import json
from typing import Any, TypeAlias

Around: TypeAlias = tuple[bytes, bytes, int, int]  # what begins and what ends a piece, and where its text stands
scan_string: Any = json.decoder.scanstring  # type: ignore[attr-defined]


def around(piece: bytes, text: str) -> Around | None:
    """What stands around `text` where the piece, valid JSON, holds it as one string, at one place, nothing escaped."""
    quoted = b'"%b"' % text.encode("utf-8", "replace")
    at = piece.find(quoted)
    if at < 0 or at != piece.rfind(quoted) or b"\\" in piece:
        return None
    begins, ends = piece[: at + 1], piece[at + len(quoted) - 1 :]
    return begins, ends, len(begins), 1 - len(ends)


def with_rest(data: bytes, piece: bytes, known: Around) -> Around | None:
    """What stands around the text of a known piece and around that piece, where `data` holds it at one place."""
    at = data.find(piece)
    if at < 0 or at != data.rfind(piece):
        return None
    begins, ends, start, stop = known
    rest = data[at + len(piece) :]
    return data[:at] + begins, ends + rest, start + at, stop - len(rest)


def between(piece: bytes, known: Around) -> str | None:
    """The text of a piece that is like the known one but for its text, else None: the text is one JSON string."""
    begins, ends, start, stop = known
    if not piece.startswith(begins) or not piece.endswith(ends):
        return None
    quoted = piece[start:stop].decode("utf-8", "replace")  # with its closing quote
    try:
        text, end = scan_string(quoted, 0)
    except ValueError:
        return None
    return text if end == len(quoted) else None  # else it ends before that, and something else follows
