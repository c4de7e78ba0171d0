"""`Ask` and `--on ray`, without Ray: `tests/ray` runs both on a Ray of two workers."""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import g4flite
from g4flite.__main__ import main
from g4flite.apps.batch.job import Job
from g4flite.apps.batch.ray import COLUMNS, Ask, AskLines, plain
from g4flite.apps.batch.rows import row_of
from tests.apps.service import Service


@pytest.fixture
def service() -> Iterator[Service]:
    with Service(lambda prompt, attempt: "html" if prompt == "Say 7" else "answer") as running:
        yield running


class Array(list[Any]):
    """What the arrays and the scalars of numpy share."""

    def tolist(self) -> Any:
        return list(self)


def test_rows_of_several_batches_share_the_calls_and_keep_their_columns(service: Service) -> None:
    async def four() -> list[dict[str, Any]]:
        ask = Ask("llamacpp", base_url=service.url, template="Say {n}", concurrency=4)
        one = {"n": Array(range(5)), "id": Array("aabbc"), "other": [Array([Array([{"x": Array([1])}])])] * 5}
        table = SimpleNamespace(to_pylist=lambda: [{"n": 7}, {"n": 8, "options": "no"}, {"n": 9}])
        frame = SimpleNamespace(to_dict=lambda form: {"n": [6]} if form == "list" else None)
        return [*await asyncio.gather(ask(one), ask(table), ask(frame)), await ask({"n": []})]

    one, two, three, empty = asyncio.run(four())
    assert [*one] == ["n", "id", "other", *COLUMNS]
    assert (one["id"], one["other"][4]) == ([*"aabbc"], [[{"x": [1]}]])
    assert one["answer"] == [f"You said: Say {n}" for n in range(5)]
    assert (one["prompt_tokens"], one["error"]) == ([2] * 5, [None] * 5)
    assert two["error"] == ["MalformedReplyError", "UsageError", None]
    assert (two["answer"], two["partial"]) == ([None, None, "You said: Say 9"], ["", "", None])
    assert (three["answer"], empty) == (["You said: Say 6"], {})
    assert service.most <= 4


def test_what_a_batch_is_ended_by_is_raised(service: Service) -> None:
    async def asked(prompt: str, **settings: Any) -> None:
        ask = Ask("llamacpp", base_url=service.url, **settings)
        await ask({"prompt": [prompt]})

    with pytest.raises(g4flite.G4fliteError, match="^row 0: MalformedReplyError: llamacpp"):
        asyncio.run(asked("Say 7", errors="raise"))
    with pytest.raises(g4flite.OptionError, match="errors must be"):
        asyncio.run(asked("Hi", errors="drop"))
    with pytest.raises(g4flite.OptionError, match="max_cost: an actor knows its own rows alone"):
        asyncio.run(asked("Hi", max_cost=1))

    async def refused() -> None:
        ask = Ask("llamacpp", base_url=service.url, retries=0)
        service.fate = lambda prompt, attempt: "key"
        for _ in range(2):
            with pytest.raises(g4flite.AuthenticationError):
                await ask({"prompt": ["Hi", "Ho"]})
        with pytest.raises(g4flite.UsageError, match="column 'partial', which the result would replace"):
            await ask({"prompt": ["Hi"], "partial": [1]})

    asyncio.run(refused())


def test_who_waits_may_be_cancelled(service: Service) -> None:
    async def cancelled(fate: str) -> list[Any]:
        # A call that is held keeps the next one waiting, so that both are open when the first is cancelled.
        service.fate = lambda prompt, attempt: fate
        ask = Ask("llamacpp", base_url=service.url, retries=0)
        tasks = [asyncio.ensure_future(ask({"prompt": [prompt]})) for prompt in ("One", "Two")]
        await asyncio.sleep(0)
        tasks[0].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    one, two = asyncio.run(cancelled("answer"))
    assert (type(one), two["answer"]) == (asyncio.CancelledError, ["You said: Two"])
    one, two = asyncio.run(cancelled("key"))
    assert (type(one), type(two)) == (asyncio.CancelledError, g4flite.AuthenticationError)


def test_values_of_numpy_become_plain() -> None:
    scalar = SimpleNamespace(tolist=lambda: 1.5)
    assert plain({"a": Array([scalar, "x"])}) == {"a": [1.5, "x"]}


class OwnRay:
    """The part of Ray Data that `OnRay` uses, in this process: an actor that asks one block after another."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.context = SimpleNamespace(execution_options=SimpleNamespace(preserve_order=False))
        self.running = False
        ray, data, pyarrow = map(ModuleType, ("ray", "ray.data", "pyarrow"))
        vars(ray).update(init=self.init, shutdown=self.shutdown, put=lambda table: table)
        vars(ray)["cluster_resources"] = lambda: {"CPU": 2.0}
        context = SimpleNamespace(get_current=lambda: self.context)
        vars(data).update(DataContext=context, from_arrow_refs=self.of, ActorPoolStrategy=dict)
        vars(pyarrow)["table"] = dict
        for module in (ray, data, pyarrow):
            monkeypatch.setitem(sys.modules, module.__name__, module)

    def init(self, **_: Any) -> None:
        self.running = True

    def shutdown(self) -> None:
        self.running = False

    def of(self, refs: list[Any]) -> Any:
        def map_batches(ask: Callable[..., Any], *, fn_constructor_args: Any, **kept: Any) -> Any:
            self.kept = kept

            async def asked() -> list[Any]:
                actor = ask(*fn_constructor_args)
                return [await actor(batch) for batch in refs]

            return SimpleNamespace(iter_batches=lambda batch_size: asyncio.run(asked()))

        return SimpleNamespace(map_batches=map_batches)


@pytest.fixture
def flags(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The flags of `g4flite batch` on Ray, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return ["--provider", "llamacpp", "--base-url", service.url, "-o", "out.jsonl", "--on", "ray"]


def test_the_command_asks_on_ray(
    service: Service, flags: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["batch", "in.jsonl", *flags]
    monkeypatch.setitem(sys.modules, "ray", None)
    Path("in.jsonl").write_text("no row\n" + "".join(f'{{"prompt": "Say {n}"}}\n' for n in range(300)))
    assert main(command) == 2
    assert "ray is not installed: pip install 'g4flite[ray]'" in capsys.readouterr().err
    ray = OwnRay(monkeypatch)
    assert main([*command, "--deadline", "9"]) == 2
    assert "deadline: an actor knows its own rows alone" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="1"):
        main([*command, "--ordered", "--price", "1,1"])
    assert "299 answered, 2 failed" in capsys.readouterr().err
    found = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    failed = [json.loads(line)["error"]["class"] for line in Path("out.failed.jsonl").read_text().splitlines()]
    assert [row["answer"] for row in found] == [f"You said: Say {n}" for n in range(300) if n != 7]
    assert sorted(failed) == ["MalformedReplyError", "UsageError"]
    assert (ray.running, ray.context.execution_options.preserve_order) == (False, True)
    assert (ray.kept["compute"]["max_size"], ray.kept["compute"]["max_concurrent_calls_per_actor"]) == (2, 4)
    # All is done: nothing is asked, and Ray is not given anything.
    assert main(command) == 0
    assert sum(service.asked.values()) == 300


def test_an_error_that_ends_the_job_on_ray_loses_no_answer(
    service: Service, flags: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["batch", "in.csv", *flags, "--concurrency", "4", "--quiet"]
    OwnRay(monkeypatch)
    rows = "".join(f'Say {n},"{{""seed"": {n}}}"\n' for n in range(8, 600))
    Path("in.csv").write_text(f"prompt,options\n{rows}")
    fate = "key"
    service.fate = lambda prompt, attempt: fate if prompt == "Say 50" else "answer"
    assert main(command) == 1
    error = capsys.readouterr().err
    assert error.startswith("g4flite: error: llamacpp: status 401")
    assert error.count("\n") == 1
    written = len(Path("out.jsonl").read_text().splitlines())
    assert 39 <= written == service.fates["answer"]
    fate = "answer"
    assert main(command) == 0
    assert service.fates["answer"] == 592
    assert len(Path("out.jsonl").read_text().splitlines()) == 592


def test_a_fault_of_the_batch_itself_is_raised_on_ray(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Job, "end", lambda *_: 1 / 0)
    actor = AskLines("llamacpp", {"base_url": service.url})
    with pytest.raises(ZeroDivisionError):
        asyncio.run(actor({"line": [json.dumps(row_of({"prompt": "Hi"})[:4])]}))
