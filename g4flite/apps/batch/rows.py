"""Rows: what is asked, read from mappings and checked.  No I/O.

    {"id": "a", "prompt": "Hello"}
    {"messages": [{"role": "user", "content": "Hello"}], "options": {"model": "gpt-4o", "temperature": 0}}
    {"text": "Hello"}                               # with the template "Translate: {text}"
    {"id": "a", "prompt": "Hello", "error": {...}, "attempts": 3, "seconds": 1.5}       # has failed: is asked again

A row without an id gets one of its fields, so that the same row has the same id in each run, wherever it stands.  Rows
that ask the same but differ in another field are two rows: under one id, the answer of one would be taken for the
other's if their order changes.
"""

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from functools import partial
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from ... import OptionError, UsageError
from ..._core.ledger import estimated, text_of
from ..._core.media import sniffed

# The fields of a result; a row must not have one of its own, which would be lost.
RESULT: Final = ("answer", "finish_reason", "usage", "tool_calls", "parsed", "attempts", "seconds", "error")
# The arguments of `Client.stream` that belong to the whole job.
OF_THE_JOB: Final = ("observer", "keep_partial", "retries", "api_key", "base_url", "proxy", "client", "verify")
# The fields that say what is asked; in CSV, they are texts of JSON.
ASKED: Final = ("messages", "options")
# What may be a field in a template.
FIELD: Final = re.compile(r"\{([^{}]+)\}")
# What is meant to be one, also if the row has no such field.  The names of columns may hold blanks; JSON in a template
# does not look like this.
NAME: Final = re.compile(r"\w(?:[\w .-]*\w)?")
# Bytes of an id that is made here: among a million rows, two get the same one with a chance of 4e-13.
ID_BYTES: Final = 10
# How deep a row may be nested.  Python reads about 980 levels, but whether it can write them depends on who asks: such
# a row was asked, and ended the job when its result was to be written.
DEEPEST: Final = 100


def as_json(value: object) -> str:
    """Return what stands in JSON for a value that JSON has not: bytes are a data URL, which messages may hold.

    Anything else, such as a date, is a text.
    """
    if not isinstance(value, bytes):
        return str(value)
    return f"data:{sniffed(value) or 'application/octet-stream'};base64,{b64encode(value).decode()}"


canonical = json.JSONEncoder(sort_keys=True, default=as_json).encode


class Row(NamedTuple):
    """A row: `fields` are those of its result, the id first, and `options` its own arguments of the stream.

    `named` is whether the row came with its id.  If `error` is set, the row cannot be asked.
    """

    id: str | int
    fields: Mapping[str, Any]
    messages: Any
    options: Mapping[str, Any]
    named: bool = False
    error: UsageError | None = None

    def with_id(self, name: str) -> "Row":
        """Return the same row under another id."""
        return self._replace(id=name, fields={**self.fields, "id": name})


def row_of(given: object, template: str | None = None) -> Row:
    """Return the row that a mapping means; with an error that names what is wrong, if it is no row.

    With a template, the prompt is made of the row's fields; otherwise the row has `prompt` or `messages`.
    """
    given = before_failure(given)
    try:
        fields = fields_of(given)
        messages, options = asked_by(fields, template)
        own = without_id(fields)
        name = id_of(fields, own)
    except UsageError as error:
        whole = dict(given) if isinstance(given, Mapping) else {}
        fields = {name: value for name, value in whole.items() if name not in RESULT}
        named = is_id(whole.get("id"))
        if not whole or len(fields) < len(whole) or not (named or whole.get("id") in (None, "")):
            fields["row"] = given
        name = id_of(fields if named else {}, given)
        return Row(name, {"id": name, **without_id(fields)}, None, {}, named, error)
    return Row(name, {"id": name, **own}, messages, options, fields.get("id") not in (None, ""))


def unreadable(text: str, why: str) -> Row:
    """Return what stands for a piece of a file that is no row."""
    name = id_of({}, text)
    return Row(name, {"id": name, "row": text}, None, {}, error=UsageError(why))


def asked_by(fields: Mapping[str, Any], template: str | None) -> tuple[Any, dict[str, Any]]:
    """Return the messages and the options of a row.  Raises `UsageError`, which names the field that is wrong."""
    options = read_json(fields, "options", dict) or {}
    if own := [name for name in options if name in OF_THE_JOB]:
        raise OptionError(f"options: {own[0]!r} is a setting of the whole job, not of a row")
    prompt = fields.get("prompt")
    if template is not None:
        if not (text := filled(template, fields)).strip():
            raise UsageError("the prompt that the template makes of this row is empty")
        return text, options
    if fields.get("messages") in (None, ""):
        if prompt is not None and not (isinstance(prompt, str) and prompt.strip()):
            raise UsageError(f"the prompt must be a text that is not empty, not {prompt!r:.80}")
        if prompt is None:
            raise UsageError(f"the row has no prompt and no messages, but {', '.join(map(repr, fields)) or 'no field'}")
        return prompt, options
    if prompt not in (None, ""):
        raise UsageError("the row has both prompt and messages; leave one out")
    return read_json(fields, "messages", list), options


def asked_in(result: Mapping[str, Any], template: str | None) -> int:
    """Return what `asks` returns for the row of this result, as it can be read in its fields."""
    own = {name: value for name, value in result.items() if name not in RESULT}
    try:
        messages, options = asked_by(own, template)
    except UsageError:
        messages, options = None, {}
    return asks(Row("", own, messages, options))


def asks(row: Row) -> int:
    """Return a number of 16 bits for what a row asks: the same for each row that asks the same."""
    # A row that cannot be asked has all that it was in the field `row`.
    text = canonical([row.messages, row.options, row.fields.get("row")])
    return int.from_bytes(blake2b(text.encode(), digest_size=2).digest(), "big")


def without_id(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields but for the id."""
    return {name: value for name, value in fields.items() if name != "id"}


def before_failure(given: object) -> object:
    """Return a row that has failed before without the fields of its result, and anything else as it is."""
    error = given.get("error") if isinstance(given, Mapping) else None
    if isinstance(given, Mapping) and isinstance(error, Mapping) and {"class", "message"} <= error.keys():
        return {name: value for name, value in given.items() if name not in RESULT}
    return given


def fields_of(given: object) -> dict[str, Any]:
    """Return the fields of a row.  Raises `UsageError` if it has one of the result."""
    if not isinstance(given, Mapping):
        raise UsageError(f"a row must be an object, not {type(given).__name__}")
    fields = dict(given)
    if taken := [name for name in RESULT if name in fields]:
        raise UsageError(f"the row has a field {taken[0]!r}, which the result would replace; rename it")
    return fields


def read_json(fields: Mapping[str, Any], name: str, kind: type) -> Any:
    """Return a field that is of this type, or that is its JSON as text, as in CSV; None if it is missing or empty."""
    value = fields.get(name)
    if isinstance(value, str) and value:
        try:
            value = loaded(value)
        except ValueError:
            raise UsageError(f"{name} must be JSON, not {value[:80]!r}") from None
    if value in (None, ""):
        return None
    if not isinstance(value, kind):
        raise UsageError(f"{name} must be {'an object' if kind is dict else 'a list'}, not {type(value).__name__}")
    return value


def loaded(text: str | bytes) -> Any:
    """Return the value of a JSON text.  Raises `ValueError` if it is not JSON, or nested too deeply."""
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    openings = text.count("[") + text.count("{") if isinstance(text, str) else text.count(b"[") + text.count(b"{")
    # Only a text with many brackets can be deep; to look at all values costs more than to read them.
    if openings > DEEPEST and is_deep(value):
        raise ValueError("nested too deeply")
    return value


def is_deep(value: object) -> bool:
    """Return whether a value of JSON is nested more deeply than `DEEPEST` levels."""
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return any(isinstance(one, dict | list) for one in level)


def filled(template: str, fields: Mapping[str, Any]) -> str:
    """Return the template with each `{field}` replaced: a text as it is, anything else as JSON."""

    def value(found: re.Match[str]) -> str:
        if found[1] not in fields and not NAME.fullmatch(found[1]):
            return found[0]
        if found[1] not in fields:
            raise UsageError(
                f"the template names {found[0]}, which the row has not; it has {', '.join(map(str, fields))}"
            )
        one = fields[found[1]]
        return one if isinstance(one, str) else json.dumps(one, ensure_ascii=False, default=partial(textual, found[0]))

    return FIELD.sub(value, template)


def textual(field: str, value: object) -> str:
    """Return a value that JSON has not, such as a date, as a text.  Raises `UsageError` for binary data."""
    if isinstance(value, bytes):
        raise UsageError(f"the template names {field}, which is binary; a prompt is a text, but messages hold images")
    return str(value)


def id_of(fields: Mapping[str, Any], whole: object) -> str | int:
    """Return the id that the row names, else one that is made of the whole row.  Raises `UsageError` for no id."""
    given = fields.get("id")
    if given in (None, ""):
        try:
            text = json.dumps(whole, sort_keys=True, ensure_ascii=False, default=repr)
        # Names of fields that are no texts, or a value that holds itself.
        except (TypeError, ValueError):
            text = repr(whole)
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=ID_BYTES).hexdigest()
    if not is_id(given):
        raise UsageError(f"id must be a text or a whole number, not {given!r}")
    name: str | int = given
    return name


def is_id(given: object) -> bool:
    """Return whether a value is the id of a row.  True is not an id, as a dict takes it for 1."""
    return isinstance(given, str | int) and not isinstance(given, bool) and given != ""


def tokens_of(row: Row, system: object = None) -> int:
    """Return about how many tokens the row's messages have; images, files and audio count as nothing.

    `system` is the system message of the job, before those of each row that has none of its own.
    """
    before = row.options.get("system", system)
    messages = [{"content": row.messages}] if isinstance(row.messages, str) else row.messages
    try:
        own = sum(estimated(text_of(message) or "") for message in messages)
    # The messages are checked when the row is asked.
    except (AttributeError, KeyError, TypeError):
        return 0
    return own + (estimated(before) if isinstance(before, str) else 0)
