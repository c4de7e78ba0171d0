"""The official clients make batches at the emulator, and read the results by their own types."""

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import types
from mistralai.client import Mistral

from g4flite.apps.batch.vendors import ANTHROPIC, GEMINI, MISTRAL, OPENAI, whole
from g4flite.testing import Emulator, Problem

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


def test_anthropic_s_client_makes_a_batch_and_reads_its_results(server: Emulator) -> None:
    server.message_batches.unasked = {"1": "expired"}
    server.reply = lambda messages: [Problem("overloaded")] if messages[-1]["content"] == "Fail" else "Snow."
    prompts = ("Hello", "Late", "Fail")
    bodies = [{"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": prompt}]} for prompt in prompts]
    requests = [ANTHROPIC.line(str(n), "", body) for n, body in enumerate(bodies)]
    with anthropic.Anthropic(base_url=server.url, api_key="any", max_retries=0) as client:
        made = client.messages.batches.create(requests=requests)
        assert (made.processing_status, made.request_counts.processing) == ("in_progress", 3)
        second = client.messages.batches.create(requests=requests)
        assert [one.id for one in client.messages.batches.list(limit=1)] == [second.id, made.id]
        assert client.messages.batches.cancel(second.id).processing_status == "canceling"
        assert client.messages.batches.retrieve(made.id).processing_status == "in_progress"
        over = client.messages.batches.retrieve(made.id)
        counts = over.request_counts
        assert (counts.succeeded, counts.expired, counts.errored, counts.processing) == (1, 1, 1, 0)
        # Our own reading of the same object agrees with the client's.
        state = ANTHROPIC.state(over.to_dict())
        assert (state.id, state.over, state.files) == (over.id, True, (f"/v1/messages/batches/{over.id}/results",))
        # The client asks the URL of the results as it stands, which is at the service; here it stands at the emulator.
        server.message_batches.made[over.id]["results_url"] = f"{server.url}{state.files[0]}"
        results = {one.custom_id: one.result for one in client.messages.batches.results(over.id)}
        assert {name: result.type for name, result in results.items()} == {
            "0": "succeeded", "1": "expired", "2": "errored"}  # fmt: skip
        assert results["0"].message.content[0].text == "Snow."  # type: ignore[union-attr]
        assert results["2"].error.error.type == "overloaded_error"  # type: ignore[union-attr]


def test_mistral_s_client_makes_a_job_and_reads_its_results(server: Emulator) -> None:
    body = {"messages": [{"role": "user", "content": "Hello"}]}
    data = b"".join(json.dumps(MISTRAL.line(str(n), CHAT, body)).encode() + b"\n" for n in range(3))
    server.jobs.unasked = {"2"}
    with Mistral(api_key="any", server_url=server.url) as client:
        file = client.files.upload(file={"file_name": "a.jsonl", "content": data}, purpose="batch")
        assert (file.size_bytes, file.filename, file.purpose) == (len(data), "a.jsonl", "batch")
        settings = {"input_files": [file.id], "model": "m", "endpoint": CHAT, "metadata": {"g4flite": "job-0"}}
        made = client.batch.jobs.create(**settings)
        assert (made.status, made.total_requests, made.metadata) == ("QUEUED", 3, {"g4flite": "job-0"})
        second = client.batch.jobs.create(**settings)
        listed = client.batch.jobs.list(page=0, page_size=1)
        assert ([one.id for one in listed.data], listed.total) == ([second.id], 2)
        client.batch.jobs.cancel(job_id=second.id)
        assert client.batch.jobs.get(job_id=second.id).status == "CANCELLED"
        assert client.batch.jobs.get(job_id=made.id).status == "RUNNING"
        over = client.batch.jobs.get(job_id=made.id)
        assert (over.status, over.succeeded_requests, over.failed_requests) == ("SUCCESS", 2, 0)
        # Our own reading of the same object agrees with the client's.
        state = MISTRAL.state(over.model_dump())
        assert (state.id, state.name, state.over) == (over.id, "job-0", True)
        assert state.files == (f"/files/{over.output_file}/content",)
        lines = client.files.download(file_id=over.output_file).read().splitlines()
        contents = [json.loads(line)["response"]["body"]["choices"][0]["message"]["content"] for line in lines]
        assert contents == ["You said: Hello"] * 2


def test_google_s_client_makes_a_batch_and_reads_its_results(server: Emulator) -> None:
    server.reply = lambda messages: [Problem("overloaded")] if messages[-1]["content"] == "Fail" else "Snow."
    options = types.HttpOptions(base_url=server.url, api_version="v1beta")
    with genai.Client(api_key="any", http_options=options) as client:
        source: Any = [
            {"contents": [{"role": "user", "parts": [{"text": prompt}]}], "metadata": {"key": prompt}}
            for prompt in ("Hello", "Fail")
        ]
        made = client.batches.create(model="m", src=source, config={"display_name": "job-0"})
        # Our own request of the same is what the client has sent.
        lines = b"\n".join(
            json.dumps(GEMINI.line(one["metadata"]["key"], "", {"contents": one["contents"]})).encode()
            for one in source
        )
        ours = json.loads(GEMINI.create(lines, "job-0", "", "m").body)["batch"]
        theirs = json.loads(server.exchanges[0].body)["batch"]
        assert ours["displayName"] == theirs["displayName"]
        for mine, given in zip(*(one["inputConfig"]["requests"]["requests"] for one in (ours, theirs)), strict=True):
            assert mine["metadata"] == given["metadata"]
            assert mine["request"]["contents"] == given["request"]["contents"]
        assert (made.state.name, made.display_name) == ("JOB_STATE_PENDING", "job-0")
        second = client.batches.create(model="m", src=source, config={"display_name": "job-1"})
        assert [one.name for one in client.batches.list(config={"page_size": 1})] == [second.name, made.name]
        client.batches.cancel(name=second.name)
        assert client.batches.get(name=second.name).state.name == "JOB_STATE_CANCELLED"
        assert client.batches.get(name=made.name).state.name == "JOB_STATE_RUNNING"
        over = client.batches.get(name=made.name)
        one, two = over.dest.inlined_responses
        assert (over.state.name, one.response.text, one.metadata) == ("JOB_STATE_SUCCEEDED", "Snow.", {"key": "Hello"})
        assert (two.error.code, two.metadata) == (14, {"key": "Fail"})
