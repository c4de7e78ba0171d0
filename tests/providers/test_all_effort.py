"""`reasoning_effort` for each provider and model: the fields that go out, what is told of it, and what is refused.

The emulator refuses what the services refuse, and takes what goes out.
"""

import json
from typing import Any

import pytest

import g4flite
from g4flite import providers
from g4flite._core.takes import EFFORTS
from g4flite.testing import Emulator, Script
from tests.conftest import Driver, httpx
from tests.no_socket import Wire
from tests.providers.test_all import DIALECTS, HABITS, PROTOCOLS, settings

# The fields that may stand for the option.
FIELDS = ("reasoning_effort", "reasoning", "thinking", "output_config", "think", "chat_template_kwargs", "max_tokens")
ON, OFF = {"thinking": {"type": "enabled"}}, {"thinking": {"type": "disabled"}}
ADAPTIVE = {"type": "adaptive", "display": "summarized"}
BUDGETS = {"minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}


def plain(*levels: str, **words: Any) -> dict[Any, Any]:
    """Return the fields of OpenAI's form for each level; `words` are levels that go out as another."""
    return {name: {"reasoning_effort": word} for name, word in {**dict.fromkeys(levels), **words}.items() if word} | {
        name: {"reasoning_effort": name} for name in levels
    }


def adaptive(**words: str) -> dict[Any, Any]:
    made = {name: {"thinking": ADAPTIVE, "output_config": {"effort": word}} for name, word in words.items()}
    return {name: {**fields, "max_tokens": 8192} for name, fields in made.items()}


def budgeted(tokens: int) -> dict[str, Any]:
    return {"thinking": {"type": "enabled", "budget_tokens": tokens}, "max_tokens": 8192 + tokens}


def switched(enabled: bool) -> dict[str, Any]:
    return {"chat_template_kwargs": {"enable_thinking": enabled}}


def level(word: str) -> dict[str, Any]:
    return {"thinkingLevel": word, "includeThoughts": True}


def tokens(number: int) -> dict[str, Any]:
    return {"thinkingBudget": number, "includeThoughts": number > 0}


CLAUDE = adaptive(minimal="low", low="low", medium="medium", high="high")
OLD_CLAUDE = {name: budgeted(number) for name, number in BUDGETS.items()} | {2000: budgeted(2000)}
GEMINI_BUDGETS = {name: tokens(number) for name, number in {**BUDGETS, 7: 7, 2000: 2000}.items()}
NONE = {"none": {**OFF, "max_tokens": 8192}}
LOW_OR_HIGH = {"minimal": "low", "low": "low", "medium": "high", "high": "high"}
TEMPLATE = {"none": switched(False)} | {
    name: {**switched(True), "reasoning_effort": word}
    for name, word in {"minimal": "low", "low": "low", "medium": "medium", "high": "high"}.items()
}
SWITCH = {name: ON if name != "none" else OFF for name in EFFORTS}
# The providers, the models, and the fields for each value that goes out; any other value is refused.
TABLE: list[tuple[str, str, dict[Any, dict[str, Any]]]] = [
    ("openai", "m gpt-5.2 gpt-5.5", plain(*EFFORTS)),
    ("openai", "gpt-5 gpt-5-mini gpt-5-2025-08-07 o3 o4-mini", plain("minimal", "low", "medium", "high")),
    ("openai", "gpt-5.1 gpt-5.6-sol", plain("none", "low", "medium", "high")),
    ("openai", "gpt-5-pro", plain("high")),
    ("openai", "gpt-5.2-pro gpt-5.4-pro-2026-03-05", plain("medium", "high")),
    ("openai", "gpt-5.1-codex gpt-5.1-codex-max gpt-6-astra", plain("low", "medium", "high")),
    ("openai", "gpt-5.1-chat-latest gpt-5.2-chat", plain("medium")),
    ("openai", "gpt-4o gpt-4.1-mini chatgpt-4o-latest gpt-3.5-turbo gpt-5-chat-latest", {}),
    ("openai-responses", "m gpt-5.2", {name: {"reasoning": {"effort": name}} for name in EFFORTS}),
    ("openai-responses", "gpt-5", {name: {"reasoning": {"effort": name}} for name in EFFORTS[1:]}),
    ("openai-responses", "gpt-5.2-pro", {name: {"reasoning": {"effort": name}} for name in ("medium", "high")}),
    ("openai-responses", "gpt-4o", {}),
    ("azure-openai", "m", plain(*EFFORTS)),
    ("anthropic", "claude-opus-4-6 claude-sonnet-4-7 claude-haiku-5 claude-opus-5", CLAUDE | NONE),
    ("anthropic", "claude-opus-5-5 claude-sonnet-5-5-20261001 claude-fable-5-1 claude-mythos", CLAUDE),
    ("anthropic", "claude-opus-4-5 claude-opus-4-20250514 claude-3-7-sonnet-latest", OLD_CLAUDE | NONE),
    ("anthropic", "claude-3-5-haiku-latest claude-3-opus-20240229 claude-2.1", NONE),
    ("anthropic", "m", CLAUDE | NONE | {2000: budgeted(2000)}),
    ("gemini", "gemini-2.5-flash gemini-2.0-flash",
     GEMINI_BUDGETS | {"none": tokens(0)}),
    ("gemini", "gemini-2.5-pro", GEMINI_BUDGETS),
    ("gemini", "m gemini-flash-latest", {name: level(name.upper()) for name in EFFORTS[1:]}
     | {name: tokens(number) for name, number in (("none", 0), (7, 7), (2000, 2000))}),
    ("gemini", "gemini-3-flash-preview", {name: level(name.upper()) for name in EFFORTS[1:]}),
    ("gemini", "gemini-3-pro-preview gemini-3.1-pro", {name: level(name.upper()) for name in EFFORTS[2:]}),
    ("ollama", "m qwen3:8b", {name: {"think": name != "none"} for name in EFFORTS}),
    ("ollama", "gpt-oss:20b", {"minimal": {"think": "low"}} | {name: {"think": name} for name in EFFORTS[2:]}),
    ("cohere", "m command-a-reasoning",
     {name: {"thinking": {"type": "enabled", "token_budget": number}} for name, number in BUDGETS.items()}
     | {"none": OFF, 7: {"thinking": {"type": "enabled", "token_budget": 7}},
        2000: {"thinking": {"type": "enabled", "token_budget": 2000}}}),
    ("mistral", "m mistral-large-latest", plain(*EFFORTS)),
    ("mistral", "mistral-small-4 mistral-medium-3-5", plain("none", "high")),
    ("mistral", "magistral-medium-latest", {}),
    ("groq", "m", plain(*EFFORTS)),
    ("groq", "openai/gpt-oss-120b", plain("low", "medium", "high", minimal="low")),
    ("groq", "qwen/qwen3-32b", plain("none", **dict.fromkeys(EFFORTS[1:], "default"))),
    ("openrouter", "m anthropic/claude-opus-5-5", {name: {"reasoning": {"effort": name}} for name in EFFORTS}
     | {number: {"reasoning": {"max_tokens": number}} for number in (7, 2000)}),
    ("deepseek", "m deepseek-chat deepseek-v4",
     {"none": OFF} | {name: {**ON, "reasoning_effort": "high"} for name in EFFORTS[1:]}),
    ("moonshot", "kimi-k2.6", SWITCH),
    ("moonshot", "kimi-k3", plain(**LOW_OR_HIGH)),
    ("moonshot", "m moonshot-v1-8k", plain(*EFFORTS)),
    ("zai", "glm-4.6 glm-5", SWITCH),
    ("zai", "glm-5.2 glm-5.3-air",
     {"none": OFF} | {name: {**ON, "reasoning_effort": word} for name, word in LOW_OR_HIGH.items()}),
    ("zai", "m", plain(*EFFORTS)),
    ("xai", "m grok-4.3 grok-3-mini", plain("none", "low", "medium", "high", minimal="low")),
    ("xai", "grok-4.5", plain("low", "medium", "high", minimal="low")),
    ("xai", "grok-4 grok-4-0709 grok-4-fast-reasoning grok-3 grok-code-fast-1", {}),
    ("vllm", "m", TEMPLATE),
    ("llamacpp", "m", TEMPLATE),
    *((name, "m", plain(*EFFORTS)) for name in DIALECTS if name not in (
        "openrouter", "groq", "deepseek", "mistral", "moonshot", "zai", "xai", "azure-openai", "vllm", "llamacpp")),
]  # fmt: skip
VALUES = (*EFFORTS, 7, 2000)


def sent(server: Emulator) -> dict[str, Any]:
    """Return the fields of the last request that stand for the option."""
    body = json.loads(server.exchanges[-1].body)
    config = body.get("generationConfig", {}).get("thinkingConfig")
    return config or {name: body[name] for name in FIELDS if name in body}


@pytest.mark.parametrize("name", PROTOCOLS + DIALECTS)
def test_an_effort_goes_out_or_is_refused(name: str, server: Emulator) -> None:
    call = settings(name, server) | {"client": httpx.Client(transport=Wire(server))}
    server.script = Script(dialect=HABITS.get(name, "openai" if name == "openai" else None))
    rows = [(model, fields) for row, models, fields in TABLE if row == name for model in models.split()]
    assert rows
    for model, fields in rows:
        for given in VALUES:
            asked = {**call, "model": model, "reasoning_effort": given}
            wanted = fields.get(given)
            before = len(server.exchanges)
            if wanted is None:
                with pytest.raises(g4flite.OptionError, match=rf"^{name}: .*reasoning_effort=") as caught:
                    g4flite.stream(name, "Hi", **asked)
                assert repr(model) in str(caught.value) or "at least 1024 tokens" in str(caught.value)
                advised = {level for level in EFFORTS if repr(level) in str(caught.value).partition("pass ")[2]}
                assert advised <= fields.keys(), (model, given)
                assert len(server.exchanges) == before
                continue
            answer = g4flite.stream(name, "Hi", **asked)
            assert answer.text() == "You said: Hi", (model, given)
            assert sent(server) == wanted, (model, given)


def test_what_is_translated_away_is_told(server: Emulator) -> None:
    for name, model, given, word in (
        ("anthropic", "claude-opus-5", "minimal", "'low'"), ("groq", "qwen/qwen3-32b", "low", "'default'"),
        ("ollama", "qwen3", "medium", "True"), ("deepseek", "deepseek-v4", "low", "'high'"),
        ("moonshot", "kimi-k3", "medium", "'high'"), ("moonshot", "kimi-k2", "high", "'enabled'"),
        ("zai", "glm-5.2", "minimal", "'low'"), ("xai", "grok-4.3", "minimal", "'low'"),
        ("vllm", "m", "minimal", "'low'"),
    ):  # fmt: skip
        answer = g4flite.stream(name, "Hi", **{**settings(name, server), "model": model}, reasoning_effort=given)
        answer.text()
        told = f"reasoning_effort={given!r} goes out as {word}, because the model knows no such level"
        assert answer.dropped == (told,), name
    for name, model, given in (("gemini", "gemini-3-pro", "low"), ("gemini", "gemini-2.5-pro", "low"),
                               ("cohere", "m", "low"), ("deepseek", "m", "high"), ("ollama", "m", "none"),
                               ("groq", "qwen/qwen3-32b", "none"), ("zai", "glm-4.6", "none")):  # fmt: skip
        answer = g4flite.stream(name, "Hi", **{**settings(name, server), "model": model}, reasoning_effort=given)
        answer.text()
        assert answer.dropped == (), name


# What a service refuses of a request that goes around the rules, in `extra=`.
REFUSED: list[tuple[str, str, dict[str, Any], str]] = [
    ("openai", "gpt-5 o3", {"reasoning_effort": "none"}, "'none' is not supported with this model"),
    ("openai", "gpt-5.1 gpt-5.6", {"reasoning_effort": "minimal"}, "'minimal' is not supported with this model"),
    ("openai", "gpt-5.2-pro gpt-5.1-codex", {"reasoning_effort": "none"}, "'none' is not supported with this model"),
    ("openai", "gpt-5.2-chat", {"reasoning_effort": "high"}, "'high' is not supported with this model"),
    ("openai-responses", "gpt-5.4-pro", {"reasoning": {"effort": "low"}}, "is not supported with this model"),
    ("openai", "gpt-5.5", {"temperature": 0.2}, "'temperature' is not supported with this model"),
    ("openai", "gpt-5.1", {"top_p": 0.2, "reasoning_effort": "xhigh"}, "'top_p' is not supported with this model"),
    ("openai-responses", "gpt-5.1", {"temperature": 0.2, "reasoning": {"effort": "low"}}, "'temperature' is not supp"),
    ("openai", "gpt-5-pro gpt-5-chat-latest", {"reasoning_effort": "low"}, "'low' is not supported with this model"),
    ("openai", "gpt-4o", {"reasoning_effort": "low"}, "Unrecognized request argument supplied: reasoning_effort"),
    ("openai-responses", "gpt-5", {"reasoning": {"effort": "none"}}, "is not supported with this model"),
    ("openai-responses", "gpt-4o", {"reasoning": {"effort": "low"}}, "'reasoning.effort' is not supported with this"),
    ("anthropic", "claude-opus-4-5", {"thinking": {"type": "enabled", "budget_tokens": 9000}}, "`max_tokens` must be"),
    ("anthropic", "claude-opus-4-5", {"thinking": {"type": "enabled", "budget_tokens": 1000}}, "at least 1024"),
    ("anthropic", "m", {"output_config": {"effort": "minimal"}}, "output_config.effort: expected one of low"),
    ("gemini", "gemini-2.5-pro", {"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}}, "Budget 0 is"),
    ("gemini", "gemini-3-pro gemini-2.5-flash", {"generationConfig": {"thinkingConfig": {"thinkingLevel": "MINIMAL"}}},
     "Thinking level MINIMAL is not supported for this model."),
    ("ollama", "qwen3", {"think": "medium"}, 'think value "medium" is not supported for this model'),
    ("groq", "qwen/qwen3-32b", {"reasoning_effort": "low"}, "must be one of `none` or `default`"),
    ("groq", "openai/gpt-oss-20b", {"reasoning_effort": "none"}, "must be one of `low`, `medium`, or `high`"),
    ("mistral", "magistral-small", {"reasoning_effort": "high"}, "reasoning_effort is not supported for this model"),
    ("mistral", "mistral-small-4", {"reasoning_effort": "low"}, "must be one of none, high"),
]  # fmt: skip


def test_the_services_refuse_what_goes_around_the_rules(server: Emulator) -> None:
    for name, models, extra, said in REFUSED:
        for model in models.split():
            call = {**settings(name, server), "model": model}
            server.script = Script(dialect=HABITS.get(name, "openai" if name == "openai" else None))
            with pytest.raises(g4flite.StatusError) as caught:
                g4flite.stream(name, "Hi", extra=extra, **call).text()
            assert said in str(caught.value), (name, model)


def test_extra_wins_over_the_option(server: Emulator) -> None:
    call = {**settings("anthropic", server), "model": "claude-opus-4-5"}
    extra = {"thinking": {"type": "disabled", "budget_tokens": None}}
    # The model does not think, so it takes the demand for a tool.
    g4flite.stream("anthropic", "Hi", reasoning_effort="low", temperature=0.5, extra=extra, **call).text()
    assert sent(server)["thinking"] == extra["thinking"]


def test_a_model_that_thinks_takes_no_temperature_and_no_demand_for_a_tool(driver: Driver, server: Emulator) -> None:
    tools = [{"type": "function", "function": {"name": "now"}}]
    for name, model, given, options, said in (
        ("anthropic", "claude-opus-4-5", "low", {"temperature": 0.5}, "temperature=0.5"),
        ("anthropic", "claude-sonnet-4-6", "low", {"temperature": 0.5}, "temperature=0.5"),
        ("anthropic", "claude-opus-4-5", 2000, {"tool_choice": "required"}, "tool_choice='required'"),
        ("moonshot", "kimi-k2.6", "low", {"tool_choice": "required"}, "tool_choice='required'"),
        ("deepseek", "deepseek-v4", "high", {"tool_choice": "required"}, "tool_choice='required'"),
    ):  # fmt: skip
        call = {**settings(name, server), "model": model, "tools": tools, **options}
        with pytest.raises(g4flite.OptionError, match=f"{name}: {said} is refused by the model '{model}' while it thi"):
            driver.collect(name, "Hi", reasoning_effort=given, **call)
        assert server.connections == 0
    for name, model, options in (
        ("anthropic", "claude-sonnet-4-6", {"temperature": 0.5}),
        ("moonshot", "kimi-k2.6", {"tool_choice": "required"}),
        ("deepseek", "deepseek-v4", {"tool_choice": "required"}),
    ):  # fmt: skip
        call = {**settings(name, server), "model": model, "tools": tools, **options}
        assert "".join(driver.collect(name, "Hi", reasoning_effort="none", **call)) == "You said: Hi"


def test_what_a_model_refuses_while_it_reasons_goes_by_the_effort_that_goes_out(
    driver: Driver, server: Emulator
) -> None:
    for name, model, options, taken in (
        ("openai", "gpt-5.5", {"reasoning_effort": "none"}, True),
        ("openai", "gpt-5.5", {"extra": {"reasoning_effort": "none"}}, True),
        ("openai", "gpt-5.5", {"extra": {"reasoning_effort": "xhigh"}}, False),
        ("openai", "gpt-5.2", {"reasoning_effort": "none", "extra": {"reasoning_effort": "low"}}, False),
        ("openai-responses", "gpt-5.2", {"reasoning_effort": "high"}, False),
        ("openai-responses", "gpt-5.2", {"extra": {"reasoning": {"effort": "low"}}}, False),
        ("openai-responses", "gpt-5.2", {"reasoning_effort": "low", "extra": {"reasoning": {"a": "b"}}}, False),
        ("openai-responses", "gpt-5.6", {"extra": {"reasoning": {"effort": "none"}}}, True),
    ):  # fmt: skip
        call = {**settings(name, server), "model": model, "temperature": 0.2, **options}
        server.script = Script(dialect=HABITS.get(name, "openai" if name == "openai" else None))
        if taken:
            assert "".join(driver.collect(name, "Hi", **call)) == "You said: Hi", options
            continue
        before = server.connections
        with pytest.raises(g4flite.OptionError, match=r"it thinks; leave it out, or pass 1 or reasoning_effort='none'"):
            driver.collect(name, "Hi", **call)
        assert server.connections == before


def test_a_budget_leaves_room_for_the_answer() -> None:
    def ask(given: Any, **options: Any) -> None:
        g4flite.stream("anthropic", "Hi", model="claude-opus-4-5", api_key="k", reasoning_effort=given, **options)

    ask("medium", max_tokens=8193)
    with pytest.raises(
        g4flite.OptionError, match="max_tokens=8192 must be above 8192, the budget of reasoning_effort="
    ):
        ask("medium", max_tokens=8192)
    with pytest.raises(g4flite.OptionError, match="must be at least 1024 tokens for this service, not 1023"):
        ask(1023)
    for wrong, said in (("xhigh", "reasoning_effort= must be 'none', "), (True, "must be of the type str or int")):
        with pytest.raises(g4flite.OptionError, match=said):
            ask(wrong)


def test_every_open_provider_takes_an_effort() -> None:
    assert all("reasoning_effort" in providers.find(name).options for name in PROTOCOLS + DIALECTS)
