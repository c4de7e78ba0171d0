"""A provider whose requests carry a signature: an HMAC of time, nonce and prompt, made anew for each attempt."""

import hmac
import os
from contextlib import ExitStack

import g4flite
from g4flite.testing import Emulator, Script

KEY = os.environ.get("ACME_SIGNING_KEY", "known to both sides").encode()


def sign(call: g4flite.Call) -> dict[str, str | int]:
    # The time and the nonce come from the call, so that a test can set them.
    nonce = call.random_hex(16)
    text = f"{call.now_ms}\n{nonce}\n{call.prompt}"
    return {"time": call.now_ms, "nonce": nonce, "signature": hmac.new(KEY, text.encode(), "sha256").hexdigest()}


ACME = g4flite.Provider(
    name="acme",
    base_url="https://chat.acme.example",
    url="{base_url}/v1/chat",
    headers={"content-type": "application/json", "x-time": "{time}", "x-signature": "{signature}"},
    signer=sign,
    payload=lambda call: {"prompt": call.prompt, "nonce": call.signed["nonce"]},
    parser=g4flite.TextParser,
)

with ExitStack() as stack:
    url = os.environ.get("BASE_URL") or stack.enter_context(Emulator(script=Script(body="Acme says hello."))).url
    print(g4flite.stream(ACME, "Hello", base_url=url).text())
