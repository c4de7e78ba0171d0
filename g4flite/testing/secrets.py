"""What of an HTTP exchange goes into a recording: everything but keys, cookies and passwords.  No I/O.

`_core.secrets` decides what is secret; the functions here walk through the parts of an exchange.  A value that is
secret by its name becomes `***`.  Wherever else a secret is said, a star replaces each of its bytes, so that a reply
keeps its length and its pieces.
"""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final
from urllib.parse import unquote, urlsplit

import httpx

from .._core.errors import ReplyError
from .._core.response.reply import BITS, Inflater, content_coding
from .._core.secrets import (
    HIDDEN,
    SHORTEST_KEY,
    forms_of,
    is_secret_in_response,
    is_secret_parameter,
    keys_of_path,
    may_be_secret,
    readings,
    redact_bytes,
    redact_fields,
)

# The pieces of a reply as they were read, each with its time.
Pieces = list[tuple[float, bytes]]
Headers = list[tuple[bytes, bytes]]
Secrets = tuple[str, ...]
# A name in the query or fragment of a URL inside a header or a body, and a value behind it, which may be a URL, too.
PARAMETER: Final = re.compile(rb"[?&;#]([^=&?;#\s<>\"]{1,200})=[\"']?")
VALUE: Final = re.compile(rb"[^&;#\s<>\"',\\]+")
PAIR: Final = re.compile(rb"([?&;#][^=&?;#\s<>\"]+=)([^&?;#\s<>\"',]+)")
# The user and the password of a URL.
LOGIN: Final = re.compile(rb"//[^/@\s<>]{1,1000}@")
PASSWORD_IN_URL: Final = re.compile(rb"//[^/@\s<>\"':]{0,200}:([^/@\s<>\"']{1,1000})@")
# The names of what is a token in a reply.  `author` and `monkey` are none.
_TOKEN = rb"[\w.-]{0,40}(?:token|secret|password|api[_-]?key|private[_-]?key|credential|jwt|cookie)"
_NAME = rb"(?:" + _TOKEN + rb"|[\w.-]{0,40}(?:authorization|session(?:[_-]?id)?|[_-]key|(?-i:[a-z]Key))|key|auth)"
_STRING = rb'"(?:(?:bearer|basic|token)\s)?((?:[^"\\\s]|\\.){16,4096})"'
# How a reply says a token of its own: in a field of JSON, like `"access_token": "eyJhbGciOiJIUzI1NiJ9"`; in a form or a
# line, like `access_token=eyJhbGciOiJIUzI1NiJ9`; behind `Bearer`; as a private key.  The counts of tokens are numbers,
# and the `token` of log probabilities is short.
TOKEN_FIELD: Final = re.compile(rb'"' + _NAME + rb'"\s{0,9}:\s{0,9}' + _STRING, re.IGNORECASE)
# The second lookaround says no more than the first letters of each name, but without it a megabyte of blanks takes half
# a second.
TOKEN_LINE: Final = re.compile(
    rb"(?<![\w.-])(?=[\w.-])(?:" + _NAME + rb"\s?[=:]|bearer)\s?(?:bearer\s)?([\w.~+/%-]{16,4096}=*)", re.IGNORECASE
)
PRIVATE_KEY: Final = re.compile(rb"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----([^-]{16,16384})-----END")
# A password, which is shorter than other tokens; and cookies, in the form of a header.
PASSWORD: Final = re.compile(rb'"[\w.-]{0,40}passw(?:or)?d"\s{0,9}:\s{0,9}"((?:[^"\\\s]|\\.){8,4096})"', re.IGNORECASE)
COOKIES: Final = re.compile(rb'"[\w.-]{0,40}cookies?"\s{0,9}:\s{0,9}"((?:[^"\\]|\\.){8,4096})"', re.IGNORECASE)
COOKIE_VALUE: Final = re.compile(rb"=([^;\s\"\\]+)")
# An object or a list of tokens, and the strings in it that are no names.
TOKENS: Final = re.compile(rb'"' + _TOKEN + rb's?"\s{0,9}:\s{0,9}[\[{]([^\]}]{1,16384})', re.IGNORECASE)
LONG_STRING: Final = re.compile(_STRING + rb"(?!\s{0,9}:)", re.IGNORECASE)
# The value of a cookie, and how long it, or a password, is at least, in characters, if it has a digit.
COOKIE: Final = re.compile(rb"[^=;]*=([^;]*)")
SHORTEST_COOKIE: Final = 8
# How many times a compressed reply may grow.  Deflate cannot exceed 1032, so that no reply is refused.
MAX_RATIO: Final = 2000


def public_request(request: httpx.Request) -> tuple[str, bytes, Secrets]:
    """Return the URL and the body of a request without its secrets, and the secrets, which the reply may repeat.

    A body that is not JSON is left out, since its secrets cannot be told by the names of its fields.
    """
    url, body = request.url, b""
    keys = [value for name, value in url.params.multi_items() if is_secret_parameter(name)]
    with suppress(ValueError, RecursionError):
        public = redact_fields(json.loads(request.content), keys)
        text = json.dumps(public, ensure_ascii=False, separators=(",", ":"))
        # JSON may hold half of a surrogate pair, which UTF-8 refuses.
        body = text.encode("utf-8", "surrogatepass")
    headers = [value for name, value in request.headers.multi_items() if may_be_secret(name, value)]
    secrets = forms_of([url.username, url.password, *keys, *headers, *keys_of_path(url.path)])
    return public_url(url, secrets), redact_bytes(body, secrets), secrets


def public_url(url: httpx.URL, secrets: Secrets) -> str:
    """Return the URL without user, password and fragment, and with `***` for each secret of its query."""
    parts = urlsplit(str(url))
    query = re.sub(
        "([^&=]+)=([^&]*)",
        lambda pair: f"{pair[1]}={HIDDEN}" if is_secret_parameter(pair[1]) else pair[0],
        parts.query,
    )
    public = parts._replace(netloc=parts.netloc.rpartition("@")[2], query=query, fragment="")
    return redact_bytes(public.geturl().encode(), secrets).decode()


def public_headers(headers: Iterable[tuple[bytes, bytes]], secrets: Secrets) -> Headers:
    """Return the headers of a response without cookies, and with `***` for each value that is secret by name."""
    return [
        (
            redact_bytes(name, secrets),
            HIDDEN.encode()
            if is_secret_in_response(name.decode("latin-1"))
            else redact_bytes(_public_links(value), secrets),
        )
        for name, value in headers
        if name.lower() != b"set-cookie"
    ]


def tokens_of(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    """Return the cookies of a response's headers and the tokens in their queries, which its body may repeat."""
    found = list[str]()
    for name, value in headers:
        if name.lower() != b"set-cookie":
            said = (token.decode("latin-1") for text in readings(value) for token in _tokens_of_query(text))
            found += [unquote(token) for token in said if len(token) >= SHORTEST_KEY]
        elif (cookie := COOKIE.match(value)) and _is_no_word(token := cookie[1].strip(b' "')):
            found.append(token.decode("latin-1"))
    return found


def _is_no_word(token: bytes) -> bool:
    """Return whether the value of a cookie, or a password, is no word that the reply may say for itself."""
    return len(token) >= SHORTEST_KEY or (len(token) >= SHORTEST_COOKIE and re.search(rb"\d", token) is not None)


def _token_places(text: bytes) -> Iterator[tuple[int, int]]:
    """Yield the start and the end of each token in the queries of URLs, and of the URLs in these queries."""
    place = 0
    while parameter := PARAMETER.search(text, place):
        place = parameter.end()
        if is_secret_parameter(parameter[1].decode("latin-1")) and (value := VALUE.match(text, place)):
            place = value.end()
            yield value.span()


def _tokens_of_query(text: bytes) -> Iterator[bytes]:
    """Yield these tokens."""
    return (text[start:end] for start, end in _token_places(text))


def _public_links(value: bytes) -> bytes:
    """Return the value of a header with `***` for each login of a URL, and for each token of a query."""
    value = LOGIN.sub(b"//" + HIDDEN.encode() + b"@", value)
    pieces, done = list[bytes](), 0
    for start, end in _token_places(value):
        pieces += [value[done:start], HIDDEN.encode()]
        done = end
    return PAIR.sub(_public_pair, b"".join([*pieces, value[done:]]))


def _public_pair(pair: re.Match[bytes]) -> bytes:
    """Return a name and its value in a query with `***` for a URL that holds a token, with escapes."""
    holds_one = any(True for text in readings(pair[2]) for _ in _token_places(text))
    return pair[1] + (HIDDEN.encode() if holds_one else pair[2])


def public_reply(headers: Headers, pieces: Pieces, secrets: Secrets) -> tuple[Headers, Pieces]:
    """Return the headers and the pieces of a reply, with stars for its secrets, and for tokens of its own.

    A compressed reply that says a secret is kept inflated, as one piece.  A reply whose compression cannot be undone
    here is left out, since nobody can see what it says.
    """
    data = b"".join(piece for _, piece in pieces)
    if coding := content_coding(httpx.Headers(headers)):
        plain = _inflated(coding, data) if coding in BITS else b""
        public = _public_body(plain, secrets)
        if (secrets and coding not in BITS) or public != plain:
            of_compressed = (b"content-encoding", b"content-length")
            kept = [(name, value) for name, value in headers if name.lower() not in of_compressed]
            return kept, [(pieces[-1][0], public)] if public else []
    # The bytes of a compressed reply, too: a server may send plain text under `content-encoding: gzip`.
    public, cut, start = _public_body(data, secrets), Pieces(), 0
    for at, piece in pieces:
        cut.append((at, public[start : start + len(piece)]))
        start += len(piece)
    return headers, cut


def _public_body(data: bytes, secrets: Secrets) -> bytes:
    """Return the body with a star for each byte of a secret, or of a token that it says itself."""
    tokens = {token.decode("utf-8", "replace") for text in readings(data) for token in _tokens_of_text(text)}
    return redact_bytes(data, forms_of([*secrets, *tokens]) if tokens else secrets)


def _tokens_of_text(text: bytes) -> Iterator[bytes]:
    """Yield what a reply says in the ways of a token."""
    yield from (found[1] for form in (TOKEN_FIELD, PRIVATE_KEY) for found in form.finditer(text))
    yield from (found[1] for tokens in TOKENS.finditer(text) for found in LONG_STRING.finditer(tokens[1]))
    # A word of a sentence has no digit.
    yield from (found[1] for found in TOKEN_LINE.finditer(text) if re.search(rb"\d", found[1]))
    yield from (said for said in _tokens_of_query(text) if len(said) >= SHORTEST_KEY and re.search(rb"\d", said))
    yield from (
        found[1] for form in (PASSWORD, PASSWORD_IN_URL) for found in form.finditer(text) if _is_no_word(found[1])
    )
    cookies = (cookie[1] for found in COOKIES.finditer(text) for cookie in COOKIE_VALUE.finditer(found[1]))
    yield from (cookie for cookie in cookies if _is_no_word(cookie))


def _inflated(coding: str, data: bytes) -> bytes:
    """Return what the data inflates to, as far as its compression is whole."""
    inflater, plain = Inflater(coding, MAX_RATIO), bytearray()
    # Byte by byte: zlib returns nothing of a piece that has a fault in it, but a reader of the file could inflate the
    # bytes before the fault.  This takes a second for a megabyte, and few servers compress against the recorder's wish.
    with suppress(ReplyError):
        for start in range(len(data)):
            plain += b"".join(inflater.feed(data[start : start + 1]))
    return bytes(plain)
