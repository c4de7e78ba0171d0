"""What the emulator answers to a request for JSON, protocol by protocol."""

from __future__ import annotations

import json
from typing import Any

import pytest

import g4flite
from g4flite.server.checks import Refusal
from g4flite.testing import Emulator, Script
from g4flite.testing.structured import structured
from tests.conftest import Driver
from tests.rows import rows

SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {"type": "array", "items": {"$ref": "#/$defs/day"}},
        "unit": {"enum": ["C", "F"]},
        "rain": {"anyOf": [{"type": "null"}, {"type": "boolean"}]},
    },
    "required": ["city", "days", "unit", "rain"],
    "additionalProperties": False,
    "$defs": {"day": {"type": "object", "properties": {"high": {"type": "integer"}, "low": {"type": "number"}},
                      "required": ["high", "low"], "additionalProperties": False}},
}  # fmt: skip
FORM = {"type": "json_schema", "json_schema": {"name": "weather", "schema": SCHEMA}}
VALUE = {"city": "text", "days": [{"high": 1, "low": 1}], "unit": "C", "rain": True}
PROVIDERS = {"openai": "/v1", "openai-responses": "/v1", "gemini": "", "ollama": "", "cohere": ""}


@rows("name", PROVIDERS)
def test_the_answer_fits_the_schema(name: str, driver: Driver, server: Emulator) -> None:
    settings: dict[str, Any] = {"model": "m", "api_key": "key", "base_url": server.url + PROVIDERS[name]}
    assert json.loads("".join(driver.collect(name, "Hi", response_format=FORM, **settings))) == VALUE
    assert "".join(driver.collect(name, "Hi in JSON", response_format={"type": "json_object"}, **settings)) == "{}"
    assert "".join(driver.collect(name, "Hi", **settings)) == "You said: Hi"


def test_anthropic_s_form_has_the_schema_in_the_output_config(server: Emulator) -> None:
    extra = {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}
    stream = g4flite.stream("anthropic", "Hi", model="m", api_key="key", base_url=server.url, extra=extra)
    assert json.loads(stream.text()) == VALUE


def test_a_reply_function_and_a_problem_say_what_they_say(server: Emulator) -> None:
    settings: dict[str, Any] = {"model": "m", "base_url": server.url, "response_format": FORM, "retries": 0}
    server.script = Script(problem="overloaded")
    with pytest.raises(g4flite.OverloadedError):
        g4flite.stream("ollama", "Hi", **settings).text()
    server.script, server.reply = Script(), lambda _: "Mine"
    assert g4flite.stream("ollama", "Hi", **settings).text() == "Mine"


def test_text_and_no_form_want_no_json() -> None:
    assert structured({}) is structured({"response_format": {"type": "text"}}) is None


@pytest.mark.parametrize("schema", [{"properties": 1}, {"type": 1}])
def test_a_schema_that_is_none_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(Refusal, match="response_format: expected a JSON Schema"):
        structured({"response_format": {"type": "json_schema", "json_schema": {"schema": schema}}})
