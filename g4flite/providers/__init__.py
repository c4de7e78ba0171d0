"""The providers by name: the table, written out by hand, and the way to add to it.

A provider's module is imported when it is first asked for, by name or as a constant (`providers.OPENAI`).
"""

from importlib import import_module
from typing import TYPE_CHECKING

from .._core.errors import ProviderNotFoundError, SpecError
from .._core.provider import Provider
from .._core.request import nearest

if TYPE_CHECKING:
    from .anthropic import ANTHROPIC
    from .cohere import COHERE
    from .cromicle import CROMICLE
    from .dialects import (
        AZURE_OPENAI,
        DEEPSEEK,
        GROQ,
        HUGGINGFACE,
        LLAMACPP,
        LMSTUDIO,
        MISTRAL,
        OPENROUTER,
        POLLINATIONS,
        TOGETHER,
        VLLM,
        XAI,
    )
    from .flowgpt import FLOWGPT
    from .free2gpt import FREE2GPT
    from .gemini import GEMINI
    from .gprochat import GPROCHAT
    from .ollama import OLLAMA
    from .openai import OPENAI
    from .responses import OPENAI_RESPONSES

__all__ = [
    "ANTHROPIC", "AZURE_OPENAI", "COHERE", "CROMICLE", "DEEPSEEK", "FLOWGPT", "FREE2GPT", "GEMINI", "GPROCHAT",
    "GROQ", "HUGGINGFACE", "LLAMACPP", "LMSTUDIO", "MISTRAL", "OLLAMA", "OPENAI", "OPENAI_RESPONSES", "OPENROUTER",
    "POLLINATIONS", "TOGETHER", "VLLM", "XAI", "find", "names", "register",
]  # fmt: skip

_MODULES = {  # name: the module that holds the constant of that name
    "openai": "openai", "openai-responses": "responses", "anthropic": "anthropic", "gemini": "gemini",
    "ollama": "ollama", "cohere": "cohere",
    **dict.fromkeys("openrouter groq deepseek mistral huggingface pollinations together xai azure-openai llamacpp vllm "
                    "lmstudio".split(), "dialects"),
    "cromicle": "cromicle", "free2gpt": "free2gpt", "gprochat": "gprochat", "flowgpt": "flowgpt",
}  # fmt: skip
_TABLE: dict[str, Provider] = {}  # those asked for so far, and those registered


def names() -> tuple[str, ...]:
    """The names of all providers, the built-in ones first."""
    return tuple(dict.fromkeys((*_MODULES, *_TABLE)))


def find(provider: str | Provider) -> Provider:
    """The spec of that name; a spec is returned as it is.  Raises `ProviderNotFoundError`."""
    if isinstance(provider, Provider):
        return provider
    if not isinstance(provider, str):
        raise ProviderNotFoundError(f"a provider is a name or a Provider, not {type(provider).__name__}")
    if provider not in _TABLE:
        if provider not in _MODULES:
            raise ProviderNotFoundError(
                f"there is no provider {provider!r}{nearest(provider.lower(), names())}; "
                f"the providers are {', '.join(names())}"
            )
        _TABLE.setdefault(provider, _load(provider))
    return _TABLE[provider]


def register(spec: Provider, *, replace: bool = False) -> None:
    """Makes `spec` available under its name.  Raises `SpecError` where the name is taken, unless `replace`."""
    if not isinstance(spec, Provider):
        raise SpecError(f"a provider is a Provider, not {type(spec).__name__}")
    if spec.name in names() and not replace:
        raise SpecError("the name is taken; choose another one or pass replace=True", provider=spec.name)
    _TABLE[spec.name] = spec


def _load(name: str) -> Provider:
    module = import_module(f".{_MODULES[name]}", __name__)
    return getattr(module, name.upper().replace("-", "_"))  # type: ignore[no-any-return]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(constant: str) -> object:
    name = constant.lower().replace("_", "-")
    if name not in _MODULES or constant != constant.upper():
        raise AttributeError(f"module {__name__!r} has no attribute {constant!r}")
    return _load(name)
