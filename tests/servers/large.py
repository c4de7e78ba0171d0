"""g4flite reads servers that are too large for CI: LiteLLM's proxy and vLLM; `make test-servers-large` runs this.

tests/README.md says how they are started.  `LITELLM_URL` and `VLLM_URL` name them, and `LITELLM_KEY` and `VLLM_KEY` are
their keys.  A server that is not named is skipped.  Each has a model called `chat`, which may say anything.
"""

import os
from collections.abc import Callable
from typing import Any

import pytest

import g4flite
from tests.conftest import Driver

# For each provider: what follows the server's URL.
WIRES = {"vllm": "/v1", "openai": "/v1", "openai-responses": "/v1", "anthropic": ""}
# Taken now: the fixture `_clean` of `tests/conftest.py` hides the settings of this machine from the tests.
SERVERS = {
    name: (os.environ.get(f"{name}_URL"), os.environ.get(f"{name}_KEY") or "none") for name in ("LITELLM", "VLLM")
}

wires = pytest.mark.parametrize("wire", WIRES)


@pytest.fixture(params=SERVERS)
def ask(request: pytest.FixtureRequest, driver: Driver) -> Callable[..., list[Any]]:
    """Return a function that asks one of the servers over a wire, and returns all events."""
    url, key = SERVERS[request.param]
    if not url:
        pytest.skip(f"{request.param}_URL is not set")

    def events(wire: str, model: str = "chat", **options: Any) -> list[Any]:
        # vLLM wants a bearer key over Messages, too.
        bearer = {"headers": {"authorization": f"Bearer {key}"}} if wire == "anthropic" else {}
        settings = {"model": model, "base_url": url + WIRES[wire], "api_key": key, **bearer, **options}
        return driver.events(wire, "Say hello.", **settings)

    return events


@wires
def test_text_finish_reason_and_usage(wire: str, ask: Callable[..., list[Any]], driver: Driver) -> None:
    ask(wire, max_tokens=64)
    stream = driver.stream
    assert stream.partial
    assert stream.finish_reason in ("stop", "length")
    assert stream.usage is not None
    assert stream.usage.prompt_tokens
    assert stream.usage.completion_tokens
    assert stream.response_id
    assert stream.response_model


@wires
def test_a_model_that_does_not_exist(wire: str, ask: Callable[..., list[Any]]) -> None:
    with pytest.raises(g4flite.NotFoundError):
        ask(wire, model="no-such-model")
