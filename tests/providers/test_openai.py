"""Replies of Chat Completions at every split: the texts, the events and the errors that its parser gives.

Each test names its source: a documentation page, or a recording ("cassette", "chunks") of August 2026.
"""

import json
from typing import Any

import pytest

import g4flite
from g4flite import Finish, Reasoning, Start, ToolCall, ToolCallDelta, Usage
from tests.providers.frames import BEGIN, COUNTED, DONE, STOP, USAGE, chunk, made, read, said, sse


class TestChat:
    """Chat Completions: https://platform.openai.com/docs/api-reference/chat/streaming"""

    def test_a_whole_reply(self) -> None:
        first = chunk({"role": "assistant", "content": "", "refusal": None}, finish_reason=None, usage=None)
        last = {"id": "c1", "choices": [], "usage": USAGE}
        data = sse(first, "data:", said("He"), said("llo \u00e9\u2028"), said(None), STOP, last, DONE)
        assert read("openai", data) == [BEGIN, "He", "llo \u00e9\u2028", Finish("stop", "stop"), COUNTED, "done"]

    @pytest.mark.parametrize(
        ("reason", "common"),
        [("stop", "stop"), ("length", "length"), ("tool_calls", "tool_calls"), ("function_call", "tool_calls"),
         ("content_filter", "content_filter"), ("eos", "stop"), ("new", "other")],
    )  # fmt: skip
    def test_a_finish_reason_completes_a_reply_with_or_without_the_end_marker(self, reason: str, common: str) -> None:
        for end in ([DONE], []):
            items = read("openai", sse(said("a"), chunk(finish_reason=reason), *end))
            assert items == [BEGIN, "a", Finish(common, reason), "done"]  # type: ignore[arg-type]

    def test_the_end_marker_completes_a_reply_without_a_finish_reason(self) -> None:
        assert read("openai", sse(said("a"), DONE, said("b"))) == [BEGIN, "a", Finish("other", None), "done"]

    def test_a_reply_without_finish_reason_and_end_marker_is_cut_off(self) -> None:
        assert read("openai", sse(said("a"))) == [BEGIN, "a", "cut"]

    def test_a_reply_that_ends_inside_an_event_is_truncated(self) -> None:
        *items, error = read("openai", sse(said("a"), said("bcd"))[:-9])
        assert items == [BEGIN, "a"]
        assert type(error) is g4flite.TruncatedStreamError

    def test_a_last_event_without_its_blank_line_is_read(self) -> None:
        """openai-node#2725"""
        assert read("openai", sse(said("a"), STOP)[:-2]) == [BEGIN, "a", Finish("stop", "stop"), "done"]

    def test_tool_calls_come_in_fragments(self) -> None:
        """openai-python: types/chat/chat_completion_chunk.py"""

        def part(index: int, arguments: str, **more: Any) -> dict[str, Any]:
            return {"index": index, **{k: v for k, v in more.items() if k != "name"},
                    "function": {"arguments": arguments} | ({"name": more["name"]} if more else {})}  # fmt: skip

        data = sse(
            chunk({"tool_calls": [part(0, "", id="a1", name="add")]}),
            chunk({"tool_calls": [part(0, '{"x"'), part(1, "", id="b2", name="now")]}),
            chunk({"tool_calls": [part(0, ": 1}")]}),
            chunk(finish_reason="tool_calls"),
            DONE,
        )
        assert read("openai", data) == [
            BEGIN,
            ToolCallDelta(0, "a1", "add", '{"x"'),
            ToolCallDelta(0, "a1", "add", ": 1}"),
            ToolCall("a1", "add", '{"x": 1}'),
            ToolCallDelta(1, "b2", "now", "{}"),
            ToolCall("b2", "now", "{}"),
            Finish("tool_calls", "tool_calls"),
            "done",
        ]

    def test_two_ids_with_one_index_are_two_tool_calls(self) -> None:
        calls = [{"index": 0, "id": name, "function": {"name": name, "arguments": "{}"}} for name in ("a", "b")]
        items = read("openai", sse(chunk({"tool_calls": calls}), chunk(finish_reason="tool_calls")))
        assert [item for item in items if isinstance(item, ToolCall)] == [
            ToolCall("a", "a", "{}"),
            ToolCall("b", "b", "{}"),
        ]

    def test_a_repeated_id_begins_no_new_tool_call(self) -> None:
        calls = [{"index": 0, "id": "a", "function": {"name": "add", "arguments": text}} for text in ("{", "}")]
        items = read("openai", sse(chunk({"tool_calls": calls[:1]}), chunk({"tool_calls": calls[1:]}), STOP))
        assert ToolCall("a", "add", "{}") in items

    def test_a_function_call_of_the_older_form_is_a_tool_call(self) -> None:
        calls = [{"name": "add", "arguments": "{"}, {"arguments": "}"}]
        data = sse(*(chunk({"function_call": call}) for call in calls), chunk(finish_reason="function_call"))
        assert ToolCall(made(0), "add", "{}") in read("openai", data)

    def test_a_tool_call_without_a_name_is_malformed(self) -> None:
        call = {"index": 0, "id": "a", "function": {"arguments": "{}"}}
        *items, error = read("openai", sse(said("a"), chunk({"content": "b", "tool_calls": [call]}), STOP))
        assert items == [BEGIN, "a", "b"]
        assert type(error) is g4flite.MalformedReplyError
        assert "the tool call with the id 'a' cannot be joined" in str(error)

    @pytest.mark.parametrize("reason", ["stop", "STOP", "eos", "end_turn"])
    def test_a_plain_stop_after_a_tool_call_is_tool_calls(self, reason: str) -> None:
        call = {"id": "a", "function": {"name": "now", "arguments": "{}"}}
        items = read("openai", sse(chunk({"tool_calls": [call]}), chunk(finish_reason=reason), DONE))
        assert items[-2] == Finish("tool_calls", reason)

    def test_later_counts_that_are_zero_or_missing_replace_none(self) -> None:
        later = [chunk(usage={"prompt_tokens": 0, "completion_tokens": 6}), chunk(usage=float("nan")), chunk(x_groq=3)]
        items = read("openai", sse(said("a"), chunk(usage=USAGE), *later, STOP, DONE))
        assert [i[:4] for i in items if isinstance(i, Usage)] == [(3, 5, 2, 8), (3, 6, 2, 9)]

    @pytest.mark.parametrize("error", [
        {"message": "Overloaded", "type": "server_error", "code": None}, "Overloaded",
    ])  # fmt: skip
    def test_an_error_in_the_middle_ends_the_reply(self, error: Any) -> None:
        """openai-python: _streaming.py; llama.cpp#14566 as the first event"""
        for before in ([said("a")], []):
            *items, raised = read("openai", sse(*before, {"error": error}))
            assert items == ([BEGIN, "a"] if before else [])
            assert isinstance(raised, g4flite.OverloadedError)
            assert "Overloaded" in str(raised)

    def test_an_answer_stays_complete_whatever_follows_the_finish_reason(self) -> None:
        whole = [BEGIN, "a", Finish("stop", "stop")]
        assert read("openai", sse(said("a"), STOP) + b'data: {"id": "c1", "cho') == [*whole, "done"]
        assert read("openai", sse(said("a"), STOP, {"choices": [], "usage": {"prompt_tokens": "many"}}, DONE)) == [
            *whole, Usage(raw={"prompt_tokens": "many"}), "done",
        ]  # fmt: skip

    def test_text_held_back_comes_out_before_the_truncation(self) -> None:
        *items, error = read("openai", sse(said("<thi")) + b'data: {"id"')
        assert items == [BEGIN, "<thi"]
        assert type(error) is g4flite.TruncatedStreamError

    def test_half_a_surrogate_pair_comes_out_before_the_finish_reason(self) -> None:
        halves = ["data: " + json.dumps(chunk({name: "\ud83d"})) for name in ("reasoning", "content")]
        assert read("openai", sse(*halves, STOP, DONE)) == [
            BEGIN, Reasoning("\ufffd"), "\ufffd", Finish("stop", "stop"), "done",
        ]  # fmt: skip

    def test_fragments_of_tool_calls_without_an_index_are_told_apart_by_id_and_name(self) -> None:
        def part(**more: Any) -> dict[str, Any]:
            function = {key: more.pop(key) for key in ("name", "arguments") if key in more}
            return chunk({"tool_calls": [{**more, "function": function}]})

        parts = [
            part(id="a1", name="add", arguments="{"),
            part(arguments="}"),
            part(id="b2", name="now", arguments="{}"),
        ]
        items = read("openai", sse(*parts, STOP))
        assert [i for i in items if isinstance(i, ToolCall)] == [
            ToolCall("a1", "add", "{}"),
            ToolCall("b2", "now", "{}"),
        ]
        parts = [part(index=0, name="add", arguments="{}"), part(index=0, name="now", arguments="{}")]
        items = read("openai", sse(*parts, STOP))
        assert [i.name for i in items if isinstance(i, ToolCall)] == ["add", "now"]

    def test_text_held_back_comes_before_a_tool_call(self) -> None:
        call = {"index": 0, "id": "a", "function": {"name": "now", "arguments": "{}"}}
        items = read("openai", sse(said("<thi"), chunk({"tool_calls": [call]}), STOP))
        assert items[1:3] == ["<thi", ToolCallDelta(0, "a", "now", "{}")]

    @pytest.mark.parametrize("index", [0, "0", None])
    def test_the_index_of_the_first_choice_may_be_a_number_a_text_or_null(self, index: Any) -> None:
        odd = said("a")
        odd["choices"][0]["index"] = index
        assert "a" in read("openai", sse(odd, STOP))

    def test_an_id_that_is_a_number_is_a_text_and_a_model_of_another_type_is_ignored(self) -> None:
        assert read("openai", sse({**said("a"), "id": 5, "model": {}}, STOP))[0] == Start("5", None)

    def test_a_refusal_is_a_content_filter_error(self) -> None:
        data = sse(chunk({"refusal": "I can't "}), chunk({"refusal": "help."}), STOP)
        *items, error = read("openai", data)
        assert items == [BEGIN, Finish("stop", "stop")]
        assert isinstance(error, g4flite.ContentFilterError)
        assert (error.code, error.body) == ("refusal", "I can't help.")
        # The tokens are counted behind the finish reason.
        counted = {**chunk({}), "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5}}
        finish, usage, _ = read("openai", data + sse(counted, DONE))[1:]
        assert (finish, usage[:2]) == (Finish("stop", "stop"), (7, 5))

    @pytest.mark.parametrize("index", [1, "1", -1])
    def test_the_only_choice_is_read_whatever_its_index_is(self, index: Any) -> None:
        frames = [said("a"), said("b"), chunk({}, finish_reason="stop")]
        for frame in frames:
            frame["choices"][0]["index"] = index
        assert read("openai", sse(*frames, DONE)) == [BEGIN, "a", "b", Finish("stop", "stop"), "done"]
        # The choice that comes first is the one that is read.
        assert read("openai", sse(*frames[:1], said("no"), *frames[1:], DONE))[1:3] == ["a", "b"]

    def test_only_the_first_of_several_choices_is_read(self) -> None:
        other = {"index": 1, "delta": {"content": "no"}, "finish_reason": "stop"}
        data = sse({**said("a"), "choices": [*said("a")["choices"], other]}, STOP)
        assert read("openai", data) == [BEGIN, "a", Finish("stop", "stop"), "done"]

    def test_a_surrogate_pair_that_is_split_between_chunks_is_joined(self) -> None:
        def half(name: str, text: str) -> str:
            return "data: " + json.dumps(chunk({name: text}))

        data = sse(half("reasoning", "a\ud83d"), half("content", "b\ud83d"), half("reasoning", "\udc4b"),
                   half("content", "\udc4b"), half("content", "\ud83d"), STOP)  # fmt: skip
        items = read("openai", data)
        assert [i.text for i in items if isinstance(i, Reasoning)] == ["a", "\U0001f44b"]
        assert "".join(i for i in items if isinstance(i, str)) == "b\U0001f44b\ufffddone"

    @pytest.mark.parametrize("delta", [
        {"content": 3}, {"content": {"a": 1}}, {"content": [3]}, {"content": [{"type": "text", "text": 3}]},
        {"refusal": 3}, [3],
        {"tool_calls": 3}, {"tool_calls": [{"index": 0, "function": {"name": "a", "arguments": 3}}]},
    ])  # fmt: skip
    def test_a_chunk_of_another_shape_is_malformed(self, delta: Any) -> None:
        *items, error = read("openai", sse(said("a"), chunk(delta)))
        assert items == [BEGIN, "a"]
        assert type(error) is g4flite.MalformedReplyError
        assert "an event of the reply does not have the protocol's shape" in str(error)

    @pytest.mark.parametrize(("data", "complaint"), [
        ("data: oops", "an event of the reply is not JSON: 'oops'"), ("data: [1]", "is a list, not a JSON object"),
    ])  # fmt: skip
    def test_an_event_that_is_not_a_json_object_is_malformed(self, data: str, complaint: str) -> None:
        *items, error = read("openai", sse(said("a"), data, STOP))
        assert items == [BEGIN, "a"]
        assert complaint in str(error)
