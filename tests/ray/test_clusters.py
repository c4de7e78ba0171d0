"""Batches on clusters that others wrote: Ray with two workers, one of which dies; and the programs of the guide."""

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apps.service import Service
from tests.blocks import GUIDES, blocks

os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}
ray = pytest.importorskip("ray")

from g4flite.__main__ import main  # noqa: E402
from g4flite.apps.batch.ray import Ask  # noqa: E402

ROWS = 1200


class Dying(Ask):
    """An `Ask` whose process is killed before it has given back its third batch; `once` is made by the first to die."""

    def __init__(self, once: str, **settings: object) -> None:
        super().__init__("llamacpp", **settings)  # type: ignore[arg-type]
        self.once, self.batches = Path(once), 0

    async def __call__(self, batch: object) -> dict[str, list[object]]:
        results = await super().__call__(batch)
        self.batches += 1
        if self.batches == 3:
            try:
                self.once.open("x").close()
            except FileExistsError:
                return results
            os.kill(os.getpid(), signal.SIGKILL)
        return results


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    # The workers import the tests, too.
    os.environ["PYTHONPATH"] = str(Path.cwd())
    ray.init(num_cpus=2, include_dashboard=False)
    yield
    ray.shutdown()


def test_each_row_is_there_once_if_an_actor_dies(cluster: None, tmp_path: Path) -> None:
    given = [{"n": n, "prompt": f"Say {n}"} for n in range(ROWS)]
    with Service(lambda prompt, attempt: "html" if prompt.endswith("77") else "answer") as service:
        ray.data.from_items(given, override_num_blocks=12).map_batches(
            Dying,
            fn_constructor_kwargs={"once": str(tmp_path / "died"), "base_url": service.url},
            batch_size=50,
            compute=ray.data.ActorPoolStrategy(size=2, max_concurrent_calls_per_actor=4),
        ).write_parquet(str(tmp_path / "out"))
        found = ray.data.read_parquet(str(tmp_path / "out")).take_all()
        assert (tmp_path / "died").exists()
        # Those of the actor that has died were asked again.
        assert ROWS < sum(service.asked.values()) < 2 * ROWS
    assert Counter(row["n"] for row in found) == Counter(range(ROWS))
    for row in found:
        failed = row["n"] % 100 == 77
        assert row["answer"] == (None if failed else f"You said: Say {row['n']}")
        assert row["error"] == ("MalformedReplyError" if failed else None)


@pytest.mark.parametrize("form", ["numpy", "pandas", "pyarrow"])
def test_a_batch_may_have_each_of_rays_forms(cluster: None, form: str) -> None:
    given = [{"n": n, "options": {"seed": n}} for n in range(3)]
    with Service() as service:
        settings = {"provider": "llamacpp", "base_url": service.url, "template": "Say {n}"}
        asked = ray.data.from_items(given).map_batches(Ask, fn_constructor_kwargs=settings, batch_format=form)
        found = sorted(asked.take_all(), key=lambda row: row["n"])
    assert [(row["answer"], row["error"]) for row in found] == [(f"You said: Say {n}", None) for n in range(3)]


def test_a_row_that_fails_ends_the_job_by_choice(cluster: None) -> None:
    with Service(lambda prompt, attempt: "html") as service:
        settings = {"provider": "llamacpp", "base_url": service.url, "errors": "raise"}
        with pytest.raises(Exception, match="row 5: MalformedReplyError: llamacpp"):
            ray.data.from_items([{"id": 5, "prompt": "Hi"}]).map_batches(Ask, fn_constructor_kwargs=settings).take_all()


def test_the_command_asks_on_ray_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with Service() as service:
        command = ["batch", "in.jsonl", "--provider", "llamacpp", "--base-url", service.url, "-o", "out.jsonl", "--on",
                   "ray", "--concurrency", "64"]  # fmt: skip
        for count in (600, 1000):
            Path("in.jsonl").write_text("".join(f'{{"id": {n}, "prompt": "Say {n}"}}\n' for n in range(count)))
            assert main(command) == 0
        found = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
        assert Counter(row["id"] for row in found) == Counter(range(1000))
        assert all(row["answer"] == f"You said: Say {row['id']}" for row in found)
        assert sum(service.asked.values()) == 1000


@pytest.mark.parametrize("block", blocks(GUIDES / "clusters.md"), ids=lambda block: f"line {block.line}")
def test_a_program_of_the_guide_runs(
    block: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import pyarrow
    import pyarrow.parquet

    from g4flite.testing import Emulator

    code, output = block.code, block.output  # type: ignore[attr-defined]
    for name in ("ray", "daft", "dask"):
        if f"import {name}" in code:
            pytest.importorskip(name)
    monkeypatch.chdir(tmp_path)
    table = pyarrow.table({"text": ["Hello", "Good morning"]})
    pyarrow.parquet.write_table(table, "in.parquet")
    with Emulator() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "any")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        exec(compile(code, f"line {block.line}", "exec"), {"__name__": "__main__"})  # type: ignore[attr-defined]
    sys.modules.get("ray", ray).shutdown()
    assert capsys.readouterr().out.rstrip() == output.rstrip()
