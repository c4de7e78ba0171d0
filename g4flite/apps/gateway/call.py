"""`Call`: one question of a client, from its body to the last byte of its answer.

    call = Call(gateway, CHAT, key, headers, post, told, id_)
    await call.run(receive, send)       # raises, if nothing was sent, what went wrong
    await call.settle()
    gateway.log(call.line())

Three tasks take part: the one that reads the answer and writes the reply, one that waits until the client goes away,
and one that shows a sign of life while nothing comes.  The status line is held back until there is something to say:
a call that fails before its first text has its true status, also behind all fallbacks, and one that fails later says so
inside the stream, in the form that makes the client raise.
"""

from __future__ import annotations

import logging
import re
import time
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any, Protocol

from anyio import CancelScope, Event, create_task_group, sleep, to_thread

from ... import Stream, TruncatedStreamError, UsageError
from ..._core.events import CONTENT, Start
from ..._core.exchange import Run
from ..._core.ledger import BYTES, Entry, Ledger, listed_cost
from ...client import start
from ...server.checks import Refusal, Rule
from ...server.conversation import Messages
from ...server.protocol import Post, Turn
from . import http
from .carry import Whole, Writer, asked, described
from .faults import FaultError, fault_of
from .http import Receive, Send
from .lists import prompt_tokens
from .memory import Memory
from .naming import Naming
from .passing import ELSEWHERE, OTHER_MODELS, Raw, finished, is_count, names_model
from .upstream import Upstream
from .wires import CHAT, GEMINI, OLLAMA, Wire, status_of, unread, value_at

logger = logging.getLogger(__name__)

# How many tokens of an answer are set aside, if the request names no limit, and at most: no model writes more.
ANSWER_TOKENS, MOST_TOKENS = 4096, 10**7
# The fields of all wires that limit an answer, and those that say how many answers are wanted.
LIMITS = (
    "max_tokens", "max_completion_tokens", "max_output_tokens", "generationConfig.maxOutputTokens",
    "options.num_predict",
)  # fmt: skip
COUNTS = ("n", "generationConfig.candidateCount")
# Those of a wire that can have several answers at once; other services do not read such a field.
ANSWERS = {CHAT.name: COUNTS[:1], GEMINI.name: COUNTS[1:]}
# What a message quotes, as `repr` does, also of bytes (b'...'): no apostrophe, as in "the reply's".  What no quote
# closes ends with the message.  Each quote begins a match, so that no text is searched twice.
QUOTED = re.compile(
    r"""(?:(?<!\w)|(?<=\b[bux]))'[^'\\]*(?:\\.[^'\\]*)*(?:'|\\?\Z)"""
    r"""|"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)""",
    re.DOTALL,
)
# What the gateway's own log says of a package genai-prices that is broken, at the start and at each call.
UNPRICED = "the prices of genai-prices cannot be read, so that costs are unknown; install it anew, or remove it"
# How many fields that were left out are named.
MOST_NAMES = 30
Options = dict[str, Any]
# The log has the name of each call, and errors quote it.
MODEL = Rule("a string of 1 to 500 characters", lambda got: isinstance(got, str) and 0 < len(got) <= 500)
UNKNOWN = Entry((None, "unknown"), (None, "unknown"), (None, "unknown"))


class Home(Protocol):
    """What is used of the gateway."""

    @property
    def memory(self) -> Memory: ...
    @property
    def keys(self) -> Any: ...
    @property
    def keep_alive(self) -> float: ...
    @property
    def log_content(self) -> bool: ...
    def route(self, name: str, key: Any, /) -> list[Upstream]: ...


class Ended:
    """What a `Ledger` reads of a stream that has ended, as `ObservedEnd` has it.

    An observer would be told the same at a tenth of what the gateway costs: it is also told the URL and the headers,
    from which secrets are taken out first.
    """

    def __init__(self, run: Run, failure: Exception | None, first: float | None) -> None:
        self.state, self.attempts, self.url, self.first = run.state, len(run.attempts), run.url, first
        self.error = failure if run.state == "failed" else None
        self.provider, self.model = run.call.provider.name, run.call.model
        self.text, self.reasoning, self.tool_calls = run.partial, run.reasoning.getvalue(), run.tool_calls
        self.start, self.usage, self.finish = run.start, run.usage, run.finish


class Asked:
    """What `ledger.listed_cost` reads of a stream, for one that has not begun."""

    start = Start()

    def __init__(self, provider: str, model: str) -> None:
        self.provider, self.model = provider, model


class Costs(Ledger):
    """A `Ledger` that counts tokens also if the prices cannot be read: the cost is unknown then."""

    def _cost(self, end: Any, prompt: Any, completion: Any) -> Any:
        try:
            return super()._cost(end, prompt, completion)
        except Exception as error:
            logger.error(UNPRICED, exc_info=error)
            return UNKNOWN.cost


LEDGER = Costs()


def price(asked: Asked, prompt: int, completion: int) -> float | None:
    """Return what so many tokens cost, None if nobody knows, or if the prices cannot be read."""
    try:
        return listed_cost(asked, prompt, completion, 0, 0)
    except Exception as error:
        logger.error(UNPRICED, exc_info=error)
        return None


def load_prices() -> None:
    """Import the prices, if they are installed: that takes a third of a second, for which all calls would wait."""
    price(Asked("openai", "gpt-4o"), 0, 0)


def model_of(wire: Wire, post: Post, data: dict[str, Any]) -> str:
    """Return the name of the model that a request asks for.  Raises `Refusal` 400 without one, and for a long one."""
    name = post.path.partition("/models/")[2].rpartition(":")[0] if wire is GEMINI else data.get("model")
    MODEL.check(400, "model", name)
    return str(name)


def is_streamed(wire: Wire, post: Post, data: dict[str, Any]) -> bool:
    """Return whether a request wants events, or lines: Gemini may be asked for an array, and for a whole reply."""
    if wire is GEMINI:
        return ":stream" in post.path and post.query.get("alt") == "sse"
    return data.get("stream") is True or (wire is OLLAMA and data.get("stream") is None)


def largest(data: dict[str, Any], names: tuple[str, ...], default: int) -> int:
    """Return the largest of these numbers in a request, whatever its wire; the reader may have refused it."""
    found = [one for one in (value_at(data, name) for name in names) if type(one) is int and one > 0]
    return max(found, default=default)


def answer_tokens(data: dict[str, Any]) -> int:
    """Return how many tokens may be written for a request."""
    return min(largest(data, LIMITS, ANSWER_TOKENS) * largest(data, COUNTS, 1), MOST_TOKENS)


def listed(names: list[str]) -> str:
    """Return the names of what a request has, as a text of bounded length for the log."""
    more = [f"and {len(names) - MOST_NAMES} more"] if len(names) > MOST_NAMES else []
    return ", ".join([*names[:MOST_NAMES], *more])


class Call:
    """One question; see above."""

    def __init__(
        self, home: Home, wire: Wire, key: Any, headers: http.Headers, post: Post, told: dict[str, str], id_: str
    ) -> None:
        self._home, self._wire, self._key, self._headers, self._post = home, wire, key, headers, post
        self._told, self._id = told, id_
        self._began, self._clock = time.time(), time.monotonic()
        self._first: float | None = None
        self._stream: Stream | None = None
        # What the stream has cost.
        self._known = UNKNOWN
        self._model = ""
        self._messages: Any = None
        # Where its tasks run, and whether they were stopped.
        self._scope: CancelScope | None = None
        self._stopped = False
        # What has failed: until the client is told, and until it is known what the call has cost.
        self._failure: Exception | None = None
        self._failed: Exception | None = None
        # Whether the answer is passed on as it came, and how many answers were asked for at once.
        self._passed, self._answers = False, 1
        # What was set aside for it, and how many dollars its key is charged: what was set aside, until it is settled.
        self._reserved: Any = None
        self._charged: float | None = None
        self._upstreams: list[Upstream] = []
        # What of the request and of the answer was left out.
        self._notes: list[str] = []
        self._writer: Writer | Whole | None = None
        # The status that was sent, 0 before; whether the last byte was sent; and how the call has ended.
        self._status, self._whole, self._outcome, self._error = 0, False, "failed", ""
        # The status of a call of which nothing was sent but its error.
        self._refused: int | None = None
        # When something was sent last, whether something is being sent, and the sign of life that is on its way.
        self._last, self._sending = self._clock, False
        self._sign: Event | None = None

    async def run(self, receive: Receive, send: Send) -> None:
        """Answer.  Raises the error of a call of which nothing was sent."""
        try:
            stream, writer = await self._prepare()
        except Exception as error:
            self._note_error(error)
            raise
        await self._attend(receive, send, stream, writer)
        self._raise_what_failed()

    def refuse(self, error: Exception) -> Exception:
        """Note that the call is not answered at all, for its line in the log; return the error."""
        self._note_error(error)
        return error

    def _raise_what_failed(self) -> None:
        """Raise the error of a call of which nothing was sent, if the client is still there."""
        failure, self._failure = self._failure, None
        if failure is not None and not self._status and self._outcome != "left":
            raise failure

    async def _attend(self, receive: Receive, send: Send, stream: Stream, writer: Writer | Whole) -> None:
        """Let the three tasks run until one of them ends the call; `_failure` is then what has failed."""
        async with create_task_group() as tasks:
            self._scope = tasks.cancel_scope
            if self._stopped:
                self._scope.cancel()
            tasks.start_soon(self._watch, receive, tasks.cancel_scope)
            if isinstance(writer, Writer) and self._wire.alive:
                tasks.start_soon(self._live, send, tasks.cancel_scope)
            try:
                await self._relay(send, stream, writer)
                self._outcome = "complete"
            except OSError:
                # The server says so of a client that has gone.
                self._outcome = "left"
            except Exception as error:
                await self._break(send, stream, writer, error)
            tasks.cancel_scope.cancel()
        if self._stopped and not self._whole and self._outcome != "left":
            await self._break(send, stream, writer, Refusal(503, "the gateway stops; try again later"))

    async def _break(self, send: Send, stream: Stream, writer: Writer | Whole, error: Exception) -> None:
        """Note what has failed, and tell the client in the stream, if there is one."""
        self._failure = self._failed = error
        self._note_error(error)
        if self._status:
            id_ = (stream.response_id if self._passed else None) or writer.turn.response_id
            turn = replace(writer.turn, response_id=id_)
            await self._send(send, self._wire.cut(fault_of(error), turn, writer.events), last=True)

    def stop(self) -> None:
        """End the call now, because the gateway stops; the client is told so."""
        self._stopped = True
        if self._scope is not None:
            self._scope.cancel()

    def _note_error(self, error: Exception) -> None:
        fault = fault_of(error)
        self._error = fault.message
        self._outcome = "cut" if self._status else "failed"
        self._refused = status_of(self._wire, fault)

    async def _prepare(self) -> tuple[Stream, Writer | Whole]:
        """Read the request, and make the stream that asks; nothing is sent yet."""
        wire, home = self._wire, self._home
        data = self._post.data(typed=False)
        self._model = model_of(wire, self._post, data)
        if self._key is not None and not self._key.allows(self._model):
            raise FaultError(403, "permission", f"this key may not ask for the model {self._model[:200]!r}")
        upstreams = home.route(self._model, self._key)
        for upstream in upstreams:
            upstream.calls += 1
            self._upstreams.append(upstream)
        streamed = is_streamed(wire, self._post, data)
        # The same with the names of the protocol, where clients may write others.
        said = wire.named(data)
        self._answers = largest(said, ANSWERS.get(wire.name, ()), 1)
        # No service is asked for Gemini's array, which says no more than its events.
        is_array = wire is GEMINI and not streamed and ":stream" in self._post.path
        as_it_is = [] if is_array else [one for one in upstreams if one.passes(wire)]
        if as_it_is:
            self._check_passed(data)
        # What is known of a request that the reader refuses, and whose answer is passed on.
        counted = ["usage"] if value_at(data, "stream_options.include_usage") is True else []
        turn = Turn(model=self._model, messages=[], options={}, stream=streamed, form=frozenset(["sse", *counted]))
        messages, options = Messages(), Options()
        refusal: Exception | None = None
        try:
            known = replace(wire.read(self._post), model=self._model)
            messages, options = asked(known)
            turn = known
            self._messages = messages = home.memory.recall(self._owner, messages)
            # A provider of the same protocol takes what no other can be asked.
            if len(as_it_is) < len(upstreams):
                self._check_fields(said, options)
        except (Refusal, FaultError) as error:
            if not as_it_is:
                raise
            refusal = error
        # Of what is not read, the whole body counts.
        prompt = prompt_tokens(turn) if turn.messages else len(self._post.body) // BYTES
        told = described(wire, turn, id_=self._id, now=self._began)
        writer = (Writer if turn.stream else Whole)(wire, told, prompt_tokens=prompt)
        self._writer = writer
        routes, errors = [], list[UsageError]()
        for upstream in upstreams:
            try:
                if upstream in as_it_is:
                    asked_as_is = upstream.route_as_it_is(wire, self._model, data, self._headers, whole=not streamed)
                    routes.append(asked_as_is)
                elif refusal is None:
                    routes.append(upstream.route(self._model, messages, options, self._notes))
                else:
                    self._note_not_asked(upstream.provider.name, refusal)
            except UsageError as error:
                errors.append(error)
        if not routes:
            raise errors[0]
        for wrong in errors:
            self._note_not_asked(wrong.provider, wrong)
        await self._reserve(upstreams, prompt, answer_tokens(said))
        self._stream = start(routes, refused=tuple(errors))
        # An answer of images alone is one: the client decides.
        self._stream._run.kept = True
        return self._stream, writer

    def _note_not_asked(self, provider: str | None, error: Exception) -> None:
        self._notes.append(f"{provider} is not asked: {self._logged(fault_of(error).message)}")

    def _logged(self, message: str) -> str:
        """Return an error's message as the log may have it: what it quotes may be of a prompt, or of an answer."""
        return message if self._home.log_content else QUOTED.sub("'...'", message)

    @property
    def _owner(self) -> str:
        return "" if self._key is None else str(self._key.name)

    def _check_fields(self, data: dict[str, Any], options: dict[str, Any]) -> None:
        """Raise `FaultError` 400 for a field that no other protocol can say; note the others that are left out."""
        if "logprobs" in options:
            raise FaultError(400, "invalid", "logprobs: expected none: they cannot be carried to another protocol")
        for name, nothing in self._wire.refused.items():
            if value_at(data, name) not in (None, nothing):
                said = f"{name}: expected none: it cannot be carried to the provider's protocol"
                raise FaultError(400, "invalid", said)
        left = sorted(unread(self._wire, data))
        self._notes += [self._logged(f"left out of the request: {listed(left)}")] if left else []

    def _check_passed(self, data: dict[str, Any]) -> None:
        """Raise `FaultError` 400 for a field that the gateway decides alone, in a request that goes on as it is."""
        named = [name for name in ELSEWHERE if data.get(name) is not None]
        if self._key is not None:
            named += (name for name in OTHER_MODELS if data.get(name) is not None)
            tools = data["tools"] if isinstance(data.get("tools"), list) else []
            named += ("tools.model" for tool in tools if isinstance(tool, dict) and names_model(tool))
        if named:
            raise FaultError(400, "invalid", f"{named[0]}: expected none: no request through the gateway may name it")

    async def _reserve(self, upstreams: list[Upstream], prompt: int, answer: int) -> None:
        """Reserve what the call may cost at the dearest provider.  Raises the refusal of the keys."""
        if self._key is None:
            return
        asked_for = [Asked(one.provider.name, one.model_for(self._model)) for one in upstreams]
        costs = [price(one, prompt, answer) for one in asked_for]
        dollars = max((cost for cost in costs if cost is not None), default=None)
        self._reserved = await to_thread.run_sync(self._home.keys.reserve, self._key.name, dollars)
        self._charged = dollars or 0.0

    async def settle(self) -> None:
        """Let go of the clients, and say what the call has cost: what was set aside for it, if nobody knows.

        A service may charge for a call that was left before its first text, and else a key could spend without end.
        """
        while self._upstreams:
            await self._upstreams.pop().release()
        # Its traceback holds this call: such a circle would keep the stream until a garbage collection.
        failed, self._failed = self._failed, None
        run = None if self._stream is None or self._stream._run.state == "new" else self._stream._run
        if run is not None:
            try:
                self._known = LEDGER._entry(run.routes[0].call, Ended(run, failed, self._first))
            except Exception as error:
                logger.error("what a call has cost is not known", exc_info=error)
        reserved, self._reserved = self._reserved, None
        if reserved is not None:
            (prompt, _), (completion, _), (cost, _) = self._known
            if cost is None:
                # Where no service was asked, or each has refused, no token is charged.
                cost = self._charged if run is not None and (prompt, completion) != (0, 0) else 0.0
            try:
                await to_thread.run_sync(self._home.keys.settle, reserved, cost)
                self._charged = cost
            except Exception as error:
                # What was set aside stays charged.
                logger.error("a call was not settled", exc_info=error)

    async def _relay(self, send: Send, stream: Stream, writer: Writer | Whole) -> None:
        """Read the answer, and write the reply."""
        held, last, hides_counts = b"", b"", self._wire is CHAT and "usage" not in writer.turn.form
        named: Naming | None = None
        ended = set[int]()
        async with stream:
            async for event in stream.events():
                if self._outcome == "left":
                    # A cancellation may not come through: under uvloop, anyio looks for it between two reads, when
                    # the next one of a fast service has always ended.
                    raise ConnectionError
                if isinstance(event, Raw):
                    frames = event.value
                    last = frames[-1] if frames else last
                    if not self._passed:
                        held, self._passed = b"", True
                        # A name of the gateway's own is the client's name for the model, in the answer as well.
                        named = Naming(self._wire, self._model) if stream.model != self._model else None
                    writer.events += len(frames)
                    if self._answers > 1:
                        ended = ended.union(*(finished(frame, self._answers) for frame in frames))
                    if hides_counts:
                        frames = [frame for frame in frames if not is_count(frame)]
                    if named is not None:
                        frames = [*map(named, frames)]
                    data = b"" if isinstance(writer, Whole) else b"".join(frames)
                elif self._passed:
                    continue
                else:
                    data = writer.feed(event)
                # The head goes out with the first content.
                if self._first is None:
                    held, data = held + data, b""
                    if isinstance(event, CONTENT):
                        self._first = time.monotonic()
                        held, data = b"", held
                if data:
                    await self._send(send, data)
            if not self._passed:
                self._home.memory.keep(self._owner, dict(stream.message))
        if isinstance(writer, Whole):
            status, body = writer.end() if not self._passed else (200, named(last) if named is not None else last)
            self._status, self._whole = status, True
            await http.send_json(send, status, body, {"content-type": "application/json", **self._told})
        elif self._passed:
            # The core takes an answer for whole that was cut behind its finish reason, and reads the first one alone.
            word, end = self._wire.end
            # A text may hold the word.
            marked = bool(word) and any(line.partition(b":")[2].strip() == word for line in last.splitlines())
            if not marked and self._answers > max(len(ended), 1):
                said = f"{stream.provider}: the reply ends before each of its {self._answers} answers has ended"
                raise TruncatedStreamError(said)
            await self._send(send, b"" if marked else end, last=True)
        else:
            await self._send(send, held + writer.end(), last=True)

    async def _send(self, send: Send, data: bytes, *, last: bool = False) -> None:
        if self._sign is not None:
            # It may wait for a slow reader, and its head has to go out before this.
            await self._sign.wait()
        await self._write(send, data, last=last)

    async def _write(self, send: Send, data: bytes, *, last: bool = False) -> None:
        self._sending = True
        if not self._status:
            # From now on, whatever comes between ends the reply before its end.
            self._status, self._outcome = 200, "cut"
            kind = self._wire.protocol.head(self._post)["content-type"]
            head = {"content-type": kind, "cache-control": "no-cache", "x-accel-buffering": "no"}
            await http.send_head(send, 200, {**head, **self._told})
        self._whole = last
        await send({"type": "http.response.body", "body": data, "more_body": not last})
        self._sending, self._last = False, time.monotonic()

    async def _watch(self, receive: Receive, scope: CancelScope) -> None:
        """Stop everything once the client has gone; this closes the connection to the service."""
        heard = ""
        while heard != "http.disconnect":
            heard = (await receive())["type"]
        # Behind the last byte, servers also say so of a client that is there (hypercorn, while it sends that byte).
        if not self._whole:
            self._outcome = "left"
            scope.cancel()

    async def _live(self, send: Send, scope: CancelScope) -> None:
        """Show that the stream is alive after each so many seconds of silence; the first such sign sends the head."""
        silence = self._home.keep_alive
        while True:
            # What waits for a slow reader is a sign of life itself.
            await sleep(silence if self._sending else max(self._last + silence - time.monotonic(), 0.0))
            if self._sending or time.monotonic() - self._last < silence:
                continue
            self._sign = Event()
            try:
                await self._write(send, self._wire.alive)
            except OSError:
                # See `_attend`.
                self._outcome = "left"
                scope.cancel()
            finally:
                self._sign.set()
                self._sign = None

    def line(self) -> dict[str, Any]:
        """Return the line of the log; it holds no word of the conversation, unless that was asked for.

        `tokens` says how the numbers are known: "counted" by the service, "estimated" or "unknown".  `cost` is in
        dollars, None if nobody knows it; `charged` is what the key was charged, in dollars, None without a key.
        `first_ms` are the milliseconds to the first text, reasoning or tool call, `ms` those to the end.
        """
        stream, (prompt, completion, cost) = self._stream, self._known
        marks = {prompt[1], completion[1]}
        known = next(mark for mark in ("unknown", "estimated", "counted") if mark in marks)
        attempts = stream.attempts if stream is not None else ()
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(self._began, timezone.utc).isoformat(timespec="milliseconds"),
            "id": f"req_{self._id}",
            "key": self._owner or None,
            "wire": self._wire.name,
            "model": self._model,
            "provider": stream.provider if stream is not None else None,
            "provider_model": stream.model if stream is not None else None,
            "attempts": len(attempts),
            "status": self._status or self._refused,
            "outcome": self._outcome,
            "prompt_tokens": prompt[0],
            "completion_tokens": completion[0],
            "tokens": known,
            "cost": cost[0],
            "charged": self._charged,
            "first_ms": None if self._first is None else round((self._first - self._clock) * 1000, 1),
            "ms": round((time.monotonic() - self._clock) * 1000, 1),
        }
        notes = [*self._notes, *map(self._logged, self._writer.notes if self._writer is not None else ())]
        notes += stream.dropped if stream is not None else ()
        line |= {"notes": notes} if notes else {}
        line |= {"error": self._logged(self._error)} if self._error else {}
        if self._home.log_content:
            line |= {"messages": self._messages, "answer": stream.partial if stream is not None else ""}
        return line
