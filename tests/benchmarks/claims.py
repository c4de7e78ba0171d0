"""Show what the README says of openai and litellm: what each makes of a reply that stops before its end.

    make bench-peers
    .venv-peers/bin/python tests/benchmarks/claims.py

The reply is one event of OpenAI's protocol.  The HTTP response is complete, but neither a finish reason nor `[DONE]`
comes, as if the service had failed in the middle of the answer.
"""

import os
from collections.abc import Callable
from importlib.metadata import version

import g4flite
from g4flite.testing import Emulator, Script

# Else litellm asks another host for a list of prices.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
EVENT = '{"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"Half of"}}]}'
HALF = Script(body=f"data: {EVENT}\n\n", headers={"content-type": "text/event-stream"})
MESSAGES = [{"role": "user", "content": "Hello"}]


def with_g4flite(url: str) -> str:
    return g4flite.stream("openai", MESSAGES, model="m", api_key="any", base_url=url, retries=0).text()


def with_openai(url: str) -> str:
    from openai import OpenAI

    with OpenAI(api_key="any", base_url=url) as client:
        chunks = list(client.chat.completions.create(model="m", messages=MESSAGES, stream=True))
    return f"{chunks[-1].choices[0].delta.content!r}, no error, finish reason {chunks[-1].choices[0].finish_reason}"


def with_litellm(url: str) -> str:
    from litellm import completion

    chunks = list(completion(model="openai/m", api_base=url, api_key="any", messages=MESSAGES, stream=True))
    return f"{chunks[0].choices[0].delta.content!r}, no error, finish reason {chunks[-1].choices[0].finish_reason}"


def outcome(ask: Callable[[str], str], url: str) -> str:
    try:
        return ask(url)
    # Each library has errors of its own.
    except Exception as error:
        return f"{type(error).__name__}: {error}"


with Emulator(script=HALF) as server:
    for name, ask in {"g4flite": with_g4flite, "openai": with_openai, "litellm": with_litellm}.items():
        print(f"{name} {version(name)}: {outcome(ask, server.url + '/v1')}")
