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
    naming.py       and its model                   but for the name, which is the one that was asked for

`command.py` has the command `serve`, `config.py` reads gateway.toml, `keys.py` keeps the keys, and `page/` is the chat
page.  `lists.py` answers what needs no provider, `memory.py` keeps the state of turns, and `faults.py` says what errors
mean.
"""

from functools import cache
from typing import Any

from ... import UsageError
from .command import add, app_of_environment

__all__ = ["add", "app"]


@cache
def _made() -> Any:
    # Once a process: servers ask the same function with each request.
    return app_of_environment()


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer as the app that the environment variable G4FLITE_SERVE describes, by the flags of `g4flite serve`.

    It is made when a server starts; if the variable makes no app, the start fails, and the server says why.
    """
    try:
        made = _made()
    except UsageError as error:
        if scope["type"] != "lifespan":
            raise
        # Servers take any exception here for an app that knows no lifespan, and go on.
        await receive()
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        return
    await made(scope, receive, send)
