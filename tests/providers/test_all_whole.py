"""An answer is read wherever it stands: in place of the deltas, beside them, or in the frame that begins a block.

Sources, all of 2026: perplexityai/api-discussion#209 (a `message` beside each delta), servers that send an object
`chat.completion` as an event, the types of openrouter-python, and relays of Anthropic's and Cohere's protocols.
"""

from typing import Any

import pytest

import g4flite
from g4flite import Finish, Native, Reasoning, ToolCall, Usage, providers
from g4flite.testing import Emulator, Script
from tests.conftest import Driver
from tests.providers.frames import DONE, STOP, chunk, read, said, sse
from tests.rows import rows

CALL = {"id": "c1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
NOW = ToolCall("c1", "now", "{}")
END = [("message_delta", {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}),
       ("message_stop", {"type": "message_stop"})]  # fmt: skip
ENDED = ("message-end", {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}})
COUNTS = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


def choice(finish_reason: str | None = "stop", **fields: Any) -> dict[str, Any]:
    return {"id": "c1", "model": "m-1", "choices": [{"index": 0, **fields, "finish_reason": finish_reason}]}


def named(kind: str, **fields: Any) -> tuple[str, dict[str, Any]]:
    return kind, {"type": kind, **fields}


def started(*blocks: dict[str, Any]) -> Any:
    return named("message_start", message={"id": "m", "content": [*blocks]})


def content(kind: str, **fields: Any) -> Any:
    return named(kind, index=0, delta={"message": {"content": fields}})


def details(*values: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return chunk({"content": "", "reasoning_details": [*values], **fields})


SECRET = {"type": "reasoning.encrypted", "data": "x", "text": None}
SUMMARY, THOUGHT = {"type": "reasoning.summary", "summary": "h"}, {"type": "reasoning.text", "text": "m"}
# Provider, frames, text, reasoning and tool calls.
TABLE: dict[str, tuple[str, list[Any], str, str, list[ToolCall]]] = {
    "a whole message": ("openai", [choice(message={"content": "ab"}), DONE], "ab", "", []),
    "a whole message with a call": ("openai", [choice("tool_calls", message={"content": "ab", "tool_calls": [CALL]}),
                                               DONE], "ab", "", [NOW]),
    "a whole message with reasoning": ("openai", [choice(message={"content": "ab", "reasoning_content": "hm"}), DONE],
                                       "ab", "hm", []),
    "messages in pieces": ("openai", [choice(None, message={"content": "a"}), choice(None, message={"content": "b"}),
                                      STOP], "ab", "", []),
    "a plain completion": ("openai", [choice(None, text="a"), choice(text="b"), DONE], "ab", "", []),
    "a message beside each delta": ("perplexity", [
        choice(None, delta={"role": "assistant", "content": "a"}, message={"content": "a"}),
        choice(delta={"content": "b"}, message={"content": "ab"}), DONE], "ab", "", []),
    "a message behind the deltas": ("openai", [said("a"), said("b"), choice(message={"content": "ab"}), DONE],
                                    "ab", "", []),
    "a message beside deltas without content": ("openai", [
        choice(None, delta={"role": "assistant"}, message={"content": "a"}),
        choice(delta={"content": ""}, message={"content": "ab", "tool_calls": [CALL]}), DONE], "ab", "", [NOW]),
    "a message beside a reasoning": ("openai", [chunk({"reasoning": "hm"}),
        choice(delta={}, message={"content": "ab", "reasoning_content": "hm"}), DONE], "ab", "hm", []),
    "a message beside a call": ("openai", [chunk({"tool_calls": [{"index": 0, **CALL}]}),
        choice(delta={}, message={"content": None, "tool_calls": [CALL]}), DONE], "", "", [NOW]),
    "a message that says more than the deltas": ("openai", [said("a"), choice(message={"content": "ab"}), DONE],
                                                 "ab", "", []),
    "a message beside the last delta says more": ("openai", [said("a"), choice(delta={}, message={"content": " ab"}),
                                                             DONE], "ab", "", []),
    "a message says more than many deltas": ("openai", [*map(said, "0123456789"), choice(
        delta={}, message={"content": "0123456789ab"}), DONE], "0123456789ab", "", []),
    "a message that was written anew": ("openai", [said("a"), said("b"), choice(delta={}, message={
        "content": "A, and b."}), DONE], "ab", "", []),
    "a long message that was written anew": ("openai", [*map(said, "0123456789"), choice(
        delta={}, message={"content": "A 123456789"}), DONE], "0123456789", "", []),
    "a message says more reasoning": ("openai", [chunk({"reasoning": "h"}), choice(delta={"content": "ab"}, message={
        "content": "ab", "reasoning": "hm"}), DONE], "ab", "hm", []),
    "a message says more calls": ("openai", [chunk({"tool_calls": [{"index": 0, **CALL, "id": "c0"}]}), choice(
        delta={}, message={"tool_calls": [{**CALL, "id": "c0"}, CALL]}), DONE], "", "",
        [NOW._replace(id="c0"), NOW]),
    "a text beside empty deltas": ("huggingface", [choice(None, delta={"role": "assistant", "content": ""}, text="a"),
        choice(delta={"content": ""}, text="b"), DONE], "ab", "", []),
    "a text beside the last delta": ("huggingface", [choice(None, delta={"content": "a"}, text="a"),
        choice(delta={"content": ""}, text="ab"), DONE], "ab", "", []),
    "an odd text beside a delta": ("huggingface", [choice(None, delta={}, text=3), said("ab"), STOP], "ab", "", []),
    "a message says more than parts": ("mistral", [chunk({"content": [{"type": "text", "text": "a"}]}),
        choice(delta={}, message={"content": "ab"}), DONE], "ab", "", []),
    "a message behind parts that are no text": ("mistral", [said("ab"), chunk({"reasoning": [{"type": "x"}]}),
        choice(delta={}, message={"content": "ab", "reasoning": "hm"}), DONE], "ab", "", []),
    "reasoning under other names": ("openai", [chunk({"reasoning_text": "h"}), chunk({"thinking": "m"}),
        chunk({"reasoning_content": "!", "thinking": "!", "thinking_blocks": [{"thinking": "!"}]}), said("ab"), STOP],
        "ab", "hm!", []),
    "cohere: a whole message at the start": ("cohere", [named("message-start", delta={"message": {"tool_plan": "h",
        "content": [{"type": "thinking", "thinking": "m"}, {"type": "text", "text": "a"}, "b"],
        "tool_calls": [CALL]}}), ENDED], "ab", "hm", [NOW]),
    "cohere: a text at the start": ("cohere", [named("message-start", delta={"message": {"content": "a"}}),
        content("content-delta", text="b"), ENDED], "ab", "", []),
    "anthropic: a reason in message_start": ("anthropic", [named("message_start", message={"content": [
        {"type": "text", "text": "ab"}], "stop_reason": "end_turn"}), END[1]], "ab", "", []),
    "odd messages": ("openai", [choice(None, message=None), choice(None, text=None), choice(None, delta={}, message=3),
                                said("ab"), STOP], "ab", "", []),
    "details of the reasoning": ("openrouter", [details(SUMMARY, SECRET), details(THOUGHT), said("ab"), STOP],
                                 "ab", "hm", []),
    "details beside the reasoning": ("openrouter", [details(SUMMARY, reasoning="h"), details(THOUGHT, reasoning="m"),
                                                    details(SUMMARY, THOUGHT), said("ab"), STOP], "ab", "hm", []),
    "anthropic: blocks in message_start": ("anthropic", [started({"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": "ab"}, {"type": "tool_use", "id": "c1", "name": "now", "input": {}}), *END],
        "ab", "hm", [NOW]),
    "anthropic: a text in message_start goes on": ("anthropic", [started({"type": "text", "text": "a"}),
        named("content_block_delta", index=0, delta={"type": "text_delta", "text": "b"}), *END], "ab", "", []),
    "anthropic: odd contents of message_start": ("anthropic", [named("message_start", message={"content": "x"}),
        started({"type": "text", "text": "ab"}), *END], "ab", "", []),
    "anthropic: deltas without types": ("anthropic", [
        named("content_block_delta", index=0, delta={"thinking": "hm"}),
        named("content_block_delta", index=0, delta={"signature": "x"}),
        named("content_block_delta", index=1, delta={"text": "ab"}),
        named("content_block_delta", index=1, delta={}),
        named("content_block_start", index=2, content_block={"type": "tool_use", "id": "c1", "name": "now"}),
        named("content_block_delta", index=2, delta={"partial_json": "{}"}), *END], "ab", "hm", [NOW]),
    "anthropic: counts without a delta": ("anthropic", [started({"type": "text", "text": "ab"}), END[0],
        named("message_delta", usage={"output_tokens": 3}), named("message_delta", delta=None, usage={}), END[1]],
        "ab", "", []),
    "cohere: starts with content": ("cohere", [content("content-start", type="thinking", thinking="h"),
        content("content-delta", thinking="m"), content("content-start", type="text", text="a"),
        content("content-delta", text="b"), ENDED], "ab", "hm", []),
}  # fmt: skip


@rows("form", TABLE)
def test_an_answer_is_read_wherever_it_stands(form: str) -> None:
    name, frames, text, reasoning, calls = TABLE[form]
    *items, last = read(name, sse(*frames))
    assert last == "done"
    assert "".join(item for item in items if isinstance(item, str)) == text
    assert "".join(item.text for item in items if isinstance(item, Reasoning)) == reasoning
    assert [item for item in items if isinstance(item, ToolCall)] == calls


def test_an_answer_is_read_wherever_it_stands_in_each_driver(driver: Driver, server: Emulator) -> None:
    for form, (name, frames, text, reasoning, calls) in TABLE.items():
        server.script = Script(body=sse(*frames), headers={"content-type": "text/event-stream"})
        got = driver.collect(name, "Hi", model="m", base_url=server.url, api_key="sk-test-1")
        assert ("".join(got), driver.stream.reasoning, [*driver.stream.tool_calls]) == (text, reasoning, calls), form


@rows(("early", "late", "finish"), [
    ("max_tokens", None, Finish("length", "max_tokens")), ("max_tokens", "end_turn", Finish("stop", "end_turn")),
    (None, None, Finish("other")),
])  # fmt: skip
def test_the_finish_reason_of_a_message_start_counts_if_no_other_comes(
    early: str | None, late: str | None, finish: Finish
) -> None:
    begun = named("message_start", message={"content": [{"type": "text", "text": "ab"}], "stop_reason": early})
    delta = [named("message_delta", delta={"stop_reason": late})] if late else []
    assert read("anthropic", sse(begun, *delta, END[1]))[-2:] == [finish, "done"]


def place(**fields: Any) -> dict[str, Any]:
    return {"output_index": 0, "item_id": "rs_1", **fields}


def reasoned(kind: str, text: str, number: int = 0) -> Any:
    """Return an event of the reasoning: "summary_text.delta", "text.done", "summary_part.done" and so on."""
    value = {"delta": text} if kind.endswith("delta") else {"text": text}
    value = {"part": {"type": "summary_text", **value}} if "part" in kind else value
    where = "summary_index" if "summary" in kind else "content_index"
    return named(f"response.reasoning_{kind}", **place(**{where: number}, **value))


def thoughts(*texts: str, index: int = 0, **more: Any) -> dict[str, Any]:
    return {"type": "reasoning", "id": f"rs_{index + 1}", "summary": [{"text": text} for text in texts], **more}


def thought_done(*texts: str, index: int = 0, **more: Any) -> Any:
    return named("response.output_item.done", output_index=index, item=thoughts(*texts, index=index, **more))


def ended(*items: dict[str, Any]) -> Any:
    return named("response.completed", response={"status": "completed", "output": [*items]})


# The events of a response whose reasoning is "hm", a blank line and "ok".
REASONED: dict[str, list[Any]] = {
    "deltas and all that repeats them": [
        reasoned("summary_text.delta", "h"), reasoned("summary_text.delta", "m"), reasoned("summary_text.done", "hm"),
        reasoned("summary_part.done", "hm"), reasoned("summary_text.delta", "ok", 1),
        reasoned("summary_text.done", "ok", 1), thought_done("hm", "ok"), ended(thoughts("hm", "ok"))],
    "summary_text.done": [reasoned("summary_text.done", "hm"), reasoned("summary_text.done", "ok", 1), ended()],
    "text.done": [reasoned("text.done", "hm"), reasoned("text.done", "ok", 1), ended()],
    "summary_part.done": [reasoned("summary_part.done", "hm"), reasoned("summary_part.done", "ok", 1), ended()],
    "content_part.done": [named("response.content_part.done", **place(content_index=number, part={
        "type": "reasoning_text", "text": text})) for number, text in enumerate(("hm", "ok"))] + [ended()],
    "the rest in summary_text.done": [reasoned("summary_text.delta", "h"), reasoned("summary_text.done", "hm"),
                                      reasoned("summary_text.done", "ok", 1), ended(thoughts("hm", "ok"))],
    "a part in the item alone": [reasoned("summary_text.delta", "hm"), thought_done("hm", "ok"), ended()],
    "a part in the response alone": [reasoned("summary_text.delta", "hm"), ended(thoughts("hm", "ok"))],
    "an item in the response alone": [reasoned("summary_text.delta", "hm"), thought_done("hm"),
                                      ended(thoughts("hm"), thoughts("ok", index=1))],
    "deltas without places": [named("response.reasoning_text.delta", delta="hm\n\n"), named(
        "response.reasoning_text.delta", delta="ok"), thought_done("hm", "ok"), ended(thoughts("hm", "ok"))],
    "items without ids": [named("response.reasoning_text.delta", delta="hm\n\n"), named(
        "response.reasoning_text.delta", delta="ok"), ended(thoughts("hm", id=None), thoughts("ok", id=None))],
    "an item before, in the response alone": [reasoned("summary_text.delta", "ok"), ended(
        thoughts("hm", index=1), thoughts("ok"))],
    "parts of an item without an id in the response alone": [named("response.reasoning_summary_text.delta", delta="!",
        output_index=1), named("response.reasoning_summary_text.delta", delta="?", output_index=1, summary_index=1),
        ended(thoughts("hm", "ok", id=None), thoughts("!", "?", id=None))],
    "an item without an id in the response alone": [named("response.reasoning_summary_text.delta", delta="hm",
        output_index=0), ended(thoughts("hm", id=None), thoughts("ok", id=None))],
    "other ids in the response": [reasoned("summary_text.delta", "hm"), reasoned("summary_text.delta", "ok", 1), ended(
        thoughts("hm", "ok", id="other"), thoughts("", id="more"))],
    "a delta in a list": [named("response.reasoning_summary_text.delta", **place(summary_index=0, delta=[
        {"type": "text", "text": "hm"}])), thought_done("hm", "ok"), ended()],
    "ends without text": [named("response.reasoning_summary_text.done", **place(summary_index=0)),
                          reasoned("summary_part.done", ""), thought_done("hm", "ok"), ended(thoughts("hm", "ok"))],
    "a summary beside the reasoning": [reasoned("text.delta", "hm"), reasoned("text.delta", "ok", 1), thought_done(
        "In short, and in many more words"), ended()],
    "a text and a summary by turns": [
        reasoned(f"{form}.delta", said, number) for number, words in enumerate((("h", "m"), ("o", "k")))
        for said in words for form in ("text", "summary_text")
    ] + [thought_done("hm", "ok"), ended(thoughts("hm", "ok"))],
    "a summary and a text by turns": [
        reasoned(f"{form}.delta", said, number) for number, said in enumerate(("hm", "ok"))
        for form in ("summary_text", "text")] + [ended()],
    "the text as a summary behind it": [
        reasoned("text.delta", "h"), reasoned("text.delta", "m"), reasoned("text.delta", "ok", 1),
        reasoned("summary_text.delta", " "), reasoned("summary_text.delta", "hm\n\n"),
        reasoned("summary_text.delta", "ok"), ended()],
    "the text whole as a summary": [reasoned("text.delta", "h"), reasoned("text.delta", "m"), reasoned(
        "text.delta", "ok", 1), reasoned("summary_text.done", "hm\n\nok"), ended()],
    "the summary whole as a text": [reasoned("summary_text.done", "hm"), reasoned("text.done", "hm"), reasoned(
        "summary_text.done", "ok", 1), reasoned("text.done", "ok", 1), ended()],
    "a reasoning that was rewritten": [reasoned("summary_text.delta", "hm"), reasoned("summary_text.delta", "ok", 1),
                                       thought_done("Well, hm.", "And ok."), ended(thoughts("Well, hm.", "And ok."))],
}  # fmt: skip


# The forms in which the first item comes last.
LATER = {
    "an item before, in the response alone": "ok\n\nhm",
    "parts of an item without an id in the response alone": "!\n\n?\n\nhm\n\nok",
}


@rows("form", REASONED)
def test_the_reasoning_of_a_response_comes_once_wherever_it_stands(form: str) -> None:
    items = read("openai-responses", sse(*REASONED[form]))
    said = "".join(item.text for item in items if isinstance(item, Reasoning))
    assert said == LATER.get(form, "hm\n\nok")
    assert items[-1] == "done"


def test_a_reasoning_that_comes_again_in_another_form_is_native() -> None:
    twice = [reasoned(f"{form}.delta", said) for said in ("h", "m") for form in ("text", "summary_text")]
    ends = [reasoned("text.done", "hm"), reasoned("summary_text.done", "hm")]
    items = read("openai-responses", sse(*twice, *ends, ended()))
    natives = [(item.name, item.value["delta"]) for item in items if isinstance(item, Native)]
    assert natives == [("reasoning_summary_text.delta", "h"), ("reasoning_summary_text.delta", "m")]
    whole = reasoned("summary_text.done", "hm, ok")
    items = read("openai-responses", sse(reasoned("text.delta", "hm"), whole, ended()))
    assert [item for item in items if isinstance(item, Native)] == [Native("reasoning_summary_text", "hm, ok")]
    # Other words are reasoning, too.
    words = [reasoned("summary_text.delta", said) for said in ("In", " short")]
    items = read("openai-responses", sse(reasoned("text.delta", "hm"), *words, ended()))
    assert [item.text for item in items if isinstance(item, Reasoning)] == ["hm", "In", " short"]


def test_the_reasoning_of_a_response_comes_once_in_each_driver(driver: Driver, server: Emulator) -> None:
    for form, frames in REASONED.items():
        text = named("response.output_text.delta", delta="a", output_index=7)
        server.script = Script(body=sse(text, *frames), headers={"content-type": "text/event-stream"})
        driver.collect("openai-responses", "Hi", model="m", base_url=server.url, api_key="sk-test-1")
        assert driver.stream.reasoning == LATER.get(form, "hm\n\nok"), form


def candidate(text: str, reason: str | None = None, **usage: int) -> dict[str, Any]:
    counts = {"usageMetadata": {f"{name}TokenCount": count for name, count in usage.items()}} if usage else {}
    return {"candidates": [{"content": {"parts": [{"text": text}]}, "finishReason": reason}], **counts}


EARLY = candidate("", "STOP")
STOPPED = named("message_delta", delta={"stop_reason": "end_turn"})
SAID = named("content_block_delta", index=0, delta={"type": "text_delta", "text": "ab"})
TEXT_BEGINS = named("content_block_start", index=1, content_block={"type": "text", "text": ""})
# Provider, the bytes that came before the body broke off, and whether the answer is whole.
CUT: dict[str, tuple[str, bytes, bool]] = {
    "gemini: an early reason alone": ("gemini", sse(EARLY), False),
    "gemini: early reasons alone": ("gemini", sse(EARLY, EARLY), False),
    "gemini: an early reason and a text": ("gemini", sse(EARLY, candidate("ab")), False),
    "gemini: a text and a reason": ("gemini", sse(candidate("ab"), EARLY), True),
    "gemini: a text with a reason that is none": ("gemini", sse(candidate("ab", "FINISH_REASON_UNSPECIFIED")), False),
    "anthropic: a reason": ("anthropic", sse(SAID, STOPPED), True),
    "anthropic: a block begins behind the reason": ("anthropic", sse(SAID, STOPPED, TEXT_BEGINS), False),
    "anthropic: a delta is named": ("anthropic", sse(SAID, STOPPED) + b"event: content_block_delta\n", False),
    "anthropic: a delta is named in half": ("anthropic", sse(SAID, STOPPED) + b"event: content_block_d", False),
    "anthropic: a block is named": ("anthropic", sse(SAID, STOPPED) + b"event: content_block_start\nda", False),
    "anthropic: an end is named": ("anthropic", sse(SAID, STOPPED) + b"event: message_stop\n", True),
    "anthropic: an end of a block is named": ("anthropic", sse(SAID, STOPPED) + b"event: content_block_st", True),
}  # fmt: skip


@rows("form", CUT)
def test_an_answer_that_broke_off_is_whole_only_if_nothing_was_under_way(form: str) -> None:
    name, data, whole = CUT[form]
    for size in (1, 7, len(data)):
        reader = providers.find(name).parser(2**20)
        for start in range(0, len(data), size):
            list(reader.feed(data[start : start + size]))
        try:
            list(reader.cut_off())
        except g4flite.TruncatedStreamError:
            assert not reader.done
        assert reader.done is whole, form


def test_a_cut_behind_a_finish_reason_is_tried_again(driver: Driver, server: Emulator) -> None:
    """In a body of chunks, whose end tells a cut."""
    for name, data, whole in CUT.values():
        server.script = Script(body=data, headers={"content-type": "text/event-stream"}, cut=len(data))
        call = {"model": "m", "base_url": server.url, "api_key": "sk-test-1"}
        if whole:
            assert driver.collect(name, "Hi", **call) == ["ab"]
        else:
            with pytest.raises(g4flite.G4fliteError) as caught:
                driver.collect(name, "Hi", retries=0, **call)
            assert isinstance(caught.value, g4flite.TruncatedStreamError | g4flite.TransportError), caught.value


def test_a_reason_that_is_none_ends_an_answer_whose_body_ends_cleanly() -> None:
    assert read("gemini", sse(candidate("ab", "FINISH_REASON_UNSPECIFIED")))[-2:] == [
        Finish("other", "FINISH_REASON_UNSPECIFIED"), "done"
    ]  # fmt: skip


@rows("text", ["", "ab"])
def test_what_anthropic_says_about_a_refusal_is_in_the_error(text: str) -> None:
    for words, code, body in (("Not this.", "refusal", "Not this."), (3, None, None), (None, None, None)):
        refused = named("message_delta", delta={"stop_reason": "refusal", "stop_details": {"explanation": words}})
        *items, last = read("anthropic", sse(started({"type": "text", "text": text}), refused, END[1]))
        assert Finish("content_filter", "refusal") in items
        if body:
            assert (last.code, last.body, "Not this." in str(last)) == (code, body, True)
        else:
            assert last == "done"


# Provider, frames, and the counts of the prompt, of the answer and of both.
COUNTED: dict[str, tuple[str, list[Any], tuple[Any, ...]]] = {
    "moonshot: in the choice": ("moonshot", [said("a"), choice(delta={}, usage=COUNTS), DONE], (3, 4, 7)),
    "moonshot: in the choice, and in a later chunk": ("moonshot", [choice(delta={"content": "a"}, usage=COUNTS), {
        "choices": [], "usage": {**COUNTS, "completion_tokens": 5, "total_tokens": 8}}, DONE], (3, 5, 8)),
    "groq: in a field without counts": ("groq", [choice(delta={"content": "a"}, usage=COUNTS) | {"x_groq": {"id": 1}},
                                                 DONE], (3, 4, 7)),
    "llamacpp: the cache in timings behind the usage": ("llamacpp", [said("a"), {**STOP, "usage": COUNTS}, {
        "choices": [], "timings": {"cache_n": 2}}, DONE], (3, 4, 7, 2)),
    "llamacpp: the cache in timings beside the usage": ("llamacpp", [said("a"), {**STOP, "usage": COUNTS, "timings": {
        "cache_n": 2, "prompt_n": 1, "predicted_n": 4}}, DONE], (3, 4, 7, 2)),
    "llamacpp: the cache in timings before the usage": ("llamacpp", [said("a"), {**STOP, "timings": {"cache_n": 2,
        "prompt_n": 1, "predicted_n": 4}}, {"choices": [], "usage": COUNTS}, DONE], (3, 4, 7, 2)),
    "xai: reasoning beside the answer, no total": ("xai", [said("a"), {**STOP, "usage": {"prompt_tokens": 3,
        "completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 20}}}, DONE], (3, 25, 28, None)),
    "xai: reasoning beside the answer": ("xai", [said("a"), {**STOP, "usage": {"prompt_tokens": 3, "total_tokens": 28,
        "completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 20}}}, DONE], (3, 25, 28, None)),
    "deepseek: two halves of the prompt": ("deepseek", [said("a"), {**STOP, "usage": {"completion_tokens": 4,
        "prompt_cache_hit_tokens": 2, "prompt_cache_miss_tokens": 1}}, DONE], (3, 4, 7, 2)),
    "gemini: before the reason": ("gemini", [candidate("a", prompt=9, candidates=5, total=14), candidate("", "STOP")],
                                  (9, 5, 14)),
    "gemini: zeros later": ("gemini", [candidate("a", "STOP", prompt=9, candidates=5, total=14), candidate(
        "", "STOP", prompt=0, candidates=0, total=0)], (9, 5, 14)),
    "gemini: no count of the answer later": ("gemini", [candidate(
        "a", "STOP", prompt=9, candidates=5, total=14), candidate("", "STOP", prompt=9)], (9, 5, 14)),
    "gemini: no count of the prompt later": ("gemini", [candidate("a", prompt=9, total=9), candidate(
        "", "STOP", candidates=5, total=14)], (9, 5, 14)),
    "gemini: other counts later": ("gemini", [candidate("a", "STOP", prompt=99, candidates=5, toolUsePrompt=9),
        candidate("", "STOP", prompt=9, candidates=6, total=15)], (9, 6, 15)),
}  # fmt: skip


@rows("form", COUNTED)
def test_counts_are_read_wherever_they_stand(form: str) -> None:
    name, frames, counts = COUNTED[form]
    *items, last = read(name, sse(*frames))
    assert last == "done"
    usage = [item for item in items if isinstance(item, Usage)][-1]
    numbers = usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, usage.cached_tokens
    assert numbers[: len(counts)] == counts


def test_counts_are_read_wherever_they_stand_in_each_driver(driver: Driver, server: Emulator) -> None:
    for form, (name, frames, counts) in COUNTED.items():
        server.script = Script(body=sse(*frames), headers={"content-type": "text/event-stream"})
        driver.collect(name, "Hi", model="m", base_url=server.url, api_key="sk-test-1")
        usage = driver.stream.usage
        assert usage is not None
        numbers = usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, usage.cached_tokens
        assert numbers[: len(counts)] == counts, form


def test_a_response_that_failed_has_its_counts(driver: Driver, server: Emulator) -> None:
    usage = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
    failed = named("response.failed", response={"error": {"message": "no"}, "usage": usage})
    begun = named("response.output_text.delta", delta="a")
    server.script = Script(body=sse(begun, failed), headers={"content-type": "text/event-stream"})
    with pytest.raises(g4flite.ProviderError, match="no"):
        driver.collect("openai-responses", "Hi", model="m", base_url=server.url, api_key="sk-test-1")
    assert driver.stream.usage == Usage(3, 4, None, 7, raw=usage)


@pytest.mark.parametrize(("reason", "error"), [
    ("MALFORMED_FUNCTION_CALL", g4flite.ProviderError), ("SAFETY", g4flite.ContentFilterError),
])  # fmt: skip
def test_what_gemini_says_about_its_finish_reason_is_in_the_error(reason: str, error: type[Exception]) -> None:
    frame = candidate("", reason)
    for words, shown in (("Malformed\x1b call", rf"\({reason}: 'Malformed.x1b call'\)"), (3, rf"\({reason}\)")):
        frame["candidates"][0]["finishMessage"] = words
        *_, raised = read("gemini", sse(frame, candidate("", reason)))
        with pytest.raises(error, match=shown):
            raise raised
