"""A job on Ray that goes on by Ray Data's own checkpoint: what is in the output is not asked again."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apps.service import Service

os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}
ray = pytest.importorskip("ray")

from g4flite.apps.batch.ray import Ask  # noqa: E402


@pytest.fixture
def _cluster() -> Iterator[None]:
    os.environ["PYTHONPATH"] = str(Path.cwd())
    # The filter of the checkpoint has an actor, beside ours and the tasks that read and write.
    ray.init(num_cpus=4, include_dashboard=False)
    context = ray.data.DataContext.get_current()
    yield
    context.checkpoint_config = None
    ray.shutdown()


@pytest.mark.usefixtures("_cluster")
def test_a_job_goes_on_by_a_checkpoint(tmp_path: Path) -> None:
    checkpoint = pytest.importorskip("ray.data.checkpoint")
    given = [{"id": f"r{n}", "prompt": f"Say {n}"} for n in range(200)]

    def job(settings: dict[str, str], part: str) -> None:
        ray.data.DataContext.get_current().checkpoint_config = checkpoint.CheckpointConfig(
            id_column="id", checkpoint_path=str(tmp_path / "done"), delete_checkpoint_on_success=False
        )
        rows = ray.data.read_parquet(str(tmp_path / part))
        rows.map_batches(Ask, fn_constructor_kwargs=settings, batch_size=50).write_parquet(str(tmp_path / "out"))
        ray.data.DataContext.get_current().checkpoint_config = None

    ray.data.from_items(given[:120]).write_parquet(str(tmp_path / "some"))
    ray.data.from_items(given).write_parquet(str(tmp_path / "all"))
    with Service() as service:
        settings = {"provider": "llamacpp", "base_url": service.url}
        job(settings, "some")
        assert service.asked.total() == 120
        job(settings, "all")
        assert set(service.asked.values()) == {1}
    found = ray.data.read_parquet(str(tmp_path / "out")).take_all()
    assert Counter(row["id"] for row in found) == Counter(row["id"] for row in given)
    assert all(row["answer"] == f"You said: {row['prompt']}" for row in found)
