"""The engine: what is sent, and what an answer means.  It decides and waits for nothing: no I/O, no clock, no chance.

`exchange` is a generator that yields what it wants done, a `Send` or `READ`, and is sent what happened, a `Head` or
bytes; a failure is thrown into it.  The last thing it yields is an `Opening`, with the first text; from there on bytes
go straight into the parser.  Two drivers run it: `iterate` and `aiterate`.
"""

import enum
from collections.abc import Callable, Generator, Iterable
from dataclasses import replace
from itertools import chain
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from ._answers import Head, redact, status_error
from ._errors import G4fliteError, MalformedReplyError
from ._parsers import excerpt
from ._request import build
from ._spec import Call, ChunkParser, Request

BODY_READ: Final = 16 * 1024  # bytes of an error's body that its rules may look at


class Send(NamedTuple):
    """Wanted: this request sent, and the head of the answer to it."""

    request: Request


class Wanted(enum.Enum):
    READ = "the next bytes of the body, b'' at its end"


READ: Final = Wanted.READ


class Opening(NamedTuple):
    """How a reply begins: the parser that goes on with it, its first texts, and whether that was all of it."""

    parser: ChunkParser
    texts: Iterable[str]
    ended: bool


Exchange: TypeAlias = Generator[Send | Literal[Wanted.READ] | Opening, Any, None]


def exchange(call: Call, now_ms: Callable[[], int]) -> Exchange:
    """One request and the beginning of its reply.  Raises what the answer means where it is not a reply."""
    spec = call.provider
    call = replace(call, now_ms=now_ms())
    request = build(call)
    head: Head = yield Send(request)
    if not 200 <= head.status < 300:
        raise status_error(spec, request, head, (yield from read_body()), call.now_ms)
    if head.headers.get("content-type", "").lower().startswith(("text/html", "application/xhtml")):
        page = redact(request, (yield from read_body()))
        raise MalformedReplyError(
            f"the reply is a web page, not an answer: {excerpt(page)}; check base_url and what stands in between"
        )
    parser = spec.parser(spec.max_frame)
    data: bytes = yield READ
    while data:
        texts = iter(parser.feed(data))
        for text in texts:
            yield Opening(parser, chain((text,), texts), ended=False)
        data = yield READ
    yield Opening(parser, parser.close(), ended=True)


def read_body() -> Generator[Literal[Wanted.READ], bytes, bytes]:
    """The first `BODY_READ` bytes of the body; what came of it where reading fails."""
    body = bytearray()
    try:
        while len(body) < BODY_READ and (data := (yield READ)):
            body += data
    except G4fliteError:
        pass  # the status says more than how its explanation was lost
    return bytes(body[:BODY_READ])
