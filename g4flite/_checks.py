"""Checks of what goes into a request, made before any socket; each raises `ValueError` (with no secret in it)."""

from urllib.parse import urlsplit

COMPUTED = frozenset({"host", "content-length", "transfer-encoding", "connection", "te", "accept-encoding"})
TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")  # RFC 9110 5.6.2
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


def is_secret(name: str, value: str) -> bool:
    """Whether a header's value is not to be shown; a template or a public placeholder is none."""
    name = name.lower()
    if "{" in value or value.endswith(" null"):
        return False
    return name in ("authorization", "proxy-authorization", "cookie") or any(
        word in name for word in ("key", "token", "secret", "password")
    )


def check_base_url(url: str) -> str:
    """The URL without trailing slashes; it is http(s), with a host, and without user info, query or fragment."""
    if not isinstance(url, str):
        raise ValueError(f"base_url is a {type(url).__name__}, not a string")
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


def is_loopback(url: str) -> bool:
    """Whether a checked URL leads to this machine."""
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or host.endswith(".localhost") or host.startswith("127.")


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
