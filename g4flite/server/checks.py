"""Rules for the values of a request, and `Refusal`, which is raised if a value breaks one.

model = need(data, "model", NAME)                   # Refusal 400 "model: expected a string that is not empty"
tools = may(data, "tools", TOOLS)                   # None if the field is absent or null
role = need(given, "role", one_of(ROLES), "messages[0].")
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Headers = Sequence[tuple[str, str]]
"""The headers in order of arrival: names as they were written, values without surrounding blanks."""


class Refusal(Exception):  # noqa: N818 - a response to be sent, which is no error of this side
    """The request is answered with `status` 400-599; `problem` names the field and what was expected of it.

    `body` is the JSON of the response, if the service has a form of its own for this problem.
    """

    def __init__(
        self, status: int, problem: str, headers: Mapping[str, str] | None = None, *, body: dict[str, Any] | None = None
    ) -> None:
        super().__init__(status, problem)
        self.status = status
        self.problem = problem
        self.headers = dict(headers or {})
        self.body = body


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule for a value: `holds` says whether a value keeps it, `expected` says in words what it asks for."""

    expected: str
    holds: Callable[[Any], bool]

    def check(self, status: int, name: str, value: object) -> None:
        """Raise `Refusal` with this status if the value, which the message calls `name`, breaks the rule."""
        if not self.holds(value):
            raise Refusal(status, f"{name}: expected {self.expected}")


def exactly(value: object) -> Rule:
    """Return the rule for one JSON value.  The type has to be the same as well: 0 is not `false`."""
    return Rule(json.dumps(value), lambda got: type(got) is type(value) and got == value)


def one_of(values: Iterable[str]) -> Rule:
    """Return the rule for one of these strings."""
    known = tuple(values)
    return Rule(f"one of {', '.join(known)}", lambda got: isinstance(got, str) and got in known)


def matching(pattern: str, expected: str) -> Rule:
    """Return the rule for strings that the regular expression matches from end to end."""
    return Rule(expected, lambda got: isinstance(got, str) and re.fullmatch(pattern, got) is not None)


def _list_of(value: object, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)


TEXT = Rule("a string", lambda got: isinstance(got, str))
NAME = Rule("a string that is not empty", lambda got: isinstance(got, str) and bool(got))
BOOLEAN = Rule("true or false", lambda got: isinstance(got, bool))
# bool is a subclass of int, so isinstance() would take true for a number.
INTEGER = Rule("an integer", lambda got: type(got) is int)
COUNT = Rule("an integer above 0", lambda got: type(got) is int and got > 0)
NUMBER = Rule("a number", lambda got: type(got) in (int, float))
AMOUNT = Rule("a number of 0 or more", lambda got: type(got) in (int, float) and got >= 0)
OBJECT = Rule("an object", lambda got: isinstance(got, dict))
OBJECTS = Rule("a list of objects, at least one", lambda got: _list_of(got, dict) and bool(got))
TOOLS = Rule("a list of objects", lambda got: _list_of(got, dict))
STRINGS = Rule("a list of strings", lambda got: _list_of(got, str))
STOP = Rule("a string or a list of strings", lambda got: isinstance(got, str) or _list_of(got, str))
CHOICE = Rule(
    "none, auto, required or an object",
    lambda got: isinstance(got, dict) or (isinstance(got, str) and got in {"none", "auto", "required"}),
)


def need(data: Mapping[str, Any], name: str, rule: Rule, where: str = "") -> Any:
    """Return the field's value.  Raise `Refusal` 400, naming `where` + `name`, if it is absent or breaks the rule."""
    rule.check(400, where + name, data.get(name))
    return data[name]


def may(data: Mapping[str, Any], name: str, rule: Rule, where: str = "") -> Any:
    """Return the field's value, None if it is absent or null.  Raise `Refusal` 400 if it breaks the rule."""
    if data.get(name) is not None:
        rule.check(400, where + name, data[name])
    return data.get(name)


def options(data: Mapping[str, Any], known: Mapping[str, tuple[str, Rule]], where: str = "") -> dict[str, Any]:
    """Return the options that are given, under their common names; `known` is `{wire name: (common name, rule)}`.

    If two wire names have the same common name, the later of the two in `known` wins.  `stop` becomes a list.
    """
    found = {
        common: may(data, name, rule, where) for name, (common, rule) in known.items() if data.get(name) is not None
    }
    if isinstance(found.get("stop"), str):
        found["stop"] = [found["stop"]]
    return found


def logprobs(data: Mapping[str, Any], wanted: str, most: str, where: str = "") -> dict[str, Any]:
    """Return the option `logprobs`: how many tokens each place is to name, or True without such a number.

    Raise `Refusal` 400 for a number without `wanted`, as OpenAI does.
    """
    number = may(data, most, INTEGER, where)
    if not may(data, wanted, BOOLEAN, where):
        if number is not None:
            raise Refusal(400, f"{where}{most}: expected {wanted} to be true")
        return {}
    return {"logprobs": True if number is None else number}


def cached(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the option `cache`, which a top-level `cache_control` sets; or {}."""
    mark = may(data, "cache_control", OBJECT)
    return {} if mark is None else {"cache": need(mark, "type", exactly("ephemeral"), "cache_control.") == "ephemeral"}


def picked(data: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return those of the fields that are there and not null."""
    return {name: data[name] for name in names if data.get(name) is not None}


def sole(headers: Headers, name: str) -> str | None:
    """Return the value of the header `name` (lower case), None if it was sent more than once or not at all."""
    found = [value for key, value in headers if key.lower() == name]
    return found[0] if len(found) == 1 else None


def json_data(body: bytes) -> Any:
    """Return the value that the body holds.  Raise `Refusal` 400 if the body is not JSON in UTF-8."""
    try:
        data = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
        # Half of a surrogate pair, escaped, is valid JSON, but no UTF-8 can carry it: it fails here and not later.
        json.dumps(data, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "body: expected JSON in UTF-8") from error
    return data


def _refuse_constant(name: str) -> None:
    """Raise `ValueError` for NaN and Infinity, which Python's parser takes and JSON does not know."""
    raise ValueError(f"{name} is not JSON")
