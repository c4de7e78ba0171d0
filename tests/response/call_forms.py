"""Replies with two or three tool calls, each reply written in a random form: right, odd, or impossible to read.

reply = any_reply(Random(7), "chat")
reply.calls         # what the service meant: (name, value of the arguments)
reply.frames        # how it said so
reply.form          # the choices of the form, to find a faulty one by

A form is one choice of each kind: how the calls are numbered, what ids and names they have and where, how the arguments
are cut, in which order the fragments come, and whether a call comes again.  The values in the arguments are all
different, so that arguments of two calls that were mixed are never those of a call.
"""

import json
from random import Random
from typing import Any, NamedTuple

from tests.providers.frames import DONE, chunk

NAMES = ("now", "tide", "get_now")
PROVIDERS = {"chat": "openai", "responses": "openai-responses", "anthropic": "anthropic", "cohere": "cohere"}
# Without an id, a call that comes again is a second call, unless the first came in pieces and the second at once.
NO_IDS = ("none", "empty", "tail", "first call")
Fragments = list[dict[str, Any]]


class Reply(NamedTuple):
    """A reply, what it means, and the choices of its form."""

    provider: str
    form: dict[str, Any]
    calls: list[tuple[str, Any]]
    frames: list[Any]


def any_reply(random: Random, protocol: str) -> Reply:
    """Return a reply of a protocol in a random form."""
    form: dict[str, Any] = {"protocol": protocol}
    calls = [(random.choice(NAMES), value_of(random, number)) for number in range(random.choice((2, 2, 3)))]
    if random.random() < 0.1:
        # The name shows which call has no arguments.
        calls[random.randrange(len(calls))] = "ping", {}
    frames = {"chat": chat, "responses": responses, "anthropic": blocks, "cohere": blocks}[protocol](
        random, form, calls
    )
    return Reply(PROVIDERS[protocol], form, calls, frames)


def value_of(random: Random, number: int) -> Any:
    """Return arguments with a value that no other call has."""
    mark = 100 * number + random.randrange(100)
    shapes: list[Any] = [
        {"x": mark}, {"x": f"n{mark}"}, {"x": {"a": [mark, {"b": {}}]}}, {"x": f"}}{{{mark}"},
        {"x": f'"{mark}\\', "l": [{}, {}]}, {"zone": "U", "x": mark}, {"t": f"a {{b}} {mark}"},
    ]  # fmt: skip
    return random.choice(shapes)


def written(random: Random, value: Any) -> str:
    """Return JSON text of a value, in one of the spellings of JSON."""
    return json.dumps(
        value, separators=random.choice(((",", ":"), (", ", ": "))), indent=random.choice((None, None, 1))
    )


def cut(random: Random, text: str, most: int = 4) -> list[str]:
    """Return the text in pieces that are not empty; [""] for none."""
    places = sorted(random.sample(range(1, len(text)), min(random.randrange(most), len(text) - 1))) if text else []
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


def mixed(random: Random, lists: list[list[Any]], order: str) -> list[Any]:
    """Return the items of all lists: one list behind the other, the first items first, or in any order."""
    if order == "sequential":
        return [item for one in lists for item in one]
    rest, result = [list(one) for one in lists], list[Any]()
    if order.startswith("heads first"):
        result = [one.pop(0) for one in rest]
    if order == "heads first":
        return result + [item for one in rest for item in one]
    while waiting := [one for one in rest if one]:
        result.append(random.choice(waiting).pop(0))
    return result


ORDERS = ("sequential", "sequential", "sequential", "heads first", "heads first, interleaved", "interleaved")


def chat(random: Random, form: dict[str, Any], calls: list[tuple[str, Any]]) -> list[Any]:
    """Return chunks of Chat Completions.  Lists, and arguments that are text twice, become the values of the calls."""
    form |= {
        "index": random.choice(("right", "right", "0", "none", "one higher", "tail higher", "tail at 0", "head at 0")),
        "ids": random.choice(("head", "each", "head and empty", "none", "empty", "one", "one in each", "int", "new",
                              "first call", "tail")),
        "names": random.choice(("head", "head", "each", "late", "behind", "pieces", "head and empty")),
        "arguments": random.choice(("pieces", "pieces", "pieces", "whole", "object", "text", "list", "snapshots")),
        "head": random.choice(("", None, "piece", "piece", "{}")),
        "order": random.choice(ORDERS),
        "again": random.choice(("", "", "", "call", "call, in pieces", "arguments", "call at the end", "id")),
        "chunks": random.choice(("one each", "one each", "grouped")),
    }  # fmt: skip
    if form["names"] == "pieces":
        # In one chunk, two names are two calls.
        form["chunks"] = "one each"
        # A name with arguments is complete.
        form["head"] = form["head"] and None
    if form["ids"] == "new" and form["names"] == "each" and form["head"] == "{}":
        # With a name and an id of its own, `{}` is a whole call, as Ollama and Gemini send it.
        form["head"] = "piece"
    if form["ids"] == "first call" and form["index"] != "right":
        # A name without an id, behind a head without arguments, is the rest of the head's name.
        form["order"] = "sequential"
    if form["names"] == "each" and form["order"] != "sequential" and form["index"] != "right":
        # With one name, they are a call whose arguments the model wrote badly.
        calls[:] = [(name, value) for name, (_, value) in zip(NAMES, calls, strict=False)]
    lists = [fragments_of(random, form, calls, number) for number in range(len(calls))]
    fragments = mixed(random, lists, form["order"])
    if form["again"] == "call at the end" and form["ids"] not in NO_IDS:
        fragments.append(again_of(random, form, calls, random.randrange(len(calls)))[0])
    frames = list[Any]()
    while fragments:
        size = random.randint(1, 3) if form["chunks"] == "grouped" else 1
        frames.append(chunk({"tool_calls": fragments[:size]}))
        del fragments[:size]
    return [*frames, chunk(finish_reason="tool_calls"), DONE]


def fragments_of(random: Random, form: dict[str, Any], calls: list[tuple[str, Any]], number: int) -> Fragments:
    """Return the fragments of one call."""
    name, value = calls[number]
    if form["arguments"] in ("text", "list"):
        value = written(random, value) if form["arguments"] == "text" else [value]
        calls[number] = name, value
    text = written(random, value)
    texts: list[Any] = [text] if form["arguments"] in ("whole", "object") else cut(random, text)
    if form["arguments"] in ("text", "list") and random.random() < 0.5:
        texts = [text]
    if form["arguments"] == "snapshots":
        texts = ["".join(texts[: place + 1]) for place in range(len(texts))]
    if form["arguments"] == "object" and (value or form["ids"] != "first call"):
        texts = [value]
    plain = form["index"] in ("right", "one higher", "0", "none") and form["names"] not in ("late", "behind")
    if value == {} and plain and form["ids"] != "first call" and random.random() < 0.5:
        texts = []
    if form["head"] != "piece" or not texts:
        texts.insert(0, None if form["head"] == "piece" else form["head"])
    if form["names"] == "behind" or (form["names"] == "pieces" and len(texts) == 1):
        texts.append("")
    made = [entry(form, name, number, place, len(texts), piece) for place, piece in enumerate(texts)]
    in_pieces = sum(text not in (None, "", "{}") for text in texts) > 1 and form["arguments"] != "snapshots"
    if form["again"] == "arguments" or (
        form["again"] in ("call", "call, in pieces", "id")
        and (form["ids"] not in NO_IDS or (form["again"] == "call" and in_pieces and form["order"] == "sequential"))
    ):
        made += again_of(random, form, calls, number)
    return made


def again_of(random: Random, form: dict[str, Any], calls: list[tuple[str, Any]], number: int) -> Fragments:
    """Return fragments that repeat a whole call, or its arguments, in another spelling perhaps."""
    name, value = calls[number]
    piece = "" if form["again"] == "id" else written(random, value)
    again = [entry(form, name, number, 0, 1, piece)]
    if form["again"] == "arguments":
        again = [entry(form, name, number, 1, 2, piece)]
        again[0]["function"].pop("name", None)
        again[0].pop("id", None)
    elif form["again"] == "call, in pieces":
        pieces = cut(random, piece)
        again = [entry(form, name, number, place, len(pieces), piece) for place, piece in enumerate(pieces)]
    elif form["names"] != "each":
        again[0]["function"]["name"] = name
    if form["ids"] in NO_IDS:
        again[0] = {**again[0], "index": entry(form, name, number, 1, 2, "").get("index")}
    return again


def entry(form: dict[str, Any], name: str, number: int, place: int, count: int, piece: Any) -> dict[str, Any]:
    """Return a fragment: the piece at a place of `count` pieces."""
    head, last = place == 0, place == count - 1
    index = {
        "right": number, "0": 0, "none": None, "one higher": number + 1, "tail higher": number + (not head),
        "tail at 0": number if head else 0, "head at 0": 0 if head else number,
    }[form["index"]]  # fmt: skip
    own = f"id{number}"
    id = {  # noqa: A001
        "head": own if head else None, "each": own, "head and empty": own if head else "", "none": None, "empty": "",
        "one": "S" if head else None, "one in each": "S", "int": number if head else None, "new": f"{own}_{place}",
        "first call": own if head and not number else None, "tail": None if head else own,
    }[form["ids"]]  # fmt: skip
    said = {
        "head": name if head else None, "each": name, "late": name if last else None, "behind": name if last else None,
        "pieces": (name[:2] if head else name[2:] if place == 1 else None), "head and empty": name if head else "",
    }[form["names"]]  # fmt: skip
    function = {"name": said, "arguments": piece}
    fields = {"index": index, "id": id}
    return {key: value for key, value in fields.items() if value is not None} | {
        "function": {key: value for key, value in function.items() if value is not None}
    }


def blocks(random: Random, form: dict[str, Any], calls: list[tuple[str, Any]]) -> list[Any]:
    """Return events of Anthropic's Messages or of Cohere's Chat."""
    form |= {
        "index": random.choice(("right", "right", "0", "none", "piece lower", "piece higher", "stop lower")),
        "ids": random.choice(("right", "one", "none", "int")),
        "arguments": random.choice(("pieces", "pieces", "whole", "start", "start and pieces", "start, {}")),
        "order": random.choice(ORDERS),
        "stops": random.choice(("behind", "behind", "end", "none", "early")),
    }
    if form["index"] != "right" and form["stops"] == "early":
        # A piece behind the stop of a block and the start of the next one is the next one's.
        form["order"] = "sequential"
    lists, stops = list[list[Any]](), list[Any]()
    for number, (name, value) in enumerate(calls):
        index = {"0": 0, "none": None}.get(form["index"], number)
        places = {"piece lower": number - 1, "piece higher": number + 1}.get(form["index"], index)
        ends = number - 1 if form["index"] == "stop lower" else index
        id = {"right": f"id{number}", "one": "S", "none": None, "int": number}[form["ids"]]  # noqa: A001
        text = written(random, value)
        starts = form["arguments"].startswith("start")
        pieces = [] if form["arguments"] == "start" else cut(random, text, 1 if form["arguments"] == "whole" else 4)
        if form["arguments"] == "start, {}":
            pieces = ["{}"]
        if value == {} and random.random() < 0.5:
            pieces = [""]
        if form["protocol"] == "anthropic":
            block = {"type": "tool_use", "id": id, "name": name, "input": value if starts else {}}
            made = [event("content_block_start", index, content_block=block)]
            made += [
                event("content_block_delta", places, delta={"type": "input_json_delta", "partial_json": piece})
                for piece in pieces
            ]
            stop = event("content_block_stop", ends)
        else:
            function = {"name": name, "arguments": text if starts else ""}
            made = [event("tool-call-start", index, delta=called({"id": id, "type": "function", "function": function}))]
            made += [
                event("tool-call-delta", places, delta=called({"function": {"arguments": piece}})) for piece in pieces
            ]
            stop = event("tool-call-end", ends)
        if form["stops"] == "behind":
            made.append(stop)
        elif form["stops"] == "early":
            made.insert(max(1, len(made) - 1), stop)
        elif form["stops"] == "end":
            stops.append(stop)
        lists.append(made)
    events = mixed(random, lists, form["order"]) + stops
    if form["protocol"] == "anthropic":
        return [*events, event("message_delta", None, delta={"stop_reason": "tool_use"}), event("message_stop", None)]
    return [*events, event("message-end", None, delta={"finish_reason": "TOOL_CALL"})]


def called(call: dict[str, Any]) -> dict[str, Any]:
    return {"message": {"tool_calls": call}}


def event(kind: str, index: int | None, **fields: Any) -> tuple[str, dict[str, Any]]:
    return kind, {"type": kind} | ({} if index is None else {"index": index}) | fields


def responses(random: Random, form: dict[str, Any], calls: list[tuple[str, Any]]) -> list[Any]:
    """Return events of Responses."""
    form |= {
        "index": random.choice(("right", "right", "0", "none")),
        "ids": random.choice(("right", "right", "one", "none", "int")),
        "items": random.choice(("right", "right", "none", "empty", "new", "one")),
        "order": random.choice(ORDERS),
        "has": sorted(random.sample(("added", "deltas", "arguments", "done", "completed"), random.randint(1, 5))),
        "again": random.choice(("", "", "", "done")),
        "added": random.choice(("", "", "whole")),
    }
    if "none" in (form["ids"], form["index"]) and form["items"] != "right":
        # Equal calls without ids are two calls.
        form["again"] = ""
    has = form["has"]
    # A call without a name is none.
    if not {"added", "done", "completed"}.intersection(has):
        has.append("done")
    if "done" not in has and "completed" not in has and "arguments" not in has and "deltas" not in has:
        form["added"] = "whole"
    if {"deltas", "arguments"}.intersection(has) and "added" not in has:
        has.append("added")
    fresh = iter(range(99))
    lists, output = list[list[Any]](), list[Any]()
    for number, (name, value) in enumerate(calls):
        text = written(random, value)

        def item_id(number: int = number) -> str | None:
            return {"right": f"fc{number}", "none": None, "empty": "", "new": f"x{next(fresh)}", "one": "fc"}[
                form["items"]
            ]

        id = {"right": f"id{number}", "one": "S", "none": None, "int": number}[form["ids"]]  # noqa: A001
        place = {"0": 0, "none": None}.get(form["index"], number)

        def whole(arguments: str, name: str = name, id: Any = id) -> dict[str, Any]:  # noqa: A002
            fields = {"type": "function_call", "id": item_id(), "call_id": id, "name": name, "arguments": arguments}
            return {key: value for key, value in fields.items() if value is not None}

        def said(kind: str, place: int | None = place, **fields: Any) -> tuple[str, dict[str, Any]]:
            fields = {"output_index": place, "item_id": item_id() if "item" not in fields else None} | fields
            return kind, {"type": kind} | {key: value for key, value in fields.items() if value is not None}

        made = list[Any]()
        if "added" in has:
            made.append(said("response.output_item.added", item=whole(text if form["added"] else "")))
        if "deltas" in has:
            kind = "response.function_call_arguments.delta"
            made += [said(kind, delta=piece) for piece in cut(random, text)]
        if "arguments" in has:
            made.append(said("response.function_call_arguments.done", arguments=written(random, value)))
        if "done" in has:
            made += [said("response.output_item.done", item=whole(written(random, value)))]
            made += made[-1:] if form["again"] else []
        output.append(whole(written(random, value)))
        lists.append(made or [("ping", {"type": "ping"})])
    end = {"status": "completed", "output": output if "completed" in has else []}
    return [
        *mixed(random, lists, form["order"]),
        ("response.completed", {"type": "response.completed", "response": end}),
    ]
