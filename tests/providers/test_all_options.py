"""The options that a protocol names otherwise, leaves out or does not have, and those of which nothing goes out."""

import json
from typing import Any

import pytest

import g4flite
from g4flite import providers
from g4flite.testing import Emulator, Script
from tests.conftest import Driver
from tests.providers.test_all import DIALECTS, PROTOCOLS, TOOLS
from tests.providers.test_all_outgoing import HI, body

# The providers that do not have the option.
LACKING = {
    "parallel_tool_calls": {"gemini", "ollama", "cohere"},
    "frequency_penalty": {"openai-responses", "anthropic"},
    "presence_penalty": {"openai-responses", "anthropic"},
    "logprobs": {"anthropic", "groq", "mistral"},
    "user": {"gemini", "ollama", "cohere", "mistral"},
    "metadata": {"anthropic", "gemini", "ollama", "cohere", "groq"},
    "cache": {"huggingface", "pollinations", "together", "lmstudio", "fireworks", "cerebras", "nvidia", "perplexity",
              "github-models", "openai-compatible"},
}  # fmt: skip
VALUES: dict[str, Any] = {
    "parallel_tool_calls": False, "frequency_penalty": 0.5, "presence_penalty": 0.5, "logprobs": True, "user": "ann",
    "metadata": {"a": "b"}, "cache": True,
}  # fmt: skip


def test_an_option_that_a_protocol_lacks_is_refused_by_name() -> None:
    for option, lacking in LACKING.items():
        for name in PROTOCOLS + DIALECTS:
            assert (option in providers.find(name).options) == (name not in lacking), (name, option)
            if name in lacking:
                with pytest.raises(g4flite.OptionError, match=f"{name}: there is no option '{option}'; it takes "):
                    body(name, [HI], **{option: VALUES[option]})
            else:
                assert body(name, [HI], extra={"store": True}, **{option: VALUES[option]})


def test_parallel_tool_calls_go_out_beside_tools_alone() -> None:
    """OpenAI: 400 "'parallel_tool_calls' is only allowed when 'tools' are specified." """
    for name in {*PROTOCOLS, *DIALECTS} - LACKING["parallel_tool_calls"] - {"anthropic"}:
        assert "parallel_tool_calls" not in body(name, [HI], parallel_tool_calls=True)
        assert body(name, [HI], TOOLS, parallel_tool_calls=True)["parallel_tool_calls"] is True
        assert body(name, [HI], extra={"tools": TOOLS}, parallel_tool_calls=False)["parallel_tool_calls"] is False


def test_anthropic_s_choice_says_whether_calls_are_parallel() -> None:
    def choice(tools: Any = TOOLS, **options: Any) -> Any:
        return body("anthropic", [HI], tools, **options).get("tool_choice")

    assert choice(parallel_tool_calls=False) == {"type": "auto", "disable_parallel_tool_use": True}
    assert choice(parallel_tool_calls=True) == {"type": "auto", "disable_parallel_tool_use": False}
    named = {"type": "function", "function": {"name": "now"}}
    assert choice(parallel_tool_calls=False, tool_choice=named) == {
        "type": "tool", "name": "now", "disable_parallel_tool_use": True}  # fmt: skip
    assert choice(parallel_tool_calls=False, tool_choice="none") == {"type": "none"}
    assert choice((), parallel_tool_calls=False) is None


def test_logprobs_have_each_protocol_s_fields() -> None:
    def fields(name: str, given: Any) -> dict[str, Any]:
        asked = body(name, [HI], logprobs=given)
        config = asked.get("generationConfig", asked)
        return {
            key: config[key] for key in ("logprobs", "top_logprobs", "responseLogprobs", "include") if key in config
        }

    include = {"include": ["message.output_text.logprobs"]}
    for given, chat, responses, gemini in (
        (False, {}, {}, {}),
        (True, {"logprobs": True}, include, {"responseLogprobs": True}),
        (3, {"logprobs": True, "top_logprobs": 3}, {**include, "top_logprobs": 3},
         {"responseLogprobs": True, "logprobs": 3}),
    ):  # fmt: skip
        assert fields("openai", given) == fields("vllm", given) == fields("ollama", given) == chat
        assert (fields("openai-responses", given), fields("gemini", given)) == (responses, gemini)
    assert fields("cohere", True) == {"logprobs": True}
    with pytest.raises(g4flite.OptionError, match="cohere: logprobs= must be of the type bool, not int"):
        fields("cohere", 3)
    with pytest.raises(g4flite.OptionError, match="logprobs= must be True or a number of tokens, not -1"):
        fields("openai", -1)


def test_the_user_s_name_has_each_service_s_field() -> None:
    assert body("openai", [HI], user="ann")["user"] == body("openai-responses", [HI], user="ann")["user"] == "ann"
    assert body("anthropic", [HI], user="ann")["metadata"] == {"user_id": "ann"}
    assert "metadata" not in body("anthropic", [HI])
    asked = body("zai", [HI], user="ann")
    assert (asked["user_id"], "user" in asked) == ("ann", False)


def test_openai_takes_metadata_of_answers_that_it_stores() -> None:
    for name in ("openai", "azure-openai"):
        assert body(name, [HI], metadata={"a": "b"}, extra={"store": True})["metadata"] == {"a": "b"}
        with pytest.raises(g4flite.OptionError, match="leave it out, or add 'store': True to extra="):
            body(name, [HI], metadata={"a": "b"})
    assert body("openai-responses", [HI], metadata={"a": "b"})["metadata"] == {"a": "b"}


def test_a_mark_goes_to_services_that_cache_by_marks() -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    for name in {*PROTOCOLS, *DIALECTS} - LACKING["cache"] - {"mistral"}:
        marked, plain = body(name, [HI], cache=True), body(name, [HI])
        assert marked == (plain | mark if name in ("anthropic", "openrouter") else plain), name
        assert body(name, [HI], cache=False) == plain


def test_mistral_gets_one_key_for_all_calls_that_begin_alike(driver: Driver, server: Emulator) -> None:
    """Source: docs.mistral.ai, prompt caching (2026)."""

    def key(*messages: tuple[str, str], **more: Any) -> str:
        found = body("mistral", [{"role": role, "content": text} for role, text in messages], cache=True, **more)
        return str(found["prompt_cache_key"])

    system, first, answer, second = ("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello"), ("user", "And?")
    tool = {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}
    assert key(system, first) == key(system, first, answer, second) == key(system, second)
    assert key(first) == key(first, answer, second)
    assert len({key(system, first), key(first), key(second), key(("system", "Be long."), first),
                key(system, first, tools=[tool])}) == 5  # fmt: skip
    assert "prompt_cache_key" not in body("mistral", [HI]) | body("mistral", [HI], cache=False)
    server.script = Script(dialect="mistral")
    driver.collect("mistral", "Hi", model="m", base_url=f"{server.url}/v1", api_key="key-1", cache=True)
    assert server.exchanges[-1].problem is None
    assert json.loads(server.exchanges[-1].body)["prompt_cache_key"] == key(first)


def test_an_unknown_option_names_the_nearest() -> None:
    for name in ("openai", "groq", "mistral", "ollama", "cohere", "together", "lmstudio"):
        for wrong, right in (("cashe", "cache"), ("max_token", "max_tokens"), ("metadat", "metadata"),
                             ("systm", "system"), ("modle", "model"), ("header", "headers")):  # fmt: skip
            with pytest.raises(g4flite.OptionError, match=f"no option '{wrong}' \\(did you mean '{right}'\\?\\)"):
                g4flite.stream(name, "Hi", model="m", api_key="key-1", **{wrong: 1})
    # An option that the service does not have is not called a slip.
    with pytest.raises(g4flite.OptionError, match="together: there is no option 'cache'; it takes temperature, "):
        g4flite.stream("together", "Hi", model="m", api_key="key-1", cache=True)


def test_grok_that_reasons_takes_no_penalty() -> None:
    def ask(model: str, **options: Any) -> None:
        g4flite.stream("xai", "Hi", model=model, api_key="k", **options)

    for option, value in (("frequency_penalty", 0.5), ("presence_penalty", 0.5), ("stop", ["END"])):
        for model in ("grok-4", "grok-3-mini", "grok-4.3", "grok-4-1-fast-reasoning", "grok-code-fast-1"):
            with pytest.raises(g4flite.OptionError, match=f"xai: {option}=.* is refused by the model '{model}'"):
                ask(model, **{option: value})
        for model in ("grok-3", "grok-4-fast-non-reasoning", "m"):
            ask(model, **{option: value})
