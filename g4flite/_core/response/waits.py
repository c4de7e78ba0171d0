r"""Waits: how long a service asks its clients to wait before the next attempt, in the words of every service.  No I/O.

If several places of an error say it, the first of this table counts:

    | place                                       | forms                                | who                     |
    | ------------------------------------------- | ------------------------------------ | ----------------------- |
    | header `retry-after`, a date that is past   | `Tue, 14 Nov 2023 22:13:00 GMT`      | 0, whatever else is said |
    | headers `retry-after-ms`,                   | `250`                                | OpenAI, Azure           |
    |   `x-ms-retry-after-ms`                     |                                      |                         |
    | header `retry-after` (RFC 9110 10.2.3)      | `12`, `1.5`, `2s`, an HTTP date      | all                     |
    | body, a field of RetryInfo or of the error  | `"retryDelay": "57.2s"`,             | Gemini, LiteLLM         |
    |                                             | `"retry_after": 2.5`, also as a text |                         |
    | body, the message                           | `try again in 1m30s`, `after 6       | Groq, OpenAI, Azure     |
    |                                             | seconds`, `retry in 200ms`           |                         |
    | headers that say when a quota is full again | `6m0s`, `2m59.56s`, RFC 3339, Unix   | OpenAI, Groq, Anthropic |
    |   if nothing of the quota remains; and      | time in s or ms, `r=0;t=295`         | OpenRouter, HF          |
    |   the same, quoted in the body              | `"metadata": {"headers": {...}}`     | OpenRouter              |

Only errors are read: Anthropic and Hugging Face send `retry-after` with answers, too (recordings of 2025-2026).

Sources: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after, https://console.groq.com/docs/rate-limits,
https://platform.openai.com/docs/guides/rate-limits, https://docs.claude.com/en/api/rate-limits (August 2026),
google-gemini/gemini-cli#8437, googleapis/python-genai#1875, Aider-AI/aider#3265.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any, Final

NUMBER: Final = re.compile(r"\d{1,15}(\.\d{0,15})?")
# The digits are bounded, so that no number becomes infinite.  `m` is a minute unless letters of another word follow.
_PART: Final = (
    r"(\d{1,12}(?:\.\d{1,12})?) ?"
    r"(ms|milli(?:second)?s?|[uµμ]s|ns|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)(?![a-z])"
)
_DURATION: Final = re.compile(rf"(?:{_PART}(?:,? and |,? ?)?)+")
_ONE: Final = re.compile(_PART)
# A unit by its first two letters, in seconds.
_UNITS: Final = {
    "ms": 1e-3, "mi": 60, "m": 60, "s": 1, "se": 1, "h": 3600, "hr": 3600, "ho": 3600, "d": 86400, "da": 86400,
    "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9,
}  # fmt: skip
# The words before the duration keep "20 requests in 60 seconds" and "timed out after 30 s" from being a wait.
_ASKED: Final = re.compile(
    r"\b(?:(?:try|trying|come) (?:it )?(?:again|back)|retry|retried|retrying|wait(?! time)|resets?|available)\b"
    rf"[^\d.;\n]{{0,40}}({_PART}(?:(?:,? and |,? ?){_PART})*)"
)
# The fields of a body by their letters alone, and the unit of a plain number in them.
FIELDS: Final = {
    "retryafter": 1.0, "retryafterseconds": 1.0, "retryafters": 1.0, "retryinseconds": 1.0, "retryafterms": 1e-3,
    "resetsinseconds": 1.0, "retrydelay": 1.0, "retrydelayseconds": 1.0, "retrydelayms": 1e-3,
}  # fmt: skip


def seconds_of(text: str, unit: float = 1.0) -> float | None:
    """Return the seconds that a text means, or None: a number of `unit` seconds, or a duration like `1m30.5s`."""
    text = text.strip().lower()
    if NUMBER.fullmatch(text):
        return round(float(text) * unit, 9)
    return _sum(text) if _DURATION.fullmatch(text) else None


def asked_by_headers(headers: Mapping[str, str], now_ms: int) -> float | None:
    """Return the seconds that `retry-after` and its relatives ask for, or None if they do not ask."""
    # A header that is repeated comes as "12, 12", a date holds a comma itself.
    asked = headers.get("retry-after", "")
    seconds = seconds_of(asked.partition(", ")[0])
    date = _until_date(asked, now_ms) if seconds is None else None
    if date == 0:
        return 0.0
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        milliseconds = seconds_of(headers.get(name, "").partition(", ")[0], 1e-3)
        if milliseconds is not None:
            return milliseconds
    return date if seconds is None else seconds


def asked_by_fields(objects: Iterable[Mapping[str, Any]]) -> float | None:
    """Return the seconds that a field of these JSON objects asks for, or None if none asks."""
    for fields in objects:
        for name, value in fields.items():
            unit = FIELDS.get(re.sub("[^a-z]", "", name.lower())) if len(name) < 40 else None
            if unit is not None and (seconds := _seconds_of_field(value, unit)) is not None:
                return seconds
    return None


def asked_in_words(message: str) -> float | None:
    """Return the seconds of a sentence like "Please try again in 1.2s", or None if there is none."""
    found = _ASKED.search(message.lower())
    return _sum(found[1]) if found else None


def until_reset(headers: Mapping[str, str], now_ms: int) -> float | None:
    """Return the seconds until all quotas are full again of which nothing remains, or None if no header says it."""
    waits: list[float | None] = []
    for name, value in ((name.lower(), value) for name, value in headers.items()):
        if name == "ratelimit":
            # `"api";r=0;t=295`, or in older drafts of the standard `limit=10, remaining=0, reset=30`.
            for policy in [value] if "reset=" in value else value.split(","):
                left, reset = re.search(r"\b(?:r|remaining)=(\d+)", policy), re.search(r"\b(?:t|reset)=(\d+)", policy)
                if reset and (left is None or left[1] == "0"):
                    waits.append(seconds_of(reset[1]))
        elif "ratelimit" in name.replace("-", "") and "reset" in name:
            left_over = headers.get(name.replace("reset", "remaining"), "0").strip()
            waits.append(_until(value, now_ms) if left_over == "0" else None)
    return max((wait for wait in waits if wait is not None), default=None)


def _sum(durations: str) -> float:
    """Return the seconds of all durations in a text."""
    parts = [(float(number), "ms" if unit.startswith("mil") else unit[:2]) for number, unit in _ONE.findall(durations)]
    return round(sum(number * _UNITS[unit] for number, unit in parts), 9)


def _seconds_of_field(value: object, unit: float) -> float | None:
    if isinstance(value, str):
        return seconds_of(value, unit)
    # The JSON form of google.protobuf.Duration is a text, but some relays write its two fields.
    if isinstance(value, dict):
        parts = [_seconds_of_field(value.get(name), size) for name, size in (("seconds", 1.0), ("nanos", 1e-9))]
        return None if parts[0] is None else round(parts[0] + (parts[1] or 0.0), 9)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e15:
        return None
    return round(value * unit, 9)


def _until(text: str, now_ms: int) -> float | None:
    """Return the seconds until a moment: Unix time in s or ms, RFC 3339, an HTTP date, or a duration from now."""
    if (seconds := seconds_of(text)) is None:
        return _until_date(text, now_ms)
    # A duration is shorter than 30 years, and Unix time in seconds is below 1e11 until the year 5138.
    if seconds < 1e9:
        return seconds
    return max(0.0, (seconds if seconds < 1e11 else seconds / 1000) - now_ms / 1000)


def _until_date(text: str, now_ms: int) -> float | None:
    """Return the seconds until a date, 0 if it is past, None if the text is no date."""
    try:
        if re.match(r"\d{4}-", text.strip()):
            # Python 3.10 reads neither "Z" nor fractions of any length.
            date = datetime.fromisoformat(re.sub(r"\.\d+", "", text.strip()).replace("Z", "+00:00"))
        else:
            from email.utils import parsedate_to_datetime  # noqa: PLC0415 - imports socket, and is rarely needed

            date = parsedate_to_datetime(text)
        return max(0.0, date.replace(tzinfo=date.tzinfo or timezone.utc).timestamp() - now_ms / 1000)
    except (ValueError, OverflowError):
        return None
