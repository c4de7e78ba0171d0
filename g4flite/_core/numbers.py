"""JSON with numbers that Python cannot hold: of more than 4300 digits, or beyond the largest float, like 1e400.

    value = loads('{"a": 1e400, "b": 1.5}')     # {"a": Number("1e400"), "b": 1.5}
    dumps(value)                                # '{"a": 1e400, "b": 1.5}'

`int` refuses so many digits, because it would take quadratic time for them; the limit holds for the whole process, so
a library must not change it (https://docs.python.org/3/library/stdtypes.html#int-max-str-digits, November 2026).
`float` makes an infinity of 1e400, which JSON cannot say.
"""

import json
import re
from collections.abc import Callable
from math import isfinite
from os import urandom
from typing import Any


class Number(float):
    """A number of JSON that Python cannot hold: infinite as a float, and its own text as it came in `text`."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> "Number":
        self = super().__new__(cls, text)
        self.text = text
        return self

    def __getnewargs__(self) -> tuple[str]:  # type: ignore[override]
        return (self.text,)

    def __eq__(self, other: object) -> bool:
        return self.text == other.text if isinstance(other, Number) else float.__eq__(self, other)

    # Without this method, `!=` would ask `float`.
    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = float.__hash__


def _float(text: str) -> float:
    value = float(text)
    return value if isfinite(value) else Number(text)


def _int(text: str) -> float:
    try:
        return int(text)
    except ValueError:
        return Number(text)


# Each reads the JSON value at a place of a text and returns it with the place of its end.  These are the C scanners
# behind `json.loads`, which itself took 1.6 times as long for a frame of 150 bytes (CPython 3.11), because it checks
# its arguments and the white space around the value.  `strict=False` takes raw control characters inside strings, which
# some services forget to escape; it costs nothing.  `scan` raises a ValueError that is no JSONDecodeError for an
# integer of too many digits.  `scan_exactly` reads such integers, but calls Python for each integer.
# Both call Python for each number with a point or an exponent: 0.1 microseconds.
scan: Any = json.JSONDecoder(strict=False, parse_float=_float).scan_once  # type: ignore[attr-defined]
_decoder = json.JSONDecoder(strict=False, parse_float=_float, parse_int=_int)
scan_exactly: Any = _decoder.scan_once  # type: ignore[attr-defined]
# Returns the value of a JSON text with such numbers.  Raises `ValueError` for any other text.
loads: Callable[[str], Any] = _decoder.decode


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no JSON")


# Does the same, and raises `ValueError` for NaN and infinities, which JSON cannot say.
loads_strictly: Callable[[str], Any] = json.JSONDecoder(
    parse_float=_float, parse_int=_int, parse_constant=_no_number
).decode
_dumps = json.JSONEncoder(allow_nan=False).encode


def dumps(value: object) -> str:
    """Return what `json.dumps` returns, but with the text of each `Number`."""
    try:
        return _dumps(value)
    # An infinity, or NaN.
    except ValueError:
        # Random, so that no string of the value begins so.
        mark = urandom(12).hex()
        return re.sub(f'"{mark}([^"]*)"', r"\1", json.dumps(_marked(value, mark)))


def _marked(value: object, mark: str) -> object:
    """Return the value with each `Number` replaced by its text behind the mark."""
    if isinstance(value, dict):
        return {name: _marked(inner, mark) for name, inner in value.items()}
    if isinstance(value, list):
        return [_marked(inner, mark) for inner in value]
    return f"{mark}{value.text}" if isinstance(value, Number) else value
