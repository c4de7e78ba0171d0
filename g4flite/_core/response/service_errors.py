"""Service errors: reads the errors that services report, and finds the class in `errors.py` for each.  No I/O.

    status_error(401, headers, body, ...)           # a response with a status outside 200-299
    error_of_content_type(headers, body)            # a response of status 200 that is a web page
    reported({"error": {"code": "rate_limit"}})     # an error inside a reply of status 200

`report_of` knows the shapes in which services report errors, `classify` knows the numbers and words that tell the class
of an error.  Neither asks which service sent it.

Sources (August 2026): https://platform.openai.com/docs/guides/error-codes, https://docs.claude.com/en/api/errors,
https://ai.google.dev/gemini-api/docs/troubleshooting, https://openrouter.ai/docs/api/reference/errors-and-debugging,
https://docs.ollama.com/api/errors, https://docs.mistral.ai/api/, https://docs.cohere.com/v2/docs/streaming, and errors
that were quoted in public issues.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from ..errors import (
    PASSING_STATUSES,
    AuthenticationError,
    ChallengeError,
    ContentFilterError,
    ContextLengthError,
    G4fliteError,
    MalformedReplyError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    StatusError,
)
from .waits import asked_by_fields, asked_by_headers, asked_in_words, until_reset

# How many characters of an error's text are kept in `.body`, and searched for words.
KEPT: Final = 2 * 1024
# The words by which a relay says that it lost the connection to the service behind it: the request was not at fault.
# Envoy, LiteLLM, OpenRouter, aiohttp, httpx and Node say so (texts quoted in public issues).
LOST: Final = re.compile(
    r"connect(ion)?.?(\w+ )?(error|reset|refused|closed|lost|aborted|terminated|broken)|reset by peer|disconnect"
    r"|upstream|incomplete (chunked )?read|without sending complete|socket hang up|network.?error|broken pipe"
    r"|bad gateway|\b(econn\w+|epipe|eof)\b"
)
# The words by which an error says that a later attempt may succeed.
PASSING_WORDS: Final = re.compile(
    "overload|unavailable|rate.?limit|time.?out|timed out|(internal|server).?(server.?)?error|try again|" + LOST.pattern
)
# The words by which a 5xx says that the request itself is at fault, so that a second one would fail alike: llama.cpp's
# "image input is not supported" has status 500 (ggml-org/llama.cpp, tools/server).
LASTING_WORDS: Final = re.compile(
    r"\b(not supported|unsupported|does(n't| not) support|not_supported_error|not implemented|invalid_request(_error)?"
    r"|bad_?request(_?error)?|invalid_argument|validation_error)\b"
)
# The headers in which services give a request's id; the first of these that is there counts.  `cf-ray` and the like are
# left out: a proxy in between gives them, and the service cannot find a request by them.
REQUEST_IDS: Final = ("x-request-id", "request-id", "x-generation-id", "apim-request-id", "x-ms-request-id")
# A code or kind that is one short word, so that a message can show it.
WORD: Final = re.compile(r"[A-Za-z][\w.-]{0,79}")


class Report(NamedTuple):
    """An error in the service's own words.

    `message` is the sentence for people, `code` and `kind` are the words and numbers for programs.  `marks` are further
    such words and numbers, which only help to find the error's class.  `wait` is how many seconds the service asks its
    clients to wait.
    """

    message: str
    code: str | int | None = None
    kind: str | None = None
    request_id: str | None = None
    marks: tuple[str | int, ...] = ()
    wait: float | None = None


class Rule(NamedTuple):
    """How to recognise that a report means `error`.

    - `words` is a regular expression for the whole of a code or kind, in snake case: `RateLimitError` counts as
      `rate_limit_error`.
    - `said` is a regular expression that is searched in the status and the message, in lower case, like "400 prompt is
      too long".
    - `numbers` are HTTP statuses.  They count if no rule recognises the report by its words: then the first rule with
      the response's status or the report's code decides.
    """

    error: type[StatusError]
    numbers: tuple[int, ...]
    words: str
    said: str


# What says that a quota or a balance is used up, so that no second attempt can succeed before somebody pays or a day
# has passed.  The words are those of OpenAI, Moonshot (`exceeded_current_quota_error`), Z.AI (1113), Anthropic (the
# balance), OpenRouter and DeepSeek (402), Hugging Face and Cohere (the month), xAI (403), and the day in Gemini's
# `quotaId`: simonw/llm#494, anthropics/claude-code#66314, google-gemini/gemini-cli#8437, can1357/oh-my-pi#9569,
# continuedev/continue#10373, cohere-ai/cohere-developer-experience#199.
USED_UP: Final = Rule(
    RateLimitError, (),
    r"insufficient_(quota|balance|credits?|funds)|exceeded_current_quota(_error)?|billing_\w+|payment_required|1113"
    r"|\w+_per_day(_\w+)?",
    r"\b(credit balance is too low|insufficient (account )?(balance|credits?|funds|quota)"
    r"|(used|consumed|exhausted) all (of )?(your |its )?(available )?credits|(does not|doesn't|don't) have any credits"
    r"|monthly (spending|usage) limit|spending limit (reached|exceeded)|specified api usage limits"
    r"|exceeded your monthly (included )?(credits|quota|limit)|requires more credits|out of credits"
    r"|no (credits?|balance|quota) (left|remaining)|(calls|requests|tokens) ?(/|per) ?month)\b",
)  # fmt: skip
# OpenAI means by this that the money is gone.  Gemini says it of each quota, and says when to retry if it is a pace.
BILLING: Final = "check your plan and billing"
# The first rule that fits counts.  The words come from the sources above.
RULES: Final = (
    Rule(
        RateLimitError, (429,),
        r"(\w+_)?rate_limit(s|ed|_\w+)?|too_many_requests|resource_exhausted|insufficient_quota|quota_exceeded"
        r"|throttling(_exception)?",
        r"^429 |^(200|5\d\d) .*\b(rate limit (reached|exceeded)|(usage|request) limit)\b",
    ),
    Rule(
        ContextLengthError, (),
        r"context_length_exceeded|exceed_context_size(_error)?|(model_)?context_window_exceeded(_error)?|tokens_limit_reached",
        r"\b(maximum (context|prompt) length|prompt is too long|input is too long for|too many tokens"
        r"|context size has been exceeded|context length of only|max_new_tokens` must be"
        r"|exceeds the maximum number of tokens|prompt token count of \d+ exceeds|contextwindowexceedederror"
        r"|input token count (\(\d+\) )?exceeds"
        r"|reduce the length of the (messages|prompt|input)"
        r"|exceeds? (the |your |this )?(model's )?(available |maximum )?context (length|limit|size|window))\b",
    ),
    Rule(
        ContentFilterError, (),
        r"content_filter(ed|_\w+)?|content_policy(_violation)?|responsible_ai_?policy_violation|(image_)?safety"
        r"|prohibited_content|data_inspection_failed",
        r"\b(content management policy|content filter(ing)?|content policy|content_policy_violation"
        r"|prohibited_content|input was flagged|flagged as potentially violating)\b",
    ),
    Rule(
        AuthenticationError, (401,),
        r"authentication(_error)?|invalid_authentication|unauthenticated|unauthorized(_error)?"
        r"|(invalid|incorrect|missing)_api_key|api_key_invalid",
        r"^(200|40[013]) .*\b(api (key|token) (is )?(not valid|invalid|expired|missing)"
        r"|(invalid|incorrect|expired|missing|no) api (key|token))\b",
    ),
    Rule(
        OverloadedError, (529, 503),
        r"(\w+_)?overloaded(_error)?|(service_)?unavailable(_error)?",
        r"^((200|5\d\d) .*\b(overloaded|over capacity|server busy|currently unavailable)|503 .*\bunavailable)\b",
    ),
    Rule(
        PermissionDeniedError, (403,),
        r"permission(_denied)?(_error)?|(request_)?forbidden(_error)?|access_denied|unsupported_country_region_territory",
        r"(?!)",
    ),
    Rule(
        NotFoundError, (404,),
        r"(model_|deployment_|resource_)?not_found(_error)?|(invalid|unknown)_model(_name|_id)?|no_such_model",
        # The second part is for OpenRouter, xAI, DeepSeek, LiteLLM, Mistral and others, which answer 400.
        r"^200 .*\bmodel\b.* (not found|does not exist)\b"
        r"|^(200|40[04]|422|500) .*(\bmodel:? (\S+ )?(is |was )?(not found|not exist|does(n't| not) exist)\b"
        r"|\b(not found the|unknown|no such) model\b|\binvalid model( name| id|: | ['\"`])|\bis not a valid model\b"
        r"|\bmodel (identifier|name|id) is (invalid|not valid)\b)",
    ),
    # LM Studio answers 200 to a path that it does not know (lmstudio-ai/lmstudio-bug-tracker#618, April 2025).
    Rule(NotFoundError, (), r"(?!)", r"^200 unexpected endpoint or method\b"),
)  # fmt: skip
# The advice of errors that blame the URL alone.  Where it can be seen what is wrong with the base URL, `base_urls` says
# that in place of this.
NOTHING_THERE: Final = "there is nothing at this URL: check {base_url} and the model"
NOTHING_TO_ASK: Final = "there is nothing to ask at this URL: check {base_url} and the model"
WEB_PAGE: Final = "check {base_url} and any proxy or login page in between"
URL_ADVICE: Final = (NOTHING_THERE, NOTHING_TO_ASK, WEB_PAGE)
# What a message tells the user to do next, by the class of the error.
ADVICE: Final[Mapping[type[StatusError], str]] = {
    AuthenticationError: "check [{api_key} or ]the environment variable that holds it",
    PermissionDeniedError: "the service refuses this caller: check what the account may use, and {headers}",
    NotFoundError: NOTHING_THERE,
    RateLimitError: "wait before the next call, or ask another provider",
    OverloadedError: "try again later, or ask another provider",
    ContextLengthError: "shorten the messages, or ask a model with a larger context",
    ContentFilterError: "change the messages, or ask another provider",
    ChallengeError: "a challenge page lets only browsers pass: try another network, {proxy} or provider",
}
# For a provider that reads its key from no environment variable.
NO_VARIABLE: Final = '[pass {api_key} or ]send the key in a header, like "authorization: Bearer KEY"[, with {headers}]'
NO_CREDIT: Final = "the quota is used up: add credit, or ask another provider"
NO_MODEL: Final = "the service has no such model: check {model} and {base_url}"
LATER: Final = "try again later, or ask another provider"


def report_of(value: object, *, bare: bool = False) -> Report | None:
    """Return the error that a JSON text or its value reports, or None if it reports none.

    These shapes, or a list of one of them, report an error:

        {"error": {"message", "type", "code", "status", "details"}}
        {"error": "text", "error_type", "code"}
        {"type": "error", "error": {...}, "request_id"}
        {"type": "error", "code", "message"}
        {"object": "error", "message", "type", "code"}

    With `bare=True`, for the body of an HTTP error, so do `{"message": "text"}`, `{"detail": "text"}` and
    `{"detail": [{"loc", "msg"}]}`.
    """
    if isinstance(value, str):
        text = value
        try:
            value = json.loads(text)
        except ValueError:
            return _report_of_frames(text, bare)
        except RecursionError:
            return None
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        return None
    error = value.get("error")
    if not error and "error" not in (value.get("type"), value.get("object")):
        error = value.get("detail") if bare else None
        if not error and not (bare and isinstance(value.get("message"), str)):
            return None
    inner: dict[str, Any] = error if isinstance(error, dict) else value
    more, details = inner.get("metadata"), inner.get("details")
    more = more if isinstance(more, dict) else {}
    said = _text(inner.get("message")) or _text(error) or _json(error or value)
    if said == "Provider returned error" and (raw := _text(more.get("raw"))):
        # OpenRouter puts the error of the provider behind it here.
        said = f"{said}: {raw}"
    # In {"error": "Unauthorized", "message": "no such key"} the field `error` is a title, which tells the class.
    title = value.get("error") if error != said else None
    kinds = [inner.get("type"), inner.get("error_type"), inner.get("status"), title, more.get("error_type")]
    words = [kind[:KEPT] for kind in kinds if isinstance(kind, str) and kind not in ("", "error")]
    reasons = [detail.get("reason") for detail in _objects(details)]
    # Gemini names the quota (google.rpc.QuotaFailure), Azure the filter.
    quotas = [quota.get("quotaId") for detail in _objects(details) for quota in _objects(detail.get("violations"))]
    within = inner.get("innererror")
    filters = [within.get("code")] if isinstance(within, dict) else []
    numbers = (inner.get("status"), inner.get("status_code"))
    marks = [_mark(mark) for mark in (*words[1:], *reasons, *quotas, *filters, *numbers)]
    wait = asked_by_fields((*_objects(details), inner, more, value, *_objects([more.get("headers")])))
    return Report(
        said,
        code=_mark(inner.get("code")),
        kind=words[0] if words else None,
        # Parasail has the id inside of `error`.
        request_id=displayable_id(value.get("request_id")) or displayable_id(inner.get("request_id")),
        marks=tuple(mark for mark in marks if mark is not None),
        wait=asked_in_words(said[:KEPT]) if wait is None else wait,
    )


def _report_of_frames(text: str, bare: bool) -> Report | None:
    """Return the error that one line of a body reports, or None: server-sent events or NDJSON under an error's status.

    An event of the name `error` may have plain text as its data.
    """
    named = None
    for line in text.split("\n"):
        field, _, data = line.partition(":")
        data = (data if field == "data" else line).strip()
        if data.startswith(("{", "[")):
            try:
                value = json.loads(data)
            except (ValueError, RecursionError):
                continue
            if report := report_of(value, bare=bare):
                return report
        elif named == "error" and field == "data" and data:
            return report_of({"error": data})
        named = data.partition(":")[2].strip() if field == "event" else None
    return None


def classify(status: int, report: Report | None) -> type[StatusError] | None:
    """Return the class of an error, or None if no rule fits; `status` is 200 if the error came inside a reply."""
    report = report or Report("")
    if is_used_up(status, report):
        return USED_UP.error
    if rule := next((rule for rule in RULES if _fits(rule, status, report)), None):
        return rule.error
    numbers = _numbers(report)
    # A 503 that does not speak of overload may come from any server in between.
    if status != 503:
        numbers.append(status)
    return next((rule.error for rule in RULES if not {*rule.numbers}.isdisjoint(numbers)), None)


def is_used_up(status: int, report: Report) -> bool:
    """Return whether the error says that a quota or a balance is used up, and not that requests come too fast."""
    return _fits(USED_UP, status, report) or (report.wait is None and BILLING in report.message[:KEPT].lower())


def _fits(rule: Rule, status: int, report: Report) -> bool:
    """Return whether the words of the report are those of the rule."""
    message, numbers = report.message[:KEPT], _numbers(report)
    # A message of one word is a code.
    marks = (report.code, report.kind, *report.marks, None if " " in message else message)
    words = [_snake(str(mark)) for mark in marks if mark is not None]
    said = f"{numbers[0] if numbers and status == 200 else status} {message.lower()}"
    return any(re.fullmatch(rule.words, word) for word in words) or bool(re.search(rule.said, said, re.DOTALL))


def reported(report: Any) -> G4fliteError | None:
    """Return the error that a service reports inside a reply of status 200, or None if it reports none.

    `report` is JSON text or its value, in a shape that `report_of` knows.  Returns a `StatusError` of the class that
    fits the error, or a `ProviderError` if no class fits.
    """
    found = report_of(report)
    if found is None:
        return None
    said = f"the service reports an error: {excerpt(found.message)}"
    if error := classify(200, found):
        return error(
            said,
            advice=_advice_of(error, 200, found),
            status=200,
            body=(report if isinstance(report, str) else _json(report))[:KEPT],
            retry_after=found.wait,
            should_retry=False if is_used_up(200, found) else None,
            code=found.code,
            kind=found.kind,
            request_id=found.request_id,
        )
    words = _words(found)
    passing = not PASSING_STATUSES.isdisjoint(_numbers(found)) or PASSING_WORDS.search(words) is not None
    passing = passing and not _is_lasting(found)
    return ProviderError(
        said,
        advice=LATER if passing else _advice(next(iter(_numbers(found)), 400), {}, found),
        code=found.code,
        kind=found.kind,
        passing=passing,
        retry_after=found.wait,
        request_id=found.request_id,
    )


def excerpt(data: bytes | str, limit: int = 200) -> str:
    """Return the beginning of `data` on one line and in quotes, for a message; `limit` is a number of characters."""
    text = data[: 4 * limit].decode("utf-8", "replace") if isinstance(data, bytes) else data[: 4 * limit]
    text = " ".join(text.split())
    return repr(text if len(text) <= limit else text[:limit] + "...")


def displayable_id(value: object) -> str | None:
    """Return the value if it is an id that a message can show, a line of at most 200 characters; else None."""
    return value if isinstance(value, str) and 0 < len(value) <= 200 and value.isprintable() else None


def status_error(
    status: int,
    headers: Mapping[str, str],
    text: str,
    *,
    rules: Sequence[tuple[int, str, type[StatusError]]],
    key_variables: Sequence[str],
    now_ms: int,
) -> StatusError:
    """Return the error that a response with a status outside 200-299 means; `text` is its body.

    The provider's own `rules` (`ErrorRule`) count first, then the signs of a challenge page, then `classify`.  The
    message names `key_variables`, the environment variables that may hold the provider's key.  `now_ms` is Unix time in
    milliseconds.
    """
    report = report_of(text, bare=True)
    kind = next((error for at, contains, error in rules if at == status and contains in text), None)
    if kind is None and status in (403, 503) and is_challenge(headers, text):
        kind = ChallengeError
    elif kind is None and status >= 400:
        kind = classify(status, report or Report(text))
    kind, report = kind or StatusError, report or Report(text, wait=asked_in_words(text[:KEPT]))
    said = f": {excerpt(report.message)}" if text.strip() else ""
    advice = _advice_of(kind, status, report) or _advice(status, headers, report)
    # 402 is Payment Required.
    used_up = status >= 400 and (status == 402 or is_used_up(status, report))
    should_retry = {"true": True, "false": False}.get(headers.get("x-should-retry", "").lower())
    if used_up or (should_retry is None and kind is StatusError and status >= 500 and _is_lasting(report)):
        should_retry = False
    wait = asked_by_headers(headers, now_ms)
    wait = report.wait if wait is None else wait
    if kind is AuthenticationError:
        named = f"check [{{api_key}}, or ]{' or '.join(key_variables)} in the environment"
        advice = named if key_variables else NO_VARIABLE
    word = next((f" ({word})" for word in (report.code, report.kind) if WORD.fullmatch(str(word or ""))), "")
    return kind(
        f"status {status}{_phrase(status)}{said}{word}",
        advice=advice,
        status=status,
        body=text[:KEPT],
        retry_after=until_reset(headers, now_ms) if wait is None and kind is RateLimitError else wait,
        should_retry=should_retry,
        code=report.code,
        kind=report.kind,
        request_id=report.request_id or request_id(headers),
    )


def _phrase(status: int) -> str:
    """Return the standard's phrase for a status with a space before, like " Not Found"; "" for an unknown status."""
    from http import HTTPStatus  # noqa: PLC0415 - needed for a message only

    try:
        return f" {HTTPStatus(status).phrase}"
    except ValueError:
        return ""


def _advice_of(kind: type[StatusError], status: int, report: Report) -> str:
    """Return what to do next after an error of this class, "" for an error of no class."""
    if kind is RateLimitError and is_used_up(status, report):
        return NO_CREDIT
    # A path like /v1beta/models is no word about the model.
    if kind is NotFoundError and "model" in re.sub(r"(?<!\S)/\S*", "", _words(report)):
        return NO_MODEL
    return ADVICE.get(kind, "")


def _advice(status: int, headers: Mapping[str, str], report: Report) -> str:
    """Return what to do next after a status whose error belongs to no class."""
    if status < 400:
        host = _redirect_host(headers)
        return (
            f"it redirects to {host}, and redirects are not followed: set {{base_url}} if the service has moved there"
        )
    if LOST.search(_words(report)):
        return f"the service lost the connection to another one behind it: {LATER}"
    if status >= 500 and not _is_lasting(report):
        return "the service fails: try again later, or ask another provider"
    return {
        402: "the account has no credit left: add credit, or ask another provider",
        405: NOTHING_TO_ASK,
        413: "the request is too large: shorten the messages",
    }.get(status, "check the messages and options")


def _redirect_host(headers: Mapping[str, str]) -> str:
    """Return the host that a redirect leads to, without the rest of its URL, which may hold secrets."""
    try:
        return urlsplit(headers.get("location", "")).hostname or "another path"
    except ValueError:
        return "another place"


def error_of_content_type(headers: Mapping[str, str], text: str) -> G4fliteError:
    """Return the error that a 2xx response of a content type in `Provider.error_types` means; `text` is its body."""
    kind = headers.get("content-type", "").partition(";")[0]
    return reported(text) or MalformedReplyError(
        f"the reply is {kind}, not an answer: {excerpt(text)}",
        advice=WEB_PAGE,
    )


def request_id(headers: Mapping[str, str]) -> str | None:
    """Return the service's id of the request, from the first of the headers `REQUEST_IDS`, or None if there is none."""
    # A header that a proxy in between has repeated comes as "a, b": its first value is the service's.
    values = (headers.get(name, "").partition(",")[0].strip() for name in REQUEST_IDS)
    return next(filter(None, map(displayable_id, values)), None)


def is_challenge(headers: Mapping[str, str], page: str) -> bool:
    """Return whether the response is a Cloudflare challenge, by its header `cf-mitigated` or by the words of the page.

    Source: https://developers.cloudflare.com/cloudflare-challenges/challenge-types/challenge-pages/detect-response/
    (August 2026).
    """
    return headers.get("cf-mitigated", "") == "challenge" or any(
        mark in page
        for mark in ("challenge-platform", "cf-chl", "Just a moment...", "Attention Required! | Cloudflare")
    )


def _json(value: object) -> str:
    """Return the value as JSON text."""
    try:
        return json.dumps(value)
    # Writing takes more stack than reading did, so a value that was read may be nested too deep to be written.
    except RecursionError:
        return "JSON that is nested too deep"


def _text(value: object) -> str:
    """Return the text of a field `message` or `detail`, "" if it has none.

    FastAPI's `[{"loc": ["body", "model"], "msg": "missing"}]` becomes "body.model: missing".
    """
    if isinstance(value, list):
        parts = [(part.get("loc"), part.get("msg")) for part in _objects(value)]
        return "; ".join(f"{'.'.join(map(str, at))}: {said}" for at, said in parts if isinstance(at, list) and said)
    return value if isinstance(value, str) and not value.isspace() else ""


def _objects(value: object) -> list[dict[str, Any]]:
    """Return the objects in a list; [] if the value is not a list."""
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []


def _mark(value: object) -> str | int | None:
    """Return a code or kind, cut to `KEPT` characters; None for an empty text and for anything but text and numbers."""
    if isinstance(value, str):
        return value[:KEPT] or None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _words(report: Report) -> str:
    """Return the code, the kind and the message of a report, in lower case."""
    return f"{report.code} {report.kind} {report.message[:KEPT]}".lower()


def _is_lasting(report: Report) -> bool:
    """Return whether an error of the service says that the request itself is at fault, and not a lost connection."""
    words = _words(report)
    return bool(LASTING_WORDS.search(words)) and not LOST.search(words)


def _numbers(report: Report) -> list[int]:
    """Return the HTTP statuses 400-599 among the code and the marks of a report; the code's comes first."""
    marks = (str(mark) for mark in (report.code, *report.marks))
    return [int(mark) for mark in marks if re.fullmatch("[45][0-9][0-9]", mark)]


def _snake(word: str) -> str:
    """Return `rate_limit_error` for `RateLimitError`, `RATE_LIMIT_ERROR` and `Rate-limit error`."""
    return re.sub("[^a-z0-9]+", "_", re.sub("(?<=[a-z])(?=[A-Z])", "_", word).lower())
