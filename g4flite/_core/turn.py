"""`message_of`: the turn of a stream as one message of the common form, with the state that the service wants back.

{"role": "assistant", "content": "It is 9 o'clock.", "tool_calls": [...],
 "state": {"provider": "anthropic", "host": "api.anthropic.com", "model": "claude-sonnet-4-5",
           "account": "97d1...-5e9c...", "prefix": "81b0...-74e1...-0d2f...",
           "parts": [{"reasoning": "Let me look."}, {"type": "thinking", "signature": "Er..."}, "It is 9 o'clock.", 0],
           "calls": "a02f..."}}

`parts` are the turn in order: a text is a part of the content, a number is the place of a tool call, `{"reasoning"}` is
reasoning, and any other object is the service's own, as a `TurnState` gave it.  `calls` is a digest of the tool calls.
`account` is the salted hash of the key, if the service binds the state to the account.
`state.with_states` decides whether the parts go back; the payload builder writes them in the service's form.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .errors import UsageError
from .messages import Message
from .state import account, digest_of_calls, origin, prefixes

if TYPE_CHECKING:
    from .exchange import Run


def message_of(run: "Run") -> Message:
    """Return the turn as a message.  Raises `UsageError` if the stream does not keep its text."""
    if not run.keep_partial:
        raise UsageError("the stream keeps no text with keep_partial=False, so there is no message of it")
    message: Message = {"role": "assistant", "content": run.partial}
    if run.tool_calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in run.tool_calls
        ]
    parts = list(_parts(run.partial, run.reasoning.getvalue(), len(run.tool_calls), run.states))
    # A text and calls behind it need no state: all services take them in this order.
    if any(isinstance(part, dict) or (place and isinstance(part, str)) for place, part in enumerate(parts)):
        call = run.call
        *_, before = prefixes(call)
        message["state"] = {**origin(call), "prefix": before, "parts": parts}
        if run.bound_to == "account":
            message["state"]["account"] = account(call)
        if run.tool_calls:
            message["state"]["calls"] = digest_of_calls(message["tool_calls"])
    if run.state != "complete":
        message["partial"] = True
    return message


def _parts(
    text: str, reasoning: str, calls: int, states: Iterable[tuple[int, int, int, Any]]
) -> Iterator[str | int | dict[str, Any]]:
    """Yield the parts of a turn.  Between two states, reasoning comes before text, and text before tool calls.

    Of `calls` that are complete, the places are yielded; a call that has begun may never have been completed.
    """
    said = thought = called = 0
    for text_end, reasoning_end, begun, value in (*states, (len(text), len(reasoning), calls, None)):
        if reasoning_end > thought:
            yield {"reasoning": reasoning[thought:reasoning_end]}
        if text_end > said:
            yield text[said:text_end]
        calls_end = min(begun, calls)
        yield from range(called, calls_end)
        if value is not None:
            yield value
        said, thought, called = text_end, reasoning_end, calls_end
