"""Frames as the services send them, and what the parser of a provider makes of them.

    def test_a_whole_reply() -> None:
        data = sse(said("Hello"), STOP, DONE)
        assert read("openai", data) == [BEGIN, "Hello", Finish("stop", "stop"), "done"]

`read` feeds the data at every split.  `chunk` and `said` make chunks of OpenAI's Chat; `BEGIN` is the event that such
chunks begin with.
"""

import json
from itertools import count
from typing import Any
from unittest.mock import patch

import g4flite
from g4flite import Start, Usage, providers
from g4flite._core.response import assembly
from tests.splits import SPLITS, cut


def sse(*frames: Any, end: str = "\n\n") -> bytes:
    """Return the frames as server-sent events: an object is data, a pair is name and data, a string stands as it is."""
    made = []
    for frame in frames:
        name, data = frame if isinstance(frame, tuple) else ("", frame)
        data = data if isinstance(data, str) else "data: " + json.dumps(data, ensure_ascii=False)
        made.append((f"event: {name}\n" if name else "") + data + end)
    return "".join(made).encode()


def made(number: int) -> str:
    """Return the id of a tool call that was made here: the first of a reply is `made(0)`."""
    return f"call_{number:024x}"


def read(name: str, data: bytes) -> list[Any]:
    """Return the items of a reply, which are the same at every split; then "done", "cut" or an error."""
    results = []
    for size in SPLITS:
        ids = count()
        with patch.object(assembly, "urandom", lambda size, ids=ids: next(ids).to_bytes(size, "big")):
            results.append(read_once(name, data, size))
    assert all(repr(result) == repr(results[0]) for result in results)
    return results[0]


def read_once(name: str, data: bytes, size: int) -> list[Any]:
    """Return the items of a reply that comes in pieces of this size."""
    parser, items = providers.find(name).parser(2**20), list[Any]()
    try:
        for piece in cut(data, size):
            for item in parser.feed(piece):
                items.append(item)
        if not parser.done:
            for item in parser.close():
                items.append(item)
        items.append("done" if parser.done else "cut")
    except g4flite.G4fliteError as error:
        items.append(error)
    return items


def chunk(delta: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Return a `chat.completion.chunk` with one choice."""
    choice = {"index": 0, "delta": delta if delta is not None else {}}
    for name in ("finish_reason", "native_finish_reason", "logprobs"):
        if name in more:
            choice[name] = more.pop(name)
    return {"id": "c1", "object": "chat.completion.chunk", "model": "m-1", "choices": [choice], **more}


def said(text: str | None) -> dict[str, Any]:
    return chunk({"content": text}, finish_reason=None)


BEGIN = Start("c1", "m-1")
DONE = "data: [DONE]"
STOP = chunk(finish_reason="stop")
USAGE = {
    "prompt_tokens": 3,
    "completion_tokens": 5,
    "total_tokens": 8,
    "completion_tokens_details": {"reasoning_tokens": 2},
}
COUNTED = Usage(3, 5, 2, 8, raw=USAGE)
