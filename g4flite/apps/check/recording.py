"""One exchange as it went over the wire, and what its reply says.  No I/O."""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ..._core.errors import G4fliteError, LimitError, ReplyError
from ..._core.events import CONTENT, Event
from ..._core.headers import redact_bytes
from ..._core.provider import Provider
from ..._core.response.reply import Head, inflater

MOST: Final = 16 * 2**20  # bytes that a compressed body may inflate to


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One exchange; times are seconds from when its connection was asked for."""

    line: bytes = b""  # the status line
    head: Head | None = None  # None: there was no answer
    pieces: tuple[tuple[float, bytes], ...] = field(default=(), repr=False)  # of the body, as they came
    error: G4fliteError | None = None  # what it ended with; None: HTTP's own end, or ours
    ended: float = 0.0
    link: object = None  # the connection that it went over
    secrets: tuple[str, ...] = field(default=(), repr=False)  # what nothing may show, the longest first

    @property
    def granted(self) -> bool:
        """Whether it was answered, and with a status that promises a reply."""
        return self.head is not None and 200 <= self.head.status < 300

    def header(self, name: str) -> bytes:
        """The header as a line, empty where the answer has none of that name."""
        value = self.head.headers.get(name) if self.head is not None else None
        return b"" if value is None else f"{name}: {value}".encode("latin-1", "replace")


class Heard(NamedTuple):
    """What a reply says.  Each item stands with the time and the number of the piece that completed it."""

    pieces: tuple[bytes, ...] = ()  # of the body, its compression undone, its secrets blotted out
    items: tuple[tuple[float, int, str | Event], ...] = ()
    error: G4fliteError | None = None  # why reading ended early
    at: int = 0  # bytes of the body that were read by then
    broken: G4fliteError | None = None  # what is wrong with the compression
    marked: bool = False  # the end marker came
    done: bool = False  # the reply is complete by its protocol; where that has no marker, False for ever

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def content(self) -> list[tuple[float, int, str | Event]]:
        """Text, reasoning and tool calls."""
        return [one for one in self.items if isinstance(one[2], CONTENT)]


def hear(spec: Provider, recording: Recording) -> Heard:
    """What a recorded reply says, read line by line, so that an error shows where it is."""
    pieces, broken = plain(spec, recording)
    parser, marks = spec.parser(spec.max_frame), spec.end == "marker"
    lines = [(number, line) for number, piece in enumerate(pieces) for line in piece.splitlines(keepends=True)]
    items: list[tuple[float, int, str | Event]] = []
    at, marked = 0, False
    try:
        for number, line in lines:
            at += len(line)
            for item in parser.feed(line):
                items.append((recording.pieces[number][0], number, item))
            if marked := marks and parser.done:
                break
        if not (marked or broken or recording.error):
            for item in parser.close():
                items.append((recording.ended, len(pieces) - 1, item))
    except G4fliteError as error:
        return Heard(tuple(pieces), tuple(items), error, at, broken)
    return Heard(tuple(pieces), tuple(items), None, at, broken, marked, marks and parser.done)


def plain(spec: Provider, recording: Recording) -> tuple[list[bytes], G4fliteError | None]:
    """The pieces of a body, their compression undone and their secrets blotted out, and what is wrong with the first.

    A piece that cannot be inflated, and what follows it, is left out.
    """
    pieces: list[bytes] = []
    broken: G4fliteError | None = None
    size = 0
    try:
        undo = inflater(recording.head, spec.max_ratio) if recording.head is not None else None
        for _, data in recording.pieces:
            pieces.append(data if undo is None else b"".join(undo.feed(data)))
            size += len(pieces[-1])
            if size > MOST:
                raise LimitError(f"the reply inflates to more than {MOST} bytes")
        if undo is not None and recording.error is None:
            undo.close()
    except ReplyError as error:
        broken = error
    body, start = redact_bytes(b"".join(pieces), recording.secrets), 0
    for number, piece in enumerate(pieces):
        pieces[number], start = body[start : start + len(piece)], start + len(piece)
    return pieces, broken
