"""Pieces of JSON that differ in one text alone: what stands around it is compared, and the text alone is parsed."""

import json
from typing import Any, TypeAlias

Around: TypeAlias = tuple[bytes, bytes, int, int]  # what begins and what ends a piece, and where its text stands
scan_string: Any = json.decoder.scanstring  # type: ignore[attr-defined]


def around(piece: bytes, text: str) -> Around | None:
    """What stands around `text` where the piece, valid JSON, holds it as one string, at one place, nothing escaped."""
    if b"\\" in piece or "\ufffd" in text:  # which may stand for bytes that are no UTF-8
        return None
    quoted = b'"%b"' % text.encode()
    at = piece.find(quoted)
    if at < 0 or piece.find(quoted, at + 1) >= 0:  # `rfind` may take quadratic time
        return None
    begins, ends = piece[: at + 1], piece[at + len(quoted) - 1 :]
    return begins, ends, len(begins), 1 - len(ends)


def with_rest(data: bytes, piece: bytes, known: Around) -> Around | None:
    """What stands around the text of a known piece and around that piece, where `data` holds it at one place."""
    at = data.find(piece)
    if at < 0 or data.find(piece, at + 1) >= 0 or b"\n" in piece:  # an event of several lines is in none of its places
        return None
    begins, ends, start, stop = known
    rest = data[at + len(piece) :]
    return data[:at] + begins, ends + rest, start + at, stop - len(rest)


def among(pieces: list[bytes], known: Around) -> list[str] | None:
    """The texts of several pieces, each of one line, that are all like the known one; else None."""
    begins, ends, start, stop = known
    inner = [piece[start : stop - 1] for piece in pieces]
    text, whole = b"\n".join(inner), b"\n".join(pieces)
    if len(text) + len(pieces) * (len(begins) + len(ends)) != len(whole):  # before anything as long is made
        return None
    if begins + (ends + b"\n" + begins).join(inner) + ends != whole:
        return None
    try:
        texts = str(text, "utf-8").split("\n")
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
