"""`judge` makes the report from recorded exchanges.  No I/O.

Each fault is named once, by the line that is about it.  A line that cannot be judged because of that fault is
`unknown`.
"""

from collections.abc import Callable
from typing import Final

from ..._core.provider import Provider
from ..._core.secrets import redact, redact_bytes
from . import connection_lines as connection
from . import reply_lines as reply
from .case import Case, Finding, Line
from .recording import Recording, decode, readable

# Bytes of a line's evidence.
KEPT: Final = 200
LINES: Final[dict[str, Callable[[Case], Line]]] = {
    "response": connection.response,
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
    """Return the report, a finding for each of `LINES`.  The recordings are described at `Case`."""
    case = Case(spec, whole, decode(spec, whole), left, following, refused)
    found: dict[str, Line] = {}
    fault = ""
    for name, judge_line in LINES.items():
        line = judge_line(case)
        # The server answers every request like this: what is wrong was named already.
        if fault and name == "error body" and answers_alike(case):
            line = None
        found[name] = line
        if reply.is_fault(line):
            fault = fault or name
            if name == "response" or (name in ("content type", "compression") and not case.decoded.items):
                break
    hidden = "it cannot be seen" + (f" as long as {fault!r} fails" if fault else "")
    findings = (Finding(name, *(found.get(name) or ("unknown", hidden, b""))) for name in LINES)
    return tuple(without_secrets(finding, whole.secrets) for finding in findings)


def answers_alike(case: Case) -> bool:
    """Return whether the response to the broken request is that to the whole request, byte for byte."""
    if case.refused is None:
        return False
    refusal = b"".join(readable(case.spec, case.refused)[0])
    return (case.whole.line, case.decoded.body) == (case.refused.line, refusal)


def without_secrets(finding: Finding, secrets: tuple[str, ...]) -> Finding:
    """Return the finding without secrets, its evidence cut to what is kept."""
    evidence = redact_bytes(finding.evidence, secrets)[:KEPT]
    return finding._replace(says=redact(finding.says, secrets), evidence=evidence)
