"""URLs that a caller or the environment names, checked before any socket opens.

Each check raises `ValueError`; its message quotes no URL, as a URL may hold a password.
"""

from urllib.parse import urlsplit

PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")


def check_base_url(url: str) -> str:
    """Return the URL without trailing slashes: http or https, with a host, without user info, query or fragment."""
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


def complete_host(host: str, base_url: str) -> str:
    """Return the URL of a host that may lack its scheme or port, as `localhost` or `0.0.0.0:8080`.

    The missing parts are those of `base_url`.  Ollama's own variable OLLAMA_HOST is written in this way.
    """
    if "://" in host or not base_url:
        return host
    base, (name, slash, path) = urlsplit(base_url), host.partition("/")
    if name.startswith(":"):
        name = f"{base.hostname}{name}"
    if base.port and not name.rpartition("]")[2].rpartition(":")[1]:
        name = f"{name}:{base.port}"
    return f"{base.scheme}://{name}{slash}{path}"


def is_loopback(url: str) -> bool:
    """Return whether a checked URL leads to this machine."""
    from ipaddress import ip_address  # noqa: PLC0415 - needed only if the URL is plain http

    host = (urlsplit(url).hostname or "").removesuffix(".")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def check_proxy(url: str) -> str:
    """Return the proxy's URL, of a scheme that httpx speaks."""
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
