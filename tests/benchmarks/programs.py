"""Programs that are measured in a fresh interpreter: an import, and a call up to its first chunk."""

from tests.benchmarks.contenders import HEADERS, KEY, MODEL, body, messages

PROMPT = "8 chunks, one of 1"
MODULES = {"bare": "sys", "floor": "httpx", "g4flite": "g4flite", "openai": "openai", "anthropic": "anthropic",
           "litellm": "litellm", "g4f": "g4f"}  # fmt: skip

IMPORT = """
import sys, time
before, began = len(sys.modules), time.perf_counter()
import {module}
print((time.perf_counter() - began) * 1e3, len(sys.modules) - before)
"""

# The argument of each program is the URL.
FIRST = {
    "floor": f"""
import httpx, sys
with httpx.stream("POST", sys.argv[1], headers={HEADERS}, json={body(PROMPT)}) as response:
    for chunk in response.iter_raw():
        break
""",
    "g4flite": f"""
import g4flite, sys
for chunk in g4flite.stream("openai", {PROMPT!r}, base_url=sys.argv[1], model={MODEL!r}, api_key={KEY!r}):
    break
""",
    "openai": f"""
import openai, sys
client = openai.OpenAI(api_key={KEY!r}, base_url=sys.argv[1])
for chunk in client.chat.completions.create(model={MODEL!r}, messages={messages(PROMPT)}, stream=True):
    break
""",
    "litellm": f"""
import litellm, sys
for chunk in litellm.completion(
    "openai/{MODEL}", api_base=sys.argv[1], api_key={KEY!r}, messages={messages(PROMPT)}, stream=True
):
    break
""",
}
MOMENT = "import time; print(time.monotonic(), flush=True)\n"
