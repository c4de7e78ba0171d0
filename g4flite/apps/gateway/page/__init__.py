"""The chat page: static files, which the gateway serves from its own origin.

    status, headers, body = response("/")               # index.html
    status, headers, body = response("/page/page.js")   # its scripts and its style; anything else is a 404
    Gateway(routes, page=page.app)                      # the same as an ASGI app

The page loads nothing from elsewhere, and a strict Content-Security-Policy forbids it to: no inline script or style, no
other host.  Nothing in it assigns HTML but DOMPurify, to which Trusted Types hold the browser.

    wire.js       asks the gateway: reads the stream of an answer, and says what to do after an error
    markdown.js   makes safe elements of an answer's Markdown
    chats.js      a chat as a tree of messages; keeps chats in the browser; reads an exported file
    page.js       the page itself
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

POLICY: Final = "; ".join((
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types dompurify",
))  # fmt: skip
HEADERS: Final = (
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-cache"),
)
TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
# The files by their paths.  Nothing else is read, whatever a path says.
FILES: Final = {
    "/": "index.html",
    **{
        f"/page/{name}": name
        for name in (
            "page.css", "page.js", "wire.js", "markdown.js", "chats.js", "icon.svg",
            "vendored/marked.umd.js", "vendored/purify.min.js", "vendored/highlight.min.js",
        )
    },
}  # fmt: skip


def response(path: str) -> tuple[int, list[tuple[str, str]], bytes]:
    """Return the status, the headers and the body for a GET of this path, which is decoded and without a query."""
    name = FILES.get(path)
    if name is None:
        return 404, [("content-type", "text/plain; charset=utf-8"), *HEADERS], b"There is no such page.\n"
    return 200, [("content-type", TYPES[name.rpartition(".")[2]]), *HEADERS], _body(name)


async def app(scope: Mapping[str, Any], _receive: object, send: Callable[[Any], Awaitable[None]]) -> None:
    """Answer a GET or a HEAD, as an ASGI app."""
    status, headers, body = response(scope["path"])
    told = [*headers, ("content-length", str(len(body)))]
    raw = [(name.encode(), value.encode()) for name, value in told]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


@cache
def _body(name: str) -> bytes:
    return files(__package__).joinpath(name).read_bytes()
