"""From arguments to a call, and from a call to a request: models, options, URLs, headers, payloads."""

import dataclasses
import time
from dataclasses import replace
from typing import Any

import pytest

import g4flite
from g4flite import Call, providers
from g4flite._core.request import build, first_request, request_for_attempt
from tests.acme import ACME, call
from tests.rows import rows


@rows(
    ("asked", "resolved"),
    [(None, "gpt-3.5-turbo"), ("gemini", "google-gemini"), ("gemini-pro", "google-gemini"), ("claude-v2", "claude-v2")],
)
def test_a_model_is_found_by_default_by_alias_and_by_name(asked: str | None, resolved: str) -> None:
    assert call(providers.FLOWGPT, model=asked).model == resolved


def test_the_provider_s_default_model_is_used_if_the_provider_has_a_default() -> None:
    assert call(dataclasses.replace(providers.FLOWGPT, default_model="claude-v1")).model == "claude-v1"
    assert call(ACME).model is None
    assert call(ACME, model="anything").model == "anything"


@rows("model", ["", ".", "..", "a\r\nb", "a\x00", 3])
def test_a_model_s_name_that_cannot_be_sent_is_refused(model: Any) -> None:
    with pytest.raises(g4flite.ModelNotFoundError, match="flowgpt: model= must be a string that is not empty"):
        g4flite.stream("flowgpt", "Hi", model=model)


def test_the_error_for_an_unknown_model_lists_the_models() -> None:
    with pytest.raises(g4flite.ModelNotFoundError) as caught:
        g4flite.stream("flowgpt", "Hi", model="GPT-3.5-turbo")
    assert "no model 'GPT-3.5-turbo' (did you mean 'gpt-3.5-turbo'?); the models are gpt-3.5-turbo" in str(caught.value)
    assert "Dolphin-2.6-8x7B" in str(caught.value)


@rows("model", ["gemini-2.5-flash", "models/gemini-2.5-flash",
                                   "publishers/google/models/gemini-2.5-flash"])  # fmt: skip
def test_gemini_s_models_may_be_named_as_the_service_lists_them(model: str) -> None:
    asked = call(providers.GEMINI, model=model, api_key="k")
    assert asked.model == "gemini-2.5-flash"
    assert "/v1beta/models/gemini-2.5-flash:streamGenerateContent" in build(asked).url
    assert call(providers.GEMINI, model="models/", api_key="k").model == "models/"
    # Elsewhere it may be a part of the name.
    assert call(providers.OPENROUTER, model=model, api_key="k").model == model


def test_options_are_checked_by_name_and_type() -> None:
    assert call(options={"temperature": 1, "tools": None, "debug": True}).options == {"temperature": 1, "debug": True}
    with pytest.raises(
        g4flite.OptionError, match=r"'temprature' \(did you mean 'temperature'\?\); it takes temperature"
    ):
        g4flite.stream("flowgpt", "Hi", temprature=1)
    with pytest.raises(g4flite.OptionError, match="no option 'temperature'; it takes no options"):
        g4flite.stream("cromicle", "Hi", temperature=1)
    with pytest.raises(g4flite.OptionError, match="acme: temperature= must be of the type int or float, not str"):
        call(options={"temperature": "hot"})
    with pytest.raises(g4flite.OptionError, match="not bool"):
        call(options={"temperature": True})
    with pytest.raises(g4flite.OptionError, match="temperature= must be a finite number, not nan"):
        call(options={"temperature": float("nan")})


@rows("headers", [[("a", "b")], "a: b", 3])
def test_headers_that_are_not_a_mapping_are_refused(headers: Any) -> None:
    with pytest.raises(g4flite.OptionError, match="headers= must be a mapping of names to values, not"):
        g4flite.stream("cromicle", "Hi", headers=headers)


def test_the_environment_replaces_the_base_url_and_the_argument_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = dataclasses.replace(ACME, name="my-acme")
    monkeypatch.setenv("G4FLITE_MY_ACME_BASE_URL", "http://env.test/x/")
    assert call(spec).base_url == "http://env.test/x"
    assert call(spec, base_url="http://argument.test").base_url == "http://argument.test"
    monkeypatch.setenv("G4FLITE_MY_ACME_BASE_URL", "nonsense")
    with pytest.raises(g4flite.OptionError, match="from G4FLITE_MY_ACME_BASE_URL"):
        call(spec)
    monkeypatch.setenv("G4FLITE_MY_ACME_BASE_URL", "")
    assert call(spec).base_url == "http://acme.test"


def test_the_caller_s_headers_replace_the_provider_s_in_any_case_of_letters() -> None:
    request = build(call(headers={"Content-Type": "text/x", "X-Tab": "a\tb"}))
    assert request.headers == {"content-type": "text/x", "x-tab": "a\tb"}


def test_templates_are_filled_from_the_signer_and_quoted_in_the_url() -> None:
    spec = dataclasses.replace(
        ACME,
        url="{base_url}/models/{model}?n={nonce}",
        headers={"x-nonce": "{nonce}", "x-model": "{model}", "x-brace": "{{}}"},
        signer=lambda call: {"nonce": "a/b&c"},
    )
    request = build(call(spec, model="m/1 x", base_url="http://host.test/p"))
    assert request.url == "http://host.test/p/models/m%2F1%20x?n=a%2Fb%26c"
    assert request.headers == {"x-nonce": "a/b&c", "x-model": "m/1 x", "x-brace": "{}"}


def test_a_template_that_names_an_unknown_field_is_refused() -> None:
    spec = dataclasses.replace(ACME, headers={"x-nonce": "{nonce}"})
    with pytest.raises(g4flite.SpecError, match="names 'nonce', which the signer does not return; .* base_url, model"):
        build(call(spec))


@rows(
    ("signed", "complaint"),
    [
        *((value, f"signer returned a {type(value).__name__}; it must return a mapping") for value in (None, [1], "a")),
        *(({"nonce": value}, f"signer returned a {type(value).__name__} as 'nonce'") for value in (None, b"x", 1.5)),
        ({5: "x"}, "signer returned a str as 5"),
    ],
)
def test_a_signer_that_returns_no_fields_is_refused(signed: Any, complaint: str) -> None:
    with pytest.raises(g4flite.SpecError, match=f"^{complaint}"):
        build(call(dataclasses.replace(ACME, signer=lambda _: signed)))


def test_a_header_is_checked_after_its_template_is_filled() -> None:
    spec = dataclasses.replace(ACME, headers={"x-nonce": "{nonce}"}, signer=lambda call: {"nonce": "a\r\nb"})
    with pytest.raises(g4flite.OptionError, match="x-nonce holds a line break"):
        build(call(spec))


@rows("value", [float("nan"), float("inf"), {1}, b"x"])
def test_a_payload_that_is_not_json_is_refused(value: Any) -> None:
    spec = dataclasses.replace(ACME, payload=lambda call: {"x": value})
    with pytest.raises(g4flite.SpecError, match="the payload is not JSON"):
        build(call(spec))


def test_the_body_is_compact_json_in_utf_8() -> None:
    assert (
        build(call(messages="h\u00e9", options={"temperature": 0.5})).body
        == '{"prompt":"h\u00e9","temperature":0.5}'.encode()
    )


def test_the_repr_of_a_request_shows_no_header_and_no_body() -> None:
    request = build(call(headers={"authorization": "Bearer s3cret"}, messages="private"))
    assert repr(request) == "Request(url='http://acme.test/chat')"
    assert "s3cret" not in repr(call(headers={"authorization": "Bearer s3cret"}))


def test_the_error_says_what_in_extra_is_not_json() -> None:
    with pytest.raises(g4flite.OptionError, match="a field of extra= is not JSON: Object of type object"):
        build(call(ACME, extra={"x": object()}))


@pytest.mark.parametrize(("name", "meant"), [("retrys", "retries"), ("apikey", "api_key")])
def test_the_error_for_a_misspelt_argument_suggests_the_right_name(name: str, meant: str) -> None:
    with pytest.raises(
        g4flite.OptionError, match=rf"'{name}' \(did you mean '{meant}'\?\); it takes .*, and extra= for"
    ):
        g4flite.stream("openai", "Hi", model="m", api_key="sk-test-1", **{name: "1"})


def test_only_the_first_attempt_sends_the_first_request_and_only_within_a_second() -> None:
    signed: list[int] = []

    def sign(asked: Call) -> dict[str, str]:
        signed.append(asked.now_ms)
        return {"nonce": asked.random_hex(8)}

    spec = replace(ACME, signer=sign, headers={**ACME.headers, "x-nonce": "{nonce}"})
    asked = call(spec)
    first, made = first_request(asked), asked.now_ms
    assert request_for_attempt(asked, first, 0, made + 999) is first
    for attempt, late in ((0, made + 1000), (0, made - 1), (1, made)):
        assert request_for_attempt(asked, first, attempt, late) != first
    assert signed == [made, made + 1000, made - 1, made]


def test_the_first_request_is_sent_only_within_a_second() -> None:
    asked = call()
    first = first_request(asked)
    assert request_for_attempt(asked, first, 0, asked.now_ms) is first
    assert request_for_attempt(asked, first, 0, asked.now_ms + 999) is first
    for attempt, at in ((0, asked.now_ms + 1000), (0, asked.now_ms - 1), (1, asked.now_ms)):
        assert request_for_attempt(asked, first, attempt, at) is not first


def test_a_call_knows_the_time_in_milliseconds() -> None:
    assert abs(call().now_ms - time.time() * 1000) < 60_000
