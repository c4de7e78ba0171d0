"""API keys, vendors' variables, `extra`: resolved and checked before any socket opens."""

import dataclasses
import json
import warnings
from typing import Any

import pytest

import g4flite
from g4flite import providers
from g4flite._core.request import build, make_call
from tests.acme import ACME
from tests.rows import rows

KEY = "sk-0123456789"
KEYED = [name for name in providers.names() if providers.find(name).key_variables and providers.find(name).key_needed]
EXPECTED = {
    "openai": "OPENAI_API_KEY",
    "openai-responses": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "gemini": "GEMINI_API_KEY or GOOGLE_API_KEY",
    "cohere": "CO_API_KEY or COHERE_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
    "groq": "GROQ_API_KEY",
    "deepseek": "DEEPSEEK_API_KEY",
    "mistral": "MISTRAL_API_KEY",
    "huggingface": "HF_TOKEN",
    "pollinations": "POLLINATIONS_API_KEY",
    "together": "TOGETHER_API_KEY",
    "xai": "XAI_API_KEY",
    "fireworks": "FIREWORKS_API_KEY",
    "cerebras": "CEREBRAS_API_KEY",
    "nvidia": "NVIDIA_API_KEY",
    "moonshot": "MOONSHOT_API_KEY",
    "zai": "ZAI_API_KEY",
    "perplexity": "PERPLEXITY_API_KEY",
    "github-models": "GITHUB_TOKEN",
    "azure-openai": "AZURE_OPENAI_API_KEY",
}


def request(name: Any, **more: Any) -> Any:
    """Return the request that a call sends, with its body decoded from JSON."""
    settings = {"model": "m", "base_url": None, "headers": None, "options": {}, **more}
    built = build(make_call(providers.find(name), "Hi", **settings))
    return built._replace(body=json.loads(built.body))


@rows("name", KEYED)
def test_the_error_for_a_missing_key_names_the_variable(name: str) -> None:
    base_url = "https://own.test" if name == "azure-openai" else None
    with pytest.raises(g4flite.OptionError) as caught:
        g4flite.stream(name, "Hi", model="m", base_url=base_url)
    assert str(caught.value) == f"{name}: there is no API key; pass api_key= or set {EXPECTED[name]}"


@pytest.mark.parametrize("name", KEYED)
def test_a_key_is_sent_in_a_header_and_nowhere_else(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    base_url = "https://own.test" if name == "azure-openai" else None
    header = {"anthropic": "x-api-key", "gemini": "x-goog-api-key", "azure-openai": "api-key"}.get(
        name, "authorization"
    )
    value = KEY if header != "authorization" else f"Bearer {KEY}"
    given = request(name, api_key=KEY, base_url=base_url)
    for variable in EXPECTED[name].split(" or "):
        with monkeypatch.context() as patch:
            patch.setenv(variable, KEY)
            found = request(name, base_url=base_url)
        assert found == given
    assert given.headers[header] == value
    assert KEY not in given.url + json.dumps(given.body)
    assert KEY not in "".join(v for n, v in given.headers.items() if n != header)


def test_the_argument_wins_over_the_variable_and_the_first_variable_over_the_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", "second-key")
    assert request("gemini").headers["x-goog-api-key"] == "second-key"
    monkeypatch.setenv("GEMINI_API_KEY", "first-key")
    assert request("gemini").headers["x-goog-api-key"] == "first-key"
    assert request("gemini", api_key=KEY).headers["x-goog-api-key"] == KEY


@rows("name", ["ollama", "llamacpp", "vllm", "lmstudio", "openai-compatible"])
def test_a_key_is_optional_for_a_local_server(name: str) -> None:
    url = "http://127.0.0.1:8000"
    assert "authorization" not in request(name, base_url=url).headers
    assert request(name, base_url=url, api_key=KEY).headers["authorization"] == f"Bearer {KEY}"


BAD_KEYS = [
    ("", "is empty"), ("two words", "holds a space or a control character"),
    ("li\nne", "holds a space or a control character"), ("\r\nx-evil: 1", "has white space around it; call .strip()"),
    ("sk-one\n", "has white space around it; call .strip()"), ("schl\u00fcssel", "holds a character outside ASCII"),
    ("Bearer sk-one", "begins with 'Bearer ', which goes out by itself; leave out 'Bearer '"),
    ("bearer sk-one\n", "begins with 'Bearer ', which goes out by itself; leave out 'Bearer '"),
    (5, "must be a string, not int"), (b"bytes", "must be a string, not bytes"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "problem"), BAD_KEYS)
def test_a_bad_key_is_refused_and_not_shown(key: Any, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(g4flite.OptionError) as caught:
        g4flite.stream("openai", "Hi", model="m", api_key=key)
    assert str(caught.value) == f"openai: api_key cannot be a key: it {problem}"
    if isinstance(key, str) and (key := key.strip()) and key != "sk-one":
        monkeypatch.setenv("OPENAI_API_KEY", key)
        with pytest.raises(g4flite.OptionError, match="^openai: OPENAI_API_KEY cannot be a key: it ") as caught:
            g4flite.stream("openai", "Hi", model="m")
        assert key not in str(caught.value)


def test_the_caller_s_own_authorization_header_replaces_the_key() -> None:
    assert request("openai", headers={"Authorization": "Bearer other"}).headers["authorization"] == "Bearer other"
    with pytest.raises(g4flite.OptionError, match="there is no API key"):
        request("openai", headers={"x-other": "Bearer other"})


@pytest.mark.parametrize("name", KEYED)
def test_an_authorization_header_of_the_caller_s_is_a_key_for_every_provider(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    base_url, headers = "https://own.test", {"Authorization": "Bearer own-token"}
    for variable in EXPECTED[name].split(" or "):
        # The environment's key is the vendor's, and the server may be anyone's.
        monkeypatch.setenv(variable, KEY)
    sent = request(name, base_url=base_url, headers=headers).headers
    assert sent["authorization"] == "Bearer own-token"
    assert KEY not in str(sent)
    both = request(name, base_url=base_url, headers=headers, api_key="sk-argument").headers
    assert both["authorization"] == "Bearer own-token"
    assert ("sk-argument" in both.values()) == (name in ("anthropic", "gemini", "azure-openai"))


def test_a_key_for_a_provider_that_takes_no_key_is_refused() -> None:
    with pytest.raises(g4flite.OptionError, match="cromicle: this provider takes no key; leave api_key= out"):
        g4flite.stream("cromicle", "Hi", base_url="http://127.0.0.1", api_key=KEY)


def test_a_key_for_several_providers_or_for_a_client_is_refused() -> None:
    with g4flite.Client("openai", model="m", api_key=KEY) as client:
        for listed in (["openai", "groq"], [client], client):
            with pytest.raises(g4flite.OptionError, match="api_key= belongs to one provider"):
                g4flite.stream(listed, "Hi", model="m", api_key=KEY)  # type: ignore[arg-type]
        client.stream("Hi")
        assert KEY not in repr(client)


def test_a_url_template_that_names_the_key_is_refused() -> None:
    with pytest.raises(g4flite.SpecError, match="url names .api_key."):
        dataclasses.replace(ACME, url="{base_url}/chat?key={api_key}")


@pytest.mark.parametrize("api_key", [None, KEY])
def test_a_key_over_plain_http_to_another_machine_causes_a_warning(api_key: str | None) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        g4flite.stream("llamacpp", "Hi", base_url="http://10.0.0.5:8080/v1", api_key=api_key)
    assert [w.category for w in caught] == ([g4flite.InsecureTransportWarning] if api_key else [])


@pytest.mark.parametrize(
    ("name", "variable", "value", "url"),
    [
        ("openai", "OPENAI_BASE_URL", "https://own.test/v1", "https://own.test/v1/chat/completions"),
        ("openai-responses", "OPENAI_BASE_URL", "https://own.test/v1/", "https://own.test/v1/responses"),
        ("anthropic", "ANTHROPIC_BASE_URL", "https://own.test", "https://own.test/v1/messages"),
        ("ollama", "OLLAMA_HOST", "http://own.test:1234", "http://own.test:1234/api/chat"),
        ("ollama", "OLLAMA_HOST", "https://own.test/sub", "https://own.test/sub/api/chat"),
        ("ollama", "OLLAMA_HOST", "own.test", "http://own.test:11434/api/chat"),
        ("ollama", "OLLAMA_HOST", "own.test/sub", "http://own.test:11434/sub/api/chat"),
        ("ollama", "OLLAMA_HOST", "0.0.0.0:8080", "http://127.0.0.1:8080/api/chat"),
        ("ollama", "OLLAMA_HOST", ":8080", "http://127.0.0.1:8080/api/chat"),
        ("ollama", "OLLAMA_HOST", "[::1]", "http://[::1]:11434/api/chat"),
        ("ollama", "OLLAMA_HOST", "[::1]:80", "http://[::1]:80/api/chat"),
        ("anthropic", "ANTHROPIC_BASE_URL", "own.test", "https://own.test/v1/messages"),
        ("ollama", "G4FLITE_OLLAMA_BASE_URL", "http://own.test", "http://own.test/api/chat"),
        (
            "azure-openai",
            "AZURE_OPENAI_ENDPOINT",
            "https://own.test/",
            "https://own.test/openai/deployments/m/chat/completions?api-version=2024-10-21",
        ),
    ],
)
def test_the_vendor_s_own_variable_sets_the_base_url(
    name: str, variable: str, value: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    assert request(name, api_key=KEY).url == url
    assert request(name, api_key=KEY, base_url="https://given.test").url.startswith("https://given.test/")


def test_the_variable_of_g4flite_wins_over_the_vendor_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://vendor.test")
    monkeypatch.setenv("G4FLITE_OPENAI_BASE_URL", "https://ours.test")
    assert request("openai", api_key=KEY).url == "https://ours.test/chat/completions"


def test_the_error_names_the_variable_that_holds_a_bad_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "ftp://own.test")
    with pytest.raises(g4flite.OptionError, match=r"must begin with http:// or https://.*\(from OPENAI_BASE_URL\)"):
        request("openai", api_key=KEY)


def test_the_error_asks_for_base_url_if_the_provider_has_no_public_address(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = "azure-openai: there is no public base URL; pass base_url= or set AZURE_OPENAI_ENDPOINT"
    with pytest.raises(g4flite.OptionError, match=wanted):
        g4flite.stream("azure-openai", "Hi", model="m", api_key=KEY)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "own.test")  # no scheme to complete it with
    with pytest.raises(
        g4flite.OptionError, match=r"must begin with http:// or https://.*\(from AZURE_OPENAI_ENDPOINT\)"
    ):
        g4flite.stream("azure-openai", "Hi", model="m", api_key=KEY)


@rows("name", ["openai", "openai-responses", "anthropic", "gemini", "ollama", "cohere", "azure-openai"])
def test_a_model_has_to_be_named_if_there_is_no_default(name: str) -> None:
    key = None if name == "ollama" else KEY
    with pytest.raises(g4flite.ModelNotFoundError) as caught:
        g4flite.stream(name, "Hi", api_key=key, base_url="http://127.0.0.1:9")
    example = providers.find(name).example_model
    assert str(caught.value) == f"{name}: there is no default model; name one with model=, like {example}"


@rows("name", providers.names())
def test_a_model_s_name_is_known_of_each_service_that_needs_one(name: str) -> None:
    """But of a server that nobody knows; and it is the service's own, not that of the service it is a variant of."""
    spec = providers.find(name)
    needs_one = not (spec.models or spec.default_model or name == "openai-compatible")
    assert bool(spec.example_model) == needs_one
    if spec.example_model == providers.OPENAI.example_model:
        assert name in ("openai", "openai-responses", "azure-openai")


def test_a_model_has_to_be_named_of_a_server_that_nobody_knows() -> None:
    with pytest.raises(g4flite.ModelNotFoundError, match=r"default model; name one with model=$"):
        g4flite.stream("openai-compatible", "Hi", base_url="http://127.0.0.1:9/v1")


def test_a_provider_without_a_default_model_is_skipped_in_a_list() -> None:
    stream = g4flite.stream(["ollama", "llamacpp"], "Hi")
    assert (stream.provider, stream.model) == ("llamacpp", "default")


def test_extra_is_merged_into_the_payload_and_its_inner_objects() -> None:
    extra = {"think": "high", "options": {"num_ctx": 8192, "temperature": 1}, "model": "other", "keep_alive": None}
    body = request("ollama", options={"temperature": 0.2, "seed": 3}, extra=extra).body
    assert body["options"] == {"temperature": 1, "seed": 3, "num_ctx": 8192}
    assert (body["think"], body["model"], body["keep_alive"]) == ("high", "other", None)
    assert request("ollama", extra={"options": 5}).body["options"] == 5
    for nothing in (None, {}):
        assert request("ollama", extra=nothing) == request("ollama")
    with pytest.raises(g4flite.OptionError, match="extra= must be a mapping of fields to values, not list"):
        request("ollama", extra=[1])
    with pytest.raises(g4flite.OptionError, match="a field of extra= is not JSON: Object of type object"):
        g4flite.stream("ollama", "Hi", model="m", extra={"a": object()})


def test_the_extra_of_a_call_is_merged_into_the_extra_of_its_client() -> None:
    with g4flite.Client("ollama", model="m", extra={"options": {"num_ctx": 1, "top_k": 2}, "think": True}) as client:
        run = client.stream("Hi", extra={"options": {"num_ctx": 3}})._run
    assert run.call.extra == {"options": {"num_ctx": 3, "top_k": 2}, "think": True}


@rows("name", ["openai-responses", "anthropic", "gemini", "cohere"])
@rows("wrong", ["any", {"type": "function"}, {"type": "function", "function": {"name": 5}}])
def test_a_tool_choice_of_an_unknown_form_is_refused(name: str, wrong: Any) -> None:
    with pytest.raises(g4flite.OptionError, match='tool_choice= must be "auto", "none", "required" or'):
        g4flite.stream(name, "Hi", model="m", api_key=KEY, tool_choice=wrong)


@rows("name", ["openai-responses", "gemini", "cohere", "ollama"])
@rows("wrong", [{}, {"type": "xml"}, {"type": "json_schema"}, {"type": "json_schema", "json_schema": {}}])
def test_a_response_format_of_an_unknown_form_is_refused(name: str, wrong: Any) -> None:
    key = None if name == "ollama" else KEY
    with pytest.raises(g4flite.OptionError, match='response_format= must be {"type": "json_object"} or'):
        g4flite.stream(name, "Hi", model="m", api_key=key, response_format=wrong)


@rows("name", ["openai", "openai-responses", "anthropic", "gemini", "cohere", "ollama"])
def test_a_tool_of_an_unknown_form_is_refused(name: str) -> None:
    key = None if name == "ollama" else KEY
    with pytest.raises(g4flite.OptionError, match=f"^{name}: tool 1 is no"):
        g4flite.stream(name, "Hi", model="m", api_key=key, tools=[{"name": "add"}])


def test_an_assistant_message_of_tool_calls_alone_is_sent_without_text() -> None:
    calls = [{"id": "a", "function": {"name": "now", "arguments": "{}"}}]
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "tool_calls": calls},
                {"role": "tool", "tool_call_id": "a", "content": "noon"}]  # fmt: skip
    built = build(make_call(providers.find("openai-responses"), messages, model="m", base_url=None, headers=None,
                            options={}, api_key=KEY))  # fmt: skip
    assert [item.get("type", item.get("role")) for item in json.loads(built.body)["input"]] == [
        "user",
        "function_call",
        "function_call_output",
    ]


def test_tools_and_extra_are_copied_before_the_caller_can_change_them() -> None:
    tools = [{"type": "function", "function": {"name": "now"}}]
    extra: dict[str, Any] = {"metadata": {}}
    call = g4flite.stream("ollama", "Hi", model="m", tools=tools, extra=extra)._run.call
    tools[0]["function"]["name"] = "changed"  # type: ignore[index]
    extra["metadata"]["leak"] = 1
    body = json.loads(build(call).body)
    assert (body["tools"][0]["function"]["name"], body["metadata"]) == ("now", {})


def test_an_extra_that_is_nested_too_deep_for_json_is_an_option_error() -> None:
    nest: list[Any] = []
    for _ in range(100_000):
        nest = [nest]
    with pytest.raises(g4flite.OptionError, match="an option or a field of extra= is not JSON"):
        g4flite.stream("ollama", "Hi", model="m", extra={"a": nest})


@pytest.mark.parametrize("variable", ["OPENAI_API_KEY", "OPENAI_BASE_URL"])
def test_blanks_around_a_variable_s_value_are_stripped(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv(variable, f" {KEY if variable == 'OPENAI_API_KEY' else 'https://own.test/v1'}\n")
    assert request("openai").headers["authorization"] == f"Bearer {KEY}"
    monkeypatch.setenv(variable, "  ")
    assert g4flite.stream("llamacpp", "Hi").provider == "llamacpp"


def test_an_empty_list_of_providers_is_refused_with_a_key_too() -> None:
    with pytest.raises(g4flite.ProviderNotFoundError):
        g4flite.stream([], "Hi", api_key=KEY)


SYSTEM = {"role": "system", "content": "Be brief."}


@pytest.mark.parametrize("name", ["anthropic", "gemini"])
def test_system_messages_without_any_other_message_are_refused(name: str) -> None:
    with pytest.raises(g4flite.MessagesError, match=f"^{name}: there are only system messages"):
        g4flite.stream(name, [SYSTEM], model="m", api_key=KEY)


@pytest.mark.parametrize("role", ["user", "assistant"])
def test_empty_messages_alone_are_refused_as_what_they_are(role: str) -> None:
    for blank in ("", " \n", [{"type": "text", "text": " "}]):
        empty = [{"role": role, "content": blank}]
        for before, said in (([], "every message is"), ([SYSTEM], "every message but the system messages is")):
            wanted = f"{said} empty; write something" if role == "assistant" else f"message {len(before) + 1} is empty"
            with pytest.raises(g4flite.MessagesError, match=f"^anthropic: {wanted}"):
                g4flite.stream("anthropic", [*before, *empty], model="m", api_key=KEY)
    # A blank system message says nothing of the others.
    with pytest.raises(g4flite.MessagesError, match="^anthropic: there are only system messages"):
        g4flite.stream("anthropic", [{**SYSTEM, "content": " "}], model="m", api_key=KEY)


@rows("stop", [[1], [""], ""])
def test_a_stop_that_is_not_a_text_or_an_empty_text_is_refused(stop: Any) -> None:
    with pytest.raises(g4flite.OptionError, match="stop= must be a text or a list of texts"):
        g4flite.stream("anthropic", "Hi", model="m", api_key=KEY, stop=stop)


@rows("name", KEYED)
def test_a_missing_key_and_a_missing_model_are_told_together(name: str) -> None:
    base_url = "https://own.test" if name == "azure-openai" else None
    with pytest.raises(g4flite.OptionError) as caught:
        g4flite.stream(name, "Hi", base_url=base_url)
    spec = providers.find(name)
    advice = "" if spec.default_model else f", and name a model with model=, like {spec.example_model}"
    assert str(caught.value) == f"{name}: there is no API key; pass api_key= or set {EXPECTED[name]}{advice}"
    assert caught.value.spelled(lambda argument: "").endswith(f"; set {EXPECTED[name]}")


@pytest.mark.parametrize("payload", [lambda call: {}, lambda call: call.options["temperature"]])
def test_a_missing_key_alone_is_told_of_a_service_that_needs_no_model(payload: Any) -> None:
    mine = dataclasses.replace(ACME, name="mine", models=(), payload=payload, key_variables=("MINE_API_KEY",))
    with pytest.raises(g4flite.OptionError, match="^mine: there is no API key; pass api_key= or set MINE_API_KEY$"):
        g4flite.stream(mine, "Hi")


def test_the_traceback_of_a_missing_key_ends_where_the_key_is_looked_for() -> None:
    with pytest.raises(g4flite.OptionError) as caught:
        g4flite.stream("openai", "Hi", model="m")
    assert caught.traceback[-1].name == "resolve_key"
