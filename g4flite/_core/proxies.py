"""Proxies of the environment: which of them applies to a URL, if any.  No I/O.

    found = environment_proxy("https://api.acme.example/v1", os.environ)
    found.variable, found.url                       # "HTTPS_PROXY", "http://127.0.0.1:3128"

Only the variable that applies is read, so that nothing else in the environment can break a call.  httpx reads all
variables when it makes a client, and refuses NO_PROXY with an IPv6 range (encode/httpx#3221, #3574).

The rules are those that curl and Go share (https://curl.se/docs/manpage.html, golang.org/x/net/http/httpproxy, August
2026): the variable of the URL's scheme wins over ALL_PROXY, a name in lower case over the one in upper case, and an
empty variable counts as one that is not set.  An entry of NO_PROXY is `*`, a host name, which stands for its subdomains
too, an IP address, or a range of addresses; each may have a port, and, as in httpx, a scheme.
"""

import re
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Final, NamedTuple
from urllib.parse import urlsplit

PORTS: Final = {"http": 80, "https": 443}


class NamedProxy(NamedTuple):
    """The proxy that applies to a URL, and the variable that names it; "{proxy}" stands for the argument."""

    variable: str
    url: str

    def __repr__(self) -> str:
        """Return the variable alone: a proxy's URL may hold a password."""
        return f"NamedProxy({self.variable!r})"

    @property
    def public(self) -> str:
        """The URL without user name and password."""
        return re.sub("(?s)://.*@", "://", self.url)[:200]


def environment_proxy(url: str, environment: Mapping[str, str]) -> NamedProxy | None:
    """Return the proxy that the environment names for a URL, or None if it names none.  The URL is a checked one."""
    parts = urlsplit(url)
    _, exempt = _read("no_proxy", environment)
    if parts.hostname is None or is_exempt(parts.hostname, parts.port or PORTS[parts.scheme], parts.scheme, exempt):
        return None
    for name in (f"{parts.scheme}_proxy", "all_proxy"):
        variable, value = _read(name, environment)
        if value:
            return NamedProxy(variable, value if "://" in value else f"http://{value}")
    return None


def shown(proxy: NamedProxy | None) -> str:
    """Return what a message calls the proxy."""
    return f"the proxy {proxy.public}" if proxy else "the proxy"


def setting(proxy: NamedProxy | None) -> str:
    """Return what an error's advice calls the setting that names the proxy."""
    return proxy.variable if proxy else "{proxy}"


def way(proxy: NamedProxy | None) -> str:
    """Return the words for a connection over the proxy, "" for a direct one."""
    if proxy is None:
        return ""
    return f" over {shown(proxy)}" + ("" if proxy.variable == "{proxy}" else f" of {proxy.variable}")


def names_proxies(environment: Mapping[str, str]) -> bool:
    """Return whether the environment says anything of proxies, so that the settings of the system do not count."""
    return any(name.lower().endswith("_proxy") for name in environment)


def _read(name: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """Return the name and the value of a variable in lower case, or if it is empty of the one in upper case."""
    # In a CGI program, HTTP_PROXY is the request's header `proxy`, which anybody may send (https://httpoxy.org).
    is_cgi = name == "http_proxy" and "REQUEST_METHOD" in environment
    name = name if environment.get(name, "").strip() or is_cgi else name.upper()
    return name, environment.get(name, "").strip()


def is_exempt(host: str, port: int, scheme: str, exempt: str) -> bool:
    """Return whether NO_PROXY, whose value is `exempt`, holds for a host.  Senseless entries are passed over."""
    host = host.rstrip(".").lower()
    for entry in re.split(r"[,\s]+", exempt.lower()):
        kind, found, rest = entry.rpartition("://")
        name, own_port = _split(rest)
        if (found and kind not in ("all", scheme)) or own_port not in ("", str(port)):
            continue
        if name == "*" or _is_in_range(host, name):
            return True
        domain = name.removeprefix("*").strip(".")
        if domain and (host == domain or host.endswith(f".{domain}")):
            return True
    return False


def _split(entry: str) -> tuple[str, str]:
    """Return the name or address of an entry, and its port or ""."""
    if entry.startswith("["):
        address, _, rest = entry[1:].partition("]")
        mask, _, port = rest.partition(":")
        return address + mask, port
    # More than one colon is an IPv6 address without brackets.
    name, _, port = entry.partition(":")
    return (name, port) if entry.count(":") == 1 else (entry, "")


def _is_in_range(host: str, entry: str) -> bool:
    """Return whether the host is an IP address and the entry is the same address or a range that holds it."""
    try:
        return ip_address(host) in ip_network(entry, strict=False)
    except ValueError:
        return False
