"""The gateway: any provider behind the wires of OpenAI, Anthropic, Ollama and Gemini.

    g4flite serve --provider openai -m gpt-4o-mini --port 8000
    G4FLITE_SERVE="--provider openai" uvicorn g4flite.apps.gateway:app --workers 2

A call walks through these modules:

    asgi.py         who may ask, and for what       Gateway, an ASGI app
    wires.py        the client's protocol           Wire: reads the request, writes the reply, tells errors
    call.py         one call                        asks, relays, notices who leaves
    upstream.py     a provider's client             the question, as this provider can be asked it
    carry.py        from one protocol to another    options and messages; events to pieces of a reply
    passing.py      or the same protocol            the bytes of a streamed answer, as they came

`command.py` has the command `serve`, `config.py` reads gateway.toml, `keys.py` keeps the keys, and `page/` is the chat
page.  `lists.py` answers what needs no provider, `memory.py` keeps the state of turns, and `faults.py` says what errors
mean.
"""

from typing import Any

from .command import add

__all__ = ["add"]


def __getattr__(name: str) -> Any:
    """Return the app that the environment variable G4FLITE_SERVE describes, by the flags of `g4flite serve`."""
    if name == "app":
        from .command import app_of_environment  # noqa: PLC0415 - the command is needed without it

        return app_of_environment()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
