"""Replies as each service sends them, and the texts and events that their parsers give at every split.

Each test names its source: a documentation page, or a recording ("cassette", "chunks") of August 2026.
"""

import json
from typing import Any

import pytest

import g4flite
from g4flite import Finish, Reasoning, Start, ToolCall, ToolCallDelta, Usage, providers
from tests.splits import SPLITS, cut


def sse(*frames: Any, end: str = "\n\n") -> bytes:
    """Return the frames as server-sent events: an object is data, a pair is name and data, a string stands as it is."""
    made = []
    for frame in frames:
        name, data = frame if isinstance(frame, tuple) else ("", frame)
        data = data if isinstance(data, str) else "data: " + json.dumps(data, ensure_ascii=False)
        made.append((f"event: {name}\n" if name else "") + data + end)
    return "".join(made).encode()


def read(name: str, data: bytes) -> list[Any]:
    """Return the items of a reply, which are the same at every split; then "done", "cut" or an error."""
    results = []
    for size in SPLITS:
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
        results.append(items)
    assert all(repr(result) == repr(results[0]) for result in results)
    return results[0]


def chunk(delta: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Return a `chat.completion.chunk` with one choice."""
    choice = {"index": 0, "delta": delta if delta is not None else {}}
    for name in ("finish_reason", "native_finish_reason"):
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
COUNTED = Usage(3, 5, 2, 8, USAGE)


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
         ("content_filter", "content_filter"), ("eos", "other")],
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
            ToolCallDelta(0, "a1", "add", ""),
            ToolCallDelta(0, "a1", "add", '{"x"'),
            ToolCallDelta(1, "b2", "now", ""),
            ToolCallDelta(0, "a1", "add", ": 1}"),
            ToolCall("a1", "add", '{"x": 1}'),
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
        assert ToolCall("call_0_add", "add", "{}") in read("openai", data)

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

    def test_an_id_or_a_model_that_is_not_a_text_is_ignored(self) -> None:
        assert read("openai", sse({**said("a"), "id": 5, "model": {}}, STOP))[0] == Start(None, None)

    def test_a_refusal_is_a_content_filter_error(self) -> None:
        data = sse(chunk({"refusal": "I can't "}), chunk({"refusal": "help."}), STOP)
        *items, error = read("openai", data)
        assert items == [BEGIN, Finish("stop", "stop")]
        assert isinstance(error, g4flite.ContentFilterError)
        assert (error.code, error.body) == ("refusal", "I can't help.")

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
        {"content": [{"type": "thinking", "thinking": [{"text": []}]}]}, {"reasoning": 3}, {"refusal": 3}, [3],
        {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}, {"tool_calls": 3},
        {"tool_calls": [{"index": 0, "function": {"name": "a", "arguments": {}}}]},
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


class TestDialects:
    """Dialects of Chat Completions, which one parser reads."""

    def test_azure_names_no_id_in_its_first_chunk(self) -> None:
        """chunks: azure-model-router.1"""
        first = {"id": "", "model": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]}
        assert read("azure-openai", sse(first, said("a"), STOP, DONE)) == [BEGIN, "a", Finish("stop", "stop"), "done"]

    def test_openrouter_sends_comments_reasoning_and_a_native_finish_reason(self) -> None:
        """https://openrouter.ai/docs/api/reference/streaming; cassettes"""
        comment = ": OPENROUTER PROCESSING"
        reasoning = chunk(
            {"content": "", "reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}
        )
        end = chunk({"content": ""}, finish_reason="stop", native_finish_reason="STOP")
        data = sse(comment, comment, reasoning, comment, said("a"), end, chunk({"content": ""}, usage=USAGE), DONE)
        assert read("openrouter", data) == [BEGIN, Reasoning("hm"), "a", Finish("stop", "STOP"), COUNTED, "done"]

    def test_openrouter_reports_an_error_beside_a_choice(self) -> None:
        """https://openrouter.ai/docs/api/reference/errors-and-debugging"""
        error = {"code": 502, "message": "Provider disconnected"}
        *items, raised = read("openrouter", sse(said("a"), chunk({"content": "b"}, finish_reason="error", error=error)))
        assert items == [BEGIN, "a", "b", Finish("error", "error")]
        assert "Provider disconnected" in str(raised)

    def test_the_finish_reason_error_alone_is_an_error(self) -> None:
        """client-python (Mistral): models/completionresponsestreamchoice.py"""
        *items, raised = read("mistral", sse(said("a"), chunk(finish_reason="error")))
        assert items == [BEGIN, "a", Finish("error", "error")]
        assert type(raised) is g4flite.ProviderError

    def test_deepseek_sends_keep_alives_and_reasoning_content(self) -> None:
        """https://api-docs.deepseek.com/quick_start/rate_limit; chunks: deepseek-reasoning"""
        data = sse(": keep-alive", chunk({"content": None, "reasoning_content": "hm"}), ": keep-alive",
                   chunk({"content": "a", "reasoning_content": None}), STOP, DONE)  # fmt: skip
        assert read("deepseek", data) == [BEGIN, Reasoning("hm"), "a", Finish("stop", "stop"), "done"]

    def test_deepseek_interrupts_an_answer(self) -> None:
        """https://api-docs.deepseek.com/api/create-chat-completion"""
        *items, error = read("deepseek", sse(said("a"), chunk(finish_reason="insufficient_system_resource")))
        assert items[-1] == Finish("error", "insufficient_system_resource")
        assert isinstance(error, g4flite.ProviderError)
        assert error.passing

    def test_vllm_has_two_names_for_reasoning(self) -> None:
        """https://docs.vllm.ai/en/stable/features/reasoning_outputs/, vLLM #27752"""
        both = chunk({"reasoning": "x", "reasoning_content": "x"})
        data = sse(chunk({"reasoning": "h"}), chunk({"reasoning_content": "m"}), both, said("a"), STOP, DONE)
        assert read("vllm", data)[1:5] == [Reasoning("h"), Reasoning("m"), Reasoning("x"), "a"]

    def test_groq_sends_usage_in_a_field_of_its_own(self) -> None:
        """cassettes"""
        data = sse(said("a"), chunk(finish_reason="stop", x_groq={"id": "r", "usage": USAGE}), DONE)
        assert read("groq", data) == [BEGIN, "a", Finish("stop", "stop"), COUNTED, "done"]
        data = sse(said("a"), chunk(finish_reason="stop", x_groq={"usage": USAGE}, usage=USAGE), DONE)
        assert read("groq", data).count(COUNTED) == 1

    def test_groq_sends_an_error_in_an_event_named_error(self) -> None:
        """cassette: test_groq/test_tool_use_failed_error_streaming_with_text"""
        error = {"message": "Failed to call a function.", "type": "invalid_request_error", "code": "tool_use_failed",
                 "failed_generation": "{", "status_code": 400}  # fmt: skip
        for data in ({"error": error}, error):
            *items, raised = read("groq", sse(said("a"), ("error", data)))
            assert items == [BEGIN, "a"]
            assert (raised.code, raised.kind) == ("tool_use_failed", "invalid_request_error")

    def test_hugging_face_sends_extra_fields_and_reasoning_in_think_tags(self) -> None:
        """cassette: test_huggingface; huggingface_hub: inference/_common.py"""

        def told(text: str) -> dict[str, Any]:
            made = said(text)
            made["choices"][0] |= {"text": text, "token_id": 7}
            return made

        parts = ["<th", "ink>\nhm", " </thi", "nk>", "\nan", "swer <think>"]
        items = read("huggingface", sse(*map(told, parts), STOP, DONE))
        assert [i for i in items if isinstance(i, Reasoning)] == [Reasoning("\nhm"), Reasoning(" ")]
        assert "".join(i for i in items if isinstance(i, str)) == "\nanswer <think>done"
        *_, raised = read("huggingface", sse(told("a"), {"error": "Model is overloaded", "error_type": "overloaded"}))
        assert isinstance(raised, g4flite.OverloadedError)
        assert raised.kind == "overloaded"

    @pytest.mark.parametrize(
        ("parts", "reasoning", "answer"),
        [
            (["<", "b>bold"], "", "<b>bold"),
            (["a <think>b</think>"], "", "a <think>b</think>"),
            (["  <think>", "a</thinking>", "b</", "think>c"], "a</thinking>b", "c"),
            (["<think>a</think>"], "a", ""),
            (["<think>", "a</th"], "a</th", ""),
            (["\n", "<thin"], "", "\n<thin"),
            (["\n"], "", "\n"),
            # More blanks than a tag is waited for.
            ([" " * 700, " " * 700, "<think>a</think>"], "", " " * 1400 + "<think>a</think>"),
        ],
    )
    def test_only_a_think_tag_at_the_start_begins_reasoning(
        self, parts: list[str], reasoning: str, answer: str
    ) -> None:
        # The text comes out even if the reply is cut off.
        for end in ([STOP, DONE], [DONE], []):
            items = read("huggingface", sse(*map(said, parts), *end))
            assert "".join(i.text for i in items if isinstance(i, Reasoning)) == reasoning
            assert "".join(i for i in items[:-1] if isinstance(i, str)) == answer

    def test_llama_cpp_pings_with_comments(self) -> None:
        """run against llama-cpp-python (sse-starlette)"""
        data = sse(": ping - 2026-08-01 10:00:00+00:00", said("a"), STOP, DONE, end="\r\n\r\n")
        assert read("llamacpp", data) == [BEGIN, "a", Finish("stop", "stop"), "done"]

    def test_transformers_serve_leaves_out_fields_that_are_null(self) -> None:
        """run against transformers serve"""
        data = sse(chunk({"role": "assistant"}), chunk({"content": "a"}), STOP, DONE)
        assert read("vllm", data) == [BEGIN, "a", Finish("stop", "stop"), "done"]

    def test_the_litellm_proxy_sends_usage_beside_an_empty_choice(self) -> None:
        """run against the litellm proxy"""
        data = sse(said("a"), STOP, chunk(usage=USAGE), DONE)
        assert read("openai", data) == [BEGIN, "a", Finish("stop", "stop"), COUNTED, "done"]

    def test_mistral_s_content_may_be_a_list(self) -> None:
        """chunks: mistral-reasoning; client-python: deltamessage.py"""
        thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "h"}, {"type": "text", "text": "m"}]}
        data = sse(chunk({"content": [thinking]}), chunk({"content": [{"type": "text", "text": "a"}]}), said("b"),
                   chunk({"content": ""}, finish_reason="length", usage=USAGE), DONE)  # fmt: skip
        assert read("mistral", data) == [
            BEGIN, Reasoning("h"), Reasoning("m"), "a", "b", Finish("length", "length"), COUNTED, "done",
        ]  # fmt: skip

    def test_mistral_sends_an_error_as_an_object_of_the_type_error(self) -> None:
        """client-python: extra/observability/otel.py"""
        error = {"object": "error", "message": "Service unavailable", "type": "service_unavailable", "code": "3000"}
        *_, raised = read("mistral", sse(said("a"), error))
        assert "Service unavailable" in str(raised)


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
        assert (items[5].prompt_tokens, items[5].completion_tokens, items[5].reasoning_tokens) == (3, 5, 2)
        assert items[6:] == [Finish("stop", "completed"), "done"]

    @pytest.mark.parametrize(
        ("reason", "common"), [("max_output_tokens", "length"), ("content_filter", "content_filter"), ("new", "other")]
    )
    def test_an_incomplete_response_has_a_finish_reason(self, reason: str, common: str) -> None:
        data = sse(*self.begin(), self.text("a"), self.end("incomplete", incomplete_details={"reason": reason}))
        assert read("openai-responses", data)[-2:] == [Finish(common, reason), "done"]  # type: ignore[arg-type]

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

    def test_a_failed_response_without_a_message_is_an_error(self) -> None:
        *_, raised = read("openai-responses", sse(self.named("response.failed", response={"error": None})))
        assert "the response failed" in str(raised)

    def test_a_refusal_is_a_content_filter_error(self) -> None:
        data = sse(*self.begin(), self.named("response.refusal.delta", delta="No"), self.end())
        *_, error = read("openai-responses", data)
        assert isinstance(error, g4flite.ContentFilterError)
        assert error.body == "No"


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
        assert items[2:5] == [Reasoning("hm"), "He", "llo"]
        usages = [i for i in items if isinstance(i, Usage)]
        assert [(u.prompt_tokens, u.completion_tokens, u.total_tokens) for u in usages] == [(7, 1, 8), (7, 5, 12)]
        assert usages[1].raw == {"input_tokens": 3, "cache_read_input_tokens": 4, "output_tokens": 5}
        assert items[-2:] == [Finish("stop", "end_turn"), "done"]

    @pytest.mark.parametrize(
        ("reason", "common"),
        [("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length"), ("tool_use", "tool_calls"),
         ("model_context_window_exceeded", "length"), ("refusal", "content_filter"), ("pause_turn", "other"),
         (None, "other")],
    )  # fmt: skip
    def test_every_stop_reason_has_a_common_name(self, reason: str | None, common: str) -> None:
        """anthropic-sdk-python: types/stop_reason.py"""
        assert read("anthropic", sse(self.begin(), *self.end(reason)))[-2:] == [Finish(common, reason), "done"]  # type: ignore[arg-type]

    def test_a_reply_without_message_stop_is_cut_off(self) -> None:
        assert read("anthropic", sse(self.begin(), self.end()[0], DONE))[-1] == "cut"

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
        assert [i.arguments for i in items if isinstance(i, ToolCallDelta)] == ["", "", '{"x"', ": 1}", ""]

    def test_a_reply_may_have_no_usage(self) -> None:
        start = self.named("message_start", message={"id": "m1"})
        delta = self.named("message_delta", delta={"stop_reason": "end_turn"})
        items = read("anthropic", sse(start, delta, self.end()[1]))
        assert items == [Start("m1", None), Finish("stop", "end_turn"), "done"]

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
        for event in ("message_start", "content_block_delta", "content_block_start", "message_delta"):
            *_, raised = read("anthropic", sse(self.named(event)))
            assert type(raised) is g4flite.MalformedReplyError


class TestGemini:
    """streamGenerateContent: https://ai.google.dev/api/generate-content"""

    @staticmethod
    def chunk(*parts: dict[str, Any], reason: str | None = None, **more: Any) -> dict[str, Any]:
        candidate = ({"content": {"parts": [*parts], "role": "model"}} if parts else {}) | (
            {"finishReason": reason} if reason else {}
        )
        usage = {"promptTokenCount": 3, "candidatesTokenCount": 4, "thoughtsTokenCount": 2, "totalTokenCount": 9}
        return {
            "candidates": [{"index": 0, **candidate}],
            "usageMetadata": usage,
            "modelVersion": "m-1",
            "responseId": "g1",
            **more,
        }

    def wire(self, *chunks: Any, array: bool) -> bytes:
        if array:
            return b"[" + b"\r\n,\r\n".join(json.dumps(chunk, indent=2).encode() for chunk in chunks) + b"]"
        return sse(*chunks, end="\r\n\r\n")

    @pytest.mark.parametrize("array", [False, True], ids=["alt=sse, CRLF", "one array"])
    def test_a_whole_reply(self, array: bool) -> None:
        data = self.wire(
            self.chunk({"text": "hm", "thought": True}, {"text": "He", "thoughtSignature": "x"}),
            self.chunk({"text": 'l"lo] \u00e9'}),
            self.chunk({"text": ""}, reason="STOP"),
            array=array,
        )
        items = read("gemini", data)
        assert read("gemini", b" \n" + data) == items
        assert items[:4] == [Start("g1", "m-1"), Reasoning("hm"), "He", 'l"lo] \u00e9']
        assert [(u.prompt_tokens, u.completion_tokens, u.reasoning_tokens, u.total_tokens) for u in items[4:5]] == [
            (3, 6, 2, 9)
        ]
        assert items[5:] == [Finish("stop", "STOP"), "done"]

    @pytest.mark.parametrize("array", [False, True])
    def test_a_reply_without_a_finish_reason_is_cut_off(self, array: bool) -> None:
        whole = self.wire(self.chunk({"text": "a"}), self.chunk({"text": "b"}, reason="STOP"), array=array)
        assert read("gemini", self.wire(self.chunk({"text": "a"}), array=array))[-1] == "cut"
        *items, error = read("gemini", whole[:-30])
        assert items == [Start("g1", "m-1"), "a"]
        assert type(error) is g4flite.TruncatedStreamError
        assert read("gemini", b"") == read("gemini", b" ") == ["cut"]

    def test_the_last_chunk_may_have_no_content_and_usage_may_follow_it(self) -> None:
        items = read("gemini", self.wire(self.chunk({"text": "a"}), self.chunk(reason="MAX_TOKENS"),
                                         self.chunk(), array=False))  # fmt: skip
        assert [type(i) for i in items] == [Start, str, Usage, Finish, Usage, str]
        assert items[3] == Finish("length", "MAX_TOKENS")

    @pytest.mark.parametrize("reason", ["LANGUAGE", "OTHER", "NO_IMAGE", "IMAGE_OTHER", "NEW"])
    def test_a_finish_reason_without_a_common_name_is_other(self, reason: str) -> None:
        """python-genai: types.py"""
        assert read("gemini", self.wire(self.chunk({"text": "a"}, reason=reason), array=False))[-2] == Finish(
            "other", reason
        )

    @pytest.mark.parametrize("reason", "SAFETY RECITATION BLOCKLIST PROHIBITED_CONTENT SPII IMAGE_SAFETY "
                             "IMAGE_PROHIBITED_CONTENT IMAGE_RECITATION".split())  # fmt: skip
    def test_an_answer_stopped_for_its_content_is_an_error(self, reason: str) -> None:
        """python-genai: types.py"""
        *items, error = read("gemini", self.wire(self.chunk({"text": "a"}), self.chunk(reason=reason), array=False))
        assert items[1] == "a"
        assert items[-1] == Finish("content_filter", reason)
        assert isinstance(error, g4flite.ContentFilterError)
        assert error.code == reason

    @pytest.mark.parametrize("reason", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"])
    def test_a_tool_called_wrongly_is_an_error(self, reason: str) -> None:
        *items, error = read("gemini", self.wire(self.chunk(reason=reason), array=False))
        assert items[-1] == Finish("error", reason)
        assert type(error) is g4flite.ProviderError
        assert error.passing

    @pytest.mark.parametrize(
        "reason", "SAFETY OTHER BLOCKLIST PROHIBITED_CONTENT IMAGE_SAFETY MODEL_ARMOR JAILBREAK".split()
    )
    def test_a_blocked_prompt_is_an_error(self, reason: str) -> None:
        """python-genai: types.py"""
        blocked = {
            "promptFeedback": {"blockReason": reason},
            "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3},
        }
        *items, error = read("gemini", self.wire(blocked, array=False))
        assert [type(i) for i in items] == [Start, Usage]
        assert isinstance(error, g4flite.ContentFilterError)
        assert error.code == reason
        assert reason in error.body

    def test_function_calls_come_whole(self) -> None:
        calls = [{"functionCall": {"name": "add", "args": {"x": 1}}}, {"functionCall": {"id": "b2", "name": "now"}}]
        items = read("gemini", self.wire(self.chunk(*calls, reason="STOP"), array=False))
        assert items[1:5] == [
            ToolCallDelta(0, "call_0_add", "add", '{"x": 1}'), ToolCall("call_0_add", "add", '{"x": 1}'),
            ToolCallDelta(1, "b2", "now", "{}"), ToolCall("b2", "now", "{}"),
        ]  # fmt: skip
        assert items[-2] == Finish("tool_calls", "STOP")

    @pytest.mark.parametrize("array", [False, True])
    def test_an_error_in_the_middle_ends_the_reply(self, array: bool) -> None:
        """python-genai#2604, _api_client.py"""
        error = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}
        *items, raised = read("gemini", self.wire(self.chunk({"text": "a"}), error, array=array))
        assert items == [Start("g1", "m-1"), "a"]
        assert isinstance(raised, g4flite.OverloadedError)
        assert (raised.code, raised.kind) == (503, "UNAVAILABLE")
        *_, raised = read("gemini", json.dumps(error).encode())
        assert isinstance(raised, g4flite.OverloadedError)


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
            Start(None, "m-1"), Reasoning("hm"), "He", "llo", Usage(3, 5, None, 8, counts), Finish("stop", "stop"),
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
            ToolCallDelta(0, "call_0_add", "add", '{"x": 1}'),
            ToolCall("call_0_add", "add", '{"x": 1}'),
        ]
        assert items[-2] == Finish("tool_calls", "stop")

    @pytest.mark.parametrize(("given", "text"), [(None, "{}"), ('{"x": 1}', '{"x": 1}'), ({}, "{}")])
    def test_the_arguments_of_a_tool_call_may_be_a_text_or_null(self, given: Any, text: str) -> None:
        call = {"function": {"name": "add", "arguments": given}}
        assert ToolCall("call_0_add", "add", text) in read("ollama", self.wire(self.line(tool_calls=[call]), self.END))

    def test_an_error_in_the_middle_ends_the_reply(self) -> None:
        *items, raised = read("ollama", self.wire(self.line(content="a"), {"error": "an error was encountered"}))
        assert items == [Start(None, "m-1"), "a"]
        assert type(raised) is g4flite.ProviderError

    def test_a_line_of_another_shape_is_malformed(self) -> None:
        *_, raised = read("ollama", self.wire(self.line(content=3)))
        assert "a line of the reply does not have the protocol's shape" in str(raised)


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
        assert items[0] == Reasoning("I add.")
        assert [i for i in items if isinstance(i, ToolCall)] == [ToolCall("a1", "add", '{"x": 1}')]

    def test_a_reply_may_have_no_usage(self) -> None:
        end = self.named("message-end", delta={"finish_reason": "COMPLETE"})
        assert read("cohere", sse(self.text(text="a"), end)) == ["a", Finish("stop", "COMPLETE"), "done"]

    def test_a_tool_call_without_its_end_is_whole(self) -> None:
        start = {"id": "a1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
        data = sse(self.named("tool-call-start", {"tool_calls": start}, index=0), self.end("TOOL_CALL"))
        assert ToolCall("a1", "add", "{}") in read("cohere", data)

    @pytest.mark.parametrize("count", ["n/a", None, True])
    def test_a_token_count_that_is_not_a_number_is_unknown(self, count: Any) -> None:
        end = self.named(
            "message-end", delta={"finish_reason": "COMPLETE", "usage": {"tokens": {"input_tokens": count}}}
        )
        (usage,) = [i for i in read("cohere", sse(self.text(text="a"), end)) if isinstance(i, Usage)]
        assert (usage.prompt_tokens, usage.completion_tokens) == (None, None)
        odd = self.named("message-end", delta={"usage": {"tokens": {"input_tokens": float("inf")}}})
        assert isinstance(read("cohere", sse(odd))[-1], g4flite.MalformedReplyError)

    def test_an_error_event_is_an_error(self) -> None:
        *_, raised = read("cohere", sse(self.text(text="a"), {"error": "too many tokens"}))
        assert isinstance(raised, g4flite.ContextLengthError)
