"""Checks of the URLs that a caller or the environment gives, made before any socket is opened.

The checks raise `ValueError`, whose message lacks its subject, as in "must be a string".  The message never quotes the
URL, because a URL may hold a password.
"""

from urllib.parse import urlsplit

EXAMPLE_URL = "http://127.0.0.1:8000"
# The addresses on which a server listens that serves every address of its machine, and prints in its banner.  A client
# that connects to them reaches its own machine on Linux and macOS, and none on Windows (WSAEADDRNOTAVAIL).
REACHABLE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - nothing listens here
PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")


def check_base_url(url: str) -> str:
    """Return the base URL without trailing slashes, and with an address that can be reached: see `REACHABLE`.

    Raises `ValueError` unless it is an http or https URL with a host, and without a user name, query or fragment.
    """
    if not isinstance(url, str):
        raise ValueError(f"must be a string, not {type(url).__name__}")
    if not url.isprintable() or " " in url:
        raise ValueError("holds white space or a control character; remove it")
    try:
        parts = urlsplit(url)
        # Reading the port raises if it is not a number up to 65535.
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is not a URL: its host or port cannot be read") from None
    if parts.username is not None:
        raise ValueError("holds a user name or password; pass credentials in a header")
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError(f"must begin with http:// or https:// and a host, like {EXAMPLE_URL}")
    if "?" in url or "#" in url:
        raise ValueError("holds a query or a fragment; leave it out")
    return _reachable(url).rstrip("/")


def _reachable(url: str) -> str:
    """Return the URL with the loopback address in place of an address that is for servers alone."""
    parts = urlsplit(url)
    if parts.hostname not in REACHABLE:
        return url
    login, at, place = parts.netloc.rpartition("@")
    port = place.rpartition("]")[2].partition(":")[2]
    place = REACHABLE[parts.hostname] + (f":{port}" if port else "")
    return parts._replace(netloc=f"{login}{at}{place}").geturl()


def complete_host(host: str, base_url: str) -> str:
    """Return the URL of a host that may lack its scheme or port, like `localhost` or `0.0.0.0:8080`.

    The missing parts are taken from `base_url`.  Ollama's own variable OLLAMA_HOST holds hosts of this form.
    """
    if "://" in host or not base_url:
        return host
    base, (name, slash, path) = urlsplit(base_url), host.partition("/")
    if name.startswith(":"):
        name = f"{base.hostname}{name}"
    # An IPv6 address has colons of its own, in brackets: only a colon behind the bracket begins a port.
    if base.port and not name.rpartition("]")[2].rpartition(":")[1]:
        name = f"{name}:{base.port}"
    return f"{base.scheme}://{name}{slash}{path}"


def is_loopback(url: str) -> bool:
    """Return whether the host of a checked URL is this machine: a loopback address or `localhost`."""
    from ipaddress import ip_address  # noqa: PLC0415 - needed only if the URL is plain http

    host = (urlsplit(url).hostname or "").removesuffix(".")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def public_url(url: str) -> str:
    """Return the URL without user name, password, query and fragment, which may hold secrets."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


# How the servers that listen on these ports of a machine by default are started.
SERVERS = {
    1234: ("LM Studio", "lms server start"),
    8000: ("vLLM", "vllm serve MODEL"),
    8080: ("llama.cpp", "llama-server -m MODEL.gguf"),
    11434: ("Ollama", "ollama serve"),
}


def how_to_start(url: str) -> str:
    """Return how the server that belongs to the port of this URL is started, "" unless the URL is on this machine."""
    server = SERVERS.get(urlsplit(url).port or 0) if is_loopback(url) else None
    return f"`{server[1]}` starts the server of {server[0]}" if server else ""


def check_proxy(url: str) -> str:
    """Return the proxy's URL, with an address that can be reached: see `REACHABLE`.

    Raises `ValueError` unless it has a host and a scheme that httpx speaks.
    """
    if not isinstance(url, str):
        raise ValueError(f"must be a string, not {type(url).__name__}")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is not a URL: its host or port cannot be read") from None
    if parts.scheme not in PROXY_SCHEMES or not host or not url.isprintable() or " " in url:
        raise ValueError(f"must be a URL scheme://host:port with one of the schemes {', '.join(PROXY_SCHEMES)}")
    return _reachable(url)
