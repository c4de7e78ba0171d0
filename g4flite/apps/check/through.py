"""`report_through`: what does a gateway change on the way?  The emulator stands behind it, and the client in front.

    with Emulator(keys=False, port=8765) as service:    # the gateway asks http://127.0.0.1:8765/v1, or without /v1
        findings = report_through("http://127.0.0.1:4000/v1", "openai", service, model="m")

Each question is asked twice, of the gateway and of the emulator itself, and `through_lines` compares what was heard.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from statistics import median
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from ... import providers
from ..._core.errors import G4fliteError, MessagesError, StatusError, UsageError
from ..._core.events import CONTENT, Finish
from ..._core.provider import Provider
from ..._core.settings import Timeout
from ...client import Client
from ...server.pieces import KINDS, Problem
from ...testing import Emulator, Exchange, Reasoning, Script, ToolCall, Usage
from ...testing.exchange import decide
from . import through_lines as lines
from .case import Finding
from .through_lines import Heard

# How many calls the time to the first text is measured with.
TIMED: Final = 20
# Seconds in which a gateway has to notice that the client has gone, and to pass on a text that has come.
PATIENCE: Final = 5.0
# Seconds between the pieces of a reply that the client leaves.
WAIT: Final = 0.02
# After how many seconds the client leaves a call that has no head yet.  If the gateway has not asked by then, the next
# one counts.
EARLY: Final = (0.5, 5.0)
# Some time of these years, in Unix time.
NOW: Final = 1_790_000_000.0
TEXT: Final = ["Gr\u00fc\u00dfe, ", "\u4e16\u754c ", "\U0001f388 ", "e\u0301"]
QUESTION: Final = "What is the weather in Oslo?"
WEATHER: Final = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Return the weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CACHE_KEY: Final = "check-through"


class Way(NamedTuple):
    """A client, and the emulator that it asks, by itself or through a gateway."""

    client: Client
    service: Emulator

    def ask(
        self,
        messages: Any,
        reply: Any,
        script: Script = Script(),  # noqa: B008 - immutable
        *,
        leaves: bool = False,
        **options: Any,
    ) -> Heard:
        """Return what is heard of one call; the emulator answers with the pieces `reply`, or by that function.

        If the client `leaves`, it does so at the first text.
        """
        self.service.reply = reply if callable(reply) else lambda _: reply
        self.service.script = script
        before, began = len(self.service.exchanges), time.monotonic()
        first: float | None = None
        finish: Finish | None = None
        error: G4fliteError | None = None
        stream = self.client.stream(messages, **options)
        try:
            for event in stream.events():
                if first is None and isinstance(event, CONTENT):
                    first = time.monotonic() - began
                finish = event if isinstance(event, Finish) else finish
                if first is not None and leaves:
                    break
        except G4fliteError as failed:
            error = failed
        return Heard(stream, error, first, finish, tuple(self.service.exchanges[before:]))


def report_through(
    url: str,
    spec: Provider | str,
    service: Emulator,
    *,
    model: str | None = None,
    api_key: str | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 30.0,
) -> tuple[Finding, ...]:
    """Return the findings on the gateway at `url`, whose model `model` is the emulator `service`, which runs.

    `url`, `headers` and `api_key` are what the arguments of `Client` would be, and `spec` the provider whose protocol
    the gateway speaks; the gateway may ask the emulator in any protocol.  `timeout` is how many seconds may pass
    without text.  Raises a `UsageError` for wrong arguments, the error of the first call if the gateway does not answer
    that, and a `G4fliteError` if the gateway answers, but has not asked the emulator.
    """
    spec = replace(providers.find(spec), key_needed=False)
    if "tools" not in spec.options:
        raise UsageError(f"a gateway has no such protocol as {spec.name}'s; name openai, anthropic or another")
    timers = Timeout(first_token=timeout, idle=timeout)
    with closing(
        Client(spec, model=model, base_url=url, api_key=api_key, headers=headers, timeout=timers, retries=0)
    ) as front:
        through = Way(front, service)
        found = through.ask(QUESTION, TEXT)
        if not found.asked:
            raise not_asked(url, service, found)
        if found.error is not None:
            raise found.error
        with closing(
            Client(spec, model=found.asked[0].model, base_url=service.url + urlsplit(spec.base_url).path,
                   api_key="none", timeout=timers, retries=0)
        ) as own:  # fmt: skip
            return tuple(findings(Way(own, service), through))


def not_asked(url: str, service: Emulator, heard: Heard) -> G4fliteError:
    """Return the error of a gateway that has not asked the emulator."""
    if heard.error is not None and not isinstance(heard.error, StatusError):
        return heard.error
    said = "" if heard.error is None else f" ({heard.error})"
    return G4fliteError(
        f"{url} did not ask the emulator{said}; let its model ask {service.url}, "
        f"or {service.url}/v1 in a protocol of OpenAI's"
    )


def findings(direct: Way, through: Way) -> Iterator[Finding]:
    """Yield the lines of the report."""

    def both(*arguments: Any, **options: Any) -> tuple[Heard, Heard]:
        return direct.ask(*arguments, **options), through.ask(*arguments, **options)

    yield lines.text(*both(QUESTION, TEXT))
    yield held_back(through)
    own, other = tool_loop(direct), tool_loop(through)
    sent = bytes_of_reply(other[0].asked, through.service, in_the_loop)
    yield lines.reasoning(own[0], other[0], sent)
    yield lines.tool_call(own[0], other[0])
    yield lines.signatures(other[0], sent, other[1])
    yield cache_marks(direct, through)
    yield lines.finish(*both(QUESTION, ["one", Finish("length")]))
    yield lines.usage(*both(QUESTION, ["one", Usage(90, 12, 0, 102, 40)]))
    yield first_text(direct, through)
    yield from leaving(through)
    # Last, as a gateway may let a service rest that has failed.
    for kind in KINDS:
        own_error, other_error = both(QUESTION, TEXT, Script(problem=kind))
        yield lines.error(kind, own_error, other_error)
        if kind == "rate_limit":
            yield lines.retry_after(own_error, other_error)
    yield lines.error_inside(*both(QUESTION, ["one", " two", Problem("overloaded")]))
    yield from cuts(through)


def held_back(way: Way) -> Finding:
    """Judge whether a text reaches the client before the service says the next one."""
    heard, in_time = threading.Event(), list[bool]()

    def reply(_: Any) -> Iterator[str]:
        yield "one"
        in_time.append(heard.wait(PATIENCE))
        yield " two"

    way.service.reply, way.service.script = reply, Script()
    with suppress(G4fliteError):
        for _ in way.client.stream(QUESTION):
            heard.set()
    return lines.held_back(in_time=in_time == [True], seconds=PATIENCE)


def in_the_loop(messages: Any) -> Any:
    """Return the reply to a question with a tool: a call, and behind the tool's result an answer."""
    if messages[-1]["role"] == "tool":
        return "Sunny."
    return [Reasoning("The tool knows."), "Let me see.", ToolCall("call_1", "weather", '{"city": "Oslo"}')]


def tool_loop(way: Way) -> tuple[Heard, Heard]:
    """Return what is heard of a call that asks for a tool, and of the next call, which has the tool's result."""
    question = {"role": "user", "content": QUESTION}
    first = way.ask([question], in_the_loop, tools=[WEATHER])
    calls = first.message.get("tool_calls") or [{"id": "call_1"}]
    result = {"role": "tool", "tool_call_id": calls[0]["id"], "content": "20 degrees"}
    answered = [question, first.message, result] if "tool_calls" in first.message else [question]
    return first, way.ask(answered, in_the_loop, tools=[WEATHER])


def bytes_of_reply(asked: tuple[Exchange, ...], service: Emulator, reply: Any) -> list[bytes]:
    """Return the pieces of the body with which the emulator answers the last of these requests, [] for none."""
    if not asked:
        return []
    last = asked[-1]
    service.reply, service.script = reply if callable(reply) else lambda _: reply, Script()
    again = Exchange(method=last.method, path=last.path, headers=last.headers, body=last.body)
    # Two replies are to differ in what they say, and not in their times.
    return list(decide(again, replace(service.policy(), clock=lambda: NOW), None).body)


def cache_marks(direct: Way, through: Way) -> Finding:
    """Judge whether what a request says of the service's cache reaches the service."""
    part = {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}
    asked: tuple[Any, dict[str, Any]] = (
        [{"role": "system", "content": [part]}, {"role": "user", "content": QUESTION}],
        {},
    )
    mark = "cache_control"
    try:
        own = direct.ask(asked[0], TEXT)
    except MessagesError:
        # The protocol has no such marks in its messages.
        asked, mark = (QUESTION, {"prompt_cache_key": CACHE_KEY}), CACHE_KEY
        own = direct.ask(asked[0], TEXT, extra=asked[1])
    return lines.cache_marks(own, through.ask(asked[0], TEXT, extra=asked[1]), mark)


def cuts(way: Way) -> Iterator[Finding]:
    """Judge what becomes of replies that are cut off between and inside their events.

    A reply that has its finish reason is taken for whole: this is where replies with two reasons begin to differ.
    """
    asked = way.ask(QUESTION, TEXT).asked
    whole, other = (bytes_of_reply(asked, way.service, [*TEXT, Finish(reason)]) for reason in ("stop", "length"))
    pairs = enumerate(zip(b"".join(whole), b"".join(other), strict=False))
    end = next((place for place, (one, two) in pairs if one != two), 0)
    places, start = list[int](), 0
    for block in whole:
        places += [start, start + len(block) // 2]
        start += len(block)
    heard = [(place, way.ask(QUESTION, TEXT, Script(cut=place))) for place in places if place <= end]
    cut = [(place, one) for place, one in heard if one.asked]
    yield lines.cut(cut)
    yield lines.cut_told(cut)


def first_text(direct: Way, through: Way) -> Finding:
    """Show what the gateway adds to the time to the first text: the difference of two medians."""
    times = {
        way: [way.ask(QUESTION, TEXT).first or 0.0 for _ in range(TIMED)] for way in (direct, through, direct, through)
    }
    return lines.first_text(median(times[direct]), median(times[through]), TIMED)


def leaving(way: Way) -> Iterator[Finding]:
    """Judge how long after the client has left the service sees the gateway leave, in the answer and before it."""
    # In a wait between two pieces, the emulator sees at once that a client leaves.
    pieces = round(2 * PATIENCE / WAIT)
    left = way.ask(QUESTION, ["one "] * pieces, Script(wait=WAIT), leaves=True)
    yield lines.leaving("leave", noticed(left.asked), PATIENCE)
    silent = Script(silence=4 * PATIENCE)
    calls = (way.ask(QUESTION, TEXT, silent, timeout=Timeout(first_token=seconds)).asked for seconds in EARLY)
    yield lines.leaving("leave early", noticed(next(filter(None, calls), ())), PATIENCE)


def noticed(asked: tuple[Exchange, ...]) -> float | None:
    """Return how many seconds from now the emulator sees that it was left, None if that is not within `PATIENCE`."""
    left = time.monotonic()
    for exchange in asked:
        exchange.disconnected.wait(PATIENCE)
        if exchange.disconnected_at is not None:
            return max(0.0, exchange.disconnected_at - left)
    return None
