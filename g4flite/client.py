"""`stream()`, one call, and `Client`, the pooled form for many.

    for chunk in stream("cromicle", "Hello"): ...
    async for chunk in stream("cromicle", "Hello"): ...     # the same call: asyncio or trio

Both check their arguments, build the first request, and return a lazy `Stream`.  A stream has a `Route` for each
provider that may be asked: the call, what it is sent over, and how patient it is.
"""

import os
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, Union

from . import providers
from ._core.errors import (
    InsecureTransportWarning,
    ModelNotFoundError,
    OptionError,
    ProviderNotFoundError,
    RetiredProviderWarning,
)
from ._core.headers import is_secret
from ._core.provider import Call, Provider
from ._core.request import check_mapping, first_request, make_call, merged, request_for_attempt
from ._core.settings import Retry, Timeout, as_retry, as_timeout
from ._core.stream import Stream
from ._core.urls import check_proxy, is_loopback

if TYPE_CHECKING:
    import ssl

    import httpx
    import httpx2  # type: ignore[import-not-found, unused-ignore]  # of use to those who have it

    from ._core.exchange import Route, Source
    from ._core.transport.clients import Connection

HttpClient: TypeAlias = "httpx.Client | httpx.AsyncClient | httpx2.Client | httpx2.AsyncClient"
Messages: TypeAlias = str | Sequence[Mapping[str, Any]]
Providers: TypeAlias = Union[str, Provider, "Client"]

# The retired providers whose public host this process has been warned of.
_warned: set[str] = set()


def stream(
    provider: Providers | Sequence[Providers],
    messages: Messages,
    *,
    model: str | None = None,
    api_key: str | None = None,
    base_url: str | None = None,
    proxy: str | None = None,
    headers: Mapping[str, str] | None = None,
    client: "HttpClient | None" = None,
    timeout: Timeout | float | None = None,
    retries: Retry | int | None = None,
    verify: "ssl.SSLContext | None" = None,
    transport: Literal["httpx", "aiohttp"] | None = None,
    extra: Mapping[str, Any] | None = None,
    keep_partial: bool = True,
    **options: Any,
) -> Stream:
    """Return a `Stream` of the answer: the same call for `for` and for `async for` (asyncio and trio).

    `provider` is a name, a `Provider`, a `Client` with settings of its own, or a list of these.  The next one of a list
    is asked if one has failed for good before its first text; one that lacks the model is passed over.  `messages` is a
    string (one user message) or a list in the OpenAI form: `{"role": str, "content": str}` with the roles system,
    developer, user, assistant and tool.  `content` may be a list of text and image parts, an assistant message may hold
    `tool_calls`, a tool message answers the call of its `tool_call_id`.

    - `model` is one of the provider's, or an alias; None is its default, if it has one.
    - `api_key` travels in a header; without it, the provider's own variable counts, like OPENAI_API_KEY.
    - `base_url` replaces the public one, as the vendor's own client means it; without it, the variable
      G4FLITE_<PROVIDER>_BASE_URL counts, and the vendor's own, like OPENAI_BASE_URL.
    - `proxy` is a URL of the scheme http, https, socks5 or socks5h; without it, G4FLITE_PROXY.
    - `headers` are added to the provider's own, and win over them; if several providers are named, to those of each.
    - `client` is a live client of the caller's, httpx's or httpx2's, which is never closed here.
    - `timeout` is a `Timeout`, or a number of seconds for the whole; None is a `Client`'s own, else `Timeout()`.
    - `retries` is how often an attempt that failed before its first text is made again, or a `Retry`; None is a
      `Client`'s own, else 2.
    - `verify` is the TLS context, for private certificates.
    - `transport` is "httpx", or "aiohttp" for less CPU in an `async for` on asyncio.
    - `extra` goes into the payload as it is, for a field that has no option here; an object goes into the object of
      its name.
    - `keep_partial=False` keeps no text and no reasoning, for an answer larger than memory: `.partial` stays empty.
    - `options` are those that the provider takes, by common names: temperature, max_tokens, top_p, stop, seed, tools,
      tool_choice, response_format; None leaves an option out.

    Raises, before any socket: `ProviderNotFoundError`, `ModelNotFoundError`, `MessagesError`, `OptionError`.
    Warns if the public host of a retired provider would be called (once a process, `RetiredProviderWarning`), and if a
    key would go over plain http to another machine (`InsecureTransportWarning`).
    """
    one = isinstance(provider, str | Provider | Client) or not isinstance(provider, Sequence)
    listed: Sequence[Any] = [provider] if one else list(provider)  # type: ignore[arg-type]  # mypy misses the last test
    own = (base_url, proxy, client, verify, transport)
    if listed and all(isinstance(item, Client) for item in listed) and own != (None,) * 5:
        raise OptionError(
            "base_url=, proxy=, client=, verify= and transport= are settings of the Client; set them there"
        )
    if not listed:
        raise ProviderNotFoundError("there are no providers in the list; name at least one")
    if api_key is not None and (len(listed) > 1 or isinstance(listed[0], Client)):
        raise OptionError("api_key= belongs to one provider; set it in its Client, or in its environment variable")
    routes: list[Route] = []
    lacking: list[ModelNotFoundError] = []
    for item in listed:
        try:
            if isinstance(item, Client):
                routes.append(item._route(messages, model, headers, timeout, retries, extra, options))
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
            )
            connection = resolve_connection(call, proxy, verify, transport, client)
            routes.append(route_of(call, connection, client, timeout, retries))
            warn(call, public=base_url is None)
        except ModelNotFoundError as error:
            lacking.append(error)
    if not routes:
        raise lacking[0] if len(lacking) == 1 else ModelNotFoundError("; ".join(map(str, lacking)))
    return start(routes, keep_partial=keep_partial)


class Client:
    """One provider and its settings, with a pool of connections that its streams share, from any thread.

    Arguments as for `stream`; those of a call win over the client's.  The pool is made with the first iteration, and
    closed by `with` or `close()` after `for`, by `async with` or `aclose()` after `async for`.

        with g4flite.Client("flowgpt", proxy="http://127.0.0.1:3128") as client:
            for chunk in client.stream("Hello"):
                print(chunk, end="")

    Raises as `stream` does; a closed client raises `UsageError`.
    """

    def __init__(
        self,
        provider: str | Provider,
        *,
        model: str | None = None,
        api_key: str | None = None,
        base_url: str | None = None,
        proxy: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: Timeout | float | None = None,
        retries: Retry | int = 2,
        verify: "ssl.SSLContext | None" = None,
        transport: Literal["httpx", "aiohttp"] | None = None,
        extra: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        self._call = make_call(
            providers.find(provider),
            "",
            model=model,
            base_url=base_url,
            headers=headers,
            options=options,
            api_key=api_key,
            extra=extra,
        )
        self._public = base_url is None
        self._timeout, self._retry = as_timeout(timeout), as_retry(retries)
        connection = resolve_connection(self._call, proxy, verify, transport)
        from ._core.transport.clients import Pool  # noqa: PLC0415 - httpx is imported with the first client

        self._pool = Pool(connection)

    def stream(
        self,
        messages: Messages,
        *,
        model: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: Timeout | float | None = None,
        retries: Retry | int | None = None,
        extra: Mapping[str, Any] | None = None,
        keep_partial: bool = True,
        **options: Any,
    ) -> Stream:
        """Return a `Stream` of the answer, over the client's pool."""
        one = self._route(messages, model, headers, timeout, retries, extra, options)
        return start([one], keep_partial=keep_partial)

    def _route(
        self,
        messages: Messages,
        model: str | None,
        headers: Mapping[str, str] | None,
        timeout: Timeout | float | None,
        retries: Retry | int | None,
        extra: Mapping[str, Any] | None,
        options: Mapping[str, Any],
    ) -> "Route":
        own = self._call
        call = make_call(
            own.provider,
            messages,
            model=own.model if model is None else model,
            base_url=own.base_url,
            headers={**own.headers, **check_mapping(headers)},
            options={**own.options, **options},
            api_key=own.api_key or None,
            extra=merged(own.extra, check_mapping(extra, "extra is a mapping of fields to values")),
        )
        route = _route_over(
            call,
            self._pool,
            self._timeout if timeout is None else as_timeout(timeout),
            self._retry if retries is None else as_retry(retries),
        )
        warn(call, public=self._public, stacklevel=4)
        return route

    def close(self) -> None:
        """Close the pool after `for`.  Raises `TypeError` after `async for`, which needs `aclose()`."""
        self._pool.close()

    async def aclose(self) -> None:
        """Close the pool."""
        await self._pool.aclose()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<Client of {self._call.provider.name}: {'closed' if self._pool.closed else 'open'}>"


def resolve_connection(
    call: Call, proxy: str | None, verify: object, transport: str | None = None, client: object = None
) -> "Connection":
    """Return how to connect, checked: the proxy is the argument, else G4FLITE_PROXY.  Raises `OptionError`."""
    import ssl  # noqa: PLC0415 - imported with the first call

    from ._core.transport.clients import Connection  # noqa: PLC0415 - httpx is imported with the first call

    name = call.provider.name
    if client is not None and (proxy, verify, transport) != (None, None, None):
        raise OptionError(
            "proxy=, verify= and transport= are for a client made here; set them on client=", provider=name
        )
    check_transport(transport, name)
    if verify is not None and not isinstance(verify, ssl.SSLContext):
        raise OptionError(
            "verify is an ssl.SSLContext, like ssl.create_default_context(cafile=...); TLS is always verified",
            provider=name,
        )
    environment = None if client is not None else os.environ.get("G4FLITE_PROXY") or None
    chosen = proxy if proxy is not None else environment
    try:
        return Connection(call.base_url, None if chosen is None else check_proxy(chosen), verify, transport or "httpx")
    except ValueError as error:
        source = " (from G4FLITE_PROXY)" if proxy is None else ""
        raise OptionError(f"{error}{source}", provider=name) from None


def check_transport(transport: object, provider: str) -> None:
    """Raise `OptionError` for a transport that is unknown or not installed."""
    if transport not in (None, "httpx", "aiohttp"):
        raise OptionError(f'transport is "httpx" or "aiohttp", not {transport!r}', provider=provider)
    if transport == "aiohttp":
        from importlib.util import find_spec  # noqa: PLC0415 - needed for this transport only

        if find_spec("httpx_aiohttp") is None:
            raise OptionError(
                'transport="aiohttp" needs a package; install it with: pip install httpx-aiohttp, or g4flite[aiohttp]',
                provider=provider,
            )


def warn(call: Call, *, public: bool, stacklevel: int = 3) -> None:
    """Warn of a retired provider's public host (once a process), and of a key that goes over plain http.

    `public`: the caller named no base URL.
    """
    spec = call.provider
    if public and spec.retired and call.base_url == spec.base_url.rstrip("/") and spec.name not in _warned:
        message = (
            f"{spec.name}: retired upstream since {spec.retired}; {spec.base_url} may be gone or belong to someone "
            "else.  Pass base_url= to call a server of your own."
        )
        warnings.warn(message, RetiredProviderWarning, stacklevel=stacklevel)
        # Only now: if the warning is made an error, the next call has to raise it again.
        _warned.add(spec.name)
    if not call.base_url.startswith("http:") or is_loopback(call.base_url):
        return
    fixed = {name: value for name, value in spec.headers.items() if "{api_key}" not in value}
    if call.api_key or any(is_secret(name, value) for name, value in {**fixed, **call.headers}.items()):
        message = f"{spec.name}: a key goes to another machine over plain http, for all in between to read; use https"
        warnings.warn(message, InsecureTransportWarning, stacklevel=stacklevel)


def route_of(
    call: Call,
    connection: "Connection",
    client: object,
    timeout: Timeout | float | None,
    retries: Retry | int | None,
) -> "Route":
    """Return the way to one provider, over the caller's client or a client made for the stream."""
    from ._core.transport.clients import Given, OneShot  # noqa: PLC0415 - httpx is imported with the first call

    source = OneShot(connection) if client is None else Given(client)
    return _route_over(call, source, as_timeout(timeout), as_retry(retries))


def _route_over(call: Call, source: "Source", timeout: Timeout, retry: Retry) -> "Route":
    from ._core.exchange import Route  # noqa: PLC0415 - logging is imported with the first call

    return Route(call, source, timeout, retry, partial(request_for_attempt, call, first_request(call)))


def start(routes: "Sequence[Route]", *, keep_partial: bool = True) -> Stream:
    """Return a stream over these routes; the `total` of the first one counts for all."""
    from ._core.exchange import Run  # noqa: PLC0415 - logging is imported with the first call
    from ._core.timers import Timers  # noqa: PLC0415

    return Stream(Run(tuple(routes), Timers(routes[0].timeout), keep_partial))
