"""OpenAI's official client makes batches at the emulator, and reads their results by its own types."""

import json
from collections.abc import Iterator

import openai
import pytest

from g4flite.apps.batch.vendors import OPENAI, whole
from g4flite.testing import Emulator

CHAT = "/v1/chat/completions"


@pytest.fixture
def server() -> Iterator[Emulator]:
    with Emulator() as running:
        yield running


def test_a_batch_from_the_file_to_the_results(server: Emulator) -> None:
    body = whole({"model": "m", "messages": [{"role": "user", "content": "Hello"}], "stream": True})
    data = b"".join(json.dumps(OPENAI.line(str(n), CHAT, body)).encode() + b"\n" for n in range(3))
    server.batches.unasked = {"2": "batch_expired"}
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0) as client:
        file = client.files.create(file=("a.jsonl", data), purpose="batch")
        assert (file.bytes, file.filename, file.purpose) == (len(data), "a.jsonl", "batch")
        settings = {"endpoint": CHAT, "completion_window": "24h", "metadata": {"g4flite": "job-0"}}
        made = client.batches.create(input_file_id=file.id, **settings)  # type: ignore[arg-type]
        assert (made.status, made.metadata) == ("validating", {"g4flite": "job-0"})
        second = client.batches.create(input_file_id=file.id, **settings)  # type: ignore[arg-type]
        assert [one.id for one in client.batches.list(limit=1)] == [second.id, made.id]
        assert client.batches.cancel(second.id).status == "cancelling"
        assert client.batches.retrieve(made.id).status == "in_progress"
        over = client.batches.retrieve(made.id)
        assert over.request_counts is not None
        assert (over.status, over.request_counts.completed, over.request_counts.failed) == ("expired", 2, 1)
        # Our own reading of the same object agrees with the client's.
        state = OPENAI.state(over.to_dict())
        assert (state.id, state.name, state.over) == (over.id, "job-0", True)
        assert state.files == tuple(f"/files/{name}/content" for name in (over.output_file_id, over.error_file_id))
        assert over.output_file_id is not None
        lines = [json.loads(line) for line in client.files.content(over.output_file_id).text.splitlines()]
        answers = [openai.types.chat.ChatCompletion.model_validate(line["response"]["body"]) for line in lines]
        assert [answer.choices[0].message.content for answer in answers] == ["You said: Hello"] * 2
        with pytest.raises(openai.NotFoundError, match="expected one that was given out"):
            client.batches.retrieve("batch_none")
