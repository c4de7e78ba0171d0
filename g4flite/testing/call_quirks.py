"""Quirks of tool calls: how real services number, name and cut the calls of a reply.

Sources: those in `_core/response/assembly.py`.  A quirk whose function names another source has that one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count, groupby, zip_longest
from typing import Any, TypeAlias

from .frames import Frame, Quirk

JSON: TypeAlias = dict[str, Any]
# Changes a fragment of a tool call in place; the number counts the fragments of the reply.
Change: TypeAlias = Callable[[JSON, int], object]
ARGUMENTS = "response.function_call_arguments"
# The keys that change Responses' items and the fields beside them.
KINDS = ("response.output_item.added", "response.output_item.done", f"{ARGUMENTS}.delta", f"{ARGUMENTS}.done")


# OpenAI's Chat: fragments {"index", "id", "type", "function": {"name", "arguments"}}


def fragment_of(frame: Frame) -> JSON | None:
    """Return the fragment of a tool call in a chunk."""
    choices = frame.data.get("choices") if isinstance(frame.data, dict) else None
    calls = choices[0]["delta"].get("tool_calls") if choices else None
    return calls[0] if calls else None


def changed(frame: Frame, fragment: JSON) -> Frame:
    """Return the chunk with this fragment, which has no key whose value is None."""
    made = json.loads(json.dumps(frame.data))
    made["choices"][0]["delta"]["tool_calls"] = [{key: value for key, value in fragment.items() if value is not None}]
    return frame._replace(data=made)


def each(*changes: Change) -> Quirk:
    """Return a quirk of Chat that changes each fragment."""

    def quirk(frames: Iterator[Frame]) -> Iterator[Frame]:
        number = count()
        for frame in frames:
            if (fragment := fragment_of(frame)) is None:
                yield frame
                continue
            place = next(number)
            for change in changes:
                change(fragment, place)
            yield changed(frame, fragment)

    return quirk


def then(*quirks: Quirk) -> Quirk:
    """Return these quirks, one after the other."""

    def quirk(frames: Iterator[Frame]) -> Iterator[Frame]:
        for one in quirks:
            frames = one(frames)
        return frames

    return quirk


def calls_whole(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Each call comes in one fragment."""
    for index, group in groupby(frames, lambda frame: (fragment_of(frame) or {}).get("index")):
        if index is None:
            yield from group
            continue
        head, *tails = group
        fragment = fragment_of(head) or {}
        fragment["function"]["arguments"] += "".join(
            (fragment_of(tail) or {})["function"]["arguments"] for tail in tails
        )
        yield changed(head, fragment)


def numbered_0(fragment: JSON, _: int) -> None:
    fragment["index"] = 0


def head_at_0(fragment: JSON, _: int) -> None:
    if "id" in fragment:
        fragment["index"] = 0


def no_index(fragment: JSON, _: int) -> None:
    del fragment["index"]


def index_as_text(fragment: JSON, _: int) -> None:
    fragment["index"] = str(fragment["index"])


def no_id(fragment: JSON, _: int) -> None:
    fragment.pop("id", None)


def empty_id(fragment: JSON, _: int) -> None:
    fragment |= {"id": ""}
    fragment["function"] = {"name": "", **fragment["function"]}


def null_ids(fragment: JSON, _: int) -> None:
    """The fragments behind the head of a call have the id "null" (Mistral: zed-industries/zed#54058, April 2026)."""
    fragment.setdefault("id", "null")


def one_id(fragment: JSON, _: int) -> None:
    if "id" in fragment:
        fragment["id"] = "call_0"


def number_as_id(fragment: JSON, _: int) -> None:
    if "id" in fragment:
        fragment["id"] = fragment["index"]


def new_id(fragment: JSON, number: int) -> None:
    """vLLM has made an id for each chunk."""
    fragment["id"] = f"chatcmpl-tool-{number}"


def arguments_as_object(fragment: JSON, _: int) -> None:
    fragment["function"]["arguments"] = json.loads(fragment["function"]["arguments"] or "{}")


def with_head(*, name_alone: bool) -> Quirk:
    """Return a quirk: each fragment repeats the name, and the id unless `name_alone`."""

    def quirk(frames: Iterator[Frame]) -> Iterator[Frame]:
        head: JSON = {}
        for frame in frames:
            if (fragment := fragment_of(frame)) is None:
                yield frame
                continue
            if "id" in fragment:
                head = {"id": None if name_alone else fragment["id"], "name": fragment["function"]["name"]}
            fragment["function"]["name"] = head["name"]
            yield changed(frame, fragment | {"id": head["id"]})

    return quirk


def name_in_pieces(at: int) -> Quirk:
    """Return a quirk: the head of a call has this many characters of the name, and the next fragment has the rest."""

    def quirk(frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            if (fragment := fragment_of(frame)) is None or "id" not in fragment:
                yield frame
                continue
            name = fragment["function"]["name"]
            yield changed(frame, fragment | {"function": {"name": name[:at], "arguments": ""}})
            yield changed(frame, {"index": fragment["index"], "function": {"name": name[at:], "arguments": ""}})

    return quirk


def arguments_again(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Behind its fragments, a call's arguments come again, whole."""
    for index, group in groupby(frames, lambda frame: (fragment_of(frame) or {}).get("index")):
        last, arguments = Frame("", b""), ""
        for last in group:
            arguments += (fragment_of(last) or {"function": {"arguments": ""}})["function"]["arguments"]
            yield last
        if index is not None:
            yield changed(last, {"index": index, "function": {"arguments": arguments}})


def arguments_behind_empty_ones(frames: Iterator[Frame]) -> Iterator[Frame]:
    """The head of a call has the arguments `{}`, and the real ones follow."""
    for frame in frames:
        fragment = fragment_of(frame)
        if fragment is not None and "id" in fragment:
            head = fragment["function"]
            yield changed(frame, fragment | {"function": head | {"arguments": "{}"}})
            fragment = {"index": fragment["index"], "function": {"arguments": head["arguments"]}}
        yield frame if fragment is None else changed(frame, fragment)


def in_one_chunk(frames: Iterator[Frame]) -> Iterator[Frame]:
    """All fragments come in one chunk."""
    for called, group in groupby(frames, lambda frame: fragment_of(frame) is not None):
        held = list(group)
        if called:
            made = json.loads(json.dumps(held[0].data))
            made["choices"][0]["delta"]["tool_calls"] = [fragment_of(frame) for frame in held]
            held = [held[0]._replace(data=made)]
        yield from held


def no_arguments(fragment: JSON, _: int) -> None:
    """Arguments that are an empty object do not come (QwenLM/qwen-code#6249)."""
    if fragment["function"]["arguments"] == "{}":
        fragment["function"]["arguments"] = ""


def again_one_higher(frames: Iterator[Frame]) -> Iterator[Frame]:
    """LocalAI has sent a call, with its id, at two indices (mudler/LocalAI#9722)."""
    for frame in calls_whole(frames):
        yield frame
        if (fragment := fragment_of(frame)) is not None:
            yield changed(frame, fragment | {"index": fragment["index"] + 1})


def text_of_arguments_at_end(frames: Iterator[Frame]) -> Iterator[Frame]:
    """LiteLLM has sent a call's arguments once more as JSON of a text, with id and name (BerriAI/litellm#20480)."""
    for index, group in groupby(frames, lambda frame: (fragment_of(frame) or {}).get("index")):
        fragments = [(frame, fragment_of(frame) or {}) for frame in group]
        yield from (frame for frame, _ in fragments)
        if index is not None:
            frame, head = fragments[0]
            whole = "".join(fragment["function"]["arguments"] for _, fragment in fragments)
            yield changed(frame, head | {"function": head["function"] | {"arguments": json.dumps(whole)}})


def joined(frames: Iterator[Frame]) -> Iterator[Frame]:
    """An accumulator has taken all calls for one: behind the first head, there are pieces alone."""
    begun = False
    for frame in frames:
        fragment = fragment_of(frame)
        if fragment is not None and begun:
            fragment = {"index": 0, "function": {"arguments": fragment["function"]["arguments"]}}
        begun = begun or fragment is not None
        yield frame if fragment is None else changed(frame, fragment)


def heads_first(frames: Iterator[Frame]) -> Iterator[Frame]:
    """The heads of all calls come first, and then their pieces, numbered one higher."""
    for called, group in groupby(frames, lambda frame: fragment_of(frame) is not None):
        held = [(frame, fragment_of(frame) or {}) for frame in group]
        yield from (frame for frame, fragment in held if not called or "id" in fragment)
        for frame, fragment in held if called else ():
            if "id" not in fragment:
                yield changed(frame, fragment | {"index": fragment["index"] + 1})


def interleaved(index_of: Callable[[Frame], object]) -> Quirk:
    """Return a quirk: neighbours that have an index come in turns, one frame of each index at a time."""

    def quirk(frames: Iterator[Frame]) -> Iterator[Frame]:
        held: dict[object, list[Frame]] = {}
        for frame in frames:
            if (index := index_of(frame)) is not None:
                held.setdefault(index, []).append(frame)
                continue
            for row in zip_longest(*held.values()):
                yield from (one for one in row if one is not None)
            held = {}
            yield frame

    return quirk


# Anthropic's Messages: blocks that begin, go on and stop


def block_of(frame: Frame) -> object:
    """Return the index of an event's block; None for blocks of text, but for their end."""
    kind = str(_kind(frame))
    words = ("content_block_stop", '"tool_use"', '"input_json_delta"')
    mine = kind.startswith("content_block") and any(word in json.dumps(frame.data) for word in words)
    return frame.data["index"] if mine else None


def input_at_start(frames: Iterator[Frame]) -> Iterator[Frame]:
    """The blocks of all calls are open at once, and have their whole input at the start."""
    blocks: list[tuple[Frame, list[str]]] = []
    stops: list[Frame] = []
    for frame in frames:
        kind, block = _kind(frame), frame.data.get("content_block", {}) if isinstance(frame.data, dict) else {}
        if kind == "content_block_start" and block["type"] == "tool_use":
            blocks.append((frame, []))
        elif kind == "content_block_delta" and frame.data["delta"]["type"] == "input_json_delta":
            blocks[-1][1].append(frame.data["delta"]["partial_json"])
        elif kind == "content_block_stop" and blocks:
            stops.append(frame)
        else:
            for start, pieces in blocks:
                whole = start.data["content_block"] | {"input": json.loads("".join(pieces) or "{}")}
                yield start._replace(data=start.data | {"content_block": whole})
            yield from stops
            blocks, stops = [], []
            yield frame


def input_at_start_and_empty(frames: Iterator[Frame]) -> Iterator[Frame]:
    """A call has its whole input at the start, and then a piece `{}`."""
    for frame in input_at_start(frames):
        yield frame
        if _kind(frame) == "content_block_start" and frame.data["content_block"]["type"] == "tool_use":
            delta = {"type": "input_json_delta", "partial_json": "{}"}
            data = {"type": "content_block_delta", "index": frame.data["index"], "delta": delta}
            yield frame._replace(name="content_block_delta", data=data)


def numbered_like_the_block_before(frames: Iterator[Frame]) -> Iterator[Frame]:
    """The pieces of an input have the number of the block before."""
    for frame in frames:
        mine = _kind(frame) == "content_block_delta" and frame.data["delta"]["type"] == "input_json_delta"
        yield frame._replace(data=frame.data | {"index": frame.data["index"] - 1}) if mine else frame


def behind_the_stop(delta: str, stop: str) -> Quirk:
    """Return a quirk: the last piece of a call's arguments comes behind the event that ends the call."""

    def quirk(frames: Iterator[Frame]) -> Iterator[Frame]:
        held: list[Frame] = []
        for frame in frames:
            kind = _kind(frame)
            if kind == delta and frame.data["delta"].get("type") in (None, "input_json_delta"):
                yield from held
                held = [frame]
            elif kind == stop and held:
                yield frame
                yield from held
                held = []
            else:
                yield frame

    return quirk


def _kind(frame: Frame) -> object:
    return frame.data.get("type") if isinstance(frame.data, dict) else None


# Any protocol


def with_ids(id: str | None) -> Quirk:  # noqa: A002
    """Return a quirk: all calls have this id, or none."""

    def change(value: Any, *, called: bool = False) -> Any:
        if isinstance(value, list):
            return [change(one, called=called) for one in value]
        if not isinstance(value, dict):
            return value
        named = called or value.get("type") in ("tool_use", "function_call")
        made = {
            key: change(inner, called=key in ("tool_calls", "functionCall"))
            for key, inner in value.items()
            if not (named and key == ("call_id" if "call_id" in value else "id"))
        }
        key = "call_id" if "call_id" in value else "id"
        return made | {key: id} if named and id and key in value else made

    def quirk(frames: Iterator[Frame]) -> Iterator[Frame]:
        return (frame._replace(data=change(frame.data)) for frame in frames)

    return quirk


def ollama_arguments_as_text(frames: Iterator[Frame]) -> Iterator[Frame]:
    """The arguments of a call are JSON text."""
    for frame in frames:
        for call in frame.data["message"].get("tool_calls", ()) if "message" in frame.data else ():
            call["function"]["arguments"] = json.dumps(call["function"]["arguments"])
        yield frame


def partial_args(ended: bool) -> Quirk:
    """Return the quirk of Gemini on Vertex with `streamFunctionCallArguments`: a chunk for each path of the arguments.

    Texts come in two pieces.  An empty object `{}` ends the arguments, if they are `ended`.  A call whose arguments the
    paths cannot say comes at once.
    Source: the tests of google-genai 3.6.1; BerriAI/litellm#23815, March 2026; langchain-ai/langchain-google#1752.
    """

    def quirk(frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            content = frame.data.get("candidates", [{}])[0].get("content", {})
            call = next((part["functionCall"] for part in content.get("parts", ()) if "functionCall" in part), None)
            pieces = list(pieces_of(call["args"])) if call else []
            if call is None or {} in (piece.get("value") for piece in pieces):
                yield frame
                continue
            named = {key: value for key, value in call.items() if key != "args"}
            for made in (named, *({"partialArgs": [piece]} for piece in pieces)):
                yield with_call(frame, {**made, "willContinue": True})
            if ended:
                yield with_call(frame, {})

    return quirk


def with_call(frame: Frame, call: JSON) -> Frame:
    """Return the chunk with this `functionCall` in place of its own."""
    made = json.loads(json.dumps(frame.data))
    content = made["candidates"][0]["content"]
    content["parts"] = [part | ({"functionCall": call} if "functionCall" in part else {}) for part in content["parts"]]
    return frame._replace(data=made)


def pieces_of(value: Any, path: str = "$") -> Iterator[JSON]:
    """Yield the partial arguments of a value; one of an empty object or list has it as `value`."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if inner is not None:
        if not value and path != "$":
            yield {"value": {}}
        for key, item in inner:
            plain = isinstance(key, str) and key.isidentifier()
            yield from pieces_of(item, f"{path}.{key}" if plain else f"{path}[{json.dumps(key)}]")
    elif isinstance(value, str):
        half = len(value) // 2
        yield {"jsonPath": path, "stringValue": value[:half], "willContinue": True}
        yield {"jsonPath": path, "stringValue": value[half:]}
    else:
        kind = "nullValue" if value is None else "boolValue" if isinstance(value, bool) else "numberValue"
        yield {"jsonPath": path, kind: value}


# OpenAI's Responses: items with an id and an index, whose arguments come in pieces, and again at the end


def items(change: Callable[[Frame, int], Iterable[Frame]]) -> Quirk:
    """Return a quirk of Responses that changes the events of tool calls; the number counts these events."""

    def quirk(frames: Iterator[Frame]) -> Iterator[Frame]:
        number = count()
        for frame in frames:
            mine = _kind(frame) in KINDS and frame.data.get("item", {}).get("type") in (None, "function_call")
            yield from change(frame, next(number)) if mine else (frame,)

    return quirk


def one_output_index(frame: Frame, _: int) -> Iterator[Frame]:
    yield frame._replace(data=frame.data | {"output_index": 0})


def new_item_ids(frame: Frame, number: int) -> Iterator[Frame]:
    """GitHub Copilot encrypts the ids of items anew for each event."""
    ids = {"item_id": f"x{number}"} if "item_id" in frame.data else {"item": frame.data["item"] | {"id": f"x{number}"}}
    yield frame._replace(data=frame.data | ids)


def no_deltas(frame: Frame, _: int) -> Iterator[Frame]:
    if frame.name != f"{ARGUMENTS}.delta":
        yield frame


def done_alone(frame: Frame, _: int) -> Iterator[Frame]:
    if frame.name == "response.output_item.done":
        yield frame


def emptied(frame: Frame, _: int) -> Iterator[Frame]:
    """LM Studio: no deltas, and `{}` behind the whole arguments (earendil-works/pi PR#917, January 2026)."""
    if frame.name == "response.output_item.done":
        yield frame._replace(data=frame.data | {"item": frame.data["item"] | {"arguments": "{}"}})
    elif not frame.name.endswith(".delta"):
        yield frame


def completed_alone(_: Frame, __: int) -> Iterable[Frame]:
    return ()


def other_ids_at_the_end(frames: Iterator[Frame]) -> Iterator[Frame]:
    """vLLM's `response.completed` lists the calls under other ids than before (vllm-project/vllm#47916)."""
    for frame in frames:
        made = json.loads(json.dumps(frame.data))
        if _kind(frame) == "response.completed":
            for item in made["response"]["output"]:
                if item["type"] == "function_call":
                    item |= {"id": f"{item['id']}-2", "call_id": f"{item['call_id']}-2"}
        yield frame._replace(data=made)


# Cohere: a call that begins, goes on and ends


def cohere_whole(*, again: bool) -> Quirk:
    """Return a quirk: the start of a call has all arguments; `again` says that the pieces follow nevertheless."""

    def quirk(frames: Iterator[Frame]) -> Iterator[Frame]:
        held: list[Frame] = []
        for frame in frames:
            kind = _kind(frame)
            if kind in ("tool-call-start", "tool-call-delta"):
                held.append(frame)
            elif kind == "tool-call-end":
                start, *deltas = held
                functions = [one.data["delta"]["message"]["tool_calls"]["function"] for one in held]
                functions[0]["arguments"] = "".join(function["arguments"] for function in functions)
                yield start
                yield from deltas if again else ()
                yield frame
                held = []
            else:
                yield frame

    return quirk


# By the name of the quirk, and by the name of the protocol.
CALL_QUIRKS: Mapping[str, Mapping[str, Quirk]] = {
    "calls_numbered_0": {"chat": each(numbered_0), "responses": items(one_output_index)},
    "calls_numbered_0_without_ids": {"chat": each(numbered_0, no_id)},
    "calls_numbered_0_with_empty_ids": {"chat": each(numbered_0, empty_id)},
    "calls_numbered_0_with_one_id": {"chat": each(numbered_0, one_id)},
    "calls_whole_numbered_0": {"chat": then(calls_whole, each(numbered_0))},
    "calls_whole_numbered_0_without_ids": {"chat": then(calls_whole, each(numbered_0, no_id))},
    "calls_whole_numbered_0_with_one_id": {"chat": then(calls_whole, each(numbered_0, one_id))},
    "calls_whole_without_index": {"chat": then(calls_whole, each(no_index, empty_id))},
    "calls_numbered_by_text": {"chat": each(index_as_text)},
    "calls_with_one_id": {
        "chat": each(one_id), "responses": with_ids("call_0"), "anthropic": with_ids("call_0"),
        "gemini": with_ids("call_0"), "ollama": with_ids("call_0"), "cohere": with_ids("call_0"),
    },
    "calls_without_ids": {
        "chat": each(no_id), "gemini": with_ids(None), "ollama": with_ids(None), "cohere": with_ids(None),
        "responses": with_ids(None), "anthropic": with_ids(None),
    },
    "call_tails_whose_id_is_null": {"chat": each(null_ids)},
    "calls_numbered_0_whose_tails_have_null_as_id": {"chat": each(numbered_0, null_ids)},
    "calls_with_null_as_ids": {
        "chat": each(no_id, null_ids), "gemini": with_ids("null"), "ollama": with_ids("null"),
        "cohere": with_ids("null"), "responses": with_ids("null"), "anthropic": with_ids("null"),
    },
    "calls_with_numbers_as_ids": {"chat": each(number_as_id)},
    "calls_interleaved": {
        "chat": interleaved(lambda frame: (fragment_of(frame) or {}).get("index")), "anthropic": interleaved(block_of),
    },
    "call_tail_elsewhere": {"chat": each(head_at_0)},
    "call_head_in_each_fragment": {"chat": with_head(name_alone=False)},
    "call_name_in_each_fragment": {"chat": then(with_head(name_alone=True), each(numbered_0))},
    "call_id_of_each_fragment": {"chat": each(new_id)},
    "call_name_late": {"chat": name_in_pieces(0)},
    "call_name_in_pieces": {"chat": name_in_pieces(4)},
    "call_arguments_as_object": {"chat": then(calls_whole, each(arguments_as_object))},
    "call_arguments_as_text": {"ollama": ollama_arguments_as_text},
    "call_arguments_again": {"chat": arguments_again, "cohere": cohere_whole(again=True)},
    "call_arguments_at_start": {"anthropic": input_at_start, "cohere": cohere_whole(again=False)},
    "call_arguments_at_end": {"responses": items(no_deltas)},
    "call_arguments_behind_end": {
        "anthropic": behind_the_stop("content_block_delta", "content_block_stop"),
        "cohere": behind_the_stop("tool-call-delta", "tool-call-end"),
    },
    "call_arguments_behind_empty_ones": {
        "chat": arguments_behind_empty_ones, "anthropic": input_at_start_and_empty,
    },
    "call_arguments_in_another_block": {"anthropic": numbered_like_the_block_before},
    "calls_in_one_chunk": {"chat": then(calls_whole, each(numbered_0, no_id), in_one_chunk)},
    "calls_in_one_chunk_with_their_ids": {"chat": then(calls_whole, each(no_index), in_one_chunk)},
    "call_arguments_missing": {"chat": each(no_arguments)},
    "call_arguments_as_text_at_end": {"chat": text_of_arguments_at_end},
    "call_ids_new_at_the_end": {"responses": other_ids_at_the_end},
    "call_arguments_empty_at_its_end": {"responses": items(emptied)},
    "call_at_its_end_alone": {"responses": items(done_alone)},
    "call_at_the_end_alone": {"responses": items(completed_alone)},
    "call_item_ids_of_each_event": {"responses": items(new_item_ids)},
    "call_in_partial_args": {"gemini": partial_args(ended=True)},
}  # fmt: skip
# Calls that cannot be told apart, or not be read.
UNCLEAR_CALL_QUIRKS: Mapping[str, Mapping[str, Quirk]] = {
    "calls_joined": {"chat": joined},
    "call_again_one_higher": {"chat": again_one_higher},
    "call_heads_first": {"chat": heads_first},
    "call_in_partial_args_without_end": {"gemini": partial_args(ended=False)},
}
