"""TLS contexts, each made once in a process, because loading the certificates takes tens of milliseconds."""

import ssl
from functools import cache

import httpx


@cache
def default_context() -> ssl.SSLContext:
    """Return a context that trusts the certificates of certifi, or of SSL_CERT_FILE and SSL_CERT_DIR.

    Raises `OSError` if they cannot be read.
    """
    return httpx.create_ssl_context()


@cache
def unused_context() -> ssl.SSLContext:
    """Return a context that trusts nobody, without loading certificates, for a client that speaks plain http alone."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
