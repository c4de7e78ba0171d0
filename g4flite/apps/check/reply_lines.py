"""The lines of the report about one reply: what it is, says and ends with.  No I/O."""

from codecs import getincrementaldecoder
from contextlib import suppress
from typing import Final

from ..._core.errors import FirstTokenTimeoutError, LimitError, MalformedReplyError, ReplyError, TruncatedStreamError
from ..._core.events import Finish, Reasoning, Usage
from ..._core.provider import Provider
from ..._core.response.parsers import DONE
from ..._core.response.reply import Head
from ..._core.response.service_errors import error_of_content_type
from .case import TAIL, Case, Line, last, near, said

LONG: Final = 40  # characters that no server sends in one piece while it streams
HELD_UP: Final = 0.5  # seconds: text that comes later than this, and then all at once, may have been held up
UNREADABLE: Final = (MalformedReplyError, LimitError, TruncatedStreamError)
BLANK_LINE: Final = (b"\n\n", b"\r\n\r\n", b"\r\r")


def spoilt(case: Case) -> bool:
    """Whether a fault that has a line of its own keeps the reply from its end."""
    heard = case.heard
    if case.whole.error or heard.error or heard.broken or not heard.body.strip():
        return True
    return not heard.items and is_fault(framing(case))


def is_fault(line: Line) -> bool:
    return line is not None and line[0] == "fail"


def content_type(case: Case) -> Line:
    """The one that the request accepts, where it names one; and none that marks an error."""
    head, line = case.whole.head or Head(0, {}), case.whole.header("content-type")
    kind = head.headers.get("content-type", "").partition(";")[0].strip().lower()
    wanted = next((value for name, value in case.spec.headers.items() if name.lower() == "accept"), "*/*")
    if kind.startswith(case.spec.error_types):
        return "fail", said(error_of_content_type(head.headers, case.heard.body.decode("utf-8", "replace"))), line
    if "*" not in wanted and kind not in wanted.split(", "):
        return "fail", f"it is {kind or 'not named'}, where the request accepts {wanted}", line
    return ("pass", kind, line) if kind else ("unknown", "none is named", b"")


def compression(case: Case) -> Line:
    """None, or one that was offered and can be undone."""
    line = case.whole.header("content-encoding")
    if case.heard.broken is not None:
        return "fail", said(case.heard.broken), line
    return "pass", "one that was offered" if line else "none", line


def framing(case: Case) -> Line:
    """Frames that the parser reads, in UTF-8, the last one of them ended."""
    heard, body, kind = case.heard, case.heard.body, frames(case.spec)
    if isinstance(heard.error, UNREADABLE):
        return "fail", said(heard.error), last(body[: heard.at])
    if not body.strip():
        return "unknown", "the body is empty", b""
    try:
        getincrementaldecoder("utf-8")().decode(body)
    except UnicodeDecodeError as error:
        return "fail", f"the reply is no UTF-8: {error.reason}", body[max(0, error.start - 20) :]
    if kind == "raw text":
        return "pass", "raw text, in UTF-8", body
    if kind == "events" and heard.items and body.lstrip().startswith((b"[", b"{")):
        return "pass", "one JSON array", body
    if kind == "events" and not any(line.startswith(b"data") for line in body.splitlines()):
        return "unknown" if case.whole.error else "fail", "it holds no event: no line begins with data:", body
    if case.complete and not body.endswith(BLANK_LINE if kind == "events" else b"\n"):
        missing = "blank line" if kind == "events" else "line end"
        return "fail", f"the last of the {kind} has no {missing} behind it: a strict reader drops it", body[-TAIL:]
    return "pass", "server-sent events" if kind == "events" else kind, body


def frames(spec: Provider) -> str:
    """What the spec's parser splits a body into, told by what it makes of a line that is no JSON."""
    try:
        return "raw text" if [*spec.parser(spec.max_frame).feed(b"x\n\n")] else "events"
    except ReplyError:
        return "lines of JSON"


def comments(case: Case) -> Line:
    """Comments and pings, which keep a silent connection open: nobody has to send any."""
    if frames(case.spec) != "events":
        return "unknown", "the protocol has none", b""
    lines = case.heard.body.splitlines()
    idle = [line for line in lines if line.startswith(b":") or line.replace(b" ", b"") == b"event:ping"]
    if not idle:
        return "unknown", "none came; only a long silence would show whether any do", b""
    return "pass", f"{len(idle)} came between the events", idle[0]


def error_inside(case: Case) -> Line:
    """An error that the service reports inside its reply."""
    heard = case.heard
    if heard.error is not None and not isinstance(heard.error, UNREADABLE):
        return "fail", said(heard.error), last(heard.body[: heard.at])
    return None if spoilt(case) else ("pass", "the reply reports none", b"")


def first_text(case: Case) -> Line:
    """The time to the first text, reasoning or tool call."""
    heard, whole = case.heard, case.whole
    if heard.content:
        seconds, number, item = heard.content[0]
        words = (item,) if isinstance(item, str) else ()
        return "pass", f"it came after {seconds:.3f} s", near(heard, number, *words)
    if isinstance(whole.error, FirstTokenTimeoutError):
        return "fail", said(whole.error), heard.body
    if case.complete or not (whole.error or heard.broken or heard.body.strip()):
        return "fail", "the reply holds no text", heard.body or whole.line
    return None


def mid_stream(case: Case) -> Line:
    """Text that comes as it is made, in pieces and over time."""
    texts = [
        (time, number, item if isinstance(item, str) else item.text)
        for time, number, item in case.heard.content
        if isinstance(item, str | Reasoning)
    ]
    if not texts:
        return None
    count, size = len({number for _, number, _ in texts}), sum(len(text) for *_, text in texts)
    first, spread = texts[0][0], texts[-1][0] - texts[0][0]
    if count > 1:
        if first > HELD_UP and spread < first / 20:
            return "unknown", f"{count} pieces came within {spread:.3f} s, after {first:.3f} s: held back?", b""
        return "pass", f"text came in {count} pieces within {spread:.3f} s", b""
    if size < LONG or not case.complete:
        return "unknown", f"{size} characters came in one piece, and are too few to tell", b""
    if case.whole.head is not None and case.whole.head.open_ended:
        return "unknown", "text came in one piece, which the network may have joined: the body has no chunks", b""
    shown = near(case.heard, *texts[0][1:])
    return "fail", f"all {size} characters came in one piece: they are held back until the end", shown


def usage(case: Case) -> Line:
    """The tokens counted: nobody has to."""
    counts = [(number, item) for _, number, item in case.heard.items if isinstance(item, Usage)]
    if not counts:
        return "unknown", "no tokens were counted", b""
    number, count = counts[-1]
    shown = f"{count.prompt_tokens} tokens of the prompt, {count.completion_tokens} of the answer"
    return "pass", shown, near(case.heard, number, "usage", "_count")


def finish(case: Case) -> Line:
    """Why the reply ended, in a word that is known."""
    heard = case.heard
    found = next(((number, item) for _, number, item in heard.items if isinstance(item, Finish)), None)
    if found is None:
        complete = case.complete and not spoilt(case)
        return ("unknown", "the protocol names no reason for its end", b"") if complete else None
    number, event = found
    if heard.error is not None:
        return None
    shown = near(heard, number, f'"{event.native}"')
    if event.reason != "other":
        return "pass", f"{event.reason} ({event.native or 'not named'})", shown
    if event.native is None:
        return "fail", "the reply ends, and no reason is named", last(heard.body)
    return "unknown", f"{event.native!r} is no reason that this client knows", shown


def end_marker(case: Case) -> Line:
    """What says that the reply is complete, where the protocol has something."""
    heard = case.heard
    if case.spec.end == "http":
        return "unknown", "the protocol has none: the end of the body is it", b""
    if heard.marked:
        return "pass", "it came", last(heard.body[: heard.at])
    if spoilt(case):
        return None
    wanted, ending = wants_done(case.spec), last(heard.body)
    if heard.done and (not wanted or ending.endswith(DONE)):
        return "pass", "it came" if wanted else "the reason for the end is it", ending
    return "fail", f"the body ends without {'[DONE]' if wanted else 'an end marker'}", ending


def wants_done(spec: Provider) -> bool:
    """Whether `[DONE]` ends a reply of the protocol, told by what the parser makes of it."""
    parser = spec.parser(spec.max_frame)
    with suppress(ReplyError):
        for _ in parser.feed(b"data: %b\n\n" % DONE):
            pass
    return spec.end == "marker" and parser.done
