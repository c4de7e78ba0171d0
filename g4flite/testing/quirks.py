"""Quirks: forms in which real services send a streamed reply, although their protocols do not describe them.

frames = QUIRKS["content_after_finish"]["chat"](frames)      # what `Script(quirk="content_after_finish")` does

A quirk changes the frames of a well-formed reply, one function for each protocol that is known to be sent so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from ..server.framing import DONE, compact, sse


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


def content_after_finish(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Chat: the chunk with the finish reason comes before the last chunk of content.

    Source: anomalyco/opencode#43040 and PR#49167 (SenseNova and NVIDIA, September 2026).
    """
    held: list[Frame] = []
    for frame in frames:
        choices = frame.data.get("choices") if isinstance(frame.data, dict) else None
        if choices and choices[0].get("finish_reason"):
            yield frame
            yield from held
            held = []
        elif frame.data == DONE or not choices:
            yield from (*held, frame)
            held = []
        else:
            yield from held
            held = [frame]
    yield from held


def input_tokens_in_message_delta(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Repeat the input's counts in the last event that has counts, as newer servers of Anthropic's protocol do.

    Source: recordings of Anthropic (pydantic-ai, test_pause_turn_web_search_streaming_vcr), 2026.
    """
    counts: dict[str, Any] = {}
    for frame in frames:
        if frame.name == "message_start":
            counts = {name: n for name, n in frame.data["message"]["usage"].items() if name != "output_tokens"}
        if frame.name == "message_delta":
            frame.data["usage"] = counts | frame.data["usage"]
        yield frame


def _failing(error: bytes) -> Quirk:
    """Return a quirk: behind the first frame that holds content, these bytes take the place of all other frames."""

    def quirk(frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            yield frame
            if isinstance(frame.data, dict) and re.search('"(content|text|delta)": ?["{]', json.dumps(frame.data)):
                break
        yield Frame("", error)

    return quirk


# A server that fails while it streams writes the body of its HTTP error into the stream, as bare JSON in which no line
# begins with `data:` (maximhq/bifrost#5262, July 2026), or sends an event `error` whose data is plain text
# (davidmigloz/ai_clients_dart#88, March 2026), or writes the error into an event that it had begun
# (Wei-Shaw/sub2api#1471, April 2026).
bare_error = _failing(b'{"error":{"message":"prompt is too long","type":"invalid_request_error"}}\n\n')
error_in_plain_text = _failing(b"event: error\ndata: prompt is too long\n\n")
error_in_half_an_event = _failing(b'data: {"half\ndata: {"error":{"message":"prompt is too long"}}\n\n')
STREAMS = ("chat", "responses", "anthropic", "gemini", "cohere")

# By the name of the quirk, and by the name of the protocol.
QUIRKS: Mapping[str, Mapping[str, Quirk]] = {
    "content_after_finish": {"chat": content_after_finish},
    "bare_error": dict.fromkeys(STREAMS, bare_error),
    "error_in_half_an_event": dict.fromkeys(STREAMS, error_in_half_an_event),
    "error_in_plain_text": dict.fromkeys(STREAMS, error_in_plain_text),
    "input_tokens_in_message_delta": {"anthropic": input_tokens_in_message_delta},
}
