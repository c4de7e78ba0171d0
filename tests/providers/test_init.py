"""The table of the providers: a name finds its provider, and `register` adds a provider."""

import dataclasses

import pytest

import g4flite
from g4flite import providers
from tests.acme import ACME


def test_register_makes_a_provider_known_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "_TABLE", dict(providers._TABLE))
    g4flite.register(ACME)
    assert providers.find("acme") is ACME
    assert providers.names()[-1] == "acme"
    other = dataclasses.replace(ACME, base_url="http://other.test")
    with pytest.raises(g4flite.SpecError, match="acme: the name is taken"):
        g4flite.register(other)
    assert providers.find("acme") is ACME
    g4flite.register(other, replace=True)
    assert providers.find("acme") is other


def test_register_refuses_a_value_that_is_not_a_provider() -> None:
    with pytest.raises(g4flite.SpecError, match="only a Provider can be registered, not str"):
        g4flite.register("acme")  # type: ignore[arg-type]


def test_the_error_for_an_unknown_provider_suggests_the_nearest_name() -> None:
    with pytest.raises(g4flite.ProviderNotFoundError) as caught:
        providers.find("cromicel")
    assert str(caught.value) == "there is no provider 'cromicel' (did you mean 'cromicle'?)"
    known = "there is no provider 'zzz'; the providers are openai, .* cromicle, free2gpt, gprochat, flowgpt$"
    with pytest.raises(g4flite.ProviderNotFoundError, match=known):
        g4flite.stream("zzz", "Hi")
    with pytest.raises(g4flite.ProviderNotFoundError, match="not int"):
        g4flite.stream(3, "Hi")  # type: ignore[arg-type]


def test_dir_lists_the_constants_of_the_providers() -> None:
    assert {"OPENAI", "AZURE_OPENAI", "find"} <= {*dir(providers)}
    with pytest.raises(AttributeError, match="has no attribute 'openai_'"):
        providers.openai_  # noqa: B018
