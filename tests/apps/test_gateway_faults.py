"""What an error means to a client of the gateway."""

from __future__ import annotations

from g4flite import (
    AllFailedError,
    ChallengeError,
    ContentFilterError,
    ContextLengthError,
    FirstTokenTimeoutError,
    MessagesError,
    ModelNotFoundError,
    NotFoundError,
    OptionError,
    OverloadedError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    StatusError,
    TruncatedStreamError,
)
from g4flite.apps.gateway.faults import Fault, FaultError, fault_of
from g4flite.server.checks import Refusal
from tests.rows import rows


def no_key() -> OptionError:
    error = OptionError("there is no API key")
    error.own_setting = True
    return error


@rows(("error", "status", "kind", "retry"), [
    (PermissionDeniedError(), 403, "permission", False), (NotFoundError(), 404, "not_found", False),
    (RateLimitError(), 429, "rate_limit", None), (RateLimitError(should_retry=False), 429, "rate_limit", False),
    (OverloadedError(), 503, "overloaded", None), (ContextLengthError(), 400, "context_length", False),
    (ContentFilterError(), 400, "content_filter", False), (ChallengeError(status=403), 502, "server", False),
    (ModelNotFoundError(), 404, "not_found", False), (FirstTokenTimeoutError(), 504, "server", False),
    (MessagesError(), 400, "invalid", False), (no_key(), 500, "server", False),
    (RecursionError(), 400, "invalid", False),
    (StatusError(status=422), 422, "invalid", False), (StatusError(status=500), 502, "server", False),
    (ProviderError(passing=True), 503, "overloaded", None), (ProviderError(), 502, "server", False),
    (TruncatedStreamError(), 502, "server", False),
    (AllFailedError(errors=(no_key(), OverloadedError())), 503, "overloaded", None),
    (FaultError(402, "invalid", "x"), 402, "invalid", False),
    (Refusal(400, "x"), 400, "invalid", False), (Refusal(413, "x"), 413, "invalid", False),
    (Refusal(500, "x"), 502, "server", False), (Refusal(503, "x"), 503, "overloaded", None),
    (RuntimeError("secret"), 500, "server", False),
])  # fmt: skip
def test_an_error_has_its_status(error: Exception, status: int, kind: str, retry: bool | None) -> None:
    fault = fault_of(error)
    assert (fault.status, fault.kind, fault.retry) == (status, kind, retry)
    assert "secret" not in fault.message


def test_the_words_are_those_of_a_client_of_the_gateway() -> None:
    error = OptionError("is too large", argument="max_tokens", advice="[pass {api_key} or ]lower {max_tokens}")
    assert fault_of(error).message == "max_tokens is too large; lower max_tokens"
    assert fault_of(RateLimitError("slow", retry_after=2.0)) == Fault(429, "rate_limit", "slow", None, 2.0)
