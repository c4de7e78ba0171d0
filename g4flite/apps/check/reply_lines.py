"""The lines of the report about one reply: its form, what it says, and how it ends.  No I/O."""

from codecs import getincrementaldecoder
from contextlib import suppress
from typing import Final

from ..._core.errors import FirstTokenTimeoutError, LimitError, MalformedReplyError, ReplyError, TruncatedStreamError
from ..._core.events import Finish, Reasoning, Usage
from ..._core.provider import Provider
from ..._core.response.parsers import DONE
from ..._core.response.reply import Head
from ..._core.response.service_errors import error_of_content_type
from .case import TAIL, Case, Line, body_at, last_line, message_of, with_base_url

# Characters that no server sends in one piece while it streams.
LONG: Final = 40
# Seconds.  Text that comes later than this, and then all at once, may have been held back.
HELD_BACK: Final = 0.5
# What a parser raises if it cannot read a frame.  Its other errors are those that the service reports.
UNREADABLE: Final = (MalformedReplyError, LimitError, TruncatedStreamError)
# The events that end a reply of a protocol whose finish reason comes in an event before, by the text in them.
MARKERS: Final = {DONE: DONE, b"message_stop": b'{"type": "message_stop"}'}
BLANK_LINE: Final = (b"\n\n", b"\r\n\r\n", b"\r\r")


def has_other_fault(case: Case) -> bool:
    """Return whether the reply has a fault that another line names, and that may keep the reply from its end."""
    decoded = case.decoded
    if case.whole.error or decoded.error or decoded.inflate_error or not decoded.body.strip():
        return True
    return not decoded.items and is_fault(framing(case))


def is_fault(line: Line) -> bool:
    """Return whether the line fails."""
    return line is not None and line[0] == "fail"


def content_type(case: Case) -> Line:
    """Judge whether the content type is one that the request accepts, and not one that marks an error."""
    head, line = case.whole.head or Head(0, {}), case.whole.header("content-type")
    kind = head.headers.get("content-type", "").partition(";")[0].strip().lower()
    accepted = next((value for name, value in case.spec.headers.items() if name.lower() == "accept"), "*/*")
    if kind.startswith(case.spec.error_types):
        error = error_of_content_type(head.headers, case.decoded.body.decode("utf-8", "replace"))
        return "fail", message_of(with_base_url(case, error)), line
    if "*" not in accepted and kind not in accepted.split(", "):
        return "fail", f"the response names {kind or 'none'}, but the request accepts {accepted}", line
    return ("pass", kind, line) if kind else ("unknown", "the response names none", b"")


def compression(case: Case) -> Line:
    """Judge whether the body is not compressed, or compressed as the client offered, and can be inflated."""
    line = case.whole.header("content-encoding")
    if case.decoded.inflate_error is not None:
        return "fail", message_of(case.decoded.inflate_error), line
    return "pass", "one that the client offered" if line else "none", line


def framing(case: Case) -> Line:
    """Judge whether the body is UTF-8 in frames that the parser can read, and whether the last frame is complete."""
    decoded, body, kind = case.decoded, case.decoded.body, frames(case.spec)
    if isinstance(decoded.error, UNREADABLE):
        return "fail", message_of(decoded.error), last_line(body[: decoded.bytes_read])
    if not body.strip():
        return "unknown", "the body is empty", b""
    try:
        getincrementaldecoder("utf-8")().decode(body)
    except UnicodeDecodeError as error:
        return "fail", f"the reply is not UTF-8: {error.reason}", body[max(0, error.start - 20) :]
    if kind == "raw text":
        return "pass", "raw text, in UTF-8", body
    if kind == "events" and decoded.items and body.lstrip().startswith((b"[", b"{")):
        return "pass", "one JSON array", body
    if kind == "events" and not any(line.startswith(b"data") for line in body.splitlines()):
        return "unknown" if case.whole.error else "fail", "the body holds no event: no line begins with data:", body
    if case.complete and not body.endswith(BLANK_LINE if kind == "events" else b"\n"):
        what = "event has no blank line" if kind == "events" else "line of JSON has no line end"
        return "fail", f"the last {what} after it: a strict reader drops it", body[-TAIL:]
    return "pass", "server-sent events" if kind == "events" else kind, body


def frames(spec: Provider) -> str:
    """Return what the spec's parser splits a body into: "raw text", "events" or "lines of JSON".

    What the parser makes of a line that is not JSON tells which.
    """
    try:
        return "raw text" if [*spec.parser(spec.max_frame).feed(b"x\n\n")] else "events"
    except ReplyError:
        return "lines of JSON"


def comments(case: Case) -> Line:
    """Show the comments and pings, which keep a silent connection open.  No server has to send any."""
    if frames(case.spec) != "events":
        return "unknown", "the protocol has none", b""
    lines = case.decoded.body.splitlines()
    pings = [line for line in lines if line.startswith(b":") or line.replace(b" ", b"") == b"event:ping"]
    if not pings:
        return "unknown", "none came; whether the server sends any would show only in a long silence", b""
    return "pass", f"{len(pings)} came between the events", pings[0]


def error_inside(case: Case) -> Line:
    """Judge whether the service reports an error inside its reply."""
    decoded = case.decoded
    if decoded.error is not None and not isinstance(decoded.error, UNREADABLE):
        said = message_of(with_base_url(case, decoded.error))
        return "fail", said, last_line(decoded.body[: decoded.bytes_read])
    return None if has_other_fault(case) else ("pass", "the reply reports none", b"")


def first_text(case: Case) -> Line:
    """Judge whether there is text, reasoning or a tool call, and show when the first of it came."""
    decoded, whole = case.decoded, case.whole
    if decoded.content:
        seconds, number, item = decoded.content[0]
        words = (item,) if isinstance(item, str) else ()
        return "pass", f"it came after {seconds:.3f} s", body_at(decoded, number, *words)
    if isinstance(whole.error, FirstTokenTimeoutError):
        return "fail", message_of(whole.error), decoded.body
    if case.complete or not (whole.error or decoded.inflate_error or decoded.body.strip()):
        return "fail", "the reply holds no text", decoded.body or whole.line
    return None


def mid_stream(case: Case) -> Line:
    """Judge whether text comes as the model makes it, in pieces and over time."""
    texts = [
        (time, number, item if isinstance(item, str) else item.text)
        for time, number, item in case.decoded.content
        if isinstance(item, str | Reasoning)
    ]
    if not texts:
        return None
    count, size = len({number for _, number, _ in texts}), sum(len(text) for *_, text in texts)
    first, spread = texts[0][0], texts[-1][0] - texts[0][0]
    if count > 1:
        if first > HELD_BACK and spread < first / 20:
            says = f"{count} pieces came within {spread:.3f} s, but only after {first:.3f} s: they may be held back"
            return "unknown", says, b""
        return "pass", f"text came in {count} pieces within {spread:.3f} s", b""
    if size < LONG or not case.complete:
        return "unknown", f"{size} characters came in one piece; they are too few to tell", b""
    if case.whole.head is not None and case.whole.head.open_ended:
        return "unknown", "text came in one piece, but the network may have joined it: the body has no chunks", b""
    shown = body_at(case.decoded, *texts[0][1:])
    return "fail", f"all {size} characters came in one piece: the server holds them back until the end", shown


def usage(case: Case) -> Line:
    """Show the tokens that the reply counts.  No server has to count them."""
    counts = [(number, item) for _, number, item in case.decoded.items if isinstance(item, Usage)]
    if not counts:
        return "unknown", "the reply counts no tokens", b""
    number, count = counts[-1]
    says = f"prompt tokens: {count.prompt_tokens}, completion tokens: {count.completion_tokens}"
    return "pass", says, body_at(case.decoded, number, "usage", "_count")


def finish(case: Case) -> Line:
    """Judge whether the reply has a finish reason that the client knows."""
    decoded = case.decoded
    found = next(((number, item) for _, number, item in decoded.items if isinstance(item, Finish)), None)
    if found is None:
        complete = case.complete and not has_other_fault(case)
        return ("unknown", "the protocol has no finish reason", b"") if complete else None
    number, event = found
    if decoded.error is not None:
        return None
    shown = body_at(decoded, number, f'"{event.native}"')
    if event.reason != "other":
        return "pass", f"{event.reason} ({event.native or 'not named'})", shown
    if event.native is None:
        return "fail", "the reply ends without a finish reason", last_line(decoded.body)
    return "unknown", f"{event.native!r} is not a finish reason that this client knows", shown


def end_marker(case: Case) -> Line:
    """Judge whether the protocol's end marker came, which says that the reply is complete."""
    decoded = case.decoded
    if case.spec.end == "http":
        return "unknown", "the protocol has none: the reply ends with the body", b""
    if decoded.marked:
        return "pass", "it came", last_line(decoded.body[: decoded.bytes_read])
    if has_other_fault(case):
        return None
    wanted, ending = marker_of(case.spec), last_line(decoded.body)
    if decoded.done and wanted in ending:
        return "pass", "it came" if wanted else "the finish reason is the end marker", ending
    return "fail", f"the body ends without {wanted.decode() or 'an end marker'}", ending


def marker_of(spec: Provider) -> bytes:
    """Return the text in the event that ends a reply of the protocol, b"" if that event has the finish reason in it.

    The spec's parser tells, if it is fed such an event.
    """
    for marker, event in MARKERS.items():
        parser = spec.parser(spec.max_frame)
        with suppress(ReplyError):
            for _ in parser.feed(b"data: %b\n\n" % event):
                pass
        if spec.end == "marker" and parser.done:
            return marker
    return b""
