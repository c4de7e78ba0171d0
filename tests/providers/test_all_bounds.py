"""What a reader keeps of a reply is bounded: no stream of frames fills the memory, and none is an odd extra's fault."""

import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from g4flite import LimitError, TurnState, Usage, providers
from g4flite._core.response.assembly import MOST_CALLS
from g4flite._core.response.counts import LONGEST, MOST_NAMES, merged
from g4flite.providers import responses
from tests.providers.frames import chunk, read, sse
from tests.rows import rows

LIMIT = 2**17
LONG = "a" * 10_000


def named(kind: str, **fields: Any) -> tuple[str, dict[str, Any]]:
    return kind, {"type": kind, **fields}


def call(number: int, arguments: str = "") -> dict[str, Any]:
    return {"type": "function_call", "id": f"f{number}", "call_id": f"c{number}", "name": "t", "arguments": arguments}


def commentary(index: object) -> Any:
    item = {"type": "message", "phase": "commentary"}
    return named("response.output_item.added", output_index=index, item=item)


def text(index: object) -> Any:
    return named("response.output_text.delta", output_index=index, content_index=0, delta="x")


def block(number: object, kind: str) -> Any:
    content = {"type": kind, "text": ""} if kind == "text" else {"type": kind, "id": "s", "name": "web", "input": {}}
    return named("content_block_start", index=number, content_block=content)


# The name of a provider, and a frame that it may send again and again, with another number each time.
FLOODS: dict[str, tuple[str, Callable[[int], Any]]] = {
    "names of counts": ("openai", lambda n: chunk(usage={f"k{n}": LONG, "prompt_tokens": n})),
    "names of counts inside": ("openai", lambda n: chunk(usage={"prompt_tokens_details": {f"k{n}": LONG}})),
    "objects of counts": ("openai", lambda n: chunk(usage={f"k{n}": {"a": LONG}})),
    "long names of counts": ("openai", lambda n: chunk(usage={f"{LONG}{n}": n})),
    "values of counts": ("openai", lambda n: chunk(usage={f"k{n % 50}": LONG + str(n)})),
    "lists of counts": ("openai", lambda n: chunk(usage={f"k{n}": [LONG]})),
    "counts of a message": ("anthropic", lambda n: named("message_delta", delta={}, usage={f"k{n}": LONG})),
    "arguments that come at once": (
        "openai-responses", lambda n: named("response.output_item.added", output_index=n, item=call(n, LONG)),
    ),
    "inputs that come at once": (
        "anthropic", lambda n: named("content_block_start", index=n, content_block={
            "type": "tool_use", "id": f"c{n}", "name": "t", "input": {"a": LONG}}),
    ),
    "text blocks that never end": ("anthropic", lambda n: block(n, "text")),
    "text blocks with long indices": ("anthropic", lambda n: block(f"{LONG}{n}", "text")),
    "other blocks that never end": ("anthropic", lambda n: block(n, "server_tool_use")),
    "other blocks with long indices": ("anthropic", lambda n: block(f"{LONG}{n}", "server_tool_use")),
    "asides with long indices": ("openai-responses", lambda n: commentary(f"{LONG}{n}")),
    "texts with long indices": ("openai-responses", lambda n: text(f"{LONG}{n}")),
    "calls with long indices": (
        "openai", lambda n: chunk({"tool_calls": [{"index": f"{LONG}{n}", "function": {"name": "t"}}]}),
    ),
    "names of fields": ("openai", lambda n: chunk({f"{LONG}{n}": "x", "content": "a"})),
    "short names of fields": ("openai", lambda n: chunk({f"k{n}": "x", "content": "a"})),
    "objects in the details of the reasoning": (
        "openrouter", lambda n: chunk({"reasoning_details": [{"type": {f"{LONG}{n}": n}}]}),
    ),
    "numbers in the details of the reasoning": (
        "openrouter", lambda n: chunk({"reasoning_details": [{"index": [n] * 3000}]}),
    ),
    "items with long ids": (
        "openai-responses", lambda n: named("response.output_item.done", output_index=n, item={
            "type": "message", "id": f"{LONG}{n}", "content": []}),
    ),
    "items with short ids": (
        "openai-responses", lambda n: named("response.output_item.done", output_index=n, item={
            "type": "message", "id": f"m{n}", "content": []}),
    ),
    "reasoning with long ids": (
        "openai-responses", lambda n: named("response.output_item.done", output_index=n, item={
            "type": "reasoning", "id": f"{LONG}{n}", "summary": []}),
    ),
    "long pieces of many parts": (
        "openai-responses", lambda n: named("response.reasoning_summary_text.delta", output_index=n, summary_index=n,
                                            delta=LONG),
    ),
    "long texts of many parts": (
        "openai-responses", lambda n: named("response.output_text.delta", output_index=n, delta=LONG),
    ),
}  # fmt: skip


@rows("flood", FLOODS)
def test_what_a_reader_keeps_is_bounded(flood: str) -> None:
    name, frame = FLOODS[flood]
    assert kept_by(name, frame, 150 if len(sse(frame(0))) > len(LONG) else 4 * MOST_CALLS) < 3 * LIMIT


def test_the_length_of_a_signature_counts_while_its_block_is_open() -> None:
    def signed(pieces: int, size: int) -> list[Any]:
        return [
            named("content_block_start", index=0, content_block={"type": "thinking", "thinking": ""}),
            *(named("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "s" * size})
              for _ in range(pieces)),
            named("content_block_stop", index=0),
        ]  # fmt: skip

    spec = providers.find("anthropic")
    with pytest.raises(LimitError, match="the signatures of the reply are longer than max_frame allows"):
        list(spec.parser(LIMIT).feed(sse(*signed(20, 10_000))))
    items = spec.parser(LIMIT).feed(sse(*signed(10, 10_000) * 3))
    assert [len(i.value["signature"]) for i in items if isinstance(i, TurnState) and i.value] == [100_000] * 3


def test_the_number_of_asides_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responses, "MOST_PARTS", 99)
    *_, error = read("openai-responses", sse(*map(commentary, range(102))))
    assert type(error) is LimitError


def kept_by(name: str, frame: Callable[[int], Any], count: int) -> int:
    """Return how many bytes are still held after so many frames, or after the `LimitError` that ends them."""
    parser = providers.find(name).parser(LIMIT)
    tracemalloc.start()
    with suppress(LimitError):
        for number in range(count):
            for _ in parser.feed(sse(frame(number))):
                pass
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return kept


def test_a_flood_of_fields_costs_no_text_and_repeats_none() -> None:
    """A whole message behind the deltas says nothing new, though more fields came than are remembered."""
    pieces = [chunk({f"k{number}": "x"}) for number in range(2 * MOST_NAMES)] + [chunk({"content": "Noon."})]
    end = {"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Noon."}}]}
    items = read_whole("openai", sse(*pieces, end, "data: [DONE]"))
    assert "".join(item for item in items if isinstance(item, str)) == "Noon."


@pytest.mark.parametrize("blocks", [5, 2000])
def test_an_answer_may_have_many_text_blocks(blocks: int) -> None:
    frames = [frame for number in range(blocks) for frame in (
        block(number, "text"),
        named("content_block_delta", index=number, delta={"type": "text_delta", "text": "a"}),
        named("content_block_stop", index=number),
    )]  # fmt: skip
    items = read_whole("anthropic", sse(*frames, named("message_stop")))
    assert "".join(item for item in items if isinstance(item, str)) == "a" * blocks


def read_whole(name: str, body: bytes) -> list[Any]:
    parser = providers.find(name).parser(LIMIT)
    return [*parser.feed(body), *parser.close()]


def test_the_first_counts_are_kept_whole_and_later_ones_if_they_are_short() -> None:
    first = {f"k{number}": LONG for number in range(MOST_NAMES)} | {"inner": {"a": LONG}, "tier": "low"}
    assert merged({}, first) == first
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    later = {"new": 1, "tier": "high", "k0": "x" * LONGEST, "inner": {"b": 2, "c": [1]}, "k1": deep}
    expected = {**first, "tier": "high", "inner": {"a": LONG, "b": 2, "c": [1]}}
    assert merged(first, later) == expected
    assert merged({"a": 1}, {"b": 2, "x" * LONGEST: 3, "x" * (LONGEST + 1): 4}) == {"a": 1, "b": 2, "x" * LONGEST: 3}


def test_a_flood_of_counts_costs_no_count() -> None:
    frames = [chunk(usage={f"k{number}": LONG, "prompt_tokens": number}) for number in range(1, 100)]
    usage = [item for item in read_whole("openai", sse(*frames)) if isinstance(item, Usage)][-1]
    assert usage.prompt_tokens == 99
