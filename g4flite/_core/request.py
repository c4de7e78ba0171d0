"""From a caller's arguments to a `Call`, and from a `Call` to the `Request` of one attempt.  No I/O."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from math import isfinite
from typing import Any
from urllib.parse import quote, urlsplit

from .errors import ModelNotFoundError, OptionError, SpecError, UsageError
from .headers import check_base_url, check_header
from .messages import normalise
from .provider import Call, Provider, Request, unsigned

FRESH = 1000  # milliseconds after which a request is signed anew, though it was never sent
encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def make_call(
    spec: Provider,
    messages: str | Sequence[Mapping[str, Any]],
    *,
    model: str | None,
    base_url: str | None,
    headers: Mapping[str, str] | None,
    options: Mapping[str, Any],
    api_key: str | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Call:
    """What was asked, checked: a `Call` that every attempt starts from.  Raises a `UsageError`."""
    try:
        own = _headers(check_mapping(headers))
        return Call(
            provider=spec,
            messages=normalise(messages),
            model=resolve_model(spec, model),
            options=_copy(_options(spec, options)),
            base_url=resolve_base_url(spec, base_url),
            headers=own,
            api_key=resolve_key(spec, api_key, own),
            extra=_json(_copy(dict(check_mapping(extra, "extra is a mapping of fields to values")))),
            now_ms=time.time_ns() // 1_000_000,
        )
    except UsageError as error:
        error.provider = spec.name
        raise


def rehearse(call: Call) -> Request:
    """The first attempt's request, so that what a protocol cannot carry fails here.  Raises a `UsageError`."""
    try:
        return build(call)
    except UsageError as error:
        error.provider = call.provider.name
        raise


def ready(call: Call, rehearsed: Request | None, now_ms: int) -> Request:
    """An attempt's request: the rehearsed one, unless there is none or it has grown old."""
    if rehearsed is not None and 0 <= now_ms - call.now_ms < FRESH:
        return rehearsed
    return build(replace(call, now_ms=now_ms))


def check_mapping(
    mapping: Mapping[str, Any] | None, wanted: str = "headers are a mapping of names to values"
) -> Mapping[str, Any]:
    """The mapping, none as an empty one.  Raises `OptionError` for what is no mapping."""
    if mapping is not None and not isinstance(mapping, Mapping):
        raise OptionError(f"{wanted}, not {type(mapping).__name__}")
    return mapping or {}


def nearest(word: str, words: Sequence[str]) -> str:
    """` (did you mean ...?)` where one of `words` is near to `word`, else nothing."""
    from difflib import get_close_matches  # noqa: PLC0415 - needed for a message only

    near = get_close_matches(word, words, 1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def resolve_model(spec: Provider, model: str | None) -> str | None:
    """The model's name on the wire: an alias resolved, the default where none is asked for."""
    if model is None:
        return spec.default_model or (spec.models[0] if spec.models else None)
    if not isinstance(model, str) or not model.isprintable() or model in ("", ".", ".."):
        raise ModelNotFoundError("a model's name is a string with no line break or control character, and not empty")
    model = spec.aliases.get(model, model)
    if spec.models and model not in spec.models:
        hint = nearest(model, [*spec.models, *spec.aliases])
        raise ModelNotFoundError(f"there is no model {model!r}{hint}; the models are {', '.join(spec.models)}")
    return model


def base_url_variable(spec: Provider) -> str:
    """The environment variable that replaces the provider's base URL."""
    return f"G4FLITE_{spec.name.upper().replace('-', '_')}_BASE_URL"


def resolve_base_url(spec: Provider, base_url: str | None) -> str:
    """The argument, else the environment's, else the provider's public one; without trailing slashes."""
    own, chosen, source = base_url_variable(spec), base_url, ""
    for variable in (own, *spec.base_url_variables) if base_url is None else ():
        if chosen := os.environ.get(variable, "").strip():
            source = f" (from {variable})"
            chosen = chosen if variable == own else with_scheme(chosen, spec.base_url)
            break
    chosen = chosen if base_url is not None else chosen or spec.base_url
    if not chosen:
        raise OptionError(
            f"it has no public address; pass base_url= or set {' or '.join((*spec.base_url_variables, own))}"
        )
    try:
        return check_base_url(chosen)
    except ValueError as error:
        raise OptionError(f"{error}{source}") from None


def with_scheme(host: str, base_url: str) -> str:
    """The URL of a host named without scheme, as `localhost` or `0.0.0.0:8080`: what it lacks is as in `base_url`."""
    if "://" in host or not base_url:
        return host
    base, (name, slash, path) = urlsplit(base_url), host.partition("/")
    if name.startswith(":"):
        name = f"{base.hostname}{name}"
    if base.port and not name.rpartition("]")[2].rpartition(":")[1]:
        name = f"{name}:{base.port}"
    return f"{base.scheme}://{name}{slash}{path}"


def resolve_key(spec: Provider, api_key: str | None, headers: Mapping[str, str]) -> str:
    """The API key: the argument, else the first of the spec's variables that is set, else none ("").

    Raises `OptionError` where one is needed, and for what no key can be; the message never quotes it.
    """
    own = [name.lower() for name, template in spec.headers.items() if "{api_key}" in template]
    if not own and api_key is not None:
        raise OptionError("it takes no key; leave api_key= out")
    found = next((name for name in spec.key_variables if api_key is None and os.environ.get(name, "").strip()), None)
    key, source = (api_key, "api_key") if found is None else (os.environ[found].strip(), found)
    if key is None:
        if spec.key_variables and spec.key_needed and not any(name in headers for name in own):
            raise OptionError(f"there is no API key; pass api_key= or set {' or '.join(spec.key_variables)}")
        return ""
    if not isinstance(key, str) or not key or not key.isascii() or not key.isprintable() or " " in key:
        raise OptionError(f"{source} is no key: it is empty, or holds a space, a line break or what is not ASCII")
    return key


def _options(spec: Provider, options: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in options.items() if value is not None}
    for name, value in given.items():
        if name not in spec.options:
            known = ", ".join(spec.options) or "no options"
            hint = nearest(name, [*spec.options, "api_key", "base_url", "retries", "timeout"])
            raise OptionError(f"there is no option {name!r}{hint}; it takes {known}, and extra= for other fields")
        kinds = spec.options[name]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            names = " or ".join(kind.__name__ for kind in kinds)
            raise OptionError(f"the option {name!r} is of the type {names}, not {type(value).__name__}")
        if isinstance(value, float) and not isfinite(value):
            raise OptionError(f"the option {name!r} is a number, not {value}")
    return given


def _copy(values: dict[str, Any]) -> dict[str, Any]:
    """The same values, independent of the caller's, who may change them before the next attempt."""
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
    """The request of one attempt: signs, fills in the templates, serialises the payload; the caller's headers win.

    Raises `SpecError` where a template names a field that does not exist or the payload is no JSON, `OptionError`
    where a filled-in header cannot be sent, and what the payload builder raises of a call that it cannot carry.
    """
    spec = call.provider
    if call.model is None and "{model}" in spec.url:
        raise ModelNotFoundError("there is no default model; name one with model=")
    if spec.signer is not unsigned:
        call = replace(call, signed=spec.signer(call))
    fields = {"base_url": call.base_url, "model": call.model or "", "api_key": call.api_key, **call.signed}
    quoted = {name: quote(str(value), safe="") for name, value in fields.items() if f"{{{name}}}" in spec.url}
    try:
        url = spec.url.format_map({**quoted, "base_url": call.base_url})
        headers = {
            name.lower(): value.format_map(fields)
            for name, value in spec.headers.items()
            if call.api_key or "{api_key}" not in value
        }
    except KeyError as error:  # templates name plain fields: the spec has checked that
        raise SpecError(
            f"a template names {error}, which is no field of its signer; the fields are {', '.join(fields)}"
        ) from None
    payload = spec.payload(call)
    try:
        payload = merged(payload, call.extra) if call.extra else payload
        body = encode(payload).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise SpecError(f"the payload is no JSON: {error}") from error
    return Request(url, _headers({**headers, **call.headers}), body)


def merged(payload: Any, extra: Any) -> Any:
    """The payload with the fields of `extra`, which win; an object inside goes into the object of that name."""
    if not isinstance(payload, Mapping) or not isinstance(extra, Mapping):
        return extra
    return {**payload, **{name: merged(payload.get(name), value) for name, value in extra.items()}}
