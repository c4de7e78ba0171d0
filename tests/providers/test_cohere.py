"""Replies of Cohere's /v2/chat at every split.

Each test names its source: a documentation page, or a recording ("cassette", "chunks") of August 2026.
"""

from typing import Any

import pytest

import g4flite
from g4flite import Finish, Reasoning, Start, ToolCall, TurnState, Usage
from tests.providers.frames import DONE, made, read, sse


class TestCohere:
    """/v2/chat: https://docs.cohere.com/v2/docs/streaming, cohere-python: v2/types/v2chat_stream_response.py"""

    @staticmethod
    def named(kind: str, message: dict[str, Any] | None = None, **more: Any) -> tuple[str, dict[str, Any]]:
        return kind, {"type": kind, **({"delta": {"message": message}} if message else {}), **more}

    def text(self, **content: str) -> Any:
        return self.named("content-delta", {"content": content}, index=0)

    def end(self, reason: str = "COMPLETE", **more: Any) -> Any:
        usage = {"billed_units": {"input_tokens": 1}, "tokens": {"input_tokens": 3.0, "output_tokens": 5.0}}
        return self.named("message-end", delta={"finish_reason": reason, "usage": usage, **more})

    def test_a_whole_reply(self) -> None:
        """chunks: cohere-reasoning"""
        data = sse(
            self.named("message-start", {"role": "assistant"}, id="c1"),
            self.named("content-start", {"content": {"type": "thinking", "thinking": ""}}, index=0),
            self.text(thinking="hm"),
            self.named("content-end", index=0),
            self.text(text="He"),
            self.text(text="llo"),
            self.named("citation-start", {"citations": {}}),
            self.end(),
        )
        items = read("cohere", data)
        assert items[:4] == [Start("c1"), Reasoning("hm"), "He", "llo"]
        assert (items[4].prompt_tokens, items[4].completion_tokens, items[4].total_tokens) == (3, 5, 8)
        assert items[5:] == [Finish("stop", "COMPLETE"), "done"]

    @pytest.mark.parametrize(
        ("reason", "common"),
        [("STOP_SEQUENCE", "stop"), ("MAX_TOKENS", "length"), ("TOOL_CALL", "tool_calls"), ("NEW", "other")],
    )
    def test_every_finish_reason_has_a_common_name(self, reason: str, common: str) -> None:
        assert read("cohere", sse(self.text(text="a"), self.end(reason)))[-2:] == [Finish(common, reason), "done"]  # type: ignore[arg-type]

    @pytest.mark.parametrize("reason", ["ERROR", "TIMEOUT"])
    def test_the_finish_reasons_error_and_timeout_are_errors(self, reason: str) -> None:
        for more in ({}, {"error": "it broke"}):
            *items, raised = read("cohere", sse(self.text(text="a"), self.end(reason, **more)))
            assert items[-1] == Finish("error", reason)
            assert isinstance(raised, g4flite.ProviderError)
            assert (more.get("error") or reason) in str(raised)

    def test_a_reply_without_message_end_is_cut_off(self) -> None:
        assert read("cohere", sse(self.text(text="a"), DONE))[-1] == "cut"

    def test_tool_calls_come_in_fragments_after_the_tool_plan(self) -> None:
        start = {"id": "a1", "type": "function", "function": {"name": "add", "arguments": ""}}
        data = sse(
            self.named("tool-plan-delta", {"tool_plan": "I add."}),
            self.named("tool-call-start", {"tool_calls": start}, index=0),
            self.named("tool-call-delta", {"tool_calls": {"function": {"arguments": '{"x"'}}}, index=0),
            self.named("tool-call-delta", {"tool_calls": {"function": {"arguments": ": 1}"}}}, index=0),
            self.named("tool-call-end", index=0),
            self.end("TOOL_CALL"),
        )
        items = read("cohere", data)
        assert items[:3] == [TurnState(None), Reasoning("I add."), TurnState({"type": "tool_plan"})]
        assert [i for i in items if isinstance(i, ToolCall)] == [ToolCall("a1", "add", '{"x": 1}')]

    def test_a_tool_call_may_begin_with_arguments(self) -> None:
        def start(index: int, id: str | None, arguments: Any) -> Any:  # noqa: A002
            call = {"id": id, "type": "function", "function": {"name": "add", "arguments": arguments}}
            return self.named("tool-call-start", {"tool_calls": call}, index=index)

        def delta(index: int, arguments: str) -> Any:
            return self.named("tool-call-delta", {"tool_calls": {"function": {"arguments": arguments}}}, index=index)

        whole, ends = '{"x": 1}', [self.named("tool-call-end", index=0), self.end("COMPLETE")]
        for events in (
            [start(0, "a", '{"x"'), delta(0, ": 1}")],
            # All arguments at the start, and again in pieces.
            [start(0, "a", whole), delta(0, '{"x"'), delta(0, ": 1}")],
            [start(0, "a", {"x": 1})],
            [start(0, "a", None), delta(0, whole)],
        ):
            items = read("cohere", sse(*events, *ends))
            assert [i for i in items if isinstance(i, ToolCall)] == [ToolCall("a", "add", whole)]
            assert items[-2] == Finish("tool_calls", "COMPLETE")
        events = [start(0, None, whole), ends[0], start(0, None, whole), *ends]
        assert [i.id for i in read("cohere", sse(*events)) if isinstance(i, ToolCall)] == [made(0), made(1)]

    def test_tokens_of_the_cache_are_counted(self) -> None:
        usage = {"tokens": {"input_tokens": 2935, "output_tokens": 5}, "cached_tokens": 2928}
        end = self.named("message-end", delta={"finish_reason": "COMPLETE", "usage": usage})
        (counted,) = [i for i in read("cohere", sse(self.text(text="a"), end)) if isinstance(i, Usage)]
        assert counted[:-1] == (2935, 5, None, 2940, 2928, None)

    def test_a_reply_may_have_no_usage(self) -> None:
        end = self.named("message-end", delta={"finish_reason": "COMPLETE"})
        assert read("cohere", sse(self.text(text="a"), end)) == ["a", Finish("stop", "COMPLETE"), "done"]

    def test_a_tool_call_without_its_end_is_whole(self) -> None:
        start = {"id": "a1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
        data = sse(self.named("tool-call-start", {"tool_calls": start}, index=0), self.end("TOOL_CALL"))
        assert ToolCall("a1", "add", "{}") in read("cohere", data)

    @pytest.mark.parametrize("count", ["n/a", None, True, float("inf"), float("nan"), -1, 10**400])
    def test_a_token_count_that_is_not_a_number_is_unknown(self, count: Any) -> None:
        end = self.named(
            "message-end", delta={"finish_reason": "COMPLETE", "usage": {"tokens": {"input_tokens": count}}}
        )
        (usage,) = [i for i in read("cohere", sse(self.text(text="a"), end)) if isinstance(i, Usage)]
        assert (usage.prompt_tokens, usage.completion_tokens) == (None, None)

    def test_an_error_event_is_an_error(self) -> None:
        *_, raised = read("cohere", sse(self.text(text="a"), {"error": "too many tokens"}))
        assert isinstance(raised, g4flite.ContextLengthError)
