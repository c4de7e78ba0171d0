"""From a caller's arguments to a `Call`, and from a `Call` to the `Request` of one attempt.  No I/O.

call = make_call(OPENAI, "Hello", model="gpt-4o-mini", ...)      # checks all that can be checked
request = first_request(call)                                    # checks what only the payload builder knows
request = request_for_attempt(call, request, attempt, now_ms)    # each attempt is built and signed anew
"""

import json
import os
import time
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from math import isfinite
from typing import Any
from urllib.parse import quote

from .errors import ModelNotFoundError, OptionError, SpecError, UsageError
from .headers import check_header
from .messages import normalise
from .provider import Call, Provider, Request, unsigned
from .urls import check_base_url, complete_host

# Milliseconds after which the first request is signed anew, although it was never sent: signatures hold the time.
FRESH = 1000
encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def make_call(
    provider: Provider,
    messages: str | Sequence[Mapping[str, Any]],
    *,
    model: str | None,
    base_url: str | None,
    headers: Mapping[str, str] | None,
    options: Mapping[str, Any],
    api_key: str | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Call:
    """Return the `Call` that every attempt starts from.  Raises a `UsageError` for arguments that cannot be sent."""
    try:
        own = _headers(check_mapping(headers))
        return Call(
            provider=provider,
            messages=normalise(messages),
            model=resolve_model(provider, model),
            options=_copy(_options(provider, options)),
            base_url=resolve_base_url(provider, base_url),
            headers=own,
            api_key=resolve_key(provider, api_key, own),
            extra=_json(_copy(dict(check_mapping(extra, "extra is a mapping of fields to values")))),
            now_ms=time.time_ns() // 1_000_000,
        )
    except UsageError as error:
        error.provider = provider.name
        raise


def first_request(call: Call) -> Request:
    """Return the first attempt's request, so that a call which the protocol cannot carry fails before any socket.

    Raises a `UsageError`.
    """
    try:
        return build(call)
    except UsageError as error:
        error.provider = call.provider.name
        raise


def request_for_attempt(call: Call, first: Request, attempt: int, now_ms: int) -> Request:
    """Return an attempt's request (`attempt` counts from 0): the first one as long as it is fresh, then a new one."""
    if not attempt and 0 <= now_ms - call.now_ms < FRESH:
        return first
    return build(replace(call, now_ms=now_ms))


def check_mapping(
    mapping: Mapping[str, Any] | None, wanted: str = "headers are a mapping of names to values"
) -> Mapping[str, Any]:
    """Return the mapping, or {} for None.  Raises `OptionError` for anything that is no mapping."""
    if mapping is not None and not isinstance(mapping, Mapping):
        raise OptionError(f"{wanted}, not {type(mapping).__name__}")
    return mapping or {}


def nearest(word: str, words: Sequence[str]) -> str:
    """Return ` (did you mean ...?)` if one of `words` is near to `word`, else ""."""
    from difflib import get_close_matches  # noqa: PLC0415 - needed for a message only

    near = get_close_matches(word, words, 1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def resolve_model(provider: Provider, model: str | None) -> str | None:
    """Return the model's name on the wire: an alias resolved, the provider's default for None.

    Raises `ModelNotFoundError`.
    """
    if model is None:
        return provider.default_model or (provider.models[0] if provider.models else None)
    if not isinstance(model, str) or not model.isprintable() or model in ("", ".", ".."):
        raise ModelNotFoundError("a model's name is a string with no line break or control character, and not empty")
    model = provider.aliases.get(model, model)
    if provider.models and model not in provider.models:
        hint = nearest(model, [*provider.models, *provider.aliases])
        raise ModelNotFoundError(f"there is no model {model!r}{hint}; the models are {', '.join(provider.models)}")
    return model


def base_url_variable(provider: Provider) -> str:
    """Return the name of the environment variable that replaces the provider's base URL."""
    return f"G4FLITE_{provider.name.upper().replace('-', '_')}_BASE_URL"


def resolve_base_url(provider: Provider, base_url: str | None) -> str:
    """Return the base URL without trailing slashes: the argument, else the environment's, else the provider's own.

    Raises `OptionError`.
    """
    own, chosen, source = base_url_variable(provider), base_url, ""
    for variable in (own, *provider.base_url_variables) if base_url is None else ():
        if chosen := os.environ.get(variable, "").strip():
            source = f" (from {variable})"
            chosen = chosen if variable == own else complete_host(chosen, provider.base_url)
            break
    chosen = chosen if base_url is not None else chosen or provider.base_url
    if not chosen:
        raise OptionError(
            f"it has no public address; pass base_url= or set {' or '.join((*provider.base_url_variables, own))}"
        )
    try:
        return check_base_url(chosen)
    except ValueError as error:
        raise OptionError(f"{error}{source}") from None


def resolve_key(provider: Provider, api_key: str | None, headers: Mapping[str, str]) -> str:
    """Return the API key: the argument, else the first of the provider's variables that is set, else "".

    Raises `OptionError` if a key is needed and neither given nor in `headers`, and for a text that cannot be a key.  No
    message quotes the key.
    """
    own = [name.lower() for name, template in provider.headers.items() if "{api_key}" in template]
    if not own and api_key is not None:
        raise OptionError("it takes no key; leave api_key= out")
    found = next(
        (name for name in provider.key_variables if api_key is None and os.environ.get(name, "").strip()), None
    )
    key, source = (api_key, "api_key") if found is None else (os.environ[found].strip(), found)
    if key is None:
        if provider.key_variables and provider.key_needed and not any(name in headers for name in own):
            raise OptionError(f"there is no API key; pass api_key= or set {' or '.join(provider.key_variables)}")
        return ""
    if not isinstance(key, str) or not key or not key.isascii() or not key.isprintable() or " " in key:
        raise OptionError(f"{source} is no key: it is empty, or holds a space, a line break or what is not ASCII")
    return key


def _options(provider: Provider, options: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in options.items() if value is not None}
    for name, value in given.items():
        if name not in provider.options:
            known = ", ".join(provider.options) or "no options"
            hint = nearest(name, [*provider.options, "api_key", "base_url", "retries", "timeout"])
            raise OptionError(f"there is no option {name!r}{hint}; it takes {known}, and extra= for other fields")
        kinds = provider.options[name]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            names = " or ".join(kind.__name__ for kind in kinds)
            raise OptionError(f"the option {name!r} is of the type {names}, not {type(value).__name__}")
        if isinstance(value, float) and not isfinite(value):
            raise OptionError(f"the option {name!r} is a number, not {value}")
    return given


def _copy(values: dict[str, Any]) -> dict[str, Any]:
    """Return a copy that is independent of the caller's objects, which may change before the next attempt."""
    try:
        return deepcopy(values) if values else values
    except (TypeError, RecursionError) as error:
        raise OptionError(f"an option or a field of extra is no JSON: {error}") from error


def _json(extra: dict[str, Any]) -> dict[str, Any]:
    try:
        encode(extra) if extra else None
    except (TypeError, ValueError, RecursionError) as error:
        raise OptionError(f"extra holds what is no JSON: {error}") from error
    return extra


def _headers(headers: Mapping[str, str]) -> dict[str, str]:
    try:
        for name, value in headers.items():
            check_header(name, value)
    except ValueError as error:
        raise OptionError(str(error)) from None
    return {name.lower(): value for name, value in headers.items()}


def build(call: Call) -> Request:
    """Return the request of one attempt: signs, fills in the templates, builds the payload; the caller's headers win.

    Raises `SpecError` if a template names a field that does not exist or the payload is no JSON, `OptionError` if a
    header cannot be sent once it is filled in, and what the payload builder raises.
    """
    provider = call.provider
    if call.model is None and "{model}" in provider.url:
        raise ModelNotFoundError("there is no default model; name one with model=")
    if provider.signer is not unsigned:
        call = replace(call, signed=provider.signer(call))
    fields = {"base_url": call.base_url, "model": call.model or "", "api_key": call.api_key, **call.signed}
    quoted = {name: quote(str(value), safe="") for name, value in fields.items() if f"{{{name}}}" in provider.url}
    try:
        url = provider.url.format_map({**quoted, "base_url": call.base_url})
        headers = {
            name.lower(): value.format_map(fields)
            for name, value in provider.headers.items()
            if call.api_key or "{api_key}" not in value
        }
    # A template names plain fields (`check_template`), so that nothing but a missing field can fail here.
    except KeyError as error:
        raise SpecError(
            f"a template names {error}, which is no field of its signer; the fields are {', '.join(fields)}"
        ) from None
    payload = provider.payload(call)
    try:
        payload = merged(payload, call.extra) if call.extra else payload
        body = encode(payload).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise SpecError(f"the payload is no JSON: {error}") from error
    return Request(url, _headers({**headers, **call.headers}), body)


def merged(payload: Any, extra: Any) -> Any:
    """Return the payload with the fields of `extra`, which win; an object inside goes into the object of its name."""
    if not isinstance(payload, Mapping) or not isinstance(extra, Mapping):
        return extra
    return {**payload, **{name: merged(payload.get(name), value) for name, value in extra.items()}}
