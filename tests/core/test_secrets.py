"""Which values are secret, and that no text, error, log or repr says them."""

import base64
import dataclasses
import json
import logging
import pickle
import traceback
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import g4flite
from g4flite._core.secrets import (
    SHORTEST_SECRET,
    forms_of,
    is_secret,
    is_secret_in_response,
    may_be_secret,
    redact,
    redact_bytes,
    redact_fields,
    secrets_of,
)
from g4flite.testing import Emulator, Script
from tests.acme import ACME
from tests.conftest import Driver

SECRET = "sk-s3cret-s3cret"
HEADERS = {"Authorization": f"Bearer {SECRET}", "X-Own": SECRET}


# What is secret


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("Authorization", "x", True),
        ("x-goog-api-key", "x", True),
        ("cookie", "a=1", True),
        ("sessionId", "x", True),
        ("x-own", "x", False),
        ("authorization", "Bearer null", False),
    ],
)
def test_a_value_is_secret_by_its_name(name: str, value: str, secret: bool) -> None:
    assert is_secret(name, value) is secret


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("x-own", "hunter2", True),
        ("accept", "*/*", False),
        ("host", "h.test", False),
        ("anthropic-version", "2023-06-01", False),
        ("x-api-key", "2023-06-01", True),
    ],
)
def test_a_header_of_an_unknown_request_is_secret_unless_it_is_harmless(name: str, value: str, secret: bool) -> None:
    assert may_be_secret(name, value) is secret


def test_a_count_of_tokens_in_a_response_is_not_secret() -> None:
    assert is_secret_in_response("Set-Cookie")
    assert is_secret_in_response("x-token")
    assert not is_secret_in_response("X-RateLimit-Remaining-Tokens")
    assert not is_secret_in_response("content-type")


def test_the_secrets_of_a_request_are_its_key_and_what_the_caller_gave() -> None:
    headers = {"authorization": "Bearer abcdefgh", "x-own": "hunter2", "x-plain": "plain text", "accept": "anything"}
    assert set(secrets_of(headers, ["x-own", "accept"], "sk-123")) == {
        "Bearer abcdefgh",
        "Bearer%20abcdefgh",
        "abcdefgh",
        "hunter2",
        "sk-123",
    }


@pytest.mark.parametrize(
    ("value", "forms"),
    [
        ("short", []),
        ("s3cret", ["s3cret"]),
        ("two words", ["two words", "two%20words"]),
        ("a=1; b=c00kie, c=d", ["c00kie"]),
        (f"Basic {base64.b64encode(b'me:p4ssw0rd').decode()}", ["bWU6cDRzc3cwcmQ=", "me:p4ssw0rd", "p4ssw0rd"]),
        ("Basic no-base64", ["no-base64"]),
        ("sl/ash+", ["sl/ash+", "sl%2Fash%2B", r"sl\/ash+"]),
        ('quo"te', ['quo"te', "quo%22te", r"quo\"te"]),
        ("half \ud800", ["half \ud800", "half%20%ED%A0%80", r"half \ud800"]),
    ],
)
def test_a_secret_has_these_forms_and_the_longest_comes_first(value: str, forms: list[str]) -> None:
    found = forms_of([value])
    assert {*forms} <= {*found}
    assert bool(found) is bool(forms)
    assert [*found] == sorted(found, key=len, reverse=True)


def test_the_fields_of_a_body_are_secret_by_name_in_any_depth() -> None:
    keys: list[str] = []
    body = [{"token": "x", "tokens": ["y", 7, {"text": "fine"}], "a": {"api_key": SECRET, "key": None}, "b": SECRET}]
    assert redact_fields(body, keys) == [
        {"token": "***", "tokens": ["***", 7, {"text": "fine"}], "a": {"api_key": "***", "key": None}, "b": SECRET}
    ]
    assert keys == [SECRET]


def test_a_short_field_and_a_field_of_several_words_are_not_secret_elsewhere() -> None:
    keys: list[str] = []
    assert redact_fields({"session": "monday", "key": "several words of text"}, keys) == {
        "session": "***",
        "key": "***",
    }
    assert keys == []


# How a secret is blotted out


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("", ""),
        ("nothing", "nothing"),
        (f"a {SECRET}{SECRET} b", "a ****** b"),
        ("a sk-s3cret-s3... b", "a ***... b"),
        ("a sk-s3c... b", "a ***... b"),
        ("a sk-s3c b sk-s3cret-s3cr", "a sk-s3c b ***"),
        ("a sk-s3 b sk-s3cret-s3crex", "a sk-s3 b sk-s3cret-s3crex"),
        ("a sk-s...", "a sk-s..."),
        ("sk-s3c", "***"),
        ("sk-s3", "sk-s3"),
        ("sk-s3csk-s3cret-s", "sk-s3c***"),
    ],
)
def test_a_secret_is_redacted_even_if_the_secret_is_cut_off(text: str, redacted: str) -> None:
    assert redact(text, (SECRET,)) == redacted
    stars = redact_bytes(text.encode(), (SECRET,)).decode()
    assert len(stars) == len(text)
    assert stars.replace("*", "") == redacted.replace("*", "")


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"a s3cret-key, and s3cret-k", b"a **********, and ********"),
        (b"'a s3cret-k...', s3cret-k.", b"'a ********...', s3cret-k."),
        (b"a s3cre", b"a s3cre"),
        (b"s3cret", b"******"),
        (b"", b""),
    ],
)
def test_each_byte_of_a_secret_becomes_a_star_also_if_the_secret_is_cut_off(data: bytes, shown: bytes) -> None:
    assert redact_bytes(data, ("s3cret-key",)) == shown
    assert redact_bytes(data, ()) == data


def test_a_longer_secret_is_redacted_as_a_whole() -> None:
    secrets = forms_of([f"Bearer {SECRET}"])
    assert redact(f"{SECRET}, Bearer {SECRET}", secrets) == "***, ***"
    assert redact_bytes(b"a\xff " + SECRET.encode(), secrets) == b"a\xff ****************"


def test_a_secret_with_half_a_surrogate_pair_is_redacted() -> None:
    assert redact_bytes("half\ud800 of it".encode("utf-8", "surrogatepass"), ("half\ud800 of",)) == b"*" * 10 + b" it"


texts = st.text("ab.", min_size=SHORTEST_SECRET, max_size=12)


@given(secret=texts, before=st.text("ab. "), cut=st.integers(SHORTEST_SECRET, 12), after=st.text("ab. "))
@example(secret="aaaaaa...a", before="", cut=6, after="")
@example(secret="aaaaaa...a", before="", cut=7, after=" ")
@example(secret="a....aa.", before="aa....", cut=12, after="")
def test_no_beginning_of_a_secret_remains(secret: str, before: str, cut: int, after: str) -> None:
    said = secret[:cut]
    for text in (f"{before}{said}", f"{before}{said}...{after}", f"{before}{secret}{after}"):
        left = redact(text, (secret,))
        assert secret not in left
        assert not left.endswith(said)
        assert f"{said}..." not in left
        stars = redact_bytes(text.encode(), (secret,)).decode()
        assert len(stars) == len(text)
        assert secret not in stars
        assert not stars.endswith(said)
        assert f"{said}..." not in stars


# Where it counts


@pytest.mark.parametrize(
    "script",
    [
        Script(status=401, body=f"wrong key: {SECRET}"),
        Script(status=500, body=f'{{"error": "Bearer {SECRET}"}}'),
        Script(body=f"<p>{SECRET}", headers={"content-type": "text/html"}),
        Script(body=f'{{"error": "{SECRET}"}}', headers={"content-type": "application/json"}),
        Script(raw=b"nonsense"),
        Script(raw=b"HTTP/1.1 200 OK\r\n" + SECRET.encode() + b"\r\n\r\n"),
        Script(body=f'{{"error": "{SECRET}"}}'),
        Script(status=302, headers={"location": f"http://{SECRET}@elsewhere.test/?key={SECRET}"}),
    ],
)
def test_a_key_is_in_no_error_log_or_repr(
    script: Script, driver: Driver, server: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="g4flite")
    server.script = script
    with pytest.raises(g4flite.G4fliteError) as caught:
        driver.collect(["cromicle", "gprochat"], "Hi", base_url=server.url, headers=HEADERS)
    error = caught.value
    shown = [
        str(error), repr(error), repr(driver.stream), repr(driver.stream.attempts), caplog.text,
        pickle.dumps(error).decode("latin-1"), *traceback.format_exception(error),
    ]  # fmt: skip
    assert len(caplog.records) == 2
    assert SECRET not in "".join(shown)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", ""),
        ("short", "short"),
        ("br{ace}s3cret", "br{ace}s3cret"),
        ("two words", "two words"),
        ("a=1; b=c00kie", "a=1; b=c00kie"),
        ("Basic bWU6cDRzc3cwcmQ=", "p4ssw0rd"),
    ],
)
def test_a_header_that_the_caller_gave_is_in_no_error(value: str, said: str, driver: Driver, server: Emulator) -> None:
    server.script = Script(body=json.dumps({"event": "error", "data": f"no abc: {said}"}))
    with pytest.raises(g4flite.ProviderError) as caught:
        driver.collect("flowgpt", "Hi", base_url=server.url, headers={"x-anything": value})
    shown = {"": "no abc:", "short": "no abc: short"}.get(value, "no abc: ***")
    assert f"the service reports an error: {shown!r};" in str(caught.value)


def test_a_key_is_in_no_repr_of_a_client_a_stream_or_a_provider() -> None:
    client = g4flite.Client(
        ACME, base_url="http://127.0.0.1:1", headers=HEADERS, proxy=f"http://user:{SECRET}@127.0.0.1:1"
    )
    stream = client.stream("Hi")
    things: list[Any] = [
        client._pool._connection,
        client,
        stream,
        stream._run.call,
        dataclasses.replace(ACME, headers={"X-Api-Key": SECRET}),
    ]
    assert SECRET not in repr(things)


def test_the_key_is_a_secret_whatever_header_carries_it() -> None:
    assert secrets_of({"x-account": f"id={SECRET}"}, (), SECRET) == (SECRET,)


def test_a_header_of_the_provider_s_own_is_a_secret_by_its_name_alone() -> None:
    headers = {"x-version": "2024-10-21", "user-agent": "browser/1.0", "x-api-key": SECRET}
    assert secrets_of(headers, ("user-agent",), "") == (SECRET,)
    assert secrets_of(headers, ("user-agent", "x-version"), "") == (SECRET, "2024-10-21")


@pytest.mark.parametrize("length", range(1, 9))
def test_a_secret_that_is_cut_off_is_redacted_from_six_characters_on(length: int) -> None:
    begun = "abcdefgh"[:length]
    said = begun if length < 6 else "***"
    assert redact(f"the key is {begun}", ["abcdefgh"]) == f"the key is {said}"
    assert redact(f"the key {begun}... is wrong", ["abcdefgh"]) == f"the key {said}... is wrong"


def test_only_a_header_that_is_secret_by_name_is_taken_to_pieces() -> None:
    headers = {"x-own": "model=models/gemini-pro", "x-session": "id=abcdefgh; more=ijklmnop"}
    secrets = secrets_of(headers, headers.keys(), "")
    assert "model=models/gemini-pro" in secrets
    assert redact("the model models/gemini-pro is not found", secrets) == "the model models/gemini-pro is not found"
    assert redact("no session abcdefgh or ijklmnop", secrets) == "no session *** or ***"


def test_a_key_is_in_no_local_variable_that_a_traceback_shows(driver: Driver) -> None:
    """Some tools print the local variables of each frame, with their repr."""
    with pytest.raises(g4flite.ConnectError) as caught:
        driver.collect("openai", "Hi", model="m", api_key=SECRET, base_url="http://127.0.0.1:1/v1")
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    package = str(Path(g4flite.__file__).parent)
    frames = [frame for frame in shown.stack if frame.filename.startswith(package)]
    assert frames
    assert [frame.name for frame in frames if SECRET in repr(frame.locals)] == []
