"""The gateway as a deployment of Ray Serve: two replicas, which share the keys in a file of SQLite on this machine."""

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

import httpx
from ray import serve

from g4flite import Client
from g4flite.apps.gateway.asgi import Gateway
from g4flite.apps.gateway.keys import Store
from g4flite.testing import Emulator

with ExitStack() as stack:
    url = os.environ.get("BASE_URL") or stack.enter_context(Emulator()).url
    keys = Path(stack.enter_context(tempfile.TemporaryDirectory()), "keys.sqlite")
    with Store(keys) as store:
        key = store.add("anna", rpm=60)

    # Each replica makes a gateway of its own, with connections of its own.
    @serve.deployment(num_replicas=2, max_ongoing_requests=1000)
    @serve.ingress(lambda: Gateway({"any": [Client("ollama", base_url=url, model="any")]}, keys=Store(keys)))
    class Replica:
        pass

    port = int(os.environ.get("PORT", "8000"))
    serve.start(http_options={"port": port}, logging_config={"log_level": "WARNING"})
    stack.callback(serve.shutdown)
    serve.run(Replica.bind())
    question = {"model": "any", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
    asked = httpx.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=question, timeout=60,
                       headers={"authorization": f"Bearer {key}"})  # fmt: skip
    print(asked.text)
