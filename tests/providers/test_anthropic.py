"""Replies of Anthropic's Messages at every split.

Each test names its source: a documentation page, or a recording ("cassette", "chunks") of August 2026.
"""

import json
from typing import Any

import pytest

import g4flite
from g4flite import Finish, Reasoning, Start, ToolCall, ToolCallDelta, TurnState, Usage
from tests.providers.frames import DONE, read, sse


class TestAnthropic:
    """Messages: https://platform.claude.com/docs/en/build-with-claude/streaming"""

    @staticmethod
    def named(kind: str, **more: Any) -> tuple[str, str]:
        # The cassettes pad the data with blanks.
        return kind, "data: " + json.dumps({"type": kind, **more}) + "      "

    def begin(self) -> Any:
        counts = {"input_tokens": 3, "cache_read_input_tokens": 4, "cache_creation_input_tokens": None}
        message = {"id": "m1", "model": "m-1", "usage": {**counts, "output_tokens": 1}}
        return self.named("message_start", message=message)

    def block(self, index: int, block: dict[str, Any], *deltas: dict[str, Any]) -> list[Any]:
        return [
            self.named("content_block_start", index=index, content_block=block),
            *(self.named("content_block_delta", index=index, delta=delta) for delta in deltas),
            self.named("content_block_stop", index=index),
        ]

    def end(self, reason: str | None = "end_turn") -> list[Any]:
        delta = {"stop_reason": reason, "stop_sequence": None}
        return [self.named("message_delta", delta=delta, usage={"output_tokens": 5}), self.named("message_stop")]

    def test_a_whole_reply(self) -> None:
        text = {"type": "text", "text": ""}
        data = sse(
            self.begin(),
            ("ping", {"type": "ping"}),
            *self.block(0, {"type": "thinking", "thinking": "", "signature": ""},
                        {"type": "thinking_delta", "thinking": "hm"}, {"type": "signature_delta", "signature": "x"}),
            *self.block(1, text, {"type": "text_delta", "text": "He"}, {"type": "text_delta", "text": "llo"},
                        {"type": "citations_delta", "citation": {}}),
            ("new_event", {"type": "new_event"}),
            *self.end(),
            ("after", "data: what follows is not read"),
        )  # fmt: skip
        items = read("anthropic", data)
        assert items[0] == Start("m1", "m-1")
        assert items[2:6] == [Reasoning("hm"), TurnState({"type": "thinking", "signature": "x"}), "He", "llo"]
        usages = [i for i in items if isinstance(i, Usage)]
        assert [(u.prompt_tokens, u.completion_tokens, u.total_tokens) for u in usages] == [(7, 1, 8), (7, 5, 12)]
        assert usages[1].raw == {"input_tokens": 3, "cache_read_input_tokens": 4, "output_tokens": 5}
        assert items[-2:] == [Finish("stop", "end_turn"), "done"]

    @pytest.mark.parametrize(
        ("reason", "common"),
        [("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length"), ("tool_use", "tool_calls"),
         ("model_context_window_exceeded", "length"), ("refusal", "content_filter"), ("pause_turn", "pause"),
         (None, "other")],
    )  # fmt: skip
    def test_every_stop_reason_has_a_common_name(self, reason: str | None, common: str) -> None:
        """anthropic-sdk-python: types/stop_reason.py"""
        assert read("anthropic", sse(self.begin(), *self.end(reason)))[-2:] == [Finish(common, reason), "done"]  # type: ignore[arg-type]

    def test_a_reply_without_message_stop_and_stop_reason_is_cut_off(self) -> None:
        assert read("anthropic", sse(self.begin()))[-1] == "cut"
        for more in ((), (DONE,)):
            assert read("anthropic", sse(self.begin(), self.end()[0], *more))[-2:] == [
                Finish("stop", "end_turn"), "done",
            ]  # fmt: skip

    def test_a_last_event_without_its_blank_line_is_read(self) -> None:
        """fixture basic_response.txt"""
        assert read("anthropic", sse(self.begin(), *self.end())[:-2])[-1] == "done"

    def test_tool_calls_come_in_fragments(self) -> None:
        def piece(text: str) -> dict[str, str]:
            return {"type": "input_json_delta", "partial_json": text}

        data = sse(
            self.begin(),
            *self.block(0, {"type": "text", "text": "first"}),
            *self.block(
                1, {"type": "tool_use", "id": "a1", "name": "add", "input": {}}, piece(""), piece('{"x"'), piece(": 1}")
            ),
            *self.block(2, {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}, piece("{}")),
            *self.block(3, {"type": "tool_use", "id": "b2", "name": "now", "input": {}}),
            *self.end("tool_use"),
        )
        items = read("anthropic", data)
        assert items[2] == "first"
        assert [i for i in items if isinstance(i, ToolCall)] == [
            ToolCall("a1", "add", '{"x": 1}'),
            ToolCall("b2", "now", "{}"),
        ]
        assert [i.arguments for i in items if isinstance(i, ToolCallDelta)] == ["", '{"x"', ": 1}", "", "{}"]

    def test_a_reply_may_have_no_usage(self) -> None:
        start = self.named("message_start", message={"id": "m1"})
        delta = self.named("message_delta", delta={"stop_reason": "end_turn"})
        items = read("anthropic", sse(start, delta, self.end()[1]))
        assert items == [Start("m1", None), Finish("stop", "end_turn"), "done"]

    @pytest.mark.parametrize(
        ("first", "later", "counted"),
        [
            # ai-gateway PR#1631, sglang PR#20830: zeros behind the counts, or before them.
            ({"input_tokens": 15, "output_tokens": 0}, {"input_tokens": 0, "output_tokens": 9}, (15, 9, None, 24)),
            ({"input_tokens": 0, "output_tokens": 0}, {"input_tokens": 123, "output_tokens": 45}, (123, 45, None, 168)),
            # The input grows while tools of the service run (recorded).
            ({"input_tokens": 2479}, {"input_tokens": 404500, "output_tokens": 1}, (404500, 1, None, 404501)),
            # Moonshot counts the reasoning (lm15-contract's recordings).
            (
                {"input_tokens": 1},
                {"output_tokens": 34, "output_tokens_details": {"thinking_tokens": 30}},
                (1, 34, 30, 35),
            ),
            ({"input_tokens": float("nan")}, {"input_tokens": -1, "output_tokens": "9"}, (None, None, None, None)),
            (None, [], None),
        ],
    )
    def test_counts_are_cumulative(self, first: Any, later: Any, counted: Any) -> None:
        start = self.named("message_start", message={"id": "m1", "usage": first})
        delta = self.named("message_delta", delta={"stop_reason": "end_turn"}, usage=later)
        usages = [i for i in read("anthropic", sse(start, delta, self.end()[1])) if isinstance(i, Usage)]
        assert [usage[:4] for usage in usages[-1:]] == ([counted] if counted else [])

    def test_tokens_of_the_cache_are_part_of_the_prompt(self) -> None:
        usage = {"input_tokens": 1, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 300}
        start = self.named("message_start", message={"id": "m1", "usage": usage})
        (counted,) = [i for i in read("anthropic", sse(start, self.end()[1])) if isinstance(i, Usage)]
        assert (counted.prompt_tokens, counted.cached_tokens, counted.cache_write_tokens) == (321, 20, 300)

    def test_a_plain_end_after_a_tool_call_is_tool_calls(self) -> None:
        data = sse(*self.block(0, {"type": "tool_use", "id": "a1", "name": "add", "input": {}}), *self.end())
        assert read("anthropic", data)[-2] == Finish("tool_calls", "end_turn")

    def test_fragments_of_no_block_are_malformed(self) -> None:
        delta = self.named("content_block_delta", index=4, delta={"type": "input_json_delta", "partial_json": "{}"})
        *_, error = read("anthropic", sse(self.begin(), delta, *self.end()))
        assert isinstance(error, g4flite.MalformedReplyError)
        assert "without a name cannot be joined" in str(error)

    def test_an_error_may_be_the_first_event(self) -> None:
        """vercel/ai#10653"""
        error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_1"}
        for before in ([self.begin(), *self.block(0, {"type": "text", "text": "a"})], []):
            *items, raised = read("anthropic", sse(*before, ("error", error)))
            assert ("a" in items) == bool(before)
            assert type(raised) is g4flite.OverloadedError
            assert (raised.kind, raised.request_id) == ("overloaded_error", "req_1")

    def test_an_error_event_without_the_outer_object_is_an_error(self) -> None:
        *_, raised = read("anthropic", sse(("error", {"message": "Overloaded"})))
        assert isinstance(raised, g4flite.OverloadedError)

    def test_a_tool_call_without_its_stop_or_its_fragments_is_whole(self) -> None:
        start, _ = self.block(0, {"type": "tool_use", "id": "a1", "name": "add", "input": {}})
        assert ToolCall("a1", "add", "{}") in read("anthropic", sse(start, *self.end("tool_use")))
        data = sse(*self.block(0, {"type": "tool_use", "id": "a1", "name": "add", "input": {"x": 1}}), *self.end())
        assert ToolCall("a1", "add", '{"x": 1}') in read("anthropic", data)

    def test_an_event_without_its_required_fields_is_malformed(self) -> None:
        for event in ("content_block_delta", "content_block_start"):
            *_, raised = read("anthropic", sse(self.named(event)))
            assert type(raised) is g4flite.MalformedReplyError
