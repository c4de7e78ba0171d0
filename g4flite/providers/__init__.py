"""The providers by name: the table, written out by hand, and the way to add to it.

A provider's module is imported when it is first asked for, by name or as a constant (`providers.OPENAI`).  A vendored
copy may lack any of them: the providers that are left are those of `names()`, `__all__` and `dir()`.
"""

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from .._errors import ProviderNotFoundError, SpecError
from .._request import nearest
from .._spec import Provider

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
_BASES = {"responses": "openai", "dialects": "openai"}  # a module: the one whose specs its own are made from
_TABLE: dict[str, Provider] = {}  # those asked for so far, and those registered


def names() -> tuple[str, ...]:
    """The names of all providers, the built-in ones first, less those whose files a vendored copy lacks."""
    return tuple(dict.fromkeys((*_here(), *_TABLE)))


def find(provider: str | Provider) -> Provider:
    """The spec of that name; a spec is returned as it is.

    Raises `ProviderNotFoundError`: there is no such name, or this copy lacks the file.
    """
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


@cache
def _here() -> tuple[str, ...]:
    """The names of the built-in providers whose files are here; none of them is imported."""
    from importlib.util import find_spec  # noqa: PLC0415 - of no use to who asks for one by its name

    lacking = {module for module in _MODULES.values() if find_spec(f".{module}", __name__) is None}
    return tuple(name for name, module in _MODULES.items() if not {module, _BASES.get(module)} & lacking)


def _load(name: str) -> Provider:
    """The built-in provider.  Raises `ProviderNotFoundError` where this copy lacks its file, or the one it needs."""
    try:
        module = import_module(f".{_MODULES[name]}", __name__)
    except ModuleNotFoundError as error:
        package, _, lacking = (error.name or "").rpartition(".")
        if package != __name__:
            raise
        raise ProviderNotFoundError(lacks(f"providers/{lacking}.py"), provider=name) from None
    return getattr(module, _constant(name))  # type: ignore[no-any-return]


def lacks(file: str) -> str:
    """What to type where a vendored copy lacks a file."""
    from pathlib import Path  # noqa: PLC0415 - needed for a message only
    from shlex import quote  # noqa: PLC0415

    whole = f"g4flite vendor {quote(str(Path(__path__[0]).parent))}"
    return f"this copy lacks {file}; to have all files of the copy back, type: {whole}"


def _constant(name: str) -> str:
    return name.upper().replace("-", "_")


def __dir__() -> list[str]:
    return sorted({*globals(), *map(_constant, _here())})


def __getattr__(constant: str) -> object:
    if constant == "__all__":  # asked for by `import *`, which fails for a name that is not there
        return [*sorted(map(_constant, _here())), "find", "names", "register"]
    name = constant.lower().replace("_", "-")
    if name not in _MODULES or constant != constant.upper():
        raise AttributeError(f"module {__name__!r} has no attribute {constant!r}")
    try:
        return _load(name)
    except ProviderNotFoundError as error:
        raise AttributeError(str(error)) from None
