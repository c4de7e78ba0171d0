"""What services are known to refuse does not reach them: it is mended, or refused before any socket.

The emulator refuses what the services refuse, so a conversation that it answers is one that they take.
"""

import contextlib
import json
from typing import Any

import pytest

import g4flite
from g4flite import providers
from g4flite.testing import Emulator, Script
from tests.conftest import Driver
from tests.no_socket import Wire
from tests.providers.test_all import DIALECTS, HABITS, PROTOCOLS, TOOLS, settings
from tests.providers.test_all_outgoing import body
from tests.rows import rows, share

HI = {"role": "user", "content": "Hi"}
SYSTEM = {"role": "system", "content": "Be brief."}
PNG = "iVBORw0KGgo="
ALL = {*PROTOCOLS, *DIALECTS}
OPENAI = {"openai", "openai-responses", "azure-openai"}
NOBODY: set[str] = set()
# These take system messages at the beginning alone.
LATE = {"vllm", "perplexity"}
# Those that borrow vLLM's habits in the emulator; they are not known to refuse such messages.
LENIENT = {name for name, habits in HABITS.items() if habits == "vllm" != name}


def said(content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content}


def asking(*ids: str, content: str = "", name: str = "now") -> dict[str, Any]:
    function = {"name": name, "arguments": "{}"}
    return {**said(content), "tool_calls": [{"id": one, "type": "function", "function": function} for one in ids]}


def answer(one: str, content: str = "noon") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": one, "content": content}


def picture(media: str, *texts: str) -> dict[str, Any]:
    image = {"type": "image_url", "image_url": {"url": f"data:{media};base64,{PNG}"}}
    return {"role": "user", "content": [image, *({"type": "text", "text": text} for text in texts)]}


# The messages, and the providers to which they are not sent; all others answer.
CASES: dict[str, tuple[list[Any], set[str]]] = {
    "a developer": ([{"role": "developer", "content": "Be brief."}, HI], NOBODY),
    "several system messages": ([SYSTEM, {"role": "developer", "content": "b"}, SYSTEM, HI], NOBODY),
    "a blank system message": ([{"role": "system", "content": " "}, HI], NOBODY),
    "system messages alone": ([SYSTEM], {"anthropic", "gemini", "mistral"}),
    "a system message at the end": ([HI, SYSTEM], {"mistral", *LATE}),
    "a system message behind an answer": ([HI, said("a"), SYSTEM, HI], LATE),
    "a system message behind one with a name": ([{**SYSTEM, "name": "a"}, SYSTEM, HI],
                                                {"openai-responses", "anthropic", "gemini", "ollama", "cohere",
                                                 "mistral", *LATE}),
    "an empty answer to go on with": ([HI, {**said(""), "prefix": True}],
                                      ALL - {"mistral", "deepseek", "llamacpp", "vllm", "lmstudio",
                                             "openai-compatible"}),
    "an answer and a call at the beginning": ([said("Hello"), asking("a"), answer("a"), HI], NOBODY),
    "answers before a call": ([HI, said("a"), said("b"), asking("a"), answer("a"), HI], NOBODY),
    "users with images in a row": ([picture("image/png", "?"), HI, said("a"), HI, picture("image/png", "?")], NOBODY),
    "users of one name in a row": ([{**HI, "name": "ann"}, {**HI, "name": "bob"}],
                                   {"openai-responses", "anthropic", "gemini", "ollama", "cohere", "mistral",
                                    "perplexity"}),
    "a tool of another name in the history": ([HI, asking("a", name="my tool!"), answer("a")],
                                              OPENAI | {"anthropic"}),
    "a tool of a long name in the history": ([HI, asking("a", name="x" * 65), answer("a")], OPENAI),
    "an empty reasoning_content": ([HI, {**asking("a"), "reasoning_content": ""}, answer("a")], NOBODY),
    "an empty answer": ([HI, said(""), HI], NOBODY),
    "an empty answer at the end": ([HI, said("")], NOBODY),
    "an empty text beside a call": ([HI, asking("abcdefgh1", content=""), answer("abcdefgh1")], NOBODY),
    "a blank answer": ([HI, said("\n\n"), HI], NOBODY),
    "blank text beside a call": ([HI, asking("abcdefgh1", content="\n\n"), answer("abcdefgh1")], NOBODY),
    "an empty result": ([HI, asking("abcdefgh1"), answer("abcdefgh1", "")], NOBODY),
    "a blank result": ([HI, asking("abcdefgh1"), answer("abcdefgh1", " ")], NOBODY),
    "an empty user's message": ([HI, said("a"), {"role": "user", "content": ""}], {"anthropic"}),
    "a blank user's message": ([HI, said("a"), {"role": "user", "content": " \n"}], {"anthropic"}),
    "an empty caption": ([picture("image/png", "")], NOBODY),
    "a blank caption": ([picture("image/png", " ", "What is this?")], NOBODY),
    "an image/jpg": ([picture("image/jpg", "?")], NOBODY),
    "an Image/JPG with a parameter": ([picture("Image/JPG;charset=x", "?")], NOBODY),
    "an image of another type": ([picture("image/svg+xml", "?")], OPENAI | {"anthropic"}),
    "a user's name": ([{**HI, "name": "ann"}],
                      {"openai-responses", "anthropic", "gemini", "ollama", "cohere", "mistral"}),
    "a long id": ([HI, asking("c" * 100), answer("c" * 100)], NOBODY),
    "an id of other characters": ([HI, asking("functions.now:0"), answer("functions.now:0")], NOBODY),
    "an id in two turns": ([HI, asking("c0"), answer("c0"), said("a"), HI, asking("c0"), answer("c0")], NOBODY),
    "one id for two calls": ([HI, asking("c0", "c0"), answer("c0"), answer("c0", "one")], NOBODY),
    "results in another order": ([HI, asking("a", "b"), answer("b"), answer("a")], NOBODY),
    "a call without its result": ([HI, asking("a"), HI], ALL),
    "a call without its result at the end": ([HI, asking("a")], ALL),
    "a result without its call": ([HI, asking("a"), answer("a"), HI, answer("a")], ALL),
    "a result too many": ([HI, asking("a"), answer("a"), answer("a")], ALL),
    "a result behind another message": ([HI, asking("a"), HI, answer("a")], ALL),
    "a user right behind a result": ([HI, asking("a"), answer("a"), HI], NOBODY),
    "users in a row": ([HI, HI], NOBODY),
    "answers in a row": ([HI, said("a"), said("b"), HI], NOBODY),
    "an answer at the end": ([HI, said("Once")], NOBODY),
    "an answer with blanks at the end": ([HI, said("Once \n")], NOBODY),
    "a call at the beginning": ([asking("a"), answer("a")], NOBODY),
}  # fmt: skip


@pytest.mark.parametrize("name", PROTOCOLS + DIALECTS)
def test_what_is_sent_is_not_refused(name: str, driver: Driver, server: Emulator) -> None:
    server.reply = lambda messages: "Hello"
    call = settings(name, server)
    server.script = Script(dialect=HABITS.get(name, "openai" if name == "openai" else None))
    with driver.one_client(transport=Wire(server)) as client:
        for case, (messages, refused) in share(CASES.items(), driver):
            before = len(server.exchanges)
            if name in LENIENT and refused >= LATE:
                server.script = Script(dialect="litellm")
            if name in refused:
                with pytest.raises(g4flite.MessagesError) as caught:
                    driver.collect(name, messages, tools=TOOLS, client=client, **call)
                assert str(caught.value).startswith(f"{name}: "), case
                assert any(word in str(caught.value) for word in ("message", "system")), case
                assert len(server.exchanges) == before, case
            else:
                assert "".join(driver.collect(name, messages, tools=TOOLS, client=client, **call)) == "Hello", case
                assert server.exchanges[-1].problem is None, case


@rows("name", PROTOCOLS + DIALECTS)
def test_a_tool_choice_without_tools_is_left_out_or_refused(name: str, server: Emulator) -> None:
    server.reply = lambda messages: "Hello"
    call = settings(name, server)
    server.script = Script(dialect=HABITS.get(name, "openai" if name == "openai" else None))
    if "tool_choice" not in providers.find(name).options:
        return
    for choice in ("auto", "none"):
        g4flite.stream(name, "Hi", tool_choice=choice, **call).text()
        assert "tool" not in server.exchanges[-1].body.decode()
    for demand in ("required", {"type": "function", "function": {"name": "now"}}):
        with pytest.raises(g4flite.OptionError, match=f"^{name}: tool_choice= (demands a tool|cannot name one tool)"):
            g4flite.stream(name, "Hi", tool_choice=demand, **call)
    # The tools may be in extra=, where this module cannot read them.
    assert "required" in json.dumps(body("openai", [HI], extra={"tools": [{}]}, tool_choice="required"))


JSON_SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}
# What models refuse: the provider, the models that refuse it, the models that take it, the options, and the option that
# the error names.
TABLE: list[tuple[str, str, str, dict[str, Any], str]] = [
    ("openai openai-responses", "o1 o1-preview o3-mini o4-mini-2025-04-16 gpt-5 gpt-5-mini gpt-5-nano-2025-08-07",
     "gpt-4o gpt-5.2 gpt-5-chat-latest m", {"temperature": 0.2}, "temperature=0.2"),
    ("openai openai-responses", "gpt-5.2-pro gpt-5.4-pro-2026-03-05 gpt-5.1-codex-max gpt-5.2-chat-latest gpt-6-astra "
     "gpt-5.5 gpt-5.6-sol", "gpt-5.1 gpt-5.3-codex gpt-5.4-mini gpt-5.10", {"temperature": 0.2}, "temperature=0.2"),
    ("openai", "gpt-5.1 gpt-5.2-2025-12-11 gpt-5.4-mini gpt-5.5", "gpt-5.10 m",
     {"temperature": 0.2, "reasoning_effort": "high"}, "temperature=0.2"),
    *(("openai", "gpt-5.4", "m", {option: value, "reasoning_effort": "low"}, f"{option}={value}")
      for option, value in (("top_p", 0.5), ("frequency_penalty", 0.5), ("presence_penalty", 0), ("logprobs", 2))),
    ("github-models", "openai/o3-mini openai/gpt-5", "openai/gpt-4o openai/gpt-5-chat o3-mini m",
     {"temperature": 0.2}, "temperature=0.2"),
    ("anthropic", "claude-opus-4-7 claude-opus-4-7-20260416 claude-sonnet-5 claude-opus-5-5 claude-fable-5-1",
     "claude-opus-4-6 claude-opus-4-20250514 claude-3-7-sonnet-latest claude-haiku-4-5-20251001 m",
     {"temperature": 0.5}, "temperature=0.5"),
    ("anthropic", "claude-opus-4-8 claude-haiku-5", "claude-sonnet-4-6 m", {"top_p": 0.5}, "top_p=0.5"),
    ("anthropic", "claude-opus-4-1-20250805 claude-haiku-4-5 claude-sonnet-4-6",
     "claude-opus-4-20250514 claude-sonnet-4-0 claude-3-5-haiku-latest m", {"temperature": 0, "top_p": 0},
     "temperature=0 together with top_p="),
    ("anthropic", "claude-opus-4-6 m", "", {"tool_choice": "required", "extra": {"thinking": {"type": "enabled"}}},
     "tool_choice='required'"),
    ("anthropic", "claude-fable-5-1 claude-mythos claude-opus-5-5 claude-sonnet-5-5-20260922", "claude-opus-5 m",
     {"tool_choice": "required"}, "tool_choice='required'"),
    ("openai openai-responses", "o1 o3-mini gpt-5 gpt-5-mini", "gpt-4o gpt-5.2 m", {"top_p": 0.5}, "top_p=0.5"),
    ("openai", "o1 o3-mini gpt-5 gpt-5-mini", "gpt-4o gpt-5.2 m", {"stop": ["a"]}, "stop=['a']"),
    ("moonshot", "kimi-k2.5 kimi-k2.6 kimi-k3", "kimi-k2-turbo-preview kimi-latest m", {"temperature": 0.3},
     "temperature=0.3"),
    ("xai", "grok-4 grok-4-0709 grok-3-mini grok-code-fast-1", "grok-3 grok-4-fast-non-reasoning m", {"stop": "a"},
     "stop='a'"),
    ("groq", "llama-3.3-70b-versatile m", "", {"response_format": {"type": "json_object"}},
     "response_format='json_object' together with tools="),
    ("groq", "openai/gpt-oss-120b m", "", {"response_format": JSON_SCHEMA, "tools": []},
     "response_format='json_schema'"),
    ("gemini", "gemini-2.5-pro gemini-2.0-flash gemini-1.5-pro", "gemini-3-pro m",
     {"response_format": {"type": "json_object"}}, "response_format='json_object' together with tools="),
    ("anthropic", "m", "", {"temperature": 0.5, "extra": {"thinking": {"type": "enabled"}}}, "temperature=0.5"),
    ("deepseek", "deepseek-reasoner deepseek-v4-pro", "deepseek-chat m", {"tool_choice": "required"},
     "tool_choice='required'"),
    ("deepseek", "deepseek-v4", "deepseek-chat", {"tool_choice": {"type": "function", "function": {"name": "now"}}},
     "tool_choice='function'"),
    ("deepseek", "deepseek-chat m", "",
     {"response_format": JSON_SCHEMA}, "response_format='json_schema'"),
    ("moonshot", "kimi-k2 kimi-k2.6", "kimi-k3 moonshot-v1-8k m", {"tool_choice": "required"},
     "tool_choice='required'"),
    ("moonshot", "kimi-k2.6 kimi-k3", "m", {"tool_choice": {"type": "function", "function": {"name": "now"}}},
     "tool_choice='function'"),
    *(("openai", "o3 gpt-5-mini", "gpt-5.1 gpt-4o m", {option: value}, f"{option}={value}") for option, value in (
        ("frequency_penalty", 0.5), ("presence_penalty", 0), ("logprobs", True))),
    ("cohere", "command-a m", "", {"response_format": {"type": "json_object"}},
     "response_format='json_object' together with tools="),
]  # fmt: skip
# What the same models take.
TAKEN: list[tuple[str, str, dict[str, Any]]] = [
    ("openai", "o3-mini", {"temperature": 1, "top_p": 1, "max_tokens": 5}),
    ("github-models", "openai/o3-mini", {"temperature": 1, "max_tokens": 5}),
    ("github-models", "openai/gpt-4o", {"temperature": 0, "max_tokens": 5}),
    *(
        (
            "openai",
            model,
            {"temperature": 0.2, "top_p": 0.5, "presence_penalty": 1, "logprobs": True, "reasoning_effort": "none"},
        )
        for model in ("gpt-5.1", "gpt-5.4-mini", "gpt-5.5", "gpt-5.6")
    ),
    ("openai", "gpt-5.5", {"temperature": 1, "logprobs": False}),
    ("openai-responses", "gpt-5.5", {"temperature": 0.2, "reasoning_effort": "none"}),
    ("openai", "m", {"response_format": {"type": "json_object"}}),
    ("openai-responses", "m", {"response_format": {"type": "json_object"}}),
    ("azure-openai", "m", {"response_format": {"type": "json_object"}}),
    ("groq", "m", {"response_format": {"type": "json_object"}, "tools": ()}),
    ("moonshot", "kimi-k2.6", {"temperature": 1}),
    ("anthropic", "claude-opus-5-5", {"temperature": 1, "tool_choice": "auto"}),
    ("anthropic", "claude-opus-4-5", {"temperature": 0.5, "tool_choice": "required"}),
    ("anthropic", "m", {"tool_choice": "required", "temperature": 0.5, "extra": {"thinking": {"type": "disabled"}}}),
    ("deepseek", "deepseek-v4", {"tool_choice": "required", "extra": {"thinking": {"type": "disabled"}}}),
    ("deepseek", "deepseek-reasoner", {"tool_choice": "auto", "response_format": {"type": "json_object"}}),
    ("moonshot", "kimi-k2.6", {"tool_choice": "required", "extra": {"thinking": {"type": "disabled"}}}),
    ("cohere", "m", {"response_format": {"type": "text"}}),
]


@pytest.mark.parametrize(
    "name",
    "openai openai-responses azure-openai anthropic gemini deepseek moonshot groq xai cohere github-models".split(),
)
def test_what_a_model_refuses_is_refused_by_name(name: str, driver: Driver, server: Emulator) -> None:
    server.reply = lambda messages: "Hello"
    call = settings(name, server) | {"tools": TOOLS}
    server.script = Script(dialect=HABITS.get(name, "openai" if name == "openai" else None))
    for _, refusing, taking, options, said_ in share([row for row in TABLE if name in row[0].split()], driver):
        for model in refusing.split():
            before = server.connections
            with pytest.raises(g4flite.OptionError) as caught:
                driver.collect(name, "Hi", **call | {"model": model} | options)
            assert str(caught.value).startswith(f"{name}: {said_}"), model
            assert f"is refused by the model {model!r}" in str(caught.value)
            assert server.connections == before
            # The service would refuse it: what extra= says goes out.
            asked = options | {"extra": {"thinking": {"type": "x"}, **options.get("extra", {})}}
            assert refused_by_the_service(name, server, model, asked), (model, options)
        for model in taking.split():
            assert "".join(driver.collect(name, "Hi", **call | {"model": model}, **options)) == "Hello", model
    for _, model, options in share([row for row in TAKEN if row[0] == name], driver):
        asked = call | {"model": model} | options
        assert "".join(driver.collect(name, "Hi, in JSON", **asked)) == "Hello", (model, options)


@rows("name", ["openai", "openai-responses", "anthropic", "gemini", "cohere", "mistral", "groq"], shared=True)
@rows("option", ["temperature", "top_p", "max_tokens"])
def test_an_option_below_zero_is_refused(name: str, option: str, driver: Driver, server: Emulator) -> None:
    server.reply = lambda messages: "Hello"
    call, before = settings(name, server), server.connections
    with pytest.raises(g4flite.OptionError, match=f"^{name}: {option}=-1 is below zero"):
        driver.collect(name, "Hi", **call, **{option: -1})
    assert server.connections == before
    names = {
        "openai": {"max_tokens": "max_completion_tokens"}, "openai-responses": {"max_tokens": "max_output_tokens"},
        "gemini": {"top_p": "topP", "max_tokens": "maxOutputTokens"}, "cohere": {"top_p": "p"},
    }  # fmt: skip
    wire: dict[str, Any] = {names.get(name, {}).get(option, option): -1}
    with pytest.raises(g4flite.StatusError) as caught:
        driver.collect(name, "Hi", **call, extra={"generationConfig": wire} if name == "gemini" else wire)
    assert caught.value.status in (400, 422)
    assert driver.collect(name, "Hi", **call, **({option: 0} if option != "max_tokens" else {}))


def test_a_server_of_one_s_own_may_take_options_below_zero() -> None:
    for name in ("llamacpp", "lmstudio", "vllm", "openai-compatible", "ollama"):
        sent = body(name, [HI], max_tokens=-1)
        assert (sent["options"]["num_predict"] if name == "ollama" else sent["max_tokens"]) == -1, name


def refused_by_the_service(name: str, server: Emulator, model: str, options: dict[str, Any]) -> bool:
    """Return whether the emulator answers 400 to a request that goes around the rules, in `extra=`."""
    given = dict(options)
    extra = given.pop("extra", {})
    names = {
        "openai-responses": {},
        "anthropic": {"tool_choice": {"type": "any"}},
        "cohere": {"tool_choice": "REQUIRED"},
    }
    tools = given.pop("tools", TOOLS)
    if name == "gemini":
        given = {"generationConfig": {"responseMimeType": "application/json"}}
    wire = {key: names.get(name, {}).get(key, value) for key, value in given.items()}
    thinking = extra.get("thinking", {})
    sent = wire if thinking.get("type") == "x" else wire | {"thinking": thinking}
    with pytest.raises(g4flite.StatusError) as caught:
        g4flite.stream(name, "Hi", **settings(name, server) | {"model": model}, tools=tools, extra=sent).text()
    return caught.value.status == 400


# The type of `thinking`, the models that refuse it, and those that take it.
THINKING = [
    ("enabled", "claude-opus-4-7 anthropic/claude-opus-4.8 claude-sonnet-5 claude-opus-5-5 claude-fable-5-1",
     "claude-opus-4-6 claude-sonnet-4-5 claude-3-7-sonnet-latest m"),
    ("disabled", "claude-opus-5-5 claude-sonnet-5-5 claude-fable-5 claude-fable-5-1 claude-mythos",
     "claude-opus-5 claude-opus-4-7 claude-haiku-4-5 m"),
    ("adaptive", "claude-opus-4-5 claude-haiku-4-5-20251001 claude-opus-4-20250514 claude-sonnet-4@20250514 "
     "claude-3-7-sonnet-latest anthropic.claude-sonnet-4-0",
     "claude-opus-4-6 claude-opus-4-10 claude-sonnet-5 claude-fable-5-1 m"),
    ("between_tools", "", "claude-sonnet-5-5 claude-opus-4-5 m"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "refusing", "taking"), THINKING)
def test_a_type_of_thinking_that_a_claude_refuses_is_refused(
    kind: str, refusing: str, taking: str, driver: Driver, server: Emulator
) -> None:
    budget = {"budget_tokens": 2000} if kind == "enabled" else {}
    call = settings("anthropic", server) | {"extra": {"thinking": {"type": kind, **budget}}}
    for model in refusing.split():
        with pytest.raises(g4flite.OptionError, match=f"^anthropic: thinking='{kind}' is refused by the model '"):
            driver.collect("anthropic", "Hi", **call | {"model": model})
    assert server.connections == 0
    for model in taking.split():
        assert "".join(driver.collect("anthropic", "Hi", **call | {"model": model})) == "You said: Hi"


@pytest.mark.parametrize("name", ["openai", "openai-responses", "azure-openai", "deepseek", "groq"])
def test_json_that_no_message_asks_for_is_refused(name: str, driver: Driver, server: Emulator) -> None:
    call = settings(name, server) | {"response_format": {"type": "json_object"}}
    server.script = Script(dialect=HABITS.get(name, "openai"))
    with pytest.raises(g4flite.OptionError) as caught:
        driver.collect(name, [SYSTEM, HI], **call)
    assert str(caught.value) == (
        f"{name}: response_format='json_object' is refused unless a message has the word 'json'; say in a message that "
        "the answer is to be JSON"
    )
    assert server.connections == 0
    for said_ in ({**SYSTEM, "content": "Use JSON."}, {**HI, "content": [{"type": "text", "text": "Json?"}]}):
        assert "".join(driver.collect(name, [said_, HI], **call)) == "{}"
    # The service refuses it in its own words.
    wire = {"text": {"format": {"type": "json_object"}}} if name == "openai-responses" else call.copy()
    plain = settings(name, server) | {"extra": {key: wire[key] for key in wire if key in ("text", "response_format")}}
    server.script = Script(dialect=HABITS.get(name, "openai"))
    with pytest.raises(g4flite.StatusError, match="must contain the word 'json' in some form"):
        driver.collect(name, [SYSTEM, HI], **plain)


@pytest.mark.parametrize(
    "model", ["claude-opus-4-6", "claude-sonnet-4-6-20260217", "claude-haiku-5", "claude-fable-5-1"]
)
def test_claude_from_4_6_on_goes_on_with_no_answer(model: str, driver: Driver, server: Emulator) -> None:
    call = settings("anthropic", server) | {"model": model}
    with pytest.raises(g4flite.MessagesError, match="the last message is the assistant's, and the model 'claude-"):
        driver.collect("anthropic", [HI, said("Once")], **call)
    assert server.connections == 0
    # A blank answer is left out.
    assert "".join(driver.collect("anthropic", [HI, said(" ")], **call)) == "You said: Hi"
    prefill = {"messages": [HI, said("Once")]}
    with pytest.raises(g4flite.StatusError, match="does not support assistant message prefill"):
        g4flite.stream("anthropic", "Hi", extra=prefill, **call).text()
    for older in ("claude-opus-4-5", "claude-opus-4-20250514", "claude-3-7-sonnet-latest", "m"):
        driver.collect("anthropic", [HI, said("Once")], **call | {"model": older})


@pytest.mark.parametrize("name", ["openai", "openai-responses"])
def test_system_messages_for_o1_mini_are_the_user_s(name: str, driver: Driver, server: Emulator) -> None:
    messages = [SYSTEM, {"role": "developer", "content": "b"}, HI]
    call = settings(name, server)
    server.script = Script(dialect=HABITS.get(name, "openai" if name == "openai" else None))
    for model in ("o1-mini", "o1-mini-2024-09-12"):
        assert "".join(driver.collect(name, messages, **call | {"model": model})) == "You said: Hi"
        assert [m["role"] for m in server.exchanges[-1].messages] == ["user"] * 3
    driver.collect(name, messages, **call | {"model": "o1"})
    assert [m["role"] for m in server.exchanges[-1].messages] == ["system", "developer", "user"]


@pytest.mark.parametrize("wrong", ["a.b", "a b", "x" * 65, "\u00e4"])
def test_names_that_a_service_refuses_are_refused(wrong: str) -> None:
    tools = [{"type": "function", "function": {"name": wrong}}]
    form = {"type": "json_schema", "json_schema": {"name": wrong, "schema": {"type": "object"}}}
    for name in OPENAI:
        with pytest.raises(g4flite.OptionError, match="tool 1 has the name '.*', which this service refuses"):
            body(name, [HI], tools)
        with pytest.raises(g4flite.OptionError, match="response_format= has the name '.*', which this service"):
            body(name, [HI], response_format=form)
    if len(wrong) < 65:
        with pytest.raises(g4flite.OptionError, match="tool 1 has the name"):
            body("anthropic", [HI], tools)
    if wrong == "a.b":
        assert body("gemini", [HI], tools)["tools"][0]["functionDeclarations"][0]["name"] == wrong
    else:
        with pytest.raises(g4flite.OptionError, match="tool 1 has the name"):
            body("gemini", [HI], tools)


def test_claude_takes_no_stop_of_blanks_alone(driver: Driver, server: Emulator) -> None:
    for name in PROTOCOLS:
        if "stop" in providers.find(name).options:
            with contextlib.suppress(g4flite.OptionError):
                driver.collect(name, "Hi", stop=["a", "\n"], **settings(name, server))
                assert name != "anthropic"
    with pytest.raises(g4flite.OptionError, match="stop= has a text of blanks alone"):
        body("anthropic", [HI], stop="\n")


# The `parameters` of a function, and as they go out.
PARAMETERS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"type": "object", "properties": {"a": {}}}, {"type": "object", "properties": {"a": {}}}),
    ({"properties": {"a": {}}, "required": ["a"]}, {"type": "object", "properties": {"a": {}}, "required": ["a"]}),
    ({"type": "object"}, {"type": "object", "properties": {}}),
    ({"type": None}, {"type": "object", "properties": {}}),
    ({}, {"type": "object", "properties": {}}),
]


def test_the_schema_of_a_function_goes_out_as_an_object_with_properties(driver: Driver, server: Emulator) -> None:
    for given, sent in PARAMETERS:
        for name in share(PROTOCOLS + DIALECTS, driver):
            server.script = Script(dialect=HABITS.get(name, "openai" if name == "openai" else None))
            tools = [{"type": "function", "function": {"name": "now", "parameters": given}}]
            driver.collect(name, "Hi", tools=tools, **settings(name, server))
            found = server.exchanges[-1].options["tools"][0]["function"]["parameters"]
            assert found == sent, (name, given)
    # What it holds stands elsewhere.
    union = [{"type": "function", "function": {"name": "now", "parameters": {"anyOf": [{"type": "object"}]}}}]
    assert body("openai", [HI], union)["tools"][0]["function"]["parameters"].keys() == {"type", "anyOf"}


def test_two_tools_of_one_name_are_refused(server: Emulator) -> None:
    tools = [{"function": {"name": "now"}}, {"function": {"name": "other"}}, {"function": {"name": "now"}}]
    for name in PROTOCOLS + DIALECTS:
        with pytest.raises(g4flite.OptionError, match="there are two tools of the name 'now'"):
            g4flite.stream(name, "Hi", tools=tools, **settings(name, server))
    assert server.connections == 0


@rows("name", PROTOCOLS + DIALECTS)
def test_a_tool_without_a_type_is_a_function(name: str, server: Emulator) -> None:
    call = settings(name, server)
    g4flite.stream(name, "Hi", tools=[{"function": {"name": "now"}}], **call).text()
    assert [tool["function"]["name"] for tool in server.exchanges[-1].options["tools"]] == ["now"]


# What goes out instead.


def test_developer_stays_developer_for_openai_alone() -> None:
    messages = [{"role": "developer", "content": "a"}, HI]
    for name in ALL:
        roles = {"developer", "system", "systemInstruction"}
        sent = json.dumps(body(name, messages))
        assert {role for role in roles if f'"{role}"' in sent} == (
            {"developer"} if name in OPENAI else {"systemInstruction"} if name == "gemini" else {"system"}
        )


def test_leading_system_messages_are_one_for_every_dialect() -> None:
    for later in ([HI, SYSTEM, HI], [HI]):
        messages = [SYSTEM, SYSTEM, *later]
        for name in {*DIALECTS} - (LATE if len(later) > 1 else set()):
            joined = [{"role": "system", "content": "Be brief.\n\nBe brief."}, *later]
            assert body(name, messages)["messages"] == (messages if name == "azure-openai" else joined)
    for name in ("openai", "ollama", "cohere"):
        assert body(name, messages)["messages"] == messages


def test_mistral_s_order_and_its_prefix() -> None:
    messages = [HI, asking("a"), answer("a"), HI, said(""), said("Once")]
    sent = body("mistral", messages)["messages"]
    assert [m["role"] for m in sent] == ["user", "assistant", "tool", "assistant", "user", "assistant"]
    assert sent[3] == said("OK")
    assert sent[-1] == {**said("Once"), "prefix": True}
    assert sent[1]["tool_calls"][0]["id"] == sent[2]["tool_call_id"] != "a"


def test_perplexity_s_roles_alternate() -> None:
    """perplexityai/api-discussion#265: 400 to two users' messages in a row."""
    text = {"type": "text", "text": "Hi"}
    image = picture("image/png")["content"]
    messages = [SYSTEM, SYSTEM, HI, picture("image/png"), said("a"), said("b"), HI, HI, asking("a"), answer("a")]
    assert body("perplexity", messages)["messages"] == [
        {"role": "system", "content": "Be brief.\n\nBe brief."}, {"role": "user", "content": [text, *image]},
        said("a\n\nb"), {"role": "user", "content": "Hi\n\nHi"}, asking("a"), answer("a"),
    ]  # fmt: skip
    with pytest.raises(g4flite.MessagesError, match="two messages of the role user follow one another and cannot be"):
        body("perplexity", [HI, {**HI, "name": "ann"}])


def test_a_late_system_message_is_named() -> None:
    for messages, number in (([HI, SYSTEM], 2), ([SYSTEM, SYSTEM, HI, SYSTEM, HI], 4),
                             ([SYSTEM, SYSTEM, {**SYSTEM, "name": "a"}, HI], 3)):  # fmt: skip
        for name in LATE:
            with pytest.raises(g4flite.MessagesError, match=f"message {number} is a system message behind another"):
                body(name, messages)
    with pytest.raises(g4flite.MessagesError, match="the last message is a system message, which this service"):
        body("mistral", [HI, SYSTEM])


def test_an_empty_reasoning_content_goes_to_those_who_want_it() -> None:
    """pydantic-ai's cassette test_deepseek_deferred_capability_with_thinking; Lapis0x0/obsidian-yolo#243 (Moonshot)."""
    messages = [HI, {**asking("a"), "reasoning_content": ""}, answer("a")]
    sent = {name for name in ALL if '"reasoning_content": ""' in json.dumps(body(name, messages))}
    assert sent == {"deepseek", "moonshot", "zai", "llamacpp", "vllm", "lmstudio", "openai-compatible"}
    assert '"reasoning": ""' not in json.dumps(body("openrouter", [HI, {**said("a"), "reasoning": ""}]))
    with pytest.raises(g4flite.MessagesError, match="message 2 has no content"):
        body("deepseek", [HI, {"role": "assistant", "content": None, "reasoning_content": ""}])
    assert body("cromicle", [HI, {**said("a"), "reasoning_content": ""}])


@rows("model", ["kimi-k3", "kimi-k2.5", "moonshot-v1-8k"])
def test_moonshot_gets_no_answer_without_content(model: str, server: Emulator) -> None:
    server.script = Script(dialect="moonshot")
    thought = {**said(""), "reasoning_content": "why"}
    calls = [asking("a", content=""), answer("a"), asking("b", content=" "), answer("b"),
             asking("c", content="Look."), answer("c")]  # fmt: skip
    call = {**settings("moonshot", server), "model": model}
    g4flite.stream("moonshot", [HI, said(""), HI, thought, HI, *calls], tools=TOOLS, **call).text()
    messages = json.loads(server.exchanges[-1].body)["messages"]
    assert [message.get("content") for message in messages if message["role"] == "assistant"] == [None, None, "Look."]


def test_anthropic_s_blocks_hold_no_blanks() -> None:
    messages = [
        HI,
        asking("a", content=" "),
        answer("a", " "),
        said("\n"),
        picture("image/png", " ", "x"),
        said("a \n"),
    ]
    assert body("anthropic", messages)["messages"] == [
        HI,
        {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "now", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": ""}]},
        {"role": "user", "content": [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
            {"type": "text", "text": "x"},
        ]},
        said("a"),
    ]  # fmt: skip
    with pytest.raises(g4flite.MessagesError, match="message 2 is empty, which this service refuses"):
        body("anthropic", [HI, {"role": "user", "content": " "}])
    marked = {"type": "text", "text": "Once ", "cache_control": {"type": "ephemeral"}}
    assert body("anthropic", [HI, said([marked])])["messages"][1]["content"] == [{**marked, "text": "Once"}]


def test_gemini_s_contents_have_parts_and_its_calls_have_ids() -> None:
    contents = body("gemini", [asking("a"), answer("a"), said(""), {"role": "user", "content": ""}])["contents"]
    assert contents == [
        {"role": "user", "parts": [{"text": ""}]},
        {"role": "model", "parts": [{"functionCall": {"id": "a", "name": "now", "args": {}}}]},
        {"role": "user", "parts": [{"functionResponse": {"id": "a", "name": "now", "response": {"result": "noon"}}}]},
        {"role": "model", "parts": [{"text": ""}]},
        {"role": "user", "parts": [{"text": ""}]},
    ]


def test_gemini_s_results_are_a_content_of_their_own(driver: Driver, server: Emulator) -> None:
    """Gemini 3 answers nothing to a text beside a result: NousResearch/hermes-agent#79791, anomalyco/opencode#43479."""
    messages = [said("Hello"), asking("a", "b"), answer("a"), answer("b"), HI, HI]
    contents = body("gemini", messages)["contents"]
    kinds = [(content["role"], [*map(min, content["parts"])]) for content in contents]
    assert kinds == [("user", ["text"]), ("model", ["text", "functionCall", "functionCall"]),
                     ("user", ["functionResponse"] * 2), ("user", ["text", "text"])]  # fmt: skip
    call = settings("gemini", server) | {"model": "gemini-3-pro-preview"}
    assert "".join(driver.collect("gemini", messages, tools=TOOLS, **call)) == "You said: HiHi"
    *before, results, texts = contents
    mixed = [*before, {"role": "user", "parts": [*results["parts"], *texts["parts"]]}]
    driver.stream = g4flite.stream("gemini", "Hi", extra={"contents": mixed}, **call)
    assert driver.stream.text() == ""
    older = {**call, "model": "gemini-2.5-pro"}
    assert g4flite.stream("gemini", "Hi", extra={"contents": mixed}, **older).text() == "You said: HiHi"


# What a JSON Schema is called and said to be, and what stands beside it.


SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}


def form(schema: Any = SCHEMA, **more: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"schema": schema, **more}}


@pytest.mark.parametrize("name", ["gemini", "ollama", "cohere"])
def test_the_name_and_the_description_of_a_schema_stand_in_the_schema(name: str) -> None:
    def sent(response_format: Any) -> Any:
        found = body(name, [HI], response_format=response_format)
        config = found.get("generationConfig", {})
        return config.get("responseJsonSchema") or found.get("format") or found["response_format"]["json_schema"]

    assert sent(form()) == sent(form(name=None, strict=None)) == sent(form(strict=True)) == SCHEMA
    assert sent(form(name="n", description="d")) == {**SCHEMA, "title": "n", "description": "d"}
    own = {**SCHEMA, "title": "T", "description": "D"}
    assert sent(form(own, name="n", description="d")) == {**own, "description": "d\nD"}
    assert sent(form({**SCHEMA, "description": 3})) == {**SCHEMA, "description": 3}


def test_the_responses_api_has_a_schema_s_name_and_description() -> None:
    sent = body("openai-responses", [HI], response_format=form(description="d", strict=True))["text"]["format"]
    assert sent == {"type": "json_schema", "name": "answer", "schema": SCHEMA, "description": "d", "strict": True}


@rows("name", ["gemini", "ollama", "cohere", "openai-responses"])
@rows(
    ("wrong", "complaint"),
    [
        ({"type": "json_object", "schema": SCHEMA}, "has 'schema' beside the type 'json_object'"),
        ({"type": "json_object", "json_schema": SCHEMA}, "has 'json_schema' beside the type 'json_object'"),
        ({"type": "text", "schema": SCHEMA}, "has 'schema' beside the type 'text'"),
        ({**form(), "schema": SCHEMA}, "has 'schema' beside the type 'json_schema'"),
        (form(unheard_of=1), "has 'unheard_of'; its json_schema takes name, description, schema, strict"),
        (form(description=3), "has a description of the type int; it must be str"),
    ],
)
def test_what_a_response_format_would_lose_is_refused(name: str, wrong: Any, complaint: str) -> None:
    with pytest.raises(g4flite.OptionError, match="response_format=") as caught:
        body(name, [HI], response_format=wrong)
    assert complaint in str(caught.value)
    # Chat Completions sends it as it is: llama.cpp has this form.
    assert body("llamacpp", [HI], response_format=wrong)["response_format"] == wrong


def test_an_empty_message_is_an_item_without_parts_for_the_responses_api() -> None:
    sent = body("openai-responses", [HI, said(""), {"role": "user", "content": ""}])["input"]
    assert sent == [
        {"role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
        {"role": "user", "content": ""},
    ]


def test_an_image_jpg_is_an_image_jpeg_for_every_service() -> None:
    for name in ALL:
        for media in ("image/jpg", "IMAGE/JPG"):
            sent = json.dumps(body(name, [picture(media, "?")]))
            assert "jpg" not in sent.lower()
            assert name == "ollama" or "image/jpeg" in sent


def test_llamacpp_does_not_think_before_it_goes_on_with_an_answer(driver: Driver) -> None:
    """WIRE-C: 400 "Assistant response prefill is incompatible with enable_thinking." """
    messages = [HI, said("It is")]
    with Emulator("noon.") as server:
        server.script = Script(dialect="llamacpp")

        def ask(*turns: Any, **options: Any) -> None:
            driver.events("llamacpp", list(turns), model="m", base_url=f"{server.url}/v1", **options)

        for effort in ("minimal", "low", 2000):
            with pytest.raises(
                g4flite.OptionError, match="reasoning_effort= is refused if the last message is the ass"
            ):
                ask(*messages, reasoning_effort=effort)
        assert not server.exchanges
        ask(*messages)
        ask(*messages, reasoning_effort="none")
        ask(*messages, HI, reasoning_effort="low")
        with pytest.raises(g4flite.StatusError, match="incompatible with enable_thinking"):
            ask(*messages, extra={"chat_template_kwargs": {"enable_thinking": True}})
