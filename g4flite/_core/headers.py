"""Checks of what goes into a request, made before any socket; each raises `ValueError` (with no secret in it)."""

from functools import lru_cache
from string import Formatter
from urllib.parse import urlsplit

COMPUTED = frozenset({"host", "content-length", "transfer-encoding", "connection", "te", "accept-encoding"})
TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")  # RFC 9110 5.6.2
SECRET = ("auth", "key", "token", "secret", "password", "cookie", "credential", "session")
PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")


def check_header(name: str, value: str) -> None:
    """Refuses a header that HTTP cannot carry, or that httpx computes itself."""
    if not isinstance(name, str) or not name or not TOKEN.issuperset(name):
        raise ValueError(f"{name!r} is no name of a header")
    if name.lower() in COMPUTED:
        raise ValueError(f"the header {name} is computed by httpx; leave it out")
    if not isinstance(value, str):
        raise ValueError(f"the header {name} is a {type(value).__name__}, not a string")
    if not value.isascii() or not (value.isprintable() or value.replace("\t", " ").isprintable()):
        raise ValueError(f"the header {name} holds a line break, a control character or one that is not ASCII")
    if value != value.strip():
        raise ValueError(f"the header {name} begins or ends with white space")


def check_template(what: str, template: str) -> None:
    """Refuses a template that is no string, or that names anything but plain fields, like `{nonce}`."""
    if not isinstance(template, str):
        raise ValueError(f"{what} is a {type(template).__name__}, not a string")
    try:
        fields = [parts for parts in Formatter().parse(template) if parts[1] is not None]
    except ValueError as error:
        raise ValueError(f"{what} is no template: {error}") from None
    for _, name, form, conversion in fields:
        if not (name or "").isidentifier() or form or conversion:
            raise ValueError(f"{what} is a template of plain fields, like {{nonce}}; write {{{{ for a brace")


def is_secret(name: str, value: str) -> bool:
    """Whether a header's value is not to be shown, by the header's name; `Bearer null` is a public placeholder."""
    return value != "Bearer null" and sounds_secret(name)


@lru_cache(256)
def sounds_secret(name: str) -> bool:
    """Whether a header of this name holds a secret."""
    return any(word in name.lower() for word in SECRET)


def check_base_url(url: str) -> str:
    """The URL without trailing slashes; it is http(s), with a host, and without user info, query or fragment."""
    if not isinstance(url, str):
        raise ValueError(f"base_url is a {type(url).__name__}, not a string")
    return _checked(url)


@lru_cache(64)
def _checked(url: str) -> str:
    if not url.isprintable() or " " in url:
        raise ValueError("base_url holds white space or a control character")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("base_url is no URL: its host or port cannot be read") from None
    if parts.username is not None:
        raise ValueError("base_url holds a user name or password; pass credentials in headers=")
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError("base_url begins with http:// or https:// and a host, like http://127.0.0.1:8000")
    if "?" in url or "#" in url:
        raise ValueError("base_url holds a query or a fragment; leave them out")
    return url.rstrip("/")


@lru_cache(64)
def is_loopback(url: str) -> bool:
    """Whether a checked URL leads to this machine."""
    from ipaddress import ip_address  # noqa: PLC0415 - needed only where a key goes over plain http

    host = (urlsplit(url).hostname or "").removesuffix(".")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def check_proxy(url: str) -> str:
    """The proxy's URL, of a scheme that httpx speaks; the message never quotes it, as it may hold a password."""
    if not isinstance(url, str):
        raise ValueError(f"proxy is a {type(url).__name__}, not a URL")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("proxy is no URL: its host or port cannot be read") from None
    if parts.scheme not in PROXY_SCHEMES or not host or not url.isprintable() or " " in url:
        raise ValueError(f"proxy is no URL of the form scheme://host:port with a scheme of {', '.join(PROXY_SCHEMES)}")
    return url
