"""A service of OpenAI's Chat protocol that answers, fails and counts by the turn: for the tests of `batch`.

    with Service(fate) as service:              # fate("Say 7", 1) -> "answer", at the first attempt of that prompt
        run(rows, "llamacpp", base_url=service.url)
    service.asked["Say 7"], service.tokens      # how often it was asked, what was counted in whole answers

    python -m tests.apps.service [SECONDS]      # in a process of its own, each answer after so long; prints its URL

The fates are answer, slow, held (never answered), cut, html, and those of `ERRORS`.  It is one thread and one event
loop, and does little: a benchmark measures its clients.
"""

import asyncio
import json
import sys
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any
from zlib import crc32

ERRORS = {
    "429": (429, "retry-after: 0.02\r\n", {"message": "Slow down", "type": "requests", "code": "rate_limit_exceeded"}),
    "429, no hint": (429, "", {"message": "Slow down", "type": "requests", "code": "rate_limit_exceeded"}),
    "429, minutes": (429, "retry-after: 300\r\n", {"message": "Slow down", "code": "rate_limit_exceeded"}),
    "429, an age": (429, "retry-after: 7200\r\n", {"message": "Slow down", "code": "rate_limit_exceeded"}),
    "500": (500, "", {"message": "Oh", "type": "server_error"}),
    "529": (529, "retry-after: 0.01\r\n", {"message": "Overloaded", "type": "overloaded_error"}),
    "quota": (429, "", {"message": "You exceeded your current quota", "code": "insufficient_quota"}),
    "key": (401, "", {"message": "Incorrect API key", "code": "invalid_api_key"}),
    "model": (404, "", {"message": "The model `m` does not exist", "code": "model_not_found"}),
}
MIXED = ("429", "500", "529", "cut", "html", "slow", *("answer",) * 8)


def mixed(prompt: str, attempt: int) -> str:
    """Return one of the fates, another one for each prompt and attempt, but the same in each run."""
    return MIXED[crc32(f"{prompt}/{attempt}".encode()) % len(MIXED)]


def event(value: object) -> bytes:
    data = b"data: " + json.dumps(value).encode() + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(data), data)


def chunk(delta: dict[str, Any], reason: str | None = None) -> bytes:
    return event({"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n"
DONE = b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"


class Service:
    """The service; `fate` chooses what becomes of an attempt, from the prompt and the number of the attempt."""

    def __init__(
        self, fate: Callable[[str, int], str] = lambda prompt, attempt: "answer", *, seconds: float = 0.0,
        headers: str = "", together: int = 1,
    ) -> None:  # fmt: skip
        self.fate, self.seconds, self.headers = fate, seconds, headers.encode()
        # The first calls are answered when so many of them have come: the calls that wait for the others.
        self.together, self.first = together, list[Callable[[], object]]()
        # How often each prompt was asked; the last request; the calls under way at a time, at most; the tokens counted.
        self.asked: Counter[str] = Counter()
        self.fates: Counter[str] = Counter()
        self.request: dict[str, Any] = {}
        self.under_way = self.most = self.tokens = 0
        self.times: list[float] = []
        self.connections: set[Connection] = set()
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Service":
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            self._loop.create_server(lambda: Connection(self), "127.0.0.1", 0, backlog=1024)
        )
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        self._started.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._leave(server))

    async def _leave(self, server: asyncio.Server) -> None:
        """Close all connections, also one that was accepted in this round of the loop."""
        while accepting := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(accepting)
        # Not before: asyncio leaves a connection open that it has accepted from a server which is closed by now.
        server.close()
        while self.connections:
            for connection in self.connections:
                connection.transport.abort()
            await asyncio.sleep(0)


class Connection(asyncio.Protocol):
    """A connection of a client, which is kept open for its next request."""

    def __init__(self, service: Service) -> None:
        self.service, self.data, self.streams = service, b"", True

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.service.connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.service.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        self.data += data
        head, end, body = self.data.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        if not end or len(body) < length:
            return
        self.data = b""
        service, request = self.service, json.loads(body)
        prompt = request["messages"][-1]["content"]
        service.asked[prompt] += 1
        service.request, self.streams = request, request.get("stream", False)
        fate = service.fate(prompt, service.asked[prompt])
        service.fates[fate] += 1
        service.under_way += 1
        service.most = max(service.most, service.under_way)
        service.times.append(service._loop.time())
        if fate == "held":
            return
        delay = service.seconds + 0.03 * (fate == "slow")
        service.first.append(lambda: service._loop.call_later(delay, self.respond, prompt, fate))
        if service.asked.total() >= service.together:
            for answer in service.first:
                answer()
            service.first.clear()

    def respond(self, prompt: str, fate: str) -> None:
        self.service.under_way -= 1
        if fate in ERRORS:
            status, headers, error = ERRORS[fate]
            body = json.dumps({"error": error}).encode()
            refusal = (
                f"HTTP/1.1 {status} No\r\ncontent-type: application/json\r\n{headers}content-length: {len(body)}\r\n"
            )
            self.transport.write(refusal.encode() + b"\r\n" + body)
        elif fate == "html":
            self.transport.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 15\r\n\r\n<html>Log in</>"
            )
        elif fate == "cut":
            self.transport.write(HEAD + b"\r\n" + chunk({"content": "Half of"}))
            self.transport.close()
        else:
            said = f"You said: {prompt}"
            counted = {"prompt_tokens": len(prompt.split()), "completion_tokens": len(said.split())}
            self.service.tokens += sum(counted.values())
            if not self.streams:
                message = {"role": "assistant", "content": said}
                whole = json.dumps({"id": "c", "model": "m", "choices": [{"message": message}], "usage": counted})
                head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(whole)}\r\n\r\n"
                self.transport.write((head + whole).encode())
                return
            usage = event({"id": "c", "model": "m", "choices": [], "usage": counted})
            start = HEAD + self.service.headers + b"\r\n"
            self.transport.write(start + chunk({"content": said}) + chunk({}, "stop") + usage + DONE)


if __name__ == "__main__":
    with Service(seconds=float(sys.argv[1]) if len(sys.argv) > 1 else 0.0) as service:
        print(service.url, flush=True)
        sys.stdin.read()
