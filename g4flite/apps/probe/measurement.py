"""`ask` puts one question to one provider and returns a `Probe`, which says what happened."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from ..._core.errors import (
    AuthenticationError,
    ChallengeError,
    ConnectError,
    ConnectTimeoutError,
    ContentFilterError,
    ContextLengthError,
    EmptyReplyError,
    G4fliteError,
    LimitError,
    MalformedReplyError,
    ModelNotFoundError,
    NotFoundError,
    OptionError,
    OverloadedError,
    PermissionDeniedError,
    ProviderError,
    ProxyError,
    RateLimitError,
    SpecError,
    StatusError,
    StreamTimeoutError,
    TLSError,
    TransportError,
    TruncatedStreamError,
    UsageError,
    causes,
)
from ..._core.provider import Call, Provider
from ..._core.request import resolve_base_url
from ..._core.settings import Timeout
from ..._core.stream import Stream
from ...client import resolve_connection, route_of, start
from .models import LIST_URLS, choose_model

# The longest answer that is asked for, in tokens, of a provider that has the option: three times what `PROMPT` needs.
SHORT: Final = 64

# Why a provider does not work, in at most five words, by the class of its error.  If the class is not listed, the words
# of its base class count.
REASONS: Final[Mapping[type[G4fliteError], str]] = {
    G4fliteError: "fails",
    UsageError: "cannot be asked",
    OptionError: "a setting cannot be used",
    ModelNotFoundError: "needs a model: pass --model",
    SpecError: "the Provider's code fails",
    TransportError: "connection lost",
    ConnectError: "cannot be reached",
    TLSError: "no trusted TLS connection",
    ProxyError: "the proxy fails",
    StreamTimeoutError: "too slow",
    ConnectTimeoutError: "no connection in time",
    AuthenticationError: "key refused",
    PermissionDeniedError: "not permitted",
    NotFoundError: "no such model or URL",
    RateLimitError: "too many requests",
    OverloadedError: "overloaded",
    ContextLengthError: "context too small",
    ContentFilterError: "content filter",
    ChallengeError: "needs a browser",
    MalformedReplyError: "reply cannot be read",
    TruncatedStreamError: "truncated",
    EmptyReplyError: "empty answer",
    LimitError: "reply too large",
    ProviderError: "reports an error",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What happened to one question to one provider.

    - `model` is the model that was asked, `response_model` its name in the reply (None if the reply does not say).
    - `works`: text came.  If not, `reason` says why in at most five words; else it is "".
    - `error` is what ended the answer, None for the answer's own end and for the end of the probe's time behind a text.
    - `first_text` is the time from the question to the first text in seconds, connecting included.
    - `chunks_per_second` is the speed from the first text on, None if there are fewer than two chunks.
    - `whole` is False if the answer was cut off: by the network, by the probe's time, by a limit or a filter.
    - `spec` is the provider, with `model` as its default.
    """

    provider: str
    model: str | None = None
    works: bool = False
    reason: str = ""
    error: G4fliteError | None = None
    first_text: float | None = None
    chunks_per_second: float | None = None
    whole: bool = False
    chunks: int = 0
    response_model: str | None = None
    spec: Provider = field(repr=False)


def ask(call: Call, timeout: Timeout, streams: list[Stream]) -> Probe:
    """Make the call and return what happened.  The stream is added to `streams`: another thread may close it."""
    spec, times, complete = call.provider, list[float](), False
    stream: Stream | None = None
    error: G4fliteError | None = None
    try:
        if call.model is None and spec.url in LIST_URLS:
            call = replace(call, model=choose_model(call, timeout))
        # A model that reasons may reach the limit before its first text.  It is asked once more, without the limit.
        for question in (call, replace(call, options={})) if call.options else (call,):
            stream = start([route_of(question, resolve_connection(question, None, None), None, timeout, 0)])
            streams.append(stream)
            begin = time.perf_counter()
            for _ in stream:
                times.append(time.perf_counter() - begin)
            finish = stream.finish_reason
            if times or finish != "length":
                break
        if not times:
            raise EmptyReplyError("the reply is complete and holds no text; try again", provider=spec.name)
        complete = finish not in ("length", "content_filter")
    except StreamTimeoutError as late:
        # A server that has begun to answer works, however slowly.
        error = None if times else late
    except G4fliteError as failed:
        error = failed
    # A provider's signer, payload builder or parser may raise anything.  The other providers are asked all the same.
    except Exception as failed:
        said = f"the code of the Provider raises {type(failed).__name__}; correct its signer, payload or parser"
        error = SpecError(said, provider=spec.name)
        error.__cause__ = failed
    span = times[-1] - times[0] if times else 0.0
    return Probe(
        provider=spec.name,
        model=call.model,
        works=bool(times),
        reason="" if times or error is None else reason_for(error, call),
        error=error,
        first_text=times[0] if times else None,
        chunks_per_second=(len(times) - 1) / span if span else None,
        whole=complete,
        chunks=len(times),
        response_model=None if stream is None else stream.response_model,
        spec=replace(spec, default_model=call.model),
    )


def probe_without_call(spec: Provider, error: UsageError) -> Probe:
    """Return the `Probe` of a provider for which no `Call` could be made, because of this error."""
    reason = reason_for(error, None)
    if isinstance(error, OptionError):
        try:
            resolve_base_url(spec, None)
        except OptionError:
            reason = "base URL missing or wrong"
        else:
            reason = reason if has_key(spec) else "no API key set"
    return Probe(provider=spec.name, reason=reason, error=error, spec=spec)


def has_key(spec: Provider) -> bool:
    """Return whether an environment variable that may hold the provider's key is set."""
    return any(os.environ.get(name, "").strip() for name in spec.key_variables)


def reason_for(error: G4fliteError, call: Call | None) -> str:
    """Return why a provider does not work, in at most five words; `call` is None if none could be made."""
    if isinstance(error, ModelNotFoundError) and (call is None or call.model is not None):
        return "no such model"
    if isinstance(error, AuthenticationError) and call is not None and not call.api_key:
        return "needs an API key"
    if isinstance(error, RateLimitError) and "insufficient_quota" in (error.code, error.kind):
        return "quota used up"
    if isinstance(error, ConnectError) and any(isinstance(cause, ConnectionRefusedError) for cause in causes(error)):
        return "nothing listens there"
    if type(error) is StatusError:
        return f"responds with status {error.status}"
    return next(REASONS[kind] for kind in type(error).__mro__ if kind in REASONS)
