"""Puts the name that the client asked for in place of the service's, in an answer that is passed on as it came.

    named = Naming(CHAT, "fast")
    named(b'data: {"id":"c1","model":"llama-3.3-70b","choices":[...]}')     # b'data: {"id":"c1","model":"fast",...'

Nothing else changes, and nothing that looks like it: the name is found by its place in the JSON.  Most events begin as
the last one did, up to the name, and then their beginning alone is compared.  A text in which `"model"` stands has it
escaped, so that such an event is not even searched.
"""

from __future__ import annotations

import json
import re

from .wires import ANTHROPIC, CHAT, GEMINI, OLLAMA, RESPONSES, Wire

STRING = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
# What opens or closes an object or a list, and a string; a name has its colon.
TOKEN, VALUE = re.compile(rb"[{}\[\]]|%s(?:\s*:)?" % STRING), re.compile(rb"\s*(%s)" % STRING)
# Where the name stands: the names of the objects that are open there, in an event and in a whole answer.
MODEL = b'"model"'
PLACES: dict[str, set[tuple[bytes, ...]]] = {
    CHAT.name: {(MODEL,)},
    RESPONSES.name: {(b'"response"', MODEL), (MODEL,)},
    ANTHROPIC.name: {(b'"message"', MODEL), (MODEL,)},
    OLLAMA.name: {(MODEL,)},
    GEMINI.name: {(b'"modelVersion"',)},
}
# The longest beginning of an event that is kept, in bytes.
LONGEST = 4096


def place_of(data: bytes, places: set[tuple[bytes, ...]]) -> tuple[int, int] | None:
    """Return where the first text at one of these places of a JSON object begins and ends; None without one."""
    path: list[bytes] = []
    for found in TOKEN.finditer(data, data.find(b"{")):
        token = found.group()
        if token in (b"{", b"["):
            path.append(b"")
        elif token in (b"}", b"]"):
            path.pop()
            if not path:
                break
        elif token.endswith(b":"):
            path[-1] = token[:-1].rstrip()
            if tuple(path) in places and (value := VALUE.match(data, found.end())):
                return value.span(1)
    return None


class Naming:
    """Names the model in the events of one answer, or in the whole of it."""

    def __init__(self, wire: Wire, name: str) -> None:
        self._places, self._name = PLACES[wire.name], json.dumps(name).encode()
        self._key = b'"modelVersion"' if wire is GEMINI else MODEL
        # How the last event began, up to the name, and what stands in its place.
        self._begins, self._instead = b"", b""

    def __call__(self, frame: bytes) -> bytes:
        """Return the event with the name that was asked for, if it has one."""
        if self._begins and frame.startswith(self._begins):
            return self._instead + frame[len(self._begins) :]
        if self._key not in frame or (place := place_of(frame, self._places)) is None:
            return frame
        begin, end = place
        instead = frame[:begin] + self._name
        if end <= LONGEST:
            self._begins, self._instead = frame[:end], instead
        return instead + frame[end:]
