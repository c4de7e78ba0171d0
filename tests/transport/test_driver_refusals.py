"""What a refusal does to a stream, over a real socket: the wait that the service asks for, and no second question."""

import json
from typing import Any

import pytest

import g4flite
from g4flite.testing import Emulator, Script
from g4flite.testing.quirks import QUIRKS as FORMS
from tests.conftest import Driver
from tests.exchanges import answering
from tests.rows import rows

# No wait of its own, so that a wait is the service's.
AT_ONCE = g4flite.Retry(times=2, base=0, cap=0)


def gemini(message: str, *details: Any) -> str:
    return json.dumps(
        [{"error": {"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED", "details": details}}]
    )


@pytest.mark.parametrize(
    ("provider", "body", "headers"),
    [
        ("gemini", gemini("Quota exceeded", {"retryDelay": "0.3s"}), {}),
        ("gemini", gemini("Please retry in 300ms."), {}),
        ("groq", '{"error": {"message": "Please try again in 0.3s", "code": "rate_limit_exceeded"}}', {}),
        ("azure-openai", "{}", {"x-ms-retry-after-ms": "300"}),
        ("openai", "{}", {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "300ms"}),
        ("anthropic", '{"type": "error", "error": {"type": "rate_limit_error", "retry_after": 0.3}}', {}),
    ],
)
def test_the_stream_waits_as_long_as_the_service_asks(
    driver: Driver, server: Emulator, provider: str, body: str, headers: dict[str, str]
) -> None:
    answering(server, Script(status=429, body=body, headers=headers), Script())
    base = server.url if provider in ("gemini", "anthropic", "azure-openai") else f"{server.url}/v1"
    text = driver.collect(provider, "Hi", model="m", api_key="key-123456", base_url=base, retries=AT_ONCE)
    assert "".join(text) == "You said: Hi"
    first, second = server.exchanges
    assert second.started - first.started >= 0.29


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (429, '{"error": {"message": "no", "code": "insufficient_quota"}}'),
        (429, '{"error": {"message": "Please recharge", "code": "1113"}}'),
        (500, '{"error": {"message": "Your team has used all available credits"}}'),
        (500, '{"error": {"code": 500, "message": "image input is not supported", "type": "server_error"}}'),
        (500, 'data: {"error": {"message": "Invalid model name passed in model=m"}}\n\ndata: [DONE]\n\n'),
    ],
)
def test_what_no_second_attempt_can_change_is_asked_once(
    driver: Driver, server: Emulator, status: int, body: str
) -> None:
    server.script = Script(status=status, body=body)
    with pytest.raises(g4flite.StatusError):
        driver.collect("openai", "Hi", model="m", api_key="key-123456", base_url=f"{server.url}/v1", retries=AT_ONCE)
    assert len(server.exchanges) == 1


STREAMS = ["openai", "openai-responses", "anthropic", "gemini", "cohere"]


QUIRKS = ["bare_error", "bare_message", "error_as_detail", "error_in_a_list", "error_in_base_resp", "error_in_choice",
          "error_in_field", "error_in_half_an_event", "error_in_plain_text", "error_of_another_protocol",
          "error_on_lines"]  # fmt: skip


@rows("quirk", QUIRKS, shared=True)
@pytest.mark.parametrize("provider", [*STREAMS, "ollama"])
def test_an_error_in_the_stream_that_is_no_event_of_the_protocol_is_raised(
    driver: Driver, server: Emulator, provider: str, quirk: str
) -> None:
    if {"openai": "chat", "openai-responses": "responses"}.get(provider, provider) not in FORMS[quirk]:
        return
    server.script = Script(quirk=quirk)
    base = f"{server.url}/v1" if provider.startswith("openai") else server.url
    with pytest.raises(g4flite.ContextLengthError, match="'prompt is too long'"):
        driver.collect(provider, "Hi", model="m", api_key="key-123456", base_url=base)


@rows(
    "body",
    [
        '{"error": {"message": "Slow down, try again in 10ms", "code": 429}}\n\n',
        '{\n  "error": {\n    "message": "Slow down, try again in 10ms",\n    "code": 429\n  }\n}\n',
        ': ping\n\n{"error": {"message": "Slow down", "type": "rate_limit_error"}}\n\ndata: [DONE]\n\n',
        "event: error\ndata: rate limit exceeded, try again in 10ms\n\n",
        'event: error\ndata: {"message": "Slow down", "code": "rate_limit_exceeded"}\n\n',
        'data: {"error": {"message": "Slow down", "code": 429}}',
        '{"id": "4", "message": "rate limit exceeded, try again in 10ms"}\n',
        '{"code": 429, "message": "Slow down, try again in 10ms"}\n',
        '{"errors": [{"message": "Slow down, try again in 10ms", "code": 429}]}\n',
        '\t{"error": {"message": "Slow\tdown, try again in 10ms", "code": 429}}\n',
        'data: {"object": "error", "message": "Slow down, try again in 10ms", "code": 429}\n\n',
        'data: {"base_resp": {"status_code": 1002, "status_msg": "rate limit exceeded, try again in 10ms"}}\n\n',
    ],
    shared=True,
)
@pytest.mark.parametrize("provider", STREAMS)
def test_an_error_before_the_first_text_is_retried_by_the_rules_of_a_status(
    driver: Driver, server: Emulator, provider: str, body: str
) -> None:
    answering(server, Script(body=body, headers={"content-type": "text/event-stream"}), Script())
    base = f"{server.url}/v1" if provider.startswith("openai") else server.url
    text = driver.collect(provider, "Hi", model="m", api_key="key-123456", base_url=base, retries=AT_ONCE)
    assert "".join(text) == "You said: Hi"
    assert [attempt.outcome.partition(":")[0] for attempt in driver.stream.attempts] == ["RateLimitError", "complete"]


@rows("reset", [True, False])
@rows(
    ("error", "kind"),
    [
        ('{"error": {"message": "prompt is too long"}}', g4flite.ContextLengthError),
        ('{"error": {"message": "the GPU is on fire", "type": "odd"}}', g4flite.ProviderError),
    ],
)
@rows("form", ["data: {}", "data: {}\n", "{}", "event: error\ndata: {}\n", "lines"], shared=True)
@pytest.mark.parametrize("provider", STREAMS)
def test_an_error_is_raised_though_it_is_the_last_thing_before_a_cut(
    driver: Driver, server: Emulator, provider: str, form: str, error: str, kind: type[Exception], reset: bool
) -> None:
    is_ollama = form == "lines"
    body = error if is_ollama else form.replace("{}", error)
    content_type = "application/x-ndjson" if is_ollama else "text/event-stream"
    server.script = Script(body=body, cut=len(body), reset=reset, headers={"content-type": content_type})
    base = f"{server.url}/v1" if provider.startswith("openai") and not is_ollama else server.url
    with pytest.raises(kind) as caught:
        driver.collect("ollama" if is_ollama else provider, "Hi", model="m", api_key="key-123456", base_url=base)
    assert "prompt is too long" in str(caught.value) or "the GPU is on fire" in str(caught.value)


# What a terminal obeys: a colour, its form in one byte, a return to the start of the line, and a mark of direction.
ESCAPES = ["\x1b[31m", "\x9b31m", "\r", "\u202e", "\x07", "\n"]


def scripts(escape: str) -> list[Script]:
    """Return responses that say the escape in each place that a message quotes."""
    header = escape.encode().decode("latin-1").replace("\r", "\x0b").replace("\n", "\x0b")
    in_json = [
        {"error": {"message": escape, "code": escape, "type": escape, "request_id": f"id{escape}"}},
        {"error": escape},
        {"choices": [{"index": 0, "delta": {"content": {escape: 1}}}]},
    ]
    return [
        Script(body="<p>", headers={"content-type": f"text/html{header}x"}),
        Script(body="x", headers={"content-encoding": f"x{header}"}),
        Script(status=302, headers={"location": f"http://a{header}b.test/"}),
        Script(status=500, headers={"x-request-id": f"id{header}"}, body=escape),
        Script(raw=f"HTTP/1.1 500 x{header}y\r\ncontent-length: 0\r\n\r\n".encode("latin-1")),
        *(Script(status=400, body=json.dumps(body)) for body in in_json),
        *(Script(body=f"data: {json.dumps(body)}\n\n") for body in in_json),
        Script(body=f"data: {escape}\n\n"),
        Script(body=f"event: error\ndata: x{escape}y\n\n"),
    ]


@rows("number", range(len(scripts("x"))), shared=True)
@pytest.mark.parametrize("escape", ESCAPES, ids=ascii)
def test_a_message_is_one_printable_line(driver: Driver, server: Emulator, escape: str, number: int) -> None:
    server.script = scripts(escape)[number]
    with pytest.raises(g4flite.G4fliteError) as caught:
        driver.collect("openai", "Hi", model="m", api_key="key-123456", base_url=f"{server.url}/v1")
    assert str(caught.value).isprintable()
    assert all(attempt.outcome.isprintable() for attempt in driver.stream.attempts)


def test_the_message_of_several_errors_has_a_line_for_each(driver: Driver, server: Emulator) -> None:
    server.script = Script(body="<p>", headers={"content-type": "text/html\x1b[31m"})
    with pytest.raises(g4flite.AllFailedError) as caught:
        driver.collect(["cromicle", "free2gpt"], "Hi", base_url=server.url)
    first, *lines = str(caught.value).split("\n")
    assert first == "cromicle, free2gpt: none of 2 providers answered:"
    assert [line.partition(":")[0] for line in lines] == ["  cromicle", "  free2gpt"]
    assert all("\\x1b[31m" in line and line.isprintable() for line in lines)
