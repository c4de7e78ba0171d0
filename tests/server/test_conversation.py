"""What the emulator makes of a conversation in the common form."""

from __future__ import annotations

from typing import Any

import pytest

from g4flite.testing import Emulator
from tests.open_protocols import CHAT, MESSAGES, asked, assistant, call, events, hear, image, text, tool, user


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        (MESSAGES, "You said: How are you?"),
        ([user([text("Look"), image(), text("here")])], "You said: Look here"),
        ([user([image()])], "You said: "),
        ([*asked(), assistant(None, call(id="e")), tool("Sun", tool_call_id="e")], "You said: Sun"),
    ],
)
def test_echo_says_the_text_of_the_last_message(shared: Emulator, messages: Any, said: str) -> None:
    *chunks, _ = events(hear(shared, CHAT.field(messages=messages)))
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == said
