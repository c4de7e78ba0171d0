"""Which proxy of the environment applies to a URL."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from g4flite._core.proxies import NamedProxy, environment_proxy, is_exempt, names_proxies
from tests.rows import rows

PLAIN, SECURE = "http://api.acme.test/v1", "https://api.acme.test/v1"


@rows(
    ("url", "environment", "found"),
    [
        (PLAIN, {}, None),
        (PLAIN, {"HTTP_PROXY": "http://p:1"}, ("HTTP_PROXY", "http://p:1")),
        (PLAIN, {"HTTPS_PROXY": "http://p:1"}, None),
        (SECURE, {"HTTPS_PROXY": "http://p:1", "HTTP_PROXY": "x"}, ("HTTPS_PROXY", "http://p:1")),
        (SECURE, {"ALL_PROXY": "socks5://p:1"}, ("ALL_PROXY", "socks5://p:1")),
        (SECURE, {"ALL_PROXY": "x", "HTTPS_PROXY": "http://p:1"}, ("HTTPS_PROXY", "http://p:1")),
        (SECURE, {"HTTPS_PROXY": "x", "https_proxy": "http://p:1"}, ("https_proxy", "http://p:1")),
        # An empty variable is one that is not set, as for curl and Go.
        (SECURE, {"HTTPS_PROXY": "http://p:1", "https_proxy": ""}, ("HTTPS_PROXY", "http://p:1")),
        (SECURE, {"HTTPS_PROXY": " ", "https_proxy": "", "all_proxy": "http://p:1"}, ("all_proxy", "http://p:1")),
        (SECURE, {"HTTPS_PROXY": "", "ALL_PROXY": ""}, None),
        (SECURE, {"HTTPS_PROXY": " p:1 "}, ("HTTPS_PROXY", "http://p:1")),
        (PLAIN, {"HTTP_PROXY": "x", "REQUEST_METHOD": "GET"}, None),
        (PLAIN, {"HTTP_PROXY": "x", "REQUEST_METHOD": "GET", "http_proxy": "p:1"}, ("http_proxy", "http://p:1")),
        (SECURE, {"HTTPS_PROXY": "p:1", "REQUEST_METHOD": "GET"}, ("HTTPS_PROXY", "http://p:1")),
        (SECURE, {"HTTPS_PROXY": "x", "NO_PROXY": "acme.test"}, None),
        (SECURE, {"HTTPS_PROXY": "p:1", "NO_PROXY": "*", "no_proxy": ""}, None),
        (SECURE, {"HTTPS_PROXY": "p:1", "NO_PROXY": "*", "no_proxy": "x"}, ("HTTPS_PROXY", "http://p:1")),
    ],
)
def test_the_variable_of_the_scheme_applies(url: str, environment: dict[str, str], found: Any) -> None:
    assert environment_proxy(url, environment) == found
    assert names_proxies(environment) is bool(environment)


@rows(
    ("url", "exempt", "expected"),
    [
        ("http://api.acme.test", "acme.test", True),
        ("http://api.acme.test", ".acme.test", True),
        ("http://api.acme.test", "*.acme.test", True),
        ("http://acme.test", ".acme.test", True),
        ("http://acme.test.", "ACME.test.", True),
        ("http://notacme.test", "acme.test", False),
        ("http://acme.test", "api.acme.test", False),
        ("http://acme.test", "x, y,acme.test", True),
        ("http://acme.test", "x\ty acme.test", True),
        ("http://acme.test", "*", True),
        ("http://acme.test", "x,*", True),
        ("http://acme.test", "", False),
        ("http://acme.test", ",,", False),
        ("http://acme.test", ".", False),
        ("http://localhost:8080", "localhost:8080", True),
        ("http://localhost:8081", "localhost:8080", False),
        ("http://localhost", "localhost:80", True),
        ("https://localhost", "localhost:443", True),
        ("https://localhost", "localhost:80", False),
        ("https://localhost", "https://localhost", True),
        ("http://localhost", "https://localhost", False),
        ("http://localhost", "all://localhost", True),
        ("http://127.0.0.1", "127.0.0.1", True),
        ("http://127.0.0.1", "127.0.0.0/8", True),
        ("http://127.0.0.1", "10.0.0.0/8", False),
        ("http://127.0.0.1", "::/0", False),
        ("http://1.127.0.0.1.test", "127.0.0.1", False),
        ("http://[::1]:8080", "::1", True),
        ("http://[::1]:8080", "[::1]", True),
        ("http://[::1]:8080", "[::1]:8080", True),
        ("http://[::1]:8080", "[::1]:80", False),
        ("http://[::1]", "0:0:0:0:0:0:0:1", True),
        ("http://[fd07:b51a:cc66:f0::5]", "fd07:b51a:cc66:f0::/64", True),
        ("http://[fd07:b51a:cc66:f0::5]", "[fd07:b51a:cc66:f0::]/64", True),
        ("http://[fd07:b51a:cc66:f1::5]", "fd07:b51a:cc66:f0::/64", False),
        ("http://[::1]", "[::1", True),
        ("http://127.0.0.1", "127.0.0.1/99", False),
        ("http://acme.test", "[[]:/x://]", False),
    ],
)
def test_an_entry_of_no_proxy_stands_for_these_hosts(url: str, exempt: str, expected: bool) -> None:
    environment = {"ALL_PROXY": "http://p:1", "NO_PROXY": exempt}
    assert (environment_proxy(url, environment) is None) is expected


@given(st.text(alphabet="*[]:/.,%a1 "))
def test_no_value_of_no_proxy_breaks_a_call(exempt: str) -> None:
    assert is_exempt("acme.test", 80, "http", exempt) in (True, False)
    assert is_exempt("::1", 80, "http", exempt) in (True, False)


@rows(
    ("url", "public"),
    [
        ("http://user:p4ss@host:1/path", "http://host:1/path"),
        ("http://user:p/4@ss@host:1", "http://host:1"),
        ("http://host:1", "http://host:1"),
        ("http://u:p\n@host", "http://host"),
        ("http://" + "x" * 500, "http://" + "x" * 193),
    ],
)
def test_a_proxy_is_shown_without_its_password(url: str, public: str) -> None:
    found = NamedProxy("HTTP_PROXY", url)
    assert found.public == public
    assert repr(found) == "NamedProxy('HTTP_PROXY')"
