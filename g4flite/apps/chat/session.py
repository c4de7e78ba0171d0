"""A chat as frozen data, and what a typed line does to it, without I/O.

session = Session("openai", "gpt-4o-mini")
step = decide(session, "Hello")            # Step("ask", session.asked("Hello"))
session = step.session.answered("Hi!")     # the question and its answer are in the history
decide(session, "/save talk.jsonl")        # Step("save", session, "talk.jsonl")
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from ... import Message, UsageError, providers
from ..._core.messages import normalise, parts
from ..._core.request import nearest, resolve_model

HELP = '''\
/model [NAME]           ask this model from now on
/provider [NAME [URL]]  ask this provider from now on, at this base URL; the flags for the last one no longer count
/system [TEXT]          put this system message before the conversation; - removes it
/retry                  ask the last question again, in place of its answer
/save FILE              write the messages into a file, one JSON object a line; an old file is overwritten
/load FILE              continue the conversation in such a file, in place of this one
/help                   print this
A pasted block of lines is one message, and so are the lines between two lines of """.  A line that begins with a space
is no command.  Ctrl-C stops an answer and keeps what came of it, or clears the line; Ctrl-D leaves.'''
COMMANDS = re.findall(r"^/\w+", HELP, re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Session:
    """Whom to ask and how, and what was said.

    `turns` are the questions and their answers.  `pending` holds the question that has no answer yet, or nothing.
    `settings` are the other arguments of `stream()`; they may hold a key, so that `repr` leaves them out.
    """

    provider: str
    model: str | None = None
    system: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)
    turns: tuple[Message, ...] = ()
    pending: tuple[Message, ...] = ()

    @property
    def history(self) -> list[Message]:
        """The system message, if there is one, and the turns."""
        return [*([Message(role="system", content=self.system)] if self.system else []), *self.turns]

    def asked(self, question: str) -> "Session":
        """Return the session with this question pending, in place of any other."""
        return replace(self, pending=(Message(role="user", content=question),))

    def answered(self, text: str) -> "Session":
        """Return the session after this answer to the pending question."""
        return replace(self, turns=(*self.turns, *self.pending, Message(role="assistant", content=text)), pending=())

    def continued(self, turns: Sequence[Mapping[str, Any]]) -> "Session":
        """Return the session with these turns, of which the last answers the pending question."""
        return replace(self, turns=normalise(turns), pending=())

    def again(self) -> "Session":
        """Return the session with its last question pending, and without the answer to it.

        Raises `UsageError` if nothing was asked yet.
        """
        if self.pending:
            return self
        for place in reversed(range(len(self.turns))):
            if self.turns[place]["role"] == "user":
                return replace(self, turns=self.turns[:place], pending=(self.turns[place],))
        raise UsageError("nothing was asked yet; type a question")

    def dump(self) -> str:
        """Return the history as JSON lines.  Raises `UsageError` if it is empty."""
        if not self.history:
            raise UsageError("there is nothing to save yet; type a question")
        return "".join(f"{json.dumps(message, ensure_ascii=False)}\n" for message in self.history)

    def loaded(self, messages: Sequence[Mapping[str, Any]]) -> "Session":
        """Return the session with these messages as its history.  Raises `MessagesError`."""
        first, *rest = normalise(messages)
        if first["role"] not in ("system", "developer"):
            return replace(self, system="", turns=(first, *rest), pending=())
        return replace(self, system="".join(part["text"] for part in parts(first)), turns=tuple(rest), pending=())

    def __str__(self) -> str:
        model = self.model or resolve_model(providers.find(self.provider), None)
        return f"{self.provider}, {f'model {model}' if model else 'no model yet: /model NAME chooses one'}"


class Step(NamedTuple):
    """What a typed line asks for.

    `do` is "ask": send the pending question; "say": print the text; "save" or "load": the text is the file's path.
    """

    do: str
    session: Session
    text: str = ""


def decide(session: Session, line: str) -> Step:
    """Return what a typed line, or a block of lines, asks for.  Raises `UsageError` for a wrong command."""
    if not line.startswith("/") or "\n" in line:
        return Step("ask", session.asked(line))
    command, _, text = line.partition(" ")
    match command, text.strip():
        case "/help", _:
            return Step("say", session, HELP)
        case "/retry", _:
            return Step("ask", session.again())
        case "/system", text:
            session = replace(session, system={"": session.system, "-": ""}.get(text, text))
            return Step("say", session, f"system: {session.system or 'nothing'}")
        case (("/save" | "/load"), ""):
            raise UsageError(f"which file? type {command} talk.jsonl")
        case (("/save" | "/load"), text):
            return Step(command[1:], session, text)
        case "/provider", text if text not in ("", session.provider):
            name, _, url = text.partition(" ")
            # No key, header, option or URL that was meant for the last provider reaches another.
            kept = {setting: session.settings.get(setting) for setting in ("proxy", "timeout")}
            settings = {**kept, "base_url": url.strip()} if url else kept
            session = replace(session, provider=providers.find(name).name, model=None, settings=settings)
        case "/model", text if text:
            resolve_model(providers.find(session.provider), text)
            session = replace(session, model=text)
        case (("/model" | "/provider"), _):
            pass
        case _:
            raise UsageError(f"there is no command {command}{nearest(command, COMMANDS)}; Ctrl-D leaves")
    return Step("say", session, str(session))
