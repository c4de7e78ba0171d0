"""Errors, as a tree.  Every message begins with the provider's name and says what to try next.

    G4fliteError
    |-- UsageError              the call is wrong; no socket was opened (also a ValueError)
    |   |-- ProviderNotFoundError
    |   |-- ModelNotFoundError
    |   |-- MessagesError
    |   |-- OptionError         an option, header, base_url or proxy
    |   |-- SpecError           a Provider value that cannot work
    |   `-- StreamConsumed      a second iteration, or one after close()
    |-- TransportError          the network: the request or its answer was lost on the way
    |   |-- ConnectError
    |   |-- TLSError
    |   |-- ProxyError
    |   `-- StreamClosedError   close() was called elsewhere while the stream was waiting
    |-- StreamTimeoutError      too slow (also a TimeoutError); one class for each timer of `Timeout`
    |   |-- ConnectTimeoutError
    |   |-- FirstTokenTimeoutError
    |   |-- IdleTimeoutError
    |   `-- TotalTimeoutError
    |-- StatusError             the service refuses: by its status, or by an error of these classes inside a reply
    |   |-- AuthenticationError
    |   |-- PermissionDeniedError
    |   |-- NotFoundError
    |   |-- RateLimitError
    |   |-- OverloadedError
    |   |-- ContextLengthError
    |   |-- ContentFilterError
    |   `-- ChallengeError      a page that asks for a browser stands in front of the service
    |-- ReplyError              the reply is not what the protocol says
    |   |-- MalformedReplyError
    |   |-- TruncatedStreamError
    |   |-- EmptyReplyError
    |   |-- LimitError          larger than a limit of the spec
    |   `-- ProviderError       the service reports another error inside a reply
    `-- AllFailedError          every provider of a list failed; holds their errors

Warnings: `RetiredProviderWarning`, `InsecureTransportWarning`.
"""

from typing import Any, Final

# A request that failed with one of these statuses may succeed a little later; 529 is Anthropic's "overloaded".
PASSING_STATUSES: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})


class G4fliteError(Exception):
    """Base of every error of this package.

    `provider` is the provider's name (None where none was found), `partial` the text delivered before the error,
    `request_id` what the service calls the request that failed (None where it names none); the message ends with it.
    Every class takes them as keywords; they survive `pickle` and `copy.deepcopy`.
    """

    def __init__(
        self, message: str = "", *, provider: str | None = None, partial: str = "", request_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.provider = provider
        self.partial = partial
        self.request_id = request_id

    def __str__(self) -> str:
        message = super().__str__() + (f" (request id {self.request_id})" if self.request_id else "")
        return f"{self.provider}: {message}" if self.provider else message


class UsageError(G4fliteError, ValueError):
    """The call is wrong; nothing was sent."""


class ProviderNotFoundError(UsageError):
    """No provider has that name; the message suggests the nearest one."""


class ModelNotFoundError(UsageError):
    """The provider has no such model; the message lists those it has."""


class MessagesError(UsageError):
    """The messages are empty, of a wrong shape, or of a kind that the provider cannot carry."""


class OptionError(UsageError):
    """An option, header, base_url or proxy is unknown or cannot be used."""


class SpecError(UsageError):
    """A `Provider` value contradicts itself, or its payload is no JSON."""


class StreamConsumed(UsageError):  # noqa: N818 - reads as httpx's own name for the same thing
    """A `Stream` is iterated a second time, or after it was closed."""


class TransportError(G4fliteError):
    """The request, or the answer to it, was lost in the network."""


class ConnectError(TransportError):
    """No connection could be made: unknown host, refused, unreachable."""


class TLSError(TransportError):
    """The TLS handshake failed: an untrusted, expired or foreign certificate, or no TLS at the other end."""


class ProxyError(TransportError):
    """The proxy could not be reached, or refused to connect."""


class StreamClosedError(TransportError):
    """`close()` was called by another thread while this one was waiting for the reply."""


class StreamTimeoutError(G4fliteError, TimeoutError):
    """The service was slower than a timer allows; the message says which one, and after how long."""


class ConnectTimeoutError(StreamTimeoutError):
    """No connection stood in time."""


class FirstTokenTimeoutError(StreamTimeoutError):
    """No text came in time after the request was sent."""


class IdleTimeoutError(StreamTimeoutError):
    """No further text came in time after the last."""


class TotalTimeoutError(StreamTimeoutError):
    """The whole stream, retries and fallbacks included, took too long."""


class StatusError(G4fliteError):
    """The service refuses: by a status outside 200-299, or (status 200) by an error inside its reply that has a class.

    `status` is the HTTP status, `body` the first 2 KB of the body, or of the error inside it, as text; `code` and
    `kind` are the service's words for it, `retry_after` the seconds that it asks its clients to wait, `should_retry`
    what it says of a second try (each None where it says nothing).
    """

    def __init__(
        self,
        message: str = "",
        *,
        status: int = 0,
        body: str = "",
        retry_after: float | None = None,
        should_retry: bool | None = None,
        code: str | int | None = None,
        kind: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(message, **common)
        self.status = status
        self.body = body
        self.retry_after = retry_after
        self.should_retry = should_retry
        self.code = code
        self.kind = kind


class AuthenticationError(StatusError):
    """The key is missing, wrong or expired (401)."""


class PermissionDeniedError(StatusError):
    """The key is known, and may not use this (403)."""


class NotFoundError(StatusError):
    """The service has no such model, or nothing at this URL (404)."""


class RateLimitError(StatusError):
    """Too many requests (429), or a quota used up: then `code` or `kind` is `insufficient_quota`."""


class OverloadedError(StatusError):
    """The service has more to do than it can (529, or 503 where it says so)."""


class ContextLengthError(StatusError):
    """The messages, or they and the answer, are longer than the model's context."""


class ContentFilterError(StatusError):
    """The messages, or the answer to them, are against the service's rules of content."""


class ChallengeError(StatusError):
    """A challenge page (Cloudflare) asks for a browser before it lets the request through."""


class ReplyError(G4fliteError):
    """The reply breaks the provider's protocol."""


class MalformedReplyError(ReplyError):
    """The reply is of another kind than the protocol says: a web page, no JSON, text that is no string."""


class TruncatedStreamError(ReplyError):
    """The reply ends before it is complete; `partial` holds what came."""


class EmptyReplyError(ReplyError):
    """The reply is complete and holds no text."""


class LimitError(ReplyError):
    """The reply is larger than a limit of the spec; the message names the limit."""


class ProviderError(ReplyError):
    """The service reports an error inside a reply of status 200, one without a class among the `StatusError`s.

    `code` and `kind` are its own words for it (None where it has none); `passing` is whether a later try may succeed.
    """

    def __init__(
        self,
        message: str = "",
        *,
        code: str | int | None = None,
        kind: str | None = None,
        passing: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(message, **common)
        self.code = code
        self.kind = kind
        self.passing = passing


class AllFailedError(G4fliteError):
    """Every provider of a list failed before its first text; `errors` holds what each one ended with, in order."""

    def __init__(self, message: str = "", *, errors: tuple[G4fliteError, ...] = (), **common: Any) -> None:
        super().__init__(message, **common)
        self.errors = errors


class InsecureTransportWarning(UserWarning):
    """A key would travel over plain http to another machine."""


class RetiredProviderWarning(UserWarning):
    """The provider's public service was shut down upstream; its host may be gone or belong to someone else."""
