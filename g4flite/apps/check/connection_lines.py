"""The lines of the report about the connection, and about the requests after the first.  No I/O."""

from ..._core.errors import FirstTokenTimeoutError, StreamTimeoutError
from ..._core.response.excerpts import excerpt
from ..._core.response.service_errors import report_of, status_error
from .case import TAIL, Case, Line, last_line, message_of, with_base_url
from .recording import decode, readable


def response(case: Case) -> Line:
    """Judge whether there is a response, with a status that promises a reply."""
    whole = case.whole
    if whole.head is None:
        return "fail", f"there is none: {message_of(whole.error)}", b""
    if whole.is_success:
        return "pass", f"status {whole.head.status}", whole.line
    error = status_error(
        whole.head.status,
        whole.head.headers,
        case.decoded.body.decode("utf-8", "replace"),
        rules=case.spec.errors,
        key_variables=case.spec.key_variables,
        now_ms=0,
    )
    blamed = f" (URL {whole.url})" if whole.head.status in (404, 405) else ""
    return "fail", message_of(with_base_url(case, error)) + blamed, case.decoded.body or whole.line


def end_of_body(case: Case) -> Line:
    """Judge whether the body ended, and whether its end can be told from a cut."""
    whole = case.whole
    if isinstance(whole.error, FirstTokenTimeoutError):
        return None
    if whole.error is not None:
        return "fail", message_of(whole.error), case.decoded.body[-TAIL:]
    if whole.head is not None and whole.head.open_ended:
        if case.spec.end == "marker":
            return "unknown", "the body ends with the connection; only the end marker tells its end from a cut", b""
        return "fail", "the body has neither a length nor chunks: its end cannot be told from a cut", whole.line
    return "pass", "it came as announced", whole.header("content-length") or whole.header("transfer-encoding")


def keep_alive(case: Case) -> Line:
    """Judge whether the connection serves a second request.

    A server may close it at any time (RFC 9112, section 9.5), also if it announces the opposite, as llama.cpp's does: a
    client that finds the connection closed opens another one, which costs the time of a handshake.
    """
    whole, left = case.whole, case.left
    if left is None or whole.head is None or whole.head.open_ended or not case.complete:
        return None
    if left.head is None:
        return "fail", f"a second request on the connection has no response: {message_of(left.error)}", b""
    if left.link != whole.link:
        says = "the server closed the connection after a complete reply, so each request has to open another one"
        return "unknown", says, whole.header("connection") or whole.header("keep-alive") or whole.line
    return "pass", "the server responded to a second request on the connection", left.line


def disconnect(case: Case) -> Line:
    """Judge what the server does if the client leaves a reply at its first text.

    The client closes only its half of the connection, so that it sees in the other half whether the server notices.  It
    cannot see whether the server stops computing.  A server that goes on sending may ignore a closed half, or may have
    sent the rest already: only a server that does not respond to the next request is at fault.
    """
    left, following = case.left, case.following
    if left is None or following is None or not case.complete:
        return None
    if following.error is not None:
        return "fail", f"after the client left a reply, the next request fails: {message_of(following.error)}", b""
    decoded, content_after = decode(case.spec, left), decode(case.spec, following).content
    if not (decoded.content and content_after):
        return "unknown", "the reply that the client was to leave, or the next reply, holds no text", following.line
    if left.error is not None and not isinstance(left.error, StreamTimeoutError):
        seconds = left.ended - decoded.content[0][0]
        says = f"the server closed the connection {seconds:.3f} s after the client left"
        return "pass", says, last_line(decoded.body)
    after, first = content_after[0][0], case.decoded.content[0][0]
    times = f"the next text came after {after:.3f} s, the first one after {first:.3f} s"
    return "unknown", f"whether the server notices cannot be seen from here; {times}", b""


def error_body(case: Case) -> Line:
    """Judge the refusal of a request that is not JSON: its status is 400 to 499, and its body an error in JSON."""
    refused = case.refused
    if refused is None:
        return None
    body = b"".join(readable(case.spec, refused)[0])
    shown = body or refused.line
    if refused.head is None or refused.error is not None:
        if case.whole.error:
            return None
        return "fail", f"a broken request has no response: {message_of(refused.error)}", shown
    status = refused.head.status
    if status == 429:
        return "unknown", "the server refuses so many requests", shown
    report = report_of(body.decode("utf-8", "replace"), bare=True)
    if not 400 <= status < 500:
        return "fail", f"the response to a broken request has status {status}", shown
    if report is None:
        return "fail", f"the server refuses a broken request with status {status}, but without an error in JSON", shown
    return "pass", f"the server refuses a broken request with status {status}: {excerpt(report.message, 60)}", shown
