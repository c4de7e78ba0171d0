"""gprochat: raw text, a conversation in one prompt.  The emulator answers: the service is retired upstream."""

import g4flite
from g4flite.testing import Emulator

MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Which is the largest ocean?"},
]

with Emulator() as server:
    for chunk in g4flite.stream("gprochat", MESSAGES, base_url=server.url):
        print(chunk, end="", flush=True)
    print()
