"""Somebody is asked before a tool runs; here a rule stands for the person."""

import os
from contextlib import ExitStack
from typing import Any

import g4flite
from g4flite.testing import Emulator, ToolCall


def delete(path: str) -> str:
    """Delete a file."""
    return f"deleted {path}"


def approve(call: g4flite.ToolCall) -> bool | str:
    """Return True, or the reason why not, which the model is told."""
    print(f"The model wants {call.name}({call.parsed}).")
    return True if call.parsed["path"] == "draft.txt" else "only drafts may be deleted"


def model(messages: Any) -> Any:
    """Stands for a model: it deletes what it is told to, and says how that went."""
    last = messages[-1]
    call = ToolCall("", "delete", f'{{"path": "{last["content"]}"}}')
    return f"The tool says: {last['content']}." if last["role"] == "tool" else call


with ExitStack() as stack:
    url = os.environ.get("BASE_URL") or f"{stack.enter_context(Emulator(model, keys=False)).url}/v1"
    chat = g4flite.Conversation("openai-compatible", model="any", base_url=url, tools=[delete], approve=approve)
    stack.enter_context(chat)
    for path in ("draft.txt", "letter.txt"):
        print(chat.say(path).text())
