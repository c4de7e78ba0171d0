"""How a reply's pieces of text become the bytes of its body."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator


def raw_text(pieces: Iterable[str]) -> Iterator[bytes]:
    """Yields each piece as UTF-8."""
    return (piece.encode() for piece in pieces)


def ndjson(pieces: Iterable[str]) -> Iterator[bytes]:
    """Yields one JSON object a line: one without an event, one of event `text` a piece, one of event `done`."""
    yield _line({"status": "ok"})
    for piece in pieces:
        yield _line({"event": "text", "data": piece})
    yield _line({"event": "done"})


def _line(value: dict[str, str]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"
