"""JSON values as bytes of a streamed reply."""

from __future__ import annotations

import json
from typing import Any

DONE = b"data: [DONE]\n\n"


def compact(value: Any) -> str:
    """Return the value as JSON without blanks between its tokens, as services write it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def sse(value: Any, *, event: str = "", pad: str = "", end: str = "\n") -> bytes:
    """Return one server-sent event with its blank line (WHATWG HTML, 9.2.6); `pad` follows the JSON."""
    lines = [f"event: {event}"] if event else []
    return "".join(line + end for line in [*lines, f"data: {compact(value)}{pad}", ""]).encode()
