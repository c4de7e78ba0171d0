"""The signature that cromicle puts into its body."""

import dataclasses
import json

from g4flite import providers
from g4flite._core.request import build
from tests.acme import call
from tests.founders import HELLO


def test_the_signature_in_the_body_equals_the_known_answer() -> None:
    request = build(dataclasses.replace(call(providers.CROMICLE, HELLO), now_ms=1700000000123))
    body = json.loads(request.body)
    assert body["hash"] == "66601f525a6d5e4e39dc2ba1f992938c802ad8425b0fd7525a3c815eeaa8028b"
