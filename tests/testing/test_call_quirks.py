"""Tool calls in every form that `Script(quirk=...)` speaks come out of a stream whole, over real sockets."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from g4flite import Finish, MalformedReplyError, ToolCall, ToolCallDelta
from g4flite.testing import Emulator, Reasoning, Script
from g4flite.testing.call_quirks import CALL_QUIRKS, UNCLEAR_CALL_QUIRKS
from tests.conftest import Driver
from tests.open_protocols import WIRES, hear
from tests.rows import rows
from tests.testing.sockets import emulate

PROVIDERS = {"chat": "openai", "responses": "openai-responses"}
# Two calls of one tool in a row, one without arguments, and one whose arguments hold all that nests.
CALLS = [
    ToolCall("id-1", "tide_now", '{"port": 1}'), ToolCall("id-2", "tide_now", '{"port": 22, "at": "{\\"}"}'),
    ToolCall("id-3", "ferry_at", "{}"), ToolCall("id-4", "tide_now", '{"a": [{"b": {}}, "]}"]}'),
]  # fmt: skip
FORMS = [(quirk, protocol) for quirk, protocols in CALL_QUIRKS.items() for protocol in protocols]
UNCLEAR = [(quirk, protocol) for quirk, protocols in UNCLEAR_CALL_QUIRKS.items() for protocol in protocols]


@pytest.fixture
def server() -> Iterator[Emulator]:
    with Emulator(lambda _: [Reasoning("hm"), "Look: ", *CALLS]) as emulator:
        yield emulator


@rows(("quirk", "protocol"), FORMS, shared=True)
def test_calls_come_out_whole(quirk: str, protocol: str, driver: Driver, server: Emulator) -> None:
    name = PROVIDERS.get(protocol, protocol)
    url = server.url + ("/v1" if name.startswith("openai") else "")
    for split in (None, 7):
        server.script = Script(quirk=quirk, split=split)
        items = driver.events(name, "Hi", model="m", base_url=url, api_key="sk-test-1")
        calls = [item for item in items if isinstance(item, ToolCall)]
        assert [(call.name, json.loads(call.arguments)) for call in calls] == [
            (call.name, json.loads(call.arguments)) for call in CALLS
        ]
        assert len({call.id for call in calls}) == len(CALLS)
        for index, call in enumerate(calls):
            deltas = [item for item in items if isinstance(item, ToolCallDelta) and item.index == index]
            assert {(delta.id, delta.name) for delta in deltas} == {(call.id, call.name)}
            assert "".join(delta.arguments for delta in deltas) == call.arguments
        if not quirk.endswith(("_ids", "_id", "_fragment", "without_index", "as_ids", "in_one_chunk")):
            assert [call.id for call in calls] == [call.id for call in CALLS]
        assert [item.reason for item in items if isinstance(item, Finish)] == ["tool_calls"]
        assert driver.stream.tool_calls == tuple(calls)
        assert driver.stream.partial == "Look: "


@rows(("quirk", "protocol"), UNCLEAR, shared=True)
def test_calls_that_cannot_be_told_apart_are_an_error(
    quirk: str, protocol: str, driver: Driver, server: Emulator
) -> None:
    server.script, items = Script(quirk=quirk), list[object]()
    name = PROVIDERS.get(protocol, protocol)
    url = server.url + ("/v1" if name.startswith("openai") else "")
    with pytest.raises(MalformedReplyError, match="the tool call"):
        driver.each_event(items.append, name, "Hi", model="m", base_url=url, api_key="sk-test-1")
    assert not any(isinstance(item, ToolCall) for item in items)
    assert driver.stream.tool_calls == ()


@rows(("quirk", "protocol"), [*FORMS, *UNCLEAR])
def test_a_quirk_changes_what_is_sent_of_the_calls_alone(quirk: str, protocol: str) -> None:
    def heard(*reply: object) -> list[list[bytes]]:
        """Return the reply without and with the quirk, in words: line ends and padding do not matter."""
        with emulate(lambda _: [Reasoning("hm"), "Look.", *reply]) as e:
            plain = hear(e, WIRES[protocol])
            e.script = Script(quirk=quirk)
            return [plain.split(), hear(e, WIRES[protocol]).split()]

    plain, changed = heard(*CALLS)
    assert plain != changed
    plain, changed = heard()
    assert plain == changed
