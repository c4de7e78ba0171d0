"""The exchange, stepped by hand: what it asks for, and what it makes of a response.  No client, no socket."""

import dataclasses
import gzip
import pickle
import sys
import tracemalloc
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

import g4flite
from g4flite import providers
from g4flite._core.exchange import READ, Opening, Run, Send, exchange
from g4flite._core.response.reply import Head
from g4flite._core.settings import Retry
from tests.acme import ACME, MARKED
from tests.rows import rows
from tests.runs import NOW, run_of


def play(spec: g4flite.Provider, head: Head, body: Iterable[bytes | Exception]) -> tuple[list[str], Any]:
    """Run an exchange against `head` and `body`, and return the texts of its opening and the opening itself."""
    running, rest = exchange(run_of(spec, authorization="Bearer s3cret")), iter(body)
    assert isinstance(next(running), Send)
    wanted = running.send(head)
    while not isinstance(wanted, Opening):
        assert wanted is READ
        data = next(rest, b"")
        wanted = running.throw(data) if isinstance(data, Exception) else running.send(data)
    return list(wanted.items), wanted


def failing(status: int, body: bytes = b"", spec: g4flite.Provider = ACME, **headers: str) -> g4flite.StatusError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with pytest.raises(g4flite.StatusError) as caught:
        play(spec, Head(status, named), [body])
    assert caught.value.status == status
    return caught.value


@rows("status", [200, 201, 299])
def test_the_opening_holds_the_first_text_of_the_reply(status: int) -> None:
    texts, opening = play(ACME, Head(status, {}), [b"\xc3", b"\xa9", b"never read"])
    assert (texts, opening.ended) == (["\u00e9"], False)
    assert list(opening.reply.feed(b"more")) == ["more"]


def test_the_opening_holds_all_texts_of_the_read_that_brought_the_first_text() -> None:
    line = b'{"event": "text", "data": "a"}\n'
    texts, opening = play(providers.FLOWGPT, Head(200, {}), [b"{}\n", line * 3, line])
    assert (texts, opening.ended) == (["a"] * 3, False)


def test_the_opening_is_ended_if_the_only_text_comes_at_the_end_of_the_reply() -> None:
    texts, opening = play(providers.FLOWGPT, Head(200, {}), [b'{"event": "text", "data": "a"}'])
    assert (texts, opening.ended) == (["a"], True)


def test_a_request_is_signed_with_the_time_at_which_it_is_sent() -> None:
    wanted = next(exchange(run_of(providers.FREE2GPT)))
    assert isinstance(wanted, Send)
    assert f'"time":{NOW}'.encode() in wanted.request.body


def test_the_error_of_a_status_quotes_the_body() -> None:
    error = failing(500, b'{"error":\n "overheated"}')
    assert type(error) is g4flite.StatusError
    assert error.body == '{"error":\n "overheated"}'
    assert str(error) == (
        "acme: status 500 Internal Server Error: 'overheated'; "
        "the service fails: try again later, or ask another provider"
    )
    assert error.retry_after is None
    assert "'some text of { its own'" in str(failing(500, b"some text of\n{ its own"))


@rows(
    ("status", "advice"),
    [
        (400, "Bad Request; check the messages and options"),
        # ACME names no environment variable.
        (
            401,
            'Unauthorized; pass api_key= or send the key in a header, like "authorization: Bearer KEY", with headers=',
        ),
        (402, "Payment Required; the account has no credit left"),
        (403, "Forbidden; the service refuses this caller"),
        (404, "Not Found; there is nothing at this URL"),
        (405, "Method Not Allowed; there is nothing to ask at this URL"),
        (413, "; the request is too large: shorten the messages"),
        (429, "Too Many Requests; wait before the next call"),
        (503, "Service Unavailable; the service fails"),
        (529, "status 529; try again later, or ask another provider"),
        (799, "status 799; the service fails"),
        (304, "Not Modified; it redirects to another path, and redirects are not followed"),
    ],
)
def test_the_error_of_a_status_says_what_to_try(status: int, advice: str) -> None:
    assert advice in str(failing(status))


@rows(
    ("location", "host"),
    [("https://moved.test/x?key=s3cret", "moved.test"), ("/login", "another path"), ("http://[x", "another place")],
)
def test_the_error_of_a_redirect_names_the_host_that_the_redirect_leads_to(location: str, host: str) -> None:
    error = failing(302, location=location)
    assert f"it redirects to {host}, and redirects are not followed" in str(error)
    assert "s3cret" not in str(error)


def test_the_error_of_a_status_keeps_two_kilobytes_of_the_body() -> None:
    error = failing(500, b"x" * 100_000)
    assert error.body == "x" * 2048
    assert len(str(error)) < 400


def test_the_timers_allow_one_second_for_an_error_s_body_and_a_finish_reason_shortens_nothing() -> None:
    run = run_of(ACME)
    running = exchange(run)
    next(running)
    run.timers.connected = True
    assert running.send(Head(500, {})) is READ
    assert run.timers.left() == 1
    run.begin(run.routes[0])
    run.timers.connected = True
    run.collect(g4flite.Finish("stop", "stop"))
    assert run.timers.left() == run.timers.timeout.first_token


def test_a_status_is_reported_even_if_its_body_is_cut_off() -> None:
    with pytest.raises(g4flite.StatusError) as caught:
        play(ACME, Head(502, {}), [b"half", g4flite.TruncatedStreamError("cut")])
    assert (caught.value.status, caught.value.body) == (502, "half")


def test_a_stream_that_is_closed_before_its_first_text_is_not_complete_by_its_finish_reason() -> None:
    spec = dataclasses.replace(ACME, parser=g4flite.providers.OPENAI.parser, end="marker")
    closed = g4flite.StreamClosedError("closed")
    finish = b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n'
    with pytest.raises(g4flite.StreamClosedError):
        play(spec, Head(200, {}), [finish, closed])
    items, _ = play(spec, Head(200, {}), [finish, g4flite.IdleTimeoutError("idle")])
    assert items == [g4flite.Finish("stop", "stop")]


def test_an_exception_that_quotes_a_secret_is_not_shown_as_the_cause_of_an_error() -> None:
    for said in "bad header: s3cret", "bad header":
        running, failed = exchange(run_of(ACME, authorization="Bearer s3cret")), g4flite.TransportError("lost")
        assert isinstance(next(running), Send)
        failed.__cause__ = OSError()
        failed.__cause__.__cause__ = ValueError(said)
        with pytest.raises(g4flite.TransportError) as caught:
            running.throw(failed)
        assert (caught.value.__cause__ is None) == ("s3cret" in said)


def test_an_answer_without_an_error_costs_no_search_for_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "secrets_of", "secrets_of_client":
        monkeypatch.delattr(sys.modules[Run.__module__], name)
    texts, _ = play(ACME, Head(200, {}), [b"Hi"])
    assert texts == ["Hi"]


def test_a_secret_that_the_service_repeats_is_redacted() -> None:
    error = failing(401, b"the key s3cret is wrong: Bearer s3cret")
    assert error.body == "the key *** is wrong: ***"
    with pytest.raises(g4flite.MalformedReplyError) as caught:
        play(ACME, Head(200, {"content-type": "text/html"}), [b"<p>s3cret"])
    assert "s3cret" not in str(caught.value)


@rows(
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
        ({"retry-after": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"}, None),
        ({"retry-after": "Mon, 01 Jan 2024 00:00:00 +99999999999999"}, None),
        ({"retry-after": "-5"}, None),
    ],
)
def test_a_rate_limit_error_says_how_long_to_wait(headers: Mapping[str, str], seconds: float | None) -> None:
    with pytest.raises(g4flite.RateLimitError, match="wait before the next call") as caught:
        play(ACME, Head(429, headers), [])
    assert caught.value.retry_after == pytest.approx(seconds)


def test_a_provider_s_own_error_rule_wins_over_the_common_rules() -> None:
    spec = providers.FREE2GPT
    assert type(failing(500, b'{"error": "Quota exceeded for today"}', spec)) is g4flite.RateLimitError
    assert type(failing(500, b"Quota left", spec)) is g4flite.StatusError
    assert type(failing(502, b"Quota exceeded", spec)) is g4flite.StatusError
    assert type(failing(429, b"", spec)) is g4flite.RateLimitError
    assert type(failing(500, b" " * 5000 + b"Quota exceeded", spec)) is g4flite.RateLimitError


@rows(
    ("status", "body", "headers", "kind"),
    [
        (403, b"<title>Just a moment...</title>", {}, g4flite.ChallengeError),
        (403, b"<script src=/cdn-cgi/challenge-platform/x.js>", {}, g4flite.ChallengeError),
        (503, b"<form id=cf-chl-x>", {}, g4flite.ChallengeError),
        (403, b"", {"cf_mitigated": "challenge"}, g4flite.ChallengeError),
        (403, b"you are not allowed", {}, g4flite.PermissionDeniedError),
        (404, b"Just a moment...", {}, g4flite.NotFoundError),
    ],
)
def test_a_challenge_page_is_distinguished_from_a_refusal(
    status: int, body: bytes, headers: dict[str, str], kind: type[Exception]
) -> None:
    assert type(failing(status, body, **headers)) is kind


@rows("kind", ["text/html", "Text/HTML; charset=utf-8", "application/xhtml+xml"])
def test_a_web_page_in_place_of_an_answer_is_malformed(kind: str) -> None:
    with pytest.raises(g4flite.MalformedReplyError, match=r"is (?i:[a-z/+]+ml), not an answer: '<h1>Log in</h1>'"):
        play(ACME, Head(200, {"content-type": kind}), [b"<h1>Log in</h1>\n"])


def test_a_proxy_that_wants_a_login_is_a_proxy_error() -> None:
    with pytest.raises(g4flite.ProxyError, match="check the user name and password in proxy="):
        play(ACME, Head(407, {}), [])


def test_a_failure_to_send_is_raised_as_it_is() -> None:
    running = exchange(run_of(ACME))
    next(running)
    with pytest.raises(g4flite.ConnectError, match="refused"):
        running.throw(g4flite.ConnectError("refused"))


REPORTED = b'{"error": {"message": "s3cret", "code": "s3cret", "type": "overloaded_error"}, "request_id": "s3cret-1"}'


@pytest.mark.parametrize("status", [200, 500])
def test_a_secret_in_any_field_of_a_service_s_error_is_redacted(status: int) -> None:
    run = run_of(ACME, authorization="Bearer s3cret")
    running = exchange(run)
    next(running)
    running.send(Head(status, {}))
    with pytest.raises(g4flite.OverloadedError) as caught:
        running.send(REPORTED)
        running.send(b"")
    error = caught.value
    assert (error.code, error.kind, error.request_id) == ("***", "overloaded_error", "***-1")
    assert '{"message": "***", "code": "***"' in error.body
    assert b"s3cret" not in pickle.dumps(error)


class TestRetry:
    """Which failures are retried, how long the exchange waits before that, and when it asks the next provider."""

    OK = Head(200, {})
    BUSY = Head(503, {})

    def follow(self, run: Run, *answers: Any) -> list[Any]:
        """Run an exchange: the next of `answers`, a head with its body or a failure, answers each Send.

        Return what the exchange asked for: providers by name, waits in seconds, and at the end the texts of the
        opening, or the error.
        """
        left, body, steps = iter(answers), iter(()), []
        running = exchange(run)
        try:
            wanted = next(running)
            while not isinstance(wanted, Opening):
                if isinstance(wanted, Send):
                    steps.append(run.call.provider.name)
                    answer = next(left)
                    if isinstance(answer, g4flite.G4fliteError):
                        wanted = running.throw(answer)
                        continue
                    head, *chunks = answer
                    body = iter(chunks)
                    wanted = running.send(head)
                elif wanted is READ:
                    data = next(body, b"")
                    wanted = running.throw(data) if isinstance(data, Exception) else running.send(data)
                else:
                    steps.append(wanted.seconds)
                    wanted = running.send(None)
            return [*steps, *wanted.items]
        except g4flite.G4fliteError as error:
            return [*steps, error]

    def test_a_passing_failure_is_retried_after_a_wait(self) -> None:
        run = run_of(ACME, retry=Retry())
        steps = self.follow(run, g4flite.ConnectError("refused"), (self.BUSY, b"busy"), (self.OK, b"hello"))
        assert steps == ["acme", 0.25, "acme", 0.5, "acme", "hello"]
        assert [(a.provider, a.outcome, a.seconds) for a in run.attempts] == [
            ("acme", "ConnectError: refused", 0.0),
            ("acme", "StatusError: status 503 Service Unavailable: 'busy'; " + run.attempts[1].outcome[53:], 0.0),
        ]

    def test_the_last_failure_is_raised_if_all_attempts_fail(self) -> None:
        steps = self.follow(run_of(ACME, retry=Retry(times=1)), *[(self.BUSY,)] * 2)
        assert steps[:3] == ["acme", 0.25, "acme"]
        assert isinstance(steps[3], g4flite.StatusError)
        assert steps[3].provider == "acme"

    @pytest.mark.parametrize(
        "answer",
        [
            (OK,),
            (OK, b'{"error": "overloaded"}'),
            (OK, g4flite.TruncatedStreamError("reset")),
            (OK, g4flite.FirstTokenTimeoutError("slow")),
            (Head(200, {"content-type": "application/json"}), b'{"error": "Overloaded"}'),
        ],
    )
    def test_a_reply_that_fails_before_its_first_text_is_retried(self, answer: Any) -> None:
        steps = self.follow(run_of(providers.CROMICLE, retry=Retry()), answer, (self.OK, b"hello"))
        assert steps == ["cromicle", 0.25, "cromicle", "hello"]

    @pytest.mark.parametrize(
        "answer",
        [
            g4flite.TLSError("bad certificate"),
            (Head(400, {}),),
            (Head(503, {"x-should-retry": "false"}),),
            (Head(429, {"retry-after": "61"}),),
            (OK, b'{"error": "no such thing"}'),
            (OK, b"a", g4flite.TruncatedStreamError("never asked for")),
        ],
    )
    def test_a_lasting_failure_or_a_reply_with_text_is_not_retried(self, answer: Any) -> None:
        steps = self.follow(run_of(ACME, retry=Retry()), answer)
        assert steps[0] == "acme"
        assert len(steps) == 2

    def test_the_service_may_ask_for_a_retry_and_for_a_wait(self) -> None:
        answer = (Head(400, {"x-should-retry": "true", "retry-after": "3"}),)
        assert self.follow(run_of(ACME, retry=Retry()), answer, (self.OK, b"x")) == ["acme", 3, "acme", "x"]

    @pytest.mark.parametrize(
        ("answer", "name"),
        [
            ((Head(500, {"x-request-id": "r1"}),), "r1"),
            ((Head(200, {"request-id": "r1"}), b'{"error": "no such thing"}'), "r1"),
            ((Head(200, {"request-id": "r1"}), b'{"error": "no", "request_id": "r2"}'), "r2"),
            ((Head(200, {"request-id": "r1", "content-type": "text/html"}), b"<p>"), "r1"),
            ((Head(200, {"request-id": "r1"}), g4flite.TruncatedStreamError("reset")), "r1"),
            ((Head(407, {"request-id": "r1"}),), "r1"),
            ((Head(200, {}), b'{"error": "no such thing"}'), None),
            (g4flite.ConnectError("refused"), None),
        ],
    )
    def test_an_error_has_the_id_of_the_request_that_failed(self, answer: Any, name: str | None) -> None:
        [_, error] = self.follow(run_of(ACME), answer)
        assert error.request_id == name
        assert str(error).endswith(f" (request id {name})") is (name is not None)

    def test_an_error_does_not_have_the_request_id_of_another_attempt(self) -> None:
        known = (Head(503, {"x-request-id": "r1"}),)
        *_, error = self.follow(run_of(ACME, retry=Retry(times=1)), known, g4flite.ConnectError("refused"))
        assert error.request_id is None
        run = run_of(providers.FREE2GPT, ACME)
        *_, error = self.follow(run, known, (Head(503, {"x-request-id": "r2"}),))
        run.fail(error)
        assert [e.request_id for e in error.errors] == ["r1", "r2"]
        assert error.request_id is None

    def test_an_error_inside_a_reply_is_retried_only_if_the_error_may_pass(self) -> None:
        busy, spent = b'{"error": {"code": 429}}', b'{"error": {"code": "insufficient_quota"}}'
        answers = [(self.OK, busy), (self.OK, spent)]
        *steps, error = self.follow(run_of(ACME, retry=Retry()), *answers)
        assert steps == ["acme", 0.25, "acme"]
        assert type(error) is g4flite.RateLimitError
        assert error.code == "insufficient_quota"

    def test_each_attempt_is_signed_anew(self) -> None:
        run = run_of(providers.FREE2GPT, retry=Retry())
        times = iter([1, 2])
        run.now_ms = lambda: next(times)
        running, bodies = exchange(run), []
        wanted: Any = next(running)
        while not isinstance(wanted, Opening):
            if isinstance(wanted, Send):
                bodies.append(wanted.request.body)
                wanted = running.throw(g4flite.ConnectError("x")) if len(bodies) == 1 else running.send(self.OK)
            else:
                wanted = running.send(b"hello")
        assert b'"time":1,' in bodies[0]
        assert b'"time":2,' in bodies[1]
        assert bodies[0][-70:] != bodies[1][-70:]

    def test_the_next_provider_is_asked_after_a_provider_has_failed_for_good(self) -> None:
        run = run_of(providers.FREE2GPT, providers.GPROCHAT, ACME, retry=Retry(times=1))
        answers = [(Head(401, {}),), (self.BUSY,), (self.BUSY,), (self.OK, b"hello")]
        assert self.follow(run, *answers) == ["free2gpt", "gprochat", 0.25, "gprochat", "acme", "hello"]
        assert [attempt.provider for attempt in run.attempts] == ["free2gpt", "gprochat", "gprochat"]
        assert run.call.provider is ACME

    def test_one_error_holds_the_errors_of_all_providers_if_every_provider_fails(self) -> None:
        run = run_of(providers.FREE2GPT, ACME)
        *_, error = self.follow(run, (Head(401, {}), b"no"), g4flite.ConnectError("refused"))
        assert isinstance(error, g4flite.AllFailedError)
        assert str(error).splitlines() == [
            "free2gpt, acme: none of 2 providers answered:",
            "  free2gpt: status 401 Unauthorized: 'no'; pass api_key= or send the key in a header, like "
            '"authorization: Bearer KEY", with headers=',
            "  acme: refused",
        ]
        assert [type(e) for e in error.errors] == [g4flite.AuthenticationError, g4flite.ConnectError]
        again = pickle.loads(pickle.dumps(error))
        assert [str(e) for e in again.errors] == [str(e) for e in error.errors]

    @pytest.mark.parametrize("kind", [g4flite.TotalTimeoutError, g4flite.StreamClosedError])
    def test_total_and_close_end_the_stream_without_asking_the_next_provider(
        self, kind: type[g4flite.G4fliteError]
    ) -> None:
        for answer in (kind("end"), (Head(500, {}), kind("end"))):
            [name, error] = self.follow(run_of(providers.FREE2GPT, ACME, retry=Retry()), answer)
            assert (name, type(error)) == ("free2gpt", kind)

    def test_a_mistake_of_the_caller_ends_the_stream_without_asking_the_next_provider(self) -> None:
        broken = dataclasses.replace(ACME, headers={"x": "{nonce}"})
        [error] = self.follow(run_of(broken, ACME, retry=Retry()))
        assert isinstance(error, g4flite.SpecError)

    def test_a_compressed_error_page_is_inflated_only_as_far_as_the_error_keeps_the_page(self) -> None:
        bomb = gzip.compress(b"x" * 2**22)
        [_, error] = self.follow(run_of(ACME), (Head(500, {}, "gzip"), bomb, bomb))
        assert error.body == "x" * 2048

    def test_an_end_marker_before_any_text_completes_an_empty_answer(self) -> None:
        assert self.follow(run_of(MARKED), (self.OK, b'{"done": true}\n', b"never read")) == ["marked"]
        assert self.follow(run_of(MARKED), (self.OK, b'{"done": true}')) == ["marked"]

    def test_each_attempt_is_one_line_in_the_log(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("DEBUG", logger="g4flite")
        self.follow(run_of(ACME, authorization="Bearer s3cret"), (Head(401, {}), b"s3cret"))
        assert [record.getMessage() for record in caplog.records] == [
            "attempt number=1 provider=acme outcome=\"AuthenticationError: status 401 Unauthorized: '***'; pass "
            'api_key= or send the key in a header, like \\"authorization: Bearer KEY\\", with headers=" '
            "seconds=0.000 status=401 url=http://acme.test/chat"
        ]

    def test_the_cause_of_the_error_of_several_providers_is_the_last_provider_s_error(self) -> None:
        run = run_of(providers.FREE2GPT, providers.GPROCHAT, ACME)
        *_, error = self.follow(run, (Head(401, {}),), (Head(403, {}),), (Head(404, {}),))
        assert [type(one) for one in error.errors] == [
            g4flite.AuthenticationError,
            g4flite.PermissionDeniedError,
            g4flite.NotFoundError,
        ]
        assert error.__cause__ is error.errors[2]

    def test_a_failure_is_raised_at_once_if_the_wait_would_leave_no_time_for_an_attempt(self) -> None:
        for total, tried in ((0.25, 1), (0.26, 2)):
            run = run_of(ACME, retry=Retry(times=1))
            run.timers.total = total
            run.timers.connecting()
            *_, error = self.follow(run, *[(self.BUSY,)] * 2)
            assert isinstance(error, g4flite.StatusError)
            assert len(run.attempts) == tried

    def test_each_provider_has_its_own_timers(self) -> None:
        run = run_of(providers.FREE2GPT, ACME)
        patient = g4flite.Timeout(first_token=300)
        run.routes = (run.routes[0], run.routes[1]._replace(timeout=patient))
        running = exchange(run)
        next(running)
        assert run.timers.timeout == g4flite.Timeout()
        running.throw(g4flite.ConnectError("refused"))
        assert run.timers.timeout == patient

    def test_an_error_page_is_read_no_further_than_16_kib(self) -> None:
        pieces = [b"x" * 2**13] * 2
        [_, error] = self.follow(run_of(ACME), (Head(500, {}), *pieces, AssertionError("a third piece was read")))
        assert error.body == "x" * 2048

    def test_an_error_page_of_several_gzip_members_is_read_whole(self) -> None:
        page = b"".join(gzip.compress(word) for word in (b"over", b"heat", b"ed"))
        [_, error] = self.follow(run_of(ACME), (Head(500, {}, "gzip"), page))
        assert error.body == "overheated"

    def test_a_compressed_error_page_is_inflated_in_little_memory(self) -> None:
        bomb = gzip.compress(b"x" * 2**22)
        tracemalloc.start()
        try:
            [_, error] = self.follow(run_of(ACME), (Head(500, {}, "gzip"), bomb))
            assert tracemalloc.get_traced_memory()[1] < 2**19
        finally:
            tracemalloc.stop()
        assert error.body == "x" * 2048


@pytest.mark.parametrize("status", [199, 300])
def test_a_status_outside_of_200_to_299_is_an_error(status: int) -> None:
    assert type(failing(status)) is g4flite.StatusError


def test_a_stream_names_its_first_provider_before_it_begins() -> None:
    assert run_of(providers.FREE2GPT, ACME).call.provider is providers.FREE2GPT
