"""free2gpt: raw text, signed with the time.  The emulator answers: the service is retired upstream."""

import g4flite
from g4flite.testing import Emulator

MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Which is the largest ocean?"},
]

with Emulator() as server:
    for chunk in g4flite.stream("free2gpt", MESSAGES, base_url=server.url, model="gemini-1.5-flash"):
        print(chunk, end="", flush=True)
    print()
