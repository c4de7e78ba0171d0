"""One odd extra never costs the answer: what is not the answer may have any shape.  Form x protocol x driver."""

import gzip
import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import g4flite
from g4flite import Finish, Native, Reasoning, Start
from g4flite._core.response.framing import Lines
from g4flite.testing import Emulator, Script
from tests.conftest import Driver
from tests.providers.frames import BEGIN, DONE, STOP, chunk, read, said, sse
from tests.rows import rows

TEXT = {"type": "text", "text": "hm"}
REFERENCE = {"type": "reference", "reference_ids": [1]}


def named(kind: str, **fields: Any) -> tuple[str, dict[str, Any]]:
    return kind, {"type": kind, **fields}


def gemini(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": [*parts]}, "finishReason": "STOP"}], "responseId": "g", **more}


END = [named("message_delta", delta={"stop_reason": "end_turn"}), named("message_stop")]
# A reply of each protocol that says "a".
PLAIN: dict[str, list[Any]] = {
    "openai": [said("a"), STOP, DONE],
    "anthropic": [named("content_block_delta", index=0, delta={"type": "text_delta", "text": "a"}), *END],
    "openai-responses": [named("response.output_text.delta", delta="a"), named("response.completed", response={})],
    "gemini": [gemini({"text": "a"})],
    "cohere": [named("content-delta", delta={"message": {"content": {"text": "a"}}}), named("message-end", delta={})],
    "ollama": [{"message": {"content": "a"}}, {"done": True}],
}  # fmt: skip


def thinking(value: Any) -> dict[str, list[Any]]:
    """Return, for each protocol, the frames of a reply with this value in its field for reasoning."""
    return {
        "openai": [chunk({"reasoning_content": value}), *PLAIN["openai"]],
        "xai": [chunk({"reasoning": value}), *PLAIN["openai"]],
        "mistral": [chunk({"content": [{"type": "thinking", "thinking": value}]}), *PLAIN["openai"]],
        "anthropic": [named("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": value}),
                      *PLAIN["anthropic"]],
        "openai-responses": [named("response.reasoning_text.delta", delta=value), *PLAIN["openai-responses"]],
        "gemini": [gemini({"text": value, "thought": True}), *PLAIN["gemini"]],
        "cohere": [named("content-delta", delta={"message": {"content": {"thinking": value}}}), *PLAIN["cohere"]],
        "ollama": [{"message": {"thinking": value}}, *PLAIN["ollama"]],
    }  # fmt: skip


def body_of(name: str, frames: list[Any]) -> bytes:
    if name == "ollama":
        return "".join(json.dumps(frame) + "\n" for frame in frames).encode()
    return sse(*frames)


def answer(name: str, body: bytes) -> tuple[str, str, list[Native]]:
    """Return the text, the reasoning and the `Native` values of a reply, which has to be complete."""
    *items, last = read(name, body)
    assert last == "done", last
    return (
        "".join(item for item in items if isinstance(item, str)),
        "".join(item.text for item in items if isinstance(item, Reasoning)),
        [item for item in items if isinstance(item, Native)],
    )


@rows("name", thinking(""))
@rows(("value", "reasoning", "natives"), [
    ("hm", "hm", []), ([TEXT, TEXT], "hmhm", []), (TEXT, "hm", []), (["h", "m"], "hm", []), (None, "", []),
    ([], "", []),
    ([TEXT, REFERENCE], "hm", [Native("reference", REFERENCE)]), (3, "", [Native("reasoning", 3)]),
    ({"a": 1}, "", [Native("reasoning", {"a": 1})]),
])  # fmt: skip
def test_reasoning_of_any_shape_costs_no_answer(name: str, value: Any, reasoning: str, natives: list[Native]) -> None:
    assert answer(name, body_of(name, thinking(value)[name])) == ("a", reasoning, natives)


@rows(("value", "reasoning"), [
    ({"text": "B"}, "B"), (["h", "m"], "hm"), ("hm", "hm"), ([{"text": ["h", "m"]}], "hm"),
    ([None, {"text": None}, {"text": None}], ""),
])  # fmt: skip
def test_the_details_of_the_reasoning_may_have_any_shape(value: Any, reasoning: str) -> None:
    for name in ("openrouter", "openai"):
        assert answer(name, sse(chunk({"reasoning_details": value}), *PLAIN["openai"])) == ("a", reasoning, [])


@rows("place", ["done", "completed", "both"])
@rows("field", ["summary", "content"])
@rows(("value", "reasoning", "natives"), [
    ("hm", "hm", []), (TEXT, "hm", []), (["hm"], "hm", []), ([TEXT, TEXT], "hm\n\nhm", []), ([REFERENCE], "", [
        Native("reference", REFERENCE)]), (5, "", [Native("reasoning", 5)]), (True, "", [Native("reasoning", True)]),
    ([[TEXT]], "hm", []), (None, "", []),
])  # fmt: skip
def test_the_reasoning_of_a_response_s_item_may_have_any_shape(
    place: str, field: str, value: Any, reasoning: str, natives: list[Native]
) -> None:
    item = {"type": "reasoning", "id": "rs_1", field: value}
    done = named("response.output_item.done", output_index=0, item=item)
    end = named("response.completed", response={"output": [item] if place != "done" else []})
    frames = [*([done] if place != "completed" else ()), PLAIN["openai-responses"][0], end]
    assert answer("openai-responses", sse(*frames)) == ("a", reasoning, natives)


@rows("odd", [0, True, 1.5, [], ["x"], {}, {"text": "x"}])
def test_a_signature_and_the_input_of_the_services_own_tool_may_have_any_shape(odd: Any) -> None:
    signed = [
        named("content_block_start", index=7, content_block={"type": "thinking", "thinking": "hm", "signature": odd}),
        named("content_block_delta", index=7, delta={"type": "signature_delta", "signature": odd}),
        named("content_block_stop", index=7),
    ]
    searched = [
        named("content_block_start", index=8, content_block={"type": "server_tool_use", "id": "s", "name": "search"}),
        named("content_block_delta", index=8, delta={"type": "input_json_delta", "partial_json": odd}),
        named("content_block_stop", index=8),
    ]
    assert answer("anthropic", sse(*signed, *searched, *PLAIN["anthropic"])) == ("a", "hm", [])


def test_a_part_of_the_reasoning_that_is_no_text_comes_once() -> None:
    done = named("response.reasoning_summary_part.done", output_index=0, part=REFERENCE)
    assert answer("openai-responses", sse(done, done, *PLAIN["openai-responses"])) == (
        "a", "", [Native("reference", REFERENCE)]
    )  # fmt: skip


@rows("odd", [None, "x", [], 3, {}])
def test_the_frames_that_begin_and_end_an_answer_may_have_any_shape(odd: Any) -> None:
    start = named("message_start", message=odd)
    assert answer("anthropic", sse(start, *PLAIN["anthropic"])) == ("a", "", [])
    end = named("message-end", delta={"finish_reason": odd})
    assert answer("cohere", sse(named("message-start", delta=odd), PLAIN["cohere"][0], end)) == (
        "a", "", []
    )  # fmt: skip


@rows("field", ["detail", "error"])
@rows("name", PLAIN)
def test_an_error_of_any_shape_keeps_its_words(name: str, field: str) -> None:
    """Gemini's are lists of one; a relay's own, of FastAPI, have the field `detail`."""
    for error in ([{"error": {"code": 503, "message": "boom", "status": "UNAVAILABLE"}}], {field: "boom"}):
        *items, raised = read(name, body_of(name, [PLAIN[name][0], error]))
        assert "a" in items
        assert isinstance(raised, g4flite.OverloadedError | g4flite.ProviderError), raised
        assert "boom" in str(raised)


@rows("code", [
    {"code": 50505, "data": None}, {"code": "InternalError", "request_id": "r"}, {"statusCode": 500}, {"code": "503"},
    {"code": "5" * 5000},
])  # fmt: skip
@rows("name", PLAIN)
def test_a_code_of_a_failure_beside_a_message_is_an_error_also_before_an_end(name: str, code: dict[str, Any]) -> None:
    """As DashScope and SiliconFlow write their errors, and relays in JavaScript."""
    frames = [PLAIN[name][0], {"message": "boom", **code}, *([DONE] if name == "openai" else PLAIN[name][1:])]
    *items, raised = read(name, body_of(name, frames))
    assert "a" in items
    assert isinstance(raised, g4flite.G4fliteError), raised
    assert "boom" in str(raised)


@rows("code", [{"code": 200}, {"code": "Success", "data": 1}, {"code": 0}, {"code": ""}, {"code": None}, {"n": 1}])
def test_a_message_beside_a_code_of_success_is_no_error(code: dict[str, Any]) -> None:
    frames = [*PLAIN["openai"][:1], {"message": "fine", **code}, *PLAIN["openai"][1:]]
    assert answer("openai", body_of("openai", frames)) == ("a", "", [])


@rows("indent", [None, 1, 4])
def test_an_error_of_several_lines_is_read_between_lines(indent: int | None) -> None:
    error = json.dumps({"error": "boom\n{", "code": [1, {}]}, indent=indent).encode()
    for end in (b"", b"\n", b'\n{"done": true}\n'):
        *items, raised = read("ollama", body_of("ollama", PLAIN["ollama"][:1]) + error + end)
        assert items[1:] == ["a"]
        assert "boom" in str(raised)
    odd = read("ollama", body_of("ollama", PLAIN["ollama"][:1]) + b"{\n")[-1]
    assert isinstance(odd, g4flite.TruncatedStreamError)
    limited = Lines(40)
    with pytest.raises(g4flite.LimitError, match="a line of the reply is longer than max_frame"):
        list(limited.feed(b"{\n" + b'"a": 1,\n' * 10))
    assert not limited.idle


ODD_COUNTS = [float("nan"), "many", [1], {"details": 3}, {"completion_tokens_details": [1]}, True, 3]


@rows("value", ODD_COUNTS)
@rows("name", PLAIN)
def test_token_counts_of_any_shape_cost_no_answer(name: str, value: Any) -> None:
    frames = {
        "openai": [{**said("a"), "usage": value}, {**STOP, "x_groq": value}, DONE],
        "anthropic": [named("message_start", message={"usage": value}), PLAIN["anthropic"][0],
                      named("message_delta", delta={"stop_reason": "end_turn"}, usage=value), END[1]],
        "openai-responses": [PLAIN["openai-responses"][0], named("response.completed", response={"usage": value})],
        "gemini": [gemini({"text": "a"}, usageMetadata=value), gemini(usageMetadata=value)],
        "cohere": [PLAIN["cohere"][0], named("message-end", delta={"usage": value})],
        "ollama": [PLAIN["ollama"][0], {"done": True, "eval_count": value}],
    }  # fmt: skip
    assert answer(name, body_of(name, frames[name])) == ("a", "", [])


EXTRAS: list[Any] = [
    ("ping", "data: pong"), ("heartbeat", "data: 1"), ("keep-alive", "data: {half"), ("status", "data: <b>"),
    "data: null", ("x", "data: [1]"), (": a comment", ""), "retry: 5",
]  # fmt: skip


@rows("extra", EXTRAS)
@rows("name", [name for name in PLAIN if name != "ollama"])
def test_an_unknown_event_is_passed_over_whatever_it_holds(name: str, extra: Any) -> None:
    assert answer(name, sse(extra, PLAIN[name][0], extra, *PLAIN[name][1:])) == ("a", "", [])


FIELDS = ("choices", "candidates", "response", "item", "message", "usage", "id", "index", "promptFeedback")


@rows("value", [3, "x", [3], [[]], {"a": 3}, True])
@rows("name", [name for name in PLAIN if name != "ollama"])
def test_an_unknown_event_may_have_the_answer_s_fields_in_any_shape(name: str, value: Any) -> None:
    odd = [("status", {field: value}) for field in FIELDS]
    assert answer(name, sse(*odd, PLAIN[name][0], *odd, *PLAIN[name][1:])) == ("a", "", [])


@rows("frame", [
    {"choices": [{"delta": {"content": 5}}]}, {"choices": [{"delta": 3}]}, {"choices": [{"delta": {"tool_calls": 3}}]},
])  # fmt: skip
def test_an_event_of_any_name_that_holds_a_part_of_the_answer_must_have_its_shape(frame: Any) -> None:
    *_, error = read("openai", sse(said("a"), ("status", frame), STOP, DONE))
    assert type(error) is g4flite.MalformedReplyError


@rows("kind", ["ping", "status", "message_start", "content_block_stop", "x"])
@rows("value", [None, "", {}, False, [], 0])
@rows("name", [name for name in PLAIN if name != "ollama"])
def test_an_error_that_is_null_or_empty_is_none(name: str, value: Any, kind: str) -> None:
    odd = (kind, {"type": kind, "error": value, "index": 9, "message": {}})
    assert answer(name, sse(odd, PLAIN[name][0], odd, *PLAIN[name][1:])) == ("a", "", [])
    # Bare JSON between the events.
    bare = json.dumps({"error": value, "detail": value}).encode() + b"\n\n"
    assert answer(name, sse(PLAIN[name][0]) + bare + sse(*PLAIN[name][1:])) == ("a", "", [])


def test_a_line_whose_error_is_null_begins_a_reply() -> None:
    assert [Lines(99).recognises(b'{"error": %b}\n' % value) for value in (b"null", b'""', b'"x"', b'{"a": 1}')] == [
        True, True, False, False
    ]  # fmt: skip


HUGE = "1" * 700
RAW = [f'"seed": {HUGE}', f'"seed": -{HUGE}', '"p": 1e400', '"p": [-1.5E+999]', f'"usage": {HUGE}', f'"id": {HUGE}',
       f'"index": {HUGE}', f'"responseId": {HUGE}', f'"error": null, "x": {{"y": {HUGE}}}']  # fmt: skip


@pytest.fixture
def fewest_digits() -> Iterator[None]:
    """Let Python hold 640 digits of a number, and not 4300, because each reply comes byte by byte, too."""
    held = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    yield
    sys.set_int_max_str_digits(held)


@pytest.mark.usefixtures("fewest_digits")
@rows("extra", RAW)
@rows("name", PLAIN)
def test_a_number_that_python_cannot_hold_costs_no_answer(name: str, extra: str) -> None:
    with pytest.raises(ValueError, match="digits"):
        int(HUGE)
    body = body_of(name, PLAIN[name]).replace(b"{", b"{%b, " % extra.encode(), 1)
    assert answer(name, body) == ("a", "", [])
    # In a frame with nothing else of the answer.
    assert answer(name, body_of(name, [{"x": 0}]).replace(b"{", b"{%b, " % extra.encode()) + body) == ("a", "", [])


@rows("name", [name for name in PLAIN if name != "ollama"])
def test_an_event_that_holds_the_answer_must_be_json(name: str) -> None:
    first = PLAIN[name][0]
    kind = first[0] if isinstance(first, tuple) else "message"
    *_, error = read(name, sse((kind, "data: oops"), *PLAIN[name]))
    assert type(error) is g4flite.MalformedReplyError


@rows("said_so", ["Overloaded", '"Overloaded"', '{"message": "Overloaded'])
@rows("name", [name for name in PLAIN if name != "ollama"])
def test_an_event_named_error_is_the_service_s_error_whatever_it_holds(name: str, said_so: str) -> None:
    *items, error = read(name, sse(PLAIN[name][0], ("error", f"data: {said_so}")))
    assert isinstance(error, g4flite.OverloadedError | g4flite.ProviderError), error
    assert "Overloaded" in str(error)
    assert "a" in items


@rows("behind", [(), (DONE,)])
@rows("said_so", ["Overloaded", '{"code": 503, "message": "Overloaded", "type": "unavailable_error"}'])
@rows("name", [name for name in PLAIN if name != "ollama"])
def test_an_error_in_a_field_of_its_own_is_the_service_s_error(
    name: str, said_so: str, behind: tuple[str, ...]
) -> None:
    """llama.cpp wrote so until September 2025, and `[DONE]` behind it (ggml-org/llama.cpp#16109)."""
    *items, error = read(name, sse(PLAIN[name][0], f"error: {said_so}", *behind))
    assert isinstance(error, g4flite.OverloadedError | g4flite.ProviderError), error
    assert "Overloaded" in str(error)
    assert "a" in items


ODD_CHUNKS = [
    {"choices": None}, {"choices": {}}, {"choices": [None]}, {"choices": [{"index": 0, "delta": None}]}, {},
    {"choices": [{"index": 0}]}, {**chunk({"content": ""}), "logprobs": 3}, {"x_groq": "x", "choices": []},
    chunk({"content": "", "logprobs": [{}]}), chunk({"role": 3, "unknown": {}, "flag": True}),
    chunk({}, finish_reason=""),
]  # fmt: skip


@rows("odd", ODD_CHUNKS)
def test_a_chunk_that_holds_nothing_may_have_any_shape(odd: Any) -> None:
    assert answer("openai", sse(odd, said("a"), odd, STOP, odd, DONE)) == ("a", "", [])


@rows("odd", [
    {"candidates": None}, {"candidates": []}, {"candidates": [None]}, {"candidates": [{"content": None}]}, {},
    {"candidates": [{"content": {"parts": None}}]}, {"candidates": {"content": {"parts": [{}]}}}, {"promptFeedback": 3},
    {"candidates": [{"index": 1, "content": {"parts": [{"text": "no"}]}}]}, {"candidates": [{"logprobsResult": 3}]},
    {"candidates": [{"finishReason": "FINISH_REASON_UNSPECIFIED"}]},
    {"promptFeedback": {"blockReason": "BLOCK_REASON_UNSPECIFIED"}},
    {"promptFeedback": {"blockReason": "BLOCKED_REASON_UNSPECIFIED"}},
])  # fmt: skip
def test_a_chunk_of_gemini_that_holds_nothing_may_have_any_shape(odd: Any) -> None:
    assert answer("gemini", sse(odd, *PLAIN["gemini"], odd)) == ("a", "", [])


# How the body is labelled and written.


def call(name: str, server: Emulator, body: bytes, split: int | None = None, **headers: str) -> dict[str, Any]:
    names = {key.replace("_", "-"): value for key, value in headers.items()}
    server.script = Script(body=body, headers=names, split=split)
    path = "/v1" if name.startswith("openai") else ""
    return {"model": "m", "base_url": server.url + path, "api_key": "sk-test-1"}


LABELS = ["application/json", "application/json; charset=utf-8", "text/html; charset=utf-8", "text/plain", ""]


@rows("label", LABELS, shared=True)
@pytest.mark.parametrize("name", PLAIN)
def test_a_wrong_content_type_costs_no_answer(name: str, label: str, driver: Driver, server: Emulator) -> None:
    """palantir/foundry-dev-tools#195, April 2025"""
    body = body_of(name, PLAIN[name])
    for split, start, zipped in ((None, b"", False), (1, b"\xef\xbb\xbf\n", False), (1, b"", True)):
        whole = gzip.compress(start + body) if zipped else start + body
        coding = {"content_encoding": "gzip"} if zipped else {}
        arguments = call(name, server, whole, split, content_type=label, **coding)
        assert driver.collect(name, "Hi", **arguments) == ["a"]


@pytest.mark.parametrize("name", PLAIN)
@rows(("label", "body", "said_so"), [
    ("text/html", b"<html>Log in</html>", "the reply is text/html, not an answer: '<html>Log in"),
    ("text/html", b"", "the reply is text/html, not an answer"), ("text/html", b"\n \n", "the reply is text/html"),
    ("text/html", b"data", "the reply is text/html, not an answer: 'data'"),
    ("text/html", b'{\n "error": "no such key"}', "no such key"),
    ("text/html", b'{"error": "no such key"}\n', "no such key"),
    ("text/html", b'{"error": "no such key"}', "no such key"), ("text/html", b"x" * 40_000, "the reply is text/html"),
    ("text/html", b" " * 40_000 + b"data: x", "the reply is text/html"),
], shared=True)  # fmt: skip
def test_a_web_page_and_an_error_stay_errors(
    name: str, label: str, body: bytes, said_so: str, driver: Driver, server: Emulator
) -> None:
    with pytest.raises(g4flite.G4fliteError) as caught:
        driver.collect(name, "Hi", **call(name, server, body, content_type=label))
    assert said_so in str(caught.value)


def test_a_page_that_cannot_be_inflated_is_a_page(driver: Driver, server: Emulator) -> None:
    for coding in ("br", "gzip"):
        arguments = call("openai", server, b"noise", content_type="text/html", content_encoding=coding)
        with pytest.raises(g4flite.MalformedReplyError, match="the reply is text/html, not an answer"):
            driver.collect("openai", "Hi", **arguments)


@rows("coding", ["none", "utf-8", "UTF8, none", "identity", "plain-text"], shared=True)
@pytest.mark.parametrize("name", PLAIN)
def test_a_coding_that_is_none_costs_no_answer(name: str, coding: str, driver: Driver, server: Emulator) -> None:
    body = body_of(name, PLAIN[name])
    for split in (None, 1):
        assert driver.collect(name, "Hi", **call(name, server, body, split, content_encoding=coding)) == ["a"]


def test_an_unknown_coding_over_bytes_that_are_no_text_is_malformed(driver: Driver, server: Emulator) -> None:
    for body in (b"\xff\xfe\x00d", b"d\x00\x01", b"noise"):
        with pytest.raises(g4flite.MalformedReplyError, match="compressed with squash, which the request did"):
            driver.collect("openai", "Hi", **call("openai", server, body, content_encoding="squash"))


@rows("name", PLAIN)
def test_raw_control_characters_and_a_byte_order_mark_cost_no_answer(name: str) -> None:
    body = body_of(name, PLAIN[name]).replace(b'"a"', b'"a\tb\x1f"')
    for start in (b"", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n", b"\n\xef\xbb\xbf" if name == "gemini" else b""):
        assert answer(name, start + body + body_of(name, [])) == ("a\tb\x1f", "", [])


def test_a_byte_order_mark_before_a_json_array_is_left_out() -> None:
    array = json.dumps([gemini({"text": "a\u2028"})]).encode()
    assert answer("gemini", b"\xef\xbb\xbf" + array) == ("a\u2028", "", [])
    assert read("gemini", b"\xef\xbb\xbf") == ["cut"]
    assert answer("ollama", b"\xef\xbb\xbf\n" + body_of("ollama", PLAIN["ollama"])) == ("a", "", [])


# Ids and names.


@rows(("value", "name"), [(7, "7"), ("x" * 445, "x" * 445), ("a\ud83d", "a\ufffd"), ([], None)])
def test_ids_and_models_are_texts(value: Any, name: str | None) -> None:
    bodies = {
        "openai": sse(json_line({**said("a"), "id": value, "model": value}), STOP, DONE),
        "anthropic": sse(json_line({"type": "message_start", "message": {"id": value, "model": value}}),
                         *PLAIN["anthropic"]),
        "openai-responses": sse(json_line({"type": "response.created", "response": {"id": value, "model": value}}),
                                *PLAIN["openai-responses"]),
        "gemini": sse(json_line({**gemini({"text": "a"}), "responseId": value, "modelVersion": value})),
        "cohere": sse(json_line({"type": "message-start", "id": value}), *PLAIN["cohere"]),
        "ollama": json.dumps({"model": value, "message": {"content": "a"}}).encode() + b'\n{"done": true}\n',
    }  # fmt: skip
    for protocol, body in bodies.items():
        starts = [item for item in read(protocol, body) if isinstance(item, Start)]
        known = (None if protocol == "ollama" else name, None if protocol == "cohere" else name)
        assert starts[:1] == [Start(*known)] or name is None, protocol


def json_line(value: Any) -> str:
    return "data: " + json.dumps(value)


def test_the_model_may_be_named_later() -> None:
    """Azure's first chunk names nothing; llama.cpp and LiteLLM name the model in `response.completed`."""
    first = {"id": "", "model": "", "choices": [], "prompt_filter_results": []}
    assert read("openai", sse(first, said("a"), STOP))[:2] == [BEGIN, "a"]
    late = {**said("a"), "model": None}
    assert read("openai", sse(late, said("b"), STOP))[:4] == [Start("c1"), "a", BEGIN, "b"]
    begun = named("response.created", response={"id": "r"})
    end = named("response.completed", response={"id": "r", "model": "m"})
    assert read("openai-responses", sse(begun, PLAIN["openai-responses"][0], end)) == [
        Start("r"), "a", Start("r", "m"), Finish("stop"), "done",
    ]  # fmt: skip


def test_the_stream_has_the_model_that_was_named_last(driver: Driver, server: Emulator) -> None:
    begun = named("response.created", response={"id": "r" * 445})
    end = named("response.completed", response={"id": "other", "model": "m-2"})
    body = sse(begun, PLAIN["openai-responses"][0], end)
    assert driver.collect("openai-responses", "Hi", **call("openai-responses", server, body)) == ["a"]
    assert (driver.stream.response_id, driver.stream.response_model) == ("r" * 445, "m-2")


# What is bounded, and what is refused.


def test_events_before_the_first_text_fill_no_memory(driver: Driver, server: Emulator) -> None:
    """Each event supersedes the one before: the loop gets the last of each type."""
    counted = [named("message_delta", delta={}, usage={"output_tokens": number}) for number in range(300)]
    body = sse(*counted, *PLAIN["anthropic"])
    items = driver.events("anthropic", "Hi", **call("anthropic", server, body))
    assert [item.completion_tokens for item in items if isinstance(item, g4flite.Usage)] == [299]
    assert items[1:] == ["a", Finish("stop", "end_turn")]


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("openai", "n"),
        ("groq", "n"),
        ("llamacpp", "n"),
        ("gemini", "generationConfig.candidateCount"),
        ("gemini", "generationConfig.candidate_count"),
        ("gemini", "generation_config.candidateCount"),
        ("gemini", "generation_config.candidate_count"),
        ("cohere", "num_generations"),
    ],
)
def test_several_answers_are_refused_before_any_socket(name: str, field: str, server: Emulator) -> None:
    def extra(count: object) -> dict[str, Any]:
        group, _, inner = field.rpartition(".")
        return {group: {inner: count}} if group else {inner: count}

    def ask(count: object) -> None:
        g4flite.stream(name, "Hi", model="m", base_url=server.url, api_key="sk-test-1", extra=extra(count))

    for count in (2, "2", True + 1):
        with pytest.raises(g4flite.OptionError, match=f"asks for several answers with '{field.rpartition('.')[2]}'"):
            ask(count)
    ask(1)
    assert server.connections == 0
