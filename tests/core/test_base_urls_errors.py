"""A wrong URL, the first wrong step of many: what errors say of it, in every driver."""

import copy
import pickle
import socket
from collections.abc import Iterator
from typing import Any

import pytest

import g4flite
from g4flite import providers
from g4flite._core import urls
from g4flite._core.urls import SERVERS, how_to_start, public_url
from g4flite.testing import Emulator, Script
from tests.conftest import Driver
from tests.core.test_base_urls import FORMS
from tests.rows import rows

# The forms whose mended URL the emulator serves; it has no further path before those of a service.
STRICT = [form for form in FORMS if form[0] != "cromicle" and not form[1].startswith(("/proxy", "/anthropic"))]


def key_of(name: str) -> dict[str, Any]:
    """Return the argument that gives the provider a key, if it takes one."""
    return {"api_key": "sk-test-1"} if "{api_key}" in str(providers.find(name).headers) else {}


@pytest.mark.parametrize("status", [404, 405])
@rows(("name", "path", "said", "right"), FORMS)
def test_a_404_or_405_names_its_url_and_what_is_wrong_with_the_base_url(
    name: str, path: str, said: str, right: str, status: int, server: Emulator
) -> None:
    server.script = Script(status=status)
    model = None if name == "cromicle" else "m"
    with pytest.raises(g4flite.StatusError) as caught:
        g4flite.stream(name, "Hi", model=model, base_url=server.url + path, retries=0, **key_of(name)).text()
    error = caught.value
    assert error.url == f"{server.url}{server.exchanges[-1].path.partition('?')[0]}"
    assert f"; {said}: set base_url= to {server.url}{right} (URL {error.url})" in str(error)


@rows(("name", "path", "said", "right"), STRICT, shared=True)
def test_the_emulator_answers_a_wrong_path_by_404_and_the_mended_one_by_text(
    name: str, path: str, said: str, right: str, driver: Driver, server: Emulator
) -> None:
    with pytest.raises(g4flite.NotFoundError) as caught:
        driver.collect(name, "Hi", model="m", base_url=server.url + path, **key_of(name))
    assert f"; {said}: set base_url= to {server.url}{right} (URL {caught.value.url})" in str(caught.value)
    text = driver.collect(name, "Hi", model="m", base_url=server.url + right, **key_of(name))
    assert "".join(text) == "You said: Hi"


def test_a_404_that_says_there_is_no_such_model_blames_the_model(server: Emulator) -> None:
    server.script = Script(status=404, body='{"error": {"message": "The model `m` does not exist"}}')
    with pytest.raises(g4flite.NotFoundError, match="no such model: check model= and base_url= \\(URL http"):
        g4flite.stream("openai", "Hi", model="m", base_url=server.url, api_key="sk-test-1").text()


# What servers answer with status 200 to a path that they do not know: LM Studio says it in JSON
# (lmstudio-ai/lmstudio-bug-tracker#618), others with the page of their user interface.
NOTHING_THERE = [
    (Script(body='{"error":"Unexpected endpoint or method. (POST /chat/completions)"}',
            headers={"content-type": "application/json; charset=utf-8"}), g4flite.NotFoundError),
    (Script(body="<!doctype html><title>Open WebUI</title>", headers={"content-type": "text/html"}),
     g4flite.MalformedReplyError),
]  # fmt: skip


@pytest.mark.parametrize(("script", "kind"), NOTHING_THERE)
@rows(("name", "path", "said", "right"), [form for form in FORMS if form[0] != "cromicle"])
def test_an_answer_200_that_there_is_nothing_is_told_like_a_404(
    name: str, path: str, said: str, right: str, script: Script, kind: type[g4flite.G4fliteError], server: Emulator
) -> None:
    server.script = script
    with pytest.raises(kind) as caught:
        g4flite.stream(name, "Hi", model="m", base_url=server.url + path, retries=0, **key_of(name)).text()
    assert f"; {said}: set base_url= to {server.url}{right} (URL {caught.value.url})" in str(caught.value)


@pytest.mark.parametrize(("script", "kind"), NOTHING_THERE)
def test_an_answer_200_that_there_is_nothing_names_the_url_in_every_driver(
    script: Script, kind: type[g4flite.G4fliteError], driver: Driver, server: Emulator
) -> None:
    server.script = script
    with pytest.raises(kind, match=r"; .*check base_url= .* \(URL http://.*/v1/chat/completions\)"):
        driver.collect("lmstudio", "Hi", model="m", base_url=f"{server.url}/v1", retries=0)


@pytest.mark.parametrize("name", ["OPENAI_BASE_URL", "G4FLITE_OPENAI_BASE_URL"])
def test_a_wrong_base_url_of_the_environment_is_told_by_its_variable(
    name: str, driver: Driver, server: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, server.url)
    with pytest.raises(g4flite.NotFoundError) as caught:
        driver.collect("openai", "Hi", model="m", api_key="sk-test-1")
    told = f'"/v1" is missing: set {name} or {{}} to {server.url}/v1 (URL '
    assert told.format("base_url=") in str(caught.value)
    assert told.format("--base-url") in caught.value.spelled(lambda argument: f"--{argument.replace('_', '-')}")
    assert told.replace(" or {}", "") in caught.value.spelled(lambda argument: "")


@rows(
    ("name", "base_url", "told"),
    [
        ("openai", "", "openai: base_url= is empty; leave it out for https://api.openai.com/v1"),
        ("cromicle", "", "cromicle: base_url= is empty; leave it out for https://cromicle.top"),
        ("openai-compatible", "", "openai-compatible: there is no public base URL; pass base_url= or set "
         "G4FLITE_OPENAI_COMPATIBLE_BASE_URL"),
        ("openai", "127.0.0.1:9", "openai: base_url= must begin with http:// or https:// and a host, like "
         "http://127.0.0.1:8000/v1"),
        ("openai-compatible", "h", "openai-compatible: base_url= must begin with http:// or https:// and a host, like "
         "http://127.0.0.1:8000/v1"),
        ("anthropic", "h", "anthropic: base_url= must begin with http:// or https:// and a host, like "
         "http://127.0.0.1:8000"),
    ],
)  # fmt: skip
def test_a_base_url_that_cannot_be_used_is_told_what_a_right_one_is_like(name: str, base_url: str, told: str) -> None:
    with pytest.raises(g4flite.OptionError) as caught:
        g4flite.stream(name, "Hi", model=None if name == "cromicle" else "m", base_url=base_url, **key_of(name))
    assert str(caught.value) == told


@rows(
    ("name", "path", "told"),
    [
        ("openai", "", "'path: expected /v1/chat/completions'"),
        ("openai-responses", "", "'path: expected /v1/responses'"),
        ("anthropic", "/v1", "'path: expected /v1/messages'"),
        ("gemini", "/v1beta", "'path: expected /v1beta/models/{model}:streamGenerateContent'"),
        ("ollama", "/api", "'path: expected /chat or /api/chat or /v2/chat'"),
    ],
)
def test_the_emulator_names_the_paths_of_the_protocol_that_was_asked(
    name: str, path: str, told: str, server: Emulator
) -> None:
    with pytest.raises(g4flite.NotFoundError) as caught:
        g4flite.stream(name, "Hi", model="m", base_url=server.url + path, **key_of(name)).text()
    assert told in str(caught.value)


def test_every_error_of_a_request_has_its_url_without_the_query(driver: Driver, server: Emulator) -> None:
    url = f"{server.url}/v1beta/models/m:streamGenerateContent"
    for script in (Script(status=500), Script(cut=9), Script(body="<html>"), Script(silence=30)):
        server.script = script
        with pytest.raises(g4flite.G4fliteError) as caught:
            driver.collect("gemini", "Hi", model="m", api_key="sk-test-1", base_url=server.url, timeout=0.3)
        assert caught.value.url == url
        assert pickle.loads(pickle.dumps(caught.value)).url == copy.deepcopy(caught.value).url == url
    with pytest.raises(g4flite.UsageError) as wrong:
        driver.collect("gemini", "Hi", model="m", api_key="sk-test-1", base_url="h")
    assert wrong.value.url is None


def test_a_public_url_holds_no_secret() -> None:
    assert public_url("https://u:s3cret@h.test:8/v1/x?key=s3cret#s3cret") == "https://h.test:8/v1/x"


@pytest.fixture
def deaf() -> Iterator[int]:
    """A port that refuses connections."""
    with socket.socket() as unlistened:
        unlistened.bind(("127.0.0.1", 0))
        yield unlistened.getsockname()[1]


def test_a_refused_connection_to_a_local_server_says_how_it_is_started(
    driver: Driver, deaf: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    base_url = f"http://127.0.0.1:{deaf}"
    with pytest.raises(g4flite.ConnectError) as caught:
        driver.collect("ollama", "Hi", model="m", base_url=base_url)
    assert str(caught.value) == (
        f"ollama: could not connect to 127.0.0.1:{deaf}: Connection refused; check base_url=, proxy= and the network"
    )
    monkeypatch.setitem(urls.SERVERS, deaf, SERVERS[11434])  # type: ignore[misc]
    with pytest.raises(g4flite.ConnectError) as caught:
        driver.collect("ollama", "Hi", model="m", base_url=base_url)
    assert "; `ollama serve` starts the server of Ollama; else check base_url=, proxy= and the network" in str(
        caught.value
    )


@pytest.mark.parametrize(
    ("name", "variable", "value"),
    [("openai", "OPENAI_BASE_URL", "http://127.0.0.1:{}/v1"), ("ollama", "OLLAMA_HOST", "127.0.0.1:{}"),
     ("ollama", "G4FLITE_OLLAMA_BASE_URL", "http://127.0.0.1:{}")],
)  # fmt: skip
def test_a_refused_connection_names_the_variable_that_holds_the_base_url(
    name: str, variable: str, value: str, driver: Driver, deaf: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value.format(deaf))
    with pytest.raises(g4flite.ConnectError) as caught:
        driver.collect(name, "Hi", model="m", retries=1, **key_of(name))
    assert str(caught.value).endswith(f"; check {variable} or base_url=, proxy= and the network")
    assert caught.value.spelled(lambda name: "" if name == "base_url" else name).endswith(
        f"; check {variable}, proxy and the network"
    )


def test_https_to_a_server_of_plain_http_says_so(
    driver: Driver, server: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = f"127.0.0.1:{server.port}"
    with pytest.raises(g4flite.TLSError) as caught:
        driver.collect("ollama", "Hi", model="m", base_url=f"https://{place}")
    said = f"ollama: no TLS connection to {place}: the server speaks plain http; set "
    assert str(caught.value) == f"{said}base_url= to http://{place}/..."
    monkeypatch.setenv("OLLAMA_HOST", f"https://{place}")
    with pytest.raises(g4flite.TLSError) as caught:
        driver.collect("ollama", "Hi", model="m")
    assert str(caught.value) == f"{said}OLLAMA_HOST or base_url= to http://{place}/..."


@rows(
    ("name", "command"),
    [
        ("ollama", "ollama serve"),
        ("llamacpp", "llama-server"),
        ("lmstudio", "lms server start"),
        ("vllm", "vllm serve"),
    ],
)
def test_the_start_of_each_local_server_is_known_by_its_port(name: str, command: str) -> None:
    assert f"`{command}" in how_to_start(providers.find(name).base_url)


@rows("url", ["http://10.0.0.7:11434", "http://127.0.0.1:9", "http://127.0.0.1", "https://h.test"])
def test_nothing_is_started_elsewhere(url: str) -> None:
    assert how_to_start(url) == ""


@rows(
    ("error", "python", "none"),
    [
        (g4flite.OptionError("no key", advice="[pass {api_key} or ]set A"), "no key; pass api_key= or set A",
         "no key; set A"),
        (g4flite.OptionError("x", advice="pass {extra}"), "x; pass extra=", "x"),
        (g4flite.OptionError("must be a URL", argument="proxy"), "proxy= must be a URL", "proxy must be a URL"),
        (g4flite.IdleTimeoutError("x", advice="[allow more with {idle}, or ]retry"),
         "x; allow more with timeout=Timeout(idle=...), or retry", "x; retry"),
        (g4flite.ConnectError("x", advice="start it[; else check A[ or {base_url}], {proxy}]"),
         "x; start it; else check A or base_url=, proxy=", "x; start it"),
        (g4flite.OptionError("x", advice="leave it out[, and call {text}]"), "x; leave it out, and call .text()",
         "x; leave it out"),
        (g4flite.ConnectError("{model} [x]", advice="see http://[::1]:1 {other}"),
         "{model} [x]; see http://[::1]:1 {other}", "{model} [x]; see http://[::1]:1 {other}"),
        (g4flite.AllFailedError("none", errors=(g4flite.OptionError("x", advice="pass {extra}"),), advice="[{replay}]"),
         "none; replay():\n  x; pass extra=", "none:\n  x"),
    ],
)  # fmt: skip
def test_a_place_without_an_argument_is_not_told_of_it(error: g4flite.G4fliteError, python: str, none: str) -> None:
    assert str(error) == python
    assert error.spelled(lambda name: "") == none
    assert str(copy.deepcopy(error)) == str(pickle.loads(pickle.dumps(error))) == python
