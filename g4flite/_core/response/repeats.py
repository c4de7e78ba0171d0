"""The fast path for frames that differ in their text alone.

Most frames of a reply are the same JSON around another piece of text:

    {"id":"x","choices":[{"delta":{"content":" Hello"}}]}
    {"id":"x","choices":[{"delta":{"content":" world"}}]}

Parsing the JSON of such a frame and walking to its text takes about 5 microseconds; comparing the bytes around the text
with those of the last frame and decoding the text alone takes 1.  So the parser remembers, of the last frame that was
nothing but a text, the bytes before and after the text (`surroundings`), and asks of each frame whether it has the same
ones (`text_between`).

Why this cannot change an answer: the text's place is found only if the frame holds the text as a JSON string at exactly
one place and without escapes, so the bytes around it are known to be a frame whose meaning is that text.  A frame with
the same bytes around one whole JSON string differs from it in that string alone, and a reader promises (`verbatim`)
that its answer to such a frame is that string.  A string that ends early, and so would let other JSON follow, is
refused.
"""

import json
from typing import Any, TypeAlias

# The bytes before the text (with its opening quote), the bytes after it (from its closing quote), and the slice of a
# frame that holds the text and its closing quote.
Surroundings: TypeAlias = tuple[bytes, bytes, int, int]
# The C function behind `json.loads` for one string; `json.loads` itself takes three times as long for a short text.
scan_string: Any = json.decoder.scanstring  # type: ignore[attr-defined]


def surroundings(frame: bytes, text: str) -> Surroundings | None:
    """Return what surrounds `text` in a frame of valid JSON, or None if its place is not certain.

    It is certain if the frame holds the text as one string, at one place, with nothing escaped anywhere.
    """
    # U+FFFD may stand for bytes that are no UTF-8, which would not be found again.
    if b"\\" in frame or "\ufffd" in text:
        return None
    quoted = b'"%b"' % text.encode()
    at = frame.find(quoted)
    # A second `find`, as `rfind` takes quadratic time on some inputs.
    if at < 0 or frame.find(quoted, at + 1) >= 0:
        return None
    before, after = frame[: at + 1], frame[at + len(quoted) - 1 :]
    return before, after, len(before), 1 - len(after)


def with_framing(data: bytes, frame: bytes, known: Surroundings) -> Surroundings | None:
    """Return what surrounds the text in `data`, which holds one known frame and the bytes that frame it.

    So a read that brings exactly one event is recognised without being split into lines.  Returns None if the frame is
    not found in one piece at one place: an event of several lines of data is joined from them.
    """
    at = data.find(frame)
    if at < 0 or data.find(frame, at + 1) >= 0 or b"\n" in frame:
        return None
    before, after, start, stop = known
    rest = data[at + len(frame) :]
    return data[:at] + before, after + rest, start + at, stop - len(rest)


def text_between(frame: bytes, known: Surroundings) -> str | None:
    """Return the text of a frame with the known surroundings, or None if the frame has others."""
    before, after, start, stop = known
    if not frame.startswith(before) or not frame.endswith(after):
        return None
    quoted = frame[start:stop].decode("utf-8", "replace")
    try:
        text, end = scan_string(quoted, 0)
    except ValueError:
        return None
    # A string that ends before the closing quote would be followed by JSON that the last frame did not have.
    return text if end == len(quoted) else None
