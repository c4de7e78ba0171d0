"""From a call to the routes of a stream: how to connect, how patient to be, and what to warn of."""

import os
import warnings
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ._core.errors import InsecureTransportWarning, OptionError, RetiredProviderWarning
from ._core.headers import check_proxy, is_loopback, is_secret
from ._core.provider import Call
from ._core.request import rehearse
from ._core.retry import Retry, as_retry
from ._core.settings import Timeout, as_timeout
from ._core.stream import Stream

if TYPE_CHECKING:
    from ._core.run import Route
    from ._core.transport.clients import Connection

_warned: set[str] = set()  # retired providers whose public host was called in this process


def resolve(
    call: Call, proxy: str | None, verify: object, transport: str | None = None, client: object = None
) -> "Connection":
    """How to connect, checked: the proxy's URL is the argument, else G4FLITE_PROXY.  Raises `OptionError`."""
    import ssl  # noqa: PLC0415 - imported with the first call

    from ._core.transport.clients import Connection  # noqa: PLC0415

    spec = call.provider
    if client is not None and (proxy, verify, transport) != (None, None, None):
        raise OptionError(
            "proxy=, verify= and transport= are for a client made here; set them on client=", provider=spec.name
        )
    check_transport(transport, spec.name)
    if verify is not None and not isinstance(verify, ssl.SSLContext):
        raise OptionError(
            "verify is an ssl.SSLContext, like ssl.create_default_context(cafile=...); TLS is always verified",
            provider=spec.name,
        )
    environment = None if client is not None else os.environ.get("G4FLITE_PROXY") or None
    chosen = proxy if proxy is not None else environment
    try:
        return Connection(call.base_url, None if chosen is None else check_proxy(chosen), verify, transport or "httpx")
    except ValueError as error:
        source = " (from G4FLITE_PROXY)" if proxy is None else ""
        raise OptionError(f"{error}{source}", provider=spec.name) from None


def check_transport(transport: object, provider: str) -> None:
    """Refuses a transport that is unknown or not installed."""
    if transport not in (None, "httpx", "aiohttp"):
        raise OptionError(f'transport is "httpx" or "aiohttp", not {transport!r}', provider=provider)
    if transport == "aiohttp":
        from importlib.util import find_spec  # noqa: PLC0415 - of no use to who asks for nothing

        if find_spec("httpx_aiohttp") is None:
            raise OptionError(
                'transport="aiohttp" needs a package; install it with: pip install httpx-aiohttp, or g4flite[aiohttp]',
                provider=provider,
            )


def warn(call: Call, *, public: bool, stacklevel: int = 3) -> None:
    """Warns of a retired provider's public host (once a process), and of a key that goes over plain http."""
    spec = call.provider
    if public and spec.retired and call.base_url == spec.base_url.rstrip("/") and spec.name not in _warned:
        message = (
            f"{spec.name}: retired upstream since {spec.retired}; {spec.base_url} may be gone or belong to someone "
            "else.  Pass base_url= to call a server of your own."
        )
        warnings.warn(message, RetiredProviderWarning, stacklevel=stacklevel)
        _warned.add(spec.name)  # not where the warning is made an error
    if not call.base_url.startswith("http:") or is_loopback(call.base_url):
        return
    fixed = {name: value for name, value in spec.headers.items() if "{api_key}" not in value}
    if call.api_key or any(is_secret(name, value) for name, value in {**fixed, **call.headers}.items()):
        message = f"{spec.name}: a key goes to another machine over plain http, for all in between to read; use https"
        warnings.warn(message, InsecureTransportWarning, stacklevel=stacklevel)


def route(
    call: Call,
    connection: "Connection",
    client: object,
    timeout: Timeout | float | None,
    retries: Retry | int | None,
) -> "Route":
    """The way to one provider, over the caller's client or one made for the stream."""
    from ._core.run import Route  # noqa: PLC0415
    from ._core.transport.clients import Given, OneShot  # noqa: PLC0415 - httpx is imported with the first call

    source = OneShot(connection) if client is None else Given(client)
    return Route(call, source, as_timeout(timeout), as_retry(retries), rehearse(call))


def start(routes: "Sequence[Route]", *, keep_partial: bool = True) -> Stream:
    """A stream over these routes; the `total` of the first one counts for all."""
    from ._core.run import Run  # noqa: PLC0415 - logging is imported with the first call
    from ._core.timers import Timers  # noqa: PLC0415

    run = Run(tuple(routes), Timers(routes[0].timeout))
    if not keep_partial:
        run.texts = run.reasoning = deque(maxlen=0)
    return Stream(run)
