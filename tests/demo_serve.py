"""The gateway before an emulator of OpenAI, asked by curl, by the official clients that are installed, and by you.

    make demo-serve

In a terminal, it serves on until Ctrl-C, with the chat page; elsewhere, it ends after the questions.
"""

import importlib
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from g4flite.testing import Emulator

MODEL = "gpt-4o-mini"
ASKED = [{"role": "user", "content": "Why is the sky blue?"}]


def free_port() -> int:
    """Return 8000, or any other port if that is taken."""
    for port in (8000, 0):
        try:
            with socket.create_server(("127.0.0.1", port)) as listener:
                return int(listener.getsockname()[1])
        except OSError:
            pass
    raise SystemExit("there is no free port on 127.0.0.1")


def curl(url: str, path: str, body: dict[str, Any]) -> None:
    """Ask by curl, and print the command and what it prints."""
    program = shutil.which("curl")
    if program is None:
        print("curl is not installed")
        return
    print(f"\n$ curl -sN {url}{path} -d '{json.dumps(body)}'", flush=True)
    subprocess.run([program, "-sN", "--noproxy", "*", url + path, "-d", json.dumps(body)], check=True)
    print()


def by_openai(url: str) -> str:
    client = importlib.import_module("openai").OpenAI(base_url=f"{url}/v1", api_key="any")
    return str(client.chat.completions.create(model=MODEL, messages=ASKED).choices[0].message.content)


def by_anthropic(url: str) -> str:
    client = importlib.import_module("anthropic").Anthropic(base_url=url, api_key="any")
    return str(client.messages.create(model=MODEL, max_tokens=99, messages=ASKED).content[0].text)


def by_ollama(url: str) -> str:
    client = importlib.import_module("ollama").Client(host=url)
    return str(client.chat(model=MODEL, messages=ASKED).message.content)


OFFICIAL: dict[str, Callable[[str], str]] = {"openai": by_openai, "anthropic": by_anthropic, "ollama": by_ollama}


def ask(url: str) -> None:
    """Ask the gateway over each protocol, streamed, and by each client."""
    curl(url, "/v1/chat/completions", {"model": MODEL, "messages": ASKED, "stream": True})
    curl(url, "/v1/responses", {"model": MODEL, "input": "Why is the sky blue?"})
    curl(url, "/v1/messages", {"model": MODEL, "max_tokens": 99, "messages": ASKED})
    curl(url, "/api/chat", {"model": MODEL, "messages": ASKED})
    curl(url, f"/v1beta/models/{MODEL}:generateContent", {"contents": [{"parts": [{"text": "Why is the sky blue?"}]}]})
    print()
    for name, client in OFFICIAL.items():
        try:
            print(f"{name:<9} {client(url)}", flush=True)
        except ImportError:
            print(f"{name:<9} (its client is not installed: pip install {name})", flush=True)


def main() -> None:
    # Both run on this machine: no proxy leads to them.
    os.environ["NO_PROXY"] = "127.0.0.1"
    with Emulator() as service:
        print(f"An emulator stands for OpenAI at {service.url}.")
        command = ["serve", "--provider", "openai", "-m", MODEL, "--base-url", f"{service.url}/v1"]
        words = [sys.executable, "-m", "g4flite", *command, "--port", str(free_port())]
        print(f"$ g4flite {' '.join(words[3:])}", flush=True)
        env = {**os.environ, "OPENAI_API_KEY": "any"}
        with subprocess.Popen(words, env=env, stdout=subprocess.PIPE, text=True) as gateway:
            try:
                # Its first line is its URL.
                url = (gateway.stdout or sys.stdin).readline().strip()
                if not url:
                    raise SystemExit("the gateway has not started")
                ask(url)
                print(f"\nThe chat page is at {url}/", flush=True)
                if sys.stdin.isatty():
                    print("Ctrl-C ends it.", flush=True)
                    gateway.wait()
            except KeyboardInterrupt:
                print()
            finally:
                gateway.terminate()


if __name__ == "__main__":
    main()
