"""A provider of your own: a value that is passed to `stream`, and registered nowhere."""

import g4flite
from g4flite.testing import Emulator, Script

ACME = g4flite.Provider(
    name="acme",
    base_url="https://chat.acme.example",
    url="{base_url}/v1/{model}/chat",
    headers={"content-type": "application/json"},
    payload=lambda call: {"prompt": call.prompt},
    parser=g4flite.TextParser,
    models=("acme-small",),
)

with Emulator(script=Script(body="Acme says hello.")) as server:
    print(g4flite.stream(ACME, "Hello", base_url=server.url).text())
