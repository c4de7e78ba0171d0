"""What a service says went wrong: the shapes that an error comes in, and the class that its words make it.  No I/O.

Sources (August 2026): https://platform.openai.com/docs/guides/error-codes, https://docs.claude.com/en/api/errors,
https://ai.google.dev/gemini-api/docs/troubleshooting, https://openrouter.ai/docs/api/reference/errors-and-debugging,
https://docs.ollama.com/api/errors, https://docs.mistral.ai/api/, https://docs.cohere.com/v2/docs/streaming, and errors
that were quoted in public issues.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ..errors import (
    AuthenticationError,
    ChallengeError,
    ContentFilterError,
    ContextLengthError,
    G4fliteError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    StatusError,
)
from ..retry import PASSING

KEPT: Final = 2 * 1024  # characters of an error's text that are kept, and searched for words
PASSING_WORDS: Final = re.compile(
    "overload|unavailable|rate.?limit|time.?out|timed out|(internal|server).?(server.?)?error|try again"
)  # what a service says of an error that passes by itself


class Report(NamedTuple):
    """One error in a service's own words; `marks` are those beside `code` and `kind` that tell its class."""

    message: str
    code: str | int | None = None
    kind: str | None = None
    request_id: str | None = None
    marks: tuple[str | int, ...] = ()


class Rule(NamedTuple):
    """What makes a report an `error`: a code or kind that is one of `words` (in snake case: `RateLimitError` counts as
    `rate_limit_error`), or a status and message ("400 prompt is too long", in lower case) in which `said` is found, or,
    where neither holds for any rule, one of `numbers` as status or code.
    """

    error: type[StatusError]
    numbers: tuple[int, ...]
    words: str
    said: str


RULES: Final = (
    Rule(
        RateLimitError, (429,),
        r"(\w+_)?rate_limit(s|ed|_\w+)?|too_many_requests|resource_exhausted|insufficient_quota|quota_exceeded"
        r"|throttling(_exception)?",
        r"^429 |^(200|5\d\d) .*\b(rate limit (reached|exceeded)|(usage|request) limit)\b",
    ),
    Rule(
        ContextLengthError, (),
        r"context_length_exceeded|exceed_context_size(_error)?|(model_)?context_window_exceeded|tokens_limit_reached",
        r"\b(maximum (context|prompt) length|prompt is too long|input is too long for|too many tokens"
        r"|context size has been exceeded|context length of only|max_new_tokens` must be"
        r"|exceeds the maximum number of tokens|prompt token count of \d+ exceeds"
        r"|reduce the length of the (messages|prompt|input)"
        r"|exceeds? (the |your |this )?(model's )?(available |maximum )?context (length|limit|size|window))\b",
    ),
    Rule(
        ContentFilterError, (),
        r"content_filter(ed|_\w+)?|content_policy(_violation)?|responsible_ai_policy_violation|(image_)?safety"
        r"|prohibited_content|data_inspection_failed",
        r"\b(content management policy|content filter(ing)?|content policy|content_policy_violation"
        r"|prohibited_content|input was flagged|flagged as potentially violating)\b",
    ),
    Rule(
        AuthenticationError, (401,),
        r"authentication(_error)?|invalid_authentication|unauthenticated|unauthorized(_error)?"
        r"|(invalid|incorrect|missing)_api_key|api_key_invalid",
        r"^(200|40[013]) .*\b(api (key|token) (is )?(not valid|invalid|expired|missing)"
        r"|(invalid|incorrect|expired|missing|no) api (key|token))\b",
    ),
    Rule(
        OverloadedError, (529, 503),
        r"(\w+_)?overloaded(_error)?|(service_)?unavailable(_error)?",
        r"^((200|5\d\d) .*\b(overloaded|over capacity|server busy|currently unavailable)|503 .*\bunavailable)\b",
    ),
    Rule(
        PermissionDeniedError, (403,),
        r"permission(_denied)?(_error)?|(request_)?forbidden(_error)?|access_denied|unsupported_country_region_territory",
        r"(?!)",
    ),
    Rule(
        NotFoundError, (404,),
        r"(model_|deployment_)?not_found(_error)?",
        r"^200 .*\bmodel\b.* (not found|does not exist)\b",
    ),
)  # fmt: skip
ADVICE: Final[Mapping[type[StatusError], str]] = {
    AuthenticationError: "check api_key= or the environment variable that holds it",
    PermissionDeniedError: "it refuses this caller: check what the account may use, and headers=",
    NotFoundError: "nothing is served there: check base_url= and the model",
    RateLimitError: "wait before the next call, or ask another provider",
    OverloadedError: "try again later, or ask another provider",
    ContextLengthError: "shorten the messages, or ask a model with a larger context",
    ContentFilterError: "change the messages, or ask another provider",
    ChallengeError: "a challenge page wants a browser: try another network, proxy= or provider",
}


def report_of(value: object, *, bare: bool = False) -> Report | None:
    """The error in JSON text or in its value; None where there is none.

    The shapes: `{"error": {"message", "type", "code", "status", "details"}}`, `{"error": "text", "error_type",
    "code"}`, `{"type": "error", "error": {...}, "request_id"}`, `{"type": "error", "code", "message"}`, `{"object":
    "error", "message", "type", "code"}`, and a list of one of them.  `bare` also takes `{"message": "text"}` and
    `{"detail": "text" or [{"loc", "msg"}]}`, which mean an error in the body of an HTTP error alone.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        return None
    error = value.get("error")
    if not error and "error" not in (value.get("type"), value.get("object")):
        error = value.get("detail") if bare else None
        if not error and not (bare and isinstance(value.get("message"), str)):
            return None
    inner: dict[str, Any] = error if isinstance(error, dict) else value
    more, details = inner.get("metadata"), inner.get("details")
    more = more if isinstance(more, dict) else {}
    said = _text(inner.get("message")) or _text(error) or _json(error or value)
    if said == "Provider returned error" and (raw := _text(more.get("raw"))):
        said = f"{said}: {raw}"  # a router quotes the provider behind it
    title = value.get("error") if error != said else None  # {"error": "Unauthorized", "message": "no such key"}
    kinds = [inner.get("type"), inner.get("error_type"), inner.get("status"), title, more.get("error_type")]
    words = [kind[:KEPT] for kind in kinds if isinstance(kind, str) and kind not in ("", "error")]
    reasons = [detail.get("reason") for detail in _objects(details)]
    marks = [_mark(mark) for mark in (*words[1:], *reasons, inner.get("status"), inner.get("status_code"))]
    return Report(
        said,
        code=_mark(inner.get("code")),
        kind=words[0] if words else None,
        request_id=as_id(value.get("request_id")),
        marks=tuple(mark for mark in marks if mark is not None),
    )


def classify(status: int, report: Report | None) -> type[StatusError] | None:
    """The class of an error that came with this status, 200 where it came inside a reply; None: it has none."""
    report = report or Report("")
    message, numbers = report.message[:KEPT], _numbers(report)
    told = (report.code, report.kind, *report.marks, None if " " in message else message)
    words = [_snake(word) for word in told if isinstance(word, str)]
    said = f"{numbers[0] if numbers and status == 200 else status} {message.lower()}"
    for rule in RULES:
        if any(re.fullmatch(rule.words, word) for word in words) or re.search(rule.said, said, re.DOTALL):
            return rule.error
    if status != 503:  # without a word about it, this may be any server's in between
        numbers.append(status)
    return next((rule.error for rule in RULES if not {*rule.numbers}.isdisjoint(numbers)), None)


def reported(report: Any) -> G4fliteError | None:
    """The error that a service reports inside a reply of status 200: JSON text, or its value, that `report_of` knows.

    A `StatusError` where it has a class of its own, else a `ProviderError`; None where nothing of the kind is there.
    """
    found = report_of(report)
    if found is None:
        return None
    said = f"the service reports an error: {excerpt(found.message)}"
    if error := classify(200, found):
        return error(
            f"{said}; {ADVICE[error]}",
            status=200,
            body=(report if isinstance(report, str) else _json(report))[:KEPT],
            code=found.code,
            kind=found.kind,
            request_id=found.request_id,
        )
    words = f"{found.code} {found.kind} {found.message[:KEPT]}".lower()
    passing = not PASSING.isdisjoint(_numbers(found)) or PASSING_WORDS.search(words) is not None
    return ProviderError(
        f"{said}; " + ("try again later, or ask another provider" if passing else "check the messages and options"),
        code=found.code,
        kind=found.kind,
        passing=passing,
        request_id=found.request_id,
    )


def excerpt(data: bytes | str, limit: int = 200) -> str:
    """The beginning of `data` on one line, as it may stand in a message."""
    text = data[: 4 * limit].decode("utf-8", "replace") if isinstance(data, bytes) else data[: 4 * limit]
    text = " ".join(text.split())
    return repr(text if len(text) <= limit else text[:limit] + "...")


def as_id(value: object) -> str | None:
    """The value where it can stand in a message as an id: a string on one line, of at most 200 characters."""
    return value if isinstance(value, str) and 0 < len(value) <= 200 and value.isprintable() else None


def _json(value: object) -> str:
    try:
        return json.dumps(value)
    except RecursionError:  # it was parsed a frame or two above
        return "JSON that is nested too deep"


def _text(value: object) -> str:
    """The text of a `message` or a `detail`: `[{"loc": ["body", "model"], "msg": "missing"}]` is "body.model: missing".

    Empty where there is none.
    """
    if isinstance(value, list):
        parts = [(part.get("loc"), part.get("msg")) for part in _objects(value)]
        return "; ".join(f"{'.'.join(map(str, at))}: {said}" for at, said in parts if isinstance(at, list) and said)
    return value if isinstance(value, str) and not value.isspace() else ""


def _objects(value: object) -> list[dict[str, Any]]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []


def _mark(value: object) -> str | int | None:
    """A code or kind, none of which is empty, a truth value or longer than what is kept."""
    if isinstance(value, str):
        return value[:KEPT] or None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _numbers(report: Report) -> list[int]:
    """The statuses 400-599 that a report names, its code first."""
    marks = (str(mark) for mark in (report.code, *report.marks))
    return [int(mark) for mark in marks if re.fullmatch("[45][0-9][0-9]", mark)]


def _snake(word: str) -> str:
    """`RateLimitError`, `RATE_LIMIT_ERROR` and `Rate-limit error` as `rate_limit_error`."""
    return re.sub("[^a-z0-9]+", "_", re.sub("(?<=[a-z])(?=[A-Z])", "_", word).lower())
