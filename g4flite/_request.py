"""From a caller's arguments to a `Call`, and from a `Call` to the `Request` of one attempt.  No I/O."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite
from typing import Any
from urllib.parse import quote

from ._checks import check_base_url, check_header
from ._errors import ModelNotFoundError, OptionError, SpecError, UsageError
from ._messages import normalise
from ._spec import Call, Provider, Request


def make_call(
    spec: Provider,
    messages: str | Sequence[Mapping[str, Any]],
    *,
    model: str | None,
    base_url: str | None,
    headers: Mapping[str, str] | None,
    options: Mapping[str, Any],
) -> Call:
    """What was asked, checked whole: a `Call` that every attempt starts from.  Raises a `UsageError`."""
    try:
        return Call(
            provider=spec,
            messages=normalise(messages),
            model=resolve_model(spec, model),
            options=_options(spec, options),
            base_url=resolve_base_url(spec, base_url),
            headers=_headers(check_mapping(headers)),
        )
    except UsageError as error:
        error.provider = spec.name
        raise


def check_mapping(headers: Mapping[str, str] | None) -> Mapping[str, str]:
    """The headers, none as an empty mapping.  Raises `OptionError` for what is no mapping."""
    if headers is not None and not isinstance(headers, Mapping):
        raise OptionError(f"headers are a mapping of names to values, not {type(headers).__name__}")
    return headers or {}


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
    variable = base_url_variable(spec)
    source = "" if base_url is not None else f" (from {variable})"
    try:
        return check_base_url(base_url if base_url is not None else os.environ.get(variable) or spec.base_url)
    except ValueError as error:
        raise OptionError(f"{error}{source}") from None


def _options(spec: Provider, options: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in options.items() if value is not None}
    for name, value in given.items():
        if name not in spec.options:
            known = ", ".join(spec.options) or "no options"
            raise OptionError(f"there is no option {name!r}{nearest(name, [*spec.options])}; it takes {known}")
        kinds = spec.options[name]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            names = " or ".join(kind.__name__ for kind in kinds)
            raise OptionError(f"the option {name!r} is of the type {names}, not {type(value).__name__}")
        if isinstance(value, float) and not isfinite(value):
            raise OptionError(f"the option {name!r} is a number, not {value}")
    return given


def _headers(headers: Mapping[str, str]) -> dict[str, str]:
    try:
        for name, value in headers.items():
            check_header(name, value)
    except ValueError as error:
        raise OptionError(str(error)) from None
    return {name.lower(): value for name, value in headers.items()}


def build(call: Call) -> Request:
    """The request of one attempt: signs, fills in the templates, serialises the payload; the caller's headers win.

    Raises `SpecError` where a template names a field that does not exist or the payload is no JSON, and `OptionError`
    where a filled-in header cannot be sent.
    """
    spec = call.provider
    call = replace(call, signed=spec.signer(call))
    fields = {"base_url": call.base_url, "model": call.model or "", **call.signed}
    quoted = {name: quote(str(value), safe="") for name, value in fields.items()} | {"base_url": call.base_url}
    try:
        url = spec.url.format_map(quoted)
        headers = {name.lower(): value.format_map(fields) for name, value in spec.headers.items()}
    except KeyError as error:  # templates name plain fields: the spec has checked that
        raise SpecError(
            f"a template names {error}, which is no field of its signer; the fields are {', '.join(fields)}"
        ) from None
    try:
        body = json.dumps(spec.payload(call), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise SpecError(f"the payload is no JSON: {error}") from error
    return Request(url, _headers({**headers, **call.headers}), body)
