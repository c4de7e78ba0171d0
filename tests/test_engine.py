"""The engine, run by hand: what it wants, and what it makes of what happens.  No client, no socket."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

import g4flite
from g4flite import providers
from g4flite._answers import Head
from g4flite._engine import READ, Opening, Send, exchange
from g4flite._request import make_call
from tests.acme import ACME

NOW = 1_700_000_000_123


def play(spec: g4flite.Provider, head: Head, body: Iterable[bytes | Exception]) -> tuple[list[str], Any]:
    """Runs an exchange against `head` and `body`: the texts of its opening, and the opening itself."""
    call = make_call(spec, "Hi", model=None, base_url=None, headers={"authorization": "Bearer s3cret"}, options={})
    running, rest = exchange(call, lambda: NOW), iter(body)
    assert isinstance(next(running), Send)
    wanted = running.send(head)
    while not isinstance(wanted, Opening):
        assert wanted is READ
        data = next(rest, b"")
        wanted = running.throw(data) if isinstance(data, Exception) else running.send(data)
    return list(wanted.texts), wanted


def failing(status: int, body: bytes = b"", spec: g4flite.Provider = ACME, **headers: str) -> g4flite.StatusError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with pytest.raises(g4flite.StatusError) as caught:
        play(spec, Head(status, named), [body])
    assert caught.value.status == status
    return caught.value


@pytest.mark.parametrize("status", [200, 201, 299])
def test_a_reply_opens_with_its_first_text(status: int) -> None:
    texts, opening = play(ACME, Head(status, {}), [b"\xc3", b"\xa9", b"never read"])
    assert (texts, opening.ended) == (["\u00e9"], False)
    assert list(opening.parser.feed(b"more")) == ["more"]


def test_a_reply_of_several_texts_opens_with_all_of_its_first_chunk() -> None:
    line = b'{"event": "text", "data": "a"}\n'
    texts, opening = play(providers.FLOWGPT, Head(200, {}), [b"{}\n", line * 3, line])
    assert (texts, opening.ended) == (["a"] * 3, False)


def test_a_reply_may_hold_its_text_back_until_its_end() -> None:
    texts, opening = play(providers.FLOWGPT, Head(200, {}), [b'{"event": "text", "data": "a"}'])
    assert (texts, opening.ended) == (["a"], True)


def test_each_request_is_signed_with_the_time_it_is_sent() -> None:
    call = make_call(providers.FREE2GPT, "Hi", model=None, base_url=None, headers=None, options={})
    wanted = next(exchange(call, lambda: NOW))
    assert isinstance(wanted, Send)
    assert f'"time":{NOW}'.encode() in wanted.request.body


def test_a_status_is_an_error_that_quotes_its_body() -> None:
    error = failing(500, b'{"error":\n "overheated"}')
    assert type(error) is g4flite.StatusError
    assert error.body == '{"error":\n "overheated"}'
    assert str(error) == (
        'status 500 Internal Server Error: \'{"error": "overheated"}\'; the service fails: try later, or ask another '
        "provider"
    )
    assert error.retry_after is None


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (400, "Bad Request; check the messages and options"),
        (401, "Unauthorized; it refuses this caller"),
        (404, "Not Found; nothing is served there"),
        (503, "Service Unavailable; the service fails"),
        (799, "status 799; the service fails"),
        (304, "Not Modified; it redirects to another path, which is not followed"),
    ],
)
def test_a_status_says_what_to_try(status: int, advice: str) -> None:
    assert advice in str(failing(status))


@pytest.mark.parametrize(
    ("location", "host"),
    [("https://moved.test/x?key=s3cret", "moved.test"), ("/login", "another path"), ("http://[x", "another place")],
)
def test_a_redirect_names_the_host_it_leads_to(location: str, host: str) -> None:
    error = failing(302, location=location)
    assert f"it redirects to {host}, which is not followed" in str(error)
    assert "s3cret" not in str(error)


def test_two_kilobytes_of_a_body_are_kept() -> None:
    error = failing(500, b"x" * 100_000)
    assert error.body == "x" * 2048
    assert len(str(error)) < 400


def test_a_body_that_is_lost_leaves_the_status() -> None:
    with pytest.raises(g4flite.StatusError) as caught:
        play(ACME, Head(502, {}), [b"half", g4flite.TruncatedStreamError("cut")])
    assert (caught.value.status, caught.value.body) == (502, "half")


def test_a_secret_that_is_said_back_is_not_repeated() -> None:
    error = failing(401, b"the key s3cret is wrong: Bearer s3cret")
    assert error.body == "the key *** is wrong: ***"
    with pytest.raises(g4flite.MalformedReplyError) as caught:
        play(ACME, Head(200, {"content-type": "text/html"}), [b"<p>s3cret"])
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "12"}, 12),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "12", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": "Tue, 14 Nov 2023 22:14:20 GMT"}, 59.877),
        ({"retry-after": "Tue, 14 Nov 2023 22:14:20 -0000"}, 59.877),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:00 GMT"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
    ],
)
def test_a_rate_limit_says_how_long_to_wait(headers: Mapping[str, str], seconds: float | None) -> None:
    with pytest.raises(g4flite.RateLimitError, match="wait before the next call") as caught:
        play(ACME, Head(429, headers), [])
    assert caught.value.retry_after == pytest.approx(seconds)


def test_a_spec_s_own_rule_comes_first() -> None:
    spec = providers.FREE2GPT
    assert type(failing(500, b'{"error": "Quota exceeded for today"}', spec)) is g4flite.RateLimitError
    assert type(failing(500, b"Quota left", spec)) is g4flite.StatusError
    assert type(failing(502, b"Quota exceeded", spec)) is g4flite.StatusError
    assert type(failing(429, b"", spec)) is g4flite.RateLimitError
    assert type(failing(500, b" " * 5000 + b"Quota exceeded", spec)) is g4flite.RateLimitError


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind"),
    [
        (403, b"<title>Just a moment...</title>", {}, g4flite.ChallengeError),
        (403, b"<script src=/cdn-cgi/challenge-platform/x.js>", {}, g4flite.ChallengeError),
        (503, b"<form id=cf-chl-x>", {}, g4flite.ChallengeError),
        (403, b"", {"cf_mitigated": "challenge"}, g4flite.ChallengeError),
        (403, b"you are not allowed", {}, g4flite.StatusError),
        (404, b"Just a moment...", {}, g4flite.StatusError),
    ],
)
def test_a_challenge_page_is_told_from_a_refusal(
    status: int, body: bytes, headers: dict[str, str], kind: type[Exception]
) -> None:
    assert type(failing(status, body, **headers)) is kind


@pytest.mark.parametrize("kind", ["text/html", "Text/HTML; charset=utf-8", "application/xhtml+xml"])
def test_a_web_page_is_no_answer(kind: str) -> None:
    with pytest.raises(g4flite.MalformedReplyError, match="is a web page, not an answer: '<h1>Log in</h1>'"):
        play(ACME, Head(200, {"content-type": kind}), [b"<h1>Log in</h1>\n"])


def test_a_failure_to_send_is_raised_as_it_is() -> None:
    call = make_call(ACME, "Hi", model=None, base_url=None, headers=None, options={})
    running = exchange(call, lambda: NOW)
    next(running)
    with pytest.raises(g4flite.ConnectError, match="refused"):
        running.throw(g4flite.ConnectError("refused"))
