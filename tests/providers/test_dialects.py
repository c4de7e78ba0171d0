"""Replies of the services that speak Chat Completions, each in a dialect, at every split.

Each test names its source: a documentation page, or a recording ("cassette", "chunks") of August 2026.
"""

from typing import Any

import pytest

import g4flite
from g4flite import Finish, Reasoning, TurnState, Usage
from tests.providers.frames import BEGIN, COUNTED, DONE, STOP, USAGE, chunk, read, said, sse


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
        state = TurnState({"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]})
        assert read("openrouter", data) == [BEGIN, Reasoning("hm"), "a", state, Finish("stop", "STOP"), COUNTED, "done"]

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

    def test_llama_cpp_counts_tokens_in_its_timings(self) -> None:
        """llama.cpp: tools/server/README.md"""
        timings = {"cache_n": 20, "prompt_n": 4, "predicted_n": 7, "predicted_ms": 1.5}
        items = read("llamacpp", sse(said("a"), chunk(finish_reason="stop", timings=timings), DONE))
        (usage,) = [i for i in items if isinstance(i, Usage)]
        assert usage[:-1] == (24, 7, None, 31, 20, None)
        # The counts of the protocol count more.
        last = {"id": "c1", "choices": [], "usage": USAGE, "timings": timings}
        usages = [i for i in read("llamacpp", sse(said("a"), STOP, last, last, DONE)) if isinstance(i, Usage)]
        assert {usage[:4] for usage in usages} == {(3, 5, 2, 8)}
        (usage,) = [i for i in read("llamacpp", sse(chunk(timings={"cache_n": 1}), STOP)) if isinstance(i, Usage)]
        assert usage[:-1] == (None, None, None, None, 1, None)

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
