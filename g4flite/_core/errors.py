"""Errors, as a tree.  Every message begins with the provider's name and says what to try next.

    G4fliteError
    |-- UsageError          the call is wrong; no socket was opened (also a ValueError): ProviderNotFoundError,
    |                       ModelNotFoundError, MessagesError, OptionError, SpecError, StreamConsumed
    |-- TransportError      the network: ConnectError, TLSError, ProxyError, StreamClosedError
    |-- StreamTimeoutError  one class for each timer of `Timeout` (also a TimeoutError): ConnectTimeoutError,
    |                       FirstTokenTimeoutError, IdleTimeoutError, TotalTimeoutError
    |-- StatusError         the service refuses, by its status or inside a reply: AuthenticationError,
    |                       PermissionDeniedError, NotFoundError, RateLimitError, OverloadedError, ContextLengthError,
    |                       ContentFilterError, ChallengeError
    |-- ReplyError          the reply is not what the protocol says: MalformedReplyError, TruncatedStreamError,
    |                       EmptyReplyError, LimitError, ProviderError
    `-- AllFailedError      every provider of a list failed; holds their errors

Warnings: `RetiredProviderWarning`, `InsecureTransportWarning`, `SyncInAsyncWarning`.
"""

import re
from collections.abc import Callable
from typing import Any, Final

# A request that failed with one of these HTTP statuses may succeed a little later; 529 is Anthropic's "overloaded".
PASSING_STATUSES: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})

# The package's name, also in a copy.
PACKAGE: Final = __name__.removesuffix("._core.errors")
TIMERS: Final = ("connect", "first_token", "idle")
# A part of an error's advice that names an argument in braces.  (The brackets of an IPv6 address hold no braces.)
OPTIONAL: Final = r"\[([^][]*\{\w+\}[^][]*)\]"
# What a program calls and a command line does not have, by the names that stand for it in an error's `advice`.
METHODS: Final = {
    "stream": "stream()", "text": ".text()", "parsed": ".parsed()", "usage": ".usage", "replay": "replay()",
}  # fmt: skip
# The arguments of `stream()` that are no options.
SETTINGS: Final = (
    "system", "model", "api_key", "base_url", "proxy", "headers", "client", "timeout", "retries", "verify", "extra",
    "observer", "keep_partial",
)  # fmt: skip
# The names that may stand in braces in an error's `advice`: these, the arguments of `stream()`, the common options.
ARGUMENTS: Final = (
    *METHODS,
    *TIMERS,
    *SETTINGS,
    *"temperature max_tokens top_p stop seed tools tool_choice response_format reasoning_effort".split(),
    *"parallel_tool_calls frequency_penalty presence_penalty logprobs user metadata cache".split(),
)


def name_by_package(*kinds: type) -> None:
    """Let tracebacks, `repr` and pickles call these classes by the package, as programs import them.

    >>> OptionError.__module__          # "myapp._vendor.llm_stream" in a copy
    'g4flite'
    """
    for kind in kinds:
        kind.__module__ = PACKAGE


class G4fliteError(Exception):
    """The base class of every error of this package.

    - `provider` is the provider's name, which `str(error)` puts in front of the message; None if no provider was found.
    - `partial` is the text that the stream delivered before the error.
    - `request_id` is the service's id for the request that failed, which `str(error)` puts behind the message; None if
      the service gave no id.
    - `url` is the URL of the request, without user name, password and query; None if no request was made.
    - `argument` is the name of the argument that is wrong, if the message is a sentence about it, as in `must be a
      string`: `str(error)` puts the name in front.  None for any other message.
    - `advice` says what to do next; `str(error)` puts it behind the message.  `{model}` in it stands for the argument
      `model`, however it is written in the place where the error appears, `{text}` for a stream's `.text()`.  A part
      in square brackets is left out in a place that has no such argument: `[pass {api_key} or ]set OPENAI_API_KEY`.

    `str(error)` is one printable line, whatever a service has said: a terminal may show it.

    Every class takes these six as keyword arguments.  `pickle` and `copy.deepcopy` keep them.
    """

    def __init__(
        self,
        message: str = "",
        *,
        provider: str | None = None,
        partial: str = "",
        request_id: str | None = None,
        url: str | None = None,
        argument: str | None = None,
        advice: str = "",
    ) -> None:
        super().__init__(message)
        self.provider = provider
        self.partial = partial
        self.request_id = request_id
        self.url = url
        self.argument = argument
        self.advice = advice

    def __str__(self) -> str:
        return self.spelled(in_python)

    def spelled(self, argument: Callable[[str], str]) -> str:
        """Return the message with arguments spelled as `argument(name)` says; `str(error)` spells `model` as `model=`.

        If `argument` returns "", the place has no such argument.
        """
        subject = f"{argument(self.argument) or self.argument} " if self.argument else ""
        advice = with_arguments(self.advice, argument)
        message = subject + super().__str__() + (f"; {advice}" if advice else "")
        # These errors depend on the URL more than on anything else.
        blamed = getattr(self, "status", 0) in (404, 405) or isinstance(self, NotFoundError | MalformedReplyError)
        message += f" (URL {self.url})" if self.url and blamed else ""
        message += f" (request id {self.request_id})" if self.request_id else ""
        return printable(f"{self.provider}: {message}" if self.provider else message)


def in_python(name: str) -> str:
    """Return an argument, or one of `METHODS`, as a program in Python spells it."""
    return f"timeout=Timeout({name}=...)" if name in TIMERS else METHODS.get(name) or f"{name}="


def with_arguments(advice: str, argument: Callable[[str], str]) -> str:
    """Return the advice with each `{name}` spelled as `argument(name)` says, "" if that is "" for one of them.

    >>> with_arguments("[pass {api_key} or ]set A_KEY", in_python)
    'pass api_key= or set A_KEY'
    >>> with_arguments("[pass {api_key} or ]set A_KEY", lambda name: "")
    'set A_KEY'
    """
    # The innermost brackets come first.
    while (shorter := re.sub(OPTIONAL, lambda found: with_arguments(found[1], argument), advice)) != advice:
        advice = shorter
    for name in ARGUMENTS:
        if f"{{{name}}}" in advice:
            if not (spelled := argument(name)):
                return ""
            advice = advice.replace(f"{{{name}}}", spelled)
    return advice


def printable(text: str) -> str:
    """Return the text with `\\x1b` and the like for characters that are no signs: controls and marks of direction.

    A terminal obeys these characters, so that a service could hide or change what stands around its words.
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def causes(error: BaseException | None) -> list[BaseException]:
    """Return the exception and the exceptions that caused it, one after the other; of a group, the first member."""
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        # anyio puts the failures of a host's several addresses into an ExceptionGroup.
        members = getattr(error, "exceptions", None)
        error = members[0] if members else error.__cause__ or error.__context__
    return chain


class UsageError(G4fliteError, ValueError):
    """The call is wrong, and no request was sent."""


class ProviderNotFoundError(UsageError):
    """No provider has that name; the message suggests the nearest name."""


class ModelNotFoundError(UsageError):
    """The provider has no model of that name (the message lists its models), or the call has to name a model."""


class MessagesError(UsageError):
    """The messages are empty, have a wrong shape, or hold content that the provider's protocol cannot carry."""


class OptionError(UsageError):
    """An option, a header, the base URL, the key, the proxy or the HTTP client is unknown or cannot be used.

    `own_setting` is true if one provider's key or base URL is missing, or if the environment's cannot be used: of a
    list of providers, the others are asked then.
    """

    own_setting: bool = False


class SpecError(UsageError):
    """A `Provider` has fields that contradict each other, or builds a payload that is not JSON."""


class StreamConsumed(UsageError):  # noqa: N818 - httpx has the same name for the same error
    """A loop began to read a `Stream` that was read before or is closed."""


class TransportError(G4fliteError):
    """The network lost the request or the response."""


class ConnectError(TransportError):
    """No connection to the host could be made: the host is unknown, cannot be reached, or refuses connections."""


class TLSError(TransportError):
    """The TLS handshake failed: the certificate is untrusted, expired or another host's, or the port speaks no TLS."""


class ProxyError(TransportError):
    """The proxy could not be reached, wants a login, or did not connect to the service."""


class StreamClosedError(TransportError):
    """Another thread or task closed the stream while its loop was waiting."""


class StreamTimeoutError(G4fliteError, TimeoutError):
    """The stream took longer than one of its timers allows; the message names the timer and its seconds."""


class ConnectTimeoutError(StreamTimeoutError):
    """No connection was made within the seconds of the timer `connect`."""


class FirstTokenTimeoutError(StreamTimeoutError):
    """No text came within the seconds of the timer `first_token`, which runs from the first byte that is sent."""


class IdleTimeoutError(StreamTimeoutError):
    """No further text came within the seconds of the timer `idle`."""


class TotalTimeoutError(StreamTimeoutError):
    """The whole stream, with all retries and fallbacks, took longer than the timer `total`."""


class StatusError(G4fliteError):
    """The service refuses the request, by an HTTP status outside 200-299 or by an error inside a reply of status 200.

    - `status` is the HTTP status.
    - `body` is the beginning (2048 characters) of the body, or of the error inside the reply, as text.
    - `code` and `kind` are the service's own words for the error; None if the service gave none.
    - `retry_after` is the number of seconds that the service asks its clients to wait; None if it does not ask.
    - `should_retry` is what the service says of a second attempt, by its header `x-should-retry` or in words: False if
      a quota is used up, or if the request itself is at fault; None if it says nothing.
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
    """The key is valid, but its account may not do this (403)."""


class NotFoundError(StatusError):
    """The service has no model of that name, or nothing at that URL (404)."""


class RateLimitError(StatusError):
    """The account sent too many requests (429), or has used up its quota or its balance (429, 400, 402 or 403).

    If a quota is used up, `should_retry` is False: waiting does not help.
    """


class OverloadedError(StatusError):
    """The service has more requests than it can answer (529, or a 503 whose body says so)."""


class ContextLengthError(StatusError):
    """The messages, or the messages and the answer together, are longer than the model's context."""


class ContentFilterError(StatusError):
    """The messages or the answer break the service's content rules, or the model refuses to answer."""


class ChallengeError(StatusError):
    """A challenge page of Cloudflare stands in front of the service, and lets only browsers pass (403 or 503)."""


class ReplyError(G4fliteError):
    """The reply breaks the provider's protocol."""


class MalformedReplyError(ReplyError):
    """The reply does not have the protocol's form: it is a web page, not JSON, or JSON of another shape."""


class TruncatedStreamError(ReplyError):
    """The reply ends before it is complete; `partial` holds the text so far."""


class EmptyReplyError(ReplyError):
    """The reply is complete, but holds no text, reasoning or tool call, and no finish reason that explains why.

    Or all that it holds is content like images, citations or the service's own tools: a loop over `events()` gets that
    before this error is raised.
    """


class LimitError(ReplyError):
    """The reply is larger than a limit allows; the message names the limit."""


class ProviderError(ReplyError):
    """The service reports an error inside a reply of status 200, and no class of `StatusError` fits the error.

    `code` and `kind` are the service's own words for the error (None if the service gave none).  `passing` is true if a
    later attempt may succeed, `retry_after` is the number of seconds that the service asks its clients to wait before
    (None if it does not ask).
    """

    def __init__(
        self,
        message: str = "",
        *,
        code: str | int | None = None,
        kind: str | None = None,
        passing: bool = False,
        retry_after: float | None = None,
        **common: Any,
    ) -> None:
        super().__init__(message, **common)
        self.code = code
        self.kind = kind
        self.passing = passing
        self.retry_after = retry_after


class AllFailedError(G4fliteError):
    """Every provider of a list failed before its first text; `errors` holds the last error of each, in order.

    The errors of providers that have no key or no base URL come first.
    """

    def __init__(self, message: str = "", *, errors: tuple[G4fliteError, ...] = (), **common: Any) -> None:
        super().__init__(message, **common)
        self.errors = errors

    def spelled(self, argument: Callable[[str], str]) -> str:
        """Return the message, and a further line for each of the errors."""
        lines = "".join(f"\n  {error.spelled(argument)}" for error in self.errors)
        return super().spelled(argument) + (f":{lines}" if lines else "")


class InsecureTransportWarning(UserWarning):
    """The call sends a key to another machine over plain http."""


class RetiredProviderWarning(UserWarning):
    """The provider's public service was shut down upstream; its host may be gone or belong to someone else."""


class SyncInAsyncWarning(UserWarning):
    """A `for` loop, or `text()`, reads a stream in a thread whose event loop it blocks; `async for` does not."""


name_by_package(*(kind for kind in [*globals().values()] if isinstance(kind, type) and kind.__module__ == __name__))
