"""Base URLs that are nearly right: says what is doubled or missing, after a service has found nothing at the URL.

>>> corrected("http://h.test/v1/chat/completions", "{base_url}/chat/completions", "https://api.openai.com/v1")
'http://h.test/v1'
>>> corrected("http://127.0.0.1:11434", "{base_url}/chat/completions", "https://api.openai.com/v1")
'http://127.0.0.1:11434/v1'

There are two kinds of protocols.  Some add an endpoint alone (`/chat/completions`), so that the base URL ends in a
version.  The others add the version or a root as well (`/v1/messages`, `/api/chat`).  The provider's template tells.

A server of one's own has `/v1` before its Chat Completions.  Public services have what they like:

    https://api.perplexity.ai
    https://models.github.ai/inference
    https://ark.cn-beijing.volces.com/api/v3
    https://api.z.ai/api/paas/v4
    https://generativelanguage.googleapis.com/v1beta/openai

So at a host whose base URL is not known, a version that is there stays, and one that is not there "may be missing".  A
URL with a port is taken for a server of one's own.
"""

import re
from collections.abc import Sequence
from itertools import takewhile
from urllib.parse import urlsplit

# A segment that is a version, like `v1` or `v1beta`.
VERSION = re.compile(r"v\d+\w*", re.IGNORECASE)
# The segments that stand before a version, or in its place.
ROOTS = ("api", "openai", "compatibility")
# What callers copy from a vendor's documentation together with the base URL.
ENDPOINTS = (["chat", "completions"], ["completions"], ["responses"], ["messages"], ["models"], ["embeddings"])


def advice_on_base_url(base_url: str, template: str, public: str, variable: str = "") -> str:
    """Return what to change in a base URL, "" if nothing is seen; `{base_url}` stands for the argument's name.

    `template` and `public` are those of `corrected`.  `variable` is the environment variable that holds the base URL,
    "" if none does.
    """
    right = corrected(base_url, template, public)
    given, wanted = _segments(urlsplit(base_url).path), _segments(urlsplit(right).path)
    same = len([*takewhile(lambda pair: pair[0] == pair[1], zip(given, wanted, strict=False))])
    surplus, missing = given[same:], wanted[same:]
    holder = f"{variable}[ or {{base_url}}]" if variable else "{base_url}"
    if not surplus and not missing:
        return ""
    if missing and not surplus and not _is_known(base_url, public):
        return f'"{_path(missing)}" may be missing: try {right} as {holder}'
    doubled = _begins(surplus, _own(template)) or surplus == given[:same][-len(surplus) :]
    words = [f'"{_path(surplus)}" {"is doubled" if doubled else "does not belong there"}'] if surplus else []
    words += [f'"{_path(missing)}" is missing'] if missing else []
    return f"{' and '.join(words)}: set {holder} to {right}"


def corrected(base_url: str, template: str, public: str) -> str:
    """Return a base URL as it probably should be.

    `template` is the provider's `url`, and `public` its own base URL, which may be "".
    """
    if not template.startswith("{base_url}"):
        return base_url
    place, home = urlsplit(base_url), urlsplit(public)
    right = _segments(home.path)
    if place.netloc != home.netloc:
        right = _corrected(_segments(place.path), _own(template), right, known=_is_known(base_url, public))
    return f"{place.scheme}://{place.netloc}{_path(right)}"


def _is_known(base_url: str, public: str) -> bool:
    """Return whether the form of the right base URL is known: at the public host, and on a server of one's own."""
    place = urlsplit(base_url)
    return place.netloc == urlsplit(public).netloc or place.port is not None


def _corrected(given: list[str], own: list[str], public: list[str], *, known: bool) -> list[str]:
    """Return the segments of a base URL's path as they probably should be, on a host that is not the public one.

    `own` are the segments that the protocol adds, `public` those of the public base URL.
    """
    kept = given[: next((n for n in range(len(given)) if _is_endpoint(given[n:], own)), len(given))]
    while kept and kept[-1:] == kept[-2:-1]:
        kept = kept[:-1]
    if own not in ENDPOINTS:
        return _without_what_is_added(kept, own)
    if public and not VERSION.fullmatch(public[-1]):
        return kept or public
    if kept and VERSION.fullmatch(kept[-1]):
        version = kept[-1].lower()
        # A server of one's own has `v1` whatever the public one has.  A name like `v1beta` has its reason.
        numbered = known and version not in ("v1", *public[-1:]) and version[1:].isdecimal()
        return [*kept[:-1], "v1" if numbered else version]
    if not known:
        return kept if kept != given or any(map(VERSION.fullmatch, kept)) else [*kept, "v1"]
    return public if kept and kept == public[:-1] else [*_without_version(kept), "v1"]


def _without_what_is_added(segments: list[str], own: list[str]) -> list[str]:
    """Return the segments without a version or a root at their end, for a protocol that adds one of these.

    A root without a version may be right: https://openrouter.ai/api is OpenRouter's base URL of Anthropic's protocol.
    """
    if own[:1] != ["api"] and segments[-1:] == ["api"]:
        return segments
    if not (VERSION.fullmatch(own[0]) or own[0] in ROOTS):
        return segments
    return _without_version(segments, *(root for root in ROOTS if root != "api" or own[0] == root))


def _without_version(segments: list[str], *roots: str) -> list[str]:
    """Return the segments without a version and a root at their end."""
    while segments and (segments[-1] in (roots or ROOTS) or VERSION.fullmatch(segments[-1])):
        segments = segments[:-1]
    return segments


def _is_endpoint(rest: list[str], own: list[str]) -> bool:
    """Return whether these segments begin like what the protocol adds, or are an endpoint of any protocol."""
    return rest[:1] == own[:1] or any(rest[: len(endpoint)] == endpoint for endpoint in ENDPOINTS)


def _begins(rest: list[str], own: list[str]) -> bool:
    """Return whether these segments begin `own`, in which `{model}` stands for any name."""
    if len(rest) > len(own):
        return False
    return all("{" in mine or mine == theirs for mine, theirs in zip(own, rest, strict=False))


def _own(template: str) -> list[str]:
    """Return the segments that a provider's template adds to the base URL."""
    return _segments(template.removeprefix("{base_url}"))


def _segments(path: str) -> list[str]:
    return [part for part in path.partition("?")[0].split("/") if part]


def _path(segments: Sequence[str]) -> str:
    return "".join(f"/{part}" for part in segments)
