"""The official clients hold a conversation with tools and thinking, as their documentation says; so does g4flite.

The emulator refuses a turn that comes back otherwise than its service wants it.  What g4flite sends from the same reply
is compared with what the client sends, field by field; `of_chat` and its like name the fields that may differ, and why.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import types

import g4flite
from g4flite import tool_result
from g4flite.testing import Emulator, Finish, Hidden, Reasoning, Script, ToolCall

QUESTION, AGAIN = "What time is it?", "And now?"
SCHEMA = {"type": "object", "properties": {"zone": {"type": "string"}}}
FUNCTION = {"name": "clock", "description": "the time", "parameters": SCHEMA}
KEY = "test-key"


def answer(messages: list[dict[str, Any]]) -> Iterator[Any]:
    yield Reasoning("Let me look.")
    yield Hidden()
    if messages[-1]["role"] == "tool":
        yield "It is nine."
        return
    yield "I look."
    yield ToolCall("", "clock", '{"zone": "UTC"}')
    yield ToolCall("", "clock", '{"zone": "CET"}')


def calls_first(messages: list[dict[str, Any]]) -> Iterator[Any]:
    """Say something behind a call, too."""
    said = list(answer(messages))
    yield from (said[:2] + said[:1:-1] if messages[-1]["role"] != "tool" else said)


def clock(zone: str) -> str:
    return f"9 o'clock {zone}"


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    names = "OPENAI_BASE_URL OPENAI_API_KEY ANTHROPIC_BASE_URL ANTHROPIC_API_KEY ANTHROPIC_AUTH_TOKEN GOOGLE_API_KEY"
    for name in [*names.split(), "GEMINI_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI"]:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def e() -> Iterator[Emulator]:
    with Emulator(answer) as running:
        yield running


# The clients.  Each function asks, sends the results of the tools, and asks again.


def with_chat(e: Emulator, *, stream: bool) -> None:
    """Source: platform.openai.com/docs/guides/function-calling (2026): `messages.append(response_message)`."""
    with openai.OpenAI(base_url=f"{e.url}/v1", api_key=KEY, max_retries=0) as client:
        settings: dict[str, Any] = {"model": "gpt-5.6", "tools": [{"type": "function", "function": FUNCTION}]}

        def ask() -> Any:
            if not stream:
                return client.chat.completions.create(messages=messages, **settings).choices[0].message
            with client.chat.completions.stream(messages=messages, **settings) as events:
                return events.get_final_completion().choices[0].message

        messages: list[Any] = [{"role": "user", "content": QUESTION}]
        said = ask()
        messages.append(said)
        for call in said.tool_calls:
            content = clock(**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": content})
        messages += [ask(), {"role": "user", "content": AGAIN}]
        ask()


def with_responses(e: Emulator, *, stream: bool) -> None:
    """Source: platform.openai.com/docs/guides/function-calling (2026): `input_list += response.output`."""
    with openai.OpenAI(base_url=f"{e.url}/v1", api_key=KEY, max_retries=0) as client:
        settings: dict[str, Any] = {"model": "gpt-5.6", "tools": [{"type": "function", "strict": False, **FUNCTION}]}

        def ask() -> Any:
            if not stream:
                return client.responses.create(input=items, **settings).output
            with client.responses.stream(input=items, **settings) as events:
                return events.get_final_response().output

        items: list[Any] = [{"role": "user", "content": QUESTION}]
        output = ask()
        items += output
        for item in output:
            if item.type == "function_call":
                result = clock(**json.loads(item.arguments))
                items.append({"type": "function_call_output", "call_id": item.call_id, "output": result})
        items += ask()
        items.append({"role": "user", "content": AGAIN})
        ask()


def with_anthropic(e: Emulator, *, stream: bool) -> None:
    """Source: platform.claude.com/docs/en/build-with-claude/extended-thinking (2026): the content goes back whole."""
    with anthropic.Anthropic(base_url=e.url, api_key=KEY, max_retries=0) as client:
        tool = {"name": "clock", "description": "the time", "input_schema": SCHEMA}
        settings: dict[str, Any] = {"model": "claude-opus-5-5", "max_tokens": 8192, "tools": [tool]}

        def ask() -> Any:
            if not stream:
                return client.messages.create(messages=messages, **settings).content
            with client.messages.stream(messages=messages, **settings) as events:
                return events.get_final_message().content

        messages: list[Any] = [{"role": "user", "content": QUESTION}]
        content = ask()
        messages.append({"role": "assistant", "content": content})
        results = [{"type": "tool_result", "tool_use_id": block.id, "content": clock(**block.input)}
                   for block in content if block.type == "tool_use"]  # fmt: skip
        messages.append({"role": "user", "content": results})
        messages += [{"role": "assistant", "content": ask()}, {"role": "user", "content": AGAIN}]
        ask()


def with_gemini(e: Emulator, *, stream: bool) -> None:
    """Source: ai.google.dev/gemini-api/docs/function-calling (2026): `contents.append(response.candidates[0].content)`.

    The parts of a streamed reply are one content here; the client's own `chats` make a content of each chunk
    (googleapis/python-genai#2508), among which a tool call stands behind another content of the model.
    """
    declared = types.FunctionDeclaration(name="clock", description="the time", parameters_json_schema=SCHEMA)
    config = types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=[declared])],
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    with genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=e.url)) as client:

        def results(calls: Any) -> list[Any]:
            return [types.Part(function_response=types.FunctionResponse(
                id=call.id, name=call.name, response={"result": clock(**call.args)})) for call in calls]  # fmt: skip

        def ask() -> Any:
            settings: dict[str, Any] = {"model": "gemini-3-pro", "contents": contents, "config": config}
            if not stream:
                return client.models.generate_content(**settings).candidates[0].content
            chunks = client.models.generate_content_stream(**settings)
            return types.ModelContent([part for chunk in chunks for part in chunk.candidates[0].content.parts])

        contents: list[Any] = [types.UserContent(QUESTION)]
        content = ask()
        calls = [part.function_call for part in content.parts if part.function_call]
        contents += [content, types.UserContent(results(calls))]
        contents += [ask(), types.UserContent(AGAIN)]
        ask()


def with_g4flite(e: Emulator, name: str, model: str, base: str) -> None:
    messages: list[Any] = [{"role": "user", "content": QUESTION}]
    settings: dict[str, Any] = {"model": model, "api_key": KEY, "base_url": e.url + base, "retries": 0,
                                "tools": [{"type": "function", "function": FUNCTION}]}  # fmt: skip
    stream = g4flite.stream(name, messages, **settings)
    stream.text()
    messages.append(stream.message)
    messages += [tool_result(call, clock(**call.parsed)) for call in stream.tool_calls]
    stream = g4flite.stream(name, messages, **settings)
    stream.text()
    assert stream.dropped == ()
    messages += [stream.message, {"role": "user", "content": AGAIN}]
    stream = g4flite.stream(name, messages, **settings)
    stream.text()
    assert stream.dropped == ()


# What they send.  Both forms are brought into one by the functions below, each of which says why the two may differ.


def bodies(e: Emulator) -> list[Any]:
    """Return the bodies of the three requests, and forget them."""
    assert [exchange.problem for exchange in e.exchanges] == [None] * 3
    sent = [json.loads(exchange.body) for exchange in e.exchanges]
    e.exchanges.clear()
    return sent


def without(value: Any, *names: str) -> Any:
    """Return the value without fields of these names, and without fields that are null."""
    if isinstance(value, list):
        return [without(item, *names) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: without(item, *names) for name, item in value.items() if name not in names and item is not None}


def plain(content: Any, kind: str) -> Any:
    """Return a content that is one text as this text."""
    if isinstance(content, list) and len(content) == 1 and content[0].keys() <= {"type", "text", "annotations"}:
        return content[0]["text"] if content[0]["type"] == kind else content
    return content


def of_chat(body: Any) -> Any:
    """The client sends back what a reply says of itself: `annotations`, `refusal`, and a call's `index` in a stream."""
    return without(body["messages"], "annotations", "parsed", "parsed_arguments", "index")


def of_responses(body: Any) -> Any:
    """The client sends `status` and `logprobs` back as they came; the types require the former of messages alone.

    A question is one part or a text, which is the same to the service.
    """
    items = []
    for item in without(body["input"], "logprobs", "parsed", "parsed_arguments"):
        made = {"type": "message", **item}
        if made["type"] != "message":
            made.pop("status", None)
        elif made["role"] == "user":
            made["content"] = plain(made["content"], "input_text")
        items.append(made)
    return items


def of_anthropic(body: Any) -> Any:
    """The client adds a field of its own to each text."""
    return without(body["messages"], "parsed_output")


def of_gemini(body: Any) -> Any:
    """The client sends thoughts back, which the service does not want, and an empty text that says nothing.

    It writes base64 in the other alphabet.  A whole reply has the signature of a text beside the text, and a stream has
    it beside an empty text at the end, which g4flite reads alone.
    """
    contents = []
    for content in body["contents"]:
        parts: list[Any] = []
        for part in content["parts"]:
            if "thoughtSignature" in part:
                part["thoughtSignature"] = part["thoughtSignature"].replace("-", "+").replace("_", "/")
            if part.get("text") == "" and parts and "text" in parts[-1]:
                parts[-1] |= {**part, "text": parts[-1]["text"]}
            elif not part.get("thought") and part != {"text": ""}:
                parts.append(part)
        contents.append({**content, "parts": parts})
    return contents


ROWS: dict[str, tuple[Callable[..., None], Callable[[Any], Any], tuple[str, str, str]]] = {
    "chat": (with_chat, of_chat, ("openai", "gpt-5.6", "/v1")),
    "responses": (with_responses, of_responses, ("openai-responses", "gpt-5.6", "/v1")),
    "anthropic": (with_anthropic, of_anthropic, ("anthropic", "claude-opus-5-5", "")),
    "gemini": (with_gemini, of_gemini, ("gemini", "gemini-3-pro", "")),
}


@pytest.mark.parametrize("reply", [answer, calls_first])
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("name", ROWS)
def test_g4flite_sends_the_turns_back_as_the_official_client_does(
    e: Emulator, name: str, stream: bool, reply: Any
) -> None:
    run, in_one_form, place = ROWS[name]
    e.reply = reply
    e.script = Script(dialect="openai") if name in ("chat", "responses") else Script()
    run(e, stream=stream)
    theirs = bodies(e)
    with_g4flite(e, *place)
    ours = bodies(e)
    for mine, its in zip(ours, theirs, strict=True):
        assert in_one_form(mine) == in_one_form(its)
    # The state is there, byte for byte.
    state = {"responses": "encrypted_content", "anthropic": "signature", "gemini": "thoughtSignature"}.get(name, "id")
    assert json.dumps(ours[1]).count(f'"{state}"') == json.dumps(theirs[1]).count(f'"{state}"') > 0


# What no script of the emulator says: sources, and who has called a tool.


def frames(*given: dict[str, Any]) -> Script:
    body = "".join(f"event: {frame['type']}\ndata: {json.dumps(frame)}\n\n" for frame in given)
    return Script(body=body.encode(), headers={"content-type": "text/event-stream"})


QUOTED = {"type": "web_search_result_location", "cited_text": "2 degrees", "url": "https://w.test", "title": "W",
          "encrypted_index": "EiIx"}  # fmt: skip
SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "oslo"}}
RESULT = {"type": "web_search_result", "url": "https://w.test", "title": "W", "encrypted_content": "RQ=="}
BLOCKS: list[tuple[dict[str, Any], list[dict[str, Any]]]] = [
    ({"type": "thinking", "thinking": "", "signature": ""},
     [{"type": "thinking_delta", "thinking": "Hm."}, {"type": "signature_delta", "signature": "c2ln"}]),
    ({**SEARCH, "input": {}}, [{"type": "input_json_delta", "partial_json": '{"query": "oslo"}'}]),
    ({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [RESULT]}, []),
    ({"type": "text", "text": ""}, [{"type": "text_delta", "text": "So "}]),
    ({"type": "text", "text": "", "citations": []},
     [{"type": "citations_delta", "citation": QUOTED}, {"type": "text_delta", "text": "it is cold"}]),
    ({"type": "text", "text": ""}, [{"type": "text_delta", "text": "."}]),
    ({"type": "tool_use", "id": "toolu_1", "name": "clock", "input": {}, "caller": {"type": "direct"},
      "toolset_name": "times"}, [{"type": "input_json_delta", "partial_json": '{"zone": "UTC"}'}]),
]  # fmt: skip


def claude(blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]]) -> Script:
    return frames(
        {"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "content": [],
                                              "model": "m", "usage": {"input_tokens": 1, "output_tokens": 1}}},
        *(frame for index, (block, deltas) in enumerate(blocks) for frame in (
            {"type": "content_block_start", "index": index, "content_block": block},
            *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
            {"type": "content_block_stop", "index": index})),
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 7}},
        {"type": "message_stop"},
    )  # fmt: skip


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5, 6], [3, 5, 6], [6, 3, 5], [3, 6, 5], [3, 4, 5, 6]])
def test_blocks_citations_and_callers_go_back_as_anthropic_s_client_sends_them(e: Emulator, order: list[int]) -> None:
    cited = claude([BLOCKS[place] for place in order])
    sent: list[Any] = []
    with anthropic.Anthropic(base_url=e.url, api_key=KEY, max_retries=0) as client:
        messages: list[Any] = [{"role": "user", "content": QUESTION}]
        settings: dict[str, Any] = {"model": "claude-opus-4-6", "max_tokens": 8192, "messages": messages}
        e.script = cited
        with client.messages.stream(**settings) as stream:
            messages.append({"role": "assistant", "content": stream.get_final_message().content})
        messages.append(
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "9"}]}
        )
        with client.messages.stream(**settings) as stream:
            stream.get_final_message()
        sent.append(json.loads(e.exchanges[-1].body))
    messages = [{"role": "user", "content": QUESTION}]
    settings = {"model": "claude-opus-4-6", "api_key": KEY, "base_url": e.url, "retries": 0}
    stream = g4flite.stream("anthropic", messages, **settings)
    stream.text()
    messages += [stream.message, tool_result("toolu_1", "9")]
    g4flite.stream("anthropic", messages, **settings).text()
    sent.append(json.loads(e.exchanges[-1].body))
    theirs, ours = map(of_anthropic, sent)
    assert ours == theirs
    called, quoted = order.index(6), order.index(4) if 4 in order else None
    assert ours[1]["content"][called]["caller"] == {"type": "direct"}
    if quoted is not None:
        assert ours[1]["content"][quoted] == {"type": "text", "text": "it is cold", "citations": [QUOTED]}


SOURCES = [{"type": "url_citation", "url": "https://w.test", "title": "W", "start_index": 0, "end_index": 2},
           {"type": "file_citation", "file_id": "file_1", "filename": "a.pdf", "index": 1}]  # fmt: skip
TEXTS = [{"type": "output_text", "text": text, "annotations": [note]} for text, note in zip(
    ("So ", "it is cold."), SOURCES, strict=True)]  # fmt: skip
OUTPUT: list[dict[str, Any]] = [
    {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "EE"},
    {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "oslo"}},
    {"type": "code_interpreter_call", "id": "ci_1", "status": "completed", "code": "1", "container_id": "c",
     "outputs": None},
    {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": TEXTS},
    {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "iVBORw0KGgo="},
    {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "clock", "arguments": "{}",
     "caller": {"type": "direct"}, "namespace": "times"},
]  # fmt: skip
FIRST, SECOND = ({**OUTPUT[3], "id": f"msg_{number}", "phase": "final_answer"} for number in (2, 3))
PLAIN = {**OUTPUT[3], "id": "msg_4", "content": [{"type": "output_text", "text": "Now.", "annotations": []}]}
HEAD = {"id": "resp_1", "object": "response", "created_at": 1, "model": "gpt-5", "tools": [], "tool_choice": "auto",
        "parallel_tool_calls": True}  # fmt: skip


def responses_of(item: dict[str, Any], index: int) -> Iterator[dict[str, Any]]:
    place = {"output_index": index, "item_id": item["id"]}
    texts = item.get("content", ())
    yield {
        "type": "response.output_item.added",
        "output_index": index,
        "item": {**item, **({"content": []} if texts else {})},
    }
    for number, part in enumerate(texts):
        at = {**place, "content_index": number}
        yield {"type": "response.content_part.added", **at, "part": {**part, "text": "", "annotations": []}}
        yield {"type": "response.output_text.delta", **at, "delta": part["text"], "logprobs": []}
        for order, note in enumerate(part["annotations"]):
            yield {"type": "response.output_text.annotation.added", **at, "annotation_index": order, "annotation": note}
        yield {"type": "response.output_text.done", **at, "text": part["text"], "logprobs": []}
        yield {"type": "response.content_part.done", **at, "part": part}
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


@pytest.mark.parametrize(
    "output",
    [OUTPUT, [FIRST, SECOND, OUTPUT[5]], [PLAIN, OUTPUT[5]], [OUTPUT[5], PLAIN], [FIRST, OUTPUT[5], PLAIN, SECOND]],
    ids=["sources", "two messages", "a message", "a call first", "a call between"],
)
def test_sources_and_items_of_tools_go_back_as_openai_s_client_sends_them(
    e: Emulator, output: list[dict[str, Any]]
) -> None:
    given = [
        {"type": "response.created", "response": {**HEAD, "status": "in_progress", "output": []}},
        *(frame for index, item in enumerate(output) for frame in responses_of(item, index)),
        {"type": "response.completed", "response": {**HEAD, "status": "completed", "output": output}},
    ]
    e.script = frames(*({**frame, "sequence_number": number} for number, frame in enumerate(given)))
    sent: list[Any] = []
    with openai.OpenAI(base_url=f"{e.url}/v1", api_key=KEY, max_retries=0) as client:
        items: list[Any] = [{"role": "user", "content": QUESTION}]
        with client.responses.stream(model="gpt-5", input=items) as events:
            items += events.get_final_response().output
        items.append({"type": "function_call_output", "call_id": "call_1", "output": "9"})
        with client.responses.stream(model="gpt-5", input=items) as events:
            events.get_final_response()
        sent.append(json.loads(e.exchanges[-1].body))
    messages = [{"role": "user", "content": QUESTION}]
    settings: dict[str, Any] = {"model": "gpt-5", "api_key": KEY, "base_url": f"{e.url}/v1", "retries": 0}
    stream = g4flite.stream("openai-responses", messages, **settings)
    stream.text()
    messages += [stream.message, tool_result("call_1", "9")]
    g4flite.stream("openai-responses", messages, **settings).text()
    sent.append(json.loads(e.exchanges[-1].body))
    # Of a call alone, the client sends a `status` if there is one.
    theirs, ours = (without(body["input"], "parsed_arguments") for body in sent)
    assert [ours[0]["content"][0]["text"], *ours[1:]] == [QUESTION, *theirs[1:]]
    # The types have fields that may be null, and have to be there.
    nulls = [one["outputs"] for one in json.loads(e.exchanges[-1].body)["input"] if "outputs" in one]
    assert nulls == [None] * output.count(OUTPUT[2])


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_a_long_answer_goes_on_as_google_s_client_asks_for_it(e: Emulator, stream: bool) -> None:
    """The client sends the token by itself, as `g4flite.Conversation` does."""
    if "automatic_continuation" not in types.GenerateContentConfig.model_fields:
        pytest.skip("this version of google-genai knows no continuation")

    def reply(messages: list[dict[str, Any]]) -> list[Any]:
        said = messages[-1]["content"] if messages[-1]["role"] == "assistant" else ""
        return {"": ["It ", Finish("pause")], "It ": ["snows", Finish("pause")], "It snows": ["."]}[said]

    e.reply = reply
    with genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=e.url)) as client:
        settings: dict[str, Any] = {"model": "gemini-3-pro", "contents": [types.UserContent(QUESTION)]}
        if stream:
            said = "".join(chunk.text or "" for chunk in client.models.generate_content_stream(**settings))
        else:
            said = client.models.generate_content(**settings).text or ""
    assert said == "It snows."
    theirs = bodies(e)
    with g4flite.Conversation("gemini", model="gemini-3-pro", api_key=KEY, base_url=e.url) as chat:
        assert chat.say(QUESTION).text() == said
    ours = bodies(e)
    tokens = [[body.pop("continuationToken", "").replace("-", "+").replace("_", "/") for body in sent]
              for sent in (theirs, ours)]  # fmt: skip
    assert tokens[0] == tokens[1]
    assert [body["contents"] for body in theirs] == [body["contents"] for body in ours]
