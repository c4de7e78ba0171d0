"""A `for` loop: no event loop, no thread.  A `Client` keeps the connection for the next call."""

import g4flite
from g4flite.testing import Emulator

with Emulator() as server, g4flite.Client("cromicle", base_url=server.url) as client:
    for question in ("How are you?", "And how is the weather?"):
        with client.stream(question) as stream:
            for chunk in stream:
                print(chunk, end="", flush=True)
        print(f"   [{stream.provider}, {stream.model}, {len(stream.partial)} characters]")

    try:
        print(client.stream("Hi", model="gpt-9").text())
    except g4flite.G4fliteError as error:
        print(f"{type(error).__name__}: {error}")
