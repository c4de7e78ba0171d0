"""A gateway for the tests of clients: on a free port, before an emulator that is asked over five protocols.

with gateway(lambda messages: "Hello") as url:
    ...         # the models are openai, openai-responses, anthropic, gemini and ollama, named after their protocols
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from g4flite.apps.gateway.asgi import Gateway
from g4flite.testing import Emulator
from tests.apps.gateways import PROVIDERS, client, served


@contextmanager
def gateway(reply: Callable[[Any], Any], **names: str) -> Iterator[str]:
    """Serve the gateway, and yield its URL; `names` are further models, with the provider of each."""
    with Emulator(reply) as service:
        models = {name: name for name in PROVIDERS} | names
        routes = {name: [client(provider, service)] for name, provider in models.items()}
        with served(Gateway(routes)) as url:
            yield url
