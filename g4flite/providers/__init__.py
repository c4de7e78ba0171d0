"""The providers by name, and `register`, which adds a provider.

    find("openai")              # the same object as `providers.OPENAI`
    register(MY_PROVIDER)       # from now on, `stream("my-provider", ...)` works

The module of a built-in provider is imported when the provider is first used, by its name or as a constant.
"""

from collections.abc import Mapping
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
        CEREBRAS,
        DEEPSEEK,
        FIREWORKS,
        GITHUB_MODELS,
        GROQ,
        HUGGINGFACE,
        LLAMACPP,
        LMSTUDIO,
        MISTRAL,
        MOONSHOT,
        NVIDIA,
        OPENAI_COMPATIBLE,
        OPENROUTER,
        PERPLEXITY,
        POLLINATIONS,
        TOGETHER,
        VLLM,
        XAI,
        ZAI,
    )
    from .flowgpt import FLOWGPT
    from .free2gpt import FREE2GPT
    from .gemini import GEMINI
    from .gprochat import GPROCHAT
    from .ollama import OLLAMA
    from .openai import OPENAI
    from .responses import OPENAI_RESPONSES

__all__ = [
    "ANTHROPIC", "AZURE_OPENAI", "CEREBRAS", "COHERE", "CROMICLE", "DEEPSEEK", "FIREWORKS", "FLOWGPT", "FREE2GPT",
    "GEMINI", "GITHUB_MODELS", "GPROCHAT", "GROQ", "HUGGINGFACE", "LLAMACPP", "LMSTUDIO", "MISTRAL", "MOONSHOT",
    "NVIDIA", "OLLAMA", "OPENAI", "OPENAI_COMPATIBLE", "OPENAI_RESPONSES", "OPENROUTER", "PERPLEXITY", "POLLINATIONS",
    "TOGETHER", "VLLM", "XAI", "ZAI", "find", "names", "register",
]  # fmt: skip

# What to do if the messages stand in the place of the provider.
ORDER = "the provider comes first, then the messages"
# The module of each built-in provider, by the provider's name.  The constant in it has the same name in upper case.
_MODULES = {
    "openai": "openai", "openai-responses": "responses", "anthropic": "anthropic", "gemini": "gemini",
    "ollama": "ollama", "cohere": "cohere",
    **dict.fromkeys("openrouter groq deepseek mistral huggingface pollinations together xai fireworks cerebras nvidia "
                    "moonshot zai perplexity github-models azure-openai llamacpp vllm lmstudio "
                    "openai-compatible".split(), "dialects"),
    "cromicle": "cromicle", "free2gpt": "free2gpt", "gprochat": "gprochat", "flowgpt": "flowgpt",
}  # fmt: skip
# The built-in providers that were used so far, and the registered providers.
_TABLE: dict[str, Provider] = {}


def names() -> tuple[str, ...]:
    """Return the names of all providers, those of the built-in providers first."""
    return tuple(dict.fromkeys((*_MODULES, *_TABLE)))


def find(provider: str | Provider) -> Provider:
    """Return the provider of this name.  A `Provider` is returned unchanged.

    Raises `ProviderNotFoundError` for an unknown name.
    """
    if isinstance(provider, Provider):
        return provider
    if not isinstance(provider, str):
        raise ProviderNotFoundError(
            f"a provider must be a name or a Provider, not {type(provider).__name__}",
            advice=ORDER if isinstance(provider, Mapping) else "",
        )
    if provider not in _TABLE:
        if provider not in _MODULES:
            raise unknown(provider)
        # `setdefault`, because another thread may have registered a provider of this name meanwhile.
        _TABLE.setdefault(provider, _load(provider))
    return _TABLE[provider]


def unknown(word: str) -> ProviderNotFoundError:
    """Return the error for a name that no provider has; it says which name was meant, if that is known."""
    from .other_names import meant_by, provider_and_model  # noqa: PLC0415 - needed for a message only

    meant = [repr(name) for name in meant_by(word) if name in names()]
    if not meant and (found := provider_and_model(word, names())):
        name, model = found
        return ProviderNotFoundError(
            f"there is no provider {word!r}: {model!r} is a model of {name}",
            advice=f"ask {name!r}, and name the model with {{model}}",
        )
    if any(map(str.isspace, word)):
        return ProviderNotFoundError(f"there is no provider {word!r}", advice=ORDER)
    if hint := f" (did you mean {' or '.join(meant)}?)" if meant else nearest(word.lower(), names()):
        return ProviderNotFoundError(f"there is no provider {word!r}{hint}")
    return ProviderNotFoundError(f"there is no provider {word!r}; the providers are {', '.join(names())}")


def register(spec: Provider, *, replace: bool = False) -> None:
    """Make a provider available under its name.

    Raises `SpecError` if another provider has this name, unless `replace` is true.
    """
    if not isinstance(spec, Provider):
        raise SpecError(f"only a Provider can be registered, not {type(spec).__name__}")
    if spec.name in names() and not replace:
        raise SpecError("the name is taken; choose another name or pass replace=True", provider=spec.name)
    _TABLE[spec.name] = spec


def _load(name: str) -> Provider:
    """Import the module of a built-in provider, and return the provider."""
    module = import_module(f".{_MODULES[name]}", __name__)
    return getattr(module, name.upper().replace("-", "_"))  # type: ignore[no-any-return]


def __dir__() -> list[str]:
    """Return all public names, also those of constants that were not imported yet."""
    return sorted({*globals(), *__all__})


# Hidden from type checkers, which would take a misspelt name for one that it returns.
if not TYPE_CHECKING:

    def __getattr__(constant: str) -> object:
        """Import a built-in provider by the name of its constant, like `OPENAI_RESPONSES`."""
        name = constant.lower().replace("_", "-")
        if name not in _MODULES or constant != constant.upper():
            raise AttributeError(f"module {__name__!r} has no attribute {constant!r}")
        return _load(name)
