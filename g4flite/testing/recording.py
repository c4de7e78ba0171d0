r"""Recordings: what was asked and what came back, with its timing and its faults, as text to read and to diff.  No I/O.

> POST https://api.acme.example/v1/chat
> {"model":"acme-small","messages":[{"role":"user","content":"Hello"}]}
< 0.412 HTTP/1.1 200 OK
< content-type: text/event-stream
0.412 data: {"text":"Hi"}\n\n
= 0.431 end

Times are seconds since the request.  A line of a reply is one piece as it was read, in UTF-8, where `\n`, `\\` and
`\xff` stand for bytes.  The last line says `end`, or `left` where the reader left, or names an exception of httpx:
`ReadError: Connection reset by peer`.  A request's headers are not kept.
"""

import json
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import httpx

from .._core.errors import ConnectTimeoutError, StreamTimeoutError, TotalTimeoutError
from .._core.transport.deadlines import Deadline
from .._core.transport.network_errors import causes, reason
from .secrets import Headers, Pieces, public_body, public_headers, public_reply, public_url, secrets_of, starred

TITLE: Final = "# A recording: seconds since the request, then what came.  Keys and cookies are taken out.\n"
FAULTS: Final[dict[str, type[Exception]]] = {
    name: kind
    for name, kind in [*vars(httpx).items(), ("SSLError", ssl.SSLError), ("TotalTimeoutError", TotalTimeoutError)]
    if isinstance(kind, type) and issubclass(kind, httpx.TransportError | ssl.SSLError | TotalTimeoutError)
}
SHORT: Final = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
LONG: Final = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"\\": b"\\"}


@dataclass(slots=True)
class Exchange:
    """One request and what came back; `opened`, `ended` and the times of `pieces` are seconds since the request."""

    method: str
    url: str
    body: str = ""  # escaped; empty where it is no JSON
    opened: float = 0.0
    version: str = ""  # of HTTP; "-" where no socket was seen
    status: int = 0  # 0: no answer came
    reason: str = ""
    headers: Headers = field(default_factory=list)
    pieces: Pieces = field(default_factory=list)
    ended: float = 0.0
    end: str = "left"
    secrets: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def shape(self) -> str:
        """What a request is told by: its method, its path, and the names in its query and its body."""
        parts, body = urlsplit(self.url), json.loads(unescaped(self.body)) if self.body else None
        query = sorted(re.findall("([^&=]+)[^&]*", parts.query))
        names = f" ({', '.join(sorted(body))})" if isinstance(body, dict) else ""
        return f"{self.method} {parts.path}{'?' if query else ''}{'&'.join(query)}{names}"


def asked(request: httpx.Request) -> Exchange:
    """A request whose body was read, without its headers and secrets; nothing has come back yet."""
    secrets = secrets_of(request)
    body = escaped(public_body(request.content, secrets))
    return Exchange(request.method, public_url(request.url, secrets), body, secrets=secrets)


def fault_of(error: BaseException, request: httpx.Request, secrets: tuple[bytes, ...]) -> str:
    """How a recording ends with this exception: its class, behind a comma a cause that counts, and its words."""
    if isinstance(error, StreamTimeoutError):  # a `Deadline` has said so to httpcore
        name = "ConnectTimeout" if isinstance(error, ConnectTimeoutError) else "ReadTimeout"
    else:
        name = next((kind.__name__ for kind in type(error).__mro__ if FAULTS.get(kind.__name__) is kind), "")
    if not name or not isinstance(error, Exception):
        return "left"
    deadline = request.extensions.get("timeout", {}).get("read")
    if name.endswith("Timeout") and isinstance(deadline, Deadline) and deadline.timers.total_left() <= 0:
        error, name = deadline.timers.expired(), f"{name}, TotalTimeoutError"
    elif name != "SSLError" and any(isinstance(cause, ssl.SSLError) for cause in causes(error)):
        name = f"{name}, SSLError"
    words = "" if isinstance(error, httpx.LocalProtocolError) else reason(error)  # which quotes a header
    return f"{name}: {escaped(starred(words.encode(), secrets))}"


def fault(end: str, *, timed: bool) -> Exception:
    """The exception that a recording ends with; `timed`: for a reader that has a `Deadline`.  Raises `LookupError`."""
    names, _, words = end.partition(": ")
    name, _, cause = names.partition(", ")
    error = FAULTS[name](said := unescaped(words).decode())
    if cause:
        error.__cause__ = FAULTS[cause](1, said) if cause == "SSLError" else FAULTS[cause](said)
    return error.__cause__ if timed and isinstance(error.__cause__, TotalTimeoutError) else error


def answered(exchange: Exchange, response: httpx.Response) -> None:
    """Notes the head of a response, without its secrets."""
    exchange.version = response.http_version if "network_stream" in response.extensions else "-"
    exchange.status, exchange.reason = response.status_code, response.reason_phrase
    exchange.headers = public_headers(response.headers.raw, exchange.secrets)


def written(exchange: Exchange) -> Iterator[str]:
    """The lines of an exchange, without its secrets."""
    headers, pieces = public_reply(exchange.headers, exchange.pieces, exchange.secrets)
    yield f"> {exchange.method} {exchange.url}"
    if exchange.body:
        yield f"> {exchange.body}"
    if exchange.status:
        yield f"< {exchange.opened:.3f} {exchange.version} {exchange.status} {exchange.reason}".rstrip()
    for name, value in headers:
        yield f"< {escaped(name)}: {escaped(value)}".rstrip()
    for at, piece in pieces:
        yield f"{at:.3f} {escaped(piece)}"
    yield f"= {exchange.ended:.3f} {exchange.end}"


def parsed(text: str) -> list[Exchange]:
    """The exchanges of a recording.  Raises `ValueError`, with the number of the line."""
    found: list[Exchange] = []
    begun = False
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("#"):
            continue
        try:
            if not line.strip():
                begun = False
            elif begun:
                _read(line, found[-1])
            else:
                mark, method, url = line.split(" ")
                if mark != ">":
                    raise ValueError(mark)
                found.append(Exchange(method, url))
                begun = True
        except (ValueError, LookupError):
            raise ValueError(f"line {number} is not that of a recording: {line[:60]!r}") from None
    return found


def _read(line: str, exchange: Exchange) -> None:
    """Adds a line to the exchange that it belongs to.  Raises `ValueError` or `LookupError`."""
    mark, _, rest = line.partition(" ")
    if mark == ">":
        exchange.body = rest
        exchange.shape  # noqa: B018 - raises where it is no JSON
    elif mark == "<" and not exchange.status:
        at, exchange.version, status, *words = rest.split(" ", 3)
        exchange.opened, exchange.status, exchange.reason = float(at), int(status), "".join(words)
    elif mark == "<":
        name, value = rest.split(":", 1)
        exchange.headers.append((unescaped(name), unescaped(value.removeprefix(" "))))
    elif mark == "=":
        seconds, _, exchange.end = rest.partition(" ")
        exchange.ended = float(seconds)
        if exchange.end not in ("end", "left"):
            fault(exchange.end, timed=False)
    else:
        exchange.pieces.append((float(mark), unescaped(rest)))


def escaped(data: bytes) -> str:
    """Bytes as text on one line, which no editor trims."""
    text = data.replace(b"\\", rb"\\").decode("utf-8", "backslashreplace")
    if not text.isprintable():
        text = "".join(c if c.isprintable() else SHORT.get(c) or _hexadecimal(c) for c in text)
    return text[:-1] + r"\x20" if text.endswith(" ") else text


def _hexadecimal(character: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in character.encode())


def unescaped(text: str) -> bytes:
    """The bytes of `escaped`.  Raises `LookupError` for a backslash before anything else."""
    return re.sub(
        rb"\\(?:x([0-9a-fA-F]{2})|(.?))", lambda m: bytes([int(m[1], 16)]) if m[1] else LONG[m[2]], text.encode()
    )
