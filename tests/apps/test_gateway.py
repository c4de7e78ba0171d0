"""The gateway's door: who may ask, which paths there are, and what it lists."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from g4flite import Client, G4fliteError
from g4flite.apps.gateway import asgi
from g4flite.apps.gateway.asgi import Gateway
from g4flite.testing import Emulator, Script
from tests.rows import rows

from .gateways import WIRES, client, routes, served

JSON = dict[str, Any]


@dataclass(frozen=True)
class Key:
    name: str
    models: tuple[str, ...] = ()

    def allows(self, model: str) -> bool:
        return not self.models or model in self.models


class RefusedError(G4fliteError):
    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__("anna may not ask now")
        self.reason, self.retry_after = reason, retry_after


class Keys:
    """Keys as `keys.Store` has them."""

    def __init__(self) -> None:
        self.known = {"sk-anna": Key("anna"), "sk-bert": Key("bert", ("openai",))}
        self.refusal: Exception | None = None
        self.reserved, self.settled = list[tuple[str, float | None]](), list[tuple[int, float]]()

    def find(self, secret: str) -> Key | None:
        return self.known.get(secret)

    def reserve(self, name: str, dollars: float | None) -> int:
        if self.refusal:
            raise self.refusal
        self.reserved.append((name, dollars))
        return len(self.reserved)

    def settle(self, call: int, dollars: float) -> None:
        self.settled.append((call, dollars))


async def page(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


@pytest.fixture(scope="module")
def service() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture(scope="module")
def keyless(service: Emulator) -> Iterator[str]:
    any_model = Client("ollama", base_url=service.url)
    known = {**routes(service), "*": [any_model]}
    with served(Gateway(known, origins=["https://chat.test"], max_body=20_000)) as url:
        yield url


@pytest.fixture(scope="module")
def locked(service: Emulator) -> Iterator[tuple[str, Keys]]:
    keys = Keys()
    with served(Gateway(routes(service), keys=keys, page=page)) as url:
        yield url, keys


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=30) as one:
        yield one


@rows(("wire", "path"), [
    ("chat", "/chat/completions"), ("chat", "/v1/v1/chat/completions"), ("chat", "/api/v1/chat/completions"),
    ("chat", "/openai/v1/chat/completions"), ("chat", "/v1/chat/completions/"), ("responses", "/responses"),
    ("responses", "/v1/v1/v1/responses"), ("anthropic", "/messages"), ("anthropic", "/anthropic/v1/messages?beta=true"),
    ("ollama", "/v1/api/chat"), ("gemini", "/models/any:streamGenerateContent?alt=sse"),
    ("gemini", "/v1beta/v1beta/models/any:streamGenerateContent?alt=sse"),
    ("gemini", "/v1/models/any:streamGenerateContent?alt=sse&alt=json"), ("chat", "//v1//chat/completions"),
    ("gemini", "/v1beta/models/Qwen%2FQwen3:8b:streamGenerateContent?alt=sse"),
])  # fmt: skip
def test_a_base_url_may_be_pasted_in_several_ways(wire: str, path: str, keyless: str, http: httpx.Client) -> None:
    response = http.post(keyless + path, json=WIRES[wire].question("any", "Hello"))
    assert WIRES[wire].said(response.text) == "You said: Hello"
    assert WIRES[wire].ended(response.text)


@rows(("root", "path", "place"), [
    ("/llm", "/llm/page/x", "/page/x"), ("/llm/", "/llm/page/x", "/page/x"), ("/llm", "/llm", "/"), ("", "/", "/"),
    # Frameworks that leave the root out of the path.
    ("/llm", "/page/x", "/page/x"), ("/p", "/page/x", "/page/x"),
])  # fmt: skip
def test_the_app_may_be_mounted_below_a_path(root: str, path: str, place: str) -> None:
    async def ask() -> bytes:
        sent = list[Any]()

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": path, "headers": [(b"host", b"localhost")]}
        await Gateway({}, page=page)({**scope, "root_path": root}, anyio.sleep_forever, send)
        return bytes(sent[1]["body"])

    assert anyio.run(ask).decode() == place


def test_a_mounted_app_answers(service: Emulator, http: httpx.Client) -> None:
    gateway = Gateway(routes(service))

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        yield
        await gateway.aclose()

    with served(Starlette(routes=[Mount("/llm", app=gateway)], lifespan=lifespan)) as url:
        for wire, spoken in WIRES.items():
            response = http.post(spoken.url(f"{url}/llm", "openai"), json=spoken.question("openai", "Hello"))
            assert spoken.said(response.text) == "You said: Hello", wire
        assert http.post(f"{url}/llm/v1/nope", json={}).status_code == 404


def test_gemini_answers_in_an_array_without_sse(keyless: str, http: httpx.Client) -> None:
    response = http.post(
        f"{keyless}/v1beta/models/gemini:streamGenerateContent", json=WIRES["gemini"].question("", "Hi")
    )
    texts = [part["text"] for chunk in response.json() for part in chunk["candidates"][0]["content"]["parts"]]
    assert "".join(texts) == "You said: Hi"


def test_the_model_of_the_star_is_the_one_that_was_asked_for(
    keyless: str, service: Emulator, http: httpx.Client
) -> None:
    for name in ("llama3.2", "Qwen/Qwen3:8b"):
        http.post(f"{keyless}/v1/chat/completions", json=WIRES["chat"].question(name, "Hello"))
        assert service.exchanges[-1].model == name
        response = http.post(f"{keyless}/v1beta/models/{name}:generateContent", json=WIRES["gemini"].question("", "Hi"))
        assert (service.exchanges[-1].model, response.json()["modelVersion"]) == (name, name)


@rows(("method", "path", "status"), [
    ("HEAD", "/", 200), ("GET", "/", 200), ("GET", "/health", 200), ("HEAD", "/v1/models", 200),
    ("GET", "/api/ps", 200), ("HEAD", "/v1", 200), ("HEAD", "/anthropic/v1/", 200), ("GET", "/v1/models/m:8b", 404),
    ("GET", "/api/version", 200), ("OPTIONS", "/v1/messages", 204), ("GET", "/v1/models/nope", 404),
    ("DELETE", "/v1/messages", 405), ("POST", "/nope", 404), ("GET", "/v1/embeddings", 404),
])  # fmt: skip
def test_other_requests(method: str, path: str, status: int, keyless: str, http: httpx.Client) -> None:
    response = http.request(method, keyless + path)
    assert response.status_code == status
    assert response.headers["x-request-id"].startswith("req_")
    if status == 405:
        assert response.headers["allow"] == "POST"


@rows(("wire", "path"), [
    ("chat", "/v1/nope"), ("anthropic", "/anthropic/nope"), ("ollama", "/api/nope"), ("gemini", "/v1beta/nope"),
    ("gemini", "/models/x:embedContent"),
])  # fmt: skip
def test_an_unknown_path_is_told_in_the_form_of_its_wire(
    wire: str, path: str, keyless: str, http: httpx.Client
) -> None:
    response = http.post(keyless + path, json={})
    assert response.status_code == 404
    assert path in WIRES[wire].told(response.json())
    if wire == "chat":
        assert response.json()["error"]["code"] is None


def test_one_list_of_models_serves_openai_and_anthropic(keyless: str, http: httpx.Client) -> None:
    body = http.get(f"{keyless}/v1/models?limit=1000").json()
    assert [model["id"] for model in body["data"]] == ["anthropic", "gemini", "ollama", "openai", "openai-responses"]
    assert (body["object"], body["has_more"], body["first_id"]) == ("list", False, "anthropic")
    assert body["data"][0]["object"] == body["data"][0]["type"] == "model"
    assert http.get(f"{keyless}/v1/models/openai").json()["id"] == "openai"
    gemini = http.get(f"{keyless}/v1beta/models").json()["models"]
    assert gemini[0]["name"] == "models/anthropic"
    assert http.get(f"{keyless}/v1beta/models/openai").json()["name"] == "models/openai"
    assert [model["name"] for model in http.get(f"{keyless}/api/tags").json()["models"]] == [
        model["id"] for model in body["data"]
    ]
    shown = http.post(f"{keyless}/api/show", json={"model": "openai"}).json()
    assert ("tools" in shown["capabilities"], "general.architecture" in shown["model_info"]) == (True, True)
    assert http.post(f"{keyless}/api/show", json={"name": "nope"}).status_code == 404


@rows(("path", "body", "field"), [
    ("/v1/messages/count_tokens", {"model": "m", "messages": [{"role": "user", "content": "x" * 400}]}, "input_tokens"),
    ("/v1beta/models/m:countTokens", {"contents": [{"parts": [{"text": "x" * 400}]}]}, "totalTokens"),
    ("/v1beta/models/m:countTokens",
     {"generateContentRequest": {"contents": [{"parts": [{"text": "x" * 400}]}]}}, "totalTokens"),
])  # fmt: skip
def test_tokens_are_estimated(path: str, body: JSON, field: str, keyless: str, http: httpx.Client) -> None:
    assert http.post(keyless + path, json=body).json() == {field: 104}


@rows("given", [[1], "x", 5, {"contents": 5}])
def test_a_request_to_count_that_is_none_is_refused(given: Any, keyless: str, http: httpx.Client) -> None:
    response = http.post(f"{keyless}/v1beta/models/m:countTokens", json={"generateContentRequest": given})
    assert (response.status_code, response.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


@rows("wire", WIRES)
def test_the_name_of_a_model_is_bounded(wire: str, service: Emulator, http: httpx.Client) -> None:
    lines = list[JSON]()
    any_model = Client("ollama", base_url=service.url)
    with served(Gateway({"*": [any_model]}, log=lines.append)) as url:
        for name, status in (("m" * 500, 200), ("m" * 501, 400)):
            response = http.post(WIRES[wire].url(url, name), json=WIRES[wire].question(name, "Hello"))
            assert response.status_code == status, response.text
        assert "model: expected" in WIRES[wire].told(response.json())
    assert [len(line["model"]) for line in lines] == [500, 0]


def test_tools_and_images_count_as_well(keyless: str, http: httpx.Client) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    body = {
        "model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "Look"}, image]}],
        "tools": [{"name": "now", "input_schema": {"type": "object"}}],
    }  # fmt: skip
    assert http.post(f"{keyless}/v1/messages/count_tokens", json=body).json()["input_tokens"] > 1004


def test_bodies_are_bounded(keyless: str, http: httpx.Client) -> None:
    def many() -> Iterator[bytes]:
        yield from [b" " * 5_000] * 5

    for body in (b" " * 30_000, many()):
        response = http.post(f"{keyless}/v1/messages", content=body)
        assert response.status_code == 413
        assert response.json()["type"] == "error"
    deep = http.post(f"{keyless}/v1/messages", content=b"[" * 20_000)
    assert deep.status_code == 400


@rows("wire", WIRES)
def test_how_deeply_a_request_is_nested_is_bounded(wire: str, keyless: str, http: httpx.Client) -> None:
    body = json.dumps(WIRES[wire].question("any", "Hello", odd="DEEP")).encode()
    codes = set[int]()
    # How deep is too deep depends on the version of Python.
    for depth in (100, 700, 900, 3_000, 6_000, 9_900):
        nested = body.replace(b'"DEEP"', b"[" * depth + b"]" * depth)
        response = http.post(WIRES[wire].url(keyless, "any"), content=nested)
        codes.add(response.status_code)
        if response.status_code != 200:
            assert WIRES[wire].told(response.json())
    assert codes <= {200, 400}


@rows(("headers", "status"), [
    ({"host": "127.0.0.1:1"}, 200), ({"host": "localhost"}, 200), ({"host": "[::1]:80"}, 200),
    ({"host": "evil.test"}, 403), ({"host": "[::"}, 403), ({"origin": "https://chat.test"}, 200),
    ({"origin": "https://evil.test"}, 403), ({"origin": "null"}, 403), ({"origin": "http://["}, 403),
    ({"host": "localhost:9", "origin": "http://localhost:9"}, 200),
    ({"host": "localhost:9", "origin": "http://localhost:9/x"}, 403),
])  # fmt: skip
def test_without_keys_no_page_of_another_origin_may_ask(
    headers: dict[str, str], status: int, keyless: str, http: httpx.Client
) -> None:
    response = http.get(f"{keyless}/v1/models", headers=headers)
    assert response.status_code == status
    known = headers.get("origin") == "https://chat.test"
    assert response.headers.get("access-control-allow-origin") == ("https://chat.test" if known else None)


@rows(("server", "status"), [
    (("127.0.0.1", 80), 200), (("127.8.8.8", 80), 200), (("::1", 80), 200), (("::ffff:127.0.0.1", 80), 200),
    (("/run/gateway.sock", None), 200), (("testserver", 80), 200), (None, 200),
    (("192.0.2.1", 80), 403), (("0.0.0.0", 80), 403), (("2001:db8::1", 80), 403), (("::ffff:192.0.2.1", 80), 403),
])  # fmt: skip
def test_without_keys_no_other_machine_may_ask(server: Any, status: int) -> None:
    async def ask(keys: Keys | None) -> int:
        sent = list[Any]()

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"host", b"localhost"), (b"x-api-key", b"sk-anna")]
        scope = {"type": "http", "method": "GET", "path": "/v1/models", "headers": headers, "server": server}
        await Gateway({}, keys=keys)(scope, anyio.sleep_forever, send)
        return int(sent[0]["status"])

    assert anyio.run(ask, None) == status
    assert anyio.run(ask, Keys()) == 200


def test_a_page_of_a_known_origin_is_told_what_it_may_send(keyless: str, http: httpx.Client) -> None:
    asked = {"origin": "https://chat.test", "access-control-request-headers": "authorization, x-stainless-os"}
    response = http.options(f"{keyless}/v1/messages", headers=asked)
    assert response.headers["access-control-allow-headers"] == "authorization, x-stainless-os"
    assert (response.status_code, "content-length" in response.headers) == (204, False)
    other = http.options(f"{keyless}/v1/messages", headers={**asked, "origin": "https://evil.test"})
    assert "access-control-allow-headers" not in other.headers


@rows("header", ["authorization", "x-api-key", "x-goog-api-key", "api-key"])
def test_every_form_of_a_key_is_checked(header: str, locked: tuple[str, Keys], http: httpx.Client) -> None:
    url, _ = locked
    body = WIRES["chat"].question("anthropic", "Hello")
    for secret, status in (("sk-anna", 200), ("sk-wrong", 401), ("sk-bert", 403)):
        value = f"Bearer {secret}" if header == "authorization" else secret
        response = http.post(f"{url}/v1/chat/completions", json=body, headers={header: value})
        assert response.status_code == status
        assert "sk-" not in response.text
    assert http.post(f"{url}/v1/chat/completions", json=body).status_code == 401
    assert http.get(f"{url}/v1/models").status_code == 401
    assert http.get(f"{url}/health").status_code == 200
    listed = http.get(f"{url}/v1/models", headers={"x-api-key": "sk-bert"}).json()["data"]
    assert [model["id"] for model in listed] == ["openai"]


def test_each_call_is_reserved_and_settled(locked: tuple[str, Keys], http: httpx.Client) -> None:
    url, keys = locked
    before = len(keys.settled)
    body, key = WIRES["chat"].question("openai", "Hello"), {"authorization": "Bearer sk-anna"}
    with httpx.Client(headers=key) as own:
        own.post(f"{url}/v1/chat/completions", json=body).raise_for_status()
        while len(keys.settled) == before:
            own.get(f"{url}/health")
    assert keys.reserved[-1][0] == "anna"
    assert keys.settled[-1][0] == len(keys.reserved)


@rows(("refusal", "status", "code", "after"), [
    (RefusedError("budget"), 429, "insufficient_quota", None),
    (RefusedError("rate", 2.5), 429, "rate_limit_exceeded", "2.5"),
    (RefusedError("revoked"), 401, "invalid_api_key", None), (RefusedError("price"), 403, None, None),
])  # fmt: skip
def test_a_key_that_may_not_ask_now_is_refused(
    refusal: RefusedError,
    status: int,
    code: str | None,
    after: str | None,
    locked: tuple[str, Keys],
    http: httpx.Client,
) -> None:
    url, keys = locked
    keys.refusal = refusal
    try:
        body = WIRES["chat"].question("openai", "Hello")
        response = http.post(f"{url}/v1/chat/completions", json=body, headers={"x-api-key": "sk-anna"})
    finally:
        keys.refusal = None
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert response.headers.get("retry-after") == after


def test_the_page_answers_where_no_wire_does(locked: tuple[str, Keys], http: httpx.Client) -> None:
    url, _ = locked
    assert http.get(f"{url}/").text == "/"
    assert http.get(f"{url}/page/app.js").text == "/page/app.js"
    assert http.get(f"{url}/nope").status_code == 404
    assert http.post(f"{url}/page/app.js").status_code == 405


def test_an_unknown_model_is_404_with_the_names_that_there_are(locked: tuple[str, Keys], http: httpx.Client) -> None:
    url, _ = locked
    response = http.post(
        f"{url}/v1/messages", json=WIRES["anthropic"].question("nope", "Hi"), headers={"x-api-key": "sk-anna"}
    )
    assert response.status_code == 404
    assert "openai-responses" in response.json()["error"]["message"]
    # Whose key has models of its own is told of no other.
    narrow = http.post(
        f"{url}/v1/messages", json=WIRES["anthropic"].question("nope", "Hi"), headers={"x-api-key": "sk-bert"}
    )
    assert (narrow.status_code, "openai" in narrow.text) == (403, False)


def test_no_more_calls_run_than_may_and_none_begins_while_the_gateway_stops(http: httpx.Client) -> None:
    release, asked = threading.Event(), threading.Event()

    def slow(_: object) -> Iterator[str]:
        asked.set()
        release.wait(30)
        yield "Hello"

    with Emulator(slow) as service:
        lines = list[JSON]()
        app = Gateway({"m": [client("openai", service)]}, max_streams=1, log=lines.append)
        with served(app) as url:
            body = WIRES["chat"].question("m", "Hello", stream=False)
            first: list[httpx.Response] = []
            thread = threading.Thread(target=lambda: first.append(httpx.post(f"{url}/v1/chat/completions", json=body)))
            thread.start()
            assert asked.wait(10)
            full = http.post(f"{url}/v1/chat/completions", json=body)
            assert (full.status_code, full.headers["retry-after"]) == (503, "1")
            app.draining = True
            assert "stop" in http.post(f"{url}/v1/chat/completions", json=body).json()["error"]["message"]
            health = http.get(f"{url}/health")
            assert (health.status_code, health.json()) == (503, {"status": "stopping"})
            assert [(line["status"], line["outcome"]) for line in lines] == [(503, "failed")] * 2
            release.set()
            thread.join()
            assert first[0].json()["choices"][0]["message"]["content"] == "Hello"


def test_routes_change_without_losing_a_call(http: httpx.Client) -> None:
    release, asked = threading.Event(), threading.Event()

    def slow(_: object) -> Iterator[str]:
        yield "Hel"
        asked.set()
        release.wait(30)
        yield "lo"

    with Emulator(slow) as old, Emulator("new") as new:
        kept, left = client("openai", new), client("openai", old)
        app = Gateway({"m": [left], "kept": [kept]})
        with served(changed(app, {"m": [client("openai", new)], "kept": [kept]})) as url:
            place, body = f"{url}/v1/chat/completions", WIRES["chat"].question("m", "Hello")
            with http.stream("POST", place, json=body) as response:
                assert asked.wait(10)
                assert http.get(f"{url}/change").status_code == 200
                assert WIRES["chat"].said(http.post(place, json=body).text) == "new"
                assert ": open" in repr(left)
                release.set()
                assert WIRES["chat"].said(response.read().decode()) == "Hello"
            while ": open" in repr(left):
                http.get(f"{url}/health")
            assert ": open" in repr(kept)


def changed(app: Gateway, routes: dict[str, list[Client]]) -> Any:
    """Return the app with a path that gives it other routes."""

    async def wrapped(scope: Any, receive: Any, send: Any) -> None:
        if scope.get("path") == "/change":
            await app.use(routes)
            scope = {**scope, "path": "/health"}
        await app(scope, receive, send)

    return wrapped


def test_a_fault_of_the_gateway_is_500_and_told_to_its_log_alone(
    service: Emulator, http: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Keys):
        def find(self, secret: str) -> Key | None:
            raise RuntimeError("the disk sk-anna is full")

    with served(Gateway(routes(service), keys=Broken())) as url:
        response = http.get(f"{url}/v1/models", headers={"x-api-key": "sk-anna"})
    assert response.status_code == 500
    assert "disk" not in response.text
    assert "the gateway has failed" in caplog.text


@rows(("method", "path", "given", "status"), [
    ("POST", "/v1/chat/completions", {}, 401), ("POST", "/v1/messages", {"key": "sk-wrong"}, 401),
    ("POST", "/v1/messages", {"key": "sk-anna", "host": "evil.test"}, 403), ("POST", "/v1/nope", {}, 404),
    ("POST", "/v1/messages", {"key": "sk-anna", "size": "99999"}, 413), ("POST", "/v1/models", {}, 405),
    ("GET", "/v1/models", {}, 401), ("GET", "/favicon.ico", {}, 404),
])  # fmt: skip
def test_a_call_that_is_refused_at_the_door_is_a_line_of_the_log(
    method: str, path: str, given: dict[str, str], status: int, service: Emulator, http: httpx.Client
) -> None:
    lines = list[JSON]()
    with served(
        Gateway(routes(service), keys=Keys(), origins=["https://chat.test"], max_body=99, log=lines.append)
    ) as url:
        headers = {"x-api-key": given.get("key", ""), "host": given.get("host", "localhost")}
        response = http.request(method, url + path, headers=headers, content="x" * int(given.get("size", 9)))
    assert response.status_code == status
    if method == "GET":
        assert lines == []
    else:
        (line,) = lines
        assert (line["status"], line["outcome"], line["attempts"]) == (status, "failed", 0)
        assert line["id"] == response.headers["x-request-id"]
        assert line["key"] == ("anna" if status == 413 else None)
        assert line["error"]
        assert "sk-" not in str(line)


def test_a_call_is_answered_also_if_it_can_neither_be_settled_nor_logged(
    service: Emulator, http: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Keys):
        def settle(self, call: int, dollars: float) -> None:
            raise G4fliteError("the file is locked")

    def full(_: JSON) -> None:
        raise OSError("no space left")

    with served(Gateway(routes(service), keys=Broken(), log=full)) as url:
        for model, status in (("openai", 200), ("nope", 404)):
            body = WIRES["chat"].question(model, "Hello")
            response = http.post(f"{url}/v1/chat/completions", json=body, headers={"x-api-key": "sk-anna"})
            assert response.status_code == status
    # A call is settled behind its answer, so the next call may be over before that.
    assert sorted(caplog.messages) == ["a call was not settled", *["a line of the log was not written"] * 2]


def test_a_call_that_has_not_begun_when_the_gateway_stops_asks_nobody(service: Emulator, http: httpx.Client) -> None:
    class Stopping(Keys):
        def reserve(self, name: str, dollars: float | None) -> int:
            app.stop()
            return super().reserve(name, dollars)

    keys, asked = Stopping(), len(service.exchanges)
    app = Gateway(routes(service), keys=keys)
    with served(app) as url:
        for stream in (True, False):
            body = WIRES["chat"].question("openai", "Hello", stream=stream)
            response = http.post(f"{url}/v1/chat/completions", json=body, headers={"x-api-key": "sk-anna"})
            assert (response.status_code, "stops" in response.text) == (503, True)
    assert len(service.exchanges) == asked
    assert [dollars for _, dollars in keys.settled] == [0, 0]


@rows(("tool", "refused"), [
    ({"type": "advisor_20260301", "name": "advisor", "model": "dear"}, True),
    ({"type": "openrouter:advisor", "parameters": {"tools": [{"model": "dear"}, 1]}}, True),
    ({"type": "advisor_20260301", "name": "advisor", "model": None}, False), ("x", False),
    # The names of its schema are the client's.
    ({"name": "f", "input_schema": {"type": "object", "properties": {"model": {"type": "string"}}}}, False),
])  # fmt: skip
def test_no_request_with_a_key_has_a_tool_that_names_a_model(
    tool: Any, refused: bool, keyless: str, locked: tuple[str, Keys], http: httpx.Client
) -> None:
    begun = {"max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}
    body = {"model": "anthropic", **begun, "tools": [tool]}
    for url in (keyless, locked[0]):
        response = http.post(f"{url}/v1/messages", json=body, headers={"x-api-key": "sk-anna"})
        assert ("tools.model: expected none" in response.text) == (refused and url != keyless)


@rows(("field", "refused"), [("api_base", True), ("extra_headers", True), ("models", False), ("seed", False)])
def test_no_request_names_another_place_and_none_with_a_key_another_model(
    field: str, refused: bool, keyless: str, locked: tuple[str, Keys], http: httpx.Client
) -> None:
    body = WIRES["chat"].question("openai", "Hello", **{field: 1, "stop": None})
    response = http.post(f"{keyless}/v1/chat/completions", json=body)
    assert response.status_code == (400 if refused else 200)
    assert not refused or response.json()["error"]["param"] == field
    response = http.post(f"{locked[0]}/v1/chat/completions", json=body, headers={"x-api-key": "sk-anna"})
    assert response.status_code == (200 if field == "seed" else 400)


@rows("wire", ["chat", "ollama"])
def test_a_cookie_of_one_call_goes_with_no_other(wire: str, service: Emulator, http: httpx.Client) -> None:
    # The same wire on both sides, and another.
    begun = len(service.exchanges)
    service.script = Script(headers={"set-cookie": "session=of-anna; Path=/"})
    try:
        with served(Gateway(routes(service))) as url:
            for _ in range(3):
                body = WIRES[wire].question("openai", "Hello")
                assert http.post(WIRES[wire].url(url, "openai"), json=body).status_code == 200
    finally:
        service.script = Script()
    sent = [{name.lower() for name, _ in exchange.headers} for exchange in service.exchanges[begun:]]
    assert [("cookie" in names, "authorization" in names) for names in sent] == [(False, True)] * 3


@rows("backend", ["asyncio", "trio"])
def test_the_end_of_the_server_waits_a_while_for_the_lines_of_calls_that_it_has_ended(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run(*, ends: bool) -> None:
        sent, said = list[str](), ["lifespan.startup", "lifespan.shutdown"]
        loaded.clear()

        async def receive() -> JSON:
            return {"type": said.pop(0)}

        async def send(message: Any) -> None:
            sent.append(message["type"])

        app = Gateway({})
        app.running = 1
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(app, {"type": "lifespan"}, receive, send)
            if ends:
                await anyio.wait_all_tasks_blocked()
                assert sent == ["lifespan.startup.complete"]
                app.running = 0
        assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
        assert loaded == [1]

    # The first call would wait for the prices, and all others with it.
    loaded = list[int]()
    monkeypatch.setattr(asgi, "load_prices", lambda: loaded.append(len(loaded) + 1))
    anyio.run(partial(run, ends=True), backend=backend)
    with monkeypatch.context() as patched:
        patched.setattr(asgi, "LAST", 0.0)
        anyio.run(partial(run, ends=False), backend=backend)
