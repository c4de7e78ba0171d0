"""Replies of OpenAI's Responses at every split.

Each test names its source: a documentation page, or a recording ("cassette", "chunks") of August 2026.
"""

from typing import Any

import pytest

import g4flite
from g4flite import Finish, Reasoning, Start, ToolCall, ToolCallDelta, TurnState
from tests.providers.frames import DONE, read, sse


class TestResponses:
    """Responses: https://platform.openai.com/docs/api-reference/responses-streaming"""

    @staticmethod
    def named(kind: str, **more: Any) -> tuple[str, dict[str, Any]]:
        return kind, {"type": kind, "sequence_number": 1, **more}

    def begin(self) -> list[Any]:
        response = {"id": "r1", "model": "m-1", "status": "in_progress"}
        return [self.named(f"response.{kind}", response=response) for kind in ("created", "queued", "in_progress")]

    def text(self, delta: str) -> Any:
        return self.named("response.output_text.delta", output_index=0, delta=delta)

    def end(self, status: str = "completed", **more: Any) -> Any:
        usage = {
            "input_tokens": 3,
            "output_tokens": 5,
            "total_tokens": 8,
            "output_tokens_details": {"reasoning_tokens": 2},
        }
        return self.named(f"response.{status}", response={"id": "r1", "status": status, "usage": usage, **more})

    def test_a_whole_reply(self) -> None:
        item = {"type": "message", "id": "i1"}
        data = sse(
            *self.begin(),
            self.named("response.output_item.added", output_index=0, item={"type": "reasoning"}),
            self.named("response.reasoning_summary_text.delta", delta="h"),
            self.named("response.reasoning_text.delta", delta="m"),
            self.named("response.output_item.added", output_index=1, item=item),
            self.named("response.content_part.added", part={"type": "output_text", "text": ""}),
            self.text("He"),
            self.text("llo"),
            self.named("response.output_text.done", text="Hello"),
            self.named("response.web_search_call.searching"),
            self.named("response.output_item.done", output_index=1, item=item),
            self.end(),
            # OpenRouter sends this too.
            DONE,
        )
        items = read("openai-responses", data)
        assert items[:5] == [Start("r1", "m-1"), Reasoning("h"), Reasoning("m"), "He", "llo"]
        assert items[5] == TurnState({"type": "message", "id": "i1"})
        assert (items[6].prompt_tokens, items[6].completion_tokens, items[6].reasoning_tokens) == (3, 5, 2)
        assert items[7:] == [Finish("stop", "completed"), "done"]

    @pytest.mark.parametrize(
        ("reason", "common"),
        [("max_output_tokens", "length"), ("content_filter", "content_filter"), ("new", "length"), (None, "length")],
    )
    def test_an_incomplete_response_has_a_finish_reason(self, reason: str | None, common: str) -> None:
        data = sse(*self.begin(), self.text("a"), self.end("incomplete", incomplete_details={"reason": reason}))
        assert read("openai-responses", data)[-2:] == [Finish(common, reason or "incomplete"), "done"]  # type: ignore[arg-type]

    def test_a_reply_without_its_last_event_is_cut_off(self) -> None:
        assert read("openai-responses", sse(*self.begin(), self.text("a"), DONE)) == [Start("r1", "m-1"), "a", "cut"]

    def test_tool_calls_come_in_fragments_or_whole(self) -> None:
        item = {"type": "function_call", "id": "fc", "call_id": "a1", "name": "add", "arguments": ""}
        whole = {"type": "function_call", "call_id": "b2", "name": "now", "arguments": "{}"}
        data = sse(
            self.named("response.output_item.added", output_index=0, item=item),
            self.named("response.function_call_arguments.delta", output_index=0, delta='{"x"'),
            self.named("response.function_call_arguments.delta", output_index=0, delta=": 1}"),
            self.named("response.function_call_arguments.done", output_index=0, arguments='{"x": 1}'),
            self.named("response.output_item.done", output_index=0, item={**item, "arguments": '{"x": 1}'}),
            self.named("response.output_item.done", output_index=1, item=whole),
            self.end(),
        )
        items = read("openai-responses", data)
        assert [i for i in items if isinstance(i, ToolCall)] == [
            ToolCall("a1", "add", '{"x": 1}'),
            ToolCall("b2", "now", "{}"),
        ]
        assert "".join(i.arguments for i in items if isinstance(i, ToolCallDelta) and i.id == "a1") == '{"x": 1}'
        assert items[-2] == Finish("tool_calls", "completed")

    def test_a_commentary_is_reasoning(self) -> None:
        """lm15-contract's recordings"""
        added = self.named(
            "response.output_item.added", output_index=0, item={"type": "message", "phase": "commentary"}
        )
        answer = self.named("response.output_item.added", output_index=1, item={"type": "message"})
        said = self.named("response.output_text.delta", output_index=1, delta="Hi")
        # The next message may have the same index.
        again = self.named("response.output_item.added", output_index=0, item={"type": "message"})
        data = sse(
            *self.begin(), added, self.text("I l"), self.text("ook."), answer, said, again, self.text("!"), self.end()
        )
        items = read("openai-responses", data)
        assert items[1:5] == [Reasoning("I l"), Reasoning("ook."), "Hi", "!"]

    @staticmethod
    def item(number: int, **more: Any) -> dict[str, Any]:
        """Return the item of the call that has this number."""
        names = {"id": f"fc{number}", "call_id": f"a{number}", "name": "add"}
        return {"type": "function_call", **names, "arguments": f'{{"x": {number}}}', **more}

    @pytest.mark.parametrize("arguments", ['{"x": 1}', "", "{}"])
    @pytest.mark.parametrize("ids", [{"id": "fc9", "call_id": "a9"}, {"call_id": "a9"}, {"id": None, "call_id": "a9"}])
    def test_the_last_event_may_list_a_call_under_other_ids(self, arguments: str, ids: dict[str, Any]) -> None:
        """vllm-project/vllm#47916"""
        call, twin = self.item(1, arguments=arguments), self.item(2, arguments=arguments)
        added = self.named("response.output_item.added", output_index=0, item={**call, "arguments": ""})
        done = [self.named("response.output_item.done", output_index=n, item=c) for n, c in enumerate((call, twin))]
        listed = [{**call, "arguments": arguments or "{}", **ids}]
        for events, output, expected in (
            ((added, self.delta("fc1", 0, arguments), done[0]), listed, ["a1"]),
            # In each event another id.
            ((added, self.delta("fc1", 0, arguments), self.named(
                "response.output_item.done", output_index=0, item={**call, "id": "fc5", "call_id": "a5"}
            )), listed, ["a1"]),
            # Equal calls are two calls, and a third one that is listed alone is a third.
            (done, listed * 2, ["a1", "a2"]),
            (done, listed * 3, ["a1", "a2", "a9"]),
        ):  # fmt: skip
            items = read("openai-responses", sse(*events, self.end(output=output)))
            assert [(i.id, i.arguments) for i in items if isinstance(i, ToolCall)] == [
                (key, arguments or "{}") for key in expected
            ]
            assert items[-1] == "done"

    def delta(self, item: str | None, index: int | None, delta: str) -> Any:
        where = {"item_id": item} if item else {}
        where |= {"output_index": index} if index is not None else {}  # type: ignore[dict-item]
        return self.named("response.function_call_arguments.delta", **where, delta=delta)

    @pytest.mark.parametrize("form", [
        "one index", "no index", "other item ids in each event", "done alone", "done alone, one index",
        "arguments.done alone", "whole when added", "completed alone",
    ])  # fmt: skip
    def test_calls_are_told_apart_in_all_forms(self, form: str) -> None:
        index = 0 if "one index" in form else None if form == "no index" else 1
        events: list[Any] = []
        for number in (1, 2):
            whole, at = self.item(number), {} if index is None else {"output_index": index and number}
            if form == "completed alone":
                continue
            if not form.startswith("done alone"):
                begun = whole if form == "whole when added" else {**whole, "arguments": ""}
                events.append(self.named("response.output_item.added", **at, item=begun))
            if form in ("one index", "no index", "other item ids in each event"):
                for text in ('{"x":', f" {number}}}"):
                    item_id = f"other{text}" if form.startswith("other") else f"fc{number}"
                    events.append(self.delta(item_id, at.get("output_index"), text))
            if form == "arguments.done alone":
                done = {"item_id": f"fc{number}", "arguments": whole["arguments"]}
                events.append(self.named("response.function_call_arguments.done", **done))
            events.append(self.named("response.output_item.done", **at, item=whole))
        data = sse(*events, self.end(output=[{"type": "message"}, self.item(1), self.item(2)]))
        items = read("openai-responses", data)
        calls = [i for i in items if isinstance(i, ToolCall)]
        assert calls == [ToolCall("a1", "add", '{"x": 1}'), ToolCall("a2", "add", '{"x": 2}')]
        assert items[-2] == Finish("tool_calls", "completed")

    @pytest.mark.parametrize("form", ["done", "arguments.done"])
    @pytest.mark.parametrize("ids", [{"call_id": "a"}, {}])
    def test_calls_with_one_id_come_out_once(self, form: str, ids: dict[str, str]) -> None:
        calls = [
            {"type": "function_call", **ids, "name": name, "arguments": f'{{"x": {number}}}'}
            for number, name in enumerate(("f", "g"))
        ]
        events: list[Any] = []
        for index, call in enumerate(calls):
            if form == "done":
                events.append(self.named("response.output_item.done", output_index=index, item=call))
                continue
            added, done = {**call, "arguments": ""}, {"arguments": call["arguments"]}
            events.append(self.named("response.output_item.added", output_index=index, item=added))
            events.append(self.named("response.function_call_arguments.done", output_index=index, **done))
        items = read("openai-responses", sse(*events, self.end(output=calls)))
        assert [(i.name, i.arguments) for i in items if isinstance(i, ToolCall)] == [
            ("f", '{"x": 0}'),
            ("g", '{"x": 1}'),
        ]

    def test_calls_that_are_interleaved_are_told_apart_by_the_ids_of_their_items(self) -> None:
        added = [
            self.named("response.output_item.added", output_index=0, item=self.item(n, arguments="")) for n in (1, 2)
        ]
        deltas = [self.delta(f"fc{n}", 0, text) for text in ('{"x":', " {}}") for n in (1, 2)]
        items = read("openai-responses", sse(*added, *deltas, self.end()))
        assert [(i.id, i.arguments) for i in items if isinstance(i, ToolCall)] == [
            ("a1", '{"x": {}}'), ("a2", '{"x": {}}')
        ]  # fmt: skip

    def test_arguments_that_differ_from_their_pieces_are_an_error(self) -> None:
        added = self.named("response.output_item.added", output_index=0, item=self.item(1, arguments=""))
        done = self.named("response.output_item.done", output_index=0, item=self.item(1))
        *_, error = read("openai-responses", sse(added, self.delta("fc1", 0, '{"x": 9}'), done, self.end()))
        assert isinstance(error, g4flite.MalformedReplyError)
        assert "'add' with the id 'a1'" in str(error)

    ERROR = {"type": "rate_limit_error", "code": "rate_limit_exceeded", "message": "Slow down", "param": None}

    @pytest.mark.parametrize("event", [
        {"type": "error", "code": "rate_limit_exceeded", "message": "Slow down", "param": None, "sequence_number": 2},
        {"type": "error", "sequence_number": 2, "error": ERROR},
        {"type": "response.failed", "response": {"error": {"code": "rate_limit_exceeded", "message": "Slow down"}}},
    ], ids=["flat: the documentation", "nested: chunks openai-error.1", "response.failed"])  # fmt: skip
    def test_an_error_is_read_flat_nested_and_as_a_failed_response(self, event: dict[str, Any]) -> None:
        *items, raised = read("openai-responses", sse(*self.begin(), self.text("a"), (event["type"], event)))
        assert items == [Start("r1", "m-1"), "a"]
        assert type(raised) is g4flite.RateLimitError
        assert raised.code == "rate_limit_exceeded"
        assert "Slow down" in str(raised)

    def test_a_reply_may_have_no_usage(self) -> None:
        end = self.named("response.completed", response={"id": "r1", "status": "completed"})
        assert read("openai-responses", sse(self.text("a"), end)) == ["a", Finish("stop", "completed"), "done"]

    @pytest.mark.parametrize("extra", [{}, {"response": None}, {"response": "done"}])
    def test_the_end_of_a_reply_may_have_no_response(self, extra: dict[str, Any]) -> None:
        data = sse(self.text("a"), self.named("response.completed", **extra))
        assert read("openai-responses", data) == ["a", Finish("stop", None), "done"]

    def test_a_failed_response_without_a_message_is_an_error(self) -> None:
        *_, raised = read("openai-responses", sse(self.named("response.failed", response={"error": None})))
        assert "the response failed" in str(raised)

    def test_a_refusal_is_a_content_filter_error(self) -> None:
        data = sse(*self.begin(), self.named("response.refusal.delta", delta="No"), self.end())
        *_, error = read("openai-responses", data)
        assert isinstance(error, g4flite.ContentFilterError)
        assert error.body == "No"
