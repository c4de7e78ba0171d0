"""What flowgpt's service is sent: the parts of the conversation, and a signature equal to a known answer."""

import dataclasses
import json

from g4flite import providers
from g4flite._core.request import build
from tests.acme import call
from tests.founders import HELLO


def test_flowgpt_s_body_splits_the_conversation_into_system_history_and_question() -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": "Yes."},
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Two?"},
    ]
    request = build(call(providers.FLOWGPT, messages, model="claude-v2", options={"temperature": 0.2}))
    greeting = {"role": "assistant", "content": "Hello, how can I help you today?"}
    assert json.loads(request.body) == {
        "model": "claude-v2", "nsfw": False, "question": "Two?", "history": [greeting, *messages[1:3]],
        "system": "Be brief.\nBe kind.", "temperature": 0.2, "promptId": "model-claude-v2", "documentIds": [],
        "chatFileDocumentIds": [], "generateImage": False, "generateAudio": False,
    }  # fmt: skip
    assert json.loads(build(call(providers.FLOWGPT)).body)["system"].startswith("You are helpful assistant. Follow")


def test_flowgpt_s_signature_equals_the_known_answer() -> None:
    digits = iter("0123456789abcdef" * 2)
    draws = {16: lambda: int(next(digits), 16), 36: lambda: 0}
    frozen = dataclasses.replace(
        call(providers.FLOWGPT, HELLO), now_ms=1700000000999, random_below=lambda n: draws[n]()
    )
    headers = build(frozen).headers
    assert headers["x-signature"] == "14364f59379955fd3332f08d295b5712"
    assert headers["x-nonce"] == "0123456789abcdef0123456789abcdef"
    assert headers["x-timestamp"] == "1700000000"
    assert headers["x-flow-device-id"] == "f-" + "a" * 19
    assert headers["authorization"] == "Bearer null"
