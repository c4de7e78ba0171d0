"""The lines of the report about the connection, and about what is asked besides one reply.  No I/O."""

from ..._core.errors import FirstTokenTimeoutError, StreamTimeoutError
from ..._core.response.service_errors import excerpt, report_of, status_error
from .case import TAIL, Case, Line, last, said
from .recording import hear, plain


def answer(case: Case) -> Line:
    """An answer with a status that promises a reply."""
    whole = case.whole
    if whole.head is None:
        return "fail", f"there is none: {said(whole.error)}", b""
    if whole.granted:
        return "pass", f"status {whole.head.status}", whole.line
    error = status_error(
        whole.head.status,
        whole.head.headers,
        case.heard.body.decode("utf-8", "replace"),
        rules=case.spec.errors,
        key_variables=case.spec.key_variables,
        now_ms=0,
    )
    return "fail", said(error), case.heard.body or whole.line


def end_of_body(case: Case) -> Line:
    """An end that can be told from a cut."""
    whole = case.whole
    if isinstance(whole.error, FirstTokenTimeoutError):
        return None
    if whole.error is not None:
        return "fail", said(whole.error), case.heard.body[-TAIL:]
    if whole.head is not None and whole.head.open_ended:
        if case.spec.end == "marker":
            return "unknown", "the connection ends it, so that only the end marker tells it from a cut", b""
        return "fail", "it has neither a length nor chunks, so that its end cannot be told from a cut", whole.line
    return "pass", "it came as announced", whole.header("content-length") or whole.header("transfer-encoding")


def keep_alive(case: Case) -> Line:
    """A second request on the same connection."""
    whole, left = case.whole, case.left
    if left is None or whole.head is None or whole.head.open_ended or not case.complete:
        return None
    if left.head is None:
        return "fail", f"a second request on the connection has no answer: {said(left.error)}", b""
    if left.link != whole.link:
        return "fail", "the connection was closed after a whole reply", whole.header("connection") or whole.line
    return "pass", "a second request on the connection was answered", left.line


def disconnect(case: Case) -> Line:
    """What becomes of a reply that is left at its first text.

    Left is one half of the connection, so that the other shows whether the server notices; what it goes on to compute
    cannot be seen.  A server that sends on may ignore the half, or have sent the rest already: only one that answers no
    more is at fault.
    """
    left, following = case.left, case.following
    if left is None or following is None or not case.complete:
        return None
    if following.error is not None:
        return "fail", f"after a reply that was left, the next request fails: {said(following.error)}", b""
    heard, again = hear(case.spec, left), hear(case.spec, following).content
    if not (heard.content and again):
        return "unknown", "the reply that was to be left, or the next one, holds no text", following.line
    if left.error is not None and not isinstance(left.error, StreamTimeoutError):
        seconds = left.ended - heard.content[0][0]
        return "pass", f"the server closed the connection {seconds:.3f} s after the client left", last(heard.body)
    times = f"the next text came after {again[0][0]:.3f} s, the first one after {case.heard.content[0][0]:.3f} s"
    return "unknown", f"whether the server notices cannot be seen from here; {times}", b""


def error_body(case: Case) -> Line:
    """The refusal of a request that is no JSON: a status 400-499, and a body in which the client finds the error."""
    refused = case.refused
    if refused is None:
        return None
    body = b"".join(plain(case.spec, refused)[0])
    shown = body or refused.line
    if refused.head is None or refused.error is not None:
        return None if case.whole.error else ("fail", f"a broken request has no answer: {said(refused.error)}", shown)
    status = refused.head.status
    if status == 429:
        return "unknown", "it refuses to be asked so often", shown
    report = report_of(body.decode("utf-8", "replace"), bare=True)
    if not 400 <= status < 500:
        return "fail", f"a broken request is answered with the status {status}", shown
    if report is None:
        return "fail", f"a broken request is refused with the status {status}, but by no error in JSON", shown
    return "pass", f"a broken request is refused with the status {status}: {excerpt(report.message, 60)}", shown
