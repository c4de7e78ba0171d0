"""`run`: rows in, results out, over threads, asyncio and trio, against a service on a socket of this machine."""

import asyncio
import contextvars
import itertools
import signal
import threading
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

import g4flite
from g4flite.apps.batch import run
from g4flite.apps.batch.drivers import CALLS, Batch, Clients
from g4flite.apps.batch.job import Job
from g4flite.apps.batch.rows import row_of
from g4flite.testing import Emulator, ToolCall
from tests.apps.service import Service, mixed
from tests.conftest import Driver
from tests.rows import rows


def asked(rows: Any, url: str, **settings: Any) -> Batch:
    return run(rows, "llamacpp", base_url=url, **settings)


def results(driver: Driver, batch: Batch, limit: int | None = None) -> list[Any]:
    """Return the results of a batch, `limit` results at most."""

    async def read() -> list[Any]:
        found = list[Any]()
        async with batch:
            async for result in batch:
                found.append(result)
                if len(found) == limit:
                    break
        return found

    if driver.name == "sync":
        with batch:
            return [*itertools.islice(batch, limit)]
    found: list[Any] = driver.run(read)
    return found


def say(count: int) -> Iterator[dict[str, Any]]:
    return ({"id": number, "prompt": f"Say {number}"} for number in range(count))


def test_each_row_has_a_result_with_its_fields(driver: Driver) -> None:
    with Service() as service:
        batch = asked([{"id": "a", "prompt": "Hi", "x": 1}, {"prompt": "Ho"}, 7], service.url, ordered=True)
        one, two, three = results(driver, batch)
    seconds = one.pop("seconds")
    assert 0 <= seconds < 60
    assert one == {
        "id": "a", "prompt": "Hi", "x": 1, "answer": "You said: Hi", "finish_reason": "stop", "attempts": 1,
        "usage": {"prompt_tokens": 1, "completion_tokens": 3, "total_tokens": 4},
    }  # fmt: skip
    assert two["answer"] == "You said: Ho"
    assert three["error"]["class"] == "UsageError"
    assert (batch.answered, batch.failed, batch.under_way, batch.stopped) == (2, 1, 0, None)
    assert repr(batch) == "<Batch: 2 answered, 1 failed, 0 under way>"
    assert batch.ledger.total.streams == 2
    assert batch.allowed == 16


def test_results_are_in_order_if_asked_for_else_as_they_come(driver: Driver) -> None:
    slow = lambda prompt, attempt: "slow" if prompt == "Say 0" else "answer"  # noqa: E731
    with Service(slow) as service:
        ordered = results(driver, asked(say(40), service.url, ordered=True, concurrency=4))
        as_they_come = results(driver, asked(say(40), service.url, concurrency=4))
    assert [row["id"] for row in ordered] == [*range(40)]
    assert sorted(row["id"] for row in as_they_come) == [*range(40)]


@pytest.mark.parametrize("count", [100, pytest.param(20_000, marks=pytest.mark.long)])
def test_every_row_has_one_result_whatever_the_service_does(driver: Driver, count: int) -> None:
    with Service(mixed) as service:
        retry = g4flite.Retry(times=2, base=0.01)
        batch = asked(say(count), service.url, concurrency=32, retries=retry)
        found = results(driver, batch)
    assert sorted(row["id"] for row in found) == [*range(count)]
    whole = [row for row in found if "answer" in row]
    assert (batch.answered, batch.failed) == (len(whole), count - len(whole))
    assert len(whole) > count * 0.8
    assert all(row["answer"] == f"You said: Say {row['id']}" for row in whole)
    # What the service has counted is what the rows and the ledger say.
    assert sum(row["usage"]["total_tokens"] for row in whole) == service.tokens
    total = batch.ledger.total
    assert total.prompt_tokens.counted + total.completion_tokens.counted == service.tokens
    assert total.streams == sum(service.asked.values())
    assert {row["error"]["class"] for row in found if "error" in row} >= {"MalformedReplyError"}
    assert set(service.fates) == {"429", "500", "529", "cut", "html", "slow", "answer"}


def test_the_options_of_a_row_and_those_of_the_job_are_sent(driver: Driver) -> None:
    with Service() as service:
        row = {"prompt": "Hi", "options": {"temperature": 0.5, "model": "other", "system": "Be brief"}}
        results(driver, asked([row], service.url, temperature=0, max_tokens=9, model="m"))
        sent = service.request
        assert (sent["temperature"], sent["max_tokens"], sent["model"]) == (0.5, 9, "other")
        assert [message["content"] for message in sent["messages"]] == ["Be brief", "Hi"]
        (wrong,) = results(driver, asked([{"prompt": "Hi", "options": {"no_such": 1}}], service.url))
        assert wrong["error"]["class"] == "OptionError"
        (filled,) = results(driver, asked([{"text": "Hi"}], service.url, template="Say {text}"))
        assert filled["answer"] == "You said: Say Hi"


def test_the_value_of_an_answer_and_the_tool_calls_are_results(driver: Driver, server: Emulator) -> None:
    server.keys = False
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    server.reply = lambda messages: '{"a": 1}' if messages[-1]["content"] == "Hi" else "no JSON"
    batch = asked([{"prompt": "Hi"}, {"prompt": "Ho"}], f"{server.url}/v1", ordered=True, response_format=schema)
    one, two = results(driver, batch)
    assert one["parsed"] == {"a": 1}
    assert (two["error"]["class"], two["error"]["partial"]) == ("MalformedReplyError", "no JSON")
    tool = {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}
    server.reply = lambda messages: [ToolCall("call_1", "now", "{}")]
    row = {"prompt": "Hi", "options": {"response_format": schema, "tools": [tool]}}
    (called,) = results(driver, asked([row], f"{server.url}/v1"))
    assert called["tool_calls"] == [{"id": "call_1", "name": "now", "arguments": "{}"}]
    assert "parsed" not in called


@rows(
    ("fate", "error"),
    [
        ("key", g4flite.AuthenticationError),
        ("quota", g4flite.RateLimitError),
        ("429, an age", g4flite.RateLimitError),
        ("model", g4flite.NotFoundError),
    ],
)
def test_what_every_row_would_meet_ends_the_loop(fate: str, error: type[Exception], driver: Driver) -> None:
    with Service(lambda prompt, attempt: fate) as service:
        with pytest.raises(error):
            results(driver, asked(say(1000), service.url, concurrency=4))
        assert sum(service.asked.values()) <= 8


def test_results_before_such_an_end_are_given_out(driver: Driver) -> None:
    found = list[Any]()

    async def read() -> None:
        async for result in batch:
            found.append(result)

    with Service(lambda prompt, attempt: "key" if prompt == "Say 9" else "answer") as service:
        batch = asked(say(100), service.url, concurrency=1)
        with pytest.raises(g4flite.AuthenticationError):
            driver.run(read) if driver.name != "sync" else found.extend(batch)
    assert [row["id"] for row in found] == [*range(9)] or driver.name == "sync"
    assert batch.answered == 9


def test_one_refusal_slows_down_everybody(driver: Driver) -> None:
    refused = lambda prompt, attempt: "429" if attempt == 1 and int(prompt[4:]) < 16 else "answer"  # noqa: E731
    with Service(refused) as service:
        found = results(driver, asked(say(64), service.url, concurrency=16))
        assert sum("answer" in row for row in found) == 64
        # The pause that the service has asked for lies between the refusals and all that follows.
        gaps = [later - sooner for sooner, later in itertools.pairwise(service.times)]
        assert max(gaps) >= 0.02
        assert service.fates["429"] == 16


def test_no_more_calls_than_allowed_are_under_way(driver: Driver) -> None:
    with Service(seconds=0.005) as service:
        results(driver, asked(say(60), service.url, concurrency=5))
        assert 1 <= service.most <= 5
    with Service(seconds=0.005) as service:
        assert len(results(driver, asked(say(40), service.url, concurrency="auto"))) == 40


def test_requests_per_minute_are_kept(driver: Driver) -> None:
    with Service() as service:
        # A second's worth at once, 20; and then one each 51 ms.
        began = time.monotonic()
        results(driver, asked(say(30), service.url, rpm=1200, concurrency=30))
        assert time.monotonic() - began >= 9 * 0.05


@pytest.mark.parametrize("wait", [False, True])
def test_rows_are_taken_no_further_ahead_than_the_window(driver: Driver, wait: bool) -> None:
    taken = 0

    def endless() -> Iterator[dict[str, Any]]:
        nonlocal taken
        for row in ({"prompt": f"Say {number}"} for number in itertools.count()):
            taken += 1
            yield row

    async def read() -> None:
        async with batch:
            async for _ in batch:
                await anyio.sleep(0.05)
                break

    with Service() as service:
        batch = asked(endless(), service.url, concurrency=2)
        if not wait:
            assert len(results(driver, batch, limit=50)) == 50
            assert taken <= 50 + 9
        elif driver.name == "sync":
            with batch:
                next(iter(batch))
                time.sleep(0.05)
        else:
            driver.run(read)
        assert taken <= 59


def test_async_rows_are_read_in_async_alone(driver: Driver) -> None:
    async def arriving() -> AsyncIterator[dict[str, Any]]:
        for row in say(9):
            await anyio.sleep(0)
            yield row

    with Service() as service:
        batch = asked(arriving(), service.url)
        if driver.name == "sync":
            with pytest.raises(g4flite.UsageError, match="read the batch with `async for`"):
                results(driver, batch)
        else:
            assert len(results(driver, batch)) == 9


@pytest.mark.parametrize("error", [OSError("the disk is gone"), SystemExit("the disk is gone")])
def test_what_the_rows_raise_is_raised_behind_the_results(driver: Driver, error: BaseException) -> None:
    def broken() -> Iterator[dict[str, Any]]:
        yield from say(5)
        raise error

    with Service() as service:
        batch = asked(broken(), service.url)
        with pytest.raises(type(error), match="the disk is gone"):
            results(driver, batch)
    assert batch.answered == 5


def test_rows_that_pass_on_the_cancellation_of_something_else_do_not_end_the_loop_unsaid() -> None:
    async def rows() -> AsyncIterator[dict[str, Any]]:
        for row in say(2):
            yield row
        task = asyncio.ensure_future(asyncio.sleep(60))
        task.cancel()
        await task

    async def read() -> None:
        with pytest.raises(asyncio.CancelledError):
            async for _ in asked(rows(), service.url):
                pass

    with Service() as service:
        asyncio.run(read())


def test_a_row_that_is_left_is_neither_answered_nor_failed(driver: Driver) -> None:
    with Service(lambda prompt, attempt: "500" if prompt == "Say 1" else "answer", seconds=0.0) as service:
        patient = g4flite.Retry(times=99, base=1000, cap=1000)
        batch = asked(say(2), service.url, retries=patient)
        (one,) = results(driver, batch, limit=1)
    assert one["id"] == 0
    assert batch.failed == 0


def test_leaving_the_loop_ends_the_calls_under_way(driver: Driver) -> None:
    with Service(lambda prompt, attempt: "answer" if prompt == "Say 0" else "held") as service:
        batch = asked(say(100), service.url, concurrency=4)
        assert len(results(driver, batch, limit=1)) == 1
        assert batch.under_way == 0
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("g4flite-batch")]
        # Also those that wait until they may begin.
        batch = asked(say(100), service.url, concurrency=4, rpm=1)
        assert len(results(driver, batch, limit=1)) == 1


@pytest.mark.parametrize("ordered", [False, True])
def test_what_the_loop_has_not_got_when_it_is_left_can_be_had(driver: Driver, ordered: bool) -> None:
    found = list[Any]()

    async def read() -> None:
        async with batch:
            async for result in batch:
                found.append(result)
                while batch.answered < 7:  # noqa: ASYNC110 - a batch tells nobody of an answer
                    await anyio.sleep(0.001)
                break

    with Service(lambda prompt, attempt: "held" if prompt == "Say 1" else "answer") as service:
        batch = asked(say(8), service.url, ordered=ordered, concurrency=4)
        if driver.name == "sync":
            with batch:
                for result in batch:
                    found.append(result)
                    while batch.answered < 7:
                        time.sleep(0.001)
                    break
        else:
            driver.run(read)
    (one,) = found
    rest = [row["id"] for row in batch.unread]
    assert rest == sorted(rest)
    assert {one["id"], *rest} == {0, 2, 3, 4, 5, 6, 7}


def test_how_long_nothing_is_asked_after_a_refusal_can_be_seen(driver: Driver) -> None:
    waits = list[float]()

    def refuse(prompt: str, attempt: int) -> str:
        return "429, minutes" if prompt == "Say 1" else "answer"

    async def read() -> None:
        async with batch:
            async for _ in batch:
                while not batch.waits:  # noqa: ASYNC110
                    await anyio.sleep(0.001)
                waits.append(batch.waits)
                break

    with Service(refuse) as service:
        batch = asked(say(2), service.url, concurrency=2)
        assert batch.waits == 0
        if driver.name == "sync":
            with batch:
                for _ in batch:
                    while not batch.waits:
                        time.sleep(0.001)
                    waits.append(batch.waits)
                    break
        else:
            driver.run(read)
    assert 0 < waits[0] <= 300


def test_a_budget_ends_the_loop_without_an_error(driver: Driver) -> None:
    with Service() as service:
        batch = asked(say(1000), service.url, max_tokens_total=60, max_tokens=4, concurrency=1)
        found = results(driver, batch)
    assert batch.stopped == "max_tokens_total"
    assert 4 <= len(found) < 12
    with Service(lambda prompt, attempt: "500") as service:
        # The deadline comes while rows wait for their next attempt.
        patient = g4flite.Retry(times=99, base=0.1, cap=0.1)
        batch = asked(say(10), service.url, deadline=0.2, retries=patient)
        assert results(driver, batch) == []
    assert batch.stopped == "deadline"
    with Service(seconds=0.2) as service:
        # What is under way is awaited.
        assert len(results(driver, asked(say(1), service.url, deadline=0.1))) == 1


def test_a_budget_that_is_used_up_by_the_last_row_has_stopped_nothing(driver: Driver) -> None:
    with Service() as service:
        # Each row takes 6 tokens.
        for count, stopped in ((4, None), (5, "max_tokens_total")):
            batch = asked(say(count), service.url, max_tokens_total=26, max_tokens=1, concurrency=1)
            assert len(results(driver, batch)) == 4
            assert batch.stopped == stopped


def test_a_source_that_says_nothing_does_not_hold_the_end_of_the_job(driver: Driver) -> None:
    gone = threading.Event()

    def silent() -> Iterator[dict[str, Any]]:
        yield from say(2)
        gone.wait(60)

    async def asilent() -> AsyncIterator[dict[str, Any]]:
        for row in say(2):
            yield row
        await anyio.sleep(60)

    source = silent if driver.name == "sync" else asilent
    try:
        with Service() as service:
            batch = asked(source(), service.url, deadline=0.3)
            assert len(results(driver, batch)) <= 2
            assert batch.stopped == "deadline"
        with Service(lambda prompt, attempt: "key") as service, pytest.raises(g4flite.AuthenticationError):
            results(driver, asked(source(), service.url))
    finally:
        gone.set()


def test_the_end_of_a_budget_ends_rows_that_wait_until_they_may_begin(driver: Driver) -> None:
    def refuse(prompt: str, attempt: int) -> str:
        # Both rows are refused; one is asked again, and the other waits for it.
        if attempt > 1:
            batch._job.stopped = "max_cost"
        return "429"

    with Service(refuse, together=2) as service:
        batch = asked(say(2), service.url, concurrency=2)
        assert results(driver, batch) == []
        assert sum(service.asked.values()) == 3
    assert (batch.stopped, batch.failed) == ("max_cost", 0)


@pytest.mark.parametrize("name", ["trial", "begin", "end"])
def test_a_fault_in_the_batch_itself_is_raised(driver: Driver, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Job, name, lambda *_: 1 / 0)
    with Service() as service, pytest.raises(ZeroDivisionError):
        results(driver, asked(say(10), service.url, concurrency=1))


def test_a_system_that_has_no_more_threads_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    real, count = ThreadPoolExecutor.submit, itertools.count()

    def submit(pool: ThreadPoolExecutor, *work: Any) -> Any:
        number = next(count)
        # The pool has the work before it finds that there is no thread for it: one that it has may do it.
        if number < 4:
            real(pool, *work)
        if number >= 3:
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(ThreadPoolExecutor, "submit", submit)
    with Service() as service, pytest.raises(RuntimeError, match="can't start new thread"):
        list(asked(say(10), service.url))


@rows("given", ["Hi", b"Hi", {"prompt": "Hi"}, StringIO('{"prompt": "Hi"}'), SimpleNamespace(columns=["prompt"])])
def test_what_is_no_iterable_of_rows_is_told_at_once(given: Any) -> None:
    with pytest.raises(g4flite.UsageError, match=f"must be an iterable of dicts, .*, not {type(given).__name__}$"):
        asked(given, "http://127.0.0.1:9/v1")


def test_results_of_a_database_are_rows_although_they_have_a_method_columns(driver: Driver) -> None:
    class Found:
        """What `execute(...).mappings()` of SQLAlchemy 2.1 returns: an iterator of mappings."""

        def __init__(self) -> None:
            self.rows = iter(say(3))

        def __iter__(self) -> Iterator[object]:
            return self.rows

        def columns(self, *names: str) -> "Found":
            return self

    with Service() as service:
        assert len(results(driver, asked(Found(), service.url))) == 3


def test_settings_that_make_no_sense_ask_nothing() -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"template": 5}, "template must be a text, not 5"),
        ({"rpm": True}, "rpm= must be a number above 0, not True"),
        ({"deadline": True}, "deadline= must be a number above 0, not True"),
    ]
    for settings, message in wrong:
        with pytest.raises(g4flite.OptionError, match=message):
            asked(say(1), "http://127.0.0.1:1", **settings)


def test_an_own_error_of_the_callers_code_fails_a_row(driver: Driver) -> None:
    class Broken:
        def __iter__(self) -> Iterator[object]:
            raise RuntimeError("broken")

    with Service() as service:
        row = {"prompt": "Hi", "options": {"extra": Broken()}}
        (found,) = results(driver, asked([row], service.url))
    assert found["error"]["class"] in ("OptionError", "RuntimeError")


def test_a_batch_is_read_once_and_in_one_way(driver: Driver) -> None:
    with Service() as service:
        batch = asked(say(3), service.url)
        results(driver, batch)
        with pytest.raises(g4flite.StreamConsumed, match="call run"):
            results(driver, batch)

    async def confused() -> None:
        with pytest.raises(TypeError, match="write `async with`"), batch:
            running = aiter(batch)
            await anext(running)
        await running.aclose()

    async def other_way() -> None:
        batch = asked([], service.url)
        async with batch:
            assert [*batch] == []

    if driver.name != "sync":
        with Service() as service:
            batch = asked(say(3), service.url)
            driver.run(confused)
            driver.run(other_way)


def test_a_loop_that_is_left_without_a_with_is_closed(driver: Driver) -> None:
    async def read() -> int:
        running = aiter(batch)
        one = await anext(running)
        await running.aclose()
        return int(one["id"])

    with Service() as service:
        batch = asked(say(100), service.url)
        if driver.name == "sync":
            for _ in batch:
                break
            assert not [thread for thread in threading.enumerate() if thread.name.startswith("g4flite-batch")]
        else:
            assert driver.run(read) < 100


def test_a_task_that_is_cancelled_ends_its_calls(driver: Driver) -> None:
    async def read() -> None:
        with anyio.move_on_after(0.05):
            async for _ in batch:
                pass
        assert batch._job.limiter.under_way > batch.under_way == 0
        with anyio.move_on_after(0):
            async for _ in other:
                pass

    if driver.name == "sync":
        return
    with Service(lambda prompt, attempt: "held") as service:
        batch, other = asked(say(100), service.url), asked(say(100), service.url)
        driver.run(read)


def test_ctrl_c_leaves_the_loop() -> None:
    def interrupt(_: str, __: int) -> str:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        return "held"

    with Service(interrupt) as service, pytest.raises(KeyboardInterrupt):
        list(asked(say(3), service.url, concurrency=1))


def with_calls(service: Service, calls: int) -> Iterator[Any]:
    """Return the results of a batch of which one has come, and that has so many calls under way."""
    running: Iterator[Any] = iter(asked(say(9), service.url, concurrency=calls))
    next(running)
    while service.under_way < calls:
        time.sleep(0.001)
    return running


def test_ctrl_c_while_the_calls_are_ended_leaves_none_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    close = g4flite.Client.close

    def interrupted(client: g4flite.Client) -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        # In the main thread, the exception comes before the next line.
        time.sleep(0.001)
        close(client)

    def batch_threads() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name.startswith("g4flite-batch")]

    with Service(lambda prompt, attempt: "answer" if prompt == "Say 0" else "held") as service:
        running: Any = with_calls(service, 5)
        monkeypatch.setattr(g4flite.Client, "close", interrupted)
        with pytest.raises(KeyboardInterrupt):
            running.close()
        until = time.monotonic() + 60
        while threads := batch_threads():
            # Each Ctrl-C comes here, too.
            with suppress(KeyboardInterrupt):
                assert time.monotonic() < until, threads
                time.sleep(0.001)


def test_a_loop_that_ends_with_the_interpreter_begins_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    with Service(lambda prompt, attempt: "answer" if prompt == "Say 0" else "held") as service:
        running: Any = with_calls(service, 5)
        monkeypatch.setattr(threading.Thread, "start", start)
        running.close()
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("g4flite-batch_")]


def test_an_exit_in_the_code_of_the_caller_is_raised() -> None:
    class Exits:
        def start(self, call: Any) -> None:
            raise SystemExit(7)

    with Service() as service:
        batch = asked(say(3), service.url, observer=[Exits()], concurrency=1)
        with pytest.raises(SystemExit):
            list(batch)


def test_rows_and_observers_see_the_context_variables_around_the_loop(driver: Driver) -> None:
    user = contextvars.ContextVar("user", default="nobody")
    seen = list[str]()

    class Sees:
        def start(self, call: g4flite.ObservedCall) -> None:
            seen.append(user.get())

        def end(self, call: g4flite.ObservedCall, end: g4flite.ObservedEnd) -> None:
            seen.append(user.get())

    def given() -> Iterator[dict[str, Any]]:
        for row in say(3):
            seen.append(user.get())
            yield row

    async def read() -> None:
        user.set("ann")
        async with batch:
            assert [result async for result in batch]

    def in_sync() -> None:
        user.set("ann")
        assert list(batch)

    with Service() as service:
        batch = asked(given(), service.url, observer=Sees())
        contextvars.copy_context().run(in_sync) if driver.name == "sync" else driver.run(read)
    assert seen == ["ann"] * 9


def test_rows_that_wait_for_their_next_attempt_end_with_the_job(driver: Driver) -> None:
    # The job ends while a row would wait for a quarter of an hour, and before or behind the last row was taken.
    fate = lambda prompt, attempt: "500" if prompt == "Say 0" else "key" if prompt == "Say 5" else "answer"  # noqa: E731
    patient = g4flite.Retry(times=99, base=2000, cap=2000)
    with Service(fate) as service:
        for count in (6, 99):
            batch = asked(say(count), service.url, retries=patient, concurrency=2)
            with pytest.raises(g4flite.AuthenticationError):
                results(driver, batch)
            # Rows behind the sixth may be answered before its refusal is known.
            assert 4 <= batch.answered < 90
            assert batch.failed == 0


def test_many_calls_have_several_clients(driver: Driver) -> None:
    with Service(seconds=0.05) as service:
        batch = asked(say(40), service.url, concurrency=40)
        assert len(results(driver, batch)) == 40
        assert 1 <= len(batch._clients.made) <= 40 // CALLS
    clients = Clients(lambda: g4flite.Client("cromicle"))
    places = [clients.take()[0] for _ in range(2 * CALLS)]
    assert places == [*range(2 * CALLS)]
    assert len(clients.made) == 2
    clients.give_back(CALLS + 1)
    clients.give_back(1)
    assert clients.take() == (1, clients.made[0])


def test_a_call_that_comes_to_begin_behind_the_end_does_not() -> None:
    batch = asked([], "http://127.0.0.1:9/v1")
    assert list(batch) == []
    trial = batch._job.trial(row_of({"prompt": "Hi"}))
    assert batch._attempt(trial) is None
    assert (trial.result, batch.under_way) == (None, 0)


def test_limits_are_shared_through_a_file(driver: Driver, tmp_path: Path) -> None:
    path = tmp_path / "new" / "limits"
    with Service() as service:
        # 10 a second; a second's worth at once.
        began = time.monotonic()
        results(driver, asked(say(10), service.url, rpm=600, shared=path))
        results(driver, asked(say(5), service.url, rpm=600, shared=path))
        assert time.monotonic() - began >= 4 * 0.1


@rows("limits", [{"deadline": 1e300}, {"rpm": 1e-9}, {"tpm": 1e-9}, {"deadline": 10**400, "rpm": 1e-300}])
def test_waits_that_are_longer_than_the_system_knows_are_waits(limits: dict[str, Any], driver: Driver) -> None:
    with Service(lambda prompt, attempt: "answer" if prompt == "Say 0" else "held") as service:
        batch = asked(say(3), service.url, **limits)
        (one,) = results(driver, batch, limit=1)
        assert one["answer"] == "You said: Say 0"


def test_no_rows_are_no_results(driver: Driver) -> None:
    empty: Iterable[Any] = []
    assert results(driver, asked(empty, "http://127.0.0.1:9/v1")) == []
