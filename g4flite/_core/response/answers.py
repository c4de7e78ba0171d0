"""What an answer that is no reply means: statuses, challenge pages, `retry-after`, request ids.  No I/O."""

import re
from collections.abc import Mapping
from datetime import timezone
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from ..errors import AuthenticationError, ChallengeError, G4fliteError, MalformedReplyError, StatusError
from ..headers import is_secret
from ..provider import Call, Provider, Request
from .reply import Head
from .service_errors import ADVICE, KEPT, Report, as_id, classify, excerpt, report_of, reported

HARMLESS: Final = frozenset({"accept", "accept-language", "content-type", "origin", "referer", "user-agent"})
REQUEST_IDS: Final = ("x-request-id", "request-id", "x-generation-id", "apim-request-id", "x-ms-request-id")
PHRASES: Final = {status.value: f" {status.phrase}" for status in HTTPStatus}
WORD: Final = re.compile(r"[A-Za-z][\w.-]{0,79}")  # a code or kind that is worth its place in a message


def status_error(spec: Provider, head: Head, text: str, now_ms: int) -> StatusError:
    """The error that a status outside 200-299, with this text, means: the spec's own rules first, then the rest."""
    report = report_of(text, bare=True)
    kind = next((rule.error for rule in spec.errors if rule.status == head.status and rule.contains in text), None)
    if kind is None and head.status in (403, 503) and is_challenge(head, text):
        kind = ChallengeError
    elif kind is None and head.status >= 400:
        kind = classify(head.status, report or Report(text))
    kind, report = kind or StatusError, report or Report("")
    said = f": {excerpt(report.message or text)}" if text.strip() else ""
    advice = ADVICE.get(kind) or _advice(head)
    if kind is AuthenticationError and spec.key_variables:
        advice = f"check api_key=, or {' or '.join(spec.key_variables)} in the environment"
    word = next((f" ({word})" for word in (report.code, report.kind) if WORD.fullmatch(str(word or ""))), "")
    return kind(
        f"status {head.status}{PHRASES.get(head.status, '')}{said}{word}; {advice}",
        status=head.status,
        body=text[:KEPT],
        retry_after=retry_after(head.headers, now_ms),
        should_retry={"true": True, "false": False}.get(head.headers.get("x-should-retry", "").lower()),
        code=report.code,
        kind=report.kind,
        request_id=report.request_id or request_id(head.headers),
    )


def _advice(head: Head) -> str:
    """What to try next after a status whose error has no class of its own."""
    if head.status < 400:
        return f"it redirects to {_host(head)}, which is not followed: set base_url= if the service has moved there"
    if head.status >= 500:
        return "the service fails: try later, or ask another provider"
    return {
        402: "the account has nothing left to spend: add to it, or ask another provider",
        405: "nothing is served there: check base_url= and the model",
        413: "the request is too large: shorten the messages",
    }.get(head.status, "check the messages and options")


def no_reply(head: Head, text: str) -> G4fliteError:
    """The error that a 2xx answer of a content type in `error_types` means; it quotes the answer."""
    kind = head.headers.get("content-type", "").partition(";")[0]
    return reported(text) or MalformedReplyError(
        f"the reply is {kind}, not an answer: {excerpt(text)}; check base_url= and what stands in between"
    )


def request_id(headers: Mapping[str, str]) -> str | None:
    """What the service calls this request, by the first of `REQUEST_IDS`; None where it names none.

    `cf-ray` and the like are not among them: those name a passage through a proxy, which the service knows nothing of.
    """
    return next(filter(None, (as_id(headers.get(name)) for name in REQUEST_IDS)), None)


def is_challenge(head: Head, page: str) -> bool:
    """Whether the answer is a Cloudflare challenge, by its `cf-mitigated` header or by the page's own words.

    Source: https://developers.cloudflare.com/cloudflare-challenges/challenge-types/challenge-pages/detect-response/
    """
    return head.headers.get("cf-mitigated", "") == "challenge" or any(
        mark in page
        for mark in ("challenge-platform", "cf-chl", "Just a moment...", "Attention Required! | Cloudflare")
    )


def retry_after(headers: Mapping[str, str], now_ms: int) -> float | None:
    """The seconds that `retry-after-ms` or `retry-after` (seconds or an HTTP date, RFC 9110 10.2.3) ask to wait."""
    for name, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        value = headers.get(name, "").strip()
        if value.replace(".", "", 1).isdecimal():
            return float(value) / unit
    try:
        date = parsedate_to_datetime(headers.get("retry-after", ""))
        seconds = date.replace(tzinfo=date.tzinfo or timezone.utc).timestamp() - now_ms / 1000
    except (ValueError, OverflowError):
        return None
    return max(0.0, seconds)


def secrets(call: Call, request: Request) -> tuple[str, ...]:
    """What no message may repeat: the values, whole and without a scheme like `Bearer`, of the headers that the caller
    gave or that hold a secret by their name; the longest first.
    """
    values = [v for n, v in request.headers.items() if is_secret(n, v) or (n in call.headers and n not in HARMLESS)]
    values.append(call.api_key)
    found = {*values, *(value.rpartition(" ")[2] for value in values)}
    return tuple(sorted((value for value in found if len(value) > 5), key=len, reverse=True))


def _host(head: Head) -> str:
    try:
        return urlsplit(head.headers.get("location", "")).hostname or "another path"
    except ValueError:
        return "another place"
