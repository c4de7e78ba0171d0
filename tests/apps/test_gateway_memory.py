"""What the gateway remembers of turns with tool calls."""

from __future__ import annotations

from typing import Any

from g4flite.apps.gateway import memory
from g4flite.apps.gateway.carry import asked
from g4flite.apps.gateway.memory import Memory
from g4flite.server.protocol import Turn
from tests.rows import rows


def turn(id_: str = "c1", arguments: str = '{"a": 1}', **more: Any) -> dict[str, Any]:
    call = {"id": id_, "type": "function", "function": {"name": "f", "arguments": arguments}}
    return {"role": "assistant", "content": "", "tool_calls": [call]} | more


STATE = {"parts": ["x"]}


@rows(("owner", "given", "known"), [
    ("anna", turn(arguments='{"a":1}'), True), ("bert", turn(), False), ("anna", turn("c2"), False),
    ("anna", turn(arguments='{"a": 2}'), False), ("anna", turn(arguments="{"), False),
    ("anna", turn(arguments="[" * 100_000), False),
])  # fmt: skip
def test_a_turn_gets_its_state_back(owner: str, given: dict[str, Any], known: bool) -> None:
    kept = Memory()
    kept.keep("anna", turn(state=STATE))
    said, found = kept.recall(owner, [{"role": "user", "content": "Hi"}, given])
    assert said == {"role": "user", "content": "Hi"}
    assert ("state" in found) is known
    # The state belongs to the text that the model wrote.
    assert not known or found["tool_calls"] == turn()["tool_calls"]


def test_memory_is_bounded(monkeypatch: Any) -> None:
    monkeypatch.setattr(memory, "TURNS", 2)
    kept = Memory()
    kept.keep("", turn("large", state={"parts": ["x" * memory.SIZE]}))
    kept.keep("", {"role": "assistant", "content": "no calls", "state": STATE})
    kept.keep("", turn("no state"))
    for id_ in ("c1", "c2", "c3"):
        kept.keep("", turn(id_, state=STATE))
        kept.recall("", [turn("c1")])
    found = kept.recall("", [turn(id_) for id_ in ("large", "no state", "c1", "c2", "c3")])
    assert ["state" in message for message in found] == [False, False, True, False, True]


def test_memory_is_bounded_in_characters_as_well(monkeypatch: Any) -> None:
    monkeypatch.setattr(memory, "TOTAL", 2500)
    kept = Memory()
    # The content does not count: it is not kept.
    for id_ in ("c1", "c2", "c1", "c1", "c3"):
        kept.keep("", turn(id_, state={"parts": ["x" * 1000]}, content="y" * 9999))
    found = kept.recall("", [turn(id_) for id_ in ("c1", "c2", "c3")])
    assert ["state" in message for message in found] == [True, False, True]
    assert found[0]["content"] == ""
    # Nor are arguments that are too large.
    kept.keep("", turn("c4", '"' + "x" * memory.SIZE + '"', state=STATE))
    assert "state" not in kept.recall("", [turn("c4", '"' + "x" * memory.SIZE + '"')])[0]
    assert len(kept._turns) == len(kept._sizes) == 2
    assert kept._total == sum(kept._sizes.values()) <= 2500


def without_ids(*histories: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return turns with their results, as Ollama's clients send them back."""
    question = Turn(model="m", messages=[dict(one) for turns in histories for one in turns], options={}, stream=True)
    return asked(question)[0]


def one_turn(arguments: str = '{"a": 1}') -> list[dict[str, Any]]:
    call = {"type": "function", "function": {"name": "f", "arguments": arguments}}
    return [{"role": "assistant", "content": "", "tool_calls": [call]}, {"role": "tool", "name": "f", "content": "r"}]


def test_turns_whose_calls_come_without_ids_get_theirs_and_their_state_back() -> None:
    kept = Memory()
    for number in range(3):
        kept.keep("anna", turn(f"c{number}", state={"parts": [number]}))
    kept.keep("anna", turn("other", '{"a": 2}', state={"parts": ["other"]}))
    history = without_ids(one_turn(), one_turn('{"a":2}'), one_turn('{ "a": 1.0}'), one_turn("{}"))
    found = kept.recall("anna", history)
    states = [message["state"]["parts"][0] if "state" in message else None for message in found[::2]]
    ids = [message["tool_calls"][0]["id"] for message in found[::2]]
    assert states == [1, "other", 2, None]
    assert ids == ["c1", "other", "c2", "call_6_0"]
    assert [message["tool_call_id"] for message in found[1::2]] == ids
    # Of another key nothing is known.
    assert kept.recall("bert", history) == history


def test_calls_that_are_nested_as_deeply_as_can_be_read_are_remembered() -> None:
    kept, found = Memory(), set[str]()
    # Each depth around the limits of reading and of writing, which differ from Python to Python.
    for depth in (*range(900, 1000), *range(1400, 1500), 100_000):
        arguments = "[" * depth + "1.5" + "]" * depth
        kept.keep("", turn("c1", arguments, state=STATE))
        assert "state" in kept.recall("", [turn("c1", arguments)])[0]
        found.add(kept.recall("", without_ids(one_turn(arguments)))[0]["tool_calls"][0]["id"])
    assert found == {"c1"}
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    kept.keep("", turn("c2", state=deep))
    assert "state" not in kept.recall("", [turn("c2")])[0]


def test_turns_that_say_the_same_are_bounded(monkeypatch: Any) -> None:
    monkeypatch.setattr(memory, "ALIKE", 2)
    monkeypatch.setattr(memory, "TURNS", 3)
    kept = Memory()
    for number in range(3):
        kept.keep("", turn(f"c{number}", state=STATE))
    found = kept.recall("", without_ids(*[one_turn()] * 3))
    assert ["state" in message for message in found[::2]] == [False, True, True]
    # Turns that say something else push the older ones out.
    for number in range(3):
        kept.keep("", turn(f"d{number}", str(number), state=STATE))
    assert not any("state" in message for message in kept.recall("", without_ids(one_turn())))
    assert len(kept._alike) == 3
    kept.keep("", turn("d9", "0", state=STATE))
    kept.keep("", turn("d8", "2", state=STATE))
    kept.keep("", turn("d7", "2", state=STATE))
    # Their ids are known, and they are not.
    assert "state" not in kept.recall("", without_ids(one_turn("1")))[0]
