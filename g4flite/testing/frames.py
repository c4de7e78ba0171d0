"""Frames: a streamed reply in pieces that a quirk can change.

list(blocks_of(frames_of([b'data: {"a":1}\\n\\n']), lines=False))      # the same bytes
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

from ..server.framing import compact, sse


class Frame(NamedTuple):
    """One server-sent event with JSON data, or one line of NDJSON.

    A block of a reply that is neither, like a comment, is a frame whose `data` is the bytes of the block.
    """

    name: str
    data: Any


Quirk: TypeAlias = Callable[[Iterator[Frame]], Iterator[Frame]]


def frames_of(blocks: Iterable[bytes]) -> Iterator[Frame]:
    """Yield the frames of a reply; each block holds one frame."""
    for block in blocks:
        name, text = "", block.decode()
        if text.startswith("event: "):
            first, _, text = text.partition("\n")
            name = first.removeprefix("event: ").rstrip()
        try:
            yield Frame(name, json.loads(text.removeprefix("data: ")))
        except ValueError:
            yield Frame("", block)


def blocks_of(frames: Iterable[Frame], *, lines: bool) -> Iterator[bytes]:
    """Yield each frame as bytes: as a line of NDJSON if `lines`, else as a server-sent event."""
    for name, data in frames:
        if isinstance(data, bytes):
            yield data
        elif lines:
            yield compact(data).encode() + b"\n"
        else:
            yield sse(data, event=name)
