"""How an answer leaves the server: `Script` says it, and the functions here cut the body accordingly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise, repeat

from ..server.pieces import Problem
from .dialects import DIALECTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """How the server answers a request; as it stands, a well-behaved reply.

    What it says counts for refusals too. A `status` or a `body` is the answer to any request, well formed or not,
    and `raw` more so; the reply function is not called then. Raises `ValueError` for a number that makes no sense
    and for a problem or dialect that is none.
    """

    split: int | tuple[int, ...] | None = None
    """HTTP chunks of so many bytes, or cut at these offsets into the body (ascending); None: a chunk a piece."""

    wait: float = 0.0
    """Seconds between chunks."""

    silence: float = 0.0
    """Seconds before the status line."""

    status: int | None = None
    """HTTP status 200-599; the body is empty unless `body` is given as well."""

    body: bytes | str | None = None
    """The body, as UTF-8, of status 200 unless `status` is given as well; for the split it is one piece."""

    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent besides the default ones or in their place. A `content-length` here replaces the chunked coding, so that a
    wrong one can be sent; a `connection: close` closes after the answer."""

    cut: int | None = None
    """Closes the connection after so many bytes of the body, at its end at the latest, without the final chunk."""

    reset: bool = False
    """Makes the close of `cut` and `raw` a TCP RST instead of a FIN."""

    problem: str | None = None
    """Answers a well-formed request of an open protocol with this error, as the service would: a kind of `Problem`.
    The reply function is not called then. The retired services know no such errors and refuse it."""

    dialect: str | None = None
    """Whose habits the reply has, where several services share a protocol: openai, azure, openrouter, deepseek, vllm,
    groq, zai, huggingface, llamacpp, transformers, litellm, mistral. None: by the path, azure or openai. Of
    these vllm, llamacpp and transformers demand no key."""

    unterminated: bool = False
    """Leaves out the last line end of an open protocol's reply: the blank line behind the last event."""

    raw: bytes | None = None
    """The whole response, status line and all; then the connection closes. `cut` counts its bytes."""

    def __post_init__(self) -> None:
        offsets = (self.split,) if isinstance(self.split, int) else self.split or ()
        if any(a >= b for a, b in pairwise((0, *offsets))):
            raise ValueError(f"split: expected a number of bytes, or ascending offsets, above 0; not {self.split!r}")
        if self.status is not None and not 200 <= self.status <= 599:
            raise ValueError(f"status: expected 200-599, not {self.status!r}")
        if min(self.wait, self.silence, self.cut or 0) < 0:
            raise ValueError("wait, silence, cut: expected 0 or more")
        if self.problem is not None:
            Problem(self.problem)
        if self.dialect not in {None, *DIALECTS}:
            raise ValueError(f"dialect: expected one of {', '.join(DIALECTS)}; not {self.dialect!r}")

    @property
    def fixed(self) -> bool:
        """Whether the answer is the same for every request."""
        return (self.raw, self.body, self.status) != (None, None, None)

    def blocks(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yields what is sent of a body, block by block, none empty; `pieces` are taken only as far as needed."""
        return divide(shorten(pieces, self.cut), self.split)


def shorten(pieces: Iterable[bytes], cut: int | None) -> Iterator[bytes]:
    """Yields the first `cut` bytes, all of them if None, in the pieces they come in."""
    if cut is None:
        yield from pieces
        return
    source = iter(pieces)
    while cut > 0 and (piece := next(source, None)) is not None:
        yield piece[:cut]
        cut -= len(piece)


def divide(pieces: Iterable[bytes], split: int | tuple[int, ...] | None) -> Iterator[bytes]:
    """Yields the same bytes in blocks of `split` bytes, cut at the offsets `split`, or as they come; none empty."""
    if split is None:
        yield from filter(None, pieces)
        return
    sizes = repeat(split) if isinstance(split, int) else (b - a for a, b in pairwise((0, *split)))
    size, rest = next(sizes, None), b""
    for piece in pieces:
        rest, start = rest + piece, 0
        while size is not None and start + size <= len(rest):
            yield rest[start : start + size]
            start += size
            size = next(sizes, None)
        rest = rest[start:]
    if rest:
        yield rest


def unterminated(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yields the same bytes but for the last line end: the blank line of the last event, the LF of the last object."""
    source = iter(blocks)
    last = next(source, b"")
    for block in source:
        yield last
        last = block
    yield last.removesuffix(b"\n").removesuffix(b"\r")
