"""The dialects: what each service's chunks, whole replies and errors have of their own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from g4flite.testing import Finish, Problem, Reasoning, Script, ToolCall
from g4flite.testing.dialects import DIALECTS
from tests.open_protocols import (
    ARGUMENTS,
    CALLED,
    CALLS,
    CHAT,
    MARK,
    MESSAGES,
    OPENAI_ERRORS,
    SAID,
    SPENT,
    WHOLE,
    WIRES,
    Wire,
    after,
    ask,
    asking,
    assistant,
    bare,
    calls,
    chunk,
    emulate,
    events,
    hear,
    hear_whole,
    last,
    named,
    refuse,
    text,
    told,
    user,
)
from tests.rows import rows

# Streams


IN_ONE = [calls(named(0, "call_1", "weather", "".join(ARGUMENTS))), calls(named(1, "c9", "clock", "{}"))]


def says(dialect: str, wire: Wire = CHAT, *pieces: Any, usage: bool = True) -> list[Any]:
    with emulate(*(pieces or SAID), script=Script(dialect=dialect)) as e:
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
    deltas = [*(role(reasoning_content=t) for t in ("Hm", "m.")), *(role(**delta) for delta in TEXT), *IN_ONE]
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


def test_an_error_leaves_inline_reasoning_open() -> None:
    *_, thought, error = says("huggingface", CHAT, Reasoning("Hm"), Problem("server"))
    assert thought["choices"][0]["delta"] == {"content": "<think>\nHm"}
    assert set(error) == {"error", "error_type"}


def test_llama_cpp_pings() -> None:
    ping, opening, thought, again, *chunks, end, usage, done = says("llamacpp")
    assert ping == again == ": ping - 2026-08-01 12:00:00.000000+00:00"
    assert [opening, thought, *chunks] == [chunk(d, usage=None) for d in [role(content=None), *OLD, *TEXT, *CALLED]]
    assert end == chunk({}, "tool_calls", usage=None)
    assert (usage, done) == (bare([], usage=SPENT), "[DONE]")


def test_transformers_counts_at_the_finish_and_says_no_done() -> None:
    """Seen of `transformers serve` (November 2026)."""
    *chunks, end = says("transformers", usage=False)
    assert chunks == [bare([{"index": 0, "delta": delta}]) for delta in [role(), *INLINE, *CALLED]]
    assert end == chunk({}, "tool_calls", usage=SPENT)


def test_litellm_counts_in_a_chunk_with_an_empty_choice() -> None:
    *chunks, end, usage, done = says("litellm")
    assert chunks == [chunk(delta, usage=None) for delta in [role(content=""), *OLD, *TEXT, *CALLED]]
    assert end == chunk({}, "tool_calls", usage=None)
    assert (usage, done) == (bare([{"index": 0, "delta": {}}], usage=SPENT), "[DONE]")


def test_mistral_s_content_may_be_a_list() -> None:
    *chunks, end, done = says("mistral", usage=False)
    thoughts = [{"content": [{"type": "thinking", "thinking": [{"type": "text", "text": t}]}]} for t in ("Hm", "m.")]
    texts = [{"content": [{"type": "text", "text": delta["content"]}]} for delta in TEXT]
    assert chunks == [chunk(delta) for delta in [role(content=""), *thoughts, *texts, *IN_ONE]]
    assert (end, done) == (chunk({}, "tool_calls", usage=SPENT), "[DONE]")
    assert says("mistral", CHAT, "Hi", usage=False)[1] == chunk({"content": "Hi"})


@pytest.mark.parametrize("name", ["responses", "anthropic"])
def test_openrouter_ends_everything_with_done(name: str) -> None:
    with emulate("a", script=Script(dialect="openrouter")) as e:
        assert events(hear(e, WIRES[name]))[-1] == "[DONE]"
        e.script = Script()
        assert events(hear(e, WIRES[name]))[-1] != "[DONE]"


@rows("model", ["gemini-3-pro", "models/gemini-3-pro", "gemini-2.5-pro"])
def test_gemini_signs_the_first_call_of_a_reply_to_openai_s_clients(model: str) -> None:
    # The path names the dialect.
    wire = Wire("/v1beta/openai/chat/completions", CHAT.headers, {**CHAT.data, "model": model})
    broken = ToolCall("c1", "clock", "{")
    with emulate(*SAID, broken) as e:
        said = [one["choices"][0]["delta"] for one in events(hear(e, wire))[:-1]]
        whole = json.loads(hear(e, wire.field(stream=False)))["choices"][0]["message"]
    # No reasoning is told, and each call is whole in one delta, without an index.
    assert [one["content"] for one in said if "content" in one] == ["", "Grüß", " dich"]
    streamed = [call for one in said for call in one.get("tool_calls", ())]
    assert [call["function"]["arguments"] for call in streamed] == ["".join(ARGUMENTS), "{}", "{"]
    assert streamed == whole["tool_calls"]
    assert ["index" in call for call in streamed] == [False] * 3
    assert ["extra_content" in call for call in streamed] == [model != "gemini-2.5-pro", False, False]


def test_deepseek_has_a_word_of_its_own_for_an_error() -> None:
    *_, end, done = says("deepseek", CHAT, "a", Finish("error"))
    assert (end["choices"][0]["finish_reason"], done) == ("insufficient_system_resource", "[DONE]")


# Whole replies


IDENTITY = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": "m"}
ASKED = [
    {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}
    for id_, name, arguments in (("call_1", "weather", "".join(ARGUMENTS)), ("c9", "clock", "{}"))
]
DETAILS = [{"type": "reasoning.text", "text": "Hmm.", "format": "unknown", "index": 0}]
THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "Hmm."}]}
# What the reply says besides or instead of the usual, what its choice says, and what its message says.
OWN: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "openai": ({"service_tier": "default"}, {"logprobs": None}, {"refusal": None, "annotations": []}),
    "azure": (
        {"prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}]},
        {"content_filter_results": {}},
        {},
    ),
    "openrouter": (
        {"id": "gen-1", "provider": "Emulator"},
        {"native_finish_reason": "tool_calls"},
        {"reasoning": "Hmm.", "reasoning_details": DETAILS},
    ),
    "deepseek": ({}, {}, {"reasoning_content": "Hmm."}),
    "moonshot": ({}, {}, {"reasoning_content": "Hmm."}),
    "xai": ({}, {}, {"reasoning_content": "Hmm."}),
    "vllm": ({}, {}, {"reasoning": "Hmm."}),
    "groq": ({"x_groq": {"id": "req_1"}}, {}, {"reasoning": "Hmm."}),
    "zai": ({}, {}, {"reasoning_content": "Hmm."}),
    "huggingface": ({}, {}, {"content": "<think>\nHmm.\n</think>\n\nGrüß dich"}),
    "llamacpp": ({}, {}, {"reasoning_content": "Hmm."}),
    "transformers": ({}, {}, {"content": "<think>\nHmm.\n</think>\n\nGrüß dich"}),
    "litellm": ({}, {}, {"reasoning_content": "Hmm."}),
    **dict.fromkeys(("perplexity", "github-models", "fireworks", "google"), ({}, {}, {})),
    "mistral": ({}, {}, {"content": [THOUGHT, {"type": "text", "text": "Grüß dich"}]}),
}


@rows("dialect", DIALECTS)
def test_a_whole_reply_has_what_the_dialect_adds(dialect: str) -> None:
    reply, choice, message = OWN[dialect]
    with emulate(*SAID, script=Script(dialect=dialect)) as e:
        given = hear_whole(e, "chat")
    said = {"role": "assistant", "content": "Grüß dich", "tool_calls": ASKED, **message}
    choices = [{"index": 0, "message": said, "finish_reason": "tool_calls", **choice}]
    assert given == {**IDENTITY, "choices": choices, "usage": SPENT, **reply}


def test_a_whole_reply_without_reasoning_says_nothing_of_it() -> None:
    for dialect, content in (("vllm", "a"), ("mistral", "a"), ("huggingface", "a")):
        with emulate("a", script=Script(dialect=dialect)) as e:
            assert hear_whole(e, "chat")["choices"][0]["message"] == {"role": "assistant", "content": content}


def test_mistral_s_content_is_the_thought_alone_if_no_text_comes_before_a_call() -> None:
    with emulate(Reasoning("Hmm."), *CALLS, script=Script(dialect="mistral")) as e:
        assert hear_whole(e, "chat")["choices"][0]["message"]["content"] == [THOUGHT]


@pytest.mark.parametrize("name", ["responses", "anthropic"])
def test_openrouter_s_whole_replies_of_other_protocols_are_as_usual(name: str) -> None:
    with emulate("a") as e:
        usual = hear_whole(e, name)
        e.script = Script(dialect="openrouter")
        assert hear_whole(e, name) == usual


# Errors


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


@rows("dialect", FORMS)
def test_each_dialect_has_a_form_for_its_errors(dialect: str) -> None:
    kind, form = FORMS[dialect]
    status, headers, body = told(kind, CHAT, dialect)
    assert status == OPENAI_ERRORS[kind][0]
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


@rows("dialect", ["azure", "deepseek", "zai", "llamacpp", "litellm", "mistral", "transformers"])
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


def test_mistral_s_refusal_is_a_422() -> None:
    with emulate(script=Script(dialect="mistral")) as e:
        response = ask(e, CHAT.field(temperature="x"))
    assert response.status == 422
    (detail,) = response.json["detail"]
    assert (detail["loc"], detail["msg"]) == (["body", "temperature"], "temperature: expected a number of 0 or more")


@rows("dialect", DIALECTS)
@rows("wire", [WHOLE["chat"], WHOLE["responses"]])
def test_a_problem_is_the_status_of_a_whole_reply(dialect: str, wire: Wire) -> None:
    with emulate("a", Problem("rate_limit"), script=Script(dialect=dialect)) as e:
        response = ask(e, wire)
    assert (response.status, response.headers, response.json) == told("rate_limit", wire, dialect)


@rows(
    ("model", "details"),
    [
        ("m", [{"type": "reasoning.text", "text": "Hmm.", "format": "unknown", "index": 0}]),
        (
            "anthropic/claude-sonnet-4.5",
            [
                {
                    "type": "reasoning.text",
                    "text": "Hmm.",
                    "format": "anthropic-claude-v1",
                    "index": 0,
                    "signature": MARK,
                }
            ],
        ),
        (
            "openai/gpt-5",
            [
                {"type": "reasoning.summary", "summary": "Hmm.", "format": "openai-responses-v1", "index": 0},
                {
                    "type": "reasoning.encrypted",
                    "data": MARK,
                    "id": "rs_1",
                    "format": "openai-responses-v1",
                    "index": 1,
                },
            ],
        ),
    ],
)
def test_openrouter_signs_reasoning_in_the_format_of_the_model_s_family(model: str, details: list[Any]) -> None:
    with emulate(Reasoning("Hmm."), "a", script=Script(dialect="openrouter")) as e:
        whole = ask(e, CHAT.field(model=model, stream=False)).json
        streamed = [event for event in events(hear(e, CHAT.field(model=model))) if isinstance(event, dict)]
    assert whole["choices"][0]["message"]["reasoning_details"] == details
    pieces = [piece for event in streamed for choice in event["choices"]
              for piece in choice["delta"].get("reasoning_details", ())]  # fmt: skip
    joined = dict[Any, Any]()
    for piece in pieces:
        joined.setdefault((piece["type"], piece["index"]), {}).update(piece)
    assert [*joined.values()] == details


def test_mistral_takes_thinking_back_and_the_other_dialects_do_not() -> None:
    thinking = {"type": "thinking", "thinking": [text("Hmm.")]}
    wire = CHAT.field(messages=[*MESSAGES, assistant([thinking, text("a")]), user("And?")])
    with emulate("b", script=Script(dialect="mistral")) as e:
        hear(e, wire)
        assert last(e).messages[1] == assistant("a")
        e.script = Script(dialect="openai")
        refuse(e, wire, "messages[1].content: type: expected one of text, image_url")
