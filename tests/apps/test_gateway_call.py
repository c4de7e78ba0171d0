"""One call through the gateway: its answer, its errors, who leaves, and the line of the log."""

from __future__ import annotations

import json
import queue
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.lowlevel
import httpx
import pytest

import g4flite
from g4flite import Client, OptionError
from g4flite.apps.gateway import call as call_module
from g4flite.apps.gateway.asgi import Gateway
from g4flite.apps.gateway.upstream import Upstream
from g4flite.testing import Emulator, Finish, Problem, Reasoning, Script, ToolCall, Usage, flight
from tests.apps.test_telemetry import Exported
from tests.rows import rows

from .gateways import PAIRS, PROVIDERS, WIRES, client, events, lines, routes, served

CALL = ToolCall("call_1", "weather", '{"city": "Oslo"}')
# Before the first event, inside events, behind the last text, and never.
CUTS = (0, 150, 260, 370, 480, 590, 1100)
FAILURES = (("authentication", 401), ("rate_limit", 429), ("overloaded", 503), ("server", 500))
SAID = [{"role": "user", "content": "x"}]
TOOL = {"name": "weather", "description": "Tells the weather", "parameters": {"type": "object", "properties": {}}}


class Place:
    """A gateway before an emulator, whose reply and script a test sets."""

    def __init__(self, service: Emulator, url: str, app: Gateway, log: queue.Queue[dict[str, Any]]) -> None:
        self.service, self.url, self.app, self.log = service, url, app, log
        self.http = httpx.Client(timeout=30)

    def ask(self, wire: str, model: str, text: str = "Hello", *, stream: bool = True, **more: Any) -> httpx.Response:
        spoken = WIRES[wire]
        body = spoken.question(model, text, stream=stream, **more)
        return self.http.post(spoken.url(self.url, model, stream=stream), json=body)

    def line(self, response: httpx.Response | None = None) -> dict[str, Any]:
        """Return the line of the log for a response, which comes behind its last byte; without one, the next line."""
        while True:
            line = self.log.get(timeout=10)
            if response is None or line["id"] == response.headers["x-request-id"]:
                return line


@pytest.fixture(scope="module")
def shared() -> Iterator[Place]:
    log: queue.Queue[dict[str, Any]] = queue.Queue()
    with Emulator() as service:
        app = Gateway(routes(service, retries=0), log=log.put)
        with served(app) as url:
            place = Place(service, url, app, log)
            with place.http:
                yield place


@pytest.fixture
def place(shared: Place) -> Iterator[Place]:
    echo = shared.service.reply
    yield shared
    shared.service.reply, shared.service.script, shared.app.keep_alive = echo, Script(), 10.0


def half(table: Sequence[Any], wire: str, provider: str) -> Sequence[Any]:
    """Return every second row of a table: of the pairs of a wire, and of a provider, one has these, the next the rest.

    What becomes of a reply is decided by the provider's parser, and then by the wire.
    """
    return table[PAIRS.index((wire, provider)) % 2 :: 2]


@rows(("wire", "provider"), PAIRS)
def test_every_wire_is_answered_by_every_provider(wire: str, provider: str, place: Place) -> None:
    response = place.ask(wire, provider)
    assert response.status_code == 200, response.text
    assert WIRES[wire].said(response.text) == "You said: Hello"
    assert WIRES[wire].ended(response.text)
    assert WIRES[wire].error(response.text) is None
    line = place.line(response)
    assert (line["outcome"], line["status"], line["provider"], line["model"]) == ("complete", 200, provider, provider)
    assert (line["prompt_tokens"], line["completion_tokens"], line["tokens"]) == (1, 3, "counted")
    assert 0 <= line["first_ms"] <= line["ms"]

    whole = place.ask(wire, provider, stream=False)
    assert WIRES[wire].whole(whole.json()) == "You said: Hello"
    assert place.line(whole)["outcome"] == "complete"


@rows("provider", PROVIDERS)
def test_the_tokens_are_told_in_each_form(provider: str, place: Place) -> None:
    place.service.reply = lambda _: ["Hello", Usage(7, 5)]
    chat = events(place.ask("chat", provider, stream_options={"include_usage": True}).text)[-1]
    assert (chat["choices"], chat["usage"]["prompt_tokens"], chat["usage"]["completion_tokens"]) == ([], 7, 5)
    assert not any(event.get("usage") for event in events(place.ask("chat", provider).text))
    responses = events(place.ask("responses", provider).text)[-1]["response"]["usage"]
    assert (responses["input_tokens"], responses["output_tokens"], responses["total_tokens"]) == (7, 5, 12)
    messages = events(place.ask("anthropic", provider).text)[-2]["usage"]
    assert (messages.get("input_tokens", 7), messages["output_tokens"]) == (7, 5)
    ollama = lines(place.ask("ollama", provider).text)[-1]
    assert (ollama["prompt_eval_count"], ollama["eval_count"]) == (7, 5)
    gemini = events(place.ask("gemini", provider).text)[-1]["usageMetadata"]
    assert (gemini["promptTokenCount"], gemini["candidatesTokenCount"]) == (7, 5)


def tools_of(wire: str) -> dict[str, Any]:
    match wire:
        case "responses":
            return {"tools": [{"type": "function", **TOOL}]}
        case "anthropic":
            return {"tools": [{"name": TOOL["name"], "input_schema": TOOL["parameters"]}]}
        case "gemini":
            # As the official client writes it.
            return {"tools": [{"functionDeclarations": [{**TOOL, "parameters": {"type": "OBJECT"}}]}]}
    return {"tools": [{"type": "function", "function": TOOL}]}


@rows(("wire", "provider"), [pair for pair in PAIRS if pair[0] != "generate"])
def test_a_tool_call_is_carried(wire: str, provider: str, place: Place) -> None:
    place.service.reply = lambda _: ["Let me look.", CALL]
    for stream in (True, False):
        response = place.ask(wire, provider, stream=stream, **tools_of(wire))
        assert response.status_code == 200, response.text
        assert '"weather"' in response.text
        assert "Oslo" in response.text
        assert "city" in response.text
        if stream:
            assert WIRES[wire].ended(response.text)
        assert place.line(response)["outcome"] == "complete"


@rows(("wire", "provider"), [(wire, provider) for wire in WIRES for provider in ("anthropic", "gemini", "ollama")])
def test_reasoning_is_carried(wire: str, provider: str, place: Place) -> None:
    place.service.reply = lambda _: [Reasoning("Let me think."), "Done"]
    for stream in (True, False):
        response = place.ask(wire, provider, stream=stream)
        assert "Let me think." in response.text
        said = WIRES[wire].said(response.text) if stream else response.text
        assert "Done" in said


@rows(("wire", "provider"), PAIRS)
def test_a_failure_before_the_first_text_has_its_status_and_the_form_of_the_wire(
    wire: str, provider: str, place: Place
) -> None:
    for kind, status in half(FAILURES, wire, provider):
        place.service.script = Script(problem=kind)
        wanted = 529 if (wire, kind) == ("anthropic", "overloaded") else status
        for stream in (True, False) if kind == "overloaded" else (True,):
            response = place.ask(wire, provider, stream=stream)
            assert response.status_code == (502 if kind == "server" else wanted), response.text
            assert provider in WIRES[wire].told(response.json())
            assert "sk-upstream" not in response.text
            line = place.line(response)
            assert (line["outcome"], line["status"]) == ("failed", response.status_code)
            assert provider in line["error"]


@rows(("wire", "provider"), PAIRS)
def test_a_failure_behind_the_first_text_is_told_in_the_stream(wire: str, provider: str, place: Place) -> None:
    place.service.reply = lambda _: ["One", " two", Problem("overloaded")]
    response = place.ask(wire, provider)
    assert response.status_code == 200
    assert WIRES[wire].said(response.text) == "One two"
    assert not WIRES[wire].ended(response.text)
    assert WIRES[wire].error(response.text)
    line = place.line(response)
    assert (line["outcome"], line["status"], line["tokens"]) == ("cut", 200, "estimated")
    # Without a stream, nothing was sent yet: the status is true.
    assert place.ask(wire, provider, stream=False).status_code >= 500


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.long)])
@rows(("wire", "provider"), PAIRS)
def test_a_cut_upstream_never_becomes_a_complete_answer(wire: str, provider: str, every: bool, place: Place) -> None:
    place.service.reply = lambda _: ["One", " two", " three"]
    whole = "One two three"
    for cut in range(0, 1500, 11) if every else half(CUTS, wire, provider):
        place.service.script = Script(cut=cut)
        response = place.ask(wire, provider)
        if response.status_code != 200:
            assert WIRES[wire].told(response.json())
            assert response.status_code >= 500
        elif (error := WIRES[wire].error(response.text)) is not None:
            assert error
            assert not WIRES[wire].ended(response.text)
            assert whole.startswith(WIRES[wire].said(response.text))
        else:
            assert WIRES[wire].ended(response.text), (cut, response.text)
            assert WIRES[wire].said(response.text) == whole, cut
        # The same for an answer that is not streamed, of which nothing is sent before its end.
        response = place.ask(wire, provider, stream=False)
        if response.status_code == 200:
            assert WIRES[wire].whole(response.json()) == whole, cut
        else:
            assert response.status_code >= 500
            assert WIRES[wire].told(response.json())


def test_the_next_provider_is_asked_if_one_fails_before_its_first_text(place: Place) -> None:
    with Emulator(script=Script(status=500)) as broken:
        log: queue.Queue[dict[str, Any]] = queue.Queue()
        chain = [client("anthropic", broken, retries=0), client("ollama", place.service)]
        with served(Gateway({"chain": chain, "none": [client("gemini", broken, retries=0)] * 2}, log=log.put)) as url:
            body = WIRES["chat"].question("chain", "Hello")
            response = httpx.post(WIRES["chat"].url(url, "chain"), json=body)
            assert WIRES["chat"].said(response.text) == "You said: Hello"
            line = log.get(timeout=10)
            assert (line["provider"], line["attempts"], line["outcome"]) == ("ollama", 2, "complete")
            response = httpx.post(WIRES["chat"].url(url, "none"), json={**body, "model": "none"})
            assert response.status_code == 502
            assert "none of 2 providers answered" in response.json()["error"]["message"]
            assert response.headers["x-should-retry"] == "false"


def test_observers_are_told_of_each_call_and_its_client_nothing_of_their_files(place: Place, tmp_path: Path) -> None:
    exported, before = Exported(), len(place.service.exchanges)
    with g4flite.observe(exported.telemetry, flight(tmp_path)):
        place.ask("chat", "openai")
        place.ask("anthropic", "gemini", stream=False)
        place.service.script = Script(cut=600)
        cut = place.ask("anthropic", "openai", "Hello " * 100)
        place.service.script = Script(status=500)
        refused = place.ask("chat", "openai")
    told = [(span.attributes["gen_ai.provider.name"], span.attributes.get("error.type")) for span in exported.spans]
    kinds = [None, None, "TruncatedStreamError", "StatusError"]
    assert told == [*zip(("openai", "gcp.gemini", "openai", "openai"), kinds, strict=True)]
    assert all("traceparent" in dict(sent.headers) for sent in place.service.exchanges[before:])
    assert len([*tmp_path.iterdir()]) == 2
    for response in (cut, refused):
        assert "error" in response.text
        assert str(tmp_path) not in response.text
        assert "replay" not in response.text


def connect(place: Place, wire: str, model: str, *, stream: bool) -> socket.socket:
    """Send a question over a bare socket."""
    spoken = WIRES[wire]
    request = httpx.Request(
        "POST", spoken.url(place.url, model, stream=stream), json=spoken.question(model, "Hello", stream=stream)
    )
    head = f"POST {request.url.raw_path.decode()} HTTP/1.1\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in request.headers.items()) + "\r\n"
    at = urlsplit(place.url)
    found = socket.create_connection((at.hostname or "", at.port or 0), timeout=10)
    found.sendall(head.encode() + request.content)
    return found


@rows(("wire", "stream", "said"), [
    (wire, stream, said) for wire in WIRES for stream in (True, False) for said in (0, 1)
])  # fmt: skip
def test_who_leaves_is_noticed_while_the_service_thinks(wire: str, stream: bool, said: int, place: Place) -> None:
    release, asked = threading.Event(), threading.Event()

    def slow(_: object) -> Iterator[str]:
        yield from ["Hello"] * said
        asked.set()
        release.wait(30)
        yield "late"

    place.service.reply = slow
    while not place.log.empty():
        place.log.get()
    try:
        with connect(place, wire, "ollama", stream=stream) as sock:
            assert asked.wait(10)
            if said and stream:
                assert b"200" in sock.recv(100)
        left = time.monotonic()
        # The line comes although the service has not said another word.
        line = place.line()
        assert (line["outcome"], time.monotonic() - left < 5) == ("left", True)
    finally:
        release.set()
    assert place.app.running == 0


@rows(("wire", "alive"), [("chat", ": alive"), ("responses", '"keepalive"'), ("anthropic", '{"type":"ping"}')])
def test_a_stream_shows_that_it_is_alive_while_the_service_thinks(wire: str, alive: str, place: Place) -> None:
    release, end = threading.Event(), threading.Event()

    def slow(_: object) -> Iterator[str]:
        release.wait(30)
        yield "Hello"
        end.wait(30)

    place.service.reply, place.app.keep_alive = slow, 0.05
    spoken = WIRES[wire]
    body = spoken.question("gemini", "Hi")
    with place.http.stream("POST", spoken.url(place.url, "gemini"), json=body) as response:
        text = ""
        for piece in response.iter_text():
            text += piece
            if alive in text:
                release.set()
            if alive in text.partition("Hello")[2]:
                end.set()
    assert text.index(alive) < text.index("Hello")
    assert spoken.said(text.replace(": alive\n", "")) == "Hello"


@rows(("wire", "reason", "complete"), [
    ("chat", Finish("length"), True), ("ollama", Finish("content_filter"), False), ("chat", Finish("pause"), False),
    ("chat", Finish("other", "odd"), True), ("anthropic", Finish("pause"), True),
])  # fmt: skip
def test_a_finish_reason_that_the_wire_cannot_tell_is_an_error(
    wire: str, reason: Finish, complete: bool, place: Place
) -> None:
    place.service.reply = lambda _: ["Hello", reason]
    provider = "anthropic" if reason.reason in ("pause", "other") else "openai"
    response = place.ask(wire, provider)
    assert WIRES[wire].ended(response.text) is complete
    assert (WIRES[wire].error(response.text) is None) is complete
    line = place.line(response)
    assert line["outcome"] == ("complete" if complete else "cut")
    assert ("notes" in line) is (reason.reason == "other")


@rows(("wire", "more", "status", "part"), [
    ("chat", {"n": 2}, 400, "n: expected none"),
    ("chat", {"n": 1, "store": True, "user": "me"}, 200, "store"),
    ("chat", {"logprobs": True}, 400, "logprobs"),
    ("chat", {"messages": []}, 400, "messages"),
    ("chat", {"temperature": "hot"}, 400, "temperature"),
    ("responses", {"previous_response_id": "resp_1"}, 400, "previous_response_id"),
    ("responses", {"tools": [{"type": "web_search"}]}, 200, "web_search"),
    ("anthropic", {"top_k": 3}, 400, "top_k"),
    ("anthropic", {"metadata": {"user_id": "me"}}, 200, "user"),
    ("generate", {"suffix": "x"}, 400, "suffix"),
    ("ollama", {"options": {"num_ctx": 9, "seed": 1}}, 200, "left out of the request: options.num_ctx"),
    ("gemini", {"generationConfig": {"topK": 3, "seed": 1}}, 200, "left out of the request: generationConfig.topK"),
    ("gemini", {"tools": [{"googleSearch": {}}]}, 200, "tools.googleSearch"),
    ("gemini", {"generationConfig": {"candidateCount": 2}}, 400, "generationConfig.candidateCount"),
    ("gemini", {"generation_config": {"candidate_count": 2}}, 400, "generationConfig.candidateCount"),
    ("gemini", {"generation_config": {"top_k": 3, "seed": 1}}, 200, "left out of the request: generationConfig.topK"),
    ("gemini", {"generation_config": {}, "generationConfig": {}}, 400, "expected each field once"),
    ("anthropic", {"tools": [{"name": "f", "input_schema": {"type": "object"}, "input_examples": []}]}, 200,
     "left out of the request: tools.input_examples"),
    ("chat", {"tools": [{"type": "function", "function": {**TOOL, "strict": True}}], "tool_choice": "auto"}, 200,
     "left out for ollama: tools.strict"),
    ("chat", {"tools": [{"type": "function", "function": {**TOOL, "odd": 1}}]}, 400, "'odd'"),
    ("chat", {"tools": [{"type": "web_search"}], "tool_choice": "auto"}, 200, "tools of the type web_search"),
    ("chat", {"tools": [{"type": "custom", "custom": {"name": "f"}}], "tool_choice": "required"}, 400, "tool_choice"),
    ("responses", {"tools": [{"type": "custom", "name": "f"}]}, 200, "tools of the type custom"),
    ("responses", {"tools": [{"type": "function", **TOOL, "strict": True, "defer_loading": True}]}, 200,
     "left out of the request: tools.defer_loading left out for ollama: tools.strict"),
    ("anthropic", {"tools": [{"name": "f", "input_schema": {"type": "object"}, "strict": True, "cache_control": {}},
                             {"type": "web_search_20250305", "name": "web_search"}]}, 200,
     "tools of the type web_search_20250305, tools.cache_control left out for ollama: tools.strict"),
    ("gemini", {"tools": [{"functionDeclarations": [{**TOOL, "behavior": "BLOCKING"}]}]}, 200,
     "left out of the request: tools.functionDeclarations.behavior"),
    ("chat", {"tools": [{"type": "function", "function": TOOL}], "tool_choice": "required"}, 400, "tool_choice"),
    ("responses", {"reasoning": {"context": "auto"}}, 200, "left out of the request: reasoning.context"),
    # Inside messages.
    ("chat", {"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {}}]}]}, 200,
     "left out of the request: messages.content.cache_control"),
    ("chat", {"messages": [*SAID, {"role": "assistant", "content": "b", "reasoning_content": "c", "refusal": None},
                           *SAID]}, 200, "left out of the request: messages.reasoning_content"),
    ("responses", {"input": [*SAID, {"type": "reasoning", "id": "r", "summary": []},
                             {"type": "web_search_call", "id": "w", "status": "completed", "action": {}}, *SAID]}, 200,
     "left out of the request: input of the type reasoning, input of the type web_search_call"),
    ("anthropic", {"messages": [*SAID, {"role": "assistant", "content": [
        {"type": "thinking", "thinking": "c", "signature": "s"}, {"type": "text", "text": "b", "cache_control": {}},
    ]}, *SAID]}, 200,
     "left out of the request: messages.content of the type thinking, messages.content.cache_control"),
    ("anthropic", {"system": [{"type": "text", "text": "s", "cache_control": {}}]}, 200, "system.cache_control"),
    ("ollama", {"messages": [*SAID, {"role": "assistant", "content": "b", "thinking": "c"}, *SAID]}, 200,
     "left out of the request: messages.thinking"),
    ("gemini", {"contents": [{"parts": [{"text": "x"}, {"text": "y", "thought": True, "thoughtSignature": "z"}]}]}, 200,
     "left out of the request: contents.parts.thought, contents.parts.thoughtSignature"),
    ("gemini", {"generationConfig": {"thinkingConfig": {"includeThoughts": True}}}, 200,
     "thinkingConfig.includeThoughts"),
    ("gemini", {"contents": [{"parts": [{"text": "x"}, {"inlineData": {
        "mimeType": "image/png", "data": "AAAA", "displayName": "a.png",
    }}]}]}, 200, "left out of the request: contents.parts.inlineData.displayName"),
    ("responses", {"store": False}, 200, "left out of the request: store"),
    ("responses", {"input": [{**SAID[0], "name": "anna"}]}, 200, "left out of the request: input.name"),
    # Ids of a wrong type.
    ("ollama", {"messages": [{"role": "assistant", "tool_calls": [
        {"id": [1], "function": {"name": "f", "arguments": {}}},
    ]}]}, 400, "id: expected a string"),
    ("ollama", {"messages": [{"role": "tool", "content": "x", "tool_call_id": {}}]}, 400,
     "tool_call_id: expected a string"),
    ("gemini", {"contents": [{"role": "model", "parts": [{"functionCall": {"name": "f", "id": [1]}}]}]}, 400,
     "id: expected a string"),
    ("gemini", {"contents": [{"parts": [{"functionResponse": {"name": "f", "id": {"a": 1}, "response": {}}}]}]}, 400,
     "id: expected a string"),
    ("ollama", {"messages": [{"role": "user", "content": "x", "name": "anna"}]}, 200,
     "left out of the request: messages.name"),
    # Names that are none.
    ("chat", {"a secret word": 1}, 200, "left out of the request: '...'"),
    ("chat", {"tools": [{"type": "a secret's\\"}], "tool_choice": "auto"}, 200, "request: tools of the type '...'"),
    # Names of any length and number.
    ("chat", {f"{number:03}" + "x" * 99: 1 for number in range(40)}, 200, "x, and 10 more"),
])  # fmt: skip
def test_what_cannot_be_carried_is_refused_or_noted(
    wire: str, more: dict[str, Any], status: int, part: str, place: Place
) -> None:
    # No wire here is the provider's own.
    provider = "openai" if wire == "ollama" else "ollama"
    response = place.ask(wire, provider, **more)
    assert response.status_code == status, response.text
    line = place.line(response)
    if status == 400:
        assert part in WIRES[wire].told(response.json())
        assert response.headers["x-should-retry"] == "false"
    else:
        assert part in " ".join(line["notes"])
    assert "secret" not in str(line)


def test_the_log_has_the_conversation_only_if_that_is_asked_for(place: Place) -> None:
    assert "secret" not in str(place.line(place.ask("chat", "openai", "a secret word")))
    place.app.log_content = True
    try:
        line = place.line(place.ask("chat", "openai", "a secret word"))
    finally:
        place.app.log_content = False
    assert line["messages"] == [{"role": "user", "content": "a secret word"}]
    assert line["answer"] == "You said: a secret word"


@rows(("wire", "provider", "reply"), [
    ("ollama", "openai", [ToolCall("c1", "f", "a secret: don't tell \"it\"")]),
    ("gemini", "openai", [ToolCall("c1", "f", "secret")]),
    ("chat", "ollama", b'{"message": "secret'), ("chat", "openai", b"data: [\"it's secret\n\n"),
    ("ollama", "openai",
     b'data: {"choices": [{"index": 0, "delta": {"refusal": "secret"}, "finish_reason": "stop"}]}\n\n'),
])  # fmt: skip
def test_the_log_has_no_word_of_the_conversation_that_an_error_quotes(
    wire: str, provider: str, reply: Any, place: Place
) -> None:
    if isinstance(reply, bytes):
        place.service.script = Script(body=reply)
    else:
        place.service.reply = lambda _: reply
    response = place.ask(wire, provider, stream=False)
    assert "secret" in WIRES[wire].told(response.json())
    # What the error of the package has besides.
    assert ".body" not in response.text
    line = place.line(response)
    assert ("secret" in str(line), "'...'" in line["error"]) == (False, True)
    place.app.log_content = True
    try:
        assert "secret" in place.line(place.ask(wire, provider, stream=False))["error"]
    finally:
        place.app.log_content = False


PDF = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQK"}
LETTER = {"type": "text", "media_type": "text/plain", "data": "x"}
FILE = {"type": "input_file", "filename": "a.pdf"}
UNNAMED = "part 1: the name of the file is left out, which this service does not take"


@rows(("wire", "provider", "part", "noted"), [
    ("anthropic", "openai", {"type": "document", "title": "a.pdf", "source": PDF}, False),
    ("anthropic", "gemini", {"type": "document", "title": "a.pdf", "source": PDF}, True),
    ("anthropic", "gemini", {"type": "document", "source": PDF}, False),
    ("anthropic", "openai-responses",
     {"type": "document", "title": "a.pdf", "source": {"type": "url", "url": "https://a.test/b.pdf"}}, True),
    ("anthropic", "gemini", {"type": "document", "title": "a.pdf", "source": LETTER}, False),
    ("responses", "gemini", {**FILE, "file_data": "data:application/pdf;base64,JVBERi0xLjQK"}, True),
    ("responses", "anthropic", {**FILE, "file_url": "https://a.test/b.pdf"}, False),
    ("chat", "anthropic", {"type": "file", "file": {"file_id": "file-1", "filename": "a.pdf"}}, False),
])  # fmt: skip
def test_the_name_of_a_file_is_carried_or_noted(
    wire: str, provider: str, part: dict[str, Any], noted: bool, place: Place
) -> None:
    said = [{"role": "user", "content": [part]}]
    response = place.ask(wire, provider, **{"input" if wire == "responses" else "messages": said})
    assert response.status_code == 200, response.text
    notes = place.line(response).get("notes", [])
    assert [UNNAMED in note for note in notes] == ([True] if noted else [])
    if not noted and "a.pdf" in str(part):
        assert "a.pdf" in str(place.service.exchanges[-1].messages)


@rows(("provider", "noted"), [("gemini", False), ("openai", True)])
def test_the_mark_of_a_failed_tool_is_carried_or_noted(provider: str, noted: bool, place: Place) -> None:
    said = [
        *SAID, {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "is_error": True, "content": "odd"}]},
    ]  # fmt: skip
    response = place.ask("anthropic", provider, messages=said)
    assert response.status_code == 200, response.text
    notes = ["message 3: the mark of an error is left out, which this service does not take"]
    assert place.line(response).get("notes") == (notes if noted else None)
    if not noted:
        part = json.loads(place.service.exchanges[-1].body)["contents"][2]["parts"][0]
        assert part["functionResponse"]["response"] == {"error": "odd"}


def test_a_name_is_carried_noted_or_refused(place: Place) -> None:
    def said(role: str) -> list[dict[str, Any]]:
        return [*SAID, {"role": role, "content": "b", "name": "anna"}, *SAID]

    response = place.ask("chat", "gemini", messages=said("assistant"))
    assert response.status_code == 200
    assert place.line(response)["notes"] == ["left out for gemini: messages.name"]
    response = place.ask("chat", "gemini", messages=said("user"))
    assert response.status_code == 400
    assert "has a name, which this service cannot carry" in WIRES["chat"].told(response.json())
    # Not the name is wrong.
    response = place.ask("chat", "gemini", messages=[*said("assistant"), {"role": "user", "content": "x", "name": "b"}])
    assert response.status_code == 400
    # The same protocol, with a system prompt of the provider's own.
    with client("openai", place.service, system="Be brief.") as own, served(Gateway({"own": [own]})) as url:
        body = WIRES["chat"].question("own", "x", messages=said("assistant"))
        assert place.http.post(WIRES["chat"].url(url, "own"), json=body).status_code == 200
    assert [message.get("name") for message in place.service.exchanges[-1].messages] == [None, None, "anna", None]


def test_what_gemini_reads_in_snake_case_is_not_left_out(place: Place) -> None:
    response = place.ask(
        "gemini", "openai",
        contents=[{"role": "user", "parts": [
            {"text": "x"}, {"inline_data": {"mime_type": "image/png", "data": "iVBORw0KGgo="}},
        ]}],
        system_instruction={"parts": [{"text": "Be brief."}]},
        generation_config={"max_output_tokens": 9, "stop_sequences": ["end"]},
        tools=[{"function_declarations": [TOOL]}],
        tool_config={"function_calling_config": {"mode": "AUTO", "allowed_function_names": ["weather"]}},
    )  # fmt: skip
    assert response.status_code == 200, response.text
    assert "notes" not in place.line(response)


def test_the_log_has_no_id_of_a_tool_call(place: Place) -> None:
    called = [{"type": "tool_use", "id": f"secret {number}", "name": "f", "input": {}} for number in range(12)]
    response = place.ask("anthropic", "openai", messages=[*SAID, {"role": "assistant", "content": called}])
    assert response.status_code == 400
    told = WIRES["anthropic"].told(response.json())
    assert "expected the results of the tool calls 'secret 0', 'secret 1'," in told
    assert "'secret 9', and 2 more" in told
    line = place.line(response)
    assert "secret" not in str(line)
    assert "expected the results of the tool calls '...'" in line["error"]


@rows(("said", "wanted"), [
    ("the reply's 'secret'", "the reply's '...'"), ("it's b'secret' or x'secret'.", "it's b'...' or x'...'."),
    ('"it\'s a secret", a=b"secret"', "'...', a=b'...'"), ("the clients' own 'secret", "the clients' own '...'"),
    ("'secret\\", "'...'"), ("'a\\'secret' b", "'...' b"), ("'secret\n", "'...'"),
    ("b'a', 'secret\\'", "b'...', '...'"),
])  # fmt: skip
def test_what_a_message_quotes_is_hidden(said: str, wanted: str) -> None:
    assert call_module.QUOTED.sub("'...'", said) == wanted


@rows("piece", [r"'\'\'", r"\'", "'\\", "b'", '"\\"', "'\"", "a'"])
def test_a_message_is_searched_in_linear_time(piece: str) -> None:
    # If each quote were searched to the end, this would take hours.
    for begin in ("", "'", '"'):
        assert len(call_module.QUOTED.sub("'...'", begin + piece * 200_000 + "\\")) <= 8 * 200_000


def test_a_call_is_settled_also_if_what_it_has_cost_cannot_be_told(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def _entry(self, call: Any, end: Any) -> Any:
            raise ValueError(end.provider)

    monkeypatch.setattr(call_module, "LEDGER", Broken())
    line = place.line(place.ask("chat", "openai"))
    assert (line["outcome"], line["tokens"], line["cost"]) == ("complete", "unknown", None)
    assert caplog.messages == ["what a call has cost is not known"]


def test_the_state_of_a_turn_comes_back_for_clients_that_have_no_place_for_it() -> None:
    def reply(messages: list[dict[str, Any]]) -> str | ToolCall:
        return "Cold" if messages[-1]["role"] == "tool" else CALL

    with (
        Emulator(reply) as service,
        served(Gateway({"g": [client("gemini", service, model="gemini-3-pro")]})) as url,
        httpx.Client() as http,
    ):
        place = WIRES["chat"].url(url, "g")
        body = WIRES["chat"].question("g", "Hello", stream=False, **tools_of("chat"))
        first = http.post(place, json=body).json()["choices"][0]["message"]
        turn = {name: first[name] for name in ("role", "content", "tool_calls")}
        result = {"role": "tool", "tool_call_id": first["tool_calls"][0]["id"], "content": "2 degrees"}
        response = http.post(place, json={**body, "messages": [*body["messages"], turn, result]})
    # Gemini 3 refuses a call that comes back without its signature.
    assert WIRES["chat"].whole(response.json()) == "Cold"


def test_of_several_functions_those_go_on_that_gemini_may_call(place: Place) -> None:
    tools = [{"functionDeclarations": [{**TOOL, "name": name} for name in "abc"]}]
    calling = {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["a", "c"]}}
    assert place.ask("gemini", "openai", tools=tools, toolConfig=calling).status_code == 200
    sent = json.loads(place.service.exchanges[-1].body)
    assert [tool["function"]["name"] for tool in sent["tools"]] == ["a", "c"]
    assert sent["tool_choice"] == "required"


def test_an_array_of_gemini_ends_with_the_error(place: Place) -> None:
    place.service.reply = lambda _: ["One", Problem("overloaded")]
    body = WIRES["gemini"].question("gemini", "Hi")
    array = place.http.post(f"{place.url}/v1beta/models/openai:streamGenerateContent", json=body).json()
    assert array[0]["candidates"][0]["content"]["parts"] == [{"text": "One"}]
    assert "openai" in array[1]["error"]["message"]


def test_who_leaves_before_the_end_of_the_question_costs_nothing(place: Place) -> None:
    at = urlsplit(place.url)
    head = b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99\r\n\r\n{"
    for _ in range(3):
        with socket.create_connection((at.hostname or "", at.port or 0), timeout=10) as sock:
            sock.sendall(head)
            time.sleep(0.01)
            sock.sendall(b" ")
    asked = len(place.service.exchanges)
    assert place.http.get(f"{place.url}/health").status_code == 200
    assert (len(place.service.exchanges), place.app.running) == (asked, 0)


def test_a_provider_that_cannot_be_asked_so_is_left_out(place: Place) -> None:
    log: queue.Queue[dict[str, Any]] = queue.Queue()
    plain = [Client("cromicle", base_url=place.service.url) for _ in range(2)]
    with served(Gateway({"both": [plain[0], client("ollama", place.service)], "one": [plain[1]]}, log=log.put)) as url:
        body = WIRES["chat"].question("both", "Hello", temperature=0.5, user="me")
        assert WIRES["chat"].said(httpx.post(f"{url}/v1/chat/completions", json=body).text) == "You said: Hello"
        line = log.get(timeout=10)
        assert "cromicle is not asked" in " ".join(line["notes"])
        assert "left out for cromicle: user" in line["notes"]
        refused = httpx.post(f"{url}/v1/chat/completions", json={**body, "model": "one"})
        assert refused.status_code == 400
        assert "temperature" in refused.json()["error"]["message"]


async def asked_over(app: Gateway, send: Any, gone: anyio.Event | None = None) -> list[Any]:
    """Send a question to the app without a server; `gone` says that the client has gone."""
    body = json.dumps(WIRES["chat"].question("ollama", "Hi")).encode()
    scope = {
        "type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": [(b"host", b"localhost")],
        "query_string": b"",
    }  # fmt: skip
    messages = [{"type": "http.request", "body": body}]

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await (gone or anyio.Event()).wait()
        return {"type": "http.disconnect"}

    await app(scope, receive, send)
    return messages


@rows("backend", ["asyncio", "trio"])
def test_a_server_that_says_so_of_a_client_that_has_gone_is_heard(backend: str) -> None:
    lines, release = list[dict[str, Any]](), threading.Event()

    async def gone(_: object) -> None:
        raise OSError("the client has gone")

    def slow(_: object) -> Iterator[str]:
        release.wait(30)
        yield "Hello"

    async def run() -> None:
        async with client("ollama", service) as one:
            app = Gateway({"ollama": [one]}, log=lines.append, keep_alive=0.05)
            await asked_over(app, gone)
            # A websocket is nothing that the gateway knows.
            await app({"type": "websocket"}, gone, gone)
            # The sign of life is the first that is sent.
            service.reply = slow
            await asked_over(app, gone)
            release.set()

    with Emulator() as service:
        anyio.run(run, backend=backend)
    assert [line["outcome"] for line in lines] == ["left", "left"]


@rows("backend", ["asyncio", "trio"])
def test_a_connection_that_ends_with_the_last_byte_is_no_client_that_left(backend: str) -> None:
    lines = list[dict[str, Any]]()

    async def run() -> None:
        gone = anyio.Event()

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body" and not message.get("more_body"):
                gone.set()
                for _ in range(9):
                    await anyio.lowlevel.checkpoint()

        async with client("ollama", service) as one:
            await asked_over(Gateway({"ollama": [one]}, log=lines.append), send, gone)

    with Emulator() as service:
        anyio.run(run, backend=backend)
    assert [line["outcome"] for line in lines] == ["complete"]


@rows("backend", ["asyncio", "trio"])
def test_who_leaves_is_noticed_also_if_no_cancellation_comes_through(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines, sent = list[dict[str, Any]](), list[Any]()

    class Fast:
        """The events of a service that has always something to read, under uvloop."""

        left = 100

        def __aiter__(self) -> Fast:
            return self

        async def __anext__(self) -> str:
            with anyio.CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()
            self.left -= 1
            if not self.left:
                raise StopAsyncIteration
            return "word "

    monkeypatch.setattr(g4flite.Stream, "events", lambda _: Fast())

    async def run() -> None:
        gone = anyio.Event()

        async def send(message: Any) -> None:
            sent.append(message)
            gone.set()

        async with Client("ollama", model="m") as one:
            await asked_over(Gateway({"ollama": [one]}, log=lines.append), send, gone)

    anyio.run(run, backend=backend)
    assert [line["outcome"] for line in lines] == ["left"]
    assert len(sent) < 20


@rows("backend", ["asyncio", "trio"])
def test_a_sign_of_life_that_waits_for_a_slow_reader_is_sent_before_the_answer(backend: str) -> None:
    release, sent = threading.Event(), list[Any]()

    def slow(_: object) -> Iterator[str]:
        release.wait(30)
        yield "Hello"

    async def run() -> None:
        read = anyio.Event()

        async def send(message: Any) -> None:
            if not sent and not read.is_set():
                # The head waits, and meanwhile the answer comes.
                release.set()
                with anyio.move_on_after(0.3):
                    await read.wait()
                read.set()
            sent.append(message)

        async with client("ollama", service) as one:
            await asked_over(Gateway({"ollama": [one]}, keep_alive=0.05), send)

    with Emulator(slow) as service:
        anyio.run(run, backend=backend)
    assert sent[0]["type"] == "http.response.start"
    text = b"".join(message.get("body", b"") for message in sent).decode()
    assert text.startswith(": alive")
    assert WIRES["chat"].said(text) == "Hello"
    assert WIRES["chat"].ended(text)


def test_a_hint_that_the_provider_refuses_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = list[dict[str, Any]]()

    def route(*given: Any) -> str:
        tried.append(dict(given[-1]))
        for name in ("reasoning_effort", "temperature"):
            if name in given[-1]:
                raise OptionError("cannot be used", argument=name)
        return "the route"

    with Emulator() as service, client("openai", service) as one:
        upstream, notes = Upstream(one), list[str]()
        monkeypatch.setattr(Client, "_route", route)
        asked: Any = {"reasoning_effort": "low", "seed": 1}
        assert upstream.route("m", [], asked, notes) == "the route"  # type: ignore[comparison-overlap]
        assert (tried, notes) == ([asked, {"seed": 1}], ["left out for openai: reasoning_effort"])
        with pytest.raises(OptionError):
            upstream.route("m", [], {"temperature": 1}, notes)
