"""The signature that gprochat puts into its body."""

import dataclasses
import json

from g4flite import providers
from g4flite._core.request import build
from tests.acme import call
from tests.founders import HELLO


def test_the_signature_in_the_body_equals_the_known_answer() -> None:
    request = build(dataclasses.replace(call(providers.GPROCHAT, HELLO), now_ms=1700000000123))
    body = json.loads(request.body)
    assert body["sign"] == "7b2a7906c69596a62d857e5cf30e104ee1988bb13e62fc9482b972490ff5675c"
    assert body["time"] == 1700000000123
