"""Recorded exchanges to a report, without I/O.

A fault is named once, on the line that it concerns; a line that it hides is `unknown`.
"""

from collections.abc import Callable
from typing import Final

from ..._core.headers import redact, redact_bytes
from ..._core.provider import Provider
from . import connection_lines as connection
from . import reply_lines as reply
from .case import Case, Finding, Line
from .recording import Recording, hear, plain

KEPT: Final = 200  # bytes of evidence
LINES: Final[dict[str, Callable[[Case], Line]]] = {
    "answer": connection.answer,
    "content type": reply.content_type,
    "compression": reply.compression,
    "framing": reply.framing,
    "comments": reply.comments,
    "error inside": reply.error_inside,
    "first text": reply.first_text,
    "mid-stream": reply.mid_stream,
    "usage": reply.usage,
    "finish": reply.finish,
    "end marker": reply.end_marker,
    "end of body": connection.end_of_body,
    "keep-alive": connection.keep_alive,
    "disconnect": connection.disconnect,
    "error body": connection.error_body,
}


def judge(
    spec: Provider,
    whole: Recording,
    left: Recording | None = None,
    following: Recording | None = None,
    refused: Recording | None = None,
) -> tuple[Finding, ...]:
    """The report: a finding for each of `LINES`."""
    case = Case(spec, whole, hear(spec, whole), left, following, refused)
    found: dict[str, Line] = {}
    fault = ""
    for name, line in LINES.items():
        one = line(case)
        if fault and name == "error body" and alike(case):
            one = None  # whatever is asked, the same is wrong
        found[name] = one
        if reply.is_fault(one):
            fault = fault or name
            if name == "answer" or (name in ("content type", "compression") and not case.heard.items):
                break
    hidden = "it cannot be seen" + (f" as long as {fault!r} fails" if fault else "")
    findings = (Finding(name, *(found.get(name) or ("unknown", hidden, b""))) for name in LINES)
    return tuple(clean(finding, whole.secrets) for finding in findings)


def alike(case: Case) -> bool:
    """Whether a broken request is answered as a whole one is, byte for byte."""
    if case.refused is None:
        return False
    return (case.whole.line, case.heard.body) == (case.refused.line, b"".join(plain(case.spec, case.refused)[0]))


def clean(finding: Finding, secrets: tuple[str, ...]) -> Finding:
    """The finding without secrets, its evidence cut to what is kept."""
    evidence = redact_bytes(finding.evidence, secrets)[:KEPT]
    return finding._replace(says=redact(finding.says, secrets), evidence=evidence)
