"""Quoted JSON: finds the objects that stand in a text, and the events in the body of an HTTP error.  No I/O.

    list(objects_in('OpenAIException - {"error": {"code": 429}}'))       # [("OpenAIException - ", {"error": ...}, "")]
    list(events_in("event: error\ndata: Slow down"))                     # [("error", ["Slow down"])]

Relays put the whole error of the service behind them into the message of their own: as JSON, as JSON with escapes
(LiteLLM's `VertexAIException - b'{\\n "error": ...'`, BerriAI/litellm#9035), or as Python writes an object (the words
`Error code: 500 - {'error': {...}}` of OpenAI's client, idiap/sdialog#122).
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

# How many characters of a text are searched, and how many places in it are tried.
SEARCHED: Final = 16 * 1024
PLACES: Final = 8
# Where an object begins, or a list of one.
OBJECT: Final = re.compile(r"""(?:\[\s*)?\{\s*["']""")
# The parts of Python's notation of an object that differ from JSON: strings and words.  Escapes outside of strings are
# passed over here, so that no quote is looked at twice: the time is linear.
PYTHON: Final = re.compile(
    r"""\\.|'(?P<single>(?:[^'\\]|\\.)*)'|"(?:[^"\\]|\\.)*"|\b(?P<word>None|True|False)\b""", re.DOTALL
)
WORDS: Final = {"None": "null", "True": "true", "False": "false"}
SPACES: Final = {"n": "\n", "r": " ", "t": " "}
# Some services forget to escape control characters.
DECODER: Final = json.JSONDecoder(strict=False)


def objects_in(text: str) -> Iterator[tuple[str, Any, str]]:
    """Yield the objects in a text (or lists of them), each with the text before and behind it."""
    for form in _forms(text[:SEARCHED]):
        place = 0
        for _ in range(PLACES):
            found = OBJECT.search(form, place)
            if found is None:
                break
            # An object that says nothing may hold one that does.
            place = found.end() - 1
            try:
                value, end = DECODER.raw_decode(form, found.start())
            except (ValueError, RecursionError):
                continue
            yield form[: found.start()], value, form[end:]


def events_in(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the server-sent events in a text: the name of each and its lines of data.

    A line that is no field of an event (NDJSON, plain text) is an event of its own without a name.
    """
    name, data = "", list[str]()
    # Not `splitlines`, which also splits at U+2028.
    for line in [*re.split(r"\r\n|[\r\n]", text.removeprefix("\ufeff")), ""]:
        field, colon, value = line.partition(":")
        if not line:
            if data:
                yield name, data
            name, data = "", []
        elif colon and field == "event":
            name = value.strip()
        elif colon and field == "data":
            data.append(value.strip())
        elif not (colon and field in ("", "id", "retry")):
            yield "", [line.strip()]


def _forms(text: str) -> Iterator[str]:
    """Yield a text as it is, without its escapes, and with Python's notation as JSON, as far as these differ."""
    yield text
    if "\\" in text:
        yield re.sub(r"\\(.)", lambda found: SPACES.get(found[1], found[1]), text)
    if "{'" in text:
        yield PYTHON.sub(_as_json, text)


def _as_json(found: re.Match[str]) -> str:
    """Return a string or a word of Python as JSON."""
    if word := found["word"]:
        return WORDS[word]
    if found["single"] is None:
        return found[0]
    inside = re.sub(
        r"\\.|\"", lambda part: {"\\'": "'", '"': '\\"', "\\x": "\\u00"}.get(part[0], part[0]), found["single"]
    )
    return f'"{inside}"'
