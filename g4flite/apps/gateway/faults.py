"""What went wrong with a call, as HTTP says it: `Fault`, which each wire puts into a form of its own (`wires.py`).

    fault_of(RateLimitError("openai: slow down", retry_after=2.0))
    Fault(429, "rate_limit", "openai: slow down", retry_after=2.0)

The status is the true one: of what the service said, 502 for a reply that cannot be used, 504 for a timer.
"""

from __future__ import annotations

from typing import NamedTuple

from ... import (
    AllFailedError,
    AuthenticationError,
    ChallengeError,
    ContentFilterError,
    ContextLengthError,
    G4fliteError,
    ModelNotFoundError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    StatusError,
    StreamTimeoutError,
    UsageError,
)
from ..._core.exchange import IN_PARTIAL
from ..._core.options import OPTIONS
from ..._core.response.parsers import IN_BODY
from ...server.checks import Refusal
from ...server.openai_habits import field_of

# The kinds of faults by status; any other from 500 up is "server", any other below is "invalid".
KINDS = {401: "authentication", 403: "permission", 404: "not_found", 429: "rate_limit", 503: "overloaded"}
# The class of an error, and its status and kind; the first that fits counts.
CLASSES: tuple[tuple[type[G4fliteError], int, str], ...] = (
    (AuthenticationError, 401, "authentication"),
    (PermissionDeniedError, 403, "permission"),
    (NotFoundError, 404, "not_found"),
    (RateLimitError, 429, "rate_limit"),
    (OverloadedError, 503, "overloaded"),
    (ContextLengthError, 400, "context_length"),
    (ContentFilterError, 400, "content_filter"),
    (ChallengeError, 502, "server"),
    (ModelNotFoundError, 404, "not_found"),
    (StreamTimeoutError, 504, "server"),
)
# The arguments of `stream()` that a client can set.
OWN = frozenset({"system", "model", *OPTIONS})
# What a refusal of a key means; the words are those of `keys.KeyRefusedError.reason`.
KEY_REASONS = {
    "budget": (429, "rate_limit", "insufficient_quota"),
    "price": (403, "permission", None),
    "rate": (429, "rate_limit", None),
    "revoked": (401, "authentication", None),
}  # fmt: skip


class Fault(NamedTuple):
    """Why a call has failed.

    - `status` is the HTTP status, and `kind` a word that each protocol has an error for: invalid, authentication,
      permission, not_found, rate_limit, overloaded, context_length, content_filter or server.
    - `code` is a word that OpenAI's clients look for, in place of the kind's own; "" is none.
    - `retry_after` is in how many seconds a client may try again, None if nobody knows.
    - `retry` is what the client is told of a second attempt: False if it would fail as well, None for nothing.
    - `field` is the field of the request that is wrong, None if that is not known.
    """

    status: int
    kind: str
    message: str
    code: str | None = None
    retry_after: float | None = None
    retry: bool | None = None
    field: str | None = None


class FaultError(Exception):
    """Carries a fault to the place where it is answered."""

    def __init__(self, status: int, kind: str, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.fault = Fault(status, kind, message, code, retry=False, field=_field(kind, message))


def _field(kind: str, message: str) -> str | None:
    return field_of(message) if kind == "invalid" and ":" in message else None


def fault_of(error: Exception) -> Fault:
    """Return what an error means to the client.  Its message quotes no key: the errors of this package have none."""
    match error:
        case FaultError():
            return error.fault
        case Refusal():
            kind = KINDS.get(error.status, "invalid" if error.status < 500 else "server")
            # Of a writer, 500 means that what the model has said has no form in this protocol.
            status = 502 if error.status == 500 else error.status
            # The path is unknown, and no model.
            code = "" if status == 404 else None
            retry = None if status == 503 else False
            return Fault(status, kind, error.problem, code, retry=retry, field=_field(kind, error.problem))
        case AllFailedError():
            # The last provider that was asked; those without a key come first.
            return fault_of(error.errors[-1])._replace(message=said(error))
        case G4fliteError():
            return _fault_of(error)
        case RecursionError():
            # The parsers of replies tell of their own.
            return Fault(400, "invalid", "body: expected JSON that is nested less deeply", retry=False)
    # A fault of the gateway, whose message nobody has checked for secrets.
    return Fault(500, "server", "the gateway has failed; its log says how", retry=False)


def said(error: G4fliteError) -> str:
    """Return the message of an error as one line, with the arguments that a client of the gateway has."""
    own = error.spelled(lambda name: name if name in OWN else "")
    return " ".join(own.replace(IN_PARTIAL, "the text so far is above").replace(IN_BODY, "").split())


def _fault_of(error: G4fliteError) -> Fault:
    message = said(error)
    if (reason := getattr(error, "reason", None)) in KEY_REASONS:
        status, kind, code = KEY_REASONS[reason]
        wait: float | None = getattr(error, "retry_after", None)
        return Fault(status, kind, message, code, wait, None if wait is not None else False)
    status, kind = _status_of(error)
    known = isinstance(error, StatusError | ProviderError)
    wait = getattr(error, "retry_after", None) if known else None
    used_up = getattr(error, "should_retry", None) is False
    if kind == "rate_limit" and used_up:
        return Fault(status, kind, message, "insufficient_quota", wait, retry=False)
    # The gateway has tried again what can be tried again.
    return Fault(status, kind, message, None, wait, None if kind in ("rate_limit", "overloaded") else False)


def _status_of(error: G4fliteError) -> tuple[int, str]:
    for kind, status, word in CLASSES:
        if isinstance(error, kind):
            return status, word
    if isinstance(error, UsageError):
        # A key or a base URL that the gateway lacks is no fault of the client.
        return (500, "server") if getattr(error, "own_setting", False) else (400, "invalid")
    if isinstance(error, StatusError) and 400 <= error.status < 500:
        return error.status, "invalid"
    if isinstance(error, ProviderError) and error.passing:
        return 503, "overloaded"
    # Neither 500, which would be the gateway's own fault, nor a status below 400 in an error.
    return 502, "server"
