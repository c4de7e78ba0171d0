"""How a reply's pieces of text become the bytes of its body."""

from __future__ import annotations

import json
from typing import Any

DONE = b"data: [DONE]\n\n"


def compact(value: Any) -> str:
    """JSON without a blank between its tokens, as services write it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def sse(value: Any, *, event: str = "", pad: str = "", end: str = "\n") -> bytes:
    """One event of JSON data, terminated by its blank line (WHATWG HTML, 9.2.6); `pad` goes behind the JSON."""
    lines = [f"event: {event}"] if event else []
    return "".join(line + end for line in [*lines, f"data: {compact(value)}{pad}", ""]).encode()
