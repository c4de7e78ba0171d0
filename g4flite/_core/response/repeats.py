"""The fast path for frames that differ from the last frame in their text alone.

Most frames of a reply are the same JSON around another piece of text:

    {"id":"x","choices":[{"delta":{"content":" Hello"}}]}
    {"id":"x","choices":[{"delta":{"content":" world"}}]}

To parse the JSON of such a frame and walk to its text takes about 5 microseconds (a frame of 150 bytes, CPython 3.11).
To compare the bytes around the text with those of the last frame and decode the text alone takes about 1.  So the
parser (`FrameParser` in `parsers.py`) uses these functions:

    known = surroundings(frame, " Hello")     # the bytes before and after the text, if the frame says nothing else
    text_between(next_frame, known)           # " world", or None if the bytes around the text are others

Why this cannot change an answer:

1. `surroundings` finds a text only if the frame holds it as a JSON string, at exactly one place, and has no escapes.
   So the bytes before and after that place are known to make a frame that means its text, and nothing else.
2. `text_between` takes a frame only if it has the same bytes around exactly one complete JSON string.  A string that
   ends earlier, so that other JSON would follow it, is refused.  So the frame differs from the last one in this string
   alone.
3. The protocol's reader promises (`Reader.verbatim`) that the meaning of such a frame is the string, unchanged, and
   that nothing else depends on what the string says.
"""

import json
from typing import Any, TypeAlias

# The bytes before the text, opening quote included; the bytes after it, from its closing quote on; and the start and
# stop of the slice of a frame that holds the text and its closing quote.
Surroundings: TypeAlias = tuple[bytes, bytes, int, int]
# The C function that decodes one string for `json.loads`, which takes six times as long for a short text.
scan_string: Any = json.decoder.scanstring  # type: ignore[attr-defined]


def surroundings(frame: bytes, text: str) -> Surroundings | None:
    """Return what surrounds `text` in a frame of valid JSON, or None if the place of the text is not certain.

    The place is certain if the frame holds the text as one JSON string, at one place, and has no escapes anywhere.
    """
    # U+FFFD may stand for bytes that are not UTF-8.
    if b"\\" in frame or "\ufffd" in text:
        return None
    quoted = b'"%b"' % text.encode()
    at = frame.find(quoted)
    # Two calls of `find`, because `rfind` takes quadratic time on some inputs.
    if at < 0 or frame.find(quoted, at + 1) >= 0:
        return None
    before, after = frame[: at + 1], frame[at + len(quoted) - 1 :]
    return before, after, len(before), 1 - len(after)


def with_framing(data: bytes, frame: bytes, known: Surroundings) -> Surroundings | None:
    """Return what surrounds the text in `data`, the bytes of a read that brought one frame and its framing.

    With these surroundings, `text_between` takes the next read that brings exactly one such event, without splitting it
    into lines.  `known` are the surroundings inside the frame.  Returns None if `data` does not hold the frame in one
    piece at one place.
    """
    at = data.find(frame)
    # A line feed in the frame: the framing has joined it from several lines of data.
    if at < 0 or data.find(frame, at + 1) >= 0 or b"\n" in frame:
        return None
    before, after, start, stop = known
    rest = data[at + len(frame) :]
    return data[:at] + before, after + rest, start + at, stop - len(rest)


def text_between(frame: bytes, known: Surroundings) -> str | None:
    """Return the text of a frame that has the known surroundings, or None if the frame has others."""
    before, after, start, stop = known
    if not frame.startswith(before) or not frame.endswith(after):
        return None
    # The text and its closing quote; the scanner starts behind the opening quote.
    quoted = frame[start:stop].decode("utf-8", "replace")
    try:
        text, end = scan_string(quoted, 0)
    except ValueError:
        return None
    # If the string ends before that quote, the frame holds other JSON behind it.
    return text if end == len(quoted) else None
