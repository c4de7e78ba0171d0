"""The same protocol on both sides: what passes as it came, and what does not."""

from __future__ import annotations

import json
import queue
from collections.abc import Iterator
from typing import Any

import anyio
import httpx
import pytest

from g4flite import Client, LimitError, TruncatedStreamError, providers
from g4flite._core.events import Finish
from g4flite.apps.gateway.asgi import Gateway
from g4flite.apps.gateway.passing import (
    Parser,
    Raw,
    WholeParser,
    finished,
    is_count,
    is_whole,
    takes_usage_option,
    wire_of,
)
from g4flite.apps.gateway.upstream import Upstream
from g4flite.apps.gateway.wires import ANTHROPIC, CHAT
from g4flite.testing import Emulator, Problem, Reasoning, Script, ToolCall
from tests.rows import rows

from .gateways import WIRES, client, events, routes, served

JSON = dict[str, Any]
SAME = {"chat": "openai", "responses": "openai-responses", "anthropic": "anthropic", "gemini": "gemini",
        "ollama": "ollama"}  # fmt: skip


# JSON that is nested too deeply for Python's parser.
DEEP = b"[" * 100_000 + b"]" * 100_000


class Place:
    def __init__(self, service: Emulator, url: str, http: httpx.Client, log: queue.Queue[dict[str, Any]]) -> None:
        self.service, self.url, self.http, self.log = service, url, http, log

    def ask(
        self, wire: str, name: str = "", *, headers: dict[str, str] | None = None, stream: bool = True, **more: Any
    ) -> httpx.Response:
        name = name or SAME[wire]
        body = WIRES[wire].question(name, "Hello", stream=stream, **more)
        return self.http.post(WIRES[wire].url(self.url, name, stream=stream), json=body, headers=headers)

    def line(self, response: httpx.Response) -> dict[str, Any]:
        """Return the line of the log for a response, which comes behind its last byte."""
        while (line := self.log.get(timeout=10))["id"] != response.headers["x-request-id"]:
            pass
        return line


@pytest.fixture(scope="module")
def shared() -> Iterator[Place]:
    log: queue.Queue[dict[str, Any]] = queue.Queue()
    with (
        Emulator() as service,
        served(Gateway(routes(service, retries=0), log=log.put)) as url,
        httpx.Client(timeout=30) as http,
    ):
        yield Place(service, url, http, log)


@pytest.fixture
def place(shared: Place) -> Iterator[Place]:
    echo = shared.service.reply
    yield shared
    shared.service.reply, shared.service.script = echo, Script()
    while not shared.log.empty():
        shared.log.get()


def direct(place: Place, wire: str, *, model: str = "m", stream: bool = True) -> str:
    """Return what the service itself answers."""
    path = {"chat": "/v1", "responses": "/v1"}.get(wire, "")
    headers = {"authorization": "Bearer k", "x-goog-api-key": "k", "anthropic-version": "2023-06-01"}
    body = WIRES[wire].question(model, "Hello", stream=stream)
    if wire == "chat" and stream:
        body["stream_options"] = {"include_usage": True}
    url = WIRES[wire].url(place.service.url, model, stream=stream)
    assert path in url
    return place.http.post(url, json=body, headers=headers).text


def without_times(text: str) -> str:
    """Return a reply without what differs between two replies: the times, the accounts, and comments."""
    kept = [line for line in text.splitlines() if line and not line.startswith(":")]
    found = []
    for line in kept:
        head, mark, data = line.partition("data: ") if line.startswith("data: ") else ("", "", line)
        value = json.loads(data) if data.startswith("{") else data
        found.append((head, mark, blotted(value)))
    return json.dumps(found)


def blotted(value: Any) -> Any:
    if isinstance(value, dict):
        hidden = ("created", "created_at", "signature", "encrypted_content", "thoughtSignature", "obfuscation")
        return {name: blotted(one) for name, one in value.items() if name not in hidden}
    return [blotted(one) for one in value] if isinstance(value, list) else value


@rows("wire", SAME)
def test_the_answer_comes_as_the_service_sent_it(wire: str, place: Place) -> None:
    place.service.reply = lambda _: [Reasoning("Hm"), "Hello", ToolCall("c1", "f", '{"a": 1}')]
    more = {"stream_options": {"include_usage": True}} if wire == "chat" else {}
    # But for the name of the model, which is the one that was asked for.
    assert without_times(place.ask(wire, **more).text) == without_times(direct(place, wire, model=SAME[wire]))
    line = place.log.get(timeout=10)
    assert (line["outcome"], line["tokens"], line["completion_tokens"]) == ("complete", "counted", 2)
    whole = place.ask(wire, stream=False)
    assert without_times(whole.text) == without_times(direct(place, wire, model=SAME[wire], stream=False))
    assert whole.headers["content-type"] == "application/json"
    line = place.log.get(timeout=10)
    assert (line["outcome"], line["tokens"], line["completion_tokens"]) == ("complete", "counted", 2)


def test_an_unknown_field_of_a_whole_answer_passes(place: Place) -> None:
    message = {"role": "assistant", "content": "Hi", "extra_content": {"google": {"thought_signature": "SIG"}}}
    body = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "odd": [1]}
    place.service.script = Script(body=json.dumps(body), headers={"content-type": "application/json", "x-own": "1"})
    response = place.ask("chat", stream=False)
    assert (response.json(), "x-own" in response.headers) == (body, False)


@rows(("body", "status", "said"), [
    ('{"error": {"message": "no sk-upstream", "code": 429, "type": "rate_limit_exceeded"}}', 429, "no ***"),
    ('{"choices": [{"index": 0, "message": {"content": "Hi"', 502, "no JSON object"),
    ("[]", 502, "no JSON object"), ("{}", 502, "no answer"), ('{"a":' * 100_000, 502, "no JSON object"),
])  # fmt: skip
def test_a_whole_answer_that_is_none_is_an_error(body: str, status: int, said: str, place: Place) -> None:
    place.service.script = Script(body=body, headers={"content-type": "application/json"})
    response = place.ask("chat", stream=False)
    assert (response.status_code, said in response.json()["error"]["message"]) == (status, True), response.text


MUTE = {"role": "assistant", "content": None}


@rows(("wire", "body", "stream"), [
    # An end marker without a finish reason and without content is no answer on any wire.
    ("chat", b"data: [DONE]\n\n", True),
    ("chat", b'data: {"choices": [{"index": 0, "delta": {"role": "assistant"}}]}\n\ndata: [DONE]\n\n', True),
    ("chat", {"choices": [{"index": 0, "message": MUTE, "finish_reason": None}]}, False),
    ("anthropic", b'data: {"type": "message_start", "message": {}}\n\ndata: {"type": "message_stop"}\n\n', True),
    ("anthropic", {"type": "message", "role": "assistant", "content": [], "stop_reason": None}, False),
    # The first piece of an answer in place of the whole of it.
    ("ollama", {"model": "m", "message": {"role": "assistant", "content": "Hi"}, "done": False}, False),
    ("gemini", {"candidates": [{"content": {"role": "model", "parts": [{"text": "Hi"}]}}]}, False),
])  # fmt: skip
def test_what_is_no_answer_between_protocols_is_none_on_the_same_one(
    wire: str, body: Any, stream: bool, place: Place
) -> None:
    if not isinstance(body, bytes):
        place.service.script = Script(body=json.dumps(body), headers={"content-type": "application/json"})
    else:
        place.service.script = Script(body=body)
    for asked in (wire, "generate"):
        model = SAME[wire]
        response = place.http.post(
            WIRES[asked].url(place.url, model, stream=stream), json=WIRES[asked].question(model, "Hello", stream=stream)
        )
        assert response.status_code == 502, response.text
        assert place.line(response)["outcome"] == "failed"


def test_a_server_that_streams_whatever_it_is_asked_for_is_read_as_a_stream(place: Place) -> None:
    place.service.script = Script(body=EVENT % b"One" + b"\n\n" + LAST + b"\n\n")
    response = place.ask("chat", stream=False)
    assert (response.status_code, WIRES["chat"].whole(response.json())) == (200, "One")
    place.service.script = Script(body=EVENT % b"One" + b"\n\n")
    assert place.ask("chat", stream=False).status_code == 502


def test_comments_are_left_out_and_what_follows_them_is_not(place: Place) -> None:
    body = EVENT % b"One" + b"\n\n: alive\n" + EVENT % b" two" + b"\r\n\r\n: a\r\n: b\r\n" + EVENT % b" three"
    place.service.script = Script(body=body + b"\n\n" + LAST + b"\n\n")
    text = place.ask("chat").text
    assert (WIRES["chat"].said(text), "alive" in text) == ("One two three", False)


def test_a_field_of_a_wrong_type_is_refused_by_the_service(place: Place) -> None:
    for options in ("x", [1]):
        response = place.ask("chat", stream_options=options)
        assert (response.status_code, "stream_options" in response.text) == (400, True)
        # The field stands inside the service's words.
        assert response.json()["error"]["param"] is None


def test_a_service_that_refuses_stream_options_is_not_sent_them() -> None:
    with Emulator(script=Script(dialect="mistral")) as service:
        one = Client("mistral", base_url=f"{service.url}/v1", model="m", api_key="k")
        with served(Gateway({"m": [one]})) as url, httpx.Client() as http:
            body = WIRES["chat"].question("m", "Hello", stream_options={"include_usage": True})
            response = http.post(f"{url}/v1/chat/completions", json=body)
    assert WIRES["chat"].said(response.text) == "You said: Hello"
    assert "stream_options" not in str(service.exchanges[-1].body)


def test_every_provider_of_chat_completions_says_whether_it_takes_stream_options() -> None:
    chat = [name for name in providers.names() if wire_of(providers.find(name)) is CHAT]
    refusing = {
        name for name in chat
        if not takes_usage_option(Client(name, model="m", api_key="k", base_url="http://127.0.0.1:9"))
    }  # fmt: skip
    assert refusing == {"mistral"}


def test_the_request_goes_on_as_it_came_but_for_the_model(place: Place) -> None:
    place.ask("chat", logit_bias={"1": 2}, store=True)
    sent = json.loads(place.service.exchanges[-1].body)
    assert (sent["model"], sent["logit_bias"], sent["store"]) == ("m", {"1": 2}, True)
    assert sent["stream_options"] == {"include_usage": True}
    place.ask("anthropic", headers={"anthropic-beta": "b1", "x-secret": "s"}, top_k=3)
    asked = place.service.exchanges[-1]
    named = {name.lower(): value for name, value in asked.headers}
    assert (named["anthropic-beta"], "x-secret" in named, json.loads(asked.body)["top_k"]) == ("b1", False, 3)


def test_signatures_come_back_unchanged(place: Place) -> None:
    place.service.reply = lambda _: [Reasoning("Hm"), "Hello"]
    found = events(place.ask("anthropic").text)
    (mark,) = (event["delta"]["signature"] for event in found if event.get("delta", {}).get("signature"))
    turn = [{"type": "thinking", "thinking": "Hm", "signature": mark}, {"type": "text", "text": "Hello"}]
    history = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": turn}]
    again = place.ask("anthropic", messages=[*history, {"role": "user", "content": "And?"}])
    assert again.status_code == 200
    turn[0]["signature"] = "changed"
    wrong = place.ask("anthropic", messages=[*history, {"role": "user", "content": "And?"}])
    assert (wrong.status_code, "Invalid `signature`" in wrong.text) == (400, True)


@rows("wire", SAME)
def test_what_comes_at_once_is_sent_at_once_also_before_an_error(wire: str, place: Place) -> None:
    sent = list[bytes]()
    body = json.dumps(WIRES[wire].question(SAME[wire], "Hello")).encode()
    path, _, query = WIRES[wire].url("", SAME[wire]).partition("?")
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": query.encode(), "headers": headers}

    async def ask() -> None:
        app = Gateway(routes(place.service, retries=0))
        requests = [{"type": "http.request", "body": body}]

        async def receive() -> Any:
            return requests.pop() if requests else await anyio.sleep_forever()

        async def send(message: Any) -> None:
            sent.append(message.get("body", b""))

        await app(scope, receive, send)
        await app.aclose()

    place.service.reply = lambda _: ["Hello", " to", " you", Finish("stop")]
    place.service.script = Script(split=2**20)
    anyio.run(ask)
    assert len([*filter(None, sent)]) == 1
    assert WIRES[wire].ended(b"".join(sent).decode())
    place.service.reply = lambda _: ["Hello", " to", Problem("overloaded")]
    sent.clear()
    anyio.run(ask)
    first, told = filter(None, sent)
    assert WIRES[wire].said(first.decode()) == "Hello to"
    assert WIRES[wire].error((first + told).decode())


@rows("wire", SAME)
def test_an_error_of_the_service_is_told_once(wire: str, place: Place) -> None:
    place.service.reply = lambda _: ["Hello", Problem("overloaded")]
    response = place.ask(wire)
    assert WIRES[wire].said(response.text) == "Hello"
    assert SAME[wire] in str(WIRES[wire].error(response.text))
    if wire in ("chat", "anthropic", "gemini"):
        assert sum("error" in event for event in events(response.text)) == 1


@rows(("wire", "mark"), [("chat", "data: [DONE]"), ("anthropic", "event: message_stop")])
def test_an_answer_that_is_cut_behind_its_finish_reason_is_whole_and_says_so(
    wire: str, mark: str, place: Place
) -> None:
    place.service.script = Script()
    place.service.script = Script(cut=direct(place, wire).index(mark))
    response = place.ask(wire, **({"stream_options": {"include_usage": True}} if wire == "chat" else {}))
    assert WIRES[wire].said(response.text) == "You said: Hello"
    assert WIRES[wire].ended(response.text)


def refusal(wire: str) -> list[JSON]:
    """Return the events of an answer that refuses, and the same as one JSON value at the end."""
    if wire == "chat":
        deltas: list[JSON] = [{"content": None, "refusal": "I "}, {"refusal": "refuse"}, {}]
        reasons = [None, None, "stop"]
        choices = [{"index": 0, "delta": delta, "finish_reason": reason}
                   for delta, reason in zip(deltas, reasons, strict=True)]  # fmt: skip
        message = {"role": "assistant", "content": None, "refusal": "I refuse"}
        whole = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
        return [*({"choices": [choice]} for choice in choices), whole]
    if wire == "responses":
        part = {"type": "refusal", "refusal": "I refuse"}
        output = [{"type": "message", "id": "m", "role": "assistant", "content": [part]}]
        whole = {"object": "response", "id": "r", "model": SAME[wire], "status": "completed", "output": output}
        delta = {"type": "response.refusal.delta", "item_id": "m", "output_index": 0, "content_index": 0}
        return [{**delta, "delta": "I refuse"}, {"type": "response.completed", "response": whole}, whole]
    start = {"id": "m", "type": "message", "role": "assistant", "model": SAME[wire]}
    whole = {**start, "content": [{"type": "text", "text": "I refuse"}], "stop_reason": "refusal", "usage": {}}
    return [
        {"type": "message_start", "message": {**start, "content": [], "usage": {}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "I refuse"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "refusal"}, "usage": {}}, {"type": "message_stop"}, whole,
    ]  # fmt: skip


@rows("wire", ["chat", "responses", "anthropic"])
def test_a_refusal_is_an_answer_of_its_own(wire: str, place: Place) -> None:
    *told, whole = refusal(wire)
    body = "".join(f"event: {one.get('type', 'message')}\ndata: {json.dumps(one)}\n\n" for one in told)
    body += "data: [DONE]\n\n" if wire == "chat" else ""
    place.service.script = Script(body=body)
    response = place.ask(wire)
    assert (response.status_code, events(response.text)) == (200, told)
    assert WIRES[wire].ended(response.text)
    place.service.script = Script(body=json.dumps(whole), headers={"content-type": "application/json"})
    assert place.ask(wire, stream=False).json() == whole
    # Half of it is none.
    place.service.script = Script(body=body, cut=body.index("refuse") + 20)
    cut = place.ask(wire)
    assert cut.status_code == 502 or WIRES[wire].error(cut.text)


@rows("split", [None, 1])
def test_the_tokens_that_come_behind_a_refusal_are_counted(split: int | None, place: Place) -> None:
    *told, _ = refusal("chat")
    count = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}}
    sent = [*(f"data: {json.dumps(one)}\n\n".encode() for one in (*told, count)), b"data: [DONE]\n\n"]
    cuts = tuple(sum(map(len, sent[:number])) for number in range(1, len(sent)))
    place.service.script = Script(body=b"".join(sent), split=split or cuts)
    response = place.ask("chat", stream_options={"include_usage": True})
    assert response.content == b"".join(sent)
    line = place.line(response)
    assert (line["outcome"], line["prompt_tokens"], line["completion_tokens"]) == ("complete", 7, 5)
    assert line["tokens"] == "counted"


SAFETY: dict[str, list[JSON]] = {
    "prompt": [{"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}],
    "before the first text": [{"candidates": [{"finishReason": "SAFETY", "index": 0, "safetyRatings": []}]}],
    "behind a text": [
        {"candidates": [{"content": {"parts": [{"text": "Hello"}], "role": "model"}, "index": 0}]},
        {"candidates": [{"finishReason": "PROHIBITED_CONTENT", "index": 0}]},
    ],
}  # fmt: skip


@rows("case", SAFETY)
def test_what_gemini_blocks_goes_on_as_it_came(case: str, place: Place) -> None:
    counts = {"promptTokenCount": 7, "totalTokenCount": 7}
    *told, last = SAFETY[case]
    sent = "".join(f"data: {json.dumps(one)}\r\n\r\n" for one in (*told, {**last, "usageMetadata": counts}))
    for split in (None, 1):
        place.service.script = Script(body=sent, split=split)
        response = place.ask("gemini", generationConfig={"candidateCount": 2} if case == "prompt" else {})
        assert (response.status_code, response.text) == (200, sent)
        line = place.line(response)
        assert (line["outcome"], line["prompt_tokens"]) == ("complete", 7)
    # Half of it is none.
    place.service.script = Script(body=sent, cut=len(sent) - 60)
    response = place.ask("gemini")
    assert response.status_code == 502 or WIRES["gemini"].error(response.text)
    whole = json.dumps(last)
    place.service.script = Script(body=whole, headers={"content-type": "application/json"})
    response = place.ask("gemini", stream=False)
    assert (response.status_code, response.text) == (200, whole)
    # An error is none, whatever it is about.
    error = {"error": {"code": 400, "message": "blocked by the content filter", "status": "content_filter"}}
    for reported in (error, [error]):
        place.service.script = Script(body=f"data: {json.dumps(reported)}\n\n")
        assert place.ask("gemini").status_code == 400
    # Another protocol has no such answer.
    place.service.script = Script(body=sent)
    response = place.ask("chat", "gemini")
    assert response.status_code == 400 or WIRES["chat"].error(response.text)


def several(wire: str) -> list[bytes]:
    """Return the events of two answers to one question, of which the second ends behind the first."""
    said: list[tuple[int, str | None, str | None]] = [
        (0, "One", None), (1, "Uno", None), (0, None, "stop"), (1, " dos", None), (1, None, "stop"),
    ]  # fmt: skip
    found = list[JSON]()
    for index, text, reason in said:
        if wire == "chat":
            delta = {"content": text} if text else {}
            found.append({"choices": [{"index": index, "delta": delta, "finish_reason": reason}]})
        else:
            ended = {"finishReason": reason.upper()} if reason else {}
            # Protobuf's JSON leaves a 0 out.
            number = {"index": index} if index else {}
            found.append({"candidates": [{**number, "content": {"parts": [{"text": text or ""}]}, **ended}]})
    return [f"data: {json.dumps(event)}\n\n".encode() for event in found]


@rows(("wire", "more", "end"), [
    ("chat", {"n": 2}, b"data: [DONE]\n\n"), ("chat", {"n": 2}, b""),
    ("gemini", {"generationConfig": {"candidateCount": 2}}, b""),
    ("gemini", {"generation_config": {"candidate_count": 2}}, b""),
])  # fmt: skip
def test_several_answers_are_whole_once_each_has_ended(wire: str, more: JSON, end: bytes, place: Place) -> None:
    frames = several(wire)
    body = b"".join(frames)
    for cut in (*range(0, len(body), 40), len(body) - len(frames[-1]), len(body) - 9):
        place.service.script = Script(body=body + end, cut=cut)
        response = place.ask(wire, **more)
        assert response.status_code >= 500 or WIRES[wire].error(response.text), cut
        assert response.status_code >= 500 or not WIRES[wire].ended(response.text), cut
    place.service.script = Script(body=body + end)
    response = place.ask(wire, **more)
    assert WIRES[wire].error(response.text) is None
    assert WIRES[wire].ended(response.text)
    if wire == "chat":
        # A text that holds the end marker is none.
        said = b'data: {"choices": [{"index": 1, "delta": {"content": "[DONE]"}}]}\n\n'
        place.service.script = Script(body=frames[0] + frames[2] + said)
        assert WIRES[wire].error(place.ask(wire, **more).text)
    # A service that answers once all the same says by its end marker that this is all.
    if end:
        place.service.script = Script(body=frames[0] + frames[2] + end)
        assert WIRES[wire].ended(place.ask(wire, **more).text)


@rows(("frame", "wanted"), [
    (b'data: {"choices": [{"index": 1, "finish_reason": "stop"}, {"finish_reason": null}]}\n\n', {1}),
    (b'data: {"candidates": [{"finishReason": "STOP"}]}\r\n\r\n', {0}), (b"data: [DONE]\n\n", set()),
    (b'data: {"promptFeedback": {"blockReason": "OTHER"}}\n\n', {0, 1}),
    (b'data: {"candidates": [{"finishReason": "STOP"}, {"finishReason": "STOP"}]}\n\n', {0, 1}),
    (b'data: {"candidates": [{"content": {}}, {"finishReason": "STOP"}]}\n\n', {1}),
    (b'data: {"candidates": [{"index": 1, "finishReason": "STOP"}, {"finishReason": "STOP"}]}\n\n', {0, 1}),
    (b'data: {"choices": ' + DEEP + b"}\n\n", set()),
    (b'data: {"choices": 1}\n\n', set()), (b'data: {"choices": [1]}\n\n', set()), (b"data: [1]\n\n", set()),
])  # fmt: skip
def test_the_answers_that_have_ended_are_known(frame: bytes, wanted: set[int]) -> None:
    assert finished(frame, 2) == wanted


def test_an_event_that_is_nested_too_deeply_and_says_nothing_goes_on(place: Place) -> None:
    first, *_, last = several("chat")
    odd = b'event: odd\ndata: {"choices": [], "usage": ' + DEEP + b"}\n\n"
    sent = first + odd + last + last.replace(b'"index": 1', b'"index": 0') + b"data: [DONE]\n\n"
    place.service.script = Script(body=sent)
    assert place.ask("chat", n=2).content == sent


def test_what_the_reader_refuses_passes_as_well(place: Place) -> None:
    place.service.script = Script(body=b'data: {"candidates":[{"content":{"parts":[{"text":"Hi"}]}}]}\n\n')
    response = place.ask("gemini", contents=[{"role": "user", "parts": [{"videoMetadata": {}}]}])
    assert WIRES["gemini"].said(response.text) == "Hi"
    # The service has not said that this is the end.
    assert WIRES["gemini"].error(response.text)


@rows("asked", [True, False])
def test_the_tokens_are_told_to_who_asks_also_if_the_reader_refuses_the_rest(asked: bool, place: Place) -> None:
    count = b'data: {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}\n\n'
    place.service.script = Script(body=EVENT % b"Hi" + b"\n\n" + LAST.replace(b"data: [DONE]", count + b"data: [DONE]"))
    response = place.ask("chat", temperature="hot", stream_options={"include_usage": asked})
    assert WIRES["chat"].said(response.text) == "Hi"
    assert ('"usage"' in response.text) is asked


def test_a_list_that_comes_in_several_headers_goes_on_whole(place: Place) -> None:
    body = WIRES["anthropic"].question("anthropic", "Hello")
    sent = [("anthropic-beta", "one-2026"), ("Anthropic-Beta", "two-2026"), ("anthropic-version", "2023-06-01"),
            ("anthropic-version", "other")]  # fmt: skip
    assert place.http.post(WIRES["anthropic"].url(place.url, "anthropic"), json=body, headers=sent).status_code == 200
    told = {name.lower(): value for name, value in place.service.exchanges[-1].headers}
    assert (told["anthropic-beta"], told["anthropic-version"]) == ("one-2026, two-2026", "2023-06-01")


def test_a_result_without_a_call_passes_to_ollama_which_takes_it(place: Place) -> None:
    # LiteLLM 1.83 leaves the calls out.
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": ""}]
    for stream in (True, False):
        response = place.ask("ollama", stream=stream, messages=[*turns, {"role": "tool", "content": "cold"}])
        assert (response.status_code, "cold" in response.text) == (200, True), response.text


def test_what_only_this_protocol_can_say_goes_to_the_providers_that_speak_it() -> None:
    log: queue.Queue[dict[str, Any]] = queue.Queue()
    with Emulator() as service:
        both = [client("ollama", service), client("openai", service)]
        with served(Gateway({"both": both}, log=log.put)) as url:
            body = WIRES["chat"].question("both", "Hello", n=1, logit_bias={"1": 2})
            response = httpx.post(f"{url}/v1/chat/completions", json=body)
        assert WIRES["chat"].said(response.text) == "You said: Hello"
        line = log.get(timeout=10)
        assert (line["provider"], "ollama is not asked" in " ".join(line["notes"])) == ("openai", True)


def test_a_client_with_options_of_its_own_asks_in_common_terms() -> None:
    with Emulator() as service, client("openai", service, temperature=0.5) as one, client("openai", service) as other:
        assert not Upstream(one).passes(CHAT)
        assert Upstream(other).passes(CHAT)
        assert not Upstream(other).passes(ANTHROPIC)


def test_the_wire_of_a_provider_is_known_by_its_url() -> None:
    found = {name: wire_of(providers.find(name)) for name in ("groq", "azure-openai", "cohere", "gemini")}
    assert {name: wire.name if wire else None for name, wire in found.items()} == {
        "groq": "chat", "azure-openai": "chat", "cohere": None, "gemini": "gemini",
    }  # fmt: skip


@rows(("frame", "counts"), [
    (b'data:{"choices": [], "usage": {}}\n\n', True), (b'id: 1\ndata: {"choices": [], "usage": {}}\n\n', True),
    (b'data: {"choices": [{}], "usage": {}}\n\n', False), (b'data: {"choices": []}\n\n', False),
    (b'data: "usage"\n\n', False), (b'data: {"usage"\n\n', False),
    (b'data: ["usage", {"choices": []}]\n\n', False), (b'data: {"choices": [], "usage"\n\n', False),
    (b'data: {"choices": [{"choices": []}], "usage": null}\n\n', False),
    (b'data: {"choices": [], "usage": ' + DEEP + b"}\n\n", False),
])  # fmt: skip
def test_an_event_with_the_tokens_alone_is_known(frame: bytes, counts: bool) -> None:
    assert is_count(frame) is counts


@rows(("frame", "whole"), [
    (b'data: {"a": 1}', True), (b"data: [DONE]", True), (b'event: x\ndata: {"a"', False), (b'{"done": true}', True),
    (b"", False), (b"data: 1", False), (b"data: " + DEEP, False),
])  # fmt: skip
def test_half_an_event_is_told_from_a_whole_one(frame: bytes, whole: bool) -> None:
    assert is_whole(frame) is whole


EVENT = b'data: {"choices": [{"index": 0, "delta": {"content": "%s"}, "finish_reason": null}]}'
LAST = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]'


@rows("split", [1, 2, 7, 10_000])
@rows("end", [b"\n\n", b"\r\n\r\n"])
def test_events_pass_whole_at_any_split(split: int, end: bytes) -> None:
    body = b": alive\n\n" + EVENT % b"Hel" + end + EVENT % b"lo" + end + LAST.replace(b"\n\n", end)
    parser = Parser(providers.OPENAI.parser(10_000), 10_000, CHAT)
    found = [event for n in range(0, len(body), split) for event in parser.feed(body[n : n + split])]
    found += parser.close()
    raw = [frame for event in found if isinstance(event, Raw) for frame in event.value]
    assert b"".join(raw) == body.removeprefix(b": alive\n\n") + b"\n\n"
    assert "".join(event for event in found if isinstance(event, str)) == "Hello"
    assert any(isinstance(event, Finish) for event in found)
    assert parser.done


@rows("blank", [b"\n", b"\r\n"])
def test_the_events_of_one_read_come_as_one_piece_without_the_blank_lines_before_them(blank: bytes) -> None:
    parser = Parser(providers.OPENAI.parser(10_000), 10_000, CHAT)
    first, second, third = (EVENT % text + b"\n\n" for text in (b"One", b" two", b" three"))
    found = [*parser.feed(blank + first + blank + second), *parser.feed(blank + b": alive\n" + blank + third)]
    assert [event for event in found if isinstance(event, Raw | str)] == [
        Raw("raw", ()), "One two", Raw("raw", (first + blank, second)), " three", Raw("raw", (third,)),
    ]  # fmt: skip


def test_a_torn_event_is_not_passed() -> None:
    parser = Parser(providers.OPENAI.parser(10_000), 10_000, CHAT)
    found = [*parser.feed(EVENT % b"Hel" + b"\n\n" + EVENT[:30])]
    with pytest.raises(TruncatedStreamError):
        found += parser.cut_off()
    assert [event.value for event in found if isinstance(event, Raw)] == [(), (EVENT % b"Hel" + b"\n\n",)]


def test_an_event_has_a_limit() -> None:
    parser = Parser(providers.OPENAI.parser(100), 100, CHAT)
    with pytest.raises(LimitError):
        for _ in range(10):
            list(parser.feed(b"data: " + b"x" * 50))


@rows("split", [1, 50, 100_000])
def test_what_waits_for_the_first_content_has_a_limit(split: int) -> None:
    ping = b'event: ping\ndata: {"type": "ping"}\n\n'
    parser = Parser(providers.ANTHROPIC.parser(1000), 1000, ANTHROPIC)
    sent = ping * 99
    with pytest.raises(LimitError, match="the reply holds no answer in its first 1000 bytes"):
        for place in range(0, len(sent), split):
            assert not [event for event in parser.feed(sent[place : place + split]) if isinstance(event, Raw)]
    # Behind the first content, nothing waits.
    parser = Parser(providers.ANTHROPIC.parser(1000), 1000, ANTHROPIC)
    start = b'data: {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "Hi"}}\n\n'
    found = [event for data in (ping * 9, start, *[ping] * 99) for event in parser.feed(data)]
    assert b"".join(frame for event in found if isinstance(event, Raw) for frame in event.value) == (
        ping * 9 + start + ping * 99
    )


def test_comments_without_an_event_are_no_event_that_is_too_large() -> None:
    parser = Parser(providers.OPENAI.parser(100), 100, CHAT)
    last = EVENT % b"Hi" + b"\n\n"
    found = [event for data in (*[b": alive\n"] * 99, last) for event in parser.feed(data)]
    assert b"".join(frame for event in found if isinstance(event, Raw) for frame in event.value) == last


def test_a_flood_before_the_first_text_has_its_status(place: Place) -> None:
    flood = b'event: ping\ndata: {"type": "ping", "padding": "%s"}\n\n' % (b"x" * 2**20)
    place.service.script = Script(body=flood * 20)
    response = place.ask("anthropic")
    assert response.status_code == 502
    assert "holds no answer" in WIRES["anthropic"].told(response.json())
    assert place.line(response)["outcome"] == "failed"


def test_a_whole_answer_has_a_limit() -> None:
    parser = WholeParser(providers.OPENAI.parser(100), 100, CHAT)
    with pytest.raises(LimitError):
        for _ in range(3):
            list(parser.feed(b"x" * 50))


def test_a_parser_that_knows_nothing_of_cuts_is_closed() -> None:
    parser = Parser(providers.find("cromicle").parser(100), 100, CHAT)
    assert list(parser.cut_off()) == []


def test_the_connections_are_shared() -> None:
    with Emulator() as service, client("openai", service) as one:
        assert isinstance(one, Client)
        assert all(passing._pool is one._pool for passing in Upstream(one)._passing.values())
