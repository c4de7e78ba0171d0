"""`Recording`: one exchange as it went over the wire, and `decode`, which returns what its reply says.  No I/O."""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ..._core.errors import G4fliteError, LimitError, ReplyError
from ..._core.events import CONTENT, Event
from ..._core.provider import Provider
from ..._core.response.reply import Head, inflater
from ..._core.secrets import redact_bytes

# Bytes that a compressed body may inflate to.
MOST: Final = 16 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One exchange.

    - `line` is the status line; `head` is None if there was no response.
    - `pieces` are the bytes of the body as they came, each with its time in seconds since the request was begun.
    - `error` is what ended the exchange; None if HTTP's own end or the client did.  `ended` is the time of the end.
    - `link` identifies the connection.
    - `secrets` are the texts that no report may show, the longest first.
    - `url` is the URL of the request, without its query, and `base_url` the base URL that it begins with.
    """

    line: bytes = b""
    head: Head | None = None
    pieces: tuple[tuple[float, bytes], ...] = field(default=(), repr=False)
    error: G4fliteError | None = None
    ended: float = 0.0
    link: object = None
    secrets: tuple[str, ...] = field(default=(), repr=False)
    url: str = ""
    base_url: str = ""

    @property
    def is_success(self) -> bool:
        """Whether there was a response with a status of 200 to 299, which promises a reply."""
        return self.head is not None and 200 <= self.head.status < 300

    def header(self, name: str) -> bytes:
        """Return a header of the response as a line, b"" if the response has no header of that name."""
        value = self.head.headers.get(name) if self.head is not None else None
        return b"" if value is None else f"{name}: {value}".encode("latin-1", "replace")


class Decoded(NamedTuple):
    """What a reply says.

    - `pieces` are the pieces of the body, inflated and without secrets.
    - `items` are its texts and events, each with the time and the number of the piece that completed it.
    - `error` is the parser's, None if it raised none; `bytes_read` counts the bytes of the body up to there.
    - `inflate_error` is what is wrong with the compression, None if nothing is.
    - `marked`: the end marker came.  `done`: the reply is complete by its protocol's end marker; always False if the
      protocol has no end marker.
    """

    pieces: tuple[bytes, ...] = ()
    items: tuple[tuple[float, int, str | Event], ...] = ()
    error: G4fliteError | None = None
    bytes_read: int = 0
    inflate_error: G4fliteError | None = None
    marked: bool = False
    done: bool = False

    @property
    def body(self) -> bytes:
        """The whole body, inflated and without secrets."""
        return b"".join(self.pieces)

    @property
    def content(self) -> list[tuple[float, int, str | Event]]:
        """The items that are text, reasoning or a piece of a tool call."""
        return [item for item in self.items if isinstance(item[2], CONTENT)]


def decode(spec: Provider, recording: Recording) -> Decoded:
    """Return what a recorded reply says.  The parser is fed line by line, so that `bytes_read` shows where it fails."""
    pieces, inflate_error = readable(spec, recording)
    parser, has_marker = spec.parser(spec.max_frame), spec.end == "marker"
    lines = [(number, line) for number, piece in enumerate(pieces) for line in piece.splitlines(keepends=True)]
    items: list[tuple[float, int, str | Event]] = []
    bytes_read, marked = 0, False
    try:
        for number, line in lines:
            bytes_read += len(line)
            for item in parser.feed(line):
                items.append((recording.pieces[number][0], number, item))
            if marked := has_marker and parser.done:
                break
        if not (marked or inflate_error or recording.error):
            for item in parser.close():
                items.append((recording.ended, len(pieces) - 1, item))
    except G4fliteError as error:
        return Decoded(tuple(pieces), tuple(items), error, bytes_read, inflate_error)
    return Decoded(
        tuple(pieces), tuple(items), None, bytes_read, inflate_error, marked, done=has_marker and parser.done
    )


def readable(spec: Provider, recording: Recording) -> tuple[list[bytes], G4fliteError | None]:
    """Return the pieces of a body, inflated and without secrets, and what is wrong with its compression.

    A piece that cannot be inflated is left out, and so is every piece after it.
    """
    pieces: list[bytes] = []
    inflate_error: G4fliteError | None = None
    size = 0
    try:
        inflate = inflater(recording.head, spec.max_ratio) if recording.head is not None else None
        for _, data in recording.pieces:
            pieces.append(data if inflate is None else b"".join(inflate.feed(data)))
            size += len(pieces[-1])
            if size > MOST:
                raise LimitError(f"the reply inflates to more than {MOST} bytes")
        if inflate is not None and recording.error is None:
            inflate.close()
    except ReplyError as error:
        inflate_error = error
    # In the whole body, as a secret may begin in one piece and end in the next.
    body, start = redact_bytes(b"".join(pieces), recording.secrets), 0
    for number, piece in enumerate(pieces):
        pieces[number], start = body[start : start + len(piece)], start + len(piece)
    return pieces, inflate_error
