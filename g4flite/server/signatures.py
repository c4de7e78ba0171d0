"""Signatures of what a service wants back unchanged, made so that the server has nothing to remember.

    mark = bound.sign("anthropic", "Hm.")           # bound: to what the request of the signed reply belongs
    found = Signature.read("anthropic", mark)       # in a later request; None if the mark is not a signature of ours
    found.content == digest("Hm.")                  # the signed text is unchanged

A signature holds digests of what it signs, and an HMAC of them.  So the server can say which of them does not fit.
"""

from __future__ import annotations

import hmac
import json
from base64 import b64encode, urlsafe_b64decode
from hashlib import sha256
from typing import Any, NamedTuple

# It keeps nothing secret: whoever signs with it deceives a server for tests.
KEY = b"g4flite.server"
# The bytes of a digest, and of the HMAC: 42 bytes of a signature are 56 characters of base64 without padding.
DIGEST, HMAC = 6, 12


def digest(value: object) -> bytes:
    """Return the digest of a value that is JSON."""
    return sha256(json.dumps(value, sort_keys=True).encode()).digest()[:DIGEST]


def after(before: str, value: object) -> str:
    """Return the text that stands for a sequence of values: `before`, which stands for all but the last, and `value`.

    "" stands for no values.
    """
    return digest([before, value]).hex()


class Signature(NamedTuple):
    """The digests in a signature."""

    # Of what is signed, of what of its kind stands before it in the turn, and of what the request and the turn hold
    # before it.
    content: bytes
    order: bytes
    before: bytes
    # Of the model and the key of the request.
    model: bytes
    account: bytes

    @classmethod
    def read(cls, service: str, mark: object) -> Signature | None:
        """Return the signature in a text that this service has made, None for any other value.

        Both alphabets of base64 are read, as Google reads them (pydantic-ai's cassettes, 2026).
        """
        try:
            data = urlsafe_b64decode(str(mark).replace("+", "-").replace("/", "_"))
        except ValueError:
            return None
        signed, its = data[:-HMAC], data[-HMAC:]
        if len(signed) != DIGEST * len(cls._fields) or not hmac.compare_digest(its, _hmac(service, signed)):
            return None
        return cls(*(signed[start : start + DIGEST] for start in range(0, len(signed), DIGEST)))


class Bound(NamedTuple):
    """To what a signature is bound besides what it signs: see `Signature`."""

    model: str = ""
    account: str = ""
    before: str = ""

    def sign(self, service: str, content: object, order: object = "") -> str:
        """Return the signature of a value, as base64."""
        signed = b"".join(map(digest, (content, order, self.before, self.model, self.account)))
        return b64encode(signed + _hmac(service, signed)).decode()

    def followed_by(self, value: Any) -> Bound:
        """Return what a signature is bound to behind a value."""
        return self._replace(before=after(self.before, value))


UNBOUND = Bound()


class Unsigned(Bound):
    """Makes no signatures: for a reply that another service has made."""

    __slots__ = ()

    def sign(self, service: str, content: object, order: object = "") -> str:  # noqa: ARG002 - as `Bound.sign`
        """Return ""."""
        return ""

    def followed_by(self, value: Any) -> Unsigned:  # noqa: ARG002 - as `Bound.followed_by`
        """Return the same."""
        return self


def _hmac(service: str, signed: bytes) -> bytes:
    return hmac.digest(KEY, service.encode() + b" " + signed, sha256)[:HMAC]
