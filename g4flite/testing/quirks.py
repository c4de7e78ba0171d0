"""Quirks: forms in which real services send a streamed reply, although their protocols do not describe them.

frames = QUIRKS["content_after_finish"]["chat"](frames)      # what `Script(quirk="content_after_finish")` does

A quirk changes the frames of a well-formed reply, one function for each protocol that is known to be sent so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from ..server.framing import DONE
from .call_quirks import CALL_QUIRKS, UNCLEAR_CALL_QUIRKS
from .count_quirks import COUNT_QUIRKS
from .end_quirks import END_QUIRKS
from .extra_quirks import EXTRA_QUIRKS
from .frames import Frame, Quirk


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
    **CALL_QUIRKS,
    **UNCLEAR_CALL_QUIRKS,
    **COUNT_QUIRKS,
    **END_QUIRKS,
    **EXTRA_QUIRKS,
}
