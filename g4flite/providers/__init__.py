"""The providers by name: the table, written out by hand, and the way to add to it."""

from .._errors import ProviderNotFoundError, SpecError
from .._request import nearest
from .._spec import Provider
from .cromicle import CROMICLE
from .flowgpt import FLOWGPT
from .free2gpt import FREE2GPT
from .gprochat import GPROCHAT

__all__ = ["CROMICLE", "FLOWGPT", "FREE2GPT", "GPROCHAT", "find", "names", "register"]

_TABLE = {
    "cromicle": CROMICLE,
    "free2gpt": FREE2GPT,
    "gprochat": GPROCHAT,
    "flowgpt": FLOWGPT,
}


def names() -> tuple[str, ...]:
    """The names of all providers, the built-in ones first."""
    return tuple(_TABLE)


def find(provider: str | Provider) -> Provider:
    """The spec of that name; a spec is returned as it is.  Raises `ProviderNotFoundError`."""
    if isinstance(provider, Provider):
        return provider
    if not isinstance(provider, str):
        raise ProviderNotFoundError(f"a provider is a name or a Provider, not {type(provider).__name__}")
    if provider not in _TABLE:
        raise ProviderNotFoundError(
            f"there is no provider {provider!r}{nearest(provider, names())}; the providers are {', '.join(_TABLE)}"
        )
    return _TABLE[provider]


def register(spec: Provider, *, replace: bool = False) -> None:
    """Makes `spec` available under its name.  Raises `SpecError` where the name is taken, unless `replace`."""
    if not isinstance(spec, Provider):
        raise SpecError(f"a provider is a Provider, not {type(spec).__name__}")
    if spec.name in _TABLE and not replace:
        raise SpecError("the name is taken; choose another one or pass replace=True", provider=spec.name)
    _TABLE[spec.name] = spec
