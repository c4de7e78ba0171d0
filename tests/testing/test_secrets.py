"""No key, cookie or password goes into a recording, wherever a request or a reply says it."""

import base64
import gzip
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from g4flite.testing import Emulator, Script, record, replay
from g4flite.testing.secrets import public_headers, public_reply, public_request, tokens_of
from tests.conftest import Driver
from tests.rows import rows
from tests.testing.recordings import KEY, post, read


def test_no_secret_goes_into_the_file(driver: Driver, server: Emulator, path: Path) -> None:
    own, cookie, password, query, field = "hunter2hunter2", "c00kiec00kie", "p4ssw0rd", "qu3ry-k3y", "f13ld-f13ld-f13ld"
    said = [KEY, own, cookie, password, query, field, f"Bearer {KEY}", KEY.replace("/", "\\/"), quote(KEY, safe="")]
    server.script = Script(
        status=401,
        body=f"{' '.join(said)} {KEY[:9]}... {KEY[:-3]}",
        split=7,
        headers={"set-cookie": f"session={cookie}", "x-session-id": cookie, "x-said": own, "x-ratelimit-tokens": "9"},
    )
    url = f"http://me:{password}@{server.host}:{server.port}/v1?api_key={query}&alt=sse"
    headers = {"x-api-key": KEY, "x-own": own, "cookie": f"a=1; session={cookie}", "anthropic-version": "2023-06-01"}
    body = {"max_tokens": 5, "token": field, "list": [{"password": field}, "kept", None], "text": f"say {KEY}"}

    def ask(transport: Any) -> str:
        return b"".join(post(driver, transport, url, json=body, headers=headers)[1]).decode()

    recorded, replayed = ask(record(path)), ask(replay(path))
    text = path.read_text()
    for secret in (*said, base64.b64encode(f"me:{password}".encode()).decode(), KEY[:8], "set-cookie"):
        assert secret not in text + replayed
    assert len(replayed) == len(recorded)
    assert "> POST http://127.0.0.1" in text
    assert "/v1?api_key=***&alt=sse" in text
    assert '"token":"***","list":[{"password":"***"},"kept",null],"text":"say ***' in text
    assert {"< x-session-id: ***", f"< x-said: {'*' * len(own)}", "< x-ratelimit-tokens: 9"} <= set(text.splitlines())


def test_the_message_of_a_network_error_is_kept_without_a_key(driver: Driver, server: Emulator, path: Path) -> None:
    server.script = Script(raw=b"HTTP/1.1 200 OK\r\n" + KEY.encode() + b"\r\n\r\n")
    recorded = read(driver, record(path), server.url, {})
    assert recorded[0].error.startswith("MalformedReplyError")
    assert KEY not in path.read_text() + recorded[0].error


def test_a_request_whose_body_is_not_json_is_replayed_and_its_body_is_not_kept(driver: Driver, path: Path) -> None:
    bodies = [b"key=value", b"[1]", b"", b'"\\ud800"', b"[" * 100_000]
    answers = iter([b"a", b"b", b"c", b"d", b"e"])

    def ask(transport: Any) -> list[bytes]:
        return [b"".join(post(driver, transport, "http://h.test/a?b=1", content=body)[1]) for body in bodies]

    recorder = record(path, httpx.MockTransport(lambda request: httpx.Response(200, content=next(answers))))
    assert ask(recorder) == ask(replay(path)) == [b"a", b"b", b"c", b"d", b"e"]
    lines = [line for line in path.read_text().splitlines() if line.startswith("> ")]
    url = "> POST http://h.test/a?b=1"
    assert lines == [url, url, "> [1]", url, url, r'> "\xed\xa0\x80"', url]


def request(url: str = "http://h.test/", **more: Any) -> httpx.Request:
    return httpx.Request("POST", url, **more)


@rows(
    ("url", "public"),
    [
        ("http://h.test:81/a?b=1&c", "http://h.test:81/a?b=1&c"),
        ("http://me:p4ssw0rd@h.test/a#part", "http://h.test/a"),
        ("http://h.test/?api%5Fkey=s3cr3t&b=1&auth=&token=", "http://h.test/?api%5Fkey=***&b=1&auth=***&token=***"),
        ("http://h.test/s3cr3t/?key=s3cr3t", "http://h.test/******/?key=***"),
    ],
)
def test_a_url_is_kept_without_credentials(url: str, public: str) -> None:
    assert public_request(request(url))[0] == public


def test_a_key_in_a_body_is_secret_wherever_else_it_is_said() -> None:
    key = "k" * 20
    said = {"tokens": [key, key, 7], "auth": {"text": "fine"}, "text": key, "session": "monday", "days": "monday"}
    _, body, secrets = public_request(request(json=said))
    assert json.loads(body) == {
        "tokens": ["***", "***", 7],
        "auth": {"text": "fine"},
        "text": "*" * len(key),
        "session": "***",
        "days": "monday",
    }
    assert secrets == (key,)


def test_half_a_surrogate_pair_in_a_key_is_no_obstacle() -> None:
    _, body, secrets = public_request(
        request(content=b'{"key":"0123456789abcdef\\ud800","a":"0123456789abcdef\\ud800"}')
    )
    assert body == b'{"key":"***","a":"*******************"}'
    assert r"0123456789abcdef\ud800" in secrets


def test_the_headers_of_a_response_are_kept_without_cookies_and_keys() -> None:
    headers = [
        (b"Set-Cookie", b"a=1"),
        (b"X-Token", b"t"),
        (b"x-ratelimit-tokens", b"9"),
        (b"x-said", b"no s3cr3t"),
        (b"s3cr3t", b""),
    ]
    assert public_headers(headers, ("s3cr3t",)) == [
        (b"X-Token", b"***"),
        (b"x-ratelimit-tokens", b"9"),
        (b"x-said", b"no ******"),
        (b"******", b""),
    ]


def test_the_reason_of_a_status_is_kept_without_a_key(driver: Driver, server: Emulator, path: Path) -> None:
    server.script = Script(raw=f"HTTP/1.1 401 no key: {KEY}\r\ncontent-length: 0\r\n\r\n".encode())
    response, _ = post(driver, record(path), server.url, headers={"x-api-key": KEY})
    assert response.reason_phrase == f"no key: {KEY}"
    assert f" HTTP/1.1 401 no key: {'*' * len(KEY)}\n" in path.read_text()


WRONG = gzip.compress(b"wrong key: s3cr3t, and more of it", mtime=0)


@rows(
    ("coding", "body", "public"),
    [
        ("gzip", WRONG, b"wrong key: ******, and more of it"),
        ("x-gzip", WRONG[:-9], b"wrong key: ******, and more of it"),
        ("gzip", WRONG[:-8] + b"nonsense", b"wrong key: ******, and more of it"),
        ("br", WRONG, b""),
    ],
)
def test_a_compressed_reply_is_inflated_if_it_says_a_key_and_left_out_if_it_cannot_be(
    coding: str, body: bytes, public: bytes
) -> None:
    headers = [(b"Content-Encoding", coding.encode()), (b"content-length", b"99"), (b"a", b"b")]
    pieces = [(1.0, body[:9]), (2.0, body[9:])]
    assert public_reply(headers, pieces, ()) == (headers, pieces)
    assert public_reply(headers, pieces, ("s3cr3t",)) == ([(b"a", b"b")], [(2.0, public)] if public else [])


@pytest.mark.parametrize("end", [b"", b"nonsense"])
def test_a_compressed_reply_that_says_no_key_stays_compressed(end: bytes) -> None:
    headers, pieces = [(b"content-encoding", b"gzip")], [(1.0, gzip.compress(b"fine")[:-8] + end)]
    assert public_reply(headers, pieces, ("s3cr3t",)) == (headers, pieces)


def test_plain_text_that_is_said_to_be_compressed_loses_its_key() -> None:
    headers = [(b"content-encoding", b"gzip")]
    assert public_reply(headers, [(1.0, b"no s3cr3t")], ("s3cr3t",)) == (headers, [(1.0, b"no ******")])


@pytest.mark.parametrize("coding", ["gzip", "br"])
def test_a_compressed_reply_is_replayed_without_its_key(
    coding: str, driver: Driver, server: Emulator, path: Path
) -> None:
    server.script = Script(body=gzip.compress(f"wrong key: {KEY}".encode()), headers={"content-encoding": coding})
    _, pieces = post(driver, record(path), server.url, json={}, headers={"x-api-key": KEY})
    assert gzip.decompress(b"".join(pieces)).decode() == f"wrong key: {KEY}"
    response, pieces = post(driver, replay(path), server.url, json={})
    assert "content-encoding" not in response.headers
    assert b"".join(pieces).decode() == ("wrong key: " + "*" * len(KEY) if coding == "gzip" else "")


def test_a_key_is_starred_across_the_pieces_of_a_reply() -> None:
    pieces = [(1.0, b"a s3c"), (1.5, b""), (2.0, b"r3t b s3cr3")]
    assert public_reply([], pieces, ("s3cr3t",)) == ([], [(1.0, b"a ***"), (1.5, b""), (2.0, b"*** b s3cr3")])


@rows(
    ("name", "value", "public"),
    [
        ("Location", "https://a.test/x?token=t0ken&b=1#access_token=c", "https://a.test/x?token=***&b=1#access_token=***"),
        ("location", "/cb?code=c0de;sig=s1g&a=b", "/cb?code=***;sig=***&a=b"),
        ("location", "https://me:p4ss@a.test/?X-Amz-Signature=ab%2F", "https://***@a.test/?X-Amz-Signature=***"),
        ("link", '<https://a.test/?p=2&api%5Fkey=k3y>; rel="next"', '<https://a.test/?p=2&api%5Fkey=***>; rel="next"'),
        ("refresh", "0; url=/login?session=s3ss", "0; url=/login?session=***"),
        ("x-other", "a; token=t0ken", "a; token=t0ken"),
        ("operation-location", "https://a.test/?sig=s1g&design=1", "https://a.test/?sig=***&design=1"),
        ("x-redirect", "https://a.test/cb?access_token=t0ken", "https://a.test/cb?access_token=***"),
        ("location", '/cb?api_key="t0ken"', '/cb?api_key="***"'),
        ("location", "/cb?redirect=https://a.test/?token=t0ken&b=1", "/cb?redirect=https://a.test/?token=***&b=1"),
        ("location", "/cb;next=https://a.test/?a=1;token=t0ken", "/cb;next=https://a.test/?a=1;token=***"),
        ("location", "/cb?to=https%3A%2F%2Fa.test%2F%3Fb%3D1%26token%3Dt0ken&b=1", "/cb?to=***&b=1"),
        ("location", "/cb?to=%2Fa%3Fto%3D%252Fb%253Ftoken%253Dt0ken", "/cb?to=***"),
        ("location", "/cb?to=https%3A%2F%2Fa.test%2F%3Fb%3D1&b=1", "/cb?to=https%3A%2F%2Fa.test%2F%3Fb%3D1&b=1"),
        ("location", "/cb?jwt=t0ken", "/cb?jwt=***"),
        ("refresh", "0;url=https://a.test/?code=c0de", "0;url=https://a.test/?code=***"),
    ],
)  # fmt: skip
def test_a_header_with_a_url_is_kept_without_the_tokens_of_its_query(name: str, value: str, public: str) -> None:
    assert public_headers([(name.encode(), value.encode())], ()) == [(name.encode(), public.encode())]


TOKEN = "t0k3n/t0k3n/t0k3n/t0k3n"


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("access_token", True), ("accessToken", True), ("id_token", True), ("client_secret", True), ("api_key", True),
        ("apiKey", True), ("API-KEY", True), ("password", True), ("text", False), ("total_tokens", False),
        ("author", False),
    ],
)  # fmt: skip
def test_a_token_in_a_reply_of_its_own_is_starred_wherever_else_it_is_said(
    name: str, secret: bool, driver: Driver, server: Emulator, path: Path
) -> None:
    body = json.dumps(
        {"usage": {"total_tokens": 7}, "token": " the", name: TOKEN, "again": f"say {quote(TOKEN)}"}, indent=1
    )
    server.script = Script(body=body, split=5)
    _, pieces = post(driver, record(path), server.url, json={})
    assert b"".join(pieces).decode() == body
    kept = b"".join(post(driver, replay(path), server.url, json={})[1]).decode()
    assert (TOKEN in kept) is not secret
    assert (quote(TOKEN) in kept) is not secret
    assert len(kept) == len(body)
    assert '"total_tokens": 7' in kept
    assert '"token": " the"' in kept


def test_a_token_of_a_redirect_is_starred_in_its_page(driver: Driver, server: Emulator, path: Path) -> None:
    where = f"https://elsewhere.test/?token={quote(TOKEN, safe='')}"
    server.script = Script(status=302, headers={"location": where}, body=f'<a href="{where}">{TOKEN}</a>')
    post(driver, record(path), server.url, json={})
    assert "t0k3n" not in path.read_text()
    assert "< location: https://elsewhere.test/?token=***" in path.read_text()


BODIES = {
    "a field": '{"access_token" : "%s"}',
    "a field of another name": '{"x-api-key":"%s"}',
    "json in json": r'{"data":"{\"access_token\":\"%s\"}"}',
    "json in json in json": r'{"data":"{\"x\":\"{\\\"token\\\":\\\"%s\\\"}\"}"}',
    "a list": '{"tokens":["%s"]}',
    "a second one": '{"tokens":["short", "%s"]}',
    "an object": '{"token":{"type":"x","value":"%s"}}',
    "a header": '{"authorization":"Bearer %s"}',
    "a session": '{"sessionId":"%s"}',
    "a cookie": '{"cookie":"%s"}',
    "a jwt": '{"jwt":"%s"}',
    "a key": '{"key":"%s"}',
    "a private key": '{"private_key":"%s"}',
    "a key of camels": '{"accessKey":"%s"}',
    "an event": 'event: a\ndata: {"session_token":"%s"}\n\n',
    "a form": "access_token=%s&x=1",
    "the end of a form": "a=1&refresh_token=%s",
    "a line": "client_secret: %s",
    "a sentence": '{"message":"sent Bearer %s"}',
    "a link": '{"url":"https://a.test/?token=%s"}',
    "half an object": '{"token":{"value":"%s", "a',
    "a signature": '{"url":"https://a.test/x?a=1&X-Amz-Signature=%s"}',
    "a signature, escaped": r'{"url":"https:\/\/a.test\/x?a=1\u0026sig=%s"}',
    "cookies": '{"set_cookie":"sid=%s; Path=/"}',
    "the second cookie": '{"cookies":"a=1; sid=%s; Path=/"}',
    "auth": '{"auth":"%s"}',
}
FINE = [
    '{"author":"%s"}', '{"monkey":"%s"}', '{"text":"%s"}', '{"total_tokens":"%s"}', '{"session":{"model":"%s"}}',
    '{"tokens":{"%s":5}}', "tokenizer=%s", "author: %s", "/x?design=%s", "https://a.test:80/x/%s@2", '{"code":"%s"}',
]  # fmt: skip


@rows("token", ["t0k3n/t0k3n/t0k3n/t0k3n", "eyJhbGciOiJIUzI1NiJ9.t0k3nt0k3n123", "t0k3n-t0k3n-t0k3n=="])
@rows("form", BODIES)
def test_a_token_is_starred_in_each_way_of_saying_it(form: str, token: str) -> None:
    body = f"{BODIES[form] % token} and again {token}, {quote(token)}".encode()
    _, [(_, public)] = public_reply([], [(0.0, body)], ())
    assert len(public) == len(body)
    assert b"t0k3n" not in public
    assert public.count(b"*") < 3 * len(quote(token)) + 16


@rows("lines", ["\n", r"\n", r"\\n", "\r\n"])
def test_a_private_key_is_starred(lines: str) -> None:
    key = lines.join(
        ["-----BEGIN RSA PRIVATE KEY-----", "t0k3n+t0k3n+t0k3n", "t0k3n==", "-----END RSA PRIVATE KEY-----"]
    )
    _, [(_, public)] = public_reply([], [(0.0, f'{{"pem":"{key}"}}'.encode())], ())
    assert b"t0k3n" not in public
    assert public.startswith(b'{"pem":"-----BEGIN RSA PRIVATE KEY-----')


@rows("form", FINE)
def test_other_fields_are_kept(form: str) -> None:
    body = (form % TOKEN).encode()
    assert public_reply([], [(0.0, body)], ()) == ([], [(0.0, body)])


@rows(
    ("form", "starred"),
    [
        ('{"password":"%s"}', True),
        ('{"user_passwd" : "%s"}', True),
        ('{"url":"https://me:%s@a.test/x"}', True),
        ('{"text":"%s"}', False),
    ],
)
def test_a_short_password_is_starred_if_it_is_no_word(form: str, starred: bool) -> None:
    for password, is_no_word in (("hunter22", True), ("password", False), ("hunt3r", False)):
        body = f"{form % password} and again {password}".encode()
        _, [(_, public)] = public_reply([], [(0.0, body)], ())
        assert public == (body.replace(password.encode(), b"*" * 8) if starred and is_no_word else body)


def test_a_header_of_many_parameters_is_searched_without_recursion() -> None:
    header = (b"location", b"/" + b"?a=" * 20_000)
    assert public_headers([header], ()) == [header]
    assert tokens_of([header]) == []


def test_a_parameter_of_a_request_is_kept_out_wherever_the_reply_says_it() -> None:
    for name in ("sig", "code", "X-Amz-Signature"):
        url, _, secrets = public_request(request(f"http://h.test/?{name}=s3cr3t-s3cr3t&alt=sse"))
        assert url == f"http://h.test/?{name}=***&alt=sse"
        assert "s3cr3t-s3cr3t" in secrets


def test_a_long_reply_is_searched_in_linear_time() -> None:
    for piece in (
        b"//a:",
        b"?a=",
        b'"cookie":"a=',
        b'"password":"',
        b'{"token":"',
        b'"token":[',
        b"token=",
        b"-----BEGIN PRIVATE KEY-----",
        b'\\"token\\":\\"a',
        b"a" * 99,
        b"key ",
    ):
        start = time.monotonic()
        public_reply([], [(0.0, piece * (2**18 // len(piece)))], ())
        assert time.monotonic() - start < 30


@pytest.mark.parametrize(
    ("cookie", "said", "kept"),
    [
        ("sid=sess-abcdef-1234567; path=/", "sess-abcdef-1234567", False), ('sid="s3ss-abc"', "s3ss-abc", False),
        ("sid=abcdefghijklmnop", "abcdefghijklmnop", False), ("sid=s3ss%2Fabc%3D", "s3ss/abc=", False),
        ("lang=english; path=/a1234567", "english", True), ("a=1", "1", True), ("nonsense", "nonsense", True),
    ],
)  # fmt: skip
def test_a_cookie_that_was_taken_out_is_starred_in_the_body(
    cookie: str, said: str, kept: bool, driver: Driver, server: Emulator, path: Path
) -> None:
    server.script = Script(body=f"your sid is {said}!", headers={"set-cookie": cookie})
    post(driver, record(path), server.url, json={})
    assert (f"your sid is {said}!" in path.read_text()) is kept
    assert (f"your sid is {'*' * len(said)}!" in path.read_text()) is not kept
