"""What the emulator's open protocols send: the events of a reply in order, the errors, and the dialects' habits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPConnection
from typing import Any

import pytest

from g4flite.testing import Emulator, Finish, Problem, Reasoning, Script, ToolCall
from tests.open_protocols import (
    ANTHROPIC,
    CHAT,
    COHERE,
    GEMINI,
    GEMINI_ARRAY,
    OLLAMA,
    RESPONSES,
    WIRES,
    Wire,
    ask,
    emulate,
    events,
    hear,
    last,
)  # fmt: skip

CALLS = ToolCall("", "weather", '{"city": "Oslo"}'), ToolCall("c9", "clock", "{}")
FULL = (Reasoning("Hm"), Reasoning("m."), "Grüß", " dich", *CALLS)
ARGUMENTS = ['{"city":', ' "Oslo"}']


def asking(wire: Wire = CHAT, **options: bool) -> Wire:
    return wire.field(stream_options={"include_usage": True, "include_obfuscation": False, **options})


# Chat Completions


def chunk(delta: dict[str, Any], reason: str | None = None, **extra: Any) -> dict[str, Any]:
    return bare([{"index": 0, "delta": delta, "finish_reason": reason}], **extra)


def bare(choices: list[Any], **extra: Any) -> dict[str, Any]:
    kind = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": "m"}
    return {**kind, "choices": choices, **extra}


def calls(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"tool_calls": list(entries)}


def named(index: int, id_: str, name: str, arguments: str = "") -> dict[str, Any]:
    asked = {"name": name, "arguments": arguments}
    return {"index": index, "id": id_, "type": "function", "function": asked}


def fragment(index: int, arguments: str) -> dict[str, Any]:
    return calls({"index": index, "function": {"arguments": arguments}})


CALLED = [
    calls(named(0, "call_1", "weather")),
    *(fragment(0, piece) for piece in ARGUMENTS),
    calls(named(1, "c9", "clock")),
    fragment(1, "{}"),
]
WHOLE = [calls(named(0, "call_1", "weather", "".join(ARGUMENTS))), calls(named(1, "c9", "clock", "{}"))]
SPENT = {
    "prompt_tokens": 3,
    "completion_tokens": 4,
    "total_tokens": 7,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 2, "audio_tokens": 0},
}


def test_chat_is_openai_s_chunks_and_done() -> None:
    with emulate(*FULL) as e:
        response = ask(e, asking())
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.headers["x-request-id"] == "req_1"
    extra = {"usage": None, "service_tier": "default"}
    deltas = [{"role": "assistant", "content": "", "refusal": None}, {"content": "Grüß"}, {"content": " dich"}, *CALLED]
    assert events(response.body) == [
        *(chunk(delta, **extra) for delta in deltas),
        chunk({}, "tool_calls", **extra),
        bare([], usage=SPENT),
        "[DONE]",
    ]


def test_chat_s_bytes() -> None:
    with emulate("Grüß") as e:
        body = hear(e, CHAT.field(stream_options={"include_obfuscation": False}))
    start = (
        '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{"index":0,'
    )
    end = ',"service_tier":"default"}\n\n'
    assert body.decode() == (
        f'data: {start}"delta":{{"role":"assistant","content":"","refusal":null}},"finish_reason":null}}]{end}'
        f'data: {start}"delta":{{"content":"Grüß"}},"finish_reason":null}}]{end}'
        f'data: {start}"delta":{{}},"finish_reason":"stop"}}]{end}'
        "data: [DONE]\n\n"
    )


def test_chunks_are_padded_unless_the_client_objects() -> None:
    with emulate("a", "abc") as e:
        *chunks, _ = events(hear(e, CHAT))
    assert all(set(chunk["obfuscation"]) <= {"0"} for chunk in chunks)
    assert chunks[1]["obfuscation"] != chunks[2]["obfuscation"]


@pytest.mark.parametrize("reason", ["stop", "length", "tool_calls", "content_filter", "error"])
def test_chat_s_finish_reason_is_the_one_given(reason: str) -> None:
    with emulate("a", Finish(reason), "b") as e:
        *_, end, done = events(hear(e, CHAT))
        assert (end["choices"][0]["finish_reason"], done) == (reason, "[DONE]")
        e.script = Script(dialect="deepseek")
        *_, end, done = events(hear(e, CHAT))
        assert end["choices"][0]["finish_reason"] == {"error": "insufficient_system_resource"}.get(reason, reason)


# The dialects


def says(dialect: str, wire: Wire = CHAT, *pieces: Any, usage: bool = True) -> list[Any]:
    with emulate(*(pieces or FULL), script=Script(dialect=dialect)) as e:
        return events(hear(e, asking(wire) if usage else wire))


def role(**said: Any) -> dict[str, Any]:
    return {"role": "assistant", **said}


TEXT = [{"content": "Grüß"}, {"content": " dich"}]
INLINE = [{"content": said} for said in ("<think>\nHm", "m.", "\n</think>\n\n", "Grüß", " dich")]
OLD = [{"content": None, "reasoning_content": "Hm"}, {"content": None, "reasoning_content": "m."}]
NEW = [{"reasoning": "Hm"}, {"reasoning": "m."}]


def test_azure_begins_with_the_prompt_s_filter_results() -> None:
    first, *chunks, usage, done = says("azure")
    result = [{"prompt_index": 0, "content_filter_results": {}}]
    assert first == bare([]) | {"id": "", "model": "", "prompt_filter_results": result}
    assert [c["choices"][0]["delta"] for c in chunks] == [role(content=""), *TEXT, *CALLED, {}]
    assert all(c["choices"][0]["content_filter_results"] == {} for c in chunks)
    assert (usage, done) == (bare([], usage=SPENT), "[DONE]")


def test_openrouter_comments_reasons_twice_and_always_counts() -> None:
    comment, opening, thought, again, *chunks, usage, done = says("openrouter", usage=False)
    assert (comment, again, done) == (": OPENROUTER PROCESSING", ": OPENROUTER PROCESSING", "[DONE]")
    detail = {"type": "reasoning.text", "text": "Hm", "format": "unknown", "index": 0}
    assert opening["choices"][0]["delta"] == role(content="")
    assert thought["choices"][0]["delta"] == {"content": "", "reasoning": "Hm", "reasoning_details": [detail]}
    assert [c["choices"][0]["delta"] for c in chunks[1:]] == [*TEXT, *CALLED, {}]
    assert (chunks[-1]["id"], chunks[-1]["provider"]) == ("gen-1", "Emulator")
    assert chunks[-1]["choices"][0]["native_finish_reason"] == chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"
    assert usage["choices"] == [{"index": 0, "delta": role(content=""), "finish_reason": None}]
    assert usage["usage"] == SPENT


def test_deepseek_keeps_alive_and_counts_at_the_finish() -> None:
    comment, opening, first, again, *chunks, done = says("deepseek", usage=False)
    assert (comment, again, done) == (": keep-alive", ": keep-alive", "[DONE]")
    deltas = [role(content=None, reasoning_content=""), *OLD, *TEXT, *CALLED]
    assert [opening, first, *chunks] == [*map(chunk, deltas), chunk({}, "tool_calls", usage=SPENT)]


def test_vllm_reasons_in_reasoning() -> None:
    deltas = [role(content=""), *NEW, *TEXT, *CALLED]
    expected = [*(chunk(delta, usage=None) for delta in deltas), chunk({}, "tool_calls", usage=None)]
    assert says("vllm") == [*expected, bare([], usage=SPENT), "[DONE]"]
    assert all("usage" not in chunk for chunk in says("vllm", usage=False)[:-1])


def test_groq_counts_in_the_last_chunk_and_in_x_groq() -> None:
    opening, *chunks, end, done = says("groq", usage=False)
    assert opening == chunk(role(content=""), x_groq={"id": "req_1"})
    assert chunks == [chunk(delta) for delta in [*NEW, *TEXT, *CALLED]]
    assert end == chunk({}, "tool_calls", usage=SPENT, x_groq={"id": "req_1", "usage": SPENT})
    assert done == "[DONE]"


def test_zai_has_a_finish_reason_only_at_the_end() -> None:
    deltas = [*(role(reasoning_content=t) for t in ("Hm", "m.")), *(role(**delta) for delta in TEXT), *WHOLE]
    *chunks, end, done = says("zai", usage=False)
    assert chunks == [bare([{"index": 0, "delta": delta}]) for delta in deltas]
    assert (end, done) == (chunk({}, "tool_calls", usage=SPENT), "[DONE]")


def test_huggingface_thinks_in_the_text() -> None:
    opening, *chunks, end, usage, done = says("huggingface")
    deltas = [c["choices"][0]["delta"] for c in chunks]
    assert deltas == [*INLINE, *CALLED]
    assert [c["choices"][0]["text"] for c in chunks[:5]] == [delta["content"] for delta in INLINE]
    assert {c["choices"][0]["token_id"] for c in [opening, *chunks, end]} == {0}
    assert (usage, done) == (bare([], usage=SPENT), "[DONE]")


def test_thought_that_an_error_ends_stays_open() -> None:
    *_, thought, error = says("huggingface", CHAT, Reasoning("Hm"), Problem("server"))
    assert thought["choices"][0]["delta"] == {"content": "<think>\nHm"}
    assert set(error) == {"error", "error_type"}


def test_llama_cpp_pings() -> None:
    ping, opening, thought, again, *chunks, end, usage, done = says("llamacpp")
    assert ping == again == ": ping - 2026-08-01 12:00:00.000000+00:00"
    assert [opening, thought, *chunks] == [chunk(d, usage=None) for d in [role(content=None), *OLD, *TEXT, *CALLED]]
    assert end == chunk({}, "tool_calls", usage=None)
    assert (usage, done) == (bare([], usage=SPENT), "[DONE]")


def test_transformers_says_neither_usage_nor_done() -> None:
    *chunks, end = says("transformers")
    assert chunks == [bare([{"index": 0, "delta": delta}]) for delta in [role(), *INLINE, *CALLED]]
    assert end == chunk({}, "tool_calls")


def test_litellm_counts_in_a_chunk_with_an_empty_choice() -> None:
    *chunks, end, usage, done = says("litellm")
    assert chunks == [chunk(delta, usage=None) for delta in [role(content=""), *OLD, *TEXT, *CALLED]]
    assert end == chunk({}, "tool_calls", usage=None)
    assert (usage, done) == (bare([{"index": 0, "delta": {}}], usage=SPENT), "[DONE]")


def test_mistral_s_content_may_be_a_list() -> None:
    *chunks, end, done = says("mistral", usage=False)
    thoughts = [{"content": [{"type": "thinking", "thinking": [{"type": "text", "text": t}]}]} for t in ("Hm", "m.")]
    texts = [{"content": [{"type": "text", "text": delta["content"]}]} for delta in TEXT]
    assert chunks == [chunk(delta) for delta in [role(content=""), *thoughts, *texts, *WHOLE]]
    assert (end, done) == (chunk({}, "tool_calls", usage=SPENT), "[DONE]")
    assert says("mistral", CHAT, "Hi")[1] == chunk({"content": "Hi"})


# Responses


def test_responses_are_events_in_order_and_numbered() -> None:
    with emulate(*FULL) as e:
        response = ask(e, RESPONSES)
    given = events(response.body)
    assert [event.pop("sequence_number") for event in given] == list(range(len(given)))
    created, started, *rest, completed = given
    assert (created["type"], started["type"]) == ("response.created", "response.in_progress")
    assert created["response"] == started["response"]
    assert created["response"] | {"usage": None, "output": [], "status": "in_progress"} == created["response"]
    reasoning = {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Hmm."}]}
    part = {"type": "output_text", "annotations": [], "logprobs": [], "text": "Grüß dich"}
    message = {"id": "msg_2", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    called = {"type": "function_call", "status": "completed"}
    weather = called | {"id": "fc_3", "call_id": "call_1", "name": "weather", "arguments": "".join(ARGUMENTS)}
    clock = called | {"id": "fc_4", "call_id": "c9", "name": "clock", "arguments": "{}"}
    in_rs = {"item_id": "rs_1", "output_index": 0}
    in_msg = {"item_id": "msg_2", "output_index": 1}
    in_fc, in_clock = {"item_id": "fc_3", "output_index": 2}, {"item_id": "fc_4", "output_index": 3}

    def item(state: str, index: int, value: Any) -> dict[str, Any]:
        return {"type": f"response.output_item.{state}", "output_index": index, "item": value}

    def event(type_: str, place: dict[str, Any], **fields: Any) -> dict[str, Any]:
        return {"type": f"response.{type_}", **place, **fields}

    assert rest == [
        item("added", 0, reasoning | {"summary": []}),
        event("reasoning_summary_part.added", in_rs, summary_index=0, part={"type": "summary_text", "text": ""}),
        event("reasoning_summary_text.delta", in_rs, summary_index=0, delta="Hm"),
        event("reasoning_summary_text.delta", in_rs, summary_index=0, delta="m."),
        event("reasoning_summary_text.done", in_rs, summary_index=0, text="Hmm."),
        event("reasoning_summary_part.done", in_rs, summary_index=0, part=reasoning["summary"][0]),
        item("done", 0, reasoning),
        item("added", 1, message | {"status": "in_progress", "content": []}),
        event("content_part.added", in_msg, content_index=0, part=part | {"text": ""}),
        event("output_text.delta", in_msg, content_index=0, delta="Grüß", logprobs=[]),
        event("output_text.delta", in_msg, content_index=0, delta=" dich", logprobs=[]),
        event("output_text.done", in_msg, content_index=0, text="Grüß dich", logprobs=[]),
        event("content_part.done", in_msg, content_index=0, part=part),
        item("done", 1, message),
        item("added", 2, weather | {"status": "in_progress", "arguments": ""}),
        *(event("function_call_arguments.delta", in_fc, delta=piece) for piece in ARGUMENTS),
        event("function_call_arguments.done", in_fc, name="weather", arguments="".join(ARGUMENTS)),
        item("done", 2, weather),
        item("added", 3, clock | {"status": "in_progress", "arguments": ""}),
        event("function_call_arguments.delta", in_clock, delta="{}"),
        event("function_call_arguments.done", in_clock, name="clock", arguments="{}"),
        item("done", 3, clock),
    ]
    assert completed["type"] == "response.completed"
    assert completed["response"] == created["response"] | {
        "status": "completed",
        "output": [reasoning, message, weather, clock],
        "usage": {
            "input_tokens": 3,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 4,
            "output_tokens_details": {"reasoning_tokens": 2},
            "total_tokens": 7,
        },
    }


@pytest.mark.parametrize(
    ("reason", "status", "details"),
    [
        ("stop", "completed", None),
        ("tool_calls", "completed", None),
        ("length", "incomplete", {"reason": "max_output_tokens"}),
        ("content_filter", "incomplete", {"reason": "content_filter"}),
    ],
)
def test_responses_end_by_their_reason(reason: str, status: str, details: Any) -> None:
    with emulate("a", Finish(reason)) as e:
        *_, end = events(hear(e, RESPONSES))
    assert (end["type"], end["response"]["status"]) == (f"response.{status}", status)
    assert end["response"]["incomplete_details"] == details


@pytest.mark.parametrize("name", ["responses", "anthropic"])
def test_openrouter_ends_everything_with_done(name: str) -> None:
    with emulate("a", script=Script(dialect="openrouter")) as e:
        assert events(hear(e, WIRES[name]))[-1] == "[DONE]"
        e.script = Script()
        assert events(hear(e, WIRES[name]))[-1] != "[DONE]"


# Anthropic


def block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def test_anthropic_is_blocks_and_a_ping() -> None:
    with emulate(*FULL) as e:
        response = ask(e, ANTHROPIC)
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["request-id"] == "req_1"
    start, first, ping, *rest, delta, stop = events(response.body)
    usage = {"input_tokens": 3, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 1}
    empty = {"content": [], "stop_reason": None, "stop_sequence": None}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", **empty, "usage": usage}
    assert start == {"type": "message_start", "message": message}
    assert ping == {"type": "ping"}
    json_deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", *ARGUMENTS)]
    assert [first, *rest] == [
        *block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "Hm"},
            {"type": "thinking_delta", "thinking": "m."},
            {"type": "signature_delta", "signature": "c2lnbmF0dXJl"},
        ),
        *block(
            1,
            {"type": "text", "text": ""},
            {"type": "text_delta", "text": "Grüß"},
            {"type": "text_delta", "text": " dich"},
        ),
        *block(2, {"type": "tool_use", "id": "toolu_3", "name": "weather", "input": {}}, *json_deltas),
        *block(
            3,
            {"type": "tool_use", "id": "c9", "name": "clock", "input": {}},
            {"type": "input_json_delta", "partial_json": ""},
            {"type": "input_json_delta", "partial_json": "{}"},
        ),
    ]
    reason = {"stop_reason": "tool_use", "stop_sequence": None}
    assert delta == {
        "type": "message_delta",
        "delta": reason,
        "usage": {"output_tokens": 4, "output_tokens_details": {"thinking_tokens": 2}},
    }
    assert stop == {"type": "message_stop"}


def test_anthropic_s_bytes_are_padded_with_blanks() -> None:
    with emulate("a") as e:
        blocks = hear(e, ANTHROPIC).split(b"\n\n")
    assert blocks[1:4] == [
        b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
        b'"content_block":{"type":"text","text":""}} ',
        b'event: ping\ndata: {"type":"ping"}',
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
        b'"delta":{"type":"text_delta","text":"a"}}  ',
    ]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("stop", "end_turn"), ("length", "max_tokens"), ("tool_calls", "tool_use"), ("content_filter", "refusal")],
)
def test_anthropic_s_stop_reasons(reason: str, expected: str) -> None:
    with emulate(Finish(reason)) as e:
        start, delta, stop = events(hear(e, ANTHROPIC))
    assert (start["type"], delta["delta"]["stop_reason"], stop["type"]) == ("message_start", expected, "message_stop")


# Gemini


def candidate(part: dict[str, Any], thoughts: int, texts: int, **finish: str) -> dict[str, Any]:
    usage = {"promptTokenCount": 3, "candidatesTokenCount": texts, "totalTokenCount": 3 + texts + thoughts}
    if thoughts:
        usage["thoughtsTokenCount"] = thoughts
    content = {"parts": [part], "role": "model"}
    rest = {"usageMetadata": usage, "modelVersion": "m", "responseId": "resp-1"}
    return {"candidates": [{"content": content, **finish, "index": 0}], **rest}


SIGNED = {"thoughtSignature": "c2lnbmF0dXJl"}
GEMINI_FULL = [
    candidate({"text": "Hm", "thought": True}, 1, 0),
    candidate({"text": "m.", "thought": True}, 2, 0),
    candidate({"text": "Grüß"}, 2, 1),
    candidate({"text": " dich"}, 2, 2),
    candidate({"functionCall": {"name": "weather", "args": {"city": "Oslo"}}, **SIGNED}, 2, 2),
    candidate({"functionCall": {"name": "clock", "args": {}, "id": "c9"}, **SIGNED}, 2, 2),
    candidate({"text": ""}, 2, 2, finishReason="STOP"),
]


def test_gemini_is_whole_parts_in_crlf_events() -> None:
    with emulate(*FULL) as e:
        response = ask(e, GEMINI)
    assert response.headers["content-type"] == "text/event-stream"
    assert response.body.count(b"\n") == response.body.count(b"\r\n") == 2 * len(GEMINI_FULL)
    assert events(response.body.replace(b"\r\n", b"\n")) == GEMINI_FULL


def test_gemini_without_sse_is_one_array() -> None:
    with emulate(*FULL) as e:
        response = ask(e, GEMINI_ARRAY)
        assert response.headers["content-type"] == "application/json; charset=UTF-8"
        assert response.json == GEMINI_FULL
        assert response.body.startswith(b'[{"candidates":')
        assert response.body.endswith(b"}\r\n]")
        assert response.body.count(b"}\r\n,\r\n{") == len(GEMINI_FULL) - 1


def test_a_call_without_thought_is_not_signed() -> None:
    with emulate(ToolCall("", "clock", "{}")) as e:
        assert ask(e, GEMINI_ARRAY).json[0] == candidate({"functionCall": {"name": "clock", "args": {}}}, 0, 0)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("stop", "STOP"),
        ("length", "MAX_TOKENS"),
        ("tool_calls", "STOP"),
        ("content_filter", "SAFETY"),
        ("error", "OTHER"),
    ],
)
def test_gemini_s_finish_reasons(reason: str, expected: str) -> None:
    with emulate("a", Finish(reason)) as e:
        assert ask(e, GEMINI_ARRAY).json[-1]["candidates"][0]["finishReason"] == expected


# Ollama


def lines(body: bytes) -> list[Any]:
    assert body.endswith(b"\n")
    return [json.loads(line) for line in body.splitlines()]


def line(**said: Any) -> dict[str, Any]:
    message = {"role": "assistant", **said}
    return {"model": "m", "created_at": "2023-11-14T22:13:20.123456Z", "message": message, "done": False}


def test_ollama_is_objects_in_lines() -> None:
    with emulate(*FULL) as e:
        response = ask(e, OLLAMA.field(stream=True))
    assert response.headers["content-type"] == "application/x-ndjson"
    *said, end = lines(response.body)
    assert said == [
        line(content="", thinking="Hm"),
        line(content="", thinking="m."),
        line(content="Grüß"),
        line(content=" dich"),
        line(content="", tool_calls=[{"function": {"name": "weather", "arguments": {"city": "Oslo"}}}]),
        line(content="", tool_calls=[{"id": "c9", "function": {"name": "clock", "arguments": {}}}]),
    ]
    assert end == line(content="") | {
        "done": True,
        "done_reason": "stop",
        "total_duration": 3000000,
        "load_duration": 1000000,
        "prompt_eval_count": 3,
        "prompt_eval_duration": 1000000,
        "eval_count": 4,
        "eval_duration": 1000000,
    }


def test_ollama_knows_one_other_reason() -> None:
    with emulate("a", Finish("length")) as e:
        assert lines(hear(e, OLLAMA))[-1]["done_reason"] == "length"


# Cohere


def content(type_: str, index: int, said: dict[str, str]) -> dict[str, Any]:
    return {"type": type_, "index": index, "delta": {"message": {"content": said}}}


def tool_call(type_: str, index: int, said: dict[str, Any]) -> dict[str, Any]:
    return {"type": type_, "index": index, "delta": {"message": {"tool_calls": said}}}


def test_cohere_is_contents_and_tool_calls() -> None:
    with emulate(*FULL) as e:
        response = ask(e, COHERE)
    assert response.headers["content-type"] == "text/event-stream"
    message = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    tokens = {"input_tokens": 3, "output_tokens": 4}

    def begun(id_: str, name: str) -> dict[str, Any]:
        return {"id": id_, "type": "function", "function": {"name": name, "arguments": ""}}

    assert events(response.body) == [
        {"id": "msg-1", "type": "message-start", "delta": {"message": message}},
        content("content-start", 0, {"type": "thinking", "thinking": ""}),
        content("content-delta", 0, {"thinking": "Hm"}),
        content("content-delta", 0, {"thinking": "m."}),
        {"type": "content-end", "index": 0},
        content("content-start", 1, {"type": "text", "text": ""}),
        content("content-delta", 1, {"text": "Grüß"}),
        content("content-delta", 1, {"text": " dich"}),
        {"type": "content-end", "index": 1},
        tool_call("tool-call-start", 0, begun("call_1", "weather")),
        *(tool_call("tool-call-delta", 0, {"function": {"arguments": piece}}) for piece in ARGUMENTS),
        {"type": "tool-call-end", "index": 0},
        tool_call("tool-call-start", 1, begun("c9", "clock")),
        tool_call("tool-call-delta", 1, {"function": {"arguments": "{}"}}),
        {"type": "tool-call-end", "index": 1},
        {
            "type": "message-end",
            "delta": {"finish_reason": "TOOL_CALL", "usage": {"billed_units": tokens, "tokens": tokens}},
        },
    ]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("stop", "COMPLETE"), ("length", "MAX_TOKENS"), ("tool_calls", "TOOL_CALL"), ("error", "ERROR")],
)
def test_cohere_s_finish_reasons(reason: str, expected: str) -> None:
    with emulate("a", Finish(reason)) as e:
        assert events(hear(e, COHERE))[-1]["delta"]["finish_reason"] == expected


# Problems

OPENAI = {
    "authentication": (401, "invalid_request_error", "invalid_api_key"),
    "permission": (403, "request_forbidden", "unsupported_country_region_territory"),
    "not_found": (404, "invalid_request_error", "model_not_found"),
    "rate_limit": (429, "requests", "rate_limit_exceeded"),
    "overloaded": (503, "server_error", None),
    "context_length": (400, "invalid_request_error", "context_length_exceeded"),
    "content_filter": (400, "invalid_request_error", "invalid_prompt"),
    "server": (500, "server_error", None),
}
ANTHROPIC_TYPES = {
    "authentication": (401, "authentication_error"),
    "permission": (403, "permission_error"),
    "not_found": (404, "not_found_error"),
    "rate_limit": (429, "rate_limit_error"),
    "overloaded": (529, "overloaded_error"),
    "context_length": (400, "invalid_request_error"),
    "content_filter": (400, "invalid_request_error"),
    "server": (500, "api_error"),
}
GEMINI_STATUS = {
    "authentication": (400, "INVALID_ARGUMENT"),
    "permission": (403, "PERMISSION_DENIED"),
    "not_found": (404, "NOT_FOUND"),
    "rate_limit": (429, "RESOURCE_EXHAUSTED"),
    "overloaded": (503, "UNAVAILABLE"),
    "context_length": (400, "INVALID_ARGUMENT"),
    "server": (500, "INTERNAL"),
}
STATUS = {
    "ollama": {kind: status for kind, (status, *_) in OPENAI.items()},
    "cohere": {kind: status for kind, (status, *_) in OPENAI.items()},
}


def told(kind: str, wire: Wire, dialect: str | None = None) -> tuple[int, dict[str, str], Any]:
    """The status, the headers and the body of an HTTP error; the reply function has no say."""
    with emulate("never", script=Script(problem=kind, dialect=dialect)) as e:
        response = ask(e, wire)
        assert (last(e).problem, last(e).status) == (None, response.status)
        assert last(e).messages
    assert response.headers["content-type"] == "application/json"
    assert response.headers.get("retry-after") == ("1" if kind == "rate_limit" else None)
    return response.status, response.headers, response.json


@pytest.mark.parametrize("kind", OPENAI)
@pytest.mark.parametrize("wire", [CHAT, RESPONSES], ids=["chat", "responses"])
def test_openai_s_http_errors(kind: str, wire: Wire) -> None:
    status, headers, body = told(kind, wire)
    error = body["error"]
    assert list(body) == ["error"]
    assert (status, error["type"], error["code"]) == OPENAI[kind]
    assert error["param"] == ("messages" if kind == "context_length" else None)
    assert error["message"]
    assert headers["x-request-id"] == "req_1"


@pytest.mark.parametrize("kind", ANTHROPIC_TYPES)
def test_anthropic_s_http_errors(kind: str) -> None:
    status, headers, body = told(kind, ANTHROPIC)
    assert (status, body["error"]["type"]) == ANTHROPIC_TYPES[kind]
    assert (body["type"], body["request_id"], headers["request-id"]) == ("error", "req_1", "req_1")


@pytest.mark.parametrize("kind", GEMINI_STATUS)
def test_gemini_s_http_errors(kind: str) -> None:
    status, _, body = told(kind, GEMINI)
    assert (status, body["error"]["status"]) == GEMINI_STATUS[kind]
    assert body["error"]["code"] == status
    assert ("details" in body["error"]) == (kind in {"authentication", "rate_limit"})
    assert told(kind, GEMINI_ARRAY)[2] == [body]


@pytest.mark.parametrize("kind", OPENAI)
def test_the_http_errors_of_ollama_and_cohere_are_a_message(kind: str) -> None:
    for name, key in (("ollama", "error"), ("cohere", "message")):
        status, _, body = told(kind, WIRES[name])
        assert status == STATUS[name][kind]
        assert list(body) == [key]
        assert isinstance(body[key], str)


def after(name: str, *pieces: Any, dialect: str | None = None) -> list[Any]:
    """What a reply of these pieces says, event by event."""
    with emulate(*pieces, script=Script(dialect=dialect)) as e:
        body = hear(e, WIRES[name])
    return lines(body) if name == "ollama" else events(body.replace(b"\r\n", b"\n"))


@pytest.mark.parametrize("kind", OPENAI)
def test_an_error_ends_the_stream_in_the_vendor_s_form(kind: str) -> None:
    wrong = Problem(kind)
    error = told(kind, CHAT)[2]
    assert after("chat", wrong, "never") == [error]
    _, text, end = after("chat", "a", wrong, "never")
    assert (text["choices"][0]["delta"], end) == ({"content": "a"}, error)

    for pieces in ([wrong], ["a", wrong, "never"]):
        created, *_, event, failed = after("responses", *pieces)
        assert (event["type"], event["error"]) == ("error", error["error"])
        reason = {"code": error["error"]["code"] or error["error"]["type"], "message": error["error"]["message"]}
        assert (failed["type"], failed["response"]["error"]) == ("response.failed", reason)
        assert (created["type"], failed["response"]["status"]) == ("response.created", "failed")

    shown = {"type": "error", "error": told(kind, ANTHROPIC)[2]["error"]}
    assert after("anthropic", wrong) == [shown]
    assert after("anthropic", "a", wrong, "never")[-1] == shown

    shown = told(kind, OLLAMA)[2]
    assert after("ollama", wrong) == [shown]
    assert after("ollama", "a", wrong, "never") == [line(content="a"), shown]

    message = told(kind, COHERE)[2]["message"]
    for pieces in ([wrong], ["a", wrong, "never"]):
        start, *_, end = after("cohere", *pieces)
        assert start["type"] == "message-start"
        assert (end["delta"]["finish_reason"], end["delta"]["error"]) == ("ERROR", message)


@pytest.mark.parametrize("kind", GEMINI_STATUS)
def test_gemini_s_errors_in_the_stream(kind: str) -> None:
    error = told(kind, GEMINI)[2]
    assert after("gemini", Problem(kind)) == [error]
    assert after("gemini", "a", Problem(kind), "never") == [candidate({"text": "a"}, 0, 1), error]
    with emulate("a", Problem(kind)) as e:
        assert ask(e, GEMINI_ARRAY).json == [candidate({"text": "a"}, 0, 1), error]


def test_gemini_blocks_a_prompt_by_feedback_and_a_reply_by_its_finish() -> None:
    usage = {"promptTokenCount": 3, "candidatesTokenCount": 0, "totalTokenCount": 3}
    rest = {"usageMetadata": usage, "modelVersion": "m", "responseId": "resp-1"}
    blocked = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, **rest}
    assert after("gemini", Problem("content_filter")) == [blocked]
    with emulate("never", script=Script(problem="content_filter")) as e:
        response = ask(e, GEMINI)
        assert response.headers["content-type"] == "text/event-stream"
        assert events(response.body.replace(b"\r\n", b"\n")) == [blocked]
        assert ask(e, GEMINI_ARRAY).json == [blocked]
    end = candidate({"text": ""}, 0, 1, finishReason="SAFETY")
    assert after("gemini", "a", Problem("content_filter")) == [candidate({"text": "a"}, 0, 1), end]


@pytest.mark.parametrize(
    ("name", "reason", "kind"),
    [
        ("responses", "error", "server"),
        ("anthropic", "error", "server"),
        ("ollama", "error", "server"),
        ("ollama", "content_filter", "content_filter"),
        ("cohere", "content_filter", "content_filter"),
    ],
)
def test_a_reason_that_a_protocol_does_not_know_is_a_problem(name: str, reason: str, kind: str) -> None:
    assert after(name, "a", Finish(reason)) == after(name, "a", Problem(kind))


# The dialects' errors

FORMS: dict[str, tuple[str, Any]] = {
    "deepseek": ("server", {"error": {"type": "server_error", "code": None, "param": None}}),
    "openrouter": ("rate_limit", {"error": {"code": 429, "metadata": {"provider_name": "Emulator"}}}),
    "vllm": ("context_length", {"error": {"type": "BadRequestError", "code": 400, "param": "messages"}}),
    "groq": ("authentication", {"error": {"type": "invalid_request_error", "code": "invalid_api_key"}}),
    "zai": ("overloaded", {"error": {"code": "1312"}}),
    "llamacpp": ("context_length", {"error": {"code": 400, "type": "exceed_context_size_error"}}),
    "litellm": ("rate_limit", {"error": {"type": "requests", "param": None, "code": "429"}}),
    "mistral": ("server", {"object": "error", "type": "server_error", "param": None, "code": None}),
    "azure": ("rate_limit", {"error": {"code": "429"}}),
}


def without_message(body: dict[str, Any]) -> dict[str, Any]:
    """The error without its text, which has to be there."""
    inner = body.get("error", body)
    assert inner["message"]
    kept = {name: value for name, value in inner.items() if name != "message"}
    return {"error": kept} if "error" in body else kept


@pytest.mark.parametrize("dialect", FORMS)
def test_each_dialect_has_a_form_for_its_errors(dialect: str) -> None:
    kind, form = FORMS[dialect]
    status, headers, body = told(kind, CHAT, dialect)
    assert status == OPENAI[kind][0]
    assert without_message(body) == form
    local = dialect in {"vllm", "llamacpp"}
    assert headers.get("x-request-id") == (None if local or dialect == "openrouter" else "req_1")
    assert headers.get("x-generation-id") == ("gen-1" if dialect == "openrouter" else None)


@pytest.mark.parametrize("dialect", ["huggingface", "transformers"])
def test_an_error_may_be_a_string(dialect: str) -> None:
    assert told("server", CHAT, dialect)[2] == {
        "error": "The server had an error while processing your request. Sorry about that!"
    }
    assert isinstance(after("chat", Problem("server"), dialect=dialect)[-1]["error"], str)


def test_llama_cpp_s_other_errors_have_openai_s_types() -> None:
    assert told("server", CHAT, "llamacpp")[2]["error"]["type"] == "server_error"


def test_azure_s_filter_says_what_it_found() -> None:
    status, _, body = told("content_filter", CHAT, "azure")
    assert (status, body["error"]["code"], body["error"]["status"]) == (400, "content_filter", 400)
    assert body["error"]["innererror"]["code"] == "ResponsibleAIPolicyViolation"
    assert told("not_found", CHAT, "azure")[2]["error"]["code"] == "DeploymentNotFound"
    assert told("context_length", CHAT, "azure")[2]["error"]["code"] == "context_length_exceeded"


@pytest.mark.parametrize("dialect", ["azure", "deepseek", "zai", "llamacpp", "litellm", "mistral", "transformers"])
def test_an_error_is_an_event_and_the_last(dialect: str) -> None:
    end = after("chat", "a", Problem("overloaded"), "never", dialect=dialect)[-1]
    assert end == told("overloaded", CHAT, dialect)[2]


def test_openrouter_s_error_is_in_a_chunk() -> None:
    end = after("chat", "a", Problem("rate_limit"), dialect="openrouter")[-1]
    assert (end["error"]["code"], end["choices"][0]["finish_reason"]) == (429, "error")
    assert end["object"] == "chat.completion.chunk"


def test_vllm_says_done_behind_an_error() -> None:
    error, done = after("chat", Problem("server"), dialect="vllm")
    assert (error["error"]["type"], done) == ("InternalServerError", "[DONE]")


def test_groq_s_error_is_an_event_of_that_name() -> None:
    with emulate(Problem("server"), script=Script(dialect="groq")) as e:
        body = hear(e, CHAT)
    assert body.startswith(b'event: error\ndata: {"error":{')
    (error,) = events(body)
    assert (error["error"]["status_code"], error["error"]["failed_generation"]) == (500, "")


def test_huggingface_names_the_type_beside_the_error() -> None:
    assert after("chat", Problem("overloaded"), dialect="huggingface")[-1]["error_type"] == "overloaded"
    assert after("chat", Problem("server"), dialect="huggingface")[-1]["error_type"] == "generation"


# What the script makes of them


@pytest.mark.parametrize("name", WIRES)
@pytest.mark.parametrize("unterminated", [False, True])
def test_the_last_line_end_can_be_left_out(name: str, unterminated: bool) -> None:
    with emulate("a", "b") as e:
        whole = hear(e, WIRES[name])
        e.script = Script(unterminated=unterminated)
        body = hear(e, WIRES[name])
    end = b"\r\n" if name == "gemini" else b"\n"
    assert whole.endswith(end if name == "ollama" else end + end)
    assert body == (whole.removesuffix(end) if unterminated else whole)


def test_an_empty_body_has_no_last_line_end() -> None:
    from g4flite.testing.script import unterminated

    assert list(unterminated([])) == [b""]


@pytest.mark.parametrize("name", WIRES)
def test_split_and_cut_are_of_the_body_s_bytes(name: str) -> None:
    with emulate(*FULL) as e:
        whole = hear(e, WIRES[name])
        e.script = Script(split=1)
        assert hear(e, WIRES[name]) == whole
        e.script = Script(body="other", status=418)
        response = ask(e, WIRES[name])
        assert (response.status, response.body) == (418, b"other")
        kind = "application/x-ndjson" if name == "ollama" else "text/event-stream"
        assert response.headers["content-type"].startswith(kind)
        e.script = Script(status=502)
        assert ask(e, replace(WIRES[name], data=[])).status == 502
        assert last(e).problem == "body: expected an object"


def test_a_reply_that_fails_is_the_vendor_s_500_or_breaks_off() -> None:
    with emulate(ToolCall("", "f", "{}"), b"no") as e:
        with pytest.raises(Exception, match="IncompleteRead"):
            ask(e, CHAT)
        assert "expected str, Start, Reasoning" in str(last(e).problem)
    for bad in (b"bytes", "\ud83d", Reasoning("\ud83d"), ToolCall("", "\ud83d", "{}")):
        with emulate(bad) as e:
            response = ask(e, ANTHROPIC)
            assert (response.status, response.json["error"]["type"]) == (500, "api_error")
            assert response.json["error"]["message"].startswith("reply function failed: ")
            assert last(e).problem == response.json["error"]["message"]


def test_arguments_that_are_no_json_are_sent_where_they_are_text() -> None:
    with emulate(ToolCall("", "f", '{"a":')) as e:
        assert events(hear(e, CHAT))[2]["choices"][0]["delta"] == fragment(0, '{"a":')
        with pytest.raises(Exception, match="IncompleteRead"):
            ask(e, OLLAMA)
        assert "ToolCall.arguments: expected a JSON object" in str(last(e).problem)


def test_pieces_are_made_when_they_are_sent() -> None:
    made = []

    def reply(_: Any) -> Iterator[str]:
        for number in range(100):
            made.append(number)
            yield "word "

    with emulate() as e:
        e.reply = reply
        e.script = Script(cut=500)
        with pytest.raises(Exception, match="IncompleteRead"):
            ask(e, CHAT)
        assert last(e).finished.is_set()
    assert 0 < len(made) < 10


@pytest.mark.parametrize("make", [lambda: Problem("quota")])
def test_a_piece_of_no_known_kind_is_a_value_error(make: Any) -> None:
    with pytest.raises(ValueError, match="expected one of"):
        make()


@pytest.mark.parametrize("wrong", [{"problem": "quota"}, {"dialect": "klingon"}])
def test_a_script_of_no_known_kind_is_a_value_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected one of"):
        Script(**wrong)


def test_counting_takes_every_message_and_no_image() -> None:
    shown = [{"type": "text", "text": "three more words"}, {"type": "image_url", "image_url": {"url": "data:,x y z"}}]
    messages = [{"role": "system", "content": "one two"}, {"role": "user", "content": shown}]
    with emulate("a") as e:
        usage = events(hear(e, asking(CHAT.field(messages=messages))))[-2]["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (5, 1, 6)


# The retired services


CROMICLE = Wire(
    "/chat",
    {"accept": "*/*", "content-type": "application/json"},
    {
        "message": "Hello, how are you?",
        "token": "abc",
        "hash": "66601f525a6d5e4e39dc2ba1f992938c802ad8425b0fd7525a3c815eeaa8028b",
    },
)


def test_a_retired_service_says_the_text_alone() -> None:
    with emulate(Reasoning("Hm"), "a", Finish("length"), "never") as e:
        assert hear(e, CROMICLE) == b"a"
        assert (last(e).model, last(e).options) == (None, {})


@pytest.mark.parametrize("piece", [ToolCall("", "f", "{}"), Problem("server")])
def test_a_retired_service_knows_neither_calls_nor_problems(piece: Any) -> None:
    with emulate(piece) as e:
        response = ask(e, CROMICLE)
        assert (response.status, response.json["error"]) == (
            500,
            f"reply: expected text of this service, not {piece!r}",
        )
    with emulate("a", piece) as e:
        with pytest.raises(Exception, match="IncompleteRead"):
            ask(e, CROMICLE)
        assert "expected text" in str(last(e).problem)


def test_a_retired_service_refuses_a_scripted_problem() -> None:
    with emulate("a", script=Script(problem="server")) as e:
        response = ask(e, CROMICLE)
        assert (response.status, response.json["error"]) == (
            500,
            "script: expected no problem, which this service cannot tell",
        )


def test_the_models_are_listed() -> None:
    with Emulator(prefix="/sub") as server:
        connection = HTTPConnection(server.host, server.port, timeout=30)
        connection.request("GET", "/sub/v1/models")
        answer = connection.getresponse()
        assert (answer.status, [model["id"] for model in json.load(answer)["data"]]) == (200, ["emulated"])
        assert server.exchanges[-1].service == "models"
        connection.close()
