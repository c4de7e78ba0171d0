"""One conversation through every provider of an open protocol, over real sockets: what is sent, and what comes back."""

import copy
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

import g4flite
from g4flite import Finish, Reasoning, Start, ToolCall, ToolCallDelta, Usage, providers
from g4flite.testing import Emulator, Problem, Script
from tests.conftest import Driver, httpx
from tests.no_socket import Wire
from tests.rows import rows, share

PROTOCOLS = ["openai", "openai-responses", "anthropic", "gemini", "ollama", "cohere"]
DIALECTS = ["openrouter", "groq", "deepseek", "mistral", "huggingface", "pollinations", "together", "xai",
            "azure-openai", "llamacpp", "vllm", "lmstudio", "fireworks", "cerebras", "nvidia", "moonshot", "zai",
            "perplexity", "github-models", "openai-compatible"]  # fmt: skip
# Each dialect's habits in the emulator: its own, or those of the most similar service that the emulator knows.
HABITS = {
    "azure-openai": "azure",
    "pollinations": "deepseek",
    "together": "vllm",
    "lmstudio": "vllm",
    "cerebras": "vllm",
    "nvidia": "vllm",
    "openai-compatible": "litellm",
} | {
    name: name
    for name in (
        "openrouter groq deepseek mistral huggingface llamacpp vllm zai fireworks perplexity moonshot xai".split()
    )
}
HABITS["github-models"] = "github-models"
# These services count the tokens of the reasoning and do not send its text.
SILENT = ("openai", "azure-openai", "fireworks", "perplexity", "github-models")
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
TOOLS = [
    {"type": "function", "function": {"name": "weather", "description": "The weather in a city.", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}},
    {"type": "function", "function": {"name": "now"}},
]  # fmt: skip
MESSAGES: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [
        {"type": "text", "text": "Where is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
    ]},
    {"role": "assistant", "content": "In Oslo.", "tool_calls": [
        {"id": "call_0_weather", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}},
        {"id": "call_1_now", "type": "function", "function": {"name": "now", "arguments": "{}"}},
    ]},
    {"role": "tool", "tool_call_id": "call_0_weather", "content": '{"degrees":13}'},
    {"role": "tool", "tool_call_id": "call_1_now", "content": "noon"},
    {"role": "user", "content": "B\u00e6rum in JSON?"},
]  # fmt: skip
# Mistral takes no user's message right behind the result of a tool.
MISTRAL = [*MESSAGES[:-1], {"role": "assistant", "content": "OK"}, MESSAGES[-1]]
OPTIONS: dict[str, Any] = {
    "temperature": 0.5, "max_tokens": 100, "top_p": 0.25, "stop": ["END"], "seed": 7, "tools": TOOLS,
    "tool_choice": "required", "response_format": {"type": "json_object"}, "reasoning_effort": "high",
    "parallel_tool_calls": False, "frequency_penalty": 0.5, "presence_penalty": 0.25, "logprobs": 2, "user": "ann",
    "metadata": {"app": "tests"}, "cache": True,
}  # fmt: skip
# What arrives as `reasoning_effort` "high" where the protocol has no such level.
BUDGETED = {"cohere": 24576, "ollama": True}
TEXT = "\u00c6 13 \u00b0 \U0001f327"


def reply(messages: Any) -> list[Any]:
    return [Reasoning("hm"), "\u00c6 ", "13 \u00b0 \U0001f327", ToolCall("id-1", "weather", '{"city": "B"}')]


@pytest.fixture
def service(server: Emulator) -> Emulator:
    server.reply = reply
    return server


def settings(name: str, server: Emulator) -> dict[str, Any]:
    """Return the arguments of a call to the emulator, and give the emulator the habits of the provider's service."""
    spec = providers.find(name)
    server.keys = spec.key_needed and bool(spec.key_variables)
    server.script = Script(dialect=HABITS.get(name))
    path = urlsplit(spec.base_url).path
    return {"model": "m-1", "base_url": server.url + path, "api_key": "sk-test-123" if server.keys else None}


def bare(items: list[Any]) -> tuple[str, str, list[ToolCall]]:
    """Return the text, the reasoning and the tool calls, after a check that the deltas add up to the tool calls."""
    text = "".join(item for item in items if isinstance(item, str))
    calls = [item for item in items if isinstance(item, ToolCall)]
    for index, call in enumerate(calls):
        deltas = [item for item in items if isinstance(item, ToolCallDelta) and item.index == index]
        assert {(delta.id, delta.name) for delta in deltas} == {(call.id, call.name)}
        assert "".join(delta.arguments for delta in deltas) == call.arguments
    return text, "".join(item.text for item in items if isinstance(item, Reasoning)), calls


@pytest.mark.parametrize("name", PROTOCOLS + DIALECTS)
def test_the_same_conversation_streams_from_every_provider(name: str, driver: Driver, service: Emulator) -> None:
    call, spec = settings(name, service), providers.find(name)
    whole: Any = None
    for split in (None, *share((7, 3, 2, 1), driver)):
        service.script = Script(split=split, dialect=HABITS.get(name))
        items = driver.events(name, MESSAGES, tools=TOOLS, **call)
        assert service.exchanges[-1].problem is None
        stream, (text, reasoning, calls) = driver.stream, bare(items)
        assert text.strip() == stream.partial.strip() == TEXT
        assert reasoning == stream.reasoning
        assert reasoning.strip() == ("" if name in SILENT else "hm")
        assert [(call.name, json.loads(call.arguments)) for call in calls] == [("weather", {"city": "B"})]
        assert stream.tool_calls == tuple(calls)
        assert calls[0].id == "id-1"
        assert stream.finish_reason == "tool_calls"
        assert stream.usage is not None
        assert stream.usage.prompt_tokens == 12 + (name == "mistral")
        # Some services count the tokens of the reasoning.
        assert stream.usage.completion_tokens in (2, 3)
        assert stream.usage.reasoning_tokens in (None, 1)
        assert stream.response_model in (None, "m-1")
        assert isinstance(items[0], Start)
        assert [type(item) for item in items if isinstance(item, Finish | Usage)].count(Finish) == 1
        assert "content-type" in stream.headers
        whole = whole or [type(item) for item in items]
        assert [type(item) for item in items] == whole
    assert spec.name == stream.provider


@rows("name", PROTOCOLS + DIALECTS, shared=True)
def test_a_plain_loop_yields_the_answer_s_text_alone(name: str, driver: Driver, service: Emulator) -> None:
    chunks = driver.collect(name, "Hi", **settings(name, service))
    assert "".join(chunks).strip() == TEXT
    assert driver.stream.reasoning.strip() == ("" if name in SILENT else "hm")
    assert [call.name for call in driver.stream.tool_calls] == ["weather"]


@rows("name", PROTOCOLS + DIALECTS)
def test_messages_and_options_arrive_as_they_were_given(name: str, service: Emulator) -> None:
    spec = providers.find(name)
    options = {option: value for option, value in OPTIONS.items() if option in spec.options}
    if name in ("anthropic", "cohere", "groq"):
        # Anthropic wants a schema; the others refuse it together with tools.
        del options["response_format"]
    if name == "cohere":
        options["logprobs"] = True
    # OpenAI takes metadata for answers that it stores.
    stored = {"store": True} if name in ("openai", "azure-openai") else None
    g4flite.stream(name, MESSAGES, extra=stored, **options, **settings(name, service)).text()
    exchange = service.exchanges[-1]
    assert exchange.problem is None
    assert exchange.model == "m-1"
    # Gemini and Ollama name the tool in a tool's result; Ollama has no ids.
    anonymous = name in ("gemini", "ollama", "mistral")
    expected = MISTRAL if name == "mistral" else MESSAGES
    assert unnamed(exchange.messages) == unnamed(expected) if anonymous else exchange.messages == expected
    if name == "gemini":
        assert [m.get("tool_call_id") for m in exchange.messages] == [m.get("tool_call_id") for m in MESSAGES]
    if name == "mistral":
        assert json.loads(exchange.body)["random_seed"] == options.pop("seed")
    # No field says so to a service that caches by itself.
    if name not in ("anthropic", "openrouter"):
        options.pop("cache", None)
    options["reasoning_effort"] = BUDGETED.get(name, "high")
    assert {k: v for k, v in exchange.options.items() if k != "tools"} == {
        k: v for k, v in options.items() if k != "tools"
    }
    assert [tool["function"]["name"] for tool in exchange.options["tools"]] == ["weather", "now"]
    assert exchange.options["tools"][0]["function"].items() >= TOOLS[0]["function"].items()  # type: ignore[attr-defined]


def unnamed(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the messages without names and without the ids of tool calls."""
    ids = ("id", "tool_call_id", "name")
    made = [{key: value for key, value in message.items() if key not in ids} for message in copy.deepcopy(messages)]
    for message in made:
        for call in message.get("tool_calls", ()):
            call.pop("id", None)
    return made


@rows("name", PROTOCOLS)
@pytest.mark.parametrize("choice", ["auto", "none", "required", {"type": "function", "function": {"name": "now"}}])
def test_a_tool_choice_arrives(name: str, choice: Any, service: Emulator) -> None:
    call = settings(name, service)
    if name == "ollama":
        with pytest.raises(g4flite.OptionError, match="there is no option 'tool_choice'"):
            g4flite.stream(name, "Hi", tools=TOOLS, tool_choice=choice, **call)
        return
    if name == "cohere" and isinstance(choice, dict):
        with pytest.raises(g4flite.OptionError, match="cohere: tool_choice= cannot name one tool"):
            g4flite.stream(name, "Hi", tools=TOOLS, tool_choice=choice, **call)
        return
    g4flite.stream(name, "Hi", tools=TOOLS, tool_choice=choice, **call).text()
    assert service.exchanges[-1].options.get("tool_choice", "auto") == choice


SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}


@pytest.mark.parametrize("name", [n for n in PROTOCOLS if n != "anthropic"])
@pytest.mark.parametrize("form", ["text", "json_object", "json_schema"])
def test_a_response_format_arrives(name: str, form: str, service: Emulator) -> None:
    wanted = {"type": form} | ({"json_schema": {"name": "a", "schema": SCHEMA}} if form == "json_schema" else {})
    g4flite.stream(name, "Hi, in JSON", response_format=wanted, **settings(name, service)).text()
    arrived = service.exchanges[-1].options.get("response_format", {"type": "text"})
    assert arrived["type"] == form
    if form == "json_schema":
        # Three protocols have no place for the name but the schema.
        named = {"title": "a"} if name in ("gemini", "ollama", "cohere") else {}
        assert arrived["json_schema"]["schema"] == named | SCHEMA


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("role", ["developer", "system"])
def test_instructions_arrive(name: str, role: str, service: Emulator) -> None:
    messages = [{"role": role, "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    g4flite.stream(name, messages, **settings(name, service)).text()
    assert [m["content"] for m in service.exchanges[-1].messages] == ["Be brief.", "Hi"]
    assert service.exchanges[-1].messages[0]["role"] in ("system", role)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_an_image_by_its_web_address_is_sent_or_refused(name: str, service: Emulator) -> None:
    image = {"type": "image_url", "image_url": {"url": "https://pictures.test/a.png"}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, image]}]
    call = settings(name, service)
    if name in ("gemini", "ollama"):
        with pytest.raises(g4flite.MessagesError, match=f"^{name}: message 1, part 2 is an image at a web URL, which"):
            g4flite.stream(name, messages, **call)
        assert service.connections == 0
        return
    g4flite.stream(name, messages, **call).text()
    assert service.exchanges[-1].messages[-1]["content"][1]["image_url"]["url"] == image["image_url"]["url"]  # type: ignore[index]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_speaker_s_name_is_sent_or_refused(name: str, service: Emulator) -> None:
    messages, call = [{"role": "user", "name": "ann", "content": "Hi"}], settings(name, service)
    if name != "openai":
        with pytest.raises(g4flite.MessagesError, match=f"^{name}: message 1 has a name"):
            g4flite.stream(name, messages, **call)
        return
    g4flite.stream(name, messages, **call).text()
    assert json.loads(service.exchanges[-1].body)["messages"] == messages


CLASSES = {
    "authentication": g4flite.AuthenticationError,
    "permission": g4flite.PermissionDeniedError,
    "not_found": g4flite.NotFoundError,
    "rate_limit": g4flite.RateLimitError,
    "overloaded": g4flite.OverloadedError,
    "context_length": g4flite.ContextLengthError,
    "content_filter": g4flite.ContentFilterError,
    "server": g4flite.G4fliteError,
}

# Inside a reply, these services send a text alone, which does not tell the class.
NAMELESS = [
    ("huggingface", "permission"),
    ("ollama", "permission"),
    ("cohere", "permission"),
    ("cohere", "content_filter"),
    ("zai", "permission"),
]


@rows("name", [*PROTOCOLS, *HABITS])
@rows("kind", CLASSES)
def test_a_problem_has_its_class_as_a_status_and_inside_a_reply(name: str, kind: str, service: Emulator) -> None:
    call = settings(name, service) | {"client": httpx.Client(transport=Wire(service))}
    service.script = Script(problem=kind, dialect=HABITS.get(name))
    by_status = failure(name, call)
    assert isinstance(by_status, g4flite.StatusError)
    service.script = Script(dialect=HABITS.get(name))
    for before in ([], ["a"]):
        service.reply = lambda messages, before=before: [*before, Problem(kind)]
        error = failure(name, call)
        assert error.partial.strip() == "".join(before)
        known = CLASSES[kind] if (name, kind) not in NAMELESS else g4flite.ProviderError
        assert isinstance(error, known), error
        assert isinstance(by_status, CLASSES[kind]) or (name, kind) == ("cohere", "content_filter"), by_status
        assert error.provider == by_status.provider == name


def failure(name: str, call: dict[str, Any]) -> g4flite.G4fliteError:
    with pytest.raises(g4flite.G4fliteError) as caught:
        g4flite.stream(name, "Hi", retries=0, **call).text()
    return caught.value


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("reason", ["stop", "length"])
def test_a_finish_reason_has_its_common_name(name: str, reason: str, service: Emulator) -> None:
    service.reply = lambda messages: ["a", Finish(reason)]
    with g4flite.stream(name, "Hi", **settings(name, service)) as stream:
        assert list(stream) == ["a"]
    assert stream.finish_reason == reason


@rows("name", PROTOCOLS + DIALECTS, shared=True)
def test_a_reply_that_is_cut_off_is_truncated(name: str, driver: Driver, service: Emulator) -> None:
    call = settings(name, service)
    service.reply = lambda messages: iter(["one ", "two ", "three"])
    lengths = []
    for cut in (100, 300, None):
        service.script = Script(dialect=HABITS.get(name), cut=cut, split=50)
        try:
            driver.collect(name, "Hi", **call)
        except g4flite.TruncatedStreamError as error:
            assert "one two three".startswith(error.partial.strip())
            lengths.append(len(error.partial))
        else:
            assert driver.stream.partial.strip() == "one two three"
    assert lengths


@pytest.mark.parametrize("name", PROTOCOLS)
def test_an_answer_that_a_content_filter_kept_back_is_an_error(name: str, driver: Driver, service: Emulator) -> None:
    service.reply = lambda messages: [Finish("content_filter")]
    with pytest.raises(g4flite.ContentFilterError if name != "cohere" else g4flite.ProviderError):
        driver.collect(name, "Hi", **settings(name, service))


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_last_event_without_its_blank_line_is_read(name: str, driver: Driver, service: Emulator) -> None:
    call = settings(name, service)
    service.script = Script(unterminated=True)
    assert "".join(driver.collect(name, "Hi", **call)) == TEXT
