"""A `for` loop that blocks an event loop warns once, at the caller's line; in IPython and in a thread it does not."""

import asyncio
import inspect
import itertools
import re
import sys
import warnings
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterator
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

import anyio
import pytest

import g4flite
from g4flite._core import loops
from g4flite.testing import Emulator
from tests.conftest import Driver, interpret
from tests.rows import rows

READERS: dict[str, Callable[[g4flite.Stream], Any]] = {
    "for": lambda stream: [chunk for chunk in stream],  # noqa: C416 - the loop is what is tested
    "iter": lambda stream: next(iter(stream)),
    "text": lambda stream: stream.text(),
    "events": lambda stream: list(stream.events()),
}


@pytest.fixture(params=["asyncio", "trio"])
def loop(request: pytest.FixtureRequest) -> Driver:
    return Driver(request.param)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("pooled", [False, True])
def test_a_sync_loop_in_a_running_event_loop_warns_once_at_the_callers_line(
    reader: str, pooled: bool, loop: Driver, server: Emulator
) -> None:
    async def main() -> None:
        with g4flite.Client("cromicle", base_url=server.url) as client:
            ask = client.stream if pooled else partial(g4flite.stream, "cromicle", base_url=server.url)
            for _ in range(3):
                READERS[reader](ask("Hi"))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loop.run(main)
    (warning,) = [one for one in caught if one.category is g4flite.SyncInAsyncWarning]
    assert (warning.filename, warning.lineno) == (__file__, inspect.getsourcelines(READERS[reader])[1])
    message = str(warning.message)
    assert message.startswith("cromicle: this reads the answer in sync and blocks the event loop")
    for fix in ("`async for chunk in stream`", "`await stream.atext()`", "`await asyncio.to_thread(stream.text)`"):
        assert fix in message


def test_a_warning_that_is_an_error_is_raised_again_and_the_stream_is_unread(loop: Driver, server: Emulator) -> None:
    stream = g4flite.stream("cromicle", "Hi", base_url=server.url)

    async def main() -> None:
        for _ in range(2):
            with pytest.raises(g4flite.SyncInAsyncWarning):
                stream.text()
        assert await stream.atext() == "You said: Hi"

    loop.run(main)


def test_async_for_and_threads_and_sync_programs_raise_no_warning(driver: Driver, server: Emulator) -> None:
    assert "".join(driver.collect("cromicle", "Hi", base_url=server.url)) == "You said: Hi"
    stream = g4flite.stream("cromicle", "Hi", base_url=server.url)

    async def in_a_thread() -> str:
        return await anyio.to_thread.run_sync(stream.text)

    assert (stream.text() if driver.name == "sync" else driver.run(in_a_thread)) == "You said: Hi"


@pytest.mark.parametrize(("shell", "warned"), [(object(), False), (None, True)])
def test_ipython_is_no_mistake_unless_it_is_merely_imported(
    shell: object, warned: bool, loop: Driver, server: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))  # type: ignore[arg-type]
    stream = g4flite.stream("cromicle", "Hi", base_url=server.url)

    async def main() -> str:
        return stream.text()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert loop.run(main) == "You said: Hi"
    assert [one.category for one in caught] == [g4flite.SyncInAsyncWarning] * warned


def test_no_event_loop_is_imported_to_find_one() -> None:
    code = """
import sys
from g4flite._core import loops
print(loops.loop_runs(), loops.in_notebook(), {"asyncio", "trio", "IPython"} & {*sys.modules})
"""
    assert interpret(code) == "False False set()\n"


def test_a_program_without_a_caller_of_its_own_is_named_by_its_outermost_frame(
    loop: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if all frames belonged to the package: the walk ends at the outermost frame."""
    frames = iter([SimpleNamespace(f_back=None, f_globals={"__name__": "g4flite.client"})])
    monkeypatch.setattr(loops, "sys", SimpleNamespace(_getframe=lambda _: next(frames)))
    assert loops.frames_of_ours() == 1


def asked() -> g4flite.Stream:
    return g4flite.stream("cromicle", "Hi", base_url="http://127.0.0.1:1")


def asked_in_a_conversation() -> g4flite.Answer:
    return g4flite.Conversation("cromicle", base_url="http://127.0.0.1:1").say("Hi")


# What loops alone read: how a loop reads it, and the method for all of it.
READ: list[tuple[Callable[[], Any], str, str]] = [
    (asked, "for chunk in stream", "stream.atext()"),
    (lambda: asked().events(), "for event in stream.events()", ""),
    (lambda: asked().partials(), "for value in stream.partials()", "stream.aparsed()"),
    (asked_in_a_conversation, "for chunk in answer", "answer.atext()"),
    (lambda: asked_in_a_conversation().events(), "for event in stream.events()", ""),
]


@rows(("make", "loop", "whole"), READ)
def test_next_of_a_stream_says_what_to_write(make: Callable[[], Any], loop: str, whole: str) -> None:
    read = make()
    with pytest.raises(TypeError, match=f"{re.escape(f'is no iterator: write `{loop}` or `next(iter(')}") as caught:
        next(read)
    assert str(caught.value).endswith(f"`next(iter({loop.partition(' in ')[2]}))`")
    assert iter(read) is not read


@rows(("make", "loop", "whole"), READ)
@rows("backend", ["asyncio", "trio"])
def test_await_of_what_loops_read_says_what_to_write(
    make: Callable[[], Any], loop: str, whole: str, backend: str
) -> None:
    async def main() -> None:
        await read

    read = make()
    with pytest.raises(TypeError) as caught:
        Driver(backend).run(main)
    instead = f"`async {loop}`" + (f" or `await {whole}`" if whole else "")
    assert str(caught.value).endswith(f" cannot be awaited: write {instead}")


def test_a_mistaken_stream_is_still_new() -> None:
    stream = asked()
    with pytest.raises(TypeError):
        next(stream)  # type: ignore[call-overload]
    assert "new" in repr(stream)


def test_no_loop_runs_of_a_library_that_another_thread_imports_at_this_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("asyncio", "trio"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    assert not loops.loop_runs()


AWAITING: dict[str, Callable[[Any], Any]] = {
    "await": lambda stream: stream,
    "gather": asyncio.gather,
    "wait_for": lambda stream: asyncio.wait_for(stream, 9),
}


@rows(("backend", "how"), [("trio", "await"), *(("asyncio", how) for how in AWAITING)])
def test_await_of_a_stream_says_what_to_write(backend: str, how: str) -> None:
    """Also where asyncio awaits it: Python's own error would name neither the stream nor a way out."""

    async def main() -> None:
        await AWAITING[how](stream)

    stream = g4flite.stream("cromicle", "Hi", base_url="http://127.0.0.1:1")
    with pytest.raises(TypeError, match=r"write `async for chunk in stream` or `await stream.atext\(\)`$"):
        Driver(backend).run(main)
    assert "new" in repr(stream)


def test_a_loop_over_a_stream_asks_for_an_iterator_of_its_own(driver: Driver, server: Emulator) -> None:
    """Although `isinstance` takes a stream for an iterator and an awaitable: loops call `iter` and `aiter` anyway."""
    stream = g4flite.stream("cromicle", "Hi", base_url=server.url)
    assert all(isinstance(stream, kind) for kind in (Iterator, Awaitable, AsyncIterable))
    assert not isinstance(stream, AsyncIterator | Generator | Coroutine)
    driver.read(stream)
    assert "".join(driver.chunks) == "You said: Hi"
    text = g4flite.stream("cromicle", "Hi", base_url=server.url)
    assert "".join(itertools.chain.from_iterable([text])) == "You said: Hi"
