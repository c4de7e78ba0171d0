"""`check_refused`: raises an error for an option that a service is known to refuse, before any socket is opened.

    check_refused(call.model, call.options, call.extra, call.messages, TAKES)       # in a payload builder

`TAKES.refused` is the service's table of rules.
"""

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .errors import OptionError
from .takes import Refused, Takes

if TYPE_CHECKING:
    from .effort import Question

# The options that no service takes below zero (OpenAI's 400 `decimal_below_min_value`; recorded, 2026).
AMOUNTS = ("temperature", "max_tokens", "top_p")
# The fields of `extra` that stand for messages that are not read here: in place of the caller's, or before them.
ELSEWHERE = ("messages", "input", "previous_response_id", "conversation", "prompt")


def check_refused(
    model: str | None,
    options: Mapping[str, Any],
    extra: Mapping[str, Any],
    messages: Iterable[Mapping[str, Any]],
    takes: Takes,
    thinking: object = None,
) -> None:
    """Raise `OptionError` for an option that the service is known to refuse for this model and these messages.

    `thinking` is the field of that name which the payload has.  A field of `extra` is not looked at, but for those that
    say whether the model thinks: `extra` is the caller's way past these rules.
    """
    thinking = extra.get("thinking", thinking)
    # Most calls give no option, and the rules are many.
    if not options and thinking is None:
        return
    given = {**options, "thinking": thinking}
    for name in () if takes.negatives else AMOUNTS:
        if isinstance(options.get(name), int | float) and options[name] < 0:
            raise OptionError(f"{name}={options[name]!r} is below zero, which the service refuses; pass 0 or more")
    reasoning = extra.get("reasoning")
    effort = reasoning.get("effort") if isinstance(reasoning, Mapping) else None
    effort = extra.get("reasoning_effort", effort or options.get("reasoning_effort"))
    for rule in takes.refused:
        # Most rules are about an option that is not given.
        if given.get(rule.option) is None or effort in rule.idle or not _concerns(rule, given):
            continue
        if not re.fullmatch(rule.models, model or ""):
            continue
        what = f"{rule.option}={_kind_of(given[rule.option])!r}"
        if not rule.unsaid:
            raise OptionError(f"{what}{_why(rule, model)}")
        said = any(rule.unsaid in str(message).lower() for message in messages)
        if not said and extra.keys().isdisjoint(ELSEWHERE):
            raise OptionError(
                f"{what} is refused unless a message has the word {rule.unsaid!r}; say in a message that the answer is "
                f"to be {rule.unsaid.upper()}"
            )


def check_effort(call: "Question", takes: Takes) -> None:
    """Raise `OptionError` for a `reasoning_effort` that the model refuses, before anything is made of it.

    Whoever translates the option knows the service's levels, but not those that this model takes.
    """
    if (given := call.options.get("reasoning_effort")) is not None:
        check_refused(call.model, {"reasoning_effort": given}, {}, (), takes)


def _concerns(rule: Refused, given: Mapping[str, Any]) -> bool:
    """Return whether a rule forbids one of the given options, to some model and some messages."""
    value = _kind_of(given.get(rule.option))
    # False asks for nothing.
    if value is None or value is False or (value not in rule.values if rule.values else value in rule.but):
        return False
    if rule.beside and given.get(rule.beside) in (None, [], ()):
        return False
    return not rule.thinking or _kind_of(given["thinking"]) in rule.thinking


def _kind_of(value: Any) -> Any:
    """Return the `type` of a mapping, and any other value as it is."""
    return value.get("type") if isinstance(value, Mapping) else value


def _why(rule: Refused, model: str | None) -> str:
    """Return the end of the message about an option that the service refuses, whatever the messages say."""
    beside = f" together with {rule.beside}=" if rule.beside else ""
    thought = " while it thinks" if rule.thinking or rule.idle else ""
    advice = f"leave {'one of them' if beside else 'it'} out"
    instead = [*map(repr, () if beside else rule.but), *(["reasoning_effort='none'"] if rule.idle else [])]
    if instead:
        advice += f", or pass {' or '.join(instead)}"
    return f"{beside} is refused by the model {model!r}{thought}; {advice}"
