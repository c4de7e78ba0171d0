"""What a strict server demands of a value, and the refusal it answers with when the demand is not met."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Headers = Sequence[tuple[str, str]]
"""Names as they were written and values without surrounding blanks, in order of arrival."""

MAX_BODY = 8 * 1024 * 1024
"""Bytes of a request's body."""


class Refusal(Exception):  # noqa: N818 - an answer, which is no error on this side
    """An answer of `status` 400-599 whose `problem` names the field and what was expected of it."""

    def __init__(self, status: int, problem: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, problem)
        self.status = status
        self.problem = problem
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True)
class Rule:
    """One demand: `expected` in words, and whether it `holds` for a value."""

    expected: str
    holds: Callable[[Any], bool]

    def check(self, status: int, name: str, value: object) -> None:
        """Raises `Refusal` with `status` if the value called `name` does not meet the demand."""
        if not self.holds(value):
            raise Refusal(status, f"{name}: expected {self.expected}")


def exactly(value: object) -> Rule:
    """A rule for one JSON value: equal and of the same type, so that 0 is not `false`."""
    return Rule(json.dumps(value), lambda got: type(got) is type(value) and got == value)


def one_of(values: Iterable[str]) -> Rule:
    """A rule for one string of several."""
    known = tuple(values)
    return Rule(f"one of {', '.join(known)}", lambda got: isinstance(got, str) and got in known)


def matching(pattern: str, expected: str) -> Rule:
    """A rule for strings which the regular expression matches from end to end."""
    return Rule(expected, lambda got: isinstance(got, str) and re.fullmatch(pattern, got) is not None)


TEXT = Rule("a string", lambda got: isinstance(got, str))
INTEGER = Rule("an integer", lambda got: type(got) is int)
NUMBER = Rule("a number", lambda got: type(got) in (int, float))
MESSAGES = Rule(
    'a list of {"role": string, "content": string}, at least one',
    lambda got: isinstance(got, list) and bool(got) and all(map(_is_message, got)),
)


def _is_message(value: object) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {"role", "content"}
        and all(isinstance(text, str) for text in value.values())
    )


def sole(headers: Headers, name: str) -> str | None:
    """The value of the header `name` (lower case); None if it was not sent, or was sent more than once."""
    found = [value for key, value in headers if key.lower() == name]
    return found[0] if len(found) == 1 else None


def body_length(method: str, headers: Headers) -> int:
    """How many bytes of body follow the head; 0 for a method other than POST which declares none.

    Raises `Refusal` 411 (a POST without a length), 400 (garbled, or declared twice) or 413 (over 8 MiB). With the body
    unread, nobody knows where the next request begins: the connection has to be closed.
    """
    if not any(key.lower() == "content-length" for key, _ in headers):
        if method == "POST":
            raise Refusal(411, "header content-length: expected the number of bytes in the body")
        return 0
    declared = sole(headers, "content-length")
    if declared is None or not re.fullmatch("[0-9]{1,18}", declared):
        raise Refusal(400, "header content-length: expected one number of bytes")
    if int(declared) > MAX_BODY:
        raise Refusal(413, f"header content-length: expected at most {MAX_BODY} bytes")
    return int(declared)


def json_data(body: bytes) -> Any:
    """The value that the body holds. Raises `Refusal` 400: not JSON in UTF-8."""
    try:
        data = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
        json.dumps(data, ensure_ascii=False).encode("utf-8")  # fails on half a surrogate pair, which no UTF-8 can carry
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "body: expected JSON in UTF-8") from error
    return data


def json_object(body: bytes, names: Iterable[str]) -> dict[str, Any]:
    """The object that the body holds. Raises `Refusal`: 400 not JSON in UTF-8, 422 not an object of exactly `names`."""
    data = json_data(body)
    expected = f"body: expected an object with exactly the fields {', '.join(names)}"
    if not isinstance(data, dict):
        raise Refusal(422, expected)
    missing, unknown = sorted(set(names) - data.keys()), sorted(data.keys() - set(names))
    if missing or unknown:
        raise Refusal(422, f"{expected}; missing {missing}, unknown {unknown}")
    return data


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
