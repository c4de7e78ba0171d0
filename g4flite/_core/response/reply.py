"""`Reply`: the decoding of one response, from bytes to texts and events, and whether its end is an end.  No I/O."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

from ..errors import MalformedReplyError, TruncatedStreamError
from ..events import Event
from ..provider import Provider
from .inflate import BITS, Inflater


class Head(NamedTuple):
    """The head of an answer; `headers` are found in any case of letters.

    `coding` is the compression that is still to be undone.  `open_ended`: the body ends with the connection, so that
    its end cannot be told from a cut.  `undone`: httpx undoes the compression, or a hook of the client has read it all.
    """

    status: int
    headers: Mapping[str, str]
    coding: str = ""
    open_ended: bool = False
    undone: bool = False


class Reply:
    """Bytes of one response's body in, texts and events out: a `ChunkParser` around the provider's own."""

    __slots__ = ("_inflater", "_marked", "_open_ended", "_parser", "feed")

    def __init__(self, spec: Provider, head: Head) -> None:
        self._marked, self._open_ended = spec.end == "marker", head.open_ended
        self._parser = spec.parser(spec.max_frame)
        self._inflater = inflater(spec, head)
        self.feed: Callable[[bytes], Iterable[str | Event]] = (
            self._parser.feed if self._inflater is None else partial(self._inflated, self._inflater)
        )

    @property
    def done(self) -> bool:
        """Whether the end marker came, where the protocol has one."""
        return self._marked and self._parser.done

    def close(self) -> Iterator[str | Event]:
        """What was held back; raises `TruncatedStreamError` where the body ended and the reply did not."""
        if not self.done:
            yield from self._parser.close()
        if self.done:
            return
        if self._marked:
            raise TruncatedStreamError("the reply ends without its end marker; what came is in .partial")
        if self._inflater is not None:
            self._inflater.close()
        if self._open_ended:
            raise TruncatedStreamError(
                "the reply has neither a length nor chunks, so that its end cannot be told from a cut; "
                "what came is in .partial"
            )

    def _inflated(self, inflater: Inflater, data: bytes) -> Iterator[str | Event]:
        for piece in inflater.feed(data):
            yield from self._parser.feed(piece)


def inflater(spec: Provider, head: Head) -> Inflater | None:
    """The decoder of the body's compression, None where it has none.  Raises `MalformedReplyError` for an unknown."""
    if head.coding and head.coding not in BITS:
        raise MalformedReplyError(f"the reply is compressed with {head.coding}, which nobody asked for")
    return Inflater(head.coding, spec.max_ratio) if head.coding else None
