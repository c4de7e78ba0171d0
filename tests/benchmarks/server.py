"""A loopback server in a process of its own, which serialises its replies before the first request.

    python -m tests.benchmarks.server [CERTIFICATE.pem]

It prints its ports.  The path says what it sends: `/<kind>/<mode>/...`; the rest is the provider's.

Kinds: text, ndjson, openai, anthropic, whose events differ in their text alone, and those of `tests/real_streams.py`
behind a `~`, like `~ollama`, whose events are as the services send them.  Modes: drip (one event an HTTP chunk), burst
(64 events an HTTP chunk), pieces (100 bytes an HTTP chunk), paced (an event every 400 us), crowd (slowly, and only when
the whole crowd is there), held (the reply has no end).  The prompt says how many chunks: "640 chunks, one of 1", "20
chunks, one of 500".
"""

import json
import re
import socket
import ssl
import sys
import threading
import time
from functools import cache
from itertools import cycle, islice

from tests.benchmarks.limits import open_files
from tests.real_streams import STREAMS

# Events in an HTTP chunk, or bytes if negative.
GROUP = {"burst": 64, "pieces": -100}
# Seconds.
PACE = 400e-6
# Seconds, times the size of the crowd.
CROWD_PACE = 250e-6
ASKED = re.compile(rb"(\d+) chunks, one of (\d+)")


def sse(value: object, name: str = "") -> bytes:
    return (f"event: {name}\n" if name else "").encode() + b"data: " + json.dumps(value).encode() + b"\n\n"


def chat(delta: dict[str, str], reason: str | None = None) -> bytes:
    """Return one chunk as OpenAI sends it, of 281 bytes of JSON."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    return sse({
        "id": "chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz", "object": "chat.completion.chunk", "created": 1700000000,
        "model": "gpt-4o-mini-2024-07-18", "system_fingerprint": "fp_0123456789",
        "choices": [choice],
    })  # fmt: skip


def block(kind: str, **more: object) -> bytes:
    return sse({"type": kind, **more}, kind)


START = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None,
         "stop_sequence": None, "usage": {"input_tokens": 9, "output_tokens": 1}}  # fmt: skip
# They are sent in turns: litellm gives up if a model repeats itself.
WORDS = "hello word", "other text"
# By kind: content type, the begin, one event for each of the words, the end.
WIRES = {
    "text": ("text/plain", b"", [word.encode() for word in WORDS], b""),
    "ndjson": (
        "application/x-ndjson",
        b"",
        [json.dumps({"event": "text", "data": word}).encode() + b"\n" for word in WORDS],
        b'{"event": "done"}\n',
    ),
    "openai": (
        "text/event-stream",
        chat({"role": "assistant", "content": ""}),
        [chat({"content": word}) for word in WORDS],
        chat({}, "stop") + b"data: [DONE]\n\n",
    ),
    "anthropic": (
        "text/event-stream",
        block("message_start", message=START)
        + block("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        [block("content_block_delta", index=0, delta={"type": "text_delta", "text": word}) for word in WORDS],
        block("content_block_stop", index=0)
        + block("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 9})
        + block("message_stop"),
    ),
}


def framed(data: bytes) -> bytes:
    """Return the data as one HTTP chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


@cache
def reply(kind: str, group: int, chunks: int) -> list[bytes]:
    """Return the pieces of a response."""
    media, begin, events, end = wire(kind)
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {media}\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    if group < 0:
        body = begin + b"".join(islice(cycle(events), chunks)) + end
        return [head, *(framed(body[at : at - group]) for at in range(0, len(body), -group)), b"0\r\n\r\n"]
    # As many different HTTP chunks as make the events come round.
    many = group * len(events)
    turn = [framed(b"".join(islice(cycle(events), at, at + group))) for at in range(0, many, group)]
    whole, left = divmod(chunks, group)
    rest = b"".join(islice(cycle(events), whole * group % len(events), whole * group % len(events) + left))
    pieces = [turn[at % len(turn)] for at in range(whole)]
    return [head + framed(begin), *pieces, framed(rest) + framed(end) + b"0\r\n\r\n"]


def wire(kind: str) -> tuple[str, bytes, list[bytes], bytes]:
    """Return the content type of a kind, what it begins with, its events and its end."""
    if kind.startswith("~"):
        _, *made, _ = STREAMS[kind[1:]]
        return tuple(made)  # type: ignore[return-value]  # its length is not known to mypy
    return WIRES[kind]


@cache
def gate(size: int) -> threading.Barrier:
    return threading.Barrier(size, timeout=300)


def answer(link: socket.socket, path: str, chunks: int, crowd: int) -> None:
    """Write one response."""
    _, kind, mode, *_ = path.split("/")
    pieces = reply(kind, GROUP.get(mode, 1), chunks)
    if mode == "held":
        link.sendall(b"".join(pieces[:-1]))
        link.recv(1)
        return
    pause = 0.0
    if mode == "paced":
        pause = PACE
    elif mode == "crowd":
        link.sendall(pieces[0])
        pieces, pause = pieces[1:], crowd * CROWD_PACE
        # The responses begin one after the other.
        time.sleep(gate(crowd).wait() * CROWD_PACE)
    for piece in pieces:
        link.sendall(piece)
        if pause:
            time.sleep(pause)


def serve(link: socket.socket) -> None:
    """Answer request after request on one connection."""
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    data = b""
    with link:
        while True:
            while b"\r\n\r\n" not in data:
                if not (more := link.recv(65536)):
                    return
                data += more
            head, _, data = data.partition(b"\r\n\r\n")
            length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            while len(data) < length:
                data += link.recv(65536)
            asked = ASKED.search(data[:length])
            assert asked is not None
            data = data[length:]
            answer(link, head.split(b" ", 2)[1].decode(), *map(int, asked.groups()))


def listen(context: ssl.SSLContext | None) -> None:
    """Print a port, and answer each connection in a thread."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
    print(listening.getsockname()[1], flush=True)

    def begin(link: socket.socket) -> None:
        try:
            serve(link if context is None else context.wrap_socket(link, server_side=True))
        except (OSError, threading.BrokenBarrierError):
            # The client has left.
            link.close()

    def accept() -> None:
        while True:
            link, _ = listening.accept()
            threading.Thread(target=begin, args=(link,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def main() -> None:
    open_files()
    threading.stack_size(256 * 1024)
    listen(None)
    for certificate in sys.argv[1:]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        listen(context)
    # Standard input ends with the process that started this one.
    sys.stdin.read()


if __name__ == "__main__":
    main()
