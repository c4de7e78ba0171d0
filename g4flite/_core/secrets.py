"""Secrets: which values are secret, and how they are blotted out of what is shown.

No other module decides what is secret.  A value is secret by the name of its header or field (`is_secret`), or because
the caller gave the header (`secrets_of`); in a request that somebody else has built, it is secret unless it is known to
be harmless (`may_be_secret`).  What a service or a proxy says back then loses each secret, in any form of it:

    secrets = secrets_of(request.headers, given={"x-own"}, api_key="sk-s3cret")
    redact("no such key: sk-s3c...", secrets)           # "no such key: ***..."
    redact_bytes(b"no such key: sk-s3cret", secrets)    # b"no such key: *********", as long as before

A secret is found in any mixture of these forms, in time linear in the text: as it is, with the escapes of JSON (`\\/`,
`\\u003d`), of URLs (`%2f`) and of HTML (`&#61;`, `&equals;`), up to four of them around each other, in base64 at any
place of what was encoded, and cut off: a long beginning of it anywhere, a short one by `...` or the end of the text.
"""

import json
import re
from base64 import b64decode, b64encode
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache, cached_property
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from .headers import COMPUTED

# A header (or a field of JSON) whose name contains one of these words in lower case is secret.
SECRET_WORD: Final = re.compile("auth|key|token|secret|password|cookie|credential|session|jwt")
# Headers whose values may be shown, even if the caller gave them.
HARMLESS = frozenset({"accept", "accept-language", "content-type", "origin", "referer", "user-agent"})
# The keys that the documentation of Ollama, LM Studio and llama.cpp's server gives to OpenAI's clients, which want one
# (November 2026).  As secrets, they would take the host out of "could not connect to ollama:11434".
PLACEHOLDERS: Final = frozenset({"ollama", "lm-studio", "sk-no-key-required"})
# With those that the client computes from the request.
NEVER_SECRET: Final = HARMLESS | COMPUTED
# A date, a time or a version, as in `anthropic-version: 2023-06-01`.
NUMBERS: Final = r"[\d\s.:-]*"
# The name of a signature in the query of a URL: `sig` (Azure), `X-Amz-Signature`, `X-Goog-Signature`.
SIGNATURE: Final = r"(?<![a-z])sig(nature)?(?![a-z])"
# A key in the path of a URL, where some gateways take it, holds a long row of letters and digits, mixed.  A UUID, the
# name of a model (`gemini-2.5-flash`) and a number hold none.
ROW: Final = r"[A-Za-z0-9_]{20,}"
MIXED: Final = r"\d[A-Za-z]\w*\d"
# Stands for a secret in a text.
HIDDEN = "***"
# Characters.  `redact` leaves a shorter secret in the text: with "none" or "12345" as a key, it would take innocent
# words out of messages.
SHORTEST_SECRET = 6
# So many characters of a secret's beginning are hidden, whatever comes behind them; a shorter beginning is hidden only
# in front of dots and at the end of the text.  "sk-proj-", which is no secret, has eight.
LONGEST_BEGINNING = 12
SIMPLE: Final = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}
# Half of an escape.
PARTIAL: Final = rb"(?:\\(?:u[0-9a-fA-F]{0,3}|x[0-9a-fA-F]?)?|%[0-9a-fA-F]?|&#?\w{0,12})?"
# How many times a text is freed of its escapes: JSON in JSON, quoted by Python, is three.
DEPTH: Final = 5
# A shorter field of a body is no key: `"session": "monday"` would take every Monday out of the reply.
SHORTEST_KEY = 16


def is_secret(name: str, value: str) -> bool:
    """Return whether a header (or a field of JSON) of this name and value is secret.

    The value `Bearer null` is not secret: it is FlowGPT's public placeholder, the same for every caller.
    """
    return value != "Bearer null" and SECRET_WORD.search(name.lower()) is not None


def may_be_secret(name: str, value: str) -> bool:
    """Return whether a request's header may hold a secret, if nobody knows who gave it; `name` is in lower case.

    A date is not secret: a reply may say the same date, and would lose it.
    """
    return is_secret(name, value) or not (name in NEVER_SECRET or re.fullmatch(NUMBERS, value))


def is_secret_parameter(name: str) -> bool:
    """Return whether a value of this name in the query of a URL is secret, like that of `access_token` or `code`."""
    text = unquote(name).lower()
    return is_secret(text, "") or re.search(SIGNATURE, text) is not None or text == "code"


def keys_of_path(path: str) -> list[str]:
    """Return the segments of a URL's path that look like keys."""
    return [part for part in path.split("/") if any(re.search(MIXED, row) for row in re.findall(ROW, part))]


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

    def __repr__(self) -> str:
        return f"<{len(self)} secrets>"

    @cached_property
    def needles(self) -> tuple[bytes, ...]:
        """What is looked for in a text without escapes: the secrets, and what base64 makes of them."""
        return tuple(text.encode("utf-8", "surrogatepass") for text in (*self, *_base64_of(self)))


def secrets_of(headers: Mapping[str, str], given: Collection[str], api_key: str, url: str = "") -> Secrets:
    """Return the secrets of a request, which no message may repeat; the longest comes first.

    These are the forms of the API key and of the values of `headers` that are secret by name, the values of the other
    headers that the caller gave (`given`, names in lower case), except for harmless headers, and keys in the path of
    the URL.
    """
    named = [value for name, value in headers.items() if is_secret(name, value)]
    others = [value for name, value in headers.items() if name in given and name not in HARMLESS]
    return _longest_first([api_key, *others, *named, *_cookies(named), *keys_of_path(urlsplit(url).path)])


def secrets_of_client(
    sent: Iterable[tuple[Any, object]], own: Mapping[str, str], secrets: Secrets, proxy: str = ""
) -> Secrets:
    """Return the secrets of a request with those that the caller's client has added to it: headers, cookies, a login.

    `sent` is what went out: the headers, an object of httpx or pairs of bytes, and the URL, an object of httpx or "".
    It went out several times if the client's login takes several steps.  `own` is the headers that were asked for.  A
    client may add parameters to the query, of which a key is secret, and an API version is not.
    `proxy` is the URL of the proxy, whose login is secret.
    """
    asked_for = {(name.lower(), value) for name, value in own.items()}
    added = _login(proxy)
    for headers, url in sent:
        named = [(_text(name).lower(), _text(value)) for name, value in getattr(headers, "raw", headers)]
        added += [value for name, value in named if (name, value) not in asked_for and may_be_secret(name, value)]
        added += [value for name, value in parse_qsl(urlsplit(str(url)).query) if is_secret_parameter(name)]
    return _sorted({*secrets, *forms_of(added)}) if added else secrets


def _text(data: bytes) -> str:
    """Return a part of a header as text."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _login(url: str) -> list[str]:
    """Return the login of a URL as a header has it, and the password as the URL has it."""
    # The environment's URL may be one that nothing can parse.
    login = re.search("(?s)://(.*)@", url)
    user, _, password = login[1].partition(":") if login else ("", "", "")
    if not password:
        return []
    return [f"Basic {b64encode(f'{unquote(user)}:{unquote(password)}'.encode()).decode()}", password]


def forms_of(values: Collection[str]) -> Secrets:
    """Return the texts by which somebody may repeat these secret values, the longest first.

    A value may be repeated whole, without its scheme (`Bearer`), as the value of one cookie, or as the password that
    `Basic` encodes; and each of these as it is, percent-encoded, or as a JSON string has it, with `/` or `\\/`.
    """
    return _longest_first([*values, *_cookies(values)])


def _cookies(values: Iterable[str]) -> list[str]:
    """Return the values of the cookies in these texts, or of whatever else is written in their way.

    A comma may stand in a value, or end it; quotes around it are no part of it.
    """
    found = [cookie for value in values for form in ("=([^;]+)", "=([^;,]+)") for cookie in re.findall(form, value)]
    pieces = [piece for value in found for piece in (value, *value.split(","))]
    return [said for piece in pieces for said in (piece.strip(), piece.strip(' "'))]


def _longest_first(values: Iterable[str]) -> Secrets:
    """Return all forms of these values but for cookies."""
    forms: set[str] = set()
    for value in values:
        scheme, _, rest = value.rpartition(" ")
        if rest in PLACEHOLDERS:
            continue
        parts = [value, rest]
        # Clients differ in how they write other letters than those of ASCII: httpx in UTF-8, others in Latin-1.
        for encoding in ("utf-8", "latin-1") if scheme.strip().lower() == "basic" else ():
            with suppress(ValueError):
                user_and_password = b64decode(rest).decode(encoding)
                parts += [user_and_password, user_and_password.partition(":")[2]]
        # The service may have undone the percent-encoding.
        for part in {*parts, *map(unquote, parts)}:
            if len(part) >= SHORTEST_SECRET:
                # JSON may hold half of a surrogate pair, which UTF-8 refuses.
                encoded = quote(part, safe="", errors="surrogatepass")
                forms |= {part, encoded, json.dumps(part)[1:-1], part.replace("/", r"\/")}
    return _sorted(forms)


def _sorted(forms: Collection[str]) -> Secrets:
    """Return these texts, the longest first."""
    return Secrets(sorted(forms, key=len, reverse=True))


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return the text with `***` for each of the secrets, also for a secret that is cut off.

    An excerpt may end in the middle of a secret, with `...` behind it or not.
    """
    # UTF-8 refuses half of a surrogate pair, which JSON may hold.
    data, pieces, done = text.encode("utf-8", "surrogatepass"), [], 0
    for start, end in _places(data, secrets):
        pieces.append(data[done:start])
        done = end
    return HIDDEN.encode().join([*pieces, data[done:]]).decode("utf-8", "surrogatepass")


def redact_bytes(data: bytes, secrets: Iterable[str]) -> bytes:
    """Return the bytes with a star for each byte of a secret, also of one that is cut off; so lengths stay."""
    stars = bytearray(data)
    for start, end in _places(data, secrets):
        stars[start:end] = b"*" * (end - start)
    return bytes(stars)


def _base64_of(secrets: Iterable[str]) -> tuple[str, ...]:
    """Return what base64 makes of the secrets, in both of its alphabets, wherever they stand in what is encoded.

    Base64 writes three bytes as four characters.  The characters at both ends that depend on the bytes around the
    secret are left out.
    """
    found: set[str] = set()
    for secret in (text.encode("utf-8", "surrogatepass") for text in secrets):
        found.add(b64encode(secret).decode().rstrip("="))
        # With 0, 1 or 2 bytes before the secret, so many characters depend on these.
        for before, first in enumerate((0, 2, 3)):
            text = b64encode(b"\0" * before + secret).decode().rstrip("=")
            found.add(text[first : -1 if (before + len(secret)) % 3 else None])
    found |= {text.replace("+", "-").replace("/", "_") for text in found}
    return tuple(sorted((text for text in found if len(text) >= SHORTEST_SECRET), key=len, reverse=True))


def readings(data: bytes) -> Iterator[bytes]:
    """Yield a text as it is, without its escapes, without the escapes that were escaped, and so on."""
    for _ in range(DEPTH):
        yield data
        unescaped, _ = _unescape(data)
        if unescaped == data:
            return
        data = unescaped


def _places(data: bytes, secrets: Iterable[str]) -> list[tuple[int, int]]:
    """Return the start and the end of each place in a text that says a secret, in order, none twice."""
    needles = (secrets if isinstance(secrets, Secrets) else Secrets(secrets)).needles
    found: list[tuple[int, int]] = []
    # From each level of escapes, where the places of its text stood in the level before.
    places: list[tuple[list[int], list[int]]] = []
    for _ in range(DEPTH):
        for needle in needles:
            said = _beginnings(data, needle)
            found += [(_original(start, places), _original(end, places)) for start, end in said]
        unescaped, place = _unescape(data)
        if unescaped == data:
            break
        data = unescaped
        places.append(place)
    merged: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _html_names() -> dict[str, str]:
    """Return the characters that HTML has names for, by name: "lt;", and "lt" for one that needs no semicolon."""
    # Here, because a stream without an error does not need the 2,231 names.
    from html.entities import html5  # noqa: PLC0415

    return html5


@cache
def _escape() -> re.Pattern[bytes]:
    """Return the expression of an escape.  To make it takes two milliseconds, which only a process with errors spends.

    It is one of JSON and Python (four and two digits, or one character), of a URL, or of HTML (decimal, hexadecimal, by
    name).
    """
    # The names that browsers also read without a semicolon, the longest first: `&amp` and 105 others.
    legacy = "|".join(sorted((name for name in _html_names() if not name.endswith(";")), key=len, reverse=True))
    return re.compile(
        rb"\\u([0-9a-fA-F]{4})|(?:\\x|%)([0-9a-fA-F]{2})|\\([\"'\\/bfnrt])"
        rb"|&(?:#0*(\d{1,7});?|#[xX]0*([0-9a-fA-F]{1,6});?|([a-zA-Z]{2,12});|(" + legacy.encode() + b"))"
    )


def _unescape(data: bytes) -> tuple[bytes, tuple[list[int], list[int]]]:
    """Return the text without its escapes, and pairs of places: in the new text, and the same one in `data`."""
    pieces, new, old = [], [0], [0]
    last = size = 0
    for escape in _escape().finditer(data):
        character = _character(escape)
        pieces += [data[last : escape.start()], character]
        size += escape.start() - last
        last = escape.end()
        new += [size, size + len(character)]
        old += [escape.start(), last]
        size += len(character)
    return b"".join([*pieces, data[last:]]), (new, old)


def _character(escape: re.Match[bytes]) -> bytes:
    """Return the character that an escape stands for, as UTF-8; the byte itself for an escape of one byte."""
    four, two, simple, decimal, hexadecimal, name, legacy = escape.groups()
    if simple:
        return SIMPLE.get(simple, simple)
    if two:
        return bytes([int(two, 16)])
    if name:
        return _html_names().get(f"{name.decode()};", escape[0].decode()).encode()
    if legacy:
        return _html_names()[legacy.decode()].encode()
    number = int(decimal) if decimal else int(four or hexadecimal, 16)
    return chr(number).encode("utf-8", "surrogatepass") if number < 0x110000 else escape[0]


def _original(place: int, places: list[tuple[list[int], list[int]]]) -> int:
    """Return the place in the first text that stands behind a place in the last of these levels."""
    for new, old in reversed(places):
        index = bisect_right(new, place) - 1
        place = old[index] + place - new[index]
    return place


def _beginnings(said: bytes, secret: bytes) -> Iterator[tuple[int, int]]:
    """Yield the start and the end of each place that says a whole secret, or the beginning of one that is cut off.

    A short beginning counts up to dots or the very end; half of an escape may stand in between.
    """
    start = said.find(secret[:SHORTEST_SECRET])
    if start < 0:
        return
    # A scheme like `Bearer` is no part of the secret.  The beginning of an escaped form is found without its escapes.
    enough = len(secret) if b"%" in secret[:LONGEST_BEGINNING] else secret.rfind(b" ") + 1 + LONGEST_BEGINNING
    while start >= 0:
        end = start + SHORTEST_SECRET
        while end < len(said) and end - start < len(secret) and said[end] == secret[end - start]:
            end += 1
        is_whole = end - start >= len(secret)
        # Not in the middle of a character.
        while not is_whole and end < len(said) and said[end] & 0xC0 == 0x80:
            end -= 1
        rest = re.compile(PARTIAL).match(said, end)
        stop = rest.end() if rest else end
        # Not only behind `end`: the secret itself may contain dots.
        if (
            is_whole
            or end - start >= enough
            or stop == len(said)
            or said.find(b"...", start + SHORTEST_SECRET, stop + 3) >= 0
        ):
            yield start, end
        start = said.find(secret[:SHORTEST_SECRET], start + 1)
