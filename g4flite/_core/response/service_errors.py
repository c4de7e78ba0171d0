"""Service errors: reads the errors that services report, and finds the class in `errors.py` for each.  No I/O.

    status_error(401, headers, body, ...)           # a response with a status outside 200-299
    error_of_content_type(headers, body)            # a response of status 200 that is a web page
    reported({"error": {"code": "rate_limit"}})     # an error inside a reply of status 200

`report_of` knows the shapes in which services report errors, `classify` knows the numbers and words that tell the class
of an error.  Neither asks which service sent it.

Relays (OpenRouter, LiteLLM) put the error of the service behind them into the message of their own.  Such an error is
read by the same functions, and what it says comes first: its words tell whether a quota is used up, its fields how long
to wait (BerriAI/litellm#9035 and #11725, continuedev/continue#9745).

Sources (August 2026): https://platform.openai.com/docs/guides/error-codes, https://docs.claude.com/en/api/errors,
https://ai.google.dev/gemini-api/docs/troubleshooting, https://openrouter.ai/docs/api/reference/errors-and-debugging,
https://docs.ollama.com/api/errors, https://docs.mistral.ai/api/, https://docs.cohere.com/v2/docs/streaming, and errors
that were quoted in public issues.
"""

import json
import re
from collections.abc import Mapping, Sequence
from itertools import chain
from types import MappingProxyType
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
    printable,
)
from ..numbers import loads
from .excerpts import BODY_READ, KEPT, displayable_id, excerpt, request_id
from .quoted import events_in, objects_in
from .waits import asked_by_fields, asked_by_headers, asked_in_words, until_reset

# How deep errors are read that quote errors.
DEPTH: Final = 4
# The words by which a relay says that it lost the connection to the service behind it: the request was not at fault.
# Envoy, LiteLLM, OpenRouter, aiohttp, requests, httpx, Go and Node say so (texts quoted in public issues, like
# VOICEVOX/kanalizer#23, Portkey-AI/gateway#1253, theopenco/llmgateway#2980).  The last part is for messages of one word
# or two, which mean something else inside of a sentence.
LOST: Final = re.compile(
    r"connect(ion)?.?(\w+ )?(error|reset|refused|closed|lost|aborted|terminated|broken)|reset by peer|disconnect"
    r"|upstream|incomplete (chunked )?read|without sending complete|socket hang up|network.?error|broken pipe"
    r"|bad gateway|\b(econn\w+|epipe|eof|other side closed)\b|premature|ended (unexpectedly|before)"
    r"|(closed|unexpected) (unexpectedly|end of (file|stream|input))|payload is not complete|transfer.?encoding.?error"
    r"|fetch failed|error in input stream|mid.?stream|not closed cleanly|stream error|engine.?(core )?(is )?dead"
    r"|context cancell?ed|\b(request|operation|stream|response|body) (\w+ ){0,2}(aborted|terminated|cancell?ed)"
    r"|^(\w*error: )*(terminated|aborted|cancell?ed|stream (ended|closed))\W*$",
    re.MULTILINE,
)
# The words by which an error says that a later attempt may succeed.
PASSING_WORDS: Final = re.compile(
    "overload|unavailable|rate.?limit|time.?out|timed out|deadline.?exceeded|(internal|server).?(server.?)?error"
    "|server had an error|try again|" + LOST.pattern,
    re.MULTILINE,
)
# The words by which a 5xx says that the request itself is at fault, or that the server was not set up for it, so that
# a second one would fail alike.  llama.cpp gives status 500 to "image input is not supported", to "tools param requires
# --jinja flag" (AstrBotDevs/AstrBot#758), to "input is too large to process" (ggml-org/llama.cpp#12295), and to what a
# chat template says of the messages (sipeed/picoclaw#207, idiap/sdialog#122).
LASTING_WORDS: Final = re.compile(
    r"\b(not supported|unsupported|does(n't| not) support|not_supported_error|not implemented|invalid_request(_error)?"
    r"|bad_?request(_?error)?|invalid_?argument|validation_error|(jinja|template).?(exception|error)|template rendering"
    r"|while executing \w+ at line|at row \d+|param requires|requires (the )?--\w+|roles must alternate"
    r"|only (\w+,? )+and \w+ roles are|too large to process|cannot use tools)\b"
)
# The words by which a server says that it could not run the model: "llama runner process has terminated: exit status
# 2", "model runner has unexpectedly stopped", "model requires more system memory (5.5 GiB) than is available" (issues
# of ollama/ollama, 2024-2026).
NOT_RUN: Final = re.compile(
    r"\brunner (process )?(has |is )?(unexpectedly |no longer )?(terminated|stopped|running|crashed|exited)"
    r"|\bmore system memory|\bout of memory|\bmodel failed to load|\b(failed|unable) to (load (the )?model|allocate)\b"
)
# A code or kind that is one short word, so that a message can show it.
WORD: Final = re.compile(r"[A-Za-z][\w.-]{0,79}")


class Report(NamedTuple):
    """An error in the service's own words.

    `message` is the sentence for people, `code` and `kind` are the words and numbers for programs.  `marks` are further
    such words and numbers, which only help to find the error's class.  `wait` is how many seconds the service asks its
    clients to wait.  `headers` are those of the service behind a relay, if the relay quotes them, with their names in
    lower case.
    """

    message: str
    code: str | int | None = None
    kind: str | None = None
    request_id: str | None = None
    marks: tuple[str | int, ...] = ()
    wait: float | None = None
    headers: Mapping[str, str] = MappingProxyType({})


class Rule(NamedTuple):
    """How to recognise that a report means `error`.

    - `words` is a regular expression for the whole of a code or kind, in snake case: `RateLimitError` counts as
      `rate_limit_error`.
    - `said` is a regular expression that is searched in the status and the message, in lower case, like "400 prompt is
      too long".
    - `numbers` are HTTP statuses.  They count if no rule recognises the report by its words: then the first rule with
      the response's status or a number in the report decides.
    """

    error: type[StatusError]
    numbers: tuple[int, ...]
    words: str
    said: str


# What says that a quota or a balance is used up, so that no second attempt can succeed before somebody pays or a day
# has passed.  The words are those of OpenAI (codes of 2026: jin-bo/agentao#283), Codex (`usage_limit_reached`),
# Moonshot (`exceeded_current_quota_error`, and the 403 of Kimi's plans), Z.AI (1113, and nine more of its plans),
# GitHub's Copilot (the week), Anthropic (the balance, the limit of a workspace), OpenRouter and DeepSeek (402), Hugging
# Face and Cohere (the month), xAI (403), Azure API Management (403), LiteLLM (the budget), MiniMax (the balance, five
# hours), Ollama's cloud (the session, the week), Gemini (the day in its `quotaId`, a limit of 0) and OpenRouter
# (`free-models-per-day`): simonw/llm#494, anthropics/claude-code#66314, earendil-works/pi#4172,
# google-gemini/gemini-cli#8437 and #10925, can1357/oh-my-pi#9569, continuedev/continue#10373 and #11444,
# openclaw/openclaw PR#142656, tetsuo-ai/agenc-core PR#2491, dirge-code/dirge#818, github/copilot-cli#2769,
# cohere-ai/cohere-developer-experience#199, Gitlawb/openclaude#936 and PR#249, MiniMax-AI/MiniMax-M2.7#36.
USED_UP: Final = Rule(
    RateLimitError, (),
    r"insufficient_(quota|balance|credits?|funds)(_error)?|exceeded_current_quota(_error)?|billing_\w+"
    r"|payment_required|1113|1308|1309|1310|131[6-9]|132[01]|(budget|credit_limit)(_exceeded)?"
    r"|user_weekly_rate_limited|(credit_balance|quota)_exhausted"
    r"|((organization|project)_)?(spend|usage)_limit_(exceeded|reached)"
    r"|\w+_per_day(_\w+)?",
    r"\b(credit balance is too low|insufficient (account )?(balance|credits?|funds|quota)"
    r"|(used|consumed|exhausted) all (of )?(your |its )?(available )?credits|(does not|doesn't|don't) have any credits"
    r"|(\d-hour|hourly|session|daily|weekly|monthly)( \(\d+-day\))? (spending|usage) limit"
    r"|usage limit (for this billing cycle|reached for \d+ hours?)|(weekly|monthly) limit exhausted"
    r"|quota exceeded for metric: \S+, limit: 0"
    r"|spending limit (reached|exceeded)|specified (\w+ )?api usage limits"
    r"|free-models-per-day[\w-]*|(credit|key) limit exceeded|budget has been exceeded|out of call volume quota"
    r"|exceeded your monthly (included )?(credits|quota|limit)|requires more credits|out of credits"
    r"|no (credits?|balance|quota) (left|remaining)|(calls|requests|tokens) ?(/|per) ?month)\b",
)  # fmt: skip
# OpenAI means by this that the money is gone.  Gemini says it of each quota, and says when to retry if it is a pace.
BILLING: Final = "check your plan and billing"
# This, or a quota of a day, unless the service says when to ask again: a day's quota of Groq's and OpenAI's gets free
# bit by bit.  Gemini's Code Assist and Cerebras say nothing.
UNPACED: Final = re.compile(BILLING + r"|\b(requests|tokens) per day\b")
# The quotas of a pace, in Gemini's `quotaId`.
PACE: Final = re.compile(r"\w+_per_(second|minute|hour)(_\w+)?")
# The first rule that fits counts.  The words come from the sources above.
RULES: Final = (
    USED_UP,
    Rule(
        RateLimitError, (429,),
        r"(\w+_)?rate_limit(s|ed|_\w+)?|too_many_requests|resource_exhausted|insufficient_quota|quota_exceeded"
        r"|throttling(_exception)?",
        # The second part, also of a 400, is no word about the length of the messages (code-yeongyu/senpi#1466, 2026).
        r"^429 |^(200|5\d\d) .*\b(rate limit (reached|exceeded)|(usage|request) limit)\b|" + BILLING
        + r"|\b(tokens|requests) per (min(ute)?|hour|day)\b|\btoo many tokens, please wait\b",
    ),
    Rule(
        ContextLengthError, (),
        r"context_length_exceeded|exceed_context_size(_error)?|(model_)?context_window_exceeded(_error)?|tokens_limit_reached",
        r"\b(maximum (context|prompt|allowed input) length|prompt (is )?too long|input is too long for|too many tokens"
        r"|context size has been exceeded|context length of only|max_new_tokens` must be"
        r"|exceeds the maximum number of tokens|prompt token count of \d+ exceeds|contextwindowexceedederror"
        r"|input token count (\(\d+\) exceeds|exceeds|is \d+ but)|tokens in request more than max tokens"
        r"|prompt exceeds max length|context window exceeds limit"
        r"|reduce the length of the (messages|prompt|input)|exceed(s|ed)? (the )?model token limit"
        r"|longer than the (maximum model|model's context) length|exceeds? the configured limit of [\d,]+ tokens"
        r"|range of input length should be|length of (the )?prompt exceeds|current length is \d+ while limit is"
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
        r"(model_|deployment_|resource_)?not_found(_error)?|(invalid|unknown)_model(_name|_id)?|no_such_model"
        r"|model_(decommissioned|deprecated|not_supported)",
        # The second part is for OpenRouter, xAI, DeepSeek, LiteLLM, Mistral, Groq and others, which answer 400.
        r"^200 .*\bmodel\b.* (not found|does not exist)\b"
        r"|^(200|40[04]|422|500) .*(\bmodel:? (\S+ )?(is |was )?(not found|not exist|does(n't| not) exist)\b"
        r"|\b(not found the|unknown|no such|non-?existent) model\b|\binvalid model( name| id|: | ['\"`])"
        r"|\b(invalid|unsupported|incorrect|unrecognized) model(:|( name| id)?"
        r"( (?!\w*(input|output|option|param|response|config|type|setting))\S+)?\W*$)"
        r"|\bis not a valid model\b|\binvalid value for ['\"`]?model\b"
        r"|\bmodel (identifier|name|id) is (invalid|not valid)\b"
        # At the start of a sentence: not "tools of the model are not supported".
        r"|((?<=\d{3} )|(?<=[:.-] ))(the |this |requested )*model (\S+ )?"
        r"(is not (supported|available)|has been (decommissioned|deprecated|retired|discontinued))\b)",
    ),
    # LM Studio answers 200 to a path that it does not know (lmstudio-ai/lmstudio-bug-tracker#618, April 2025).
    Rule(NotFoundError, (), r"(?!)", r"^200 unexpected endpoint or method\b"),
)  # fmt: skip
LATER: Final = "try again later, or ask another provider"
NOTHING_THERE: Final = "there is nothing at this URL: check {base_url} and the model"
NOTHING_TO_ASK: Final = "there is nothing to ask at this URL: check {base_url} and the model"
WEB_PAGE: Final = "check {base_url} and any proxy or login page in between"
# The advice of errors that blame the URL alone.  Where it can be seen what is wrong with the base URL, `base_urls` says
# that in place of this.
URL_ADVICE: Final = (NOTHING_THERE, NOTHING_TO_ASK, WEB_PAGE)
# What a message tells the user to do next, by the class of the error.
ADVICE: Final[Mapping[type[StatusError], str]] = {
    AuthenticationError: "check [{api_key} or ]the environment variable that holds it",
    PermissionDeniedError: "the service refuses this caller: check what the account may use[, and {headers}]",
    NotFoundError: NOTHING_THERE,
    RateLimitError: "wait before the next call, or ask another provider",
    OverloadedError: LATER,
    ContextLengthError: "shorten the messages, or ask a model with a larger context",
    ContentFilterError: "change the messages, or ask another provider",
    ChallengeError: "a challenge page lets only browsers pass: try another network, {proxy} or provider",
}
# For a provider that reads its key from no environment variable.
NO_VARIABLE: Final = '[pass {api_key} or ]send the key in a header, like "authorization: Bearer KEY"[, with {headers}]'
NO_CREDIT: Final = "the quota is used up: add credit, or ask another provider"
NO_MODEL: Final = "the service has no such model: check {model} and {base_url}"


def report_of(value: object, *, bare: bool = False, depth: int = 0) -> Report | None:
    """Return the error that a JSON text or its value reports, or None if it reports none.

    These shapes, or a list of one of them, report an error:

        {"error": {"message", "type", "code", "status", "details"}}
        {"error": "text", "error_type", "code"}
        {"type": "error", "error": {...}, "request_id"}
        {"type": "error", "code", "message"}
        {"object": "error", "message", "type", "code"}
        {"base_resp": {"status_code", "status_msg"}}, of MiniMax, where the code is 0 beside an answer

    With `bare=True`, for the body of an HTTP error, so do `{"message": "text"}`, `{"detail": "text"}`,
    `{"detail": [{"loc", "msg"}]}`, `{"errors": [{"message"}]}`, and `{"response": {"error": {...}}}`.

    `depth` is how many errors quote this one.
    """
    if isinstance(value, str):
        text = value.removeprefix("\ufeff")
        try:
            value = loads(text)
        except ValueError:
            return _report_of_frames(text, bare)
        except RecursionError:
            return None
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        return None
    error = value.get("error")
    base = value.get("base_resp")
    if not error and isinstance(base, dict) and base.get("status_code"):
        error = {"code": base["status_code"], "message": base.get("status_msg")}
    if not error and "error" not in (value.get("type"), value.get("object")):
        error = _bare_error(value) if bare else None
        if not error and not (bare and isinstance(value.get("message"), str)):
            return None
    inner: dict[str, Any] = error if isinstance(error, dict) else value
    more, within = ((inner[name] if isinstance(inner.get(name), dict) else {}) for name in ("metadata", "innererror"))
    headers = more["headers"] if isinstance(more.get("headers"), dict) else {}
    details = _objects(inner.get("details"))
    told = _text(inner.get("message")) or _text(error)
    said = told or _json(error or value)
    raw = more.get("raw")
    raw = _json(raw) if raw and isinstance(raw, dict | list) else _text(raw)
    if said == "Provider returned error" and raw:
        # OpenRouter puts the error of the provider behind it here.
        said = f"{said}: {raw}"
    # In {"error": "Unauthorized", "message": "no such key"} the field `error` is a title, which tells the class.
    title = value.get("error") if error != said else None
    kinds = [inner.get("type"), inner.get("error_type"), inner.get("status"), title, more.get("error_type")]
    words = [printable(kind[:KEPT]) for kind in kinds if isinstance(kind, str) and kind not in ("", "error")]
    reasons = [detail.get("reason") for detail in details]
    # Gemini names the quota (google.rpc.QuotaFailure, or ErrorInfo), Azure the filter.
    quotas = [quota.get("quotaId") for detail in details for quota in _objects(detail.get("violations"))]
    quotas += [info.get("quota_limit") for info in _objects([detail.get("metadata") for detail in details])]
    numbers = (inner.get("status"), inner.get("status_code"))
    marks = map(_mark, (*words[1:], *reasons, *quotas, within.get("code"), *numbers))
    wait = asked_by_fields((*details, inner, more, value, headers))
    own = Report(
        said,
        code=_mark(inner.get("code")),
        kind=words[0] if words else None,
        # Parasail has the id inside of `error`.
        request_id=displayable_id(value.get("request_id")) or displayable_id(inner.get("request_id")),
        marks=tuple(mark for mark in marks if mark is not None),
        wait=asked_in_words(said[:KEPT]) if wait is None else wait,
        headers={name.lower(): str(value) for name, value in headers.items()},
    )
    # An error that is quoted whole, as it says nothing, holds no other one but in a field of its own.
    if depth == DEPTH or not (told or error):
        return own
    for text in (said, raw):
        if found := _quoted(text, depth + 1):
            before, report, after = found
            if text == said and told:
                own = own._replace(message=f"{before}{report.message}{after}")
            # The relay has no sentence of its own; the quoted error may have none, too.
            elif text == said and not report.message.startswith(("{", "[")):
                own = own._replace(message=report.message)
            return _joined(own, report)
    return own


def _bare_error(value: dict[str, Any]) -> Any:
    """Return the error in the body of an HTTP error that has no field `error`, None if it has a message or nothing."""
    if (detail := value.get("detail")) or isinstance(value.get("message"), str):
        return detail
    errors, response = value.get("errors"), value.get("response")
    error = errors[0] if isinstance(errors, list) and errors else errors
    return error or (response.get("error") if isinstance(response, dict) else None)


def _joined(own: Report, inner: Report) -> Report:
    """Return a relay's report with what the error says that it quotes."""
    return Report(
        own.message,
        code=own.code if inner.code is None else inner.code,
        kind=inner.kind or own.kind,
        # The relay is who was asked, and finds its own request.
        request_id=own.request_id or inner.request_id,
        marks=(*inner.marks, *(mark for mark in (own.code, own.kind) if mark is not None), *own.marks),
        wait=own.wait if inner.wait is None else inner.wait,
        headers=own.headers or inner.headers,
    )


def _quoted(text: str, depth: int) -> tuple[str, Report, str] | None:
    """Return the error that a text quotes, with the text before and behind it; None if it quotes none."""
    for before, value, after in objects_in(text):
        if report := report_of(value, bare=True, depth=depth):
            return before, report, after
    return None


def _report_of_frames(text: str, bare: bool) -> Report | None:
    """Return the error that a text reports which is not JSON, or None: a stream as the body of an error's status.

    An event of the name `error`, or one that is alone, may have plain text as its data.
    """
    events = list(events_in(text))
    for name, lines in events:
        for data in ("\n".join(lines), *lines):
            try:
                value = loads(data)
            except (ValueError, RecursionError):
                continue
            if report := report_of(value, bare=bare) or (report_of({"error": value}) if name == "error" else None):
                return report
        is_text = lines[0] != "" and not lines[0].startswith(("{", "["))
        if is_text and (name == "error" or (bare and len(events) == 1 and lines[0] != text.strip())):
            return report_of({"error": "\n".join(lines)})
    # A page may hold anything.
    found = _quoted(text, 1) if bare and not text.lstrip().startswith("<") else None
    return None if found is None else found[1]


def classify(status: int, report: Report | None) -> type[StatusError] | None:
    """Return the class of an error, or None if no rule fits; `status` is 200 if the error came inside a reply."""
    report = report or Report("")
    # A 503 that does not speak of overload may come from any server in between.
    numbers = {*_numbers(report), *([status] if status != 503 else [])}
    by_words = (rule.error for rule in RULES if _fits(rule, status, report))
    by_number = (rule.error for rule in RULES if not numbers.isdisjoint(rule.numbers))
    return next(chain(by_words, by_number), None)


def is_used_up(status: int, report: Report) -> bool:
    """Return whether the error says that a quota or a balance is used up, and not that requests come too fast."""
    if _fits(USED_UP, status, report):
        return True
    is_pace = report.wait is not None or any(PACE.fullmatch(_snake(str(mark))) for mark in report.marks)
    return UNPACED.search(report.message[:KEPT].lower()) is not None and not is_pace


def _fits(rule: Rule, status: int, report: Report) -> bool:
    """Return whether the words of the report are those of the rule."""
    message, numbers = report.message[:KEPT], _numbers(report)
    # A message of one word is a code.
    marks = (report.code, report.kind, *report.marks, None if " " in message else message)
    words = [_snake(str(mark)) for mark in marks if mark is not None]
    said = f"{numbers[0] if numbers and status == 200 else status} {message.lower()}"
    return any(re.fullmatch(rule.words, word) for word in words) or bool(re.search(rule.said, said, re.DOTALL))


def reported(report: Any, *, bare: bool = False) -> G4fliteError | None:
    """Return the error that a service reports inside a reply of status 200, or None if it reports none.

    `report` is JSON text or its value, in a shape that `report_of` knows, which also says what `bare` means.  Returns a
    `StatusError` of the class that fits the error, or a `ProviderError` if no class fits.
    """
    found = report_of(report, bare=bare)
    if found is None:
        return None
    said = f"the service reports an error: {excerpt(found.message)}"
    if error := classify(200, found):
        return error(
            said,
            advice=_advice(error, 200, {}, found),
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
        advice=(
            LATER
            if passing and not NOT_RUN.search(words)
            else _advice(StatusError, next(iter(_numbers(found)), 400), {}, found)
        ),
        code=found.code,
        kind=found.kind,
        passing=passing,
        retry_after=found.wait,
        request_id=found.request_id,
    )


def status_error(
    status: int,
    headers: Mapping[str, str],
    text: str,
    *,
    rules: Sequence[tuple[int, str, type[StatusError]]],
    key_variables: Sequence[str],
    now_ms: int,
) -> StatusError:
    """Return the error that a response with a status outside 200-299 means; `text` is its body, of any length.

    The provider's own `rules` (`ErrorRule`) count first, then the signs of a challenge page, then `classify`.  The
    message names `key_variables`, the environment variables that may hold the provider's key.  `now_ms` is Unix time in
    milliseconds.
    """
    text = text[:BODY_READ]
    report = report_of(text, bare=True) or Report(text, wait=asked_in_words(text[:KEPT]))
    kind = next((error for at, contains, error in rules if at == status and contains in text), None)
    if kind is None and status in (403, 503) and is_challenge(headers, text):
        kind = ChallengeError
    if kind is None:
        kind = (classify(status, report) if status >= 400 else None) or StatusError
    said = f": {excerpt(report.message)}" if text.strip() else ""
    # 402 is Payment Required.
    used_up = status >= 400 and (status == 402 or is_used_up(status, report))
    should_retry = {"true": True, "false": False}.get(headers.get("x-should-retry", "").lower())
    if used_up or (should_retry is None and kind is StatusError and status >= 500 and _is_lasting(report)):
        should_retry = False
    waits = [asked_by_headers(headers, now_ms), report.wait]
    if kind is RateLimitError:
        # The headers of the service behind a relay count last.
        waits += [until_reset(headers, now_ms), until_reset(report.headers, now_ms)]
    advice = _advice(kind, status, headers, report)
    if kind is AuthenticationError:
        named = f"check [{{api_key}}, or ]{' or '.join(key_variables)} in the environment"
        advice = named if key_variables else NO_VARIABLE
    word = next((f" ({word})" for word in (report.code, report.kind) if WORD.fullmatch(str(word or ""))), "")
    return kind(
        f"status {status}{_phrase(status)}{said}{word}",
        advice=advice,
        status=status,
        body=text[:KEPT],
        retry_after=next((wait for wait in waits if wait is not None), None),
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


def _advice(kind: type[StatusError], status: int, headers: Mapping[str, str], report: Report) -> str:
    """Return what to do next after an error of this class, or of no class but this status."""
    if kind is RateLimitError and is_used_up(status, report):
        return NO_CREDIT
    # A path like /v1beta/models is no word about the model.
    if kind is NotFoundError and "model" in re.sub(r"(?<!\S)/\S*", "", _words(report)):
        return NO_MODEL
    if kind in ADVICE:
        return ADVICE[kind]
    if status < 400:
        host = _redirect_host(headers)
        return (
            f"it redirects to {host}, and redirects are not followed: set {{base_url}} if the service has moved there"
        )
    if NOT_RUN.search(_words(report)):
        return "the server could not run the model, which may need more memory: see its log, or ask for a smaller model"
    if LOST.search(_words(report)):
        return f"the service lost the connection to another one behind it: {LATER}"
    if status >= 500 and not _is_lasting(report):
        return f"the service fails: {LATER}"
    if status in PASSING_STATUSES and status < 500:
        return f"the service gave up on this request: {LATER}"
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
    said = {"error": text} if kind.lower() == "text/plain" and text.strip() else text
    return reported(said, bare=True) or MalformedReplyError(
        f"the reply is {kind}, not an answer: {excerpt(text)}",
        advice=WEB_PAGE,
    )


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
    """Return the value as JSON, for a message."""
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
    """Return a code or kind: a number, or a text, printable and cut to `KEPT` characters; None for anything else."""
    if isinstance(value, str):
        return printable(value[:KEPT]) or None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _words(report: Report) -> str:
    """Return the code and the kind of a report on one line, and its message behind that, in lower case."""
    return f"{report.code} {report.kind}\n{report.message[:KEPT]}".lower()


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
