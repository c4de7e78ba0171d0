"""Makes a `Call` of the caller's arguments, and the `Request` of each attempt of the `Call`.  No I/O.

call = make_call(OPENAI, "Hello", model="gpt-4o-mini", ...)      # raises for arguments that no protocol can carry
first = first_request(call)                                      # raises for arguments that this protocol cannot carry
request = request_for_attempt(call, first, attempt, now_ms)      # each later attempt is built and signed anew
"""

import json
import os
import time
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import partial
from math import isfinite
from typing import Any, get_origin
from urllib.parse import quote

from .base_urls import corrected
from .errors import SETTINGS, ModelNotFoundError, OptionError, SpecError, UsageError
from .headers import check_header
from .messages import Message, normalise
from .numbers import dumps, loads_strictly
from .options import OPTIONS
from .provider import Call, Provider, Request, unsigned
from .urls import EXAMPLE_URL, check_base_url, complete_host

# Milliseconds after which the first request is built again before it is sent: its signature holds the time at which it
# was built, and the caller's loop may begin much later.
FRESH = 1000
# Compact JSON.  NaN and Infinity are not JSON, and raise `ValueError`.
encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def make_call(
    provider: Provider,
    messages: object,
    *,
    model: str | None,
    base_url: str | None,
    headers: Mapping[str, str] | None,
    options: Mapping[str, Any],
    api_key: str | None = None,
    extra: Mapping[str, Any] | None = None,
    system: str | None = None,
    checked_url: str = "",
) -> Call:
    """Return the `Call` from which every attempt is built, a checked copy of the caller's arguments.

    `system` is the text of a system message before all others; there is none if it is None or empty.  `checked_url` is
    the base URL of another `Call`, and takes the place of `base_url`.

    Raises `ModelNotFoundError`, `MessagesError` or `OptionError` for arguments that cannot be sent.
    """
    try:
        own = _checked_headers(check_mapping(headers))
        url, variable = (checked_url, "") if checked_url else resolve_base_url(provider, base_url)
        options, kind = _with_schema(options)
        call = partial(
            Call,
            provider=provider,
            messages=_system_message(system) + normalise(messages),
            model=resolve_model(provider, model),
            options=_copy(_checked_options(provider, options)),
            base_url=url,
            base_url_variable=variable,
            headers=own,
            extra=_copy(check_mapping(extra, "extra= must be a mapping of fields to values"), as_json=True),
            answer_type=kind,
            now_ms=time.time_ns() // 1_000_000,
        )
        try:
            return call(api_key=resolve_key(provider, api_key, own))
        except OptionError as error:
            if error.own_setting:
                _name_model(error, call())
            raise
    except UsageError as error:
        error.provider = provider.name
        raise


def next_call(own: Call, messages: object, system: str | None) -> Call:
    """Return the `Call` of other messages with the settings of `own`, which `make_call` has checked.

    Raises `MessagesError` or `OptionError`, as `make_call` does.
    """
    try:
        call = Call(
            provider=own.provider,
            messages=_system_message(system) + normalise(messages),
            model=own.model,
            options=_copy(own.options),
            base_url=own.base_url,
            headers=dict(own.headers),
            # The environment may have a key by now.
            api_key=own.api_key or resolve_key(own.provider, None, own.headers),
            extra=_copy(own.extra),
            answer_type=own.answer_type,
            now_ms=time.time_ns() // 1_000_000,
        )
    except UsageError as error:
        error.provider = own.provider.name
        raise
    if call.api_key == own.api_key:
        object.__setattr__(call, "head", own.head)
    return call


def _system_message(text: object) -> tuple[Message, ...]:
    """Return the system message of a text, as a tuple of one; () for None and an empty text."""
    if text is not None and not isinstance(text, str):
        raise OptionError(f"must be a text, not {type(text).__name__}", argument="system")
    return normalise([{"role": "system", "content": text}]) if text else ()


def first_request(call: Call) -> Request:
    """Return the request of the first attempt.

    Raises a `UsageError` if the protocol cannot carry the call: `stream()` builds the request at once, so that the
    caller learns of it before any socket is opened.
    """
    try:
        return build(call)
    except UsageError as error:
        error.provider = call.provider.name
        if isinstance(error, ModelNotFoundError) and call.model is None:
            error.advice += _example(call.provider)
        raise


def _example(provider: Provider) -> str:
    """Return the end of the advice to name a model: a model's name, if one is known."""
    return f", like {provider.example_model}" if provider.example_model else ""


def request_for_attempt(call: Call, first: Request, attempt: int, now_ms: int) -> Request:
    """Return the request of an attempt (`attempt` counts from 0): `first` if it is still fresh, else a new request."""
    if not attempt and 0 <= now_ms - call.now_ms < FRESH:
        return first
    return build(replace(call, now_ms=now_ms))


def check_mapping(
    mapping: Mapping[str, Any] | None, wanted: str = "headers= must be a mapping of names to values"
) -> Mapping[str, Any]:
    """Return the mapping, or {} for None.  Raises `OptionError`, which begins with `wanted`, for any other type."""
    if mapping is None:
        return {}
    if not isinstance(mapping, Mapping):
        raise OptionError(f"{wanted}, not {type(mapping).__name__}")
    return mapping


def nearest(word: str, words: Sequence[str]) -> str:
    """Return " (did you mean 'gemini'?)" if one of `words` is spelt like `word`, else ""; for the end of a message."""
    from difflib import get_close_matches  # noqa: PLC0415 - needed for a message only

    near = get_close_matches(word, words, 1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def resolve_model(provider: Provider, model: str | None) -> str | None:
    """Return the model's name on the wire: the model of an alias, and the provider's default model for None.

    Returns None if the provider has no default.  Raises `ModelNotFoundError` for a name that is not a model.
    """
    if model is None:
        return provider.default_model or (provider.models[0] if provider.models else None)
    # A model may be a segment of the URL, where "." and ".." would mean another path.
    if not isinstance(model, str) or not model.isprintable() or model in ("", ".", ".."):
        raise ModelNotFoundError(
            f"must be a string that is not empty and holds no control character, not {model!r}", argument="model"
        )
    for prefix in provider.model_prefixes:
        model = model.removeprefix(prefix) or model
    model = provider.aliases.get(model, model)
    if provider.models and model not in provider.models:
        hint = nearest(model, [*provider.models, *provider.aliases])
        raise ModelNotFoundError(f"there is no model {model!r}{hint}; the models are {', '.join(provider.models)}")
    return model


def base_url_variable(provider: Provider) -> str:
    """Return the name of our own environment variable for the provider's base URL, as `G4FLITE_OPENAI_BASE_URL`."""
    return f"G4FLITE_{provider.name.upper().replace('-', '_')}_BASE_URL"


def resolve_base_url(provider: Provider, base_url: str | None) -> tuple[str, str]:
    """Return the base URL without trailing slashes, and the environment variable that holds it, "" if none does.

    The URL is the argument, else the environment's, else the provider's own.  Raises `OptionError` if there is none, or
    if it cannot be used.
    """
    own, chosen, source = base_url_variable(provider), base_url, ""
    for variable in (own, *provider.base_url_variables) if base_url is None else ():
        if chosen := os.environ.get(variable, "").strip():
            source = variable
            chosen = chosen if variable == own else complete_host(chosen, provider.base_url)
            break
    chosen = chosen if base_url is not None else chosen or provider.base_url
    if not chosen and provider.base_url:
        raise OptionError("is empty", argument="base_url", advice=f"leave it out for {provider.base_url}")
    if not chosen:
        raise _own_setting(
            OptionError(
                "there is no public base URL",
                advice=f"[pass {{base_url}} or ]set {' or '.join((*provider.base_url_variables, own))}",
            )
        )
    try:
        return check_base_url(chosen), source
    except ValueError as error:
        said = str(error).replace(EXAMPLE_URL, corrected(EXAMPLE_URL, provider.url, provider.base_url))
        # The error names the environment variable that a wrong URL came from.
        wrong = OptionError(said + (f" (from {source})" if source else ""), argument="base_url")
        raise (_own_setting(wrong) if source else wrong) from None


def resolve_key(provider: Provider, api_key: str | None, headers: Mapping[str, str]) -> str:
    """Return the API key: the argument, else the first of the provider's environment variables that is set, else "".

    If the caller's `headers` hold a key, in the provider's own header or in `authorization`, the environment is not
    asked: its key may belong to another server.  Raises `OptionError` if the provider needs a key and there is none,
    and for a text that cannot be a key.  No message quotes the key.
    """
    own = [name.lower() for name, template in provider.headers.items() if "{api_key}" in template]
    if not own and api_key is not None:
        raise OptionError("this provider takes no key", advice="leave {api_key} out")
    if api_key is None and any(name in headers for name in (*own, "authorization")):
        return ""
    found = next(
        (name for name in provider.key_variables if api_key is None and os.environ.get(name, "").strip()), None
    )
    key, source = (api_key, "api_key") if found is None else (os.environ[found].strip(), found)
    if key is None:
        if provider.key_variables and provider.key_needed:
            raise _own_setting(
                OptionError(
                    "there is no API key", advice=f"[pass {{api_key}} or ]set {' or '.join(provider.key_variables)}"
                )
            )
        return ""
    if problem := _problem_of_key(key):
        wrong = OptionError(f"{source} cannot be a key: it {problem}")
        raise wrong if found is None else _own_setting(wrong)
    return key


def _problem_of_key(key: object) -> str:
    """Return what is wrong with a key, "" if nothing is.  The words do not quote the key."""
    if not isinstance(key, str):
        return f"must be a string, not {type(key).__name__}"
    if key.lower().startswith("bearer "):
        return "begins with 'Bearer ', which goes out by itself; leave out 'Bearer '"
    if key != key.strip():
        return "has white space around it; call .strip()"
    if not key or not key.isascii():
        return "holds a character outside ASCII" if key else "is empty"
    return "" if key.isprintable() and " " not in key else "holds a space or a control character"


def _name_model(error: OptionError, call: Call) -> None:
    """Let the error of a key that is missing say, too, that the call has to name a model, if it has to."""
    if call.model is None and _needs_model(call):
        error.advice += f"[, and name a model with {{model}}{_example(call.provider)}]"


def _needs_model(call: Call) -> bool:
    """Return whether the service has no default model.  The payload builder knows, and may raise anything else, too."""
    try:
        build(call)
    except ModelNotFoundError:
        return True
    except Exception:
        return False
    return False


def _own_setting(error: OptionError) -> OptionError:
    """Return the error as one of a single provider's settings, which is no fault of the call."""
    error.own_setting = True
    return error


def _checked_options(provider: Provider, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are not None.  Raises `OptionError` unless the provider takes each, with such a value."""
    given = {name: value for name, value in options.items() if value is not None}
    if isinstance(tools := given.get("tools"), list | tuple):
        given["tools"] = _described(tools)
    for name, value in given.items():
        if name not in provider.options:
            from .other_options import instead_of  # noqa: PLC0415 - needed for a message only

            if instead := instead_of(name):
                raise OptionError(f"there is no option {name!r}", advice=instead)
            known = ", ".join(provider.options) or "no options"
            # A word that is like the option of another service is that option, which has an error of its own.
            others = () if name in OPTIONS else OPTIONS
            hint = nearest(name, [*provider.options, *others, *SETTINGS])
            raise OptionError(
                f"there is no option {name!r}{hint}", advice=f"it takes {known}[, and {{extra}} for other fields]"
            )
        kinds = provider.options[name]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            names = " or ".join(kind.__name__ for kind in kinds)
            raise OptionError(f"must be of the type {names}, not {type(value).__name__}", argument=name)
        if isinstance(value, float) and not isfinite(value):
            raise OptionError(f"must be a finite number, not {value}", argument=name)
    return given


def _with_schema(options: Mapping[str, Any]) -> tuple[Mapping[str, Any], Any]:
    """Return the options with the JSON Schema of a class that is given as `response_format`, and the class or None."""
    kind = options.get("response_format")
    if not isinstance(kind, type) and get_origin(kind) is None:
        return options, None
    from .schemas import response_format  # noqa: PLC0415 - most calls name no class

    return {**options, "response_format": response_format(kind)}, kind


def _described(tools: Sequence[Any]) -> Sequence[Any]:
    """Return the tools with the schemas of the functions among them in their place."""
    if not any(map(callable, tools)):
        return tools
    from .schemas import schema_of_function  # noqa: PLC0415 - most tools are dicts

    return [schema_of_function(tool) if callable(tool) else tool for tool in tools]


def _copy(values: Mapping[str, Any], *, as_json: bool = False) -> dict[str, Any]:
    """Return a deep copy, because the caller may change the objects before the next attempt.

    Raises `OptionError` for an object that cannot be copied or, if `as_json`, not be written as JSON.
    """
    try:
        copied = deepcopy(dict(values)) if values else {}
        encode(copied) if copied and as_json else None
        return copied
    except (TypeError, ValueError, RecursionError) as error:
        raise OptionError(f"an option or a field of extra= is not JSON: {error}") from error


def _checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers with their names in lower case.  Raises `OptionError` if HTTP cannot carry one of them."""
    try:
        for name, value in headers.items():
            check_header(name, value)
    except ValueError as error:
        raise OptionError(str(error)) from None
    return {name.lower(): value for name, value in headers.items()}


def build(call: Call) -> Request:
    """Return the request of one attempt: call the signer, fill in the templates, then build and encode the payload.

    A header of the caller replaces the provider's header of the same name.  Raises `SpecError` if a template names a
    field that does not exist, if the signer returns no fields or if the payload is not JSON, `OptionError` if a header
    cannot be sent once it is filled in, and whatever the signer and the payload builder raise.
    """
    provider = call.provider
    if call.model is None and "{model}" in provider.url:
        raise ModelNotFoundError("there is no default model", advice="name one with {model}")
    if provider.signer is not unsigned:
        call = replace(call, signed=_signed(call))
    if not call.head:
        call.head.append(_head(call))
    url, headers = call.head[0]
    notes = call.notes
    notes.dropped.clear()
    payload = provider.payload(call)
    try:
        payload = merged(payload, call.extra) if call.extra else payload
        body = _body(payload)
    except (TypeError, ValueError, RecursionError) as error:
        raise SpecError(f"the payload is not JSON: {error}") from error
    return Request(url, dict(headers), body, dropped=tuple(notes.dropped), bound_to=notes.bound_to)


def _head(call: Call) -> tuple[str, dict[str, str]]:
    """Return the URL and the headers of a call that is signed."""
    fields = {"base_url": call.base_url, "model": call.model or "", "api_key": call.api_key, **call.signed}
    quoted = {
        name: value if name == "base_url" else quote(str(value), safe="")
        for name, value in fields.items()
        if f"{{{name}}}" in call.provider.url
    }
    try:
        url = call.provider.url.format_map(quoted)
        headers = {
            name.lower(): value.format_map(fields)
            for name, value in call.provider.headers.items()
            if call.api_key or "{api_key}" not in value
        }
    # Templates hold plain names alone (`check_template`), so a name without a value is all that can fail here.
    except KeyError as error:
        raise SpecError(
            f"a template names {error}, which the signer does not return; the fields are {', '.join(fields)}"
        ) from None
    return url, _checked_headers({**headers, **call.headers})


def _body(payload: object) -> bytes:
    """Return the payload as JSON.  Raises what `json.dumps` raises for a value that JSON cannot hold.

    The arguments of a tool call may hold numbers beyond Python's, and halves of surrogate pairs, which only an escape
    can carry.
    """
    try:
        return encode(payload).encode()
    except ValueError:
        text = dumps(payload)
        loads_strictly(text)
        return text.encode()


def _signed(call: Call) -> Mapping[str, str | int]:
    """Return the fields that the provider's signer returns.  Raises `SpecError` for anything else."""
    signed = call.provider.signer(call)
    if not isinstance(signed, Mapping):
        raise SpecError(f"signer returned a {type(signed).__name__}; it must return a mapping of names to strings")
    for name, value in signed.items():
        if not isinstance(name, str) or not isinstance(value, str | int):
            raise SpecError(f"signer returned a {type(value).__name__} as {name!r}; it must be a string or an integer")
    return signed


def merged(payload: Any, extra: Any) -> Any:
    """Return the payload with the fields of `extra` added or replaced; objects of the same name are merged.

    >>> merged({"model": "m", "stream_options": {"include_usage": True}}, {"stream_options": {"x": 1}, "n": 2})
    {'model': 'm', 'stream_options': {'include_usage': True, 'x': 1}, 'n': 2}
    """
    if not isinstance(payload, Mapping) or not isinstance(extra, Mapping):
        return extra
    return {**payload, **{name: merged(payload.get(name), value) for name, value in extra.items()}}
