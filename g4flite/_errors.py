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
    |-- StatusError             the service answered with a status that is no success
    |   |-- RateLimitError
    |   `-- ChallengeError      a page that asks for a browser stands in front of the service
    |-- ReplyError              the reply is not what the protocol says
    |   |-- MalformedReplyError
    |   |-- TruncatedStreamError
    |   |-- EmptyReplyError
    |   |-- LimitError          larger than a limit of the spec
    |   `-- ProviderError       the service reports an error in the middle of a reply
    `-- AllFailedError          every provider of a list failed; holds their errors

Warnings: `RetiredProviderWarning`, `InsecureTransportWarning`.
"""


class G4fliteError(Exception):
    """Base of every error of this package.

    `provider` is the provider's name (None where none was found), `partial` the text delivered before the error.
    Both survive `pickle` and `copy.deepcopy`.
    """

    def __init__(self, message: str = "", *, provider: str | None = None, partial: str = "") -> None:
        super().__init__(message)
        self.provider = provider
        self.partial = partial

    def __str__(self) -> str:
        message = super().__str__()
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
    """The service answered with a status outside 200-299.

    `status` is the code, `body` the first 2 KB of the body as text, `retry_after` the seconds that the service asks
    its clients to wait, `should_retry` what it says of a second try (both None where it says nothing).
    """

    def __init__(
        self,
        message: str = "",
        *,
        provider: str | None = None,
        partial: str = "",
        status: int = 0,
        body: str = "",
        retry_after: float | None = None,
        should_retry: bool | None = None,
    ) -> None:
        super().__init__(message, provider=provider, partial=partial)
        self.status = status
        self.body = body
        self.retry_after = retry_after
        self.should_retry = should_retry


class RateLimitError(StatusError):
    """Too many requests, or a quota used up."""


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
    """The service reports an error inside a reply of status 200.

    `code` and `kind` are its own words for it (None where it has none); `passing` is whether a later try may succeed.
    """

    def __init__(
        self,
        message: str = "",
        *,
        provider: str | None = None,
        partial: str = "",
        code: str | int | None = None,
        kind: str | None = None,
        passing: bool = False,
    ) -> None:
        super().__init__(message, provider=provider, partial=partial)
        self.code = code
        self.kind = kind
        self.passing = passing


class AllFailedError(G4fliteError):
    """Every provider of a list failed before its first text; `errors` holds what each one ended with, in order."""

    def __init__(
        self,
        message: str = "",
        *,
        provider: str | None = None,
        partial: str = "",
        errors: tuple[G4fliteError, ...] = (),
    ) -> None:
        super().__init__(message, provider=provider, partial=partial)
        self.errors = errors


class InsecureTransportWarning(UserWarning):
    """A key would travel over plain http to another machine."""


class RetiredProviderWarning(UserWarning):
    """The provider's public service was shut down upstream; its host may be gone or belong to someone else."""
