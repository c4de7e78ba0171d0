"""`Memory`: the state that services want back with a turn, for clients whose protocol has no place for it.

A turn with tool calls may carry signed reasoning or a signature (Gemini, Anthropic, Responses), and some models refuse
a history without it.  The client sends the turn back without its state, and the gateway puts it in again, found by the
id of the first tool call.  The core decides whether the state still fits.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import Any

from ...server.conversation import Messages

# How many turns are remembered, and how many characters a state may have to be.
TURNS = 4096
SIZE = 256 * 1024


class Memory:
    """Turns that have a state, the oldest of which are forgotten.  Each key has turns of its own."""

    def __init__(self) -> None:
        self._turns: OrderedDict[tuple[str, str], dict[str, Any]] = OrderedDict()

    def keep(self, owner: str, message: dict[str, Any]) -> None:
        """Remember a turn, as `Stream.message` has it, if it has tool calls and a state that is not too large."""
        calls = message.get("tool_calls")
        if not calls or "state" not in message or len(json.dumps(message["state"])) > SIZE:
            return
        self._turns[owner, calls[0]["id"]] = message
        while len(self._turns) > TURNS:
            self._turns.popitem(last=False)

    def recall(self, owner: str, messages: Messages) -> Messages:
        """Return the messages, with what is known of the turns among them.

        A turn that is known comes back as it was, if its calls say the same: some protocols write the arguments of a
        call anew, and a state belongs to the text that the model wrote.
        """
        return [self._known(owner, message) if message.get("tool_calls") else message for message in messages]

    def _known(self, owner: str, message: dict[str, Any]) -> dict[str, Any]:
        calls = message["tool_calls"]
        known = self._turns.get((owner, calls[0]["id"]))
        if known is None or list(map(_meaning, known["tool_calls"])) != list(map(_meaning, calls)):
            return message
        self._turns.move_to_end((owner, calls[0]["id"]))
        return {**message, "tool_calls": known["tool_calls"], "state": known["state"]}


def _meaning(call: dict[str, Any]) -> tuple[str, str, Any]:
    """Return what two calls that say the same have in common."""
    asked = call["function"]
    try:
        arguments = json.loads(asked["arguments"])
    except ValueError:
        arguments = asked["arguments"]
    return call["id"], asked["name"], arguments
