"""Base URLs that are nearly right: says what is doubled or missing, after a service has answered 404 or 405.

>>> advice_on_base_url("http://h.test/v1/chat/completions", "{base_url}/chat/completions", "https://api.openai.com/v1")
'"/chat/completions" is doubled: set {base_url} to http://h.test/v1'
>>> advice_on_base_url("http://127.0.0.1:11434", "{base_url}/chat/completions", "https://api.openai.com/v1")
'"/v1" is missing: set {base_url} to http://127.0.0.1:11434/v1'

There are two kinds of protocols.  Some add an endpoint alone (`/chat/completions`), so that the base URL ends in a
version.  The others add the version or a root as well (`/v1/messages`, `/api/chat`).  The provider's template tells.
"""

import re
from collections.abc import Sequence
from itertools import takewhile
from urllib.parse import urlsplit

# A segment that is a version, like `v1` or `v1beta`.
VERSION = re.compile(r"v\d+\w*")
# The segments that stand before a version, or in its place.
ROOTS = ("api", "openai", "compatibility")
# What callers copy from a vendor's documentation together with the base URL.
ENDPOINTS = (["chat", "completions"], ["completions"], ["responses"], ["messages"], ["models"], ["embeddings"])


def advice_on_base_url(base_url: str, template: str, public: str) -> str:
    """Return what to change in a base URL, "" if nothing is seen; `{base_url}` stands for the argument's name.

    `template` is the provider's `url`, and `public` its own base URL, which may be "".
    """
    if not template.startswith("{base_url}"):
        return ""
    place, own = urlsplit(base_url), _segments(template.removeprefix("{base_url}"))
    given = _segments(place.path)
    at_home = place.netloc == urlsplit(public).netloc
    right = _segments(urlsplit(public).path) if at_home else _corrected(given, own, _segments(urlsplit(public).path))
    same = len([*takewhile(lambda pair: pair[0] == pair[1], zip(given, right, strict=False))])
    surplus, missing = given[same:], right[same:]
    if not surplus and not missing:
        return ""
    doubled = _begins(surplus, own) or surplus == given[:same][-len(surplus) :]
    words = [f'"{_path(surplus)}" is {"doubled" if doubled else "too much"}'] if surplus else []
    words += [f'"{_path(missing)}" is missing'] if missing else []
    return f"{' and '.join(words)}: set {{base_url}} to {place.scheme}://{place.netloc}{_path(right)}"


def _corrected(given: list[str], own: list[str], public: list[str]) -> list[str]:
    """Return the segments of a base URL's path as they probably should be, on a host that is not the public one.

    `own` are the segments that the protocol adds, `public` those of the public base URL.
    """
    kept = given[: next((n for n in range(len(given)) if _is_endpoint(given[n:], own)), len(given))]
    while kept and kept[-1:] == kept[-2:-1]:
        kept = kept[:-1]
    if own not in ENDPOINTS:
        return _without_version(kept) if _without_version(own[:1]) != own[:1] else kept
    if public and not VERSION.fullmatch(public[-1]):
        return kept or public
    if kept and VERSION.fullmatch(kept[-1]):
        return kept
    return public if kept and kept == public[:-1] else [*_without_version(kept), "v1"]


def _without_version(segments: list[str]) -> list[str]:
    """Return the segments without a version and a root at their end."""
    while segments and (segments[-1] in ROOTS or VERSION.fullmatch(segments[-1])):
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


def _segments(path: str) -> list[str]:
    return [part for part in path.partition("?")[0].split("/") if part]


def _path(segments: Sequence[str]) -> str:
    return "".join(f"/{part}" for part in segments)
