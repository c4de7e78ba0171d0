"""The forms of a reply's end, and of what stands beside its text: as the emulator sends them and as they are read."""

from __future__ import annotations

import g4flite
from g4flite import Finish
from g4flite._core.events import OTHERS
from g4flite.testing import Emulator, Reasoning, Script
from g4flite.testing.end_quirks import END_QUIRKS
from g4flite.testing.extra_quirks import EXTRA_QUIRKS
from g4flite.testing.quirks import content_after_finish
from g4flite.testing.whole_quirks import WHOLE_QUIRKS
from tests.conftest import Driver
from tests.rows import rows

PROVIDERS = {
    "chat": "xai",
    "responses": "openai-responses",
    "anthropic": "anthropic",
    "gemini": "gemini",
    "ollama": "ollama",
    "cohere": "cohere",
}
LATE = {"content_after_finish": dict.fromkeys(("chat", "anthropic"), content_after_finish)}
FORMS = [(quirk, protocol) for quirk, by in {**END_QUIRKS, **EXTRA_QUIRKS, **WHOLE_QUIRKS, **LATE}.items()
         for protocol in by]  # fmt: skip


@rows(("quirk", "protocol"), FORMS, shared=True)
def test_the_answer_of_every_form_is_whole(quirk: str, protocol: str, driver: Driver, server: Emulator) -> None:
    name = PROVIDERS[protocol]
    text = "Sun\tny" if quirk == "control_characters" else "Sunny"
    server.reply = lambda messages: [Reasoning("H"), Reasoning("m"), text[:3], text[3:], Finish("stop")]
    server.script = Script(quirk=quirk, dialect="deepseek" if protocol == "chat" else None)
    path = "/v1" if protocol in ("chat", "responses") else ""
    items = driver.events(name, "Hi", model="m", base_url=server.url + path, api_key="sk-test-1")
    stream = driver.stream
    assert server.exchanges[-1].problem is None
    assert stream.partial == text
    assert stream.reasoning == ("H\n\nm" if quirk == "summary_in_parts" else "Hm")
    assert (stream.finish_reason, stream.attempts[0].outcome) == ("stop", "complete")
    assert len([item for item in items if isinstance(item, Finish)]) == 1
    # The second form of a reasoning that comes in two pieces.
    others = {"native": 1, "reasoning_in_two_forms": 2}.get(quirk, 0)
    assert len([item for item in items if isinstance(item, OTHERS)]) == others
    assert stream.response_model in (None, "m")
    if quirk in ("numeric_ids", "long_ids"):
        assert stream.response_id == ("7" if quirk == "numeric_ids" else "x" * 445)


def test_a_quirk_changes_only_its_own_frames(server: Emulator) -> None:
    """A reply of other frames, like those of a tool call, goes through."""
    server.reply = lambda messages: [g4flite.ToolCall("c", "now", "{}")]
    for quirk in ("named_at_the_end", "summary_in_parts", "answer_behind_commentary", "finish_repeated"):
        name, path = ("anthropic", "") if quirk == "finish_repeated" else ("openai-responses", "/v1")
        server.script = Script(quirk=quirk)
        stream = g4flite.stream(name, "Hi", model="m", base_url=server.url + path, api_key="sk-test-1")
        assert stream.text() == ""
        assert [call.name for call in stream.tool_calls] == ["now"]
