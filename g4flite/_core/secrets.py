"""Secrets: which values are secret, and how they are blotted out of what is shown.

No other module decides what is secret.  A value is secret by the name of its header or field (`is_secret`), or because
the caller gave the header (`secrets_of`); in a request that somebody else has built, it is secret unless it is known to
be harmless (`may_be_secret`).  What a service or a proxy says back then loses each secret, in any form of it:

    secrets = secrets_of(request.headers, given={"x-own"}, api_key="sk-s3cret")
    redact("no such key: sk-s3c...", secrets)           # "no such key: ***..."
    redact_bytes(b"no such key: sk-s3cret", secrets)    # b"no such key: *********", as long as before
"""

import json
import re
from base64 import b64decode
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, AnyStr
from urllib.parse import quote

from .headers import COMPUTED

# A header (or a field of JSON) whose name contains one of these words is secret.
SECRET_WORDS = ("auth", "key", "token", "secret", "password", "cookie", "credential", "session")
# Headers whose values may be shown, even if the caller gave them.
HARMLESS = frozenset({"accept", "accept-language", "content-type", "origin", "referer", "user-agent"})
# A date, a time or a version, as in `anthropic-version: 2023-06-01`.
NUMBERS = re.compile(r"[\d\s.:-]*")
# Stands for a secret in a text.
HIDDEN = "***"
# Characters.  `redact` leaves a shorter secret in the text: with "none" or "12345" as a key, it would take innocent
# words out of messages.
SHORTEST_SECRET = 6
# A shorter field of a body is no key: `"session": "monday"` would take every Monday out of the reply.
SHORTEST_KEY = 16


def is_secret(name: str, value: str) -> bool:
    """Return whether a header (or a field of JSON) of this name and value is secret.

    The value `Bearer null` is not secret: it is FlowGPT's public placeholder, the same for every caller.
    """
    return value != "Bearer null" and any(word in name.lower() for word in SECRET_WORDS)


def may_be_secret(name: str, value: str) -> bool:
    """Return whether a request's header may hold a secret, if nobody knows who gave it; `name` is in lower case.

    A date is not secret: a reply may say the same date, and would lose it.
    """
    return is_secret(name, value) or not (name in HARMLESS | COMPUTED or NUMBERS.fullmatch(value))


def is_secret_in_response(name: str) -> bool:
    """Return whether a response's header holds a secret, such as a cookie.

    `x-ratelimit-remaining-tokens` counts a model's tokens, and is not secret.
    """
    return is_secret(name, "") and "ratelimit" not in name.lower()


def redact_fields(value: Any, keys: list[str], name: str = "") -> Any:
    """Return the JSON value with `***` for each string whose field has a secret's name.

    The strings that look like a key are added to `keys`: they are secret wherever else they are said.
    """
    if isinstance(value, dict):
        return {field: redact_fields(inner, keys, field) for field, inner in value.items()}
    if isinstance(value, list):
        return [redact_fields(inner, keys, name) for inner in value]
    if not isinstance(value, str) or not is_secret(name, value):
        return value
    if len(value) >= SHORTEST_KEY and " " not in value:
        keys.append(value)
    return HIDDEN


class Secrets(tuple[str, ...]):
    """Secret texts.  They are shown in no repr, so that a traceback with its local variables shows none of them."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{len(self)} secrets>"


def secrets_of(headers: Mapping[str, str], given: Collection[str], api_key: str) -> Secrets:
    """Return the secrets of a request, which no message may repeat; the longest comes first.

    These are the forms of the API key and of the values of `headers` that are secret by name, and the values of the
    other headers that the caller gave (`given`, names in lower case), except for harmless headers.
    """
    named = [value for name, value in headers.items() if is_secret(name, value)]
    others = [value for name, value in headers.items() if name in given and name not in HARMLESS]
    return _longest_first([api_key, *others, *named, *_cookies(named)])


def forms_of(values: Collection[str]) -> Secrets:
    """Return the texts by which somebody may repeat these secret values, the longest first.

    A value may be repeated whole, without its scheme (`Bearer`), as the value of one cookie, or as the password that
    `Basic` encodes; and each of these as it is, percent-encoded, or as a JSON string has it, with `/` or `\\/`.
    """
    return _longest_first([*values, *_cookies(values)])


def _cookies(values: Iterable[str]) -> list[str]:
    """Return the values of the cookies in these texts, or of whatever else is written in their way."""
    return [cookie for value in values for cookie in re.findall("=([^;,]+)", value)]


def _longest_first(values: Iterable[str]) -> Secrets:
    """Return all forms of these values but for cookies."""
    forms: set[str] = set()
    for value in values:
        scheme, _, rest = value.rpartition(" ")
        parts = [value, rest]
        if scheme.lower() == "basic":
            with suppress(ValueError):
                user_and_password = b64decode(rest).decode("latin-1")
                parts += [user_and_password, user_and_password.partition(":")[2]]
        for part in parts:
            if len(part) >= SHORTEST_SECRET:
                # JSON may hold half of a surrogate pair, which UTF-8 refuses.
                encoded = quote(part, safe="", errors="surrogatepass")
                forms |= {part, encoded, json.dumps(part)[1:-1], part.replace("/", r"\/")}
    return Secrets(sorted(forms, key=len, reverse=True))


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return the text with `***` for each of the secrets, also for a secret that is cut off.

    An excerpt may end in the middle of a secret, with `...` behind it or not.
    """
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
        kept, last = [], 0
        for start, end in _beginnings(text, secret, "..."):
            kept.append(text[last:start])
            last = end
        text = HIDDEN.join([*kept, text[last:]])
    return text


def redact_bytes(data: bytes, secrets: Iterable[str]) -> bytes:
    """Return the bytes with a star for each byte of a secret, also of one that is cut off; so lengths stay."""
    for secret in (text.encode("utf-8", "surrogatepass") for text in secrets):
        data = data.replace(secret, b"*" * len(secret))
        for start, end in _beginnings(data, secret, b"..."):
            data = data[:start] + b"*" * (end - start) + data[end:]
    return data


def _beginnings(said: AnyStr, secret: AnyStr, dots: AnyStr) -> Iterator[tuple[int, int]]:
    """Yield the start and the end of each place that says the beginning of a secret, up to dots or to the very end."""
    start = said.find(secret[:SHORTEST_SECRET])
    while start >= 0:
        end = start + SHORTEST_SECRET
        while end < len(said) and said[end] == secret[end - start]:
            end += 1
        # Not only behind `end`: the secret itself may contain dots.
        cut_off = end == len(said) or said.find(dots, start + SHORTEST_SECRET, end + len(dots)) >= 0
        if cut_off:
            yield start, end
        start = said.find(secret[:SHORTEST_SECRET], end if cut_off else start + 1)
