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


def among(pieces: list[bytes], known: Around) -> list[str] | None:
    """The texts of several pieces, each of one line, that are all like the known one; else None.

    It takes a third of the time of `between` for each.
    """
    begins, ends, start, stop = known
    inner = [piece[start : stop - 1] for piece in pieces]
    if begins + (ends + b"\n" + begins).join(inner) + ends != b"\n".join(pieces):
        return None
    try:
        texts = str(b"\n".join(inner), "utf-8").split("\n")
        together = "".join(texts)
        if '"' not in together and "\\" not in together and together.isprintable():  # each as it stands
            return texts
        found = [scan_string(f'{text}"', 0) for text in texts]
    except ValueError:
        return None
    if any(end != len(text) + 1 for text, (_, end) in zip(texts, found, strict=True)):
        return None
    return [text for text, _ in found]


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
