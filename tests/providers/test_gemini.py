"""Replies of Gemini's streamGenerateContent at every split.

Each test names its source: a documentation page, or a recording ("cassette", "chunks") of August 2026.
"""

import json
from typing import Any

import pytest

import g4flite
from g4flite import Finish, Reasoning, Start, ToolCall, ToolCallDelta, TurnState, Usage
from tests.providers.frames import DONE, made, read, sse


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
        signed = [TurnState(None), "He", TurnState({"thoughtSignature": "x"})]
        assert items[:6] == [Start("g1", "m-1"), Reasoning("hm"), *signed, 'l"lo] \u00e9']
        assert [(u.prompt_tokens, u.completion_tokens, u.reasoning_tokens, u.total_tokens) for u in items[6:7]] == [
            (3, 6, 2, 9)
        ]
        assert items[7:] == [Finish("stop", "STOP"), "done"]

    @pytest.mark.parametrize("array", [False, True])
    def test_a_reply_without_a_finish_reason_is_cut_off(self, array: bool) -> None:
        whole = self.wire(self.chunk({"text": "a"}), self.chunk({"text": "b"}, reason="STOP"), array=array)
        assert read("gemini", self.wire(self.chunk({"text": "a"}), array=array))[-1] == "cut"
        *items, error = read("gemini", whole[:-30])
        assert items == [Start("g1", "m-1"), "a"]
        assert type(error) is g4flite.TruncatedStreamError
        assert read("gemini", b"") == read("gemini", b" ") == ["cut"]
        # A marker of another protocol ends nothing.
        assert read("gemini", sse(self.chunk({"text": "a"}), DONE))[-1] == "cut"

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

    @pytest.mark.parametrize(
        "reason",
        "MALFORMED_FUNCTION_CALL UNEXPECTED_TOOL_CALL TOO_MANY_TOOL_CALLS MISSING_THOUGHT_SIGNATURE "
        "MALFORMED_RESPONSE".split(),
    )
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
            ToolCallDelta(0, made(0), "add", '{"x": 1}'), ToolCall(made(0), "add", '{"x": 1}'),
            ToolCallDelta(1, "b2", "now", "{}"), ToolCall("b2", "now", "{}"),
        ]  # fmt: skip
        assert items[-2] == Finish("tool_calls", "STOP")

    def test_calls_with_one_id_have_ids_of_their_own(self) -> None:
        calls = [{"functionCall": {"id": "a", "name": "add", "args": {"x": x}}} for x in (1, 2)]
        items = read("gemini", self.wire(self.chunk(*calls, reason="STOP"), array=False))
        assert [i for i in items if isinstance(i, ToolCall)] == [
            ToolCall("a", "add", '{"x": 1}'), ToolCall(made(0), "add", '{"x": 2}')
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("counts", "counted"),
        [
            ({"prompt": 10, "cachedContent": 4, "candidates": 5, "thoughts": 7, "total": 22}, (10, 12, 7, 22, 4)),
            # Tools of the service have put tokens into the prompt (recorded).
            ({"prompt": 55, "toolUsePrompt": 202, "candidates": 5, "total": 262}, (257, 5, None, 262, None)),
            # The model was cut off while it thought (recorded).
            ({"prompt": 10, "thoughts": 7, "total": 17}, (10, 7, 7, 17, None)),
            ({"prompt": 10, "candidates": float("nan")}, (10, 0, None, 10, None)),
        ],
    )
    def test_counts_have_the_common_meaning(self, counts: Any, counted: Any) -> None:
        usage = {f"{name}TokenCount": count for name, count in counts.items()}
        data = self.wire(self.chunk({"text": "a"}, reason="STOP", usageMetadata=usage), array=False)
        (found,) = [i for i in read("gemini", data) if isinstance(i, Usage)]
        assert found[:5] == counted

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

    @staticmethod
    def piece(*pieces: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {"functionCall": {**({"partialArgs": [*pieces]} if pieces else {}), **more}}

    @pytest.mark.parametrize("last", ["empty", "without willContinue", "both"])
    def test_arguments_in_pieces(self, last: str) -> None:
        """Vertex AI with streamFunctionCallArguments: the tests of google-genai 3.6.1."""
        boston = {"jsonPath": "$.location", "stringValue": "bos", "willContinue": True}
        ton = {"jsonPath": "$.location", "stringValue": "ton"}
        unit = {"jsonPath": "$.unit", "numberValue": 3}
        more = {"willContinue": True} if last == "empty" else {}
        parts = [self.piece(name="weather", willContinue=True), self.piece(boston, willContinue=True),
                 self.piece(ton, willContinue=True), self.piece(unit, **more),
                 *([self.piece()] if last != "without willContinue" else [])]  # fmt: skip
        second = {"functionCall": {"name": "now", "args": {}}}
        wire = sse(*map(self.chunk, parts), self.chunk({"text": "Hm."}, second), self.chunk(reason="STOP"))
        call = ToolCall(made(0), "weather", '{"location": "boston", "unit": 3}')
        assert [item for item in read("gemini", wire) if isinstance(item, str | ToolCall | Finish)] == [
            call, "Hm.", ToolCall(made(1), "now", "{}"), Finish("tool_calls", "STOP"), "done",
        ]  # fmt: skip

    def test_arguments_in_pieces_that_a_limit_cut_off_are_no_json(self) -> None:
        parts = self.piece(
            {"jsonPath": "$.a[0]", "stringValue": "bos", "willContinue": True}, name="f", willContinue=True
        )
        items = read("gemini", sse(self.chunk(parts), self.chunk(reason="MAX_TOKENS")))
        assert [item for item in items if isinstance(item, ToolCall | Finish)] == [
            ToolCall(made(0), "f", '{"a": ["bos"]'), Finish("length", "MAX_TOKENS"),
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("parts", "said"),
        [
            ([], "the reply ended before its arguments did"),
            ([{"functionCall": {"name": "now"}}], "another call begins before this one has ended"),
            ([{"functionCall": {"name": "f", "args": {"a": 1}}}], "its arguments come whole and in pieces"),
        ],
    )
    def test_arguments_in_pieces_without_an_end(self, parts: list[Any], said: str) -> None:
        begun = self.piece({"jsonPath": "$.a", "numberValue": 1}, name="f", willContinue=True)
        *items, error = read("gemini", sse(self.chunk(begun), self.chunk(*parts, reason="STOP")))
        assert isinstance(error, g4flite.MalformedReplyError)
        assert str(error).startswith(f"the tool call of 'f' cannot be joined: {said}")
        assert not any(isinstance(item, ToolCall | Finish) for item in items)
