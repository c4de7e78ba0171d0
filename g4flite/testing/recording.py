r"""The text of a recording: each request and its reply, with the times and the faults, to read and to diff.  No I/O.

    > POST https://api.acme.example/v1/chat
    > {"model":"acme-small","messages":[{"role":"user","content":"Hello"}]}
    < 0.412 HTTP/1.1 200 OK
    < content-type: text/event-stream
    0.412 data: {"text":"Hi"}\n\n
    = 0.431 end

This is one entry; a blank line ends it, and a line that begins with `#` is a note.  `>` is the request: its URL, and
its body if that is JSON.  The headers of a request are not kept.  `<` is the head of the response, and a line that
begins with a time is one piece of the body as it was read.  `=` says how the body ended: `end`, `left` if the reader
closed it before its end, or the exception of httpx that the reader got (`ReadError: Connection reset by peer`).

Times are seconds since the request.  Bytes are written as UTF-8, in which `\n`, `\\` and `\xff` stand for single bytes.
"""

import json
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import httpx

from .._core.errors import ConnectTimeoutError, StreamTimeoutError, TotalTimeoutError, causes
from .._core.secrets import forms_of, redact_bytes
from .._core.transport.deadlines import Deadline
from .._core.transport.network_errors import reason
from .secrets import Headers, Pieces, Secrets, public_headers, public_reply, public_request, tokens_of

TITLE: Final = "# A recording: seconds since the request, then what came.  Keys and cookies are taken out.\n"
# The exceptions that an entry may end with.
FAULTS: Final[dict[str, type[Exception]]] = {
    name: kind
    for name, kind in [*vars(httpx).items(), ("SSLError", ssl.SSLError), ("TotalTimeoutError", TotalTimeoutError)]
    if isinstance(kind, type) and issubclass(kind, httpx.TransportError | ssl.SSLError | TotalTimeoutError)
}
ESCAPES: Final = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
NOT_ASCII: Final = re.compile(r"[^ -~]")
ESCAPED: Final = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"\\": b"\\"}


@dataclass(slots=True)
class Entry:
    """A request and what came back; `opened`, `ended` and the times of `pieces` are seconds since the request."""

    method: str
    url: str
    # As the file has it, escaped; empty if it is not JSON.
    body: str = ""
    opened: float = 0.0
    # The version of HTTP, or "-" if the transport showed no network stream.
    version: str = ""
    # 0 if no response came.
    status: int = 0
    reason: str = ""
    headers: Headers = field(default_factory=list)
    pieces: Pieces = field(default_factory=list)
    ended: float = 0.0
    end: str = "left"
    # Only while it is recorded: what the reply must not say.
    secrets: Secrets = field(default=(), repr=False)

    @property
    def shape(self) -> str:
        """The method, the path, and the names in the query and in the JSON body, but no values."""
        parts, body = urlsplit(self.url), json.loads(unescaped(self.body)) if self.body else None
        query = "&".join(sorted(re.findall("([^&=]+)[^&]*", parts.query)))
        names = f" ({', '.join(sorted(body))})" if isinstance(body, dict) else ""
        return f"{self.method} {parts.path}{query and f'?{query}'}{names}"


def entry_of(request: httpx.Request) -> Entry:
    """Return the entry of a request whose body was read, without its secrets; no response has come yet."""
    url, body, secrets = public_request(request)
    return Entry(request.method, url, escaped(body), secrets=secrets)


def add_head(entry: Entry, response: httpx.Response) -> None:
    """Write the head of the response, without its secrets, into the entry."""
    # httpx calls every version HTTP/1.1 that the transport does not tell.
    entry.version = response.http_version if "network_stream" in response.extensions else "-"
    entry.status = response.status_code
    if tokens := tokens_of(response.headers.raw):
        entry.secrets = forms_of([*entry.secrets, *tokens])
    entry.reason = redact_bytes(response.reason_phrase.encode(), entry.secrets).decode()
    entry.headers = public_headers(response.headers.raw, entry.secrets)


def end_of(error: BaseException, request: httpx.Request, secrets: Secrets) -> str:
    """Return the end of an entry whose reader got this exception, without the secrets that its message quotes.

    The end is `left` if the exception is neither the network's nor a timer's (the reader was cancelled, say).
    Otherwise it is the name of httpx's class, the cause if the reader's error depends on it, and the message:
    `ConnectError, SSLError: certificate verify failed`.
    """
    if isinstance(error, StreamTimeoutError):
        # A timer's own error, which a `Deadline` raises inside of httpcore; httpx's readers have no such class.
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
    # The message of a LocalProtocolError quotes a header of the request.
    message = "" if isinstance(error, httpx.LocalProtocolError) else reason(error)
    return f"{name}: {escaped(redact_bytes(message.encode(), secrets))}"


def error_of(end: str, *, timed: bool) -> Exception:
    """Return the exception that an entry ends with.  Raises `LookupError` or `ValueError` if there is no such end.

    `timed`: the reader has a `Deadline`, which raises the error of its timer itself.
    """
    names, _, words = end.partition(": ")
    name, _, cause = names.partition(", ")
    message = unescaped(words).decode()
    error = _fault(name, message)
    if cause:
        error.__cause__ = _fault(cause, message)
    return error.__cause__ if timed and isinstance(error.__cause__, TotalTimeoutError) else error


def _fault(name: str, message: str) -> Exception:
    # The message of an OSError is its `strerror`, which is None without a number.
    return ssl.SSLError(1, message) if name == "SSLError" else FAULTS[name](message)


def lines_of(entry: Entry) -> Iterator[str]:
    """Yield the lines of an entry, without its secrets."""
    headers, pieces = public_reply(entry.headers, entry.pieces, entry.secrets)
    yield f"> {entry.method} {entry.url}"
    if entry.body:
        yield f"> {entry.body}"
    if entry.status:
        yield f"< {entry.opened:.3f} {entry.version} {entry.status} {entry.reason}".rstrip()
    for name, value in headers:
        yield f"< {escaped(name)}: {escaped(value)}".rstrip()
    for at, piece in pieces:
        yield f"{at:.3f} {escaped(piece)}"
    yield f"= {entry.ended:.3f} {entry.end}"


def parse(text: str) -> list[Entry]:
    """Return the entries of a recording.  Raises `ValueError`, with the number of the line, if it is not one."""
    entries: list[Entry] = []
    inside = False
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("#"):
            continue
        try:
            if not line.strip():
                inside = False
            elif inside:
                _add_line(entries[-1], line)
            else:
                mark, method, url = line.split(" ")
                if mark != ">":
                    raise ValueError(mark)
                entries.append(Entry(method, url))
                inside = True
        except (ValueError, LookupError):
            raise ValueError(f"line {number} cannot be read as a recording: {line[:60]!r}") from None
    return entries


def _add_line(entry: Entry, line: str) -> None:
    """Add a line to the entry in which it stands.  Raises `ValueError` or `LookupError` if no entry has such a line."""
    mark, _, rest = line.partition(" ")
    if mark == ">":
        json.loads(unescaped(rest))
        entry.body = rest
    elif mark == "<" and not entry.status:
        at, entry.version, status, *words = rest.split(" ", 3)
        entry.opened, entry.status, entry.reason = float(at), int(status), "".join(words)
    elif mark == "<":
        name, value = rest.split(":", 1)
        entry.headers.append((unescaped(name), unescaped(value.removeprefix(" "))))
    elif mark == "=":
        at, _, entry.end = rest.partition(" ")
        entry.ended = float(at)
        if entry.end not in ("end", "left"):
            error_of(entry.end, timed=False)
    else:
        entry.pieces.append((float(mark), unescaped(rest)))


def escaped(data: bytes) -> str:
    """Return bytes as one line of printable text, without a space at its end, which editors remove."""
    text = data.replace(b"\\", rb"\\").decode("utf-8", "backslashreplace")
    # Most characters are printable ASCII, and to look at each of them would cost more than all the rest.
    text = NOT_ASCII.sub(lambda found: found[0] if found[0].isprintable() else _escape(found[0]), text)
    return text[:-1] + r"\x20" if text.endswith(" ") else text


def _escape(character: str) -> str:
    return ESCAPES.get(character) or "".join(f"\\x{byte:02x}" for byte in character.encode())


def unescaped(text: str) -> bytes:
    """Return the bytes that `escaped` has written.  Raises `LookupError` for an escape that it does not write."""
    return re.sub(
        rb"\\(?:x([0-9a-fA-F]{2})|(.?))", lambda m: bytes([int(m[1], 16)]) if m[1] else ESCAPED[m[2]], text.encode()
    )
