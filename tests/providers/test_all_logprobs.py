"""Logprobs come as `Native("logprobs", ...)`, in the service's own form, and are no answer by themselves."""

from typing import Any

import pytest

from g4flite import Finish, Native, Start
from g4flite.testing import Emulator, Script
from tests.conftest import Driver
from tests.providers.frames import BEGIN, DONE, STOP, chunk, read, said, sse
from tests.providers.test_all import HABITS, settings
from tests.rows import rows, share

NAMES = ["openai", "openai-responses", "gemini", "ollama", "cohere", "vllm", "openai-compatible"]
PIECES = ["\u00c6 ", "13 \u00b0 ", "so"]


def tokens(value: Any) -> Any:
    """Return the tokens that a value names."""
    if isinstance(value, dict):
        value = value.get("content") or value.get("chosenCandidates") or [{"token": value.get("text")}]
    return [token["token"] for token in value]


@pytest.mark.parametrize("name", NAMES)
@rows("wanted", [True, 2, False])
def test_each_piece_of_text_has_its_logprobs(name: str, wanted: Any, driver: Driver, server: Emulator) -> None:
    if name == "cohere" and wanted == 2:
        wanted = True
    call = settings(name, server)
    server.reply = lambda messages: PIECES
    for split in share((None, 7, 1), driver):
        server.script = Script(dialect=HABITS.get(name, "openai" if name == "openai" else None), split=split)
        events = [item for item in driver.events(name, "Hi", logprobs=wanted, **call) if isinstance(item, str | Native)]
        texts = [item for item in events if isinstance(item, str)]
        natives = [item for item in events if isinstance(item, Native)]
        assert "".join(texts) == "".join(PIECES)
        assert [item.name for item in natives] == ["logprobs"] * (3 if wanted is not False else 0)
        assert [token for item in natives for token in tokens(item.value)] == (PIECES if natives else [])
        assert ("top_logprobs" in str(natives)) == (wanted is not False and name not in ("gemini", "cohere")
                                                    and not (name == "ollama" and wanted is True))  # fmt: skip
        assert driver.stream.message["content"] == "".join(PIECES)
    assert "".join(driver.collect(name, "Hi", logprobs=wanted, **call)) == "".join(PIECES)


@pytest.mark.parametrize("name", NAMES[:5])
def test_an_answer_of_logprobs_alone_is_an_empty_answer(name: str, driver: Driver, server: Emulator) -> None:
    """A recorded body without text: it is no answer of content for which there is no event."""
    bodies = {
        "openai": sse(chunk({"content": ""}, logprobs={"content": []}), STOP, DONE),
        "openai-responses": sse(
            {"type": "response.output_text.delta", "delta": "", "logprobs": [{"token": ""}]},
            {"type": "response.completed", "response": {"id": "r", "status": "completed", "output": []}},
        ),
        "gemini": sse({"candidates": [{"finishReason": "STOP", "logprobsResult": {"chosenCandidates": []}}]}),
        "ollama": b'{"message":{"content":""},"logprobs":[],"done":true,"done_reason":"stop"}\n',
        "cohere": sse(
            {"type": "content-delta", "delta": {"message": {"content": {"text": ""}}}, "logprobs": {"text": ""}},
            {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}},
        ),
    }
    call = settings(name, server)
    kind = "application/x-ndjson" if name == "ollama" else "text/event-stream"
    server.script = Script(body=bodies[name].decode(), headers={"content-type": kind})
    assert driver.collect(name, "Hi", **call) == []
    assert driver.stream.finish_reason == "stop"
    assert [item for item in driver.events(name, "Hi", **call) if isinstance(item, Native)]


def test_logprobs_behind_the_finish_reason_are_no_content() -> None:
    late = chunk({}, logprobs={"content": [{"token": "a"}]})
    data = sse(said("a"), STOP, late)
    assert read("openai", data) == [BEGIN, "a", Native("logprobs", {"content": [{"token": "a"}]}),
                                    Finish("stop", "stop"), "done"]  # fmt: skip


def test_the_logprobs_of_a_text_that_comes_whole_come_once() -> None:
    sure = [{"token": "a", "logprob": 0.0}]
    part = {"type": "output_text", "text": "a", "logprobs": sure}
    item = {"type": "message", "id": "m", "content": [part]}
    done = {"type": "response.completed", "response": {"id": "r", "status": "completed", "output": [item]}}
    delta = {"type": "response.output_text.delta", "item_id": "m", "delta": "a", "logprobs": sure}
    whole = {"type": "response.output_text.done", "item_id": "m", "text": "a", "logprobs": sure}
    told = ["a", Native("logprobs", sure)]
    for frames in (
        [done],
        [whole, done],
        [delta, whole, done],
        [{"type": "response.output_item.done", "item": item}, done],
    ):
        items = read("openai-responses", sse(*frames))
        assert [one for one in items if isinstance(one, str | Native) and one != "done"] == told, frames
    odd = {**delta, "logprobs": 3}
    assert [one for one in read("openai-responses", sse(odd, done)) if isinstance(one, Start | Native)] == []
