"""The files of the chat page, and what is said of them.  `tests/page` tests the page in a browser."""

import asyncio
import hashlib
import re
from importlib.resources import files
from typing import Any

import pytest

from g4flite.apps.gateway import page
from tests.blocks import ROOT
from tests.rows import rows

FOLDER = ROOT / "g4flite/apps/gateway/page"


@rows(
    ("path", "kind", "begins"),
    [
        ("/", "text/html; charset=utf-8", b"<!doctype html>"),
        ("/page/page.css", "text/css; charset=utf-8", b":root {"),
        ("/page/page.js", "text/javascript; charset=utf-8", b"// The page"),
        ("/page/icon.svg", "image/svg+xml", b"<svg"),
        ("/page/vendored/marked.umd.js", "text/javascript; charset=utf-8", b"/**\n * marked v"),
    ],
)
def test_a_file_is_served_with_its_type_and_the_policy(path: str, kind: str, begins: bytes) -> None:
    status, headers, body = page.response(path)
    told = dict(headers)
    assert (status, told["content-type"], body[: len(begins)]) == (200, kind, begins)
    assert told["x-content-type-options"] == "nosniff"
    policy = dict(rule.split(" ", 1) for rule in told["content-security-policy"].split("; "))
    assert (policy["default-src"], policy["script-src"], policy["style-src"]) == ("'none'", "'self'", "'self'")
    assert "unsafe" not in told["content-security-policy"]


@rows("path", ["", "/page", "/page/", "/index.html", "/page/__init__.py", "/page/../keys.py", "/page/vendored/",
               "/page/%2e%2e/keys.py", "//", "/page/page.js/", "/etc/passwd", "/page/\x00"])  # fmt: skip
def test_nothing_else_is_served(path: str) -> None:
    status, headers, body = page.response(path)
    assert (status, dict(headers)["content-type"], body) == (
        404,
        "text/plain; charset=utf-8",
        b"There is no such page.\n",
    )
    assert ("content-security-policy", page.POLICY) in headers


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_asgi_app_says_the_same(method: str) -> None:
    for path in ("/", "/none"):
        sent: list[Any] = []

        async def send(message: Any, sent: list[Any] = sent) -> None:
            sent.append(message)

        asyncio.run(page.app({"type": "http", "method": method, "path": path}, None, send))
        status, headers, body = page.response(path)
        start, rest = sent
        assert (start["status"], rest["body"]) == (status, body if method == "GET" else b"")
        assert start["headers"] == [
            *((name.encode(), value.encode()) for name, value in headers), (b"content-length", b"%d" % len(body)),
        ]  # fmt: skip


def test_each_file_is_served_and_each_that_is_served_is_there() -> None:
    served = {FOLDER / name for name in page.FILES.values()}
    there = {path for path in FOLDER.rglob("*") if path.suffix in (".html", ".css", ".js", ".svg")}
    assert served == there
    assert all(files(page).joinpath(name).is_file() for name in page.FILES.values())


def test_the_page_names_its_own_files_alone() -> None:
    """No inline script or style, which the policy would stop, and nothing from elsewhere."""
    html = (FOLDER / "index.html").read_text()
    links = re.findall(r'<(?:script|link|img)\b[^>]*\b(?:src|href)="([^"]*)"', html)
    assert {f"/{link}" for link in links} <= {*page.FILES}
    assert len(re.findall(r"<script", html)) == len(re.findall(r"<script [^>]*src=[^>]*></script>", html))
    assert re.findall(r"<style|\sstyle=|\son\w+=|https?:", html) == []
    own = [path for path in FOLDER.glob("*.*") if path.suffix in (".js", ".css")]
    told = "\n".join(path.read_text() for path in own)
    assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", told) == []
    assert {*re.findall(r"https?://[\w./]+", told)} == {"http://www.w3.org/2000/svg"}
    # Whatever else is imported is a file that is served.
    assert {f"/page/{name[2:]}" for name in re.findall(r'from "([^"]+)"', told)} <= {*page.FILES}


# From npm, each unchanged: package, version, file of the package, and its SHA-256 (November 2026).
VENDORED = {
    "marked.umd.js": (
        "marked 18.2.1, lib/marked.umd.js, MIT",
        "bb95d4c15f1289f78486eaacebf3bb18688475ed58a040ef762ed49337090542",
    ),
    "purify.min.js": (
        "dompurify 3.4.18, dist/purify.min.js, MPL-2.0 OR Apache-2.0",
        "8053ee2a6a09f9d50f7fcd6fb7f07072f52c7f3fa9aa12147cab4feaf65ee970",
    ),
    "highlight.min.js": (
        "@highlightjs/cdn-assets 11.12.0, highlight.min.js, BSD-3-Clause",
        "8ab71eb09c51f501e5e25157d9cff100e46cc29bcbfc744d0b746d451fca7f53",
    ),
}


def test_what_others_wrote_is_unchanged_and_has_its_licence() -> None:
    folder = FOLDER / "vendored"
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.js")}
    assert found == {name: digest for name, (_, digest) in VENDORED.items()}
    licences = {name.partition(".")[0] + ".LICENSE.txt" for name in VENDORED}
    assert {path.name for path in folder.glob("*.txt")} == licences
    assert all(
        "Copyright" in (folder / name).read_text() or "Apache License" in (folder / name).read_text()
        for name in licences
    )
    for name, (origin, _) in VENDORED.items():
        version = origin.split()[1].rstrip(",")
        assert version in (folder / name).read_text()[:500]
