"""`stream()`, one call, and `Client`, the pooled form for many."""

import os
import warnings
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from . import providers
from ._checks import check_proxy
from ._errors import OptionError, RetiredProviderWarning
from ._request import make_call
from ._spec import Call, Provider
from ._stream import Stream

if TYPE_CHECKING:
    import httpx

_warned: set[str] = set()  # retired providers whose public host was called in this process


def stream(
    provider: str | Provider,
    messages: str | Sequence[Mapping[str, Any]],
    *,
    model: str | None = None,
    base_url: str | None = None,
    proxy: str | None = None,
    headers: Mapping[str, str] | None = None,
    client: "httpx.Client | httpx.AsyncClient | None" = None,
    timeout: float | None = None,
    **options: Any,
) -> Stream:
    """A `Stream` of the answer: the same call for `for` and for `async for` (asyncio and trio).

    `provider` is a name or a `Provider`; `messages` a list of `{"role": str, "content": str}` or a string (one user
    message); `content` may be a list of text parts.  `model` is one of the provider's, or an alias; None is its
    default.  `base_url` replaces the scheme and host (and may carry a path) of the public service, `proxy` is a URL of
    the scheme http, https, socks5 or socks5h, `headers` are added to the provider's own and win over them.  `client` is
    a live httpx client of the caller's, which is never closed here.  `timeout` is the seconds that may pass without a
    byte (None: 60).  `options` are the provider's own, like `temperature`; None leaves one out.

    Without `base_url`, the variable G4FLITE_<PROVIDER>_BASE_URL counts, and without `proxy`, G4FLITE_PROXY.

    Raises, before any socket: `ProviderNotFoundError`, `ModelNotFoundError`, `MessagesError`, `OptionError`.
    Warns once a process (`RetiredProviderWarning`) where the public host of a retired provider would be called.
    """
    spec = providers.find(provider)
    call = make_call(spec, messages, model=model, base_url=base_url, headers=headers, options=options)
    if base_url is None:
        warn_if_retired(call)
    proxy = resolve_proxy(spec, proxy, client)
    from ._pool import Given, OneShot  # noqa: PLC0415 - httpx is imported with the first call

    return Stream(call, OneShot(call.base_url, proxy) if client is None else Given(client), timeout)


def resolve_proxy(spec: Provider, proxy: str | None, client: object = None) -> str | None:
    """The argument, else G4FLITE_PROXY, else None.  Raises `OptionError`, which quotes no URL."""
    if client is not None and proxy is not None:
        raise OptionError("proxy= is for a client made here; set it on the client= instead", provider=spec.name)
    chosen = proxy if proxy is not None else os.environ.get("G4FLITE_PROXY") or None
    try:
        return None if chosen is None else check_proxy(chosen)
    except ValueError as error:
        source = " (from G4FLITE_PROXY)" if proxy is None else ""
        raise OptionError(f"{error}{source}", provider=spec.name) from None


def warn_if_retired(call: Call) -> None:
    """Warns, once a process and provider, where the call goes to the public host of a service that is gone."""
    spec = call.provider
    if spec.retired and call.base_url == spec.base_url.rstrip("/") and spec.name not in _warned:
        _warned.add(spec.name)
        message = (
            f"{spec.name}: retired upstream since {spec.retired}; {spec.base_url} may be gone or belong to someone "
            "else.  Pass base_url= to call a server of your own."
        )
        warnings.warn(message, RetiredProviderWarning, stacklevel=3)


class Client:
    """One provider and its settings, with a pool of connections that its streams share.

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
        base_url: str | None = None,
        proxy: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **options: Any,
    ) -> None:
        spec = providers.find(provider)
        self._call = make_call(spec, "", model=model, base_url=base_url, headers=headers, options=options)
        self._public = base_url is None
        self._timeout = timeout
        proxy = resolve_proxy(spec, proxy)
        from ._pool import Pool  # noqa: PLC0415 - httpx is imported with the first client

        self._pool = Pool(self._call.base_url, proxy)

    def stream(
        self,
        messages: str | Sequence[Mapping[str, Any]],
        *,
        model: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **options: Any,
    ) -> Stream:
        """A `Stream` of the answer, over the client's pool."""
        own = self._call
        call = make_call(
            own.provider,
            messages,
            model=own.model if model is None else model,
            base_url=own.base_url,
            headers={**own.headers, **(headers or {})},
            options={**own.options, **options},
        )
        if self._public:
            warn_if_retired(call)
        return Stream(call, self._pool, self._timeout if timeout is None else timeout)

    def close(self) -> None:
        """Closes the pool after `for`.  Raises `TypeError` after `async for`, which needs `aclose()`."""
        self._pool.close()

    async def aclose(self) -> None:
        """Closes the pool."""
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
