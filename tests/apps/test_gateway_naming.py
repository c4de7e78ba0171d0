"""The name of the model in an answer that is passed on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from g4flite.apps.gateway.asgi import Gateway
from g4flite.apps.gateway.naming import LONGEST, Naming
from g4flite.apps.gateway.wires import ANTHROPIC, CHAT, GEMINI, OLLAMA, RESPONSES, Wire
from g4flite.testing import Emulator, Reasoning, ToolCall
from tests.rows import rows

from .gateways import WIRES, client, served

SAME = {"chat": "openai", "responses": "openai-responses", "anthropic": "anthropic", "gemini": "gemini",
        "ollama": "ollama"}  # fmt: skip
NESTED = b'{"x":[{"model":"m"}],"y":{"model":"m","z":"\\"model\\":\\"m\\""},"model" :\n"m\\"","w":{"model":"m"}}'


@rows(("wire", "given", "expected"), [
    (CHAT, b'data: {"id":"1","model":"m","choices":[]}\n\n', b'data: {"id":"1","model":"fast","choices":[]}\n\n'),
    (CHAT, b"data: %s\n\n" % NESTED, b"data: %s\n\n" % NESTED.replace(b'\n"m\\""', b'\n"fast"')),
    (CHAT, b'data: {"choices":[{"delta":{"content":"model"}}]}', None), (CHAT, b"data: [DONE]\n\n", None),
    (CHAT, b'data: {"model":null,"x":"model"}', None), (CHAT, b'data: "model"', None),
    (CHAT, b'data: {"choices":[]}\n\ndata: {"model":"m"}', None),
    (CHAT, b'{"choices": [], "model": "\\u0041", "x": 1}', b'{"choices": [], "model": "fast", "x": 1}'),
    (RESPONSES, b'event: response.created\ndata: {"response":{"tools":[{"model":"i"}],"model":"m"}}',
     b'event: response.created\ndata: {"response":{"tools":[{"model":"i"}],"model":"fast"}}'),
    (ANTHROPIC, b'data: {"message":{"content":[{"input":{"model":"m"}}],"model":"m"}}',
     b'data: {"message":{"content":[{"input":{"model":"m"}}],"model":"fast"}}'),
    (OLLAMA, b'{"message":{"tool_calls":[{"function":{"arguments":{"model":"m"}}}]}}', None),
    (GEMINI, b'data: {"candidates":[{"content":{"role":"model"}}],"modelVersion":"m"}\r\n\r\n',
     b'data: {"candidates":[{"content":{"role":"model"}}],"modelVersion":"fast"}\r\n\r\n'),
])  # fmt: skip
def test_the_name_is_found_by_its_place(wire: Wire, given: bytes, expected: bytes | None) -> None:
    named = Naming(wire, "fast")
    for _ in range(2):
        assert named(given) == (given if expected is None else expected)


def test_events_that_begin_alike_and_those_that_do_not() -> None:
    named = Naming(CHAT, 'f"\u00e4')
    for start in (
        b'{"id":"1","model":"m"',
        b'{"id":"1","model":"m"',
        b'{"id":"2","model":"m"',
        b'{"id":"1","model":"n"',
    ):
        found = named(b'data: %s,"choices":[{"model":"m"}]}\n\n' % start)
        assert json.loads(found[6:]) == {**json.loads(start + b"}"), "model": 'f"\u00e4', "choices": [{"model": "m"}]}


def test_a_long_beginning_is_not_kept() -> None:
    named = Naming(CHAT, "fast")
    for _ in range(2):
        assert named(b'{"x":"%s","model":"m"}' % (b"x" * LONGEST)).endswith(b'","model":"fast"}')
    assert not named._begins


@pytest.fixture(scope="module")
def place() -> Iterator[tuple[str, str]]:
    said = [Reasoning("Hm"), '{"model":"m"}', ToolCall("c1", "f", '{"model": "m"}')]
    with Emulator(lambda _: said, clock=lambda: 1_790_000_000.0) as service:
        known = {name: [client(provider, service)] for name, provider in SAME.items()}
        with served(Gateway(known)) as url:
            yield service.url, url


@rows(("wire", "stream"), [(wire, stream) for wire in SAME for stream in (True, False)])
def test_the_answer_has_the_name_that_was_asked_for_and_else_it_comes_as_it_was(
    wire: str, stream: bool, place: tuple[str, str]
) -> None:
    service, gateway = place
    key, version = "sk-upstream", "2023-06-01"
    headers = {"authorization": f"Bearer {key}", "x-goog-api-key": key, "anthropic-version": version}
    more: Any = {"stream_options": {"include_usage": True}} if wire == "chat" and stream else {}
    own, through = (
        httpx.post(
            WIRES[wire].url(url, name, stream=stream),
            json=WIRES[wire].question(name, "Hello", stream=stream, **more),
            headers=headers,
        ).text
        for url, name in ((service, "m"), (gateway, wire))
    )
    marks = ('"model":"%s"', '"model": "%s"', '"modelVersion":"%s"', '"modelVersion": "%s"')
    assert through != own
    # What a tool is called with has a model of its own, where the protocol writes it as an object.
    kept = own.replace('{"model":"m"}', "{0}").replace('{"model": "m"}', "{1}")
    for mark in marks:
        kept = kept.replace(mark % "m", mark % wire)
    assert through == kept.replace("{0}", '{"model":"m"}').replace("{1}", '{"model": "m"}')
