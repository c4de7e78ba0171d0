"""Streams from the local model server that is running: Ollama, llama.cpp, LM Studio or vLLM."""

import os
import sys

import httpx

import g4flite

# The command that starts each server.
SERVERS = {
    "ollama": "ollama serve; ollama pull llama3.2",
    "llamacpp": "llama-server -hf ggml-org/gemma-3-1b-it-GGUF",
    "lmstudio": "lms server start; lms load",
    "vllm": "vllm serve Qwen/Qwen3-0.6B",
}

for name, command in SERVERS.items():
    base_url = os.environ.get(f"G4FLITE_{name.upper()}_BASE_URL") or g4flite.providers.find(name).base_url
    try:
        models = httpx.get(f"{base_url.removesuffix('/v1')}/v1/models", timeout=2, trust_env=False).json()["data"]
    except (httpx.HTTPError, ValueError, LookupError):
        continue
    if not models:
        sys.exit(f"{name} runs at {base_url}, and has no model yet; load one: {command}")
    print(f"{name} at {base_url}, model {models[0]['id']}:")
    with g4flite.stream(name, "In one sentence: why is the sky blue?", model=models[0]["id"]) as stream:
        for chunk in stream:
            print(chunk, end="", flush=True)
    print(f"\n[{stream.finish_reason}, {stream.usage.completion_tokens if stream.usage else 'no'} tokens counted]")
    break
else:
    print("No local server is running.  Start one of these, and try again:")
    print("\n".join(f"  {name:<9} {command}" for name, command in SERVERS.items()))
    sys.exit(1)
