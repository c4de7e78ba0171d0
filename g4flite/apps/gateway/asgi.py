"""`Gateway`: an ASGI app that puts any provider behind the wires of OpenAI, Anthropic, Ollama and Gemini.

    app = Gateway({"fast": [Client("groq", model="llama-3.3-70b-versatile"), Client("openai", model="gpt-4o-mini")]})
    uvicorn.run(app, port=8000)

`routes` maps the names that clients ask for to the clients of providers, which are asked in order until one answers:
a `Client` keeps its model, key, base URL, timeouts and options.  The route "*" answers for any other name; a client
without a model is asked for the model of that name.

What else may be plugged in:

- `keys` says who may ask.  It has the methods of `keys.Store`: `find(secret)` returns the key, with `.name` and
  `.allows(model)`, or None; `reserve(name, dollars)` returns a call before it goes out (`dollars` is None if nobody
  knows the price), and raises a `G4fliteError` with a `reason` ("budget", "price", "rate" or "revoked") and
  `retry_after`; `settle(call, dollars)` is called once behind each call that was reserved.  They are called in a worker
  thread.  Without `keys`, everyone on this machine may ask, but no page of another origin, and no request for a host
  that is not one of `hosts`.
- `page` is an ASGI app that answers GET and HEAD at `/` and below `/page/`.
- `log` is called with a dict for each call, which JSON can hold: see `Call.line`.
- `origins` are the web pages that may ask from a browser; `hosts` are the names that a request may give for the host
  where there are no keys, or where there are origins.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import parse_qsl
from uuid import uuid4

from anyio import CancelScope, move_on_after, sleep, to_thread

from ...client import Client
from ...server.checks import Refusal
from ...server.protocol import Post
from . import http
from .call import Call, load_prices
from .faults import FaultError, fault_of
from .http import LeftError, Receive, Send
from .lists import LISTS
from .memory import Memory
from .upstream import Upstream
from .wires import Wire, find, meant, status_of

MIB = 2**20
# How many seconds the calls may take that the server has ended, to settle and to write their lines, before it stops.
LAST = 5.0

logger = logging.getLogger(__name__)


class Key(Protocol):
    """What is read of a key."""

    @property
    def name(self) -> str: ...
    def allows(self, model: str) -> bool: ...


class Keys(Protocol):
    """Who may ask, and for how much: see `keys.Store`."""

    def find(self, secret: str, /) -> Key | None: ...
    def reserve(self, name: str, dollars: float | None, /) -> Any: ...
    def settle(self, call: Any, dollars: float, /) -> None: ...


class Gateway:
    """The app; see above.

    - `max_body` is the most bytes that a request may have.
    - `max_streams` is how many calls run at a time; further ones get 503.
    - `keep_alive` is after how many seconds of silence a stream shows that it is alive.
    - `log_content` puts messages and answers into the log as well.

    The clients of the routes belong to the gateway: `aclose` closes them, and so does the end of ASGI's lifespan.
    """

    def __init__(
        self,
        routes: Mapping[str, Sequence[Client]],
        *,
        keys: Keys | None = None,
        page: Any = None,
        origins: Collection[str] = (),
        hosts: Collection[str] = http.LOOPBACK,
        log: Callable[[dict[str, Any]], None] | None = None,
        log_content: bool = False,
        max_body: int = 32 * MIB,
        max_streams: int = 1000,
        keep_alive: float = 10.0,
    ) -> None:
        self.routes = {name: [Upstream(client) for client in clients] for name, clients in routes.items()}
        self.keys, self.page, self.origins, self.hosts = keys, page, frozenset(origins), frozenset(hosts)
        self.log, self.log_content = log, log_content
        self.max_body, self.max_streams, self.keep_alive = max_body, max_streams, keep_alive
        self.memory = Memory()
        # How many calls run, and whether new ones are turned away, because the gateway is about to stop.
        self.running, self.draining = 0, False
        self._calls = set[Call]()
        self.began = int(time.time())

    async def use(self, routes: Mapping[str, Sequence[Client]]) -> None:
        """Answer from now on with these routes.  The calls that run go on; behind the last, a client is closed."""
        old = [upstream for upstreams in self.routes.values() for upstream in upstreams]
        known = {upstream.client: upstream for upstream in old}
        self.routes = {
            name: [known.get(client) or Upstream(client) for client in clients] for name, clients in routes.items()
        }
        kept = {upstream.client for upstreams in self.routes.values() for upstream in upstreams}
        for client, upstream in known.items():
            if client not in kept:
                upstream.retired = True
                await upstream.close_if_idle()

    def stop(self) -> None:
        """End the calls that run; their clients are told, each in the form of its protocol."""
        for call in self._calls:
            call.stop()

    async def aclose(self) -> None:
        """Close the clients of the routes."""
        await self.use({})

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._answer(http.below(scope), receive, send)
        # Any other, like a websocket, is refused by the server.

    async def _live(self, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
            # The server takes calls meanwhile.
            await to_thread.run_sync(load_prices)
        with move_on_after(LAST):
            while self.running:  # noqa: ASYNC110 - an event would cost something at the end of each call
                await sleep(0.01)
        await self.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        headers, path, method = http.headers_of(scope), scope["path"], scope["method"]
        id_ = uuid4().hex[:24]
        told = {"x-request-id": f"req_{id_}", "request-id": f"req_{id_}", **http.cors(headers, self.origins)}
        wire = meant(path)
        call, key = None, None
        try:
            if method == "OPTIONS":
                allowed = http.preflight(headers) if headers.get("origin") in self.origins else {}
                await http.send_json(send, 204, b"", {**told, **allowed})
                return
            self._check_origin(scope, headers)
            wire, action, place = find(method, path)
            if action == "health":
                status, word = (503, "stopping") if self.draining else (200, "ok")
                await http.send_json(send, status, {"status": word}, told)
            elif action in ("page", "base"):
                await self._show_page(scope, receive, send, told, action)
            else:
                key = await self._admit(headers)
                body = b"" if method in ("GET", "HEAD") else await http.body_of(receive, headers, self.max_body)
                query = parsed_query(scope.get("query_string", b""))
                given = [("content-type", "application/json"), *headers.items()]
                post = Post(path=place, query=query, headers=given[:1], body=body, keyless=True)
                if action == "ask":
                    call = Call(self, wire, key, headers, post, told, id_)
                    await self._ask(call, receive, send)
                else:
                    await http.send_json(send, 200, LISTS[action](self, wire, key, post), told)
        except LeftError:
            pass
        except Exception as error:
            if call is None and method == "POST":
                # Nothing was asked, and the log says why.
                unread = Post(path=path, query={}, headers=[], body=b"", keyless=True)
                call = Call(self, wire, key, headers, unread, told, id_)
                call.refuse(error)
                self._tell(call)
            await self._fail(wire, error, send, told)

    async def _fail(self, wire: Wire, error: Exception, send: Send, told: http.Headers) -> None:
        """Answer with an error, in the wire's form."""
        fault = fault_of(error)
        if fault.status == 500 and not isinstance(error, FaultError):
            logger.error("the gateway has failed", exc_info=error)
        more = dict(error.headers) if isinstance(error, Refusal) else {}
        if fault.retry_after is not None:
            more["retry-after"] = f"{fault.retry_after:g}"
        if fault.retry is not None:
            more["x-should-retry"] = "true" if fault.retry else "false"
        await http.send_json(send, status_of(wire, fault), wire.body(fault), {**told, **more})

    def _check_origin(self, scope: Mapping[str, Any], headers: http.Headers) -> None:
        """Raise `FaultError` 403 for a page of another origin, and for a host that is not this one.

        Without keys, any page that a user of this machine opens could ask, also by a name of its own that it lets mean
        127.0.0.1 ("DNS rebinding"); and so could everyone, if the app's server listens on other addresses.
        """
        if self.keys is None and not http.is_loopback(scope):
            raise FaultError(403, "permission", "without keys, the gateway answers on this machine alone; see --keys")
        if (self.keys is None or self.origins) and http.host_of(headers) not in self.hosts:
            said = "the header host names another host than this gateway's; --hostname adds a name"
            raise FaultError(403, "permission", said)
        if self.keys is None and http.is_foreign(headers, self.origins):
            raise FaultError(403, "permission", "pages of this origin may not ask; --origin lets them")

    async def _admit(self, headers: http.Headers) -> Key | None:
        """Return the key of a request, None if none is needed.  Raises `FaultError` 401 for a missing or wrong one."""
        if self.keys is None:
            return None
        secret = http.key_of(headers)
        key = await to_thread.run_sync(self.keys.find, secret) if secret else None
        if key is None:
            said = "the key is not known to this gateway" if secret else "expected a key: authorization: Bearer KEY"
            raise FaultError(401, "authentication", said)
        return key

    async def _show_page(
        self, scope: Mapping[str, Any], receive: Receive, send: Send, told: http.Headers, action: str
    ) -> None:
        if self.page is not None and action == "page":
            await self.page(scope, receive, send)
        else:
            text = b"g4flite gateway: /v1/models, /v1/chat/completions, /v1/responses, /v1/messages, /api/chat\n"
            await http.send_json(send, 200, text, {**told, "content-type": "text/plain; charset=utf-8"})

    async def _ask(self, call: Call, receive: Receive, send: Send) -> None:
        """Answer a question, and write the line of the log, however it ends."""
        if self.draining or self.running >= self.max_streams:
            why = "the gateway is about to stop" if self.draining else "the gateway answers as many calls as it may"
            refusal = call.refuse(Refusal(503, f"{why}; try again later", {"retry-after": "1"}))
            self._tell(call)
            raise refusal
        self.running += 1
        self._calls.add(call)
        try:
            await call.run(receive, send)
        finally:
            self._calls.remove(call)
            with CancelScope(shield=True):
                await call.settle()
            self.running -= 1
            self._tell(call)

    def _tell(self, call: Call) -> None:
        if self.log is not None:
            try:
                self.log(call.line())
            except Exception as error:
                # The client has its answer, or an error of its own.
                logger.error("a line of the log was not written", exc_info=error)

    def route(self, name: str, key: Key | None = None) -> list[Upstream]:
        """Return what is asked for a model's name.  Raises `FaultError` 404 for a name that no route has."""
        found = self.routes.get(name) or self.routes.get("*")
        if not found:
            known = ", ".join(self.names(key)) or "none"
            raise FaultError(
                404, "not_found", f"there is no model {name[:200]!r}; the models are {known}", "model_not_found"
            )
        return found

    def names(self, key: Key | None) -> list[str]:
        """Return the names of the models that a key may ask for."""
        known = {name for name in self.routes if name != "*"}
        if "*" in self.routes:
            known |= {model for upstream in self.routes["*"] for model in upstream.models}
        return sorted(name for name in known if key is None or key.allows(name))


def parsed_query(query: bytes) -> dict[str, str]:
    """Return the fields of a query, of which the first counts."""
    found: dict[str, str] = {}
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        found.setdefault(name, value)
    return found
