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
            HIDDEN.encode() if is_secret_in_response(name.decode("latin-1")) else redact_bytes(value, secrets),
        )
        for name, value in headers
        if name.lower() != b"set-cookie"
    ]


def public_reply(headers: Headers, pieces: Pieces, secrets: Secrets) -> tuple[Headers, Pieces]:
    """Return the headers and the pieces of a reply, with stars for its secrets.

    A compressed reply that says a secret is kept inflated, as one piece.  A reply whose compression cannot be undone
    here is left out, since nobody can see what it says.
    """
    if not secrets:
        return headers, pieces
    data = b"".join(piece for _, piece in pieces)
    if coding := content_coding(httpx.Headers(headers)):
        plain = _inflated(coding, data) if coding in BITS else b""
        public = redact_bytes(plain, secrets)
        if coding not in BITS or public != plain:
            of_compressed = (b"content-encoding", b"content-length")
            kept = [(name, value) for name, value in headers if name.lower() not in of_compressed]
            return kept, [(pieces[-1][0], public)] if public else []
    # The bytes of a compressed reply, too: a server may send plain text under `content-encoding: gzip`.
    public, cut, start = redact_bytes(data, secrets), Pieces(), 0
    for at, piece in pieces:
        cut.append((at, public[start : start + len(piece)]))
        start += len(piece)
    return headers, cut


def _inflated(coding: str, data: bytes) -> bytes:
    """Return what the data inflates to, as far as its compression is whole."""
    inflater, plain = Inflater(coding, MAX_RATIO), bytearray()
    # Byte by byte: zlib returns nothing of a piece that has a fault in it, but a reader of the file could inflate the
    # bytes before the fault.  This takes a second for a megabyte, and few servers compress against the recorder's wish.
    with suppress(ReplyError):
        for start in range(len(data)):
            plain += b"".join(inflater.feed(data[start : start + 1]))
    return bytes(plain)
