"""The signature that free2gpt puts into its body."""

import dataclasses
import json

from g4flite import providers
from g4flite._core.request import build
from tests.acme import call
from tests.founders import HELLO


def test_the_signature_in_the_body_equals_the_known_answer() -> None:
    request = build(dataclasses.replace(call(providers.FREE2GPT, HELLO), now_ms=1700000000123))
    body = json.loads(request.body)
    assert body["sign"] == "6fe214d37b1f534b76da125d14ff6766f1d9d64ea77691ebe39ce4dbadf3aaa8"
    assert body["time"] == 1700000000123
