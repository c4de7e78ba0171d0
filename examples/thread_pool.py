"""Many prompts over a pool of threads: all threads share one `Client`; the answers come in the order of the prompts."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import g4flite
from g4flite.testing import Emulator

QUESTIONS = [f"What is {n} times {n}?" for n in range(1, 9)]


def answer(question: str) -> str:
    try:
        return client.stream(question, timeout=60).text()
    # A stream that fails does not end the others.
    except g4flite.G4fliteError as error:
        return f"[{type(error).__name__}: {error}]"


with ExitStack() as stack:
    url = os.environ.get("BASE_URL") or f"{stack.enter_context(Emulator(keys=False)).url}/v1"
    client = stack.enter_context(g4flite.Client("llamacpp", base_url=url))
    with ThreadPoolExecutor(4) as pool:
        for question, text in zip(QUESTIONS, pool.map(answer, QUESTIONS), strict=True):
            print(f"{question:<22} {text}")
