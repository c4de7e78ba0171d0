"""`Conversation`: a history that goes on, and the loop of tool calls.

    chat = Conversation("anthropic", model="claude-sonnet-4-5", tools=[weather])
    for chunk in chat.say("Do I need a coat in Oslo?"): ...         # or async for

`say` returns an `Answer`.  Its generator `_steps` decides, without I/O, what comes next, and yields it:

    <Stream>        # read this stream to its end
    [Job, Job]      # the model has called two tools: call the functions, if the caller approves
    <Stream>        # the next round, with the results

A `Loop` does it.  Its methods `__next__` and `__anext__` differ by `await` alone.

A `Loop` is no generator.  If it were an async generator, it would run that of the stream inside itself, and the event
loop, which finalises async generators in any order, could close the inner one while the outer one does.
"""

import json
import os
import tempfile
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping, Sequence
from copy import copy, deepcopy
from inspect import GEN_CLOSED, getgeneratorstate, iscoroutinefunction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from . import providers
from ._core.errors import (
    G4fliteError,
    LimitError,
    MessagesError,
    OptionError,
    StreamClosedError,
    StreamConsumed,
    UsageError,
    name_by_package,
)
from ._core.events import NOTHING, FinishReason, Usage
from ._core.exchange import Run
from ._core.loops import refusals
from ._core.messages import normalise, parts
from ._core.parsed import Partials, value_of
from ._core.provider import Provider
from ._core.stream import Events, Stream
from ._core.tools import Job, job_of, tool_result, tools_of
from .client import Client, ProviderLike, stream

__all__ = ["Answer", "Conversation", "tool_result"]

END: Final = object()
# With these finish reasons, the service wants the turn back to go on with it.
CONTINUED: Final[Sequence[object]] = ("pause",)
# Held while an answer begins: of two threads that begin at once, the second has to see that the first has.
BEGINNING: Final = threading.RLock()
# The fields of a file that `save` writes, and their types.
SAVED: Final[Mapping[str, Any]] = {
    "provider": str | list, "model": str | None, "system": str | None, "messages": list,
}  # fmt: skip


class Conversation:
    """A conversation with a model: its history, and the tools that the model may call.

        with g4flite.Conversation("openai", model="gpt-4o-mini", tools=[weather]) as chat:
            for chunk in chat.say("Do I need a coat in Oslo?"):
                print(chunk, end="")

    - `provider` is what `g4flite.stream` takes.  If it is a provider's name or a `Provider`, the conversation keeps its
      connections, which `with`, `close()` or, after `async for`, `async with` or `aclose()` closes.
    - `system` is the text of the system message, which stands before the history; None means the setting of the
      `Client`, and "" means none.
    - `tools` are functions with annotations and a docstring, which need pydantic, or pairs of a dict in the OpenAI form
      and its function.  In `async for`, async functions are awaited, other functions are called in threads, and the
      calls of one turn run side by side.
    - `approve` is a function, sync or async, which is called with each `ToolCall` before it runs.  It returns True, or
      False, or a reason as text, which the model is told; or it raises, which ends the answer.
    - `fatal` are the classes of exceptions that end the answer if a tool raises them.  Of all others, of results that
      cannot be sent (`MessagesError`), and of calls that are wrong, the model is told.
    - `max_rounds` is the most requests that one answer may take; an answer that is cut off in its tool calls ends at
      once.
    - `messages` is the history that the conversation begins with.
    - `settings` are the other arguments of `g4flite.stream`.  A `tool_choice` that demands a tool counts for the first
      request of an answer.

    `messages` is the history, a list of plain dicts that may be changed between two answers; it holds the answers that
    are complete.  `usage` is the sum of what was counted, for answers that failed as well.
    """

    def __init__(
        self,
        provider: ProviderLike | Sequence[ProviderLike],
        *,
        model: str | None = None,
        system: str | None = None,
        tools: Sequence[Any] = (),
        approve: Callable[..., Any] | None = None,
        fatal: type[Exception] | tuple[type[Exception], ...] = (),
        max_rounds: int = 10,
        messages: Sequence[Any] | None = None,
        **settings: Any,
    ) -> None:
        _check(provider, system, approve, fatal, max_rounds, settings)
        self.messages = _history(messages or ())
        self.usage = Usage()
        self._tools = tools_of(tools)
        self._approve, self._max_rounds = approve, max_rounds
        self._fatal = fatal if isinstance(fatal, tuple) else (fatal,)
        self._tool_choice = settings.pop("tool_choice", None)
        self._client: Client | None = None
        self._provider = provider
        self._settings = {name: value for name, value in settings.items() if value is not None}
        if isinstance(provider, str | Provider) and "client" not in self._settings:
            self._provider = self._client = Client(provider, model=model, **self._settings)
            self._settings = {}
        self.model, self.system = model, system
        if isinstance(self._provider, Client):
            self.model = self._provider._call.model if model is None else model
            self.system = self._provider._system if system is None else system
        # The loop that reads an answer.
        self._reading: weakref.ref[Loop] | None = None

    def say(self, content: str | Sequence[Any] | Mapping[str, Any]) -> "Answer":
        """Return the answer to a text, a list of parts or a whole message.  Nothing is sent before a loop reads it.

        If the answer does not come to its end, the history stays as it is.  Raises what `g4flite.stream` raises.
        """
        turn = _history([content if isinstance(content, Mapping) else {"role": "user", "content": content}])
        choice = {} if self._tool_choice is None else {"tool_choice": self._tool_choice}
        return Answer(self, turn, self._ask(turn, **choice))

    def _ask(self, turn: Sequence[Mapping[str, Any]], **choice: Any) -> Stream:
        """Return the stream of a request that holds the history and the messages of this turn.

        Without a `tool_choice` among the arguments, that of a `Client` counts.
        """
        asked = stream(
            self._provider,
            [*self.messages, *turn],
            system=self.system,
            model=self.model,
            tools=[tool.form for tool in self._tools.values()] or None,
            **choice,
            **self._settings,
        )
        asked._run.kept = asked._owned = True
        return asked

    def fork(self) -> "Conversation":
        """Return a conversation that begins with a copy of the history, and shares the connections of this one."""
        forked = copy(self)
        forked.messages, forked.usage = deepcopy(self.messages), Usage()
        # The conversation that made the client closes it.
        forked._client = forked._reading = None
        return forked

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the provider's name, the model, the system message and the history into a file, as JSON.

        No setting is written, and so no key.  An old file is replaced in one step.  Raises `OSError`, and
        `MessagesError` if somebody has put a message into the history that cannot be sent.
        """
        named = {"provider": _names(self._provider), "model": self.model, "system": self.system}
        text = json.dumps({**named, "messages": _history(self.messages)}, indent=1)
        target = Path(path)
        # In the same folder, because a file cannot be renamed to another disk.
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(handle)
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink()
            raise

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        provider: ProviderLike | Sequence[ProviderLike] | None = None,
        *,
        model: str | None = None,
        system: str | None = None,
        **settings: Any,
    ) -> "Conversation":
        """Return the conversation that `save` wrote into a file; functions and settings are given again.

        Without `provider`, the one of the file is asked.  The model and the system message are those of the file, if
        they are not given; but another provider gets its default model.  Raises `OSError`, and `UsageError` if the file
        holds no conversation.
        """
        try:
            saved = json.loads(Path(path).read_text("utf-8"))
            named, found_model, found_system, messages = (saved[field] for field in SAVED)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise UsageError(f"{path} holds no conversation that save() wrote: {error!r}") from None
        for field, kinds in SAVED.items():
            if not isinstance(saved[field], kinds):
                raise UsageError(
                    f"{path} holds no conversation that save() wrote: {field!r} is of the type "
                    f"{type(saved[field]).__name__}"
                )
        asked = named if provider is None else provider
        if model is None and _names(asked) == named:
            model = found_model
        system = found_system if system is None else system
        return cls(asked, model=model, system=system, messages=messages, **settings)

    def close(self) -> None:
        """Close the connections that the conversation has made; those of a `Client` that was given stay open.

        Raises `TypeError` after `async for`: call `aclose()` then.
        """
        if self._client is not None:
            self._client.close()

    async def aclose(self) -> None:
        """Do the same as `close`, after `for` and after `async for` on this event loop."""
        if self._client is not None:
            await self._client.aclose()

    def __enter__(self) -> "Conversation":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> "Conversation":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<Conversation with {_names(self._provider)}, model {self.model}: {len(self.messages)} messages>"


def _check(
    provider: Any, system: object, approve: object, fatal: object, max_rounds: object, settings: dict[str, Any]
) -> None:
    """Raise `OptionError` for an argument of a conversation that cannot work, or `ProviderNotFoundError`."""
    is_one = isinstance(provider, str) or not isinstance(provider, Sequence)
    for one in [provider] if is_one else provider:
        if not isinstance(one, Client):
            providers.find(one)
        elif one._call.options.get("tools"):
            raise OptionError(
                "the Client has tools, whose functions a Conversation does not know; give tools= to the Conversation",
                provider=one._call.provider.name,
            )
    if not isinstance(system, str | None):
        raise OptionError(f"system= must be a text, not {type(system).__name__}")
    if approve is not None and not callable(approve):
        raise OptionError(f"approve= must be a function, not {type(approve).__name__}")
    classes = fatal if isinstance(fatal, tuple) else (fatal,)
    if not all(isinstance(kind, type) and issubclass(kind, Exception) for kind in classes):
        raise OptionError(f"fatal= must be a tuple of classes of exceptions, not {fatal!r}")
    if type(max_rounds) is not int or max_rounds < 1:
        raise OptionError(f"max_rounds= must be an integer above 0, not {max_rounds!r}")
    if settings.get("keep_partial") is False:
        raise OptionError("keep_partial=False keeps no text, so that there would be no history; leave it out")
    settings.pop("keep_partial", None)


def _history(messages: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the messages as new plain dicts, checked.  Raises `MessagesError` for a message that cannot be sent."""
    return [{**message} for message in normalise(messages)] if messages else []


def _names(provider: Any) -> Any:
    """Return the provider's name, or the list of the names of several."""
    if isinstance(provider, Sequence) and not isinstance(provider, str):
        return [_names(one) for one in provider]
    spec = provider._call.provider if isinstance(provider, Client) else provider
    return spec.name if isinstance(spec, Provider) else spec


def summed(one: Usage, other: Usage | None) -> Usage:
    """Return the sum of two counts; a number is None only if neither counts it."""
    if other is None:
        return one
    pairs = zip(one[:-1], other[:-1], strict=True)
    return Usage._make([*(a if b is None else b if a is None else a + b for a, b in pairs), NOTHING])


class Answer:
    """The answer to one `Conversation.say`.  A `for` or `async for` loop reads it once, and gets its text in chunks.

    The text goes on through all rounds of tool calls.  Once the loop has come to its end, the question, the answer and
    what is between them are in the history; if it is left early or fails, none of them is.
    """

    def __init__(self, chat: Conversation, turn: list[dict[str, Any]], first: Stream) -> None:
        self._chat = chat
        # The history at the time of `say`, and the messages that this answer adds to it.
        self._before = [*chat.messages]
        self._turn = turn
        self._streams = [first]
        self._begun = self._closed = self._entered = self._complete = False
        # The loop, kept alive inside `async with`, so that `aclose` can close its stream after `break`.
        self._kept: Loop | None = None

    @property
    def stream(self) -> Stream:
        """The stream of the round that is being read, or of the last one; the answer alone reads it."""
        return self._streams[-1]

    @property
    def partial(self) -> str:
        """The text delivered so far, of all rounds."""
        return "".join(one.partial for one in self._streams)

    @property
    def finish_reason(self) -> FinishReason | None:
        """Why the last round ended: see `Stream.finish_reason`."""
        return self.stream.finish_reason

    def events(self) -> Events:
        """Return the texts and events of all rounds in order, for a `for` or an `async for` loop."""
        return Events(self)

    def text(self) -> str:
        """Read the answer to its end, and return its whole text."""
        return "".join([chunk for chunk in self])  # noqa: C416 - `join` would hide a `TypeError` of `__iter__`

    async def atext(self) -> str:
        """Do the same as `text`, in async."""
        async with self:
            return "".join([chunk async for chunk in self])

    def parsed(self) -> Any:
        """Return the value of an answer that is JSON; reads the answer to its end first if no loop has read it.

        The value is that of the last round's text: see `Stream.parsed`.  Raises what that raises, and what a loop over
        the answer raises.
        """
        if not self._begun:
            self.text()
        return self._value()

    async def aparsed(self) -> Any:
        """Do the same as `parsed`, in async."""
        if not self._begun:
            await self.atext()
        return self._value()

    def _value(self) -> Any:
        """Return the value of the last round's text.  Raises `UsageError` if the answer is not complete."""
        if not self._complete:
            raise UsageError("the answer is not complete; read it to its end first", provider=self.stream.provider)
        return value_of(self._run)

    def partials(self) -> Partials:
        """Return the values of an answer that is JSON while it comes, for a `for` or an `async for` loop.

        A round that calls tools may say something that is no JSON, which gives no value.  Raises `OptionError` if
        neither jiter nor pydantic is installed.
        """
        return Partials(self)

    @property
    def _run(self) -> Run:
        """The state of the stream of the round that is being read, for `Partials`."""
        return self.stream._run

    def __iter__(self) -> Iterator[str]:
        return self._read()

    def __aiter__(self) -> AsyncIterator[str]:
        return self._aread()

    if not TYPE_CHECKING:
        __next__, __await__ = refusals("an Answer", "for chunk in answer", "answer.atext()")

    def _read(self, *, everything: bool = False) -> "Loop":
        """Return what a `for` loop runs.  Raises `TypeError` if a function that it would call is async."""
        for function in (self._chat._approve, *(tool.function for tool in self._chat._tools.values())):
            if iscoroutinefunction(function):
                raise TypeError(f"{function.__name__} is async, which a `for` loop cannot await; write `async for`")
        return self._begin(everything=everything)

    def _aread(self, *, everything: bool = False) -> "Loop":
        """Return what an `async for` loop runs."""
        loop = self._begin(everything=everything)
        self._kept = loop if self._entered else None
        return loop

    def _begin(self, *, everything: bool) -> "Loop":
        """Return the loop.  Raises `StreamConsumed` for a second one, and `UsageError` if the history is in use."""
        with BEGINNING:
            if self._begun or self._closed:
                raise StreamConsumed("an answer is read once; call say() again", provider=self.stream.provider)
            chat = self._chat
            other = chat._reading() if chat._reading is not None else None
            if other is not None and not other.over:
                raise UsageError("another answer of this conversation is being read; close that, or ask a fork()")
            if chat.messages != self._before:
                raise UsageError("the history has changed since say(); call say() again")
            self._begun = True
            loop = Loop(self, everything=everything)
            chat._reading = weakref.ref(loop)
            return loop

    def _steps(self) -> Generator[Stream | list[Job], None, None]:
        """Yield what shall be done to get the answer, and put the turn into the history at its end."""
        chat = self._chat
        while True:
            try:
                yield self.stream
            finally:
                chat.usage = summed(chat.usage, self.stream.usage)
            message = self.stream.message
            # The loop has closed the answer.
            if "partial" in message:
                return
            self._turn.append(message)
            calls = self.stream.tool_calls
            if not calls and self.stream.finish_reason not in CONTINUED:
                chat.messages += self._turn
                self._complete = True
                return
            # The last call may lack the end of its arguments, and the next answer would end at the same place.
            if calls and self.stream.finish_reason == "length":
                raise LimitError(
                    "the answer was cut off in its tool calls",
                    provider=self.stream.provider,
                    advice="raise {max_tokens}",
                )
            if len(self._streams) == chat._max_rounds:
                raise LimitError(
                    f"the answer is not complete after {chat._max_rounds} rounds; pass a larger max_rounds=",
                    provider=self.stream.provider,
                )
            jobs = [job_of(call, chat._tools, self.stream._run.secrets) for call in calls]
            yield jobs
            if self._closed:
                raise StreamClosedError("the answer was closed while its tools ran", provider=self.stream.provider)
            self._streams.append(self._following(jobs))

    def _following(self, jobs: Sequence[Job]) -> Stream:
        """Add the results of tools to the turn, and return the stream of the next round.

        If the service does not take a result that is more than text, the model is told so in its place.
        """
        chat = self._chat
        # A demand to call a tool would never let the model answer.
        choice = chat._tool_choice if chat._tool_choice in ("auto", "none") else None
        try:
            stream = chat._ask([*self._turn, *(job.result for job in jobs)], tool_choice=choice)
        except MessagesError as error:
            shown = [job for job in jobs if any(part["type"] != "text" for part in parts(job.result))]
            if not shown:
                raise
            for job in shown:
                job.raised(error, chat._fatal)
            stream = chat._ask([*self._turn, *(job.result for job in jobs)], tool_choice=choice)
        self._turn += [job.result for job in jobs]
        return stream

    def close(self) -> None:
        """End a `for` loop and close its connection; do nothing if the answer has ended.

        Another thread may call this; the loop then raises `StreamClosedError`, after the tools that run have ended.
        Raises `TypeError` if an `async for` reads the answer: call `aclose()` then.
        """
        self.stream.close()
        self._closed = True

    async def aclose(self) -> None:
        """End an `async for` loop (or a `for` loop) and close its connection; do nothing if the answer has ended.

        Another task may call this; the loop then raises `StreamClosedError`, after the tools that run have ended.
        """
        self._closed = True
        await self.stream.aclose()
        self._kept = None

    def __enter__(self) -> "Answer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> "Answer":
        self._entered = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<Answer, round {len(self._streams)}: {self.stream!r}>"


class Loop:
    """What a `for` or an `async for` loop runs: it does what the steps of an answer ask for."""

    def __init__(self, answer: Answer, *, everything: bool) -> None:
        self._answer, self._everything = answer, everything
        self._steps = answer._steps()
        # The texts and events of the stream that is being read.
        self._items: Any = None

    @property
    def over(self) -> bool:
        """Whether the loop has ended."""
        return self._answer._closed or getgeneratorstate(self._steps) == GEN_CLOSED

    def __iter__(self) -> "Loop":
        return self

    def __aiter__(self) -> "Loop":
        return self

    def __next__(self) -> Any:
        item: Any = END
        try:
            while self._items is None or (item := next(self._items, END)) is END:
                wanted = next(self._steps, None)
                if wanted is None:
                    break
                if isinstance(wanted, Stream):
                    wanted._owned = False
                    self._items = wanted._read(everything=self._everything)
                else:
                    from ._core.transport.jobs import run  # noqa: PLC0415 - httpx is imported with the first call

                    run(wanted, self._answer._chat._approve, self._answer._chat._fatal)
        except BaseException as error:
            self._end(error)
            raise
        if item is END:
            raise StopIteration
        return item

    async def __anext__(self) -> Any:
        item: Any = END
        try:
            while self._items is None or (item := await anext(self._items, END)) is END:
                wanted = next(self._steps, None)
                if wanted is None:
                    break
                if isinstance(wanted, Stream):
                    wanted._owned = False
                    self._items = wanted._aread(everything=self._everything)
                else:
                    from ._core.transport.jobs import arun  # noqa: PLC0415 - httpx is imported with the first call

                    await arun(wanted, self._answer._chat._approve, self._answer._chat._fatal)
        except BaseException as error:
            self._end(error)
            raise
        if item is END:
            raise StopAsyncIteration
        return item

    def _end(self, error: BaseException) -> None:
        """End the steps, whose last stream is counted then; an error gets the text of all rounds."""
        self._steps.close()
        if isinstance(error, G4fliteError):
            error.partial = self._answer.partial
        # A function of the caller raised it.  The loop that reads the answer would take it for the end (PEP 479).
        if isinstance(error, StopIteration | StopAsyncIteration):
            raise RuntimeError(f"a tool or approve= raised {type(error).__name__}") from error


name_by_package(Conversation, Answer)
