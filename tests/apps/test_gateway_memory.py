"""What the gateway remembers of turns with tool calls."""

from __future__ import annotations

from typing import Any

from g4flite.apps.gateway import memory
from g4flite.apps.gateway.memory import Memory
from tests.rows import rows


def turn(id_: str = "c1", arguments: str = '{"a": 1}', **more: Any) -> dict[str, Any]:
    call = {"id": id_, "type": "function", "function": {"name": "f", "arguments": arguments}}
    return {"role": "assistant", "content": "", "tool_calls": [call], **more}


STATE = {"parts": ["x"]}


@rows(("owner", "asked", "known"), [
    ("anna", turn(arguments='{"a":1}'), True), ("bert", turn(), False), ("anna", turn("c2"), False),
    ("anna", turn(arguments='{"a": 2}'), False), ("anna", turn(arguments="{"), False),
])  # fmt: skip
def test_a_turn_gets_its_state_back(owner: str, asked: dict[str, Any], known: bool) -> None:
    kept = Memory()
    kept.keep("anna", turn(state=STATE))
    said, found = kept.recall(owner, [{"role": "user", "content": "Hi"}, asked])
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
