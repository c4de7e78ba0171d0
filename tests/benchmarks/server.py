"""A loopback server in a process of its own, whose replies are serialised before anybody asks; prints its port.

The path says what it sends: `/<kind>/<mode>/<chunks>/...`, the rest is the provider's.  Kinds: text, ndjson, openai,
anthropic.  Modes: drip (one event an HTTP chunk), burst (64 of them), paced (one every 400 us).
"""

import json
import socket
import sys
import threading
import time
from functools import cache

GROUP = {"drip": 1, "burst": 64, "paced": 1}
PACE = 400e-6  # seconds


def sse(value: object, name: str = "") -> bytes:
    return (f"event: {name}\n" if name else "").encode() + b"data: " + json.dumps(value).encode() + b"\n\n"


def chat(delta: dict[str, str], reason: str | None = None) -> bytes:
    """One chunk of 300 bytes, as OpenAI sends it."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    return sse({
        "id": "chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz", "object": "chat.completion.chunk", "created": 1700000000,
        "model": "gpt-4o-mini-2024-07-18", "service_tier": "default", "system_fingerprint": "fp_0123456789",
        "choices": [choice],
    })  # fmt: skip


def block(kind: str, **more: object) -> bytes:
    return sse({"type": kind, **more}, kind)


START = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [],
    "usage": {"input_tokens": 9},
}
WIRES = {  # kind: content type, what begins, one event, what ends
    "text": ("text/plain", b"", b"hello word", b""),
    "ndjson": ("application/x-ndjson", b"", b'{"event": "text", "data": "hello word"}\n', b'{"event": "done"}\n'),
    "openai": ("text/event-stream", chat({"role": "assistant", "content": ""}), chat({"content": "hello word"}),
               chat({}, "stop") + b"data: [DONE]\n\n"),
    "anthropic": (
        "text/event-stream",
        block("message_start", message=START)
        + block("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        block("content_block_delta", index=0, delta={"type": "text_delta", "text": "hello word"}),
        block("content_block_stop", index=0)
        + block("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 9})
        + block("message_stop"),
    ),
}  # fmt: skip


def framed(data: bytes) -> bytes:
    """One HTTP chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


@cache
def reply(kind: str, mode: str, chunks: int) -> list[bytes]:
    """What is written, piece by piece."""
    media, begin, event, end = WIRES[kind]
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {media}\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    group = GROUP[mode]
    return [head + framed(begin), *([framed(event * group)] * (chunks // group)), framed(end) + b"0\r\n\r\n"]


def serve(link: socket.socket) -> None:
    """Answers request after request on one connection."""
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    data = b""
    with link:
        while True:
            while b"\r\n\r\n" not in data:
                if not (more := link.recv(65536)):
                    return
                data += more
            head, _, data = data.partition(b"\r\n\r\n")
            _, path, *_ = head.split(b" ", 2)
            length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            while len(data) < length:
                data += link.recv(65536)
            data = data[length:]
            _, kind, mode, chunks, *_ = path.decode().split("/")
            for piece in reply(kind, mode, int(chunks)):
                link.sendall(piece)
                if mode == "paced":
                    time.sleep(PACE)


def main() -> None:
    listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
    print(listening.getsockname()[1], flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), listening.close()), daemon=True).start()
    while True:
        try:
            link, _ = listening.accept()
        except OSError:
            return
        threading.Thread(target=serve, args=(link,), daemon=True).start()


if __name__ == "__main__":
    main()
