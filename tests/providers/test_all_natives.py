"""Nothing of an answer is dropped without a word: media, citations and the service's own tools come as events.

Content without an event of its own comes as `Native`.

The shapes are those of the types in openai-python, anthropic-sdk-python, python-genai, mistralai, cohere-python and
ollama-python (November 2026), and of recordings.
"""

import json
from base64 import b64decode
from typing import Any

import pytest

import g4flite
from g4flite import (
    Citation,
    Finish,
    Media,
    Native,
    Reasoning,
    ServerToolCall,
    ServerToolResult,
    ToolCall,
    TurnState,
    providers,
)  # fmt: skip
from g4flite._core.events import OTHERS
from g4flite.testing import Emulator, Script
from tests.conftest import Driver
from tests.providers.frames import BEGIN, DONE, STOP, chunk, read, said, sse
from tests.rows import rows

IMAGE = {"mimeType": "image/png", "data": "iVBORw0KGgo="}


def named(kind: str, **fields: Any) -> tuple[str, dict[str, Any]]:
    return kind, {"type": kind, **fields}


def gemini(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": [*parts]}, "finishReason": "STOP", **more}], "responseId": "g"}


def message(item: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"id": "r", "status": "completed", "output": [item] if item else [], **more}


def block(index: int, value: dict[str, Any], *deltas: dict[str, Any]) -> list[Any]:
    return [
        named("content_block_start", index=index, content_block=value),
        *(named("content_block_delta", index=index, delta=delta) for delta in deltas),
        named("content_block_stop", index=index),
    ]


END = [named("message_delta", delta={"stop_reason": "end_turn"}), named("message_stop")]
SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
RESULT = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"encrypted_content": "x"}]}
OTHER = {**SEARCH, "id": "srvtoolu_2"}
CUSTOM = {"type": "custom_tool_call", "id": "ctc_1", "name": "f", "input": ""}
DRAWN = {"type": "image_generation_call", "id": "ig_1", "result": "iVBORw0KGgo=", "output_format": "png"}
QUERY = [{"type": "input_json_delta", "partial_json": text} for text in ('{"query"', ': "x"}')]
OTHER_DRAWN = {**DRAWN, "id": "ig_2", "result": "iVBORw0KGgoB"}
PIXEL = b"\x89PNG\r\n\x1a\n"
SHOWN = Media("image/png", PIXEL)
DATA_URL = {"image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
NOTE = {"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 4}
CODE = {"type": "code_interpreter_call", "id": "ci_1", "code": "1", "outputs": [{"type": "logs", "logs": "1"}]}
LOOKED = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"query": "x"}}
REMOTE = {"type": "mcp_call", "id": "mcp_1", "name": "ask", "arguments": '{"a": 1}', "output": None, "error": "no"}
RUN = {"index": 0, "type": "search", "arguments": '{"query": "x"}'}
QUOTED = {"type": "char_location", "cited_text": "c", "document_title": "t", "start_char_index": 3}
LINKED = {"type": "web_search_result_location", "cited_text": "c", "url": "u", "title": "t"}
RESULTS = {"type": "search_result_location", "cited_text": "c", "source": "u", "title": None}
GROUNDED = {"groundingChunks": [{"web": {"uri": "u", "title": "t"}}, {"web": {"uri": "v"}}, {"odd": 1}],
            "groundingSupports": [{"segment": {"endIndex": 4, "text": "Snow"}, "groundingChunkIndices": [0, 1, 9]},
                                  {"segment": {"startIndex": 5, "endIndex": 6}}],
            "webSearchQueries": ["q"]}  # fmt: skip
CHUNKS, SUPPORTS = GROUNDED["groundingChunks"], GROUNDED["groundingSupports"]
COHERE_SOURCE = {"type": "document", "id": "d", "document": {"title": "t", "url": "u"}}
COHERE_CITED = {"start": 0, "end": 4, "text": "Snow", "sources": [{"type": "tool"}, COHERE_SOURCE]}


def responses(*items: dict[str, Any]) -> list[Any]:
    return [named("response.output_item.done", output_index=place, item=item) for place, item in enumerate(items)] + [
        named("response.completed", response=message(output=[*items]))]  # fmt: skip


# Protocol, frames, and the events of other content that come out of them.
TABLE: dict[str, tuple[str, list[Any], list[Any]]] = {
    "gemini: an image": ("gemini", [gemini({"inlineData": IMAGE, "thoughtSignature": "s"})], [SHOWN]),
    "gemini: a drawing among the thoughts": ("gemini", [gemini({"inlineData": IMAGE, "thought": True})], [
        Native("inlineData", IMAGE)]),
    "gemini: odd data": ("gemini", [gemini({"inlineData": {"data": "x"}}, {"inlineData": 3}, {"new": {"a": 1}})], [
        Native("inlineData", {"data": "x"}), Native("inlineData", 3), Native("new", {"a": 1})]),
    "gemini: code": ("gemini", [gemini({"executableCode": {"code": "1", "language": "PYTHON"}},
        {"codeExecutionResult": {"output": "1", "id": "c"}})], [
        ServerToolCall("", "code_execution", '{"code": "1", "language": "PYTHON"}'),
        ServerToolResult("c", "code_execution", {"output": "1"})]),
    "gemini: files and tools": ("gemini", [gemini({"fileData": {"fileUri": "f", "mimeType": "video/mp4"}},
        {"toolCall": {"id": "t", "toolType": "GOOGLE_SEARCH", "args": {"q": "x"}}},
        {"toolResponse": {"id": "t", "toolType": "GOOGLE_SEARCH", "response": {"a": 1}}})], [
        Media("video/mp4", None, "f"), ServerToolCall("t", "GOOGLE_SEARCH", '{"q": "x"}'),
        ServerToolResult("t", "GOOGLE_SEARCH", {"a": 1})]),
    "gemini: sources come once, as the last chunk has them": ("gemini", [
        gemini(groundingMetadata={}), gemini(groundingMetadata={"a": 1}), gemini(groundingMetadata={"a": 2})], [
        Native("groundingMetadata", {"a": 2})]),
    "gemini: passages with their sources": ("gemini", [gemini(groundingMetadata=GROUNDED)], [
        Citation("Snow", "u", "t", 0, 4, {"groundingChunk": CHUNKS[0], "groundingSupport": SUPPORTS[0]}),
        Citation("Snow", "v", None, 0, 4, {"groundingChunk": CHUNKS[1], "groundingSupport": SUPPORTS[0]}),
        Citation(None, None, None, 5, 6, {"groundingChunk": {}, "groundingSupport": SUPPORTS[1]}),
        Citation(raw={"groundingChunk": {"odd": 1}}), Native("groundingMetadata", {"webSearchQueries": ["q"]})]),
    "gemini: passages alone": ("gemini", [gemini(groundingMetadata={"groundingChunks": [{"web": {"uri": "u"}}]})], [
        Citation(url="u", raw={"groundingChunk": {"web": {"uri": "u"}}})]),
    "gemini: recited sources": ("gemini", [gemini(
        citationMetadata={"citationSources": [{"startIndex": 1, "endIndex": 2, "uri": "u"}]},
        urlContextMetadata=[1])], [
        Citation(None, "u", None, 1, 2, {"startIndex": 1, "endIndex": 2, "uri": "u"}), Native("urlContextMetadata",
        [1])]),
    "gemini: odd sources": ("gemini", [gemini(groundingMetadata={"groundingChunks": 3, "groundingSupports": [4]},
        citationMetadata={"citations": [5]})], [
        Native("groundingMetadata", {"groundingChunks": 3, "groundingSupports": [4]}),
        Native("citationMetadata", {"citations": [5]})]),
    "gemini: sources that are no object": ("gemini", [gemini(groundingMetadata=[1])], [
        Native("groundingMetadata", [1])]),
    "chat: images": ("openai", [chunk({"images": [DATA_URL, {"image_url": "https://h/a"}, 1]}),
        chunk({"images": {"a": 1}}), STOP], [SHOWN, Media("image/*", None, "https://h/a"), Native("images", 1),
        Native("images", {"a": 1})]),
    "chat: annotations": ("openrouter", [chunk({"annotations": [{"type": "url_citation", "url_citation": {
        "url": "u", "title": "t", "start_index": 0, "end_index": 4, "content": "c"}}], "content": ""}),
        chunk({"annotations": [{"type": "file", "file": {}}, 2]}), STOP], [
        Citation("c", "u", "t", 0, 4, {"type": "url_citation", "url_citation": {"url": "u", "title": "t",
        "start_index": 0, "end_index": 4, "content": "c"}}), Native("annotations", {"type": "file", "file": {}}),
        Native("annotations", 2)]),
    "chat: a custom tool": ("openai", [
        chunk({"tool_calls": [{"index": 0, "id": "c", "type": "custom", "custom": {"name": "f", "input": ""}}]}),
        chunk({"tool_calls": [{"index": 0, "custom": {"input": "x y"}}]}), chunk(finish_reason="tool_calls")], [
        Native("custom_tool_call", {"index": 0, "id": "c", "type": "custom", "custom": {"name": "f", "input": ""}}),
        Native("custom_tool_call", {"index": 0, "custom": {"input": "x y"}})]),
    "chat: audio": ("openai", [chunk({"audio": {"id": "a", "data": "UklGRgAAAABXQVZF"}}),
        chunk({"audio": {"id": "a", "data": "//sB"}}), chunk({"audio": {"expires_at": 1}}), STOP], [
        Media("audio/wav", b"RIFF\0\0\0\0WAVE"), Media("audio/wav", b"\xff\xfb\1")]),
    "chat: audio of an unknown type": ("openai", [chunk({"audio": {"data": "AQA"}}), chunk({"audio": {"data": "x"}}),
        chunk({"audio": 3}), STOP], [Media("audio/*", b"\1\0"), Native("audio", {"data": "x"})]),
    "chat: executed tools": ("groq", [chunk({"executed_tools": [RUN]}),
        chunk({"executed_tools": [{**RUN, "output": "found"}]}),
        chunk({"executed_tools": [{"index": 1, "type": "python", "output": "1"}, 3]}), chunk({"executed_tools": 4}),
        STOP], [ServerToolCall("0", "search", '{"query": "x"}'), ServerToolResult("0", "search", {"output": "found"}),
        ServerToolCall("1", "python", "{}"), ServerToolResult("1", "python", {"output": "1"}),
        Native("executed_tools", 3)]),
    "chat: content_blocks": ("pollinations", [chunk({"content_blocks": [{"type": "image_url"}]}), STOP], [
        Native("content_blocks", [{"type": "image_url"}])]),
    "chat: content beside the answer": ("perplexity", [{**chunk(), "search_results": [1], "related_questions": ["q"]},
        {**STOP, "citations": ["u", "v"], "search_results": [1, {"url": "u", "title": "t"}]}], [
        Native("search_results", 1), Citation(None, "u", "t", raw={"url": "u", "title": "t"}),
        Native("related_questions", ["q"]), Citation(url="v", raw={"url": "v"})]),
    "chat: parts of content": ("mistral", [chunk({"content": [{"type": "reference", "reference_ids": [1]},
        {"type": "document_url", "document_url": "u"}, {"type": "image_url", "image_url": "https://h/a"}]}), STOP], [
        Native("reference", {"type": "reference", "reference_ids": [1]}),
        Native("document_url", {"type": "document_url", "document_url": "u"}), Media("image/*", None, "https://h/a")]),
    "chat: citations in each chunk come once": ("openai", [{**chunk({}), "citations": ["u"]}] * 3 + [STOP], [
        Citation(url="u", raw={"url": "u"})]),
    "chat: fields that nobody knows": ("openai", [chunk({"video": {"url": "u"}, "role": "assistant"}), chunk({
        "file": "f", "image": ["i"], "flag": True, "empty": {}, "count": 3}), STOP], [
        Native("video", {"url": "u"}), Native("file", "f"), Native("image", ["i"])]),
    "chat: blocks of thinking": ("openai", [chunk({"thinking_blocks": [{"signature": "s"}]}), STOP], [
        Native("thinking_blocks", [{"signature": "s"}])]),
    "anthropic: tools of the service side by side": ("anthropic", [block(0, SEARCH)[0], block(1, OTHER)[0],
        block(0, SEARCH, QUERY[0])[1], block(1, OTHER, QUERY[0])[1], block(0, SEARCH, QUERY[1])[1], *block(
            1, OTHER, QUERY[1])[1:], block(0, SEARCH)[1], *END], [
        ServerToolCall("srvtoolu_2", "web_search", '{"query": "x"}'),
        ServerToolCall("srvtoolu_1", "web_search", '{"query": "x"}')]),
    "anthropic: a block in the place of an open one": ("anthropic", [block(0, SEARCH)[0], *block(0, OTHER), *END], [
        ServerToolCall("srvtoolu_1", "web_search", "{}"), ServerToolCall("srvtoolu_2", "web_search", "{}")]),
    "anthropic: a piece behind its block": ("anthropic", [*block(0, SEARCH, *QUERY), named(
        "content_block_delta", index=0, delta=QUERY[0]), named("content_block_delta", index=0, delta={
            "type": "input_json_delta", "partial_json": ""}), *END], [
        ServerToolCall("srvtoolu_1", "web_search", '{"query": "x"}'), Native("input_json_delta", QUERY[0])]),
    "anthropic: citations with which a text begins": ("anthropic", [*block(0, {"type": "text", "text": "",
        "citations": [{"cited_text": "c"}]}), *END], [Citation("c", raw={"cited_text": "c"})]),
    "responses: a part that is whole at its end": ("openai-responses", [
        named("response.content_part.added", part={"type": "output_audio"}, output_index=0),
        named("response.content_part.done", part={"type": "output_audio", "data": "x"}, output_index=0),
        named("response.completed", response=message({"type": "message", "content": [{"type": "output_audio",
            "data": "x"}]}))], [Native("output_audio", {"type": "output_audio", "data": "x"})]),
    "responses: a part that is whole at its end alone": ("openai-responses", [
        named("response.content_part.done", part={"type": "output_audio", "data": "x"}, output_index=0),
        named("response.completed", response=message())], [
        Native("output_audio", {"type": "output_audio", "data": "x"})]),
    "responses: audio at its end": ("openai-responses", [named("response.audio.done", audio="x", output_index=0),
        named("response.audio.done", sequence_number=3), named("response.completed", response=message())], [
        Native("audio.done", {"type": "response.audio.done", "audio": "x", "output_index": 0})]),
    "responses: an item that is never done": ("openai-responses", [
        named("response.output_item.added", output_index=0, item=CUSTOM),
        named("response.custom_tool_call_input.done", output_index=0, item_id="ctc_1", input="x"),
        named("response.completed", response=message())], [Native("custom_tool_call", {**CUSTOM, "input": "x"})]),
    "responses: an item that is done in the response": ("openai-responses", [
        named("response.output_item.added", output_index=0, item=CUSTOM),
        named("response.completed", response=message({**CUSTOM, "input": "x"}))], [
        Native("custom_tool_call", {**CUSTOM, "input": "x"})]),
    "responses: the input of no item": ("openai-responses", [
        named("response.output_item.added", output_index=0, item=CUSTOM),
        named("response.mcp_call_arguments.done", arguments="{}"),
        named("response.output_item.done", output_index=0, item=CUSTOM),
        named("response.completed", response=message())], [Native("mcp_call_arguments.done", {
            "type": "response.mcp_call_arguments.done", "arguments": "{}"}), Native("custom_tool_call", CUSTOM)]),
    "ollama: audio": ("ollama", [json.dumps({"message": {"audio": "x", "role": "assistant", "flag": True}, "done": True
        })], [Native("audio", "x")]),
    "cohere: a message that begins with content": ("cohere", [named("message-start", delta={"message": {
        "content": [{"type": "image_url", "image_url": "u"}], "citations": [{"start": 0}]}}),
        named("message-end", delta={"finish_reason": "COMPLETE"})], [
        Media("image/*", None, "u"), Citation(start=0, raw={"start": 0})]),
    "cohere: content without a type": ("cohere", [named("content-delta", delta={"message": {"content": {
        "image_url": "u", "flag": True}}}), named("message-end", delta={"finish_reason": "COMPLETE"})], [
        Native("image_url", "u")]),
    "anthropic: a tool of the service": ("anthropic", [*block(0, SEARCH, *QUERY), *block(1, RESULT), *END], [
        ServerToolCall("srvtoolu_1", "web_search", '{"query": "x"}'),
        ServerToolResult("srvtoolu_1", "web_search", RESULT["content"])]),
    "anthropic: input that was broken off": ("anthropic", [*block(0, SEARCH, QUERY[0]), *END], [
        ServerToolCall("srvtoolu_1", "web_search", '{"query"')]),
    "anthropic: blocks that do not stop": ("anthropic", [block(0, SEARCH)[0], block(1, RESULT)[0], *END], [
        ServerToolCall("srvtoolu_1", "web_search", "{}"),
        ServerToolResult("srvtoolu_1", "web_search", RESULT["content"])]),
    "anthropic: a tool of another server": ("anthropic", [*block(0, {"type": "mcp_tool_use", "id": "m", "name": "ask",
        "server_name": "s", "input": {"a": 1}}), *block(1, {"type": "mcp_tool_result", "tool_use_id": "m",
        "content": []}), *END], [ServerToolCall("m", "ask", '{"a": 1}'), ServerToolResult("m", "mcp", [])]),
    "anthropic: a block that grows": ("anthropic", [*block(0, {"type": "compaction", "content": None},
        {"type": "compaction_delta", "content": "a"}, {"type": "compaction_delta", "content": "b"}), *END], [
        Native("compaction", {"type": "compaction", "content": "ab"})]),
    "anthropic: citations": ("anthropic", [*block(0, {"type": "text", "text": "", "citations": [QUOTED, 3]},
        {"type": "citations_delta", "citation": LINKED}, {"type": "citations_delta", "citation": RESULTS},
        {"type": "citations_delta", "citation": 3}, {"type": "signature_delta", "signature": "s"}), *END], [
        Citation("c", None, "t", raw=QUOTED), Citation("c", "u", "t", raw=LINKED), Citation("c", "u", raw=RESULTS),
        Native("citations_delta", {"type": "citations_delta", "citation": 3})]),
    "anthropic: redacted thinking": ("anthropic", [*block(0, {"type": "redacted_thinking", "data": "x"}), *END], [
        Native("redacted_thinking", {"type": "redacted_thinking", "data": "x"})]),
    "responses: an image": ("openai-responses", [named("response.output_item.added", output_index=0, item=DRAWN),
        *responses(DRAWN)], [SHOWN]),
    "responses: an image without data": ("openai-responses", responses({**DRAWN, "result": None,
        "output_format": None}), [Native("image_generation_call", {**DRAWN, "result": None, "output_format": None})]),
    "responses: an item in the response alone": ("openai-responses", [
        named("response.completed", response=message(DRAWN))], [SHOWN]),
    "responses: tools of the service": ("openai-responses", responses(CODE, LOOKED, REMOTE, {**LOOKED, "id": "ws_2",
        "status": "failed"}, {"type": "file_search_call", "id": "fs", "queries": ["q"], "results": None}), [
        ServerToolCall("ci_1", "code_interpreter", '{"code": "1"}'),
        ServerToolResult("ci_1", "code_interpreter", {"outputs": CODE["outputs"]}),
        ServerToolCall("ws_1", "web_search", '{"query": "x"}'), ServerToolCall("mcp_1", "ask", '{"a": 1}'),
        ServerToolResult("mcp_1", "ask", {"error": "no"}), ServerToolCall("ws_2", "web_search", '{"query": "x"}'),
        ServerToolResult("ws_2", "web_search", {"status": "failed"}),
        ServerToolCall("fs", "file_search", '{"queries": ["q"]}')]),
    "responses: what the program has to answer": ("openai-responses", responses({"type": "mcp_approval_request",
        "id": "r"}), [Native("mcp_approval_request", {"type": "mcp_approval_request", "id": "r"})]),
    "responses: audio": ("openai-responses", [named("response.audio.delta", delta="AQA="),
        named("response.audio.delta", delta=[3]), named("response.completed", response=message())], [
        Media("audio/*", b"\1\0"), Native("audio.delta", {"type": "response.audio.delta", "delta": [3]})]),
    "responses: a part of an image": ("openai-responses", [
        named("response.image_generation_call.partial_image", partial_image_b64="x"),
        named("response.completed", response=message())], [Native("image_generation_call.partial_image", {
            "type": "response.image_generation_call.partial_image", "partial_image_b64": "x"})]),
    "responses: an annotation": ("openai-responses", [
        *(named("response.output_text.annotation.added", annotation=note) for note in (NOTE, {"type": "file_citation",
        "file_id": "f", "filename": "a.pdf", "index": 3}, [1])), named("response.completed", response=message())], [
        Citation(None, "u", "t", 0, 4, NOTE), Citation(None, None, "a.pdf", raw={"type": "file_citation",
        "file_id": "f", "filename": "a.pdf", "index": 3}), Native("output_text.annotation.added", [1])]),
    "responses: an unknown part": ("openai-responses", [named("response.output_item.done", output_index=0,
        item={"type": "message", "content": [{"type": "output_video", "v": 1}]}),
        named("response.completed", response=message({"type": "message", "content": [{"type": "output_video"}]}))], [
        Native("output_video", {"type": "output_video", "v": 1})]),
    "ollama: images": ("ollama", [json.dumps({"message": {"images": ["iVBORw0KGgo", "x"]}}),
        json.dumps({"message": {"images": 3}, "done": True})], [SHOWN, Native("images", "x"), Native("images", 3)]),
    "cohere: an image": ("cohere", [named("content-start", delta={"message": {"content": {"type": "document"}}}),
        named("content-delta", delta={"message": {"content": {"type": "image_url", **DATA_URL}}}),
        named("message-end", delta={"finish_reason": "COMPLETE"})], [Native("document", {"type": "document"}), SHOWN]),
    "cohere: citations": ("cohere", [*(named("citation-start", index=0, delta={"message": {"citations": cited}})
        for cited in (COHERE_CITED, [{"start": 0, "end": 3, "text": "It", "sources": 3}], 3)),
        named("message-end", delta={"finish_reason": "COMPLETE"})], [Citation("Snow", "u", "t", 0, 4, COHERE_CITED),
        Citation("It", None, None, 0, 3, {"start": 0, "end": 3, "text": "It", "sources": 3}),
        Native("citations", 3)]),
}  # fmt: skip


def body_of(name: str, frames: list[Any]) -> bytes:
    return "".join(f"{frame}\n" for frame in frames).encode() if name == "ollama" else sse(*frames)


@rows("form", TABLE)
def test_content_of_other_kinds_comes_as_events(form: str) -> None:
    name, frames, others = TABLE[form]
    items = read(name, body_of(name, frames))
    assert [item for item in items if isinstance(item, OTHERS)] == others
    # A set may hold them.
    assert all(hash(item) for item in items if isinstance(item, Citation))
    assert [type(item) for item in items[-2:]] == [Finish, str]
    assert items[-1] == "done"


@rows("form", TABLE, shared=True)
def test_an_answer_of_other_content_alone_is_no_complete_empty_answer(
    form: str, driver: Driver, server: Emulator
) -> None:
    name, frames, others = TABLE[form]
    kind = "application/x-ndjson" if name == "ollama" else "text/event-stream"
    server.script = Script(body=body_of(name, frames), headers={"content-type": kind})
    server.exchanges.clear()
    call = {"model": "m", "base_url": server.url, "api_key": "sk-test-1"}
    with pytest.raises(g4flite.EmptyReplyError, match=r"^[a-z-]+: the answer holds no text but ") as caught:
        driver.collect(name, "Hi", retries=3, **call)
    names = [one.mime_type if isinstance(one, Media) else getattr(one, "name", "citations") for one in others]
    assert all(name in str(caught.value) for name in names[:5])
    assert "stream.events()" in str(caught.value)
    # The content came, so that nothing is sent again.
    assert len(server.exchanges) == 1
    assert f"it comes as {type(others[0]).__name__}" in str(caught.value)
    assert driver.stream.message["partial"] is True
    # A loop over the events has got the content, and learns that nobody asked for it.
    got = list[Any]()
    with pytest.raises(
        g4flite.EmptyReplyError, match=rf"it came as {type(others[0]).__name__}.*ask for images or audio"
    ):
        driver.each_event(got.append, name, "Hi", **call)
    assert [item for item in got if isinstance(item, OTHERS)] == others


ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "modalities": ("openrouter", {"extra": {"modalities": ["image", "text"]}}),
    "responseModalities": ("gemini", {"extra": {"generationConfig": {"responseModalities": ["TEXT", "IMAGE"]}}}),
    "image_generation": ("openai-responses", {"extra": {"tools": [{"type": "image_generation"}]}}),
    "text alone": ("openrouter", {"extra": {"modalities": ["text"]}}),
    "no list": ("gemini", {"extra": {"generationConfig": {"responseModalities": None}, "modalities": "image"}}),
    "another tool": ("openai-responses", {"extra": {"tools": [{"type": "web_search"}]}}),
}
ALONE: dict[str, list[Any]] = {
    "openrouter": [
        chunk({"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]}),
        DONE,
    ],
    "gemini": [gemini({"inlineData": IMAGE})],
    "openai-responses": [{"type": "response.completed", "response": {"output": [DRAWN]}}],
}


@rows("asked", ASKED)
def test_an_answer_of_images_alone_is_complete_if_the_request_asks_for_them(
    asked: str, driver: Driver, server: Emulator
) -> None:
    name, options = ASKED[asked]
    server.script = Script(body=sse(*ALONE[name]), headers={"content-type": "text/event-stream"})
    call = {"model": "m", "base_url": server.url, "api_key": "sk-test-1", **options}
    got = list[Any]()
    if asked in ("modalities", "responseModalities", "image_generation"):
        driver.each_event(got.append, name, "Hi", **call)
        assert "partial" not in driver.stream.message
        assert driver.stream.attempts[0].outcome == "complete"
    else:
        with pytest.raises(g4flite.EmptyReplyError, match="it came as Media"):
            driver.each_event(got.append, name, "Hi", **call)
    assert any(isinstance(item, Media) for item in got)
    # A loop over the text would get nothing.
    with pytest.raises(g4flite.EmptyReplyError, match="read it with"):
        driver.collect(name, "Hi", **call)


def test_text_or_a_tool_call_beside_other_content_is_an_answer(driver: Driver, server: Emulator) -> None:
    call = {"model": "m", "base_url": server.url, "api_key": "sk-test-1"}
    for part in ({"text": "a"}, {"functionCall": {"name": "now"}}):
        body = sse(gemini({"inlineData": IMAGE}), gemini(part))
        server.script = Script(body=body, headers={"content-type": "text/event-stream"})
        assert driver.collect("gemini", "Hi", **call) == (["a"] if "text" in part else [])
        assert driver.stream.attempts[0].outcome == "complete"
        assert len(driver.stream.tool_calls) == ("text" not in part)


def test_what_the_model_says_aloud_is_text() -> None:
    frames = [chunk({"audio": {"id": "a", "transcript": "Hel"}}), chunk({"audio": {"id": "a", "transcript": "lo"}})]
    items = read("openai", sse(*frames, chunk({"audio": {"data": "AQA="}}), STOP, DONE))
    assert items[1:5] == [TurnState({"audio": {"id": "a"}}), "Hel", "lo", Media("audio/*", b"\1\0")]
    delta, done = (named(f"response.audio.transcript.{kind}", **{field: "Hello"})
                   for kind, field in (("delta", "delta"), ("done", "transcript")))  # fmt: skip
    for told in ([delta], [delta, done], [done]):
        items = read("openai-responses", sse(*told, BARE))
        assert items[:2] == ["Hello", Finish("stop", "completed")]


def test_the_tools_of_a_reply_are_bounded() -> None:
    parser = providers.GROQ.parser(2**20)
    with pytest.raises(g4flite.LimitError, match="the tools that the service has run are more than 1024"):
        for number in range(1025):
            list(parser.feed(sse(chunk({"executed_tools": [{**RUN, "index": number}]}))))


def test_the_error_names_few_kinds_and_no_long_name(driver: Driver, server: Emulator) -> None:
    body = sse(gemini({f"{number}{'x' * 500}": 1 for number in range(50)}))
    server.script = Script(body=body, headers={"content-type": "text/event-stream"})
    with pytest.raises(g4flite.EmptyReplyError) as caught:
        driver.collect("gemini", "Hi", model="m", base_url=server.url, api_key="sk-test-1")
    assert len(str(caught.value)) < 600


def test_a_native_block_is_bounded() -> None:
    parser = providers.ANTHROPIC.parser(1000)
    delta = {"type": "input_json_delta", "partial_json": "x" * 400}
    with pytest.raises(g4flite.LimitError, match="the blocks of the reply are longer than max_frame"):
        for piece in block(0, SEARCH, delta, delta, delta):
            list(parser.feed(sse(piece)))


def test_items_that_are_never_done_are_bounded() -> None:
    parser = providers.OPENAI_RESPONSES.parser(1000)
    with pytest.raises(g4flite.LimitError, match="the items of the reply are longer than max_frame"):
        for number in range(9):
            item = {**CUSTOM, "id": f"ctc_{number}", "input": [{"text": "x" * 200}]}
            list(parser.feed(sse(named("response.output_item.added", output_index=number, item=item))))


# A Responses reply that says a thing only later.


def part(text: str, kind: str = "output_text") -> dict[str, Any]:
    return {"type": kind, ("refusal" if kind == "refusal" else "text"): text}


def item(*parts: dict[str, Any], kind: str = "message", **more: Any) -> dict[str, Any]:
    return {"type": kind, ("summary" if kind == "reasoning" else "content"): [*parts], **more}


def delta(text: str, **more: Any) -> Any:
    return named("response.output_text.delta", delta=text, **more)


PLACE = {"output_index": 0, "content_index": 0, "item_id": "msg_1"}
TEXT_DONE = named("response.output_text.done", text="ab", **PLACE)
ITEM_DONE = named("response.output_item.done", output_index=0, item=item(part("ab"), id="msg_1"))
COMPLETED = named("response.completed", response=message(item(part("ab"), id="msg_1")))
BARE = named("response.completed", response=message())


def message_done(text: str, index: int, **more: Any) -> Any:
    return named("response.output_item.done", output_index=index, item=item(part(text), **{"id": "msg_1", **more}))


def completed(*texts: str, start: int = 1) -> Any:
    output = [item(part(text), id=f"msg_{number}") for number, text in enumerate(texts, start)]
    return named("response.completed", response=message(output=output))


def content_part(state: str, text: str) -> Any:
    return named(f"response.content_part.{state}", part=part(text), **PLACE)


LATE: dict[str, list[Any]] = {
    "deltas and all that repeats them": [delta("a", **PLACE), delta("b", **PLACE), TEXT_DONE, ITEM_DONE, COMPLETED],
    "output_text.done": [TEXT_DONE, BARE],
    "output_text.done and what repeats it": [TEXT_DONE, ITEM_DONE, COMPLETED],
    "output_item.done": [ITEM_DONE, BARE],
    "output_item.done and completed": [ITEM_DONE, COMPLETED],
    "completed": [COMPLETED],
    "deltas without places": [delta("a"), delta("b"), TEXT_DONE, ITEM_DONE, COMPLETED],
    "done without a place": [delta("ab", **PLACE), named("response.output_text.done", text="ab"), COMPLETED],
    "an item without a place": [delta("ab", **PLACE), named("response.output_item.done", item=item(part("ab"))), BARE],
    "other indexes, the same id": [delta("ab", **PLACE), named(
        "response.output_item.done", output_index=7, item=item(part("ab"), id="msg_1")), COMPLETED],
    "other ids, the same index": [delta("ab", **PLACE), named(
        "response.output_item.done", output_index=0, item=item(part("ab"), id="x")), COMPLETED],
    "other places in the response": [delta("ab", **PLACE), named("response.completed", response=message(
        item(part("ab"), id="x"), output=[item(kind="reasoning"), item(part("ab"))]))],
    "two parts, the second without deltas": [delta("a", **PLACE), named(
        "response.output_text.done", text="b", output_index=0, content_index=1), ITEM_DONE, COMPLETED],
    "two items, the second without deltas": [delta("a", **PLACE), named(
        "response.output_item.done", output_index=1, item=item(part("b"), id="msg_2")), COMPLETED],
    # decolua/9router#383 and KochC/opencode-llm-proxy#48, 2026: an empty piece is no text, and the rest comes later.
    "an empty delta": [delta("", **PLACE), TEXT_DONE, ITEM_DONE, COMPLETED],
    "an empty output_text.done": [named("response.output_text.done", text="", **PLACE), ITEM_DONE, BARE],
    "an empty message before": [message_done("", 0), completed("", "ab")],
    "an empty message with another id": [message_done("", 0, id="x"), completed("", "ab")],
    "a second message in the response alone": [delta("a", **PLACE), completed("a", "b")],
    "a second message in the response alone, other ids": [delta("a", **PLACE), completed("a", "b", start=7)],
    "the rest in output_text.done": [delta("a", **PLACE), TEXT_DONE, ITEM_DONE, COMPLETED],
    "the rest in output_item.done": [delta("a", **PLACE), ITEM_DONE, COMPLETED],
    "the rest in the response": [delta("a", **PLACE), COMPLETED],
    "content_part.done": [content_part("done", "ab"), BARE],
    "content_part.done and what repeats it": [content_part("done", "ab"), TEXT_DONE, ITEM_DONE, COMPLETED],
    "content_part.added": [content_part("added", "ab"), BARE],
    "content_part.added, and its deltas": [content_part("added", "a"), delta("b", **PLACE), TEXT_DONE, COMPLETED],
    "content_part.added elsewhere": [named("response.content_part.added", part=part("a")), delta("b", **PLACE), BARE],
    "output_item.added": [named("response.output_item.added", output_index=0, item=item(part("a"), id="msg_1")),
                          delta("b", **PLACE), TEXT_DONE, ITEM_DONE, COMPLETED],
    "one index for all messages": [message_done("a", 0), message_done("b", 0, id="msg_2"), completed("a", "b")],
    "one id for all messages": [message_done("a", 0), message_done("b", 1), completed("a", "b")],
    "messages without places": [named("response.output_text.done", text="a"), named("response.output_text.done",
        text="b"), completed("a", "b")],
    "a text that was rewritten": [delta("a", **PLACE), delta("b", **PLACE), named(
        "response.output_text.done", text="A, and b.", **PLACE), BARE],
    "a message of one text in two parts": [delta("ab", **PLACE), named("response.output_item.done", output_index=0,
        item=item(part("a"), part("b"), id="msg_1")), completed("a", "b")],
}  # fmt: skip


@rows("form", LATE)
def test_the_text_of_a_response_comes_once_wherever_it_stands(form: str) -> None:
    items = read("openai-responses", sse(*LATE[form]))
    assert "".join(text for text in items[:-1] if isinstance(text, str)) == "ab"
    assert items[-2:] == [Finish("stop", "completed"), "done"]


def test_the_text_of_a_response_comes_once_in_each_driver(driver: Driver, server: Emulator) -> None:
    for form, frames in LATE.items():
        server.script = Script(body=sse(*frames), headers={"content-type": "text/event-stream"})
        got = driver.collect("openai-responses", "Hi", model="m", base_url=server.url, api_key="sk-test-1")
        assert "".join(got) == "ab", form


@pytest.mark.parametrize("joined", [False, True])
def test_the_texts_that_are_read_without_parsing_count(joined: bool) -> None:
    """One delta a read, and all in one read: see the paths of `FrameParser`."""
    whole = named("response.output_text.done", text="abcé😀 and more", **PLACE)
    frames = [*(sse(delta(text, **PLACE)) for text in "abcé😀"), sse(whole, COMPLETED)]
    parser, items = providers.OPENAI_RESPONSES.parser(2**20), list[Any]()
    for data in [b"".join(frames)] if joined else frames:
        items += parser.feed(data)
    # The response is rewritten, and shorter.
    assert [one for one in items if not isinstance(one, TurnState)] == [
        *"abcé😀", " and more", Finish("stop", "completed"),
    ]  # fmt: skip


def test_a_text_that_comes_whole_is_not_read_without_parsing() -> None:
    parser, items = providers.OPENAI_RESPONSES.parser(2**20), list[Any]()
    for text in ("ab", "abc", "abcd"):
        items += parser.feed(sse(named("response.output_text.done", text=text, **PLACE)))
    assert items == ["ab", "c", "d"]


NOTES = [{"type": "url_citation", "url": "u"}, {"type": "url_citation", "url": "v"}]
NOTED = {**part("ab"), "annotations": NOTES}


@pytest.mark.parametrize("frames", [
    [named("response.output_item.done", output_index=0, item=item(NOTED))],
    [delta("ab", **PLACE), named("response.content_part.done", part=NOTED, **PLACE)],
    [*(named("response.output_text.annotation.added", annotation=note, **PLACE) for note in NOTES), TEXT_DONE,
     named("response.output_item.done", output_index=0, item=item(NOTED))],
    [named("response.output_text.annotation.added", annotation=NOTES[0], **PLACE)],
    [named("response.output_item.done", output_index=0, item=item({**NOTED, "annotations": 3})), ITEM_DONE],
])  # fmt: skip
def test_the_annotations_of_a_text_come_once_wherever_they_stand(frames: list[Any]) -> None:
    items = read("openai-responses", sse(*frames, named("response.completed", response=message(item(NOTED)))))
    assert [it.raw for it in items if isinstance(it, Citation)] == NOTES
    assert "".join(it for it in items[:-1] if isinstance(it, str)) == "ab"


@pytest.mark.parametrize(("given", "response", "new"), [
    ([ITEM_DONE], [item(part("ab"), id="msg_1"), DRAWN], [DRAWN]),
    ([named("response.output_item.done", output_index=1, item=DRAWN)], [DRAWN, OTHER_DRAWN],
     [DRAWN, OTHER_DRAWN]),
    # Another id, but no further item.
    ([named("response.output_item.done", item=DRAWN)], [{**DRAWN, "id": "x"}], [DRAWN]),
])  # fmt: skip
def test_an_item_of_the_response_that_did_not_come_before_is_new(given: Any, response: Any, new: Any) -> None:
    items = read("openai-responses", sse(*given, named("response.completed", response=message(output=response))))
    assert [it.data for it in items if isinstance(it, Media)] == [b64decode(drawn["result"]) for drawn in new]


def called(number: int, **more: Any) -> dict[str, Any]:
    return {"type": "function_call", "id": f"fc{number}", "call_id": f"c{number}", "name": "now",
            "arguments": f'{{"a": {number}}}', **more}  # fmt: skip


@pytest.mark.parametrize("output", [
    [called(1), called(2)], [called(2), called(1)], [called(1, id="x"), called(2, id="y")], [called(2)],
])  # fmt: skip
def test_a_call_that_stands_in_the_response_alone_is_a_call(output: list[Any]) -> None:
    done = named("response.output_item.done", output_index=0, item=called(1))
    items = read("openai-responses", sse(done, named("response.completed", response=message(output=output))))
    assert [it for it in items if isinstance(it, ToolCall)] == [
        ToolCall("c1", "now", '{"a": 1}'), ToolCall("c2", "now", '{"a": 2}')
    ]  # fmt: skip


def test_a_call_whose_arguments_stand_in_the_response_alone_has_them() -> None:
    added = named("response.output_item.added", output_index=0, item=called(1, arguments=""))
    items = read("openai-responses", sse(added, named("response.completed", response=message(called(1)))))
    assert [it for it in items if isinstance(it, ToolCall)] == [ToolCall("c1", "now", '{"a": 1}')]


@pytest.mark.parametrize("frames", [
    [named("response.refusal.delta", delta="No", **PLACE), named("response.refusal.done", refusal="No", **PLACE), BARE],
    [named("response.refusal.done", refusal="No", **PLACE), BARE],
    [named("response.output_item.done", output_index=0, item=item(part("No", "refusal"))), BARE],
    [named("response.completed", response=message(item(part("No", "refusal"))))],
    [named("response.refusal.delta", delta="No"), named("response.completed", response=message(
        item(part("No", "refusal"))))],
])  # fmt: skip
def test_a_refusal_of_a_response_is_read_once_wherever_it_stands(frames: list[Any]) -> None:
    *_, error = read("openai-responses", sse(*frames))
    assert isinstance(error, g4flite.ContentFilterError)
    assert error.body == "No"


SUMMARY = item(part("a", "summary_text"), part("b", "summary_text"), kind="reasoning", id="rs_1")


def thought(text: str, **place: Any) -> Any:
    return named("response.reasoning_summary_text.delta", delta=text, **place)


@pytest.mark.parametrize("frames", [
    [thought("a", output_index=0, summary_index=0), thought("b", output_index=0, summary_index=1)],
    [thought("a", output_index=0, summary_index=0), thought("b", output_index=1, summary_index=0)],
    [named("response.reasoning_summary_part.added"), thought("a"), named("response.reasoning_summary_part.added"),
     thought("b")],
    [named("response.output_item.done", output_index=0, item=SUMMARY)],
    [thought("a", output_index=0, summary_index=0), thought("b", output_index=0, summary_index=1),
     named("response.output_item.done", output_index=0, item=SUMMARY)],
    [],
])  # fmt: skip
def test_a_blank_line_separates_the_parts_of_a_reasoning_summary(frames: list[Any]) -> None:
    """goai#125, codegraff2#94, July 2026"""
    items = read("openai-responses", sse(*frames, named("response.completed", response=message(SUMMARY))))
    assert "".join(item.text for item in items if isinstance(item, Reasoning)) == "a\n\nb"


def test_a_commentary_without_deltas_is_reasoning() -> None:
    aside, answer = item(part("hm"), phase="commentary"), item(part("a"), phase="final_answer")
    done = [named("response.output_item.done", output_index=index, item=it) for index, it in enumerate((aside, answer))]
    for frames in ([*done, BARE], [named("response.completed", response=message(output=[aside, answer]))]):
        items = read("openai-responses", sse(*frames))
        assert [it for it in items if isinstance(it, Reasoning | str)] == [Reasoning("hm"), "a", "done"]


PHASES = ["commentary", None]


@pytest.mark.parametrize("ids", [True, False], ids=["ids", "no ids"])
@pytest.mark.parametrize("phase", PHASES, ids=["told at once", "told at the end"])
@pytest.mark.parametrize("again", [True, False], ids=["all again", "the answer alone"])
def test_an_answer_behind_a_commentary_s_deltas_comes_though_it_is_in_the_response_alone(
    ids: bool, phase: str | None, again: bool
) -> None:
    """The commentary is longer than the answer, and has no place among the items of the answer."""
    one, two = ({"id": name} if ids else {} for name in ("msg_1", "msg_2"))
    aside, answer = item(part("Let me look."), phase="commentary", **one), item(part("Hi"), phase="final_answer", **two)
    begun = {"type": "message", **({"phase": phase} if phase else {}), **one}
    frames = [named("response.output_item.added", output_index=0, item=begun),
              *(delta(text, output_index=0, **({"item_id": "msg_1"} if ids else {})) for text in ("Let me ", "look.")),
              named("response.completed", response=message(output=[*[aside] * again, answer]))]  # fmt: skip
    items = read("openai-responses", sse(*frames))
    texts = [it.text if isinstance(it, Reasoning) else it for it in items if isinstance(it, Reasoning | str)]
    if phase or again:
        assert texts == ["Let me ", "look.", "Hi", "done"]
    else:
        # Nothing says that the deltas were another message's (ids change from event to event): the text was rewritten,
        # and the pieces stand.
        assert texts == ["Let me ", "look.", "done"]
    assert [isinstance(it, Reasoning) for it in items if isinstance(it, Reasoning | str)][:2] == [bool(phase)] * 2


def test_a_tool_call_in_the_response_alone_is_read() -> None:
    call = {"type": "function_call", "call_id": "c1", "name": "now", "arguments": "{}"}
    items = read("openai-responses", sse(named("response.completed", response=message(call))))
    assert ToolCall("c1", "now", "{}") in items
    assert items[-2] == Finish("tool_calls", "completed")


def test_a_completed_response_stopped_even_if_it_is_as_long_as_it_may_be() -> None:
    usage = {"input_tokens": 1, "output_tokens": 16}
    frames = [delta("a"), named("response.completed", response=message(max_output_tokens=16, usage=usage))]
    assert read("openai-responses", sse(*frames))[-2] == Finish("stop", "completed")


def test_the_parts_of_a_response_are_bounded() -> None:
    parser = providers.OPENAI_RESPONSES.parser(2**20)
    with pytest.raises(g4flite.LimitError, match="the parts of the reply are more than 1024"):
        for number in range(1025):
            list(parser.feed(sse(delta("a", output_index=number, content_index=0, item_id=f"m{number}"))))
    parser = providers.OPENAI_RESPONSES.parser(2**20)
    with pytest.raises(g4flite.LimitError, match="the parts of the reply are more than 1024"):
        list(parser.feed(sse(completed(*["a"] * 1025))))


def test_a_refusal_is_kept_up_to_2_kb() -> None:
    for name, refused, end in (
        ("openai", chunk({"refusal": "no " * 1000}), STOP),
        ("openai", chunk({"content": [{"type": "refusal", "refusal": "no " * 1000}]}), STOP),
        ("openai-responses", named("response.refusal.delta", delta="no " * 1000), BARE),
    ):
        *_, error = read(name, sse(*[refused] * 5, end))
        assert isinstance(error, g4flite.ContentFilterError)
        assert len(error.body) == 2048


def test_text_in_odd_parts_is_text() -> None:
    assert read("openai", sse(chunk({"content": {"type": "text", "text": "a"}}), STOP, DONE))[1] == "a"
    items = read("openai", sse({**said("a"), "choices": said("a")["choices"][0]}, STOP))
    assert items[:2] == [BEGIN, "a"]
