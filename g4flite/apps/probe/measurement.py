"""`ask`: one question to one provider, and the `Probe` that says what became of it.  A part of the tool `probe`."""

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
)
from ..._core.provider import Call, Provider
from ..._core.request import resolve_base_url
from ..._core.settings import Timeout
from ..._core.stream import Stream
from ...client import resolve_connection, route_of, start
from .models import PLACES, choose

REASONS: Final[Mapping[type[G4fliteError], str]] = {  # by class, or else by its base; five words at most
    G4fliteError: "fails",
    UsageError: "cannot be asked",
    OptionError: "a setting cannot be used",
    ModelNotFoundError: "needs a model: pass --model",
    SpecError: "its own code fails",
    TransportError: "connection lost",
    ConnectError: "cannot be reached",
    TLSError: "no trusted TLS there",
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
    ChallengeError: "wants a browser",
    MalformedReplyError: "reply cannot be read",
    TruncatedStreamError: "truncated",
    EmptyReplyError: "empty answer",
    LimitError: "reply too large",
    ProviderError: "reports an error",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What became of one question to one provider.

    `model` is the one asked for, `response_model` what the service calls it (None where it says nothing).  `reason` is
    why it does not work, in five words at most, and `error` the same in full; "" and None where it does.  `first_text`
    is in seconds, connecting included, `chunks_per_second` counts from there on (None for fewer than two).  `whole` is
    False for an answer that was cut off, by the network or by a limit or filter of the service.  `spec` is the provider
    itself, with `model` as its default.
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


def ask(call: Call, timeout: Timeout, live: list[Stream]) -> Probe:
    """What becomes of the call.  Its stream goes into `live`, so that another thread can close it."""
    spec, times = call.provider, list[float]()
    stream: Stream | None = None
    error: G4fliteError | None = None
    try:
        if call.model is None and spec.url in PLACES:
            call = replace(call, model=choose(call, timeout))
        stream = start([route_of(call, resolve_connection(call, None, None), None, timeout, 0)])
        live.append(stream)
        begin = time.perf_counter()
        for _ in stream:
            times.append(time.perf_counter() - begin)
        if not times:
            raise EmptyReplyError("the reply is complete and holds no text; try again", provider=spec.name)
    except G4fliteError as failed:
        error = failed
    except Exception as failed:  # of a signer, a payload builder or a parser: one provider's, and not the others'
        error = SpecError(f"its own code raises {type(failed).__name__}; mend the Provider", provider=spec.name)
        error.__cause__ = failed
    span = times[-1] - times[0] if times else 0.0
    return Probe(
        provider=spec.name,
        model=call.model,
        works=error is None,
        reason="" if error is None else why(error, call),
        error=error,
        first_text=times[0] if times else None,
        chunks_per_second=(len(times) - 1) / span if span else None,
        whole=error is None and stream is not None and stream.finish_reason not in ("length", "content_filter"),
        chunks=len(times),
        response_model=None if stream is None else stream.response_model,
        spec=replace(spec, default_model=call.model),
    )


def unasked(spec: Provider, error: UsageError) -> Probe:
    """What became of a provider to which no call could be made."""
    reason = why(error, None)
    if isinstance(error, OptionError):
        try:
            resolve_base_url(spec, None)
        except OptionError:
            reason = "base URL missing or wrong"
        else:
            reason = reason if has_key(spec) else "no API key set"
    return Probe(provider=spec.name, reason=reason, error=error, spec=spec)


def has_key(spec: Provider) -> bool:
    """Whether one of the variables that may hold its key is set."""
    return any(os.environ.get(name, "").strip() for name in spec.key_variables)


def why(error: G4fliteError, call: Call | None) -> str:
    """The reason in five words at most; `call` is None where none could be made."""
    from ..._core.transport.network_errors import causes  # noqa: PLC0415 - httpx is imported with the first call

    if isinstance(error, ModelNotFoundError) and (call is None or call.model is not None):
        return "no such model"
    if isinstance(error, AuthenticationError) and call is not None and not call.api_key:
        return "wants an API key"
    if isinstance(error, RateLimitError) and "insufficient_quota" in (error.code, error.kind):
        return "quota used up"
    if isinstance(error, ConnectError) and any(isinstance(one, ConnectionRefusedError) for one in causes(error)):
        return "nothing listens there"
    if type(error) is StatusError:
        return f"answers with status {error.status}"
    return next(REASONS[kind] for kind in type(error).__mro__ if kind in REASONS)
