"""What observers are told, in each way in which a stream may end, in sync, on asyncio and on trio."""

import asyncio
import contextvars
import gc
import json
import logging
import pickle
import threading
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

import g4flite
from g4flite._core import exchange, observed
from g4flite.testing import Emulator, Script
from tests.conftest import Driver, interpret
from tests.exchanges import answering, arrived
from tests.rows import rows
from tests.transport.test_driver_faults import BRIEF, FAULTS

FRAME = b'data: {"id": "c", "choices": [{"index": 0, "delta": {"content": "You"}}]}\n\n'
# A text comes, and then none for long.
SLOW = Script(body=FRAME * 2, split=(len(FRAME),), wait=30, headers={"content-type": "text/event-stream"})
AT_ONCE = g4flite.Retry(times=2, base=0, cap=0)


class Noted:
    """An observer that notes what it is told: pairs of the name and the value, and the call each time."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []
        self.calls: list[g4flite.ObservedCall] = []

    def start(self, call: g4flite.ObservedCall) -> None:
        self._note("start", call, call)

    def attempt(self, call: g4flite.ObservedCall, attempt: g4flite.ObservedAttempt) -> None:
        self._note("attempt", call, attempt)

    def first(self, call: g4flite.ObservedCall, first: g4flite.ObservedFirst) -> None:
        self._note("first", call, first)

    def end(self, call: g4flite.ObservedCall, end: g4flite.ObservedEnd) -> None:
        self._note("end", call, end)

    def _note(self, name: str, call: g4flite.ObservedCall, value: object) -> None:
        self.told.append((name, value))
        self.calls.append(call)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.told]

    @property
    def ending(self) -> g4flite.ObservedEnd:
        """The end, after which nothing was told, and which came once."""
        assert (self.names[0], self.names[-1]) == ("start", "end")
        assert (self.names.count("start"), self.names.count("end")) == (1, 1)
        assert len({id(call) for call in self.calls}) == 1
        end: g4flite.ObservedEnd = self.told[-1][1]
        assert self.names.count("attempt") == end.attempts
        return end


def ask(server: Emulator, noted: Any, **more: Any) -> g4flite.Stream:
    arguments = {"base_url": f"{server.url}/v1", "model": "m", "api_key": "sk-key-123456", "observer": noted}
    return g4flite.stream("openai", **{"messages": "Hi", **arguments, **more})


async def leave(stream: g4flite.Stream) -> None:
    """Break out of an `async for` loop without `async with`, and wait until the event loop has ended the generator."""
    async for _ in stream:
        break
    gc.collect()
    await anyio.sleep(0.05)


def abandon(driver: Driver, server: Emulator, noted: Noted) -> None:
    server.script = SLOW
    stream = ask(server, noted)
    if driver.name == "sync":
        running = iter(stream)
        next(running)
        del running
        gc.collect()
    else:
        driver.run(leave, stream)


def break_off(driver: Driver, server: Emulator, noted: Noted) -> None:
    server.script = SLOW
    driver.read(ask(server, noted), limit=1)


def close(driver: Driver, server: Emulator, noted: Noted) -> None:
    async def main() -> None:
        async for _ in stream:
            await stream.aclose()

    server.script = SLOW
    stream = ask(server, noted)
    if driver.name == "sync":
        for _ in stream:
            stream.close()
    else:
        driver.run(main)


def raise_in_the_loop(driver: Driver, server: Emulator, noted: Noted) -> None:
    async def main() -> None:
        async with stream:
            async for _ in stream:
                raise ZeroDivisionError

    server.script = SLOW
    stream = ask(server, noted)
    with pytest.raises(ZeroDivisionError):
        if driver.name == "sync":
            with stream:
                for _ in stream:
                    raise ZeroDivisionError
        else:
            driver.run(main)


def complete(driver: Driver, server: Emulator, noted: Noted) -> None:
    assert "".join(driver.read(ask(server, noted))) == "You said: Hi"


def retry(driver: Driver, server: Emulator, noted: Noted) -> None:
    answering(server, Script(status=503), Script(status=500), Script())
    assert "".join(driver.read(ask(server, noted, retries=AT_ONCE))) == "You said: Hi"


def fall_back_over_one_that_has_no_key(driver: Driver, server: Emulator, noted: Noted) -> None:
    driver.collect(["anthropic", "cromicle"], "Hi", base_url=server.url, observer=noted)


def stop_early(driver: Driver, server: Emulator, noted: Noted) -> None:
    """Begin to read, and take no step."""
    stream = ask(server, noted)
    running: Any = iter(stream) if driver.name == "sync" else aiter(stream)
    del running
    stream.close()
    unread = ask(server, noted)
    unread.close()
    with pytest.raises(g4flite.StreamConsumed):
        driver.read(unread)


# How the stream ends, what is told in order, and the state.
ENDINGS: dict[str, tuple[Callable[[Driver, Emulator, Noted], None], str, str]] = {
    "complete": (complete, "start first attempt end", "complete"),
    "retries": (retry, "start attempt attempt first attempt end", "complete"),
    "a break": (break_off, "start first attempt end", "closed"),
    "abandoned and collected": (abandon, "start first attempt end", "closed"),
    "close()": (close, "start first attempt end", "closed"),
    "an exception in the loop": (raise_in_the_loop, "start first attempt end", "closed"),
    "a provider without a key": (fall_back_over_one_that_has_no_key, "start attempt first attempt end", "complete"),
}


# trio warns of a generator that is collected.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@rows("how", ENDINGS)
def test_the_end_is_told_once(how: str, driver: Driver, server: Emulator) -> None:
    end_it, names, state = ENDINGS[how]
    server.script, noted = Script(), Noted()
    end_it(driver, server, noted)
    assert " ".join(noted.names) == names
    told = noted.told[-1][1]
    assert (told.state, told.error, noted.names.count("end")) == (state, None, 1)
    # Each attempt is told, with its number.
    numbers = [value.number for name, value in noted.told if name == "attempt"]
    assert numbers == [*range(1, told.attempts + 1)]
    assert told.first is not None
    assert told.seconds >= told.first >= 0


# trio warns of a generator that is collected, and the circle may hold its socket.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_stream_in_a_circle_is_told_with_its_text_when_it_is_collected(driver: Driver, server: Emulator) -> None:
    def begin() -> None:
        running: Any = iter(ask(server, noted))
        next(running)
        circle = [running]
        circle.append(circle)

    async def abegin() -> None:
        running: Any = aiter(ask(server, noted))
        await anext(running)
        circle = [running]
        circle.append(circle)
        del running, circle
        gc.collect()
        await anyio.sleep(0.05)

    server.script, noted = SLOW, Noted()
    begin() if driver.name == "sync" else driver.run(abegin)
    gc.collect()
    assert (noted.ending.state, noted.ending.error, noted.ending.text) == ("closed", None, "You")


# The socket is left to the garbage collection, too.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_stream_whose_event_loop_was_closed_beside_it_is_told_once(server: Emulator) -> None:
    async def begin() -> Any:
        running = aiter(ask(server, noted))
        await anext(running)
        return running

    server.script, noted = SLOW, Noted()
    loop = asyncio.new_event_loop()
    running = loop.run_until_complete(begin())
    # As `asyncio.run` does not: without `shutdown_asyncgens`.
    loop.close()
    assert noted.names == ["start", "first"]
    del running
    gc.collect()
    assert (noted.ending.state, noted.ending.text) == ("closed", "You")


@rows("where", ["the module", "a circle", "the loop", "a daemon thread", "a closed event loop"])
def test_a_stream_that_is_under_way_when_the_process_ends_is_told_once(where: str, server: Emulator) -> None:
    code = """
import asyncio, sys, threading, g4flite
class Ends:
    def start(self, call):
        began.set()
    def end(self, call, end):
        print("end", end.state, end.text)
began = threading.Event()
stream = g4flite.stream("openai", "Hi", model="m", api_key="sk-1234567", base_url=sys.argv[1], observer=Ends())
if sys.argv[2] == "a daemon thread":
    threading.Thread(target=stream.text, daemon=True).start()
    began.wait()
    sys.exit()
if sys.argv[2] == "a closed event loop":
    async def until_it_waits():
        reading = asyncio.create_task(stream.atext())
        # The server has the request, and nothing comes.
        while not stream._run.timers.sent:
            await asyncio.sleep(0.01)
        reading._log_destroy_pending = False
    loop = asyncio.new_event_loop()
    loop.run_until_complete(until_it_waits())
    loop.close()
    sys.exit()
running = iter(stream)
print(next(running))
if sys.argv[2] == "a circle":
    circle = [running]
    circle.append(circle)
elif sys.argv[2] == "the loop":
    for chunk in running:
        sys.exit()
"""
    url = f"{server.url}/v1"
    if where in ("a daemon thread", "a closed event loop"):
        server.script = Script(silence=30)
        assert interpret(code, url, where) == "end closed \n"
        return
    server.script = SLOW if where != "the loop" else Script(body=FRAME * 9, split=len(FRAME))
    text = "You" if where != "the loop" else "YouYou"
    assert interpret(code, url, where) == f"You\nend closed {text}\n"


def test_the_end_of_a_stream_that_is_open_when_the_process_ends_is_told_once(
    server: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A stream that another thread collects at this moment.
    monkeypatch.setitem(observed._open, -1, lambda: None)
    told = list[str]()
    observer = SimpleNamespace(end=lambda call, end: told.append(end.state))
    url = f"{server.url}/v1"
    running = iter(g4flite.stream("openai", "Hi", model="m", api_key="sk-1234567", base_url=url, observer=observer))
    next(running)
    observed.leave_all()
    assert told == ["closed"]
    running.close()
    assert told == ["closed"]


def test_an_observer_that_closes_a_stream_which_is_complete_leaves_it_complete(
    driver: Driver, server: Emulator
) -> None:
    class Closes(Noted):
        def attempt(self, call: g4flite.ObservedCall, attempt: g4flite.ObservedAttempt) -> None:
            super().attempt(call, attempt)
            stream._run.abort()

    closes = Closes()
    stream = ask(server, closes)
    assert "".join(driver.read(stream)) == "You said: Hi"
    assert (closes.ending.state, stream._run.state) == ("complete", "complete")


def test_a_loop_that_takes_no_step_and_a_stream_that_is_never_read_tell_nothing(
    driver: Driver, server: Emulator
) -> None:
    noted = Noted()
    stop_early(driver, server, noted)
    assert (noted.told, server.exchanges) == ([], [])


@pytest.mark.heavy
@rows("fault", FAULTS)
def test_each_fault_is_told_once(fault: str, driver: Driver, server: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "BODY_TIME", 0.12)
    script, kind, partial, seconds = FAULTS[fault]
    server.script, noted = script("cromicle"), Noted()
    with pytest.raises(g4flite.G4fliteError) as caught:
        driver.collect(
            "cromicle", "Hi", base_url=server.url, timeout=BRIEF.get(kind) if seconds else None, observer=noted
        )
    end = noted.ending
    assert (end.state, end.error) == ("failed", caught.value)
    assert (end.provider, end.attempts, end.text) == ("cromicle", 1, caught.value.partial)
    assert ("first" in noted.names) == (end.first is not None)
    assert end.first is not None or not partial
    [attempt] = [value for name, value in noted.told if name == "attempt"]
    assert attempt.error_type == type(caught.value).__name__
    assert (attempt.outcome, attempt.seconds) == driver.stream.attempts[0][2:]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@rows("script", [Script(silence=30), SLOW, Script(status=503, headers={"retry-after": "40"})])
def test_a_cancellation_is_told_once(script: Script, backend: str, server: Emulator) -> None:
    server.script, noted = script, Noted()
    before = len(server.exchanges)

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask(server, noted).atext)
            await anyio.to_thread.run_sync(arrived, server, before)
            tasks.cancel_scope.cancel()

    anyio.run(main, backend=backend)
    end = noted.ending
    assert (end.state, end.attempts) == ("closed", 1)
    assert not isinstance(end.error, Exception)
    assert (end.first is not None) == (script is SLOW)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, ZeroDivisionError])
@rows("where", ["request", "response"])
def test_an_exception_that_is_not_ours_is_told_once(
    where: str, kind: type[BaseException], driver: Driver, server: Emulator
) -> None:
    def fail(_: object) -> None:
        raise kind

    async def afail(_: object) -> None:
        raise kind

    server.script, noted = Script(headers={"connection": "close"}), Noted()
    client = driver.client(event_hooks={where: [fail if driver.name == "sync" else afail]})
    with pytest.raises(kind) as caught:
        driver.read(ask(server, noted, client=client))
    assert (noted.ending.state, noted.ending.error, noted.names) == (
        "closed",
        caught.value,
        ["start", "attempt", "end"],
    )
    driver.close(client)


def test_a_stream_that_another_thread_or_task_closes_is_told_once(driver: Driver, server: Emulator) -> None:
    async def shut() -> None:
        await anyio.to_thread.run_sync(arrived, server)
        await stream.aclose()

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(shut)
            await stream.atext()

    server.script, noted = Script(silence=30), Noted()
    stream = ask(server, noted)
    if driver.name == "sync":
        thread = threading.Thread(target=lambda: (arrived(server), stream.close()))
        thread.start()
        with pytest.raises(g4flite.StreamClosedError):
            stream.text()
        thread.join()
    else:
        with pytest.raises(BaseException) as caught:
            driver.run(main)
        assert "StreamClosedError" in repr(caught.value)
    assert noted.ending.state == "closed"
    assert isinstance(noted.ending.error, g4flite.StreamClosedError)


def test_what_is_refused_before_a_socket_is_told_once_if_a_stream_was_made(driver: Driver, server: Emulator) -> None:
    noted = Noted()
    client = g4flite.Client("cromicle", base_url=server.url, observer=noted)
    client.close() if driver.name == "sync" else driver.run(client.aclose)
    with pytest.raises(g4flite.UsageError, match="is closed"):
        driver.read(client.stream("Hi"))
    assert (noted.ending.state, noted.names) == ("failed", ["start", "attempt", "end"])
    wrong, other = Noted(), Driver("asyncio" if driver.name == "sync" else "sync").client()
    with pytest.raises(TypeError):
        driver.read(ask(server, wrong, client=other))
    assert (wrong.ending.state, type(wrong.ending.error)) == ("closed", TypeError)
    with pytest.raises(g4flite.OptionError):
        ask(server, wrong, no_such_option=1)
    assert (len(wrong.told), server.exchanges) == (3, [])


def test_each_provider_of_a_list_is_told_with_its_attempts(driver: Driver, server: Emulator) -> None:
    noted, sound, broken = Noted(), Noted(), Noted()
    first = g4flite.Client(
        "ollama", model="a", base_url="http://127.0.0.1:1", retries=AT_ONCE, observer=[broken, noted]
    )
    second = g4flite.Client(
        "openai", model="b", base_url=f"{server.url}/v1", api_key="sk-1234567", observer=[noted, sound]
    )
    assert "".join(driver.read(g4flite.stream([first, second], "Hi"))) == "You said: Hi"
    tried = [
        (value.number, value.provider, value.model, value.status) for name, value in noted.told if name == "attempt"
    ]
    assert tried == [
        (1, "ollama", "a", None),
        (2, "ollama", "a", None),
        (3, "ollama", "a", None),
        (4, "openai", "b", 200),
    ]
    call, end = noted.calls[0], noted.ending
    assert ((call.provider, call.model), (end.provider, end.model, end.attempts)) == (
        ("ollama", "a"),
        ("openai", "b", 4),
    )
    # The observers of all clients are told of a stream that may go over each; those of the call take their place.
    assert noted.names == sound.names == broken.names
    own = Noted()
    driver.read(g4flite.stream([first, second], "Hi", observer=own))
    assert (own.names, len(sound.told)) == (noted.names, len(own.told))
    failing = g4flite.stream([first, first], "Hi", retries=0, observer=(gone := Noted()))
    with pytest.raises(g4flite.AllFailedError) as caught:
        driver.read(failing)
    assert (gone.ending.error, gone.ending.attempts) == (caught.value, 2)
    for client in (first, second):
        client.close() if driver.name == "sync" else driver.run(client.aclose)


def test_observers_of_several_clients_are_told_once_each_whether_or_not_they_are_equal(
    driver: Driver, server: Emulator
) -> None:
    # A dataclass has no hash, and is equal to another one.
    @dataclass
    class Count:
        ends: int = 0

        def end(self, call: g4flite.ObservedCall, end: g4flite.ObservedEnd) -> None:
            self.ends += 1

    one, other = Count(), Count()
    arguments = {"base_url": f"{server.url}/v1", "model": "m", "api_key": "sk-key-123456"}
    clients = [g4flite.Client("openai", **arguments, observer=[one, own]) for own in (one, other)]
    driver.read(g4flite.stream(clients, "Hi"))
    assert (one.ends, other.ends) == (1, 1)
    for client in clients:
        client.close() if driver.name == "sync" else driver.run(client.aclose)


def test_what_is_told_is_plain_data_that_holds_no_secret(driver: Driver, server: Emulator) -> None:
    noted = Noted()
    script = Script(status=401, body="sk-key-123456 sk-own-123456", headers={"x-request-id": "sk-key-123456"})
    answering(server, script, Script())
    with pytest.raises(g4flite.AuthenticationError):
        driver.read(ask(server, noted, temperature=0.5, headers={"x-own": "sk-own-123456"}))
    driver.read(ask(server, noted))
    for secret in ("sk-key-123456", "sk-own-123456"):
        assert secret not in repr(noted.told)
    call, end = noted.calls[0], noted.told[-1][1]
    assert (call.base_url, call.options, call.messages[0]) == (
        f"{server.url}/v1", {"temperature": 0.5}, {"role": "user", "content": "Hi"},
    )  # fmt: skip
    for frozen in (call.options, call.messages[0]):
        with pytest.raises(TypeError, match="cannot be changed"):
            frozen["role"] = "x"  # type: ignore[index]
    assert (end.text, end.reasoning, end.tool_calls, end.status) == ("You said: Hi", "", (), 200)
    assert (end.usage, end.finish) == (driver.stream.usage, g4flite.Finish("stop", "stop"))
    assert end.start == g4flite.Start("chatcmpl-1", "m")
    assert len({call, *(value for _, value in noted.told)}) == len({call.id for call in noted.calls}) + 5
    for _, value in noted.told:
        assert deepcopy(value) == pickle.loads(pickle.dumps(value)) or value.error is not None


def test_what_is_told_cannot_be_changed_at_any_depth(driver: Driver, server: Emulator) -> None:
    class Changes(Noted):
        def start(self, call: g4flite.ObservedCall) -> None:
            super().start(call)
            content: Any = call.messages[0]["content"]
            assert isinstance(content, tuple)
            for mapping in (content[0], call.options["tools"][0]["function"]["parameters"]):
                with pytest.raises(TypeError, match="cannot be changed"):
                    mapping.clear()

        def end(self, call: g4flite.ObservedCall, end: g4flite.ObservedEnd) -> None:
            super().end(call, end)
            assert end.usage is not None
            with pytest.raises(TypeError, match="cannot be changed"):
                end.usage.raw["prompt_tokens"] = 0  # type: ignore[index]

    content = [{"type": "text", "text": "Hi"}, {"type": "text", "text": "ho"}]
    tool = {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}
    changes = Changes()
    driver.read(ask(server, changes, messages=[{"role": "user", "content": content}], tools=[tool]))
    call = changes.calls[0]
    assert json.loads(json.dumps(call.messages, default=dict)) == [{"role": "user", "content": content}]
    assert json.loads(json.dumps(call.options["tools"], default=dict)) == [tool]
    assert changes.ending.state == "complete"


def test_a_text_that_is_not_kept_is_told_as_none(driver: Driver, server: Emulator) -> None:
    noted = Noted()
    driver.read(ask(server, noted, keep_partial=False))
    assert (noted.ending.text, noted.ending.reasoning) == (None, None)


class Broken:
    """An observer that fails."""

    def __init__(self, kind: type[BaseException] = ZeroDivisionError) -> None:
        self.kind = kind

    def _fail(self, *_: object) -> None:
        raise self.kind("of the observer")

    start = attempt = first = end = tap = landed = _fail


def test_an_observer_that_raises_costs_no_answer_and_is_logged_once(
    driver: Driver, server: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    noted = Noted()
    for _ in range(2):
        assert "".join(driver.read(ask(server, [Broken(), noted]))) == "You said: Hi"
        assert "".join(driver.read(ask(server, [Broken(), noted], retries=0), limit=1)) == "You"
    assert noted.names.count("end") == 4
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert said == [
        f"the observer tests.core.test_observed.Broken failed in {name}; it is told of other streams as before, and no "
        "further failure of this method is logged"
        for name in ("start", "tap", "first", "attempt", "landed", "end")
    ]
    assert all(record.exc_info is not None for record in caplog.records)


def test_the_log_of_an_observer_that_raises_shows_nothing_of_the_stream_s_error(
    driver: Driver, server: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    server.script = Script(status=401, body="no such key: sk-key-123456")
    with pytest.raises(g4flite.AuthenticationError):
        driver.read(ask(server, Broken()))
    shown = "\n".join(
        logging.Formatter().format(record) for record in caplog.records if record.levelno == logging.ERROR
    )
    assert "ZeroDivisionError: of the observer" in shown
    assert "AuthenticationError" not in shown
    assert "sk-key" not in caplog.text


@rows("name", ["start", "attempt", "first", "end"])
def test_an_interrupt_inside_an_observer_leaves_no_connection_and_no_other_observer_in_the_dark(
    name: str, driver: Driver, server: Emulator
) -> None:
    class Interrupted:
        pass

    async def main() -> None:
        async with stream:
            await anext(aiter(stream))

    interrupted, noted = Interrupted(), Noted()
    setattr(interrupted, name, Broken(KeyboardInterrupt)._fail)
    server.script = SLOW
    before, stream = len(server.exchanges), ask(server, [noted, interrupted])
    with pytest.raises(KeyboardInterrupt):
        if driver.name == "sync":
            running = iter(stream)
            next(running)
            running.close()
        else:
            driver.run(main)
    assert (noted.ending.state, len(server.exchanges) - before) == ("closed", int(name != "start"))
    for sent in server.exchanges[before:]:
        assert sent.disconnected.wait(10)


def test_an_observer_adds_headers_and_replaces_none(
    driver: Driver, server: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    class Adds(Noted):
        def __init__(self, **headers: Any) -> None:
            super().__init__()
            self.headers = headers

        def start(self, call: g4flite.ObservedCall) -> Any:
            return {name.replace("_", "-"): value for name, value in self.headers.items()}

    def sent(*observers: Any, **more: Any) -> dict[str, str]:
        driver.read(ask(server, observers, **more))
        return {name.lower(): value for name, value in server.exchanges[-1].headers}

    answering(server, Script(status=503), Script())
    headers = sent(Adds(Traceparent="00-a"), Adds(traceparent="00-b", baggage="x=1"), retries=AT_ONCE)
    assert (headers["traceparent"], headers["baggage"]) == ("00-a", "x=1")
    # Each attempt has them.
    assert "00-a" in dict(server.exchanges[0].headers).values()
    assert caplog.records == []
    headers = sent(Adds(traceparent="00-a"), headers={"Traceparent": "00-own"})
    assert headers["traceparent"] == "00-own"
    for wrong in ({"authorization": "Bearer other"}, {"x": "a\nb"}, {"host": "a.test"}, {"x": 1}):
        assert "x" not in (headers := sent(Adds(**wrong)))
        assert headers["authorization"] == "Bearer sk-key-123456"
    said = [str(record.exc_info[1]) if record.exc_info else record.getMessage() for record in caplog.records]
    assert said == [
        "the header traceparent of an observer was left out: the request has one of its own",
        "an observer cannot add the header authorization, which is a secret; pass headers= instead",
    ]
    assert "00-own" not in caplog.text


def test_an_observer_may_return_no_headers_but_no_other_thing(
    driver: Driver, server: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    class Odd:
        def start(self, call: g4flite.ObservedCall) -> Any:
            return [("a", "b")]

    driver.read(ask(server, Odd()))
    [record] = caplog.records
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "start must return a mapping of headers or None, not list"


def test_what_an_observer_adds_is_in_no_message(driver: Driver, server: Emulator) -> None:
    class Adds:
        def start(self, call: g4flite.ObservedCall) -> dict[str, str]:
            return {"x-run": "run-id-12345678"}

    server.script = Script(status=400, body="bad x-run: run-id-12345678")
    with pytest.raises(g4flite.StatusError) as caught:
        driver.read(ask(server, Adds()))
    assert "bad x-run: ***" in str(caught.value)


def test_context_variables_are_those_of_the_loop_and_none_is_changed(driver: Driver, server: Emulator) -> None:
    user = contextvars.ContextVar("user", default="nobody")
    seen = []

    class Sees(Noted):
        def _note(self, name: str, call: g4flite.ObservedCall, value: object) -> None:
            seen.append(user.get())
            user.set(f"changed in {name}")

    async def main() -> None:
        user.set("ann")
        async with stream:
            async for _ in stream:
                break
        assert user.get() == "ann"

    def read() -> None:
        user.set("ann")
        for _ in stream:
            break
        assert user.get() == "ann"

    server.script = SLOW
    stream = ask(server, Sees())
    contextvars.copy_context().run(read) if driver.name == "sync" else driver.run(main)
    assert seen == ["ann", "changed in start", "changed in first", "changed in attempt"]


def test_a_conversation_tells_its_observer_of_each_round(driver: Driver, server: Emulator) -> None:
    def weather(city: str) -> str:
        """The weather."""
        return f"sunny in {city}"

    server.script, noted = Script(tools=True), Noted()
    arguments = {"model": "m", "api_key": "sk-key-123456", "base_url": f"{server.url}/v1"}
    chat = g4flite.Conversation("openai", tools=[weather], observer=noted, **arguments)
    answer = chat.say("Hi")
    text = answer.text() if driver.name == "sync" else driver.run(answer.atext)
    assert noted.names == ["start", "first", "attempt", "end"] * 2
    ends = [value for name, value in noted.told if name == "end"]
    assert ([len(end.tool_calls) for end in ends], ends[1].text) == ([1, 0], text)
    chat.close() if driver.name == "sync" else driver.run(chat.aclose)


def test_an_error_that_is_told_leaves_no_circle(server: Emulator) -> None:
    import weakref

    class Last:
        def end(self, call: g4flite.ObservedCall, end: g4flite.ObservedEnd) -> None:
            assert end.error is not None

    server.script = Script(status=401)
    gc.disable()
    try:
        stream = ask(server, Last())
        gone = weakref.ref(stream._run.text)
        with pytest.raises(g4flite.AuthenticationError):
            stream.text()
        del stream
        gc.collect(0) if gone() is None else None
        assert gone() is None
    finally:
        gc.enable()
