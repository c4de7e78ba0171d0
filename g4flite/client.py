"""`stream()` for one call, and `Client`, which keeps its connections for many calls.

    for chunk in stream("cromicle", "Hello"): ...
    async for chunk in stream("cromicle", "Hello"): ...     # the same call: asyncio or trio

`stream()` and `Client.stream()` check their arguments, build the first request and return a lazy `Stream`, which sends
that request when a loop begins to read.  A stream holds a `Route` for each provider that may be asked: the call, the
HTTP client that sends its requests, its timers and its retries.
"""

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, Union

from . import providers
from ._core.errors import (
    G4fliteError,
    InsecureTransportWarning,
    ModelNotFoundError,
    OptionError,
    ProviderNotFoundError,
    RetiredProviderWarning,
    UsageError,
    name_by_package,
)
from ._core.loops import frames_of_ours
from ._core.provider import Call, Provider
from ._core.request import check_mapping, make_call, merged, next_call
from ._core.secrets import is_secret
from ._core.settings import Retry, Timeout, as_retry, as_timeout
from ._core.stream import Stream
from ._core.urls import check_proxy, is_loopback

if TYPE_CHECKING:
    import ssl

    from ._core.exchange import Route
    from ._core.transport.clients import Connection

# What the argument `messages` may be.  mypy takes a list of dicts for a list of objects, unless it is annotated, if one
# message has a text and another a list of parts.  So a list of any objects has to do; `stream()` checks it.
Messages: TypeAlias = str | Sequence[Mapping[str, Any]] | Sequence[object]
ProviderLike: TypeAlias = Union[str, Provider, "Client"]


class HttpClient(Protocol):
    """What the argument `client` may be: an `httpx.Client` or an `httpx.AsyncClient`, or the same of httpx2.

    Of their methods, this protocol names some by which a type checker knows them.  If it named the classes, nobody
    could check a program without having httpx2 installed.
    """

    @property
    def is_closed(self) -> bool: ...
    def build_request(self, method: str, url: str) -> Any: ...


# The names of the retired providers whose warning this process has seen.
_warned: set[str] = set()


def stream(
    provider: ProviderLike | Sequence[ProviderLike],
    messages: Messages,
    *,
    system: str | None = None,
    model: str | None = None,
    api_key: str | None = None,
    base_url: str | None = None,
    proxy: str | None = None,
    headers: Mapping[str, str] | None = None,
    client: HttpClient | None = None,
    timeout: Timeout | float | None = None,
    retries: Retry | int | None = None,
    verify: "ssl.SSLContext | None" = None,
    extra: Mapping[str, Any] | None = None,
    observer: object = None,
    keep_partial: bool = True,
    **options: Any,
) -> Stream:
    """Return a `Stream` of the answer, which either a `for` loop or an `async for` loop (asyncio or trio) reads.

    `provider` is a provider's name, a `Provider`, a `Client` with settings of its own, or a list of these.  Of a list,
    the next provider is asked if a provider failed before its first text and its retries are used up; a provider that
    does not have the model, or that has no key or no base URL, is left out.  `messages` is a string (one user message)
    or a list in the OpenAI form: `{"role": str, "content": str}` with the roles system, developer, user, assistant and
    tool.  `content` may be a list of text and image parts, an assistant message may hold `tool_calls`, and the
    `tool_call_id` of a tool message names the tool call that the message answers.

    - `system` is the text of a system message before the other messages; None means the setting of the `Client`, and ""
      means none.
    - `model` is a model of the provider, or an alias; None means the provider's default model, if there is one.
    - `api_key` is sent in a header; None means the provider's environment variable, like OPENAI_API_KEY.
    - `base_url` replaces the provider's public base URL, and means what the vendor's own client means by it; None means
      the environment variable `G4FLITE_<PROVIDER>_BASE_URL`, or else the vendor's own, like OPENAI_BASE_URL.
    - `proxy` is a URL of the scheme http, https, socks5 or socks5h; None means the environment variable G4FLITE_PROXY.
    - `headers` are added to the headers of each provider; a header given here replaces the provider's of that name.
    - `client` is an open `httpx.Client` or `httpx.AsyncClient` of the caller, or one of httpx2; a stream never closes
      it.
    - `timeout` is a `Timeout`, or the seconds that the whole stream may take; None means the setting of the `Client`,
      or else `Timeout()`.
    - `retries` says how often an attempt that failed before its first text is made again, as a number or a `Retry`;
      None means the setting of the `Client`, or else 2.
    - `verify` is an `ssl.SSLContext`, for private certificates.
    - `extra` holds fields of the payload for which there is no option, and is sent unchanged; an object in it is merged
      with the payload's object of the same name.
    - `observer` is an object, or a list of objects, with any of the methods `start(call)`, `attempt(call, attempt)`,
      `first(call, first)` and `end(call, end)`, which are told of this stream; None means those of the `Client`.  The
      observers of `g4flite.observe` are told as well.
    - `keep_partial=False` keeps neither text nor reasoning, for an answer larger than memory: `.partial` stays empty.
    - `options` are the options that the provider takes, under common names: temperature, max_tokens, top_p, stop, seed,
      frequency_penalty, presence_penalty, tools, tool_choice, parallel_tool_calls, response_format, reasoning_effort,
      logprobs, user, metadata, cache.  None leaves an option out.
    - `reasoning_effort` is "none", "minimal", "low", "medium", "high", or the most tokens that the model may reason
      (int).  `stream.dropped` tells if the model knows another level alone; what it cannot be told raises an error.
    - `logprobs` is True, or how many of the likeliest tokens are named at each place; `events()` yields them as
      `Native("logprobs", ...)` in the service's own form.
    - `cache=True` asks the service to cache the prompt; `user` is the caller's name for the user who asks.

    Raises `ProviderNotFoundError`, `ModelNotFoundError`, `MessagesError` or `OptionError` before any socket is opened.
    Warns once a process (`RetiredProviderWarning`) if the call goes to the public host of a retired provider, and each
    time (`InsecureTransportWarning`) if a key goes to another machine over plain http.
    """
    is_one = isinstance(provider, str | Provider | Client) or not isinstance(provider, Sequence)
    asked: Sequence[Any] = [provider] if is_one else list(provider)  # type: ignore[arg-type]  # of the `not isinstance`
    connecting = (base_url, proxy, client, verify)
    # In a list that also names providers, these settings are for those, and each Client keeps its own.
    if asked and all(isinstance(item, Client) for item in asked) and connecting != (None,) * 4:
        if client is not None:
            from ._core.other_options import OWN_CLIENT  # noqa: PLC0415 - needed for a message only

            raise OptionError(f"client= cannot be given with a Client; {OWN_CLIENT}")
        raise OptionError("base_url=, proxy= and verify= are settings of the Client; set them there")
    if not asked:
        # What `working()` of the app `probe` returns knows why it is empty.
        why: G4fliteError | None = getattr(provider, "error", None)
        raise why or ProviderNotFoundError("there are no providers in the list; name at least one")
    # The key of one service is never sent to another.
    if api_key is not None and (len(asked) > 1 or isinstance(asked[0], Client)):
        raise OptionError("api_key= belongs to one provider; set it in its Client, or in its environment variable")
    routes: list[Route] = []
    # Why providers were left out: they do not have the model, or have no key or base URL.
    lacking: list[UsageError] = []
    for item in asked:
        try:
            if isinstance(item, Client):
                routes.append(item._route(messages, system, model, headers, timeout, retries, extra, options))
                continue
            call = make_call(
                providers.find(item),
                messages,
                model=model,
                base_url=base_url,
                headers=headers,
                options=options,
                api_key=api_key,
                extra=extra,
                system=system,
            )
            connection = resolve_connection(call, proxy, verify, client)
            routes.append(route_of(call, connection, client, timeout, retries))
            warn(call, public=base_url is None, exposed=is_exposed(call.base_url))
        except (ModelNotFoundError, OptionError) as error:
            if len(asked) == 1 or (isinstance(error, OptionError) and not error.own_setting):
                raise
            # Without the traceback, which holds this frame: the frame holds the errors.
            lacking.append(error.with_traceback(None))
    if not routes and all(isinstance(error, ModelNotFoundError) for error in lacking):
        raise ModelNotFoundError("; ".join(map(str, lacking)))
    if not routes:
        raise lacking[0]
    refused = tuple(error for error in lacking if isinstance(error, OptionError))
    if observer is None:
        # One that several clients share is told once: `all_observers` sees to it.
        observers = tuple(one for item in asked if isinstance(item, Client) for one in item._observers)
    else:
        observers = observers_of(observer)
    return start(routes, keep_partial=keep_partial, refused=refused, observers=observers)


class Client:
    """One provider and its settings, with a pool of connections that its streams share.  Any thread may use it.

        with g4flite.Client("flowgpt", proxy="http://127.0.0.1:3128") as client:
            for chunk in client.stream("Hello"):
                print(chunk, end="")

    The arguments are those of `g4flite.stream`; an argument of `Client.stream` replaces the client's.  The first loop
    makes the pool.  `with` or `close()` closes the pool after `for`, `async with` or `aclose()` after `async for`.

    Raises what `g4flite.stream` raises.  To read a stream of a closed client raises `UsageError`.
    """

    def __init__(
        self,
        provider: str | Provider,
        *,
        system: str | None = None,
        model: str | None = None,
        api_key: str | None = None,
        base_url: str | None = None,
        proxy: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: Timeout | float | None = None,
        retries: Retry | int = 2,
        verify: "ssl.SSLContext | None" = None,
        extra: Mapping[str, Any] | None = None,
        observer: object = None,
        **options: Any,
    ) -> None:
        self._observers = observers_of(observer)
        self._call = make_call(
            providers.find(provider),
            "",
            model=model,
            base_url=base_url,
            headers=headers,
            options=options,
            api_key=api_key,
            extra=extra,
            system=system,
        )
        self._system, self._public, self._exposed = system, base_url is None, is_exposed(self._call.base_url)
        self._timeout, self._retry = as_timeout(timeout), as_retry(retries)
        connection = resolve_connection(self._call, proxy, verify)
        from ._core import routes  # noqa: PLC0415 - httpx is imported with the first client
        from ._core.transport.clients import Pool  # noqa: PLC0415

        # Kept, because an `import` in a function takes 12,000 instructions each time.
        self._routes = routes
        self._pool = Pool(connection, self._call.provider.name)

    def stream(
        self,
        messages: Messages,
        *,
        system: str | None = None,
        model: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: Timeout | float | None = None,
        retries: Retry | int | None = None,
        extra: Mapping[str, Any] | None = None,
        observer: object = None,
        keep_partial: bool = True,
        **options: Any,
    ) -> Stream:
        """Return a `Stream` of the answer, which reads over the client's pool."""
        route = self._route(messages, system, model, headers, timeout, retries, extra, options)
        observers = self._observers if observer is None else observers_of(observer)
        return Stream(*self._routes.driven([route], keep_partial=keep_partial, observers=observers))

    def _route(
        self,
        messages: Messages,
        system: str | None,
        model: str | None,
        headers: Mapping[str, str] | None,
        timeout: Timeout | float | None,
        retries: Retry | int | None,
        extra: Mapping[str, Any] | None,
        options: Mapping[str, Any],
    ) -> "Route":
        """Return the route of one call: the arguments that are given, else the client's settings."""
        own = self._call
        system = self._system if system is None else system
        if not options and model is None and headers is None and extra is None:
            call = next_call(own, messages, system)
        else:
            if extra is not None:
                extra = merged(own.extra, check_mapping(extra, "extra is a mapping of fields to values"))
            typed = {"response_format": own.answer_type} if own.answer_type is not None else {}
            call = make_call(
                own.provider,
                messages,
                model=own.model if model is None else model,
                base_url=None,
                checked_url=own.base_url,
                headers={**own.headers, **check_mapping(headers)},
                options={**own.options, **typed, **options},
                api_key=own.api_key or None,
                extra=own.extra if extra is None else extra,
                system=system,
            )
        route = self._routes.route_over(
            call,
            self._pool,
            self._timeout if timeout is None else as_timeout(timeout),
            self._retry if retries is None else as_retry(retries),
        )
        warn(call, public=self._public, exposed=self._exposed)
        return route

    def close(self) -> None:
        """End the streams that still run, also those of other threads, by `StreamClosedError`, and close the pool.

        Raises `TypeError` after `async for`: call `aclose()` then.
        """
        self._pool.close()

    async def aclose(self) -> None:
        """Do the same as `close`, after `for` and after `async for` on this event loop."""
        await self._pool.aclose()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<Client of {self._call.provider.name}: {'closed' if self._pool.closed else 'open'}>"


def resolve_connection(call: Call, proxy: str | None, verify: object, client: object = None) -> "Connection":
    """Return the checked settings of a client that is to be made; the proxy is the argument, else G4FLITE_PROXY.

    Raises `OptionError` for a setting that cannot be used, and for one that is given together with `client`.
    """
    import ssl  # noqa: PLC0415 - imported with the first call

    from ._core.transport.clients import Connection  # noqa: PLC0415 - httpx is imported with the first call

    name = call.provider.name
    if client is not None and (proxy, verify) != (None, None):
        raise OptionError("proxy= and verify= cannot be given with client=; set them on that client", provider=name)
    if verify is not None and not isinstance(verify, ssl.SSLContext):
        raise OptionError(
            f"verify= must be an ssl.SSLContext, like ssl.create_default_context(cafile=...), not {verify!r}; "
            "TLS is always verified",
            provider=name,
        )
    # The caller's own client decides on its proxy.
    environment = None if client is not None else os.environ.get("G4FLITE_PROXY") or None
    chosen = proxy if proxy is not None else environment
    variable = "G4FLITE_PROXY" if proxy is None else "{proxy}"
    try:
        checked = None if chosen is None else check_proxy(chosen)
        return Connection(call.base_url, checked, verify, variable)
    except ValueError as error:
        source = " (from G4FLITE_PROXY)" if proxy is None else ""
        raise OptionError(f"{error}{source}", provider=name, argument="proxy") from None


def is_exposed(base_url: str) -> bool:
    """Return whether a checked base URL is another machine's over plain http."""
    return base_url.startswith("http:") and not is_loopback(base_url)


def warn(call: Call, *, public: bool, exposed: bool) -> None:
    """Warn if the call goes to a retired provider's public host (once a process) or sends a key over plain http.

    `public` is true if the caller named no base URL, `exposed` is what `is_exposed` returns of the call's.  The warning
    names the line of the caller.
    """
    spec = call.provider
    if public and spec.retired and call.base_url == spec.base_url.rstrip("/") and spec.name not in _warned:
        message = (
            f"{spec.name}: retired upstream since {spec.retired}; {spec.base_url} may be gone or belong to someone "
            "else.  To call a server of your own, name its base URL."
        )
        warnings.warn(message, RetiredProviderWarning, stacklevel=frames_of_ours())
        # After the warning: if a filter turns the warning into an error, the next call must raise this error again.
        _warned.add(spec.name)
    if not exposed:
        return
    # The header of the API key counts only if there is a key.
    fixed = {name: value for name, value in spec.headers.items() if "{api_key}" not in value}
    if call.api_key or any(is_secret(name, value) for name, value in {**fixed, **call.headers}.items()):
        message = (
            f"{spec.name}: a key goes to another machine over plain http, where everyone on the way can read it; "
            "use https"
        )
        warnings.warn(message, InsecureTransportWarning, stacklevel=frames_of_ours())


def route_of(
    call: Call,
    connection: "Connection",
    client: object,
    timeout: Timeout | float | None,
    retries: Retry | int | None,
) -> "Route":
    """Return the route of a call, over the caller's HTTP client or, if `client` is None, over one for the stream."""
    from ._core.routes import route_over  # noqa: PLC0415 - httpx is imported with the first call
    from ._core.transport.clients import Given, OneShot  # noqa: PLC0415

    source = OneShot(connection) if client is None else Given(client, call.base_url)
    return route_over(call, source, as_timeout(timeout), as_retry(retries))


def observers_of(observer: object) -> tuple[Any, ...]:
    """Return the observers that an argument means.  Raises `OptionError` for an object that is no observer."""
    if observer is None:
        return ()
    from ._core.hooks import as_observers  # noqa: PLC0415 - logging is imported with the first call

    return as_observers(observer)


def start(
    routes: "Sequence[Route]",
    *,
    keep_partial: bool = True,
    refused: tuple[G4fliteError, ...] = (),
    observers: tuple[Any, ...] = (),
) -> Stream:
    """Return a stream that tries these routes in order; the timer `total` of the first route runs for all of them.

    `refused` are the errors of providers that cannot be asked.
    """
    from ._core.routes import driven  # noqa: PLC0415 - httpx is imported with the first call

    return Stream(*driven(routes, keep_partial=keep_partial, refused=refused, observers=observers))


name_by_package(Client)
