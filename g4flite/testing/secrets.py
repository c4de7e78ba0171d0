"""What of an HTTP exchange is not kept: keys, cookies and passwords, wherever they stand.  No I/O.

Stars are as many as the bytes that they stand for, so that a reply keeps its lengths and its pieces.
"""

import json
import re
from base64 import b64decode
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

import httpx

from .._core.errors import ReplyError
from .._core.headers import COMPUTED, HARMLESS, HIDDEN, SHORTEST_SECRET, is_secret
from .._core.response.reply import BITS, Inflater, content_coding

Pieces = list[tuple[float, bytes]]  # of a reply, each with its time
Headers = list[tuple[bytes, bytes]]
NUMBERS: Final = re.compile(r"[\d\s.:-]*")  # in a header like anthropic-version: a date, which any reply may say
UNBOUNDED: Final = 2000  # times that a compressed reply may grow: deflate grows none further than 1032


def secrets_of(request: httpx.Request) -> tuple[bytes, ...]:
    """The secrets of a request, in every form in which a reply may say them, the longest first: what its headers hold
    that are secret by name, or not known to be harmless; passwords; keys in its URL and in its body.
    """
    values = [request.url.username, request.url.password]
    for name, value in request.headers.multi_items():
        if is_secret(name, value) or not (name in HARMLESS | COMPUTED or NUMBERS.fullmatch(value)):
            scheme, _, rest = value.rpartition(" ")
            values += [value, rest, *re.findall("=([^;,]+)", value)]
            if scheme.lower() == "basic":
                with suppress(ValueError):
                    user_and_password = b64decode(rest).decode("latin-1")
                    values += [user_and_password, user_and_password.partition(":")[2]]
    values += [value for name, value in request.url.params.multi_items() if is_secret(name, value)]
    with suppress(ValueError, RecursionError):
        values += [value for value in _named(json.loads(request.content)) if len(value) > 15 and " " not in value]
    forms = {
        form
        for value in values
        if len(value) >= SHORTEST_SECRET
        for form in (value, quote(value, safe=""), json.dumps(value)[1:-1], value.replace("/", r"\/"))
    }
    return tuple(form.encode(errors="surrogatepass") for form in sorted(forms, key=len, reverse=True))


def _named(value: object) -> Iterable[str]:
    """The strings in a JSON value whose names are those of secrets."""
    if isinstance(value, list):
        for item in value:
            yield from _named(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if isinstance(item, str) and is_secret(name, item):
                yield item
            yield from _named(item)


def public_url(url: httpx.URL, secrets: tuple[bytes, ...]) -> str:
    """The URL without credentials and fragment, the secrets in its query as `***`."""
    parts = urlsplit(str(url))
    query = re.sub("([^&=]+)=([^&]*)", lambda m: f"{m[1]}=***" if is_secret(unquote(m[1]), m[2]) else m[0], parts.query)
    plain = parts._replace(netloc=parts.netloc.rpartition("@")[2], query=query, fragment="").geturl()
    return starred(plain.encode(), secrets).decode()


def public_body(body: bytes, secrets: tuple[bytes, ...]) -> bytes:
    """The JSON of a request without secrets; nothing where it is no JSON, and so cannot be looked into."""
    try:
        text = json.dumps(_without(json.loads(body)), ensure_ascii=False, separators=(",", ":"))
    except (ValueError, RecursionError):
        return b""
    return starred(text.encode("utf-8", "surrogatepass"), secrets)


def _without(value: Any) -> Any:
    """A JSON value whose strings are `***` where their names are those of secrets."""
    if isinstance(value, list):
        return [_without(item) for item in value]
    if isinstance(value, dict):
        return {
            name: HIDDEN if isinstance(item, str) and is_secret(name, item) else _without(item)
            for name, item in value.items()
        }
    return value


def public_headers(headers: Iterable[tuple[bytes, bytes]], secrets: tuple[bytes, ...]) -> Headers:
    """The headers of a response without cookies; those that are secret by name are `***`."""
    kept: Headers = []
    for name, value in headers:
        called = name.decode("latin-1").lower()
        secret = is_secret(called, "") and "ratelimit" not in called  # x-ratelimit-remaining-tokens is none
        if called != "set-cookie":
            kept.append((name, HIDDEN.encode() if secret else starred(value, secrets)))
    return kept


def public_reply(headers: Headers, pieces: Pieces, secrets: tuple[bytes, ...]) -> tuple[Headers, Pieces]:
    """The reply with stars for secrets, cut where it was cut.

    A compressed one that says a secret is inflated, and one that cannot be looked into is left out.
    """
    if not secrets:
        return headers, pieces
    data = b"".join(piece for _, piece in pieces)
    if coding := content_coding(httpx.Headers(headers)):
        plain = bytearray()
        with suppress(ReplyError):  # what comes before the fault may be read
            for part in Inflater(coding, UNBOUNDED).feed(data) if coding in BITS else ():
                plain += part
        shown = starred(bytes(plain), secrets)
        if coding in BITS and shown == plain:
            return headers, pieces
        whole = [
            (name, value) for name, value in headers if name.lower() not in (b"content-encoding", b"content-length")
        ]
        return whole, [(pieces[-1][0], shown)] if shown else []
    shown, cut, start = starred(data, secrets), Pieces(), 0
    for at, piece in pieces:
        cut.append((at, shown[start : start + len(piece)]))
        start += len(piece)
    return headers, cut


def starred(data: bytes, secrets: tuple[bytes, ...]) -> bytes:
    """The bytes with stars for each secret, whole or as far as it goes before `...` or the end."""
    shown = bytearray(data)
    for secret in secrets:
        start = shown.find(secret[:SHORTEST_SECRET])
        while start >= 0:
            said = bytes(shown[start : start + len(secret)])
            end = start + next(
                (n for n, pair in enumerate(zip(secret, said, strict=False)) if pair[0] != pair[1]), len(said)
            )
            if said == secret or end == len(shown) or shown.startswith(b"...", end):
                shown[start:end] = b"*" * (end - start)
            start = shown.find(secret[:SHORTEST_SECRET], start + 1)
    return bytes(shown)
