"""`probe`: each row against a real server, and the table on a pipe and on a terminal."""

import json
import os
import pickle
import re
import shlex
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import g4flite
from g4flite import __main__ as cli
from g4flite import providers
from g4flite._core.transport import tls
from g4flite.apps import probe
from g4flite.apps.probe import Probe, candidates, measurement, models
from g4flite.testing import Emulator, Finish, Problem, Reasoning, Script
from g4flite.testing.exchange import MODELS
from tests.acme import ACME

KEY = "sk-never-to-be-shown"
LOCAL = ("ollama", "llamacpp", "vllm", "lmstudio")
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals and terminals of POSIX")

Captured = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def deaf(monkeypatch: Patch) -> Iterator[str]:
    """Return a URL of this machine where nothing listens.  The local providers get it too, so that none is asked."""
    with socket.socket() as taken:
        # Without listen(), connections are refused.
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        for name in LOCAL:
            monkeypatch.setitem(providers._TABLE, name, replace(providers.find(name), base_url=url))
        yield url


@pytest.fixture
def openai(server: Emulator, monkeypatch: Patch) -> Callable[..., Probe]:
    """Return a function that returns the row of `openai`, asked at the server."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
    return lambda **settings: next(probe.probe("openai", **{"model": {"openai": "m"}, **settings}))


def at(server: Emulator, name: str, **changes: Any) -> g4flite.Provider:
    """Return a provider of that name at a server, which needs no key."""
    return replace(providers.LLAMACPP, name=name, base_url=f"{server.url}/v1", **changes)


def test_a_provider_that_works_is_measured(openai: Callable[..., Probe], server: Emulator) -> None:
    server.reply = lambda messages: "one two three"
    row = openai()
    assert (row.provider, row.model, row.response_model) == ("openai", "m", "m")
    assert (row.works, row.reason, row.error, row.whole, row.chunks) == (True, "", None, True, 3)
    assert (row.first_text or 0) > 0
    assert (row.chunks_per_second or 0) > 0
    assert row.spec == replace(providers.OPENAI, default_model="m")
    assert KEY not in repr(row)


def test_one_chunk_has_no_speed(openai: Callable[..., Probe], server: Emulator) -> None:
    server.reply = lambda messages: ["one"]
    assert (openai().chunks_per_second, openai().chunks) == (None, 1)


HTML = {"content-type": "text/html"}
ANSWER = b'data: {"choices": [{"delta": {"content": "one"}}]}\n\n'
FAULTS = {
    "wrong key": (Script(status=401, body=f'{{"error": "no key {KEY}"}}'), "key refused", "AuthenticationError"),
    "no permission": (Script(problem="permission"), "not permitted", "PermissionDeniedError"),
    "no such model": (Script(problem="not_found"), "no such model or URL", "NotFoundError"),
    "rate limit": (Script(problem="rate_limit"), "too many requests", "RateLimitError"),
    "quota": (Script(status=429, body='{"error": {"code": "insufficient_quota"}}'), "quota used up", "RateLimitError"),
    "overloaded": (Script(problem="overloaded"), "overloaded", "OverloadedError"),
    "status 529": (Script(status=529), "overloaded", "OverloadedError"),
    "context": (Script(problem="context_length"), "context too small", "ContextLengthError"),
    "filter": (Script(problem="content_filter"), "content filter", "ContentFilterError"),
    "server error": (Script(problem="server"), "responds with status 500", "StatusError"),
    "challenge": (Script(status=403, body="Just a moment...", headers=HTML), "needs a browser", "ChallengeError"),
    "web page": (Script(body="<html>Log in", headers=HTML), "reply cannot be read", "MalformedReplyError"),
    "malformed": (Script(body="data: {no JSON\n\n"), "reply cannot be read", "MalformedReplyError"),
    "empty": (Script(body="data: [DONE]\n\n"), "empty answer", "EmptyReplyError"),
    "cut at once": (Script(body=ANSWER, cut=9), "truncated", "TruncatedStreamError"),
    "reset": (Script(raw=b"", reset=True), "connection lost", "TransportError"),
    "no HTTP": (Script(raw=b"SSH-2.0-OpenSSH_9\r\n\r\n"), "reply cannot be read", "MalformedReplyError"),
    "long head": (Script(raw=b"HTTP/1.1 200 OK\r\nx: " + b"x" * 200_000), "reply too large", "LimitError"),
    "silence": (Script(silence=30), "too slow", "TotalTimeoutError"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_reason_for_a_failure_is_named(fault: str, openai: Callable[..., Probe], server: Emulator) -> None:
    server.script, reason, kind = FAULTS[fault]
    row = openai(timeout=0.1 if fault == "silence" else 30)
    assert (row.works, row.whole, row.reason, type(row.error).__name__) == (False, False, reason, kind)
    assert str(row.error).startswith("openai: ")
    assert row.chunks == 0
    assert KEY not in f"{row}{row.error}{probe.as_json(row)}"


def test_an_answer_that_the_service_cut_short_works_but_is_not_whole(
    openai: Callable[..., Probe], server: Emulator
) -> None:
    server.reply = lambda messages: ["one", Finish("length")]
    assert (openai().works, openai().whole) == (True, False)
    server.reply = lambda messages: [Reasoning("Hm."), Finish("length")]
    assert (openai().works, openai().reason) == (False, "empty answer")


@pytest.mark.parametrize(
    "name", ["openai", "openai-responses", "anthropic", "gemini", "ollama", "cohere", "llamacpp", "flowgpt"]
)
def test_a_short_answer_is_asked_for_if_the_protocol_can_say_so(name: str, server: Emulator) -> None:
    path = "/v1" if name in ("openai", "openai-responses", "llamacpp") else ""
    spec = replace(providers.find(name), base_url=server.url + path, key_needed=False, base_url_variables=())
    server.keys = False
    (row,) = probe.probe([spec], model={} if name in ("llamacpp", "flowgpt") else {name: "m"})
    assert (row.works, row.whole) == (True, True)
    assert server.exchanges[-1].options == ({} if name == "flowgpt" else {"max_tokens": measurement.SHORT})


def test_a_model_that_reasons_beyond_the_limit_is_asked_once_more_without_it(
    openai: Callable[..., Probe], server: Emulator
) -> None:
    replies = iter([[Reasoning("Hm."), Finish("length")], [Reasoning("Hm."), "one"]])
    server.reply = lambda messages: next(replies)
    row = openai()
    assert (row.works, row.whole, row.chunks) == (True, True, 1)
    assert [exchange.options for exchange in server.exchanges] == [{"max_tokens": measurement.SHORT}, {}]


def test_a_server_that_has_begun_to_answer_works_however_slow_it_is(
    openai: Callable[..., Probe], server: Emulator
) -> None:
    server.script = Script(body=ANSWER * 2, split=len(ANSWER), wait=30)
    row = openai(timeout=2)
    assert (row.works, row.whole, row.reason, row.error, row.chunks) == (True, False, "", None, 1)
    assert row.spec.default_model == "m"


def test_the_time_for_the_first_text_may_be_longer_than_the_timers_of_a_stream(
    openai: Callable[..., Probe], monkeypatch: Patch
) -> None:
    seen: list[g4flite.Timeout] = []
    monkeypatch.setattr(probe, "ask_all", lambda calls, timeout: iter([seen.append(timeout)]))
    openai(timeout=600)
    assert seen == [g4flite.Timeout(first_token=600, idle=600, total=600)]


def test_a_row_that_streamed_text_works_however_its_answer_ended(
    openai: Callable[..., Probe], server: Emulator
) -> None:
    server.reply = lambda messages: ["one", Problem("server")]
    row = openai()
    assert (row.works, row.whole, row.reason, row.chunks) == (True, False, "", 1)
    assert isinstance(row.error, g4flite.ProviderError)
    server.script = Script(body=ANSWER, cut=len(ANSWER))
    row = openai()
    assert (row.works, row.whole, row.reason, row.chunks) == (True, False, "", 1)
    assert isinstance(row.error, g4flite.TruncatedStreamError)


def test_an_error_in_place_of_the_text_is_a_reason(openai: Callable[..., Probe], server: Emulator) -> None:
    server.reply = lambda messages: [Problem("server")]
    row = openai()
    assert (row.works, row.reason, row.chunks) == (False, "reports an error", 0)


def test_a_port_where_nothing_listens_is_a_reason(openai: Callable[..., Probe], deaf: str, monkeypatch: Patch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", deaf)
    assert openai().reason == openai(model={}).reason == "nothing listens there"
    monkeypatch.setenv("G4FLITE_PROXY", deaf.removesuffix("/v1"))
    assert openai().reason == "the proxy fails"
    monkeypatch.setenv("G4FLITE_PROXY", "nonsense")
    assert openai().reason == "a setting cannot be used"


def test_a_host_that_does_not_exist_is_a_reason(openai: Callable[..., Probe], monkeypatch: Patch) -> None:
    def unknown(*address: object, **settings: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert openai().reason == "cannot be reached"


def test_if_no_call_can_be_made_the_reason_is_named_and_nothing_is_sent(server: Emulator, monkeypatch: Patch) -> None:
    monkeypatch.setenv("G4FLITE_FLOWGPT_BASE_URL", server.url)
    monkeypatch.setenv("G4FLITE_COHERE_BASE_URL", server.url)
    monkeypatch.setenv("CO_API_KEY", "with a blank")
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    monkeypatch.setenv("G4FLITE_GEMINI_BASE_URL", server.url)
    asked = ["anthropic", "azure-openai", "flowgpt", "cohere", "gemini"]
    rows = {row.provider: row for row in probe.probe(asked, model={"flowgpt": "gpt-9"})}
    assert {name: row.reason for name, row in rows.items()} == {
        "anthropic": "no API key set",
        "azure-openai": "base URL missing or wrong",
        "flowgpt": "no such model",
        "cohere": "a setting cannot be used",
        "gemini": "needs a model: pass --model",
    }
    assert not any(row.works for row in rows.values())
    assert server.exchanges == []


def test_a_server_that_needs_a_key_that_is_not_set(server: Emulator) -> None:
    (row,) = probe.probe([at(server, "mine")])
    assert row.reason == "needs an API key"


def test_an_error_in_the_code_of_one_provider_does_not_stop_the_others(server: Emulator) -> None:
    broken = replace(ACME, name="broken", payload=lambda call: call.options[KEY])
    server.keys = False
    rows = {row.provider: row for row in probe.probe([broken, at(server, "mine")])}
    assert (rows["broken"].reason, rows["mine"].works) == ("the Provider's code fails", True)
    said = "the code of the Provider raises KeyError; correct its signer, payload or parser"
    assert str(rows["broken"].error) == f"broken: {said}"


def test_every_error_has_a_reason_of_at_most_five_words() -> None:
    def below(kind: type[g4flite.G4fliteError]) -> Iterator[type[g4flite.G4fliteError]]:
        yield kind
        for subclass in kind.__subclasses__():
            yield from below(subclass)

    for kind in below(g4flite.G4fliteError):
        assert 1 <= len(measurement.reason_for(kind("x"), None).split()) <= 5


# Which model is asked if none is named.


@pytest.fixture
def ollama(server: Emulator, monkeypatch: Patch) -> Callable[..., Probe]:
    """Return a function that returns the row of `ollama`, which has no default model, asked at the server."""
    server.keys = False
    monkeypatch.setenv("OLLAMA_HOST", server.url)
    return lambda **settings: next(probe.probe("ollama", **settings))


def listing(*names: object) -> Any:
    """Return the entries of a list of models with these names."""
    return [{"id": name} for name in names]


def test_on_this_machine_the_first_chat_model_of_the_list_is_asked(
    ollama: Callable[..., Probe], server: Emulator, monkeypatch: Patch
) -> None:
    found = ["nonsense", *listing(None, "line\nbreak", "nomic-embed-text", "llama3.2", "mistral")]
    monkeypatch.setitem(MODELS, "data", found)
    row = ollama()
    assert (row.works, row.model, row.spec.default_model) == (True, "llama3.2", "llama3.2")
    assert [exchange.path for exchange in server.exchanges] == ["/v1/models", "/api/chat"]


def test_elsewhere_a_model_is_asked_only_if_the_list_has_no_other(
    ollama: Callable[..., Probe], server: Emulator, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(models, "is_loopback", lambda url: False)
    assert ollama().works
    monkeypatch.setitem(MODELS, "data", listing(*"abcdef"))
    row = ollama()
    assert (row.model, row.reason) == (None, "needs a model: pass --model")
    assert str(row.error).endswith("--model ollama=...; the server lists a, b, c, d, e, ...")
    assert ollama(model={"ollama": "f"}).works


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (Script(status=404), "needs a model: pass --model"),
        (Script(body="<html>"), "needs a model: pass --model"),
        (Script(body="[" * 100_000), "needs a model: pass --model"),
        (Script(body='{"data": 7}'), "needs a model: pass --model"),
        (Script(body='["m"]'), "needs a model: pass --model"),
        (Script(body=json.dumps({"data": listing("m" * 5000)})), "needs a model: pass --model"),
        (Script(body=json.dumps({"pad": "x" * 10**6, "data": listing("m")})), "needs a model: pass --model"),
        (Script(status=401), "needs an API key"),
        (Script(status=500, body="overheated"), "responds with status 500"),
        (Script(body="{}", cut=1), "truncated"),
        (Script(raw=b"", reset=True), "connection lost"),
        (Script(silence=30), "too slow"),
    ],
)
def test_the_reason_is_named_if_the_list_of_models_cannot_be_used(
    script: Script, reason: str, ollama: Callable[..., Probe], server: Emulator, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(models, "LONGEST", 4000)
    server.script = script
    row = ollama(timeout=0.1 if reason == "too slow" else 30)
    assert row.reason == reason
    assert str(row.error).startswith("ollama: ")
    assert {exchange.path for exchange in server.exchanges} <= {"/v1/models"}


def test_a_list_of_models_in_many_pieces_is_read_in_linear_time() -> None:
    class Piece(bytes):
        """Counts the bytes that are copied to put this piece behind what came before."""

        def __radd__(self, before: bytes) -> bytes:
            copied.append(len(before))
            return before + bytes(self)

    copied: list[int] = []
    pieces = iter([Piece(b"ab")] * 1000)
    assert models.read_up_to(501, pieces) == b"ab" * 250 + b"a"
    # What is beyond the limit stays unread.
    assert len([*pieces]) == 1000 - 251
    assert models.read_up_to(10**6, iter([Piece(b"ab")] * 1000)) == b"ab" * 1000
    assert sum(copied) == 0


@pytest.mark.parametrize("split", [1, 7])
def test_a_long_list_of_models_in_many_pieces_is_read_whole(
    split: int, ollama: Callable[..., Probe], server: Emulator
) -> None:
    body = json.dumps({"data": [*listing("llama3.2"), *listing(*(f"embed-{number}" for number in range(50)))]})
    server.script = Script(body=body, split=split)
    row = ollama()
    assert row.model == "llama3.2"
    assert server.exchanges[0].path == "/v1/models"


def test_a_key_that_the_server_repeats_is_not_in_the_error(
    ollama: Callable[..., Probe], server: Emulator, monkeypatch: Patch
) -> None:
    monkeypatch.setenv("OLLAMA_API_KEY", KEY)
    server.script = Script(status=401, body=f'{{"error": "bad key {KEY}"}}')
    row = ollama()
    assert row.reason == "key refused"
    assert "bad key ***" in str(row.error)


# Which providers are asked.


@pytest.mark.parametrize(
    ("variables", "names"),
    [
        ({}, []),
        ({"OPENAI_API_KEY": KEY}, ["openai", "openai-responses"]),
        ({"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}, ["openai", "openai-responses"]),
        ({"OPENAI_BASE_URL": "https://"}, ["openai", "openai-responses"]),
        ({"G4FLITE_VLLM_BASE_URL": "http://127.0.0.1:9/v1"}, ["vllm"]),
        ({"G4FLITE_CROMICLE_BASE_URL": "http://127.0.0.1:9"}, ["cromicle"]),
        ({"G4FLITE_OPENAI_COMPATIBLE_BASE_URL": "http://127.0.0.1:9"}, ["openai-compatible"]),
        ({"AZURE_OPENAI_API_KEY": KEY}, ["azure-openai"]),
        ({"OLLAMA_API_KEY": KEY}, []),
    ],
)
def test_the_environment_says_which_providers_could_work(
    variables: dict[str, str], names: list[str], monkeypatch: Patch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert [spec.name for spec in candidates()] == names


def test_a_local_server_that_listens_and_a_registered_provider_could_work(server: Emulator, monkeypatch: Patch) -> None:
    server.keys = False
    monkeypatch.setitem(providers._TABLE, "llamacpp", at(server, "llamacpp"))
    monkeypatch.setitem(providers._TABLE, "acme", replace(ACME, base_url="https://acme.test"))
    assert [spec.name for spec in candidates()] == ["llamacpp", "acme"]


def test_bad_arguments_fail_before_anything_is_sent() -> None:
    with pytest.raises(g4flite.ProviderNotFoundError, match="did you mean 'openai'"):
        probe.probe("opnai")
    with pytest.raises(g4flite.ProviderNotFoundError, match="did you mean 'openai'"):
        probe.probe(["ollama"], model={"opnai": "m"})
    with pytest.raises(g4flite.OptionError, match="model is a mapping"):
        probe.probe(["ollama"], model="m")  # type: ignore[arg-type]
    with pytest.raises(g4flite.OptionError, match="timeout"):
        probe.probe(["ollama"], timeout=-1)


def test_probe_warns_if_a_key_goes_over_plain_http(monkeypatch: Patch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere.test")
    with pytest.warns(g4flite.InsecureTransportWarning, match="plain http") as caught:
        # Nothing is asked before the iteration.
        probe.probe("openai")
    assert caught[0].filename == __file__


# All providers are asked at once.


def test_a_row_comes_as_soon_as_it_is_known_and_leaving_the_loop_closes_the_other_streams(server: Emulator) -> None:
    gate = threading.Event()
    server.keys = False
    with Emulator(lambda messages: gate.wait(30) and "late", keys=False) as slow:
        found = probe.probe([at(slow, "slow"), at(server, "fast")])
        assert next(found).provider == "fast"
        gate.set()
        assert next(found).provider == "slow"
        slow.script = Script(body=ANSWER * 2, split=len(ANSWER), wait=30)
        found = probe.probe([at(slow, "slow"), at(server, "fast")])
        assert next(found).provider == "fast"
        while len(slow.exchanges) < 2:
            gate.wait()
        found.close()
        assert slow.exchanges[-1].disconnected.wait(10)


def test_certificates_are_loaded_before_a_time_is_measured(server: Emulator, monkeypatch: Patch) -> None:
    def trusting() -> object:
        loaded.append(threading.current_thread())
        return tls.unused_context()

    loaded: list[threading.Thread] = []
    monkeypatch.setattr(tls, "default_context", trusting)
    secure = [replace(at(server, name), base_url=server.url.replace("http", "https")) for name in "ab"]
    assert [row.reason for row in probe.probe(secure)] == ["no trusted TLS connection"] * 2
    assert loaded[0] is threading.main_thread()


# `working`.


def test_working_returns_a_list_for_stream_the_best_provider_first(
    server: Emulator, deaf: str, monkeypatch: Patch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", deaf)
    with Emulator(lambda messages: ["cut", Finish("length")], keys=False) as second:
        server.keys = False
        asked = ["openai", at(second, "second", default_model=None), at(server, "first")]
        found = probe.working(asked, model={"openai": "m", "second": "m2"})
        assert [(spec.name, spec.default_model) for spec in found] == [("first", "default"), ("second", "m2")]
        assert [row.provider for row in found.probes] == ["first", "second", "openai"]
        assert found.probes[-1].reason == "nothing listens there"
        copy = pickle.loads(pickle.dumps(found))
        assert (copy, type(copy), copy.probes[0]) == (found, type(found), found.probes[0])
        stream = g4flite.stream(found, "Hi")
        assert (stream.text(), stream.provider) == ("You said: Hi", "first")
        server.script = Script(problem="not_found")
        stream = g4flite.stream(found, "Hi")
        assert (stream.text(), stream.provider, stream.model) == ("cut", "second", "m2")


def test_if_no_provider_works_the_error_of_stream_says_why_row_by_row(deaf: str, monkeypatch: Patch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", deaf)
    found = probe.working(["openai", "vllm"])
    assert not found
    with pytest.raises(g4flite.AllFailedError) as caught:
        g4flite.stream(found, "Hi")
    first, *rows = str(caught.value).splitlines()
    assert first == "no provider works from here:"
    assert sorted(row.partition(":")[0] for row in rows) == ["  openai", "  vllm"]
    missing = "there is no API key; pass api_key= or set OPENAI_API_KEY, and name a model with model=, like gpt-4o-mini"
    assert f"  openai: {missing}" in rows
    assert [error.provider for error in caught.value.errors] == [row.provider for row in found.probes]


def test_if_no_provider_is_a_candidate_each_says_what_is_missing(monkeypatch: Patch) -> None:
    monkeypatch.setattr(probe, "candidates", list)
    with pytest.raises(g4flite.AllFailedError) as caught:
        g4flite.stream(probe.working(), "Hi")
    told = dict(row.strip().partition(": ")[::2] for row in str(caught.value).splitlines()[1:])
    assert [*told] == [*g4flite.providers.names()]
    assert told["openai"] == "there is no API key; set OPENAI_API_KEY"
    # The fixture `deaf` has moved the servers of this machine.
    assert told["ollama"].startswith("nothing listens at http://127.0.0.1:")
    assert told["azure-openai"] == "there is no public base URL; set G4FLITE_AZURE_OPENAI_BASE_URL"
    assert told["cromicle"] == "retired since May 2025"


# The command.


@pytest.fixture
def both(server: Emulator, deaf: str, monkeypatch: Patch) -> None:
    """Let two providers be candidates: `flowgpt`, which works, and `vllm`, which does not."""
    monkeypatch.setenv("G4FLITE_FLOWGPT_BASE_URL", server.url)
    monkeypatch.setenv("G4FLITE_VLLM_BASE_URL", deaf)


WORKS = r"flowgpt {3}works {24}\d+\.\d\d s {5,6}[\d.]+ +whole {6}gpt-3\.5-turbo"
FAILS = "vllm      nothing listens there"
TITLE = "provider  result                       first text  chunks/s  reply      model"


def test_the_table_on_a_pipe_is_aligned_and_the_exit_code_is_0(both: None, capsys: Captured) -> None:
    assert cli.main(["probe"]) == 0
    out, err = capsys.readouterr()
    title, *rows = out.splitlines()
    assert (title, err) == (TITLE, "")
    works, fails = sorted(rows)
    assert re.fullmatch(WORKS, works), works
    assert fails == FAILS
    assert works.index("gpt-3.5") == title.index("model")


def test_the_rows_can_be_printed_as_json(both: None, capsys: Captured) -> None:
    assert cli.main(["probe", "--json", "--timeout", "9", "vllm", "flowgpt", "flowgpt"]) == 0
    works, fails = json.loads(capsys.readouterr().out)
    assert works.pop("first_text") > 0
    assert works.pop("chunks_per_second") > 0
    assert works == {
        "provider": "flowgpt", "model": "gpt-3.5-turbo", "response_model": None, "works": True, "reason": "",
        "error": None, "whole": True, "chunks": 9,
    }  # fmt: skip
    assert (fails["works"], fails["reason"]) == (False, "nothing listens there")
    assert fails["error"].startswith("ConnectError: vllm: could not connect to 127.0.0.1:")


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_if_none_works_the_exit_code_is_1_and_a_line_says_how_to_see_more(
    form: list[str], both: None, capsys: Captured
) -> None:
    assert cli.main(["probe", "vllm", *form]) == 1
    out, err = capsys.readouterr()
    assert "nothing listens there" in out
    assert re.fullmatch(
        r"g4flite: error: none of these providers works; to see the errors in full: .* probe --json vllm\n", err
    )


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_if_none_could_work_the_exit_code_is_1_and_a_line_says_what_to_set(form: list[str], capsys: Captured) -> None:
    assert cli.main(["probe", *form]) == 1
    out, err = capsys.readouterr()
    assert out == ("[]\n" if form else "")
    assert "no provider could work from here: set a key, like OPENAI_API_KEY" in err


def test_with_all_the_hosts_of_retired_services_are_asked_and_marked(
    deaf: str, capsys: Captured, monkeypatch: Patch
) -> None:
    for spec in map(providers.find, providers.names()):
        monkeypatch.setitem(providers._TABLE, spec.name, replace(spec, base_url=deaf))
    assert cli.main(["probe", "--all"]) == 1
    out, err = capsys.readouterr()
    # One error, and no warning.
    assert err.count("\n") == 1
    rows = dict(re.split(" {2,}", line)[:2] for line in out.splitlines()[1:])
    assert len(rows) == len(providers.names())
    assert rows["cromicle (retired)"] == rows["ollama"] == "nothing listens there"
    assert rows["openai"] == "no API key set"


def test_the_flag_model_names_the_model_of_one_provider(
    openai: Callable[..., Probe], server: Emulator, capsys: Captured
) -> None:
    assert cli.main(["probe", "openai", "--model", "openai=a=b", "--model", "ollama=m"]) == 0
    assert server.exchanges[-1].model == "a=b"
    server.script = Script(body=ANSWER.replace(b"{", b'{"id": "1", "model": "dated", ', 1) + b"data: [DONE]\n\n")
    assert cli.main(["probe", "openai", "--model", "openai=m"]) == 0
    assert capsys.readouterr().out.endswith("  m (dated)\n")
    assert cli.main(["probe", "--model", "m"]) == 2
    assert "a model has the form PROVIDER=MODEL, like openai=gpt-4o-mini" in capsys.readouterr().err


def test_the_command_prints_a_warning_as_one_line(deaf: str, capsys: Captured, monkeypatch: Patch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere.test")
    # So that nothing leaves this machine.
    monkeypatch.setenv("G4FLITE_PROXY", deaf.removesuffix("/v1"))
    assert cli.main(["probe", "openai"]) == 1
    warning, error = capsys.readouterr().err.splitlines()
    assert warning.startswith("g4flite: warning: openai: a key goes to another machine")
    assert error.startswith("g4flite: error: none of these providers works; ")


def test_the_example_in_the_help_works(server: Emulator, capsys: Captured, monkeypatch: Patch) -> None:
    with pytest.raises(SystemExit):
        cli.main(["probe", "--help"])
    (example,) = re.findall(r"^  (G4FLITE.+)$", capsys.readouterr().out, re.MULTILINE)
    setting, *command = shlex.split(example.replace("http://127.0.0.1:8765", server.url))
    monkeypatch.setenv(*setting.split("="))
    assert command[-1] == "probe"
    assert cli.main(["probe"]) == 0
    assert re.fullmatch(WORKS, capsys.readouterr().out.splitlines()[1])


def test_a_row_is_printed_before_the_next_one_is_known(server: Emulator, both: None, monkeypatch: Patch) -> None:
    gate = threading.Event()
    server.reply = lambda messages: gate.wait(30) and "late"
    reading, writing = os.pipe()
    # PTH123: these are descriptors, not paths.
    with open(reading) as pipe, ThreadPoolExecutor() as beside:  # noqa: PTH123
        with open(writing, "w") as out:  # noqa: PTH123
            monkeypatch.setattr(sys, "stdout", out)
            code = beside.submit(cli.main, ["probe"])
            known = [pipe.readline(), pipe.readline()]
            gate.set()
            assert (known, code.result()) == ([f"{TITLE}\n", f"{FAILS}\n"], 0)
        assert pipe.read().startswith("flowgpt   works")


def screens(written: str) -> list[list[str]]:
    """Return what a terminal shows, as rows: before each time that the cursor moves up, and at the end."""
    shown, rows, at, column = [], [""], 0, 0
    for code, text in re.findall(r"\x1b\[(\d*[ABK])|(\r\n|\r|[^\x1b\r]+)", written):
        if code.endswith("A"):
            shown.append([*rows])
            at -= int(code[:-1])
        elif code.endswith("B"):
            at += int(code[:-1])
        elif code:
            rows[at] = ""
        elif text == "\r\n":
            at, column = at + 1, 0
            rows += [""] * (at == len(rows))
        elif text == "\r":
            column = 0
        else:
            assert column == len(rows[at]) == 0
            rows[at], column = text, len(text)
        assert at >= 0
    return [*shown, rows]


@pytest.fixture
def terminal(monkeypatch: Patch) -> Callable[..., str]:
    """Return a function that returns what `probe` writes to a terminal of so many columns and lines."""
    pty = pytest.importorskip("pty")

    def written(columns: int, lines: int, *arguments: str) -> str:
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("LINES", str(lines))
        reading, writing = pty.openpty()
        # PTH123: these are descriptors, not paths.
        with open(reading, "rb", buffering=0) as master, open(writing, "w") as slave:  # noqa: PTH123
            monkeypatch.setattr(sys, "stdout", slave)
            cli.main(["probe", *arguments])
            slave.write("\0")
            slave.flush()
            data = b""
            while not data.endswith(b"\0"):
                data += os.read(master.fileno(), 4096)
        return data[:-1].decode()

    return written


@POSIX
def test_a_terminal_shows_each_row_in_its_place(both: None, terminal: Callable[..., str]) -> None:
    first, second, last = screens(terminal(120, 24))
    assert first == [TITLE, "vllm      ...", "flowgpt   ...", ""]
    assert sorted(["..." in second[1], "..." in second[2]]) == [False, True]
    title, vllm, flowgpt, rest = last
    assert (title, vllm, rest) == (TITLE, FAILS, "")
    assert re.fullmatch(WORKS, flowgpt), flowgpt


@POSIX
def test_a_row_is_cut_to_the_width_of_the_terminal(both: None, terminal: Callable[..., str]) -> None:
    *_, last = screens(terminal(20, 24))
    assert last == ["provider  result", "vllm      nothing l", "flowgpt   works", ""]


@POSIX
def test_a_terminal_that_is_too_low_or_dumb_gets_the_table_of_a_pipe(
    both: None, terminal: Callable[..., str], monkeypatch: Patch
) -> None:
    assert "\x1b" not in terminal(80, 4)
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in terminal(80, 24)


@POSIX
def test_ctrl_c_ends_the_command_at_once(server: Emulator, both: None, capsys: Captured) -> None:
    gate = threading.Event()

    def interrupt(messages: object) -> str:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        gate.wait(30)
        return ""

    server.reply = interrupt
    assert cli.main(["probe", "flowgpt"]) == 130
    gate.set()
    assert capsys.readouterr() == (f"{TITLE}\n", "")


def test_the_guide_shows_the_headings_of_the_table() -> None:
    page = Path(__file__).parents[2] / "examples" / "guides" / "command-line.md"
    assert f"```\n{TITLE}\n" in page.read_text()


def test_messages_call_an_argument_by_a_flag_that_the_command_has(deaf: str, monkeypatch: Patch) -> None:
    (no_url,) = probe.probe("openai-compatible")
    assert probe.as_json(no_url)["error"] == (
        "OptionError: openai-compatible: there is no public base URL; set G4FLITE_OPENAI_COMPATIBLE_BASE_URL"
    )
    (refused,) = probe.probe("ollama", model={"ollama": "m"})
    assert probe.as_json(refused)["error"].endswith(": Connection refused")
    monkeypatch.setenv("G4FLITE_OPENAI_BASE_URL", deaf)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    (from_a_variable,) = probe.probe("openai", model={"openai": "m"})
    assert probe.as_json(from_a_variable)["error"].endswith(
        "; check G4FLITE_OPENAI_BASE_URL, G4FLITE_PROXY and the network"
    )
