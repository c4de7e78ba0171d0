"""The option `reasoning_effort`, translated for the payload builders: a level, or a budget in tokens.

    level(call, {"none": "none", "low": "low", "medium": "high", "high": "high"})   # for a service that knows levels
    budget(call.options)                                                            # for a service that knows budgets

If a service knows a level only as another one, the other goes out, and `call.dropped` tells it.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from .errors import OptionError
from .takes import EFFORTS


class Question(Protocol):
    """What is read here of a `provider.Call`."""

    @property
    def model(self) -> str | None: ...
    @property
    def options(self) -> Mapping[str, Any]: ...
    @property
    def dropped(self) -> list[str]: ...


# How many tokens each level is.  These are Gemini's own numbers (ai.google.dev/gemini-api/docs/openai, 2026), and 1024
# is also the least that Anthropic takes.
BUDGETS = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}


def effort(options: Mapping[str, Any]) -> str | int | None:
    """Return the option `reasoning_effort`: a level, or a budget of tokens; None without the option.

    Raises `OptionError` for anything else, and for a budget that is not above 0.
    """
    given = options.get("reasoning_effort")
    if given is not None and (given not in EFFORTS if isinstance(given, str) else given < 1):
        raise OptionError(
            f"must be {', '.join(map(repr, EFFORTS))} or a number of tokens above 0, not {given!r}",
            argument="reasoning_effort",
            advice="[{extra} takes any field of the service]",
        )
    return given


def budget(options: Mapping[str, Any]) -> int | None:
    """Return the option `reasoning_effort` as a budget of tokens, 0 for "none"; None without the option."""
    given = effort(options)
    return BUDGETS[given] if isinstance(given, str) else given


def level(call: Question, words: Mapping[str, Any]) -> Any:
    """Return the service's word for the level of `reasoning_effort`; None without the option.

    `words` has the service's word for each level that the model takes.  If that word means another level, the text in
    `call.dropped` says so.  Raises `OptionError` for a level that is not in `words`, and for a budget.
    """
    given = effort(call.options)
    if given is None:
        return None
    if not isinstance(given, str) or given not in words:
        raise unknown_effort(call, words)
    word = words[given]
    if given != "none" and str(word).lower() != given:
        call.dropped.append(f"reasoning_effort={given!r} goes out as {word!r}, because the model knows no such level")
    return word


def unknown_effort(call: Question, known: Iterable[str]) -> OptionError:
    """Return the error of a `reasoning_effort` that the model does not take; it takes the levels `known`."""
    given = call.options["reasoning_effort"]
    what = "no budget of tokens" if isinstance(given, int) else f"no {given!r}"
    return OptionError(
        f"takes {what} with the model {call.model!r}; pass {' or '.join(map(repr, known))}",
        argument="reasoning_effort",
    )
