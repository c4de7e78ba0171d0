"""A conversation as frozen data, and what a line typed into it asks for.  No I/O."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from ... import providers
from ..._core.errors import UsageError
from ..._core.messages import Message, normalise
from ..._core.request import nearest, resolve_model

HELP = '''\
/model [NAME]     asks this model from now on
/provider [NAME]  asks this provider, without the flags that were meant for the last one
/system [TEXT]    says this before the conversation; - takes it away
/retry            asks the last question again, in place of its answer
/save FILE        writes the messages, one JSON object a line, over what the file holds
/load FILE        goes on from such a file, in place of this conversation
/help             prints this
Lines between two lines of """ are one message; a space before / makes a line no command.
Ctrl-C stops an answer and keeps what came, or clears the line; Ctrl-D leaves.'''
COMMANDS = re.findall(r"^/\w+", HELP, re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Conversation:
    """Whom to ask, and what was said: `turns`, and `pending`, the question that has no answer, if there is one."""

    provider: str
    model: str | None = None
    system: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)  # the other arguments of `stream()`
    turns: tuple[Message, ...] = ()
    pending: tuple[Message, ...] = ()

    @property
    def history(self) -> list[Message]:
        """The messages without the pending one."""
        return [*([Message(role="system", content=self.system)] if self.system else []), *self.turns]

    def asked(self, question: str) -> "Conversation":
        """The same with this question pending, in place of any other."""
        return replace(self, pending=(Message(role="user", content=question),))

    def answered(self, text: str) -> "Conversation":
        """The same after an answer to the pending question."""
        return replace(self, turns=(*self.turns, *self.pending, Message(role="assistant", content=text)), pending=())

    def again(self) -> "Conversation":
        """The same before the answer to the last question, which is pending.  Raises `UsageError`: there is none."""
        if self.pending:
            return self
        for place in reversed(range(len(self.turns))):
            if self.turns[place]["role"] == "user":
                return replace(self, turns=self.turns[:place], pending=(self.turns[place],))
        raise UsageError("nothing was asked yet; type a question")

    def dump(self) -> str:
        """The history as JSON lines.  Raises `UsageError`: it is empty."""
        if not self.history:
            raise UsageError("there is nothing to save yet; type a question")
        return "".join(f"{json.dumps(message, ensure_ascii=False)}\n" for message in self.history)

    def loaded(self, messages: Sequence[Mapping[str, Any]]) -> "Conversation":
        """The same with these messages as its history.  Raises `MessagesError`."""
        first, *rest = normalise(messages)
        if first["role"] not in ("system", "developer"):
            return replace(self, system="", turns=(first, *rest), pending=())
        return replace(self, system=first["content"], turns=tuple(rest), pending=())

    def __str__(self) -> str:
        model = self.model or resolve_model(providers.find(self.provider), None)
        return f"{self.provider}, {f'model {model}' if model else 'no model yet: /model NAME chooses one'}"


class Step(NamedTuple):
    """What a line asks for: `do` is ask, say, save or load, `text` what to say or the file's path."""

    do: str
    now: Conversation
    text: str = ""


def decide(now: Conversation, line: str) -> Step:
    """What a line, or a block of several, asks for.  Raises `UsageError`: there is no such thing."""
    if not line.startswith("/") or "\n" in line:
        return Step("ask", now.asked(line))
    command, _, text = line.partition(" ")
    match command, text.strip():
        case "/help", _:
            return Step("say", now, HELP)
        case "/retry", _:
            return Step("ask", now.again())
        case "/system", text:
            now = replace(now, system={"": now.system, "-": ""}.get(text, text))
            return Step("say", now, f"system: {now.system or 'nothing'}")
        case (("/save" | "/load"), ""):
            raise UsageError(f"which file? type {command} talk.jsonl")
        case (("/save" | "/load"), text):
            return Step(command[1:], now, text)
        case "/provider", text if text not in ("", now.provider):
            same = {name: now.settings.get(name) for name in ("proxy", "timeout")}  # no key, URL or option of another's
            now = replace(now, provider=providers.find(text).name, model=None, settings=same)
        case "/model", text if text:
            resolve_model(providers.find(now.provider), text)
            now = replace(now, model=text)
        case (("/model" | "/provider"), _):
            pass
        case _:
            raise UsageError(f"there is no command {command}{nearest(command, COMMANDS)}; Ctrl-D leaves")
    return Step("say", now, str(now))
