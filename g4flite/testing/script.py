"""How a response leaves the server: `Script` says it, and the functions here cut the body accordingly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise, repeat
from math import inf
from types import NoneType

from ..server.pieces import Problem
from .dialects import DIALECTS
from .quirks import QUIRKS

# The types of the fields, by their names.
TYPES = (
    ("split", (int, tuple, NoneType), "an int, a tuple or None"),
    ("wait silence", (int, float), "a number of seconds"),
    ("status cut", (int, NoneType), "an int or None"),
    ("body", (bytes, str, NoneType), "bytes, a str or None"),
    ("raw", (bytes, NoneType), "bytes or None"),
    ("headers", (Mapping,), "a mapping of names to values"),
    ("hangup reset tools unterminated", (bool,), "True or False"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """How the server responds to a request; `Script()` is a well-behaved response.

    A script counts for refusals, too.  A `status` or a `body` is the response to any request, well formed or not, and
    so is `raw`, which replaces both; the reply function is not called then.  Raises `TypeError` for a field of a wrong
    type, `ValueError` for a number that makes no sense, and for an unknown problem, dialect or quirk.
    """

    split: int | tuple[int, ...] | None = None
    """HTTP chunks of this many bytes, or cut at these offsets into the body (ascending); None: one chunk a piece."""

    wait: float = 0.0
    """Seconds between chunks."""

    silence: float = 0.0
    """Seconds before the status line."""

    status: int | None = None
    """HTTP status 200-599; the body is empty unless `body` is given as well."""

    body: bytes | str | None = None
    """The body, a str as UTF-8, of status 200 unless `status` is given as well.  It is one piece for the split."""

    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers that are added to the default ones or replace them.  A `content-length` replaces the chunked coding, so
    that a wrong length can be sent; `connection: close` closes the connection after the response."""

    cut: int | None = None
    """Closes the connection after this many bytes of the body, or at its end, without the final chunk."""

    hangup: bool = False
    """Closes the connection right after the response, although the response announced `connection: keep-alive`, as
    llama.cpp's server does.  A client that sends its next request over this connection gets no answer there."""

    reset: bool = False
    """Makes the close of `cut`, `raw` and `hangup` a TCP RST instead of a FIN."""

    problem: str | None = None
    """Answers a well-formed request of an open protocol with this kind of `Problem`, by the HTTP status that the
    service would send.  The reply function is not called then.  The retired services know no such errors and refuse
    it."""

    tools: bool = False
    """Calls a tool in place of the reply function's text, if a request declares tools, as a model would: the tool that
    `tool_choice` names, or else the first, with arguments made from its JSON Schema.  The reply function's text answers
    a request whose last message is a tool's result, and one with the `tool_choice` "none"."""

    dialect: str | None = None
    """The service whose habits the reply has, if several share a protocol: openai, azure, openrouter, deepseek, vllm,
    groq, zai, huggingface, llamacpp, transformers, litellm, mistral, google (Gemini's path for OpenAI's clients),
    moonshot, xai, perplexity, github-models or fireworks.  What the service refuses is refused, and so is every base
    path but the service's own and /v1.  None: azure, google or openai, by the path, at the base path of any of these
    services.  Of these, vllm, llamacpp and transformers demand no key."""

    quirk: str | None = None
    """A form in which real services send a streamed reply, although the protocol does not describe it: a name in
    `testing.quirks.QUIRKS`.  A request of a protocol that no service is known to send so is refused."""

    unterminated: bool = False
    """Leaves out the last line end of an open protocol's stream, which is the blank line after the last event."""

    raw: bytes | None = None
    """The whole response with its status line; then the connection closes.  `cut` counts its bytes."""

    def __post_init__(self) -> None:
        for names, types, expected in TYPES:
            for name in names.split():
                if not isinstance(value := getattr(self, name), types):
                    raise TypeError(f"{name}: expected {expected}, not {value!r}")
        offsets = (self.split,) if isinstance(self.split, int) else self.split or ()
        if any(a >= b for a, b in pairwise((0, *offsets))):
            raise ValueError(f"split: expected a number of bytes, or ascending offsets, above 0; not {self.split!r}")
        if self.status is not None and not 200 <= self.status <= 599:
            raise ValueError(f"status: expected 200-599, not {self.status!r}")
        if not all(0 <= number < inf for number in (self.wait, self.silence, self.cut or 0)):
            raise ValueError("wait, silence, cut: expected 0 or more")
        if self.problem is not None:
            Problem(self.problem)
        if self.dialect not in {None, *DIALECTS}:
            raise ValueError(f"dialect: expected one of {', '.join(DIALECTS)}; not {self.dialect!r}")
        if self.quirk not in {None, *QUIRKS}:
            raise ValueError(f"quirk: expected one of {', '.join(QUIRKS)}; not {self.quirk!r}")

    @property
    def fixed(self) -> bool:
        """Whether the response is the same for every request."""
        return (self.raw, self.body, self.status) != (None, None, None)

    def blocks(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield what is sent of a body, in blocks that are not empty; no more pieces are taken than are needed."""
        return divide(shorten(pieces, self.cut), self.split)


def shorten(pieces: Iterable[bytes], cut: int | None) -> Iterator[bytes]:
    """Yield the first `cut` bytes, or all of them if it is None, in the pieces in which they come."""
    if cut is None:
        yield from pieces
        return
    source = iter(pieces)
    while cut > 0 and (piece := next(source, None)) is not None:
        yield piece[:cut]
        cut -= len(piece)


def divide(pieces: Iterable[bytes], split: int | tuple[int, ...] | None) -> Iterator[bytes]:
    """Yield the same bytes in blocks of `split` bytes, cut at the offsets `split`, or as they come; none is empty."""
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
    """Yield the same bytes without the last line end: the blank line of the last event, the LF of the last object."""
    source = iter(blocks)
    last = next(source, b"")
    for block in source:
        yield last
        last = block
    yield last.removesuffix(b"\n").removesuffix(b"\r")
