"""Each key of a message, a part, an image, a tool call or a tool goes out, or an error names it: for every provider."""

import json
from collections.abc import Callable
from typing import Any

import pytest

import g4flite
from g4flite import providers
from g4flite._core import numbers
from g4flite._core.request import build, make_call
from g4flite.testing import Emulator, Script
from tests.conftest import Driver
from tests.rows import rows, share

HI = {"role": "user", "content": "Hi"}
MARK = "a-value-of-its-own"
PNG = "data:image/png;base64,QUI="
FUNCTION = {"name": "now", "arguments": "{}"}
CALL = {"id": "call_1", "type": "function", "function": FUNCTION}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "noon"}
TOOL = {"type": "function", "function": {"name": "now"}}


def asking(**more: Any) -> list[Any]:
    return [HI, {"role": "assistant", "content": "", "tool_calls": [{**CALL, **more}]}, RESULT]


def part(**more: Any) -> list[Any]:
    return [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b", **more}]}]


def image(url: dict[str, Any], **more: Any) -> list[Any]:
    return [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": PNG, **url}, **more}]}]


def built(provider: g4flite.Provider, messages: list[Any]) -> bytes:
    """Return the body of a request with these messages."""
    call = make_call(provider, messages, model="m", base_url=None, headers=None, options={}, api_key="sk-test-1")
    return build(call).body


@rows("text", ['{"n": %s}' % ("7" * 5000), '{"n": 1e400}', '{"n": "\\ud83d"}'])
@rows("name", ["openai", "openai-responses", "anthropic", "gemini", "ollama", "cohere"])
def test_a_call_with_arguments_that_python_cannot_hold_goes_back(name: str, text: str) -> None:
    body = built(providers.find(name), asking(function={"name": "now", "arguments": text})).decode()
    # (In the text of arguments, the backslash is escaped itself.)
    assert text.removeprefix('{"n": ').strip('}"') in body
    assert numbers.loads(body)


@rows("name", ["anthropic", "gemini", "ollama"])
@rows("text", ["[1]", '{"a": ', '{"a": 1,}', '{"a": NaN}', "null", "a"])
def test_a_call_without_an_object_goes_out_with_an_empty_one_and_is_told(name: str, text: str) -> None:
    spec = providers.find(name)
    messages = asking(function={"name": "now", "arguments": text})
    call = make_call(spec, messages, model="m", base_url=None, headers=None, options={}, api_key="sk-test-1")
    assert call.messages[1]["tool_calls"][0]["function"]["arguments"] == text
    request = build(call)
    assert request.body == built(spec, asking(function={"name": "now", "arguments": "{}"}))
    (told,) = request.dropped
    assert told.startswith("message 2, tool call 1: the arguments are left out, because they are not a JSON object")


@rows("name", ["gemini", "ollama"])
def test_an_error_of_an_image_names_the_message(name: str) -> None:
    with pytest.raises(g4flite.MessagesError, match="message 1, part 1 is an image at a web URL, which this"):
        built(providers.find(name), image({"url": "https://pictures.test/a.png"}))


@rows("text", ['{"a": NaN}', '{"a": 1e400}', '{"a": %s}' % ("7" * 5000), '{"a": "\\ud83d"}'])
@rows("name", ["openai", "openai-responses", "anthropic", "gemini", "ollama", "cohere"])
def test_a_result_with_what_python_or_json_cannot_hold_goes_back(name: str, text: str) -> None:
    messages = asking()
    messages[2] = {**messages[2], "content": text}
    sent = built(providers.find(name), messages).decode()
    assert text.removeprefix('{"a": ').strip('}"') in sent
    numbers.loads_strictly(sent)


def test_results_of_ollama_s_tools_stand_in_the_order_of_their_calls() -> None:
    calls = [{**CALL, "id": f"c{number}"} for number in (1, 2)]
    results = [{"role": "tool", "tool_call_id": f"c{number}", "content": str(number)} for number in (2, 1)]
    turn = [{"role": "assistant", "content": "", "tool_calls": calls}, *results]
    body = json.loads(built(providers.OLLAMA, [HI, *turn, *turn]))
    assert [message["content"] for message in body["messages"]] == ["Hi", "", "1", "2", "", "1", "2"]


def test_a_phase_without_text_is_refused() -> None:
    for calls in ({"tool_calls": [CALL]}, {}):
        answer = {"role": "assistant", "content": "", "phase": "commentary", **calls}
        messages = [HI, answer, *([RESULT] if calls else ()), HI]
        with pytest.raises(g4flite.MessagesError, match="message 2 has 'phase', but no text"):
            built(providers.OPENAI_RESPONSES, messages)


@rows("name", ["anthropic", "gemini"])
def test_a_system_message_behind_an_assistant_s_is_not_moved(name: str) -> None:
    messages = [HI, {"role": "assistant", "content": "a"}, {"role": "system", "content": "b"}]
    with pytest.raises(g4flite.MessagesError, match="the last message is a system message, which this service takes"):
        built(providers.find(name), messages)
    assert built(providers.find(name), [*messages, HI])


# The key that an error names, and the messages and tools that hold it.
CASES: dict[str, tuple[str, list[Any], list[Any]]] = {
    "a user's name": ("name", [{**HI, "name": MARK}], []),
    "an assistant's name": ("name", [HI, {"role": "assistant", "content": "a", "name": MARK}], []),
    "a system message's name": ("name", [{"role": "system", "content": "a", "name": MARK}, HI], []),
    "a tool's name": ("name", [*asking()[:2], {**RESULT, "name": MARK}], []),
    **{f"an answer's {key}": (key, [HI, {"role": "assistant", "content": "a", key: MARK}, HI], [])
       for key in ("reasoning_content", "reasoning", "reasoning_details", "thinking_blocks", "annotations", "refusal",
                   "phase", "prefix", "function_call", "audio", "unheard_of")},
    **{f"a part's {key}": (key, part(**{key: {"type": MARK}}), [])
       for key in ("cache_control", "prompt_cache_breakpoint", "unheard_of")},
    "a system part's cache_control": ("cache_control", [{**part(cache_control={"type": MARK})[0], "role": "system"},
                                                        HI], []),
    "a result's cache_control": ("cache_control", [*asking()[:2], {**RESULT, "content": part(
        cache_control={"type": MARK})[0]["content"]}], []),
    "an image part's cache_control": ("cache_control", image({}, cache_control={"type": MARK}), []),
    "an image's detail": ("detail", image({"detail": MARK}), []),
    "an image's unknown key": ("unheard_of", image({"unheard_of": MARK}), []),
    "a call's extra_content": ("extra_content", asking(extra_content={"google": MARK}), []),
    "a call's unknown key": ("unheard_of", asking(unheard_of=MARK), []),
    "a called function's unknown key": ("unheard_of", asking(function={**FUNCTION, "unheard_of": MARK}), []),
    "a tool's cache_control": ("cache_control", [HI], [{**TOOL, "cache_control": {"type": MARK}}]),
    "a tool's unknown key": ("unheard_of", [HI], [{**TOOL, "unheard_of": MARK}]),
    "a function's strict": ("strict", [HI], [{**TOOL, "function": {"name": "now", "strict": True}}]),
    "a function's unknown key": ("unheard_of", [HI], [{**TOOL, "function": {"name": "now", "unheard_of": MARK}}]),
}  # fmt: skip


def body(name: str, messages: Any, tools: Any = (), extra: Any = None, **options: Any) -> Any:
    """Return the JSON that a call sends."""
    spec = providers.find(name)
    asked = {**options, **({"tools": tools} if tools else {})}
    model = None if spec.models else "m"
    call = make_call(spec, messages, model=model, base_url="http://127.0.0.1", headers=None, options=asked,
                     extra=extra, api_key="k" if "{api_key}" in str(spec.headers) else None)  # fmt: skip
    return json.loads(build(call).body)


def refused(send: Callable[[], Any]) -> str:
    """Return the message of the error that is raised, or "" if the request is built."""
    try:
        send()
    except (g4flite.MessagesError, g4flite.OptionError) as error:
        return str(error)
    return ""


@rows("name", providers.names())
@rows("case", CASES)
def test_a_key_goes_out_or_is_refused_by_name(name: str, case: str) -> None:
    key, messages, tools = CASES[case]
    said = refused(lambda: body(name, messages, tools))
    if said:
        # The founding services take no tools at all.
        known = (repr(key), "a name", "the result of a tool", "tool calls", "an image", "'tools'")
        assert any(word in said for word in (known if name in FOUNDERS else known[:2])), said
        return
    sent = json.dumps(body(name, messages, tools))
    assert (MARK if key != "strict" else '"strict": true') in sent
    # An unknown key is an error of the caller's, whoever is asked.
    assert key not in ("unheard_of", "audio", "function_call")


@rows("name", sorted({*providers.names()} - {"cromicle", "free2gpt", "gprochat", "flowgpt"}))
def test_the_mark_of_a_failed_tool_goes_to_those_alone_who_have_one(name: str) -> None:
    sent = json.dumps(body(name, [*asking()[:2], {**RESULT, "is_error": True}]))
    assert ('"is_error": true' in sent, '"error": "noon"' in sent) == (name == "anthropic", name == "gemini")


FOUNDERS = ("cromicle", "free2gpt", "gprochat", "flowgpt")
# The providers to which a key goes out.
TAKEN = {
    "a part's cache_control": {"anthropic", "openrouter", "llamacpp", "vllm", "lmstudio", "openai-compatible"},
    "a tool's cache_control": {"anthropic", "openrouter", "llamacpp", "vllm", "lmstudio", "openai-compatible"},
    "an answer's reasoning_content": {"deepseek", "moonshot", "zai", "llamacpp", "vllm", "lmstudio",
                                      "openai-compatible"},
    "an answer's reasoning_details": {"openrouter", "llamacpp", "vllm", "lmstudio", "openai-compatible"},
    "a user's name": {*providers.names()} - {"openai-responses", "anthropic", "gemini", "ollama", "cohere", "mistral",
                                             *FOUNDERS},
    "an image's detail": {*providers.names()} - {"anthropic", "gemini", "ollama", *FOUNDERS},
    "a function's strict": {*providers.names()} - {"gemini", "ollama", "cohere", *FOUNDERS},
    "a tool's name": {"mistral", "llamacpp", "vllm", "lmstudio", "openai-compatible"},
    "an answer's prefix": {"deepseek", "mistral", "llamacpp", "vllm", "lmstudio", "openai-compatible"},
    "an answer's phase": {"openai-responses", "llamacpp", "vllm", "lmstudio", "openai-compatible"},
    "an answer's refusal": {"openai", "azure-openai", "openrouter", "llamacpp", "vllm", "lmstudio",
                            "openai-compatible"},
    "an answer's reasoning": {"groq", "openrouter", "llamacpp", "vllm", "lmstudio", "openai-compatible"},
    "an answer's annotations": {"openrouter", "llamacpp", "vllm", "lmstudio", "openai-compatible"},
    "an answer's thinking_blocks": {"llamacpp", "vllm", "lmstudio", "openai-compatible"},
    "a call's extra_content": {"llamacpp", "vllm", "lmstudio", "openai-compatible"},
    "a part's prompt_cache_breakpoint": {"openai", "openai-responses", "openrouter", "llamacpp", "vllm", "lmstudio",
                                         "openai-compatible"},
}  # fmt: skip


# The providers whose payloads differ; the others build theirs as "huggingface" does, or as "vllm".
BUILDERS = ("openai", "openai-responses", "anthropic", "gemini", "ollama", "cohere", "openrouter", "groq", "deepseek",
            "moonshot", "mistral", "perplexity", "azure-openai", "huggingface", "vllm", "llamacpp",
            *FOUNDERS)  # fmt: skip


@pytest.mark.parametrize("name", BUILDERS)
def test_each_row_of_the_table_holds_in_every_driver(name: str, driver: Driver, server: Emulator) -> None:
    # Whatever the server thinks of the keys: it answers, and keeps what it was sent.
    server.script = Script(status=418, body="read")
    key = "k" if "{api_key}" in str(providers.find(name).headers) else None
    model = None if providers.find(name).models else "m"
    for case, (_, messages, tools) in share(CASES.items(), driver):
        options = {"tools": tools} if tools else {}
        said, asked = refused(lambda m=messages, t=tools: body(name, m, t)), server.connections  # type: ignore[misc]
        with pytest.raises((g4flite.StatusError, g4flite.UsageError)) as caught:
            driver.collect(name, messages, model=model, base_url=server.url, api_key=key, **options)
        if said:
            assert str(caught.value) in (said, f"{name}: {said}"), case
            assert server.connections == asked, case
        else:
            assert isinstance(caught.value, g4flite.StatusError), case
            assert json.loads(server.exchanges[-1].body) == body(name, messages, tools), case


@rows("case", TAKEN)
def test_a_key_goes_out_to_the_services_that_take_it(case: str) -> None:
    _, messages, tools = CASES[case]
    sent = {name for name in providers.names() if not refused(lambda name=name: body(name, messages, tools))}  # type: ignore[misc]
    assert sent == TAKEN[case]


def test_anthropic_s_cache_control_stands_on_its_block() -> None:
    mark = {"type": "ephemeral"}
    text, picture = {"type": "text", "text": "a", "cache_control": mark}, image({}, cache_control=mark)[0]["content"][0]
    messages = [{"role": "system", "content": "plain"}, {"role": "system", "content": [text]},
                {"role": "user", "content": [text, picture]}, asking()[1], {**RESULT, "content": [text]}]  # fmt: skip
    sent = body("anthropic", messages, [{**TOOL, "cache_control": mark}])
    assert sent["system"] == [{"type": "text", "text": "plain"}, text]
    assert sent["messages"][0]["content"][0] == text
    assert sent["messages"][0]["content"][1].keys() == {"type", "source", "cache_control"}
    assert sent["messages"][2]["content"][0]["content"] == [text]
    assert sent["tools"][0]["cache_control"] == mark
    with pytest.raises(g4flite.MessagesError, match="message 1 has 'cache_control' on a part without text"):
        body("anthropic", [{"role": "user", "content": [{**text, "text": " "}, {"type": "text", "text": "b"}]}])


def test_the_responses_api_takes_marks_in_inputs_and_results() -> None:
    mark = {"mode": "explicit"}
    messages = [*part(prompt_cache_breakpoint=mark), *asking()[1:2],
                {**RESULT, "content": part(prompt_cache_breakpoint=mark)[0]["content"]}]  # fmt: skip
    said, _, result = body("openai-responses", messages)["input"]
    assert said["content"][1] == {"type": "input_text", "text": "b", "prompt_cache_breakpoint": mark}
    assert result["output"] == said["content"]
