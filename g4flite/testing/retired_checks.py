"""The checks a strict server makes of a request, in their order, and the messages that a faultless one carries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..server.checks import Headers, Refusal, Rule, exactly, json_object, sole
from ..server.framing import raw_text

Values = Mapping[str, Any]
"""Every required header (lower case) and every field of the body, by name: no name is both."""

FRESH = 60
"""Seconds by which a request's time may differ from the server's clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One endpoint: the rules for its requests, what they say, and the framing of its reply."""

    name: str
    path: str
    content_type: str
    headers: Mapping[str, Rule]
    fields: Mapping[str, Rule]
    messages: Callable[[Values], list[dict[str, Any]]]  # raises Refusal 422 where one field contradicts another
    time: tuple[str, int] | None = None  # the value that holds Unix time, and its ticks a second
    signature: str  # the value that holds it
    sign: Callable[[Values], str]  # what it has to be
    frame: Callable[[Iterable[str]], Iterator[bytes]] = raw_text
    reply_type: str = "text/plain; charset=utf-8"


def match(
    services: Iterable[Service], method: str, path: str, headers: Headers, prefix: str, others: Iterable[str] = ()
) -> Service:
    """The service that a request is meant for. Raises `Refusal`: 404 path, 405 method, 400 origin.

    Where services share a path, `Origin` tells them apart: it names the public site, whatever host is asked. `others`
    are the paths that are served besides.
    """
    found = [service for service in services if prefix + service.path == path]
    if not found:
        known = dict.fromkeys(prefix + path for path in (*(service.path for service in services), *others))
        raise Refusal(404, f"path: expected one of {', '.join(known)}")
    if method != "POST":
        raise Refusal(405, "method: expected POST", {"allow": "POST"})
    if len(found) == 1:
        return found[0]
    origin = sole(headers, "origin")
    for service in found:
        if service.headers["origin"].holds(origin):
            return service
    origins = " or ".join(service.headers["origin"].expected for service in found)
    raise Refusal(400, f"header origin (once): expected {origins}")


def check(service: Service, headers: Headers, body: bytes, now: float) -> list[dict[str, Any]]:
    """The messages of a well-formed request, `[{"role": str, "content": str}]`; `now` is Unix time in seconds.

    Raises `Refusal` at the first fault: 415 content type, 400 header or JSON, 422 body, 401 time, 403 signature.
    """
    exactly(service.content_type).check(415, "header content-type (once)", sole(headers, "content-type"))
    given = {name: sole(headers, name) for name in service.headers}
    for name, rule in service.headers.items():
        rule.check(400, f"header {name} (once)", given[name])
    values = given | json_object(body, service.fields)
    for name, rule in service.fields.items():
        rule.check(422, name, values[name])
    messages = service.messages(values)
    if service.time:
        name, ticks = service.time
        now_ticks = int(now * ticks)
        if abs(int(values[name]) - now_ticks) > FRESH * ticks:
            raise Refusal(401, f"{name}: expected within {FRESH} s of {now_ticks}")
    exactly(service.sign(values)).check(403, service.signature, values[service.signature])
    return messages
