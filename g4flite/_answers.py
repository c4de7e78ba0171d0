"""What an answer that is no reply means: statuses, challenge pages, `retry-after`.  No I/O."""

from collections.abc import Mapping
from datetime import timezone
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from ._checks import is_secret
from ._errors import ChallengeError, MalformedReplyError, RateLimitError, ReplyError, StatusError
from ._parsers import excerpt, reported
from ._reply import Head
from ._spec import Call, Provider, Request

HARMLESS: Final = frozenset({"accept", "accept-language", "content-type", "origin", "referer", "user-agent"})
BODY_KEPT: Final = 2 * 1024  # characters of an error's body that the error keeps


def status_error(spec: Provider, head: Head, text: str, now_ms: int) -> StatusError:
    """The error that a status outside 200-299, with this text, means: the spec's own rules first, then the rest."""
    kind = next((rule.error for rule in spec.errors if rule.status == head.status and rule.contains in text), None)
    advice = "check the messages and options"
    if kind is not None or head.status == HTTPStatus.TOO_MANY_REQUESTS:
        kind, advice = kind or RateLimitError, "wait before the next call, or ask another provider"
    elif head.status in (403, 503) and is_challenge(head, text):
        kind, advice = ChallengeError, "a challenge page wants a browser: try another network, proxy= or provider"
    elif 300 <= head.status < 400:
        advice = f"it redirects to {_host(head)}, which is not followed: set base_url= if the service has moved there"
    elif head.status in (401, 403):
        advice = "it refuses this caller: check headers= and credentials"
    elif head.status in (404, 405):
        advice = "nothing is served there: check base_url= and the model"
    elif head.status >= 500:
        advice = "the service fails: try later, or ask another provider"
    phrase = HTTPStatus(head.status).phrase if head.status in HTTPStatus._value2member_map_ else ""
    said = f": {excerpt(text)}" if text.strip() else ""
    return (kind or StatusError)(
        " ".join(["status", str(head.status), phrase]).rstrip() + f"{said}; {advice}",
        status=head.status,
        body=text[:BODY_KEPT],
        retry_after=retry_after(head.headers, now_ms),
        should_retry={"true": True, "false": False}.get(head.headers.get("x-should-retry", "").lower()),
    )


def no_reply(head: Head, text: str) -> ReplyError:
    """The error that a 2xx answer of a content type in `error_types` means; it quotes the answer."""
    kind = head.headers.get("content-type", "").partition(";")[0]
    return reported(text) or MalformedReplyError(
        f"the reply is {kind}, not an answer: {excerpt(text)}; check base_url= and what stands in between"
    )


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
    found = {*values, *(value.rpartition(" ")[2] for value in values)}
    return tuple(sorted((value for value in found if len(value) > 5), key=len, reverse=True))


def _host(head: Head) -> str:
    try:
        return urlsplit(head.headers.get("location", "")).hostname or "another path"
    except ValueError:
        return "another place"
