"""The error for a provider's name that is none says which provider is meant, by people's names and by models' names."""

from typing import Any

import pytest

import g4flite
from g4flite import providers
from g4flite.providers.other_names import LOCAL, MODELS, NICKNAMES
from tests.rows import rows

MEANT = {
    "claude": "'anthropic'", "google": "'gemini'", "azure": "'azure-openai'", "hf": "'huggingface'",
    "chatgpt": "'openai'", "grok": "'xai'", "kimi": "'moonshot'", "Claude": "'anthropic'",
    "local": "'ollama' or 'llamacpp' or 'lmstudio' or 'vllm'", "llama.cpp": "'llamacpp'", "openia": "'openai'",
}  # fmt: skip


@rows("word", MEANT)
def test_a_name_that_people_use_is_known(word: str) -> None:
    with pytest.raises(g4flite.ProviderNotFoundError) as caught:
        g4flite.stream(word, "Hi")
    assert str(caught.value) == f"there is no provider '{word}' (did you mean {MEANT[word]}?)"


@rows(
    ("text", "provider", "model"),
    [("gpt-4o-mini", "openai", "gpt-4o-mini"), ("o3", "openai", "o3"), ("claude-x-9", "anthropic", "claude-x-9"),
     ("gemini-9-flash", "gemini", "gemini-9-flash"), ("Grok-5", "xai", "Grok-5"), ("kimi-k2", "moonshot", "kimi-k2"),
     ("llama3.2", "ollama", "llama3.2"), ("qwen3:8b", "ollama", "qwen3:8b"), ("command-r", "cohere", "command-r"),
     ("openai/gpt-x", "openai", "gpt-x"), ("anthropic:claude-x", "anthropic", "claude-x"),
     ("google/gemini-x", "gemini", "gemini-x"), ("openrouter/a/b", "openrouter", "a/b")],
)  # fmt: skip
def test_a_model_s_name_in_place_of_a_provider_names_the_provider(text: str, provider: str, model: str) -> None:
    with pytest.raises(g4flite.ProviderNotFoundError) as caught:
        g4flite.stream(text, "Hi")
    assert str(caught.value) == (
        f"there is no provider {text!r}: {model!r} is a model of {provider}; ask {provider!r}, and name the model with "
        "model="
    )


@rows("word", ["zzz", "meta-llama/Llama-3", "/", "gpt-oss", "a/"])
def test_any_other_word_is_answered_with_the_list(word: str) -> None:
    with pytest.raises(g4flite.ProviderNotFoundError) as caught:
        g4flite.stream(word, "Hi")
    assert str(caught.value).startswith(f"there is no provider {word!r}; the providers are openai, ")


def test_every_name_in_the_tables_is_a_provider_s_and_no_nickname_is_one() -> None:
    known = {*providers.names()}
    assert {*NICKNAMES.values(), *LOCAL, *(name for _, name in MODELS)} <= known
    assert not known & {*NICKNAMES}


@rows("messages", ["Why is the sky blue?", [{"role": "user", "content": "Hi"}], "two\nlines"])
def test_messages_in_the_place_of_the_provider_are_told(messages: Any) -> None:
    with pytest.raises(g4flite.ProviderNotFoundError, match="; the provider comes first, then the messages$"):
        g4flite.stream(messages, "openai", model="m")
