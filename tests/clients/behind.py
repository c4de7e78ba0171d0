"""A gateway for the tests of clients: on a free port, before an emulator that is asked over five protocols.

with gateway(lambda messages: "Hello") as url:
    ...         # the models are openai, openai-responses, anthropic, gemini and ollama, named after their protocols
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from g4flite import Client
from g4flite.apps.gateway.asgi import Gateway
from g4flite.testing import Emulator

# The providers, and the paths of their base URLs at the emulator.
ROUTES = {"openai": "/v1", "openai-responses": "/v1", "anthropic": "", "gemini": "", "ollama": ""}


@contextmanager
def gateway(reply: Callable[[Any], Any], **names: str) -> Iterator[str]:
    """Serve the gateway, and yield its URL; `names` are further models, with the provider of each."""
    with Emulator(reply) as service:
        routes = {
            name: [
                Client(
                    provider,
                    base_url=service.url + ROUTES[provider],
                    model="m",
                    api_key=None if provider == "ollama" else "any",
                )
            ]
            for name, provider in ({name: name for name in ROUTES} | names).items()
        }
        config = uvicorn.Config(Gateway(routes), port=0, log_level="error", lifespan="on", timeout_keep_alive=75)
        listener = config.bind_socket()
        listener.listen()
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
