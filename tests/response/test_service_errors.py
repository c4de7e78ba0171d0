"""Errors that services report: each form with its source, as the body of a status and inside a reply of status 200."""

import json
import pickle
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from g4flite import (
    AuthenticationError,
    ContentFilterError,
    ContextLengthError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    StatusError,
)
from g4flite._core import errors
from g4flite._core.response.excerpts import BODY_READ
from g4flite._core.response.service_errors import (
    ADVICE,
    Report,
    classify,
    report_of,
    reported,
    status_error,
)
from g4flite._core.response.waits import asked_by_headers
from g4flite._core.settings import may_pass
from tests.rows import rows

REFUSALS = {kind for kind in vars(errors).values() if isinstance(kind, type) and StatusError in kind.__bases__}
SPENT = "You exceeded your current quota, please check your plan and billing details."
LONG = "This model's maximum context length is 4097 tokens. Please reduce the length of the messages."
FILTERED = "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."
KEY_INFO = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
NO_KEY = {"code": 400, "message": "Please renew it.", "status": "INVALID_ARGUMENT", "details": ["x", KEY_INFO]}
FULL = {"code": 503, "message": "Try again later.", "status": "UNAVAILABLE"}
UPSTREAM = {"code": 429, "message": "Provider returned error", "metadata": {"raw": "slow down", "provider_name": "Q"}}
GROQ = {"message": "Failed to call", "type": "invalid_request_error", "code": "tool_use_failed", "status_code": 401}
SMALL = {"code": 400, "message": "the request exceeds the available context size", "type": "exceed_context_size_error"}


def anthropic(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_011C"}


def openai(message: str, kind: str | None, code: str | None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


# Status, report, the quoted part of its message, code, kind, class by status, class inside a reply (None: no error).
ANYWHERE: dict[str, tuple[Any, ...]] = {
    # OpenAI: {"error": {"message", "type", "param", "code"}}; the codes: platform.openai.com/docs/guides/error-codes
    "openai 400 length": (
        400, openai(LONG, "invalid_request_error", "context_length_exceeded"), "maximum context length is 4097",
        "context_length_exceeded", "invalid_request_error", ContextLengthError, ContextLengthError,
    ),
    "openai 400": (
        400, openai("Missing 'model'.", "invalid_request_error", None), "Missing 'model'.",
        None, "invalid_request_error", StatusError, ProviderError,
    ),
    "openai 401": (
        401, openai("Incorrect API key provided", "invalid_request_error", "invalid_api_key"), "Incorrect API key",
        "invalid_api_key", "invalid_request_error", AuthenticationError, AuthenticationError,
    ),
    "openai 403": (
        403, openai("Not in your country", "unsupported", None), "Not in your country",
        None, "unsupported", PermissionDeniedError, ProviderError,
    ),
    "openai 404": (
        404, openai("The model `x` does not exist", "invalid_request_error", "model_not_found"), "does not exist",
        "model_not_found", "invalid_request_error", NotFoundError, NotFoundError,
    ),
    "openai 429": (
        429, openai("Rate limit reached", "requests", "rate_limit_exceeded"), "Rate limit reached",
        "rate_limit_exceeded", "requests", RateLimitError, RateLimitError,
    ),
    "openai 429 quota": (
        429, openai(SPENT, "insufficient_quota", "insufficient_quota"), "exceeded your current quota",
        "insufficient_quota", "insufficient_quota", RateLimitError, RateLimitError,
    ),
    "openai 503 slow": (
        503, openai("The engine is currently overloaded", "server_error", None), "currently overloaded",
        None, "server_error", OverloadedError, OverloadedError,
    ),
    "openai 500": (
        500, openai("The server had an error", "server_error", None), "had an error",
        None, "server_error", StatusError, ProviderError,
    ),
    # openai/openai-python#331: Azure, with `status` a number
    "azure 400 filter": (
        400, {"error": {"message": FILTERED, "type": None, "param": "prompt", "code": "content_filter", "status": 400}},
        "filtered due to the prompt", "content_filter", None, ContentFilterError, ContentFilterError,
    ),
    # BerriAI/litellm#16231: the same message behind a proxy, whose code is a string of digits
    "litellm 400 filter": (
        400, openai(FILTERED, None, "400"), "filtered due", "400", None, ContentFilterError, ContentFilterError,
    ),
    # OpenRouter: error {code, message, metadata}; open-webui/computer#293 for `raw`
    "openrouter 429": (
        429, {"error": UPSTREAM}, "Provider returned error: slow down", 429, None, RateLimitError, RateLimitError,
    ),
    "openrouter 403 flagged": (
        403, {"error": {"code": 403, "message": "Your input was flagged"}}, "Your input was flagged",
        403, None, ContentFilterError, ContentFilterError,
    ),
    # digiogithub/pando#8: metadata.error_type
    "openrouter metadata": (
        502, {"error": {"code": 502, "message": "Provider returned error", "metadata": {"error_type": "rate_limited"}}},
        "'Provider returned error'", 502, "rate_limited", RateLimitError, RateLimitError,
    ),
    # Groq: type, code, failed_generation, status_code
    "groq": (
        400, {"error": GROQ}, "Failed to call", "tool_use_failed", "invalid_request_error",
        AuthenticationError, AuthenticationError,
    ),
    # Hugging Face: {"error": "text", "error_type"?}
    "tgi 422": (
        422, {"error": "Input validation error", "error_type": "validation"}, "Input validation error",
        None, "validation", StatusError, ProviderError,
    ),
    "tgi 424": (
        424, {"error": "Model is overloaded", "error_type": "overloaded"}, "Model is overloaded",
        None, "overloaded", OverloadedError, OverloadedError,
    ),
    # llama.cpp: ggml-org/llama.cpp#15780, #19774
    "llama.cpp 400": (
        400, {"error": SMALL}, "exceeds the available context", 400, "exceed_context_size_error",
        ContextLengthError, ContextLengthError,
    ),
    "llama.cpp 500": (
        500, {"error": {"code": 500, "message": "Context size has been exceeded.", "type": "server_error"}},
        "has been exceeded", 500, "server_error", ContextLengthError, ContextLengthError,
    ),
    # OpenAI's Responses: flat, as its type is declared, and nested, as it was recorded
    "responses flat": (
        429, {"type": "error", "code": "rate_limit_exceeded", "message": "Slow", "param": None}, "'Slow'",
        "rate_limit_exceeded", None, RateLimitError, RateLimitError,
    ),
    "responses nested": (
        400, {"type": "error", "sequence_number": 2, **openai("Too long", "invalid", "context_length_exceeded")},
        "Too long", "context_length_exceeded", "invalid", ContextLengthError, ContextLengthError,
    ),
    # Anthropic: {"type": "error", "error": {"type", "message"}, "request_id"}; docs.claude.com/en/api/errors
    "anthropic 400 length": (
        400, anthropic("invalid_request_error", "prompt is too long: 200251 tokens > 200000 maximum"),
        "prompt is too long: 200251", None, "invalid_request_error", ContextLengthError, ContextLengthError,
    ),
    "anthropic 400": (
        400, anthropic("invalid_request_error", "max_tokens: 10000 > 4096, which is the maximum allowed number"),
        "max_tokens: 10000", None, "invalid_request_error", StatusError, ProviderError,
    ),
    "anthropic 400 filter": (
        400, anthropic("invalid_request_error", "Output blocked by content filtering policy"),
        "Output blocked", None, "invalid_request_error", ContentFilterError, ContentFilterError,
    ),
    "anthropic 401": (
        401, anthropic("authentication_error", "invalid x-api-key"), "invalid x-api-key",
        None, "authentication_error", AuthenticationError, AuthenticationError,
    ),
    "anthropic 403": (
        403, anthropic("permission_error", "no access"), "no access", None, "permission_error",
        PermissionDeniedError, PermissionDeniedError,
    ),
    "anthropic 404": (
        404, anthropic("not_found_error", "model: x"), "model: x", None, "not_found_error",
        NotFoundError, NotFoundError,
    ),
    "anthropic 413": (
        413, anthropic("request_too_large", "too large"), "too large", None, "request_too_large",
        StatusError, ProviderError,
    ),
    "anthropic 429": (
        429, anthropic("rate_limit_error", "Too many tokens a minute"), "a minute", None, "rate_limit_error",
        RateLimitError, RateLimitError,
    ),
    "anthropic 500": (
        500, anthropic("api_error", "Internal server error"), "Internal server", None, "api_error",
        StatusError, ProviderError,
    ),
    "anthropic 529": (
        529, anthropic("overloaded_error", "Overloaded"), "'Overloaded'", None, "overloaded_error",
        OverloadedError, OverloadedError,
    ),
    # Gemini: {"error": {"code", "message", "status", "details"}}, or a list of one; karateboy's report in
    # cequence-io/openai-scala-client#109, google-gemini/gemini-cli#6678
    "gemini 400 key, by its reason": (
        400, {"error": NO_KEY}, "Please renew it.", 400, "INVALID_ARGUMENT", AuthenticationError, AuthenticationError,
    ),
    "gemini 400 key, by its message": (
        400, {"error": {"code": 400, "message": "API key not valid. Please pass a valid API key.", "details": {}}},
        "API key not valid", 400, None, AuthenticationError, AuthenticationError,
    ),
    "gemini 400 length": (
        400, [{"error": {"code": 400, "message": "The count (2) exceeds the maximum number of tokens allowed (1)",
                         "status": "INVALID_ARGUMENT"}}],
        "The count (2) exceeds", 400, "INVALID_ARGUMENT", ContextLengthError, ContextLengthError,
    ),
    "gemini 403": (
        403, {"error": {"code": 403, "message": "Your API key was reported as leaked", "status": "PERMISSION_DENIED"}},
        "reported as leaked", 403, "PERMISSION_DENIED", PermissionDeniedError, PermissionDeniedError,
    ),
    "gemini 404": (
        404, [{"error": {"code": 404, "message": "models/x is not found", "status": "NOT_FOUND"}}],
        "models/x is not found", 404, "NOT_FOUND", NotFoundError, NotFoundError,
    ),
    "gemini 429": (
        429, {"error": {"code": 429, "message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED"}},
        "Quota exceeded", 429, "RESOURCE_EXHAUSTED", RateLimitError, RateLimitError,
    ),
    # googleapis/python-genai#2604: in a stream too
    "gemini 503": (
        503, {"error": FULL}, "Try again later.", 503, "UNAVAILABLE", OverloadedError, OverloadedError,
    ),
    "gemini 401": (
        401, {"error": {"code": 401, "message": "No credentials", "status": "UNAUTHENTICATED"}},
        "No credentials", 401, "UNAUTHENTICATED", AuthenticationError, AuthenticationError,
    ),
    # Ollama: {"error": "..."}, and the same as a line of a reply
    "ollama 404": (
        404, {"error": "model 'x' not found"}, "model 'x' not found", None, None, NotFoundError, NotFoundError,
    ),
    "ollama 500": (
        500, {"error": "an error was encountered"}, "encountered", None, None, StatusError, ProviderError,
    ),
    # Mistral: {"object": "error", "message", "type", "code"}; raycast/extensions#31107
    "mistral 429": (
        429, {"object": "error", "message": "Rate limit exceeded", "type": "rate_limited", "code": "1300"},
        "Rate limit exceeded", "1300", "rate_limited", RateLimitError, RateLimitError,
    ),
    "vllm 400": (
        400, {"object": "error", "message": LONG, "type": "BadRequestError", "param": None, "code": 400},
        "maximum context length", 400, "BadRequestError", ContextLengthError, ContextLengthError,
    ),
    # Of no particular service: forms that common frameworks produce
    "a word for a text": (
        500, {"error": "rate_limit_exceeded"}, "rate_limit_exceeded", None, None, RateLimitError, RateLimitError,
    ),
    "a title and a text": (
        400, {"error": "Unauthorized", "message": "Log in"}, "'Log in'", None, "Unauthorized",
        AuthenticationError, AuthenticationError,
    ),
    "true and a text": (400, {"error": True, "message": "No"}, "'No'", None, None, StatusError, ProviderError),
    "a class of Python's": (
        500, {"error": {"type": "RateLimitError", "message": "No"}}, "'No'", None, "RateLimitError",
        RateLimitError, RateLimitError,
    ),
    "safety": (
        400, {"error": {"code": "SAFETY", "message": "No", "type": ""}}, "'No'", "SAFETY", None,
        ContentFilterError, ContentFilterError,
    ),
    "a reply's end": (
        400, {"error": {"code": "model_context_window_exceeded"}}, '{"code": ', "model_context_window_exceeded", None,
        ContextLengthError, ContextLengthError,
    ),
}  # fmt: skip
BODIES: dict[str, tuple[Any, ...]] = {
    # Cohere: {"message": "..."}; cohere-ai/sandbox-topically#4
    "cohere 400": (
        400, {"message": "too many tokens: total number of tokens cannot exceed 2048"}, "too many tokens",
        None, None, ContextLengthError, None,
    ),
    "cohere 401": (401, {"message": "invalid api token"}, "invalid api token", None, None, AuthenticationError, None),
    "cohere 429": (429, {"message": "You are using a trial key"}, "a trial key", None, None, RateLimitError, None),
    # Mistral: 422 {"detail": [...]}; Gitlawb/openclaude#739
    "mistral 422": (
        422, {"detail": [{"type": "extra", "loc": ["body", "store"], "msg": "Extra inputs", "input": "too many tokens"},
                         {"loc": ["body", 0], "msg": "Odd"}, {"loc": 3, "msg": "x"}, "y"]},
        "'body.store: Extra inputs; body.0: Odd'", None, None, StatusError, None,
    ),
    "fastapi 404": (404, {"detail": "Not Found"}, "'Not Found'", None, None, NotFoundError, None),
    "an object as detail": (
        400, {"detail": {"message": "No", "code": "content_filter"}}, "'No'", "content_filter", None,
        ContentFilterError, None,
    ),
}  # fmt: skip
EVERY = {**ANYWHERE, **BODIES}


def refused(status: int, body: Any, **headers: str) -> StatusError:
    text = body if isinstance(body, str) else json.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status_error(status, named, text, rules=(), key_variables=(), now_ms=0)


@rows(("status", "report", "said", "code", "kind", "error", "inside"), EVERY.values())
def test_the_error_of_a_status_has_the_class_and_the_message_of_its_report(
    status: int, report: Any, said: str, code: Any, kind: Any, error: type[StatusError], inside: Any
) -> None:
    caught = refused(status, report)
    assert type(caught) is error
    assert said in str(caught)
    assert str(caught).startswith(f"status {status}")
    assert (caught.status, caught.code, caught.kind, caught.body) == (status, code, kind, json.dumps(report))


@rows(("status", "report", "said", "code", "kind", "error", "inside"), EVERY.values())
@rows("shape", [json.dumps, lambda report: report])
def test_the_error_of_a_report_inside_a_reply_has_its_class_and_message(
    shape: Any, status: int, report: Any, said: str, code: Any, kind: Any, error: Any, inside: Any
) -> None:
    caught: Any = reported(shape(report))
    if inside is None:
        assert caught is None
        return
    assert type(caught) is inside
    assert str(caught).startswith("the service reports an error: ")
    assert said in str(caught)
    assert (caught.code, caught.kind) == (code, kind)
    if isinstance(caught, StatusError):
        assert (caught.status, caught.body) == (200, json.dumps(report))


@rows(
    ("status", "message"),
    [
        (400, "the function f is overloaded"),
        (400, "the tool is unavailable"),
        (500, "the disk is unavailable"),
        (404, "no API key of that name"),
        (400, "the limit of n is 4"),
        (400, "safety is no parameter"),
        (400, "the title is too long"),
        (400, "set rate_limit to a number"),
        (400, "the content of a message is a string"),
        (400, "maximum length is 4 contexts"),
        (400, "length 429 is over 401"),
        (503, "busy"),
        (400, ""),
    ],
)
def test_an_ordinary_message_does_not_change_the_class(status: int, message: str) -> None:
    kind = None if status != 404 else NotFoundError
    assert classify(status, Report(message)) is kind
    assert classify(status, Report(message, code="unknown", kind="invalid_request_error")) is kind


@pytest.mark.parametrize(("status", "kind"), [(401, AuthenticationError), (503, None), (418, None), (200, None)])
def test_a_status_without_a_report_has_the_class_of_its_number(status: int, kind: Any) -> None:
    assert classify(status, None) is kind


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (503, "<h1>503 Service Temporarily Unavailable</h1>", OverloadedError),
        (500, "Model overloaded", OverloadedError),
        (503, "<h1>Down</h1>", StatusError),
        (400, "prompt is too long", ContextLengthError),
        (429, "prompt is too long", RateLimitError),
        (302, "prompt is too long", StatusError),
        (400, '{"problems": [{"code": 5}]}', StatusError),
        (400, "[]", StatusError),
        (400, "[" * 100_000, StatusError),
    ],
)
def test_a_body_of_an_unknown_shape_is_searched_for_known_words_and_quoted(status: int, body: str, kind: Any) -> None:
    error = refused(status, body)
    assert type(error) is kind
    assert f": '{body[:20]}" in str(error)
    assert (error.code, error.kind) == (None, None)


def test_a_report_s_code_wins_over_the_status_and_a_rate_limit_wins_over_all_codes() -> None:
    assert classify(403, Report("It violates our content policy", kind="permission_error")) is ContentFilterError
    assert classify(500, Report("x", code="invalid_api_key")) is AuthenticationError
    assert classify(429, Report("x", code="context_length_exceeded")) is RateLimitError
    assert classify(200, Report("Too many tokens, wait", code=429)) is RateLimitError
    assert classify(200, Report("the function f is overloaded", code=400)) is None


@pytest.mark.parametrize(
    ("report", "advice"),
    [
        (openai("x", None, "invalid_api_key"), "check api_key= or the environment variable that holds it"),
        (openai("x", None, "context_length_exceeded"), "shorten the messages, or ask a model with a larger context"),
        (openai("x", None, "content_filter"), "change the messages, or ask another provider"),
        (openai("x", "overloaded_error", None), "try again later, or ask another provider"),
        (openai("x", "server_error", None), "try again later, or ask another provider"),
        ({"error": {"message": "x", "code": 502}}, "try again later, or ask another provider"),
        (openai("x", "odd", None), "check the messages and options"),
    ],
)
def test_the_error_of_a_report_inside_a_reply_says_what_to_try(report: Any, advice: str) -> None:
    assert str(reported(report)) == f"the service reports an error: 'x'; {advice}"


@pytest.mark.parametrize(
    ("code", "kind", "shown"),
    [
        ("unknown_url", "invalid_request_error", " (unknown_url)"),
        ("1302", "odd.kind-1", " (odd.kind-1)"),
        (400, "INVALID_ARGUMENT", " (INVALID_ARGUMENT)"),
        ("two words", None, ""),
        ("x" * 81, "y" * 80, f" ({'y' * 80})"),
        ("line\n", None, ""),
        (None, None, ""),
    ],
)
def test_the_error_of_a_status_shows_the_code_or_the_type_of_its_report(code: Any, kind: Any, shown: str) -> None:
    error = refused(400, {"error": {"message": "No", "code": code, "type": kind}})
    assert str(error) == f"status 400 Bad Request: 'No'{shown}; check the messages and options"


NO_ERRORS: list[Any] = [
    {}, {"error": None}, {"error": ""}, {"error": {}}, {"error": False}, {"message": "hi"}, {"detail": "x"}, [], 3,
    None, "text", [{"error": "a"}, {"error": "b"}], {"type": "response.failed", "response": {"error": {"code": "x"}}},
    {"type": "message", "message": "hi"}, "[" * 100_000,
]  # fmt: skip


@rows("value", NO_ERRORS)
def test_a_value_without_an_error_is_no_report(value: Any) -> None:
    assert report_of(value) is None
    assert reported(value) is None


@pytest.mark.parametrize("value", [{"message": 3}, {"message": None, "detail": ""}, {"message": ["x"]}, {"detail": []}])
def test_a_body_without_a_message_is_no_report(value: Any) -> None:
    assert report_of(value, bare=True) is None


@pytest.mark.parametrize(
    ("report", "said"),
    [
        ({"error": {"message": " \n", "why": 1}}, '{"message": " \\n", "why": 1}'),
        ({"error": {"message": 3}}, '{"message": 3}'),
        ({"error": [{"msg": "no place"}]}, '[{"msg": "no place"}]'),
        ({"type": "error"}, '{"type": "error"}'),
        ({"error": {"message": "Provider returned error", "metadata": "x"}}, "Provider returned error"),
        ({"error": {"message": "Provider returned error", "metadata": {"raw": 3}}}, "Provider returned error"),
    ],
)
def test_a_report_without_a_message_is_quoted_whole(report: Any, said: str) -> None:
    assert report_of(report) == Report(said)


def test_codes_of_a_wrong_type_are_left_out_and_long_codes_are_shortened() -> None:
    report = report_of({"error": {"message": "x", "code": True, "type": "k" * 5000, "status": ["s"]}})
    assert report == Report("x", code=None, kind="k" * 2048)
    assert report_of({"error": {"message": "x", "code": "c" * 5000}}) == Report("x", code="c" * 2048)


def test_the_error_of_a_report_inside_a_reply_keeps_two_kilobytes_of_the_report() -> None:
    error = reported({"error": {"message": "m" * 100_000, "code": 429}})
    assert isinstance(error, RateLimitError)
    assert error.body == '{"error": {"message": "' + "m" * 2025
    assert len(str(error)) < 400


def test_a_report_that_is_nested_too_deep_still_has_its_class() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    error = reported({"error": {"message": deep, "code": 429}})
    assert isinstance(error, RateLimitError)
    assert "'JSON that is nested too deep'; wait" in str(error)
    assert error.body == "JSON that is nested too deep"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([
        "error", "message", "detail", "type", "code", "status", "details", "metadata", "raw", "reason", "loc", "msg",
        "request_id", "object", "error_type", "status_code",
    ]), inner),
)  # fmt: skip


@given(JSON, st.sampled_from([200, 400, 503]))
def test_any_json_gives_a_known_error_or_no_error(value: Any, status: int) -> None:
    for bare in (False, True):
        report = report_of(value, bare=bare)
        assert report is None or report.message
        assert classify(status, report) in {None, *REFUSALS}
    error = reported(value)
    assert (error is None) is (report_of(value) is None)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_the_request_id_comes_from_the_body_or_else_from_a_header() -> None:
    body = anthropic("api_error", "No")
    assert refused(500, body, request_id="req_header").request_id == "req_011C"
    assert str(refused(500, body)).endswith(" (request id req_011C)")
    assert refused(500, "No", request_id="req_header").request_id == "req_header"
    assert refused(500, "No").request_id is None
    assert getattr(reported(body), "request_id", None) == "req_011C"
    assert getattr(reported(anthropic("overloaded_error", "No")), "request_id", None) == "req_011C"


@pytest.mark.parametrize("name", ["a\nb", "", 7, None, "i" * 4097])
def test_a_request_id_that_cannot_be_shown_is_left_out(name: Any) -> None:
    report = report_of({"error": "x", "request_id": name})
    assert report is not None
    assert report.request_id is None


def test_every_class_of_a_service_error_has_advice() -> None:
    assert set(ADVICE) == REFUSALS


def test_the_first_of_several_types_is_the_kind_and_each_type_counts() -> None:
    error = reported({"error": {"message": "no", "type": "vendor_problem", "error_type": "rate_limit_error"}})
    assert type(error) is RateLimitError
    assert error.kind == "vendor_problem"


def test_the_code_of_a_report_wins_over_its_other_numbers() -> None:
    """A message about the key means the key, if the status fits."""
    for code, other, kind in ((400, 500, AuthenticationError), (500, 400, ProviderError)):
        report = {"error": {"message": "Invalid API key", "code": code, "status_code": other}}
        assert type(reported(report)) is kind


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (399, "it redirects to another path"),
        (400, "check the messages and options"),
        (499, "check the messages and options"),
        (500, "the service fails"),
    ],
)
def test_the_advice_for_a_status_changes_with_the_first_digit(status: int, advice: str) -> None:
    error = status_error(status, {}, "something else", rules=(), key_variables=(), now_ms=0)
    assert f"; {advice}" in str(error)


@pytest.mark.parametrize(("status", "kind"), [(399, StatusError), (400, RateLimitError)])
def test_the_body_of_a_redirect_is_not_searched_for_words(status: int, kind: type[StatusError]) -> None:
    assert type(status_error(status, {}, "too_many_requests", rules=(), key_variables=(), now_ms=0)) is kind


@pytest.mark.parametrize(
    ("status", "advice"),
    [(401, "check api_key=, or A_KEY or B_KEY in the environment"), (403, "the service refuses this caller")],
)
def test_only_the_error_of_status_401_names_the_variables_of_the_key(status: int, advice: str) -> None:
    error = status_error(status, {}, "", rules=(), key_variables=("A_KEY", "B_KEY"), now_ms=0)
    assert f"; {advice}" in str(error)


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60),
        ("Wed, 15 Nov 2023 00:14:20 +0200", 60),
        ("1.5", 1.5),
        ("1.5.5", None),
        ("1,5", None),
    ],
)
def test_a_wait_is_a_number_or_a_date_of_any_zone(asked: str, seconds: float | None) -> None:
    assert asked_by_headers({"retry-after": asked}, 1_700_000_000_000) == seconds


# Status and body of an error that says that a quota is used up, and a word of its message.
USED_UP: dict[str, tuple[int, Any, str]] = {
    # simonw/llm#494; relays drop the code
    "openai": (429, openai(SPENT, "insufficient_quota", "insufficient_quota"), "current quota"),
    "openai, its words alone": (429, openai(SPENT, None, None), "current quota"),
    "openai, its words in a relay's 500": (500, openai(f"litellm.RateLimitError: {SPENT}", None, None), "litellm"),
    "openai, its limit": (429, openai("Billing hard limit has been reached", "x", "billing_hard_limit_reached"), "has"),
    # anthropics/claude-code#66314
    "anthropic": (400, anthropic("invalid_request_error", "Your credit balance is too low to access"), "too low"),
    "anthropic, a workspace": (
        400, anthropic("invalid_request_error", "You have reached your specified workspace API usage limits. You will "
                       "regain access on 2025-12-01 at 00:00 UTC."), "specified workspace API",
    ),
    "anthropic 429": (429, anthropic("rate_limit_error", "You have reached your specified API usage limits."), "API"),
    "anthropic 402": (402, anthropic("billing_error", "Payment failed"), "Payment failed"),
    # Moonshot
    "kimi": (429, openai("Your account is suspended", "exceeded_current_quota_error", None), "suspended"),
    # Z.AI, as text and as number
    "zai": (429, openai("Insufficient balance or no resource package.", None, "1113"), "package"),
    "zai, a number": (429, {"error": {"code": 1113, "message": "Please recharge."}}, "recharge"),
    # tetsuo-ai/agenc-core PR#2491, dirge-code/dirge#818
    **{f"zai {code}": (429, openai("No more.", None, code), "No more")
       for code in ("1308", "1309", "1310", "1316", "1317", "1318", "1319", "1320", "1321")},
    "zai, five hours": (429, anthropic("rate_limit_error", "[x][Usage limit reached for 5 hour. Your limit will reset "
                                       "at 2026-08-25 07:41:44]"), "5 hour"),
    "zai, a week": (429, openai("Weekly/Monthly Limit Exhausted. Your limit will reset at 2026-02-01 10:00:00", None,
                                None), "Exhausted"),
    # openclaw/openclaw PR#142656
    "kimi 403": (403, openai("You've reached your weekly (7-day) usage limit. Your quota will reset when the current "
                             "7-day window ends.", "access_terminated_error", None), "7-day"),
    "kimi 403, a month": (403, openai("You've reached your usage limit for this billing cycle.",
                                      "access_terminated_error", None), "billing cycle"),
    # github/copilot-cli#2769
    "copilot": (429, openai("Sorry, you've exceeded your weekly rate limit.", None, "user_weekly_rate_limited"), "wee"),
    # google-gemini/gemini-cli#8437, with and without RetryInfo
    "gemini, a day": (
        429, {"error": {"code": 429, "message": SPENT, "status": "RESOURCE_EXHAUSTED", "details": [
            {"violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"},
                            {"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}, 3]},
            {"retryDelay": "20s"}]}},
        "current quota",
    ),
    "gemini, no RetryInfo": (429, {"error": {"code": 429, "message": SPENT, "status": "RESOURCE_EXHAUSTED"}}, "quota"),
    # continuedev/continue#10373
    "xai 403": (
        403, {"code": "The caller does not have permission", "error": "Your team has either used all available credits "
              "or reached its monthly spending limit."}, "spending limit",
    ),
    "xai 429": (429, {"code": "x", "error": "Your team has used all available credits."}, "used all"),
    # can1357/oh-my-pi#9569
    "openrouter": (
        402, {"error": {"code": 402, "message": "This request requires more credits, or fewer max_tokens."}}, "fewer",
    ),
    "openrouter, empty": (402, {"error": {"code": 402, "message": "Insufficient credits"}}, "Insufficient"),
    "openrouter, a key": (403, {"error": {"code": 403, "message": "Key limit exceeded (total limit)."}}, "Key limit"),
    # Gitlawb/openclaude#936
    "openrouter, a day": (
        429, {"error": {"code": 429, "message": "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock"}},
        "free-models-per-day",
    ),
    "together": (402, openai("Credit limit exceeded, please add credits", "credit_limit", None), "Credit limit"),
    "azure": (403, {"error": {"code": "403", "message": "Out of call volume quota. Replenished in 9:59:59."}}, "Out"),
    "litellm, a budget": (400, openai("Budget has been exceeded! Current cost: 1", "budget_exceeded", "400"), "Budget"),
    "deepseek": (402, openai("Insufficient Balance", "unknown_error", "invalid_request_error"), "Balance"),
    "huggingface": (402, {"error": "You have exceeded your monthly included credits for Inference."}, "monthly"),
    # cohere-ai/cohere-developer-experience#199
    "cohere": (429, {"message": "You are using a Trial key, which is limited to 1000 API calls / month."}, "Trial"),
    # jin-bo/agentao#283, September 2026; earendil-works/pi#4172
    **{
        code: (429, openai("No more.", "x", code), "No more")
        for code in ("credit_balance_exhausted", "organization_spend_limit_exceeded", "project_spend_limit_exceeded",
                     "organization_usage_limit_exceeded", "usage_limit_reached")
    },
    # MiniMax-AI/MiniMax-M2#62 and MiniMax-M2.7#36
    "minimax": (429, openai("no (1008)", "insufficient_balance_error", None), "1008"),
    "minimax 500": (500, anthropic("api_error", "insufficient balance (1008)"), "1008"),
    "minimax, a plan": (429, anthropic("rate_limit_error", "usage limit exceeded, 5-hour usage limit hit"), "5-hour"),
    # continuedev/continue#11444, NousResearch/hermes-agent PR#68832
    "ollama": (429, {"error": "you (x) have reached your session usage limit, upgrade for higher limits"}, "session"),
    "ollama, a week": (429, {"error": "you've reached your weekly usage limit, please wait or upgrade"}, "weekly"),
    # google-gemini/gemini-cli#10925, liuw1535/antigravity2api-nodejs#44, Gitlawb/openclaude PR#249
    "gemini, a day in ErrorInfo": (
        429, {"error": {"code": 429, "message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED", "details": [
            {"reason": "RATE_LIMIT_EXCEEDED", "metadata": {"quota_limit": "Gemini25ProRequestsPerDay"}},
            {"metadata": "x"}]}}, "Quota exceeded",
    ),
    "gemini, a day in words": (429, {"error": {"message": "Quota exceeded for 'Requests per day per user'"}}, "day"),
    "gemini, exhausted": (
        429, {"error": {"code": 429, "message": "No more.", "details": [{"reason": "QUOTA_EXHAUSTED"}]}}, "No more",
    ),
    "gemini, nothing at all": (
        429, {"error": {"message": "Quota exceeded for metric: generativelanguage.googleapis.com/free_tier, limit: 0, "
                        "model: gemini-3-pro\nPlease retry in 2.5s."}}, "limit: 0",
    ),
    "cerebras": (429, openai("Tokens per day limit exceeded - too many tokens processed.", "x", "x"), "per day"),
}  # fmt: skip
# Status and body of an error that says that requests come too fast.
PACE: dict[str, tuple[int, Any]] = {
    "openai": (429, openai("Rate limit reached for gpt", "requests", "rate_limit_exceeded")),
    "gemini, with RetryInfo": (
        429, {"error": {"code": 429, "message": SPENT, "status": "RESOURCE_EXHAUSTED", "details": [
            {"violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"}]},
            {"retryDelay": "2.2s"}]}},
    ),
    "gemini, a minute, no RetryInfo": (
        429, {"error": {"code": 429, "message": SPENT, "status": "RESOURCE_EXHAUSTED", "details": [
            {"violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"}]}]}},
    ),
    "gemini, in words": (429, {"error": {"code": 429, "message": f"{SPENT} Please retry in 2.2s."}}),
    "vertex": (429, {"error": {"code": 429, "message": "Resource exhausted. Please try again later."}}),
    # raycast/extensions#31107, continuedev/continue#6185
    "mistral": (429, {"object": "error", "message": "Rate limit exceeded", "type": "rate_limited", "code": "1300"}),
    "mistral, busy": (429, {"message": "Service tier capacity exceeded for this model."}),
    "deepseek": (429, openai("Rate limit reached", "rate_limit", None)),
    "zai": (429, openai("High concurrency usage of this API, please reduce concurrency", None, "1302")),
    "zai, overload": (429, openai("The service may be temporarily overloaded", None, "1305")),
    "kimi": (429, openai("The engine is busy", "engine_overloaded_error", None)),
    "cohere": (429, {"message": "You are using a Trial key, which is limited to 20 API calls / minute."}),
    "groq, a day": (
        429, openai("Rate limit reached on tokens per day (TPD): Limit 100000, Used 99336. Please try again in 7.6s.",
                    "tokens", "rate_limit_exceeded"),
    ),
    "cerebras": (
        429, openai("Tokens per minute limit exceeded - too many tokens processed.", "x", "token_quota_exceeded"),
    ),
    "gemini, limit: 10": (429, {"error": {"message": "Quota exceeded for metric: free_tier, limit: 10, model: x"}}),
    "nothing": (429, ""),
}  # fmt: skip


@rows(("status", "body", "said"), USED_UP.values())
def test_a_quota_that_is_used_up_is_never_asked_again(status: int, body: Any, said: str) -> None:
    for headers in ({}, {"x_should_retry": "true"}, {"retry_after": "1"}):
        error = refused(status, body, **headers)
        assert type(error) is RateLimitError
        assert said in str(error)
        assert "the quota is used up: add credit, or ask another provider" in str(error)
        assert error.should_retry is False
        assert not may_pass(error)
    if "message" not in body:
        inside = reported(body)
        assert isinstance(inside, RateLimitError)
        assert not may_pass(inside)
        assert "the quota is used up" in str(inside)


@rows(("status", "body"), PACE.values())
def test_requests_that_came_too_fast_are_made_again(status: int, body: Any) -> None:
    error = refused(status, body)
    assert type(error) in (RateLimitError, OverloadedError)
    assert error.should_retry is None
    assert may_pass(error)
    assert "used up" not in str(error)


def test_the_error_of_minimax_is_read_where_its_code_is_not_zero() -> None:
    def minimax(code: object, said: str) -> dict[str, Any]:
        return {"choices": None, "base_resp": {"status_code": code, "status_msg": said}}

    assert type(refused(500, minimax(1008, "insufficient balance"))) is RateLimitError
    error = reported(minimax(1002, "rate limit triggered, please try again later"))
    assert isinstance(error, ProviderError)
    assert (error.code, error.passing) == (1002, True)
    assert reported(minimax(0, "")) is reported({"base_resp": None}) is None


def test_a_402_is_never_asked_again_whatever_it_says() -> None:
    for body in ("", "no", {"error": "pay"}):
        error = refused(402, body, x_should_retry="true")
        assert type(error) is StatusError
        assert not may_pass(error)
        assert "no credit left" in str(error)
    inside = reported({"error": {"message": "pay", "code": 402}})
    assert isinstance(inside, ProviderError)
    assert not inside.passing
    assert "no credit left" in str(inside)


@rows(
    "message",
    [
        "The model `x` does not exist or you do not have access to it.",
        "The requested model 'x' does not exist.",
        # OpenRouter, xAI, DeepSeek, Ollama, LiteLLM's proxy, Mistral, Perplexity, Moonshot, Z.AI, Bedrock
        "acme/x is not a valid model ID",
        "Model not found: x",
        "Model Not Exist",
        'model "x" not found, try pulling it first',
        "/chat/completions: Invalid model name passed in model=x. Call `/v1/models` to view available models",
        "Invalid model: x",
        "Invalid model 'x'. Permitted models can be found in the documentation",
        "Not found the model x or Permission denied",
        "Unknown Model, please check the model code.",
        "The provided model identifier is invalid.",
        # Groq, Together, vLLM's relatives, GitHub's models
        "The model `x` has been decommissioned and is no longer supported.",
        "litellm.BadRequestError: OpenAIException - The requested model x is not supported.",
        "model x is not supported",
        "Model x is not available",
        "invalid model x",
        "Unsupported model: x",
        "Incorrect model name",
        "Invalid value for 'model'",
    ],
)
def test_an_unknown_model_is_not_found_whatever_the_status(message: str) -> None:
    for error in (*(refused(status, {"error": {"message": message}}) for status in (400, 404, 422)),
                  reported({"error": {"message": message, "code": 400}})):  # fmt: skip
        assert type(error) is NotFoundError
        assert "the service has no such model: check model= and base_url=" in str(error)
        assert not may_pass(error)


@pytest.mark.parametrize("code", ["model_not_found", "invalid_model", "unknown_model", "resource_not_found_error"])
def test_the_code_of_an_unknown_model_is_not_found(code: str) -> None:
    assert type(refused(400, openai("no", "invalid_request_error", code))) is NotFoundError


@pytest.mark.parametrize(
    "message",
    [
        "messages with role 'tool': the call in the model's last turn was not found",
        "Invalid model output: no JSON",
        "the file that the model asks for does not exist",
        "this model does not support images",
        "the parameter tools of model x is not supported",
        "invalid model parameters",
        "unsupported model input",
    ],
)
def test_a_model_in_another_sentence_is_not_an_unknown_model(message: str) -> None:
    assert type(refused(400, {"error": {"message": message}})) is StatusError


@pytest.mark.parametrize(
    "message",
    [
        "litellm.BadRequestError: litellm.ContextWindowExceededError: OpenAIException - too long",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        "The input token count exceeds the model limit",
        # Moonshot, vLLM, OpenAI, Alibaba, Z.AI, Cerebras
        "Invalid request: Your request exceeded model token limit: 131072 (requested: 140000)",
        "The decoder prompt (length 9000) is longer than the maximum model length of 8192.",
        "Input tokens exceed the configured limit of 272,000 tokens. Your messages resulted in 300,000 tokens.",
        "Range of input length should be [1, 129024]",
        "The total length of prompt exceeds max",
        "Current length is 9000 while limit is 8192",
        # Poolside, Ollama, Atlas, Z.AI, SGLang, MiniMax, Vertex (earendil-works/pi#4943 and #9805, openclaw/openclaw
        # PR#36074 and #111744, NousResearch/hermes-agent PR#9170 and PR#99701, all of 2026)
        "Input length 131393 exceeds the maximum allowed input length of 131040 tokens.",
        "prompt too long; exceeded max context length by 100 tokens",
        "Prompt too long: 5152 tokens exceeds max_seq_len 2048 (leave room for output tokens)",
        "Prompt exceeds max length",
        "tokens in request more than max tokens allowed",
        "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
        "invalid params, context window exceeds limit (2013)",
        "Unable to submit request because the input token count is 32825 but model only supports up to 32768.",
    ],
)
def test_a_relayed_context_error_is_a_context_length_error(message: str) -> None:
    assert type(refused(400, {"error": {"message": message}})) is ContextLengthError
    assert type(refused(500, {"error": {"message": message}})) is ContextLengthError
    assert type(reported({"error": {"message": message}})) is ContextLengthError
    assert type(refused(400, openai("x", "ContextWindowExceededError", None))) is ContextLengthError


@rows(
    "message",
    [
        # Cerebras, Bedrock, OpenAI, Anthropic behind a relay
        "Tokens per minute limit exceeded - too many tokens processed.",
        "Too many tokens, please wait before trying again.",
        "This request exceeds the limit of 30000 tokens per minute.",
        "This request would exceed the rate limit of 20,000 input tokens per minute. Please reduce the prompt length",
    ],
)
def test_a_pace_of_tokens_is_no_word_about_the_length_of_the_messages(message: str) -> None:
    for error in refused(400, {"error": {"message": message}}), reported({"error": {"message": message}}):
        assert type(error) is RateLimitError
        assert may_pass(error)


def test_the_filter_of_azure_is_found_by_its_inner_error() -> None:
    body = {"error": {"message": "no", "code": None, "innererror": {"code": "ResponsibleAIPolicyViolation"}}}
    assert type(refused(400, body)) is ContentFilterError


@rows(
    ("body", "message"),
    [
        # A service that had begun to stream, llama.cpp and LiteLLM among them.
        ('data: {"error": {"message": "prompt is too long"}}\n\ndata: [DONE]\n\n', "prompt is too long"),
        (': ping\r\n\r\nevent: error\r\ndata: {"error": "prompt is too long"}\r\n\r\n', "prompt is too long"),
        ("event: error\ndata: prompt is too long\n\n", "prompt is too long"),
        ('data: {"choices": []}\n\ndata:{"message": "prompt is too long"}', "prompt is too long"),
        ('{"model": "m"}\n{"error": "prompt is too long"}\n', "prompt is too long"),
        ('data: [{"error": {"message": "prompt is too long"}}]\n\n', "prompt is too long"),
        ('data: {"cut": \ndata: {"error": "prompt is too long"}', "prompt is too long"),
        ("event: error\nid: 4\ndata: prompt is too long", "prompt is too long"),
        ("data: prompt is too long\n\n", "prompt is too long"),
        ("\ufeffdata: prompt is too long\n\n", "prompt is too long"),
        ('event: error\ndata: {"code": 5, "message": "prompt is too long"}\n\n', "prompt is too long"),
        ('data: {"error":\ndata: {"message": "prompt is too long"}}\n\n', "prompt is too long"),
        ('\ufeffdata: {"error": "prompt is too long"}\n\n', "prompt is too long"),
        ('\ufeff{"error": "prompt is too long"}', "prompt is too long"),
        ('{"error": "prompt is too long", "why": "a\tb"}', "prompt is too long"),
        (
            "event: response.failed\n"
            'data: {"type": "response.failed", "response": {"error": {"message": "prompt is too long"}}}\n\n',
            "prompt is too long",
        ),
        (': ping\n\n{\n  "error": {\n    "message": "prompt is too long"\n  }\n}\n', "prompt is too long"),
        ('{"errors": [{"message": "prompt is too long"}]}', "prompt is too long"),
        ('{"errors": ["prompt is too long"]}', "prompt is too long"),
        # Lines end in CR, too, and not at U+2028.
        ("event: error\rid: 4\rdata: a\u2028b: prompt is too long\r\r", "a b: prompt is too long"),
    ],
)
def test_a_stream_as_the_body_of_a_status_is_read_for_its_error(body: str, message: str) -> None:
    error = refused(500, body)
    assert type(error) is ContextLengthError
    assert f": '{message}';" in str(error)


@given(st.text(alphabet="{}[]'\"\\:, adeort\r\n\u2028\ud800"))
def test_any_text_may_be_searched_for_an_error(text: str) -> None:
    for before in ("", "data: ", "event: error\ndata:"):
        for bare in (False, True):
            report = report_of(before + text, bare=bare)
            assert report is None or isinstance(report.message, str)


def test_a_stream_without_an_error_is_quoted() -> None:
    assert "'event: error data: {\"a\":'" in str(refused(500, 'event: error\n\ndata: {"a":'))
    assert "'event: error data:'" in str(refused(500, "event: error\ndata:\n"))
    assert "'data: a data: b'" in str(refused(500, "data: a\n\ndata: b\n\n"))
    assert report_of("data: no", bare=False) is None
    assert "'<p>" in str(refused(500, '<p>{"error": "no"}'))


@rows(
    ("status", "message"),
    [
        # ggml-org/llama.cpp: tools/server
        (500, "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"),
        (500, "This model does not support tools"),
        (501, "not implemented"),
        (500, "unsupported content part"),
        # AstrBotDevs/AstrBot#758, ggml-org/llama.cpp#12295
        (500, "tools param requires --jinja flag"),
        (500, "input is too large to process. increase the physical batch size"),
        # sipeed/picoclaw#207, idiap/sdialog#122
        (
            500,
            "\n------------\nWhile executing CallExpression at line 47, column 32 in source:\n...",
        ),
        (500, "Conversation roles must alternate user/assistant/user/assistant/..."),
        (500, "Only user and assistant roles are supported!"),
        (500, "Value is not callable: null at row 1, column 5"),
        (500, "Cannot use tools with stream"),
        # sterlp/eclipse-peon-ai#75: a relay over gRPC
        (500, "rpc error: code = InvalidArgument desc = no"),
    ],
)
def test_a_500_that_blames_the_request_is_not_asked_again(status: int, message: str) -> None:
    error = refused(status, {"error": {"code": status, "message": message, "type": "server_error"}})
    assert type(error) is StatusError
    assert not may_pass(error)
    assert "check the messages and options" in str(error)
    assert refused(status, {"error": message}, x_should_retry="true").should_retry is True
    inside = reported({"error": {"code": status, "message": message, "type": "server_error"}})
    assert isinstance(inside, ProviderError)
    assert not inside.passing
    assert "check the messages and options" in str(inside)


def test_a_busy_service_may_speak_of_what_it_does_not_support() -> None:
    assert may_pass(refused(529, {"error": "overloaded; unsupported"}))


@rows(
    "message",
    [
        "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
        "litellm.APIConnectionError: Connection error.",
        "peer closed connection without sending complete message body (incomplete chunked read)",
        "Server disconnected",
        "socket hang up",
        "read ECONNRESET",
        "Network error",
        "Connection reset by peer",
        "<urlopen error [Errno 104] connection refused>",
        # aiohttp, node-fetch (VOICEVOX/kanalizer#23), undici (Portkey-AI/gateway#1253, theopenco/llmgateway#2980)
        "Response payload is not completed: <TransferEncodingError: 400, message='Not enough data'>",
        "TransferEncodingError",
        "Invalid response body while trying to fetch https://api.test/v1: Premature close",
        "terminated",
        "TypeError: terminated",
        "terminated: other side closed",
        "aborted",
        "This operation was aborted",
        "fetch failed",
        "Response ended prematurely",
        "stream ended prematurely",
        "stream closed unexpectedly",
        "stream ended before message_stop",
        # Go, HTTP/2, browsers, vLLM
        "context canceled",
        "rpc error: code = Canceled desc = context canceled",
        "stream error: stream ID 3; CANCEL; received from peer",
        "HTTP/2 stream 1 was not closed cleanly",
        "Error in input stream",
        "EngineDeadError: x",
        "litellm.MidStreamFallbackError: x",
    ],
)
def test_a_lost_upstream_does_not_blame_the_messages(message: str) -> None:
    for error in (refused(400, {"error": message}), refused(502, {"error": message}), reported({"error": message})):
        assert "check the messages" not in str(error)
        assert "try again later, or ask another provider" in str(error)
    inside = reported({"error": {"message": message, "type": "invalid_request_error"}})
    assert isinstance(inside, ProviderError)
    assert inside.passing


def test_a_request_id_inside_the_error_counts() -> None:
    assert refused(500, {"error": {"message": "no", "request_id": "parasail-1"}}).request_id == "parasail-1"


def test_a_number_in_a_report_is_a_status_wherever_it_stands() -> None:
    assert type(reported({"error": {"message": "no", "code": 500, "status_code": 429}})) is RateLimitError
    assert type(reported({"error": {"message": "no", "code": 503}})) is OverloadedError
    assert type(reported({"error": {"message": "no", "code": 504}})) is ProviderError


def test_a_sentence_about_an_account_is_no_lost_connection() -> None:
    for message in ("Your account has been terminated", "the key was cancelled", "max_tokens ended the call"):
        error = reported({"error": message})
        assert isinstance(error, ProviderError)
        assert not error.passing


def test_a_service_s_own_failure_and_its_deadline_may_pass() -> None:
    for message in ("The server had an error while processing your request", "context deadline exceeded"):
        error = reported({"error": message})
        assert isinstance(error, ProviderError)
        assert error.passing


def test_codes_and_kinds_are_printable() -> None:
    body = {"error": {"message": "no", "code": "c\x1b[31m", "type": "t\u202e"}}
    for error in (refused(400, body), reported(body)):
        assert isinstance(error, StatusError | ProviderError)
        assert (error.code, error.kind) == ("c\\x1b[31m", "t\\u202e")


QUOTAS = [{"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}, {"retryDelay": "34s"}]
DAY = {"error": {"code": 429, "message": SPENT, "status": "RESOURCE_EXHAUSTED", "details": QUOTAS}}
MINUTE = json.loads(json.dumps(DAY).replace("PerDay", "PerMinute").replace("34s", "0.3s"))
LITELLM = "litellm.RateLimitError: litellm.RateLimitError: VertexAIException - "
# How relays quote an error: BerriAI/litellm#9035 and #11725, continuedev/continue#9745, open-webui/computer#293.
RELAYS: dict[str, Any] = {
    "raw": lambda error: {
        "error": {"code": 429, "message": "Provider returned error", "metadata": {"raw": json.dumps(error)}}
    },
    "raw, a list": lambda error: {"error": {"code": 429, "message": "No", "metadata": {"raw": json.dumps([error])}}},
    "raw, an object": lambda error: {"error": {"code": 429, "message": "No", "metadata": {"raw": error}}},
    "message": lambda error: openai(json.dumps(error), None, None),
    "message, a list": lambda error: openai(json.dumps([error], indent=2), None, None),
    "litellm": lambda error: openai(LITELLM + json.dumps(error, indent=2), "throttling_error", "429"),
    "litellm, bytes": lambda error: openai(f"{LITELLM}{json.dumps(error, indent=2).encode()!r}", None, "429"),
    "litellm, bytes, and more": lambda error: openai(
        f"{LITELLM}{json.dumps(error).encode()!r}. Received Model Group=g\nFallbacks=None", "", "429"
    ),
    "openai's client": lambda error: {"error": f"Error code: 429 - {error}"},
    "escaped": lambda error: {"detail": "upstream: " + json.dumps(error).replace('"', '\\"')},
    "in the field error": lambda error: {"error": json.dumps(error)},
    "an object in an object": lambda error: {"detail": {"error": error}},
    "two relays": lambda error: openai(LITELLM + json.dumps(RELAYS["raw"](error)), None, None),
    "behind another object": lambda error: openai(f'of {{"model": "m"}}: {json.dumps(error)}', None, None),
    "an event": lambda error: f"event: error\ndata: {json.dumps(RELAYS['litellm'](error))}\n\n",
    "plain text": lambda error: f"litellm.RateLimitError: {json.dumps(error)}",
}  # fmt: skip


@rows("relay", RELAYS.values())
def test_the_error_that_a_relay_quotes_tells_a_used_up_quota_from_a_pace(relay: Any) -> None:
    day, minute = refused(429, relay(DAY)), refused(429, relay(MINUTE))
    assert type(day) is type(minute) is RateLimitError
    assert (day.should_retry, day.retry_after, may_pass(day)) == (False, 34, False)
    assert (minute.should_retry, minute.retry_after, may_pass(minute)) == (None, 0.3, True)
    assert day.kind == minute.kind == "RESOURCE_EXHAUSTED"
    assert day.code == 429
    inside = reported(relay(DAY))
    if isinstance(relay(DAY), dict) and "error" in relay(DAY):
        assert isinstance(inside, RateLimitError)
        assert not may_pass(inside)


def test_the_message_of_a_relay_keeps_its_own_words_around_those_that_it_quotes() -> None:
    report = report_of(openai('Exception - {"error": {"message": "slow down", "code": "c"}} (group g)', "k", "429"))
    assert report == Report("Exception - slow down (group g)", code="c", kind="k", marks=("429", "k"))


def test_what_a_relay_says_itself_counts_where_the_quoted_error_says_nothing() -> None:
    inner = {"error": {"message": "x"}, "request_id": "inner"}
    body = {
        "error": {"message": json.dumps(inner), "code": "insufficient_quota", "retry_after": 7},
        "request_id": "own",
    }
    error = refused(429, body)
    assert (error.code, error.retry_after, error.request_id, error.should_retry) == (
        "insufficient_quota",
        7,
        "own",
        False,
    )
    body["request_id"] = ""
    assert refused(429, body).request_id == "inner"


def test_the_headers_that_a_relay_quotes_say_when_to_ask_again() -> None:
    """Gitlawb/openclaude#936: OpenRouter's, with Unix time in milliseconds; the response's own headers come first."""
    headers = {"X-RateLimit-Limit": 50, "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1763157192000"}
    body = {
        "error": {"message": "Rate limit exceeded: free-models-per-min.", "code": 429, "metadata": {"headers": headers}}
    }
    told: dict[str, Any] = {"rules": (), "key_variables": (), "now_ms": 1763157180000}
    assert status_error(429, {}, json.dumps(body), **told).retry_after == 12
    assert status_error(429, {"x-ratelimit-reset": "5"}, json.dumps(body), **told).retry_after == 5
    assert status_error(429, {}, json.dumps(RELAYS["litellm"](body)), **told).retry_after == 12
    assert refused(400, {"error": {"message": "x", "metadata": {"headers": headers}}}).retry_after is None


@pytest.mark.parametrize(
    "message",
    [
        '{"a": ',
        '{"a": 1}',
        "{'a': 'b\\",
        '{"error": ""}',
        "{" * 5000,
        '{"' * 5000,
        "{'" * 5000,
        "\\'" * 5000,
        '{"a":' * 5000,
    ],
    ids=lambda message: message[:8],
)
def test_a_message_that_quotes_no_error_stays_as_it_is(message: str) -> None:
    assert report_of({"error": {"message": message}}) == Report(message)


def test_errors_that_quote_errors_are_read_to_a_depth_of_four() -> None:
    error: Any = {"error": {"message": "the innermost"}}
    for number in range(20):
        error = {
            "error": {
                "message": f"{number} {json.dumps(error)}" if number < 9 else f"{number}",
                "metadata": {"raw": error},
            }
        }
    report = report_of(error)
    assert report is not None
    assert "the innermost" not in report.message


@pytest.mark.parametrize("number", ["1" * 5000, "1e400", "-Infinity"])
@pytest.mark.parametrize("form", ["{}", "data: {}\n\n", "[{}]"])
def test_a_number_that_python_cannot_hold_costs_no_class(form: str, number: str) -> None:
    report = f'{{"error": {{"message": "too long", "code": "context_length_exceeded", "x": {number}}}}}'
    error = refused(400, form.replace("{}", report))
    assert (type(error), error.code) == (ContextLengthError, "context_length_exceeded")
    assert "too long" in str(error)


@pytest.mark.parametrize(
    "message",
    [
        "llama runner process has terminated: exit status 2", "llama runner process no longer running: -1",
        "llama runner process has terminated: signal: killed",
        "model requires more system memory (5.5 GiB) than is available (2.1 GiB)",
        "model runner has unexpectedly stopped, this may be due to resource limitations or an internal error, check "
        "ollama server logs for details", "CUDA error: out of memory", "unable to load model: /models/sha256-1",
    ],
)  # fmt: skip
def test_a_model_that_the_server_could_not_run_is_its_log_s_matter(message: str) -> None:
    """Issues of ollama/ollama, 2024-2026."""
    advice = "the server could not run the model, which may need more memory: see its log, or ask for a smaller model"
    assert str(refused(500, {"error": message})).endswith(f"; {advice}")
    assert str(reported({"error": message})).endswith(f"; {advice}")
    assert refused(500, {"error": message}).should_retry is None


def test_what_else_could_not_be_loaded_is_no_model() -> None:
    assert "see its log" not in str(refused(400, {"error": "Failed to load image or audio file"}))


def test_only_the_beginning_of_a_long_body_is_looked_through() -> None:
    """4 MiB of events, each of which may hold an error, took ten seconds."""
    for text in ("data: x\n\n" * 466_000, '{"error": ' * 400_000, "x" * 2**22):
        began = time.monotonic()
        error = status_error(500, {}, text, rules=(), key_variables=(), now_ms=0)
        assert time.monotonic() - began < 2
        assert error.body is not None
        assert text.startswith(error.body)
    said = '{"error": {"message": "out of it"}}' + " " * BODY_READ
    assert "out of it" in str(status_error(500, {}, said, rules=(), key_variables=(), now_ms=0))
