"""What a strict server demands of a value, and the refusal it answers with when the demand is not met."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Headers = Sequence[tuple[str, str]]
"""Names as they were written and values without surrounding blanks, in order of arrival."""


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
OBJECT = Rule("an object", lambda got: isinstance(got, dict))
OBJECTS = Rule("a list of objects, at least one", lambda got: _list_of(got, dict) and bool(got))
TOOLS = Rule("a list of objects", lambda got: _list_of(got, dict))
STRINGS = Rule("a list of strings", lambda got: _list_of(got, str))
STOP = Rule("a string or a list of strings", lambda got: isinstance(got, str) or _list_of(got, str))
COUNT = Rule("an integer above 0", lambda got: type(got) is int and got > 0)
CHOICE = Rule(
    "none, auto, required or an object",
    lambda got: isinstance(got, dict) or (isinstance(got, str) and got in {"none", "auto", "required"}),
)
NAME = Rule("a string that is not empty", lambda got: isinstance(got, str) and bool(got))
TRUE = Rule("true (this server only streams)", lambda got: got is True)


def _list_of(value: object, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)


def need(data: Mapping[str, Any], name: str, rule: Rule, where: str = "") -> Any:
    """The field's value, which has to be there. Raises `Refusal` 400 naming it `where` + `name`."""
    rule.check(400, where + name, data.get(name))
    return data[name]


def may(data: Mapping[str, Any], name: str, rule: Rule, where: str = "") -> Any:
    """The field's value, None where it is absent or null. Raises `Refusal` 400 if it is there and not as it should."""
    if data.get(name) is not None:
        rule.check(400, where + name, data[name])
    return data.get(name)


def options(data: Mapping[str, Any], known: Mapping[str, tuple[str, Rule]], where: str = "") -> dict[str, Any]:
    """The fields that are there, under their common names; `known` is `{wire name: (common name, rule)}`.

    Of two wire names for one thing the later in `known` counts; `stop` is a list in any case.
    """
    found = {
        common: may(data, name, rule, where) for name, (common, rule) in known.items() if data.get(name) is not None
    }
    if isinstance(found.get("stop"), str):
        found["stop"] = [found["stop"]]
    return found


def picked(data: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Those of the fields that are there and not null."""
    return {name: data[name] for name in names if data.get(name) is not None}


def sole(headers: Headers, name: str) -> str | None:
    """The value of the header `name` (lower case); None if it was not sent, or was sent more than once."""
    found = [value for key, value in headers if key.lower() == name]
    return found[0] if len(found) == 1 else None


def json_data(body: bytes) -> Any:
    """The value that the body holds. Raises `Refusal` 400: not JSON in UTF-8."""
    try:
        data = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
        json.dumps(data, ensure_ascii=False).encode("utf-8")  # fails on half a surrogate pair, which no UTF-8 can carry
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "body: expected JSON in UTF-8") from error
    return data


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
