"""`Memory`: the state that services want back with a turn, for clients whose protocol has no place for it.

A turn with tool calls may carry signed reasoning or a signature (Gemini, Anthropic, Responses), and some models refuse
a history without it.  The client sends the turn back without its state, and the gateway puts it in again, found by the
id of the first tool call, or by what the calls say: Ollama's clients send no ids.  The core decides whether the state
still fits.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from contextlib import suppress
from hashlib import sha256
from typing import Any

from ...server.conversation import Messages
from .carry import numbered

# How many turns are remembered, how many characters the calls and the state of one may have to be, and those of all.
TURNS = 4096
SIZE = 256 * 1024
TOTAL = 64 * 2**20
# How many turns are remembered whose calls say the same.
ALIKE = 16


class Memory:
    """Turns that have a state, the oldest of which are forgotten.  Each key has turns of its own."""

    def __init__(self) -> None:
        self._turns: OrderedDict[tuple[str, str], dict[str, Any]] = OrderedDict()
        # How many characters each of them has, and all together.
        self._sizes, self._total = dict[tuple[str, str], int](), 0
        # The ids of the turns whose calls say the same, the newest last.
        self._alike: OrderedDict[tuple[str, str], list[str]] = OrderedDict()

    def keep(self, owner: str, message: dict[str, Any]) -> None:
        """Remember the tool calls and the state of a turn, as `Stream.message` has it, if they are not too large."""
        calls = message.get("tool_calls")
        if not calls or "state" not in message:
            return
        turn = {"tool_calls": calls, "state": message["state"]}
        size = SIZE + 1
        # A state may be nested too deeply to be written.
        with suppress(RecursionError):
            size = len(json.dumps(turn))
        if size > SIZE:
            return
        id_, alike = calls[0]["id"], (owner, _digest(calls))
        self._forget((owner, id_))
        self._turns[owner, id_], self._sizes[owner, id_] = turn, size
        self._total += size
        self._alike[alike] = [*self._alike.pop(alike, ()), id_][-ALIKE:]
        while len(self._turns) > TURNS or self._total > TOTAL:
            self._forget(next(iter(self._turns)))
        while len(self._alike) > TURNS:
            self._alike.popitem(last=False)

    def _forget(self, place: tuple[str, str]) -> None:
        self._turns.pop(place, None)
        self._total -= self._sizes.pop(place, 0)

    def recall(self, owner: str, messages: Messages) -> Messages:
        """Return the messages, with what is known of the turns among them.

        A turn that is known comes back as it was, if its calls say the same: some protocols write the arguments of a
        call anew, and a state belongs to the text that the model wrote.
        """
        found, ids = list[dict[str, Any]](), self._ids(owner, messages)
        for message in messages:
            if calls := message.get("tool_calls"):
                found.append(self._known(owner, {**message, "tool_calls": [_with(call, ids) for call in calls]}))
            elif message["role"] == "tool":
                found.append({**message, "tool_call_id": ids.get(message["tool_call_id"], message["tool_call_id"])})
            else:
                found.append(message)
        return found

    def _ids(self, owner: str, messages: Messages) -> dict[str, str]:
        """Return the ids that the model gave to the calls that came without one.

        The last turn of the history is the last one that is remembered with such calls, and so on.
        """
        ids, left = dict[str, str](), dict[str, list[str]]()
        for number, message in reversed([*enumerate(messages)]):
            calls = message.get("tool_calls")
            if not calls or calls[0]["id"] != numbered(number, 0):
                continue
            digest = _digest(calls)
            known = left.setdefault(digest, [*self._alike.get((owner, digest), ())])
            if known and (turn := self._turns.get((owner, known.pop()))) is not None:
                ids |= {call["id"]: one["id"] for call, one in zip(calls, turn["tool_calls"], strict=True)}
        return ids

    def _known(self, owner: str, message: dict[str, Any]) -> dict[str, Any]:
        calls = message["tool_calls"]
        known = self._turns.get((owner, calls[0]["id"]))
        if known is None or list(map(_meaning, known["tool_calls"])) != list(map(_meaning, calls)):
            return message
        self._turns.move_to_end((owner, calls[0]["id"]))
        return {**message, "tool_calls": known["tool_calls"], "state": known["state"]}


def _with(call: dict[str, Any], ids: dict[str, str]) -> dict[str, Any]:
    return {**call, "id": ids.get(call["id"], call["id"])}


def _meaning(call: dict[str, Any]) -> tuple[str, str, str]:
    """Return what two calls that say the same have in common; the arguments as a text with one order and form."""
    asked = call["function"]
    text: str = asked["arguments"]
    # What is nested almost too deeply to be read may be so to be written.
    with suppress(ValueError, RecursionError):
        text = json.dumps(json.loads(text, parse_float=_number), sort_keys=True)
    return call["id"], asked["name"], text


def _number(text: str) -> float:
    """Return a number that is written with a point: JavaScript's clients send 1.0 back as 1."""
    value = float(text)
    return int(value) if value.is_integer() else value


def _digest(calls: list[dict[str, Any]]) -> str:
    """Return a text that is the same for calls that say the same, whatever their ids."""
    return sha256(json.dumps([_meaning(call)[1:] for call in calls]).encode()).hexdigest()
