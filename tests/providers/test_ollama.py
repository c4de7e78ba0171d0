"""Replies of Ollama's /api/chat at every split.

Each test names its source: a documentation page, or a recording ("cassette", "chunks") of August 2026.
"""

import json
from typing import Any

import httpx
import pytest

import g4flite
from g4flite import Finish, Reasoning, Start, ToolCall, ToolCallDelta, Usage
from tests.providers.frames import made, read


@pytest.mark.parametrize(
    ("url", "thinks"), [("https://ollama.com", False), ("https://ollama.com:443/", False), ("https://h.test", True)]
)
def test_the_cloud_gets_no_reasoning_back(url: str, thinks: bool) -> None:
    """400 for `thinking` in the history (can1357/oh-my-pi#1000, May 2026)."""
    sent = list[Any]()

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(request.content))
        line = {"model": "m", "message": {"role": "assistant", "content": "Noon.", "thinking": "Look."}, "done": True}
        return httpx.Response(200, content=json.dumps(line).encode() + b"\n")

    history: list[Any] = [{"role": "user", "content": "When?"}]
    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        for _ in range(2):
            stream = g4flite.stream("ollama", history, model="m", base_url=url, api_key="k-123456", client=client)
            assert stream.text() == "Noon."
            history += [stream.message, {"role": "user", "content": "Where?"}]
    said = {"role": "assistant", "content": "Noon."}
    assert sent[1]["messages"][1] == said | ({"thinking": "Look."} if thinks else {})
    left_out = "the reasoning of earlier answers is left out, which this service refuses"
    assert stream.dropped == (() if thinks else (left_out,))


class TestOllama:
    """Ollama's repository: docs/api.md, docs/api/streaming.mdx, docs/api/errors.mdx"""

    @staticmethod
    def wire(*frames: dict[str, Any]) -> bytes:
        return b"".join(json.dumps(frame).encode() + b"\n" for frame in frames)

    @staticmethod
    def line(done: bool = False, **message: Any) -> dict[str, Any]:
        return {
            "model": "m-1",
            "created_at": "x",
            "message": {"role": "assistant", "content": "", **message},
            "done": done,
        }

    END = {"model": "m-1", "created_at": "x", "message": {"role": "assistant", "content": ""}, "done": True,
           "done_reason": "stop", "total_duration": 9, "prompt_eval_count": 3, "eval_count": 5}  # fmt: skip

    def test_a_whole_reply(self) -> None:
        data = self.wire(self.line(thinking="hm"), self.line(content="He"), self.line(content="llo"), self.END)
        counts = {"total_duration": 9, "prompt_eval_count": 3, "eval_count": 5}
        assert read("ollama", data) == [
            Start(None, "m-1"), Reasoning("hm"), "He", "llo", Usage(3, 5, None, 8, raw=counts), Finish("stop", "stop"),
            "done",
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("reason", "common"), [("length", "length"), ("load", "other"), ("unload", "other"), (None, "stop")]
    )
    def test_every_done_reason_has_a_common_name(self, reason: str | None, common: str) -> None:
        data = self.wire(self.line(content="a"), {"done": True, "done_reason": reason})
        assert read("ollama", data)[-2:] == [Finish(common, reason), "done"]  # type: ignore[arg-type]

    def test_a_reply_that_is_not_done_is_cut_off(self) -> None:
        assert read("ollama", self.wire(self.line(content="a")))[-1] == "cut"

    def test_tool_calls_come_whole(self) -> None:
        call = {"function": {"name": "add", "arguments": {"x": 1}}}
        items = read("ollama", self.wire(self.line(tool_calls=[call]), self.END))
        assert items[1:3] == [
            ToolCallDelta(0, made(0), "add", '{"x": 1}'),
            ToolCall(made(0), "add", '{"x": 1}'),
        ]
        assert items[-2] == Finish("tool_calls", "stop")

    @pytest.mark.parametrize(("given", "text"), [(None, "{}"), ('{"x": 1}', '{"x": 1}'), ({}, "{}")])
    def test_the_arguments_of_a_tool_call_may_be_a_text_or_null(self, given: Any, text: str) -> None:
        call = {"function": {"name": "add", "arguments": given}}
        assert ToolCall(made(0), "add", text) in read("ollama", self.wire(self.line(tool_calls=[call]), self.END))

    def test_a_count_of_the_prompt_may_be_missing(self) -> None:
        """Not counted if the prompt came from the cache."""
        end = {name: value for name, value in self.END.items() if name != "prompt_eval_count"}
        (usage,) = [i for i in read("ollama", self.wire(self.line(content="a"), end)) if isinstance(i, Usage)]
        assert usage[:4] == (None, 5, None, None)

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ({"detail": "the words"}, "'the words'"),
            ({"detail": [{"loc": ["body", "model"], "msg": "the words"}]}, "'body.model: the words'"),
            ({"message": "the words"}, "'the words'"),
            ({"errors": [{"message": "the words"}]}, "'the words'"),
        ],
    )
    def test_an_error_of_a_relay_s_own_is_told_in_its_words(self, body: dict[str, Any], words: str) -> None:
        for before in ([], [self.line(content="a")]):
            *_, error = read("ollama", self.wire(*before, body))
            assert isinstance(error, g4flite.ProviderError)
            assert str(error).startswith(f"the service reports an error: {words}")

    def test_a_line_of_another_kind_is_passed_over(self) -> None:
        items = read("ollama", self.wire(self.line(content="a"), {"notice": 1}, {"detail": None}, self.line(done=True)))
        assert "".join(item for item in items if isinstance(item, str)) == "adone"

    def test_an_error_in_the_middle_ends_the_reply(self) -> None:
        *items, raised = read("ollama", self.wire(self.line(content="a"), {"error": "an error was encountered"}))
        assert items == [Start(None, "m-1"), "a"]
        assert type(raised) is g4flite.ProviderError

    def test_a_line_of_another_shape_is_malformed(self) -> None:
        *_, raised = read("ollama", self.wire(self.line(content=3)))
        assert "a line of the reply does not have the protocol's shape" in str(raised)
