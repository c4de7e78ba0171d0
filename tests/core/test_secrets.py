"""Which values are secret, and that no text, error, log or repr says them."""

import base64
import dataclasses
import html
import json
import logging
import pickle
import re
import time
import traceback
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import g4flite
from g4flite._core.secrets import (
    SHORTEST_SECRET,
    Secrets,
    forms_of,
    is_secret,
    is_secret_in_response,
    is_secret_parameter,
    keys_of_path,
    may_be_secret,
    readings,
    redact,
    redact_bytes,
    redact_fields,
    secrets_of,
    secrets_of_client,
)
from g4flite.testing import Emulator, Script, flight
from tests.acme import ACME
from tests.conftest import Driver, httpx
from tests.rows import rows

SECRET = "sk-s3cret-s3cret"
HEADERS = {"Authorization": f"Bearer {SECRET}", "X-Own": SECRET}


# What is secret


@rows(
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


@rows("name", ["api_key", "access%5Ftoken", "code", "sig", "X-Amz-Signature", "x_sig"])
def test_a_parameter_is_secret_by_its_name(name: str) -> None:
    assert is_secret_parameter(name)


@rows("name", ["alt", "api-version", "encode", "country_code", "design", "signal", "assigned"])
def test_most_parameters_are_not_secret(name: str) -> None:
    assert not is_secret_parameter(name)


@rows(
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


@rows(
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


@rows(
    ("text", "redacted"),
    [
        ("", ""),
        ("nothing", "nothing"),
        (f"a {SECRET}{SECRET} b", "a ****** b"),
        ("a sk-s3cret-s3... b", "a ***... b"),
        ("a sk-s3c... b", "a ***... b"),
        ("a sk-s3c b sk-s3cret-s3cr", "a sk-s3c b ***"),
        ("a sk-s3 b sk-s3cret-s3crex", "a sk-s3 b ***x"),
        ("a sk-s3cret-s3\u2026 b", "a ***\u2026 b"),
        ('a "sk-s3cret-s3", b', 'a "***", b'),
        ("a sk-s3cret-s3 [truncated] b", "a *** [truncated] b"),
        ("a sk-s3cret-s, b", "a sk-s3cret-s, b"),
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


@rows(
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
    # Two attempts, and the stream that failed.
    assert len(caplog.records) == 3
    assert SECRET not in "".join(shown)


@rows("key", ["ollama", "lm-studio", "sk-no-key-required"])
def test_a_placeholder_for_a_key_is_no_secret(key: str) -> None:
    secrets = secrets_of({"authorization": f"Bearer {key}", "x-own": "own-s3cret"}, ["x-own"], key)
    assert secrets == ("own-s3cret",)
    assert redact(f"could not connect to {key}:11434", secrets) == f"could not connect to {key}:11434"


@rows(
    ("path", "keys"),
    [
        ("/t/Zx8fj29fk20fkd93aQ1w/v1", ["Zx8fj29fk20fkd93aQ1w"]),
        ("/sk-helicone-a1b2c3d4e5f6a7b8c9d0/v1", ["sk-helicone-a1b2c3d4e5f6a7b8c9d0"]),
        ("/v1/0123456789abcdef0123456789abcdef/gateway/openai", ["0123456789abcdef0123456789abcdef"]),
        ("/v1beta/models/gemini-2.5-flash-preview-09-2025:streamGenerateContent", []),
        ("/v1/projects/123456789012345678901234/locations/us-central1", []),
        ("/endpoints/f81d4fae-7dec-11d0-a765-00a0c91e6bf6/v1", []),
        ("/inference/compatibility_mode_of_openai/v1/chat/completions", []),
        ("", []),
    ],
)
def test_a_segment_of_a_path_is_a_key_if_it_is_a_long_mixture(path: str, keys: list[str]) -> None:
    assert keys_of_path(path) == keys


def test_a_key_in_the_path_of_a_base_url_is_in_no_error_log_recording_or_observer(
    driver: Driver, server: Emulator, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG, logger="g4flite")
    key, told = "Zx8fj29fk20fkd93aQ1w", list[Any]()
    watching = SimpleNamespace(
        start=told.append, attempt=lambda call, attempt: told.append(attempt),
        end=lambda call, end: told.append(end),
    )  # fmt: skip
    # A status that advises on the base URL, and quotes it.
    for script in (Script(status=404, body=f"no page /{key}/v1"), Script(cut=5)):
        server.script = script
        with pytest.raises(g4flite.G4fliteError) as caught:
            driver.collect("openai", "Hi", model="m", base_url=f"{server.url}/{key}/v2", retries=0, api_key="sk-123456",
                           observer=[watching, flight(tmp_path)])  # fmt: skip
        assert key not in "".join([str(caught.value), repr(vars(caught.value)), caplog.text, repr(told)])
    files = [file.read_text() for file in tmp_path.iterdir()]
    assert len(files) == 2
    assert f"/{'*' * len(key)}/v2/chat/completions" in files[0]
    assert key not in "".join(files)


@rows(
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


@rows("length", range(1, 9))
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


# The forms in which a service may repeat a secret

KEY = "sk-a/b+c=d_e&f\"<g>'h~i"
FORMS: dict[str, str] = {
    "as it is": KEY,
    "json": json.dumps(KEY)[1:-1],
    "json with \\/": json.dumps(KEY)[1:-1].replace("/", r"\/"),
    "json of Go": r"sk-a/b+c=d_e\u0026f\"\u003cg\u003e'h~i",
    "json of Gson": r"sk-a/b+c\u003dd_e\u0026f\"\u003cg\u003e\u0027h~i",
    "json, all escaped": "".join(f"\\u{ord(character):04X}" for character in KEY),
    "json in json": json.dumps(json.dumps(KEY))[1:-1],
    "json in json in a repr": repr(json.dumps(json.dumps(KEY)))[1:-1],
    "url": quote(KEY, safe=""),
    "url, lower case": quote(KEY, safe="").lower(),
    "url, a part": KEY.replace("/", "%2f").replace("&", "%26"),
    "url in url": quote(quote(KEY, safe=""), safe=""),
    "url in json": json.dumps(quote(KEY, safe="/")).replace("/", r"\/"),
    "html": html.escape(KEY),
    "html, by number": "".join(f"&#{ord(character)};" for character in KEY),
    "html, in hexadecimal": "".join(f"&#x{ord(character):X};" for character in KEY),
    "html, by name": KEY.replace("&", "&amp;").replace("=", "&equals;").replace("/", "&sol;").replace('"', "&quot;"),
    "html without semicolons": KEY.replace("/", "&#47").replace("=", "&#x3D"),
    "html by name without semicolons": KEY.replace("&", "&amp"),
    "html with zeros": "".join(f"&#{ord(character):010d};" for character in KEY),
    "html in json": json.dumps(html.escape(KEY))[1:-1],
    "repr": "".join(f"\\x{ord(character):02x}" for character in KEY),
    "base64": base64.b64encode(KEY.encode()).decode(),
    "base64 of a login": base64.b64encode(f"user:{KEY}".encode()).decode(),
    "base64 of a header": base64.b64encode(f"Bearer {KEY} and more".encode()).decode(),
    "base64 for urls": base64.urlsafe_b64encode(f"u:{KEY}".encode()).decode(),
    "base64 in a url": quote(base64.b64encode(f"me:{KEY}".encode()).decode(), safe=""),
}


def read_back(text: str) -> str:
    """Return all that somebody could read in a text."""
    levels = [text]
    for _ in range(5):
        text = text.replace(r"\\", "\\").replace(r"\/", "/").replace(r"\"", '"')
        text = re.sub(r"\\u([0-9a-fA-F]{4})|\\x([0-9a-f]{2})", lambda found: chr(int(found[1] or found[2], 16)), text)
        text = html.unescape(unquote(text))
        levels.append(text)
    return "\n".join(levels)


@rows("said", FORMS.values())
@rows("around", ["{}", "no key {}, sorry", '{{"error": "no \\/ key \\u003d {}", "x": "%2f"}}', "<p>&lt;{}</p>é"])
def test_a_secret_is_blotted_out_in_each_form(said: str, around: str) -> None:
    secrets = forms_of([f"Bearer {KEY}"])
    text = around.format(said)
    shown = redact(text, secrets)
    assert KEY not in read_back(shown)
    assert said[4:-4] not in shown
    assert redact(around.format("fine"), secrets) == around.format("fine")
    data = redact_bytes(text.encode(), secrets)
    assert len(data) == len(text.encode())
    assert KEY not in read_back(data.decode())
    assert said[4:-4] not in data.decode()


def test_the_scheme_of_a_login_and_the_beginning_of_an_escaped_form_are_no_beginnings_of_a_secret() -> None:
    secrets = forms_of(["Bearer https://h.test/hook"])
    assert redact("no Bearer https://h.te", secrets) == "no ***"
    for said in ("no Bearer https in the header", "see https%3A%2F%2Fother.test/"):
        assert redact(said, secrets) == said


@rows(("before", "after"), [("", ""), ("a", ""), ("ab", "c"), ("abc", "cd"), ("", "x"), ("é", "é")])
def test_a_secret_is_found_in_base64_wherever_it_stands(before: str, after: str) -> None:
    for secret in ("s3cret-key", "s3cret-key1", "s3cret-key12"):
        said = base64.b64encode(f"{before}{secret}{after}".encode()).decode()
        assert len(redact(f"<{said}>", [secret]).replace("***", "")) <= 2 + 2 * 4 + len(before + after) * 2


@rows(
    ("text", "shown"),
    [
        (r"no key sk-a\/b+...", "no key ***..."),
        (r"no key sk-a\/b+c\u00", r"no key ***\u00"),
        ("no key sk-a%2Fb%2Bc%3", "no key ***%3"),
        ("no key sk-a&sol;b+c&equa... more", "no key ***&equa... more"),
        (r"no key sk-a\/b+ and no more", r"no key sk-a\/b+ and no more"),
        ("100 % of &unknown; &#9999999; \\q", "100 % of &unknown; &#9999999; \\q"),
        (
            r"one sk-a\/b+c=d and two " + FORMS["json of Gson"] + FORMS["json of Gson"],
            r"one sk-a\/b+c=d and two ******",
        ),
    ],
)
def test_a_secret_with_escapes_is_blotted_out_even_if_it_is_cut_off(text: str, shown: str) -> None:
    assert redact(text, [KEY]) == shown


def test_a_secret_of_other_letters_is_found_in_its_escapes() -> None:
    secret = "schlüssel-ключ"
    for said in (secret, quote(secret), json.dumps(secret), html.escape(secret).replace("ü", "&uuml;")):
        assert "***" in redact(f"<{said}>", forms_of([secret]))
    assert redact("half \ud800 \\/", ["s3cret"]) == "half \ud800 \\/"


def test_a_long_text_of_escapes_is_searched_in_linear_time() -> None:
    text = (rb'{"text": "\u4e2d\/%2f&amp;' + KEY.encode() + b' sk-a/b+c..."}') * 10_000
    start = time.monotonic()
    assert KEY.encode() not in redact_bytes(text, forms_of([KEY]))
    assert time.monotonic() - start < 30


def client_of(driver: Driver, kind: str) -> Any:
    """Return a caller's client that adds a secret to each request, by itself."""
    if kind == "headers":
        return driver.client(headers={"x-user": f"Bearer {SECRET}", "x-app": "an-app-of-mine"})
    if kind == "cookies":
        return driver.client(cookies={"session": SECRET})
    if kind == "auth":
        return driver.client(auth=("someone", SECRET))

    if kind == "params":
        return driver.client(params={"sig": SECRET, "api-version": "2024-10-21-preview"})

    def sign(request: Any) -> Any:
        request.headers["x-signed"] = SECRET
        return request

    return driver.client(auth=sign)


@pytest.mark.parametrize("kind", ["headers", "cookies", "auth", "params", "signer"])
@pytest.mark.parametrize("status", [401, 200])
def test_what_the_caller_s_client_adds_is_in_no_error(
    kind: str, status: int, driver: Driver, server: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="g4flite")
    said = [
        SECRET,
        base64.b64encode(f"someone:{SECRET}".encode()).decode(),
        SECRET.replace("-", r"\u002d"),
        SECRET[:9] + "...",
    ]
    body = json.dumps({"error": {"message": " ".join(said), "code": SECRET}})
    server.script = Script(status=status, body=body, headers={"connection": "close"})
    client = client_of(driver, kind)
    with pytest.raises(g4flite.G4fliteError) as caught:
        driver.collect("openai", "Hi", model="m", api_key="another-key", base_url=f"{server.url}/v1", client=client)
    driver.close(client)
    error = caught.value
    assert "***" in str(error)
    shown = [
        str(error),
        repr(vars(error)),
        repr(driver.stream.attempts),
        caplog.text,
        *traceback.format_exception(error),
    ]
    for text in (*shown, pickle.dumps(error).decode("latin-1")):
        assert SECRET not in read_back(text)
        assert SECRET[:9] not in text


def shown_by(error: g4flite.G4fliteError, log: str) -> str:
    """Return all that shows an error."""
    return "\n".join(
        [str(error), repr(vars(error)), log, *traceback.format_exception(error), pickle.dumps(error).decode("latin-1")]
    )


@pytest.mark.parametrize("kind", ["headers", "cookies", "auth", "params", "signer"])
@pytest.mark.parametrize(
    "raw",
    [
        f"HTTP/1.1 200 OK\r\nx-echo : {SECRET}\r\n\r\n",
        f"HTTP/1.1 {SECRET}\r\n\r\n",
        f"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{SECRET}\r\n",
    ],
    ids=["header", "status line", "chunk"],
)
def test_what_the_caller_s_client_adds_is_in_no_error_of_a_broken_response(
    raw: str, kind: str, driver: Driver, server: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="g4flite")
    server.script = Script(raw=raw.encode())
    client = client_of(driver, kind)
    with pytest.raises(g4flite.ReplyError) as caught:
        driver.collect("openai", "Hi", model="m", api_key="another-key", base_url=f"{server.url}/v1", client=client)
    driver.close(client)
    assert SECRET not in shown_by(caught.value, caplog.text)


def test_the_key_of_a_call_is_in_no_error_of_a_broken_body(
    driver: Driver, server: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="g4flite")
    text = 'data: {"choices": [{"delta": {"content": "hello"}, "index": 0}]}\n\n'
    for body in ("", f"{len(text):x}\r\n{text}\r\n"):
        raw = f"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{body}{SECRET}\r\n"
        server.script = Script(raw=raw.encode())
        with pytest.raises(g4flite.ReplyError) as caught:
            driver.collect("openai", "Hi", model="m", api_key=SECRET, base_url=f"{server.url}/v1")
        assert SECRET not in shown_by(caught.value, caplog.text)


def test_each_step_of_a_login_is_in_no_error(driver: Driver, server: Emulator) -> None:
    class Login(httpx.Auth):  # type: ignore[misc, name-defined, unused-ignore]
        def auth_flow(self, request: Any) -> Any:
            request.headers["x-tok"] = SECRET
            yield request
            request.headers["x-tok"] = "other-token"
            yield request

    server.script = Script(status=401, body=f"no {SECRET}", headers={"connection": "close"})
    client = driver.client(auth=Login())
    with pytest.raises(g4flite.AuthenticationError) as caught:
        driver.collect("cromicle", "Hi", base_url=server.url, client=client)
    driver.close(client)
    assert len(server.exchanges) == 2
    assert SECRET not in shown_by(caught.value, "")


@pytest.mark.parametrize("status", [403, 407, 200])
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("whose", ["argument", "environment", "client"])
def test_the_login_of_a_proxy_is_in_no_error(
    whose: str, scheme: str, status: int, driver: Driver, server: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = base64.b64encode(f"me:{SECRET}".encode()).decode()
    body = f"no {SECRET}, {login}"
    server.script = Script(
        raw=f"HTTP/1.1 {status} No {SECRET} {login}\r\ncontent-type: text/html\r\ncontent-length: {len(body)}"
        f"\r\nconnection: close\r\n\r\n{body}".encode()
    )
    proxy = f"http://me:{SECRET}@{server.host}:{server.port}"
    own = driver.client(proxy=proxy) if whose == "client" else None
    if whose == "environment":
        monkeypatch.setenv("ALL_PROXY", proxy)
    passed = {"argument": {"proxy": proxy}, "environment": {}, "client": {"client": own}}[whose]
    with pytest.raises(g4flite.G4fliteError) as caught:
        driver.collect("cromicle", "Hi", base_url=f"{scheme}://upstream.test", **passed)
    if own is not None:
        driver.close(own)
    shown = shown_by(caught.value, "")
    assert SECRET not in shown
    assert login not in shown


def test_a_text_of_backslashes_alone_ends_the_search() -> None:
    text = "\\" * 1000 + SECRET
    assert redact(text, [SECRET]) == "\\" * 1000 + "***"


def basic(password: str, encoding: str, scheme: str = "Basic ") -> str:
    return scheme + base64.b64encode(f"user:{password}".encode(encoding)).decode()


WORD = "p\u00e4ssw\u00f6rd-1"
OTHER = "\u043f\u0430\u0440\u043e\u043b\u044c\u20ac"
REPEATED = {
    "a password in UTF-8": (basic(WORD, "utf-8"), WORD),
    "a password in Latin-1": (basic(WORD, "latin-1"), WORD),
    "a password of other letters": (basic(OTHER, "utf-8"), OTHER),
    "a login": (basic(WORD, "utf-8"), f"user:{WORD}"),
    "two blanks": (basic("s3cret-word", "utf-8", "basic  "), "s3cret-word"),
    "a cookie without its percents": ("sid=tok%2Fabc%2Bdef%3D%3D; a=1", "tok/abc+def=="),
    "a token without its percents": ("Bearer tok%2Fabc%2Bdef%3D%3D", "tok/abc+def=="),
    "a cookie without its quotes": ('sid="quoted-tok-77"; b=2', "quoted-tok-77"),
    "a cookie with a comma": ("sid=abcdef,def-123456-xyz", "abcdef,def-123456-xyz"),
    "the part behind a comma": ("sid=abcdef,def-123456-xyz", "def-123456-xyz"),
    "a quoted cookie with a comma": ('sid="abcdef, def-123456-xyz"', "def-123456-xyz"),
    "a part that needs no escape": ("Bearer sk-pro/j+abc=DEF_ghi-123&x", "sk-pro%2fj%2babc%3dDEF_ghi-123%26x"),
}  # fmt: skip


@rows("form", REPEATED)
def test_a_header_is_secret_in_each_form_in_which_a_service_repeats_it(form: str) -> None:
    header, said = REPEATED[form]
    secrets = forms_of([header])
    for text in (said, json.dumps(said)[1:-1], quote(said), html.escape(said)):
        assert redact(f"you sent {text}.", secrets) == "you sent ***."
        data = redact_bytes(f"you sent {text}.".encode(), secrets)
        assert data == b"you sent " + b"*" * len(text.encode()) + b"."


def test_the_parameters_of_a_client_are_secret_by_their_names() -> None:
    url = "https://h.test/v1?api-version=2024-10-21-preview&sig=s1gnature&api_key=k3y%2Fk3y&token=&alt=sse"
    secrets = secrets_of_client([((), url)], {}, Secrets())
    assert "k3y/k3y" in secrets
    assert redact("no 2024-10-21-preview of k3y/k3y", secrets) == "no 2024-10-21-preview of ***"
    assert secrets_of_client([((), "https://h.test/v1?alt=sse")], {}, Secrets()) == ()


def test_each_header_that_went_out_is_secret_whatever_its_letters() -> None:
    sent = [
        ([(b"X-Tok", b"first-token"), (b"Accept", b"*/*")], ""),
        ([(b"x-tok", "zweites-t\u00f6ken".encode("latin-1"))], ""),
    ]
    secrets = secrets_of_client(sent, {"x-own": "1"}, Secrets())
    assert redact("first-token, zweites-t\u00f6ken, */*", secrets) == "***, ***, */*"


def test_the_login_of_a_proxy_is_secret() -> None:
    secrets = secrets_of_client([], {}, Secrets(), "http://me:p%40ssw0rd@proxy.test:3128")
    said = base64.b64encode(b"me:p@ssw0rd").decode()
    assert redact(f"me:p@ssw0rd, p@ssw0rd, p%40ssw0rd, Basic {said} of {said}", secrets) == "***, ***, ***, *** of ***"
    for url in ("http://me@proxy.test", "http://proxy.test", "http://me:p4ss@[::1"):
        assert "me" not in secrets_of_client([], {}, Secrets(), url)
    assert redact("p4ssw0rd", secrets_of_client([], {}, Secrets(), "http://me:p4ssw0rd@[::1")) == "***"


def test_a_text_is_read_without_its_escapes_up_to_five_times() -> None:
    assert [*readings(b"a")] == [b"a"]
    assert [*readings(b"%2541%2f")] == [b"%2541%2f", b"%41/", b"A/"]
    assert len([*readings(b"%" + b"25" * 9 + b"41")]) == 5


def test_secrets_that_overlap_are_both_hidden_and_a_beginning_ends_with_a_whole_character() -> None:
    assert redact("it is bbaabbbbaab.", ("baabbbbaab", "bbaabb")) == "it is ***."
    assert redact("it is password...word\u00e8", ("password...word\u00e9",)) == "it is ***\u00e8"
    assert redact_bytes(b"it is bbaabbbbaab.", ("baabbbbaab", "bbaabb")) == b"it is ***********."


def test_the_secrets_of_a_request_are_in_no_repr() -> None:
    assert SECRET not in repr(forms_of([SECRET]))
