"""What a provider is, in a guide and in a row of the table: by its own docstrings, and the facts of its spec."""

from collections.abc import Iterator

from .._core.options import OPTIONS
from .._core.provider import Provider
from .._core.request import resolve_model
from .._core.urls import is_loopback
from . import guide_facts as facts
from .guide_words import history, listed, wire


def description(spec: Provider) -> Iterator[str]:
    """What the provider is, by its own docstrings, and the facts of its spec."""
    yield f"The provider `{spec.name}` streams the answer of a chat model."
    yield from history(spec)
    carries = [kind for kind, taken in facts.carried(spec).items() if taken]
    refuses = [kind for kind in facts.KINDS if kind not in carries]
    refusal = f"; refused: {listed(refuses)}" if refuses else ""
    lines = {
        "Wire": wire(spec),
        "Endpoint": f"`POST {facts.endpoint(spec)}`",
        "Status": status(spec),
        "Key": key(spec),
        "Models": "; ".join(filter(None, (models(spec), aliases(spec)))),
        "Options": ", ".join(f"`{name}`" for name in spec.options) or "none",
        "Messages": f"{listed(['text', *carries], 'and')}{refusal}",
    }
    yield "\n".join(f"- **{name}:** {fact}" for name, fact in lines.items())


def status(spec: Provider) -> str:
    """Whether there is a public service."""
    if spec.retired:
        return (
            f"retired upstream since {spec.retired}: its public host may be gone or belong to someone else, so "
            "`base_url=` names a server of your own, or the emulator"
        )
    if not spec.base_url:
        return "a public service, at an address of each customer's own"
    return "a server of your own, on this machine" if is_loopback(spec.base_url) else "a public service"


def key(spec: Provider) -> str:
    """Where the key comes from."""
    if not facts.key_headers(spec):
        return "none"
    variables = listed([f"`{name}`" for name in spec.key_variables])
    if spec.key_variables and spec.key_needed:
        return variables
    return f"{variables or '`api_key=`'}, where the server wants one"


def models(spec: Provider, shown: int | None = None) -> str:
    """The models, the default one first; all of them, or so many."""
    default = resolve_model(spec, None)
    if spec.models:
        names = [f"`{name}`" for name in dict.fromkeys((default, *spec.models))]
        hidden = len(names) - shown if shown else 0
        return ", ".join([*names[:shown], f"{hidden} more"] if hidden > 1 else names)
    if default is not None:
        return f"any; `{default}` where none is named"
    return "any, named with `model=`" if facts.needs_model(spec) else "any, or none"


def aliases(spec: Provider) -> str:
    """What other names mean."""
    return "; ".join(f"`{alias}` means `{model}`" for alias, model in spec.aliases.items())


def options(spec: Provider) -> str:
    """The options by name; empty where there are none."""
    missing = [f"`{name}`" for name in OPTIONS if name not in spec.options]
    if spec.options.keys() <= OPTIONS.keys() and len(missing) < len(OPTIONS) / 2:
        return f"all but {', '.join(missing)}" if missing else "all"
    return ", ".join(f"`{name}`" for name in spec.options)


def row(spec: Provider) -> tuple[str, ...]:
    """The cells of the table: the name, the wire, where the key comes from, the models, the options."""
    return f"`{spec.name}`", wire(spec), key(spec), models(spec, 3), options(spec)
