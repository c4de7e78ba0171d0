"""Chat Completions as OpenAI speaks it: what a request has to say, and what the reply says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from g4flite.testing import Emulator, Finish, Problem, Script, ToolCall, Usage
from tests.open_protocols import (
    ARGUMENTS,
    AZURE,
    CALLED,
    CALLS,
    CHAT,
    COMMON,
    CONVERSATION,
    JSON_SCHEMA,
    KINDS,
    MESSAGES,
    NAMED,
    SAID,
    SPENT,
    TOOL,
    WHOLE,
    Wire,
    after,
    ask,
    asked,
    asking,
    bare,
    chunk,
    emulate,
    events,
    fragment,
    hear,
    hear_whole,
    image,
    last,
    message,
    named,
    refuse,
    text,
    told,
    tool,
    user,
)
from tests.rows import rows

# Requests


TOOLS_REFUSED: list[tuple[Any, str]] = [
    ([{}], "tools: type"),
    ([{"type": "function"}], "tools: function"),
    ([{"type": "function", "function": {}}], "tools: function.name"),
    ("weather", "tools: expected a list"),
]


REFUSED: list[tuple[Wire, str]] = [
    *((CHAT.field(tools=tools), problem) for tools, problem in TOOLS_REFUSED),
    (CHAT.field(**message(role="user")), "messages[0].content: expected"),
    (CHAT.field(**message(role="user", content=None)), "messages[0].content: expected"),
    (CHAT.field(**message(role="user", content=[])), "messages[0].content: expected"),
    (CHAT.field(**message(role="user", content=[{"type": "input_text"}])), "content: type: expected one of text"),
    (CHAT.field(**message(role="user", content=[{"type": "text"}])), "content: text"),
    (CHAT.field(**message(role="user", content=[{"type": "image_url", "image_url": "u"}])), "image_url: expected"),
    (CHAT.field(**message(role="user", content=[{"type": "image_url", "image_url": {}}])), "url: expected"),
    (CHAT.field(**message(role="assistant", content=None)), "messages[0].content: expected"),
    (CHAT.field(**message(role="assistant", content=None, tool_calls=[])), "tool_calls: expected"),
    (CHAT.field(messages=asked(id=1)), "id: expected"),
    (CHAT.field(messages=asked(type="x")), "type: expected"),
    (CHAT.field(messages=asked(function={"name": "f", "arguments": {}})), "arguments: expected a string"),
    (CHAT.field(messages=asked(function={"arguments": "{}"})), "name: expected"),
    (CHAT.field(messages=asked()[:1]), "messages: expected the results of the tool calls 'c'"),
    (CHAT.field(messages=[*asked()[:1], *MESSAGES]), "messages: expected the results of the tool calls 'c'"),
    (CHAT.field(messages=asked()[1:]), "messages: expected a tool call 'c' before its result"),
    (CHAT.field(messages=[tool()]), "tool_call_id: expected"),
    (CHAT.field(max_tokens=0), "max_tokens: expected an integer above 0"),
    (CHAT.field(max_completion_tokens=1.5), "max_completion_tokens: expected"),
    (CHAT.field(stop=[1]), "stop: expected a string or a list of strings"),
    (CHAT.field(seed="1"), "seed: expected an integer"),
    (CHAT.field(tool_choice="any"), "tool_choice: expected none, auto"),
    (CHAT.field(tool_choice=["auto"]), "tool_choice: expected none, auto"),
    (CHAT.field(response_format="json"), "response_format: expected an object"),
    (CHAT.field(stream_options=True), "stream_options: expected an object"),
    (CHAT.field(top_logprobs=2), "top_logprobs: expected logprobs to be true"),
    (CHAT.field(cache_control={"type": "long"}), 'cache_control.type: expected "ephemeral"'),
    (CHAT.field(thinking={"type": "maybe"}), "thinking.type: expected one of enabled"),
    (CHAT.field(reasoning={"max_tokens": 0}), "reasoning.max_tokens: expected an integer above 0"),
]


@rows(("wire", "problem"), REFUSED)
def test_a_wrong_field_is_refused_by_its_name(shared: Emulator, wire: Wire, problem: str) -> None:
    refuse(shared, wire, problem)


def test_null_counts_as_absent(shared: Emulator) -> None:
    hear(shared, CHAT.field(temperature=None, stop=None, tools=None, stream_options=None))
    assert last(shared).options == {}


def test_a_conversation_is_translated_back(shared: Emulator) -> None:
    hear(shared, CHAT.field(messages=CONVERSATION))
    assert last(shared).messages == CONVERSATION


def test_parts_of_text_are_one_text(shared: Emulator) -> None:
    hear(shared, CHAT.field(messages=[user([text("How "), text("are you?")])]))
    assert last(shared).messages == MESSAGES


def test_names_and_the_detail_of_images_are_kept(shared: Emulator) -> None:
    detailed = user([image("https://x/y.png", detail="low"), image(detail="auto")]) | {"name": "Ada"}
    hear(shared, CHAT.field(messages=[{"role": "developer", "content": "Hi"}, detailed]))
    expected = user([image("https://x/y.png", detail="low"), image()]) | {"name": "Ada"}
    assert last(shared).messages == [{"role": "developer", "content": "Hi"}, expected]


OPTIONS: list[tuple[Wire, dict[str, Any]]] = [
    (CHAT.field(**COMMON, seed=1, stop="END"), COMMON | {"seed": 1, "stop": ["END"]}),
    (CHAT.field(max_completion_tokens=8, stop=["a", "b"]), {"max_tokens": 8, "stop": ["a", "b"]}),
    (
        CHAT.field(tools=[TOOL, {"type": "custom"}], tool_choice=NAMED),
        {"tools": [TOOL, {"type": "custom"}], "tool_choice": NAMED},
    ),
    (
        CHAT.field(tools=[TOOL], tool_choice="required", response_format=JSON_SCHEMA),
        {"tools": [TOOL], "tool_choice": "required", "response_format": JSON_SCHEMA},
    ),
    (
        CHAT.field(tools=[TOOL], parallel_tool_calls=False, frequency_penalty=1, presence_penalty=0.5, user="a"),
        {"tools": [TOOL], "parallel_tool_calls": False, "frequency_penalty": 1, "presence_penalty": 0.5, "user": "a"},
    ),
    (CHAT.field(metadata={"a": "b"}, store=True, user_id="a"), {"metadata": {"a": "b"}, "user": "a"}),
    (CHAT.field(logprobs=True), {"logprobs": True}),
    (CHAT.field(logprobs=True, top_logprobs=0, cache_control={"type": "ephemeral"}), {"logprobs": 0, "cache": True}),
    (CHAT.field(logprobs=False, reasoning_effort="low"), {"reasoning_effort": "low"}),
    (CHAT.field(reasoning={"effort": "high"}), {"reasoning_effort": "high"}),
    (CHAT.field(reasoning={"max_tokens": 9}), {"reasoning_effort": 9}),
    (CHAT.field(thinking={"type": "disabled"}), {"reasoning_effort": "none"}),
    (CHAT.field(thinking={"type": "enabled"}), {"reasoning_effort": True}),
    (CHAT.field(chat_template_kwargs={"enable_thinking": False}), {"reasoning_effort": "none"}),
    (CHAT.field(chat_template_kwargs={"enable_thinking": True}), {"reasoning_effort": True}),
]


@rows(("wire", "options"), OPTIONS)
def test_options_have_common_names(shared: Emulator, wire: Wire, options: dict[str, Any]) -> None:
    hear(shared, wire)
    assert last(shared).options == options


def test_azure_s_deployment_is_the_model(shared: Emulator) -> None:
    hear(shared, AZURE)
    assert last(shared).model == "d"
    hear(shared, AZURE.header(api_key=None, authorization="Bearer token"))
    response = ask(shared, replace(AZURE, path=AZURE.path.partition("?")[0]))
    assert (response.status, response.json["error"]["code"]) == (404, "DeploymentNotFound")
    assert "api-version" in response.json["error"]["message"]


# Streams


def test_chat_is_openai_s_chunks_and_done() -> None:
    with emulate(*SAID) as e:
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


@rows("reason", ["stop", "length", "tool_calls", "content_filter", "error"])
def test_chat_s_finish_reason_is_the_one_given(reason: str) -> None:
    with emulate("a", Finish(reason), "b") as e:
        *_, end, done = events(hear(e, CHAT))
        assert (end["choices"][0]["finish_reason"], done) == (reason, "[DONE]")
        e.script = Script(dialect="deepseek")
        *_, end, done = events(hear(e, CHAT))
        assert end["choices"][0]["finish_reason"] == {"error": "insufficient_system_resource"}.get(reason, reason)


@rows("kind", KINDS)
def test_an_error_ends_the_stream(kind: str) -> None:
    error = told(kind, CHAT)[2]
    assert after("chat", Problem(kind), "never") == [error]
    _, text, end = after("chat", "a", Problem(kind), "never")
    assert (text["choices"][0]["delta"], end) == ({"content": "a"}, error)


def test_counting_takes_every_message_and_no_image() -> None:
    shown = [
        {"type": "text", "text": "three more words"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,x y z"}},
    ]
    messages = [{"role": "system", "content": "one two"}, {"role": "user", "content": shown}]
    with emulate("a") as e:
        usage = events(hear(e, asking(CHAT.field(messages=messages))))[-2]["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (5, 1, 6)


def test_arguments_that_are_no_json_are_sent_as_they_are() -> None:
    assert after("chat", ToolCall("", "f", '{"a":'))[2]["choices"][0]["delta"] == fragment(0, '{"a":')


# Whole replies


def test_a_whole_reply_is_one_completion() -> None:
    with emulate(*SAID) as e:
        response = ask(e, WHOLE["chat"])
    assert (response.headers["content-type"], response.headers["x-request-id"]) == ("application/json", "req_1")
    weather, clock = (named(0, "call_1", "weather", "".join(ARGUMENTS)), named(1, "c9", "clock", "{}"))
    message = {
        "role": "assistant",
        "content": "Grüß dich",
        "refusal": None,
        "annotations": [],
        "tool_calls": [{key: value for key, value in one.items() if key != "index"} for one in (weather, clock)],
    }
    assert response.json == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "m",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls"}],
        "usage": SPENT,
        "service_tier": "default",
    }


@rows(("pieces", "content"), [(["a", "b"], "ab"), ([Finish("stop")], ""), (CALLS, None)])
def test_a_message_without_text_has_null_only_beside_tool_calls(pieces: Any, content: str | None) -> None:
    with emulate(*pieces) as e:
        message = hear_whole(e, "chat")["choices"][0]["message"]
    assert message["content"] == content
    assert ("tool_calls" in message) == (pieces is CALLS)


@rows("reason", ["stop", "length", "tool_calls", "content_filter", "error"])
def test_a_whole_reply_has_the_finish_reason_given(reason: Any) -> None:
    with emulate("a", Finish(reason), "b") as e:
        (choice,) = hear_whole(e, "chat")["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("a", reason)


def test_a_whole_reply_has_usage_unasked_and_arguments_as_they_are() -> None:
    with emulate(ToolCall("", "f", '{"a":'), Usage(1, 2, 1)) as e:
        reply = hear_whole(e, "chat")
    assert reply["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == '{"a":'
    assert (reply["usage"]["total_tokens"], reply["usage"]["completion_tokens_details"]["reasoning_tokens"]) == (3, 1)


@rows("kind", KINDS)
@rows("before", [[], ["a"]])
def test_a_problem_is_the_status_of_a_whole_reply(kind: str, before: list[str]) -> None:
    status, headers, body = told(kind, CHAT)
    with emulate(*before, Problem(kind)) as e:
        response = ask(e, WHOLE["chat"])
        assert (last(e).problem, last(e).status) == (None, status)
    assert (response.status, response.json, response.headers) == (status, body, headers)
