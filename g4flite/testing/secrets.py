"""What of an HTTP exchange goes into a recording: everything but keys, cookies and passwords.  No I/O.

`_core.secrets` decides what is secret; the functions here walk through the parts of an exchange.  A value that is
secret by its name becomes `***`.  Wherever else a secret is said, a star replaces each of its bytes, so that a reply
keeps its length and its pieces.
"""

import json
import re
from collections.abc import Iterable
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
    is_secret,
    is_secret_in_response,
    may_be_secret,
    redact_bytes,
    redact_fields,
)

# The pieces of a reply as they were read, each with its time.
Pieces = list[tuple[float, bytes]]
Headers = list[tuple[bytes, bytes]]
Secrets = tuple[str, ...]
# Headers with URLs, whose queries may hold a token.
LINKS: Final = (b"location", b"link", b"content-location", b"refresh")
# A name and its value in the query or fragment of a URL inside such a header, and its user and password.
QUERY: Final = re.compile(rb"([?&;#]([^=&?;#\s<>\"]+)=)([^&;#\s<>\"',]+)")
LOGIN: Final = re.compile(rb"//[^/@\s<>]{1,1000}@")
# A field of a reply's own JSON that holds a token, like `"access_token": "eyJhbGciOiJIUzI1NiJ9"`.  The counts of tokens
# are numbers, and the `token` of log probabilities is short.
TOKEN_FIELD: Final = re.compile(
    rb'"[\w-]{0,40}(?:token|secret|password|api[_-]?key|credential)"\s{0,9}:\s{0,9}"((?:[^"\\\s]|\\.){16,4096})"',
    re.IGNORECASE,
)
# How many times a compressed reply may grow.  Deflate cannot exceed 1032, so that no reply is refused.
MAX_RATIO: Final = 2000


def public_request(request: httpx.Request) -> tuple[str, bytes, Secrets]:
    """Return the URL and the body of a request without its secrets, and the secrets, which the reply may repeat.

    A body that is not JSON is left out, since its secrets cannot be told by the names of its fields.
    """
    url, body = request.url, b""
    keys = [value for name, value in url.params.multi_items() if is_secret(name, value)]
    with suppress(ValueError, RecursionError):
        public = redact_fields(json.loads(request.content), keys)
        text = json.dumps(public, ensure_ascii=False, separators=(",", ":"))
        # JSON may hold half of a surrogate pair, which UTF-8 refuses.
        body = text.encode("utf-8", "surrogatepass")
    headers = [value for name, value in request.headers.multi_items() if may_be_secret(name, value)]
    secrets = forms_of([url.username, url.password, *keys, *headers])
    return public_url(url, secrets), redact_bytes(body, secrets), secrets


def public_url(url: httpx.URL, secrets: Secrets) -> str:
    """Return the URL without user, password and fragment, and with `***` for each secret of its query."""
    parts = urlsplit(str(url))
    query = re.sub(
        "([^&=]+)=([^&]*)",
        lambda pair: f"{pair[1]}={HIDDEN}" if is_secret(unquote(pair[1]), pair[2]) else pair[0],
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
            else redact_bytes(_public_links(value) if name.lower() in LINKS else value, secrets),
        )
        for name, value in headers
        if name.lower() != b"set-cookie"
    ]


def tokens_of(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    """Return the tokens in the queries of a response's headers, which its body may repeat."""
    values = (value for name, value in headers if name.lower() in LINKS)
    found = (pair[3] for value in values for pair in QUERY.finditer(value) if _holds_a_token(pair[2]))
    return [unquote(value.decode("latin-1")) for value in found if len(value) >= SHORTEST_KEY]


def _public_links(value: bytes) -> bytes:
    """Return the value of a header with URLs, with `***` for each login, and for each token of a query."""
    hidden = HIDDEN.encode()
    value = LOGIN.sub(b"//" + hidden + b"@", value)
    return QUERY.sub(lambda pair: pair[1] + hidden if _holds_a_token(pair[2]) else pair[0], value)


def _holds_a_token(name: bytes) -> bool:
    """Return whether a value of this name in a URL is secret, like that of `access_token`, `sig` or `code`."""
    text = unquote(name.decode("latin-1")).lower()
    return is_secret(text, "") or "sig" in text or text == "code"


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
    """Return the body with a star for each byte of a secret."""
    tokens = [found[1].decode("utf-8", "replace") for found in TOKEN_FIELD.finditer(data)]
    return redact_bytes(data, forms_of([*secrets, *tokens]) if tokens else secrets)


def _inflated(coding: str, data: bytes) -> bytes:
    """Return what the data inflates to, as far as its compression is whole."""
    inflater, plain = Inflater(coding, MAX_RATIO), bytearray()
    # Byte by byte: zlib returns nothing of a piece that has a fault in it, but a reader of the file could inflate the
    # bytes before the fault.  This takes a second for a megabyte, and few servers compress against the recorder's wish.
    with suppress(ReplyError):
        for start in range(len(data)):
            plain += b"".join(inflater.feed(data[start : start + 1]))
    return bytes(plain)
