"""How a reply's pieces of text become the bytes of its body."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

DONE = b"data: [DONE]\n\n"


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


def compact(value: Any) -> str:
    """JSON without a blank between its tokens, as services write it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def sse(value: Any, *, event: str = "", pad: str = "", end: str = "\n") -> bytes:
    """One event of JSON data, terminated by its blank line (WHATWG HTML, 9.2.6); `pad` goes behind the JSON."""
    lines = [f"event: {event}"] if event else []
    return "".join(line + end for line in [*lines, f"data: {compact(value)}{pad}", ""]).encode()


def unterminated(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yields the same bytes but for the last line end: the blank line of the last event, the LF of the last object."""
    source = iter(blocks)
    last = next(source, b"")
    for block in source:
        yield last
        last = block
    yield last.removesuffix(b"\n").removesuffix(b"\r")
